"""What learners read for wrong answers as they type them: the sentence must be true of what they did."""

from __future__ import annotations

import copy
import math
import textwrap
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.practice.task import Task
from course_utils.practice.verdict import Status, Verdict
from practice.lessons import TASKS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

LOSS = "loss = F.mse_loss(model(x), y)\n"


def task(number: str) -> Task:
    return next(one for one in TASKS if one.number == number)


def verdict(number: str, body: str) -> Verdict:
    """The verdict on a function with this body, under the stub's name and parameters."""
    first = task(number).stub.splitlines()[0]
    names: dict[str, Any] = {"torch": torch, "F": F, "nn": nn, "copy": copy, "math": math}
    exec(f"{first}\n{textwrap.indent(body, '    ')}", names)
    return task(number).judge(names[task(number).name])


NOT_YET = [
    # 00.4: no sentence may blame a part of the step that is in order
    (
        "00.4",
        "The weights did not move: optimizer.step() was never called",
        """
loss = F.mse_loss(model(x), y)
return loss
""",
    ),
    (
        "00.4",
        "optimizer.step() was never called",
        """
loss = F.mse_loss(model(x), y)
optimizer.zero_grad()
return loss.item()
""",
    ),
    (
        "00.4",
        "optimizer.step() was never called",
        """
loss = F.mse_loss(model(x), y)
loss.backward()
return loss.item()
""",
    ),
    (
        "00.4",
        "backward() had not been called for this loss",
        """
loss = F.mse_loss(model(x), y)
optimizer.step()
return loss.item()
""",
    ),
    (
        "00.4",
        "or backward() ran on a copy of the model",
        """
loss = F.mse_loss(copy.deepcopy(model)(x), y)
optimizer.zero_grad()
loss.backward()
optimizer.step()
return loss.item()
""",
    ),
    (
        "00.4",
        "The broadcasting trap",
        """
loss = ((model(x) - y.squeeze()) ** 2).mean()
optimizer.zero_grad()
loss.backward()
optimizer.step()
return loss.item()
""",
    ),
    (
        "00.4",
        "evaluation mode",
        """
model.eval()
loss = F.mse_loss(model(x), y)
optimizer.zero_grad()
loss.backward()
optimizer.step()
return loss.item()
""",
    ),
    (
        "00.4",
        "The result differs",
        """
model.float()
loss = F.mse_loss(model(x.float()), y.float())
optimizer.zero_grad()
loss.backward()
optimizer.step()
return loss.detach()
""",
    ),
    (
        "00.4",
        "its input `x` in place: its requires_grad",
        """
x.requires_grad_()
loss = F.mse_loss(model(x), y)
optimizer.zero_grad()
loss.backward()
optimizer.step()
return loss.item()
""",
    ),
    # 01.1
    (
        "01.1",
        "in the wrong order",
        """
average = predictions.mean(0)
return ((predictions - average) ** 2).mean(), ((average - truth) ** 2).mean()
""",
    ),
    (
        "01.1",
        "Variance does not know the truth",
        """
average = predictions.mean(0)
return ((average - truth) ** 2).mean(), ((predictions - truth) ** 2).mean()
""",
    ),
    (
        "01.1",
        "keeps its sign",
        """
average = predictions.mean(0)
return (average - truth).mean(), ((predictions - average) ** 2).mean()
""",
    ),
    (
        "01.1",
        "for more models it divides by R − 1",
        """
average = predictions.mean(0)
return ((average - truth) ** 2).mean(), torch.nan_to_num(predictions.var(0)).mean()
""",
    ),
    (
        "01.1",
        "Write square brackets instead",
        """
average = predictions.mean(0)
return (v for v in (((average - truth) ** 2).mean(), 0.0))
""",
    ),
    # 01.2
    (
        "01.2",
        "An equal loss is no improvement",
        """
best = bad = 0
for i in range(len(losses)):
    if losses[i] < losses[best]:
        best, bad = i, 0
    elif losses[i] > losses[best]:
        bad += 1
    if bad >= patience:
        break
return i, best
""",
    ),
    (
        "01.2",
        "You stop one epoch too early. With patience 1",
        """
best = 0
for i in range(len(losses)):
    if losses[i] < losses[best]:
        best = i
    if i - best >= patience - 1:
        break
return i, best
""",
    ),
    (
        "01.2",
        "as soon as patience is 2 or more",
        """
best = 0
for i in range(len(losses)):
    if losses[i] < losses[best]:
        best = i
    elif 0 < i - best >= patience - 1:
        break
return i, best
""",
    ),
    (
        "01.2",
        "The result differs on 1 of",
        """
low = 1e9
best = 0
for i, loss in enumerate(losses):
    if loss < low:
        low, best = loss, i
    if i - best >= patience:
        break
return i, best
""",
    ),
    # 01.3
    (
        "01.3",
        "`model.train(mode)` reaches every layer",
        """
was, total = model.training, 0
model.eval()
for a, b in zip(x.split(batch_size), y.split(batch_size)):
    total += F.mse_loss(model(a), b, reduction='sum').item()
model.training = was
return total / len(x)
""",
    ),
    (
        "01.3",
        "`model.training = False` only the outermost",
        """
was, total = model.training, 0
model.training = False
for a, b in zip(x.split(batch_size), y.split(batch_size)):
    total += F.mse_loss(model(a), b, reduction='sum').item()
model.training = was
return total / len(x)
""",
    ),
    (
        "01.3",
        "Weight it by its own size, len(xb)",
        """
was, total = model.training, 0
model.eval()
for a, b in zip(x.split(batch_size), y.split(batch_size)):
    total += F.mse_loss(model(a), b).item() * batch_size
model.train(was)
return total / len(x)
""",
    ),
    (
        "01.3",
        "Your function gave back None. Does it end with return?",
        """
model.eval()
""",
    ),
    (
        "01.3",
        "You gave back a list; a number is expected.",
        """
return []
""",
    ),
    (
        "01.3",
        "its input `model` in place: the gradients of its parameters",
        """
was = model.training
loss = F.mse_loss(model.eval()(x), y)
loss.backward()
model.train(was)
return loss.item()
""",
    ),
    (
        "01.3",
        "a shallow copy shares its layers",
        """
was, trial = model.training, copy.copy(model)
return F.mse_loss(trial.eval()(x), y).item()
""",
    ),
    # 02.1
    (
        "02.1",
        "In F.batch_norm the place after `training` is momentum",
        """
return F.batch_norm(x, running_mean.clone(), running_var.clone(), gamma, beta, training, eps)
""",
    ),
    # 02.3: first what is wrong with the output
    (
        "02.3",
        "x is cut from the graph",
        """
return norm(x.detach().transpose(1, 2)).transpose(1, 2)
""",
    ),
    # 02.5
    (
        "02.5",
        "or a torch function takes its default",
        """
return nn.utils.fusion.fuse_linear_bn_weights(weight, bias, running_mean, running_var, 1e-5, gamma, beta)
""",
    ),
    # 03.1
    (
        "03.1",
        "ends the work after L1",
        """
weights = [w for name, w in model.named_parameters() if not name.endswith("bias")]
if l1 > 0:
    return loss + l1 * sum(w.abs().sum() for w in weights)
elif l2 > 0:
    return loss + l2 * sum((w * w).sum() for w in weights)
return loss
""",
    ),
    # 03.2: the limit may be another one than in the table
    (
        "03.2",
        "then you set what is small to zero",
        """
v = w - lr * (grad + lam * w.sign())
v[v.abs() < 1e-5] = 0
return v
""",
    ),
    # 03.4: another stream of random numbers than in the table
    (
        "03.4",
        "toss a fair coin",
        """
if not training:
    return x
return x * torch.randint(0, 2, x.shape) / (1 - p) if p < 1 else 0 * x
""",
    ),
    (
        "03.4",
        "In training you gave back a tuple",
        """
mask = (torch.rand(x.shape) >= p) / max(1 - p, 1e-9)
return (x * mask, mask) if training else x
""",
    ),
    # 01.4
    (
        "01.4",
        "Your function gave back None. Does it end with return?",
        """
low, kept = float('inf'), None
for _ in range(epochs):
    train_step(model)
    loss = validate(model)
    if loss < low:
        low, kept = loss, copy.deepcopy(model.state_dict())
model.load_state_dict(kept)
""",
    ),
    (
        "01.4",
        "a model's state holds more: buffers",
        """
low, kept = float('inf'), None
for _ in range(epochs):
    train_step(model)
    loss = validate(model)
    if loss < low:
        low, kept = loss, [p.detach().clone() for p in model.parameters()]
for p, value in zip(model.parameters(), kept):
    p.data = value
return low
""",
    ),
    (
        "01.4",
        "You train a second time",
        """
trial, seen = copy.deepcopy(model), []
for _ in range(epochs):
    train_step(trial)
    seen.append(validate(trial))
for _ in range(seen.index(min(seen)) + 1):
    train_step(model)
return min(seen)
""",
    ),
    (
        "01.4",
        "The result differs on 1 of",
        """
low, kept = 1e9, None
for _ in range(epochs):
    train_step(model)
    loss = validate(model)
    if loss < low:
        low, kept = loss, copy.deepcopy(model.state_dict())
if kept:
    model.load_state_dict(kept)
return low
""",
    ),
]


