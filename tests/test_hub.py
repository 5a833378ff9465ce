"""The hub mode of `pretrained`, against a hub on this machine that speaks the real protocol and fails on demand."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from hub_server import Fault, Hub, running
from huggingface_hub import constants

from course_utils import hub, pretrained
from course_utils.hub_trouble import ModelError, Remote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = bytes(range(256)) * 40  # large for this hub: stored apart, under its SHA-256
SHA = hashlib.sha256(WEIGHTS).hexdigest()
FILES = {
    "README.md": b"# a card\n",
    "config.json": b"{}",
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"p" * 5000,
    "tf_model.h5": b"t" * 5000,
    "onnx/model.onnx": b"o" * 5000,
}
REMOTE = Remote("short-name", COMMIT, 1, "MIT", {"model.safetensors": SHA})
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No test waits; how long it would have is noted."""
    noted: list[float] = []
    monkeypatch.setattr(time, "sleep", noted.append)
    return noted


@pytest.fixture(scope="module", autouse=True)
def settings_of_nobody() -> Iterator[None]:
    """Nothing of whoever runs the tests, neither token nor proxy, goes to the server or decides a result."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PROXIES:
            patch.delenv(name, raising=False)
        patch.setenv("HF_TOKEN", "hf_of_a_test")
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        # The client writes in pieces of 10 MB; small ones let a small file break off in the middle.
        patch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
        huggingface_hub.close_session()
        yield
    huggingface_hub.close_session()


@pytest.fixture
def server() -> Iterator[Hub]:
    with running(Hub({"owner/long-name": {COMMIT: FILES}}, renamed={"short-name": "owner/long-name"})) as started:
        yield started


def fetch(server: Hub, cache: Path, remote: Remote = REMOTE) -> Path:
    return hub.fetch(remote, endpoint=server.address, cache=cache)


def refused(server: Hub, cache: Path, remote: Remote = REMOTE) -> str:
    """The one sentence that a failing call ends in; nothing of the library's traceback is shown with it."""
    with pytest.raises(ModelError) as caught:
        fetch(server, cache, remote)
    sentence = str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "\n" not in sentence
    assert sentence.endswith("leave COURSE_MODELS unset to use the embedded model.")
    return sentence


def test_a_whole_model_comes_and_nothing_else(server: Hub, tmp_path: Path) -> None:
    folder = fetch(server, tmp_path)
    wanted = {"README.md", "config.json", "tokenizer.json", "model.safetensors"}
    assert {file.name for file in folder.iterdir()} == wanted
    assert all((folder / name).read_bytes() == FILES[name] for name in wanted)
    for name in FILES.keys() - wanted:
        assert not [one for one in server.requests if name in one.path]


def test_the_token_stays_with_the_hub(server: Hub, tmp_path: Path) -> None:
    fetch(server, tmp_path)
    assert "authorization" in server.asked("GET", "/api/models")[0].headers
    stored = server.asked("GET", SHA)
    assert len(stored) == 1
    assert "authorization" not in stored[0].headers


def test_the_second_time_needs_no_server(server: Hub, tmp_path: Path) -> None:
    first = fetch(server, tmp_path)
    server.requests.clear()
    assert fetch(server, tmp_path) == first
    assert server.requests == []


def test_the_second_time_needs_no_network_at_all(tmp_path: Path) -> None:
    with running(Hub({"owner/long-name": {COMMIT: FILES}}, renamed={"short-name": "owner/long-name"})) as server:
        first = fetch(server, tmp_path)
    assert fetch(server, tmp_path) == first


def test_a_pickle_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    files = {name: content for name, content in FILES.items() if name != "model.safetensors"}
    with running(Hub({"old": {COMMIT: files}})) as server:
        folder = fetch(server, tmp_path, Remote("old", COMMIT, 1, "MIT", {}))
    assert (folder / "pytorch_model.bin").read_bytes() == files["pytorch_model.bin"]


def test_a_repository_without_weights(tmp_path: Path) -> None:
    with running(Hub({"empty": {COMMIT: {"config.json": b"{}"}}})) as server:
        assert "holds no weights" in refused(server, tmp_path, Remote("empty", COMMIT, 1, "MIT", {}))


def test_a_transfer_that_breaks_off_goes_on_where_it_was(server: Hub, tmp_path: Path, waits: list[float]) -> None:
    server.faults.append(Fault(SHA, "GET", cut=4321))
    folder = fetch(server, tmp_path)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    first, second = server.asked("GET", SHA)
    assert "range" not in first.headers
    assert second.headers["range"] == "bytes=4000-"
    assert waits


