"""layers against torch: its own sample inputs, random shapes, errors, state; and wrong layers must be told apart."""

from __future__ import annotations

import copy
import io
import math
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from course_utils import layers
from course_utils.ensembles import fit_many

NORMS = [name for name in layers.__all__ if "Norm" in name]
# Rounding only: float64 must agree nearly to the last digit; float32 sums in another order than torch's kernels.
TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-10}, torch.float32: {"rtol": 1e-4, "atol": 2e-5}}
MODES = (True, True, False, True, False)

# torch tests its own modules with these inputs. Importing them freezes torch's backend flags for the whole process,
# hence a process of their own. They ask for a package, expecttest, of which only two names are looked up: stand-ins do.
COLLECT = """
import sys, types, unittest
sys.modules["expecttest"] = types.SimpleNamespace(TestCase=unittest.TestCase, ACCEPT=False)
import torch
from torch.testing._internal.common_modules import module_db

def plain(one):
    built, called = one.constructor_input, one.forward_input
    assert not called or not called.kwargs, "a sample input with keywords"
    return {"args": built.args, "kwargs": built.kwargs, "inputs": called.args if called else (), "name": one.desc}

samples = {}
for info in module_db:
    if info.module_cls.__module__.startswith("torch.nn") and info.module_cls.__name__ in sys.argv[2:]:
        errors = info.module_error_inputs_func
        samples[info.module_cls.__name__] = {
            "inputs": [
                {**plain(one), "training": training, "double": dtype == torch.float64}
                for dtype in (torch.float32, torch.float64)
                for training in (True, False)
                for one in info.module_inputs_func(info, "cpu", dtype, True, training)
            ],
            "errors": [
                {**plain(one.module_error_input), "type": one.error_type.__name__, "match": one.error_regex}
                for training in (True, False)
                for one in (errors(info, "cpu", torch.float64, True, training) if errors else ())
            ],
        }
torch.save(samples, sys.argv[1])
"""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("samples") / "samples.pt"
    done = subprocess.run([sys.executable, "-c", COLLECT, path, *NORMS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return torch.load(path, weights_only=True)


def draw(shape: Sequence[int], dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Draw numbers whose mean is not 0 and whose standard deviation is not 1."""
    return 1.7 * torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype) + 0.6


def randomise(layer: nn.Module, generator: torch.Generator) -> None:
    """Give a layer parameters and running statistics that are not at their start values."""
    with torch.no_grad():
        for name, tensor in layer.state_dict().items():
            if name == "num_batches_tracked":
                tensor.fill_(3)
            else:
                tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + 0.5)


def derivatives(layer: nn.Module, x: Tensor, direction: Tensor, *, second: bool) -> list[Tensor]:
    """Return output, gradients and, if asked for, gradients of the squares of both."""
    x = x.detach().clone().requires_grad_()
    y = layer(x)
    leaves = [x, *layer.parameters()]
    first = torch.autograd.grad((y * direction).sum(), leaves, create_graph=second)
    found = [y, *first]
    if second:
        squares = torch.stack([one.square().sum() for one in found]).sum()
        found += torch.autograd.grad(squares, leaves, materialize_grads=True)
    return [one.detach() for one in found]


def compare(
    mine: nn.Module, theirs: nn.Module, batches: Sequence[Tensor], modes: Sequence[bool] = MODES, *, seed: int = 0
) -> None:
    """Raise AssertionError unless two layers agree on outputs, derivatives and buffers, batch after batch.

    Args:
        mine: a layer of the course.
        theirs: torch's.
        batches: what they see, one after another.
        modes: training mode for each batch.
        seed: draws first weights and running statistics.
    """
    generator = torch.Generator().manual_seed(seed)
    randomise(theirs, generator)
    mine.load_state_dict(theirs.state_dict(), strict=True)
    assert [*mine.state_dict()] == [*theirs.state_dict()]
    assert [name for name, _ in mine.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    for x, training in zip(batches, modes, strict=True):
        mine.train(training)
        theirs.train(training)
        direction = torch.rand(x.shape, generator=generator, dtype=torch.float64).to(x.dtype) + 0.1
        second = x.dtype == torch.float64 and x.numel() > 0
        got, expected = (derivatives(layer, x, direction, second=second) for layer in (mine, theirs))
        with torch.no_grad():  # gradients or not must make no difference
            got.append(mine(x))
            expected.append(theirs(x))
        for one, other in zip(got, expected, strict=True):
            torch.testing.assert_close(one, other, **TOLERANCE[x.dtype])
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(mine.state_dict()[name], value, **TOLERANCE[x.dtype])
    theirs.load_state_dict(mine.state_dict(), strict=True)


def compare_class(
    make: Callable[..., nn.Module],
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    shape: Sequence[int],
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> None:
    """Compare a layer with torch's on five batches of a shape, and of other batch sizes where the layer has a batch."""
    generator = torch.Generator().manual_seed(seed + 1)
    mine, theirs = make(*args, **kwargs).to(dtype), getattr(nn, name)(*args, **kwargs).to(dtype)
    unbatched = name.startswith("Instance") and len(shape) == int(name[-2]) + 1
    fixed = unbatched or math.prod(shape) == 0
    shapes = [shape if fixed else (shape[0] + more, *shape[1:]) for more in (0, 1, 3, 0, 2)]
    compare(mine, theirs, [draw(one, dtype, generator) for one in shapes], seed=seed)


@pytest.mark.parametrize("name", NORMS)
def test_torchs_own_sample_inputs(samples: dict[str, Any], name: str) -> None:
    inputs = samples[name]["inputs"]
    assert len(inputs) >= 24, "torch's samples have changed their form"
    for one in inputs:
        (x,) = one["inputs"]
        dtype = torch.float64 if one["double"] else torch.float32
        assert x.dtype == dtype
        mine, theirs = (getattr(where, name)(*one["args"], **one["kwargs"]).to(dtype) for where in (layers, nn))
        assert repr(mine) == repr(theirs)
        compare(mine, theirs, [x], [one["training"]])
        compare_class(getattr(layers, name), name, one["args"], one["kwargs"], x.shape, dtype)


def outcome(make: Callable[[], nn.Module], x: Tensor, *, training: bool) -> tuple[str, str]:
    """Return type and first line of what a layer raises, or "none" and the shape of the output."""
    try:
        return "none", str(tuple(make().train(training)(x).shape))
    except Exception as error:
        return type(error).__name__, str(error).splitlines()[0]


@pytest.mark.parametrize("name", NORMS)
def test_torchs_own_error_inputs(samples: dict[str, Any], name: str) -> None:
    errors = samples[name]["errors"]
    assert bool(errors) == name.startswith(("Batch", "Group")), "torch's samples have changed their form"
    for one in errors:
        with pytest.raises(Exception, match=one["match"]) as caught:
            getattr(layers, name)(*one["args"], **one["kwargs"]).double()(*one["inputs"])
        assert type(caught.value).__name__ == one["type"]


ERRORS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("BatchNorm1d", (3,), {}, (4,)),
    ("BatchNorm1d", (3,), {}, (4, 3, 2, 2)),
    ("BatchNorm2d", (3,), {}, (4, 3, 2)),
    ("BatchNorm3d", (3,), {}, (4, 3, 2, 2)),
    ("BatchNorm1d", (3,), {}, (1, 3)),
    ("BatchNorm1d", (3,), {}, (1, 3, 1)),
    ("BatchNorm1d", (3,), {}, (1, 4)),
    ("BatchNorm1d", (3,), {"track_running_stats": False}, (1, 3)),
    ("BatchNorm2d", (3,), {}, (1, 3, 1, 1)),
    ("BatchNorm3d", (3,), {}, (1, 3, 1, 1, 1)),
    ("BatchNorm1d", (3,), {}, (4, 5)),
    ("BatchNorm2d", (3,), {}, (4, 5, 2, 2)),
    ("BatchNorm1d", (3,), {"affine": False}, (4, 5)),
    ("BatchNorm1d", (3,), {"track_running_stats": False}, (4, 5)),
    ("BatchNorm1d", (3,), {"track_running_stats": False, "bias": False}, (4, 5)),
    ("BatchNorm1d", (3,), {"affine": False, "track_running_stats": False}, (4, 5)),
    ("BatchNorm1d", (3,), {"eps": 0}, (4, 3)),
    ("BatchNorm1d", (3,), {"eps": -1.0}, (4, 3)),
    ("InstanceNorm1d", (3,), {}, (4,)),
    ("InstanceNorm2d", (3,), {}, (4, 3)),
    ("InstanceNorm3d", (3,), {}, (4, 3, 2)),
    ("InstanceNorm1d", (3,), {"affine": True}, (4, 5, 6)),
    ("InstanceNorm1d", (3,), {"affine": True}, (5, 6)),
    ("InstanceNorm1d", (3,), {"track_running_stats": True}, (4, 5, 6)),
    ("InstanceNorm1d", (3,), {}, (4, 3, 1)),
    ("InstanceNorm1d", (3,), {}, (3, 1)),
    ("InstanceNorm2d", (3,), {"track_running_stats": True}, (4, 3, 1, 1)),
    ("InstanceNorm1d", (3,), {"eps": 0}, (4, 3, 5)),
    ("InstanceNorm1d", (3,), {}, (4, 3, 0)),
    ("LayerNorm", (10,), {}, (4, 5)),
    ("LayerNorm", ((3, 5),), {}, (4, 2, 5)),
    ("LayerNorm", ((3, 5),), {}, (5,)),
    ("LayerNorm", ((),), {}, (5,)),
    ("LayerNorm", (10,), {"elementwise_affine": False}, (4, 5)),
    ("GroupNorm", (4, 6), {}, (2, 6)),
    ("GroupNorm", (0, 6), {}, (2, 6)),
    ("GroupNorm", (-2, 6), {}, (2, 6, 3)),
    ("GroupNorm", (2, 6), {}, (6,)),
    ("GroupNorm", (2, 6), {}, (3, 4, 5)),
    ("GroupNorm", (2, 6), {"bias": False}, (3, 4, 5)),
    ("GroupNorm", (2, 6), {"affine": False}, (3, 4, 5)),
    ("GroupNorm", (2, 6), {}, (3, 5, 5)),
    ("GroupNorm", (2, 6), {"affine": False}, (3, 5, 5)),
    ("GroupNorm", (6, 6), {}, (1, 6)),
    ("GroupNorm", (6, 6), {}, (2, 6)),
    ("GroupNorm", (1, 1), {}, (1, 1, 1)),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), ERRORS)
@pytest.mark.filterwarnings("ignore:input's size")
def test_errors_are_torchs(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], shape: tuple[int, ...], training: bool
) -> None:
    x = torch.zeros(shape)
    mine, theirs = (
        outcome(lambda where=where: getattr(where, name)(*args, **kwargs), x, training=training)
        for where in (layers, nn)
    )
    assert mine == theirs


