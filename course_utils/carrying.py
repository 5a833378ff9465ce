"""Truncated back-propagation through time: what a carried state is worth.

A text is too long to be unrolled whole. So it is read in chunks, and the gradient stops where a chunk begins. The state
need not stop there: it can be carried on as plain numbers, `detach`ed from how they were computed.

Used in lesson 07, section 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.characters import streams
from course_utils.copying import clip
from course_utils.stacked_recurrent import Kind, StackedRecurrent, State


@dataclass(frozen=True)
class Carried:
    """Losses of networks trained with a carried state, and of others that began each chunk with zeros.

    Attributes:
        losses: `losses[trained, read]`, (K,) float64, in nats a character on a text not trained on: how the network was
            trained, and how it reads the text, each "carried" or "zero".
    """

    losses: dict[tuple[str, str], Tensor]


def carried_or_zero(
    kind: Kind,
    text: Tensor,
    test: Tensor,
    *,
    characters: int,
    chunk: int,
    seeds: Sequence[int],
    width: int = 32,
    rows: int = 16,
    length: int = 1024,
    rate: float = 0.02,
) -> Carried:
    """Train two networks for each seed, from the same weights on the same text: one carries its state, one does not.

    Args:
        kind: "rnn", "lstm" or "gru".
        text: numbers of the characters to train on, (m,); each seed reads a part that begins at its own place.
        test: text to measure on, (n,).
        characters: how many the alphabet has.
        chunk: characters after which the gradient stops.
        seeds: one for each pair.
        width: numbers in the hidden state.
        rows: streams that are read side by side.
        length: characters of each stream; shorter chunks make more updates of them.
        rate: the highest learning rate of Adam.

    Returns:
        The losses.

    Raises:
        ValueError: the text is too short, or the chunk does not fit in.
    """
    needed = rows * (length + 1)
    if len(text) < needed or len(test) < 100 * (chunk + 1):
        raise ValueError(
            f"text has {len(text)} characters and test {len(test)}; expected {needed} and {100 * (chunk + 1)} or more"
        )
    if not 1 <= chunk <= length:
        raise ValueError(f"chunk is {chunk}; expected 1 to {length}")
    both = StackedRecurrent(kind, symbols=characters, width=width, outputs=characters, seeds=[*seeds, *seeds])
    parts = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        begin = int(torch.randint(len(text) - needed + 1, (1,), generator=generator))
        parts.append(streams(text[begin : begin + needed], rows=rows))
    own = torch.stack([*parts, *parts])  # (2 K, rows, length + 1)
    carries = torch.cat([torch.ones(len(seeds)), torch.zeros(len(seeds))]).view(-1, 1, 1)

    parameters = both.parameters()
    optimizer = torch.optim.Adam(parameters, rate, betas=(0.9, 0.99), fused=True)
    state: State | None = None
    steps = length // chunk
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(10 * (step + 1) / steps, (steps - step) / (0.9 * steps))
        piece = own[:, :, step * chunk : (step + 1) * chunk + 1]
        losses, state = read(both, piece, state)
        state = tuple(part.detach() * carries for part in state)
        optimizer.zero_grad()
        losses.sum().backward()  # a network's weights are in its own loss alone
        clip(parameters)
        optimizer.step()

    held = streams(test, rows=100)
    found = {}
    with torch.no_grad():
        for how in ("carried", "zero"):
            state, total, pieces = None, torch.zeros(2 * len(seeds), dtype=torch.float64), 0
            for start in range(0, held.shape[1] - chunk, chunk):
                losses, after = read(both, held[:, start : start + chunk + 1], state)
                state = after if how == "carried" else None
                total, pieces = total + losses, pieces + 1
            found["carried", how], found["zero", how] = (total / pieces).split(len(seeds))
    return Carried(found)


def read(networks: StackedRecurrent, piece: Tensor, state: State | None) -> tuple[Tensor, State]:
    """Read (K, B, T + 1) or (B, T + 1) characters; return each network's mean loss, (K,), and its state after T."""
    x, y = piece[..., :-1], piece[..., 1:]
    hidden, state = networks.read(x, state)
    logits = networks.answer(torch.cat(hidden, 1))  # (K, T * B, A)
    y = y.expand(len(networks), *y.shape[-2:]).transpose(1, 2).flatten()  # (K * T * B,), time before rows
    losses = F.cross_entropy(logits.flatten(0, 1), y, reduction="none")
    return losses.view(len(networks), -1).double().mean(1), state
