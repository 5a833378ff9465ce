"""Predictions: a learner commits to an answer before the run and meets it again after it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from course_utils.practice import progress


class Prediction:
    """One question asked before an experiment.

    Args:
        item: such as ``"01.degree"``; names the stored answer.
        question: what will be measured.
        choices: the possible outcomes, at least two, all different.
        record: where the answer is kept.

    Raises:
        ValueError: fewer than two choices, or two that are the same.
    """

    def __init__(self, item: str, question: str, choices: Sequence[str], record: progress.Progress) -> None:
        if len(choices) < 2 or len(set(choices)) != len(choices):
            raise ValueError(f"choices are {list(choices)}; expected two or more different ones")
        self.item = item
        self.question = question
        self.choices = tuple(choices)
        self._record = record

    @property
    def mine(self) -> str:
        """The stored answer of this learner, from this session or an earlier one; empty if there is none."""
        stored = self._record.latest("prediction").get(self.item)
        return stored.value if stored and stored.value in self.choices else ""

    def choose(self, choice: str) -> None:
        """Store an answer, as the buttons do.

        Raises:
            ValueError: it is not one of the choices.
        """
        if choice not in self.choices:
            raise ValueError(f"choice is {choice!r}; expected one of {list(self.choices)}")
        self._record.add("prediction", self.item, choice)

    def recall(self, measured: str) -> None:
        """Put the stored answer beside what was measured.

        Raises:
            ValueError: ``measured`` is not one of the choices: the experiment does not answer the question.
        """
        if measured not in self.choices:
            raise ValueError(f"measured is {measured!r}; expected one of {list(self.choices)}")
        mine = self.mine
        if not mine:
            print(f"Measured: {measured}. (You made no prediction.)")
        elif mine == measured:
            print(f"Measured: {measured}. You predicted it.")
        else:
            print(f"Measured: {measured}. You predicted: {mine}. What did you expect to happen instead, and why?")
        if self._record.problem:
            print(self._record.problem)

    def __repr__(self) -> str:
        options = "".join(f"\n  ○ {choice}" for choice in self.choices)
        return f"Predict: {self.question}{options}"

    def widget(self) -> Any:
        """Radio buttons that store each choice at once."""
        import ipywidgets

        asked = ipywidgets.HTML(f"<b>Predict</b> · {html.escape(self.question)}")
        buttons = ipywidgets.RadioButtons(
            options=self.choices, value=self.mine or None, layout={"width": "max-content"}
        )
        said = ipywidgets.HTML("Your prediction from last time is kept." if self.mine else "")

        def keep(change: dict[str, Any]) -> None:
            if change["new"] is not None:
                self.choose(change["new"])
                said.value = html.escape(self._record.problem) or "✓ Kept. Now run the next cells."

        buttons.observe(keep, names="value")
        return ipywidgets.VBox([asked, buttons, said])


def predict(item: str, question: str, choices: Sequence[str]) -> Prediction:
    """Ask for a prediction and show the buttons.

    Args:
        item: names the stored answer, such as ``"01.degree"``.
        question: what will be measured, as a question.
        choices: the possible outcomes.

    Returns:
        The prediction; call its `recall` after the experiment.
    """
    from IPython.display import display

    prediction = Prediction(item, question, choices, progress.mine())
    display({**prediction.widget()._repr_mimebundle_(), "text/plain": repr(prediction)}, raw=True)
    return prediction
