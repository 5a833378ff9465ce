"""Early stopping: one rule, for a run (`EarlyStopping`) and for recorded curves (`stop_epoch`).

The rule: an epoch is an improvement when its validation loss is below the best so far by more than
`min_delta`; after `patience` epochs in a row without one, stop. NaN and infinity are never an improvement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Stop(NamedTuple):
    """Where early stopping ends: `stop`, the last epoch trained, and `best`, whose weights are kept.

    Both count from 0, so `losses[best]` is the best loss.
    """

    stop: int
    best: int


class Stops(NamedTuple):
    """`Stop` for K curves at once: `stop` and `best` have shape (K,)."""

    stop: Tensor
    best: Tensor


def check_rule(patience: int, min_delta: float) -> None:
    """Raise ValueError unless the two settings of the rule make sense."""
    if not isinstance(patience, int) or patience < 1:
        raise ValueError(f"patience is {patience!r}; expected a whole number of epochs, 1 or more")
    if not min_delta >= 0:
        raise ValueError(f"min_delta is {min_delta!r}; expected a number, 0 or more")


def stop_epochs(losses: Tensor, patience: int, min_delta: float = 0.0) -> Stops:
    """Apply early stopping to K recorded validation curves.

    Args:
        losses: validation loss after each epoch, (K, epochs).
        patience: epochs in a row without improvement after which training stops.
        min_delta: how far below the best a loss must be to count.

    Returns:
        Last trained and best epoch of each curve, (K,) each.

    Raises:
        ValueError: a curve has no finite loss, so it has no best epoch.

    Example:
        >>> stop_epochs(torch.tensor([[3.0, 2.0, 2.5, 2.4, 1.0], [5.0, 4.0, 3.0, 2.0, 1.0]]), patience=2)
        Stops(stop=tensor([3, 4]), best=tensor([1, 4]))
    """
    check_rule(patience, min_delta)
    if losses.ndim != 2 or losses.shape[1] == 0:
        raise ValueError(f"losses has shape {tuple(losses.shape)}; expected (K, epochs) with 1 epoch or more")
    curves = losses.detach().double()
    members, epochs = curves.shape
    lowest = torch.full((members,), math.inf, dtype=torch.float64)
    best = torch.full((members,), -1)
    stop = torch.full((members,), epochs - 1)
    running = torch.ones(members, dtype=torch.bool)
    for epoch in range(epochs):
        now = curves[:, epoch]
        better = running & now.isfinite() & (now < lowest - min_delta)
        lowest = torch.where(better, now, lowest)
        best = torch.where(better, epoch, best)
        # Before the first improvement best is -1, and patience counts from the start.
        tired = running & (epoch - best >= patience)
        stop = torch.where(tired, epoch, stop)
        running = running & ~tired
    if (best < 0).any():
        rows = (best < 0).nonzero().flatten().tolist()
        raise ValueError(f"losses has no finite value before the stop in row(s) {rows}, so there is no best epoch")
    return Stops(stop, best)


def stop_epoch(losses: Sequence[float] | Tensor, patience: int, min_delta: float = 0.0) -> Stop:
    """Apply early stopping to one recorded validation curve.

    Args:
        losses: validation loss after each epoch, (epochs,).
        patience: epochs in a row without improvement after which training stops.
        min_delta: how far below the best a loss must be to count.

    Returns:
        Last trained and best epoch.

    Raises:
        ValueError: the curve has no finite loss.

    Example:
        >>> stop_epoch([3.0, 2.0, 2.5, 2.4, 1.0], patience=2)
        Stop(stop=3, best=1)
        >>> stop_epoch([3.0, 2.0, 2.5, 2.4, 1.0], patience=3)
        Stop(stop=4, best=4)
    """
    stops = stop_epochs(torch.as_tensor(losses, dtype=torch.float64).reshape(1, -1), patience, min_delta)
    return Stop(int(stops.stop), int(stops.best))


class EarlyStopping:
    """Watches the validation loss of a run, keeps a copy of the best weights, and says when to stop.

    `fit` starts it afresh, so one object can serve several runs, one after the other.

    Attributes:
        best_epoch: epoch of the last improvement, from 0; None before the first.
        best_loss: validation loss of that epoch.
        best_weights: a copy of the model's state of that epoch, or None.

    Source: built by hand in lesson 01.
    """

    def __init__(self, patience: int, min_delta: float = 0.0, *, restore_best: bool = True) -> None:
        """Set the rule.

        Args:
            patience: epochs in a row without improvement after which training stops.
            min_delta: how far below the best a loss must be to count.
            restore_best: whether `fit` puts the best weights back at the end.
        """
        check_rule(patience, min_delta)
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best = restore_best
        self.start()

    def start(self) -> None:
        """Forget everything seen so far."""
        self.best_epoch: int | None = None
        self.best_loss = math.inf
        self.best_weights: dict[str, Tensor] | None = None
        self.seen = 0

    def update(self, loss: float, model: nn.Module) -> bool:
        """Take in the validation loss after one more epoch.

        Args:
            loss: the validation loss.
            model: the model that has it.

        Returns:
            Whether to stop now.
        """
        epoch = self.seen
        self.seen += 1
        if math.isfinite(loss) and loss < self.best_loss - self.min_delta:
            self.best_epoch, self.best_loss = epoch, loss
            if self.restore_best:
                # state_dict() returns the live tensors, which go on changing: only a clone keeps today's
                # values.
                self.best_weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        waited = epoch - (-1 if self.best_epoch is None else self.best_epoch)
        return waited >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Put the best weights back into the model, where `restore_best` is set.

        Raises:
            RuntimeError: no epoch had a finite validation loss.
        """
        if not self.restore_best:
            return
        if self.best_weights is None:
            raise RuntimeError(
                f"the validation loss was NaN or infinite in all {self.seen} epochs, so there are "
                "no best weights; try a smaller learning rate, and look for NaN in the data"
            )
        model.load_state_dict(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs."""
        return {
            "seen": self.seen,
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "best_weights": self.best_weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.seen = state["seen"]
        self.best_epoch = state["best_epoch"]
        self.best_loss = state["best_loss"]
        self.best_weights = state["best_weights"]
