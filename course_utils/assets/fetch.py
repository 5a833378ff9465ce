"""Find an archive in the user's own package index, and download it: resumable, checked, with retries."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tqdm.auto import tqdm

from course_utils.assets.table import Source
from course_utils.assets.unpack import WrongBytes
from course_utils.installation import mirror_settings, variables

TRIES = 4
TIMEOUT = 15.0  # seconds without a byte
PAUSE = 1.0  # seconds before the second try; doubles each time
CHUNK = 1 << 18
# The user's own settings of these would lead the little project below astray.
MISLEADING = ("UV_FROZEN", "UV_LOCKED", "UV_PROJECT", "UV_WORKING_DIRECTORY", "UV_NO_SOURCES", "UV_CONSTRAINT")
# dependency-metadata says what uv would otherwise build the package to learn: nothing of a carrier is ever run.
PROJECT = """\
[project]
name = "course-asks-where-it-is"
version = "0"
requires-python = ">=3.11"
dependencies = ["{name}=={version}"]
[tool.uv.workspace]
[[tool.uv.dependency-metadata]]
name = "{name}"
version = "{version}"
requires-dist = []
"""


class Unreachable(Exception):  # noqa: N818
    """The place of an archive does not answer, or has none; the text says which."""


class NoInstaller(Exception):  # noqa: N818
    """uv, which knows the user's package index, is not there."""


def settings() -> dict[str, str]:
    """Environment variables that say where the user gets packages, from uv's settings and from pip's."""
    kept = {name: value for name, value in variables().items() if name not in MISLEADING}
    # A wall that swallows everything must not cost minutes.
    quick = {"UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "1", "UV_PYTHON_DOWNLOADS": "never"}
    return {**quick, **kept, **mirror_settings(sys.executable)}


def locate(source: Source, environment: Mapping[str, str]) -> str:
    """Where the user's package index keeps an archive.

    Args:
        source: with a package.
        environment: from `settings`.

    Returns:
        An http, https or file address.

    Raises:
        NoInstaller: uv is not there.
        Unreachable: the index does not answer, or lacks the archive.
    """
    name, _, version = source.package.partition("==")
    with tempfile.TemporaryDirectory(prefix="course-carrier-") as folder:
        project = Path(folder)
        (project / "pyproject.toml").write_text(PROJECT.format(name=name, version=version), encoding="utf-8")
        command = [sys.executable, "-m", "uv", "lock", "--no-progress", "--python", sys.executable]
        done = subprocess.run(
            command, cwd=project, env=dict(environment), capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode != 0:
            if "No module named uv" in done.stderr:
                raise NoInstaller("uv is not installed")
            silent = re.search(r"failed to fetch|error sending|timed out|dns error", done.stderr, re.IGNORECASE)
            raise Unreachable("the package index does not answer" if silent else f"there is no {source.package}")
        locked = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))
        offers = [
            offer
            for package in locked["package"]
            for offer in [*package.get("wheels", []), package.get("sdist", {})]
            if "url" in offer or "path" in offer
        ]
        for offer in offers:
            place: str = offer.get("url") or (project / offer["path"]).resolve().as_uri()
            if unquote(urlsplit(place).path).rpartition("/")[2] == source.file:
                return place
    raise Unreachable(f"there is no {source.file}")


def password(address: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The header with the name and password that the user's settings give to this host, if they do.

    Args:
        address: what is to be downloaded.
        environment: from `settings`.
    """
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
    wanted = urlsplit(address)
    for place in " ".join(environment.get(name, "") for name in names).split():
        # An index may be written with a name: mirror=https://…
        known = urlsplit(place[max(place.find("http"), 0) :])
        if known.username and (known.scheme, known.hostname, known.port) == (
            wanted.scheme,
            wanted.hostname,
            wanted.port,
        ):
            pair = f"{unquote(known.username)}:{unquote(known.password or '')}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def opener(address: str, environment: Mapping[str, str]) -> urllib.request.OpenerDirector:
    """What opens addresses as the user's settings for packages ask: proxy, certificates, trusted hosts."""
    context = ssl.create_default_context(cafile=environment.get("SSL_CERT_FILE") or None)
    if not context.cert_store_stats()["x509_ca"]:
        # Python from python.org knows no certificates on macOS.
        import certifi

        context.load_verify_locations(certifi.where())
    if urlsplit(address).hostname in {place.split(":")[0] for place in environment.get("UV_INSECURE_HOST", "").split()}:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    proxies = urllib.request.getproxies()
    for_all = environment.get("ALL_PROXY", "")
    if for_all.startswith("http"):
        proxies = {"http": for_all, "https": for_all, **proxies}
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context)
    )


