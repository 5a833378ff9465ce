"""Training: the loop of lesson 00, with a history, early stopping, and runs that can be continued."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from course_utils.augmenting import Augment, Augmenter
from course_utils.checkpoints import (
    CheckpointError,
    Run,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from course_utils.evaluation import (
    Data,
    Loss,
    Metric,
    batches,
    check_pair,
    check_whole,
    checked,
    evaluate,
    measure,
)
from course_utils.history import History
from course_utils.stopping import EarlyStopping, Stop, Stops, stop_epoch, stop_epochs

__all__ = [
    "CheckpointError",
    "EarlyStopping",
    "History",
    "Stop",
    "Stops",
    "batches",
    "evaluate",
    "fit",
    "load_checkpoint",
    "load_weights",
    "save_checkpoint",
    "save_weights",
    "stop_epoch",
    "stop_epochs",
]

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
MakeScheduler = Callable[[Optimizer], LRScheduler]
Penalty = Callable[[Mapping[str, Tensor]], Tensor | float]


def check_arguments(
    train: Data, sets: Mapping[str, Data], epochs: int, batch_size: int | None, checkpoint_every: int = 1
) -> None:
    """Raise TypeError or ValueError where data or numbers given to `fit` make no sense."""
    for name, data in {"train": train, **sets}.items():
        check_pair(data, name)
    check_whole(epochs, "epochs")
    check_whole(checkpoint_every, "checkpoint_every")
    if batch_size is not None:
        check_whole(batch_size, "batch_size")
        if isinstance(train, DataLoader):
            raise ValueError(f"batch_size is {batch_size} and train is a DataLoader, which has its own batch size")


def check_optimizer(optimizer: Optimizer, model: nn.Module) -> None:
    """Raise ValueError where the optimizer was made for another model."""
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if not any(id(parameter) in held for parameter in model.parameters()):
        raise ValueError(
            "optimizer holds none of the model's parameters; make it from model.parameters() of this model"
        )


def checked_penalty(penalty: Penalty) -> Penalty:
    """Wrap a penalty so that it refuses anything but one number as its result."""
    if not callable(penalty):
        raise TypeError(f"penalty is a {type(penalty).__name__}; expected a callable (named parameters) -> one number")

    def one_number(parameters: Mapping[str, Tensor]) -> Tensor | float:
        value = penalty(parameters)
        # A plain number is what `sum` returns where no parameter was chosen.
        if not isinstance(value, int | float) and not (isinstance(value, Tensor) and value.ndim == 0):
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise ValueError(f"penalty returned {got}; expected one number for all parameters together")
        return value

    return one_number


def generators(data: Data) -> list[torch.Generator]:
    """Return the generators that a DataLoader shuffles with; none for a pair of tensors."""
    if not isinstance(data, DataLoader):
        return []
    found = [data.generator, getattr(data.sampler, "generator", None)]
    return list({id(one): one for one in found if one is not None}.values())


def step_scheduler(scheduler: LRScheduler | None, history: History) -> None:
    """Move the learning-rate schedule on by one epoch."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step((history.validation or history.train)[-1])
    elif scheduler is not None:
        scheduler.step()


def bar(epochs: range, progress: str) -> Iterator[int]:
    """Show a progress bar after 2 seconds that leaves nothing behind, however the loop ends."""
    if progress not in ("auto", "off"):
        raise ValueError(f'progress is {progress!r}; expected "auto" or "off"')
    # In a notebook tqdm itself does not look at TQDM_DISABLE.
    off = progress == "off" or bool(os.environ.get("TQDM_DISABLE"))
    with tqdm(total=len(epochs), desc="epochs", delay=2, leave=False, disable=off) as shown:
        try:
            for epoch in epochs:
                yield epoch
                shown.update()
        finally:
            shown.total = shown.n  # a bar that is not full stays on the page, in red


