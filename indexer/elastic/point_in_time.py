"""A point in time of an index: requests that must agree with each other see the same documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import elastic_transport
import elasticsearch
from elasticsearch import Elasticsearch

from indexer.batching import batches
from indexer.elastic.documents import SOURCE, as_text
from indexer.elastic.searches import search

#: Documents a request; the server's default limit is 10,000.
PAGE = 5_000
#: Captions of an image in the usual data sets: five that people wrote and a generated one. To find images, so
#: many times as many captions are asked for at once; where images have more, it only takes more requests.
_CAPTIONS_AN_IMAGE = 6
_KEEP_ALIVE = "2m"
EVERYTHING: Mapping[str, Any] = {"match_all": {}}


class PointInTime:
    """What an index held when this was entered, whatever is added, deleted or swapped meanwhile."""

    def __init__(self, client: Elasticsearch, index: str, preference: str | None = None) -> None:
        self._client = client
        self._index = index
        self._preference = preference
        self._id = ""
        #: How many shards of the index it reads.
        self.shards = 0

    def __enter__(self) -> PointInTime:
        opened = self._client.open_point_in_time(
            index=self._index, keep_alive=_KEEP_ALIVE, preference=self._preference
        )
        self._id, self.shards = opened["id"], int(opened["_shards"]["total"])
        return self

    def __exit__(self, *_: object) -> None:
        # It expires by itself, too; and an error that ended the block is the one to raise.
        with suppress(elasticsearch.ApiError, elastic_transport.TransportError):
            self._client.close_point_in_time(id=self._id)

    def search(self, **body: Any) -> Mapping[str, Any]:
        answer = search(self._client, pit={"id": self._id, "keep_alive": _KEEP_ALIVE}, **body)
        self._id = answer["pit_id"]
        return answer

    def stream(
        self, query: Mapping[str, Any] = EVERYTHING, source: Any = True
    ) -> Iterator[Mapping[str, Any]]:
        """Every hit of a query, in no particular order."""
        after: list[Any] | None = None
        while True:
            page = self.search(
                query=query,
                size=PAGE,
                sort=["_shard_doc"],
                search_after=after,
                source=source,
                track_total_hits=False,
            )["hits"]["hits"]
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1]["sort"]

    def captions_of(self, image_ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """The hits of every caption of these images, without what was derived for matching."""
        for chunk in batches(image_ids, PAGE):
            yield from self.stream({"terms": {"image_id": chunk}}, SOURCE)

    def first_of_images(self, query: Mapping[str, Any], size: int, source: Any) -> list[Mapping[str, Any]]:
        """The first `size` images (1 or more) that a query finds, each by its best hit."""
        found: dict[str, Mapping[str, Any]] = {}
        after: list[Any] | None = None
        while len(found) < size:
            page = self.search(
                query=query,
                size=min(PAGE, _CAPTIONS_AN_IMAGE * size),
                sort=[{"_score": "desc"}, {"image_id": "asc"}, "_shard_doc"],
                search_after=after,
                source=source,
                track_total_hits=False,
            )["hits"]["hits"]
            if not page:
                break
            for hit in page:
                found.setdefault(as_text(hit["_source"].get("image_id")), hit)
            after = page[-1]["sort"]
        return list(found.values())[:size]

    def images(self, query: Mapping[str, Any] = EVERYTHING) -> Iterator[str]:
        """Every distinct image id of a query, exactly (a cardinality aggregation would only estimate)."""
        return (image for image, _ in self.values("image_id", query))

    def values(self, field: str, query: Mapping[str, Any] = EVERYTHING) -> Iterator[tuple[str, int]]:
        """Every distinct value of a field in ascending order, and how many documents have it."""
        after: Mapping[str, Any] | None = None
        while True:
            composite: dict[str, Any] = {"size": PAGE, "sources": [{"value": {"terms": {"field": field}}}]}
            if after is not None:
                composite["after"] = after
            answer = self.search(
                query=query, size=0, aggs={"values": {"composite": composite}}, track_total_hits=False
            )["aggregations"]["values"]
            yield from ((bucket["key"]["value"], int(bucket["doc_count"])) for bucket in answer["buckets"])
            if len(answer["buckets"]) < PAGE:
                return
            after = answer["after_key"]

    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        """Image id and `image` of every document whose `image` begins with this text."""
        return self.places_of({"prefix": {"image": beginning}} if beginning else EVERYTHING)

    def places_of(self, query: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Image id and `image` of every document that a query finds."""
        for hit in self.stream(query, ["image_id", "image"]):
            source = hit["_source"]
            yield as_text(source.get("image_id")), as_text(source.get("image"))

    def counts(self) -> tuple[int, dict[str, dict[str, int]]]:
        """The number of captions, in all and for each value of the fields that a status shows."""
        counted = self.search(size=0, track_total_hits=True)["hits"]["total"]["value"]
        fields = ("source", "kind", "model")
        return int(counted), {field: dict(self.values(field)) for field in fields}
