"""Images drawn at random: seed and image ids decide which, whatever index and shards hold them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from elasticsearch import Elasticsearch

from indexer.elastic.documents import SOURCE, as_text, filter_clauses
from indexer.elastic.point_in_time import PointInTime
from indexer.records import Filters

_BITS = 0xFFFF_FFFF


def draw_images(
    client: Elasticsearch, index: str, size: int, filters: Filters, seed: int | None
) -> list[Mapping[str, Any]]:
    """Up to `size` images (1 or more) of a concrete index, one hit each, every image equally likely.

    Without a seed each call draws others. The score hashes the image id, so that images with many captions
    are not likelier than others. The server salts the seed with the index's name and the shard's number, so
    an image with captions in several shards would have a score, and a chance, in each. Therefore each shard
    gets a seed that its salt turns into one and the same.
    """
    seed = random.getrandbits(31) if seed is None else seed
    found: dict[str, Mapping[str, Any]] = {}
    for hit in sorted(_first_of_shards(client, index, size, filters, seed), key=_order_of):
        found.setdefault(as_text(hit["_source"].get("image_id")), hit)
    return list(found.values())[:size]


def _first_of_shards(
    client: Elasticsearch, index: str, size: int, filters: Filters, seed: int
) -> Iterator[Mapping[str, Any]]:
    """The hits of the first `size` images of each shard; the first of all shards are among them."""
    with PointInTime(client, index) as whole:
        if whole.shards == 1:  # as `indexer build` makes it
            yield from whole.first_of_images(_shuffled(filters, _unsalted(seed, index, 0)), size, SOURCE)
            return
        for shard in range(whole.shards):
            query = _shuffled(filters, _unsalted(seed, index, shard))
            with PointInTime(client, index, f"_shards:{shard}") as one:
                yield from one.first_of_images(query, size, SOURCE)


def _order_of(hit: Mapping[str, Any]) -> tuple[float, str]:
    score, image_id, *_ = hit["sort"]
    return -score, as_text(image_id)


def _shuffled(filters: Filters, seed: int) -> dict[str, Any]:
    return {
        "function_score": {
            "query": {"bool": {"filter": filter_clauses(filters)}},
            "random_score": {"seed": seed, "field": "image_id"},
            "boost_mode": "replace",
        }
    }


def _unsalted(seed: int, index: str, shard: int) -> int:
    """The seed, as Java's int, that the server's salt (in RandomScoreFunctionBuilder) turns into `seed`."""
    name = 0
    for letter in index:  # Java's String.hashCode
        name = (31 * name + ord(letter)) & _BITS
    plain = (seed ^ (name << 10 | shard)) & _BITS
    return plain - (1 << 32) if plain >> 31 else plain
