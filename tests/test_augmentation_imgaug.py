"""Every public augmenter of imgaug runs on a photograph, repeats under its seed and keeps numpy as it was."""

import functools
import hashlib
import inspect
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import skimage.data

from course_utils import augmentation

# isort: split
import imgaug as ia
import imgaug.augmenters as iaa
import imgaug.parameters as iap

SPEED = {"density": 0.05, "density_uniformity": 0.5, "angle": 10, "speed": 0.1, "blur_sigma_fraction": 0.001}
HALF = iaa.Invert(1.0)

# What the augmenters need beyond their defaults: name -> arguments.
ARGUMENTS = {
    "AssertShape": {"shape": (None, 64, 96, 3)},
    "BlendAlpha": {"factor": (0.2, 0.8), "foreground": HALF},
    "BlendAlphaBoundingBoxes": {"labels": None, "foreground": HALF},
    "BlendAlphaCheckerboard": {"nb_rows": 2, "nb_cols": (2, 4), "foreground": HALF},
    "BlendAlphaElementwise": {"factor": (0.2, 0.8), "foreground": HALF},
    "BlendAlphaFrequencyNoise": {"foreground": HALF},
    "BlendAlphaHorizontalLinearGradient": {"foreground": HALF},
    "BlendAlphaMask": {
        "mask_generator": iaa.InvertMaskGen(0.5, iaa.VerticalLinearGradientMaskGen()),
        "foreground": HALF,
    },
    "BlendAlphaRegularGrid": {"nb_rows": 2, "nb_cols": (2, 4), "foreground": HALF},
    "BlendAlphaSegMapClassIds": {"class_ids": 1, "foreground": HALF},
    "BlendAlphaSimplexNoise": {"foreground": HALF},
    "BlendAlphaSomeColors": {"foreground": HALF},
    "BlendAlphaVerticalLinearGradient": {"foreground": HALF},
    "CenterCropToAspectRatio": {"aspect_ratio": 1.0},
    "CenterCropToFixedSize": {"width": 32, "height": 32},
    "CenterCropToMultiplesOf": {"width_multiple": 10, "height_multiple": 10},
    "CenterCropToPowersOf": {"width_base": 3, "height_base": 3},
    "CenterCropToSquare": {},
    "CenterPadToAspectRatio": {"aspect_ratio": 2.0},
    "CenterPadToFixedSize": {"width": 100, "height": 100},
    "CenterPadToMultiplesOf": {"width_multiple": 10, "height_multiple": 10},
    "CenterPadToPowersOf": {"width_base": 3, "height_base": 3},
    "ChangeColorspace": {"to_colorspace": "HSV"},
    "CloudLayer": {
        "intensity_mean": (196, 255),
        "intensity_freq_exponent": (-2.5, -2.0),
        "intensity_coarse_scale": 10,
        "alpha_min": 0,
        "alpha_multiplier": (0.25, 0.75),
        "alpha_size_px_max": (2, 8),
        "alpha_freq_exponent": (-2.5, -2.0),
        "sparsity": (0.8, 1.0),
        "density_multiplier": (0.5, 1.0),
    },
    "ClipCBAsToImagePlanes": {},
    "Crop": {"px": (0, 10)},
    "CropAndPad": {"px": (-8, 8), "pad_mode": ia.ALL},
    "CropToAspectRatio": {"aspect_ratio": 1.0},
    "CropToFixedSize": {"width": 32, "height": 32},
    "CropToMultiplesOf": {"width_multiple": 10, "height_multiple": 10},
    "CropToPowersOf": {"width_base": 3, "height_base": 3},
    "ElasticTransformation": {"alpha": 20, "sigma": 4},
    "KeepSizeByResize": {"children": iaa.Crop(px=(1, 9))},
    "Lambda": {"func_images": lambda images, random_state, parents, hooks: images},
    "Multiply": {"mul": (0.5, 1.5)},
    "OneOf": {"children": [iaa.Fliplr(1.0), iaa.Add(10)]},
    "Pad": {"px": (0, 10), "pad_mode": ia.ALL},
    "PadToAspectRatio": {"aspect_ratio": 2.0},
    "PadToFixedSize": {"width": 100, "height": 100, "pad_mode": ia.ALL},
    "PadToMultiplesOf": {"width_multiple": 10, "height_multiple": 10},
    "PadToPowersOf": {"width_base": 3, "height_base": 3},
    "RainLayer": SPEED | {"drop_size": (0.01, 0.02), "drop_size_uniformity": 0.5},
    "RemoveCBAsByOutOfImageFraction": {"fraction": 0.5},
    "ReplaceElementwise": {"mask": 0.1, "replacement": (0, 255)},
    "Resize": {"size": {"height": 32, "width": (20, 40)}, "interpolation": ia.ALL},
    "Sequential": {"children": [iaa.Fliplr(0.5), iaa.Add((-40, 40))], "random_order": True},
    "SnowflakesLayer": SPEED
    | {"flake_size": (0.2, 0.7), "flake_size_uniformity": 0.5, "blur_sigma_limits": (0.5, 3.75)},
    "SomeOf": {"n": (0, None), "children": [iaa.Fliplr(1.0), iaa.Add(10), iaa.Flipud(1.0)]},
    "Sometimes": {"p": 0.5, "then_list": iaa.Add(30), "else_list": iaa.Fliplr(1.0)},
    "Voronoi": {"points_sampler": iaa.RegularGridPointsSampler(4, 6)},
    "WithBrightnessChannels": {"children": iaa.Add((-40, 40))},
    "WithChannels": {"channels": 0, "children": iaa.Add((-40, 40))},
    "WithColorspace": {"to_colorspace": "HSV", "children": iaa.Add((-40, 40))},
    "WithHueAndSaturation": {"children": iaa.Add((-40, 40))},
    "WithPolarWarping": {"children": iaa.Affine(rotate=(-20, 20))},
}
LEFT_OUT = {
    "Augmenter": "abstract",
    "SaveDebugImageEveryNBatches": "writes files while it runs; needs a folder",
    # imgcorruptlike (19 classes) needs the package imagecorruptions, which is dead.
}
# imgaug refuses these on boxes itself, on any stack.
IMAGES_ONLY = {"Jigsaw", "pillike.Affine"}


