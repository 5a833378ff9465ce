"""Recurrence: one step of an RNN, an LSTM or a GRU, and the walk along a batch of sequences.

`recurrent` makes layers of them. In the formulas h₋ and c₋ are the state before the step; ⊙ multiplies number by
number, σ squeezes into 0…1. W_ih, W_hh and the biases hold several parts, one below the other, in torch's order.

Built in lesson 07.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

State = tuple[Tensor, ...]  # (h,) or (h, c)


class Weights(NamedTuple):
    """What one direction of one layer learns; G parts: 1 for the RNN, 3 for the GRU, 4 for the LSTM.

    Attributes:
        ih: for the input, (G·hidden, input).
        hh: for the state, (G·hidden, hidden), or (G·hidden, proj) with a projection.
        bias_ih, bias_hh: (G·hidden,); None where the layer has none.
        hr: for the projection, (proj, hidden); None where the layer has none.
    """

    ih: Tensor
    hh: Tensor
    bias_ih: Tensor | None = None
    bias_hh: Tensor | None = None
    hr: Tensor | None = None


Step = Callable[[Tensor, State, Weights], State]


def rnn_step(
    given: Tensor, state: State, weights: Weights, activation: Callable[[Tensor], Tensor] = torch.tanh
) -> State:
    """Take one step of an RNN: h = tanh(W_ih x + b_ih + W_hh h₋ + b_hh). Source: Elman 1990.

    Args:
        given: W_ih x + b_ih, the input's share, (n, hidden); `walk` computes it for all steps at once.
        state: (h₋,), (n, hidden).
        weights: of this layer.
        activation: what squeezes the sum.

    Returns:
        (h,), (n, hidden).
    """
    (h,) = state
    return (activation(given + linear(h, weights.hh, weights.bias_hh)),)


def lstm_step(given: Tensor, state: State, weights: Weights) -> State:
    """Take one step of an LSTM. Source: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 (forgetting).

    The four parts of W_ih x + b_ih + W_hh h₋ + b_hh become the input gate i = σ(·), the forget gate f = σ(·), the news
    g = tanh(·) and the output gate o = σ(·). Then c = f ⊙ c₋ + i ⊙ g and h = o ⊙ tanh(c).

    Args:
        given: W_ih x + b_ih, (n, 4·hidden).
        state: (h₋, c₋), (n, hidden) each.
        weights: of this layer. With `hr`, h is W_hr (o ⊙ tanh(c)), (n, proj) (Sak, Senior & Beaufays 2014).

    Returns:
        (h, c), in the form of `state`.
    """
    h, c = state
    i, f, g, o = (given + linear(h, weights.hh, weights.bias_hh)).chunk(4, dim=-1)  # (n, hidden) each
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    return (h if weights.hr is None else linear(h, weights.hr)), c


def gru_step(given: Tensor, state: State, weights: Weights) -> State:
    """Take one step of a GRU. Source: Cho et al. 2014.

    The first two parts of W_ih x + b_ih + W_hh h₋ + b_hh become the reset gate r = σ(·) and the update gate z = σ(·).
    In the third part, n, the reset gate multiplies what comes from the state, its bias b_hn too:
    n = tanh(W_in x + b_in + r ⊙ (W_hn h₋ + b_hn)). Then h = (1 - z) ⊙ n + z ⊙ h₋. (Cho et al. have r inside,
    W_hn (r ⊙ h₋), which would take a matrix product more.)

    Args:
        given: W_ih x + b_ih, (n, 3·hidden).
        state: (h₋,), (n, hidden).
        weights: of this layer.

    Returns:
        (h,), (n, hidden).
    """
    (h,) = state
    given_r, given_z, given_n = given.chunk(3, dim=-1)  # (n, hidden) each
    from_r, from_z, from_n = linear(h, weights.hh, weights.bias_hh).chunk(3, dim=-1)  # the same
    r, z = torch.sigmoid(given_r + from_r), torch.sigmoid(given_z + from_z)
    n = torch.tanh(given_n + r * from_n)
    return ((1 - z) * n + z * h,)


def walk(
    step: Step, x: Tensor, sizes: Sequence[int], state: State, weights: Weights, *, backward: bool = False
) -> tuple[Tensor, State]:
    """Go along a batch of sequences, step by step.

    The batch is packed: first all sequences' step 0, then all that have a step 1, and so on, the longest sequence
    first. A sequence that has ended keeps its state; walked backward, it keeps its first state until it begins.

    Args:
        step: one of the functions above.
        x: (sum of sizes, input).
        sizes: how many sequences have a step 0, a step 1, …: never more than the one before.
        state: where the sequences start, (n, ...) each.
        weights: of this layer.
        backward: begin at the last step.

    Returns:
        The state h after each step, (sum of sizes, hidden), in the order of x; and the last state, (n, ...) each.
    """
    given = linear(x, weights.ih, weights.bias_ih).split(list(sizes))  # (sum, input) -> T times (size, G·hidden)
    outputs = []
    for now in reversed(given) if backward else given:
        running, all_run = len(now), len(now) == len(state[0])
        new = step(now, state if all_run else tuple(one[:running] for one in state), weights)
        outputs.append(new[0])
        # The others wait, behind those that run.
        state = new if all_run else tuple(torch.cat([one, old[running:]]) for one, old in zip(new, state))
    return torch.cat(outputs[::-1] if backward else outputs), state
