"""Stored outputs: the same file when nothing has changed, and none at all when something is wrong."""

import json
import os
import subprocess
import sys

import nbformat
import pytest

from course_utils import environment, refresh
from course_utils.environment import CourseError


def make_notebook(path, *sources, **metadata):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), *cells], metadata=metadata)
    nbformat.write(notebook, path)
    return path


def outputs(path):
    return [cell.outputs for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_a_second_run_gives_the_same_bytes(tmp_path):
    path = make_notebook(
        tmp_path / "01_x.ipynb",
        "print('a')\nprint('b')",
        "",
        "import ipywidgets\nipywidgets.IntSlider()",
        "import os\nprint(os.environ['COURSE_PROGRESS'], os.environ['TQDM_DISABLE'], os.environ.get('COURSE_SEED'))",
        course={"id": "01"},
        widgets={"state": {}},
        vscode={"x": 1},
    )
    assert "stored" in refresh.refresh(path)
    first = path.read_bytes()
    assert "unchanged" in refresh.refresh(path)
    assert path.read_bytes() == first
    notebook = nbformat.read(path, as_version=4)
    assert set(notebook.metadata) == {"course", "kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, None, 2, 3]
    assert code[0].outputs[0].text == "a\nb\n"
    assert list(code[2].outputs[0].data) == ["text/plain"]
    assert code[3].outputs[0].text == "off 1 None\n"
    assert all(cell.metadata == {} for cell in notebook.cells)
    # Nothing is left beside the notebook.
    assert os.listdir(tmp_path) in ([path.name], [path.name, "course-home"], ["course-home", path.name])


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import warnings\nwarnings.warn('old')", "stderr"),
        ("print('/srv/ada/model.pt')", "/srv/ada/model.pt"),
        ("import os\nos._exit(1)", "ends the kernel"),
    ],
)
def test_a_notebook_that_is_not_fit_is_left_as_it_was(tmp_path, source, sentence):
    path = make_notebook(tmp_path / "01_x.ipynb", "print(1)", source)
    before = path.read_bytes()
    with pytest.raises(CourseError, match=sentence):
        refresh.refresh(path)
    assert path.read_bytes() == before


def test_check_sees_a_change_and_stores_nothing(tmp_path, monkeypatch):
    path = make_notebook(tmp_path / "01_x.ipynb", "print(2)")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", name="stdout", text="3\n")]
    nbformat.write(notebook, path)
    before = path.read_bytes()
    with pytest.raises(CourseError, match="prints something else"):
        refresh.refresh(path, check=True)
    assert path.read_bytes() == before
    refresh.refresh(path)
    assert "prints what is stored" in refresh.refresh(path, check=True)


def cell_with(text):
    stream = nbformat.v4.new_output("stream", name="stdout", text=text)
    picture = nbformat.v4.new_output("display_data", data={"image/png": text, "text/plain": "Figure"})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[stream, picture], id="a")])


def test_only_measured_numbers_and_pictures_may_differ(tmp_path, monkeypatch):
    sanitizer = tmp_path / "sanitize.cfg"
    sanitizer.write_text("[measured]\nregex: ≈ [\\d.]+\nreplace: ≈ N\n", encoding="utf-8")
    monkeypatch.setattr(refresh, "SANITIZER", sanitizer)
    assert refresh.comparable(cell_with("≈ 0.5 of 3")) == refresh.comparable(cell_with("≈ 0.6 of 3"))
    assert refresh.comparable(cell_with("≈ 0.5 of 3")) != refresh.comparable(cell_with("≈ 0.5 of 4"))


def test_neighbouring_pieces_of_a_stream_are_joined_in_order():
    def stream(name, text):
        return nbformat.v4.new_output("stream", name=name, text=text)

    picture = nbformat.v4.new_output("display_data", data={"text/plain": "Figure"})
    merged = refresh.merged_streams([stream("stdout", "a"), stream("stdout", "b"), picture, stream("stdout", "c")])
    assert [output.get("text", "picture") for output in merged] == ["ab", "picture", "c"]


def test_a_cell_keeps_its_identity_and_one_without_gets_a_stable_one(tmp_path):
    path = make_notebook(tmp_path / "01_x.ipynb", "1")
    content = json.loads(path.read_text())
    content["nbformat_minor"] = 4
    for cell in content["cells"]:
        del cell["id"]
    path.write_text(json.dumps(content))
    refresh.refresh(path)
    first = [cell.id for cell in nbformat.read(path, as_version=4).cells]
    refresh.refresh(path)
    assert [cell.id for cell in nbformat.read(path, as_version=4).cells] == first
    assert len(set(first)) == 2


def test_private_text_is_seen_in_what_the_author_wrote():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("see /srv/ada/notes")])
    with pytest.raises(CourseError, match="/srv/ada/notes"):
        refresh.refuse_unfit(notebook)


def test_a_kill_in_mid_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "01_x.ipynb"
    path.write_text("old")
    program = (
        "import os, signal, sys; from pathlib import Path; from course_utils import refresh\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "refresh.store(Path(sys.argv[1]), 'new')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=environment.ROOT, check=False)
    assert done.returncode != 0
    assert path.read_text() == "old"


def test_a_store_keeps_the_files_permissions(tmp_path):
    path = tmp_path / "01_x.ipynb"
    path.write_text("old")
    path.chmod(0o640)
    refresh.store(path, "new\n")
    assert path.read_bytes() == b"new\n"
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o640


def test_the_command_answers_with_one_sentence(tmp_path):
    path = make_notebook(tmp_path / "x.ipynb", "1")
    command = [sys.executable, "-m", "course_utils", "refresh", str(path)]
    done = subprocess.run(command, cwd=environment.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "There is no notebook" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(path.read_text())["cells"]
