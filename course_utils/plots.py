"""Figures: one style, alt text for each, and the few plot shapes that lessons share.

A figure is handed to the notebook by `show`. Its picture is not compared when notebooks are tested, but its words
are: titles, axis labels, legend entries and the number of points of each curve go into the stored text, so a wrong
label turns a test red. How a curve runs is said by the author and checked when the figure is shown.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator
from PIL import Image

from course_utils.evidence import Values, mean_interval

#: Okabe & Ito (2008), Color universal design: told apart by readers with any colour vision, and in grey by line style.
BLUE, ORANGE, GREEN, PINK, BLACK, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9"
_COLOURS = [BLUE, ORANGE, GREEN, PINK, BLACK, SKY]
_LINES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2))]


def use_style() -> None:
    """Set the course's look: screen size, low weight, colours and line styles that change together."""
    matplotlib.rcParams.update(
        {
            "figure.figsize": (6.4, 3.6),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": cycler(color=_COLOURS, linestyle=_LINES),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.alpha": 0.3,
            "legend.frameon": False,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titley": 1.0,  # a title that need not look for its place is drawn in half the time
        }
    )


def canvas(columns: int = 1, *, width: float = 6.4, height: float = 3.6, **options: Any) -> tuple[Figure, list[Axes]]:
    """An empty figure with one row of axes, outside pyplot: nothing lingers, nothing shows twice.

    Args:
        columns: how many axes side by side.
        width: in inches, at 100 pixels an inch.
        height: likewise.
        **options: for `Figure.subplots`, such as ``sharey=True``.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns, squeeze=False, **options)
    return figure, list(axes[0])


def png(figure: Figure) -> bytes:
    """The figure as PNG bytes."""
    # savefig would draw everything twice, and a slider should feel live.
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(buffer, format="png", compress_level=3)
    return buffer.getvalue()


def labelled_curves(axes: Axes) -> list[tuple[str, Line2D]]:
    """The curves that have a name in the legend, those with error bars included, in drawing order."""
    plain = [(str(line.get_label()), line) for line in axes.get_lines()]
    barred = [(str(bars.get_label()), bars[0]) for bars in axes.containers if isinstance(bars, ErrorbarContainer)]
    return [(name, line) for name, line in plain + barred if not name.startswith("_")]


#: How a curve may be said to run, each with what must be true of its heights from left to right.
_RUNS: dict[str, Callable[[Any], bool]] = {
    "falling": lambda h: h[-1] < h[0] and h[-1] - h.min() < np.ptp(h) / 4,
    "rising": lambda h: h[-1] > h[0] and h.max() - h[-1] < np.ptp(h) / 4,
    "a valley": lambda h: h.min() < min(h[0], h[-1]),
    "a peak": lambda h: h.max() > max(h[0], h[-1]),
}


def check_runs(figure: Figure, runs: Mapping[str, str]) -> None:
    """Make sure that curves run as the author says.

    Args:
        figure: all its axes are looked at.
        runs: legend entry -> ``"falling"``, ``"rising"``, ``"a valley"`` or ``"a peak"``.

    Raises:
        ValueError: a curve runs otherwise, is not there, or the word is not one of these.
    """
    found: dict[str, list[Any]] = {}
    for axes in figure.axes:
        for name, line in labelled_curves(axes):
            found.setdefault(name, []).append(np.asarray(line.get_ydata(), dtype=np.float64))
    for name, run in runs.items():
        if run not in _RUNS:
            raise ValueError(f"runs says {run!r} of {name!r}; expected one of {', '.join(_RUNS)}")
        if name not in found:
            raise ValueError(f"runs names {name!r}; the curves are {', '.join(map(repr, found))}")
        for heights in found[name]:
            if not _RUNS[run](heights):
                raise ValueError(f"curve {name!r} is not {run}: it goes {np.array2string(heights, precision=3)}")


def words(figure: Figure, alt: str, runs: Mapping[str, str] | None = None) -> str:
    """The figure in words: alt text, titles, axes, legends, each curve's number of points and how it is said to run."""
    lines = [f"Figure: {alt}"]
    for axes in figure.axes:
        parts = [
            f"title {axes.get_title()!r}" if axes.get_title() else "",
            f"x {axes.get_xlabel()!r} ({axes.get_xscale()})",
            f"y {axes.get_ylabel()!r} ({axes.get_yscale()})",
        ]
        for name, line in labelled_curves(axes):
            points = f"curve {name!r} of {len(np.atleast_1d(line.get_xdata()))} points"
            parts.append(f"{points}, {runs[name]}" if runs and name in runs else points)
        legend = axes.get_legend()
        if legend is not None:
            parts.append("legend " + ", ".join(repr(text.get_text()) for text in legend.get_texts()))
        lines.append("  " + "; ".join(part for part in parts if part))
    return "\n".join(lines)


