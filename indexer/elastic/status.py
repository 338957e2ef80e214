"""What an index holds, and how its server is, for a person to read."""

from __future__ import annotations

from contextlib import suppress

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
    """The engine's own facts; what the user's role, or a gateway, does not let be asked is left out."""
    details: dict[str, str | int | float] = {"index": live.index}
    for ask in (_sizes, _health, _version):
        with suppress(elasticsearch.ApiError):
            details |= ask(client, live.index)
    return details


def _sizes(client: Elasticsearch, index: str) -> dict[str, int]:
    stats = client.indices.stats(index=index, metric=["store", "segments"])
    return {
        "bytes": stats["_all"]["total"]["store"]["size_in_bytes"],
        "segments": stats["_all"]["primaries"]["segments"]["count"],
        "shards": stats["_shards"]["total"],
    }


def _health(client: Elasticsearch, index: str) -> dict[str, str]:
    return {"health": client.cluster.health(index=index)["status"]}


def _version(client: Elasticsearch, _: str) -> dict[str, str]:
    nodes = client.nodes.info(node_id="_local", filter_path="nodes.*.version")["nodes"]
    return {"version": next(iter(nodes.values()))["version"]}
