"""Lesson 07, recurrent networks: exercises with their wrong answers, and the quiz."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.practice.check import Checks
from course_utils.practice.exercise import Exercise
from course_utils.practice.investigation import Selection
from course_utils.practice.quiz import Choice, Question, Quiz
from course_utils.practice.task import Mistake

# ---- 07.1 ---------------------------------------------------------------------------------------------------------


def _random(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _rnn_cases() -> Iterator[tuple[Tensor, ...]]:
    """One number a step, by hand; then random shapes, among them T = N, d = h, T = 1 and one in single precision."""
    one = torch.ones(1, 1, dtype=torch.float64)
    bias = torch.zeros(1, dtype=torch.float64)
    yield torch.tensor([[[1.0]], [[0.0]]], dtype=torch.float64), 0.25 * one, 0.5 * one, 2 * one, bias + 0.25, bias - 0.5
    generator = torch.Generator().manual_seed(71)
    for steps, rows, inputs, width in (
        (3, 1, 2, 2),
        (4, 3, 2, 5),
        (3, 3, 4, 4),
        (1, 2, 3, 2),
        (6, 4, 1, 3),
        (9, 5, 6, 4),
    ):
        yield (
            _random(steps, rows, inputs, generator=generator),
            _random(rows, width, generator=generator).tanh(),
            _random(width, inputs, generator=generator),
            _random(width, width, generator=generator),
            _random(width, generator=generator),
            _random(width, generator=generator),
        )
    sizes = ((5, 2, 3), (2, 4), (4, 3), (4, 4), (4,), (4,))
    yield tuple(0.5 * _random(*size, generator=generator).float() for size in sizes)


def _rnn_by_torch(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    """What torch's own layer gives with these weights."""
    layer = nn.RNN(w_ih.shape[1], w_ih.shape[0], dtype=x.dtype)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    layer.load_state_dict(dict(zip(names, (w_ih, w_hh, b_ih, b_hh))))
    with torch.no_grad():
        outputs, last = layer(x, h0[None])
    return outputs, last[0]


