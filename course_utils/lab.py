"""Open the course in JupyterLab: on this machine only, with its own settings, nothing fetched."""

from __future__ import annotations

import argparse
import json
import os
import socket
from pathlib import Path

from course_utils.environment import NOTEBOOKS, CourseError, clean_environment, course_home, find_notebook

START = "00_start_here"
FIRST_PORT = 8888
LOOPBACK = "127.0.0.1"

# No notice of news or new versions, and no shop of extensions: nothing is fetched from outside.
SETTINGS = {
    "labconfig/page_config.json": {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}},
    "jupyter_lab_config.json": {"LabApp": {"news_url": None}},
}
QUIET = (
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
    # Ctrl-C ends the server without a question.
    "--ServerApp.answer_yes=True",
)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name != "nt":
            # As the server does: a port that a server has just left counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_port(wanted: int | None) -> int:
    """The port to serve on.

    Args:
        wanted: the learner's choice; None takes 8888, or the next free one and says so.

    Raises:
        CourseError: the chosen port is taken, or none is free.
    """
    if wanted is not None:
        if not 1 <= wanted <= 65535:
            raise CourseError(f"Port {wanted} does not exist: choose one from 1024 to 65535.")
        if not is_free(wanted):
            raise CourseError(
                f"Port {wanted} cannot be used, most likely because a program is using it: choose another, "
                f"such as --port {min(wanted + 1, 65535)}, or leave --port out."
            )
        return wanted
    for port in range(FIRST_PORT, FIRST_PORT + 100):
        if is_free(port):
            if port != FIRST_PORT:
                print(f"Port {FIRST_PORT} is taken: the course uses {port}.", flush=True)
            return port
    raise CourseError("No port from 8888 to 8987 is free: name one with --port.")


def settings_folder() -> Path:
    """The course's own JupyterLab settings; the learner's choices (theme, shortcuts) are kept in it.

    Raises:
        CourseError: it cannot be written.
    """
    folder = course_home() / "jupyter"
    try:
        (folder / "labconfig").mkdir(parents=True, exist_ok=True)
        for name, content in SETTINGS.items():
            (folder / name).write_text(json.dumps(content), encoding="utf-8")
    except OSError as error:
        raise CourseError(f"The folder {folder} cannot be written: set COURSE_HOME to a folder of your own.") from error
    return folder


def server_arguments(notebook: Path, port: int, *, browser: bool = True) -> list[str]:
    """JupyterLab's command line for the course.

    Args:
        notebook: what the browser shows first.
        port: a free port.
        browser: open a browser.
    """
    arguments = [
        f"--ServerApp.root_dir={NOTEBOOKS}",
        f"--ServerApp.ip={LOOPBACK}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.open_browser={browser}",
        f"--LabApp.default_url=/lab/tree/{notebook.name}",
        *QUIET,
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # In a container the learner often is root; the server answers to this machine only.
        arguments.append("--ServerApp.allow_root=True")
    return arguments


def lab_environment(settings: Path) -> dict[str, str]:
    """Variables for the server: the learner's other Jupyter settings and kernels stay out of the way.

    Args:
        settings: the course's own settings folder.
    """
    token = os.environ.get("JUPYTER_TOKEN")
    return {
        **clean_environment(),
        **({"JUPYTER_TOKEN": token} if token else {}),
        "JUPYTER_CONFIG_DIR": str(settings),
        "JUPYTER_DATA_DIR": str(settings / "data"),
        "IPYTHONDIR": str(settings / "ipython"),
    }


def main(arguments: list[str]) -> int:
    """The command: ``lab [NOTEBOOK] [--port N] [--no-browser]``."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("notebook", nargs="?", default=START, help=f"a number, a name or a path ({START})")
    parser.add_argument("--port", type=int, help=f"default: {FIRST_PORT}, or the next free one")
    parser.add_argument("--no-browser", action="store_true", help="only serve, and print the address")
    options = parser.parse_args(arguments)
    notebook = find_notebook(options.notebook)
    port = choose_port(options.port)
    variables = lab_environment(settings_folder())
    os.environ.clear()
    os.environ.update(variables)

    # Imported late: Jupyter reads its folders from the environment while it loads.
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(server_arguments(notebook, port, browser=not options.no_browser))
    return 0
