"""Lesson 03, regularization: exercises with their wrong answers, and the quiz."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW

from course_utils.practice.check import Checks
from course_utils.practice.exercise import Exercise
from course_utils.practice.investigation import Selection
from course_utils.practice.quiz import Choice, Question, Quiz
from course_utils.practice.task import Mistake


def _first_optimizer() -> None:
    """Make an optimizer and use it: the first one in a process loads much of torch, which takes seconds."""
    w = torch.zeros(1, requires_grad=True)
    w.grad = torch.zeros(1)
    SGD([w], lr=1.0).step()


# ---- 03.1 ---------------------------------------------------------------------------------------------------------


class InGraph(Tensor):
    """A tensor inside a graph, as a layer gives it: it can be changed in place, and here it can be copied too.

    A leaf that requires grad cannot be changed in place, and no other tensor that requires grad can be copied.

    Attributes:
        source: the leaf of the graph. It has the values that the tensor began with, and its gradient tells whether
            a result still depends on the tensor.
    """

    source: Tensor

    @staticmethod
    def of(values: Tensor) -> InGraph:
        """A tensor with these values and a graph of its own."""
        source = values.detach().clone().as_subclass(Tensor).requires_grad_()
        tensor = (source * 1.0).as_subclass(InGraph)
        tensor.source = source
        return tensor

    def __deepcopy__(self, memo: dict[int, Any]) -> InGraph:
        return InGraph.of(self)


class OneLayer(nn.Linear):
    """A linear layer that shows its numbers."""

    def __repr__(self) -> str:
        return f"Linear with weight {self.weight.tolist()}, bias {self.bias.tolist()}"


class Nested(nn.Module):
    """A model whose layers sit at different depths, not in the order of a list, and one with "bias" in its name."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)
        self.debias = nn.Linear(2, 2)
        self.body = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 3), nn.Tanh()))


def _penalty_cases() -> Iterator[tuple[Tensor, nn.Module, float, float]]:
    """Models of linear and convolutional layers, from a single one to nested ones, with and without biases."""
    generator = torch.Generator().manual_seed(31)
    small = OneLayer(2, 1)
    for model, loss, l1, l2 in (
        (small, 3.0, 0.1, 0.01),
        (copy.deepcopy(small), 3.0, 0.5, 0.0),
        (copy.deepcopy(small), 3.0, 0.0, 0.5),
        (nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)), 1.5, 0.02, 0.3),
        (Nested(), 0.25, 0.3, 0.02),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2, bias=False)), 2.0, 0.05, 0.1),
        (nn.Sequential(nn.Conv1d(2, 3, 2, bias=False), nn.Flatten(), nn.Linear(6, 1)), 0.5, 0.2, 0.07),
    ):
        model.double()
        for parameter in model.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        yield InGraph.of(torch.tensor(loss, dtype=torch.float64)), _with_round_numbers(model), l1, l2


def _with_round_numbers(model: nn.Module) -> nn.Module:
    """The model; a single layer gets numbers that can be followed in the head."""
    if isinstance(model, OneLayer):
        model.weight.data = torch.tensor([[0.5, -2.0]], dtype=torch.float64)
        model.bias.data = torch.tensor([3.0], dtype=torch.float64)
    return model


def add_penalty(loss: Tensor, model: nn.Module, l1: float, l2: float) -> Tensor:
    for name, w in model.named_parameters():
        if not name.endswith("bias"):
            loss = loss + l1 * w.abs().sum() + l2 * (w**2).sum()
    return loss


def _layers(model: nn.Module) -> list[Any]:
    """The layers that hold weights, at any depth."""
    return [layer for layer in model.modules() if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d))]


def _penalty_of_one_row(loss: Tensor, model: nn.Module, l1: float, l2: float) -> Tensor:
    """All weights of all layers in one long row, and one sum over it."""
    row = torch.cat([layer.weight.flatten() for layer in _layers(model)])
    return loss + (l1 * row.abs() + l2 * row * row).sum()


def _penalty_in_place(loss: Tensor, model: nn.Module, l1: float, l2: float) -> Tensor:
    for layer in _layers(model):
        loss += l1 * torch.norm(layer.weight, 1)
        loss += l2 * torch.norm(layer.weight) ** 2
    return loss


def _penalty_by_functions(loss: Tensor, model: nn.Module, l1: float, l2: float) -> Tensor:
    weights = [p for p in model.parameters() if p.ndim > 1]
    absolute = [F.l1_loss(w, torch.zeros_like(w), reduction="sum") for w in weights]
    squared = [F.mse_loss(w, torch.zeros_like(w), reduction="sum") for w in weights]
    return loss + l1 * torch.stack(absolute).sum() + l2 * torch.stack(squared).sum()


Weights = Sequence[Tensor]


def _weights(model: nn.Module) -> list[Tensor]:
    return [layer.weight for layer in _layers(model)]


def _absolute(weights: Weights) -> Any:
    return sum(w.abs().sum() for w in weights)


def _squares(weights: Weights) -> Any:
    return sum((w * w).sum() for w in weights)


def _row(weights: Weights) -> Tensor:
    return torch.cat([w.flatten() for w in weights])


def _penalty(
    absolute: Callable[[Weights], Any] = _absolute,
    squares: Callable[[Weights], Any] = _squares,
    *,
    of: Callable[[nn.Module], Weights] = _weights,
    sign: int = 1,
) -> Callable[..., Any]:
    """A penalty with one part exchanged: what is summed, or which parameters count."""

    def add(loss: Tensor, model: nn.Module, l1: float, l2: float) -> Any:
        chosen = of(model)
        return loss + sign * (l1 * absolute(chosen) + l2 * squares(chosen))

    return add


def _penalty_detached_from(weights: Weights) -> list[Tensor]:
    return [w.detach() for w in weights]


def _penalty_of_one_kind(loss: Tensor, model: nn.Module, l1: float, l2: float) -> Tensor:
    return add_penalty(loss, model, l1, 0.0 if l1 > 0 else l2)


def _penalty_of_all_modules(model: nn.Module) -> list[Tensor]:
    pairs = [pair for module in model.modules() for pair in module.named_parameters()]
    return [p for name, p in pairs if not name.endswith("bias")]


def _penalty_of_children(model: nn.Module) -> list[Tensor]:
    return [layer.weight for layer in model.children() if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d))]


def _penalty_detached(loss: Tensor, model: nn.Module, l1: float, l2: float) -> Tensor:
    return loss + float(add_penalty(torch.zeros(()), model, l1, l2))


def _penalty_goes_backward(loss: Tensor, model: nn.Module, l1: float, l2: float) -> Tensor:
    total = add_penalty(loss, copy.deepcopy(model), l1, l2)
    total.backward()
    return total


def _penalty_on_a_number(loss: Tensor, model: nn.Module, l1: float, l2: float) -> Any:
    return add_penalty(torch.zeros((), dtype=torch.float64), model, l1, l2) + loss.item()


def _penalty_all_detached(loss: Tensor, model: nn.Module, l1: float, l2: float) -> float:
    return add_penalty(loss, model, l1, l2).item()


