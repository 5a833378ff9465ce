"""What a learner calls: the check of an exercise, with its hints and its solution."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from types import FunctionType
from typing import Any

from course_utils.practice import progress
from course_utils.practice.exercise import Exercise
from course_utils.practice.stubs import is_untouched
from course_utils.practice.task import Task
from course_utils.practice.verdict import Status, Verdict

#: Stands for an empty pair of brackets: None is what an unfinished answer may be.
_NOTHING: Any = object()


class Check:
    """What the learner calls: ``check.NAME(attempt)``, ``check.NAME.hint()``, ``check.NAME.solution()``."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._hints_given = 0

    def __call__(self, attempt: Any = _NOTHING) -> None:
        """Judge the attempt, remember the verdict, show it."""
        from IPython.display import display

        name = self.task.name
        if attempt is _NOTHING:
            verdict = Verdict(
                Status.NOT_ATTEMPTED, f"Nothing was handed in. Put its name in the brackets: check.{name}({name})."
            )
        else:
            verdict = self.task.judge(attempt)
        if verdict.status is Status.NOT_ATTEMPTED and (other := self._renamed()):
            verdict = Verdict(
                verdict.status,
                f"`{name}` is still as the cell began, but `{other}` has the same parameters. Did you rename it? "
                f"Use check.{name}({other}).",
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
        said = f"Hint {position + 1} of {len(hints)}: {hints[position]}{more}"
        # JupyterLab would break a long line in the middle of a word.
        print(textwrap.fill(said, 96, break_long_words=False, break_on_hyphens=False))

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
            # The type itself: any other object of the learner's may raise when it is asked for something.
            if type(value) is not FunctionType or value.__module__ != "__main__":
                continue
            if name.startswith("_") or name == self.task.name:
                continue
            names = value.__code__.co_varnames[: value.__code__.co_argcount]
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

    def __repr__(self) -> str:
        return f"The checks of this lesson: {', '.join(self._checks)}."