@pytest.mark.filterwarnings("ignore:input's size")
def test_the_list_of_errors_has_errors() -> None:
    raised = [
        outcome(lambda n=n, a=a, k=k: getattr(nn, n)(*a, **k), torch.zeros(s), training=True)[0]
        for n, a, k, s in ERRORS
    ]
    assert {"ValueError", "RuntimeError", "ZeroDivisionError", "none"} == set(raised)
    assert raised.count("none") <= 8


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "shape"),
    [
        ("BatchNorm1d", (3,), {}, (4, 3)),
        ("BatchNorm1d", (3,), {"affine": False}, (4, 3)),
        ("BatchNorm1d", (3,), {"affine": False, "track_running_stats": False}, (4, 3)),
        ("InstanceNorm1d", (3,), {"affine": True}, (4, 3, 5)),
        ("InstanceNorm1d", (3,), {"track_running_stats": True}, (4, 3, 5)),
        ("LayerNorm", (3,), {}, (4, 3)),
        ("GroupNorm", (1, 3), {}, (4, 3)),
    ],
)
@pytest.mark.parametrize("layer_type", [torch.float32, torch.float64])
@pytest.mark.parametrize("input_type", [torch.float32, torch.float64])
def test_types_are_mixed_where_torch_mixes_them(
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    shape: tuple[int, ...],
    layer_type: torch.dtype,
    input_type: torch.dtype,
) -> None:
    x = torch.rand(shape, dtype=input_type)
    mine, theirs = (
        outcome(lambda where=where: getattr(where, name)(*args, dtype=layer_type, **kwargs), x, training=True)
        for where in (layers, nn)
    )
    assert mine == theirs