def _see_penalty(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The value, and the gradients: whether the given loss is still in the graph, and what reaches the parameters."""
    loss, model = arguments[:2]
    weights = _weights(model)
    biases = [layer.bias for layer in _layers(model) if layer.bias is not None]
    leaves = [loss.source, *weights, *biases]
    found: Sequence[Tensor | None] = [None] * len(leaves)
    graph = "cut off"
    if isinstance(result, Tensor) and result.requires_grad and result.numel() == 1:
        try:
            found = torch.autograd.grad(result.sum(), leaves, allow_unused=True)
            graph = "in the graph" if found[0] is not None else "cut off"
        except RuntimeError:
            graph = "gone: backward() has used up the graph"
    slopes = [torch.zeros_like(leaf) if slope is None else slope for leaf, slope in zip(leaves, found)]
    split = 1 + len(weights)
    return {
        "result": result,
        "given loss": graph,
        "gradient of weights": _numbers(slopes[1:split]),
        "gradient of biases": _numbers(slopes[split:]),
    }


def _numbers(tensors: Iterable[Tensor]) -> list[float]:
    """All numbers of the tensors in one list."""
    return [float(number) for tensor in tensors for number in tensor.detach().flatten()]


ADD_PENALTY = Exercise(
    number="03.1",
    name="add_penalty",
    title="A penalty that reaches the weights",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="a penalty in the loss and in the gradient",
    stub='''def add_penalty(loss, model, l1, l2):
    """Add l1 · Σ|w| + l2 · Σw² to a loss.

    Both sums run over all weights of the model. Biases are not penalised: a bias is a parameter
    whose name ends with "bias". The gradient of the result holds the gradient of the penalty.

    Args:
        loss: the loss of a batch, a tensor without dimensions; you may change it in place or not
        model: any nn.Module of linear and convolutional layers, perhaps nested
        l1, l2: strengths, 0 or more
    Returns:
        the penalised loss, a tensor without dimensions
    """
    ...
''',
    hints=(
        "You need every weight of the model, at any depth, and no bias. Which method of nn.Module lists parameters with their names?",
        "model.named_parameters() gives pairs of name and tensor: '0.weight', '0.bias', 'body.2.weight', … Skip names that end with 'bias'.",
        "For each weight w add l1 times the sum of its absolute values and l2 times the sum of its squares. Stay with tensors: "
        ".item(), .data, .detach() and no_grad cut the graph.",
    ),
    reference=add_penalty,
    mistakes=(
        Mistake(
            _penalty(squares=lambda ws: sum(w.sum() for w in ws)),
            "Your L2 part adds l2 · w: the square is missing. A plain sum lets a weight of −2 cancel one of +2, and can be "
            "lowered without end. The penalty is l2 · Σw².",
        ),
        Mistake(
            _penalty(absolute=lambda ws: sum(w.sum() for w in ws)),
            "Your L1 part adds w itself: the absolute value is missing. A negative weight then lowers the loss, and training "
            "would push all weights towards minus infinity.",
        ),
        Mistake(
            _penalty(absolute=lambda ws: sum(w.sum().abs() for w in ws)),
            "You add up first and take the absolute value of the sum: weights of −2 and +2 then cost nothing. Take it of each weight.",
        ),
        Mistake(
            _penalty(squares=lambda ws: sum(w.sum() ** 2 for w in ws)),
            "You square the sum of the weights: −2 and +2 then cost nothing. Square each weight, then add up.",
        ),
        Mistake(
            _penalty(squares=lambda ws: 0.5 * _squares(ws)),
            "Your L2 part is half of what is asked. Some books write λ/2 · Σw² so that the gradient becomes λw. Here it is "
            "l2 · Σw², with gradient 2 · l2 · w. Mind which of the two a formula means: the best λ differs by the factor 2.",
        ),
        Mistake(
            _penalty(squares=lambda ws: 2 * _squares(ws)),
            "Your L2 part is twice what is asked. The 2 stands in the gradient, 2 · l2 · w, and autograd puts it there. The penalty "
            "itself is l2 · Σw².",
        ),
        Mistake(
            _penalty(squares=lambda ws: _absolute(ws) ** 2),
            "You square the sum of the absolute values. L2 squares each weight, then adds up.",
        ),
        Mistake(
            _penalty(squares=lambda ws: sum(torch.linalg.vector_norm(w) for w in ws)),
            "Your L2 part adds the norm of each layer, √Σw². Square it: without the square its pull does not get weaker as the "
            "weights get smaller, and the sum depends on how the weights are split into layers.",
        ),
        Mistake(
            _penalty(squares=lambda ws: torch.linalg.vector_norm(_row(ws))),
            "Your L2 part is the norm of all weights, √Σw². The penalty has no root: l2 · Σw².",
        ),
        Mistake(
            _penalty(lambda ws: sum(w.abs().mean() for w in ws), lambda ws: sum((w * w).mean() for w in ws)),
            "You take the mean over each layer. Then a weight in a large layer pays less than one in a small layer. Use the sum: "
            "every weight pays the same.",
        ),
        Mistake(
            _penalty(lambda ws: _row(ws).abs().mean(), lambda ws: (_row(ws) ** 2).mean()),
            "You take the mean over all weights. The penalty asked for is a sum: with a mean, the same l1 and l2 pull less "
            "at each weight of a larger model.",
        ),
        Mistake(
            _penalty(of=lambda model: list(model.parameters())),
            "You penalise the biases too. A bias only shifts the output; pulling it to 0 ties the model to the origin of the "
            "targets. Skip the parameters whose name ends with 'bias'.",
        ),
        Mistake(
            _penalty(of=lambda model: [p for name, p in model.named_parameters() if not name.endswith(".bias")]),
            "One bias is still penalised: in a model that is a single layer it is called 'bias', without a dot in front. "
            "Test the name with endswith('bias').",
        ),
        Mistake(
            _penalty(of=lambda model: [p for name, p in model.named_parameters() if "bias" not in name]),
            "A layer is spared as a whole: it is called 'debias', so 'bias' stands in the name of its weight too. Test how the name "
            "ends: endswith('bias').",
        ),
        Mistake(
            _penalty(squares=lambda ws: torch.linalg.vector_norm(_row(ws)), of=lambda model: list(model.parameters())),
            "Two things. You penalise the biases too: skip the parameters whose name ends with 'bias'. And your L2 part is the norm, "
            "√Σw²: leave the root out.",
        ),
        Mistake(
            _penalty(of=_penalty_of_all_modules),
            "Some weights are counted several times: modules() gives the model itself and all that is inside, and the parameters of "
            "each include those of its parts. Use model.named_parameters() once.",
        ),
        Mistake(
            _penalty_of_one_kind,
            "With l1 and l2 both above 0 your L2 part is missing: `elif`, or a return, ends the work after L1. The two are added.",
        ),
        Mistake(
            _penalty(of=lambda model: [p for name, p in model.named_parameters() if name.endswith("bias")]),
            "You penalise the biases and spare the weights: the test of the name is the wrong way round.",
        ),
        Mistake(
            lambda loss, model, l1, l2: add_penalty(loss, model, l2, l1),
            "l1 and l2 are swapped: l1 belongs to the absolute values, l2 to the squares.",
        ),
        Mistake(
            _penalty(squares=lambda ws: 0.0),
            "Only the L1 part arrives: l2 has no effect. Add l2 · Σw² as well.",
        ),
        Mistake(
            _penalty(absolute=lambda ws: 0.0),
            "Only the L2 part arrives: l1 has no effect. Add l1 · Σ|w| as well.",
        ),
        Mistake(
            _penalty_detached,
            "The value is right, but the gradient knows nothing of the penalty: training would go on as if there were none. "
            "Something cuts the graph between weights and penalty: .item(), float(), .data, .detach() or no_grad. Stay with tensors.",
        ),
        Mistake(
            _penalty(squares=lambda ws: _squares(_penalty_detached_from(ws))),
            "The value is right, but the gradient knows nothing of the L2 part: .item(), .data or .detach() cuts it from the weights.",
        ),
        Mistake(
            _penalty(absolute=lambda ws: _absolute(_penalty_detached_from(ws))),
            "The value is right, but the gradient knows nothing of the L1 part: .item(), .data or .detach() cuts it from the weights.",
        ),
        Mistake(
            _penalty_goes_backward,
            "You call backward() yourself: that uses up the graph, and the training loop cannot do it again. Return the sum and "
            "leave backward() to the loop.",
        ),
        Mistake(
            _penalty_on_a_number,
            "The value is right, but the given loss is cut from the graph: the weights would follow the penalty alone and no "
            "longer the data. Add to the tensor itself, not to loss.item() or a detached copy.",
        ),
        Mistake(
            _penalty_all_detached,
            "The value is right, but it has no graph left: backward() could do nothing with it. Leave out .item(), .data, "
            ".detach() and no_grad, and return the tensor.",
        ),
        Mistake(
            _penalty(of=lambda model: _weights(model)[:1]),
            "Only the first layer is penalised. If there is a return inside the loop, move it out; if you named one layer, loop "
            "over model.named_parameters().",
        ),
        Mistake(
            _penalty(of=lambda model: [p for name, p in model.named_parameters() if not name.endswith("bias")][-1:]),
            "Only the last layer is penalised: each round of the loop overwrites what the rounds before it have added. Add to "
            "the sum instead.",
        ),
        Mistake(
            _penalty(of=_penalty_of_children),
            "Layers inside other modules are missed, and so is a model that is itself one layer: children() looks one level "
            "deep. named_parameters() finds all.",
        ),
        Mistake(
            _penalty(of=lambda model: [m.weight for m in model.modules() if isinstance(m, nn.Linear)]),
            "Only linear layers are penalised. Convolutional layers have weights too: go through named_parameters() instead of "
            "asking for a type of layer.",
        ),
        Mistake(
            lambda loss, model, l1, l2: loss,
            "The penalty never reaches the loss: you give back the loss as it came. This is the classical fault, and nothing "
            "complains about it. If you compute a penalty, add it to what you return.",
        ),
        Mistake(
            lambda loss, model, l1, l2: add_penalty(torch.zeros((), dtype=torch.float64), model, l1, l2),
            "You return the penalty alone. Add it to the loss that was given: without the loss nothing is learned from the data.",
        ),
        Mistake(
            _penalty(sign=-1),
            "You subtract the penalty: training would make the weights grow. It is added, so that large weights cost something.",
        ),
    ),
    styles=(_penalty_of_one_row, _penalty_in_place, _penalty_by_functions),
    start="Begin with a loop over model.named_parameters().",
    praise="Value and gradient are right in every model tried, and no bias is touched.",
    cases=_penalty_cases,
    expected=_penalty_of_one_row,
    observe=_see_penalty,
    may_change=frozenset({"loss"}),  # loss += … is common and does no harm
)

# ---- 03.2 ---------------------------------------------------------------------------------------------------------


def _proximal_cases() -> Iterator[tuple[Tensor, Tensor, float, float]]:
    """Weights on both sides of the threshold and of zero; a threshold of zero, one that leaves nothing, tiny weights."""
    yield (
        torch.tensor([2.0, -2.0, 0.25, -0.25], dtype=torch.float64),
        torch.tensor([1.0, -1.0, 0.75, 0.5], dtype=torch.float64),
        0.5,
        0.5,
    )
    generator = torch.Generator().manual_seed(32)
    for shape, lr, lam in (
        ((5,), 0.1, 0.0),
        ((6,), 0.1, 100.0),
        ((40,), 0.1, 3.0),
        ((7, 9), 0.02, 30.0),
        ((3, 4, 5), 0.5, 1.2),
        ((100,), 2.0, 0.25),
    ):
        yield (
            torch.randn(shape, generator=generator, dtype=torch.float64),
            torch.randn(shape, generator=generator, dtype=torch.float64),
            lr,
            lam,
        )
    # So small that whoever rounds small numbers to zero loses three that are right; only the last two stop at zero.
    tiny = 1e-7 * torch.tensor([8.0, -5.0, 3.0, -0.5, 0.5], dtype=torch.float64)
    yield tiny, 1e-6 * torch.ones(5, dtype=torch.float64), 0.01, 1e-5


def proximal_step(w: Tensor, grad: Tensor, lr: float, lam: float) -> Tensor:
    v = w - lr * grad
    return torch.sign(v) * torch.clamp(v.abs() - lr * lam, min=0)


def _soft(v: Tensor, threshold: float) -> Tensor:
    return v - v.clamp(-threshold, threshold)


def _proximal_in_loops(w: Tensor, grad: Tensor, lr: float, lam: float) -> Tensor:
    stepped = [a - lr * g for a, g in zip(w.flatten().tolist(), grad.flatten().tolist())]
    moved = [v - lr * lam if v > lr * lam else v + lr * lam if v < -lr * lam else 0.0 for v in stepped]
    return torch.tensor(moved, dtype=w.dtype).reshape(w.shape)


def _proximal_by_softshrink(w: Tensor, grad: Tensor, lr: float, lam: float) -> Tensor:
    return F.softshrink(torch.add(w, grad, alpha=-lr), lr * lam)


def _proximal_with_where(w: Tensor, grad: Tensor, lr: float, lam: float) -> Tensor:
    v, t = w - lr * grad, lr * lam
    return torch.where(v > t, v - t, torch.where(v < -t, v + t, 0.0))


def _proximal_both_sides(w: Tensor, grad: Tensor, lr: float, lam: float) -> Tensor:
    v = w - lr * grad
    return F.relu(v - lr * lam) - F.relu(-v - lr * lam)


def _proximal_hard(w: Tensor, grad: Tensor, lr: float, lam: float) -> Tensor:
    v = w - lr * grad
    return v * (v.abs() > lr * lam)


def _rounded(new: Tensor) -> Tensor:
    return torch.where(new.abs() < 1e-3, 0.0, new)


def _subgradient(w: Tensor, grad: Tensor, lr: float, lam: float) -> Tensor:
    return w - lr * (grad + lam * torch.sign(w))


def _proximal_of_the_group(w: Tensor, grad: Tensor, lr: float, lam: float) -> Tensor:
    v = w - lr * grad
    return v * (1 - lr * lam / v.norm().clamp(min=1e-12)).clamp(min=0)


def _see_step_and_zeros(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The new weights, and how many of them are exactly zero: nearly zero is not the point of the step."""
    return {"new w": result, "exact zeros": int((result == 0).sum()) if isinstance(result, Tensor) else None}


PROXIMAL_STEP = Exercise(
    number="03.2",
    name="proximal_step",
    title="The step that gives exact zeros",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="soft threshold, the heart of the lasso",
    stub='''def proximal_step(w, grad, lr, lam):
    """Do one proximal gradient step for: loss + lam · Σ|w|.

    First a plain gradient step on the loss alone, then the soft threshold: every number moves
    towards zero by lr · lam, and those that would cross zero become exactly zero.

    Args:
        w: weights, any shape
        grad: gradient of the loss without the penalty, at w, same shape
        lr: learning rate
        lam: strength of the L1 penalty
    Returns:
        the new weights, same shape; w itself stays as it is
    """
    ...
''',
    hints=(
        "Two moves, one after the other. The first does not know the penalty: v = w − lr · grad.",
        "The second moves each number of v towards zero by t = lr · lam, but never across. What happens to 3, to −3 and to 0.1 if t is 1?",
        "3 becomes 2, −3 becomes −2, 0.1 becomes 0: the sign of v times (|v| − t), where a negative (|v| − t) counts as 0.",
    ),
    reference=proximal_step,
    mistakes=(
        Mistake(
            _subgradient,
            "That is the subgradient step: it adds lam · sign(w) to the gradient. It jumps across zero and back and leaves no "
            "exact zeros. Step on the loss alone, then move towards zero and stop there.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _rounded(_subgradient(w, grad, lr, lam)),
            "That is the subgradient step, and then you set what is small to zero. A weight may be small and right, and one that jumped "
            "far across zero is not caught. Step on the loss alone, then move towards zero and stop there.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _rounded(_soft(w - lr * grad, lr * lam)),
            "The step is right, but then you set to zero what is nearly zero. A weight may be tiny and right: only those that would "
            "cross zero become zero.",
        ),
        Mistake(
            lambda w, grad, lr, lam: torch.where(
                w * _subgradient(w, grad, lr, lam) < 0, 0.0, _subgradient(w, grad, lr, lam)
            ),
            "You take the penalty's step with the sign of the old w and set to zero what crosses it. Then a gradient step that rightly "
            "crosses zero is lost, and a weight at exactly 0 feels no penalty. First v = w − lr · grad, then the threshold on v.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _soft(_subgradient(w, grad, lr, lam), lr * lam),
            "The penalty counts twice: once as lam · sign(w) in the gradient, once as the threshold. The gradient step is on the loss "
            "alone.",
        ),
        Mistake(
            lambda w, grad, lr, lam: (w - lr * grad) - lr * lam * torch.sign(w - lr * grad),
            "Small numbers jump across zero: you move everything by lr · lam, also what is closer to zero than that. Those must "
            "stop at exactly zero.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _soft(w - lr * grad, lam),
            "Your threshold is lam. The penalty pulls as long as the step lasts, so the threshold is lr · lam. With a small "
            "learning rate yours would empty the model at once.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _soft(w - lr * grad, lr),
            "Your threshold is lr, and lam has no effect. It is lr · lam.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _soft(w - lr * grad, lr * lam / 2),
            "Your threshold is half of lr · lam. The penalty is lam · Σ|w|, whose slope is lam, without a 2.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _soft(w - grad, lr * lam),
            "The gradient step goes the whole gradient: it is lr · grad.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _soft(w, lr * lam) - lr * grad,
            "You threshold before the gradient step; the step then moves the zeros away again. First the gradient step, then "
            "the threshold.",
        ),
        Mistake(
            _proximal_hard,
            "That is the hard threshold: what is small becomes zero, but what is large stays as it is. The soft threshold also "
            "moves the large ones towards zero by lr · lam.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _soft(w - lr * grad, lr * lam).abs(),
            "The sign is lost: a weight of −2 must stay negative. Multiply by the sign of v at the end.",
        ),
        Mistake(
            lambda w, grad, lr, lam: torch.sign(w) * F.relu((w - lr * grad).abs() - lr * lam),
            "You take the sign of the old w. If the gradient step crosses zero, the sign changes: take it of v = w − lr · grad.",
        ),
        Mistake(
            lambda w, grad, lr, lam: F.relu(w - lr * grad - lr * lam),
            "Every negative number has become zero: you treat one side only. Negative numbers move up towards zero by the same "
            "amount, and only those between −lr · lam and lr · lam become zero.",
        ),
        Mistake(
            lambda w, grad, lr, lam: w - lr * grad - lr * lam,
            "You subtract lr · lam from every number, so negative ones move away from zero. Move each towards zero, and stop there.",
        ),
        Mistake(
            lambda w, grad, lr, lam: torch.where((w - lr * grad).abs() > lr * lam, w - lr * grad - lr * lam, 0.0),
            "The zeros are right, but you subtract lr · lam from negative numbers too, so they move away from zero. Their way to zero "
            "is up: add it.",
        ),
        Mistake(
            lambda w, grad, lr, lam: F.relu(torch.sign(w - lr * grad) * ((w - lr * grad).abs() - lr * lam)),
            "The clamp stands in the wrong place: it sets every negative result to zero. Clamp (|v| − lr · lam) at 0 first, then "
            "multiply by the sign.",
        ),
        Mistake(
            lambda w, grad, lr, lam: (w - lr * grad) * (w.abs() > lr * lam),
            "You decide by the old w which weights become zero, and leave the others where the step took them. Look at "
            "v = w − lr · grad, and move all of them towards zero.",
        ),
        Mistake(
            lambda w, grad, lr, lam: torch.where(w.abs() > lr * lam, w - lr * (grad + lam * torch.sign(w)), 0.0),
            "You decide by the old w which weights become zero. Do the gradient step first, and decide by v = w − lr · grad.",
        ),
        Mistake(
            lambda w, grad, lr, lam: torch.where(
                w.abs() <= lr * lam, 0.0, w - lr * grad - lr * lam * torch.sign(w - lr * grad)
            ),
            "You ask the old w which numbers become zero. Ask v = w − lr · grad: it is v that lies between −lr · lam and lr · lam, or "
            "does not.",
        ),
        Mistake(
            lambda w, grad, lr, lam: w - lr * grad,
            "That is the plain gradient step: lam has no effect. The threshold comes after it.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _soft(w, lr * lam),
            "The loss has no effect: you threshold w without the gradient step w − lr · grad.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _soft(w + lr * grad, lr * lam),
            "The gradient step goes uphill: subtract lr · grad.",
        ),
        Mistake(
            lambda w, grad, lr, lam: (w - lr * grad) * (1 - lr * lam),
            "You multiply by a factor below 1. That is how L2 shrinks: in proportion, so that nothing becomes zero. L1 takes the "
            "same amount, lr · lam, from every number.",
        ),
        Mistake(
            _proximal_of_the_group,
            "You shrink all numbers by one common factor: that is the group lasso, whose penalty is the norm of the whole. L1 moves each "
            "number on its own.",
        ),
        Mistake(
            lambda w, grad, lr, lam: (w - lr * grad) / (1 + 2 * lr * lam),
            "That is the proximal step of the L2 penalty lam · Σw²: it divides, and nothing becomes zero. L1 takes the same "
            "amount, lr · lam, from every number.",
        ),
        Mistake(
            lambda w, grad, lr, lam: _soft(w - lr * grad, 2 * lr * lam),
            "Your threshold is twice too large. The 2 belongs to squares; the slope of lam · |w| is lam, so the threshold is lr · lam.",
        ),
        Mistake(
            lambda w, grad, lr, lam: w - lr * _soft(grad, lam),
            "You threshold the gradient. It is the weights that must become zero: threshold w − lr · grad.",
        ),
        Mistake(
            lambda w, grad, lr, lam: (w - lr * grad).clamp(-lr * lam, lr * lam),
            "You keep what the threshold takes away: all results lie between −lr · lam and lr · lam. Subtract that from v instead.",
        ),
    ),
    styles=(_proximal_by_softshrink, _proximal_with_where, _proximal_both_sides),
    start="Begin with the plain gradient step: v = w − lr · grad.",
    praise="It agrees with the definition on every input, and its zeros are exact.",
    cases=_proximal_cases,
    expected=_proximal_in_loops,
    observe=_see_step_and_zeros,
)

# ---- 03.3 ---------------------------------------------------------------------------------------------------------


def _momentum_cases() -> Iterator[tuple[Tensor, Tensor, float, float]]:
    """Weights with a gradient; velocities at rest and on the move; rates as a schedule has them."""
    generator = torch.Generator().manual_seed(33)
    yield _leaf([1.0], [4.0]), torch.tensor([2.0], dtype=torch.float64), 0.1, 0.5
    yield _leaf([1.0, -1.0], [3.0, 2.0]), torch.zeros(2, dtype=torch.float64), 0.1, 0.9
    for shape, lr, momentum in (
        ((3,), 0.5, 0.9),
        ((3,), 0.05, 0.9),
        ((2, 4), 0.01, 0.5),
        ((4, 3, 2), 1.0, 0.99),
        ((30,), 2.0, 0.1),
    ):
        w, grad, velocity = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3))
        yield _leaf(w.tolist(), grad.tolist()), velocity, lr, momentum


