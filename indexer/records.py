"""The data that flows through the indexer: captions, documents, filters, queries, candidates, reports."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from operator import attrgetter
from reprlib import repr as shortened
from typing import Any, NamedTuple

from indexer import origins
from indexer.errors import IndexerError
from indexer.given import check_tokens, least_score, listed


def as_time(seconds: float) -> str:
    """Seconds since 1970 as documents, indices and manifests store them: ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds")


def now() -> str:
    return as_time(time.time())


#: The fields that make a document's id, and the character between them, which none of them may contain.
_IDENTITY = ("image_id", "source", "kind", "model", "caption")
_identity = attrgetter(*_IDENTITY)
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class CaptionRecord:
    """One caption of one image, before its tokens are known. Empty strings mean "not known".

    tests/test_caption_fields.py names every place that must know of a new field.
    """

    image_id: str
    caption: str
    image: str = ""  # where the picture is: a path or a URL
    source: str = origins.JSONL
    kind: str = origins.REFERENCE
    model: str = ""  # which captioner wrote it (generated captions only)
    split: str = ""  # train, val, ...
    query: str = ""  # the web query that found the image
    provider: str = ""  # the web search that answered the query
    page: str = ""  # the web page that shows the image
    title: str = ""
    creator: str = ""
    license: str = ""
    attribution: str = ""
    phash: str = ""  # 16 hex digits, captioner.photo.perceptual_hash

    @property
    def document_id(self) -> str:
        """Made from the content, so that the same caption, indexed twice, is one document."""
        identity = _SEPARATOR.join(_identity(self))
        return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]


RECORD_FIELDS = tuple(one.name for one in fields(CaptionRecord))
#: Fields of a record that a search may filter by (exact match).
KEYWORD_FIELDS = tuple(name for name in RECORD_FIELDS if name != "caption")
#: Fields of a record that come from the web page of its picture.
WEB_FIELDS = ("query", "provider", "page", "title", "creator", "license", "attribution")


#: The fields of a record, in their order.
texts_of = attrgetter(*RECORD_FIELDS)


def not_text(record: CaptionRecord) -> str:
    """Which field of a record is not text that UTF-8 can hold; empty if all are.

    It cannot hold halves of surrogate pairs, which come from odd file names and from JSON escapes.
    """
    try:
        "".join(texts_of(record)).encode()
    except (TypeError, UnicodeEncodeError):
        reasons = (_not_text(name, getattr(record, name)) for name in RECORD_FIELDS)
        return next(filter(None, reasons))
    return ""


def _not_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        return f"{name} must be a string, not {type(value).__name__}"
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return f"{name} is not valid Unicode at character {error.start + 1}"
    return ""


def unfit(record: CaptionRecord) -> str:
    """Why a record cannot be stored; empty if it can."""
    if reason := not_text(record):
        return reason
    if not record.image_id.strip():
        return "image_id is empty"
    for name in _IDENTITY:
        # Else two captions could have the same id, and one would replace the other.
        if _SEPARATOR in getattr(record, name):
            return f"{name} has the character U+001F, which separates the parts of a document's id"
    return ""


@dataclass(frozen=True, slots=True)
class Document:
    """A caption as the index holds it."""

    record: CaptionRecord
    tokens: frozenset[str]
    indexed_at: str = ""  # as `now` gives it; earlier versions stored whole seconds with a Z


@dataclass(frozen=True, slots=True, init=False)
class Filters:
    """Which documents may answer: with an allowed value in each field of `where`, and no excluded token.

    Tokens are those of the index's analyzer. A value need not be in a list: `Filters({"source": "coco"})`.
    `where` may also be a `Filters`, to whose excluded tokens these are added. Raises IndexerError for what is
    not fields and values, and for fields other than KEYWORD_FIELDS.
    """

    where: Mapping[str, tuple[str, ...]]
    excluded_tokens: frozenset[str]

    def __init__(self, where: Allowed | None = None, excluded_tokens: Iterable[str] = ()) -> None:
        excluded = frozenset(listed(excluded_tokens, "tokens"))
        if isinstance(where, Filters):
            excluded |= where.excluded_tokens
            where = where.where
        where = {} if where is None else where
        if not isinstance(where, Mapping):
            raise IndexerError(f"filters are fields and values, {{'source': 'coco'}}, not {shortened(where)}")
        object.__setattr__(self, "where", {name: _values(name, given) for name, given in where.items()})
        object.__setattr__(self, "excluded_tokens", excluded)

    def __bool__(self) -> bool:
        return bool(self.where or self.excluded_tokens)

    def __hash__(self) -> int:
        return hash((frozenset(self.where.items()), self.excluded_tokens))

    def matches(self, record: CaptionRecord) -> bool:
        """Whether the fields of a record match; tokens are not checked."""
        return all(getattr(record, name) in values for name, values in self.where.items())

    def passes(self, document: Document) -> bool:
        return self.matches(document.record) and self.excluded_tokens.isdisjoint(document.tokens)


