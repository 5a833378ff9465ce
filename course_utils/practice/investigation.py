"""Investigations: a question whose answer is a value that the learner found by experiments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from course_utils.practice.matching import difference
from course_utils.practice.task import Task
from course_utils.practice.verdict import Status, Verdict, short


@dataclass(frozen=True, kw_only=True)
class Investigation(Task):
    """A question that the learner answers with a value after running experiments.

    Attributes:
        accept: measures again, independently, and gives the feedback on a value; empty if the value is right.
        example: a value of the right form, to explain what is expected.
    """

    accept: Callable[[Any], str]
    example: Any

    def _judge(self, attempt: Any) -> Verdict:
        parts = attempt if isinstance(attempt, dict) else {"": attempt}
        missing = [repr(key) for key, part in parts.items() if part is None or part is Ellipsis]
        if missing and len(missing) == len(parts):
            return self._untouched()
        if missing:
            return Verdict(Status.NOT_YET, f"A good start; still open: {', '.join(missing)}.")
        if callable(attempt):
            return Verdict(Status.NOT_YET, f"A value is expected, such as {short(self.example)}, not a function.")
        outcome = self._timed(lambda: self._feedback(attempt))
        if outcome.late:
            return Verdict(Status.ERROR, "The check took too long; your answer was not judged. Run the cell again.")
        if outcome.error is not None:
            return Verdict(
                Status.NOT_YET,
                f"This is not a value that can be checked; expected something like {short(self.example)}.",
            )
        if outcome.value:
            return Verdict(Status.NOT_YET, outcome.value)
        return Verdict(Status.CORRECT, self.praise)

    def _feedback(self, attempt: Any) -> str:
        for mistake in self.mistakes:
            if not difference(attempt, mistake.answer, tolerance=1e-9):
                return mistake.feedback
        return self.accept(attempt)

    def solution(self) -> str:
        """The reference under the learner's name."""
        return f"{self.name} = {self.reference!r}"


@dataclass(frozen=True, kw_only=True)
class Selection(Investigation):
    """A question whose answer is a set of names; a list or a tuple will do.

    Attributes:
        names: all that can be chosen.
        accept: as in `Investigation`; gets the chosen names, as a set.
    """

    names: tuple[str, ...]

    def _feedback(self, attempt: Any) -> str:
        if isinstance(attempt, dict) and not attempt:
            return "Empty braces are a dict; write set()."
        if isinstance(attempt, str):
            return "That is one text. Write a set of names, in braces, even if there is only one."
        if not isinstance(attempt, (set, frozenset, list, tuple)):
            return f"A set of names is expected, in braces, not {short(attempt)} ({type(attempt).__name__})."
        if any(name is None or name is Ellipsis for name in attempt):
            return "A good start: put names in the place of the dots."
        known = {_key(name): name for name in self.names}
        keys = [_key(name) if isinstance(name, str) else "" for name in attempt]
        if strangers := [name for name, key in zip(attempt, keys) if key not in known]:
            return (
                f"{short(strangers[0])} is not among the names. Copy them as they stand in the cell, "
                "with their quotation marks."
            )
        chosen = {known[key] for key in keys}
        for mistake in self.mistakes:
            if chosen == mistake.answer:
                return mistake.feedback
        return self.accept(chosen)

    def solution(self) -> str:
        """The reference under the learner's name, in the order of the names."""
        right = ", ".join(repr(name) for name in self.names if name in self.reference)
        return f"{self.name} = {{{right}}}"


def _key(name: str) -> str:
    """What tells names apart: a space more or less is no mistake, and not every keyboard has a λ."""
    return "".join(name.split()).replace("lambda", "λ")
