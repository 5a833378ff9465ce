"""One door to every pretrained model: small embedded ones, or with ``COURSE_MODELS=hub`` the public ones.

Example:
    >>> from course_utils import pretrained
    >>> pretrained.NAMES
    ('masked-words', 'translate-en-es', 'translate-es-en', 'summarise', 'sentence-encoder')

    The folder goes straight into transformers::

        folder = pretrained.path("masked-words")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForMaskedLM.from_pretrained(folder)

The embedded models lie in ``course_utils/weights``; ``course_utils/model_training`` holds the scripts that made them.
Each file is compared with its sum in ``SHA256SUMS.json`` when a process first uses its model. After a training of your
own, ``python -m course_utils.pretrained pin`` writes the new sums. A teacher who wants the public models in class
fetches them beforehand: ``COURSE_MODELS=hub python -m course_utils.pretrained fetch``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from course_utils import adapters, assets, hub
from course_utils.adapters import assemble
from course_utils.assets import store
from course_utils.environment import CourseError
from course_utils.hub_trouble import ModelError, Remote

__all__ = ["MODELS", "NAMES", "Model", "ModelError", "assemble", "card", "mode", "models", "path", "pin"]

WEIGHTS = Path(__file__).resolve().parent / "weights"
SUMS = "SHA256SUMS.json"
REPAIR = "type `git checkout -- course_utils/weights`, or get a fresh copy of the course"
#: What each model card says, under headings of these names.
CARD_SECTIONS = ("Data", "Licence", "Size", "Score", "Cannot")


@dataclass(frozen=True)
class Model:
    """A task, and the two models for it.

    Attributes:
        name: what `path` takes.
        task: what the model does.
        loader: the Auto class of transformers that loads it.
        remote: the public model.
        carrier: the asset that holds the embedded model, "" where the course's own folder does.
    """

    name: str
    task: str
    loader: str
    remote: Remote
    carrier: str = ""


# The commits are those that public projects pin and the hub's own pages show; so are the sums, where they are known.
# Of the two translation models only the .bin is in these versions: their publisher took the safetensors back.
MODELS = {
    model.name: model
    for model in (
        Model(
            "masked-words",
            "guesses a hidden word",
            "AutoModelForMaskedLM",
            Remote(
                "bert-base-uncased",
                "86b5e0934494bd15c9632b12f734a8a67f723594",
                441,
                "Apache-2.0",
                {"model.safetensors": "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3"},
            ),
        ),
        Model(
            "translate-en-es",
            "translates out of English",
            "AutoModelForSeq2SeqLM",
            Remote("facebook/wmt19-en-de", "539c42e37efac600405b16b401a8c9893c6e26a6", 1082, "Apache-2.0", {}),
        ),
        Model(
            "translate-es-en",
            "translates back into English",
            "AutoModelForSeq2SeqLM",
            Remote("facebook/wmt19-de-en", "4fcb2d0a53bf2c618242f1a5a86062fddda35771", 1082, "Apache-2.0", {}),
        ),
        Model(
            "summarise",
            "says a text in fewer words",
            "AutoModelForSeq2SeqLM",
            Remote(
                "t5-base",
                "a9723ea7f1b39c1eae772870f3b547bf6ef7e6c1",
                894,
                "Apache-2.0",
                {"model.safetensors": "a90903540cc02cbeb7ff9f823f1a80eb778c7e22426a0e620b01c77a5ec8f5b4"},
            ),
        ),
        Model(
            "sentence-encoder",
            "turns a sentence into 384 numbers",
            "AutoModel",
            Remote(
                "sentence-transformers/all-MiniLM-L6-v2",
                "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
                92,
                "Apache-2.0",
                {"model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
            ),
            carrier="minilm",
        ),
    )
}
NAMES = tuple(MODELS)

#: Folders whose files this process has compared with their sums.
_checked: set[Path] = set()


def mode() -> str:
    """Which models `path` gives: "embedded", or "hub" where the environment variable COURSE_MODELS says so.

    Raises:
        ValueError: it says something else.
    """
    chosen = os.environ.get("COURSE_MODELS", "").strip() or "embedded"
    if chosen not in ("embedded", "hub"):
        raise ValueError(f"COURSE_MODELS is {chosen!r}; expected 'embedded' (or nothing) or 'hub'")
    return chosen


def path(name: str) -> Path:
    """The folder of a pretrained model.

    Args:
        name: one of `NAMES`.

    Returns:
        A folder that transformers' Auto classes load without a network.

    Raises:
        ValueError: there is no such model, or COURSE_MODELS is neither "embedded" nor "hub".
        ModelError: it cannot be had; the sentence says what to do.
        assets.Missing: the sentence encoder is not on this machine and cannot be fetched; so it says.
    """
    model = _model(name)
    if mode() == "hub":
        return hub.fetch(model.remote)
    if model.carrier:
        return assets.path(model.carrier)
    folder = WEIGHTS / name
    _check(name)
    return _assembled(name) if (folder / adapters.ADAPTERS).exists() else folder


def card(name: str) -> str:
    """What a model was trained on, under which licence, how large and how good it is, and what it cannot do.

    Args:
        name: one of `NAMES`.

    Returns:
        The model card of the model that `path` gives, in Markdown.

    Raises:
        ValueError, ModelError: as `path`.
    """
    _model(name)
    if mode() == "hub":
        return (path(name) / "README.md").read_text(encoding="utf-8")
    _check(name)
    return (WEIGHTS / name / "README.md").read_text(encoding="utf-8")


def models() -> list[dict[str, str | float]]:
    """A table of what each name is in both modes; ``pandas.DataFrame(pretrained.models())`` shows it.

    Returns:
        A row for each model: its name, task and class in transformers; size (MB) and licence of the embedded model;
        name, size and licence of the hub's.
    """
    rows: list[dict[str, str | float]] = []
    for name, model in MODELS.items():
        stored = sum(file.stat().st_size for file in (WEIGHTS / name).glob("*"))
        carrier = model.carrier or ("minilm" if (WEIGHTS / name / adapters.ADAPTERS).exists() else "")
        carried = assets.BY_NAME[carrier].size if carrier else 0
        readme = WEIGHTS / name / "README.md"
        licence = section(readme.read_text(encoding="utf-8"), "Licence") if readme.exists() else ""
        rows.append(
            {
                "name": name,
                "task": model.task,
                "class": model.loader,
                "embedded MB": round((stored + carried) / 1e6, 1),
                "embedded licence": licence.partition(".")[0],
                "hub": model.remote.repo,
                "hub MB": model.remote.megabytes,
                "hub licence": model.remote.licence,
            }
        )
    return rows


def section(text: str, heading: str) -> str:
    """The part of a model card under a heading; "" if there is none.

    Args:
        text: the card, in Markdown.
        heading: a word of the heading; upper and lower case are the same.
    """
    found = re.search(rf"(?ims)^##[^\n]*\b{re.escape(heading)}\b[^\n]*\n(.*?)(?=^##|\Z)", text)
    return found[1].strip() if found else ""


def pin(names: list[str] | None = None) -> dict[str, str]:
    """Write the sums of the embedded models' files, after a training.

    Args:
        names: which models; all by default. The sums of the others stay.

    Returns:
        The table as it is now: SHA-256 by path inside the weights folder.

    Raises:
        ValueError: there is no such model.
    """
    chosen = [_model(name).name for name in names or NAMES]
    sums = {file: value for file, value in _sums().items() if file.partition("/")[0] not in chosen}
    for name in chosen:
        for file in sorted((WEIGHTS / name).glob("*")):
            if file.is_file() and not file.name.startswith("."):
                sums[f"{name}/{file.name}"] = hub.digest_of(file, "0" * 64)
    part = WEIGHTS / f".{SUMS}.part"
    part.write_text(json.dumps(sums, indent=2, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
    part.replace(WEIGHTS / SUMS)
    _checked.clear()
    return sums


def _model(name: str) -> Model:
    if name not in MODELS:
        raise ValueError(f"name is {name!r}; expected one of {', '.join(NAMES)}")
    return MODELS[name]


def _sums() -> dict[str, str]:
    """The pinned sums; none if the table is not there or cannot be read."""
    try:
        found = json.loads((WEIGHTS / SUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _pinned(name: str) -> dict[str, str]:
    """The pinned sums of one model, by file."""
    return {file.partition("/")[2]: value for file, value in _sums().items() if file.startswith(f"{name}/")}


def _check(name: str) -> None:
    """Compare each file of an embedded model with its sum, once a process.

    Raises:
        ModelError: a file is missing or is another one.
    """
    folder = WEIGHTS / name
    if folder in _checked:
        return
    pinned = _pinned(name)
    if not pinned:
        raise ModelError(f"{SUMS} in course_utils/weights has no sums for {name}: {REPAIR}.")
    for file, value in pinned.items():
        try:
            same = hub.digest_of(folder / file, value) == value
        except OSError:
            raise ModelError(f"course_utils/weights/{name}/{file} is missing or cannot be read: {REPAIR}.") from None
        if not same:
            raise ModelError(f"course_utils/weights/{name}/{file} is not the file that the course came with: {REPAIR}.")
    _checked.add(folder)


def _assembled(name: str) -> Path:
    """The folder of a model that is kept as adapters on the sentence encoder; put together at its first use.

    Raises:
        ModelError: the encoder is damaged.
        assets.Missing: the encoder cannot be had, or the model cannot be written.
    """
    encoder = assets.BY_NAME["minilm"]

    def make(out: Path) -> None:
        base = assets.path(encoder.name)
        # Only its sizes were compared until now, and what is made here is kept for long.
        if store.damaged(encoder):
            raise ModelError(f"The sentence encoder is damaged: type {assets.command()[:-1]} minilm --check`.")
        assemble(base, WEIGHTS / name, out)

    parts = json.dumps([adapters.FORMAT, encoder.digest, _pinned(name)], sort_keys=True)
    return assets.keep(f"{name}-{hashlib.sha256(parts.encode()).hexdigest()[:8]}", make)


def main(arguments: list[str]) -> int:
    """The commands ``pin [NAME ...]``, ``fetch [NAME ...]`` and ``list``."""
    parser = argparse.ArgumentParser(prog="pretrained", description="The pretrained models of the course.")
    parser.add_argument("command", choices=("list", "fetch", "pin"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones ({', '.join(NAMES)}); all by default")
    options = parser.parse_args(arguments)
    try:
        if options.command == "list":
            for row in models():
                print(f"{row['name']:17}{row['embedded MB']:6.1f} MB here, {row['hub MB']:5} MB as {row['hub']}")
        elif options.command == "pin":
            print(f"{SUMS}: {len(pin(options.names))} files are pinned.")
        else:
            for name in options.names or NAMES:
                path(name)
                print(f"{name} is there ({mode()}).")
    except (CourseError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