def _leaf(values: list[Any], gradient: list[Any]) -> Tensor:
    """A leaf tensor that requires grad and has one."""
    w = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    w.grad = torch.tensor(gradient, dtype=torch.float64)
    return w


def momentum_step(w: Any, velocity: Tensor, lr: float, momentum: float) -> None:
    with torch.no_grad():
        velocity *= momentum
        velocity += w.grad
        w -= lr * velocity


def _momentum_by_torch(w: Tensor, velocity: Tensor, lr: float, momentum: float) -> None:
    """The optimizer itself, which keeps the velocity under the name momentum_buffer."""
    optimizer = SGD([w], lr=lr, momentum=momentum)
    optimizer.state[w]["momentum_buffer"] = velocity
    optimizer.step()


def _momentum_through_data(w: Tensor, velocity: Tensor, lr: float, momentum: float) -> Tensor:
    velocity.mul_(momentum).add_(_gradient(w))
    w.data = w.data - lr * velocity
    return velocity


def _momentum_by_copy(w: Tensor, velocity: Tensor, lr: float, momentum: float) -> tuple[Tensor, Tensor]:
    velocity.copy_(momentum * velocity + _gradient(w))
    w.detach().sub_(velocity, alpha=lr)
    return w, velocity


def _gradient(w: Tensor) -> Tensor:
    """The gradient that every w of the cases has."""
    return torch.zeros_like(w) if w.grad is None else w.grad


def _momentum(
    new_velocity: Callable[..., Tensor],
    move: Callable[..., Tensor],
    *,
    keep_velocity: bool = True,
    keep_w: bool = True,
    clear: bool = False,
    into_gradient: bool = False,
    freeze: bool = False,
) -> Callable[..., None]:
    """A step by other formulas; or one whose new values the caller never sees.

    Args:
        new_velocity: of velocity, gradient, lr and momentum.
        move: what is added to w, of old velocity, new velocity, gradient, lr and momentum.
        keep_velocity: write the velocity into the caller's tensor.
        keep_w: write the weights into the caller's tensor.
        clear: set the gradient to zero afterwards.
        into_gradient: write the new velocity into the gradient as well.
        freeze: leave w without requires_grad.
    """

    def step(w: Tensor, velocity: Tensor, lr: float, momentum: float) -> None:
        with torch.no_grad():
            old, gradient = velocity.clone(), _gradient(w).clone()
            new = new_velocity(old, gradient, lr, momentum)
            if keep_velocity:
                velocity.copy_(new)
            if keep_w:
                w.add_(move(old, new, gradient, lr, momentum))
            if clear:
                w.grad = None
            if into_gradient:
                w.grad = new
        if freeze:
            w.requires_grad_(False)

    return step


def _velocity(v: Tensor, g: Tensor, lr: float, momentum: float) -> Tensor:
    return momentum * v + g


def _against(old: Tensor, v: Tensor, g: Tensor, lr: float, momentum: float) -> Tensor:
    return -lr * v


