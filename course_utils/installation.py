"""Fill .venv with the packages of requirements.lock, for course.py: nothing but the standard library is there yet."""

from __future__ import annotations

import collections
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
CPU_PAIR = VENV / "course-torch-cpu.txt"
WINDOWS = os.name == "nt"
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")

# What only a CUDA build of torch needs.
GPU_PACKAGES = r"(nvidia|cuda)-|triton$"
# pip's settings and their names in uv: a classroom's mirror works for both.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
# Settings of the user that would send packages, or Python itself, elsewhere than to .venv.
MISLEADING = (
    "PYTHONHOME",
    "PYTHONPATH",
    "PIP_TARGET",
    "PIP_PREFIX",
    "UV_SYSTEM_PYTHON",
    "UV_PYTHON",
    "UV_TARGET",
)
# What installers say when they fail, and what helps.
SENTENCES = {
    r"no space left|os error (28|112)\b": "The disk is full: free some space",
    r"hash mismatch|hashes.* not match": "A package is not the one that the lock names: repair your mirror",
    r"connect|dns error|name resolution|resolve host|timed out|failed to fetch": (
        "The packages cannot be fetched: connect to the internet, or repair pip's mirror settings"
    ),
    r"permission denied|access is denied|read-only": "A file cannot be written: close what is using .venv",
}
#: A program and its arguments.
Command = list[str | Path]


class Trouble(Exception):  # noqa: N818
    """One sentence that says what is wrong and what to do."""


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def variables() -> dict[str, str]:
    """This process's environment variables, without those that mislead."""
    kept = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    ours = {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    # Without a network five tries of pip would only delay the sentence that says so.
    return {"PIP_RETRIES": "2", **kept, **ours}


def has_gpu() -> bool:
    """Whether an NVIDIA driver is there."""
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def sizes(kind: str) -> tuple[int, int]:
    """Megabytes to download and on disk, as `python -m course_utils lock` has written them into the lock."""
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        found = re.match(r"# size (\S+): (\d+) MB to download, (\d+) MB on disk", line)
        if found and found.group(1) == kind:
            return int(found.group(2)), int(found.group(3))
    return sizes("linux-x86_64") if kind != "linux-x86_64" else (0, 0)


def locked(wanted: re.Pattern[str], *, keep: bool = True) -> str:
    """The part of the lock whose packages' names match, or with ``keep=False`` the rest."""
    blocks = re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8").rstrip("\n"))
    entries = [block for block in blocks if not block.startswith("#")]
    return "\n".join(entry for entry in entries if bool(wanted.match(entry.split("==")[0])) == keep) + "\n"


def explain(lines: collections.deque[str]) -> str:
    """One sentence for what an installer said last."""
    text = "\n".join(lines)
    for sign, sentence in SENTENCES.items():
        if re.search(sign, text, re.IGNORECASE):
            return f"{sentence}, then run the same command again."
    return "The environment could not be made: the lines above say why, and the same command tries again."


def follow(title: str, command: Command, environment: dict[str, str]) -> tuple[int, collections.deque[str]]:
    """Run a program, show that it lives, and keep what it says last.

    Args:
        title: what the step is called.
        command: the program and its arguments.
        environment: its variables.

    Returns:
        Its exit status and its last lines.
    """
    start = time.monotonic()
    lines: collections.deque[str] = collections.deque(maxlen=12)
    process = subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )

    def listen(stream: IO[str]) -> None:
        lines.extend(line.rstrip() for line in stream if line.strip())

    assert process.stdout is not None
    listener = threading.Thread(target=listen, args=(process.stdout,), daemon=True)
    listener.start()
    terminal = sys.stdout.isatty()
    next_sign = 0.0 if terminal else 20.0
    try:
        while True:
            try:
                status = process.wait(timeout=1)
                break
            except subprocess.TimeoutExpired:
                seconds = time.monotonic() - start
            if seconds >= next_sign:
                news = (lines[-1] if lines else "").strip()[:40]
                # After that line uv compiles for a while and says nothing.
                news = "byte code is compiled" if news.startswith("Installed") else news
                text = f"  {title} … {seconds:.0f} s  {news}"
                print(f"\r{text:<78.78}" if terminal else text, end="" if terminal else "\n", flush=True)
                next_sign += 1.0 if terminal else 20.0
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    listener.join(timeout=5)
    if status == 0:
        text = f"  {title}: {time.monotonic() - start:.0f} s"
        say(f"\r{text:<78}" if terminal else text)
    elif terminal:
        print("\r" + " " * 78 + "\r", end="")
    return status, lines


def complain(lines: collections.deque[str]) -> Trouble:
    """Print what an installer said last; the trouble to raise says what to do."""
    for line in list(lines)[-6:]:
        say(f"    {line[:200]}")
    return Trouble(explain(lines))


def step(title: str, command: Command, environment: dict[str, str]) -> None:
    """Run one step that must succeed.

    Raises:
        Trouble: it did not; its last lines have been printed.
    """
    status, lines = follow(title, command, environment)
    if status != 0:
        raise complain(lines)


