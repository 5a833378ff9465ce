"""Checkpoints: a run that was stopped, anywhere, ends with the same bits as one that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checkpoints import random_state, set_random_state, write_atomically
from course_utils.training import (
    CheckpointError,
    EarlyStopping,
    History,
    evaluate,
    fit,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)

X = torch.linspace(-1, 1, 48).unsqueeze(1)
DATA = (X, torch.sin(3 * X))
Result = tuple[nn.Module, History, dict[str, Any]]


def make_model(width: int = 8) -> nn.Sequential:
    return nn.Sequential(nn.Linear(1, width), nn.BatchNorm1d(width), nn.Tanh(), nn.Dropout(0.2), nn.Linear(width, 1))


def run(epochs: int, *, kind: str = "pair", seed: int = 0, **options: Any) -> Result:
    """Train with everything that has a memory: dropout, momentum, a schedule, shuffling, early stopping."""
    torch.manual_seed(seed)
    train: Any = DATA
    if kind != "pair":
        generator = torch.Generator().manual_seed(3) if kind == "loader" else None
        train = DataLoader(TensorDataset(*DATA), 20, shuffle=True, generator=generator)
    model = make_model()
    history = fit(
        model,
        train,
        DATA,
        **{
            "loss": nn.MSELoss(),
            "optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
            "scheduler": lambda optimizer: torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 5], 0.5),
            "early_stopping": EarlyStopping(100),
            "epochs": epochs,
            "batch_size": 20 if kind == "pair" else None,
            **options,
        },
    )
    return model, history, random_state()


def assert_same_bits(one: Result, two: Result) -> None:
    assert one[1] == two[1]
    for (name, mine), other in zip(one[0].state_dict().items(), two[0].state_dict().values(), strict=True):
        assert torch.equal(mine, other), name
    assert torch.equal(one[2]["torch"], two[2]["torch"])


@pytest.mark.parametrize("kind", ["pair", "loader", "loader without generator"])
def test_resume_is_bitwise_as_if_never_stopped(tmp_path: Path, kind: str) -> None:
    whole = run(8, kind=kind)
    path = tmp_path / "run.pt"
    run(3, kind=kind, checkpoint=path)
    # A new process would have other random numbers and other first weights.
    assert_same_bits(run(8, kind=kind, seed=99, checkpoint=path, resume=True), whole)
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_resume_keeps_the_optimizer_memory(tmp_path: Path, optimizer: Any) -> None:
    run(3, optimizer=optimizer, checkpoint=tmp_path / "run.pt")
    resumed = run(6, optimizer=optimizer, seed=99, checkpoint=tmp_path / "run.pt", resume=True)
    assert_same_bits(resumed, run(6, optimizer=optimizer))


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8),
        lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (epoch + 1)),
        lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0),
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=8),
    ],
)
def test_resume_keeps_the_schedule(tmp_path: Path, make: Any) -> None:
    run(3, scheduler=make, checkpoint=tmp_path / "run.pt")
    resumed = run(7, scheduler=make, seed=99, checkpoint=tmp_path / "run.pt", resume=True)
    assert_same_bits(resumed, run(7, scheduler=make))


def test_resume_keeps_early_stopping(tmp_path: Path) -> None:
    options: dict[str, Any] = {"optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.5, momentum=0.9)}
    whole = run(40, early_stopping=EarlyStopping(4), **options)
    stopped = whole[1].stopped_epoch
    assert stopped is not None
    assert stopped > 4
    path = tmp_path / "run.pt"
    # Cut inside the time of patience, when the best weights are older than the last ones.
    run(stopped, early_stopping=EarlyStopping(4), checkpoint=path, **options)
    resumed = run(40, early_stopping=EarlyStopping(4), checkpoint=path, resume=True, seed=9, **options)
    assert_same_bits(resumed, whole)
    assert evaluate(resumed[0], DATA, nn.MSELoss()) == min(whole[1].validation)


def test_a_complete_run_returns_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    whole = run(4, checkpoint=path)
    written = path.stat().st_mtime_ns
    calls = []

    def loss(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return nn.functional.mse_loss(prediction, target)

    assert_same_bits(run(4, checkpoint=path, resume=True, seed=5, loss=loss), whole)
    assert not calls
    assert path.stat().st_mtime_ns == written


def test_resume_without_a_file_starts_from_the_beginning(tmp_path: Path) -> None:
    assert_same_bits(run(3, checkpoint=tmp_path / "deep" / "run.pt", resume=True), run(3))
    assert load_checkpoint(tmp_path / "deep" / "run.pt")["history"]["train"] == run(3)[1].train


def test_without_resume_an_old_checkpoint_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    path.write_bytes(b"old")
    assert_same_bits(run(2, checkpoint=path), run(2))


def test_checkpoint_every_saves_seldom_but_always_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saves: list[int] = []
    monkeypatch.setattr(
        "course_utils.checkpoints.save_checkpoint",
        lambda path, state: saves.append(len(state["history"]["train"])),
    )
    run(7, checkpoint=tmp_path / "run.pt", checkpoint_every=3)
    assert saves == [3, 6, 7]


KILLED = """
import os, sys, torch
from torch import nn
from course_utils import checkpoints
torch.set_num_threads(int(sys.argv[3]))  # the same bits need the same order of additions
sys.path.insert(0, sys.argv[2])
import test_checkpoints as tests
write = torch.save
saves = 0
def slow(state, file):
    global saves
    saves += 1
    if saves < 4:
        return write(state, file)
    import io
    whole = io.BytesIO()
    write(state, whole)
    file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
    file.flush()
    print("half", flush=True)
    sys.stdin.read()
