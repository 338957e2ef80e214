"""Candidates from the first hits of each shard in the order of near_dice: one request, for most queries."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from captioner.outside import printable
from indexer.elastic import bodies
from indexer.elastic.best_hits import Ranked, captions_needed, from_shards, shard_hits
from indexer.elastic.connection import Address
from indexer.elastic.faults import clear_errors
from indexer.elastic.near_dice import MeanSize
from indexer.elastic.refusals import Refusals, Size
from indexer.elastic.searches import MOST_HITS, search_many
from indexer.errors import RequestRefusedError
from indexer.records import Query

_log = logging.getLogger("indexer.elastic")

#: By this setting a server refuses all patterns.
_SWITCH = "search.allow_expensive_queries"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every shard is asked for a query: its first so many hits, in the order of one field."""

    query: Query
    percent: int
    hits: int
    body: Mapping[str, Any]

    @property
    def size(self) -> Size:
        return Size(len(str(self.body)), self.hits)


class ShardRanking:
    """Searches of one index with so many shards; the mean size that is expected is for speed alone."""

    def __init__(self, client: Elasticsearch, address: Address, shards: int, mean_size: MeanSize) -> None:
        self._client, self._address = client, address
        self._shards, self._mean_size = shards, mean_size
        self._refusals = Refusals()

    def candidates_many(self, queries: Sequence[Query], limit: int, spare: float) -> list[Ranked | None]:
        """The answers for which the first hits prove enough, None for others.

        As many captions as are needed are asked for, and that times `spare` more.
        """
        asked = [self._asked(query, limit, spare) for query in queries]
        answers = iter(self._answers([one for one in asked if one is not None]))
        return [None if one is None else self._ranked(one, next(answers), limit) for one in asked]

    def _asked(self, query: Query, limit: int, spare: float) -> _Asked | None:
        percent = self._mean_size.percent(len(query.tokens))
        needed = captions_needed(query, limit)
        later = query.after is not None  # such pages begin anywhere in an order that is not this one
        hits = int(needed * (1 + spare))
        if percent is None or not query.tokens or later or hits > MOST_HITS:
            return None
        body = bodies.nearly_ranked(query, percent, hits)
        asked = _Asked(query, percent, hits, body) if body else None
        return None if asked is None or self._refusals.expected(asked.size) else asked

    def _answers(self, asked: Sequence[_Asked]) -> list[Sequence[Mapping[str, Any]] | None]:
        """Those of all shards, for each query; None for one that the server refuses, or would refuse."""
        if all(self._refusals.expected(one.size) for one in asked):
            return [None for _ in asked]
        try:
            return self._asked_for(asked)
        except RequestRefusedError as error:
            if len(asked) == 1:
                self._remember(asked[0], error)
                return [None]
        half = len(asked) // 2  # one of them is refused, and no answer tells which
        return self._answers(asked[:half]) + self._answers(asked[half:])

    def _asked_for(self, asked: Sequence[_Asked]) -> list[Sequence[Mapping[str, Any]] | None]:
        shards = range(self._shards)
        preferences = [f"_shards:{shard}" for _ in asked for shard in shards] if len(shards) > 1 else []
        searches = [one.body for one in asked for _ in shards]
        with clear_errors(self._address):
            answers = search_many(self._client, self._address, searches, preferences)
        step = len(shards)
        return [answers[start : start + step] for start in range(0, len(answers), step)]

    def _remember(self, asked: _Asked, error: RequestRefusedError) -> None:
        """Told once while anything is remembered: the slower way gives the same answers."""
        if not self._refusals:
            _log.warning("searches take several requests for some minutes: %s", printable(str(error)))
        self._refusals.remember(Size(0, 0) if _SWITCH in str(error) else asked.size)

    def _ranked(
        self, asked: _Asked, answers: Sequence[Mapping[str, Any]] | None, limit: int
    ) -> Ranked | None:
        if answers is None or _may_be_torn(answers):
            return None
        shards = [shard_hits(asked.query, answer, asked.hits) for answer in answers]
        for shard in shards:
            self._mean_size.learn(asked.percent, shard.k)
        return from_shards(asked.query, shards, limit)


def _may_be_torn(answers: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one shard may have answered for another generation, published in between, than the next one.

    Where all have hits these tell. One without may be of a shard that its generation does not even have.
    """
    return len(answers) > 1 and not all(answer["hits"]["hits"] for answer in answers)
