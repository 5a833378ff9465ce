"""The one door to pretrained models: embedded ones are checked, load without a network, keep their cards' promise."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from course_utils import adapters, assets, pretrained
from course_utils.assets import store
from course_utils.environment import CourseError
from course_utils.pretrained import ModelError

WORDS = ["[PAD]", "[UNK]", "[MASK]", "a", "film", "good"]
CARD = """# Model

## Data
films

## Licence
MIT. Of the data too.

## Size
1 MB

## Score
low

## Cannot
much
"""
RANK, SCALE = 2, 0.5
SMALL = {"vocab_size": len(WORDS), "pad_token_id": 0}


def tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]", model_max_length=16
    )


def bert(kind: type[Any]) -> Any:
    settings = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    model = kind(BertConfig(**SMALL, **settings))
    # A fresh model has zeros as biases: an error in one would not show.
    for value in model.parameters():
        nn.init.normal_(value, std=0.5)
    return model.eval()


def seq2seq(name: str) -> Any:
    if name == "summarise":
        return T5ForConditionalGeneration(
            T5Config(**SMALL, d_model=8, d_kv=4, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0)
        )
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    layers = {"encoder_layers": 1, "decoder_layers": 1, "d_model": 8, "max_position_embeddings": 16}
    return MarianMTModel(MarianConfig(**SMALL, **layers, **heads, decoder_start_token_id=0, eos_token_id=1))


def save(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    (folder / "README.md").write_text(CARD, encoding="utf-8")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of embedded models, tiny and random, in place of the real one; their sums are pinned."""
    folder = tmp_path / "weights"
    save(bert(BertForMaskedLM), folder / "masked-words")
    for name in ("translate-en-es", "translate-es-en", "summarise"):
        save(seq2seq(name), folder / name)
    (folder / "sentence-encoder").mkdir()
    (folder / "sentence-encoder" / "README.md").write_text(CARD, encoding="utf-8")
    monkeypatch.setattr(pretrained, "WEIGHTS", folder)
    monkeypatch.delenv("COURSE_MODELS", raising=False)
    pretrained.pin()
    return folder


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every attempt to reach a network is noted and fails; the library may swallow the failure, not the note."""
    noted: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        noted.append(arguments[-1] if len(arguments) == 2 else arguments[0])
        raise OSError("no network in this test")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    huggingface_hub.close_session()
    return noted


def load(name: str) -> tuple[Any, Any]:
    """Load a model as a lesson does."""
    folder = pretrained.path(name)
    model = getattr(transformers, pretrained.MODELS[name].loader).from_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(folder), model


@pytest.mark.parametrize("name", ["masked-words", "translate-en-es", "translate-es-en", "summarise"])
def test_embedded_models_load_without_a_network(weights: Path, calls: list[object], name: str) -> None:
    words, model = load(name)
    assert words("a good film")["input_ids"] == [3, 5, 4]
    saved = load_file(weights / name / "model.safetensors")
    loaded = model.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in saved.items())
    assert calls == []


def test_the_guard_sees_a_call(calls: list[object]) -> None:
    """Without this the test above could pass because nothing is guarded."""
    with pytest.raises(Exception, match="no network in this test"):
        huggingface_hub.HfApi().model_info("nobody/there-is-no-such-model")
    assert calls


def test_unknown_names_and_modes(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for ask in (pretrained.path, pretrained.card, lambda name: pretrained.pin([name])):
        with pytest.raises(ValueError, match="name is 'bert'; expected one of masked-words, translate-en-es"):
            ask("bert")
    for value in ("", "embedded", " embedded "):
        monkeypatch.setenv("COURSE_MODELS", value)
        assert pretrained.path("summarise") == weights / "summarise"
    monkeypatch.setenv("COURSE_MODELS", "online")
    with pytest.raises(ValueError, match=r"COURSE_MODELS is 'online'; expected 'embedded' .* or 'hub'"):
        pretrained.path("summarise")


def test_hub_mode_asks_the_hub(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "README.md").write_text("the hub's card", encoding="utf-8")
    asked = []
    monkeypatch.setattr(pretrained.hub, "fetch", lambda remote: asked.append(remote.repo) or tmp_path)
    monkeypatch.setenv("COURSE_MODELS", "hub")
    assert [pretrained.path(name) for name in pretrained.NAMES] == [tmp_path] * 5
    assert asked == [
        "bert-base-uncased",
        "facebook/wmt19-en-de",
        "facebook/wmt19-de-en",
        "t5-base",
        "sentence-transformers/all-MiniLM-L6-v2",
    ]
    assert pretrained.card("summarise") == "the hub's card"


def test_remote_versions_are_exact() -> None:
    for model in pretrained.MODELS.values():
        assert len(bytes.fromhex(model.remote.revision)) == 20
        assert all(len(bytes.fromhex(value)) == 32 for value in model.remote.sha256.values())
    same = {file.path: file.sha256 for file in assets.BY_NAME["minilm"].files}
    assert pretrained.MODELS["sentence-encoder"].remote.sha256["model.safetensors"] == same["model.safetensors"]


def test_a_changed_file_is_refused(weights: Path) -> None:
    file = weights / "summarise" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"summarise/model.safetensors is not the file .*git checkout") as caught:
        pretrained.path("summarise")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, CourseError)
    pretrained.path("translate-en-es")  # the others are as they were


def test_a_missing_file_is_named(weights: Path) -> None:
    (weights / "summarise" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"summarise/config.json is missing .*git checkout"):
        pretrained.path("summarise")


@pytest.mark.parametrize("text", [None, "", "[]", "{}"])
def test_a_missing_table_is_named(weights: Path, text: str | None) -> None:
    (weights / pretrained.SUMS).unlink()
    if text is not None:
        (weights / pretrained.SUMS).write_text(text)
    with pytest.raises(ModelError, match=r"SHA256SUMS.json .* has no sums for summarise"):
        pretrained.path("summarise")


def test_sums_are_compared_once_a_process(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretrained.path("summarise")
    monkeypatch.setattr(pretrained.hub, "digest_of", lambda *_: pytest.fail("compared again"))
    pretrained.path("summarise")


def test_pin_after_a_training(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads((weights / pretrained.SUMS).read_text())
    (weights / "summarise" / "config.json").unlink()
    (weights / "summarise" / "README.md").write_text("other")
    assert pretrained.main(["pin", "summarise"]) == 0
    after = json.loads((weights / pretrained.SUMS).read_text())
    assert before.keys() - after.keys() == {"summarise/config.json"}
    assert {file for file in after if after[file] != before[file]} == {"summarise/README.md"}
    assert pretrained.path("summarise") == weights / "summarise"
    assert f"{len(after)} files are pinned" in capsys.readouterr().out


def test_the_command_says_one_sentence(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (weights / "summarise" / "config.json").unlink()
    assert pretrained.main(["fetch", "summarise"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert pretrained.main(["list"]) == 0
    assert "summarise" in capsys.readouterr().out


def test_cards_and_table(weights: Path) -> None:
    assert pretrained.card("summarise") == CARD
    assert pretrained.section(CARD, "Licence") == "MIT. Of the data too."
    assert pretrained.section(CARD, "cannot") == "much"
    assert pretrained.section(CARD, "Nothing") == ""
    rows = {row["name"]: row for row in pretrained.models()}
    assert tuple(rows) == pretrained.NAMES
    assert rows["summarise"]["embedded licence"] == "MIT"
    assert rows["sentence-encoder"]["embedded MB"] == pytest.approx(91.6, abs=0.5)
    assert rows["masked-words"]["hub"] == "bert-base-uncased"


def test_a_pickle_from_a_hub_is_read_without_running_it(tmp_path: Path, calls: list[object]) -> None:
    """Two of the public models have no safetensors."""
    model = bert(BertForMaskedLM)
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    loaded = BertForMaskedLM.from_pretrained(tmp_path)
    assert torch.equal(loaded.bert.embeddings.word_embeddings.weight, model.bert.embeddings.word_embeddings.weight)
    assert calls == []

    class Malicious:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "it ran",))

    torch.save({"a": Malicious()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(Exception, match=r"(?i)weights.only"):
        BertForMaskedLM.from_pretrained(tmp_path)
    assert not (tmp_path / "it ran").exists()


def test_a_notebook_shows_the_sentence_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    InteractiveShell().run_cell("from course_utils.pretrained import ModelError\nraise ModelError('Type this.')")
    shown = capsys.readouterr()
    assert (shown.out + shown.err).strip() == "ModelError: Type this."


# Adapters on the sentence encoder


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Path, Path, dict[str, Tensor]]:
    """An encoder, its adapters and head, and the head and adapters as tensors."""
    base, trained = tmp_path / "base", tmp_path / "trained"
    save(bert(BertModel), base)
    torch.manual_seed(1)
    layer = "bert.encoder.layer"
    tensors = {
        f"{layer}.0.attention.self.query.lora_A": torch.randn(RANK, 8),
        f"{layer}.0.attention.self.query.lora_B": torch.randn(8, RANK),
        f"{layer}.1.intermediate.dense.lora_A": torch.randn(RANK, 8),
        f"{layer}.1.intermediate.dense.lora_B": torch.randn(16, RANK),
        f"{layer}.1.output.LayerNorm.bias": torch.randn(8),
        "cls.predictions.bias": torch.randn(len(WORDS)),
        "cls.predictions.transform.dense.weight": torch.randn(8, 8),
        "cls.predictions.transform.dense.bias": torch.randn(8),
        "cls.predictions.transform.LayerNorm.weight": torch.randn(8),
        "cls.predictions.transform.LayerNorm.bias": torch.randn(8),
    }
    trained.mkdir()
    save_file(tensors, trained / "adapters.safetensors")
    (trained / "adapters.json").write_text(json.dumps({"scale": SCALE}))
    (trained / "README.md").write_text(CARD, encoding="utf-8")
    return base, trained, tensors


class Adapted(nn.Module):
    """A linear layer with an adapter beside it, as it runs in training: the independent reference."""

    def __init__(self, inner: nn.Linear, a: Tensor, b: Tensor) -> None:
        super().__init__()
        self.inner, self.a, self.b = inner, a, b

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + SCALE * (x @ self.a.T) @ self.b.T


@torch.no_grad()
def expected_logits(tensors: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """Run encoder, adapters and head one after the other, without merging anything."""
    encoder = bert(BertModel)
    for name, a in tensors.items():
        if name.endswith(".lora_A"):
            module = name.removeprefix("bert.").removesuffix(".lora_A")
            parent = encoder.get_submodule(module.rpartition(".")[0])
            child = module.rpartition(".")[2]
            setattr(parent, child, Adapted(getattr(parent, child), a, tensors[name.replace("lora_A", "lora_B")]))
    encoder.get_submodule("encoder.layer.1.output.LayerNorm").bias.copy_(
        tensors["bert.encoder.layer.1.output.LayerNorm.bias"]
    )
    head = {name.removeprefix("cls.predictions."): value for name, value in tensors.items() if name.startswith("cls")}
    hidden = encoder(tokens).last_hidden_state
    hidden = nn.functional.gelu(hidden @ head["transform.dense.weight"].T + head["transform.dense.bias"])
    norm = (head["transform.LayerNorm.weight"], head["transform.LayerNorm.bias"])
    hidden = nn.functional.layer_norm(hidden, (8,), *norm, eps=1e-12)
    return hidden @ encoder.embeddings.word_embeddings.weight.T + head["bias"]


def test_assembled_model_computes_what_the_adapters_do(
    parts: tuple[Path, Path, dict[str, Tensor]], tmp_path: Path
) -> None:
    base, trained, tensors = parts
    out = pretrained.assemble(base, trained, tmp_path / "out")
    model, report = BertForMaskedLM.from_pretrained(out, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    tokens = torch.tensor([[3, 5, 4], [2, 4, 0]])
    with torch.no_grad():
        logits = model.eval()(tokens).logits  # (2, 3, words)
    torch.testing.assert_close(logits, expected_logits(tensors, tokens), rtol=1e-4, atol=1e-4)
    assert transformers.AutoTokenizer.from_pretrained(out).mask_token == "[MASK]"
    assert (out / "README.md").read_text(encoding="utf-8") == CARD


def test_half_precision_adapters_give_a_float32_model(
    parts: tuple[Path, Path, dict[str, Tensor]], tmp_path: Path
) -> None:
    base, trained, tensors = parts
    save_file({name: value.half() for name, value in tensors.items()}, trained / "adapters.safetensors")
    out = pretrained.assemble(base, trained, tmp_path / "out")
    assert {value.dtype for value in load_file(out / "model.safetensors").values()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("bert.encoder.layer.0.attention.self.query.lora_B"), "its lora_B is not there"),
        (lambda t: t.pop("bert.encoder.layer.0.attention.self.query.lora_A"), "is no weight of the encoder"),
        (lambda t: t.pop("cls.predictions.bias"), "the head lacks cls.predictions.bias"),
        (lambda t: t.update({"cls.predictions.bias": torch.zeros(3)}), r"has shape \(3,\); expected \(6,\)"),
        (lambda t: t.update({"bert.pooler.dense.bias": torch.zeros(8)}), "pooler.dense.bias is no weight"),
        (
            lambda t: t.update({"bert.encoder.layer.0.attention.self.query.lora_A": torch.zeros(RANK, 9)}),
            r"shape \(8, 9\); expected \(8, 8\)",
        ),
    ],
    ids=["no B", "no A", "no head", "head's shape", "unknown", "adapter's shape"],
)
def test_parts_that_do_not_fit(
    parts: tuple[Path, Path, dict[str, Tensor]], tmp_path: Path, change: Any, message: str
) -> None:
    base, trained, tensors = parts
    change(tensors)
    save_file(tensors, trained / "adapters.safetensors")
    with pytest.raises(ValueError, match=message):
        pretrained.assemble(base, trained, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("settings", [{}, {"scale": "1"}, {"scale": None}])
def test_a_scale_that_is_no_number(
    parts: tuple[Path, Path, dict[str, Tensor]], tmp_path: Path, settings: dict[str, object]
) -> None:
    base, trained, _ = parts
    (trained / "adapters.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=r"scale = .*; expected a number"):
        pretrained.assemble(base, trained, tmp_path / "out")


@pytest.fixture
def adapted(
    weights: Path, parts: tuple[Path, Path, dict[str, Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Embedded adapters instead of an embedded model, and a tiny encoder in the place of the asset."""
    base, trained, _ = parts
    shutil.rmtree(weights / "masked-words")
    shutil.copytree(trained, weights / "masked-words")
    pretrained.pin()
    monkeypatch.setenv("COURSE_ASSETS", str(tmp_path / "cache"))
    monkeypatch.setattr(assets, "path", lambda name: base)
    monkeypatch.setattr(store, "damaged", lambda asset: [])
    return weights


