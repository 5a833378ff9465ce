"""recurrent against torch: its sample inputs and errors, random arguments, packed batches; wrong layers are seen."""

from __future__ import annotations

import copy
import io
import math
import pickle
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.overrides import TorchFunctionMode

from course_utils import layers, recurrence, recurrent
from course_utils.ensembles import fit_many

KINDS = ("RNN", "LSTM", "GRU")
# Rounding only; torch's fast float32 kernel for the LSTM sums in another order and has its own exponential.
TOLERANCE = {torch.float64: {"rtol": 0, "atol": 1e-10}, torch.float32: {"rtol": 1e-4, "atol": 2e-5}}

# torch tests its own modules with these inputs. Importing them freezes torch's backend flags for the whole process,
# hence a process of their own. They ask for a package, expecttest, of which only two names are looked up: stand-ins do.
COLLECT = """
import sys, types, unittest
sys.modules["expecttest"] = types.SimpleNamespace(TestCase=unittest.TestCase, ACCEPT=False)
import torch
from torch.testing._internal.common_modules import module_db

def plain(value):
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        assert value.sorted_indices is None
        return {"packed": (value.data, value.batch_sizes)}
    return value

def written(one):
    built, called = one.constructor_input, one.forward_input
    assert not called or not called.kwargs, "a sample input with keywords"
    return {"args": built.args, "kwargs": built.kwargs, "inputs": [plain(x) for x in called.args] if called else None}

samples = {}
for info in module_db:
    if info.module_cls in (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU):
        options = {} if info.module_cls is torch.nn.LSTM else {"with_packed_sequence": True}
        settings = [(d, t) for d in (torch.float32, torch.float64) for t in (True, False)]
        samples[info.module_cls.__name__] = {
            "inputs": [
                {**written(one), "training": training, "double": dtype == torch.float64}
                for dtype, training in settings
                for one in info.module_inputs_func(info, "cpu", dtype, True, training, **options)
            ],
            "errors": [
                {**written(one.module_error_input), "type": one.error_type.__name__, "match": one.error_regex}
                for dtype, training in settings
                for one in info.module_error_inputs_func(info, "cpu", dtype, True, training)
            ],
        }
torch.save(samples, sys.argv[1])
"""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("samples") / "samples.pt"
    done = subprocess.run([sys.executable, "-c", COLLECT, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return torch.load(path, weights_only=True)


def draw(*shape: int, generator: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def leaf(value: Any, leaves: list[Tensor]) -> Any:
    """Return an input whose tensors are fresh leaves, and note those."""
    if isinstance(value, PackedSequence):
        return value._replace(data=leaf(value.data, leaves))
    if isinstance(value, tuple):
        return tuple(leaf(one, leaves) for one in value)
    if value is None:
        return None
    leaves.append(value.detach().clone().requires_grad_())
    return leaves[-1]


def tensors(value: Any) -> list[Tensor]:
    """Return the tensors in an output, with all that says how a packed one is sorted."""
    if isinstance(value, PackedSequence):
        return [one for one in value if one is not None]
    return [one for part in value for one in tensors(part)] if isinstance(value, tuple) else [value]


def answers(layer: nn.Module, x: Any, hx: Any, seed: int) -> list[Tensor]:
    """Return outputs and gradients in the inputs and the parameters, and outputs again without gradients."""
    leaves: list[Tensor] = []
    x, hx = leaf(x, leaves), leaf(hx, leaves)
    torch.manual_seed(seed)
    found = tensors(layer(x) if hx is None else layer(x, hx))
    generator = torch.Generator().manual_seed(seed)
    total = sum(
        (one * (draw(*one.shape, generator=generator, dtype=one.dtype) + 0.5)).sum()
        for one in found
        if one.requires_grad
    )
    gradients = torch.autograd.grad(total, [*leaves, *layer.parameters()], materialize_grads=True)
    torch.manual_seed(seed)
    with torch.no_grad():
        again = tensors(layer(x) if hx is None else layer(x, hx))
    return [one.detach() for one in (*found, *gradients, *again)]


def compare(mine: nn.Module, theirs: nn.Module, x: Any, hx: Any = None, *, seed: int = 0) -> None:
    """Raise AssertionError unless two layers with torch's weights give the same outputs and gradients."""
    mine.load_state_dict(theirs.state_dict(), strict=True)
    assert [name for name, _ in mine.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    got, expected = (answers(one, x, hx, seed) for one in (mine, theirs))
    assert len(got) == len(expected)
    dtype = next(theirs.parameters()).dtype
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE[dtype])
    theirs.load_state_dict(mine.state_dict(), strict=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_torchs_own_sample_inputs(samples: dict[str, Any], kind: str) -> None:
    inputs = samples[kind]["inputs"]
    assert len(inputs) >= 64, "torch's samples have changed their form"
    seen = 0
    for one in inputs:
        x, *rest = one["inputs"]
        if isinstance(x, dict):
            x, seen = PackedSequence(*x["packed"]), seen + 1
        dtype = torch.float64 if one["double"] else torch.float32
        mine, theirs = (
            getattr(where, kind)(*one["args"], **one["kwargs"]).to(dtype).train(one["training"])
            for where in (layers, nn)
        )
        assert repr(mine) == repr(theirs)
        compare(mine, theirs, x, *rest)
    assert (seen > 0) == (kind != "LSTM")


def outcome(where: Any, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any], *inputs: Any) -> tuple[str, str]:
    """Return type and first line of what a layer raises, or "none" and the shapes of its output."""
    try:
        layer = getattr(where, kind)(*args, **kwargs)
        return "none", str([tuple(one.shape) for one in tensors(layer(*inputs))] if inputs else layer)
    except Exception as error:
        return type(error).__name__, str(error).splitlines()[0]


@pytest.mark.parametrize("kind", KINDS)
def test_torchs_own_error_inputs(samples: dict[str, Any], kind: str) -> None:
    errors = samples[kind]["errors"]
    assert len(errors) >= 40, "torch's samples have changed their form"
    for one in errors:
        inputs = one["inputs"] or []
        with pytest.raises(Exception, match=one["match"]) as caught:
            getattr(layers, kind)(*one["args"], **one["kwargs"])(*inputs)
        assert type(caught.value).__name__ == one["type"]
        mine, theirs = (outcome(where, kind, one["args"], one["kwargs"], *inputs) for where in (layers, nn))
        assert mine == theirs


SETTINGS: list[dict[str, Any]] = [
    {"hidden_size": 0},
    {"hidden_size": -1},
    {"input_size": 0},
    {"input_size": 2.0},
    {"num_layers": 0},
    {"num_layers": -1},
    {"dropout": 1.5},
    {"dropout": -0.1},
    {"dropout": True},
    {"dropout": "0.5"},
    {"dropout": "much"},
    {"dropout": None},
    {"dropout": math.nan},
    {"bias": 1},
    {"bias": None},
    {"batch_first": 0},
    {"proj_size": 2},
    {"proj_size": 5},
    {"proj_size": 6},
    {"proj_size": -1},
    {"nonlinearity": "tanh"},
    {"nonlinearity": "relu"},
    {"nonlinearity": "sigmoid"},
    {"dropout": 0, "num_layers": 2},
    {"bidirectional": True},
]


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_that_torch_refuses(kind: str) -> None:
    raised = []
    for settings in SETTINGS:
        if kind != "RNN" and "nonlinearity" in settings:
            continue
        kwargs = {"input_size": 3, "hidden_size": 5, **settings}
        mine, theirs = (outcome(where, kind, (), kwargs) for where in (layers, nn))
        assert mine == theirs, settings
        raised.append(theirs[0])
    assert {"ValueError", "TypeError", "none"} == set(raised)
    assert raised.count("none") <= 4


def both(*shape: int, kind: str) -> Any:
    """Return a first state of zeros."""
    return (torch.zeros(shape), torch.zeros(shape)) if kind == "LSTM" else torch.zeros(shape)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_that_torch_refuses(kind: str) -> None:
    zeros = torch.zeros
    inputs: list[tuple[Any, ...]] = [
        (zeros(3),),
        (zeros(1, 4, 2, 3),),
        (zeros(4, 2, 4),),
        (zeros(4, 2),),
        (zeros(0, 2, 3),),
        (zeros(0, 3),),
        (zeros(4, 2, 3).double(),),
        (zeros(4, 2, 3).long(),),
        (zeros(4, 2, 3), both(1, 2, 4, kind=kind)),
        (zeros(4, 2, 3), both(1, 3, 5, kind=kind)),
        (zeros(4, 2, 3), both(2, 2, 5, kind=kind)),
        (zeros(4, 2, 3), both(1, 5, kind=kind)),
        (zeros(4, 3), both(1, 1, 5, kind=kind)),
        (zeros(4, 3), both(2, 5, kind=kind)),
    ]
    if kind == "LSTM":
        inputs += [
            (zeros(4, 2, 3), (zeros(1, 2, 5), zeros(1, 2, 4))),
            (zeros(4, 2, 3), (zeros(1, 2, 5), zeros(1, 5))),
            (zeros(4, 2, 3), (zeros(1, 2, 5),) * 3),
        ]
    for one in inputs:
        mine, theirs = (outcome(where, kind, (3, 5), {}, *one) for where in (layers, nn))
        assert theirs[0] != "none"
        assert mine == theirs


@pytest.mark.parametrize("kind", KINDS)
def test_packed_inputs_that_torch_refuses(kind: str) -> None:
    def packed(*shape: int, dtype: torch.dtype = torch.float32) -> PackedSequence:
        return pack_padded_sequence(torch.zeros(shape, dtype=dtype), [4, 2])

    inputs: list[tuple[Any, ...]] = [
        (packed(4, 2, 4),),
        (packed(4, 2, 3, dtype=torch.float64),),
        (packed(4, 2, 3), both(1, 3, 5, kind=kind)),
        (packed(4, 2, 3), both(2, 5, kind=kind)),
    ]
    for one in inputs:
        mine, theirs = (outcome(where, kind, (3, 5), {}, *one) for where in (layers, nn))
        assert theirs[0] != "none"
        # torch's LSTM does not look at a packed batch: its kernel stops somewhere. Here it is told as to the others.
        assert mine == theirs if kind != "LSTM" else mine[0] in ("RuntimeError", "ValueError")


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_of_another_type_is_refused(kind: str) -> None:
    state = both(1, 2, 5, kind=kind)
    state = (state[0], state[1].double()) if kind == "LSTM" else state.double()
    for where in (layers, nn):
        assert outcome(where, kind, (3, 5), {}, torch.zeros(4, 2, 3), state)[0] == "RuntimeError"


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_with_one_layer_warns_as_torch_does(kind: str) -> None:
    said = []
    for where in (layers, nn):
        with pytest.warns(UserWarning, match="num_layers greater than 1") as caught:
            getattr(where, kind)(3, 5, dropout=0.5)
        said.append([str(one.message) for one in caught])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            getattr(where, kind)(3, 5, 2, dropout=0.5)
    assert said[0] == said[1]
    with pytest.warns(UserWarning, match="num_layers") as caught:
        getattr(layers, kind)(3, 5, dropout=0.5)
    assert caught[0].filename == __file__, "the warning points at the line that makes the layer"


def random_case(kind: str, order: random.Random) -> tuple[dict[str, Any], Any, Any]:
    """Draw arguments, an input (batch, one sequence, or packed) and a first state for a layer."""
    generator = torch.Generator().manual_seed(order.randrange(2**32))
    h, directions, depth = order.randint(2, 5), order.choice([1, 2]), order.randint(1, 3)
    kwargs: dict[str, Any] = {
        "input_size": order.randint(1, 4),
        "hidden_size": h,
        "num_layers": depth,
        "bias": order.random() < 0.7,
        "batch_first": order.random() < 0.5,
        "dropout": order.choice([0.0, 0.4, 1.0]) if depth > 1 else 0.0,
        "bidirectional": directions == 2,
        "dtype": torch.float64,
    }
    if kind == "RNN":
        kwargs["nonlinearity"] = order.choice(["tanh", "relu"])
    if kind == "LSTM":
        kwargs["proj_size"] = order.choice([0, 0, order.randint(1, h - 1)])
    n, t = order.randint(1, 5), order.randint(1, 7)
    form = order.choice(["batch", "one", "packed", "unsorted"])
    shape = [t] if form == "one" else [n, t] if kwargs["batch_first"] else [t, n]
    x: Any = draw(*shape, kwargs["input_size"], generator=generator)
    if form in ("packed", "unsorted"):
        lengths = [order.randint(1, t) for _ in range(n - 1)] + [t]
        lengths = sorted(lengths, reverse=True) if form == "packed" else lengths
        x = pack_padded_sequence(
            x, torch.tensor(lengths), batch_first=kwargs["batch_first"], enforce_sorted=form == "packed"
        )
    hx: Any = None
    if order.random() < 0.6:
        rows = [depth * directions] if form == "one" else [depth * directions, n]
        hx = draw(*rows, kwargs.get("proj_size") or h, generator=generator)
        hx = (hx, draw(*rows, h, generator=generator)) if kind == "LSTM" else hx
    return kwargs, x, hx


@pytest.mark.parametrize("kind", KINDS)
def test_random_arguments_and_inputs(kind: str) -> None:
    order = random.Random(f"recurrent {kind}")
    for case in range(80):
        kwargs, x, hx = random_case(kind, order)
        mine, theirs = (getattr(where, kind)(**kwargs) for where in (layers, nn))
        assert repr(mine) == repr(theirs)
        for training in (True, False):
            compare(mine.train(training), theirs.train(training), x, hx, seed=case)


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision(kind: str) -> None:
    order = random.Random(f"single {kind}")
    for case in range(30):
        kwargs, x, hx = random_case(kind, order)
        mine, theirs = (getattr(where, kind)(**kwargs).float() for where in (layers, nn))
        x = x._replace(data=x.data.float()) if isinstance(x, PackedSequence) else x.float()
        hx = tuple(one.float() for one in hx) if isinstance(hx, tuple) else None if hx is None else hx.float()
        compare(mine.eval(), theirs.eval(), x, hx, seed=case)


@pytest.mark.parametrize("kind", KINDS)
def test_positional_arguments_stand_where_torchs_do(kind: str) -> None:
    extra = {"RNN": ("relu",), "LSTM": (), "GRU": ()}[kind]
    args = (3, 5, 2, *extra, False, True, 0.25, True)
    assert repr(getattr(layers, kind)(*args)) == repr(getattr(nn, kind)(*args))
    if kind == "LSTM":
        mine, theirs = (where.LSTM(*args, 2, "cpu", torch.float64) for where in (layers, nn))
        assert repr(mine) == repr(theirs)
        assert mine.weight_hr_l0.dtype == torch.float64


@pytest.mark.parametrize("kind", KINDS)
def test_first_weights_are_torchs(kind: str) -> None:
    drawn = []
    for where in (layers, nn):
        torch.manual_seed(5)
        layer = getattr(where, kind)(3, 4, 2, bidirectional=True, **({"proj_size": 2} if kind == "LSTM" else {}))
        first = [one.clone() for one in layer.state_dict().values()]
        layer.reset_parameters()
        drawn.append(first + list(layer.state_dict().values()))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(*drawn, strict=True))
    assert not torch.equal(drawn[0][0], drawn[0][len(drawn[0]) // 2])
    assert max(float(one.abs().max()) for one in drawn[0]) <= 1 / math.sqrt(4)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_pickles_and_the_meta_device(kind: str) -> None:
    layer, x = getattr(layers, kind)(3, 4, 2), torch.randn(5, 2, 3)
    expected, _ = layer(x)
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    loaded = getattr(layers, kind)(3, 4, 2)
    loaded.load_state_dict(torch.load(buffer, weights_only=True))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), loaded):
        assert torch.equal(other(x)[0], expected)
    assert getattr(layers, kind)(3, 4, device="meta").weight_hh_l0.is_meta


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_slopes(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = getattr(layers, kind)(2, 3, bidirectional=True, dtype=torch.float64)
    x = draw(3, 2, 2, generator=generator).requires_grad_()

    def call(x: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip((name for name, _ in layer.named_parameters()), values, strict=True))
        return tuple(tensors(torch.func.functional_call(layer, named, (x,))))

    values = [one.detach().clone().requires_grad_() for one in layer.parameters()]
    assert torch.autograd.gradcheck(call, (x, *values))
    assert torch.autograd.gradgradcheck(call, (x, *values), fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_between_the_layers_and_only_in_training(kind: str) -> None:
    torch.manual_seed(0)
    layer, x = getattr(layers, kind)(2, 64, 2, dropout=0.3, batch_first=True), torch.randn(40, 50, 2)
    seen: list[Tensor] = []
    walked = recurrence.walk

    def spy(step: Any, given: Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(given)
        return walked(step, given, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurrent, "walk", spy)
        layer(x)
    below, between = seen
    assert int((below == 0).sum()) == 0
    share, n = float((between == 0).double().mean()), between.numel()
    assert abs(share - 0.3) < 5 * math.sqrt(0.3 * 0.7 / n)
    y, _ = layer(x)
    assert int((y == 0).sum()) == 0
    before = torch.get_rng_state()
    layer.eval()(x)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_packed_batch_is_each_sequence_alone(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = getattr(layers, kind)(2, 3, 2, batch_first=True, bidirectional=True, dtype=torch.float64)
    x, lengths = draw(4, 6, 2, generator=generator), [3, 6, 1, 4]
    y, last = layer(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    y, got = pad_packed_sequence(y, batch_first=True)
    assert got.tolist() == lengths
    for row, length in enumerate(lengths):
        alone, state = layer(x[row, :length])
        torch.testing.assert_close(y[row, :length], alone, rtol=0, atol=1e-12)
        assert not y[row, length:].any()
        for one, other in zip(tensors(last), tensors(state), strict=True):
            torch.testing.assert_close(one[:, row], other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_in_two_pieces_is_one_sequence(kind: str) -> None:
    layer, x = getattr(layers, kind)(2, 3, 2).double(), torch.randn(7, 4, 2, dtype=torch.float64)
    whole, end = layer(x)
    first, state = layer(x[:3])
    second, last = layer(x[3:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-12)
    for one, other in zip(tensors(last), tensors(end), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


STEPS = {"RNN": recurrence.rnn_step, "LSTM": recurrence.lstm_step, "GRU": recurrence.gru_step}


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_torchs_cell(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = getattr(layers, kind)(2, 3, dtype=torch.float64)
    cell = getattr(nn, f"{kind}Cell")(2, 3, dtype=torch.float64)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x, weights = draw(5, 2, generator=generator), layer.weights("l0")
    state = tuple(draw(5, 3, generator=generator) for _ in range(layer.states))
    got = STEPS[kind](nn.functional.linear(x, weights.ih, weights.bias_ih), state, weights)
    expected = cell(x, state if kind == "LSTM" else state[0])
    for one, other in zip(got, tensors(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


class Net(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.out = layer, nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(x)[0][:, -1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_of_models_trains_as_torchs_alone(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = draw(24, 5, 2, generator=generator)
    y = x.sum((1, 2)).unsqueeze(1)

    def make(where: Any) -> nn.Module:
        return Net(getattr(where, kind)(2, 4, 2, batch_first=True)).double()

    torch.manual_seed(0)
    options: dict[str, Any] = {"loss": nn.MSELoss(), "epochs": 3, "batch_size": 24}
    options["optimizer"] = lambda parameters: torch.optim.SGD(parameters, lr=0.1)
    stack = fit_many(lambda: make(layers), (x, y), (x, y), seeds=[1, 2, 3], **options)
    for member, seed in enumerate(stack.seeds):
        torch.manual_seed(seed)
        model = make(nn)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        for name, value in model.state_dict().items():
            torch.testing.assert_close(stack.final[name][member], value, rtol=1e-8, atol=1e-10)


class Called(TorchFunctionMode):
    """Writes down the names of all functions that are called on tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(getattr(function, "__name__", str(function)))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", KINDS)
def test_only_plain_operations_are_used(kind: str) -> None:
    recorded = []
    for where in (layers, nn):
        with Called() as called:
            getattr(where, kind)(2, 3)(torch.zeros(4, 2, 2))
        recorded.append([one for one in called.names if any(word in one for word in ("rnn", "lstm", "gru"))])
    assert recorded[0] == []
    assert recorded[1] != [], "torch's own must be seen"
    assert not isinstance(getattr(layers, kind)(2, 3), nn.RNNBase)


def swap_last_parts(step: Any) -> Any:
    def wrong(given: Tensor, state: Any, weights: Any) -> Any:
        parts = 4 if len(state) == 2 else 3
        order = torch.arange(given.shape[-1]).reshape(parts, -1)
        order = torch.cat([order[:-2], order[[-1]], order[[-2]]]).flatten()
        bias = None if weights.bias_hh is None else weights.bias_hh[order]
        return step(given[..., order], state, weights._replace(hh=weights.hh[order], bias_hh=bias))

    return wrong


def reset_inside(given: Tensor, state: Any, weights: Any) -> Any:
    """A GRU as Cho et al. wrote it."""
    (h,) = state
    linear, size = nn.functional.linear, h.shape[-1]
    r, z = torch.sigmoid(given + linear(h, weights.hh, weights.bias_hh))[..., : 2 * size].chunk(2, -1)
    n = torch.tanh(given[..., 2 * size :] + linear(r * h, weights.hh[2 * size :], weights.bias_hh[2 * size :]))
    return ((1 - z) * n + z * h,)


def bias_outside(given: Tensor, state: Any, weights: Any) -> Any:
    """A GRU whose reset gate spares b_hn."""
    (h,), size = state, state[0].shape[-1]
    given = torch.cat([given[..., : 2 * size], given[..., 2 * size :] + weights.bias_hh[2 * size :]], -1)
    bias = torch.cat([weights.bias_hh[: 2 * size], torch.zeros_like(weights.bias_hh[2 * size :])])
    return recurrence.gru_step(given, (h,), weights._replace(bias_hh=bias))


def other_mixture(given: Tensor, state: Any, weights: Any) -> Any:
    """A GRU that keeps where it should renew."""
    (h,), size = state, state[0].shape[-1]
    flip = torch.ones(3 * size, dtype=given.dtype)
    flip[size : 2 * size] = -1
    return recurrence.gru_step(given * flip, (h,), weights._replace(hh=weights.hh * flip[:, None]))


def cell_as_output(given: Tensor, state: Any, weights: Any) -> Any:
    _, c = recurrence.lstm_step(given, state, weights)
    return c, c


def no_second_bias(step: Any) -> Any:
    return lambda given, state, weights: step(given, state, weights._replace(bias_hh=None))


FLAWED_STEPS: dict[tuple[str, str], Any] = {
    ("GRU", "r inside"): reset_inside,
    ("GRU", "b_hn outside r"): bias_outside,
    ("GRU", "1 - z"): other_mixture,
    ("GRU", "order of parts"): swap_last_parts(recurrence.gru_step),
    ("GRU", "one bias"): no_second_bias(recurrence.gru_step),
    ("LSTM", "order of parts"): swap_last_parts(recurrence.lstm_step),
    ("LSTM", "c for h"): cell_as_output,
    ("LSTM", "one bias"): no_second_bias(recurrence.lstm_step),
    ("RNN", "one bias"): no_second_bias(recurrence.rnn_step),
    ("RNN", "linear"): lambda given, state, weights: recurrence.rnn_step(given, state, weights, lambda x: x),
}


def case(kind: str, *, packed: bool = False, **options: Any) -> tuple[nn.Module, nn.Module, Any]:
    generator = torch.Generator().manual_seed(3)
    kwargs = {"num_layers": 2, "dtype": torch.float64, "dropout": 0.5, **options}
    mine, theirs = (getattr(where, kind)(2, 3, **kwargs) for where in (layers, nn))
    x = draw(5, 3, 2, generator=generator)
    return mine, theirs, pack_padded_sequence(x, [5, 3, 1]) if packed else x


@pytest.mark.parametrize(("kind", "flaw"), FLAWED_STEPS)
def test_the_comparison_refuses_wrong_steps(kind: str, flaw: str) -> None:
    mine, theirs, x = case(kind)
    compare(mine, theirs, x)
    mine.step = FLAWED_STEPS[kind, flaw]  # type: ignore[method-assign, assignment]
    with pytest.raises(AssertionError, match="not close"):
        compare(mine, theirs, x)


def wrong_walk(flaw: str) -> Callable[..., Any]:
    def walked(step: Any, x: Tensor, sizes: Any, state: Any, weights: Any, *, backward: bool = False) -> Any:
        y, last = recurrence.walk(step, x, sizes, state, weights, backward=backward and flaw != "forward twice")
        if flaw == "backward output not turned" and backward:
            y = torch.cat(y.split(list(sizes))[::-1])
        if flaw == "state of the last row":
            end = y.split(list(sizes))[0 if backward else -1]
            last = (torch.cat([end, last[0][len(end) :] * 0]), *last[1:])
        return y, tuple(one.detach() for one in last) if flaw == "no gradient from the last state" else last

    return walked


@pytest.mark.parametrize(
    "flaw",
    ["forward twice", "backward output not turned", "state of the last row", "no gradient from the last state"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_the_comparison_refuses_wrong_walks(kind: str, flaw: str) -> None:
    mine, theirs, x = case(kind, packed=True, bidirectional=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurrent, "walk", wrong_walk("none"))
        compare(mine, theirs, x)
        patch.setattr(recurrent, "walk", wrong_walk(flaw))
        with pytest.raises(AssertionError):
            compare(mine, theirs, x)


@pytest.mark.parametrize("flaw", ["none", "after the last layer too", "in evaluation", "not enlarged"])
def test_the_comparison_refuses_wrong_dropout(flaw: str) -> None:
    mine, theirs, x = case("GRU")
    plain = mine.forward

    def drop(x: Tensor, p: float, training: bool) -> Tensor:
        y = nn.functional.dropout(x, p, training or flaw == "in evaluation")
        return y * (1 - p) if flaw == "not enlarged" and training else y

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurrent, "drop", drop)
        if flaw == "after the last layer too":
            patch.setattr(mine, "forward", lambda x: (drop(plain(x)[0], 0.5, mine.training), plain(x)[1]))
        try:
            for training in (True, False):
                compare(mine.train(training), theirs.train(training), x)
            assert flaw == "none"
        except AssertionError:
            assert flaw != "none"
