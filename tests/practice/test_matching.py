"""Two results are the same or not, and whether a value was changed or is shown shortly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from course_utils.practice.matching import changed, common_factor, difference
from course_utils.practice.verdict import short


@pytest.mark.parametrize(
    ("yours", "expected", "same"),
    [
        (0.5, 0.5, True),
        (np.float32(1 / 3), 1 / 3, True),
        (1 / 3 + 1e-5, 1 / 3, False),
        (torch.tensor(0.5), 0.5, True),
        (torch.tensor([0.5]), 0.5, False),
        (3, 3.0, True),
        (3.0, 3, False),
        (np.int64(3), 3, True),
        (10**7 + 1, 10**7, False),
        (10**400, 1.0, False),
        (True, 1, False),
        (1, True, False),
        (np.bool_(True), True, True),
        (1.0, float("inf"), False),
        (float("inf"), float("inf"), True),
        (float("inf"), 1.0, False),
        (float("nan"), float("nan"), True),
        (float("nan"), 1.0, False),
        (1 + 0j, 1.0, False),
        ([1, 2], (1, 2), True),
        (torch.tensor([1, 2]), (1, 2), True),
        ((1, 2, 3), (1, 2), False),
        (torch.zeros(2, dtype=torch.complex64), torch.zeros(2), False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ("a", "a", True),
        (None, "a", False),
    ],
)
def test_difference(yours: Any, expected: Any, same: bool) -> None:
    assert (difference(yours, expected, tolerance=1e-6) == "") is same


def test_common_factor() -> None:
    assert common_factor([2.0, 4.0, 6.0], [1.0, 2.0, 3.0]) == pytest.approx(2.0)
    assert common_factor([2.0, 4.0, 7.0], [1.0, 2.0, 3.0]) is None
    assert common_factor([1.0, 2.0], [1.0, 2.0]) is None
    assert common_factor(["a"], [1.0]) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.tensor([1.0, 2.5]), "[1, 2.5]  shape (2,), float32"),
        (torch.zeros(30, 2), "60 numbers  shape (30, 2), float32"),
        (np.array([1, 2]), "[1, 2]  shape (2,), NumPy int64"),
        (torch.tensor(0.5), "tensor(0.5)"),
        ((1 / 3,), "(0.333333,)"),
        ({"a": 0.5}, "{'a': 0.5}"),
        (True, "True"),
        (torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Tanh()), "Linear → Tanh"),
        (len, "the function len"),
    ],
)
def test_short(value: Any, text: str) -> None:
    assert short(value) == text


def test_short_stays_short() -> None:
    assert len(short("x" * 1000)) == 160
    assert "\n" not in short(np.array([["a"], ["b"]]))


def test_changed_sees_weights_frozen_or_moved() -> None:
    model, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    other.load_state_dict(model.state_dict())
    assert not changed(model, other)
    other.requires_grad_(False)
    assert changed(model, other)
    assert changed({"a": [1.0, 2.0]}, {"a": [1.0, 3.0]})
    assert not changed([float("nan")], [float("nan")])
    assert changed(np.array(["a"]), np.array(["b"]))
