"""Lesson 02, batch normalization: exercises with their wrong answers, and the quiz."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.practice.check import Checks
from course_utils.practice.exercise import Exercise
from course_utils.practice.investigation import Selection
from course_utils.practice.quiz import Choice, Question, Quiz
from course_utils.practice.task import Mistake

#: Turns a variance and eps into what the deviations are divided by.
Spread = Callable[[Tensor, float], Tensor]
#: Takes normalised values, γ and β in a shape that fits them.
Affine = Callable[[Tensor, Tensor, Tensor], Tensor]


def _root(variance: Tensor, eps: float) -> Tensor:
    return (variance + eps).sqrt()


def _eps_outside(variance: Tensor, eps: float) -> Tensor:
    return variance.sqrt() + eps


def _no_eps(variance: Tensor, eps: float) -> Tensor:
    return variance.sqrt()


def _no_root(variance: Tensor, eps: float) -> Tensor:
    return variance + eps


def _eps_of_the_book(variance: Tensor, eps: float) -> Tensor:
    return (variance + 1e-5).sqrt()


def _scale_and_shift(x_hat: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return gamma * x_hat + beta


def _swapped(x_hat: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return beta * x_hat + gamma


def _shift_and_scale(x_hat: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return gamma * (x_hat + beta)


def _scale_only(x_hat: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return gamma * x_hat


def _shift_only(x_hat: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return x_hat + beta


def _neither(x_hat: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return x_hat


def _minus_shift(x_hat: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return gamma * x_hat - beta


def _along_channels(values: Tensor, x: Tensor) -> Tensor:
    """(C,) in a shape that broadcasts over (N, C, …)."""
    return values.reshape(-1, *[1] * (x.ndim - 2))


# The numbers of the cases have single precision, as layers do: a layer that the learner makes must fit them. What is
# expected is computed in double precision, and rounded in the end.


def _double(*values: Tensor) -> Iterator[Tensor]:
    return (value.double() for value in values)


def _random(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator)


# ---- 02.1 ---------------------------------------------------------------------------------------------------------


def _batch_cases() -> Iterator[tuple[Any, ...]]:
    """Batches (N, C) and (N, C, L) in both modes: by hand first, then C = N, a constant column, L = C, one sample."""
    by_hand = torch.tensor([[1.0, 8.0], [3.0, 4.0]])
    one, zero = torch.ones(2), torch.zeros(2)
    gamma, beta = torch.tensor([[2.0, 1.0], [0.5, -1.0]])
    memory = torch.tensor([[1.0, 5.0], [4.0, 9.0]])
    for statistics, affine, training in (
        ((zero, one), (one, zero), True),
        (memory, (one, zero), False),
        (memory, (gamma, beta), True),
    ):
        yield *(value.clone() for value in (by_hand, *statistics, *affine)), training
    generator = torch.Generator().manual_seed(1)
    # (shape, how far the values spread, training, eps if it is handed over): with a small spread, eps decides.
    for shape, spread, training, eps in (
        ((3, 3), 1.0, True, ()),
        ((3, 3), 1.0, False, ()),
        ((5, 1), 1.0, True, ()),
        ((6, 4), 1.0, True, ()),
        ((6, 3), 3e-3, True, ()),
        ((6, 3), 3e-3, False, ()),
        ((5, 2), 1.0, True, (0.1,)),
        ((1, 4), 1.0, False, (0.1,)),
        ((3, 2, 4), 1.0, True, ()),
        ((3, 2, 4), 1.0, False, ()),
        ((3, 3, 3), 1.0, True, ()),
        ((1, 2, 5), 1.0, True, ()),
        ((4, 3, 1), 1.0, True, ()),
        ((2, 4, 6), 0.3, True, (0.5,)),
        ((2, 4, 6), 0.3, False, (0.5,)),
        ((32, 10), 2.0, True, ()),
    ):
        shift, gamma, beta, running_mean = (_random(shape[1], generator=generator) for _ in range(4))
        running_var = spread**2 * (0.5 + torch.rand(shape[1], generator=generator))
        x = spread * (_random(*shape, generator=generator) + _along_channels(shift, torch.empty(shape)))
        if shape == (6, 4):
            x[:, 1] = 0.5  # a constant column: its variance is zero
        yield x, running_mean, running_var, gamma, beta, training, *eps


def _batch_norm_by_torch(
    x: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    gamma: Tensor,
    beta: Tensor,
    training: bool,
    eps: float = 1e-5,
) -> Tensor:
    """PyTorch's own, which shares no line with the reference."""
    values, mean, variance, gamma, beta = _double(x, running_mean, running_var, gamma, beta)
    y = F.batch_norm(values, None if training else mean, None if training else variance, gamma, beta, training, eps=eps)
    return y.to(x.dtype)


def batch_norm(
    x: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    gamma: Tensor,
    beta: Tensor,
    training: bool,
    eps: float = 1e-5,
) -> Tensor:
    axes = [0] if x.ndim == 2 else [0, 2]  # every axis but the one of the features
    mean, variance = running_mean, running_var  # evaluation: the memory
    if training:
        mean = x.mean(axes)  # (N, C) or (N, C, L) -> (C,)
        variance = x.var(axes, correction=0)  # divides by n
    shape = (-1,) if x.ndim == 2 else (-1, 1)  # (C,) or (C, 1): fits x
    mean, variance, gamma, beta = (values.reshape(shape) for values in (mean, variance, gamma, beta))
    return gamma * (x - mean) / torch.sqrt(variance + eps) + beta


def _batch_norm_in_loops(
    x: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    gamma: Tensor,
    beta: Tensor,
    training: bool,
    eps: float = 1e-5,
) -> Tensor:
    y = torch.empty_like(x)
    for c in range(x.shape[1]):
        values = x[:, c].flatten().tolist()
        mean, variance = float(running_mean[c]), float(running_var[c])
        if training:
            mean = sum(values) / len(values)
            variance = sum((value - mean) ** 2 for value in values) / len(values)
        y[:, c] = gamma[c] * (x[:, c] - mean) / math.sqrt(variance + eps) + beta[c]
    return y


def _batch_norm_by_einsum(
    x: Tensor, rm: Tensor, rv: Tensor, gamma: Tensor, beta: Tensor, training: bool, eps: float = 1e-5
) -> Tensor:
    b = x if x.ndim == 3 else x[:, :, None]
    n = b.shape[0] * b.shape[2]
    m = torch.einsum("ncl->c", b) / n if training else rm
    v = torch.einsum("ncl,ncl->c", b, b) / n - m**2 if training else rv
    slope = gamma * torch.rsqrt(v + eps)
    return (torch.einsum("ncl,c->ncl", b, slope) + (beta - slope * m)[:, None]).reshape(x.shape)


def _batch_norm_by_var_mean(
    x: Tensor, rm: Tensor, rv: Tensor, gamma: Tensor, beta: Tensor, training: bool, eps: float = 1e-5
) -> Tensor:
    rows = x.movedim(1, -1)  # (N, C) or (N, L, C): the features last, where they broadcast
    v, m = torch.var_mean(rows.reshape(-1, x.shape[1]), dim=0, correction=0) if training else (rv, rm)
    return torch.addcmul(beta, (rows - m) / (v + eps) ** 0.5, gamma).movedim(-1, 1)


#: (x, running_mean, running_var, training) -> the mean and the variance to normalise with, in a shape that fits x.
Statistics = Callable[[Tensor, Tensor, Tensor, bool], tuple[Tensor, Tensor]]


