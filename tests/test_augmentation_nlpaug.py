"""Every augmenter of the lesson's table, action by action, offline; what seeds it; what was repaired."""

import json
import os
import random
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from course_utils import assets, augmentation

# isort: split
import nlpaug.augmenter.char as nac
import nlpaug.augmenter.sentence as nas
import nlpaug.augmenter.word as naw
import nlpaug.flow as naf

TEXT = "The film was very good and the actors told a moving story"
WORDS = set(TEXT.lower().split())
LIBRARY = Path(nac.__file__).parents[2]


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    """No augmenter may open a connection."""

    def refuse(*args, **options):
        raise AssertionError("an augmenter tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    augmentation.seed(0)


def words_of(text: str) -> list[str]:
    return text.lower().split()


def tokens() -> list[str]:
    own = ["the", "a", "film", "movie", "good", "bad", "was", "is", "very", "not", "great", "dull", "story", "actors"]
    return [*own, "and", "told", "moving", "##s", "##ing"]


def without_special(model, count: int):
    """Let a model of random weights never predict its special tokens, which come first, as a trained one would."""
    with torch.no_grad():
        model.get_output_embeddings().bias[:count] = -100
    return model


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """A tiny BERT with random weights; the folder's name says nothing."""
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    folder = tmp_path_factory.mktemp("one") / "masked"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *tokens()]
    BertTokenizer(vocab={token: number for number, token in enumerate(vocabulary)}).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertForMaskedLM(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **size))
    without_special(model, 5).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def distilbert(tmp_path_factory, bert):
    """The same for DistilBERT; its folder has the BERT's last name."""
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertForMaskedLM

    folder = tmp_path_factory.mktemp("two") / "masked"
    tokenizer = AutoTokenizer.from_pretrained(bert)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=16, n_layers=1, n_heads=2, hidden_dim=16, max_position_embeddings=64
    )
    without_special(DistilBertForMaskedLM(config), 5).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def roberta(tmp_path_factory):
    """A tiny RoBERTa: byte-level tokens that carry their space."""
    from transformers import RobertaConfig, RobertaForMaskedLM, RobertaTokenizer

    folder = tmp_path_factory.mktemp("three") / "masked"
    letters = sorted(set(TEXT.replace(" ", "")) | {"Ġ"})
    merges, units = [], list(letters)
    for word in sorted(WORDS | {"bad", "dull"}):
        left = "Ġ"
        for letter in word:
            if left + letter not in units:
                merges.append((left, letter))
                units.append(left + letter)
            left += letter
    units += [letter for letter in "bdu" if letter not in units]
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *units]
    RobertaTokenizer(vocab={unit: number for number, unit in enumerate(vocabulary)}, merges=merges).save_pretrained(
        folder
    )
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    ends = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    model = RobertaForMaskedLM(RobertaConfig(vocab_size=len(vocabulary), max_position_embeddings=66, **size, **ends))
    without_special(model, 5).save_pretrained(folder)
    return folder


def unigram(folder, special: list[str]):
    """A small word-piece tokenizer of the kind that T5 has, as tokenizer.json."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [(token, 0.0) for token in special] + [("▁" + word, -3.0) for word in sorted(WORDS)]
    pieces += [(letter, -9.0) for letter in "▁abcdefghijklmnopqrstuvwxyzT.:?!"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=special.index("<unk>")))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    end = special.index("</s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", end)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"],
    )
    fast.save_pretrained(folder)
    return fast


@pytest.fixture(scope="session")
def t5(tmp_path_factory):
    """A tiny T5 with random weights; the folder's name says nothing."""
    from transformers import T5Config, T5ForConditionalGeneration

    folder = tmp_path_factory.mktemp("four") / "summaries"
    tokenizer = unigram(folder, ["<pad>", "</s>", "<unk>"])
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def marian(tmp_path_factory):
    """Two tiny Marian models with random weights, there and back."""
    from transformers import MarianConfig, MarianMTModel

    folders = []
    for number in (0, 1):
        folder = tmp_path_factory.mktemp("marian") / f"way{number}"
        tokenizer = unigram(folder, ["</s>", "<unk>", "<pad>"])
        torch.manual_seed(number)
        size = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
        config = MarianConfig(
            vocab_size=len(tokenizer),
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_position_embeddings=64,
            pad_token_id=2,
            eos_token_id=0,
            decoder_start_token_id=2,
            forced_eos_token_id=0,
            **size,
            **heads,
        )
        MarianMTModel(config).save_pretrained(folder)
        folders.append(folder)
    return folders


