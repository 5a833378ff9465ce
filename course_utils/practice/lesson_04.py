"""Lesson 04, text augmentation: exercises with their wrong answers, and the quiz."""

from __future__ import annotations

import importlib
import math
import random
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from course_utils.practice import sandbox
from course_utils.practice.check import Checks
from course_utils.practice.exercise import Exercise
from course_utils.practice.investigation import Selection
from course_utils.practice.quiz import Choice, Question, Quiz
from course_utils.practice.task import Mistake
from course_utils.practice.verdict import short
from course_utils.text import words


class _Late:
    """A module of nlpaug that is loaded when it is first used: that takes seconds."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        importlib.import_module("course_utils.augmentation")  # repairs nlpaug while it is imported
        return getattr(importlib.import_module(self._name), attribute)


naw: Any = _Late("nlpaug.augmenter.word")


def _load_nlpaug() -> None:
    """Import nlpaug and use it once."""
    naw.RandomWordAug().augment("a small film")


# ---- 04.1 ---------------------------------------------------------------------------------------------------------


class Numbered:
    """An augmentation that tells one change of a text from the next: it counts them."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.__name__ = "that adds ~1, ~2, …"  # for the counterexample

    def __call__(self, text: str) -> str:
        """The text with the number of the change."""
        self._counts[text] += 1
        return f"{text}~{self._counts[text]}"


def _set_cases() -> Iterator[tuple[list[str], list[Any], Callable[[str], str], int]]:
    """Small sets, with and without copies; texts that come twice, labels of several kinds, and changes that do nothing."""
    yield ["good", "bad"], [1, 0], Numbered(), 1
    yield ["good", "bad"], [1, 0], Numbered(), 2
    yield ["good", "bad", "dull"], [1, 0, 0], Numbered(), 3
    yield ["good", "bad"], [1, 0], Numbered(), 0
    yield ["one text"], ["praise"], Numbered(), 4
    # The same text with two labels, as two people may give them; and a change that leaves some texts as they are.
    yield ["slow", "slow", "FINE"], ["praise", "blame", "praise"], str.upper, 2
    yield ["b", "a", "b", "c"], [2, 1, 2, 3], str.title, 1
    rng = random.Random(41)
    for copies in (1, 2, 5):
        texts = [f"text {number}" for number in rng.sample(range(100), 6)]
        yield texts, [rng.randrange(3) for _ in texts], Numbered(), copies


def augmented_set(
    texts: list[str], labels: list[Any], augment: Callable[[str], str], copies: int
) -> tuple[list[str], list[Any]]:
    new_texts, new_labels = list(texts), list(labels)
    for _ in range(copies):
        new_texts += [augment(text) for text in texts]
        new_labels += labels
    return new_texts, new_labels


Augment = Callable[[str], str]


def _rounds(texts: Sequence[str], augment: Augment, copies: int) -> list[list[str]]:
    return [[augment(text) for text in texts] for _ in range(copies)]


def _set_in_one_line(texts: list[str], labels: list[Any], augment: Augment, copies: int) -> Any:
    return [*texts, *(augment(text) for _ in range(copies) for text in texts)], labels * (copies + 1)


def _set_by_pairs(texts: list[str], labels: list[Any], augment: Augment, copies: int) -> Any:
    pairs = list(zip(texts, labels))
    for _ in range(copies):
        pairs.extend((augment(text), label) for text, label in zip(texts, labels))
    return tuple(text for text, _ in pairs), tuple(label for _, label in pairs)


def _set_text_by_text(texts: list[str], labels: list[Any], augment: Augment, copies: int) -> Any:
    """All changes of one text first, sorted into rounds afterwards."""
    columns = [[augment(text) for _ in range(copies)] for text in texts]
    more = [columns[i][k] for k in range(copies) for i in range(len(texts))]
    return texts + more, [labels[i % len(labels)] for i in range(len(texts) * (copies + 1))]


def _set(
    texts: Callable[[list[str], Augment, int], list[Any]] | None = None,
    labels: Callable[[list[Any], int], list[Any]] | None = None,
) -> Callable[..., Any]:
    """An enlarged set with one part exchanged: how the texts are made, or how the labels are repeated."""

    def enlarged(given: list[str], marks: list[Any], augment: Augment, copies: int) -> Any:
        made = texts(given, augment, copies) if texts else _set_in_one_line(given, marks, augment, copies)[0]
        return made, labels(marks, copies) if labels else marks * (copies + 1)

    return enlarged


def _flat(lists: Iterable[Iterable[Any]]) -> list[Any]:
    return [item for part in lists for item in part]


def _changes_of_changes(texts: list[str], augment: Augment, copies: int) -> list[str]:
    made, last = list(texts), list(texts)
    for _ in range(copies):
        last = [augment(text) for text in last]
        made += last
    return made


def _set_by_alias(texts: list[str], labels: list[Any], augment: Augment, copies: int) -> Any:
    """What new_texts = texts does: a round changes all that the list holds by then."""
    made, marks = list(texts), list(labels)
    for _ in range(copies):
        made += [augment(text) for text in made]
        marks += marks
    return made, marks


def _set_by_alias_of_labels(texts: list[str], labels: list[Any], augment: Augment, copies: int) -> Any:
    return _set_in_one_line(texts, labels, augment, copies)[0], labels * 2**copies


def _set_interleaved(texts: list[str], labels: list[Any], augment: Augment, copies: int) -> Any:
    made = _flat([text, *(augment(text) for _ in range(copies))] for text in texts)
    return made, [label for label in labels for _ in range(copies + 1)]


def _set_by_dict(texts: list[str], labels: list[Any], augment: Augment, copies: int) -> Any:
    marks = dict(zip(texts, labels))
    made = _set_in_one_line(list(marks), [], augment, copies)[0]
    return made, list(marks.values()) * (copies + 1)


def _set_without_equal(texts: list[str], labels: list[Any], augment: Augment, copies: int) -> Any:
    pairs = list(zip(texts, labels))
    for text, label in [(text, label) for _ in range(copies) for text, label in zip(texts, labels)]:
        if (changed := augment(text)) != text:
            pairs.append((changed, label))
    return [text for text, _ in pairs], [label for _, label in pairs]


def _set_by_reference(texts: list[str], labels: list[Any], augment: Augment, copies: int) -> Any:
    """The independent reference: pairs, taken apart into lists as the stub asks for them."""
    return tuple(list(part) for part in _set_by_pairs(texts, labels, augment, copies))


def _copies_text_by_text(texts: list[str], augment: Augment, copies: int) -> list[str]:
    return texts + [augment(text) for text in texts for _ in range(copies)]


def _set_of_pairs(texts: list[str], labels: list[Any], augment: Augment, copies: int) -> Any:
    return list(zip(*_set_in_one_line(texts, labels, augment, copies)))


AUGMENTED_SET = Exercise(
    number="04.1",
    name="augmented_set",
    title="A larger training set, every label right",
    kind="write",
    difficulty=1,
    minutes=6,
    trains="enlarging a training set",
    stub='''def augmented_set(texts, labels, augment, copies):
    """Enlarge a training set by changed copies.

    First come all originals, in their order. Then, for each round, one changed copy of every
    original, in the same order. A copy has the label of its original. Call augment anew for each
    copy: it is random. The given lists stay as they are.

    Args:
        texts: n texts, a list
        labels: their labels, a list of length n
        augment: a function, augment(text) gives a changed text
        copies: the number of rounds, 0 or more
    Returns:
        the new texts, a list of length n · (1 + copies)
        the new labels, a list of the same length
    """
    ...
''',
    hints=(
        "Write down the result for texts a, b with labels 1, 0 and two rounds: a b, a′ b′, a″ b″. Which labels stand below?",
        "Begin with copies of both lists: list(texts) makes one. A plain = only gives the same list a second name.",
        "Then a loop over the rounds. In each, extend the new texts by augment(text) for every text of the *given* list, and the new labels by all given labels.",
    ),
    reference=augmented_set,
    mistakes=(
        Mistake(
            _set(labels=lambda marks, copies: [mark for mark in marks for _ in range(copies + 1)]),
            "Texts and labels are repeated in different orders. Your texts go round by round (a b a′ b′), your labels go one by one "
            "(1 1 0 0). So b gets the label of a, and no error says so. Repeat the whole list of labels.",
        ),
        Mistake(
            _set(texts=_copies_text_by_text),
            "The originals are right, but behind them your copies go text by text (a′ a″ b′ b″), and your labels round by round "
            "(1 0 1 0). So a copy of a gets the label of b, and no error says so. The loop over the rounds is the outer one.",
        ),
        Mistake(
            _set(
                texts=_copies_text_by_text,
                labels=lambda marks, copies: marks + [mark for mark in marks for _ in range(copies)],
            ),
            "Each copy has its right label, but the order is another one: your copies go text by text (a′ a″ b′ b″). Round by round is "
            "asked for (a′ b′ a″ b″): the loop over the rounds is the outer one.",
        ),
        Mistake(
            lambda texts, labels, augment, copies: _set_in_one_line(texts, labels, augment, copies)[0],
            "You gave back the texts alone. Their labels are asked for as well: return new_texts, new_labels.",
        ),
        Mistake(
            _set(texts=lambda texts, augment, copies: _flat(_rounds(texts, augment, copies + 1))),
            "Your originals are changed already. Keep the given texts, and put the rounds of copies behind them.",
        ),
        Mistake(
            _set_interleaved,
            "Each text has its right label, but the order is another one: you put the copies right behind their original. Here the "
            "originals come first, then one round after the other.",
        ),
        Mistake(
            _set(texts=lambda texts, augment, copies: _flat([t, *(augment(t) for _ in range(copies))] for t in texts)),
            "Your texts go one by one, each with its copies behind it, but your labels go round by round. So most copies have the "
            "label of another text. Put the originals first, then one round after the other.",
        ),
        Mistake(
            _set(
                texts=lambda texts, augment, copies: _flat(_rounds(texts, augment, copies)),
                labels=lambda marks, copies: marks * copies,
            ),
            "The originals are lost: the result must begin with them. They are the only texts whose labels are sure.",
        ),
        Mistake(
            _set(texts=lambda texts, augment, copies: _flat(_rounds(texts, augment, copies))),
            "The originals are missing among the texts, but their labels are there: the lists have different lengths.",
        ),
        Mistake(
            _set(texts=lambda texts, augment, copies: texts + _flat(_rounds(texts, augment, 1) * copies)),
            "In every round stand the same copies: you change each text once and repeat the result. An exact repetition brings "
            "nothing new. Call augment anew in each round.",
        ),
        Mistake(
            _set(texts=_changes_of_changes),
            "From the second round on you change what is already changed. The changes add up: after eight rounds little of the text "
            "is left. Change the original each time.",
        ),
        Mistake(
            _set_by_alias,
            "The set doubles in each round, because you go through a list that grows. `new_texts = texts` makes no copy, it gives "
            "the same list a second name. Begin with list(texts) and list(labels).",
        ),
        Mistake(
            _set_by_alias_of_labels,
            "Your labels double in each round: you extend the list by itself. `new_labels = labels` makes no copy. Begin with "
            "list(labels).",
        ),
        Mistake(
            _set(texts=lambda texts, augment, copies: texts + _rounds(texts, augment, copies)),
            "A round stands in your list as one item, a list in a list. append adds its argument as *one* item; extend, or +=, adds "
            "all items of it.",
        ),
        Mistake(
            _set(
                texts=lambda texts, augment, copies: texts + _rounds(texts, augment, copies),
                labels=lambda marks, copies: marks + [marks] * copies,
            ),
            "A round stands in both lists as one item, a list in a list. Use extend, or +=, instead of append.",
        ),
        Mistake(
            _set(labels=lambda marks, copies: marks),
            "The copies have no labels: the list of labels is as long as before. Each round brings n labels as well.",
        ),
        Mistake(
            _set(
                texts=lambda texts, augment, copies: texts + _flat(_rounds(texts, augment, copies - 1)),
                labels=lambda marks, copies: marks * max(copies, 1),
            ),
            "One round is missing: you count the originals as a round. `copies` counts only the changed copies.",
        ),
        Mistake(
            _set(
                texts=lambda texts, augment, copies: texts + _flat(_rounds(texts, augment, copies + 1)),
                labels=lambda marks, copies: marks * (copies + 2),
            ),
            "One round too many. For copies = 0 the set must stay as it is.",
        ),
        Mistake(
            _set(
                texts=lambda texts, augment, copies: texts + _flat(_rounds(texts, augment, 1)),
                labels=lambda marks, copies: marks * 2,
            ),
            "There is always one round of copies, whatever `copies` says.",
        ),
        Mistake(
            _set(texts=lambda texts, augment, copies: _flat(_rounds(texts, augment, copies)) + texts),
            "The originals stand at the end. They come first: then the first n texts of any enlarged set are the real ones.",
        ),
        Mistake(
            _set_of_pairs,
            "You gave back pairs of text and label. Two lists are asked for: all texts, and all labels.",
        ),
        Mistake(
            _set_by_dict,
            "A text that comes twice is lost: the keys of a dict are unique. Real data hold equal texts, even with different labels. "
            "Go through both lists together, with zip.",
        ),
        Mistake(
            _set_without_equal,
            "You leave out copies that are equal to their original. The idea is good, but here every text gets `copies` copies, so "
            "that the length is n · (1 + copies).",
        ),
        Mistake(
            lambda texts, labels, augment, copies: augmented_set([augment(t) for t in texts], labels, augment, copies),
            "Your originals are changed already. Keep the given texts, and change copies of them.",
        ),
    ),
    styles=(_set_in_one_line, _set_by_pairs, _set_text_by_text),
    start="Begin with a copy of both lists, then add the rounds.",
    praise="Each copy is new and has the label of its original, and the given lists are as before. An error in the order of labels "
    "raises nothing: it only makes the model worse. So this is worth a test in every project.",
    cases=_set_cases,
    expected=_set_by_reference,
)

