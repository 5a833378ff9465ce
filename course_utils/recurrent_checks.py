"""Checks of `recurrent`: what torch's recurrent layers refuse, in torch's words, so that an error can be looked up.

They stand apart from the layers because none of this is needed to see how a layer works.
"""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def check_settings(settings: dict[str, Any]) -> None:
    """Raise what `nn.LSTM` raises for its arguments, given by name; warn where dropout would do nothing."""
    dropout, layers = settings["dropout"], settings["num_layers"]
    is_number = isinstance(dropout, numbers.Number) and not isinstance(dropout, bool)
    if not is_number or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
        )
    if dropout > 0 and layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
            f"greater than 1, but got dropout={dropout} and num_layers={layers}",
            stacklevel=4,
        )
    wanted: dict[str, type[Any]] = {"bias": bool, "batch_first": bool, "input_size": int, "hidden_size": int}
    for name, kind in wanted.items():
        got = settings[name]
        if not isinstance(got, kind):
            raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(got).__name__}")
        if kind is int and got <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if settings["proj_size"] < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if settings["proj_size"] >= settings["hidden_size"]:
        raise ValueError("proj_size has to be smaller than hidden_size")


def check_no_projection(proj_size: int | None) -> None:
    """Raise ValueError where a layer without projection is asked for one."""
    if proj_size is not None:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


def check_dimensions(x: Tensor, states: Sequence[Tensor] | None, kind: str) -> None:
    """Raise unless x is a batch or one sequence, and the first states, if given, have as many axes."""
    if x.dim() not in (2, 3):
        word = " tensor" if kind == "RNN" else ""
        raise ValueError(f"{kind}: Expected input to be 2D or 3D, got {x.dim()}D{word} instead")
    if states is None or all(state.dim() == x.dim() for state in states):
        return
    batched, got = "batched" if x.dim() == 3 else "unbatched", [f"{state.dim()}-D" for state in states]
    if kind == "LSTM":
        text = f"hx and cx should also be {x.dim()}-D but got ({got[0]}, {got[1]}) tensors"
    else:
        text = f"hx should also be {x.dim()}-D but got {got[0]} tensor"
    raise RuntimeError(f"For {batched} {x.dim()}-D input, {text}")


def check_input(x: Tensor, input_size: int, weight: Tensor, *, packed: bool) -> None:
    """Raise what torch's layers raise for x, (T, N, input_size), or (all steps, input_size) of a packed batch."""
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        raise ValueError(
            f"RNN input dtype ({x.dtype}) does not match weight dtype ({weight.dtype}). Convert input: "
            f"input.to({weight.dtype}), or convert model: model.to({x.dtype})"
        )
    expected = 2 if packed else 3
    if x.dim() != expected:
        raise RuntimeError(f"input must have {expected} dimensions, got {x.dim()}")
    if x.shape[-1] != input_size:
        raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {input_size}, got {x.shape[-1]}")


def check_states(states: Sequence[Tensor], expected: Sequence[tuple[int, int, int]], x: Tensor) -> None:
    """Raise RuntimeError unless the first states, h alone or h and c, have these shapes and x's type."""
    if len(states) != len(expected):
        raise RuntimeError("lstm expects two hidden states")
    for number, (state, shape) in enumerate(zip(states, expected)):
        if state.shape != shape:
            which = "hidden size" if len(expected) == 1 else f"hidden[{number}] size"
            raise RuntimeError(f"Expected {which} {shape}, got {list(state.shape)}")
        if state.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
            got, wanted = (str(one.dtype).removeprefix("torch.") for one in (state, x))
            raise RuntimeError(f"the first state and the input must have the same dtype, but got {got} and {wanted}")


def check_nonlinearity(name: str) -> None:
    """Raise ValueError for what `nn.RNN` does not offer."""
    if name not in ("tanh", "relu"):
        raise ValueError(f"Unknown nonlinearity '{name}'. Select from 'tanh' or 'relu'.")


def check_steps(steps: int) -> None:
    """Raise RuntimeError for sequences without a step."""
    if steps == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
