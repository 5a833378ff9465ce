"""trace_shapes: the right shapes for any module, a table up to the failure, and a model that is left as it was."""

from __future__ import annotations

import copy
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from transformers import BertConfig, BertModel

from course_utils import layers
from course_utils.tracing import Row, Trace, copied, trace_shapes


class Tagger(nn.Module):
    """One of everything: nested layers, a list of layers, a layer used twice, recurrent outputs."""

    def __init__(self, head: int = 10) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.reader = nn.ModuleDict({"lstm": nn.LSTM(8, 5, 2, batch_first=True, bidirectional=True)})
        self.squeeze = nn.Tanh()
        self.heads = nn.ModuleList([nn.Linear(10, 10), nn.Linear(head, 3)])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y, _ = self.reader["lstm"](self.embed(x))
        return {"tags": self.heads[1](self.squeeze(self.heads[0](self.squeeze(y))))}


def shapes(trace: Trace) -> list[tuple[Any, ...]]:
    return [(row.layer, row.input, row.output, row.calls) for row in trace.rows]


def numbers(model: nn.Module) -> int:
    return sum(one.numel() for one in model.parameters())


def test_every_layer_of_a_nested_model() -> None:
    model = Tagger()
    trace = trace_shapes(model, torch.randint(0, 20, (2, 7)))
    assert shapes(trace) == [
        ("", "(2, 7)", "tags: (2, 7, 3)", 1),
        ("embed", "(2, 7)", "(2, 7, 8)", 1),
        ("reader.lstm", "(2, 7, 8)", "(2, 7, 10), ((4, 2, 5), (4, 2, 5))", 1),
        ("squeeze", "(2, 7, 10)", "(2, 7, 10)", 2),
        ("heads.0", "(2, 7, 10)", "(2, 7, 10)", 1),
        ("heads.1", "(2, 7, 10)", "(2, 7, 3)", 1),
    ]
    assert [row.parameters for row in trace.rows] == [0, 160, numbers(model.reader), 0, 110, 33]
    assert trace.parameters == numbers(model)
    assert trace.trouble is None


def test_the_text_is_aligned_and_the_page_is_escaped() -> None:
    trace = trace_shapes(Tagger(), torch.randint(0, 20, (2, 7)))
    lines = str(trace).splitlines()
    assert lines[0].split() == ["layer", "type", "input", "output", "parameters"]
    assert set(lines[1]) == {"-"}
    assert all(len(line) == len(lines[1]) for line in lines[2:8])
    assert all(line[lines[0].index("type") - 1] == " " for line in lines[2:8])
    assert "squeeze ×2" in lines[5]
    assert lines[-1] == "1,583 parameters"
    assert repr(trace) == str(trace)
    page = Trace([Row("a<b", "Bag&Co", "(1,)", "x: (2, 3)\ny: (4,)", 12345)], "it broke: 2 < 3")._repr_html_()
    for text in ("a&lt;b", "Bag&amp;Co", "x: (2, 3)<br>y: (4,)", "12,345", "it broke: 2 &lt; 3"):
        assert text in page
    assert page.count("<tr>") == page.count("</tr>") == 2
    two = str(Trace([Row("a", "B", "(1,)", "x: (2, 3)\ny: (4,)", 1)])).splitlines()
    assert [line.split() for line in two[2:4]] == [["a", "B", "(1,)", "x:", "(2,", "3)", "1"], ["y:", "(4,)"]]
    assert two[2].index("x:") == two[3].index("y:")


@dataclass
class Answer:
    scores: Tensor
    states: tuple[Tensor, ...]
    hidden: Tensor | None = None


Pair = namedtuple("Pair", ["left", "right"])


