"""Quizzes: five questions a lesson, one right choice each, every choice explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from course_utils.practice.progress import Progress
from course_utils.practice.quiz import Choice, Question, Quiz
from practice.lessons import LESSONS, content

QUIZ = Quiz(
    "99",
    [
        Question("Is 2 < 3?", (Choice("yes", "Right: <b>", right=True), Choice("no", "Count again."))),
        Question("Is 3 < 2?", (Choice("yes", "Count."), Choice("no", "Right.", right=True))),
    ],
)


@pytest.mark.parametrize("lesson", LESSONS)
def test_quiz_of_a_lesson(lesson: str) -> None:
    quiz = content(lesson).QUIZ
    assert quiz.lesson == lesson
    assert len(quiz.questions) == 5
    for question in quiz.questions:
        assert 2 <= len(question.choices) <= 5
        assert len({choice.why for choice in question.choices}) == len(question.choices)
    # The right choice is not always in the same place.
    places = {[choice.right for choice in question.choices].index(True) for question in quiz.questions}
    assert len(places) >= 2


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ((Choice("a", "x"), Choice("b", "y")), "exactly one right choice"),
        ((Choice("a", "x", right=True), Choice("b", "y", right=True)), "exactly one right choice"),
        ((Choice("a", "x", right=True), Choice("b", " ")), "without explanation"),
        ((Choice("a", "x", right=True), Choice("a", "y")), "the same choice twice"),
    ],
)
def test_bad_question(choices: tuple[Choice, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Question("?", choices)


def test_answer_is_explained_and_kept(tmp_path: Path) -> None:
    record = Progress(tmp_path / "progress.sqlite")
    assert QUIZ.answer(1, 2, record) == "◯ Count again."
    assert QUIZ.answer(1, 1, record) == "✓ Right: <b>"
    assert [(entry.item, entry.value) for entry in record.records("quiz")] == [("99.1", "not yet"), ("99.1", "correct")]


@pytest.mark.parametrize(("number", "choice"), [(0, 1), (3, 1), (1, 0), (1, 3), (-1, 1)])
def test_no_such_answer(number: int, choice: int) -> None:
    with pytest.raises(ValueError, match="expected 1…2"):
        QUIZ.answer(number, choice, Progress(None))


def test_buttons_explain(tmp_path: Path) -> None:
    record = Progress(tmp_path / "progress.sqlite")
    first, second = QUIZ.widget(record).children
    title, buttons, said = second.children
    assert "Is 3 &lt; 2?" in title.value
    assert buttons.value is None
    buttons.value = 1
    assert "◯ Count." in said.value
    buttons.value = 2
    assert "✓ Right." in said.value
    # Each question has its own place for the explanation.
    assert first.children[2].value == ""
    assert record.latest("quiz")["99.2"].value == "correct"


def test_text_gives_no_answer_away_and_page_explains_every_choice() -> None:
    assert repr(QUIZ) == "1. Is 2 < 3?\n   ○ yes\n   ○ no\n2. Is 3 < 2?\n   ○ yes\n   ○ no"
    page = QUIZ._repr_html_()
    assert page.count("<details>") == 4
    assert "Right: &lt;b&gt;" in page


def test_display_holds_widget_page_and_text(own_course_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    QUIZ._ipython_display_()
    assert {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"} <= set(shown[0])
