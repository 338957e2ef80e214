"""What an index holds, and how its server is, for a person to read."""

from __future__ import annotations

import elasticsearch
from elasticsearch import Elasticsearch

from captioner.tokens import DEFAULT
from es_mappings import SCHEMA_VERSION
from indexer.elastic.generations import Generation
from indexer.elastic.point_in_time import PointInTime
from indexer.records import IndexStatus

ENGINE = "elasticsearch"


def status_of(client: Elasticsearch, where: str, live: Generation | None) -> IndexStatus:
    """The status of the live generation, or of an empty index if none exists."""
    if live is None:
        return _empty(where)
    with PointInTime(client, live.index) as point:
        captions, values = point.counts()
        images = sum(1 for _ in point.images())
    details = _details(client, live)
    return IndexStatus(
        engine=ENGINE,
        where=where,
        analyzer=live.analyzer,
        schema=live.schema,
        captions=captions,
        images=images,
        bytes=int(details.pop("bytes", 0)),
        sources=values["source"],
        kinds=values["kind"],
        models=values["model"],
        built_at=live.built_at,
        details=details,
    )


def _empty(where: str) -> IndexStatus:
    return IndexStatus(
        engine=ENGINE,
        where=where,
        analyzer=DEFAULT,
        schema=SCHEMA_VERSION,
        captions=0,
        images=0,
        bytes=0,
        sources={},
        kinds={},
        models={},
    )


def _details(client: Elasticsearch, live: Generation) -> dict[str, str | int | float]:
    """The engine's own facts; each is left out where the user's role does not permit to ask for it."""
    details: dict[str, str | int | float] = {"index": live.index}
    try:
        stats = client.indices.stats(index=live.index, metric=["store", "segments"])
        details["bytes"] = stats["_all"]["total"]["store"]["size_in_bytes"]
        details["segments"] = stats["_all"]["primaries"]["segments"]["count"]
        details["shards"] = stats["_shards"]["total"]
        details["health"] = client.cluster.health(index=live.index)["status"]
        nodes = client.nodes.info(node_id="_local", filter_path="nodes.*.version")["nodes"]
        details["version"] = next(iter(nodes.values()))["version"]
    except elasticsearch.AuthorizationException:
        pass
    return details
