"""The loop from candidates to a certified page: ask, rank exactly, check the bounds, ask for more.

A search is for one set of tokens, or for several of which the best counts (`Plan.asked`). Each has a strand
of its own through the engine; their captions are ranked together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import chain

from indexer.contract import View
from indexer.records import Candidates, Query
from search.asked import Asked
from search.cursor import Cursor, decode, fingerprint
from search.folding import fold_duplicates, picture_hash
from search.jaccard import fold, rank, reaches
from search.paging import EarlierPages, Unshown, next_cursor
from search.scored import Folded, ScoredCaption
from search.strand import Strand, engine_order
from search.wanted import Wanted

#: Captions asked for at first, per hit wanted: images of COCO have five each, and similar ones crowd the top.
FIRST = 4
#: Each further question asks for this many times as many, up to `MOST`.
GROWTH = 4
MOST = 10_000
#: Fields of `Wanted` that make another search. The next page may have another `k`, and has another `after`;
#: filters are in a fingerprint by their values, and excluded words by their tokens.
_SETTINGS = tuple(
    one.name for one in fields(Wanted) if one.name not in ("k", "after", "filters", "excluded_words")
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A search as it was asked: checked and analysed. Raises QueryError for a cursor of another search."""

    asked: tuple[Asked, ...]  # at least one, all of different tokens; an image counts by the best of them
    wanted: Wanted
    engine: str
    excluded_images: frozenset[str] = frozenset()  # those that are part of the question
    cursor: Cursor | None = field(init=False, default=None)  # what `wanted.after` says

    def __post_init__(self) -> None:
        if self.wanted.after:
            cursor = decode(self.wanted.after, self.fingerprint, len(self.asked))
            object.__setattr__(self, "cursor", cursor)

    @property
    def analyzer(self) -> str:
        """What made the tokens."""
        return self.asked[0].analyzer

    @property
    def fingerprint(self) -> str:
        """What a cursor must agree with: all that an answer depends on, so all that is wanted of it, too."""
        settings = (getattr(self.wanted, name) for name in _SETTINGS)
        sets, excluded = [one.tokens for one in self.asked], sorted(self.excluded_images)
        return fingerprint(sets, self.wanted.filters, self.analyzer, self.engine, *settings, excluded)


@dataclass(frozen=True, slots=True)
class Page:
    """What a search found. `exact`: these are provably the best."""

    images: tuple[Folded, ...]
    exact: bool
    examined: int
    more: bool  # whether there may be images behind them
    following: Callable[[], Cursor] | None  # where the next page begins; None where there is none
    engine_seconds: float  # spent on candidates; searches answered together share it evenly