def _see_momentum(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The caller's tensors after the call; what is returned does not count."""
    w, velocity = arguments[:2]
    return {
        "w": w,
        "velocity": velocity,
        "w.grad": _gradient(w),
        "w requires grad": w.requires_grad,
    }


MOMENTUM_STEP = Exercise(
    number="03.3",
    name="momentum_step",
    title="A step with momentum",
    kind="debug",
    difficulty=2,
    minutes=12,
    trains="updates in place, and where the learning rate stands",
    stub='''def momentum_step(w, velocity, lr, momentum):
    """Do one step of SGD with momentum, with the same numbers as torch.optim.SGD.

    w and velocity belong to the caller: both are changed in place. w.grad stays as it is.
    lr may be another one at the next call.

    Args:
        w: a leaf tensor that requires grad; w.grad is there
        velocity: same shape as w; zeros before the first step
        lr: learning rate
        momentum: share of the old velocity that stays
    """
    velocity *= momentum
    velocity += lr * w.grad
    w -= velocity
''',
    hints=(
        "Read the error: autograd records what happens to w, and w must not change while it does. An update is no part of the "
        "model: with torch.no_grad(): lets it happen without a record.",
        "The crash is gone, but is it torch's momentum? Compare the last two lines with the formula of the section on momentum: "
        "v ← momentum · v + g, then w ← w − lr · v.",
        "In the stub the learning rate is inside the velocity. Then an old gradient keeps the old rate for ever, and a schedule "
        "acts late. Move lr from the line of the velocity to the line of w.",
    ),
    reference=momentum_step,
    mistakes=(
        Mistake(
            _momentum(lambda v, g, lr, m: m * v + lr * g, lambda old, v, g, lr, m: -v),
            "The crash is gone. But the learning rate is inside the velocity: what it holds from earlier steps keeps the rate of "
            "those steps. With torch, a new lr acts on the whole velocity at once: v ← momentum · v + g, then w ← w − lr · v.",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: m * v + lr * g, _against),
            "The learning rate counts twice: once inside the velocity, once in the step. Only the step has it.",
        ),
        Mistake(
            _momentum(_velocity, lambda old, v, g, lr, m: -v),
            "The velocity is right now, but the learning rate is gone: w moves by the whole velocity. w ← w − lr · v.",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: lr * _velocity(v, g, lr, m), lambda old, v, g, lr, m: -v),
            "You multiply the velocity itself by lr, so the next step starts from a velocity that is too small. Leave it, and take lr · v "
            "off w.",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: m * v + lr * g, lambda old, v, g, lr, m: -v, keep_velocity=False),
            "Two faults are left. velocity = … makes a new tensor, and the caller's velocity stays as it was: change it in place. "
            "And the learning rate belongs to the step of w, not into the velocity.",
        ),
        Mistake(
            _momentum(_velocity, _against, keep_velocity=False),
            "w is right, but the caller's velocity has not changed: velocity = … makes a new tensor under the same name. Change it "
            "in place, with velocity *= … and velocity += …, or the next step starts from the old one.",
        ),
        Mistake(
            _momentum(_velocity, _against, keep_w=False),
            "The velocity is right, but the caller's w has not moved: w = w − … makes a new tensor under the same name, which is no "
            "leaf either. Inside torch.no_grad(), w -= … changes the caller's own.",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: m * v + lr * g, _against, keep_w=False),
            "The caller's w has not moved: w = w − … makes a new tensor under the same name. Inside torch.no_grad(), w -= … changes "
            "the caller's own. And lr belongs to that line, not into the velocity.",
        ),
        Mistake(
            _momentum(_velocity, _against, keep_w=False, keep_velocity=False),
            "Neither w nor velocity has changed: w = … and velocity = … make new tensors under the same names. Change the caller's "
            "own in place, with *=, += and -=.",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: v, lambda old, v, g, lr, m: -lr * g),
            "That is SGD without momentum: the velocity plays no part. It collects gradients, and w follows the velocity.",
        ),
        Mistake(
            _momentum(_velocity, lambda old, v, g, lr, m: -lr * g),
            "The velocity is right, but w follows the gradient alone. It must follow the velocity: w ← w − lr · v.",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: m * v + (1 - m) * g, _against),
            "Your velocity is an average: the gradient comes in with the weight 1 − momentum. In torch.optim.SGD it comes in whole, "
            "unless dampening is set. Adam uses such an average.",
        ),
        Mistake(
            _momentum(_velocity, lambda old, v, g, lr, m: lr * v),
            "Your w goes uphill: subtract lr · v.",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: m * v - lr * g, lambda old, v, g, lr, m: v),
            "That is another common form: v ← momentum · v − lr · g, w ← w + v. It goes downhill, but the learning rate is inside "
            "the velocity, and the velocity has the other sign than torch's: v ← momentum · v + g, then w ← w − lr · v.",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: m * v - g, lambda old, v, g, lr, m: lr * v),
            "w is right, but your velocity has the other sign than torch's: it points downhill. There it adds the gradient, and w "
            "subtracts.",
        ),
        Mistake(
            _momentum(_velocity, lambda old, v, g, lr, m: -lr * (g + m * v)),
            "That is Nesterov's momentum: the step looks ahead, g + momentum · v. Asked for is the plain one: w ← w − lr · v.",
        ),
        Mistake(
            _momentum(_velocity, lambda old, v, g, lr, m: -lr * old),
            "w follows the old velocity: it moves before the gradient has come in. First the velocity, then w.",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: m * (v + g), _against),
            "momentum multiplies the new gradient too. It multiplies the old velocity only; then the gradient is added whole.",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: v + m * g, _against),
            "momentum multiplies the gradient. It says how much of the *old velocity* stays: v ← momentum · v + g.",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: v + g, _against),
            "momentum has no effect: the old velocity stays whole, and nothing ever slows it down. Multiply it by momentum first.",
        ),
        Mistake(
            _momentum(_velocity, _against, clear=True),
            "The step is right, but w.grad is gone. To clear gradients is up to the training loop: it may want to look at them, or "
            "collect those of several batches.",
        ),
        Mistake(
            _momentum(_velocity, _against, into_gradient=True),
            "The step is right, but you add the velocity into w.grad. The gradient is not yours to change: the next backward() would "
            "add to it. Do the sum in velocity.",
        ),
        Mistake(
            _momentum(_velocity, _against, freeze=True),
            "The numbers are right, but w no longer requires grad: the next backward() would skip it. Use torch.no_grad(), which "
            "leaves w as it is, instead of requires_grad_(False) or detach_().",
        ),
        Mistake(
            _momentum(lambda v, g, lr, m: m * v + lr * g, lambda old, v, g, lr, m: -v, clear=True),
            "Two faults are left. The learning rate is inside the velocity; it belongs to the step of w. And w.grad is gone: "
            "leave it to the training loop.",
        ),
    ),
    styles=(_momentum_by_torch, _momentum_through_data, _momentum_by_copy),
    start="Run it on any w with a gradient first and read the error.",
    praise="w and velocity are those of torch.optim.SGD, whatever the learning rate was before.",
    cases=_momentum_cases,
    expected=_momentum_by_torch,
    observe=_see_momentum,
    may_change=frozenset({"w", "velocity"}),
    prepare=_first_optimizer,
)

# ---- 03.4 ---------------------------------------------------------------------------------------------------------

#: How far from its mean a count may be, in standard deviations: a right answer is farther away once in 10⁹ draws.
_SIGMAS = 6.0


def _dropout_cases() -> Iterator[tuple[Tensor, float, bool]]:
    """Inputs without zeros, large enough for counts; five calls with the same x, to compare their masks."""
    generator = torch.Generator().manual_seed(34)

    def numbers(*shape: int) -> InGraph:
        sign = torch.randint(0, 2, shape, generator=generator) * 2.0 - 1
        return InGraph.of((sign * (torch.rand(shape, generator=generator) + 0.1)).double())

    ones = torch.ones(20, 50, dtype=torch.float64)
    yield InGraph.of(ones), 0.2, True
    yield InGraph.of(ones), 0.2, False
    shared, calls = numbers(100, 64), Calls()
    for _ in range(5):
        x = copy.deepcopy(shared)
        x.calls = calls  # type: ignore[attr-defined]
        yield x, 0.3, True
    yield numbers(12, 20, 30), 0.5, True
    yield numbers(30, 40), 1.0, True
    yield numbers(30, 40), 0.0, True
    yield numbers(30, 40), 1.0, False
    yield InGraph.of(numbers(60, 40).float()), 0.9, True


class Calls:
    """What several calls with one input have dropped; the inputs of these calls carry it."""

    def __init__(self) -> None:
        self.zeros: list[Tensor] = []

    def pattern(self, zeros: Tensor) -> str:
        """Add a call, and say what the calls have in common that chance would not give them."""
        self.zeros.append(zeros)
        if len(self.zeros) > 1 and torch.equal(zeros, self.zeros[-2]):
            return "the same zeros as in the call before"
        counts = {int(mask.sum()) for mask in self.zeros}
        return "the same number of zeros in every call" if len(self.zeros) > 4 and len(counts) == 1 else "none"


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    if not training:
        return x
    if p == 1:
        return torch.zeros_like(x)
    kept = torch.rand_like(x) >= p
    return x * kept / (1 - p)


def _dropout_by_torch(x: Tensor, p: float, training: bool) -> Tensor:
    return F.dropout(x, p, training)


def _dropout_by_bernoulli(x: Tensor, p: float, training: bool) -> Tensor:
    if not training or p == 0.0:
        return x
    mask = torch.bernoulli(torch.full_like(x, 1 - p))
    return mask * x * (1 / (1 - p) if p < 1 else 0.0)


def _dropout_in_place_on_a_copy(x: Tensor, p: float, training: bool) -> Tensor:
    if training:
        x = x.clone()
        x[torch.empty(x.shape).uniform_() < p] = 0
        x = x / max(1 - p, 1e-12)
    return x


def _inverse(q: float) -> float:
    """1 / q as a tensor divides."""
    return 1 / q if q else math.inf


def _masked(
    shape: Callable[[Tensor], Sequence[int]] = lambda x: x.shape,
    *,
    drop: Callable[[float], float] = lambda p: p,
    scale: Callable[[float], float] = lambda p: _inverse(1 - p),
    evaluation: Callable[[float], float] = lambda p: 1.0,
    guard: bool = True,
) -> Callable[[Tensor, float, bool], Tensor]:
    """Dropout with one part exchanged.

    Args:
        shape: of the mask.
        drop: probability of a zero, of p.
        scale: what the kept values are multiplied by, of p.
        evaluation: what all values are multiplied by in evaluation mode, of p.
        guard: treat p = 1 by itself.
    """

    def masked(x: Tensor, p: float, training: bool) -> Tensor:
        if not training:
            return x * (0.0 if guard and math.isinf(evaluation(p)) else evaluation(p))
        if guard and p == 1:
            return torch.zeros_like(x)
        return x * (torch.rand(tuple(shape(x))) >= drop(p)) * scale(p)

    return masked