# ---- 04.2 ---------------------------------------------------------------------------------------------------------

_NOT = frozenset({"not", "no", "never", "cannot", "without"})
_POLARITY = {
    "good": 1,
    "great": 1,
    "fine": 1,
    "wonderful": 1,
    "bad": -1,
    "dull": -1,
    "awful": -1,
    "poor": -1,
}
_FILLERS = tuple("the film story is was an actor nothing notice knot goodbye badge finely ant pint quite so".split())  # noqa: SIM905

#: As section 4 of the lesson has them.
_OF_THE_LESSON = frozenset({"not", "no", "never", "nothing", "nobody", "nor", "without", "cannot"})

Labels = Callable[..., bool]


class WordSet(set[str]):
    """A set of words that is shown in alphabetical order, the same at each run."""

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, sorted(self))) + "}"


def _label_cases() -> Iterator[tuple[str, str, set[str], dict[str, int]]]:
    """Pairs of sentences, one trap each; then random ones, with capitals and punctuation."""
    for before, after in (
        ("a good film", "a great film"),
        ("a good film", "a bad film"),
        ("it is good", "it is not good"),
        ("I can see it", "I can't see it"),
        # A word processor writes the apostrophe like this.
        ("I can see it", "I can’t see it"),
        ("A good film.", "a film: GOOD!"),
        ("is it bad?", 'it is "bad"'),
        ("a bad film", "a film (bad)"),
        ("you need it", "you needn't see it"),
        ("Not good", "good, not"),
        ("it isn't bad", "it is not bad"),
        ("good and bad", "story and film"),
        ("good, good", "good"),
        ("not, not", "not"),
        ("not good, never", "good"),
        ("nothing good", "goodbye, good"),
        ("bad and good", "good and bad"),
        ("good", "good, great"),
        ("not bad", "good"),
        ("never good", "never good, no"),
        ("a knot", "knot a"),
        ("dull", "awful"),
        ("good and awful", "bad and dull"),
        ("don't", "never"),
        ("It was awful, wasn't it?", "was it awful"),
        ("don'ts", "dos"),
        ("", "film"),
        ("", ""),
    ):
        yield before, after, WordSet(_NOT), dict(_POLARITY)
    # Lists of another task: what counts is given, not fixed.
    yield "gut, nicht teuer", "teuer, nicht gut", WordSet({"nicht", "kein"}), {"gut": 1, "billig": 1, "teuer": -1}
    yield "gut, nicht teuer", "billig, not teuer", WordSet({"nicht", "kein"}), {"gut": 1, "billig": 1, "teuer": -1}
    yield "gut, nicht teuer", "gut, teuer", WordSet({"nicht", "kein"}), {"gut": 1, "billig": 1, "teuer": -1}
    yield "gut, not teuer", "gut, teuer", WordSet({"nicht", "kein"}), {"gut": 1, "billig": 1, "teuer": -1}
    yield "good", "bad", WordSet({"nicht"}), {"gut": 1}
    yield "we can't", "we cant", WordSet({"can't"}), {}
    yield "we can't", "we never can", WordSet({"can't", "never"}), {}
    rng = random.Random(42)
    for _ in range(60):
        old, new = _random_words(rng), _random_words(rng)
        if rng.random() < 0.7:
            new = [_like(word, rng) for word in old]
            rng.shuffle(new)
        yield _sentence(old, rng), _sentence(new, rng), WordSet(_NOT), dict(_POLARITY)


def _random_words(rng: random.Random) -> list[str]:
    pool = [*_NOT, "can't", "isn't", "mustn't", *_POLARITY, *_FILLERS]
    return [rng.choice(sorted(pool)) for _ in range(rng.randrange(1, 8))]


def _like(word: str, rng: random.Random) -> str:
    """A word that counts as the given one does; now and then one that does not."""
    if rng.random() < 0.1:
        return rng.choice(_FILLERS)
    if word in _POLARITY:
        return rng.choice([other for other, sign in _POLARITY.items() if sign == _POLARITY[word]])
    if word in _NOT or word.endswith("n't"):
        return rng.choice([*sorted(_NOT), "can't", "isn't"])
    return rng.choice(_FILLERS)


def _sentence(parts: Sequence[str], rng: random.Random) -> str:
    styles = (str, str, str.upper, str.capitalize)
    return " ".join(rng.choice(styles)(part) + rng.choice(["", "", ",", ".", "!", "?"]) for part in parts)


