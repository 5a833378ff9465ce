from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from course_utils.practice import course_map
from course_utils.practice.progress import Progress

COURSE: dict[str, Any] = {
    "id": "01",
    "title": "Overfitting <b>&",
    "minutes": 75,
    "prerequisites": ["00"],
    "objectives": [{"text": "tell bias from variance", "exercise": "01.1"}, {"text": "stop", "exercise": "01.2"}],
}


def write_notebook(path: Path, metadata: object) -> Path:
    path.write_text(json.dumps({"cells": [], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_notebook(tmp_path / "01_overfitting.ipynb", {"course": COURSE})
    first = {**COURSE, "id": "00", "title": "Start here", "prerequisites": [], "objectives": []}
    write_notebook(tmp_path / "00_start_here.ipynb", {"course": first})
    write_notebook(tmp_path / "scratch.ipynb", {})
    return tmp_path


@pytest.fixture
def record() -> Progress:
    return Progress(None)


def test_lessons_come_in_order_and_only_lessons(folder: Path) -> None:
    assert [lesson.number for lesson in course_map.lessons(folder)] == ["00", "01"]


def test_a_lesson_says_what_its_notebook_says(folder: Path) -> None:
    lesson = course_map.read_lesson(folder / "01_overfitting.ipynb")
    assert (lesson.file, lesson.title, lesson.minutes) == ("01_overfitting.ipynb", "Overfitting <b>&", 75)
    assert lesson.prerequisites == ("00",)
    assert lesson.objectives[1] == course_map.Objective("stop", "01.2")


@pytest.mark.parametrize("missing", sorted(COURSE))
def test_what_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    course = {key: value for key, value in COURSE.items() if key != missing}
    path = write_notebook(tmp_path / "01_overfitting.ipynb", {"course": course})
    with pytest.raises(ValueError, match=f"01_overfitting.ipynb does not say its '{missing}'"):
        course_map.read_lesson(path)


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"metadata": []}', '{"metadata": {}}', '{"cells": []}'])
def test_a_learners_own_file_is_passed_over(folder: Path, text: str) -> None:
    path = folder / "02_mine.ipynb"
    path.write_text(text)
    assert [lesson.number for lesson in course_map.lessons(folder)] == ["00", "01"]
    with pytest.raises(ValueError, match=r"02_mine.ipynb is not a lesson"):
        course_map.read_lesson(path)


def test_a_copy_of_a_lesson_is_passed_over(folder: Path) -> None:
    write_notebook(folder / "01_overfitting-Copy1.ipynb", {"course": COURSE})
    assert [lesson.file for lesson in course_map.lessons(folder)] == ["00_start_here.ipynb", "01_overfitting.ipynb"]


def place(folder: Path, record: Progress) -> course_map.Standing:
    return course_map.standing(course_map.read_lesson(folder / "01_overfitting.ipynb"), record)


def test_nothing_done(folder: Path, record: Progress) -> None:
    before = place(folder, record)
    assert (before.sign, before.done, before.repeat) == ("◻ not begun", (), ())


def test_wrong_answers_are_to_repeat_until_they_are_right(folder: Path, record: Progress) -> None:
    record.add("exercise", "01.2", "not yet")
    record.add("exercise", "01.1", "error")
    record.add("quiz", "01.3", "not yet")
    begun = place(folder, record)
    assert (begun.sign, begun.done, begun.repeat) == ("◯ begun", (), ("01.1", "01.2", "quiz 3"))
    record.add("exercise", "01.2", "correct")
    record.add("quiz", "01.3", "correct")
    assert place(folder, record).done == ("01.2",)
    assert place(folder, record).repeat == ("01.1",)


def test_a_lesson_is_done_when_each_objective_is_and_stays_done(folder: Path, record: Progress) -> None:
    record.add("exercise", "01.1", "correct")
    assert place(folder, record).sign == "◯ begun"
    record.add("exercise", "01.2", "correct")
    record.add("exercise", "01.2", "not yet")
    assert (place(folder, record).sign, place(folder, record).repeat) == ("✓ done", ())


def test_other_lessons_do_not_count(folder: Path, record: Progress) -> None:
    record.add("exercise", "00.1", "correct")
    record.add("quiz", "010.1", "not yet")
    record.add("prediction", "01.degree", "correct")
    assert place(folder, record).sign == "◻ not begun"


def test_the_map_in_words(folder: Path, record: Progress) -> None:
    record.add("exercise", "01.1", "correct")
    record.add("exercise", "01.2", "not yet")
    lines = repr(course_map.course_map(folder, record)).splitlines()
    assert lines[0] == "lesson | minutes | before it | you | exercises done | to repeat"
    assert lines[2] == "01 Overfitting <b>& | 75 | 00 | ◯ begun | 1 of 2 | 01.2"


def test_the_map_links_to_each_notebook_and_escapes_titles(folder: Path, record: Progress) -> None:
    shown = course_map.course_map(folder, record)._repr_html_()
    assert '<a href="01_overfitting.ipynb">01 Overfitting &lt;b&gt;&amp;</a>' in shown
    assert shown.count("<tr>") == 3


def test_the_learners_own_record_is_the_default(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COURSE_PROGRESS", raising=False)
    Progress(tmp_path / "home" / "progress.sqlite").add("exercise", "01.1", "correct")
    assert "◯ begun | 1 of 2" in repr(course_map.course_map(folder))
    monkeypatch.setenv("COURSE_PROGRESS", "off")
    assert "begun | 1" not in repr(course_map.course_map(folder))


def test_the_real_lessons_can_be_read() -> None:
    numbers = [lesson.number for lesson in course_map.lessons()]
    assert "00" in numbers
    assert numbers == sorted(set(numbers))
