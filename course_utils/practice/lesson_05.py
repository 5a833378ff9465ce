"""Lesson 05, image augmentation: exercises with their wrong answers, and the quiz."""

from __future__ import annotations

import importlib
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import functional as TF

from course_utils.practice.check import Checks
from course_utils.practice.exercise import Exercise
from course_utils.practice.investigation import Selection
from course_utils.practice.quiz import Choice, Question, Quiz
from course_utils.practice.task import Mistake

# ---- 05.1 ---------------------------------------------------------------------------------------------------------

Numbers = Sequence[float]

_IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def _normalised(levels: Tensor, mean: Numbers, std: Numbers) -> Tensor:
    """What `Normalize` makes of a picture with these values, 0…255 and beyond, (3, h, w)."""
    rows = [(levels[i] / 255 - mean[i]) / std[i] for i in range(3)]
    return torch.stack(rows)


def _picture_cases() -> Iterator[tuple[Tensor, list[float], list[float]]]:
    """Pictures with values below 0 and above 255, as augmentation leaves them.

    No value lies halfway between two levels, and none on a level: in single precision 100 may be 99.99999, and what is cut off
    would depend on such dust. Nor do mean and mean + std lie halfway: what is clamped too early ends there.
    """
    first = torch.tensor([300.3, 127.8, -40.2], dtype=torch.float64).reshape(3, 1, 1)
    yield _normalised(first, [0.5] * 3, [0.25] * 3), [0.5] * 3, [0.25] * 3
    generator = torch.Generator().manual_seed(51)
    for height, width, dtype, (mean, std) in (
        (2, 2, torch.float64, ([0.25, 0.5, 0.75], [0.5, 0.25, 0.125])),
        (3, 3, torch.float32, _IMAGENET),
        (4, 7, torch.float32, ([0.6, 0.5, 0.32], [0.2, 0.3, 0.25])),
        (6, 5, torch.float64, ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])),
        (9, 4, torch.float64, ([0.42, 0.45, 0.5], [0.3, 0.2, 0.1])),
    ):
        whole = torch.randint(-60, 330, (3, height, width), generator=generator).double()
        part = 0.96 * torch.rand(3, height, width, generator=generator, dtype=torch.float64) - 0.48
        yield _normalised(whole + part, mean, std).to(dtype), list(mean), list(std)
    # The middle of a larger picture, with its axes in another order in memory: no function may rely on that order.
    inside = torch.randint(0, 256, (5, 8, 3), generator=generator).double().permute(2, 0, 1)
    yield _normalised(inside + 0.1, *_IMAGENET)[:, 1:4, 2:7], list(_IMAGENET[0]), list(_IMAGENET[1])


def to_picture(x: Tensor, mean: Numbers, std: Numbers) -> Tensor:
    centre = torch.tensor(mean, dtype=x.dtype).reshape(3, 1, 1)
    spread = torch.tensor(std, dtype=x.dtype).reshape(3, 1, 1)
    levels = 255 * (x * spread + centre)
    return levels.round().clamp(0, 255).to(torch.uint8)


def _picture_in_loops(x: Tensor, mean: Numbers, std: Numbers) -> Tensor:
    made = torch.zeros(x.shape, dtype=torch.uint8)
    for channel, row, column in np.ndindex(*x.shape):
        level = round(255 * (float(x[channel, row, column]) * std[channel] + mean[channel]))
        made[channel, row, column] = min(max(level, 0), 255)
    return made


def _picture_by_channels(x: Tensor, mean: Numbers, std: Numbers) -> Tensor:
    channels = [torch.clamp(part * s + m, 0, 1) for part, m, s in zip(x, mean, std)]
    return (torch.stack(channels) * 255 + 0.5).byte()


def _picture_by_another_normalize(x: Tensor, mean: Numbers, std: Numbers) -> Tensor:
    back = transforms.Normalize([-m / s for m, s in zip(mean, std)], [1 / s for s in std])
    return back(x).mul(255).round().clamp(0, 255).type(torch.uint8)


def _column(numbers: Numbers, x: Tensor) -> Tensor:
    return torch.tensor(numbers, dtype=x.dtype).reshape(3, 1, 1)


def _levels(x: Tensor, mean: Numbers, std: Numbers) -> Tensor:
    return 255 * (x * _column(std, x) + _column(mean, x))


def _stored(levels: Tensor) -> Tensor:
    return levels.round().clamp(0, 255).to(torch.uint8)


