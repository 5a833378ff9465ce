"""Answers that stand in no table: wrong ones that look right, and right ones in odd styles."""

from __future__ import annotations

import copy
import importlib
import itertools
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.functional import mse_loss
from torchvision import transforms
from torchvision.transforms import v2

from course_utils.practice.exercise import Exercise
from course_utils.practice.investigation import Selection
from course_utils.practice.verdict import Status
from course_utils.text import words as text_words
from practice.lessons import TASKS, card_cell, written

Answer = Callable[..., Any]
BY_NAME = {task.name: task for task in TASKS}


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


# ---- 02.1


def both_modes(trained: Answer) -> Answer:
    """Let a training-mode function do evaluation as torch does."""

    def in_both(x: Any, mean: Any, var: Any, gamma: Any, beta: Any, training: bool, eps: float = 1e-5) -> Any:
        return trained(x, gamma, beta, eps) if training else F.batch_norm(x, mean, var, gamma, beta, False, eps=eps)

    return in_both


def norm_2d(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    return gamma * (x - x.mean(0)) / torch.sqrt(x.var(0, unbiased=False) + eps) + beta


def norm_without_transpose(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    return norm_2d(x.reshape(-1, x.shape[1]), gamma, beta, eps).reshape(x.shape)


def norm_by_absolute_deviation(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    rows = x.movedim(1, -1)
    axes = tuple(range(x.ndim - 1))
    centred = rows - rows.mean(axes)
    return (gamma * centred / (centred.abs().mean(axes) + eps) + beta).movedim(-1, 1)


def norm_with_eps_squared(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    return norm_by_squares(x, gamma, beta, eps**2)


def norm_with_a_floor(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    rows = x.movedim(1, -1)
    axes = tuple(range(x.ndim - 1))
    variance = rows.var(axes, correction=0).clamp(min=eps)
    return (gamma * (rows - rows.mean(axes)) / variance.sqrt() + beta).movedim(-1, 1)


def norm_unbiased_for_sequences(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    rows = x.movedim(1, -1)
    axes = tuple(range(x.ndim - 1))
    variance = rows.var(axes, correction=x.ndim - 2)
    return (gamma * (rows - rows.mean(axes)) / torch.sqrt(variance + eps) + beta).movedim(-1, 1)


def norm_in_place(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    result = norm_by_squares(x, gamma, beta, eps)
    return x.copy_(result)


def norm_by_squares(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    axes, shape = [axis for axis in range(x.dim()) if axis != 1], [-1, *[1] * (x.dim() - 2)]
    mean = x.mean(axes, keepdim=True)
    root = ((x * x).mean(axes, keepdim=True) - mean * mean + eps).sqrt()
    return (x - mean) / root * gamma.view(shape) + beta.view(shape)


def norm_in_single_precision(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    return norm_by_squares(x.float(), gamma.float(), beta.float(), eps)


def norm_by_numpy(inputs: Any, weight: Any, bias: Any, epsilon: float = 1e-5) -> Any:
    columns = np.moveaxis(inputs.numpy(), 1, 0).reshape(len(weight), -1)
    hat = (columns - columns.mean(1, keepdims=True)) / np.sqrt(columns.var(1, keepdims=True) + epsilon)
    made = (weight.numpy()[:, None] * hat + bias.numpy()[:, None]).reshape(len(weight), len(inputs), -1)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(made, 0, 1))).reshape(inputs.shape)


def norm_that_remembers(x: Any, mean: Any, var: Any, gamma: Any, beta: Any, training: bool, eps: float = 1e-5) -> Any:
    return F.batch_norm(x, mean, var, gamma, beta, training, eps=eps)  # moves the caller's memory


def norm_corrected_in_evaluation(
    x: Any, mean: Any, var: Any, gamma: Any, beta: Any, training: bool, eps: float = 1e-5
) -> Any:
    n = x.numel() // x.shape[1]
    return F.batch_norm(x, mean, var if training else var * (n - 1) / n, gamma, beta, False, eps=eps)


def norm_by_a_layer(x: Any, mean: Any, var: Any, gamma: Any, beta: Any, training: bool, eps: float = 1e-5) -> Any:
    layer = nn.BatchNorm1d(x.shape[1], eps=eps).train(training)
    layer.load_state_dict({"running_mean": mean, "running_var": var}, strict=False)
    layer.weight.data, layer.bias.data = gamma, beta
    return layer(x)


# ---- 02.2


def running_in_place(running_mean: Any, running_var: Any, x: Any, momentum: float = 0.1) -> Any:
    F.batch_norm(x, running_mean, running_var, training=True, momentum=momentum)
    return running_mean, running_var


def running_of_the_first_position(running_mean: Any, running_var: Any, x: Any, momentum: float = 0.1) -> Any:
    return running_on_copies(running_mean, running_var, x if x.ndim == 2 else x[:, :, 0], momentum)


def running_spread_mixed(running_mean: Any, running_var: Any, x: Any, momentum: float = 0.1) -> Any:
    mean, _ = running_on_copies(running_mean, running_var, x, momentum)
    spread = x.movedim(1, 0).flatten(1).std(1)
    return mean, ((1 - momentum) * running_var.sqrt() + momentum * spread) ** 2


def running_pooled(running_mean: Any, running_var: Any, x: Any, momentum: float = 0.1) -> Any:
    mean, variance = running_on_copies(running_mean, running_var, x, momentum)
    shift = x.movedim(1, 0).flatten(1).mean(1) - running_mean
    return mean, variance + momentum * (1 - momentum) * shift**2


def running_corrected_as_a_whole(running_mean: Any, running_var: Any, x: Any, momentum: float = 0.1) -> Any:
    n = x.numel() // x.shape[1]
    values = x.movedim(1, 0).flatten(1)
    mixed = (1 - momentum) * running_var + momentum * values.var(1, correction=0)
    return (1 - momentum) * running_mean + momentum * values.mean(1), mixed * n / (n - 1)


def running_on_copies(running_mean: Any, running_var: Any, x: Any, momentum: float = 0.1) -> Any:
    mean, variance = running_mean.clone(), running_var.clone()
    F.batch_norm(x, mean, variance, training=True, momentum=momentum)
    return [mean, variance]


def running_in_single_precision(running_mean: Any, running_var: Any, x: Any, momentum: float = 0.1) -> Any:
    return running_on_copies(running_mean.float(), running_var.float(), x.float(), momentum)


def running_stacked(running_mean: Any, running_var: Any, x: Any, momentum: float = 0.1) -> Any:
    axes = [0, 2][: x.ndim - 1]
    return torch.stack([running_mean.lerp(x.mean(axes), momentum), running_var.lerp(x.var(axes), momentum)])


def running_by_a_layer(running_mean: Any, running_var: Any, x: Any, momentum: float = 0.1) -> Any:
    layer: Any = nn.BatchNorm1d(x.shape[1], momentum=momentum)
    layer.running_mean.copy_(running_mean)
    layer.running_var.copy_(running_var)
    layer(x)
    return layer.running_mean, layer.running_var


def running_by_numpy(running_mean: Any, running_var: Any, x: Any, momentum: float = 0.1) -> Any:
    axes, keep = (0, 2)[: x.ndim - 1], 1 - momentum
    new_mean = keep * running_mean.numpy() + momentum * x.numpy().mean(axes)
    return new_mean, keep * running_var.numpy() + momentum * x.numpy().var(axes, ddof=1)


# ---- 02.3


def tokens_averaged(x: Any, norm: Any) -> Any:
    return norm(x.mean(1))[:, None].expand_as(x)


def tokens_swapped_after_an_error(x: Any, norm: Any) -> Any:
    try:
        return norm(x)
    except RuntimeError:
        return norm(x.transpose(1, 2)).transpose(1, 2)


def tokens_always_trained_on(x: Any, norm: Any) -> Any:
    mode = norm.training
    y = norm.train()(x.mT).mT
    norm.train(mode)
    return y


def tokens_with_another_momentum(x: Any, norm: Any) -> Any:
    norm.momentum = None
    return norm(x.mT).mT


def tokens_by_the_function(x: Any, norm: Any) -> Any:
    memory = norm.running_mean, norm.running_var
    return F.batch_norm(x.mT, *memory, norm.weight, norm.bias, norm.training, norm.momentum, norm.eps).mT


def tokens_cut_off_the_layer(x: Any, norm: Any) -> Any:
    memory, affine = (norm.running_mean, norm.running_var), (norm.weight.detach(), norm.bias.detach())
    return F.batch_norm(x.mT, *memory, *affine, norm.training, norm.momentum, norm.eps).mT


def tokens_normalised_in_place(x: Any, norm: Any) -> Any:
    with torch.no_grad():
        x.copy_(norm(x.mT).mT)
    return x


def tokens_by_numpy(x: Any, norm: Any) -> Any:
    swapped = torch.from_numpy(x.detach().numpy().swapaxes(1, 2))
    return torch.from_numpy(norm(swapped).detach().numpy().swapaxes(1, 2))


def tokens_flattened(x: Any, norm: Any) -> Any:
    return norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])


# ---- 02.4


def groups_by_a_layer(x: Any, groups: int, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    layer = nn.GroupNorm(groups, x.shape[1], eps=eps)
    layer.load_state_dict({"weight": gamma, "bias": beta})
    return layer(x)


def groups_with_the_layers_own_weights(x: Any, groups: int, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    return nn.GroupNorm(groups, x.shape[1], eps=eps)(x) * gamma.sum() + beta.sum()


def groups_over_rows_of_pixels(x: Any, groups: int, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    cut = x.unflatten(1, (groups, -1))
    root = (cut.var((2, 3), correction=0, keepdim=True) + eps).sqrt()
    whole = ((cut - cut.mean((2, 3), keepdim=True)) / root).reshape(x.shape)
    return whole * gamma[:, None, None] + beta[:, None, None]


def groups_with_gamma_dealt_out(x: Any, groups: int, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    gamma, beta = (values.view(-1, groups).T.reshape(-1, 1, 1) for values in (gamma, beta))
    return F.group_norm(x, groups, eps=eps) * gamma + beta


def groups_as_channels_of_one_sample(x: Any, groups: int, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    flat = F.batch_norm(x.reshape(1, len(x) * groups, -1), None, None, training=True, eps=eps)
    return flat.reshape(x.shape) * gamma.view(-1, 1, 1) + beta.view(-1, 1, 1)


# ---- 02.5


def fold_of_the_weights_own_spread(
    weight: Any, bias: Any, running_mean: Any, running_var: Any, gamma: Any, beta: Any, eps: float = 1e-5
) -> Any:
    scale = gamma / (weight.var(1, correction=0) + eps).sqrt()
    return scale[:, None] * weight, scale * (bias - running_mean) + beta


def fold_with_the_mean_scaled_by_the_root_only(
    weight: Any, bias: Any, running_mean: Any, running_var: Any, gamma: Any, beta: Any, eps: float = 1e-5
) -> Any:
    root = (running_var + eps).sqrt()
    return (gamma / root)[:, None] * weight, gamma / root * bias - running_mean / root + beta


def fold_by_unit_vectors(
    weight: Any, bias: Any, running_mean: Any, running_var: Any, gamma: Any, beta: Any, eps: float = 1e-5
) -> Any:
    def both(x: Any) -> Any:
        return F.batch_norm(x @ weight.T + bias, running_mean, running_var, gamma, beta, False, eps=eps)

    answer = both(torch.zeros(1, weight.shape[1]))[0]
    return (both(torch.eye(weight.shape[1])) - answer).T, answer


def fold_in_place(
    weight: Any, bias: Any, running_mean: Any, running_var: Any, gamma: Any, beta: Any, eps: float = 1e-5
) -> Any:
    scale = gamma / (running_var + eps).sqrt()
    return weight.mul_(scale[:, None]), bias.sub_(running_mean).mul_(scale).add_(beta)


def fold_by_torch(
    weight: Any, bias: Any, running_mean: Any, running_var: Any, gamma: Any, beta: Any, eps: float = 1e-5
) -> Any:
    return nn.utils.fusion.fuse_linear_bn_weights(weight, bias, running_mean, running_var, eps, gamma, beta)


def fold_turned_twice(w: Any, b: Any, mean: Any, variance: Any, g: Any, s: Any, epsilon: float = 1e-5) -> Any:
    inverse = (variance.float() + epsilon) ** -0.5
    return (w.float().T * inverse * g.float()).T, s + (b - mean) * inverse * g


# ---- 03.1


def penalises_the_largest(loss: Any, model: Any, l1: float, l2: float) -> Any:
    for name, w in model.named_parameters():
        if "bias" not in name:
            loss = loss + l1 * w.abs().max() + l2 * (w**2).max()
    return loss


def penalises_by_writing_gradients(loss: Any, model: Any, l1: float, l2: float) -> Any:
    for name, w in model.named_parameters():
        if "bias" not in name:
            loss = loss + float(l1 * w.abs().sum() + l2 * (w**2).sum())
            w.grad = l1 * w.sign().detach() + 2 * l2 * w.detach()
    return loss


def penalises_in_proportion(loss: Any, model: Any, l1: float, l2: float) -> Any:
    return loss * (1 + penalises_in_one_sum(0.0, model, l1, l2))


def penalises_l2_in_the_value_only(loss: Any, model: Any, l1: float, l2: float) -> Any:
    whole = penalises_in_one_sum(loss, model, l1, l2)
    return whole.detach() + (
        penalises_in_one_sum(loss, model, l1, 0.0) - penalises_in_one_sum(loss, model, l1, 0.0).detach()
    )


def penalises_in_one_sum(loss: Any, model: Any, l1: float, l2: float) -> Any:
    weights = [w for name, w in model.named_parameters() if not name.endswith("bias")]
    return loss + sum(l1 * w.abs().sum() + l2 * w.pow(2).sum() for w in weights)


def penalises_in_place_by_sign(loss: Any, model: Any, l1: float, l2: float) -> Any:
    for w in (w for w in model.parameters() if w.dim() > 1):
        loss += l2 * torch.dot(w.flatten(), w.flatten()) + l1 * (w * w.sign()).sum()
    return loss


def penalises_with_torch_norms(loss: Any, model: Any, l1: float, l2: float) -> Any:
    row = torch.cat([w.reshape(-1) for name, w in model.named_parameters() if name.split(".")[-1] == "weight"])
    return loss + l1 * torch.linalg.vector_norm(row, 1) + l2 * torch.linalg.vector_norm(row) ** 2


# ---- 03.2


def stops_where_the_sign_turns(w: Any, grad: Any, lr: float, lam: float) -> Any:
    moved = w - lr * (grad + lam * w.sign())
    return torch.where(moved * w < 0, 0.0, moved)


def shrinks_the_whole_vector(w: Any, grad: Any, lr: float, lam: float) -> Any:
    v = w - lr * grad
    return v * (1 - lr * lam / v.norm()).clamp(min=0)


def nearly_zero(w: Any, grad: Any, lr: float, lam: float) -> Any:
    v = F.softshrink(w - lr * grad, lr * lam)
    return torch.where(v == 0, 1e-9, v)


def steps_in_place(w: Any, grad: Any, lr: float, lam: float) -> Any:
    return F.softshrink(w.sub_(grad, alpha=lr), lr * lam)


def shrinks_by_a_ratio(w: Any, grad: Any, lr: float, lam: float) -> Any:
    v = w - lr * grad
    return v * torch.clamp(1 - lr * lam / v.abs(), min=0)


def shrinks_in_three_parts(w: Any, grad: Any, lr: float, lam: float) -> Any:
    v, t = w - lr * grad, lr * lam
    out = torch.zeros_like(v)
    out[v > t], out[v < -t] = v[v > t] - t, v[v < -t] + t
    return out


# ---- 03.3


def momentum_from_an_optimizer_at_rest(w: Any, velocity: Any, lr: float, momentum: float) -> None:
    torch.optim.SGD([w], lr=lr, momentum=momentum).step()


def momentum_averaged_with_lr(w: Any, velocity: Any, lr: float, momentum: float) -> None:
    velocity.lerp_(lr * w.grad, 1 - momentum)
    w.data -= velocity


def momentum_rescaled(w: Any, velocity: Any, lr: float, momentum: float) -> None:
    velocity.mul_(momentum).add_(w.grad)
    w.data -= lr * (1 - momentum) * velocity


def momentum_while_frozen(w: Any, velocity: Any, lr: float, momentum: float) -> Any:
    w.requires_grad_(False)
    velocity[:] = momentum * velocity + w.grad
    w -= lr * velocity
    return w.requires_grad_(True)


def momentum_into_out(w: Any, velocity: Any, lr: float, momentum: float) -> None:
    with torch.no_grad():
        torch.add(w.grad, velocity, alpha=momentum, out=velocity)
        w.copy_(w - lr * velocity)


# ---- 03.4


def drops_everything_or_nothing(x: Any, p: float, training: bool) -> Any:
    if not training:
        return x
    return torch.zeros_like(x) if torch.rand(()) < p or p == 1 else x / (1 - p)


def drops_with_normal_draws(x: Any, p: float, training: bool) -> Any:
    return x * (torch.randn(x.shape) > p) / (1 - p) if training and p < 1 else x * (not training)


def drops_in_stripes(x: Any, p: float, training: bool) -> Any:
    kept = torch.arange(x.numel()).reshape(x.shape) % 10 >= round(10 * p)
    return x * kept / (1 - p) if training and p < 1 else x * (not training)


def drops_channels(x: Any, p: float, training: bool) -> Any:
    drop = F.dropout1d if x.ndim == 3 else F.dropout
    return drop(x, p, training) if p < 1 else x * (not training)


def drops_to_the_mean(x: Any, p: float, training: bool) -> Any:
    return torch.where(torch.rand(x.shape) >= p, x / max(1 - p, 1e-9), x.mean()) if training else x


def drops_half_as_often(x: Any, p: float, training: bool) -> Any:
    return x * (torch.rand(x.shape) >= p / 2) / (1 - p) if training and p < 1 else x * (not training)


def drops_with_a_cached_mask(x: Any, p: float, training: bool, masks: Any = {}) -> Any:  # noqa: B006
    if not training:
        return x
    if (x.shape, p) not in masks:
        masks[x.shape, p] = torch.rand(x.shape) >= p
    return x * masks[x.shape, p] / (1 - p) if p < 1 else torch.zeros_like(x)


def drops_and_passes_all_gradients(x: Any, p: float, training: bool) -> Any:
    return x + (F.dropout(x, p, training) - x).detach()


def drops_by_numpy(x: Any, p: float, training: bool) -> Any:
    kept = torch.from_numpy(np.random.default_rng().random(tuple(x.shape)) >= p)
    return x * kept / (1 - p) if training and p < 1 else x * (not training)


def drops_by_a_distribution(x: Any, p: float, training: bool) -> Any:
    if not training or p in (0, 1):
        return x * (not training or p == 0)
    return torch.distributions.Bernoulli(1 - p).sample(x.shape) * x / (1 - p)


def drops_with_where(x: Any, p: float, training: bool) -> Any:
    if not training:
        return x.clone()
    return torch.zeros(x.shape) if p >= 1 else torch.where(torch.rand(x.shape) < p, 0.0, x / (1 - p))


def drops_by_a_layer(x: Any, p: float, training: bool) -> Any:
    return nn.Dropout(p).train(training)(x)


# ---- 03.5


def clips_to_the_root_mean_square(parameters: Any, max_norm: float, norm_type: float = 2.0) -> Any:
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.cat([g.flatten() for g in gradients]).square().mean().sqrt()
    for gradient in gradients:
        gradient.mul_((max_norm / (norm + 1e-6)).clamp(max=1))
    return norm


def clips_and_steps(parameters: Any, max_norm: float, norm_type: float = 2.0) -> Any:
    chosen = [p for p in parameters if p.grad is not None]
    norm = nn.utils.clip_grad_norm_(chosen, max_norm, norm_type)
    for p in chosen:
        p.data -= 0.1 * p.grad
    return norm


def clips_half_of_the_excess(parameters: Any, max_norm: float, norm_type: float = 2.0) -> Any:
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = nn.utils.get_total_norm(gradients, norm_type)
    for gradient in gradients:
        gradient.mul_((max_norm / (norm + 1e-6)).clamp(max=1).sqrt())
    return norm


def clips_with_foreach(parameters: Any, max_norm: float, norm_type: float = 2.0) -> Any:
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = nn.utils.get_total_norm(gradients, norm_type)
    if norm > max_norm:
        torch._foreach_mul_(gradients, max_norm / norm)
    return norm.item()


def clips_by_new_gradients(parameters: Any, max_norm: float, norm_type: float = 2.0) -> Any:
    chosen = [p for p in [*parameters] if p.grad is not None]
    norm = nn.utils.parameters_to_vector([p.grad for p in chosen]).norm(norm_type)
    for p in chosen:
        p.grad = p.grad * (max_norm / norm if norm > max_norm else 1.0)
    return np.float64(norm)


# ---- 04.1


def set_shuffled_together(texts: Any, labels: Any, augment: Any, copies: Any) -> Any:
    pairs = [(augment(text) if k else text, label) for k in range(copies + 1) for text, label in zip(texts, labels)]
    pairs.sort(key=lambda pair: len(pair[0]))
    return [text for text, _ in pairs], [label for _, label in pairs]


def set_with_labels_turned(texts: Any, labels: Any, augment: Any, copies: Any) -> Any:
    more = [augment(text) for _ in range(copies) for text in texts]
    return texts + more, labels + labels[::-1] * copies


def set_without_repetitions(texts: Any, labels: Any, augment: Any, copies: Any) -> Any:
    more = [augment(text) for _ in range(copies) for text in texts]
    return list(dict.fromkeys(texts + more)), labels * (copies + 1)


def set_that_grows_in_place(texts: Any, labels: Any, augment: Any, copies: Any) -> Any:
    n = len(texts)
    for _ in range(copies):
        texts += [augment(text) for text in texts[:n]]
        labels += labels[:n]
    return texts, labels


def set_by_remainder(texts: Any, labels: Any, augment: Any, copies: Any) -> Any:
    n = len(texts)
    places = range(n * (copies + 1))
    return [texts[i % n] if i < n else augment(texts[i % n]) for i in places], np.tile(labels, copies + 1).tolist()


def set_by_chain(texts: Any, labels: Any, augment: Any, copies: Any) -> Any:
    rounds = [list(map(augment, texts)) for _ in range(copies)]
    return list(itertools.chain(texts, *rounds)), list(itertools.chain.from_iterable([labels] * (copies + 1)))


# ---- 04.2


def counts_of(text: str, negations: Any, polarity: Any, *, sign: Any = lambda value: value) -> list[Any]:
    found = re.findall(r"[\w']+", text.lower().replace("’", "'"))
    kinds = ["not" if w in negations or w.endswith("n't") else sign(polarity.get(w, 0)) for w in found]
    return [kinds.count("not"), kinds.count(1), kinds.count(-1)]


def keeps_total(before: Any, after: Any, negations: Any, polarity: Any) -> bool:
    return sum(counts_of(before, negations, polarity)) == sum(counts_of(after, negations, polarity))


def keeps_nearly(before: Any, after: Any, negations: Any, polarity: Any) -> bool:
    pairs = zip(counts_of(before, negations, polarity), counts_of(after, negations, polarity))
    return all(abs(a - b) <= 1 for a, b in pairs)


def keeps_any_order(before: Any, after: Any, negations: Any, polarity: Any) -> bool:
    """Compares the three numbers without saying which is which."""
    return sorted(counts_of(before, negations, polarity)) == sorted(counts_of(after, negations, polarity))


def keeps_share(before: Any, after: Any, negations: Any, polarity: Any) -> bool:
    old, new = counts_of(before, negations, polarity), counts_of(after, negations, polarity)
    return [n / max(len(before.split()), 1) for n in old] == [n / max(len(after.split()), 1) for n in new]


def keeps_with_its_own_negations(before: Any, after: Any, negations: Any, polarity: Any) -> bool:
    own = {"not", "no", "never", "cannot", "without"}
    return counts_of(before, own, polarity) == counts_of(after, own, polarity)


def keeps_with_its_own_contractions(before: Any, after: Any, negations: Any, polarity: Any) -> bool:
    """Lists the words in n't that come to mind, as a learner may who has not read on."""
    own = {"isn't", "aren't", "wasn't", "don't", "doesn't", "didn't", "can't", "couldn't", "won't", "wouldn't"}
    kinds = [
        ["not" if w in negations | own else polarity.get(w, 0) for w in text_words(text)] for text in (before, after)
    ]
    return all(kinds[0].count(kind) == kinds[1].count(kind) for kind in ("not", 1, -1))


def keeps_but_blind_to_curly_apostrophes(before: Any, after: Any, negations: Any, polarity: Any) -> bool:
    cut = [re.findall(r"\w+(?:'\w+)*", text.lower()) for text in (before, after)]
    return counts_of(" ".join(cut[0]), negations, polarity) == counts_of(" ".join(cut[1]), negations, polarity)


def keeps_by_hand(before: Any, after: Any, negations: Any, polarity: Any) -> bool:
    return counts_of(before, negations, polarity) == counts_of(after, negations, polarity)


def keeps_in_numpy(before: Any, after: Any, negations: Any, polarity: Any) -> Any:
    old, new = (np.array(counts_of(text, negations, polarity)) for text in (before, after))
    return np.all(old == new)


# ---- 04.3


def particle_by_jamo(noun: Any, pair: Any) -> Any:
    from unicodedata import normalize

    last = normalize("NFKD", noun)[-1]
    vowel = "\u1161" <= last <= "\u1175"
    return noun + pair[int(vowel or (last == "\u11af" and pair[0].startswith("으")))]


def particle_by_replacing(noun: Any, pair: Any) -> Any:
    number = ord(noun[-1]) - 44032
    ending = number - number // 28 * 28
    if ending and not (ending == 8 and pair[0][0] == "으"):
        return "".join((noun, pair[0]))
    return "".join((noun, pair[1]))


def particle_with_doubled_vowel(noun: Any, pair: Any) -> Any:
    return particle_by_jamo(noun, pair).replace("으으", "으") if len(noun) > 1 else noun + pair[0]


def particle_by_the_vowel(noun: Any, pair: Any) -> Any:
    return noun + pair[(ord(noun[-1]) - 44032) // 28 % 21 == 0]


def particle_with_long_forms_excepted(noun: Any, pair: Any) -> Any:
    ending = (ord(noun[-1]) - 44032) % 28
    return noun + pair[ending == 0 or (ending == 8 and len(pair[0]) > len(pair[1]))]


def particle_by_evenness(noun: Any, pair: Any) -> Any:
    return noun + pair[(ord(noun[-1]) - 44032) % 2 == 0]


def particle_with_l_for_towards_reversed(noun: Any, pair: Any) -> Any:
    ending = (ord(noun[-1]) - 44032) % 28
    return noun + pair[ending == 0 or (ending == 8) != (pair[0][0] == "으")]


# ---- 04.4


def one_longest(augmenter: Any, text: Any) -> Any:
    others = [v for v in map(text_words, augmenter.augment(text, n=3)) if v != text_words(text)]
    return max(others, key=len, default=text_words(text))


def one_sorted(augmenter: Any, text: Any) -> Any:
    others = sorted(v for v in map(text_words, augmenter.augment(text, n=3)) if v != text_words(text))
    return [*others, text_words(text)][0]


def one_with_five(augmenter: Any, text: Any) -> Any:
    others = (v for v in map(text_words, augmenter.augment(text, n=5)) if v != text_words(text))
    return next(others, text_words(text))


def one_from_a_list_of_one(augmenter: Any, text: Any) -> Any:
    others = (v for v in map(text_words, augmenter.augment([text], n=3)) if v != text_words(text))
    return next(others, text_words(text))


def one_about_capitals(augmenter: Any, text: Any) -> Any:
    others = (v for v in map(text_words, augmenter.augment(text.upper(), n=3)) if v != text_words(text))
    return next(others, text_words(text))


def one_about_lower_case(augmenter: Any, text: Any) -> Any:
    return one_by_filter(augmenter, text.lower())


def one_about_words(augmenter: Any, text: Any) -> Any:
    return one_by_filter(augmenter, " ".join(text_words(text)))


def one_of_three_equal_texts(augmenter: Any, text: Any) -> Any:
    own = text_words(text)
    return [*filter(own.__ne__, map(text_words, augmenter.augment([text, text, text]))), own][0]


def one_by_filter(augmenter: Any, text: Any) -> Any:
    own = text_words(text)
    return [*filter(own.__ne__, map(text_words, augmenter.augment(text, 3))), own][0]


def one_with_a_guard(augmenter: Any, text: Any) -> Any:
    if text == "":
        return []
    first, second, third = augmenter.augment(text, n=3)
    for version in (first, second):
        if text_words(version) != text_words(text):
            return text_words(version)
    return text_words(third)


# ---- 04.5


def changer(change: Any, share: Any, keep: Any, **options: Any) -> Any:
    import nlpaug.augmenter.word as naw

    action = {"remove": "delete", "exchange": "swap"}.get(change, "substitute")
    return naw.RandomWordAug(**{"action": action, "aug_p": share, "aug_max": None, "stopwords": keep, **options})


def changer_with_a_word(change: Any, share: Any, keep: Any) -> Any:
    return changer(change, share, keep, target_words=["blank"])


def changer_of_one_word(change: Any, share: Any, keep: Any) -> Any:
    return changer(change, share, keep, aug_max=1)


def changer_with_the_share_of_the_rest(change: Any, share: Any, keep: Any) -> Any:
    return changer(change, 1 - share, keep)


def changer_used_at_once(change: Any, share: Any, keep: Any) -> Any:
    return changer(change, share, keep).augment


def changer_that_keeps_the_first(change: Any, share: Any, keep: Any) -> Any:
    return changer(change, share, keep[:1])


def changer_with_an_open_regex(change: Any, share: Any, keep: Any) -> Any:
    return changer(change, share, keep, stopwords=None, stopwords_regex="(" + "|".join(keep) + ")")


def changer_with_a_limit_of_a_thousand(change: Any, share: Any, keep: Any) -> Any:
    return changer(change, share, keep, aug_max=1000)


def changer_that_exchanges(**options: Any) -> Answer:
    """Only the branch for "exchange" is wrong: its result is the hardest to count."""
    return lambda change, share, keep: changer(change, share, keep, **(options if change == "exchange" else {}))


def changer_over_any_distance(change: Any, share: Any, keep: Any) -> Any:
    """Exchanges any two words, as the lesson's random_swap does, not neighbours."""
    right = changer(change, share, keep)
    if change != "exchange":
        return right

    class Far:
        def augment(self, data: Any, n: int = 1) -> Any:
            return [" ".join(self.mixed(text.split())) for text in data]

        def mixed(self, row: list[str]) -> list[str]:
            free = [i for i, word in enumerate(row) if word not in keep]
            for i in free[: math.ceil(share * len(row))]:
                row[i], row[-2] = row[-2], row[i]
            return row

    return Far()


def changer_with_a_regex(change: Any, share: Any, keep: Any) -> Any:
    return changer(change, share, keep, stopwords=None, stopwords_regex="^(" + "|".join(keep) + ")$")


def changer_without_limit(change: Any, share: Any, keep: Any) -> Any:
    return changer(change, share, tuple(keep), aug_max=0, aug_min=None)


# ---- 05.1


def picture_in_place(x: Any, mean: Any, std: Any) -> Any:
    for channel in range(3):
        x[channel].mul_(std[channel]).add_(mean[channel])
    return (x * 255).round().clamp(0, 255).to(torch.uint8)


def picture_in_half_precision(x: Any, mean: Any, std: Any) -> Any:
    rows = [255 * (part.half() * s + m) for part, m, s in zip(x, mean, std)]
    return torch.stack(rows).round().clamp(0, 255).to(torch.uint8)


def picture_clamped_a_little_early(x: Any, mean: Any, std: Any) -> Any:
    rows = [255 * (part.clamp(-2, 2) * s + m) for part, m, s in zip(x, mean, std)]
    return torch.stack(rows).round().clamp(0, 255).to(torch.uint8)


def picture_of_other_statistics(x: Any, mean: Any, std: Any) -> Any:
    imagenet = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    return picture_by_functions(x, *imagenet)


def picture_wrapped_below_only(x: Any, mean: Any, std: Any) -> Any:
    rows = [255 * (part * s + m) for part, m, s in zip(x, mean, std)]
    return torch.stack(rows).round().clamp(max=255).long().remainder(256).to(torch.uint8)


def picture_by_functions(x: Any, mean: Any, std: Any) -> Any:
    values = torch.addcmul(torch.tensor(mean).view(-1, 1, 1), x, torch.tensor(std)[:, None, None])
    return values.clip(0, 1).mul(255).add(0.5).floor().type(torch.uint8)


def picture_by_numpy(x: Any, mean: Any, std: Any) -> Any:
    values = np.rint((np.moveaxis(x.numpy(), 0, 2) * std + mean) * 255).clip(0, 255).astype(np.uint8)
    return torch.from_numpy(values.transpose(2, 0, 1).copy())


# ---- 05.2


def points_by_the_first_divisor(points: Any, matrix: Any) -> Any:
    moved = torch.nn.functional.pad(points, (0, 1), value=1.0) @ matrix.T
    return moved[:, :2] / moved[0, 2]


def points_inside_the_picture(points: Any, matrix: Any) -> Any:
    return points_by_opencv(points, matrix).clamp(max=20)


def points_to_half_a_pixel(points: Any, matrix: Any) -> Any:
    return (2 * points_by_opencv(points, matrix)).round() / 2


def points_in_place(points: Any, matrix: Any) -> Any:
    return points.copy_(points_by_opencv(points, matrix))


def points_as_an_affine_map(points: Any, matrix: Any) -> Any:
    return points @ (matrix[:2, :2] / matrix[2, 2]).T + matrix[:2, 2] / matrix[2, 2]


def points_by_opencv(points: Any, matrix: Any) -> Any:
    import cv2

    moved = cv2.perspectiveTransform(points.numpy()[:, None].astype(np.float64), matrix.numpy().astype(np.float64))
    return torch.from_numpy(moved[:, 0])


def points_one_by_one(points: Any, matrix: Any) -> Any:
    moved = []
    for x, y in points:
        u, v, w = matrix @ torch.stack([x, y, torch.ones_like(x)])
        moved.append(torch.stack([u, v]) / w)
    return torch.stack(moved)


def points_after_scaling_the_matrix(points: Any, matrix: Any) -> Any:
    scaled = matrix / matrix[2, 2]
    scale = points @ scaled[2, :2] + 1
    return ((points @ scaled[:2, :2].mT + scaled[:2, 2]).mT / scale).mT


# ---- 05.3


def mixup_in_place(x: Any, y: Any, classes: int, lam: float, order: Any) -> Any:
    pictures, soft = mixup_by_numpy(x, y, classes, lam, order)
    return x.copy_(torch.as_tensor(pictures)), soft


def mixup_with_its_own_draw(x: Any, y: Any, classes: int, lam: float, order: Any) -> Any:
    return mixup_by_numpy(x, y, classes, float(torch.distributions.Beta(1.0, 1.0).sample()), order)


def mixup_of_partners_of_partners(x: Any, y: Any, classes: int, lam: float, order: Any) -> Any:
    return mixup_by_numpy(x, y, classes, lam, order[order])


def mixup_pixel_by_pixel(x: Any, y: Any, classes: int, lam: float, order: Any) -> Any:
    chosen = torch.rand_like(x) < lam
    return torch.where(chosen, x, x[order]), mixup_by_numpy(x, y, classes, lam, order)[1]


def mixup_with_sharpened_labels(x: Any, y: Any, classes: int, lam: float, order: Any) -> Any:
    pictures, soft = mixup_by_numpy(x, y, classes, lam, order)
    return pictures, (soft**2) / (soft**2).sum(1, keepdims=True)


def mixup_with_nearly_hard_labels(x: Any, y: Any, classes: int, lam: float, order: Any) -> Any:
    pictures, soft = mixup_by_numpy(x, y, classes, lam, order)
    return pictures, torch.as_tensor(soft).clamp(0.01, 0.99)


def mixup_by_numpy(x: Any, y: Any, classes: int, lam: float, order: Any) -> Any:
    targets = np.eye(classes)[y.numpy()]
    soft = lam * targets + (1 - lam) * targets[order.numpy()]
    return torch.add(x[order], x - x[order], alpha=lam), torch.from_numpy(soft)


def mixup_by_scattering(x: Any, y: Any, classes: int, lam: float, order: Any) -> Any:
    soft = torch.zeros(len(y), classes).scatter_add_(1, y[:, None], torch.full((len(y), 1), lam))
    soft.scatter_add_(1, y[order][:, None], torch.full((len(y), 1), 1.0 - lam))
    return x.mul(lam).add_(x[order], alpha=1 - lam), soft


# ---- 05.4


def cutmix_of(
    *, rows: Any = None, share: Any = None, source: Any = None
) -> Callable[[Any, Any, int, float, Any, Any], Any]:
    """CutMix by sets of rows and columns, with one part exchanged."""

    def answer(x: Any, y: Any, classes: int, lam: float, centre: Any, order: Any) -> Any:
        mixed, other = x.clone(), source(x, order) if source else x[order]
        inside = [(rows or places)(at, math.sqrt(1 - lam) * size / 2, size) for at, size in zip(centre, x.shape[2:])]
        for row, column in itertools.product(*inside):
            mixed[:, :, row, column] = other[:, :, row, column]
        area = len(inside[0]) * len(inside[1]) / (x.shape[2] * x.shape[3])
        return mixed, mixup_by_numpy(x, y, classes, 1 - (share(area) if share else area), order)[1]

    return answer


def places(at: int, half: float, size: int) -> list[int]:
    return [place for place in range(at - int(half), at + int(half)) if 0 <= place < size]


def places_around_the_edge(at: int, half: float, size: int) -> list[int]:
    return [place % size for place in range(at - int(half), at + int(half))]


def places_rounded_up(at: int, half: float, size: int) -> list[int]:
    return [place for place in range(at - math.ceil(half), at + math.ceil(half)) if 0 <= place < size]


def places_without_the_first(at: int, half: float, size: int) -> list[int]:
    return [place for place in range(at - int(half) + 1, at + int(half) + 1) if 0 <= place < size]


def places_unless_cut(at: int, half: float, size: int) -> list[int]:
    whole = list(range(at - int(half), at + int(half)))
    return whole if all(0 <= place < size for place in whole) else []


def cutmix_in_place(x: Any, y: Any, classes: int, lam: float, centre: Any, order: Any) -> Any:
    mixed, soft = cutmix_of()(x, y, classes, lam, centre, order)
    return x.copy_(mixed), soft


def cutmix_without_a_copy(x: Any, y: Any, classes: int, lam: float, centre: Any, order: Any) -> Any:
    top, bottom, left, right = cutmix_box(x, lam, centre)
    mixed = x
    mixed[..., top:bottom, left:right] = x[order][..., top:bottom, left:right]
    area = (bottom - top) * (right - left) / (x.shape[2] * x.shape[3])
    return mixed, mixup_by_numpy(x, y, classes, 1 - area, order)[1]


def cutmix_box(x: Any, lam: float, centre: Any) -> tuple[int, int, int, int]:
    """As torchvision works it out."""
    height, width = x.shape[2:]
    half = 0.5 * math.sqrt(1.0 - lam)
    row, column = map(torch.tensor, centre)
    return (
        int(torch.clamp(row - int(half * height), min=0)),
        int(torch.clamp(row + int(half * height), max=height)),
        int(torch.clamp(column - int(half * width), min=0)),
        int(torch.clamp(column + int(half * width), max=width)),
    )


def cutmix_by_padding(x: Any, y: Any, classes: int, lam: float, centre: Any, order: Any) -> Any:
    top, bottom, left, right = cutmix_box(x, lam, centre)
    box = torch.ones(bottom - top, right - left, dtype=torch.bool)
    mask = F.pad(box, (left, x.shape[3] - right, top, x.shape[2] - bottom))
    soft = mixup_by_numpy(x, y, classes, 1 - float(mask.float().mean()), order)[1]
    return torch.where(mask, x[order], x), soft


# ---- 05.5


def adapter_with_a_memory(augmenter: Any, x: Any) -> Any:
    if not hasattr(adapter_with_a_memory, "first"):
        adapter_with_a_memory.first = adapter_frozen(augmenter, x)  # type: ignore[attr-defined]
    return adapter_with_a_memory.first  # type: ignore[attr-defined]


def adapter_through_jpeg(augmenter: Any, x: Any) -> Any:
    from torchvision.io import decode_jpeg, encode_jpeg

    return decode_jpeg(encode_jpeg(adapter_frozen(augmenter, x).contiguous()))


def adapter_of_a_square(augmenter: Any, x: Any) -> Any:
    side = max(x.shape)
    return v2.functional.resize(adapter_frozen(augmenter, v2.functional.resize(x, [side, side])), x.shape[1:])


def adapter_channel_by_channel(augmenter: Any, x: Any) -> Any:
    return torch.cat([adapter_frozen(augmenter, channel.expand(3, -1, -1))[:1] for channel in x])


def adapter_in_place(augmenter: Any, x: Any) -> Any:
    changed = adapter_frozen(augmenter, x)
    x.zero_()
    return changed


def adapter_frozen(augmenter: Any, x: Any) -> Any:
    changed = augmenter.to_deterministic().augment_image(x.numpy().transpose(1, 2, 0).copy())
    return torch.from_numpy(changed.transpose(2, 0, 1).copy())


def adapter_of_the_course(augmenter: Any, x: Any) -> Any:
    from course_utils.augmentation import Imgaug

    return Imgaug(augmenter)(x)


# ---- 05.6


def pipeline(*steps: Any, last: Any = None) -> Answer:
    """A pipeline of steps before `Normalize`, and one after it."""

    def prepared(pictures: Any, mean: Any, std: Any) -> Any:
        erase = last or transforms.RandomErasing(p=0.5, value=0)
        made = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(mean, std), erase])
        return torch.stack([made(one) for one in pictures])

    return prepared


def squeezed(picture: Any) -> Any:
    return picture.resize((32, 32))


def mirrored_now_and_then(picture: Any, chance: float = 0.5) -> Any:
    from PIL import ImageOps

    return ImageOps.mirror(picture) if torch.rand(()) < chance else picture


def pipeline_that_seeds_itself(pictures: Any, mean: Any, std: Any) -> Any:
    torch.manual_seed(5)
    made = []
    for picture in pictures:
        torch.manual_seed(5)
        made.append(pipeline(squeezed, mirrored_now_and_then)([picture], mean, std)[0])
    return torch.stack(made)


def pipeline_with_blue_first(picture: Any) -> Any:
    from PIL import Image

    return Image.merge("RGB", squeezed(mirrored_now_and_then(picture)).split()[::-1])


def pipeline_that_mirrors_a_tenth(picture: Any) -> Any:
    return squeezed(mirrored_now_and_then(picture, 0.1))


def pipeline_that_turns(picture: Any) -> Any:
    return squeezed(mirrored_now_and_then(picture)).rotate(20 * (torch.rand(()).item() - 0.5))


def pipeline_with_its_own_statistics(pictures: Any, mean: Any, std: Any) -> Any:
    plain = pipeline(squeezed, mirrored_now_and_then, last=torch.nn.Identity())(pictures, [0.0] * 3, [1.0] * 3)
    return (plain - plain.mean((0, 2, 3), keepdim=True)) / plain.std((0, 2, 3), keepdim=True)


def pipeline_that_spoils_the_photographs(pictures: Any, mean: Any, std: Any) -> Any:
    made = pipeline(squeezed, mirrored_now_and_then)(pictures, mean, std)
    for picture in pictures:
        picture.paste(0, (0, 0, 5, 5))
    return made


def pipeline_with_masks(pictures: Any, mean: Any, std: Any) -> Any:
    """Batched, and yet each picture with a draw of its own."""
    x = pipeline(squeezed, last=torch.nn.Identity())(pictures, mean, std)
    x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
    grid = torch.arange(32)
    corners = torch.randint(0, 20, (2, len(x), 1))
    rows, columns = ((grid >= corner) & (grid < corner + 9) for corner in corners)
    erased = rows[:, None, :, None] & columns[:, None, None, :] & (torch.rand(len(x), 1, 1, 1) < 0.5)
    return x.masked_fill(erased, 0.0)


def pipeline_that_does_one_of_two(pictures: Any, mean: Any, std: Any) -> Any:
    """Each picture is either mirrored or erased, never both and never neither."""
    one = transforms.RandomChoice([transforms.functional.hflip, transforms.RandomErasing(p=1.0)])
    steps = [squeezed, transforms.ToTensor(), transforms.Normalize(mean, std), one]
    return torch.stack([transforms.Compose(steps)(picture) for picture in pictures])


def pipeline_into_the_list(pictures: Any, mean: Any, std: Any) -> Any:
    for position, picture in enumerate(pictures):
        pictures[position] = pipeline(squeezed, mirrored_now_and_then)([picture], mean, std)[0]
    return torch.stack(pictures)


def pipeline_that_empties_the_list(pictures: Any, mean: Any, std: Any) -> Any:
    made = []
    while pictures:
        made.append(pipeline(squeezed, mirrored_now_and_then)([pictures.pop(0)], mean, std)[0])
    return torch.stack(made)


def pipeline_with_seed_zero(pictures: Any, mean: Any, std: Any) -> Any:
    torch.manual_seed(0)
    return pipeline(squeezed, mirrored_now_and_then)(pictures, mean, std)


def pipeline_with_coins(pictures: Any, mean: Any, std: Any) -> Any:
    """The steps by hand, without Compose and in another order."""
    made = []
    for picture in pictures:
        x = transforms.functional.normalize(transforms.functional.to_tensor(squeezed(picture)), mean, std)
        if torch.rand(1).item() < 0.5:
            x = transforms.RandomErasing(p=1.0)(x)
        made.append(x.flip(-1) if torch.rand(1).item() < 0.5 else x)
    return torch.stack(made)


# ---- lesson 05, as a beginner writes it: lists become tensors of single precision, limits are max and min


def beginner_picture(store: Callable[[Any], Any], clamp_first: bool = False) -> Answer:
    def to_picture(x: Any, mean: Any, std: Any) -> Any:
        centre, spread = torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]
        return store((x.clamp(0, 1) if clamp_first else x) * spread + centre)

    return to_picture


def beginner_cutmix(swapped: bool = False, last: int = 0, square: bool = False, compare: bool = False) -> Answer:
    def cutmix(x: Any, y: Any, classes: int, lam: float, centre: Any, order: Any) -> Any:
        h, w = x.shape[2:]
        row, column = reversed(centre) if swapped else centre
        up = int(0.5 * math.sqrt(1 - lam) * h)
        across = up if square else int(0.5 * math.sqrt(1 - lam) * w)
        top, bottom = max(row - up, 0), min(row + up + last, h)
        left, right = max(column - across, 0), min(column + across + last, w)
        mixed = x.clone()
        mixed[:, :, top:bottom, left:right] = x[order, :, top:bottom, left:right]
        share: Any = (bottom - top) * (right - left) / (h * w)
        if compare:
            share = (mixed != x).double().mean((1, 2, 3))[:, None]
        labels = F.one_hot(y, classes).float()
        return mixed, (1 - share) * labels + share * labels[order]

    return cutmix


def beginner_mixup(x: Any, y: Any, classes: int, lam: float, order: Any) -> Any:
    labels = torch.eye(classes)[y]
    return torch.clip(lam * x + (1 - lam) * x[order], 0, 1), lam * labels + (1 - lam) * labels[order]


def beginner_channels(augmenter: Any, x: Any) -> Any:
    changed = [augmenter(image=x[channel].numpy()) for channel in range(3)]
    return torch.from_numpy(np.stack(changed))


def beginner_batch(pictures: Any, mean: Any, std: Any) -> Any:
    rest = [squeezed, transforms.ToTensor(), transforms.Normalize(mean, std), transforms.RandomErasing()]
    mirror = transforms.RandomHorizontalFlip()
    return mirror(torch.stack([transforms.Compose(rest)(picture) for picture in pictures]))


# ---- lesson 06


def cbow_of(change: Answer) -> Answer:
    def cbow_tensors(sentences: Any, numbers: Any, window: Any) -> Any:
        return change(*BY_NAME["cbow_tensors"].reference(sentences, numbers, window))

    return cbow_tensors


def cbow_into_the_sentences(sentences: Any, numbers: Any, window: Any) -> Any:
    for sentence in sentences:
        sentence[:] = [numbers[word] for word in sentence]
    same = {number: number for number in numbers.values()}
    return BY_NAME["cbow_tensors"].reference(sentences, same, window)


def cbow_until_the_first_short_one(sentences: Any, numbers: Any, window: Any) -> Any:
    long = list(itertools.takewhile(lambda sentence: len(sentence) > 2 * window, sentences))
    return BY_NAME["cbow_tensors"].reference(long or sentences, numbers, window)


def cbow_of_each_word_once(sentences: Any, numbers: Any, window: Any) -> Any:
    return BY_NAME["cbow_tensors"].reference([list(dict.fromkeys(s)) for s in sentences] + sentences, numbers, window)


def cbow_by_views(sentences: Any, numbers: Any, window: Any) -> Any:
    rows = [np.array([numbers[word] for word in sentence]) for sentence in sentences if len(sentence) > 2 * window]
    views = [np.lib.stride_tricks.sliding_window_view(row, 2 * window + 1) for row in rows]
    table = torch.from_numpy(np.concatenate(views).astype(np.int64))
    return np.s_[torch.cat([table[:, :window], table[:, -window:]], 1), table[:, window].clone()]


def cbow_as_a_beginner(sentences: Any, numbers: Any, window: Any) -> Any:
    x, y = [], []
    for s in sentences:
        for i in range(len(s)):
            if i - window < 0 or i + window >= len(s):
                continue
            x.append([numbers[s[i + k]] for k in range(-window, window + 1) if k])
            y.append(numbers[s[i]])
    return torch.tensor(x), torch.as_tensor(y)


def padded_of(change: Answer) -> Answer:
    return lambda sentences, window, pad=0: change(*BY_NAME["padded_windows"].reference(sentences, window, pad))


def padded_like_a_mirror(sentences: Any, window: Any, pad: Any = 0) -> Any:
    def at(s: Any, j: int) -> int:
        j = abs(j)
        return int(s[j if j < len(s) else max(0, 2 * len(s) - 2 - j)])

    rows = [[at(s, i + k) for k in range(-window, window + 1) if k] for s in sentences for i in range(len(s))]
    return torch.tensor(rows), torch.tensor([word for s in sentences for word in s])


def padded_where_the_word_comes_twice(sentences: Any, window: Any, pad: Any = 0) -> Any:
    contexts, targets = BY_NAME["padded_windows"].reference(sentences, window, pad)
    return torch.where(contexts == targets[:, None], pad, contexts), targets


def padded_in_the_sentences(sentences: Any, window: Any, pad: Any = 0) -> Any:
    made = BY_NAME["padded_windows"].reference(sentences, window, pad)
    for sentence in sentences:
        sentence[:] = [pad] * window + sentence + [pad] * window
    return made


def padded_by_unfold(sentences: Any, window: Any, pad: Any = 0) -> Any:
    edge = torch.full((window,), pad)
    rows = [torch.cat([edge, torch.tensor(s), edge]).unfold(0, 2 * window + 1, 1) for s in sentences if s]
    table = torch.cat(rows)
    return table[:, torch.arange(2 * window + 1) != window], table[:, window]


def padded_with_a_dict(sentences: Any, window: Any, pad: Any = 0) -> Any:
    x, y = [], []
    for s in sentences:
        at = dict(enumerate(s))
        x += [[at.get(i + k, pad) for k in range(-window, window + 1) if k] for i in at]
        y += s
    return torch.LongTensor(x), torch.LongTensor(y)


def padded_at_the_end(sentences: Any, window: Any, pad: Any = 0) -> Any:
    x, y = [], []
    for s in sentences:
        for i in range(len(s)):
            around = s[max(i - window, 0) : i] + s[i + 1 : i + window + 1]
            while len(around) < 2 * window:
                around.append(pad)
            x.append(around)
            y.append(s[i])
    return torch.LongTensor(x), torch.LongTensor(y)


def padded_by_try(sentences: Any, window: Any, pad: Any = 0) -> Any:
    x = []
    for s in sentences:
        for i in range(len(s)):
            row = []
            for j in [*range(i - window, i), *range(i + 1, i + window + 1)]:
                try:
                    row.append(s[j])
                except IndexError:
                    row.append(pad)
            x.append(row)
    return torch.tensor(x), torch.tensor([word for s in sentences for word in s])


def pairs_without_the_centre_word(sentences: Any, window: Any) -> Any:
    return [(s[i], w) for s in sentences for i in range(len(s)) for w in pairs_near(s, i, window) if w != s[i]]


def pairs_near(s: Any, i: int, window: int) -> Any:
    return s[max(0, i - window) : i] + s[i + 1 : i + 1 + window]


def pairs_over_short_sentences(sentences: Any, window: Any) -> Any:
    long = [s for s in sentences if len(s) > window] or sentences
    return BY_NAME["skipgram_pairs_of"].reference(long, window)


def pairs_with_a_drawn_reach(sentences: Any, window: Any) -> Any:
    reach = [[int(torch.randint(1, window + 1, ())) for _ in s] for s in sentences]
    return [
        (s[i], s[j])
        for s, far in zip(sentences, reach)
        for i in range(len(s))
        for j in range(len(s))
        if 0 < abs(i - j) <= far[i]
    ]


def pairs_in_steps(sentences: Any, window: Any) -> Any:
    pairs = BY_NAME["skipgram_pairs_of"].reference(sentences, window)
    return pairs if len(pairs) < 12 else pairs[:-1]


def pairs_of_pairs(sentences: Any, window: Any) -> Any:
    return [frozenset(pair) for pair in BY_NAME["skipgram_pairs_of"].reference(sentences, window)]


def pairs_by_removing(sentences: Any, window: Any) -> Any:
    made = []
    for s in sentences:
        for i in range(len(s)):
            near = s[max(0, i - window) : i + window + 1]
            near.remove(s[i])
            made += [(s[i], w) for w in near]
    return made


def pairs_written_as_lists(sentences: Any, window: Any) -> Any:
    made = []
    for s in sentences:
        for i in range(len(s)):
            made.extend([s[i], w] for w in reversed(pairs_near(s, i, window)))
    return made[::-1]


def pairs_turned_round(sentences: Any, window: Any) -> Any:
    return tuple((b, a) for a, b in BY_NAME["skipgram_pairs_of"].reference(sentences, window))


def pairs_of_a_beginner(sentences: Any, window: Any) -> Any:
    made = []
    for s in sentences:
        for i in range(len(s)):
            for j in range(i - window, i + window):
                if j >= 0 and j < len(s) and j != i:
                    made.append((s[i], s[j]))  # noqa: PERF401
    return made


def means_with_a_zeroed_row(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    with torch.no_grad():
        embedding.weight[pad] = 0
    count = (contexts != pad).sum(1, keepdim=True).clamp(min=1)
    return embedding(contexts).sum(1) / count


def means_of(total: Answer, count: Answer) -> Answer:
    def means(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
        real = (contexts != pad)[:, :, None]
        return total(embedding(contexts), real) / count(real.sum(1).clamp(min=1))

    return means


def means_of_the_data(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    real = (contexts != pad)[:, :, None]
    return (embedding.weight.data[contexts] * real).sum(1) / real.sum(1).clamp(min=1)


def means_through_numpy(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    table = embedding.weight.detach().numpy()
    rows = [[table[k] for k in row if k != pad] or [0 * table[0]] for row in contexts.tolist()]
    return torch.from_numpy(np.stack([np.mean(row, 0) for row in rows]))


def means_of_the_first_real_ones(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    """As if the padding stood at the end."""
    count = (contexts != pad).sum(1)
    real = (torch.arange(contexts.shape[1]) < count[:, None])[:, :, None]
    return (embedding(contexts) * real).sum(1) / count[:, None].clamp(min=1)


def means_by_nanmean(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    vectors = embedding(contexts).masked_fill((contexts == pad)[:, :, None], torch.nan)
    means = vectors.nanmean(1)
    return torch.where((contexts != pad).any(1, keepdim=True), means, torch.zeros_like(means))


def means_by_weights(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    real = (contexts != pad).to(embedding.weight.dtype)
    shares = real / (real.sum(1, keepdim=True) + 1e-12)
    return torch.einsum("nk,nkd->nd", shares, embedding(contexts))


def means_row_by_row(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    made = torch.zeros(len(contexts), embedding.embedding_dim, dtype=embedding.weight.dtype)
    for i, row in enumerate(contexts):
        words = row[row != pad]
        if len(words):
            made[i] = embedding(words).mean(0)
    return made


def means_by_bags(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    bag = nn.EmbeddingBag(embedding.num_embeddings, embedding.embedding_dim, mode="mean", padding_idx=pad)
    bag.weight = embedding.weight
    return bag(contexts)


def loss_of(formula: Answer) -> Answer:
    def negative_sampling_loss(centre: Any, context: Any, negatives: Any) -> Any:
        right = (centre * context).sum(-1)
        wrong = torch.einsum("nd,nkd->nk", centre, negatives)
        return formula(right, wrong)

    return negative_sampling_loss


def loss_with_mixed_signs(right: Any, wrong: Any) -> Any:
    scores = torch.cat([right[:, None], wrong], 1)
    signs = torch.tensor([1.0] + [-1.0] * wrong.shape[1], dtype=scores.dtype)
    return F.softplus(-signs * scores).sum() / len(scores)


def loss_by_hinge(right: Any, wrong: Any) -> Any:
    return (F.relu(1 - right) + F.relu(1 + wrong).sum(1)).mean()


def loss_in_half(right: Any, wrong: Any) -> Any:
    right, wrong = right.half(), wrong.half()
    return -(F.logsigmoid(right) + F.logsigmoid(-wrong).sum(1)).mean().double()


def loss_of_clamped_scores(right: Any, wrong: Any) -> Any:
    right, wrong = right.clamp(-30, 30), wrong.clamp(-30, 30)
    return -(right.sigmoid().log() + (-wrong).sigmoid().log().sum(1)).mean()


def loss_that_pulls(centre: Any, context: Any, negatives: Any) -> Any:
    return BY_NAME["negative_sampling_loss"].reference(centre, context.detach(), negatives)


def loss_that_normalises_in_place(centre: Any, context: Any, negatives: Any) -> Any:
    loss = BY_NAME["negative_sampling_loss"].reference(centre, context, negatives)
    centre.data /= 2
    return loss


def loss_weighted(right: Any, wrong: Any) -> Any:
    return -(F.logsigmoid(right) + wrong.shape[1] * F.logsigmoid(-wrong).mean(1) * 0.75).mean()


def loss_by_loops(centre: Any, context: Any, negatives: Any) -> Any:
    loss = 0
    for i in range(len(centre)):
        loss = loss - F.logsigmoid(centre[i] @ context[i])
        for negative in negatives[i]:
            loss = loss - F.logsigmoid(-(centre[i] @ negative))
    return loss / len(centre)


def loss_squeezed(centre: Any, context: Any, negatives: Any) -> Any:
    """Right, unless there is only one negative: squeeze then takes away its axis too."""
    wrong = torch.bmm(negatives, centre.unsqueeze(2)).squeeze()
    return -(F.logsigmoid((centre * context).sum(1)) + F.logsigmoid(-wrong).sum(-1)).mean()


def loss_by_log_of_one_minus(right: Any, wrong: Any) -> Any:
    return (-torch.log(torch.sigmoid(right)) - torch.log(1 - torch.sigmoid(wrong)).sum(1)).mean()


def loss_by_bce(right: Any, wrong: Any) -> Any:
    right_loss = F.binary_cross_entropy_with_logits(right, torch.ones_like(right))
    wrong_loss = F.binary_cross_entropy_with_logits(wrong, torch.zeros_like(wrong))
    return right_loss + wrong.shape[1] * wrong_loss


def analogy_of(target: Answer, rows: Answer = lambda unit: unit) -> Answer:
    def analogy_answer(vectors: Any, words: Any, a: Any, b: Any, c: Any) -> Any:
        unit = rows(F.normalize(vectors, dim=1))
        ia, ib, ic = (words.index(word) for word in (a, b, c))
        scores = F.cosine_similarity(unit, target(unit[ia], unit[ib], unit[ic])[None])
        scores[[ia, ib, ic]] = -9
        return words[int(scores.argmax())]

    return analogy_answer


def analogy_by_gensim(vectors: Any, words: Any, a: Any, b: Any, c: Any) -> Any:
    keyed = importlib.import_module("gensim.models").KeyedVectors(vectors.shape[1], dtype=np.float64)
    keyed.add_vectors(words, vectors.double().numpy())
    return keyed.most_similar(positive=[b, c], negative=[a], topn=1)[0][0]


def analogy_that_normalises_in_place(vectors: Any, words: Any, a: Any, b: Any, c: Any) -> Any:
    vectors /= vectors.norm(dim=1, keepdim=True)
    return BY_NAME["analogy_answer"].reference(vectors, words, a, b, c)


def analogy_from_the_nearest_of_c(vectors: Any, words: Any, a: Any, b: Any, c: Any) -> Any:
    """The five nearest of c, and among them the best."""
    unit = F.normalize(vectors, dim=1)
    near = (unit @ unit[words.index(c)]).topk(6).indices.tolist()
    target = unit[words.index(b)] - unit[words.index(a)] + unit[words.index(c)]
    rest = [k for k in near if words[k] not in (a, b, c)]
    return words[max(rest, key=lambda k: float(unit[k] @ target))]


def analogy_in_numpy(vectors: Any, words: Any, a: Any, b: Any, c: Any) -> Any:
    v = vectors.numpy() / np.linalg.norm(vectors.numpy(), axis=1)[:, None]
    at = {word: i for i, word in enumerate(words)}
    order = np.argsort(-(v @ (v[at[b]] + v[at[c]] - v[at[a]])))
    return next(words[i] for i in order if words[i] not in (a, b, c))


def analogy_by_step_lengths(a: Any, b: Any, c: Any) -> Any:
    return c + F.normalize(b - a, dim=0)


# ---- lesson 06, as first-year learners would write it


def cbow_columns(places: Answer) -> Answer:
    def cbow_tensors(sentences: Any, numbers: Any, window: Any) -> Any:
        contexts, targets = [], []
        for sentence in sentences:
            for i in range(window, len(sentence) - window):
                contexts.append([numbers[word] for word in places(sentence, i, window)])
                targets.append(numbers[sentence[i]])
        return torch.LongTensor(contexts), torch.LongTensor(targets)

    return cbow_tensors


def padded_columns(places: Answer, inside: Answer = lambda j, n: 0 <= j < n) -> Answer:
    def padded_windows(sentences: Any, window: Any, pad: Any = 0) -> Any:
        rows = [
            [s[j] if inside(j, len(s)) else pad for j in places(i, window)] for s in sentences for i in range(len(s))
        ]
        return torch.LongTensor(rows), torch.LongTensor([word for s in sentences for word in s])

    return padded_windows


def both_sides(i: int, window: int) -> Any:
    return [*range(i - window, i), *range(i + 1, i + window + 1)]


def pairs_by_permutations(sentences: Any, window: Any) -> Any:
    places = [(s, itertools.permutations(range(len(s)), 2)) for s in sentences]
    return [(s[i], s[j]) for s, both in places for i, j in both if abs(i - j) <= window]


def pairs_as_an_array(sentences: Any, window: Any) -> Any:
    return np.array(pairs_by_permutations(sentences, window))


def pairs_noted_twice(sentences: Any, window: Any) -> Any:
    made = []
    for centre, neighbour in pairs_by_permutations(sentences, window):
        made += [(centre, neighbour), (neighbour, centre)]
    return made


def pairs_of_two_slices(sentences: Any, window: Any) -> Any:
    made = []
    for s in sentences:
        for i in range(len(s)):
            made += [(s[i], word) for word in s[max(0, i - window) : i] + s[i : i + window]]
    return made


def pairs_from_the_second_word_on(sentences: Any, window: Any) -> Any:
    return [
        (s[i], s[j]) for s in sentences for i in range(1, len(s)) for j in range(len(s)) if 0 < abs(i - j) <= window
    ]


def pairs_without_the_last_centre(sentences: Any, window: Any) -> Any:
    turned = [s[::-1] for s in sentences]
    return pairs_from_the_second_word_on(turned, window)


def means_by_taking_the_padding_out(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    empty = (contexts == pad).sum(1, keepdim=True)
    total = embedding(contexts).sum(1) - empty * embedding.weight[pad]
    return total / (contexts.shape[1] - empty).clamp(min=1)


def means_of_zeroed_rows(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    embedding.weight.data[pad] = 0
    return embedding(contexts).mean(1)


def means_of_vectors_that_are_not_zero(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    vectors = embedding(contexts) * (contexts != pad).unsqueeze(-1)
    return vectors.sum(1) / (vectors != 0).any(-1).sum(1, keepdim=True).clamp(min=1)


def means_without_nan(embedding: Any, contexts: Any, pad: Any = 0) -> Any:
    vectors = embedding(contexts).masked_fill((contexts == pad)[..., None], torch.nan)
    return vectors.nanmean(1).nan_to_num()


def loss_before_the_dot_product(centre: Any, context: Any, negatives: Any) -> Any:
    wrong = F.logsigmoid(-centre[:, None] * negatives).sum((1, 2))
    return -(F.logsigmoid(centre * context).sum(1) + wrong).mean()


def loss_of_mean_products(centre: Any, context: Any, negatives: Any) -> Any:
    return loss_by_bce((centre * context).mean(1), (centre[:, None] * negatives).mean(2))


def loss_of_one_score_for_all(centre: Any, context: Any, negatives: Any) -> Any:
    wrong = (centre[:, None] * negatives).sum(2)
    return -(F.logsigmoid((centre * context).sum()) + F.logsigmoid(-wrong).sum(1)).mean()


def loss_by_log_of_sigmoid(right: Any, wrong: Any) -> Any:
    return (-torch.log(torch.sigmoid(right)) - torch.log(torch.sigmoid(-wrong)).sum(1)).mean()


def loss_by_own_sigmoid(right: Any, wrong: Any) -> Any:
    return -(torch.log(1 / (1 + torch.exp(-right))) + torch.log(1 / (1 + torch.exp(wrong))).sum(1)).mean()


def loss_by_log1p(right: Any, wrong: Any) -> Any:
    return torch.log1p(torch.exp(-right)).mean() + torch.log1p(torch.exp(wrong)).sum(1).mean()


def loss_without_overflow(right: Any, wrong: Any) -> Any:
    def softplus(s: Any) -> Any:
        return s.clamp(min=0) + torch.log1p(torch.exp(-s.abs()))

    return (softplus(-right) + softplus(wrong).sum(1)).mean()


def loss_after_the_minus_moved(right: Any, wrong: Any) -> Any:
    return (-F.logsigmoid(right) + F.logsigmoid(wrong).sum(1)).mean()


def loss_with_parts_cut_off(*cut: str, again: bool = False) -> Answer:
    def negative_sampling_loss(centre: Any, context: Any, negatives: Any) -> Any:
        given = {"centre": centre, "context": context, "negatives": negatives}
        given |= {name: given[name].detach() for name in cut}
        loss = loss_of(loss_by_bce)(*given.values())
        return loss.detach().requires_grad_() if again else loss

    return negative_sampling_loss


def loss_that_pushes_one_side_only(centre: Any, context: Any, negatives: Any) -> Any:
    right = (centre * context).sum(1)
    wrong = (negatives * centre.detach()[:, None]).sum(2)
    return -(F.logsigmoid(right) + F.logsigmoid(-wrong).sum(1)).mean()


def loss_with_backward_inside(centre: Any, context: Any, negatives: Any) -> Any:
    loss = loss_of(loss_by_bce)(centre, context, negatives)
    loss.backward()
    return loss


def analogy_struck_off_with(low: float) -> Answer:
    def analogy_answer(vectors: Any, words: Any, a: Any, b: Any, c: Any) -> Any:
        unit = vectors / vectors.norm(dim=1, keepdim=True)
        row = words.index
        scores = unit @ (unit[row(b)] - unit[row(a)] + unit[row(c)])
        for word in (a, b, c):
            scores[row(word)] = low
        return words[int(scores.argmax())]

    return analogy_answer


def analogy_by_search_from(low: float) -> Answer:
    def analogy_answer(vectors: Any, words: Any, a: Any, b: Any, c: Any) -> Any:
        unit = dict(zip(words, F.normalize(vectors, dim=1)))
        target = unit[b] - unit[a] + unit[c]
        best, answer = low, None
        for word in words:
            if word not in (a, b, c) and unit[word] @ target > best:
                best, answer = float(unit[word] @ target), word
        return answer

    return analogy_answer


def analogy_by_distance_of_unit_vectors(vectors: Any, words: Any, a: Any, b: Any, c: Any) -> Any:
    """Among vectors of length 1 the nearest to any point is the one with the largest cosine."""
    unit = F.normalize(vectors, dim=1)
    row = words.index
    distance = (unit - (unit[row(b)] - unit[row(a)] + unit[row(c)])).norm(dim=1)
    distance[[row(a), row(b), row(c)]] = torch.inf
    return words[int(distance.argmin())]


# ---- 07.1


def rnn_over_rows(x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    """One state runs through all sequences, one after the other."""
    h, outputs = h0[0], torch.zeros(*x.shape[:2], len(b_hh), dtype=x.dtype)
    for n in range(x.shape[1]):
        for t in range(x.shape[0]):
            h = torch.tanh(w_ih @ x[t, n] + b_ih + w_hh @ h + b_hh)
            outputs[t, n] = h
    return outputs, outputs[-1]


def rnn_without_a_state_at_first(x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    h = torch.tanh(x[0] @ w_ih.T + b_ih)
    outputs = [h]
    for x_t in x[1:]:
        h = torch.tanh(x_t @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
        outputs.append(h)
    return torch.stack(outputs), h


def rnn_that_clamps(x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    h, outputs = h0, []
    for x_t in x:
        h = (x_t @ w_ih.T + b_ih + h @ w_hh.T + b_hh).clamp(-1, 1)
        outputs.append(h)
    return torch.stack(outputs), h


def rnn_without_its_last_step(x: Any, h0: Any, *weights: Any) -> Any:
    outputs, _ = rnn_by_a_cell(x, h0, *weights)
    return outputs, outputs[-2] if len(outputs) > 1 else h0


def rnn_by_a_cell(x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    outputs = [h0]
    for x_t in x.unbind():
        outputs.append(torch.rnn_tanh_cell(x_t, outputs[-1], w_ih, w_hh, b_ih, b_hh))
    return torch.stack(outputs)[1:], outputs.pop()


def rnn_by_columns(x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    h, outputs = h0.T, torch.tensor([], dtype=x.dtype)
    for t in range(len(x)):
        h = torch.tanh(w_ih @ x[t].T + b_ih[:, None] + w_hh @ h + b_hh[:, None])
        outputs = torch.cat([outputs, h.T[None]])
    return outputs, h.T


# ---- 07.2


def lstm_of(change: Callable[..., Any]) -> Answer:
    """A step from the four parts before they are squashed, and c."""

    def step(x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        return change(*(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, 1), c)

    return step


def lstm_closed(i: Any, f: Any, g: Any, o: Any, new: Any) -> Any:
    return o.sigmoid() * new.tanh(), new


def lstm_with_forget_bias(i: Any, f: Any, g: Any, o: Any, c: Any) -> Any:
    return lstm_closed(i, f, g, o, (f + 1).sigmoid() * c + i.sigmoid() * g.tanh())


def lstm_with_a_peephole(i: Any, f: Any, g: Any, o: Any, c: Any) -> Any:
    return lstm_closed(i, f, g, o + c, f.sigmoid() * c + i.sigmoid() * g.tanh())


def lstm_with_hard_gates(i: Any, f: Any, g: Any, o: Any, c: Any) -> Any:
    new = torch.nn.functional.hardsigmoid(f) * c + torch.nn.functional.hardsigmoid(i) * g.tanh()
    return torch.nn.functional.hardsigmoid(o) * new.tanh(), new


def lstm_with_a_mean(i: Any, f: Any, g: Any, o: Any, c: Any) -> Any:
    return lstm_closed(i, f, g, o, (f.sigmoid() * c + i.sigmoid() * g.tanh()) / 2)


def lstm_that_gives_c_before_tanh(i: Any, f: Any, g: Any, o: Any, c: Any) -> Any:
    h, new = lstm_closed(i, f, g, o, f.sigmoid() * c + i.sigmoid() * g.tanh())
    return h, new.tanh()


def lstm_by_torch(x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    return list(torch.lstm_cell(x, (h, c), w_ih, w_hh, b_ih, b_hh))


def lstm_by_hyperbolic_tangents(i: Any, f: Any, g: Any, o: Any, c: Any) -> Any:
    i, f, o = ((1 + torch.tanh(gate / 2)) / 2 for gate in (i, f, o))
    c = torch.lerp(torch.zeros_like(c), c, f) + i * torch.tanh(g)
    return o * torch.tanh(c), c


# ---- 07.3


def real_places(logits: Any, lengths: Any) -> Any:
    return torch.arange(logits.shape[1]) < lengths[:, None]


def loss_at_the_last_place(logits: Any, targets: Any, lengths: Any) -> Any:
    rows = torch.arange(len(logits))[lengths > 0]
    ends = lengths[rows] - 1
    return F.cross_entropy(logits[rows, ends], targets[rows, ends])


def loss_step_by_step(logits: Any, targets: Any, lengths: Any) -> Any:
    """The mean over the sequences that are still running, then over steps."""
    real = real_places(logits, lengths)
    steps = [F.cross_entropy(logits[:, t][own], targets[:, t][own]) for t, own in enumerate(real.T) if own.any()]
    return torch.stack(steps).mean()


def loss_with_smoothing(logits: Any, targets: Any, lengths: Any) -> Any:
    real = real_places(logits, lengths)
    return F.cross_entropy(logits[real], targets[real], label_smoothing=0.01)


def loss_over_losses_above_0(logits: Any, targets: Any, lengths: Any) -> Any:
    each = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    each = each * (torch.arange(logits.shape[1]) < lengths[:, None])
    return each[each > 0].mean()


def loss_with_the_same_scores_in_padding(logits: Any, targets: Any, lengths: Any) -> Any:
    padding = torch.arange(logits.shape[1]) >= lengths[:, None]
    return F.cross_entropy(logits.masked_fill(padding[..., None], -1e9).transpose(1, 2), targets)


def loss_of_single_targets(logits: Any, targets: Any, lengths: Any) -> Any:
    """Equal targets beside each other count once."""
    real = real_places(logits, lengths)
    real[:, 1:] &= (targets[:, 1:] != targets[:, :-1]) | ~real[:, :-1]
    return F.cross_entropy(logits[real], targets[real])


def loss_over_batch_of_lengths(logits: Any, targets: Any, lengths: Any) -> Any:
    """Cut at the mean length."""
    real = real_places(logits, lengths)
    return (
        F.cross_entropy(logits[real], targets[real], reduction="sum")
        / (lengths[lengths > 0]).double().mean()
        / len(logits)
    )


def loss_by_one_hot(logits: Any, targets: Any, lengths: Any) -> Any:
    right = F.one_hot(targets, logits.shape[-1]) * real_places(logits, lengths)[..., None]
    return -torch.einsum("ntk,ntk->", logits.log_softmax(-1), right.to(logits.dtype)) / lengths.sum()


def loss_by_weights(logits: Any, targets: Any, lengths: Any) -> Any:
    each = nn.CrossEntropyLoss(reduction="none")(logits.flatten(0, 1), targets.flatten())
    shares = real_places(logits, lengths).flatten() / lengths.sum()
    return each @ shares.to(each.dtype)


# ---- 07.4


def chunks_of(
    carry: Callable[..., Any] = lambda h, c: (h.detach(), c.detach()), scale: Callable[[int], float] = lambda steps: 1.0
) -> Answer:
    """Right but for what is carried on, or for a factor of each chunk's loss, of the steps in it."""

    def train(model: Any, x: Any, y: Any, size: int, lr: float) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        state, losses = None, []
        for part, right in zip(x.split(size, 1), y.split(size, 1)):
            outputs, state = model(part, state)
            loss = F.mse_loss(outputs, right)
            optimizer.zero_grad()
            (scale(part.shape[1]) * loss).backward()
            optimizer.step()
            state = carry(*state)
            losses.append(loss.item())
        return losses

    return train


def first_rows_state(h: Any, c: Any) -> Any:
    return tuple(part.detach()[:, :1].expand_as(part).contiguous() for part in (h, c))


def rounded_state(h: Any, c: Any) -> Any:
    return h.detach().half().double(), c.detach().half().double()


def chunks_that_train_the_head(model: Any, x: Any, y: Any, size: int, lr: float) -> Any:
    """What the recurrent layer gives is detached: only the layer on top learns."""
    state, losses = None, []
    for part, right in zip(x.split(size, 1), y.split(size, 1)):
        with torch.no_grad():
            outputs, state = model.lstm(part, state)
        loss = F.mse_loss(model.head(outputs), right)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for weight in model.head.parameters():
                weight -= lr * weight.grad
        losses.append(loss.item())
    return losses


def chunks_with_momentum(model: Any, x: Any, y: Any, size: int, lr: float) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    state, losses = None, []
    for part, right in zip(x.split(size, 1), y.split(size, 1)):
        outputs, (h, c) = model(part, state)
        loss = F.mse_loss(outputs, right)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state = h.detach(), c.detach()
        losses.append(loss.item())
    return losses


def chunks_with_detach_in_place(model: Any, x: Any, y: Any, size: int, lr: float) -> Any:
    state: Any = None
    losses: list[float] = []
    while len(losses) * size < x.shape[1]:
        part = slice(len(losses) * size, (len(losses) + 1) * size)
        outputs, state = model(x[:, part], state)
        losses.append((loss := (outputs - y[:, part]).pow(2).mean()).item())
        slopes = torch.autograd.grad(loss, list(model.parameters()))
        for weight, slope in zip(model.parameters(), slopes):
            weight.data.add_(slope, alpha=-lr)
        for number in state:
            number.detach_()
    return losses


# ---- 07.5


def reader_of_flipped_packing(forward: Any, backward: Any, x: Any, lengths: Any) -> Any:
    """The packed numbers are turned round as a whole: steps of different sequences change places."""
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    turned = packed._replace(data=packed.data.flip(0))
    return torch.cat([forward(packed)[1][0], backward(turned)[1][0]], 1)


def reader_of_packed_flip(forward: Any, backward: Any, x: Any, lengths: Any) -> Any:
    """The padded batch is turned round and packed with the same lengths: padding is packed, real steps are not."""
    ends = []
    for layer, given in ((forward, x * real_places(x, lengths)[..., None]), (backward, x.flip(1))):
        packed = nn.utils.rnn.pack_padded_sequence(given, lengths, batch_first=True, enforce_sorted=False)
        ends.append(layer(packed)[1][0])
    return torch.cat(ends, 1)


def reader_of_masked_flip(forward: Any, backward: Any, x: Any, lengths: Any) -> Any:
    """Padding is set to 0 and comes first: a layer with biases does not stay at 0."""
    real = real_places(x, lengths)[..., None]
    ahead = forward(x)[0][torch.arange(len(x)), lengths - 1]
    return torch.cat([ahead, backward((x * real).flip(1))[0][:, -1]], 1)


def reader_sorted_in_the_first_half(forward: Any, backward: Any, x: Any, lengths: Any) -> Any:
    sizes, order = lengths.sort(descending=True)
    packed = nn.utils.rnn.pack_padded_sequence(x[order], sizes, batch_first=True)
    return torch.cat([forward(packed)[1][0], read_with_a_loop(forward, backward, x, lengths).chunk(2, 1)[1]], 1)


def reader_with_a_short_roll(forward: Any, backward: Any, x: Any, lengths: Any) -> Any:
    turned = torch.stack([row.roll(int(n) - x.shape[1] + 1, 0) for row, n in zip(x.flip(1), lengths)])
    rows = torch.arange(len(x))
    return torch.cat([forward(x)[0][rows, lengths - 1], backward(turned)[0][rows, lengths - 1]], 1)


def reader_with_a_carried_state(forward: Any, backward: Any, x: Any, lengths: Any) -> Any:
    """The backward half starts from the state with which the forward half ended."""
    rows = []
    for row, n in zip(x, lengths):
        _, h = forward(row[None, :n])
        rows.append(torch.cat([h[0, 0], backward(row[None, :n].flip(1), h)[1][0, 0]]))
    return torch.stack(rows)


def read_with_a_loop(forward: Any, backward: Any, x: Any, lengths: Any) -> Any:
    made = torch.empty(len(x), 2 * forward.hidden_size, dtype=x.dtype)
    for row, n in enumerate(lengths.tolist()):
        made[row, : forward.hidden_size] = forward(x[row, :n])[0][-1]
        made[row, forward.hidden_size :] = backward(x[row, :n].flipud())[0][-1]
    return made


def read_sorted_and_put_back(forward: Any, backward: Any, x: Any, lengths: Any) -> Any:
    order = lengths.argsort(descending=True)
    return read_with_a_loop(forward, backward, x[order], lengths[order])[order.argsort()]


def read_with_nan_behind(forward: Any, backward: Any, x: Any, lengths: Any) -> Any:
    """No padding is read: it could be anything."""
    hidden = torch.where(real_places(x, lengths)[..., None], x, torch.nan)
    return read_with_a_loop(forward, backward, hidden, lengths)


# ---- 07.6


def draws_among(keep: Callable[[Any], Any], change: Callable[[Any, float], Any] = lambda z, t: z / t) -> Answer:
    """Draws by changed probabilities, or from changed scores."""

    def draw(logits: Any, temperature: float, n: int) -> Any:
        p = keep(torch.softmax(change(logits.double(), temperature), 0))
        return torch.multinomial(p, n, replacement=True)

    return draw


def best_two(p: Any) -> Any:
    return p * (p >= p.topk(min(2, len(p))).values[-1])


def best_nine_tenths(p: Any) -> Any:
    order = p.argsort(descending=True)
    kept = p[order].cumsum(0) - p[order] < 0.9
    return torch.zeros_like(p).scatter(0, order[kept], p[order[kept]])


def draws_in_turn(logits: Any, temperature: float, n: int) -> Any:
    """Every class once, then again: as if without replacement."""
    return torch.arange(n) % len(logits)


def draws_by_numpy(logits: Any, temperature: float, n: int) -> Any:
    scores = logits.double().numpy() / temperature
    p = np.exp(scores - scores.max())
    return np.random.default_rng(5).choice(len(p), size=n, p=p / p.sum())


def draws_by_exponentials(logits: Any, temperature: float, n: int) -> Any:
    p = torch.softmax(logits.double() / temperature, 0)
    return (p / torch.empty(n, len(p), dtype=p.dtype).exponential_()).argmax(-1)


def draws_row_by_row(logits: Any, temperature: float, n: int) -> Any:
    rows = (logits / temperature).softmax(0).expand(n, -1)
    return torch.multinomial(rows, 1).squeeze(1).int()


#: Answers that are a listed mistake in the words of a beginner, each with the first words of what must be said.
NAMED: list[tuple[str, Answer, str]] = [
    ("sequence_loss", loss_with_the_same_scores_in_padding, "You set all logits in padding"),
    ("to_picture", beginner_picture(lambda v: (255 * v).clamp(0, 255).to(torch.uint8)), "Your numbers are cut off"),
    ("to_picture", beginner_picture(lambda v: v.clamp(0, 1).mul(255).byte()), "Your numbers are cut off"),
    ("to_picture", beginner_picture(lambda v: (v * 255).ceil().clamp(0, 255).byte()), "Your numbers are rounded up"),
    ("to_picture", beginner_picture(lambda v: (v * 255).round().clamp(0, 255).byte(), True), "You clamp too early"),
    ("to_picture", beginner_picture(lambda v: (v * 255).round().clamp(0, 255).int()), "The values are right, but"),
    ("to_picture", beginner_picture(lambda v: v2.functional.to_dtype(v.clamp(0, 1), torch.uint8, True)), "ConvertIm"),
    ("mixup", beginner_mixup, "You clamp the mixed pictures"),
    ("cutmix", beginner_cutmix(swapped=True), "The centre is (row, column)"),
    ("cutmix", beginner_cutmix(last=-1), "Your box is one row and one column too small"),
    ("cutmix", beginner_cutmix(last=1), "Your box is one row and one column too large"),
    ("cutmix", beginner_cutmix(square=True), "Your box is a square, from the height"),
    ("cutmix", beginner_cutmix(compare=True), "You compare pixels"),
    ("through_imgaug", beginner_channels, "You hand over one channel at a time"),
    ("training_pipeline", beginner_batch, "You mirror after torch.stack"),
    ("training_pipeline", pipeline_into_the_list, "You write into the list"),
    ("training_pipeline", pipeline_that_empties_the_list, "You write into the list"),
    ("training_pipeline", pipeline_with_seed_zero, "Your function sets torch's seed"),
    ("training_pipeline", pipeline_that_does_one_of_two, "Mirroring and erasing hang together"),
    ("cbow_tensors", cbow_of(lambda x, y: (x.float(), y.float())), "The numbers are right, but they are floating"),
    ("cbow_tensors", cbow_of(lambda x, y: (x.tolist(), y.tolist())), "The numbers are right, but these are lists"),
    ("padded_windows", padded_at_the_end, "All rows have one length, but your padding always stands at the end"),
    ("padded_windows", padded_by_try, "On the left you look at negative places"),
    ("skipgram_pairs_of", pairs_of_a_beginner, "On the right your window is one place too short"),
    ("skipgram_pairs_of", pairs_without_the_centre_word, "You compare words where places count"),
    ("context_mean", means_of_the_data, "The numbers are right, but they are cut off"),
    ("context_mean", means_through_numpy, "The numbers are right, but they are cut off"),
    ("negative_sampling_loss", loss_of(loss_by_log_of_one_minus), "1 − σ(s) is exactly 0"),
    ("cbow_tensors", cbow_columns(lambda s, i, w: s[i - w : i][::-1] + s[i + 1 : i + w + 1]), "Your left half runs"),
    (
        "cbow_tensors",
        cbow_columns(lambda s, i, w: s[i - w : i] + s[i : i + w]),
        "Your right half begins with the centre",
    ),
    ("padded_windows", padded_columns(lambda i, w: [*range(i - w, i), *range(i, i + w)]), "Your right half begins"),
    ("padded_windows", padded_columns(both_sides, lambda j, n: 0 < j < n), "The first word of a sentence never stands"),
    ("padded_windows", padded_columns(both_sides, lambda j, n: 0 <= j < n - 1), "The last word of a sentence never"),
    ("skipgram_pairs_of", pairs_noted_twice, "Each pair comes twice as often"),
    ("skipgram_pairs_of", pairs_of_two_slices, "On the right you begin with the centre itself"),
    ("skipgram_pairs_of", pairs_from_the_second_word_on, "The first word of a sentence is never a centre"),
    ("skipgram_pairs_of", pairs_without_the_last_centre, "The last word of a sentence is never a centre"),
    ("context_mean", means_with_a_zeroed_row, "You write zeros into the padding's row. The means are right"),
    ("context_mean", means_of_zeroed_rows, "You write zeros into the padding's row, and then you average"),
    ("context_mean", means_of_vectors_that_are_not_zero, "You ask the vectors which places are empty"),
    ("negative_sampling_loss", loss_of(loss_by_log_of_sigmoid), "Your loss becomes infinite"),
    ("negative_sampling_loss", loss_of(loss_by_own_sigmoid), "Your loss becomes infinite"),
    ("negative_sampling_loss", loss_of(loss_by_log1p), "Your loss becomes infinite"),
    ("negative_sampling_loss", loss_of(loss_after_the_minus_moved), "For the negatives you took the minus out"),
    ("negative_sampling_loss", loss_before_the_dot_product, "You take log σ before you add up"),
    ("negative_sampling_loss", loss_of_mean_products, "You average over the d numbers"),
    ("negative_sampling_loss", loss_of_one_score_for_all, "Your pairs share one score"),
    (
        "negative_sampling_loss",
        loss_of(lambda r, w: loss_by_bce(r, w.sum(1, keepdim=True))),
        "You add up the negatives",
    ),
    ("negative_sampling_loss", loss_of(lambda r, w: loss_by_bce(r, w[:, :1])), "Only the first negative"),
    (
        "negative_sampling_loss",
        loss_with_parts_cut_off("context"),
        "The loss is right, but no gradient reaches the con",
    ),
    ("negative_sampling_loss", loss_with_parts_cut_off("centre"), "The loss is right, but no gradient reaches the cen"),
    ("negative_sampling_loss", loss_with_parts_cut_off(again=True), "The number is right, but it is cut off"),
    ("negative_sampling_loss", loss_with_backward_inside, "The number is right, but you call backward() inside"),
    ("analogy_answer", analogy_struck_off_with(0.0), "You give the three words the score 0"),
    ("analogy_answer", analogy_struck_off_with(-1.0), "You give the three words the score −1"),
    ("analogy_answer", analogy_by_search_from(0.0), "Your search begins with 0"),
    ("analogy_answer", analogy_by_search_from(-1.0), "Your search begins with −1"),
    ("train_in_chunks", chunks_of(lambda h, c: None), "No error any more, but every chunk starts from zeros"),
    ("read_both_ways", reader_of_packed_flip, "The forward half is right. But x.flip(1) puts the padding first"),
    (
        "sample_next",
        lambda logits, temperature, n: torch.softmax(logits.double() / temperature, 0),
        "You give back the probabilities",
    ),
]

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
    ("batch_norm", both_modes(norm_without_transpose)),
    ("batch_norm", both_modes(norm_by_absolute_deviation)),
    ("batch_norm", both_modes(norm_with_eps_squared)),
    ("batch_norm", both_modes(norm_with_a_floor)),
    ("batch_norm", both_modes(norm_unbiased_for_sequences)),
    ("batch_norm", both_modes(norm_in_place)),
    ("batch_norm", norm_that_remembers),
    ("batch_norm", norm_corrected_in_evaluation),
    ("update_running", running_in_place),
    ("update_running", running_of_the_first_position),
    ("update_running", running_spread_mixed),
    ("update_running", running_pooled),
    ("update_running", running_corrected_as_a_whole),
    ("normalise_tokens", tokens_averaged),
    ("normalise_tokens", tokens_swapped_after_an_error),
    ("normalise_tokens", tokens_always_trained_on),
    ("normalise_tokens", tokens_with_another_momentum),
    ("normalise_tokens", tokens_cut_off_the_layer),
    ("normalise_tokens", tokens_normalised_in_place),
    ("normalise_tokens", tokens_by_numpy),
    ("group_norm", groups_with_the_layers_own_weights),
    ("group_norm", groups_over_rows_of_pixels),
    ("group_norm", groups_with_gamma_dealt_out),
    ("fold", fold_of_the_weights_own_spread),
    ("fold", fold_with_the_mean_scaled_by_the_root_only),
    ("fold", fold_in_place),
    ("add_penalty", penalises_the_largest),
    ("add_penalty", penalises_by_writing_gradients),
    ("add_penalty", penalises_in_proportion),
    ("add_penalty", penalises_l2_in_the_value_only),
    ("proximal_step", stops_where_the_sign_turns),
    ("proximal_step", shrinks_the_whole_vector),
    ("proximal_step", nearly_zero),
    ("proximal_step", steps_in_place),
    ("momentum_step", momentum_from_an_optimizer_at_rest),
    ("momentum_step", momentum_averaged_with_lr),
    ("momentum_step", momentum_rescaled),
    ("dropout", drops_everything_or_nothing),
    ("dropout", drops_with_normal_draws),
    ("dropout", drops_in_stripes),
    ("dropout", drops_channels),
    ("dropout", drops_to_the_mean),
    ("dropout", drops_half_as_often),
    ("dropout", drops_with_a_cached_mask),
    ("dropout", drops_and_passes_all_gradients),
    ("clip_gradients", clips_to_the_root_mean_square),
    ("clip_gradients", clips_and_steps),
    ("clip_gradients", clips_half_of_the_excess),
    ("to_picture", picture_in_place),
    ("to_picture", picture_in_half_precision),
    ("to_picture", picture_clamped_a_little_early),
    ("to_picture", picture_of_other_statistics),
    ("to_picture", picture_wrapped_below_only),
    ("move_points", points_by_the_first_divisor),
    ("move_points", points_inside_the_picture),
    ("move_points", points_to_half_a_pixel),
    ("move_points", points_in_place),
    ("move_points", points_as_an_affine_map),
    ("mixup", mixup_in_place),
    ("mixup", mixup_with_its_own_draw),
    ("mixup", mixup_of_partners_of_partners),
    ("mixup", mixup_pixel_by_pixel),
    ("mixup", mixup_with_sharpened_labels),
    ("mixup", mixup_with_nearly_hard_labels),
    ("cutmix", cutmix_of(rows=places_around_the_edge)),
    ("cutmix", cutmix_of(rows=places_rounded_up)),
    ("cutmix", cutmix_of(rows=places_without_the_first)),
    ("cutmix", cutmix_of(rows=places_unless_cut)),
    ("cutmix", cutmix_of(share=math.sqrt)),
    ("cutmix", cutmix_of(share=lambda area: round(area, 1))),
    ("cutmix", cutmix_of(source=lambda x, order: x[order].flip(3))),
    ("cutmix", cutmix_of(source=lambda x, order: (x + x[order]) / 2)),
    ("cutmix", cutmix_of(source=lambda x, order: x[order].mean(0, keepdim=True).expand_as(x))),
    ("cutmix", cutmix_in_place),
    ("cutmix", cutmix_without_a_copy),
    ("through_imgaug", adapter_with_a_memory),
    ("through_imgaug", adapter_through_jpeg),
    ("through_imgaug", adapter_of_a_square),
    ("through_imgaug", adapter_channel_by_channel),
    ("through_imgaug", adapter_in_place),
    ("training_pipeline", pipeline_that_seeds_itself),
    ("training_pipeline", pipeline(pipeline_with_blue_first)),
    ("training_pipeline", pipeline(pipeline_that_mirrors_a_tenth)),
    ("training_pipeline", pipeline(pipeline_that_turns)),
    ("training_pipeline", pipeline_with_its_own_statistics),
    ("training_pipeline", pipeline_that_spoils_the_photographs),
    ("augmented_set", set_shuffled_together),
    ("augmented_set", set_with_labels_turned),
    ("augmented_set", set_without_repetitions),
    ("augmented_set", set_that_grows_in_place),
    ("keeps_label", keeps_total),
    ("keeps_label", keeps_nearly),
    ("keeps_label", keeps_any_order),
    ("keeps_label", keeps_share),
    ("keeps_label", keeps_with_its_own_negations),
    ("keeps_label", keeps_with_its_own_contractions),
    ("keeps_label", keeps_but_blind_to_curly_apostrophes),
    ("with_particle", particle_with_long_forms_excepted),
    ("with_particle", particle_with_doubled_vowel),
    ("with_particle", particle_by_the_vowel),
    ("with_particle", particle_by_evenness),
    ("with_particle", particle_with_l_for_towards_reversed),
    ("augment_one", one_longest),
    ("augment_one", one_sorted),
    ("augment_one", one_with_five),
    ("augment_one", one_from_a_list_of_one),
    ("augment_one", one_about_capitals),
    ("augment_one", one_about_lower_case),
    ("augment_one", one_about_words),
    ("word_changer", changer_with_an_open_regex),
    ("word_changer", changer_with_a_limit_of_a_thousand),
    ("word_changer", changer_that_exchanges(aug_p=0.3)),
    ("word_changer", changer_that_exchanges(aug_p=0.9)),
    ("word_changer", changer_that_exchanges(stopwords=None)),
    ("word_changer", changer_that_exchanges(aug_max=10)),
    ("word_changer", changer_over_any_distance),
    ("word_changer", changer_with_a_word),
    ("word_changer", changer_of_one_word),
    ("word_changer", changer_with_the_share_of_the_rest),
    ("word_changer", changer_used_at_once),
    ("word_changer", changer_that_keeps_the_first),
    ("cbow_tensors", cbow_of(lambda x, y: (x, y[:, None]))),
    ("cbow_tensors", cbow_of(lambda x, y: (x.sort(1).values, y))),
    ("cbow_tensors", cbow_of(lambda x, y: (x, y.roll(1)))),
    ("cbow_tensors", cbow_of(lambda x, y: (x.unique(dim=0), y))),
    ("cbow_tensors", cbow_into_the_sentences),
    ("cbow_tensors", cbow_until_the_first_short_one),
    ("cbow_tensors", cbow_of_each_word_once),
    ("padded_windows", padded_of(lambda x, y: (x.flip(1), y))),
    ("padded_windows", padded_of(lambda x, y: (x[(x != x[-1, -1]).any(1)], y))),
    ("padded_windows", padded_of(lambda x, y: (x.sort(1).values, y))),
    ("padded_windows", padded_like_a_mirror),
    ("padded_windows", padded_where_the_word_comes_twice),
    ("padded_windows", padded_in_the_sentences),
    ("skipgram_pairs_of", pairs_over_short_sentences),
    ("skipgram_pairs_of", pairs_with_a_drawn_reach),
    ("skipgram_pairs_of", pairs_in_steps),
    ("skipgram_pairs_of", pairs_of_pairs),
    ("context_mean", means_with_a_zeroed_row),
    ("context_mean", means_of(lambda v, real: (v * real).sum(1), torch.sqrt)),
    ("context_mean", means_of(lambda v, real: (v * real).sum(1), lambda count: count + 1e-3)),
    ("context_mean", means_of(lambda v, real: (v * real).median(1).values, torch.ones_like)),
    ("context_mean", means_of(lambda v, real: (v.detach() * real).sum(1) + 0 * v.sum(1), lambda count: count)),
    ("context_mean", means_of_the_first_real_ones),
    ("negative_sampling_loss", loss_of(loss_by_hinge)),
    ("negative_sampling_loss", loss_of(loss_in_half)),
    ("negative_sampling_loss", loss_of(loss_of_clamped_scores)),
    ("negative_sampling_loss", loss_of(loss_weighted)),
    ("negative_sampling_loss", loss_that_pulls),
    ("negative_sampling_loss", loss_squeezed),
    ("negative_sampling_loss", loss_that_normalises_in_place),
    ("negative_sampling_loss", loss_that_pushes_one_side_only),
    ("analogy_answer", analogy_of(lambda a, b, c: b - a + c, lambda unit: unit - unit.mean(0))),
    ("analogy_answer", analogy_of(lambda a, b, c: c * (b / a))),
    ("analogy_answer", analogy_of(lambda a, b, c: 2 * (b - a) + c)),
    ("analogy_answer", analogy_of(analogy_by_step_lengths)),
    ("analogy_answer", analogy_that_normalises_in_place),
    ("analogy_answer", analogy_from_the_nearest_of_c),
    ("rnn_forward", rnn_over_rows),
    ("rnn_forward", rnn_without_a_state_at_first),
    ("rnn_forward", rnn_that_clamps),
    ("rnn_forward", rnn_without_its_last_step),
    ("lstm_step", lstm_of(lstm_with_forget_bias)),
    ("lstm_step", lstm_of(lstm_with_a_peephole)),
    ("lstm_step", lstm_of(lstm_with_hard_gates)),
    ("lstm_step", lstm_of(lstm_with_a_mean)),
    ("lstm_step", lstm_of(lstm_that_gives_c_before_tanh)),
    ("sequence_loss", loss_over_losses_above_0),
    ("sequence_loss", loss_at_the_last_place),
    ("sequence_loss", loss_step_by_step),
    ("sequence_loss", loss_with_smoothing),
    ("sequence_loss", loss_of_single_targets),
    ("sequence_loss", loss_over_batch_of_lengths),
    ("train_in_chunks", chunks_of(first_rows_state)),
    ("train_in_chunks", chunks_of(rounded_state)),
    ("train_in_chunks", chunks_of(lambda h, c: (0.9 * h.detach(), c.detach()))),
    ("train_in_chunks", chunks_of(scale=lambda steps: float(steps))),
    ("train_in_chunks", chunks_that_train_the_head),
    ("train_in_chunks", chunks_with_momentum),
    ("read_both_ways", reader_of_flipped_packing),
    ("read_both_ways", reader_of_packed_flip),
    ("read_both_ways", reader_of_masked_flip),
    ("read_both_ways", reader_sorted_in_the_first_half),
    ("read_both_ways", reader_with_a_short_roll),
    ("read_both_ways", reader_with_a_carried_state),
    ("sample_next", lambda logits, temperature, n: logits),
    ("sample_next", lambda logits, temperature, n: logits / temperature),
    ("sample_next", lambda logits, temperature, n: torch.rand(n)),
    ("sample_next", lambda logits, temperature, n: logits.argmax().repeat(n).float()),
    ("sample_next", draws_among(best_two)),
    ("sample_next", draws_among(best_nine_tenths)),
    ("sample_next", draws_among(lambda p: p + 0.1)),
    ("sample_next", draws_among(lambda p: p, lambda z, t: z / max(t, 1.0))),
    ("sample_next", draws_among(lambda p: p, lambda z, t: z / t**0.5)),
    ("sample_next", draws_among(lambda p: p**2)),
    ("sample_next", draws_in_turn),
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
    ("batch_norm", both_modes(norm_by_squares)),
    ("batch_norm", both_modes(norm_in_single_precision)),
    ("batch_norm", both_modes(norm_by_numpy)),
    ("batch_norm", norm_by_a_layer),
    ("update_running", running_on_copies),
    ("update_running", running_in_single_precision),
    ("normalise_tokens", tokens_by_the_function),
    ("normalise_tokens", tokens_flattened),
    ("group_norm", groups_by_a_layer),
    ("fold", fold_by_unit_vectors),
    ("update_running", running_stacked),
    ("update_running", running_by_a_layer),
    ("update_running", running_by_numpy),
    ("group_norm", groups_as_channels_of_one_sample),
    ("fold", fold_by_torch),
    ("fold", fold_turned_twice),
    ("add_penalty", penalises_in_one_sum),
    ("add_penalty", penalises_in_place_by_sign),
    ("add_penalty", penalises_with_torch_norms),
    ("proximal_step", shrinks_by_a_ratio),
    ("proximal_step", shrinks_in_three_parts),
    ("momentum_step", momentum_while_frozen),
    ("momentum_step", momentum_into_out),
    ("dropout", drops_by_numpy),
    ("dropout", drops_by_a_distribution),
    ("dropout", drops_with_where),
    ("dropout", drops_by_a_layer),
    ("clip_gradients", clips_with_foreach),
    ("clip_gradients", clips_by_new_gradients),
    ("to_picture", picture_by_functions),
    ("to_picture", picture_by_numpy),
    ("move_points", points_by_opencv),
    ("move_points", points_one_by_one),
    ("move_points", points_after_scaling_the_matrix),
    ("mixup", mixup_by_numpy),
    ("mixup", mixup_by_scattering),
    ("cutmix", cutmix_of()),
    ("cutmix", cutmix_by_padding),
    ("through_imgaug", adapter_frozen),
    ("through_imgaug", adapter_of_the_course),
    ("training_pipeline", pipeline(squeezed, mirrored_now_and_then)),
    ("training_pipeline", pipeline_with_masks),
    ("training_pipeline", pipeline_with_coins),
    ("to_picture", beginner_picture(lambda values: (255 * values).round().clamp(0, 255).byte())),
    ("cutmix", beginner_cutmix()),
    ("augmented_set", set_by_remainder),
    ("augmented_set", set_by_chain),
    ("keeps_label", keeps_by_hand),
    ("keeps_label", keeps_in_numpy),
    ("with_particle", particle_by_jamo),
    ("with_particle", particle_by_replacing),
    ("augment_one", one_by_filter),
    ("augment_one", one_of_three_equal_texts),
    ("augment_one", one_with_a_guard),
    ("word_changer", changer),
    ("word_changer", changer_with_a_regex),
    ("word_changer", changer_without_limit),
    ("cbow_tensors", cbow_by_views),
    ("cbow_tensors", cbow_as_a_beginner),
    ("padded_windows", padded_by_unfold),
    ("padded_windows", padded_with_a_dict),
    ("skipgram_pairs_of", pairs_by_removing),
    ("skipgram_pairs_of", pairs_written_as_lists),
    ("skipgram_pairs_of", pairs_turned_round),
    ("context_mean", means_by_weights),
    ("context_mean", means_row_by_row),
    ("context_mean", means_by_bags),
    ("negative_sampling_loss", loss_of(loss_with_mixed_signs)),
    ("negative_sampling_loss", loss_of(loss_by_bce)),
    ("negative_sampling_loss", loss_by_loops),
    ("analogy_answer", analogy_by_gensim),
    ("analogy_answer", analogy_in_numpy),
    ("skipgram_pairs_of", pairs_by_permutations),
    ("skipgram_pairs_of", pairs_as_an_array),
    ("context_mean", means_by_taking_the_padding_out),
    ("context_mean", means_without_nan),
    ("negative_sampling_loss", loss_of(loss_without_overflow)),
    ("analogy_answer", analogy_struck_off_with(-9.0)),
    ("analogy_answer", analogy_by_search_from(-math.inf)),
    ("analogy_answer", analogy_by_distance_of_unit_vectors),
    ("rnn_forward", rnn_by_a_cell),
    ("rnn_forward", rnn_by_columns),
    ("lstm_step", lstm_by_torch),
    ("lstm_step", lstm_of(lstm_by_hyperbolic_tangents)),
    ("sequence_loss", loss_by_one_hot),
    ("sequence_loss", loss_by_weights),
    ("train_in_chunks", chunks_of()),
    ("train_in_chunks", chunks_of(lambda h, c: [h.data, c.data])),
    ("train_in_chunks", chunks_with_detach_in_place),
    ("read_both_ways", read_with_a_loop),
    ("read_both_ways", read_sorted_and_put_back),
    ("read_both_ways", read_with_nan_behind),
    ("sample_next", draws_by_numpy),
    ("sample_next", draws_by_exponentials),
    ("sample_next", draws_row_by_row),
]


def title(value: object) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", "")


@pytest.mark.parametrize(("name", "answer"), WRONG, ids=title)
def test_wrong_answer_is_not_accepted(name: str, answer: Answer) -> None:
    verdict = BY_NAME[name].judge(answer)
    assert verdict.status is Status.NOT_YET, str(verdict)


@pytest.mark.parametrize(("name", "answer", "words"), NAMED, ids=title)
def test_a_beginners_form_of_a_mistake_is_named(name: str, answer: Answer, words: str) -> None:
    verdict = BY_NAME[name].judge(answer)
    assert verdict.status is Status.NOT_YET, str(verdict)
    assert verdict.message.startswith(words)


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=title)
def test_right_answer_in_an_odd_style_is_accepted(name: str, answer: Answer) -> None:
    verdict = BY_NAME[name].judge(answer)
    assert verdict.status is Status.CORRECT, str(verdict)


@pytest.mark.parametrize("name", ["cbow_tensors", "padded_windows"])
def test_the_message_on_the_card_occurs(name: str) -> None:
    task = BY_NAME[name]
    assert isinstance(task, Exercise)
    written(task.number[:2])
    namespace: dict[str, Any] = {"torch": torch}
    exec(task.stub, namespace)
    message = ""
    for arguments in task.cases():
        try:
            namespace[name](*arguments)
        except ValueError as error:
            message = str(error)
            break
    assert message
    assert f"ValueError: {message}\n" in card_cell(task)


def test_one_set_of_settings_is_accepted() -> None:
    task = BY_NAME["same_as_penalty"]
    names = sorted(set.union(*(mistake.answer for mistake in task.mistakes)))
    assert len(names) == 6
    subsets = [set(subset) for size in range(7) for subset in itertools.combinations(names, size)]
    verdicts = [task.judge(subset) for subset in subsets]
    accepted = [subset for subset, verdict in zip(subsets, verdicts) if verdict.status is Status.CORRECT]
    assert accepted == [task.reference]
    # No sentence names as wrong what is right.
    assert not any(verdict.message.startswith(tuple(task.reference)) for verdict in verdicts)
    assert task.judge({name.replace("λ", "lambda") for name in task.reference}).status is Status.CORRECT
    assert task.judge({}).message == "Empty braces are a dict; write set()."
    assert "Empty braces" not in task.judge(set()).message
    for odd in ("SGD(weight_decay=2λ)", {"SGD"}, {3}, dict.fromkeys(task.reference, True)):
        assert task.judge(odd).status is Status.NOT_YET


def test_one_set_of_pipelines_is_accepted() -> None:
    task = BY_NAME["honest_scores"]
    assert isinstance(task, Selection)
    subsets = [set(subset) for size in range(7) for subset in itertools.combinations(task.names, size)]
    verdicts = [task.judge(subset) for subset in subsets]
    accepted = [subset for subset, verdict in zip(subsets, verdicts) if verdict.status is Status.CORRECT]
    assert accepted == [task.reference]
    # A sentence names as a leak only what was chosen and leaks, and as missing only what was not chosen and is honest.
    for subset, verdict in zip(subsets, verdicts):
        leak = re.match(r"'(.*?)' scores ≈", verdict.message)
        assert leak is None or leak[1] in subset - task.reference
        missing = re.search(r"missing: '(.*?)' stays", verdict.message)
        assert missing is None or missing[1] in task.reference - subset


def test_leaks_lie_far_above_a_coin() -> None:
    lesson_04 = importlib.import_module("course_utils.practice.lesson_04")
    for name, pipeline in lesson_04._PIPELINES.items():
        mean, plus_minus = map(float, re.findall(r"[\d.]+", lesson_04.coin_score(pipeline, repeats=600)))
        distance = (mean - 50) / (plus_minus / 1.96)  # in standard errors
        assert distance > 5 if name not in BY_NAME["honest_scores"].reference else abs(distance) < 4, (name, mean)


def test_the_tool_of_the_coin_wants_a_score() -> None:
    lesson_04 = importlib.import_module("course_utils.practice.lesson_04")
    with pytest.raises(TypeError, match="pipeline: gave back NoneType"):
        lesson_04.coin_score(lambda pairs, rng: None)
    assert lesson_04.coin_score(lambda pairs, rng: 0.5, repeats=3) == "50.0 ± 0.0 %"


def test_one_set_of_changes_is_accepted() -> None:
    task = BY_NAME["safe_changes"]
    names = sorted(set.union(*(mistake.answer for mistake in task.mistakes)))
    assert len(names) == 8
    subsets = [set(subset) for size in range(9) for subset in itertools.combinations(names, size)]
    verdicts = [task.judge(subset) for subset in subsets]
    accepted = [subset for subset, verdict in zip(subsets, verdicts) if verdict.status is Status.CORRECT]
    assert accepted == [task.reference]
    # Who chose nothing wrong is told so; who did is told which change is one too many.
    for subset, verdict in zip(subsets, verdicts):
        named = re.match(r'"(.*)" does not keep the label', verdict.message)
        assert named is None or named[1] in subset - task.reference
        if subset < task.reference and subset not in [mistake.answer for mistake in task.mistakes]:
            assert verdict.message.startswith("What you chose is right")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing_is_that_of_torchvision(name: str, seed: int) -> None:
    task = BY_NAME[name]
    assert isinstance(task, Exercise)
    x = torch.rand(5, 3, 12, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    y = torch.tensor([0, 3, 1, 1, 2])
    library = {"mixup": v2.MixUp, "cutmix": v2.CutMix}[name](num_classes=4)
    torch.manual_seed(seed)
    pictures, labels = library(x, y)
    torch.manual_seed(seed)
    lam = float(torch.distributions.Beta(torch.tensor([1.0]), torch.tensor([1.0])).sample(()))
    column, row = int(torch.randint(9, (1,))), int(torch.randint(12, (1,)))
    draws: list[Any] = [lam, (row, column)] if name == "cutmix" else [lam]
    for answer in (task.reference, task.expected):
        own_pictures, own_labels = answer(x, y, 4, *draws, torch.arange(5).roll(1))
        torch.testing.assert_close(own_pictures, pictures)
        torch.testing.assert_close(own_labels.float(), labels)


def test_one_set_of_pairs_is_accepted() -> None:
    task = BY_NAME["close_pairs"]
    assert isinstance(task, Selection)
    subsets = [set(subset) for size in range(9) for subset in itertools.combinations(task.names, size)]
    verdicts = [task.judge(subset) for subset in subsets]
    accepted = [subset for subset, verdict in zip(subsets, verdicts) if verdict.status is Status.CORRECT]
    assert accepted == [task.reference]
    # A sentence names as too many only what was chosen and is far, and as missing only what was not chosen and is near.
    for subset, verdict in zip(subsets, verdicts):
        extra = re.match(r'"(.*?)" is not near', verdict.message)
        assert extra is None or extra[1] in subset - task.reference
        missing = re.search(r'is missing: "(.*?)"', verdict.message)
        assert missing is None or missing[1] in task.reference - subset


def test_near_pairs_lie_far_before_the_others() -> None:
    lesson_06 = importlib.import_module("course_utils.practice.lesson_06")
    places = {pair: lesson_06._place(pair) for pair in BY_NAME["close_pairs"].names}
    near = BY_NAME["close_pairs"].reference
    assert max(place for pair, place in places.items() if pair in near) <= 8, places
    assert min(place for pair, place in places.items() if pair not in near) >= 200, places


@pytest.mark.parametrize("seed", range(8))
def test_analogies_are_those_of_gensim(seed: int) -> None:
    task = BY_NAME["analogy_answer"]
    assert isinstance(task, Exercise)
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    vectors *= torch.rand(40, 1, generator=generator, dtype=torch.float64) + 0.1
    words = [f"word {number}" for number in range(40)]
    chosen = [words[number] for number in torch.randperm(40, generator=generator)[:3].tolist()]
    wanted = analogy_by_gensim(vectors, words, *chosen)
    assert task.reference(vectors, words, *chosen) == wanted
    assert task.expected(vectors, words, *chosen) == wanted


def test_one_set_of_networks_is_accepted() -> None:
    task = BY_NAME["keeps_gradient"]
    assert isinstance(task, Selection)
    subsets = [set(subset) for size in range(9) for subset in itertools.combinations(task.names, size)]
    verdicts = [task.judge(subset) for subset in subsets]
    accepted = [subset for subset, verdict in zip(subsets, verdicts) if verdict.status is Status.CORRECT]
    assert accepted == [task.reference]
    # A sentence names as wrong only what was chosen and is, and as missing only what was not chosen and is right.
    for subset, verdict in zip(subsets, verdicts):
        extra = re.match(r'"(.*?)" does not keep', verdict.message)
        assert extra is None or extra[1] in subset - task.reference
        missing = re.search(r'missing: "(.*?)" keeps', verdict.message)
        assert missing is None or missing[1] in task.reference - subset


@pytest.mark.parametrize("seed", range(4))
def test_the_tool_and_the_check_agree_on_the_gradient(seed: int) -> None:
    lesson_07 = importlib.import_module("course_utils.practice.lesson_07")
    for name, (kind, setting) in lesson_07._NETWORKS.items():
        keyword = "radius" if kind in ("linear", "tanh") else "bias"
        told = lesson_07.gradient_left(kind, **{keyword: setting}, seed=seed)
        checked = lesson_07._carried(kind, setting, seed)
        for left in (told, checked):
            # No network is near the border of the question, whatever the weights: a factor of 10 at least.
            inside = 10 / 100 < left < 100 / 10
            outside = not 1 / 1000 < left < 1000
            assert inside if name in BY_NAME["keeps_gradient"].reference else outside, (name, left)


def test_forward_and_backward_measure_the_same() -> None:
    lesson_07 = importlib.import_module("course_utils.practice.lesson_07")
    for name, (kind, setting) in lesson_07._NETWORKS.items():
        keyword = "radius" if kind in ("linear", "tanh") else "bias"
        told = [lesson_07.gradient_left(kind, **{keyword: setting}, steps=5, seed=1000 + seed) for seed in range(20)]
        checked = [lesson_07._carried(kind, setting, seed, steps=5) for seed in range(20)]
        # The same weights and inputs, other directions: over 20 networks the means agree.
        assert math.isclose(sum(told), sum(checked), rel_tol=0.02), (name, sum(told) / sum(checked))


def test_the_tool_of_the_gradient_is_exact_where_it_can_be_and_refuses_nonsense() -> None:
    lesson_07 = importlib.import_module("course_utils.practice.lesson_07")
    for radius, steps in ((0.9, 1), (1.0, 40), (1.3, 12)):
        assert math.isclose(lesson_07.gradient_left("linear", radius=radius, steps=steps), radius**steps, rel_tol=1e-9)
    before = torch.get_rng_state()
    assert lesson_07.gradient_left("LSTM", bias=2.0) == lesson_07.gradient_left("LSTM", bias=2.0)
    assert bool((torch.get_rng_state() == before).all())
    for kind, settings, words in (
        ("relu", {}, "kind is 'relu'"),
        ("GRU", {"radius": 1.0}, "radius is given; GRU has only a bias"),
        ("tanh", {"bias": 1.0}, "bias is given; tanh has only a radius"),
        ("tanh", {"steps": 0}, "steps is 0"),
    ):
        with pytest.raises(ValueError, match=words):
            lesson_07.gradient_left(kind, **settings)


@pytest.mark.parametrize("scores", [lambda z, t: z, lambda z, t: z / t, lambda z, t: torch.rand(5000)])
def test_numbers_that_are_neither_draws_nor_probabilities_are_not_called_right(scores: Any) -> None:
    verdict = BY_NAME["sample_next"].judge(lambda logits, temperature, n: scores(logits, temperature))
    assert verdict.status is Status.NOT_YET
    assert "right" not in verdict.message