# Characters


def test_keyboard_substitutes_neighbouring_keys():
    near = json.loads((LIBRARY / "res/char/keyboard/en.json").read_text())
    changed = nac.KeyboardAug(aug_char_p=0.5, include_special_char=False, include_upper_case=False).augment(TEXT)[0]
    assert changed != TEXT
    assert len(changed) == len(TEXT)
    for before, after in zip(TEXT.lower(), changed.lower()):
        assert before == after or after in near[before]


@pytest.mark.parametrize(
    ("action", "lengths"),
    [("insert", range(1, 20)), ("substitute", range(1)), ("swap", range(1)), ("delete", range(-19, 0))],
)
def test_random_char(action, lengths):
    changed = nac.RandomCharAug(action=action, aug_char_max=2, aug_word_max=3).augment(TEXT)[0]
    assert changed != TEXT
    assert len(changed) - len(TEXT) in lengths
    assert len(changed.split()) == len(TEXT.split())  # it works inside words
    if action == "swap":
        assert sorted(changed.lower()) == sorted(TEXT.lower())


def test_ocr():
    assert nac.OcrAug().augment("The 0ld story is boring and bad")[0] != "The 0ld story is boring and bad"


# Words


@pytest.mark.parametrize(
    ("action", "kept"),
    [
        ("substitute", lambda words: words.count("_") >= 1 and len(words) == 12),
        ("swap", lambda words: sorted(words) == sorted(words_of(TEXT)) and words != words_of(TEXT)),
        ("delete", lambda words: 0 < len(words) < 12 and set(words) <= WORDS),
        ("crop", lambda words: 0 < len(words) < 12 and set(words) <= WORDS),
    ],
)
def test_random_word(action, kept):
    for _ in range(5):
        assert kept(words_of(naw.RandomWordAug(action=action).augment(TEXT)[0]))


def test_random_word_has_no_insert():
    """The notes list it. nlpaug accepts the name and then raises an error without a word."""
    augmenter = naw.RandomWordAug(action="insert")
    with pytest.raises(NotImplementedError, match=r"^$"):
        augmenter.augment(TEXT)


def test_synonyms_from_wordnet():
    seen = {naw.SynonymAug(aug_src="wordnet").augment("The film was good")[0] for _ in range(20)}
    assert len(seen) > 3
    others = {"movie", "picture", "moving picture", "motion picture", "pic", "flick", "cinema", "celluloid"}
    assert any(other in text for text in seen for other in others)


def test_synonyms_from_ppdb():
    """The course's own small file, in PPDB's format. The tagger takes "moving" for a verb, so it stays."""
    augmenter = naw.SynonymAug(aug_src="ppdb", model_path=augmentation.PPDB, aug_p=1.0)
    assert augmenter.augment(TEXT)[0] == "The movie was really fine and the performers told a moving tale"


def test_every_line_of_the_small_ppdb_is_read_and_goes_both_ways():
    from nlpaug.model.word_dict import Ppdb

    lines = augmentation.PPDB.read_text(encoding="utf-8").splitlines()
    model = Ppdb(str(augmentation.PPDB))
    pairs = {(line.split(" ||| ")[1], line.split(" ||| ")[2], line[1 : line.index("]")]) for line in lines}
    assert len(pairs) == len(lines) == 312
    for phrase, paraphrase, tag in pairs:
        assert (paraphrase, phrase, tag) in pairs
        assert paraphrase in model.predict(phrase)


