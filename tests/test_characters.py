"""Character language models: numbers for characters, counting, training in chunks, and writing."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.characters import (
    Alphabet,
    CharacterModel,
    chunks,
    detached,
    generate,
    measure,
    perplexity,
    plain,
    streams,
    train,
)
from course_utils.ngrams import END, NGram

SIZE = 5


def sentences(seed: int, count: int = 200) -> np.ndarray:
    """A text in which a character depends on the two before it; ends included."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(SIZE, 0.4), size=(SIZE, SIZE))
    text: list[int] = []
    for _ in range(count):
        a, b = END, END
        while True:
            a, b = b, int(rng.choice(SIZE, p=table[a, b]))
            text.append(b)
            if b == END or len(text) % 40 == 39:
                break
        if text[-1] != END:
            text.append(END)
    return np.array(text)


def slow_kneser_ney(text: list[int], order: int, size: int, before: list[int]) -> list[float]:
    """The same model in plain loops over dictionaries: for each next character, its probability after `before`."""

    def context(place: list[int], at: int, length: int) -> tuple[int, ...]:
        found: list[int] = []
        for back in range(1, length + 1):
            stop = at - back < 0 or place[at - back] == END or (found and found[0] == END)
            found.insert(0, END if stop else place[at - back])
        return tuple(found)

    grams: dict[int, collections.Counter[tuple[int, ...]]] = {
        order: collections.Counter((*context(text, at, order - 1), text[at]) for at in range(len(text)))
    }
    for n in range(order - 1, 0, -1):
        grams[n] = collections.Counter(gram[1:] for gram in grams[n + 1])
    p = [1 / size] * size
    for n in range(1, order + 1):
        once, twice = (sum(count == k for count in grams[n].values()) for k in (1, 2))
        discount = once / (once + 2 * twice) if once else 0.5
        past = context([*before, 1], len(before), n - 1)
        followed = [grams[n][*past, character] for character in range(size)]
        if total := sum(followed):
            free = discount * sum(count > 0 for count in followed) / total
            p = [max(count - discount, 0) / total + free * p[i] for i, count in enumerate(followed)]
    return p


class TestPlain:
    def test_keeps_order_and_drops_doubles_and_rare_characters(self) -> None:
        assert plain(["B!", "a", "b!", "ä", "A", "", "x\ny"]) == ["b!", "a"]

    def test_the_curly_apostrophe_is_the_straight_one(self) -> None:
        assert plain(["don’t"]) == ["don't"]


class TestAlphabet:
    def test_there_and_back(self) -> None:
        texts = ["the cat", "a naïve 고양이 🐈"]
        alphabet = Alphabet(texts)
        assert alphabet.decode(alphabet.encode(texts)) == "the cat\na naïve 고양이 🐈\n"
        assert alphabet.decode(alphabet.encode("cat")) == "cat"

    def test_the_end_is_number_0_and_the_order_of_the_texts_does_not_matter(self) -> None:
        assert Alphabet(["b\na"]).characters == Alphabet(["a", "b"]).characters == "\nab"
        assert Alphabet(["b"]).encode(["", "b"]).tolist() == [END, 1, END]

    def test_nothing_is_nothing(self) -> None:
        assert Alphabet(["b"]).encode([]).shape == (0,)

    @pytest.mark.parametrize("strange", ["é", "\x00", "z", "🐈"])
    def test_an_unknown_character_is_named(self, strange: str) -> None:
        with pytest.raises(ValueError, match=f"hold {strange!r}".replace("\\", "\\\\")):
            Alphabet(["abc"]).encode(["ab" + strange])

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="no character"):
            Alphabet(["", "\n"])
        with pytest.raises(TypeError, match="one string"):
            Alphabet("abc")


class TestStreams:
    def test_a_stream_goes_on_in_the_next_row(self) -> None:
        assert streams(torch.arange(7), rows=3).tolist() == [[0, 1], [2, 3], [4, 5]]

    @pytest.mark.parametrize("rows", [0, 8, -1])
    def test_too_many_rows(self, rows: int) -> None:
        with pytest.raises(ValueError, match=f"rows is {rows} for 7 numbers"):
            streams(torch.arange(7), rows=rows)

    def test_each_chunk_goes_on_where_the_last_stopped(self) -> None:
        rows = torch.arange(20).view(2, 10)
        pairs = list(chunks(rows, 3))
        assert torch.cat([x for x, _ in pairs], 1).tolist() == rows[:, :9].tolist()
        assert torch.cat([y for _, y in pairs], 1).tolist() == rows[:, 1:].tolist()
        assert len(list(chunks(rows, 4))) == 2  # only whole ones
        assert len(list(chunks(rows, 9))) == 1

    @pytest.mark.parametrize("length", [0, 10])
    def test_a_chunk_needs_a_next_character(self, length: int) -> None:
        with pytest.raises(ValueError, match=f"length is {length}"):
            list(chunks(torch.zeros(2, 10), length))


