"""Put a masked language model together from a sentence encoder and the few megabytes that were trained on top of it.

The repository keeps only what training has changed: low-rank adapters (LoRA), and a head that guesses words. Adding
them to the encoder gives an ordinary BERT, which transformers loads like any other.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ADAPTERS = "adapters.safetensors"
SETTINGS = "adapters.json"
WEIGHTS = "model.safetensors"
#: A new number makes everyone put the model together again; change it with anything below that changes the result.
FORMAT = 1
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


def head_shapes(words: int, width: int) -> dict[str, tuple[int, ...]]:
    """The parts of BERT's head that guesses words, with their shapes.

    Args:
        words: how many there are in the vocabulary.
        width: numbers a token.
    """
    return {
        "cls.predictions.bias": (words,),
        "cls.predictions.transform.dense.weight": (width, width),
        "cls.predictions.transform.dense.bias": (width,),
        "cls.predictions.transform.LayerNorm.weight": (width,),
        "cls.predictions.transform.LayerNorm.bias": (width,),
    }


def merged(base: dict[str, Tensor], trained: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """Add adapters and a head to an encoder's weights.

    An adapter changes a weight W, (out, in), by a product of two thin matrices: W + scale · B A.

    Args:
        base: the encoder's weights, named as in `BertModel`.
        trained: by names of `BertForMaskedLM`: ``<module>.lora_A``, (r, in), with ``<module>.lora_B``, (out, r); the
            head; and any weight of the encoder that was trained in full.
        scale: of the adapters.

    Returns:
        The weights of a `BertForMaskedLM`, float32. Its output matrix is its word vectors, so it is not stored twice.

    Raises:
        ValueError: a name or a shape does not fit.

    Source:
        Hu et al. (2021), LoRA: Low-Rank Adaptation of Large Language Models.
    """
    # The sentence encoder's pooler and position numbers have no place in a model that guesses words.
    left_out = ("pooler.", "embeddings.position_ids")
    weights = {f"bert.{name}": value.float() for name, value in base.items() if not name.startswith(left_out)}
    head = head_shapes(*weights["bert.embeddings.word_embeddings.weight"].shape)
    shapes = {**{name: tuple(value.shape) for name, value in weights.items()}, **head}
    for name, value in trained.items():
        module, _, kind = name.rpartition(".")
        if kind == "lora_B" and f"{module}.lora_A" in trained:
            continue
        if kind == "lora_A":
            target, other = f"{module}.weight", trained.get(f"{module}.lora_B")
            if target not in weights or other is None:
                raise ValueError(f"{name} fits no weight of the encoder, or its lora_B is not there")
            change = scale * other.float() @ value.float()  # (out, r) @ (r, in) -> (out, in)
            if tuple(change.shape) != shapes[target]:
                raise ValueError(f"{name} changes a weight of shape {tuple(change.shape)}; expected {shapes[target]}")
            weights[target] = weights[target] + change
        elif name not in shapes:
            raise ValueError(f"{name} is no weight of the encoder, no adapter and no part of the head")
        elif tuple(value.shape) != shapes[name]:
            raise ValueError(f"{name} has shape {tuple(value.shape)}; expected {shapes[name]}")
        else:
            weights[name] = value.float()
    if missing := sorted(head.keys() - trained.keys()):
        raise ValueError(f"the head lacks {', '.join(missing)}")
    return weights


def assemble(base: Path, adapters: Path, out: Path) -> Path:
    """Write the folder of a masked language model.

    Args:
        base: folder of the encoder (BERT type): config.json, model.safetensors, tokenizer.
        adapters: folder with adapters.safetensors and adapters.json, ``{"scale": …}``; tokenizer files in it go before
            those of the base.
        out: the folder to make.

    Returns:
        `out`.

    Raises:
        ValueError: the two do not fit together.
        OSError: a file is not there, or `out` is there or cannot be written.
    """
    from safetensors.torch import load_file, save_file

    settings = json.loads((adapters / SETTINGS).read_text(encoding="utf-8"))
    if not isinstance(settings.get("scale"), int | float):
        raise ValueError(f"{SETTINGS} says scale = {settings.get('scale')!r}; expected a number")
    weights = merged(load_file(base / WEIGHTS), load_file(adapters / ADAPTERS), float(settings["scale"]))
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config |= {"architectures": ["BertForMaskedLM"], "tie_word_embeddings": True}
    config.pop("_name_or_path", None)

    out.mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in weights.items()}, out / WEIGHTS, {"format": "pt"})
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for name in (*TOKENIZER_FILES, "README.md"):
        # The base has a card of its own, which would say nothing about the head.
        places = (adapters,) if name == "README.md" else (adapters, base)
        if (source := next((place / name for place in places if (place / name).exists()), None)) is not None:
            shutil.copyfile(source, out / name)
    return out