def test_a_transfer_that_always_breaks_off_ends_in_a_sentence(server: Hub, tmp_path: Path, waits: list[float]) -> None:
    server.faults.append(Fault(SHA, "GET", cut=0, times=1000))
    assert "broke off" in refused(server, tmp_path)
    assert not list(tmp_path.rglob("*.incomplete"))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_wrong_content_is_fetched_again(server: Hub, tmp_path: Path, name: str) -> None:
    where = SHA if name == "model.safetensors" else name
    server.faults.append(Fault(where, "GET", wrong=True))
    assert (fetch(server, tmp_path) / name).read_bytes() == FILES[name]
    assert len(server.asked("GET", where)) == 2


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_content_that_stays_wrong_is_refused_and_removed(server: Hub, tmp_path: Path, name: str) -> None:
    server.faults.append(Fault(SHA if name == "model.safetensors" else name, "GET", wrong=True, times=1000))
    assert name in refused(server, tmp_path)
    changed = bytes([FILES[name][0] ^ 1]) + FILES[name][1:]
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.read_bytes() == changed]
    server.faults.clear()
    assert (fetch(server, tmp_path) / name).read_bytes() == FILES[name]


def test_another_file_than_the_course_knows_is_not_even_fetched(server: Hub, tmp_path: Path) -> None:
    other = Remote("short-name", COMMIT, 1, "MIT", {"model.safetensors": "0" * 64})
    assert "not the file that the course was written with" in refused(server, tmp_path, other)
    assert not server.asked("GET", "resolve")


def test_a_file_that_is_changed_in_the_cache_is_fetched_again(server: Hub, tmp_path: Path) -> None:
    weights = fetch(server, tmp_path) / "model.safetensors"
    weights.resolve().write_bytes(b"x" + WEIGHTS[1:])
    assert (fetch(server, tmp_path) / "model.safetensors").read_bytes() == WEIGHTS


def test_a_file_that_is_only_touched_is_not(server: Hub, tmp_path: Path) -> None:
    weights = fetch(server, tmp_path) / "model.safetensors"
    os.utime(weights.resolve(), (1, 1))
    server.requests.clear()
    fetch(server, tmp_path)
    assert server.requests == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("/api/", status=404, code="RepoNotFound"), "has no short-name in the version that the course uses"),
        (Fault("/api/", status=404, code="RevisionNotFound"), "has no short-name in the version that the course uses"),
        (Fault("/api/", status=404), "has no short-name"),
        (Fault("/api/", status=401), "hf auth login"),
        (Fault("/api/", status=401, code="RepoNotFound"), "hf auth login"),
        (Fault("/api/", status=403, code="GatedRepo"), "only to some users"),
        (Fault("tokenizer.json", status=404, code="EntryNotFound"), "has no short-name"),
        (Fault("tokenizer.json", status=403, code="GatedRepo"), "only to some users"),
    ],
    ids=lambda value: f"{value.where}{value.status}{value.code}".strip("/") if isinstance(value, Fault) else "",
)
def test_what_no_second_try_will_change_is_asked_once(
    server: Hub, tmp_path: Path, waits: list[float], fault: Fault, words: str
) -> None:
    mine = dataclasses.replace(fault, times=1000)
    server.faults.append(mine)
    assert words in refused(server, tmp_path)
    assert mine.times == 999
    assert waits == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_asked_again(server: Hub, tmp_path: Path, waits: list[float], status: int) -> None:
    server.faults.append(Fault("/api/", status=status, times=2))
    fetch(server, tmp_path)
    assert waits == [1.0, 2.0]


def test_a_busy_store_is_asked_again(server: Hub, tmp_path: Path, waits: list[float]) -> None:
    server.faults.append(Fault(SHA, "GET", status=503, times=2))
    assert (fetch(server, tmp_path) / "model.safetensors").read_bytes() == WEIGHTS
    assert len(waits) == 2


def test_a_hub_that_says_how_long_to_wait(server: Hub, tmp_path: Path, waits: list[float]) -> None:
    server.faults.append(Fault("/api/", status=503, headers={"Retry-After": "7"}))
    server.faults.append(Fault("/api/", status=503, headers={"Retry-After": "86400"}))
    fetch(server, tmp_path)
    assert waits == [7.0, 60.0]


def test_a_hub_that_stays_busy(server: Hub, tmp_path: Path, waits: list[float]) -> None:
    server.faults.append(Fault("/api/", status=503, times=1000))
    assert "(status 503): try again in some minutes" in refused(server, tmp_path)
    assert len(server.asked("GET", "/api/")) == 3


