"""Whether a function is still the one that the exercise's cell began with."""

from __future__ import annotations

import ast
import dis
from types import CodeType
from typing import Any


def is_untouched(attempt: Any, *, stub: str, name: str) -> bool:
    """Whether ``attempt`` does what the stub does, or nothing at all.

    Byte code is compared: comments, blank lines and another docstring change nothing.

    Args:
        attempt: whatever the learner hands in.
        stub: the source that the cell began with.
        name: of the function in ``stub``.

    Example:
        >>> is_untouched(lambda x: None, stub="def f(x): return x", name="f")
        False
    """
    code = getattr(attempt, "__code__", None)
    if not isinstance(code, CodeType):
        return False
    return _is_empty(code) or _fingerprint(code) == _fingerprint(_compiled(stub, name))


def _compiled(source: str, name: str) -> CodeType:
    """The code of function ``name`` in ``source``, without running it."""
    module = compile(ast.parse(source), "stub", "exec")
    return next(const for const in module.co_consts if isinstance(const, CodeType) and const.co_name == name)


def _fingerprint(code: CodeType) -> tuple[Any, ...]:
    """What a named function does, without its name, line numbers and docstring."""
    # The first constant is the docstring, or None where there is none.
    return code.co_code, _constants(code.co_consts[1:]), code.co_names, code.co_varnames


def _constants(constants: tuple[Any, ...]) -> tuple[Any, ...]:
    """Constants to compare: 1, 1.0 and True differ, and functions inside count by what they do."""
    return tuple(
        (c.co_code, _constants(c.co_consts), c.co_names, c.co_varnames) if isinstance(c, CodeType) else repr(c)
        for c in constants
    )


def _is_empty(code: CodeType) -> bool:
    """Whether a named function has no body but a docstring, ``pass`` or ``...``."""
    bodies = ("pass", "...", "'doc'", "'doc'; ...")
    alike = code.co_code in {_compiled(f"def f(): {body}", "f").co_code for body in bodies}
    # `return True` has the same byte code: only the constant, which it names by its place, is another.
    loaded = [step.argval for step in dis.get_instructions(code) if step.opcode in dis.hasconst]
    return code.co_name != "<lambda>" and alike and loaded == [None]
