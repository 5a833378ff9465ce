"""Texts and words for the model that guesses a hidden word: what it learns from, what is hidden, what is held back."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from course_utils.data.text import repaired
from course_utils.model_training.sentences import read_pairs

LONGEST = 50  # tokens of a text, with its two marks
#: How many times a text of each kind occurs in one pass: the lesson is about film reviews.
MIX = {"film": 4, "products": 2, "editorials": 3, "everyday": 1}
#: What is left of "isn't" or "we've" when it is cut at the apostrophe: letters, but no words to put anywhere else.
VERBS = ("is", "are", "was", "were", "ai", "do", "does", "did", "has", "have", "had", "could", "would", "should")
HALVES = frozenset({"ll", "re", "ve", *(f"{verb}n" for verb in VERBS)})
SNIPPETS = {"film": "movieReview", "products": "amazonReview", "editorials": "nytEditorial"}


class Texts(NamedTuple):
    """Training texts by kind, and film snippets that no training sees."""

    train: dict[str, list[str]]
    valid: list[str]
    test: list[str]


def part(text: str) -> str:
    """Says which part of the split a film snippet belongs to, by a checksum of the text alone.

    Args:
        text: a snippet as `course_utils.data.text.film_snippets` gives it.

    Returns:
        "valid" (one in ten), "test" (one in ten) or "train".

    Example:
        >>> part("Effective but too tepid biopic")
        'train'
    """
    return {0: "valid", 5: "test"}.get(zlib.crc32(text.encode()) % 10, "train")


def read_snippets(folders: Iterable[Path], name: str) -> list[str]:
    """Reads one file of Hutto and Gilbert's snippets, each text once, typing repaired.

    Raises:
        FileNotFoundError: if no folder holds the file.
    """
    wanted = f"{name}Snippets_GroundTruth.txt"
    for folder in folders:
        for file in sorted(folder.rglob(wanted)):
            lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
            return list(dict.fromkeys(repaired(line.split("\t", 2)[2]) for line in lines if line.count("\t") >= 2))
    raise FileNotFoundError(f"folders: expected {wanted} in one of them, found none")


def read_texts(data: Path | None = None) -> Texts:
    """Reads the texts to learn from, and holds one film snippet in five back.

    Args:
        data: a folder with the files of snippets and the sentence pairs; by default the course fetches them.

    Source:
        Hutto & Gilbert (2014), MIT; everyday sentences: Tatoeba (tatoeba.org), CC-BY 2.0 FR.
    """
    if data is None:
        from course_utils import assets

        folders = [assets.path("film-snippets"), assets.path("opinion-snippets")]
    else:
        folders = [data]
    kinds = {kind: read_snippets(folders, name) for kind, name in SNIPPETS.items()}
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for text in kinds["film"]:
        parts[part(text)].append(text)
    held_out = {*parts["valid"], *parts["test"]}
    train = {kind: [text for text in texts if text not in held_out] for kind, texts in kinds.items()}
    train["everyday"] = list(dict.fromkeys(pair.english for pair in read_pairs(data, most_words=40)))
    return Texts(train, parts["valid"], parts["test"])


class Words:
    """The encoder's vocabulary, seen as words: which tokens may be hidden, and guessed.

    A token is a candidate if it is a whole word in letters: "films" is, "##s", "1994", "isn" and "!" are not.

    Args:
        folder: of the encoder; holds tokenizer.json.

    Attributes:
        tokenizer: the fast tokenizer, without padding and truncation.
        allowed: token numbers of the candidates, (words,) int64.
        number: place in `allowed` by token number, −1 for the others, (tokens,) int64.
        piece: whether a token continues a word, (tokens,) bool.
        mask: number of the mask token.
    """

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        tokens = sorted(self.tokenizer.get_vocab().items(), key=lambda item: item[1])
        whole = [bool(re.fullmatch(r"[a-z]{2,}|[ai]", token)) and token not in HALVES for token, _ in tokens]
        self.allowed = torch.tensor(whole).nonzero().flatten()
        self.number = torch.full((len(tokens),), -1)
        self.number[self.allowed] = torch.arange(len(self.allowed))
        self.piece = torch.tensor([token.startswith("##") for token, _ in tokens])
        numbers = dict(tokens)
        self.mask, self.end = numbers["[MASK]"], numbers["[SEP]"]

    def encode(self, texts: Sequence[str], *, shortest: int = 5) -> list[list[int]]:
        """Turns texts into token numbers with both marks; drops short texts and cuts long ones."""
        rows = (encoding.ids for encoding in self.tokenizer.encode_batch(list(texts)))
        return [row if len(row) <= LONGEST else [*row[: LONGEST - 1], self.end] for row in rows if len(row) >= shortest]

    def candidates(self, x: Tensor) -> Tensor:
        """Marks the tokens that are a whole word alone: (n, t) int64 -> (n, t) bool."""
        continued = torch.zeros_like(x, dtype=torch.bool)
        continued[:, :-1] = self.piece[x[:, 1:]]
        return (self.number[x] >= 0) & ~continued

    def hide(self, x: Tensor, rate: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Hides a share of the words.

        As in BERT, not every word that must be guessed is hidden by the mask: 6 % are left, 6 % are another word.

        Args:
            x: token numbers, (n, t).
            rate: share of the candidates, 0 to 1.
            generator: draws them.

        Returns:
            What the model sees, (n, t); where it must guess, (n, t) bool; the words there as places in `allowed`, (m,).
        """
        hidden = self.candidates(x) & (torch.rand(x.shape, generator=generator) < rate)
        seen, how = x.clone(), torch.rand(x.shape, generator=generator)
        seen[hidden & (how < 0.88)] = self.mask
        other = hidden & (how >= 0.94)
        draws = torch.randint(len(self.allowed), (int(other.sum()),), generator=generator)
        seen[other] = self.allowed[draws]
        return seen, hidden, self.number[x[hidden]]


def batches(rows: Mapping[str, Sequence[list[int]]], tokens: int, rng: random.Random) -> Iterator[Tensor]:
    """Yields one pass over the texts in batches of one length each, so that nothing is padding.

    Args:
        rows: token numbers of the texts, by kind; see `MIX`.
        tokens: most tokens a batch.
        rng: mixes texts and batches.

    Yields:
        (n, t) int64.
    """
    lengths: dict[int, list[list[int]]] = {}
    for kind, some in rows.items():
        for row in some:
            lengths.setdefault(len(row), []).extend([row] * MIX[kind])
    out = []
    for length, group in lengths.items():
        rng.shuffle(group)
        n = max(1, tokens // length)
        out += [group[i : i + n] for i in range(0, len(group), n)]
    rng.shuffle(out)
    yield from (torch.tensor(batch) for batch in out)


def one_hidden(words: Words, rows: Sequence[list[int]], *, seed: int = 5) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Hides one word of each text, the same whenever it is called.

    Returns:
        For each length of text: what the model sees (n, t), where it must guess (n, t) bool, the words there (n,).
    """
    generator = torch.Generator().manual_seed(seed)
    lengths: dict[int, list[list[int]]] = {}
    for row in rows:
        lengths.setdefault(len(row), []).append(row)
    out = []
    for group in lengths.values():
        x = torch.tensor(group)
        draw = torch.rand(x.shape, generator=generator) * words.candidates(x)
        x, draw = x[draw.amax(1) > 0], draw[draw.amax(1) > 0]
        where = F.one_hot(draw.argmax(1), x.shape[1]).bool()
        out.append((x.masked_fill(where, words.mask), where, words.number[x[where]]))
    return out
