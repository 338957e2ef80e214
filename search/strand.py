"""One set of tokens on its way through the engine: what was fetched for it, and what that proves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from indexer.records import Candidates, Position, Query
from search.jaccard import certified
from search.scored import ScoredCaption, score


class Strand:
    """Captions that the engine gave for one of a search's sets, in the engine's order."""

    def __init__(self, number: int, query: Query) -> None:
        self.number = number
        self.query = query  # the first one; the strand begins behind its `after`
        self.fetched: list[ScoredCaption] = []
        self.bound = 1.0  # at least the similarity of every caption behind the fetched ones
        self.examined = 0  # captions
        self.dry = False  # the engine left captions out and gave nothing new: asking again would not help

    @property
    def last(self) -> Position | None:
        """Where the last caption fetched stands."""
        return self.fetched[-1].position if self.fetched else self.query.after

    @property
    def next_query(self) -> Query:
        """What asks for the next captions.

        Captions of one image with one score share a position, and an answer may end between them: so the last
        position is asked for again.
        """
        if not self.fetched:
            return self.query
        earlier = (one.position for one in reversed(self.fetched) if one.position != self.last)
        return replace(self.query, after=next(earlier, self.query.after), images=None)

    @property
    def has_more(self) -> bool:
        """Whether a caption behind the fetched ones can be an answer."""
        return self.bound > 0.0 and self.bound >= self.query.min_score

    @property
    def behind(self) -> float:
        """The most that a caption behind the fetched ones can score, given the bound and the last of them."""
        return min(self.bound, float(self.fetched[-1].similarity)) if self.fetched else self.bound

    def take(self, candidates: Candidates) -> None:
        self.bound = candidates.bound
        again = {one.document.record.document_id for one in self.fetched if one.position == self.last}
        new = [one for one in candidates.found if not again or one.document.record.document_id not in again]
        self.dry = not new
        self.fetched += [score(self.query.tokens, candidate, self.number) for candidate in new]
        # An engine that goes on may count what it gave before once more, or its last answer alone.
        self.examined = max(self.examined, candidates.examined, len(self.fetched))

    def settles(self, hits: Sequence[ScoredCaption], k: int) -> bool:
        """Whether the first `k` of these hits stand before every caption that was not fetched here.

        Equal ones stand in the engine's order. So a last hit that just reaches the bound must not stand
        behind what was fetched here. (It never does if all hits are of this strand.)
        """
        if not certified(hits, k, self.bound, self.query.min_score):
            return False
        if not self.has_more or float(hits[k - 1].similarity) > self.bound:
            return True
        return self.last is not None and engine_order(hits[k - 1].position) <= engine_order(self.last)


def engine_order(position: Position) -> tuple[float, str]:
    """The key that sorts positions in the engine's order."""
    return -position.score, position.image_id