@pytest.mark.parametrize(("number", "words", "body"), NOT_YET)
def test_feedback_is_true_of_the_answer(number: str, words: str, body: str) -> None:
    got = verdict(number, body)
    assert got.status is Status.NOT_YET, str(got)
    assert words in got.message, str(got)
    assert "Value 1 of" not in got.message


@pytest.mark.parametrize(
    ("number", "body", "words"),
    [
        ("00.4", LOSS.replace("\n", ".item()\n") + "loss.backward()", "take .item() after it"),
        ("00.4", LOSS + "loss.backward()\nloss.backward()", "call it once for each forward pass"),
        (
            "00.4",
            "old = model.weight.exp()\nwith torch.no_grad():\n    old.add_(1)\nold.sum().backward()",
            "A value that backward() still needs was overwritten",
        ),
        ("01.1", "if predictions > 0:\n    return 0, 0", "need one truth value"),
        ("00.1", "raise ValueError('y' * 5000)", "yyy…, in line 2"),
    ],
)
def test_error_is_explained(number: str, body: str, words: str) -> None:
    got = verdict(number, body)
    assert got.status is Status.ERROR
    assert words in got.message, str(got)
    assert len(got.message) < 700


def test_the_case_shows_the_numbers_of_the_model() -> None:
    seen = verdict("00.4", LOSS + "return loss").seen
    assert seen is not None
    assert "Linear with weight [" in dict(seen.given)["model"]


def test_values_of_other_libraries_are_taken() -> None:
    degrees = dict(task("01.5").reference)
    for name, value in degrees.items():
        assert task("01.5").judge({**degrees, name: torch.tensor(value)}).status is Status.CORRECT
    assert "not 3 (float)" in task("01.5").judge({**degrees, "few and noisy": 3.0}).message
    for odd in (True, torch.tensor(True), 3.0, "3", None, [3], 11, torch.tensor([3, 4])):
        got = task("01.5").judge({**degrees, "few and noisy": odd})
        assert got.status is Status.NOT_YET
        assert "'few and noisy'" in got.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0.25", "without quotation marks"),
        (b"0.25", "without quotation marks"),
        (True, "above 0"),
        (math.nan, "above 0"),
    ],
)
def test_a_rate_is_a_number(value: Any, words: str) -> None:
    assert words in task("00.5").judge(value).message
