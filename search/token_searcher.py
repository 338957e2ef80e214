"""TokenSearcher: captions, tokens or an indexed image -> candidates -> ranked hits."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from indexer.contract import CaptionIndex, View
from indexer.given import listed, seed_of
from indexer.records import NO_FILTERS, Allowed, Document
from search.asked import NOTHING, analyzer_of, check_analyzer, of_tokens
from search.corrections import Corrections, corrections
from search.counting import count
from search.elapsed import milliseconds_since
from search.errors import QueryError
from search.hits import Results, as_hit, sampled_hit
from search.pursuit import Page, Plan, pursue
from search.question import Question, document_of_image, of_asked, of_captions, of_image
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
    one generation, whatever is published meanwhile. Who made tokens by a view asks a `Question` of that one.
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
        return self.find(of_captions(view, captions), wanted)

    def tokens(self, tokens: Iterable[str], k: int = 10, **options: Unpack[Options]) -> Results:
        """Images for a set of tokens, as the index's analyzer gives them. Options: `search.Options`."""
        given = frozenset(listed(tokens, "tokens", QueryError))
        view, wanted = self._look(k, options)
        return self.find(of_asked(view, [of_tokens(given, view.analyzer)]), wanted)

    def image(self, image_id: str, k: int = 10, **options: Unpack[Options]) -> Results:
        """Images like one of the index, which is itself no hit.

        It is searched by the caption that agrees best with its other captions (`representative`). Options:
        `search.Options`.
        """
        view, wanted = self._look(k, options)
        return self.find(of_image(view, image_id), wanted)

    def count(
        self,
        captions: Iterable[str],
        min_score: float,
        filters: Allowed = NO_FILTERS,
        without: Iterable[str] = (),
    ) -> int:
        """How many images have a caption of this similarity, above 0, to one of these; each counts once."""
        view, wanted = self._look(1, {"filters": filters, "without": without, "min_score": min_score})
        return count(of_captions(view, captions), wanted).images

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
            wanted=wanted,
            hits=tuple(hits),
            exact=True,
            examined=len(hits),
            captions=self._caption_count(view, len(hits)),
            took_ms=milliseconds_since(started),
            analyzer=view.analyzer,
        )

    def representative(self, image_id: str) -> Document:
        """The caption that stands for an indexed image; raises NoImageError for an unknown one."""
        return document_of_image(self.index.view(), image_id)

    def _look(self, k: int, options: Options) -> tuple[View, Wanted]:
        """The one view of the index that a question has, and what it wants."""
        check_names(options)
        view = self.index.view()
        return view, Wanted.of(view.analyzer, k, **options)

    def find(self, question: Question, wanted: Wanted) -> Results:
        """The answer to a question that may come from elsewhere, as to one of the searches above."""
        return self.find_all([question], wanted)[0]

    def find_all(self, questions: Sequence[Question], wanted: Wanted) -> list[Results]:
        """Answer questions of one view together."""
        if not questions:
            return []
        started, view = time.perf_counter(), questions[0].view
        plans = [Plan(one.asked, wanted, view.engine, one.excluded_images) for one in questions]
        pages = pursue(view, plans)
        unknown = self._known_tokens.unknown(view, plans, pages)
        found = zip(questions, plans, pages, unknown, corrections(view, plans, unknown), strict=True)
        check_analyzer(view, (*chain.from_iterable(one.asked for one in questions), *wanted.excluded_words))
        took = milliseconds_since(started) / len(questions)
        return [self._results(*one, took) for one in found]

    def _results(
        self,
        question: Question,
        plan: Plan,
        page: Page,
        strange: frozenset[str],
        near: Corrections,
        took_ms: float,
    ) -> Results:
        first = plan.cursor.shown + 1 if plan.cursor else 1
        captions = self._caption_count(question.view, first - 1 + len(page.images))
        return Results(
            asked=plan.asked,
            wanted=plan.wanted,
            hits=tuple(as_hit(folded, rank, plan.asked) for rank, folded in enumerate(page.images, first)),
            exact=page.exact,
            # Several captions may each have had all looked at.
            examined=min(page.examined, captions),
            captions=captions,
            took_ms=took_ms,
            following=page.following,
            analyzer=plan.analyzer,
            more=page.more,
            unknown=strange,
            corrections=near,
            ignored_examples=question.ignored_examples,
            engine_ms=page.engine_seconds * 1000.0,
            captioning_ms=question.captioning_ms,
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
