"""fit_many: member k must become what a plain run with its seed becomes, and must not see the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from course_utils.data import Each
from course_utils.ensembles import ManyHistory, benchmark, fit_many
from course_utils.evaluation import Data
from course_utils.training import fit

SEEDS = [3, 1, 4]
X = torch.linspace(-1, 1, 50, dtype=torch.float64).unsqueeze(1)
Y = torch.sin(4 * X)
VALIDATION = (X[::3] + 0.01, Y[::3])
Make = Callable[[], nn.Module]


def sequence(*layers: Callable[[], nn.Module]) -> Make:
    return lambda: nn.Sequential(*(layer() for layer in layers)).double()


MODELS: dict[str, Make] = {
    "tanh": sequence(lambda: nn.Linear(1, 8), nn.Tanh, lambda: nn.Linear(8, 8), nn.ReLU, lambda: nn.Linear(8, 1)),
    "no bias": sequence(lambda: nn.Linear(1, 8, bias=False), nn.Sigmoid, lambda: nn.Linear(8, 1)),
    "batch norm": sequence(
        lambda: nn.Linear(1, 8, bias=False), lambda: nn.BatchNorm1d(8), nn.Tanh, lambda: nn.Linear(8, 1)
    ),
    "layer norm": sequence(lambda: nn.Linear(1, 8), lambda: nn.LayerNorm(8), nn.GELU, lambda: nn.Linear(8, 1)),
    "convolution": sequence(
        lambda: nn.Linear(1, 8),
        lambda: nn.Unflatten(1, (1, 8)),
        lambda: nn.Conv1d(1, 4, 3),
        nn.ReLU,
        nn.Flatten,
        lambda: nn.Linear(24, 1),
    ),
}
OPTIMIZERS: dict[str, Any] = {
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=0.01),
    "Adam": torch.optim.Adam,
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
    "RMSprop": torch.optim.RMSprop,
}


def lasso(parameters: Mapping[str, Tensor]) -> Tensor:
    """L1 on weight matrices; the shapes must be those of one member, or the biases would come along."""
    return 0.05 * sum((value.abs().sum() for value in parameters.values() if value.ndim == 2), torch.tensor(0.0))


def shake(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """In place, and with draws of three kinds: the data must stay, and the stream must be the member's own."""
    x += 0.1 * torch.randn_like(x)
    return x[torch.randperm(len(x))] if torch.rand(()) < 0.2 else x, y


