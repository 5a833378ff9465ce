"""What all tests share: a folder of their own for the learner's data, and one thread a worker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Whoever calls pytest itself, and not the course's test command, wants no progress bar in a notebook's output either.
os.environ.setdefault("TQDM_DISABLE", "1")


@pytest.fixture(autouse=True)
def own_course_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the progress of whoever runs it."""
    home = tmp_path / "course-home"
    monkeypatch.setenv("COURSE_HOME", str(home))
    monkeypatch.delenv("COURSE_PROGRESS", raising=False)
    return home


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two workers whose torch threads fight for two cores are many times slower than one thread each."""
    import torch

    torch.set_num_threads(1)
