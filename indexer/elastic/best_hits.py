"""Which hits of an answer are the best captions of all, and what the captions left out can reach; pure.

Hits come in descending order of the engine's score, and one more is asked for than is given: it tells how
good the next captions are. What the names and bounds mean is in plan.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from indexer.elastic.documents import to_document
from indexer.elastic.plan import Shortlist, float32, highest_half_dice, jaccard, jaccard_bound
from indexer.records import Candidate, Candidates, Position, Query


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates, and the concrete indices that they came from."""

    candidates: Candidates
    indices: frozenset[str]


@dataclass(frozen=True, slots=True)
class LocatedCandidate:
    """A hit, and the concrete index that it came from."""

    candidate: Candidate
    index: str

    @property
    def half_dice(self) -> float:
        return self.candidate.position.score

    @property
    def image_id(self) -> str:
        return self.candidate.position.image_id

    @property
    def key(self) -> tuple[float, str]:
        return (-self.half_dice, self.image_id)


def located_hits(answer: Mapping[str, Any]) -> list[LocatedCandidate]:
    return [located(hit) for hit in answer["hits"]["hits"]]


def located(hit: Mapping[str, Any]) -> LocatedCandidate:
    position = Position(float32(hit["sort"][0]), hit["sort"][1])
    return LocatedCandidate(Candidate(to_document(hit["_source"]), position), hit["_index"])


def captions_needed(query: Query, limit: int) -> int:
    """How many captions to ask a shortlist for; the last one only tells what is left out."""
    return 1 + (min(limit, 2 * query.images) if query.images else limit)


def last_jaccard(query: Query, found: Sequence[Candidate], number: int) -> float:
    """What the last caption that was needed has; 0.0 where there were not so many."""
    images: set[str] = set()
    for count, one in enumerate(found, 1):
        images.add(one.position.image_id)
        if count == number or len(images) == query.images:
            return _jaccard_of(query, one)
    return 0.0


def from_shortlist(
    query: Query, shortlist: Shortlist, hits: Sequence[LocatedCandidate], asked: int
) -> Ranked | None:
    """The hits that stand above every caption that was not looked at; None if these are too few.

    `hits` are the first `asked` captions on the shortlist, or all if there are fewer.
    """
    unseen_can_answer = shortlist.beyond_jaccard >= query.min_score
    unseen_jaccard = shortlist.beyond_jaccard if unseen_can_answer else 0.0
    certain = _number_above(hits, unseen_jaccard)
    number = min(certain, asked - 1)
    given, following = hits[:number], hits[number : number + 1]
    nothing_is_left = not unseen_can_answer and len(hits) < asked
    if not (nothing_is_left or _is_enough(query, given, all_certain=certain == asked)):
        return None
    left_out_jaccard = max([unseen_jaccard, *(_jaccard_of(query, hit.candidate) for hit in following)])
    return _ranked(query, _answering(query, given), left_out_jaccard, hits)


def _is_enough(query: Query, given: Sequence[LocatedCandidate], *, all_certain: bool) -> bool:
    """Whether they are of as many images as are wanted; else of as many captions as were asked for."""
    return len({hit.image_id for hit in given}) >= query.images if query.images else all_certain


def from_sizes(query: Query, hits: Sequence[LocatedCandidate], limit: int, sizes: Iterable[int]) -> Ranked:
    """The first `limit` hits among all captions of these sizes."""
    answering = _answering(query, hits[:limit])
    left_out_jaccard = 0.0
    if len(hits) > limit and len(answering) == limit:
        left_out_jaccard = jaccard_bound(len(query.tokens), sizes, hits[limit].half_dice)
    return _ranked(query, answering, left_out_jaccard, hits)


def all_above(hits: Sequence[LocatedCandidate], limit: int, most_jaccard: float) -> bool:
    """Whether more than `limit` hits stand above all captions that reach `most_jaccard` at most."""
    return len(hits) > limit and hits[limit].half_dice > highest_half_dice(most_jaccard)


def _number_above(hits: Iterable[LocatedCandidate], most_jaccard: float) -> int:
    """How many hits, which are the first ones, stand above all captions that reach `most_jaccard` at most."""
    highest = highest_half_dice(most_jaccard)
    return sum(hit.half_dice > highest for hit in hits)


def _answering(query: Query, hits: Iterable[LocatedCandidate]) -> list[LocatedCandidate]:
    return [hit for hit in hits if _jaccard_of(query, hit.candidate) >= query.min_score]


def _ranked(
    query: Query,
    given: Sequence[LocatedCandidate],
    left_out_jaccard: float,
    hits: Sequence[LocatedCandidate],
) -> Ranked:
    """What is given of these hits; captions left out that cannot answer the query do not count."""
    bound = left_out_jaccard if left_out_jaccard >= query.min_score else 0.0
    candidates = Candidates(tuple(hit.candidate for hit in given), bound, len(hits))
    return Ranked(candidates, frozenset(hit.index for hit in hits))


def _jaccard_of(query: Query, candidate: Candidate) -> float:
    asked, tokens = query.tokens, candidate.document.tokens
    return jaccard(len(asked), len(tokens), len(asked & tokens))
