"""K small recurrent networks side by side: one matrix product moves all of them a step on.

A small recurrent network keeps a processor busy for microseconds and Python for much longer, step after step. With the
weights of K networks stacked along a new first axis, (K, ...), K seeds cost little more than one. The networks never
meet: each has its own weights, its own texts, its own gradient. The formulas are those of `nn.RNN`, `nn.LSTM`,
`nn.GRU`.

Used in lesson 07 where a comparison needs ten seeds: sections 6, 7 and 10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Kind = Literal["rnn", "lstm", "gru"]
Start = Literal["torch", "orthogonal", "open"]
#: With start="open": what is added to the bias of the gate that keeps; sigmoid(3) is 0.95.
OPEN = 3.0
#: Blocks of `width` rows in the weights of each kind: one for each gate, and one for what is proposed.
BLOCKS: dict[str, int] = {"rnn": 1, "lstm": 4, "gru": 3}
#: The hidden state, (K, B, width); an LSTM's cell state comes second.
State = tuple[Tensor, ...]


class StackedRecurrent:
    """K recurrent networks that read numbers of symbols, and one linear read-out for each.

    Args:
        kind: "rnn", "lstm" or "gru".
        symbols: how many different symbols there are.
        width: numbers in the hidden state.
        outputs: numbers that a read-out gives.
        seeds: one for each network; draws its first weights as torch does, uniform in ±1/√width.
        start: how the recurrent weights begin: "torch" as drawn; "orthogonal" (RNN only) replaces them by an orthogonal
            matrix, which keeps the length of every state; "open" (LSTM, GRU) adds 3 to the bias of the gate that keeps
            the old state, so that it lets nearly all of it through.

    Raises:
        ValueError: the kind or the start is unknown, a number is below 1, or there is no seed.

    Source: Jozefowicz, Zaremba & Sutskever 2015, An empirical exploration of recurrent network architectures, for an
        open gate (they recommend a bias of 1).
    """

    def __init__(
        self,
        kind: Kind,
        *,
        symbols: int,
        width: int,
        outputs: int,
        seeds: Sequence[int],
        start: Start = "torch",
    ) -> None:
        if kind not in BLOCKS:
            raise ValueError(f"kind is {kind!r}; expected one of {', '.join(map(repr, BLOCKS))}")
        if min(symbols, width, outputs, len(seeds)) < 1:
            raise ValueError(
                f"symbols is {symbols}, width {width}, outputs {outputs}, and there are {len(seeds)} seeds; "
                "expected 1 or more of each"
            )
        allowed = ("torch", "orthogonal") if kind == "rnn" else ("torch", "open")
        if start not in allowed:
            raise ValueError(f"start is {start!r} for {kind!r}; expected {allowed[0]!r} or {allowed[1]!r}")
        self.kind, self.width, self.symbols = kind, width, symbols
        gates = BLOCKS[kind] * width
        shapes = {
            "weight_ih": (symbols, gates),
            "weight_hh": (width, gates),
            "bias_ih": (gates,),
            "bias_hh": (gates,),
            "weight_out": (width, outputs),
            "bias_out": (outputs,),
        }
        draws: dict[str, list[Tensor]] = {name: [] for name in shapes}
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            for name, shape in shapes.items():
                draws[name].append((2 * torch.rand(shape, generator=generator) - 1) / math.sqrt(width))
            if start == "orthogonal":
                draws["weight_hh"][-1] = torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
            if start == "open":
                # The second block keeps: f in torch's LSTM (i, f, g, o), z in its GRU (r, z, n).
                draws["bias_hh"][-1][width : 2 * width] += OPEN
        self.weights = {name: torch.stack(drawn) for name, drawn in draws.items()}
        for weight in self.weights.values():
            weight.requires_grad_()

    def __len__(self) -> int:
        return len(self.weights["bias_hh"])

    def parameters(self) -> list[Tensor]:
        """The stacked weights, (K, ...) each, for an optimizer that treats each number alone, such as Adam."""
        return list(self.weights.values())

    def member(self, k: int) -> torch.nn.RNNBase:
        """Return network k as a torch layer that reads one-hot rows, (B, T, symbols)."""
        layer = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[self.kind]
        made = layer(self.symbols, self.width, batch_first=True)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        made.load_state_dict(
            {f"{name}_l0": self.weights[name][k].detach().mT for name in names[:2]}
            | {f"{name}_l0": self.weights[name][k].detach() for name in names[2:]}
        )
        return made

    def read(self, x: Tensor, state: State | None = None) -> tuple[list[Tensor], State]:
        """Read a piece of text with every network.

        Args:
            x: numbers of symbols, (K, B, T) int64: each network has its own; or (B, T), shared.
            state: what the networks remember of the piece before; None for zeros.

        Returns:
            The hidden state after each step, T times (K, B, width), and the state after the last.
        """
        k, w = len(self), self.weights
        x = x.expand(k, *x.shape) if x.ndim == 2 else x
        rows = x.permute(2, 0, 1) + self.symbols * torch.arange(k).view(1, k, 1)  # (T, K, B)
        # A one-hot row times a matrix is a row of the matrix: look it up.
        bias = w["bias_ih"] if self.kind == "gru" else w["bias_ih"] + w["bias_hh"]
        table = w["weight_ih"] + bias.unsqueeze(1)  # (K, symbols, gates)
        inputs = F.embedding(rows, table.flatten(0, 1))  # (T, K, B, gates)
        if state is None:
            state = (inputs.new_zeros(k, x.shape[1], self.width),) * (2 if self.kind == "lstm" else 1)
        step = {"rnn": self._rnn, "lstm": self._lstm, "gru": self._gru}[self.kind]
        hidden = []
        for now in inputs.unbind(0):
            state = step(now, state)
            hidden.append(state[0])
        return hidden, state

    def answer(self, hidden: Tensor) -> Tensor:
        """Apply each network's read-out: (K, B, width) -> (K, B, outputs)."""
        return torch.baddbmm(self.weights["bias_out"].unsqueeze(1), hidden, self.weights["weight_out"])

    def _rnn(self, now: Tensor, state: State) -> State:
        return (torch.baddbmm(now, state[0], self.weights["weight_hh"]).tanh(),)

    def _lstm(self, now: Tensor, state: State) -> State:
        hidden, cell = state
        blocks = torch.baddbmm(now, hidden, self.weights["weight_hh"])  # (K, B, 4 * width): i, f, g, o
        # One sigmoid of the whole, a quarter of it not needed, takes half the time of three on its parts.
        i, f, _, o = blocks.sigmoid().chunk(4, -1)
        cell = f * cell + i * blocks.chunk(4, -1)[2].tanh()
        return o * cell.tanh(), cell

    def _gru(self, now: Tensor, state: State) -> State:
        (hidden,) = state
        own = torch.baddbmm(self.weights["bias_hh"].unsqueeze(1), hidden, self.weights["weight_hh"])
        gates, proposal = now.split((2 * self.width, self.width), -1)
        own_gates, own_proposal = own.split((2 * self.width, self.width), -1)
        r, z = (gates + own_gates).sigmoid().chunk(2, -1)
        proposed = (proposal + r * own_proposal).tanh()
        return (proposed + z * (hidden - proposed),)
