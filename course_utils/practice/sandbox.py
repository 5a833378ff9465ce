"""Run a learner's function so that nothing it does can hang, crash or quietly change the check.

The call happens in its own thread with a deadline, on every system the same way. When the deadline passes, an
exception is raised inside that thread. Two kinds of code cannot be stopped so. One waits in C and lets others run
(a lock, a socket): it is left behind. The other works in C and holds the interpreter, such as ``sum(range(10**12))``:
nothing else runs meanwhile, not even the deadline, so the verdict comes when the call ends, or the learner restarts
the kernel. Only a process of its own could end it, and a notebook's function cannot be sent to one on every system.
"""

from __future__ import annotations

import ctypes
import linecache
import random
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TextIO, cast

import numpy as np
import torch


class Stop(BaseException):
    """Raised inside the learner's thread when its time is up; not an Exception, so that ``except`` rarely eats it."""


@dataclass(frozen=True)
class Outcome:
    """What came of one call.

    Attributes:
        value: the result, None if there is an error.
        error: the exception, None if the call returned.
        late: the deadline passed.
        running: the deadline passed, and the call could not be stopped.
    """

    value: Any = None
    error: BaseException | None = None
    late: bool = False
    running: bool = False


def run(function: Callable[[], Any], *, seconds: float) -> Outcome:
    """Call ``function()`` and wait for at most ``seconds``.

    Args:
        function: no arguments; whatever it raises is caught, `SystemExit` included.
        seconds: the deadline.
    """
    box: list[Outcome] = []

    def work() -> None:
        # Stop may also arrive in the moment after the call has returned.
        with suppress(Stop):
            try:
                box.append(Outcome(value=function()))
            except Stop:
                box.append(Outcome(late=True))
            except BaseException as error:  # a learner may well write sys.exit()
                box.append(Outcome(error=error))

    thread = threading.Thread(target=work, daemon=True, name="learner")
    thread.start()
    try:
        thread.join(seconds)
    finally:  # also when the learner interrupts the kernel
        patience = time.monotonic() + 1.0
        while thread.is_alive() and time.monotonic() < patience:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Stop))
            thread.join(0.05)
    return box[0] if box else Outcome(late=True, running=thread.is_alive())


@contextmanager
def steady() -> Iterator[None]:
    """A world that is the same for every check, put back afterwards.

    Random numbers, warning filters, where print goes, and torch's default dtype, threads, anomaly mode and
    deterministic algorithms may all be changed inside; the cells after the check must not notice. Whether gradients
    are on belongs to a thread, so `run` starts afresh anyway. Warnings are silent: one from the inside of a library
    would stand above the verdict, which says it better.
    """
    python, numbers, generator = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    dtype, threads, out = torch.get_default_dtype(), torch.get_num_threads(), sys.stdout
    anomaly = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    # Not use_deterministic_algorithms, which loads the compiler: over a second at the first check.
    deterministic = torch.get_deterministic_debug_mode()
    torch.set_default_dtype(torch.float32)
    torch.autograd.set_detect_anomaly(False)
    torch.set_deterministic_debug_mode(0)
    sys.stdout = cast(TextIO, _Brief(out))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.autograd.set_detect_anomaly(*anomaly)
        torch.set_deterministic_debug_mode(deterministic)
        sys.stdout = out
        torch.set_default_dtype(dtype)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        random.setstate(python)
        np.random.set_state(numbers)  # noqa: NPY002
        torch.set_rng_state(generator)


class _Brief:
    """Passes on the first words that a function prints: it is called on many inputs. Else it is like ``out``."""

    def __init__(self, out: TextIO, *, characters: int = 1000) -> None:
        self._out, self._left = out, characters

    def __getattr__(self, name: str) -> Any:
        """Encoding, flush, isatty, … of the stream behind."""
        return getattr(self._out, name)

    def write(self, text: str) -> int:
        part = text[: self._left]
        self._left -= len(part)
        if part:
            self._out.write(part if self._left else f"{part} …\n")
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Nothing: the notebook still needs the stream."""


def said(error: BaseException, *, limit: int = 300) -> str:
    """The first line of what an exception says, not longer than ``limit``."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # a learner's own exception may be broken
        lines = []
    line = lines[0] if lines else "no message"
    return line if len(line) <= limit else line[: limit - 1] + "…"


