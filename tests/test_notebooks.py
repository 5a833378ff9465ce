"""What a reader may expect of every stored notebook: its parts, its metadata, and outputs that are fit to publish."""

from __future__ import annotations

import ast
import getpass
import importlib
import itertools
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "notebooks").glob("*.ipynb"))
NUMBERS = [path.name[:2] for path in FILES]

each_notebook = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)

#: The parts that end every lesson, in this order.
LAST_PARTS = ("Myth check", "Quiz", "Recap", "Peer session", "For the teacher", "References")
SLIDE_TYPES = {"slide", "subslide", "fragment", "skip", "notes", "-"}
EXEMPT = {"nbval-ignore-output", "nbval-skip"}
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/~-])/(?:home|Users|root|tmp|var|private|usr|opt|mnt|srv)/\w|\b[A-Z]:\\\w")
PROGRESS_BAR = re.compile(r"\d+%\|| ?it/s\b|s/it\b|[█▏▎▍▌▋▊▉]")


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def outputs(path: Path) -> list[Any]:
    return [output for cell in code_cells(path) for output in cell.outputs]


def headings(path: Path) -> list[tuple[int, str]]:
    """Level and text of each heading; lines in code blocks are no headings."""
    found = []
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
            found += [(len(marks), title.strip()) for marks, title in re.findall(r"^(#+) (.+)$", text, re.MULTILINE)]
    return found


def words(path: Path) -> list[str]:
    """All text of a notebook: sources and outputs, without pictures."""
    texts = [cell.source for cell in read(path).cells]
    for output in outputs(path):
        texts += [output.get("text", "")]
        texts += [str(value) for kind, value in output.get("data", {}).items() if not kind.startswith("image/")]
    return texts


def exercises(path: Path) -> Any:
    return importlib.import_module(f"course_utils.practice.lesson_{path.name[:2]}").EXERCISES


def test_there_are_notebooks() -> None:
    if not FILES:
        pytest.skip("no notebook is written yet: nothing below was tested")
    assert len(set(NUMBERS)) == len(NUMBERS)


