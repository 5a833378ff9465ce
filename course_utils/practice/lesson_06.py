"""Lesson 06, word2vec: exercises with their wrong answers, and the quiz."""

from __future__ import annotations

import importlib
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.practice.check import Checks
from course_utils.practice.exercise import Exercise
from course_utils.practice.investigation import Selection
from course_utils.practice.quiz import Choice, Question, Quiz
from course_utils.practice.task import Mistake

#: Which places stand around place i: from i, the length of the sentence and the window.
Places = Callable[[int, int, int], Iterable[int]]


def _around(i: int, length: int, window: int) -> list[int]:
    """The places at most ``window`` away from i, inside the sentence, without i itself."""
    return [j for j in range(length) if j != i and abs(j - i) <= window]


def _is_full(i: int, length: int, window: int) -> bool:
    return window <= i < length - window


# ---- 06.1 ---------------------------------------------------------------------------------------------------------

_WORDS = ("the", "cat", "sat", "on", "a", "mat", "dog", "saw", "red", "bird", "and", "ran")


def _numbered_cases() -> Iterator[tuple[list[list[str]], dict[str, int], int]]:
    """Numbers in no order, with gaps, one of them 0; words that come twice; sentences too short for a full window."""
    yield [["the", "cat", "sat"]], {"sat": 4, "the": 7, "cat": 0}, 1
    yield [["the", "cat", "sat", "on"], ["a", "dog"]], {"on": 3, "dog": 9, "cat": 5, "a": 0, "the": 2, "sat": 6}, 1
    # Small enough to be shown number by number: a wrong order of the columns can be seen.
    yield [["a", "dog", "sat", "on", "the", "mat"]], {"on": 3, "dog": 9, "mat": 5, "a": 0, "the": 2, "sat": 6}, 2
    rng = random.Random(61)
    for window, lengths in ((2, (5, 3, 7)), (1, (1, 6, 2, 4)), (3, (6, 7, 9)), (2, (4, 8, 0, 5)), (1, (3, 5, 8))):
        numbers = dict(zip(rng.sample(_WORDS, len(_WORDS)), rng.sample(range(30), len(_WORDS))))
        yield [rng.choices(_WORDS, k=length) for length in lengths], numbers, window


def cbow_tensors(sentences: list[list[str]], numbers: dict[str, int], window: int) -> tuple[Tensor, Tensor]:
    contexts, targets = [], []
    for sentence in sentences:
        row = [numbers[word] for word in sentence]
        for i in range(window, len(row) - window):
            contexts.append(row[i - window : i] + row[i + 1 : i + window + 1])
            targets.append(row[i])
    return torch.LongTensor(contexts), torch.LongTensor(targets)


def _cbow_one_by_one(sentences: list[list[str]], numbers: dict[str, int], window: int) -> tuple[Tensor, Tensor]:
    """The expected result: for every place of every sentence, is its window full?"""
    contexts, targets = [], []
    for sentence in sentences:
        for i, word in enumerate(sentence):
            places = _around(i, len(sentence), window)
            if len(places) == 2 * window:
                contexts.append([numbers[sentence[j]] for j in places])
                targets.append(numbers[word])
    return torch.tensor(contexts), torch.tensor(targets)


def _cbow_by_unfold(sentences: list[list[str]], numbers: dict[str, int], window: int) -> list[Tensor]:
    width = 2 * window + 1
    rows = [torch.tensor([numbers[word] for word in sentence], dtype=torch.int64) for sentence in sentences]
    whole = torch.cat([row.unfold(0, width, 1) for row in rows if len(row) >= width])  # (n, 2·window + 1)
    return [torch.cat([whole[:, :window], whole[:, window + 1 :]], 1), whole[:, window]]


def _cbow_from_an_array(sentences: list[list[str]], numbers: dict[str, int], window: int) -> tuple[Tensor, Tensor]:
    """Windows of words first, numbers at the end."""
    spans = [s[i : i + 2 * window + 1] for s in sentences for i in range(len(s) - 2 * window)]
    found = torch.from_numpy(np.vectorize(numbers.get)(np.array(spans)).astype(np.int64))
    columns = [column for column in range(2 * window + 1) if column != window]
    return found[:, columns], found[:, window]


Number = Callable[[str, list[str], list[list[str]], dict[str, int]], Any]


def _known(word: str, sentence: list[str], sentences: list[list[str]], numbers: dict[str, int]) -> int:
    return numbers[word]


def _distinct(sentences: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(word for sentence in sentences for word in sentence))


def _cbow(
    number: Number = _known,
    *,
    target: Number | None = None,
    places: Places = _around,
    used: Callable[[int, int, int], bool] = _is_full,
    pick: Callable[[list[list[str]]], list[list[str]]] = lambda sentences: sentences,
    make: Callable[[Any], Any] = torch.LongTensor,
) -> Callable[..., Any]:
    """The reference with one part exchanged: a word's number, the window's places, which places are centres, and so on."""

    def tensors(sentences: list[list[str]], numbers: dict[str, int], window: int) -> tuple[Any, Any]:
        contexts, targets = [], []
        for sentence in pick(sentences):
            for i in range(len(sentence)):
                if used(i, len(sentence), window):
                    around = places(i, len(sentence), window)
                    contexts.append([number(sentence[j], sentence, sentences, numbers) for j in around])
                    targets.append((target or number)(sentence[i], sentence, sentences, numbers))
        return make(contexts), make(targets)

    return tensors


def _changed_pair(change: Callable[[Tensor, Tensor], Any]) -> Callable[..., Any]:
    """The reference with its result changed."""
    return lambda sentences, numbers, window: change(*_cbow_one_by_one(sentences, numbers, window))


def _joined(sentences: list[list[Any]]) -> list[list[Any]]:
    return [[word for sentence in sentences for word in sentence]]


def _cbow_with_positions(sentences: list[list[str]], numbers: dict[str, int], window: int) -> tuple[Tensor, Tensor]:
    kept = [(i, len(s)) for s in sentences for i in range(len(s)) if _is_full(i, len(s), window)]
    return torch.tensor([_around(i, n, window) for i, n in kept]), torch.tensor([i for i, _ in kept])


def _cbow_padded(sentences: list[list[str]], numbers: dict[str, int], window: int) -> tuple[Tensor, Tensor]:
    rows = [[numbers[word] for word in sentence] for sentence in sentences]
    return _padded_one_by_one(rows, window, 0)


