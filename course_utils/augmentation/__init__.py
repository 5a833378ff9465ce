"""nlpaug and imgaug on today's packages, one seed for both, and Cutout, Mixup and CutMix with their labels.

Both libraries are unmaintained: nlpaug 1.1.11 is of 2022, imgaug 0.4.0 of 2020. Import this package first; then write
the libraries' own imports:

    from course_utils import augmentation
    import imgaug.augmenters as iaa
    import nlpaug.augmenter.word as naw

The repairs (`imgaug_repairs`, `nlpaug_repairs`, each with a table) are made when one of the libraries is imported, for
these versions only; another version is left as it is, and one sentence says so. numpy, transformers, nltk and gensim
stay as they are.

What draws the random numbers, and so what must be seeded; `seed` seeds all of it:

| augmenter                                                  | generator                                       |
|------------------------------------------------------------|-------------------------------------------------|
| KeyboardAug, OcrAug, RandomCharAug, RandomWordAug,         | Python's `random`                               |
| SynonymAug, AntonymAug, ReservedAug, SpellingAug,          |                                                 |
| WordEmbsAug                                                |                                                 |
| SplitAug, TfIdfAug, RandomSentAug                          | `random`, and numpy's old global one            |
| ContextualWordEmbsAug                                      | `random`, and torch's                           |
| BackTranslationAug, AbstSummAug                            | none (torch's, if the model's settings sample)  |
| flow.Sequential                                            | those of its augmenters                         |
| flow.Sometimes                                             | numpy's old global one, those of its augmenters |
| imgaug's augmenters                                        | imgaug's own, unless built with `seed=`         |
| Imgaug                                                     | torch's                                         |
| mixing.cutout, mixing.mixup, mixing.cutmix                 | torch's, or the one that they are given         |

`num_thread` of nlpaug's `augment` breaks this: which thread draws first is not fixed. imgaug's `seed=` reaches the
augmenter itself, not the children that it is given.

`PPDB` is a small file of 312 pairs of words, written for the course in the format of the Paraphrase Database, for
`SynonymAug(aug_src="ppdb", model_path=augmentation.PPDB)`; the full one, with millions of pairs, is at paraphrase.org
(Ganitkevitch et al. 2013; Pavlick et al. 2015).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from course_utils.augmentation import hook
from course_utils.augmentation.imgaug_repairs import IMGAUG
from course_utils.augmentation.nlpaug_repairs import NLPAUG
from course_utils.augmentation.seeding import seed

__all__ = ["PPDB", "Imgaug", "mixing", "seed"]

PPDB = Path(__file__).with_name("small_ppdb.txt")


def __getattr__(name: str) -> Any:
    """Load what needs torch when it is first asked for."""
    if name == "mixing":
        return importlib.import_module(f"{__name__}.mixing")
    if name == "Imgaug":
        return importlib.import_module(f"{__name__}.adapter").Imgaug
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


hook.install([NLPAUG, IMGAUG])
