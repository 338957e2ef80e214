"""How many images answer a question. The engine only counts, and ranks nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from indexer.records import Query
from search.asked import check_analyzer
from search.errors import QueryError
from search.question import Question
from search.reply import Reply
from search.wanted import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Reply):
    """How many images answer. It was not looked for words that no caption has."""

    images: int

    @property
    def found(self) -> bool:
        return self.images > 0

    def as_json(self) -> dict[str, Any]:
        return {"query": self.query_as_json(), "count": self.images}


@dataclass(frozen=True, slots=True)
class NamedCount:
    """What became of one question of several that are counted, as `Answer` where they are searched for."""

    name: str
    results: Counted | None = None
    error: str | None = None


def count(question: Question, wanted: Wanted) -> Counted:
    """Count the images that answer; it needs a least score above 0."""
    if not wanted.min_score:
        raise QueryError("a count needs a least score above 0")
    view, asked = question.view, question.asked
    queries = [Query(one.tokens, wanted.filters, wanted.min_score) for one in asked]
    images = view.count(queries, sorted(question.excluded_images))
    check_analyzer(view, (*asked, *wanted.excluded_words))
    return Counted(
        asked=asked,
        wanted=wanted,
        analyzer=question.analyzer,
        ignored_examples=question.ignored_examples,
        images=images,
    )
