"""History: what a training run recorded, one number per epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from course_utils.stopping import stop_epoch


@dataclass
class History:
    """What a run recorded: one number per epoch in each list. Epochs count from 0.

    Attributes:
        train: training loss, measured after the epoch in evaluation mode; or, with `evaluate_train=False`,
            the mean over the epoch's batches while the weights were still changing.
        validation: validation loss after the epoch; empty without validation data.
        watched: loss on each extra data set, by its name.
        metrics: `metrics["accuracy"]["validation"]` is the list of one metric on one data set.
        learning_rate: learning rate used in the epoch (that of the first parameter group).
        stopped_epoch: the last epoch trained, where early stopping ended the run; None where it ran to the
            end.
        min_delta: what counts as an improvement for `best_epoch`.
    """

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    watched: dict[str, list[float]] = field(default_factory=dict)
    metrics: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    learning_rate: list[float] = field(default_factory=list)
    stopped_epoch: int | None = None
    min_delta: float = 0.0

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.train)

    @property
    def best_epoch(self) -> int | None:
        """Epoch of the lowest validation loss (else training loss); None where no loss is finite."""
        losses = self.validation or self.train
        if not any(map(math.isfinite, losses)):
            return None
        return stop_epoch(losses, patience=len(losses) + 1, min_delta=self.min_delta).best

    def as_tensors(self) -> dict[str, Tensor]:
        """Return train, validation, learning_rate and each watched name as float64, (epochs,) each."""
        lists = {
            "train": self.train,
            "validation": self.validation,
            **self.watched,
            "learning_rate": self.learning_rate,
        }
        return {name: torch.tensor(values, dtype=torch.float64) for name, values in lists.items() if values}

    def record(self, name: str, values: Mapping[str, float]) -> None:
        """Append what was measured on one data set after an epoch.

        Args:
            name: "train", "validation", or the name of a watched data set.
            values: "loss", and each metric by its name.
        """
        own = {"train": self.train, "validation": self.validation}
        losses = own[name] if name in own else self.watched.setdefault(name, [])
        for metric, value in values.items():
            if metric == "loss":
                losses.append(value)
            else:
                self.metrics.setdefault(metric, {}).setdefault(name, []).append(value)
