"""Sequences of different lengths in one batch: pad them, and then keep the padding out of every result.

A batch is one tensor, so all its rows have one length T. Shorter sequences are filled up behind their end; `lengths`
remembers where each of them ends. Whatever is computed afterwards must give the same as one sequence at a time.

Built in lesson 07.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Lengths = Tensor | Sequence[int]


def pad(sequences: Sequence[Tensor | Sequence[float]], *, value: float = 0) -> tuple[Tensor, Tensor]:
    """Fill sequences up behind their end, so that they fit into one tensor.

    Args:
        sequences: n tensors, (length, ...), equal in all axes but the first; or n lists of numbers.
        value: what stands behind the end.

    Returns:
        padded: (n, T, ...), where T is the longest length.
        lengths: (n,) int64.

    Raises:
        ValueError: there are no sequences, one has no first axis, or they differ in more than their length.
        TypeError: their data types differ.

    Example:
        >>> padded, lengths = pad([[3, 1, 2], [5]])
        >>> padded.tolist(), lengths.tolist()
        ([[3, 1, 2], [5, 0, 0]], [3, 1])
    """
    tensors = [torch.as_tensor(one) for one in sequences]
    if not tensors:
        raise ValueError("sequences is empty; expected one or more")
    for number, one in enumerate(tensors):
        if one.ndim == 0:
            raise ValueError(f"sequences[{number}] is a single number; expected an axis of time")
    first = next((one for one in tensors if one.numel()), tensors[0])
    for number, (one, own) in enumerate(zip(tensors, sequences)):
        if not isinstance(own, Tensor) and len(own) == 0:
            one = tensors[number] = first[:0]  # an empty list does not say what it would hold
        if one.shape[1:] != first.shape[1:]:
            got, expected = tuple(one.shape[1:]), tuple(first.shape[1:])
            raise ValueError(f"a step of sequences[{number}] has shape {got}; expected {expected}, as in the others")
        if one.dtype != first.dtype:
            raise TypeError(f"sequences[{number}] is {one.dtype}; expected {first.dtype}, as the others are")
    lengths = torch.tensor([len(one) for one in tensors], device=first.device)
    padded = first.new_full((len(tensors), int(lengths.max()), *first.shape[1:]), value)  # (n, T, ...)
    for row, one in enumerate(tensors):
        padded[row, : len(one)] = one
    return padded, lengths


def mask(lengths: Lengths, longest: int | None = None) -> Tensor:
    """Tell the places that hold something from those that are only filled up.

    Args:
        lengths: (n,) whole numbers.
        longest: T; the longest length unless given.

    Returns:
        (n, T) bool, True where a sequence is.

    Raises:
        TypeError, ValueError: lengths are not whole numbers of that shape, 0…T.

    Example:
        >>> mask([3, 1]).int().tolist()
        [[1, 1, 1], [1, 0, 0]]
    """
    lengths = torch.as_tensor(lengths)
    if longest is None:
        longest = int(lengths.max()) if lengths.numel() else 0
    lengths = checked_lengths(lengths, len(lengths) if lengths.ndim else 0, longest, shortest=0)
    return torch.arange(longest, device=lengths.device) < lengths.unsqueeze(1)  # (T,) < (n, 1) -> (n, T)


def masked_mean(values: Tensor, mask: Tensor, *, axis: int | None = None) -> Tensor:
    """Average the places that hold something, and only those.

    Args:
        values: (n, T), one loss for each place say, or (n, T, ...).
        mask: (n, T) bool, True where a sequence is.
        axis: 1 for one mean for each sequence; None for one mean over all places of all sequences.

    Returns:
        With axis 1 (n, ...), else (...): a single number from (n, T).

    Raises:
        ValueError: the shapes do not fit, axis is neither, or a mean would be over no place at all.
        TypeError: mask is not bool.
    """
    if mask.dtype != torch.bool:
        raise TypeError(f"mask is {mask.dtype}; expected torch.bool, True where a sequence is")
    if mask.ndim != 2 or values.shape[:2] != mask.shape:
        raise ValueError(f"mask is {tuple(mask.shape)} and values {tuple(values.shape)}; expected (n, T), (n, T, ...)")
    if axis not in (None, 1):
        raise ValueError(f"axis is {axis}; expected 1 for each sequence, or None for all together")
    axes = (0, 1) if axis is None else (1,)
    count = mask.sum(axes)  # () or (n,)
    if true_for_sure((count == 0).any()):
        raise ValueError("mask leaves no place to average; expected one or more" + (" a sequence" if axis else ""))
    broadcast = mask.reshape(*mask.shape, *[1] * (values.ndim - 2))  # (n, T) -> (n, T, 1, ...)
    # Not values · mask: a NaN or an infinity in the padding would survive the product with 0.
    total = torch.where(broadcast, values, torch.zeros_like(values)).sum(axes)  # (...) or (n, ...)
    return total / count.reshape((*count.shape, *[1] * (values.ndim - 2)))


def last_states(outputs: Tensor, lengths: Lengths) -> Tensor:
    """Pick what a recurrent layer said at the last step of each sequence, not at the last place of the row.

    Args:
        outputs: (n, T, h). Of a bidirectional layer, this picks the backward half at the wrong end: it has read the
            whole sequence at step 0.
        lengths: (n,) whole numbers, 1…T.

    Returns:
        (n, h).

    Raises:
        TypeError, ValueError: lengths are not whole numbers of that shape, 1…T.
    """
    check_axes("outputs", outputs, 3)
    lengths = checked_lengths(lengths, outputs.shape[0], outputs.shape[1], shortest=1)
    places = (lengths - 1).to(outputs.device).reshape(-1, 1, 1).expand(-1, 1, outputs.shape[2])  # (n, 1, h)
    return outputs.gather(1, places).squeeze(1)  # (n, T, h) -> (n, 1, h) -> (n, h)


def reverse(padded: Tensor, lengths: Lengths) -> Tensor:
    """Turn each sequence round inside its own length; the padding stays behind it.

    A backward layer is a forward layer on reversed sequences, its outputs reversed once more.

    Args:
        padded: (n, T, ...).
        lengths: (n,) whole numbers, 0…T.

    Returns:
        (n, T, ...).

    Raises:
        TypeError, ValueError: lengths are not whole numbers of that shape, 0…T.

    Example:
        >>> reverse(torch.tensor([[3, 1, 2], [5, 6, 0]]), [3, 2]).tolist()
        [[2, 1, 3], [6, 5, 0]]
    """
    check_axes("padded", padded, 2)
    lengths = checked_lengths(lengths, padded.shape[0], padded.shape[1], shortest=0)
    ends = lengths.to(padded.device).unsqueeze(1)  # (n, 1)
    steps = torch.arange(padded.shape[1], device=padded.device).expand(padded.shape[:2])  # (n, T)
    places = torch.where(steps < ends, ends - 1 - steps, steps)  # (n, T)
    return padded.gather(1, places.reshape(*places.shape, *[1] * (padded.ndim - 2)).expand(padded.shape))


def check_axes(name: str, tensor: Tensor, at_least: int) -> None:
    """Raise ValueError for a tensor of too few axes; where 3 are needed, for one of more, too."""
    if tensor.ndim < at_least or (at_least == 3 and tensor.ndim > 3):
        expected = "(n, T, h)" if at_least == 3 else "(n, T, ...)"
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}; expected {expected}")


def checked_lengths(lengths: Lengths, n: int, longest: int, *, shortest: int) -> Tensor:
    """Return lengths as a tensor, (n,) int64, or raise what the functions above promise."""
    found = torch.as_tensor(lengths)
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        raise TypeError(f"lengths is {found.dtype}; expected whole numbers")
    if found.shape != (n,):
        raise ValueError(f"lengths has shape {tuple(found.shape)}; expected ({n},), one for each sequence")
    if true_for_sure(((found < shortest) | (found > longest)).any()):
        raise ValueError(f"lengths run from {int(found.min())} to {int(found.max())}; expected {shortest}…{longest}")
    return found.long()


def true_for_sure(condition: Tensor) -> bool:
    """Tell whether a condition holds; False where `vmap` or a recording keeps the values from being looked at."""
    try:
        return bool(condition)
    except RuntimeError:
        return False
