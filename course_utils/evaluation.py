"""Evaluation: go through a data set in batches and measure a model on it, without changing the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

Loss = Callable[[Tensor, Tensor], Tensor]
Metric = Callable[[Tensor, Tensor], Tensor | float]
Data = tuple[Tensor, Tensor] | DataLoader[Any]

# Rows that `fit` measures at a time: enough for speed, and photographs still fit in memory.
MEASURED_ROWS = 512

SAME_SHAPE_LOSSES = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.BCELoss, nn.BCEWithLogitsLoss)
SAME_SHAPE_FUNCTIONS = (
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)


def check_pair(data: object, name: str) -> None:
    """Raise unless `data` is a DataLoader or a pair of tensors of the same length, 1 or more."""
    if isinstance(data, DataLoader):
        return
    if not isinstance(data, tuple | list) or len(data) != 2 or not all(isinstance(part, Tensor) for part in data):
        raise TypeError(f"{name} is a {type(data).__name__}; expected a pair of tensors (x, y) or a DataLoader")
    x, y = data
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"{name} has x of shape {tuple(x.shape)} and y of shape {tuple(y.shape)}; "
            "expected one row of y for each row of x, and at least one"
        )


def check_whole(value: object, name: str) -> None:
    """Raise unless `value` is a whole number, 1 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is {value!r}; expected a whole number, 1 or more")


def check_shapes(prediction: Tensor, target: Tensor, loss: Metric) -> None:
    """Raise where a loss would broadcast: (N, 1) against (N,) compares each row with every other row.

    Args:
        prediction: what the model returned.
        target: what it should have returned.
        loss: the loss; those that need equal shapes are known, others are refused only when broadcasting
            would make something larger than both.
    """
    if prediction.shape == target.shape:
        return
    name = getattr(loss, "__name__", type(loss).__name__)
    wrong = isinstance(loss, SAME_SHAPE_LOSSES) or name in SAME_SHAPE_FUNCTIONS
    if not wrong and target.is_floating_point():
        try:
            both = torch.broadcast_shapes(prediction.shape, target.shape)
        except RuntimeError:
            return  # Shapes that do not broadcast are the loss's own matter: it takes them or complains.
        wrong = both.numel() > max(prediction.numel(), target.numel())
    if wrong:
        raise ValueError(
            f"prediction has shape {tuple(prediction.shape)} and target {tuple(target.shape)}; "
            f"{name} needs the same shape for both, or it compares rows that do not belong together. "
            "Reshape one: y.reshape(-1, 1), say"
        )


def checked(loss: Metric) -> Loss:
    """Wrap a loss so that it refuses shapes that would broadcast, and more than one number as its result."""

    def checked_loss(prediction: Tensor, target: Tensor) -> Tensor:
        check_shapes(prediction, target, loss)
        value = loss(prediction, target)
        if not isinstance(value, Tensor) or value.ndim != 0:
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise ValueError(f'loss returned {got}; expected one number in a tensor, as with reduction="mean"')
        return value

    checked_loss.__wrapped__ = loss  # type: ignore[attr-defined]  # what is inside, for whoever compares losses
    return checked_loss


def batches(data: Data, batch_size: int | None = None, order: torch.Generator | None = None) -> Iterator[Any]:
    """Yield the mini-batches of one pass over the data.

    Args:
        data: pair (x, y), (N, ...) each; or a DataLoader, which decides about batches and order itself.
        batch_size: rows in a batch, the last one may be smaller; None for all in one.
        order: draws a new order of the rows; None keeps them as they are.

    Yields:
        Pairs (x, y), (batch_size, ...) each.
    """
    if isinstance(data, DataLoader):
        yield from data
        return
    x, y = data
    if order is not None:
        rows = torch.randperm(len(x), generator=order).to(x.device)
        x, y = x[rows], y[rows]
    yield from zip(x.split(batch_size or len(x)), y.split(batch_size or len(x)), strict=True)


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode without gradients; afterwards each submodule has its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def measure(
    model: nn.Module, data: Data, functions: Mapping[str, Metric], batch_size: int | None = MEASURED_ROWS
) -> dict[str, float]:
    """Average several functions of (prediction, target) over a data set in one pass; see `evaluate`."""
    totals, rows = dict.fromkeys(functions, 0.0), 0
    with evaluation_mode(model):
        for x, y in batches(data, batch_size):
            prediction = model(x)
            for name, function in functions.items():
                # A mean over a batch counts for as many rows as the batch has: the last one is often smaller.
                totals[name] += float(function(prediction, y)) * len(x)
            rows += len(x)
    return {name: total / rows for name, total in totals.items()}


def evaluate(model: nn.Module, data: Data, loss: Metric, batch_size: int | None = None) -> float:
    """Measure the mean loss on a data set: evaluation mode, no gradients, every mode as it was afterwards.

    Args:
        model: the model.
        data: pair (x, y), (N, ...) each, or a DataLoader.
        loss: mean over a batch of what `model(x)` gets wrong about `y`; any metric of that form will do.
        batch_size: rows at a time, for data that do not fit in memory at once.

    Returns:
        The mean over all rows, also when batches have unequal sizes.

    Source: built by hand in lesson 00.
    """
    check_pair(data, "data")

    def shape_checked(prediction: Tensor, target: Tensor) -> Tensor | float:
        check_shapes(prediction, target, loss)
        return loss(prediction, target)

    return measure(model, data, {"loss": shape_checked}, batch_size)["loss"]
