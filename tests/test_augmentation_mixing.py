"""Cutout, Mixup and CutMix against plain loops and against torchvision's v2, number by number."""

import pytest
import torch
from torch.nn.functional import one_hot
from torchvision.transforms import v2

from course_utils.augmentation import mixing

CLASSES = 4


def batch(n: int = 6, height: int = 12, width: int = 9, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 3, height, width, generator=generator)
    y = one_hot(torch.randint(CLASSES, (n,), generator=generator), CLASSES).float()
    return x, y


@pytest.mark.parametrize("size", [0, 1, 4, 5, 30])
def test_cutout_is_a_plain_loop(size):
    x = batch()[0] + 1  # no zeros
    ours = mixing.cutout(x, size, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    rows = torch.randint(12, (6, 1), generator=generator)
    columns = torch.randint(9, (6, 1), generator=generator)
    for i in range(6):
        for r in range(12):
            for c in range(9):
                top, left = int(rows[i]) - size // 2, int(columns[i]) - size // 2
                cut = top <= r < top + size and left <= c < left + size
                expected = torch.zeros(3) if cut else x[i, :, r, c]
                assert torch.equal(ours[i, :, r, c], expected)
    assert (x > 0).all()  # the input is as it was


def test_cutout_centres_are_uniform_and_its_square_is_whole_in_the_middle():
    x = torch.ones(4000, 1, 8, 8)
    cut = mixing.cutout(x, 3, torch.Generator().manual_seed(0))[:, 0] == 0  # (n, h, w)
    sides = cut.any(2).sum(1), cut.any(1).sum(1)
    assert set(sides[0].tolist()) == {2, 3}
    # A pixel inside is cut by 9 of 64 centres, one in the corner by 4.
    assert cut[:, 4, 4].float().mean() == pytest.approx(9 / 64, abs=0.02)
    assert cut[:, 0, 0].float().mean() == pytest.approx(4 / 64, abs=0.02)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(5))
def test_mixup_is_torchvisions(alpha, seed):
    x, y = batch(seed=seed)
    torch.manual_seed(seed)
    ours, labels, lam = mixing.mixup(x, y, alpha)
    torch.manual_seed(seed)
    theirs, their_labels = v2.MixUp(alpha=alpha, num_classes=CLASSES)(x, y.argmax(1))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(labels, their_labels)
    torch.testing.assert_close(ours[2], lam * x[2] + (1 - lam) * x[1])
    assert 0 <= lam <= 1


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(20))
def test_cutmix_is_torchvisions(alpha, seed):
    x, y = batch(seed=seed)
    torch.manual_seed(seed)
    ours, labels, lam = mixing.cutmix(x, y, alpha)
    torch.manual_seed(seed)
    theirs, their_labels = v2.CutMix(alpha=alpha, num_classes=CLASSES)(x, y.argmax(1))
    assert torch.equal(ours, theirs)
    torch.testing.assert_close(labels, their_labels)
    # λ is the share of the picture's own pixels, counted.
    assert (ours == x).all(1).float().mean((1, 2)).tolist() == pytest.approx([lam] * 6)


def test_cutmixs_share_is_the_true_one_not_the_drawn_one():
    x, y = batch(height=32, width=32)
    differences = []
    for seed in range(200):
        torch.manual_seed(seed)
        drawn = mixing.draw_share(1.0)
        torch.manual_seed(seed)
        differences.append(mixing.cutmix(x, y, 1.0)[2] - drawn)
    assert max(differences) > 0.1  # cut off at the border: more of the picture's own is left
    assert min(differences) > -0.01
    assert sum(differences) / 200 > 0.02


