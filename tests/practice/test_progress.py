"""The learner's record is never lost: two writers, a kill, a full disk, a damaged file, no folder at all."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from course_utils.practice import progress
from course_utils.practice.progress import Progress

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def items(record: Progress) -> list[str]:
    return [entry.item for entry in record.records("exercise")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "progress.sqlite"


def test_record_survives_the_kernel(path: Path) -> None:
    Progress(path).add("exercise", "01.1", "not yet")
    Progress(path).add("exercise", "01.1", "correct")
    Progress(path).add("quiz", "01.1", "correct")
    record = Progress(path)
    assert [entry.value for entry in record.records("exercise")] == ["not yet", "correct"]
    assert record.latest("exercise")["01.1"].value == "correct"
    assert record.problem == ""


WRITER = """
import sys
from pathlib import Path
from course_utils.practice.progress import Progress
for number in range(200):
    record = Progress(Path(sys.argv[1]))
    record.add("exercise", f"{sys.argv[2]}.{number}", "correct")
    assert not record.problem, record.problem
"""


def test_two_notebooks_at_once_keep_everything(path: Path) -> None:
    writers = [run(WRITER, str(path), name) for name in ("a", "b")]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    kept = items(Progress(path))
    assert len(kept) == 400
    for name in ("a", "b"):
        assert [item for item in kept if item.startswith(name)] == [f"{name}.{number}" for number in range(200)]


KILLED = """
import sys
from pathlib import Path
from course_utils.practice.progress import Progress
record = Progress(Path(sys.argv[1]))
number = 0
while True:
    record.add("exercise", str(number), "x" * 2000)
    print(number, flush=True)
    number += 1
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_kill_in_mid_write_loses_nothing_that_was_said_to_be_kept(path: Path) -> None:
    for attempt in range(3):
        path.unlink(missing_ok=True)
        writer = run(KILLED, str(path))
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.05 + 0.031 * attempt)
        writer.send_signal(signal.SIGKILL)
        said = [0, *(int(line) for line in writer.stdout.read().split())]
        writer.communicate()
        record = Progress(path)
        kept = [int(item) for item in items(record)]
        # One more may have been stored in the moment before it could be said.
        assert kept[: len(said)] == said
        assert len(kept) <= len(said) + 1
        record.add("exercise", "after", "correct")
        assert items(record)[-1] == "after"
        assert record.problem == ""


def test_hot_journal_of_a_killed_writer_is_rolled_back(path: Path) -> None:
    code = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN')\n"
        "for i in range(500): c.execute('INSERT INTO record VALUES (1.0, ?, ?, ?)', ('exercise', 'half', 'y' * 5000))\n"
        "os._exit(9)\n"
    )
    Progress(path).add("exercise", "whole", "correct")
    run(code, str(path)).communicate()
    assert path.with_name(path.name + "-journal").exists()
    record = Progress(path)
    assert items(record) == ["whole"]
    assert record.problem == ""


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    record = Progress(tmp_path / "file" / "progress.sqlite")
    record.add("exercise", "01.1", "correct")
    assert items(record) == ["01.1"]
    assert record.problem.startswith("Your progress cannot be kept in ")
    assert "COURSE_HOME" in record.problem
    assert "\n" not in record.problem


def test_what_waited_is_stored_when_the_file_can_be_written_again(tmp_path: Path) -> None:
    blocked = tmp_path / "home"
    blocked.write_text("in the way")
    record = Progress(blocked / "progress.sqlite")
    record.add("exercise", "01.1", "correct")
    assert record.problem
    blocked.unlink()
    record.add("exercise", "01.2", "correct")
    assert record.problem == ""
    assert items(Progress(blocked / "progress.sqlite")) == ["01.1", "01.2"]
    assert items(record) == ["01.1", "01.2"]


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write anywhere")
def test_folder_without_permission(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o500)
    record = Progress(path)
    record.add("exercise", "01.1", "correct")
    assert record.problem
    assert items(record) == ["01.1"]


def test_read_only_file_still_shows_what_it_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Progress(path).add("exercise", "01.1", "correct")
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda name, **_: real(f"file:{name}?mode=ro", uri=True))
    record = Progress(path)
    record.add("exercise", "01.2", "correct")
    assert "readonly" in record.problem
    assert items(record) == ["01.1", "01.2"]


FULL = """
import resource, sys
from pathlib import Path
from course_utils.practice.progress import Progress
record = Progress(Path(sys.argv[1]))
record.add("exercise", "first", "correct")
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
for number in range(20):
    record.add("exercise", str(number), "z" * 1000)
print(record.problem)
print(len(record.records("exercise")))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs setrlimit")
def test_full_disk(path: Path) -> None:
    out, errors = run(FULL, str(path)).communicate(timeout=30)
    problem, count = out.splitlines()
    assert problem.startswith("Your progress cannot be kept in "), errors
    assert count == "21"
    record = Progress(path)
    assert items(record)[0] == "first"
    assert record.problem == ""


@pytest.mark.parametrize("damage", [b"not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 3000])
def test_damaged_file_is_kept_and_a_new_one_begins(path: Path, damage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    record = Progress(path)
    record.add("exercise", "01.1", "correct")
    (kept,) = path.parent.glob("progress-damaged-*.sqlite")
    assert kept.read_bytes() == damage
    assert kept.name in record.problem
    assert items(Progress(path)) == ["01.1"]
    record.add("exercise", "01.2", "correct")
    assert record.problem == ""
    assert items(Progress(path)) == ["01.1", "01.2"]


def test_off(own_course_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_PROGRESS", "off")
    progress.mine().add("exercise", "off.1", "correct")
    # Remembered in this kernel, never written.
    assert "off.1" in items(progress.mine())
    assert not own_course_home.exists()
    assert progress.mine().problem == ""


def test_folder_of_the_learner(own_course_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress.mine().add("exercise", "01.1", "correct")
    assert (own_course_home / "progress.sqlite").exists()
    assert progress.mine() is progress.mine()
    monkeypatch.setenv("COURSE_HOME", str(own_course_home / "other"))
    assert items(progress.mine()) == []


def test_check_goes_on_without_a_place_for_progress(
    own_course_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from course_utils.practice.lesson_01 import BIAS_VARIANCE, check

    own_course_home.write_text("in the way")
    shown: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data["text/plain"]))
    check.bias_variance(BIAS_VARIANCE.reference)
    assert shown[0].startswith("✓ correct.")
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert items(progress.mine()) == ["01.1"]
