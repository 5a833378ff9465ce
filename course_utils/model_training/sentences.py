"""The human sentence pairs that translation and summaries learn from, and a split that keeps the test unseen."""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# Spellings of the same mark: one of each keeps the small vocabulary for words.
SAME = str.maketrans(
    {"’": "'", "‘": "'", "´": "'", "“": '"', "”": '"', "«": '"', "»": '"', "…": "...", "—": "-", "–": "-"}
)


class Pair(NamedTuple):
    """An English sentence and a human's translation of it, into Spanish where nothing else is said."""

    english: str
    other: str


class Split(NamedTuple):
    """Three parts that share no sentence in either language."""

    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]


def tidy(text: str) -> str:
    """Gives one spelling to spaces, quotes, dashes and accents.

    >>> tidy("  “Good  night” … ")
    '"Good night" ...'
    """
    return " ".join(unicodedata.normalize("NFC", text).translate(SAME).split())


def key(text: str) -> str:
    """Reduces a sentence to what makes it the same sentence: its words in small letters.

    >>> key("¡Ve, Tom!") == key("ve Tom.")
    True
    """
    return " ".join(re.findall(r"\w+", text.lower()))


def read_lines(folder: Path, name: str) -> list[str]:
    """Reads the lines of a text file that lies anywhere in a folder, as it is or in a zip archive.

    Raises:
        FileNotFoundError: if the folder holds no such file.
    """
    for file in sorted(folder.rglob(name)):
        return file.read_text(encoding="utf-8").splitlines()
    for file in sorted(folder.rglob("*.zip")):
        with zipfile.ZipFile(file) as archive:
            if name in archive.namelist():
                return io.TextIOWrapper(archive.open(name), encoding="utf-8").read().splitlines()
    raise FileNotFoundError(f"folder: expected {name} in {folder} or in a zip archive there, found none")


def read_pairs(folder: Path | None = None, *, other: str = "spa", most_words: int = 12) -> list[Pair]:
    """Reads pairs of an English sentence and its translation.

    Args:
        folder: where `spa.txt` and `fra.txt` are, or a zip archive with them; by default the course fetches them.
        other: the other language, "spa" or "fra".
        most_words: pairs with a longer sentence on either side are left out.

    Returns:
        The pairs in the order of the file, each once.

    Source:
        Tatoeba (tatoeba.org), CC-BY 2.0 FR, prepared by manythings.org; in the source archive of nmt 0.0.6.
    """
    if folder is None:
        from course_utils import assets

        folder = assets.path("sentence-pairs")
    found: dict[Pair, None] = {}
    for line in read_lines(folder, f"{other}.txt"):
        english, translation = line.split("\t")[:2]
        pair = Pair(tidy(english), tidy(translation))
        if key(pair.english) and key(pair.other) and all(len(side.split()) <= most_words for side in pair):
            found[pair] = None
    return list(found)


def families(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Groups pairs that are linked by a shared sentence, directly or through others.

    Two pairs are linked if their English or their other sentences have the same words. Whole groups go to one part of
    the split; otherwise a test sentence, or its translation, would be in the training part too.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parent.setdefault(name, name)) != name:
            parent[name] = name = parent[above]
        return name

    for pair in pairs:
        parent[root("en " + key(pair.english))] = root("es " + key(pair.other))
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(root("en " + key(pair.english)), []).append(pair)
    return list(groups.values())


def split_pairs(pairs: Sequence[Pair], *, held_out: int = 2000) -> Split:
    """Holds out whole families of pairs, for validation and for the test.

    Families are drawn by a hash of their sentences, so the same family falls in the same part whatever else is in the
    file. Families of more than 8 pairs stay in the training part.

    Args:
        pairs: all pairs.
        held_out: how many pairs go to each held-out part, about.
    """
    groups = families(pairs)
    groups.sort(key=lambda group: hashlib.sha256(min(key(pair.english) for pair in group).encode()).digest())
    parts: tuple[list[Pair], list[Pair], list[Pair]] = ([], [], [])
    for group in groups:
        small = len(group) <= 8
        part = 2 if small and len(parts[2]) < held_out else 1 if small and len(parts[1]) < held_out else 0
        parts[part].extend(group)
    return Split(*parts)