class TestNGram:
    @pytest.mark.parametrize("order", [1, 2, 3, 5])
    def test_equals_plain_loops(self, order: int) -> None:
        text = sentences(0, 60)
        model = NGram(order).fit(text, size=SIZE)
        for before in ([], [3], [END], [1, 2], [1, END, 2], [4, 1, 2, 3, 1, 2], [END, 2, END, END]):
            expected = slow_kneser_ney(text.tolist(), order, SIZE, before)
            np.testing.assert_allclose(model.following(np.array(before, dtype=int)), expected, rtol=1e-12)

    @pytest.mark.parametrize("order", [1, 3, 4])
    def test_probabilities_of_a_text_are_those_of_its_next_characters(self, order: int) -> None:
        model = NGram(order).fit(sentences(0), size=SIZE + 2)  # two characters never occur
        text = np.r_[sentences(1, 5), 5, 6, 5, END, 3]
        expected = [model.following(text[:at])[text[at]] for at in range(len(text))]
        found = model.probabilities(text)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert (found > 0).all()
        assert math.isclose(model.following(np.array([6, 5])).sum(), 1)
        assert math.isclose(model.perplexity(text), math.exp(-np.log(expected).mean()))

    def test_finds_the_order_of_the_text_and_survives_beyond(self) -> None:
        text, test = sentences(0, 3000)[:12000], sentences(0, 6000)[-8000:]
        bits = [NGram(order).fit(text, size=SIZE).bits(test) for order in (1, 2, 3, 6)]
        assert bits[0] > bits[1] + 0.05
        assert bits[1] > bits[2] + 0.05
        assert bits[3] < bits[1]  # most contexts of five characters are new: the shorter orders must carry it

    def test_what_stands_before_a_sentence_does_not_matter(self) -> None:
        model = NGram(4).fit(sentences(0), size=SIZE)
        a, b = (model.following(np.array([*before, END, 2])) for before in ([], [1, 3, 3]))
        np.testing.assert_array_equal(a, b)

    def test_counts_its_entries(self) -> None:
        assert NGram(2).fit(np.array([1, 2, 1, 2, END]), size=3).entries == 3 + 4  # 0 1 2; 01 12 21 20

    def test_tensors_and_arrays_are_the_same(self) -> None:
        text = sentences(0, 20)
        assert NGram(3).fit(torch.from_numpy(text), size=SIZE).bits(text) == NGram(3).fit(text, size=SIZE).bits(text)

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="order is 0"):
            NGram(0)
        with pytest.raises(TypeError, match="order is a float"):
            NGram(2.0)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="call fit first"):
            NGram(2).bits(np.array([1]))
        with pytest.raises(ValueError, match=r"numbers go from 0 to 5; expected 0 to 4"):
            NGram(2).fit(np.array([0, 5]), size=5)
        with pytest.raises(TypeError, match="float64"):
            NGram(2).fit(np.array([0.5]), size=5)
        with pytest.raises(ValueError, match="2 \\*\\* 63"):
            NGram(12).fit(np.array([1]), size=64)
        with pytest.raises(ValueError, match="shape"):
            NGram(2).fit(np.zeros((2, 2), int), size=5)


