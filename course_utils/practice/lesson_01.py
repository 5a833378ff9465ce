"""Lesson 01, overfitting: exercises with their wrong answers, and the quiz."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.practice.check import Checks
from course_utils.practice.exercise import Exercise
from course_utils.practice.investigation import Investigation
from course_utils.practice.quiz import Choice, Question, Quiz
from course_utils.practice.task import Mistake
from course_utils.practice.verdict import short

# ---- 01.1 ---------------------------------------------------------------------------------------------------------


def _prediction_cases() -> Iterator[tuple[Tensor, Tensor]]:
    """(R, n) predictions and (n,) truths, from a tiny hand-made one to random shapes."""
    yield (
        torch.tensor([[1.0, 4.0], [3.0, 4.0]], dtype=torch.float64),
        torch.tensor([1.0, 2.0], dtype=torch.float64),
    )
    generator = torch.Generator().manual_seed(1)
    for models, points in ((2, 1), (1, 3), (3, 4), (5, 2), (40, 30)):
        shape = (models, points)
        spread = torch.randn(shape, generator=generator, dtype=torch.float64)
        yield spread + 0.7, torch.randn(points, generator=generator, dtype=torch.float64)


def bias_variance(predictions: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    average = predictions.mean(0)  # (R, n) -> (n,)
    bias_squared = ((average - truth) ** 2).mean()
    variance = ((predictions - average) ** 2).mean()
    return bias_squared, variance


def _bias_variance_in_loops(predictions: Tensor, truth: Tensor) -> tuple[float, float]:
    rows, target = predictions.tolist(), truth.tolist()
    models, points = len(rows), len(target)
    bias_squared = variance = 0.0
    for i in range(points):
        average = sum(row[i] for row in rows) / models
        bias_squared += (average - target[i]) ** 2 / points
        variance += sum((row[i] - average) ** 2 for row in rows) / models / points
    return bias_squared, variance


def _bias_variance_einsum(predictions: Tensor, truth: Tensor) -> list[Tensor]:
    models, points = predictions.shape
    m = torch.einsum("rn->n", predictions) / models
    return [
        torch.dot(m - truth, m - truth) / points,
        torch.einsum("rn,rn->", predictions, predictions) / (models * points) - (m @ m) / points,
    ]


BIAS_VARIANCE = Exercise(
    number="01.1",
    name="bias_variance",
    title="Bias and variance from many models",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="telling the two parts of the error apart",
    stub='''def bias_variance(predictions, truth):
    """Split the error of many models into bias² and variance.

    Args:
        predictions: R models at n inputs, (R, n)
        truth: the true curve at the same inputs, without noise, (n,)
    Returns:
        bias_squared, variance: two numbers, each a mean over the n inputs
    """
    ...
''',
    hints=(
        "Bias asks: where does the *average* model stand? Variance asks: how far do the models scatter around it?",
        "The average model is predictions.mean(0), one value an input. Both answers are built from it.",
        "bias² is the mean over inputs of (average − truth)²; variance is the mean over models and inputs of (predictions − average)².",
    ),
    reference=bias_variance,
    mistakes=(
        Mistake(
            lambda predictions, truth: (
                ((predictions.mean(0) - truth) ** 2).mean(),
                predictions.var(0).mean(),
            ),
            "Your variance divides by R − 1 (the default of torch.var). Here the R models are all there is, not a sample of "
            "more: divide by R, or bias² + variance will not add up to the error. Try R = 1.",
        ),
        Mistake(
            lambda predictions, truth: (
                ((predictions.mean(0) - truth) ** 2).mean(),
                predictions.var(0).mean() if len(predictions) > 1 else 0.0,
            ),
            "Your variance is right for R = 1; for more models it divides by R − 1, the default of torch.var. Divide by R "
            "everywhere (unbiased=False): then no special case is needed, and bias² + variance adds up to the error.",
        ),
        Mistake(
            lambda predictions, truth: bias_variance(predictions, truth)[::-1],
            "Both numbers are right, but in the wrong order: first bias², then the variance.",
        ),
        Mistake(
            lambda predictions, truth: (
                ((predictions.mean(0) - truth) ** 2).mean(),
                ((predictions - truth) ** 2).mean(),
            ),
            "Your variance is the whole error: it measures how far each model is from the truth. Variance does not know the "
            "truth; it is the scatter around the average model.",
        ),
        Mistake(
            lambda predictions, truth: (
                (predictions.mean(0) - truth).mean(),
                predictions.var(0, unbiased=False).mean(),
            ),
            "Your bias keeps its sign: being too high at one input then hides being too low at another. Square the "
            "difference at each input, then average.",
        ),
        Mistake(
            lambda predictions, truth: (
                ((predictions - truth) ** 2).mean(),
                predictions.var(0, unbiased=False).mean(),
            ),
            "Your bias² is the whole error: it compares each model with the truth. Bias compares the average model with it: "
            "first average over the models, then square.",
        ),
        Mistake(
            lambda predictions, truth: (
                (predictions.mean(0) - truth).mean() ** 2,
                predictions.var(0, unbiased=False).mean(),
            ),
            "You averaged over the inputs before squaring: being too high at one input then hides being too low at another. "
            "Square at each input first.",
        ),
        Mistake(
            lambda predictions, truth: (
                (predictions.mean(0) - truth).abs().mean(),
                predictions.var(0, unbiased=False).mean(),
            ),
            "Your bias is not squared: you took absolute values. Only squares add up to the squared error.",
        ),
        Mistake(
            lambda predictions, truth: (
                ((predictions.mean(0) - truth) ** 2).mean(),
                predictions.var(1, unbiased=False).mean(),
            ),
            "Your variance runs along the inputs: it measures how wavy one model is. Variance here is the scatter of the "
            "models at one input, along dimension 0.",
        ),
        Mistake(
            lambda predictions, truth: (
                ((predictions.mean(0) - truth) ** 2).mean(),
                predictions.std(0, unbiased=False).mean(),
            ),
            "You return the standard deviation. The variance is its square, and only the variance adds up.",
        ),
        Mistake(
            lambda predictions, truth: (
                ((predictions.mean(0) - truth) ** 2).mean(),
                predictions.var(unbiased=False),
            ),
            "Your variance pools all inputs: it also counts that the curve has different heights at different inputs. "
            "Subtract the average model at each input first.",
        ),
    ),
    styles=(_bias_variance_in_loops, _bias_variance_einsum),
    start="Begin with the average model: one mean over the right dimension.",
    praise="bias² + variance now equals the mean squared distance from the truth, to the last digit.",
    cases=_prediction_cases,
    expected=_bias_variance_in_loops,
)

# ---- 01.2 ---------------------------------------------------------------------------------------------------------


def _loss_cases() -> Iterator[tuple[list[float], int]]:
    """Validation curves and patiences: short hand-made ones with ties and late second descents, then random ones."""
    yield [3.0, 2.0, 2.5, 2.6], 2
    yield [1.0], 1
    yield [3.0, 2.0, 1.0], 1
    yield [3.0, 2.0, 2.0, 2.0, 1.0], 2
    yield [3.0, 2.0, 2.5, 1.5, 2.0, 1.4, 1.6, 1.7], 2
    yield [3.0, 2.0, 2.5, 2.4, 2.3, 1.0], 3
    yield [3.0, 2.0, 2.5, 2.4, 2.3, 2.2, 1.0], 5
    yield [3.0, 2.0, 2.0, 2.5], 2  # an equal loss is an epoch without improvement
    yield [1.0, 0.99999, 0.99998, 1.5], 1  # a small improvement is one
    yield [2e30, 1e30, 3e30, 3e30], 2  # a loss may be larger than any number one starts from
    generator = np.random.default_rng(2)
    for _ in range(30):
        epochs = int(generator.integers(2, 25))
        losses = np.exp(-np.arange(epochs) / 6) + 0.15 * generator.standard_normal(epochs)
        yield [round(float(value), 2) for value in losses], int(generator.integers(1, 7))


def early_stop(losses: list[float], patience: int) -> tuple[int, int]:
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        if epoch - best >= patience:
            return epoch, best
    return len(losses) - 1, best


def _early_stop_by_definition(losses: list[float], patience: int) -> tuple[int, int]:
    """For every prefix: where is its first minimum, and how long ago was it?"""
    for last in range(len(losses)):
        seen = losses[: last + 1]
        if last - seen.index(min(seen)) >= patience:
            return last, seen.index(min(seen))
    return len(losses) - 1, losses.index(min(losses))


def _early_stop_with_counter(losses: list[float], patience: int) -> tuple[int, int]:
    lowest, best, bad = math.inf, 0, 0
    for epoch in range(len(losses)):
        improved = losses[epoch] < lowest
        bad = 0 if improved else bad + 1
        if improved:
            lowest, best = losses[epoch], epoch
        if bad == patience:
            break
    return epoch, best


def _stop_one_late(losses: list[float], patience: int) -> tuple[int, int]:
    return early_stop(losses, patience + 1)


def _stop_one_early(losses: list[float], patience: int) -> tuple[int, int]:
    return early_stop(losses, patience - 1)


def _stop_one_early_after_a_bad_epoch(losses: list[float], patience: int) -> tuple[int, int]:
    return early_stop(losses, max(1, patience - 1))


def _stop_ties_do_not_count(losses: list[float], patience: int) -> tuple[int, int]:
    bad, best = 0, 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            bad, best = 0, epoch
        elif loss > losses[best]:
            bad += 1
        if bad >= patience:
            return epoch, best
    return len(losses) - 1, best


def _stop_against_last_epoch(losses: list[float], patience: int) -> tuple[int, int]:
    bad, best = 0, 0
    for epoch in range(1, len(losses)):
        bad = 0 if losses[epoch] < losses[epoch - 1] else bad + 1
        best = epoch if losses[epoch] < losses[best] else best
        if bad >= patience:
            return epoch, best
    return len(losses) - 1, best


def _stop_without_reset(losses: list[float], patience: int) -> tuple[int, int]:
    bad, best = 0, 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[best]:
            best = epoch
        else:
            bad += 1
        if bad >= patience:
            return epoch, best
    return len(losses) - 1, best


def _stop_ties_improve(losses: list[float], patience: int) -> tuple[int, int]:
    best = 0
    for epoch, loss in enumerate(losses):
        if loss <= losses[best]:
            best = epoch
        if epoch - best >= patience:
            return epoch, best
    return len(losses) - 1, best


def _stop_sees_the_future(losses: list[float], patience: int) -> tuple[int, int]:
    return early_stop(losses, patience)[0], losses.index(min(losses))


def _stop_is_best(losses: list[float], patience: int) -> tuple[int, int]:
    stop = early_stop(losses, patience)[0]
    return stop, stop


def _stop_swapped(losses: list[float], patience: int) -> tuple[int, int]:
    stop, best = early_stop(losses, patience)
    return best, stop


def _stop_upwards(losses: list[float], patience: int) -> tuple[int, int]:
    return early_stop([-loss for loss in losses], patience)


def _stop_counts_from_one(losses: list[float], patience: int) -> tuple[int, int]:
    stop, best = early_stop(losses, patience)
    return stop + 1, best + 1


EARLY_STOP = Exercise(
    number="01.2",
    name="early_stop",
    title="Early stopping with patience",
    kind="write",
    difficulty=2,
    minutes=15,
    trains="the rule that later lessons use in every run",
    stub='''def early_stop(losses, patience):
    """Say when to stop, and which epoch to keep. Epochs count from 0.

    An epoch is an improvement if its loss is strictly lower than every loss before it.
    Training stops after `patience` epochs in a row without one, or at the end of the list.

    Args:
        losses: validation loss after each epoch, a list with at least one number
        patience: 1 or more
    Returns:
        stop, best: the last epoch that was trained, and the best epoch seen until then
    """
    ...
''',
    hints=(
        "Walk through the epochs and remember one thing: the epoch of the lowest loss so far.",
        "How many epochs have passed without improvement? That is epoch − best.",
        "Inside the loop: if loss < losses[best], best becomes epoch; if epoch − best >= patience, return epoch, best. After the loop: the last epoch.",
    ),
    reference=early_stop,
    mistakes=(
        Mistake(
            _stop_one_late,
            "You train one epoch too long. With patience 1, the first epoch without improvement is already the last one.",
        ),
        Mistake(
            _stop_one_early,
            "You stop one epoch too early. With patience 1, the first epoch without improvement is the last one, and the very "
            "first epoch always improves.",
        ),
        Mistake(
            _stop_one_early_after_a_bad_epoch,
            "You stop one epoch too early as soon as patience is 2 or more: count as many bad epochs in a row as patience says.",
        ),
        Mistake(
            _stop_ties_do_not_count,
            "An equal loss is no improvement, so it counts as a bad epoch. In your version it counts as neither, and a loss that "
            "only stays the same would keep the training alive for ever.",
        ),
        Mistake(
            _stop_against_last_epoch,
            "You compare with the epoch before. Compare with the best so far: a loss that creeps down from a bad value has "
            "not improved on anything.",
        ),
        Mistake(
            _stop_without_reset,
            "Your count of bad epochs never goes back to zero. Patience counts bad epochs in a row: each improvement starts it anew.",
        ),
        Mistake(
            _stop_ties_improve,
            "You count an equal loss as an improvement. A loss that only stays the same would then keep the training alive "
            "for ever: use strictly lower.",
        ),
        Mistake(
            _stop_sees_the_future,
            "Your best epoch may lie after the stop: it looks at losses that were never computed. Only epochs up to the stop exist.",
        ),
        Mistake(
            _stop_is_best,
            "You keep the last epoch. It is patience epochs past the best one: keep the epoch of the lowest loss.",
        ),
        Mistake(_stop_swapped, "The two numbers are in the wrong order: first the stop, then the best epoch."),
        Mistake(
            _stop_upwards,
            "You look for the highest value. That is right for accuracy; a loss is better when it is lower.",
        ),
        Mistake(_stop_counts_from_one, "Both numbers are one too high: epochs count from 0, as the list does."),
    ),
    styles=(_early_stop_by_definition, _early_stop_with_counter),
    start="Begin with a loop over the epochs that remembers the best one so far.",
    praise="It agrees with the definition on every curve tried, ties and late second descents included.",
    cases=_loss_cases,
    expected=_early_stop_by_definition,
)

# ---- 01.3 ---------------------------------------------------------------------------------------------------------


def _dropout_model(seed: int, *, training: bool) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 1)).double()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model.train(training)


def _evaluation_cases() -> Iterator[tuple[nn.Module, Tensor, Tensor, int]]:
    """Models with dropout, in both modes, on data that the batch size does and does not divide."""
    generator = torch.Generator().manual_seed(3)
    for seed, (n, batch_size, training) in enumerate(
        (
            (3, 2, True),
            (3, 2, False),
            (4, 2, True),
            (4, 2, False),
            (7, 3, True),
            (10, 16, True),
            (23, 5, False),
        )
    ):
        x = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        y = torch.randn(n, 1, generator=generator, dtype=torch.float64)
        yield _dropout_model(seed, training=training), x, y, batch_size


def validation_error(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    was_training = model.training
    model.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(x), batch_size):
            xb, yb = x[start : start + batch_size], y[start : start + batch_size]
            total += F.mse_loss(model(xb), yb, reduction="sum").item()
    model.train(was_training)
    return total / y.numel()


def _error_in_one_piece(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    """Everything at once on a copy in evaluation mode; then no batching can go wrong."""
    with torch.no_grad():
        return float(((copy.deepcopy(model).eval()(x) - y) ** 2).mean())


def _error_weighted(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> Tensor:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    pairs = zip(x.split(batch_size), y.split(batch_size))
    weighted = [F.mse_loss(model(xb), yb).detach() * len(xb) for xb, yb in pairs]
    for module, mode in modes.items():
        module.training = mode
    return torch.stack(weighted).sum() / len(x)


def _wrong_error(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    batch_size: int,
    *,
    mode: bool | None,
    weighted: bool,
    after: bool | None,
) -> float:
    """The broken loop in its variants: mode while measuring, how batches are averaged, mode afterwards."""
    was_training = model.training
    model.train(was_training if mode is None else mode)
    pairs = list(zip(x.split(batch_size), y.split(batch_size)))
    losses = [F.mse_loss(model(xb), yb).detach() * (len(xb) if weighted else 1) for xb, yb in pairs]
    model.train(was_training if after is None else after)
    return float(sum(losses)) / (len(x) if weighted else len(pairs))


def _wrong_flag(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    was_training = model.training
    model.eval()
    error = _error_in_one_piece(model, x, y, batch_size)
    model.training = was_training
    return error


def _wrong_last_batch(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    trial = copy.deepcopy(model).eval()
    pairs = zip(x.split(batch_size), y.split(batch_size))
    return sum(F.mse_loss(trial(xb), yb).item() * batch_size for xb, yb in pairs) / len(x)


def _see_error_and_mode(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The error and the mode of every layer: what dropout does is up to the dropout layer's own flag."""
    modes = {"training" if layer.training else "evaluation" for layer in arguments[0].modules()}
    return {"error": result, "mode afterwards": modes.pop() if len(modes) == 1 else "not the same in all layers"}


