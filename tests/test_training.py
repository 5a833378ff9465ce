"""fit, evaluate and early stopping: against a loop written out by hand, and against what learners get wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from course_utils.training import CheckpointError, EarlyStopping, History, evaluate, fit, stop_epoch, stop_epochs


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    x = torch.linspace(-1, 1, 50).unsqueeze(1)
    return x, torch.sin(3 * x)


def make_model(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


def test_fit_is_the_plain_loop(data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    plain = make_model()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9)
    order = torch.Generator().manual_seed(5)
    losses = []
    for _ in range(4):
        rows = torch.randperm(50, generator=order)
        for part in (rows[:20], rows[20:40], rows[40:]):
            loss = ((plain(x[part]) - y[part]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            losses.append(float(((plain(x) - y) ** 2).mean()))
    model = make_model()
    history = fit(
        model,
        data,
        loss=nn.MSELoss(),
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        epochs=4,
        batch_size=20,
        seed=5,
    )
    assert history.train == pytest.approx(losses, rel=1e-6)
    for mine, other in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


def test_seed_decides_the_order_and_nothing_else(data: tuple[Tensor, Tensor]) -> None:
    def losses(seed: int) -> list[float]:
        return fit(
            make_model(),
            data,
            loss=nn.MSELoss(),
            optimizer=torch.optim.Adam,
            epochs=2,
            batch_size=10,
            seed=seed,
        ).train

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)
    before = torch.get_rng_state()
    losses_of = make_model()
    torch.set_rng_state(before)
    fit(losses_of, data, loss=nn.MSELoss(), optimizer=torch.optim.Adam, epochs=1, batch_size=10)
    assert torch.equal(torch.get_rng_state(), before)


def test_history_has_one_number_an_epoch_for_everything(data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    model = make_model()
    history = fit(
        model,
        data,
        (x[::2], y[::2]),
        watch={"test": (x[1::2], y[1::2])},
        metrics={"error": lambda prediction, target: (prediction - target).abs().mean()},
        loss=nn.MSELoss(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        scheduler=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5),
        epochs=5,
    )
    assert history.epochs == 5
    assert history.learning_rate == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025])
    assert history.stopped_epoch is None
    tensors = history.as_tensors()
    assert {name: tuple(value.shape) for name, value in tensors.items()} == dict.fromkeys(
        ("train", "validation", "test", "learning_rate"), (5,)
    )
    assert history.watched["test"][-1] == evaluate(model, (x[1::2], y[1::2]), nn.MSELoss())
    assert history.metrics["error"]["validation"][-1] == pytest.approx(evaluate(model, (x[::2], y[::2]), nn.L1Loss()))
    assert set(history.metrics["error"]) == {"train", "validation", "test"}
    assert history.best_epoch == min(range(5), key=history.validation.__getitem__)


def test_running_mean_is_recorded_when_train_is_not_evaluated(data: tuple[Tensor, Tensor]) -> None:
    model = make_model()
    first = evaluate(model, data, nn.MSELoss())
    options: dict[str, Any] = {"loss": nn.MSELoss(), "optimizer": torch.optim.Adam, "epochs": 1}
    assert fit(model, data, evaluate_train=False, **options).train == pytest.approx([first])
    assert fit(make_model(), data, evaluate_train=True, **options).train[0] < first


def test_evaluate_weighs_rows_and_leaves_the_model_alone(data: tuple[Tensor, Tensor]) -> None:
    model = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    model.train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole = evaluate(model, data, nn.MSELoss())
    assert evaluate(model, data, nn.MSELoss(), batch_size=7) == pytest.approx(whole, rel=1e-5)
    assert evaluate(model, DataLoader(TensorDataset(*data), 7), nn.MSELoss()) == pytest.approx(whole, rel=1e-5)
    assert [module.training for module in model] == [True, False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_loader_gives_what_the_pair_gives(data: tuple[Tensor, Tensor]) -> None:
    one, two = make_model(), make_model()
    options: dict[str, Any] = {"loss": nn.MSELoss(), "optimizer": torch.optim.SGD, "epochs": 3}
    pair = fit(one, data, **options)
    loader = fit(two, DataLoader(TensorDataset(*data), batch_size=50), **options)
    assert pair.train == pytest.approx(loader.train, rel=1e-5)


def test_clip_norm_bounds_the_step(data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    model = make_model()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    fit(
        model,
        (x, 1e4 * y),
        loss=nn.MSELoss(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1.0),
        epochs=1,
        clip_norm=0.5,
    )
    moved = [after.detach() - old for after, old in zip(model.parameters(), before, strict=True)]
    assert float(torch.cat([one.flatten() for one in moved]).norm()) == pytest.approx(0.5, rel=1e-3)


def square(parameters: Mapping[str, Tensor]) -> Tensor:
    return 0.01 * torch.stack([value.square().sum() for value in parameters.values()]).sum()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_square_penalty_is_twice_its_weight_decay_under_sgd(data: tuple[Tensor, Tensor], momentum: float) -> None:
    x, y = (part.double() for part in data)

    def run(decay: float, **options: Any) -> tuple[History, list[Tensor]]:
        model = make_model().double()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum, weight_decay=decay)
        history = fit(model, (x, y), loss=nn.MSELoss(), optimizer=optimizer, epochs=5, batch_size=20, **options)
        return history, list(model.parameters())

    penalised, weights = run(0.0, penalty=square)
    for decay, same in ((0.02, True), (0.01, False), (0.0, False)):
        decayed, others = run(decay)
        close = all(torch.allclose(one, other, rtol=1e-12) for one, other in zip(weights, others, strict=True))
        assert close is same
        assert (penalised.train == pytest.approx(decayed.train, rel=1e-12)) is same


@pytest.mark.parametrize("evaluate_train", [True, False])
def test_no_record_contains_the_penalty(data: tuple[Tensor, Tensor], evaluate_train: bool) -> None:
    options: dict[str, Any] = {"loss": nn.MSELoss(), "optimizer": torch.optim.Adam, "epochs": 3}
    options |= {"validation": data, "batch_size": 20, "evaluate_train": evaluate_train}
    without = fit(make_model(), data, **options)
    # These do not depend on the parameters, so they must change nothing at all.
    for constant in (7.0, 7, torch.tensor(7.0)):
        assert fit(make_model(), data, penalty=lambda parameters, value=constant: value, **options) == without


def test_a_penalty_gets_the_parameters_by_name(data: tuple[Tensor, Tensor]) -> None:
    model, seen = make_model(), []

    def spy(parameters: Mapping[str, Tensor]) -> float:
        seen.append({name: tuple(value.shape) for name, value in parameters.items()})
        return 0.0

    fit(model, data, penalty=spy, **bad(batch_size=20))
    assert seen == [{"0.weight": (8, 1), "0.bias": (8,), "2.weight": (1, 8), "2.bias": (1,)}] * 3


def test_clip_norm_covers_the_penalty(data: tuple[Tensor, Tensor]) -> None:
    model = make_model()
    before = nn.utils.parameters_to_vector(model.parameters()).detach()
    fit(
        model,
        data,
        loss=nn.MSELoss(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1.0),
        epochs=1,
        clip_norm=0.5,
        penalty=lambda parameters: 1e4 * square(parameters),
    )
    moved = nn.utils.parameters_to_vector(model.parameters()).detach() - before
    assert float(moved.norm()) == pytest.approx(0.5, rel=1e-3)


def shaken(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return x + torch.rand_like(x), y


def test_augment_changes_each_training_batch_and_nothing_that_is_measured(data: tuple[Tensor, Tensor]) -> None:
    x = data[0]
    kept = x.clone()
    given: list[Tensor] = []

    def change(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        given.append(x.clone())
        return x.mul_(0).add_(7.0), y  # in place: the data must not notice

    seen: list[Tensor] = []
    model = make_model()
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()) if module.training else None)
    options = bad(epochs=2, batch_size=20, validation=data, watch={"more": data}, augment=change)
    history = fit(model, data, **options)
    assert [tuple(batch.shape) for batch in given] == [(20, 1), (20, 1), (10, 1)] * 2
    assert all(bool((batch == 7).all()) for batch in seen)
    assert len(seen) == 6
    for epoch in (given[:3], given[3:]):
        torch.testing.assert_close(torch.cat(epoch).sort(0).values, kept.sort(0).values)
    assert torch.equal(x, kept)
    assert history.validation[-1] == history.watched["more"][-1] == pytest.approx(history.train[-1])
    assert history.train[-1] == pytest.approx(evaluate(model, data, nn.MSELoss()))


def test_augment_without_change_changes_nothing(data: tuple[Tensor, Tensor]) -> None:
    options = bad(epochs=3, batch_size=20)

    def idle(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        torch.rand(1000)
        return x, y

    def dropping() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    assert fit(dropping(), data, **options) == fit(dropping(), data, augment=idle, **options)


def test_augment_repeats_with_the_seed_and_leaves_the_random_numbers_alone(data: tuple[Tensor, Tensor]) -> None:
    def losses(seed: int, change: Any = shaken) -> list[float]:
        model = make_model()
        torch.manual_seed(len(made))
        made.append(model)
        return fit(model, data, augment=change, **bad(epochs=2, batch_size=20, seed=seed)).train

    made: list[nn.Module] = []
    assert losses(1) == losses(1), "whatever torch's own generator stands at"
    assert losses(1) != losses(2)
    before = torch.get_rng_state()
    fit(made[0], data, augment=shaken, **bad())
    assert torch.equal(torch.get_rng_state(), before)

    def failing(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        torch.rand(3)
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        fit(made[0], data, augment=failing, **bad())
    assert torch.equal(torch.get_rng_state(), before)


def test_augment_draws_anew_in_each_batch_and_not_what_orders_the_rows(data: tuple[Tensor, Tensor]) -> None:
    drawn: list[Tensor] = []

    def spy(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        drawn.append(torch.randperm(50))
        return x, y

    fit(make_model(), data, augment=spy, **bad(epochs=3, seed=5))
    order = torch.Generator().manual_seed(5)
    orders = [torch.randperm(50, generator=order) for _ in range(3)]
    assert not any(torch.equal(one, other) for one in drawn for other in orders)
    assert len({tuple(one.tolist()) for one in drawn}) == 3


def test_augment_may_mix_the_targets() -> None:
    x, classes = torch.randn(30, 4), torch.randint(3, (30,))

    def mixed(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        share = torch.rand(())
        soft = nn.functional.one_hot(y, 3).float()
        return share * x + (1 - share) * x.roll(1, 0), share * soft + (1 - share) * soft.roll(1, 0)

    options = bad(loss=nn.CrossEntropyLoss(), batch_size=8, augment=mixed, validation=(x, classes), epochs=2)
    history = fit(nn.Linear(4, 3), (x, classes), **options)
    assert all(map(math.isfinite, history.validation))


def test_augment_reaches_the_batches_of_a_loader(data: tuple[Tensor, Tensor]) -> None:
    options = bad(epochs=2, augment=shaken)
    pair = fit(make_model(), data, **options)
    loader = fit(make_model(), DataLoader(TensorDataset(*data), batch_size=50), **options)
    # One batch of all rows in either case; only their order differs, so the same shakes meet other rows.
    assert loader.train != pytest.approx(fit(make_model(), data, **bad(epochs=2)).train, rel=1e-6)
    assert loader.train == pytest.approx(pair.train, rel=0.5)


def test_a_run_that_augments_resumes_bit_for_bit(data: tuple[Tensor, Tensor], tmp_path: Path) -> None:
    options = bad(batch_size=20, augment=shaken)
    whole = fit(make_model(), data, **{**options, "epochs": 6})
    file = tmp_path / "run.pt"
    fit(make_model(), data, **{**options, "epochs": 3}, checkpoint=file)
    assert fit(make_model(), data, **{**options, "epochs": 6}, checkpoint=file, resume=True) == whole
    with pytest.raises(CheckpointError, match="another run"):
        fit(make_model(), data, **bad(batch_size=20), checkpoint=file, resume=True)


@pytest.mark.parametrize(
    ("loss", "prediction", "target"),
    [
        (nn.MSELoss(), (20, 1), (20,)),
        (nn.functional.mse_loss, (20, 1), (20,)),
        (nn.L1Loss(), (20,), (20, 1)),
        (nn.MSELoss(), (20, 2), (20, 1)),
        (lambda p, t: ((p - t) ** 2).mean(), (20, 1), (20,)),
    ],
)
def test_silent_broadcast_is_refused(
    loss: Callable[[Tensor, Tensor], Tensor], prediction: tuple[int, ...], target: tuple[int, ...]
) -> None:
    model = nn.Sequential(nn.Linear(3, math.prod(prediction[1:])), nn.Unflatten(1, (*prediction[1:], 1)), nn.Flatten(1))
    shaped = model if len(prediction) == 2 else nn.Sequential(model, nn.Flatten(0))
    data = (torch.randn(20, 3), torch.randn(target))
    with pytest.raises(ValueError, match=r"prediction has shape .* target"):
        fit(shaped, data, loss=loss, optimizer=torch.optim.SGD, epochs=1)
    with pytest.raises(ValueError, match=r"prediction has shape .* target"):
        evaluate(shaped, data, loss)


def test_losses_that_need_other_shapes_are_allowed() -> None:
    x = torch.randn(12, 3)
    classes = nn.Linear(3, 4)
    fit(classes, (x, torch.randint(4, (12,))), loss=nn.CrossEntropyLoss(), optimizer=torch.optim.SGD, epochs=1)

    def gaussian(prediction: Tensor, target: Tensor) -> Tensor:
        mean, spread = prediction[:, :1], prediction[:, 1:].exp()
        return (((mean - target) / spread) ** 2 / 2 + spread.log()).mean()

    fit(nn.Linear(3, 2), (x, torch.randn(12, 1)), loss=gaussian, optimizer=torch.optim.SGD, epochs=1)


def bad(**changed: Any) -> dict[str, Any]:
    return {"loss": nn.MSELoss(), "optimizer": torch.optim.SGD, "epochs": 1, **changed}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (bad(epochs=0), ValueError, "epochs is 0"),
        (bad(epochs=2.5), ValueError, "epochs is 2.5"),
        (bad(batch_size=0), ValueError, "batch_size is 0"),
        (bad(progress="on"), ValueError, "progress is 'on'"),
        (bad(resume=True), ValueError, "without a checkpoint"),
        (bad(early_stopping=EarlyStopping(2)), ValueError, "without validation"),
        (bad(validation=torch.zeros(3)), TypeError, "validation is a Tensor"),
        (bad(watch={"test": (torch.zeros(3), torch.zeros(4))}), ValueError, r"test has x of shape \(3,\)"),
        (bad(watch={"validation": (torch.zeros(3, 1), torch.zeros(3, 1))}), ValueError, "watch"),
        (bad(loss=nn.MSELoss(reduction="none")), ValueError, r"loss returned shape \(50, 1\)"),
        (bad(penalty=0.1), TypeError, r"penalty is a float; expected a callable"),
        (bad(penalty=lambda parameters: None), ValueError, "penalty returned a NoneType"),
        (bad(penalty=lambda parameters: torch.ones(3)), ValueError, r"penalty returned shape \(3,\)"),
        (bad(augment="flip"), TypeError, "augment is a str; expected a callable"),
        (bad(augment=lambda x, y: x), TypeError, "augment returned a Tensor; expected a pair"),
        (bad(augment=lambda x, y: (x, y, 0.5)), TypeError, "augment returned a tuple"),
        (bad(augment=lambda x, y: (x[:3], y)), ValueError, r"augment returned x of shape \(3, 1\) and y of shape"),
        (bad(augment=lambda x, y: (x.sum(), y)), ValueError, r"augment returned x of shape \(\)"),
        (bad(optimizer=torch.optim.SGD(nn.Linear(1, 1).parameters())), ValueError, "none of the model's"),
    ],
)
def test_bad_arguments_are_named(
    data: tuple[Tensor, Tensor], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit(make_model(), data, **options)


def test_loader_and_batch_size_together_are_refused(data: tuple[Tensor, Tensor]) -> None:
    loader = DataLoader(TensorDataset(*data), 10)
    with pytest.raises(ValueError, match="DataLoader"):
        fit(make_model(), loader, **bad(batch_size=5))


CURVES = [
    ([3.0, 2.0, 2.5, 2.4, 1.0], 2, 0.0, (3, 1)),
    ([3.0, 2.0, 2.5, 2.4, 1.0], 3, 0.0, (4, 4)),
    ([3.0, 2.9, 2.8, 2.7], 2, 0.5, (2, 0)),
    ([2.0, 2.0, 2.0], 2, 0.0, (2, 0)),
    ([math.nan, 2.0, math.nan, math.nan, 1.0], 2, 0.0, (3, 1)),
    ([1.0, -math.inf, 2.0], 5, 0.0, (2, 0)),
]


@pytest.mark.parametrize(("losses", "patience", "min_delta", "expected"), CURVES)
def test_stop_epoch_by_hand(losses: list[float], patience: int, min_delta: float, expected: tuple[int, int]) -> None:
    assert stop_epoch(losses, patience, min_delta) == expected


def test_early_stopping_and_recorded_curves_follow_one_rule() -> None:
    generator = torch.Generator().manual_seed(0)
    curves = torch.rand(40, 25, generator=generator, dtype=torch.float64)
    curves[torch.rand(40, 25, generator=generator) < 0.1] = math.nan
    curves[:, 0] = 0.9
    for patience, min_delta in ((1, 0.0), (3, 0.0), (4, 0.1), (30, 0.05)):
        together = stop_epochs(curves, patience, min_delta)
        for k, curve in enumerate(curves.tolist()):
            live = EarlyStopping(patience, min_delta)
            model = nn.Linear(1, 1)
            stop = next((epoch for epoch, loss in enumerate(curve) if live.update(loss, model)), 24)
            assert (stop, live.best_epoch) == stop_epoch(curve, patience, min_delta)
            assert (stop, live.best_epoch) == (int(together.stop[k]), int(together.best[k]))


def test_stop_epoch_says_when_nothing_is_finite() -> None:
    with pytest.raises(ValueError, match=r"row\(s\) \[1\]"):
        stop_epochs(torch.tensor([[1.0, 2.0], [math.nan, math.nan]]), patience=5)
    with pytest.raises(ValueError, match="patience is 0"):
        stop_epoch([1.0], patience=0)
    with pytest.raises(ValueError, match="min_delta is -1"):
        EarlyStopping(1, -1)


def overfitting_options() -> dict[str, Any]:
    return {
        "validation": (torch.linspace(-1, 1, 20).unsqueeze(1), torch.ones(20, 1)),
        "loss": nn.MSELoss(),
        "optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.2),
        "epochs": 60,
    }


def test_early_stopping_restores_a_copy_of_the_best_weights(data: tuple[Tensor, Tensor]) -> None:
    options = overfitting_options()
    plain = fit(make_model(), data, **options)
    expected = stop_epoch(plain.validation, patience=5)
    assert expected.best < expected.stop < 59, "the example must overfit"
    model, stopping = make_model(), EarlyStopping(5)
    history = fit(model, data, early_stopping=stopping, **options)
    assert (history.stopped_epoch, history.best_epoch) == expected
    assert evaluate(model, options["validation"], nn.MSELoss()) == history.validation[expected.best]
    kept = make_model()
    fit(kept, data, early_stopping=EarlyStopping(5, restore_best=False), **options)
    assert evaluate(kept, options["validation"], nn.MSELoss()) == history.validation[expected.stop]
    again = fit(make_model(), data, early_stopping=stopping, **options)
    assert again == history, "a used EarlyStopping must start afresh"


def test_nan_validation_ends_with_one_sentence(data: tuple[Tensor, Tensor]) -> None:
    options = {**overfitting_options(), "validation": (torch.ones(3, 1), torch.full((3, 1), math.nan))}
    with pytest.raises(RuntimeError, match="NaN or infinite in all 4 epochs"):
        fit(make_model(), data, early_stopping=EarlyStopping(4), **options)
    history = fit(make_model(), data, early_stopping=EarlyStopping(4, restore_best=False), **options)
    assert history.stopped_epoch == 3
    assert history.best_epoch is None


def test_best_epoch_agrees_with_min_delta() -> None:
    assert History(validation=[3.0, 2.9, 2.0, 1.9], min_delta=0.5).best_epoch == 2
    assert History(validation=[3.0, 2.9, 2.0, 1.9]).best_epoch == 3
    assert History(train=[2.0, 1.0]).best_epoch == 1


def test_plateau_schedule_follows_the_validation_loss(data: tuple[Tensor, Tensor]) -> None:
    options = {**overfitting_options(), "validation": (torch.ones(3, 1), torch.full((3, 1), math.nan)), "epochs": 4}
    history = fit(
        make_model(),
        data,
        scheduler=lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5),
        **options,
    )
    assert history.learning_rate[-1] < history.learning_rate[0]


def test_short_runs_and_disabled_bars_print_nothing(
    data: tuple[Tensor, Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    fit(make_model(), data, loss=nn.MSELoss(), optimizer=torch.optim.SGD, epochs=3)
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""
