"""What the learner calls and sees: checks, hints, verdict boxes, values as answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from IPython.core.completer import provisionalcompleter
from IPython.testing.globalipapp import start_ipython

from course_utils.practice import progress
from course_utils.practice.check import Checks
from course_utils.practice.investigation import Investigation, Selection
from course_utils.practice.task import Mistake
from course_utils.practice.verdict import COLOURS, Counterexample, Status, Verdict
from practice.sample import exercise, scaled

# ---- how it looks


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("background", ["#FFFFFF", "#111111"], ids=["light", "dark"])
def test_bar_can_be_seen_in_both_themes(status: Status, background: str) -> None:
    bright, dark = sorted((luminance(COLOURS[status]), luminance(background)), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= 3


def test_verdict_as_html_is_safe_and_leaves_words_in_the_colour_of_the_theme() -> None:
    verdict = Verdict(Status.NOT_YET, "Look at `a<b`.", Counterexample((("x", "<1>"),), "1", "2"))
    page = verdict._repr_html_()
    assert "<code>a&lt;b</code>" in page
    assert "&lt;1&gt;" in page
    assert ";color:" not in page
    assert '"color:' not in page
    assert str(verdict).splitlines() == [
        "◯ not yet. Look at `a<b`.",
        "    x        = <1>",
        "    yours    = 1",
        "    expected = 2",
    ]


# ---- what the learner calls


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were displayed."""
    texts: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: texts.append(data["text/plain"]))
    return texts


def test_check_shows_and_remembers(shown: list[str]) -> None:
    check = Checks([exercise()])
    for attempt in (None, lambda x, c: x + c, scaled):
        check.scaled(attempt)
    assert [text.split(".")[0] for text in shown] == ["◻ not attempted", "◯ not yet", "✓ correct"]
    # What was not attempted is no record.
    assert [record.value for record in progress.mine().records("exercise")] == ["not yet", "correct"]


def test_a_long_hint_breaks_between_words(capsys: pytest.CaptureFixture[str]) -> None:
    task = replace(exercise(), hints=("word " * 60 + "x[:, " + "a" * 120 + "]", "second"))
    Checks([task]).scaled.hint()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert " ".join(lines) == f"Hint 1 of 2: {task.hints[0]}"
    assert all(len(line) <= 96 for line in lines if "aaa" not in line)


def test_hints_come_one_by_one_and_the_last_one_stays(capsys: pytest.CaptureFixture[str]) -> None:
    check = Checks([exercise()]).scaled
    for _ in range(3):
        check.hint()
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" That")[0] for line in said] == [
        "Hint 1 of 2: first",
        "Hint 2 of 2: second",
        "Hint 2 of 2: second",
    ]
    assert "check.scaled.solution()" in said[-1]
    check.solution()
    assert "def scaled(" in capsys.readouterr().out


def test_unknown_exercise_lists_those_there_are() -> None:
    check = Checks([exercise()])
    with pytest.raises(AttributeError, match="no exercise is called 'scald'; there are scaled"):
        _ = check.scald
    assert dir(check) == ["scaled"]
    assert repr(check) == "The checks of this lesson: scaled."
    assert not hasattr(check, "_repr_html_")


def test_empty_brackets_are_told_what_belongs_there(shown: list[str]) -> None:
    Checks([exercise()]).scaled()
    assert shown == ["◻ not attempted. Nothing was handed in. Put its name in the brackets: check.scaled(scaled)."]
    assert not progress.mine().records("exercise")


def test_names_are_completed_and_a_renamed_function_is_found(shown: list[str]) -> None:
    shell = start_ipython() or __import__("IPython").get_ipython()
    shell.user_ns["check"] = Checks([exercise()])
    with provisionalcompleter():
        assert "scaled" in {found.text.lstrip(".") for found in shell.Completer.completions("check.sc", 8)}
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("def my_scaled(x, c): return c * x", names)
    shell.user_ns["hostile"] = Hostile()
    shell.user_ns["my_scaled"] = names["my_scaled"]
    shell.user_ns["check"].scaled(None)
    assert "`scaled` is still as the cell began, but `my_scaled` has the same parameters" in shown[-1]
    shell.user_ns.clear()


class Hostile:
    """Raises when it is asked for anything."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


# ---- values


def investigation(**changes: Any) -> Investigation:
    task = exercise()
    fields = {name: getattr(task, name) for name in ("number", "title", "difficulty", "minutes", "trains", "hints")}
    fields |= {"name": "best", "kind": "investigate", "stub": "best = ...\n", "reference": 3, "styles": (4,)}
    fields |= {"start": "Look.", "praise": "Yes.", "mistakes": (Mistake(1, "One is low."),), "example": 2}
    fields |= {"accept": lambda value: "" if value in (3, 4) else f"{value} is off."}
    return Investigation(**{**fields, **changes})


@pytest.mark.parametrize(
    ("value", "status", "words"),
    [
        (..., Status.NOT_ATTEMPTED, "Look."),
        ({"a": ..., "b": None}, Status.NOT_ATTEMPTED, "Look."),
        ({"a": ..., "b": 1, "c": None}, Status.NOT_YET, "still open: 'a', 'c'."),
        ({"a": torch.zeros(2)}, Status.NOT_YET, "off"),
        (1, Status.NOT_YET, "One is low."),
        (2, Status.NOT_YET, "2 is off."),
        (np.int64(3), Status.CORRECT, "Yes."),
        (print, Status.NOT_YET, "A value is expected, such as 2, not a function."),
    ],
)
def test_investigation(value: Any, status: Status, words: str) -> None:
    verdict = investigation().judge(value)
    assert (verdict.status, words in verdict.message) == (status, True), str(verdict)


def test_value_that_cannot_be_checked() -> None:
    def accept(value: Any) -> str:
        raise ValueError

    assert "something like 2" in investigation(accept=accept).judge("x").message


NAMES = ("one, train", "two", "three")


def selection() -> Selection:
    fields = {**vars(investigation()), "names": NAMES, "reference": {"two", "one, train"}, "example": {"two"}}
    return Selection(
        **{
            **fields,
            "mistakes": (Mistake({"two"}, "One is missing."),),
            "accept": lambda chosen: "" if chosen == {"one, train", "two"} else f"{len(chosen)} chosen",
        }
    )


@pytest.mark.parametrize(
    ("value", "status", "words"),
    [
        (..., Status.NOT_ATTEMPTED, "Look."),
        ({"one, train", "two"}, Status.CORRECT, ""),
        (["two", "one,train"], Status.CORRECT, ""),
        (("two", "two", "one, train"), Status.CORRECT, ""),
        ({"two"}, Status.NOT_YET, "One is missing."),
        (["two"], Status.NOT_YET, "One is missing."),
        (set(NAMES), Status.NOT_YET, "3 chosen"),
        (set(), Status.NOT_YET, "0 chosen"),
        ("two", Status.NOT_YET, "one text"),
        ({"four"}, Status.NOT_YET, "'four' is not among the names"),
        ({"two", 3}, Status.NOT_YET, "3 is not among the names"),
        ({"two", ...}, Status.NOT_YET, "in the place of the dots"),
        (2, Status.NOT_YET, "A set of names is expected"),
        ({"two": True}, Status.NOT_YET, "A set of names is expected"),
    ],
)
def test_selection(value: Any, status: Status, words: str) -> None:
    verdict = selection().judge(value)
    assert verdict.status is status
    assert words in verdict.message


def test_the_solution_of_a_selection_keeps_the_order_of_the_names() -> None:
    assert selection().solution().endswith("= {'one, train', 'two'}")
