"""What the trainings share: a tokenizer, packed batches, one loop in bfloat16, saving and writing."""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging

PAD, END, UNKNOWN = 0, 1, 2
SPECIAL = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
IGNORE = -100  # labels that the loss leaves out
WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


class Example(NamedTuple):
    """Token numbers of an input and of the output wanted for it, both with the end mark."""

    source: list[int]
    target: list[int]


def make_tokenizer(texts: Iterable[str], *, size: int) -> PreTrainedTokenizerFast:
    """Learns a vocabulary of frequent letter groups (byte-level BPE) and returns it as a transformers tokenizer.

    Bytes are the smallest pieces, so that no text has an unknown character. Every text gets the end mark.
    """
    inner = Tokenizer(models.BPE(unk_token=None))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    # The space that was put before the first word goes away again.
    inner.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", END)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        **SPECIAL,
        model_max_length=128,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def pad(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    """Puts rows of different lengths into one tensor, (rows, longest), int64."""
    out = torch.full((len(rows), max(map(len, rows))), value)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(row)
    return out


def packed(examples: Sequence[Example], tokens: int, rng: random.Random | None = None) -> Iterator[list[Example]]:
    """Yields batches of about `tokens` target tokens, of similar lengths, so that little is padding.

    Args:
        examples: what to pack.
        tokens: most tokens (padding included) on the longer side of a batch.
        rng: mixes the examples and the order of the batches; without one the order is by length.
    """
    order = list(range(len(examples)))
    if rng is not None:
        rng.shuffle(order)
    order.sort(key=lambda i: (len(examples[i].target), len(examples[i].source)))  # stable: ties stay mixed
    batches: list[list[Example]] = []
    batch: list[Example] = []
    longest = 0
    for i in order:
        longest = max(longest, len(examples[i].source), len(examples[i].target))
        if batch and longest * (len(batch) + 1) > tokens:
            batches.append(batch)
            batch, longest = [], max(len(examples[i].source), len(examples[i].target))
        batch.append(examples[i])
    if batch:
        batches.append(batch)
    if rng is not None:
        rng.shuffle(batches)
    yield from batches


def batch_loss(model: Any, batch: Sequence[Example], *, smoothing: float) -> tuple[Tensor, int]:
    """Measures how badly a model predicts each next token of the targets.

    Returns:
        The mean cross-entropy a token (nats, with label smoothing), and how many tokens it is the mean of.
    """
    source = pad([example.source for example in batch], PAD)
    # The decoder starts from the pad mark and sees every token but the last.
    seen = pad([[PAD, *example.target[:-1]] for example in batch], PAD)
    labels = pad([example.target for example in batch], IGNORE)
    logits = model(input_ids=source, attention_mask=(source != PAD).long(), decoder_input_ids=seen).logits
    loss = F.cross_entropy(
        logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE, label_smoothing=smoothing
    )
    return loss, int((labels != IGNORE).sum())


@torch.no_grad()
def mean_loss(model: Any, examples: Sequence[Example], *, tokens: int = 4000) -> float:
    """Measures the mean cross-entropy a token, in nats, without label smoothing."""
    model.eval()
    total, count = 0.0, 0
    for batch in packed(examples, tokens):
        loss, n = batch_loss(model, batch, smoothing=0.0)
        total, count = total + float(loss) * n, count + n
    return total / count


def learning_rate(step: int, steps: int, peak: float, warm_up: int) -> float:
    """Rises in a straight line to the peak, then falls in a straight line to (almost) zero."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * max(0.02, (steps - step) / max(1, steps - warm_up))


def train(
    model: Any,
    draw: Callable[[random.Random], Sequence[Example]],
    valid: Sequence[Example],
    *,
    steps: int,
    tokens: int = 2000,
    peak: float = 2e-3,
    warm_up: int = 300,
    smoothing: float = 0.1,
    check_every: int = 400,
    seed: int = 0,
    save: Callable[[Any], None] = lambda model: None,
) -> list[dict[str, float]]:
    """Trains in bfloat16 with float32 master weights, and saves whenever the validation loss is the best so far.

    The model computes in bfloat16, which processors with matrix instructions for it do several times as fast. Its
    steps are too small for bfloat16's 8 bits, so that they are added up in float32 copies.

    Args:
        model: an encoder–decoder of transformers, float32.
        draw: gives the examples of one epoch.
        valid: examples that are never trained on.
        steps: how many batches.
        tokens: tokens a batch.
        peak: highest learning rate of AdamW.
        warm_up: steps until the peak.
        smoothing: label smoothing.
        check_every: steps between two validations.
        seed: of the order of the examples and of dropout.
        save: receives the model, float32, whenever it is the best so far.

    Returns:
        A line for each validation: step, seconds, training loss (smoothed labels), validation loss (nats a token).
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    keep = copy.deepcopy(model).float()
    masters = list(keep.parameters())
    model = model.to(torch.bfloat16)
    # On a processor the fused attention is slower than plain products for sentences of ten tokens.
    model.set_attn_implementation("eager")
    live = list(model.parameters())
    decayed = [p for p in masters if p.ndim > 1]
    plain = [p for p in masters if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}],
        lr=peak,
        betas=(0.9, 0.98),
        eps=1e-8,
        fused=True,
    )
    history: list[dict[str, float]] = []
    best, start, running = float("inf"), time.perf_counter(), 0.0
    batches: Iterator[list[Example]] = iter(())
    for step in range(steps):
        batch = next(batches, None)
        if batch is None:
            batches = packed(draw(rng), tokens, rng)
            batch = next(batches)
        model.train()
        loss, _ = batch_loss(model, batch, smoothing=smoothing)
        loss.backward()
        for master, parameter in zip(masters, live):
            master.grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        torch.nn.utils.clip_grad_norm_(masters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak, warm_up)
        optimizer.step()
        with torch.no_grad():
            for master, parameter in zip(masters, live):
                parameter.copy_(master)
        running += float(loss.detach())
        if (step + 1) % check_every == 0 or step + 1 == steps:
            line = {
                "step": step + 1,
                "seconds": round(time.perf_counter() - start, 1),
                "train": round(running / ((step % check_every) + 1), 4),
                "valid": round(mean_loss(model, valid), 4),
            }
            running = 0.0
            history.append(line)
            print(json.dumps(line), flush=True)
            if line["valid"] < best:
                best = line["valid"]
                save(keep)
    return history


def save_model(model: Any, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes a model in float16, its settings and its tokenizer: a folder that transformers' Auto classes load."""
    folder.mkdir(parents=True, exist_ok=True)
    logging.disable_progress_bar()
    copy.deepcopy(model).to(torch.float16).save_pretrained(folder)
    # Stored in float16, loaded in float32: processors are slow in float16.
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "float32"}, indent=2) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)


@torch.no_grad()
def write(model: Any, tokenizer: Any, texts: Sequence[str], *, batch: int = 100, **options: Any) -> list[str]:
    """Lets a model write one output for each text, in the texts' order."""
    model.eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = [""] * len(texts)
    for first in range(0, len(order), batch):
        some = order[first : first + batch]
        inputs = tokenizer([texts[i] for i in some], padding=True, truncation=True, return_tensors="pt")
        for i, text in zip(some, tokenizer.batch_decode(model.generate(**inputs, **options), skip_special_tokens=True)):
            out[i] = text
    return out
