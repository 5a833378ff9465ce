"""How close a text comes to what a human wrote: chrF (shared character runs) and BLEU (shared word runs)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence


def runs(items: Sequence[str], length: int) -> Counter[tuple[str, ...]]:
    """Counts every run of `length` neighbouring items.

    >>> runs("abab", 2)[("a", "b")]
    2
    """
    return Counter(tuple(items[i : i + length]) for i in range(len(items) - length + 1))


def words(text: str) -> list[str]:
    """Splits a text into words and single punctuation marks; capitals stay.

    >>> words("It's late, Tom.")
    ['It', "'", 's', 'late', ',', 'Tom', '.']
    """
    return re.findall(r"\w+|[^\w\s]", text)


def chrf(outputs: Sequence[str], references: Sequence[str], *, longest: int = 6, beta: float = 2.0) -> float:
    """Scores texts by the runs of characters that they share with a human's text.

    For each length 1 … `longest` the counts of all texts are added up. Precision is the share of the output's runs that
    the reference has too; recall is the share of the reference's runs that the output has too. Both are averaged over
    the lengths that occur, then joined with `beta`: recall counts `beta` times as much. Spaces are left out.

    Args:
        outputs: what the model wrote, n texts.
        references: what a human wrote for the same input, n texts.
        longest: longest run, in characters.
        beta: weight of recall against precision.

    Returns:
        The score of all texts together, 0 (nothing shared) to 100 (equal up to spaces).

    Raises:
        ValueError: if there are not as many outputs as references, or none.

    Source:
        Popović 2015, chrF: character n-gram F-score for automatic MT evaluation.

    >>> chrf(["good morning"], ["good morning"])
    100.0
    """
    _check_pairs(outputs, references)
    shared, written, wanted = [0] * longest, [0] * longest, [0] * longest
    for output, reference in zip(outputs, references):
        left, right = "".join(output.split()), "".join(reference.split())
        for k in range(longest):
            have, want = runs(left, k + 1), runs(right, k + 1)
            shared[k] += (have & want).total()
            written[k] += have.total()
            wanted[k] += want.total()
    used = [k for k in range(longest) if written[k] and wanted[k]]
    if not used:
        return 0.0
    precision = sum(shared[k] / written[k] for k in used) / len(used)
    recall = sum(shared[k] / wanted[k] for k in used) / len(used)
    if precision + recall == 0:
        return 0.0
    return 100 * (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def bleu(outputs: Sequence[str], references: Sequence[str], *, longest: int = 4) -> float:
    """Scores texts by the runs of 1 … 4 words that they share with a human's text.

    The geometric mean of the four precisions, each counted over all texts together, times a penalty for outputs that
    are shorter than the references. One reference a text; capitals and punctuation count.

    Args:
        outputs: what the model wrote, n texts.
        references: what a human wrote for the same input, n texts.
        longest: longest run, in words.

    Returns:
        The score of all texts together, 0 to 100; 0 as soon as one length is never matched.

    Raises:
        ValueError: if there are not as many outputs as references, or none.

    Source:
        Papineni, Roukos, Ward and Zhu 2002, BLEU: a method for automatic evaluation of machine translation.

    >>> bleu(["the cat sat on the mat"], ["the cat sat on the mat"])
    100.0
    """
    _check_pairs(outputs, references)
    shared, written = [0] * longest, [0] * longest
    have_words = want_words = 0
    for output, reference in zip(outputs, references):
        left, right = words(output), words(reference)
        have_words, want_words = have_words + len(left), want_words + len(right)
        for k in range(longest):
            have = runs(left, k + 1)
            shared[k] += (have & runs(right, k + 1)).total()
            written[k] += have.total()
    if min(shared) == 0:
        return 0.0
    precision = math.exp(sum(math.log(s / w) for s, w in zip(shared, written)) / longest)
    return 100 * precision * min(1.0, math.exp(1 - want_words / have_words))


def _check_pairs(outputs: Sequence[str], references: Sequence[str]) -> None:
    if not outputs or len(outputs) != len(references):
        raise ValueError(
            f"outputs and references: expected as many of one as of the other, at least one, "
            f"got {len(outputs)} and {len(references)}"
        )
