"""One notebook in JupyterLab in a browser: what a learner does there, and whatever goes wrong meanwhile."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from browser.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page

#: Seconds for a step that a learner would call "at once", on a machine that is busy with other tests.
SOON = 30.0
#: Seconds for all cells of a lesson.
RUN = 240.0

# What only the kernel says: an exception in a widget's callback reaches no cell, but it passes here.
LISTEN = r"""() => {
    const panel = window.jupyterapp.shell.currentWidget;
    // Before the kernel knows any widget, JupyterLab asks it for them. It copes, and no learner sees the answer.
    const early = /^No such comm( target registered: jupyter\.widget\.control|: [0-9a-f-]+)\s*$/;
    window.kernelSaid = [];
    panel.sessionContext.iopubMessage.connect((_, message) => {
        const {content, header} = message;
        if (header.msg_type === "error")
            window.kernelSaid.push(`kernel: ${content.ename}: ${content.evalue}`);
        if (header.msg_type === "stream" && content.name === "stderr" && (window.allRan || !early.test(content.text)))
            window.kernelSaid.push(`stderr: ${content.text}`);
    });
    panel.content.widgets.forEach(cell => { cell.node.dataset.cell = cell.model.id; });
}"""
READY = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    return panel?.content?.widgets?.length > 0 && panel.sessionContext?.session?.kernel?.status === "idle";
}"""
RUN_ALL = """() => {
    window.allRan = false;
    window.jupyterapp.commands.execute("notebook:run-all-cells").finally(() => { window.allRan = true; });
}"""
COUNT = "id => window.jupyterapp.shell.currentWidget.content.widgets.find(c => c.model.id === id).model.executionCount"