def test_instance_norm_warns_of_other_channels_as_torch_does() -> None:
    said = []
    for where in (layers, nn):
        with pytest.warns(UserWarning, match="does not match num_features") as caught:
            where.InstanceNorm1d(3)(torch.rand(4, 5, 6))
        said.append([str(one.message) for one in caught])
    assert said[0] == said[1]


def random_case(
    name: str, order: random.Random, epsilons: Sequence[float] = (1e-5, 1e-3, 0.3)
) -> tuple[tuple[Any, ...], dict[str, Any], tuple[int, ...]]:
    """Draw arguments and a shape for a layer."""
    channels, batch = order.randint(1, 7), order.randint(2, 9)
    eps = order.choice(epsilons)
    bias = order.random() < 0.7
    if name == "LayerNorm":
        shape = tuple(order.randint(1, 4) for _ in range(order.randint(1, 4)))
        last = order.randint(1, len(shape))
        return (shape[-last:], eps, order.random() < 0.7, bias), {}, (batch, *shape)
    if name == "GroupNorm":
        groups = order.randint(1, 4)
        places = [order.randint(1, 5) for _ in range(order.randint(0, 3))]
        return (
            (groups, groups * channels, eps, order.random() < 0.7),
            {"bias": bias},
            (batch, groups * channels, *places),
        )
    places = [order.randint(2, 4) for _ in range(int(name[-2]))]
    if name == "BatchNorm1d" and order.random() < 0.5:
        places = []
    shape = (batch, channels, *places)
    if name.startswith("Instance") and order.random() < 0.3:
        shape = shape[1:]
    momentum = order.choice([None, 0.0, 0.1, 0.5, 1.0])
    return (channels, eps, momentum, order.random() < 0.7, order.random() < 0.7), {"bias": bias}, shape