def _guarded_or_not(feedback: str, *shape: Callable[[Tensor], Sequence[int]], **parts: Any) -> tuple[Mistake, Mistake]:
    """The mistake, and the mistake by somebody who has not thought of p = 1 either."""
    return (
        Mistake(_masked(*shape, **parts), feedback),
        Mistake(
            _masked(*shape, **parts, guard=False),
            f"{feedback} And with p = 1 you divide by 0: that case needs a line of its own.",
        ),
    )


_right_dropout = _masked()


def _dropout_without_guard(x: Tensor, p: float, training: bool) -> Tensor:
    return x * (torch.rand_like(x) >= p) / (1 - p) if training else x


def _dropout_keeps_with_p(*, zero: float | None) -> Callable[[Tensor, float, bool], Tensor]:
    """The convention in which p is the probability to keep; with p = 0, x times ``zero``, or no line of its own."""

    def kept(x: Tensor, p: float, training: bool) -> Tensor:
        if not training or (zero is not None and p == 0):
            return x * (zero if training and zero is not None else 1.0)
        return x * (torch.rand_like(x) < p) / p

    return kept


def _dropout_other_way_round(x: Tensor, p: float, training: bool) -> Tensor:
    return _right_dropout(x, p, not training)


def _dropout_with_fixed_seed(x: Tensor, p: float, training: bool) -> Tensor:
    torch.manual_seed(0)
    return _right_dropout(x, p, training)


def _dropout_exact_count(x: Tensor, p: float, training: bool) -> Tensor:
    if not training or p == 1:
        return x if not training else torch.zeros_like(x)
    kept = torch.ones(x.numel(), dtype=torch.bool)
    kept[torch.randperm(x.numel())[: round(p * x.numel())]] = False
    return x * kept.reshape(x.shape) / (1 - p)


def _dropout_exact_in_rows(x: Tensor, p: float, training: bool) -> Tensor:
    if not training or p == 1:
        return x if not training else torch.zeros_like(x)
    order = torch.rand(x.shape).argsort(-1).argsort(-1)
    return x * (order >= round(p * x.shape[-1])) / (1 - p)


def _dropout_with_noise(x: Tensor, p: float, training: bool) -> Tensor:
    if not training:
        return x
    spread = math.sqrt(p / (1 - p)) if p < 1 else 1.0
    return x * (1 + spread * torch.randn_like(x))


def _dropout_detached(x: Tensor, p: float, training: bool) -> Tensor:
    return _right_dropout(x.detach(), p, training) if training else x


def _dropout_without_graph(x: Tensor, p: float, training: bool) -> Tensor:
    return _right_dropout(x, p, training).detach()


def _dropout_in_place(*, guard: bool, data: bool = False) -> Callable[[Tensor, float, bool], Tensor]:
    """Zeros written into x itself, or behind autograd's back."""

    def zeroed(x: Tensor, p: float, training: bool) -> Tensor:
        if training:
            (x.data if data else x)[torch.rand_like(x) < p] = 0
            x = x / (1.0 if guard and p == 1 else 1 - p)
        return x

    return zeroed


def _dropout_by_kept_share(x: Tensor, p: float, training: bool) -> Tensor:
    if not training:
        return x
    kept = (torch.rand_like(x) >= p).to(x.dtype)
    return x * kept / kept.mean().clamp(min=1e-12)


