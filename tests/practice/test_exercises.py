"""Every exercise of every lesson is attacked: its stub, its solutions, its wrong answers, and answers nobody listed."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from course_utils.practice.check import Check
from course_utils.practice.exercise import Exercise
from course_utils.practice.matching import difference, snapshot
from course_utils.practice.task import KINDS, Task
from course_utils.practice.verdict import Status, Verdict
from practice.lessons import FUNCTIONS, TASKS, content, each_function, each_lesson, each_task, imports, written

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")


def body_lines(source: str) -> list[str]:
    """The statements of a function without its docstring, one a line, as Python itself writes them."""
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    body = function.body
    if isinstance(body[0], ast.Expr) and isinstance(getattr(body[0], "value", None), ast.Constant):
        body = body[1:] if isinstance(body[0].value.value, str) else body  # type: ignore[attr-defined]
    return [line.strip() for statement in body for line in ast.unparse(statement).splitlines()]


# ---- what each exercise brings


@each_lesson
def test_a_lesson_has_exercises_of_every_kind(lesson: str) -> None:
    tasks = content(lesson).EXERCISES
    assert {task.kind for task in tasks} == set(KINDS)
    assert [task.number for task in tasks] == [f"{lesson}.{position}" for position in range(1, len(tasks) + 1)]
    assert len({task.name for task in tasks}) == len(tasks)
    for task in tasks:
        assert getattr(content(lesson).check, task.name).task is task


@each_task
def test_an_exercise_lists_enough(task: Task) -> None:
    feedbacks = [mistake.feedback for mistake in task.mistakes]
    assert len(feedbacks) >= 3
    assert len(set(feedbacks)) == len(feedbacks)
    assert len(task.styles) >= 2
    assert len(task.hints) >= 2
    assert len(set(task.hints)) == len(task.hints)
    assert 1 <= task.difficulty <= 3
    assert 1 <= task.minutes <= 30


@each_function
def test_neither_stub_nor_hints_give_the_answer_away(task: Exercise) -> None:
    answer = [line for line in body_lines(task.solution()) if line not in ("else:", "return", "try:")]
    told = " ".join(task.hints)
    assert sum(line in told for line in answer) <= len(answer) / 2
    if task.kind == "debug":
        assert not set(answer) <= set(body_lines(task.stub))
    else:
        assert body_lines(task.stub) in (["..."], ["pass"])


@each_function
def test_cases_are_the_same_each_time(task: Exercise) -> None:
    first, second = list(task.cases()), list(task.cases())
    assert len(first) >= 5
    assert not any(difference(a, b, tolerance=0.0) for a, b in zip(plain(first), plain(second), strict=True))


def plain(value: Any) -> Any:
    """A value with modules turned into their weights and functions into nothing, to be compared."""
    if isinstance(value, torch.nn.Module):
        return {name: tensor.detach().clone() for name, tensor in value.state_dict().items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if callable(value) or (hasattr(value, "__dict__") and not isinstance(value, torch.Tensor)) else value


# ---- the four verdicts


@each_task
def test_stub_is_not_attempted(task: Task) -> None:
    names: dict[str, Any] = {}
    exec(task.stub, names)
    assert task.judge(names[task.name]).status is Status.NOT_ATTEMPTED


@each_task
def test_reference_is_correct(task: Task) -> None:
    assert task.judge(task.reference) == Verdict(Status.CORRECT, task.praise)


@each_task
def test_shown_solution_runs_where_it_is_pasted(task: Task) -> None:
    written(task.number[:2])
    names: dict[str, Any] = {}
    exec(imports(task.number[:2], before=task), names)
    exec(task.solution(), names)
    assert task.judge(names[task.name]).status is Status.CORRECT
    assert task.solution().splitlines()[0].partition("=")[0] == task.stub.splitlines()[0].partition("=")[0]


@pytest.mark.parametrize(
    ("task", "style"),
    [pytest.param(task, style, id=f"{task.number}-{i}") for task in TASKS for i, style in enumerate(task.styles)],
)
def test_another_style_is_correct(task: Task, style: Any) -> None:
    verdict = task.judge(style)
    assert verdict.status is Status.CORRECT, str(verdict)


@pytest.mark.parametrize(
    ("task", "number"),
    [pytest.param(task, i, id=f"{task.number}-{i}") for task in TASKS for i in range(len(task.mistakes))],
)
def test_wrong_answer_gets_its_own_feedback(task: Task, number: int) -> None:
    mistake = task.mistakes[number]
    verdict = task.judge(mistake.answer)
    assert verdict.status is Status.NOT_YET
    assert verdict.message == mistake.feedback
    # A function also shows where it goes wrong.
    assert (verdict.seen is not None) == isinstance(task, Exercise)


# ---- answers that nobody listed


def a_generator(*_: Any) -> Iterator[int]:
    yield 1


def stops(*_: Any) -> None:
    raise RuntimeError("no more")


def leaves(*_: Any) -> None:
    raise SystemExit(3)


def never_ends(*_: Any) -> None:
    while True:
        pass


def is_too_slow(*_: Any) -> None:
    for _i in range(100):
        time.sleep(0.05)


class NoFunction:
    def __init__(self, *_: Any) -> None:
        self.mean = 0.0


ODD: dict[str, tuple[Any, Status]] = {
    "gives None": (lambda *_: None, Status.NOT_YET),
    "gives the placeholder": (lambda *_: ..., Status.NOT_YET),
    "gives nan": (lambda *_: float("nan"), Status.NOT_YET),
    "gives text": (lambda *_: "0.5", Status.NOT_YET),
    "gives an empty list": (lambda *_: [], Status.NOT_YET),
    "gives an array of another shape": (lambda *_: np.zeros((7, 7)), Status.NOT_YET),
    "gives a tensor of another shape": (lambda *_: torch.zeros(9, 2, 1), Status.NOT_YET),
    "gives a complex tensor": (lambda *_: torch.zeros(3, dtype=torch.complex64), Status.NOT_YET),
    "gives itself": (lambda *arguments: arguments, Status.NOT_YET),
    "a generator": (a_generator, Status.NOT_YET),
    "raises": (stops, Status.ERROR),
    "SystemExit": (leaves, Status.ERROR),
    "an endless loop": (never_ends, Status.NOT_YET),
    "too slow": (is_too_slow, Status.NOT_YET),
    "no parameters": (lambda: 1.0, Status.NOT_YET),
    "a class": (NoFunction, Status.NOT_YET),
    "a number": (3.0, Status.NOT_YET),
    "a tensor": (torch.zeros(3), Status.NOT_YET),
    "None": (None, Status.NOT_ATTEMPTED),
}


@pytest.mark.parametrize("odd", ODD)
@each_function
def test_odd_answer(task: Exercise, odd: str) -> None:
    attempt, status = ODD[odd]
    quick = dataclasses.replace(task, seconds=0.2) if odd in ("an endless loop", "too slow") else task
    verdict = quick.judge(attempt)
    assert verdict.status is status, str(verdict)
    assert "check itself stopped" not in verdict.message
    assert len(verdict.message) > 20


@pytest.mark.parametrize("value", [0, "3", [], {}, {"a": object()}, float("nan"), torch.zeros(2), print, {"a": None}])
def test_odd_value(value: Any) -> None:
    for task in TASKS:
        if not isinstance(task, Exercise):
            verdict = task.judge(value)
            assert verdict.status in (Status.NOT_YET, Status.NOT_ATTEMPTED), str(verdict)


@each_function
def test_reference_that_spoils_its_input_is_not_yet(task: Exercise) -> None:
    def spoilt(argument: Any) -> bool:
        if isinstance(argument, torch.Tensor) and argument.is_floating_point():
            argument.detach().add_(1.0)
            return True
        if isinstance(argument, list):
            argument.append(argument[0])
            return True
        return False

    first = next(iter(task.cases()))
    if not any(spoilt(value) for name, value in zip(task.parameters(), first) if name not in task.may_change):
        pytest.skip("none of its inputs can be changed by mistake")

    def spoils(*arguments: Any) -> Any:
        result = task.reference(*arguments)
        result = result.clone() if isinstance(result, torch.Tensor) else snapshot(result)  # the graph may count too
        any(spoilt(value) for name, value in zip(task.parameters(), arguments) if name not in task.may_change)
        return result

    verdict = task.judge(spoils)
    assert verdict.status is Status.NOT_YET
    assert "in place" in verdict.message


@each_function
def test_rerun_gives_the_same_verdict(task: Exercise) -> None:
    check = Check(task)
    wrong = task.mistakes[0].answer
    verdicts = [str(check.task.judge(attempt)) for attempt in (wrong, task.reference, wrong, task.reference)]
    assert verdicts[:2] == verdicts[2:]


def test_every_exercise_module_was_found() -> None:
    assert TASKS
    assert all(inspect.isfunction(task.reference) for task in FUNCTIONS)
