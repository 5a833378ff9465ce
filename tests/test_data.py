"""Data sets have the shapes, sources and truths that their descriptions promise."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits

from course_utils.data import Dataset, resplit, split
from course_utils.data.images import digits
from course_utils.data.tabular import diabetes
from course_utils.data.toy import noisy_wave, wave


@pytest.mark.parametrize("load", [digits, diabetes])
def test_data_set_says_where_it_comes_from(load: object) -> None:
    data = load()  # type: ignore[operator]
    assert data.source
    assert data.licence
    assert data.target
    assert f"x {tuple(data.x.shape)}" in repr(data)
    assert len(data.x) == len(data.y)


def test_digits() -> None:
    data, (x, y) = digits(), load_digits(return_X_y=True)
    assert (data.x.shape, data.x.dtype) == ((1797, 64), torch.float32)
    assert (data.y.shape, data.y.dtype) == ((1797,), torch.int64)
    assert data.x.min() == 0
    assert data.x.max() == 1
    assert torch.equal(data.x * 16, torch.tensor(x, dtype=torch.float32))
    assert data.y.tolist() == y.tolist()


def test_diabetes() -> None:
    data, (_, y) = diabetes(), load_diabetes(return_X_y=True)
    assert (data.x.shape, data.x.dtype) == ((442, 10), torch.float32)
    assert (data.y.shape, data.y.dtype) == ((442, 1), torch.float32)
    torch.testing.assert_close(data.x.mean(0), torch.zeros(10), atol=1e-5, rtol=0)
    torch.testing.assert_close(data.x.std(0, unbiased=False), torch.ones(10), atol=1e-5, rtol=0)
    # What the description says: 25…346, and one unit is 77 points.
    assert (y.min(), y.max()) == (25, 346)
    assert round(y.std()) == 77
    torch.testing.assert_close(data.y.squeeze(1) * y.std() + y.mean(), torch.tensor(y).float(), atol=1e-3, rtol=0)


def small(n: int = 10) -> Dataset:
    return Dataset("small", torch.arange(n).float().unsqueeze(1), torch.arange(n), "here", "none", "its place")


def test_split_is_disjoint_and_keeps_pairs_together() -> None:
    parts = split(small(), [5, 3, 2], seed=1)
    assert [len(x) for x, _ in parts] == [5, 3, 2]
    assert all(torch.equal(x.squeeze(1), y.float()) for x, y in parts)
    assert sorted(int(value) for _, y in parts for value in y) == list(range(10))


def test_split_follows_its_seed_alone() -> None:
    torch.manual_seed(1)
    first = split(small(), [4], seed=3)
    torch.manual_seed(2)
    assert torch.equal(first[0][1], split(small(), [4], seed=3)[0][1])
    assert not torch.equal(first[0][1], split(small(), [4], seed=4)[0][1])


@pytest.mark.parametrize("sizes", [[0, 3], [11], [6, 5], [-1]])
def test_split_refuses(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="expected sizes of 1 or more that add up to at most 10"):
        split(small(), sizes, seed=0)


def test_resplit_stacks_the_splits_of_its_seeds() -> None:
    (x, y), (xv, _) = resplit(small(), [4, 2], seeds=[5, 6, 7])
    assert (x.shape, y.shape, xv.shape) == ((3, 4, 1), (3, 4), (3, 2, 1))
    for k, seed in enumerate((5, 6, 7)):
        assert torch.equal(y[k], split(small(), [4, 2], seed=seed)[0][1])
    with pytest.raises(ValueError, match="seeds is empty"):
        resplit(small(), [4], seeds=[])


def test_wave() -> None:
    x = torch.tensor([-1.0, 0.0, 0.5], dtype=torch.float64)
    assert wave(x).tolist() == pytest.approx([math.sin(4 * v + 0.7) for v in x.tolist()])


def test_noisy_wave_fills_the_range_and_has_the_noise_it_says() -> None:
    x, y = noisy_wave(50, noise=0.3, sets=400, seed=2)
    assert x.shape == y.shape == (400, 50)
    assert x.dtype == torch.float64
    assert bool((x.diff(dim=1) > 0).all())
    # One point in each of the 50 cells of −1…1.
    assert torch.equal(((x + 1) * 25).floor().long(), torch.arange(50).expand(400, 50))
    left = y - wave(x)
    # 20,000 draws: five standard errors.
    assert abs(float(left.mean())) < 5 * 0.3 / math.sqrt(20_000)
    assert abs(float(left.std()) - 0.3) < 5 * 0.3 / math.sqrt(40_000)


def test_noisy_wave_without_noise_is_the_wave_and_repeats() -> None:
    x, y = noisy_wave(7, noise=0.0, sets=2, seed=1)
    assert torch.equal(y, wave(x))
    assert torch.equal(x, noisy_wave(7, noise=0.5, sets=2, seed=1)[0])
    assert not torch.equal(x, noisy_wave(7, noise=0.0, sets=2, seed=2)[0])


@pytest.mark.parametrize(("n", "sets", "noise"), [(0, 1, 0.1), (1, 0, 0.1), (3, 1, -0.1)])
def test_noisy_wave_refuses(n: int, sets: int, noise: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        noisy_wave(n, noise=noise, sets=sets)
