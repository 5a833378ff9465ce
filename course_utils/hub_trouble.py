"""Trouble with a hub, a network or a disk: which of it may pass, and one sentence for each kind."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from course_utils.environment import CourseError

TRIES = 3
BUSY = {408, 429, 500, 502, 503, 504}
LONGEST_WAIT = 60.0  # seconds, whatever the hub asks for
OTHERWISE = "or leave COURSE_MODELS unset to use the embedded model"

T = TypeVar("T")


class ModelError(CourseError):
    """A pretrained model cannot be had; the message says why and what to do, in one sentence."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence alone."""
        return [f"ModelError: {self}"]


class NotAHub(OSError):  # noqa: N818
    """What answered does not speak the hub's language."""


@dataclass(frozen=True)
class Remote:
    """A model of the hub, in one exact version.

    Attributes:
        repo: its name there, such as ``"bert-base-uncased"``.
        revision: the commit, 40 hexadecimal digits: a branch could change under the course.
        megabytes: what is fetched, about.
        licence: what the hub's model card says.
        sha256: hashes by file name that the course knows by itself; the hub must name the same ones.
    """

    repo: str
    revision: str
    megabytes: int
    licence: str
    sha256: Mapping[str, str]


def patiently(work: Callable[[], T], wait: float) -> T:
    """Do some work; after trouble that may pass, wait and try again, three times in all."""
    for last in [False] * (TRIES - 1) + [True]:
        try:
            return work()
        except Exception as problem:
            if last or not _may_pass(problem):
                raise
            time.sleep(max(wait, min(_asked_to_wait(problem), LONGEST_WAIT)))
            wait *= 2
    raise AssertionError  # the last try has returned or raised


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """The problem and what caused it, as far as that is known."""
    seen: list[BaseException] = []
    one: BaseException | None = problem
    while one is not None and one not in seen:
        yield one
        seen.append(one)
        one = one.__cause__ or one.__context__


def _status(problem: BaseException) -> int | None:
    """The status of an answer of the hub, if there was one."""
    return getattr(getattr(problem, "response", None), "status_code", None)


def _asked_to_wait(problem: BaseException) -> float:
    """Seconds that the hub asks to wait, 0 if it does not say."""
    text = getattr(getattr(problem, "response", None), "headers", {}).get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def is_trouble(problem: Exception) -> bool:
    """Whether this is trouble with network, hub or disk, and not a mistake in a program."""
    library = type(problem).__module__.partition(".")[0]
    return isinstance(problem, OSError) or library in ("httpx", "httpx2", "huggingface_hub", "hf_xet")


def _may_pass(problem: Exception) -> bool:
    """Whether another try may help, and the client has not made its own tries already."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    if isinstance(problem, (LocalEntryNotFoundError, OfflineModeIsEnabled)):
        return False
    if _status(problem) is not None:
        return _status(problem) in BUSY
    library = type(problem).__module__.partition(".")[0]
    return library in ("httpx", "httpx2", "hf_xet") or "Consistency check failed" in str(problem)


def explain(problem: BaseException, remote: Remote, endpoint: str, cache: Path) -> str:
    """One sentence for the learner: what is wrong, and what helps.

    Args:
        problem: what the client raised.
        remote: which model was wanted.
        endpoint: address of the hub.
        cache: where the files were to go.
    """
    from huggingface_hub import errors

    chain = list(_causes(problem))
    model = f"{remote.repo} ({remote.megabytes} MB)"
    full = any(isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT) for one in chain)
    status = next((_status(one) for one in chain if _status(one) is not None), None)
    if full:
        return f"The disk became full while {model} was fetched: free some space, or set HF_HOME, {OTHERWISE}."
    # Only trouble with files carries a file's name.
    if any(isinstance(one, OSError) and one.filename for one in chain):
        return f"{cache} cannot be used: make it a writable folder, or set HF_HOME to another one, {OTHERWISE}."
    if any(isinstance(one, errors.OfflineModeIsEnabled) for one in chain):
        return f"HF_HUB_OFFLINE is set, so {model} cannot be fetched: unset it, {OTHERWISE}."
    if any(isinstance(one, errors.GatedRepoError) for one in chain) or status == 403:
        return f"The hub gives {model} only to some users: ask for access and type `hf auth login`, {OTHERWISE}."
    if status == 401:
        return f"The hub does not know you or {model} (status 401): type `hf auth login`, {OTHERWISE}."
    if status == 404:
        return (
            f"The hub at {endpoint} has no {remote.repo} in the version that the course uses "
            f"({remote.revision[:12]}): check HF_ENDPOINT, {OTHERWISE}."
        )
    if status is not None:
        return f"The hub cannot give {model} now (status {status}): try again in some minutes, {OTHERWISE}."
    # A network's log-in page answers every question with a page of its own.
    if any(isinstance(one, (errors.FileMetadataError, NotAHub)) for one in chain):
        return f"What answers at {endpoint} is not a model hub: check HF_ENDPOINT and your proxy, {OTHERWISE}."
    if any("certificate" in str(one).lower() for one in chain):
        return f"The certificate of {endpoint} is not trusted here: set SSL_CERT_FILE, {OTHERWISE}."
    return (
        f"The hub at {endpoint} cannot be reached or broke off, so {model} is not there: "
        f"connect to the internet, or set HTTPS_PROXY or HF_ENDPOINT if your network needs it, {OTHERWISE}."
    )
