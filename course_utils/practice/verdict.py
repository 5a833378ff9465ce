"""What a check answers: one of four verdicts, with a sentence and, where it helps, a small counterexample."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Status(Enum):
    """The four verdicts."""

    NOT_ATTEMPTED = "not attempted"
    CORRECT = "correct"
    NOT_YET = "not yet"
    ERROR = "error"


_SIGNS = {Status.NOT_ATTEMPTED: "◻", Status.CORRECT: "✓", Status.NOT_YET: "◯", Status.ERROR: "✕"}
#: Only for the bar at the left, never for words: three times the contrast of a light and of a dark background.
COLOURS = {
    Status.NOT_ATTEMPTED: "#767676",
    Status.CORRECT: "#00875F",
    Status.NOT_YET: "#C06000",
    Status.ERROR: "#D64050",
}


@dataclass(frozen=True)
class Counterexample:
    """The smallest case tried on which an answer differs from what is expected.

    Attributes:
        given: each argument by name, already formatted.
        yours: what the learner's answer gave, formatted.
        expected: what the independent reference gave, formatted.
    """

    given: tuple[tuple[str, str], ...]
    yours: str
    expected: str

    def lines(self) -> list[str]:
        """One line an entry, aligned for reading."""
        entries = [*self.given, ("yours", self.yours), ("expected", self.expected)]
        width = max(len(name) for name, _ in entries)
        return [f"{name:<{width}} = {text}" for name, text in entries]


@dataclass(frozen=True)
class Verdict:
    """The answer of a check.

    Attributes:
        status: one of the four.
        message: what to look at, in one or two sentences.
        seen: the counterexample, if there is one.
    """

    status: Status
    message: str
    seen: Counterexample | None = None

    def __str__(self) -> str:
        head = f"{_SIGNS[self.status]} {self.status.value}. {self.message}"
        return "\n    ".join([head, *self.seen.lines()]) if self.seen else head

    def _repr_html_(self) -> str:
        message = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(self.message))
        body = "<pre>" + html.escape("\n".join(self.seen.lines())) + "</pre>" if self.seen else ""
        # The words keep the colour of the theme: readable on white and on black.
        return (
            f'<div class="course-verdict" style="border-left:5px solid {COLOURS[self.status]};padding:.3em .8em">'
            f"<b>{_SIGNS[self.status]} {self.status.value}.</b> {message}{body}</div>"
        )


def short(value: Any, *, limit: int = 160) -> str:
    """A value as the counterexample shows it: tensors with shape, numbers to six digits, long things cut."""
    try:
        text = _text(value, limit)
    except Exception:  # a learner's object may be broken
        text = f"a value of type {type(value).__name__} that cannot be shown"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text(value: Any, limit: int) -> str:
    import numpy as np
    import torch

    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        listed = short(value.tolist()) if value.size <= 12 else f"{value.size} numbers"
        return f"{listed}  shape {value.shape}, NumPy {value.dtype}"
    if isinstance(value, torch.Tensor):
        numbers = value.detach().cpu()
        if numbers.ndim == 0:
            return f"tensor({short(numbers.item())})"
        listed = short(numbers.tolist()) if numbers.numel() <= 12 else f"{numbers.numel()} numbers"
        return f"{listed}  shape {tuple(numbers.shape)}, {str(numbers.dtype).removeprefix('torch.')}"
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.6g}"
    if isinstance(value, (np.integer, np.bool_)):
        return str(value)
    if isinstance(value, (list, tuple)):
        inner = _joined((short(item, limit=limit) for item in value), limit)
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return "{" + _joined((f"{key!r}: {short(item, limit=limit)}" for key, item in value.items()), limit) + "}"
    # A model that prints its numbers, or whatever else it holds, says more than the names of its layers.
    if isinstance(value, torch.nn.Module) and type(value).__repr__ is torch.nn.Module.__repr__:
        return " → ".join(type(child).__name__ for child in value.children()) or type(value).__name__
    if callable(value) and not isinstance(value, torch.nn.Module):
        return f"the function {getattr(value, '__name__', type(value).__name__)}"
    return " ".join(repr(value).split())


def _joined(parts: Iterable[str], limit: int) -> str:
    """Parts with commas between them, and of very many no more than can be shown."""
    kept: list[str] = []
    length = 0
    for part in parts:
        kept.append(part)
        length += len(part) + 2
        if length > limit:
            break
    return ", ".join(kept)
