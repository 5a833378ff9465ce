"""Word vectors, and what can be asked of them: how near two words are, who is nearest, what completes an analogy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor


class WordVectors:
    """One vector a word. All answers compare directions: the cosine of the angle between vectors, −1…1.

    Args:
        words: n different words; the scores take the first ones for the most frequent.
        vectors: (n, width).

    Attributes:
        words: as given, a list.
        vectors: as given, (n, width).
        units: each vector divided by its length, (n, width); a vector of zeros stays one.
        numbers: each word's row.

    Raises:
        ValueError: words and vectors do not belong together, or a word comes twice.

    Example:
        >>> compass = WordVectors(["north", "east", "south"], torch.tensor([[0.0, 2], [1, 0], [0, -1]]))
        >>> compass.similarity("north", "south")
        -1.0
        >>> compass.neighbours("north", k=1)
        [('east', 0.0)]
    """

    def __init__(self, words: Sequence[str], vectors: Tensor) -> None:
        if vectors.dim() != 2 or len(words) != len(vectors):
            raise ValueError(f"{len(words)} words and vectors of shape {tuple(vectors.shape)}; expected (n, width)")
        self.words = list(words)
        self.numbers = {word: number for number, word in enumerate(self.words)}
        if len(self.numbers) < len(self.words):
            raise ValueError("words holds a word twice; expected different words")
        self.vectors = vectors
        self.units = torch.nn.functional.normalize(vectors, dim=1)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.numbers

    def __getitem__(self, word: str) -> Tensor:
        """The vector of a word, (width,)."""
        return self.vectors[self.number(word)]

    def __repr__(self) -> str:
        return f"WordVectors({len(self.words):,} words, width {self.vectors.shape[1]})"

    def number(self, word: str) -> int:
        """The row of a word.

        Raises:
            KeyError: it has no vector.
        """
        try:
            return self.numbers[word]
        except KeyError:
            raise KeyError(f"{word!r} has no vector: it is not among these {len(self.words):,} words") from None

    def similarity(self, a: str, b: str) -> float:
        """The cosine between the vectors of two words, −1…1."""
        return float(self.units[self.number(a)] @ self.units[self.number(b)])

    def neighbours(self, word: str, k: int = 10) -> list[tuple[str, float]]:
        """The k nearest other words, each with its cosine, the nearest first."""
        place = self.number(word)
        return self.near(self.units[place], k, without=[place])

    def analogy(self, a: str, b: str, c: str, k: int = 5, *, leave_out: bool = True) -> list[tuple[str, float]]:
        """What is to ``c`` as ``b`` is to ``a``: the words nearest to b − a + c.

        Each vector is first divided by its length, as gensim does.

        Args:
            a: such as *man*.
            b: such as *king*.
            c: such as *woman*.
            k: how many answers.
            leave_out: the three given words cannot be the answer, as is usual; without that, often one of them is.

        Returns:
            Words with their cosines, the nearest first.
        """
        places = [self.number(word) for word in (a, b, c)]
        first, second, third = self.units[places]
        return self.near(second - first + third, k, without=places if leave_out else [])

    def near(self, vector: Tensor, k: int, *, without: Sequence[int] = ()) -> list[tuple[str, float]]:
        """The k words nearest to a vector.

        Args:
            vector: (width,).
            k: how many; all, where there are fewer.
            without: rows that cannot be the answer.

        Raises:
            ValueError: k is below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}; expected 1 or more")
        cosines = self.units @ torch.nn.functional.normalize(vector, dim=0)  # (n,)
        rows = torch.ones(len(cosines), dtype=torch.bool)
        rows[list(without)] = False
        allowed = rows.nonzero()[:, 0]
        best = cosines[allowed].topk(min(k, len(allowed)))
        return [(self.words[allowed[i]], float(cosine)) for cosine, i in zip(best.values, best.indices)]

    def save_text(self, path: str | Path) -> None:
        """Write the vectors in word2vec's text format, which gensim and nlpaug read.

        Args:
            path: the file. Its first line is the number of words and the width; then follows one word a line, with
                its numbers, split by blanks.

        Raises:
            ValueError: a word holds a blank, which the format cannot tell from the blank behind it.
        """
        blank = next((word for word in self.words if word.split() != [word]), None)
        if blank is not None:
            raise ValueError(f"words holds {blank!r}; expected words without blanks")
        lines = [f"{len(self.words)} {self.vectors.shape[1]}"]
        # Nine digits give a float32 back exactly.
        lines += [" ".join([word, *(f"{x:.9g}" for x in row)]) for word, row in zip(self.words, self.vectors.tolist())]
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