class NotebookPage:
    """A notebook on a page of its own.

    Args:
        page: an empty page.
        server: where the notebook is served.
        name: file name of the notebook.
        screenshots: where pictures are kept.
    """

    def __init__(self, page: Page, server: Server, name: str, screenshots: Path) -> None:
        self.page = page
        self.server = server
        self.name = name
        self.screenshots = screenshots
        self._complaints: list[str] = []
        page.set_default_timeout(SOON * 1000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._complaints.append(f"page: {error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complaints.append(f"console: {message.text} ({message.location.get('url', '')})")

    def open(self) -> None:
        """Show the notebook and wait for its kernel."""
        self.page.goto(f"{self.server.address}/lab/tree/{self.name}?token={self.server.token}&reset")
        self.page.wait_for_function(READY)
        self.page.evaluate(LISTEN)

    def close(self) -> None:
        """Keep a last screenshot, say what went wrong, end the kernel, and close the page."""
        try:
            self.screenshot("end")
            # pytest shows it below a test that failed: often it is why the test waited in vain.
            print(*self.complaints(), sep="\n")
            self.page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
        finally:
            self.page.context.close()

    def screenshot(self, moment: str) -> None:
        """Keep what is on the screen as ``NOTEBOOK-MOMENT.png``."""
        self.page.screenshot(path=self.screenshots / f"{Path(self.name).stem}-{moment}.png")

    def complaints(self) -> list[str]:
        """All that went wrong since the notebook was opened: kernel, cells, callbacks, explorers, page, console."""
        said: list[str] = self.page.evaluate("window.kernelSaid")
        explorers = [f"explorer: {text}" for text in self.page.locator(".course-error").all_text_contents()]
        popups = [f"pop-up: {text}" for text in self.page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts()]
        return [*said, *explorers, *popups, *self._complaints]

    def wait_for_complaint(self, pattern: str) -> None:
        """Wait until something goes wrong as expected.

        Args:
            pattern: regular expression, found in one of the complaints.

        Raises:
            AssertionError: it did not happen soon; the message says what did.
        """
        deadline = time.monotonic() + SOON
        while not any(re.search(pattern, complaint) for complaint in self.complaints()):
            assert time.monotonic() < deadline, f"no complaint {pattern!r} among {self.complaints()}"
            self.page.wait_for_timeout(50)

    def sources(self) -> dict[str, str]:
        """The source of each code cell by its id, in order."""
        # Pairs, not an object: JavaScript puts an id of digits alone before all others.
        found: list[tuple[str, str]] = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .filter(cell => cell.model.type === "code")
                .map(cell => [cell.model.id, cell.model.sharedModel.getSource()])"""
        )
        return dict(found)

    def counts(self) -> dict[str, int | None]:
        """The execution count of each code cell that is not empty; None where it was not run to its end."""
        return {cell: self.page.evaluate(COUNT, cell) for cell, source in self.sources().items() if source.strip()}

    def explorers(self) -> list[str]:
        """The ids of the cells with a live explorer."""
        cells = self.page.locator("[data-cell]:has(img.course-explorer)")
        return [str(cell.get_attribute("data-cell")) for cell in cells.all()]

    def cell(self, text: str, *, after: str = "") -> str:
        """The id of the first code cell that contains a text, after another cell if one is named."""
        sources = list(self.sources().items())
        start = [identity for identity, _ in sources].index(after) + 1 if after else 0
        return next(identity for identity, source in sources[start:] if text in source)

    def cells(self, text: str) -> list[str]:
        """The ids of all code cells that contain a text, from top to bottom."""
        return [identity for identity, source in self.sources().items() if text in source]

    def output(self, cell: str) -> Locator:
        """What stands below a cell; brings it into view, because JupyterLab lays out no more than that."""
        self.page.locator(f'[data-cell="{cell}"]').scroll_into_view_if_needed()
        return self.page.locator(f'[data-cell="{cell}"] .jp-Cell-outputArea')

    def see(self, cell: str, text: str) -> None:
        """Wait until a text stands below a cell."""
        self.output(cell).filter(has_text=text).wait_for()

    def clear(self) -> None:
        """Clear all outputs."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        self.page.wait_for_function("() => !document.querySelector('.jp-OutputArea-output')")

    def run_all(self) -> None:
        """Run all cells and wait for the last one, or the first that fails."""
        self.page.evaluate(RUN_ALL)
        self.page.wait_for_function("window.allRan", timeout=RUN * 1000)

    def run(self, cell: str, source: str | None = None) -> None:
        """Type a new source into a cell, if one is given, and run the cell from the keyboard.

        Args:
            cell: its id.
            source: replaces all that the cell holds.
        """
        before = self.page.evaluate(COUNT, cell)
        self.page.locator(f'[data-cell="{cell}"] .cm-content').click()
        if source is not None:
            self.page.keyboard.press("ControlOrMeta+a")
            self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_function(
            f"([id, before]) => ![before, null].includes(({COUNT})(id))", arg=[cell, before], timeout=RUN * 1000
        )

    def add_below(self, cell: str, source: str) -> str:
        """Run a new cell below another one, as a learner does for a hint.

        Returns:
            The id of the new cell.
        """
        old = set(self.sources())
        self.page.locator(f'[data-cell="{cell}"] .jp-InputPrompt').click()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("b")
        self.page.wait_for_function(f"{len(old)} < document.querySelectorAll('.jp-CodeCell').length")
        (new,) = set(self.sources()) - old
        self.page.evaluate(
            """id => { const cells = window.jupyterapp.shell.currentWidget.content.widgets;
                cells.find(cell => cell.model.id === id).node.dataset.cell = id; }""",
            new,
        )
        self.run(new, source)
        return new

    def choose(self, cell: str, choice: str, *, number: int = 0) -> None:
        """Click one of the radio buttons below a cell.

        Args:
            cell: its id.
            choice: the text beside the button.
            number: of the question, 0 for the first, where several stand below one cell.
        """
        group = self.output(cell).locator(".widget-radio-box").nth(number)
        group.get_by_text(choice, exact=True).click()

    def move(self, cell: str, slider: int, key: str) -> float:
        """Move a slider below a cell by one key and wait for the new figure.

        Args:
            cell: its id.
            slider: 0 for the first.
            key: ``"ArrowRight"`` or ``"ArrowLeft"``.

        Returns:
            Seconds from the key to the new figure.
        """
        image = self.output(cell).locator("img.course-explorer")
        old = image.get_attribute("src")
        self.output(cell).locator(".noUi-handle").nth(slider).focus()
        start = time.perf_counter()
        self.page.keyboard.press(key)
        new: Any = "([cell, old]) => document.querySelector(`[data-cell='${cell}'] img.course-explorer`)?.src !== old"
        self.page.wait_for_function(new, arg=[cell, old])
        return time.perf_counter() - start
