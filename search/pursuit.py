"""The loop from candidates to a certified page: ask, rank exactly, check the bound, ask for more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexer.index import CaptionIndex
from indexer.records import Candidates, Filters, Query
from search.cursor import Cursor
from search.duplicates import fold_duplicates
from search.hits import Folded, ScoredCaption, score
from search.jaccard import certified, fold, rank, reaches
from search.paging import EarlierPages, Unshown, next_cursor

#: Captions asked for at first, per hit wanted: images of COCO have five each, and similar ones crowd the top.
FIRST = 4
#: Each further question asks for this many times as many, up to `MOST`.
GROWTH = 4
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A search as it was asked: checked and analysed."""

    tokens: frozenset[str]
    k: int
    filters: Filters
    min_score: float
    fold_duplicates: bool
    fingerprint: str  # what a cursor must agree with
    cursor: Cursor | None = None
    excluded: frozenset[str] = frozenset()  # images that are part of the question


@dataclass(frozen=True, slots=True)
class Page:
    """What a search found. `exact`: these are provably the best."""

    images: tuple[Folded, ...]
    exact: bool
    examined: int
    next: Cursor | None


class Pursuit:
    """One query on its way: what was fetched so far, and whether that settles the page."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.fetched: list[ScoredCaption] = []  # in the engine's order
        self.ranked: list[Folded] = []
        self.unchecked: list[Folded] = []  # behind these; some may have been shown
        self.exact = self.over = not plan.tokens
        self._bound = 0.0 if self.over else 1.0
        self._examined = 0
        self._earlier = EarlierPages(plan.tokens, plan.filters, plan.cursor) if plan.cursor else None

    @property
    def query(self) -> Query:
        """The next question: what lies behind all that the engine has given."""
        resume = self.plan.cursor.resume if self.plan.cursor else None
        after = self.fetched[-1].position if self.fetched else resume
        # As many images are enough, unless some of them will be left out.
        first = not (self.fetched or self.plan.cursor or self.plan.fold_duplicates)
        images = self.plan.k + len(self.plan.excluded) if first else None
        return Query(self.plan.tokens, self.plan.filters, self.plan.min_score, after, images)

    def take(self, candidates: Candidates, index: CaptionIndex) -> None:
        """Rank with what came, and see whether it is enough."""
        self._bound = candidates.bound
        self._examined += candidates.examined
        self.fetched += [score(self.plan.tokens, candidate) for candidate in candidates.found]
        unshown = self._unshown(index)
        self.ranked = self._fold_duplicates(unshown.images)
        self.unchecked = [Folded(image) for image in unshown.unchecked]
        best = [folded.best for folded in self.ranked]
        self.exact = unshown.certain and certified(best, self.plan.k, self._bound, self.plan.min_score)
        # An engine that says it left captions out and gives none of them cannot be asked for more.
        self.over = self.exact or not candidates.found

    def page(self) -> Page:
        images, later = self.ranked[: self.plan.k], self.ranked[self.plan.k :] + self.unchecked
        more = bool(later) or self._bound > max(0.0, self.plan.min_score)
        following = (
            next_cursor(self.plan.fingerprint, images, later, self.fetched, self.plan.cursor)
            if images and more
            else None
        )
        return Page(tuple(images), self.exact, self._examined, following)

    def _unshown(self, index: CaptionIndex) -> Unshown:
        answers = [
            image
            for image in fold(rank(self.fetched))
            if image.similarity.overlap
            and reaches(image.similarity, self.plan.min_score)
            and image.image_id not in self.plan.excluded
        ]
        if self._earlier is None:
            return Unshown(answers)
        # Near copies may fold any number of images into one, so that no number is enough.
        enough = len(answers) + 1 if self.plan.fold_duplicates else self.plan.k + 1
        return self._earlier.leave_out(answers, self.fetched, self._bound, index, enough)

    def _fold_duplicates(self, images: Sequence[ScoredCaption]) -> list[Folded]:
        if not self.plan.fold_duplicates:
            return [Folded(image) for image in images]
        return fold_duplicates(images, self.plan.cursor.hashes if self.plan.cursor else ())


def pursue(index: CaptionIndex, plans: Sequence[Plan]) -> list[Page]:
    """Answer several searches at once; those that need more candidates go on together."""
    pursuits = [Pursuit(plan) for plan in plans]
    limit = FIRST * max((plan.k for plan in plans), default=1)
    while pending := [pursuit for pursuit in pursuits if not pursuit.over]:
        answers = index.candidates_many([pursuit.query for pursuit in pending], min(limit, MOST))
        for pursuit, candidates in zip(pending, answers, strict=True):
            pursuit.take(candidates, index)
        limit *= GROWTH
    return [pursuit.page() for pursuit in pursuits]
