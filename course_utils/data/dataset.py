"""What a data set is in this course, and how it is split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

#: Inputs and targets with the same first size.
Pair = tuple[Tensor, Tensor]


class Each(NamedTuple):
    """A data set for each of K members: x and y have the members first, (K, n, …)."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Dataset:
    """Inputs, targets, and where they come from.

    Attributes:
        name: what the data set is called.
        x: inputs, (n, …).
        y: targets, (n, 1) for a number, (n,) for a class.
        source: who collected it, and which package carries it.
        licence: under which it may be used.
        target: what y is, with its unit.
    """

    name: str
    x: Tensor
    y: Tensor
    source: str
    licence: str
    target: str

    def __repr__(self) -> str:
        return (
            f"{self.name}: x {tuple(self.x.shape)}, y {tuple(self.y.shape)}\n"
            f"  y is {self.target}\n  source: {self.source}\n  licence: {self.licence}"
        )


def split(data: Dataset, sizes: Sequence[int], *, seed: int) -> list[Pair]:
    """Cut a data set at random into disjoint parts.

    Args:
        data: n samples.
        sizes: how many samples each part gets; together at most n.
        seed: which random order.

    Returns:
        One (x, y) pair a part.

    Raises:
        ValueError: a size is below 1, or the parts need more than n samples.
    """
    n = len(data.x)
    if any(size < 1 for size in sizes) or sum(sizes) > n:
        raise ValueError(f"sizes are {list(sizes)}; expected sizes of 1 or more that add up to at most {n}")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return [(data.x[part], data.y[part]) for part in order[: sum(sizes)].split(list(sizes))]


def resplit(data: Dataset, sizes: Sequence[int], *, seeds: Sequence[int]) -> list[Each]:
    """`split`, once for each of K seeds, stacked for `ensembles.fit_many`.

    Args:
        data: n samples.
        sizes: how many samples each part gets.
        seeds: K of them; each gives its own random split.

    Returns:
        One `Each` a part: x of shape (K, size, …), y of shape (K, size, …).

    Raises:
        ValueError: no seed, or sizes that `split` refuses.
    """
    if not seeds:
        raise ValueError("seeds is empty; expected one or more")
    splits = [split(data, sizes, seed=seed) for seed in seeds]
    return [Each(*(torch.stack(tensors) for tensors in zip(*part))) for part in zip(*splits)]
