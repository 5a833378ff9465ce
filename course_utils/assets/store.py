"""The cache of what was fetched: whole or absent, never half, whatever stops a process and however many there are."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import platformdirs

from course_utils.assets.table import Asset
from course_utils.environment import CourseError
from course_utils.installation import VENV, take

STAMP = "course-stamp.json"


class Missing(CourseError):  # noqa: N818
    """An asset is not on this machine and cannot be had now; one sentence says what to do."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence alone."""
        return [f"Missing: {self}"]


def cache() -> Path:
    """The folder that keeps what was fetched.

    Returns:
        ``COURSE_ASSETS`` where it is set, else the system's usual place for what can be fetched again.
    """
    chosen = os.environ.get("COURSE_ASSETS", "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("deep-learning-that-generalizes", appauthor=False) / "assets"


def command() -> str:
    """What a learner types to fetch everything."""
    ours = VENV.exists() and VENV.resolve() == Path(sys.prefix).resolve()
    return "`python3 course.py assets`" if ours else "`python -m course_utils assets`"


def home(asset: Asset) -> Path:
    """The folder of one asset; a new version of its files gets a new one."""
    return cache() / f"{asset.name}-{asset.digest}"


def there(asset: Asset) -> bool:
    """Whether an asset is complete in the cache.

    Sums are compared when a file arrives. Here, at each use, only sizes are: hashing 210 MB every time would cost a
    second. ``python -m course_utils assets --check`` does it on demand.
    """
    folder = home(asset)
    try:
        return (folder / STAMP).is_file() and all(
            (folder / asset.into / file.path).stat().st_size == file.size for file in asset.files
        )
    except OSError:
        return False


def damaged(asset: Asset) -> list[str]:
    """The files of an asset in the cache whose content is not what the table promises."""

    def well(path: Path, expected: str) -> bool:
        try:
            return sha256(path.read_bytes()).hexdigest() == expected
        except OSError:
            return False

    return [file.path for file in asset.files if not well(home(asset) / asset.into / file.path, file.sha256)]


def remove(asset: Asset) -> None:
    """Forget an asset."""
    shutil.rmtree(home(asset), ignore_errors=True)


@contextlib.contextmanager
def alone(asset: Asset) -> Iterator[None]:
    """Let one process at a time fetch an asset; the system frees the lock when a process dies."""
    with (cache() / f".{asset.name}.lock").open("a+b") as file:
        while not take(file):
            time.sleep(0.2)
        yield


def install(asset: Asset, files: dict[str, bytes]) -> None:
    """Put an asset's files into the cache, all at once.

    Args:
        asset: which one.
        files: each file's content, by its path in the table.

    Raises:
        OSError: they cannot be written.
    """
    for left in cache().glob(f".{asset.name}-*.new"):
        shutil.rmtree(left, ignore_errors=True)  # of a process that was stopped
    new = Path(tempfile.mkdtemp(prefix=f".{asset.name}-", suffix=".new", dir=cache()))
    try:
        for file in asset.files:
            place = new / asset.into / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(files[file.path])
        about = {"name": asset.name, "licence": asset.licence, "origin": asset.origin, "citation": asset.citation}
        (new / STAMP).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        # A teacher may fetch for everybody; temporary folders are their maker's alone.
        new.chmod(0o755)
        remove(asset)  # incomplete, or changed by someone
        os.replace(new, home(asset))
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def keep(name: str, make: Callable[[Path], None]) -> Path:
    """A file or folder that is computed from an asset once, and then always there.

    Args:
        name: what it is called; a new version needs a new name.
        make: writes it to the path that it is given, which does not exist yet.

    Returns:
        Where it lies.

    Raises:
        Missing: it cannot be written.
    """
    folder = cache() / "derived"
    target = folder / name
    if target.exists():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder, ignore_cleanup_errors=True) as temporary:
            made = Path(temporary) / name
            make(made)
            try:
                os.replace(made, target)
            except OSError:
                # Another process was faster, and its work is as good.
                if not target.exists():
                    raise
    except OSError as error:
        raise Missing(
            f"{folder} cannot be written ({error.strerror or error}): free some space there, or set COURSE_ASSETS to a "
            "folder of your own."
        ) from error
    return target