def show(figure: Figure, *, alt: str, runs: Mapping[str, str] | None = None) -> None:
    """Display a figure in the notebook, with its description for those who cannot see it.

    Args:
        figure: made by `canvas` or any matplotlib figure.
        alt: what the figure shows, in one to three sentences. Write no measured number into it.
        runs: how curves run, by legend entry; see `check_runs`. It holds the alt text to the data.

    Raises:
        ValueError: ``alt`` is empty, an axis has no label, or a curve runs otherwise than ``runs`` says.
    """
    from IPython.display import display

    if not alt.strip():
        raise ValueError("alt is empty; describe the figure in one to three sentences")
    for axes in figure.axes:
        if axes.axison and axes.get_label() != "<colorbar>" and not (axes.get_xlabel() and axes.get_ylabel()):
            raise ValueError("an axis has no label; set both, with units")
    check_runs(figure, runs or {})
    width, height = (round(float(side) * 100) for side in figure.get_size_inches())
    display(
        {"image/png": base64.b64encode(png(figure)).decode(), "text/plain": words(figure, alt, runs)},
        metadata={"image/png": {"alt": alt, "width": width, "height": height}},
        raw=True,
    )
    summary = '<summary style="color:#767676;font-size:85%">the figure in words</summary>'
    described = f"<details>{summary}{html.escape(alt)}</details>"
    display({"text/html": described, "text/plain": alt}, raw=True)


def label(
    axes: Axes,
    *,
    x: str,
    y: str,
    title: str = "",
    note: str = "",
    log: str = "",
    ticks: Sequence[float] | None = None,
) -> None:
    """Name both axes, and say below the figure what n and the band are.

    Args:
        axes: the axes to label.
        x: what is on the horizontal axis, with its unit.
        y: what is on the vertical axis, with its unit.
        title: the one message of these axes.
        note: small print under the x axis, such as ``"32 seeds; band: 95 % interval of the mean"``.
        log: ``"x"``, ``"y"`` or ``"xy"`` for logarithmic axes.
        ticks: where the x axis carries numbers, written in full; matplotlib's choice by default.
    """
    axes.set(xlabel=f"{x}\n{note}" if note else x, ylabel=y, title=title)
    for letter, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if letter in log:
            getattr(axes, f"set_{letter}scale")("log")
            # Over a short range powers of ten alone would be one or two numbers.
            short = axis.get_data_interval()[1] < 300 * axis.get_minpos()
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if short else (1,)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
    if ticks is not None:
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def band(axes: Axes, x: Sequence[float] | Values, values: Values, *, label: str = "", **options: Any) -> None:
    """A mean curve with its 95 % interval.

    Args:
        axes: where to draw.
        x: (n,).
        values: (K, n): one row a seed.
        label: legend entry.
        **options: for `Axes.plot`.

    Raises:
        ValueError: the shapes do not match.
    """
    grid, rows = _array(x), _array(values)
    if rows.ndim != 2 or rows.shape[1] != grid.size:
        raise ValueError(f"values has shape {rows.shape}; expected (K, {grid.size})")
    intervals = [mean_interval(column) for column in rows.T]
    (line,) = axes.plot(grid, [i.mean for i in intervals], label=label, **options)
    low, high = [i.low for i in intervals], [i.high for i in intervals]
    axes.fill_between(grid, low, high, color=line.get_color(), alpha=0.2, linewidth=0)


def with_interval(axes: Axes, x: Sequence[float] | Values, samples: Mapping[str, Sequence[Values]]) -> None:
    """Points with 95 % interval bars, one curve a method.

    Args:
        axes: where to draw.
        x: (n,): the setting that is varied.
        samples: for each method, n collections of one number a seed.
    """
    for (name, columns), marker in zip(samples.items(), "os^Dvp*"):
        intervals = [mean_interval(column) for column in columns]
        means, halves = [i.mean for i in intervals], [i.half for i in intervals]
        axes.errorbar(_array(x), means, yerr=halves, label=name, marker=marker, capsize=3, markersize=5)


def show_bands(
    at: Sequence[float] | Values,
    curves: Mapping[str, Values],
    *,
    alt: str,
    runs: Mapping[str, str] | None = None,
    **labels: Any,
) -> None:
    """One figure of mean curves with their 95 % intervals: `canvas`, `band`, `label` and `show` in one call.

    Args:
        at: where the curves are known, (n,).
        curves: by legend entry, (K, n) each: one row a seed.
        alt: see `show`.
        runs: see `show`.
        **labels: see `label`.
    """
    figure, (axes,) = canvas()
    for name, values in curves.items():
        band(axes, at, values, label=name)
    label(axes, **labels)
    show(figure, alt=alt, runs=runs)


def show_intervals(
    at: Sequence[float] | Values,
    samples: Mapping[str, Sequence[Values]],
    *,
    alt: str,
    runs: Mapping[str, str] | None = None,
    **labels: Any,
) -> None:
    """One figure of points with 95 % interval bars: `canvas`, `with_interval`, `label` and `show` in one call.

    Args:
        at: the setting that is varied, (n,).
        samples: by method, n collections of one number a seed.
        alt: see `show`.
        runs: see `show`.
        **labels: see `label`.
    """
    figure, (axes,) = canvas()
    with_interval(axes, at, samples)
    label(axes, **labels)
    show(figure, alt=alt, runs=runs)


def _array(values: Values) -> Any:
    """A tensor or a sequence as a float64 array."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, dtype=np.float64)
