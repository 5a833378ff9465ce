"""Layers: readable versions of torch's normalizations, dropout and recurrent layers, equal up to rounding.

One idea makes all the normalizations: take mean and variance over some axes, subtract and divide, then scale and
shift. They differ in the axes. For pictures, (N, C, H, W):

| layer        | one mean and one variance for         | they average over               | memory             |
|--------------|---------------------------------------|---------------------------------|--------------------|
| BatchNorm    | each channel                          | N, H, W                         | running statistics |
| LayerNorm    | each sample (or each token)           | the last axes, C, H, W or fewer | none               |
| InstanceNorm | each channel of each sample           | H, W                            | only where asked   |
| GroupNorm    | each group of channels of each sample | H, W and the group's channels   | none               |

Only plain tensor operations are used, and autograd finds the gradients. Arguments, names in the `state_dict` and error
messages are torch's. torch's layers are faster, and exact enough in half precision, which these are not: use those in
your work. To read these, start with `normalization.moments` and `standardise`.

RNN, LSTM and GRU walk along sequences and differ in one function, their step: see `recurrence` and `recurrent`.

Built in lessons 02 (normalizations), 03 (dropout) and 07 (recurrent layers).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils import layer_checks as checks
from course_utils.normalization import Affine, ChannelNorm, Device, Dtype, along_channels, moments, standardise
from course_utils.recurrent import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Dropout",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
]


class BatchNorm(ChannelNorm):
    """Normalise each channel over the batch and its positions.

    In training with the statistics of this batch; in evaluation with the running ones, if it keeps any.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x, (N, C, ...); in training, move the running statistics."""
        own = self.training or self.running_mean is None
        checks.check_axes(x, self.allowed_axes)
        checks.check_batch_norm(x, self.held(), self.eps, by_batch=own)
        share = None
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        return self.normalise(x, (0, *range(2, x.ndim)), own=own, share=share)


class BatchNorm1d(BatchNorm):
    """BatchNorm for (N, C) or (N, C, L). Built in lesson 02. Source: Ioffe & Szegedy 2015."""

    allowed_axes = (2, 3)


class BatchNorm2d(BatchNorm):
    """BatchNorm for (N, C, H, W). Built in lesson 02."""

    allowed_axes = (4,)


class BatchNorm3d(BatchNorm):
    """BatchNorm for (N, C, D, H, W). Built in lesson 02."""

    allowed_axes = (5,)


class InstanceNorm(ChannelNorm):
    """Normalise each channel of each sample over its positions. γ, β and memory only where asked for."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Device = None,
        dtype: Dtype = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x, (N, C, ...), or one sample, (C, ...)."""
        own = self.training or not self.track_running_stats
        checks.check_axes(x, self.allowed_axes)
        alone = x.ndim == self.allowed_axes[0]
        checks.check_channels(x, 0 if alone else 1, self.num_features, affine=self.affine)
        batch = x.unsqueeze(0) if alone else x
        checks.check_instance_norm(batch, self.held(), by_sample=own)
        # Like torch's: num_batches_tracked always stays 0, and without a momentum nothing is remembered.
        y = self.normalise(batch, tuple(range(2, batch.ndim)), own=own, share=self.momentum)
        return y.squeeze(0) if alone else y


class InstanceNorm1d(InstanceNorm):
    """InstanceNorm for (N, C, L) or (C, L). Built in lesson 02. Source: Ulyanov, Vedaldi & Lempitsky 2016."""

    allowed_axes = (2, 3)


class InstanceNorm2d(InstanceNorm):
    """InstanceNorm for (N, C, H, W) or (C, H, W). Built in lesson 02."""

    allowed_axes = (3, 4)


class InstanceNorm3d(InstanceNorm):
    """InstanceNorm for (N, C, D, H, W) or (C, D, H, W). Built in lesson 02."""

    allowed_axes = (4, 5)


class LayerNorm(Affine):
    """Normalise each sample over its last axes. Built in lesson 02. Source: Ba, Kiros & Hinton 2016.

    Args:
        normalized_shape: shape of the last axes; γ and β have one number for each place in it.
        eps: added to the variance.
        elementwise_affine: learn γ and β.
        bias: learn β beside γ.
        device, dtype: of the layer's tensors.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        super().__init__(shape, elementwise_affine, bias, device, dtype)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x, (..., *normalized_shape)."""
        checks.check_layer_norm(x, self.held(), self.normalized_shape)
        mean, var = moments(x, tuple(range(-len(self.normalized_shape), 0)))  # (..., 1, ...)
        return self.scale_and_shift(standardise(x, mean, var, self.eps), self.normalized_shape)

    def extra_repr(self) -> str:
        """Return the layer's arguments as text."""
        affine, bias = self.elementwise_affine, self.bias is not None
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}, bias={bias}"


class GroupNorm(Affine):
    """Normalise each sample over groups of neighbouring channels. Built in lesson 02. Source: Wu & He 2018.

    One group is LayerNorm over (C, H, W); C groups are InstanceNorm.

    Args:
        num_groups: G, a divisor of C.
        num_channels: C.
        eps: added to the variance.
        affine: learn γ and β, (C,) each.
        device, dtype: of the layer's tensors.
        bias: learn β beside γ.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Device = None,
        dtype: Dtype = None,
        *,
        bias: bool = True,
    ) -> None:
        if num_channels % num_groups != 0:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        super().__init__((num_channels,), affine, bias, device, dtype)
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x, (N, C, ...)."""
        checks.check_group_norm(x, self.held(), self.num_groups)
        grouped = x.unflatten(1, (self.num_groups, x.shape[1] // self.num_groups))  # (N, C, ...) -> (N, G, C/G, ...)
        mean, var = moments(grouped, tuple(range(2, grouped.ndim)))  # (N, G, 1, ...)
        standard = standardise(grouped, mean, var, self.eps).flatten(1, 2)  # (N, G, C/G, ...) -> (N, C, ...)
        return self.scale_and_shift(standard, along_channels(x))

    def extra_repr(self) -> str:
        """Return the layer's arguments as text."""
        bias = self.bias is not None
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={bias}"


class Dropout(nn.Module):
    """Set numbers to 0 by chance in training, and enlarge the rest so that the mean stays. Built in lesson 03.

    Dividing by 1 - p in training is called inverted dropout: evaluation then needs no change.
    Source: Srivastava et al. 2014.

    Args:
        p: probability that a number is set to 0, 0…1.
        inplace: overwrite the input.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training; return x itself in evaluation."""
        if not self.training or self.p == 0:
            return x
        keep = 1 - self.p  # where it is 0 nothing is kept, and nothing must be divided by it
        mask = torch.empty_like(x).bernoulli_(keep).div_(keep) if keep > 0 else torch.zeros_like(x)
        return x.mul_(mask) if self.inplace else x * mask

    def extra_repr(self) -> str:
        """Return the layer's arguments as text."""
        return f"p={self.p}, inplace={self.inplace}"
