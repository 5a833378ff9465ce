"""The engine around a check: verdicts, counterexamples, time limit, and a learner who changes torch behind its back."""

from __future__ import annotations

import dataclasses
import io
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from course_utils.practice import sandbox
from course_utils.practice.stubs import is_untouched
from course_utils.practice.task import Mistake
from course_utils.practice.verdict import Status
from practice.lessons import TASKS
from practice.sample import judge, scaled

BY_NAME: dict[str, Any] = {task.name: task for task in TASKS}

# ---- verdicts


def test_counterexample_is_the_smallest_case_that_differs() -> None:
    verdict = judge(lambda x, c: c * x if len(x) < 2 else c * x + 1)
    assert verdict.status is Status.NOT_YET
    assert verdict.message == "The result differs on 3 of 4 inputs; here is the smallest."
    assert verdict.seen is not None
    assert [name for name, _ in verdict.seen.given] == ["x", "c"]
    assert "shape (2,)" in verdict.seen.yours
    assert verdict.seen.yours != verdict.seen.expected


def test_constant_factor_is_named() -> None:
    assert "0.5 times what is expected" in judge(lambda x, c: c * x / 2).message


def test_error_names_line_and_input() -> None:
    def breaks(x: Tensor, c: float) -> Tensor:
        y = c * x
        return y @ torch.zeros(7)

    verdict = judge(breaks)
    assert verdict.status is Status.ERROR
    assert "in line 3 of breaks: return y @ torch.zeros(7)" in verdict.message
    assert "It was called with x = [" in verdict.message


def test_error_in_a_function_that_the_learner_wrote_beside_it() -> None:
    def part(x: Tensor) -> Tensor:
        return x.nothing  # type: ignore[attr-defined]

    assert "in part: return x.nothing" in judge(lambda x, c: c * part(x)).message


def yields(x: Tensor, c: float) -> Iterator[Tensor]:
    yield c * x


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda x, c: None, "None"),
        (lambda x, c: (c * x).tolist(), "a list; a tensor of shape (1,)"),
        (lambda x, c: (c * x).numpy(), "a NumPy array; a tensor"),
        (lambda x, c: (c * x)[:, None], "shape (1, 1); shape (1,)"),
        (lambda x, c: (c * x).long(), "floating-point"),
        (lambda x, c: c * x * float("nan"), "nan"),
        (lambda x, c: iter(c * x), "tensor of shape"),
        (lambda x, c: (value for value in x), "square brackets"),
        (yields, "return instead of yield"),
        (lambda x, c: x + c, "You add."),
    ],
)
def test_wrong_results(result: Callable[..., Any], words: str) -> None:
    verdict = judge(result)
    assert verdict.status is Status.NOT_YET
    assert words in verdict.message


@pytest.mark.parametrize(
    "result",
    [
        lambda x, c: (c * x).double(),
        lambda x, c: torch.stack([c * value for value in x]),
        lambda x, c: (c * x).requires_grad_(),
        lambda x, c, extra=1: c * x * extra,
        lambda *both: both[0] * both[1],
        torch.mul,
    ],
)
def test_right_results_in_another_form(result: Callable[..., Any]) -> None:
    assert judge(result).status is Status.CORRECT


def test_the_same_list_each_time_is_seen_as_it_was() -> None:
    def remembers(x: Tensor, c: float, seen: list[float] = []) -> list[float]:  # noqa: B006  (the learner's slip)
        seen.append(c)
        return seen

    verdict = judge(remembers, expected=lambda x, c: [c])
    assert verdict.seen is not None
    assert verdict.seen.yours == "[2.5, 3.5]"


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda x: x, "(x); it is called with (x, c)"),
        (lambda x, c, d: x, "(x, c, d); it is called with"),
        (lambda x, *, c: x, "it is called with"),
    ],
)
def test_wrong_signature(attempt: Any, words: str) -> None:
    verdict = judge(attempt)
    assert verdict.status is Status.NOT_YET
    assert words in verdict.message


@pytest.mark.parametrize(
    "body", ["pass", "...", '"""Another text."""', '"""c times x."""\n    ...', "# still thinking\n    ..."]
)
def test_empty_function_is_not_attempted(body: str) -> None:
    names: dict[str, Any] = {}
    exec(f"def scaled(x, c):\n    {body}\n", names)
    assert judge(names["scaled"]).status is Status.NOT_ATTEMPTED


def test_a_lambda_that_gives_none_is_an_attempt() -> None:
    assert judge(lambda x, c: None).status is Status.NOT_YET
    assert not is_untouched(lambda x, c: ..., stub="def scaled(x, c): ...", name="scaled")


def test_broken_stub_counts_as_untouched_until_it_is_edited() -> None:
    stub = 'def scaled(x, c):\n    """c times x."""\n    return c + x\n'
    for source, untouched in (
        (stub, True),
        (stub.replace("+", "*"), False),
        (stub.replace("c times", "C times"), True),
    ):
        names: dict[str, Any] = {}
        exec(source, names)
        assert is_untouched(names["scaled"], stub=stub, name="scaled") is untouched


