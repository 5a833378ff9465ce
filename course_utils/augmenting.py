"""Augmenting while training: how `fit` and `fit_many` change their batches, with random numbers that repeat."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Augment = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Augmenter:
    """Applies a change to batch after batch and lends it a stream of random numbers.

    Most transforms draw from torch's own generator and take no other. So that generator is exchanged while the change
    is applied, and put back afterwards: the change repeats with its seed, whatever else draws (first weights,
    dropout), and whatever else draws does not notice the change. Python's and NumPy's generators are left alone.
    """

    def __init__(self, change: Augment, seed: int) -> None:
        """Take a change and the seed of a run.

        Args:
            change: callable (x, y) -> (x, y) on a batch, the same number of rows in both.
            seed: that of the run. The stream is another than the one that draws the order of the rows.
        """
        if not callable(change):
            raise TypeError(f"augment is a {type(change).__name__}; expected a callable (x, y) -> (x, y)")
        self.change = change
        # A seed drawn from the run's: the same seed would draw the angles from the numbers that draw the order.
        own = torch.randint(2**31, (), generator=torch.Generator().manual_seed(seed))
        self.generator = torch.Generator().manual_seed(int(own))

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Change one batch.

        Args:
            x: inputs, (b, ...).
            y: targets, (b, ...).

        Returns:
            What the change makes of them.

        Raises:
            TypeError, ValueError: the change returned something else than a pair of tensors with as many rows.
        """
        before = torch.get_rng_state()
        torch.set_rng_state(self.generator.get_state())
        try:
            result = self.change(x, y)
            self.generator.set_state(torch.get_rng_state())
        finally:
            torch.set_rng_state(before)
        if not isinstance(result, tuple | list) or len(result) != 2 or not all(isinstance(p, Tensor) for p in result):
            raise TypeError(f"augment returned a {type(result).__name__}; expected a pair of tensors (x, y)")
        new_x, new_y = result
        if new_x.ndim == 0 or new_y.ndim == 0 or len(new_x) != len(new_y) or len(new_x) == 0:
            raise ValueError(
                f"augment returned x of shape {tuple(new_x.shape)} and y of shape {tuple(new_y.shape)}; "
                "expected one row of y for each row of x, and at least one"
            )
        return new_x, new_y
