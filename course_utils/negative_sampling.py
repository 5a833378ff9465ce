"""Training word vectors by negative sampling: the gradients of a whole batch by hand, a few matrix products at a time.

word2vec takes one pair of words after the other. Here a batch is about a thousand neighbouring places of the text, cut
into blocks of 16 centres. The words that a block's windows reach lie side by side, so the scores of all its pairs are
one small matrix product; a pattern of zeros and ones says which of them are pairs. The same holds for the negatives: a
block's centres share theirs, and score them with one more product. No pair is ever listed.

What sharing changes: the gradient's expectation is the same (16 words are drawn for 16 centres, each counts 5/16 where
each pair would draw 5 of its own), but draws of neighbouring centres are correlated, so a single step is noisier. A
true neighbour that is drawn counts as a negative, too; word2vec only leaves out the one that the pair itself names.

Why it is stable: a frequent word occurs many times in a batch, and the sum of so many steps, all taken at the same
place, would throw its vector far out. Each vector therefore has a number of its own that shortens its steps: the root
of the sum of the squared lengths of all its gradients so far, those of this batch included. After c gradients of one
size a step is 1/√c of the first, so that c such steps together move the vector √c times as far as one, not c times.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils.windows import Stream

#: How many neighbouring centres share their negatives, and how many of these they share.
BLOCK, SHARED = 16, 16

#: Rows of a table of vectors, (r,), and the gradient of each, (r, width); a row may come more than once.
RowGradients = tuple[Tensor, Tensor]


class Batch(NamedTuple):
    """B neighbouring places of the text, B a multiple of `BLOCK`; the last ones may be empty.

    Attributes:
        words: the words at these places and at ``side`` more before and behind, (side + B + side,).
        windows: which row of `window_patterns` says what each centre's window is, (B,).
        contexts: how many words each centre's window holds, (B / BLOCK, BLOCK, 1) float32.
        negatives: `SHARED` words for each block, (B / BLOCK · SHARED,).
    """

    words: Tensor
    windows: Tensor
    contexts: Tensor
    negatives: Tensor


def window_patterns(side: int) -> Tensor:
    """Which words a centre's window holds, for each place of the centre in its block and each reach.

    Args:
        side: how far a window reaches at most.

    Returns:
        Zeros and ones, (BLOCK · (side + 1)², BLOCK + 2·side). Row ``(place · (side + 1) + left) · (side + 1) + right``
        belongs to a centre at ``place`` that reaches ``left`` and ``right`` far. A column is one of the places from
        ``side`` before the block to ``side`` behind it.
    """
    reach = torch.arange(side + 1)
    away = torch.arange(BLOCK + 2 * side) - side - torch.arange(BLOCK)[:, None, None, None]  # (BLOCK, 1, 1, columns)
    inside = (away >= -reach[:, None, None]) & (away <= reach[:, None]) & (away != 0)
    return inside.float().flatten(0, 2)


class Batches:
    """An epoch's batches, thinned and drawn anew each time.

    Args:
        stream: n words.
        keep: how probable it is that a word stays, by word, (V,).
        noise: how probable a word is as a negative, by word, (V,); sums to 1.
        window: each centre draws its reach from 1…window.
        batch: how many centres a batch has; a multiple of `BLOCK`.
        generator: draws everything.

    Attributes:
        side: how far a window can reach: the window, or less where all sentences are shorter.
    """

    def __init__(
        self, stream: Stream, *, keep: Tensor, noise: Tensor, window: int, batch: int, generator: torch.Generator
    ) -> None:
        self.stream, self.window, self.batch, self.generator = stream, window, batch, generator
        self.keep = keep.float()[stream.words]  # (n,)
        _, lengths = stream.sentence.unique_consecutive(return_counts=True)
        self.side = min(window, int(lengths.max()) - 1)
        self.urn = urn(noise)

    def __iter__(self) -> Iterator[Batch]:
        """One epoch."""
        side, batch, random = self.side, self.batch, self.generator
        kept = (torch.rand(len(self.keep), generator=random) < self.keep).nonzero()[:, 0]
        words, sentence = (part.index_select(0, kept) for part in self.stream)
        n = len(words)
        left, right = reaches(sentence)
        reach = torch.randint(1, self.window + 1, (n,), generator=random)
        left, right = torch.minimum(left, reach), torch.minimum(right, reach)  # (n,), at most side
        count = -(-n // batch)
        row = torch.zeros(count * batch + 2 * side, dtype=torch.int64)
        row[side : side + n] = words
        pattern = torch.arange(BLOCK).repeat(count * batch // BLOCK) * (side + 1) ** 2
        pattern[:n] += left * (side + 1) + right
        contexts = torch.zeros(count * batch)
        contexts[:n] = left + right
        shape = (count, batch // BLOCK * SHARED)
        draws = torch.randint(len(self.urn), (shape[0] * shape[1],), generator=random)
        return map(
            Batch,
            row.unfold(0, batch + 2 * side, batch),
            pattern.view(count, batch),
            contexts.view(count, batch // BLOCK, BLOCK, 1),
            self.urn.index_select(0, draws).view(shape),
        )


def urn(noise: Tensor) -> Tensor:
    """A long list in which each word stands as often as its probability says, to one entry; as in word2vec.

    Args:
        noise: (V,), sums to 1.

    Returns:
        (size,) int64; a million entries, or 64 for each word if that is more.
    """
    size = max(1 << 20, 64 * len(noise))
    edges = (noise.double().cumsum(0) * size).round().long()  # (V,)
    edges[-1] = size
    return torch.arange(len(noise)).repeat_interleave(edges.diff(prepend=edges.new_zeros(1)))


def reaches(sentence: Tensor) -> tuple[Tensor, Tensor]:
    """How many words of the same sentence stand before and behind each word, (n,) each."""
    _, lengths = sentence.unique_consecutive(return_counts=True)
    behind = lengths.cumsum(0).repeat_interleave(lengths)  # (n,), the place behind the sentence
    right = behind - 1 - torch.arange(len(sentence))
    return lengths.repeat_interleave(lengths) - 1 - right, right


class Gradients:
    """The gradients of a batch's loss, by hand.

    Arrays of one shape are needed in each batch; they are made once, because fresh memory costs more than the sums.

    Args:
        inner: the vectors, (V, width).
        outer: the vectors of the words as neighbours (skip-gram) or as targets (CBOW), (V, width).
        side: how far a window reaches at most.
        negatives: how many negatives a positive example has.
    """

    def __init__(self, inner: Tensor, outer: Tensor, *, side: int, negatives: float) -> None:
        self.inner, self.outer, self.side, self.width = inner, outer, side, inner.shape[1]
        self.share = negatives / SHARED
        self.patterns = window_patterns(side).to(inner.dtype)
        self.rooms: dict[str, Tensor] = {}

    def room(self, name: str, *shape: int) -> Tensor:
        """An array to write to, (…shape); the same memory for the same name."""
        size = torch.Size(shape).numel()
        if name not in self.rooms or self.rooms[name].numel() < size:
            self.rooms[name] = torch.empty(size, dtype=self.inner.dtype)
        return self.rooms[name][:size].view(shape)

    def pick(self, name: str, table: Tensor, rows: Tensor) -> Tensor:
        """Rows of a table, (r, columns)."""
        return torch.index_select(table, 0, rows, out=self.room(name, len(rows), table.shape[1]))

    def by_block(self, around: Tensor, blocks: int) -> Tensor:
        """Rows of the words around a batch, (side + B + side, width), as (blocks, BLOCK + 2·side, width); no copy."""
        shape = (blocks, BLOCK + 2 * self.side, self.width)
        return around.as_strided(shape, (BLOCK * self.width, self.width, 1), around.storage_offset())

    def fold(self, parts: Tensor, out: Tensor) -> None:
        """Undo `by_block`: add up what the blocks say about one place.

        Args:
            parts: (blocks, BLOCK + 2·side, width).
            out: (side + B + side, width), written to.
        """
        blocks, long, width = parts.shape
        out[: blocks * BLOCK].view(blocks, BLOCK, width).copy_(parts[:, :BLOCK])
        out[blocks * BLOCK :].zero_()
        # At most BLOCK places at a time: more would overlap in memory.
        for start in range(BLOCK, long, BLOCK):
            end = min(start + BLOCK, long)
            place = out[start:]
            view = place.as_strided((blocks, end - start, width), (BLOCK * width, width, 1), place.storage_offset())
            view.add_(parts[:, start:end])

    def skip_gram(self, batch: Batch) -> tuple[RowGradients, RowGradients]:
        """Of ∑ pairs −log σ(u·v) + negatives/SHARED ∑ shared −log σ(−u·v'), by inner and by outer rows.

        u is the inner vector of a pair's centre, v the outer one of its context; v' those of the block's negatives,
        which each pair of the block meets.
        """
        blocks, width, side = len(batch.contexts), self.width, self.side
        places, around = blocks * BLOCK, len(batch.words)
        centres = batch.words[side : side + places]
        rows = torch.cat([batch.words, batch.negatives])
        u = self.pick("u", self.inner, centres).view(blocks, BLOCK, width)
        every = self.pick("v", self.outer, rows)
        v, drawn = self.by_block(every, blocks), every[around:].view(blocks, SHARED, width)
        pairs = self.pick("windows", self.patterns, batch.windows).view(blocks, BLOCK, -1)
        # The loss of a score s has the slope σ(s) − 1 for a pair and σ(s) for a negative.
        near = torch.bmm(u, v.transpose(1, 2), out=self.room("near", *pairs.shape))
        near.sigmoid_().sub_(1).mul_(pairs)
        far = torch.bmm(u, drawn.transpose(1, 2), out=self.room("far", blocks, BLOCK, SHARED))
        far.sigmoid_().mul_(batch.contexts * self.share)
        to_u = torch.bmm(near, v, out=self.room("to u", *u.shape)).baddbmm_(far, drawn)
        to_v = self.room("to v", *every.shape)
        parts = torch.bmm(near.transpose(1, 2), u, out=self.room("parts", *v.shape))
        self.fold(parts, to_v[:around])
        torch.bmm(far.transpose(1, 2), u, out=to_v[around:].view(drawn.shape))
        return (centres, to_u.view(places, width)), (rows, to_v)

    def cbow(self, batch: Batch) -> tuple[RowGradients, RowGradients]:
        """Of ∑ centres −log σ(h·v) + negatives/SHARED ∑ shared −log σ(−h·v'), by inner and by outer rows.

        h is the mean of the inner vectors around a centre, v the outer vector of the centre; v' those of the block's
        negatives. A centre without a context does not count.
        """
        blocks, width, side = len(batch.contexts), self.width, self.side
        places = blocks * BLOCK
        rows = torch.cat([batch.words[side : side + places], batch.negatives])
        u = self.by_block(self.pick("u", self.inner, batch.words), blocks)
        every = self.pick("v", self.outer, rows)
        v, drawn = every[:places].view(blocks, BLOCK, width), every[places:].view(blocks, SHARED, width)
        means = self.pick("windows", self.patterns, batch.windows).view(blocks, BLOCK, -1)
        means.div_(batch.contexts.clamp(min=1))
        counts = (batch.contexts > 0).float()  # (blocks, BLOCK, 1)
        h = torch.bmm(means, u, out=self.room("h", *v.shape))
        to_h = torch.mul(h, v, out=self.room("to h", *v.shape))
        near = to_h.sum(2, keepdim=True).sigmoid_().sub_(1).mul_(counts)  # (blocks, BLOCK, 1)
        far = torch.bmm(h, drawn.transpose(1, 2), out=self.room("far", blocks, BLOCK, SHARED))
        far.sigmoid_().mul_(counts * self.share)
        torch.mul(v, near, out=to_h).baddbmm_(far, drawn)
        parts = torch.bmm(means.transpose(1, 2), to_h, out=self.room("parts", *u.shape))
        to_u = self.room("to u", len(batch.words), width)
        self.fold(parts, to_u)
        to_v = self.room("to v", *every.shape)
        torch.mul(h, near, out=to_v[:places].view(v.shape))
        torch.bmm(far.transpose(1, 2), h, out=to_v[places:].view(drawn.shape))
        return (batch.words, to_u), (rows, to_v)


class Table:
    """Vectors that learn: Adagrad with one number a row.

    Args:
        vectors: (V, width), changed in place.
        rate: the length of a row's first step.

    Source:
        Duchi, Hazan & Singer (2011), Adaptive subgradient methods for online learning and stochastic optimization.
    """

    def __init__(self, vectors: Tensor, *, rate: float) -> None:
        self.vectors, self.rate = vectors, rate
        # Not 0: a row whose gradients were all 0 must not divide 0 by 0.
        self.squares = torch.full((len(vectors),), 1e-10)

    def step(self, rows: Tensor, gradients: Tensor) -> None:
        """Move rows against their gradients; the gradients are used up.

        Args:
            rows: (r,); where a row comes more than once, its steps add up.
            gradients: (r, width).
        """
        self.squares.index_add_(0, rows, torch.linalg.vector_norm(gradients, dim=1).square_())
        lengths = self.squares.index_select(0, rows).rsqrt_().mul_(-self.rate)  # (r,)
        self.vectors.index_add_(0, rows, gradients.mul_(lengths[:, None]))
