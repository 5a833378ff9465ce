"""The first cell of every lesson: one call sets seeds, threads, device and plot style."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Session:
    """What a lesson runs with.

    Attributes:
        lesson: the lesson's number, such as ``"01"``.
        seed: the base seed, from ``COURSE_SEED`` (default 0).
        threads: CPU threads of torch, from ``COURSE_THREADS`` (default 1).
        device: always ``"cpu"``: every experiment is sized for a laptop without a GPU.
    """

    lesson: str
    seed: int
    threads: int
    device: str = "cpu"

    def seeds(self, n: int) -> list[int]:
        """``n`` seeds, disjoint for different values of ``COURSE_SEED`` as long as n ≤ 1000.

        Raises:
            ValueError: n is not in 1…1000.
        """
        if not 1 <= n <= 1000:
            raise ValueError(f"n is {n}; expected 1…1000")
        return [1000 * self.seed + i for i in range(n)]


def whole_number(name: str, default: int, least: int, most: int = 1_000_000) -> int:
    """Read an environment variable as a whole number.

    Args:
        name: of the variable.
        default: what holds when it is not set.
        least: the smallest number allowed.
        most: the largest number allowed; NumPy's generators take no seed above 2³².

    Raises:
        ValueError: it is set to something else, or out of range.
    """
    text = os.environ.get(name, "").strip() or str(default)
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise ValueError(f"{name} is {text!r}; expected a whole number from {least} to {most}")
    return number


def start(lesson: str) -> Session:
    """Make the kernel ready for one lesson and print one line.

    Threads default to one: the models are small, and two threads that fight for a core are slower than one.

    Args:
        lesson: its number, such as ``"01"``.

    Returns:
        The session: base seed, threads, device.
    """
    seed, threads = whole_number("COURSE_SEED", 0, 0), whole_number("COURSE_THREADS", 1, 1)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)

    import numpy as np
    import threadpoolctl
    import torch

    from course_utils import plots

    torch.set_num_threads(threads)
    threadpoolctl.threadpool_limits(threads)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (what libraries still draw from)
    torch.manual_seed(seed)
    plots.use_style()
    print(f"✓ Lesson {lesson} is ready: CPU, fixed seeds, plot style set.")
    return Session(lesson, seed, threads)
