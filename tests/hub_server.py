"""A model hub on this machine: it speaks the protocol of the real one, counts what is asked, and fails on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Request:
    """One request that came in: method, path without the query, and headers."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Fault:
    """What goes wrong when a request's path contains `where`, the next `times` times.

    Attributes:
        where: part of the path; a file that is stored apart has its SHA-256 in it.
        method: "GET", "HEAD", or "" for both.
        status: answer this status instead; with `code` and `headers`.
        cut: break the connection after so many bytes of the body.
        wrong: send a body of the right size with one byte changed.
        body: send this instead.
        hold: send the first half of the body, then wait for this event.
        times: how often.
    """

    where: str
    method: str = ""
    status: int = 0
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    wrong: bool = False
    body: bytes | None = None
    hold: threading.Event | None = None
    times: int = 1


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """Models by name and commit; large files live on a second server, as behind the real hub.

    Args:
        models: ``{name: {commit: {file: content}}}``.
        renamed: ``{old name: new name}``: files of the old name are found by a redirect.
        large: content from so many bytes on is stored apart, under its SHA-256.
    """

    def __init__(
        self,
        models: dict[str, dict[str, dict[str, bytes]]],
        *,
        renamed: dict[str, str] | None = None,
        large: int = 1000,
    ) -> None:
        self.models, self.renamed, self.large = models, renamed or {}, large
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.address = self.store = ""

    def asked(self, method: str, part: str = "") -> list[Request]:
        """The requests of a kind so far."""
        return [one for one in self.requests if one.method == method and part in one.path]

    def fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.where in path and fault.method in ("", method):
                fault.times -= 1
                return fault
        return None

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for the server that the client talks to first."""
        if found := re.fullmatch(r"/api/models/(.+)/revision/(\w+)", path):
            name, revision = self.renamed.get(found[1], found[1]), found[2]
            files = self.models.get(name, {}).get(revision)
            if files is None:
                code = "RevisionNotFound" if name in self.models else "RepoNotFound"
                return 404, {"X-Error-Code": code, "X-Error-Message": "not found"}, b"{}"
            body = {"_id": "0", "id": name, "modelId": name, "sha": revision, "tags": [], "private": False}
            return 200, {"Content-Type": "application/json"}, json.dumps(body | self.siblings(files)).encode()
        if found := re.fullmatch(r"/(.+)/resolve/(\w+)/(.+)", path):
            if found[1] in self.renamed:
                return 307, {"Location": f"/{self.renamed[found[1]]}/resolve/{found[2]}/{found[3]}"}, b""
            content = self.models.get(found[1], {}).get(found[2], {}).get(found[3])
            if content is None:
                return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": found[2]}, b""
            headers = {"X-Repo-Commit": found[2], "ETag": f'"{git_sha1(content)}"', "Accept-Ranges": "bytes"}
            if len(content) < self.large:
                return 200, headers, content
            sha = hashlib.sha256(content).hexdigest()
            linked = {"X-Linked-Etag": f'"{sha}"', "X-Linked-Size": str(len(content))}
            return 302, {**headers, **linked, "Location": f"{self.store}/{sha}"}, b""
        return 404, {}, b""

    def siblings(self, files: dict[str, bytes]) -> dict[str, list[dict[str, object]]]:
        lines: list[dict[str, object]] = []
        for name, content in files.items():
            line: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git_sha1(content)}
            if len(content) >= self.large:
                sha = hashlib.sha256(content).hexdigest()
                line["lfs"] = {"sha256": sha, "size": len(content), "pointerSize": 134}
            lines.append(line)
        return {"siblings": lines}

    def stored(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for the server that holds the large files."""
        for versions in self.models.values():
            for files in versions.values():
                for content in files.values():
                    if path == f"/{hashlib.sha256(content).hexdigest()}":
                        return 200, {"ETag": '"of the store"', "Accept-Ranges": "bytes"}, content
        return 404, {}, b""


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Both servers of a hub, on free ports of this machine."""

    def handler(apart: bool) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_HEAD(self) -> None:
                self.serve("HEAD")

            def do_GET(self) -> None:
                self.serve("GET")

            def serve(self, method: str) -> None:
                path = unquote(urlsplit(self.path).path)
                hub.requests.append(Request(method, path, {k.lower(): v for k, v in self.headers.items()}))
                fault = hub.fault(method, path)
                if fault and fault.status:
                    extra = {"X-Error-Code": fault.code} if fault.code else {}
                    return self.send(fault.status, extra | fault.headers, b"", method, None)
                status, headers, body = hub.stored(path) if apart else hub.answer(method, path)
                if fault and fault.wrong:
                    body = bytes([body[0] ^ 1]) + body[1:]
                if fault and fault.body is not None:
                    status, headers, body = 200, {"Content-Type": "text/html"}, fault.body
                if status == 200 and (wanted := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))):
                    start = int(wanted[1])
                    headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                    status, body = 206, body[start:]
                return self.send(status, headers, body, method, fault)

            def send(self, status: int, headers: dict[str, str], body: bytes, method: str, fault: Fault | None) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if method != "GET":
                    return
                if fault and fault.hold:
                    self.wfile.write(body[: len(body) // 2])
                    self.wfile.flush()
                    fault.hold.wait(60)
                    self.close_connection = True
                elif fault and fault.cut is not None:
                    self.wfile.write(body[: fault.cut])
                    self.wfile.flush()
                    self.close_connection = True
                else:
                    self.wfile.write(body)

        return Handler

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler(apart)) for apart in (False, True)]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True) for server in servers]
    hub.address, hub.store = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
