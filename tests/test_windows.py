"""Windows agree with plain loops, and the counts' formulas with gensim's own numbers."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor

from course_utils.text import PAD, Vocabulary
from course_utils.windows import Stream, cbow_windows, keep_probability, noise_distribution, skipgram_pairs, stream

LETTERS = "abcdefghijklmnop"


def some_sentences(seed: int) -> list[list[str]]:
    """Up to 12 sentences of 0 to 9 words; some hold a word twice, or only one."""
    draw = random.Random(seed)
    return [draw.choices(LETTERS, k=draw.choice([0, 1, 1, 2, 3, 5, 9])) for _ in range(draw.randint(1, 12))]


def known(sentences: list[list[str]], vocabulary: Vocabulary) -> list[list[int]]:
    return [[vocabulary.numbers[word] for word in sentence if word in vocabulary] for sentence in sentences]


def pairs_in_loops(sentences: list[list[int]], window: int) -> list[tuple[int, int]]:
    found = []
    for sentence in sentences:
        for i, centre in enumerate(sentence):
            found += [
                (centre, sentence[j]) for j in range(i - window, i + window + 1) if j != i and 0 <= j < len(sentence)
            ]
    return found


def windows_in_loops(sentences: list[list[int]], window: int, *, drop: bool) -> list[tuple[list[int], int]]:
    found = []
    for sentence in sentences:
        for i, target in enumerate(sentence):
            places = [j for j in range(i - window, i + window + 1) if j != i]
            row = [sentence[j] if 0 <= j < len(sentence) else PAD for j in places]
            empty = row.count(PAD)
            if (empty == 0) if drop else (empty < len(row)):
                found.append((row, target))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_pairs_and_windows_agree_with_loops(seed: int) -> None:
    sentences = some_sentences(seed)
    vocabulary = Vocabulary(sentences or [["a"]], size=1 + seed % 16)
    row, numbers = stream(sentences, vocabulary), known(sentences, vocabulary)
    assert row.words.tolist() == [number for sentence in numbers for number in sentence]
    assert row.sentence.tolist() == [place for place, sentence in enumerate(numbers) for _ in sentence]
    assert (row.words.dtype, row.sentence.dtype) == (torch.int64, torch.int64)
    for window in (1, 2, 5, 12):
        centres, contexts = skipgram_pairs(row, window=window)
        assert list(zip(centres.tolist(), contexts.tolist())) == pairs_in_loops(numbers, window)
        for drop in (False, True):
            rows, targets = cbow_windows(row, window=window, drop=drop)
            assert rows.shape == (len(targets), 2 * window)
            assert list(zip(rows.tolist(), targets.tolist())) == windows_in_loops(numbers, window, drop=drop)


def test_the_number_of_pairs_of_one_sentence() -> None:
    """L words with a window w: every word has 2w neighbours, but w (w + 1) of them would lie outside."""
    for length in range(1, 12):
        row = Stream(torch.arange(2, 2 + length), torch.zeros(length, dtype=torch.int64))
        for window in range(1, length):
            assert len(skipgram_pairs(row, window=window)[0]) == 2 * window * length - window * (window + 1)


def test_drawn_reaches_are_uniform() -> None:
    """In one long sentence of different words a pair tells how far apart its words are."""
    n, window = 40_000, 4
    row = Stream(torch.arange(n), torch.zeros(n, dtype=torch.int64))
    generator = torch.Generator().manual_seed(0)
    centres, contexts = skipgram_pairs(row, window=window, generator=generator)
    distances = (centres - contexts).abs().bincount(minlength=window + 1)
    # A neighbour d places away counts if the reach is d or more: (window + 1 − d) of the window's reaches.
    for distance in range(1, window + 1):
        share = (window + 1 - distance) / window
        error = (share * (1 - share) / n) ** 0.5
        assert distances[distance].item() / (2 * n) == pytest.approx(share, abs=4 * error + 1e-3)
    # Both sides of a centre share its reach, and each centre's pairs are those of one reach.
    places, counts = centres.unique(return_counts=True)
    inner = (places >= window) & (places < n - window)
    assert set(counts[inner].tolist()) == {2, 4, 6, 8}
    assert torch.equal(skipgram_pairs(row, window=window, generator=torch.Generator().manual_seed(0))[1], contexts)
    rows, targets = cbow_windows(
        Stream(row.words + 2, row.sentence), window=window, generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal((rows != PAD).sum(1), counts)
    assert torch.equal(targets - 2, places)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: skipgram_pairs(row, window=0), r"window is 0; expected 1 or more"),
        (lambda row: skipgram_pairs(Stream(row.words, row.sentence[1:]), window=1), r"expected one shape \(n,\)"),
        (lambda row: cbow_windows(Stream(row.words * 0, row.sentence), window=1), r"stream holds the number 0"),
        (
            lambda row: cbow_windows(row, window=1, drop=True, generator=torch.Generator()),
            r"drop and generator are both given",
        ),
        (lambda row: keep_probability(row.words, sample=-1), r"sample is -1"),
        (lambda row: keep_probability(-row.words, sample=1), r"expected \(V,\) numbers of 0 or more"),
        (lambda row: noise_distribution(row.words * 0), r"counts are all 0"),
        (lambda row: noise_distribution(row.words[None]), r"counts are \(1, 3\)"),
    ],
)
def test_refusals(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        change(Stream(torch.tensor([2, 3, 4]), torch.tensor([0, 0, 1])))


def skewed(seed: int, words: int) -> Tensor:
    """Counts like those of a text, with ties and with one word that never occurs."""
    draw = np.random.default_rng(seed)
    return torch.tensor(np.append(draw.zipf(1.3, words).clip(1, 100_000), 0))


@pytest.mark.parametrize("sample", [1e-5, 1e-3, 1e-2, 0])
def test_keep_probability_is_gensims(sample: float) -> None:
    from gensim.models import Word2Vec

    counts = skewed(0, 300)
    theirs = Word2Vec(vector_size=2, min_count=1, sample=sample, workers=1)
    theirs.build_vocab_from_freq({str(word): int(count) for word, count in enumerate(counts) if count})
    ours = keep_probability(counts, sample=sample)
    # gensim rounds to a 32-bit number.
    for word in range(300):
        assert ours[word].item() == pytest.approx(
            theirs.wv.get_vecattr(str(word), "sample_int") / (2**32 - 1), abs=1e-8
        )
    assert ours[300] == 1
    assert sample == 0 or bool((ours < 1).any())


@pytest.mark.parametrize("power", [0.75, 0, 1, -0.5])
def test_noise_is_gensims(power: float) -> None:
    from gensim.models import Word2Vec

    counts = skewed(1, 300)
    theirs = Word2Vec(vector_size=2, min_count=1, ns_exponent=power, workers=1)
    theirs.build_vocab_from_freq({str(word): int(count) for word, count in enumerate(counts) if count})
    edges = np.diff(theirs.cum_table.astype(np.float64), prepend=0) / (2**31 - 1)
    expected = dict(zip(theirs.wv.index_to_key, edges))
    ours = noise_distribution(counts, power=power)
    for word in range(300):
        assert ours[word].item() == pytest.approx(expected[str(word)], abs=2**-30)
    assert ours[300] == 0
    assert ours.sum().item() == pytest.approx(1)
