"""Comparing stored outputs notices what matters: a notebook is broken in many ways, each red or green as said.

Two copies of one notebook run under nbval with the project's own settings: one as it was stored, one whose code was
changed after its outputs were stored. Each cell of the second copy is one experiment.
"""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest

from course_utils import refresh

ROOT = Path(__file__).resolve().parents[1]

SETUP = "from course_utils import evidence, plots\nfrom course_utils.evidence import Interval, approx, claim, exceeds"
FIGURE = (
    "figure, (axes,) = plots.canvas()\n"
    "axes.plot([1, 2, 3], [1, 4, 9], label='squares')\n"
    "plots.label(axes, x='side', y='area', title='Areas')\n"
    "plots.show(figure, alt='A curve that rises.', runs={'squares': 'rising'})"
)
TABLE = "evidence.table(['n', 'shape', 'error'], [[1, '(3, 4)', Interval(0.5, 0.1, 9)]])"
VERDICT = "from course_utils.practice.verdict import Status, Verdict\nVerdict(Status.CORRECT, 'The sum is right.')"

#: What is broken: the stored code, what is replaced in it and by what, and whether that must go red.
BREAKS: dict[str, tuple[str, str, str, bool]] = {
    "an exact number": ("print('sum =', 1 + 2)", "+ 2", "+ 3", True),
    "the last digit of an exact number": ("print(2 / 3)", "2 / 3", "0.6666666666666667", True),
    "a shape": ("print((3, 4))", "4", "5", True),
    "an accuracy without the sign": ("print('accuracy 0.87')", "0.87", "0.88", True),
    "the sentence of a claim": ("claim(True, 'a beats b')", "a beats b", "b beats a", True),
    "a claim that no longer holds": ("claim(exceeds([2.0, 2.1], 1.0), 'more than 1')", "1.0)", "3.0)", True),
    "a claim that is gone": ("claim(True, 'a beats b')", "claim", "bool; (lambda *_: None)", True),
    "a measured number": ("print('error', approx(0.8734))", "0.8734", "-12345", False),
    "the width of an interval": ("print(approx(Interval(0.87, 0.02, 9)))", "0.02", "0.3", False),
    "the unit of a measured number": ("print(approx(3.2, unit='s'))", "'s'", "'ms'", True),
    "the sign of a measured number": ("print(approx(0.87))", "approx(0.87)", "0.87", True),
    "an interval that is gone": ("print(approx(Interval(0.87, 0.02, 9)) + '.')", "+ '.'", "+ ' on 9 seeds.'", True),
    "an exact cell of a table": (TABLE, "(3, 4)", "(4, 3)", True),
    "a heading of a table": (TABLE, "'error'", "'loss'", True),
    "a measured cell of a table": (TABLE, "0.5, 0.1", "0.7, 0.03", False),
    "the label of an axis": (FIGURE, "x='side'", "x='edge'", True),
    "the title of a figure": (FIGURE, "Areas", "Lengths", True),
    "the legend of a figure": (FIGURE, "label='squares'", "label='cubes'", True),
    "the number of points of a curve": (FIGURE, "[1, 2, 3], [1, 4, 9]", "[1, 2], [1, 4]", True),
    "the alt text of a figure": (FIGURE, "that rises", "that falls", True),
    "which way a curve runs": (FIGURE, "[1, 4, 9]", "[9, 4, 1]", True),
    # Pictures are not compared: how high a curve must be is held by a claim beside it.
    "the height of a curve": (FIGURE, "[1, 4, 9]", "[2, 8, 18]", False),
    "the verdict of a check": (VERDICT, "Status.CORRECT", "Status.NOT_YET", True),
    "one output more": ("print(1)", "print(1)", "print(1)\n1", True),
    "one output less": ("print(1)\n2", "\n2", "", True),
    "a cell that raises": ("print(1)", "print(1)", "print(1)\n1 / 0", True),
    "a warning": ("print(1)", "print(1)", "print(1)\nimport warnings; warnings.warn('look out')", True),
}


def stored(path: Path) -> nbformat.NotebookNode:
    """A notebook with one cell for each experiment, its outputs stored as the course stores them."""
    sources = [SETUP, *(code for code, *_ in BREAKS.values())]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    refresh.execute(notebook, folder=ROOT)
    refresh.normalise(notebook)
    nbformat.write(notebook, path)
    return notebook


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, bool]]:
    """For both copies: whether each cell failed."""
    folder = tmp_path_factory.mktemp("regression")
    notebook = stored(folder / "whole.ipynb")
    for cell, (code, old, new, _) in zip(notebook.cells[1:], BREAKS.values()):
        assert old in code
        cell.source = code.replace(old, new)
    nbformat.write(notebook, folder / "broken.ipynb")
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", f"--rootdir={ROOT}", f"--confcutdir={folder}", "-c", "pyproject.toml"]
    command += ["-n=0", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    results: dict[str, dict[int, bool]] = {"whole": {}, "broken": {}}
    for case in ElementTree.parse(report).iter("testcase"):
        place = f"{case.get('classname')} {case.get('file')}"
        name = "whole" if "whole" in place else "broken"
        number = int(str(case.get("name")).rsplit(maxsplit=1)[-1])
        results[name][number] = case.find("failure") is not None or case.find("error") is not None
    return results


def test_unbroken_notebook_is_green(failed: dict[str, dict[int, bool]]) -> None:
    assert failed["whole"] == dict.fromkeys(range(len(BREAKS) + 1), False)


@pytest.mark.parametrize("kind", BREAKS)
def test_break(failed: dict[str, dict[int, bool]], kind: str) -> None:
    red = BREAKS[kind][3]
    assert failed["broken"][list(BREAKS).index(kind) + 1] is red
