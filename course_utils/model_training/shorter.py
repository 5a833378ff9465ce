"""Finds what humans wrote twice, once longer and once shorter: the pairs that the summariser learns from."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from course_utils.model_training.sentences import Pair, key


def _set(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


# Words that turn a statement round. A sentence that lost one of them says something else, not less.
TURNS = _set(
    "not no never nobody nothing none nor neither hardly barely almost nearly without if unless can could may might",
    "must should would will want wants wanted doubt wish wishes hope hopes hoped pretend pretended try tries tried",
    "used refuse refused fail failed forgot forget stop stopped supposed going and or but than less too only until",
    "t isn wasn don didn doesn won wouldn couldn shouldn aren weren haven hasn hadn s m re ve d ll",
)
LINKS = _set("of to in on at by for from with about into under over after before like as")
OPENERS = _set("the a an this that these those my your his her its our their how what why when where who")
SUBJECTS = _set("i you he she it we they who")
NEEDS_MORE = _set("going able have has had need needs be been about ought")


class Shorter(NamedTuple):
    """A sentence and a shorter one that says much the same, both by humans."""

    long: str
    short: str


class Parts(NamedTuple):
    """Three parts; no sentence of one, long or short, is in another."""

    train: list[Shorter]
    valid: list[Shorter]
    test: list[Shorter]


def same_translation(pairs: Iterable[Pair]) -> list[Shorter]:
    """Pairs English sentences that have the same translation, where one has fewer words and fewer letters.

    They should also share half of the short one's words: one Spanish sentence may leave open who acts, and then its
    English translations differ in more than length.
    """
    groups: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for pair in pairs:
        groups[key(pair.other)].setdefault(key(pair.english), pair.english)
    found = []
    for group in groups.values():
        for long, short in itertools.permutations(group.values(), 2):
            n, m = len(long.split()), len(short.split())
            if 3 <= m < n and len(short) < len(long) and long[-1] == short[-1]:
                left, right = set(key(long).split()), set(key(short).split())
                if 2 * len(left & right) >= len(right) and left & SUBJECTS == right & SUBJECTS:
                    found.append(Shorter(long, short))
    return found


def is_safe_cut(words: Sequence[str], start: int, end: int) -> bool:
    """Whether leaving out words[start:end] is likely to leave a sentence that says less, but nothing else.

    Rules about words alone; they are often right and sometimes wrong.

    >>> is_safe_cut("the door was locked from the outside".split(), 4, 7)
    True
    >>> is_safe_cut("i can not come".split(), 2, 3)
    False
    """
    cut = words[start:end]
    if TURNS.intersection(cut):
        return False
    if end == len(words):  # at the end: "I saw this film" must not become "I saw this"
        before = words[start - 1]
        return before not in OPENERS and before not in LINKS and not (before in NEEDS_MORE and cut[0] == "to")
    if start == 0:
        return cut[0] not in OPENERS - {"the", "my", "our"}
    if words[start - 1] in NEEDS_MORE or cut[-1] in LINKS or cut[-1] in SUBJECTS:
        return False
    return cut[0] in LINKS or not LINKS.intersection(cut)


def one_cut(sentences: Iterable[str], *, largest: float = 0.45) -> list[Shorter]:
    """Pairs sentences where the short one is the long one without one run of neighbouring words.

    Both are in the collection, so a human wrote the short one as a sentence of its own. Each long sentence is used
    once, with its shortest partner.

    Args:
        sentences: any sentences; those with the same words count once.
        largest: the greatest share of the words that may go.
    """
    known: dict[tuple[str, str], str] = {}
    for sentence in sentences:
        known.setdefault((key(sentence), sentence[-1]), sentence)
    found = []
    for (words, mark), long in known.items():
        split = words.split()
        n = len(split)
        best: str | None = None
        for size in range(1, min(n - 3, int(largest * n)) + 1):
            for start in range(n - size + 1):
                short = known.get((" ".join(split[:start] + split[start + size :]), mark))
                if short is not None and is_safe_cut(split, start, start + size):
                    best = short
        if best is not None:
            found.append(Shorter(long, best))
    return found


def split_shorter(found: Sequence[Shorter], *, held_out: int = 700) -> Parts:
    """Holds pairs out, by a hash of the long sentence; what shares a sentence with them is left out of the training.

    Args:
        found: all pairs.
        held_out: pairs in each held-out part.
    """
    found = list(dict.fromkeys(found))
    uses = Counter(key(sentence) for pair in found for sentence in pair)
    rare = [pair for pair in found if all(uses[key(sentence)] <= 2 for sentence in pair)]
    rare.sort(key=lambda pair: hashlib.sha256(key(pair.long).encode()).digest())
    test, taken = _take(rare, held_out, set())
    valid, taken = _take(rare, held_out, taken)
    return Parts([pair for pair in found if not taken.intersection(map(key, pair))], valid, test)


def _take(rare: Sequence[Shorter], count: int, taken: set[str]) -> tuple[list[Shorter], set[str]]:
    part: list[Shorter] = []
    mine: set[str] = set()
    for pair in rare:
        if len(part) < count and not taken.intersection(map(key, pair)):
            part.append(pair)
            mine.update(map(key, pair))
    return part, taken | mine
