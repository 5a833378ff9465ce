"""The course's door: makes the environment in .venv when it is needed, then runs a command in it.

    python3 course.py lab [NOTEBOOK]      open the course in JupyterLab
    python3 course.py test [NOTEBOOK]     run every test, or one notebook
    python3 course.py doctor              check this installation
    python3 course.py refresh NOTEBOOK    run a notebook and store its outputs
    python3 course.py bench               time the notebooks
    python3 course.py assets              fetch data and models that are missing

It needs Python 3.11, 3.12 or 3.13 and nothing else.
"""

import sys

# Everything in this file must parse on Python 3.6, so that an old one reaches this sentence.
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(
        "The course needs Python 3.11, 3.12 or 3.13 and this is Python "
        f"{sys.version_info[0]}.{sys.version_info[1]}: install one of them, "
        "then run it by name, for example `python3.12 course.py lab`."
    )

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from course_utils.installation import (
    LOCK,
    PYTHON,
    ROOT,
    VENV,
    WINDOWS,
    Trouble,
    follow,
    install,
    say,
    sizes,
    step,
    take,
    variables,
)

STAMP = VENV / "course-stamp.json"
COMMANDS = ("lab", "test", "doctor", "refresh", "bench", "assets", "lock")
ASSETS_STAMP = VENV / "course-assets.txt"
ASSETS_TABLE = ROOT / "course_utils" / "assets" / "table.py"
STAMP_FORMAT = 1  # raise it when environments made by an older course.py no longer do


def platform_kind() -> str:
    """The machine's kind as the lock's size lines name it.

    Raises:
        Trouble: torch is not built for such a machine.
    """
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    if sys.maxsize < 2**32:
        raise Trouble("This Python is a 32-bit one: install a 64-bit Python, then run the same command with it.")
    if (system, machine) == ("macos", "x86_64"):
        raise Trouble("PyTorch is no longer built for Macs with an Intel processor: open the course on Binder.")
    return f"{system}-{machine}"


def stamp() -> dict[str, object]:
    """What the environment depends on; a stored copy of it says that the environment is complete."""
    return {
        "format": STAMP_FORMAT,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "machine": platform.machine(),
        "project": str(ROOT),
        "lock": hashlib.sha256(LOCK.read_bytes()).hexdigest(),
    }


def stored_stamp() -> dict[str, object]:
    """The stamp of the environment that is there; empty when it is not complete or its Python is gone."""
    try:
        found = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and PYTHON.exists() else {}


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let one process at a time make the environment; the system frees the lock when a process dies."""
    with open(ROOT / ".venv.lock", "a+b") as file:
        waiting = False
        while not take(file):
            if not waiting:
                say("Another course.py is making the environment: waiting for it.")
            waiting = True
            time.sleep(0.5)
        yield


def make_environment() -> None:
    """Make .venv, or bring it up to date, unless its stamp says that it is complete.

    Raises:
        Trouble: something is missing; the sentence says what to do.
    """
    if stored_stamp() == stamp():
        return
    kind = platform_kind()
    with alone():
        old, new = stored_stamp(), stamp()
        if old == new:
            return
        # From here to the end an interruption leaves no stamp, and the next call starts afresh.
        STAMP.unlink(missing_ok=True)
        if old and {**old, "lock": None} == {**new, "lock": None}:
            say("The list of packages has changed: the environment is brought up to date.")
        else:
            if Path(sys.prefix).resolve() == VENV.resolve():
                raise Trouble("This Python is the one in .venv, which must be made anew: type `deactivate` first.")
            if importlib.util.find_spec("ensurepip") is None:
                raise Trouble(
                    "This Python cannot make environments: install its venv package (on Debian or Ubuntu "
                    "`sudo apt install python3-venv`), then run the same command again."
                )
            download, disk = (size / 1000 for size in sizes(kind))
            less = "; without a GPU less, where PyTorch's CPU build can be had" if "linux" in kind else ""
            say(f"The course gets its own environment in .venv: it downloads about {download:.1f} GB")
            say(f"and takes about {disk:.1f} GB of disk{less}.")
            if VENV.exists():
                say("  What is in .venv is incomplete, or of another Python or folder: it is replaced.")
            step(
                f"Python {new['python']} environment",
                [sys.executable, "-m", "venv", "--clear", VENV],
                variables(),
            )
        install(kind)
        temporary = STAMP.with_suffix(".tmp")
        temporary.write_text(json.dumps(new), encoding="utf-8")
        os.replace(temporary, STAMP)
        say("The environment is ready.")


def fetch_assets() -> None:
    """Fetch what the lessons need and the repository does not hold, once: from then on no network is needed.

    A failure is told in one sentence and tried again at the next call: most lessons work without.
    """
    wanted = hashlib.sha256(ASSETS_TABLE.read_bytes()).hexdigest()
    if ASSETS_STAMP.exists() and ASSETS_STAMP.read_text(encoding="utf-8") == wanted:
        return
    status, lines = follow("Data and models", [PYTHON, "-m", "course_utils", "assets"], variables())
    if status == 0:
        ASSETS_STAMP.write_text(wanted, encoding="utf-8")
    else:
        say(f"  Data and models: {lines[-1] if lines else 'they could not be fetched'}")


def hand_over(arguments: "list[str]") -> int:
    """Run a command of the course with the environment's Python.

    Args:
        arguments: the command and what follows it.

    Returns:
        Its exit status; on Linux and macOS this process becomes the command and nothing returns.
    """
    command = [str(PYTHON), "-m", "course_utils", *arguments]
    if not WINDOWS:
        os.execve(command[0], command, variables())
    process = subprocess.Popen(command, env=variables())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The command got it too, and ends in its own way.
            continue


def main(arguments: "list[str]") -> int:
    """Make the environment, then carry out one command.

    Args:
        arguments: the command and what follows it.

    Returns:
        The exit status.
    """
    for stream in (sys.stdout, sys.stderr):
        # An old Windows console may not know every sign: better a question mark than a crash.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    if not arguments or arguments[0] not in COMMANDS:
        say(__doc__)
        return 0 if arguments and arguments[0] in ("-h", "--help", "help") else 2
    try:
        make_environment()
        if arguments[0] not in ("assets", "lock"):
            fetch_assets()
        return hand_over(arguments)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
    except PermissionError as error:
        print(f"{error.filename} cannot be written: copy the course to a folder of your own.", file=sys.stderr)
    except OSError as error:
        print(f"The environment could not be made ({error}): repair that, then run it again.", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped: the same command starts again.", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
