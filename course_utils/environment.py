"""Where things lie, and the same calm surroundings for every notebook that is tested, stored or timed."""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"

# A learner's own settings of these would change what a notebook prints or which kernel runs it.
UNWANTED_PREFIXES = ("JUPYTER", "JPY_", "IPYTHON")
UNWANTED = ("MPLBACKEND", "MATPLOTLIBRC", "PYTHONSTARTUP", "PYTHONWARNINGS", "COURSE_MODELS")

GENERIC_USERS = {"root", "user", "admin", "runner", "jovyan", "learner", "student", "teacher", "test"}
TOP_FOLDERS = "home|Users|root|tmp|var|private|usr|opt|mnt|srv"
ABSOLUTE_PATH = re.compile(rf"""(?<![\w.~/-])/(?:{TOP_FOLDERS})/[^\s'"<>]+|\b[A-Z]:\\\w+""")


class CourseError(Exception):
    """What is wrong and what to do, in one sentence; the command line prints it without a traceback."""


def course_home() -> Path:
    """The folder for what belongs to the learner, such as progress and settings.

    Returns:
        ``COURSE_HOME`` where it is set, else the system's usual place.
    """
    chosen = os.environ.get("COURSE_HOME", "").strip()
    return Path(chosen or platformdirs.user_data_dir("deep-learning-that-generalizes", appauthor=False))


def notebook_files() -> list[Path]:
    """All lessons, in order.

    Raises:
        CourseError: the notebooks are not there, because only the package was installed.
    """
    files = sorted(NOTEBOOKS.glob("*.ipynb"))
    if not files:
        raise CourseError("There are no notebooks beside the package: run this in a copy of the course.")
    return files


def find_notebook(name: str) -> Path:
    """The notebook that someone means.

    Args:
        name: a number (``"01"`` or ``"1"``), a name (``"01_overfitting"``), or a path.

    Raises:
        CourseError: there is none, or the path leads outside the notebooks folder.
    """
    files = notebook_files()
    path = Path(name)
    number = name.zfill(2) if name.isdigit() else None
    for file in files:
        if file.name.split("_")[0] == number or name in (file.name, file.stem):
            return file
        if path.exists() and path.resolve() == file.resolve():
            return file
    known = ", ".join(file.stem for file in files)
    raise CourseError(f"There is no notebook {name!r}: choose one of {known}.")


def clean_environment() -> dict[str, str]:
    """This process's variables without those that would let a learner's other installations interfere.

    The repository comes first on the module path: with two clones of the course, each runs its own code.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in UNWANTED and not name.startswith(UNWANTED_PREFIXES)
    }
    # Packages of the user's home folder would shadow those of a conda environment.
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONNOUSERSITE": "1", "JUPYTER_PREFER_ENV_PATH": "1"}


def isolated_environment(folder: Path) -> dict[str, str]:
    """Variables under which a notebook prints the same on every machine; tests and stored outputs share them.

    Args:
        folder: an empty folder; it takes the place of every settings and data folder of the user.

    Returns:
        A full environment for a child process. ``COURSE_SEED`` and ``COURSE_THREADS`` pass through.
    """
    return {
        **clean_environment(),
        "COURSE_HOME": str(folder / "course"),
        "COURSE_PROGRESS": "off",
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter-data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "jupyter-runtime"),
        "TQDM_DISABLE": "1",
    }


def private_text(text: str, folder: Path | None = None) -> str | None:
    """The first trace of one person's machine in a text: an absolute path, or the user's name.

    Args:
        text: what would be published.
        folder: one more folder that must not appear.

    Returns:
        The trace, or None.
    """
    for place in filter(None, (folder, ROOT, Path.home())):
        # A home such as "/" or "/root" is covered by the pattern; as a bare text it would match too much.
        if len(place.parts) > 2 and str(place) in text:
            return str(place)
    found = ABSOLUTE_PATH.search(text)
    if found:
        return found.group()
    user = getpass.getuser()
    if len(user) > 3 and user not in GENERIC_USERS and re.search(rf"\b{re.escape(user)}\b", text):
        return user
    return None
