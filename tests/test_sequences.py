"""sequences: a padded batch gives what each sequence gives alone, and what torch's packed batch gives."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from course_utils import sequences
from course_utils.sequences import last_states, mask, masked_mean, pad, reverse

LENGTHS = ([1], [4, 4], [3, 1, 5, 2], [2, 7, 7, 1, 4])


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("value", [0, -1, 7.5])
def test_pad_is_torchs(lengths: list[int], value: float) -> None:
    for shape in ((), (2,), (2, 3)):
        alone = [draw(length, *shape, seed=length) for length in lengths]
        padded, found = pad(alone, value=value)
        assert torch.equal(padded, pad_sequence(alone, batch_first=True, padding_value=value))
        assert found.tolist() == lengths
        assert found.dtype == torch.int64


def test_pad_takes_lists_keeps_types_and_passes_gradients() -> None:
    padded, lengths = pad([[1, 2], [3], []])
    assert padded.tolist() == [[1, 2], [3, 0], [0, 0]]
    assert (padded.dtype, lengths.tolist()) == (torch.int64, [2, 1, 0])
    assert pad([[0.5]])[0].dtype == torch.float32
    a, b = draw(2).requires_grad_(), draw(3).requires_grad_()
    padded, _ = pad([a, b], value=1)
    padded.square().sum().backward()
    close(a.grad, 2 * a.detach())
    close(b.grad, 2 * b.detach())


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ([], ValueError, "sequences is empty"),
        ([[1.0], 3.0, []], ValueError, r"sequences\[1\] is a single number"),
        ([torch.tensor(3.0)], ValueError, r"sequences\[0\] is a single number; expected an axis of time"),
        ([torch.zeros(2, 3), torch.zeros(4, 2)], ValueError, r"sequences\[1\] has shape \(2,\); expected \(3,\)"),
        (
            [torch.zeros(2), torch.zeros(2, 1)],
            ValueError,
            r"sequences\[1\] has shape \(1,\); expected \(\), as in the others",
        ),
        ([torch.zeros(2), torch.zeros(2).long()], TypeError, r"sequences\[1\] is torch.int64; expected torch.float32"),
    ],
)
def test_pad_refuses(wrong: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pad(wrong)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("more", [None, 0, 3])
def test_mask_is_true_where_a_sequence_is(lengths: list[int], more: int | None) -> None:
    longest = max(lengths) + (more or 0)
    expected = [[step < length for step in range(longest)] for length in lengths]
    for given in (lengths, torch.tensor(lengths), torch.tensor(lengths, dtype=torch.int32)):
        found = mask(given, None if more is None else longest)
        assert found.tolist() == expected
        assert found.dtype == torch.bool


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
@pytest.mark.parametrize("filling", [0.0, 9.0, float("nan"), float("inf")])
def test_masked_mean_sees_no_padding(lengths: list[int], shape: tuple[int, ...], filling: float) -> None:
    alone = [draw(length, *shape, seed=length).requires_grad_() for length in lengths]
    padded, found = pad(alone, value=filling)
    for axis in (None, 1):
        got = masked_mean(padded, mask(found), axis=axis)
        expected = torch.cat(alone).mean(0) if axis is None else torch.stack([one.mean(0) for one in alone])
        close(got, expected)
        weights = draw(*expected.shape, seed=9)
        mine, theirs = (torch.autograd.grad((one * weights).sum(), alone, retain_graph=True) for one in (got, expected))
        for one, other in zip(mine, theirs, strict=True):
            close(one, other)
    if len(set(lengths)) > 1 and filling == 9.0:
        assert not torch.allclose(padded.mean((0, 1)), masked_mean(padded, mask(found))), "padding makes a difference"


def recurrent(**options: Any) -> nn.GRU:
    torch.manual_seed(1)
    return nn.GRU(2, 3, batch_first=True, dtype=torch.float64, **options)


def gradients(layer: nn.Module, y: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad((y * draw(*y.shape, seed=5)).sum(), list(layer.parameters()), retain_graph=True))


@pytest.mark.parametrize("lengths", LENGTHS)
def test_last_states_are_those_of_each_sequence_alone_and_of_a_packed_batch(lengths: list[int]) -> None:
    layer, alone = recurrent(), [draw(length, 2, seed=length) for length in lengths]
    padded, found = pad(alone, value=3.0)
    outputs, _ = layer(padded)
    mine = last_states(outputs, found)
    for given in (lengths, found.to(torch.int32), found.to(torch.uint8)):
        assert torch.equal(last_states(outputs, given), mine)
    single = torch.cat([layer(one)[1] for one in alone])
    packed = layer(pack_padded_sequence(padded, found, batch_first=True, enforce_sorted=False))[1][0]
    for other in (single, packed):
        close(mine, other)
        for one, another in zip(gradients(layer, mine), gradients(layer, other), strict=True):
            close(one, another)
    if len(set(lengths)) > 1:
        assert not torch.allclose(outputs[:, -1], mine), "the last place of the row is another state"


@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_backward_layer_is_a_forward_layer_on_reversed_sequences(lengths: list[int]) -> None:
    both, (padded, found) = recurrent(bidirectional=True), pad([draw(n, 2, seed=n) for n in lengths], value=3.0)
    packed = pack_padded_sequence(padded, found, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(both(packed)[0], batch_first=True)
    one_way = recurrent()
    names = one_way.state_dict()
    one_way.load_state_dict({name: both.state_dict()[f"{name}_reverse"] for name in names})
    outputs, _ = one_way(reverse(padded, found))
    backward = reverse(outputs, found)
    inside = mask(found)
    close(backward[inside], expected[..., 3:][inside])
    close(last_states(outputs, found), both(packed)[1][1])


@pytest.mark.parametrize("lengths", [*LENGTHS, [0, 3]])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_reverse_turns_each_sequence_inside_its_length(lengths: list[int], shape: tuple[int, ...]) -> None:
    padded, found = pad([draw(length, *shape, seed=length) for length in lengths], value=8.0)
    turned = reverse(padded, found)
    for row, length in enumerate(lengths):
        assert torch.equal(turned[row, :length], padded[row, :length].flip(0))
        assert torch.equal(turned[row, length:], padded[row, length:])
    for given in (lengths, found.to(torch.int32), found.to(torch.uint8)):
        assert torch.equal(reverse(turned, given), padded)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ([0, 2], ValueError, "lengths run from 0 to 2; expected 1…3"),
        ([1, 4], ValueError, "lengths run from 1 to 4; expected 1…3"),
        ([-1, 2], ValueError, "lengths run from -1 to 2; expected 1…3"),
        ([2], ValueError, r"lengths has shape \(1,\); expected \(2,\), one for each sequence"),
        ([[1, 2]], ValueError, r"lengths has shape \(1, 2\)"),
        ([1.0, 2.0], TypeError, "lengths is torch.float32; expected whole numbers"),
        ([True, False], TypeError, "lengths is torch.bool; expected whole numbers"),
    ],
)
def test_wrong_lengths(wrong: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        last_states(torch.zeros(2, 3, 4), wrong)
    if "run from 0" not in message:
        with pytest.raises(error, match=message.replace("expected 1", "expected 0")):
            reverse(torch.zeros(2, 3), wrong)


def test_wrong_shapes() -> None:
    for outputs in (torch.zeros(2, 3), torch.zeros(2, 3, 4, 5)):
        with pytest.raises(ValueError, match=r"outputs has shape .*; expected \(n, T, h\)"):
            last_states(outputs, [1, 2])
    with pytest.raises(ValueError, match=r"padded has shape \(2,\); expected \(n, T, \.\.\.\)"):
        reverse(torch.zeros(2), [1, 2])
    with pytest.raises(ValueError, match="lengths run from 1 to 3; expected 0…2"):
        mask([1, 3], 2)
    with pytest.raises(ValueError, match=r"lengths has shape \(\)"):
        mask(torch.tensor(3))
    with pytest.raises(TypeError, match=r"mask is torch\.int64; expected torch\.bool"):
        masked_mean(torch.zeros(2, 3), torch.ones(2, 3).long())
    with pytest.raises(ValueError, match=r"mask is \(3, 2\) and values \(2, 3\)"):
        masked_mean(torch.zeros(2, 3), torch.ones(3, 2).bool())
    with pytest.raises(ValueError, match="axis is 0; expected 1"):
        masked_mean(torch.zeros(2, 3), torch.ones(2, 3).bool(), axis=0)


def test_a_mean_over_nothing_is_refused() -> None:
    nothing = torch.tensor([[True, False], [False, False]])
    assert masked_mean(torch.ones(2, 2), nothing) == 1
    with pytest.raises(ValueError, match="expected one or more a sequence"):
        masked_mean(torch.ones(2, 2), nothing, axis=1)
    with pytest.raises(ValueError, match="leaves no place to average"):
        masked_mean(torch.ones(2, 2), nothing & False)


def test_they_run_on_a_stack_of_batches() -> None:
    lengths = torch.tensor([[1, 3, 2], [4, 1, 1]])
    x = draw(2, 3, 4, 2)
    inside = torch.stack([mask(one, 4) for one in lengths])
    pairs: list[tuple[Any, tuple[Tensor, ...]]] = [
        (last_states, (x, lengths)),
        (reverse, (x, lengths)),
        (lambda values, where: masked_mean(values, where, axis=1), (x, inside)),
        (masked_mean, (x, inside)),
        (lambda one: mask(one, 4), (lengths,)),
    ]
    for function, arguments in pairs:
        stacked = torch.func.vmap(function)(*arguments)
        for member in range(2):
            torch.testing.assert_close(stacked[member], function(*(one[member] for one in arguments)))


def naive_last(outputs: Tensor, lengths: Any) -> Tensor:
    return outputs[:, -1]


def one_late(outputs: Tensor, lengths: Any) -> Tensor:
    places = torch.as_tensor(lengths).long().clamp(max=outputs.shape[1] - 1)
    return outputs[torch.arange(len(outputs)), places]


WRONG: list[tuple[str, Any, Any]] = [
    ("last_states", naive_last, test_last_states_are_those_of_each_sequence_alone_and_of_a_packed_batch),
    ("last_states", one_late, test_last_states_are_those_of_each_sequence_alone_and_of_a_packed_batch),
    (
        "last_states",
        lambda outputs, lengths: sequences.last_states(outputs.detach(), lengths) + 0 * outputs[:, 0],
        test_last_states_are_those_of_each_sequence_alone_and_of_a_packed_batch,
    ),
    (
        "reverse",
        lambda padded, lengths: padded.flip(1),
        test_a_backward_layer_is_a_forward_layer_on_reversed_sequences,
    ),
]


@pytest.mark.parametrize(("name", "wrong", "test"), WRONG, ids=itertools.count())
def test_wrong_functions_are_seen(name: str, wrong: Any, test: Any) -> None:
    test([3, 1, 5, 2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), name, wrong)
        with pytest.raises(AssertionError):
            test([3, 1, 5, 2])


MEANS: list[Any] = [
    lambda values, mask, axis=None: values.mean((0, 1) if axis is None else 1),
    lambda values, mask, axis=None: sequences.masked_mean(values, mask, axis=1).mean(0 if axis is None else ()),
]


@pytest.mark.parametrize("wrong", MEANS, ids=["over the padding", "mean of the means"])
def test_wrong_means_are_seen(wrong: Any) -> None:
    test_masked_mean_sees_no_padding([3, 1, 5, 2], (), 9.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "masked_mean", wrong)
        with pytest.raises(AssertionError):
            test_masked_mean_sees_no_padding([3, 1, 5, 2], (), 9.0)
