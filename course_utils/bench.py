"""Measure what the course promises about time and memory, and compare each number with its budget."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import math
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil

from course_utils import lab, refresh
from course_utils.__main__ import run_tests
from course_utils.environment import ROOT, CourseError, find_notebook, notebook_files

IMPORT_PROBE = """
import sys, time
start = time.perf_counter()
import course_utils
print(time.perf_counter() - start)
print(*(name for name in ("torch", "numpy", "matplotlib") if name in sys.modules))
"""


@dataclass(frozen=True)
class Row:
    """One promise and its measurement.

    Attributes:
        name: what was measured.
        value: the number.
        budget: the most it may be.
        unit: of both.
    """

    name: str
    value: float
    budget: float
    unit: str

    @property
    def holds(self) -> bool:
        """Whether the number is within its budget; NaN is not."""
        return self.value <= self.budget

    def __str__(self) -> str:
        verdict = "✓" if self.holds else "✕"
        return f"{verdict} {self.name:<54} {self.value:8.2f} {self.unit:<2} (at most {self.budget:g} {self.unit})"


@contextlib.contextmanager
def watched_memory() -> Iterator[list[int]]:
    """Watch the memory of the processes that this one starts, and of theirs.

    Yields:
        The peak of their resident bytes so far, as a list of one number. On Linux, what a process shares with the
        one it was forked from counts once.
    """
    peak, done, own = [0], threading.Event(), psutil.Process()

    def resident(process: psutil.Process) -> int:
        try:
            if psutil.LINUX:
                return int(process.memory_full_info().pss)
            return int(process.memory_info().rss)
        except psutil.Error:
            return 0  # it ended in between

    def watch() -> None:
        while not done.wait(0.2):  # often enough for a peak; more often, the looking itself slows the kernel
            peak[0] = max(peak[0], sum(map(resident, own.children(recursive=True))))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def notebook_rows(path: Path) -> list[Row]:
    """Seconds and peak memory from a fresh kernel to the last cell.

    Args:
        path: the notebook; it is not changed.
    """
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    with watched_memory() as peak:
        refresh.execute(notebook, folder=path.parent)
    seconds = time.perf_counter() - start
    return [Row(f"{path.stem}: time", seconds, 30, "s"), Row(f"{path.stem}: memory", peak[0] / 1e9, 2, "GB")]


def import_rows(repeats: int = 7) -> list[Row]:
    """Seconds of ``import course_utils``, the median of fresh processes.

    Raises:
        CourseError: the import drags a heavy package in.
    """
    seconds = []
    for _ in range(repeats):
        command = [sys.executable, "-c", IMPORT_PROBE]
        output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
        if output[1].strip():
            raise CourseError(f"`import course_utils` also loads {output[1]}: import it where it is needed.")
        seconds.append(float(output[0]))
    return [Row("import course_utils", statistics.median(seconds), 0.1, "s")]


def ensemble_rows() -> list[Row]:
    """The time of 32 seeds trained as one model, against one seed in the plain loop."""
    measured = importlib.import_module("course_utils.ensembles").benchmark()
    return [Row("32 seeds as one model / one seed", float(measured["ratio"]), 3, "x")]


def word2vec_rows() -> list[Row]:
    """Our word vectors against gensim's: the time of the same training, and how good its result is.

    A row's name shows speeds and scores as they are. A score is a mean over the seeds; for the ratio, gensim's is taken
    at the upper end of its 95 % interval, ours at the lower end. gensim has its default learning rate; what a chosen
    one changes, `word2vec.benchmark` says.
    """
    interval = importlib.import_module("course_utils.evidence").mean_interval
    rows = []
    for model, found in importlib.import_module("course_utils.word2vec").benchmark().items():
        speeds = "{:.1f} and {:.1f} M words/s".format(*found.speeds)
        rows.append(Row(f"{model}: our time / gensim's, {speeds}", found.ratio, 1, "x"))
        for name, scores in (("kinds", found.categories), ("synonyms", found.synonyms)):
            ours, others = map(interval, scores)
            worst = others.high / ours.low if ours.low > 0 else math.inf
            means = f"{others.mean:.2f} / {ours.mean:.2f}"
            rows.append(Row(f"{model}: gensim's default / ours, {name} {means}", worst, 1, "x"))
    return rows


def test_rows() -> list[Row]:
    """Seconds of the whole test command.

    Raises:
        CourseError: a test fails.
    """
    start = time.perf_counter()
    status = run_tests(["-q"])
    if status != 0:
        raise CourseError(f"The tests end with exit status {status}: repair them before timing them.")
    return [Row("the whole test command", time.perf_counter() - start, 480, "s")]


def copy_repository(target: Path) -> None:
    """Copy what git tracks, or would: a fresh clone of the work as it stands.

    Raises:
        CourseError: git is missing, or this is no repository.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise CourseError("--first-command copies what git tracks: run it in a clone of the course.") from error
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def answers(port: int, token: str) -> bool:
    """Whether a JupyterLab answers on this port."""
    address = f"http://{lab.LOOPBACK}:{port}/api/status?token={token}"
    with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(address, timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def first_command_rows(limit: float = 1800) -> list[Row]:
    """Seconds from a fresh copy, with no package cached, to a JupyterLab that answers; then the same again.

    Args:
        limit: give up after so many seconds.

    Raises:
        CourseError: the command ends before JupyterLab answers.
    """
    rows = []
    # The base Python: the course's own is what the command makes.
    python = getattr(sys, "_base_executable", sys.executable)
    with tempfile.TemporaryDirectory(prefix="course-first-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "course"
        copy_repository(copy)
        token, port = secrets.token_hex(16), lab.choose_port(None)
        variables = {
            **os.environ,
            "COURSE_HOME": str(Path(folder) / "home"),
            "JUPYTER_TOKEN": token,
            "PIP_NO_CACHE_DIR": "1",
            "UV_CACHE_DIR": str(Path(folder) / "cache"),
            "COURSE_ASSETS": str(Path(folder) / "assets"),
        }
        command = [python, "course.py", "lab", "--no-browser", "--port", str(port)]
        for name, budget in (("first command to JupyterLab", 180.0), ("second command to JupyterLab", 10.0)):
            start = time.perf_counter()
            server = subprocess.Popen(command, cwd=copy, env=variables)
            try:
                while not answers(port, token):
                    if server.poll() is not None or time.perf_counter() - start > limit:
                        raise CourseError("The command ended, or took too long, before JupyterLab answered.")
                    time.sleep(0.1)
                rows.append(Row(name, time.perf_counter() - start, budget, "s"))
            finally:
                if server.poll() is None:
                    server.send_signal(signal.SIGTERM)
                server.wait(30)
    return rows


def show(rows: Sequence[Row]) -> list[Row]:
    """Print rows as they come."""
    for row in rows:
        print(row, flush=True)
    return list(rows)


def main(arguments: list[str]) -> int:
    """The command: ``bench [--notebooks NN ...] [--tests] [--first-command]``; 1 when a budget is missed."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--notebooks", nargs="*", metavar="NN", help="only these; none given: no notebook")
    parser.add_argument("--tests", action="store_true", help="also time the whole test command")
    parser.add_argument("--first-command", action="store_true", help="also time the first command (downloads all)")
    options = parser.parse_args(arguments)
    names: list[str] | None = options.notebooks
    paths = notebook_files() if names is None else [find_notebook(name) for name in names]
    rows = show(import_rows())
    rows += show(ensemble_rows())
    rows += show(word2vec_rows())
    for path in paths:
        rows += show(notebook_rows(path))
    if options.tests:
        rows += show(test_rows())
    if options.first_command:
        rows += show(first_command_rows())
    missed = sum(not row.holds for row in rows)
    print(f"{len(rows) - missed} of {len(rows)} budgets are kept.")
    return int(missed > 0)
