"""Made-up data whose truth is known, so that bias, variance and noise can be told apart."""

from __future__ import annotations

import torch
from torch import Tensor

from course_utils.data.dataset import Pair


def wave(x: Tensor) -> Tensor:
    """The true curve, sin(4x + 0.7): two bends between −1 and 1. Shape in, same shape out."""
    return torch.sin(4 * x + 0.7)


def noisy_wave(n: int, *, noise: float, sets: int = 1, seed: int = 0, reach: float = 1.0) -> Pair:
    """Training sets drawn from the wave, each with its own inputs and its own noise.

    The inputs are stratified: −reach…reach is cut into n equal cells and one input is drawn in each, so that no set is
    left without points at one end.

    Args:
        n: points a set.
        noise: standard deviation of the Gaussian noise on y.
        sets: how many training sets.
        seed: which random draw.
        reach: how far from 0 the inputs go.

    Returns:
        x of shape (sets, n), ascending, and y of shape (sets, n), both float64.

    Raises:
        ValueError: n or sets is below 1, or noise is negative.
    """
    if n < 1 or sets < 1:
        raise ValueError(f"n is {n} and sets is {sets}; expected 1 or more of both")
    if noise < 0:
        raise ValueError(f"noise is {noise}; expected 0 or more")
    generator = torch.Generator().manual_seed(seed)
    place = torch.rand(sets, n, generator=generator, dtype=torch.float64)
    x = (torch.arange(n, dtype=torch.float64) + place) * (2 / n) - 1
    x = reach * x
    return x, wave(x) + noise * torch.randn(sets, n, generator=generator, dtype=torch.float64)
