"""Places, isolation, and the three files that name the packages."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from course_utils import environment, lock
from course_utils.environment import CourseError

ROOT = environment.ROOT
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
LOCKED = (ROOT / "requirements.lock").read_text(encoding="utf-8")
CONDA = (ROOT / "environment.yml").read_text(encoding="utf-8")


def test_the_three_lists_of_packages_agree():
    assert lock.drift(PROJECT, LOCKED, CONDA) == []


@pytest.mark.parametrize(
    ("project", "locked", "conda"),
    [
        (PROJECT.replace('"tqdm>=4.67"', '"tqdm>=99"'), LOCKED, CONDA),
        (PROJECT.replace('"tqdm>=4.67"', '"tqdm>=4.67",\n    "new-package>=1"'), LOCKED, CONDA),
        (PROJECT.replace('    "tqdm>=4.67",\n', ""), LOCKED, CONDA),
        (PROJECT.replace(">=3.11,<3.14", ">=3.13,<3.14"), LOCKED, CONDA),
        (PROJECT, re.sub(r"(?m)^psutil==\S+", "psutil==99.0", LOCKED), CONDA),
        (PROJECT, LOCKED.replace("\npytest==", "\nother=="), CONDA),
        (PROJECT, LOCKED, re.sub(r"torch==\S+", "torch==2.14.0", CONDA)),
        (PROJECT, LOCKED, re.sub(r" +- ruff==\S+\n", "", CONDA)),
        (PROJECT, LOCKED, CONDA.replace("      - -e .\n", "")),
        (PROJECT, LOCKED, CONDA.replace("python=3.12", "python=3.10")),
    ],
    ids=["range", "new", "removed", "python", "pin", "missing pin", "conda pin", "conda list", "no course", "conda"],
)
def test_a_drift_of_any_of_them_is_seen(project, locked, conda):
    assert (project, locked, conda) != (PROJECT, LOCKED, CONDA)
    assert lock.drift(project, locked, conda)


def test_the_lock_has_hashes_and_names_no_address():
    assert "://" not in LOCKED + CONDA
    entries = re.split(r"\n(?=\w)", LOCKED.split("\n", 1)[1])
    entries = [entry for entry in entries if not entry.startswith("#")]
    assert len(entries) > 100
    assert all("--hash=sha256:" in entry for entry in entries)


def test_python_range_is_the_same_everywhere():
    wanted = SpecifierSet(tomllib.loads(PROJECT)["project"]["requires-python"])
    door = (ROOT / "course.py").read_text(encoding="utf-8")
    low, high = re.search(r"\((3, \d+)\) <= sys.version_info\[:2\] <= \((3, \d+)\)", door).groups()
    supported = [f"3.{minor}" for minor in range(8, 20) if f"3.{minor}" in wanted]
    assert [supported[0], supported[-1]] == [low.replace(", ", "."), high.replace(", ", ".")]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(version in readme for version in supported)


def test_ci_calls_the_command_of_the_readme():
    assert "python3 course.py test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "python3 course.py test" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_lock_takes_the_newest_fitting_python():
    assert lock.pins(
        "a==1 ; python_full_version < '3.12' \\\n    --hash=x\na==2 ; python_full_version >= '3.12' \\\n"
    ) == {"a": "2"}


def test_a_wheel_is_chosen_for_python_and_platform():
    names = [
        "cp311-cp311-manylinux_2_28_x86_64",
        "cp312-cp312-manylinux_2_28_x86_64",
        "cp312-cp312t-win_amd64",
        "py3-none-any",
    ]
    package = {"name": "p", "wheels": [{"url": f"p-1-{name}.whl"} for name in names]}
    assert lock.wheel_for(package, "linux-x86_64") == "p-1-cp312-cp312-manylinux_2_28_x86_64.whl"
    assert lock.wheel_for(package, "windows-x86_64") == "p-1-py3-none-any.whl"
    assert lock.wheel_for({**package, "marker": "sys_platform == 'win32'"}, "linux-x86_64") is None
    with pytest.raises(CourseError, match="p has no wheel for macos"):
        lock.wheel_for({"name": "p", "wheels": package["wheels"][:3]}, "macos-aarch64")


@pytest.fixture
def lessons(tmp_path, monkeypatch):
    for name in ("00_start_here", "01_overfitting"):
        (tmp_path / f"{name}.ipynb").write_text("{}")
    monkeypatch.setattr(environment, "NOTEBOOKS", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["01", "1", "01_overfitting", "01_overfitting.ipynb"])
def test_a_notebook_is_found_by_number_and_name(lessons, name):
    assert environment.find_notebook(name) == lessons / "01_overfitting.ipynb"


def test_a_notebook_is_found_by_path(lessons, monkeypatch):
    monkeypatch.chdir(lessons.parent)
    assert environment.find_notebook(f"{lessons.name}/00_start_here.ipynb") == lessons / "00_start_here.ipynb"


def test_an_unknown_notebook_is_answered_with_the_list(lessons):
    with pytest.raises(CourseError, match=r"'07'.*00_start_here, 01_overfitting"):
        environment.find_notebook("07")


def test_a_notebook_outside_the_course_is_refused(lessons, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "01_overfitting_old.ipynb"
    other.write_text("{}")
    with pytest.raises(CourseError):
        environment.find_notebook(str(other))


def test_without_notebooks_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "NOTEBOOKS", tmp_path / "none")
    with pytest.raises(CourseError, match="copy of the course"):
        environment.notebook_files()


def test_isolation_drops_the_learners_settings_and_keeps_the_seed(tmp_path, monkeypatch):
    for name in ("JUPYTER_PATH", "IPYTHONDIR", "MPLBACKEND", "PYTHONPATH", "COURSE_MODELS", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "odd")
    monkeypatch.setenv("COURSE_SEED", "3")
    variables = environment.isolated_environment(tmp_path)
    assert "odd" not in variables.values()
    assert variables["COURSE_SEED"] == "3"
    assert variables["COURSE_PROGRESS"] == "off"
    assert variables["TQDM_DISABLE"] == "1"
    assert variables["COURSE_HOME"].startswith(str(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        *(f"saved in /{top}/ada/x.pt" for top in environment.TOP_FOLDERS.split("|")),
        "at C:\\Users",
        "'/tmp/model'",
        f"{ROOT}/x",
        str(Path.home() / "a"),
    ],
)
def test_traces_of_a_machine_are_seen(text):
    assert environment.private_text(text)


@pytest.mark.parametrize("text", ["loss/val 1/2", "notebooks/01.ipynb", "</tmp>", "N:\\ no", "a / b", "≈ 0.5 / 0.6"])
def test_ordinary_text_is_no_trace(text):
    assert environment.private_text(text) is None


def test_the_users_name_is_a_trace(monkeypatch):
    monkeypatch.setattr(environment.getpass, "getuser", lambda: "ada1815")
    assert environment.private_text("made by ada1815.") == "ada1815"
    assert environment.private_text("made by ada1815x.") is None
