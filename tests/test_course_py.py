"""The door: environment making is driven with stand-ins for pip and uv, so that nothing is downloaded."""

import ast
import collections
import importlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import course
from course_utils import installation
from course_utils.installation import Trouble

ROOT = Path(course.__file__).parent
SOURCES = [ROOT / "course.py", ROOT / "course_utils" / "installation.py"]
posix = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


def test_it_parses_on_python_3_6():
    ast.parse(SOURCES[0].read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13), (3, 14, 0)])
def test_another_python_gets_one_sentence(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SOURCES[0]), run_name="__main__")
    assert re.fullmatch(rf"The course needs Python 3.11.*this is Python 3\.{version[1]}: install .*\.", stop.value.code)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_needs_the_standard_library_only_and_names_no_address(path):
    source = path.read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(source)))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    foreign = {name for name in modules if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign <= {"course_utils.installation"}
    assert "://" not in source


@pytest.mark.parametrize("arguments", [[], ["lap"]])
def test_an_unknown_command_shows_the_commands_and_makes_nothing(monkeypatch, capsys, arguments):
    monkeypatch.setattr(course, "make_environment", lambda: pytest.fail("made an environment"))
    assert course.main(arguments) == 2
    assert "course.py lab" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("system", "machine", "maxsize", "expected"),
    [
        ("linux", "x86_64", 2**63 - 1, "linux-x86_64"),
        ("linux", "aarch64", 2**63 - 1, "linux-aarch64"),
        ("darwin", "arm64", 2**63 - 1, "macos-aarch64"),
        ("win32", "AMD64", 2**63 - 1, "windows-x86_64"),
        ("darwin", "x86_64", 2**63 - 1, "Intel"),
        ("win32", "x86", 2**31 - 1, "32-bit"),
    ],
)
def test_platforms(monkeypatch, system, machine, maxsize, expected):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(sys, "maxsize", maxsize)
    monkeypatch.setattr(course.platform, "machine", lambda: machine)
    if "-" in expected and "bit" not in expected:
        assert course.platform_kind() == expected
        download, disk = installation.sizes(expected)
        assert 100 < download < disk < 20_000
    else:
        with pytest.raises(Trouble, match=expected):
            course.platform_kind()


def test_the_lock_is_cut_at_the_right_places():
    uv, rest = installation.locked(re.compile("uv$")), installation.locked(re.compile("uv$"), keep=False)
    assert re.findall(r"(?m)^[\w.-]+==", uv) == ["uv=="]
    assert "--hash=sha256:" in uv
    whole = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert sorted((uv + rest).splitlines()) == sorted(line for line in whole.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("error: No space left on device (os error 28)", "disk is full"),
        ("Hash mismatch for `torch==2.15.0`", "lock names"),
        ("dns error: failed to lookup address", "connect to the internet"),
        ("after connection broken by NameResolutionError", "connect to the internet"),
        ("Resolved 192 packages in 20ms", "lines above"),
        ("Permission denied (os error 13)", "cannot be written"),
        ("something else", "lines above"),
    ],
)
def test_an_installers_failure_becomes_one_sentence(said, sentence):
    assert sentence in installation.explain(collections.deque(["Downloading", said]))


