"""The package's bias–variance decomposition against lesson 01's own cell, a loop, and its own identity."""

import nbformat
import pytest
import torch

from course_utils.decomposition import bias_variance
from course_utils.environment import NOTEBOOKS


def test_it_is_what_the_lesson_does_by_hand() -> None:
    cells = nbformat.read(NOTEBOOKS / "01_overfitting.ipynb", as_version=4).cells
    (by_hand,) = (cell.source for cell in cells if "bias_squared = (average - truth) ** 2" in cell.source)
    names: dict[str, object] = {}
    exec(by_hand, names)

    predictions = torch.tensor(names["predictions"], dtype=torch.float64).unsqueeze(1)  # (4, 1)
    bias2, variance = bias_variance(predictions, torch.tensor([names["truth"]], dtype=torch.float64))

    assert float(bias2) == pytest.approx(names["bias_squared"], abs=1e-15)
    assert float(variance) == pytest.approx(names["variance"], abs=1e-15)


def test_the_parts_add_up_to_the_error() -> None:
    generator = torch.Generator().manual_seed(0)
    for models, points in ((1, 1), (2, 3), (50, 20)):
        predictions = torch.randn(models, points, generator=generator, dtype=torch.float64)
        truth = torch.randn(points, generator=generator, dtype=torch.float64)
        error = ((predictions - truth) ** 2).mean()
        torch.testing.assert_close(sum(bias_variance(predictions, truth)), error, rtol=0, atol=1e-12)


def test_one_model_has_no_variance() -> None:
    bias2, variance = bias_variance(torch.tensor([[1.0, 3.0]]), torch.tensor([0.0, 0.0]))
    assert (float(bias2), float(variance)) == (5.0, 0.0)


@pytest.mark.parametrize(("predictions", "truth"), [((3,), (3,)), ((2, 3), (2,)), ((2, 3), (3, 1))])
def test_shapes_that_do_not_fit_are_named(predictions: tuple[int, ...], truth: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(R, n\) and \(n,\)"):
        bias_variance(torch.zeros(predictions), torch.zeros(truth))