def fit(
    model: nn.Module,
    train: Data,
    validation: Data | None = None,
    *,
    loss: Loss,
    optimizer: Optimizer | MakeOptimizer,
    epochs: int,
    batch_size: int | None = None,
    seed: int = 0,
    early_stopping: EarlyStopping | None = None,
    scheduler: LRScheduler | MakeScheduler | None = None,
    clip_norm: float | None = None,
    penalty: Penalty | None = None,
    augment: Augment | None = None,
    metrics: Mapping[str, Metric] | None = None,
    watch: Mapping[str, Data] | None = None,
    evaluate_train: bool = True,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
    resume: bool = False,
    progress: Literal["auto", "off"] = "auto",
) -> History:
    """Train a model: the loop of lesson 00, with a record of each epoch.

    Args:
        model: trained in place, and left in training mode, as by the plain loop.
        train: pair (x, y), (N, ...) each, or a DataLoader.
        validation: the same, to measure after each epoch.
        loss: callable (prediction, target) -> one number, the mean over the batch.
        optimizer: an optimizer, or a callable that makes one from the parameters, such as `torch.optim.Adam`.
        epochs: passes over the training data, counted from the very first, also when resuming.
        batch_size: rows in a training batch; None for all at once. A DataLoader has its own.
        seed: draws the order of the rows and what `augment` draws, and nothing else; dropout follows
            `torch.manual_seed`.
        early_stopping: stops the run and keeps the best weights; needs validation data.
        scheduler: a learning-rate schedule, or a callable that makes one from the optimizer; steps once an
            epoch.
        clip_norm: largest norm of all gradients together, the penalty's included; None does not clip.
        penalty: callable (parameters by name, as from `model.named_parameters()`) -> one number, added to the loss of
            every training batch before its gradient is taken. No recorded loss contains it.
        augment: callable (x, y) -> (x, y) that changes each training batch, (batch_size, ...) both, anew in every
            epoch, and nothing that is only measured. While it runs, torch's random numbers come from a stream of
            their own that follows `seed`, so torchvision's transforms repeat as well. It may return other targets
            than it got, such as mixed labels: the loss must take them.
        metrics: name -> callable (prediction, target) -> mean over the batch; on validation and watched
            data, and on the training data when `evaluate_train`.
        watch: name -> further data sets to measure after each epoch. They never influence the training.
        evaluate_train: measure the training loss after each epoch, as the validation loss is; False saves
            that pass and records the mean over the batches instead, as they were augmented.
        checkpoint: file to save the whole run in, atomically, at the end of an epoch.
        checkpoint_every: epochs between two saves; the last epoch is always saved.
        resume: continue from `checkpoint` where it exists, bit for bit as if the run had never stopped.
        progress: "auto" shows a bar when a run lasts more than 2 seconds; "off" never does.

    Returns:
        The history of the whole run, including the part before a resume.

    Raises:
        TypeError, ValueError: an argument does not fit; the message says which and why.
        CheckpointError: the checkpoint is damaged or belongs to another run.
        RuntimeError: early stopping has no weights to restore, because no validation loss was finite.

    Source: built by hand in lesson 00.
    """
    sets = {name: data for name, data in {"validation": validation, **(watch or {})}.items() if data is not None}
    if reserved := {"train", "validation"} & set(watch or {}):
        raise ValueError(f"watch names a data set {min(reserved)!r}; that name belongs to an argument of its own")
    check_arguments(train, sets, epochs, batch_size, checkpoint_every)
    if early_stopping is not None and validation is None:
        raise ValueError("early_stopping is given without validation data; it needs a validation loss to watch")
    if resume and checkpoint is None:
        raise ValueError("resume is True without a checkpoint; say which file to continue from")
    loss = checked(loss)
    penalty = penalty if penalty is None else checked_penalty(penalty)
    functions = {"loss": loss, **(metrics or {})}
    optimizer = optimizer if isinstance(optimizer, Optimizer) else optimizer(model.parameters())
    check_optimizer(optimizer, model)
    scheduler = scheduler if scheduler is None or isinstance(scheduler, LRScheduler) else scheduler(optimizer)
    if early_stopping is not None:
        early_stopping.start()
    history = History(min_delta=early_stopping.min_delta if early_stopping else 0.0)
    order = torch.Generator().manual_seed(seed)
    settings = {"seed": seed, "batch_size": batch_size, "evaluate_train": evaluate_train}
    change = Augmenter(augment, seed) if augment is not None else None
    drawn = [order, *generators(train), *([change.generator] if change is not None else [])]
    run = Run(model, optimizer, scheduler, early_stopping, history, drawn, settings)
    if resume and checkpoint is not None and Path(checkpoint).is_file():
        run.load(checkpoint)

    parameters = dict(model.named_parameters())
    start = epochs if history.stopped_epoch is not None else history.epochs
    for epoch in bar(range(start, epochs), progress):
        model.train()
        total, rows = 0.0, 0
        for x, y in batches(train, batch_size, order):
            if change is not None:
                x, y = change(x, y)
            prediction = model(x)  # forward
            value = loss(prediction, y)  # loss
            optimizer.zero_grad()  # gradient
            (value if penalty is None else value + penalty(parameters)).backward()  # backward
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
            optimizer.step()  # update
            total, rows = total + float(value.detach()) * len(x), rows + len(x)

        history.learning_rate.append(float(optimizer.param_groups[0]["lr"]))
        after_epoch = measure(model, train, functions) if evaluate_train else {"loss": total / rows}
        history.record("train", after_epoch)
        for name, data in sets.items():
            history.record(name, measure(model, data, functions))
        step_scheduler(scheduler, history)
        stop = early_stopping is not None and early_stopping.update(history.validation[-1], model)
        history.stopped_epoch = epoch if stop else None
        if checkpoint is not None and (stop or epoch + 1 == epochs or (epoch + 1) % checkpoint_every == 0):
            run.save(checkpoint)
        if stop:
            break
    if early_stopping is not None:
        early_stopping.restore(model)
    return history