def test_antonyms():
    """Not only adjectives: an antonym of "was" (to be the same as) is "differ"."""
    seen = {naw.AntonymAug(aug_p=0.5).augment("The film was good")[0] for _ in range(20)}
    assert seen <= {f"The film {verb} {word}" for verb in ("was", "differ") for word in ("good", "bad", "evil", "ill")}
    assert any(text.endswith(("bad", "evil", "ill")) for text in seen)


def test_reserved():
    augmenter = naw.ReservedAug(reserved_tokens=[["film", "movie", "picture"], ["cannot", "can not"]], aug_p=1.0)
    assert re.fullmatch("The (movie|picture) was good", augmenter.augment("The film was good")[0])
    assert augmenter.augment("The Film was good") == ["The Film was good"]  # case-sensitive
    assert augmenter.augment("We cannot stay") == ["We can not stay"]


def test_spelling():
    changed = naw.SpellingAug().augment("because the beautiful film was their favorite")[0]
    assert changed != "because the beautiful film was their favorite"
    assert len(changed.split()) == 7


def test_a_second_dictionary_is_not_the_first(tmp_path):
    """nlpaug loaded the first one and kept it for all later augmenters."""
    naw.SpellingAug()
    (tmp_path / "mistakes.txt").write_text("film fillm\n")
    own = naw.SpellingAug(dict_path=tmp_path / "mistakes.txt", include_reverse=False)
    assert own.augment("because the film was good") == ["because the fillm was good"]
    assert naw.SpellingAug(aug_p=1.0).augment("because the film was good") != ["because the fillm was good"]
    pairs = []
    for word in ("novel", "song"):
        folder = tmp_path / word
        folder.mkdir()
        (folder / "pairs.txt").write_text(f"[NN] ||| film ||| {word} ||| ||| ||| Equivalence\n")
        pairs.append(naw.SynonymAug(aug_src="ppdb", model_path=folder / "pairs.txt"))
    assert [augmenter.augment("The film was good")[0].split()[1] for augmenter in pairs] == ["novel", "song"]


def test_split():
    changed = naw.SplitAug().augment(TEXT)[0]
    assert changed.lower().replace(" ", "") == TEXT.lower().replace(" ", "")
    assert len(changed.split()) > len(TEXT.split())


def test_tfidf(tmp_path):
    known = {*words_of(TEXT), "dull", "with", "bad", "is", "not"}
    for action, more in (("insert", 1), ("substitute", 0)):
        changed = naw.TfIdfAug(model_path=tfidf(tmp_path), action=action, aug_max=1).augment(TEXT)[0]
        assert len(changed.split()) == len(TEXT.split()) + more
        assert set(words_of(changed)) <= known


