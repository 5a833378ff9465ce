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
from practice.lessons import TASKS

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


#: Answers that are a listed mistake in the words of a beginner, each with the first words of what must be said.
NAMED: list[tuple[str, Answer, str]] = [
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