def test_no_network_at_the_first_use(tmp_path: Path, waits: list[float]) -> None:
    with running(Hub({})) as server:
        pass
    assert "connect to the internet" in refused(server, tmp_path)
    assert sum(waits) < 5


def test_a_network_that_goes_away_between_two_files(server: Hub, tmp_path: Path, waits: list[float]) -> None:
    server.faults.append(Fault("tokenizer.json", status=500, times=1000))
    assert "(status 500)" in refused(server, tmp_path)
    server.faults.clear()
    server.requests.clear()
    fetch(server, tmp_path)
    assert not server.asked("GET", "config.json")  # it had come already


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b"[]", b'"hello"'])
def test_a_log_in_page_is_not_a_hub(server: Hub, tmp_path: Path, body: bytes) -> None:
    server.faults.append(Fault("/api/", body=body, times=1000))
    assert "is not a model hub" in refused(server, tmp_path)


def test_a_log_in_page_instead_of_a_file(server: Hub, tmp_path: Path) -> None:
    server.faults.append(Fault("config.json", body=b"<html></html>", times=1000))
    assert "is not a model hub" in refused(server, tmp_path)


def test_offline_by_the_users_own_setting(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refused(server, tmp_path)
    assert server.requests == []


def test_a_disk_that_is_too_small(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    assert "too full" in refused(server, tmp_path)
    assert not server.asked("GET", "resolve")


def test_a_disk_that_becomes_full(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    assert "became full" in refused(server, tmp_path)


def test_a_cache_that_is_no_folder(server: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "set HF_HOME to another one" in refused(server, tmp_path / "file")


def test_a_mistake_in_a_program_is_not_called_trouble(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object, **__: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", mistaken)
    with pytest.raises(ZeroDivisionError):
        fetch(server, tmp_path)


def test_without_a_place_for_the_note_the_model_comes_all_the_same(
    server: Hub, tmp_path: Path, own_course_home: Path
) -> None:
    own_course_home.write_text("a file where a folder should be")
    assert fetch(server, tmp_path) == fetch(server, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"config.json": 3}', '{"config.json": ["a", 1, 1]}'])
def test_a_damaged_note_is_made_anew(server: Hub, tmp_path: Path, own_course_home: Path, text: str) -> None:
    first = fetch(server, tmp_path)
    (note,) = (own_course_home / "hub").iterdir()
    note.write_text(text)
    assert fetch(server, tmp_path) == first
    assert SHA in note.read_text()


TRANSLATION = pretrained.MODELS["translate-en-es"].remote


def command(server: Hub, folder: Path) -> subprocess.Popen[str]:
    """Fetch through the one door, in a process of its own, whose settings alone say where the hub and its cache are."""
    variables = {name: value for name, value in os.environ.items() if name not in PROXIES}
    variables |= {
        "COURSE_MODELS": "hub",
        "HF_ENDPOINT": server.address,
        "HF_HOME": str(folder),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        variables.pop(name, None)
    arguments = [sys.executable, "-m", "course_utils.pretrained", "fetch", "translate-en-es"]
    return subprocess.Popen(arguments, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_clients_own_settings_decide(tmp_path: Path) -> None:
    with running(Hub({TRANSLATION.repo: {TRANSLATION.revision: FILES}})) as server:
        out, err = (done := command(server, tmp_path)).communicate(timeout=60)
        assert (done.returncode, out, err) == (0, "translate-en-es is there (hub).\n", "")
    assert len(list(tmp_path.rglob("model.safetensors"))) == 1
    out, err = (done := command(server, tmp_path / "other")).communicate(timeout=60)
    assert (done.returncode, out, err.count("\n")) == (1, "", 1)
    assert "cannot be reached" in err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_after_a_kill_the_next_run_completes(tmp_path: Path) -> None:
    with running(Hub({TRANSLATION.repo: {TRANSLATION.revision: FILES}})) as server:
        held = threading.Event()
        server.faults.append(Fault(SHA, "GET", hold=held))
        first = command(server, tmp_path)
        deadline = time.monotonic() + 60
        while not server.asked("GET", SHA) and time.monotonic() < deadline:
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=60)
        held.set()
        assert not list(tmp_path.rglob("model.safetensors"))
        out, _ = command(server, tmp_path).communicate(timeout=60)
        assert out == "translate-en-es is there (hub).\n"
    (weights,) = tmp_path.rglob("model.safetensors")
    assert weights.read_bytes() == WEIGHTS