def explain(error: BaseException, owner: object) -> str:
    """One sentence on where and why the learner's code stopped.

    Args:
        error: what it raised.
        owner: the learner's function, whose file tells its lines from those of libraries.
    """
    text = f"{type(error).__name__}: {said(error)}"
    hint = next((advice for sign, advice in _ADVICE if sign in text), "")
    where = _place(error.__traceback__, owner)
    return " ".join(part for part in (f"Your code stopped: {text}{where}.", hint) if part)


#: What the commonest messages mean, for somebody who meets them for the first time.
_ADVICE = (
    (
        "NameError",
        "A name is used before it exists: look for a spelling slip, or a cell above that has not been run.",
    ),
    ("does not require a grad", "Something on the way from the weights to the loss was cut from the graph."),
    ("does not require grad", "Something on the way from the weights to the loss was cut from the graph."),
    (
        "requires grad. Use tensor.detach",
        "NumPy cannot hold a graph: use .item(), .detach(), or no_grad around it.",
    ),
    (
        "'float' object has no attribute 'backward'",
        "A plain number has no graph: keep the loss a tensor until backward() is done, and take .item() after it.",
    ),
    (
        "backward through the graph a second time",
        "backward() frees the graph: call it once for each forward pass, and detach() a state that you carry on.",
    ),
    (
        "modified by an inplace operation",
        "A value that backward() still needs was overwritten: make a new tensor instead, or update the weights after "
        "backward().",
    ),
    (
        "Boolean value of Tensor",
        "`if`, `while`, `and`, `or`, min() and max() need one truth value, and this tensor holds "
        "several numbers, or none: take one, or use .any() or .all().",
    ),
    (
        "leaf Variable that requires grad",
        "An update is not part of the model, so nothing of it belongs in the graph: do it under torch.no_grad(). "
        "If this is no update, make a new tensor instead of changing this one in place.",
    ),
    *(
        (
            sign,
            "Two precisions meet: what the check hands over has one, float32 or float64, and something made in your "
            "function has the other. Make it with dtype=x.dtype.",
        )
        for sign in ("mixed dtype", "same dtype", "same datatype", "Double but found Float", "Float but found Double")
    ),
    (
        "NoneType",
        "Something is None, such as the .grad of a tensor that no backward() has reached: print it, and test with "
        "`is None`.",
    ),
    ("Dimension out of range", "A dimension is named that the tensor does not have: print its .shape."),
    ("must match the size", "Two shapes do not fit: print both .shape before that line."),
    (
        "shapes cannot be multiplied",
        "The last size of the left must equal the first size of the right: print both .shape.",
    ),
    ("RecursionError", "The function calls itself without an end."),
    ("SystemExit", "Leave out exit(): a notebook ends by itself."),
    ("UnboundLocalError", "A variable is read before any line has given it a value on this path."),
    (
        "IndexError",
        "An index points past the end: think of the first and the last position, and of an empty list.",
    ),
)


def _place(trace: TracebackType | None, owner: object) -> str:
    """``, in line 3: code`` for the deepest frame that lies in the learner's own code."""
    code = getattr(owner, "__code__", None)
    if code is None:
        return ""
    frames = [frame for frame in traceback.extract_tb(trace) if frame.filename == code.co_filename]
    if not frames:
        return ""
    last = frames[-1]
    line = last.lineno or code.co_firstlineno
    source = linecache.getline(code.co_filename, line).strip()
    # Counted from the def line; in another function of the same cell the line itself must do.
    number = f"line {line - code.co_firstlineno + 1} of {code.co_name}" if last.name == code.co_name else last.name
    return f", in {number}: {source}" if source else f", in {number}"