def test_masked_words_are_put_together_once(
    adapted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[object]
) -> None:
    words, model = load("masked-words")
    assert words.mask_token == "[MASK]"
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert calls == []
    monkeypatch.setattr(pretrained, "assemble", lambda *_: pytest.fail("put together again"))
    monkeypatch.setattr(assets, "path", lambda name: pytest.fail("the encoder is not needed any more"))
    assert pretrained.path("masked-words").is_relative_to(tmp_path / "cache")
    assert pretrained.card("masked-words") == CARD
    (size,) = (row["embedded MB"] for row in pretrained.models() if row["name"] == "masked-words")
    assert size == pytest.approx(91.6, abs=0.5)  # the encoder counts


def test_new_adapters_make_a_new_folder(adapted: Path) -> None:
    old = pretrained.path("masked-words")
    (adapted / "masked-words" / "adapters.json").write_text(json.dumps({"scale": 2 * SCALE}))
    pretrained.pin(["masked-words"])
    new = pretrained.path("masked-words")
    assert new != old
    assert not torch.equal(
        load_file(new / "model.safetensors")["bert.encoder.layer.0.attention.self.query.weight"],
        load_file(old / "model.safetensors")["bert.encoder.layer.0.attention.self.query.weight"],
    )


def test_changed_adapters_are_refused(adapted: Path) -> None:
    (adapted / "masked-words" / "adapters.json").write_text(json.dumps({"scale": 2 * SCALE}))
    with pytest.raises(ModelError, match=r"masked-words/adapters.json is not the file"):
        pretrained.path("masked-words")


