"""word2vec: CBOW and skip-gram, with a full softmax to read and with negative sampling to use.

Lesson 06 builds all of this by hand.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils.negative_sampling import BLOCK, Batches, Gradients, Table
from course_utils.text import PAD, Vocabulary
from course_utils.windows import Stream, keep_probability, noise_distribution, stream
from course_utils.word_vectors import WordVectors

__all__ = ["CBOW", "Comparison", "SkipGram", "WordVectors", "benchmark", "train"]

MODELS = ("skip-gram", "cbow")
Activation = Callable[[Tensor], Tensor]


class CBOW(nn.Module):
    """Guess a word from the mean of the vectors around it: logits for every word of the vocabulary.

    Args:
        words: how many numbers the vocabulary has, V.
        width: how many numbers a word's vector has.
        padding: the number of an empty place; it takes no part in the mean.
        activation: what comes between the two layers; none in word2vec.

    Source:
        Mikolov, Chen, Corrado & Dean (2013), Efficient estimation of word representations in vector space.
    """

    def __init__(self, words: int, width: int, *, padding: int = PAD, activation: Activation | None = None) -> None:
        super().__init__()
        self.padding, self.activation = padding, activation
        self.inner = nn.Embedding(words, width, padding_idx=padding)
        self.outer = nn.Linear(width, words, bias=False)

    def forward(self, contexts: Tensor) -> Tensor:
        """Rows of context words, (N, 2·window), to logits, (N, V)."""
        there = (contexts != self.padding).unsqueeze(-1)  # (N, 2·window, 1)
        hidden = (self.inner(contexts) * there).sum(1) / there.sum(1).clamp(min=1)  # (N, width)
        return self.outer(hidden if self.activation is None else self.activation(hidden))


class SkipGram(nn.Module):
    """Guess the words around a word from its vector: logits for every word of the vocabulary.

    Args:
        words: how many numbers the vocabulary has, V.
        width: how many numbers a word's vector has.
        activation: what comes between the two layers; none in word2vec.

    Source:
        Mikolov, Chen, Corrado & Dean (2013), Efficient estimation of word representations in vector space.
    """

    def __init__(self, words: int, width: int, *, activation: Activation | None = None) -> None:
        super().__init__()
        self.activation = activation
        self.inner = nn.Embedding(words, width)
        self.outer = nn.Linear(width, words, bias=False)

    def forward(self, centres: Tensor) -> Tensor:
        """Centre words, (N,), to logits, (N, V)."""
        hidden = self.inner(centres)  # (N, width)
        return self.outer(hidden if self.activation is None else self.activation(hidden))


def train(
    stream: Stream,
    words: Sequence[str],
    *,
    model: str = "skip-gram",
    width: int = 64,
    window: int = 5,
    negatives: int = 5,
    sample: float = 1e-3,
    epochs: int = 5,
    seed: int = 0,
    batch: int = 1024,
    rate: float = 1.6,
    on_epoch: Callable[[int, WordVectors], None] | None = None,
) -> WordVectors:
    """Learn word vectors by negative sampling; `negative_sampling` says how, and why it is fast and stable.

    Args:
        stream: the corpus.
        words: the vocabulary's words, by number; the most frequent first, if scores are wanted.
        model: "skip-gram", which guesses each neighbour from the word, or "cbow", which guesses the word from the mean
            of its neighbours.
        width: how many numbers a vector has.
        window: each word draws its own reach from 1…window.
        negatives: how many negatives each positive example counts.
        sample: thins frequent words out, see `windows.keep_probability`.
        epochs: how often to go through the corpus.
        seed: of all that is drawn.
        batch: how many centres are treated at once; rounded up to a multiple of 16.
        rate: the length of a vector's first step. Later ones are shorter.
        on_epoch: called after each epoch with its number, from 1 on, and the vectors as they are.

    Returns:
        A vector for each word that occurs in the stream, in the order of ``words``.

    Raises:
        ValueError: an option is out of range, the stream does not fit the words, or no two words share a sentence.

    Source:
        Mikolov, Sutskever, Chen, Corrado & Dean (2013), Distributed representations of words and phrases and their
        compositionality.
    """
    check(stream, words, model)
    numbers = {"width": width, "window": window, "negatives": negatives, "epochs": epochs, "batch": batch}
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} is {number}; expected 1 or more")
    if not rate > 0:
        raise ValueError(f"rate is {rate}; expected more than 0")
    generator = torch.Generator().manual_seed(seed)
    counts = stream.words.bincount(minlength=len(words))  # (V,)
    batches = Batches(
        stream,
        keep=keep_probability(counts, sample=sample),
        noise=noise_distribution(counts),
        window=window,
        batch=-(-batch // BLOCK) * BLOCK,
        generator=generator,
    )
    inner = (torch.rand(len(words), width, generator=generator) - 0.5) / width  # (V, width)
    outer = torch.zeros(len(words), width)  # (V, width)
    tables = Table(inner, rate=rate), Table(outer, rate=rate)
    gradients = Gradients(inner, outer, side=batches.side, negatives=negatives)
    of_batch = gradients.skip_gram if model == "skip-gram" else gradients.cbow
    occur = counts > 0
    names = [word for word, there in zip(words, occur.tolist()) if there]
    for epoch in range(1, epochs + 1):
        for part in batches:
            for table, (rows, gradient) in zip(tables, of_batch(part)):
                table.step(rows, gradient)
        if on_epoch is not None:
            on_epoch(epoch, WordVectors(names, inner[occur]))
    return WordVectors(names, inner[occur])


def check(stream: Stream, words: Sequence[str], model: str) -> None:
    """Refuse what cannot be trained on.

    Raises:
        ValueError: see `train`.
    """
    if model not in MODELS:
        raise ValueError(f"model is {model!r}; expected 'skip-gram' or 'cbow'")
    numbers, sentence = stream
    if numbers.dim() != 1 or numbers.shape != sentence.shape:
        raise ValueError(
            f"stream has words {tuple(numbers.shape)} and sentence {tuple(sentence.shape)}; expected one shape (n,)"
        )
    if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < len(words):
        raise ValueError(
            f"stream has the numbers {int(numbers.min())} to {int(numbers.max())}; expected places in the "
            f"{len(words)} words"
        )
    if bool((sentence[1:] < sentence[:-1]).any()):
        raise ValueError("stream has sentences that fall; expected the words of sentence 0 first, then those of 1, …")
    if not bool((sentence[1:] == sentence[:-1]).any()):
        raise ValueError("stream has no two words in one sentence; expected some to learn from")


class Comparison(NamedTuple):
    """One model, trained here and by gensim with the same settings on the same sentences, once for each seed.

    Attributes:
        speeds: million words a CPU second, ours and gensim's, a median each; the words are counted before thinning.
        ratio: our CPU seconds divided by gensim's, the median over the seeds.
        categories: `word_scores.category_score` of each seed, ours and gensim's.
        synonyms: `word_scores.synonym_score` of each seed, ours and gensim's.
    """

    speeds: tuple[float, float]
    ratio: float
    categories: tuple[list[float], list[float]]
    synonyms: tuple[list[float], list[float]]


def benchmark(*, epochs: int = 3, seeds: Sequence[int] = (1, 2, 3)) -> dict[str, Comparison]:
    """Train on the everyday sentences, by turns here and with gensim, both on one thread.

    gensim has its defaults, among them a learning rate that falls from 0.025. That is slow for so small a corpus: with
    0.05 (skip-gram) or 0.1 (CBOW) its scores after five epochs are those of `train`; with 0.2 its CBOW falls apart.

    Args:
        epochs: of each training.
        seeds: as many repeats.

    Returns:
        A comparison for each model.

    Raises:
        Missing: the sentences or WordNet are not on this machine and cannot be fetched.
    """
    # What only the benchmark needs is loaded here.
    from gensim.models import Word2Vec

    from course_utils.data import text
    from course_utils.word_scores import category_score, synonym_score

    sentences = text.everyday_words()
    counts = Counter(word for sentence in sentences for word in sentence)
    vocabulary = Vocabulary(sentences, size=sum(count >= 5 for count in counts.values()))
    corpus = stream(sentences, vocabulary)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found: dict[str, Comparison] = {}
    try:
        for model in MODELS:
            seconds: tuple[list[float], list[float]] = ([], [])
            categories: tuple[list[float], list[float]] = ([], [])
            synonyms: tuple[list[float], list[float]] = ([], [])
            for seed in seeds:
                settings = {"window": 5, "negative": 5, "sample": 1e-3, "sg": int(model == "skip-gram"), "seed": seed}
                theirs = Word2Vec(vector_size=64, min_count=5, workers=1, **settings)
                theirs.build_vocab(sentences)
                start = time.process_time()
                vectors = train(corpus, vocabulary.words, model=model, epochs=epochs, seed=seed)
                middle = time.process_time()
                theirs.train(sentences, total_examples=theirs.corpus_count, epochs=epochs)
                end = time.process_time()
                # In our order: gensim puts words of equal frequency in another one, and a score takes the first ones.
                others = WordVectors(vectors.words, torch.from_numpy(theirs.wv[vectors.words]))
                for who, took, result in ((0, middle - start, vectors), (1, end - middle, others)):
                    seconds[who].append(took)
                    categories[who].append(category_score(result).share)
                    synonyms[who].append(synonym_score(result).share)
            million = counts.total() * epochs / 1e6
            ours, others_speed = (million / statistics.median(took) for took in seconds)
            ratio = statistics.median(a / b for a, b in zip(*seconds))
            found[model] = Comparison((ours, others_speed), ratio, categories, synonyms)
    finally:
        torch.set_num_threads(threads)
    return found