def neighbours(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Mix rows with those before them: the order of the rows matters."""
    share = torch.rand((), dtype=x.dtype)
    return share * x + (1 - share) * x.roll(1, 0), share * y + (1 - share) * y.roll(1, 0)


def options(**changed: Any) -> dict[str, Any]:
    return {"loss": nn.MSELoss(), "optimizer": torch.optim.Adam, "epochs": 4, **changed}


def assert_like_plain_runs(
    many: ManyHistory, make: Make, train: Data | Each, validation: Data | None = VALIDATION, **settings: Any
) -> None:
    """Train each member alone and compare losses, metrics, rates, and predictions of the weights."""
    for k, seed in enumerate(many.seeds):
        torch.manual_seed(seed)
        model = make()
        own = (train.x[k], train.y[k]) if isinstance(train, Each) else train
        plain = fit(model, own, validation, seed=seed, **settings)
        mine = many.history(k).as_tensors()
        for name, losses in plain.as_tensors().items():
            torch.testing.assert_close(mine[name], losses, rtol=1e-7, atol=1e-9)
        assert mine.keys() == plain.as_tensors().keys()
        for metric, sets in plain.metrics.items():
            for name, values in sets.items():
                torch.testing.assert_close(many.metrics[metric][name][k].tolist(), values, rtol=1e-7, atol=1e-9)
        assert many.best_epoch[k] == plain.best_epoch
        assert many.state().keys() == model.state_dict().keys()
        for name, value in model.state_dict().items():
            torch.testing.assert_close(many.state()[name][k], value, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("model", "optimizer"),
    [("tanh", optimizer) for optimizer in OPTIMIZERS] + [(model, "Adam") for model in MODELS if model != "tanh"],
)
def test_each_member_equals_its_plain_run(model: str, optimizer: str) -> None:
    # 50 rows in batches of 20: the last batch is smaller.
    settings = options(optimizer=OPTIMIZERS[optimizer], batch_size=20)
    many = fit_many(MODELS[model], (X, Y), VALIDATION, seeds=SEEDS, **settings)
    assert_like_plain_runs(many, MODELS[model], (X, Y), **settings)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"batch_size": 50},
        {"batch_size": 200},
        {"batch_size": 20, "clip_norm": 0.05},
        {"batch_size": 20, "evaluate_train": False},
        {"batch_size": 20, "penalty": lasso},
        {"batch_size": 20, "penalty": lasso, "evaluate_train": False},
        {"batch_size": 20, "penalty": lasso, "clip_norm": 0.05},
        {"augment": shake},
        {"batch_size": 20, "augment": shake},
        {"batch_size": 200, "augment": shake, "evaluate_train": False},
        {"batch_size": 20, "augment": neighbours, "evaluate_train": False},
        {"augment": neighbours, "penalty": lasso},
        {"scheduler": lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.1)},
        {"watch": {"test": (X[1::3], Y[1::3])}},
        {"metrics": {"error": nn.functional.l1_loss, "close": lambda p, t: ((p - t).abs() < 0.3).double().mean()}},
    ],
)
def test_each_option_means_the_same_as_in_fit(changed: dict[str, Any]) -> None:
    settings = options(**changed)
    many = fit_many(MODELS["batch norm"], (X, Y), VALIDATION, seeds=SEEDS, **settings)
    assert_like_plain_runs(many, MODELS["batch norm"], (X, Y), **settings)


def test_each_member_augments_its_own_set_with_its_own_stream() -> None:
    generator = torch.Generator().manual_seed(0)
    train = Each(X + torch.rand(3, 50, 1, generator=generator), Y.expand(3, -1, -1))
    kept = train.x.clone()
    for batch_size in (None, 20):
        settings = options(batch_size=batch_size, augment=shake)
        many = fit_many(MODELS["tanh"], train, VALIDATION, seeds=SEEDS, **settings)
        assert_like_plain_runs(many, MODELS["tanh"], train, **settings)
    assert torch.equal(train.x, kept)
    without = fit_many(MODELS["tanh"], train, VALIDATION, seeds=SEEDS, **options(batch_size=20))
    assert not torch.allclose(many.train, without.train), "an augmentation that changes nothing is not there"


def test_members_may_mix_class_labels() -> None:
    x, classes = torch.randn(40, 6, dtype=torch.float64), torch.randint(3, (40,))

    def mixed(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return neighbours(x, nn.functional.one_hot(y, 3).to(x.dtype))

    make = sequence(lambda: nn.Linear(6, 8), nn.ReLU, lambda: nn.Linear(8, 3))
    settings = options(loss=nn.CrossEntropyLoss(), batch_size=16, augment=mixed)
    many = fit_many(make, (x, classes), (x, classes), seeds=SEEDS, **settings)
    assert_like_plain_runs(many, make, (x, classes), (x, classes), **settings)


def test_members_must_augment_to_one_shape() -> None:
    with pytest.raises(ValueError, match=r"augment returned x of shape \(\d+, 1\) and \(\d+, 1\); expected one shape"):
        fit_many(
            MODELS["tanh"],
            (X, Y),
            seeds=range(20),
            **options(augment=lambda x, y: (x[: (n := int(torch.randint(1, 50, ())))], y[:n])),
        )


@pytest.mark.parametrize("model", MODELS)
def test_a_penalty_reaches_every_kind_of_member(model: str) -> None:
    settings = options(batch_size=20, penalty=lasso)
    many = fit_many(MODELS[model], (X, Y), VALIDATION, seeds=SEEDS, **settings)
    assert_like_plain_runs(many, MODELS[model], (X, Y), **settings)
    without = fit_many(MODELS[model], (X, Y), VALIDATION, seeds=SEEDS, **options(batch_size=20))
    assert not torch.allclose(many.train, without.train), "a penalty that changes nothing is not there"


def test_a_penalty_sees_what_dropout_and_own_training_sets_leave_of_it() -> None:
    # A loss that is constant: the penalty alone moves the weights, whatever dropout does.
    make = sequence(
        lambda: nn.Linear(1, 8), lambda: nn.BatchNorm1d(8), lambda: nn.Dropout(0.5), lambda: nn.Linear(8, 1)
    )
    train = Each(X.expand(3, -1, -1), Y.expand(3, -1, -1))
    many = fit_many(
        make,
        train,
        seeds=SEEDS,
        loss=lambda prediction, target: 0 * prediction.sum() + 1,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        epochs=3,
        batch_size=25,
        evaluate_train=False,
        penalty=lambda parameters: parameters["0.weight"].square().sum() / 2,
    )
    assert torch.equal(many.train, torch.ones(3, 3, dtype=torch.float64)), "the record is the loss without the penalty"
    for k, seed in enumerate(SEEDS):
        torch.manual_seed(seed)
        model = make()
        torch.testing.assert_close(many.final["0.weight"][k], model[0].weight * 0.9**6)
        assert torch.equal(many.final["3.weight"][k], model[3].weight)


@pytest.mark.parametrize("constant", [7.0, 7, torch.tensor(7.0)])
def test_a_penalty_may_be_constant_and_then_changes_nothing(constant: Any) -> None:
    settings = options(batch_size=20)
    without = fit_many(MODELS["tanh"], (X, Y), VALIDATION, seeds=SEEDS, **settings)
    same = fit_many(MODELS["tanh"], (X, Y), VALIDATION, seeds=SEEDS, penalty=lambda parameters: constant, **settings)
    assert torch.equal(same.train, without.train)


def test_groups_by_position_decay_the_weights_alone() -> None:
    def decay_weights(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        values = list(parameters)
        return torch.optim.SGD([{"params": values[::2], "weight_decay": 0.1}, {"params": values[1::2]}], lr=0.1)

    settings = options(batch_size=20, optimizer=decay_weights)
    many = fit_many(MODELS["tanh"], (X, Y), VALIDATION, seeds=SEEDS, **settings)
    assert_like_plain_runs(many, MODELS["tanh"], (X, Y), **settings)

    def half_square(parameters: Mapping[str, Tensor]) -> Tensor:
        return 0.05 * torch.stack([value.square().sum() for value in parameters.values() if value.ndim == 2]).sum()

    plain = options(batch_size=20, optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1))
    same = fit_many(MODELS["tanh"], (X, Y), VALIDATION, seeds=SEEDS, penalty=half_square, **plain)
    torch.testing.assert_close(many.train, same.train, rtol=1e-9, atol=0)


@pytest.mark.parametrize("make", [MODELS["tanh"], MODELS["convolution"], MODELS["batch norm"]])
def test_the_stack_keeps_the_order_of_the_parameters(make: Make) -> None:
    shapes = [(3, *parameter.shape) for parameter in make().parameters()]

    def spy(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        values = list(parameters)
        assert [tuple(value.shape) for value in values] == shapes
        return torch.optim.SGD(values)

    fit_many(make, (X, Y), seeds=SEEDS, **options(epochs=1, optimizer=spy))


@pytest.mark.parametrize("batch_size", [None, 20])
def test_members_can_have_training_sets_of_their_own(batch_size: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, 50, 1, generator=generator, dtype=torch.float64)
    train = Each(x, torch.sin(4 * x) + 0.1 * torch.randn(x.shape, generator=generator, dtype=torch.float64))
    settings = options(batch_size=batch_size)
    many = fit_many(MODELS["tanh"], train, VALIDATION, seeds=SEEDS, **settings)
    assert_like_plain_runs(many, MODELS["tanh"], train, **settings)


def test_classes_and_pictures() -> None:
    generator = torch.Generator().manual_seed(0)
    data = (torch.rand(30, 1, 6, 6, generator=generator, dtype=torch.float64), torch.arange(30) % 3)
    make = sequence(
        lambda: nn.Conv2d(1, 4, 3),
        lambda: nn.BatchNorm2d(4),
        nn.ReLU,
        lambda: nn.MaxPool2d(2),
        nn.Flatten,
        lambda: nn.Linear(16, 3),
    )
    settings = options(
        loss=nn.CrossEntropyLoss(),
        batch_size=8,
        metrics={"accuracy": lambda prediction, target: (prediction.argmax(1) == target).double().mean()},
    )
    many = fit_many(make, data, data, seeds=SEEDS, **settings)
    assert_like_plain_runs(many, make, data, data, **settings)


def test_inputs_that_are_their_own_targets_are_told_apart() -> None:
    make = sequence(lambda: nn.Linear(2, 1), lambda: nn.Linear(1, 2))
    x = torch.rand(20, 2, dtype=torch.float64)
    other = (x, torch.rand(20, 2, dtype=torch.float64))
    many = fit_many(make, (x, x), other, seeds=SEEDS, **options())
    assert_like_plain_runs(many, make, (x, x), other, **options())


def test_float32_is_close_too() -> None:
    def make() -> nn.Module:
        return MODELS["tanh"]().float()

    train = (X.float(), Y.float())
    many = fit_many(make, train, seeds=SEEDS, **options(batch_size=20))
    for k, seed in enumerate(SEEDS):
        torch.manual_seed(seed)
        plain = fit(make(), train, seed=seed, **options(batch_size=20))
        assert many.history(k).train == pytest.approx(plain.train, rel=1e-4)


def test_predict_takes_a_set_for_each_member() -> None:
    many = fit_many(MODELS["batch norm"], (X, Y), seeds=SEEDS, **options())
    own = torch.stack([VALIDATION[0] + k for k in range(3)])  # (3, 17, 1)
    predictions = many.predict(Each(own, torch.zeros(3, 17, 1)))
    for k in range(3):
        torch.testing.assert_close(many.model(k)(own[k]), predictions[k])


def test_predict_and_model_agree_and_best_is_the_best_epoch() -> None:
    settings = options(epochs=12, optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.9, momentum=0.9))
    many = fit_many(MODELS["batch norm"], (X, Y), VALIDATION, seeds=SEEDS, keep_best=True, **settings)
    assert many.validation is not None
    assert many.train.shape == many.validation.shape == (3, 12)
    assert many.best_epoch != [11, 11, 11], "the example must get worse at the end"
    for best in (False, True):
        predictions = many.predict(VALIDATION[0], best=best)
        assert predictions.shape == (3, 17, 1)
        for k in range(3):
            with torch.no_grad():
                torch.testing.assert_close(many.model(k, best=best)(VALIDATION[0]), predictions[k])
        losses = ((predictions - VALIDATION[1]) ** 2).mean((1, 2))
        expected = many.validation.min(1).values if best else many.validation[:, -1]
        torch.testing.assert_close(losses, expected)
    with pytest.raises(ValueError, match="keep_best"):
        fit_many(MODELS["tanh"], (X, Y), seeds=[0], **options()).predict(X, best=True)


def test_a_diverging_member_does_not_touch_the_others() -> None:
    x = X.repeat(3, 1, 1)
    poison = Each(x, Y.repeat(3, 1, 1))
    poison.y[1, 7] = math.nan
    settings = options(batch_size=20, clip_norm=1.0)
    sick = fit_many(MODELS["batch norm"], poison, VALIDATION, seeds=SEEDS, keep_best=True, **settings)
    well = fit_many(MODELS["batch norm"], (X, Y), VALIDATION, seeds=SEEDS, keep_best=True, **settings)
    assert sick.validation is not None
    assert well.validation is not None
    assert sick.validation[1].isnan().all()
    assert sick.best_epoch[1] is None
    for k in (0, 2):
        torch.testing.assert_close(sick.validation[k], well.validation[k], rtol=1e-9, atol=0)
        torch.testing.assert_close(sick.predict(X, best=True)[k], well.predict(X, best=True)[k])


def test_dropout_draws_anew_for_each_member_and_step() -> None:
    class Keep(nn.Module):
        """Predicts the mean of what dropout kept."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
            self.dropout = nn.Dropout(0.25)

        def forward(self, x: Tensor) -> Tensor:
            return self.weight * self.dropout(x).mean(1, keepdim=True)

    torch.manual_seed(0)
    # Inputs around 1, all different, so that two masks never give the same mean.
    x = torch.linspace(0.5, 1.5, 1000, dtype=torch.float64).expand(20, -1)
    data = (x, torch.zeros(20, 1, dtype=torch.float64))
    settings = options(
        loss=lambda prediction, target: (prediction - target).mean(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0),
        epochs=5,
        evaluate_train=False,
    )
    many = fit_many(Keep, data, data, seeds=range(4), **settings)
    assert many.validation is not None
    ones = torch.ones(4, 5, dtype=torch.float64)
    torch.testing.assert_close(many.validation, ones, msg="no dropout in evaluation mode")
    assert len(many.train.unique()) == 20, "each member and each step has its own mask"
    # A mean over 20,000 inputs, each kept or dropped: standard deviation sqrt(0.25 / 0.75 * 1.083 / 20,000).
    assert float((many.train - 1).abs().max()) < 5 * 0.00425


def test_members_depend_on_their_seed_alone() -> None:
    settings = options(batch_size=20)
    before = torch.get_rng_state()
    three = fit_many(MODELS["tanh"], (X, Y), seeds=SEEDS, **settings)
    assert torch.equal(torch.get_rng_state(), before)
    other = fit_many(MODELS["tanh"], (X, Y), seeds=[4, 8], **settings)
    torch.testing.assert_close(three.train[2], other.train[0], rtol=1e-9, atol=0)
    assert not torch.allclose(other.train[0], other.train[1])


class OwnAdam(torch.optim.Adam):
    """Might do anything."""


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"optimizer": torch.optim.LBFGS}, ValueError, "optimizer is LBFGS"),
        ({"optimizer": torch.optim.Adafactor}, ValueError, "optimizer is Adafactor"),
        ({"optimizer": OwnAdam}, ValueError, "optimizer is OwnAdam"),
        ({"optimizer": torch.optim.SGD([torch.zeros(1)])}, TypeError, "optimizer is a SGD"),
        ({"loss": nn.MSELoss(reduction="none")}, ValueError, "loss returned shape"),
        ({"penalty": 0.1}, TypeError, "penalty is a float"),
        ({"penalty": lambda parameters: None}, ValueError, "penalty returned a NoneType"),
        ({"penalty": lambda parameters: parameters["0.bias"]}, ValueError, r"penalty returned shape \(8,\)"),
        ({"augment": 0.1}, TypeError, "augment is a float"),
        ({"augment": lambda x, y: x}, TypeError, "augment returned a Tensor"),
        ({"augment": lambda x, y: (x, y[:3])}, ValueError, r"augment returned x of shape \(50, 1\)"),
        ({"validation": (X, Y[:, 0])}, ValueError, "prediction has shape"),
        ({"validation": Each(X.expand(2, -1, -1), Y.expand(2, -1, -1))}, ValueError, "validation is Each"),
        ({"validation": X}, TypeError, "validation is a Tensor"),
        ({"seeds": []}, ValueError, "seeds is empty"),
        ({"epochs": 0}, ValueError, "epochs is 0"),
        ({"batch_size": -1}, ValueError, "batch_size is -1"),
        ({"watch": {"train": (X, Y)}}, ValueError, "watch"),
        ({"scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau}, ValueError, "ReduceLROnPlateau"),
    ],
)
def test_bad_arguments_are_named(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fit_many(MODELS["tanh"], (X, Y), **{"seeds": SEEDS, **options(), **changed})


def test_benchmark_is_within_its_budget() -> None:
    result = benchmark(repeats=1)
    assert result["seeds"] == 32
    assert result["ratio"] == pytest.approx(result["many_seconds"] / result["plain_seconds"])
    # The course promises 3 on a quiet machine with vector instructions; a loop over the seeds would cost 32.
    assert result["ratio"] < 10
