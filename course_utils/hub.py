"""Fetch a public model through the hub's own client: file by file, checked by hash, one sentence when it cannot be had.

The client (`huggingface_hub`) knows proxies, `HF_ENDPOINT`, `HF_HOME` and the user's token, resumes a transfer that
breaks off, and keeps files in the cache that other programs use too. What it leaves out is added here: it compares the
size of what came, not the content; it lets some errors through at the first try; it explains them to programmers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from course_utils.environment import course_home
from course_utils.hub_trouble import OTHERWISE, ModelError, NotAHub, Remote, explain, is_trouble, patiently

#: What transformers reads beside the weights; every other file of a repository stays where it is.
SMALL_FILES = {
    "README.md",
    "added_tokens.json",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "source.spm",
    "special_tokens_map.json",
    "spiece.model",
    "target.spm",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "vocab-src.json",
    "vocab-tgt.json",
}
#: The first of these that a repository has. A .bin is a pickle: transformers opens it with torch's `weights_only`.
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")

TIMEOUT = 10.0  # seconds until the hub's list of files must have come
SPARE_BYTES = 50_000_000


@dataclass(frozen=True)
class RemoteFile:
    """One file as the hub describes it.

    Attributes:
        name: path inside the repository.
        size: bytes.
        digest: SHA-256 of a large file (64 hexadecimal digits), or Git's SHA-1 of a small one (40).
    """

    name: str
    size: int
    digest: str


def digest_of(file: Path, like: str) -> str:
    """Compute the hash of a file, of the kind that `like` is.

    Args:
        file: the file.
        like: a hash: 64 digits for SHA-256, 40 for Git's SHA-1 of a blob.
    """
    if len(like) == 64:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    content = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def fetch(remote: Remote, *, endpoint: str | None = None, cache: Path | None = None, wait: float = 1.0) -> Path:
    """Fetch a model, or find it in the cache; once it is there, no network is needed.

    Args:
        remote: which model.
        endpoint: address of the hub; the client's own setting (`HF_ENDPOINT`) by default.
        cache: the client's cache; its own setting (`HF_HOME`) by default.
        wait: seconds before the second try; each further wait is twice as long.

    Returns:
        A folder that transformers' Auto classes load.

    Raises:
        ModelError: it cannot be had: no network, not there, no access, damaged twice, no room.
    """
    import huggingface_hub
    from huggingface_hub import constants

    cache = Path(cache or constants.HF_HUB_CACHE).expanduser()
    endpoint = endpoint or constants.ENDPOINT
    note = course_home() / "hub" / f"{remote.repo.replace('/', '--')}@{remote.revision[:12]}.json"
    if (found := _checked_before(remote, cache, note)) is not None:
        return found

    def look_up() -> list[RemoteFile]:
        api = huggingface_hub.HfApi(endpoint=endpoint)
        try:
            info = api.model_info(remote.repo, revision=remote.revision, files_metadata=True, timeout=TIMEOUT)
        except (ValueError, TypeError, KeyError) as problem:
            if is_trouble(problem):
                raise
            raise NotAHub(str(problem)) from problem
        return [
            RemoteFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else file.blob_id or "")
            for file in info.siblings or []
        ]

    def load(file: RemoteFile, *, anew: bool) -> Path:
        return Path(
            huggingface_hub.hf_hub_download(
                remote.repo,
                file.name,
                revision=remote.revision,
                endpoint=endpoint,
                cache_dir=cache,
                force_download=anew,
            )
        )

    try:
        with _quiet():
            files = _needed(remote, patiently(look_up, wait))
            _check_room(remote, files, cache)
            paths = [_load_checked(file, load, wait) for file in files]
    except ModelError:
        raise
    except Exception as problem:
        if not is_trouble(problem):
            raise
        # The library's own words stay in __context__, for whoever looks for the cause.
        raise ModelError(explain(problem, remote, endpoint, cache)) from None
    _write_note(note, files, paths)
    return paths[0].parent


def _needed(remote: Remote, listed: list[RemoteFile]) -> list[RemoteFile]:
    """The files to fetch, small ones first, so that a broken setting shows before a gigabyte has come."""
    by_name = {file.name: file for file in listed}
    weights = next((name for name in WEIGHT_FILES if name in by_name), None)
    if weights is None or "config.json" not in by_name:
        raise ModelError(
            f"{remote.repo} on the hub holds no weights that transformers can load: check HF_ENDPOINT, {OTHERWISE}."
        )
    for name, expected in remote.sha256.items():
        if name in by_name and by_name[name].digest != expected:
            raise ModelError(
                f"{remote.repo}/{name} on the hub is not the file that the course was written with: "
                f"check HF_ENDPOINT, {OTHERWISE}."
            )
    # config.json comes first: its folder is the answer, and no sub-folder is.
    small = sorted(SMALL_FILES & by_name.keys(), key=lambda name: (name != "config.json", name))
    return [by_name[name] for name in [*small, weights]]


def _load_checked(file: RemoteFile, load: Callable[..., Path], wait: float) -> Path:
    """Fetch one file and compare its content; what is wrong is removed and fetched once more."""
    path = patiently(lambda: load(file, anew=False), wait)
    for last in (False, True):
        if digest_of(path, file.digest) == file.digest:
            return path
        # The entry in the cache may be a link: the content behind it must go too.
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        if not last:
            path = patiently(lambda: load(file, anew=True), wait)
    raise ModelError(
        f"{file.name} came damaged from the hub twice (its hash is wrong) and was removed: "
        f"run the same again, check HF_ENDPOINT and your proxy if it stays so, {OTHERWISE}."
    )


def _check_room(remote: Remote, files: list[RemoteFile], cache: Path) -> None:
    """Raise ModelError if the files that are not in the cache yet do not fit on its disk."""
    from huggingface_hub import try_to_load_from_cache

    def is_there(file: RemoteFile) -> bool:
        place = try_to_load_from_cache(remote.repo, file.name, cache_dir=cache, revision=remote.revision)
        return isinstance(place, str)

    missing = sum(file.size for file in files if not is_there(file))
    disk = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    if missing and shutil.disk_usage(disk).free < missing + SPARE_BYTES:
        raise ModelError(
            f"The disk is too full for {remote.repo}: {missing / 1e6:.0f} MB are needed in {cache}: "
            f"free some space, or set HF_HOME to a folder on another disk, {OTHERWISE}."
        )


def _checked_before(remote: Remote, cache: Path, note: Path) -> Path | None:
    """The model's folder in the cache, if all its files are still those that were checked; no network is used."""
    from huggingface_hub import try_to_load_from_cache

    try:
        files = json.loads(note.read_text(encoding="utf-8"))
        config = try_to_load_from_cache(remote.repo, "config.json", cache_dir=cache, revision=remote.revision)
        if not isinstance(config, str):
            return None
        folder = Path(config).parent
        for name, (digest, size, changed) in files.items():
            state = (folder / name).stat()
            # A gigabyte is hashed again only when the file has been touched since.
            if (state.st_size, state.st_mtime_ns) != (size, changed) and digest_of(folder / name, digest) != digest:
                return None
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return folder


def _write_note(note: Path, files: list[RemoteFile], paths: list[Path]) -> None:
    """Remember what was checked; without a place for the note, the next process checks again."""
    states = [path.stat() for path in paths]
    lines = {file.name: (file.digest, state.st_size, state.st_mtime_ns) for file, state in zip(files, states)}
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        part = note.with_suffix(".part")
        part.write_text(json.dumps(lines), encoding="utf-8")
        part.replace(note)
    except OSError:
        pass


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client's warnings off the learner's screen; its progress bars stay."""
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