def _statistics(
    *, flat: Sequence[int] = (0,), deep: Sequence[int] = (0, 2), correction: int = 0, deep_correction: int = 0
) -> Statistics:
    """Those of the batch in training, over these axes for (N, C) and (N, C, L); the running ones in evaluation."""

    def statistics(x: Tensor, running_mean: Tensor, running_var: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        if not training:
            return _along_channels(running_mean, x), _along_channels(running_var, x)
        axes = list(flat if x.ndim == 2 else deep)
        divisor = correction if x.ndim == 2 else max(correction, deep_correction)
        return x.mean(axes, keepdim=True), x.var(axes, correction=divisor, keepdim=True)

    return statistics


def _with_variance(variance: Callable[[Tensor, Tensor], Tensor]) -> Statistics:
    """Another variance of the batch, from (C, N, L) values and their means (C, 1, 1); (N, C) counts as L = 1."""

    def statistics(x: Tensor, running_mean: Tensor, running_var: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        mean, var = _statistics()(x, running_mean, running_var, training)
        if training:
            values = x.movedim(1, 0).reshape(x.shape[1], len(x), -1)
            var = _along_channels(variance(values, values.mean((1, 2), keepdim=True)), x)
        return mean, var

    return statistics


def _in_mode(choose: Callable[[bool], bool]) -> Statistics:
    """Right statistics for another mode than the one asked for."""
    return lambda x, mean, var, training: _statistics()(x, mean, var, choose(training))


def _of_a_fresh_layer(x: Tensor, running_mean: Tensor, running_var: Tensor, training: bool) -> tuple[Tensor, Tensor]:
    return _statistics()(x, torch.zeros_like(running_mean), torch.ones_like(running_var), training)


def _updated_memory(x: Tensor, running_mean: Tensor, running_var: Tensor, training: bool) -> tuple[Tensor, Tensor]:
    if training:
        axes = [0] if x.ndim == 2 else [0, 2]
        n = x.numel() // x.shape[1]
        running_mean = 0.9 * running_mean + 0.1 * x.mean(axes)
        running_var = 0.9 * running_var + 0.1 * x.var(axes, correction=1 if n > 1 else 0)
    return _along_channels(running_mean, x), _along_channels(running_var, x)


def _wrong_batch_norm(
    statistics: Statistics | None = None,
    *,
    spread: Spread = _root,
    evaluation: Spread | None = None,
    affine: Affine = _scale_and_shift,
    centre: bool = True,
    **axes: Any,
) -> Callable[..., Tensor]:
    """BatchNorm with other statistics, another use of eps (in evaluation mode perhaps yet another), γ and β."""
    choose = statistics or _statistics(**axes)

    def wrong(
        x: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        gamma: Tensor,
        beta: Tensor,
        training: bool,
        eps: float = 1e-5,
    ) -> Tensor:
        mean, variance = choose(x, running_mean, running_var, training)
        root = spread if training or evaluation is None else evaluation
        x_hat = (x - mean if centre else x) / root(variance, eps)
        return affine(x_hat, _along_channels(gamma, x), _along_channels(beta, x))

    return wrong


def _affine_first(
    x: Tensor, rm: Tensor, rv: Tensor, gamma: Tensor, beta: Tensor, training: bool, eps: float = 1e-5
) -> Tensor:
    moved = _scale_and_shift(x, _along_channels(gamma, x), _along_channels(beta, x))
    return _batch_norm_by_torch(moved, rm, rv, torch.ones_like(gamma), torch.zeros_like(beta), training, eps)


def _rows_cut_anew(
    x: Tensor, rm: Tensor, rv: Tensor, gamma: Tensor, beta: Tensor, training: bool, eps: float = 1e-5
) -> Tensor:
    return _batch_norm_by_torch(x.reshape(-1, x.shape[1]), rm, rv, gamma, beta, training, eps).reshape(x.shape)


BATCH_NORM = Exercise(
    number="02.1",
    name="batch_norm",
    title="BatchNorm in both modes",
    kind="write",
    difficulty=2,
    minutes=15,
    trains="which numbers share a mean, and which mode uses which",
    stub='''def batch_norm(x, running_mean, running_var, gamma, beta, training, eps=1e-5):
    """What nn.BatchNorm1d gives, in training and in evaluation mode. It changes no input.

    The check compares values, not gradients.

    Args:
        x: a batch, (N, C), or (N, C, L): then each feature has L values in each sample
        running_mean, running_var: the layer's memory, (C,) each
        gamma, beta: scale and shift, (C,) each
        training: True for training mode, False for evaluation mode
        eps: keeps the root away from zero
    Returns:
        the same shape as x
    """
    ...
''',
    hints=(
        "First training mode and (N, C). Which numbers belong to feature c? How many means does the whole batch have: N, C or one?",
        "For (N, C, L), feature c has N·L values: x[:, c]. Average over every axis but 1: axes = [0] if x.ndim == 2 else [0, 2].",
        "The variance of the batch is the mean squared deviation: divide by the number of values. eps is added to it before the root is taken.",
        "Evaluation mode is the same formula with running_mean and running_var in place of the batch's two. For (N, C, L), bring all that is (C,) to (C, 1).",
    ),
    reference=batch_norm,
    mistakes=(
        Mistake(
            _wrong_batch_norm(correction=1),
            "You divided by n − 1: BatchNorm normalises with the biased variance, which divides by n. "
            "torch.var and torch.std divide by n − 1 unless you write correction=0. Look at N = 2.",
        ),
        Mistake(
            _wrong_batch_norm(correction=1, spread=_no_eps),
            "Two things. You divided by n − 1, the default of torch.std: BatchNorm normalises with the biased variance, "
            "which divides by n (correction=0). And eps is missing: a column of equal values then gives 0/0.",
        ),
        Mistake(
            _wrong_batch_norm(correction=1, spread=_eps_outside),
            "Two things. You divided by n − 1, the default of torch.std: BatchNorm divides by n (correction=0). "
            "And eps belongs inside the root, added to the variance.",
        ),
        Mistake(
            _wrong_batch_norm(spread=_eps_outside),
            "Your eps stands outside the root: √Var + ε. BatchNorm divides by √(Var + ε). The two differ "
            "where the spread of a feature is small.",
        ),
        Mistake(
            _wrong_batch_norm(spread=_no_eps),
            "eps is missing. A column of equal values has variance 0, and you divide 0 by 0. Add eps to the variance "
            "before you take the root.",
        ),
        Mistake(
            _wrong_batch_norm(spread=_eps_of_the_book),
            "Right with the usual eps, but yours makes no use of the argument `eps`: 1e-5 is in your formula, or a torch function "
            "takes its default. In F.batch_norm the place after `training` is momentum: write eps=eps.",
        ),
        Mistake(
            _wrong_batch_norm(_with_variance(lambda values, mean: ((values + mean) ** 2).mean((1, 2)))),
            "Your variance adds the mean to each value. A deviation is a difference: (x − mean)². With a plus sign, a "
            "feature far from zero seems to spread widely.",
        ),
        Mistake(
            _wrong_batch_norm(_with_variance(lambda values, mean: (values**2).mean((1, 2)))),
            "Your variance is the mean of x², not of (x − mean)². Both agree only where the mean is zero.",
        ),
        Mistake(
            _wrong_batch_norm(_with_variance(lambda values, mean: ((values - mean) ** 2).sum((1, 2)))),
            "Your variance is a sum of squares. Divide it by the number of values, or a larger batch makes the output smaller.",
        ),
        Mistake(
            _wrong_batch_norm(spread=_no_root),
            "You divide by the variance. Take its root: the result must have variance 1, whatever the unit of x is.",
        ),
        Mistake(
            _wrong_batch_norm(centre=False),
            "You divide by the spread, but the mean is still in there: subtract it first.",
        ),
        Mistake(
            _wrong_batch_norm(flat=(1,), deep=(1, 2)),
            "That is LayerNorm: each sample is normalised over its own features. BatchNorm takes one feature, a column, "
            "over all samples of the batch.",
        ),
        Mistake(
            _wrong_batch_norm(flat=(1,), deep=(1,)),
            "Your statistics run along axis 1, the features. That axis must stay: each feature has its own mean. "
            "Average over all the other axes.",
        ),
        Mistake(
            _wrong_batch_norm(flat=(1,), deep=(2,)),
            "Your statistics run along the last axis, inside one sample. A feature's mean is taken over the batch, axis 0, "
            "and with (N, C, L) over axis 2 as well.",
        ),
        Mistake(
            _wrong_batch_norm(flat=(0, 1), deep=(0, 1, 2)),
            "You took one mean and one variance of the whole tensor. Each feature has its own: "
            "a feature in metres and one in grams cannot share them.",
        ),
        Mistake(
            _wrong_batch_norm(deep=(2,)),
            "Right for (N, C). For (N, C, L) your statistics are those of one sample: that is InstanceNorm. "
            "Average over the batch too: axes 0 and 2.",
        ),
        Mistake(
            _wrong_batch_norm(deep=(0,)),
            "Right for (N, C). For (N, C, L) each position has its own statistics in your version. BatchNorm1d has one "
            "mean a feature, over N·L values: average over axes 0 and 2.",
        ),
        Mistake(
            _wrong_batch_norm(deep=(1, 2)),
            "Right for (N, C). For (N, C, L) you normalise each sample over its features and positions: that is LayerNorm. "
            "Average over axes 0 and 2; axis 1 stays.",
        ),
        Mistake(
            _wrong_batch_norm(deep=(0, 1, 2)),
            "Right for (N, C). For (N, C, L) you take one mean of the whole tensor. Axis 1 must stay: average over axes 0 and 2.",
        ),
        Mistake(
            _wrong_batch_norm(deep_correction=1),
            "Right for (N, C). For (N, C, L) your variance divides by n − 1. Divide by the number of values, N·L.",
        ),
        Mistake(
            _wrong_batch_norm(_with_variance(lambda values, mean: values.var(1, correction=0).mean(1))),
            "Right for (N, C). For (N, C, L) you take a variance at each position and average them. That leaves out how the "
            "positions differ from one another: take one variance over all N·L values.",
        ),
        Mistake(
            _rows_cut_anew,
            "Right for (N, C). For (N, C, L), `reshape(-1, C)` and `view` cut the list of numbers into other pieces: the features get "
            "mixed. Average over axes 0 and 2, or move axis 1 to the end before you cut.",
        ),
        Mistake(
            _wrong_batch_norm(spread=_no_root, evaluation=_root),
            "Evaluation mode is right. In training mode you divide by the variance: take the root of Var + ε there too.",
        ),
        Mistake(
            _wrong_batch_norm(evaluation=_no_root),
            "Training mode is right. running_var is a variance, no standard deviation: in evaluation mode too, take the root of "
            "running_var + eps.",
        ),
        Mistake(
            _wrong_batch_norm(evaluation=_no_eps),
            "Training mode is right. In evaluation mode eps is missing: it is added to running_var before the root is taken.",
        ),
        Mistake(
            _wrong_batch_norm(_of_a_fresh_layer),
            "Training mode is right. In evaluation mode running_mean and running_var have no effect: you normalise with mean 0 and "
            "variance 1, which is what a new layer remembers.",
        ),
        Mistake(
            _wrong_batch_norm(_in_mode(lambda training: torch.is_grad_enabled())),
            "In evaluation mode your output still depends on the batch. There the layer uses its memory, running_mean and "
            "running_var. Ask the argument `training`, not torch.is_grad_enabled(): gradients and modes are two switches.",
        ),
        Mistake(
            _wrong_batch_norm(_in_mode(lambda training: False)),
            "You use running_mean and running_var in both modes. In training mode the mean and the variance are those of x: "
            "the memory is only for evaluation.",
        ),
        Mistake(
            _wrong_batch_norm(_in_mode(lambda training: not training)),
            "The modes are the wrong way round: the batch's own statistics in training, the running ones in evaluation.",
        ),
        Mistake(
            _wrong_batch_norm(_updated_memory),
            "In training mode you normalise with the updated memory. The layer does update it (Exercise 02.2), but it "
            "normalises with the batch's own mean and variance.",
        ),
        Mistake(
            _wrong_batch_norm(affine=_swapped),
            "gamma and beta are the wrong way round: gamma multiplies, beta is added.",
        ),
        Mistake(
            _affine_first,
            "You applied gamma and beta before the normalisation, which then takes them out again. They come last: "
            "they let the layer choose the mean and the spread of its output.",
        ),
        Mistake(
            _wrong_batch_norm(affine=_shift_and_scale),
            "You add beta first and then multiply by gamma, so beta is scaled too. First gamma times, then plus beta.",
        ),
        Mistake(
            _wrong_batch_norm(affine=_neither),
            "The normalised values are right. Now use gamma and beta: multiply by the first, add the second, feature by feature.",
        ),
        Mistake(
            _wrong_batch_norm(affine=_scale_only),
            "beta is missing: after scaling by gamma, it is added.",
        ),
        Mistake(
            _wrong_batch_norm(affine=_shift_only),
            "gamma is missing: each normalised feature is multiplied by it before beta is added.",
        ),
        Mistake(
            _wrong_batch_norm(affine=_minus_shift),
            "You subtract beta. It is added.",
        ),
    ),
    styles=(_batch_norm_in_loops, _batch_norm_by_einsum, _batch_norm_by_var_mean),
    start="Begin with training mode and (N, C): one mean a column.",
    praise="It gives what torch's own batch normalization gives, in both modes, for (N, C) and for (N, C, L), to rounding.",
    cases=_batch_cases,
    expected=_batch_norm_by_torch,
)

# ---- 02.2 ---------------------------------------------------------------------------------------------------------


def _running_cases() -> Iterator[tuple[Any, ...]]:
    """Running statistics and a batch, sometimes with momentum: by hand, then C = N, (N, C, L), momentum 0 and 1."""
    yield (
        torch.zeros(1),
        torch.ones(1),
        torch.tensor([[1.0], [3.0]]),
    )
    generator = torch.Generator().manual_seed(2)
    for shape, momentum in (
        ((3, 2), ()),
        ((3, 3), ()),
        ((2, 4), (0.3,)),
        ((5, 3), (0.0,)),
        ((4, 2), (1.0,)),
        ((2, 3, 4), ()),
        ((3, 3, 3), (0.25,)),
        ((4, 3, 1), (0.01,)),
        ((2, 1, 2), ()),
        ((40, 6), (0.9,)),
    ):
        mean = _random(shape[1], generator=generator)
        variance = 0.5 + torch.rand(shape[1], generator=generator)
        shift = _along_channels(_random(shape[1], generator=generator), torch.empty(shape))
        yield mean, variance, 2 * _random(*shape, generator=generator) + shift, *momentum


def _running_by_torch(
    running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    """What torch's own layer holds after one training step."""
    layer = nn.BatchNorm1d(x.shape[1], momentum=momentum, dtype=torch.float64)
    layer.load_state_dict({"running_mean": running_mean, "running_var": running_var}, strict=False)
    layer(x.double())
    state = layer.state_dict()
    return state["running_mean"].to(x.dtype), state["running_var"].to(x.dtype)


def update_running(
    running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    axes = [0] if x.ndim == 2 else [0, 2]
    batch_mean = x.mean(axes)  # (N, C) or (N, C, L) -> (C,)
    batch_var = x.var(axes, correction=1)  # n - 1: an estimate for data not seen yet
    new_mean = (1 - momentum) * running_mean + momentum * batch_mean
    new_var = (1 - momentum) * running_var + momentum * batch_var
    return new_mean, new_var


def _running_in_loops(
    running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    new_mean, new_var = running_mean.clone(), running_var.clone()
    for c in range(x.shape[1]):
        values = x[:, c].flatten().tolist()
        mean = sum(values) / len(values)
        spread = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
        new_mean[c] += momentum * (mean - running_mean[c])
        new_var[c] += momentum * (spread - running_var[c])
    return new_mean, new_var


def _running_by_lerp(running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1) -> list[Tensor]:
    spread, mean = torch.var_mean(x.transpose(0, 1).flatten(1), dim=1)
    return [torch.lerp(running_mean, mean, momentum), torch.lerp(running_var, spread, momentum)]


def _running_by_sums(
    running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    b = x.reshape(*x.shape, 1)[:, :, :1] if x.ndim == 2 else x
    n, keep = b.shape[0] * b.shape[2], 1 - momentum
    m = torch.einsum("ncl->c", b) / n
    v = (torch.einsum("ncl,ncl->c", b, b) - n * m * m) / (n - 1)
    return keep * running_mean + momentum * m, keep * running_var + momentum * v


Update = Callable[[Tensor, Tensor, float], Tensor]


def _move(old: Tensor, new: Tensor, momentum: float) -> Tensor:
    return (1 - momentum) * old + momentum * new


def _move_the_wrong_way(old: Tensor, new: Tensor, momentum: float) -> Tensor:
    return momentum * old + (1 - momentum) * new


def _wrong_running(
    *,
    flat: Sequence[int] = (0,),
    deep: Sequence[int] = (0, 2),
    correction: int = 1,
    update: Update = _move,
    update_var: Update | None = None,
    of_variance: Callable[[Tensor], Tensor] = lambda variance: variance,
) -> Callable[..., tuple[Tensor, Tensor]]:
    """The update with other axes, another variance, or another way of mixing old and new."""

    def wrong(running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1) -> tuple[Tensor, Tensor]:
        axes = list(flat if x.ndim == 2 else deep)
        batch_mean, batch_var = x.mean(axes), of_variance(x.var(axes, correction=correction))
        mixed = (update_var or update)(running_var, batch_var, momentum)
        return update(running_mean, batch_mean, momentum), mixed

    return wrong


def _sum_divided_by(divisor: Callable[[int, int, int], float]) -> Callable[..., tuple[Tensor, Tensor]]:
    """A variance of the batch whose sum of squares is divided by another number, made of N, L and C."""

    def wrong(running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1) -> tuple[Tensor, Tensor]:
        axes, (n, features, *length) = [0] if x.ndim == 2 else [0, 2], x.shape
        squares = ((x - x.mean(axes, keepdim=True)) ** 2).sum(axes)
        batch_var = squares / divisor(n, math.prod(length), features)
        return _move(running_mean, x.mean(axes), momentum), _move(running_var, batch_var, momentum)

    return wrong


def _memory_corrected_too(
    running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    new_mean, new_var = _wrong_running(correction=0)(running_mean, running_var, x, momentum)
    n = x.numel() // x.shape[1]
    return new_mean, new_var * n / (n - 1)


def _mean_of_variances(axis: int) -> Callable[..., tuple[Tensor, Tensor]]:
    """Right means; variances over one axis only, then averaged over the other."""

    def wrong(running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1) -> tuple[Tensor, Tensor]:
        if x.ndim == 2:
            return update_running(running_mean, running_var, x, momentum)
        batch_var = x.var(axis).mean(0 if axis == 2 else 1)
        return _move(running_mean, x.mean([0, 2]), momentum), _move(running_var, batch_var, momentum)

    return wrong


def _average_over_l_first(
    running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    return update_running(running_mean, running_var, x.mean(2) if x.ndim == 3 else x, momentum)


def _around_the_running_mean(
    running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    axes, n = ([0], len(x)) if x.ndim == 2 else ([0, 2], len(x) * x.shape[2])
    batch_var = ((x - _along_channels(running_mean, x)) ** 2).sum(axes) / (n - 1)
    return _move(running_mean, x.mean(axes), momentum), _move(running_var, batch_var, momentum)


def _around_the_new_mean(
    running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    new_mean, _ = update_running(running_mean, running_var, x, momentum)
    return new_mean, _around_the_running_mean(new_mean, running_var, x, momentum)[1]


def _of_normalised_values(
    running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    one, zero = torch.ones_like(running_mean), torch.zeros_like(running_mean)
    normalised = _batch_norm_by_torch(x, running_mean, running_var, one, zero, True)
    return update_running(running_mean, running_var, normalised, momentum)


UPDATE_RUNNING = Exercise(
    number="02.2",
    name="update_running",
    title="What BatchNorm remembers",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="the second variance, and what momentum means here",
    stub='''def update_running(running_mean, running_var, x, momentum=0.1):
    """Move the running statistics toward those of one batch, as nn.BatchNorm1d does when it trains.

    Args:
        running_mean: (C,)
        running_var: (C,)
        x: the batch, (N, C), or (N, C, L)
        momentum: the weight of the new value, 0…1
    Returns:
        new_mean, new_var: each (C,); the arguments stay as they are
    """
    ...
''',
    hints=(
        "With momentum 0 nothing may move. With momentum 1 the result is what this batch alone says.",
        "The new value is a weighted mean of the old one and the batch's, with the weights 1 − momentum and momentum.",
        "The running variance will be used for data that the layer has not seen. So it is the estimate that divides by n − 1. What is n for (N, C, L)?",
        "The batch's part: x.mean(axes) and x.var(axes), with axes = [0] or [0, 2]. torch.var divides by n − 1 unless told otherwise.",
    ),
    reference=update_running,
    mistakes=(
        Mistake(
            _wrong_running(correction=0),
            "You divided by n: that is the variance BatchNorm normalises with. The running variance is kept for data not seen yet, "
            "and takes the unbiased estimate, which divides by n − 1.",
        ),
        Mistake(
            _wrong_running(update=_move_the_wrong_way),
            "Your momentum is on the wrong term: it is the weight of the new value, and the old one gets 1 − momentum. "
            "With momentum=0 the old values must come back as they were.",
        ),
        Mistake(
            _wrong_running(update=_move_the_wrong_way, correction=0),
            "Two things. Your momentum is on the wrong term: it is the weight of the new value. "
            "And the running variance takes the unbiased estimate, which divides by n − 1.",
        ),
        Mistake(
            _wrong_running(update_var=_move_the_wrong_way),
            "The mean is right. For the variance, momentum is on the wrong term: the old value must keep 1 − momentum of its weight.",
        ),
        Mistake(
            _wrong_running(of_variance=torch.sqrt),
            "You put the standard deviation into running_var. It holds a variance; the root is taken when it is used.",
        ),
        Mistake(
            _wrong_running(of_variance=torch.sqrt, correction=0),
            "Two things. You put the standard deviation into running_var: it holds a variance. "
            "And that variance divides by n − 1.",
        ),
        Mistake(
            _wrong_running(update_var=lambda old, new, momentum: old),
            "The mean is right, but the variance has not moved: it is updated in the same way.",
        ),
        Mistake(
            _sum_divided_by(lambda n, length, features: n - 1),
            "Right for (N, C). For (N, C, L) you add up N·L squares and divide by N − 1: divide by N·L − 1.",
        ),
        Mistake(
            _sum_divided_by(lambda n, length, features: n * length - 1 / features),
            "Your n counts the values of all features. Each feature has N of them, or N·L: x.numel() / C.",
        ),
        Mistake(
            _sum_divided_by(lambda n, length, features: (n * length) ** 2 / (n * length - 1)),
            "Your correction is upside down: the unbiased variance is the larger one. Multiply the biased one by n/(n − 1).",
        ),
        Mistake(
            _memory_corrected_too,
            "You multiply the whole new variance by n/(n − 1), and so the old memory with it. Correct the batch's variance only, "
            "before it is mixed in.",
        ),
        Mistake(
            _sum_divided_by(lambda n, length, features: length * (n - 1)),
            "Right for (N, C). For (N, C, L) a feature has n = N·L values, and the unbiased variance divides by N·L − 1. "
            "Your correction counts the N samples only.",
        ),
        Mistake(
            _mean_of_variances(0),
            "Right for (N, C). For (N, C, L) you take a variance at each position and average them. That leaves out how the "
            "positions differ from one another: take one variance over all N·L values.",
        ),
        Mistake(
            _mean_of_variances(2),
            "Right for (N, C). For (N, C, L) you take a variance in each sample and average them. That leaves out how the "
            "samples differ from one another: take one variance over all N·L values.",
        ),
        Mistake(
            _average_over_l_first,
            "Right for (N, C). For (N, C, L) you average over L first and take the variance of these averages, which spread less. "
            "Take one variance over all N·L values.",
        ),
        Mistake(
            _around_the_running_mean,
            "Your deviations are from the running mean. The batch's variance is around the batch's own mean.",
        ),
        Mistake(
            _around_the_new_mean,
            "Your deviations are from the new running mean. The batch's variance is around the batch's own mean.",
        ),
        Mistake(
            _of_normalised_values,
            "You measured the batch after it was normalised: there every feature has mean 0 and variance about 1. Measure x as it comes in.",
        ),
        Mistake(
            _wrong_running(update=lambda old, new, momentum: new),
            "You return the statistics of this batch alone. The old ones count too, with weight 1 − momentum.",
        ),
        Mistake(
            _wrong_running(update=lambda old, new, momentum: new, correction=0),
            "You return the statistics of this batch alone, and a variance that divides by n. The old values count too, "
            "with weight 1 − momentum, and the variance divides by n − 1.",
        ),
        Mistake(
            _wrong_running(update=lambda old, new, momentum: old + momentum * new),
            "The old value keeps its full weight, so the batches pile up. The two weights must add up to 1: 1 − momentum and momentum.",
        ),
        Mistake(
            _wrong_running(update=lambda old, new, momentum: momentum * old + new),
            "That is the momentum of an optimizer, a sum of old and new. Here the two weights must add up to 1: 1 − momentum and momentum.",
        ),
        Mistake(
            _wrong_running(update=lambda old, new, momentum: 0.9 * old + 0.1 * new),
            "Right for momentum 0.1, but you wrote 0.9 and 0.1 into the formula. Use the argument: it may have another value.",
        ),
        Mistake(
            lambda running_mean, running_var, x, momentum=0.1: update_running(running_mean, running_var, x, momentum)[
                ::-1
            ],
            "Both are right, but in the wrong order: first the new mean, then the new variance.",
        ),
    ),
    styles=(_running_in_loops, _running_by_lerp, _running_by_sums),
    start="Begin with the two extremes: what must come out for momentum 0, and what for momentum 1?",
    praise="Equal to what nn.BatchNorm1d holds after one training step, on every batch tried.",
    cases=_running_cases,
    expected=_running_by_torch,
)

# ---- 02.3 ---------------------------------------------------------------------------------------------------------


class TokenNorm(nn.BatchNorm1d):
    """An nn.BatchNorm1d that shows its mode and its numbers, and remembers how many features it was made for."""

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(size, **options)
        self.size = size

    def __repr__(self) -> str:
        mode = "training" if self.training else "evaluation"
        names = {"weight": "γ", "bias": "β", "running_mean": "running mean", "running_var": "running variance"}
        shown = [
            f"{names[name]} {[round(value, 2) for value in tensor.tolist()]}"
            for name, tensor in self.state_dict().items()
            if name in names
        ]
        return f"BatchNorm1d({self.num_features}) in {mode} mode, {', '.join(shown)}"


def _token_cases() -> Iterator[tuple[Tensor, TokenNorm]]:
    """Tokens (N, L, C) and a layer in both modes: fresh first, then with random numbers; L = C, where nothing is raised.

    In single precision, as layers are made: a layer that the learner makes anew must fit. And neither N nor L is 1:
    torch would stop whoever calls the layer token by token or sample by sample before the check can say why it is wrong.
    The tokens require grad, as if a layer had made them.
    """
    yield torch.tensor([[[1.0], [3.0]], [[5.0], [7.0]]], requires_grad=True), TokenNorm(1)
    rows = [[[1.0, 0.0], [2.0, 4.0], [3.0, 2.0]], [[6.0, 4.0], [7.0, 0.0], [8.0, 8.0]]]
    yield torch.tensor(rows, requires_grad=True), TokenNorm(2)
    generator = torch.Generator().manual_seed(3)
    for n, length, features, momentum, training in (
        (2, 2, 2, 0.1, True),
        (3, 3, 3, 0.3, True),
        (2, 3, 4, 0.1, False),
        (3, 2, 2, 0.1, False),
        (3, 2, 1, 0.5, True),
        (5, 6, 4, 0.1, True),
    ):
        norm = TokenNorm(features, momentum=momentum)
        numbers = {name: torch.randn(features, generator=generator) for name in ("weight", "bias", "running_mean")}
        numbers["running_var"] = 0.5 + torch.rand(features, generator=generator)
        norm.load_state_dict(numbers, strict=False)
        scale, shift = torch.randn(2, features, generator=generator)
        x = scale * torch.randn(n, length, features, generator=generator) + shift
        yield x.requires_grad_(), norm.train(training)


def normalise_tokens(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    channels_first = x.transpose(1, 2)  # (N, L, C) -> (N, C, L), where BatchNorm1d looks for features
    return norm(channels_first).transpose(1, 2)  # and back: (N, L, C)


def _tokens_by_formula(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    """Feature by feature in double precision, with the layer's numbers but without calling it."""
    state, momentum = norm.state_dict(), norm.momentum or 0.0  # the tensors of the state are the layer's own
    y = torch.empty(x.shape)
    for c in range(x.shape[2]):
        values = [float(value) for sample in x for value in sample[:, c]]
        mean, variance = float(state["running_mean"][c]), float(state["running_var"][c])
        if norm.training:
            mean = math.fsum(values) / len(values)
            squares = math.fsum((value - mean) ** 2 for value in values)
            variance = squares / len(values)
            state["running_mean"][c] += momentum * (mean - state["running_mean"][c])
            state["running_var"][c] += momentum * (squares / (len(values) - 1) - state["running_var"][c])
        slope = float(state["weight"][c]) / math.sqrt(variance + norm.eps)
        y[:, :, c] = (x.detach()[:, :, c] - mean) * slope + float(state["bias"][c])
    return y + 0.0 * sum(tensor.sum() for tensor in (x, norm.weight, norm.bias))  # a graph that reaches all three


def _tokens_in_a_row(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    return norm(x.reshape(-1, x.shape[-1])).reshape(x.shape)


def _tokens_by_permute(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    rows = norm(x.permute(0, 2, 1).contiguous())
    return torch.einsum("ncl->nlc", rows)


def _tokens_one_by_one(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    return torch.stack([norm(x[:, t]) for t in range(x.shape[1])], dim=1)


def _samples_one_by_one(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    return torch.stack([norm(sample) for sample in x])


def _tokens_of_a_copy(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    return normalise_tokens(x, copy.deepcopy(norm))


def _tokens_in_evaluation_mode(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    norm.eval()
    return normalise_tokens(x, norm)


def _tokens_in_training_mode(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    norm.train()
    return normalise_tokens(x, norm)


def _tokens_swapped_if_needed(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    return norm(x) if x.shape[1] == norm.num_features else normalise_tokens(x, norm)


def _tokens_of_the_batch_at_hand(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    variance, mean = torch.var_mean(x, dim=(0, 1), correction=0)
    return norm.weight * (x - mean) / _root(variance, norm.eps) + norm.bias


def _tokens_without_memory(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    norm.running_mean = norm.running_var = None
    return normalise_tokens(x, norm)


def _tokens_twice(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    normalise_tokens(x, norm)
    return normalise_tokens(x, norm)


def _tokens_always_in_training(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    memory = norm.running_mean, norm.running_var
    return F.batch_norm(x.transpose(1, 2), *memory, norm.weight, norm.bias, True, 0.1, norm.eps).transpose(1, 2)


def _tokens_without_graph(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    with torch.no_grad():
        return normalise_tokens(x, norm)


def _see_tokens_and_layer(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The result, what the call left in the layer, and what can still learn from the result."""
    x: Tensor = arguments[0]
    norm: TokenNorm = arguments[1]
    memory = norm.running_mean, norm.running_var
    fits = all(isinstance(tensor, Tensor) and tensor.shape == (norm.size,) for tensor in memory)
    mean, variance = (tensor.tolist() if tensor is not None and fits else [0.0] * norm.size for tensor in memory)
    return {
        "output": result,
        "running mean": mean,
        "running variance": variance,
        "memory": "in place" if fits else "gone, or of another size",
        "mode afterwards": "training" if norm.training else "evaluation",
        "gradients reach": _reached(result, {"x": x, "γ": norm.weight, "β": norm.bias}),
    }


def _reached(result: Any, leaves: dict[str, Tensor | None]) -> str:
    """The names of the leaves in the graph of the result. The graph is walked: what changed in place breaks backward()."""
    waiting, seen = [result.grad_fn if isinstance(result, Tensor) else None], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [earlier for earlier, _ in node.next_functions]
    ends = {id(node.variable) for node in seen if hasattr(node, "variable")}
    return ", ".join(name for name, leaf in leaves.items() if id(leaf) in ends) or "nothing"


NORMALISE_TOKENS = Exercise(
    number="02.3",
    name="normalise_tokens",
    title="Features in the wrong place",
    kind="debug",
    difficulty=2,
    minutes=8,
    trains="which axis a layer takes for the features",
    stub='''def normalise_tokens(x, norm):
    """Normalise each feature of a sequence over all tokens of the batch.

    Args:
        x: N sequences of L tokens with C features, (N, L, C)
        norm: an nn.BatchNorm1d(C), in training or in evaluation mode
    Returns:
        the same shape as x, (N, L, C); in training mode, norm's running statistics have moved once
    """
    return norm(x)
''',
    hints=(
        "The message names two numbers. One is C. Which axis of x has the other one as its length?",
        "nn.BatchNorm1d takes axis 1 for the features: (N, C, L). Your features are on axis 2. Where L = C nothing is raised, "
        "and the wrong axis is normalised in silence.",
        "`reshape` and `view` cut the same list of numbers into other pieces. `transpose` swaps two axes, and each number stays with its feature.",
        "Swap axes 1 and 2 before the call, and swap them again after it.",
    ),
    reference=normalise_tokens,
    mistakes=(
        Mistake(
            lambda x, norm: norm(x.reshape(x.shape[0], x.shape[2], x.shape[1])).reshape(x.shape),
            "The shapes fit now, but `reshape` and `view` only cut the same list of numbers into other pieces: the features get mixed. "
            "`transpose(1, 2)` swaps the axes themselves.",
        ),
        Mistake(
            lambda x, norm: norm(x.transpose(1, 2)),
            "Your result is (N, C, L): swap the axes back after the call. Where L = C the shape alone does not show it.",
        ),
        Mistake(
            lambda x, norm: norm(x.transpose(1, 2)).reshape(x.shape),
            "The way in is right. On the way back you cut the list of numbers anew, which mixes tokens and features: swap the axes back with "
            "`transpose(1, 2)`.",
        ),
        Mistake(
            lambda x, norm: norm(x.reshape(x.shape[0], x.shape[2], x.shape[1])).transpose(1, 2),
            "The way back is right. On the way in, `reshape` or `view` mixes tokens and features: swap the axes with `transpose(1, 2)` there too.",
        ),
        Mistake(
            lambda x, norm: norm(x.transpose(1, 2).reshape(-1, x.shape[2])).reshape(x.shape),
            "You swapped the axes and then cut rows of C numbers: a row now holds C tokens of one feature. Flatten x as it is, "
            "whose last axis holds the features, or swap the axes and leave three of them.",
        ),
        Mistake(
            _tokens_one_by_one,
            "You call the layer once for each token position, so each position has statistics of its own, and the running statistics move L times. "
            "All N·L tokens of the batch share one mean a feature: one call.",
        ),
        Mistake(
            _samples_one_by_one,
            "You call the layer once for each sequence, so each has statistics of its own, and the running statistics move N times. "
            "All N·L tokens of the batch share one mean a feature: one call.",
        ),
        Mistake(
            lambda x, norm: nn.BatchNorm1d(x.shape[1])(x),
            "The error is gone, but a BatchNorm1d(L) normalises token positions, not features, and `norm` was never used. "
            "Bring the features to axis 1 instead.",
        ),
        Mistake(
            lambda x, norm: nn.BatchNorm1d(x.shape[2])(x.transpose(1, 2)).transpose(1, 2),
            "The axes are right, but a new layer does the work: γ, β and the running statistics of `norm` are never used. Call `norm`.",
        ),
        Mistake(
            _tokens_of_a_copy,
            "The output is right, but the running statistics of `norm` did not move: a copy of the layer, or a formula of yours, "
            "did the work. In evaluation mode `norm` would know nothing of this batch. Call `norm` itself.",
        ),
        Mistake(
            _tokens_of_the_batch_at_hand,
            "Your formula is right for training mode, but `norm` is never called: its running statistics do not move, and in evaluation "
            "mode they must be used in place of the batch's. Call `norm`, which does both.",
        ),
        Mistake(
            _tokens_swapped_if_needed,
            "You swap the axes only where torch complains. Where L = C it does not, and then token positions are normalised instead of features. "
            "The features are on the last axis always: swap always.",
        ),
        Mistake(
            _tokens_without_memory,
            "You took the running statistics away from the layer. The message names them, but they are in order: "
            "it is x whose features stand on the wrong axis.",
        ),
        Mistake(
            lambda x, norm: F.layer_norm(x, x.shape[2:]),
            "nn.LayerNorm takes (N, L, C) without an error, but it does another thing: it normalises each token over its own features. "
            "Use `norm`, which normalises a feature over all tokens.",
        ),
        Mistake(
            lambda x, norm: F.layer_norm(x, x.shape[2:], norm.weight, norm.bias),
            "That is LayerNorm with the γ and β of `norm`: it normalises each token over its own features. "
            "Call `norm`, which normalises a feature over all tokens.",
        ),
        Mistake(
            _tokens_in_evaluation_mode,
            "You switched the layer to evaluation mode: it then uses its running statistics, and learns none. "
            "The mode is the caller's choice: leave it.",
        ),
        Mistake(
            _tokens_in_training_mode,
            "You switched the layer to training mode. A layer that comes in evaluation mode must use its running statistics: "
            "the mode is the caller's choice.",
        ),
        Mistake(
            _tokens_always_in_training,
            "The axes are right. But you ask for training mode, and for momentum 0.1, whatever `norm` says. Call `norm` itself, which "
            "knows both.",
        ),
        Mistake(
            lambda x, norm: norm(x.mean(1)),
            "You average each sequence over its tokens first, so the tokens are gone. Keep all of them: the result has the shape of x.",
        ),
        Mistake(
            _tokens_without_graph,
            "The numbers are right, but the result is cut from the graph: γ, β and the layers below could not learn. Leave out no_grad, "
            ".detach(), .data and NumPy.",
        ),
        Mistake(
            lambda x, norm: normalise_tokens(x.detach(), norm),
            "The numbers are right, but x is cut from the graph: the layers below could not learn. Leave out .detach(), .data and NumPy.",
        ),
        Mistake(
            _tokens_twice,
            "The output is right, but the layer was called twice, and each call in training mode moves its running statistics. Call it once.",
        ),
    ),
    styles=(_tokens_in_a_row, _tokens_by_permute),
    start="Call it on torch.randn(2, 3, 4) and nn.BatchNorm1d(4) first, and read the error.",
    praise="Each feature is normalised over all tokens, also where L = C hides the fault, and the layer remembers the batch once.",
    cases=_token_cases,
    expected=_tokens_by_formula,
    observe=_see_tokens_and_layer,
    may_change=frozenset({"norm"}),
    tolerance=2e-5,  # single precision, also where the layer's numbers are listed
)

# ---- 02.4 ---------------------------------------------------------------------------------------------------------


def _group_cases() -> Iterator[tuple[Any, ...]]:
    """Images (N, C, H, W), groups, γ, β and sometimes eps; C/G ≠ G, both ends, H = W = 1, a group without spread."""
    for rows, groups in (([[1.0, 3.0], [5.0, 7.0]], 1), ([[0.0, 2.0], [2.0, 4.0], [1.0, 5.0], [5.0, 9.0]], 2)):
        x = torch.tensor(rows)[None, :, None]  # (1, C, 1, 2)
        yield x, groups, torch.ones(len(rows)), torch.zeros(len(rows))
    generator = torch.Generator().manual_seed(4)
    for shape, groups, spread, eps in (
        ((1, 2, 1, 3), 2, 1.0, ()),
        ((2, 6, 2, 2), 2, 1.0, ()),
        ((2, 6, 2, 3), 3, 1.0, ()),
        ((4, 4, 4, 4), 2, 1.0, ()),
        ((3, 4, 2, 1), 1, 1.0, ()),
        ((2, 4, 3, 2), 4, 1.0, ()),
        ((2, 8, 1, 1), 2, 1.0, ()),
        ((2, 6, 2, 2), 3, 3e-3, ()),
        ((2, 4, 2, 2), 2, 1.0, (0.1,)),
        ((1, 1, 3, 3), 1, 1.0, ()),
        ((5, 12, 4, 5), 4, 2.0, ()),
    ):
        shift, gamma, beta = (_random(shape[1], generator=generator) for _ in range(3))
        x = spread * (_random(*shape, generator=generator) + shift[:, None, None])
        if shape == (2, 6, 2, 3):
            x[0, :2] = 0.5  # one group without spread
        yield x, groups, gamma, beta, *eps


def group_norm(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    grouped = x.reshape(x.shape[0], groups, -1)  # (N, C, H, W) -> (N, G, C/G·H·W)
    mean = grouped.mean(2, keepdim=True)  # (N, G, 1)
    variance = ((grouped - mean) ** 2).mean(2, keepdim=True)
    x_hat = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(x.shape)
    return gamma[:, None, None] * x_hat + beta[:, None, None]


def _group_norm_in_loops(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    y, size = torch.empty_like(x), x.shape[1] // groups
    for i in range(len(x)):
        for first in range(0, x.shape[1], size):
            values = x[i, first : first + size].flatten().tolist()
            mean = sum(values) / len(values)
            variance = sum((value - mean) ** 2 for value in values) / len(values)
            for c in range(first, first + size):
                y[i, c] = gamma[c] * (x[i, c] - mean) / math.sqrt(variance + eps) + beta[c]
    return y


def _group_norm_by_layer_norm(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    cut = x.unflatten(1, (groups, -1))
    return F.layer_norm(cut, cut.shape[2:], eps=eps).flatten(1, 2) * gamma.view(-1, 1, 1) + beta.view(-1, 1, 1)


def _group_norm_in_chunks(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    done = []
    for part in torch.chunk(x, groups, dim=1):
        v, m = torch.var_mean(part, dim=(1, 2, 3), correction=0, keepdim=True)
        done.append((part - m) * torch.rsqrt(v + eps))
    return torch.einsum("nchw,c->nchw", torch.cat(done, 1), gamma) + beta.reshape(1, -1, 1, 1)


def _group_norm_by_torch(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    values, gamma, beta = _double(x, gamma, beta)
    return F.group_norm(values, groups, gamma, beta, eps).to(x.dtype)


def _wrong_group_norm(
    *,
    axes: Sequence[int] = (2, 3, 4),
    correction: int = 0,
    variance: Callable[[Tensor], Tensor] | None = None,
    spread: Spread = _root,
    affine: Affine = _scale_and_shift,
    count: Callable[[Tensor, int], int] = lambda x, groups: groups,
    interleaved: bool = False,
) -> Callable[..., Tensor]:
    """GroupNorm on (N, G, C/G, H, W) with other axes, variances, number of groups, or channels dealt out in turn."""

    def wrong(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
        number = count(x, groups)
        cut = x.unflatten(1, (-1, number)).transpose(1, 2) if interleaved else x.unflatten(1, (number, -1))
        mean = cut.mean(list(axes), keepdim=True)
        var = variance(cut) if variance else cut.var(list(axes), correction=correction, keepdim=True)
        x_hat = (cut - mean) / spread(var, eps)
        whole = (x_hat.transpose(1, 2) if interleaved else x_hat).reshape(x.shape)
        return affine(whole, _along_channels(gamma, x), _along_channels(beta, x))

    return wrong


def _groups_of_samples(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    return torch.cat([_channels_over_the_batch(part, groups, gamma, beta, eps) for part in x.chunk(groups)])


def _groups_of_the_whole_batch(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    cut = x.reshape(groups, -1)
    x_hat = (cut - cut.mean(1, keepdim=True)) / _root(cut.var(1, correction=0, keepdim=True), eps)
    return _scale_and_shift(x_hat.reshape(x.shape), _along_channels(gamma, x), _along_channels(beta, x))


def _channels_over_the_batch(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    mean = x.mean([0, 2, 3], keepdim=True)
    x_hat = (x - mean) / _root(x.var([0, 2, 3], correction=0, keepdim=True), eps)
    return _scale_and_shift(x_hat, _along_channels(gamma, x), _along_channels(beta, x))


def _gamma_of_the_group(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    size = x.shape[1] // groups
    gamma, beta = (values[:groups].repeat_interleave(size) for values in (gamma, beta))
    return _group_norm_by_torch(x, groups, gamma, beta, eps)


def _gamma_of_the_first(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    size = x.shape[1] // groups
    gamma, beta = (values[::size].repeat_interleave(size) for values in (gamma, beta))
    return _group_norm_by_torch(x, groups, gamma, beta, eps)


def _group_affine_first(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    moved = _scale_and_shift(x, _along_channels(gamma, x), _along_channels(beta, x))
    return F.group_norm(moved, groups, eps=eps)


def _variance_with_plus(cut: Tensor) -> Tensor:
    return ((cut + cut.mean([2, 3, 4], keepdim=True)) ** 2).mean([2, 3, 4], keepdim=True)


def _variance_by_channel(cut: Tensor) -> Tensor:
    return cut.var([3, 4], correction=0, keepdim=True).mean(2, keepdim=True)


def _slices_of_groups(x: Tensor, groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    x_hat = torch.zeros_like(x)
    for part, done in zip(x.split(groups, 1)[:groups], x_hat.split(groups, 1)):
        done.copy_(F.group_norm(part, 1, eps=eps))
    return _scale_and_shift(x_hat, _along_channels(gamma, x), _along_channels(beta, x))


GROUP_NORM = Exercise(
    number="02.4",
    name="group_norm",
    title="GroupNorm",
    kind="write",
    difficulty=3,
    minutes=12,
    trains="cutting an axis in two, and what each end of GroupNorm equals",
    stub='''def group_norm(x, groups, gamma, beta, eps=1e-5):
    """What nn.GroupNorm gives.

    The channels are cut into groups of neighbours: with C = 6 and groups = 2, these are channels
    0, 1, 2 and channels 3, 4, 5. In each sample, each group is normalised over all its values.
    Then each channel is scaled and shifted. The check compares values, not gradients.

    Args:
        x: images, (N, C, H, W)
        groups: how many groups; divides C
        gamma: (C,)
        beta: (C,)
        eps: as in BatchNorm
    Returns:
        (N, C, H, W)
    """
    ...
''',
    hints=(
        "How many means are there? For N samples and G groups: N·G. The batch is never averaged over.",
        "One reshape makes a group the last axis: (N, C, H, W) -> (N, groups, everything else). Neighbouring channels stay together in it.",
        "Normalise over that last axis, with the biased variance and eps inside the root. Then reshape back: gamma and beta belong to channels, not to groups.",
        "gamma[:, None, None] has shape (C, 1, 1), which fits (N, C, H, W).",
    ),
    reference=group_norm,
    mistakes=(
        Mistake(
            _wrong_group_norm(count=lambda x, groups: x.shape[1] // groups),
            "You take `groups` for the number of channels in a group. It is the number of groups: with groups = 1 all channels are together, "
            "as in LayerNorm, and with groups = C each is alone, as in InstanceNorm. Yours has these two the wrong way round.",
        ),
        Mistake(
            _wrong_group_norm(interleaved=True),
            "You deal the channels out in turn: 0, 2, 4 and 1, 3, 5. A group holds neighbours: 0, 1, 2 and 3, 4, 5. "
            "Reshape to (N, groups, …), not to (N, …, groups).",
        ),
        Mistake(
            _groups_of_samples,
            "You cut the batch into groups of samples, and normalise each channel over them. GroupNorm cuts the channels, "
            "and each sample stays on its own.",
        ),
        Mistake(
            _groups_of_the_whole_batch,
            "You cut the whole batch into `groups` pieces. Each sample has groups of its own: keep axis 0, and cut axis 1, the channels.",
        ),
        Mistake(
            _wrong_group_norm(axes=(0, 2, 3, 4)),
            "Your mean also runs over the batch, axis 0. GroupNorm looks at one sample at a time: that is its point.",
        ),
        Mistake(
            _wrong_group_norm(axes=(2,)),
            "The spatial axes are forgotten: you normalise at each pixel over the channels of a group. "
            "A group's mean also runs over H and W.",
        ),
        Mistake(
            _wrong_group_norm(axes=(3, 4)),
            "You normalise each channel alone, whatever `groups` says: that is InstanceNorm. Average over the channels of a group as well.",
        ),
        Mistake(
            _wrong_group_norm(count=lambda x, groups: 1),
            "You normalise all channels of a sample together, whatever `groups` says: that is LayerNorm. Each group has its own mean.",
        ),
        Mistake(
            _channels_over_the_batch,
            "That is BatchNorm2d: each channel over the batch. GroupNorm takes a group of channels in one sample.",
        ),
        Mistake(
            _wrong_group_norm(correction=1),
            "You divided by n − 1. GroupNorm, as BatchNorm, normalises with the biased variance, which divides by n: "
            "write correction=0 in torch.var.",
        ),
        Mistake(
            _wrong_group_norm(correction=1, spread=_no_eps),
            "Two things. You divided by n − 1, the default of torch.std: take correction=0. And eps is missing.",
        ),
        Mistake(
            _wrong_group_norm(correction=1, spread=_eps_outside),
            "Two things. You divided by n − 1, the default of torch.std: take correction=0. And eps belongs inside the root.",
        ),
        Mistake(
            _wrong_group_norm(spread=_eps_outside),
            "Your eps stands outside the root. Divide by √(Var + ε).",
        ),
        Mistake(
            _wrong_group_norm(spread=_no_eps),
            "eps is missing: a group of equal values gives 0/0. Add it to the variance before you take the root.",
        ),
        Mistake(
            _wrong_group_norm(spread=_eps_of_the_book),
            "Right with the usual eps, but yours makes no use of the argument `eps`: 1e-5 is in your formula, or a torch function "
            "takes its default.",
        ),
        Mistake(
            _wrong_group_norm(spread=_no_root),
            "You divide by the variance. Take its root first.",
        ),
        Mistake(
            _wrong_group_norm(variance=_variance_by_channel),
            "You average the variances of the channels. That leaves out how the means of the channels differ: take one variance over "
            "all values of the group.",
        ),
        Mistake(
            _slices_of_groups,
            "Your slices are `groups` channels long. A group has C / groups channels, and there are `groups` of them.",
        ),
        Mistake(
            _wrong_group_norm(variance=_variance_with_plus),
            "Your variance adds the mean to each value. A deviation is a difference: (x − mean)².",
        ),
        Mistake(
            _gamma_of_the_group,
            "You use gamma[g] for group g. gamma and beta have one number a channel, also inside a group: apply them to (N, C, H, W).",
        ),
        Mistake(
            _gamma_of_the_first,
            "All channels of a group get the gamma and beta of its first channel in your version. Each channel has its own: apply them to (N, C, H, W).",
        ),
        Mistake(
            _group_affine_first,
            "You applied gamma and beta before the normalisation. They come last.",
        ),
        Mistake(
            _wrong_group_norm(affine=_swapped),
            "gamma and beta are the wrong way round: gamma multiplies, beta is added.",
        ),
        Mistake(
            _wrong_group_norm(affine=_neither),
            "The normalised values are right. Now use gamma and beta, channel by channel.",
        ),
        Mistake(
            _wrong_group_norm(affine=_scale_only),
            "beta is missing: after scaling by gamma, it is added.",
        ),
    ),
    styles=(_group_norm_in_loops, _group_norm_by_layer_norm, _group_norm_in_chunks),
    start="Begin with groups = 1: one mean for each sample.",
    praise="It gives what torch's own group normalization gives, from one group to as many as there are channels.",
    cases=_group_cases,
    expected=_group_norm_by_torch,
)

# ---- 02.5 ---------------------------------------------------------------------------------------------------------


def _fold_cases() -> Iterator[tuple[Any, ...]]:
    """A linear layer and what a BatchNorm after it holds: small variances, one of zero, eps given or not.

    Either C_in = C_out, or one of them is 1: weights scaled along the wrong axis then raise nothing, and can be named.
    """
    two = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    numbers = ((0.0, 1.0), (1.0, -1.0), (3.0, 0.0), (2.0, 2.0), (0.0, 5.0))
    yield two, *(torch.tensor(row) for row in numbers), 1.0
    generator = torch.Generator().manual_seed(5)
    for outputs, inputs, variance, eps in (
        (1, 1, 1.0, ()),
        (3, 1, 1.0, ()),
        (1, 4, 1.0, ()),
        (3, 3, 1.0, ()),
        (3, 3, 1e-4, ()),
        (2, 2, 0.0, ()),
        (5, 5, 4.0, (0.3,)),
        (8, 8, 1.0, ()),
    ):
        bias, mean, gamma, beta = (_random(outputs, generator=generator) for _ in range(4))
        spread = variance * (0.5 + torch.rand(outputs, generator=generator))
        yield _random(outputs, inputs, generator=generator), bias, mean, spread, gamma, beta, *eps


def fold(
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    scale = gamma / torch.sqrt(running_var + eps)  # (C_out,)
    new_weight = scale[:, None] * weight  # one factor for each row, (C_out, C_in)
    new_bias = scale * (bias - running_mean) + beta
    return new_weight, new_bias


def _fold_by_probing(
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    """Ask the two layers themselves: the answer to zero is the bias, and the answers to unit vectors give the weight."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
    norm = nn.BatchNorm1d(weight.shape[0], eps=eps, dtype=torch.float64)
    linear.load_state_dict({"weight": weight, "bias": bias})
    state = {"weight": gamma, "bias": beta, "running_mean": running_mean, "running_var": running_var}
    norm.load_state_dict(state, strict=False)
    net = nn.Sequential(linear, norm).eval()
    with torch.no_grad():
        answer = net(torch.zeros(1, weight.shape[1], dtype=torch.float64))
        new_weight = (net(torch.eye(weight.shape[1], dtype=torch.float64)) - answer).T
    return new_weight.to(weight.dtype), answer[0].to(weight.dtype)


def _fold_in_loops(
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    rows, shifts = [], []
    for w, b, m, v, g, s in zip(weight, bias, running_mean, running_var, gamma, beta):
        factor = float(g) / (float(v) + eps) ** 0.5
        rows.append([factor * float(value) for value in w])
        shifts.append(factor * float(b) + float(s) - factor * float(m))
    return torch.tensor(rows, dtype=weight.dtype), torch.tensor(shifts, dtype=weight.dtype)


def _fold_as_matrices(
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float = 1e-5,
) -> list[Tensor]:
    d = torch.diag(gamma) @ torch.diag(torch.rsqrt(running_var + eps))
    return [d @ weight, d @ bias - d @ running_mean + beta]


def _wrong_fold(
    *,
    scale: Callable[..., Tensor] = lambda v, gamma, eps: gamma / (v + eps).sqrt(),
    weights: Callable[..., Tensor] = lambda w, scale: scale[:, None] * w,
    biases: Callable[..., Tensor] = lambda b, m, beta, scale: scale * (b - m) + beta,
) -> Callable[..., tuple[Tensor, Tensor]]:
    """Folding with another scale, or another new weight or bias."""

    def wrong(
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        gamma: Tensor,
        beta: Tensor,
        eps: float = 1e-5,
    ) -> tuple[Tensor, Tensor]:
        factor = scale(running_var, gamma, eps)
        return weights(weight, factor), biases(bias, running_mean, beta, factor)

    return wrong


def _wrong_bias(new_bias: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """Folding with the right weight, and a bias of old bias, mean, γ, β and the root."""

    def wrong(
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        gamma: Tensor,
        beta: Tensor,
        eps: float = 1e-5,
    ) -> tuple[Tensor, Tensor]:
        root = _root(running_var, eps)
        return (gamma / root)[:, None] * weight, new_bias(bias, running_mean, gamma, beta, root)

    return wrong


def _fold_of_norm_before(
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    scale = gamma / _root(running_var, eps)
    return scale[:, None] * weight, bias + weight.sum(1) * (beta - scale * running_mean)


def _fold_with_mean_off_weight(
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    return fold(weight - running_mean[:, None], bias, running_mean, running_var, gamma, beta, eps)


FOLD = Exercise(
    number="02.5",
    name="fold",
    title="Two layers in one",
    kind="write",
    difficulty=2,
    minutes=12,
    trains="seeing that BatchNorm in evaluation mode is a linear map",
    stub='''def fold(weight, bias, running_mean, running_var, gamma, beta, eps=1e-5):
    """Turn a linear layer and the BatchNorm after it, in evaluation mode, into one linear layer.

    Args:
        weight: of the linear layer, as nn.Linear keeps it, (C_out, C_in)
        bias: of the linear layer, (C_out,); never None
        running_mean: of the BatchNorm, (C_out,)
        running_var: of the BatchNorm, (C_out,)
        gamma: of the BatchNorm, (C_out,)
        beta: of the BatchNorm, (C_out,)
        eps: of the BatchNorm
    Returns:
        new_weight, new_bias: (C_out, C_in) and (C_out,)
    """
    ...
''',
    hints=(
        "Write down one output: z = w·x + b goes in, γ·(z − mean)/√(var + ε) + β comes out. What stands in front of x?",
        "The factor γ/√(var + ε) belongs to an output. Which axis of the weight are the outputs? Everything without x is the new bias.",
        "Put x = 0 into both layers: what comes out is the new bias. It holds the old bias, the running mean, gamma and beta.",
        "scale = gamma / torch.sqrt(running_var + eps). Each row of the weight gets its factor: scale[:, None]. The bias minus the running mean gets it too; beta does not.",
    ),
    reference=fold,
    mistakes=(
        Mistake(
            _wrong_fold(weights=lambda w, scale: scale * w),
            "You scaled the columns of the weight: a factor then follows an input. It belongs to an output, a row: scale[:, None] has "
            "shape (C_out, 1). With C_in = C_out, shapes do not give this away.",
        ),
        Mistake(
            _wrong_fold(weights=lambda w, scale: w.T * scale),
            "Your new weight is (C_in, C_out). nn.Linear keeps one row an output: turn it back, or scale the rows with scale[:, None].",
        ),
        Mistake(
            _wrong_fold(scale=lambda v, gamma, eps: gamma / v.sqrt()),
            "eps is missing. The layer that you replace divides by √(var + ε); a feature with a small variance shows the difference, "
            "and one without spread gives a division by zero.",
        ),
        Mistake(
            _wrong_fold(scale=lambda v, gamma, eps: gamma / (v.sqrt() + eps)),
            "Your eps stands outside the root. BatchNorm divides by √(var + ε).",
        ),
        Mistake(
            _wrong_fold(scale=lambda v, gamma, eps: gamma / (v + 1e-5).sqrt()),
            "Right with the usual eps, but yours makes no use of the argument `eps`: 1e-5 is in your formula, or a torch function "
            "takes its default.",
        ),
        Mistake(
            _wrong_fold(scale=lambda v, gamma, eps: gamma / (v + eps)),
            "You divide by the variance. running_var is no standard deviation: take the root of running_var + eps.",
        ),
        Mistake(
            _wrong_fold(scale=lambda v, gamma, eps: gamma * (v + eps).sqrt()),
            "You multiply by the root. BatchNorm divides by it.",
        ),
        Mistake(
            _wrong_fold(scale=lambda v, gamma, eps: 1 / (v + eps).sqrt()),
            "gamma is missing: the factor in front of x is γ/√(var + ε).",
        ),
        Mistake(
            lambda weight, bias, running_mean, running_var, gamma, beta, eps=1e-5: (
                gamma[:, None] * weight,
                gamma * bias + beta,
            ),
            "You use gamma and beta only. BatchNorm in evaluation mode first subtracts the running mean and divides by √(var + ε).",
        ),
        Mistake(
            _wrong_fold(biases=lambda b, m, beta, scale: scale * b + beta),
            "The running mean is not in your bias. BatchNorm subtracts it from z = w·x + b before it scales: put x = 0 into both layers and compare.",
        ),
        Mistake(
            _wrong_fold(biases=lambda b, m, beta, scale: scale * (b + m) + beta),
            "The running mean has the wrong sign: it is subtracted.",
        ),
        Mistake(
            _wrong_fold(biases=lambda b, m, beta, scale: scale * (m - b) + beta),
            "bias and running mean are the wrong way round: the mean is subtracted from z = w·x + b.",
        ),
        Mistake(
            _wrong_fold(biases=lambda b, m, beta, scale: scale * (b - m + beta)),
            "You scaled beta too. It is added at the very end, after gamma.",
        ),
        Mistake(
            _wrong_bias(lambda b, m, gamma, beta, root: (b - m) / root + beta),
            "The weight is right. In the bias gamma is missing: (bias − mean) is multiplied by γ/√(var + ε), the whole factor.",
        ),
        Mistake(
            _wrong_bias(lambda b, m, gamma, beta, root: gamma * ((b - m) / root + beta)),
            "You multiply beta by gamma. beta is added at the very end, after gamma has done its work.",
        ),
        Mistake(
            _wrong_bias(lambda b, m, gamma, beta, root: gamma * (b - m / root) + beta),
            "Brackets: only the mean is divided by the root. It is (bias − mean)/√(var + ε).",
        ),
        Mistake(
            _fold_of_norm_before,
            "You folded a BatchNorm that stands before the linear layer. Here it comes after: its input is z = w·x + b.",
        ),
        Mistake(
            _wrong_fold(scale=lambda v, gamma, eps: (gamma / (v + eps)).sqrt()),
            "gamma stands under the root. Only var + ε does: γ/√(var + ε). With a negative gamma yours is not a number.",
        ),
        Mistake(
            _fold_with_mean_off_weight,
            "You subtract the running mean from the weight too. It is subtracted from z, once: it belongs to the bias only.",
        ),
        Mistake(
            _wrong_fold(biases=lambda b, m, beta, scale: b - scale * m + beta),
            "The old bias is not scaled in your version. It is a part of z, and all of z is scaled.",
        ),
        Mistake(
            _wrong_fold(biases=lambda b, m, beta, scale: scale * b - m + beta),
            "The running mean is not scaled in your version. It is subtracted before gamma/√(var + ε) multiplies.",
        ),
        Mistake(
            _wrong_fold(biases=lambda b, m, beta, scale: b - m + beta),
            "The weight is right. In the bias, the factor is missing: (bias − mean) is scaled as the weight is, then beta is added.",
        ),
        Mistake(
            _wrong_fold(biases=lambda b, m, beta, scale: beta - scale * m),
            "The old bias is gone. BatchNorm gets z = w·x + b, so b must show in the new bias.",
        ),
        Mistake(
            _wrong_fold(biases=lambda b, m, beta, scale: scale * (b - m)),
            "beta is missing: it is added to the new bias.",
        ),
        Mistake(
            _wrong_fold(biases=lambda b, m, beta, scale: b),
            "You kept the old bias. BatchNorm changes it: put x = 0 into both layers and see what comes out.",
        ),
        Mistake(
            _wrong_fold(biases=lambda b, m, beta, scale: beta),
            "Your new bias is beta alone. Put x = 0 into both layers: the old bias and the running mean count too.",
        ),
        Mistake(
            _wrong_fold(weights=lambda w, scale: w),
            "The bias is right, but the weight is the old one: each row gets the factor γ/√(var + ε).",
        ),
        Mistake(
            lambda weight, bias, running_mean, running_var, gamma, beta, eps=1e-5: fold(
                weight, bias, running_mean, running_var, gamma, beta, eps
            )[::-1],
            "Both are right, but in the wrong order: first the new weight, then the new bias.",
        ),
    ),
    styles=(_fold_by_probing, _fold_in_loops, _fold_as_matrices),
    start="Begin on paper: put z = w·x + b into γ·(z − mean)/√(var + ε) + β.",
    praise="The new layer answers as the two did, to rounding: at inference, BatchNorm after a linear layer costs nothing.",
    cases=_fold_cases,
    expected=_fold_by_probing,
)

# ---- 02.6 ---------------------------------------------------------------------------------------------------------

_SAMPLES, _CHANNELS, _LENGTH = 8, 4, 6
_TRAIN = "BatchNorm1d, train"
_EVAL = "BatchNorm1d, eval"
_UNTRACKED = "BatchNorm1d(track_running_stats=False), eval"
_LAYER = "LayerNorm, train"
_GROUP = "GroupNorm, train"
_INSTANCE = "InstanceNorm1d, train"
_TRACKED = "InstanceNorm1d(track_running_stats=True), eval"

#: Each layer, made anew.
_LAYERS: dict[str, Callable[[], nn.Module]] = {
    _TRAIN: lambda: nn.BatchNorm1d(_CHANNELS),
    _EVAL: lambda: nn.BatchNorm1d(_CHANNELS).eval(),
    _UNTRACKED: lambda: nn.BatchNorm1d(_CHANNELS, track_running_stats=False).eval(),
    _LAYER: lambda: nn.LayerNorm(_LENGTH),
    _GROUP: lambda: nn.GroupNorm(2, _CHANNELS),
    _INSTANCE: lambda: nn.InstanceNorm1d(_CHANNELS),
    _TRACKED: lambda: nn.InstanceNorm1d(_CHANNELS, track_running_stats=True).eval(),
}

#: What to say to whoever believes that a layer sees the batch.
_WHY_NOT = {
    _EVAL: "in evaluation mode BatchNorm uses its running statistics, which this call does not change",
    _LAYER: "LayerNorm takes its mean inside one sample",
    _GROUP: "GroupNorm groups the channels of one sample, not the samples of a batch",
    _INSTANCE: "InstanceNorm takes each channel of each sample alone; an instance is one sample",
    _TRACKED: "in evaluation mode its running statistics are used. Many batches have made them, but they do not change with this one",
}


def _moved(layer: nn.Module, *, rounds: int = 5) -> float:
    """How far the output of sample 0 moves, at most, when all the other samples are drawn anew."""
    generator = torch.Generator().manual_seed(6)
    shape = (_SAMPLES, _CHANNELS, _LENGTH)
    for buffer in layer.buffers():
        if buffer.is_floating_point():  # running statistics as after some training, not those of a fresh layer
            buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    x = torch.randn(shape, generator=generator)
    farthest = 0.0
    with torch.no_grad():
        first = layer(x)[0]
        for _ in range(rounds):
            other = 3 * torch.randn(shape, generator=generator) + 1
            other[0] = x[0]
            farthest = max(farthest, float((layer(other)[0] - first).abs().max()))
    return farthest


_BELIEFS: tuple[tuple[set[str], str], ...] = (
    (
        {_TRAIN},
        "Right as far as it goes, but one is missing. Look again at track_running_stats=False: evaluation mode means "
        '"use the running statistics", and this layer keeps none. What is left for it to use?',
    ),
    (
        {_TRAIN, _EVAL},
        "BatchNorm in evaluation mode uses its running statistics: these are fixed, and the neighbours of a sample play no part. "
        "That is what evaluation mode is for. And one other layer has no running statistics to use.",
    ),
    (
        {_TRAIN, _EVAL, _UNTRACKED},
        "You chose every BatchNorm. In evaluation mode it uses its running statistics, if it has any: then the neighbours of a sample "
        "play no part. Which of the two has some?",
    ),
    (
        {_EVAL, _UNTRACKED},
        "Training and evaluation are the wrong way round for BatchNorm: in training it normalises with the batch at hand.",
    ),
    (
        {_TRAIN, _LAYER, _GROUP, _INSTANCE},
        "Training mode alone does not decide. LayerNorm, GroupNorm and InstanceNorm take their statistics inside one sample, in both modes.",
    ),
    (
        {_TRAIN, _UNTRACKED, _LAYER, _GROUP, _INSTANCE},
        "LayerNorm, GroupNorm and InstanceNorm take their statistics inside one sample, in both modes. The two others are right.",
    ),
    (
        {_EVAL, _UNTRACKED, _TRACKED},
        "Evaluation mode alone does not decide: with running statistics, the batch at hand plays no part. And in training mode one of "
        "the layers does see the batch.",
    ),
    (
        {_TRAIN, _UNTRACKED, _GROUP},
        "GroupNorm does not see the batch: its groups are groups of channels inside one sample, not of samples. The two others are right.",
    ),
    (
        {_TRAIN, _GROUP},
        "GroupNorm does not see the batch: its groups are groups of channels inside one sample. And one layer is missing: "
        "what does BatchNorm use in evaluation mode when it keeps no running statistics?",
    ),
    (
        {_TRAIN, _UNTRACKED, _LAYER},
        "LayerNorm does not see the batch: its mean is taken inside one sample. The two others are right.",
    ),
    (
        {_TRAIN, _UNTRACKED, _INSTANCE},
        "InstanceNorm does not see the batch: an instance is one sample, and each of its channels is normalised alone. The two others are right.",
    ),
    (
        {_TRAIN, _UNTRACKED, _TRACKED},
        "InstanceNorm with running statistics has seen many batches, but in evaluation mode these numbers are fixed: "
        "the samples next to yours do not change them. The two others are right.",
    ),
    (
        {_TRAIN, _UNTRACKED, _INSTANCE, _TRACKED},
        "InstanceNorm does not see the batch: in training it takes each channel of one sample alone, and in evaluation, with running "
        "statistics, it uses fixed numbers. The two others are right.",
    ),
    (
        {_TRAIN, _TRACKED},
        "The running statistics of an InstanceNorm are fixed in evaluation mode. The layer that you look for is one that has none: "
        "what does it use then?",
    ),
    (
        {_TRAIN, _EVAL, _UNTRACKED, _TRACKED},
        "Running statistics come from many batches, but in evaluation mode they are fixed: the samples next to yours do not change them. "
        "Which layers have some, and which does not?",
    ),
    (
        set(_LAYERS),
        "That would make it impossible to answer for one sample alone. Change samples 1 to 7, and look at sample 0 of each layer's output.",
    ),
    (
        {_UNTRACKED},
        "Right as far as it goes, but one is missing: which mode of BatchNorm uses the batch at hand, even if running statistics are there?",
    ),
    (
        set(),
        "At least one does. Change samples 1 to 7 of x, and look at sample 0 of each layer's output.",
    ),
)


def _accept_names(given: set[str]) -> str:
    sees = {name: _moved(make()) > 1e-4 for name, make in _LAYERS.items()}
    # Of a name too many one can say why it is wrong. Of a missing one that would hand out the answer.
    extra = [name for name in _LAYERS if name in given and not sees[name]]
    missing = [name for name in _LAYERS if name not in given and sees[name]]
    if extra:
        more = len(extra) - 1 + len(missing)
        return (
            f"`{extra[0]}` does not see the other samples: {_WHY_NOT[extra[0]]}. Measured: when they change, sample 0 does not move."
            + (f" Of the other 6 names, {more} {'is' if more == 1 else 'are'} decided wrongly." if more else "")
        )
    return "Those that you chose do see the batch, but not all are there that do." if missing else ""


SEES_THE_BATCH = Selection(
    names=tuple(_LAYERS),
    number="02.6",
    name="sees_the_batch",
    title="Who looks at the neighbours?",
    kind="investigate",
    difficulty=2,
    minutes=10,
    trains="knowing when a prediction depends on the rest of the batch",
    stub="""sees_the_batch = ...  # a set of names, in braces

# You call a layer on a batch x, (8, 4, 6). For which of these layers does the output of sample 0
# change when the other samples of the batch change? Copy their names.
#     "BatchNorm1d, train"
#     "BatchNorm1d, eval"
#     "BatchNorm1d(track_running_stats=False), eval"
#     "LayerNorm, train"
#     "GroupNorm, train"
#     "InstanceNorm1d, train"
#     "InstanceNorm1d(track_running_stats=True), eval"
""",
    hints=(
        "Ask of each layer: where do its mean and its variance come from? From one sample, from the batch, or from memory?",
        "Do not trust the word: measure. x = torch.randn(8, 4, 6), z = x.clone(), z[1:] = torch.randn(7, 4, 6); compare layer(x)[0] with layer(z)[0].",
        "Evaluation mode means: use the running statistics. One of these layers has none.",
        "The layers to try: nn.BatchNorm1d(4), nn.LayerNorm(6), nn.GroupNorm(2, 4), nn.InstanceNorm1d(4), with the options of the names, and .eval() where a name says so.",
    ),
    reference={_TRAIN, _UNTRACKED},
    mistakes=tuple(Mistake(belief, feedback) for belief, feedback in _BELIEFS),
    styles=([_UNTRACKED, _TRAIN], frozenset({_TRAIN, _UNTRACKED}), (_TRAIN, _UNTRACKED)),
    start="Take one layer, change samples 1 to 7, and compare the output of sample 0.",
    praise="Measured again with torch: for these layers, and for no other of the seven, sample 0 moves when its neighbours change.",
    accept=_accept_names,
    example={_LAYER},
)

EXERCISES = (BATCH_NORM, UPDATE_RUNNING, NORMALISE_TOKENS, GROUP_NORM, FOLD, SEES_THE_BATCH)
check = Checks(EXERCISES)

QUIZ = Quiz(
    "02",
    (
        Question(
            "You measure the validation error under torch.no_grad(), but forgot model.eval(). What does BatchNorm do?",
            (
                Choice(
                    "It uses its running statistics, since no gradients are asked for",
                    "Gradients have no part in it. The layer reads its own flag, which train() and eval() set.",
                ),
                Choice(
                    "It uses the batch's statistics and leaves its running ones as they are",
                    "The first half is true. But in training mode each forward pass moves the running statistics, with or without gradients.",
                ),
                Choice(
                    "It uses the batch's statistics and moves its running ones",
                    "Right: that is training mode. Each prediction depends on its neighbours, and the validation data leave a trace in the model.",
                    right=True,
                ),
                Choice(
                    "It raises an error: training mode needs gradients",
                    "If only it did. The numbers look plausible, and nothing complains.",
                ),
            ),
        ),
        Question(
            "In nn.BatchNorm1d(1, momentum=0.1) the running mean is 2. A training batch has mean 4. What is the running mean after it?",
            (
                Choice(
                    "3.8",
                    "That would keep 10 % of the old value. Some other libraries count momentum so; in PyTorch it is the weight of the new one.",
                ),
                Choice(
                    "2.2",
                    "Right: 0.9 · 2 + 0.1 · 4. momentum is the weight of the new value. An optimizer's momentum is the other way round: it multiplies the old.",
                    right=True,
                ),
                Choice(
                    "2.4",
                    "You added 0.1 · 4 and kept all of the old value. The two weights add up to 1: the old one keeps 0.9.",
                ),
                Choice(
                    "3",
                    "That is the mean of the old and the new. It would be right for momentum=0.5.",
                ),
            ),
        ),
        Question(
            "Images have shape (N, C, H, W), and nothing has been trained yet (γ = 1, β = 0). nn.GroupNorm(1, C) gives the same as …",
            (
                Choice(
                    "LayerNorm over (C, H, W)",
                    "Right: one group holds all channels, so each sample is normalised over all its values.",
                    right=True,
                ),
                Choice(
                    "InstanceNorm2d(C)",
                    "That is the other end: GroupNorm(C, C), where each channel is a group of its own.",
                ),
                Choice(
                    "BatchNorm2d(C) in training mode",
                    "BatchNorm averages over the batch. No GroupNorm does: its groups are channels of one sample.",
                ),
                Choice(
                    "BatchNorm2d(C) in evaluation mode",
                    "That one uses running statistics. GroupNorm keeps none: it measures each sample anew.",
                ),
            ),
        ),
        Question(
            "Near the end of the first epoch, training stops: Expected more than 1 value per channel when training, got input size torch.Size([1, 16]). Why?",
            (
                Choice(
                    "A squeeze() has removed the batch dimension",
                    "Then the size would be [16], and the message would ask for 2D or 3D input. Here the batch dimension is there: it is 1.",
                ),
                Choice(
                    "The layer was made for another number of features than 16",
                    "Then the message would name two numbers: running_mean should contain … elements not ….",
                ),
                Choice(
                    "model.eval() was called too early",
                    "In evaluation mode a batch of one is no problem: the layer uses its running statistics.",
                ),
                Choice(
                    "The last batch holds a single sample",
                    "Right: a single value minus its own mean is 0, so every output would be β, whatever x is. drop_last=True in the DataLoader leaves such a batch out.",
                    right=True,
                ),
            ),
        ),
        Question(
            "A linear layer with a bias stands directly before BatchNorm. What does that bias do to the output in training?",
            (
                Choice(
                    "It shifts each feature, just as β does",
                    "It would, without the normalisation. But a shift of the feature is a shift of its mean too, and the mean is subtracted.",
                ),
                Choice(
                    "It changes nothing in the output",
                    "Right: it is in z and in the mean of z, and the difference is free of it. Its gradient is zero apart from rounding, so bias=False saves memory and changes nothing in training.",
                    right=True,
                ),
                Choice(
                    "It keeps the variance away from zero",
                    "A constant adds nothing to a variance. What protects the root from zero is ε.",
                ),
                Choice(
                    "It slows training: the mean has to follow it",
                    "The batch mean follows at once: it is computed anew in each step. The bias is only of no use.",
                ),
            ),
        ),
    ),
)