@pytest.mark.parametrize("name", NORMS)
def test_random_arguments_and_shapes(name: str) -> None:
    order = random.Random(f"layers {name}")
    for case in range(25):
        args, kwargs, shape = random_case(name, order)
        compare_class(getattr(layers, name), name, args, kwargs, shape, seed=case)
        # Where a variance is 0, an epsilon of 1e-5 makes the rounding errors of float32 316 times as large.
        args, kwargs, shape = random_case(name, order, epsilons=(1e-2, 0.3))
        if case < 10:
            compare_class(getattr(layers, name), name, args, kwargs, shape, torch.float32, seed=case)


@pytest.mark.parametrize(
    ("name", "args", "shape"),
    [("BatchNorm2d", (4,), (3, 4, 5, 2)), ("InstanceNorm2d", (4,), (3, 4, 5, 2)), ("GroupNorm", (2, 4), (3, 4, 5, 2))],
)
def test_other_layouts_in_memory(name: str, args: tuple[int, ...], shape: tuple[int, ...]) -> None:
    x = draw(shape, torch.float64, torch.Generator().manual_seed(0))
    for seen in (x.to(memory_format=torch.channels_last), x.flip(0).transpose(2, 3), x[::2]):
        mine, theirs = (getattr(where, name)(*args).double() for where in (layers, nn))
        compare(mine, theirs, [seen], [True])


GRADCHECKED: list[tuple[nn.Module, tuple[int, ...]]] = [
    (layers.BatchNorm1d(3), (4, 3)),
    (layers.BatchNorm1d(3), (2, 3, 2)),
    (layers.InstanceNorm1d(2, affine=True, track_running_stats=True), (2, 2, 3)),
    (layers.LayerNorm((2, 3)), (2, 2, 3)),
    (layers.GroupNorm(2, 4), (2, 4, 2)),
]


