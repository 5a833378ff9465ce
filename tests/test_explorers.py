"""A slider that moves redraws the figure; an error in the drawing is seen."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from course_utils import plots
from course_utils.explorers import Explorer, Slider


def draw(n: int, noise: float = 0.0) -> tuple[Figure, str]:
    if n == 13:
        raise ValueError("thirteen <is> unlucky")
    figure, (axes,) = plots.canvas(width=3, height=2)
    axes.plot(range(n), range(n))
    plots.label(axes, x="x", y="y")
    return figure, f"{n} points & noise {noise}"


def explorer() -> Explorer:
    return Explorer(draw, n=Slider("points n", [2, 5, 13], 2), noise=Slider("noise", [0.0, 0.5], 0.5))


def test_moving_a_slider_redraws() -> None:
    n, noise, picture = explorer().widget().children
    assert (n.value, noise.value) == (2, 0.5)
    assert 'alt="2 points &amp; noise 0.5"' in picture.value
    before = picture.value
    n.value = 5
    assert 'alt="5 points &amp; noise 0.5"' in picture.value
    assert picture.value != before
    noise.value = 0.0
    assert "noise 0.0" in picture.value


def test_error_is_shown_and_the_explorer_goes_on() -> None:
    n, _, picture = explorer().widget().children
    n.value = 13
    assert "course-error" in picture.value
    assert "ValueError: thirteen &lt;is&gt; unlucky" in picture.value
    n.value = 5
    assert "course-error" not in picture.value


def test_each_display_has_its_own_widgets() -> None:
    one = explorer()
    first, second = one.widget(), one.widget()
    first.children[0].value = 5
    assert second.children[0].value == 2


def test_stored_text_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    explorer()._ipython_display_()
    text = "Explorer with 2 sliders: points n from 2 to 13; noise from 0.0 to 0.5. It needs a running kernel."
    assert shown[0]["text/plain"] == text
    assert "application/vnd.jupyter.widget-view+json" in shown[0]


def test_slider_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"n starts at 3; expected one of \[2, 5\]"):
        Explorer(draw, n=Slider("n", [2, 5], 3))
    with pytest.raises(ValueError, match="do not fit draw"):
        Explorer(draw, n=Slider("n", [2], 2), colour=Slider("colour", [1], 1))
    with pytest.raises(ValueError, match="do not fit draw"):
        Explorer(draw, noise=Slider("noise", [0.0], 0.0))
