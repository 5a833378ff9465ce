"""A small exercise to try the engine with: multiply a tensor by a number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_utils.practice.exercise import Exercise
from course_utils.practice.task import Mistake
from course_utils.practice.verdict import Verdict


def cases() -> Iterator[tuple[Tensor, float]]:
    generator = torch.Generator().manual_seed(0)
    for n in (1, 2, 3, 5):
        yield torch.randn(n, generator=generator), 1.5 + n


def scaled(x: Tensor, c: float) -> Tensor:
    return c * x


def exercise(**changes: Any) -> Exercise:
    """Multiply a tensor by a number."""
    fields: dict[str, Any] = {
        "number": "99.1",
        "name": "scaled",
        "title": "Scale",
        "kind": "write",
        "difficulty": 1,
        "minutes": 1,
        "trains": "nothing",
        "stub": 'def scaled(x, c):\n    """c times x."""\n    ...\n',
        "hints": ("first", "second"),
        "reference": scaled,
        "mistakes": (Mistake(lambda x, c: x + c, "You add."), Mistake(lambda x, c: x / c, "You divide.")),
        "styles": (),
        "start": "Begin.",
        "praise": "Well scaled.",
        "cases": cases,
        "expected": lambda x, c: torch.tensor([c * value for value in x.tolist()]),
        "seconds": 1.0,
    }
    return Exercise(**{**fields, **changes})


def judge(attempt: Any, **changes: Any) -> Verdict:
    return exercise(**changes).judge(attempt)