def sum_of(path: Path) -> str:
    """The SHA-256 sum of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def receive(address: str, part: Path, environment: Mapping[str, str], *, title: str, size: int) -> None:
    """Append what is still missing of an archive to its beginning, once.

    Args:
        address: of the archive.
        part: its beginning, if there is one already.
        environment: from `settings`.
        title: what the progress bar says.
        size: bytes of the whole, as far as known.

    Raises:
        OSError: the connection broke, or the file cannot be written.
    """
    there = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"User-Agent": "course-assets"})
    if there:
        request.add_header("Range", f"bytes={there}-")
    for name, value in password(address, environment).items():
        # A redirection may lead to a host that the password is not for.
        request.add_unredirected_header(name, value)
    with opener(address, environment).open(request, timeout=TIMEOUT) as answer:
        # Who does not know ranges sends the whole again.
        resumed = there > 0 and answer.status == 206
        there = there if resumed else 0
        length = answer.headers.get("Content-Length")
        total = there + int(length) if length else None
        bar = tqdm(
            total=total or size or None,
            initial=there,
            desc=title,
            unit="B",
            unit_scale=True,
            delay=1,
            leave=False,
            # In a notebook tqdm itself does not look at this variable.
            disable=bool(os.environ.get("TQDM_DISABLE")),
        )
        with part.open("ab" if resumed else "wb") as file, bar:
            try:
                while chunk := read(answer):
                    file.write(chunk)
                    there += len(chunk)
                    bar.update(len(chunk))
            finally:
                bar.total = bar.n  # a bar that is not full stays on the page, in red
    if total is not None and there < total:
        raise ConnectionError(f"the connection ended after {there} of {total} bytes")


def read(answer: http.client.HTTPResponse) -> bytes:
    """The next bytes of an answer; b"" at its end.

    Raises:
        ConnectionError: the network failed in whatever way: not to be taken for a disk that failed.
    """
    try:
        # read would wait for all of it, and a process that is stopped meanwhile would lose what has come.
        return answer.read1(CHUNK)
    except OSError as error:
        raise ConnectionError(str(error)) from error


def download(source: Source, address: str, folder: Path, environment: Mapping[str, str], *, title: str) -> Path:
    """Download an archive; an interrupted download goes on where it stopped.

    Args:
        source: what its sum and size are.
        address: where it is.
        folder: where it goes.
        environment: from `settings`.
        title: what the progress bar says.

    Returns:
        The archive, with the sum that the source promises, where it promises one.

    Raises:
        Unreachable: nothing came in several tries.
        WrongBytes: something else came, twice.
        OSError: the folder cannot be written.
    """
    target, part = folder / source.file, folder / f"{source.file}.part"
    last = wrong = ""
    # The authors' own servers are the second choice: there the network is mostly known to be gone.
    for attempt in range(TRIES if source.package else 2):
        if attempt and not wrong:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            # A complete part may be left by a process that was stopped before it could rename it.
            if not (source.size and part.exists() and part.stat().st_size == source.size):
                receive(address, part, environment, title=title, size=source.size)
        except urllib.error.HTTPError as error:
            last = f"{error.code} {error.reason}"
            if error.code == 416:
                part.unlink(missing_ok=True)
            elif error.code in (401, 403, 404, 410):
                break
            continue
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            last = str(getattr(error, "reason", error)) or type(error).__name__
            continue
        found = sum_of(part)
        if not source.sha256 or found == source.sha256:
            os.replace(part, target)
            return target
        # The beginning may have been damaged, or of another archive: once more from the start.
        part.unlink()
        if wrong:
            raise WrongBytes(f"{source.file} has the SHA-256 sum {found[:12]}… and should have {source.sha256[:12]}…")
        wrong = found
    raise Unreachable(f"{source.file} did not come ({last or 'damaged'})")