def _picture_of(undo: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """The reference with another formula for the values 0…1, from x, mean and standard deviation."""
    return lambda x, mean, std: _stored(255 * undo(x, _column(mean, x), _column(std, x)))


def _picture_from(store: Callable[[Tensor], Any]) -> Callable[..., Any]:
    """The reference with another way to store the values 0…255."""
    return lambda x, mean, std: store(_levels(x, mean, std))


def _stretched(values: Tensor) -> Tensor:
    low, high = values.min(), values.max()
    return (values - low) / (high - low).clamp(min=1e-12)


def _see_picture(_: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The picture and its type: uint8 is what makes it one."""
    return {"picture": result, "dtype": str(getattr(result, "dtype", type(result).__name__))}


TO_PICTURE = Exercise(
    number="05.1",
    name="to_picture",
    title="From normalised values back to a picture",
    kind="write",
    difficulty=1,
    minutes=8,
    trains="undoing Normalize before you look at a picture",
    stub='''def to_picture(x, mean, std):
    """Undo Normalize(mean, std) and give back a picture that can be shown or stored.

    Values are rounded to the nearest of 0, 1, …, 255. What lies outside becomes 0 or 255.

    Args:
        x: a normalised picture, (3, h, w), floating-point
        mean, std: lists of three numbers, one a channel, for values from 0 to 1
    Returns:
        the picture, (3, h, w), torch.uint8
    """
    ...
''',
    hints=(
        "Normalize does (value − mean) / std in each channel. Solve that for the value, which lies between 0 and 1.",
        "mean and std are lists of three numbers, and x is (3, h, w). Make tensors of shape (3, 1, 1) of them: then each "
        "channel meets its own number.",
        "Then four more moves: to the range 0…255, to the nearest whole number, inside the limits, and only then to torch.uint8. "
        "A number outside the limits does not fit into uint8: it would wrap around.",
    ),
    reference=to_picture,
    mistakes=(
        Mistake(
            _picture_of(lambda x, m, s: x / s + m),
            "You divide by std. Normalize has divided; to undo it you multiply.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: (x - m) / s),
            "You normalise a second time. Undo it: the last thing that Normalize did, the division, is undone first.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: (x + m) * s),
            "The order is wrong: you add the mean and then multiply. Normalize subtracts and then divides, so the way back multiplies "
            "first and then adds.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: x * m + s),
            "mean and std are swapped: std is the factor, mean is what you add.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: x * s - m),
            "You subtract the mean once more. Normalize has subtracted it; now it is added.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: x * s),
            "The mean is missing: after multiplying by std, add it again.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: x + m),
            "The factor std is missing: multiply by it before you add the mean.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: x),
            "Normalize is not undone: you treat the normalised values as if they lay between 0 and 1. About half of them are negative.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: _stretched(x * s + m)),
            "You stretch the picture between its own smallest and largest value. It looks fine, but its brightness is no longer "
            "that of the photograph. The mean and the standard deviation are known: use them.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: _stretched(x)),
            "You stretch the normalised values between their smallest and largest one. It looks fine, but brightness and colours are "
            "no longer those of the photograph. Undo Normalize with mean and std.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: x.clamp(0, 1) * s + m),
            "You clamp too early: normalised values are negative wherever the picture is darker than the mean. Undo Normalize "
            "first, clamp after it.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: (x * s + m).abs()),
            "You take absolute values: a value a little below black becomes grey. What is below 0 becomes 0.",
        ),
        Mistake(
            _picture_of(lambda x, m, s: x * s.mean() + m.mean()),
            "You use one mean and one std for all channels. Each channel has its own: give the three numbers the shape (3, 1, 1).",
        ),
        Mistake(
            _picture_of(lambda x, m, s: x * s[0] + m[0]),
            "All channels get the numbers of the first. Each has its own: give the three numbers the shape (3, 1, 1).",
        ),
        Mistake(
            lambda x, mean, std: to_picture(x, mean[::-1], std[::-1]),
            "The channels meet each other's numbers: red gets those of blue. mean[0] and std[0] belong to x[0].",
        ),
        Mistake(
            _picture_from(lambda v: _stored(v / 255)),
            "Your picture is nearly black: its values are 0 and 1. A stored picture goes from 0 to 255: multiply before you round.",
        ),
        Mistake(
            _picture_from(lambda v: _stored((v / 255).clamp(0, 1).round() * 255)),
            "Only 0 and 255 are left: you round while the values lie between 0 and 1. Multiply by 255 first.",
        ),
        Mistake(
            _picture_from(lambda v: _stored(v / 255 * 256)),
            "You multiply by 256. There are 256 levels, but the largest is 255, and 1 must become 255: multiply by 255.",
        ),
        Mistake(
            _picture_from(lambda v: _stored(v / 255 * 225)),
            "You multiply by 225. The largest level is 255. (That slip of digits stands in many notes.)",
        ),
        Mistake(
            _picture_from(lambda v: v.round().to(torch.int64).remainder(256).to(torch.uint8)),
            "Values outside 0…255 wrap around: a pixel brighter than white comes out dark. Clamp to 0…255 before you change to uint8.",
        ),
        Mistake(
            _picture_from(lambda v: v.trunc().to(torch.int64).remainder(256).to(torch.uint8)),
            "Two things. Values outside 0…255 wrap around, so that white comes out dark: clamp first. And changing to uint8 cuts the "
            "decimals off: round first.",
        ),
        Mistake(
            _picture_from(lambda v: v.clamp(0, 255).to(torch.uint8)),
            "Your numbers are cut off, not rounded: 127.8 becomes 127. Changing to uint8 drops the decimals, so round before it.",
        ),
        Mistake(
            _picture_from(lambda v: transforms.ConvertImageDtype(torch.uint8)((v / 255).clamp(0, 1))),
            "ConvertImageDtype does not round: it divides 0…1 into 256 equal parts, so 20.8 of 255 becomes 20, and 250.1 becomes 251. "
            "Multiply by 255 and round.",
        ),
        Mistake(
            _picture_from(lambda v: v.ceil().clamp(0, 255).to(torch.uint8)),
            "Your numbers are rounded up: 12.1 becomes 13. Use the nearest whole number.",
        ),
        Mistake(
            _picture_from(lambda v: v.round().clamp(0, 255)),
            "The values are right, but they are still floating-point numbers. Most tools take those for 0…1 and show a white picture: "
            "end with torch.uint8.",
        ),
        Mistake(
            _picture_from(lambda v: v.round().clamp(0, 255).long()),
            "The values are right, but they are 64-bit integers. A picture has 8 bits a value: torch.uint8.",
        ),
        Mistake(
            _picture_from(lambda v: v.round().clamp(0, 255).int()),
            "The values are right, but they are 32-bit integers. A picture has 8 bits a value: torch.uint8.",
        ),
        Mistake(
            _picture_from(lambda v: v.clamp(0, 255)),
            "The range is right, but the values are neither rounded nor changed to torch.uint8.",
        ),
        Mistake(
            _picture_from(lambda v: (v / 255).clamp(0, 1)),
            "You stop at values between 0 and 1. A stored picture has whole numbers 0…255: multiply, round, change to torch.uint8.",
        ),
        Mistake(
            _picture_from(lambda v: _stored(v).permute(1, 2, 0)),
            "You moved the channels to the end, (h, w, 3), as Matplotlib wants them. Here the order stays: (3, h, w).",
        ),
    ),
    styles=(_picture_in_loops, _picture_by_channels, _picture_by_another_normalize),
    start="Begin with the formula of Normalize, and solve it for the value.",
    praise="Every level is right in every picture tried, also where the values leave 0…255. A picture that went through ToTensor "
    "and Normalize comes back without the smallest loss.",
    cases=_picture_cases,
    expected=_picture_in_loops,
    observe=_see_picture,
)

# ---- 05.2 ---------------------------------------------------------------------------------------------------------


def _point_cases() -> Iterator[tuple[Tensor, Tensor]]:
    """A shift, a turn, affine maps and perspectives, one of them with all its numbers times −2: it maps as before."""
    double = torch.float64
    yield torch.tensor([[2.0, 1.0]], dtype=double), torch.tensor([[1.0, 0, 3], [0, 1, -5], [0, 0, 1]], dtype=double)
    corners = torch.tensor([[0.0, 0], [4, 0], [4, 2], [0, 2]], dtype=double)
    yield corners.clone(), torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.25, 0, 1]], dtype=double)
    yield corners.clone(), torch.tensor([[0.0, -1, 2], [1, 0, 0.5], [0, 0, 1]], dtype=double)
    generator = torch.Generator().manual_seed(52)
    perspective = torch.tensor([[1.1, 0.2, 3], [-0.1, 0.9, 1.5], [0.01, 0.02, 1]], dtype=double)
    for count, matrix, dtype in (
        (5, torch.tensor([[1.2, -0.4, 3.3], [0.3, 0.8, -1.7], [0, 0, 1]]), double),
        (6, perspective, double),
        (7, perspective, torch.float32),
        (6, -2 * perspective, double),
        (4, torch.tensor([[2.0, 0.5, 1], [0.25, 3, -2], [0.03, -0.01, 2.5]]), double),
    ):
        points = 20 * torch.rand(count, 2, generator=generator, dtype=double)
        yield points.to(dtype), matrix.to(dtype, copy=True)


def move_points(points: Tensor, matrix: Tensor) -> Tensor:
    ones = torch.ones_like(points[:, :1])
    moved = torch.cat([points, ones], dim=1) @ matrix.T
    return moved[:, :2] / moved[:, 2:]


def _points_in_loops(points: Tensor, matrix: Tensor) -> Tensor:
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    rows = [
        [(a * x + b * y + c) / (g * x + h * y + i), (d * x + e * y + f) / (g * x + h * y + i)]
        for x, y in points.tolist()
    ]
    return torch.tensor(rows, dtype=points.dtype)


def _points_by_parts(points: Tensor, matrix: Tensor) -> Tensor:
    scale = points @ matrix[2, :2] + matrix[2, 2]
    return (points @ matrix[:2, :2].T + matrix[:2, 2]) / scale.unsqueeze(1)


def _points_by_einsum(points: Tensor, matrix: Tensor) -> Tensor:
    columns = F.pad(points, (0, 1), value=1.0)
    x, y, w = torch.einsum("ij,nj->in", matrix, columns)
    return torch.stack([x / w, y / w], dim=-1)


def _three(points: Tensor, matrix: Tensor, third: float = 1.0) -> Tensor:
    """The three coordinates of each moved point before the division, (n, 3)."""
    return F.pad(points, (0, 1), value=third) @ matrix.T


def _divided(moved: Tensor) -> Tensor:
    return moved[:, :2] / moved[:, 2:]


def _points_shifted_at_the_end(points: Tensor, matrix: Tensor) -> Tensor:
    scale = _three(points, matrix)[:, 2:]
    return points @ matrix[:2, :2].T / scale + matrix[:2, 2]


def _points_with_the_one_in_front(points: Tensor, matrix: Tensor) -> Tensor:
    return _divided(F.pad(points, (1, 0), value=1.0) @ matrix.T)


def _points_with_x_divided(points: Tensor, matrix: Tensor) -> Tensor:
    moved = _three(points, matrix)
    return torch.stack([moved[:, 0] / moved[:, 2], moved[:, 1]], dim=1)


def _points_with_a_fixed_one(points: Tensor, matrix: Tensor) -> Tensor:
    return _three(points, matrix)[:, :2] / (points @ matrix[2, :2] + 1).unsqueeze(1)


MOVE_POINTS = Exercise(
    number="05.2",
    name="move_points",
    title="Where do the key points go?",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="moving a label with its picture",
    stub='''def move_points(points, matrix):
    """Move key points as a perspective moves the picture they belong to.

    The matrix M maps (x, y, 1) to three numbers (u, v, w); the point lands at (u / w, v / w).
    An affine map is the special case whose last row is 0, 0, 1.

    Args:
        points: (n, 2), a row is x (to the right) and y (down), in pixels
        matrix: M, (3, 3), from places in the old picture to places in the new one
    Returns:
        where the points land, (n, 2), not rounded
    """
    ...
''',
    hints=(
        "Three steps: give each point a third number 1, multiply by the matrix, divide by the third number that comes out.",
        "The points are rows. M times a column (x, y, 1) is the same as the row (x, y, 1) times the transposed matrix.",
        "With p of shape (n, 3), p @ matrix.T holds u, v and w of each point in its columns. Keep w as a column of shape (n, 1): then "
        "one division serves both coordinates.",
    ),
    reference=move_points,
    mistakes=(
        Mistake(
            lambda points, matrix: _three(points, matrix)[:, :2],
            "The division is missing. For an affine map w is 1 and nothing shows; under a perspective w depends on the place, and that "
            "is what makes far things small. Divide u and v by w.",
        ),
        Mistake(
            lambda points, matrix: _divided(_three(points, matrix.T)),
            "The matrix is transposed: you multiply rows by M itself. M acts on columns, so a row is multiplied by the transposed M.",
        ),
        Mistake(
            lambda points, matrix: _three(points, matrix.T)[:, :2],
            "Two things. The matrix is transposed: a row is multiplied by the transposed M. And the division by w is missing.",
        ),
        Mistake(
            lambda points, matrix: _divided(_three(points, torch.linalg.inv(matrix))),
            "You move the points backwards. The inverse is what a library uses to *fill* the new picture: for each new pixel it looks up "
            "an old place. Points go forward, with M itself.",
        ),
        Mistake(
            lambda points, matrix: _three(points, torch.linalg.inv(matrix))[:, :2],
            "Two things. You move the points backwards, with the inverse: points go forward, with M itself. And the division by w is "
            "missing.",
        ),
        Mistake(
            lambda points, matrix: _divided(_three(points, matrix, 0.0)),
            "The third number of your points is 0, so the last column of M, the shift, has no effect. It is 1.",
        ),
        Mistake(
            lambda points, matrix: points @ matrix[:2, :2].T,
            "You use only the upper left 2 × 2 part of M: no shift and no perspective. Give each point a third number 1 and use all of M.",
        ),
        Mistake(
            lambda points, matrix: points @ matrix[:2, :2].T / _three(points, matrix)[:, 2:],
            "The shift is missing: u = M₀₀ x + M₀₁ y + M₀₂. The third number of a point is 1, so that M's last column is added.",
        ),
        Mistake(
            _points_shifted_at_the_end,
            "Your shift is not divided: you add it after the division, or you divide the points before you multiply by M. Divide last, u and v as they are.",
        ),
        Mistake(
            lambda points, matrix: move_points(points.flip(1), matrix).flip(1),
            "x and y are swapped, on the way in and on the way out. A row is (x, y): the column of the picture first. Only indexing a "
            "tensor, picture[y, x], is the other way round.",
        ),
        Mistake(
            lambda points, matrix: move_points(points.flip(1), matrix),
            "x and y are swapped on the way in: the first number of a row is x, and it meets M's first column.",
        ),
        Mistake(
            lambda points, matrix: move_points(points, matrix).flip(1),
            "x and y are swapped in the result: a row is (x, y).",
        ),
        Mistake(
            _points_with_the_one_in_front,
            "Your 1 stands in front: (1, x, y). M expects (x, y, 1).",
        ),
        Mistake(
            lambda points, matrix: _three(points, matrix)[:, :2] / matrix[2, 2],
            "You divide by the one number M₂₂. The divisor w depends on the point: w = M₂₀ x + M₂₁ y + M₂₂.",
        ),
        Mistake(
            _points_with_a_fixed_one,
            "Your w ends with + 1. That number is M₂₂, which is often 1, but not always: a matrix times any number maps as before.",
        ),
        Mistake(
            lambda points, matrix: _three(points, matrix)[:, :2] / (points @ matrix[2, :2]).unsqueeze(1),
            "Your w lacks its last part: w = M₂₀ x + M₂₁ y + M₂₂.",
        ),
        Mistake(
            lambda points, matrix: _three(points, matrix)[:, :2] * _three(points, matrix)[:, 2:],
            "You multiply by w. Divide.",
        ),
        Mistake(
            _points_with_x_divided,
            "Only x is divided by w. Divide y by it too.",
        ),
        Mistake(
            lambda points, matrix: _three(points, matrix)[:, :2] / _three(points, matrix)[:, 2:].abs(),
            "You divide by |w|. If w is negative, u and v are negative too, and the signs cancel: divide by w itself.",
        ),
        Mistake(
            lambda points, matrix: _divided(_three(points, matrix)).round(),
            "You round. Key points may lie between pixels, and the next change of the picture would add its own rounding: keep the decimals.",
        ),
        Mistake(
            lambda points, matrix: _divided(_three(points, matrix)).long().to(points.dtype),
            "You cut the decimals off. Key points may lie between pixels: keep them.",
        ),
        Mistake(
            lambda points, matrix: _divided(_three(points, matrix)).clamp(min=0),
            "You pull points with negative coordinates back to the border. A point may leave the picture; whoever uses it must know that.",
        ),
        Mistake(
            lambda points, matrix: _three(points, matrix) / _three(points, matrix)[:, 2:],
            "The third column, which is 1 after the division, is still there. Give back x and y alone.",
        ),
        Mistake(
            lambda points, matrix: _three(points, matrix),
            "You give back (u, v, w). Divide the first two by w and give back those two.",
        ),
    ),
    styles=(_points_in_loops, _points_by_parts, _points_by_einsum),
    start="Begin with the formula for one point: u, v and w.",
    praise="Shifts, turns, affine maps and perspectives: every point lands where it should. If you augment pictures with key points or "
    "boxes, the labels must make this move too.",
    cases=_point_cases,
    expected=_points_in_loops,
)

# ---- 05.3 ---------------------------------------------------------------------------------------------------------


def _batches(seed: int, *, shapes: Sequence[tuple[int, int, int, int]], classes: int) -> Iterator[tuple[Tensor, ...]]:
    """Pictures, class numbers and an order of partners; the largest class does not appear in the first batch."""
    generator = torch.Generator().manual_seed(seed)
    for position, shape in enumerate(shapes):
        x = torch.rand(shape, generator=generator, dtype=torch.float64)
        y = torch.randint(0, classes if position else classes - 1, shape[:1], generator=generator)
        order = torch.arange(shape[0])
        while bool((order == torch.arange(shape[0])).any()):  # each gets another one
            order = torch.randperm(shape[0], generator=generator)
        yield x, y, order


def _mixup_cases() -> Iterator[tuple[Tensor, Tensor, int, float, Tensor]]:
    """Partners of the same and of another class, a picture that is its own partner, λ of 0 and 1; both precisions.

    Some pictures are normalised, with values below 0 and above 1.
    """
    yield (
        torch.tensor([0.0, 1.0], dtype=torch.float64).reshape(2, 1, 1, 1),
        torch.tensor([2, 0]),
        4,
        0.75,
        torch.tensor([1, 0]),
    )
    shapes = [(3, 1, 2, 2), (4, 3, 2, 3), (5, 2, 3, 1), (6, 3, 2, 2), (8, 1, 3, 3)]
    for (x, y, order), lam in zip(_batches(53, shapes=shapes, classes=3), (0.3, 0.9, 1.0, 0.0, 0.6)):
        pictures = {0.9: x.float(), 0.6: 4 * x - 2}.get(lam, x)
        yield pictures, y, 5 if lam == 0.6 else 3, lam, order
    # Three in a circle, so that an order and its inverse differ, and one that is its own partner.
    x = torch.rand(4, 2, 1, 2, generator=torch.Generator().manual_seed(530), dtype=torch.float64)
    yield x, torch.tensor([0, 2, 2, 1]), 3, 0.35, torch.tensor([1, 2, 0, 3])


def mixup(x: Tensor, y: Tensor, classes: int, lam: float, order: Tensor) -> tuple[Tensor, Tensor]:
    targets = F.one_hot(y, classes).to(x.dtype)
    mixed = lam * x + (1 - lam) * x[order]
    return mixed, lam * targets + (1 - lam) * targets[order]


def _mixup_in_loops(x: Tensor, y: Tensor, classes: int, lam: float, order: Tensor) -> tuple[Tensor, Tensor]:
    soft = torch.zeros(len(x), classes, dtype=x.dtype)
    pictures = []
    for own, partner in enumerate(order.tolist()):
        pictures.append(x[own] * lam + x[partner] * (1 - lam))
        soft[own, int(y[own])] += lam
        soft[own, int(y[partner])] += 1 - lam
    return torch.stack(pictures), soft


def _mixup_by_lerp(x: Tensor, y: Tensor, classes: int, lam: float, order: Tensor) -> list[Tensor]:
    targets = torch.eye(classes, dtype=x.dtype)[y]
    return [torch.lerp(part[order], part, lam) for part in (x, targets)]


def _mixup_by_a_matrix(x: Tensor, y: Tensor, classes: int, lam: float, order: Tensor) -> tuple[Tensor, Tensor]:
    same = torch.eye(len(x), dtype=x.dtype)
    weights = lam * same + (1 - lam) * same[order]
    targets = (y[:, None] == torch.arange(classes)).to(x.dtype)
    return torch.einsum("ij,j...->i...", weights, x), weights @ targets


Mixed = Callable[..., Any]


def _blend(lam: float, own: Tensor, partner: Tensor) -> Tensor:
    return lam * own + (1 - lam) * partner


def _mix(
    pictures: Mixed | None = None,
    labels: Mixed | None = None,
) -> Callable[..., Any]:
    """Mixup with one part exchanged: from λ, what is mixed (pictures, or labels as one-hot rows) and the order."""

    def mix(x: Tensor, y: Tensor, classes: int, lam: float, order: Tensor) -> Any:
        targets = F.one_hot(y, classes).to(x.dtype)
        return (
            pictures(lam, x, order) if pictures else _blend(lam, x, x[order]),
            labels(lam, targets, order) if labels else _blend(lam, targets, targets[order]),
        )

    return mix


def _both(part: Mixed) -> Callable[..., Any]:
    return _mix(part, part)


def _labels_written(lam: float, targets: Tensor, order: Tensor) -> Tensor:
    """Write λ and 1 − λ into zeros: the second overwrites the first where the classes agree."""
    soft = torch.zeros_like(targets)
    own = targets.argmax(1)
    rows = torch.arange(len(targets))
    soft[rows, own] = lam
    soft[rows, own[order]] = 1 - lam
    return soft


def _labels_written_backwards(lam: float, targets: Tensor, order: Tensor) -> Tensor:
    soft = torch.zeros_like(targets)
    own = targets.argmax(1)
    rows = torch.arange(len(targets))
    soft[rows, own[order]] = 1 - lam
    soft[rows, own] = lam
    return soft


def _labels_of_the_larger(lam: float, targets: Tensor, order: Tensor) -> Tensor:
    return targets if lam >= 0.5 else targets[order]


def _labels_smoothed(lam: float, targets: Tensor, order: Tensor) -> Tensor:
    return lam * targets + (1 - lam) / targets.shape[1]


def _scaled_first(lam: float, part: Tensor, order: Tensor) -> Tensor:
    """As `part *= lam` does it: the partner is then already scaled."""
    return lam * part + (1 - lam) * (lam * part)[order]


def _one_after_the_other(lam: float, part: Tensor, order: Tensor) -> Tensor:
    """In a loop over one tensor: later pictures meet partners that are already mixed."""
    mixed = part.clone()
    for own, partner in enumerate(order.tolist()):
        mixed[own] = _blend(lam, mixed[own], mixed[partner])
    return mixed


def _mixup_of_numbers(x: Tensor, y: Tensor, classes: int, lam: float, order: Tensor) -> tuple[Tensor, Tensor]:
    return _blend(lam, x, x[order]), _blend(lam, y.to(x.dtype), y[order].to(x.dtype))


def _mixup_of_rounded_numbers(x: Tensor, y: Tensor, classes: int, lam: float, order: Tensor) -> tuple[Tensor, Tensor]:
    numbers = _blend(lam, y.to(x.dtype), y[order].to(x.dtype)).round().long()
    return _blend(lam, x, x[order]), F.one_hot(numbers.clamp(0, classes - 1), classes).to(x.dtype)


def _mixup_with_counted_classes(x: Tensor, y: Tensor, classes: int, lam: float, order: Tensor) -> Any:
    return mixup(x, y, int(y.max()) + 1, lam, order)


def _mixup_with_pairs(x: Tensor, y: Tensor, classes: int, lam: float, order: Tensor) -> Any:
    return _blend(lam, x, x[order]), y, y[order], lam


MIXUP = Exercise(
    number="05.3",
    name="mixup",
    title="Mixup mixes the labels too",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="soft labels",
    stub='''def mixup(x, y, classes, lam, order):
    """Mix each picture with its partner, and their labels in the same way.

    Picture i becomes lam · (picture i) + (1 − lam) · (picture order[i]). A label becomes a row of
    shares, one a class, whose sum is 1.

    Args:
        x: pictures, (n, c, h, w), floating-point
        y: their classes, (n,), whole numbers from 0 to classes − 1
        classes: how many classes there are; not each of them is in every batch
        lam: λ, one number from 0 to 1
        order: the partner of each picture, (n,), whole numbers from 0 to n − 1
    Returns:
        the mixed pictures, (n, c, h, w)
        the soft labels, (n, classes), floating-point
    """
    ...
''',
    hints=(
        "x[order] holds the partner of each picture at the place of the picture. So the pictures are one line, without a loop.",
        "Class numbers cannot be mixed: halfway between 3 (cat) and 9 (lorry) is not 6 (frog). First turn each number into a row with a 1 "
        "at its class. torch.nn.functional has a function for that, which also takes the number of classes.",
        "The rows are whole numbers: change them to floating-point numbers. Then treat them as you treated the pictures, with the same λ "
        "and the same order.",
    ),
    reference=mixup,
    mistakes=(
        Mistake(
            _mix(labels=lambda lam, t, order: t),
            "The labels are not mixed: a picture that is 30 % dog still counts as 100 % cat. That is the belief that Mixup is only about "
            "pixels. Mix the one-hot rows with the same λ.",
        ),
        Mistake(
            _mix(labels=lambda lam, t, order: t[order]),
            "Your labels are those of the partners alone. Mix both: λ of the own row, 1 − λ of the partner's.",
        ),
        Mistake(
            _mix(labels=lambda lam, t, order: _blend(1 - lam, t, t[order])),
            "The pictures are right, but in the labels λ is on the partner. λ belongs to the own picture and to its own label.",
        ),
        Mistake(
            _mix(lambda lam, x, order: _blend(1 - lam, x, x[order])),
            "The labels are right, but in the pictures λ is on the partner. λ belongs to the own picture and to its own label.",
        ),
        Mistake(
            _both(lambda lam, part, order: _blend(1 - lam, part, part[order])),
            "λ is on the partner, in pictures and in labels. λ is the share of the own picture: with λ = 1 nothing is mixed.",
        ),
        Mistake(
            _mixup_of_numbers,
            "You mix class numbers: halfway between class 0 and class 2 is not class 1. Turn the numbers into one-hot rows first, "
            "(n, classes), then mix the rows.",
        ),
        Mistake(
            _mixup_of_rounded_numbers,
            "You mix class numbers and round: halfway between class 0 and class 2 becomes class 1, which neither picture shows. Make "
            "one-hot rows first, then mix the rows.",
        ),
        Mistake(
            _mix(labels=lambda lam, t, order: _blend(lam, t, t.roll(1, 0))),
            "Pictures and labels have different partners: your labels take the one before in the batch. Use order for both.",
        ),
        Mistake(
            _mix(lambda lam, x, order: _blend(lam, x, x.roll(1, 0))),
            "Pictures and labels have different partners: your pictures take the one before in the batch. Use order for both.",
        ),
        Mistake(
            _both(lambda lam, part, order: _blend(lam, part, part.roll(1, 0))),
            "Your partner is always the one before in the batch, as in torchvision. Here order says who the partner is: x[order].",
        ),
        Mistake(
            _both(lambda lam, part, order: _blend(lam, part, part.flip(0))),
            "You turn the batch round to find partners. Here order says who the partner is: x[order].",
        ),
        Mistake(
            _both(lambda lam, part, order: _blend(lam, part, part[order.argsort()])),
            "You use order the wrong way round: the partner of picture i is order[i], so the partners are x[order].",
        ),
        Mistake(
            _mix(labels=lambda lam, t, order: _blend(lam, t, t[order.argsort()])),
            "In the labels you use order the wrong way round: the partner of picture i is order[i], so its row is in labels[order].",
        ),
        Mistake(
            _mix(labels=_labels_of_the_larger),
            "The smaller share is lost: you round the labels, or give the whole label to the picture with the larger share. A mixed picture "
            "has a mixed label, λ and 1 − λ.",
        ),
        Mistake(
            _mix(labels=_labels_smoothed),
            "You spread 1 − λ over all classes. That is label smoothing. In Mixup it goes to the partner's class.",
        ),
        Mistake(
            _mix(labels=_labels_written),
            "Where both pictures have the same class, your row sums to 1 − λ: the second number overwrites the first. The shares are added.",
        ),
        Mistake(
            _mix(labels=_labels_written_backwards),
            "Where both pictures have the same class, your row sums to λ: the second number overwrites the first. The shares are added.",
        ),
        Mistake(
            _mix(labels=lambda lam, t, order: t + t[order]),
            "Your rows sum to 2: both labels count in full. Weigh them with λ and 1 − λ.",
        ),
        Mistake(
            _mix(labels=lambda lam, t, order: torch.maximum(t, t[order])),
            "Your rows hold a 1 for each of the two classes. They are shares: λ for the own class, 1 − λ for the partner's.",
        ),
        Mistake(
            _mix(labels=lambda lam, t, order: 0.5 * (t + t[order])),
            "Your labels are halves whatever λ is. Use λ and 1 − λ, as for the pictures.",
        ),
        Mistake(
            _mix(labels=lambda lam, t, order: lam * t),
            "The partner's part is missing in the labels: a row must sum to 1.",
        ),
        Mistake(
            _both(lambda lam, part, order: lam * part + lam * part[order]),
            "Both parts get λ. The partner gets 1 − λ, so that the shares sum to 1.",
        ),
        Mistake(
            _both(lambda lam, part, order: part + (1 - lam) * part[order]),
            "The own part lacks its factor λ: the sum is brighter than a picture can be.",
        ),
        Mistake(
            _mix(_scaled_first),
            "The partners are too dark: something like `x *= lam` changes x itself before x[order] is read. Make a new tensor.",
        ),
        Mistake(
            _mix(_one_after_the_other),
            "Some partners are mixed already: you write into the same tensor that you read from. Read from x, write into a new tensor.",
        ),
        Mistake(
            _mix(lambda lam, x, order: x),
            "The pictures come back as they were; only the labels are mixed.",
        ),
        Mistake(
            _mix(lambda lam, x, order: _blend(lam, x, x[order]).clamp(0, 1)),
            "You clamp the mixed pictures to 0…1. Normalised pictures also have values outside: leave the mean of two pictures as it is.",
        ),
        Mistake(
            _mixup_with_counted_classes,
            "Your rows are too short for some batches: the largest class is not in each batch. Use the argument classes.",
        ),
        Mistake(
            _mixup_with_pairs,
            "You give back both class numbers and λ. That is another common form of Mixup; here two things are asked for: the mixed "
            "pictures and the soft labels, (n, classes).",
        ),
        Mistake(
            lambda x, y, classes, lam, order: tuple(reversed(mixup(x, y, classes, lam, order))),
            "Both are right, but the wrong way round: pictures first, then labels.",
        ),
        Mistake(
            lambda x, y, classes, lam, order: mixup(x, y, classes, lam, order)[0],
            "Only the pictures come back. Give back the soft labels too.",
        ),
    ),
    styles=(_mixup_in_loops, _mixup_by_lerp, _mixup_by_a_matrix),
    start="Begin with the pictures: what is x[order]?",
    praise="Pictures and labels are mixed alike, every row sums to 1, and x is untouched. With the picture before it in the batch as the "
    "partner of each, these are the numbers of torchvision's v2.MixUp.",
    cases=_mixup_cases,
    expected=_mixup_in_loops,
)

# ---- 05.4 ---------------------------------------------------------------------------------------------------------

Place = tuple[int, int]


def _cutmix_cases() -> Iterator[tuple[Tensor, Tensor, int, float, Place, Tensor]]:
    """Boxes inside, over each border and in a corner, an empty one and one over everything; pictures are not square.

    The last ones are line drawings: many pixels are the same in both, so comparing pixels does not give the area.
    """
    yield (
        torch.arange(16, dtype=torch.float64).reshape(2, 1, 2, 4) / 16,
        torch.tensor([1, 0]),
        3,
        0.75,
        (1, 0),
        torch.tensor([1, 0]),
    )
    shapes = [
        (2, 1, 6, 10),
        (3, 3, 8, 5),
        (3, 2, 5, 9),
        (4, 1, 12, 7),
        (3, 3, 7, 7),
        (2, 2, 9, 4),
        (4, 2, 10, 6),
        (3, 1, 8, 12),
    ]
    draws: tuple[tuple[float, Place], ...] = (
        (0.6, (3, 5)),  # inside
        (0.3, (1, 4)),  # over the upper and the right border
        (0.55, (4, 0)),  # in the lower left corner
        (0.2, (11, 3)),  # over three borders
        (1.0, (3, 3)),  # empty
        (0.0, (4, 2)),  # over everything
        (0.45, (2, 5)),
        (0.6, (5, 7)),  # inside, and not in the middle
    )
    for (x, y, order), (lam, centre) in zip(_batches(54, shapes=shapes, classes=3), draws):
        yield x if lam != 0.2 else x.float(), y, 4 if lam == 0.45 else 3, lam, centre, order
    x = torch.rand(4, 2, 6, 8, generator=torch.Generator().manual_seed(540), dtype=torch.float64)
    yield x, torch.tensor([0, 1, 1, 2]), 3, 0.5, (1, 6), torch.tensor([1, 2, 0, 3])
    shades = torch.rand(3, 1, 8, 6, generator=torch.Generator().manual_seed(541), dtype=torch.float64)
    drawings = (shades < 0.3).double()
    yield drawings, torch.tensor([0, 1, 2]), 3, 0.4, (3, 4), torch.tensor([1, 2, 0])


def cutmix(x: Tensor, y: Tensor, classes: int, lam: float, centre: Place, order: Tensor) -> tuple[Tensor, Tensor]:
    height, width = x.shape[-2:]
    row, column = centre
    side = math.sqrt(1 - lam)
    up, across = int(0.5 * side * height), int(0.5 * side * width)
    rows = slice(max(row - up, 0), min(row + up, height))
    columns = slice(max(column - across, 0), min(column + across, width))
    mixed = x.clone()
    mixed[:, :, rows, columns] = x[order][:, :, rows, columns]
    share = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    targets = F.one_hot(y, classes).to(x.dtype)
    return mixed, (1 - share) * targets + share * targets[order]


def _cutmix_in_loops(
    x: Tensor, y: Tensor, classes: int, lam: float, centre: Place, order: Tensor
) -> tuple[Tensor, Tensor]:
    n, _, height, width = x.shape
    reach = [int(math.sqrt(1 - lam) * size / 2) for size in (height, width)]
    inside = [
        (row, column)
        for row, column in np.ndindex(height, width)
        if -reach[0] <= row - centre[0] < reach[0] and -reach[1] <= column - centre[1] < reach[1]
    ]
    share = len(inside) / (height * width)
    mixed, soft = x.clone(), torch.zeros(n, classes, dtype=x.dtype)
    for own, partner in enumerate(order.tolist()):
        for row, column in inside:
            mixed[own, :, row, column] = x[partner, :, row, column]
        soft[own, int(y[own])] += 1 - share
        soft[own, int(y[partner])] += share
    return mixed, soft


def _box_mask(x: Tensor, lam: float, centre: Place) -> Tensor:
    """True inside the box, (h, w)."""
    height, width = x.shape[-2:]
    up, across = (int(math.sqrt(1 - lam) / 2 * size) for size in (height, width))
    rows = torch.arange(height) - centre[0]
    columns = torch.arange(width) - centre[1]
    return ((rows >= -up) & (rows < up))[:, None] & ((columns >= -across) & (columns < across))


def _cutmix_by_where(
    x: Tensor, y: Tensor, classes: int, lam: float, centre: Place, order: Tensor
) -> tuple[Tensor, Tensor]:
    mask = _box_mask(x, lam, centre)
    targets = torch.eye(classes, dtype=x.dtype)[y]
    return torch.where(mask, x[order], x), torch.lerp(targets, targets[order], mask.double().mean().item())


def _cutmix_by_a_mask(
    x: Tensor, y: Tensor, classes: int, lam: float, centre: Place, order: Tensor
) -> tuple[Tensor, Tensor]:
    mask = _box_mask(x, lam, centre).to(x.dtype)
    share = mask.mean()
    targets = F.one_hot(y, num_classes=classes)
    return x * (1 - mask) + x.index_select(0, order) * mask, targets * (1 - share) + targets[order] * share


Box = tuple[int, int, int, int]


def _half(size: int, lam: float) -> int:
    return int(0.5 * math.sqrt(1 - lam) * size)


def _true_box(lam: float, centre: Place, height: int, width: int) -> Box:
    """Top, bottom, left, right of the box, cut at the border; bottom and right excluded."""
    return _cut(lam, centre, height, width, _half(height, lam), _half(width, lam))


def _cut(lam: float, centre: Place, height: int, width: int, up: int, across: int) -> Box:
    """As learners cut it: with a centre that lies outside, bottom may be above top."""
    row, column = centre
    return max(row - up, 0), min(row + up, height), max(column - across, 0), min(column + across, width)


def _share(lam: float, box: Box, height: int, width: int) -> float:
    """The share of the picture that the box covers."""
    return (box[1] - box[0]) * (box[3] - box[2]) / (height * width)


def _paste(x: Tensor, order: Tensor, box: Box) -> Tensor:
    top, bottom, left, right = box
    mixed = x.clone()
    mixed[..., top:bottom, left:right] = x[order][..., top:bottom, left:right]
    return mixed


def _cut_and_mix(
    *,
    box: Callable[..., Box] = _true_box,
    paste: Callable[[Tensor, Tensor, Box], Any] = _paste,
    share: Callable[..., float] = _share,
    labels: Mixed | None = None,
) -> Callable[..., Any]:
    """CutMix with one part exchanged: the box, what is pasted, the partner's share, or the labels from that share."""

    def cut_and_mix(x: Tensor, y: Tensor, classes: int, lam: float, centre: Place, order: Tensor) -> Any:
        height, width = x.shape[-2:]
        found = box(lam, centre, height, width)
        part = share(lam, found, height, width)
        targets = F.one_hot(y, classes).to(x.dtype)
        soft = labels(1 - part, targets, order) if labels else _blend(1 - part, targets, targets[order])
        return paste(x, order, found), soft

    return cut_and_mix


def _box_of_sides(up: Callable[[float, int], int]) -> Callable[..., Box]:
    """A box whose half height and half width come from λ and the size of the picture in another way."""

    def box(lam: float, centre: Place, height: int, width: int) -> Box:
        return _cut(lam, centre, height, width, up(lam, height), up(lam, width))

    return box


def _box_of_odd_sides(lam: float, centre: Place, height: int, width: int) -> Box:
    """The whole side as a whole number, and the box that begins half a side before the centre."""
    sides = [int(math.sqrt(1 - lam) * size) for size in (height, width)]
    starts = [place - side // 2 for place, side in zip(centre, sides)]
    (top, bottom), (left, right) = (
        (min(max(start, 0), size), max(min(start + side, size), 0))
        for start, side, size in zip(starts, sides, (height, width))
    )
    return top, max(bottom, top), left, max(right, left)


def _box_with_the_last(lam: float, centre: Place, height: int, width: int) -> Box:
    top, bottom, left, right = (
        max(centre[0] - _half(height, lam), 0),
        min(centre[0] + _half(height, lam) + 1, height),
        max(centre[1] - _half(width, lam), 0),
        min(centre[1] + _half(width, lam) + 1, width),
    )
    return top, bottom, left, right


def _box_without_the_last(lam: float, centre: Place, height: int, width: int) -> Box:
    """`row − k : row + k − 1`: the last row and the last column of the box are left out."""
    up, across = _half(height, lam), _half(width, lam)
    top, left = max(centre[0] - up, 0), max(centre[1] - across, 0)
    return top, min(centre[0] + up - 1, height), left, min(centre[1] + across - 1, width)


def _box_cut_before_the_edge(lam: float, centre: Place, height: int, width: int) -> Box:
    top, bottom, left, right = _true_box(lam, centre, height, width)
    return top, min(bottom, height - 1), left, min(right, width - 1)


def _box_moved_inside(lam: float, centre: Place, height: int, width: int) -> Box:
    up, across = _half(height, lam), _half(width, lam)
    row = min(max(centre[0], up), height - up)
    column = min(max(centre[1], across), width - across)
    return row - up, row + up, column - across, column + across


def _box_from_a_corner(lam: float, centre: Place, height: int, width: int) -> Box:
    up, across = _half(height, lam), _half(width, lam)
    return centre[0], min(centre[0] + 2 * up, height), centre[1], min(centre[1] + 2 * across, width)


def _box_of_the_smaller_side(lam: float, centre: Place, height: int, width: int) -> Box:
    half = _half(min(height, width), lam)
    return _cut(lam, centre, height, width, half, half)


def _box_square_by_height(lam: float, centre: Place, height: int, width: int) -> Box:
    return _cut(lam, centre, height, width, _half(height, lam), _half(height, lam))


def _box_not_cut(lam: float, centre: Place, height: int, width: int) -> Box:
    up, across = _half(height, lam), _half(width, lam)
    return centre[0] - up, centre[0] + up, centre[1] - across, centre[1] + across


def _box_cut_below_only(lam: float, centre: Place, height: int, width: int) -> Box:
    """Negative places are set to 0; what lies beyond the far border is left to the slice, and counted."""
    top, bottom, left, right = _box_not_cut(lam, centre, height, width)
    return max(top, 0), bottom, max(left, 0), right


def _share_drawn(lam: float, box: Box, height: int, width: int) -> float:
    return 1 - lam


def _share_not_cut(lam: float, box: Box, height: int, width: int) -> float:
    return 4 * _half(height, lam) * _half(width, lam) / (height * width)


def _paste_from_the_corner(x: Tensor, order: Tensor, box: Box) -> Tensor:
    top, bottom, left, right = box
    mixed = x.clone()
    mixed[..., top:bottom, left:right] = x[order][..., : bottom - top, : right - left]
    return mixed


def _paste_small(x: Tensor, order: Tensor, box: Box) -> Tensor:
    top, bottom, left, right = box
    mixed = x.clone()
    if bottom > top and right > left:
        mixed[..., top:bottom, left:right] = F.interpolate(x[order], size=(bottom - top, right - left), mode="bilinear")
    return mixed


def _paste_outside(x: Tensor, order: Tensor, box: Box) -> Tensor:
    top, bottom, left, right = box
    mixed = x[order].clone()
    mixed[..., top:bottom, left:right] = x[..., top:bottom, left:right]
    return mixed


def _paste_nothing(x: Tensor, order: Tensor, box: Box) -> Tensor:
    top, bottom, left, right = box
    mixed = x.clone()
    mixed[..., top:bottom, left:right] = 0
    return mixed


def _paste_one_after_the_other(x: Tensor, order: Tensor, box: Box) -> Tensor:
    top, bottom, left, right = box
    mixed = x.clone()
    for own, partner in enumerate(order.tolist()):
        mixed[own, :, top:bottom, left:right] = mixed[partner, :, top:bottom, left:right]
    return mixed


def _paste_one_channel(x: Tensor, order: Tensor, box: Box) -> Tensor:
    top, bottom, left, right = box
    mixed = x.clone()
    mixed[:, 0, top:bottom, left:right] = x[order][:, 0, top:bottom, left:right]
    return mixed


def _paste_by(partners: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Box], Tensor]:
    """Pasting from other partners."""

    def paste(x: Tensor, order: Tensor, box: Box) -> Tensor:
        return _paste(x, partners(torch.arange(len(x)), order), box)

    return paste


def _cutmix_with_the_size_swapped(
    x: Tensor, y: Tensor, classes: int, lam: float, centre: Place, order: Tensor
) -> tuple[Tensor, Tensor]:
    """`width, height = x.shape[-2:]`: each half comes from the other side."""
    height, width = x.shape[-2:]
    box = _cut(lam, centre, height, width, _half(width, lam), _half(height, lam))
    share = _share(lam, box, height, width)
    targets = F.one_hot(y, classes).to(x.dtype)
    return _paste(x, order, box), _blend(1 - share, targets, targets[order])


def _cutmix_by_comparing(
    x: Tensor, y: Tensor, classes: int, lam: float, centre: Place, order: Tensor
) -> tuple[Tensor, Tensor]:
    """The share from the pixels that are still the same, for each picture."""
    mixed, _ = cutmix(x, y, classes, lam, centre, order)
    own = (mixed == x).to(x.dtype).mean((1, 2, 3))[:, None]
    targets = F.one_hot(y, classes).to(x.dtype)
    return mixed, own * targets + (1 - own) * targets[order]


def _of_centre_swapped(lam: float, centre: Place, height: int, width: int) -> Box:
    return _true_box(lam, (centre[1], centre[0]), height, width)


CUTMIX = Exercise(
    number="05.4",
    name="cutmix",
    title="CutMix counts what it pastes",
    kind="write",
    difficulty=3,
    minutes=20,
    trains="labels by the true area",
    stub='''def cutmix(x, y, classes, lam, centre, order):
    """Paste a box of the partner into each picture, and mix the labels by the area that was pasted.

    The box is the same for all pictures of the batch. From its centre it reaches
    int(0.5 · √(1 − lam) · h) rows up and down and int(0.5 · √(1 − lam) · w) columns left and right:
    with such a number k, the rows are row − k … row + k − 1, and the columns likewise. What lies
    outside the picture is cut off. What is pasted comes from the same place in the partner.
    The partner's share in the label is the area that was really pasted, over h · w.

    Args:
        x: pictures, (n, c, h, w), floating-point
        y: their classes, (n,), whole numbers from 0 to classes − 1
        classes: how many classes there are
        lam: λ, one number from 0 to 1: the share of the own picture, if nothing is cut off
        centre: of the box, (row, column), inside the picture
        order: the partner of each picture, (n,)
    Returns:
        the new pictures, (n, c, h, w)
        the soft labels, (n, classes), floating-point
    """
    ...
''',
    hints=(
        "First the box alone: four numbers, top, bottom, left, right. The root is there because the box has two sides: √(1 − λ) of the "
        "height times √(1 − λ) of the width is 1 − λ of the area.",
        "Cut the box at the border before anything else: max with 0 on one side, min with the height or the width on the other. A "
        "negative number in a slice would count from the end.",
        "Paste into a copy of x, from x[order], with the same slice on both sides.",
        "The pasted share is (bottom − top) · (right − left) / (h · w), from the numbers after cutting. It takes the place of 1 − λ in "
        "the labels of Mixup.",
    ),
    reference=cutmix,
    mistakes=(
        Mistake(
            _cut_and_mix(share=_share_drawn),
            "The labels use the λ that was drawn. Where the box is cut off at the border, and because sides are whole numbers, less is "
            "pasted than that. Count the pixels that were pasted.",
        ),
        Mistake(
            _cut_and_mix(share=_share_not_cut),
            "The labels use the area of the whole box, also of the part outside the picture. Take the numbers after cutting.",
        ),
        Mistake(
            _cut_and_mix(box=_box_cut_below_only),
            "The box is cut at the upper and the left border only. A slice ignores what lies beyond the other two, but your area counts it: "
            "cut there too, with min.",
        ),
        Mistake(
            _cut_and_mix(box=_box_not_cut),
            "The box is not cut at the border: a negative number in a slice counts from the end, so nothing is pasted, or the wrong part. "
            "Use max(…, 0) and min(…, size) first.",
        ),
        Mistake(
            _cut_and_mix(box=_box_not_cut, share=_share_drawn),
            "Two things. The box is not cut at the border: a negative number in a slice counts from the end. And the labels use the λ that was "
            "drawn instead of the area that was pasted.",
        ),
        Mistake(
            _cut_and_mix(box=_box_moved_inside),
            "Near the border you move the box inwards, so that it fits. Here the centre stays, and what lies outside is cut off.",
        ),
        Mistake(
            _cut_and_mix(labels=lambda own, t, order: t),
            "The labels are not mixed: they still say that the whole picture is its own. Use the pasted area.",
        ),
        Mistake(
            _cut_and_mix(labels=lambda own, t, order: _blend(1 - own, t, t[order])),
            "In the labels the shares are swapped: the pasted area is the share of the partner.",
        ),
        Mistake(
            _cut_and_mix(labels=_labels_written),
            "Where both pictures have the same class, your row does not sum to 1: the second number overwrites the first. Add the shares.",
        ),
        Mistake(
            _cut_and_mix(labels=_labels_written_backwards),
            "Where both pictures have the same class, only the share of the own picture is left in your row: it overwrites the partner's. "
            "Add the shares.",
        ),
        Mistake(
            _cut_and_mix(labels=_labels_of_the_larger),
            "You give the whole label to the picture with the larger area. Both count, each with its share.",
        ),
        Mistake(
            _cut_and_mix(labels=lambda own, t, order: _blend(own, t, t.roll(1, 0))),
            "Pictures and labels have different partners: your labels take the one before in the batch. Use order for both.",
        ),
        Mistake(
            _cut_and_mix(labels=lambda own, t, order: _blend(own, t, t[order.argsort()])),
            "In the labels you use order the wrong way round: the partner of picture i is order[i].",
        ),
        Mistake(
            lambda x, y, classes, lam, centre, order: cutmix(x, y, classes, lam, centre, order.argsort()),
            "You use order the wrong way round, in pictures and in labels: the partner of picture i is order[i], so the partners are x[order].",
        ),
        Mistake(
            _cut_and_mix(box=_box_of_sides(lambda lam, size: int(0.5 * math.sqrt(lam) * size))),
            "Your box has an area of λ. λ is the share that the own picture keeps; the box covers 1 − λ.",
        ),
        Mistake(
            _cut_and_mix(box=_box_of_sides(lambda lam, size: int(0.5 * (1 - lam) * size))),
            "Your sides are 1 − λ of height and width, so the box covers only (1 − λ)² of the area. Take the root first.",
        ),
        Mistake(
            _cut_and_mix(box=_box_of_sides(lambda lam, size: int(math.sqrt(1 - lam) * size))),
            "Your box reaches a whole side from its centre in each direction, so it is twice as high and as wide as it should be. Half a side "
            "is enough.",
        ),
        Mistake(
            _cut_and_mix(box=_box_of_sides(lambda lam, size: round(0.5 * math.sqrt(1 - lam) * size))),
            "You round half the side. The rule here, torchvision's, cuts the decimals off: int(…).",
        ),
        Mistake(
            _cut_and_mix(box=_box_of_odd_sides),
            "Your box begins half a side before the centre and is int(side) long, which is odd now and then. By the rule of the stub it "
            "reaches equally far to both sides of the centre.",
        ),
        Mistake(
            _cut_and_mix(box=_box_with_the_last),
            "Your box is one row and one column too large: it ends at row + k − 1, and a slice leaves its end out already.",
        ),
        Mistake(
            _cut_and_mix(box=_box_without_the_last),
            "Your box is one row and one column too small: its last row is row + k − 1, and a slice leaves its end out, so write row + k.",
        ),
        Mistake(
            _cut_and_mix(box=_box_cut_before_the_edge),
            "At the lower and the right border you cut one row or column too early. A slice leaves its end out: the end may be h and w, "
            "not only h − 1 and w − 1.",
        ),
        Mistake(
            _cut_and_mix(box=_box_from_a_corner),
            "Your box begins at the centre and goes to the lower right. The centre is its middle: half of it lies above and to the left.",
        ),
        Mistake(
            _cut_and_mix(box=_box_of_the_smaller_side),
            "Your box is a square, from the smaller side of the picture. Height and width each have their own part.",
        ),
        Mistake(
            _cut_and_mix(box=_box_square_by_height),
            "Your box is a square, from the height of the picture. It reaches int(0.5 · √(1 − lam) · w) columns left and right: use the width.",
        ),
        Mistake(
            _cutmix_by_comparing,
            "You compare pixels. Two pictures may have equal pixels at one place, such as a white background: pasted, and not seen. Take the "
            "area from the numbers of the box.",
        ),
        Mistake(
            _cutmix_with_the_size_swapped,
            "Height and width of the picture are swapped: x is (n, c, h, w), so the rows come from x.shape[2] and the columns from x.shape[3]. "
            "Square pictures would hide it.",
        ),
        Mistake(
            _cut_and_mix(box=_of_centre_swapped),
            "The centre is (row, column); you take its first number for the column.",
        ),
        Mistake(
            _cut_and_mix(paste=lambda x, order, box: x),
            "The pictures come back as they were. If you paste x into itself, take the partner x[order] instead.",
        ),
        Mistake(
            _cut_and_mix(paste=_paste_by(lambda own, order: own.roll(1))),
            "Pictures and labels have different partners: your pictures take the one before in the batch. Use order for both.",
        ),
        Mistake(
            _cut_and_mix(paste=_paste_by(lambda own, order: order.argsort())),
            "In the pictures you use order the wrong way round: the partner of picture i is order[i], so what is pasted comes from x[order].",
        ),
        Mistake(
            _cut_and_mix(paste=_paste_from_the_corner),
            "What you paste comes from the upper left corner of the partner. It comes from the same place as the box.",
        ),
        Mistake(
            _cut_and_mix(paste=_paste_small),
            "You shrink the whole partner into the box. CutMix cuts: the box of the partner, at its own size.",
        ),
        Mistake(
            _cut_and_mix(paste=_paste_outside),
            "Inside and outside are swapped: the partner fills everything but the box.",
        ),
        Mistake(
            _cut_and_mix(paste=_paste_outside, labels=lambda own, t, order: _blend(1 - own, t, t[order])),
            "Inside and outside are swapped, in pictures and in labels: the own picture keeps what is outside the box.",
        ),
        Mistake(
            _cut_and_mix(paste=_paste_nothing),
            "The box is black: that is Cutout. CutMix fills it with the partner's pixels.",
        ),
        Mistake(
            _cut_and_mix(paste=_paste_one_after_the_other),
            "Some partners have been pasted into already: you write into the tensor that you read from. Paste into a copy, read from x.",
        ),
        Mistake(
            _cut_and_mix(paste=_paste_one_channel),
            "Only the first channel is pasted. Write x[:, :, rows, columns]: all channels.",
        ),
        Mistake(
            lambda x, y, classes, lam, centre, order: mixup(x, y, classes, lam, order),
            "That is Mixup: the whole picture is blended. CutMix pastes a box and leaves the pixels themselves as they are.",
        ),
        Mistake(
            lambda x, y, classes, lam, centre, order: cutmix(x, y, int(y.max()) + 1, lam, centre, order),
            "Your rows are too short for some batches: the largest class is not in each batch. Use the argument classes.",
        ),
        Mistake(
            lambda x, y, classes, lam, centre, order: tuple(reversed(cutmix(x, y, classes, lam, centre, order))),
            "Both are right, but the wrong way round: pictures first, then labels.",
        ),
        Mistake(
            lambda x, y, classes, lam, centre, order: cutmix(x, y, classes, lam, centre, order)[0],
            "Only the pictures come back. Give back the soft labels too.",
        ),
    ),
    styles=(_cutmix_in_loops, _cutmix_by_where, _cutmix_by_a_mask),
    start="Begin with the four numbers of the box, cut at the border.",
    praise="Boxes inside, over a border, in a corner, empty and over everything: pictures and labels agree with a count of pixels, one by "
    "one. With the same draws these are the numbers of torchvision's v2.CutMix.",
    cases=_cutmix_cases,
    expected=_cutmix_in_loops,
)

# ---- 05.5 ---------------------------------------------------------------------------------------------------------


def _imgaug() -> Any:
    """The augmenters of imgaug; the first import takes more than a second."""
    importlib.import_module("course_utils.augmentation")  # it makes imgaug work with today's NumPy
    return importlib.import_module("imgaug.augmenters")


def _adapter_cases() -> Iterator[tuple[Any, Tensor]]:
    """Augmenters without chance that show a swapped axis, a swapped colour, another range, and a changed size."""
    augmenters = _imgaug()
    generator = torch.Generator().manual_seed(55)
    for augmenter, height, width in (
        (augmenters.Fliplr(1.0), 1, 2),
        (augmenters.Flipud(1.0), 4, 3),
        (augmenters.Add(40), 3, 5),
        (augmenters.WithChannels(0, augmenters.Multiply(0.25)), 2, 4),
        (augmenters.Crop(px=(1, 2, 0, 3), keep_size=False), 6, 9),
        (augmenters.Rot90(1, keep_size=False), 5, 7),
        (augmenters.Sequential([augmenters.Fliplr(1.0), augmenters.Add(-25)]), 5, 4),
    ):
        yield augmenter, torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


def through_imgaug(augmenter: Any, x: Tensor) -> Tensor:
    array = x.permute(1, 2, 0).numpy()
    changed = augmenter(image=array).copy()
    return torch.from_numpy(changed).permute(2, 0, 1)


def _adapter_by_a_batch(augmenter: Any, x: Tensor) -> Tensor:
    (changed,) = augmenter(images=[np.moveaxis(x.numpy(), 0, -1)])
    return torch.tensor(np.moveaxis(np.ascontiguousarray(changed), -1, 0).tolist(), dtype=torch.uint8)


def _adapter_by_pictures(augmenter: Any, x: Tensor) -> Any:
    picture = transforms.functional.to_pil_image(x)
    return transforms.functional.pil_to_tensor(Image.fromarray(augmenter.augment_image(np.array(picture))))


def _adapter_by_to_tensor(augmenter: Any, x: Tensor) -> Tensor:
    changed = augmenter(image=np.stack([*x.numpy()], axis=-1))
    return (transforms.ToTensor()(changed.copy()) * 255).round().to(torch.uint8)


def _adapter_by_lists(augmenter: Any, x: Tensor) -> Tensor:
    """The expected result: the axes are rearranged pixel by pixel."""
    _, height, width = x.shape
    rows = [[[int(x[c, row, column]) for c in range(3)] for column in range(width)] for row in range(height)]
    (changed,) = augmenter.augment_images([np.array(rows, dtype=np.uint8)])
    made = torch.zeros(3, *changed.shape[:2], dtype=torch.uint8)
    for row, column, c in np.ndindex(*changed.shape):
        made[c, row, column] = int(changed[row, column, c])
    return made


def _adapt(
    before: Callable[[Tensor], Tensor] = lambda x: x.permute(1, 2, 0),
    after: Callable[[Tensor], Tensor] = lambda changed: changed.permute(2, 0, 1),
) -> Callable[..., Any]:
    """An adapter with other moves of the axes, or something else done to the tensors before and after."""

    def adapt(augmenter: Any, x: Tensor) -> Tensor:
        given = np.ascontiguousarray(before(x).numpy())
        return after(torch.from_numpy(np.ascontiguousarray(augmenter(image=given))))

    return adapt


def _adapter_of_floats(augmenter: Any, x: Tensor) -> Tensor:
    changed = torch.from_numpy(augmenter(image=(x / 255).permute(1, 2, 0).numpy()).copy())
    return (changed.permute(2, 0, 1) * 255).round().clamp(0, 255).to(torch.uint8)


def _adapter_cut_anew(augmenter: Any, x: Tensor) -> Tensor:
    _, height, width = x.shape
    changed = augmenter(image=x.numpy().reshape(height, width, 3).copy())
    return torch.from_numpy(changed.copy()).reshape(3, *changed.shape[:2])


def _adapter_cut_anew_then_moved(augmenter: Any, x: Tensor) -> Tensor:
    _, height, width = x.shape
    return torch.from_numpy(augmenter(image=x.numpy().reshape(height, width, 3)).copy()).permute(2, 0, 1)


def _adapter_by_channels(augmenter: Any, x: Tensor) -> Tensor:
    return torch.stack([torch.from_numpy(augmenter(image=channel.numpy()).copy()) for channel in x])


def _adapter_back_to_the_old_size(augmenter: Any, x: Tensor) -> Tensor:
    changed = through_imgaug(augmenter, x)
    return F.interpolate(changed[None].float(), size=x.shape[1:])[0].to(torch.uint8)


THROUGH_IMGAUG = Exercise(
    number="05.5",
    name="through_imgaug",
    title="imgaug behind a tensor",
    kind="debug",
    difficulty=2,
    minutes=10,
    trains="which axis each library takes for the colours",
    stub='''def through_imgaug(augmenter, x):
    """Let an augmenter of imgaug change a picture that is a tensor already.

    Args:
        augmenter: any augmenter of imgaug, such as iaa.Fliplr(1.0)
        x: a picture, (3, h, w), torch.uint8; it stays as it is
    Returns:
        the changed picture, (3, h, w), torch.uint8; h and w may be other ones than before
    """
    changed = augmenter(image=x.numpy())
    return torch.from_numpy(changed)
''',
    hints=(
        "The message itself says how to get round it: a mirrored array is only a view of the old one, read backwards, and torch wants a "
        "copy. But the error is not the only fault.",
        "Mirror a small picture, groceries.x[0], with iaa.Fliplr(1.0) and look at it: are left and right swapped? A tensor is (3, h, w). "
        "Which order does imgaug expect?",
        "imgaug takes arrays (h, w, 3). `permute` moves the axes of a tensor: once before imgaug, and once on the way back. `reshape` would "
        "only cut the same numbers into other pieces.",
    ),
    reference=through_imgaug,
    mistakes=(
        Mistake(
            _adapt(lambda x: x, lambda changed: changed),
            "The crash is gone, but imgaug takes (h, w, 3) and gets (3, h, w): it takes the colours for rows and the columns for colours. So "
            "Fliplr swaps top and bottom. Move the axes before, and move them back after it.",
        ),
        Mistake(
            _adapt(after=lambda changed: changed),
            "Your result is (h, w, 3). Move the colours to the front again.",
        ),
        Mistake(
            _adapt(lambda x: x),
            "You move the axes on the way back only. imgaug needs (h, w, 3) on the way in, too.",
        ),
        Mistake(
            _adapter_cut_anew,
            "`reshape` and `view` only cut the same row of numbers into other pieces: the colours get mixed. `permute` moves the axes.",
        ),
        Mistake(
            _adapter_cut_anew_then_moved,
            "The way back is right. On the way in, `reshape` or `view` only cuts the same row of numbers into other pieces: the colours get "
            "mixed. `permute` moves the axes.",
        ),
        Mistake(
            _adapter_by_channels,
            "You hand over one channel at a time. An augmenter that treats the colours differently, or draws at random, needs all three at once.",
        ),
        Mistake(
            _adapt(lambda x: x.permute(2, 1, 0), lambda changed: changed.permute(2, 1, 0)),
            "You turn the axes round, (w, h, 3): height and width are swapped, and a mirror left and right becomes one top and bottom. imgaug "
            "takes (h, w, 3): permute(1, 2, 0).",
        ),
        Mistake(
            _adapt(lambda x: x.permute(2, 1, 0)),
            "On the way in you turn the axes round, (w, h, 3). imgaug takes (h, w, 3): permute(1, 2, 0).",
        ),
        Mistake(
            _adapt(after=lambda changed: changed.permute(2, 1, 0)),
            "On the way back you turn the axes round, (3, w, h). The order is (3, h, w): permute(2, 0, 1).",
        ),
        Mistake(
            _adapt(after=lambda changed: changed.permute(1, 2, 0)),
            "You use the same permute twice. Three axes moved on by one must be moved on by two, or back by one: permute(2, 0, 1).",
        ),
        Mistake(
            lambda augmenter, x: x.clone(),
            "The picture comes back as it was: the augmenter is not used, or its result is lost.",
        ),
        Mistake(
            lambda augmenter, x: through_imgaug(augmenter, through_imgaug(augmenter, x)),
            "The picture is changed twice.",
        ),
        Mistake(
            lambda augmenter, x: through_imgaug(augmenter, x.flip(0)),
            "Red and blue are swapped on the way in. That order, BGR, is OpenCV's; torch and imgaug both use RGB.",
        ),
        Mistake(
            lambda augmenter, x: through_imgaug(augmenter, x).flip(0),
            "Red and blue are swapped in the result. That order, BGR, is OpenCV's; torch and imgaug both use RGB.",
        ),
        Mistake(
            lambda augmenter, x: through_imgaug(augmenter, x.flip(0)).flip(0),
            "You swap red and blue before imgaug and back after it. An augmenter that treats colours differently then meets the wrong one. "
            "Swap nothing: torch and imgaug both use RGB.",
        ),
        Mistake(
            _adapter_of_floats,
            "You give imgaug values from 0 to 1. Its augmenters expect 0…255: adding 40 to a value of 0.5 is something else. Leave the type "
            "as it is.",
        ),
        Mistake(
            lambda augmenter, x: through_imgaug(augmenter, x).float(),
            "The pixels are right, but they are floating-point numbers. What came as torch.uint8 goes as torch.uint8.",
        ),
        Mistake(
            lambda augmenter, x: through_imgaug(augmenter, x) / 255,
            "Your result goes from 0 to 1. What came as torch.uint8 goes as torch.uint8: another step of the pipeline makes floats of it.",
        ),
        Mistake(
            _adapter_back_to_the_old_size,
            "You bring the result back to the old size. An augmenter that crops or turns is meant to change it.",
        ),
    ),
    styles=(_adapter_by_a_batch, _adapter_by_pictures, _adapter_by_to_tensor),
    start="Read the message to its end: it says what to do about the crash. Then look at a mirrored picture.",
    praise="Seven augmenters, each pixel where it should be. A crash shows itself; a swapped axis does not: that is why a look at the "
    "augmented picture belongs to every pipeline.",
    cases=_adapter_cases,
    expected=_adapter_by_lists,
    observe=_see_picture,
    prepare=_imgaug,
)

# ---- 05.6 ---------------------------------------------------------------------------------------------------------

_SIDE = 32
#: Pictures a call. With a probability of 1/2, at most a quarter or at least three quarters of 64 are mirrored about once
#: in twelve thousand calls.
_MANY = 64


def _described(picture: Image.Image) -> str:
    return f"<{picture.mode} picture, {picture.width} × {picture.height}>"


#: A PIL picture that shows no address, so that the same answer gets the same words. It keeps the name of its parent:
#: an error message that names the type is then the one that every other picture gives.
_Shown = type("Image", (Image.Image,), {"__module__": "PIL.Image", "__repr__": _described})


def _shown(picture: Image.Image) -> Image.Image:
    picture.__class__ = _Shown
    return picture


def _photographs(seed: int) -> list[Image.Image]:
    """Pictures of different sizes with soft patches of colour; each one remembers what it looked like."""
    numbers = np.random.default_rng(seed)
    pictures = []
    for _ in range(_MANY):
        patches = Image.fromarray(numbers.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        width, height = (int(side) for side in numbers.integers(36, 64, 2))
        picture = patches.resize((width, height if height != width else height + 3), Image.Resampling.BICUBIC)
        picture.info["as given"] = zlib.crc32(picture.tobytes())
        pictures.append(_shown(picture))
    return pictures


def _pipeline_cases() -> Iterator[tuple[list[Image.Image], list[float], list[float]]]:
    """Many pictures, with several means and standard deviations."""
    for seed, (mean, std) in enumerate(
        (
            ([0.5, 0.5, 0.5], [0.25, 0.25, 0.25]),
            _IMAGENET,
            ([0.6, 0.5, 0.3], [0.2, 0.3, 0.25]),
            ([0.25, 0.4, 0.7], [0.3, 0.2, 0.2]),
            ([0.4, 0.6, 0.5], [0.25, 0.2, 0.3]),
        )
    ):
        pictures = _photographs(56 + seed)
        pictures[0].info["torch's seed"] = seed  # each call begins with its own: see Exercise
        yield pictures, list(mean), list(std)


def training_pipeline(pictures: list[Image.Image], mean: Numbers, std: Numbers) -> Tensor:
    steps = transforms.Compose(
        [
            transforms.Resize((32, 32)),
            transforms.RandomHorizontalFlip(p=0.5),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
            transforms.RandomErasing(p=0.5, value=0),
        ]
    )
    return torch.stack([steps(picture) for picture in pictures])


def _pipeline_in_version_2(pictures: list[Image.Image], mean: Numbers, std: Numbers) -> Tensor:
    from torchvision.transforms import v2

    steps = v2.Compose(
        [
            v2.ToImage(),
            v2.RandomHorizontalFlip(),
            v2.Resize([32, 32]),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, std),
            v2.RandomErasing(),
        ]
    )
    return torch.stack([steps(picture) for picture in pictures])


def _pipeline_erasing_the_mean(pictures: list[Image.Image], mean: Numbers, std: Numbers) -> Tensor:
    """Erased before Normalize, but with the mean colour itself: the result is the same."""
    steps = transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Resize((32, 32)),
            transforms.RandomErasing(0.5, value=tuple(mean)),
            transforms.RandomHorizontalFlip(),
            transforms.Normalize(mean, std),
        ]
    )
    return torch.stack([steps(picture) for picture in pictures])


