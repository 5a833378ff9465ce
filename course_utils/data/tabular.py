"""Tables of numbers."""

from __future__ import annotations

import torch
from sklearn.datasets import load_diabetes

from course_utils.data.dataset import Dataset


def diabetes() -> Dataset:
    """442 patients, ten measurements each, and how far the disease went in the following year.

    Returns:
        x: (442, 10) float32, each column with mean 0 and standard deviation 1.
        y: (442, 1) float32, the progression score (25…346), likewise standardised; 1 is 77 points.

    Source:
        Efron, Hastie, Johnstone & Tibshirani (2004), Least angle regression.
    """
    x, y = (torch.tensor(values) for values in load_diabetes(return_X_y=True, scaled=False))
    x = (x - x.mean(0)) / x.std(0, unbiased=False)
    y = (y - y.mean()) / y.std(unbiased=False)
    return Dataset(
        name="diabetes",
        x=x.float(),
        y=y.float().unsqueeze(1),
        source="Efron et al. (2004), carried by scikit-learn",
        licence="BSD-3-Clause, as distributed with scikit-learn",
        target="the progression of the disease one year later, standardised",
    )
