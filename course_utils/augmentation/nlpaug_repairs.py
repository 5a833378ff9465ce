"""What nlpaug 1.1.11 (2022, unmaintained) needs on today's transformers and nltk, and no more.

| module                                | what broke, or surprises                            | repair                 |
|---------------------------------------|-----------------------------------------------------|------------------------|
| lang_models.bert, .roberta, …         | private look-ups of tokens left transformers 5      | the public ones        |
| lang_models.summarization_…           | pipeline("summarization") left transformers 5       | the model's generate   |
| lang_models.machine_tr…, .fill_mask_… | a new process for each call                         | no process             |
| lang_models.machine_translation_…     | 300 tokens asked of a model with fewer positions    | as many as it has      |
| lang_models.*                         | importing nlpaug loads transformers (seconds)       | loaded when used       |
| word.context_word_embs,               | the kind of model is guessed from its path: for a   | read from the folder's |
| sentence.abst_summ                    | user called robert every model is a BERT            | config.json            |
| the same                              | another folder of the same name gives the old model | loaded anew            |
| word.spelling, .tfidf, .synonym,      | the first dictionary stays for all later augmenters | loaded anew            |
| .word_embs                            |                                                     |                        |
| word_embs.word2vec                    | of a file in text format it reads noise as vectors  | read as text           |
| word_embs.*                           | importing nlpaug loads gensim (half a second)       | loaded when used       |
| the same                              | top_k=None, which is documented, fails              | all words              |
| word.random, crop                     | a run of one word fails; a run that starts far left | the run lies inside    |
|                                       | goes on at the end of the text                      | the text               |
| word.random, crop and delete          | if the first two words go, the second comes back    | taken first to last    |
| lang_models.t5, .bart                 | a summary without a full stop is lost from a list   | kept whole             |
| flow.pipeline                         | of a list of texts a flow gives back only the first | all                    |
| word_dict.wordnet, .ppdb              | downloads a tagger that nltk no longer reads        | the course's own       |
| word_dict.spelling                    | a seed's draws depend on PYTHONHASHSEED             | sorted                 |
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from course_utils.augmentation.hook import Library, Repair
from course_utils.augmentation.nlpaug_models import MODEL_REPAIRS, accept_paths, later

__all__ = ["NLPAUG"]


def find_resource(resource: str, asset: str) -> None:
    """Make sure that nltk finds a resource: the user's own, else the course's.

    Args:
        resource: nltk's name, such as "corpora/wordnet"
        asset: the course's name

    Raises:
        assets.Missing: it is not on this machine and cannot be fetched; the sentence says what to do.
    """
    import nltk

    for name in (resource, f"{resource}.zip"):
        try:
            nltk.data.find(name)
        except LookupError:
            continue
        return
    from course_utils import assets

    nltk.data.path.append(str(assets.path(asset)))


def tag(tokens: list[str]) -> list[tuple[str, str]]:
    """Name each token's part of speech with nltk's English tagger."""
    import nltk

    find_resource("taggers/averaged_perceptron_tagger_eng", "tagger")
    return nltk.pos_tag(tokens)


@contextmanager
def without_mapping_onto_itself() -> Iterator[None]:
    """Keep nltk from mapping WordNet 3.0 onto itself while it loads: half of the time, and English does without."""
    from nltk.corpus.reader.wordnet import WordNetCorpusReader as Reader

    original = Reader.map_wn

    def map_wn(self: Any, version: str = "wordnet") -> Any:
        # nltk compares "wordnet" with "3.0" and takes them for two versions.
        return None if version == "wordnet" and self.get_version() == "3.0" else original(self, version)

    Reader.map_wn = map_wn
    try:
        yield
    finally:
        Reader.map_wn = original


def repair_wordnet(module: ModuleType) -> None:
    """Read the course's WordNet and tagger; download nothing."""

    def read(self: Any) -> Any:
        find_resource("corpora/wordnet", "wordnet")
        from nltk.corpus import wordnet

        with without_mapping_onto_itself():
            wordnet.ensure_loaded()
        if self.lang != "eng":
            if wordnet.map30 is None:
                wordnet.map30 = wordnet.map_wn()
            try:
                wordnet.synsets("a", lang=self.lang)
            except LookupError:
                raise ValueError(
                    f"lang={self.lang!r}: the course's WordNet is English; for other languages run "
                    f"`python -m nltk.downloader wordnet omw-1.4` once, with a network"
                ) from None
        return wordnet

    module.WordNet.read = read
    module.WordNet.pos_tag = staticmethod(tag)


