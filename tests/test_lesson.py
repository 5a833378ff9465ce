"""The first cell sets everything that a run depends on, and its line is the same on every machine."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from course_utils import lesson

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("COURSE_SEED", "COURSE_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_start_prints_one_line_that_never_changes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson.start("01")
    first = capsys.readouterr().out
    monkeypatch.setenv("COURSE_SEED", "3")
    monkeypatch.setenv("COURSE_THREADS", "2")
    session = lesson.start("01")
    assert capsys.readouterr().out == first
    assert first.count("\n") == 1
    assert (session.seed, session.threads, session.device) == (3, 2, "cpu")
    assert torch.get_num_threads() == 2


def test_start_seeds_all_three_generators() -> None:
    def draws() -> list[float]:
        lesson.start("01")
        return [random.random(), float(np.random.rand()), float(torch.rand(()))]  # noqa: NPY002

    assert draws() == draws()


def test_seeds_of_different_base_seeds_never_meet() -> None:
    sets = [set(lesson.Session("01", seed, 1).seeds(1000)) for seed in range(5)]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 5000
    with pytest.raises(ValueError, match="n is 1001; expected 1…1000"):
        lesson.Session("01", 0, 1).seeds(1001)


@pytest.mark.parametrize(
    ("name", "text"), [("COURSE_SEED", "x"), ("COURSE_SEED", "-1"), ("COURSE_THREADS", "0"), ("COURSE_SEED", "1" * 12)]
)
def test_bad_variable_is_named(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(ValueError, match=f"{name} is '{text}'; expected a whole number from"):
        lesson.start("01")


def test_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_SEED", " ")
    assert lesson.start("01").seed == 0


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, course_utils, course_utils.lesson\n"
        "heavy = 'torch', 'numpy', 'matplotlib', 'scipy', 'sklearn', 'IPython'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_package_knows_its_modules() -> None:
    import course_utils

    assert "evidence" in dir(course_utils)
    assert course_utils.evidence.approx(1.0) == "≈ 1.0"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = course_utils.nothing
