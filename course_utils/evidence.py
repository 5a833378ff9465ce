"""How a result is measured, judged and printed: the only place that decides it.

Two signs run through the whole course. ``≈`` stands before what was *measured*: it depends on training or on
the clock and may move a little. What is printed without it is *exact* and is compared letter by letter when
the notebooks are tested. ``✓`` stands before a claim that has just been checked.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

#: Whatever numpy can read as numbers: a list, an array, a tensor without gradient.
Values = Any


class ClaimError(AssertionError):
    """A claim of the course did not hold; the message carries what was measured instead."""


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Attributes:
        mean: the sample mean.
        half: half the width of the interval, in the unit of the values.
        n: how many values it rests on.
        level: the confidence level, 0…1.
    """

    mean: float
    half: float
    n: int
    level: float = 0.95

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.mean + self.half


@dataclass(frozen=True)
class Verdict:
    """A yes or no that remembers the numbers behind it.

    Attributes:
        holds: the answer; ``bool(verdict)`` gives it too.
        measured: the numbers, as a sentence for the reader of a failed claim.
    """

    holds: bool
    measured: str

    def __bool__(self) -> bool:
        return bool(self.holds)  # NumPy's own bool would not do


def _numbers(values: Values, name: str = "values") -> npt.NDArray[np.float64]:
    """Read ``values`` as a flat float64 array and refuse what no statistic can use."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    array = np.asarray(values, dtype=np.float64).ravel()
    if array.size == 0:
        raise ValueError(f"{name} is empty; expected at least one number")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ValueError(f"{name} holds {bad} of {array.size} numbers that are not finite (a run diverged?)")
    return array


def mean_interval(values: Values, *, level: float = 0.95) -> Interval:
    """The mean of independent measurements, with its Student-t confidence interval.

    Args:
        values: one number a seed, (n,) with n ≥ 2.
        level: the confidence level, between 0 and 1.

    Returns:
        The interval; its half width is t · s / √n with n − 1 degrees of freedom.

    Raises:
        ValueError: fewer than two values, a value that is not finite, or a level outside 0…1.

    Source:
        Student (1908), The probable error of a mean.

    Example:
        >>> mean_interval([1.0, 2.0, 3.0]).mean
        2.0
    """
    array = _numbers(values)
    if (shape := np.shape(values)) and max(shape) != array.size:
        raise ValueError(f"values has shape {shape}; expected one number a seed, (n,)")
    if array.size < 2:
        raise ValueError("values has one number; an interval needs two or more")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected a number between 0 and 1")
    half = float(stdtrit(array.size - 1, 0.5 + level / 2)) * _standard_error(array)
    return Interval(float(array.mean()), half, array.size, level)


def _standard_error(array: npt.NDArray[np.float64]) -> float:
    """Standard error of the mean of a flat array of two or more numbers."""
    return float(array.std(ddof=1) / math.sqrt(array.size))


def approx(value: float | Interval | Values, *, unit: str = "", digits: int = 2) -> str:
    """Text for a measured number: ``≈ 0.87`` or ``≈ 0.87 ± 0.02``.

    Args:
        value: a number, or an interval, whose half width then decides how many digits are shown.
        unit: appended after a space, such as ``"s"``.
        digits: significant digits of a bare number.

    Raises:
        ValueError: the number is not finite.

    Example:
        >>> approx(Interval(0.8734, 0.0213, 10))
        '≈ 0.873 ± 0.021'
        >>> approx(1234.5, unit="images/s")
        '≈ 1200 images/s'
    """
    if isinstance(value, Interval):
        mean, half = _numbers([value.mean, value.half], "value")
        places = _decimals(half or mean, 2)
        text = f"≈ {_fixed(mean, places)} ± {_fixed(half, places)}"
    else:
        (number,) = _numbers(value, "value")
        text = f"≈ {_fixed(number, _decimals(number, digits))}"
        if number and not 1e-4 <= abs(number) < 1e6:
            text = f"≈ {number:.{digits - 1}e}"
    return f"{text} {unit}".rstrip()


def _fixed(number: float, places: int) -> str:
    """The number rounded to ``places`` decimals (before the point if negative), without a minus before a zero."""
    return f"{round(number, places) + 0.0:.{max(places, 0)}f}"


def _decimals(number: float, digits: int) -> int:
    """Decimal places that show ``digits`` significant digits of ``number``."""
    if number == 0:
        return digits
    return max(-12, min(12, digits - 1 - math.floor(math.log10(abs(number)))))


def claim(condition: object, sentence: str) -> None:
    """Print ``✓`` and the sentence if the condition holds; stop the notebook if it does not.

    Args:
        condition: a bool, a one-element bool array or tensor, or a `Verdict`, which brings its numbers along.
        sentence: what is claimed, phrased so that a reader can see what would refute it.

    Raises:
        ClaimError: the condition is false. The message says what was measured.
        TypeError: the condition is not a yes or no (a whole array, None, a number).
    """
    measured = condition.measured if isinstance(condition, Verdict) else "the condition was false"
    if not _truth(condition):
        raise ClaimError(f"✕ {sentence}\n  Measured: {measured}.")
    print(f"✓ {sentence}")


def _truth(condition: object) -> bool:
    """The bool inside a condition, refusing what only looks like one."""
    if isinstance(condition, (bool, np.bool_, Verdict)):
        return bool(condition)
    if str(getattr(condition, "dtype", "")) in ("bool", "torch.bool"):
        array = np.asarray(condition)
        if array.size == 1:
            return bool(array.item())
        raise TypeError(f"condition has shape {array.shape}; say .all() or .any()")
    raise TypeError(f"condition is {type(condition).__name__}; expected a yes or no")


def exceeds(values: Values, bound: float = 0.0, *, margin: float = 3.0) -> Verdict:
    """Whether the mean lies above a bound by ``margin`` standard errors or more.

    Args:
        values: one number a seed, (n,) with n ≥ 2; for a comparison, the differences paired by seed.
        bound: what the mean must exceed.
        margin: in standard errors; three leave room for other seeds, threads and processors.

    Example:
        >>> bool(exceeds([1.0, 1.1, 0.9], 0.5))
        True
    """
    interval, error = mean_interval(values), _standard_error(_numbers(values))
    measured = (
        f"mean {interval.mean:.4g}, standard error {error:.2g}, n = {interval.n}; "
        f"expected mean − {margin:g} standard errors > {bound:.4g}"
    )
    return Verdict(interval.mean - margin * error > bound, measured)


def falls_below(values: Values, bound: float = 0.0, *, margin: float = 3.0) -> Verdict:
    """Whether the mean lies below a bound by ``margin`` standard errors or more. See `exceeds`."""
    verdict = exceeds(-_numbers(values), -bound, margin=margin)
    interval = mean_interval(values)
    error = _standard_error(_numbers(values))
    measured = (
        f"mean {interval.mean:.4g}, standard error {error:.2g}, n = {interval.n}; "
        f"expected mean + {margin:g} standard errors < {bound:.4g}"
    )
    return Verdict(verdict.holds, measured)


def agree(mine: Values, theirs: Values, *, tolerance: float) -> Verdict:
    """Whether two results have one shape and differ nowhere by more than ``tolerance`` (absolute).

    Args:
        mine: array or tensor of any shape.
        theirs: array or tensor of the same shape.
        tolerance: the largest difference allowed, in the unit of the values.
    """
    a, b = (np.asarray(v.detach().cpu() if hasattr(v, "detach") else v, dtype=np.float64) for v in (mine, theirs))
    if a.shape != b.shape:
        return Verdict(False, f"shapes {a.shape} and {b.shape} differ")
    difference = float(np.abs(a - b).max(initial=0.0))
    return Verdict(difference <= tolerance, f"largest difference {difference:.3g}, expected ≤ {tolerance:.3g}")


def compare(a: Values, b: Values, *, level: float = 0.95) -> str:
    """Say how ``a`` compares with ``b``, paired by seed: ``"lower"``, ``"higher"`` or ``"not significant"``.

    Args:
        a: one number a seed, (n,).
        b: the same for what is compared with, (n,), in the same order of seeds.
        level: the confidence level of the interval that must exclude zero.

    Raises:
        ValueError: the two differ in length.
    """
    first, second = _numbers(a, "a"), _numbers(b, "b")
    if first.size != second.size:
        raise ValueError(f"a has {first.size} values and b has {second.size}; a paired comparison needs as many")
    gap = mean_interval(first - second, level=level)
    if gap.low > 0:
        return "higher"
    return "lower" if gap.high < 0 else "not significant"


@dataclass(frozen=True)
class Table:
    """A small table that shows as HTML in a notebook and as plain text elsewhere.

    Attributes:
        columns: the headings.
        rows: the cells as text, one tuple a row.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __repr__(self) -> str:
        # No padding: the width of a measured number must not change the text around it.
        return "\n".join(" | ".join(row) for row in (self.columns, *self.rows))

    def _repr_html_(self) -> str:
        cell = '<{0} style="text-align:left">{1}</{0}>'
        head = "".join(cell.format("th", html.escape(text)) for text in self.columns)
        body = ("".join(cell.format("td", html.escape(text)) for text in row) for row in self.rows)
        return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in body) + "</table>"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Lay out results as a table; intervals are printed through `approx`.

    Args:
        columns: the headings.
        rows: one sequence a row, as long as ``columns``. Intervals become ``≈ m ± h``; everything else ``str``.

    Raises:
        ValueError: a row has more or fewer cells than there are columns.
    """
    laid = []
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(f"row {number} has {len(row)} cells; expected {len(columns)} ({', '.join(columns)})")
        laid.append(tuple(approx(cell) if isinstance(cell, Interval) else str(cell) for cell in row))
    return Table(tuple(columns), tuple(laid))
