"""Transforms of whole batches: against torchvision, one picture at a time, and by what must stay as it is."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from course_utils.batch_transforms import between, flip, jitter, move, noise, warp

CHANGES: dict[str, Callable[[Tensor, torch.Generator | None], Tensor]] = {
    "flip": lambda x, g: flip(x, generator=g),
    "vertical": lambda x, g: flip(x, 0.3, vertical=True, generator=g),
    "move": lambda x, g: move(x, degrees=40, shift=0.2, zoom=0.3, generator=g),
    "jitter": lambda x, g: jitter(x, brightness=0.5, contrast=0.5, saturation=0.5, generator=g),
    "noise": lambda x, g: noise(x, 0.2, generator=g),
}


def pictures(n: int = 6, h: int = 11, w: int = 16, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(n, 3, h, w, generator=torch.Generator().manual_seed(3), dtype=dtype)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_kind_stay_and_the_input_is_not_touched(name: str, dtype: torch.dtype) -> None:
    x = pictures(dtype=dtype)
    kept = x.clone()
    result = CHANGES[name](x, None)
    assert (result.shape, result.dtype) == (x.shape, dtype)
    assert torch.equal(x, kept)
    result.add_(1)
    assert torch.equal(x, kept), "the result is a tensor of its own"


@pytest.mark.parametrize("name", CHANGES)
def test_draws_repeat_and_come_from_the_given_generator(name: str) -> None:
    x = pictures(40)
    first, second = (CHANGES[name](x, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, CHANGES[name](x, torch.Generator().manual_seed(2)))
    before = torch.get_rng_state()
    CHANGES[name](x, torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    own = CHANGES[name](x, None)
    torch.manual_seed(8)
    assert torch.equal(own, CHANGES[name](x, None))


@pytest.mark.parametrize("name", CHANGES)
def test_each_picture_has_a_draw_of_its_own(name: str) -> None:
    same = pictures(1).expand(40, -1, -1, -1)
    result = CHANGES[name](same, torch.Generator().manual_seed(1))
    kinds = {tuple(one.flatten().tolist()) for one in result}
    assert len(kinds) == (2 if name in ("flip", "vertical") else 40)


def test_flip_is_torchvisions_on_a_share_p() -> None:
    x = pictures(4000, 2, 3)
    for vertical, mirror in ((False, tv.horizontal_flip), (True, tv.vertical_flip)):
        result = flip(x, 0.3, vertical=vertical, generator=torch.Generator().manual_seed(0))
        flipped = (result == mirror(x)).flatten(1).all(1)
        assert bool((flipped | (result == x).flatten(1).all(1)).all())
        assert abs(float(flipped.double().mean()) - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 4000)
    assert torch.equal(flip(x, 0.0), x)
    assert torch.equal(flip(x, 1.0), x.flip(3))


@pytest.mark.parametrize(("h", "w"), [(12, 12), (11, 16), (20, 9)])
def test_warp_is_torchvisions_affine_for_each_picture(h: int, w: int) -> None:
    x = pictures(5, h, w)
    angle = torch.tensor([0.0, 30.0, -75.0, 180.0, 12.5], dtype=torch.float64)
    size = torch.tensor([1.0, 1.4, 0.7, 1.0, 1.2], dtype=torch.float64)
    right = torch.tensor([2.0, -1.0, 3.0, 0.0, 1.5], dtype=torch.float64)
    down = torch.tensor([-3.0, 0.0, 2.0, 0.0, 0.5], dtype=torch.float64)
    mine = warp(x, angle.deg2rad(), size, right / w, down / h)
    for k in range(5):
        # torchvision's angle is clockwise here, and rotate's the other way round.
        theirs = tv.affine(
            x[k],
            angle=-float(angle[k]),
            translate=[float(right[k]), float(down[k])],
            scale=float(size[k]),
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        torch.testing.assert_close(mine[k], theirs, rtol=0, atol=1e-5)


def test_warp_turns_as_rotate_does_and_shifts_whole_pixels_exactly() -> None:
    x, zero = pictures(1, 12, 12), torch.zeros(1, dtype=torch.float64)
    turned = warp(x, torch.full((1,), math.pi / 2, dtype=torch.float64), zero + 1, zero, zero)
    torch.testing.assert_close(turned[0], tv.rotate(x[0], 90), rtol=0, atol=1e-9)
    moved = warp(x, zero, zero + 1, zero + 3 / 12, zero - 2 / 12)
    expected = torch.zeros_like(x)
    expected[:, :, :10, 3:] = x[:, :, 2:, :9]
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-9)


def test_move_by_nothing_is_the_same_picture_and_padding_fills() -> None:
    x = pictures()
    torch.testing.assert_close(move(x), x, rtol=0, atol=1e-12)
    white = torch.ones(8, 3, 10, 10)
    generator = torch.Generator().manual_seed(0)
    assert float(move(white, shift=0.5, generator=generator).min()) == 0
    for padding in ("border", "reflection"):
        assert float(move(white, shift=0.5, degrees=45, padding=padding).min()) == pytest.approx(1)


def test_draws_reach_both_ends_and_no_further() -> None:
    drawn = between(torch.zeros(20_000, 1, 1, 1, dtype=torch.float64), 0.25, torch.Generator().manual_seed(0))
    assert -0.25 <= float(drawn.min()) < -0.249
    assert 0.249 < float(drawn.max()) <= 0.25
    assert abs(float(drawn.mean())) < 5 * 0.25 / math.sqrt(3 * 20_000)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_jitter_is_torchvisions_with_some_factor(name: str) -> None:
    x = pictures(30)
    adjust = getattr(tv, f"adjust_{name}")
    result = jitter(x, **{name: 0.6}, generator=torch.Generator().manual_seed(0))
    for one, before in zip(result, x, strict=True):
        # The factor is found from the result; torchvision must then make the same picture of it.
        errors = {f: float((adjust(before, f) - one).abs().max()) for f in torch.linspace(0.4, 1.6, 1201).tolist()}
        assert min(errors.values()) < 1e-3
    assert float(result.min()) >= 0
    assert float(result.max()) <= 1


def test_jitter_of_nothing_is_a_copy() -> None:
    x = pictures()
    result = jitter(x)
    assert torch.equal(result, x)
    assert result is not x


def test_noise_has_the_spread_it_says() -> None:
    x = pictures(50, 40, 40)
    added = noise(x, 0.3, generator=torch.Generator().manual_seed(0)) - x
    assert abs(float(added.std()) - 0.3) < 5 * 0.3 / math.sqrt(2 * x.numel())
    assert abs(float(added.mean())) < 5 * 0.3 / math.sqrt(x.numel())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: flip(pictures()[0]), ValueError, r"x has shape \(3, 11, 16\)"),
        (lambda: flip(pictures().byte()), TypeError, "x holds torch.uint8"),
        (lambda: flip([1]), TypeError, "x is a list"),  # type: ignore[arg-type]
        (lambda: flip(pictures(), 1.5), ValueError, "p is 1.5; expected a number from 0 to 1"),
        (lambda: move(pictures(), degrees=-1), ValueError, "degrees is -1; expected a number, 0 or more"),
        (lambda: move(pictures(), zoom=1.0), ValueError, "zoom is 1.0"),
        (lambda: move(pictures(), padding="constant"), ValueError, "padding is 'constant'"),
        (lambda: jitter(pictures()[:, :1], contrast=0.1), ValueError, "x has 1 channels"),
        (lambda: jitter(pictures(), contrast=2), ValueError, "contrast is 2"),
        (lambda: noise(pictures(), -0.1), ValueError, "std is -0.1"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], Tensor], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