def keeps_label(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    def counts(text: str) -> list[int]:
        found = words(text)
        signs = [polarity[word] for word in found if word in polarity]
        negative = [word for word in found if word in negations or word.endswith("n't")]
        return [len(negative), signs.count(1), signs.count(-1)]

    return counts(before) == counts(after)


def _stripped(text: str) -> list[str]:
    """Words without a regular expression."""
    straight = text.lower().replace("’", "'")
    pieces = (piece.strip(string.punctuation) for piece in straight.split())
    return [piece for piece in pieces if piece]


def _keeps_by_loops(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    """The independent reference: one balance for each of the three, up for the first text and down for the second."""
    balance = {"negations": 0, 1: 0, -1: 0}
    for text, step in ((before, 1), (after, -1)):
        for word in _stripped(text):
            if word in negations or word[-3:] == "n't":
                balance["negations"] += step
            if word in polarity:
                balance[polarity[word]] += step
    return not any(balance.values())


def _keeps_by_counters(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    def kinds(text: str) -> Counter[Any]:
        found = words(text)
        return Counter(
            ["not" for word in found if word in negations or word.endswith("n't")]
            + [polarity.get(word, 0) for word in found if word in polarity]
        )

    return kinds(before) == kinds(after)


def _keeps_step_by_step(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    old, new = _stripped(before), _stripped(after)
    if sum(w in negations or w.endswith("n't") for w in old) != sum(w in negations or w.endswith("n't") for w in new):
        return False
    for sign in (1, -1):
        if len([w for w in old if polarity.get(w) == sign]) != len([w for w in new if polarity.get(w) == sign]):
            return False
    return True


def _is_negation(word: str, negations: set[str]) -> bool:
    return word in negations or word.endswith("n't")


def _profile(
    tokens: Sequence[str],
    negations: set[str],
    polarity: Mapping[str, int],
    is_negation: Callable[[str, set[str]], bool] = _is_negation,
) -> list[int]:
    signs = [polarity[word] for word in tokens if word in polarity]
    return [sum(is_negation(word, negations) for word in tokens), signs.count(1), signs.count(-1)]


def _keeps(
    see: Callable[[list[int]], Any] = lambda counts: counts,
    *,
    cut: Callable[[str], Sequence[str]] = words,
    is_negation: Callable[[str, set[str]], bool] = _is_negation,
    same: Callable[[Any, Any], bool] = lambda a, b: bool(a == b),
) -> Labels:
    """A check with one part exchanged: how words are cut, what is a negation, what of the three counts is compared."""

    def keeps(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
        old, new = (see(_profile(cut(text), negations, polarity, is_negation)) for text in (before, after))
        return same(old, new)

    return keeps


def _keeps_by_text(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    """Looks for the words inside the text, wherever they stand."""

    def counts(text: str) -> list[int]:
        low = text.lower()
        signs = [sum(low.count(word) for word, sign in polarity.items() if sign == wanted) for wanted in (1, -1)]
        return [sum(low.count(word) for word in negations) + low.count("n't"), *signs]

    return counts(before) == counts(after)


def _keeps_part_negations(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    def inside(word: str, given: set[str]) -> bool:
        return any(negation in word for negation in given) or word.endswith("n't")

    return _keeps(is_negation=inside)(before, after, negations, polarity)


def _weighted(tokens: Sequence[str], negations: set[str], polarity: Mapping[str, int]) -> list[Any]:
    """The words that count, in their order."""
    return ["not" if _is_negation(word, negations) else polarity.get(word, 0) for word in tokens]


def _keeps_in_order(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    old, new = ([kind for kind in _weighted(words(text), negations, polarity) if kind != 0] for text in (before, after))
    return old == new


def _keeps_the_very_words(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    old, new = (
        Counter(word for word in words(text) if _is_negation(word, negations) or word in polarity)
        for text in (before, after)
    )
    return old == new


def _keeps_the_very_negations(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    old, new = (Counter(w for w in words(text) if _is_negation(w, negations)) for text in (before, after))
    return old == new and _keeps()(before, after, negations, polarity)


def _keeps_different_words(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    return _keeps(cut=lambda text: sorted(set(words(text))))(before, after, negations, polarity)


def _keeps_the_very_kinds_of_words(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    old, new = (
        {word for word in words(text) if _is_negation(word, negations) or word in polarity} for text in (before, after)
    )
    return old == new


def _keeps_place_by_place(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    """Compares the first word with the first, the second with the second."""
    rows = (_weighted(words(text), negations, polarity) for text in (before, after))
    return all(old == new for old, new in zip(*rows))


def _stripped_of(marks: str) -> Callable[[str], list[str]]:
    return lambda text: [piece.strip(marks) for piece in text.lower().split()]


def _keeps_removed_only(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    return _keeps(same=lambda a, b: all(x <= y for x, y in zip(a, b)))(before, after, negations, polarity)


def _keeps_added_only(before: str, after: str, negations: set[str], polarity: dict[str, int]) -> bool:
    return _keeps(same=lambda a, b: all(x >= y for x, y in zip(a, b)))(before, after, negations, polarity)


def _score(counts: list[int]) -> int:
    return (counts[1] - counts[2]) * (-1) ** counts[0]


KEEPS_LABEL = Exercise(
    number="04.2",
    name="keeps_label",
    title="Has the label survived?",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="a cheap check for augmented texts",
    stub='''def keeps_label(before, after, negations, polarity):
    """Tell whether a changed text has kept what decides its sentiment.

    True only if three numbers are the same in both texts:
    the number of negations, of positive words, and of negative words.

    Words count in lower case and without the punctuation around them, as words(text) gives them.
    A word is a negation if it stands in negations or ends in "n't". It is positive or negative if
    it is a key of polarity. A word that comes twice counts twice; the order does not count.

    Args:
        before, after: two texts
        negations: a set of words, lower-case
        polarity: a dict from lower-case words to +1 or −1; no negation is among its keys
    Returns:
        True or False
    """
    ...
''',
    hints=(
        "Both texts go through the same steps, so write one helper that turns a text into three numbers.",
        "Start the helper with words(text). Then count three times: negations, words with +1, words with −1. `polarity.get(word)` gives None for a word that is not a key.",
        "For negations two conditions count, joined by `or`: `word in negations`, where `word` is a whole word, and `word.endswith(…)`. At the end compare the three numbers of both texts.",
    ),
    reference=keeps_label,
    mistakes=(
        Mistake(
            _keeps(cut=lambda text: re.findall(r"\w+(?:'\w+)*", text)),
            "Capital letters hide words: 'Not' at the start of a sentence, or 'GOOD', is not found. Go to lower case first, or use "
            "words(text).",
        ),
        Mistake(
            _keeps(cut=lambda text: text.lower().split()),
            "Punctuation hides words: split() leaves 'good,' with its comma, and that is not a key. Use words(text), or strip the "
            "punctuation.",
        ),
        Mistake(
            _keeps(cut=_stripped_of(".,")),
            "Some punctuation still hides words: '!' and '?' stay on 'good!' and 'bad?'. Use words(text), or strip(string.punctuation).",
        ),
        Mistake(
            _keeps(cut=_stripped_of(".,!?")),
            "Some punctuation still hides words: quotation marks and brackets stay on '\"bad\"' and '(bad)'. Use words(text), or "
            "strip(string.punctuation).",
        ),
        Mistake(
            _keeps(cut=_stripped_of(string.punctuation)),
            "One apostrophe is missing: many texts write can’t with a curly one (’), and then you find no negation. words(text) turns it "
            "into the straight one.",
        ),
        Mistake(
            _keeps(cut=str.split),
            "Capitals and punctuation hide words: 'Good,' is not the key 'good'. Use words(text), which takes care of both.",
        ),
        Mistake(
            _keeps_by_text,
            "You look for words inside the text, so 'not' is found in 'nothing' and 'knot', and 'good' in 'goodbye'. Cut the text "
            "into words first, and compare whole words.",
        ),
        Mistake(
            _keeps_part_negations,
            "A negation inside another word counts for you: 'not' in 'nothing', or 'no' in 'notice'. Ask whether the whole word stands in "
            "the set: `word in negations`.",
        ),
        Mistake(
            _keeps(is_negation=lambda word, negations: word in negations),
            "Words that end in n't are missing: with \"can't\" for 'can' the text turns round, and your check does not see it.",
        ),
        Mistake(
            _keeps(is_negation=lambda word, negations: word in _OF_THE_LESSON or word.endswith("n't")),
            "You count the negations of the lesson, NEGATIONS, and not those that are given: another language, or another task, has its own. "
            "Use the argument `negations`.",
        ),
        Mistake(
            _keeps(is_negation=lambda word, negations: word.endswith("n't")),
            "You count only the words that end in n't. Those in `negations` count as well: join the two conditions by `or`.",
        ),
        Mistake(
            _keeps(is_negation=lambda word, negations: word in negations or word.endswith("nt")),
            "You look for the ending 'nt' without the apostrophe: \"isn't\" is not found, but 'pint' and 'ant' are.",
        ),
        Mistake(
            _keeps(is_negation=lambda word, negations: word in negations or "n't" in word),
            "You take n't anywhere in a word. Only the ending counts: \"don'ts\" are not a negation.",
        ),
        Mistake(
            _keeps(
                cut=lambda text: re.findall(r"\w+", text.lower()), is_negation=lambda word, negations: word in negations
            ),
            "Your words end at the apostrophe: \"can't\" becomes 'can' and 't', and the negation is lost. Use words(text).",
        ),
        Mistake(
            _keeps(lambda counts: [counts[0], counts[1] - counts[2]]),
            "You add up the polarity: 'good and bad' then counts as 0, the same as a text without any opinion. Count the positive "
            "and the negative words apart.",
        ),
        Mistake(
            _keeps(lambda counts: [counts[0], counts[1] + counts[2]]),
            "You count the polarity words of both signs together, so 'good' may become 'bad'. Count each sign on its own.",
        ),
        Mistake(
            _keeps(_score),
            "You compute one score from polarity and negations. 'not bad' then equals 'good'. That may even be so in English, but the "
            "rule here is strict: three counts, each the same as before.",
        ),
        Mistake(
            _keeps(lambda counts: (_score(counts) > 0) - (_score(counts) < 0)),
            "You compare the signs of a total score. Then 'good, good' may become 'good', and 'not bad' may become 'good'. The rule "
            "asks for three counts, each the same as before.",
        ),
        Mistake(
            _keeps(lambda counts: [bool(count) for count in counts]),
            "You ask only whether there are such words, not how many. One of two negations may then vanish: 'not, not' and 'not' are "
            "not the same.",
        ),
        Mistake(
            _keeps(lambda counts: [bool(counts[0]), *counts[1:]]),
            "You ask only whether there is a negation, not how many. One of two may then vanish: 'not, not' and 'not' are not the same.",
        ),
        Mistake(
            _keeps(same=lambda a, b: any(x == y for x, y in zip(a, b))),
            "One equal number is enough for you. All three must be equal: join the comparisons by `and`.",
        ),
        Mistake(
            _keeps(lambda counts: [counts[0] % 2, *counts[1:]]),
            "You take only whether the number of negations is odd or even: two would cancel. In real texts they often do not ('no, I "
            "would not'), so the rule asks for the same number.",
        ),
        Mistake(
            _keeps_different_words,
            "A word that comes twice counts once for you: a set drops repetitions. Keep the list of words.",
        ),
        Mistake(
            _keeps(lambda counts: counts[0]),
            "You compare the negations alone. 'a good film' → 'a bad film' passes: look at the polarity too.",
        ),
        Mistake(
            _keeps(lambda counts: counts[1:]),
            "You compare the polarity words alone. 'it is good' → 'it is not good' passes: count the negations too.",
        ),
        Mistake(
            _keeps_removed_only,
            "You only notice what has been lost. A word that came in changes the label as well: 'good' → 'not good'. Ask for equal "
            "numbers.",
        ),
        Mistake(
            _keeps_added_only,
            "You only notice what has come in. A *not* that was lost changes the label as well. Ask for equal numbers.",
        ),
        Mistake(
            _keeps_in_order,
            "The order counts for you: 'bad and good' → 'good and bad' is refused. It is not part of the rule, else every swap would be "
            "refused.",
        ),
        Mistake(
            _keeps_place_by_place,
            "You compare word by word, the first with the first, the second with the second. The order does not count: a word may stand "
            "elsewhere, or be left out. Count in each text first, then compare the counts.",
        ),
        Mistake(
            _keeps_the_very_kinds_of_words,
            "You ask for the very same words: 'good' → 'great' is refused. And a set counts a word that comes twice once. Compare how many "
            "there are of each sign.",
        ),
        Mistake(
            _keeps_the_very_words,
            "You ask for the very same words: 'good' → 'great' is refused. Then synonyms are of no use. Compare how many there are of "
            "each sign.",
        ),
        Mistake(
            _keeps_the_very_negations,
            "You ask for the very same negations: \"isn't\" → 'is not' is refused. It is the number of negations that counts.",
        ),
        Mistake(
            _keeps(same=lambda a, b: bool(a != b)),
            "True and False are the wrong way round: True means that the label is kept.",
        ),
        Mistake(
            _keeps(lambda counts: counts[:2]),
            "The negative words are missing: you compare the negations and the positive words. Take a count for −1 too.",
        ),
        Mistake(
            _keeps(lambda counts: [counts[0], counts[2]]),
            "The positive words are missing: you compare the negations and the negative words. Take a count for +1 too.",
        ),
    ),
    styles=(_keeps_by_loops, _keeps_by_counters, _keeps_step_by_step),
    start="Write a helper that turns a text into three numbers, and compare them.",
    praise="Your check costs microseconds, so it can stand behind every augmenter. It refuses some good changes ('not bad' → 'good'), "
    "which only costs copies; a wrong label would cost more. And it is blind to words outside its lists.",
    cases=_label_cases,
    expected=_keeps_by_loops,
)

# ---- 04.3 ---------------------------------------------------------------------------------------------------------

_TOPIC, _SUBJECT, _OBJECT, _TOWARDS, _AND = ("은", "는"), ("이", "가"), ("을", "를"), ("으로", "로"), ("과", "와")
_FIRST, _SYLLABLES = 0xAC00, 11172  # 19 first consonants · 21 vowels · 28 endings


def _particle_cases() -> Iterator[tuple[str, tuple[str, str]]]:
    """Nouns with vowels, consonants and ㄹ at the end, then random syllables with every ending."""
    yield "해", _TOPIC
    yield "태양", _TOPIC
    yield "물", _TOPIC
    yield "물", _TOWARDS
    yield "책", _TOWARDS
    yield "학교", _TOWARDS
    for noun in ("나라", "사람", "커피", "서울", "값", "닭", "삶", "집", "의자", "꽃", "가", "힣", "연필", "사랑"):
        for pair in (_TOPIC, _SUBJECT, _OBJECT, _TOWARDS, ("으로서", "로서"), ("이나", "나")):
            yield noun, pair
    rng = random.Random(43)
    for ending in range(28):
        for pair in (_TOWARDS, _AND):
            noun = "".join(chr(_FIRST + rng.randrange(_SYLLABLES)) for _ in range(rng.randrange(3)))
            yield noun + chr(_FIRST + 28 * rng.randrange(_SYLLABLES // 28) + ending), pair


def with_particle(noun: str, pair: tuple[str, str]) -> str:
    ending = (ord(noun[-1]) - 0xAC00) % 28
    like_a_vowel = ending == 0 or (ending == 8 and pair[0].startswith("으"))
    return noun + (pair[1] if like_a_vowel else pair[0])


def _particle_by_letters(noun: str, pair: tuple[str, str]) -> str:
    """The independent reference: Unicode itself takes a syllable apart into two or three letters."""
    letters = unicodedata.normalize("NFD", noun[-1])
    if len(letters) == 2 or (unicodedata.name(letters[2]) == "HANGUL JONGSEONG RIEUL" and pair[0][0] == "으"):
        return noun + pair[1]
    return noun + pair[0]


def _particle_by_parts(noun: str, pair: tuple[str, str]) -> str:
    _, rest = divmod(ord(noun[-1]) - ord("가"), 588)
    _, ending = divmod(rest, 28)
    if pair[0][:1] == "으" and chr(ord("아") + ending) == "알":
        ending = 0
    return f"{noun}{pair[ending == 0]}"


def _particle_by_lists(noun: str, pair: tuple[str, str]) -> str:
    open_syllables = {chr(code) for code in range(0xAC00, 0xD7A4, 28)}
    with_l = {chr(code) for code in range(0xAC08, 0xD7A4, 28)}
    last = noun[-1:]
    second = last in open_syllables or (last in with_l and pair in (("으로", "로"), ("으로서", "로서")))
    return noun + (pair[1] if second else pair[0])


def _particle(
    ending: Callable[[str], int] = lambda noun: (ord(noun[-1]) - _FIRST) % 28,
    *,
    exception: Callable[[int, tuple[str, str]], bool] = lambda ending, pair: ending == 8 and pair[0][0] == "으",
    forms: Callable[[tuple[str, str]], tuple[str, str]] = lambda pair: pair,
    joined: Callable[[str, str], Any] = str.__add__,
) -> Callable[[str, tuple[str, str]], Any]:
    """A particle with one part exchanged: how the ending is found, when the exception holds, which form is taken."""

    def add(noun: str, pair: tuple[str, str]) -> Any:
        number = ending(noun)
        first, second = forms(pair)
        return joined(noun, second if number == 0 or exception(number, pair) else first)

    return add


def _particle_turned(noun: str, pair: tuple[str, str]) -> str:
    """The vowel's form after a consonant, with the exception turned as well."""
    return _particle(forms=lambda forms: (forms[1], forms[0]))(noun, pair)


WITH_PARTICLE = Exercise(
    number="04.3",
    name="with_particle",
    title="The particle that fits the noun",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="repairing grammar after a swap, by arithmetic",
    stub='''def with_particle(noun, pair):
    """Put the right form of a Korean particle behind a noun. You need not read Korean.

    A Korean character is one syllable, and its number, ord(character), tells its parts:
        0xAC00 + 588 · (number of its first sound) + 28 · (number of its vowel) + ending
    The ending is a number from 0 to 27: 0 if the syllable ends in its vowel, else its consonant.

    The last syllable of the noun decides: after a consonant comes pair[0], after a vowel pair[1].
        해 (hae) ends in a vowel:            ("은", "는") → 해는 (hae-neun)
        태양 (taeyang) ends in a consonant:  ("은", "는") → 태양은 (taeyang-eun)
    One exception: if pair[0] begins with 으 (eu), the ending 8, which is ㄹ (l), counts as a vowel.
        물 (mul) has ending 8:               ("으로", "로") → 물로 (mul-lo)
                                 but still   ("은", "는") → 물은 (mul-eun)

    Args:
        noun: a word of one or more Korean syllables
        pair: two texts, the form after a consonant and the form after a vowel
    Returns:
        the noun with its particle right behind it, without a space
    """
    ...
''',
    hints=(
        "Only the last character of the noun counts: noun[-1]. ord(…) gives its number. How do you take the ending out of a number that is 0xAC00 + 588 · a + 28 · b + ending?",
        "Take off the 0xAC00 first. 588 is 21 · 28, so all that is left before the ending is a multiple of 28: the remainder, %, gives the ending.",
        "pair[1] comes in two cases: the ending is 0, or the ending is 8 *and* pair[0].startswith('으'). In all others pair[0] comes.",
    ),
    reference=with_particle,
    mistakes=(
        Mistake(
            _particle_turned,
            "The two forms are the wrong way round: the first form comes after a consonant (태양은, taeyang-eun), the second after a "
            "vowel (해는, hae-neun).",
        ),
        Mistake(
            _particle(exception=lambda ending, pair: False),
            "The arithmetic is right; the exception is missing. Before a particle that begins with 으 (eu), the ending 8 counts as a "
            "vowel: 물로 (mul-lo).",
        ),
        Mistake(
            _particle(forms=lambda pair: (pair[1], pair[0]), exception=lambda ending, pair: False),
            "Two things. The forms are the wrong way round: the first comes after a consonant. And the exception for the ending 8 is "
            "missing.",
        ),
        Mistake(
            _particle(exception=lambda ending, pair: ending == 8),
            "You make the exception for every pair. It holds only if pair[0] begins with 으 (eu): 물은 (mul-eun) keeps the form after "
            "a consonant.",
        ),
        Mistake(
            _particle(exception=lambda ending, pair: ending == 8 and pair[0][0] != "으"),
            "Your exception is the wrong way round: it must hold *if* pair[0] begins with 으 (eu), and only then.",
        ),
        Mistake(
            _particle(exception=lambda ending, pair: ending == 8 and len(pair[0]) > 1),
            "You make the exception for every long form. What counts is that pair[0] begins with 으 (eu): 물이나 (mul-ina) keeps the form "
            "after a consonant.",
        ),
        Mistake(
            lambda noun, pair: noun + pair[(ord(noun[-1]) - _FIRST) % 28 in (0, 8) and pair[0][0] == "으"],
            "Now a vowel at the end is enough only before 으. `and` and `or` together need brackets: ending 0, or (ending 8 and 으).",
        ),
        Mistake(
            _particle(exception=lambda ending, pair: pair[0][0] == "으"),
            "For a pair with 으 you always take the second form. The exception is for the ending 8 alone: 책으로 (chaek-euro).",
        ),
        Mistake(
            _particle(exception=lambda ending, pair: ending == 7 and pair[0][0] == "으"),
            'The exception sits one place off: you treat ending 7 as ㄹ. The stub counts 0 as "no consonant", so ㄹ is 8.',
        ),
        Mistake(
            _particle(exception=lambda ending, pair: ending == 9 and pair[0][0] == "으"),
            "The exception sits one place off: you treat ending 9 as ㄹ. The stub says that ㄹ is 8.",
        ),
        Mistake(
            _particle(exception=lambda ending, pair: 8 <= ending <= 15 and pair[0][0] == "으"),
            "You make the exception for all endings that contain ㄹ, such as ㄺ in 닭 (dak). Here it holds for the ending 8 alone.",
        ),
        Mistake(
            _particle(exception=lambda ending, pair: ending == 8 and pair[0] == "으로"),
            "You make the exception for '으로' alone. It holds for every pair whose first form begins with 으, such as '으로서'.",
        ),
        Mistake(
            _particle(lambda noun: (ord(noun[-1]) - _FIRST) % 21),
            "You take the remainder by 21, the number of vowels. There are 28 endings, so they repeat every 28 numbers.",
        ),
        Mistake(
            _particle(lambda noun: (ord(noun[-1]) - _FIRST) % 588),
            "You take the remainder by 588: that still holds the vowel, 28 · vowel + ending. Take it by 28.",
        ),
        Mistake(
            _particle(lambda noun: (ord(noun[-1]) - _FIRST) % 27),
            "You take the remainder by 27. There are 27 consonants *and* the ending 0, so 28 endings.",
        ),
        Mistake(
            _particle(lambda noun: (ord(noun[-1]) - _FIRST) // 28),
            "// gives how many times 28 fits in: that is the first sound and the vowel. The ending is what remains, %.",
        ),
        Mistake(
            _particle(lambda noun: (ord(noun[0]) - _FIRST) % 28),
            "You look at the first syllable, and the last one decides. For nouns of one syllable there is no difference, so test longer "
            "ones.",
        ),
        Mistake(
            _particle(lambda noun: (ord(noun[0]) - _FIRST) % 28, exception=lambda ending, pair: False),
            "Two things. You look at the first syllable, and the last one decides. And the exception for the ending 8 is missing.",
        ),
        Mistake(
            _particle(lambda noun: (ord(noun[-1]) - 0xAC01) % 28),
            "You begin to count at 0xAC01. The first syllable, 가 (ga), has the number 0xAC00 and the ending 0.",
        ),
        Mistake(
            _particle(lambda noun: ord(noun[-1]) % 28),
            "You take the remainder of the number as it is. 0xAC00 is not a multiple of 28, so all endings are shifted: subtract it "
            "first.",
        ),
        Mistake(
            _particle(lambda noun: (sum(map(ord, noun)) - len(noun) * _FIRST) % 28),
            "You add up all syllables. Only the last one decides.",
        ),
        Mistake(
            _particle(joined=lambda noun, form: form),
            "You gave back the particle alone. The noun comes in front of it.",
        ),
        Mistake(
            _particle(joined=lambda noun, form: (noun, form)),
            "The form is right, but you gave back two texts. One is asked for: join them by +.",
        ),
        Mistake(
            _particle(joined=lambda noun, form: noun[:-1] + form),
            "The last syllable of the noun is lost: the particle comes behind it, not in its place.",
        ),
        Mistake(
            _particle(joined=lambda noun, form: f"{noun} {form}"),
            "There is a space between noun and particle. In Korean the particle is part of the word.",
        ),
        Mistake(
            lambda noun, pair: noun + pair[0],
            "You always take the first form: nothing asks for the last sound yet.",
        ),
        Mistake(
            lambda noun, pair: noun + pair[1],
            "You always take the second form: nothing asks for the last sound yet.",
        ),
        Mistake(
            lambda noun, pair: f"{noun}{pair[0]}({pair[1]})",
            "You write both forms. Programs that cannot tell do so, 태양은(는). Yours can: the ending is in the number.",
        ),
    ),
    styles=(_particle_by_letters, _particle_by_parts, _particle_by_lists),
    start="Find the ending of the last syllable first, and print it for 해, 태양 and 물.",
    praise="All 28 endings come out right, with every pair. One line of arithmetic replaces a dictionary of nouns, because Unicode has "
    "put the grammar into the numbers. A swap of nouns followed by this repair is safe for these particles.",
    cases=_particle_cases,
    expected=_particle_by_letters,
)

# ---- 04.4 ---------------------------------------------------------------------------------------------------------


class Versions:
    """Answers as an augmenter of nlpaug does: always a list, and an empty one for an empty text.

    Args:
        text: what it is to be asked about; asked about another text it says so.
        versions: what it makes of the text, one after the other; when they are used up it says so.
    """

    def __init__(self, text: str, *versions: str) -> None:
        self._text = text
        self._versions = versions
        self._made = 0

    def augment(self, data: Any, n: int = 1, num_thread: int = 1) -> list[str]:
        """Up to n changed versions of one text; one version each for a list of texts."""
        if len(data) == 0:
            return []
        if isinstance(data, list):
            return [self._next(text) for text in data]
        return [self._next(data) for _ in range(n)]

    def _next(self, text: str) -> str:
        if not text:  # one of a list: nlpaug gives it back as it is
            return ""
        if text != self._text:
            return "asked about another text"
        self._made += 1
        return self._versions[self._made - 1] if self._made <= len(self._versions) else "asked too often"

    def __repr__(self) -> str:
        return f"an augmenter that makes {', '.join(map(repr, self._versions)) or 'nothing'}"


def _augmenter_cases() -> Iterator[tuple[Any, str]]:
    """Augmenters that change at once, late, never, or only what `words` does not see; and one of nlpaug itself."""
    for text, *versions in (
        ("A good film.", "a dull film", "a poor film", "a bad film"),
        ("",),
        ("A good film.", "A good film.", "a fine film", "a great film"),
        ("A good film.", "A good film.", "A good film.", "A Nice Film!"),
        ("A good film.", "A good film.", "A good film.", "A good film."),
        ("A good film.", "a good film!", "A GOOD, film", "a film, good"),
        ("A good film.", "A GOOD FILM.", "a fine film", "A good film."),
        ("A good film.", "a good, good film", "film", "good film"),
        ("w", "x", "y", "z"),
        ("w", "w", "v", "w"),
        ("It isn't good.", "it isn't good", "it is good", "good"),
        ("Slow", "", "slow", "fast"),
        ("slow, but good", "slow, but fine", "slow", "good"),
    ):
        yield Versions(text, *versions), text
    movie = naw.ReservedAug(reserved_tokens=[["film", "movie"]], aug_p=1.0)
    yield movie, "the film is a good film"
    yield movie, "a dull story"
    yield naw.ReservedAug(reserved_tokens=[["Film", "Play"]], aug_p=1.0), "The Film is slow"  # capitals count for it
    yield movie, ""


def augment_one(augmenter: Any, text: str) -> list[str]:
    for changed in augmenter.augment(text, n=3):
        if words(changed) != words(text):
            return words(changed)
    return words(text)


def _one_by_next(augmenter: Any, text: str) -> list[str]:
    """The independent reference: all versions cut into words by hand, the first other one taken, else the text's own."""
    own = _stripped(text)
    return next((new for new in map(_stripped, augmenter.augment(text, n=3)) if new != own), own)


def _one_by_one(augmenter: Any, text: str) -> list[str]:
    """Three single questions instead of one for three; none for an empty text."""
    for _ in range(3 if text else 0):
        changed = words(augmenter.augment(text)[0])
        if changed != words(text):
            return changed
    return words(text)


def _one_of_a_list(augmenter: Any, text: str) -> list[str]:
    versions = [words(version) for version in augmenter.augment(text, n=3)]
    others = [version for version in versions if version != words(text)]
    return [*others, words(text)][0]


def _one(choose: Callable[[list[str], str], Any], *, n: int = 3) -> Callable[[Any, str], Any]:
    """An answer from the versions that nlpaug gives back, chosen in another way."""
    return lambda augmenter, text: choose(augmenter.augment(text, n=n), text)


def _other(versions: Iterable[str], text: str) -> list[list[str]]:
    """The words of the versions that differ from the text in their words."""
    return [words(version) for version in versions if words(version) != words(text)]


def _one_of_three_texts(augmenter: Any, text: str) -> list[str]:
    """One question about a list that holds the text three times."""
    return next(iter(_other(augmenter.augment([text] * 3), text)), words(text))


def _one_about(change: Callable[[str], str]) -> Callable[[Any, str], Any]:
    """An answer that asks about another text than the given one."""
    return lambda augmenter, text: next(iter(_other(augmenter.augment(change(text), n=3), text)), words(text))


def _one_asked_twice(augmenter: Any, text: str) -> list[str]:
    if any(words(version) != words(text) for version in augmenter.augment(text, n=3)):
        return next(iter(_other(augmenter.augment(text, n=3), text)), words(text))
    return words(text)


def _one_each_asked_twice(augmenter: Any, text: str) -> list[str]:
    return words(augmenter.augment(text, n=3)[0]) if augmenter.augment(text, n=3) else words(text)


AUGMENT_ONE = Exercise(
    number="04.4",
    name="augment_one",
    title="What an augmenter gives back",
    kind="debug",
    difficulty=1,
    minutes=6,
    trains="reading what a library returns",
    stub='''def augment_one(augmenter, text):
    """Change one text, and give back the words of a changed version.

    The augmenter is asked once, for three versions. The first version whose words differ from
    the words of the text is taken. If none differs, the words of the text itself come back.
    An empty text has no words.

    Args:
        augmenter: any augmenter of nlpaug
        text: one text, perhaps empty
    Returns:
        a list of words, cut by words(…)
    """
    changed = augmenter.augment(text, n=3)
    return words(changed)
''',
    hints=(
        "Read the message: something is a list, and `words` wants a text. Print augmenter.augment('a good film', n=3), and then the same with ''.",
        "augment always gives back a list: of three texts here, and an empty one for an empty text. So [0] is not always there. A loop over an empty list does no harm.",
        "Go through the versions. Compare the words of each with the words of the text, and return at the first that differs. After the loop, return the words of the text.",
    ),
    reference=augment_one,
    mistakes=(
        Mistake(
            _one(lambda versions, text: words(versions[0]) if versions else words(text)),
            "The crash is gone, but the first version is the only one you look at. If it equals the text, the second or the third may "
            "still differ: many augmenters change nothing now and then. Go on with a loop. If you have one, it ends too early: after an else with "
            "a return, or because a list of words is compared with a text, and those always differ.",
        ),
        Mistake(
            _one(lambda versions, text: next((words(v) for v in versions if v != text), words(text))),
            "You compare the texts, and the words count. 'a good film!' and 'A good film.' differ as texts, but the model reads the same "
            "words in both.",
        ),
        Mistake(
            _one(lambda versions, text: next((words(v) for v in versions if v.lower() != text.lower()), words(text))),
            "Your comparison still sees punctuation: 'a good film!' is taken as a change of 'A good film.' Compare words(…) of both.",
        ),
        Mistake(
            _one(lambda versions, text: words(str(versions))),
            "You make one text of the whole list, with str(…) or join, so the words of all versions stand in one row. Take one item of the "
            "list.",
        ),
        Mistake(
            _one(lambda versions, text: [words(version) for version in versions]),
            "You gave back the words of all versions, a list of lists. Choose one: the first that differs from the text.",
        ),
        Mistake(
            _one(lambda versions, text: next(iter(_other(versions[::-1], text)), words(text))),
            "You take the last version that differs; the first is asked for. A variable that the loop overwrites keeps the last: return "
            "at once.",
        ),
        Mistake(
            _one(lambda versions, text: next(iter(_other(versions, text)), [])),
            "If no version differs you give back an empty list. Then a text vanishes from the training set: give back its own words.",
        ),
        Mistake(
            _one(lambda versions, text: next(iter(_other(versions, text)), None)),
            "If no version differs, or there is none, you give back None. After the loop a return is missing: the words of the text.",
        ),
        Mistake(
            _one(lambda versions, text: next((v for v in versions if words(v) != words(text)), text)),
            "You gave back the text of the version. Its words are asked for: words(…) of it.",
        ),
        Mistake(
            _one(
                lambda versions, text: next(
                    (words(v) for v in versions if set(words(v)) != set(words(text))), words(text)
                )
            ),
            "You compare sets: order and repetition do not count in them, so a swap or a doubled word is no change for you. Compare the lists.",
        ),
        Mistake(
            _one(
                lambda versions, text: next(
                    (words(v) for v in versions if len(words(v)) != len(words(text))), words(text)
                )
            ),
            "You compare the number of words. A synonym changes a word and keeps the number: compare the lists themselves.",
        ),
        Mistake(
            _one(lambda versions, text: words(versions[-1]) if versions else words(text)),
            "You take the last version, whatever it is. Go through them from the first, and take the first whose words differ.",
        ),
        Mistake(
            _one(lambda versions, text: next((v.split() for v in versions if v.split() != text.split()), text.split())),
            "split() leaves capitals and punctuation: 'Film!' is another word than 'film' then. Cut with words(…).",
        ),
        Mistake(
            _one_about(str.lower),
            "You ask about the text in lower case. Some augmenters look at capitals, so the text goes in as it is; `words` takes care of "
            "them afterwards.",
        ),
        Mistake(
            _one_about(lambda text: " ".join(words(text))),
            "You ask about the words, joined again. The augmenter is meant to see the text itself, with its capitals and punctuation. Cut "
            "what comes back.",
        ),
        Mistake(
            _one_asked_twice,
            "You call augment twice, and it draws anew each time: what you tested is not what you take. Keep the list in a variable. With "
            "back-translation the second call would also cost seconds.",
        ),
        Mistake(
            _one_each_asked_twice,
            "You call augment twice, once for the test and once for the result: it draws anew each time. Keep the list in a variable. And take "
            "the first version that differs from the text.",
        ),
        Mistake(
            lambda augmenter, text: words(text),
            "The words of the text itself come back, always: the versions are not used.",
        ),
    ),
    styles=(_one_by_next, _one_by_one, _one_of_a_list, _one_of_three_texts),
    start="Run the cell with any augmenter and read the message: who gets a list?",
    praise="Lists, an empty text and unchanged versions: your function takes them all, also from nlpaug itself. Older versions of nlpaug "
    "gave back a plain text for n = 1, so much code on the web takes it for one.",
    cases=_augmenter_cases,
    expected=_one_by_next,
    prepare=_load_nlpaug,
)

# ---- 04.5 ---------------------------------------------------------------------------------------------------------

#: Each begins with a word that must stay: when nlpaug 1.1.11 deletes the first word and the second, the second comes back.
_SHORT = "never mind the slow start because this one ends well"  # 10 words
_LONG = " ".join(["never", *(f"word{number}" for number in range(1, 239)), "not"])  # 240 words
_LONGEST = " ".join(["never", *(f"word{number}" for number in range(1, 1499)), "not"])  # 1,500 words
_CHANGES = ("remove", "exchange", "blank")


def _changer_cases() -> Iterator[tuple[str, float, list[str]]]:
    yield "remove", 0.3, ["never"]
    yield "blank", 0.3, ["never"]
    yield "exchange", 0.9, ["never"]
    yield "remove", 0.9, ["never", "not", "well"]
    yield "blank", 0.9, ["never", "not", "start"]
    yield "exchange", 0.8, ["never", "not"]
    yield "blank", 0.9, ["never", "another"]
    yield "remove", 0.15, ["never", "not"]
    yield "blank", 0.9, ["never", "the", "word1", "word70"]
    yield "exchange", 0.01, ["never"]
    yield "exchange", 0.8, _SHORT.split()
    yield "remove", 0.5, _SHORT.split()


def word_changer(change: str, share: float, keep: list[str]) -> Any:
    actions = {"remove": "delete", "exchange": "swap", "blank": "substitute"}
    return naw.RandomWordAug(action=actions[change], aug_p=share, aug_max=None, stopwords=keep)


def _changer_by_branches(change: str, share: float, keep: list[str]) -> Any:
    if change == "remove":
        return naw.RandomWordAug(action="delete", aug_p=share, stopwords=set(keep), aug_max=10**6)
    if change == "exchange":
        return naw.RandomWordAug(action="swap", aug_p=share, stopwords=set(keep), aug_max=10**6)
    return naw.RandomWordAug(action="substitute", aug_p=share, stopwords=set(keep), aug_max=10**6)


def _changer_set_afterwards(change: str, share: float, keep: list[str]) -> Any:
    augmenter = naw.RandomWordAug(
        {"remove": "delete", "exchange": "swap"}.get(change, "substitute"), target_words=["_"], aug_p=share
    )
    augmenter.aug_max, augmenter.stopwords = None, keep
    return augmenter


class _Changer:
    """The same without nlpaug: how many words, and which, is counted by hand."""

    def __init__(self, change: str, share: float, keep: list[str]) -> None:
        self._change, self._share, self._keep = change, share, keep

    def augment(self, data: Any, n: int = 1) -> list[str]:
        texts = data if isinstance(data, list) else [data] * n
        return [" ".join(self._changed(text.split())) for text in texts]

    def _changed(self, row: list[str]) -> list[str]:
        free = [place for place, word in enumerate(row) if word not in self._keep]
        picked = set(random.sample(free, min(len(free), math.ceil(self._share * len(row)))))
        if self._change == "remove":
            return [word for place, word in enumerate(row) if place not in picked]
        if self._change == "blank":
            return ["_" if place in picked else word for place, word in enumerate(row)]
        for place in picked:
            other = place + 1 if place == 0 else place - 1
            row[place], row[other] = row[other], row[place]
        return row


def _see_changer(arguments: tuple[Any, ...], result: Any) -> Any:
    """What the augmenter does to a short and to a long text, in words; anything else that came back, as it is.

    Random choices are not looked at, only what is the same at each draw.
    """
    if result is None:
        return None
    if isinstance(result, type):
        return "a class, not an object made by it"
    if not hasattr(result, "augment"):
        return f"no object with a method augment, but {short(result)}"
    from course_utils import augmentation

    told = []
    change, share, keep = arguments
    texts = {"10 words": _SHORT, "240 words": _LONG}
    if change == "blank" and share > 0.8:  # where a limit of 1000 words would show; it costs time, so not everywhere
        texts["1500 words"] = _LONGEST
    for name, text in texts.items():
        augmentation.seed(45)
        try:
            after = result.augment([text])[0].lower().split()
        except Exception as error:
            return f"made without an error, but augment stops with {type(error).__name__}: {sandbox.said(error)}"
        told.append(f"{name}: {_change_in_words(text.split(), after, share, keep)}")
    return "; ".join(told)


def _change_in_words(before: list[str], after: list[str], share: float, keep: Sequence[str]) -> str:
    blanks = after.count("_")
    removed = len(before) - len(after)
    real = [word for word in after if word != "_"]
    there = set(real)
    rest = iter(before)
    facts = [f"{removed} removed", f"{blanks} blank"]
    if len(real) > len(there & set(before)):
        facts.append("new words")
    elif all(word in rest for word in real):
        facts.append("order kept")
    else:
        now = {word: place for place, word in enumerate(after)}
        ways = [abs(now[word] - place) for place, word in enumerate(before) if word in now]
        facts.append("many moved" if sum(way > 0 for way in ways) > len(before) / 6 else "few moved")
        # Each exchange of neighbours moves a word by one place.
        if not removed and max(ways) > math.ceil(share * len(before)):
            facts.append("not only to a neighbour's place")
    if lost := [word for word in keep if word in before and word not in there]:
        facts.append(f"{' and '.join(lost)} lost")
    # A run of removed words, as crop makes it, is no random choice.
    gone = [place for place, word in enumerate(before) if word not in there]
    if removed > 2 and gone[-1] - gone[0] == removed - 1 and len(before) > 100:
        facts.append("all in one run")
    return ", ".join(facts)


def _changer_but(change: str, **options: Any) -> Callable[[str, float, list[str]], Any]:
    """Three branches, one of them with options of its own."""
    return lambda asked, share, keep: _changer(**(options if asked == change else {}))(asked, share, keep)


def _changer_of_letters(change: str, share: float, keep: list[str]) -> Any:
    letters: Any = _Late("nlpaug.augmenter.char")
    action = {"remove": "delete", "exchange": "swap", "blank": "substitute"}[change]
    return letters.RandomCharAug(action=action, aug_word_p=share, aug_word_max=None, stopwords=keep)


def _changer(**changed: Any) -> Callable[[str, float, list[str]], Any]:
    """An augmenter with one setting exchanged: the action for one change, or an option of RandomWordAug."""
    actions = {name: changed.pop(name) for name in _CHANGES if name in changed}

    def make(change: str, share: float, keep: list[str]) -> Any:
        known = {"remove": "delete", "exchange": "swap", "blank": "substitute", **actions}
        options: dict[str, Any] = {"aug_p": share, "aug_max": None, "stopwords": keep}
        for name, value in changed.items():
            options[name] = value(share, keep) if callable(value) else value
        given = {name: value for name, value in options.items() if value != "default"}
        return naw.RandomWordAug(action=known[change], **given)

    return make


WORD_CHANGER = Exercise(
    number="04.5",
    name="word_changer",
    title="An action that exists",
    kind="debug",
    difficulty=2,
    minutes=8,
    trains="the actions and the defaults of an augmenter",
    stub='''def word_changer(change, share, keep):
    """Build an augmenter of nlpaug that changes words of a text at random places.

    change says what happens to each word that is picked:
        "remove": it is left out
        "exchange": it changes places with a neighbour
        "blank": "_" comes in its place

    Args:
        change: one of these three
        share: of all words of a text, how many are picked, above 0 and below 1, rounded up to
            whole words: the same share whether the text is short or long
        keep: a list of words, lower-case as the texts are, that are never picked
    Returns:
        an object with the method augment, as nlpaug has it
    """
    return naw.RandomWordAug(action=change, aug_p=share)
''',
    hints=(
        "Read the message: it lists the names of all actions that any augmenter of nlpaug may have. Which three do what the stub says? Write a dict from our names to theirs.",
        "The list also holds 'insert' and 'split'. RandomWordAug takes them without a word and stops at the first augment, with an empty NotImplementedError. help(naw.RandomWordAug) says which actions it really has.",
        "When it runs, test a text of 100 words with share = 0.5, and count. What is the default of aug_max? And which option takes words that are left alone?",
    ),
    reference=word_changer,
    mistakes=(
        Mistake(
            _changer(aug_max="default"),
            "The names are right now. But count the changes in a long text: never more than 10. That is the default of aug_max, so a share "
            "of 0.5 is 5 of 10 words and 10 of 240. With aug_max=None there is no limit.",
        ),
        Mistake(
            _changer(aug_max="default", stopwords="default"),
            "The names are right now, and nlpaug runs. Two of its options are still open: words in `keep` are picked (look for stopwords), "
            "and in a long text never more than 10 words are changed (look for aug_max).",
        ),
        *(
            Mistake(
                _changer(aug_max=limit),
                f"A fixed aug_max only moves the limit: a text of 1500 words with a share of 0.9 still gets {limit} changes. aug_max=None "
                "takes it away.",
            )
            for limit in (20, 50, 100, 200, 500, 1000)
        ),
        Mistake(
            _changer(stopwords="default"),
            "Words in `keep` are picked as well. A *not* that is left out turns the label round: the option `stopwords` takes the words "
            "that stay.",
        ),
        Mistake(
            _changer(stopwords=lambda share, keep: " ".join(keep)),
            "stopwords got one text. nlpaug asks `word in stopwords`, and in a text that finds parts of words: because of 'another', "
            "'the' is never picked. Hand over the list.",
        ),
        Mistake(
            _changer(stopwords="default", stopwords_regex=lambda share, keep: "|".join(keep)),
            "Your regular expression has no end ($), so it also keeps words that only begin like one of the list: with 'word1', 'word10' is "
            "never picked. The option `stopwords` takes the list as it is.",
        ),
        *(
            Mistake(
                _changer_but(change, aug_p="default"),
                f'For "{change}" the share is not used: nlpaug takes its default, 0.3. The option is aug_p, in all three branches.',
            )
            for change in _CHANGES
        ),
        *(
            Mistake(
                _changer_but(change, stopwords="default"),
                f'For "{change}" words in `keep` are picked as well: the option `stopwords` belongs in all three branches.',
            )
            for change in _CHANGES
        ),
        *(
            Mistake(
                _changer_but(change, aug_max="default"),
                f'For "{change}" never more than 10 words are picked: aug_max=None belongs in all three branches.',
            )
            for change in _CHANGES
        ),
        Mistake(
            _changer_of_letters,
            "RandomCharAug changes letters inside the words. Whole words are changed by RandomWordAug.",
        ),
        Mistake(
            lambda change, share, keep: word_changer(change, share, keep).augment,
            "You gave back the method. Whoever calls your function writes .augment(text) behind it: give back the augmenter itself.",
        ),
        Mistake(
            lambda change, share, keep: {"remove": "delete", "exchange": "swap", "blank": "substitute"}[change],
            "You gave back the name of the action. Build the augmenter with it: naw.RandomWordAug(action=…, …).",
        ),
        Mistake(
            _changer(target_words=["blank"]),
            "For \"blank\" the sign '_' is asked for, and you put in the word 'blank'. It is nlpaug's default: leave target_words out.",
        ),
        Mistake(
            _changer(target_words=lambda share, keep: keep, stopwords="default"),
            "target_words are those that 'substitute' puts *in*: now the words of `keep` come everywhere. Words that stay go into "
            "`stopwords`.",
        ),
        Mistake(
            _changer(aug_p=lambda share, keep: 1 - share),
            "You hand over 1 − share. aug_p is the share of the words that are picked, as `share` is.",
        ),
        Mistake(
            _changer(blank="align"),
            "'align' stands in the list of the message, and RandomWordAug takes it. But no method belongs to it, so augment stops. Putting "
            "something in the place of a word is called 'substitute'.",
        ),
        Mistake(
            _changer(remove="crop"),
            "'crop' takes one run of neighbouring words out. Here each picked word is on its own: another action of the list.",
        ),
        Mistake(
            _changer(remove="substitute"),
            "For \"remove\" you use 'substitute', which puts '_' in the place of a word. The text must get shorter.",
        ),
        Mistake(
            _changer(exchange="substitute"),
            "For \"exchange\" you use 'substitute': it replaces words by '_'. Changing places with a neighbour is another action.",
        ),
        Mistake(
            _changer(blank="delete"),
            "For \"blank\" you use 'delete': the words vanish, and with them the places. The text must keep its number of words.",
        ),
        Mistake(
            _changer(blank="insert"),
            "For \"blank\" you chose a name that stands in the list of the message, and RandomWordAug takes it: 'insert', say, or 'split'. But "
            "augment then stops with a NotImplementedError that says nothing: this class has no such action. Putting something in the "
            "place of a word is called 'substitute'.",
        ),
        *(
            Mistake(
                _changer(blank="insert", aug_max="default", **options),
                "'insert' and 'split' stand in the list of the message, and RandomWordAug takes them, but augment stops for \"blank\": this "
                f"class has no such action. After that, {more}.",
            )
            for options, more in (
                ({}, "count the changes in a long text: there is a limit, aug_max"),
                (
                    {"stopwords": "default"},
                    "look for two of its options: aug_max limits the changes, and stopwords are left alone",
                ),
            )
        ),
        Mistake(
            _changer(remove="crop", aug_max="default", stopwords="default"),
            "'crop' takes one run of neighbouring words out, and here each picked word is on its own: another action of the list. After that, "
            "look for two of its options: aug_max limits the changes, and stopwords are left alone.",
        ),
        Mistake(
            _changer(exchange="split"),
            "For \"exchange\" you chose a name that stands in the list of the message, but RandomWordAug does not have it ('insert' and "
            "'split' are such names): augment stops. Changing places is another action.",
        ),
        Mistake(
            _changer(blank="swap", exchange="substitute"),
            "\"exchange\" and \"blank\" have each other's action. 'substitute' puts something in the place of a word; 'swap' exchanges "
            "neighbours.",
        ),
        Mistake(
            _changer(aug_p="default"),
            "The share is not used: nlpaug takes its default, 0.3. The option is aug_p.",
        ),
        Mistake(
            _changer(remove="delete", exchange="delete", blank="delete"),
            "Every change is 'delete' now: the argument `change` no longer counts.",
        ),
        Mistake(
            _changer(target_words="_"),
            "target_words is a text here, and nlpaug draws from a *list*: \"blank\" stops with a TypeError. Leave it out, '_' is the default, "
            'or write ["_"].',
        ),
        Mistake(
            _changer(aug_min=10),
            "aug_min is a lower limit: with 10, every word of a short text is picked. Only the upper limit, aug_max, stands in the way of "
            "the share.",
        ),
        Mistake(
            _changer(aug_p=lambda share, keep: 100 * share),
            "aug_p is a share, not a percentage: 30 means thirty times all words. nlpaug does not complain, it picks every word.",
        ),
        Mistake(
            _changer(aug_p=lambda share, keep: None, aug_max=lambda share, keep: max(1, round(10 * share))),
            "You fix the number of words through aug_max. That fits a text of 10 words alone: use aug_p for the share, and no upper limit.",
        ),
    ),
    styles=(_changer_by_branches, _changer_set_afterwards, _Changer),
    start="Run the cell and read the message: which names does nlpaug know?",
    praise="The actions exist, the share holds for long texts, and the words in `keep` are safe. A name that a library accepts is no proof "
    "that it does something: 'insert' is accepted too. So call what you build once, right where you build it.",
    cases=_changer_cases,
    expected=_Changer,
    observe=_see_changer,
    prepare=_load_nlpaug,
)

# ---- 04.6 ---------------------------------------------------------------------------------------------------------

Text = list[int]
Pair = tuple[Text, int]
_WORDS = 60


def drop_words(text: Text, rng: random.Random, share: float = 0.3) -> Text:
    """A copy of a text without some of its words; at least one stays.

    Args:
        text: a list of word numbers.
        rng: draws which words go.
        share: the probability that a word goes: the dose.
    """
    return [word for word in text if rng.random() >= share] or [rng.choice(text)]


def nearest_score(train: Sequence[Pair], test: Sequence[Pair]) -> float:
    """The share of test texts that get the label of the most similar training text.

    Two texts are similar if they share many of their words.

    Args:
        train: pairs of a text, a list of word numbers from 0 to 59, and its label, 0 or 1.
        test: more such pairs.
    """
    known = [(_bits(text), label) for text, label in train]
    right = 0
    for text, label in test:
        asked = _bits(text)
        right += max(known, key=lambda pair: (pair[0] & asked).bit_count() / (pair[0] | asked).bit_count())[1] == label
    return right / len(test)


def _bits(text: Text) -> int:
    """The set of words as one number, a bit a word: fast to intersect."""
    found = 0
    for word in text:
        found |= 1 << word
    return found


def coin_score(pipeline: Callable[[list[Pair], random.Random], float], *, repeats: int = 200) -> str:
    """The mean test score of a pipeline on labels that a coin has tossed.

    Nobody can know such labels, so an honest score is 50 %, apart from luck.

    Args:
        pipeline: takes 60 pairs of a text (9 word numbers from 0 to 59) and its label (0 or 1), and a random generator;
            gives back its test score, from 0 to 1.
        repeats: how many sets of texts are drawn.

    Returns:
        mean ± 95 % interval, in percent.

    Raises:
        TypeError: the pipeline gives back no number.
    """
    mean, error = _coin(pipeline, repeats)
    return f"{100 * mean:.1f} ± {196 * error:.1f} %"


def _coin(pipeline: Callable[[list[Pair], random.Random], float], repeats: int) -> tuple[float, float]:
    """Mean and standard error over many draws."""
    scores = []
    for seed in range(repeats):
        rng = random.Random(seed)
        pairs = [([rng.randrange(_WORDS) for _ in range(9)], rng.randrange(2)) for _ in range(60)]
        score = pipeline(pairs, rng)
        if not isinstance(score, (int, float)):
            raise TypeError(f"pipeline: gave back {type(score).__name__}; expected a score from 0 to 1")
        scores.append(score)
    mean = sum(scores) / repeats
    variance = sum((score - mean) ** 2 for score in scores) / (repeats - 1)
    return mean, math.sqrt(variance / repeats)


def _copies(pairs: Sequence[Pair], rng: random.Random, share: float = 0.3) -> list[Pair]:
    return [(drop_words(text, rng, share), label) for text, label in pairs]


def _augment_split(pairs: list[Pair], rng: random.Random) -> float:
    everything = pairs + _copies(pairs, rng)
    rng.shuffle(everything)
    return nearest_score(everything[40:], everything[:40])


def _split_augment(pairs: list[Pair], rng: random.Random) -> float:
    test, train = pairs[:20], pairs[20:]
    return nearest_score(train + _copies(train, rng), test)


def _augment_split_by_origin(pairs: list[Pair], rng: random.Random) -> float:
    copies = _copies(pairs, rng)
    return nearest_score(pairs[20:] + copies[20:], pairs[:20] + copies[:20])


_DOSES = (0.1, 0.3, 0.6, 0.9)


def _dose_by_test(pairs: list[Pair], rng: random.Random) -> float:
    test, train = pairs[:20], pairs[20:]
    return max(nearest_score(train + _copies(train, rng, dose), test) for dose in _DOSES)


def _dose_by_validation(pairs: list[Pair], rng: random.Random) -> float:
    test, validation, train = pairs[:20], pairs[20:40], pairs[40:]
    sets = [train + _copies(train, rng, dose) for dose in _DOSES]
    return nearest_score(max(sets, key=lambda made: nearest_score(made, validation)), test)


def _list_of_all(pairs: list[Pair], rng: random.Random) -> float:
    """Word lists counted on all texts; each training text gets a copy with four words of its label's list."""
    counts = [Counter(word for text, label in pairs if label == wanted for word in text) for wanted in (0, 1)]
    typical = [
        sorted(range(_WORDS), key=lambda word, own=own: counts[1 - own][word] - counts[own][word])[:15]  # type: ignore[misc]
        for own in (0, 1)
    ]
    test, train = pairs[:20], pairs[20:]
    return nearest_score(train + [(text[:5] + rng.sample(typical[label], 4), label) for text, label in train], test)


_PIPELINES: dict[str, Callable[[list[Pair], random.Random], float]] = {
    "augment, then split": _augment_split,
    "split, then augment the training part": _split_augment,
    "augment, then split by origin": _augment_split_by_origin,
    "best dose by the test part": _dose_by_test,
    "best dose by a validation part": _dose_by_validation,
    "word list from all labels": _list_of_all,
}
_LEAK, _CLEAN, _ORIGIN, _DOSE_TEST, _DOSE_VALIDATION, _LIST = _PIPELINES
_REASONS = {
    _LEAK: "a copy of a test text may stand in the training part, with its label",
    _DOSE_TEST: "the best of four scores is the luckiest of four, so the test labels have taken part in the choice",
    _LIST: "the lists were counted with the labels of the test texts",
}
_CLEAN_REASONS = {
    _CLEAN: "the test part is set aside before anything else happens",
    _ORIGIN: "a text and its copies stay on one side, so training has seen nothing of a test text",
    _DOSE_VALIDATION: "the choice is made on other texts, and the test part is asked once",
}


@cache
def _honest(name: str) -> bool:
    """Whether coin labels give 50 %, within 4 standard errors."""
    mean, error = _coin(_PIPELINES[name], 120)
    return abs(mean - 0.5) < 4 * error


def _measure_pipelines() -> None:
    for name in _PIPELINES:
        _honest(name)


def _accept_pipelines(chosen: set[str]) -> str:
    honest = {name for name in _PIPELINES if _honest(name)}
    if chosen == honest:
        return ""
    if extra := [name for name in _PIPELINES if name in chosen - honest]:
        mean = _coin(_PIPELINES[extra[0]], 120)[0]
        return f"'{extra[0]}' scores ≈ {100 * mean:.0f} % on labels that a coin has tossed, and nobody can know those: {_REASONS[extra[0]]}."
    missing = next(name for name in _PIPELINES if name in honest - chosen)
    return f"What you chose is right, but something is missing: '{missing}' stays at 50 % on coin labels, since {_CLEAN_REASONS[missing]}."


_BELIEFS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({_CLEAN}),
        "That one is honest, and it is the one to remember. But two more are: what matters is not *when* you augment, but whether anything "
        "of a test text, or of its label, reaches the training or a choice.",
    ),
    (
        frozenset({_CLEAN, _DOSE_VALIDATION}),
        "Both are honest; one more is. To augment before the split is no sin in itself: ask where the copies of a test text end up.",
    ),
    (
        frozenset({_CLEAN, _ORIGIN}),
        "Both are honest; one more is. A dose must be chosen somehow: which texts may take part in the choice?",
    ),
    (
        frozenset({_CLEAN, _DOSE_VALIDATION, _DOSE_TEST}),
        "Choosing the best dose by the test part is the quiet leak: nothing is copied, but the best of four scores is the luckiest of four. "
        "Measure it on coin labels. And one honest pipeline is missing.",
    ),
    (
        frozenset({_CLEAN, _ORIGIN, _DOSE_VALIDATION, _DOSE_TEST}),
        "One too many: 'best dose by the test part'. The best of four scores is the luckiest of four, so it lies above what new texts will give.",
    ),
    (
        frozenset({_CLEAN, _ORIGIN, _DOSE_VALIDATION, _LIST}),
        "One too many: 'word list from all labels'. The copies carry words that are typical for the label in the *test* texts too. Training has "
        "seen a summary of the answers.",
    ),
    (
        frozenset({_CLEAN, _DOSE_VALIDATION, _LIST}),
        "The word list leaks: it was counted with the labels of the test texts, and the copies carry it into training. And one honest "
        "pipeline is missing.",
    ),
    (
        frozenset({_LEAK}),
        "That is the worst of the six. A shuffled set of originals and copies puts the copy, or the original, of two test texts in three into the training part: "
        "the model need only recognise it.",
    ),
    (
        frozenset({_LEAK, _ORIGIN}),
        "You chose those that augment first. In one of them the copies of a test text land in the training part, in the other they cannot. "
        "And some pipelines that split first are honest too.",
    ),
    (
        frozenset({_LEAK, _DOSE_TEST, _LIST}),
        "These are the three that leak. The question asks for the honest ones.",
    ),
    (
        frozenset(_PIPELINES),
        "Not all of them. Measure each with coin_score: an honest pipeline cannot know what a coin has tossed.",
    ),
    (
        frozenset(),
        "An empty set says that no score can be believed. At least one pipeline keeps all test texts out of training and out of every choice.",
    ),
)

HONEST_SCORES = Selection(
    names=tuple(_PIPELINES),
    number="04.6",
    name="honest_scores",
    title="Which score can you believe?",
    kind="investigate",
    difficulty=1,
    minutes=10,
    trains="finding a leak with labels that a coin has tossed",
    stub="""honest_scores = ...  # a set of names: which pipelines give an honest test score?
# "augment, then split": add a copy of each text, shuffle all, then split
# "split, then augment the training part": the test part stays as it is
# "augment, then split by origin": a text and its copy go to the same part
# "best dose by the test part": split, try four doses on the training part, report the best score
# "best dose by a validation part": choose the dose there, then ask the test part once
# "word list from all labels": for each label, list the words that are typical for it, counted on
#     all texts; split; each training text gets a copy with some words from the list of its label

# A measuring tool: coin_score tosses the labels of 60 texts with a coin. Nobody can know them, so
# an honest score is 50 %. A text is a list of word numbers; a pair is (text, label).
from course_utils.practice.lesson_04 import coin_score, drop_words, nearest_score


def split_first(pairs, rng):  # the second pipeline; write others and compare
    test, train = pairs[:20], pairs[20:]
    copies = [(drop_words(text, rng, 0.3), label) for text, label in train]
    return nearest_score(train + copies, test)


print(coin_score(split_first))
""",
    hints=(
        "Ask of each pipeline: can a test text, a copy of it, or its label reach the training, or a choice that is made before the end?",
        "Measure: run the cell, and look at the score of the second pipeline. Then write the first one: copies of all pairs, rng.shuffle, then split. A score well above 50 % on coin labels is a leak; one or two points more or less are luck.",
        "For the doses: call nearest_score four times on the same test part and return the max. The score of a coin is not 50 % then. Three of the six pipelines are honest.",
    ),
    reference={_CLEAN, _ORIGIN, _DOSE_VALIDATION},
    mistakes=tuple(Mistake(set(belief), feedback) for belief, feedback in _BELIEFS),
    styles=(
        frozenset({_CLEAN, _ORIGIN, _DOSE_VALIDATION}),
        [_DOSE_VALIDATION, _CLEAN, _ORIGIN],
        (_ORIGIN.replace(" ", "  "), _CLEAN, _DOSE_VALIDATION),
    ),
    start="Measure the pipeline in the cell with coin_score, then write the first one and compare.",
    praise="Measured again on labels that a coin has tossed: these three stay at 50 %, the others lie above. The trick finds leaks in any "
    "project: shuffle the labels, run everything, and see whether the score is still good.",
    accept=_accept_pipelines,
    example={_LEAK},
    prepare=_measure_pipelines,
)

EXERCISES = (AUGMENTED_SET, KEEPS_LABEL, WITH_PARTICLE, AUGMENT_ONE, WORD_CHANGER, HONEST_SCORES)
check = Checks(EXERCISES)

QUIZ = Quiz(
    "04",
    (
        Question(
            "KeyboardAug changes *film* to *fjlm*. What does a model that looks up whole words make of it?",
            (
                Choice(
                    "Nothing new: one letter of four is a small change",
                    "For you, yes: you read the letters. This model looks up the whole word, and *fjlm* is not in its list.",
                ),
                Choice(
                    "It reads the word *film* a little weaker",
                    "There is no weaker: a word is found in the vocabulary or it is not.",
                ),
                Choice(
                    "It loses the word: *fjlm* is unknown",
                    "Right: almost no mistyped word is in the vocabulary, so a typing error works like a deleted word. It pays for models "
                    "that read characters or parts of words.",
                    right=True,
                ),
                Choice(
                    "It reads another word, which may turn the label round",
                    "That is rare: few typing errors hit another real word. In the lesson fewer than one in ten did.",
                ),
            ),
        ),
        Question(
            "ReservedAug has the group *can*, *can't*, *cannot*, *could*. Why is that dangerous for a sentiment task?",
            (
                Choice(
                    "It draws at random from the group, so *can* often becomes its opposite, and the label stays the old one",
                    "Right: a group must hold words of one meaning. Two of the three other words are negations.",
                    right=True,
                ),
                Choice(
                    "It makes sentences with wrong grammar",
                    "All four fit the same place, and the grammar is fine. That is why nobody sees the harm at once.",
                ),
                Choice(
                    "It changes too few words to make a new example",
                    "One word is enough to make a new example. Here it is enough to make a wrong one.",
                ),
                Choice(
                    "The words are so frequent that the model ignores them",
                    "Frequent words are not ignored: *not* is one of the most frequent, and it decides many labels.",
                ),
            ),
        ),
        Question(
            "What does RandomWordAug(action='crop') do to a text?",
            (
                Choice(
                    "It deletes random words here and there",
                    "That is *delete*. A crop takes neighbours.",
                ),
                Choice(
                    "It cuts letters off the ends of words",
                    "RandomWordAug never looks into a word. RandomCharAug does.",
                ),
                Choice(
                    "It keeps a random part and deletes the words before and after it",
                    "So it works for pictures, hence the name. Here the part inside goes, and the rest stays.",
                ),
                Choice(
                    "It takes out one run of neighbouring words",
                    "Right: one hole. What hangs together is lost together, so a *not* goes with its verb more often than by *delete*.",
                    right=True,
                ),
            ),
        ),
        Question(
            "Deleting 50 % of the words lowers the test error, deleting 90 % raises it again. What has happened between the two?",
            (
                Choice(
                    "The model has seen too many copies and has overfitted",
                    "The number of copies is the same at every dose. What differs is what is left in them.",
                ),
                Choice(
                    "The copies no longer hold what decides the label, so the labels have become noise",
                    "Right: with one word in ten left, most copies say neither praise nor blame. The label is then a guess.",
                    right=True,
                ),
                Choice(
                    "Luck: with other seeds it would be the other way round",
                    "It was measured over 12 seeds, in pairs, and the interval of the difference does not hold 0.",
                ),
                Choice(
                    "The training stopped too early for so many changed texts",
                    "Every dose got the same number of steps. What differs is what the copies still say.",
                ),
            ),
        ),
        Question(
            "You plan back-translation with two small models for 100,000 medical notes. What do you do first?",
            (
                Choice(
                    "Translate all of them: more data cannot harm",
                    "Wrong copies do harm, and this is the slowest family of all. Look at a few first.",
                ),
                Choice(
                    "Translate 50, read them, and measure the time and the labels that survive",
                    "Right: a model is only good in the kind of text that it has learned. 50 sentences tell you quality and price.",
                    right=True,
                ),
                Choice(
                    "Use random deletion before it, so that the sentences are shorter and cheaper",
                    "The translator then gets broken sentences, which it has never learned. The errors add up.",
                ),
                Choice(
                    "Compare the words: if few have changed, the translation is good",
                    "Few changed words may hide a lost *not*, and a good paraphrase may change them all. It is the meaning that counts.",
                ),
            ),
        ),
    ),
)