def vectors(folder: Path) -> dict[str, Path]:
    """Four words, two of a kind, in the formats that nlpaug knows."""
    from gensim.models import KeyedVectors

    from course_utils.word_vectors import WordVectors

    numbers = torch.tensor([[1, 0.0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
    WordVectors(["film", "movie", "good", "great"], numbers).save_text(folder / "vectors.txt")
    head, rest = (folder / "vectors.txt").read_text().split("\n", 1)
    assert head == "4 2"
    (folder / "glove.txt").write_text(rest)
    read = KeyedVectors.load_word2vec_format(str(folder / "vectors.txt"))
    read.save_word2vec_format(str(folder / "vectors.bin"), binary=True)
    text = folder / "vectors.txt"
    return {"word2vec": text, "fasttext": text, "glove": folder / "glove.txt", "binary": folder / "vectors.bin"}


@pytest.mark.parametrize("form", ["word2vec", "fasttext", "glove", "binary"])
def test_word_embeddings(form, tmp_path):
    options = {"model_type": form.replace("binary", "word2vec"), "model_path": vectors(tmp_path)[form], "aug_p": 1.0}
    augmenter = naw.WordEmbsAug(action="substitute", top_k=1, **options)
    assert augmenter.augment(["film good", "A great movie now"]) == ["movie great", "A good film now"]
    assert augmenter.augment("nothing known") == ["nothing known"]
    # Any word but the one itself.
    everything = naw.WordEmbsAug(action="substitute", top_k=None, **options)
    assert {everything.augment("film")[0] for _ in range(60)} == {"movie", "good", "great"}
    assert augmenter.augment("film") == ["movie"]  # the second augmenter has not changed the first one's top_k
    longer = naw.WordEmbsAug(action="insert", **options).augment("one two three")[0].split()
    assert [word for word in longer if word in ("one", "two", "three")] == ["one", "two", "three"]
    assert len(longer) == 6
    assert set(longer) - {"one", "two", "three"} <= {"film", "movie", "good", "great"}


def test_other_word_embeddings_are_loaded_when_they_are_asked_for(tmp_path):
    for name, twin in (("first", "movie"), ("second", "good")):
        (tmp_path / name).write_text(f"3 2\nfilm 1 0\n{twin} 0.9 0.1\nelse 0 1\n")
        augmenter = naw.WordEmbsAug(model_type="word2vec", model_path=tmp_path / name, top_k=1)
        assert augmenter.augment("film") == [twin]


# Language models


def test_a_word_that_was_deleted_does_not_come_back() -> None:
    text = "one two three four five six seven eight nine ten"
    for k in range(100):
        augmentation.seed(k)
        (shorter,) = naw.RandomWordAug(action="delete").augment(text)
        assert len(shorter.split()) == 7, shorter


def test_a_crop_is_one_run_of_any_length_inside_the_text() -> None:
    for text in ("film", "good film", "a good film", "one two three four five six seven eight nine ten"):
        words = text.split()
        for k in range(100):
            augmentation.seed(k)
            (cropped,) = naw.RandomWordAug(action="crop").augment(text)
            left = cropped.lower().split()
            lost = len(words) - len(left)
            assert lost == (0 if len(words) == 1 else max(1, round(0.3 * len(words)))), cropped
            assert any(words[:start] + words[start + lost :] == left for start in range(len(words))), cropped


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta"])
@pytest.mark.parametrize("action", ["insert", "substitute"])
@pytest.mark.parametrize("custom", [True, False])
def test_contextual(request, capfd, kind, action, custom):
    folder = request.getfixturevalue(kind)
    augmenter = naw.ContextualWordEmbsAug(model_path=folder, action=action, use_custom_api=custom, aug_max=2, top_k=10)
    assert type(augmenter.model).__name__ == ({"roberta": "Roberta"}.get(kind, "Bert") if custom else "FmTransformers")
    text = "The film was very good and the story moving"
    changed = [augmenter.augment(text)[0] for _ in range(4)]
    assert any(words_of(one) != words_of(text) for one in changed)
    if action == "insert" and kind != "roberta":
        assert all(len(one.split()) >= len(text.split()) for one in changed)
    if action == "substitute" and kind != "roberta":
        assert all(len(one.split()) == len(text.split()) for one in changed)
    pair = augmenter.augment([text, "The film was good"])
    assert len(pair) == 2
    out, err = capfd.readouterr()
    assert "Loading weights" not in err
    assert "sharded" not in err
    assert out == ""


def test_contextual_keeps_folders_of_the_same_name_apart(bert, distilbert):
    """nlpaug keeps a model by the last name of its folder: the second one got the first one's model."""
    assert bert.name == distilbert.name
    first = naw.ContextualWordEmbsAug(model_path=bert)
    second = naw.ContextualWordEmbsAug(model_path=distilbert)
    again = naw.ContextualWordEmbsAug(model_path=str(distilbert))
    assert first.model.model.config.model_type == "bert"
    assert second.model.model.config.model_type == "distilbert"
    assert again.model is second.model  # no second load


def test_the_kind_of_model_is_read_from_its_folder_not_from_its_path(bert, tmp_path):
    """For a user called roberta, whose name stands in each path, every model was a RoBERTa."""
    folder = tmp_path / "roberta-s_models" / "mine"
    folder.parent.mkdir()
    folder.symlink_to(bert)
    assert naw.ContextualWordEmbsAug(model_path=str(folder)).model_type == "bert"


def test_building_a_model_leaves_transformers_settings(bert):
    from transformers.utils import logging

    before = logging.is_progress_bar_enabled(), logging.get_verbosity()
    level = logging.get_logger("transformers.modeling_utils").level
    naw.ContextualWordEmbsAug(model_path=bert, force_reload=True)
    assert (logging.is_progress_bar_enabled(), logging.get_verbosity()) == before
    assert logging.get_logger("transformers.modeling_utils").level == level


def test_back_translation(marian):
    there, back = marian
    augmenter = naw.BackTranslationAug(from_model_name=there, to_model_name=str(back), max_length=20)
    one = augmenter.augment(TEXT)
    assert len(one) == 1
    assert isinstance(one[0], str)
    assert len(augmenter.augment([TEXT, "The film was good"])) == 2


def test_a_translation_ends_where_its_model_has_no_more_positions(marian):
    there, back = marian  # random weights rarely end a text; they know 64 positions, and nlpaug asks for 300 tokens
    assert len(naw.BackTranslationAug(from_model_name=there, to_model_name=back).augment(TEXT)) == 1


@pytest.fixture(scope="session")
def fsmt(tmp_path_factory):
    """Two tiny models of the kind of facebook/wmt19-en-de, with random weights: they need sacremoses."""
    from transformers import FSMTConfig, FSMTForConditionalGeneration, FSMTTokenizer

    folders = []
    for number, languages in enumerate((["en", "de"], ["de", "en"])):
        folder = tmp_path_factory.mktemp("fsmt") / "way"
        folder.mkdir()
        units = ["<s>", "<pad>", "</s>", "<unk>", *[f"{word}</w>" for word in sorted(WORDS)]]
        units += [letter + end for letter in "abcdefghijklmnopqrstuvwxyzT." for end in ("", "</w>")]
        numbers = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
        for name in ("vocab-src.json", "vocab-tgt.json"):
            (folder / name).write_text(json.dumps(numbers))
        (folder / "merges.txt").write_text("t h 1\nth e</w> 1\n")
        files = [str(folder / name) for name in ("vocab-src.json", "vocab-tgt.json", "merges.txt")]
        FSMTTokenizer(
            langs=languages, src_vocab_file=files[0], tgt_vocab_file=files[1], merges_file=files[2]
        ).save_pretrained(folder)
        torch.manual_seed(number)
        config = FSMTConfig(
            langs=languages,
            src_vocab_size=len(numbers),
            tgt_vocab_size=len(numbers),
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_position_embeddings=64,
            tie_word_embeddings=False,
        )
        FSMTForConditionalGeneration(config).save_pretrained(folder)
        folders.append(folder)
    return folders


def test_back_translation_with_the_notes_kind_of_model(fsmt):
    there, back = fsmt
    changed = naw.BackTranslationAug(from_model_name=there, to_model_name=back, max_length=20).augment([TEXT, "A film"])
    assert len(changed) == 2


def test_back_translation_starts_no_process(marian, monkeypatch):
    there, back = marian
    augmenter = naw.BackTranslationAug(from_model_name=there, to_model_name=back, max_length=20)

    def refuse(*args, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr("torch.utils.data.dataloader._MultiProcessingDataLoaderIter.__init__", refuse)
    assert augmenter.augment(TEXT)


@pytest.mark.parametrize("custom", [True, False])
def test_summaries(t5, custom):
    augmenter = nas.AbstSummAug(
        model_path=t5, tokenizer_path=t5, min_length=3, max_length=0.5 if custom else 12, use_custom_api=custom
    )
    assert type(augmenter.model).__name__ == ("T5" if custom else "XSumTransformers")
    # Random weights write no full stop: nlpaug drops such summaries from a list.
    texts = [TEXT, "The film was good", "The story was moving"]
    summaries = augmenter.augment(texts)
    assert len(summaries) == 3
    assert all(isinstance(summary, str) for summary in summaries)


def test_summaries_end_with_a_sentence_where_there_is_one(t5):
    augmenter = nas.AbstSummAug(model_path=t5, tokenizer_path=t5, max_length=0.5, min_length=1)

    class Tokenizer:
        def __init__(self, real):
            self.real = real

        def __call__(self, *args, **options):
            return self.real(*args, **options)

        def batch_decode(self, numbers, skip_special_tokens):
            return ["It is good. And also", "no end", "Why? Yes! so"]

    augmenter.model.tokenizer = Tokenizer(augmenter.model.tokenizer)
    assert augmenter.augment([TEXT] * 3) == ["It is good.", "no end", "Why? Yes!"]


def test_the_summariser_of_the_pipeline_path_is_the_models_own_generate(t5):
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(t5), AutoModelForSeq2SeqLM.from_pretrained(t5).eval()
    inputs = tokenizer(["summarize: " + TEXT], return_tensors="pt")
    numbers = model.generate(**inputs, min_length=3, max_length=12)
    expected = tokenizer.decode(numbers[0], skip_special_tokens=True)
    augmenter = nas.AbstSummAug(
        model_path=t5, tokenizer_path=t5, min_length=3, max_length=12, use_custom_api=False, force_reload=True
    )
    assert augmenter.augment(TEXT) == [expected]


# Flows


def test_sequential():
    flow = naf.Sequential([naw.RandomWordAug(action="swap"), nac.RandomCharAug(action="swap")])
    changed = flow.augment(TEXT)
    assert len(changed) == 1
    assert sorted(changed[0].lower()) == sorted(TEXT.lower())
    assert len(flow.augment(TEXT, n=3)) == 3


def test_sometimes():
    """Each augmenter of the flow is used with probability aug_p."""
    flow = naf.Sometimes([naw.RandomWordAug(action="delete")], aug_p=0.5)
    drawn = [flow._augment(TEXT)[0] != TEXT for _ in range(400)]
    assert 140 < sum(drawn) < 260
    assert naf.Sometimes([naw.RandomWordAug()], aug_p=0.0).augment(TEXT) == [TEXT]


@pytest.mark.parametrize("kind", [naf.Sequential, naf.Sometimes])
def test_a_flow_gives_a_text_for_each_text(kind):
    """nlpaug gave the first one alone, or a list in a list."""
    texts = [TEXT, "The film was bad", "", "A story"]
    changed = kind([naw.RandomWordAug(action="swap")]).augment(texts)
    assert len(changed) == 4
    for before, after in zip(texts, changed):
        assert sorted(words_of(before)) == sorted(words_of(after))


def test_nested_flows():
    flow = naf.Sequential([naf.Sometimes([nac.RandomCharAug(action="swap")], aug_p=1), naw.RandomWordAug("swap")])
    changed = flow.augment([TEXT, "The film was bad"])
    assert [sorted(text.lower()) for text in changed] == [sorted(TEXT.lower()), sorted("the film was bad")]


# Random sentences


def test_random_sentences():
    augmenter = nas.RandomSentAug(mode="random", tokenizer=lambda text: re.findall(r"[^.]+\.", text))
    assert sorted(augmenter.augment("One.Two.Three.")[0].split()) == ["One.", "Three.", "Two."]


def test_random_sentences_without_a_splitter_say_what_to_do(monkeypatch):
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    with pytest.raises(LookupError, match=r"pass it as tokenizer=.*nltk\.downloader punkt_tab") as caught:
        nas.RandomSentAug().augment("One. Two. Three.")
    assert "\n" not in str(caught.value)


# WordNet and the tagger


def test_without_wordnet_there_is_one_sentence(monkeypatch):
    import nltk

    def missing(name):
        raise assets.Missing(f"{name} is not there: do this")

    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setattr(assets, "path", missing)
    with pytest.raises(assets.Missing, match="wordnet is not there: do this"):
        naw.SynonymAug()
    with pytest.raises(assets.Missing, match="tagger is not there: do this"):
        naw.SynonymAug(aug_src="ppdb", model_path=augmentation.PPDB).augment(TEXT)


def test_a_wordnet_of_the_users_own_comes_first(monkeypatch, tmp_path):
    import nltk

    from course_utils.augmentation.nlpaug_repairs import find_resource

    (tmp_path / "corpora" / "wordnet").mkdir(parents=True)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    monkeypatch.setattr(assets, "path", lambda name: pytest.fail("the course's was asked for"))
    find_resource("corpora/wordnet", "wordnet")
    assert nltk.data.path == [str(tmp_path)]


def test_other_languages_say_what_to_do():
    with pytest.raises(ValueError, match=r"lang='spa': the course's WordNet is English"):
        naw.SynonymAug(lang="spa")


# Seeds


# Augmenter -> the generators that it follows, as the package's docstring says.
GENERATORS = {
    "AntonymAug": {"random"},
    "ContextualWordEmbsAug insert": {"random", "torch"},
    "ContextualWordEmbsAug substitute": {"random", "torch"},
    "KeyboardAug": {"random"},
    "OcrAug": {"random"},
    "RandomCharAug delete": {"random"},
    "RandomCharAug insert": {"random"},
    "RandomCharAug substitute": {"random"},
    "RandomCharAug swap": {"random"},
    "RandomWordAug crop": {"random"},
    "RandomWordAug delete": {"random"},
    "RandomWordAug substitute": {"random"},
    "RandomSentAug": {"random", "numpy"},
    "RandomWordAug swap": {"random"},
    "ReservedAug": {"random"},
    "Sequential": {"random"},
    "Sometimes": {"random", "numpy"},
    "SpellingAug": {"random"},
    "SplitAug": {"random", "numpy"},
    "SynonymAug": {"random"},
    "TfIdfAug": {"random", "numpy"},
    "WordEmbsAug insert": {"random"},
    "WordEmbsAug substitute": {"random"},
}


def tfidf(folder: Path) -> Path:
    """Train the word statistics that TfIdfAug needs."""
    import nlpaug.model.word_stats as nmw

    model = nmw.TfIdf()
    model.train([words_of(TEXT), words_of("a dull film with bad actors"), words_of("the story is not good")])
    model.save(str(folder))
    return folder


def embeddings(folder: Path, action: str) -> object:
    return naw.WordEmbsAug("word2vec", vectors(folder)["word2vec"], action=action)


def build(name: str, bert) -> object:
    reserved = [["film", "movie", "picture"], ["good", "fine", "nice"]]
    return {
        "AntonymAug": lambda: naw.AntonymAug(),
        "ContextualWordEmbsAug insert": lambda: naw.ContextualWordEmbsAug(bert, action="insert"),
        "ContextualWordEmbsAug substitute": lambda: naw.ContextualWordEmbsAug(bert),
        "KeyboardAug": lambda: nac.KeyboardAug(),
        "OcrAug": lambda: nac.OcrAug(aug_char_p=0.9, aug_word_p=0.9),
        "RandomCharAug delete": lambda: nac.RandomCharAug(action="delete"),
        "RandomCharAug insert": lambda: nac.RandomCharAug(action="insert"),
        "RandomCharAug substitute": lambda: nac.RandomCharAug(action="substitute"),
        "RandomCharAug swap": lambda: nac.RandomCharAug(action="swap"),
        "RandomWordAug crop": lambda: naw.RandomWordAug(action="crop"),
        "RandomWordAug delete": lambda: naw.RandomWordAug(action="delete"),
        "RandomWordAug substitute": lambda: naw.RandomWordAug(action="substitute", target_words=["a", "b", "c"]),
        "RandomWordAug swap": lambda: naw.RandomWordAug(action="swap"),
        "RandomSentAug": lambda: nas.RandomSentAug(tokenizer=lambda text: text.split(), aug_p=0.5),
        "ReservedAug": lambda: naw.ReservedAug(reserved_tokens=reserved),
        "Sequential": lambda: naf.Sequential([naw.RandomWordAug(action="swap")]),
        "Sometimes": lambda: naf.Sometimes([naw.RandomWordAug(action="swap")], aug_p=0.5),
        "SpellingAug": lambda: naw.SpellingAug(),
        "SplitAug": lambda: naw.SplitAug(),
        "SynonymAug": lambda: naw.SynonymAug(),
        "TfIdfAug": lambda: naw.TfIdfAug(model_path=tfidf(Path(bert).parent)),
        "WordEmbsAug insert": lambda: embeddings(Path(bert).parent, "insert"),
        "WordEmbsAug substitute": lambda: embeddings(Path(bert).parent, "substitute"),
    }[name]()


SEEDERS = {"random": random.seed, "numpy": np.random.seed, "torch": torch.manual_seed}
LONG = "The good film was because their beautiful story is very moving and the actors told a good story not bad"


def draws(augmenter, seeded: set[str], others: int) -> tuple:
    """Eight outputs with some generators at seed 1 and the others at a number of their own."""
    for name, seeder in SEEDERS.items():
        seeder(1 if name in seeded else others)
    return tuple(tuple(augmenter.augment(LONG)) for _ in range(8))


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_which_generators_each_augmenter_follows(name, bert):
    augmenter, generators = build(name, bert), GENERATORS[name]
    first = draws(augmenter, generators, 2)
    assert draws(augmenter, generators, 3) == first  # the others have no say
    for generator in generators:
        assert draws(augmenter, generators - {generator}, 4) != first  # each of these has


def test_translation_and_summaries_draw_nothing(marian, t5):
    there, back = marian
    for augmenter in (
        naw.BackTranslationAug(from_model_name=there, to_model_name=back, max_length=20),
        nas.AbstSummAug(model_path=t5, tokenizer_path=t5, min_length=3, max_length=0.5),
    ):
        assert draws(augmenter, set(), 1) == draws(augmenter, set(), 2)


def all_draws(bert) -> str:
    """What every augmenter gives under one seed."""
    made = {name: build(name, bert) for name in GENERATORS}
    augmentation.seed(7)
    return "".join(f"{name}: {made[name].augment(LONG, n=3)}\n" for name in made)


def test_the_same_seed_gives_the_same_texts_in_another_process_whatever_its_hash_seed(request, bert):
    """SpellingAug drew from a set's order, which PYTHONHASHSEED changes."""
    code = (
        f"import sys; sys.path.insert(0, {str(request.path.parent)!r}); import test_augmentation_nlpaug as t;"
        f"from pathlib import Path; print(t.all_draws(Path({str(bert)!r})), end='')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "20261120"},
        capture_output=True,
        text=True,
        check=True,
        cwd=request.config.rootpath,
    )
    assert run.stdout == all_draws(bert)


def test_importing_nlpaug_loads_neither_transformers_nor_nltk_nor_gensim(request):
    code = (
        "from course_utils import augmentation; import nlpaug.augmenter.word, nlpaug.augmenter.char,"
        "nlpaug.augmenter.sentence, nlpaug.flow, sys;"
        "print([m for m in ('transformers', 'nltk', 'gensim') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=request.config.rootpath
    )
    assert run.stdout.strip() == "[]"
    assert run.stderr == ""


def test_cheap_augmenters_are_cheap():
    augmenter = naw.RandomWordAug(action="swap")
    start = time.perf_counter()
    augmenter.augment([TEXT] * 200)
    assert time.perf_counter() - start < 2
