"""The benchmark: each promise has a budget, and a missed one fails the command."""

import math
import subprocess
import sys

import nbformat
import psutil
import pytest

from course_utils import bench, ensembles, word2vec
from course_utils.environment import CourseError


@pytest.mark.parametrize(("value", "holds"), [(1.0, True), (2.0, True), (2.01, False), (math.nan, False)])
def test_a_row_compares_with_its_budget(value, holds):
    row = bench.Row("x", value, 2, "s")
    assert row.holds is holds
    assert str(row).startswith("✓" if holds else "✕")


def test_a_missed_budget_fails_the_command(monkeypatch, capsys):
    monkeypatch.setattr(bench, "import_rows", lambda: [bench.Row("x", 1, 2, "s")])
    monkeypatch.setattr(bench, "ensemble_rows", lambda: [bench.Row("y", 3, 2, "x")])
    monkeypatch.setattr(bench, "word2vec_rows", list)
    assert bench.main(["--notebooks"]) == 1
    assert "1 of 2 budgets" in capsys.readouterr().out
    monkeypatch.setattr(bench, "ensemble_rows", list)
    assert bench.main(["--notebooks"]) == 0


def test_the_package_imports_within_its_budget():
    (row,) = bench.import_rows(3)
    assert row.holds, row


def test_a_heavy_import_is_refused(monkeypatch):
    probe = bench.IMPORT_PROBE.replace("import course_utils", "import numpy")
    monkeypatch.setattr(bench, "IMPORT_PROBE", probe)
    with pytest.raises(CourseError, match="numpy"):
        bench.import_rows(1)


def test_the_ensembles_ratio_is_read(monkeypatch):
    monkeypatch.setattr(ensembles, "benchmark", lambda: {"ratio": 2.5}, raising=False)
    (row,) = bench.ensemble_rows()
    assert (row.value, row.budget) == (2.5, 3)


def test_word_vectors_are_held_against_gensims_at_the_ends_of_the_intervals(monkeypatch):
    ours, others = [0.4, 0.42, 0.44], [0.3, 0.35, 0.4]
    found = word2vec.Comparison((2.0, 1.0), 0.5, (ours, others), ([0.1, 0.3, 0.2], [0.1, 0.1, 0.1]))
    monkeypatch.setattr(word2vec, "benchmark", lambda: {"cbow": found})
    time, kinds, synonyms = bench.word2vec_rows()
    assert (time.value, time.budget, time.holds) == (0.5, 1, True)
    # Half an interval is 4.303 (Student's t of 3 values) · standard deviation / √3.
    worst = (0.35 + 4.303 * 0.05 / 3**0.5) / (0.42 - 4.303 * 0.02 / 3**0.5)
    assert kinds.value == pytest.approx(worst, abs=1e-3)
    assert not kinds.holds
    # An interval that reaches below 0 shows nothing.
    assert synonyms.value == math.inf
    assert "2.0 and 1.0 M words/s" in str(time)
    assert "gensim's default / ours, synonyms 0.10 / 0.20" in str(synonyms)


def test_memory_of_child_processes_is_seen():
    program = "x = bytearray(300_000_000); import time; time.sleep(0.5)"
    with bench.watched_memory() as peak:
        subprocess.run([sys.executable, "-c", program], check=True)
    # For a moment a new process shows the memory of the one that starts it.
    own = psutil.Process().memory_info().rss
    assert 3e8 < peak[0] < max(4e8, 1.5 * own)


def test_a_notebook_is_timed_and_left_alone(tmp_path):
    path = tmp_path / "01_x.ipynb"
    source = "import time\nx = bytearray(200_000_000)\ntime.sleep(0.5)"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), path)
    before = path.read_bytes()
    seconds, memory = bench.notebook_rows(path)
    assert 0.5 < seconds.value < 30
    assert 0.2 < memory.value < 2
    assert path.read_bytes() == before
    # A kernel that lived on would be counted as memory of the next notebook.
    assert not [child for child in psutil.Process().children(recursive=True) if "ipykernel_launcher" in child.cmdline()]
