"""Small wrong versions of a function: one change each, in a fixed order."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

_OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_NAMES = {
    "mean": ("sum", "median"),
    "sum": ("mean",),
    "var": ("std",),
    "std": ("var",),
    "eval": ("train",),
    "train": ("eval",),
    "min": ("max",),
    "max": ("min",),
    "argmin": ("argmax",),
    "argmax": ("argmin",),
    "abs": ("square",),
    "deepcopy": ("copy",),
    "clone": ("detach",),
    "zero_grad": ("parameters",),
}


def mutants(function: Callable[..., Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each mutant with the description of its one change."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    function_node = tree.body[0]
    assert isinstance(function_node, ast.FunctionDef)
    function_node.returns, function_node.decorator_list = None, []
    for place, node in enumerate(ast.walk(tree)):
        if node is tree:
            continue
        for number in range(len(list(_changes(copy.deepcopy(node))))):
            wrong = copy.deepcopy(tree)
            target = list(ast.walk(wrong))[place]
            line = ast.unparse(target).splitlines()[0][:70] if isinstance(target, (ast.expr, ast.stmt)) else "operator"
            change = list(_changes(target))[number]
            change()
            ast.fix_missing_locations(wrong)
            names = dict(function.__globals__)
            try:
                exec(compile(wrong, "mutant", "exec"), names)
            except (SyntaxError, ValueError):
                continue
            shown = ast.unparse(target) if isinstance(target, (ast.expr, ast.stmt)) else type(target).__name__
            yield f"{line} → {shown.splitlines()[0][:70]}", names[function.__name__]


def _changes(node: ast.AST) -> Iterator[Callable[[], object]]:
    """What can be changed at one place, as actions on the node."""
    for field, value in _other_values(node):
        yield partial(setattr, node, field, value)
    if isinstance(node, ast.Call):
        for position in range(len(node.keywords)):
            yield partial(node.keywords.pop, position)
        if len(node.args) == 2:
            yield node.args.reverse
        if len(node.args) == 1 and isinstance(node.func, ast.Attribute):
            yield node.args.clear
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        yield node.elts.reverse
    for field in ("body", "orelse"):
        block = getattr(node, field, None)
        if isinstance(block, list):
            for position in range(len(block)):
                yield partial(block.__setitem__, position, ast.Pass())
    if isinstance(node, (ast.For, ast.While)):
        yield partial(node.body.append, ast.Break())


def _other_values(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Fields of the node, each with one wrong value."""
    if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)):
        yield from (("op", other()) for other in _OPERATORS.get(type(node.op), ()))
    if isinstance(node, ast.BinOp):
        # Both sides become the same: swapping them would often change nothing.
        yield from (("left", node.right), ("right", node.left))
    if isinstance(node, ast.Compare):
        yield from (("ops", [other()]) for other in _OPERATORS.get(type(node.ops[0]), ()))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "op", ast.UAdd()
    if isinstance(node, ast.Attribute):
        yield from (("attr", name) for name in _NAMES.get(node.attr, ()))
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield "value", not node.value
        elif isinstance(node.value, (int, float)):
            yield from (("value", value) for value in (node.value + 1, node.value - 1, 2 * node.value + 3))
        elif node.value in ("sum", "mean"):
            yield "value", "mean" if node.value == "sum" else "sum"
