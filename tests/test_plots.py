"""A figure is shown with its words, and every word that a reader needs is in them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from course_utils import plots

Shown = list[tuple[dict[str, str], dict[str, Any]]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    outputs: Shown = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, metadata=None, raw=False: outputs.append((data, metadata or {}))
    )
    return outputs


def figure() -> Figure:
    drawn, (left, right) = plots.canvas(2)
    left.plot([1, 2, 3], [1, 4, 9], label="squares")
    plots.label(left, x="x (cm)", y="area", title="Areas", note="n = 3", log="y")
    plots.band(right, [1, 2], torch.tensor([[1.0, 2.0], [1.5, 2.5]]), label="mean")
    plots.label(right, x="epoch", y="loss")
    return drawn


def test_show_gives_picture_alt_text_and_words(shown: Shown) -> None:
    plots.show(figure(), alt="Two <curves>.")
    (data, metadata), (described, _) = shown
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"] == {"alt": "Two <curves>.", "width": 640, "height": 360}
    assert data["text/plain"].splitlines() == [
        "Figure: Two <curves>.",
        "  title 'Areas'; x 'x (cm)\\nn = 3' (linear); y 'area' (log); curve 'squares' of 3 points; legend 'squares'",
        "  x 'epoch' (linear); y 'loss' (linear); curve 'mean' of 2 points; legend 'mean'",
    ]
    assert "Two &lt;curves&gt;." in described["text/html"]


CHANGES: list[Callable[[Figure], object]] = [
    lambda f: f.axes[0].set_xlabel("x (mm)"),
    lambda f: f.axes[0].set_ylabel("length"),
    lambda f: f.axes[0].set_title("Lengths"),
    lambda f: f.axes[0].set_yscale("linear"),
    lambda f: f.axes[0].get_legend().get_texts()[0].set_text("cubes"),  # type: ignore[union-attr]
    lambda f: f.axes[1].plot([1], [1], label="one more"),
    lambda f: f.axes[0].get_lines()[0].set_data([1, 2], [1, 4]),
    lambda f: f.axes[1].remove(),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_a_changed_label_changes_the_words(number: int) -> None:
    changed = figure()
    CHANGES[number](changed)
    assert plots.words(changed, "a") != plots.words(figure(), "a")


def test_words_do_not_depend_on_the_values() -> None:
    other = figure()
    other.axes[0].get_lines()[0].set_data([1, 2, 3], [2, 5, 8])
    assert plots.words(other, "a") == plots.words(figure(), "a")


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_alt_text_is_needed(alt: str) -> None:
    with pytest.raises(ValueError, match="alt is empty"):
        plots.show(figure(), alt=alt)


def test_labels_are_needed_where_there_is_an_axis(shown: Shown) -> None:
    drawn, (axes,) = plots.canvas()
    axes.set_xlabel("x")
    with pytest.raises(ValueError, match="an axis has no label"):
        plots.show(drawn, alt="One.")
    axes.axis("off")
    plots.show(drawn, alt="A picture.")
    assert len(shown) == 2


def test_png_is_the_same_each_time_and_light() -> None:
    assert plots.png(figure()) == plots.png(figure())
    assert len(plots.png(figure())) < 60_000


def test_band_and_points_show_the_intervals() -> None:
    _, (left, right) = plots.canvas(2)
    values = np.random.default_rng(0).normal(size=(10, 4))
    plots.band(left, range(4), values, label="band")
    np.testing.assert_allclose(np.asarray(left.get_lines()[0].get_ydata(), dtype=float), values.mean(0))
    plots.with_interval(right, range(4), {"points": list(values.T)})
    np.testing.assert_allclose(np.asarray(right.get_lines()[0].get_ydata(), dtype=float), values.mean(0))
    with pytest.raises(ValueError, match=r"values has shape \(10, 4\); expected \(K, 3\)"):
        plots.band(left, range(3), values)


def luminance(colour: str) -> float:
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * r + 0.587 * g + 0.114 * b


def test_curves_can_be_told_apart_without_colour() -> None:
    import matplotlib as mpl

    plots.use_style()
    cycle = mpl.rcParams["axes.prop_cycle"].by_key()
    assert len({str(style) for style in cycle["linestyle"]}) == len(cycle["color"]) == 6
    # None is so bright that it is lost on white.
    assert max(luminance(colour) for colour in cycle["color"]) < 190


def drawn(*curves: tuple[str, list[float]]) -> Figure:
    figure, (axes,) = plots.canvas()
    for name, y in curves:
        plots.with_interval(axes, range(len(y)), {name: [[value, value + 0.1] for value in y]})
    plots.label(axes, x="epoch", y="loss")
    return figure


@pytest.mark.parametrize(
    ("y", "run"),
    [
        ([0.0, 1.0, 2.0], "rising"),
        ([2.0, 1.0, 0.0], "falling"),
        ([2.0, 0.0, 2.0, 1.5], "a valley"),
        ([0.0, 2.0, 0.1], "a peak"),
    ],
)
def test_a_curve_is_held_to_how_it_is_said_to_run(y: list[float], run: str, shown: Shown) -> None:
    plots.show(drawn(("error", y)), alt="A curve.", runs={"error": run})
    assert f"curve 'error' of {len(y)} points, {run};" in shown[0][0]["text/plain"]
    for other in {"rising", "falling", "a valley", "a peak"} - {run}:
        with pytest.raises(ValueError, match=f"'error' is not {other}"):
            plots.show(drawn(("error", y)), alt="A curve.", runs={"error": other})


def test_swapped_curves_are_noticed(shown: Shown) -> None:
    down, valley = [3.0, 2.0, 1.0], [3.0, 1.0, 3.5]
    runs = {"train": "falling", "test": "a valley"}
    plots.show(drawn(("train", down), ("test", valley)), alt="Two curves.", runs=runs)
    with pytest.raises(ValueError, match="'train' is not falling"):
        plots.show(drawn(("train", valley), ("test", down)), alt="Two curves.", runs=runs)


@pytest.mark.parametrize(
    ("runs", "message"), [({"error": "up"}, "expected one of"), ({"loss": "rising"}, "curves are")]
)
def test_a_run_that_cannot_be_checked_is_refused(runs: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plots.show(drawn(("error", [0.0, 1.0])), alt="A curve.", runs=runs)
