"""Exercises: what a learner writes, and a check that says what to look at.

A check tests behaviour. It calls the learner's function on many small inputs and compares with an independent
reference. Each exercise lists plausible wrong answers; when the learner's results equal those of a listed one on
every input, its feedback is given. The same list is run by the tests, so no check goes untested.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from course_utils.practice import sandbox
from course_utils.practice.matching import changed, common_factor, condition, difference, snapshot
from course_utils.practice.stubs import is_untouched
from course_utils.practice.task import OUR_SECONDS, Task
from course_utils.practice.verdict import Counterexample, Status, Verdict, short


@dataclass(frozen=True, kw_only=True)
class Exercise(Task):
    """A function to write or to repair.

    Attributes:
        cases: gives fresh argument tuples at each call, the smallest first.
        expected: the independent reference; takes the same arguments.
        observe: what to compare, from the arguments after the call and the result; the result itself by default.
        may_change: names of the arguments that the function is meant to change in place.
        tolerance: see `matching.difference`.
    """

    cases: Callable[[], Iterable[tuple[Any, ...]]]
    expected: Callable[..., Any]
    observe: Callable[[tuple[Any, ...], Any], Any] | None = None
    may_change: frozenset[str] = frozenset()
    tolerance: float = 1e-6

    def _judge(self, attempt: Any) -> Verdict:
        if attempt is None or attempt is Ellipsis or is_untouched(attempt, stub=self.stub, name=self.name):
            return self._untouched()
        if not callable(attempt):
            return Verdict(
                Status.NOT_YET,
                f"The check needs the function `{self.name}` itself, not {short(attempt)}: leave out the ().",
            )
        if misfit := self._misfit(attempt):
            return Verdict(Status.NOT_YET, misfit)
        tried = self._timed(lambda: self._trials(attempt))
        if tried.late:
            return Verdict(Status.NOT_YET, _too_slow(self.seconds, tried))
        if tried.error is not None:
            return _our_fault(tried)
        # Steady again: what the learner's code did to torch or to the random numbers must not reach the comparison.
        with sandbox.steady():
            judged = sandbox.run(lambda: self._compare(attempt, tried.value), seconds=OUR_SECONDS)
        return judged.value if isinstance(judged.value, Verdict) else _our_fault(judged)

    def parameters(self) -> list[str]:
        """The names of the function's parameters."""
        return list(inspect.signature(self.reference).parameters)

    def results(self, function: Callable[..., Any]) -> Iterator[Any]:
        """What ``function`` gives on each case, as `observe` sees it, one after the other."""
        for position, arguments in enumerate(self.cases()):
            torch.manual_seed(position)
            yield self._seen(arguments, function(*arguments))

    def _gives(self, answer: Callable[..., Any], yours: Sequence[Any]) -> bool:
        """Whether a listed answer gives the learner's results on every case; the first difference settles it."""
        try:
            return not any(difference(a, b, tolerance=self.tolerance) for a, b in zip(yours, self.results(answer)))
        except Exception:  # it cannot be what the learner wrote, which raised nothing
            return False

    def _seen(self, arguments: tuple[Any, ...], result: Any) -> Any:
        """What is compared, copied: a function may hand out the same list or tensor each time and go on changing it."""
        return snapshot(self.observe(arguments, result) if self.observe else result)

    def _misfit(self, attempt: Callable[..., Any]) -> str:
        """What is wrong with the attempt's parameters, as a sentence; empty if it can be called."""
        wanted = ", ".join(self.parameters())
        try:
            signature = inspect.signature(attempt)
        except (TypeError, ValueError):
            return ""  # a built-in that does not tell: the call will
        try:
            signature.bind(*self.parameters())
        except TypeError:
            return f"Your function takes {signature}; it is called with ({wanted}). Keep the parameters of the stub."
        return ""

    def _trials(self, attempt: Callable[..., Any]) -> list[_Trial]:
        """Call the attempt on every case, stopping at the first exception."""
        trials: list[_Trial] = []
        for position, arguments in enumerate(self.cases()):
            shown, before = copy.deepcopy(arguments), [condition(value) for value in arguments]
            torch.manual_seed(position)
            try:
                result = attempt(*arguments)
            except sandbox.Stop:
                raise
            except BaseException as error:  # a learner may well write sys.exit()
                return [*trials, _Trial(shown, None, "", error)]
            touched = self._touched(arguments, before)
            if not torch.is_grad_enabled():
                torch.set_grad_enabled(True)
                touched = "torch for everybody: it leaves gradients switched off"
            trials.append(_Trial(shown, self._seen(arguments, result), touched, None))
        return trials

    def _touched(self, arguments: Sequence[Any], before: Sequence[dict[str, Any]]) -> str:
        """Which inputs the call has changed that are not its own, in words; empty if it has changed none."""
        found = [
            (f"`{name}`", what)
            for name, old, value in zip(self.parameters(), before, arguments)
            if name not in self.may_change and (what := changed(old, condition(value)))
        ]
        if len(found) == 1:
            return f"its input {found[0][0]} in place: {found[0][1]}"
        return f"its inputs {', '.join(f'{name} ({what})' for name, what in found)} in place" if found else ""

    def _compare(self, attempt: Any, trials: Sequence[_Trial]) -> Verdict:
        last = trials[-1]
        if last.error is not None:
            inputs = ", ".join(f"{name} = {text}" for name, text in self._given(last))
            before = f" {self._tally(trials[:-1])}" if trials[:-1] else ""
            return Verdict(Status.ERROR, f"{sandbox.explain(last.error, attempt)} It was called with {inputs}.{before}")
        expected = list(self.results(self.expected))
        yours = [trial.value for trial in trials]
        problems = [difference(a, b, tolerance=self.tolerance) for a, b in zip(yours, expected)]
        if any(problems):
            first = next(i for i, problem in enumerate(problems) if problem)
            seen = Counterexample(self._given(trials[first]), short(yours[first]), short(expected[first]))
            return Verdict(Status.NOT_YET, self._diagnosis(yours, expected, problems), seen)
        if touched := next((trial.changed for trial in trials if trial.changed), ""):
            return Verdict(
                Status.NOT_YET,
                f"The result is right, but your function changes {touched}. Whoever called it still needs the "
                "old state: work on a copy, or put back what you found.",
            )
        return Verdict(Status.CORRECT, self.praise)

    def _tally(self, done: Sequence[_Trial]) -> str:
        """How many of the inputs before the one that raised came out right."""
        pairs = zip(done, self.results(self.expected))
        right = sum(not difference(trial.value, value, tolerance=self.tolerance) for trial, value in pairs)
        return f"Of the {len(done)} inputs before this one, {right} came out right."

    def _diagnosis(self, yours: Sequence[Any], expected: Sequence[Any], problems: Sequence[str]) -> str:
        for mistake in self.mistakes:
            if self._gives(mistake.answer, yours):
                return mistake.feedback
        plain = next(problem for problem in problems if problem)
        if plain != "The result differs.":
            return plain
        factor = common_factor(yours, expected)
        wrong = sum(bool(problem) for problem in problems)
        note = f" Everywhere it is {factor:.4g} times what is expected." if factor is not None else ""
        return f"The result differs on {wrong} of {len(problems)} inputs; here is the smallest.{note}"

    def _given(self, trial: _Trial) -> tuple[tuple[str, str], ...]:
        return tuple((name, short(value)) for name, value in zip(self.parameters(), trial.arguments))


@dataclass(frozen=True)
class _Trial:
    """One call: the arguments as they were, what was seen, which argument it changed, what it raised."""

    arguments: tuple[Any, ...]
    value: Any
    changed: str
    error: BaseException | None


def _too_slow(seconds: float, outcome: sandbox.Outcome) -> str:
    running = " It cannot be stopped and still runs: restart the kernel." if outcome.running else ""
    return (
        f"Your function did not finish within {seconds:g} seconds. Does every loop come to an end? "
        f"The reference needs a small part of that.{running}"
    )


def _our_fault(outcome: sandbox.Outcome) -> Verdict:
    """The verdict when not the learner's function but something around it stopped."""
    what = f"{type(outcome.error).__name__}: {sandbox.said(outcome.error)}" if outcome.error else "took too long"
    return Verdict(
        Status.ERROR,
        f"The check itself stopped ({what}). If your function gives back what the stub says, "
        "this is a fault of the course, not yours; your answer was not judged.",
    )
