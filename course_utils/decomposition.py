"""The bias–variance decomposition, as lesson 01 builds it by hand."""

from __future__ import annotations

from torch import Tensor


def bias_variance(predictions: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Split the squared error of many models into bias² and variance.

    The two add up exactly to the mean squared distance of the models from the truth.

    Args:
        predictions: R models at n inputs, (R, n).
        truth: the true values at the same inputs, without noise, (n,).

    Returns:
        bias² and variance, two numbers, each the mean over the n inputs.

    Raises:
        ValueError: the shapes do not match.

    Source:
        Geman, Bienenstock & Doursat (1992), Neural networks and the bias/variance dilemma; lesson 01, section 3.
    """
    if predictions.ndim != 2 or truth.shape != predictions.shape[1:]:
        raise ValueError(
            f"predictions has shape {tuple(predictions.shape)} and truth {tuple(truth.shape)}; expected (R, n) and (n,)"
        )
    average = predictions.mean(0)  # (R, n) -> (n,)
    return ((average - truth) ** 2).mean(), ((predictions - average) ** 2).mean()
