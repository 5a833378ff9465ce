"""The import hook: when it repairs, what it leaves alone, and what it says about other versions."""

import subprocess
import sys
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest

from course_utils import augmentation
from course_utils.augmentation import hook
from course_utils.augmentation.hook import Library, Repair


def run(root, code: str, *flags: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr
    return done.stdout.strip()


@pytest.fixture
def root(request):
    return request.config.rootpath


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small library on the path, with a module that needs repair; the hooks are put back afterwards."""
    folder = tmp_path / "abandoned"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "part.py").write_text(
        "try:\n    import heavy\nexcept ImportError:\n    heavy = None\nimport math as m\n"
        "VALUE = 1\ndef late():\n    import heavy\n    return heavy.NAME\n"
    )
    (tmp_path / "heavy.py").write_text("NAME = 'heavy'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    hook.warn_once.cache_clear()
    yield folder
    for name in ("abandoned", "abandoned.part", "heavy"):
        sys.modules.pop(name, None)


def library(version: str = "1.0") -> Library:
    def after(module: ModuleType) -> None:
        module.VALUE += 1

    return Library("abandoned", version, {"abandoned.part": Repair(after, {"heavy": lambda: None})})


def pretend(monkeypatch, version: str | None) -> None:
    monkeypatch.setattr(hook, "installed_version", lambda name: version)


def test_a_module_is_repaired_when_it_is_imported(package, monkeypatch):
    pretend(monkeypatch, "1.0")
    hook.install([library()])
    import abandoned.part as part

    assert part.VALUE == 2
    assert part.heavy is None  # its import was put off …
    assert "heavy" not in sys.modules
    assert part.late() == "heavy"  # … until it is used
    assert part.m.pi > 3
    import heavy  # other modules import as ever

    assert heavy.NAME == "heavy"


def test_a_module_that_is_loaded_already_is_repaired_at_once_and_once(package, monkeypatch):
    import abandoned.part as part

    assert part.VALUE == 1
    pretend(monkeypatch, "1.0")
    hook.install([library()])
    assert part.VALUE == 2
    hook.install([library()])
    hook.install([library()])
    assert part.VALUE == 2
    assert sum(type(finder).__name__ == "Hook" for finder in sys.meta_path) == 1


def test_a_reload_is_repaired_again(package, monkeypatch):
    import importlib

    pretend(monkeypatch, "1.0")
    hook.install([library()])
    import abandoned.part as part

    part.VALUE = 10
    assert importlib.reload(part).VALUE == 2


@pytest.mark.parametrize("version", ["2.0", None])
def test_another_version_is_left_alone_with_one_sentence(package, monkeypatch, version):
    pretend(monkeypatch, version)
    hook.install([library()])
    message = r"repairs abandoned 1\.0, but .* is installed and is left as it is"
    with pytest.warns(UserWarning, match=message) as caught:
        import abandoned.part as part
    assert part.VALUE == 1
    assert part.heavy is not None
    assert len(caught) == 1
    assert (version or "an unknown version") in str(caught[0].message)
    assert "\n" not in str(caught[0].message)


def test_nothing_is_said_while_the_other_version_is_not_imported(package, monkeypatch):
    pretend(monkeypatch, "2.0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hook.install([library()])


def test_a_library_that_is_not_there_is_missing_as_ever(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    hook.install([Library("not_there_at_all", "1.0", {})])
    with pytest.raises(ModuleNotFoundError, match="No module named 'not_there_at_all'"):
        import not_there_at_all  # noqa: F401


def test_two_threads_import_one_repaired_module(package, monkeypatch):
    import threading

    pretend(monkeypatch, "1.0")
    hook.install([library()])
    (package / "part.py").write_text("import time\ntime.sleep(0.2)\nVALUE = 1\n")
    seen = []

    def read():
        import abandoned.part as part

        seen.append(part.VALUE)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [2] * 4


def test_the_hook_finds_nothing_else():
    installed = next(finder for finder in sys.meta_path if type(finder) is hook.Hook)
    assert installed.find_spec("json", None) is None
    assert installed.find_spec("imgaug_something", None) is None
    assert isinstance(installed.find_spec("imgaug", None), ModuleSpec)


def test_an_overlay_is_a_copy():
    copy = hook.overlaid(np, pi=3)
    assert copy.pi == 3
    assert np.pi != 3
    assert copy.sin is np.sin
    assert copy.random.default_rng is np.random.default_rng


# The two libraries themselves, in fresh interpreters


def test_importing_the_package_loads_neither_library(root):
    code = (
        "import sys; from course_utils import augmentation;"
        "print([m for m in ('imgaug', 'nlpaug', 'torch', 'numpy', 'nltk', 'transformers') if m in sys.modules])"
    )
    assert run(root, code) == "[]"


def test_a_learner_who_imports_imgaug_first_can_go_on(root):
    """The first import fails on numpy 2; after the course's import it works."""
    code = """
try:
    import imgaug
    print("older numpy")
except AttributeError as error:
    print("sctypes" in str(error))
from course_utils import augmentation
import imgaug.augmenters as iaa, numpy as np
print(iaa.Fog()(image=np.zeros((32, 32, 3), np.uint8)).shape)
"""
    assert run(root, code).splitlines()[-1] == "(32, 32, 3)"


def test_nlpaug_that_is_loaded_first_is_repaired(root):
    code = """
import nlpaug.flow as naf, nlpaug.augmenter.word as naw
from course_utils import augmentation
print(len(naf.Sequential([naw.RandomWordAug(action="swap")]).augment(["one two", "three four"])))
import sys
print(sys.modules["nlpaug.model.word_dict.wordnet"].WordNet.pos_tag.__module__)
"""
    assert run(root, code).split() == ["2", "course_utils.augmentation.nlpaug_repairs"]


def test_numpys_next_number_does_not_depend_on_imgaug(root):
    """imgaug makes its generator with a number from numpy's; seed() gives it back."""
    code = """
from course_utils import augmentation
import numpy as np
{first}augmentation.seed(1)
{second}print(np.random.random())
"""
    library_first = run(root, code.format(first="import imgaug\n", second=""))
    seed_first = run(
        root,
        code.format(
            first="", second="import imgaug; imgaug.augmenters.Add((1, 9))(image=np.zeros((4, 4, 3), np.uint8))\n"
        ),
    )
    without = run(root, code.format(first="", second=""))
    assert library_first == seed_first == without


def test_imgaug_is_seeded_when_it_is_imported_after_seed(root):
    code = """
from course_utils import augmentation
augmentation.seed(1)
import imgaug.augmenters as iaa, numpy as np
first = iaa.AdditiveGaussianNoise(scale=20)(image=np.zeros((8, 8, 3), np.uint8))
augmentation.seed(1)
print((iaa.AdditiveGaussianNoise(scale=20)(image=np.zeros((8, 8, 3), np.uint8)) == first).all())
"""
    assert run(root, code) == "True"


# The package


def test_seed_takes_whole_numbers_in_range():
    for wrong in (1.0, "1", True, None):
        with pytest.raises(TypeError, match="seed: got"):
            augmentation.seed(wrong)
    for wrong in (-1, 2**32):
        with pytest.raises(ValueError, match="seed: got"):
            augmentation.seed(wrong)
    augmentation.seed(2**32 - 1)


def test_what_the_package_offers():
    assert dir(augmentation) == sorted(augmentation.__all__)
    assert augmentation.mixing.mixup
    assert augmentation.Imgaug.__name__ == "Imgaug"
    assert augmentation.PPDB.is_file()
    with pytest.raises(AttributeError, match="has no attribute 'mixed'"):
        _ = augmentation.mixed