def test_returning_a_constant_is_an_attempt_returning_nothing_is_not() -> None:
    stub = 'def f(a):\n    """Doc."""\n    ...\n'
    for body, untouched in (
        ("...", True),
        ("pass", True),
        ("return None", True),
        ("return True", False),
        ("return 0", False),
    ):
        names: dict[str, Any] = {}
        exec(f"def f(a):\n    {body}\n", names)
        assert is_untouched(names["f"], stub=stub, name="f") is untouched, body


def test_a_changed_constant_inside_an_inner_function_is_an_attempt() -> None:
    stub = 'def f(a):\n    """Doc."""\n    return [x for x in a if x > "s"], lambda: ("u", 1)\n'
    for source, untouched in (
        (stub, True),
        (stub.replace('"s"', '"t"'), False),
        (stub.replace('"u"', '"v"'), False),
        (stub.replace("1", "1.0"), False),
        (stub.replace("x > ", "x < "), False),
    ):
        names: dict[str, Any] = {}
        exec(source, names)
        assert is_untouched(names["f"], stub=stub, name="f") is untouched


# ---- faults of the course are not blamed on the learner


@pytest.mark.parametrize("part", ["cases", "expected", "observe"])
def test_fault_of_the_check_is_said(part: str) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("ours")

    verdict = judge(scaled, **{part: broken})
    assert verdict.status is Status.ERROR
    assert "The check itself stopped (KeyError: 'ours')" in verdict.message
    assert "fault of the course" in verdict.message


def test_mistake_that_raises_does_not_hide_the_verdict() -> None:
    def raises(x: Tensor, c: float) -> Tensor:
        raise ValueError("listed, but broken")

    verdict = judge(lambda x, c: x / c, mistakes=(Mistake(raises, "no"), Mistake(lambda x, c: x / c, "You divide.")))
    assert verdict.message == "You divide."


# ---- time


def test_endless_loop_ends() -> None:
    def endless(x: Tensor, c: float) -> Tensor:
        while True:
            c += 1

    begin, threads = time.monotonic(), threading.active_count()
    verdict = judge(endless, seconds=0.2)
    assert verdict.status is Status.NOT_YET
    assert "did not finish within 0.2 seconds" in verdict.message
    assert "restart" not in verdict.message
    assert time.monotonic() - begin < 2
    assert threading.active_count() == threads


def test_time_to_prepare_does_not_count() -> None:
    done: list[bool] = []

    def prepares() -> None:
        time.sleep(0.4)
        done.append(torch.is_grad_enabled())

    with torch.no_grad():
        verdict = judge(scaled, prepare=prepares, seconds=0.3)
    assert verdict.status is Status.CORRECT, str(verdict)
    assert done == [True]


def test_broken_preparation_does_not_hide_the_verdict() -> None:
    def broken() -> None:
        raise SystemExit

    assert judge(scaled, prepare=broken).status is Status.CORRECT
    assert judge(lambda x, c: x + c, prepare=broken).message == "You add."


def test_nothing_is_prepared_for_an_untouched_stub() -> None:
    assert judge(None, prepare=lambda: time.sleep(9)).status is Status.NOT_ATTEMPTED


def test_late_investigation_is_no_fault_of_the_learner() -> None:
    def slow(value: Any) -> str:
        time.sleep(3)
        return ""

    prepared: list[int] = []
    task = dataclasses.replace(
        BY_NAME["same_as_penalty"], accept=slow, mistakes=(), seconds=0.1, prepare=lambda: prepared.append(1)
    )
    verdict = task.judge(task.reference)
    assert verdict.status is Status.ERROR
    assert verdict.message == "The check took too long; your answer was not judged. Run the cell again."
    assert prepared == [1]


def test_loop_that_cannot_be_stopped_is_left_behind_and_said() -> None:
    release = threading.Event()
    verdict = judge(lambda x, c: release.wait(30), seconds=0.1)
    release.set()
    assert "restart the kernel" in verdict.message


def test_interrupted_check_stops_the_learners_code() -> None:
    stopped = threading.Event()

    def endless() -> None:
        try:
            while True:
                time.sleep(0.01)
        finally:
            stopped.set()

    class Interrupted(threading.Thread):
        def join(self, timeout: float | None = None) -> None:
            super().join(timeout)
            if timeout == 0.3:  # the wait for the learner, not the wait for the end
                raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox.threading, "Thread", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            sandbox.run(endless, seconds=0.3)
    assert stopped.wait(1)


