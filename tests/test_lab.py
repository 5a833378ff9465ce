"""The lab command: which notebook, which port, whose settings."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from course_utils import environment, lab
from course_utils.environment import CourseError


@pytest.fixture
def taken_port():
    with socket.socket() as server:
        server.bind((lab.LOOPBACK, 0))
        server.listen()
        yield server.getsockname()[1]


def free_port():
    with socket.socket() as probe:
        probe.bind((lab.LOOPBACK, 0))
        return probe.getsockname()[1]


def test_a_free_port_is_used():
    port = free_port()
    assert lab.choose_port(port) == port


def test_a_chosen_port_that_is_taken_gets_one_sentence(taken_port):
    with pytest.raises(CourseError, match=f"Port {taken_port} .*--port {taken_port + 1}"):
        lab.choose_port(taken_port)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_an_impossible_port_gets_one_sentence(port):
    with pytest.raises(CourseError, match="does not exist"):
        lab.choose_port(port)


def test_the_usual_port_gives_way_and_says_so(monkeypatch, capsys, taken_port):
    monkeypatch.setattr(lab, "FIRST_PORT", taken_port)
    chosen = lab.choose_port(None)
    assert taken_port < chosen < taken_port + 100
    assert f"Port {taken_port} is taken: the course uses {chosen}." in capsys.readouterr().out


def test_a_settings_folder_that_cannot_be_written_gets_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    with pytest.raises(CourseError, match="COURSE_HOME"):
        lab.settings_folder()


def test_the_learners_choices_survive_and_the_news_stay_off(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    theme = lab.settings_folder() / "lab" / "user-settings" / "theme.json"
    theme.parent.mkdir(parents=True)
    theme.write_text("dark")
    folder = lab.settings_folder()
    assert theme.read_text() == "dark"
    page = json.loads((folder / "labconfig" / "page_config.json").read_text())
    assert page["disabledExtensions"]["@jupyterlab/apputils-extension:announcements"] is True


def test_an_unknown_notebook_ends_with_one_sentence_and_status_1(tmp_path):
    command = [sys.executable, "-m", "course_utils", "lab", "99"]
    done = subprocess.run(command, cwd=environment.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "'99'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_jupyterlab_answers_on_the_notebook_despite_odd_settings(tmp_path):
    """The learner's own configuration asks for another root, address, port and kernel."""
    odd = tmp_path / "odd"
    kernel = odd / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "odd", "language": "python"}))
    (odd / "jupyter_server_config.json").write_text(json.dumps({"ServerApp": {"port": 1, "root_dir": "nowhere"}}))
    (odd / "jupyter_server_config.py").write_text("raise RuntimeError('odd')\n")
    port = free_port()
    variables = {
        **os.environ,
        "COURSE_HOME": str(tmp_path / "home"),
        "JUPYTER_CONFIG_DIR": str(odd),
        "JUPYTER_DATA_DIR": str(odd),
        "JUPYTER_PATH": str(odd),
        "JUPYTER_TOKEN": "secret",
    }
    name = environment.notebook_files()[0].name
    command = [sys.executable, "-m", "course_utils", "lab", name, "--no-browser", "--port", str(port)]

    def ask(path):
        with urllib.request.urlopen(f"http://{lab.LOOPBACK}:{port}{path}?token=secret", timeout=5) as answer:
            return answer.read().decode()

    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=environment.ROOT, env=variables, stdout=log, stderr=log)
        try:
            for _ in range(200):
                try:
                    ask("/api/status")
                    break
                except (urllib.error.URLError, ConnectionError):
                    assert server.poll() is None, (tmp_path / "log").read_text()
                    time.sleep(0.1)
            assert name in [entry["name"] for entry in json.loads(ask("/api/contents"))["content"]]
            assert f"/lab/tree/{name}" in (tmp_path / "log").read_text()
            kernels = json.loads(ask("/api/kernelspecs"))["kernelspecs"]
            assert kernels["python3"]["spec"]["display_name"] != "odd"
            page = ask(f"/lab/tree/{name}")
            assert '"news": {"disabled": true}' in page
            assert '"extensionManager": {"name": "read-only"' in page or "readonly" in (tmp_path / "log").read_text()
        finally:
            server.terminate()
            server.wait(20)