def _plain(picture: Image.Image, mean: Numbers, std: Numbers) -> Tensor:
    """Resized and normalised without any transform of torchvision, (3, 32, 32)."""
    values = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), dtype=np.float32) / 255
    return torch.from_numpy(((values - mean) / std).transpose(2, 0, 1)).float()


def _pipeline_in_loops(pictures: list[Image.Image], mean: Numbers, std: Numbers) -> Tensor:
    """The expected result: PIL, NumPy and random numbers alone."""
    made = []
    for picture in pictures:
        x = _plain(picture, mean, std)
        if torch.rand(()) < 0.5:
            x = x[:, :, torch.arange(_SIDE - 1, -1, -1)]
        if torch.rand(()) < 0.5:
            height, width = (int(n) for n in torch.randint(6, 15, (2,)))
            top, left = int(torch.randint(0, _SIDE - height, ())), int(torch.randint(0, _SIDE - width, ()))
            x[:, top : top + height, left : left + width] = 0
        made.append(x)
    return torch.stack(made)


def _pipeline(*steps: Any, finish: Callable[[list[Any]], Any] = torch.stack) -> Callable[..., Any]:
    """A pipeline of other steps; one that needs mean and std stands here as a function of both."""

    def prepared(pictures: list[Image.Image], mean: Numbers, std: Numbers) -> Any:
        made = [step(mean, std) if step in _FROM_NUMBERS else step for step in steps]
        return finish([transforms.Compose(made)(picture) for picture in pictures])

    return prepared


