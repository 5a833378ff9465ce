"""From sentences to training examples of word2vec: who stands near whom, and how often which word is taken.

Lesson 06 builds these by hand.

Example:
    >>> from course_utils.text import Vocabulary
    >>> sentences = [["the", "cat", "sat"], ["the", "dog"]]
    >>> vocabulary = Vocabulary(sentences, size=4)
    >>> centres, contexts = skipgram_pairs(stream(sentences, vocabulary), window=1)
    >>> [(vocabulary.words[a], vocabulary.words[b]) for a, b in zip(centres, contexts)][:3]
    [('the', 'cat'), ('cat', 'the'), ('cat', 'sat')]
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils.text import PAD, Vocabulary


class Stream(NamedTuple):
    """The words of many sentences, one after the other.

    Attributes:
        words: each word's number in the vocabulary, (n,) int64.
        sentence: which sentence the word stands in, (n,) int64, never falling.
    """

    words: Tensor
    sentence: Tensor


def stream(sentences: Sequence[Sequence[str]], vocabulary: Vocabulary) -> Stream:
    """Turn sentences into one long row of word numbers.

    Words that the vocabulary does not hold are left out first, as gensim does: their neighbours move together.

    Args:
        sentences: each a list of words; it may be empty.
        vocabulary: numbers the words.

    Returns:
        The n known words, and the place in ``sentences`` of the one that each stands in.
    """
    known = [[number for number in map(vocabulary.numbers.get, sentence) if number] for sentence in sentences]
    lengths = torch.tensor(list(map(len, known)), dtype=torch.int64)
    words = torch.tensor(list(chain.from_iterable(known)), dtype=torch.int64)  # (n,)
    return Stream(words, torch.arange(len(known)).repeat_interleave(lengths))


def neighbours(stream: Stream, window: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """The places to the left and right of each word, the leftmost first, and which of them belong to its window.

    Args:
        stream: n words.
        window: how many places to each side at most.
        generator: draws each word's own reach from 1…window; none: all reach ``window`` far.

    Returns:
        Places, (n, 2·window) int64, made to lie inside the stream; whether each counts, (n, 2·window) bool.

    Raises:
        ValueError: the window is below 1, or words and sentences do not have one shape (n,).
    """
    words, sentence = stream
    if window < 1:
        raise ValueError(f"window is {window}; expected 1 or more")
    if words.dim() != 1 or words.shape != sentence.shape:
        raise ValueError(
            f"stream has words {tuple(words.shape)} and sentence {tuple(sentence.shape)}; expected one shape (n,)"
        )
    n = len(words)
    offsets = torch.cat([torch.arange(-window, 0), torch.arange(1, window + 1)])  # (2·window,)
    places = torch.arange(n)[:, None] + offsets  # (n, 2·window)
    inside = (places >= 0) & (places < n)
    places = places.clamp(0, max(n - 1, 0))
    counts = inside & (sentence[places] == sentence[:, None])
    if generator is not None:
        reach = torch.randint(1, window + 1, (n, 1), generator=generator)
        counts &= offsets.abs() <= reach
    return places, counts


def skipgram_pairs(stream: Stream, *, window: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Each word with each word near it in the same sentence.

    Args:
        stream: n words.
        window: how many places to each side at most, 1 or more.
        generator: given, each centre draws its own reach from 1…window, as word2vec does, so that near words count
            more often than far ones; none: every centre reaches ``window`` far.

    Returns:
        Centres and contexts, (m,) int64 each: in the order of the centres, each centre's contexts from left to right.

    Raises:
        ValueError: the window is below 1, or the stream's parts do not have one shape.

    Source:
        Mikolov, Chen, Corrado & Dean (2013), Efficient estimation of word representations in vector space.
    """
    places, counts = neighbours(stream, window, generator)
    centres = stream.words[:, None].expand(-1, 2 * window)
    return centres[counts], stream.words[places[counts]]


def cbow_windows(
    stream: Stream, *, window: int, drop: bool = False, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Each word with the row of the words around it.

    A word that stands alone in its sentence has no context and gives no row.

    Args:
        stream: n words, none of them `PAD`.
        window: how many places to each side at most, 1 or more.
        drop: keep only full windows: those with ``window`` words on each side.
        generator: given, each word draws its own reach from 1…window; none: every word reaches ``window`` far.

    Returns:
        Contexts, (m, 2·window) int64, each word at its own place, `PAD` where there is none; targets, (m,) int64.

    Raises:
        ValueError: the window is below 1, the stream's parts do not have one shape or hold `PAD`, or both ``drop``
            and a generator are given.
    """
    if drop and generator is not None:
        raise ValueError("drop and generator are both given; expected one: a window with a drawn reach is rarely full")
    if bool((stream.words == PAD).any()):
        raise ValueError(f"stream holds the number {PAD}, which stands for an empty place; expected words only")
    places, counts = neighbours(stream, window, generator)
    kept = counts.all(1) if drop else counts.any(1)  # (n,)
    contexts = torch.where(counts, stream.words[places], PAD)  # (n, 2·window)
    return contexts[kept], stream.words[kept]


def keep_probability(counts: Tensor, *, sample: float) -> Tensor:
    """How often a word stays when frequent words are thinned out before training.

    Args:
        counts: how often each word occurs, (V,).
        sample: a word whose share of all words is this or less always stays; 0: every word stays.

    Returns:
        (V,) float64, 0…1: (√(f/s) + 1) · s/f of a word with the share f; 1 for a word that does not occur.

    Raises:
        ValueError: sample or a count is negative.

    Source:
        word2vec's and gensim's code; Mikolov et al. (2013), Distributed representations of words and phrases, has
        another formula, 1 − √(s/f) for leaving out.
    """
    counts = checked(counts)
    if not sample >= 0:
        raise ValueError(f"sample is {sample}; expected 0 or more")
    if sample == 0:
        return torch.ones_like(counts)
    ratio = sample * counts.sum() / counts  # s/f; infinite for a word that does not occur
    return torch.where(counts > 0, ratio + ratio.sqrt(), 1.0).clamp(max=1)


def noise_distribution(counts: Tensor, *, power: float = 0.75) -> Tensor:
    """How often each word is drawn as a negative.

    Args:
        counts: how often each word occurs, (V,); at least one is not 0.
        power: 1 draws words as often as they occur, 0 draws all that occur equally often.

    Returns:
        (V,) float64, sums to 1; 0 for a word that does not occur.

    Raises:
        ValueError: a count is negative, or all are 0.

    Source:
        Mikolov et al. (2013), Distributed representations of words and phrases and their compositionality, section 2.2.
    """
    counts = checked(counts)
    if not bool(counts.any()):
        raise ValueError("counts are all 0; expected at least one word that occurs")
    weights = torch.where(counts > 0, counts**power, 0.0)
    return weights / weights.sum()


def checked(counts: Tensor) -> Tensor:
    """Counts as float64, (V,); refuses others."""
    if counts.dim() != 1 or not bool((counts >= 0).all()):
        raise ValueError(f"counts are {tuple(counts.shape)}; expected (V,) numbers of 0 or more")
    return counts.double()