def found() -> dict[str, type]:
    """List imgaug's public augmenters by name; those with a namesake in iaa.pillike get its name in front."""
    modules = {"": iaa, "pillike.": iaa.pillike}
    return {
        prefix + name: thing
        for prefix, module in modules.items()
        for name, thing in vars(module).items()
        if inspect.isclass(thing)
        and issubclass(thing, iaa.Augmenter)
        and not name.startswith("_")
        and (not prefix or thing.__module__ == module.__name__)
    }


NAMES = sorted(set(found()) - set(LEFT_OUT))


@functools.cache
def photograph() -> np.ndarray:
    """A cat, (64, 96, 3) uint8."""
    return np.ascontiguousarray(skimage.data.chelsea()[20:276:4, 40:424:4])


def make(name: str, seed: int = 0) -> iaa.Augmenter:
    """Build an augmenter. Its own argument seed= does not reach its children: imgaug's generator is seeded instead."""
    ia.seed(seed)
    with warnings.catch_warnings():
        # Some augmenters are old names of others; imgaug says so itself.
        warnings.simplefilter("ignore", ia.DeprecationWarning)
        return found()[name](**ARGUMENTS.get(name, {}))


def boxes() -> ia.BoundingBoxesOnImage:
    return ia.BoundingBoxesOnImage([ia.BoundingBox(20, 10, 60, 50, label="cat")], shape=photograph().shape)


def points() -> ia.KeypointsOnImage:
    return ia.KeypointsOnImage([ia.Keypoint(30, 20), ia.Keypoint(70, 40)], shape=photograph().shape)


