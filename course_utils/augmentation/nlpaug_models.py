"""Repairs of what nlpaug does with language models: masked words, translation there and back, summaries.

The table in `nlpaug_repairs` says what broke.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

from course_utils.augmentation.hook import Repair, overlaid

__all__ = ["MODEL_REPAIRS", "accept_paths", "later"]


@contextmanager
def silence() -> Iterator[None]:
    """Keep transformers' progress bars and remarks out of a notebook's output, and leave its settings as they were."""
    from transformers.utils import logging

    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    # nlpaug gives this logger a level of its own, for good; transformers 5 then lists every layer of every model.
    logger = logging.get_logger("transformers.modeling_utils")
    level = logger.level
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logger.setLevel(level)
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def load_silently(model: type) -> None:
    """Let a language model load without a word unless it is built with silence=False."""
    original: Callable[..., None] = model.__init__  # type: ignore[misc]

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **options: Any) -> None:  # noqa: N807
        if not options.get("silence", True):
            original(self, *args, **options)
            return
        with silence():
            original(self, *args, **options)

    model.__init__ = __init__  # type: ignore[misc]


def repair_masked(module: ModuleType) -> None:
    """Look tokens up with the tokenizer's public methods, and load silently."""
    for name in ("Bert", "DistilBert", "Roberta", "XlNet", "FmTransformers"):
        model = vars(module).get(name)
        if model is not None and model.__module__ == module.__name__:
            model.token2id = token2id
            model.id2token = id2token
            load_silently(model)


class InThisProcess:
    """A pipeline that starts no worker process, whatever it is told."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the pipeline here."""
        return self.pipeline(*args, **{**options, "num_workers": 0})

    def __getattr__(self, name: str) -> Any:
        if name == "pipeline":  # not there yet: while this object is copied
            raise AttributeError(name)
        return getattr(self.pipeline, name)


def repair_fill_mask(module: ModuleType) -> None:
    """Look tokens up with the public methods, load silently, and start no process for each call."""
    repair_masked(module)
    original = module.FmTransformers.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **options: Any) -> None:  # noqa: N807
        original(self, *args, **options)
        self.model = InThisProcess(self.model)

    module.FmTransformers.__init__ = __init__


def token2id(self: Any, token: str) -> int:
    """Return a token's number."""
    return self.get_tokenizer().convert_tokens_to_ids(token)


def id2token(self: Any, _id: int) -> str:
    """Return a number's token."""
    return self.get_tokenizer().convert_ids_to_tokens(int(_id))


def repair_translation(module: ModuleType) -> None:
    """Read the sentences in this process, and let no translation grow longer than its model can count.

    A worker process costs more than the translation of a few sentences. nlpaug lets every model write 300 tokens; one
    that knows fewer positions stops with an IndexError when it meets a text that it cannot end.
    """
    load_silently(module.MtTransformers)
    original = module.MtTransformers.translate_one_step_batched

    @functools.wraps(original)
    def translate(self: Any, data: Any, tokenizer: Any, model: Any) -> Any:
        asked, room = self.max_length, getattr(model.config, "max_position_embeddings", None)
        self.max_length = min(asked, room) if asked and room else asked
        try:
            return original(self, data, tokenizer, model)
        finally:
            self.max_length = asked

    module.MtTransformers.translate_one_step_batched = translate
    if not hasattr(module, "t_data"):  # torch is missing: nlpaug says so when the augmenter is built
        return
    loader = module.t_data.DataLoader

    def data_loader(*args: Any, **options: Any) -> Any:
        return loader(*args, **{**options, "num_workers": 0})

    vars(module)["t_data"] = overlaid(module.t_data, DataLoader=data_loader)


