"""Checkpoints: stop a training run anywhere and continue it as if nothing had happened.

Weights alone are not enough for that. A run also consists of the optimizer's memory (momentum), the
schedule, the random numbers still to come (dropout, shuffling), and the history so far. `save_weights` keeps
only the weights, for using a model; `save_checkpoint` keeps the rest too, for continuing a run.
"""

from __future__ import annotations

import os
import random
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_weights
from safetensors.torch import save as format_weights
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from course_utils.history import History
from course_utils.stopping import EarlyStopping

FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint or weight file cannot be used; the message says why in one sentence."""


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that `path` holds either its old content or all of the new one, never a part.

    Args:
        path: where the file must end up; its folder is made where needed.
        write: writes the content into the open binary file it is given.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The same folder means the same disk, and only there is a rename one indivisible step.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            # Without this a power cut could leave the new name on data that never reached the disk.
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def save_checkpoint(path: str | Path, state: Mapping[str, Any]) -> None:
    """Save the state of a run atomically: a kill in mid-save leaves the previous checkpoint whole.

    Args:
        path: the checkpoint file.
        state: tensors, numbers, strings, and dicts, lists and tuples of them.
    """
    # A kill during an earlier save may have left its unfinished file; this run is now the only writer.
    path = Path(path)
    for unfinished in path.parent.glob(f".{path.name}.*.part"):
        unfinished.unlink(missing_ok=True)
    write_atomically(path, lambda file: torch.save({"format": FORMAT, **state}, file))


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load what `save_checkpoint` saved, onto the CPU.

    Only plain data is accepted (`weights_only=True`): a checkpoint from a stranger cannot run code.

    Args:
        path: the checkpoint file.

    Returns:
        The saved state.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, or is not a checkpoint of this course.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint at {path}")
    try:
        # torch does not compare the check sums that it writes: a flipped bit would load as another weight.
        with zipfile.ZipFile(path) as archive:
            if (broken := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"{broken} fails its check sum")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as problem:  # torch reports a damaged file in many ways
        raise CheckpointError(
            f"{path} is damaged or is not a checkpoint ({type(problem).__name__}); delete it to start the run anew"
        ) from problem
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of this course; give another path to start the run anew")
    return state


def random_state() -> dict[str, Any]:
    """Return the state of Python's, NumPy's and torch's random numbers, in plain data."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002 (what learners use)
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": (str(name), np.asarray(keys).tolist(), int(position), int(has_gauss), float(gauss)),
        "python": random.getstate(),
    }
    if torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_random_state(state: Mapping[str, Any]) -> None:
    """Set the random numbers back to what `random_state` returned."""
    torch.set_rng_state(state["torch"])
    name, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    random.setstate(state["python"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def differences(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Say how saved weights differ from what a model needs, in words; an empty list when they fit."""
    own = model.state_dict()
    missing = [f"{name} {tuple(own[name].shape)} is not in the file" for name in own if name not in state]
    extra = [f"{name} {tuple(state[name].shape)} is not in the model" for name in state if name not in own]
    other = [
        f"{name} is {tuple(own[name].shape)} in the model and {tuple(state[name].shape)} in the file"
        for name in own
        if name in state and own[name].shape != state[name].shape
    ]
    return other + missing + extra


def put_weights(model: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> None:
    """Load weights into a model, or say what does not fit and leave the model as it was.

    Args:
        model: the model to fill, in place.
        state: parameters and buffers by name.
        source: where they came from, for the message.

    Raises:
        CheckpointError: names or shapes differ; the message lists the first three.
    """
    if problems := differences(model, state):
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointError(f"{source} holds another model: {'; '.join(problems[:3])}{more}")
    model.load_state_dict(dict(state))


@dataclass
class Run:
    """Everything that decides how a run of `fit` goes on; `fit` saves and loads it between two epochs.

    Attributes:
        model, optimizer, scheduler, early_stopping, history: as in `fit`.
        generators: random generators that draw the data order.
        settings: options that must be the same when the run continues.
    """

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    early_stopping: EarlyStopping | None
    history: History
    generators: list[torch.Generator]
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Note the kinds of the parts, which must be the same too."""
        for part in ("optimizer", "scheduler", "early_stopping"):
            value = getattr(self, part)
            self.settings[part] = None if value is None else type(value).__name__
        self.settings["generators"] = len(self.generators)

    def save(self, path: str | Path) -> None:
        """Save the run, atomically."""
        state = {
            "settings": self.settings,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler else None,
            "early_stopping": self.early_stopping.state_dict() if self.early_stopping else None,
            "history": asdict(self.history),
            "generators": [generator.get_state() for generator in self.generators],
            "random": random_state(),
        }
        save_checkpoint(path, state)

    def load(self, path: str | Path) -> None:
        """Put every part back to where it was when the run was saved.

        Raises:
            CheckpointError: the file is damaged, or belongs to a run with another model or other settings.
        """
        state = load_checkpoint(path)
        if not {"settings", "model", "history"} <= state.keys():
            raise CheckpointError(f"{path} holds no run of fit; give another path to start the run anew")
        saved = state["settings"]
        if other := [
            f"{name} is {self.settings[name]!r} here and {saved.get(name)!r} in the file"
            for name in self.settings
            if self.settings[name] != saved.get(name)
        ]:
            raise CheckpointError(f"{path} belongs to another run: {'; '.join(other)}")
        put_weights(self.model, state["model"], path)
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler:
            self.scheduler.load_state_dict(state["scheduler"])
        if self.early_stopping:
            self.early_stopping.load_state_dict(state["early_stopping"])
        for name, value in state["history"].items():
            setattr(self.history, name, value)
        for generator, bits in zip(self.generators, state["generators"], strict=True):
            generator.set_state(bits)
        set_random_state(state["random"])


def save_weights(path: str | Path, model: nn.Module) -> None:
    """Save a model's parameters and buffers as a safetensors file, atomically.

    Args:
        path: the file, usually ending in ".safetensors".
        model: the model.
    """
    # Own copies: safetensors refuses tensors that share memory, such as tied weights.
    state = {name: value.detach().cpu().clone().contiguous() for name, value in model.state_dict().items()}
    write_atomically(path, lambda file: file.write(format_weights(state)))


def load_weights(path: str | Path, model: nn.Module) -> None:
    """Load weights that `save_weights` saved into a model of the same architecture.

    This makes the model predict as it did. It does not continue a run: the optimizer's memory, the schedule,
    the random numbers and the history start from nothing. For that, use `fit(checkpoint=..., resume=True)`.

    Args:
        path: the safetensors file.
        model: the model to fill, in place.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, or holds another model.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no weight file at {path}")
    try:
        state = parse_weights(path.read_bytes())
    except SafetensorError as problem:
        raise CheckpointError(f"{path} is damaged or is not a safetensors file ({problem})") from problem
    put_weights(model, state, path)
