"""K recurrent networks at once: they equal torch's, stay apart, and remember no more than can be."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.carrying import carried_or_zero, read
from course_utils.copying import clip, copy_task, first_symbol, highest_accuracy, rounded
from course_utils.stacked_recurrent import BLOCKS, Kind, StackedRecurrent, Start

SEEDS = [5, 2, 9]
KINDS: list[Kind] = ["rnn", "lstm", "gru"]


def networks(kind: Kind, **changed: Any) -> StackedRecurrent:
    made = StackedRecurrent(kind, **{"symbols": 4, "width": 6, "outputs": 5, "seeds": SEEDS, **changed})
    for name, weight in made.weights.items():
        made.weights[name] = weight.detach().double().requires_grad_()
    return made


def text(rows: int = 3, length: int = 7, seed: int = 0) -> Tensor:
    return torch.randint(4, (len(SEEDS), rows, length), generator=torch.Generator().manual_seed(seed))


class TestStackedRecurrent:
    @pytest.mark.parametrize("kind", KINDS)
    def test_each_network_equals_torchs_layer_forward_and_gradient(self, kind: Kind) -> None:
        stacked, x = networks(kind), text()
        hidden, _ = stacked.read(x)
        torch.stack(hidden, 2).square().sum().backward()
        for k in range(len(SEEDS)):
            layer = stacked.member(k).double()
            outputs, _ = layer(F.one_hot(x[k], 4).double())
            torch.testing.assert_close(torch.stack([step[k] for step in hidden], 1), outputs)
            outputs.square().sum().backward()
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                expected = getattr(layer, f"{name}_l0").grad
                found = stacked.weights[name].grad[k]
                torch.testing.assert_close(found.mT if found.ndim == 2 else found, expected)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_state_goes_on(self, kind: Kind) -> None:
        stacked, x = networks(kind), text()
        whole, last = stacked.read(x)
        first, state = stacked.read(x[..., :3])
        second, end = stacked.read(x[..., 3:], state)
        torch.testing.assert_close([*first, *second], whole)
        torch.testing.assert_close(end, last)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_network_does_not_depend_on_its_neighbours(self, kind: Kind) -> None:
        three, one = networks(kind), networks(kind, seeds=SEEDS[1:2])
        for name in three.weights:
            torch.testing.assert_close(three.weights[name][1:2], one.weights[name])
        torch.testing.assert_close(three.read(text())[0][-1][1:2], one.read(text()[1:2])[0][-1])
        assert (three.weights["weight_hh"][0] != three.weights["weight_hh"][1]).all()

    def test_a_shared_text_is_the_same_text_for_each(self) -> None:
        stacked, x = networks("gru"), text()[0]
        torch.testing.assert_close(stacked.read(x)[0], stacked.read(x.expand(3, -1, -1))[0])

    @pytest.mark.parametrize("kind", KINDS)
    def test_first_weights_are_spread_as_torchs(self, kind: Kind) -> None:
        drawn = StackedRecurrent(kind, symbols=9, width=25, outputs=2, seeds=range(20)).weights["weight_hh"].detach()
        assert drawn.abs().max() <= 0.2
        assert drawn.shape == (20, 25, 25 * BLOCKS[kind])
        assert math.isclose(drawn.std().item(), 0.2 / math.sqrt(3), rel_tol=0.02)

    def test_orthogonal_weights_keep_lengths(self) -> None:
        weight = networks("rnn", start="orthogonal").weights["weight_hh"]
        torch.testing.assert_close(weight @ weight.mT, torch.eye(6).double().expand(3, 6, 6), atol=1e-6, rtol=0)

    @pytest.mark.parametrize("kind", ["lstm", "gru"])
    def test_open_gates_keep_a_state(self, kind: Kind) -> None:
        kept = {}
        for start in ("torch", "open"):
            stacked = networks(kind, start=start, seeds=range(30))
            a, b = (torch.full((30, 1, 6), value).double() for value in (0.0, 0.5))
            ends = [
                stacked.read(text(1, 20)[:1].expand(30, 1, 20), (s,) * (2 if kind == "lstm" else 1)) for s in (a, b)
            ]
            kept[start] = (ends[1][1][-1] - ends[0][1][-1]).abs().mean().item() / 0.5
        assert kept["open"] > 0.2
        assert kept["torch"] < 0.02

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"kind": "GRU"}, "kind is 'GRU'; expected one of 'rnn', 'lstm', 'gru'"),
            ({"kind": "rnn", "start": "open"}, "start is 'open' for 'rnn'"),
            ({"kind": "gru", "start": "orthogonal"}, "start is 'orthogonal' for 'gru'"),
            ({"kind": "gru", "width": 0}, "width 0"),
            ({"kind": "gru", "seeds": []}, "there are 0 seeds"),
        ],
    )
    def test_refusals(self, changed: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            networks(changed.pop("kind"), **changed)

    def test_clipping_is_each_networks_own(self) -> None:
        weights = [torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 1, requires_grad=True)]
        weights[0].grad, weights[1].grad = torch.tensor([[3.0, 0, 0], [0.3, 0, 0]]), torch.tensor([[4.0], [0.4]])
        clip(weights)
        torch.testing.assert_close(weights[0].grad, torch.tensor([[0.6, 0, 0], [0.3, 0, 0]]))
        torch.testing.assert_close(weights[1].grad, torch.tensor([[0.8], [0.4]]))


class TestBound:
    @pytest.mark.parametrize("symbols", [2, 3, 8])
    def test_its_ends(self, symbols: int) -> None:
        assert highest_accuracy(0, length=4, symbols=symbols) == 1 / symbols
        assert highest_accuracy(4 * math.log2(symbols), length=4, symbols=symbols) == 1
        assert highest_accuracy(1000, length=4, symbols=symbols) == 1
        values = [highest_accuracy(bits, length=4, symbols=symbols) for bits in torch.linspace(0, 4, 20).tolist()]
        assert all(a < b for a, b in itertools.pairwise(values))

    def test_is_the_inverse_of_what_a_guess_tells(self) -> None:
        for accuracy, symbols in ((0.3, 8), (0.75, 4), (0.9, 2)):
            wrong = 1 - accuracy
            entropy = -wrong * math.log2(wrong) - accuracy * math.log2(accuracy)
            bits = math.log2(symbols) - entropy - wrong * math.log2(symbols - 1)
            assert math.isclose(highest_accuracy(6 * bits, length=6, symbols=symbols), accuracy)

    @pytest.mark.parametrize(("length", "symbols", "states"), [(2, 2, 2), (3, 2, 2), (3, 2, 4), (2, 3, 3), (2, 3, 2)])
    def test_no_way_to_use_few_states_beats_it(self, length: int, symbols: int, states: int) -> None:
        """Try every way to map the sequences to states, with the best answer for each state."""
        sequences = list(itertools.product(range(symbols), repeat=length))
        best = 0.0
        for mapping in itertools.product(range(states), repeat=len(sequences)):
            right = 0
            for state in set(mapping):
                here = [sequence for sequence, own in zip(sequences, mapping) if own == state]
                right += sum(max(column.count(s) for s in range(symbols)) for column in zip(*here))
            best = max(best, right / len(sequences) / length)
        bound = highest_accuracy(math.log2(states), length=length, symbols=symbols)
        assert best <= bound + 1e-12
        assert bound < 1

    @pytest.mark.parametrize(("bits", "length", "symbols"), [(-1, 2, 2), (math.nan, 2, 2), (1, 0, 2), (1, 2, 1)])
    def test_refusals(self, bits: float, length: int, symbols: int) -> None:
        with pytest.raises(ValueError, match=f"bits is {bits}, length {length}, symbols {symbols}"):
            highest_accuracy(bits, length=length, symbols=symbols)

    def test_rounding(self) -> None:
        state = torch.tensor([-1.0, -0.01, 0.0, 0.49, 0.51, 1.0])
        assert rounded(state, 1).tolist() == [-0.5, -0.5, 0.5, 0.5, 0.5, 0.5]
        assert rounded(state, 2).tolist() == [-0.75, -0.25, 0.25, 0.25, 0.75, 0.75]
        assert len(rounded(torch.linspace(-1, 1, 999), 3).unique()) == 8
        with pytest.raises(ValueError, match="unit_bits is 0"):
            rounded(state, 0)


class TestCopy:
    @pytest.mark.parametrize("kind", KINDS)
    def test_what_fits_is_remembered(self, kind: Kind) -> None:
        result = copy_task(kind, length=2, width=16, seeds=range(4))
        assert (result.accuracy() > 0.97).all()
        assert (result.bits() > 5.5).all()
        assert (result.bits() <= 6).all()

    def test_what_does_not_fit_is_not_and_the_bits_do_not_grow(self) -> None:
        bits, right = {}, {}
        for length in (4, 8):
            result = copy_task("rnn", length=length, width=6, seeds=range(6))
            bits[length], right[length] = result.bits(), result.accuracy()
        assert (right[4] > right[8]).all()
        assert (bits[8].mean() - bits[4].mean()).abs() < 1.0

    @pytest.mark.parametrize("unit_bits", [1, 2])
    def test_a_rounded_state_stays_under_the_bound(self, unit_bits: int) -> None:
        result = copy_task("rnn", length=6, width=4, seeds=range(5), steps=400, tests=2000)
        bound = highest_accuracy(4 * unit_bits, length=6, symbols=8)
        noise = 0.5 / math.sqrt(2000 * 6)
        assert (result.accuracy(unit_bits=unit_bits) < bound + 4 * noise).all()
        assert result.accuracy(unit_bits=1).mean() < result.accuracy(unit_bits=6).mean()
        assert (result.accuracy(unit_bits=20) - result.accuracy()).abs().max() < 0.01

    def test_places_average_to_the_accuracy(self) -> None:
        result = copy_task("gru", length=5, width=4, seeds=[1, 2], steps=20)
        assert result.right().shape == (2, 5)
        torch.testing.assert_close(result.right().mean(1), result.accuracy())

    def test_a_seed_gives_the_same_alone_and_in_company(self) -> None:
        three, one = (copy_task("gru", length=3, width=5, seeds=seeds, steps=15) for seeds in (SEEDS, SEEDS[1:2]))
        assert torch.equal(three.x[1], one.x[0])
        torch.testing.assert_close(three.losses[1], one.losses[0], rtol=1e-5, atol=1e-6)

    def test_bits_of_guessing_are_about_none(self) -> None:
        result = copy_task("rnn", length=4, width=4, seeds=[0, 1], steps=1, rate=1e-9)
        assert result.accuracy().mean() < 0.2
        assert (result.bits() < 0.01).all()

    @pytest.mark.parametrize(
        ("changed", "error", "message"),
        [
            ({"length": 0}, ValueError, "length is 0; expected 1 or more"),
            ({"symbols": 1}, ValueError, "symbols is 1; expected 2 or more"),
            ({"steps": 2.5}, TypeError, "steps is a float"),
        ],
    )
    def test_refusals(self, changed: dict[str, Any], error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            copy_task("rnn", **{"length": 2, "width": 4, "seeds": [0], **changed})


class TestFirstSymbol:
    @pytest.mark.parametrize(
        ("kind", "start", "distance", "low", "high"),
        [
            ("rnn", "torch", 3, 0.9, 1.0),
            ("lstm", "torch", 15, 0.0, 0.35),  # its gates begin half closed: it never finds the way
            ("lstm", "open", 15, 0.9, 1.0),
            ("gru", "open", 15, 0.9, 1.0),
        ],
    )
    def test_gates_must_begin_open(self, kind: Kind, start: Start, distance: int, low: float, high: float) -> None:
        right = first_symbol(kind, distance=distance, start=start, seeds=range(100, 105)).accuracy()
        assert low <= right.mean() <= high

    def test_only_the_first_symbol_is_asked_for(self) -> None:
        result = first_symbol("gru", distance=4, seeds=[0, 1], steps=1, symbols=3)
        assert torch.equal(result.y, result.x[:, :, :1])
        assert result.x[:, :, 0].max() == 2
        assert result.x[:, :, 1:].min() == 3
        assert result.x.shape == (2, 400, 5)


class TestCarried:
    def test_reading_shifts_by_one_and_keeps_rows_apart(self) -> None:
        stacked, piece = networks("gru", outputs=4), text()
        losses, _ = read(stacked, piece, None)
        for k in range(3):
            outputs, _ = stacked.member(k).double()(F.one_hot(piece[k, :, :-1], 4).double())
            logits = outputs @ stacked.weights["weight_out"][k] + stacked.weights["bias_out"][k]
            expected = F.cross_entropy(logits.flatten(0, 1), piece[k, :, 1:].flatten())
            torch.testing.assert_close(losses[k], expected)

    def test_a_shared_piece(self) -> None:
        stacked, piece = networks("lstm", outputs=4), text()[0]
        torch.testing.assert_close(read(stacked, piece, None)[0], read(stacked, piece.expand(3, -1, -1), None)[0])

    def test_a_carried_state_sees_what_came_before_the_chunk(self) -> None:
        # Three characters by chance, then the same three: in a chunk of three only the last prediction can see what is
        # repeated, unless the state is carried.
        chance = torch.randint(4, (30000,), generator=torch.Generator().manual_seed(0))
        repeats = torch.where(torch.arange(30000) % 6 < 3, chance, chance.roll(3))
        result = carried_or_zero("gru", repeats, repeats[-4000:], characters=4, chunk=3, seeds=range(3), width=24)
        carried, zero = result.losses["carried", "carried"], result.losses["zero", "zero"]
        assert carried.shape == (3,)
        assert (carried < zero - 0.2).all()
        assert (zero > math.log(4) * 2 / 3).all()
        # Only what was trained with a carried state knows what to do with one.
        assert (carried < result.losses["zero", "carried"] - 0.5).all()

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="text has 100 characters and test 2000; expected 16400 and 900"):
            carried_or_zero("gru", torch.zeros(100), torch.zeros(2000), characters=4, chunk=8, seeds=[0])
        with pytest.raises(ValueError, match="chunk is 0"):
            carried_or_zero("gru", torch.zeros(20000), torch.zeros(2000), characters=4, chunk=0, seeds=[0])
