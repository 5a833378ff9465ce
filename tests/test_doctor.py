"""The doctor: quiet and always the same on a healthy machine, one useful sentence on another."""

import collections
import json
import sys
import types

import psutil
import pytest

from course_utils import doctor


def test_a_healthy_machine_prints_the_same_lines_without_numbers(capsys):
    doctor.check()
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "✓ Python",
        "✓ Packages",
        "✓ PyTorch computes",
        "✓ Settings",
        "✓ Memory",
        "✓ Folder for your progress",
        "✓ Data and models",
        "✓ Notebook kernel",
    ]


def test_the_command_shows_versions_only_when_asked(capsys):
    assert doctor.main([]) == 0
    assert "torch" not in capsys.readouterr().out
    assert doctor.main(["--verbose"]) == 0
    assert "torch 2" in capsys.readouterr().out


def test_trouble_gives_status_1_and_advice(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_THREADS", "many")
    assert doctor.main([]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("✕"))
    assert "COURSE_THREADS" in line
    assert "many" in line


def test_python_out_of_range(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 1))
    assert "3.14.1" in doctor.python_version().advice


def test_missing_and_old_packages(monkeypatch):
    def version(name):
        if name == "tqdm":
            raise doctor.metadata.PackageNotFoundError
        return {"torch": "1.0+cpu", "torchvision": "0.29.2+cpu"}.get(name, "999")

    monkeypatch.setattr(doctor.metadata, "version", version)
    advice = doctor.packages().advice
    assert "tqdm is missing" in advice
    assert "torch is 1.0+cpu" in advice
    # A local part names a build, not another version.
    assert "torchvision" not in advice


def test_a_torch_that_does_not_load(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "does not load" in doctor.torch_computes().advice


def test_a_torch_that_computes_wrong(monkeypatch):
    import torch

    broken = types.SimpleNamespace(arange=lambda stop: torch.arange(stop) + 1, __version__="0")
    monkeypatch.setitem(sys.modules, "torch", broken)
    assert "is wrong" in doctor.torch_computes().advice


def test_little_memory(monkeypatch):
    memory = collections.namedtuple("memory", "available")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(5e8))
    assert "0.5 GB are free" in doctor.memory().advice


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    assert "set COURSE_HOME" in doctor.learner_folder().advice


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (["wordnet"], "wordnet is not there; type `"),
        (["wordnet", "tagger", "minilm"], "wordnet, tagger and minilm are not there; type `"),
    ],
)
def test_missing_data(monkeypatch, missing, said):
    monkeypatch.setattr(doctor.assets, "absent", lambda: missing)
    advice = doctor.data_and_models().advice
    assert advice.startswith(said)
    assert advice.endswith(" assets`")


def test_a_full_disk(monkeypatch):
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: usage(1e8))
    assert "0.1 GB of disk" in doctor.learner_folder().advice


def test_a_kernel_of_another_environment(tmp_path, monkeypatch):
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {"argv": [str(tmp_path / "other" / "python"), "-m", "x"], "display_name": "x", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert "course.py lab" in doctor.kernel().advice


@pytest.mark.parametrize("finding", [doctor.Finding("A"), doctor.Finding("A", "do b")])
def test_a_finding_is_one_line(finding):
    assert str(finding) in ("✓ A", "✕ A: do b")
