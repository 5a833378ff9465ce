"""Let a language model write.

Used in lesson 07, section 9.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:  # characters offers what stands here, too
    from course_utils.characters import Alphabet


@torch.no_grad()
def generate(
    model: nn.Module,
    alphabet: Alphabet,
    *,
    prompt: str = "\n",
    length: int = 80,
    rows: int = 1,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> list[str]:
    """Let a model write: draw the next character, feed it back, draw again.

    Args:
        model: as in `train`.
        alphabet: the one that the model was trained with.
        prompt: what is read first; a line break begins a sentence.
        length: characters to write.
        rows: how many texts, side by side.
        temperature: what the logits are divided by. Below 1 the likely characters become likelier, above 1 all become
            more alike; 0 takes the likeliest each time.
        generator: draws the characters.

    Returns:
        The texts written, without the prompt.

    Raises:
        ValueError: the temperature is negative, the prompt is empty, or length or rows are below 1.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature is {temperature}; expected 0 or more")
    if not prompt:
        raise ValueError("prompt is empty; expected one character or more, such as a line break")
    if length < 1 or rows < 1:
        raise ValueError(f"length is {length} and rows is {rows}; expected 1 or more of both")
    was_training = model.training
    model.eval()
    x = alphabet.encode(prompt).expand(rows, -1)  # (rows, characters of the prompt)
    written, state = [], None
    for _ in range(length):
        logits, state = model(x, state)
        last = logits[:, -1]  # (rows, A)
        if math.isinf(temperature):
            last = torch.zeros_like(last)
        if temperature == 0:
            x = last.argmax(1, keepdim=True)
        else:
            scaled = (last - last.amax(1, keepdim=True)) / (1.0 if math.isinf(temperature) else temperature)
            x = torch.multinomial(scaled.softmax(1), 1, generator=generator)
        written.append(x)
    model.train(was_training)
    return [alphabet.decode(row) for row in torch.cat(written, 1).tolist()]
