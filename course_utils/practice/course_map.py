"""The map of the course: which lessons there are, and how far this learner has come in each.

What a lesson is called, how long it takes and what it aims at is said once, in its notebook's metadata. Here it is
only read.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils.environment import NOTEBOOKS
from course_utils.practice import progress


@dataclass(frozen=True)
class Objective:
    """What a learner can do after a lesson.

    Attributes:
        text: continues "after this you can …".
        exercise: number of the exercise that shows it, such as ``"01.2"``.
    """

    text: str
    exercise: str


@dataclass(frozen=True)
class Lesson:
    """What a notebook says about itself.

    Attributes:
        file: name of the notebook.
        number: such as ``"01"``.
        title: the lesson's title.
        minutes: how long it takes.
        prerequisites: numbers of the lessons that come before it.
        objectives: what it aims at.
    """

    file: str
    number: str
    title: str
    minutes: int
    prerequisites: tuple[str, ...]
    objectives: tuple[Objective, ...]


def description(path: Path) -> dict[str, Any] | None:
    """What a notebook says about itself in metadata.course; None if it is not a lesson, or no notebook at all."""
    try:
        course: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("course")
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return course


def read_lesson(path: Path) -> Lesson:
    """Read a lesson's own description from its notebook.

    Args:
        path: the notebook.

    Raises:
        ValueError: the file is not a lesson, or its description lacks something; the message names both.
    """
    course = description(path)
    if course is None:
        raise ValueError(f"{path.name} is not a lesson: expected a notebook with metadata.course")
    try:
        return Lesson(
            file=path.name,
            number=course["id"],
            title=course["title"],
            minutes=course["minutes"],
            prerequisites=tuple(course["prerequisites"]),
            objectives=tuple(Objective(entry["text"], entry["exercise"]) for entry in course["objectives"]),
        )
    except KeyError as error:
        raise ValueError(f"{path.name} does not say its {error}; expected it in metadata.course") from error


def lessons(folder: Path = NOTEBOOKS) -> list[Lesson]:
    """All lessons in a folder, in order; those that are not published yet are simply absent.

    A learner's own notebooks are passed over, and so are copies of a lesson: the shortest name is the original.
    """
    found: dict[str, Lesson] = {}
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"), key=lambda path: (len(path.name), path.name)):
        if description(path) is not None:
            lesson = read_lesson(path)
            found.setdefault(lesson.number, lesson)
    return [found[number] for number in sorted(found)]


@dataclass(frozen=True)
class Standing:
    """How far a learner has come in one lesson.

    Attributes:
        lesson: the lesson.
        done: its exercises that were answered correctly at least once.
        repeat: exercises and quiz questions that were tried and never right, such as ``"01.2"``, ``"quiz 3"``.
    """

    lesson: Lesson
    done: tuple[str, ...]
    repeat: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the exercise of every objective is done."""
        return {objective.exercise for objective in self.lesson.objectives} <= set(self.done)

    @property
    def sign(self) -> str:
        """``✓ done``, ``◯ begun`` or ``◻ not begun``."""
        if self.complete:
            return "✓ done"
        return "◯ begun" if self.done or self.repeat else "◻ not begun"


def standing(lesson: Lesson, record: progress.Progress) -> Standing:
    """Look a lesson up in a learner's record.

    Args:
        lesson: the lesson.
        record: what the learner has done so far.
    """
    done: dict[str, tuple[str, ...]] = {}
    tried: dict[str, tuple[str, ...]] = {}
    for kind in ("exercise", "quiz"):
        mine = [entry for entry in record.records(kind) if entry.item.startswith(f"{lesson.number}.")]
        right = {entry.item for entry in mine if entry.value == "correct"}
        done[kind] = tuple(sorted(right))
        tried[kind] = tuple(sorted({entry.item for entry in mine} - right))
    questions = (f"quiz {item.removeprefix(f'{lesson.number}.')}" for item in tried["quiz"])
    return Standing(lesson, done["exercise"], (*tried["exercise"], *questions))


class CourseMap:
    """The table of lessons; display it as the last line of a cell.

    Args:
        standings: one a lesson, in order.
    """

    columns = ("lesson", "minutes", "before it", "you", "exercises done", "to repeat")

    def __init__(self, standings: Sequence[Standing]) -> None:
        self.standings = tuple(standings)

    def rows(self) -> list[tuple[str, ...]]:
        """The cells as text, one tuple a lesson."""
        table: list[tuple[str, ...]] = []
        for place in self.standings:
            lesson = place.lesson
            wanted = {objective.exercise for objective in lesson.objectives} | set(place.done)
            table.append(
                (
                    f"{lesson.number} {lesson.title}",
                    str(lesson.minutes),
                    ", ".join(lesson.prerequisites) or "–",
                    place.sign,
                    f"{len(place.done)} of {len(wanted)}",
                    ", ".join(place.repeat) or "–",
                )
            )
        return table

    def __repr__(self) -> str:
        return "\n".join(" | ".join(row) for row in (self.columns, *self.rows()))

    def _repr_html_(self) -> str:
        cell = '<{0} style="text-align:left">{1}</{0}>'
        head = "".join(cell.format("th", name) for name in self.columns)
        body = []
        for place, (name, *rest) in zip(self.standings, self.rows(), strict=True):
            link = f'<a href="{html.escape(place.lesson.file)}">{html.escape(name)}</a>'
            cells = [link, *(html.escape(text) for text in rest)]
            body.append("<tr>" + "".join(cell.format("td", text) for text in cells) + "</tr>")
        return f"<table><tr>{head}</tr>{''.join(body)}</table>"


def course_map(folder: Path = NOTEBOOKS, record: progress.Progress | None = None) -> CourseMap:
    """The map of the course with the learner's own progress.

    Args:
        folder: where the notebooks are.
        record: whose progress; by default that of whoever runs this kernel.
    """
    record = progress.mine() if record is None else record
    return CourseMap([standing(lesson, record) for lesson in lessons(folder)])
