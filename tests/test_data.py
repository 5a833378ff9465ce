"""Data sets have the shapes, sources and truths that their descriptions promise."""

from __future__ import annotations

import collections
import dataclasses
import io
import itertools
import math
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data
import torch
from PIL import Image, ImageDraw
from sklearn.datasets import load_diabetes, load_digits

from course_utils import assets
from course_utils.data import Dataset, images, resplit, split, text
from course_utils.data.images import digits
from course_utils.data.tabular import diabetes
from course_utils.data.toy import noisy_wave, wave
from course_utils.text import words


@pytest.mark.parametrize("load", [digits, diabetes, images.groceries])
def test_data_set_says_where_it_comes_from(load: object) -> None:
    data = load()  # type: ignore[operator]
    assert data.source
    assert data.licence
    assert data.target
    assert f"x {tuple(data.x.shape)}" in repr(data)
    assert len(data.x) == len(data.y)


def test_digits() -> None:
    data, (x, y) = digits(), load_digits(return_X_y=True)
    assert (data.x.shape, data.x.dtype) == ((1797, 64), torch.float32)
    assert (data.y.shape, data.y.dtype) == ((1797,), torch.int64)
    assert data.x.min() == 0
    assert data.x.max() == 1
    assert torch.equal(data.x * 16, torch.tensor(x, dtype=torch.float32))
    assert data.y.tolist() == y.tolist()


def test_diabetes() -> None:
    data, (_, y) = diabetes(), load_diabetes(return_X_y=True)
    assert (data.x.shape, data.x.dtype) == ((442, 10), torch.float32)
    assert (data.y.shape, data.y.dtype) == ((442, 1), torch.float32)
    torch.testing.assert_close(data.x.mean(0), torch.zeros(10), atol=1e-5, rtol=0)
    torch.testing.assert_close(data.x.std(0, unbiased=False), torch.ones(10), atol=1e-5, rtol=0)
    # What the description says: 25…346, and one unit is 77 points.
    assert (y.min(), y.max()) == (25, 346)
    assert round(y.std()) == 77
    torch.testing.assert_close(data.y.squeeze(1) * y.std() + y.mean(), torch.tensor(y).float(), atol=1e-3, rtol=0)


def small(n: int = 10) -> Dataset:
    return Dataset("small", torch.arange(n).float().unsqueeze(1), torch.arange(n), "here", "none", "its place")


def test_split_is_disjoint_and_keeps_pairs_together() -> None:
    parts = split(small(), [5, 3, 2], seed=1)
    assert [len(x) for x, _ in parts] == [5, 3, 2]
    assert all(torch.equal(x.squeeze(1), y.float()) for x, y in parts)
    assert sorted(int(value) for _, y in parts for value in y) == list(range(10))


def test_split_follows_its_seed_alone() -> None:
    torch.manual_seed(1)
    first = split(small(), [4], seed=3)
    torch.manual_seed(2)
    assert torch.equal(first[0][1], split(small(), [4], seed=3)[0][1])
    assert not torch.equal(first[0][1], split(small(), [4], seed=4)[0][1])


@pytest.mark.parametrize("sizes", [[0, 3], [11], [6, 5], [-1]])
def test_split_refuses(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="expected sizes of 1 or more that add up to at most 10"):
        split(small(), sizes, seed=0)


def test_resplit_stacks_the_splits_of_its_seeds() -> None:
    (x, y), (xv, _) = resplit(small(), [4, 2], seeds=[5, 6, 7])
    assert (x.shape, y.shape, xv.shape) == ((3, 4, 1), (3, 4), (3, 2, 1))
    for k, seed in enumerate((5, 6, 7)):
        assert torch.equal(y[k], split(small(), [4, 2], seed=seed)[0][1])
    with pytest.raises(ValueError, match="seeds is empty"):
        resplit(small(), [4], seeds=[])


def test_wave() -> None:
    x = torch.tensor([-1.0, 0.0, 0.5], dtype=torch.float64)
    assert wave(x).tolist() == pytest.approx([math.sin(4 * v + 0.7) for v in x.tolist()])


