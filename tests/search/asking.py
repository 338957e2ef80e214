"""Search and count by captions whose tokens are known, in one view of an index, as the REST service does."""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import Unpack

from indexer.records import NO_FILTERS, Allowed
from search.asked import Asked
from search.counting import count
from search.hits import Results
from search.question import of_asked
from search.token_searcher import TokenSearcher
from search.wanted import Options, Wanted


def any_of(search: TokenSearcher, asked: Iterable[Asked], k: int = 10, **options: Unpack[Options]) -> Results:
    view = search.index.view()
    return search.find(of_asked(view, asked), Wanted.of(view.analyzer, k, **options))


def count_any_of(
    search: TokenSearcher,
    asked: Iterable[Asked],
    min_score: float,
    filters: Allowed = NO_FILTERS,
    excluded: Iterable[str] = (),
    without: Iterable[str] = (),
) -> int:
    view = search.index.view()
    wanted = Wanted.of(view.analyzer, 1, filters, without, min_score)
    return count(of_asked(view, asked, excluded), wanted).images
