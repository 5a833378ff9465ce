"""Measures the model that guesses hidden words: against simpler guessers, and as what `ContextualWordEmbsAug` needs.

Run it as `python -m course_utils.model_training.masked_word_scores`; its numbers are those of the model card.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM

from course_utils.model_training.masked_word_texts import MIX, Words, one_hidden, read_texts
from course_utils.model_training.masked_words import measure


class Stored(nn.Module):
    """A stored masked language model, seen as a guesser of the candidate words; all other tokens compete too.

    Args:
        folder: what transformers' Auto classes load.
        words: its vocabulary.
    """

    def __init__(self, folder: Path, words: Words) -> None:
        super().__init__()
        self.model: Any = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        self.words = words
        self.eval()

    def forward(self, x: Tensor, where: Tensor) -> Tensor:
        """Computes log-probabilities: (n, t), (n, t) bool -> (m, words)."""
        h = self.model.bert(input_ids=x).last_hidden_state[where]
        return self.model.cls(h).log_softmax(-1)[:, self.words.allowed]


class Counts(nn.Module):
    """Guesses by counting: how often a word occurs, and how often after the word before it.

    Args:
        rows: token numbers of the training texts, by kind.
        words: the vocabulary.
        share: weight of the pairs, 0 (no context) to 1.
    """

    def __init__(self, rows: Mapping[str, Sequence[list[int]]], words: Words, *, share: float) -> None:
        super().__init__()
        tokens = len(words.number)
        single = torch.full((tokens,), 0.5)
        keys: list[Tensor] = []
        for kind, some in rows.items():
            for row in some:
                x = torch.tensor(row)
                keys.append((x[:-1] * tokens + x[1:]).repeat(MIX[kind]))
        for key in keys:
            single.index_add_(0, key % tokens, torch.ones(len(key)))
        pairs, counts = torch.cat(keys).unique(return_counts=True)
        keep = words.number[pairs % tokens] >= 0
        self.pairs, self.counts = pairs[keep], counts[keep].float()
        self.single = single[words.allowed] / single[words.allowed].sum()
        self.words, self.share = words, share

    def forward(self, x: Tensor, where: Tensor) -> Tensor:
        """Computes log-probabilities: (n, t), (n, t) bool -> (m, words)."""
        tokens = len(self.words.number)
        n, t = where.nonzero(as_tuple=True)
        out = []
        for before in x[n, t - 1].tolist():
            first, last = torch.searchsorted(
                self.pairs, torch.tensor([before * tokens, (before + 1) * tokens])
            ).tolist()
            p = self.single
            if last > first:
                pair = torch.zeros_like(p)
                pair[self.words.number[self.pairs[first:last] % tokens]] = self.counts[first:last]
                p = (1 - self.share) * p + self.share * pair / pair.sum()
            out.append(p.log())
        return torch.stack(out)


def spelled(words: Words, row: Iterable[int]) -> list[str]:
    """Puts tokens back together into words and marks."""
    out: list[str] = []
    for token in (words.tokenizer.id_to_token(number) or "" for number in row):
        if token.startswith("##") and out:
            out[-1] += token[2:]
        elif token not in ("[CLS]", "[SEP]"):
            out.append(token)
    return out


def coarse(tag: str) -> str:
    """Reduces a part of speech to its kind: all nouns are "NN", all verbs "VB"."""
    return tag[:2]


def read_lexicon(file: Path) -> dict[str, float]:
    """Reads how positive or negative people found words, −4 to 4.

    Source:
        Hutto & Gilbert (2014), vader_sentiment_lexicon.txt, MIT.
    """
    lines = (line.split("\t") for line in file.read_text(encoding="utf-8", errors="replace").splitlines())
    return {line[0]: float(line[1]) for line in lines if len(line) > 1}


@torch.no_grad()
def substitutions(
    model: nn.Module,
    words: Words,
    rows: Sequence[list[int]],
    *,
    top_k: int,
    tag: Callable[[list[str]], list[tuple[str, str]]],
    lexicon: Mapping[str, float],
    seed: int = 0,
) -> dict[str, float]:
    """Substitutes one word in each text, as nlpaug does: any of the first `top_k` guesses, each as likely.

    Args:
        model: gives the logits of the candidate words.
        words: the vocabulary.
        rows: token numbers of texts.
        top_k: how many guesses take part in the draw.
        tag: gives each word of a text its part of speech, as `nltk.pos_tag` does.
        lexicon: how positive (above 0) or negative a word is.
        seed: of the draw.

    Returns:
        Shares: the same word again; of the other substitutions those that keep the part of speech; of those that hit a
        word of the lexicon, the ones whose new word has the opposite sign, the same sign, or is neutral; counts.
    """
    generator = torch.Generator().manual_seed(seed)
    same = kept = changed = charged = opposite = alike = 0
    for seen, where, y in one_hidden(words, rows, seed=seed):
        guesses = model(seen, where).topk(top_k).indices
        drawn = guesses.gather(1, torch.randint(top_k, (len(y), 1), generator=generator))[:, 0]
        for row, spot, old, new in zip(seen.tolist(), where, y.tolist(), drawn.tolist()):
            if old == new:
                same += 1
                continue
            changed += 1
            place = int(spot.int().argmax())
            at = len(spelled(words, row[:place]))
            texts = []
            for word in (old, new):
                row[place] = int(words.allowed[word])
                texts.append(spelled(words, row))
            before, after = (tag(text)[at][1] for text in texts)
            kept += coarse(before) == coarse(after)
            value, other = (lexicon.get(text[at], 0.0) for text in texts)
            if value:
                charged += 1
                opposite += value * other < 0
                alike += value * other > 0
    return {
        "same_word": same / (same + changed),
        "part_of_speech_kept": kept / max(1, changed),
        "changed": changed,
        "of_sentiment_words": charged,
        "opposite": opposite / max(1, charged),
        "alike": alike / max(1, charged),
    }


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of the assembled model; the course's own by default")
    parser.add_argument("--data", type=Path, help="folder with the texts; fetched by default")
    parser.add_argument("--lexicon", type=Path, help="vader_sentiment_lexicon.txt; without it no substitutions")
    options = parser.parse_args()
    torch.set_num_threads(1)
    from course_utils import assets, pretrained

    folder = options.model or pretrained.path("masked-words")
    words = Words(folder)
    texts = read_texts(options.data)
    valid, test = words.encode(texts.valid), words.encode(texts.test)

    def show(name: str, scores: Mapping[str, float]) -> None:
        print(name, json.dumps({key: round(value, 3) for key, value in scores.items()}), flush=True)

    rows = {kind: words.encode(some, shortest=11 if kind == "everyday" else 5) for kind, some in texts.train.items()}
    counts = Counts(rows, words, share=0.0)
    show("no context", measure(counts, one_hidden(words, test)))

    def on_valid(share: float) -> float:
        counts.share = share
        return measure(counts, one_hidden(words, valid))["perplexity"]

    counts.share = min((0.5, 0.6, 0.7, 0.8, 0.9), key=on_valid)
    show(f"word before (share {counts.share})", measure(counts, one_hidden(words, test)))
    model = Stored(folder, words)
    show(f"model n={len(test)}", measure(model, one_hidden(words, test)))
    if options.lexicon is not None:
        import nltk

        nltk.data.path.insert(0, str(assets.path("tagger")))
        lexicon = read_lexicon(options.lexicon)
        guessers = (("model", model, 5), ("model", model, 10), ("model", model, 100), ("no context", counts, 10))
        counts.share = 0.0
        for name, guesser, top_k in guessers:
            got = substitutions(guesser, words, test, top_k=top_k, tag=nltk.pos_tag, lexicon=lexicon)
            show(f"{name} top_k={top_k}", got)


if __name__ == "__main__":
    main()
