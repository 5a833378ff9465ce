"""A character language model: from texts to numbers, the model, its training, and texts out of the model again.

A language model guesses what comes next. Here what comes next is one character, out of some 46: so the vocabulary is
small, nothing is unknown, and a model for a laptop can be trained while you watch. `ngrams.NGram` guesses by counting,
`CharacterModel` with a recurrent network.

Built in lesson 07, sections 9 to 11.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.ngrams import END, NGram
from course_utils.writing import generate

__all__ = [
    "END",
    "Alphabet",
    "CharacterModel",
    "NGram",
    "chunks",
    "detached",
    "generate",
    "measure",
    "perplexity",
    "plain",
    "streams",
    "train",
]

#: The state of a recurrent layer: one tensor (RNN, GRU), or two (LSTM: hidden state and cell state).
State = Any
PLAIN = re.compile(r"[a-z0-9 .,?!'\":-]+\Z")


def plain(texts: Iterable[str]) -> list[str]:
    """Write texts in small letters and keep those of common characters alone, each once, in their order.

    Args:
        texts: any texts, a sentence each.

    Returns:
        Those that hold nothing but a–z, digits, blanks and ``.,?!'":-``.

    Example:
        >>> plain(["It’s cold.", "It's cold.", "It costs 5 €."])
        ["it's cold."]
    """
    small = dict.fromkeys(text.lower().replace("’", "'") for text in texts)
    return [text for text in small if PLAIN.match(text)]


class Alphabet:
    r"""The characters of some texts, numbered: 0 is the end of a sentence, the others follow in their usual order.

    Args:
        texts: where the characters come from.

    Raises:
        ValueError: there is no character in the texts.
        TypeError: texts is one string; expected several.

    Example:
        >>> alphabet = Alphabet(["a cab"])
        >>> alphabet.encode(["cab", "a"]).tolist(), len(alphabet)
        ([4, 2, 3, 0, 2, 0], 5)
        >>> alphabet.decode([4, 2, 3, 0])
        'cab\n'
    """

    def __init__(self, texts: Iterable[str]) -> None:
        if isinstance(texts, str):
            raise TypeError("texts is one string; expected several: [text]")
        self.characters = "\n" + "".join(sorted(set("".join(texts)) - {"\n"}))
        if len(self.characters) == 1:
            raise ValueError("texts hold no character; expected one or more")
        codes = [ord(character) for character in self.characters]
        self._numbers = np.full(max(codes) + 2, -1)  # by code; the last place is for all codes above
        self._numbers[codes] = np.arange(len(codes))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, texts: str | Sequence[str]) -> Tensor:
        """Turn texts into one long row of numbers.

        Args:
            texts: one string, as it stands; or several, each of which gets an end behind it.

        Returns:
            (m,) int64.

        Raises:
            ValueError: a character is not in the alphabet.
        """
        text = texts if isinstance(texts, str) else "".join(text + "\n" for text in texts)
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        numbers = self._numbers[np.minimum(codes, len(self._numbers) - 1)]
        if (unknown := codes[numbers < 0]).size:
            raise ValueError(f"texts hold {chr(unknown[0])!r}, which is not in the alphabet {self.characters!r}")
        return torch.from_numpy(numbers)

    def decode(self, numbers: Tensor | Sequence[int]) -> str:
        """Turn numbers, (m,), back into text; an end becomes a line break."""
        return "".join(self.characters[int(number)] for number in numbers)


def streams(numbers: Tensor, *, rows: int) -> Tensor:
    """Cut a text into some long streams of equal length, to be read side by side.

    Args:
        numbers: the text, (m,).
        rows: how many streams.

    Returns:
        (rows, m // rows): stream i + 1 goes on where stream i ends. What is left over at the end is not used.

    Raises:
        ValueError: there are fewer numbers than rows, or no row is asked for.
    """
    if numbers.ndim != 1:
        raise ValueError(f"numbers have shape {tuple(numbers.shape)}; expected (m,)")
    if not 1 <= rows <= len(numbers):
        raise ValueError(f"rows is {rows} for {len(numbers)} numbers; expected 1 to {len(numbers)}")
    length = len(numbers) // rows
    return numbers[: rows * length].view(rows, length)


def chunks(rows: Tensor, length: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Walk through streams chunk by chunk: each goes on where the one before stopped, so that a state can be carried.

    Args:
        rows: streams, (rows, T).
        length: characters of a chunk.

    Yields:
        x and y, both (rows, length): y is what comes after each character of x. (T − 1) // length pairs.

    Raises:
        ValueError: the streams are too short for one chunk, or the length is below 1.
    """
    if rows.ndim != 2 or not 1 <= length < rows.shape[1]:
        raise ValueError(f"length is {length} for streams of shape {tuple(rows.shape)}; expected (rows, T), 1 to T − 1")
    for start in range(0, rows.shape[1] - length, length):
        yield rows[:, start : start + length], rows[:, start + 1 : start + length + 1]


class CharacterModel(nn.Module):
    """Guess the next character: an embedding, a recurrent layer, a linear layer.

    Args:
        characters: how many the alphabet has.
        width: numbers in the hidden state.
        embedding: numbers that stand for a character.
        layer: class of the recurrent layer: `nn.RNN`, `nn.LSTM`, `nn.GRU`, or one built like them.
    """

    def __init__(
        self, characters: int, width: int, *, embedding: int = 32, layer: Callable[..., nn.Module] = nn.LSTM
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, embedding)
        self.recurrent = layer(embedding, width, batch_first=True)
        self.output = nn.Linear(width, characters)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Read some characters.

        Args:
            x: characters, (B, T) int64.
            state: the state after the characters before, or None for a state of zeros.

        Returns:
            Logits of the character after each, (B, T, characters), and the state after the last.
        """
        outputs, state = self.recurrent(self.embedding(x), state)  # (B, T, width)
        return self.output(outputs), state


def detached(state: State) -> State:
    """Cut a state off from how it was computed: back-propagation stops here. The numbers stay."""
    if state is None:
        return None
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def train(
    model: nn.Module,
    rows: Tensor,
    *,
    chunk: int = 16,
    steps: int | None = None,
    rate: float = 0.02,
    carry: bool = True,
    clip_norm: float = 1.0,
) -> nn.Module:
    """Train with truncated back-propagation through time: chunk by chunk, and no gradient leaves its chunk.

    The learning rate of Adam rises for a tenth of the steps, then falls in a straight line to almost zero.

    Args:
        model: (x, state) -> (logits, state), as `CharacterModel`; is changed.
        rows: streams, (rows, T).
        chunk: characters in a chunk.
        steps: updates; None reads the streams once. More than that begin again at their start.
        rate: the highest learning rate.
        carry: begin a chunk with the state that the one before left; False begins each with zeros.
        clip_norm: largest norm of the gradient.

    Returns:
        The model.

    Raises:
        ValueError: steps is below 1, or the streams are too short.

    Source: Williams & Peng 1990; Mikolov 2010 for language models.
    """
    whole = (rows.shape[1] - 1) // chunk if rows.ndim == 2 else 0
    steps = whole if steps is None else steps
    if steps < 1:
        raise ValueError(f"steps is {steps}; expected 1 or more, and streams longer than a chunk of {chunk}")
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, rate, betas=(0.9, 0.99), fused=True)
    rise = max(1, steps // 10)
    model.train()
    done, state = 0, None
    while done < steps:
        state = None  # the streams begin anew
        for x, y in chunks(rows, chunk):
            for group in optimizer.param_groups:
                group["lr"] = rate * min((done + 1) / rise, (steps - done) / max(steps - rise, 1))
            logits, state = model(x, detached(state) if carry else None)
            loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, clip_norm)
            optimizer.step()
            done += 1
            if done == steps:
                break
    return model.eval()


@torch.no_grad()
def measure(model: nn.Module, rows: Tensor, *, chunk: int = 256, carry: bool = True) -> float:
    """Return the mean loss of a model on streams it did not train on, in nats a character.

    Args:
        model: as in `train`.
        rows: streams, (rows, T).
        chunk: characters that are read at once; with `carry` it changes nothing but the memory needed.
        carry: keep the state from chunk to chunk; False begins each with zeros.
    """
    was_training = model.training
    model.eval()
    total, seen, state = 0.0, 0, None
    start = 0
    while start < rows.shape[1] - 1:
        x, y = rows[:, start : start + chunk], rows[:, start + 1 : start + chunk + 1]
        x = x[:, : y.shape[1]]
        logits, state = model(x, state if carry else None)
        total += float(F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum"))
        seen, start = seen + y.numel(), start + chunk
    model.train(was_training)
    return total / seen


def perplexity(mean_nats: float) -> float:
    """Turn a mean loss into a perplexity: between how many equally likely characters the model hesitates.

    Args:
        mean_nats: mean cross entropy in nats, as `F.cross_entropy` gives it.

    Example:
        >>> round(perplexity(math.log(46)))
        46
    """
    return math.exp(mean_nats)