def _values(name: str, given: Any) -> tuple[str, ...]:
    """The allowed values of a field, sorted, so that filters with the same values are equal.

    Raises IndexerError for values that are not texts: they would be equal to nothing that is stored.
    """
    several = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    values: tuple[str, ...] = tuple(given) if several else (given,)
    for one in (name, *values):
        if not isinstance(one, str):
            raise IndexerError(
                f"a filter's field and values are texts, {{'source': 'coco'}}, not {shortened(one)}"
            )
    if name not in KEYWORD_FIELDS:
        raise IndexerError(f"no field {shortened(name)} to filter by; there are {', '.join(KEYWORD_FIELDS)}")
    return tuple(sorted({*values}))


NO_FILTERS = Filters()
#: Filters as callers may give them: as `Filters`, or field -> value or values.
Allowed = Filters | Mapping[str, Iterable[str]]


# Positions and candidates are tuples, since an answer has many: frozen dataclasses take three times as long.
class Position(NamedTuple):
    """A place in an engine's order: descending score, then ascending image id.

    It stays valid when captions before or after it are added or deleted. `score` is a number of the engine,
    and has a meaning for the engine that gave it only.
    """

    score: float
    image_id: str


class Candidate(NamedTuple):
    """A document that may be an answer, and its place in the engine's order."""

    document: Document
    position: Position


@dataclass(frozen=True, slots=True)
class Candidates:
    """What an engine found for a query.

    `bound` is an upper bound on the Jaccard similarity of every caption after the last candidate that matches
    and was left out; 0.0 when none was. `examined` is the number of captions whose overlap was counted, each
    once; of an engine that does not tell, the number of candidates.
    """

    found: tuple[Candidate, ...]
    bound: float
    examined: int


@dataclass(frozen=True, slots=True)
class Query:
    """A search as an engine gets it. Captions answer from `min_score` up, and after the position `after`.

    With `images`, the captions of so many images are enough: an engine may stop there, before its limit;
    `Candidates.bound` is for what it then leaves out.
    """

    tokens: frozenset[str]
    filters: Filters = NO_FILTERS
    min_score: float = 0.0
    after: Position | None = None
    images: int | None = None

    def __post_init__(self) -> None:
        check_tokens(self.tokens)
        if self.after is not None and not isinstance(self.after, Position):
            raise IndexerError(f"after is the position of a candidate, not {shortened(self.after)}")
        object.__setattr__(self, "min_score", least_score(self.min_score))


@dataclass(frozen=True, slots=True)
class Rejected:
    """A caption that the index refused, complete, so that it can be tried again; and the reason."""

    record: CaptionRecord
    reason: str


@dataclass(frozen=True, slots=True)
class AddReport:
    """What became of the records given to `CaptionIndex.add`."""

    added: int = 0
    unchanged: int = 0  # already there, word for word
    rejected: tuple[Rejected, ...] = ()
    updated: int = 0  # of those added: already there, with other metadata

    def __add__(self, other: AddReport) -> AddReport:
        return AddReport(
            self.added + other.added,
            self.unchanged + other.unchanged,
            self.rejected + other.rejected,
            self.updated + other.updated,
        )


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """What an index holds. `sources`, `kinds` and `models` give the number of captions for each value."""

    engine: str  # embedded | elasticsearch
    where: str
    analyzer: str
    schema: int
    captions: int
    images: int
    bytes: int
    sources: Mapping[str, int]
    kinds: Mapping[str, int]
    models: Mapping[str, int]
    built_at: str = ""
    #: What only this engine has: segments, health, ...
    details: Mapping[str, str | int | float] = field(default_factory=dict)


def image_ids(records: Iterable[CaptionRecord]) -> frozenset[str]:
    """The ids of the images that these captions belong to."""
    return frozenset(record.image_id for record in records)


def generated_by(model: str) -> Filters:
    """Only captions that this model wrote."""
    return Filters({"kind": (origins.GENERATED,), "model": (model,)})
