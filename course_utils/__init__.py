"""The small package that the lessons of *Deep Learning That Generalizes* share.

Importing it is cheap on purpose: each module loads when it is first used (PEP 562), so that
``import course_utils`` needs no torch.

Example:
    >>> import course_utils
    >>> course_utils.evidence.approx(0.123)
    '≈ 0.12'
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "assets",
    "augmentation",
    "bench",
    "carrying",
    "characters",
    "checkpoints",
    "copying",
    "data",
    "doctor",
    "ensembles",
    "evidence",
    "explorers",
    "layers",
    "lesson",
    "negative_sampling",
    "ngrams",
    "plots",
    "practice",
    "pretrained",
    "recurrent",
    "refresh",
    "sequences",
    "text",
    "tracing",
    "training",
    "windows",
    "word2vec",
    "word_scores",
    "word_vectors",
]


def __getattr__(name: str) -> ModuleType:
    """Load a module of the package when it is first asked for."""
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