@each_notebook
def test_format_and_kernel(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata["kernelspec"] == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert set(notebook.metadata) <= {"course", "kernelspec", "language_info", "rise"}
    assert path.stat().st_size < 1_500_000


@each_notebook
def test_metadata_of_the_course(path: Path) -> None:
    course = read(path).metadata["course"]
    assert set(course) == {"id", "title", "minutes", "prerequisites", "objectives"}
    assert course["id"] == path.name[:2]
    assert isinstance(course["minutes"], int)
    assert 30 <= course["minutes"] <= 90
    assert all(other in NUMBERS and other < course["id"] for other in course["prerequisites"])
    assert len(course["objectives"]) >= 3
    for objective in course["objectives"]:
        assert set(objective) == {"text", "exercise"}
        assert objective["text"].strip()
    assert {objective["exercise"] for objective in course["objectives"]} <= {task.number for task in exercises(path)}


@each_notebook
def test_title_promise_and_objectives_open_the_lesson(path: Path) -> None:
    first, course = read(path).cells[0], read(path).metadata["course"]
    assert first.source.startswith(f"# {course['id']} · {course['title']}\n")
    for objective in course["objectives"]:
        assert objective["text"].rstrip(".") in first.source
        assert objective["exercise"] in first.source
    assert f"{course['minutes']} min" in first.source


@each_notebook
def test_setup_is_the_first_code_cell_and_prints_one_line(path: Path) -> None:
    cell = code_cells(path)[0]
    assert f'lesson.start("{path.name[:2]}")' in cell.source
    assert [output.text.count("\n") for output in cell.outputs] == [1]


@each_notebook
def test_headings_go_down_one_level_at_a_time(path: Path) -> None:
    levels = [level for level, _ in headings(path)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    titles = [title for _, title in headings(path)]
    assert len(set(titles)) == len(titles)


@each_notebook
def test_all_parts_are_there_in_order(path: Path) -> None:
    titles = [title for _, title in headings(path)]
    places = []
    for part in LAST_PARTS:
        (place,) = [i for i, title in enumerate(titles) if title.startswith(part)]
        places.append(place)
    assert places == sorted(places)
    cards = [i for i, title in enumerate(titles) if title.startswith("Exercise ")]
    assert [titles[i].split()[1] for i in cards] == [task.number for task in exercises(path)]
    assert max(cards) < places[0]
    sources = "\n".join(cell.source for cell in code_cells(path))
    for needed in ("predict(", ".recall(", "claim(", "Explorer(", "plots.show(", "QUIZ"):
        assert needed in sources


@each_notebook
def test_every_cell_belongs_to_a_slide(path: Path) -> None:
    for cell in read(path).cells:
        assert cell.metadata.get("slideshow", {}).get("slide_type") in SLIDE_TYPES, cell.source[:60]


@each_notebook
def test_every_prediction_is_recalled_before_the_next(path: Path) -> None:
    open_ones: dict[str, str] = {}
    items = []
    sources = [cell.source for cell in code_cells(path)]
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            call = node.value if isinstance(node, ast.Assign) else None
            if isinstance(call, ast.Call) and isinstance(node, ast.Assign) and ast.unparse(call.func) == "predict":
                name, item = ast.unparse(node.targets[0]), ast.literal_eval(call.args[0])
                assert name not in open_ones, f"{open_ones[name]} is not recalled"
                open_ones[name] = item
                items.append(item)
        for name in re.findall(r"\b(\w+)\.recall\(", source):
            open_ones.pop(name)
    assert not open_ones
    assert len(set(items)) == len(items) == len(re.findall(r"(?<![\w.])predict\(", "\n".join(sources)))
    assert all(item.startswith(f"{path.name[:2]}.") for item in items)


@each_notebook
def test_cells_ran_once_from_top_to_bottom(path: Path) -> None:
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_no_error_warning_or_progress_bar_is_stored(path: Path) -> None:
    for output in outputs(path):
        assert output.output_type != "error", output.get("evalue")
        assert output.get("name") != "stderr", output.get("text")
    for text in words(path):
        assert not PROGRESS_BAR.search(text), text[:200]
        assert "Warning:" not in text, text[:200]


@each_notebook
def test_no_place_or_user_of_one_machine_is_named(path: Path) -> None:
    user = getpass.getuser()
    for text in words(path):
        assert not ABSOLUTE_PATH.search(text), text[:200]
        assert str(ROOT) not in text
        assert str(Path.home()) not in text
        if len(user) > 4:
            assert not re.search(rf"\b{re.escape(user)}\b", text), text[:200]


@each_notebook
def test_nearly_every_output_is_compared(path: Path) -> None:
    with_outputs = [cell for cell in code_cells(path) if cell.outputs]
    exempt = [
        cell
        for cell in with_outputs
        if EXEMPT & set(cell.metadata.get("tags", [])) or re.search(r"#\s*NBVAL_(IGNORE_OUTPUT|SKIP)", cell.source)
    ]
    assert len(exempt) <= 0.1 * len(with_outputs)
    assert not any("raises-exception" in cell.metadata.get("tags", []) for cell in code_cells(path))


@each_notebook
def test_every_picture_has_alt_text_and_words_that_are_compared(path: Path) -> None:
    pictures = [output for output in outputs(path) if "image/png" in output.get("data", {})]
    assert pictures
    for output in pictures:
        assert len(output.metadata["image/png"]["alt"].strip()) >= 20
        assert output.data["text/plain"].startswith("Figure: ")
    for text in (cell.source for cell in read(path).cells if cell.cell_type == "markdown"):
        assert all(alt.strip() for alt in re.findall(r"!\[([^\]]*)\]\(", text))
    # What nobody hands to plots.show() has neither.
    assert not any("plt.show(" in cell.source for cell in code_cells(path))


@each_notebook
def test_no_other_cell_uses_the_name_of_an_exercise(path: Path) -> None:
    # Not even one above it: after the stub has run, a slider that is moved would call the stub.
    names = {task.name for task in exercises(path)}
    for cell in code_cells(path):
        if not re.search(r"^check\.\w+\(\w+\)$", cell.source, re.MULTILINE):
            used = {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}
            assert not used & names, cell.source[:80]


@each_notebook
def test_stored_checks_are_those_of_the_untouched_stub(path: Path) -> None:
    shown = [
        output.data["text/plain"]
        for cell in code_cells(path)
        if re.search(r"^check\.\w+\(\w+\)$", cell.source, re.MULTILINE)
        for output in cell.outputs
        if output.output_type != "stream"  # what a stub prints of its own
    ]
    assert len(shown) == len(exercises(path))
    assert all(text.startswith("◻ not attempted") for text in shown)


@each_notebook
def test_cells_are_short(path: Path) -> None:
    lengths = [
        sum(bool(line.strip()) for line in cell.source.splitlines())
        for cell in code_cells(path)
        if not re.search(r"^check\.\w+\(\w+\)$", cell.source, re.MULTILINE)
    ]
    assert max(lengths) <= 40
    assert sorted(lengths)[len(lengths) // 2] <= 12
