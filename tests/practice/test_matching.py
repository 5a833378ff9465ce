"""Two results are the same or not, and whether a value was changed or is shown shortly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from course_utils.practice.matching import changed, common_factor, condition, difference
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
        (np.array([1, 2]), (1, 2), True),
        (np.array([0.5, 2]), (0.5, 2.0), True),
        (np.array([1, 2, 3]), (1, 2), False),
        (np.array([[1, 2]]), (1, 2), False),
        (np.array([1.0, 2.0]), (1, 2), False),
        ((1, 2, 3), (1, 2), False),
        (torch.tensor([[1.0, 2.0], [3.0, 4.0]]), (torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])), True),
        (torch.tensor([[1.0, 2.0], [3.0, 5.0]]), (torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])), False),
        (torch.tensor([[1.0, 3.0]]), (torch.tensor([1.0]), torch.tensor([3.0])), False),
        (torch.tensor([[1.0], [2.0]]), (1.0, 2.0), False),
        (torch.tensor(1.0), (1.0,), False),
        ((np.array([1.0, 2.0])[::-1], np.float32([3])), (torch.tensor([2.0, 1.0]), torch.tensor([3.0])), True),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])], True),
        ((np.array([1.0, 2.1]), 3.0), (torch.tensor([1.0, 2.0]), 3.0), False),
        ((np.array([1, 2]), 3.0), (torch.tensor([1.0, 2.0]), 3.0), False),
        ((np.array(["a"]), 3.0), (torch.tensor([1.0]), 3.0), False),
        (np.array([1.0, 2.0]), torch.tensor([1.0, 2.0]), False),
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
    assert common_factor([10**400, 1], [1.0, 2.0]) is None


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
        (np.float64(0.5), "0.5"),
        (np.int32(3), "3"),
        (np.bool_(True), "True"),
        ((np.float32(0.25), np.int64(1)), "(0.25, 1)"),
        ([np.float64(1.0)], "[1]"),
    ],
)
def test_short(value: Any, text: str) -> None:
    assert short(value) == text


def test_short_stays_short() -> None:
    assert len(short("x" * 1000)) == 160
    assert "\n" not in short(np.array([["a"], ["b"]]))


def test_short_does_not_look_at_all_of_a_huge_list() -> None:
    class Counts:
        seen = 0

        def __repr__(self) -> str:
            Counts.seen += 1
            return "one"

    assert len(short([Counts()] * 100_000)) == 160
    assert len(short({position: Counts() for position in range(100_000)})) == 160
    assert Counts.seen < 100


def test_short_of_something_that_cannot_be_shown() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert short(Broken()) == "a value of type Broken that cannot be shown"
    loop: list[Any] = []
    loop.append(loop)
    assert len(short(loop)) <= 160


def network() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2), torch.nn.Dropout(0.5))


def sets_the_rate(model: Any) -> None:
    model[2].p = 0.0


def sets_the_outer_flag(model: Any) -> None:
    model.training = False


@pytest.mark.parametrize(
    ("value", "change", "what"),
    [
        (network(), lambda model: None, ""),
        (network(), lambda model: model.eval(), "the mode of its layers"),
        (network(), lambda model: model[2].eval(), "the mode of its layers"),
        (network(), sets_the_outer_flag, "the mode of its layers"),
        (network(), sets_the_rate, "the settings of its layers"),
        (network(), lambda model: model.requires_grad_(False), "requires_grad of its parameters"),
        (network(), lambda model: model(torch.ones(2, 2)).sum().backward(), "its weights or buffers"),
        (network().eval(), lambda model: model(torch.ones(2, 2)).sum().backward(), "the gradients of its parameters"),
        (network(), lambda model: model[0].bias.data.add_(1), "its weights or buffers"),
        (network(), lambda model: model.double(), "its weights or buffers"),
        (torch.ones(2), lambda x: None, ""),
        (torch.ones(2), lambda x: x.requires_grad_(), "its requires_grad"),
        (torch.ones(2), lambda x: x.mul_(2), "its values"),
        (torch.ones(2), lambda x: x.unsqueeze_(1), "its values"),
        (torch.tensor([float("nan")]), lambda x: x.zero_(), "its values"),
        (torch.tensor([float("nan")]), lambda x: None, ""),
        ({"a": [1.0, 2.0]}, lambda d: d["a"].reverse(), "its values"),
        ([float("nan")], lambda a: None, ""),
        (np.array(["a"]), lambda a: a.fill("b"), "its values"),
        ({"not", "no"}, lambda s: None, ""),
        ({"not", "no"}, lambda s: s.add("never"), "its values"),
    ],
)
def test_changed_says_what_was_changed(value: Any, change: Callable[[Any], object], what: str) -> None:
    before = condition(value)
    change(value)
    assert changed(before, condition(value)) == what
