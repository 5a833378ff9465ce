"""Negative sampling by hand agrees with autograd and keeps up with gensim; vectors answer as gensim's do."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from course_utils import word2vec, word_scores
from course_utils.data import text
from course_utils.negative_sampling import BLOCK, SHARED, Batch, Batches, Gradients, Table, window_patterns
from course_utils.text import Vocabulary
from course_utils.windows import Stream, cbow_windows, keep_probability, noise_distribution, skipgram_pairs, stream
from course_utils.word2vec import CBOW, SkipGram, WordVectors, train


def some_stream(seed: int, *, words: int = 30, n: int = 100, longest: int = 50) -> Stream:
    """Random words in sentences of 1 to ``longest`` words."""
    draw = random.Random(seed)
    lengths = [draw.randint(1, longest) for _ in range(n)]
    sentence = torch.arange(n).repeat_interleave(torch.tensor(lengths))[:n]
    return Stream(torch.randint(2, words, (n,), generator=torch.Generator().manual_seed(seed)), sentence)


def some_batches(row: Stream, *, window: int, batch: int = 48, words: int = 30, seed: int = 0, **more) -> Batches:
    counts = row.words.bincount(minlength=words)
    options = {"keep": keep_probability(counts, sample=0), "noise": noise_distribution(counts), **more}
    generator = torch.Generator().manual_seed(seed)
    return Batches(row, window=window, batch=batch, generator=generator, **options)


def windows_of(batch: Batch, side: int) -> list[tuple[int, list[int], list[int]]]:
    """The centre, the contexts and the negatives of each place of a batch."""
    found = []
    for place, code in enumerate(batch.windows.tolist()):
        at, reach = divmod(code, (side + 1) ** 2)
        left, right = divmod(reach, side + 1)
        assert at == place % BLOCK
        around = batch.words[side + place - left : side + place + right + 1].tolist()
        centre = around.pop(left)
        block = place // BLOCK
        assert batch.contexts.flatten()[place] == len(around)
        found.append((centre, around, batch.negatives[block * SHARED : (block + 1) * SHARED].tolist()))
    return found


def loss_in_loops(inner: Tensor, outer: Tensor, batch: Batch, side: int, negatives: float, model: str) -> Tensor:
    """What negative sampling minimises: −log σ(s) is softplus(−s)."""
    loss = inner.new_zeros(())
    for centre, contexts, drawn in windows_of(batch, side):
        if model == "skip-gram":
            examples = [(inner[centre], outer[context]) for context in contexts]
        else:
            examples = [(inner[contexts].mean(0), outer[centre])] if contexts else []
        for hidden, target in examples:
            loss = loss + softplus(-hidden @ target)
            loss = loss + negatives / SHARED * softplus(outer[drawn] @ hidden).sum()
    return loss


@pytest.mark.parametrize("model", ["skip-gram", "cbow"])
@pytest.mark.parametrize(("window", "longest"), [(1, 50), (3, 4), (5, 20), (10, 50), (20, 50), (5, 2)])
def test_gradients_are_autograds(model: str, window: int, longest: int) -> None:
    row = some_stream(window, longest=longest)
    batches = some_batches(row, window=window)
    generator = torch.Generator().manual_seed(1)
    inner, outer = torch.randn(2, 30, 7, generator=generator, dtype=torch.float64)
    ours = Gradients(inner, outer, side=batches.side, negatives=5)
    assert batches.side == min(window, int(row.sentence.bincount().max()) - 1)
    count = 0
    # The second epoch writes to memory that the first has used.
    for batch in itertools.chain(batches, batches):
        leaves = inner.clone().requires_grad_(), outer.clone().requires_grad_()
        loss = loss_in_loops(*leaves, batch, batches.side, 5, model)
        expected = torch.autograd.grad(loss, leaves)
        for (rows, gradient), theirs in zip(getattr(ours, model.replace("-", "_"))(batch), expected):
            total = torch.zeros_like(theirs).index_add_(0, rows, gradient)
            assert torch.allclose(total, theirs, rtol=1e-10, atol=1e-12)
            assert theirs.abs().max() > 0.1
        count += 1
    assert count == 2 * math.ceil(100 / 48)


def test_an_epoch_holds_every_pair_once() -> None:
    """With a window of 1 nothing is drawn: the pairs are those of the plain function, over all borders of blocks."""
    for seed in range(5):
        row = some_stream(seed)
        found = [
            (centre, context)
            for batch in some_batches(row, window=1)
            for centre, contexts, _ in windows_of(batch, 1)
            for context in contexts
        ]
        centres, contexts = skipgram_pairs(row, window=1)
        assert found == list(zip(centres.tolist(), contexts.tolist()))


def test_an_epochs_reaches_are_drawn_uniformly_and_stay_in_the_sentence() -> None:
    n, window = 40_000, 4
    row = Stream(torch.full((n,), 2), torch.zeros(n, dtype=torch.int64))
    counts = torch.cat([batch.contexts.flatten() for batch in some_batches(row, window=window, batch=1024)])
    assert counts[n:].sum() == 0
    shares = counts[window : n - window].long().bincount(minlength=9) / (n - 2 * window)
    assert shares[[1, 3, 5, 7]].sum() == 0
    assert shares[[2, 4, 6, 8]].tolist() == pytest.approx([0.25] * 4, abs=4 * (0.25 * 0.75 / n) ** 0.5)
    short = Stream(row.words[:99], torch.arange(33).repeat_interleave(3))
    for batch in some_batches(short, window=9):
        assert set(batch.contexts.flatten()[:48].tolist()) <= {0, 1, 2}


def test_words_are_thinned_and_negatives_drawn_as_told() -> None:
    counts = torch.tensor([0, 0, 60_000, 30_000, 9_000, 1_000])
    words = torch.arange(6).repeat_interleave(counts)[
        torch.randperm(100_000, generator=torch.Generator().manual_seed(0))
    ]
    row = Stream(words, torch.zeros(100_000, dtype=torch.int64))
    keep, noise = keep_probability(counts, sample=0.05), noise_distribution(counts)
    (batch,) = some_batches(row, window=1, batch=100_000, words=6, keep=keep, noise=noise)
    stayed, drawn = batch.words.bincount(minlength=6)[2:], batch.negatives.bincount(minlength=6) / 100_000
    for n, p, found in zip(counts[2:], keep[2:], stayed):
        assert found.item() == pytest.approx((n * p).item(), abs=4 * (n * p * (1 - p)).sqrt().item() + 1e-9)
    assert drawn[:2].sum() == 0
    for p, found in zip(noise, drawn):
        assert found.item() == pytest.approx(p.item(), abs=4 * (p * (1 - p) / 100_000).sqrt().item() + 2e-6)


def test_patterns_of_windows() -> None:
    side = 2
    patterns = window_patterns(side)
    assert patterns.shape == (BLOCK * 9, BLOCK + 4)
    for place, left, right in itertools.product((0, 7, BLOCK - 1), range(3), range(3)):
        columns = patterns[(place * 3 + left) * 3 + right].nonzero()[:, 0] - side
        expected = [*range(place - left, place), *range(place + 1, place + right + 1)]
        assert columns.tolist() == expected


def test_a_table_steps_as_adagrad_with_one_number_a_row() -> None:
    vectors = torch.zeros(4, 3)
    table = Table(vectors, rate=0.5)
    table.step(torch.tensor([1]), torch.tensor([[3.0, 0, 4]]))
    assert torch.allclose(vectors[1], torch.tensor([-0.3, 0, -0.4]))  # of length 0.5, whatever the gradient's
    table.step(torch.tensor([1, 2, 1]), torch.tensor([[0.0, 5, 0], [1, 0, 0], [0, 5, 0]]))
    # Three gradients of length 5 so far: each of the two steps has the length 0.5 / √3.
    assert torch.allclose(vectors[1], torch.tensor([-0.3, -2 * 0.5 / 3**0.5, -0.4]))
    assert torch.allclose(vectors[2], torch.tensor([-0.5, 0, 0]))
    table.step(torch.tensor([0]), torch.zeros(1, 3))
    assert bool((vectors[[0, 3]] == 0).all())


@pytest.fixture(scope="module")
def everyday() -> tuple[list[list[str]], Vocabulary, Stream]:
    """30,000 sentences, 1,000 words."""
    sentences = random.Random(0).sample(text.everyday_words(), 30_000)
    vocabulary = Vocabulary(sentences, size=1000)
    return sentences, vocabulary, stream(sentences, vocabulary)


@pytest.mark.parametrize("model", ["skip-gram", "cbow"])
def test_as_good_as_gensim_after_as_many_epochs(everyday, model: str) -> None:
    from gensim.models import Word2Vec

    """With a rate for gensim that suits so small a corpus; with its default it would learn next to nothing."""
    sentences, vocabulary, row = everyday
    names = vocabulary.words[2:]
    ours, theirs = [], []
    for seed in (1, 2):
        vectors = train(row, vocabulary.words, model=model, epochs=2, seed=seed)
        assert vectors.words == names
        options = {"window": 5, "negative": 5, "sample": 1e-3, "sg": int(model == "skip-gram"), "workers": 1}
        other = Word2Vec(vector_size=64, max_final_vocab=1000, min_count=1, alpha=0.15, seed=seed, **options)
        other.build_vocab(sentences)
        other.train(sentences, total_examples=other.corpus_count, epochs=2)
        kept = [name for name in names if name in other.wv]
        ours.append(word_scores.category_score(WordVectors(kept, torch.stack([vectors[name] for name in kept]))).share)
        theirs.append(word_scores.category_score(WordVectors(kept, torch.tensor(other.wv[kept]))).share)
    assert len(kept) > 900
    assert np.mean(ours) > np.mean(theirs)


@pytest.mark.parametrize("model", ["skip-gram", "cbow"])
@pytest.mark.parametrize(
    "options",
    [
        {"width": 2},
        {"width": 256},
        {"window": 1},
        {"window": 20},
        {"batch": 16},
        {"batch": 16_384},
        {"negatives": 1},
        {"negatives": 50},
        {"sample": 0},
        {"sample": 1e-5},
    ],
    ids=str,
)
def test_nothing_diverges(everyday, model: str, options: dict) -> None:
    _, vocabulary, row = everyday
    part = Stream(row.words[:40_000], row.sentence[:40_000])
    vectors = train(part, vocabulary.words, model=model, epochs=2, **options)
    lengths = vectors.vectors.norm(dim=1)
    assert bool(lengths.isfinite().all())
    assert 0 < lengths.max() < 25


def test_film_snippets_work_too() -> None:
    from course_utils.text import words

    sentences = [words(sentence) for sentence in text.film_snippets(margin=0).texts]
    vocabulary = Vocabulary(sentences, size=4000)
    for model in ("skip-gram", "cbow"):
        vectors = train(stream(sentences, vocabulary), vocabulary.words, model=model, epochs=5)
        share, chance, n = word_scores.category_score(vectors)
        assert share > chance + 3 * (chance / n) ** 0.5


def test_a_seed_repeats_and_epochs_are_those_of_a_shorter_training(everyday) -> None:
    _, vocabulary, row = everyday
    part = Stream(row.words[:20_000], row.sentence[:20_000])
    seen: list[tuple[int, WordVectors]] = []
    threads = torch.get_num_threads()
    long = train(part, vocabulary.words, width=8, epochs=3, seed=4, on_epoch=lambda *what: seen.append(what))
    assert torch.get_num_threads() == threads
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert torch.equal(seen[2][1].vectors, long.vectors)
    state = torch.random.get_rng_state()
    assert torch.equal(train(part, vocabulary.words, width=8, epochs=2, seed=4).vectors, seen[1][1].vectors)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.equal(train(part, vocabulary.words, width=8, epochs=2, seed=5).vectors, seen[1][1].vectors)
    # Words that do not occur have no vector.
    occur = set(part.words.tolist())
    assert long.words == [word for number, word in enumerate(vocabulary.words) if number in occur]
    assert "<pad>" not in long


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "glove"}, r"model is 'glove'; expected 'skip-gram' or 'cbow'"),
        ({"width": 0}, "width is 0; expected 1 or more"),
        ({"window": 0}, "window is 0"),
        ({"negatives": 0}, "negatives is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"rate": 0}, "rate is 0; expected more than 0"),
        ({"sample": -1}, "sample is -1"),
        ({"words": ["a", "b"]}, "numbers 0 to 2; expected places in the 2 words"),
        ({"stream": Stream(torch.arange(3), torch.arange(3))}, "no two words in one sentence"),
        ({"stream": Stream(torch.arange(0), torch.arange(0))}, "no two words in one sentence"),
        ({"stream": Stream(torch.arange(3), torch.tensor([1, 1, 0]))}, "sentences that fall"),
        ({"stream": Stream(torch.arange(3), torch.arange(2))}, r"expected one shape \(n,\)"),
    ],
    ids=str,
)
def test_training_refuses(change: dict, message: str) -> None:
    given = {"stream": Stream(torch.arange(3), torch.zeros(3, dtype=torch.int64)), "words": list("abc"), **change}
    with pytest.raises(ValueError, match=message):
        train(given.pop("stream"), given.pop("words"), **given)


# The models with a full softmax


def test_models_with_a_full_softmax_are_two_matrices() -> None:
    torch.manual_seed(0)
    cbow, skip = CBOW(9, 4), SkipGram(9, 4)
    for model in (cbow, skip):
        assert {name: tuple(value.shape) for name, value in model.named_parameters()} == {
            "inner.weight": (9, 4),
            "outer.weight": (9, 4),
        }
    contexts = torch.tensor([[3, 0, 0, 5], [2, 2, 7, 8], [0, 0, 0, 0]])
    first, second = cbow.inner.weight, cbow.outer.weight
    expected = torch.stack([(first[3] + first[5]) / 2, (2 * first[2] + first[7] + first[8]) / 4, first[0] * 0])
    assert torch.allclose(cbow(contexts), expected @ second.T)
    cbow(contexts).sum().backward()
    assert bool((first.grad[0] == 0).all())
    assert torch.allclose(skip(torch.tensor([4, 0])), skip.inner.weight[[4, 0]] @ skip.outer.weight.T)
    # Another number for the empty place; what its row holds does not count.
    other = CBOW(9, 4, padding=8)
    before = other(torch.tensor([[1, 8, 0]]))
    with torch.no_grad():
        other.inner.weight[8] = 100
    assert torch.equal(other(torch.tensor([[1, 8, 0]])), before)


def test_an_activation_comes_between_the_layers() -> None:
    torch.manual_seed(0)
    plain, bent = SkipGram(9, 4), SkipGram(9, 4, activation=torch.tanh)
    bent.load_state_dict(plain.state_dict())
    words = torch.arange(9)
    assert torch.allclose(bent(words), plain.inner.weight.tanh() @ plain.outer.weight.T)
    rectified = CBOW(9, 4, activation=torch.relu)
    contexts = torch.tensor([[1, 2]])
    hidden = rectified.inner.weight[[1, 2]].mean(0).relu()
    assert torch.allclose(rectified(contexts)[0], rectified.outer.weight @ hidden)


@pytest.mark.parametrize("model", ["skip-gram", "cbow"])
def test_full_softmax_learns_classes(model: str) -> None:
    """Animals do one thing, tools another: words of a class have the same neighbours and end near each other."""
    draw = random.Random(0)
    classes = {"animal": ["cat", "dog", "cow"], "tool": ["saw", "axe", "pen"]}
    verbs = {"animal": ["eats", "sleeps"], "tool": ["cuts", "breaks"]}
    kinds = draw.choices(list(classes), k=400)
    sentences = [[draw.choice(classes[kind]), draw.choice(verbs[kind])] for kind in kinds]
    vocabulary = Vocabulary(sentences, size=20)
    torch.manual_seed(0)
    row = stream(sentences, vocabulary)
    if model == "cbow":
        net, (x, y) = CBOW(len(vocabulary), 8), cbow_windows(row, window=1)
    else:
        net, (x, y) = SkipGram(len(vocabulary), 8), skipgram_pairs(row, window=1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # Half of the words follow each word, equally often: log 2 or log 3 is what cannot be known.
    assert losses[-1] < (math.log(2) + math.log(3)) / 2 + 0.05
    vectors = WordVectors(vocabulary.words, net.inner.weight.detach())
    for word, others in (("cat", {"dog", "cow"}), ("axe", {"saw", "pen"})):
        assert {name for name, _ in vectors.neighbours(word, 2)} == others


# Word vectors


@pytest.fixture(scope="module")
def twins():
    """The same random vectors here and in gensim."""
    from gensim.models import KeyedVectors

    names = [f"w{number}" for number in range(200)]
    matrix = np.random.default_rng(0).normal(size=(200, 12)).astype(np.float32)
    theirs = KeyedVectors(12)
    theirs.add_vectors(names, matrix)
    return WordVectors(names, torch.tensor(matrix)), theirs


def assert_same(ours: list[tuple[str, float]], theirs: list[tuple[str, float]]) -> None:
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    assert [cosine for _, cosine in ours] == pytest.approx([cosine for _, cosine in theirs], abs=1e-5)


def test_answers_are_gensims(twins) -> None:
    ours, theirs = twins
    draw = random.Random(0)
    for _ in range(20):
        a, b, c = draw.sample(ours.words, 3)
        assert ours.similarity(a, b) == pytest.approx(theirs.similarity(a, b), abs=1e-6)
        assert_same(ours.neighbours(a, 7), theirs.most_similar(a, topn=7))
        assert_same(ours.analogy(a, b, c, 5), theirs.most_similar(positive=[b, c], negative=[a], topn=5))
        free = ours.analogy(a, b, c, 200, leave_out=False)
        assert len(free) == 200
        best = next(answer for answer in free if answer[0] not in (a, b, c))
        assert best[0] == ours.analogy(a, b, c, 1)[0][0]
    assert len(ours.neighbours("w3", 1000)) == 199


def test_vectors_are_a_small_dictionary(twins) -> None:
    ours, theirs = twins
    assert len(ours) == 200
    assert "w7" in ours
    assert "w200" not in ours
    assert torch.equal(ours["w7"], torch.tensor(theirs["w7"]))
    assert repr(ours) == "WordVectors(200 words, width 12)"
    with pytest.raises(KeyError, match="'w200' has no vector: it is not among these 200 words"):
        ours.neighbours("w200")
    with pytest.raises(ValueError, match="k is 0"):
        ours.neighbours("w1", 0)
    with pytest.raises(ValueError, match=r"2 words and vectors of shape \(3, 1\)"):
        WordVectors(["a", "b"], torch.zeros(3, 1))
    with pytest.raises(ValueError, match="holds a word twice"):
        WordVectors(["a", "a"], torch.zeros(2, 1))
    still = WordVectors(["zero", "one"], torch.tensor([[0.0, 0], [1, 0]]))
    assert still.similarity("zero", "one") == 0


def test_the_text_format_goes_to_gensim_and_comes_back_exactly(twins, tmp_path) -> None:
    from gensim.models import KeyedVectors

    ours, _ = twins
    ours.save_text(tmp_path / "vectors.txt")
    read = KeyedVectors.load_word2vec_format(str(tmp_path / "vectors.txt"))
    assert read.index_to_key == ours.words
    assert np.array_equal(read.vectors, ours.vectors.numpy())
    with pytest.raises(ValueError, match="words holds 'a b'; expected words without blanks"):
        WordVectors(["a b"], torch.zeros(1, 1)).save_text(tmp_path / "other.txt")
    assert not (tmp_path / "other.txt").exists()


def test_the_benchmark_measures_both(monkeypatch) -> None:
    sentences = random.Random(1).sample(text.everyday_words(), 5000)
    monkeypatch.setattr(text, "everyday_words", lambda: sentences)
    found = word2vec.benchmark(epochs=1, seeds=(1, 2))
    assert list(found) == ["skip-gram", "cbow"]
    for measured in found.values():
        assert measured.ratio > 0
        assert all(speed > 0 for speed in measured.speeds)
        for scores in (*measured.categories, *measured.synonyms):
            assert len(scores) == 2
            assert all(0 < score < 1 for score in scores)
    assert torch.get_num_threads() == 1
    assert Counter(len(sentence) for sentence in sentences)[0] == 0
