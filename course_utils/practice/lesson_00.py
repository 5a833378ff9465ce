"""Lesson 00, start here: exercises with their wrong answers, and the quiz."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from course_utils.data import tabular
from course_utils.practice.check import Checks
from course_utils.practice.exercise import Exercise
from course_utils.practice.investigation import Investigation
from course_utils.practice.quiz import Choice, Question, Quiz
from course_utils.practice.task import Mistake

# ---- 00.1 ---------------------------------------------------------------------------------------------------------


def _halfway_cases() -> Iterator[tuple[float, float]]:
    """Pairs of numbers: in and out of order, of both signs, equal."""
    yield from ((2.0, 6.0), (6.0, 2.0), (1.0, 2.0), (-3.0, 4.0), (-5.0, -2.5), (0.0, 0.0), (7.0, 7.0))


def halfway(a: float, b: float) -> float:
    return (a + b) / 2


def _halfway_from_a(a: float, b: float) -> float:
    return a + 0.5 * (b - a)


def _halfway_by_numpy(a: float, b: float) -> Any:
    return np.mean([a, b])


HALFWAY = Exercise(
    number="00.1",
    name="halfway",
    title="A toy, to meet the check",
    kind="write",
    difficulty=1,
    minutes=2,
    trains="answering, being corrected, answering again",
    stub='''def halfway(a, b):
    """Give the number halfway between a and b."""
    ...
''',
    hints=(
        "On a line from 2 to 6, which number is as far from 2 as from 6?",
        "Add the two numbers first, then divide the sum by 2. Division binds before addition, so the sum needs brackets.",
    ),
    reference=halfway,
    mistakes=(
        Mistake(
            lambda a, b: a + b / 2,
            "Python divides before it adds: only b is halved here. Put the sum in brackets.",
        ),
        Mistake(
            lambda a, b: (b - a) / 2,
            "That is half the distance from a to b. Start at a and walk that far.",
        ),
        Mistake(
            lambda a, b: (a + b) // 2,
            "`//` cuts off what comes after the point, so 1 and 2 meet at 1. Use `/`.",
        ),
        Mistake(lambda a, b: a + b, "That is the sum. Halfway between two equal numbers is that number, not twice it."),
    ),
    styles=(_halfway_from_a, _halfway_by_numpy),
    start="Replace the three dots with `return a + b / 2`, which is wrong on purpose, and run the cell.",
    praise="Every exercise of the course works like this one.",
    cases=_halfway_cases,
    expected=_halfway_from_a,
)

# ---- 00.2 ---------------------------------------------------------------------------------------------------------


def _mse_cases() -> Iterator[tuple[Tensor, Tensor]]:
    """(N, 1) predictions and (N,) targets, from two rows made by hand to random ones."""
    yield torch.tensor([[1.0], [3.0]], dtype=torch.float64), torch.tensor([1.0, 5.0], dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    for n in (1, 2, 3, 7, 30):
        prediction = torch.randn(n, 1, generator=generator, dtype=torch.float64)
        yield prediction, 2 * torch.randn(n, generator=generator, dtype=torch.float64) + 0.5


def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    error = prediction.squeeze(1) - target  # (N, 1) -> (N,), minus (N,)
    return (error**2).mean()


def _mse_in_a_loop(prediction: Tensor, target: Tensor) -> float:
    pairs = zip(prediction.tolist(), target.tolist())
    return sum((row[0] - t) ** 2 for row, t in pairs) / len(target)


def _mse_by_numpy(prediction: Tensor, target: Tensor) -> Any:
    return np.mean((prediction.numpy().ravel() - target.numpy()) ** 2)


def _mse_by_einsum(prediction: Tensor, target: Tensor) -> Tensor:
    error = prediction[:, 0] - target
    return torch.einsum("n,n->", error, error) / len(error)


def _errors(prediction: Tensor, target: Tensor) -> Tensor:
    """The right errors, (N,), for what the listed mistakes do with them."""
    return prediction[:, 0] - target


MEAN_SQUARED_ERROR = Exercise(
    number="00.2",
    name="mean_squared_error",
    title="Mean squared error by hand",
    kind="write",
    difficulty=1,
    minutes=5,
    trains="a loss, and shapes that fit",
    stub='''def mean_squared_error(prediction, target):
    """Average the squared errors, without a loss function from a library.

    Args:
        prediction: as a model gives it, one column, (N, 1)
        target: as a file often holds it, (N,)
    Returns:
        one number
    """
    ...
''',
    hints=(
        "Print the shape of prediction - target for N = 3. You want three differences. How many are there?",
        "Give both the same shape first: prediction.squeeze(1) is (N,), and target.reshape(-1, 1) is (N, 1).",
        "Subtract, square with **2, then .mean().",
    ),
    reference=mean_squared_error,
    mistakes=(
        Mistake(
            lambda prediction, target: ((prediction - target) ** 2).mean(),
            "The broadcasting trap: (N, 1) minus (N,) is (N, N), so each prediction is compared with every target. "
            "Give both the same shape before you subtract.",
        ),
        Mistake(
            lambda prediction, target: (_errors(prediction, target) ** 2).sum(),
            "You return the sum. With the mean, the loss of 10 rows can be compared with the loss of 1000.",
        ),
        Mistake(
            lambda prediction, target: _errors(prediction, target).abs().mean(),
            "You average absolute errors. That is a loss too, but another one: here each error is squared.",
        ),
        Mistake(
            lambda prediction, target: (_errors(prediction, target) ** 2).mean().sqrt(),
            "You took a square root at the end: that is the root mean squared error. Leave the root out.",
        ),
        Mistake(
            lambda prediction, target: _errors(prediction, target).mean(),
            "Without the square, an error of −2 cancels an error of +2. Square before you average.",
        ),
        Mistake(
            lambda prediction, target: _errors(prediction, target).mean() ** 2,
            "You square after averaging: errors of −2 and +2 have already cancelled by then. Square first.",
        ),
        Mistake(
            lambda prediction, target: (_errors(prediction, target) ** 2).mean() / 2,
            "You halve the result. Some books do, for a simpler derivative; PyTorch's `mse_loss` does not.",
        ),
        Mistake(
            lambda prediction, target: _errors(prediction, target) ** 2,
            "You return one squared error a row. Average them: a loss is one number.",
        ),
    ),
    styles=(_mse_in_a_loop, _mse_by_numpy, _mse_by_einsum),
    start="Begin with the shapes: what is prediction - target for N = 3?",
    praise="It agrees with a plain loop over the rows for every N tried.",
    cases=_mse_cases,
    expected=_mse_in_a_loop,
)

# ---- 00.3 ---------------------------------------------------------------------------------------------------------


def _layer_cases() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Rows, weights as `nn.Linear` keeps them, and biases; more outputs than one, and never a square weight first."""
    yield (
        torch.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]], dtype=torch.float64),
        torch.tensor([[10.0, 1.0]], dtype=torch.float64),
        torch.tensor([0.5], dtype=torch.float64),
    )
    generator = torch.Generator().manual_seed(2)
    for n, d, outputs in ((2, 3, 2), (1, 4, 3), (3, 2, 3), (3, 3, 3), (5, 2, 4), (8, 10, 1)):
        shapes = ((n, d), (outputs, d), (outputs,))
        x, weight, bias = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
        yield x, weight, bias


