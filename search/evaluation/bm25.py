"""The ranker of an ordinary search engine: Elasticsearch's own, asked by the indexer's client."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from elasticsearch import helpers

from indexer.elastic.connection import address_on, connect
from indexer.elastic.faults import clear_errors
from indexer.errors import IndexUnavailableError
from search.evaluation.data import Captions
from search.evaluation.engines import caption_records
from search.evaluation.rankers import EvaluationQuery


class Bm25Ranker:
    """Elasticsearch's own ranking of captions as text (BM25, k1 1.2, b 0.75, standard analyzer).

    The index has one shard and is deleted by `close`. An image stands where its best caption does.
    """

    def __init__(self, archive: Captions, url: str) -> None:
        self._address = address_on(url, f"caption-evaluation-{uuid4().hex[:12]}")
        self._client = connect(self._address)
        try:
            with clear_errors(self._address):
                self._fill(archive)
        except BaseException:
            self.close()
            raise

    def _fill(self, archive: Captions) -> None:
        self._client.indices.create(
            index=self._address.name,
            settings={"number_of_shards": 1, "number_of_replicas": 0},
            mappings={"properties": {"image": {"type": "keyword"}, "caption": {"type": "text"}}},
        )
        actions: list[dict[str, Any]] = [
            {"_index": self._address.name, "image": record.image_id, "caption": record.caption}
            for record in caption_records(archive)
        ]
        try:
            helpers.bulk(self._client, actions, refresh=True)
        except helpers.BulkIndexError as error:
            raise IndexUnavailableError(f"{self._address.where}: {error}") from error

    def rank(self, query: EvaluationQuery, k: int) -> list[str]:
        with clear_errors(self._address):
            found = self._client.search(
                index=self._address.name,
                query={"match": {"caption": query.captions[0]}},
                size=8 * k,
                source={"includes": ["image"]},
            )
        images = (hit["_source"]["image"] for hit in found["hits"]["hits"])
        return list(dict.fromkeys(images))[:k]

    def close(self) -> None:
        with clear_errors(self._address), self._client as client:
            client.indices.delete(index=self._address.name, ignore_unavailable=True)


def check_server(url: str) -> None:
    """Make an empty index on the server and delete it. Raises IndexerError where the server refuses."""
    Bm25Ranker({}, url).close()