def load_what_was_asked_for(module: ModuleType, function: str) -> None:
    """Load a dictionary again when another one is asked for: nlpaug keeps the first for every later augmenter."""
    original = vars(module)[function]
    signature = inspect.signature(original)
    last: list[dict[str, Any]] = []

    @functools.wraps(original)
    def load(*args: Any, **options: Any) -> Any:
        given = signature.bind(*args, **options)
        asked = {name: value for name, value in given.arguments.items() if name != "force_reload"}
        if last and last[0] != asked:
            given.arguments["force_reload"] = True
        model = original(*given.args, **given.kwargs)
        last[:] = [asked]
        return model

    vars(module)[function] = load


def repair_synonym_aug(module: ModuleType) -> None:
    """Take a path, and tell files of the same name apart."""
    accept_paths(module.SynonymAug, "model_path")
    load_what_was_asked_for(module, "init_ppdb_model")


def repair_spelling_aug(module: ModuleType) -> None:
    """Take a path, and load it."""
    accept_paths(module.SpellingAug, "dict_path")
    load_what_was_asked_for(module, "init_spelling_error_model")


def repair_tfidf_aug(module: ModuleType) -> None:
    """Take a path, and load it."""
    accept_paths(module.TfIdfAug, "model_path")
    load_what_was_asked_for(module, "init_tfidf_model")


def repair_word_embs_aug(module: ModuleType) -> None:
    """Take a path, and load it."""
    accept_paths(module.WordEmbsAug, "model_path")
    load_what_was_asked_for(module, "init_word_embs_model")


def repair_word_embeddings(module: ModuleType) -> None:
    """Let ``top_k=None`` mean all words, as nlpaug's documentation says."""
    original = module.WordEmbeddings.predict

    @functools.wraps(original)
    def predict(self: Any, word: str, n: int = 1) -> list[str]:
        if self.top_k is None:
            self.top_k = len(self.words)
        return original(self, word, n)

    module.WordEmbeddings.predict = predict


def is_text(path: str) -> bool:
    """Whether a file of vectors is in word2vec's text format, and not in the binary one of the same first line."""
    from gensim.utils import open as open_also_compressed

    with open_also_compressed(path, "rb") as file:
        width = int(file.readline().split()[1])
        try:
            _, *numbers = file.readline().decode("utf-8").split()
            return len(list(map(float, numbers))) == width
        except ValueError:
            return False


def repair_reading(name: str, options: Callable[[str], dict[str, Any]]) -> Repair:
    """Load gensim when vectors are read, and read them in the format that the file has.

    Args:
        name: the class of the module.
        options: what gensim must know of a file, by its path.
    """

    def repair(module: ModuleType) -> None:
        original = getattr(module, name).read

        @functools.wraps(original)
        def read(self: Any, file_path: str, max_num_vector: int | None = None) -> None:
            from gensim.models import KeyedVectors

            self.model = KeyedVectors.load_word2vec_format(file_path, limit=max_num_vector, **options(file_path))
            self._read()

        getattr(module, name).read = read

    return Repair(repair, {"gensim": later})


def repair_ppdb(module: ModuleType) -> None:
    """Tag with the course's tagger."""
    module.Ppdb.pos_tag = staticmethod(tag)


