"""The scores agree with counting by hand, the dictionary with other files of WordNet."""

from __future__ import annotations

import re

import pytest
import torch

from course_utils import assets, word_scores
from course_utils.word_scores import category_score, dictionary, synonym_score
from course_utils.word_vectors import WordVectors


@pytest.fixture
def small(monkeypatch):
    """A dictionary of a few words."""
    synonyms = {"big": {"large"}, "large": {"big"}, "dog": {"hound"}, "cat": {"tom", "puss"}, "tom": {"cat"}}
    kinds = {"dog": "animal", "cat": "animal", "hammer": "artifact", "saw": "artifact", "bread": "food"}
    monkeypatch.setattr(word_scores, "dictionary", lambda: (synonyms, kinds))


def on_a_circle(**degrees: float) -> WordVectors:
    """Vectors of different lengths in these directions."""
    angles = torch.tensor(list(degrees.values())).deg2rad()
    lengths = torch.arange(1, len(angles) + 1)[:, None]
    return WordVectors(list(degrees), lengths * torch.stack([angles.cos(), angles.sin()], 1))


def test_scores_by_hand(small) -> None:
    vectors = on_a_circle(dog=0, cat=10, hammer=100, saw=120, bread=105, big=15, large=220, tom=130)
    # dog–cat, cat–dog, bread–hammer and saw–bread, hammer–bread: two of five.
    share, chance, n = category_score(vectors)
    assert (share, n) == (2 / 5, 5)
    assert chance == pytest.approx(4 / 20)  # each of four words finds its partner among four others
    # big, large, cat and tom have a synonym here; dog's is no word of these.
    units = vectors.units
    for k in (1, 2, 4, 5, 6, 7, 100):
        hits = 0
        for word, other in (("big", "large"), ("large", "big"), ("cat", "tom"), ("tom", "cat")):
            cosines = {
                name: float(units[vectors.numbers[word]] @ units[place]) for name, place in vectors.numbers.items()
            }
            hits += other in sorted(set(cosines) - {word}, key=cosines.get, reverse=True)[:k]
        assert synonym_score(vectors, k=k)[::2] == (hits / 4, 4)
    assert synonym_score(vectors, k=5).share == 0
    assert synonym_score(vectors, k=6).share == 0.5
    assert synonym_score(vectors, k=7).share == 1


def test_chance_is_what_random_neighbours_reach(small) -> None:
    names = ["dog", "cat", "hammer", "saw", "bread", "tom", "big", "large", *(f"x{i}" for i in range(12))]
    generator = torch.Generator().manual_seed(0)
    synonyms, kinds = [], []
    for _ in range(600):
        vectors = WordVectors(names, torch.randn(20, 10, generator=generator))
        synonyms.append(synonym_score(vectors, k=3))
        kinds.append(category_score(vectors))
    for scores in (synonyms, kinds):
        shares = torch.tensor([score.share for score in scores])
        assert shares.mean().item() == pytest.approx(scores[0].chance, abs=4 * shares.std().item() / 600**0.5)


def test_only_the_most_frequent_words_take_part(small) -> None:
    vectors = on_a_circle(dog=0, hammer=10, saw=19, cat=-1)
    assert category_score(vectors).share == 1
    assert category_score(vectors, most=3) == (2 / 3, pytest.approx(2 / 6), 3)
    with pytest.raises(ValueError, match="vectors hold 1 nouns; expected two or more"):
        category_score(vectors, most=1)
    with pytest.raises(ValueError, match="vectors hold 4 words, none with a synonym among them"):
        synonym_score(vectors)


def entries_of(word: str, part: str) -> list[tuple[str, set[str]]]:
    """The file and the words of each entry that holds a word, the most frequent sense first.

    Read from index.noun and data.noun and their like; the course reads index.sense.
    """
    folder = assets.path("wordnet") / "corpora" / "wordnet"
    files = dict(line.split("\t")[:2] for line in (folder / "lexnames").read_text(encoding="ascii").splitlines())
    data = (folder / f"data.{part}").read_bytes()
    line = re.search(rf"^{word} .*$".encode(), (folder / f"index.{part}").read_bytes(), re.MULTILINE)
    if line is None:
        return []
    count = int(line[0].split()[2])
    found = []
    for offset in line[0].split()[-count:]:
        fields = data[int(offset) : data.index(b"\n", int(offset))].decode("ascii").split(" ")
        assert fields[0] == offset.decode()
        names = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        # An adjective may say where it stands: "galore(ip)".
        found.append((files[fields[1]], {name.partition("(")[0].lower() for name in names}))
    return found


def test_the_dictionary_is_wordnet() -> None:
    synonyms, kinds = dictionary()
    for word in ("dog", "film", "happy", "terrible", "run", "quickly", "bank", "wednesday", "paris", "car", "well"):
        entries = [names for part in ("noun", "verb", "adj", "adv") for _, names in entries_of(word, part)]
        assert entries
        assert all(word in names for names in entries)
        expected = {name for names in entries for name in names if name.isalpha()} - {word}
        assert synonyms.get(word, frozenset()) == expected, word
    for word in ("dog", "bread", "monday", "car", "joy", "teacher"):
        assert f"noun.{kinds[word]}" == entries_of(word, "noun")[0][0]
    # Nouns in the dictionary, but used as something else, or roots of the others.
    assert not {"the", "run", "good", "happy", "go", "entity"} & kinds.keys()
    assert len(set(kinds.values())) == 25


def test_vectors_that_know_nothing_score_like_chance() -> None:
    from course_utils.data import text

    names = sorted({word for sentence in text.everyday_words()[:40_000] for word in sentence})[:3000]
    vectors = WordVectors(names, torch.randn(len(names), 16, generator=torch.Generator().manual_seed(0)))
    for score in (category_score(vectors), synonym_score(vectors)):
        assert score.n > 200
        assert score.share == pytest.approx(score.chance, abs=4 * (score.chance / score.n) ** 0.5)