def test_a_full_disk_is_seen_before_the_download(tmp_path, monkeypatch):
    monkeypatch.setattr(installation, "VENV", tmp_path)
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(3 * 10**9))
    installation.check_disk(2900, tmp_path / "cache")
    with pytest.raises(Trouble, match=r"7.0 GB are needed, 3.0 GB are free"):
        installation.check_disk(7000, tmp_path / "cache")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder whose environment is made by stand-ins that only take notes."""
    (tmp_path / "requirements.lock").write_text("a==1\n")
    python = tmp_path / ".venv" / "bin" / "python"
    notes = []
    for name, path in {
        "ROOT": tmp_path,
        "VENV": tmp_path / ".venv",
        "LOCK": tmp_path / "requirements.lock",
        "PYTHON": python,
    }.items():
        monkeypatch.setattr(course, name, path)
        monkeypatch.setattr(installation, name, path)
    monkeypatch.setattr(course, "STAMP", tmp_path / ".venv" / "course-stamp.json")

    def step(title, command, variables):
        notes.append("venv")
        assert "--clear" in command
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text("")

    monkeypatch.setattr(course, "step", step)
    monkeypatch.setattr(course, "install", lambda kind: notes.append("install"))
    monkeypatch.setattr(course, "platform_kind", lambda: "linux-x86_64")
    return tmp_path, notes


def test_a_second_call_does_nothing(project):
    _, notes = project
    course.make_environment()
    course.make_environment()
    assert notes == ["venv", "install"]


def test_a_changed_lock_updates_in_place(project):
    folder, notes = project
    course.make_environment()
    (folder / "requirements.lock").write_text("a==2\n")
    course.make_environment()
    assert notes == ["venv", "install", "install"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, Trouble("no network"), OSError("disk")])
def test_an_interrupted_environment_is_made_again(project, monkeypatch, failure):
    _, notes = project

    def fail(kind):
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(course, "install", fail)
        with pytest.raises((KeyboardInterrupt, Trouble, OSError)):
            course.make_environment()
    course.make_environment()
    assert notes == ["venv", "venv", "install"]


def test_an_interrupted_update_is_made_again(project, monkeypatch):
    folder, notes = project
    course.make_environment()
    (folder / "requirements.lock").write_text("a==2\n")
    with monkeypatch.context() as patch:
        patch.setattr(course, "install", lambda kind: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            course.make_environment()
    # Even with the old lock back: what is in .venv may be half of the new one.
    (folder / "requirements.lock").write_text("a==1\n")
    course.make_environment()
    assert notes == ["venv", "install", "venv", "install"]


@pytest.mark.parametrize("change", ["python gone", "moved", "other python", "stamp cut"])
def test_an_environment_that_no_longer_fits_is_made_again(project, change):
    _, notes = project
    course.make_environment()
    if change == "python gone":
        course.PYTHON.unlink()
    elif change == "stamp cut":
        course.STAMP.write_text(course.STAMP.read_text()[:20])
    else:
        stamp = json.loads(course.STAMP.read_text())
        stamp.update({"moved": {"project": "elsewhere"}, "other python": {"python": "3.1"}}[change])
        course.STAMP.write_text(json.dumps(stamp))
    course.make_environment()
    assert notes == ["venv", "install"] * 2


def test_a_python_without_venv_gets_one_sentence(project, monkeypatch, capsys):
    monkeypatch.setattr(course.importlib.util, "find_spec", lambda name: None)
    assert course.main(["lab"]) == 1
    said = capsys.readouterr().err
    assert "python3-venv" in said
    assert len(said.splitlines()) == 1


def test_two_first_calls_wait_for_each_other(project, capsys):
    _, notes = project
    with course.alone():
        other = threading.Thread(target=course.make_environment)
        other.start()
        other.join(timeout=1)
        assert other.is_alive()
        assert notes == []
    other.join(timeout=10)
    assert notes == ["venv", "install"]
    assert "waiting" in capsys.readouterr().out


@pytest.fixture
def assets_stamp(tmp_path, monkeypatch):
    """A table of assets and a place for the note that they are there; what course.py runs is taken down."""
    (tmp_path / "table.py").write_text("one\n")
    monkeypatch.setattr(course, "ASSETS_TABLE", tmp_path / "table.py")
    monkeypatch.setattr(course, "ASSETS_STAMP", tmp_path / "stamp.txt")
    runs, answers = [], []

    def follow(title, command, variables):
        runs.append(command[1:])
        return answers.pop(0) if answers else (0, collections.deque())

    monkeypatch.setattr(course, "follow", follow)
    return tmp_path, runs, answers


def test_data_and_models_are_fetched_once_and_again_when_the_table_changes(assets_stamp):
    folder, runs, _ = assets_stamp
    course.fetch_assets()
    course.fetch_assets()
    assert runs == [["-m", "course_utils", "assets"]]
    (folder / "table.py").write_text("two\n")
    course.fetch_assets()
    assert len(runs) == 2


def test_without_data_and_models_the_course_still_opens(assets_stamp, monkeypatch, capsys):
    _, runs, answers = assets_stamp
    sentence = "wordnet is not on this machine: connect to the internet, then type `python3 course.py assets`."
    answers += [(1, collections.deque(["fetching", sentence])), (1, collections.deque())]
    handed = []
    monkeypatch.setattr(course, "make_environment", lambda: None)
    monkeypatch.setattr(course, "hand_over", lambda arguments: handed.append(arguments) or 0)
    assert course.main(["lab", "04"]) == 0
    assert capsys.readouterr().out == f"  Data and models: {sentence}\n"
    # The next call tries again; a failure without a word is said, too.
    assert course.main(["lab", "04"]) == 0
    assert "could not be fetched" in capsys.readouterr().out
    assert course.main(["lab", "04"]) == 0
    assert len(runs) == 3
    assert handed == [["lab", "04"]] * 3


@pytest.mark.parametrize("command", ["assets", "lock"])
def test_some_commands_fetch_nothing_first(assets_stamp, monkeypatch, command):
    monkeypatch.setattr(course, "make_environment", lambda: None)
    monkeypatch.setattr(course, "hand_over", lambda arguments: 0)
    assert course.main([command]) == 0
    assert assets_stamp[1] == []


STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "{notes}"
case "$*" in
  "pip compile"*)
    {compile}
    for last; do previous="$out"; out="$last"; done
    printf 'torch==2.15.0+cpu --hash=sha256:0\\ntorchvision==0.29.2+cpu --hash=sha256:0\\n' > "$previous";;
esac
"""


