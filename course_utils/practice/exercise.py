"""Exercises: what a learner writes, and a check that says what to look at.

A check tests behaviour. It calls the learner's function on many small inputs and compares with an independent
reference. Each exercise lists plausible wrong answers; when the learner's results equal those of a listed one on
every input, its feedback is given. The same list is run by the tests, so no check goes untested.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from course_utils.practice import progress, sandbox
from course_utils.practice.matching import changed, common_factor, difference, snapshot
from course_utils.practice.stubs import is_untouched
from course_utils.practice.task import Mistake, Task
from course_utils.practice.verdict import Counterexample, Status, Verdict, short

__all__ = ["Check", "Checks", "Exercise", "Investigation", "Mistake", "Task"]

#: The course's own part of a check takes well under a second; more than this means that it hangs.
_OUR_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Exercise(Task):
    """A function to write or to mend.

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

    def judge(self, attempt: Any) -> Verdict:
        """The verdict on a function; never raises, whatever the attempt is."""
        if attempt is None or attempt is Ellipsis or is_untouched(attempt, stub=self.stub, name=self.name):
            return self._untouched()
        if not callable(attempt):
            return Verdict(
                Status.NOT_YET,
                f"The check needs the function `{self.name}` itself, not {short(attempt)}: leave out the ().",
            )
        if misfit := self._misfit(attempt):
            return Verdict(Status.NOT_YET, misfit)
        with sandbox.steady():
            tried = sandbox.run(lambda: self._trials(attempt), seconds=self.seconds)
        if tried.late:
            return Verdict(Status.NOT_YET, _too_slow(self.seconds, tried))
        if tried.error is not None:
            return _our_fault(tried)
        # Steady again: what the learner's code did to torch or to the random numbers must not reach the comparison.
        with sandbox.steady():
            judged = sandbox.run(lambda: self._compare(attempt, tried.value), seconds=_OUR_SECONDS)
        return judged.value if isinstance(judged.value, Verdict) else _our_fault(judged)

    def parameters(self) -> list[str]:
        """The names of the function's parameters."""
        return list(inspect.signature(self.reference).parameters)

    def results(self, function: Callable[..., Any]) -> list[Any]:
        """What ``function`` gives on every case, as `observe` sees it."""
        seen = []
        for position, arguments in enumerate(self.cases()):
            torch.manual_seed(position)
            seen.append(self._seen(arguments, function(*arguments)))
        return seen

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
            before = copy.deepcopy(arguments)
            torch.manual_seed(position)
            try:
                result = attempt(*arguments)
            except sandbox.Stop:
                raise
            except BaseException as error:  # a learner may well write sys.exit()
                return [*trials, _Trial(before, None, "", error)]
            watched = [
                (name, old, new)
                for name, old, new in zip(self.parameters(), before, arguments)
                if name not in self.may_change
            ]
            touched = next((f"its input `{name}` in place" for name, old, new in watched if changed(old, new)), "")
            if not torch.is_grad_enabled():
                torch.set_grad_enabled(True)
                touched = "torch for everybody: it leaves gradients switched off"
            trials.append(_Trial(before, self._seen(arguments, result), touched, None))
        return trials

    def _compare(self, attempt: Any, trials: Sequence[_Trial]) -> Verdict:
        last = trials[-1]
        if last.error is not None:
            inputs = ", ".join(f"{name} = {text}" for name, text in self._given(last))
            return Verdict(Status.ERROR, f"{sandbox.explain(last.error, attempt)} It was called with {inputs}.")
        expected = self.results(self.expected)
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

    def _diagnosis(self, yours: Sequence[Any], expected: Sequence[Any], problems: Sequence[str]) -> str:
        for mistake in self.mistakes:
            with warnings.catch_warnings():
                # What torch says about a listed mistake is not about the learner's code.
                warnings.simplefilter("ignore")
                try:
                    theirs = self.results(mistake.answer)
                except Exception:  # it cannot be what the learner wrote, which raised nothing
                    continue
            if not any(difference(a, b, tolerance=self.tolerance) for a, b in zip(yours, theirs)):
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


