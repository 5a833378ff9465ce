"""imgaug as a step of a torchvision pipeline, in this process and in a DataLoader's workers."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms, tv_tensors
from torchvision.transforms import v2

from course_utils import augmentation
from course_utils.augmentation import Imgaug

# isort: split
import imgaug.augmenters as iaa


def noise() -> Imgaug:
    return Imgaug(iaa.AdditiveGaussianNoise(scale=30))


def picture(mode: str = "RGB") -> Image.Image:
    levels = np.linspace(0, 255, 24 * 16 * 3).reshape(24, 16, 3).astype(np.uint8)
    return Image.fromarray(levels).convert(mode)


class Pictures(Dataset):
    """Eight equal pictures: what differs between items is drawn."""

    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.transform(picture())


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pil_in_pil_out(mode):
    before = picture(mode)
    after = Imgaug(iaa.Invert(1.0))(before)
    assert after.mode == mode
    assert after.size == before.size
    np.testing.assert_array_equal(np.asarray(after), 255 - np.asarray(before))


@pytest.mark.parametrize("channels", [1, 3])
def test_tensor_in_tensor_out(channels):
    before = torch.randint(256, (channels, 24, 16), dtype=torch.uint8)
    kept = before.clone()
    after = Imgaug(iaa.Fliplr(1.0))(before)
    assert torch.equal(after, kept.flip(2))
    assert torch.equal(before, kept)
    image = Imgaug(iaa.Fliplr(1.0))(tv_tensors.Image(before))
    assert isinstance(image, tv_tensors.Image)
    assert type(after) is torch.Tensor


def test_size_may_change():
    assert Imgaug(iaa.Resize({"height": 10, "width": 20}))(picture()).size == (20, 10)
    assert Imgaug(iaa.Rot90(1, keep_size=False))(picture()).size == (24, 16)


def test_inside_compose():
    old = transforms.Compose([transforms.Resize((32, 32)), noise(), transforms.ToTensor()])
    new = v2.Compose([v2.PILToTensor(), v2.Resize((32, 32)), noise(), v2.ToDtype(torch.float32, scale=True)])
    for pipeline in (old, new):
        ready = pipeline(picture())
        assert ready.shape == (3, 32, 32)
        assert ready.dtype == torch.float32


def test_labels_pass_through_v2():
    ready, label = v2.Compose([noise(), v2.PILToTensor()])(picture(), 3)
    assert label == 3
    assert ready.shape == (3, 24, 16)


def test_it_follows_torchs_seed_and_no_other():
    def draw() -> bytes:
        return noise()(picture()).tobytes()

    torch.manual_seed(1)
    first, second = draw(), draw()
    assert first != second
    torch.manual_seed(1)
    assert (draw(), draw()) == (first, second)
    np.random.seed(1)  # noqa: NPY002
    import imgaug

    imgaug.seed(1)
    assert draw() not in (first, second)
    augmentation.seed(1)
    assert draw() == first


def test_children_follow_torchs_seed():
    nested = Imgaug(iaa.Sequential([iaa.Sometimes(0.5, iaa.Affine(rotate=(-30, 30))), iaa.AddToHue((-40, 40))]))
    torch.manual_seed(2)
    first = [nested(picture()).tobytes() for _ in range(5)]
    torch.manual_seed(2)
    assert [nested(picture()).tobytes() for _ in range(5)] == first
    assert len(set(first)) > 1


def test_it_can_be_pickled():
    copy = pickle.loads(pickle.dumps(Imgaug(iaa.Sequential([iaa.pillike.Autocontrast(5), iaa.Fog(), iaa.Rain()]))))
    assert copy(picture()).size == (16, 24)


def test_a_process_that_knows_nothing_can_load_it(request, tmp_path):
    """As the workers do on macOS and Windows: the class comes first and brings the repairs."""
    (tmp_path / "it").write_bytes(pickle.dumps(noise()))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')))"
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "it")],
        capture_output=True,
        text=True,
        check=True,
        cwd=request.config.rootpath,
    )
    assert "AdditiveGaussianNoise" in run.stdout


def test_workers_differ_and_repeat():
    """Without a seed from torch, two forked workers would draw the same numbers."""
    pipeline = transforms.Compose([noise(), transforms.PILToTensor()])

    def epoch(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.cat(list(DataLoader(Pictures(pipeline), batch_size=2, num_workers=2, generator=generator)))

    first = epoch(0)
    assert len({item.numpy().tobytes() for item in first}) == 8  # all pictures differ, across workers too
    assert torch.equal(epoch(0), first)
    assert not torch.equal(epoch(1), first)


def test_what_it_does_not_take():
    with pytest.raises(TypeError, match=r"augmenter: got function; expected an augmenter such as iaa.Rain\(\)"):
        Imgaug(lambda image: image)
    with pytest.raises(ValueError, match=r"picture: got the mode RGBA; expected RGB or L: use picture.conv"):
        noise()(picture("RGBA"))
    with pytest.raises(TypeError, match=r"picture: got torch.float32; expected uint8"):
        noise()(torch.rand(3, 4, 4))
    with pytest.raises(ValueError, match=r"picture: got the shape \(4, 4, 3\)"):
        noise()(torch.zeros(4, 4, 3, dtype=torch.uint8))
    with pytest.raises(TypeError, match=r"picture: got ndarray"):
        noise()(np.zeros((4, 4, 3), np.uint8))


def test_its_name_is_readable():
    assert "AdditiveGaussianNoise" in repr(noise())
