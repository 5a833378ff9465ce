"""Answers that stand in no table: wrong ones that look right, and right ones in odd styles."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

from course_utils.practice.lesson_01 import check
from course_utils.practice.verdict import Status

Answer = Callable[..., Any]


# ---- 01.1


def unbiased_both(predictions: Any, truth: Any) -> Any:
    return ((predictions.mean(0) - truth) ** 2).mean(), predictions.std(0).pow(2).mean()


def scatter_around_truth(predictions: Any, truth: Any) -> Any:
    bias = ((predictions.mean(0) - truth) ** 2).mean()
    return bias, ((predictions - truth) ** 2).mean()


def sums_not_means(predictions: Any, truth: Any) -> Any:
    average = predictions.mean(0)
    return ((average - truth) ** 2).sum(), ((predictions - average) ** 2).mean(0).sum()


def median_model(predictions: Any, truth: Any) -> Any:
    average = predictions.median(0).values
    return ((average - truth) ** 2).mean(), ((predictions - average) ** 2).mean()


def one_value_an_input(predictions: Any, truth: Any) -> Any:
    return (predictions.mean(0) - truth) ** 2, predictions.var(0, unbiased=False)


def in_numpy(predictions: Any, truth: Any) -> Any:
    p, t = predictions.numpy(), truth.numpy()
    return np.mean((p.mean(axis=0) - t) ** 2), np.var(p, axis=0).mean()


def by_difference(predictions: Any, truth: Any) -> Any:
    average = predictions.mean(dim=0, keepdim=True)
    return mse_loss(average[0], truth), mse_loss(predictions, truth.expand_as(predictions)) - mse_loss(
        average[0], truth
    )


def single_precision(predictions: Any, truth: Any) -> Any:
    p, t = predictions.float(), truth.float()
    return torch.stack([((p.mean(0) - t) ** 2).mean(), p.var(0, correction=0).mean()])


def as_an_array(predictions: Any, truth: Any) -> Any:
    return np.array([float(part) for part in in_numpy(predictions, truth)])


# ---- 01.2


def as_an_array_of_ints(losses: Any, patience: int) -> Any:
    return np.array(by_accumulation(losses, patience))


def wants_a_little_less(losses: Any, patience: int, min_delta: float = 1e-4) -> Any:
    lowest, best = math.inf, 0
    for epoch, loss in enumerate(losses):
        if loss < lowest - min_delta:
            lowest, best = loss, epoch
        if epoch - best >= patience:
            break
    return epoch, best


def begins_at_a_hundred(losses: Any, patience: int) -> Any:
    lowest, best, bad = 100.0, 0, 0
    for epoch, loss in enumerate(losses):
        if loss < lowest:
            lowest, best, bad = loss, epoch, 0
        else:
            bad += 1
        if bad >= patience:
            return epoch, best
    return len(losses) - 1, best


def begins_at_zero_backwards(losses: Any, patience: int) -> Any:
    best = min(range(len(losses)), key=losses.__getitem__)
    return min(best + patience, len(losses) - 1), best


def resets_one_too_few(losses: Any, patience: int) -> Any:
    best, bad = 0, 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[best]:
            best, bad = epoch, 1
        else:
            bad += 1
        if bad > patience:
            return epoch, best
    return len(losses) - 1, best


def forgets_the_end(losses: Any, patience: int) -> Any:
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        elif epoch - best >= patience:
            return epoch, best
    return len(losses), best


def by_accumulation(losses: Any, patience: int) -> Any:
    lowest = list(itertools.accumulate(losses, min))
    bests = [losses.index(value) for value in lowest]
    return next(((e, b) for e, b in enumerate(bests) if e - b >= patience), (len(losses) - 1, bests[-1]))


def as_a_tensor(losses: Any, patience: int) -> Any:
    lowest, best, epoch = float("inf"), -1, -1
    while epoch + 1 < len(losses) and (best < 0 or epoch - best < patience):
        epoch += 1
        if losses[epoch] < lowest:
            lowest, best = losses[epoch], epoch
    return torch.tensor([epoch, best])


# ---- 01.3


def freezes_the_model(model: Any, x: Any, y: Any, batch_size: int) -> Any:
    was = model.training
    model.eval().requires_grad_(False)
    total = sum(float(((model(a) - b) ** 2).sum()) for a, b in zip(x.split(batch_size), y.split(batch_size)))
    model.train(was)
    return total / len(x)


def switches_gradients_off(model: Any, x: Any, y: Any, batch_size: int) -> Any:
    torch.set_grad_enabled(False)
    was = model.training
    model.eval()
    error = mse_loss(model(x), y).item()
    model.train(was)
    return error


def leaves_gradients_behind(model: Any, x: Any, y: Any, batch_size: int) -> Any:
    was = model.training
    model.eval()
    error = mse_loss(model(x), y)
    error.backward()
    model.train(was)
    return error.item()


def switches_dropout_off_for_good(model: Any, x: Any, y: Any, batch_size: int) -> Any:
    for layer in model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    return mse_loss(model(x), y).item()


def ignores_the_last_batch(model: Any, x: Any, y: Any, batch_size: int) -> Any:
    was = model.training
    model.eval()
    whole = max(batch_size, len(x) // batch_size * batch_size)
    error = mse_loss(model(x[:whole]), y[:whole]).item()
    model.train(was)
    return error


def broadcasts(model: Any, x: Any, y: Any, batch_size: int) -> Any:
    was = model.training
    model.eval()
    error = float(((model(x) - y.squeeze(1)) ** 2).mean())
    model.train(was)
    return error


def with_a_generator(model: Any, x: Any, y: Any, batch_size: int) -> Any:
    modes = [(part, part.training) for part in model.modules()]
    model.train(False)
    with torch.inference_mode():
        batches = zip(torch.split(x, batch_size), torch.split(y, batch_size))
        error = sum(mse_loss(model(a), b, reduction="sum") for a, b in batches) / y.numel()
    for part, mode in modes:
        part.training = mode
    return error


# ---- 01.4


def starts_at_ten(model: Any, train_step: Any, validate: Any, epochs: int) -> Any:
    lowest, state = 10.0, copy.deepcopy(model.state_dict())
    for _ in range(epochs):
        train_step(model)
        if (loss := validate(model)) < lowest:
            lowest, state = loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(state)
    return lowest


def shallow_copy(model: Any, train_step: Any, validate: Any, epochs: int) -> Any:
    lowest, state = math.inf, dict(model.state_dict())
    for _ in range(epochs):
        train_step(model)
        if (loss := validate(model)) < lowest:
            lowest, state = loss, dict(model.state_dict())
    model.load_state_dict(state)
    return lowest


def returns_a_copy_of_the_model(model: Any, train_step: Any, validate: Any, epochs: int) -> Any:
    lowest, best = math.inf, model
    for _ in range(epochs):
        train_step(model)
        if (loss := validate(model)) < lowest:
            lowest, best = loss, copy.deepcopy(model)
    model = best
    return lowest


def keeps_the_first_layer_only(model: Any, train_step: Any, validate: Any, epochs: int) -> Any:
    lowest, kept = math.inf, None
    for _ in range(epochs):
        train_step(model)
        if (loss := validate(model)) < lowest:
            lowest, kept = loss, copy.deepcopy(model[0].state_dict())
    model[0].load_state_dict(kept)
    return lowest


def saves_to_a_buffer(model: Any, train_step: Any, validate: Any, epochs: int) -> Any:
    import io

    lowest, saved = math.inf, b""
    for _ in range(epochs):
        train_step(model)
        loss = validate(model)
        if loss < lowest:
            buffer = io.BytesIO()
            torch.save(model.state_dict(), buffer)
            lowest, saved = loss, buffer.getvalue()
    model.load_state_dict(torch.load(io.BytesIO(saved), weights_only=True))
    return lowest


def keeps_every_tensor(model: Any, train_step: Any, validate: Any, epochs: int) -> Any:
    history = []
    for _ in range(epochs):
        train_step(model)
        tensors = itertools.chain(model.parameters(), model.buffers())
        history.append((validate(model), [tensor.detach().clone() for tensor in tensors]))
    loss, kept = min(history, key=lambda entry: entry[0])
    for tensor, value in zip(itertools.chain(model.parameters(), model.buffers()), kept):
        tensor.data.copy_(value)
    return torch.tensor(loss)


def wants_much_less(model: Any, train_step: Any, validate: Any, epochs: int) -> Any:
    lowest, state = math.inf, None
    for _ in range(epochs):
        train_step(model)
        if (loss := validate(model)) < lowest - 1e-3:
            lowest, state = loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(state)
    return lowest


def through_parameters(model: Any, train_step: Any, validate: Any, epochs: int) -> Any:
    history = []
    for _ in range(epochs):
        train_step(model)
        history.append((validate(model), [p.detach().clone() for p in model.parameters()]))
    loss, weights = min(history, key=lambda entry: entry[0])
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights):
            parameter.copy_(weight)
    return np.float64(loss)


WRONG: list[tuple[str, Answer]] = [
    ("bias_variance", unbiased_both),
    ("bias_variance", scatter_around_truth),
    ("bias_variance", sums_not_means),
    ("bias_variance", median_model),
    ("bias_variance", one_value_an_input),
    ("early_stop", begins_at_a_hundred),
    ("early_stop", begins_at_zero_backwards),
    ("early_stop", resets_one_too_few),
    ("early_stop", forgets_the_end),
    ("validation_error", freezes_the_model),
    ("validation_error", switches_gradients_off),
    ("validation_error", ignores_the_last_batch),
    ("validation_error", broadcasts),
    ("keep_best", starts_at_ten),
    ("keep_best", shallow_copy),
    ("keep_best", returns_a_copy_of_the_model),
    ("keep_best", keeps_the_first_layer_only),
    ("keep_best", through_parameters),
    ("keep_best", wants_much_less),
    ("early_stop", wants_a_little_less),
    ("validation_error", leaves_gradients_behind),
    ("validation_error", switches_dropout_off_for_good),
]

RIGHT: list[tuple[str, Answer]] = [
    ("bias_variance", in_numpy),
    ("bias_variance", by_difference),
    ("bias_variance", single_precision),
    ("early_stop", by_accumulation),
    ("early_stop", as_a_tensor),
    ("validation_error", with_a_generator),
    ("bias_variance", as_an_array),
    ("early_stop", as_an_array_of_ints),
    ("keep_best", saves_to_a_buffer),
    ("keep_best", keeps_every_tensor),
]


def title(value: object) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", "")


@pytest.mark.parametrize(("name", "answer"), WRONG, ids=title)
def test_wrong_answer_is_not_accepted(name: str, answer: Answer) -> None:
    verdict = getattr(check, name).task.judge(answer)
    assert verdict.status is Status.NOT_YET, str(verdict)


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=title)
def test_right_answer_in_an_odd_style_is_accepted(name: str, answer: Answer) -> None:
    verdict = getattr(check, name).task.judge(answer)
    assert verdict.status is Status.CORRECT, str(verdict)
