"""Fixtures of the browser tests: one server and one browser for the module, a fresh page for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser import server as surroundings
from browser.page import NotebookPage
from browser.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MISSING = "No Chromium-based browser is installed: install one, or name one in COURSE_BROWSER."


# Of a module, not of the session: while Playwright is open, an event loop runs that other tests must not meet.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    executable = surroundings.find_browser()
    if executable is None:
        # Where the course itself is tested, a browser that is missing is an error.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    with surroundings.browser(executable) as started:
        yield started


@pytest.fixture(scope="module")
def jupyter(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server; asks for the browser first, so that nothing is started in vain."""
    with surroundings.server(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def open_notebook(
    chromium: Browser, jupyter: Server, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], NotebookPage]]:
    """A function that opens a notebook by its file name; a screenshot of each is kept at the end."""
    kept = os.environ.get("COURSE_SCREENSHOTS", "").strip()
    screenshots = Path(kept).resolve() if kept else tmp_path / "screenshots"
    opened: list[NotebookPage] = []

    def opener(name: str) -> NotebookPage:
        page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
        opened.append(NotebookPage(page, jupyter, name, screenshots))
        opened[-1].open()
        return opened[-1]

    try:
        yield opener
    finally:
        for notebook in opened:
            notebook.close()