checkpoints.torch.save = slow
tests.run(8, checkpoint=sys.argv[1])
"""


def test_kill_in_mid_save_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    threads = str(torch.get_num_threads())
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent), threads],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        assert len(list(tmp_path.iterdir())) == 2, "the unfinished file lies beside the good one"
        os.kill(process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.wait(timeout=30)
    assert len(load_checkpoint(path)["history"]["train"]) == 3
    assert_same_bits(run(8, checkpoint=path, resume=True, seed=99), run(8))
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"], "what the kill left is cleared away"


def test_an_error_in_mid_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file: Any) -> None:
        file.write(b"half of the n")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damage", ["empty", "half", "text", "flipped"])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "run.pt"
    run(1, checkpoint=path)
    content = path.read_bytes()
    weight = load_checkpoint(path)["model"]["0.weight"].numpy().tobytes()
    flipped = content.replace(weight, bytes([weight[0] ^ 1]) + weight[1:])
    assert flipped != content
    broken = {"empty": b"", "half": content[: len(content) // 2], "text": b"hello", "flipped": flipped}
    path.write_bytes(broken[damage])
    with pytest.raises(CheckpointError, match="damaged or is not a checkpoint") as caught:
        run(2, checkpoint=path, resume=True)
    assert "\n" not in str(caught.value)


def test_a_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 1, "model": time.sleep}, tmp_path / "run.pt")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "run.pt")


def test_another_run_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    run(2, checkpoint=path)
    with pytest.raises(CheckpointError, match="optimizer is 'Adam' here and 'SGD' in the file"):
        run(4, checkpoint=path, resume=True, optimizer=torch.optim.Adam)
    with pytest.raises(CheckpointError, match="batch_size is 10 here and 20"):
        run(4, checkpoint=path, resume=True, batch_size=10)
    wider = make_model(9)
    before = [parameter.detach().clone() for parameter in wider.parameters()]
    options: dict[str, Any] = {
        "loss": nn.MSELoss(),
        "optimizer": torch.optim.SGD,
        "scheduler": lambda optimizer: torch.optim.lr_scheduler.MultiStepLR(optimizer, [2]),
        "early_stopping": EarlyStopping(100),
        "batch_size": 20,
        "epochs": 4,
    }
    with pytest.raises(CheckpointError, match=r"0.weight is \(9, 1\) in the model and \(8, 1\) in the file"):
        fit(wider, DATA, DATA, checkpoint=path, resume=True, **options)
    assert all(torch.equal(a, b) for a, b in zip(before, wider.parameters(), strict=True))
    save_checkpoint(path, {"note": "something else"})
    with pytest.raises(CheckpointError, match="holds no run"):
        run(4, checkpoint=path, resume=True)
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "nowhere.pt")


def test_random_state_brings_all_three_generators_back() -> None:
    random.gauss(0, 1)
    np.random.standard_normal()  # noqa: NPY002 (both leave half of a pair behind, which must come back too)
    state = random_state()

    def draw() -> list[float]:
        numpy = float(np.random.standard_normal())  # noqa: NPY002
        return [random.gauss(0, 1), random.random(), numpy, float(torch.rand(()))]

    first = draw()
    assert draw() != first
    set_random_state(state)
    assert draw() == first


def test_weights_alone_do_not_continue_a_run(tmp_path: Path) -> None:
    whole = run(6)
    half = run(3)
    save_weights(tmp_path / "model.safetensors", half[0])
    model = make_model()
    load_weights(tmp_path / "model.safetensors", model)
    assert evaluate(model, DATA, nn.MSELoss()) == half[1].validation[-1]
    fit(
        model,
        DATA,
        loss=nn.MSELoss(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
        epochs=3,
        batch_size=20,
    )
    assert not torch.equal(model.state_dict()["0.weight"], whole[0].state_dict()["0.weight"])


def test_weight_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(path, make_model())
    with pytest.raises(CheckpointError, match=r"0\.weight is \(4, 1\) in the model"):
        load_weights(path, make_model(4))
    with pytest.raises(CheckpointError, match=r"4\.bias \(1,\) is not in the model"):
        load_weights(path, make_model()[:2])
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match="damaged"):
        load_weights(path, make_model())
    with pytest.raises(FileNotFoundError):
        load_weights(tmp_path / "nowhere.safetensors", make_model())


def test_tied_weights_survive(tmp_path: Path) -> None:
    one, two = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    one[1].weight = one[0].weight
    save_weights(tmp_path / "tied.safetensors", one)
    load_weights(tmp_path / "tied.safetensors", two)
    assert torch.equal(two.state_dict()["0.weight"], one.state_dict()["0.weight"])
    assert torch.equal(two.state_dict()["1.weight"], one.state_dict()["0.weight"])