def _swapped(mean: Numbers, std: Numbers) -> Any:
    return transforms.Normalize(std, mean)


def _erasing_with_the_mean(mean: Numbers, std: Numbers) -> Any:
    return transforms.RandomErasing(p=0.5, value=tuple(mean))


_NORMALISE = transforms.Normalize
_FROM_NUMBERS = (_NORMALISE, _swapped, _erasing_with_the_mean)
_RESIZE = transforms.Resize((_SIDE, _SIDE))
_MIRROR = transforms.RandomHorizontalFlip(p=0.5)
_TENSOR = transforms.ToTensor()
_ERASE = transforms.RandomErasing(p=0.5, value=0)


def _erased_as_a_batch(pictures: list[Image.Image], mean: Numbers, std: Numbers) -> Tensor:
    return _ERASE(_pipeline(_RESIZE, _MIRROR, _TENSOR, _NORMALISE)(pictures, mean, std))


def _pipeline_into_the_given_list(pictures: list[Image.Image], mean: Numbers, std: Numbers) -> Tensor:
    made = training_pipeline(pictures, mean, std)
    pictures[:] = made
    return made


def _pipeline_with_a_seed(pictures: list[Image.Image], mean: Numbers, std: Numbers) -> Tensor:
    torch.manual_seed(42)
    return training_pipeline(pictures, mean, std)


