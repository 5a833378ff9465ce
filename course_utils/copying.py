"""Two tasks that ask how much a hidden state remembers, and for how long.

**Copy.** A network reads n random symbols. From its last hidden state alone, one linear layer must name all n of them.
There is no second way for the information: the state is the bottleneck. (In the classical copy task a decoder writes
the symbols one after the other; the linear layer asks the same of the state and needs no second loop.)

**First symbol.** A network reads one symbol, then many others that do not matter, and must name the first. Here little
is to be remembered, but for long.

Used in lesson 07, sections 6 and 7.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from scipy.optimize import brentq
from torch import Tensor
from torch.nn import functional as F

from course_utils.stacked_recurrent import Kind, StackedRecurrent, Start

#: (B, generator) -> what every network reads and what it must answer, (K, B, T) and (K, B, n).
Draw = Callable[[int], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Remembered:
    """What K trained networks remember, measured on fresh sequences.

    Attributes:
        networks: the networks.
        x: what each read in the test, (K, B, T).
        y: what it had to name, (K, B, n).
        symbols: how many different answers there are.
        losses: training loss of each step, (K, steps), in nats a symbol.
    """

    networks: StackedRecurrent
    x: Tensor
    y: Tensor
    symbols: int
    losses: Tensor

    def logits(self, *, unit_bits: int | None = None) -> Tensor:
        """Answer from the last hidden state.

        Args:
            unit_bits: round each number of the state to one of 2 ** unit_bits values first, evenly spread between −1
                and 1; None leaves it as it is.

        Returns:
            (K, B, n, symbols).
        """
        with torch.no_grad():
            last = self.networks.read(self.x)[0][-1]  # (K, B, width)
            if unit_bits is not None:
                last = rounded(last, unit_bits)
            return self.networks.answer(last).unflatten(-1, (-1, self.symbols))

    def right(self, *, unit_bits: int | None = None) -> Tensor:
        """Return the share of right answers for each place in the sequence, (K, n). See `logits`."""
        return (self.logits(unit_bits=unit_bits).argmax(-1) == self.y).double().mean(1)

    def accuracy(self, *, unit_bits: int | None = None) -> Tensor:
        """Return the share of right answers, (K,). See `logits`."""
        return self.right(unit_bits=unit_bits).mean(1)

    def bits(self) -> Tensor:
        """Return how many bits about the sequence the answers prove that the state holds, (K,).

        A symbol asks for log2(symbols) bits. What the answer leaves open is its cross entropy; the rest was in the
        state. It may hold more, in a form that a linear layer cannot read.
        """
        logits = self.logits().double()
        open_bits = F.cross_entropy(logits.flatten(0, 2), self.y.flatten(), reduction="none") / math.log(2)
        return (math.log2(self.symbols) - open_bits.view(self.y.shape).mean(1)).sum(1)


def rounded(state: Tensor, unit_bits: int) -> Tensor:
    """Round numbers between −1 and 1 to the middle of one of 2 ** unit_bits equal parts; any shape."""
    if unit_bits < 1:
        raise ValueError(f"unit_bits is {unit_bits}; expected 1 or more")
    parts = 2**unit_bits
    return ((state + 1) / 2 * parts).floor().clamp(0, parts - 1).add(0.5) * (2 / parts) - 1


def highest_accuracy(bits: float, *, length: int, symbols: int) -> float:
    """Return the share of right answers that nothing can exceed which holds so many bits about the sequence.

    The sequence is `length` symbols, each drawn evenly and on its own from S different ones. A guess that is wrong with
    chance e tells at least log2 S − H(e) − e log2(S − 1) bits about its symbol, with H(e) = −e log2 e − (1 − e)
    log2(1 − e). All guesses together cannot tell more than `bits`; that limits the mean of e. It holds for every
    network and every training. A state that can take M different values holds at most log2 M bits.

    Args:
        bits: what the state holds at most, 0 or more.
        length: symbols to name.
        symbols: how many different symbols there are, 2 or more.

    Returns:
        1 / symbols (pure guessing) to 1.

    Raises:
        ValueError: an argument is out of range.

    Source: Shannon 1959, the rate-distortion function of an even source; Fano's inequality.

    Example:
        >>> highest_accuracy(0, length=5, symbols=4), highest_accuracy(10, length=5, symbols=4)
        (0.25, 1.0)
    """
    if not bits >= 0 or length < 1 or symbols < 2:
        raise ValueError(
            f"bits is {bits}, length {length}, symbols {symbols}; expected bits ≥ 0, length ≥ 1, symbols ≥ 2"
        )
    share = bits / length
    if share >= math.log2(symbols):
        return 1.0

    def told(wrong: float) -> float:
        unsure = sum(-p * math.log2(p) for p in (wrong, 1 - wrong) if p > 0)
        return math.log2(symbols) - unsure - wrong * math.log2(symbols - 1)

    if share == 0:
        return 1 / symbols
    return 1 - float(brentq(lambda wrong: told(wrong) - share, 0.0, 1 - 1 / symbols))


def copy_task(
    kind: Kind = "rnn",
    *,
    length: int,
    width: int,
    seeds: Sequence[int],
    symbols: int = 8,
    steps: int = 200,
    batch: int = 32,
    rate: float = 0.02,
    tests: int = 400,
) -> Remembered:
    """Train networks to name all symbols of a sequence from the last hidden state.

    Args:
        kind: "rnn" (which begins with orthogonal weights), "lstm" or "gru".
        length: symbols in a sequence, n.
        width: numbers in the hidden state.
        seeds: one for each network: its first weights and its sequences.
        symbols: how many different symbols there are.
        steps: updates; each sees fresh sequences.
        batch: sequences an update.
        rate: the highest learning rate of Adam; in the second half of the steps it falls to 0.
        tests: fresh sequences to measure on.

    Returns:
        What each remembers.

    Raises:
        ValueError: an argument is out of range.
    """
    check(length=length, steps=steps, batch=batch, tests=tests, symbols=symbols)
    networks = StackedRecurrent(
        kind,
        symbols=symbols,
        width=width,
        outputs=length * symbols,
        seeds=seeds,
        start="orthogonal" if kind == "rnn" else "torch",
    )
    generators = own_generators(seeds)

    def draw(rows: int) -> tuple[Tensor, Tensor]:
        x = torch.stack([torch.randint(symbols, (rows, length), generator=one) for one in generators])
        return x, x

    return learn(networks, draw, symbols=symbols, steps=steps, batch=batch, rate=rate, tests=tests)


def first_symbol(
    kind: Kind,
    *,
    distance: int,
    seeds: Sequence[int],
    start: Start = "torch",
    width: int = 16,
    symbols: int = 4,
    steps: int = 150,
    batch: int = 32,
    rate: float = 0.02,
    tests: int = 400,
) -> Remembered:
    """Train networks to name the first symbol after reading `distance` others, which are drawn from another alphabet.

    Args:
        kind: "rnn", "lstm" or "gru".
        distance: how many symbols stand between the first and the answer.
        seeds: one for each network: its first weights and its sequences.
        start: how the recurrent weights begin, see `StackedRecurrent`.
        width: numbers in the hidden state.
        symbols: how many different first symbols there are, and as many others.
        steps: updates; each sees fresh sequences.
        batch: sequences an update.
        rate: the highest learning rate of Adam; in the second half of the steps it falls to 0.
        tests: fresh sequences to measure on.

    Returns:
        What each remembers; chance is 1 / symbols.

    Raises:
        ValueError: an argument is out of range.

    Source: after Hochreiter & Schmidhuber 1997, Long short-term memory.
    """
    check(distance=distance, steps=steps, batch=batch, tests=tests, symbols=symbols)
    networks = StackedRecurrent(kind, symbols=2 * symbols, width=width, outputs=symbols, seeds=seeds, start=start)
    generators = own_generators(seeds)

    def draw(rows: int) -> tuple[Tensor, Tensor]:
        x = torch.stack([torch.randint(symbols, (rows, 1 + distance), generator=one) for one in generators])
        x[:, :, 1:] += symbols
        return x, x[:, :, :1]

    return learn(networks, draw, symbols=symbols, steps=steps, batch=batch, rate=rate, tests=tests)


def learn(
    networks: StackedRecurrent, draw: Draw, *, symbols: int, steps: int, batch: int, rate: float, tests: int
) -> Remembered:
    """Train K networks on fresh sequences at each step, then draw others to test on."""
    parameters = networks.parameters()
    optimizer = torch.optim.Adam(parameters, rate, fused=True)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, 2 * (1 - step / steps))
        x, y = draw(batch)
        logits = networks.answer(networks.read(x)[0][-1]).view(len(networks), -1, symbols)  # (K, B * n, symbols)
        # With so few symbols, cross entropy is 4 times as fast over the middle axis as over the last.
        loss = F.cross_entropy(logits.mT, y.flatten(1), reduction="none").mean(1)  # (K,)
        optimizer.zero_grad()
        loss.sum().backward()  # a network's weights are in its own loss alone
        clip(parameters)
        optimizer.step()
        losses.append(loss.tolist())
    x, y = draw(tests)
    return Remembered(networks, x, y, symbols, torch.tensor(losses, dtype=torch.float64).T)


def clip(parameters: Sequence[Tensor], norm: float = 1.0) -> None:
    """Scale down the gradient of each network whose norm, over all its weights, is larger."""
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    square = torch.stack([grad.flatten(1).square().sum(1) for grad in grads]).sum(0)  # (K,)
    scale = (norm / (square.sqrt() + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(scale.view(-1, *[1] * (grad.ndim - 1)))


def own_generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """Return a source of sequences for each network, apart from the one that draws its weights."""
    return [torch.Generator().manual_seed(seed + 1_000_003) for seed in seeds]


def check(**numbers: int) -> None:
    """Raise unless all are whole and 1 or more; a sequence needs at least two different symbols."""
    for name, number in numbers.items():
        least = 2 if name == "symbols" else 1
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"{name} is a {type(number).__name__}; expected a whole number")
        if number < least:
            raise ValueError(f"{name} is {number}; expected {least} or more")
