"""The part of README.md that the notebooks know better: the table of lessons."""

from __future__ import annotations

from pathlib import Path

from course_utils.environment import ROOT, CourseError
from course_utils.practice.course_map import Lesson, lessons

README = ROOT / "README.md"
BEGIN, END = "<!-- lessons: begin -->", "<!-- lessons: end -->"


def lesson_table(published: list[Lesson]) -> str:
    """The lessons as a Markdown table.

    Args:
        published: the lessons, in order.
    """
    rows = ["| Lesson | Minutes | After it you can … |", "|---|---|---|"]
    for lesson in published:
        name = f"[{lesson.number} {lesson.title}](notebooks/{lesson.file})"
        rows.append(f"| {name} | {lesson.minutes} | {'; '.join(aim.text for aim in lesson.objectives)} |")
    return "\n".join(rows)


def renewed(text: str, table: str) -> str:
    """A README with the table put between its two marks.

    Args:
        text: the README as it is.
        table: what to put there.

    Raises:
        CourseError: the marks are missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise CourseError(f"README.md has lost its marks: put {BEGIN} and {END} around the table of lessons.")
    return f"{before}{begin}\n{table}\n{end}{after}"


def update(path: Path = README) -> bool:
    """Write the table of lessons into the README if it has changed; say whether it had."""
    old = path.read_text(encoding="utf-8")
    new = renewed(old, lesson_table(lessons()))
    if new != old:
        path.write_text(new, encoding="utf-8", newline="\n")
    return new != old
