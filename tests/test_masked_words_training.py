"""The training of the model that guesses hidden words: its data, what it hides, its loop, its scores, what came out."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")

from safetensors.torch import load_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

from course_utils import adapters, assets, pretrained
from course_utils.model_training import masked_word_scores, masked_word_texts, masked_words
from course_utils.model_training.masked_word_texts import Texts, Words

NOUNS = ["film", "story", "ending", "actor", "plot", "scene", "song", "joke"]
QUALITIES = ["good", "bad", "long", "dull", "great", "funny", "slow", "warm"]
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*MARKS, ".", "1994", "##s", "b", "isn", "the", "a", "is", "was", "very", "not", *NOUNS, *QUALITIES]


def sentence(rng: random.Random) -> str:
    """A sentence whose fifth word is decided by its second: noun number i only ever is quality number i."""
    i = rng.randrange(8)
    return f"The {NOUNS[i]} {rng.choice(['is', 'was'])} {rng.choice(['very', 'not'])} {QUALITIES[i]}."


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained encoder with 32 tokens, stored as the sentence encoder is."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.3,  # untrained features that can be told apart
    )
    BertModel(config).save_pretrained(folder)
    inner = Tokenizer(models.WordPiece({token: i for i, token in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def words(base: Path) -> Words:
    return Words(base)


@pytest.fixture(scope="module")
def texts() -> Texts:
    rng = random.Random(0)
    return Texts({"film": [sentence(rng) for _ in range(200)]}, *([sentence(rng) for _ in range(60)] for _ in "vt"))


def word(words: Words, spelling: str) -> int:
    """The place of a word among the candidates."""
    return int(words.number[VOCABULARY.index(spelling)])


# Data


def test_one_snippet_in_five_is_held_out_by_its_text_alone() -> None:
    parts = [masked_word_texts.part(f"snippet number {i}") for i in range(4000)]
    assert parts == [masked_word_texts.part(f"snippet number {i}") for i in range(4000)]
    for name in ("valid", "test"):
        assert parts.count(name) / 4000 == pytest.approx(0.1, abs=5 * math.sqrt(0.09 / 4000))


def write_data(folder: Path, films: list[str], editorials: list[str]) -> None:
    for name, some in (("movieReview", films), ("amazonReview", ["It works."]), ("nytEditorial", editorials)):
        lines = [f"{i}\t1.5\t{text}" for i, text in enumerate(some)]
        (folder / f"{name}Snippets_GroundTruth.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "spa.txt").write_text("Go.\tVe.\tCC-BY\nGo.\tVete.\tCC-BY\nHi.\tHola.\tCC-BY\n", encoding="utf-8")


def test_no_held_out_snippet_is_learned_even_from_another_file(tmp_path: Path) -> None:
    films = [f"film number {i} is ''good''" for i in range(300)]
    write_data(tmp_path, [*films, *films], editorials=films)
    texts = masked_word_texts.read_texts(tmp_path)
    learned = {text for some in texts.train.values() for text in some}
    assert len(texts.valid) > 10
    assert len(texts.test) > 10
    assert not learned & {*texts.valid, *texts.test}
    assert len(texts.train["film"]) + len(texts.valid) + len(texts.test) == 300
    assert 'film number 1 is "good"' in {*learned, *texts.valid, *texts.test}
    assert texts.train["everyday"] == ["Go.", "Hi."]


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="movieReviewSnippets_GroundTruth"):
        masked_word_texts.read_texts(tmp_path)


# What is hidden


def test_only_whole_words_in_letters_are_candidates(words: Words) -> None:
    allowed = {VOCABULARY[i] for i in words.allowed}
    assert allowed == {*VOCABULARY} - {*MARKS, ".", "1994", "##s", "b", "isn"}


def test_a_word_of_two_pieces_is_no_candidate(words: Words) -> None:
    (row,) = words.encode(["the films is good 1994."])
    tokens = [VOCABULARY[i] for i in row]
    marked = words.candidates(torch.tensor([row]))[0].tolist()
    assert dict(zip(tokens, marked)) == {
        "[CLS]": False, "the": True, "film": False, "##s": False, "is": True, "good": True, "1994": False,
        ".": False, "[SEP]": False,
    }  # fmt: skip


def test_hiding_hides_the_share_asked_for_and_nothing_else(words: Words) -> None:
    x = torch.tensor(words.encode(["the film is very good."])).repeat(4000, 1)
    before = x.clone()
    seen, where, y = words.hide(x, 0.25, torch.Generator().manual_seed(0))
    assert torch.equal(x, before)
    assert torch.equal(seen[~where], x[~where])
    assert torch.equal(words.allowed[y], x[where])
    assert not (where & ~words.candidates(x)).any()
    n = 4000 * 5
    assert len(y) / n == pytest.approx(0.25, abs=5 * math.sqrt(0.25 * 0.75 / n))
    masked = (seen[where] == words.mask).float().mean().item()
    assert masked == pytest.approx(0.88, abs=5 * math.sqrt(0.88 * 0.12 / len(y)))
    other = ((seen[where] != words.mask) & (seen[where] != x[where])).float().mean().item()
    expected = 0.06 * (1 - 1 / len(words.allowed))
    assert other == pytest.approx(expected, abs=5 * math.sqrt(0.06 * 0.94 / len(y)))


def test_batches_hold_every_text_as_often_as_the_mix_says_without_padding() -> None:
    rows = {"film": [[2, 9, 3], [2, 9, 10, 3]], "everyday": [[2, 11, 3]]}
    got = [tuple(row) for x in masked_word_texts.batches(rows, 6, random.Random(0)) for row in x.tolist()]
    assert sorted(got) == sorted([(2, 9, 3)] * 4 + [(2, 9, 10, 3)] * 4 + [(2, 11, 3)])
    assert all(x.numel() <= 6 for x in masked_word_texts.batches(rows, 6, random.Random(0)))


def test_texts_are_cut_and_keep_their_end_mark(words: Words) -> None:
    (row,) = words.encode(["very " * 80])
    assert len(row) == masked_word_texts.LONGEST
    assert VOCABULARY[row[-1]] == "[SEP]"
    assert words.encode(["film."], shortest=5) == []


# The loop


@pytest.fixture(scope="module")
def trained(base: Path, texts: Texts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, float]]]:
    folder = tmp_path_factory.mktemp("adapters")
    history = masked_words.run(
        base, folder, texts, steps=150, rank=8, tokens=128, rate=0.3, peak=2e-2, check_every=75
    )  # fmt: skip
    return folder, history


def test_training_learns_what_context_decides(trained: Any, base: Path, words: Words, texts: Texts) -> None:
    folder, history = trained
    assert [line["step"] for line in history] == [75, 150]
    counts = masked_word_scores.Counts({"film": words.encode(texts.train["film"])}, words, share=0.0)
    test = masked_word_texts.one_hidden(words, words.encode(texts.test))
    alone = masked_word_scores.measure(counts, test)["perplexity"]
    out = adapters.assemble(base, folder, folder.parent / "model-learned")
    got = masked_word_scores.measure(masked_word_scores.Stored(out, words), test)
    # Who knows the places alone has 1, 8, 2, 2 and 8 words to choose from: a perplexity of 3.
    assert got["perplexity"] < 0.4 * alone
    assert got["perplexity"] >= 1


def test_what_is_stored_is_small_and_of_the_agreed_form(trained: Any, words: Words) -> None:
    folder, _ = trained
    weights = load_file(folder / adapters.ADAPTERS)
    assert {value.dtype for value in weights.values()} == {torch.float16}
    assert not any("frozen" in name or "embeddings.weight" in name for name in weights)
    assert json.loads((folder / adapters.SETTINGS).read_text())["scale"] == masked_words.SCALE
    bias = weights["cls.predictions.bias"]
    never = words.number < 0
    assert (bias[never] == masked_words.NEVER).all()
    assert (bias[~never] > -50).all()


def test_transformers_loads_it_and_it_offers_words_only(trained: Any, base: Path, tmp_path: Path) -> None:
    out = adapters.assemble(base, trained[0], tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(out, local_files_only=True)
    model = AutoModelForMaskedLM.from_pretrained(out, local_files_only=True)
    inputs = tokenizer("The film is very [MASK].", return_tensors="pt")
    where = inputs["input_ids"][0] == tokenizer.mask_token_id
    with torch.no_grad():
        guesses = model(**inputs).logits[0, where][0].topk(15).indices
    assert tokenizer.mask_token == "[MASK]"
    assert VOCABULARY[int(guesses[0])] in QUALITIES
    assert not {VOCABULARY[i] for i in guesses} & {*MARKS, ".", "1994", "##s", "b", "isn"}


def test_the_check_notices_adapters_that_are_not_the_trained_ones(
    base: Path, words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = masked_words.Guesser(base, words, rank=4)
    for module in model.modules():
        if isinstance(module, masked_words.Adapter):
            nn.init.normal_(module.lora_B, std=0.2)
    masked_words.save(model, base, tmp_path)
    assert masked_words.merged_difference(model, base, tmp_path) < 0.02
    monkeypatch.setattr(masked_words, "SCALE", 1.0)  # the file then says another scale than was trained
    (tmp_path / adapters.SETTINGS).write_text(json.dumps({"scale": 2.0}), encoding="utf-8")
    assert masked_words.merged_difference(model, base, tmp_path) > 0.1


def test_same_seed_same_weights(base: Path, texts: Texts, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        masked_words.run(base, tmp_path / name, texts, steps=3, rank=4, tokens=128, check_every=3, seed=seed)
    a, b, c = ((tmp_path / name / adapters.ADAPTERS).read_bytes() for name in "abc")
    assert a == b
    assert a != c


# Scores


class Fixed(nn.Module):
    """Always gives the same scores."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, x: Tensor, where: Tensor) -> Tensor:
        return self.scores.expand(int(where.sum()), -1)


