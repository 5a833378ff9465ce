"""What imgaug 0.4.0 (2020, unmaintained) needs on today's numpy, OpenCV, Pillow and matplotlib, and no more.

| module                     | what broke                                       | why                                  |
|----------------------------|--------------------------------------------------|--------------------------------------|
| imgaug.imgaug              | `import imgaug`                                  | np.sctypes left numpy 2.0            |
| imgaug.imgaug              | ia.imshow, augmenter.show_grid                   | matplotlib 3.6 moved the window title|
| imgaug.parameters          | FrequencyNoise, Clouds, Fog, Snowy..., iap.Power | np.complex left numpy 1.24           |
| imgaug.augmenters.meta     | SomeOf                                           | np.bool was away in numpy 1.24-1.26  |
| imgaug.augmentables.polys  | polygons                                         | the same                             |
| …augmenters.geometric      | ElasticTransformation with whole numbers         | numpy 2 promotes to float64          |
| …augmenters.geometric      | WithPolarWarping on boxes and points             | OpenCV 5 keeps one axis              |
| …augmenters.geometric      | PiecewiseAffine warns                            | scikit-image 0.26 renamed            |
| …augmenters.segmentation   | Superpixels warns                                | scikit-image 0.26 renamed            |
| …augmenters.pillike        | Autocontrast                                     | numpy 2.4: int(array([x])) fails     |
| …augmenters.color          | ChangeColorTemperature on several images         | imgaug's own mistake                 |
| …augmenters.size           | pad_mode=ia.ALL draws by PYTHONHASHSEED          | imgaug's own mistake: a set's order  |

numpy itself is never changed: modules that need an old name get a copy of numpy's namespace.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from course_utils.augmentation.hook import Library, Repair, overlaid
from course_utils.augmentation.seeding import seed_imgaug

__all__ = ["IMGAUG"]


def old_numpy() -> ModuleType:
    """Copy numpy's namespace and put back the three names that imgaug still uses."""
    import numpy as np

    sizes = {
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
        "float": [np.float16, np.float32, np.float64, np.longdouble],
    }
    # np.bool is there again since numpy 2.0, as the numpy type.
    return overlaid(np, sctypes=sizes, complex=complex, bool=np.bool_)


def use_old_numpy(module: ModuleType) -> None:
    """Let one module read numpy's old names at run time."""
    vars(module)["np"] = old_numpy()


def repair_imgaug(module: ModuleType) -> None:
    """Give the module numpy itself again (it needed the old names only while it was loaded), and repair imshow."""
    import numpy as np

    vars(module)["np"] = np
    original = module.imshow

    @functools.wraps(original)
    def imshow(image: Any, backend: str = module.IMSHOW_BACKEND_DEFAULT) -> None:
        if backend != "matplotlib":
            original(image, backend=backend)
            return
        import matplotlib.pyplot as plt

        height, width = image.shape[:2]
        axes = plt.subplots(figsize=(max(width / 96, 6), height / 96), dpi=96)[1]
        axes.imshow(image, cmap="gray")
        plt.show()

    vars(module)["imshow"] = imshow


def repair_geometric(module: ModuleType) -> None:
    """Compute elastic shifts in the noise's own precision, and polar coordinates in columns."""
    shift_maps = module.ElasticTransformation._generate_shift_maps.__func__

    def generate_shift_maps(cls: type, shape: Any, alpha: Any, sigma: Any, random_state: Any) -> Any:
        # A numpy number of another type would make the maps float64, which cv2.convertMaps refuses.
        return shift_maps(cls, shape, float(alpha), float(sigma), random_state)

    module.ElasticTransformation._generate_shift_maps = classmethod(generate_shift_maps)

    cv2 = module.cv2

    def cart_to_polar(x: Any, y: Any) -> tuple[Any, Any]:
        magnitude, angle = cv2.cartToPolar(x, y)
        return magnitude.reshape(-1, 1), angle.reshape(-1, 1)

    # WithPolarWarping is the module's only user of cartToPolar, and expects columns.
    vars(module)["cv2"] = overlaid(cv2, cartToPolar=cart_to_polar)

    transform: Any = module.tf.PiecewiseAffineTransform

    class PiecewiseAffineTransform(transform):
        """scikit-image's own, whose estimate gives way to from_estimate."""

        def estimate(self, src: Any, dst: Any) -> bool:
            if not hasattr(self, "from_estimate"):  # scikit-image before 0.26
                return super().estimate(src, dst)
            found = type(self).from_estimate(src, dst)
            if found:
                self.__dict__.update(vars(found))
            return bool(found)

    vars(module)["tf"] = overlaid(module.tf, PiecewiseAffineTransform=PiecewiseAffineTransform)


