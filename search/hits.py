"""What a search gives: hits, each with its explanation, and the certificate that they are the true ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from indexer.records import RECORD_FIELDS, CaptionRecord, Document
from search.asked import NOTHING, Asked
from search.cursor import LONGEST, Cursor, encode
from search.jaccard import Explanation, Similarity, explain, similarity
from search.reply import Reply
from search.scored import Folded

if TYPE_CHECKING:  # Pillow is not needed to search
    from captioner.photo import Photo

#: Fields of a record that a hit's JSON has always, and never.
_ALWAYS, _NEVER = ("image_id", "image", "caption", "source", "kind"), ("phash",)
#: Those that it has only where they are known.
_KNOWN = tuple(name for name in RECORD_FIELDS if name not in (*_ALWAYS, *_NEVER))


@dataclass(frozen=True, slots=True)
class Hit:
    """An image that answers, with the caption of it that is most similar to the query."""

    rank: int  # from 1, and going on over pages
    record: CaptionRecord
    asked: Asked  # the caption of the query that this one is most similar to
    similarity: Similarity
    tokens: frozenset[str]  # of the caption
    duplicates: tuple[str, ...] = ()  # near copies that ranked below it and were folded into it

    @property
    def explanation(self) -> Explanation:
        """Why it is a hit. Made on demand: most hits are only counted or shown."""
        return explain(self.asked.tokens, self.tokens)

    @property
    def image_id(self) -> str:
        return self.record.image_id

    @property
    def image(self) -> str:
        """Where the picture is, a path or a URL; empty where the index does not know."""
        return self.record.image

    @property
    def caption(self) -> str:
        return self.record.caption

    @property
    def source(self) -> str:
        return self.record.source

    @property
    def kind(self) -> str:
        return self.record.kind

    @property
    def jaccard(self) -> float:
        """Similarity to the query, 0 to 1."""
        return float(self.similarity)

    @property
    def overlap(self) -> int:
        """How many tokens the query and the caption share; a telling word counts up to three times."""
        return self.similarity.overlap

    @property
    def union(self) -> int:
        """How many tokens the query and the caption have together."""
        return self.similarity.union

    @property
    def shared(self) -> tuple[str, ...]:
        """Tokens of both: stems, and `dog*2`, `dog*3` of a word that counts twice or three times."""
        return self.explanation.shared

    @property
    def missing(self) -> tuple[str, ...]:
        """Tokens of the query that the caption lacks."""
        return self.explanation.missing

    @property
    def extra(self) -> tuple[str, ...]:
        """Tokens of the caption that the query lacks."""
        return self.explanation.extra

    def as_json(self) -> dict[str, Any]:
        explanation = self.explanation
        hit = {
            "rank": self.rank,
            "image_id": self.image_id,
            "image": self.image,
            "caption": self.caption,
            "jaccard": self.jaccard,
            "overlap": self.overlap,
            "union": self.union,
            "shared": list(explanation.shared),
            "missing": list(explanation.missing),
            "extra": list(explanation.extra),
            "source": self.source,
            "kind": self.kind,
        }
        known = {name: value for name in _KNOWN if (value := getattr(self.record, name))}
        return hit | known | ({"duplicates": list(self.duplicates)} if self.duplicates else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Results(Reply):
    """The answer to one query. `exact` says whether these are provably the true top k."""

    hits: tuple[Hit, ...]
    exact: bool
    examined: int  # captions whose overlap the engine looked at
    captions: int  # captions in the index
    took_ms: float  # searching and ranking, without captioning
    following: Callable[[], Cursor] | None = field(default=None, repr=False, compare=False)  # see `cursor`
    more: bool = False  # whether further images may answer, even if no cursor leads to them
    corrections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # see `search.corrections`
    engine_ms: float = 0.0  # the engine's part of `took_ms`
    captioning_ms: float = 0.0  # what was waited for before that; 0 where no photo was captioned

    @property
    def found(self) -> bool:
        return bool(self.hits)

    @property
    def cursor(self) -> str | None:
        """What to give as `after` for the next page; None when there is none.

        Also None where it would be too long to be taken, as after thousands of hits with folded duplicates.
        """
        text = encode(self.following()) if self.following else ""
        return text if 0 < len(text) <= LONGEST else None

    def number(self, hit: Hit) -> int:
        """The number, from 1, of the caption searched for that a hit is most similar to."""
        return self.asked.index(hit.asked) + 1

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints and the REST API gives."""
        corrections = {stem: [*words] for stem, words in sorted(self.corrections.items())}
        answer: dict[str, Any] = {
            "query": self.query_as_json(unknown=sorted(self.unknown), corrections=corrections),
            "hits": [self.hit_as_json(hit) for hit in self.hits],
            "exact": self.exact,
            "examined": self.examined,
            "captions": self.captions,
            "took_ms": round(self.took_ms, 3),
        }
        if cursor := self.cursor:
            return answer | {"cursor": cursor}
        return answer | ({"more": True} if self.more else {})

    def hit_as_json(self, hit: Hit) -> dict[str, Any]:
        """The object of a hit. It names the caption that found it if there are several."""
        return hit.as_json() | ({"query_caption": hit.asked.caption} if self.several else {})


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one query of several: results, or the reason why there are none."""

    name: str  # what the user asked for: a file's name, an image id, a caption
    results: Results | None = None
    error: str | None = None
    photo: Photo | None = field(default=None, repr=False)  # the picture to show beside the hits


def as_hit(folded: Folded, rank: int, asked: Sequence[Asked]) -> Hit:
    """`asked`: the captions of the query, in the order of the strands."""
    best, document = folded.best, folded.best.document
    return Hit(rank, document.record, asked[best.strand], best.similarity, document.tokens, folded.duplicates)


def sampled_hit(rank: int, document: Document) -> Hit:
    """A hit for an image that was drawn at random, and shares no word with a query."""
    tokens = document.tokens
    return Hit(rank, document.record, NOTHING, similarity(NOTHING.tokens, tokens), tokens)
