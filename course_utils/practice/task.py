"""What every exercise has: its card, stub, hints, reference and wrong answers."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from course_utils.practice import sandbox
from course_utils.practice.verdict import Status, Verdict

KINDS = ("write", "debug", "investigate")

#: The course's own part of a check takes a second or two; more than this means that it hangs.
OUR_SECONDS = 60.0


@dataclass(frozen=True)
class Mistake:
    """A plausible wrong answer.

    Attributes:
        answer: the wrong function (or value, for an investigation).
        feedback: what its author needs to hear: names the mistake and says where to look.
    """

    answer: Any
    feedback: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every exercise has.

    Attributes:
        number: such as ``"01.2"``.
        name: of the function or variable that the learner fills in.
        title: the card's title.
        kind: ``"write"``, ``"debug"`` or ``"investigate"``.
        difficulty: 1…3.
        minutes: how long a learner needs.
        trains: what it is good for, in a few words.
        stub: the code that the notebook's cell starts with.
        hints: from a nudge to nearly the answer, at least two.
        reference: the solution that is shown.
        mistakes: at least three.
        styles: other correct answers that the check must accept.
        start: where to begin, said when nothing has been attempted.
        praise: what a correct answer has shown, said with the verdict.
        seconds: time limit of one check.
        prepare: called before the time starts; for what the check loads on its first run in a process.
    """

    number: str
    name: str
    title: str
    kind: str
    difficulty: int
    minutes: int
    trains: str
    stub: str
    hints: tuple[str, ...]
    reference: Any
    mistakes: tuple[Mistake, ...]
    styles: tuple[Any, ...]
    start: str
    praise: str
    seconds: float = 5.0
    prepare: Callable[[], object] | None = None

    def card(self) -> str:
        """The heading and the line of facts that open the exercise in the notebook, as Markdown."""
        dots = "●" * self.difficulty + "○" * (3 - self.difficulty)
        facts = f"{dots} · {self.minutes} min · {self.kind} · trains: {self.trains} · you may skip"
        return f"### Exercise {self.number} · {self.title}\n\n*{facts}*"

    def judge(self, attempt: Any) -> Verdict:
        """The verdict on an attempt; never raises, whatever the attempt is."""
        try:
            return self._judge(attempt)
        except KeyboardInterrupt:  # the learner stops the cell
            raise
        except BaseException as error:  # an object may raise when it is merely looked at
            return Verdict(
                Status.ERROR,
                f"What you handed in cannot be looked at ({type(error).__name__}: {sandbox.said(error)}). "
                f"Hand in {'a plain value' if self.kind == 'investigate' else 'a plain function'}.",
            )

    def _judge(self, attempt: Any) -> Verdict:
        raise NotImplementedError

    def _timed(self, function: Callable[[], Any]) -> sandbox.Outcome:
        """Call ``function`` within the time limit of the check."""
        with sandbox.steady():
            if self.prepare is not None:
                sandbox.run(self.prepare, seconds=OUR_SECONDS)  # it only saves time: without it, the check still stands
            return sandbox.run(function, seconds=self.seconds)

    def solution(self) -> str:
        """The reference as the learner would write it: the stub's first lines over the reference's statements.

        It runs in the notebook, which has not imported what the reference's type hints need.
        """
        source = textwrap.dedent(inspect.getsource(self.reference))
        head = self.stub.splitlines()[: _function(self.stub).body[0].lineno - 1]
        statements = _function(source).body
        first = statements[1] if ast.get_docstring(_function(source)) else statements[0]
        return "\n".join([*head, *source.splitlines()[first.lineno - 1 :]]) + "\n"

    def _untouched(self) -> Verdict:
        return Verdict(Status.NOT_ATTEMPTED, f"{self.start} `check.{self.name}.hint()` has {len(self.hints)} steps.")


def _function(source: str) -> ast.FunctionDef:
    """The syntax of the one function in ``source``."""
    (function,) = ast.parse(source).body
    if not isinstance(function, ast.FunctionDef):
        raise TypeError(f"source: a def was expected, not {type(function).__name__}")
    return function
