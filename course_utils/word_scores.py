"""How good word vectors are, measured with a dictionary: do neighbours mean the same, are they things of one kind?

WordNet says which words mean the same (they share one of its entries, a synset) and of what kind a noun is: its authors
sorted all nouns into 25 files such as animal, food, feeling.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from typing import NamedTuple

from torch import Tensor

from course_utils import assets
from course_utils.word_vectors import WordVectors


class Score(NamedTuple):
    """A share, what vectors that know nothing would reach, and over how many words it was taken."""

    share: float
    chance: float
    n: int


@functools.cache
def dictionary() -> tuple[dict[str, frozenset[str]], dict[str, str]]:
    """What WordNet says about single words.

    Returns:
        The synonyms of each word that has any, and the kind of each word that is used as a noun most often: the file
        of its most frequent sense. The kind *Tops*, for the roots of the others, is left out.

    Raises:
        Missing: WordNet is not on this machine and cannot be fetched; the sentence says what to do.
    """
    folder = assets.path("wordnet") / "corpora" / "wordnet"
    names = dict(line.split("\t")[:2] for line in (folder / "lexnames").read_text(encoding="ascii").splitlines())
    entries: dict[tuple[str, str], set[str]] = defaultdict(set)
    uses: dict[str, Counter[str]] = defaultdict(Counter)
    kinds: dict[str, str] = {}
    # A line is such as: cat%1:05:00:: 02121620 1 18. Before the colons: 1 noun, 2 verb, 3 or 5 adjective, 4 adverb;
    # then the file; at the end the sense's rank among the word's senses and how often it occurred in a tagged text.
    for line in (folder / "index.sense").read_text(encoding="ascii").splitlines():
        key, place, rank, used = line.split(" ")
        word, _, where = key.partition("%")
        if not word.isalpha():
            continue
        kind, file, _ = where.split(":", 2)
        kind = kind.replace("5", "3")
        entries[kind, place].add(word)
        uses[word][kind] += int(used)
        if kind == "1" and rank == "1":
            kinds[word] = names[file].removeprefix("noun.")
    synonyms: dict[str, set[str]] = defaultdict(set)
    for group in entries.values():
        for word in group:
            synonyms[word] |= group
    return (
        {word: frozenset(group - {word}) for word, group in synonyms.items() if len(group) > 1},
        {word: kind for word, kind in kinds.items() if kind != "Tops" and uses[word]["1"] == max(uses[word].values())},
    )


def nearest(units: Tensor, k: int) -> Tensor:
    """The k nearest other rows of each row by cosine.

    Args:
        units: rows of length 1, (n, width).
        k: how many; at most n − 1.

    Returns:
        (n, k) int64, the nearest first.
    """
    cosines = units @ units.T  # (n, n)
    return cosines.fill_diagonal_(-2).topk(k, dim=1).indices


def synonym_score(vectors: WordVectors, *, k: int = 10, most: int = 3000) -> Score:
    """The share of words that have one of their synonyms among the k nearest words.

    Args:
        vectors: of n words, the most frequent first.
        k: how many neighbours count.
        most: only so many words take part, the most frequent ones; of these, those with a synonym among them count.

    Returns:
        The share, and what neighbours drawn at random would reach.

    Raises:
        ValueError: no word has a synonym.
        Missing: WordNet is not on this machine and cannot be fetched.
    """
    words = vectors.words[:most]
    places = {word: place for place, word in enumerate(words)}
    synonyms, _ = dictionary()
    wanted = {
        place: {places[other] for other in synonyms.get(word, ()) if other in places} for word, place in places.items()
    }
    wanted = {place: others for place, others in wanted.items() if others}
    if not wanted:
        raise ValueError(f"vectors hold {len(words)} words, none with a synonym among them; expected ordinary words")
    found = nearest(vectors.units[:most], min(k, len(words) - 1)).tolist()
    hits = sum(not others.isdisjoint(found[place]) for place, others in wanted.items())
    # A random set of k of the n − 1 other words misses all s synonyms with about this probability.
    missed = [(1 - len(others) / (len(words) - 1)) ** k for others in wanted.values()]
    return Score(hits / len(wanted), 1 - sum(missed) / len(missed), len(wanted))


def category_score(vectors: WordVectors, *, most: int = 3000) -> Score:
    """The share of nouns whose nearest noun is a thing of the same kind, such as animal, food or feeling.

    Args:
        vectors: of n words, the most frequent first.
        most: only so many words take part, the most frequent ones.

    Returns:
        The share, and what a neighbour drawn at random from the nouns would reach.

    Raises:
        ValueError: fewer than two words are nouns.
        Missing: WordNet is not on this machine and cannot be fetched.
    """
    _, kinds = dictionary()
    nouns = [place for place, word in enumerate(vectors.words[:most]) if word in kinds]
    if len(nouns) < 2:
        raise ValueError(f"vectors hold {len(nouns)} nouns; expected two or more")
    own = [kinds[vectors.words[place]] for place in nouns]
    found = nearest(vectors.units[nouns], 1)[:, 0].tolist()
    hits = sum(own[other] == kind for other, kind in zip(found, own))
    n = len(nouns)
    chance = sum(count * (count - 1) for count in Counter(own).values()) / (n * (n - 1))
    return Score(hits / n, chance, n)
