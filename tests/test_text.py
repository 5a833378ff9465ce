"""Words, vocabularies, and rows of numbers."""

from __future__ import annotations

import pytest
import torch

from course_utils.text import PAD, UNKNOWN, Vocabulary, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("?!…", []),
        ("It’s 'fine', isn't it?", ["it's", "fine", "isn't", "it"]),
        ("Über-cool: naïve café", ["über", "cool", "naïve", "café"]),
        ("rock 'n' roll", ["rock", "n", "roll"]),
        ("해는 동쪽에서 뜬다", ["해는", "동쪽에서", "뜬다"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


TEXTS = [["b", "a", "b"], ["c", "a"], ["d"]]


def test_frequent_words_come_first_and_ties_are_alphabetical() -> None:
    vocabulary = Vocabulary(TEXTS, size=10)
    assert vocabulary.words[2:] == ["a", "b", "c", "d"]
    assert len(vocabulary) == 6
    assert "c" in vocabulary
    assert "<pad>" not in vocabulary


def test_order_of_the_texts_does_not_matter() -> None:
    assert Vocabulary(TEXTS, size=3).words == Vocabulary(TEXTS[::-1], size=3).words


def test_size_leaves_rare_words_out() -> None:
    vocabulary = Vocabulary(TEXTS, size=2)
    assert "c" not in vocabulary
    assert vocabulary.encode([["c", "a"]], length=2).tolist() == [[UNKNOWN, vocabulary.numbers["a"]]]


def test_rows_have_one_length() -> None:
    vocabulary = Vocabulary(TEXTS, size=10)
    rows = vocabulary.encode([["a", "b", "c"], ["d"], []], length=2)
    assert rows.dtype == torch.int64
    assert rows.tolist() == [[2, 3], [5, PAD], [PAD, PAD]]


def test_no_text_gives_no_row() -> None:
    assert Vocabulary(TEXTS, size=10).encode([], length=4).shape == (0, 4)


def test_size_must_be_positive() -> None:
    with pytest.raises(ValueError, match="size is 0; expected 1 or more"):
        Vocabulary(TEXTS, size=0)
