"""Trains the two small translators, English to Spanish and back.

Run it as `python -m course_utils.model_training.translation en-es`, then with `es-en`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import MarianConfig, MarianMTModel

from course_utils.model_training import common, sentences
from course_utils.model_training.common import Example
from course_utils.model_training.sentences import Pair

DIRECTIONS = ("en-es", "es-en")


def sides(pair: Pair, direction: str) -> tuple[str, str]:
    """Gives a pair as (input, output) of a direction."""
    return (pair.english, pair.other) if direction == "en-es" else (pair.other, pair.english)


def make_model(size: int, *, width: int, encoder: int, decoder: int) -> MarianMTModel:
    """Builds an untrained Marian translator: a Transformer with one table of embeddings for both languages."""
    config = MarianConfig(
        vocab_size=size,
        d_model=width,
        encoder_layers=encoder,
        decoder_layers=decoder,
        encoder_attention_heads=width // 32,
        decoder_attention_heads=width // 32,
        encoder_ffn_dim=width * 3,
        decoder_ffn_dim=width * 3,
        max_position_embeddings=128,
        dropout=0.0,  # a few epochs over the pairs do not overfit; label smoothing stays
        attention_dropout=0.0,
        activation_dropout=0.0,
        activation_function="relu",
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        tie_word_embeddings=True,
        pad_token_id=common.PAD,
        eos_token_id=common.END,
        bos_token_id=None,
        forced_eos_token_id=common.END,
        decoder_start_token_id=common.PAD,
        init_std=0.02,
    )
    model = MarianMTModel(config)
    model.generation_config.update(
        max_length=64,
        num_beams=3,  # keeps three unfinished translations: 2 chrF better than one, for twice the time
        do_sample=False,
        pad_token_id=common.PAD,
        eos_token_id=common.END,
        decoder_start_token_id=common.PAD,
        forced_eos_token_id=common.END,
        bad_words_ids=[[common.PAD]],
    )
    return model


def encode(tokenizer: Any, pairs: Sequence[Pair], direction: str) -> list[Example]:
    """Turns pairs into token numbers."""
    sources, targets = zip(*(sides(pair, direction) for pair in pairs))
    return [Example(s, t) for s, t in zip(tokenizer(list(sources))["input_ids"], tokenizer(list(targets))["input_ids"])]


def vary(examples: Sequence[Example], stop: int, rng: random.Random) -> list[Example]:
    """Gives the examples of an epoch: some without their full stop, some as two sentences in one text.

    What people type is not always one sentence with a full stop, as nearly all pairs are.

    Args:
        examples: one sentence each.
        stop: token of the full stop.
        rng: draws which examples are changed: 1 in 10 loses its full stop, 1 in 8 is joined with another.
    """
    out = []
    for example in examples:
        source, target = example
        if rng.random() < 0.1 and source[-2:-1] == target[-2:-1] == [stop]:
            source, target = [*source[:-2], source[-1]], [*target[:-2], target[-1]]
        elif rng.random() < 0.125:
            other = examples[rng.randrange(len(examples))]
            source, target = source[:-1] + other.source, target[:-1] + other.target
        out.append(Example(source, target))
    return out


def run(
    direction: str,
    folder: Path,
    *,
    data: Path | None = None,
    start: Path | None = None,
    steps: int = 2800,
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
    """Trains one direction and leaves the best version in a folder.

    Args:
        direction: "en-es" or "es-en".
        folder: where the model goes.
        data: folder of the sentence pairs, see `sentences.read_pairs`.
        start: folder of a model to start from: the other direction's, trained with the same pairs and sizes. Both have
            the same vocabulary, and what one has learned of the two languages, the other need not learn again.
        steps: batches to train on.
        size: tokens in the vocabulary.
        width: numbers in a token's vector.
        encoder: layers that read.
        decoder: layers that write.
        tokens: tokens a batch.
        peak: highest learning rate.
        limit: uses only so many pairs (for a quick try).
        seed: of everything random.
        check_every: steps between two validations.

    Returns:
        The history of `common.train`.

    Raises:
        ValueError: if the direction is neither of the two.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction: expected one of {DIRECTIONS}, got {direction!r}")
    pairs = sentences.read_pairs(data)
    if limit is not None:
        pairs = random.Random(seed).sample(pairs, min(limit, len(pairs)))
    parts = sentences.split_pairs(pairs, held_out=min(2000, len(pairs) // 10))
    # One vocabulary for both directions: it is learned from the training part, in both languages.
    tokenizer = common.make_tokenizer((text for pair in parts.train for text in pair), size=size)
    torch.manual_seed(seed)
    model = make_model(len(tokenizer), width=width, encoder=encoder, decoder=decoder)
    if start is not None:
        model.load_state_dict(MarianMTModel.from_pretrained(start, dtype=torch.float32).state_dict())
    train = encode(tokenizer, parts.train, direction)
    valid = encode(tokenizer, parts.valid, direction)
    stop: Any = tokenizer.convert_tokens_to_ids(".")
    print(
        json.dumps(
            {
                "train": len(train),
                "valid": len(valid),
                "test": len(parts.test),
                "parameters": model.num_parameters(),
                "tokens": sum(len(e.target) for e in train),
            }
        ),
        flush=True,
    )
    return common.train(
        model,
        lambda rng: vary(train, stop, rng),
        valid[:1000],
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
    parser.add_argument("direction", choices=DIRECTIONS)
    parser.add_argument("--data", type=Path, help="folder with spa.txt; fetched by default")
    parser.add_argument("--start", type=Path, help="folder of the other direction's model, to start from")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--steps", type=int, default=2800)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--encoder", type=int, default=3)
    parser.add_argument("--decoder", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=2000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--peak", type=float, default=1.5e-3)
    parser.add_argument("--check-every", type=int, default=200)
    options = vars(parser.parse_args())
    torch.set_num_threads(1)
    direction = options.pop("direction")
    folder = options.pop("folder") or common.WEIGHTS / f"translate-{direction}"
    run(direction, folder, **options)


if __name__ == "__main__":
    main()
