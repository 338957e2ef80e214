"""`--count`: answers that are numbers. An engine then only counts, and ranks nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence

from indexer.contract import View
from search.hits import Results
from search.pursuit import Plan
from search.searcher import Searcher
from search.token_searcher import count, milliseconds_since


class CountingSearcher(Searcher):
    """Answers each search by how many images it has (`Results.images`), without hits.

    So every kind of search counts: by photos, words, an image of the index, and examples. Each needs a
    `min_score` above 0. It is not looked for words that no caption has.
    """

    def _answers(self, view: View, plans: Sequence[Plan]) -> list[Results]:
        return [_counted(view, plan) for plan in plans]


def _counted(view: View, plan: Plan) -> Results:
    started, wanted = time.perf_counter(), plan.wanted
    images = count(view, plan)
    return Results(
        asked=plan.asked,
        hits=(),
        exact=True,
        examined=0,
        captions=0,
        took_ms=milliseconds_since(started),
        analyzer=plan.analyzer,
        filtered=bool(wanted.filters),
        excluded_tokens=wanted.filters.excluded_tokens,
        excluded_words=wanted.excluded_words,
        images=images,
    )
