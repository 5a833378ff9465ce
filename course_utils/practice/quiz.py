"""Quizzes: each choice, right or wrong, has its explanation."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from course_utils.practice import progress


@dataclass(frozen=True)
class Choice:
    """One answer that can be chosen.

    Attributes:
        text: the answer.
        why: why it is right, or what is wrong with it.
        right: whether it is the right one.
    """

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question with exactly one right choice.

    Attributes:
        text: the question.
        choices: two or more, one of them right.

    Raises:
        ValueError: not exactly one right choice, a choice without explanation, or the same text twice.
    """

    text: str
    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        if sum(choice.right for choice in self.choices) != 1:
            raise ValueError(f"{self.text!r} needs exactly one right choice")
        if any(not choice.why.strip() for choice in self.choices):
            raise ValueError(f"{self.text!r} has a choice without explanation")
        if len({choice.text for choice in self.choices}) != len(self.choices):
            raise ValueError(f"{self.text!r} has the same choice twice")


class Quiz:
    """The questions of one lesson; display it as the last line of a cell.

    Args:
        lesson: such as ``"01"``.
        questions: in the order they are asked.
    """

    def __init__(self, lesson: str, questions: Sequence[Question]) -> None:
        self.lesson = lesson
        self.questions = tuple(questions)

    def answer(self, number: int, choice: int, record: progress.Progress) -> str:
        """Take an answer, remember it, and explain it.

        Args:
            number: of the question, 1 for the first.
            choice: of the answer, 1 for the first.
            record: where the answer is kept.

        Returns:
            The explanation, beginning with ``✓`` or ``◯``.

        Raises:
            ValueError: there is no such question or choice.
        """
        if not 1 <= number <= len(self.questions):
            raise ValueError(f"number is {number}; expected 1…{len(self.questions)}")
        if not 1 <= choice <= len(self.questions[number - 1].choices):
            raise ValueError(f"choice is {choice}; expected 1…{len(self.questions[number - 1].choices)}")
        chosen = self.questions[number - 1].choices[choice - 1]
        record.add("quiz", f"{self.lesson}.{number}", "correct" if chosen.right else "not yet")
        return f"{'✓' if chosen.right else '◯'} {chosen.why}"

    def __repr__(self) -> str:
        blocks = []
        for number, question in enumerate(self.questions, 1):
            options = "".join(f"\n   ○ {choice.text}" for choice in question.choices)
            blocks.append(f"{number}. {question.text}{options}")
        return "\n".join(blocks)

    def _repr_html_(self) -> str:
        """For readers without a kernel: every choice opens to its explanation."""
        blocks = []
        for number, question in enumerate(self.questions, 1):
            options = "".join(
                f"<details><summary>{html.escape(choice.text)}</summary>"
                f"{'✓' if choice.right else '◯'} {html.escape(choice.why)}</details>"
                for choice in question.choices
            )
            blocks.append(f"<p><b>{number}. {html.escape(question.text)}</b></p>{options}")
        return "".join(blocks)

    def widget(self, record: progress.Progress) -> Any:
        """Radio buttons for each question; the explanation appears below the choice."""
        import ipywidgets

        boxes = []
        for number, question in enumerate(self.questions, 1):
            asked = ipywidgets.HTML(f"<b>{number}. {html.escape(question.text)}</b>")
            options = [(choice.text, position) for position, choice in enumerate(question.choices, 1)]
            buttons = ipywidgets.RadioButtons(options=options, value=None, layout={"width": "max-content"})
            said = ipywidgets.HTML()

            def explain(change: dict[str, Any], number: int = number, said: Any = said) -> None:
                if change["new"] is not None:
                    text = html.escape(f"{self.answer(number, change['new'], record)} {record.problem}")
                    said.value = f'<div class="course-quiz-answer">{text}</div>'

            buttons.observe(explain, names="value")
            boxes.append(ipywidgets.VBox([asked, buttons, said]))
        return ipywidgets.VBox(boxes)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        view = self.widget(progress.mine())._repr_mimebundle_()
        display({**view, "text/plain": repr(self), "text/html": self._repr_html_()}, raw=True)
