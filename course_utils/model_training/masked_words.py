"""Trains the model that guesses a hidden word: low-rank adapters and a head on the frozen sentence encoder.

Run it as `python -m course_utils.model_training.masked_words`. Only what is trained is stored (3 MB);
`course_utils.adapters.assemble` adds it to the encoder, which makes an ordinary BERT.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, BertForMaskedLM
from transformers.utils import logging

from course_utils.adapters import ADAPTERS, SETTINGS, assemble
from course_utils.model_training.common import WEIGHTS
from course_utils.model_training.masked_word_texts import MIX, Texts, Words, batches, one_hidden, read_texts

SCALE = 2.0  # of the adapters
NEVER = -1000.0  # bias of tokens that are no whole word: the model never offers them


class Adapter(nn.Module):
    """A linear layer whose weight is frozen, with a trained low-rank change: x (W + scale · B A)ᵀ + b.

    Args:
        linear: the layer; its bias is trained.
        rank: rows of A.
        dtype: what it computes in.
    """

    def __init__(self, linear: nn.Linear, rank: int, dtype: torch.dtype) -> None:
        super().__init__()
        wide, narrow = linear.weight.shape
        self.register_buffer("frozen", linear.weight.data.to(dtype))
        self.bias = nn.Parameter(linear.bias.data.clone())
        self.lora_A = nn.Parameter(torch.randn(rank, narrow) / math.sqrt(narrow))
        self.lora_B = nn.Parameter(torch.zeros(wide, rank))  # zeros: at first nothing is changed

    def forward(self, x: Tensor) -> Tensor:
        """Computes (…, in) -> (…, out)."""
        frozen: Tensor = self.frozen  # type: ignore[assignment]
        a, b = self.lora_A.to(frozen.dtype), self.lora_B.to(frozen.dtype)
        return F.linear(x, frozen, self.bias.to(frozen.dtype)) + SCALE * F.linear(F.linear(x, a), b)


class Norm(nn.LayerNorm):
    """A layer normalisation with float32 parameters that computes in the type of its input."""

    def forward(self, input: Tensor) -> Tensor:
        """Computes (…, width) -> (…, width)."""
        weight, bias = self.weight.to(input.dtype), self.bias.to(input.dtype)
        return F.layer_norm(input, list(self.normalized_shape), weight, bias, self.eps)


class Guesser(nn.Module):
    """The encoder with adapters, and BERT's head for words, tied to the frozen word vectors.

    Args:
        base: folder of the encoder.
        words: its vocabulary.
        rank: of the adapters.
        dtype: what the products are computed in. bfloat16 is several times as fast on processors that know it.
    """

    def __init__(self, base: Path, words: Words, *, rank: int, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        config = AutoConfig.from_pretrained(base)
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        config.tie_word_embeddings = True
        # On a processor the fused attention is slower than plain products for texts of 30 tokens.
        model: Any = BertForMaskedLM._from_config(config, attn_implementation="eager")
        encoder = {
            f"bert.{name}": value
            for name, value in load_file(base / "model.safetensors").items()
            if not name.startswith("pooler.") and not name.endswith("position_ids")
        }
        unexpected = model.load_state_dict(encoder, strict=False).unexpected_keys
        if unexpected:
            raise ValueError(f"base: expected the weights of a BERT, got also {unexpected[:3]}")
        model.requires_grad_(False)
        self.bert, self.transform, self.words = model.bert, model.cls.predictions.transform, words
        for parent in list(self.bert.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(parent, name, Adapter(child, rank, dtype))
                elif isinstance(child, nn.LayerNorm):
                    child.__class__ = Norm
                    child.requires_grad_(True)
        vectors = self.bert.embeddings.word_embeddings.weight.data
        nn.init.eye_(self.transform.dense.weight)
        nn.init.constant_(self.transform.LayerNorm.weight, 0.5)
        self.transform.LayerNorm.__class__ = Norm
        self.transform.requires_grad_(True)
        self.register_buffer("vectors", vectors[words.allowed].to(dtype))
        self.bias = nn.Parameter(torch.zeros(len(words.allowed)))
        for table in (child for child in self.bert.embeddings.children() if isinstance(child, nn.Embedding)):
            table.to(dtype)

    def forward(self, x: Tensor, where: Tensor) -> Tensor:
        """Computes the logits of the candidate words where they are asked for: (n, t), (n, t) bool -> (m, words)."""
        h = self.bert(input_ids=x).last_hidden_state[where]  # (n, t, width) -> (m, width)
        dense = self.transform.dense
        h = self.transform.LayerNorm(F.gelu(F.linear(h, dense.weight.to(h.dtype), dense.bias.to(h.dtype))))
        return F.linear(h, self.vectors).float() + self.bias  # type: ignore[arg-type]

    def trained(self) -> dict[str, Tensor]:
        """Gives what was trained, float16, under the names that `adapters.merged` expects."""
        out = {f"bert.{name}": p for name, p in self.bert.named_parameters() if p.requires_grad}
        out |= {f"cls.predictions.transform.{name}": p for name, p in self.transform.named_parameters()}
        bias = torch.full((len(self.words.number),), NEVER)
        bias[self.words.allowed] = self.bias.detach()
        out["cls.predictions.bias"] = bias
        return {name: value.detach().to(torch.float16).contiguous() for name, value in out.items()}


@torch.no_grad()
def measure(model: nn.Module, examples: Sequence[tuple[Tensor, Tensor, Tensor]]) -> dict[str, float]:
    """Measures guesses: share of hidden words that are the first guess, among the first five; perplexity."""
    first = five = count = 0
    nats = 0.0
    for seen, where, y in examples:
        logits = model(seen, where)
        nats += float(F.cross_entropy(logits, y, reduction="sum"))
        hit = logits.topk(5).indices == y[:, None]
        first, five, count = first + int(hit[:, 0].sum()), five + int(hit.any(1).sum()), count + len(y)
    scores = {"top1": first / count, "top5": five / count, "perplexity": math.exp(nats / count)}
    return {name: round(value, 4) for name, value in scores.items()}


def save(model: Guesser, base: Path, folder: Path) -> None:
    """Writes adapters and head, and checks that the model put together from them still guesses the same.

    Raises:
        RuntimeError: if its logits differ by more than the rounding to float16 explains.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.trained(), folder / ADAPTERS, {"format": "pt"})
    (folder / ADAPTERS).chmod(0o644)  # it is made readable by its owner alone
    (folder / SETTINGS).write_text(json.dumps({"scale": SCALE, "rank": rank_of(model)}) + "\n", encoding="utf-8")
    difference = merged_difference(model, base, folder)
    if difference > 0.1:
        raise RuntimeError(f"the assembled model's logits differ by {difference:.3f} from the trained one's")


