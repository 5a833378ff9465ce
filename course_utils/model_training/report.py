"""Measures the trained translators and the summariser on sentences that they never saw.

Run it as `python -m course_utils.model_training.report`; its numbers are those of the model cards.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from course_utils.model_training import common, sentences, summaries, translation
from course_utils.model_training.scores import bleu, chrf
from course_utils.model_training.sentences import Pair
from course_utils.model_training.shorter import Shorter


def load(folder: Path) -> tuple[Any, Any]:
    """Loads (model, tokenizer) from a folder, in float32: float16 is only how it is stored."""
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return model, AutoTokenizer.from_pretrained(folder, local_files_only=True)


def translated(folder: Path, texts: Sequence[str], **options: Any) -> list[str]:
    """Translates texts with the model of a folder."""
    model, tokenizer = load(folder)
    return common.write(model, tokenizer, texts, **options)


def translation_scores(weights: Path, direction: str, test: Sequence[Pair]) -> dict[str, float]:
    """Scores one direction on pairs.

    Returns:
        chrF and BLEU (0 to 100) of the translations; chrF of the untranslated input, as what no knowledge gives.
    """
    sources, targets = zip(*(translation.sides(pair, direction) for pair in test))
    outputs = translated(weights / f"translate-{direction}", sources)
    return {"chrf": chrf(outputs, targets), "bleu": bleu(outputs, targets), "chrf_of_the_input": chrf(sources, targets)}


def there_and_back(weights: Path, texts: Sequence[str]) -> tuple[dict[str, float], list[str]]:
    """Translates English sentences into Spanish and back.

    Returns:
        The share that comes back exactly, the share that comes back with other words, chrF to the original; the texts.
    """
    back = translated(weights / "translate-es-en", translated(weights / "translate-en-es", texts))
    same = sum(a == b for a, b in zip(texts, back)) / len(texts)
    other = sum(sentences.key(a) != sentences.key(b) for a, b in zip(texts, back)) / len(texts)
    return {"exactly": same, "other_words": other, "chrf": chrf(back, texts)}, back


def keep_first(text: str, share: float) -> str:
    """Keeps the first words of a text, and its mark at the end: the simplest way to be shorter."""
    split = text.split()
    return " ".join(split[: max(1, round(share * len(split)))]).rstrip(".,;?!") + text[-1]


def summary_scores(folder: Path, test: Sequence[Shorter]) -> tuple[dict[str, float], list[str]]:
    """Scores the summariser on pairs of a long and a human's shorter sentence.

    Returns:
        Lengths (mean of words out / words in), shares, and chrF to the human's sentence, of the model and of two simple
        ways: to copy the input, and to keep its first words (as many as humans keep on average); the outputs.
    """
    longs, shorts = [pair.long for pair in test], [pair.short for pair in test]
    model, tokenizer = load(folder)
    outputs = common.write(model, tokenizer, [summaries.TASK + text for text in longs])

    def kept(texts: Sequence[str]) -> float:
        return sum(len(a.split()) / len(b.split()) for a, b in zip(texts, longs)) / len(longs)

    share = kept(shorts)
    first = [keep_first(text, share) for text in longs]
    scores = {
        "length": kept(outputs),
        "length_of_human": share,
        "shorter": sum(len(a.split()) < len(b.split()) for a, b in zip(outputs, longs)) / len(longs),
        "as_the_human": sum(sentences.key(a) == sentences.key(b) for a, b in zip(outputs, shorts)) / len(longs),
        "as_the_human_first_words": sum(sentences.key(a) == sentences.key(b) for a, b in zip(first, shorts))
        / len(longs),
        "only_words_of_the_input": sum(
            set(sentences.key(a).split()) <= set(sentences.key(b).split()) for a, b in zip(outputs, longs)
        )
        / len(longs),
        "chrf": chrf(outputs, shorts),
        "chrf_copy": chrf(longs, shorts),
        "chrf_first_words": chrf(first, shorts),
    }
    return scores, outputs


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", help="en-es, es-en, back, summarise; all by default")
    parser.add_argument("--data", type=Path, help="folder with spa.txt and fra.txt; fetched by default")
    parser.add_argument("--weights", type=Path, default=common.WEIGHTS)
    parser.add_argument("--sample", type=int, default=2000, help="at most so many sentences")
    parser.add_argument("--show", type=int, default=0, help="prints so many outputs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    what = options.what or [*translation.DIRECTIONS, "back", "summarise"]
    test = sentences.split_pairs(sentences.read_pairs(options.data)).test[: options.sample]
    rng = random.Random(0)

    def show(name: str, scores: dict[str, float]) -> None:
        print(name, json.dumps({key: round(value, 3) for key, value in scores.items()}), flush=True)

    for direction in translation.DIRECTIONS:
        if direction in what:
            show(direction, translation_scores(options.weights, direction, test))
    if "back" in what:
        texts = sorted({pair.english for pair in test})
        scores, outputs = there_and_back(options.weights, texts)
        show(f"back n={len(texts)}", scores)
        for text, output in rng.sample(list(zip(texts, outputs)), min(options.show, len(texts))):
            print(f"  {text} -> {output}")
    if "summarise" in what:
        pairs = summaries.read_parts(options.data)[0].test[: options.sample]
        scores, outputs = summary_scores(options.weights / "summarise", pairs)
        show(f"summarise n={len(pairs)}", scores)
        for pair, output in rng.sample(list(zip(pairs, outputs)), min(options.show, len(pairs))):
            print(f"  {pair.long} -> {output} [human: {pair.short}]")


if __name__ == "__main__":
    main()