@dataclass(frozen=True, kw_only=True)
class Investigation(Task):
    """A question that the learner answers with a value after running experiments.

    Attributes:
        accept: measures again, independently, and gives the feedback on a value; empty if the value is right.
        example: a value of the right form, to explain what is expected.
    """

    accept: Callable[[Any], str]
    example: Any

    def judge(self, attempt: Any) -> Verdict:
        """The verdict on a value; never raises, whatever the attempt is."""
        parts = attempt.values() if isinstance(attempt, dict) else [attempt]
        if any(part is None or part is Ellipsis for part in parts):
            return self._untouched()
        if callable(attempt):
            return Verdict(Status.NOT_YET, f"A value is expected, such as {short(self.example)}, not a function.")
        with sandbox.steady():
            outcome = sandbox.run(lambda: self._feedback(attempt), seconds=self.seconds)
        if outcome.error is not None or outcome.late:
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
    what = "took too long" if outcome.late else f"{type(outcome.error).__name__}: {outcome.error}"
    return Verdict(
        Status.ERROR,
        f"The check itself stopped ({what}). If your function gives back what the stub says, "
        "this is a fault of the course, not yours; your answer was not judged.",
    )


class Check:
    """What the learner calls: ``check.NAME(attempt)``, ``check.NAME.hint()``, ``check.NAME.solution()``."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._hints_given = 0

    def __call__(self, attempt: Any = None) -> None:
        """Judge the attempt, remember the verdict, show it."""
        from IPython.display import display

        verdict = self.task.judge(attempt)
        if verdict.status is Status.NOT_ATTEMPTED and (other := self._renamed()):
            verdict = Verdict(
                verdict.status,
                f"`{self.task.name}` is still the empty one, but `{other}` has the same parameters. Did you rename it? "
                f"Use check.{self.task.name}({other}).",
            )
        record = progress.mine()
        if verdict.status is not Status.NOT_ATTEMPTED:
            record.add("exercise", self.task.number, verdict.status.value)
        display({"text/plain": str(verdict), "text/html": verdict._repr_html_()}, raw=True)
        if record.problem:
            print(record.problem)

    def hint(self) -> None:
        """Show the next hint; the last one stays."""
        hints = self.task.hints
        position = min(self._hints_given, len(hints) - 1)
        self._hints_given = position + 1
        more = (
            "" if position + 1 < len(hints) else f" That was the last one; there is check.{self.task.name}.solution()."
        )
        print(f"Hint {position + 1} of {len(hints)}: {hints[position]}{more}")

    def solution(self) -> None:
        """Show the reference solution."""
        print(self.task.solution())

    def __repr__(self) -> str:
        return f"The check of exercise {self.task.number}: call it with your {self.task.name}."

    def _renamed(self) -> str:
        """Another function of the learner's with the parameters of this exercise, if there is one."""
        try:
            from IPython.core.getipython import get_ipython
        except ImportError:
            return ""
        shell = get_ipython()
        if shell is None or not isinstance(self.task, Exercise):
            return ""
        for name, value in list(shell.user_ns.items()):
            code = getattr(value, "__code__", None)
            if code is None or name.startswith("_") or name == self.task.name or value.__module__ != "__main__":
                continue
            names = code.co_varnames[: code.co_argcount]
            if list(names) == self.task.parameters() and not is_untouched(
                value, stub=self.task.stub, name=self.task.name
            ):
                return name
        return ""


class Checks:
    """The checks of one lesson, by the name of what the learner writes.

    Raises:
        AttributeError: no exercise has that name; the message lists those there are.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._checks = {task.name: Check(task) for task in tasks}

    def __getattr__(self, name: str) -> Check:
        if name.startswith("_") or name not in self._checks:
            raise AttributeError(f"no exercise is called {name!r}; there are {', '.join(self._checks)}")
        return self._checks[name]

    def __dir__(self) -> list[str]:
        return sorted(self._checks)
