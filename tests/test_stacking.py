"""Recordings are kept for later runs only where nothing can have changed in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import stacking
from course_utils.ensembles import fit_many
from course_utils.stacking import fingerprint

LOSS = {"loss": F.mse_loss}


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    stacking.KEPT.clear()
    yield
    stacking.KEPT.clear()


def data(n: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 4, generator=generator), torch.randn(n, 1, generator=generator)


def net(*, norm: bool = True, p: float = 0.0) -> nn.Module:
    middle = [nn.BatchNorm1d(5)] if norm else []
    return nn.Sequential(nn.Linear(4, 5), *middle, nn.ReLU(), nn.Dropout(p), nn.Linear(5, 1))


def run(make=net, *, lr: float = 0.1, loss=F.mse_loss, **options) -> Tensor:  # type: ignore[no-untyped-def]
    fitted = fit_many(make, data(), data(), seeds=[1, 2], epochs=3, loss=loss, progress="off", **options,
                      optimizer=lambda p: torch.optim.SGD(p, lr=lr))  # fmt: skip
    return torch.cat([fitted.train, *(value.reshape(2, -1).double() for value in fitted.final.values())], dim=1)


def test_a_sweep_records_once_and_gets_what_a_fresh_recording_gets() -> None:
    fresh = []
    for lr in (0.1, 0.2):
        stacking.KEPT.clear()
        fresh.append(run(lr=lr))
    stacking.KEPT.clear()
    kept = [run(lr=0.1)]
    recordings = [replay for replays in stacking.KEPT.values() for replay in replays.values()]
    kept.append(run(lr=0.2))
    again = [replay for replays in stacking.KEPT.values() for replay in replays.values()]
    assert [id(replay) for replay in again] == [id(replay) for replay in recordings]
    assert len(recordings) == 2  # one to learn, one to measure
    for a, b in zip(fresh, kept, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert not torch.equal(kept[0], kept[1])


def test_another_number_of_members_or_rows_is_recorded_anew() -> None:
    run()
    wide = fit_many(net, data(7), seeds=[1, 2, 3], epochs=3, loss=F.mse_loss, progress="off",
                    optimizer=lambda p: torch.optim.SGD(p, lr=0.1))  # fmt: skip
    assert wide.train.shape == (3, 3)


def test_a_loss_that_reads_a_variable_is_never_stale() -> None:
    factor = 1.0

    def scaled(prediction: Tensor, target: Tensor) -> Tensor:
        return factor * F.mse_loss(prediction, target)

    results = [run(loss=scaled)]
    factor = 3.0
    results.append(run(loss=scaled))
    torch.testing.assert_close(results[0], run())
    assert not torch.allclose(results[0], results[1])


def test_a_penalty_that_reads_a_variable_is_never_stale() -> None:
    strength = 0.0

    def penalty(weights: dict[str, Tensor]) -> Tensor:
        return torch.as_tensor(strength * sum(w.square().sum() for w in weights.values()))

    results = [run(penalty=penalty)]
    strength = 3.0
    results.append(run(penalty=penalty))
    assert not torch.allclose(results[0], results[1])


def test_a_layer_that_reads_a_variable_is_never_stale() -> None:
    factor = 1.0

    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return factor * x

    results = [run(lambda: nn.Sequential(nn.Linear(4, 5), Scaled(), nn.Linear(5, 1)))]
    factor = 3.0
    results.append(run(lambda: nn.Sequential(nn.Linear(4, 5), Scaled(), nn.Linear(5, 1))))
    assert not torch.allclose(results[0], results[1])


def test_what_changes_the_operations_changes_the_fingerprint() -> None:
    shared, relu = nn.Linear(4, 4), nn.ReLU()
    models = [
        net(),
        net(norm=False),
        net(p=0.5),
        nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5, eps=0.1), nn.ReLU(), nn.Dropout(0.0), nn.Linear(5, 1)),
        net().double(),
        nn.Sequential(shared, relu, shared, relu),
        nn.Sequential(shared, relu, relu, shared),
        nn.Sequential(shared, relu, nn.Linear(4, 4), relu),
    ]
    frozen = net()
    next(frozen.parameters()).requires_grad_(False)
    seen = [fingerprint(model, LOSS) for model in [*models, frozen]]
    seen += [fingerprint(net(), {"loss": F.l1_loss}), fingerprint(net(), {**LOSS, "more": F.l1_loss})]
    assert None not in seen
    assert len(set(seen)) == len(seen)
    assert fingerprint(net(), LOSS) == seen[0]


def test_what_cannot_be_told_has_no_fingerprint() -> None:
    hooked, own_forward, wrapped = net(), net(), nn.utils.parametrizations.weight_norm(nn.Linear(4, 1))
    hooked[0].register_forward_hook(lambda module, inputs, output: output)  # type: ignore[index]
    own_forward[0].forward = lambda x: x  # type: ignore[index, method-assign, assignment]

    class Mine(nn.Linear):
        pass

    for model in (hooked, own_forward, wrapped, Mine(4, 1), nn.Sequential(Mine(4, 1))):
        assert fingerprint(model, LOSS) is None
    for loss in (nn.MSELoss(), lambda a, b: (a - b).abs().mean(), torch.nn.CrossEntropyLoss(weight=torch.ones(3))):
        assert fingerprint(net(), {"loss": loss}) is None


def test_a_patched_layer_is_recorded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run(lambda: net(norm=False))
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: x)
    assert not torch.allclose(before, run(lambda: net(norm=False)))


def test_only_so_many_are_kept() -> None:
    for width in range(stacking.MOST_KEPT):
        run(
            lambda width=width: (
                nn.Linear(4, 1) if width == 0 else nn.Sequential(nn.Linear(4, width), nn.Linear(width, 1))
            )
        )
    assert len(stacking.KEPT) == stacking.MOST_KEPT