def apply(name: str, seed: int = 0) -> list[np.ndarray]:
    """Augment the photograph three times in one batch."""
    extra = {}
    if name == "BlendAlphaBoundingBoxes":
        extra = {"bounding_boxes": [boxes()] * 3}
    if name == "BlendAlphaSegMapClassIds":
        classes = np.zeros((64, 96, 1), np.int32)
        classes[10:50, 20:60] = 1
        extra = {"segmentation_maps": [ia.SegmentationMapsOnImage(classes, shape=photograph().shape)] * 3}
    answer = make(name, seed)(images=[photograph().copy() for _ in range(3)], **extra)
    return answer[0] if extra else answer


def test_the_list_is_complete():
    assert len(NAMES) > 150
    assert set(ARGUMENTS) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_augmenter_runs_on_pictures_and_repeats(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        first, second = apply(name), apply(name)
    for picture, again in zip(first, second):
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.shape[2] == 3 or name.startswith(("Grayscale", "ChangeColorspace"))
        np.testing.assert_array_equal(picture, again)


@pytest.mark.parametrize("name", sorted(set(NAMES) - IMAGES_ONLY))
def test_every_augmenter_takes_boxes_and_points(name):
    if name == "BlendAlphaSegMapClassIds":
        pytest.skip("needs a map of classes: tried with pictures")
    answer = make(name)(image=photograph().copy(), bounding_boxes=boxes(), keypoints=points())
    picture, moved_boxes, moved_points = answer
    if name not in {"RemoveCBAsByOutOfImageFraction", "TotalDropout"}:  # these remove them
        assert len(moved_boxes) == 1
        assert len(moved_points) == 2
    for coordinate in [*moved_boxes.to_xyxy_array().ravel(), *moved_points.to_xy_array().ravel()]:
        assert np.isfinite(coordinate)
    assert moved_points.shape[:2] == picture.shape[:2]


@pytest.mark.parametrize("name", sorted(IMAGES_ONLY))
def test_imgaug_itself_refuses_boxes_here(name):
    with pytest.raises((NotImplementedError, AssertionError), match="only"):
        make(name)(image=photograph().copy(), bounding_boxes=boxes())


def test_points_follow_the_picture():
    """A dot and a key point that start together stay together (polar warping, elastic, piecewise affine)."""
    black = np.zeros((64, 96, 3), np.uint8)
    black[28:33, 58:63] = 255
    point = ia.KeypointsOnImage([ia.Keypoint(60, 30)], shape=black.shape)
    for augmenter in (
        iaa.WithPolarWarping(iaa.Affine(translate_px={"x": 4})),
        iaa.ElasticTransformation(alpha=20, sigma=4, seed=1),
        iaa.PiecewiseAffine(scale=0.03, seed=1),
        iaa.Affine(rotate=20),
    ):
        picture, moved = augmenter(image=black.copy(), keypoints=point)
        rows, columns = np.nonzero(picture[..., 0] > 128)
        assert abs(columns.mean() - moved[0].x) < 2, augmenter.name
        assert abs(rows.mean() - moved[0].y) < 2, augmenter.name


def test_numpy_is_left_as_it_was():
    for name in ("sctypes", "complex", "float", "int"):
        assert name not in vars(np), name
    assert ia.imgaug.np is np
    assert np.complex128 is iap.np.complex128


def test_power_and_frequency_noise_are_right():
    power = iap.Power(iap.Deterministic(3.0), 2).draw_samples((4,), random_state=ia.random.RNG(0))
    np.testing.assert_allclose(power, 9)
    noise = iap.FrequencyNoise().draw_samples((16, 16), random_state=ia.random.RNG(0))
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert noise.std() > 0.05


def test_colour_temperature_of_a_batch_is_that_of_each_picture():
    kelvins = [2000, 9000]
    together = iaa.change_color_temperatures_([photograph().copy(), photograph().copy()], kelvins)
    for picture, kelvin in zip(together, kelvins):
        np.testing.assert_array_equal(picture, iaa.change_color_temperature(photograph().copy(), kelvin))
    red, blue = together[0].mean((0, 1))[[0, 2]]
    assert red > blue  # candlelight
    stacked = iaa.change_color_temperatures_(np.stack([photograph()] * 2), 2000)
    np.testing.assert_array_equal(stacked[1], together[0])
    with pytest.raises(ValueError, match="kelvins: 1 given for 2 images"):
        iaa.change_color_temperatures_([photograph().copy()] * 2, [2000])


def test_autocontrast_is_pillows():
    from PIL import Image, ImageOps

    ours = iaa.pillike.Autocontrast(cutoff=5)(images=[photograph()] * 2)
    theirs = np.asarray(ImageOps.autocontrast(Image.fromarray(photograph()), cutoff=5))
    np.testing.assert_array_equal(ours[1], theirs)


def test_salt_and_pepper_rain_and_fog_do_what_their_names_say():
    grey = np.full((64, 96, 3), 128, np.uint8)
    noisy = iaa.SaltAndPepper(0.1, seed=0)(image=grey)
    share = (noisy != 128).any(-1).mean()
    assert 0.05 < share < 0.15
    assert noisy.min() < 30
    assert noisy.max() > 225
    for augmenter in (iaa.Rain(seed=0), iaa.Fog(seed=0), iaa.Clouds(seed=0), iaa.Snowflakes(seed=0)):
        assert augmenter(image=grey).mean() > 128, augmenter.name


def test_show_grid_and_imshow_draw(monkeypatch):
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf().axes[0].images[0].get_array().shape))
    ia.imshow(photograph())
    iaa.Fliplr(0.5).show_grid([photograph()], rows=1, cols=2)
    plt.close("all")
    assert shown[0] == (64, 96, 3)
    assert shown[1][1] >= 2 * 96