def _cbow_one_hot(contexts: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return F.one_hot(contexts), F.one_hot(targets)


def _skip_gram_rows(contexts: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return contexts.flatten(), targets.repeat_interleave(contexts.shape[1])


def _see_two(_: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """Both tensors and their types: embeddings and losses take int64."""
    pair = result if isinstance(result, (tuple, list)) and len(result) == 2 else (result, "nothing else")
    types = ", ".join(str(getattr(part, "dtype", type(part).__name__)) for part in pair)
    return {"contexts": pair[0], "targets": pair[1], "types": types}


CBOW_TENSORS = Exercise(
    number="06.1",
    name="cbow_tensors",
    title="A tensor holds no words",
    kind="debug",
    difficulty=1,
    minutes=6,
    trains="from words to numbers",
    stub='''def cbow_tensors(sentences, numbers, window):
    """Make the training examples of CBOW: the words around a place, and the word at the place.

    Only full windows count: a word gives an example if there are `window` words before it and
    `window` words after it, in its own sentence.

    Args:
        sentences: lists of words
        numbers: a dict, the number of each word; it holds every word of the sentences
        window: how many words on each side
    Returns:
        the numbers of the words around, from left to right, (n, 2 · window), int64
        the number of the word between them, (n,), int64
    """
    contexts, targets = [], []
    for sentence in sentences:
        for i in range(window, len(sentence) - window):
            contexts.append(sentence[i - window : i] + sentence[i + 1 : i + window + 1])
            targets.append(sentence[i])
    return torch.LongTensor(contexts), torch.LongTensor(targets)
''',
    hints=(
        "The message names a type: 'str'. What do the lists hold, and what can a tensor hold? Print contexts before the last line.",
        "The windows are right. What is missing is one step between words and tensors, and the argument `numbers`, which nothing uses yet.",
        "numbers[word] is the number of one word. Change all words of a sentence at once, before the inner loop, and cut the windows out of "
        "the list of numbers. Then contexts and targets are both right.",
    ),
    reference=cbow_tensors,
    mistakes=(
        Mistake(
            _cbow(lambda word, sentence, sentences, numbers: _distinct(sentences).index(word)),
            "You number the words yourself, in the order in which they appear. An embedding that was made for the given numbers would look "
            "up the rows of other words: use `numbers`.",
        ),
        Mistake(
            _cbow(lambda word, sentence, sentences, numbers: _distinct(sentences).index(word) + 1),
            "You number the words yourself, from 1 on, in the order in which they appear. An embedding that was made for the given numbers "
            "would look up the rows of other words: use `numbers`.",
        ),
        Mistake(
            _cbow(lambda word, sentence, sentences, numbers: sorted(_distinct(sentences)).index(word)),
            "You number the words yourself, in alphabetical order. One vocabulary must serve all texts: use the given `numbers`.",
        ),
        Mistake(
            _cbow(lambda word, sentence, sentences, numbers: list(numbers).index(word)),
            "You take the place of a word in the dict. Its number is the *value* that stands there: numbers[word].",
        ),
        Mistake(
            _cbow(lambda word, sentence, sentences, numbers: sentence.index(word)),
            "You take the place where the word stands in its sentence. Then *cat* has another number in every sentence: use numbers[word].",
        ),
        Mistake(
            _cbow_with_positions,
            "Your tensors hold places, i and its neighbours, not the numbers of the words that stand there.",
        ),
        Mistake(
            _cbow(lambda word, sentence, sentences, numbers: hash(word)),
            "hash gives any number, and for texts another one each time Python starts. Use the given `numbers`.",
        ),
        Mistake(
            _cbow(lambda word, sentence, sentences, numbers: hash(word) % len(numbers)),
            "hash gives for texts another number each time Python starts, and two words may get the same one. Use the given `numbers`.",
        ),
        Mistake(
            _cbow(lambda word, sentence, sentences, numbers: len(word)),
            "Your numbers are the lengths of the words: *cat* and *dog* would be the same word. Use `numbers`.",
        ),
        Mistake(
            _cbow(lambda word, sentence, sentences, numbers: numbers[word] + 1),
            "Each number is one too large. Nothing is padded here, so nothing needs room: numbers[word], as it is.",
        ),
        Mistake(
            _cbow(target=lambda word, sentence, sentences, numbers: sentence.index(word)),
            "The contexts are right. The targets are places in the sentence: a target is the number of a word too.",
        ),
        Mistake(
            _cbow(target=lambda word, sentence, sentences, numbers: _distinct(sentences).index(word)),
            "The contexts are right. The targets have numbers of their own, in the order in which the words appear: both sides use the same "
            "`numbers`.",
        ),
        Mistake(
            _cbow(make=lambda rows: torch.tensor(rows, dtype=torch.float32)),
            "The numbers are right, but they are floating-point numbers. They are names, not amounts: an embedding takes whole numbers, int64.",
        ),
        Mistake(
            _cbow(make=lambda rows: torch.tensor(rows, dtype=torch.int32)),
            "The numbers are right, but they have 32 bits. A loss takes its targets as int64: torch.LongTensor makes that.",
        ),
        Mistake(
            _cbow(make=lambda rows: rows),
            "The numbers are right, but these are lists. Make tensors of both: now that they hold numbers, torch.LongTensor takes them.",
        ),
        Mistake(
            _changed_pair(_cbow_one_hot),
            "You made one-hot vectors. That is what the number stands for, but it is never written out: an embedding takes the number and "
            "looks up the row.",
        ),
        Mistake(
            _cbow(places=lambda i, length, window: range(i - window, i + window + 1)),
            "The centre stands in its own context: 2 · window + 1 columns. A model would learn to copy it. Leave place i out.",
        ),
        Mistake(
            _cbow(places=lambda i, length, window: range(i - window, i)),
            "Your contexts hold only the words on the left. The words on the right belong to them as well.",
        ),
        Mistake(
            _cbow(places=lambda i, length, window: range(i + 1, i + window + 1)),
            "Your contexts hold only the words on the right. The words on the left belong to them as well.",
        ),
        Mistake(
            _cbow(places=lambda i, length, window: [*range(i + 1, i + window + 1), *range(i - window, i)]),
            "The words on the right come first. Keep the order of the sentence, from left to right.",
        ),
        Mistake(
            _cbow(places=lambda i, length, window: [*range(i - 1, i - window - 1, -1), *range(i + 1, i + window + 1)]),
            "Your left half runs backwards: the word just before the centre comes first. Keep the order of the sentence: i − window, …, i − 1.",
        ),
        Mistake(
            _cbow(places=lambda i, length, window: [i + sign * k for k in range(1, window + 1) for sign in (-1, 1)]),
            "Your columns go by distance: −1, 1, −2, 2, … Keep the order of the sentence, from left to right.",
        ),
        Mistake(
            _cbow(places=lambda i, length, window: [*range(i - window, i), *range(i, i + window)]),
            "Your right half begins with the centre itself, and its last word is missing: it begins at i + 1 and ends before i + window + 1.",
        ),
        Mistake(
            _cbow(used=lambda i, length, window: window <= i < length - window - 1),
            "The last full window of each sentence is missing. range(a, b) ends before b, so b is len(sentence) − window.",
        ),
        Mistake(
            _cbow(used=lambda i, length, window: window < i < length - window),
            "The first full window of each sentence is missing: it belongs to place `window`, since places begin at 0.",
        ),
        Mistake(
            _cbow(pick=_joined),
            "Your windows run over the ends of the sentences: the last word of one and the first word of the next are no neighbours. Go "
            "through the sentences one by one.",
        ),
        Mistake(
            _cbow_padded,
            "You pad the windows at the ends of a sentence. That is the next exercise; here only full windows count, and 0 is the number of a "
            "real word.",
        ),
        Mistake(
            _cbow(pick=lambda sentences: sentences[:1]),
            "Only the first sentence is used. Is `return` inside the loop?",
        ),
        Mistake(
            _changed_pair(lambda contexts, targets: (targets, contexts)),
            "Contexts and targets are swapped: the words around come first, the word between them second.",
        ),
        Mistake(
            _changed_pair(_skip_gram_rows),
            "You made one example of each pair. That is skip-gram; CBOW has one row a place, with all 2 · window words in it.",
        ),
        Mistake(
            _changed_pair(lambda contexts, targets: contexts),
            "The targets are missing. Give back both tensors: contexts, targets.",
        ),
    ),
    styles=(_cbow_one_by_one, _cbow_by_unfold, _cbow_from_an_array),
    start="Read the message: which type does it name, and where does it come from?",
    praise="Every window is there, in numbers. From here on the models know no words, only numbers: which word is which stands in one place, "
    "the vocabulary.",
    cases=_numbered_cases,
    expected=_cbow_one_by_one,
    observe=_see_two,
)

# ---- 06.2 ---------------------------------------------------------------------------------------------------------


def _sentence_cases() -> Iterator[tuple[list[list[int]], int, int]]:
    """Sentences of every length from 0 on; some sets without a single full window; a pad of 0, and others.

    Where the pad is not 0, word 0 is a word like any other.
    """
    # Small enough to be shown number by number: where the padding stands can be seen.
    yield [[5, 8, 6]], 2, 0
    yield [[5, 8, 6, 7]], 2, 0  # the first one to stop the stub: its message is the one that the notebook quotes
    yield [[5, 8, 6]], 1, 0
    yield [[3, 5], [4]], 2, 0
    yield [[2, 7, 4, 1], [6, 3]], 1, 9
    rng = random.Random(62)
    for window, pad, lengths in (
        (2, 0, (5, 2, 7)),
        (2, 20, (1, 6, 3)),
        (3, 0, (4, 5, 2)),
        (3, 15, (8, 0, 3, 9)),
        (1, 0, (2, 6, 1)),
        (4, 31, (3, 9, 12)),
    ):
        smallest = 0 if pad else 1
        yield [[rng.randrange(smallest, 12) for _ in range(length)] for length in lengths], window, pad


def padded_windows(sentences: list[list[int]], window: int, pad: int = 0) -> tuple[Tensor, Tensor]:
    contexts, targets = [], []
    for sentence in sentences:
        row = [pad] * window + sentence + [pad] * window
        for i in range(window, len(row) - window):
            contexts.append(row[i - window : i] + row[i + 1 : i + window + 1])
            targets.append(row[i])
    return torch.LongTensor(contexts), torch.LongTensor(targets)


def _padded_one_by_one(sentences: list[list[int]], window: int, pad: int) -> tuple[Tensor, Tensor]:
    """The expected result: column by column, is there a word at this offset?"""
    offsets = [offset for offset in range(-window, window + 1) if offset != 0]
    words = [(sentence, i) for sentence in sentences for i in range(len(sentence))]
    contexts = torch.full((len(words), 2 * window), pad)
    for row, (sentence, i) in enumerate(words):
        for column, offset in enumerate(offsets):
            if 0 <= i + offset < len(sentence):
                contexts[row, column] = sentence[i + offset]
    return contexts, torch.tensor([sentence[i] for sentence, i in words])


def _padded_by_sides(sentences: list[list[int]], window: int, pad: int) -> tuple[Tensor, Tensor]:
    contexts, targets = [], []
    for sentence in sentences:
        for i, word in enumerate(sentence):
            left, right = sentence[max(0, i - window) : i], sentence[i + 1 : i + 1 + window]
            left = [pad] * (window - len(left)) + left
            contexts.append(left + right + [pad] * (window - len(right)))
            targets.append(word)
    return torch.tensor(contexts), torch.tensor(targets)


def _padded_by_columns(sentences: list[list[int]], window: int, pad: int) -> list[Tensor]:
    made = []
    for sentence in sentences:
        words = F.pad(torch.tensor(sentence, dtype=torch.int64), (window, window), value=pad)
        shifts = [words[k : k + len(sentence)] for k in range(2 * window + 1) if k != window]
        made.append(torch.stack(shifts, dim=1))
    return [torch.cat(made), torch.cat([torch.tensor(sentence, dtype=torch.int64) for sentence in sentences])]


def _row_of(word: Callable[[list[int], int, int], int], centre: bool = False) -> Callable[..., list[int]]:
    """A row from what stands at each place j, inside the sentence or not; with the centre's own place or without."""
    return lambda sentence, i, window, pad: [
        word(sentence, j, pad) for j in range(i - window, i + window + 1) if centre or j != i
    ]


def _at(sentence: list[int], j: int, pad: int) -> int:
    return sentence[j] if 0 <= j < len(sentence) else pad


def _sides(sentence: list[int], i: int, window: int) -> tuple[list[int], list[int]]:
    return sentence[max(0, i - window) : i], sentence[i + 1 : i + 1 + window]


_right_row = _row_of(_at)


def _padded(
    row: Callable[[list[int], int, int, int], list[int]] = _right_row,
    *,
    used: Callable[[int, int, int], bool] = lambda i, length, window: True,
    pick: Callable[[list[list[int]]], list[list[int]]] = lambda sentences: sentences,
    shape: Callable[[list[list[int]], int, int], list[list[int]]] = lambda rows, window, pad: rows,
    give: Callable[[list[list[int]], list[int]], Any] = lambda rows, words: (
        torch.LongTensor(rows),
        torch.LongTensor(words),
    ),
) -> Callable[..., Any]:
    """The reference with one part exchanged: a word's row, which words have one, and what is done with the rows."""

    def windows(sentences: list[list[int]], window: int, pad: int) -> Any:
        places = [(s, i) for s in pick(sentences) for i in range(len(s)) if used(i, len(s), window)]
        rows = shape([row(sentence, i, window, pad) for sentence, i in places], window, pad)
        return give(rows, [sentence[i] for sentence, i in places])

    return windows


def _filled(side: Callable[[list[int], list[int], list[int], list[int]], list[int]]) -> Callable[..., list[int]]:
    """A row from the words on the left, those on the right, and the padding that each side lacks."""

    def row(sentence: list[int], i: int, window: int, pad: int) -> list[int]:
        left, right = _sides(sentence, i, window)
        return side(left, right, [pad] * (window - len(left)), [pad] * (window - len(right)))

    return row


def _ragged(sentence: list[int], i: int, window: int, pad: int) -> list[int]:
    left, right = _sides(sentence, i, window)
    return left + right


def _cut_to_the_shortest(rows: list[list[int]], window: int, pad: int) -> list[list[int]]:
    shortest = min(map(len, rows))
    return [row[:shortest] for row in rows]


def _filled_to_the_longest(rows: list[list[int]], window: int, pad: int) -> list[list[int]]:
    longest = max(map(len, rows))
    return [row + [pad] * (longest - len(row)) for row in rows]


def _filled_to_the_longest_in_front(rows: list[list[int]], window: int, pad: int) -> list[list[int]]:
    longest = max(map(len, rows))
    return [[pad] * (longest - len(row)) + row for row in rows]


def _nearest_first(sentence: list[int], i: int, window: int, pad: int) -> list[int]:
    return [_at(sentence, i + sign * k, pad) for k in range(1, window + 1) for sign in (-1, 1)]


def _padded_pad_places_too(sentences: list[list[int]], window: int, pad: int) -> tuple[Tensor, Tensor]:
    """As if the padding were words: a row for each of its places."""
    wide = [[pad] * window + sentence + [pad] * window for sentence in sentences]
    return _padded_one_by_one(wide, window, pad)


def _padded_in_a_stream(sentences: list[list[int]], window: int, pad: int) -> tuple[Tensor, Tensor]:
    return _padded_one_by_one(_joined(sentences), window, pad)


PADDED_WINDOWS = Exercise(
    number="06.2",
    name="padded_windows",
    title="Rows of one length",
    kind="debug",
    difficulty=2,
    minutes=10,
    trains="padding where something is missing",
    stub='''def padded_windows(sentences, window, pad=0):
    """Make a row of neighbours for every word, also at the ends of a sentence.

    Each column belongs to one offset: −window, …, −1, 1, …, window. Where no word of the same
    sentence stands at that offset, the column holds `pad`. A word that is alone in its sentence
    has a row of padding only.

    Args:
        sentences: lists of word numbers
        window: how many words on each side
        pad: the number that stands for an empty place; no word has it
    Returns:
        the words around each word, (n, 2 · window), int64; n is the number of all words
        the words themselves, (n,), int64
    """
    contexts, targets = [], []
    for sentence in sentences:
        for i in range(len(sentence)):
            contexts.append(sentence[max(i - window, 0) : i] + sentence[i + 1 : i + window + 1])
            targets.append(sentence[i])
    return torch.LongTensor(contexts), torch.LongTensor(targets)
''',
    hints=(
        "The message compares the lengths of two rows. Which words have fewer than 2 · window neighbours, and on which side are they missing?",
        "The length alone is not enough: column 0 always belongs to the word `window` places to the left. So the first word of a sentence has "
        "its padding on the left, the last word on the right.",
        "One way: put `window` paddings before each sentence and `window` behind it. Then every *word* has a full window, and the slices need "
        "no max. Take care that the paddings themselves get no rows.",
    ),
    reference=padded_windows,
    mistakes=(
        Mistake(
            _padded(_filled(lambda left, right, before, behind: left + right + before + behind)),
            "All rows have one length, but your padding always stands at the end. At the start of a sentence a word from the right slips into "
            "a column of the left. A missing neighbour is padded in its own column.",
        ),
        Mistake(
            _padded(_filled(lambda left, right, before, behind: before + behind + left + right)),
            "All rows have one length, but your padding always stands in front. At the end of a sentence a word from the left slips into a "
            "column of the right. A missing neighbour is padded in its own column.",
        ),
        Mistake(
            _padded(_filled(lambda left, right, before, behind: left + before + right + behind)),
            "The right side is in order. On the left the padding stands between the words and the centre: the word just before the centre "
            "belongs to the last column of the left half, so the padding comes first.",
        ),
        Mistake(
            _padded(_filled(lambda left, right, before, behind: before + left + behind + right)),
            "The left side is in order. On the right the padding stands between the centre and the words: the word just behind the centre "
            "belongs to the first column of the right half, so the padding comes last.",
        ),
        Mistake(
            _padded(_filled(lambda left, right, before, behind: left + before + behind + right)),
            "On both sides your padding stands next to the centre. Missing are the places *far* from the centre, beyond the end of the "
            "sentence: the padding stands outside.",
        ),
        Mistake(
            _padded(_ragged, shape=_filled_to_the_longest),
            "You fill each row up to the longest one there is, at its end. The number of columns is always 2 · window, whatever the sentences "
            "are; and a missing neighbour is padded in its own column.",
        ),
        Mistake(
            _padded(_ragged, shape=_filled_to_the_longest_in_front),
            "You fill each row up to the longest one there is, in front. The number of columns is always 2 · window, whatever the sentences "
            "are; and a missing neighbour is padded in its own column.",
        ),
        Mistake(
            _padded(_ragged, shape=_cut_to_the_shortest),
            "You cut all rows to the shortest one. The error is gone, and so are most of the neighbours. Fill up instead of cutting.",
        ),
        Mistake(
            _padded(_row_of(lambda s, j, pad: _at(s, j, -1))),
            "You pad with −1. An embedding has no row −1: it stops with IndexError. `pad` has a row of its own; which one it is says the "
            "argument.",
        ),
        Mistake(
            _padded(_row_of(lambda s, j, pad: _at(s, j, 0))),
            "You always pad with 0. The number of the empty place is the argument `pad`; where it is another one, 0 may be a word.",
        ),
        Mistake(
            _padded(used=_is_full),
            "The error is gone because only full windows are left. Every word gets a row, also the first and the last of a sentence.",
        ),
        Mistake(
            _padded_in_a_stream,
            "Your windows run over the ends of the sentences: where a sentence ends, padding begins. Only the very first and the very last "
            "words of the text have any in your result.",
        ),
        Mistake(
            _padded(_row_of(lambda s, j, pad: s[j] if j < len(s) and j >= -len(s) else pad)),
            "On the left you look at negative places: sentence[-1] is no error in Python, it is the *last* word. Test 0 <= j as well.",
        ),
        Mistake(
            _padded(_row_of(lambda s, j, pad: s[j % len(s)])),
            "Your sentences are rings: behind the last word comes the first. There is nothing there: padding.",
        ),
        Mistake(
            _padded(_row_of(lambda s, j, pad: s[min(max(j, 0), len(s) - 1)])),
            "You repeat the word at the end of the sentence. A word that is not there is no neighbour: padding.",
        ),
        Mistake(
            _padded(_row_of(_at, centre=True)),
            "The centre stands in its own row: 2 · window + 1 columns. The model would only have to copy it.",
        ),
        Mistake(
            _padded(
                lambda s, i, window, pad: [pad if j == i else _at(s, j, pad) for j in range(i - window, i + window + 1)]
            ),
            "You keep a column for the centre and pad it: 2 · window + 1 columns. The centre has no column.",
        ),
        Mistake(
            _padded(
                lambda s, i, window, pad: (
                    _right_row(s, i, window, pad)[window - 1 :: -1] + _right_row(s, i, window, pad)[window:]
                )
            ),
            "Your left half runs backwards: the column of −1 comes first. From left to right: −window, …, −1, 1, …, window.",
        ),
        Mistake(
            _padded(lambda s, i, window, pad: [_at(s, j, pad) for j in (*range(i - window, i), *range(i, i + window))]),
            "Your right half begins with the centre itself, and its last column is missing: the offsets are 1, …, window.",
        ),
        Mistake(
            _padded(_row_of(lambda s, j, pad: s[j] if 0 < j < len(s) else pad)),
            "The first word of a sentence never stands in a row: place 0 is a place as well. Test 0 <= j.",
        ),
        Mistake(
            _padded(_row_of(lambda s, j, pad: s[j] if 0 <= j < len(s) - 1 else pad)),
            "The last word of a sentence never stands in a row: its place is len(sentence) − 1. Test j < len(sentence).",
        ),
        Mistake(
            _padded(_nearest_first),
            "Your columns go by distance: −1, 1, −2, 2, … They go from left to right: −window, …, −1, 1, …, window.",
        ),
        Mistake(
            _padded(_filled(lambda left, right, before, behind: right + behind + before + left)),
            "The columns of the right side come first. From left to right: −window, …, −1, 1, …, window.",
        ),
        Mistake(
            lambda sentences, window, pad: _padded_one_by_one([[w + 1 for w in s] for s in sentences], window, pad),
            "You add 1 to each word. There is no need to make room: no word has the number `pad`.",
        ),
        Mistake(
            _padded_pad_places_too,
            "You make rows for the paddings as well: there are more rows than words. Only a word is a centre.",
        ),
        Mistake(
            _padded(used=lambda i, length, window: length > 1),
            "A word that is alone in its sentence has no row. Here it has one, of padding only: every word gets a row.",
        ),
        Mistake(
            _padded(give=lambda rows, words: (torch.tensor(rows).float(), torch.tensor(words))),
            "The contexts are right, but they are floating-point numbers. An embedding takes whole numbers, int64.",
        ),
        Mistake(
            _padded(give=lambda rows, words: (rows, words)),
            "The rows are right, but these are lists. Make tensors of both: now that all rows have one length, torch.LongTensor takes them.",
        ),
        Mistake(
            _padded(give=lambda rows, words: torch.tensor(rows)),
            "The words themselves are missing. Give back both tensors: contexts, targets.",
        ),
    ),
    styles=(_padded_one_by_one, _padded_by_sides, _padded_by_columns),
    start="Read the message: which lengths does it compare, and which word comes first?",
    praise="Every word has its row, every column its offset, and no window runs over the end of a sentence. A padding is no word, though: "
    "whoever adds up these rows must leave it out. That is one of the next exercises.",
    cases=_sentence_cases,
    expected=_padded_one_by_one,
    observe=_see_two,
)

# ---- 06.3 ---------------------------------------------------------------------------------------------------------


def _pair_cases() -> Iterator[tuple[list[list[Any]], int]]:
    """Words and numbers; words that come twice in one window; sentences of no, one and many words."""
    yield [["cats", "like", "fish"]], 1
    yield [["very", "very", "good"]], 2
    yield [["i", "see"], ["you", "do"]], 2
    yield [["no", "no"], ["yes"], []], 1
    rng = random.Random(63)
    for window, lengths, words in (
        (1, (4, 1, 3), _WORDS[:5]),
        (2, (6, 2, 5), _WORDS[:4]),
        (3, (8, 3, 1), _WORDS),
        (2, (1, 7), _WORDS[:3]),
        (5, (4, 9), _WORDS),
    ):
        yield [rng.choices(words, k=length) for length in lengths], window
    yield [[rng.randrange(5) for _ in range(length)] for length in (6, 3)], 2


def skipgram_pairs_of(sentences: list[list[Any]], window: int) -> list[tuple[Any, Any]]:
    pairs = []
    for sentence in sentences:
        for i, centre in enumerate(sentence):
            places = range(max(0, i - window), min(len(sentence), i + window + 1))
            pairs += [(centre, sentence[j]) for j in places if j != i]
    return pairs


def _pairs_by_distance(sentences: list[list[Any]], window: int) -> list[tuple[Any, Any]]:
    """The expected result: for each distance, every two words that are so far apart, in both directions."""
    pairs = []
    for sentence in sentences:
        for distance in range(1, window + 1):
            for left, right in zip(sentence, sentence[distance:]):
                pairs += [(left, right), (right, left)]
    return pairs


def _pairs_in_one_line(sentences: list[list[Any]], window: int) -> list[list[Any]]:
    return [[s[i], s[j]] for s in sentences for i in range(len(s)) for j in range(len(s)) if 0 < abs(i - j) <= window]


def _pairs_by_slices(sentences: list[list[Any]], window: int) -> tuple[tuple[Any, Any], ...]:
    pairs: list[tuple[Any, Any]] = []
    for sentence in sentences:
        for i, centre in enumerate(sentence):
            left, right = _sides(sentence, i, window)
            pairs.extend((centre, word) for word in left + right)
    return tuple(pairs)


def _pairs(places: Places) -> Callable[..., Any]:
    """All pairs of a word with the words at these places; places outside the sentence are left out."""

    def made(sentences: list[list[Any]], window: int) -> list[tuple[Any, Any]]:
        return [
            (s[i], s[j])
            for s in sentences
            for i in range(len(s))
            for j in places(i, len(s), window)
            if -len(s) <= j < len(s)
        ]

    return made


def _pairs_within(far: Callable[[int], int], *, before: bool = True, behind: bool = True) -> Callable[..., Any]:
    """Pairs up to another distance, from the window."""

    def places(i: int, length: int, window: int) -> list[int]:
        return [j for j in _around(i, length, far(window)) if (before and j < i) or (behind and j > i)]

    return _pairs(places)


def _sliced(i: int, length: int, window: int) -> list[int]:
    """What sentence[i - window : i] gives where i − window is negative: nothing, as a rule."""
    return [*range(length)[i - window : i], *range(length)[i + 1 : i + window + 1]]


def _pairs_of_other_words(sentences: list[list[Any]], window: int) -> list[tuple[Any, Any]]:
    return [(a, b) for a, b in _pairs_by_distance(sentences, window) if a != b]


def _pairs_by_index(sentences: list[list[Any]], window: int) -> list[tuple[Any, Any]]:
    """With sentence.index(word): a repeated word always stands at its first place."""
    return [(w, s[j]) for s in sentences for w in s for j in _around(s.index(w), len(s), window)]


def _pairs_with_padding(sentences: list[list[Any]], window: int) -> list[tuple[Any, Any]]:
    return [
        (s[i], _at(s, j, 0))
        for s in sentences
        for i in range(len(s))
        for j in range(i - window, i + window + 1)
        if j != i
    ]


def _changed_pairs(change: Callable[[list[tuple[Any, Any]]], Any]) -> Callable[..., Any]:
    return lambda sentences, window: change(skipgram_pairs_of(sentences, window))


def _rows_of_cbow(sentences: list[list[Any]], window: int) -> list[tuple[Any, list[Any]]]:
    return [(s[i], [s[j] for j in _around(i, len(s), window)]) for s in sentences for i in range(len(s))]


def _one_drawn(sentences: list[list[Any]], window: int) -> list[tuple[Any, Any]]:
    return [(s[i], s[_around(i, len(s), window)[0]]) for s in sentences for i in range(len(s)) if len(s) > 1]


def _see_pairs(_: tuple[Any, ...], result: Any) -> Any:
    """The pairs in a fixed order, as the order is free; anything that is no list of pairs, as it is."""
    if isinstance(result, np.ndarray):
        result = result.tolist()
    if not isinstance(result, (list, tuple, set)):
        return result
    items = list(result)
    if not all(isinstance(item, (list, tuple)) and len(item) == 2 for item in items):
        return result
    return sorted((tuple(item) for item in items), key=repr)


SKIPGRAM_PAIRS_OF = Exercise(
    number="06.3",
    name="skipgram_pairs_of",
    title="Every pair of neighbours",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="what a window is",
    stub='''def skipgram_pairs_of(sentences, window):
    """List the training examples of skip-gram: each word with each of its neighbours.

    Two places of one sentence are neighbours if they are at least 1 and at most `window` apart.
    Each word is the centre once, so every two neighbours give two pairs. If the same word stands
    at both places, or if the same pair comes up again elsewhere, it counts each time.

    Args:
        sentences: lists of words
        window: the largest distance, 1 or more
    Returns:
        a list of pairs (centre, neighbour), in any order
    """
    ...
''',
    hints=(
        "Write down the pairs of one sentence of three words with window 1: there are four. Which of them has the middle word as its centre?",
        "Three loops: over the sentences, over the places i of a sentence, over the places j near i. The pair is what stands at i and at j.",
        "j runs from i − window to i + window, but not below 0 and not beyond the end, and never equals i. Compare the *places* i and j, not "
        "the words: a sentence may hold the same word twice.",
    ),
    reference=skipgram_pairs_of,
    mistakes=(
        Mistake(
            _pairs(lambda i, length, window: range(max(0, i - window), min(length, i + window + 1))),
            "Each word is also paired with itself: j = i is among your places. A model learns nothing from that but to repeat the centre.",
        ),
        Mistake(
            _pairs_of_other_words,
            "You compare words where places count. In *very very good* the two *very* are neighbours and make pairs; only the very same "
            "place is no neighbour of itself.",
        ),
        Mistake(
            lambda sentences, window: _pairs_by_distance(_joined(sentences), window),
            "You make pairs over the ends of the sentences: the last word of one and the first of the next were written apart. Go through the "
            "sentences one by one.",
        ),
        Mistake(
            _pairs_within(lambda window: window, before=False),
            "Only the neighbours on the right are there. Each word is a centre for both sides, so that every two neighbours give two pairs.",
        ),
        Mistake(
            _pairs_within(lambda window: window, behind=False),
            "Only the neighbours on the left are there. Each word is a centre for both sides, so that every two neighbours give two pairs.",
        ),
        Mistake(
            _pairs(lambda i, length, window: [j for j in _around(i, length, window) if j < i + window]),
            "On the right your window is one place too short: range(a, b) ends before b, so b must be i + window + 1.",
        ),
        Mistake(
            _pairs(lambda i, length, window: range(max(0, i - window), min(length, i + window))),
            "On the right you begin with the centre itself and end one place too early. The right side goes from i + 1 to i + window.",
        ),
        Mistake(
            _pairs(lambda i, length, window: _around(i, length, window) if i > 0 else []),
            "The first word of a sentence is never a centre. Places begin at 0.",
        ),
        Mistake(
            _pairs(lambda i, length, window: _around(i, length, window) if i < length - 1 else []),
            "The last word of a sentence is never a centre. range(n) already ends before n.",
        ),
        Mistake(
            lambda sentences, window: [pair for pair in skipgram_pairs_of(sentences, window) for _ in range(2)],
            "Each pair comes twice as often as it should. Do you write down both directions at each i and j? The other direction has a turn of "
            "its own, when the word at j is the centre.",
        ),
        Mistake(
            _pairs(lambda i, length, window: [j for j in _around(i, length, window) if j > i - window]),
            "On the left your window is one place too short: it begins at i − window.",
        ),
        Mistake(
            _pairs_within(lambda window: window - 1),
            "Your window is one place too short on both sides. With window 1 the next word on each side is a neighbour.",
        ),
        Mistake(
            _pairs_within(lambda window: window + 1),
            "Your window reaches one place too far on both sides.",
        ),
        Mistake(
            _pairs_within(lambda window: 10**6),
            "Each word is paired with all words of its sentence: the window has no effect.",
        ),
        Mistake(
            _pairs(lambda i, length, window: [j for j in _around(i, length, window) if abs(j - i) == window]),
            "Only words that are exactly `window` apart make pairs. All distances from 1 to `window` count.",
        ),
        Mistake(
            _pairs_within(lambda window: 1),
            "Only the words next to each other make pairs, whatever the window is.",
        ),
        Mistake(
            _pairs(_sliced),
            "Near the start of a sentence your left neighbours are missing. There i − window is negative, and in a slice a negative number "
            "counts from the end: take max(0, i − window).",
        ),
        Mistake(
            _pairs(lambda i, length, window: [j for j in range(i - window, i + window + 1) if j != i]),
            "Near the start of a sentence you pair words with those at its end: sentence[-1] is no error in Python, it is the last word. Let j "
            "begin at 0 at the earliest.",
        ),
        Mistake(
            _pairs(lambda i, length, window: _around(i, length, window) if _is_full(i, length, window) else []),
            "Only words with a full window are centres. A word at the end of a sentence has fewer neighbours, but it has some: here each of "
            "them makes a pair.",
        ),
        Mistake(
            _pairs(lambda i, length, window: _around(i, length, window) if 0 < i < length - 1 else []),
            "The first and the last word of a sentence are never centres. They have neighbours too.",
        ),
        Mistake(
            _pairs_by_index,
            "sentence.index(word) gives the *first* place where the word stands, so the second *very* gets the neighbours of the first. Count "
            "the places with enumerate or range.",
        ),
        Mistake(
            _changed_pairs(set),
            "Each pair comes only once. How often two words meet is what the model learns from: keep repeated pairs, in a list.",
        ),
        Mistake(
            _one_drawn,
            "You have one pair a word. That is as many as there are windows, N; each window gives up to 2 · window pairs.",
        ),
        Mistake(
            _rows_of_cbow,
            "You have one entry a word, with all its neighbours in a list. That is the form of CBOW. In skip-gram each neighbour makes a pair "
            "of its own.",
        ),
        Mistake(
            _pairs_with_padding,
            "You pair words with an empty place. Where there is no neighbour, there is no pair: skip-gram needs no padding.",
        ),
        Mistake(
            _changed_pairs(lambda pairs: ([a for a, _ in pairs], [b for _, b in pairs])),
            "The pairs are right, but they come as two lists. One list of pairs is asked for: zip puts the two together.",
        ),
        Mistake(
            lambda sentences, window: skipgram_pairs_of(sentences[:1], window),
            "Only the first sentence is used. Is `return` inside the loop?",
        ),
        Mistake(
            lambda sentences, window: [pair for s in sentences for pair in {*skipgram_pairs_of([s], window)}],
            "Inside a sentence each pair comes only once. A word that comes twice makes its pairs twice: keep them, in a list.",
        ),
    ),
    styles=(_pairs_by_distance, _pairs_in_one_line, _pairs_by_slices),
    start="Write down by hand all pairs of a sentence of three words, with window 1.",
    praise="Every pair is there as often as it should be. Note that the list stays the same when you turn all pairs round: with a fixed "
    "window, whoever is your neighbour has you as a neighbour.",
    cases=_pair_cases,
    expected=_pairs_by_distance,
    observe=_see_pairs,
)

# ---- 06.4 ---------------------------------------------------------------------------------------------------------


class _Table(nn.Embedding):
    """An embedding that shows its numbers in a counterexample."""

    def __repr__(self) -> str:
        rows = [[round(number, 3) for number in row] for row in self.weight.tolist()]
        return f"Embedding with weight {rows}" if self.weight.numel() <= 12 else f"Embedding{tuple(self.weight.shape)}"


def _table(weight: Tensor) -> _Table:
    return _Table(len(weight), weight.shape[1], _weight=weight)


def _context_cases() -> Iterator[tuple[nn.Embedding, Tensor, int]]:
    """Rows with every number of real words, none included; repeated words; vectors that hold zeros; a pad that is not 0.

    The pad's own row is never zero: nobody has said that it is.
    """
    double = torch.float64
    yield _table(torch.tensor([[8.0, 6], [1, 2], [3, 6]], dtype=double)), torch.tensor([[1, 0]]), 0
    yield _table(torch.tensor([[8.0, 6], [1, 0], [3, 6]], dtype=double)), torch.tensor([[0, 0], [2, 1]]), 0
    # A real word whose vector is zero, as all outer vectors are before training: it counts.
    yield _table(torch.tensor([[8.0, 6], [0, 0], [3, 6]], dtype=double)), torch.tensor([[1, 2], [0, 2]]), 0
    generator = torch.Generator().manual_seed(64)
    for n, window, words, width, pad, dtype in (
        (4, 2, 6, 3, 0, double),
        (5, 1, 5, 4, 3, double),
        (6, 3, 9, 2, 8, double),
        (7, 2, 4, 5, 0, torch.float32),
        (8, 4, 12, 3, 5, double),
    ):
        weight = torch.randn(words, width, generator=generator, dtype=double)
        weight[torch.rand(words, width, generator=generator) < 0.25] = 0
        weight[pad] = 4 + torch.arange(width)
        contexts = torch.randint(0, words, (n, 2 * window), generator=generator)
        contexts[torch.rand(contexts.shape, generator=generator) < 0.4] = pad
        contexts[n // 2] = pad
        contexts[0] = (pad + 1) % words  # full, and one word again and again
        contexts[1, 1:] = pad
        contexts[1, 0] = (pad + 2) % words
        contexts[2, :2] = (pad + 1) % words
        contexts[2, -1] = (pad + 2) % words
        yield _table(weight.to(dtype)), contexts, pad


def context_mean(embedding: nn.Embedding, contexts: Tensor, pad: int = 0) -> Tensor:
    real = (contexts != pad).unsqueeze(2)  # (n, 2·window, 1)
    total = (embedding(contexts) * real).sum(1)  # (n, 2·window, width) -> (n, width)
    return total / real.sum(1).clamp(min=1)


def _means_in_loops(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
    """The expected result: row by row, only the words that are there."""
    rows = []
    for row in contexts.tolist():
        vectors = [embedding.weight[number] for number in row if number != pad]
        rows.append(sum(vectors[1:], vectors[0]) / len(vectors) if vectors else 0 * embedding.weight[pad])
    return torch.stack(rows)


def _means_by_a_bag(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
    return F.embedding_bag(contexts, embedding.weight, mode="mean", padding_idx=pad)


def _means_by_a_matrix(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
    """Count how often each word stands in each row; the pad's column is set to 0."""
    counts = F.one_hot(contexts, embedding.num_embeddings).sum(1).to(embedding.weight.dtype)  # (n, words)
    counts[:, pad] = 0
    return counts @ embedding.weight / counts.sum(1, keepdim=True).clamp(min=1)


def _means_with_where(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
    empty = contexts.eq(pad)
    vectors = embedding(contexts).masked_fill(empty[..., None], 0.0)
    counts = contexts.shape[1] - empty.sum(1)
    return vectors.sum(1) / torch.where(counts == 0, 1, counts)[:, None]


def _means(
    total: Callable[[Tensor, Tensor], Tensor] = lambda vectors, real: (vectors * real).sum(1),
    count: Callable[[Tensor, Tensor], Any] = lambda vectors, real: real.sum(1).clamp(min=1),
    real: Callable[[Tensor, int], Tensor] = lambda contexts, pad: contexts != pad,
) -> Callable[..., Any]:
    """The reference with one part exchanged: the sum, what it is divided by, or which places are real."""

    def means(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
        vectors, places = embedding(contexts), real(contexts, pad)[:, :, None]
        return total(vectors, places) / count(vectors, places)

    return means


def _all_of_them(vectors: Tensor, real: Tensor) -> Tensor:
    return vectors.sum(1)


def _means_of_different_words(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
    sets = [sorted({*row} - {pad}) for row in contexts.tolist()]
    longest = max(1, *map(len, sets))
    return context_mean(embedding, torch.tensor([row + [pad] * (longest - len(row)) for row in sets]), pad)


def _means_with_padding_idx(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
    return F.embedding(contexts, embedding.weight, padding_idx=pad).mean(1)


def _means_by_values(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
    vectors = embedding(contexts) * (contexts != pad)[:, :, None]
    return vectors.sum(1) / (vectors != 0).sum(1).clamp(min=1)


def _means_by_values_of_the_table(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
    vectors = embedding(contexts)
    return vectors.sum(1) / (vectors != 0).sum(1).clamp(min=1)


def _means_without_the_empty(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
    return context_mean(embedding, contexts[(contexts != pad).any(1)], pad)


def _means_with_nan_replaced(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
    real = (contexts != pad)[:, :, None]
    return ((embedding(contexts) * real).sum(1) / real.sum(1)).nan_to_num()


def _means_after_zeroing(mean: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """With the padding's row set to 0 first, in the embedding that was handed over."""

    def means(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
        with torch.no_grad():
            embedding.weight[pad] = 0
        return mean(embedding(contexts), (contexts != pad)[:, :, None])

    return means


def _means_with_ones(embedding: nn.Embedding, contexts: Tensor, pad: int) -> Tensor:
    means = context_mean(embedding, contexts, pad)
    return torch.where((contexts != pad).any(1, keepdim=True), means, embedding.weight[pad])


def _gradient_of_means(embedding: nn.Embedding, contexts: Tensor, pad: int, result: Any) -> str:
    """Where the gradient of the sum of all results goes, in words."""
    if not isinstance(result, Tensor) or not result.requires_grad:
        return "goes nowhere"
    try:
        gradient: Tensor | None = torch.autograd.grad(result.sum(), embedding.weight, allow_unused=True)[0]
    except RuntimeError:  # the embedding was changed after it was used: that has its own sentence
        return "goes to the words"
    if gradient is None:
        return "goes nowhere"
    if bool(gradient.isnan().any()):
        return "is nan"
    # Who takes the padding's vectors out of the sum again leaves a rounding error there.
    if bool((gradient[pad].abs() > 1e-6).any()):
        return "goes to the padding too"
    shares = torch.zeros(embedding.num_embeddings, 1, dtype=gradient.dtype)
    for row in contexts.tolist():
        words = [number for number in row if number != pad]
        for number in words:
            shares[number] += 1 / len(words)
    right = torch.allclose(gradient, shares.expand_as(gradient), atol=1e-4)
    return "goes to the words" if right else "is not that of a mean"


def _see_means(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The means, and where their gradient goes: it is what trains the embedding."""
    embedding, contexts, pad = arguments
    return {"means": result, "gradient": _gradient_of_means(embedding, contexts, pad, result)}


CONTEXT_MEAN = Exercise(
    number="06.4",
    name="context_mean",
    title="A mean without the padding",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="masking",
    stub='''def context_mean(embedding, contexts, pad=0):
    """Average the vectors of the words in each context, as CBOW does.

    Only real words count. A context without any word gives a row of zeros.

    Args:
        embedding: an nn.Embedding(words, width); the row of the padding may hold any numbers
        contexts: word numbers, (n, 2 · window), with `pad` at the empty places
        pad: the number that stands for an empty place
    Returns:
        the means, (n, width), with a gradient to the embedding
    """
    ...
''',
    hints=(
        "embedding(contexts) has the shape (n, 2 · window, width). Which of its rows must not count, and how many remain in each context?",
        "contexts != pad is True at the real places: (n, 2 · window). With one more axis of size 1 at its end it multiplies the vectors, and the "
        "vectors of the padding become zero.",
        "Add up over the places, and divide by the *number of True* in each row, not by 2 · window. Where that number is 0, divide by 1: "
        "clamp does it before anything becomes nan.",
    ),
    reference=context_mean,
    mistakes=(
        Mistake(
            _means(count=lambda vectors, real: vectors.shape[1]),
            "The padding is left out of the sum, but you divide by all 2 · window places. The mean of a short context comes out too small: "
            "divide by the number of its real words.",
        ),
        Mistake(
            _means(_all_of_them, lambda vectors, real: vectors.shape[1]),
            "The padding takes part in your mean: its row is a vector like any other. Leave its places out of the sum and out of the count.",
        ),
        Mistake(
            _means(_all_of_them),
            "You divide by the number of real words, but the padding's vectors are still in the sum. Multiply the vectors by the mask first.",
        ),
        Mistake(
            _means_with_padding_idx,
            "padding_idx keeps the gradient away from the padding's row. It does not take the row out of a mean: here its numbers are not "
            "zero, and even zeros would make the mean too small.",
        ),
        Mistake(
            _means_after_zeroing(lambda vectors, real: vectors.sum(1) / real.sum(1).clamp(min=1)),
            "You write zeros into the padding's row. The means are right, but the embedding is not yours to change, and a gradient still goes to "
            "that row: after one step of training it is no longer zero. Multiply the vectors by the mask instead.",
        ),
        Mistake(
            _means_after_zeroing(lambda vectors, real: vectors.mean(1)),
            "You write zeros into the padding's row, and then you average over all 2 · window places. Zeros are counted as well, so the mean of "
            "a short context comes out too small; and the embedding is not yours to change. Use a mask for the sum and for the count.",
        ),
        Mistake(
            _means(count=lambda vectors, real: 1),
            "This is the sum over the real words. Divide by their number.",
        ),
        Mistake(
            _means(_all_of_them, lambda vectors, real: 1),
            "This is the sum over all places, padding included. Leave the padding out, and divide by the number of real words.",
        ),
        Mistake(
            _means(count=lambda vectors, real: real.sum(1)),
            "A context without a word gives 0 / 0, nan. Zeros are asked for: let the number that you divide by be at least 1.",
        ),
        Mistake(
            _means_with_nan_replaced,
            "The numbers are right, but you repair nan after it has come up: backward() divides 0 by 0 once more, and the gradient is nan. "
            "After one step the padding's row is nan, and nan · 0 is nan again: every context with a padding is lost. Divide by at least 1 "
            "instead.",
        ),
        Mistake(
            _means(count=lambda vectors, real: real.sum(1) + 1),
            "You divide by one word too many. Only where there is no word at all, divide by 1.",
        ),
        Mistake(
            _means(real=lambda contexts, pad: contexts != 0),
            "Your mask compares with 0. The number of the empty place is `pad`; where it is another one, 0 is a word.",
        ),
        Mistake(
            _means(real=lambda contexts, pad: contexts > pad),
            "Your mask takes numbers above `pad`. Those below it are words as well: compare with !=.",
        ),
        Mistake(
            _means(real=lambda contexts, pad: contexts == pad),
            "Your mask is the wrong way round: it keeps the padding and drops the words.",
        ),
        Mistake(
            _means_by_values,
            "You count the numbers that are not 0. The vector of a real word may hold a 0 as well; then you divide that column by too little. "
            "Ask the *word numbers*, not the vectors, which places are empty.",
        ),
        Mistake(
            _means_by_values_of_the_table,
            "You take vectors of zeros for the padding. Here the padding's row is not zero, and a real vector may hold a 0: ask the *word "
            "numbers*, contexts != pad.",
        ),
        Mistake(
            _means(count=lambda vectors, real: (vectors * real != 0).any(2, keepdim=True).sum(1).clamp(min=1)),
            "You ask the vectors which places are empty. A real word may have the vector zero, and it counts like any other: ask the *word "
            "numbers*, contexts != pad.",
        ),
        Mistake(
            _means_of_different_words,
            "A word that comes twice in a context counts once in your mean. It counts twice: average over places.",
        ),
        Mistake(
            _means(count=lambda vectors, real: real.sum(1).double().mean().clamp(min=1).to(vectors.dtype)),
            "You divide every row by the same number, the average count of words. Each context has its own count: sum over axis 1 only.",
        ),
        Mistake(
            _means(count=lambda vectors, real: real.sum().clamp(min=1)),
            "You divide by the number of real words in the whole batch. Each context has its own count: sum over axis 1 only.",
        ),
        Mistake(
            _means_without_the_empty,
            "Rows are missing: a context without a word still gives a row, of zeros. Otherwise the rows no longer fit their targets.",
        ),
        Mistake(
            _means_with_ones,
            "A context without a word gets the padding's own vector in your result. Zeros are asked for.",
        ),
        Mistake(
            lambda embedding, contexts, pad: (embedding(contexts) * (contexts != pad)[:, :, None]).mean(2),
            "You average over the wrong axis: (n, 2 · window) comes out. Axis 1 counts the places, axis 2 the numbers of a vector.",
        ),
        Mistake(
            _means(
                lambda vectors, real: vectors.masked_fill(~real, -math.inf).amax(1).nan_to_num(neginf=0.0),
                lambda v, r: 1,
            ),
            "You take the largest number in each column. The mean is asked for.",
        ),
        Mistake(
            lambda embedding, contexts, pad: F.normalize(context_mean(embedding, contexts, pad), dim=1),
            "Your means have length 1. Only searching for neighbours needs that; here the mean stays as long as it is.",
        ),
        Mistake(
            lambda embedding, contexts, pad: context_mean(embedding, contexts, pad).detach(),
            "The numbers are right, but they are cut off from the embedding: no gradient reaches it, and nothing would be learned. Leave out "
            ".detach(), .data and no_grad.",
        ),
    ),
    styles=(_means_in_loops, _means_by_a_bag, _means_by_a_matrix, _means_with_where),
    start="Print embedding(contexts).shape and contexts != pad for a small context.",
    praise="Only real words count, in the mean and in its gradient, and an empty context does no harm. The same mask, the same clamp: that is "
    "how every model of this course will treat sequences of different lengths.",
    cases=_context_cases,
    expected=_means_in_loops,
    observe=_see_means,
)

# ---- 06.5 ---------------------------------------------------------------------------------------------------------


def _score_cases() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Few and many negatives, small and very large scores, both precisions; n, k and d differ where it matters."""
    double = torch.float64

    def leaf(values: Any, dtype: torch.dtype = double) -> Tensor:
        return torch.as_tensor(values, dtype=dtype).clone().requires_grad_()

    yield leaf([[1.0, 2]]), leaf([[1.0, 0]]), leaf([[[0.0, 1], [-1, 1]]])
    generator = torch.Generator().manual_seed(65)
    for n, k, d, size, dtype in (
        (1, 1, 3, 1.0, double),
        (4, 1, 3, 1.0, double),
        (3, 2, 4, 1.0, double),
        (5, 4, 2, 1.5, double),
        (2, 6, 3, 1.0, torch.float32),
        (4, 3, 5, 0.5, double),
        (3, 5, 4, 20.0, double),  # scores of some hundreds, right and wrong ones
    ):
        centre, context, negatives = (
            size * torch.randn(shape, generator=generator, dtype=double) for shape in ((n, d), (n, d), (n, k, d))
        )
        yield leaf(centre, dtype), leaf(context, dtype), leaf(negatives, dtype)
    # A pair that the model finds impossible, and a negative that it finds certain: σ is 0 or 1 to all digits.
    # No score is exactly 0: there max(s, 0) has no slope, and a right formula may well use it.
    yield leaf([[30.0, 0], [0, 1]]), leaf([[-30.0, 1], [1, 1]]), leaf([[[2.0, 1], [-1, 1]], [[1, 2], [0, -900]]])
    # Certain, but not yet beyond what log can do with σ(−s).
    yield leaf([[6.0, 1]]), leaf([[1.0, 1]]), leaf([[[8.0, 1], [1, -9]]])


def negative_sampling_loss(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    right = (centre * context).sum(1)  # (n, d) -> (n,)
    wrong = (negatives * centre.unsqueeze(1)).sum(2)  # (n, k, d) -> (n, k)
    return -(F.logsigmoid(right) + F.logsigmoid(-wrong).sum(1)).mean()


def _loss_in_loops(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    """The expected result: pair by pair, −log σ(s) as log(1 + exp(−s)), without overflow."""
    losses = []
    for u, v, others in zip(centre, context, negatives):
        terms = [torch.logaddexp(torch.zeros_like(u[0]), -u.dot(v))]
        terms += [torch.logaddexp(torch.zeros_like(u[0]), u.dot(other)) for other in others]
        losses.append(torch.stack(terms).sum())
    return torch.stack(losses).mean()


def _loss_by_cross_entropy(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    """Binary cross entropy with the answers 1, 0, …, 0."""
    scores = torch.einsum("nd,nkd->nk", centre, torch.cat([context[:, None], negatives], dim=1))  # (n, 1 + k)
    answers = torch.zeros_like(scores)
    answers[:, 0] = 1
    return F.binary_cross_entropy_with_logits(scores, answers, reduction="sum") / len(centre)


def _loss_by_softplus(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    positive = torch.einsum("nd,nd->n", centre, context)
    negative = torch.bmm(negatives, centre[:, :, None]).squeeze(-1)  # (n, k)
    return F.softplus(-positive).mean() + F.softplus(negative).sum(dim=1).mean()


Scores = Callable[[Tensor, Tensor], Tensor]


def _dots(centre: Tensor, others: Tensor) -> Tensor:
    """The dot products of each row of ``centre`` with its own rows of ``others``, (n, k)."""
    return (others * centre[:, None]).sum(2)


def _loss(formula: Scores, *, partner: bool = False) -> Callable[..., Any]:
    """A loss from the scores of the pairs (n,) and those of the negatives (n, k); ``partner``: with the context."""

    def loss(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
        return formula((centre * context).sum(1), _dots(context if partner else centre, negatives))

    return loss


def _right(right: Tensor, wrong: Tensor) -> Tensor:
    return -(F.logsigmoid(right) + F.logsigmoid(-wrong).sum(1)).mean()


def _through_sigmoid(least: float = 0.0, inside: float = 0.0) -> Scores:
    """With the log of σ itself, which is exactly 0 for a score of −800; repaired by a smallest value, or by a little more."""

    def log(values: Tensor) -> Tensor:
        # Not clamp(min=0): it would change the gradient where σ is exactly 0.
        return ((values.clamp(min=least) if least else values) + inside).log()

    return lambda right, wrong: -(log(right.sigmoid()) + log((-wrong).sigmoid()).sum(1)).mean()


def _softmax_loss(right: Tensor, wrong: Tensor) -> Tensor:
    scores = torch.cat([right[:, None], wrong], dim=1)
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.int64))


def _loss_of_all_pairs(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    right = centre @ context.T
    return -(F.logsigmoid(right).mean() + F.logsigmoid(-_dots(centre, negatives)).sum(1).mean())


def _loss_of_shared_negatives(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    wrong = centre @ negatives.flatten(0, 1).T  # (n, n·k)
    return _right((centre * context).sum(1), wrong)


def _loss_of_probabilities(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    chances = _dots(centre, torch.cat([context[:, None], negatives], dim=1)).sigmoid()  # (n, 1 + k)
    answers = F.one_hot(torch.zeros(len(chances), dtype=torch.int64), chances.shape[1]).to(chances.dtype)
    return F.binary_cross_entropy(chances, answers, reduction="sum") / len(chances)


def _loss_of_cosines(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    return negative_sampling_loss(
        F.normalize(centre, dim=1), F.normalize(context, dim=1), F.normalize(negatives, dim=2)
    )


def _loss_of_single_products(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    wrong = F.logsigmoid(-centre[:, None] * negatives).sum(2)
    return -(F.logsigmoid(centre * context).sum(1) + wrong.sum(1)).mean()


def _loss_used_up(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    loss = negative_sampling_loss(centre, context, negatives)
    loss.backward()
    return loss


def _see_loss(arguments: tuple[Any, ...], result: Any) -> dict[str, Any]:
    """The loss, and whether it trains all three: a number without a graph trains nothing."""
    return {"loss": result, "gradient": _reached(arguments, result)}


def _reached(arguments: tuple[Any, ...], result: Any) -> str:
    """Which arguments get a gradient, in words."""
    if not isinstance(result, Tensor):
        return "none: no tensor"
    if not result.requires_grad:
        return "for nothing"
    names = ("centre", "context", "negatives")
    try:
        gradients = torch.autograd.grad(result.sum(), list(arguments), allow_unused=True)
    except RuntimeError as error:
        if "second time" in str(error):
            return "used up"
        return f"for {', '.join(names)}"  # an argument was changed after it was used: that has its own sentence
    if any(gradient is not None and bool(gradient.isnan().any()) for gradient in gradients):
        return "is nan"
    reached = {name: gradient for name, gradient in zip(names, gradients) if gradient is not None}
    right = dict(zip(names, torch.autograd.grad(negative_sampling_loss(*arguments), list(arguments))))
    # A part of the loss may be cut off although each argument is reached.
    other = [name for name, gradient in reached.items() if not gradient.allclose(right[name], rtol=1e-3, atol=1e-5)]
    found = f"for {', '.join(reached) or 'nothing'}"
    return f"{found}; not the right one for {', '.join(other)}" if other else found


NEGATIVE_SAMPLING_LOSS = Exercise(
    number="06.5",
    name="negative_sampling_loss",
    title="The loss of negative sampling",
    kind="write",
    difficulty=3,
    minutes=15,
    trains="one right pair against a few wrong ones",
    stub='''def negative_sampling_loss(centre, context, negatives):
    """The loss of skip-gram with negative sampling.

    A pair with centre u and context v has the score u · v. Here every pair has its own k
    negatives m₁ … mₖ, vectors of words that were drawn at random. The loss of one pair is

        − log σ(u · v) − log σ(− u · m₁) − … − log σ(− u · mₖ)

    where σ is the sigmoid. Scores may be as large as 1000 or as small as −1000.

    Args:
        centre: u of each pair, (n, d)
        context: v of each pair, (n, d)
        negatives: the k negatives of each pair, (n, k, d)
    Returns:
        the mean of the n losses, a tensor with a single number and with a gradient
    """
    ...
''',
    hints=(
        "First the scores. (centre * context) has the shape (n, d): over which axis do you add up to get one score a pair? For the negatives, "
        "give centre an axis of size 1, so that it meets all k of them.",
        "Then the signs. A right pair should have a large score, a wrong one a small score: look where the minus stands in the formula, and "
        "keep the sum over the k negatives apart from the mean over the n pairs.",
        "σ(−800) is exactly 0 in a computer, and its log is −inf. There is a function in torch.nn.functional that gives log σ(s) in one step and "
        "stays finite.",
    ),
    reference=negative_sampling_loss,
    mistakes=(
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(right) + F.logsigmoid(wrong).sum(1)).mean()),
            "The minus inside σ is missing for the negatives: your loss falls when *wrong* pairs get large scores too. Then every word ends "
            "up near every other.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(-right) + F.logsigmoid(wrong).sum(1)).mean()),
            "Right and wrong are swapped: the minus inside σ stands at the negatives, not at the pair.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(-right) + F.logsigmoid(-wrong).sum(1)).mean()),
            "The pair's own score has a minus inside σ. It should be large: σ(u · v). Only the negatives have the minus.",
        ),
        Mistake(
            _loss(lambda right, wrong: (F.logsigmoid(right) + F.logsigmoid(-wrong).sum(1)).mean()),
            "The minus in front is missing. A log of a probability is negative; a loss is to be made small.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(right) - F.logsigmoid(-wrong).sum(1)).mean()),
            "The negatives come in with the wrong sign in front. Both logs are added, then comes the minus.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(right) + F.logsigmoid(-wrong).mean(1)).mean()),
            "You average over the negatives. The formula adds them up: with more negatives they weigh more.",
        ),
        Mistake(
            _loss(lambda right, wrong: -F.logsigmoid(right).mean() + F.logsigmoid(wrong).sum(1).mean()),
            "For the negatives you took the minus out of σ and of the log: − log σ(− s) is not log σ(s). Keep both minus signs where they stand "
            "in the formula.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(right) + F.logsigmoid(-wrong.sum(1))).mean()),
            "You add up the negatives before σ, so that only their sum is judged: one large score may hide behind a small one. Take log σ of "
            "each score first, then add up.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(right) + F.logsigmoid(-wrong.mean(1))).mean()),
            "You average the negatives before σ, so that only their mean is judged: one large score may hide behind a small one. Take log σ of "
            "each score first, then add up.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(right) + F.logsigmoid(-wrong[:, 0])).mean()),
            "Only the first negative of each pair counts. Add up over all k of them.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(right).mean() + F.logsigmoid(-wrong).sum())),
            "The pairs are averaged, the negatives are added up over the whole batch. Add over k, the negatives of one pair, and average over n.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(right) + F.logsigmoid(-wrong).sum(1)).sum()),
            "You add up over the batch. The mean over the n pairs is asked for: otherwise the size of a step depends on the size of the batch.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(right) + F.logsigmoid(-wrong).sum(1))),
            "You have one loss a pair. One number is asked for: their mean.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(right[:, None]) + F.logsigmoid(-wrong)).sum(1).mean()),
            "The pair's own term counts k times: it is added to each negative before you add up. Add up the negatives first.",
        ),
        Mistake(
            _loss(lambda right, wrong: -torch.cat([F.logsigmoid(right)[:, None], F.logsigmoid(-wrong)], 1).mean()),
            "You average over the pair and its negatives, 1 + k terms. The formula adds them up; the mean goes over the n pairs only.",
        ),
        Mistake(
            _loss(_through_sigmoid()),
            "Your loss becomes infinite. For a score of −800 σ is exactly 0, and log 0 is −inf; log(1 + exp(800)) is no better. Use "
            "F.logsigmoid, which takes both in one step.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(F.logsigmoid(right) + (1 - wrong.sigmoid()).log().sum(1)).mean()),
            "1 − σ(s) is exactly 0 as soon as s is above 17 (in float64: 37), and its log is −inf. It is the same as σ(−s): take F.logsigmoid "
            "of the negative score.",
        ),
        *(
            Mistake(
                _loss(_through_sigmoid(inside=inside)),
                f"You add {inside:g} inside the log, or let σ be no less. That keeps the number finite, but it is another loss: for a score of "
                f"−800 it gives {-math.log(inside):.1f} instead of 800, and hardly any gradient just where the model is most wrong. Use "
                "F.logsigmoid.",
            )
            for inside in (1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)
        ),
        *(
            Mistake(
                _loss(_through_sigmoid(least=least)),
                f"You let σ be no less than {least:g}. That keeps the number finite, but the gradient is zero just where the model is most wrong. "
                "Use F.logsigmoid.",
            )
            for least in (1e-8, 1e-7, 1e-6)
        ),
        Mistake(
            _loss_of_probabilities,
            "F.binary_cross_entropy cuts each log at −100, so that a score of −800 costs 100 instead of 800, without a gradient. Take the "
            "scores themselves: F.logsigmoid, or the loss whose name ends in with_logits.",
        ),
        Mistake(
            _loss(_softmax_loss),
            "This is a softmax over the pair and its negatives. In negative sampling each score is judged on its own, yes or no: one sigmoid "
            "each.",
        ),
        Mistake(
            _loss(_right, partner=True),
            "You compare the negatives with the context. They stand in the context's place: their partner is the centre, u · m.",
        ),
        Mistake(
            _loss_of_single_products,
            "You take log σ before you add up: a score is one number a pair, the sum over the last axis. First the dot product, then log σ.",
        ),
        Mistake(
            lambda centre, context, negatives: _right(
                (centre * context).mean(1), _dots(centre, negatives) / centre.shape[1]
            ),
            "You average over the d numbers of a vector. A dot product adds them up.",
        ),
        Mistake(
            lambda centre, context, negatives: _right((centre * context).sum(), _dots(centre, negatives)),
            "Your pairs share one score: .sum() without an axis adds up the whole batch. Add up over the last axis only, and n scores remain.",
        ),
        Mistake(
            _loss(lambda right, wrong: -F.logsigmoid(right).mean()),
            "The negatives are missing. With right pairs alone the loss is smallest when all words have one large vector.",
        ),
        Mistake(
            _loss(lambda right, wrong: -F.logsigmoid(-wrong).sum(1).mean()),
            "The pair's own term is missing.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(right.sigmoid() + (-wrong).sigmoid().sum(1)).mean()),
            "The log is missing: −log σ, not −σ. Without it a pair that the model finds impossible would cost hardly more than a doubtful one.",
        ),
        Mistake(
            _loss(lambda right, wrong: -(right + (-wrong).sum(1)).mean()),
            "You add up the scores themselves. Without log σ the loss has no lower end: a longer vector always pays.",
        ),
        Mistake(
            _loss_of_all_pairs,
            "centre @ context.T pairs every centre with every context, (n, n). Row i belongs to row i alone: multiply element by element and "
            "add up over the last axis.",
        ),
        Mistake(
            _loss_of_shared_negatives,
            "You compare each centre with the negatives of all pairs. Here every pair has its own k negatives.",
        ),
        Mistake(
            _loss_of_cosines,
            "You bring the vectors to length 1. In training the length belongs to the score: with cosines between −1 and 1 no pair could ever be "
            "certain.",
        ),
        Mistake(
            lambda centre, context, negatives: negative_sampling_loss(centre, context, negatives).item(),
            "The number is right, but it is a plain number: nothing can be learned from it. Give back the tensor, without .item().",
        ),
        Mistake(
            _loss_used_up,
            "The number is right, but you call backward() inside. That uses up the graph, so the training loop, which calls it once more, "
            "stops with an error. Give back the loss only.",
        ),
        Mistake(
            lambda centre, context, negatives: negative_sampling_loss(centre, context, negatives).detach(),
            "The number is right, but it is cut off from the vectors: no gradient reaches them. Leave out .detach(), .data and no_grad.",
        ),
        Mistake(
            lambda centre, context, negatives: negative_sampling_loss(centre, context, negatives.detach()),
            "The loss is right, but no gradient reaches the negatives. They are words too, and they must be pushed away: leave out .detach().",
        ),
        Mistake(
            lambda centre, context, negatives: negative_sampling_loss(centre, context.detach(), negatives),
            "The loss is right, but no gradient reaches the contexts. They have vectors to learn, too: leave out .detach() and .data.",
        ),
        Mistake(
            lambda centre, context, negatives: negative_sampling_loss(centre.detach(), context, negatives),
            "The loss is right, but no gradient reaches the centres. Their vectors are what you keep after training: leave out .detach() and "
            ".data.",
        ),
    ),
    styles=(_loss_in_loops, _loss_by_cross_entropy, _loss_by_softplus),
    start="Begin with the scores: centre times context, added up over the last axis.",
    praise="The loss is right for every batch, also where the model is completely wrong, and its gradient reaches all three. This is "
    "the heart of word2vec's training: no sum over the vocabulary, k + 1 questions with yes or no.",
    cases=_score_cases,
    expected=_loss_in_loops,
    observe=_see_loss,
)

# ---- 06.6 ---------------------------------------------------------------------------------------------------------

_DAYS, _SAME, _OPPOSITES, _SIGNS, _TOPIC, _COLOUR, _BAD, _GOOD = (
    "monday, friday",
    "begin, start",
    "hot, cold",
    "love, hate",
    "rain, umbrella",
    "snow, white",
    "kill, terrible",
    "happy, smile",
)
_PAIRS = (_DAYS, _SAME, _OPPOSITES, _SIGNS, _TOPIC, _COLOUR, _BAD, _GOOD)
#: The second word of a pair must be among so many nearest of the first.
_NEAREST = 10


@cache
def _place(pair: str) -> int:
    """Which place the second word of a pair takes among all words, the nearest to the first one at place 1.

    Measured by counting, without any training: which words stand at most two places away, more often than their
    frequencies let expect? The lesson's vectors come from other windows and other numbers.

    Source:
        Levy & Goldberg (2014), Neural word embedding as implicit matrix factorization.
    """
    first, second = pair.split(", ")
    numbers, rows = _counted()
    similar = (rows @ rows[numbers[first]].T).toarray().ravel()
    similar[numbers[first]] = -1
    return int((similar > similar[numbers[second]]).sum()) + 1


@cache
def _counted() -> tuple[dict[str, int], Any]:
    """The words that occur five times or more, with their rows of counted contexts, each of length 1."""
    from scipy import sparse

    text: Any = importlib.import_module("course_utils.data.text")
    sentences = text.everyday_words()
    counts = Counter(word for sentence in sentences for word in sentence)
    numbers = {word: number for number, word in enumerate(word for word, count in counts.items() if count >= 5)}
    known = [[numbers[word] for word in sentence if word in numbers] for sentence in sentences]
    words = np.array([number for row in known for number in row])
    owner = np.repeat(np.arange(len(known)), [len(row) for row in known])
    shape = (len(numbers), len(numbers))
    near = sparse.csr_matrix(shape)
    for distance in (1, 2):
        same = owner[distance:] == owner[:-distance]
        left, right = words[:-distance][same], words[distance:][same]
        near += sparse.csr_matrix((np.ones(len(left)), (left, right)), shape=shape)
    table = (near + near.T).tocoo()
    total = np.bincount(table.row, table.data, shape[0])
    expected = total**0.75
    surprise = np.log(table.data * expected.sum() / (total[table.row] * expected[table.col]))
    rows = sparse.csr_matrix((np.maximum(surprise, 0), (table.row, table.col)), shape=shape)
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(1)).ravel())
    return numbers, sparse.csr_matrix(sparse.diags(1 / np.maximum(lengths, 1e-9)) @ rows)


_BELIEFS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({_DAYS, _SAME}),
        "Both are right. But you expect opposites to be far apart. What can stand before *water*, *weather* and *day*: only *hot*, or *cold* "
        "just as well? Measure.",
    ),
    (
        frozenset({_DAYS, _SAME, _OPPOSITES}),
        "All three are right; one more is near, and it is the one that matters for a list of positive and negative words. Which "
        "verb fits *I … you* as well as *love*?",
    ),
    (
        frozenset({_DAYS, _SAME, _BAD, _GOOD}),
        "You put words of one sign together. The model never sees a sign, only who stands near whom: *kill* and *terrible* are both bad, but "
        "no sentence takes the one in place of the other. Look at the opposites as well.",
    ),
    (
        frozenset({_DAYS, _SAME, _BAD, _GOOD, _TOPIC, _COLOUR}),
        "You chose all but the opposites, by meaning. The model does not know meanings, only places: which word of a pair could stand "
        "in the *place* of the other?",
    ),
    (
        frozenset({_DAYS, _SAME, _TOPIC, _COLOUR}),
        "Two are right. Rain and umbrella, snow and white belong to one topic, but they do not stand in the same places of a sentence: try to "
        "exchange them.",
    ),
    (
        frozenset({_TOPIC, _COLOUR}),
        "These words come up *together*. Near are words that come up in the *same places*: monday and friday seldom share a sentence.",
    ),
    (
        frozenset({_BAD, _GOOD}),
        "These have the same sign. The model has never seen a sign: measure the place of *smile* among the neighbours of *happy*.",
    ),
    (
        frozenset({_DAYS, _SAME, _OPPOSITES, _SIGNS, _GOOD}),
        "One too many: *happy* and *smile* are both good, but one is an adjective and one a verb or a noun: hardly any sentence takes both.",
    ),
    (
        frozenset({_DAYS, _SAME, _OPPOSITES, _SIGNS, _TOPIC, _COLOUR}),
        "Two too many: rain and umbrella, snow and white are words of one topic. They stand near each other in a sentence, but not in the same "
        "places.",
    ),
    (
        frozenset({_OPPOSITES, _SIGNS}),
        "Both opposites are near, which surprises many. Words of the same kind or the same meaning are near for the same reason.",
    ),
    (
        frozenset({_TOPIC, _COLOUR, _BAD, _GOOD}),
        "These are the four that are *not* near. The question asks for the others.",
    ),
    (
        frozenset(_PAIRS),
        "Not all of them: measure each. A list of ten is short, with thousands of words to choose from.",
    ),
    (
        frozenset(),
        "An empty set says that no pair is near. Look at the ten nearest words of *monday*.",
    ),
)

_WHY_FAR = {
    _TOPIC: "they belong to one topic, but no sentence takes the one in place of the other",
    _COLOUR: "a thing and its colour stand next to each other, not in the same place",
    _BAD: "both are bad, but one is a verb and one an adjective",
    _GOOD: "both are good, but they stand in different places of a sentence",
}
_WHY_NEAR = {
    _DAYS: "where one day can stand, any other can",
    _SAME: "they mean the same and stand in the same places",
    _OPPOSITES: "what can be hot can be cold, so opposites stand in the same places",
    _SIGNS: "who can love something can hate it, so the model sees them in the same places",
}


def _accept_pairs(chosen: set[str]) -> str:
    near = {pair for pair in _PAIRS if _place(pair) <= _NEAREST}
    if chosen == near:
        return ""
    if extra := [pair for pair in _PAIRS if pair in chosen - near]:
        return (
            f'"{extra[0]}" is not near: {_WHY_FAR[extra[0]]}. Measured again by counting, without any training, the second word takes place '
            f"{_place(extra[0]):,} among the nearest of the first."
        )
    missing = next(pair for pair in _PAIRS if pair in near - chosen)
    return (
        f'What you chose is right, but something is missing: "{missing}". {_WHY_NEAR[missing].capitalize()}. Measured again by counting, the '
        f"second word takes place {_place(missing)} among the nearest of the first."
    )


CLOSE_PAIRS = Selection(
    names=_PAIRS,
    number="06.6",
    name="close_pairs",
    title="What makes two words neighbours?",
    kind="investigate",
    difficulty=2,
    minutes=10,
    trains="reading a list of neighbours",
    stub="""close_pairs = ...  # a set of pairs: in which of them is the second word among the ten nearest
# of the first? Guess first, then measure with the vectors that you trained on everyday sentences:
# vectors.neighbours("monday", 10). Choose from
# "monday, friday"   "begin, start"     "hot, cold"        "love, hate"
# "rain, umbrella"   "snow, white"      "kill, terrible"   "happy, smile"
""",
    hints=(
        "Guess first and write it down. Then print the ten nearest words of each first word. What kind of words do you find there?",
        "Try to exchange the two words of a pair in a sentence. *See you on monday*: does *friday* fit there? *It began to rain*: does *umbrella*?",
        "The model sees no meaning and no sign, only the places where a word stands. Opposites stand in the same places; words of one topic, "
        "or of one sign, often do not. Four of the eight pairs are near.",
    ),
    reference={_DAYS, _SAME, _OPPOSITES, _SIGNS},
    mistakes=tuple(Mistake(set(belief), feedback) for belief, feedback in _BELIEFS),
    styles=(
        [_SIGNS, _OPPOSITES, _DAYS, _SAME],
        (_DAYS.replace(" ", ""), _SAME, _OPPOSITES, _SIGNS),
        frozenset({_DAYS, _SAME, _OPPOSITES, _SIGNS}),
    ),
    start='Print vectors.neighbours("hot", 10), and look for what these words have in common.',
    praise="Measured again by counting, without any training: the same four. Near are words that can stand in each other's place, "
    "opposites among them. So the words near a positive word are no list of positive words.",
    accept=_accept_pairs,
    example={_TOPIC},
    prepare=lambda: _place(_DAYS),
)

# ---- 06.7 ---------------------------------------------------------------------------------------------------------


def _analogy_cases() -> Iterator[tuple[Tensor, list[str], str, str, str]]:
    """Vectors of very different lengths; the best answer is clearly ahead of the second."""
    words = ["man", "woman", "king", "queen", "apple", "child"]
    vectors = torch.tensor([[2.0, 0, 1], [0, 2, 1], [1, 0, 3], [0, 4, 9], [-5, -5, 1], [1, 1, 1]], dtype=torch.float64)
    yield vectors, words, "man", "woman", "king"
    # Three words that lie close together: here the step leads back to the first one.
    angles = torch.tensor([0.0, 0.2, -0.25, 0.6, -0.9, 2.5], dtype=torch.float64)
    fan = torch.stack([angles.cos(), angles.sin()], dim=1)  # (6, 2)
    yield fan, ["big", "large", "huge", "wide", "old", "tiny"], "big", "large", "huge"
    yield fan.flip(1), ["big", "large", "huge", "wide", "old", "tiny"], "big", "huge", "large"
    # All other words point away from the sum: their cosines are negative, and in the second case no product is above −1.
    lengths = torch.tensor([[1.0], [2], [1.5], [0.5], [3], [2]], dtype=torch.float64)
    for nearest in (1.8, 2.2):
        angles = torch.tensor([3.1, 0.3, -0.3, nearest, -2.5, 2.8], dtype=torch.float64)
        away = lengths * torch.stack([angles.cos(), angles.sin()], dim=1)
        yield away, ["cold", "warm", "hot", "cool", "icy", "frozen"], "cold", "warm", "hot"
    generator = torch.Generator().manual_seed(67)
    given = 0
    while given < 24:
        count, width = 9 + 3 * (given % 4), 2 + given % 3
        lengths = torch.empty(count, 1, dtype=torch.float64).uniform_(0.3, 4, generator=generator)
        vectors = lengths * F.normalize(torch.randn(count, width, generator=generator, dtype=torch.float64), dim=1)
        a, b, c = torch.randperm(count, generator=generator)[:3].tolist()
        best = _analogy_scores(vectors, a, b, c).topk(2).values
        if best[0] - best[1] > 0.01:
            names = [f"w{number}" for number in range(count)]
            given += 1
            yield vectors.to(torch.float32 if given % 6 == 0 else torch.float64), names, names[a], names[b], names[c]


def _analogy_scores(vectors: Tensor, a: int, b: int, c: int) -> Tensor:
    """The cosine of every word with b − a + c, all of length 1; −inf for the three."""
    unit = F.normalize(vectors.double(), dim=1)
    scores = F.cosine_similarity(unit, (unit[b] - unit[a] + unit[c])[None])
    return scores.index_fill(0, torch.tensor([a, b, c]), -math.inf)


def analogy_answer(vectors: Tensor, words: list[str], a: str, b: str, c: str) -> str:
    unit = vectors / vectors.norm(dim=1, keepdim=True)  # (n, width)
    given = [words.index(word) for word in (a, b, c)]
    from_a, from_b, from_c = unit[given]
    scores = unit @ (from_b - from_a + from_c)  # (n, width) @ (width,) -> (n,)
    scores[given] = -torch.inf
    return words[int(scores.argmax())]


def _analogy_in_loops(vectors: Tensor, words: list[str], a: str, b: str, c: str) -> str:
    """The expected result: plain Python, word by word."""
    rows = {word: [x / math.hypot(*row) for x in row] for word, row in zip(words, vectors.double().tolist())}
    target = [y - x + z for x, y, z in zip(rows[a], rows[b], rows[c])]
    scores = {word: sum(x * y for x, y in zip(row, target)) for word, row in rows.items()}
    return max((word for word in words if word not in (a, b, c)), key=scores.__getitem__)


def _analogy_by_sorting(vectors: Tensor, words: list[str], a: str, b: str, c: str) -> str:
    unit = F.normalize(vectors, dim=-1)
    row = dict(zip(words, unit))
    order = F.cosine_similarity(unit, (row[c] + row[b] - row[a]).unsqueeze(0)).argsort(descending=True).tolist()
    return next(words[number] for number in order if words[number] not in {a, b, c})


def _analogy_by_cosines(vectors: Tensor, words: list[str], a: str, b: str, c: str) -> str:
    """The cosine with a sum of unit vectors is, up to a factor, the sum of the cosines."""
    unit = F.normalize(vectors, dim=1)
    cosines = unit @ unit.T
    ia, ib, ic = map(words.index, (a, b, c))
    scores = cosines[ib] - cosines[ia] + cosines[ic]
    others = [number for number in range(len(words)) if number not in (ia, ib, ic)]
    return words[max(others, key=lambda number: float(scores[number]))]


def _analogy(
    target: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda a, b, c: b - a + c,
    *,
    first: Callable[[Tensor], Tensor] = lambda vectors: F.normalize(vectors, dim=1),
    compared: Callable[[Tensor], Tensor] = lambda vectors: F.normalize(vectors, dim=1),
    score: Callable[[Tensor, Tensor], Tensor] = lambda rows, wanted: rows @ wanted,
    left_out: str = "abc",
    give: Callable[[list[str], Tensor], Any] = lambda words, scores: words[int(scores.argmax())],
) -> Callable[..., Any]:
    """The reference with one part exchanged: the target, either normalisation, the comparison, or who is left out."""

    def answer(vectors: Tensor, words: list[str], a: str, b: str, c: str) -> Any:
        numbers = dict(zip("abc", map(words.index, (a, b, c))))
        rows = first(vectors)
        scores = score(compared(vectors), target(*(rows[number] for number in numbers.values())))
        scores = scores.index_fill(0, torch.tensor([numbers[name] for name in left_out], dtype=torch.int64), -math.inf)
        return give(words, scores)

    return answer


def _struck_off_with(low: float) -> Callable[..., Any]:
    """The three words get a score that can win where all others point away from the sum."""

    def answer(vectors: Tensor, words: list[str], a: str, b: str, c: str) -> str:
        unit = F.normalize(vectors, dim=1)
        given = [words.index(word) for word in (a, b, c)]
        scores = unit @ (unit[given[1]] - unit[given[0]] + unit[given[2]])
        scores[given] = low
        return words[int(scores.argmax())]

    return answer


def _search_from(low: float) -> Callable[..., Any]:
    """The largest score by a loop that begins at ``low``: where none is larger, there is no answer."""

    def answer(vectors: Tensor, words: list[str], a: str, b: str, c: str) -> str | None:
        unit = F.normalize(vectors, dim=1)
        scores = unit @ (unit[words.index(b)] - unit[words.index(a)] + unit[words.index(c)])
        best, found = low, None
        for word, score in zip(words, scores.tolist()):
            if word not in (a, b, c) and score > best:
                best, found = score, word
        return found

    return answer


def _as_they_are(vectors: Tensor) -> Tensor:
    return vectors


def _minus_distance(rows: Tensor, wanted: Tensor) -> Tensor:
    return -(rows - wanted).norm(dim=1)


def _product_rule(vectors: Tensor, words: list[str], a: str, b: str, c: str) -> str:
    unit = F.normalize(vectors, dim=1)
    to_a, to_b, to_c = ((unit @ unit[words.index(word)] + 1) / 2 for word in (a, b, c))
    scores = to_b * to_c / (to_a + 1e-3)
    return words[int(scores.index_fill(0, torch.tensor([words.index(w) for w in (a, b, c)]), -1).argmax())]


ANALOGY_ANSWER = Exercise(
    number="06.7",
    name="analogy_answer",
    title="a is to b as c is to …",
    kind="write",
    difficulty=2,
    minutes=10,
    trains="what an analogy computes",
    stub='''def analogy_answer(vectors, words, a, b, c):
    """Complete "a is to b as c is to …", such as: man is to woman as king is to queen.

    Bring each vector to length 1. The answer is the word whose vector has the largest cosine with
    (vector of b) − (vector of a) + (vector of c). The three given words are no answers.

    Args:
        vectors: a row for each word, (n, width); no row is zero
        words: the n words, a list; vectors[i] belongs to words[i]
        a, b, c: three different words of the list
    Returns:
        the answer, one word
    """
    ...
''',
    hints=(
        "words.index(a) is the row of a. Divide each row by its own length first: keepdim=True keeps the lengths as a column.",
        "All rows have length 1 now, so one product, unit @ target, orders the words as their cosines do: dividing by the length of target "
        "changes no order.",
        "Usually b or c itself is nearest. So give the three a score that can never win before you take argmax, and look the word up by its "
        "number.",
    ),
    reference=analogy_answer,
    mistakes=(
        Mistake(
            _analogy(left_out=""),
            "Your answers are often one of the given words. b − a + c seldom lies far from b and c, so the three must be left out. (That this is "
            "needed says something about famous analogies.)",
        ),
        Mistake(
            _analogy(left_out="a"),
            "You leave out a alone. b and c are no answers either, and they are usually the nearest.",
        ),
        Mistake(
            _analogy(left_out="b"),
            "You leave out b alone. c usually lies as near, and a is no answer either: leave out all three.",
        ),
        Mistake(
            _analogy(left_out="c"),
            "You leave out c alone. b usually lies as near, and a is no answer either: leave out all three.",
        ),
        Mistake(
            _analogy(left_out="ac"),
            "You leave out a and c, but b can still be the answer. Leave out all three.",
        ),
        Mistake(
            _analogy(left_out="ab"),
            "You leave out a and b, but c can still be the answer. Leave out all three.",
        ),
        Mistake(
            _analogy(left_out="bc"),
            "You leave out b and c, but a can still be the answer. Leave out all three.",
        ),
        Mistake(
            _struck_off_with(0.0),
            "You give the three words the score 0. If all other words point away from the sum, their scores are below 0, and one of the three "
            "wins after all. Minus infinity, float('-inf'), never wins.",
        ),
        Mistake(
            _struck_off_with(-1.0),
            "You give the three words the score −1. That would do for cosines, but the product with a sum of three vectors can be as small as "
            "−3. Minus infinity, float('-inf'), never wins.",
        ),
        Mistake(
            _search_from(0.0),
            "Your search begins with 0 as the best score so far. If all words point away from the sum, none is better, and you give back None. "
            "Begin with minus infinity, float('-inf').",
        ),
        Mistake(
            _search_from(-1.0),
            "Your search begins with −1 as the best score so far. The product with a sum of three vectors can be as small as −3: then no word is "
            "better, and you give back None. Begin with minus infinity, float('-inf').",
        ),
        Mistake(
            _analogy(give=lambda words, scores: words[int(scores.topk(4).indices[3])], left_out=""),
            "You skip the three best words, whichever they are. Leave out a, b and c by their places: they are not always the best three.",
        ),
        Mistake(
            _analogy(give=lambda words, scores: words[int(scores.topk(2).indices[1])], left_out=""),
            "You take the second best word, whichever it is. Leave out a, b and c by their places, then take the best.",
        ),
        Mistake(
            _analogy(first=_as_they_are),
            "Your sum is made of vectors of different lengths: a long one drowns the others. Bring them to length 1 before you add. The "
            "comparison itself is right.",
        ),
        Mistake(
            _analogy(first=_as_they_are, compared=_as_they_are),
            "No vector is brought to length 1: a long vector has a large product with almost anything. Divide each row by its own length first.",
        ),
        Mistake(
            _analogy(compared=_as_they_are),
            "The sum is right, but you compare it with vectors of different lengths: a long one wins. Use the rows of length 1 there, too.",
        ),
        Mistake(
            _analogy(first=_as_they_are, compared=_as_they_are, score=_minus_distance),
            "You take the smallest distance between vectors as they are. The largest cosine is asked for: directions are compared, not lengths.",
        ),
        Mistake(
            _analogy(score=_minus_distance, compared=_as_they_are),
            "The sum is right, but you then take the smallest distance to vectors of all lengths. The largest cosine is asked for.",
        ),
        Mistake(
            _analogy(lambda a, b, c: a - b + c),
            "a and b are swapped: you take the step from b to a. From a to b is b − a.",
        ),
        Mistake(
            _analogy(lambda a, b, c: a + b - c),
            "You add a and subtract c. It is a that is subtracted: b − a + c.",
        ),
        Mistake(
            _analogy(lambda a, b, c: b - a),
            "c is missing: b − a is only the step. Make it from c: b − a + c.",
        ),
        Mistake(
            _analogy(lambda a, b, c: b + c),
            "a is missing: you look for what is near b and c together. Subtract a.",
        ),
        Mistake(
            _analogy(lambda a, b, c: a + b + c),
            "You add all three. a is subtracted: b − a + c.",
        ),
        Mistake(
            _analogy(lambda a, b, c: c),
            "You look for the nearest word of c. The step from a to b has no effect.",
        ),
        Mistake(
            _analogy(lambda a, b, c: b),
            "You look for the nearest word of b. The step must be made from c: b − a + c.",
        ),
        Mistake(
            _analogy(lambda a, b, c: c - a),
            "b is missing: b − a + c.",
        ),
        Mistake(
            _product_rule,
            "This multiplies and divides cosines instead of adding them: a known rule, which often does a little better. But the sum is asked for.",
        ),
        Mistake(
            _analogy(
                first=lambda vectors: F.normalize(vectors, dim=0), compared=lambda vectors: F.normalize(vectors, dim=0)
            ),
            "You divide columns by their lengths, not rows. One row is one word: dim=1.",
        ),
        Mistake(
            _analogy(give=lambda words, scores: words[int(scores.nan_to_num(neginf=9.0).argmin())]),
            "You take the smallest cosine, the word that fits worst.",
        ),
        Mistake(
            _analogy(give=lambda words, scores: int(scores.argmax())),
            "You give back the number of the row. The word itself is asked for: words[int(number)].",
        ),
        Mistake(
            _analogy(give=lambda words, scores: [words[int(scores.argmax())]]),
            "The word is right, but it stands in a list. Give back the word alone.",
        ),
        Mistake(
            _analogy(give=lambda words, scores: float(scores.max())),
            "You give back the largest score. The word that has it is asked for: argmax finds its row.",
        ),
    ),
    styles=(_analogy_in_loops, _analogy_by_sorting, _analogy_by_cosines),
    start="Find the rows of the three words, and bring all vectors to length 1.",
    praise="The same rule as gensim's most_similar, and the same answers. Remember what the last step does: the three given words are struck off. Look at what "
    "comes out without it before you believe that vectors can reason.",
    cases=_analogy_cases,
    expected=_analogy_in_loops,
)

EXERCISES = (
    CBOW_TENSORS,
    PADDED_WINDOWS,
    SKIPGRAM_PAIRS_OF,
    CONTEXT_MEAN,
    NEGATIVE_SAMPLING_LOSS,
    CLOSE_PAIRS,
    ANALOGY_ANSWER,
)
check = Checks(EXERCISES)

QUIZ = Quiz(
    "06",
    (
        Question(
            "Skip-gram learns to predict neighbours. After training, what do you keep, and why?",
            (
                Choice(
                    "The predictions: they say which words follow each other",
                    "They are poor: a word has hundreds of possible neighbours. Guessing them was only the exercise that shaped something else.",
                ),
                Choice(
                    "The whole network, since the vectors mean nothing without its last layer",
                    "The vectors can be used alone: two rows can be compared without any layer behind them.",
                ),
                Choice(
                    "The rows of the embedding: words with similar neighbours had to get similar rows",
                    "Right: the task is a pretext. Two words that must predict the same neighbours are best served by similar vectors.",
                    right=True,
                ),
                Choice(
                    "The loss: it says how similar two words are",
                    "The loss judges the model on pairs of neighbours. Similarity is the cosine of two rows.",
                ),
            ),
        ),
        Question(
            "A corpus is one sentence of 100 different words. The window is 2, and no centre draws a smaller reach. How many pairs does skip-gram get?",
            (
                Choice(
                    "394: 4 for each place, less the 6 that would lie beyond the two ends",
                    "Right: 2 · window · N = 400, and at each end the first word lacks 2 neighbours and the second lacks 1.",
                    right=True,
                ),
                Choice(
                    "100: one a word",
                    "That is the number of windows. Each window gives as many pairs as it has neighbours.",
                ),
                Choice(
                    "400: 2 · window · N",
                    "Almost: the words near the two ends have fewer neighbours.",
                ),
                Choice(
                    "197: two neighbours are one pair",
                    "Each of the two is the centre once, so two neighbours make two pairs.",
                ),
            ),
        ),
        Question(
            "CBOW averages the vectors of a context that holds 3 words and 3 paddings. The padding's row is all zeros. What does embedding(context).mean(1) give?",
            (
                Choice(
                    "The mean of the 3 words: zeros change nothing",
                    "Zeros change no sum. A mean also divides, here by 6.",
                ),
                Choice(
                    "Half of the mean of the 3 words: zeros add nothing, but they are counted",
                    "Right: short contexts come out too short. Divide by the number of real words.",
                    right=True,
                ),
                Choice(
                    "nan, because the padding has no vector",
                    "It has one, like every number: a row of the embedding. Here this row is zero.",
                ),
                Choice(
                    "The mean of the 3 words, but without a gradient",
                    "The gradient flows, to all rows but the padding's if padding_idx is set. It is the value that is wrong.",
                ),
            ),
        ),
        Question(
            "word2vec draws its negatives with probabilities proportional to count^0.75. Word A occurs 10,000 times, word B 16 times. How much more often is A drawn?",
            (
                Choice(
                    "625 times as often",
                    "That would be the counts as they are, with the power 1.",
                ),
                Choice(
                    "Just as often: negatives are drawn evenly",
                    "That would be the power 0. Frequent words would then hardly ever be pushed away, although they stand near everything.",
                ),
                Choice(
                    "About 469 times as often: 0.75 of the ratio",
                    "0.75 is an exponent, not a factor.",
                ),
                Choice(
                    "125 times as often: the power takes from the frequent words and gives to the rare ones",
                    "Right: 10,000^0.75 = 1,000 and 16^0.75 = 8. Between the counts as they are (625) and an even draw (1).",
                    right=True,
                ),
            ),
        ),
        Question(
            "You want a list of positive words. You start with 'good' and take its nearest neighbours. What happens?",
            (
                Choice(
                    "You get words of praise only: 'bad' has the opposite meaning, so its vector points the opposite way",
                    "The opposite in meaning is not the opposite in direction. What can be good can be bad, so both stand in the same places.",
                ),
                Choice(
                    "'bad' may come up among the first: opposites stand in the same places, so their vectors are similar",
                    "Right: the model sees neighbours, not signs. The list holds words of judgement; which sign they have needs labels.",
                    right=True,
                ),
                Choice(
                    "You get words that often stand next to 'good', such as 'morning'",
                    "Those are its contexts. Its neighbours by cosine are words that have the same contexts.",
                ),
                Choice(
                    "It works once the width is large enough to store the sign",
                    "The width is not what is missing. Near are the words of the same places, at every width; telling their signs apart takes labels.",
                ),
            ),
        ),
    ),
)