def rnn_forward(x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> tuple[Tensor, Tensor]:
    h, outputs = h0, []
    for x_t in x:  # (N, d), one step of all sequences
        h = torch.tanh(x_t @ w_ih.T + b_ih + h @ w_hh.T + b_hh)  # (N, h)
        outputs.append(h)
    return torch.stack(outputs), h  # (T, N, h), (N, h)


def _rnn_in_place(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    outputs = torch.empty(*x.shape[:2], len(b_hh), dtype=x.dtype)
    for t in range(len(x)):
        before = outputs[t - 1] if t else h0
        outputs[t] = (F.linear(x[t], w_ih, b_ih) + F.linear(before, w_hh, b_hh)).tanh()
    return outputs, outputs[-1]


def _rnn_by_einsum(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    states = [h0]
    from_input = torch.einsum("tnd,hd->tnh", x, w_ih) + (b_ih + b_hh)
    for part in from_input:
        states.append(torch.tanh(part + torch.einsum("nk,hk->nh", states[-1], w_hh)))
    return torch.stack(states[1:]), states[-1]


def _rnn_sequence_by_sequence(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    rows = []
    for n in range(x.shape[1]):
        h, row = h0[n], []
        for t in range(x.shape[0]):
            h = torch.tanh(w_ih @ x[t, n] + b_ih + w_hh @ h + b_hh)
            row.append(h)
        rows.append(torch.stack(row))
    outputs = torch.stack(rows, 1)
    return outputs, outputs[-1]


def _inside(x_t: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """What the hyperbolic tangent is taken of."""
    return x_t @ w_ih.T + b_ih + h @ w_hh.T + b_hh


def _wrong_rnn(
    step: Callable[..., Tensor] = lambda *parts: torch.tanh(_inside(*parts)),
    *,
    start: Callable[[Tensor], Tensor] = lambda h0: h0,
    carried: Callable[[Tensor, Tensor], Tensor] = lambda new, h0: new,
    order: Callable[[Tensor], Any] = lambda x: x,
    give: Callable[[list[Tensor], Tensor], Any] = lambda outputs, h0: (torch.stack(outputs), outputs[-1]),
) -> Callable[..., Any]:
    """The reference with one thing changed.

    Args:
        step: the new state, of x_t, h and the four weights.
        start: the first state, of h0.
        carried: what the next step gets, of the new state and h0.
        order: in which the steps are read.
        give: what is given back, of all states and h0.
    """

    def forward(x: Tensor, h0: Tensor, *weights: Tensor) -> Any:
        h, outputs = start(h0), []
        for x_t in order(x):
            new = step(x_t, h, *weights)
            outputs.append(new)
            h = carried(new, h0)
        return give(outputs, h0)

    # The check looks at the number of parameters.
    return lambda x, h0, w_ih, w_hh, b_ih, b_hh: forward(x, h0, w_ih, w_hh, b_ih, b_hh)


def _before_tanh(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    h, outputs = h0, []
    for x_t in x:
        inside = _inside(x_t, h, w_ih, w_hh, b_ih, b_hh)
        outputs.append(inside)
        h = inside.tanh()
    return torch.stack(outputs), h


RNN_FORWARD = Exercise(
    number="07.1",
    name="rnn_forward",
    title="A recurrent layer in a loop",
    kind="write",
    difficulty=1,
    minutes=10,
    trains="one state, the same weights at every step",
    stub='''def rnn_forward(x, h0, w_ih, w_hh, b_ih, b_hh):
    """What nn.RNN computes: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), step by step.

    T is the number of steps, N of sequences, d of inputs, h of hidden units.

    Args:
        x: the inputs, (T, N, d)
        h0: the state before the first step, (N, h)
        w_ih, w_hh: weights, (h, d) and (h, h)
        b_ih, b_hh: biases, (h,) each
    Returns:
        the states after each step, (T, N, h), and the last one, (N, h)
    """
    ...
''',
    hints=(
        "Start with h = h0 and an empty list. What does one step need, and what must the next step find in h?",
        "for x_t in x gives the inputs of one step, (N, d). A row is a sequence, so the formula's W x becomes x_t @ w_ih.T, with shape (N, h).",
        "Each step makes a new h, appends it to the list and leaves it for the next step. torch.stack puts the list together along a new axis 0.",
    ),
    reference=rnn_forward,
    mistakes=(
        Mistake(
            _wrong_rnn(carried=lambda new, h0: h0),
            "The state is not carried on: every step starts from h0 again, so step 3 knows nothing of step 1. What a step computes must be "
            "the h of the next.",
        ),
        Mistake(
            _wrong_rnn(start=torch.zeros_like),
            "h0 has no effect: you start from zeros. Start from the state that you are given; it may hold what came before.",
        ),
        Mistake(
            _wrong_rnn(start=torch.zeros_like, carried=lambda new, h0: torch.zeros_like(h0)),
            "The state plays no part: each step sees zeros in its place. Start from h0, and hand each new state to the next step.",
        ),
        Mistake(
            _wrong_rnn(lambda x_t, h, wi, wh, bi, bh: torch.tanh(_inside(x_t, h, wi, wh.T, bi, bh))),
            "W_hh is used the wrong way round. It is square, so no error tells you. The formula has W_hh h for a column h; for rows that "
            "is h @ w_hh.T.",
        ),
        Mistake(
            _wrong_rnn(lambda x_t, h, wi, wh, bi, bh: torch.tanh(_inside(x_t, h, wi, wh, bi, 0 * bh))),
            "b_hh is missing. torch's layer has two biases, and adds both.",
        ),
        Mistake(
            _wrong_rnn(lambda x_t, h, wi, wh, bi, bh: torch.tanh(_inside(x_t, h, wi, wh, 0 * bi, bh))),
            "b_ih is missing. torch's layer has two biases, and adds both.",
        ),
        Mistake(
            _wrong_rnn(lambda x_t, h, wi, wh, bi, bh: torch.tanh(_inside(x_t, h, wi, wh, 0 * bi, 0 * bh))),
            "Both biases are missing: they are added before the tanh.",
        ),
        Mistake(
            _wrong_rnn(lambda x_t, h, wi, wh, bi, bh: torch.tanh(_inside(x_t, h, wi, wh, bi, bi))),
            "b_ih is added twice, b_hh not at all.",
        ),
        Mistake(
            _wrong_rnn(lambda x_t, h, wi, wh, bi, bh: torch.tanh(_inside(x_t, h, wi, wh, bh, bh))),
            "b_hh is added twice, b_ih not at all.",
        ),
        Mistake(
            _wrong_rnn(_inside),
            "The tanh is missing. Without it the state is a linear function of the inputs, and it can grow without limit.",
        ),
        Mistake(
            _wrong_rnn(lambda x_t, h, wi, wh, bi, bh: torch.tanh(x_t @ wi.T + bi) + h @ wh.T + bh),
            "Only the part of the input goes through tanh. The sum of both parts does: tanh(W_ih x + b_ih + W_hh h + b_hh).",
        ),
        Mistake(
            _wrong_rnn(lambda x_t, h, wi, wh, bi, bh: x_t @ wi.T + bi + torch.tanh(h @ wh.T + bh)),
            "Only the part of the state goes through tanh. The sum of both parts does: tanh(W_ih x + b_ih + W_hh h + b_hh).",
        ),
        Mistake(
            _wrong_rnn(lambda x_t, h, wi, wh, bi, bh: torch.tanh(x_t @ wi.T + bi) + torch.tanh(h @ wh.T + bh)),
            "You take the tanh of each part and add. Add first: tanh(W_ih x + b_ih + W_hh h + b_hh).",
        ),
        Mistake(
            _wrong_rnn(lambda x_t, h, *weights: h + torch.tanh(_inside(x_t, h, *weights))),
            "You add the new value to the old state. In this layer it *replaces* the old state: h_t = tanh(…).",
        ),
        Mistake(
            _wrong_rnn(lambda *parts: torch.sigmoid(_inside(*parts))),
            "You use the sigmoid, whose values lie between 0 and 1. nn.RNN uses tanh, from −1 to 1.",
        ),
        Mistake(
            _wrong_rnn(lambda *parts: torch.relu(_inside(*parts))),
            'You use ReLU. nn.RNN does so only with nonlinearity="relu"; here it is tanh.',
        ),
        Mistake(
            _before_tanh,
            "The last state is right. But your list holds what stands inside the tanh. Append h itself: the output of a step is its state.",
        ),
        Mistake(
            _wrong_rnn(give=lambda outputs, h0: (torch.stack(outputs, 1), outputs[-1])),
            "The numbers are right, but the axes are (N, T, h). Time comes first here, as in x: stack along axis 0. "
            "(nn.RNN(batch_first=True) has N first, for x as well.)",
        ),
        Mistake(
            _wrong_rnn(give=lambda outputs, h0: (torch.cat(outputs), outputs[-1])),
            "torch.cat glues the steps along the axis of the sequences: (T·N, h). torch.stack makes a new axis for time.",
        ),
        Mistake(
            _wrong_rnn(give=lambda outputs, h0: (torch.stack([outputs[-1]] * len(outputs)), outputs[-1])),
            "All T outputs are the last state. You write each new state into the same tensor, and the list holds that one tensor T times: "
            "make a new tensor at each step (h = …).",
        ),
        Mistake(
            _wrong_rnn(give=lambda outputs, h0: (torch.stack([h0, *outputs[:-1]]), outputs[-1])),
            "Your outputs begin with h0, so all of them are one step late. Append after the step: outputs[0] has already seen x[0].",
        ),
        Mistake(
            _wrong_rnn(give=lambda outputs, h0: (torch.stack([h0, *outputs]), outputs[-1])),
            "You give back T + 1 states: h0 is among them. The outputs begin with the state after the first input.",
        ),
        Mistake(
            _wrong_rnn(give=lambda outputs, h0: (torch.stack(outputs), outputs[0])),
            "The outputs are right. The second value is the state after the first step; it must be the one after the last.",
        ),
        Mistake(
            _wrong_rnn(give=lambda outputs, h0: (torch.stack(outputs), h0)),
            "The outputs are right. The second value is h0, the state before the first step; give back the one after the last.",
        ),
        Mistake(
            _wrong_rnn(give=lambda outputs, h0: (torch.stack(outputs), outputs[-1][None])),
            "The numbers are right. The last state has shape (1, N, h), as nn.RNN's h_n, whose first axis counts layers. Here it is (N, h).",
        ),
        Mistake(
            _wrong_rnn(give=lambda outputs, h0: (outputs[-1], torch.stack(outputs))),
            "The two results are in the wrong order: first all states, then the last one.",
        ),
        Mistake(
            _wrong_rnn(give=lambda outputs, h0: torch.stack(outputs)),
            "All states are right. Give back two things: them, and the last state.",
        ),
        Mistake(
            _wrong_rnn(give=lambda outputs, h0: outputs[-1]),
            "The last state is right. Give back two things: the states after each step, (T, N, h), and this one.",
        ),
        Mistake(
            _wrong_rnn(order=lambda x: x.flip(0)),
            "You read the sequence from its end. Step 1 gets x[0].",
        ),
        Mistake(
            _wrong_rnn(order=lambda x: x.flip(0), give=lambda outputs, h0: (torch.stack(outputs[::-1]), outputs[-1])),
            "You read the sequence from its end, as the backward half of a bidirectional layer does. Here step 1 gets x[0].",
        ),
    ),
    styles=(_rnn_in_place, _rnn_by_einsum, _rnn_sequence_by_sequence),
    start="Begin with one step: from x[0] and h0 to the first state.",
    praise="To rounding, it gives what nn.RNN gives with the same weights, for every shape tried. One set of weights serves every step, "
    "so the layer takes sequences of any length.",
    cases=_rnn_cases,
    expected=_rnn_by_torch,
)

# ---- 07.2 ---------------------------------------------------------------------------------------------------------


def _lstm_cases() -> Iterator[tuple[Tensor, ...]]:
    """One unit, then random shapes, among them N = h, d = h and one in single precision."""
    generator = torch.Generator().manual_seed(72)
    yield (
        torch.tensor([[1.0]], dtype=torch.float64),
        torch.tensor([[0.5]], dtype=torch.float64),
        torch.tensor([[2.0]], dtype=torch.float64),
        torch.tensor([[0.0], [1.0], [2.0], [-1.0]], dtype=torch.float64),
        torch.tensor([[1.0], [-2.0], [0.5], [2.0]], dtype=torch.float64),
        torch.tensor([0.5, 0.0, -1.0, 1.0], dtype=torch.float64),
        torch.tensor([0.25, 0.5, 0.0, -0.5], dtype=torch.float64),
    )
    for rows, inputs, width, dtype in (
        (1, 2, 2, torch.float64),
        (2, 3, 2, torch.float64),
        (4, 4, 4, torch.float64),
        (8, 2, 2, torch.float64),
        (3, 1, 5, torch.float64),
        (6, 7, 3, torch.float32),
    ):
        sizes = (
            (rows, inputs),
            (rows, width),
            (rows, width),
            (4 * width, inputs),
            (4 * width, width),
            (4 * width,),
            (4 * width,),
        )
        yield tuple(_random(*size, generator=generator).to(dtype) for size in sizes)


def _lstm_by_torch(
    x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    """What torch's own layer gives for a sequence of one step."""
    layer = nn.LSTM(x.shape[1], h.shape[1], dtype=x.dtype)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    layer.load_state_dict(dict(zip(names, (w_ih, w_hh, b_ih, b_hh))))
    with torch.no_grad():
        _, (new_h, new_c) = layer(x[None], (h[None], c[None]))
    return new_h[0], new_c[0]


def lstm_step(
    x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    gates = x @ w_ih.T + b_ih + h @ w_hh.T + b_hh  # (N, 4h)
    i, f, g, o = gates.chunk(4, dim=1)  # (N, h) each
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _lstm_by_slices(
    x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    width = h.shape[1]
    parts = []
    for k, squash in enumerate((torch.sigmoid, torch.sigmoid, torch.tanh, torch.sigmoid)):
        own = slice(k * width, (k + 1) * width)
        parts.append(squash(F.linear(x, w_ih[own], b_ih[own]) + F.linear(h, w_hh[own], b_hh[own])))
    new = parts[1] * c + parts[0] * parts[2]
    return parts[3] * new.tanh(), new


def _lstm_in_one_product(
    x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    gates = torch.cat([x, h], 1) @ torch.cat([w_ih, w_hh], 1).T + (b_ih + b_hh)
    i, f, g, o = gates.reshape(len(x), 4, -1).unbind(1)
    new = torch.addcmul(f.sigmoid() * c, i.sigmoid(), g.tanh())
    return torch.stack([o.sigmoid() * new.tanh(), new]).unbind(0)  # type: ignore[return-value]


def _lstm_unit_by_unit(
    x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    new_h, new_c = torch.zeros_like(h), torch.zeros_like(c)
    width = h.shape[1]
    for n in range(len(x)):
        for u in range(width):
            i, f, g, o = (
                float(w_ih[k] @ x[n] + b_ih[k] + w_hh[k] @ h[n] + b_hh[k]) for k in range(u, 4 * width, width)
            )
            new_c[n, u] = _logistic(f) * c[n, u] + _logistic(i) * math.tanh(g)
            new_h[n, u] = _logistic(o) * math.tanh(float(new_c[n, u]))
    return new_h, new_c


def _logistic(z: float) -> float:
    return 1 / (1 + math.exp(-z))


_SQUASH = {"i": torch.sigmoid, "f": torch.sigmoid, "g": torch.tanh, "o": torch.sigmoid}

Gates = dict[str, Tensor]


def _wrong_lstm(
    order: str = "ifgo",
    *,
    squash: dict[str, Callable[[Tensor], Tensor]] | None = None,
    inside: Callable[..., Tensor] = lambda x, h, c, wi, wh, bi, bh: x @ wi.T + bi + h @ wh.T + bh,
    parts: Callable[[Tensor], Sequence[Tensor]] = lambda gates: gates.chunk(4, 1),
    cell: Callable[[Gates, Tensor], Tensor] = lambda gate, c: gate["f"] * c + gate["i"] * gate["g"],
    hidden: Callable[[Gates, Tensor, Tensor], Tensor] = lambda gate, new, old: gate["o"] * new.tanh(),
    give: Callable[[Tensor, Tensor], Any] = lambda h, c: (h, c),
) -> Callable[..., Any]:
    """The reference with one thing changed.

    Args:
        order: which quarter of the weights is taken for which gate.
        squash: functions that replace those of single gates.
        inside: what goes into the gates, of all arguments.
        parts: how it is cut into four.
        cell: the new cell state, of the gates and the old one.
        hidden: the new state, of the gates, the new and the old cell state.
        give: what is given back.
    """
    functions = {**_SQUASH, **(squash or {})}

    def step(x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Any:
        values = parts(inside(x, h, c, w_ih, w_hh, b_ih, b_hh))
        gate = {name: functions[name](value) for name, value in zip(order, values)}
        new = cell(gate, c)
        return give(hidden(gate, new, c), new)

    return step


def _nothing(value: Tensor) -> Tensor:
    return value


LSTM_STEP = Exercise(
    number="07.2",
    name="lstm_step",
    title="One step of an LSTM",
    kind="write",
    difficulty=3,
    minutes=15,
    trains="four gates, two states, and whose weights are where",
    stub='''def lstm_step(x, h, c, w_ih, w_hh, b_ih, b_hh):
    """One step of nn.LSTM: the new state and the new cell state.

    The weights of four parts lie below each other, h rows each, in torch's order: input gate i,
    forget gate f, candidate g, output gate o. Gates use the sigmoid, the candidate uses tanh.

    Args:
        x: the inputs of this step, (N, d)
        h, c: state and cell state before the step, (N, h) each
        w_ih, w_hh: weights, (4h, d) and (4h, h)
        b_ih, b_hh: biases, (4h,) each
    Returns:
        the new h and the new c, (N, h) each
    """
    ...
''',
    hints=(
        "All four parts see the same two things, x and h. So one line as in nn.RNN, without tanh, gives all of them at once: (N, 4h).",
        "Cut that into four pieces of (N, h) along axis 1, in the order i, f, g, o. Then the sigmoid of three of them, and tanh of the candidate.",
        "The forget gate says how much of the old c stays, the input gate how much of the candidate comes in. Their sum is the new c.",
        "The output gate says how much of the cell is shown: it multiplies tanh of the *new* c. Give back (h, c), in this order.",
    ),
    reference=lstm_step,
    mistakes=(
        Mistake(
            _wrong_lstm("ifog"),
            "Your order is i, f, o, g. In torch the candidate comes third and the output gate last: i, f, g, o. Other libraries use other "
            "orders, and no error says so: weights that change house must be put in order.",
        ),
        Mistake(
            _wrong_lstm("figo"),
            "Forget gate and input gate are exchanged. torch's order is i, f, g, o; and the *forget* gate multiplies the old c, the *input* gate the "
            "candidate.",
        ),
        Mistake(
            _wrong_lstm("fiog"),
            "Your order is f, i, o, g. torch's order is i, f, g, o.",
        ),
        Mistake(
            _wrong_lstm("igfo"),
            "Your order is i, g, f, o. torch's order is i, f, g, o.",
        ),
        Mistake(
            _wrong_lstm("gifo"),
            "Your order is g, i, f, o. torch's order is i, f, g, o.",
        ),
        Mistake(
            _wrong_lstm("ofgi"),
            "Output gate and input gate are exchanged. torch's order is i, f, g, o.",
        ),
        Mistake(
            _wrong_lstm(parts=lambda gates: gates.reshape(len(gates), -1, 4).unbind(2)),
            "You cut the 4h numbers in the wrong way: every fourth number goes to the same gate. The first h numbers are i, the next h are f, "
            "and so on: chunk(4, dim=1).",
        ),
        Mistake(
            _wrong_lstm(squash={"g": torch.sigmoid}),
            "The candidate g goes through the sigmoid. It needs tanh: only then can a step take something off the cell state.",
        ),
        Mistake(
            _wrong_lstm(squash={"g": _nothing}),
            "The candidate g comes in as it is. It goes through tanh first.",
        ),
        Mistake(
            _wrong_lstm(squash={"i": torch.tanh, "f": torch.tanh, "g": torch.sigmoid, "o": torch.tanh}),
            "tanh and sigmoid are exchanged. A gate says how much passes, from 0 to 1: sigmoid. The candidate is content, from −1 to 1: tanh.",
        ),
        Mistake(
            _wrong_lstm(squash={"i": torch.tanh, "f": torch.tanh, "o": torch.tanh}),
            "Your gates go through tanh. A gate says how much passes, from 0 to 1: that is the sigmoid.",
        ),
        Mistake(
            _wrong_lstm(squash=dict.fromkeys("ifo", _nothing)),
            "Your gates are not squashed: they multiply by any number. Each of i, f, o goes through the sigmoid first.",
        ),
        Mistake(
            _wrong_lstm(squash=dict.fromkeys("ifgo", _nothing)),
            "Neither sigmoid nor tanh: the four parts are used as they come out of the sum. Sigmoid for i, f, o; tanh for g.",
        ),
        Mistake(
            _wrong_lstm(hidden=lambda gate, new, old: gate["o"] * new),
            "The new c is right. In h the tanh is missing: c can grow large, and h = o · tanh(c) keeps the output between −1 and 1.",
        ),
        Mistake(
            _wrong_lstm(hidden=lambda gate, new, old: gate["o"] * new.sigmoid()),
            "The new c is right. But h = o · tanh(c); you take the sigmoid of c.",
        ),
        Mistake(
            _wrong_lstm(hidden=lambda gate, new, old: gate["o"] * old.tanh()),
            "The new c is right, but your h shows the old one: the output gate acts on the cell state after its update.",
        ),
        Mistake(
            _wrong_lstm(hidden=lambda gate, new, old: new.tanh()),
            "The new c is right. In h the output gate is missing: h = o · tanh(c).",
        ),
        Mistake(
            _wrong_lstm(hidden=lambda gate, new, old: gate["o"]),
            "The new c is right. Your h is the output gate alone; it must multiply tanh(c).",
        ),
        Mistake(
            _wrong_lstm(hidden=lambda gate, new, old: torch.tanh(gate["o"] * new)),
            "The new c is right. h = o · tanh(c), and you take the tanh of the whole product.",
        ),
        Mistake(
            _wrong_lstm(cell=lambda gate, c: c),
            "The cell state is not updated: you keep the old c, and h shows it. New c = f · c + i · g.",
        ),
        Mistake(
            _wrong_lstm(cell=lambda gate, c: (1 - gate["f"]) * c + gate["i"] * gate["g"]),
            "You keep 1 − f of the old cell state. In spite of its name, the forget gate says how much *stays*: f = 1 keeps all.",
        ),
        Mistake(
            _wrong_lstm(cell=lambda gate, c: gate["f"] * c + (1 - gate["f"]) * gate["g"]),
            "The input gate has no effect: you add (1 − f) · g. A GRU shares one gate in this way; an LSTM has two, and c can grow.",
        ),
        Mistake(
            _wrong_lstm(cell=lambda gate, c: gate["f"] * c + gate["g"]),
            "The input gate is missing: the candidate comes in multiplied by i.",
        ),
        Mistake(
            _wrong_lstm(cell=lambda gate, c: c + gate["i"] * gate["g"]),
            "The forget gate is missing: the old c is multiplied by f. (The first LSTM of 1997 had none; torch's has.)",
        ),
        Mistake(
            _wrong_lstm(cell=lambda gate, c: gate["i"] * gate["g"]),
            "The old cell state is lost: new c = f · c + i · g.",
        ),
        Mistake(
            _wrong_lstm(cell=lambda gate, c: torch.tanh(gate["f"] * c + gate["i"] * gate["g"])),
            "You squash the cell state itself. It is a plain sum, f · c + i · g: this straight path is what lets gradients survive. The tanh "
            "belongs to h only.",
        ),
        Mistake(
            _wrong_lstm(cell=lambda gate, c: gate["f"] * c.tanh() + gate["i"] * gate["g"]),
            "You take the tanh of the old cell state. It comes in as it is, times f.",
        ),
        Mistake(
            _wrong_lstm(cell=lambda gate, c: gate["f"] * c * gate["i"] * gate["g"]),
            "You multiply what stays and what comes in. They are added: c = f · c + i · g.",
        ),
        Mistake(
            _wrong_lstm(inside=lambda x, h, c, wi, wh, bi, bh: x @ wi.T + bi + 0 * bh),
            "h has no effect: the gates see the input alone. They also see the last state: h @ w_hh.T + b_hh.",
        ),
        Mistake(
            _wrong_lstm(inside=lambda x, h, c, wi, wh, bi, bh: x @ wi.T + bi + c @ wh.T + bh),
            "Your gates see the cell state c. They see h: c is touched only by f and by what comes in.",
        ),
        Mistake(
            _wrong_lstm(inside=lambda x, h, c, wi, wh, bi, bh: x @ wi.T + bi + h @ wh.T),
            "b_hh is missing: torch adds both biases.",
        ),
        Mistake(
            _wrong_lstm(inside=lambda x, h, c, wi, wh, bi, bh: x @ wi.T + h @ wh.T + bh),
            "b_ih is missing: torch adds both biases.",
        ),
        Mistake(
            _wrong_lstm(inside=lambda x, h, c, wi, wh, bi, bh: x @ wi.T + h @ wh.T),
            "Both biases are missing.",
        ),
        Mistake(
            _wrong_lstm(give=lambda h, c: (c, h)),
            "The two results are in the wrong order: first h, then c.",
        ),
        Mistake(
            _wrong_lstm(give=lambda h, c: h),
            "The new h is right. Give back the new c as well: the next step needs both.",
        ),
    ),
    styles=(_lstm_by_slices, _lstm_in_one_product, _lstm_unit_by_unit),
    start="Begin with the sum that all four parts share, (N, 4h).",
    praise="To rounding, it is one step of nn.LSTM with the same weights. The cell state changes only by a factor f and by what is added: remember "
    "that when you look at its gradient.",
    cases=_lstm_cases,
    expected=_lstm_by_torch,
)

# ---- 07.3 ---------------------------------------------------------------------------------------------------------


def _loss_cases() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Padded batches with class 0 at real places and any class in padding; some sequences are empty, some fill all T."""
    yield (
        torch.tensor([[[0.0, 1.0], [3.0, 0.0]]], dtype=torch.float64, requires_grad=True),
        torch.tensor([[0, 1]]),
        torch.tensor([1]),
    )
    yield (
        torch.tensor([[[0.0, 1], [3, 0]], [[1, 0], [0, 2]]], dtype=torch.float64, requires_grad=True),
        torch.tensor([[0, 1], [1, 1]]),
        torch.tensor([2, 1]),
    )
    generator = torch.Generator().manual_seed(73)
    for lengths, steps, classes in (
        ([3, 1], 3, 2),
        ([1, 4, 2], 4, 3),
        ([2, 2], 5, 3),
        ([0, 3, 1], 3, 4),
        ([4, 4, 4, 4], 4, 4),
        ([5, 0, 7, 1, 3], 9, 6),
        ([1, 1, 6], 6, 3),
    ):
        logits = 2 * _random(len(lengths), steps, classes, generator=generator)
        targets = torch.randint(0, classes, (len(lengths), steps), generator=generator)
        yield logits.requires_grad_(), targets, torch.tensor(lengths)
    # So sure of a real place that its loss rounds to 0: a place with loss 0 is not padding.
    yield (
        torch.tensor([[[40.0, 0], [1, 0], [0, 2]]], dtype=torch.float64, requires_grad=True),
        torch.tensor([[0, 1, 1]]),
        torch.tensor([2]),
    )


def sequence_loss(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    places = torch.arange(logits.shape[1])  # (T,)
    real = places < lengths[:, None]  # (T,) < (N, 1) -> (N, T)
    return F.cross_entropy(logits[real], targets[real])  # (number of real places, K)


def _loss_in_loops(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """Place by place, with nothing but logarithms and exponentials."""
    total, count = torch.zeros((), dtype=logits.dtype), 0
    for n, length in enumerate(lengths.tolist()):
        for t in range(length):
            scores = logits[n, t]
            total = total + scores.exp().sum().log() - scores[int(targets[n, t])]
            count += 1
    return total / count


def _loss_by_a_mask(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    each = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    real = (torch.arange(each.shape[1]).expand_as(each) < lengths.unsqueeze(1)).to(each.dtype)
    return (each * real).sum() / real.sum()


def _loss_by_ignoring(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    marked = targets.clone()
    for n, length in enumerate(lengths):
        marked[n, length:] = -100
    return F.cross_entropy(logits.flatten(0, 1), marked.flatten())


def _loss_by_joining(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    sizes = lengths.tolist()
    scores = torch.cat([row[:size] for row, size in zip(logits, sizes)])
    right = torch.cat([row[:size] for row, size in zip(targets, sizes)])
    return nn.NLLLoss()(scores.log_softmax(1), right)


def _loss_by_packing(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    own = lengths > 0  # pack_padded_sequence refuses a length of 0

    def packed(values: Tensor) -> Tensor:
        return nn.utils.rnn.pack_padded_sequence(values[own], lengths[own], batch_first=True, enforce_sorted=False).data

    return F.cross_entropy(packed(logits), packed(targets))


def _per_place(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss at every place, (N, T)."""
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")


def _real(targets: Tensor, lengths: Tensor) -> Tensor:
    return torch.arange(targets.shape[1]) < lengths[:, None]


def _mean_where(each: Tensor, kept: Tensor) -> Tensor:
    return (each * kept).sum() / kept.sum()


def _wrong_loss(
    kept: Callable[[Tensor, Tensor], Tensor] = _real,
    average: Callable[[Tensor, Tensor], Any] = _mean_where,
    each: Callable[[Tensor, Tensor], Tensor] = _per_place,
) -> Callable[..., Any]:
    """Another choice of places (of targets and lengths), another mean (of losses and places), or another loss at a place."""
    return lambda logits, targets, lengths: average(each(logits, targets), kept(targets, lengths))


def _mean_of_what_is_not_0(each: Tensor, kept: Tensor) -> Tensor:
    return (each * kept).sum() / (each * kept).count_nonzero()


def _means_of_means(each: Tensor, kept: Tensor) -> Tensor:
    return ((each * kept).sum(1) / kept.sum(1).clamp(min=1)).mean()


def _means_of_means_of_some(each: Tensor, kept: Tensor) -> Tensor:
    some = kept.any(1)
    return ((each * kept).sum(1)[some] / kept.sum(1)[some]).mean()


def _means_of_means_with_nan(each: Tensor, kept: Tensor) -> Tensor:
    return ((each * kept).sum(1) / kept.sum(1)).mean()


def _logits_set_to_zero(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    real = _real(targets, lengths)
    return F.cross_entropy((logits * real[..., None]).flatten(0, 1), (targets * real).flatten())


def _targets_set_to_zero(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), (targets * _real(targets, lengths)).flatten())


def _ignoring_class_0(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    marked = targets * _real(targets, lengths)
    return F.cross_entropy(logits.flatten(0, 1), marked.flatten(), ignore_index=0)


def _axes_by_reshape(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    each = F.cross_entropy(logits.reshape(len(logits), logits.shape[2], -1), targets, reduction="none")
    return _mean_where(each, _real(targets, lengths))


def _see_loss(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The value and what reaches the logits: a loss without a gradient trains nothing."""
    logits = arguments[0]
    slope: Any = "none: the loss is cut from the graph"
    if isinstance(result, Tensor) and result.numel() == 1 and not bool(result.isfinite().all()):
        slope = "none: the loss is no finite number"
    elif isinstance(result, Tensor) and result.requires_grad and result.numel() == 1:
        try:
            (found,) = torch.autograd.grad(result.sum(), [logits], allow_unused=True)
            slope = slope if found is None else found
        except RuntimeError:
            slope = "none: backward() has used up the graph"
    return {"loss": result, "gradient of the logits": slope}


SEQUENCE_LOSS = Exercise(
    number="07.3",
    name="sequence_loss",
    title="A loss that does not count padding",
    kind="write",
    difficulty=2,
    minutes=12,
    trains="masks, and which mean you mean",
    stub='''def sequence_loss(logits, targets, lengths):
    """The mean cross entropy over all real places of a padded batch.

    Place t of sequence n is real if t < lengths[n]; what stands elsewhere does not matter.
    The mean is over places, not over sequences: each real place counts the same.

    Args:
        logits: a score for each class at each place, (N, T, K)
        targets: the right class at each place, (N, T), integers 0 … K − 1, in padding too
        lengths: how many places of each sequence are real, (N,), 0 … T, not all 0
    Returns:
        the loss, a tensor without dimensions, from which gradients reach the logits
    """
    ...
''',
    hints=(
        "First find out which places are real: a tensor of True and False, (N, T). Compare the numbers of the places, 0 … T − 1, with the lengths.",
        "torch.arange(T) has shape (T,), and lengths[:, None] has shape (N, 1): compared with <, they give (N, T).",
        "Index with that tensor: logits[real] has one row for each real place, (number of real places, K). What is the plain mean over those rows?",
    ),
    reference=sequence_loss,
    mistakes=(
        Mistake(
            _wrong_loss(lambda targets, lengths: torch.ones_like(targets).bool()),
            "You average over all N · T places, padding too. That is the classical mistake: the model is trained to guess padding, and the loss "
            "tells how much padding there is.",
        ),
        Mistake(
            _targets_set_to_zero,
            "You set the targets in padding to 0. But 0 is a class: these places still count, with 0 as the right answer.",
        ),
        Mistake(
            _logits_set_to_zero,
            "You set all logits in padding to one number (0, or −1e9). Such a place still costs ln K, and it still counts in the "
            "mean. Leave it out.",
        ),
        Mistake(
            _wrong_loss(average=_mean_of_what_is_not_0),
            "You divide by the number of losses that are not 0. But a real place that the model is sure of can cost exactly 0, "
            "and it must count. The lengths tell how many places are real.",
        ),
        Mistake(
            _ignoring_class_0,
            "You ignore every place whose target is 0. But 0 is a class like the others, and real places with class 0 must count. "
            "The lengths tell what is padding, not the targets.",
        ),
        Mistake(
            _wrong_loss(lambda targets, lengths: targets != 0),
            "Your mask is targets != 0. But 0 is a class like the others, and what stands in padding may be any class. The lengths tell what is real.",
        ),
        Mistake(
            _wrong_loss(average=_means_of_means),
            "You take the mean of each sequence, then the mean of these. A place in a short sequence then counts more than one in a long sequence. "
            "Here each real place counts the same: one sum, divided by the number of real places.",
        ),
        Mistake(
            _wrong_loss(average=_means_of_means_of_some),
            "You leave out empty sequences, and average the means of the others. A place in a short sequence then counts more than one in a long "
            "sequence. Divide one sum by the number of all real places.",
        ),
        Mistake(
            _wrong_loss(average=_means_of_means_with_nan),
            "You take the mean of each sequence, then the mean of these. Each real place must count the same, so that is the wrong mean; and a "
            "sequence of length 0 makes it 0/0, nan.",
        ),
        Mistake(
            _wrong_loss(average=lambda each, kept: (each * kept).sum() / len(each)),
            "The sum is right: padding is left out. But you divide by N, the number of sequences. Divide by the number of real places.",
        ),
        Mistake(
            _wrong_loss(average=lambda each, kept: (each * kept).mean()),
            "The sum is right: padding is left out. But you divide by N · T, as mean() does: the places that were set to 0 count as perfect. "
            "Divide by the number of real places.",
        ),
        Mistake(
            _wrong_loss(average=lambda each, kept: (each * kept).sum()),
            "That is the sum over the real places. Divide it by their number.",
        ),
        Mistake(
            _wrong_loss(average=lambda each, kept: (each * kept).sum() / kept.sum(1).max()),
            "The sum is right. But you divide by the longest length. Divide by the number of real places in all sequences.",
        ),
        Mistake(
            _wrong_loss(average=lambda each, kept: (each * kept).sum(1) / kept.sum(1)),
            "You give back one value for each sequence. The loss is one number: one sum, divided by the number of real places.",
        ),
        Mistake(
            _wrong_loss(average=lambda each, kept: each * kept),
            "You give back the loss at each place. The loss is one number: their mean over the real places.",
        ),
        Mistake(
            _wrong_loss(average=lambda each, kept: each[kept]),
            "These are the right values, one for each real place. Give back their mean.",
        ),
        Mistake(
            _wrong_loss(lambda targets, lengths: ~_real(targets, lengths)),
            "Your mask is the wrong way round: it keeps the padding and leaves out what is real.",
        ),
        Mistake(
            _wrong_loss(lambda targets, lengths: torch.arange(targets.shape[1]) <= lengths[:, None]),
            "Each sequence keeps one place too many. Places are counted from 0, so a sequence of length 2 has the places 0 and 1: t < length.",
        ),
        Mistake(
            _wrong_loss(lambda targets, lengths: torch.arange(targets.shape[1]) < lengths[:, None] - 1),
            "Each sequence loses its last real place. Places are counted from 0: a sequence of length 2 has 0 and 1, so t < length.",
        ),
        Mistake(
            _wrong_loss(
                lambda targets, lengths: (torch.arange(targets.shape[1]) < lengths.max()).expand(targets.shape)
            ),
            "You cut all sequences at the longest length. A shorter sequence has padding before that: compare with each sequence's own length.",
        ),
        Mistake(
            _wrong_loss(
                lambda targets, lengths: (torch.arange(targets.shape[1]) < lengths.min()).expand(targets.shape)
            ),
            "You cut all sequences at the shortest length, and throw real places away. Compare with each sequence's own length.",
        ),
        Mistake(
            _wrong_loss(lambda targets, lengths: torch.arange(targets.shape[1]) >= targets.shape[1] - lengths[:, None]),
            "You keep the end of each row. The real places are the first ones; padding comes after them.",
        ),
        Mistake(
            _wrong_loss(each=lambda logits, targets: _per_place(logits.softmax(2), targets)),
            "You hand probabilities to cross_entropy. It takes logits, and does the softmax itself; now it is done twice.",
        ),
        Mistake(
            _wrong_loss(each=lambda logits, targets: _per_place(logits, targets) / math.log(2)),
            "Your losses are in bits. Cross entropy in torch uses the natural logarithm.",
        ),
        Mistake(
            _wrong_loss(each=lambda logits, targets: -logits.gather(2, targets[..., None])[..., 0]),
            "You take the logit of the right class with a minus. The softmax over the classes is missing: cross entropy is −log of its probability.",
        ),
        Mistake(
            _wrong_loss(each=lambda logits, targets: _per_place(logits, targets).detach()),
            "The value is right, but no gradient reaches the logits: detach(), no_grad, .item() or .numpy() cuts the graph. Nothing could be trained with it.",
        ),
        Mistake(
            _axes_by_reshape,
            "F.cross_entropy wants (N, K, T). reshape and view cut the list of numbers into other pieces and mix places with classes; "
            "transpose(1, 2) moves the axis.",
        ),
    ),
    styles=(_loss_in_loops, _loss_by_a_mask, _loss_by_ignoring, _loss_by_joining, _loss_by_packing),
    start="Begin with a tensor that says which places are real, (N, T).",
    praise="Each real place counts the same, padding does not count at all, and no gradient flows into it. An empty sequence does no harm.",
    cases=_loss_cases,
    expected=_loss_in_loops,
    observe=_see_loss,
)

# ---- 07.4 ---------------------------------------------------------------------------------------------------------

State = tuple[Tensor, Tensor]


def _first_optimizer() -> None:
    """Make an optimizer and use it: the first one in a process loads much of torch, which takes seconds."""
    w = torch.zeros(1, requires_grad=True)
    w.grad = torch.zeros(1)
    torch.optim.SGD([w], lr=1.0).step()


class _Reader(nn.Module):
    """An LSTM with a linear layer on top of every step."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, width, batch_first=True, dtype=torch.float64)
        self.head = nn.Linear(width, 1, dtype=torch.float64)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        outputs, state = self.lstm(x, state)  # (N, t, d) -> (N, t, h)
        return self.head(outputs), state


def _chunk_cases() -> Iterator[tuple[nn.Module, Tensor, Tensor, int, float]]:
    """Chunks that divide T and that do not, of one step, of all steps and longer than the sequence."""
    generator = torch.Generator().manual_seed(74)
    for rows, steps, inputs, width, size, lr in (
        (1, 2, 1, 1, 1, 0.5),
        (1, 4, 1, 1, 2, 0.5),
        (2, 6, 2, 3, 3, 0.3),
        (3, 7, 2, 4, 3, 0.2),
        (2, 5, 1, 3, 1, 0.4),
        (2, 4, 2, 3, 4, 0.3),
        (2, 3, 2, 2, 5, 0.3),
        (4, 12, 3, 5, 4, 0.1),
    ):
        model = _Reader(inputs, width)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(_random(*parameter.shape, generator=generator))
        x = _random(rows, steps, inputs, generator=generator)
        yield model, x, _random(rows, steps, 1, generator=generator), size, lr


def train_in_chunks(model: Any, x: Tensor, y: Tensor, size: int, lr: float) -> list[float]:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    state, losses = None, []
    for start in range(0, x.shape[1], size):
        part = slice(start, start + size)
        outputs, (h, c) = model(x[:, part], state)
        loss = F.mse_loss(outputs, y[:, part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state = (h.detach(), c.detach())  # the numbers go on, the graph ends here
        losses.append(loss.item())
    return losses


def _chunks_by_hand(model: Any, x: Tensor, y: Tensor, size: int, lr: float) -> list[float]:
    """The LSTM written out, and plain gradient descent on its numbers; the state goes on as numbers."""
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    h = c = torch.zeros(len(x), weights[1].shape[1], dtype=x.dtype)
    losses = []
    for start in range(0, x.shape[1], size):
        weights = [weight.requires_grad_() for weight in weights]
        w_ih, w_hh, b_ih, b_hh, w, b = weights
        errors = []
        for t in range(start, min(start + size, x.shape[1])):
            i, f, g, o = (x[:, t] @ w_ih.T + h @ w_hh.T + b_ih + b_hh).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            errors.append(h @ w.T + b - y[:, t])
        loss = (torch.cat(errors) ** 2).mean()
        slopes = torch.autograd.grad(loss, weights)
        weights = [weight.detach() - lr * slope for weight, slope in zip(weights, slopes)]
        h, c = h.detach(), c.detach()
        losses.append(float(loss))
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights):
            parameter.copy_(weight)
    return losses


def _chunks_by_split(model: Any, x: Tensor, y: Tensor, size: int, lr: float) -> list[float]:
    h = c = torch.zeros(1, len(x), model.lstm.hidden_size, dtype=x.dtype)
    losses = []
    for a, b in zip(x.split(size, 1), y.split(size, 1)):
        h, c = h.detach(), c.detach()
        outputs, (h, c) = model(a, (h, c))
        loss = ((outputs - b) ** 2).mean()
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for weight in model.parameters():
                weight -= lr * weight.grad
        losses.append(float(loss))
    return losses


def _chunks_by_reading_twice(model: Any, x: Tensor, y: Tensor, size: int, lr: float) -> list[float]:
    """The state for the next chunk is read without a graph, before the step changes the weights."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    state, losses = None, []
    for start in range(0, x.shape[1], size):
        part = x[:, start : start + size]
        loss = F.mse_loss(model(part, state)[0], y[:, start : start + size])
        with torch.no_grad():
            _, state = model(part, state)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses  # type: ignore[return-value]


def _chunks_with_clones(model: Any, x: Tensor, y: Tensor, size: int, lr: float) -> list[float]:
    optimizer = torch.optim.SGD(list(model.parameters()), lr)
    state, losses = None, []
    for k in range(math.ceil(x.shape[1] / size)):
        optimizer.zero_grad()
        outputs, state = model(x[:, k * size : (k + 1) * size], state)
        loss = (outputs - y[:, k * size : (k + 1) * size]).square().mean()
        loss.backward()
        optimizer.step()
        state = [part.clone().detach() for part in state]
        losses.append(loss.item())
    return losses


def _wrong_chunks(
    carry: Callable[[Tensor, Tensor], Any] = lambda h, c: (h.detach(), c.detach()),
    *,
    clear: bool = True,
    move: bool = True,
    whole: bool = False,
    on: Callable[[Any], Any] = lambda model: model,
    read: Callable[[Any, Tensor, Any], tuple[Tensor, State]] = lambda model, part, state: model(part, state),
    again: bool = False,
    once: str = "",
) -> Callable[..., Any]:
    """The reference with one thing changed.

    Args:
        carry: what the next chunk starts from, of h and c.
        clear: zero the gradients before each backward().
        move: make an update after each chunk.
        whole: leave out a shorter chunk at the end.
        on: which model is trained.
        read: how outputs and state are computed, of model, inputs and state.
        again: compute the state to carry once more, with the new weights.
        once: "sum" or "mean": one backward() through everything and one update at the end; "accumulated": one update at the
            end with the sum of the chunks' gradients.
    """

    def train(model: Any, x: Tensor, y: Tensor, size: int, lr: float) -> list[float]:
        model = on(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        state, losses, steps = None, [], x.shape[1]
        optimizer.zero_grad()
        for start in range(0, steps - size + 1 if whole else steps, size):
            part = x[:, start : start + size]
            outputs, new = read(model, part, state)
            loss = F.mse_loss(outputs, y[:, start : start + size])
            losses.append(loss)
            if once in ("sum", "mean"):
                state = new
                continue
            if clear and not once:
                optimizer.zero_grad()
            loss.backward()
            if move and not once:
                optimizer.step()
            if again:
                _, new = model(part, state)
            state = carry(*new)
        if once:
            if once != "accumulated":
                (sum(losses) / (len(losses) if once == "mean" else 1)).backward()  # type: ignore[union-attr]
            optimizer.step()
        return [loss.item() for loss in losses]

    return train


def _detached_at_every_step(model: Any, part: Tensor, state: Any) -> tuple[Tensor, State]:
    outputs = []
    for t in range(part.shape[1]):
        output, (h, c) = model(part[:, t : t + 1], state)
        outputs.append(output)
        state = (h.detach(), c.detach())
    return torch.cat(outputs, 1), state


def _state_of_the_last_step_forgotten(model: Any, part: Tensor, state: Any) -> tuple[Tensor, State]:
    _, new = model(part[:, :-1], state) if part.shape[1] > 1 else (None, state)
    outputs, last = model(part, state)
    return outputs, new if new is not None else (torch.zeros_like(last[0]), torch.zeros_like(last[1]))


def _prefix(all_losses: bool) -> Callable[..., Any]:
    """Each update reads the sequence again from its first step; the loss is that of the chunk, or of all so far."""

    def train(model: Any, x: Tensor, y: Tensor, size: int, lr: float) -> list[float]:
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        losses = []
        for start in range(0, x.shape[1], size):
            outputs, _ = model(x[:, : start + size])
            first = 0 if all_losses else start
            loss = F.mse_loss(outputs[:, first:], y[:, first : start + size])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return train


def _with_old_graphs(model: Any, x: Tensor, y: Tensor, size: int, lr: float) -> list[float]:
    """Changes through .data go unnoticed, so the old graphs can be kept, and backward() walks through them with new weights."""
    state, losses = None, []
    for start in range(0, x.shape[1], size):
        outputs, state = model(x[:, start : start + size], state)
        loss = F.mse_loss(outputs, y[:, start : start + size])
        model.zero_grad()
        loss.backward(retain_graph=True)
        for weight in model.parameters():
            weight.data -= lr * weight.grad
        losses.append(loss.item())
    return losses


def _copied(model: Any) -> Any:
    copy = _Reader(model.lstm.input_size, model.lstm.hidden_size)
    copy.load_state_dict(model.state_dict())
    return copy


def _see_chunks(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The losses, and the weights that were learned."""
    weights = torch.cat([parameter.detach().flatten() for parameter in arguments[0].parameters()])
    return {"losses": result, "weights": weights}


TRAIN_IN_CHUNKS = Exercise(
    number="07.4",
    name="train_in_chunks",
    title="A long sequence, chunk by chunk",
    kind="debug",
    difficulty=2,
    minutes=12,
    trains="what crosses the border of a chunk: the state, but not its graph",
    stub='''def train_in_chunks(model, x, y, size, lr):
    """Truncated back-propagation through time: one update after each chunk of `size` steps.

    The state goes on from chunk to chunk; gradients do not. The last chunk may be shorter.

    Args:
        model: model(part, state) gives outputs (N, t, 1) and the new state, a pair (h, c);
            the state None stands for zeros. It is trained in place.
        x: inputs, (N, T, d)
        y: targets, (N, T, 1)
        size: steps in a chunk, 1 or more
        lr: learning rate of plain SGD
    Returns:
        the mean squared error of each chunk before its update, a list
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    state, losses = None, []
    for start in range(0, x.shape[1], size):
        part = slice(start, start + size)
        outputs, state = model(x[:, part], state)
        loss = F.mse_loss(outputs, y[:, part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
''',
    hints=(
        "The first chunk works, the second does not. Its state was computed in the first chunk: where does backward() go when it has reached the "
        "beginning of the second chunk?",
        "The message suggests retain_graph=True. Try it: another error follows, because step() has changed the weights that the old graph "
        "needs. And each backward() would walk through all chunks before. Do not keep the old graph; leave it behind.",
        "The next chunk needs the state's numbers, not its history. Which method of a tensor gives the same numbers outside the graph?",
        "The state is a pair: unpack it into h and c, and detach both before the next chunk. Setting it back to None would lose the numbers too.",
    ),
    reference=train_in_chunks,
    mistakes=(
        Mistake(
            _wrong_chunks(lambda h, c: None),
            "No error any more, but every chunk starts from zeros: the model forgets all that came before. Carry the state's numbers on; only "
            "its graph must end.",
        ),
        Mistake(
            _wrong_chunks(lambda h, c: (h.detach(), torch.zeros_like(c))),
            "h goes on, but c starts from zeros in each chunk. An LSTM's long memory is in c: detach and carry both.",
        ),
        Mistake(
            _wrong_chunks(lambda h, c: (torch.zeros_like(h), c.detach())),
            "c goes on, but h starts from zeros in each chunk. Detach and carry both.",
        ),
        Mistake(
            _wrong_chunks(lambda h, c: (c.detach(), h.detach())),
            "Both states go on, but they change places: the model takes the pair (h, c), in this order.",
        ),
        Mistake(
            _wrong_chunks(read=_detached_at_every_step),
            "You detach after every step. Then no gradient passes from one step to the one before it, not even inside a chunk: no "
            "back-propagation through time is left. Detach only between chunks.",
        ),
        Mistake(
            _with_old_graphs,
            "You keep the old graphs with retain_graph=True, and .data hides from autograd that their weights have changed. So each backward() walks "
            "back to the first chunk, with weights that were not in use then: slower and slower, and wrong. Cut the state's graph instead.",
        ),
        Mistake(
            _wrong_chunks(once="sum"),
            "You add up the losses of all chunks and go backward once at the end. That is back-propagation through the whole sequence, with one update "
            "and a graph that grows with T. Here each chunk has its own update.",
        ),
        Mistake(
            _wrong_chunks(once="mean"),
            "You average the losses of all chunks and go backward once at the end. That is back-propagation through the whole sequence, with one "
            "update and a graph that grows with T. Here each chunk has its own update.",
        ),
        Mistake(
            _wrong_chunks(once="accumulated"),
            "You update only once, at the end, with the gradients of all chunks added up. Each chunk makes its own step, so that the next chunk is read "
            "with better weights.",
        ),
        Mistake(
            _wrong_chunks(clear=False),
            "The gradients of earlier chunks stay in .grad and are added to the new ones. zero_grad() belongs before each backward().",
        ),
        Mistake(
            _wrong_chunks(move=False),
            "The weights do not move: without optimizer.step() no chunk trains anything.",
        ),
        Mistake(
            _wrong_chunks(again=True),
            "You compute the state a second time, after the update, so it comes from the new weights. Carry the state of the forward pass that "
            "gave the loss; it costs nothing.",
        ),
        Mistake(
            _wrong_chunks(read=_state_of_the_last_step_forgotten),
            "The state that you carry has not seen the last step of the chunk. The next chunk must start where this one ends.",
        ),
        Mistake(
            _wrong_chunks(whole=True),
            "What is left over at the end is not trained: if T is no multiple of size, the last chunk is shorter. A slice may reach past the end.",
        ),
        Mistake(
            _prefix(all_losses=False),
            "You read the sequence from its beginning in every chunk, so the gradient goes back to the first step: nothing is truncated, and the work "
            "grows with the square of T. Read the chunk alone, from the carried state.",
        ),
        Mistake(
            _prefix(all_losses=True),
            "You read the sequence from its beginning in every chunk, and take the loss over all of it. Read the chunk alone, from the carried "
            "state.",
        ),
        Mistake(
            _wrong_chunks(on=_copied),
            "The losses are right, but you train a copy: the caller's model is as it was.",
        ),
    ),
    styles=(_chunks_by_hand, _chunks_by_split, _chunks_by_reading_twice, _chunks_with_clones),
    start="Read the message: which chunk complains, and which graph is it that backward() enters a second time?",
    praise="After every chunk the weights are those of an LSTM written out by hand. The state may carry news from far back; the gradient looks back "
    "no further than the chunk, so what a step costs in time and memory does not grow with T.",
    cases=_chunk_cases,
    expected=_chunks_by_hand,
    observe=_see_chunks,
    may_change=frozenset({"model"}),
    prepare=_first_optimizer,
)

# ---- 07.5 ---------------------------------------------------------------------------------------------------------


def _reader_cases() -> Iterator[tuple[nn.Module, nn.Module, Tensor, Tensor]]:
    """Batches in no order of length; padding of zeros or of junk; one where all are equally long, one where none is T long."""
    generator = torch.Generator().manual_seed(75)
    for kind, lengths, steps, inputs, width, junk in (
        (nn.RNN, [2], 3, 1, 1, False),
        (nn.RNN, [1, 3], 3, 1, 1, False),
        (nn.GRU, [2, 4, 1], 4, 2, 2, True),
        (nn.GRU, [3, 3], 3, 2, 3, False),
        (nn.RNN, [2, 3], 6, 3, 2, True),
        (nn.GRU, [1, 5, 3, 5, 2], 5, 2, 4, True),
        (nn.GRU, [4, 1, 6, 2], 7, 3, 3, False),
    ):
        layers = [kind(inputs, width, batch_first=True, dtype=torch.float64) for _ in range(2)]
        with torch.no_grad():
            for parameter in (*layers[0].parameters(), *layers[1].parameters()):
                parameter.copy_(_random(*parameter.shape, generator=generator))
        x = _random(len(lengths), steps, inputs, generator=generator)
        sizes = torch.tensor(lengths)
        yield layers[0], layers[1], x if junk else x * _real(x[..., 0], sizes)[..., None], sizes


def _reader_by_torch(forward: Any, backward: Any, x: Tensor, lengths: Tensor) -> Tensor:
    """One bidirectional layer on the packed batch."""
    both = type(forward)(x.shape[2], forward.hidden_size, batch_first=True, bidirectional=True, dtype=x.dtype)
    own = {**forward.state_dict(), **{f"{name}_reverse": value for name, value in backward.state_dict().items()}}
    both.load_state_dict(own)
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        _, last = both(packed)  # (2, N, h)
    return torch.cat([last[0], last[1]], 1)


def read_both_ways(forward: Any, backward: Any, x: Tensor, lengths: Tensor) -> Tensor:
    rows = torch.arange(len(x))
    ahead = forward(x)[0][rows, lengths - 1]  # (N, T, h) -> (N, h)
    turned = x.clone()
    for row, length in enumerate(lengths):
        turned[row, :length] = x[row, :length].flip(0)  # what is behind `length` stays behind it
    back = backward(turned)[0][rows, lengths - 1]  # (N, T, h) -> (N, h)
    return torch.cat([ahead, back], dim=1)


def _reader_one_by_one(forward: Any, backward: Any, x: Tensor, lengths: Tensor) -> Tensor:
    rows = []
    for sequence, length in zip(x, lengths):
        own = sequence[None, :length]
        rows.append(torch.cat([forward(own)[1][-1, 0], backward(own.flip(1))[1][-1, 0]]))
    return torch.stack(rows)


def _reader_by_gather(forward: Any, backward: Any, x: Tensor, lengths: Tensor) -> Tensor:
    steps = torch.arange(x.shape[1])
    places = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    turned = x.gather(1, places[..., None].expand_as(x))
    ends = (lengths - 1).reshape(-1, 1, 1)
    found = [layer(given)[0] for layer, given in ((forward, x), (backward, turned))]
    return torch.cat([states.take_along_dim(ends, 1)[:, 0] for states in found], -1)


def _reader_by_packing(forward: Any, backward: Any, x: Tensor, lengths: Tensor) -> Tensor:
    sequences = [row[:length] for row, length in zip(x, lengths)]
    ends = []
    for layer, parts in ((forward, sequences), (backward, [part.flip(0) for part in sequences])):
        ends.append(layer(nn.utils.rnn.pack_sequence(parts, enforce_sorted=False))[1][0])
    return torch.hstack(ends)


def _reader_by_rolling(forward: Any, backward: Any, x: Tensor, lengths: Tensor) -> Tensor:
    """The whole batch flipped, then each row moved so that its padding is behind again."""
    steps = x.shape[1]
    turned = torch.stack([row.roll(int(length) - steps, 0) for row, length in zip(x.flip(1), lengths)])
    return torch.cat([_end(forward, x, lengths), _end(backward, turned, lengths)], 1)


def _end(layer: Any, x: Tensor, lengths: Tensor) -> Tensor:
    """The state after the last real step of each sequence."""
    return layer(x)[0][torch.arange(len(x)), lengths - 1]


def _turned_inside(x: Tensor, lengths: Tensor) -> Tensor:
    return torch.stack([torch.cat([row[:size].flip(0), row[size:]]) for row, size in zip(x, lengths.tolist())])


Half = Callable[[Any, Tensor, Tensor], Tensor]


def _ahead(layer: Any, x: Tensor, lengths: Tensor) -> Tensor:
    return _end(layer, x, lengths)


def _back(layer: Any, x: Tensor, lengths: Tensor) -> Tensor:
    return _end(layer, _turned_inside(x, lengths), lengths)


def _wrong_reader(
    ahead: Half = _ahead,
    back: Half = _back,
    join: Callable[[Tensor, Tensor], Any] = lambda ahead, back: torch.cat([ahead, back], 1),
) -> Callable[..., Any]:
    """The reference with another forward half, another backward half (of layer, x and lengths), or joined in another way."""
    return lambda forward, backward, x, lengths: join(ahead(forward, x, lengths), back(backward, x, lengths))


def _sorted_by_length(forward: Any, backward: Any, x: Tensor, lengths: Tensor) -> Tensor:
    sizes, order = lengths.sort(descending=True, stable=True)
    return _reader_by_packing(forward, backward, x[order], sizes)


def _sorted_back_half(layer: Any, x: Tensor, lengths: Tensor) -> Tensor:
    sizes, order = lengths.sort(descending=True, stable=True)
    return _back(layer, x[order], sizes)


def _unsorted_twice(forward: Any, backward: Any, x: Tensor, lengths: Tensor) -> Tensor:
    sizes, order = lengths.sort(descending=True, stable=True)
    return _reader_by_packing(forward, backward, x[order], sizes)[order]


def _at_the_ends_of_the_outputs(layer: Any, x: Tensor, lengths: Tensor) -> Tensor:
    """What a bidirectional layer's output holds of its backward half at the last real place: it has read one step."""
    return layer(x[torch.arange(len(x)), lengths - 1][:, None])[0][:, 0]


def _last_place(layer: Any, x: Tensor, lengths: Tensor) -> Tensor:
    return layer(x)[0][:, -1]


def _mean_of_real(layer: Any, x: Tensor, lengths: Tensor) -> Tensor:
    real = _real(x[..., 0], lengths)[..., None]
    return (layer(x)[0] * real).sum(1) / lengths[:, None]


READ_BOTH_WAYS = Exercise(
    number="07.5",
    name="read_both_ways",
    title="Read a padded batch both ways",
    kind="write",
    difficulty=2,
    minutes=15,
    trains="where a sequence ends, and where it begins from behind",
    stub='''def read_both_ways(forward, backward, x, lengths):
    """The last state of each sequence, read forward and read backward, side by side.

    Padding comes after the real steps and may hold any numbers. No state counts that has read
    padding. `forward` reads each sequence from its first real step to its last. `backward` reads
    the same real steps from the last to the first.

    Args:
        forward, backward: layers such as nn.GRU(d, h, batch_first=True): each gives outputs
            (N, T, h) and its last state (1, N, h), and reads in one direction
        x: a padded batch, (N, T, d)
        lengths: number of real steps of each sequence, (N,), 1 … T, in any order
    Returns:
        (N, 2h): first what `forward` ends with, then what `backward` ends with
    """
    ...
''',
    hints=(
        "First the forward half. forward(x)[0] holds the state after each step, (N, T, h). At which place of row n stands the state that has read all "
        "real steps and nothing else?",
        "At lengths[n] − 1. One place from each row: states[torch.arange(N), lengths - 1] has shape (N, h).",
        "For the backward half, turn each sequence round. What does x.flip(1) do to the padding of a short sequence, and when would the layer read it?",
        "Turn only the real part: x[n, :length] becomes x[n, :length].flip(0), and the padding stays behind it. Work on a copy of x. Then the forward "
        "half's trick finds the end again.",
    ),
    reference=read_both_ways,
    mistakes=(
        Mistake(
            _wrong_reader(_last_place, lambda layer, x, lengths: _last_place(layer, x.flip(1), lengths)),
            "The lengths play no part. Forward, a short sequence's state goes on to read padding; backward, flip puts the padding in front and the layer "
            "reads it first. Take the state at lengths − 1, and turn each sequence inside its own length.",
        ),
        Mistake(
            _wrong_reader(_last_place),
            "Forward you take the last place, outputs[:, -1] (or the layer's own last state): for a short sequence this state has read padding too. "
            "Take the place lengths − 1 of each row. The backward half is right.",
        ),
        Mistake(
            _wrong_reader(back=lambda layer, x, lengths: _last_place(layer, x.flip(1), lengths)),
            "The forward half is right. But x.flip(1) turns the padding round as well: it now comes first, and `backward` reads it before the "
            "sequence. Its first real step must be the first that the layer sees.",
        ),
        Mistake(
            _wrong_reader(back=lambda layer, x, lengths: _end(layer, x.flip(1), lengths)),
            "The forward half is right. But x.flip(1) puts the padding first, and the place lengths − 1 is now in the middle of it or soon after it. Turn "
            "each sequence inside its own length.",
        ),
        Mistake(
            _wrong_reader(_last_place, lambda layer, x, lengths: _end(layer, x.flip(1), lengths)),
            "Forward you take the last place, which has read padding; backward you flip the whole batch, so that padding comes first. Take the place "
            "lengths − 1, and turn each sequence inside its own length.",
        ),
        Mistake(
            _wrong_reader(back=lambda layer, x, lengths: _last_place(layer, _turned_inside(x, lengths), lengths)),
            "The forward half is right, and so is the turning. But backward too the padding is behind the sequence, and outputs[:, -1] has "
            "read it: take the place lengths − 1.",
        ),
        Mistake(
            _wrong_reader(
                _last_place, lambda layer, x, lengths: _last_place(layer, _turned_inside(x, lengths), lengths)
            ),
            "Each sequence is turned round as it should be. But both halves take the last place, outputs[:, -1] (or the layer's own last state), which has "
            "read the padding behind: take the place lengths − 1.",
        ),
        Mistake(
            _wrong_reader(back=_at_the_ends_of_the_outputs),
            "The forward half is right. The backward half has read one step only, the last one. That is what place 0 holds after the turn, and the place "
            "lengths − 1 of a bidirectional layer's output. Take the state that has read all real steps.",
        ),
        Mistake(
            _wrong_reader(back=_ahead),
            "The second half reads forward too: turn each sequence round before `backward` reads it.",
        ),
        Mistake(
            _wrong_reader(_last_place, _last_place),
            "Both halves read forward, and on into the padding. Take the place lengths − 1, and turn each sequence round before `backward` reads it.",
        ),
        Mistake(
            _wrong_reader(back=lambda layer, x, lengths: layer(x)[0][:, 0]),
            "The forward half is right. For the second you take place 0 of `backward`'s outputs. But this layer reads in the order it is given: "
            "at place 0 it has read one step. Turn each sequence round first.",
        ),
        Mistake(
            _sorted_by_length,
            "The numbers are right, but the rows have changed places: you sorted the batch by length. Put them back into the caller's order, "
            "or use enforce_sorted=False, which sorts and undoes it.",
        ),
        Mistake(
            _unsorted_twice,
            "You sort by length, and then index with the same order again. The way back is the inverse: order.argsort().",
        ),
        Mistake(
            _wrong_reader(back=_sorted_back_half),
            "The forward half is right. The backward half is sorted by length: its rows belong to other sequences. Put them back into the caller's order.",
        ),
        Mistake(
            _wrong_reader(join=lambda ahead, back: torch.cat([back, ahead], 1)),
            "The halves are in the wrong order: first what `forward` ends with.",
        ),
        Mistake(
            lambda forward, backward, x, lengths: _wrong_reader()(forward, forward, x, lengths),
            "`forward` reads both ways. The second half has its own weights: those of `backward`.",
        ),
        Mistake(
            lambda forward, backward, x, lengths: _wrong_reader()(backward, forward, x, lengths),
            "The layers are exchanged: `backward` must read from the last real step to the first.",
        ),
        Mistake(
            _wrong_reader(join=lambda ahead, back: ahead + back),
            "You add the two halves. Put them side by side: (N, 2h), with torch.cat(..., dim=1).",
        ),
        Mistake(
            _wrong_reader(join=lambda ahead, back: torch.cat([ahead, back])),
            "You put the halves below each other, (2N, h). Side by side means dim=1: (N, 2h).",
        ),
        Mistake(
            _wrong_reader(join=lambda ahead, back: torch.stack([ahead, back])),
            "The numbers are right. torch.stack makes a new axis, as the layer's h_n has; here both halves stand in one row, (N, 2h): torch.cat along axis 1.",
        ),
        Mistake(
            _wrong_reader(join=lambda ahead, back: (ahead, back)),
            "The numbers are right. Give them back as one tensor, (N, 2h): torch.cat along axis 1.",
        ),
        Mistake(
            _wrong_reader(lambda layer, x, lengths: _end(layer, x, lengths - 1)),
            "Forward you stop one step too early: index −2 from the end of the sequence, or `lengths - 2`. The last real place is lengths − 1.",
        ),
        Mistake(
            _wrong_reader(
                lambda layer, x, lengths: _end(layer, x, lengths.max().expand(len(x))),
                lambda layer, x, lengths: _end(layer, _turned_inside(x, lengths), lengths.max().expand(len(x))),
            ),
            "You use the longest length for all rows. Each sequence ends at its own.",
        ),
        Mistake(
            _wrong_reader(
                _mean_of_real, lambda layer, x, lengths: _mean_of_real(layer, _turned_inside(x, lengths), lengths)
            ),
            "You take the mean of all states over the real steps. That is a good summary too, but here the last state is asked for.",
        ),
    ),
    styles=(_reader_one_by_one, _reader_by_gather, _reader_by_packing, _reader_by_rolling),
    start="Begin with the forward half: at which place does each sequence end?",
    praise="It is what nn.GRU(bidirectional=True) gives on a packed batch, and what you get when you read one sequence at a time. No padding was "
    "read on the way to any of the results.",
    cases=_reader_cases,
    expected=_reader_by_torch,
)

# ---- 07.6 ---------------------------------------------------------------------------------------------------------

_DRAWS = 5000


def _draw_cases() -> Iterator[tuple[Tensor, float, int]]:
    """Two classes, then more: cold, hot and 1; negative and large logits; one in single precision whose plain exp overflows."""
    double = torch.float64
    yield torch.tensor([0.0, 1.0], dtype=double), 0.5, _DRAWS
    yield torch.tensor([1.0, 3.0, -1.0], dtype=double), 2.0, _DRAWS
    yield torch.tensor([2.0, 0.5, 1.0, 0.0], dtype=double), 1.0, _DRAWS
    yield torch.tensor([-3.0, -1.0, -2.5, -4.0], dtype=double), 0.4, _DRAWS
    yield torch.tensor([0.2, 6.0, -5.0, 3.0, 1.0], dtype=double), 5.0, _DRAWS
    yield torch.tensor([1.5, -0.5, 1.0], dtype=double), 0.8, _DRAWS
    yield torch.tensor([9.0, 8.8, 3.0, 9.04]), 0.08, _DRAWS


def sample_next(logits: Tensor, temperature: float, n: int) -> Tensor:
    p = torch.softmax(logits / temperature, dim=0)  # (V,), adds up to 1
    return torch.multinomial(p, n, replacement=True)  # (n,)


def _draws_by_a_race(logits: Tensor, temperature: float, n: int) -> Tensor:
    """The largest of logits / temperature, each with noise of its own (Gumbel): no softmax, no probability."""
    generator = torch.Generator().manual_seed(7)
    chances = torch.rand(n, len(logits), generator=generator, dtype=torch.float64)
    return (logits.double() / temperature - (-chances.log()).log()).argmax(1)


def _draws_by_inversion(logits: Tensor, temperature: float, n: int) -> Tensor:
    weights = ((logits.double() - logits.max()) / temperature).exp()
    edges = weights.cumsum(0) / weights.sum()
    return torch.searchsorted(edges, torch.rand(n, dtype=torch.float64)).clamp(max=len(logits) - 1)


def _draws_by_a_distribution(logits: Tensor, temperature: float, n: int) -> Tensor:
    return torch.distributions.Categorical(logits=logits / temperature).sample((n,))


def _draws_one_by_one(logits: Tensor, temperature: float, n: int) -> Any:
    p = torch.softmax(logits.double() / temperature, -1).tolist()
    return random.choices(range(len(p)), p, k=n)


def _draws_from(p: Callable[[Tensor, float], Tensor]) -> Callable[..., Any]:
    """Draws by other probabilities, of logits and temperature, as multinomial takes them: they need not add up to 1."""
    return lambda logits, temperature, n: torch.multinomial(p(logits.double(), temperature), n, replacement=True)


def _drawn_as(form: Callable[[Tensor, Tensor], Any]) -> Callable[..., Any]:
    """Right draws in another form, of them and the logits."""
    return lambda logits, temperature, n: form(sample_next(logits, temperature, n), logits)


def _see_draws(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """What was drawn, the share of each class among it, and how often a draw repeats the one before it.

    Single draws are chance, so they are not compared. What cannot be classes is shown as it is.
    """
    logits = arguments[0]
    try:
        drawn = torch.as_tensor(result).detach()
    except (TypeError, ValueError, RuntimeError):
        return {"drawn": result, "shares": None, "repeats": None}
    shape = tuple(drawn.shape)
    if drawn.is_complex() or drawn.dtype == torch.bool or drawn.ndim == 0:
        return {"drawn": f"{drawn.dtype}, shape {shape}", "shares": None, "repeats": None}
    floating = drawn.is_floating_point()
    seen = f"{'floating-point' if floating else 'whole'} numbers, shape {shape}"
    if floating and (shape == tuple(logits.shape) or bool((drawn != drawn.round()).any())):
        return {"drawn": seen, "shares": drawn.double(), "repeats": None}
    flat = drawn.flatten().long()
    shares = torch.stack([(flat == k).double().mean() for k in range(len(logits))])
    repeats = (flat[1:] == flat[:-1]).double().mean().item() if len(flat) > 1 else None
    return {"drawn": seen, "shares": shares, "repeats": repeats}


SAMPLE_NEXT = Exercise(
    number="07.6",
    name="sample_next",
    title="Draw the next character",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="temperature: between the safest choice and pure chance",
    stub='''def sample_next(logits, temperature, n):
    """Draw the next character n times, each draw independent of the others.

    Class k is drawn with probability exp(logits[k] / temperature), divided by the sum of these
    over all classes.
    The check draws often and compares shares, so any source of random numbers will do.

    Args:
        logits: a score for each class, (V,), any numbers
        temperature: above 0
        n: number of draws
    Returns:
        the drawn classes, whole numbers 0 … V − 1, shape (n,)
    """
    ...
''',
    hints=(
        "Which function makes probabilities of logits? And where must the temperature act: before it or after it?",
        "Divide the logits by the temperature, then take the softmax over the classes. Written as torch.softmax it also takes large numbers, where a plain "
        "exp would give inf.",
        "torch.multinomial(p, n) draws indices by probability. But read its third argument: without it no class can be drawn twice.",
    ),
    reference=sample_next,
    mistakes=(
        Mistake(
            _draws_from(lambda z, t: torch.softmax(z * t, 0)),
            "You multiply by the temperature (or raise the probabilities to that power), so hot and cold change places. A low temperature must make the "
            "best class more certain: divide the logits.",
        ),
        Mistake(
            _draws_from(lambda z, t: torch.softmax(z, 0)),
            "The temperature has no effect. If you divide after the softmax, all probabilities shrink alike, and multinomial divides it out again. "
            "Divide the logits, before the softmax.",
        ),
        Mistake(
            _draws_from(lambda z, t: F.one_hot(z.argmax(), len(z)).double()),
            "You always take the best class. That is what a temperature near 0 does; here the others must come up too, each as often as its "
            "probability says.",
        ),
        Mistake(
            _draws_from(lambda z, t: torch.ones_like(z)),
            "All classes come up equally often: the logits have no effect. That is what a very high temperature does.",
        ),
        Mistake(
            _draws_from(lambda z, t: torch.softmax(-z / t, 0)),
            "The sign is wrong: the class with the *lowest* logit comes up most often.",
        ),
        Mistake(
            _draws_from(lambda z, t: torch.softmax(torch.softmax(z, 0) / t, 0)),
            "You divide the probabilities by the temperature and take the softmax again. Probabilities differ by less than 1, so little is left of the "
            "differences. Divide the logits, and take the softmax once.",
        ),
        Mistake(
            _draws_from(lambda z, t: torch.softmax(torch.softmax(z / t, 0), 0)),
            "The softmax is taken twice. Once makes probabilities; the second makes them nearly equal.",
        ),
        Mistake(
            _draws_from(lambda z, t: torch.softmax(z / t**2, 0)),
            "The temperature acts twice: you divide by its square.",
        ),
        Mistake(
            _draws_from(lambda z, t: torch.softmax(math.log(2) * z / t, 0)),
            "You use powers of 2. The softmax uses e: exp(logit / temperature).",
        ),
        Mistake(
            _draws_from(lambda z, t: torch.sigmoid(z / t)),
            "You use the sigmoid, which asks about each class alone. Classes compete here: softmax.",
        ),
        Mistake(
            _draws_from(lambda z, t: (z - z.min()) / t + 1e-12),
            "You use the logits themselves as shares, moved above 0. Then the temperature is divided out again. The probability of a class is exp(logit / "
            "temperature), divided by the sum.",
        ),
        Mistake(
            lambda logits, temperature, n: sample_next(logits, temperature, 1).expand(n),
            "All n numbers are one draw, repeated. Each must be drawn anew.",
        ),
        Mistake(
            _drawn_as(lambda drawn, logits: drawn.sort().values),
            "The shares are right, but the draws come in order. Each draw must be independent of the one before it.",
        ),
        Mistake(
            _drawn_as(lambda drawn, logits: drawn.repeat_interleave(2)[: len(drawn)]),
            "The shares are right, but each draw comes twice in a row. Each draw must be independent of the one before it.",
        ),
        Mistake(
            lambda logits, temperature, n: sample_next(logits.sort(descending=True).values, temperature, n),
            "Your numbers are ranks, not classes: you sort the logits, and 0 stands for the best one. Look up which class stands at that rank.",
        ),
        Mistake(
            _drawn_as(lambda drawn, logits: drawn + 1),
            "The shares are right, but your classes count from 1. The first class is 0.",
        ),
        Mistake(
            _drawn_as(lambda drawn, logits: drawn[:, None]),
            "The draws are right, but their shape is (n, 1). Give them back as (n,).",
        ),
        Mistake(
            _drawn_as(lambda drawn, logits: drawn[:1]),
            "That is one draw. Draw n times.",
        ),
        Mistake(
            _drawn_as(lambda drawn, logits: F.one_hot(drawn, len(logits))),
            "You give back one-hot rows, (n, V). Give the number of the drawn class: argmax(1) finds it.",
        ),
        Mistake(
            lambda logits, temperature, n: torch.softmax(logits / temperature, 0),
            "You give back the probabilities, and they are right. Now draw with them.",
        ),
        Mistake(
            _drawn_as(lambda drawn, logits: drawn.to(torch.float32)),
            "The draws are right, but they are floating-point numbers. A class is a whole number.",
        ),
    ),
    styles=(_draws_by_a_race, _draws_by_inversion, _draws_by_a_distribution, _draws_one_by_one),
    start="Begin with the probabilities: first for temperature 1, then for any.",
    praise="In thousands of draws every class comes up as often as it should, cold and hot. At temperature 1 you speak as the model does; below 1 "
    "safer, above 1 more boldly.",
    cases=_draw_cases,
    expected=_draws_by_a_race,
    observe=_see_draws,
    tolerance=0.04,  # 5,000 draws: at most 0.01 from chance, in standard errors of a difference
)

# ---- 07.7 ---------------------------------------------------------------------------------------------------------

_LINEAR_9, _LINEAR, _TANH, _TANH_3, _LSTM_0, _LSTM_4, _GRU_0, _GRU_4 = (
    "linear, radius 0.9",
    "linear, radius 1",
    "tanh, radius 1",
    "tanh, radius 3",
    "LSTM, bias 0",
    "LSTM, bias 4",
    "GRU, bias 0",
    "GRU, bias 4",
)

#: Kind, and radius or gate bias, of each network.
_NETWORKS: dict[str, tuple[str, float]] = {
    _LINEAR_9: ("linear", 0.9),
    _LINEAR: ("linear", 1.0),
    _TANH: ("tanh", 1.0),
    _TANH_3: ("tanh", 3.0),
    _LSTM_0: ("LSTM", 0.0),
    _LSTM_4: ("LSTM", 4.0),
    _GRU_0: ("GRU", 0.0),
    _GRU_4: ("GRU", 4.0),
}
_GATES = {"linear": 1, "tanh": 1, "GRU": 3, "LSTM": 4}
_WIDTH, _SEQUENCES = 32, 64


def _weights(kind: str, *, radius: float, bias: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Weights for the input and the state, and one bias, as torch lays them out; uniform ± 1/√h, as torch draws them.

    Without gates, the matrix of the state is orthogonal times the radius, and the bias is 0.
    """
    rows = _GATES[kind] * _WIDTH
    w_ih, w_hh, b = (
        (2 * torch.rand(*size, generator=generator, dtype=torch.float64) - 1) / math.sqrt(_WIDTH)
        for size in ((rows, _WIDTH), (rows, _WIDTH), (rows,))
    )
    if _GATES[kind] == 1:
        return w_ih, radius * torch.linalg.qr(w_hh).Q, 0 * b
    b[_WIDTH : 2 * _WIDTH] += bias  # LSTM: forget gate f; GRU: update gate z
    return w_ih, w_hh, b


def gradient_left(
    kind: str, *, radius: float | None = None, bias: float | None = None, steps: int = 100, seed: int = 0
) -> float:
    """How much of a gradient at the last state arrives at the state ``steps`` before it.

    A network of 32 units with fresh random weights reads 64 sequences of random numbers. A gradient of length 1 and random
    direction is sent back from each last state (in an LSTM: from h and c).

    Args:
        kind: "linear", "tanh", "LSTM" or "GRU".
        radius: of "linear" and "tanh": the state's matrix is orthogonal, times this; 1 by default.
        bias: of "LSTM" and "GRU": added to the bias of the gate that keeps the old state (f, or z); 0 by default.
        steps: the distance, 1 or more.
        seed: of the random numbers.

    Returns:
        the length of what arrives, as root mean square over the sequences: 1 is all of it.

    Raises:
        ValueError: an unknown kind, a radius for a network with gates or a bias for one without, or no step.
    """
    if kind not in _GATES:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(_GATES)}")
    gated = _GATES[kind] > 1
    if (radius if gated else bias) is not None:
        raise ValueError(f"{'radius' if gated else 'bias'} is given; {kind} has only a {'bias' if gated else 'radius'}")
    if steps < 1:
        raise ValueError(f"steps is {steps}; expected 1 or more")
    generator = torch.Generator().manual_seed(seed)
    w_ih, w_hh, b = _weights(kind, radius=1.0 if radius is None else radius, bias=bias or 0.0, generator=generator)
    weights = (w_ih, w_hh, b, torch.zeros_like(b))
    first = torch.zeros(_SEQUENCES, (2 if kind == "LSTM" else 1) * _WIDTH, dtype=torch.float64, requires_grad=True)
    state = first
    with torch.enable_grad():
        for x in _random(steps, _SEQUENCES, _WIDTH, generator=generator):  # (N, d)
            if kind == "LSTM":
                h, c = state.chunk(2, 1)
                state = torch.cat(torch.lstm_cell(x, (h, c), *weights), 1)
            elif kind == "GRU":
                state = torch.gru_cell(x, state, *weights)
            elif kind == "tanh":
                state = torch.rnn_tanh_cell(x, state, *weights)
            else:
                state = x @ w_ih.T + state @ w_hh.T
    sent = F.normalize(_random(*state.shape, generator=generator), dim=1)
    (arrived,) = torch.autograd.grad(state, first, sent)
    return float(arrived.square().sum(1).mean().sqrt())


def _carried(kind: str, setting: float, seed: int, steps: int = 100) -> float:
    """The same measured the other way round and without autograd: how long a small change of the first state is at the end.

    Each step's formulas are differentiated by hand. In the mean over directions, forward and backward, both lengths are
    the same: that of the whole matrix of derivatives.
    """
    generator = torch.Generator().manual_seed(1000 + seed)
    w_ih, w_hh, b = _weights(kind, radius=setting, bias=setting, generator=generator)
    h = c = torch.zeros(_SEQUENCES, _WIDTH, dtype=torch.float64)
    start = F.normalize(_random(_SEQUENCES, (2 if kind == "LSTM" else 1) * _WIDTH, generator=generator), dim=1)
    dh, dc = start[:, :_WIDTH], start[:, _WIDTH:]
    for x in _random(steps, _SEQUENCES, _WIDTH, generator=generator):
        a, r, dr = x @ w_ih.T + b, h @ w_hh.T, dh @ w_hh.T
        if kind == "LSTM":
            i, f, g, o = (squash(part) for squash, part in zip(_SQUASH.values(), (a + r).chunk(4, 1)))
            di, df, dg, do = dr.chunk(4, 1)
            dc = f * (1 - f) * df * c + f * dc + i * (1 - i) * di * g + i * (1 - g * g) * dg
            c = f * c + i * g
            dh = o * (1 - o) * do * c.tanh() + o * (1 - c.tanh() ** 2) * dc
            h = o * c.tanh()
        elif kind == "GRU":
            (ar, az, an), (hr, hz, hn), (dhr, dhz, dhn) = a.chunk(3, 1), r.chunk(3, 1), dr.chunk(3, 1)
            reset, z = (ar + hr).sigmoid(), (az + hz).sigmoid()
            new = (an + reset * hn).tanh()
            dnew = (1 - new * new) * (reset * (1 - reset) * dhr * hn + reset * dhn)
            dz = z * (1 - z) * dhz
            dh = dz * (h - new) + z * dh + (1 - z) * dnew
            h = (1 - z) * new + z * h
        else:
            h = torch.tanh(a + r) if kind == "tanh" else a + r
            dh = (1 - h * h) * dr if kind == "tanh" else dr
    end = torch.cat([dh, dc], 1) if kind == "LSTM" else dh
    return float(end.square().sum(1).mean().sqrt())


@cache
def _left(name: str) -> float:
    """The share that is left in a network of the question, in the geometric mean of five other draws than the learner's."""
    kind, setting = _NETWORKS[name]
    return math.exp(sum(math.log(_carried(kind, setting, seed)) for seed in range(5)) / 5)


def _measure_networks() -> None:
    for name in _NETWORKS:
        _left(name)


#: A network keeps the gradient if what arrives is within this factor of what was sent.
_WITHIN = 100.0

_WHY = {
    _LINEAR_9: "each step multiplies by 0.9, and 0.9 to the power of 100 is less than 1/30,000",
    _TANH: "the matrix keeps all, but the slope of tanh is below 1 and takes something off at each step",
    _TANH_3: "a large matrix can win against the slope of tanh, and then the gradient explodes",
    _LSTM_0: "the forget gate stands near one half, and halving 100 times leaves nothing",
    _GRU_0: "the update gate stands near one half, and halving 100 times leaves nothing",
}
_KEEPS = {
    _LINEAR: "an orthogonal matrix turns a gradient without making it shorter",
    _LSTM_4: "its forget gate stands near 0.98, so the cell state is handed on nearly whole",
    _GRU_4: "its update gate stands near 0.98, so the state is handed on nearly whole",
}

_BELIEFS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({_LINEAR, _TANH}),
        "You chose those with radius 1. That is the right radius for a linear network. But tanh has a slope below 1 wherever its input is not 0: "
        'what does gradient_left("tanh", radius=1) say? And a gate can keep a state too.',
    ),
    (
        frozenset({_LINEAR, _TANH, _LSTM_4, _GRU_4}),
        "One is too many. Radius 1 keeps the gradient only where nothing else stands in its way: tanh multiplies by its slope at every step. "
        'Run gradient_left("tanh", radius=1).',
    ),
    (
        frozenset({_LSTM_0, _LSTM_4, _GRU_0, _GRU_4}),
        "You chose all networks with gates. A gate *can* keep the gradient, if it stands near 1; with torch's usual weights it stands near one half. "
        "And one network without gates keeps the gradient exactly.",
    ),
    (
        frozenset({_LINEAR, _LSTM_0, _LSTM_4, _GRU_0, _GRU_4}),
        "You trust every gate. But a forget gate of one half, as torch's usual weights give it, halves the memory at each step. Measure both "
        "networks with bias 0.",
    ),
    (
        frozenset({_LINEAR, _TANH, _LSTM_0, _LSTM_4, _GRU_0, _GRU_4}),
        "Three are too many. Ask of each: by what is the gradient multiplied at every step? By 0.5 or by 0.9, a hundred times, leaves nothing.",
    ),
    (
        frozenset({_LSTM_4, _GRU_4}),
        "Both are right. But gates are not the only way: one network without them keeps the gradient exactly. (It has other weaknesses.)",
    ),
    (
        frozenset({_LINEAR}),
        "That one is right, but it is not alone. What do the gates do when their bias is 4?",
    ),
    (
        frozenset({_LINEAR, _LSTM_4}),
        "Both are right. One is missing: a GRU has a gate with the same work as the forget gate.",
    ),
    (
        frozenset({_LINEAR, _GRU_4}),
        "Both are right. One is missing: what does a forget gate near 1 do to the cell state of an LSTM?",
    ),
    (
        frozenset({_LINEAR, _TANH_3, _LSTM_4, _GRU_4}),
        "One is too many: with radius 3 the matrix more than makes up for the slope of tanh. What arrives is far larger than what was sent, and a step "
        "with it destroys the weights.",
    ),
    (
        frozenset({_LINEAR_9, _LINEAR, _LSTM_4, _GRU_4}),
        "One is too many: 0.9 is near 1, but it counts a hundred times.",
    ),
    (
        frozenset({_LINEAR_9, _TANH, _LSTM_0, _GRU_0}),
        "You chose those in which the gradient vanishes. The question is which keep it.",
    ),
    (
        frozenset(_NETWORKS),
        "Not all of them: in most the gradient vanishes, in one it explodes. Measure each with gradient_left.",
    ),
    (
        frozenset(),
        "An empty set says that no network can learn over 100 steps. Measure the linear one with radius 1.",
    ),
)


def _accept_networks(chosen: set[str]) -> str:
    keeping = {name for name in _NETWORKS if 1 / _WITHIN <= _left(name) <= _WITHIN}
    if chosen == keeping:
        return ""
    if extra := [name for name in _NETWORKS if name in chosen - keeping]:
        size = math.log10(_left(extra[0]))
        what = "grows to" if size > 0 else "shrinks to"
        return (
            f'"{extra[0]}" does not keep the gradient: {_WHY[extra[0]]}. Measured again with other weights, it {what} about 10 to the power of '
            f"{round(size)}.".replace("-", "−")
        )
    missing = next(name for name in _NETWORKS if name in keeping - chosen)
    return f'What you chose is right, but something is missing: "{missing}" keeps the gradient too, since {_KEEPS[missing]}.'


KEEPS_GRADIENT = Selection(
    names=tuple(_NETWORKS),
    number="07.7",
    name="keeps_gradient",
    title="Which networks keep the gradient?",
    kind="investigate",
    difficulty=2,
    minutes=10,
    trains="finding what multiplies the gradient at every step",
    stub="""keeps_gradient = ...  # a set of names: in which networks does the gradient survive 100 steps?
# What arrives must be between 1/100 and 100 of what was sent. Choose from
# "linear, radius 0.9", "linear, radius 1", "tanh, radius 1", "tanh, radius 3",
# "LSTM, bias 0", "LSTM, bias 4", "GRU, bias 0", "GRU, bias 4"
# The radius belongs to the state's matrix: an orthogonal matrix times that number. The bias is
# added to the gate that keeps the old state: the LSTM's forget gate, the GRU's update gate.

# A measuring tool: the length of what is left of a gradient of length 1.
from course_utils.practice.lesson_07 import gradient_left

print(f"{gradient_left('linear', radius=0.9, steps=10):.1e}")
""",
    hints=(
        "Guess first: what is a gradient multiplied by when it goes back one step? Over 100 steps this factor counts 100 times.",
        "Then measure all eight, such as gradient_left('tanh', radius=1) and gradient_left('LSTM', bias=4). Change steps too: is the decay geometric?",
        "A gate's bias of 0 means a gate near 1/2; a bias of 4 means one near 0.98. Look at the powers of ten: three of the eight are between 1/100 and 100.",
    ),
    reference={_LINEAR, _LSTM_4, _GRU_4},
    mistakes=tuple(Mistake(set(belief), feedback) for belief, feedback in _BELIEFS),
    styles=(
        frozenset({_LINEAR, _LSTM_4, _GRU_4}),
        [_GRU_4, _LINEAR, _LSTM_4],
        (_LSTM_4.replace(" ", ""), _GRU_4, _LINEAR),
    ),
    start="Run gradient_left on two networks that you expect to differ.",
    praise="Measured again, forwards and with derivatives taken by hand: these three keep it. What counts is the factor of one step. A "
    "forget gate near 1 makes an LSTM's long memory, and that is why its bias is often set to 1 or more before training.",
    accept=_accept_networks,
    example={_LINEAR_9},
    prepare=_measure_networks,
)

EXERCISES = (
    RNN_FORWARD,
    LSTM_STEP,
    SEQUENCE_LOSS,
    TRAIN_IN_CHUNKS,
    READ_BOTH_WAYS,
    SAMPLE_NEXT,
    KEEPS_GRADIENT,
)
check = Checks(EXERCISES)

QUIZ = Quiz(
    "07",
    (
        Question(
            "An nn.RNN reads sentences of 10 words. You now give it sentences of 50 words. What changes in the layer?",
            (
                Choice(
                    "It needs five times as many weights: each step has its own",
                    "Then it could not read a sentence of 51 words. All steps share one set of weights.",
                ),
                Choice(
                    "Nothing: the same weights are used at every step, and the state keeps its size",
                    "Right: 50 steps through the same matrix. That makes any length possible; it also means that all 50 words must fit into one state "
                    "of fixed size.",
                    right=True,
                ),
                Choice(
                    "The weights stay, but the state becomes five times as wide",
                    "The state has hidden_size numbers, whatever the length. That is the bottleneck of the copy task.",
                ),
                Choice(
                    "It must be trained again: weights for 10 steps do not fit 50",
                    "They fit, since no weight belongs to a step. Whether the layer remembers over 50 steps is another question.",
                ),
            ),
        ),
        Question(
            "Over a distance of 10 steps, a gradient shrinks to 1/10. About what is left of it after 30 steps?",
            (
                Choice(
                    "1/30: three times the distance, a third of that",
                    "That would be so if each step took off the same amount. It takes the same share of what is left.",
                ),
                Choice(
                    "1/10: it has settled",
                    "Nothing stops the shrinking: each further step multiplies again.",
                ),
                Choice(
                    "As much as before, if you clip: clip_grad_norm_ brings it back to length",
                    "Clipping only shortens what is too long. What has vanished stays small; made longer it would be mostly rounding.",
                ),
                Choice(
                    "1/1000: every 10 steps multiply by 1/10",
                    "Right: the steps multiply, so distance stands in the exponent. That is why a radius a little below or above 1 decides.",
                    right=True,
                ),
            ),
        ),
        Question(
            "You pack a batch, run it through an nn.GRU and unpack it with pad_packed_sequence. A short sentence has 4 words, the longest 9. What is in "
            "output[:, -1] for the short one?",
            (
                Choice(
                    "Zeros; its last state is in output at place 3, and in h_n",
                    "Right: a packed layer stops after the fourth word, and unpacking fills up with zeros. h_n holds the state after the last real word "
                    "of each sentence.",
                    right=True,
                ),
                Choice(
                    "Its state after the fourth word, repeated to the end",
                    "Unpacking knows no state to repeat: it fills up with padding_value, 0.0 by default.",
                ),
                Choice(
                    "Its state after nine steps, five of them on padding",
                    "That is what you get without packing. A packed layer never sees the padding.",
                ),
                Choice(
                    "The state of the longest sentence, since the batch shares its state",
                    "Each sentence has a state of its own; a batch only computes them side by side.",
                ),
            ),
        ),
        Question(
            "Between two chunks of a long text you write h = h.detach(). What can the model still do?",
            (
                Choice(
                    "Nothing with earlier chunks: detach() sets the state to zero",
                    "detach() changes no number. It only cuts the link to the graph that computed them.",
                ),
                Choice(
                    "The same as before: detach() saves memory, and the gradients stay as they are",
                    "The gradients do change: they end at the border of the chunk.",
                ),
                Choice(
                    "Use what the state brings from earlier chunks; but no gradient tells those chunks what they should have kept",
                    "Right: the numbers cross the border, the gradient does not. A longer chunk lets the model learn to remember for longer; it costs "
                    "more time and memory a step.",
                    right=True,
                ),
                Choice(
                    "Learn over any distance, since the state is carried on",
                    "It can carry something over any distance. But what is worth keeping is learned from gradients, and these reach back one chunk.",
                ),
            ),
        ),
        Question(
            "A character model gives half of the characters probability 1/2 and the other half 1/8. What is its perplexity?",
            (
                Choice(
                    "5: the mean of 2 and 8",
                    "You average the perplexities of single characters. The mean is taken over the logarithms first, and exp comes last.",
                ),
                Choice(
                    "3.2: one divided by the mean probability",
                    "The mean probability is 5/16. But a loss is a mean of logarithms, and perplexity is exp of the mean loss.",
                ),
                Choice(
                    "2: that is the mean loss in bits",
                    "2 bits a character is right. Perplexity undoes the logarithm: 2 to the power of 2.",
                ),
                Choice(
                    "4: exp of the mean of ln 2 and ln 8",
                    "Right: the geometric mean of 2 and 8. The model hesitates as if between 4 equally likely characters.",
                    right=True,
                ),
            ),
        ),
    ),
)