def _mirrored_as_a_batch(pictures: list[Image.Image], mean: Numbers, std: Numbers) -> Tensor:
    return _MIRROR(_pipeline(_RESIZE, _TENSOR, _NORMALISE, _ERASE)(pictures, mean, std))


def _changed_as_a_batch(pictures: list[Image.Image], mean: Numbers, std: Numbers) -> Tensor:
    return _ERASE(_MIRROR(_pipeline(_RESIZE, _TENSOR, _NORMALISE)(pictures, mean, std)))


#: What may have become of the values, each with the way back to 0…255.
_VALUES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "normalised": lambda x, mean, std: 255 * (x * std + mean),
    "0…1, not normalised": lambda x, mean, std: 255 * x,
    "normalised twice": lambda x, mean, std: 255 * ((x * std + mean) * std + mean),
    "normalised with mean and std swapped": lambda x, mean, std: 255 * (x * mean + std),
    "normalised from 0…255": lambda x, mean, std: x * std + mean,
    "0…255": lambda x, mean, std: x,
}
#: Pixels may differ by that much: there is more than one way to resize.
_LEVELS = 12.0


def _see_batch(arguments: tuple[Any, ...], result: Any) -> Any:
    """What has happened to the pictures, in words: chance is in it, so numbers cannot be compared."""
    pictures, mean, std = (values[:count] for values, count in zip(arguments, (_MANY, 3, 3)))
    if len(pictures) != _MANY or not all(isinstance(picture, _Shown) for picture in pictures):
        return "the given list holds something else now"
    if not isinstance(result, Tensor):
        return f"a list of {len(result)}" if isinstance(result, list) and result else result
    if tuple(result.shape) != (len(pictures), 3, _SIDE, _SIDE) or not result.is_floating_point():
        return f"shape {tuple(result.shape)}, {result.dtype}"
    x = result.detach().float()
    mirrored, upside_down, same, words = _recognised(pictures, x, torch.tensor(mean), torch.tensor(std))
    if not words:
        return "pixels that are not those of the picture"
    black = -torch.tensor(mean) / torch.tensor(std)
    parts = [
        words,
        f"mirrored: {_share_in_words(mirrored)}",
        *([f"upside down: {_share_in_words(upside_down)}"] if bool(upside_down.any()) else []),
        f"erased: {_erased_in_words(x, same, black)}",
        *(["both by one draw"] if _go_together(mirrored, _changed(same)) else []),
    ]
    if any(zlib.crc32(picture.tobytes()) != picture.info.get("as given") for picture in pictures):
        parts.append("the given pictures are changed")
    if pictures[0].info.get("torch's seed", 0) not in (0, torch.initial_seed()):
        parts.append("torch's seed is set by the function")
    return ", ".join(parts)