def _see_dropout(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """What can be said about a random output that any right answer shares, in words."""
    x, p = arguments[:2]
    if not isinstance(result, Tensor) or result.shape != x.shape:
        form = f"shape {tuple(result.shape)}" if isinstance(result, Tensor) else f"of type {type(result).__name__}"
        return {**dict.fromkeys(_FACTS, ""), "values": None if result is None else form}
    result = result.as_subclass(Tensor)
    ratio = (result / x.source).detach().double()
    zeros = ratio == 0
    pattern, sample = _pattern(zeros)
    calls: Calls | None = getattr(x, "calls", None)
    if calls is not None:
        pattern = max(pattern, calls.pattern(zeros), key=lambda words: words != "none")
    facts = (
        _values(ratio, p),
        _share(sample, p),
        pattern,
        _slope(x.source, result, ratio),
        "as before" if torch.equal(x, x.source) else "changed",
    )
    return dict(zip(_FACTS, facts))


_FACTS = ("values", "zeros", "pattern", "gradient", "x after")


def _values(ratio: Tensor, p: float) -> str:
    """Which multiples of x occur in the output, such as ``0 and x / (1 − p)``."""
    if bool(ratio.isnan().any()):
        return "nan"
    found: list[float] = []
    for number in sorted(ratio.unique().tolist()):
        if not found or number - found[-1] > 1e-4 * (1 + abs(number)):
            found.append(number)
    if len(found) > 4:
        return "many different multiples of x"
    kept = 1 - (ratio == 0).double().mean().item()
    return " and ".join(_multiple(number, p, kept) for number in found)


def _multiple(number: float, p: float, kept: float) -> str:
    """A factor by the name that a learner knows it by."""
    names = (
        (0.0, "0"),
        (1.0, "x"),
        (1 / (1 - p) if p != 1 else math.inf, "x / (1 − p)"),
        (1 - p, "(1 − p) · x"),
        (1 / p if p else math.inf, "x / p"),
        (p, "p · x"),
        (1 / kept if kept else math.inf, "x / (share kept)"),
    )
    return next((name for factor, name in names if math.isclose(number, factor, rel_tol=1e-4)), f"{number:.4g} · x")


def _pattern(zeros: Tensor) -> tuple[str, Tensor]:
    """What the zeros have in common that chance would not give them, and the zeros without the repetitions."""
    from scipy.special import chdtri

    share = zeros.double().mean().item()
    if not 0 < share < 1:
        return "none", zeros
    same = [d for d in range(zeros.ndim) if bool((zeros == zeros.narrow(d, 0, 1)).all())]
    if same:
        for dimension in same:
            zeros = zeros.narrow(dimension, 0, 1)
        return f"all the same along dimension {' and '.join(map(str, same))}", zeros
    for dimension in range(zeros.ndim):
        slices = zeros.movedim(dimension, 0).flatten(1).double()  # (R, m)
        mean, variance = slices.shape[1] * share, slices.shape[1] * share * (1 - share)
        spread = float(((slices.sum(1) - mean) ** 2).sum() / variance)
        freedom = len(slices) - 1
        if 2 * len(slices.unique(dim=0)) <= len(slices):
            return f"the same zeros return along dimension {dimension}", zeros
        if spread < chdtri(freedom, 1 - 1e-10):
            return f"the same number of zeros at each index of dimension {dimension}", zeros
        if spread > chdtri(freedom, 1e-10):
            return f"zeros crowd at some indices of dimension {dimension}", zeros
    return "none", zeros


def _share(zeros: Tensor, p: float) -> str:
    """How many zeros there are, in words."""
    count, n = int(zeros.sum()), zeros.numel()
    if count in (0, n):
        return "all" if count else "none"
    for share, words in ((p, "about p"), (1 - p, "about 1 − p"), (0.5, "about half")):
        if abs(count - n * share) <= _SIGMAS * math.sqrt(max(0.0, n * share * (1 - share))):
            return words
    return f"a share of {count / n:.2f}"


def _slope(source: Tensor, result: Tensor, ratio: Tensor) -> str:
    """How the gradient of the output by x compares with the factor that each x got."""
    found: tuple[Tensor | None, ...] = (None,)
    if result.requires_grad:
        found = torch.autograd.grad(result.sum(), [source], allow_unused=True)
    slope = torch.zeros_like(ratio) if found[0] is None else found[0].double()
    if torch.allclose(slope, ratio, equal_nan=True):
        return "output / x"
    return "not output / x" if bool(slope.any()) else "none"


DROPOUT = Exercise(
    number="03.4",
    name="dropout",
    title="Inverted dropout",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="why evaluation needs no change",
    stub='''def dropout(x, p, training):
    """In training, set each number to zero with probability p, and divide the others by 1 − p.

    Each number has a draw of its own, and each call draws anew. In evaluation nothing happens.

    Args:
        x: any shape
        p: probability of a zero, 0…1, both ends included
        training: True or False
    Returns:
        same shape as x; gradients reach x
    """
    ...
''',
    hints=(
        "Three cases: evaluation, p = 1, and the rest. In the first the answer is x; in the second every number is dropped.",
        "For the rest draw one uniform number for each number of x: torch.rand_like(x). It is below p with probability p.",
        "Keep x where the draw is p or more, 0 elsewhere, by multiplying with that mask. Then divide by 1 − p, so that the mean stays what it was.",
    ),
    reference=dropout,
    mistakes=(
        Mistake(
            _masked(scale=lambda p: 1.0),
            "Zeros come as they should, but the kept values are not scaled. In evaluation, when all are kept, the next layer would "
            "get a sum that is larger by 1 / (1 − p) on average. Divide the kept ones by 1 − p in training.",
        ),
        Mistake(
            _masked(scale=lambda p: 1.0, evaluation=lambda p: 1 - p),
            "That is dropout as first published: training only zeroes, and evaluation multiplies by 1 − p. Asked for is the inverted "
            "form, as in torch: divide by 1 − p in training, and change nothing in evaluation.",
        ),
        *_guarded_or_not(
            "Training is right, but you scale in evaluation too. Training has already divided by 1 − p, so evaluation is x as it came.",
            evaluation=lambda p: 1 - p,
        ),
        *_guarded_or_not(
            "Training is right, but in evaluation you divide by 1 − p as well. There nothing was dropped, so there is nothing to make up for.",
            evaluation=lambda p: _inverse(1 - p),
        ),
        Mistake(
            _masked(evaluation=lambda p: 0.0 if p == 1 else 1.0),
            "With p = 1 you return zeros in evaluation too. Ask for training first: in evaluation the answer is x, whatever p is.",
        ),
        Mistake(
            _masked(scale=_inverse),
            "You divide by p. The share that is kept is 1 − p: divide by that. With p = 0.2 a kept value grows by a quarter, not five times.",
        ),
        Mistake(
            lambda x, p, training: x if p == 0 else _masked(scale=_inverse)(x, p, training),
            "The zeros are right, but you divide by p. The share that is kept is 1 − p: divide by that.",
        ),
        Mistake(
            _masked(scale=lambda p: 1 - p),
            "You multiply by 1 − p, which makes the sum smaller still. A share of p is missing, so the kept values must grow: divide by 1 − p.",
        ),
        *_guarded_or_not(
            "The scaling is in the wrong mode: divide by 1 − p in training, and give x back as it is in evaluation.",
            scale=lambda p: 1.0,
            evaluation=lambda p: _inverse(1 - p),
        ),
        *_guarded_or_not(
            "Half of the numbers are dropped, whatever p is: round() and randint(0, 2) toss a fair coin. Compare torch.rand_like(x) with p.",
            drop=lambda p: 0.5,
        ),
        Mistake(
            lambda x, p, training: F.dropout(x, training=training),
            "Your p has no effect: nn.Dropout and F.dropout take 0.5 unless they are told. Hand p over.",
        ),
        *_guarded_or_not(
            "The mask is the wrong way round: you keep with probability p, and drop with 1 − p. In torch p is the probability of a zero.",
            drop=lambda p: 1 - p,
        ),
        Mistake(
            _dropout_keeps_with_p(zero=1.0),
            "Your p is the probability to keep: a share of about 1 − p is zero, and you divide by p. In torch, and here, p is the "
            "probability of a zero.",
        ),
        Mistake(
            _dropout_keeps_with_p(zero=0.0),
            "Your p is the probability to keep. In torch, and here, p is the probability of a zero: with p = 0 everything stays.",
        ),
        Mistake(
            _dropout_keeps_with_p(zero=None),
            "Your p is the probability to keep: a share of about 1 − p is zero, and you divide by p. In torch, and here, p is the "
            "probability of a zero. (So p = 0 means that nothing is dropped, and p = 1 that everything is.)",
        ),
        *_guarded_or_not(
            "One draw decides for the whole tensor: it is kept or dropped as one. Draw a mask of the full shape of x.",
            lambda x: (1,),
        ),
        *_guarded_or_not(
            "All samples of the batch lose the same numbers: one mask is shared along dimension 0. Draw a mask of the full shape of x.",
            lambda x: (1, *x.shape[1:]),
        ),
        *_guarded_or_not(
            "One mask is shared by all rows: it has the size of the last dimension only. Draw a mask of the full shape of x.",
            lambda x: x.shape[-1:],
        ),
        *_guarded_or_not(
            "Whole samples are dropped or kept: one draw decides for everything at one index of dimension 0. Draw a mask of the full "
            "shape of x.",
            lambda x: (len(x), *[1] * (x.ndim - 1)),
        ),
        *_guarded_or_not(
            "Whole rows are dropped or kept: one draw decides along the last dimension. That is nn.Dropout1d's way with channels. Here "
            "each number has a draw of its own.",
            lambda x: (*x.shape[:-1], 1),
        ),
        *_guarded_or_not(
            "Right for two dimensions. With three, one mask is shared along dimension 0: it covers the last two dimensions only. Draw a "
            "mask of the full shape of x.",
            lambda x: x.shape[-2:],
        ),
        Mistake(
            lambda x, p, training: _right_dropout(x, p, True),
            "Dropout is still on in evaluation: predictions would be random. If training is False, return x.",
        ),
        Mistake(
            _dropout_other_way_round,
            "Training and evaluation are the wrong way round: zeros are drawn when training is False.",
        ),
        Mistake(
            lambda x, p, training: x,
            "You give back x as it came, also in training. If you drop something, make sure that it is what you return.",
        ),
        Mistake(
            lambda x, p, training: (x, x != 0),
            "You gave back a tuple. Only the output is asked for, one tensor of the shape of x.",
        ),
        Mistake(
            lambda x, p, training: (x, x != 0) if training else x,
            "In training you gave back a tuple. Only the output is asked for, one tensor of the shape of x.",
        ),
        Mistake(
            lambda x, p, training: x if p == 1 else _right_dropout(x, p, training),
            "With p = 1 you return x as it is. Everything is dropped then: return zeros.",
        ),
        Mistake(
            lambda x, p, training: torch.where(torch.rand_like(x) >= p, x / (1 - p), 0.0) if training else x,
            "With p = 1 the output is right, but the gradient is nan: x / (1 − p) is x / 0, and `where` hides that in the output only. "
            "Return zeros for p = 1 first.",
        ),
        Mistake(
            _dropout_without_guard,
            "With p = 1 you divide 0 by 0, and that is nan. Everything is dropped then: return zeros.",
        ),
        Mistake(
            _dropout_with_fixed_seed,
            "Each call drops the same numbers: the mask is kept from an earlier call, or the seed is set inside. Then the network "
            "simply has fewer units. Draw anew in each call, and leave the seed to the caller.",
        ),
        Mistake(
            _dropout_exact_count,
            "The number of zeros is the same in every call. That comes from choosing a fixed number of places, as with randperm. "
            "Independent draws make the count vary around p · N.",
        ),
        Mistake(
            _dropout_exact_in_rows,
            "Every row loses the same number of values. That comes from choosing a fixed number of places in a row. Independent "
            "draws make the count vary from row to row.",
        ),
        Mistake(
            _dropout_with_noise,
            "You multiply by random numbers, and nothing becomes zero. That is Gaussian dropout, another method. Here a number is "
            "either zero or x / (1 − p).",
        ),
        Mistake(
            _dropout_detached,
            "The output is right, but in training no gradient reaches x: the layers below could not learn. Leave out .detach(), "
            ".data and no_grad around x.",
        ),
        Mistake(
            _dropout_without_graph,
            "The output is right, but no gradient reaches x, in training or in evaluation: the layers below could not learn. Leave out "
            ".detach(), .data and no_grad around x.",
        ),
        Mistake(
            _dropout_in_place(guard=True, data=True),
            "You write the zeros into x itself. Whoever called you still needs x, and autograd does not see it: multiply x by a mask.",
        ),
        Mistake(
            _dropout_in_place(guard=True),
            "The output is right, but your function changes x itself. Whoever called it still needs the old values: work on a copy, or "
            "multiply x by a mask, which makes a new tensor.",
        ),
        Mistake(
            _dropout_in_place(guard=False),
            "Your function changes x itself, and whoever called it still needs the old values: multiply x by a mask, which makes a new "
            "tensor. And with p = 1 you divide 0 by 0: that case needs a line of its own.",
        ),
        Mistake(
            _dropout_by_kept_share,
            "You divide by the share that was kept in this draw. Divide by its expected value, 1 − p: then a number does not depend "
            "on what happened to its neighbours, and a small batch cannot divide by zero.",
        ),
    ),
    styles=(_dropout_by_torch, _dropout_by_bernoulli, _dropout_in_place_on_a_copy),
    start="Begin with the simplest case: if not training, the answer is x.",
    praise="A share of about p is zero, without a pattern; the rest is x / (1 − p); and evaluation changes nothing.",
    cases=_dropout_cases,
    expected=_dropout_by_torch,
    observe=_see_dropout,
    may_change=frozenset({"x"}),  # noticed by what is observed
)

# ---- 03.5 ---------------------------------------------------------------------------------------------------------


class Parameters:
    """Tensors with gradients, to be gone through; as a generator they can be gone through once.

    Args:
        tensors: some with a gradient.
        once: act like a generator, such as model.parameters().
    """

    def __init__(self, tensors: list[Tensor], *, once: bool) -> None:
        self.tensors = tensors
        self._once = once
        self._used = False

    def __iter__(self) -> Iterator[Tensor]:
        left = [] if self._once and self._used else self.tensors
        self._used = True
        return iter(left)

    def __repr__(self) -> str:
        form = "a generator of" if self._once else "a collection of"
        if sum(tensor.numel() for tensor in self.tensors) > 8:
            return f"{form} {len(self.tensors)} tensors"
        gradients = (None if tensor.grad is None else tensor.grad.tolist() for tensor in self.tensors)
        return f"{form} tensors with .grad = {', '.join(map(str, gradients))}"


def _clip_cases() -> Iterator[tuple[Any, ...]]:
    """Gradients above and below the limit, in one and in many tensors, some missing, with both norms."""
    yield _with_gradients([3.0], [4.0]), 1.0, 2.0
    yield _with_gradients([3.0], [4.0]), 10.0, 2.0
    yield _with_gradients([3.0], [-4.0]), 1.0, math.inf
    yield _with_gradients([3.0], [-4.0]), 5.0, math.inf
    yield _with_gradients([3.0], None, [4.0]), 2.0, 2.0
    yield _with_gradients([0.0, 0.0], [0.0]), 1.0, 2.0
    yield _with_gradients([6.0, 2.0], [3.0], once=True), 3.5, 2.0
    yield _with_gradients([6.0], [8.0]), 2.0
    generator = torch.Generator().manual_seed(35)
    for max_norm, norm_type, once in (
        (1.0, 2.0, False),
        (0.5, math.inf, True),
        (1000.0, 2.0, True),
        (4.0, 2.0, True),
        (20.0, math.inf, False),
    ):
        shapes: tuple[tuple[int, ...], ...] = ((3, 4), (4,), (2, 3, 2), (1,))
        gradients = [3 * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
        yield _with_gradients(*gradients, once=once), max_norm, norm_type


def _with_gradients(*gradients: list[float] | Tensor | None, once: bool = False) -> Parameters:
    """Leaf tensors with these gradients; their values are other ones."""
    tensors = []
    for number, gradient in enumerate(gradients, 1):
        grad = None if gradient is None else torch.as_tensor(gradient, dtype=torch.float64)
        shape = (2,) if grad is None else grad.shape
        tensor = torch.full(shape, 10.0 * number, dtype=torch.float64, requires_grad=True)
        tensor.grad = grad
        tensors.append(tensor)
    return Parameters(tensors, once=once)


def clip_gradients(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    gradients = [p.grad for p in parameters if p.grad is not None]
    sizes = torch.stack([torch.linalg.vector_norm(g, norm_type) for g in gradients])
    norm = torch.linalg.vector_norm(sizes, norm_type)
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
    return norm


def _clip_by_torch(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    return nn.utils.clip_grad_norm_(parameters, max_norm, norm_type)


def _clip_as_one_row(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> float:
    chosen = [p for p in parameters if p.grad is not None]
    row = torch.cat([_gradient(p).flatten() for p in chosen])
    norm = row.abs().max().item() if norm_type == math.inf else row.norm(norm_type).item()
    factor = min(1.0, max_norm / (norm + 1e-6))
    for p in chosen:
        p.grad = _gradient(p) * factor
    return norm


def _clip_in_loops(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> float:
    gradients = [p.grad for p in list(parameters) if p.grad is not None]
    numbers = _numbers(gradients)
    norm = (
        max(map(abs, numbers))
        if math.isinf(norm_type)
        else sum(abs(n) ** norm_type for n in numbers) ** (1 / norm_type)
    )
    for gradient in gradients:
        gradient.mul_(max_norm / max(norm, max_norm))
    return norm


def _gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None]


def _norm(tensors: Sequence[Tensor], norm_type: float) -> Tensor:
    return torch.linalg.vector_norm(torch.cat([t.flatten() for t in tensors]), norm_type)


def _clip(
    norm_of: Callable[[list[Tensor], float], Tensor] = _norm,
    *,
    returned: Callable[[Tensor, float], Any] = lambda norm, max_norm: norm,
    factor: Callable[[Tensor, float], Tensor] = lambda norm, max_norm: (max_norm / (norm + 1e-6)).clamp(max=1.0),
) -> Callable[..., Any]:
    """Clipping with one part exchanged: the norm, what is returned, or the factor."""

    def clip(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Any:
        gradients = _gradients(parameters)
        norm = norm_of(gradients, norm_type)
        for gradient in gradients:
            gradient.mul_(factor(norm, max_norm))
        return returned(norm, max_norm)

    return clip


def _clip_measures_again(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    gradients = _gradients(parameters)
    before = _norm(gradients, norm_type)
    for gradient in gradients:
        gradient.mul_((max_norm / (_norm(gradients, norm_type) + 1e-6)).clamp(max=1.0))
    return before


def _clip_each(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    gradients = _gradients(parameters)
    norm = _norm(gradients, norm_type)
    _clip_each_returns_last(parameters=map(_carrier, gradients), max_norm=max_norm, norm_type=norm_type)
    return norm


def _clip_each_returns_last(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    norms = [_clip()([_carrier(gradient)], max_norm, norm_type) for gradient in _gradients(parameters)]
    return norms[-1]


def _power_sum(gradients: list[Tensor], norm_type: float) -> Tensor:
    """The formula of the p-norm, which has no meaning for p = inf."""
    total = torch.stack([_norm([g], norm_type) ** norm_type for g in gradients]).sum()
    return total ** (1 / norm_type)


def _carrier(gradient: Tensor) -> Tensor:
    """A tensor with this very gradient."""
    tensor = torch.zeros_like(gradient)
    tensor.grad = gradient
    return tensor


def _clip_values(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    gradients = _gradients(parameters)
    norm = _norm(gradients, norm_type)
    for gradient in gradients:
        gradient.clamp_(-max_norm, max_norm)
    return norm


def _clip_values_first(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    gradients = _gradients(parameters)
    _clip_values(map(_carrier, gradients), max_norm, norm_type)
    return _norm(gradients, norm_type)


def _clip_fills_in(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    chosen = list(parameters)
    for p in chosen:
        p.grad = _gradient(p)
    return clip_gradients(chosen, max_norm, norm_type)


def _clip_weights(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    weights = [p.data for p in parameters]
    norm = _norm(weights, norm_type)
    for weight in weights:
        weight.mul_((max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def _clip_weights_by_gradients(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    chosen = [p for p in parameters if p.grad is not None]
    norm = _norm([_gradient(p) for p in chosen], norm_type)
    for p in chosen:
        p.data.mul_((max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def _clip_twice_through(parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor:
    norm = _norm(_gradients(parameters), norm_type)
    for p in parameters:
        if p.grad is not None:
            p.grad.mul_((max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def _see_clipping(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The norm that is returned, the gradients afterwards, and whether the weights are what they were."""
    tensors = arguments[0].tensors
    same = all(bool((tensor == 10.0 * number).all()) for number, tensor in enumerate(tensors, 1))
    gradients = ["none" if tensor.grad is None else tensor.grad.flatten().tolist() for tensor in tensors]
    return {"norm": result, "gradients": gradients, "weights": "as before" if same else "changed"}


CLIP_GRADIENTS = Exercise(
    number="03.5",
    name="clip_gradients",
    title="Clip the gradients",
    kind="write",
    difficulty=2,
    minutes=12,
    trains="one norm over all parameters",
    stub='''def clip_gradients(parameters, max_norm, norm_type=2.0):
    """Scale all gradients by one common factor, so that their norm is at most max_norm.

    The norm is taken over all gradients together, as if they were one long vector.
    Gradients whose norm is below max_norm stay as they are.

    Args:
        parameters: tensors, in a list or a generator such as model.parameters();
            where .grad is None, there is nothing to clip
        max_norm: the largest norm allowed
        norm_type: 2.0, or float("inf") for the largest absolute value
    Returns:
        the norm before clipping, one number; each .grad holds the clipped gradient
    """
    ...
''',
    hints=(
        "Two rounds: one over all gradients to find their common norm, one to scale each of them. A generator gives its elements "
        "only once: collect the gradients in a list first.",
        "The 2-norm over all is the root of the sum of all squares; the inf-norm is the largest absolute value of all. "
        "torch.linalg.vector_norm(t, norm_type) knows both: use it on each gradient, and then on the norms themselves.",
        "If the norm is larger than max_norm, multiply every gradient in place by max_norm / norm. In both cases return the norm.",
    ),
    reference=clip_gradients,
    mistakes=(
        Mistake(
            _clip_each,
            "You clip each parameter by its own norm. Then small gradients keep their size while large ones shrink, and the step "
            "points elsewhere. One norm over all, one factor for all: only the length changes.",
        ),
        Mistake(
            _clip_each_returns_last,
            "You clip each parameter by its own norm, and return that of the last one. Then small gradients keep their size while "
            "large ones shrink, and the step points elsewhere. First one norm over all, then one factor for all.",
        ),
        Mistake(
            _clip(_power_sum),
            "Right for the 2-norm. With float('inf') the formula (Σ|g|ᵖ)^(1/p) breaks down: a power of infinity is infinite, zero or 1. "
            "The inf-norm is the largest absolute value; torch.linalg.vector_norm knows it.",
        ),
        Mistake(
            _clip(lambda gs, k: torch.stack([torch.linalg.vector_norm(g, k) for g in gs]).sum()),
            "You add up the norms of the parameters. The norm of all gradients together is the norm of these norms: for 3 and 4 that "
            "is 5, not 7.",
        ),
        Mistake(
            _clip(lambda gs, k: torch.stack([torch.linalg.vector_norm(g, k) for g in gs]).max()),
            "Your norm is that of the largest parameter alone. For norm_type 2 every gradient counts: for 3 and 4 the norm is 5.",
        ),
        Mistake(
            _clip(lambda gs, k: torch.linalg.vector_norm(gs[-1], k)),
            "Your norm is that of the last gradient alone: each round of the loop overwrites the one before. Collect all of them.",
        ),
        Mistake(
            _clip_measures_again,
            "The norm you return is right. But you measure it again inside the loop, when some gradients are scaled already, so each gets "
            "another factor. Compute one factor before the loop.",
        ),
        Mistake(
            _clip(lambda gs, k: _norm(gs, k) / sum(g.numel() for g in gs) ** 0.5 if k == 2 else _norm(gs, k)),
            "You take the root of the mean square. The norm has the sum: √Σg², for 3 and 4 it is 5.",
        ),
        Mistake(
            _clip(lambda gs, k: _norm(gs, k) ** 2 if k == 2 else _norm(gs, k)),
            "You forgot the root: your norm is the sum of the squares.",
        ),
        Mistake(
            _clip(lambda gs, k: torch.stack([torch.linalg.vector_norm(g, k) for g in gs]).mean()),
            "You average the norms of the parameters. The norm is taken over all gradients together, as if they were one long vector.",
        ),
        Mistake(
            _clip(lambda gs, k: _norm(gs, 2.0)),
            "norm_type has no effect: yours is always the 2-norm. With float('inf') the norm is the largest absolute value.",
        ),
        Mistake(
            _clip(lambda gs, k: torch.cat([g.flatten() for g in gs]).max() if math.isinf(k) else _norm(gs, k)),
            "Your inf-norm is the largest value; it is the largest *absolute* value. A gradient of −4 is larger than one of 3.",
        ),
        Mistake(
            _clip_values,
            "You clamp each number to ±max_norm. That is clip_grad_value_: it turns the direction. Clipping by norm multiplies all "
            "numbers by one factor.",
        ),
        Mistake(
            _clip_values_first,
            "You clamp each number to ±max_norm, and measure the norm after that. Clamping is clip_grad_value_: it turns the "
            "direction. Measure first, then multiply all numbers by one factor.",
        ),
        Mistake(
            _clip_fills_in,
            "A parameter without a gradient gets one of zeros. Optimizers skip None, but not zeros: momentum and weight decay would "
            "move that parameter. Leave None as it is.",
        ),
        Mistake(
            _clip_weights,
            "You measure and scale the weights. Clipping is about the gradients: p.grad. The weights change only in optimizer.step().",
        ),
        Mistake(
            _clip_weights_by_gradients,
            "The norm is that of the gradients, but you scale the weights with it. Scale p.grad.",
        ),
        Mistake(
            _clip(returned=lambda norm, max_norm: norm.clamp(max=max_norm)),
            "The gradients are right, but you return the norm after clipping. Return the one before: its curve shows when training "
            "is about to explode.",
        ),
        Mistake(
            _clip(returned=lambda norm, max_norm: (max_norm / (norm + 1e-6)).clamp(max=1.0)),
            "The gradients are right, but you return the factor. Return the norm before clipping.",
        ),
        Mistake(
            _clip(factor=lambda norm, max_norm: max_norm / (norm + 1e-6)),
            "You also scale small gradients up: every gradient gets the norm max_norm. Near a minimum steps must become small. The "
            "factor is never above 1.",
        ),
        Mistake(
            _clip(factor=lambda norm, max_norm: torch.as_tensor(max_norm) / norm),
            "You scale in every case: small gradients grow, and with gradients of zero you divide 0 by 0. Scale only if the norm is "
            "larger than max_norm.",
        ),
        Mistake(
            _clip(factor=lambda norm, max_norm: (max_norm / (norm + 1e-6)).clamp(min=1.0)),
            "Your condition is the wrong way round: small gradients grow, and large ones stay. Scale if the norm is larger than max_norm.",
        ),
        Mistake(
            _clip(
                factor=lambda norm, max_norm: torch.as_tensor(max_norm) / norm if norm < max_norm else torch.ones(())
            ),
            "Your condition is the wrong way round: small gradients grow (those of zero become nan), and large ones stay. Scale if the "
            "norm is larger than max_norm.",
        ),
        Mistake(
            _clip(factor=lambda norm, max_norm: (norm / max_norm).clamp(min=1.0)),
            "The factor is upside down: large gradients grow. It is max_norm / norm.",
        ),
        Mistake(
            _clip(
                factor=lambda norm, max_norm: (1 / (norm + 1e-12)).clamp(max=1.0) if norm > max_norm else torch.ones(())
            ),
            "You divide by the norm, so that the clipped gradient has the norm 1 whatever max_norm is. Multiply by max_norm as well.",
        ),
        Mistake(
            _clip(factor=lambda norm, max_norm: torch.ones(())),
            "The norm is right, but the gradients are as before. g = g * factor makes a new tensor under the name g: change p.grad "
            "itself, with p.grad.mul_(…) or p.grad *= ….",
        ),
        Mistake(
            _clip_twice_through,
            "With a generator nothing is clipped: you go through parameters twice, and the second time it is empty. "
            "model.parameters() is a generator. Begin with a list of them.",
        ),
        Mistake(
            _clip(factor=lambda norm, max_norm: torch.zeros(()) if norm > max_norm else torch.ones(())),
            "Large gradients are set to zero: the step is skipped. Clipping keeps the direction and shortens the step.",
        ),
    ),
    styles=(_clip_by_torch, _clip_as_one_row, _clip_in_loops),
    start="Begin with a list of all gradients that are not None.",
    praise="Norm and gradients are those of clip_grad_norm_, for both norms, and the weights are untouched.",
    cases=_clip_cases,
    expected=_clip_by_torch,
    observe=_see_clipping,
    tolerance=2e-6,  # torch divides by norm + 1e-6
)

# ---- 03.6 ---------------------------------------------------------------------------------------------------------

_LAMBDA = 0.01
#: Each setting: the optimizer, its options without weight decay, and its weight decay in units of λ.
_SETTINGS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any], int]] = {
    "SGD(weight_decay=λ)": (SGD, {}, 1),
    "SGD(weight_decay=2λ)": (SGD, {}, 2),
    "SGD(momentum=0.9, weight_decay=2λ)": (SGD, {"momentum": 0.9}, 2),
    "Adam(weight_decay=λ)": (Adam, {}, 1),
    "Adam(weight_decay=2λ)": (Adam, {}, 2),
    "AdamW(weight_decay=2λ)": (AdamW, {}, 2),
}
_SGD_1, _SGD_2, _MOMENTUM_2, _ADAM_1, _ADAM_2, _ADAMW_2 = _SETTINGS


def _path(name: str, *, penalty: bool, steps: int = 50) -> Tensor:
    """The weights after each step, (steps, 3), with the decay in the optimizer or as a penalty in the loss."""
    kind, options, multiple = _SETTINGS[name]
    generator = torch.Generator().manual_seed(36)
    x = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(20, generator=generator, dtype=torch.float64)
    w = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64, requires_grad=True)
    decay = 0.0 if penalty else multiple * _LAMBDA
    optimizer = kind([w], lr=0.05, weight_decay=decay, **options)  # type: ignore[call-arg]
    path = []
    for _ in range(steps):
        loss = ((x @ w - y) ** 2).mean() + (_LAMBDA * (w**2).sum() if penalty else 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        path.append(w.detach().clone())
    return torch.stack(path)


@cache
def _gap(name: str) -> float:
    """The largest distance between the path with weight decay and the one with the penalty λΣw²."""
    with torch.enable_grad():
        return float((_path(name, penalty=False) - _path(name, penalty=True)).abs().max())


_BELIEFS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({_SGD_2}),
        "Plain SGD is right, but it is not alone. Where does weight_decay enter? It adds 2λ · w to the gradient before momentum "
        "or Adam's averages see it, just as the penalty does. Try those two, and AdamW as well.",
    ),
    (
        frozenset({_SGD_2, _MOMENTUM_2}),
        "Adam is missing. Its weight_decay also adds 2λ · w to the gradient, just as λΣw² in the loss would: Adam's averages "
        "cannot tell the two apart. That L2 works differently *in* Adam than in SGD is true, but it is the same L2.",
    ),
    (
        frozenset({_SGD_2, _ADAM_2}),
        "Momentum is missing. The decay enters the gradient before the velocity does its sum, so the velocity collects it as it "
        "would collect the penalty's gradient.",
    ),
    (
        frozenset({_SGD_1, _ADAM_1}),
        "The factor 2 is missing: the gradient of λ · w² is 2λ · w, and weight_decay is what multiplies w. Compare the first "
        "steps of both paths.",
    ),
    (
        frozenset({_SGD_1}),
        "The factor 2 is missing: the gradient of λ · w² is 2λ · w, and weight_decay is what multiplies w. And look beyond plain "
        "SGD.",
    ),
    (
        frozenset({_SGD_2, _MOMENTUM_2, _ADAM_2, _ADAMW_2}),
        "AdamW is one too many. It shrinks the weights beside the gradient, w ← w − lr · weight_decay · w, so the decay is not "
        "divided by Adam's averages. That is what the W changed. Its path ends elsewhere.",
    ),
    (
        frozenset({_SGD_2, _MOMENTUM_2, _ADAMW_2}),
        "Adam and AdamW are the wrong way round. Adam's weight_decay is L2 in the loss, so Adam rescales it with the rest of the "
        "gradient. AdamW takes it out of the gradient: that is decay, but no longer the same as the penalty.",
    ),
    (
        frozenset({_SGD_2, _ADAMW_2}),
        "AdamW does not belong here, and two others do. AdamW keeps the decay out of the gradient. SGD with momentum and Adam put "
        "it in, as the penalty does.",
    ),
    (
        frozenset({_ADAMW_2}),
        "AdamW is the one that decouples decay from the loss: it is *not* the same as the penalty. Look at those whose "
        "weight_decay is added to the gradient.",
    ),
    (
        frozenset(_SETTINGS),
        "Not all of them: λ and 2λ cannot both walk the same path. Run each beside the penalty and print the largest difference.",
    ),
    (
        frozenset(),
        "An empty set says that no setting is the same. At least one is: what does the gradient of λ · w² add to each step of SGD?",
    ),
)


def _accept_settings(chosen: set[str]) -> str:
    same = {name for name in _SETTINGS if _gap(name) < 1e-9}
    if chosen == same:
        return ""
    if extra := [name for name in _SETTINGS if name in chosen - same]:
        reason = (
            "AdamW shrinks the weights beside the gradient, not through it"
            if extra[0] == _ADAMW_2
            else "the gradient of λ · w² is 2λ · w, and weight_decay is what multiplies w"
        )
        return f"{extra[0]} walks another path: after 50 steps it has been up to {_gap(extra[0]):.2g} away, because {reason}."
    missing = next(name for name in _SETTINGS if name in same - chosen)
    return (
        f"What you chose is right, but something is missing: {missing} walks the same path too. Its weight decay is added to the "
        "gradient before anything else happens to it."
    )


SAME_AS_PENALTY = Selection(
    names=tuple(_SETTINGS),
    number="03.6",
    name="same_as_penalty",
    title="Which weight decay is an L2 penalty?",
    kind="investigate",
    difficulty=2,
    minutes=8,
    trains="reading an optimizer by its path",
    stub="""same_as_penalty = ...  # a set of names: which settings walk the same path as the same
# optimizer without weight decay, when λ · Σw² is added to the loss (λ = 0.01)? Choose from
# "SGD(weight_decay=λ)", "SGD(weight_decay=2λ)", "SGD(momentum=0.9, weight_decay=2λ)",
# "Adam(weight_decay=λ)", "Adam(weight_decay=2λ)", "AdamW(weight_decay=2λ)"
""",
    hints=(
        "Take a small problem, such as three weights and a squared error. Run each optimizer twice: once with its weight_decay, once with weight_decay=0 and the penalty in the loss. Print the largest difference.",
        "What does λ · w² add to the gradient of w? And is weight_decay added to the gradient, or taken from the weights directly?",
        "AdamW's default weight_decay is not 0: set it to 0 in the run with the penalty. What is added to the gradient passes through momentum and through Adam's averages; what is taken from the weights does not.",
    ),
    reference={_SGD_2, _MOMENTUM_2, _ADAM_2},
    mistakes=tuple(Mistake(set(belief), feedback) for belief, feedback in _BELIEFS),
    styles=(
        frozenset({_SGD_2, _MOMENTUM_2, _ADAM_2}),
        [_ADAM_2, _SGD_2, _MOMENTUM_2],
        (_MOMENTUM_2.replace(" ", ""), _SGD_2, _ADAM_2),
    ),
    start="Run one optimizer twice, once with weight_decay and once with the penalty, and compare the weights.",
    praise="Run again with torch: these paths agree to rounding, and the others do not.",
    accept=_accept_settings,
    example={_SGD_1},
    prepare=_first_optimizer,
)

EXERCISES = (ADD_PENALTY, PROXIMAL_STEP, MOMENTUM_STEP, DROPOUT, CLIP_GRADIENTS, SAME_AS_PENALTY)
check = Checks(EXERCISES)

QUIZ = Quiz(
    "03",
    (
        Question(
            "You train a linear model with SGD and add λ · Σ|w| to the loss. How many weights are exactly 0 at the end?",
            (
                Choice(
                    "All those whose feature carries little signal, because the pull of L1 is as strong near 0 as far away",
                    "That is the reason why the *minimum* of the loss has exact zeros. But a step of SGD has a fixed length: it jumps "
                    "over 0 and back, and does not land on it.",
                ),
                Choice(
                    "None or nearly none: they hover around 0, at distances of the order of lr · λ",
                    "Right: the pull has a constant strength, so each step near 0 crosses it. The proximal step stops there, and gives "
                    "exact zeros.",
                    right=True,
                ),
                Choice(
                    "None: L1 makes weights small, but its minimum has no zeros, just as that of L2",
                    "The minimum does have zeros: the constant pull wins over a weak signal. It is the plain gradient step that misses them.",
                ),
                Choice(
                    "About half of them, those whose sign is wrong",
                    "L1 does not look for wrong signs. It takes the same amount from every weight, whatever its sign.",
                ),
            ),
        ),
        Question(
            "A paper adds λ · Σw² to the loss, with λ = 0.01, and trains with SGD. Which weight_decay repeats this?",
            (
                Choice(
                    "0.005, since the optimizer doubles it",
                    "The optimizer doubles nothing: it adds weight_decay · w to the gradient. The 2 comes from the derivative of w².",
                ),
                Choice(
                    "0.01, since weight decay and L2 are two names for one thing",
                    "They are for SGD, but not with the same number. Take the derivative of λ · w² and compare.",
                ),
                Choice(
                    "None: only AdamW has true weight decay",
                    "AdamW decays in its own way, which is *not* the same as a penalty. For plain SGD the two agree.",
                ),
                Choice(
                    "0.02, since the derivative of λ · w² is 2λ · w",
                    "Right: weight_decay multiplies w in the gradient, and the penalty puts 2λ there.",
                    right=True,
                ),
            ),
        ),
        Question(
            "Why does dropout divide the kept values by 1 − p while training?",
            (
                Choice(
                    "So that the mean of each value is the same in training and in evaluation",
                    "Right: x / (1 − p) with probability 1 − p, and else 0, has the mean x. So evaluation can leave x alone.",
                    right=True,
                ),
                Choice(
                    "So that the variance of each value is the same in training and in evaluation",
                    "The mean is, the variance is not: dropout adds variance while training. That is the trouble with a BatchNorm behind it.",
                ),
                Choice(
                    "So that the gradient stays below 1 and does not explode",
                    "The division makes the gradient of the kept values *larger*, by the same factor.",
                ),
                Choice(
                    "So that dropped units learn faster when they come back",
                    "A dropped unit gets no gradient in that step, and no bonus later.",
                ),
            ),
        ),
        Question(
            "Where does clip_grad_norm_ stand in a training step?",
            (
                Choice(
                    "Before loss.backward(), so that backward cannot explode",
                    "There are no gradients of this step yet: zero_grad() has cleared them. It would clip nothing, or old ones.",
                ),
                Choice(
                    "After optimizer.step(), so that the next step is shorter",
                    "Too late: step() has used the long gradient, and zero_grad() throws the clipped one away.",
                ),
                Choice(
                    "Between loss.backward() and optimizer.step(), so that the step uses the clipped gradients",
                    "Right: backward() fills .grad, clipping rescales it in place, step() uses it.",
                    right=True,
                ),
                Choice(
                    "Anywhere, if it is called once in each step",
                    "It acts on .grad as it is at that moment. In two of the places that moment is wrong, and no error says so.",
                ),
            ),
        ),
        Question(
            "In another league table, on other data, dropout minus no regularization is ≈ 0.4 ± 0.7 points of accuracy: not significant. What follows?",
            (
                Choice(
                    "Dropout does not work on those data",
                    "That would be a proof of no effect. The interval reaches from −0.3 to 1.1: a useful gain is in it.",
                ),
                Choice(
                    "Dropout helps by 0.4 points, only the proof is missing",
                    "0.4 is the best single guess, but 0 and small losses fit these runs as well.",
                ),
                Choice(
                    "The runs were faulty and should be repeated until the interval excludes 0",
                    "Repeating until it does makes it happen by luck. Choose the number of seeds first, then run once.",
                ),
                Choice(
                    "These runs cannot tell: a gain, no change and a small loss all fit them",
                    "Right: the interval holds 0. More seeds would make it narrower; here the honest answer is that you do not know.",
                    right=True,
                ),
            ),
        ),
    ),
)