class Gives(nn.Module):
    """A layer that returns what it is told to."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any, **options: Any) -> Any:
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: x.sum(), "()"),
        (lambda x: (x, None, 3), "(2, 3), None, 3"),
        (lambda x: [x, (x[0], x)], "(2, 3), ((3,), (2, 3))"),
        (lambda x: {"a": x, "b": None, "c": (x, x[0])}, "a: (2, 3)\nc: ((2, 3), (3,))"),
        (lambda x: (x, {"a": x}), "(2, 3), {a: (2, 3)}"),
        (lambda x: Answer(x, (x, x, x)), "scores: (2, 3)\nstates: 3 × (2, 3)"),
        (lambda x: Pair(x, x[0]), "left: (2, 3)\nright: (3,)"),
        (lambda x: None, "None"),
        (lambda x: "text", "str"),
        (lambda x: torch.distributions.Normal(x, 1), "Normal"),
    ],
)
def test_outputs_of_every_form(function: Any, text: str) -> None:
    assert trace_shapes(Gives(function), torch.zeros(2, 3)).rows[0].output == text


@pytest.mark.parametrize("where", [nn, layers])
def test_packed_sequences(where: Any) -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = where.GRU(3, 4)

        def forward(self, x: PackedSequence) -> Any:
            return self.gru(x)

    packed = pack_padded_sequence(torch.zeros(5, 2, 3), [5, 2])
    trace = trace_shapes(Reader(), packed)
    assert shapes(trace)[1] == ("gru", "packed (7, 3)", "packed (7, 4), (1, 2, 4)", 1)
    assert packed.data.shape == (7, 3)


def test_inputs_by_name_and_in_dictionaries() -> None:
    trace = trace_shapes(Gives(lambda x: x["ids"]), {"ids": torch.zeros(2)}, mask=torch.ones(4), flag=True, none=None)
    assert shapes(trace) == [("", "{ids: (2,)}, mask=(4,)", "(2,)", 1)]


def test_a_layer_with_other_shapes_gets_another_row_and_counts_once() -> None:
    linear = nn.Linear(3, 3)
    trace = trace_shapes(nn.Sequential(linear, nn.Unflatten(0, (2, 2)), linear, linear), torch.zeros(4, 3))
    assert shapes(trace)[1:] == [
        ("0", "(4, 3)", "(4, 3)", 1),
        ("1", "(4, 3)", "(2, 2, 3)", 1),
        ("0", "(2, 2, 3)", "(2, 2, 3)", 2),
    ]
    assert [row.parameters for row in trace.rows] == [0, 12, 0, 0]


def test_shared_weights_count_once() -> None:
    embed, out = nn.Embedding(7, 4), nn.Linear(4, 7)
    out.weight = embed.weight
    model = nn.Sequential(embed, out)
    trace = trace_shapes(model, torch.zeros(2, dtype=torch.int64))
    assert [row.parameters for row in trace.rows] == [0, 28, 7]
    assert trace.parameters == numbers(model)


@pytest.mark.parametrize("layer_count", [1, 2])
def test_layers_inside_torchs_transformer_are_seen(layer_count: int) -> None:
    # In evaluation torch takes a short cut past these layers, unless hooks are waiting there.
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), layer_count)
    trace = trace_shapes(model, torch.zeros(2, 5, 16))
    assert sum(row.layer.endswith("self_attn") for row in trace.rows) == layer_count
    attention = next(row for row in trace.rows if row.type == "MultiheadAttention")
    assert attention.parameters == numbers(model.layers[0].self_attn), "its output layer is never called by itself"
    assert trace.parameters == numbers(model)


def test_outputs_of_transformers() -> None:
    config = BertConfig(vocab_size=50, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    model = BertModel(config)
    trace = trace_shapes(model, input_ids=torch.zeros(2, 5, dtype=torch.int64), output_hidden_states=True)
    assert trace.trouble is None
    assert trace.rows[0].input == "input_ids=(2, 5)"
    assert trace.rows[0].output == "last_hidden_state: (2, 5, 8)\npooler_output: (2, 8)\nhidden_states: 3 × (2, 5, 8)"
    assert trace.parameters == numbers(model)


def test_a_failing_model_gives_the_table_up_to_the_failure() -> None:
    model = Tagger(head=9)
    trace = trace_shapes(model, torch.randint(0, 20, (2, 7)))
    assert [row.layer for row in trace.rows] == ["", "embed", "reader.lstm", "squeeze", "heads.0", "heads.1"]
    assert [row.output is None for row in trace.rows] == [True, False, False, False, False, True]
    assert trace.rows[0].parameters == 0
    assert trace.trouble is not None
    assert trace.trouble.startswith("The pass stopped in layer heads.1 (Linear): RuntimeError: ")
    assert "14x10 and 9x3" in trace.trouble
    assert "\n" not in trace.trouble
    lines = str(trace).splitlines()
    assert lines[-1] == trace.trouble
    assert "–" in lines[-2]


def test_what_the_pass_did_not_reach_is_not_counted() -> None:
    trace = trace_shapes(nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 5), nn.Linear(5, 6)), torch.zeros(1, 2))
    assert [(row.layer, row.parameters) for row in trace.rows] == [("", 0), ("0", 9), ("1", 25)]


class SilentError(Exception):
    def __str__(self) -> str:
        return ""


def raises(error: Exception) -> Any:
    def function(x: Any) -> Any:
        raise error

    return function


@pytest.mark.parametrize(
    ("model", "inputs", "trouble"),
    [
        (nn.Linear(2, 3), (), "the model itself (Linear): TypeError: Linear.forward() missing 1 required"),
        (nn.Sequential(nn.ReLU(), Gives(raises(SilentError()))), (1.0,), "layer 0 (ReLU): TypeError: "),
        (nn.Sequential(Gives(raises(SilentError()))), (1.0,), "layer 0 (Gives): SilentError: it gave no reason"),
        (nn.Sequential(Gives(raises(ValueError("one\ntwo")))), (1.0,), "layer 0 (Gives): ValueError: one"),
        (Gives(lambda x: nn.Linear(3, 2)(x)), (torch.zeros(4, 5),), "the model itself (Gives): RuntimeError: "),
    ],
)
def test_the_sentence_says_where_and_why(model: nn.Module, inputs: tuple[Any, ...], trouble: str) -> None:
    found = trace_shapes(model, *inputs).trouble
    assert found is not None
    assert "\n" not in found
    assert trouble.lower() in found.lower()


def test_a_failure_that_the_model_handles_is_not_one() -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Linear(9, 1), nn.Linear(3, 2), nn.Linear(7, 1)

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.first(x)
            except RuntimeError:
                return self.last(self.second(x)) if len(x) > 1 else self.second(x)

    fine, broken = (trace_shapes(Careful(), torch.zeros(rows, 3)) for rows in (1, 2))
    assert fine.trouble is None
    assert [(row.layer, row.output) for row in fine.rows] == [("", "(1, 2)"), ("first", None), ("second", "(1, 2)")]
    assert broken.trouble is not None
    assert "layer last" in broken.trouble, "not the layer whose failure was handled"


class Busy(nn.Module):
    """Changes everything a model can change in a pass."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("last", torch.zeros(3))
        self.state: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(0)
        self.calls += 1
        self.last = x.mean(0)
        self.state = self.drop(self.norm(x + torch.rand(3)))
        self.extra = 1
        if len(x) == 1:
            raise RuntimeError("broken")
        return self.state