def rank_of(model: Guesser) -> int:
    """Gives the rank of a model's adapters."""
    return next(module.lora_A.shape[0] for module in model.modules() if isinstance(module, Adapter))


@torch.no_grad()
def merged_difference(model: Guesser, base: Path, folder: Path) -> float:
    """Compares the assembled model with the trained adapters, both in float32: largest difference of a logit."""
    precise = Guesser(base, model.words, rank=rank_of(model), dtype=torch.float32)
    state = {name: p for name, p in model.named_parameters() if p.requires_grad}
    precise.load_state_dict(state, strict=False)
    x = torch.randint(len(model.words.number), (4, 24), generator=torch.Generator().manual_seed(0))
    where = torch.ones_like(x, dtype=torch.bool)
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as scratch:
        out = assemble(base, folder, Path(scratch) / "model")
        whole: Any = BertForMaskedLM.from_pretrained(out, dtype=torch.float32, local_files_only=True).eval()
        logits = whole(input_ids=x).logits[where][:, model.words.allowed]
    return float((logits - precise(x, where)).abs().max())


def run(
    base: Path,
    folder: Path,
    texts: Texts,
    *,
    steps: int | None = 5000,
    minutes: float = math.inf,
    rank: int = 32,
    tokens: int = 1024,
    rate: float = 0.25,
    peak: float = 2e-3,
    check_every: int = 400,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Trains, and leaves the best version in a folder.

    Args:
        base: folder of the sentence encoder.
        folder: where adapters and head go.
        texts: what to learn from, see `read_texts`.
        steps: batches to train on.
        minutes: stops earlier after so much time; the learning rate falls in time for that.
        rank: of the adapters.
        tokens: tokens a batch.
        rate: share of the words that are hidden.
        peak: highest learning rate of AdamW.
        check_every: steps between two validations.
        seed: of everything random.

    Returns:
        A line for each validation: step, seconds, training loss (nats a word), and what `measure` gives.
    """
    torch.manual_seed(seed)
    words = Words(base)
    rows = {k: words.encode(some, shortest=11 if k == "everyday" else 5) for k, some in texts.train.items()}
    valid = one_hidden(words, words.encode(texts.valid))
    model = Guesser(base, words, rank=rank)
    # The bias starts as what is known without any context: how often each word occurs.
    counts = torch.full((len(words.number),), 0.5)
    for kind, some in rows.items():
        counts += MIX[kind] * torch.bincount(torch.tensor([t for row in some for t in row]), minlength=len(counts))
    model.bias.data.copy_((counts[words.allowed] / counts[words.allowed].sum()).log())

    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.98), fused=True)
    generator, rng = torch.Generator().manual_seed(seed + 1), random.Random(seed + 1)
    history: list[dict[str, float]] = []
    best, start, running = math.inf, time.perf_counter(), 0.0
    supply: Iterator[Tensor] = iter(())
    step, done = 0, 0.0
    while done < 1:
        x = next(supply, None)
        if x is None:
            supply = batches(rows, tokens, rng)
            continue
        seen, where, y = words.hide(x, rate, generator)
        if not len(y):
            continue
        loss = F.cross_entropy(model(seen, where), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            # Up for 100 steps, flat for a fifth of the way, then down to zero in a straight line.
            group["lr"] = peak * min(1.0, step / 100) * min(1.0, (1 - done) / 0.8)
        optimizer.step()
        step += 1
        running += loss.item()
        seconds = time.perf_counter() - start
        done = max(step / steps if steps else 0.0, seconds / 60 / minutes)
        if step % check_every == 0 or done >= 1:
            since = step % check_every or check_every
            line = {"step": step, "seconds": round(seconds), "loss": round(running / since, 3)}
            line |= measure(model, valid)
            running = 0.0
            history.append(line)
            print(json.dumps(line), flush=True)
            if line["perplexity"] < best:
                best = line["perplexity"]
                save(model, base, folder)
    return history


def main() -> None:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, help="folder of the sentence encoder; fetched by default")
    parser.add_argument("--data", type=Path, help="folder with the texts; fetched by default")
    parser.add_argument("--folder", type=Path, default=WEIGHTS / "masked-words")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--peak", type=float, default=2e-3)
    parser.add_argument("--check-every", type=int, default=400)
    options = vars(parser.parse_args())
    torch.set_num_threads(1)
    base, data = options.pop("base"), options.pop("data")
    if base is None:
        from course_utils import assets

        base = assets.path("minilm")
    run(base, options.pop("folder"), read_texts(data), **options)


if __name__ == "__main__":
    main()