def _recognised(
    pictures: Sequence[Image.Image], x: Tensor, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor, Tensor, str]:
    """Which pictures are mirrored or upside down, which pixels are those of the picture, and what became of the values.

    The words are empty if no supposition explains more than half of the pixels.
    """
    columns = mean.reshape(3, 1, 1), std.reshape(3, 1, 1)
    for place, given in (("", _whole), (" middle part", _middles)):
        levels = given(pictures)
        turned = torch.stack([levels, levels.flip(3), levels.flip(2), levels.flip(2, 3)])  # (4, n, 3, 32, 32)
        for values, back in _VALUES.items():
            same = ((back(x, *columns) - turned).abs() < _LEVELS).all(2)  # (4, n, 32, 32)
            found, how = same.float().mean((2, 3)).max(0)  # (n,), (n,)
            if float(found.mean()) > 0.5:
                return how % 2 == 1, how >= 2, same[how, torch.arange(len(x))], f"{values}{place}"
    return torch.zeros(0), torch.zeros(0), torch.zeros(0), ""


def _whole(pictures: Sequence[Image.Image]) -> Tensor:
    """Each picture as a whole, brought to 32 × 32: values 0…255, (n, 3, 32, 32)."""
    return torch.stack([255 * _plain(picture, [0.0] * 3, [1.0] * 3) for picture in pictures])


