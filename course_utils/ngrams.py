"""N-grams: guess the next character by counting what followed the last few characters before.

An n-gram model of order n looks at the n − 1 characters before. Order 1 knows only how frequent each character is. The
counts of a long context are few, so that many characters that are possible never followed it in the training text:
each order sets a little of its probability aside and gives it to the next shorter order (interpolated Kneser–Ney).

Everything is counted by sorting. An n-gram becomes one whole number, equal n-grams become neighbours in the sorted
list, and 6 million characters take some tenths of a second for each order.

Used in lesson 07, section 9, as what a recurrent network must beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

#: Number of the character that ends a sentence. What stands before a sentence's first character counts as ends too.
END = 0

Numbers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """What one order has counted.

    Attributes:
        grams: the n-grams met, as whole numbers, ascending, (g,).
        counts: how often each was met, (g,); below the highest order, after how many different characters.
        contexts: the contexts met, ascending, (c,).
        totals: sum of the counts in each context, (c,).
        kinds: how many different characters followed each context, (c,).
        discount: what is taken from each count for the shorter contexts, 0…1.
    """

    grams: Numbers
    counts: Numbers
    contexts: Numbers
    totals: Numbers
    kinds: Numbers
    discount: float

    @classmethod
    def counted(cls, grams: Numbers, counts: Numbers, size: int) -> Level:
        """Make a level from its n-grams, (g,) ascending, and their counts, (g,); `size` characters in the alphabet."""
        context = grams // size
        first = np.flatnonzero(np.r_[True, context[1:] != context[:-1]])
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        return cls(
            grams=grams,
            counts=counts,
            contexts=context[first],
            totals=np.add.reduceat(counts, first),
            kinds=np.diff(np.r_[first, len(context)]),
            # With no count of one nothing can be estimated; what is lost in the much larger counts is little.
            discount=once / (once + 2 * twice) if once else 0.5,
        )


class NGram:
    """Interpolated Kneser–Ney model of characters.

    With c the count of a character after a context, t the sum of the counts after it, k how many different characters
    followed it, and D the discount:

        p(character | context) = max(c − D, 0) / t  +  D k / t · p(character | context without its oldest character)

    Below the highest order a count is not how often an n-gram was met, but after how many different characters. The
    last stop is one chance in `size` for each character: no probability is 0.

    Args:
        order: n; the model looks at n − 1 characters.

    Raises:
        ValueError: order is below 1.

    Source:
        Kneser & Ney 1995, Improved backing-off for m-gram language modeling. Chen & Goodman 1999, An empirical study of
        smoothing techniques for language modeling.

    Example:
        >>> model = NGram(2).fit(np.array([1, 2, 1, 2, 1, 0]), size=3)
        >>> model.following(np.array([1])).argmax()
        np.int64(2)
    """

    def __init__(self, order: int) -> None:
        if isinstance(order, bool) or not isinstance(order, int):
            raise TypeError(f"order is a {type(order).__name__}; expected a whole number")
        if order < 1:
            raise ValueError(f"order is {order}; expected 1 or more")
        self.order = order
        self.size = 0
        self.levels: list[Level] = []

    @property
    def entries(self) -> int:
        """How many n-grams, of all lengths, the model keeps a count of."""
        return sum(len(level.grams) for level in self.levels)

    def fit(self, numbers: Tensor | Numbers, *, size: int) -> NGram:
        """Count the n-grams of a text.

        Args:
            numbers: the text, (m,) int64, each from 0 to size − 1; `END` closes a sentence, and no n-gram looks back
                over it.
            size: how many characters the alphabet has.

        Returns:
            The model itself.

        Raises:
            TypeError, ValueError: the numbers are not whole, or out of range; or size ** order leaves 63 bits.
        """
        if size < 1 or size**self.order >= 2**63:
            raise ValueError(f"size is {size} and order {self.order}; expected 1 ≤ size and size ** order < 2 ** 63")
        text = checked(numbers, size)
        self.size = size
        grams, counts = np.unique(self._grams(text), return_counts=True)
        self.levels = [Level.counted(grams, counts, size)]
        for n in range(self.order - 1, 0, -1):
            # Each longer n-gram is listed once here: so this counts different characters before, not occurrences.
            grams, counts = np.unique(grams % size**n, return_counts=True)
            self.levels.insert(0, Level.counted(grams, counts, size))
        return self

    def probabilities(self, numbers: Tensor | Numbers) -> Reals:
        """Return the probability that the model gave each character of a text before seeing it.

        Args:
            numbers: the text, (m,) int64.

        Returns:
            (m,) float64, each above 0.
        """
        self._check_fitted()
        text = checked(numbers, self.size)
        return self._probabilities(self._grams(text))

    def bits(self, numbers: Tensor | Numbers) -> float:
        """Return how many bits a character of the text costs on average: the mean of −log₂ of its probability."""
        return float(-np.log2(self.probabilities(numbers)).mean())

    def perplexity(self, numbers: Tensor | Numbers) -> float:
        """Return between how many equally likely characters the model hesitates: 2 to the power of `bits`."""
        return float(2 ** self.bits(numbers))

    def following(self, before: Tensor | Numbers) -> Reals:
        """Return how probable each character is next.

        Args:
            before: the text so far, (m,) int64, m ≥ 0; a sentence begins where it is empty or ends with `END`.

        Returns:
            (size,) float64 that sums to 1.
        """
        self._check_fitted()
        text = checked(before, self.size, empty=True)[-self.order :]
        context = self._grams(np.r_[text, 1 % self.size])[-1] // self.size
        return self._probabilities(context * self.size + np.arange(self.size))

    def _check_fitted(self) -> None:
        if not self.levels:
            raise ValueError("the model has counted nothing yet; call fit first")

    def _grams(self, text: Numbers) -> Numbers:
        """Write each character with the n − 1 before it as one number: the oldest has the highest place, (m,)."""
        grams, place = text.copy(), 1
        inside = np.ones(len(text), bool)  # whether the sentence still goes on that far back
        for back in range(1, self.order):
            place *= self.size
            before = np.r_[np.full(min(back, len(text)), END), text[:-back]]
            inside &= before != END
            grams += np.where(inside, before, END) * place
        return grams

    def _probabilities(self, grams: Numbers) -> Reals:
        """Walk from the shortest context to the longest."""
        p = np.full(len(grams), 1 / self.size)
        for n, level in enumerate(self.levels, start=1):
            gram = grams % self.size**n
            count = np.maximum(found(level.grams, level.counts, gram) - level.discount, 0.0)
            total, kinds = (found(level.contexts, of, gram // self.size) for of in (level.totals, level.kinds))
            p = np.where(total > 0, (count + level.discount * kinds * p) / np.maximum(total, 1), p)
        return p


def found(keys: Numbers, values: Numbers, wanted: Numbers) -> Numbers:
    """Look values up by their keys, which ascend; 0 where a key is not there."""
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def checked(numbers: Any, size: int, *, empty: bool = False) -> Numbers:
    """Read character numbers as a flat int64 array, or raise."""
    array = np.asarray(numbers)
    if not np.issubdtype(array.dtype, np.integer) and not (empty and array.size == 0):
        raise TypeError(f"numbers are {array.dtype}; expected whole numbers, int64")
    if array.ndim != 1 or (array.size == 0 and not empty):
        raise ValueError(f"numbers have shape {array.shape}; expected (m,){'' if empty else ' with m ≥ 1'}")
    if array.size and (array.min() < 0 or array.max() >= size):
        raise ValueError(f"numbers go from {array.min()} to {array.max()}; expected 0 to {size - 1}")
    return array.astype(np.int64, copy=False)
