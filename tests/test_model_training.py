"""The trainings of the translators and the summariser: their data, their scores, their loop, and what came out."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")

from course_utils.model_training import common, report, scores, sentences, shorter, summaries, translation
from course_utils.model_training.common import Example
from course_utils.model_training.sentences import Pair
from course_utils.model_training.shorter import Shorter

SUBJECTS = [("The cat", "El gato"), ("My brother", "Mi hermano"), ("The old man", "El viejo"), ("A girl", "Una niña")]
VERBS = [("eats", "come"), ("sees", "ve"), ("wants", "quiere"), ("finds", "encuentra"), ("buys", "compra")]
THINGS = [("a fish", "un pez"), ("the book", "el libro"), ("an apple", "una manzana"), ("bread", "pan"), ("it", "eso")]
WHEN = [("", ""), (" today", " hoy"), (" in the morning", " por la mañana")]


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def held_out() -> Any:
    """120 pairs and 120 shortened sentences of the real test parts."""
    return json.loads((Path(__file__).parent / "held_out_sentences.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the course's own, with 300 pairs a language."""
    folder = tmp_path_factory.mktemp("pairs")
    lines = [
        f"{s} {v} {t}{w}.\t{s2} {v2} {t2}{w2}.\tCC-BY"
        for s, s2 in SUBJECTS
        for v, v2 in VERBS
        for t, t2 in THINGS
        for w, w2 in WHEN
    ]
    (folder / "spa.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "fra.txt").write_text("\n".join(lines).replace("El ", "Le "), encoding="utf-8")
    return folder


# Scores


def test_chrf_of_a_case_by_hand() -> None:
    # One character: a, a, b against a, b, b share 2 of 3. Two characters: aa, ab against ab, bb share 1 of 2.
    assert scores.chrf(["aab"], ["abb"], longest=2) == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)


def test_chrf_counts_recall_twice() -> None:
    # One character right of one written, of two wanted: precision 1, recall 1/2.
    assert scores.chrf(["a"], ["ab"], longest=1) == pytest.approx(100 * 5 * 1 * 0.5 / (4 * 1 + 0.5))


def test_bleu_of_a_case_by_hand() -> None:
    outputs, references = ["the cat sat on a mat"], ["the cat sat on the mat today"]
    precisions = [5 / 6, 3 / 5, 2 / 4, 1 / 3]
    expected = math.exp(sum(map(math.log, precisions)) / 4) * math.exp(1 - 7 / 6)
    assert scores.bleu(outputs, references) == pytest.approx(100 * expected)


@pytest.mark.parametrize("score", [scores.chrf, scores.bleu])
def test_scores_know_equal_and_foreign_texts(score: Any) -> None:
    text = ["one two three four five"]
    assert score(text, text) == pytest.approx(100)
    assert score(["zzz"], text) == 0
    with pytest.raises(ValueError, match="got 1 and 2"):
        score(text, text * 2)


# Data


def test_pairs_are_read_once_and_tidied(tmp_path: Path) -> None:
    (tmp_path / "spa.txt").write_text(
        "It’s  late.\tEs tarde.\tx\nIt's late.\tEs tarde.\ty\na b c\tuno dos tres\tz\n", encoding="utf-8"
    )
    assert sentences.read_pairs(tmp_path, most_words=2) == [Pair("It's late.", "Es tarde.")]