def take(file: IO[bytes]) -> bool:
    """Try to lock a file; False while another process holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks is no reason to wait for ever.
        return not (isinstance(error, (BlockingIOError, PermissionError)))
    return True


def mirror_settings(python: str | Path | None = None) -> dict[str, str]:
    """The user's pip settings in uv's names, for those who have told uv nothing themselves.

    Args:
        python: whose pip is asked; that of .venv by default.
    """
    command = [str(python or PYTHON), "-m", "pip", "config", "list"]
    listing = subprocess.run(command, env=variables(), capture_output=True, text=True, check=False)
    found = {}
    for line in listing.stdout.splitlines():
        key, _, value = line.partition("=")
        name = UV_NAMES.get(key.rpartition(".")[2].replace("_", "-"))
        if name and not os.environ.get(name):
            places = value.strip("'\"").replace("\\n", " ").split()
            found[name] = ("," if key.endswith("find-links") else " ").join(places)
    # A mirror is often one of several indexes; hashes make it safe to take a package from any of them.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **found} if found else {}


def check_disk(needed: int, cache: Path) -> None:
    """Make sure that what is still to come fits.

    Args:
        needed: megabytes.
        cache: uv's cache; what lies in it already is linked into the environment and takes no more room.

    Raises:
        Trouble: it does not fit.
    """
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    for place in {VENV.stat().st_dev: VENV, there.stat().st_dev: there}.values():
        free = shutil.disk_usage(place).free // 10**6
        if free < needed:
            kept = sum(file.lstat().st_size for file in cache.rglob("*")) // 10**6 if cache.exists() else 0
            if free + kept < needed:
                raise Trouble(
                    f"The disk is too full: {needed / 1000:.1f} GB are needed, {free / 1000:.1f} GB are free "
                    f"at {place}: free some space, then run the same command again."
                )


def cpu_pair(uv: Path, environment: dict[str, str]) -> Path | None:
    """The CPU build of torch and torchvision, locked with hashes, where the framework's own index answers.

    Returns:
        A requirements file of the pair in the locked versions, or None.
    """
    wanted = re.findall(r"(?m)^torch(?:vision)?==[\d.]+", LOCK.read_text(encoding="utf-8"))
    if CPU_PAIR.exists() and all(f"{pin}+cpu" in CPU_PAIR.read_text(encoding="utf-8") for pin in wanted):
        return CPU_PAIR
    request = CPU_PAIR.with_suffix(".in")
    request.write_text("\n".join(wanted) + "\n", encoding="utf-8")
    command: Command = [uv, "pip", "compile", "--python", PYTHON, "--torch-backend", "cpu", "--no-deps", "--quiet"]
    command += ["--generate-hashes", "--no-annotate", "--no-header", "--output-file", CPU_PAIR, request]
    # Behind a wall that swallows everything this must not cost minutes.
    quick = {**environment, "UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "1"}
    status, _ = follow("CPU build of PyTorch: looked up", command, quick)
    text = CPU_PAIR.read_text(encoding="utf-8") if status == 0 and CPU_PAIR.exists() else ""
    if all(f"{pin}+cpu" in text for pin in wanted):
        return CPU_PAIR
    CPU_PAIR.unlink(missing_ok=True)
    say("  CPU build of PyTorch: not to be had here, so the larger ordinary build is taken")
    return None


def install(kind: str) -> None:
    """Bring .venv from an empty environment, or from another lock, to the lock.

    Raises:
        Trouble: a step fails.
    """
    environment = variables()
    installer = VENV / "course-installer.txt"
    installer.write_text(locked(re.compile(r"uv$")), encoding="utf-8")
    pip: Command = [PYTHON, "-m", "pip", "install", "--require-hashes", "--no-deps"]
    status, lines = follow("Installer", [*pip, "--only-binary", ":all:", "-r", installer], environment)
    if status != 0 and "cannot be fetched" in explain(lines):
        raise complain(lines)
    uv = PYTHON.with_name("uv.exe" if WINDOWS else "uv")
    everything = VENV / "course-packages.txt"
    if status != 0 or not uv.exists():
        # No uv for this platform: pip does the same, more slowly.
        everything.write_text(locked(re.compile(r"uv$"), keep=False), encoding="utf-8")
        step("Packages (this takes several minutes)", [*pip, "--compile", "-r", everything], environment)
        editable: Command = [*pip[:4], "--no-index"]
    else:
        environment.update(mirror_settings())
        asked = subprocess.run([str(uv), "cache", "dir"], env=environment, capture_output=True, text=True, check=False)
        cache = Path(asked.stdout.strip() or VENV)
        pair = cpu_pair(uv, environment) if kind.startswith("linux") and not has_gpu() else None
        # An update downloads little; only a first installation needs the whole room.
        if not list(VENV.glob("[Ll]ib/**/site-packages/torch/version.py")):
            check_disk(sizes("linux-cpu" if pair else kind)[1], cache)
        sync: Command = [uv, "pip", "sync", "--python", PYTHON, "--require-hashes", "--compile-bytecode"]
        if pair:
            skipped = re.compile(rf"torch$|torchvision$|{GPU_PACKAGES}")
            everything.write_text(locked(skipped, keep=False), encoding="utf-8")
            sync += ["--torch-backend", "cpu", everything, pair]
        else:
            sync.append(LOCK)
        step("Packages (this takes a few minutes)", sync, environment)
        editable = [uv, "pip", "install", "--python", PYTHON, "--offline"]
    step("The course itself", [*editable, "--no-deps", "--no-build-isolation", "-e", ROOT], environment)
