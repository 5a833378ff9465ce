"""The commands of the course: ``python -m course_utils lab | test | refresh | doctor | bench | assets | lock``."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path

from course_utils.environment import ROOT, CourseError, find_notebook, isolated_environment

COMMANDS = {
    "lab": "open the course in JupyterLab: lab [NOTEBOOK] [--port N] [--no-browser]",
    "test": "run every test and every notebook: test [NOTEBOOK] [pytest's options]",
    "doctor": "check this installation: doctor [--verbose]",
    "refresh": "run a notebook and store its outputs: refresh NOTEBOOK|all [--check]",
    "bench": "time the notebooks and the package: bench [--notebooks NN ...] [--tests] [--first-command]",
    "assets": "fetch data and models that are missing: assets [NAME ...] [--list] [--check]",
    "lock": "renew requirements.lock after a change of pyproject.toml",
}


def usage() -> str:
    """The list of commands."""
    lines = [f"  {name:8}{text}" for name, text in COMMANDS.items()]
    return "\n".join(["usage: python -m course_utils COMMAND", *lines])


def run_tests(arguments: list[str]) -> int:
    """Run pytest once over tests and notebooks, undisturbed by the learner's own settings.

    Args:
        arguments: a notebook to test alone (``01``), then whatever pytest takes.

    Returns:
        pytest's exit status.
    """
    if arguments and not arguments[0].startswith("-") and not Path(arguments[0]).exists():
        name, _, rest = arguments[0].partition("::")
        notebook = str(find_notebook(name))
        # One notebook is one worker's work: the second one would only cost its start.
        arguments = [f"{notebook}::{rest}" if rest else notebook, "-n", "0", *arguments[1:]]
    # On Windows a kernel that is just ending may still hold a file of the folder.
    with tempfile.TemporaryDirectory(prefix="course-test-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "pytest", *arguments]
        variables = isolated_environment(Path(folder))
        return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode


def main(arguments: list[str]) -> int:
    """Carry out one command.

    Args:
        arguments: the command and what follows it.

    Returns:
        The exit status: 0 when all is well, 1 for one sentence of trouble, 2 for an unknown command.
    """
    for stream in (sys.stdout, sys.stderr):
        # A Windows console may not know ✓ or ≈: better a question mark than a crash.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    command, *rest = arguments
    if command not in COMMANDS:
        print(f"There is no command {command!r}.\n{usage()}", file=sys.stderr)
        return 2
    try:
        if command == "test":
            return run_tests(rest)
        status: int = importlib.import_module(f"course_utils.{command}").main(rest)
        return status
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
