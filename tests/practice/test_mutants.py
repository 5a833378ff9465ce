"""Small changes of each reference that nobody thought of: its check must notice them."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from course_utils.practice import sandbox
from course_utils.practice.exercise import Exercise
from course_utils.practice.matching import difference, snapshot
from course_utils.practice.verdict import Status
from practice.lessons import each_function
from practice.mutants import mutants

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")


@each_function
def test_mutants_do_not_survive(task: Exercise) -> None:
    quick = dataclasses.replace(task, mistakes=(), seconds=1.0)
    survivors, tried = [], 0
    for change, mutant in mutants(task.reference):
        tried += 1
        if quick.judge(mutant).status is Status.CORRECT and (where := told_apart(task, mutant)):
            survivors.append(f"{change}   differs on {where}")
    assert tried >= 5
    assert not survivors, f"{len(survivors)} of {tried} mutants pass the check:\n" + "\n".join(survivors)


def told_apart(task: Exercise, mutant: Callable[..., Any], *, rounds: int = 6) -> str:
    """The first of many random inputs, made from the task's cases, on which the mutant differs from the reference."""
    generator = np.random.default_rng(0)
    for _ in range(rounds):
        for arguments in task.cases():
            if len(list(arguments)) == 0:
                continue
            changed = tuple(shaken(value, generator) for value in arguments)
            outcomes = []
            for function in (task.reference, mutant):
                given = copy.deepcopy(changed)
                torch.manual_seed(0)
                with sandbox.steady(), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    outcomes.append(sandbox.run(lambda f=function, g=given: seen(task, g, f), seconds=1.0))  # type: ignore[misc]
            right, wrong = outcomes
            if right.error is not None or right.late:
                continue  # not a valid input
            if wrong.error is not None or wrong.late or difference(wrong.value, right.value, tolerance=1e-6):
                return ", ".join(map(str, changed))[:300]
    return ""


def seen(task: Exercise, arguments: tuple[Any, ...], function: Callable[..., Any]) -> Any:
    result = function(*arguments)
    return snapshot(task.observe(arguments, result) if task.observe else result)


def shaken(value: Any, generator: np.random.Generator) -> Any:
    """A random input like ``value``: same type and shape, other numbers."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        noise = torch.from_numpy(np.asarray(generator.standard_normal(tuple(value.shape)))).to(value.dtype)
        other = (value.detach() + noise).requires_grad_(value.requires_grad)
        other.grad = None if value.grad is None else shaken(value.grad, generator)
        return other
    if isinstance(value, torch.nn.Module):
        model = copy.deepcopy(value)
        for parameter in model.parameters():
            parameter.data = shaken(parameter.data, generator)
        return model.train(bool(generator.integers(2)))
    if isinstance(value, bool):
        return bool(generator.integers(2))
    if isinstance(value, int):
        return max(1, value + int(generator.integers(-2, 3)))
    if isinstance(value, float):
        return value * float(generator.uniform(0.5, 1.5))
    if isinstance(value, list) and value and all(isinstance(item, float) for item in value):
        return [round(float(item), 1) for item in generator.permutation(value)]
    return copy.deepcopy(value)
