"""Cutout, Mixup and CutMix on batches, labels included.

| function | the picture                         | the label                                     |
|----------|-------------------------------------|-----------------------------------------------|
| cutout   | a square of it becomes 0            | stays                                         |
| mixup    | λ of it + (1 − λ) of another        | the same mixture                              |
| cutmix   | a box of it is taken from another   | mixed by the area that each picture really has |

"Another" is the picture before it in the batch (`x.roll(1, 0)`), so the batch must be shuffled; λ is one number for the
whole batch. Both are as in torchvision.transforms.v2, whose MixUp and CutMix draw the same numbers from the same seed.

Built in lesson 05.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor

__all__ = ["cutmix", "cutout", "mixup"]


def cutout(x: Tensor, size: int, generator: Generator | None = None) -> Tensor:
    """Set a square of each picture to 0, with its centre on any pixel: at the border a part of it lies outside.

    0 is the mean colour only where the pictures are normalised.

    Args:
        x: pictures, (n, c, h, w)
        size: side of the square in pixels; 0 changes nothing
        generator: draws the centres; torch's own where None

    Returns:
        new pictures, (n, c, h, w)

    Raises:
        TypeError, ValueError: an argument is not as described.

    Source:
        DeVries & Taylor 2017, Improved regularization of convolutional neural networks with Cutout; lesson 05.
    """
    check_pictures(x)
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"size: got {size!r}; expected a whole number of pixels")
    if size < 0:
        raise ValueError(f"size: got {size}; expected 0 or more pixels")
    n, _, height, width = x.shape
    top = torch.randint(height, (n, 1), generator=generator).to(x.device) - size // 2
    left = torch.randint(width, (n, 1), generator=generator).to(x.device) - size // 2
    rows = torch.arange(height, device=x.device)  # (h,)
    columns = torch.arange(width, device=x.device)  # (w,)
    in_rows = (rows >= top) & (rows < top + size)  # (n, h)
    in_columns = (columns >= left) & (columns < left + size)  # (n, w)
    inside = in_rows[:, None, :, None] & in_columns[:, None, None, :]  # (n, 1, h, w)
    return x.masked_fill(inside, 0)


def mixup(x: Tensor, y: Tensor, alpha: float, generator: Generator | None = None) -> tuple[Tensor, Tensor, float]:
    """Mix each picture and its label with those before it in the batch.

    Args:
        x: pictures, (n, c, h, w), floating point
        y: labels as shares of the classes, (n, classes), floating point (one-hot, or mixed already)
        alpha: λ ~ Beta(alpha, alpha), more than 0; small: nearly unmixed, 1: any λ alike
        generator: draws λ; torch's own where None

    Returns:
        pictures, (n, c, h, w); labels, (n, classes); λ, the share of the picture itself

    Raises:
        TypeError, ValueError: an argument is not as described.

    Source:
        Zhang, Cissé, Dauphin & Lopez-Paz 2018, mixup: Beyond empirical risk minimization; lesson 05.
    """
    check_pictures(x)
    check_labels(x, y)
    check_alpha(alpha)
    if not x.is_floating_point():
        raise TypeError(f"x: got {x.dtype}; expected floating point: whole numbers cannot be mixed (x.float() / 255)")
    with drawing(generator):
        lam = draw_share(alpha)
    return x.roll(1, 0) * (1 - lam) + x * lam, y.roll(1, 0) * (1 - lam) + y * lam, lam


def cutmix(x: Tensor, y: Tensor, alpha: float, generator: Generator | None = None) -> tuple[Tensor, Tensor, float]:
    """Replace a box of each picture by the same box of the picture before it; mix the labels by area.

    The box is drawn with the area 1 − λ around any pixel and then cut off at the border: the labels follow the area
    that is left, not the drawn one.

    Args:
        x: pictures, (n, c, h, w)
        y: labels as shares of the classes, (n, classes), floating point (one-hot, or mixed already)
        alpha: λ ~ Beta(alpha, alpha), more than 0
        generator: draws λ and the box; torch's own where None

    Returns:
        pictures, (n, c, h, w); labels, (n, classes); λ, the share of the pixels that are the picture's own

    Raises:
        TypeError, ValueError: an argument is not as described.

    Source:
        Yun et al. 2019, CutMix: Regularization strategy to train strong classifiers with localizable features;
        lesson 05.
    """
    check_pictures(x)
    check_labels(x, y)
    check_alpha(alpha)
    height, width = x.shape[-2:]
    with drawing(generator):
        drawn = draw_share(alpha)
        column, row = int(torch.randint(width, (1,))), int(torch.randint(height, (1,)))
    side = math.sqrt(1 - drawn)  # of the box, as a share of the picture's
    half_height, half_width = int(0.5 * side * height), int(0.5 * side * width)
    top, bottom = max(row - half_height, 0), min(row + half_height, height)
    left, right = max(column - half_width, 0), min(column + half_width, width)
    mixed = x.clone()
    mixed[..., top:bottom, left:right] = x.roll(1, 0)[..., top:bottom, left:right]
    lam = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, y.roll(1, 0) * (1 - lam) + y * lam, lam


def draw_share(alpha: float) -> float:
    """Draw λ ~ Beta(alpha, alpha) from torch's own generator."""
    return float(torch.distributions.Beta(torch.tensor([float(alpha)]), torch.tensor([float(alpha)])).sample(()))


@contextmanager
def drawing(generator: Generator | None) -> Iterator[None]:
    """Let torch's own generator go on from another one's next number, then put it back: Beta takes no generator."""
    if generator is None:
        yield
        return
    start = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(start)
        yield


def check_pictures(x: Tensor) -> None:
    """Refuse what is no batch of pictures."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x: got {type(x).__name__}; expected a tensor of pictures, (n, c, h, w)")
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f"x: got the shape {tuple(x.shape)}; expected a batch of pictures, (n, c, h, w)")


def check_labels(x: Tensor, y: Tensor) -> None:
    """Refuse labels that cannot be mixed."""
    if not isinstance(y, Tensor):
        raise TypeError(f"y: got {type(y).__name__}; expected a tensor of class shares, (n, classes)")
    if y.ndim != 2 or not y.is_floating_point():
        raise ValueError(
            f"y: got {y.dtype} of the shape {tuple(y.shape)}; expected class shares, (n, classes), floating point: "
            f"torch.nn.functional.one_hot(y, classes).float() makes them from class numbers"
        )
    if len(y) != len(x):
        raise ValueError(f"y: got labels for {len(y)} pictures; expected {len(x)}, one for each picture in x")


def check_alpha(alpha: float) -> None:
    """Refuse an alpha that no Beta distribution has."""
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        raise TypeError(f"alpha: got {alpha!r}; expected a number more than 0")
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha: got {alpha}; expected a finite number more than 0")