def test_noisy_wave_fills_the_range_and_has_the_noise_it_says() -> None:
    x, y = noisy_wave(50, noise=0.3, sets=400, seed=2)
    assert x.shape == y.shape == (400, 50)
    assert x.dtype == torch.float64
    assert bool((x.diff(dim=1) > 0).all())
    # One point in each of the 50 cells of −1…1.
    assert torch.equal(((x + 1) * 25).floor().long(), torch.arange(50).expand(400, 50))
    left = y - wave(x)
    # 20,000 draws: five standard errors.
    assert abs(float(left.mean())) < 5 * 0.3 / math.sqrt(20_000)
    assert abs(float(left.std()) - 0.3) < 5 * 0.3 / math.sqrt(40_000)


def test_noisy_wave_without_noise_is_the_wave_and_repeats() -> None:
    x, y = noisy_wave(7, noise=0.0, sets=2, seed=1)
    assert torch.equal(y, wave(x))
    assert torch.equal(x, noisy_wave(7, noise=0.5, sets=2, seed=1)[0])
    assert not torch.equal(x, noisy_wave(7, noise=0.0, sets=2, seed=2)[0])


@pytest.mark.parametrize(("n", "sets", "noise"), [(0, 1, 0.1), (1, 0, 0.1), (3, 1, -0.1)])
def test_noisy_wave_refuses(n: int, sets: int, noise: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        noisy_wave(n, noise=noise, sets=sets)


@pytest.mark.parametrize(
    ("published", "repaired"),
    [
        ("Lovely &amp; Amazing", "Lovely & Amazing"),
        ("a new ''Conan'' and", 'a new "Conan" and'),
        ("than ''Memento''", 'than "Memento"'),
        ("a `direct to video' release", "a 'direct to video' release"),
        ("all comics    even those", "all comics – even those"),
        ("our heroes   insecure", "our heroes – insecure"),
        ("not totally weirded  out", "not totally weirded out"),
        ("about Italian , Chinese", "about Italian, Chinese"),
        ("devices ( cool visual", "devices (cool visual"),
        ("you don' t know", "you don't know"),
        # What is right stays.
        ("Lil Bow Wow ... tones down", "Lil Bow Wow ... tones down"),
        ("kids' time – and 'types'", "kids' time – and 'types'"),
        ("Touché!", "Touché!"),
    ],
)
def test_repairs_of_typing(published: str, repaired: str) -> None:
    assert text.repaired(published) == repaired
    assert text.repaired(repaired) == repaired


def test_repairs_keep_every_letter() -> None:
    file = assets.path("film-snippets") / "movieReviewSnippets_GroundTruth.txt"
    for line in file.read_text(encoding="utf-8").splitlines():
        published = line.split("\t")[2].replace("&amp;", "&")
        letters = [character for character in published if character.isalnum()]
        assert [character for character in text.repaired(published) if character.isalnum()] == letters


def test_film_snippets() -> None:
    data = text.film_snippets()
    assert len(data) == len(data.texts) == len(set(data.texts)) == 10_041
    assert (data.scores.shape, data.scores.dtype) == ((10_041,), torch.float32)
    assert (data.y.shape, data.y.dtype) == ((10_041,), torch.int64)
    assert data.y.bincount().tolist() == [5060, 4981]
    assert bool((data.scores.abs() > 0.5).all())
    assert torch.equal(data.y.bool(), data.scores > 0)
    place = data.texts.index("Effective but too tepid biopic")
    assert data.scores[place].item() == pytest.approx(-0.6)
    assert "10,041 texts" in repr(data)
    assert data.licence == "MIT"


def test_film_snippets_with_another_margin() -> None:
    assert len(text.film_snippets(margin=0)) == 10_566
    strong = text.film_snippets(margin=2)
    assert set(strong.texts) < set(text.film_snippets().texts)
    assert float(strong.scores.abs().min()) > 2
    for margin in (-0.1, 4, math.nan):
        with pytest.raises(ValueError, match=r"margin is .*; expected 0 or more, and less than 4"):
            text.film_snippets(margin=margin)


def test_everyday_sentences() -> None:
    corpus = text.everyday_sentences()
    assert len(corpus) == len(set(corpus.texts)) == 187_692
    assert corpus.texts[0] == "Go."
    assert "187,692 texts" in repr(corpus)
    assert "Tatoeba" in corpus.source
    assert corpus.licence == "CC BY 2.0 FR"
    # Read in another way: each English side is there, and nothing else.
    spanish = (assets.path("sentence-pairs") / "spa.txt").read_text(encoding="utf-8").splitlines()
    french = zipfile.ZipFile(assets.path("sentence-pairs") / "fra-eng.zip").read("fra.txt").decode().splitlines()
    assert set(corpus.texts) == {line[: line.index("\t")] for line in spanish + french}
    assert not any(side in text for side in ("\t", "\n", "tatoeba.org") for text in corpus.texts)


def test_everyday_words_are_kept_and_made_anew_where_they_are_damaged(tmp_path, monkeypatch) -> None:
    corpus, everything = text.everyday_sentences(), text.everyday_words()
    assert len(everything) == len(corpus)
    assert everything[::20] == [words(sentence) for sentence in corpus.texts[::20]]
    counts = collections.Counter(itertools.chain.from_iterable(everything))
    assert (counts.total(), len(counts), sum(count >= 5 for count in counts.values())) == (1_209_652, 17_298, 6_863)
    # The rest with a part of the sentences.
    part = dataclasses.replace(corpus, texts=corpus.texts[::5])
    expected = everything[::5]
    monkeypatch.setattr(text, "everyday_sentences", lambda: part)
    shutil.copytree(assets.path("sentence-pairs"), tmp_path / assets.path("sentence-pairs").name)
    monkeypatch.setenv("COURSE_ASSETS", str(tmp_path))
    assert text.everyday_words() == expected
    (place,) = (tmp_path / "derived").iterdir()
    content = place.read_bytes()
    # From now on the sentences are not read.
    with monkeypatch.context() as without:
        without.setattr(text, "everyday_sentences", lambda: pytest.fail("the sentences were read again"))
        assert text.everyday_words() == expected
    for damaged in (content[:-20], content.replace(b"tom", b"ted", 1)):
        place.write_bytes(damaged)
        assert text.everyday_words() == expected
        assert place.read_bytes() == content


def test_word_signs() -> None:
    signs = text.word_signs()
    assert len(signs) == 7040
    assert sum(sign > 0 for sign in signs.values()) == 3061
    assert all(-4 <= sign <= 4 and sign != 0 for sign in signs.values())
    assert all(words(word) == [word] and word.isascii() and word.isalpha() for word in signs)
    assert (signs["terrible"], signs["wonderful"], signs["abandon"]) == (-2.1, 2.7, -1.9)
    # The abbreviations of chats, for "have a nice day" and "sounds like a plan"; some are also among the words.
    assert not {"hand", "slap"} & signs.keys()
    assert signs["lol"] == 1.8


def carrier_table() -> pd.DataFrame:
    """The groceries as another reader reads them, each photograph once."""
    table = pd.read_parquet(assets.path("groceries") / "images2.parquet")
    return table.drop_duplicates("image_data").reset_index(drop=True)


def test_groceries() -> None:
    data, table = images.groceries(32), carrier_table()
    assert (data.x.shape, data.x.dtype) == ((1393, 3, 32, 32), torch.uint8)
    assert (data.y.shape, data.y.dtype) == ((1393,), torch.int64)
    names = images.grocery_names()
    expected = [names.index(name.lower().rstrip("s")) for name in table["coarse_cat"]]
    assert data.y.tolist() == expected
    # Reading in another way: cut by slices, then the same kind of resize.
    for place in (0, 700, 1392, int(np.argmax([len(content) for content in table["image_data"]]))):
        pixels = np.asarray(Image.open(io.BytesIO(table["image_data"][place])))
        h, w, _ = pixels.shape
        top, left, side = (h - min(h, w)) // 2, (w - min(h, w)) // 2, min(h, w)
        middle = Image.fromarray(pixels[top : top + side, left : left + side])
        resized = np.asarray(middle.resize((32, 32), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
        assert np.abs(resized.astype(int) - data.x[place].numpy()).max() == 0


def test_grocery_parts_are_disjoint_and_hold_no_photograph_twice() -> None:
    parts, table, y = images.grocery_split(), carrier_table(), images.groceries(32).y
    assert [len(part) for part in parts] == [675, 57, 661]
    assert sorted(torch.cat(parts).tolist()) == list(range(1393))
    for part, name in zip(parts, ("train", "val", "test"), strict=True):
        assert set(table["dataset"][part.tolist()]) == {name}
        assert y[part].unique().tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("size", [7, 349])
def test_groceries_refuse_a_size(size: int) -> None:
    with pytest.raises(ValueError, match=f"size is {size}; expected 8 to 348"):
        images.groceries(size)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with the photographs and nothing that was computed from them."""
    source = assets.path("groceries")
    shutil.copytree(source, tmp_path / "cache" / source.name)
    monkeypatch.setenv("COURSE_ASSETS", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_groceries_are_computed_once_even_after_damage(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = list(itertools.islice(images.grocery_files(), 0, None, 20))
    monkeypatch.setattr(images, "grocery_files", lambda: iter(some))
    first = images.groceries(8)
    assert len(first.x) == 70
    with monkeypatch.context() as patch:
        patch.setattr(images, "grocery_files", lambda: pytest.fail("computed again"))
        assert torch.equal(images.groceries(8).x, first.x)
        assert len(torch.cat(images.grocery_split())) == 70
    (file,) = (own_cache / "derived").glob("*-8.npz")
    whole = file.read_bytes()
    # Half of it, and all of it with ten bytes of a photograph changed.
    for damaged in (whole[: len(whole) // 2], whole[:5_000] + bytes(10) + whole[5_010:]):
        file.write_bytes(damaged)
        assert torch.equal(images.groceries(8).x, first.x)


def test_a_cache_that_cannot_be_written_only_costs_time(own_cache: Path) -> None:
    (own_cache / "derived").write_text("a file where a folder should be")
    assert len(images.groceries(8).x) == 1393
    with pytest.raises(assets.Missing, match="set COURSE_ASSETS to a folder of your own"):
        images.grocery_folder(1)


def test_grocery_folder(own_cache: Path) -> None:
    from torchvision.datasets import ImageFolder

    folder = images.grocery_folder(3)
    pictures = ImageFolder(folder)
    assert tuple(pictures.classes) == images.grocery_names()
    assert collections.Counter(pictures.targets) == dict.fromkeys(range(5), 3)
    table = carrier_table()
    training = set(table["image_data"][table["dataset"] == "train"])
    assert all(Path(path).read_bytes() in training for path, _ in pictures.samples)
    assert pictures[0][0].mode == "RGB"
    Path(pictures.samples[0][0]).unlink()
    assert len(ImageFolder(images.grocery_folder(3))) == 15
    for n in (0, 58):
        with pytest.raises(ValueError, match=f"n is {n}; expected 1 to 57"):
            images.grocery_folder(n)


@pytest.mark.parametrize("shape", [(120, 60), (60, 120), (60, 60)])
def test_a_square_keeps_proportions(shape: tuple[int, int]) -> None:
    picture = Image.new("L", shape)
    w, h = shape
    ImageDraw.Draw(picture).ellipse((w / 2 - 20, h / 2 - 20, w / 2 + 20, h / 2 + 20), fill=255)
    ink = np.asarray(images.square(picture, 30))[..., 0] > 127
    assert ink.any(axis=0).sum() == ink.any(axis=1).sum()
    assert images.square(picture, 30).size == (30, 30)


def test_photographs() -> None:
    for name in images.PHOTOGRAPHS:
        picture = images.photograph(name)
        assert picture.mode == "RGB"
        assert min(picture.size) >= 300
        assert max(picture.size) <= 1000
        assert np.asarray(picture).std() > 10
    assert np.array_equal(np.asarray(images.photograph("cat")), skimage.data.chelsea())
    with pytest.raises(ValueError, match="name is 'dog'; expected one of cat, astronaut"):
        images.photograph("dog")
