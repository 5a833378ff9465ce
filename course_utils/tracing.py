"""Tracing: one forward pass, and a table of what each layer got, what it gave, and how many numbers it learns.

A new model is understood by its shapes. torch calls a function of yours, a hook, before and after each layer; two
hooks on every layer are enough to write the table. Used from lesson 07 on.
"""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from traceback import walk_tb
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.rnn import PackedSequence

COLUMNS = ("layer", "type", "input", "output", "parameters")


@dataclass
class Row:
    """One layer and one combination of shapes.

    Attributes:
        layer: dotted name inside the model, as in its `state_dict`; "" is the model itself.
        type: name of the class.
        input: shapes of what it was given, as text.
        output: shapes of what it returned; None where it did not return.
        parameters: numbers that it learns itself: those of the layers inside it stand in their own rows.
        calls: how often it was called with these shapes.
    """

    layer: str
    type: str
    input: str
    output: str | None = None
    parameters: int = 0
    calls: int = 1

    def cells(self) -> tuple[str, ...]:
        """Return what the table shows."""
        name = (self.layer or "(model)") + (f" ×{self.calls}" if self.calls > 1 else "")
        return name, self.type, self.input, self.output or "–", f"{self.parameters:,}"


@dataclass(repr=False)
class Trace:
    """What `trace_shapes` saw; prints as a table of text, and shows as a table in a notebook.

    Attributes:
        rows: in the order of the first call, a layer before the layers inside it.
        trouble: where and why the pass stopped, in one sentence; None where it reached the end.
    """

    rows: list[Row] = field(default_factory=list)
    trouble: str | None = None

    @property
    def parameters(self) -> int:
        """How many numbers the layers in the table learn, each counted once."""
        return sum(row.parameters for row in self.rows)

    def summary(self) -> str:
        """Return the line under the table."""
        return f"{self.parameters:,} parameters" if self.trouble is None else self.trouble

    def __str__(self) -> str:
        table = [[cell.split("\n") for cell in row] for row in (COLUMNS, *(row.cells() for row in self.rows))]
        widths = [max(len(line) for row in table for line in row[column]) for column in range(len(COLUMNS))]
        lines = []
        for row in table:
            for texts in zip_longest(*row, fillvalue=""):
                *left, last = (text.ljust(width) for text, width in zip(texts, widths))
                lines.append("  ".join([*left, last.strip().rjust(widths[-1])]).rstrip())
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:], self.summary()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        left, right = '<{0} style="text-align:left">{1}</{0}>', '<{0} style="text-align:right">{1}</{0}>'
        body = ""
        for tag, row in [("th", COLUMNS), *(("td", row.cells()) for row in self.rows)]:
            cells = [html.escape(cell).replace("\n", "<br>") for cell in row]
            body += "<tr>" + "".join((right if n == 4 else left).format(tag, cell) for n, cell in enumerate(cells))
            body += "</tr>"
        return f"<table>{body}</table><p>{html.escape(self.summary())}</p>"


