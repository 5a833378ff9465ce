"""Whether two results are the same, and if not, what to tell the learner about the difference."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

_SINGLE = (torch.float16, torch.bfloat16, torch.float32)


def difference(yours: Any, expected: Any, *, tolerance: float) -> str:
    """What is wrong with ``yours``, as a sentence; empty if it is the same as ``expected``.

    Numbers may come as Python, NumPy or one-element tensors without dimensions. Tuples and lists are interchangeable;
    a tensor or array will do for them, as it can be unpacked along its first dimension.

    Args:
        yours: the learner's result, of any type.
        expected: the reference: bool, int, float, str, None, tensor, or tuples, lists and dicts of these.
        tolerance: allowed |yours − expected| / (1 + |expected|); single precision gets at least 2e-5.
    """
    if yours is None and expected is not None:
        return "Your function gave back None. Does it end with return?"
    if yours is Ellipsis:
        return "Your function gave back the placeholder `...`."
    if inspect.isgenerator(yours):
        if yours.gi_code.co_name == "<genexpr>":
            return (
                "Your function gave back a generator: that is what (… for … in …) makes. Write square brackets instead."
            )
        return "Your function gave back a generator. Use return instead of yield."
    if isinstance(expected, torch.Tensor) and expected.ndim > 0:
        return _tensor_difference(yours, expected, tolerance)
    if isinstance(expected, (tuple, list)):
        return _sequence_difference(yours, expected, tolerance)
    if isinstance(expected, dict):
        return _dict_difference(yours, expected, tolerance)
    if isinstance(expected, str) or expected is None:
        return "" if isinstance(yours, type(expected)) and yours == expected else "The result differs."
    return _number_difference(yours, expected, tolerance)


def _number_difference(yours: Any, expected: Any, tolerance: float) -> str:
    single = isinstance(yours, (torch.Tensor, np.generic)) and "32" in str(yours.dtype)
    if isinstance(yours, (torch.Tensor, np.ndarray)):
        if tuple(yours.shape) != ():
            return f"You gave back shape {tuple(yours.shape)}; a single number is expected."
        yours = yours.item()
    wanted = expected.item() if isinstance(expected, torch.Tensor) else expected
    if isinstance(yours, np.generic):
        yours = yours.item()
    if isinstance(wanted, bool):
        if not isinstance(yours, bool):
            return f"You gave back {_kind(yours)}; True or False is expected."
        return "" if yours == wanted else "The result differs."
    if isinstance(yours, bool) or not isinstance(yours, numbers.Real):
        return f"You gave back {_kind(yours)}; a number is expected."
    if isinstance(wanted, int) and not isinstance(yours, numbers.Integral):
        return f"You gave back {_kind(yours)}; a whole number (int) is expected."
    # nan is the one number that is not equal to itself; math.isnan cannot take every int.
    if yours != yours and wanted == wanted:
        return "Your result is nan (not a number): look for 0/0, or the mean of nothing."
    if yours == wanted or (yours != yours and wanted != wanted):
        return ""
    if isinstance(wanted, int) or not math.isfinite(wanted):
        return "The result differs."
    allowed = max(tolerance, 2e-5) if single else tolerance
    # Not the difference itself: an int may be too large to become a float.
    slack = allowed * (1 + abs(wanted))
    return "" if wanted - slack <= yours <= wanted + slack else "The result differs."


def _tensor_difference(yours: Any, expected: torch.Tensor, tolerance: float) -> str:
    if not isinstance(yours, torch.Tensor):
        return f"You gave back {_kind(yours)}; a tensor of shape {tuple(expected.shape)} is expected."
    if yours.shape != expected.shape:
        return f"You gave back shape {tuple(yours.shape)}; shape {tuple(expected.shape)} is expected."
    if yours.is_complex() or (expected.is_floating_point() and not yours.is_floating_point()):
        return f"You gave back {yours.dtype}; floating-point numbers are expected."
    allowed = max(tolerance, 2e-5) if yours.dtype in _SINGLE else tolerance
    a, b = yours.detach().double(), expected.detach().double()
    if torch.isnan(a).any() and not torch.isnan(b).any():
        return "Your result holds nan (not a number): look for 0/0, or the mean of nothing."
    close = torch.isclose(a, b, rtol=allowed, atol=allowed, equal_nan=True)
    return "" if bool(close.all()) else "The result differs."


def _sequence_difference(yours: Any, expected: Sequence[Any], tolerance: float) -> str:
    rows = isinstance(yours, (torch.Tensor, np.ndarray)) and yours.ndim > 0
    if not rows and not isinstance(yours, (tuple, list)):
        return f"You gave back {_kind(yours)}; {len(expected)} values are expected."
    if len(yours) != len(expected):
        return f"You gave back {len(yours)} values; {len(expected)} are expected."
    for position, (a, b) in enumerate(zip(yours, expected)):
        problem = difference(_as_tensor(a), b, tolerance=tolerance)
        if problem == "The result differs.":
            return problem
        if problem:
            return f"Value {position + 1} of {len(expected)}: {problem}"
    return ""


def _as_tensor(value: Any) -> Any:
    """An array of floating-point numbers as a tensor: several results are often put together with NumPy."""
    if isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype in (np.float32, np.float64):
        return torch.from_numpy(value.copy())  # a copy: torch knows no negative strides
    return value


def _dict_difference(yours: Any, expected: dict[Any, Any], tolerance: float) -> str:
    if not isinstance(yours, dict) or set(yours) != set(expected):
        got = f"keys {sorted(map(str, yours))}" if isinstance(yours, dict) else _kind(yours)
        return f"You gave back {got}; a dict with keys {sorted(map(str, expected))} is expected."
    problems = (difference(yours[key], value, tolerance=tolerance) for key, value in expected.items())
    return next((problem for problem in problems if problem), "")


def _kind(value: Any) -> str:
    """The type with its article, such as ``a list`` or ``an int``."""
    name = "NumPy array" if isinstance(value, np.ndarray) else type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def common_factor(yours: Sequence[Any], expected: Sequence[Any]) -> float | None:
    """The constant c with yours = c · expected on every case of single numbers or tensors, if there is one but 1."""
    try:
        a = torch.cat([torch.as_tensor(value, dtype=torch.float64).detach().flatten() for value in yours])
        b = torch.cat([torch.as_tensor(value, dtype=torch.float64).detach().flatten() for value in expected])
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None
    if a.shape != b.shape or not bool((b != 0).any()):
        return None
    factor = float((a @ b) / (b @ b))
    same = torch.allclose(a, factor * b, rtol=1e-5, atol=1e-9)
    return factor if same and len(set(b.tolist())) > 1 and abs(factor - 1) > 1e-4 else None


def condition(value: Any) -> dict[str, Any]:
    """All that a function could change about its input in place, copied; the keys are words for a sentence."""
    if isinstance(value, torch.nn.Module):
        layers, parameters = list(value.modules()), list(value.parameters())
        return {
            "its weights or buffers": snapshot(dict(value.state_dict())),
            "requires_grad of its parameters": [parameter.requires_grad for parameter in parameters],
            "the gradients of its parameters": [snapshot(parameter.grad) for parameter in parameters],
            "the mode of its layers": [layer.training for layer in layers],
            "the settings of its layers": [(type(layer).__name__, layer.extra_repr()) for layer in layers],
        }
    if isinstance(value, torch.Tensor):
        return {"its values": snapshot(value), "its requires_grad": value.requires_grad}
    return {"its values": snapshot(value)}


def changed(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What differs between two conditions of one value, in words; empty if nothing does."""
    return next((what for what, old in before.items() if not _same(old, after[what])), "")


def _same(old: Any, new: Any) -> bool:
    if type(old) is not type(new):
        return False
    if isinstance(old, torch.Tensor):
        if old.shape != new.shape or old.dtype != new.dtype:
            return False
        return bool(((old == new) | (old.isnan() & new.isnan())).all())
    if isinstance(old, np.ndarray):
        return np.array_equal(old, new, equal_nan=old.dtype.kind in "fc")
    if isinstance(old, dict):
        return set(old) == set(new) and all(_same(old[key], new[key]) for key in old)
    if isinstance(old, (list, tuple)):
        return len(old) == len(new) and all(_same(a, b) for a, b in zip(old, new))
    if isinstance(old, set):
        return old == new
    if isinstance(old, (bool, int, float, str)):
        return old == new or old != old
    return True


def snapshot(value: Any) -> Any:
    """The value as it is now: tensors, arrays, sets and what holds them are copied, anything else is kept."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(snapshot(item) for item in value)
    if type(value) is dict:
        return {key: snapshot(item) for key, item in value.items()}
    return value.copy() if type(value) is set else value
