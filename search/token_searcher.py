"""TokenSearcher: captions, tokens or an indexed image -> candidates -> ranked hits."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from indexer.contract import CaptionIndex, View
from indexer.given import listed, seed_of
from indexer.records import NO_FILTERS, Allowed, Document, Query
from search.asked import NOTHING, Asked, analysed, analyzer_of, check_analyzer, of_tokens, with_analyzer
from search.corrections import Corrections, corrections
from search.errors import NoImageError, QueryError
from search.hits import Results, as_hit, sampled_hit
from search.pursuit import Page, Plan, pursue
from search.query import distinct, representative
from search.unknown import KnownTokens
from search.wanted import Options, Wanted, check_names

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

#: The number of captions is remembered so long: no server should have to count them for every search.
COUNT_SECONDS = 5.0


class TokenSearcher:
    """Searches one index by what has tokens; `Searcher` searches by photos, too. Usable by several threads.

    Errors: QueryError for a query that cannot be answered, indexer.IndexerError from the engine.

    A question looks at the index once, by one `view`: on an embedded index its tokens and its answer are of
    one generation, whatever is published meanwhile. Who made tokens by a view gives that one with them.
    """

    def __init__(self, index: CaptionIndex) -> None:
        self.index = index
        self._counted = -math.inf, 0  # when, and how many captions
        self._known_tokens = KnownTokens()
        analyzer_of(index)  # an index that cannot be searched is refused at once

    def close(self) -> None:
        self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def text(self, caption: str, k: int = 10, **options: Unpack[Options]) -> Results:
        """Images whose captions are like this one, up to `k` of them.

        Options: `filters`, `without`, `min_score`, `after`, `fold_duplicates`; `search.Options` tells each.
        """
        return self.texts([caption], k, **options)

    def texts(self, captions: Iterable[str], k: int = 10, **options: Unpack[Options]) -> Results:
        """Images whose captions are like one of these (at least one), the best first.

        Options: `search.Options`.
        """
        view, wanted = self._look(k, options)
        return self._answer(view, distinctly_analysed(view, captions), wanted)

    def tokens(self, tokens: Iterable[str], k: int = 10, **options: Unpack[Options]) -> Results:
        """Images for a set of tokens, as the index's analyzer gives them. Options: `search.Options`."""
        given = frozenset(listed(tokens, "tokens", QueryError))
        view, wanted = self._look(k, options)
        return self._answer(view, (of_tokens(given, view.analyzer),), wanted)

    def any_of(
        self, asked: Iterable[Asked], k: int = 10, *, view: View | None = None, **options: Unpack[Options]
    ) -> Results:
        """As `texts`, for captions whose tokens are known. Options: `search.Options`."""
        view, wanted = self._look(k, options, view)
        return self._answer(view, _with_analyzer(view, asked), wanted)

    def image(self, image_id: str, k: int = 10, **options: Unpack[Options]) -> Results:
        """Images like one of the index, which is itself no hit.

        It is searched by the caption that agrees best with its other captions (`representative`). Options:
        `search.Options`.
        """
        view, wanted = self._look(k, options)
        return self._answer(view, (self._of_image(view, image_id),), wanted, frozenset({image_id}))

    def count_any_of(
        self,
        asked: Iterable[Asked],
        min_score: float,
        filters: Allowed = NO_FILTERS,
        excluded: Iterable[str] = (),
        without: Iterable[str] = (),
        *,
        view: View | None = None,
    ) -> int:
        """How many images, but for the `excluded` ones, have a caption of this similarity to any of these.

        `min_score` is above 0. An image counts once.
        """
        view, wanted = self._look(1, {"filters": filters, "without": without, "min_score": min_score}, view)
        images = frozenset(listed(excluded, "image ids", QueryError))
        return count(view, Plan(_with_analyzer(view, asked), wanted, view.engine, images))

    def random(
        self,
        k: int = 10,
        filters: Allowed = NO_FILTERS,
        seed: int | None = None,
        without: Iterable[str] = (),
    ) -> Results:
        """Images drawn at random: no query, so no tokens and no similarity."""
        started = time.perf_counter()
        view, wanted = self._look(k, {"filters": filters, "without": without})
        drawn = view.random(wanted.k, wanted.filters, seed_of(seed, QueryError))
        check_analyzer(view, wanted.excluded_words)
        hits = [sampled_hit(rank, one) for rank, one in enumerate(drawn, 1)]
        return Results(
            asked=(NOTHING,),
            hits=tuple(hits),
            exact=True,
            examined=len(hits),
            captions=self._caption_count(view, len(hits)),
            took_ms=milliseconds_since(started),
            analyzer=view.analyzer,
            filtered=bool(wanted.filters),
            excluded_tokens=wanted.filters.excluded_tokens,
            excluded_words=wanted.excluded_words,
        )

    def representative(self, image_id: str, *, view: View | None = None) -> Document:
        """The caption that stands for an indexed image; raises NoImageError for an unknown one."""
        view = self.index.view() if view is None else view
        documents = view.captions([image_id]).get(image_id)
        if not documents:
            raise NoImageError(image_id, view.where)
        return representative(documents)

    def _look(self, k: int, options: Options, view: View | None = None) -> tuple[View, Wanted]:
        """The one view of the index that a question has, and what it wants."""
        check_names(options)
        view = self.index.view() if view is None else view
        return view, Wanted.of(view.analyzer, k, **options)

    def _of_image(self, view: View, image_id: str) -> Asked:
        name, document = view.analyzer, self.representative(image_id, view=view)
        return Asked(document.record.caption, document.tokens, name)

    def _answer(
        self,
        view: View,
        asked: tuple[Asked, ...],
        wanted: Wanted,
        excluded_images: frozenset[str] = frozenset(),
    ) -> Results:
        return self._answers(view, [Plan(asked, wanted, view.engine, excluded_images)])[0]

    def _answers(self, view: View, plans: Sequence[Plan]) -> list[Results]:
        started = time.perf_counter()
        pages = pursue(view, plans)
        unknown = self._known_tokens.unknown(view, plans, pages)
        found = zip(plans, pages, unknown, corrections(view, plans, unknown), strict=True)
        check_analyzer(view, (one for plan in plans for one in (*plan.asked, *plan.wanted.excluded_words)))
        took = milliseconds_since(started) / max(1, len(plans))
        return [self._results(plan, page, view, strange, near, took) for plan, page, strange, near in found]

    def _results(
        self,
        plan: Plan,
        page: Page,
        view: View,
        strange: frozenset[str],
        near: Corrections,
        took_ms: float,
    ) -> Results:
        first = plan.cursor.shown + 1 if plan.cursor else 1
        captions = self._caption_count(view, first - 1 + len(page.images))
        return Results(
            asked=plan.asked,
            hits=tuple(as_hit(folded, rank, plan.asked) for rank, folded in enumerate(page.images, first)),
            exact=page.exact,
            # Several captions may each have had all looked at.
            examined=min(page.examined, captions),
            captions=captions,
            took_ms=took_ms,
            following=page.following,
            analyzer=plan.analyzer,
            more=page.more,
            filtered=bool(plan.wanted.filters),
            excluded_tokens=plan.wanted.filters.excluded_tokens,
            excluded_words=plan.wanted.excluded_words,
            unknown=strange,
            corrections=near,
            continued=plan.cursor is not None,
            engine_ms=page.engine_seconds * 1000.0,
        )

    def _caption_count(self, view: View, at_least: int) -> int:
        """How many captions a view has; a remembered number below `at_least`, the hits shown, is too old."""
        if view.known_count is not None:
            return view.known_count
        now, (when, captions) = time.monotonic(), self._counted
        if now - when > COUNT_SECONDS or captions < at_least:
            captions = self.index.caption_count()
            self._counted = now, captions
        return captions


def count(view: View, plan: Plan) -> int:
    """How many images answer a search; it needs a least score above 0."""
    wanted = plan.wanted
    if not wanted.min_score:
        raise QueryError("a count needs a least score above 0")
    queries = [Query(one.tokens, wanted.filters, wanted.min_score) for one in plan.asked]
    images = view.count(queries, sorted(plan.excluded_images))
    check_analyzer(view, (*plan.asked, *wanted.excluded_words))
    return images


def distinctly_analysed(view: View, captions: Iterable[str]) -> tuple[Asked, ...]:
    return distinct(analysed(view, listed(captions, "captions", QueryError)))


def _with_analyzer(view: View, asked: Iterable[Asked]) -> tuple[Asked, ...]:
    return distinct(with_analyzer(view, listed(asked, "captions", QueryError, Asked)))


def milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000.0
