"""Check this installation, and say in one sentence what to do about each thing that is not well."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from course_utils import assets
from course_utils.environment import ROOT, CourseError, course_home
from course_utils.lesson import whole_number

FREE_DISK_GB = 1.0
FREE_MEMORY_GB = 1.5
MAKE_AGAIN = "delete the folder .venv and run `python3 course.py doctor`"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        thing: what it is, in the words of the ✓ line: the same on every machine that is fine.
        advice: what to do; empty when all is well.
        detail: versions and sizes, for ``doctor --verbose``.
    """

    thing: str
    advice: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return f"✕ {self.thing}: {self.advice}" if self.advice else f"✓ {self.thing}"


def project() -> dict[str, object]:
    """The table ``[project]`` of pyproject.toml.

    Raises:
        CourseError: the package was installed without the repository.
    """
    try:
        table: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except OSError as error:
        raise CourseError("pyproject.toml is missing: run this in a copy of the course.") from error
    return table


def python_version() -> Finding:
    """Is Python one of the supported versions?"""
    wanted, version = str(project()["requires-python"]), ".".join(map(str, sys.version_info[:3]))
    well = version in SpecifierSet(wanted)
    advice = "" if well else f"it is {version} and must be {wanted}; install such a one and make .venv with it"
    return Finding("Python", advice, version)


def packages() -> Finding:
    """Is every package that the course imports there, in a version it was tried with?"""
    wrong, versions = [], []
    requirements = project()["dependencies"]
    assert isinstance(requirements, list)
    for requirement in map(Requirement, requirements):
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        versions.append(f"{requirement.name} {version}")
        # A local part, such as +cpu, names a build of the same version.
        if not requirement.specifier.contains(version.split("+")[0], prereleases=True):
            wrong.append(f"{requirement.name} is {version} and must be {requirement.specifier}")
    advice = f"{'; '.join(wrong)}; {MAKE_AGAIN}" if wrong else ""
    return Finding("Packages", advice, ", ".join(versions))


def torch_computes() -> Finding:
    """Does torch load, and multiply two matrices of whole numbers as Python does?"""
    thing = "PyTorch computes"
    try:
        import torch
    except Exception as error:
        # A damaged torch fails in many ways while it loads; all of them have the same cure.
        reason = str(error).splitlines() or [type(error).__name__]
        return Finding(thing, f"it does not load ({reason[0][:100]}); {MAKE_AGAIN}")
    a = torch.arange(48.0).reshape(6, 8)  # (6, 8)
    b = torch.arange(40.0).reshape(8, 5)  # (8, 5)
    expected = [[sum((8 * i + k) * (5 * k + j) for k in range(8)) for j in range(5)] for i in range(6)]
    well = (a @ b).tolist() == expected  # (6, 8) @ (8, 5) -> (6, 5)
    advice = "" if well else f"a product of two small matrices is wrong; {MAKE_AGAIN}"
    return Finding(thing, advice, f"build {torch.__version__}")


def settings() -> Finding:
    """Are the course's environment variables well formed?"""
    try:
        threads, seed = whole_number("COURSE_THREADS", 1, 1), whole_number("COURSE_SEED", 0, 0)
    except ValueError as error:
        return Finding("Settings", f"{error}; correct or remove the variable")
    return Finding("Settings", detail=f"{threads} thread(s) of {os.cpu_count()} cores, seed {seed}")


def memory() -> Finding:
    """Is there room for a lesson?"""
    import psutil

    free = psutil.virtual_memory().available / 1e9
    advice = "" if free >= FREE_MEMORY_GB else f"{free:.1f} GB are free, {FREE_MEMORY_GB} are needed; close programs"
    return Finding("Memory", advice, f"{free:.1f} GB free")


def learner_folder() -> Finding:
    """Can progress be kept, and is there disk for it?"""
    thing, home = "Folder for your progress", course_home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"progress")
        free = shutil.disk_usage(home).free / 1e9
    except OSError:
        return Finding(thing, f"{home} cannot be written; set COURSE_HOME to a folder of your own")
    advice = "" if free >= FREE_DISK_GB else f"{free:.1f} GB of disk are free at {home}; free {FREE_DISK_GB} GB"
    return Finding(thing, advice, f"{home}, {free:.0f} GB free")


def data_and_models() -> Finding:
    """Is everything there that the lessons need and the repository does not hold?"""
    missing = assets.absent()
    names = " and ".join(filter(None, (", ".join(missing[:-1]), *missing[-1:])))
    advice = f"{names} {'is' if len(missing) == 1 else 'are'} not there; type {assets.command()}" if missing else ""
    size = sum(asset.size for asset in assets.ASSETS if not asset.for_training and asset.name not in missing) / 1e6
    return Finding("Data and models", advice, f"{assets.cache()}, {size:.0f} MB")


def kernel() -> Finding:
    """Would a notebook run on this Python?"""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    thing = "Notebook kernel"
    try:
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Finding(thing, f"there is none named python3; {MAKE_AGAIN}")
    # Jupyter itself puts this Python where a kernel only says "python".
    plain = {"python", "python3", f"python3.{sys.version_info.minor}"}
    # A link may lead to the same program, but only the folder tells one environment from another.
    if program in plain or Path(program).parent == Path(sys.executable).parent:
        return Finding(thing, detail=program)
    return Finding(thing, f"notebooks would run on {program}; start them with `python3 course.py lab`")


CHECKS: tuple[Callable[[], Finding], ...] = (
    python_version,
    packages,
    torch_computes,
    settings,
    memory,
    learner_folder,
    data_and_models,
    kernel,
)


def examine() -> list[Finding]:
    """Look at everything, in order."""
    return [look() for look in CHECKS]


def check() -> None:
    """Print one line for each thing: ✓, or ✕ and what to do. On a machine that is fine it prints the same always."""
    for finding in examine():
        print(finding)


def main(arguments: list[str]) -> int:
    """The command: ``doctor [--verbose]``; exit status 1 when something is not well."""
    parser = argparse.ArgumentParser(prog="doctor", description=__doc__)
    parser.add_argument("--verbose", action="store_true", help="also print versions and sizes")
    options = parser.parse_args(arguments)
    findings = examine()
    for finding in findings:
        print(finding)
        if options.verbose and finding.detail:
            print(f"    {finding.detail}")
    return int(any(finding.advice for finding in findings))
