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
import torch.nn.functional as F
from torch import nn
from torch.nn.functional import mse_loss

from course_utils.practice.verdict import Status
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
]


def title(value: object) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", "")


@pytest.mark.parametrize(("name", "answer"), WRONG, ids=title)
def test_wrong_answer_is_not_accepted(name: str, answer: Answer) -> None:
    verdict = BY_NAME[name].judge(answer)
    assert verdict.status is Status.NOT_YET, str(verdict)


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
