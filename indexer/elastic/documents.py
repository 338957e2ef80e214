"""CaptionRecord <-> document of the index, and filters as the engine takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from captioner.tokens import Analyzer
from indexer.check_lines import not_as_made
from indexer.records import RECORD_FIELDS, CaptionRecord, Document, Filters, texts_of

#: Bytes of the longest term in UTF-8. Lucene takes no document with a longer one, and the server no search.
LONGEST_TERM = 32_766

#: What a search brings back: all but what was derived for matching.
SOURCE = {"excludes": ["sized_tokens", "token_count"]}

#: A field that is missing is empty, also where the dataclass has another default.
_EMPTY: Mapping[str, str] = dict.fromkeys(RECORD_FIELDS, "")


def sized(size: int, token: str) -> str:
    """A token together with the size of the set it stands in, so that a term query can weigh both."""
    return f"{size}:{token}"


def findable(terms: Iterable[str]) -> list[str]:
    """The terms that a document can have; a search for a longer one is an error to the server."""
    return [term for term in terms if len(term.encode("utf-8", "surrogatepass")) <= LONGEST_TERM]


def to_source(record: CaptionRecord, analyze: Analyzer, indexed_at: str) -> dict[str, Any]:
    """The document of a record. Empty fields are left out: Kibana shows them as missing."""
    source: dict[str, Any] = {
        name: text for name, text in zip(RECORD_FIELDS, texts_of(record), strict=True) if text
    }
    tokens = sorted(analyze(record.caption))
    size = len(tokens)
    prefix = sized(size, "")
    source["tokens"] = tokens
    source["sized_tokens"] = [prefix + token for token in tokens]
    source["token_count"] = size
    source["indexed_at"] = indexed_at
    return source


def to_record(source: Mapping[str, Any]) -> CaptionRecord:
    held = {name: as_text(value) for name, value in source.items() if name in _EMPTY}
    return CaptionRecord(**{**_EMPTY, **held})


def to_document(source: Mapping[str, Any]) -> Document:
    """Never raises: one document that another program wrote must not stop those of the index."""
    tokens = frozenset(_indexed(source.get("tokens")))
    return Document(to_record(source), tokens, as_text(source.get("indexed_at")))


def _indexed(value: Any) -> Iterator[str]:
    """What the server makes terms of: lists count as what is in them, and null as nothing."""
    if isinstance(value, list):
        for one in value:
            yield from _indexed(one)
    elif value is not None:
        yield as_text(value)


def as_text(value: Any) -> str:
    """A field as text. The mapping lets numbers and lists through as well: they become JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def same_record(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two documents say the same, whenever they were indexed."""
    return {**one, "indexed_at": ""} == {**other, "indexed_at": ""}


def problem(document_id: str, source: Mapping[str, Any], analyze: Analyzer) -> str:
    """Which fields of a document are not what its caption makes of them; empty where all are."""
    record = to_record(source)
    made = to_source(record, analyze, as_text(source.get("indexed_at")))
    strange = [name for name in sorted({*made, *source}) if made.get(name) != source.get(name)]
    if record.document_id != document_id:
        strange.append("its id")
    return not_as_made(document_id, record.image_id, strange) if strange else ""


def filter_clauses(filters: Filters) -> list[dict[str, Any]]:
    """One clause a field, and one for all tokens that keep a document away."""
    clauses = [_filter_clause(name, values) for name, values in filters.where.items()]
    if filters.excluded_tokens:
        clauses.append(
            {"bool": {"must_not": [{"terms": {"tokens": findable(sorted(filters.excluded_tokens))}}]}}
        )
    return clauses


def _filter_clause(name: str, values: tuple[str, ...]) -> dict[str, Any]:
    among: dict[str, Any] = {"terms": {name: findable(value for value in values if value != "")}}
    if "" not in values:
        return among
    missing = {"bool": {"must_not": [{"exists": {"field": name}}]}}
    return {"bool": {"should": [among, missing]}}