def repair_segmentation(module: ModuleType) -> None:
    """Ask scikit-image's regions for their mean by the name that it has now."""
    measure = module.skimage.measure

    class Region:
        def __init__(self, region: Any) -> None:
            self.region = region

        @property
        def mean_intensity(self) -> Any:
            return self.region.intensity_mean

        def __getattr__(self, name: str) -> Any:
            return getattr(self.region, name)

    def regionprops(*args: Any, **options: Any) -> list[Region]:
        return [Region(region) for region in measure.regionprops(*args, **options)]

    vars(module)["skimage"] = overlaid(module.skimage, measure=overlaid(measure, regionprops=regionprops))


def repair_pillike(module: ModuleType) -> None:
    """Pass Autocontrast's cutoff on as a number, not as an array of one number."""
    import numpy as np

    original = module.autocontrast

    @functools.wraps(original)
    def autocontrast(image: Any, cutoff: Any = 0, ignore: Any = None) -> Any:
        return original(image, np.asarray(cutoff).item(), ignore)

    vars(module)["autocontrast"] = autocontrast


def repair_color(module: ModuleType) -> None:
    """Change the temperature of several images one after the other: together, the table of factors is read wrongly."""
    original = module.change_color_temperatures_

    @functools.wraps(original)
    def change_color_temperatures_(images: Any, kelvins: Any, from_colorspaces: Any = module.CSPACE_RGB) -> Any:
        kelvins = [kelvins] * len(images) if module.ia.is_single_number(kelvins) else list(kelvins)
        spaces = [from_colorspaces] * len(images) if isinstance(from_colorspaces, str) else list(from_colorspaces)
        for name, given in (("kelvins", kelvins), ("from_colorspaces", spaces)):
            if len(given) != len(images):
                raise ValueError(f"{name}: {len(given)} given for {len(images)} images; expected one for each image")
        for index, (kelvin, space) in enumerate(zip(kelvins, spaces)):
            images[index] = original([images[index]], [kelvin], [space])[0]
        return images

    vars(module)["change_color_temperatures_"] = change_color_temperatures_


def repair_size(module: ModuleType) -> None:
    """Let pad_mode=ia.ALL draw from the modes in a fixed order: a set's order changes with PYTHONHASHSEED."""
    original = module._handle_pad_mode_param

    @functools.wraps(original)
    def handle_pad_mode_param(pad_mode: Any) -> Any:
        handled = original(pad_mode)
        if isinstance(pad_mode, str) and pad_mode == module.ia.ALL:
            return module.iap.Choice(sorted(handled.a))
        return handled

    vars(module)["_handle_pad_mode_param"] = handle_pad_mode_param


def seed_late(module: ModuleType) -> None:
    """Seed imgaug's generator if a seed was asked for before imgaug was imported."""
    seed_imgaug()


IMGAUG = Library(
    "imgaug",
    "0.4.0",
    {
        "imgaug": Repair(after=seed_late),
        "imgaug.imgaug": Repair(after=repair_imgaug, imports={"numpy": old_numpy}),
        "imgaug.parameters": Repair(after=use_old_numpy),
        "imgaug.augmenters.meta": Repair(after=use_old_numpy),
        "imgaug.augmentables.polys": Repair(after=use_old_numpy),
        "imgaug.augmenters.geometric": Repair(after=repair_geometric),
        "imgaug.augmenters.segmentation": Repair(after=repair_segmentation),
        "imgaug.augmenters.pillike": Repair(after=repair_pillike),
        "imgaug.augmenters.color": Repair(after=repair_color),
        "imgaug.augmenters.size": Repair(after=repair_size),
    },
)