def all_draws() -> dict[str, str]:
    """Fingerprints of what every augmenter gives under one seed."""
    found = {name: hashlib.sha256(b"".join(p.tobytes() for p in apply(name, 3))).hexdigest() for name in NAMES}
    augmentation.seed(5)
    mixed = iaa.Sequential([iaa.Affine(rotate=(-90, 90)), iaa.AdditiveGaussianNoise(scale=20)])
    return found | {"mixed": hashlib.sha256(mixed(image=photograph()).tobytes()).hexdigest()}


def test_the_same_seed_gives_the_same_pictures_in_another_process_whatever_its_hash_seed(request):
    """All augmenters, pad_mode=ia.ALL among them, which drew in a set's order."""
    code = (
        f"import sys; sys.path.insert(0, {str(request.path.parent)!r}); import json, test_augmentation_imgaug as t;"
        f"print(json.dumps(t.all_draws()))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "20261120"},
        capture_output=True,
        text=True,
        check=True,
        cwd=request.config.rootpath,
    )
    there, here = json.loads(run.stdout), all_draws()
    assert [name for name in here if here[name] != there[name]] == []


def test_imgaug_follows_its_own_generator_only():
    """The table in the package's docstring, tried: not numpy's, not Python's, not torch's."""
    import random

    import torch

    def draw() -> bytes:
        return iaa.AdditiveGaussianNoise(scale=20)(image=photograph()).tobytes()

    ia.seed(1)
    first = draw()
    ia.seed(1)
    assert draw() == first
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    second = draw()
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    assert draw() != second


def test_seed_reaches_augmenters_built_before_it_but_not_those_with_a_seed_of_their_own():
    early, own = iaa.AdditiveGaussianNoise(scale=20), iaa.AdditiveGaussianNoise(scale=20, seed=1)
    augmentation.seed(3)
    first, first_own = early(image=photograph()), own(image=photograph())
    augmentation.seed(3)
    np.testing.assert_array_equal(early(image=photograph()), first)
    assert (own(image=photograph()) != first_own).any()