@pytest.mark.parametrize(("layer", "shape"), GRADCHECKED)
@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_slopes(layer: nn.Module, shape: tuple[int, ...], training: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = copy.deepcopy(layer).double().train(training)
    randomise(layer, generator)
    names = [name for name, _ in layer.named_parameters()]

    def output(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    x = draw(shape, torch.float64, generator).requires_grad_()
    inputs = (x, *(parameter.detach().clone().requires_grad_() for parameter in layer.parameters()))
    assert torch.autograd.gradcheck(output, inputs)
    assert torch.autograd.gradgradcheck(output, inputs)


def test_momentum_none_is_the_average_of_all_batches() -> None:
    layer = layers.BatchNorm1d(2, momentum=None, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    seen = [draw((6, 2), torch.float64, generator) for _ in range(5)]
    for x in seen:
        layer(x)
    torch.testing.assert_close(layer.running_mean, torch.stack([x.mean(0) for x in seen]).mean(0))
    torch.testing.assert_close(layer.running_var, torch.stack([x.var(0) for x in seen]).mean(0))
    assert int(layer.num_batches_tracked) == 5


def test_an_empty_batch_leaves_the_running_statistics_alone() -> None:
    mine, theirs = layers.BatchNorm1d(3), nn.BatchNorm1d(3)
    for layer in (mine, theirs):
        layer(torch.ones(0, 3))
    for name, value in theirs.state_dict().items():
        assert torch.equal(mine.state_dict()[name], value)


def test_statistics_switched_off_later_are_used_as_in_torch() -> None:
    x = [draw((6, 3, 4), torch.float64, torch.Generator().manual_seed(seed)) for seed in range(4)]
    for name in ("BatchNorm1d", "InstanceNorm1d"):
        mine, theirs = (getattr(where, name)(3, track_running_stats=True).double() for where in (layers, nn))
        compare(mine, theirs, x[:2], [True, False])
        mine.track_running_stats = theirs.track_running_stats = False
        compare(mine, theirs, x[2:], [True, False])


@pytest.mark.parametrize("name", NORMS)
def test_state_survives_copies_and_files(name: str) -> None:
    args, kwargs, shape = random_case(name, random.Random(5))
    layer = getattr(layers, name)(*args, **kwargs).double()
    generator = torch.Generator().manual_seed(0)
    x = draw(shape, torch.float64, generator)
    randomise(layer, generator)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    loaded = getattr(nn, name)(*args, **kwargs).double()
    loaded.load_state_dict(torch.load(file, weights_only=True), strict=True)
    twin = copy.deepcopy(layer)
    for other in (twin, pickle.loads(pickle.dumps(layer)), loaded):
        torch.testing.assert_close(other.eval()(x), layer.eval()(x), **TOLERANCE[torch.float64])
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    twin.train()(x)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items()), "copies share nothing"
    versions = [one.state_dict()._metadata[""]["version"] for one in (layer, loaded)]
    assert versions[0] == versions[1]


def test_old_and_plain_states_without_a_count_load_as_in_torch() -> None:
    state = {
        "weight": torch.ones(3),
        "bias": torch.ones(3),
        "running_mean": torch.ones(3),
        "running_var": torch.ones(3),
    }
    for layer in (layers.BatchNorm1d(3), nn.BatchNorm1d(3)):
        layer.load_state_dict(state)
        assert int(layer.num_batches_tracked) == 0
        with pytest.raises(RuntimeError, match="running_var"):
            layer.load_state_dict({key: value for key, value in state.items() if key != "running_var"})
        new = layer.state_dict()
        del new["num_batches_tracked"]
        with pytest.raises(RuntimeError, match="num_batches_tracked"):
            layer.load_state_dict(new)


@pytest.mark.parametrize("name", NORMS)
def test_reset_device_and_type(name: str) -> None:
    args = (2, 4) if name == "GroupNorm" else (4,)
    mine, theirs = (getattr(where, name)(*args, device="meta", dtype=torch.float64) for where in (layers, nn))
    described = [{key: (v.device, v.dtype, v.shape) for key, v in one.state_dict().items()} for one in (mine, theirs)]
    assert described[0] == described[1]
    mine = getattr(layers, name)(*args)
    start = copy.deepcopy(mine.state_dict())
    randomise(mine, torch.Generator().manual_seed(0))
    mine.reset_parameters()
    assert all(torch.equal(value, start[key]) for key, value in mine.state_dict().items())


def test_group_norm_is_layer_norm_and_instance_norm_at_its_ends() -> None:
    x = draw((3, 4, 5, 2), torch.float64, torch.Generator().manual_seed(0))
    one, all_of_them = (layers.GroupNorm(groups, 4).double()(x) for groups in (1, 4))
    torch.testing.assert_close(one, layers.LayerNorm((4, 5, 2)).double()(x))
    torch.testing.assert_close(all_of_them, layers.InstanceNorm2d(4).double()(x))
    assert not torch.allclose(one, all_of_them)


@pytest.mark.parametrize("name", ["BatchNorm1d", "LayerNorm", "Dropout"])
def test_a_stack_of_models_trains_with_them_as_with_torchs(name: str) -> None:
    x = torch.linspace(-1, 1, 40, dtype=torch.float64).unsqueeze(1)

    def train(where: Any) -> Any:
        def make() -> nn.Module:
            layer = where.Dropout(0.3) if name == "Dropout" else getattr(where, name)(8)
            return nn.Sequential(nn.Linear(1, 8), layer, nn.Tanh(), nn.Linear(8, 1)).double()

        torch.manual_seed(0)
        data = (x, torch.sin(4 * x))
        options: dict[str, Any] = {"loss": nn.MSELoss(), "optimizer": torch.optim.Adam, "epochs": 5, "batch_size": 16}
        return fit_many(make, data, data, seeds=[1, 2, 3], **options)

    mine, theirs = train(layers), train(nn)
    for key, value in theirs.final.items():
        torch.testing.assert_close(mine.final[key], value, rtol=1e-6, atol=1e-8)


class HandMade(nn.Module):
    """A normalization with one flaw; without a flaw it is right, so that the comparison is shown to be fair."""

    def __init__(self, kind: str, flaw: str | None, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.kind, self.flaw = kind, flaw
        theirs = getattr(nn, kind)(*args, **kwargs)
        self.eps, self.groups = theirs.eps, getattr(theirs, "num_groups", 1)
        self.momentum = getattr(theirs, "momentum", None)
        for name, parameter in theirs.named_parameters():
            self.register_parameter(name, parameter)
        for name, buffer in theirs.named_buffers():
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Tensor:
        flaw, shape = self.flaw, x.shape
        if self.kind == "GroupNorm":
            size = (shape[1] // self.groups, self.groups) if flaw == "interleaved" else (self.groups, -1)
            x = x.unflatten(1, size)
            axes = [1, *range(3, x.ndim)] if flaw == "interleaved" else [*range(2, x.ndim)]
        else:
            axes = {"BatchNorm1d": [0, *range(2, x.ndim)], "LayerNorm": [-1], "InstanceNorm1d": [2]}[self.kind]
        if flaw == "other axes":
            axes = {"BatchNorm1d": [0], "LayerNorm": [0], "InstanceNorm1d": [0, 2], "GroupNorm": [2]}[self.kind]
        along = (1, -1, *[1] * (len(shape) - 2)) if self.kind != "LayerNorm" else shape[-1:]
        mean, var = x.mean(axes, keepdim=True), x.var(axes, correction=int(flaw == "unbiased"), keepdim=True)
        training = torch.is_grad_enabled() if flaw == "mode from gradients" else self.training
        if hasattr(self, "running_mean"):
            if training or flaw == "batch in evaluation":
                self.update(mean.detach(), x.detach().var(axes, correction=int(flaw != "biased memory"), keepdim=True))
            if not training and flaw != "batch in evaluation":
                mean, var = self.running_mean.view(along), self.running_var.view(along)
        if flaw == "constant statistics":
            mean, var = mean.detach(), var.detach()
        x = (x - mean) / (var.sqrt() + self.eps if flaw == "eps outside" else (var + self.eps).sqrt())
        x = x.reshape(shape)
        shift = self.bias.view(along)
        return (x + shift) * self.weight.view(along) if flaw == "shift first" else x * self.weight.view(along) + shift

    def update(self, mean: Tensor, var: Tensor) -> None:
        self.num_batches_tracked += 1
        new = 1 - self.momentum if self.flaw == "momentum on the old" else self.momentum
        for old, value in ((self.running_mean, mean), (self.running_var, var)):
            old.mul_(1 - new).add_(new * value.reshape(len(old), -1).mean(1))


CASES: dict[str, tuple[tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = {
    "BatchNorm1d": ((4, 1e-3), {}, (8, 4, 3)),
    "LayerNorm": ((4, 1e-3), {}, (8, 4)),
    "InstanceNorm1d": ((4, 1e-3), {"affine": True}, (8, 4, 3)),
    "GroupNorm": ((2, 4, 1e-3), {}, (8, 4, 3)),
}
EVERY = ("unbiased", "eps outside", "other axes", "constant statistics", "shift first")
BATCH_ONLY = ("biased memory", "momentum on the old", "mode from gradients", "batch in evaluation")
FLAWS = [(kind, flaw) for kind in CASES for flaw in EVERY]
FLAWS += [*(("BatchNorm1d", flaw) for flaw in BATCH_ONLY), ("GroupNorm", "interleaved")]


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_comparison_accepts_other_code_that_is_right(kind: str, dtype: torch.dtype) -> None:
    compare_class(lambda *args, **kwargs: HandMade(kind, None, *args, **kwargs), kind, *CASES[kind], dtype)


@pytest.mark.parametrize(("kind", "flaw"), FLAWS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_comparison_refuses_wrong_layers(kind: str, flaw: str, dtype: torch.dtype) -> None:
    with pytest.raises(AssertionError, match=r"not close|not equal"):
        compare_class(lambda *args, **kwargs: HandMade(kind, flaw, *args, **kwargs), kind, *CASES[kind], dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.3, 0.9, 1.0])
def test_dropout_with_the_same_seed_is_torchs(p: float, inplace: bool, dtype: torch.dtype) -> None:
    x = draw((33, 17), dtype, torch.Generator().manual_seed(0))
    results = []
    for where in (layers, nn):
        layer = where.Dropout(p, inplace)
        assert repr(layer) == repr(nn.Dropout(p, inplace))
        leaf = x.clone().requires_grad_()
        seen = leaf * 1
        torch.manual_seed(7)
        for _ in range(2):
            y = layer(seen)
        (gradient,) = torch.autograd.grad((y * x).sum(), leaf)
        assert (y is seen) == (inplace or p == 0)
        results.append((y.detach(), gradient))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert layers.Dropout(p).eval()(x) is x


def test_dropout_keeps_the_mean_and_the_share() -> None:
    torch.manual_seed(0)
    n, p = 200_000, 0.3
    x = torch.full((n,), 2.0, dtype=torch.float64)
    y = layers.Dropout(p)(x)
    share = float((y == 0).double().mean())
    assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / n)
    torch.testing.assert_close(y[y != 0], torch.full_like(y[y != 0], 2 / 0.7))
    # Kept or not, each number is drawn by itself: neighbours do not hang together.
    kept = (y != 0).double() - (1 - p)
    assert abs(float((kept[1:] * kept[:-1]).mean())) < 5 * p * (1 - p) / math.sqrt(n)
    assert abs(float(y.mean()) - 2) < 5 * 2 * math.sqrt(p / (1 - p) / n)
    assert torch.equal(layers.Dropout(1.0)(x), torch.zeros_like(x))
    assert torch.equal(layers.Dropout(0.0)(x), x)


@pytest.mark.parametrize("p", [1.5, -0.1, 2])
def test_dropout_refuses_what_is_no_probability(p: float) -> None:
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1") as mine:
        layers.Dropout(p)
    with pytest.raises(ValueError, match="dropout") as theirs:
        nn.Dropout(p)
    assert str(mine.value) == str(theirs.value)
    with pytest.raises(ValueError, match="got nan"):
        layers.Dropout(math.nan)


class Operations(TorchDispatchMode):
    """Writes down the names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", NORMS)
def test_only_plain_operations_are_used(name: str) -> None:
    args, kwargs, shape = random_case(name, random.Random(3))
    x = torch.rand(shape)
    recorded = []
    for where in (layers, nn):
        layer = getattr(where, name)(*args, **kwargs)
        with Operations() as operations:
            layer(x)
        recorded.append([one for one in operations.names if "norm" in one])
    assert recorded[0] == []
    assert recorded[1] != [], "torch's own must be seen"
    assert not isinstance(getattr(layers, name)(*args, **kwargs), getattr(nn, name))
