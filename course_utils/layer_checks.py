"""Checks of `layers`: what torch's normalizations refuse, in torch's words, so that an error can be looked up.

They stand apart from the layers because none of this is needed to see how a layer works.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Held = Mapping[str, Tensor]  # what a layer holds, by name, without what it does not have


def check_axes(x: Tensor, numbers: Sequence[int]) -> None:
    """Raise ValueError unless x has one of these numbers of axes."""
    if x.ndim not in numbers:
        expected = " or ".join(f"{number}D" for number in numbers)
        raise ValueError(f"expected {expected} input (got {x.ndim}D input)")


def check_type(x: Tensor, held: Held) -> None:
    """Raise RuntimeError where x and the layer differ in type: plain operations would convert without a word."""
    if any(tensor.is_floating_point() and tensor.dtype != x.dtype for tensor in held.values()):
        wide = x.dtype == torch.float64
        what = "all inputs must share same datatype." if wide else "expect parameter to have scalar type of Float"
        raise RuntimeError(f"mixed dtype (CPU): {what}")


def check_elements(held: Held, name: str, expected: int, copies: int = 1) -> None:
    """Raise RuntimeError where a tensor, repeated `copies` times, does not have one number for each channel."""
    if name in held and held[name].numel() * copies != expected:
        raise RuntimeError(f"{name} should contain {expected} elements not {held[name].numel() * copies}")


def check_more_than_one(size: Sequence[int]) -> None:
    """Raise ValueError where each channel has one single value: it would become 0, whatever it is.

    Args:
        size: (N, C, ...).
    """
    if torch.Size([size[0], *size[2:]]).numel() == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


def check_batch_norm(x: Tensor, held: Held, eps: float, *, by_batch: bool) -> None:
    """Raise what `nn.BatchNorm1d` raises for x, (N, C, ...); `by_batch` says whether x's own statistics are used."""
    if by_batch:
        check_more_than_one(x.shape)
    if eps < 0 or (by_batch and eps == 0):
        wanted = "positive during training" if by_batch else "non-negative"
        raise ValueError(f"batch_norm eps must be {wanted}, but got {eps}")
    for name in ("running_mean", "weight"):
        check_elements(held, name, x.shape[1])
    check_type(x, held)


def check_channels(x: Tensor, axis: int, num_features: int, *, affine: bool) -> None:
    """Raise ValueError, or only warn where there are no γ and β, if `nn.InstanceNorm1d` has other channels than x."""
    got = x.shape[axis]
    if got != num_features and affine:
        raise ValueError(f"expected input's size at dim={axis} to match num_features ({num_features}), but got: {got}.")
    if got != num_features:
        warnings.warn(
            f"input's size at dim={axis} does not match num_features. You can silence this warning by not passing "
            "in num_features, which is not used because affine=False",
            stacklevel=3,
        )


def check_instance_norm(x: Tensor, held: Held, *, by_sample: bool) -> None:
    """Raise what `nn.InstanceNorm1d` raises for a batch x, (N, C, ...)."""
    if by_sample and x.shape[2:].numel() == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {x.shape}")
    check_elements(held, "running_mean", x.shape[0] * x.shape[1], copies=x.shape[0])
    check_type(x, {name: tensor for name, tensor in held.items() if not name.startswith("running")})


def check_layer_norm(x: Tensor, held: Held, shape: Sequence[int]) -> None:
    """Raise what `nn.LayerNorm` raises where x does not end in `shape`."""
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
            "but got normalized_shape = []"
        )
    if list(x.shape[-len(shape) :]) != list(shape):
        wanted = ", ".join(map(str, ["*", *shape]))
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{wanted}], "
            f"but got input of size{list(x.shape)}"
        )
    check_type(x, held)


def check_group_norm(x: Tensor, held: Held, groups: int) -> None:
    """Raise what `nn.GroupNorm` raises for x, (N, C, ...)."""
    if x.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {x.ndim}")
    channels, got = x.shape[1], f"input of shape {list(x.shape)}"
    check_more_than_one([x.shape[0] * channels // groups, groups, *x.shape[2:]])
    if groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {groups}")
    if channels % groups != 0:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got {got} and num_groups={groups}"
        )
    if "weight" in held and len(held["weight"]) != channels:
        raise RuntimeError(
            "Expected weight to be a vector of size equal to the number of channels in input, "
            f"but got weight of shape {list(held['weight'].shape)} and {got}"
        )
    check_type(x, held)