class Summarizer:
    """What is left of transformers' summarization pipeline: a sequence-to-sequence model's generate.

    Like the old pipeline it searches as the model's own settings say (greedy or beams, nothing drawn), so that
    temperature, top_k and top_p matter only where those settings say do_sample.

    Args:
        model_name: folder or name of the model
        tokenizer_name: the same for its tokenizer
        device: "cpu", "cuda", …
    """

    def __init__(self, model_name: str, tokenizer_name: str, device: str) -> None:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(tokenizer_name)
        self.model = AutoModelForSeq2SeqLM.from_pretrained(model_name).to(device).eval()
        # T5 and its like are told in words what to do; their settings hold the words.
        settings = (getattr(self.model.config, "task_specific_params", None) or {}).get("summarization", {})
        self.prefix = settings.get("prefix", "summarize: " if self.model.config.model_type == "t5" else "")

    @property
    def device(self) -> Any:
        """Where the model is."""
        return self.model.device

    def __call__(self, texts: list[str], *, num_workers: int = 0, **options: Any) -> list[dict[str, str]]:
        """Summarise each text; options go to generate; num_workers is accepted and has no meaning here."""
        inputs = self.tokenizer(
            [self.prefix + text for text in texts], padding=True, truncation=True, return_tensors="pt"
        ).to(self.device)
        if not self.model.generation_config.do_sample:
            for name in ("temperature", "top_k", "top_p"):
                options.pop(name, None)
        numbers = self.model.generate(**inputs, **options)
        return [{"summary_text": text} for text in self.tokenizer.batch_decode(numbers, skip_special_tokens=True)]


def repair_summaries(module: ModuleType) -> None:
    """Build XSumTransformers around the model itself."""

    def __init__(  # noqa: N807
        self: Any,
        model_name: str = "t5-base",
        tokenizer_name: str | None = None,
        min_length: int = 10,
        max_length: int = 20,
        temperature: float = 1.0,
        top_k: int = 50,
        top_p: float = 0.9,
        batch_size: int = 32,
        device: str = "cuda",
        silence: bool = True,
    ) -> None:
        module.LanguageModels.__init__(self, device, model_type=None, silence=silence)
        self.model_name = model_name
        self.tokenizer_name = tokenizer_name or model_name
        self.min_length, self.max_length = min_length, max_length
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self.batch_size = batch_size
        self.model = Summarizer(self.model_name, self.tokenizer_name, self.device)

    module.XSumTransformers.__init__ = __init__
    load_silently(module.XSumTransformers)


def summarise(self: Any, texts: list[str], n: int = 1) -> list[str]:
    """Summarise each text: nlpaug's own steps, but a summary without the end of a sentence is kept whole, not lost."""
    prefix = getattr(self, "text_prefix", "")
    inputs = self.tokenizer([prefix + text for text in texts], padding="longest", return_tensors="pt").to(self.device)
    lengths = [len(prefix + text) for text in texts]
    numbers = self.model.generate(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        min_length=self.get_min_length(min(lengths)),
        max_length=self.get_max_length(max(lengths)),
        num_beams=self.num_beam,
        no_repeat_ngram_size=self.no_repeat_ngram_size,
    )
    summaries = self.tokenizer.batch_decode(numbers, skip_special_tokens=True)
    ends = [max(summary.rfind(end) for end in ".!?") for summary in summaries]
    return [summary[: end + 1] if end >= 0 else summary for summary, end in zip(summaries, ends)]


def repair_t5(module: ModuleType) -> None:
    """Lose no summary, and load silently."""
    module.T5.predict = summarise
    load_silently(module.T5)


def repair_bart(module: ModuleType) -> None:
    """Lose no summary, and load silently."""
    module.Bart.predict = summarise
    load_silently(module.Bart)


def kind_of_model(path: str) -> str:
    """Read a model folder's kind ("bert", "t5", …) from its config.json; "" where there is none."""
    config = Path(path) / "config.json"
    if not config.is_file():
        return ""
    return str(json.loads(config.read_text(encoding="utf-8")).get("model_type", ""))


def accept_paths(augmenter: type, *names: str) -> None:
    """Let an augmenter take a pathlib.Path where nlpaug expects text."""
    original: Callable[..., None] = augmenter.__init__  # type: ignore[misc]
    signature = inspect.signature(original)

    @functools.wraps(original)
    def __init__(*args: Any, **options: Any) -> None:  # noqa: N807
        given = signature.bind(*args, **options)
        for name in names:
            if isinstance(given.arguments.get(name), PurePath):
                given.arguments[name] = str(given.arguments[name])
        original(*given.args, **given.kwargs)

    augmenter.__init__ = __init__  # type: ignore[misc]


