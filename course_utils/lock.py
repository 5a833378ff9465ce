"""Renew requirements.lock and environment.yml from pyproject.toml; the lock's head says how much it downloads."""

from __future__ import annotations

import argparse
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from course_utils.environment import ROOT, CourseError

LOCK = ROOT / "requirements.lock"
CONDA = ROOT / "environment.yml"
UV_OPTIONS = ("--universal", "--no-annotate", "--no-header", "--python-version", "3.11")

# Platform kind: marker variables, and how the platform part of a fitting wheel's name looks.
PLATFORMS: dict[str, tuple[dict[str, str], str]] = {
    "linux-x86_64": (
        {
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": "x86_64",
            "os_name": "posix",
        },
        r"manylinux\w*_x86_64",
    ),
    "linux-aarch64": (
        {
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": "aarch64",
            "os_name": "posix",
        },
        r"manylinux\w*_aarch64",
    ),
    "macos-aarch64": (
        {
            "sys_platform": "darwin",
            "platform_system": "Darwin",
            "platform_machine": "arm64",
            "os_name": "posix",
        },
        r"macosx_\w+_(arm64|universal2)",
    ),
    "windows-x86_64": (
        {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"},
        r"win_amd64",
    ),
}
PYTHON = {"python_version": "3.12", "python_full_version": "3.12.0", "implementation_name": "cpython"}

# The CPU build of torch lies on an index of its own, which need not answer here. Its wheel is about as large as the
# ordinary one for Windows, which has no CUDA in it either: that one's size stands for it.
GPU_PACKAGES = re.compile(r"(nvidia|cuda)-|triton$")
# Megabytes on disk for one downloaded, byte code included: measured on Linux with all packages (6.9 GB), and without
# torch's CUDA libraries (2.3 GB), which are nearly all that hardly shrinks when it is packed.
UNPACKED_WITH_CUDA, UNPACKED = 2.1, 5.1


def compile_lock() -> str:
    """Resolve pyproject.toml for all platforms and Pythons at once.

    Returns:
        The lock's text: each package with its hashes, no address.

    Raises:
        CourseError: uv is missing, or could not resolve.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "requirements.lock"
        if LOCK.exists():
            # uv keeps the versions that it finds in its output file, as long as they still fit.
            shutil.copy(LOCK, output)
        groups = ["--group", "test", "--group", "setup"]
        options = ["--fork-strategy", "fewest", "--generate-hashes", *UV_OPTIONS]
        uv("pip", "compile", *options, "pyproject.toml", *groups, "-o", str(output))
        lines = output.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#")) + "\n"


def uv(*arguments: str) -> None:
    """Run this environment's uv in the repository.

    Raises:
        CourseError: it is missing or fails.
    """
    command = [sys.executable, "-m", "uv", *arguments, "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CourseError(f"uv {' '.join(arguments[:2])} failed: {done.stderr.strip()[-600:]}")


def wheel_for(package: dict[str, Any], platform: str) -> str | None:
    """The address of the wheel that a platform with Python 3.12 takes.

    Args:
        package: an entry of a pylock file.
        platform: one of `PLATFORMS`.

    Returns:
        The address, or None where the package is not needed there.

    Raises:
        CourseError: the package is needed but has no fitting wheel.
    """
    variables, pattern = PLATFORMS[platform]
    marker = package.get("marker")
    if marker and not Marker(marker).evaluate({**PYTHON, **variables}):
        return None
    fitting = re.compile(
        rf"-(cp312-(cp312|abi3|none)|cp3\d+-abi3|py\d[.\w]*-none)-([\w.]*\b{pattern}\b[\w.]*|any)\.whl$"
    )
    addresses = [str(wheel["url"]) for wheel in package.get("wheels", []) if fitting.search(wheel["url"])]
    if not addresses:
        raise CourseError(f"{package['name']} has no wheel for {platform}.")
    # The one made for this Python and platform goes before the general one.
    return min(addresses, key=lambda address: ("-any." in address, "-cp312-cp312-" not in address, address))


def bytes_of(address: str) -> int:
    """How large a file of the registry is."""
    with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=30) as answer:
        return int(answer.headers["Content-Length"])


def download_sizes(lock: str) -> dict[str, float]:
    """Megabytes to download for each kind of platform.

    Args:
        lock: the lock's text.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "requirements.txt", Path(folder) / "pylock.toml"
        source.write_text(lock, encoding="utf-8")
        uv("pip", "compile", "--format", "pylock.toml", *UV_OPTIONS, str(source), "-o", str(output))
        packages = tomllib.loads(output.read_text(encoding="utf-8"))["packages"]
    chosen = {
        platform: {package["name"]: wheel_for(package, platform) for package in packages} for platform in PLATFORMS
    }
    addresses = sorted({address for wheels in chosen.values() for address in wheels.values() if address})
    with ThreadPoolExecutor(8) as pool:
        size = dict(zip(addresses, pool.map(bytes_of, addresses), strict=True))
    megabytes = {
        platform: {name: size[address] / 1e6 for name, address in wheels.items() if address}
        for platform, wheels in chosen.items()
    }
    without_gpu = {name: value for name, value in megabytes["linux-x86_64"].items() if not GPU_PACKAGES.match(name)}
    pair = {name: megabytes["windows-x86_64"][name] for name in ("torch", "torchvision")}
    totals = {platform: sum(values.values()) for platform, values in megabytes.items()}
    return {**totals, "linux-cpu": sum({**without_gpu, **pair}.values())}


def head(sizes: dict[str, float]) -> str:
    """The lock's first lines; course.py reads the sizes from them.

    Args:
        sizes: megabytes to download for each kind of platform.
    """
    lines = ["# Made by `python -m course_utils lock` from pyproject.toml; not to be edited by hand."]
    for kind, megabytes in sizes.items():
        with_cuda = kind.startswith("linux") and kind != "linux-cpu"
        disk = megabytes * (UNPACKED_WITH_CUDA if with_cuda else UNPACKED)
        lines.append(f"# size {kind}: {megabytes:.0f} MB to download, {disk:.0f} MB on disk")
    return "\n".join(lines) + "\n"


def pins(lock: str, platform: str = "linux-x86_64") -> dict[str, str]:
    """Names and versions that a lock gives to one platform with Python 3.12.

    Args:
        lock: the lock's text.
        platform: one of `PLATFORMS`.
    """
    entries = (Requirement(line.rstrip(" \\")) for line in re.findall(r"(?m)^[\w.-]+==.*$", lock))
    variables = {**PYTHON, **PLATFORMS[platform][0]}
    return {
        entry.name: str(entry.specifier).removeprefix("==")
        for entry in entries
        if entry.marker is None or entry.marker.evaluate(variables)
    }


def conda_file(project: str, lock: str) -> str:
    """The text of environment.yml, for conda and Binder.

    pip takes no hashes beside an editable project, so only the course's own packages are pinned there.

    Args:
        project: the text of pyproject.toml.
        lock: the lock's text.
    """
    tables = tomllib.loads(project)
    wanted = [*tables["project"]["dependencies"], *tables["dependency-groups"]["test"]]
    version = pins(lock)
    names = sorted(Requirement(entry).name for entry in wanted)
    return "\n".join(
        [
            "# For conda and Binder: `conda env create -f environment.yml`, then `python -m course_utils lab`.",
            "# Made by `python -m course_utils lock`; not to be edited by hand.",
            "name: deep-learning-that-generalizes",
            "channels:",
            "  - conda-forge",
            "  - nodefaults",
            "dependencies:",
            f"  - python={PYTHON['python_version']}",
            "  - pip",
            "  - pip:",
            *(f"      - {name}=={version[name]}" for name in names),
            "      - -e .",
            "",
        ]
    )


def drift(project: str, lock: str, conda: str) -> list[str]:
    """Where pyproject.toml, requirements.lock and environment.yml no longer say the same.

    Args:
        project: the text of pyproject.toml.
        lock: the text of requirements.lock.
        conda: the text of environment.yml.

    Returns:
        One sentence for each difference.
    """
    tables = tomllib.loads(project)
    version = pins(lock)
    found = []
    for entry in [*tables["project"]["dependencies"], *itertools.chain(*tables["dependency-groups"].values())]:
        requirement = Requirement(entry)
        pin = version.get(requirement.name)
        if pin is None or pin not in requirement.specifier:
            found.append(f"pyproject.toml wants {requirement} and requirements.lock has {pin}")
    if PYTHON["python_version"] not in SpecifierSet(tables["project"]["requires-python"]):
        found.append(f"environment.yml is made for Python {PYTHON['python_version']}, which pyproject.toml excludes")
    if not found and conda != conda_file(project, lock):
        found.append("environment.yml is not what the other two make of it")
    return found


def main(arguments: list[str]) -> int:
    """The command: ``lock``."""
    argparse.ArgumentParser(prog="lock", description=__doc__).parse_args(arguments)
    lock = compile_lock()
    sizes = download_sizes(lock)
    LOCK.write_text(head(sizes) + lock, encoding="utf-8", newline="\n")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    CONDA.write_text(conda_file(project, lock), encoding="utf-8", newline="\n")
    print(head(sizes), end="")
    return 0