def test_printing_is_passed_on_but_does_not_flood() -> None:
    def talks(x: Tensor, c: float) -> Tensor:
        print("here", x.shape)
        print("y" * 5000)
        return c * x

    out = io.StringIO()
    with redirect_stdout(out):
        assert judge(talks).status is Status.CORRECT
        print("after")
    assert out.getvalue().startswith("here torch.Size([1])")
    assert out.getvalue().endswith("…\nafter\n")
    assert len(out.getvalue()) < 1100


# ---- what the learner's code or notebook does to torch


def test_check_leaves_everything_as_it_was() -> None:
    def disturbs(x: Tensor, c: float) -> Tensor:
        torch.manual_seed(9)
        random.seed(9)
        np.random.seed(9)  # noqa: NPY002
        torch.set_num_threads(2)
        torch.set_default_dtype(torch.float64)
        return c * x

    before = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    threads = torch.get_num_threads()
    assert judge(disturbs).status is Status.CORRECT
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert np.random.get_state()[1].tolist() == before[2]  # type: ignore[index]  # noqa: NPY002
    assert torch.get_num_threads() == threads
    assert torch.get_default_dtype() == torch.float32


def gradient(x: Tensor, c: float) -> Tensor:
    w = torch.full((1,), c, requires_grad=True)
    (w * x).sum().backward()
    assert w.grad is not None
    return w.grad


@pytest.mark.parametrize("state", [torch.no_grad(), torch.inference_mode()], ids=["no_grad", "inference_mode"])
def test_gradients_switched_off_in_the_notebook_do_not_matter(state: Any) -> None:
    with state:
        verdict = judge(gradient, expected=gradient, reference=gradient)
    assert verdict.status is Status.CORRECT, str(verdict)


def test_default_dtype_of_the_notebook_does_not_matter() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert judge(scaled).status is Status.CORRECT
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_function_that_leaves_gradients_off_is_not_yet() -> None:
    def careless(x: Tensor, c: float) -> Tensor:
        torch.set_grad_enabled(False)
        return c * x

    verdict = judge(careless)
    assert verdict.status is Status.NOT_YET
    assert "gradients switched off" in verdict.message


def test_input_changed_in_place() -> None:
    verdict = judge(lambda x, c: x.mul_(c))
    assert verdict.status is Status.NOT_YET
    assert "its input `x` in place" in verdict.message
    assert judge(lambda x, c: x.mul_(c), may_change=frozenset({"x"})).status is Status.CORRECT


def test_all_inputs_changed_in_place_are_named() -> None:
    def both(running_mean: Tensor, running_var: Tensor, x: Tensor, momentum: float = 0.1) -> tuple[Tensor, Tensor]:
        axes = [0] if x.ndim == 2 else [0, 2]
        return running_mean.lerp_(x.mean(axes), momentum), running_var.lerp_(x.var(axes), momentum)

    message = BY_NAME["update_running"].judge(both).message
    assert "changes its inputs `running_mean` (its values), `running_var` (its values) in place." in message


# ---- advice on errors


def layer_of_another_precision(x: Tensor, c: float) -> Tensor:
    return torch.nn.LayerNorm(len(x))(x.double())


def matrix_of_another_precision(x: Tensor, c: float) -> Tensor:
    return x.double()[None] @ torch.eye(len(x))


def weight_of_another_precision(x: Tensor, c: float) -> Tensor:
    return torch.nn.Linear(len(x), 1)(x.double())


@pytest.mark.parametrize(
    "mixes", [layer_of_another_precision, matrix_of_another_precision, weight_of_another_precision]
)
def test_mixed_precision_is_explained(mixes: Any) -> None:
    verdict = judge(mixes)
    assert verdict.status is Status.ERROR
    assert "Two precisions meet" in verdict.message
    assert "Make it with dtype=x.dtype" in verdict.message


def has_no_gradient(x: Any, c: float) -> Tensor:
    return x.grad.abs()


def changes_a_leaf(x: Tensor, c: float) -> Tensor:
    return x.clone().requires_grad_().mul_(c)


# Functions and words on lines of their own: the message quotes the line that failed.
@pytest.mark.parametrize(
    ("fails", "words"),
    [
        (has_no_gradient, "Something is None, such as the .grad"),
        (changes_a_leaf, "make a new tensor instead"),
    ],
)
def test_common_error_is_explained(fails: Any, words: str) -> None:
    verdict = judge(fails)
    assert verdict.status is Status.ERROR
    assert words in verdict.message


@pytest.mark.parametrize(
    "text",
    [
        "mixed dtype (CPU): all inputs must share same datatype.",
        "mixed dtype (CPU): expect parameter to have scalar type of Float",
        "mat1 and mat2 must have the same dtype, but got Float and Double",
        "expected scalar type Double but found Float",
        "expected scalar type Float but found Double",
        "Expected both to be of the same datatype",
    ],
)
def test_each_wording_of_mixed_precision_is_known(text: str) -> None:
    assert "Two precisions meet" in sandbox.explain(RuntimeError(text), None)
