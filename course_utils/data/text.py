"""Texts."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import html
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from course_utils import assets
from course_utils.text import words

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


@dataclass(frozen=True)
class Corpus:
    """Texts that nobody scored, and where they come from.

    Attributes:
        name: what the corpus is called.
        texts: n of them.
        source: who wrote and collected it, and which package carries it.
        licence: under which it may be used.
    """

    name: str
    texts: tuple[str, ...]
    source: str
    licence: str

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"{self.name}: {len(self.texts):,} texts\n  source: {self.source}\n  licence: {self.licence}"


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


def everyday_sentences() -> Corpus:
    """Sentences of everyday English, each once, in the order of the files: short ones first, mostly.

    Returns:
        187,692 sentences, written or translated by volunteers.

    Raises:
        Missing: the sentences are not on this machine and cannot be fetched; the sentence says what to do.

    Source:
        Tatoeba (tatoeba.org), the English side of the Spanish and French pairs that manythings.org prepared.
    """
    folder = assets.path("sentence-pairs")
    with zipfile.ZipFile(folder / "fra-eng.zip") as archive:
        files = [(folder / "spa.txt").read_bytes(), archive.read("fra.txt")]
    # A dictionary keeps the order in which its keys came; a set would have another order in each process.
    found = dict.fromkeys(line.split("\t", 1)[0] for file in files for line in file.decode("utf-8").split("\n"))
    found.pop("", None)  # behind the last line end
    return Corpus(
        name="everyday sentences",
        texts=tuple(found),
        source="the contributors of Tatoeba, prepared by manythings.org, carried by nmt's source archive",
        licence="CC BY 2.0 FR",
    )


def split_lines(text: str) -> list[list[str]]:
    """The words of each line, which blanks split."""
    # Each new list may make Python look for unused ones among all that there are: most of the time, and for nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return [line.split() for line in text.split("\n")]
    finally:
        if collecting:
            gc.enable()


def everyday_words() -> list[list[str]]:
    """`course_utils.text.words` of each of the `everyday_sentences`, kept on this machine: later calls are fast.

    Returns:
        187,692 lists of lower-case words; 1.21 million words, of which 17,298 are different.

    Raises:
        Missing: the sentences are not on this machine and cannot be fetched; the sentence says what to do.
    """
    name = f"{assets.path('sentence-pairs').name}-words-1.txt"
    place = assets.cache() / "derived" / name
    with contextlib.suppress(OSError):
        head, _, body = place.read_bytes().partition(b"\n")
        if head == hashlib.sha256(body).hexdigest().encode():
            return split_lines(body.decode("utf-8"))
        place.unlink()  # damaged
    sentences = [words(sentence) for sentence in everyday_sentences().texts]
    body = "\n".join(" ".join(sentence) for sentence in sentences).encode("utf-8")
    head = hashlib.sha256(body).hexdigest().encode()

    def write(place: Path) -> None:
        place.write_bytes(head + b"\n" + body)

    # Where nothing can be kept it is only slower.
    with contextlib.suppress(assets.Missing):
        assets.keep(name, write)
    return sentences


def word_signs() -> dict[str, float]:
    """How positive or negative people find a word: the mean of ten ratings from −4 to 4.

    Only plain words: lower-case letters from a to z. The lexicon also rates emoticons, and before its words it lists
    the abbreviations of chats, among them ``hand`` for *have a nice day*; both parts are left out.

    Returns:
        7,040 words with their mean rating, never 0; 3,061 are positive.

    Raises:
        Missing: the lexicon is not on this machine and cannot be fetched; the sentence says what to do.

    Source:
        Hutto & Gilbert (2014), VADER: A parsimonious rule-based model for sentiment analysis of social media text.
    """
    lines = (assets.path("word-signs") / "vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line.strip()]
    first = next(place for place, row in enumerate(rows) if row[0] == "abandon")
    return {word: float(mean) for word, mean, *_ in rows[first:] if re.fullmatch("[a-z]+", word)}
