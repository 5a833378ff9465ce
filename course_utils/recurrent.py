"""Recurrent layers: readable versions of torch's RNN, LSTM and GRU, equal to torch's own up to rounding.

All three walk along a sequence with a state in their hands and use the same weights at each step. They differ in the
step alone: `recurrence` has `rnn_step`, `lstm_step`, `gru_step` and `walk`. Start there.

Only plain tensor operations are used, and autograd finds the gradients. Arguments, names in the `state_dict` and error
messages are torch's. torch's layers are faster: use those in your work. What these can and torch's cannot: run under
`torch.func.vmap`, and so in `ensembles.fit_many`.

Built in lesson 07.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout as drop
from torch.nn.utils.rnn import PackedSequence

from course_utils import recurrent_checks as checks
from course_utils.normalization import Device, Dtype
from course_utils.recurrence import State, Weights, gru_step, lstm_step, rnn_step, walk

__all__ = ["GRU", "LSTM", "RNN", "Weights", "gru_step", "lstm_step", "rnn_step", "walk"]


class Recurrent(nn.Module):
    """What RNN, LSTM and GRU share: layers on top of each other, directions, batches of every form.

    Args:
        input_size: numbers at each step of the input.
        hidden_size: numbers in the state.
        num_layers: layers on top of each other; each reads the states of the one below.
        bias: learn b_ih and b_hh. One would do; torch has two.
        batch_first: batches are (N, T, ...) rather than (T, N, ...). The states stay (layers, N, ...).
        dropout: share of the numbers between two layers that training sets to 0.
        bidirectional: read backward too; the outputs stand side by side, forward first.
        proj_size: numbers in h, if not as many as in c (LSTM only); 0 for no projection.
        device, dtype: of the layer's tensors.
    """

    kind: ClassVar[str]  # torch's name
    parts: ClassVar[int]  # G
    states: ClassVar[int] = 1  # h, or h and c
    weight_ih_l0: nn.Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        device: Device,
        dtype: Dtype,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        checks.check_settings({**vars(self), "dropout": dropout})
        rows, h = self.parts * hidden_size, proj_size or hidden_size  # h: numbers in the state h
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(num_layers):
            for name in self.directions(layer):
                below = input_size if layer == 0 else h * (2 if bidirectional else 1)
                shapes |= {f"weight_ih_{name}": (rows, below), f"weight_hh_{name}": (rows, h)}
                shapes |= {f"bias_ih_{name}": (rows,), f"bias_hh_{name}": (rows,)} if bias else {}
                shapes |= {f"weight_hr_{name}": (proj_size, hidden_size)} if proj_size else {}
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, uniform in ±1/√hidden."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def directions(self, layer: int) -> list[str]:
        """Return how the names of a layer's weights end: l0, and l0_reverse where it reads backward too."""
        return [f"l{layer}", f"l{layer}_reverse"] if self.bidirectional else [f"l{layer}"]

    def weights(self, name: str) -> Weights:
        """Return the weights of one direction of one layer, by the end of their names."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        return Weights(*(getattr(self, f"{one}_{name}", None) for one in names))  # type: ignore[arg-type]

    def step(self, given: Tensor, state: State, weights: Weights) -> State:
        """Take one step; see `rnn_step`."""
        raise NotImplementedError

    def forward(self, x: Any, hx: Any = None) -> tuple[Any, Any]:
        """Read sequences.

        Args:
            x: a batch, (T, N, input), or (N, T, input) with `batch_first`; one sequence, (T, input); or a packed
                batch, a `PackedSequence`.
            hx: state before the first step, (layers · directions, N, hidden), without N for one sequence; for the LSTM
                (h, c). Zeros unless given.

        Returns:
            The state h of the top layer after each step, in the form of x; and the last state of every layer and
            direction, in the form of hx.
        """
        first = None if hx is None else (hx,) if self.states == 1 else tuple(hx)
        if isinstance(x, PackedSequence):
            checks.check_input(x.data, self.input_size, self.weight_ih_l0, packed=True)
            first = permuted(first, x.sorted_indices)
            y, last = self.read(x.data, x.batch_sizes.tolist(), first)
            last = permuted(last, x.unsorted_indices)
            return x._replace(data=y), last[0] if self.states == 1 else last
        checks.check_dimensions(x, first, self.kind)
        batch_axis = 0 if self.batch_first else 1
        alone = x.dim() == 2
        if alone:
            x = x.unsqueeze(batch_axis)
            first = first and tuple(one.unsqueeze(1) for one in first)
        checks.check_input(x, self.input_size, self.weight_ih_l0, packed=False)
        steps = x.transpose(0, 1) if self.batch_first else x  # (T, N, input)
        sizes = steps.shape[:2]
        y, last = self.read(steps.flatten(0, 1), [sizes[1]] * sizes[0], first)
        y = y.unflatten(0, sizes)  # (T · N, hidden) -> (T, N, hidden)
        y = y.transpose(0, 1) if self.batch_first else y
        if alone:
            y, last = y.squeeze(batch_axis), tuple(one.squeeze(1) for one in last)
        return y, last[0] if self.states == 1 else last

    def read(self, x: Tensor, sizes: Sequence[int], first: State | None) -> tuple[Tensor, State]:
        """Read a packed batch with all layers.

        Args:
            x: (sum of sizes, input), as `walk` takes it.
            sizes: as `walk` takes them.
            first: (layers · directions, N, ...) each, or None for zeros.

        Returns:
            The top layer's states h, (sum of sizes, directions · hidden); and the last states, in the form of `first`.
        """
        checks.check_steps(len(sizes))
        rows = self.num_layers * (2 if self.bidirectional else 1)
        expected = [(rows, sizes[0], width) for width in (self.proj_size or self.hidden_size, self.hidden_size)]
        expected = expected[: self.states]
        if first is None:
            first = tuple(x.new_zeros(shape) for shape in expected)
        checks.check_states(first, expected, x)
        last: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for name in self.directions(layer):
                state, backward = tuple(one[len(last)] for one in first), name.endswith("_reverse")
                output, state = walk(self.step, x, sizes, state, self.weights(name), backward=backward)
                outputs.append(output)
                last.append(state)
            x = torch.cat(outputs, dim=-1)  # (sum, hidden) -> (sum, directions · hidden)
            if layer < self.num_layers - 1:
                x = drop(x, self.dropout, self.training)
        return x, tuple(torch.stack(one) for one in zip(*last))

    def extra_repr(self) -> str:
        """Return the layer's arguments as text."""
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        other = [
            f"{name}={value}" for name in ("proj_size", *usual) if (value := getattr(self, name)) != usual.get(name, 0)
        ]
        return ", ".join([str(self.input_size), str(self.hidden_size), *other])


