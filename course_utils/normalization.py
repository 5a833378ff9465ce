"""Normalization: what BatchNorm, LayerNorm, InstanceNorm and GroupNorm share; `layers` says in what they differ.

Each standardises, which is `moments` and `standardise`, then scales and shifts, which is `Affine`. BatchNorm remembers
the batches, and InstanceNorm can: `ChannelNorm`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

Device = torch.device | str | None
Dtype = torch.dtype | None


def moments(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance (divided by n, not n - 1) over some axes, which stay with length 1."""
    mean = x.mean(axes, keepdim=True)
    return mean, (x - mean).square().mean(axes, keepdim=True)


def standardise(x: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    """Subtract the mean and divide by the standard deviation; `eps`, inside the root, keeps it above 0."""
    return (x - mean) / torch.sqrt(var + eps)


def along_channels(x: Tensor) -> tuple[int, ...]:
    """Return the shape in which (C,) numbers broadcast against x, (N, C, ...): (1, C, 1, ...)."""
    return (1, -1, *[1] * (x.ndim - 2))


class Affine(nn.Module):
    """What all normalizations end with: γ·x + β. They start at γ = 1 and β = 0, which changes nothing."""

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, shape: tuple[int, ...], affine: bool, bias: bool, device: Device, dtype: Dtype) -> None:
        """Make γ (`weight`) and β (`bias`), of that shape each; None where they are not wanted."""
        super().__init__()
        weight = nn.Parameter(torch.ones(shape, device=device, dtype=dtype)) if affine else None
        self.register_parameter("weight", weight)
        self.register_parameter("bias", None if weight is None or not bias else nn.Parameter(torch.zeros_like(weight)))

    def reset_parameters(self) -> None:
        """Set γ to 1 and β to 0."""
        for parameter, start in ((self.weight, 1.0), (self.bias, 0.0)):
            if parameter is not None:
                nn.init.constant_(parameter, start)

    def held(self) -> dict[str, Tensor]:
        """Return the parameters and buffers that the layer has, by name."""
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def scale_and_shift(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return γ·x + β, with γ and β in a shape that broadcasts against x."""
        if self.weight is not None:
            x = x * self.weight.view(shape)
        if self.bias is not None:
            x = x + self.bias.view(shape)
        return x


class ChannelNorm(Affine):
    """What BatchNorm and InstanceNorm share: γ and β for each channel, and running statistics.

    Args:
        num_features: C, the number of channels.
        eps: added to the variance.
        momentum: share of the new batch in the running statistics, 0…1; None, in BatchNorm, for the average of all
            batches so far.
        affine: learn γ and β, (C,) each.
        track_running_stats: keep running statistics, (C,) each, for evaluation.
        device, dtype: of the layer's tensors.
        bias: learn β beside γ.
    """

    _version = 2  # of the state_dict, as torch counts: the first one had no num_batches_tracked
    allowed_axes: tuple[int, ...]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Device = None,
        dtype: Dtype = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__((num_features,), affine, bias, device, dtype)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        mean, count = torch.zeros(num_features, device=device, dtype=dtype), torch.tensor(0, device=device)
        for name, start in {"mean": mean, "var": torch.ones_like(mean)}.items():
            self.register_buffer(f"running_{name}", start if track_running_stats else None)
        self.register_buffer("num_batches_tracked", count if track_running_stats else None)

    def reset_running_stats(self) -> None:
        """Forget all batches: mean 0, variance 1."""
        for buffer, start in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None:
                buffer.fill_(start)

    def reset_parameters(self) -> None:
        """Set γ to 1 and β to 0, and forget all batches."""
        super().reset_parameters()
        self.reset_running_stats()

    def normalise(self, x: Tensor, axes: tuple[int, ...], *, own: bool, share: float | None) -> Tensor:
        """Normalise by x's own statistics, or by the running ones.

        Args:
            x: (N, C, ...).
            axes: what a mean and a variance are taken over.
            own: use x's own statistics.
            share: how far they move the running ones, 0…1; None leaves those alone.

        Returns:
            (N, C, ...).
        """
        if self.running_mean is None or self.running_var is None:
            mean, var = moments(x, axes)
        else:
            running = self.running_mean.view(along_channels(x)), self.running_var.view(along_channels(x))
            mean, var = moments(x, axes) if own else running
            if own and share is not None and x.numel() > 0:
                n = x.numel() // mean.numel()
                # The running variance stands for values not seen yet: it keeps the unbiased estimate, n - 1.
                for old, new in zip(running, (mean, var * n / (n - 1)), strict=True):
                    old.mul_(1 - share).add_(share * new.detach().mean(0, keepdim=True))
        return self.scale_and_shift(standardise(x, mean, var, self.eps), along_channels(x))

    def extra_repr(self) -> str:
        """Return the layer's arguments as text."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, about: Mapping[str, Any], *rest: Any) -> None:
        # As in torch, weights without the count of batches are welcome where nothing says that they must have it.
        if self.num_batches_tracked is not None and about.get("version", 1) < 2:
            state.setdefault(f"{prefix}num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state, prefix, about, *rest)