def test_measures_of_a_case_by_hand(words: Words) -> None:
    probabilities = torch.full((len(words.allowed),), 0.1 / (len(words.allowed) - 2))
    probabilities[word(words, "good")] = 0.6
    probabilities[word(words, "bad")] = 0.3
    row = words.encode(["the film is very good."])[0]
    x = torch.tensor([row, row])
    where = torch.zeros_like(x, dtype=torch.bool)
    where[:, 5] = True
    y = torch.tensor([word(words, "good"), word(words, "bad")])
    got = masked_words.measure(Fixed(probabilities.log()), [(x, where, y)])
    assert got["top1"] == 0.5
    assert got["top5"] == 1
    assert got["perplexity"] == pytest.approx(1 / math.sqrt(0.6 * 0.3), abs=1e-4)


def test_counting_pairs_by_hand(words: Words) -> None:
    rows = {"everyday": words.encode(["the film is good.", "the film is good.", "the song is dull."])}
    model = masked_word_scores.Counts(rows, words, share=0.5)
    x = torch.tensor(words.encode(["the film is very."]))
    where = torch.zeros_like(x, dtype=torch.bool)
    where[0, 2] = True
    p = model(x, where)[0].exp()
    total = 12 + 0.5 * len(words.allowed)  # "the", noun, "is", quality of three sentences, and 1/2 for each word
    assert p[word(words, "film")].item() == pytest.approx(0.5 * 2.5 / total + 0.5 * 2 / 3)
    assert p[word(words, "joke")].item() == pytest.approx(0.5 * 0.5 / total)
    assert p.sum().item() == pytest.approx(1)