class Pursuit:
    """One search on its way: what was fetched so far, and whether that settles the page."""

    def __init__(self, plan: Plan) -> None:
        wanted = plan.wanted
        self.plan = plan
        self.wanted = wanted
        # An engine may stop at so many images, unless some of them will be left out.
        images = None if plan.cursor or wanted.fold_duplicates else wanted.k + len(plan.excluded_images)
        resume = plan.cursor.resume if plan.cursor else (None,) * len(plan.asked)
        self.strands = [
            Strand(number, Query(one.tokens, wanted.filters, wanted.min_score, after, images))
            for number, (one, after) in enumerate(zip(plan.asked, resume, strict=True))
            if one.tokens
        ]
        self.open = self.strands  # those to be asked (more)
        self.ranked: list[Folded] = []
        self._ranked_of = 0  # captions that `ranked` was made of
        self.exact = not self.strands
        self._earlier = EarlierPages(wanted.filters, plan.cursor) if plan.cursor else None

    @property
    def queries(self) -> list[Query]:
        """The next query of each open strand, for what lies behind all that the engine has given."""
        return [strand.next_query for strand in self.open]

    def take(self, answers: Sequence[Candidates], index: View) -> None:
        """Take what came for the open strands; rank it where it may be enough, or is all there is."""
        for strand, candidates in zip(self.open, answers, strict=True):
            strand.take(candidates)
        self.open = [strand for strand in self.open if strand.has_more and not strand.dry]
        fetched = sum(len(strand.fetched) for strand in self.strands)
        # All that comes may be near copies of one image, so that no number is enough. Ranked at each answer,
        # they would cost the square of their number; ranked when they have doubled, twice as much as once.
        if not self.open or fetched >= 2 * self._ranked_of:
            self._ranked_of = fetched
            self._rank(index)

    def _rank(self, index: View) -> None:
        """Rank all that was fetched, and see whether it is enough."""
        unshown = self._unshown(index)
        self.ranked = self._fold_duplicates(unshown.images)
        best = [folded.best for folded in self.ranked]
        unsettled = unshown.doubtful | self._unsettled(best, self.wanted.k)
        self.exact = not unsettled
        if self.wanted.fold_duplicates:
            # A next page is promised only if it has an image: what is left may all be copies of these.
            unsettled |= self._unsettled(best, self.wanted.k + 1)
        self.open = [strand for strand in self.strands if strand.number in unsettled and not strand.dry]

    def _unsettled(self, best: Sequence[ScoredCaption], k: int) -> frozenset[int]:
        return frozenset(strand.number for strand in self.strands if not strand.settles(best, k))

    def page(self, engine_seconds: float) -> Page:
        images, are_later = self.ranked[: self.wanted.k], len(self.ranked) > self.wanted.k
        more = bool(images) and (are_later or any(strand.has_more for strand in self.strands))
        following = partial(self._cursor, images) if more else None
        examined = sum(strand.examined for strand in self.strands)
        return Page(tuple(images), self.exact, examined, more, following, engine_seconds)

    def _cursor(self, page: Sequence[Folded]) -> Cursor:
        """Made on demand: most searches end with their first page."""
        plan = self.plan
        return next_cursor(plan.fingerprint, page, self.strands, plan.cursor, self._hashes(page))

    @property
    def _earlier_hashes(self) -> tuple[str, ...]:
        return self.plan.cursor.hashes if self.plan.cursor else ()

    def _hashes(self, page: Sequence[Folded]) -> tuple[str, ...]:
        """Hashes of this page and the earlier ones, only if copies are folded: they make a cursor long."""
        if not self.wanted.fold_duplicates:
            return ()
        return self._earlier_hashes + tuple(filter(None, (picture_hash(folded.best) for folded in page)))

    def _unshown(self, index: View) -> Unshown:
        answers = [
            image
            for image in fold(rank(self._fetched()))
            if image.similarity.overlap
            and reaches(image.similarity, self.wanted.min_score)
            and image.image_id not in self.plan.excluded_images
        ]
        if self._earlier is None:
            return Unshown(answers)
        # Near copies may fold any number of images into one, so that no number is enough.
        enough = len(answers) + 1 if self.wanted.fold_duplicates else self.wanted.k + 1
        return self._earlier.leave_out(answers, self.strands, index, enough)

    def _fetched(self) -> Sequence[ScoredCaption]:
        """What the engine gave for all strands, in its order."""
        if len(self.strands) == 1:
            return self.strands[0].fetched
        captions = chain.from_iterable(strand.fetched for strand in self.strands)
        return sorted(captions, key=lambda caption: engine_order(caption.position))

    def _fold_duplicates(self, images: Sequence[ScoredCaption]) -> list[Folded]:
        """The images of the page, and at least one more if there is another page."""
        if not self.wanted.fold_duplicates:
            return [Folded(image) for image in images]
        return fold_duplicates(images, self.wanted.k + 1, self._earlier_hashes)


def pursue(index: View, plans: Sequence[Plan]) -> list[Page]:
    """Answer several searches at once; those that need more candidates go on together."""
    pursuits = [Pursuit(plan) for plan in plans]
    limit = FIRST * max((plan.wanted.k for plan in plans), default=1)
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
