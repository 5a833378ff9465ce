"""What a browser test needs around it: JupyterLab as a learner gets it, on copies, and a headless browser."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from course_utils import lab
from course_utils.environment import isolated_environment, notebook_files

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Server:
    """A JupyterLab that answers.

    Attributes:
        address: such as ``http://127.0.0.1:8888``.
        token: lets a browser in.
        notebooks: the folder it serves; notebooks may be changed and added.
        home: the learner's own folder, where progress is kept.
    """

    address: str
    token: str
    notebooks: Path
    home: Path


def find_browser() -> str | None:
    """The browser of this machine: ``COURSE_BROWSER``, or a Chromium by one of its names."""
    chosen = os.environ.get("COURSE_BROWSER", "").strip()
    return chosen or next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def browser(executable: str) -> Iterator[Browser]:
    """Start a headless browser, and end it whatever happens.

    Args:
        executable: from `find_browser`.
    """
    from playwright.sync_api import sync_playwright

    # Chromium refuses its sandbox to root, and in containers the tests often are.
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=[*ARGUMENTS, *root])
        try:
            yield started
        finally:
            started.close()


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Start JupyterLab with the lab command's own settings, and end it and its kernels whatever happens.

    Args:
        folder: an empty folder, for copies of the notebooks and for the learner's own folder.
    """
    notebooks, token = folder / "notebooks", secrets.token_hex(16)
    notebooks.mkdir()
    for file in notebook_files():
        shutil.copy(file, notebooks)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in isolated_environment(folder).items():
            patch.setenv(name, value)
        # What a learner has on: progress is kept, and long runs show their bars.
        patch.delenv("COURSE_PROGRESS")
        patch.delenv("TQDM_DISABLE")
        patch.setenv("JUPYTER_TOKEN", token)
        patch.setattr(lab, "NOTEBOOKS", notebooks)
        port = _free_port()
        arguments = lab.server_arguments(notebook_files()[0], port, browser=False)
        variables = lab.lab_environment(lab.settings_folder())
    command = [sys.executable, "-m", "jupyterlab", *arguments, "--LabApp.expose_app_in_browser=True"]
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=notebooks, env=variables, stdout=stream, stderr=stream)
        try:
            address = f"http://{lab.LOOPBACK}:{port}"
            _wait_for(f"{address}/api/status?token={token}", process, log)
            yield Server(address, token, notebooks, Path(variables["COURSE_HOME"]))
        finally:
            _end(process)


def _free_port() -> int:
    """A port of the loopback address that nobody uses."""
    with closing(socket.socket()) as probe:
        probe.bind((lab.LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path, *, seconds: float = 60) -> None:
    """Ask until the server answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            late = time.monotonic() > deadline
            if late or process.poll() is not None:
                words = log.read_text(encoding="utf-8", errors="replace")
                pytest.fail(f"JupyterLab {'does not answer' if late else 'has ended'}:\n{words}")
            time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server; it ends its kernels. Whatever of them is still there after that is killed."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
    for child in psutil.wait_procs(family, timeout=2)[1]:
        child.kill()
