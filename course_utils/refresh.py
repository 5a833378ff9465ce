"""Run a notebook on a fresh kernel and store its outputs, so that only real changes show in a diff."""

from __future__ import annotations

import argparse
import configparser
import difflib
import hashlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from course_utils import readme
from course_utils.environment import (
    NOTEBOOKS,
    ROOT,
    CourseError,
    find_notebook,
    isolated_environment,
    notebook_files,
    private_text,
)

SANITIZER = ROOT / "tests" / "nbval_sanitize.cfg"
KEPT_NOTEBOOK_METADATA = ("course", "rise")
KEPT_CELL_METADATA = ("tags", "slideshow", "course", "jupyter", "editable", "deletable")
# A live widget's view is only the number of a model that dies with the kernel.
DROPPED_MIME = "application/vnd.jupyter.widget-view+json"
NOT_COMPARED = ("image/png", "image/jpeg")
COMPARE_NOT = {"nbval-ignore-output", "nbval-skip", "NBVAL_IGNORE_OUTPUT", "NBVAL_SKIP"}
KERNEL_SETTINGS = ("COURSE_SEED", "COURSE_THREADS")


def native_kernel() -> AsyncKernelManager:
    """A manager for this environment's own Python, whatever kernels the user has installed elsewhere."""
    specs = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
    return AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)


def execute(notebook: NotebookNode, *, folder: Path = NOTEBOOKS, timeout: float = 300) -> None:
    """Run all cells on a fresh kernel in an isolated environment; the outputs land in the notebook.

    Args:
        notebook: changed in place.
        folder: the kernel's working folder.
        timeout: seconds for one cell.

    Raises:
        CourseError: a cell failed, took too long, or killed the kernel.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with tempfile.TemporaryDirectory(prefix="course-refresh-", ignore_cleanup_errors=True) as private:
        variables = isolated_environment(Path(private))
        for name in KERNEL_SETTINGS:
            variables.pop(name, None)
        client = NotebookClient(
            notebook,
            km=native_kernel(),
            timeout=timeout,
            record_timing=False,
            # A kernel on its own machine warns that its talk is not encrypted.
            extra_arguments=["--IPKernelApp.log_level=40"],
            resources={"metadata": {"path": str(folder)}},
        )
        client.owns_km = True  # or the kernel would live on when its notebook is done
        try:
            client.execute(env=variables)
        except CellExecutionError as error:
            raise CourseError(f"{failed_cell(notebook)} raises {error.ename}: {error.evalue}") from error
        except (CellTimeoutError, DeadKernelError) as error:
            reason = "takes too long" if isinstance(error, CellTimeoutError) else "ends the kernel"
            raise CourseError(f"{failed_cell(notebook)} {reason}.") from error


def failed_cell(notebook: NotebookNode) -> str:
    """Name the last cell that was started, by its position and first line."""
    code = [(index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    started = [entry for entry in code if entry[1].execution_count is not None or entry[1].outputs]
    index, cell = (started or code)[-1]
    return f"Cell {index} ({first_line(cell)})"


def first_line(cell: NotebookNode) -> str:
    """The first line of a cell, shortened."""
    lines = str(cell.source).strip().splitlines() or ["empty"]
    return lines[0][:60]


def merged_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring pieces of the same stream: where a kernel cuts its text is chance."""
    merged: list[NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        is_stream = last is not None and output.output_type == last.output_type == "stream"
        if last is not None and is_stream and output.name == last.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def normalise(notebook: NotebookNode) -> None:
    """Leave in a notebook only what its author wrote and what its cells print.

    Args:
        notebook: an executed notebook; changed in place.
    """
    kept = {key: value for key, value in notebook.metadata.items() if key in KEPT_NOTEBOOK_METADATA}
    notebook.metadata = NotebookNode(
        **kept,
        kernelspec=NotebookNode(display_name="Python 3", language="python", name="python3"),
        language_info=NotebookNode(name="python"),
    )
    # A cell's identity came with format 4.5: one that has none gets the same on every machine.
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    count = 0
    for index, cell in enumerate(notebook.cells):
        if "id" not in cell:
            cell.id = hashlib.sha256(f"{index}\n{cell.source}".encode()).hexdigest()[:8]
        cell.metadata = NotebookNode({k: v for k, v in cell.metadata.items() if k in KEPT_CELL_METADATA})
        if cell.cell_type != "code":
            continue
        count += bool(cell.source.strip())
        cell.execution_count = count if cell.source.strip() else None
        cell.outputs = merged_streams(cell.outputs)
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count
            if "metadata" in output:
                output.metadata = NotebookNode({k: v for k, v in output.metadata.items() if k in output.data})
            if "data" in output:
                output.data.pop(DROPPED_MIME, None)


def texts(output: NotebookNode) -> list[str]:
    """Every text in an output; pictures have none."""
    if output.output_type == "stream":
        return [output.text]
    if output.output_type == "error":
        return [output.ename, output.evalue, *output.traceback]
    return [str(value) for mime, value in output.data.items() if not mime.startswith("image/p")]


def refuse_unfit(notebook: NotebookNode) -> None:
    """Make sure that a notebook may be published.

    Raises:
        CourseError: a cell warns, or shows an absolute path or the user's name.
    """
    for index, cell in enumerate(notebook.cells):
        where = f"Cell {index} ({first_line(cell)})"
        outputs = cell.get("outputs", [])
        for output in outputs:
            if output.output_type == "stream" and output.name == "stderr":
                raise CourseError(f"{where} writes to stderr: {output.text.strip().splitlines()[-1][:200]}")
        for text in [cell.source, *(text for output in outputs for text in texts(output))]:
            trace = private_text(text)
            if trace is not None:
                raise CourseError(f"{where} shows {trace!r}: a lesson names no place or user of one machine.")


def serialised(notebook: NotebookNode) -> str:
    """The notebook as it stands in its file."""
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook, version=nbformat.NO_CONVERT)).rstrip("\n") + "\n"