def tell_folders_apart(module: ModuleType, function: str) -> None:
    """Keep a loaded model by its whole path: nlpaug keeps it by the folder's last name alone.

    Args:
        module: where the function that loads and keeps models is
        function: its name; its first argument is the folder
    """
    original = vars(module)[function]
    signature = inspect.signature(original)
    loaded: dict[tuple[str, ...], tuple[Any, ...]] = {}

    @functools.wraps(original)
    def load(*args: Any, **options: Any) -> Any:
        given = signature.bind(*args, **options)
        given.apply_defaults()
        path = next(iter(given.arguments.values()))
        key = (os.path.basename(path), str(given.arguments.get("model_type")), str(given.arguments["device"]))
        # The two ways to run a model need two objects too.
        identity = (os.path.abspath(path), given.arguments["use_custom_api"])
        if loaded.get(key, identity) != identity:
            given.arguments["force_reload"] = True
        model = original(*given.args, **given.kwargs)
        loaded[key] = identity
        return model

    vars(module)[function] = load


def repair_contextual(module: ModuleType) -> None:
    """Read the kind of model from its folder, and tell folders of the same name apart."""
    augmenter = module.ContextualWordEmbsAug
    guess = augmenter.check_model_type
    # nlpaug has one class for a whole family: these differ in nothing that it looks at.
    family = {"distilbert": "bert", "squeezebert": "bert", "longformer": "roberta"}

    def check_model_type(self: Any) -> str:
        kind = kind_of_model(self.model_path)
        return family.get(kind, kind) if kind else guess(self)

    augmenter.check_model_type = check_model_type
    accept_paths(augmenter, "model_path")
    tell_folders_apart(module, "init_context_word_embs_model")


def repair_back_translation(module: ModuleType) -> None:
    """Take paths."""
    accept_paths(module.BackTranslationAug, "from_model_name", "to_model_name")


def repair_abst_summ(module: ModuleType) -> None:
    """Read the kind of model from its folder, and tell folders of the same name apart."""
    original = module.init_abst_summ_model
    signature = inspect.signature(original)

    @functools.wraps(original)
    def init_abst_summ_model(*args: Any, **options: Any) -> Any:
        given = signature.bind(*args, **options)
        given.apply_defaults()
        models = {"t5": module.nml.T5, "bart": module.nml.Bart}
        model = models.get(kind_of_model(given.arguments["model_path"]))
        if model is None or not given.arguments["use_custom_api"]:
            return original(*given.args, **given.kwargs)
        # nlpaug would let two augmenters of one folder share a model, and with it the lengths set last.
        return model(
            given.arguments["model_path"],
            device=given.arguments["device"],
            min_length=given.arguments["min_length"],
            max_length=given.arguments["max_length"],
            num_beam=3,
            no_repeat_ngram_size=3,
        )

    vars(module)["init_abst_summ_model"] = init_abst_summ_model
    tell_folders_apart(module, "init_abst_summ_model")
    accept_paths(module.AbstSummAug, "model_path", "tokenizer_path")


def later() -> None:
    """Stand for a library that a module imports in its methods too, when it is needed there."""


MODELS = "nlpaug.model.lang_models."
WITHOUT_TRANSFORMERS = {"transformers": later}

MODEL_REPAIRS = {
    MODELS + "bert": Repair(repair_masked, WITHOUT_TRANSFORMERS),
    MODELS + "distilbert": Repair(repair_masked, WITHOUT_TRANSFORMERS),
    MODELS + "roberta": Repair(repair_masked, WITHOUT_TRANSFORMERS),
    MODELS + "xlnet": Repair(repair_masked, WITHOUT_TRANSFORMERS),
    MODELS + "fill_mask_transformers": Repair(repair_fill_mask, WITHOUT_TRANSFORMERS),
    MODELS + "machine_translation_transformers": Repair(repair_translation, WITHOUT_TRANSFORMERS),
    MODELS + "summarization_transformers": Repair(repair_summaries, WITHOUT_TRANSFORMERS),
    MODELS + "t5": Repair(repair_t5, WITHOUT_TRANSFORMERS),
    MODELS + "bart": Repair(repair_bart, WITHOUT_TRANSFORMERS),
    MODELS + "gpt2": Repair(None, WITHOUT_TRANSFORMERS),
    # Its other package, simpletransformers, is as unmaintained: without it the module's own import fails too.
    MODELS + "lambada": Repair(None, WITHOUT_TRANSFORMERS),
    MODELS + "text_generation_transformers": Repair(None, WITHOUT_TRANSFORMERS),
    "nlpaug.augmenter.word.context_word_embs": Repair(repair_contextual),
    "nlpaug.augmenter.word.back_translation": Repair(repair_back_translation),
    "nlpaug.augmenter.sentence.abst_summ": Repair(repair_abst_summ),
}
