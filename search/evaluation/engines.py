"""Rankers on real engines: this program's own embedded index, and BM25 on Elasticsearch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from indexer.index import open_index
from indexer.records import CaptionRecord
from search.evaluation.data import Captions
from search.evaluation.rankers import Query
from search.searcher import Searcher


def records(archive: Captions) -> Iterator[CaptionRecord]:
    for image, captions in archive.items():
        for caption in captions:
            yield CaptionRecord(image, caption, source="evaluation")


class IndexRanker:
    """An index of this program and its Searcher, as users have it."""

    def __init__(self, archive: Captions, analyzer: str, folder: Path) -> None:
        where = str(folder / uuid4().hex)
        with open_index(where, create=True) as index:
            draft = index.draft("evaluation", analyzer)
            draft.add(records(archive))
            draft.publish()
        self._searcher = Searcher.open(where)

    def rank(self, query: Query, k: int) -> list[str]:
        return [hit.image_id for hit in self._searcher.texts(query.captions, k).hits]

    def close(self) -> None:
        self._searcher.close()


class Bm25Ranker:
    """Elasticsearch's own ranking of captions as text (BM25, k1 1.2, b 0.75, standard analyzer).

    The index has one shard and is deleted by `close`. An image stands where its best caption does.
    """

    def __init__(self, archive: Captions, url: str) -> None:
        from elasticsearch import Elasticsearch, helpers

        self._client = Elasticsearch(url, request_timeout=60)
        self._name = f"caption-evaluation-{uuid4().hex[:12]}"
        self._client.indices.create(
            index=self._name,
            settings={"number_of_shards": 1, "number_of_replicas": 0},
            mappings={"properties": {"image": {"type": "keyword"}, "caption": {"type": "text"}}},
        )
        actions: list[dict[str, Any]] = [
            {"_index": self._name, "image": record.image_id, "caption": record.caption}
            for record in records(archive)
        ]
        helpers.bulk(self._client, actions, refresh=True)

    def rank(self, query: Query, k: int) -> list[str]:
        found = self._client.search(
            index=self._name,
            query={"match": {"caption": query.captions[0]}},
            size=8 * k,
            source={"includes": ["image"]},
        )
        images = (hit["_source"]["image"] for hit in found["hits"]["hits"])
        return list(dict.fromkeys(images))[:k]

    def close(self) -> None:
        self._client.indices.delete(index=self._name, ignore_unavailable=True)
        self._client.close()