def _expected_error(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    return _error_in_one_piece(model, x, y, batch_size)


VALIDATION_ERROR = Exercise(
    number="01.3",
    name="validation_error",
    title="A validation error that can be trusted",
    kind="debug",
    difficulty=2,
    minutes=10,
    trains="measuring without changing what is measured",
    stub='''def validation_error(model, x, y, batch_size):
    """Mean squared error over all samples, measured batch by batch.

    The result does not depend on batch_size, and the model is left as it was found.

    Args:
        model: maps (N, d) to (N, 1); may hold dropout; may be in training or in evaluation mode
        x: (N, d)
        y: (N, 1)
        batch_size: samples a batch; N need not be a multiple of it
    Returns:
        the error, one number
    """
    losses = []
    for start in range(0, len(x), batch_size):
        xb, yb = x[start : start + batch_size], y[start : start + batch_size]
        losses.append(F.mse_loss(model(xb), yb).numpy())
    return sum(losses) / len(losses)
''',
    hints=(
        "Read the error message: the loss still carries the graph of the backward pass. Nobody needs that graph here.",
        "Three quiet faults remain after the crash is gone. What does dropout do in training mode? In which mode does the "
        "caller get the model back? And is the mean of batch means the mean over samples when the last batch is smaller?",
        "Remember model.training; model.eval(); under torch.no_grad() add up each batch's loss times its size; "
        "model.train(remembered); divide the sum by len(x).",
    ),
    reference=validation_error,
    mistakes=(
        Mistake(
            lambda model, x, y, batch_size: _wrong_error(
                model, x, y, batch_size, mode=None, weighted=False, after=None
            ),
            "The crash is gone, but dropout still drops: in training mode the error is random. Switch to evaluation mode "
            "while you measure. (There is one more fault: the last batch.)",
        ),
        Mistake(
            lambda model, x, y, batch_size: _wrong_error(model, x, y, batch_size, mode=None, weighted=True, after=None),
            "Each sample has its weight now, but dropout still drops: in training mode the error is random. Use evaluation mode while "
            "you measure: `model.eval()` reaches every layer inside, `model.training = False` only the outermost.",
        ),
        Mistake(
            lambda model, x, y, batch_size: _wrong_error(
                model, x, y, batch_size, mode=False, weighted=False, after=False
            ),
            "The last batch is smaller, yet counts as much as the others: weight each batch by its size. "
            "The model also stays in evaluation mode: its caller wanted to go on training.",
        ),
        Mistake(
            lambda model, x, y, batch_size: _wrong_error(
                model, x, y, batch_size, mode=False, weighted=False, after=None
            ),
            "The last batch is smaller, yet counts as much as the others: weight each batch by its size.",
        ),
        Mistake(
            lambda model, x, y, batch_size: _wrong_error(
                model, x, y, batch_size, mode=False, weighted=True, after=False
            ),
            "The number is right, but the model stays in evaluation mode: from here on its caller would train without "
            "dropout. Put back the mode that you found.",
        ),
        Mistake(
            lambda model, x, y, batch_size: _wrong_error(
                model, x, y, batch_size, mode=False, weighted=True, after=True
            ),
            "The number is right, but you always end in training mode. A model that came in evaluation mode must leave in "
            "it: put back the mode that you found.",
        ),
        Mistake(
            lambda model, x, y, batch_size: _wrong_error(
                model, x, y, batch_size, mode=False, weighted=False, after=True
            ),
            "The last batch is smaller, yet counts as much as the others: weight each batch by its size. "
            "And you always end in training mode: put back the mode that you found.",
        ),
        Mistake(
            _wrong_flag,
            "The number is right, but the dropout layer inside stays in evaluation mode: `model.training = …` sets the flag of "
            "the outermost module only, and a shallow copy shares its layers. `model.train(mode)` reaches every layer.",
        ),
        Mistake(
            _wrong_last_batch,
            "Nearly: you weight each batch by batch_size, but the last one may be smaller. Weight it by its own size, len(xb).",
        ),
        Mistake(
            lambda model, x, y, batch_size: _error_in_one_piece(model, x, y, batch_size) * len(y),
            "You return the sum over samples. Divide by their number, or more data will look like a worse model.",
        ),
    ),
    styles=(_error_in_one_piece, _error_weighted),
    start="Run it on any model first and read the error.",
    praise="Same number for every batch size, and the model comes back in the mode it came in.",
    cases=_evaluation_cases,
    expected=_expected_error,
    observe=_see_error_and_mode,
)

# ---- 01.4 ---------------------------------------------------------------------------------------------------------


class Scripted:
    """A stand-in for validation: after k steps, as the model's first weight shows, it gives the k-th loss."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses
        self.__name__ = f"validate, which gives {', '.join(map(str, losses))}"

    def __call__(self, model: nn.Module) -> float:
        """Give the loss for the step that the model's weight shows."""
        position = round(float(next(model.parameters()).detach().flatten()[0])) - 1
        return self.losses[position] if 0 <= position < len(self.losses) else 9.0


class Step:
    """A stand-in for training: each call adds 1 to the weights and leaves its own number in the buffers.

    So a second run does not repeat the first, just as with batches drawn at random.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.__name__ = "train_step"

    def __call__(self, model: nn.Module) -> None:
        """Train for one epoch."""
        self.calls += 1
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1.0)
            for buffer in model.buffers():
                buffer.fill_(self.calls)


def _training_cases() -> Iterator[tuple[nn.Module, Any, Any, int]]:
    """A model whose weights count the steps, and scripted losses with early, late, tied, close and huge minima."""
    generator = np.random.default_rng(4)
    scripts = [[2.0, 1.0, 3.0], [1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [2.0, 1.0, 1.0, 2.0]]
    scripts += [[1.0, 0.99999, 2.0], [5e30, 4e30, 6e30]]
    scripts += [
        [round(float(value), 2) for value in generator.random(int(n))] for n in generator.integers(2, 9, size=6)
    ]
    for losses in scripts:
        model = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1)).double()
        for tensor in model.state_dict().values():
            tensor.zero_()
        yield model, Step(), Scripted(losses), len(losses)


def keep_best(model: nn.Module, train_step: Any, validate: Any, epochs: int) -> float:
    best_loss, best_state = float("inf"), copy.deepcopy(model.state_dict())
    for _ in range(epochs):
        train_step(model)
        loss = validate(model)
        if loss < best_loss:
            best_loss, best_state = loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    return best_loss


def _keep_best_by_script(model: nn.Module, train_step: Step, validate: Scripted, epochs: int) -> float:
    """What must come out, read from the script: nothing is trained, nothing is kept."""
    lowest = min(validate.losses[:epochs])
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(validate.losses.index(lowest) + 1)
    return lowest


def _keep_best_as_model(model: nn.Module, train_step: Any, validate: Any, epochs: int) -> Any:
    losses, history = [], []
    for _ in range(epochs):
        train_step(model)
        losses.append(validate(model))
        history.append(copy.deepcopy(model))
    model.load_state_dict(history[int(np.argmin(losses))].state_dict())
    return np.min(losses)


def _keep_best_with_clones(model: nn.Module, train_step: Any, validate: Any, epochs: int) -> Tensor:
    kept: list[tuple[float, dict[str, Tensor]]] = []
    for _ in range(epochs):
        train_step(model)
        kept.append((validate(model), {name: value.clone() for name, value in model.state_dict().items()}))
    loss, state = min(kept, key=lambda pair: pair[0])
    model.load_state_dict(state)
    return torch.tensor(loss, dtype=torch.float64)


def _keep_reference(model: nn.Module, train_step: Any, validate: Any, epochs: int) -> float:
    best_loss, best_state = math.inf, model.state_dict()
    for _ in range(epochs):
        train_step(model)
        loss = validate(model)
        if loss < best_loss:
            best_loss, best_state = loss, model.state_dict()
    model.load_state_dict(best_state)
    return best_loss


def _keep_last_loss(model: nn.Module, train_step: Any, validate: Any, epochs: int) -> float:
    loss = math.inf
    for _ in range(epochs):
        train_step(model)
        loss = validate(model)
    return loss


def _keep_highest(model: nn.Module, train_step: Any, validate: Any, epochs: int) -> float:
    return -keep_best(model, train_step, lambda m: -validate(m), epochs)


def _keep_later_tie(model: nn.Module, train_step: Any, validate: Any, epochs: int) -> float:
    best_loss, best_state = math.inf, copy.deepcopy(model.state_dict())
    for _ in range(epochs):
        train_step(model)
        loss = validate(model)
        if loss <= best_loss:
            best_loss, best_state = loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    return best_loss


def _keep_before_step(model: nn.Module, train_step: Any, validate: Any, epochs: int) -> float:
    best_loss, best_state = math.inf, copy.deepcopy(model.state_dict())
    for _ in range(epochs):
        before = copy.deepcopy(model.state_dict())
        train_step(model)
        loss = validate(model)
        if loss < best_loss:
            best_loss, best_state = loss, before
    model.load_state_dict(best_state)
    return best_loss


def _keep_and_return_last(model: nn.Module, train_step: Any, validate: Any, epochs: int) -> float:
    seen = []
    keep_best(model, train_step, lambda m: seen.append(validate(m)) or seen[-1], epochs)  # type: ignore[func-returns-value]
    return seen[-1]


def _keep_parameters(model: nn.Module, train_step: Any, validate: Any, epochs: int) -> float:
    best_loss, kept = math.inf, [parameter.detach().clone() for parameter in model.parameters()]
    for _ in range(epochs):
        train_step(model)
        loss = validate(model)
        if loss < best_loss:
            best_loss, kept = loss, [parameter.detach().clone() for parameter in model.parameters()]
    for parameter, value in zip(model.parameters(), kept):
        parameter.data.copy_(value)
    return best_loss


def _keep_by_replay(model: nn.Module, train_step: Any, validate: Any, epochs: int) -> float:
    trial, losses = copy.deepcopy(model), []
    for _ in range(epochs):
        train_step(trial)
        losses.append(validate(trial))
    for _ in range(losses.index(min(losses)) + 1):
        train_step(model)
    return min(losses)


def _see_loss_and_state(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The loss and every number of the model's state: each is the epoch that it comes from."""
    model: nn.Module = arguments[0]
    tensors = {"weights": model.parameters(), "buffers": model.buffers()}
    seen = {kind: [float(tensor.detach().flatten()[0]) for tensor in found] for kind, found in tensors.items()}
    return {"loss": result, **seen}


KEEP_BEST = Exercise(
    number="01.4",
    name="keep_best",
    title="Keep the best weights",
    kind="write",
    difficulty=3,
    minutes=15,
    trains="the difference between a tensor and its values",
    stub='''def keep_best(model, train_step, validate, epochs):
    """Train, and leave the model with the weights that had the lowest validation loss.

    Each epoch: one train_step, then one validate. Of equal losses, the earlier one wins.

    Args:
        model: any nn.Module; changed in place
        train_step: train_step(model) trains for one epoch, in place
        validate: validate(model) gives the validation loss, one number
        epochs: how many, 1 or more
    Returns:
        the lowest validation loss
    """
    ...
''',
    hints=(
        "After the loop you need weights that the model no longer has. Who remembers them?",
        "model.state_dict() does not copy: its tensors are the model's own, and they go on changing with every step.",
        "When a loss is lower than the lowest so far: best_state = copy.deepcopy(model.state_dict()). After the loop: model.load_state_dict(best_state).",
    ),
    reference=keep_best,
    mistakes=(
        Mistake(
            _keep_reference,
            "The loss is right, but the model has its last weights, not its best. state_dict() hands out the live tensors: "
            "what you kept went on changing with the model. Keep a copy: copy.deepcopy(model.state_dict()). If you did copy, load it back at the end.",
        ),
        Mistake(
            _keep_last_loss,
            "You return the last loss and leave the last weights. Remember the lowest loss, a copy of the weights that had it, and load them at the end.",
        ),
        Mistake(_keep_highest, "You keep the highest loss. A loss is better when it is lower."),
        Mistake(
            _keep_later_tie,
            "Of two equal losses you keep the later one. Use strictly lower: the earlier epoch has trained less for the same result.",
        ),
        Mistake(
            _keep_before_step,
            "You keep the weights from before the step that gave the lowest loss: one epoch too early. Copy after train_step.",
        ),
        Mistake(
            _keep_and_return_last,
            "The model has its best weights, but you return the last loss instead of the lowest.",
        ),
        Mistake(
            _keep_parameters,
            "The parameters are right, but a model's state holds more: buffers, such as the running mean of a BatchNorm layer, "
            "change in training too, and yours are the last ones. model.state_dict() holds both: keep a copy of that.",
        ),
        Mistake(
            _keep_by_replay,
            "You train a second time. That gives the same model only if every epoch can be repeated exactly, and most cannot: "
            "batches are drawn at random. Keep a copy while the best epoch goes by.",
        ),
    ),
    styles=(_keep_best_as_model, _keep_best_with_clones),
    start="Begin with the loop: train_step, validate, and compare with the lowest loss so far.",
    praise="After training, the model is what it was at its best epoch, whatever came later.",
    cases=_training_cases,
    expected=_keep_best_by_script,
    observe=_see_loss_and_state,
    may_change=frozenset({"model"}),
)

# ---- 01.5 ---------------------------------------------------------------------------------------------------------

_SETTINGS = {
    "few and noisy": (15, 1.0),
    "few and clean": (15, 0.05),
    "many and noisy": (300, 0.6),
    "many and clean": (300, 0.1),
}
_DEGREES = range(11)
#: A degree counts as best if its error is within 15 % of the lowest: closer than the sliders can show.
_SLACK = 1.15


def _errors_over_degree(n: int, noise: float, *, sets: int = 60) -> np.ndarray:
    """Mean squared distance from the true wave, one number a degree, (11,): in another basis, by another library."""
    generator = np.random.default_rng(5)
    grid = np.linspace(-0.9, 0.9, 101)
    truth = np.sin(4 * grid + 0.7)
    errors = np.zeros(len(_DEGREES))
    for _ in range(sets):
        x = (np.arange(n) + generator.random(n)) * 2 / n - 1
        y = np.sin(4 * x + 0.7) + noise * generator.standard_normal(n)
        for degree in _DEGREES:
            fitted = np.polynomial.Legendre.fit(x, y, degree, domain=[-1, 1])
            errors[degree] += ((fitted(grid) - truth) ** 2).mean() / sets
    return errors


def _whole(value: Any) -> int:
    """A whole number, whichever library it comes from; −1 for anything else."""
    if isinstance(value, bool) or (isinstance(value, Tensor) and value.dtype == torch.bool):
        return -1
    try:
        return operator.index(value)
    except TypeError:
        return -1


def _accept_degrees(answer: Any) -> str:
    if not isinstance(answer, dict) or set(answer) != set(_SETTINGS):
        return f"A dict with the keys {', '.join(map(repr, _SETTINGS))} is expected."
    for name, (n, noise) in _SETTINGS.items():
        degree = _whole(answer[name])
        if degree not in _DEGREES:
            return f"For {name!r}, a whole number from 0 to 10 is expected, not {short(answer[name])} ({type(answer[name]).__name__})."
        errors = _errors_over_degree(n, noise)
        if errors[degree] > _SLACK * errors.min():
            side = (
                "bias: too stiff to follow the wave" if degree < errors.argmin() else "variance: it follows the noise"
            )
            return (
                f"For {name!r} (n = {n}, noise {noise:g}), degree {degree} has {errors[degree] / errors.min():.1f} times the lowest error. "
                f"What is too large there is the {side}. Look at both parts in the explorer."
            )
    return ""


BEST_DEGREE = Investigation(
    number="01.5",
    name="best_degree",
    title="Which degree fits which data?",
    kind="investigate",
    difficulty=1,
    minutes=10,
    trains="matching model size to data and noise",
    stub="""best_degree = {
    "few and noisy": ...,  # n = 15, noise 1.0
    "few and clean": ...,  # n = 15, noise 0.05
    "many and noisy": ...,  # n = 300, noise 0.6
    "many and clean": ...,  # n = 300, noise 0.1
}
""",
    hints=(
        "Set n and noise in the explorer, then move only the degree. The right-hand figure shows the lowest point of the error.",
        "More data and less noise make the variance small, and then a higher degree costs little. Few noisy points want a stiff curve.",
        "Or measure: parts_of_error(degree, n=15, noise=1.0) for each degree from 0 to 10, and add the two parts.",
    ),
    reference={"few and noisy": 3, "few and clean": 6, "many and noisy": 6, "many and clean": 7},
    mistakes=(
        Mistake(
            dict.fromkeys(_SETTINGS, 10),
            "Degree 10 everywhere has the lowest *training* error. The question is about the distance from the true curve.",
        ),
        Mistake(
            dict.fromkeys(_SETTINGS, 5),
            "One degree for all: then the data would not matter. Compare 15 noisy points with 300 clean ones in the explorer.",
        ),
        Mistake(
            {"few and noisy": 6, "few and clean": 3, "many and noisy": 7, "many and clean": 6},
            "Noise and degree are the wrong way round: a flexible curve has the freedom to follow noise, so noisy data need a stiffer one.",
        ),
        Mistake(
            {"few and noisy": 6, "few and clean": 7, "many and noisy": 3, "many and clean": 6},
            "Few and many are the wrong way round: with more data the variance falls, so a higher degree can be afforded.",
        ),
    ),
    styles=(
        {"few and noisy": 4, "few and clean": 6, "many and noisy": 5, "many and clean": 7},
        {"few and noisy": np.int64(3), "few and clean": 6, "many and noisy": 6, "many and clean": 8},
    ),
    start="Use the explorer above: set n and noise, then look for the degree with the lowest error.",
    praise="Measured again with other data and another library: each of your degrees is within 15 % of the lowest error.",
    accept=_accept_degrees,
    example={"few and noisy": 2},
    seconds=20.0,
)

EXERCISES = (BIAS_VARIANCE, EARLY_STOP, VALIDATION_ERROR, KEEP_BEST, BEST_DEGREE)
check = Checks(EXERCISES)

QUIZ = Quiz(
    "01",
    (
        Question(
            "Training error is high, and validation error is just as high. What helps?",
            (
                Choice(
                    "Early stopping",
                    "Early stopping ends the training before the model fits noise. This model does not even fit the signal yet.",
                ),
                Choice(
                    "A more flexible model, or better features",
                    "Right: both errors high and close together means underfitting. The model cannot follow the signal, so give it the means to.",
                    right=True,
                ),
                Choice(
                    "More data of the same kind",
                    "More data lowers variance. Here the bias is too high, and each new sample would be fitted as badly as the old ones.",
                ),
                Choice("A smaller model", "A smaller model is stiffer still: the bias would grow."),
            ),
        ),
        Question(
            "You refit the same model on many fresh training sets. Its predictions at one input scatter widely around the true value. What is large?",
            (
                Choice(
                    "The bias",
                    "Bias is how far the *average* prediction is from the truth. Scattering around the true value, the average is close to it.",
                ),
                Choice(
                    "The noise",
                    "Noise is in the targets. It would be there even if all models predicted the same value.",
                ),
                Choice(
                    "The variance",
                    "Right: variance is the scatter of the models from one training set to the next.",
                    right=True,
                ),
                Choice(
                    "The training error",
                    "The training error says how closely each model follows its own set. Models that scatter widely often have a very low one.",
                ),
            ),
        ),
        Question(
            "With patience 3, validation losses are 5, 4, 4.5, 4.2, 4.1, 3. What happens?",
            (
                Choice(
                    "Training stops after the loss 4.1; the weights of loss 4 are kept",
                    "Right: 4.5, 4.2 and 4.1 are three epochs in a row that are not below 4. The loss 3 is never computed.",
                    right=True,
                ),
                Choice(
                    "Training goes on to 3, because the loss has been falling since 4.5",
                    "Patience compares with the best so far, 4, not with the epoch before.",
                ),
                Choice("Training stops after 4.5, the first rise", "That would be patience 1."),
                Choice(
                    "Training stops after 4.1 and keeps the weights of 4.1",
                    "The weights kept are those of the best epoch, not of the last one.",
                ),
            ),
        ),
        Question(
            "You picked the best of 200 models by their validation error. Its validation error is …",
            (
                Choice(
                    "an honest estimate of its error on new data",
                    "It would be for one model chosen beforehand. You took the lowest of 200 noisy numbers.",
                ),
                Choice(
                    "too high, because validation data were not trained on",
                    "Not being trained on makes it honest for one model. Choosing by it is what bends it, and downwards.",
                ),
                Choice("meaningless", "It still ranks models, with some noise. Only its value is bent."),
                Choice(
                    "too low on average: choosing rewards luck on these samples",
                    "Right: the winner is partly the luckiest. The test set, used once, gives the honest number.",
                    right=True,
                ),
            ),
        ),
        Question(
            "A training run was killed. You load the saved model weights and train on, with a new Adam. Is it the same run?",
            (
                Choice(
                    "No: Adam's running averages, the data order and the random state are lost",
                    "Right: that is loading weights. Resuming needs the state of the optimizer, the schedule, the epoch and the random generators too.",
                    right=True,
                ),
                Choice(
                    "Yes: the weights are all that a model is",
                    "They are all that the *model* is. A run is more: the optimizer has a memory of its own.",
                ),
                Choice(
                    "Yes, if the learning rate is the same",
                    "Adam divides by a running average of squared gradients. A new Adam starts that average at zero, so its first steps differ.",
                ),
                Choice(
                    "No: weights cannot be loaded into a new model object",
                    "They can, with load_state_dict, if the layers have the same names and shapes.",
                ),
            ),
        ),
    ),
)