def test_substitutions_are_counted(words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    def tag(text: list[str]) -> list[tuple[str, str]]:
        return [(w, "JJ" if w in QUALITIES else "NN") for w in text]

    scores = torch.zeros(len(words.allowed))
    scores[word(words, "bad")] = 9.0
    hidden = torch.tensor(words.encode(["the film is very good."]))
    where = torch.zeros_like(hidden, dtype=torch.bool)

    def hide(place: int) -> None:
        spot = where.clone()
        spot[0, place] = True
        y = words.number[hidden[spot]]
        monkeypatch.setattr(masked_word_scores, "one_hidden", lambda *a, **k: [(hidden, spot, y)])

    def count() -> dict[str, float]:
        return masked_word_scores.substitutions(
            Fixed(scores), words, [], top_k=1, tag=tag, lexicon={"good": 1.9, "bad": -2.5, "great": 3.1}
        )

    hide(5)  # good -> bad
    got = count()
    assert (got["part_of_speech_kept"], got["of_sentiment_words"], got["opposite"], got["alike"]) == (1, 1, 1, 0)
    hide(2)  # film -> bad
    got = count()
    assert (got["part_of_speech_kept"], got["of_sentiment_words"], got["changed"]) == (0, 0, 1)
    scores[word(words, "great")] = 10.0
    hide(5)  # good -> great
    got = count()
    assert (got["opposite"], got["alike"], got["same_word"]) == (0, 1, 0)
    scores[word(words, "good")] = 11.0
    assert count()["same_word"] == 1


# What came out


def test_the_card_says_how_well_the_stored_model_guesses() -> None:
    """Measured again on the first 300 snippets that were held out for the test."""
    card = pretrained.card("masked-words")
    row = re.search(r"(?m)^\| \*\*this model\*\* \| ([.\d]+) \| ([.\d]+) \| ([.\d]+) \|", card)
    alone = re.search(r"(?m)^\| how often words occur \| ([.\d]+) \| ([.\d]+) \| ([.\d]+) \|", card)
    assert row is not None
    assert alone is not None
    folder = pretrained.path("masked-words")
    words = Words(folder)
    films = masked_word_texts.read_snippets([assets.path("film-snippets")], "movieReview")
    rows = words.encode([text for text in films if masked_word_texts.part(text) == "test"][:300])
    got = masked_word_scores.measure(
        masked_word_scores.Stored(folder, words), masked_word_texts.one_hidden(words, rows)
    )
    for name, said, without in zip(("top1", "top5"), row.groups(), alone.groups()):
        error = math.sqrt(float(said) * (1 - float(said)) / len(rows))
        assert got[name] > float(said) - 4 * error, name
        assert got[name] > float(without) + 2 * error, name
    # A word costs log(perplexity) nats, with a spread of about 3 from word to word.
    assert math.log(got["perplexity"]) < math.log(float(row[3])) + 4 * 3 / math.sqrt(len(rows))
