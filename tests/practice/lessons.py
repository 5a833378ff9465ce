"""Every exercise of every lesson, with the notebook cells that belong to it."""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest

from course_utils.practice.exercise import Exercise
from course_utils.practice.task import Task

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted(path.stem.removeprefix("lesson_") for path in (ROOT / "course_utils/practice").glob("lesson_*.py"))


def content(lesson: str) -> Any:
    """The module with a lesson's exercises and quiz."""
    return importlib.import_module(f"course_utils.practice.lesson_{lesson}")


TASKS: list[Task] = [task for lesson in LESSONS for task in content(lesson).EXERCISES]
FUNCTIONS = [task for task in TASKS if isinstance(task, Exercise)]

each_lesson = pytest.mark.parametrize("lesson", LESSONS)
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.number)
each_function = pytest.mark.parametrize("task", FUNCTIONS, ids=lambda task: task.number)


@cache
def notebook(lesson: str) -> Any:
    """The lesson's notebook, or None as long as it is not written."""
    files = sorted((ROOT / "notebooks").glob(f"{lesson}_*.ipynb"))
    return nbformat.read(files[0], as_version=4) if files else None


def written(lesson: str) -> None:
    """Skip the test that asks, as long as the lesson has no notebook."""
    if notebook(lesson) is None:
        pytest.skip(f"the notebook of lesson {lesson} is not written yet")


def sources(lesson: str, kind: str) -> list[str]:
    """The text of the lesson's cells of one kind."""
    return [cell.source for cell in notebook(lesson).cells if cell.cell_type == kind]


def exercise_cell(task: Task) -> str:
    """The code cell in which the learner works, as it stands in the notebook."""
    last = f"check.{task.name}({task.name})"
    (found,) = [source for source in sources(task.number[:2], "code") if source.rstrip().endswith(last)]
    return found


def card_cell(task: Task) -> str:
    """The Markdown cell that opens the exercise."""
    heading = f"### Exercise {task.number} "
    (found,) = [source for source in sources(task.number[:2], "markdown") if source.startswith(heading)]
    return found


def imports(lesson: str, *, before: Task | None = None) -> str:
    """The import statements of the notebook's code cells, of all or of those before an exercise's own."""
    statements = []
    cells = sources(lesson, "code")
    for source in cells[: cells.index(exercise_cell(before))] if before else cells:
        plain = "\n".join(line for line in source.splitlines() if not line.lstrip().startswith(("%", "!")))
        statements += [n for n in ast.parse(plain).body if isinstance(n, (ast.Import, ast.ImportFrom))]
    return "\n".join(ast.unparse(statement) for statement in statements)
