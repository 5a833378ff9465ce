"""What all tests share: a folder of their own for the learner's data, one thread a worker, and who runs what."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep a file on one worker, as --dist=loadfile does, but let the lessons played in the browser go to any.

    Each takes a minute and needs nothing of the others; in one file they would keep one worker busy to the end.
    """
    from xdist.scheduler import LoadFileScheduling

    class LessonsApart(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return nodeid if file.endswith("browser/test_lesson.py") else file

    return LessonsApart(config, log) if config.getvalue("dist") == "loadfile" else None