@pytest.mark.parametrize("rows", [4, 1])
def test_the_model_and_the_world_are_left_as_they_were(rows: int) -> None:
    model = Busy()
    model.norm.eval()  # a mode of its own
    before = copy.deepcopy(model)
    last, x, random = model.last, torch.ones(rows, 3, requires_grad=True), torch.get_rng_state()
    trace = trace_shapes(model, x)
    assert (trace.trouble is None) == (rows == 4)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(x.detach(), torch.ones(rows, 3))
    assert x.grad is None
    for (name, one), (_, other) in zip(model.state_dict().items(), before.state_dict().items(), strict=True):
        assert torch.equal(one, other), name
    assert model.last is last
    assert model.state is None
    assert not hasattr(model, "extra")
    assert (
        [one.training for one in model.modules()] == [one.training for one in before.modules()] == [True, False, True]
    )
    for one in model.modules():
        assert not one._forward_hooks
        assert not one._forward_pre_hooks
    assert all(one.grad is None and one.requires_grad for one in model.parameters())
    assert torch.is_grad_enabled()


def test_the_pass_is_in_evaluation_mode_and_without_gradients() -> None:
    seen: list[tuple[bool, bool]] = []
    model = Gives(lambda x: seen.append((model.training, torch.is_grad_enabled())) or x)
    trace_shapes(model, torch.zeros(1))
    assert seen == [(False, False)]
    assert trace_shapes(nn.BatchNorm1d(3), torch.zeros(1, 3)).trouble is None, "a batch of one, as in evaluation"


def test_hooks_of_others_stay_and_ours_go_even_when_interrupted() -> None:
    model = nn.Sequential(nn.Linear(2, 2), Gives(raises(KeyboardInterrupt())))  # type: ignore[arg-type]
    calls: list[int] = []
    handle = model[0].register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(KeyboardInterrupt):
        trace_shapes(model, torch.zeros(1, 2))
    assert calls == [1]
    assert [len(one._forward_hooks) for one in model.modules()] == [0, 1, 0]
    assert all(one.training for one in model.modules())
    handle.remove()


def test_refusals() -> None:
    with pytest.raises(TypeError, match=r"model is function; expected a torch\.nn\.Module"):
        trace_shapes(lambda x: x, torch.zeros(1))  # type: ignore[arg-type]
    lazy = nn.Sequential(nn.LazyLinear(3), nn.ReLU())
    with pytest.raises(ValueError, match=r"0\.weight has no shape yet"):
        trace_shapes(lazy, torch.zeros(1, 2))
    lazy(torch.zeros(1, 2))
    assert trace_shapes(lazy, torch.zeros(1, 2)).parameters == 9


def test_inputs_are_copied_deeply() -> None:
    packed = pack_padded_sequence(torch.ones(2, 1, 1), [2])
    value = {"a": [torch.ones(2), (torch.ones(1, requires_grad=True) * 2,)], "b": packed, "c": "text"}
    other = copied(value)
    other["a"][0].zero_()
    other["a"][1][0].zero_()
    other["b"].data.zero_()
    assert (value["a"][0].sum(), value["a"][1][0].item(), packed.data.sum(), other["c"]) == (2, 2, 2, "text")
