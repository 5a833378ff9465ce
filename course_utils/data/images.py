"""Images."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from course_utils.data.dataset import Dataset


def digits() -> Dataset:
    """1,797 handwritten digits, 8×8 pixels, grey.

    Returns:
        x: (1797, 64) float32, ink from 0 (none) to 1 (full).
        y: (1797,) int64, the digit, 0…9.

    Source:
        Alpaydin & Kaynak (1998), Optical recognition of handwritten digits, UCI Machine Learning Repository.
    """
    x, y = load_digits(return_X_y=True)
    return Dataset(
        name="digits",
        x=torch.tensor(x, dtype=torch.float32) / 16,
        y=torch.tensor(y, dtype=torch.int64),
        source="Alpaydin & Kaynak (1998), UCI Machine Learning Repository, test part, carried by scikit-learn",
        licence="CC BY 4.0 (UCI); BSD-3-Clause as distributed with scikit-learn",
        target="the digit that was written, 0 to 9",
    )