def repair_spelling(module: ModuleType) -> None:
    """Sort the misspellings: a set's order changes with PYTHONHASHSEED, and with it what a seed draws."""
    original = module.Spelling.read

    @functools.wraps(original)
    def read(self: Any, model_path: str) -> None:
        original(self, model_path)
        self.dict = {word: sorted(others) for word, others in self.dict.items()}

    module.Spelling.read = read


class FirstToLast(list[int]):
    """Places in ascending order, whatever order is asked for."""

    def sort(self, **_: Any) -> None:
        super().sort()


def repair_random_word(module: ModuleType) -> None:
    """Cut one run of neighbouring words that lies inside the text, and let no deleted word come back.

    When the first word goes, nlpaug gives its capital letter to the second, and so puts the second in again if that
    one is already gone. From first to last it goes after that.
    """
    original = module.RandomWordAug._get_random_aug_idxes

    def run(self: Any, tokens: list[str]) -> list[int]:
        length = min(self.generate_aug_cnt(len(tokens)), len(tokens))
        if length == 0:
            return []
        (start,) = self.sample(list(range(len(tokens) - length + 1)), 1)
        return FirstToLast(range(start, start + length))

    @functools.wraps(original)
    def places(self: Any, tokens: list[str]) -> list[int]:
        found = original(self, tokens)
        return FirstToLast(found or []) if self.action == "delete" else found

    module.RandomWordAug._get_aug_range_idxes = run
    module.RandomWordAug._get_random_aug_idxes = places


def repair_shuffle(module: ModuleType) -> None:
    """Say in one sentence what RandomSentAug lacks."""
    original = module.Shuffle.tokenize

    @functools.wraps(original)
    def tokenize(self: Any, data: str) -> list[str]:
        try:
            return original(self, data)
        except LookupError:
            raise LookupError(
                "RandomSentAug needs a function that splits a text into sentences: pass it as tokenizer=, or run "
                "`python -m nltk.downloader punkt_tab` once, with a network"
            ) from None

    module.Shuffle.tokenize = tokenize


def repair_pipeline(module: ModuleType) -> None:
    """Let a flow give one text for each text of a list; nlpaug's own gives the first one only."""
    original = module.Pipeline.augment

    @functools.wraps(original)
    def augment(self: Any, data: Any, n: int = 1, num_thread: int = 1) -> list[Any]:
        if not isinstance(data, list):
            return original(self, data, n=n, num_thread=num_thread)
        return [(original(self, text, n=1, num_thread=num_thread) or [text])[0] for text in data]

    module.Pipeline.augment = augment


WITHOUT_NLTK = {"nltk": later}

NLPAUG = Library(
    "nlpaug",
    "1.1.11",
    {
        **MODEL_REPAIRS,
        "nlpaug.augmenter.word.random": Repair(repair_random_word),
        "nlpaug.augmenter.word.spelling": Repair(repair_spelling_aug),
        "nlpaug.augmenter.word.synonym": Repair(repair_synonym_aug),
        "nlpaug.augmenter.word.tfidf": Repair(repair_tfidf_aug),
        "nlpaug.augmenter.word.word_embs": Repair(repair_word_embs_aug),
        "nlpaug.flow.pipeline": Repair(repair_pipeline),
        "nlpaug.model.word_embs.fasttext": repair_reading("Fasttext", lambda path: {}),
        "nlpaug.model.word_embs.glove": repair_reading("GloVe", lambda path: {"no_header": True}),
        "nlpaug.model.word_embs.word2vec": repair_reading("Word2vec", lambda path: {"binary": not is_text(path)}),
        "nlpaug.model.word_embs.word_embeddings": Repair(repair_word_embeddings),
        "nlpaug.model.word_rule.shuffle": Repair(repair_shuffle, WITHOUT_NLTK),
        "nlpaug.model.word_dict.wordnet": Repair(repair_wordnet, WITHOUT_NLTK),
        "nlpaug.model.word_dict.ppdb": Repair(repair_ppdb, WITHOUT_NLTK),
        "nlpaug.model.word_dict.spelling": Repair(repair_spelling),
    },
)