def _middles(pictures: Sequence[Image.Image]) -> Tensor:
    """The middle of each picture, after its shorter side has become 32, as in `_whole`."""
    squares = []
    for picture in pictures:
        shorter = min(picture.size)
        width, height = (_SIDE * side // shorter for side in picture.size)
        small = picture.resize((width, height), Image.Resampling.BILINEAR)
        left, top = round((width - _SIDE) / 2), round((height - _SIDE) / 2)
        squares.append(small.crop((left, top, left + _SIDE, top + _SIDE)))
    return _whole(squares)


def _share_in_words(which: Tensor) -> str:
    share = float(which.float().mean())
    if share in (0.0, 1.0):
        return "all" if share else "none"
    return "about half" if 0.25 < share < 0.75 else "few" if share < 0.5 else "nearly all"


def _changed(same: Tensor) -> Tensor:
    """Which pictures have lost a part, from the pixels that are theirs, (n, 32, 32)."""
    return (~same).sum((1, 2)) > 8


def _go_together(first: Tensor, second: Tensor) -> bool:
    """Whether one thing happens to exactly those pictures to which the other happens, or to exactly the others.

    With two draws for each of 64 pictures that is next to impossible.
    """
    drawn = all(0.25 < float(which.float().mean()) < 0.75 for which in (first, second))
    return drawn and len(set((first == second).tolist())) == 1


def _erased_in_words(x: Tensor, same: Tensor, black: Tensor) -> str:
    """How many pictures have a part that is not theirs, and what is in it."""
    erased = _changed(same)
    if not bool(erased.any()):
        return "none"
    contents, places = set(), set()
    for picture, own in zip(x[erased], same[erased]):
        rows, columns = (~own).any(1).nonzero().flatten(), (~own).any(0).nonzero().flatten()
        box = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        part = picture[:, box[0] : box[1], box[2] : box[3]].reshape(3, -1)
        places.add(box)
        if bool(((part - part[:, :1]).abs() > 1e-4).any()):
            contents.add("noise")
        elif bool((part.abs() < 1e-4).all()):
            contents.add("0")
        elif bool(((part - black[:, None]).abs() < 1e-4).all()):
            contents.add("black")
        else:
            contents.add("another colour")
    content = contents.pop() if len(contents) == 1 else "different things"
    place = ", all at one place" if len(places) == 1 else ""
    return f"{_share_in_words(erased)}, filled with {content}{place}"


TRAINING_PIPELINE = Exercise(
    number="05.6",
    name="training_pipeline",
    title="Steps in the right order",
    kind="debug",
    difficulty=2,
    minutes=10,
    trains="which step needs a picture, which a tensor",
    stub='''def training_pipeline(pictures, mean, std):
    """Prepare photographs for one step of training.

    Each picture, on its own, is resized to 32 × 32 as a whole, mirrored left and right with
    probability 1/2, turned into a tensor and normalised. Then, with probability 1/2, a rectangle
    of it is erased: filled with 0, which after Normalize is the mean colour.

    Args:
        pictures: a list of n PIL pictures, RGB, of any sizes
        mean, std: lists of three numbers, one a channel, for values from 0 to 1
    Returns:
        the batch, (n, 3, 32, 32), floating-point
    """
    steps = transforms.Compose(
        [
            transforms.Resize(32),
            transforms.RandomHorizontalFlip(p=0.5),
            transforms.Normalize(mean, std),
            transforms.RandomErasing(p=0.5, value=0),
            transforms.ToTensor(),
        ]
    )
    return torch.stack([steps(picture) for picture in pictures])
''',
    hints=(
        "Read the message: which step complains, and what did it get? Which step makes what it wants?",
        "Two steps here need a tensor. One of them fills with 0, which is black before Normalize and the mean colour after it: the order of "
        "those two matters as well.",
        "Then a second message appears, from torch.stack: the tensors have different sizes. Look up what Resize does with one number, and "
        "what with two.",
    ),
    reference=training_pipeline,
    mistakes=(
        Mistake(
            _pipeline(_RESIZE, _MIRROR, _TENSOR, _ERASE, _NORMALISE),
            "The crash is gone, but you erase before you normalise: the 0 is then black, and Normalize makes a strong negative value of it. "
            "The rectangle should hold the mean colour, which is 0 *after* Normalize.",
        ),
        Mistake(
            _pipeline(transforms.Resize(_SIDE), transforms.CenterCrop(_SIDE), _MIRROR, _TENSOR, _NORMALISE, _ERASE),
            "All have one size now, but the sides of each picture are cut off. The whole picture is asked for: give Resize two numbers.",
        ),
        Mistake(
            _pipeline(transforms.Resize(_SIDE), transforms.CenterCrop(_SIDE), _MIRROR, _TENSOR, _ERASE, _NORMALISE),
            "Two things. The sides of each picture are cut off: give Resize two numbers, for the whole picture. And you erase before you "
            "normalise: the rectangle is then black, not the mean colour.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, _TENSOR, _ERASE),
            "The crash is gone because Normalize is gone. It is still needed: after ToTensor.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, _TENSOR, _NORMALISE),
            "Nothing is erased any more. RandomErasing is still needed, as the last step.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, _TENSOR),
            "Normalize and RandomErasing are gone. Both are needed; both take tensors, so they stand after ToTensor.",
        ),
        Mistake(
            _pipeline(_RESIZE, _TENSOR, _NORMALISE, _ERASE),
            "No picture is mirrored any more.",
        ),
        Mistake(
            _pipeline(_RESIZE, _TENSOR, _NORMALISE),
            "Now nothing is left to chance: mirroring and erasing are gone. Those two are the augmentation.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, _TENSOR, _NORMALISE, transforms.RandomErasing(p=1.0, value=0)),
            "Every picture has lost a rectangle. Only half of them should, by chance: p=0.5.",
        ),
        Mistake(
            _pipeline(_RESIZE, transforms.RandomHorizontalFlip(p=1.0), _TENSOR, _NORMALISE, _ERASE),
            "Every picture is mirrored. Only half of them should be, by chance: p=0.5.",
        ),
        Mistake(
            _pipeline(_RESIZE, transforms.RandomVerticalFlip(p=0.5), _TENSOR, _NORMALISE, _ERASE),
            "Half of the pictures stand on their head: RandomVerticalFlip swaps top and bottom. Left and right are swapped by "
            "RandomHorizontalFlip.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, transforms.RandomVerticalFlip(p=0.5), _TENSOR, _NORMALISE, _ERASE),
            "Half of the pictures also stand on their head, which nobody has asked for.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, _TENSOR, _NORMALISE, transforms.RandomErasing(p=0.5, value="random")),
            "The rectangles are filled with noise. That is Random Erasing as its authors published it; here they are filled with 0.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, _TENSOR, _NORMALISE, _erasing_with_the_mean),
            "The rectangles do not hold the mean colour. After Normalize the mean colour is 0, in every channel; the numbers of mean are those "
            "*before* it.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, _TENSOR, _NORMALISE, _NORMALISE, _ERASE),
            "The pictures are normalised twice.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, _TENSOR, _swapped, _ERASE),
            "mean and std are swapped: Normalize takes the mean first.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, transforms.PILToTensor(), Tensor.float, _NORMALISE, _ERASE),
            "The values are normalised as if they lay between 0 and 1, but they go up to 255: PILToTensor does not divide. ToTensor does.",
        ),
        Mistake(
            _pipeline(transforms.RandomResizedCrop(_SIDE), _MIRROR, _TENSOR, _NORMALISE, _ERASE),
            "The check does not find the pictures in your batch: as a whole, normalised with the mean and std given, in their order. Has "
            "a step been added that crops, turns or recolours, or has one been lost? Are height and width still in their places? Only "
            "mirroring and erasing are left to chance.",
        ),
        Mistake(
            _erased_as_a_batch,
            "You erase after torch.stack: one draw decides for the whole batch, and all pictures lose the same rectangle, or none does. "
            "Each picture draws for itself: erase inside the Compose.",
        ),
        Mistake(
            _pipeline_into_the_given_list,
            "You write into the list that was given, or take pictures out of it: whoever called your function has lost the photographs. "
            "Make a list of your own.",
        ),
        Mistake(
            _pipeline_with_a_seed,
            "Your function sets torch's seed. Then every step of training draws the same: the first picture of each batch is always "
            "mirrored, or never. Set a seed once, before the training.",
        ),
        Mistake(
            _mirrored_as_a_batch,
            "You mirror after torch.stack: one draw decides for the whole batch, and all pictures are mirrored, or none is. Each picture "
            "draws for itself: mirror inside the Compose.",
        ),
        Mistake(
            _pipeline(
                _RESIZE,
                _TENSOR,
                _NORMALISE,
                transforms.RandomApply([TF.hflip, transforms.RandomErasing(p=1.0, value=0)], p=0.5),
            ),
            "Mirroring and erasing hang together: a mirrored picture always loses a rectangle, or never does. One draw decides both. Let "
            "each step draw for itself.",
        ),
        Mistake(
            _changed_as_a_batch,
            "You mirror and erase after torch.stack: one draw decides for the whole batch. Each picture draws for itself: keep both steps "
            "inside the Compose.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, _TENSOR, _NORMALISE, _ERASE, finish=list),
            "A list of tensors comes back. A batch is one tensor: torch.stack.",
        ),
        Mistake(
            _pipeline(_RESIZE, _MIRROR, _TENSOR, _NORMALISE, _ERASE, finish=torch.cat),
            "The pictures are joined channel by channel, (3n, 32, 32). torch.stack makes a new axis, torch.cat does not.",
        ),
    ),
    styles=(_pipeline_in_version_2, _pipeline_erasing_the_mean, _pipeline_in_loops),
    start="Read the message: which step complains, and what did it get?",
    praise="In five batches of 64 pictures each picture drew for itself: about half are mirrored, about half have a rectangle of the mean "
    "colour, and everything else is the whole picture, normalised.",
    cases=_pipeline_cases,
    expected=_pipeline_in_loops,
    observe=_see_batch,
    seconds=15.0,  # hundreds of photographs, on a machine that may be busy
)

# ---- 05.7 ---------------------------------------------------------------------------------------------------------

_SHIFT, _TURN, _QUARTER_TURN, _HEAD, _MIRRORED, _INVERT, _HALF, _CROP = (
    "shift by one pixel",
    "turn by 10 degrees",
    "turn by 90 degrees",
    "upside down",
    "mirror left and right",
    "invert the ink",
    "half the ink",
    "crop to the middle quarter",
)


def _turned(x: Tensor, degrees: float) -> Tensor:
    """Pictures (n, 8, 8) turned counterclockwise about their centre, between pixels by bilinear interpolation."""
    angle = math.radians(degrees)
    matrix = torch.tensor([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]])
    grid = F.affine_grid(matrix.expand(len(x), 2, 3), [len(x), 1, 8, 8], align_corners=False)
    return F.grid_sample(x[:, None], grid, align_corners=False)[:, 0]


