"""A package index on this machine for the tests: serves small archives, and breaks in the ways that networks do."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field


def wheel(files: dict[str, bytes]) -> bytes:
    """A zip with these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def sdist(files: dict[str, bytes]) -> bytes:
    """A tar.gz with these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@dataclass
class Index:
    """What the server serves, how it misbehaves, and what it was asked.

    Attributes:
        files: content of each archive by its name.
        packages: names of archives by the name of their package.
        cut: for each of the next answers, after how many bytes the connection ends; None for not at all.
        codes: statuses of the next answers instead of an archive.
        ranges: whether parts of a file can be asked for.
        login: ``name:password`` that is asked for, or "".
        gate: an archive's second half is sent when it opens.
        asked: the Range header (or "") of each request for an archive.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    packages: dict[str, list[str]] = field(default_factory=dict)
    cut: list[int | None] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    ranges: bool = True
    login: str = ""
    gate: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    def page(self, package: str) -> bytes | None:
        """The page of a package, as every index has one."""
        names = self.packages.get(package)
        if names is None:
            return None
        sums = {name: hashlib.sha256(self.files[name]).hexdigest() for name in names}
        links = "".join(f'<a href="/files/{name}#sha256={sums[name]}">{name}</a>' for name in names)
        return f"<!DOCTYPE html><html><body>{links}</body></html>".encode()


@contextlib.contextmanager
def serve(index: Index) -> Iterator[Index]:
    """Serve an index on a free port of this machine; its address goes into ``index.address``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, code: int, content: bytes = b"", **headers: str) -> None:
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content)

        def do_GET(self) -> None:
            expected = f"Basic {base64.b64encode(index.login.encode()).decode()}"
            if index.login and self.headers.get("Authorization") != expected:
                return self.answer(401, WWW_Authenticate='Basic realm="tests"')
            kind, _, name = self.path.strip("/").partition("/")
            if kind == "simple":
                page = index.page(name)
                return self.answer(200, page, Content_Type="text/html") if page is not None else self.answer(404)
            index.asked.append(self.headers.get("Range", ""))
            if index.codes:
                return self.answer(index.codes.pop(0))
            if name not in index.files:
                return self.answer(404)
            return self.send_file(index.files[name])

        def send_file(self, content: bytes) -> None:
            start = 0
            if index.ranges and "Range" in self.headers:
                start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    return self.answer(416)
                self.send_response(206)
            else:
                self.send_response(200)
            rest = content[start:]
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            length = index.cut.pop(0) if index.cut else None
            half = len(rest) // 2
            with contextlib.suppress(ConnectionError):
                self.wfile.write(rest[: min(half, len(rest) if length is None else length)])
                self.wfile.flush()
                index.started.set()
                index.gate.wait(30)
                self.wfile.write(rest[half:length])
            if length is not None:
                self.close_connection = True
            return None

        def log_message(self, *_: object) -> None:
            pass

    index.gate.set()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    index.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield index
    finally:
        index.gate.set()
        server.shutdown()
        server.server_close()
