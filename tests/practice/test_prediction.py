"""A prediction is stored before the run, met again after it, and survives the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from course_utils.practice import prediction, progress
from course_utils.practice.prediction import Prediction
from course_utils.practice.progress import Progress

CHOICES = ["rises", "falls", "stays"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "progress.sqlite"


def asked(path: Path | None, choices: list[str] = CHOICES) -> Prediction:
    return Prediction("01.x", "What <happens>?", choices, Progress(path))


def test_answer_is_kept_and_recalled(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked(path).choose("falls")
    later = asked(path)
    assert later.mine == "falls"
    later.recall("falls")
    later.recall("rises")
    assert capsys.readouterr().out.splitlines() == [
        "Measured: falls. You predicted it.",
        "Measured: rises. You predicted: falls. What did you expect to happen instead, and why?",
    ]


def test_no_answer_is_fine(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked(path).recall("stays")
    assert capsys.readouterr().out == "Measured: stays. (You made no prediction.)\n"


def test_last_answer_counts_and_all_are_kept(path: Path) -> None:
    question = asked(path)
    question.choose("rises")
    question.choose("stays")
    assert question.mine == "stays"
    assert [record.value for record in Progress(path).records("prediction")] == ["rises", "stays"]


def test_answer_that_is_no_longer_a_choice_is_forgotten(path: Path) -> None:
    asked(path).choose("rises")
    assert asked(path, ["up", "down"]).mine == ""


@pytest.mark.parametrize("choices", [[], ["one"], ["same", "same"]])
def test_bad_choices(choices: list[str]) -> None:
    with pytest.raises(ValueError, match="expected two or more different ones"):
        asked(None, choices)


def test_what_is_not_a_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="choice is 'sideways'; expected one of"):
        asked(None).choose("sideways")
    with pytest.raises(ValueError, match="measured is 'sideways'"):
        asked(None).recall("sideways")


def test_buttons_store_at_once(path: Path) -> None:
    question = asked(path)
    title, buttons, said = question.widget().children
    assert "What &lt;happens&gt;?" in title.value
    assert buttons.value is None
    buttons.value = "falls"
    assert asked(path).mine == "falls"
    assert said.value.startswith("✓ Kept")
    # The next time the kept answer is already chosen.
    _, buttons, said = asked(path).widget().children
    assert buttons.value == "falls"
    assert "last time" in said.value


def test_buttons_say_when_it_cannot_be_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    question = asked(tmp_path / "file" / "progress.sqlite")
    _, buttons, said = question.widget().children
    buttons.value = "rises"
    assert "cannot be kept" in said.value
    question.recall("rises")
    first, second = capsys.readouterr().out.splitlines()
    assert first == "Measured: rises. You predicted it."
    assert "cannot be kept" in second


def test_shown_text_is_the_same_with_and_without_an_answer(
    own_course_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    prediction.predict("01.y", "Which?", CHOICES).choose("rises")
    prediction.predict("01.y", "Which?", CHOICES)
    assert shown[0]["text/plain"] == shown[1]["text/plain"] == "Predict: Which?\n  ○ rises\n  ○ falls\n  ○ stays"
    assert "application/vnd.jupyter.widget-view+json" in shown[0]
    assert progress.mine().latest("prediction")["01.y"].value == "rises"


def test_turned_off_is_remembered_until_the_kernel_stops(
    own_course_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_PROGRESS", "off")
    monkeypatch.setattr("IPython.display.display", lambda data, raw: None)
    prediction.predict("01.z", "Which?", CHOICES).choose("rises")
    assert prediction.predict("01.z", "Which?", CHOICES).mine == "rises"
    assert not own_course_home.exists()