#: Each change of digits (n, 8, 8) with ink from 0 to 1.
_CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    _SHIFT: lambda x: F.pad(x, (1, 0))[:, :, :8],
    _TURN: lambda x: _turned(x, 10),
    _QUARTER_TURN: lambda x: x.rot90(1, (1, 2)),
    _HEAD: lambda x: x.rot90(2, (1, 2)),
    _MIRRORED: lambda x: x.flip(2),
    _INVERT: lambda x: 1 - x,
    _HALF: lambda x: x / 2,
    _CROP: lambda x: F.interpolate(x[:, None, 2:6, 2:6], size=(8, 8), mode="bilinear")[:, 0],
}
#: A change keeps the label if at least this share of the digits is still read as what was written.
_ENOUGH = 0.75


@cache
def _still_read(name: str) -> float:
    """The share of the first 400 digits that are still read as what was written, after a change.

    The reader names the most similar of the other digits. It compares shapes: by correlation, whatever its sign, over
    shifts of at most one pixel. The lesson's reader is asked about other digits, the last ones.
    """
    from sklearn.datasets import load_digits

    digits, labels = load_digits(return_X_y=True)
    asked, known = digits[:400].reshape(-1, 8, 8) / 16, _standardised(digits[400:])
    changed = _CHANGES[name](torch.tensor(asked, dtype=torch.float32)).double().numpy()
    moved = [np.roll(changed, (down, right), (1, 2)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    similar = np.max([np.abs(_standardised(pictures.reshape(400, 64)) @ known.T) for pictures in moved], axis=0)
    return float((labels[400:][similar.argmax(1)] == labels[:400]).mean())


def _standardised(rows: np.ndarray) -> np.ndarray:
    centred = rows - rows.mean(1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)


_BELIEFS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({_SHIFT, _TURN, _MIRRORED, _INVERT, _HALF}),
        "A mirrored photograph of a cat is a cat; a mirrored 3 is not a 3. What is safe for photographs need not be safe for digits: which "
        "digits are still read rightly after the mirror?",
    ),
    (
        frozenset({_SHIFT, _TURN, _MIRRORED, _HALF}),
        "Two things. A mirrored 3 is not a 3, although a mirrored cat is a cat. And inverting the ink looks drastic, but every reader still "
        "sees the same digit: run the reader on both.",
    ),
    (
        frozenset({_SHIFT, _TURN, _HALF}),
        "All three are right, but one more keeps the label. It changes every pixel, and yet a white 7 on black is a 7. Whether it *helps* a "
        "model is another question.",
    ),
    (
        frozenset({_SHIFT, _TURN}),
        "Both are right. But you chose geometry alone: two of the changes that touch only the ink keep the label as well.",
    ),
    (
        frozenset({_INVERT, _HALF}),
        "Both are right. But you left out geometry: small movements keep the label too. How far is still small?",
    ),
    (
        frozenset({_SHIFT, _TURN, _INVERT, _HALF, _HEAD}),
        "One is too many: upside down, a 6 is a 9 and a 9 is a 6, and the label still says the old thing. Look at digits 6 and 9 alone.",
    ),
    (
        frozenset({_SHIFT, _TURN, _INVERT, _HALF, _HEAD, _MIRRORED}),
        "Two are too many: upside down, a 6 is a 9, and a mirrored 3 is no digit at all. Small movements keep the label, large ones need a look.",
    ),
    (
        frozenset({_SHIFT, _TURN, _INVERT, _HALF, _CROP}),
        "One is too many: what made the digit a 7 or a 9 may lie outside the middle quarter. After that crop hardly any digit is still read "
        "rightly.",
    ),
    (
        frozenset({_SHIFT, _TURN, _QUARTER_TURN, _HEAD, _MIRRORED}),
        "You chose all that keeps the ink and moves it. How far it moves matters: after a quarter turn, half a turn or a mirror most digits "
        "are read as something else.",
    ),
    (
        frozenset({_QUARTER_TURN, _HEAD, _MIRRORED, _CROP}),
        "You chose those that change the label. The question is which keep it.",
    ),
    (
        frozenset(_CHANGES),
        "Not all of them: a label is only worth something if the picture still shows what it says. Run the reader on each.",
    ),
    (
        frozenset(),
        "An empty set would mean that no augmentation is possible. Some changes leave the digit readable: run the reader on the smallest.",
    ),
)

_REASONS = {
    _QUARTER_TURN: "a digit that lies on its side looks like another one, or like none",
    _HEAD: "a 6 becomes a 9 and a 9 becomes a 6",
    _MIRRORED: "a mirrored 2, 3 or 7 is no digit that anybody writes",
    _CROP: "what tells digits apart often lies outside the middle",
}


def _accept_changes(chosen: set[str]) -> str:
    safe = {name for name in _CHANGES if _still_read(name) >= _ENOUGH}
    if chosen == safe:
        return ""
    if extra := [name for name in _CHANGES if name in chosen - safe]:
        return (
            f'"{extra[0]}" does not keep the label: {_REASONS[extra[0]]}. Measured again on other digits, only '
            f"{_still_read(extra[0]):.0%} are still read as what was written."
        )
    missing = next(name for name in _CHANGES if name in safe - chosen)
    return (
        f'What you chose is right, but something is missing: after "{missing}" {_still_read(missing):.0%} of other digits are still read '
        "as what was written."
    )


SAFE_CHANGES = Selection(
    names=tuple(_CHANGES),
    number="05.7",
    name="safe_changes",
    title="Which changes keep the label?",
    kind="investigate",
    difficulty=1,
    minutes=8,
    trains="choosing augmentation for the data, not from a recipe",
    stub="""safe_changes = ...  # a set of names: after which changes are at least three of four
# handwritten digits still read as what was written? Choose from
# "shift by one pixel", "turn by 10 degrees", "turn by 90 degrees", "upside down",
# "mirror left and right", "invert the ink", "half the ink", "crop to the middle quarter"
""",
    hints=(
        "Guess first, then run still_read(change) for each of the eight changes: it gives the share of digits that are read as before.",
        "What a change does to the *pixels* is not the question. Inverting changes all of them, a mirror leaves the ink as it is. Ask what "
        "somebody would read.",
        "Look at single digits as well: which ones have a partner that they turn into?",
    ),
    reference={_SHIFT, _TURN, _INVERT, _HALF},
    mistakes=tuple(Mistake(set(belief), feedback) for belief, feedback in _BELIEFS),
    styles=(
        [_HALF, _SHIFT, _INVERT, _TURN],
        (_SHIFT.replace(" ", ""), _TURN, _INVERT, _HALF),
        frozenset({_SHIFT, _TURN, _INVERT, _HALF}),
    ),
    start="Run still_read on one change, and look at a few changed digits.",
    praise="Measured again on other digits: these four keep the label. A change that keeps the label may still help or "
    "not; one that does not keep it teaches the model something false.",
    accept=_accept_changes,
    example={_CROP},
    prepare=lambda: _still_read(_SHIFT),
)

EXERCISES = (TO_PICTURE, MOVE_POINTS, MIXUP, CUTMIX, THROUGH_IMGAUG, TRAINING_PIPELINE, SAFE_CHANGES)
check = Checks(EXERCISES)

QUIZ = Quiz(
    "05",
    (
        Question(
            "A photograph is 600 × 400 pixels. A: Resize(256), then CenterCrop(224). B: CenterCrop(224), then Resize(256). What is the difference?",
            (
                Choice(
                    "None that matters: both are about the same size at the end",
                    "Size is not content. Work out which part of the photograph each of them keeps.",
                ),
                Choice(
                    "A shows 224 of 256 parts of the short side; B shows 224 of its 400 pixels, so much less of the scene, and then blows it up",
                    "Right: resize first, and the crop takes most of the scene. Crop first, and what is outside is lost before anything is "
                    "made smaller.",
                    right=True,
                ),
                Choice(
                    "B is sharper, because it crops the original before any pixel is lost",
                    "Its crop is the original's, pixel for pixel. But then 224 pixels are stretched to 256: no detail is won, and the rest of the "
                    "scene is gone.",
                ),
                Choice(
                    "A distorts the picture, because Resize comes first",
                    "Resize with one number keeps the ratio of the sides. Only two numbers can distort.",
                ),
            ),
        ),
        Question(
            "A NumPy picture (h, w, 3) of type float32, with values from 0 to 255, goes through transforms.ToTensor(). What comes out?",
            (
                Choice(
                    "(3, h, w), values from 0 to 1: ToTensor always divides by 255",
                    "It divides what is stored in 8 bits: PIL pictures and uint8 arrays. Floats are taken to be in order.",
                ),
                Choice(
                    "(3, h, w), with mean 0 and standard deviation 1",
                    "That is Normalize's work, with numbers that you give it. ToTensor knows no statistics.",
                ),
                Choice(
                    "(h, w, 3), values from 0 to 255: an array only changes its type",
                    "The values do stay. But the axes move: channels come first in a tensor.",
                ),
                Choice(
                    "(3, h, w), values from 0 to 255: only uint8 is divided",
                    "Right: the axes move, but floats are not scaled. A model then gets numbers 255 times too large, and nothing complains.",
                    right=True,
                ),
            ),
        ),
        Question(
            "CutMix on pictures of 32 × 32 draws λ = 0.75, so a box of 16 × 16, centred on the upper left corner. What is the share of the "
            "picture's own label?",
            (
                Choice(
                    "15/16: only 8 × 8 pixels lie inside the picture and are pasted",
                    "Right: 64 of 1,024 pixels are the partner's. The label follows what is in the picture, not what was drawn.",
                    right=True,
                ),
                Choice(
                    "3/4: the λ that was drawn",
                    "Three quarters of the box lie outside the picture. Count the pixels that were really pasted.",
                ),
                Choice(
                    "1: a box that leaves the picture is thrown away",
                    "It is cut off at the border, not thrown away. 8 × 8 pixels of it remain.",
                ),
                Choice(
                    "1/16: the share of the pasted box",
                    "1/16 is the partner's share. The own picture keeps the rest.",
                ),
            ),
        ),
        Question(
            "Training uses Resize, RandomHorizontalFlip, ColorJitter, ToTensor, Normalize, RandomErasing. Which of them stay for the test pictures?",
            (
                Choice(
                    "All of them: test pictures must be treated as the training pictures were",
                    "That is true of what is fixed. What is random makes the error depend on luck, and a rectangle that is erased may hold the answer.",
                ),
                Choice(
                    "None: a test picture must not be changed",
                    "Without Resize and Normalize the model would get sizes and values that it has never seen.",
                ),
                Choice(
                    "Resize, ToTensor and Normalize: what is fixed, and not what is drawn",
                    "Right: the fixed steps bring every picture into the form that the model knows. Random changes are for training, or for an "
                    "average over several versions of a test picture.",
                    right=True,
                ),
                Choice(
                    "Resize, ColorJitter, ToTensor and Normalize: colours must look as they did in training",
                    "ColorJitter draws new colours for each picture. Its aim is a model that does not depend on them; nothing has to be repeated at "
                    "test time.",
                ),
            ),
        ),
        Question(
            "For digits you raise RandomRotation from 10° to 180°. Training error and validation error both go up. What is the best explanation?",
            (
                Choice(
                    "Overfitting: the model has learned the rotated pictures by heart",
                    "Then the training error would be *low*. Here the task itself has become harder.",
                ),
                Choice(
                    "Too much: 6 and 9 now look alike, and much of the model serves pictures that the test never shows",
                    "Right: some labels no longer fit their pictures, and the training data have moved away from the test data. More of a good thing "
                    "has its own price.",
                    right=True,
                ),
                Choice(
                    "A bug: augmentation adds data, and more data cannot hurt",
                    "These are no new digits, only changed ones. If the change breaks the label, it adds errors.",
                ),
                Choice(
                    "A higher training error is always the sign of a bad augmentation",
                    "A good augmentation raises it too: it makes the training pictures harder. It is the *validation* error that tells.",
                ),
            ),
        ),
    ),
)
