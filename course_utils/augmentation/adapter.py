"""Any imgaug augmenter as one step of a torchvision pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["Imgaug"]


class Imgaug:
    """Use an imgaug augmenter inside `transforms.Compose`, `v2.Compose` or as a data set's `transform`.

    A picture comes back in the form in which it came. imgaug's numbers follow torch's seed: each call draws a new seed
    for the augmenter from torch's generator. So `torch.manual_seed` repeats them, and the workers of a DataLoader,
    which torch seeds one by one, differ. Only the picture is changed: what stands beside it (a label, boxes) passes
    through, so that augmenters that move pixels are for classification here.

    Args:
        augmenter: an imgaug augmenter, such as `iaa.Rain()` or `iaa.Sequential([...])`

    Raises:
        TypeError: augmenter is none of imgaug's.

    Source:
        Lesson 05 builds a simple form by hand.
    """

    def __init__(self, augmenter: Any) -> None:
        from imgaug.augmenters import Augmenter

        if not isinstance(augmenter, Augmenter):
            raise TypeError(f"augmenter: got {type(augmenter).__name__}; expected an augmenter such as iaa.Rain()")
        self.augmenter = augmenter

    def __call__(self, picture: Any, *others: Any) -> Any:
        """Augment one picture.

        Args:
            picture: a PIL image in mode RGB or L, or a tensor (c, h, w), uint8, with c = 1 or 3
            others: what a data set gives with the picture, returned as it is

        Returns:
            the new picture, in the same form; with others a tuple of it and them

        Raises:
            TypeError, ValueError: the picture has another form.
        """
        self.augmenter.seed_(int(torch.randint(2**31 - 1, ())))
        changed = self.change(picture)
        return (changed, *others) if others else changed

    def change(self, picture: Any) -> Any:
        """Take the picture to imgaug's form, (h, w, c) uint8, and back."""
        if isinstance(picture, Image.Image):
            if picture.mode not in ("RGB", "L"):
                raise ValueError(f'picture: got the mode {picture.mode}; expected RGB or L: use picture.convert("RGB")')
            pixels = np.asarray(picture).reshape(picture.height, picture.width, -1)
            changed = self.augmenter(image=pixels)
            return Image.fromarray(changed[..., 0] if picture.mode == "L" else changed)
        if isinstance(picture, Tensor):
            if picture.dtype != torch.uint8:
                raise TypeError(
                    f"picture: got {picture.dtype}; expected uint8, 0 … 255: put this step before the conversion to "
                    f"floating point"
                )
            if picture.ndim != 3 or picture.shape[0] not in (1, 3):
                raise ValueError(f"picture: got the shape {tuple(picture.shape)}; expected (c, h, w) with c = 1 or 3")
            pixels = picture.permute(1, 2, 0).contiguous().cpu().numpy()
            changed = torch.from_numpy(np.ascontiguousarray(self.augmenter(image=pixels)))
            return same_kind(changed.permute(2, 0, 1).contiguous().to(picture.device), picture)
        raise TypeError(f"picture: got {type(picture).__name__}; expected a PIL image or a uint8 tensor (c, h, w)")

    def __repr__(self) -> str:
        return f"Imgaug({self.augmenter.name})"


def same_kind(changed: Tensor, picture: Tensor) -> Tensor:
    """Keep torchvision's own kind of tensor, if the picture has one."""
    if type(picture) is Tensor:
        return changed
    from torchvision import tv_tensors

    return tv_tensors.wrap(changed, like=picture) if isinstance(picture, tv_tensors.Image) else changed
