"""Augmentation for whole batches on tensors: every picture of a batch gets a draw of its own, without a loop.

`torchvision.transforms.v2` takes a batch too, but draws once for all of it: all pictures turn by the same angle. For
training that is one new picture where there could be n. These functions draw n times and do the work once. Cutout,
Mixup and CutMix on batches are in `augmentation.mixing`.

All take x of shape (n, c, h, w), floating point, and return a new tensor of the same shape. All draw from torch's
own generator unless they are given another.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

#: Weights of red, green and blue in the brightness that people see (ITU-R BT.601); torchvision's grey uses them too.
GREY = (0.2989, 0.587, 0.114)


def check_batch(x: Tensor) -> None:
    """Raise unless x is a batch of floating-point pictures, (n, c, h, w)."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x is a {type(x).__name__}; expected a tensor (n, c, h, w)")
    if x.ndim != 4:
        raise ValueError(f"x has shape {tuple(x.shape)}; expected a batch (n, c, h, w)")
    if not x.is_floating_point():
        raise TypeError(f"x holds {x.dtype}; expected floating point, such as uint8 pictures divided by 255")


def check_strength(value: float, name: str, most: float = math.inf) -> None:
    """Raise unless 0 ≤ value ≤ most."""
    if not 0 <= value <= most:
        limit = "a number, 0 or more" if most == math.inf else f"a number from 0 to {most:g}"
        raise ValueError(f"{name} is {value}; expected {limit}")


def between(x: Tensor, reach: float, generator: torch.Generator | None) -> Tensor:
    """One number for each picture, uniform in −reach…reach, (n,)."""
    return (torch.rand(len(x), generator=generator, device=x.device, dtype=x.dtype) * 2 - 1) * reach


def flip(x: Tensor, p: float = 0.5, *, vertical: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """Mirror each picture with probability p.

    Args:
        x: pictures, (n, c, h, w).
        p: probability, 0…1.
        vertical: swap top and bottom instead of left and right.
        generator: what to draw from; None for torch's own.

    Returns:
        (n, c, h, w).
    """
    check_batch(x)
    check_strength(p, "p", 1)
    chosen = torch.rand(len(x), generator=generator, device=x.device) < p
    return torch.where(chosen[:, None, None, None], x.flip(2 if vertical else 3), x)


def move(
    x: Tensor,
    *,
    degrees: float = 0.0,
    shift: float = 0.0,
    zoom: float = 0.0,
    padding: str = "zeros",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Turn, shift and zoom each picture by an amount of its own, in one bilinear sampling.

    Args:
        x: pictures, (n, c, h, w).
        degrees: turn by an angle in −degrees…degrees about the centre.
        shift: move by −shift…shift of the width, and of the height.
        zoom: enlarge by a factor in 1 − zoom…1 + zoom; below 1.
        padding: what stands beyond the edge: "zeros", "border" or "reflection".
        generator: what to draw from; None for torch's own.

    Returns:
        (n, c, h, w).

    Source:
        The inverse affine map of lesson 05, for n matrices at once.
    """
    check_batch(x)
    check_strength(degrees, "degrees")
    check_strength(shift, "shift")
    if not 0 <= zoom < 1:
        raise ValueError(f"zoom is {zoom}; expected a number from 0 to below 1")
    angle, size = between(x, math.radians(degrees), generator), 1 + between(x, zoom, generator)
    right, down = between(x, shift, generator), between(x, shift, generator)
    return warp(x, angle, size, right, down, padding=padding)


def warp(x: Tensor, angle: Tensor, size: Tensor, right: Tensor, down: Tensor, *, padding: str = "zeros") -> Tensor:
    """Turn, zoom and then shift each picture by given amounts.

    Args:
        x: pictures, (n, c, h, w).
        angle: in radians, counter-clockwise as `v2.functional.rotate` counts, (n,).
        size: factor of enlargement, (n,).
        right: as a share of the width, (n,).
        down: as a share of the height, (n,).
        padding: what stands beyond the edge: "zeros", "border" or "reflection".

    Returns:
        (n, c, h, w).
    """
    if padding not in ("zeros", "border", "reflection"):
        raise ValueError(f'padding is {padding!r}; expected "zeros", "border" or "reflection"')
    h, w = x.shape[2:]
    # grid_sample asks for each pixel of the result: where does it come from? So this is the inverse map. It counts
    # from −1 to 1 along each side: a turn must undo that where the sides differ.
    cosine, sine = angle.cos() / size, angle.sin() / size
    from_x = torch.stack([cosine, -sine * (h / w), torch.zeros_like(angle)], 1)
    from_y = torch.stack([sine * (w / h), cosine, torch.zeros_like(angle)], 1)
    matrix = torch.stack([from_x, from_y], 1)  # (n, 2, 3)
    offset = torch.stack([2 * right, 2 * down], 1)[:, :, None]  # (n, 2, 1): −1…1 is two widths
    matrix[:, :, 2:] = -matrix[:, :, :2] @ offset
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)  # (n, h, w, 2)
    return F.grid_sample(x, grid, padding_mode=padding, align_corners=False)


def jitter(
    x: Tensor,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Change brightness, contrast and saturation of each picture by factors of its own.

    Args:
        x: colour pictures with values 0…1, (n, 3, h, w).
        brightness: factor in 1 − brightness…1 + brightness.
        contrast: likewise, away from the picture's mean grey.
        saturation: likewise, away from each pixel's own grey.
        generator: what to draw from; None for torch's own.

    Returns:
        (n, 3, h, w), clamped to 0…1 after each step as torchvision does.
    """
    check_batch(x)
    if x.shape[1] != 3:
        raise ValueError(f"x has {x.shape[1]} channels; expected 3, red, green and blue")
    strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    for name, strength in strengths.items():
        check_strength(strength, name, 1)
    weights = x.new_tensor(GREY).view(1, 3, 1, 1)
    for name, strength in strengths.items():
        if strength == 0:
            continue
        factor = 1 + between(x, strength, generator)[:, None, None, None]
        if name == "brightness":
            x = x * factor
        else:
            grey = (x * weights).sum(1, keepdim=True)  # (n, 1, h, w)
            anchor = grey.mean((2, 3), keepdim=True) if name == "contrast" else grey
            x = anchor + factor * (x - anchor)
        x = x.clamp(0, 1)
    return x.clone() if not any(strengths.values()) else x


def noise(x: Tensor, std: float, *, generator: torch.Generator | None = None) -> Tensor:
    """Add Gaussian noise to every value.

    Args:
        x: pictures, (n, c, h, w).
        std: standard deviation, in the unit of x.
        generator: what to draw from; None for torch's own.

    Returns:
        (n, c, h, w), not clamped: x may be normalised.
    """
    check_batch(x)
    check_strength(std, "std")
    return x + std * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
