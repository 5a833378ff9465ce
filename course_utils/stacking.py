"""Stacking: K models of one architecture as one, with their gradients and their measurements.

`ensembles.fit_many` trains with it. What it computes is `vmap(grad(loss))`; the rest of this file makes that fast for
small models.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from types import FunctionType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

from course_utils.data.dataset import Each
from course_utils.evaluation import MEASURED_ROWS, Loss, Metric
from course_utils.training import Penalty

VIEWS = (
    torch.ops.aten.view.default,
    torch.ops.aten._unsafe_view.default,
    torch.ops.aten.expand.default,
)

State = dict[str, Tensor]


def thin_bmm(a: Tensor, b: Tensor) -> Tensor:
    """Multiply stacks of matrices, (K, n, m) and (K, m, p), without the slow general product for a width of 1."""
    if a.shape[2] == 1:
        return a * b
    if b.shape[2] == 1:
        return (a * b.transpose(1, 2)).sum(2, keepdim=True)
    if a.shape[1] == 1:
        return (a.transpose(1, 2) * b).sum(1, keepdim=True)
    return NotImplemented


def is_idle(node: Node) -> bool:
    """Tell whether a recorded operation changes nothing: a view to the same shape, a product with 1."""
    if node.target in VIEWS:
        before = node.args[0].meta["tensor_meta"]  # type: ignore[union-attr]
        return bool(node.meta["tensor_meta"].shape == before.shape)
    return node.target is torch.ops.aten.mul.Scalar and type(node.args[1]) is int and node.args[1] == 1


def shorten(recording: GraphModule) -> GraphModule:
    """Remove recorded operations without effect, and transposes of transposes."""
    transpose = torch.ops.aten.transpose.int
    for node in recording.graph.nodes:
        source = cast(Node, node.args[0]) if node.args else node
        if is_idle(node):
            node.replace_all_uses_with(source)
        elif node.target is transpose and source.target is transpose and set(node.args[1:]) == set(source.args[1:]):
            node.replace_all_uses_with(source.args[0])
    recording.graph.eliminate_dead_code()
    recording.recompile()
    return recording


Replays = dict[tuple[Any, ...], Callable[..., Any]]

#: Recordings kept for later stacks, by what was recorded: a sweep trains one architecture many times.
KEPT: OrderedDict[Hashable, Replays] = OrderedDict()
MOST_KEPT = 32


def fingerprint(model: nn.Module, functions: Mapping[str, Metric]) -> Hashable | None:
    """All that decides which operations a model and some functions become, or None where that cannot be told.

    It can be told of torch's own layers and functions: their code is fixed, and their settings are plain values. A
    layer, loss or metric that somebody wrote may read a variable that has another value in the next run.
    """
    parts: list[Hashable] = []
    first_met: dict[nn.Module, int] = {}  # one layer used twice is not two layers
    for name, module in model.named_modules(remove_duplicate=False):
        settings = {
            key: value for key, value in vars(module).items() if key not in ("_parameters", "_buffers", "_modules")
        }
        hooks = [key for key, value in settings.items() if isinstance(value, dict) and not value]
        plain = {key: value for key, value in settings.items() if key not in hooks}
        if not type(module).__module__.startswith("torch.nn.modules."):
            return None
        if not all(
            value is None or isinstance(value, bool | int | float | str | tuple | set) for value in plain.values()
        ):
            return None
        once = first_met.setdefault(module, len(first_met))
        parts.append((name, once, type(module), type(module).forward, repr(sorted(plain.items()))))
    for name, function in functions.items():
        inner = getattr(function, "__wrapped__", function)
        if not isinstance(inner, FunctionType) or inner.__module__ != "torch.nn.functional":
            return None
        parts.append((name, inner))
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        parts.append((name, value.shape, value.dtype, value.requires_grad))
    return tuple(parts)


class Recorded:
    """A function of tensors that is written down at its first call and replayed afterwards.

    `vmap` and `grad` decide anew at every call how each operation of the model becomes one on the stack. For
    a small model those decisions cost more than the arithmetic. `make_fx` writes the resulting operations
    down as a flat list, once for each combination of shapes.
    """

    def __init__(self, function: Callable[..., Any], key: Hashable | None = None) -> None:
        """Take a function of dicts of tensors and tensors, without branches that depend on their values.

        Args:
            function: what to record.
            key: equal for functions that become the same operations; None for one that is never met again.
        """
        self.function = function
        self.replays: Replays = {}
        if key is not None:
            self.replays = KEPT.setdefault(key, {})
            KEPT.move_to_end(key)
            while len(KEPT) > MOST_KEPT:
                KEPT.popitem(last=False)

    def __call__(self, parameters: State, buffers: State, x: Tensor, y: Tensor) -> Any:
        """Replay the function for these shapes."""
        members = len(next(iter(parameters.values())))
        key = (members, x.shape, x.dtype, y.shape, y.dtype)
        if key not in self.replays:

            def plain(parameters: State, buffers: State, x: Tensor, y: Tensor) -> Any:
                return self.function(parameters, buffers, x, y)  # make_fx miscounts a method's arguments

            record = make_fx(plain, {torch.ops.aten.bmm.default: thin_bmm}, "fake", _allow_non_fake_inputs=True)
            # Where y is x, as in an autoencoder, a recording could not tell them apart later: hence the detach.
            self.replays[key] = shorten(record(parameters, buffers, x, y.detach()))
        return self.replays[key](parameters, buffers, x, y)


class Stack:
    """K models of one architecture, stacked: computes their gradients and measures them, all at once."""

    def __init__(
        self,
        models: Sequence[nn.Module],
        loss: Loss,
        functions: Mapping[str, Metric],
        penalty: Penalty | None = None,
    ) -> None:
        """Stack the models' weights.

        Args:
            models: K models that differ only in their numbers.
            loss: what to differentiate.
            functions: what to measure, by name.
            penalty: what to add to the loss that is differentiated, from one member's parameters by name.
        """
        self.template = copy.deepcopy(models[0])
        self.parameters, self.buffers = stack_module_state(list(models))
        self.parameters = {name: value.detach() for name, value in self.parameters.items()}
        self.loss = loss
        self.functions = functions
        self.penalty = penalty
        # One recording for data of each member's own, and one for data that all members share.
        axes = {True: (0, 0, 0, 0), False: (0, 0, None, None)}
        gradient = grad_and_value(self.train_loss, has_aux=True)
        learnt = fingerprint(self.template, {"loss": loss}) if penalty is None else None
        tested = fingerprint(self.template, functions)
        keys = {
            own: [what and (what, kind, own) for what, kind in ((learnt, "learn"), (tested, "test"))] for own in axes
        }
        self.learn = {own: Recorded(vmap(gradient, axes[own], randomness="different"), keys[own][0]) for own in axes}
        self.test = {own: Recorded(vmap(self.test_values, axes[own]), keys[own][1]) for own in axes}

    def train_loss(
        self, parameters: State, buffers: State, x: Tensor, y: Tensor
    ) -> tuple[Tensor, tuple[Tensor, State]]:
        """Return what to differentiate for one member on a batch, its loss alone, and its buffers after it."""
        # BatchNorm updates its running statistics in place; clones let them out of grad as a second result.
        buffers = {name: value.clone() for name, value in buffers.items()}
        prediction = functional_call(self.template, {**parameters, **buffers}, (x,))
        loss = self.loss(prediction, y)
        return loss if self.penalty is None else loss + self.penalty(parameters), (loss, buffers)

    def test_values(self, parameters: State, buffers: State, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Return one member's measurements on a batch."""
        prediction = functional_call(self.template, {**parameters, **buffers}, (x,))
        return {name: torch.as_tensor(function(prediction, y)) for name, function in self.functions.items()}

    def gradients(self, x: Tensor, y: Tensor, *, own: bool) -> Tensor:
        """Set the gradient of every member, update the buffers, and return the losses without the penalty.

        Args:
            x: batch, (K, n, ...) where each member has its own, else (n, ...).
            y: targets, in the same form.
            own: whether each member has its own.

        Returns:
            Loss of each member, (K,).
        """
        self.template.train()
        grads, (_, (losses, self.buffers)) = self.learn[own](self.parameters, self.buffers, x, y)
        for name, parameter in self.parameters.items():
            parameter.grad = grads[name]
        return losses

    def measure(self, data: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Average each function over a data set, in evaluation mode; (K,) each."""
        self.template.eval()
        own = isinstance(data, Each)
        axis = 1 if own else 0
        rows = data[0].shape[axis]
        totals: dict[str, Tensor] = {}
        with torch.no_grad():
            for x, y in zip(*(part.split(MEASURED_ROWS, axis) for part in data), strict=True):
                values = self.test[own](self.parameters, self.buffers, x, y)
                for name, value in values.items():
                    totals[name] = totals.get(name, 0.0) + value.double() * (x.shape[axis] / rows)
        return totals

    def state(self) -> State:
        """Return a copy of all weights and buffers, (K, ...) each."""
        return {name: value.detach().clone() for name, value in {**self.parameters, **self.buffers}.items()}