class Counter(nn.Module):
    """Knows how many characters it has read: the next is that number, and the state is its memory."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.characters = characters
        self.weight = nn.Parameter(torch.zeros(1))
        self.begins: list[bool] = []

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.begins.append(state is None)
        start = torch.zeros(len(x), 1, dtype=torch.long) if state is None else state.long()
        places = start + torch.arange(1, x.shape[1] + 1)
        logits = 50.0 * F.one_hot(places % self.characters, self.characters) + self.weight
        return logits, places[:, -1:].float() + 0 * self.weight


class TestModel:
    def test_chunks_with_a_carried_state_equal_one_reading(self) -> None:
        torch.manual_seed(0)
        x = torch.randint(SIZE, (3, 12))
        for layer in (nn.RNN, nn.LSTM, nn.GRU):
            model = CharacterModel(SIZE, 7, layer=layer).double()
            whole, last = model(x)
            state, parts = None, []
            for part in x.split(5, 1):
                logits, state = model(part, detached(state))
                parts.append(logits)
            torch.testing.assert_close(torch.cat(parts, 1), whole)
            torch.testing.assert_close(detached(state), detached(last))

    def test_measure_counts_each_character_once_whatever_the_chunk(self) -> None:
        torch.manual_seed(0)
        model, rows = CharacterModel(SIZE, 7).double(), torch.randint(SIZE, (3, 50))
        with torch.no_grad():
            expected = F.cross_entropy(model(rows[:, :-1])[0].flatten(0, 1), rows[:, 1:].flatten()).item()
        for chunk in (1, 7, 49, 1000):
            assert math.isclose(measure(model, rows, chunk=chunk), expected)
        assert abs(measure(model, rows, chunk=7, carry=False) - expected) > 1e-4

    def test_perplexity_of_even_guessing_is_the_size(self) -> None:
        assert math.isclose(perplexity(math.log(46)), 46)

    def test_training_reaches_what_counting_reaches(self) -> None:
        text, test = (torch.from_numpy(sentences(0, n)) for n in (3000, 6000))
        text, test = text[:9000], test[-6000:]
        torch.manual_seed(0)
        model = CharacterModel(SIZE, 24, embedding=8, layer=nn.GRU)
        train(model, streams(text, rows=16), chunk=16, steps=150)
        bits = measure(model, streams(test, rows=16)) / math.log(2)
        assert not model.training
        # It needs two characters of memory to be better than an order-2 model.
        assert bits < NGram(2).fit(text, size=SIZE).bits(test) - 0.05
        assert bits > NGram(3).fit(test, size=SIZE).bits(test) - 0.02  # nothing beats having counted the test itself

    @pytest.mark.parametrize("carry", [True, False])
    def test_the_state_is_carried_or_not_and_never_past_the_end(self, carry: bool) -> None:
        model = Counter(7)
        train(model, torch.zeros(2, 11, dtype=torch.long), chunk=3, steps=7, carry=carry)
        # Three chunks fit; then the streams begin again, and so must the state.
        assert model.begins == [True, not carry, not carry, True, not carry, not carry, True]

    @pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM])
    def test_a_detached_state_keeps_its_numbers_and_loses_its_history(self, layer: type[nn.RNNBase]) -> None:
        _, state = CharacterModel(SIZE, 6, layer=layer)(torch.zeros(2, 9, dtype=torch.long))
        cut = detached(state)
        torch.testing.assert_close(cut, state, check_layout=False)
        for part in cut if isinstance(cut, tuple) else (cut,):
            assert not part.requires_grad
        assert detached(None) is None

    def test_forgetting_to_detach_is_torchs_error(self) -> None:
        model, state = CharacterModel(SIZE, 6), None
        for x, y in [*chunks(torch.zeros(2, 9, dtype=torch.long), 4)][:1]:
            logits, state = model(x, state)
            F.cross_entropy(logits.flatten(0, 1), y.flatten()).backward()
        logits, _ = model(x, state)
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            logits.sum().backward()

    def test_refusals(self) -> None:
        model, rows = CharacterModel(SIZE, 6), torch.zeros(2, 9, dtype=torch.long)
        with pytest.raises(ValueError, match="steps is 0"):
            train(model, rows, chunk=16)


class Fixed(nn.Module):
    """The same logits for ever."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        return self.logits.expand(*x.shape, -1), None


class TestGenerate:
    alphabet = Alphabet(["abcd"])
    logits = torch.tensor([-1.0, 2.0, 1.0, 0.0, -3.0])

    @pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, math.inf])
    def test_characters_come_as_often_as_softmax_says(self, temperature: float) -> None:
        (text,) = generate(
            Fixed(self.logits),
            self.alphabet,
            length=4000,
            temperature=temperature,
            generator=torch.Generator().manual_seed(0),
        )
        found = torch.bincount(self.alphabet.encode(text), minlength=5) / 4000
        expected = (self.logits / temperature).softmax(0)
        assert (found - expected).abs().max() < 4 * 0.5 / math.sqrt(4000)

    def test_temperature_0_takes_the_likeliest_and_the_limit_is_the_same(self) -> None:
        for temperature in (0.0, 1e-30):
            assert generate(Fixed(self.logits), self.alphabet, length=5, temperature=temperature) == ["aaaaa"]

    def test_what_was_written_is_read_and_the_prompt_first(self) -> None:
        # Counts what it has read: 3 characters of the prompt, so the next is number 3, "c", then 4, 0, 1.
        assert generate(Counter(5), self.alphabet, prompt="abc", length=4, rows=2, temperature=0) == ["cd\na"] * 2

    def test_a_generator_repeats_and_rows_differ(self) -> None:
        a, b = (
            generate(Fixed(self.logits), self.alphabet, rows=3, generator=torch.Generator().manual_seed(1))
            for _ in range(2)
        )
        assert a == b
        assert len(set(a)) == 3
        assert all(len(text) == 80 for text in a)

    def test_training_mode_stays(self) -> None:
        model = CharacterModel(5, 4)
        generate(model, self.alphabet, length=2)
        assert model.training

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"temperature": -0.1}, "temperature is -0.1"),
            ({"temperature": math.nan}, "temperature is nan"),
            ({"prompt": ""}, "prompt is empty"),
            ({"length": 0}, "length is 0"),
            ({"prompt": "xyz"}, "hold 'x'"),
        ],
    )
    def test_refusals(self, options: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            generate(Fixed(self.logits), self.alphabet, **options)
