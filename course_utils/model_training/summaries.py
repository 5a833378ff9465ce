"""Trains the small summariser, which says a sentence in fewer words.

Run it as `python -m course_utils.model_training.summaries`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from transformers import T5Config, T5ForConditionalGeneration

from course_utils.model_training import common, sentences, shorter
from course_utils.model_training.common import Example
from course_utils.model_training.shorter import Parts, Shorter

TASK, COPY = "summarize: ", "copy: "  # T5 is told what to do at the start of the input; nlpaug writes the first


def make_model(size: int, *, width: int, encoder: int, decoder: int) -> T5ForConditionalGeneration:
    """Builds an untrained T5: a Transformer with relative positions and one table of embeddings."""
    settings: dict[str, Any] = {
        "vocab_size": size,
        "d_model": width,
        "d_kv": 32,
        "num_heads": width // 32,
        "d_ff": width * 3,
        "num_layers": encoder,
        "num_decoder_layers": decoder,
        "relative_attention_num_buckets": 16,
        "relative_attention_max_distance": 64,
        "dropout_rate": 0.0,
        "feed_forward_proj": "relu",
        "tie_word_embeddings": True,
        "pad_token_id": common.PAD,
        "eos_token_id": common.END,
        "decoder_start_token_id": common.PAD,
    }
    model = T5ForConditionalGeneration(T5Config(**settings))
    model.generation_config.update(
        max_length=64,
        num_beams=3,  # both as nlpaug has it
        no_repeat_ngram_size=3,
        do_sample=False,
        pad_token_id=common.PAD,
        eos_token_id=common.END,
        decoder_start_token_id=common.PAD,
    )
    return model


@torch.no_grad()
def start_as_copier(model: T5ForConditionalGeneration) -> None:
    """Sets the attention of an untrained model so that it tends to copy: shortening is mostly copying.

    To copy, a model finds the last word that it wrote in the input, and writes what stands after it. From random
    numbers that takes thousands of steps to learn. So half of the heads of the first reading layer start by looking at
    the word before, and half of the heads that look from the output to the input start by comparing that word with the
    last one written; what a head finds, it passes on unchanged. Other layers start small. Then everything is trained.
    """
    encoder, decoder = cast(Any, model.encoder), cast(Any, model.decoder)
    width, heads = model.config.d_model, model.config.num_heads
    half = heads // 2 * model.config.d_kv
    turn = torch.linalg.qr(torch.randn(width, width)).Q  # its rows are at right angles and have length 1
    for name, parameter in model.named_parameters():
        if name.endswith(("SelfAttention.o.weight", "wo.weight")):
            parameter.mul_(0.2)
    first = encoder.block[0].layer[0].SelfAttention
    first.relative_attention_bias.weight[1, : heads // 2] = 8.0  # 1 stands for one word to the left
    first.v.weight[:half] = turn[:half]
    first.o.weight[:, :half] = turn[half : 2 * half].T
    for block in decoder.block:
        cross = block.layer[1].EncDecAttention
        cross.q.weight[:half] = turn[:half]
        cross.k.weight[:half] = turn[half : 2 * half]
        cross.v.weight.copy_(turn)
        cross.o.weight.copy_(turn.T)


def read_parts(data: Path | None, *, limit: int | None = None) -> tuple[Parts, list[str]]:
    """Collects the pairs of a longer and a shorter sentence, split, and all other English sentences.

    Args:
        data: folder of the sentence pairs, see `sentences.read_pairs`.
        limit: reads only so many pairs a language (for a quick try).

    Returns:
        The pairs in three parts, and the sentences that occur in neither held-out part.
    """
    spanish = sentences.read_pairs(data, most_words=24)[:limit]
    french = sentences.read_pairs(data, other="fra", most_words=24)[:limit]
    english = list(dict.fromkeys(pair.english for pair in spanish + french))
    found = shorter.same_translation(spanish) + shorter.same_translation(french) + shorter.one_cut(english)
    parts = shorter.split_shorter(found, held_out=min(700, len(found) // 10))
    held = {sentences.key(text) for pair in parts.valid + parts.test for text in pair}
    return parts, [text for text in english if sentences.key(text) not in held]


def epoch(pairs: Sequence[Shorter], english: Sequence[str], rng: random.Random) -> list[tuple[str, str]]:
    """Draws the inputs and outputs of one epoch.

    Every pair once: 1 in 6 joined with another pair, because texts have more than one sentence; 1 in 10 without the
    full stop of the input. For every two pairs there is one text to copy word by word, because a sentence is
    shortened by copying most of it.
    """
    out = []
    for pair in pairs:
        long, short = pair
        if rng.random() < 1 / 6:
            other = rng.choice(pairs)
            long, short = f"{long} {other.long}", f"{short} {other.short}"
        elif rng.random() < 0.1:
            long = long.removesuffix(".")
        out.append((TASK + long, short))
    for _ in range(len(pairs) // 2):
        text = rng.choice(english)
        if rng.random() < 0.5:
            text = f"{text} {rng.choice(english)}"
        out.append((COPY + text, text))
    return out


def run(
    folder: Path,
    *,
    data: Path | None = None,
    steps: int = 2000,
    size: int = 4096,
    width: int = 192,
    encoder: int = 3,
    decoder: int = 2,
    tokens: int = 2000,
    peak: float = 1.5e-3,
    limit: int | None = None,
    seed: int = 0,
    check_every: int = 200,
) -> list[dict[str, float]]:
    """Trains the summariser and leaves the best version in a folder.

    Args:
        folder: where the model goes.
        data: folder of the sentence pairs, see `sentences.read_pairs`.
        steps: batches to train on.
        size: tokens in the vocabulary.
        width: numbers in a token's vector.
        encoder: layers that read.
        decoder: layers that write.
        tokens: tokens a batch.
        peak: highest learning rate.
        limit: reads only so many pairs a language (for a quick try).
        seed: of everything random.
        check_every: steps between two validations.

    Returns:
        The history of `common.train`.
    """
    parts, english = read_parts(data, limit=limit)
    tokenizer = common.make_tokenizer([TASK + COPY, *english], size=size)
    torch.manual_seed(seed)
    model = make_model(len(tokenizer), width=width, encoder=encoder, decoder=decoder)

    start_as_copier(model)

    def encode(texts: Sequence[tuple[str, str]]) -> list[Example]:
        sources, targets = zip(*texts)
        ids: Any = tokenizer
        return [Example(s, t) for s, t in zip(ids(list(sources))["input_ids"], ids(list(targets))["input_ids"])]

    valid = encode([(TASK + pair.long, pair.short) for pair in parts.valid])
    print(
        json.dumps({"train": len(parts.train), "test": len(parts.test), "parameters": model.num_parameters()}),
        flush=True,
    )
    return common.train(
        model,
        lambda rng: encode(epoch(parts.train, english, rng)),
        valid,
        steps=steps,
        tokens=tokens,
        peak=peak,
        seed=seed,
        warm_up=min(400, steps // 4 + 1),
        check_every=check_every,
        save=lambda best: common.save_model(best, tokenizer, folder),
    )


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with spa.txt and fra.txt; fetched by default")
    parser.add_argument("--folder", type=Path, default=common.WEIGHTS / "summarise")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--check-every", type=int, default=200)
    options = vars(parser.parse_args())
    torch.set_num_threads(1)
    run(options.pop("folder"), **options)


if __name__ == "__main__":
    main()