def trace_shapes(model: nn.Module, *inputs: Any, **options: Any) -> Trace:
    """Run a model once and write down the shapes at every layer.

    The pass runs in evaluation mode and without gradients: dropout does nothing, BatchNorm uses its running
    statistics. Afterwards the model, its mode, its buffers, your inputs and torch's random numbers are as they were.
    Only layers are seen, which are modules that are called; a plain function such as `torch.relu` is not.

    Args:
        model: any module.
        inputs: what to call it with.
        options: what to call it with by name.

    Returns:
        The table. Where the pass fails, it goes as far as the layer that failed, and `trouble` says why.

    Raises:
        TypeError: model is not a module.
        ValueError: a layer has no weights yet (`nn.LazyLinear` and its like), so that a pass would change the model.

    Example:
        >>> print(trace_shapes(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.zeros(2, 4)))
        layer    type        input   output  parameters
        -----------------------------------------------
        (model)  Sequential  (2, 4)  (2, 3)           0
        0        Linear      (2, 4)  (2, 3)          15
        1        ReLU        (2, 3)  (2, 3)           0
        15 parameters
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is {type(model).__name__}; expected a torch.nn.Module")
    names = {module: name for name, module in model.named_modules()}
    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            raise ValueError(f"{name} has no shape yet; expected a model that has been called once, with your input")
    calls: list[tuple[nn.Module, Row]] = []

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = [describe(one) for one in args]
        given += [f"{key}={shapes}" for key, one in kwargs.items() if "(" in (shapes := describe(one))]  # no flags
        calls.append((module, Row(names[module], type(module).__name__, ", ".join(given))))

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        row = next(row for called, row in reversed(calls) if called is module and row.output is None)
        row.output = describe(output, outermost=True)

    trouble = None
    with untouched(model), torch.no_grad():
        model.eval()
        hooks = [one.register_forward_pre_hook(before, with_kwargs=True) for one in names]
        hooks += [one.register_forward_hook(after) for one in names]
        try:
            model(*copied(inputs), **copied(options))
        except Exception as error:
            trouble = explain(error, names)
        finally:
            for hook in hooks:
                hook.remove()
    count_parameters(calls)
    return Trace(merged(row for _, row in calls), trouble)


def describe(value: Any, *, outermost: bool = False) -> str:
    """Return the shapes in a value as text: (2, 5), packed (7, 5), ((2, 5), (1, 5)), logits: (2, 5).

    Args:
        value: what a layer got or gave.
        outermost: leave out the brackets around several values, and give each value with a name its own line.
    """
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if isinstance(value, PackedSequence):  # a tuple too, so it comes first
        return f"packed {describe(value.data)}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type | Mapping):
        value = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        shapes = [f"{name}: {describe(one)}" for name, one in value.items() if one is not None]
        return "\n".join(shapes) if outermost else "{" + ", ".join(shapes) + "}"
    if isinstance(value, tuple | list):
        shapes = [describe(one) for one in value]
        if len(shapes) > 2 and len(set(shapes)) == 1:  # the states of all layers, say
            return f"{len(shapes)} × {shapes[0]}"
        inside = ", ".join(shapes)
        return inside if outermost else f"({inside})"
    return str(value) if value is None or isinstance(value, bool | int | float) else type(value).__name__


def explain(error: Exception, names: Mapping[nn.Module, str]) -> str:
    """Say in one sentence in which layer a pass stopped, and why: the innermost one that the traceback runs through."""
    through = [frame.f_locals.get("self") for frame, _ in walk_tb(error.__traceback__)]
    layers = [one for one in through if isinstance(one, nn.Module) and one in names]
    reason = str(error).strip().split("\n")[0] or "it gave no reason"
    name = names[layers[-1]] if layers else ""
    where = f"layer {name}" if name else "the model itself"
    kind = f" ({type(layers[-1]).__name__})" if layers else ""
    return f"The pass stopped in {where}{kind}: {type(error).__name__}: {reason}"


def count_parameters(calls: list[tuple[nn.Module, Row]]) -> None:
    """Count each parameter once: in the row of the innermost layer that was called and holds it, at its first call."""
    called = {module for module, _ in calls}
    counted: set[nn.Parameter] = set()
    for module, row in calls:
        held = list(module.parameters(recurse=False))
        waiting = list(module.children()) if row.output is not None else []
        while waiting:
            inner = waiting.pop()
            if inner not in called:  # a container, or a layer whose weights are used without calling it
                held += inner.parameters(recurse=False)
                waiting += inner.children()
        row.parameters = sum(one.numel() for one in set(held) - counted)
        counted |= set(held)


def merged(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with equal calls of one layer as one row, where the first of them stood."""
    found: dict[tuple[str, str, str | None], Row] = {}
    for row in rows:
        first = found.setdefault((row.layer, row.input, row.output), row)
        if first is not row:
            first.calls += 1
            first.parameters += row.parameters
    return list(found.values())


def copied(value: Any) -> Any:
    """Return inputs that a layer may overwrite without changing the caller's."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, PackedSequence):
        return value._replace(data=copied(value.data))
    if type(value) in (tuple, list):
        return type(value)(copied(one) for one in value)
    return {key: copied(one) for key, one in value.items()} if type(value) is dict else value


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Put back, at the end, all modes, attributes and buffers of a model, and torch's random numbers."""
    modules = list(model.modules())
    attributes = [dict(vars(one)) for one in modules]
    buffers = [dict(one._buffers) for one in modules]
    numbers = [(one, one.clone()) for one in model.buffers()]
    devices = {one.device.index or 0 for one in model.parameters() if one.is_cuda}
    with torch.random.fork_rng(sorted(devices)):
        try:
            yield
        finally:
            for module, before, held in zip(modules, attributes, buffers):
                vars(module).clear()
                vars(module).update(before)
                module._buffers.clear()
                module._buffers.update(held)
            with torch.no_grad():
                for buffer, value in numbers:
                    buffer.copy_(value)