def test_without_the_encoder_its_own_sentence_is_shown(adapted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Path:
        raise assets.Missing("minilm is not on this machine: connect to the internet.")

    monkeypatch.setattr(assets, "path", missing)
    for name in ("masked-words", "sentence-encoder"):
        with pytest.raises(assets.Missing, match="connect to the internet"):
            pretrained.path(name)


def test_a_damaged_encoder_is_not_put_into_a_model(adapted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "damaged", lambda asset: ["model.safetensors"])
    with pytest.raises(ModelError, match="assets minilm --check`"):
        pretrained.path("masked-words")


def test_a_failed_write_leaves_nothing(adapted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(assets.Missing, match="No space left"):
            pretrained.path("masked-words")
    assert not list(tmp_path.glob("cache/**/*.safetensors"))
    load("masked-words")


def test_a_cache_that_cannot_be_written(adapted: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(assets.Missing, match="COURSE_ASSETS"):
        pretrained.path("masked-words")


# The models that come with the course


@pytest.mark.parametrize("name", pretrained.NAMES)
def test_what_the_course_comes_with(name: str, calls: list[object]) -> None:
    """Pinned, complete, on a card that keeps nothing back, and loadable without a network."""
    folder = pretrained.WEIGHTS / name
    if not folder.exists():
        pytest.skip(f"{name} is not trained yet")
    text = pretrained.card(name)
    assert all(pretrained.section(text, heading) for heading in pretrained.CARD_SECTIONS)
    assert {file.name for file in folder.iterdir()} == pretrained._pinned(name).keys()
    assert not [file for file in folder.iterdir() if file.suffix in (".bin", ".pt", ".pickle", ".pkl")]
    needs_encoder = pretrained.MODELS[name].carrier or (folder / adapters.ADAPTERS).exists()
    if needs_encoder and not store.there(assets.BY_NAME["minilm"]):
        pytest.skip("the sentence encoder is not on this machine")
    words, model = load(name)
    assert len(words) <= model.config.vocab_size
    assert model.dtype == torch.float32  # half precision is slow on a CPU, and another result than the card's
    assert calls == []