def store(path: Path, text: str) -> None:
    """Write a file in one step: whoever reads it, or a kill, finds the old text or the new one whole."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes a file for its owner only.
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def masks() -> list[tuple[re.Pattern[str], str]]:
    """What nbval forgives, read from its own file, so that both mean the same by "unchanged"."""
    parser = configparser.RawConfigParser()
    parser.read(SANITIZER, encoding="utf-8")
    return [(re.compile(parser[name]["regex"]), parser[name]["replace"]) for name in parser.sections()]


def comparable(notebook: NotebookNode) -> list[str]:
    """A notebook as lines that must not change: without pictures and with measured numbers masked."""
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        ignored = COMPARE_NOT & ({*cell.metadata.get("tags", [])} | {*re.findall(r"NBVAL_\w+", cell.source)})
        if ignored and "outputs" in cell:
            cell.outputs = []
        for output in cell.get("outputs", []):
            for mime in NOT_COMPARED:
                output.get("data", {}).pop(mime, None)
            for pattern, replacement in masks():
                if output.output_type == "stream":
                    output.text = pattern.sub(replacement, output.text)
                for mime, value in output.get("data", {}).items():
                    output.data[mime] = pattern.sub(replacement, value) if isinstance(value, str) else value
    return serialised(copy).splitlines()


def refresh(path: Path, *, check: bool = False, timeout: float = 300) -> str:
    """Run one notebook and store what it prints; the file is touched only when every cell is fine.

    Args:
        path: the notebook.
        check: compare with what is stored instead of storing.
        timeout: seconds for one cell.

    Returns:
        One line that says what happened.

    Raises:
        CourseError: a cell fails, warns, or shows something private; with ``check``, an output has changed.
    """
    old = path.read_text(encoding="utf-8")
    notebook: Any = nbformat.reads(old, as_version=4)
    start = time.perf_counter()
    try:
        execute(notebook, folder=path.parent, timeout=timeout)
        normalise(notebook)
        refuse_unfit(notebook)
    except CourseError as error:
        raise CourseError(f"{path.name} is left as it was. {error}") from error
    seconds = time.perf_counter() - start
    new = serialised(notebook)
    if check:
        before, after = comparable(nbformat.reads(old, as_version=4)), comparable(notebook)
        if before != after:
            changes = list(difflib.unified_diff(before, after, "stored", "now", lineterm="", n=0))
            print("\n".join(line[:160] for line in changes[:30]), file=sys.stderr)
            raise CourseError(f"{path.name} prints something else now: look at it, then refresh it.")
        return f"✓ {path.name} prints what is stored ({seconds:.0f} s)"
    if new == old:
        return f"✓ {path.name} is unchanged ({seconds:.0f} s)"
    store(path, new)
    return f"✓ {path.name} is stored ({seconds:.0f} s, {len(new) / 1e6:.2f} MB)"


def main(arguments: list[str]) -> int:
    """The command: ``refresh NOTEBOOK|all [--check]``."""
    parser = argparse.ArgumentParser(prog="python -m course_utils refresh", description=__doc__)
    parser.add_argument("notebooks", nargs="+", metavar="NOTEBOOK", help="a number, a name, a path, or all")
    parser.add_argument("--check", action="store_true", help="store nothing; fail if an output has changed")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one cell (default 300)")
    options = parser.parse_args(arguments)
    names: list[str] = options.notebooks
    for path in notebook_files() if names == ["all"] else [find_notebook(name) for name in names]:
        print(refresh(path, check=options.check, timeout=options.timeout), flush=True)
    if not options.check and readme.update():
        print("✓ README.md lists the lessons as they are now")
    return 0
