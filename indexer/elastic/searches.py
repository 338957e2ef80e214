"""Every search of the server goes through here: what only some of an index's shards hold is no answer.

Left to itself the server answers with what it has: the best hits of those shards are not the best of all, and
the number of their captions is too low. Asked for all, it refuses with 503, which becomes a clear error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from elasticsearch import Elasticsearch

from indexer.elastic.connection import Address
from indexer.elastic.faults import api_error

#: The server answers no search with more hits than this in one go.
MOST_HITS = 10_000
_WHOLE: Mapping[str, Any] = MappingProxyType({"allow_partial_search_results": False})


def search(client: Elasticsearch, **request: Any) -> Mapping[str, Any]:
    """The answer to one search; the arguments are the client's."""
    answer: Mapping[str, Any] = client.search(**_WHOLE, **request).body
    return answer


def search_many(
    client: Elasticsearch,
    address: Address,
    bodies: Sequence[Mapping[str, Any]],
    preferences: Sequence[str] = (),
) -> list[Mapping[str, Any]]:
    """The answers to several searches, in one request. Raises IndexerError where one of them failed.

    `preferences`, where given, tell for each which shards it is for.
    """
    if not bodies:
        return []
    aims = [{"preference": one} for one in preferences] or [{} for _ in bodies]
    if len(bodies) == 1:  # saves the server a quarter of a millisecond
        return [search(client, index=address.name, body=dict(bodies[0]), **aims[0])]
    searches: list[Mapping[str, Any]] = []
    for aim, body in zip(aims, bodies, strict=True):
        searches += [{**_WHOLE, **aim}, body]
    answers = client.msearch(index=address.name, searches=searches)["responses"]
    for answer in answers:
        if "error" in answer:
            raise api_error(address, int(answer.get("status", 500)), answer)
    return list(answers)


def count_documents(client: Elasticsearch, index: str) -> int:
    """How many documents an index has. The server's own `_count` cannot be asked for all shards."""
    return int(search(client, index=index, size=0, track_total_hits=True)["hits"]["total"]["value"])
