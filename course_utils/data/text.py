"""Texts."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from course_utils import assets

# What was lost or doubled when the sentences were collected, and what can be put right without guessing. A dash has
# become three or four blanks; a hyphen has become one blank ("coming of age"), which nothing tells from a true one.
REPAIRS = (
    (re.compile(r"''"), '"'),
    (re.compile(r"`"), "'"),
    (re.compile(r" {3,}"), " – "),
    (re.compile(r" {2}"), " "),
    (re.compile(r" (?=,)|(?<=\() "), ""),
    (re.compile(r"n' t\b"), "n't"),
)


@dataclass(frozen=True)
class TextDataset:
    """Texts, what people said about them, and where they come from.

    Attributes:
        name: what the data set is called.
        texts: n of them.
        scores: what people gave, (n,) float32.
        y: classes made from the scores, (n,) int64.
        source: who collected it, and which package carries it.
        licence: under which it may be used.
        target: what scores and y are, with their units.
    """

    name: str
    texts: tuple[str, ...]
    scores: Tensor
    y: Tensor
    source: str
    licence: str
    target: str

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return (
            f"{self.name}: {len(self.texts):,} texts, y {tuple(self.y.shape)}\n"
            f"  y is {self.target}\n  source: {self.source}\n  licence: {self.licence}"
        )


def repaired(text: str) -> str:
    r"""Put the typing of a snippet right.

    Args:
        text: as it was published.

    Returns:
        The same words with ordinary quotation marks, dashes and blanks.

    Example:
        >>> repaired("Lovely &amp; Amazing  is ''the one''    don' t miss it")
        'Lovely & Amazing is "the one" – don\'t miss it'
    """
    text = html.unescape(text).strip()
    for pattern, replacement in REPAIRS:
        text = pattern.sub(replacement, text)
    return text


def film_snippets(*, margin: float = 0.5) -> TextDataset:
    """Sentences from film reviews; 20 or more people scored each from −4 (very negative) to 4 (very positive).

    Of the 10,605 sentences two occur twice and are counted once. With the default margin 10,041 remain: 4,981 positive
    and 5,060 negative ones; the 562 between are neither the one nor the other.

    Args:
        margin: sentences whose mean score is at most this far from 0 are left out; 0…4.

    Returns:
        texts: with their typing repaired, see `repaired`.
        scores: (n,) float32, the published mean of the scores, −4…4.
        y: (n,) int64, 1 for positive, 0 for negative.

    Raises:
        ValueError: the margin is out of range.
        Missing: the sentences are not on this machine and cannot be fetched; the sentence says what to do.

    Source:
        Hutto & Gilbert (2014), VADER: A parsimonious rule-based model for sentiment analysis of social media text.
        The sentences were collected by Pang & Lee from Rotten Tomatoes.
    """
    if not 0 <= margin < 4:
        raise ValueError(f"margin is {margin}; expected 0 or more, and less than 4")
    file = assets.path("film-snippets") / "movieReviewSnippets_GroundTruth.txt"
    scores: dict[str, float] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        _, score, text = line.split("\t")
        scores.setdefault(repaired(text), float(score))
    kept = {text: score for text, score in scores.items() if abs(score) > margin}
    values = torch.tensor(list(kept.values()), dtype=torch.float32)  # (n,)
    return TextDataset(
        name="film snippets",
        texts=tuple(kept),
        scores=values,
        y=(values > 0).long(),
        source="Hutto & Gilbert (2014), sentences from Rotten Tomatoes, carried by vaderSentiment's source archive",
        licence="MIT",
        target="1 where people scored the sentence positive on average, 0 where negative",
    )
