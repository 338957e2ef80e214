"""What is wanted of an answer: how many hits, and which may be among them. Checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from reprlib import repr as shortened
from typing import TypedDict

from captioner.tokens import analyzer, own_tokens
from indexer.errors import IndexerError
from indexer.given import least_score, listed, whole
from indexer.records import NO_FILTERS, Allowed, Filters
from search.asked import Asked
from search.errors import QueryError


class Options(TypedDict, total=False):
    """What every search takes by name besides the query and `k`; none need be given.

    `filters`: which captions may answer, as fields and their values, `{"source": "coco"}`, or as `Filters`.
    `without`: a list of words; no caption with a token of one of them answers.
    `min_score`: the least Jaccard similarity of a hit, 0 to 1.
    `after`: the `cursor` of the page before, for the next one.
    `fold_duplicates`: True counts near copies of a picture as one hit.
    """

    filters: Allowed
    without: Iterable[str]
    min_score: float
    after: str | None
    fold_duplicates: bool


def check_names(options: Options) -> None:
    """Raises TypeError, as Python does for a call's wrong argument, for an option that there is not."""
    for name in options:
        if name not in Options.__annotations__:
            there_are = ", ".join(Options.__annotations__)
            raise TypeError(f"no option {name!r} of a search; there are {there_are}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`k` and the `Options`, whole and checked."""

    k: int
    filters: Filters  # those given, and the tokens of the excluded words
    excluded_words: tuple[Asked, ...]  # `without`, each with its own tokens; an ignored one has none
    min_score: float
    after: str  # empty: the first page
    fold_duplicates: bool

    @staticmethod
    def of(
        analyzer_name: str,
        k: int,
        filters: Allowed = NO_FILTERS,
        without: Iterable[str] = (),
        min_score: float = 0.0,
        after: str | None = None,
        fold_duplicates: bool = False,
    ) -> Wanted:
        """Check what a user gave, for an index of this analyzer; raises QueryError for what none can give."""
        if not isinstance(after, str | None):
            raise QueryError(f"after is the cursor that a search gave, a text, not {shortened(after)}")
        excluded = tuple(_excluded(one, analyzer_name) for one in listed(without, "words", QueryError))
        return Wanted(
            k=whole(k, "k is the number of hits wanted", QueryError),
            filters=_filters(filters, excluded),
            excluded_words=excluded,
            min_score=least_score(min_score, QueryError),
            after=after or "",
            fold_duplicates=bool(fold_duplicates),
        )


def _excluded(words: str, name: str) -> Asked:
    """Words that exclude captions. What they imply does not: without puppies there may be dogs."""
    return Asked(words, own_tokens(words, analyzer(name)), name)


def _filters(given: Allowed, excluded: Sequence[Asked]) -> Filters:
    """Make filters of what was given; raises QueryError for what are none."""
    if isinstance(given, Filters) and not excluded:
        return given
    try:
        return Filters(given, chain.from_iterable(one.tokens for one in excluded))
    except IndexerError as error:
        raise QueryError(str(error)) from None
