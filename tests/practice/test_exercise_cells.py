"""The notebook says what its exercises say: card, stub, error message, objectives."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from course_utils.practice.exercise import Exercise
from course_utils.practice.task import Task
from course_utils.practice.verdict import Status, Verdict
from practice.lessons import (
    FUNCTIONS,
    card_cell,
    content,
    each_lesson,
    each_task,
    exercise_cell,
    imports,
    notebook,
    written,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")


@each_task
def test_notebook_shows_card_and_stub(task: Task) -> None:
    written(task.number[:2])
    assert card_cell(task).startswith(task.card())
    stub, _, last = exercise_cell(task).rpartition("\n")
    assert stub.rstrip() == task.stub.rstrip()
    assert last == f"check.{task.name}({task.name})"


@each_task
def test_untouched_cell_of_the_notebook_is_not_attempted(task: Task) -> None:
    lesson = task.number[:2]
    written(lesson)
    names: dict[str, Any] = {}
    exec(imports(lesson), names)
    verdicts: list[Verdict] = []

    class Recorder:
        def __getattr__(self, name: str) -> Callable[[Any], None]:
            assert name == task.name
            return lambda attempt: verdicts.append(task.judge(attempt))

    names["check"] = Recorder()
    exec(exercise_cell(task), names)
    assert [verdict.status for verdict in verdicts] == [Status.NOT_ATTEMPTED]


@pytest.mark.parametrize("task", [t for t in FUNCTIONS if t.kind == "debug"], ids=lambda task: task.number)
def test_error_message_in_the_notebook_is_the_real_one(task: Exercise) -> None:
    lesson = task.number[:2]
    written(lesson)
    names: dict[str, Any] = {}
    exec(imports(lesson) + "\n" + task.stub, names)
    raised = set()
    for arguments in task.cases():
        try:
            names[task.name](*arguments)
        except Exception as error:
            raised.add(f"{type(error).__name__}: {str(error).splitlines()[0]}")
    assert raised
    shown = without_numbers(card_cell(task))
    assert any(without_numbers(message) in shown for message in raised), raised


def without_numbers(text: str) -> str:
    """Text whose numbers, which are the example's, are masked, and whose line breaks do not count."""
    return re.sub(r"\d+", "N", " ".join(text.split()))


@each_lesson
def test_objectives_name_exercises(lesson: str) -> None:
    written(lesson)
    numbers = {task.number for task in content(lesson).EXERCISES}
    objectives = notebook(lesson).metadata["course"]["objectives"]
    assert objectives
    assert {objective["exercise"] for objective in objectives} <= numbers
