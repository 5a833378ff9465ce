"""A check stands whatever it is handed, and what a learner's function does to the process ends with the check."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import pytest
import torch

from course_utils.practice.task import Task
from course_utils.practice.verdict import Status
from practice.lessons import ROOT, each_task
from practice.sample import judge, scaled


class AnyAttribute:
    """Raises when it is asked for anything."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __call__(self, *_: Any) -> float:
        return 0.0


class Leaves:
    """Ends the program when it is asked for anything."""

    def __getattr__(self, name: str) -> Any:
        raise SystemExit(name)


class NoText:
    """Has no text and is equal to nothing."""

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __eq__(self, other: object) -> bool:
        raise KeyError("eq")


class NoValues(dict[Any, Any]):
    """A dict that does not tell what it holds."""

    def values(self) -> Any:
        raise ValueError("values")

    items = values


class NoMessageError(Exception):
    """An exception that cannot say what is wrong."""

    def __str__(self) -> str:
        raise RuntimeError("str")


@pytest.mark.parametrize("hostile", [AnyAttribute, Leaves, NoText, lambda: NoValues(a=1)])
@each_task
def test_judge_never_raises(task: Task, hostile: Callable[[], Any]) -> None:
    assert task.judge(hostile()).status in (Status.ERROR, Status.NOT_YET)


@pytest.mark.parametrize("hostile", [NoText, AnyAttribute, lambda: NoValues(a=1), lambda: [NoText()]])
def test_hostile_result(hostile: Callable[[], Any]) -> None:
    assert judge(lambda x, c: hostile()).status is Status.NOT_YET


def test_list_that_holds_itself() -> None:
    def circular(x: Any, c: float) -> list[Any]:
        loop: list[Any] = []
        loop.append(loop)
        return loop

    assert judge(circular).status in (Status.NOT_YET, Status.ERROR)


def test_exception_without_a_text() -> None:
    def raises(x: Any, c: float) -> None:
        raise NoMessageError

    verdict = judge(raises)
    assert verdict.status is Status.ERROR
    assert "NoMessageError: no message" in verdict.message


# ---- the process is left as it was


@contextmanager
def put_back() -> Iterator[None]:
    """The settings that these tests change, whatever happens."""
    try:
        with warnings.catch_warnings():
            yield
    finally:
        torch.autograd.set_detect_anomaly(False, check_nan=True)
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("mine", [False, True])
def test_settings_end_with_the_check(mine: bool) -> None:
    def disturbs(x: Any, c: float) -> Any:
        found.append((torch.is_anomaly_enabled(), torch.are_deterministic_algorithms_enabled()))
        torch.autograd.set_detect_anomaly(not mine)
        torch.use_deterministic_algorithms(not mine, warn_only=not mine)
        warnings.simplefilter("error")
        return scaled(x, c)

    found: list[tuple[bool, bool]] = []
    with put_back():
        torch.autograd.set_detect_anomaly(mine, check_nan=False)
        torch.use_deterministic_algorithms(mine, warn_only=mine)
        filters = list(warnings.filters)
        assert judge(disturbs).status is Status.CORRECT
        assert found[0] == (False, False)
        assert torch.is_anomaly_enabled() is mine
        assert not torch.is_anomaly_check_nan_enabled()
        assert torch.are_deterministic_algorithms_enabled() is mine
        assert torch.is_deterministic_algorithms_warn_only_enabled() is mine
        assert warnings.filters == filters


def test_first_check_does_not_load_the_compiler() -> None:
    code = (
        "import os, sys\n"
        "from practice.sample import judge, scaled\n"
        "before = set(sys.modules), dict(os.environ)\n"
        "print(judge(scaled).status.name)\n"
        "print(len([name for name in set(sys.modules) - before[0] if name.startswith('torch.')]) < 20)\n"
        "print(dict(os.environ) == before[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "tests",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert done.stdout.decode().split() == ["CORRECT", "True", "True"], done.stderr.decode()[-2000:]


@pytest.mark.parametrize("name", ["MOMENTUM_STEP", "SAME_AS_PENALTY"])
def test_what_the_first_optimizer_loads_is_loaded_before_the_time_starts(name: str) -> None:
    code = (
        "import sys\n"
        f"from course_utils.practice.lesson_03 import {name} as task\n"
        "print('torch._dynamo' in sys.modules, task.seconds)\n"
        "task.prepare()\n"
        "before = set(sys.modules)\n"
        "print('torch._dynamo' in before)\n"
        "print(task.judge(task.reference).status.name)\n"
        "print(len([name for name in set(sys.modules) - before if name.startswith('torch.')]) < 20)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert done.stdout.decode().split() == ["False", "5.0", "True", "CORRECT", "True"], done.stderr.decode()[-2000:]


def test_stream_behind_print_is_like_the_notebooks_own() -> None:
    class Stream(io.StringIO):
        encoding = "utf-8"  # type: ignore[assignment]
        owner = "notebook"

    def looks(x: Any, c: float) -> Any:
        seen.append((sys.stdout.encoding.lower(), sys.stdout.owner, sys.stdout.isatty()))  # type: ignore[attr-defined]
        sys.stdout.writelines(["a" * 999, "b" * 999])
        sys.stdout.flush()
        sys.stdout.close()
        return scaled(x, c)

    seen: list[Any] = []
    with redirect_stdout(Stream()) as out:
        assert judge(looks).status is Status.CORRECT
        print("after")
    assert set(seen) == {("utf-8", "notebook", False)}
    assert out.getvalue() == "a" * 999 + "b …\nafter\n"
