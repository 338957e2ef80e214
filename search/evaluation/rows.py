"""The rows of the evaluation's table: named ways to turn captions into sets, compare them, and rank."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from captioner.tokens import DEFAULT, FUNCTION_WORDS, REPEAT, Analyzer, analyzer, analyzers, words
from search.evaluation.data import Captions
from search.evaluation.extra import extra
from search.evaluation.rankers import (
    CosineRanker,
    EvaluationQuery,
    RandomRanker,
    Ranker,
    SetRanker,
    StudentRanker,
    Weight,
    plain,
)

#: Ways to decode captions other than by the widest beam: word by word, by beams that keep apart, or as
#: `indexer build` and `search similar` do without options.
OTHER_DECODINGS = ("greedy", "diverse", "usual")
#: The row of the last of them: usual caption, usual analyzer, this program's own engine.
USUAL = "search similar, as it comes"
#: The rows of what encoders see: the captioner's own, and ImageNet's.
COSINE, CLASS_WORDS = "cosine of the captioner's encoder", f"{DEFAULT} and class words"
#: The row of weights by how rare a word is, and among whose captions.
BY_RARITY = "stems, weighted by rarity in COCO"
#: A few captions, as many as the usual beam ends with anyway, and the row of a search for them.
FEW = 3
SEVERAL = f"search similar --captions {FEW}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `tokens` and `weight` (None where the row is no comparison of captions) judge people's ratings; `ranker`
    makes a ranker of an archive; `decoding` says how the generated captions were decoded, and `captions` how
    many of them, the best first, the query has.
    """

    name: str
    ranker: Callable[[Captions], Ranker]
    tokens: Analyzer | None = None
    weight: Weight = plain
    union: bool = False
    captions: int = 1
    archived: int = 1  # generated captions of each archived photo
    decoding: str = "beam"  # or one of `OTHER_DECODINGS`


@dataclass(frozen=True, slots=True)
class Extras:
    """What only some evaluations have; a row without its extra is left out."""

    features: Mapping[str, Any] = field(default_factory=dict)  # image -> vector of the captioner's encoder
    nouns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # image -> words ImageNet is sure of
    elasticsearch: str = ""


def set_row(
    name: str,
    tokens: Analyzer,
    weight: Weight = plain,
    *,
    rated: bool = True,
    union: bool = False,
    **more: Any,
) -> Row:
    """A row that compares sets. `rated=False` leaves out the ratings, where another row judges them alike."""
    judged = tokens if rated else None
    return Row(name, lambda archive: SetRanker(archive, tokens, weight, union), judged, weight, union, **more)


def rows(rarity_of: Captions, seed: int, several: int = 5) -> list[Row]:
    """All rows that need nothing but captions.

    `rarity_of`: captions that tell how rare a word is, in every task: those of the rated photos' data set,
    which any evaluation has, so that a row's figures do not depend on what else is evaluated.
    """
    student = analyzer("seed/1")
    best = analyzer(DEFAULT)
    return [
        Row("student project", lambda archive: StudentRanker(archive, student), student),
        Row("student project, mended", lambda archive: StudentRanker(archive, student, mended=True), student),
        *(set_row(name, analyzer(name)) for name in analyzers() if name != "seed/1"),
        set_row("lemmas", lemmas),
        set_row("stems and implied words", implied),
        set_row(BY_RARITY, analyzer("english/1"), rarity(rarity_of, analyzer("english/1"))),
        set_row(f"{DEFAULT}, greedy", best, rated=False, decoding="greedy"),
        *(_several(several) if several > 1 else ()),
        Row("random", lambda archive: RandomRanker(archive, seed)),
    ]


def _several(number: int) -> list[Row]:
    """More than one generated caption: of the query alone, of both, and as one set."""
    best = analyzer(DEFAULT)
    return [
        *(
            set_row(f"{DEFAULT}, {some} captions a query", best, rated=False, captions=some)
            for some in sorted({min(FEW, number), number})
        ),
        set_row(f"{DEFAULT}, {number} captions a photo", best, rated=False, captions=number, archived=number),
        set_row(f"{DEFAULT}, union of captions", best, union=True, captions=number, archived=number),
        set_row(
            f"{DEFAULT}, {number} diverse captions a photo",
            best,
            rated=False,
            decoding="diverse",
            captions=number,
            archived=number,
        ),
    ]


def extra_rows(extras: Extras) -> list[Row]:
    """Rows that need pictures or a server."""
    found = []
    if extras.elasticsearch:
        from search.evaluation.bm25 import Bm25Ranker

        found.append(Row("BM25, Elasticsearch", partial(Bm25Ranker, url=extras.elasticsearch)))
    if extras.features:
        found.append(Row(COSINE, partial(CosineRanker, features=extras.features)))
    if extras.nouns:
        found.append(Row(CLASS_WORDS, partial(WithNouns, extras.nouns)))
    return found


def implied(caption: str) -> frozenset[str]:
    """The default analyzer without weights: stems, and the words they imply."""
    return frozenset(token for token in analyzer(DEFAULT)(caption) if REPEAT not in token)


def lemmas(caption: str) -> frozenset[str]:
    """Content words by their dictionary form (simplemma, which brings its table along)."""
    return frozenset(_lemma(word) for word in words(caption) if word not in FUNCTION_WORDS)


def rarity(captions: Captions, tokens: Analyzer) -> Weight:
    """Inverse document frequency of a token: ln((photos + 1) / (photos whose captions have it + 0.5))."""
    seen = Counter(token for group in captions.values() for token in {t for c in group for t in tokens(c)})
    total = len(captions)
    return lambda token: math.log((total + 1) / (seen[token] + 0.5))


@lru_cache(maxsize=1 << 16)
def _lemma(word: str) -> str:
    return str(extra("simplemma").lemmatize(word, lang="en")).lower()


class WithNouns:
    """The default analyzer, where the class words ImageNet is sure of follow each photo's captions."""

    def __init__(self, nouns: Mapping[str, tuple[str, ...]], archive: Captions) -> None:
        self._nouns = nouns
        self._ranker = SetRanker(
            {image: self._extended(image, group) for image, group in archive.items()}, analyzer(DEFAULT)
        )

    def rank(self, query: EvaluationQuery, k: int) -> Sequence[str]:
        return self._ranker.rank(EvaluationQuery(query.image, self._extended(query.image, query.captions)), k)

    def _extended(self, image: str, captions: Sequence[str]) -> tuple[str, ...]:
        return tuple(" ".join((caption, *self._nouns.get(image, ()))) for caption in captions)
