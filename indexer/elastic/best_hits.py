"""Which hits of an answer are the best captions of all, and what the captions left out can reach; pure.

Hits come in descending order of the engine's score, and one more is asked for than is given: it tells how
good the next captions are. What the names and bounds mean is in plan.py and near_dice.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from indexer.elastic.documents import as_text, to_document
from indexer.elastic.near_dice import NOTHING, Between, ScoredClass, Unseen, damping, unseen
from indexer.elastic.plan import float32, half_dice, highest_half_dice, jaccard, jaccard_bound
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
    position = Position(float32(hit["sort"][0]), as_text(hit["sort"][1]))
    return LocatedCandidate(Candidate(to_document(hit["_source"]), position), hit["_index"])


@dataclass(frozen=True, slots=True)
class ShardHits:
    """The first hits of one shard in the order of near_dice, what they tell of K, and what is behind them."""

    hits: Sequence[LocatedCandidate]
    k: Between
    unseen: Unseen

    def leaves_before(self, similarity: float, hit: LocatedCandidate) -> bool:
        """Whether it may hold an unseen caption that stands before this hit, which has that similarity."""
        if similarity == self.unseen.jaccard:
            return not self.unseen.as_last or hit.key > self.hits[-1].key
        return similarity < self.unseen.jaccard


def shard_hits(query: Query, answer: Mapping[str, Any], asked: int) -> ShardHits:
    """What a shard that was asked for so many captions has answered."""
    hits, classes = [], []
    for found in answer["hits"]["hits"]:
        score, image_id = found["sort"]
        document = to_document(found["_source"])
        a, n, overlap = len(query.tokens), len(document.tokens), len(document.tokens & query.tokens)
        if overlap:  # always, but for what another program wrote
            position = Position(half_dice(a, n, overlap), as_text(image_id))
            hits.append(LocatedCandidate(Candidate(document, position), found["_index"]))
            classes.append(ScoredClass(score, overlap, n))
    k, every = damping(classes), len(answer["hits"]["hits"]) < asked
    return ShardHits(hits, k, NOTHING if every else unseen(len(query.tokens), classes, k))


def captions_needed(query: Query, limit: int) -> int:
    """How many captions an answer is made of; the last one only tells what is left out."""
    return 1 + (min(limit, 2 * query.images) if query.images else limit)


def from_shards(query: Query, shards: Sequence[ShardHits], limit: int) -> Ranked | None:
    """The first `limit` captions of all, or enough of them; None where what was not seen may stand before."""

    def certain(hit: LocatedCandidate) -> bool:
        similarity = _jaccard_of(query, hit.candidate)
        return not any(shard.leaves_before(similarity, hit) for shard in shards)

    hits = sorted((hit for shard in shards for hit in shard.hits), key=lambda hit: hit.key)
    first = [*takewhile(certain, hits)]
    given = first[:limit]
    unseen_jaccard = max(shard.unseen.jaccard for shard in shards)
    nothing_is_left = unseen_jaccard == 0.0 or unseen_jaccard < query.min_score
    if not (nothing_is_left or _is_enough(query, given, all_certain=len(first) > limit)):
        return None
    left_out = hits[len(given) :]  # the first one is the best of them but for rounding
    left_out_jaccard = max([unseen_jaccard, *(_jaccard_of(query, hit.candidate) for hit in left_out)])
    return _ranked(query, _answering(query, given), left_out_jaccard, hits)


def _is_enough(query: Query, given: Sequence[LocatedCandidate], *, all_certain: bool) -> bool:
    """Whether they are of as many images as are wanted; else of as many captions as were asked for."""
    images = len({hit.image_id for hit in given})
    return all_certain or (query.images is not None and images >= query.images)


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
