"""Intervals cover what they say, text comes out as promised, claims refuse what is no yes or no."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom

from course_utils import evidence
from course_utils.evidence import ClaimError, Interval, approx, claim, compare, exceeds, falls_below, mean_interval
from course_utils.refresh import masks

# ---- intervals


@pytest.mark.parametrize(("n", "level"), [(2, 0.95), (5, 0.95), (10, 0.95), (30, 0.95), (10, 0.8)])
def test_interval_covers_the_true_mean_as_often_as_it_says(n: int, level: float) -> None:
    generator = np.random.default_rng(n)
    runs = 4000
    samples = generator.normal(3.0, 2.0, size=(runs, n))
    covered = sum(interval.low <= 3.0 <= interval.high for interval in (mean_interval(s, level=level) for s in samples))
    # A right interval leaves this range once in 100,000 runs; one with the normal quantile does so at n = 10.
    low, high = binom.interval(1 - 1e-5, runs, level)
    assert low <= covered <= high


def test_interval_against_scipy() -> None:
    from scipy import stats

    values = np.random.default_rng(0).normal(size=12)
    low, high = stats.t.interval(0.9, 11, values.mean(), stats.sem(values))
    interval = mean_interval(values, level=0.9)
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-12)
    assert (interval.n, interval.level) == (12, 0.9)


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor, lambda v: torch.tensor(v, requires_grad=True)])
def test_interval_reads_any_kind_of_numbers(kind: Any) -> None:
    assert mean_interval(kind([1.0, 2.0, 6.0])).mean == 3.0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "empty"),
        ([1.0], "two or more"),
        ([1.0, float("nan")], "1 of 2 numbers that are not finite"),
        ([1.0, float("inf")], "not finite"),
        (np.zeros((3, 4)), "shape (3, 4); expected one number a seed"),
    ],
)
def test_values_that_are_refused(values: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        mean_interval(values)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_level_that_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level is"):
        mean_interval([1, 2], level=level)


# ---- text

FORMATS: list[tuple[Any, dict[str, Any], str]] = [
    (0.8734, {}, "≈ 0.87"),
    (-0.8734, {}, "≈ -0.87"),
    (0.0, {}, "≈ 0.00"),
    (1.0, {}, "≈ 1.0"),
    (12.345, {"digits": 3}, "≈ 12.3"),
    (1234.5, {}, "≈ 1200"),
    (0.000123, {}, "≈ 0.00012"),
    (0.0000123, {}, "≈ 1.2e-05"),
    (-1234567.0, {}, "≈ -1.2e+06"),
    (3.7, {"unit": "s"}, "≈ 3.7 s"),
    (3.7, {"unit": "%"}, "≈ 3.7 %"),
    (torch.tensor(0.5), {}, "≈ 0.50"),
    (np.float32(0.25), {}, "≈ 0.25"),
    (Interval(0.8734, 0.0213, 10), {}, "≈ 0.873 ± 0.021"),
    (Interval(-0.8734, 0.213, 10), {}, "≈ -0.87 ± 0.21"),
    (Interval(-0.001, 0.5, 10), {}, "≈ 0.00 ± 0.50"),
    (Interval(12345.0, 678.0, 10), {"unit": "images/s"}, "≈ 12340 ± 680 images/s"),
    (Interval(0.5, 0.0, 10), {}, "≈ 0.50 ± 0.00"),
    (Interval(0.000123, 0.0, 10), {}, "≈ 0.00012 ± 0.00000"),
    (Interval(1e-7, 2e-8, 10), {}, "≈ 0.000000100 ± 0.000000020"),
]


@pytest.mark.parametrize(("value", "options", "text"), FORMATS)
def test_approx(value: Any, options: dict[str, Any], text: str) -> None:
    assert approx(value, **options) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Interval(0.0, float("nan"), 3), [1.0, 2.0]])
def test_approx_refuses(value: Any) -> None:
    with pytest.raises(ValueError, match="value"):
        approx(value)


def masked(text: str) -> str:
    for pattern, replacement in masks():
        text = pattern.sub(replacement, text)
    return text


def test_masks_are_read_as_they_stand() -> None:
    assert len(masks()) == 1


@pytest.mark.parametrize(("value", "options", "text"), FORMATS)
def test_sanitizer_masks_what_approx_prints(value: Any, options: dict[str, Any], text: str) -> None:
    unit = f" {options['unit']}" if "unit" in options else ""
    assert masked(f"error: {text}, over") == f"error: MEASURED{unit}, over"
    assert masked(f"<td>{text}</td>") == f"<td>MEASURED{unit}</td>"


def test_sanitizer_masks_random_measurements() -> None:
    generator = np.random.default_rng(0)
    for _ in range(3000):
        mean, half = generator.normal() * 10.0 ** generator.integers(-8, 9), abs(generator.normal()) + 1e-9
        half *= 10.0 ** generator.integers(-6, 7)
        for value in (mean, Interval(mean, half, 9)):
            assert masked(approx(value)) == "MEASURED", approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "0.87",
        "= 0.87 ± 0.02",
        "accuracy 0.87",
        "✓ 9 of 10 seeds",
        "≈",
        "≈ one half",
        "≈ nan",
        "± 0.02",
        "shape (3, 4)",
        "1e-5",
    ],
)
def test_sanitizer_leaves_everything_else(text: str) -> None:
    assert masked(text) == text


def test_sanitizer_leaves_what_stands_beside_a_measurement() -> None:
    assert masked("n = 10: ≈ 0.87 ± 0.02 (32 seeds), bound 0.9.") == "n = 10: MEASURED (32 seeds), bound 0.9."
    assert masked("≈ 0.5 3 ≈ 7") == "MEASURED 3 MEASURED"
    assert masked("≈ 0.87.") == "MEASURED."
    assert masked("≈ 3, 4") == "MEASURED, 4"


# ---- claims


def test_claim_prints_what_holds(capsys: pytest.CaptureFixture[str]) -> None:
    for condition in (True, np.bool_(True), np.array([True]), torch.tensor(True), torch.tensor([True])):
        claim(condition, "it holds")
    claim(exceeds([2.0, 2.1], 1.0), "it exceeds")
    assert capsys.readouterr().out.splitlines() == ["✓ it holds"] * 5 + ["✓ it exceeds"]


def test_claim_that_fails_says_what_was_measured() -> None:
    with pytest.raises(ClaimError, match=re.escape("✕ it holds\n  Measured: the condition was false.")):
        claim(False, "it holds")
    with pytest.raises(ClaimError, match=re.escape("mean 1.05, standard error 0.05, n = 2; expected mean − 3")):
        claim(exceeds([1.0, 1.1], 1.0), "it exceeds")


@pytest.mark.parametrize(
    "condition",
    [None, 1, 0.5, "yes", [], [True], (), np.array([True, True]), torch.tensor([True, False]), torch.tensor(1.0)],
)
def test_claim_refuses_what_is_no_yes_or_no(condition: Any) -> None:
    with pytest.raises(TypeError, match="condition"):
        claim(condition, "it holds")


def test_exceeds_holds_with_a_margin() -> None:
    values = [1.0, 1.2, 0.8, 1.0]
    error = float(np.std(values, ddof=1) / 2)
    assert exceeds(values, 1.0 - 3 * error - 1e-9)
    assert not exceeds(values, 1.0 - 3 * error + 1e-9)
    assert exceeds(values, 1.0 - error - 1e-9, margin=1)
    assert falls_below(values, 1.0 + 3 * error + 1e-9)
    assert not falls_below(values, 1.0 + 3 * error - 1e-9)
    assert "expected mean + 3 standard errors < 1" in falls_below(values, 1.0).measured


def test_verdict_on_numbers_of_numpy_is_a_plain_yes_or_no(capsys: pytest.CaptureFixture[str]) -> None:
    bound: Any = np.float64(1.0)
    claim(exceeds([2.0, 2.1], bound), "it exceeds")
    claim(evidence.agree([1.0], [1.0], tolerance=bound), "it agrees")
    assert capsys.readouterr().out.count("✓") == 2


def test_exceeds_is_rarely_wrong() -> None:
    generator = np.random.default_rng(1)
    wrong = sum(bool(exceeds(generator.normal(0, 1, 10), 0.0)) for _ in range(2000))
    # With 9 degrees of freedom, three standard errors are passed by chance 7.5 times in 1,000.
    low, high = binom.interval(1 - 1e-5, 2000, 0.00748)
    assert low <= wrong <= high


def test_agree() -> None:
    assert evidence.agree(torch.ones(2), [1.0, 1.0 + 1e-9], tolerance=1e-8)
    assert not evidence.agree([1.0], [1.1], tolerance=0.05)
    assert not evidence.agree([1.0], [float("nan")], tolerance=1.0)
    assert "shapes (1,) and (1, 1) differ" in evidence.agree([1.0], [[1.0]], tolerance=1).measured


def test_compare_is_paired() -> None:
    luck = np.random.default_rng(0).normal(0, 5, 20)
    gap = np.random.default_rng(1).normal(0.2, 0.1, 20)
    assert compare(luck + gap, luck) == "higher"
    assert compare(luck, luck + gap) == "lower"
    assert compare(luck, luck[::-1] + gap) == "not significant"
    assert compare([1, 2], [1, 2]) == "not significant"
    with pytest.raises(ValueError, match="a has 2 values and b has 3"):
        compare([1, 2], [1, 2, 3])


# ---- tables


def test_table() -> None:
    laid = evidence.table(["what", "error"], [["a <b>", Interval(0.5, 0.1, 3)], ["c", 3]])
    assert repr(laid) == "what | error\na <b> | ≈ 0.50 ± 0.10\nc | 3"
    page = laid._repr_html_()
    assert "a &lt;b&gt;" in page
    assert page.count("<tr>") == 3
    assert page.count("<td") == 4


def test_table_refuses_a_ragged_row() -> None:
    with pytest.raises(ValueError, match="row 1 has 1 cells; expected 2"):
        evidence.table(["a", "b"], [[1, 2], [3]])