def test_pairs_are_read_from_a_zip(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("fra.txt", "Go.\tVa.\tx\n")
    assert sentences.read_pairs(tmp_path, other="fra") == [Pair("Go.", "Va.")]
    with pytest.raises(FileNotFoundError, match=r"spa\.txt"):
        sentences.read_pairs(tmp_path)


def test_families_join_what_is_linked_by_a_chain() -> None:
    chain = [Pair("Go!", "Ve."), Pair("Leave.", "ve"), Pair("Leave!", "Sal.")]
    alone = Pair("Hi.", "Hola.")
    assert sorted(map(len, sentences.families([*chain, alone]))) == [1, 3]


def test_split_shares_no_sentence_in_either_language(data: Path) -> None:
    pairs = sentences.read_pairs(data)
    pairs += [Pair(pair.english.replace(".", "!"), pair.other + " Ya.") for pair in pairs[::3]]
    parts = sentences.split_pairs(pairs, held_out=30)
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    assert 30 <= len(parts.test) < 40
    assert 30 <= len(parts.valid) < 40
    for side in (0, 1):
        known = [{sentences.key(pair[side]) for pair in part} for part in parts]
        assert not known[0] & known[1]
        assert not known[0] & known[2]
        assert not known[1] & known[2]


def test_a_pair_stays_in_its_part_when_others_go(data: Path) -> None:
    pairs = sentences.read_pairs(data)
    test = sentences.split_pairs(pairs, held_out=30).test
    train = [pair for pair in pairs if pair not in test][::2]
    assert sentences.split_pairs(train + test, held_out=30).test == test


def test_shorter_pairs() -> None:
    said = [
        "The door was locked from the outside.",
        "The door was locked.",
        "I do not like it at all.",
        "I do like it.",
    ]
    assert shorter.one_cut(said) == [Shorter(said[0], said[1])]
    same = [Pair("I have no money on me.", "x"), Pair("I have no money.", "x"), Pair("He has no money.", "x")]
    assert shorter.same_translation(same) == [Shorter("I have no money on me.", "I have no money.")]


@pytest.mark.parametrize(
    ("text", "start", "end", "safe"),
    [
        ("i met him in the park", 3, 6, True),
        ("i really like your work", 1, 2, True),
        ("i do not like it", 2, 3, False),
        ("i saw this film", 3, 4, False),
        ("there is a simple solution to this problem", 3, 7, False),
        ("i am going to buy a car", 3, 7, False),
        ("what is the price of it", 0, 1, False),
        ("tom said he was ill", 1, 3, False),
    ],
)
def test_safe_cuts(text: str, start: int, end: int, safe: bool) -> None:
    assert shorter.is_safe_cut(text.split(), start, end) is safe


def test_split_of_shorter_pairs_shares_no_sentence(data: Path) -> None:
    parts, english = summaries.read_parts(data)
    assert len(parts.train) > 20
    assert len(parts.test) > 5
    keys = [{sentences.key(text) for pair in part for text in pair} for part in parts]
    assert not keys[0] & keys[2]
    assert not keys[1] & keys[2]
    assert not keys[0] & keys[1]
    assert not keys[2] & {sentences.key(text) for text in english}


# Training


def test_tokenizer_gives_back_any_text() -> None:
    tokenizer: Any = common.make_tokenizer(["the cat sat", "el gato"], size=300)
    for text in ("The cat, naïve ☕!", "¿Qué?", "x"):
        ids = tokenizer(text)["input_ids"]
        assert ids[-1] == common.END
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_packed_batches_hold_every_example_and_little_padding() -> None:
    rng = random.Random(0)
    examples = [Example([i + 3] * rng.randint(1, 20), [i + 3] * rng.randint(1, 20)) for i in range(200)]
    batches = list(common.packed(examples, 100, rng))
    assert sorted(example for batch in batches for example in batch) == sorted(examples)
    assert all(len(b) * max(max(map(len, example)) for example in b) <= 100 for b in batches)


def test_learning_rate_rises_then_falls() -> None:
    rates = [common.learning_rate(step, 100, 1.0, 10) for step in range(100)]
    assert max(rates) == rates[9] == rates[10]
    assert max(rates) == pytest.approx(1.0)
    assert 0 < rates[-1] < 0.03
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_epoch_of_translations_varies_both_sides_alike() -> None:
    examples = [Example([10 + i, 7, 1], [50 + i, 7, 1]) for i in range(30)]
    out = translation.vary(examples * 10, 7, random.Random(0))
    without = [e for e in out if 7 not in e.source]
    joined = [e for e in out if len(e.source) > 3]
    assert 10 < len(without) < 60
    assert 15 < len(joined) < 60
    assert all(len(e.source) == len(e.target) and e.target[0] == e.source[0] + 40 for e in out)
    assert all(e.source[2] + 40 == e.target[2] and e.source.count(1) == 1 for e in joined)


def test_training_of_a_translator_runs_end_to_end(data: Path, tmp_path: Path) -> None:
    small: dict[str, Any] = {"data": data, "limit": 200, "size": 400, "width": 64, "encoder": 1, "decoder": 1}
    runs = [
        translation.run("en-es", tmp_path / name, **small, steps=40, tokens=300, check_every=20, peak=5e-3)
        for name in ("first", "second")
    ]
    without_clock = [[{k: v for k, v in line.items() if k != "seconds"} for line in history] for history in runs]
    assert without_clock[0] == without_clock[1]
    assert runs[0][-1]["valid"] < runs[0][0]["valid"] - 0.2
    outputs = report.translated(tmp_path / "first", ["The cat eats bread.", "A girl sees it today."])
    assert len(outputs) == 2
    assert all(outputs)
    with pytest.raises(ValueError, match="en-de"):
        translation.run("en-de", tmp_path)


def test_the_summariser_starts_as_a_copier(data: Path) -> None:
    texts = [pair.english for pair in sentences.read_pairs(data)][::3]
    tokenizer: Any = common.make_tokenizer(texts, size=400)
    ids = tokenizer(texts)["input_ids"]
    losses = []
    for start in (False, True):
        torch.manual_seed(0)
        model = summaries.make_model(len(tokenizer), width=192, encoder=2, decoder=2)
        if start:
            summaries.start_as_copier(model)
        losses.append(common.mean_loss(model, [Example(i, i) for i in ids]))
    assert losses[1] < losses[0] - 1.5


def test_training_of_the_summariser_runs_end_to_end(data: Path, tmp_path: Path) -> None:
    history = summaries.run(
        tmp_path, data=data, steps=40, size=400, width=64, encoder=1, decoder=1, tokens=300, check_every=20, peak=5e-3
    )
    assert history[-1]["valid"] < min(1.0, history[0]["valid"])  # guessing among 400 tokens costs ln 400 = 6.0
    parts, _ = summaries.read_parts(data)
    found, outputs = report.summary_scores(tmp_path, parts.test[:5])
    assert len(outputs) == 5
    assert found["chrf_copy"] > 50


def test_the_best_version_is_saved_in_float16(data: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModelForSeq2SeqLM

    translation.run(
        "es-en", tmp_path, data=data, limit=100, steps=2, size=300, width=32, encoder=1, decoder=1, check_every=1
    )
    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {torch.float16}
    assert report.load(tmp_path)[0].dtype == AutoModelForSeq2SeqLM.from_pretrained(tmp_path).dtype == torch.float32


# What came out


@pytest.mark.parametrize("name", ["translate-en-es", "translate-es-en", "summarise"])
def test_stored_model_is_small_and_has_its_card(name: str) -> None:
    folder = common.WEIGHTS / name
    assert (folder / "model.safetensors").stat().st_size < 8e6
    card = (folder / "README.md").read_text(encoding="utf-8")
    for heading in ("Data", "Licence", "Size", "How it was trained", "Score", "Cannot"):
        assert f"\n## {heading}\n" in card
    assert "tatoeba" in card.lower()


# The bounds are the cards' numbers (all 2,001 pairs), less three standard errors of 120 pairs: 3 × 28 / √120 ≈ 8 chrF.
@pytest.mark.parametrize(("direction", "least"), [("en-es", 53), ("es-en", 56)])
def test_stored_translator_scores_as_its_card_says(held_out: Any, direction: str, least: float) -> None:
    pairs = [Pair(row["english"], row["spanish"]) for row in held_out["translation"]]
    found = report.translation_scores(common.WEIGHTS, direction, pairs)
    assert found["chrf"] > least
    assert found["chrf_of_the_input"] < 25


def test_there_and_back_changes_words_and_keeps_most(held_out: Any) -> None:
    texts = [row["english"] for row in held_out["translation"]]
    found, back = report.there_and_back(common.WEIGHTS, texts)
    again = report.there_and_back(common.WEIGHTS, texts)[1]
    assert back == again
    assert found["chrf"] > 61
    assert 0.4 < found["other_words"] < 0.9


def test_stored_summariser_is_shorter_and_closer_to_humans_than_the_first_words(held_out: Any) -> None:
    pairs = [Shorter(row["long"], row["short"]) for row in held_out["shorter"]]
    found, _ = report.summary_scores(common.WEIGHTS / "summarise", pairs)
    # The card's 0.76 and 0.40, less three standard errors of 120 sentences.
    assert found["shorter"] > 0.64
    assert found["as_the_human"] > max(0.26, found["as_the_human_first_words"])
    assert found["chrf"] > found["chrf_first_words"]
    assert found["only_words_of_the_input"] > 0.85


def test_nlpaug_uses_the_translators_and_the_summariser_as_they_are(held_out: Any) -> None:
    from course_utils import augmentation

    augmentation.seed(0)  # nlpaug is repaired when it is imported after course_utils.augmentation
    import nlpaug.augmenter.sentence as nas
    import nlpaug.augmenter.word as naw

    texts = [row["english"] for row in held_out["translation"][:6]]
    folders = [str(common.WEIGHTS / name) for name in ("translate-en-es", "translate-es-en", "summarise")]
    back = naw.BackTranslationAug(from_model_name=folders[0], to_model_name=folders[1], device="cpu").augment(texts)
    assert back == report.there_and_back(common.WEIGHTS, texts)[1]
    longs = [row["long"] for row in held_out["shorter"][:6]]
    shortened = nas.AbstSummAug(model_path=folders[2], tokenizer_path=folders[2], min_length=1, max_length=40).augment(
        longs
    )
    assert len(shortened) == 6
    assert sum(len(a.split()) < len(b.split()) for a, b in zip(shortened, longs)) >= 3
