"""Ensembles: train K models at once, one for each seed, as a single stacked model.

Error bars need many runs. A small model keeps a processor busy for microseconds and Python for much longer, so
K models side by side cost little more than one: their weights are stacked along a new first axis, (K, ...),
`torch.func.vmap` applies the model to the whole stack, and one optimizer step moves all members. The members
never meet: each has its own first weights, its own order of the data, its own gradient.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim.lr_scheduler import ReduceLROnPlateau

from course_utils.augmenting import Augment, Augmenter
from course_utils.data.dataset import Each
from course_utils.evaluation import Loss, Metric, check_pair, check_whole, checked
from course_utils.history import History
from course_utils.stacking import Stack, State
from course_utils.training import MakeOptimizer, MakeScheduler, Penalty, bar, checked_penalty, fit

__all__ = ["Each", "ManyHistory", "benchmark", "fit_many"]

# These move each number by its own gradient alone, so a stack moves exactly as its members would.
ELEMENTWISE = (
    torch.optim.SGD,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.Adamax,
    torch.optim.Adagrad,
    torch.optim.Adadelta,
    torch.optim.RMSprop,
    torch.optim.Rprop,
)
FUSED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad)


@dataclass
class ManyHistory:
    """What K runs recorded, and the K models they ended with. Epochs count from 0.

    Attributes:
        seeds: seed of each member.
        train, validation: loss after each epoch, (K, epochs), float64; `validation` is None without
            validation data.
        watched: loss on each extra data set, by its name, (K, epochs).
        metrics: `metrics["accuracy"]["validation"]` is one metric on one data set, (K, epochs).
        learning_rate: learning rate of each epoch, (epochs,).
        final, best: weights and buffers by name, (K, ...), after the last epoch and after each member's best
            epoch; `best` is None unless `keep_best`.
        template: a model of the members' architecture.
    """

    seeds: list[int]
    train: Tensor
    validation: Tensor | None
    watched: dict[str, Tensor]
    metrics: dict[str, dict[str, Tensor]]
    learning_rate: Tensor
    final: State
    best: State | None
    template: nn.Module

    @property
    def histories(self) -> list[History]:
        """The K histories, as `fit` would have returned them."""
        return [self.history(k) for k in range(len(self.seeds))]

    def history(self, k: int) -> History:
        """Return the history of member k."""
        return History(
            train=self.train[k].tolist(),
            validation=[] if self.validation is None else self.validation[k].tolist(),
            watched={name: losses[k].tolist() for name, losses in self.watched.items()},
            metrics={
                metric: {name: values[k].tolist() for name, values in sets.items()}
                for metric, sets in self.metrics.items()
            },
            learning_rate=self.learning_rate.tolist(),
        )

    @property
    def best_epoch(self) -> list[int | None]:
        """Best epoch of each member; None where no loss was finite."""
        return [history.best_epoch for history in self.histories]

    def state(self, best: bool = False) -> State:
        """Return the stacked weights and buffers, final or best."""
        if best and self.best is None:
            raise ValueError("best weights were not kept; call fit_many with keep_best=True")
        return self.best if best and self.best is not None else self.final

    def model(self, k: int, *, best: bool = False) -> nn.Module:
        """Return member k as a model of its own, in evaluation mode.

        Args:
            k: which member.
            best: its best weights instead of its last.
        """
        model = copy.deepcopy(self.template)
        model.load_state_dict({name: value[k] for name, value in self.state(best).items()})
        return model.eval()

    def predict(self, x: Tensor | Each, *, best: bool = False) -> Tensor:
        """Predict with all members, in evaluation mode.

        Args:
            x: inputs that all members share, (n, ...); or `Each(x, y)`, a set for each member, whose y is not used.
            best: use each member's best weights instead of its last.

        Returns:
            Predictions, (K, n, ...).
        """
        self.template.eval()
        inputs, axis = (x.x, 0) if isinstance(x, Each) else (x, None)

        def one(state: State, own: Tensor) -> Tensor:
            return cast(Tensor, functional_call(self.template, state, (own,)))

        with torch.no_grad():
            return vmap(one, (0, axis))(self.state(best), inputs)


def check_data(data: tuple[Tensor, Tensor], name: str, members: int) -> None:
    """Raise unless `data` is a pair of tensors, or `Each` with K sets."""
    if not isinstance(data, Each):
        if not isinstance(data, tuple | list):
            raise TypeError(f"{name} is a {type(data).__name__}; expected a pair of tensors (x, y) or Each(x, y)")
        check_pair(data, name)
    elif data.x.ndim < 2 or data.y.ndim < 2 or data.x.shape[:2] != data.y.shape[:2] or len(data.x) != members:
        raise ValueError(
            f"{name} is Each with x of shape {tuple(data.x.shape)} and y of shape {tuple(data.y.shape)}; "
            f"expected ({members}, n, ...) for both, one set for each seed"
        )


def stacked_optimizer(make: MakeOptimizer, parameters: State) -> torch.optim.Optimizer:
    """Make an optimizer for a stack, or raise where it would mix the members."""
    if not callable(make) or isinstance(make, torch.optim.Optimizer):
        raise TypeError(f"optimizer is a {type(make).__name__}; expected a callable parameters -> optimizer")
    optimizer = make(cast(Iterable[nn.Parameter], parameters.values()))
    if type(optimizer) not in ELEMENTWISE:
        names = ", ".join(one.__name__ for one in ELEMENTWISE)
        raise ValueError(
            f"optimizer is {type(optimizer).__name__}, which may mix the members of a stack; expected one of {names}"
        )
    for group in optimizer.param_groups:
        # One fused loop over all numbers is 3 times as fast as an operation for each step of the formula.
        if type(optimizer) in FUSED and group.get("fused") is None and group.get("foreach") is None:
            group["fused"] = True
    return optimizer


def clip(parameters: State, norm: float) -> None:
    """Scale down the gradient of each member whose norm is larger, as `clip_grad_norm_` does for one model."""
    grads = [value.grad for value in parameters.values() if value.grad is not None]
    total = sum(grad.flatten(1).square().sum(1) for grad in grads)
    scale = (norm / (torch.as_tensor(total).sqrt() + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(scale.view(-1, *[1] * (grad.ndim - 1)))


def fit_many(
    make_model: Callable[[], nn.Module],
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor] | None = None,
    *,
    seeds: Sequence[int],
    loss: Loss,
    optimizer: MakeOptimizer,
    epochs: int,
    batch_size: int | None = None,
    scheduler: MakeScheduler | None = None,
    clip_norm: float | None = None,
    penalty: Penalty | None = None,
    augment: Augment | None = None,
    metrics: Mapping[str, Metric] | None = None,
    watch: Mapping[str, tuple[Tensor, Tensor]] | None = None,
    evaluate_train: bool = True,
    keep_best: bool = False,
    progress: Literal["auto", "off"] = "auto",
) -> ManyHistory:
    """Train one model for each seed, all at once.

    Member k becomes what this plain run makes, up to rounding:

        torch.manual_seed(seeds[k])
        model = make_model()
        history = fit(model, train, validation, seed=seeds[k], ...)

    Dropout is the exception: it draws from one generator for the whole stack, so members differ from the
    plain runs, and from each other, by chance.

    Args:
        make_model: makes one model. The architecture must not depend on the seed, nor `forward` on values in
            a tensor.
        train: pair (x, y) that all members share, (n, ...) each; or `Each(x, y)`, (K, n, ...), a set for
            each member.
        validation: the same, to measure after each epoch.
        seeds: one for each member; draws its first weights, its order of the rows, and what `augment` draws.
        loss: callable (prediction, target) of one member -> one number, the mean over the batch.
        optimizer: makes an optimizer from the parameters, such as `torch.optim.Adam`; one that treats each
            number alone, for the members share it. It gets the stacked parameters, (K, ...) each, in the order of
            `model.parameters()`: groups, such as weights and biases, are told apart by position, not by shape.
        epochs: passes over the training data.
        batch_size: rows in a training batch; None for all at once.
        scheduler: makes a learning-rate schedule from the optimizer; steps once an epoch.
        clip_norm: largest norm of all gradients of a member together, the penalty's included; None does not clip.
        penalty: callable (parameters of one member by name, in the shapes of a plain model) -> one number, added to
            the loss of every training batch before its gradient is taken. No recorded loss contains it.
        augment: callable (x, y) -> (x, y) of one member, as in `fit`: it gets a training batch in the shapes of a
            plain run, (batch_size, ...), and draws from that member's own stream. It is called once for each
            member, and must give all of them results of one shape.
        metrics: name -> callable (prediction, target) of one member -> mean over the batch.
        watch: name -> further data sets to measure after each epoch.
        evaluate_train: measure the training loss after each epoch; False records the mean over the batches.
        keep_best: keep a copy of each member's weights at its lowest validation loss (training loss without
            validation).
        progress: "auto" shows a bar when the run lasts more than 2 seconds; "off" never does.

    Returns:
        Losses, (K, epochs), and the K models.

    Raises:
        TypeError, ValueError: an argument does not fit; the message says which and why.

    Source: Paszke et al., `torch.func` model ensembling.
    """
    members = len(seeds)
    if members == 0:
        raise ValueError("seeds is empty; expected one seed for each model")
    sets = {name: data for name, data in {"validation": validation, **(watch or {})}.items() if data is not None}
    for name, data in {"train": train, **sets}.items():
        check_data(data, name, members)
    if reserved := {"train", "validation"} & set(watch or {}):
        raise ValueError(f"watch names a data set {min(reserved)!r}; that name belongs to an argument of its own")
    check_whole(epochs, "epochs")
    if batch_size is not None:
        check_whole(batch_size, "batch_size")
    models = []
    with torch.random.fork_rng():
        for seed in seeds:
            torch.manual_seed(seed)
            models.append(make_model())
    loss = checked(loss)
    penalty = penalty if penalty is None else checked_penalty(penalty)
    stack = Stack(models, loss, {"loss": loss, **(metrics or {})}, penalty)
    rule = stacked_optimizer(optimizer, stack.parameters)
    schedule = scheduler(rule) if scheduler is not None else None
    if isinstance(schedule, ReduceLROnPlateau):
        raise ValueError("scheduler is ReduceLROnPlateau, which would need a learning rate for each member")
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    changes = [Augmenter(augment, seed) for seed in seeds] if augment is not None else []
    records: dict[str, dict[str, list[list[float]]]] = {}
    rates: list[float] = []
    lowest = torch.full((members,), torch.inf, dtype=torch.float64)
    best = stack.state() if keep_best else None

    for _ in bar(range(epochs), progress):
        total, seen = torch.zeros(members, dtype=torch.float64), 0
        for x, y, own in member_batches(train, batch_size, orders, always=bool(changes)):
            if changes:
                x, y = augment_members(changes, x, y)
            losses = stack.gradients(x, y, own=own)
            if clip_norm is not None:
                clip(stack.parameters, clip_norm)
            rule.step()
            rows = y.shape[1 if own else 0]
            total, seen = total + losses.double() * rows, seen + rows

        rates.append(float(rule.param_groups[0]["lr"]))
        measured = {"train": stack.measure(train) if evaluate_train else {"loss": total / seen}}
        measured.update({name: stack.measure(data) for name, data in sets.items()})
        for name, values in measured.items():
            for function, value in values.items():
                # As numbers: a small tensor kept among large ones that come and go makes the memory grow each epoch.
                records.setdefault(function, {}).setdefault(name, []).append(value.tolist())
        if best is not None:
            now = measured["validation" if validation is not None else "train"]["loss"]
            better = now.isfinite() & (now < lowest)
            lowest = torch.where(better, now, lowest)
            for name, value in {**stack.parameters, **stack.buffers}.items():
                best[name][better] = value[better]
        if schedule is not None:
            schedule.step()

    curves = {
        function: {name: torch.tensor(values, dtype=torch.float64).T.contiguous() for name, values in sets.items()}
        for function, sets in records.items()
    }
    losses_by_set = curves.pop("loss")
    return ManyHistory(
        seeds=list(seeds),
        train=losses_by_set.pop("train"),
        validation=losses_by_set.pop("validation", None),
        watched=losses_by_set,
        metrics=curves,
        learning_rate=torch.tensor(rates, dtype=torch.float64),
        final=stack.state(),
        best=best,
        template=stack.template,
    )


def augment_members(changes: Sequence[Augmenter], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Let each member change its own batch; x and y, (K, b, ...) each."""
    pairs = [change(*batch) for change, *batch in zip(changes, x, y, strict=True)]
    for part, name in ((0, "x"), (1, "y")):
        if len(shapes := {pair[part].shape for pair in pairs}) > 1:
            found = " and ".join(str(tuple(shape)) for shape in sorted(shapes)[:2])
            raise ValueError(f"augment returned {name} of shape {found}; expected one shape for all members of a stack")
    return torch.stack([one for one, _ in pairs]), torch.stack([one for _, one in pairs])