def stand_ins(folder, monkeypatch, *, compile):
    """Put scripts in the place of python and uv; they write down how they are called."""
    notes = folder / "notes.txt"
    program = STAND_IN.format(notes=notes, compile=compile)
    for name in ("python", "uv"):
        path = folder / ".venv" / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(program)
        path.chmod(0o755)
    packages = (
        "torch==2.15.0",
        "torchvision==0.29.2",
        "torchmetrics==1.9.0",
        "triton==3.9.0",
        "nvidia-nccl-cu13==2.30.7",
    )
    lines = [f"{package} \\\n    --hash=sha256:0" for package in (*packages, "cuda-toolkit==13.2.2", "uv==1.0")]
    (folder / "requirements.lock").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(installation, "CPU_PAIR", folder / ".venv" / "course-torch-cpu.txt")
    return notes


@posix
def test_the_cpu_build_is_taken_where_its_index_answers(project, monkeypatch):
    folder, _ = project
    notes = stand_ins(folder, monkeypatch, compile=":")
    monkeypatch.setattr(installation, "has_gpu", lambda: False)
    installation.install("linux-x86_64")
    calls = notes.read_text().splitlines()
    sync = next(call for call in calls if "pip sync" in call)
    assert "--torch-backend cpu" in sync
    assert "--require-hashes" in sync
    assert sync.endswith("course-packages.txt " + str(installation.CPU_PAIR))
    kept = re.findall(r"(?m)^[\w-]+(?===)", (folder / ".venv" / "course-packages.txt").read_text())
    assert kept == ["torchmetrics", "uv"]
    # A second installation asks no index again for the pair that is already locked.
    notes.unlink()
    installation.install("linux-x86_64")
    assert "compile --" not in notes.read_text().replace("--compile-bytecode", "")


@posix
@pytest.mark.parametrize(("gpu", "compile"), [(False, "exit 2"), (True, ":")])
def test_the_ordinary_build_is_taken_otherwise(project, monkeypatch, gpu, compile):
    folder, _ = project
    notes = stand_ins(folder, monkeypatch, compile=compile)
    monkeypatch.setattr(installation, "has_gpu", lambda: gpu)
    installation.install("linux-x86_64")
    sync = next(call for call in notes.read_text().splitlines() if "pip sync" in call)
    assert "torch-backend" not in sync
    assert sync.endswith(str(folder / "requirements.lock"))
    assert ("pip compile" in notes.read_text()) is not gpu


@posix
def test_without_uv_pip_installs_all(project, monkeypatch):
    folder, _ = project
    notes = stand_ins(folder, monkeypatch, compile=":")
    (folder / ".venv" / "bin" / "uv").unlink()
    installation.install("linux-x86_64")
    calls = notes.read_text().splitlines()
    assert all(call.startswith("python -m pip install") for call in calls)
    assert calls[1].endswith("course-packages.txt")
    assert "-e" in calls[2].split()


@posix
def test_pips_mirror_is_used_by_uv(project, monkeypatch):
    folder, _ = project
    script = folder / ".venv" / "bin" / "python"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\necho \"global.index-url='mirror'\"\necho \":env:.find-links='a b'\"\n")
    script.chmod(0o755)
    for name in installation.UV_NAMES.values():
        monkeypatch.delenv(name, raising=False)
    found = installation.mirror_settings()
    assert (found["UV_DEFAULT_INDEX"], found["UV_FIND_LINKS"]) == ("mirror", "a,b")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "own")
    assert "UV_DEFAULT_INDEX" not in installation.mirror_settings()
    # Another environment, as conda makes it, has a pip of its own.
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    other = folder / "python"
    other.write_text("#!/bin/sh\necho \"global.index-url='another'\"\n")
    other.chmod(0o755)
    assert installation.mirror_settings(other)["UV_DEFAULT_INDEX"] == "another"


@posix
def test_command_and_exit_status_pass_through_in_a_folder_with_a_space(tmp_path):
    folder = tmp_path / "my course"
    (folder / "course_utils").mkdir(parents=True)
    for name in ("course.py", "requirements.lock", "course_utils/__init__.py", "course_utils/installation.py"):
        shutil.copy(ROOT / name, folder / name)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\nexit 7\n')
    python.chmod(0o755)
    (folder / "course_utils" / "assets").mkdir()
    (folder / "course_utils" / "assets" / "table.py").write_text("")
    write = (
        "import course, hashlib; course.STAMP.write_text(course.json.dumps(course.stamp()));"
        "course.ASSETS_STAMP.write_text(hashlib.sha256(b'').hexdigest())"
    )
    subprocess.run([sys.executable, "-c", write], cwd=folder, check=True)
    command = [sys.executable, folder / "course.py", "test", "a b", "--port=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "-m course_utils test a b --port=1\n")


def test_import_of_the_package_stays_light():
    probe = (
        "import sys, course_utils.installation; print(sorted({'numpy', 'torch', 'platformdirs'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert importlib.import_module("course_utils").__name__ == "course_utils"
