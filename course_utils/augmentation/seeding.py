"""One seed for every generator that nlpaug and imgaug draw from."""

from __future__ import annotations

import random
import sys

__all__ = ["seed"]

LARGEST = 2**32 - 1


def seed(k: int) -> None:
    """Seed Python's, numpy's (the old global one), torch's and imgaug's generators.

    imgaug's is seeded when imgaug is imported, if that comes later.

    Args:
        k: 0 … 2³² − 1

    Raises:
        TypeError: k is no whole number.
        ValueError: k is out of range.

    Example:
        >>> import random
        >>> seed(7); first = random.random()
        >>> seed(7); random.random() == first
        True
    """
    global wanted
    if isinstance(k, bool) or not isinstance(k, int):
        raise TypeError(f"seed: got {k!r}; expected a whole number")
    if not 0 <= k <= LARGEST:
        raise ValueError(f"seed: got {k}; expected 0 to {LARGEST}")
    import numpy as np
    import torch

    random.seed(k)
    np.random.seed(k)  # noqa: NPY002 (nlpaug draws from this one)
    torch.manual_seed(k)
    wanted = k
    seed_imgaug()


wanted: int | None = None


def seed_imgaug() -> None:
    """Seed imgaug's own generator with the last seed asked for, if imgaug is there."""
    imgaug = sys.modules.get("imgaug")
    if wanted is None or not hasattr(imgaug, "seed"):
        return
    import numpy as np

    # imgaug makes its generator with a number from numpy's: numpy's next one must not depend on that.
    state = np.random.get_state()  # noqa: NPY002
    imgaug.seed(wanted)  # type: ignore[union-attr]
    np.random.set_state(state)  # noqa: NPY002