def permuted(state: State | None, order: Tensor | None) -> Any:
    """Return a state, (layers, N, ...) each, with its N sequences in another order, if there is one."""
    return state if state is None or order is None else tuple(one.index_select(1, order) for one in state)


class RNN(Recurrent):
    """The simplest recurrent layer: its step is `rnn_step`. Built in lesson 07. Source: Elman 1990.

    Args:
        nonlinearity: "tanh" or "relu". The other arguments are those of `Recurrent`.
    """

    kind = "RNN"
    parts = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: Dtype = None,
        *,
        proj_size: int | None = None,
    ) -> None:
        checks.check_no_projection(proj_size)
        checks.check_nonlinearity(nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity

    def step(self, given: Tensor, state: State, weights: Weights) -> State:
        """Take one step, with tanh or ReLU."""
        return rnn_step(given, state, weights, torch.tanh if self.nonlinearity == "tanh" else torch.relu)


class LSTM(Recurrent):
    """A second state, c, that is only forgotten and added to, so that gradients reach far: its step is `lstm_step`.

    Built in lesson 07. Source: Hochreiter & Schmidhuber 1997. The arguments are those of `Recurrent`.
    """

    kind = "LSTM"
    parts = 4
    states = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype
        )

    def step(self, given: Tensor, state: State, weights: Weights) -> State:
        """Take one step."""
        return lstm_step(given, state, weights)


class GRU(Recurrent):
    """The LSTM's idea with one state and fewer gates: its step is `gru_step`. Built in lesson 07.

    Source: Cho et al. 2014. The arguments are those of `Recurrent`.
    """

    kind = "GRU"
    parts = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: Dtype = None,
        *,
        proj_size: int | None = None,
    ) -> None:
        checks.check_no_projection(proj_size)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )

    def step(self, given: Tensor, state: State, weights: Weights) -> State:
        """Take one step."""
        return gru_step(given, state, weights)
