"""The loop from candidates to a certified page: ask, rank exactly, check the bounds, ask for more.

A search is for one set of tokens, or for several of which the best counts (`Plan.sets`). Each has a strand of
its own through the engine; their captions are ranked together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from indexer.contract import View
from indexer.records import Candidates, Filters, Query
from search.cursor import Cursor, fingerprint
from search.duplicates import fold_duplicates, picture_hash
from search.hits import Folded, ScoredCaption
from search.jaccard import fold, rank, reaches
from search.paging import EarlierPages, Unshown, next_cursor
from search.strand import Strand, place

#: Captions asked for at first, per hit wanted: images of COCO have five each, and similar ones crowd the top.
FIRST = 4
#: Each further question asks for this many times as many, up to `MOST`.
GROWTH = 4
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A search as it was asked: checked and analysed."""

    sets: tuple[frozenset[str], ...]  # of tokens, all different; an image counts by the best of them
    k: int
    filters: Filters
    min_score: float
    fold_duplicates: bool
    excluded: frozenset[str]  # images that are part of the question
    analyzer: str
    engine: str
    cursor: Cursor | None = None

    @property
    def fingerprint(self) -> str:
        """What a cursor must agree with."""
        settings = (self.analyzer, self.engine, self.min_score, self.fold_duplicates, sorted(self.excluded))
        return fingerprint(self.sets, self.filters, *settings)


@dataclass(frozen=True, slots=True)
class Page:
    """What a search found. `exact`: these are provably the best."""

    images: tuple[Folded, ...]
    exact: bool
    examined: int
    more: bool  # whether there may be images behind them
    following: Callable[[], Cursor] | None  # where the next page begins; None where there is none
    engine_seconds: float  # spent on candidates; of searches that went on together, each one's share


class Pursuit:
    """One search on its way: what was fetched so far, and whether that settles the page."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        resume = plan.cursor.resume if plan.cursor else (None,) * len(plan.sets)
        self.strands = [
            Strand(number, tokens, plan.min_score, after)
            for number, (tokens, after) in enumerate(zip(plan.sets, resume, strict=True))
            if tokens
        ]
        self.open = self.strands  # those to be asked (more)
        self.ranked: list[Folded] = []
        self.exact = not self.strands
        self._earlier = EarlierPages(plan.filters, plan.cursor) if plan.cursor else None

    @property
    def queries(self) -> list[Query]:
        """The next questions, one for each open strand: what lies behind all that the engine has given."""
        plan = self.plan
        # As many images are enough, unless some of them will be left out.
        images = None if plan.cursor or plan.fold_duplicates else plan.k + len(plan.excluded)
        return [
            Query(
                strand.tokens,
                plan.filters,
                plan.min_score,
                strand.after,
                None if strand.fetched else images,
            )
            for strand in self.open
        ]

    def take(self, answers: Sequence[Candidates], index: View) -> None:
        """Rank with what came for the open strands, and see whether it is enough."""
        for strand, candidates in zip(self.open, answers, strict=True):
            strand.take(candidates)
        unshown = self._unshown(index)
        self.ranked = self._fold_duplicates(unshown.images)
        best = [folded.best for folded in self.ranked]
        unsettled = unshown.doubtful | self._unsettled(best, self.plan.k)
        self.exact = not unsettled
        if self.plan.fold_duplicates:
            # All that is left may be copies of what is shown: a next page is promised for an image alone.
            unsettled |= self._unsettled(best, self.plan.k + 1)
        self.open = [strand for strand in self.strands if strand.number in unsettled and not strand.dry]

    def _unsettled(self, best: Sequence[ScoredCaption], k: int) -> frozenset[int]:
        return frozenset(strand.number for strand in self.strands if not strand.settles(best, k))

    def page(self, engine_seconds: float) -> Page:
        images, are_later = self.ranked[: self.plan.k], len(self.ranked) > self.plan.k
        more = bool(images) and (are_later or any(strand.has_more for strand in self.strands))
        following = partial(self._cursor, images) if more else None
        examined = sum(strand.examined for strand in self.strands)
        return Page(tuple(images), self.exact, examined, more, following, engine_seconds)

    def _cursor(self, page: Sequence[Folded]) -> Cursor:
        """Made when it is asked for: most searches end with their first page."""
        plan = self.plan
        return next_cursor(plan.fingerprint, page, self.strands, plan.cursor, self._hashes(page))

    @property
    def _earlier_hashes(self) -> tuple[str, ...]:
        return self.plan.cursor.hashes if self.plan.cursor else ()

    def _hashes(self, page: Sequence[Folded]) -> tuple[str, ...]:
        """Those of this page and the earlier ones. They make a cursor long: only where they are needed."""
        if not self.plan.fold_duplicates:
            return ()
        return self._earlier_hashes + tuple(filter(None, (picture_hash(folded.best) for folded in page)))

    def _unshown(self, index: View) -> Unshown:
        answers = [
            image
            for image in fold(rank(self._fetched()))
            if image.similarity.overlap
            and reaches(image.similarity, self.plan.min_score)
            and image.image_id not in self.plan.excluded
        ]
        if self._earlier is None:
            return Unshown(answers)
        # Near copies may fold any number of images into one, so that no number is enough.
        enough = len(answers) + 1 if self.plan.fold_duplicates else self.plan.k + 1
        return self._earlier.leave_out(answers, self.strands, index, enough)

    def _fetched(self) -> Sequence[ScoredCaption]:
        """What the engine gave for all strands, in its order."""
        if len(self.strands) == 1:
            return self.strands[0].fetched
        captions = chain.from_iterable(strand.fetched for strand in self.strands)
        return sorted(captions, key=lambda caption: place(caption.position))

    def _fold_duplicates(self, images: Sequence[ScoredCaption]) -> list[Folded]:
        """The page and what tells that there is another."""
        if not self.plan.fold_duplicates:
            return [Folded(image) for image in images]
        return fold_duplicates(images, self.plan.k + 1, self._earlier_hashes)


def pursue(index: View, plans: Sequence[Plan]) -> list[Page]:
    """Answer several searches at once; those that need more candidates go on together."""
    pursuits = [Pursuit(plan) for plan in plans]
    limit = FIRST * max((plan.k for plan in plans), default=1)
    seconds = 0.0
    while pending := [pursuit for pursuit in pursuits if pursuit.open]:
        queries = [pursuit.queries for pursuit in pending]
        began = time.perf_counter()
        answers = iter(index.candidates_many(list(chain.from_iterable(queries)), min(limit, MOST)))
        seconds += time.perf_counter() - began
        for pursuit, own in zip(pending, queries, strict=True):
            pursuit.take([next(answers) for _ in own], index)
        limit *= GROWTH
    return [pursuit.page(seconds / len(pursuits)) for pursuit in pursuits]