def apply_layer(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return x @ weight.T + bias  # (N, d) @ (d, outputs) + (outputs,) -> (N, outputs)


def _layer_by_torch(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x, weight, bias)


def _layer_by_einsum(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.einsum("nd,od->no", x, weight) + bias


def _layer_in_loops(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    rows = [
        [sum(a * b for a, b in zip(row, w)) + c for w, c in zip(weight.tolist(), bias.tolist())] for row in x.tolist()
    ]
    return torch.tensor(rows, dtype=x.dtype)


APPLY_LAYER = Exercise(
    number="00.3",
    name="apply_layer",
    title="Shapes that cannot be multiplied",
    kind="debug",
    difficulty=1,
    minutes=4,
    trains="reading a shape error",
    stub='''def apply_layer(x, weight, bias):
    """What nn.Linear computes: each row of x times the weights, plus the bias.

    Args:
        x: (N, d)
        weight: as nn.Linear keeps it, one row an output, (outputs, d)
        bias: (outputs,)
    Returns:
        (N, outputs)
    """
    return x @ weight + bias
''',
    hints=(
        "The message names two shapes, in the order of the product. In a matrix product the two inner numbers must be equal.",
        "The weight has one row an output. Which operation turns its rows into columns? It is not a reshape: that one cuts "
        "the same list of numbers into other rows.",
        "weight.T has shape (d, outputs), and (N, d) @ (d, outputs) is (N, outputs).",
    ),
    reference=apply_layer,
    mistakes=(
        Mistake(
            lambda x, weight, bias: x @ weight.reshape(x.shape[1], -1) + bias,
            "The shapes fit now, but `reshape` only cuts the same list of numbers into other rows: weights end up at the "
            "wrong inputs. `weight.T` swaps rows and columns. With one output both happen to be the same.",
        ),
        Mistake(
            lambda x, weight, bias: x @ weight.T,
            "The product is right, but the bias is gone: with x = 0 the output must be the bias.",
        ),
        Mistake(
            lambda x, weight, bias: (x @ weight.T + bias).squeeze(),
            "`squeeze` drops every dimension of size 1: one output, or one row, then has another shape. Keep (N, outputs).",
        ),
        Mistake(
            lambda x, weight, bias: weight @ x.T + bias.unsqueeze(1),
            "Your result is (outputs, N), the other way round: rows of x must stay rows.",
        ),
        Mistake(
            lambda x, weight, bias: x @ weight.T - bias,
            "The bias has the wrong sign: with x = 0 the output must be the bias.",
        ),
    ),
    styles=(_layer_by_torch, _layer_by_einsum, _layer_in_loops),
    start="Call it on any x and weight first, and read the two shapes in the error.",
    praise="It gives what `nn.Linear` gives, for one output and for many.",
    cases=_layer_cases,
    expected=_layer_in_loops,
)

# ---- 00.4 ---------------------------------------------------------------------------------------------------------

_RATE = 0.1


class LinearModel(nn.Linear):
    """A linear model that remembers its first weights and still carries the gradient of an earlier step."""

    def __init__(self, inputs: int, generator: torch.Generator) -> None:
        super().__init__(inputs, 1, dtype=torch.float64)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64).round(decimals=1)
            parameter.grad = torch.ones_like(parameter)
        self.first = _flat(self)
        self.note = "no: step() was not called"

    def __repr__(self) -> str:
        weight, bias = self.weight.flatten().tolist(), self.bias.item()
        return f"Linear with weight {[round(w, 3) for w in weight]}, bias {bias:.3g}, old gradients all 1"


def _flat(model: nn.Module) -> Tensor:
    """All weights in one row, detached from the graph."""
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def _optimizer(kind: type[Optimizer], model: LinearModel, **options: Any) -> Optimizer:
    """An optimizer with a short name, which notes on the model when it steps without a gradient."""
    named = type(kind.__name__, (kind,), {"__repr__": lambda self: f"{kind.__name__}(lr={_RATE})"})
    optimizer: Optimizer = named(model.parameters(), lr=_RATE, **options)

    def note(*_: object) -> None:
        if all(parameter.grad is None or not parameter.grad.any() for parameter in model.parameters()):
            model.note = "no: step() found no gradient"

    optimizer.register_step_pre_hook(note)
    return optimizer


def _step_cases() -> Iterator[tuple[LinearModel, Optimizer, Tensor, Tensor]]:
    """Linear models with an old gradient, fresh optimizers of three kinds, random data."""
    generator = torch.Generator().manual_seed(3)
    kinds: tuple[tuple[type[Optimizer], dict[str, Any]], ...] = ((SGD, {}), (SGD, {"momentum": 0.9}), (Adam, {}))
    for n, d in ((2, 1), (3, 2), (7, 4)):
        for kind, options in kinds:
            model = LinearModel(d, generator)
            x = torch.randn(n, d, generator=generator, dtype=torch.float64).round(decimals=1)
            y = torch.randn(n, 1, generator=generator, dtype=torch.float64).round(decimals=1)
            yield model, _optimizer(kind, model, **options), x, y


def training_step(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> float:
    prediction = model(x)  # forward
    loss = F.mse_loss(prediction, y)  # loss
    optimizer.zero_grad()  # gradient: forget the old one
    loss.backward()  # backward
    optimizer.step()  # update
    return loss.item()


def _first_steps() -> None:
    """Take the first step of each kind of optimizer in this process: it loads much of torch."""
    for model, optimizer, x, y in _step_cases():
        training_step(model, optimizer, x, y)


def _step_by_formula(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> float:
    """The step without autograd and without the optimizer: the derivative of a linear model, written out."""
    weight, bias = (parameter.detach() for parameter in model.parameters())
    error = x @ weight.T + bias - y
    with torch.no_grad():
        for parameter, slope in ((weight, 2 * (error * x).mean(0, keepdim=True)), (bias, 2 * error.mean(0))):
            # The first step of Adam has the size lr in each coordinate; momentum begins with the second step.
            parameter -= _RATE * (slope / (slope.abs() + 1e-8) if isinstance(optimizer, Adam) else slope)
    return float((error**2).mean())


def _step_clears_first(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> Tensor:
    optimizer.zero_grad(set_to_none=False)
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def _step_sets_gradients(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> float:
    parameters = list(model.parameters())
    loss = F.mse_loss(model(x), y)
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
        parameter.grad = gradient
    optimizer.step()
    return loss.item()


def _see_step(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The loss, the weights, whether they moved (if not, why not), and the state in which the model is left."""
    model: LinearModel = arguments[0]
    moved = not torch.equal(_flat(model), model.first)
    state = f"{'training' if model.training else 'evaluation'} mode, {str(model.weight.dtype).removeprefix('torch.')}"
    return {"loss": result, "weights after": _flat(model), "moved": "yes" if moved else model.note, "model": state}


def _broken_step(
    order: str, loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss
) -> Callable[[nn.Module, Optimizer, Tensor, Tensor], float]:
    """A step whose parts come in a given order: z clears, b goes backward, s updates, l measures the loss again."""

    def step(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> float:
        value = loss(model(x), y)
        shown = value.item()
        for part in order:
            if part == "z":
                optimizer.zero_grad()
            elif part == "b":
                value.backward()
            elif part == "s":
                optimizer.step()
            else:
                shown = loss(model(x), y).item()
        return shown

    return step


def _step_in_evaluation_mode(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> float:
    return _broken_step("zbs")(model.eval(), optimizer, x, y)


def _step_by_hand(sign: int) -> Callable[[nn.Module, Optimizer, Tensor, Tensor], float]:
    """An update without the optimizer: w ← w + sign · lr · gradient."""

    def step(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> float:
        shown = _broken_step("zb")(model, optimizer, x, y)
        with torch.no_grad():
            for parameter in model.parameters():
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.add_(gradient, alpha=sign * _RATE)
        return shown

    return step


TRAINING_STEP = Exercise(
    number="00.4",
    name="training_step",
    title="One training step",
    kind="write",
    difficulty=2,
    minutes=8,
    trains="the five parts and their order",
    stub='''def training_step(model, optimizer, x, y):
    """Do one training step with the mean squared error.

    The model may still carry gradients of an earlier step; they must not count.

    Args:
        model: maps (N, d) to (N, 1)
        optimizer: any optimizer of the model's parameters
        x: (N, d)
        y: (N, 1)
    Returns:
        the loss before the update, one number
    """
    ...
''',
    hints=(
        "Five lines, in the order of section 7: forward, loss, gradient, backward, update.",
        "backward() adds to .grad. Something has to set the old gradients back before it.",
        "prediction = model(x); loss = F.mse_loss(prediction, y); then zero_grad, backward, step; return loss.item().",
    ),
    reference=training_step,
    mistakes=(
        Mistake(
            _broken_step("bs"),
            "The old gradients count too: backward() adds to .grad. Call optimizer.zero_grad() before backward(); "
            "clearing after step() leaves what an earlier step left behind.",
        ),
        Mistake(
            _broken_step("zs"),
            "The weights stand still: when step() ran there was no gradient. Either backward() is missing, or it comes after "
            "step(), or zero_grad() stands between the two, or backward() ran on a copy of the model.",
        ),
        Mistake(
            _broken_step("sb"),
            "When step() ran, backward() had not been called for this loss: it followed the gradients of an earlier step. "
            "Call zero_grad() and backward() first, then update.",
        ),
        Mistake(
            _broken_step("zb"),
            "The weights did not move: optimizer.step() was never called. It comes last, after backward().",
        ),
        Mistake(
            _broken_step("zbsl"),
            "You return the loss after the update. The update is right; return the loss that you went backward from.",
        ),
        Mistake(
            _step_by_hand(+1),
            "Your weights go uphill. The gradient points to where the loss grows, so the update subtracts it. "
            "optimizer.step() does that for you.",
        ),
        Mistake(
            _step_by_hand(-1),
            "w − lr · gradient is the update of plain SGD. The optimizer may be another one, such as Adam: let optimizer.step() update.",
        ),
        Mistake(
            _broken_step("zbss"),
            "You update twice with the same gradient. After one step the gradient belongs to weights that are no longer there.",
        ),
        Mistake(
            _broken_step("zbs", lambda prediction, target: F.mse_loss(prediction, target, reduction="sum")),
            "Your loss is the sum over the rows. With the mean, the step does not grow with the number of rows.",
        ),
        Mistake(
            _broken_step("zbs", F.l1_loss),
            "Your loss averages absolute errors. The exercise asks for the mean squared error.",
        ),
        Mistake(
            _broken_step("zbs", lambda prediction, target: ((prediction - target.squeeze(1)) ** 2).mean()),
            "The broadcasting trap: prediction is (N, 1), and the target that you subtract is (N,), so each prediction meets "
            "every target. Leave y as it is: (N, 1) already fits.",
        ),
        Mistake(
            _step_in_evaluation_mode,
            "The step is right, but you leave the model in evaluation mode. It makes no difference to this model, but some "
            "layers of later lessons do their work in training mode only. Leave out model.eval().",
        ),
    ),
    styles=(_step_clears_first, _step_sets_gradients),
    start="Begin with the first part: prediction = model(x).",
    praise="Loss and weights agree with the formula worked out by hand, for SGD, momentum and Adam.",
    cases=_step_cases,
    expected=_step_by_formula,
    observe=_see_step,
    may_change=frozenset({"model", "optimizer"}),
    prepare=_first_steps,
)

# ---- 00.5 ---------------------------------------------------------------------------------------------------------

#: How far an answer may be off: closer than two digits need.
_SLACK = 0.04


def _grows(rate: float, steps: int = 3000) -> bool:
    """Whether gradient descent on all ten measurements, in NumPy, ends above the loss it started from."""
    data = tabular.diabetes()
    x, y = data.x.double().numpy(), data.y.double().numpy()[:, 0]
    curvature, pull = x.T @ x / len(x), x.T @ y / len(x)
    w = np.zeros(x.shape[1])
    for _ in range(steps):
        w -= rate * 2 * (curvature @ w - pull)
        if np.abs(w).max() > 1e6:
            return True
    return bool(((x @ w - y) ** 2).mean() > (y**2).mean())


_LIMIT_MISTAKES = (
    Mistake(
        0.124,
        "That is 1/λ: there the steepest direction reaches its lowest point in one step. Twice as far is still stable.",
    ),
    Mistake(
        0.497,
        "A factor of 2 is missing: λ belongs to the loss, and the square in the loss brings a 2 into its second derivative.",
    ),
    Mistake(
        0.717,
        "That is the limit for two measurements, from the section above. Here all ten are in: ten directions, and a larger λ.",
    ),
    Mistake(1.0, "That is the limit for a single standardised measurement. Here all ten are in."),
    Mistake(
        8.05,
        "That is λ itself, the largest second derivative of the loss. The limit is 2/λ.",
    ),
)


def _accept_rate(answer: Any) -> str:
    if isinstance(answer, (str, bytes)):
        return "That is text. Write the number without quotation marks."
    number = answer.item() if isinstance(answer, (Tensor, np.ndarray, np.generic)) else answer
    rate = float(number)
    if isinstance(number, bool) or not math.isfinite(rate) or rate <= 0:
        return "A learning rate is a number above 0."
    for mistake in _LIMIT_MISTAKES:
        if abs(rate / mistake.answer - 1) < _SLACK:
            return mistake.feedback
    if _grows(rate * (1 - _SLACK)):
        return f"Too high: with {rate:.3g}, and still with {_SLACK:.0%} less, the loss ends above where it started."
    if not _grows(rate * (1 + _SLACK)):
        return f"Too low: with {_SLACK:.0%} more than {rate:.3g}, the loss still comes down. Try higher ones."
    return ""


LARGEST_RATE = Investigation(
    number="00.5",
    name="largest_rate",
    title="How large may the learning rate be?",
    kind="investigate",
    difficulty=2,
    minutes=6,
    trains="trying, then explaining what you found",
    stub="""largest_rate = ...  # two digits are enough
""",
    hints=(
        "path, losses = descend(x, y, rate, steps=1000): losses[-1] tells whether this rate is stable. Try 0.1 and 1 first, then halve the gap.",
        "Ten measurements are steeper together than two: the limit is lower than in the explorer.",
        "Or by the formula of section 9: λ is the largest eigenvalue of 2·XᵀX/N with all ten columns, and the limit is 2/λ.",
    ),
    reference=0.248,
    mistakes=_LIMIT_MISTAKES,
    styles=(0.25, torch.tensor(0.245, dtype=torch.float64), np.array([0.25])),
    start="Try path, losses = descend(x, y, 0.1, steps=1000) and look at losses[-1].",
    praise="Measured again in NumPy: a little below your rate it converges, a little above it the loss grows without end.",
    accept=_accept_rate,
    example=0.5,
    seconds=20.0,
)

EXERCISES = (HALFWAY, MEAN_SQUARED_ERROR, APPLY_LAYER, TRAINING_STEP, LARGEST_RATE)
check = Checks(EXERCISES)

QUIZ = Quiz(
    "00",
    (
        Question(
            "A lesson prints ≈ 0.54 ± 0.03, a mean over 10 seeds. What does the 0.03 say?",
            (
                Choice(
                    "Each of the ten results is within 0.03 of the mean",
                    "Single results scatter more than that. The interval is about the mean of the ten.",
                ),
                Choice(
                    "The number may be rounded by 0.03",
                    "Rounding is far smaller. The 0.03 comes from how much ten runs differ.",
                ),
                Choice(
                    "Intervals made like this one cover the true mean about 19 times out of 20",
                    "Right: that is what 95 % means. This one may be the twentieth; you cannot tell by looking.",
                    right=True,
                ),
                Choice(
                    "The model is wrong in 3 % of the cases",
                    "The interval says nothing about single cases. It says how well the mean is known.",
                ),
            ),
        ),
        Question(
            "prediction has shape (64, 1), target has shape (64,). What is ((prediction - target) ** 2).mean()?",
            (
                Choice(
                    "An error, because the shapes differ",
                    "If only it were: broadcasting stretches both to (64, 64), and nothing complains.",
                ),
                Choice(
                    "The mean over all 4096 pairs of a prediction and a target",
                    "Right: (64, 64) differences, nearly all of rows that do not belong together.",
                    right=True,
                ),
                Choice(
                    "The mean squared error of the 64 rows",
                    "It looks like it, and it is a plausible number. But there are 64 × 64 differences in that mean.",
                ),
                Choice(
                    "64 numbers, one a row",
                    "mean() without a dimension gives one number. Look at the shape before it: (64, 64).",
                ),
            ),
        ),
        Question(
            "You leave out zero_grad(). What does the third step follow?",
            (
                Choice(
                    "The sum of the gradients of steps 1, 2 and 3",
                    "Right: backward() adds to .grad, and nothing has cleared it.",
                    right=True,
                ),
                Choice(
                    "The gradient of step 1 only",
                    "backward() does run in each step. It does not overwrite .grad, but it does change it.",
                ),
                Choice(
                    "The gradient of step 3, as always",
                    "It would if backward() overwrote .grad. It adds to it.",
                ),
                Choice(
                    "The mean of the three gradients",
                    "Nothing divides by three: the sum grows with each step.",
                ),
            ),
        ),
        Question(
            "From step to step the training loss is 1, 3, 9, 27, … What do you try first?",
            (
                Choice(
                    "More steps",
                    "The loss grows by the same factor each time: more steps make it larger, without end.",
                ),
                Choice(
                    "Another seed",
                    "Another start grows just the same. The factor comes from the learning rate and the data.",
                ),
                Choice(
                    "A larger learning rate",
                    "Each step already jumps across the valley and lands higher on the other side.",
                ),
                Choice(
                    "A smaller learning rate",
                    "Right: the rate is above 2/λ, so that each step overshoots by more than the last.",
                    right=True,
                ),
            ),
        ),
        Question(
            "With seed 0, model A has a lower error than model B on new data. What do you know?",
            (
                Choice(
                    "A is better: the seed makes the result repeatable",
                    "The seed repeats the same draw, with its luck. Another seed may turn the order round.",
                ),
                Choice(
                    "A was better in this draw; several seeds and an interval of the difference can tell more",
                    "Right: compare on many seeds, pair by pair, and look whether the interval excludes zero.",
                    right=True,
                ),
                Choice(
                    "Nothing at all",
                    "A little: one draw in favour of A. It is weak evidence, but it is evidence.",
                ),
                Choice(
                    "B is worse, unless the gap is smaller than the ± of A",
                    "The ± of A alone does not decide: what counts is the spread of the difference over seeds.",
                ),
            ),
        ),
    ),
)
