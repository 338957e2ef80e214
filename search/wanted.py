"""What is wanted of an answer: how many hits, and which may be among them. Checked before any work."""

from __future__ import annotations

from dataclasses import dataclass
from reprlib import repr as shortened
from typing import TypedDict

from indexer.errors import IndexerError
from indexer.given import least_score, whole
from indexer.records import NO_FILTERS, Allowed, Filters
from search.errors import QueryError


class Options(TypedDict, total=False):
    """What every search takes besides the query and `k`."""

    filters: Allowed  # which captions may answer
    min_score: float  # least Jaccard similarity, 0 to 1
    after: str | None  # the cursor of the page before
    fold_duplicates: bool  # near copies of a picture count as one


@dataclass(frozen=True, slots=True)
class Wanted:
    """`k` and the `Options`, whole and checked."""

    k: int
    filters: Filters
    min_score: float
    after: str  # empty: the first page
    fold_duplicates: bool

    @staticmethod
    def of(
        k: int,
        filters: Allowed = NO_FILTERS,
        min_score: float = 0.0,
        after: str | None = None,
        fold_duplicates: bool = False,
    ) -> Wanted:
        """Check what a user gave; raises QueryError for what cannot be wanted."""
        if not isinstance(after, str | None):
            raise QueryError(f"after is the cursor that a search gave, a text, not {shortened(after)}")
        least = least_score(min_score, QueryError)
        hits = whole(k, "k is the number of hits wanted", QueryError)
        return Wanted(hits, as_filters(filters), least, after or "", bool(fold_duplicates))


def as_filters(given: Allowed) -> Filters:
    """Make filters of what was given; raises QueryError for what are none."""
    try:
        return Filters(given)
    except IndexerError as error:
        raise QueryError(str(error)) from None
