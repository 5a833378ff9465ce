"""From texts to numbers: words, a vocabulary, and rows of word numbers of one length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

WORD = re.compile(r"\w+(?:['’]\w+)*")

#: Number of the empty place behind a short text, and of a word that the vocabulary does not hold.
PAD, UNKNOWN = 0, 1


def words(text: str) -> list[str]:
    """Cut a text into lower-case words; punctuation is left out, an apostrophe inside a word stays.

    Args:
        text: any text.

    Returns:
        Its words, in order.

    Example:
        >>> words("Slow? It isn't: it's 90 minutes.")
        ['slow', 'it', "isn't", "it's", '90', 'minutes']
    """
    return WORD.findall(text.lower().replace("’", "'"))


class Vocabulary:
    """The most frequent words of some texts, numbered.

    Number 0 is the empty place behind a short text (padding), 1 stands for every word that is not in the
    vocabulary; the words follow from 2 on, the most frequent first, words of equal frequency in alphabetical order.

    Args:
        texts: each a list of words. Take the training texts alone: a vocabulary that has seen the test texts
            knows something about them.
        size: how many words at most.

    Raises:
        ValueError: size is below 1.
    """

    def __init__(self, texts: Iterable[Sequence[str]], *, size: int) -> None:
        if size < 1:
            raise ValueError(f"size is {size}; expected 1 or more")
        counts = Counter(word for text in texts for word in text)
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        self.words = ["<pad>", "<unknown>", *ranked[:size]]
        self.numbers = {word: number for number, word in enumerate(self.words[2:], start=2)}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.numbers

    def encode(self, texts: Sequence[Sequence[str]], *, length: int) -> Tensor:
        """Turn texts into rows of numbers.

        Args:
            texts: n lists of words.
            length: how many places a row has; what is longer is cut, what is shorter is filled with `PAD`.

        Returns:
            (n, length) int64.
        """
        rows = np.full((len(texts), length), PAD)
        for row, text in zip(rows, texts):
            numbers = [self.numbers.get(word, UNKNOWN) for word in text[:length]]
            row[: len(numbers)] = numbers
        return torch.from_numpy(rows)