@pytest.mark.parametrize("mix", [mixing.mixup, mixing.cutmix])
def test_labels_stay_shares(mix):
    x, y = batch()
    for seed in range(20):
        torch.manual_seed(seed)
        mixed, labels, lam = mix(x, y, 0.5)
        torch.testing.assert_close(labels.sum(1), torch.ones(6))
        assert (labels >= 0).all()
        assert isinstance(lam, float)
        again = mix(mixed, labels, 0.5)[1]  # mixed labels can be mixed again
        torch.testing.assert_close(again.sum(1), torch.ones(6))


@pytest.mark.parametrize("mix", [mixing.mixup, mixing.cutmix])
def test_a_generator_repeats_and_leaves_torchs_own_alone(mix):
    x, y = batch()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one = mix(x, y, 1.0, torch.Generator().manual_seed(5))
    assert torch.equal(torch.rand(3), expected)
    two = mix(x, y, 1.0, torch.Generator().manual_seed(5))
    other = mix(x, y, 1.0, torch.Generator().manual_seed(6))
    assert torch.equal(one[0], two[0])
    assert one[2] == two[2] != other[2]
    generator = torch.Generator().manual_seed(5)
    assert mix(x, y, 1.0, generator)[2] != mix(x, y, 1.0, generator)[2]  # it moves on


def test_a_whole_alpha_is_taken_where_torchvision_stops():
    x, y = batch()
    assert 0 <= mixing.mixup(x, y, 1)[2] <= 1
    with pytest.raises(NotImplementedError, match="dirichlet"):
        v2.MixUp(alpha=1, num_classes=CLASSES)(x, y.argmax(1))


def test_lambda_follows_beta():
    x, y = batch(n=2, height=2, width=2)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.tensor([mixing.mixup(x, y, 0.5, generator)[2] for _ in range(3000)])
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.03)
    assert drawn.var().item() == pytest.approx(1 / 8, abs=0.01)  # Beta(a, a): 1 / (4 (2a + 1))


def test_pictures_of_whole_numbers():
    x = (batch()[0] * 255).to(torch.uint8)
    assert mixing.cutout(x, 4).dtype == torch.uint8
    assert mixing.cutmix(x, batch()[1], 1.0)[0].dtype == torch.uint8
    with pytest.raises(TypeError, match=r"x: got torch.uint8; expected floating point"):
        mixing.mixup(x, batch()[1], 1.0)


def test_gradients_reach_both_pictures():
    x, y = batch(n=2)
    x.requires_grad_()
    mixed, _, lam = mixing.mixup(x, y, 1.0)
    mixed[0].sum().backward()
    torch.testing.assert_close(x.grad[0], torch.full_like(x[0], lam))
    torch.testing.assert_close(x.grad[1], torch.full_like(x[1], 1 - lam))


@pytest.mark.parametrize("mix", [mixing.mixup, mixing.cutmix])
def test_what_cannot_be_mixed_is_refused(mix):
    x, y = batch()
    with pytest.raises(ValueError, match=r"x: got the shape \(3, 12, 9\)"):
        mix(x[0], y, 1.0)
    with pytest.raises(TypeError, match=r"x: got list"):
        mix([1], y, 1.0)
    with pytest.raises(ValueError, match=r"y: got torch.int64 of the shape \(6,\).*one_hot"):
        mix(x, y.argmax(1), 1.0)
    with pytest.raises(ValueError, match=r"y: got labels for 5 pictures; expected 6"):
        mix(x, y[:5], 1.0)
    with pytest.raises(TypeError, match=r"y: got list"):
        mix(x, [0] * 6, 1.0)
    for alpha in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="alpha: got"):
            mix(x, y, alpha)
    with pytest.raises(TypeError, match="alpha: got 'a'"):
        mix(x, y, "a")


def test_cutout_refuses_what_is_no_side():
    x = batch()[0]
    with pytest.raises(TypeError, match=r"size: got 2.5"):
        mixing.cutout(x, 2.5)
    with pytest.raises(ValueError, match="size: got -1"):
        mixing.cutout(x, -1)
    with pytest.raises(ValueError, match="x: got the shape"):
        mixing.cutout(x[0], 2)