def member_batches(
    data: tuple[Tensor, Tensor], batch_size: int | None, orders: Sequence[torch.Generator], *, always: bool = False
) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Yield the mini-batches of one epoch, each member's rows in its own order.

    Args:
        data: pair (x, y) that all members share, or `Each`.
        batch_size: rows in a batch; None for all.
        orders: draws the order of each member's rows.
        always: put the rows in order even where one batch holds them all, as `fit` does: what augments them may look
            at neighbours. The rows are then copies, safe to be changed in place.

    Yields:
        x and y, (K, batch_size, ...) each, and True; or the shared data as they are, and False, where the batch is
        all of it and the order makes no difference.
    """
    own = isinstance(data, Each)
    x, y = data
    rows = x.shape[1 if own else 0]
    if not always and (batch_size is None or (batch_size >= rows and not own)):
        yield x, y, own
        return
    order = torch.empty(len(orders), rows, dtype=torch.long)
    for row, generator in zip(order.unbind(), orders, strict=True):
        torch.randperm(rows, generator=generator, out=row)
    order = order.to(x.device)
    # The whole epoch is put in order at once: one gather instead of one for each batch.
    if own:
        member = torch.arange(len(orders), device=x.device).unsqueeze(1)
        x, y = x[member, order], y[member, order]
    else:
        x, y = x[order], y[order]
    for batch in zip(x.split(batch_size or rows, 1), y.split(batch_size or rows, 1), strict=True):
        yield *batch, True


def benchmark(*, members: int = 32, repeats: int = 5) -> dict[str, float]:
    """Time K seeds at once against one seed in the plain loop: 1-64-64-1, 96 points, batches of 32, 501 Adam steps.

    One thread, as in the lessons, and neither side evaluates. The measurements alternate, so that a busy machine slows
    both.

    Args:
        members: K.
        repeats: how often to time each side; the medians count.

    Returns:
        `plain_seconds`, `many_seconds`, `ratio` (many / plain, medians), `seeds`, `steps`, `repeats`.
    """
    order = torch.Generator().manual_seed(0)
    x = torch.rand(96, 1, generator=order) * 2 - 1
    data = (x, torch.sin(4 * x) + 0.1 * torch.randn(96, 1, generator=order))
    options: dict[str, Any] = {"loss": nn.MSELoss(), "optimizer": torch.optim.Adam, "epochs": 167, "batch_size": 32}
    options |= {"evaluate_train": False, "progress": "off"}

    def make_model() -> nn.Module:
        return nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))

    def seconds(run: Callable[[], object]) -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    def plain() -> None:
        fit(make_model(), data, **options)

    def many() -> None:
        fit_many(make_model, data, seeds=range(members), **options)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        options["epochs"] = 2
        plain()  # The first calls load libraries.
        many()
        options["epochs"] = 167
        times = [(seconds(plain), seconds(many)) for _ in range(repeats)]
    finally:
        torch.set_num_threads(threads)
    plain_seconds, many_seconds = (statistics.median(side) for side in zip(*times, strict=True))
    return {
        "plain_seconds": plain_seconds,
        "many_seconds": many_seconds,
        "ratio": many_seconds / plain_seconds,
        "seeds": members,
        "steps": 501,
        "repeats": repeats,
    }
