"""The ways that ask Elasticsearch, and both indices loaded block by block in turns."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from elasticsearch import Elasticsearch
from elasticsearch.helpers import parallel_bulk

from benchmarks.searching.material import Material, Question
from benchmarks.searching.peers import CANDIDATES, Hit, Peer, Project, fold, jaccard
from captioner.tokens import analyzer
from es_mappings import SCHEMA_VERSION, index_template
from indexer.batching import batches
from indexer.elastic.documents import SOURCE, to_source
from indexer.index import open_index
from indexer.records import CaptionRecord, now

_BLOCK = 20_000
_CHUNK = 1_000
_THREADS = 2


class ElasticProject(Project):
    """Loaded by `load`, together with the bare index."""

    title = "this project, Elasticsearch"


class BareSearch(Peer):
    """A query on the bare index; candidates are ranked by their sets, as the project ranks its own."""

    in_memory = False

    def open(self) -> None:
        server, _, self._index = self.where.rpartition("/")
        self._client = Elasticsearch(server, request_timeout=60)

    def reopen(self) -> None:
        self.open()

    def query(self, tokens: Iterable[str]) -> dict[str, Any]:
        raise NotImplementedError

    def ask(self, question: Question) -> list[Hit]:
        answer = self._client.search(
            index=self._index,
            query=self.query(question.tokens),
            size=CANDIDATES,
            source=SOURCE,
            track_total_hits=False,
        )
        wanted = frozenset(question.tokens)
        found = [hit["_source"] for hit in answer["hits"]["hits"]]
        scored = [(one["image_id"], jaccard(wanted, frozenset(one["tokens"]))) for one in found]
        return fold(sorted(scored, key=lambda hit: -hit[1]))

    def disk(self) -> int:
        stats = self._client.indices.stats(index=self._index, metric="store")
        return int(stats["_all"]["primaries"]["store"]["size_in_bytes"])


class OrSearch(BareSearch):
    """The usual way: the captions that share most tokens are the candidates."""

    title = f"Elasticsearch, OR with {CANDIDATES} candidates"

    def query(self, tokens: Iterable[str]) -> dict[str, Any]:
        return {"bool": {"should": [_constant("tokens", token, 1.0) for token in tokens]}}


class FunctionScore(BareSearch):
    """Overlap divided by |A| + n by a function for each size n: exact, and every match is scored."""

    title = "Elasticsearch, function_score"

    def open(self) -> None:
        super().open()
        self._sizes = np.unique(np.diff(self.material.starts)).tolist()

    def query(self, tokens: Iterable[str]) -> dict[str, Any]:
        words = list(tokens)
        shared = {"bool": {"should": [_constant("tokens", token, 1.0) for token in words]}}
        functions = [
            {"filter": {"term": {"token_count": n}}, "weight": 1.0 / (len(words) + n)}
            for n in self._sizes
            if n
        ]
        return {"function_score": {"query": shared, "functions": functions, "boost_mode": "multiply"}}


def _constant(field: str, value: str, boost: float) -> dict[str, Any]:
    return {"constant_score": {"filter": {"term": {field: value}}, "boost": boost}}


def load(material: Material, where: str, bare: str) -> Mapping[str, float]:
    """Fill both indices, block by block in turns; seconds for `project` (captions to published index),
    `project bulk` and `bare bulk` (the same documents, ready made, by `parallel_bulk`), `bare`."""
    server, _, index = bare.rpartition("/")
    client = Elasticsearch(server, request_timeout=3600)
    template = index_template(SCHEMA_VERSION)
    settings = {**template.settings["index"], "refresh_interval": "-1", "number_of_replicas": 0}
    settings["auto_expand_replicas"] = "false"
    client.indices.create(index=index, mappings=template.mappings, settings={"index": settings})
    analyse = analyzer(material.analyzer)
    seconds = dict.fromkeys(("project", "project bulk", "bare bulk", "bare"), 0.0)
    with open_index(where, create=True) as opened, opened.draft("bench", material.analyzer) as draft:
        for number, block in enumerate(batches(material.records(), _BLOCK)):
            stamp = now()
            actions = [_action(index, record, analyse, stamp) for record in block]
            turns = [
                ("project bulk", lambda block=block: draft.add(block)),
                ("bare bulk", lambda actions=actions: _bulk(client, actions)),
            ]
            for name, turn in turns if number % 2 else reversed(turns):
                began = time.perf_counter()
                turn()
                seconds[name] += time.perf_counter() - began
        began = time.perf_counter()
        draft.publish()
        seconds["project"] = seconds["project bulk"] + time.perf_counter() - began
    began = time.perf_counter()
    client.indices.refresh(index=index)
    client.indices.forcemerge(index=index, max_num_segments=1)
    client.indices.put_settings(index=index, settings={"refresh_interval": "1s"})
    client.indices.refresh(index=index)
    seconds["bare"] = seconds["bare bulk"] + material.analysis_seconds + time.perf_counter() - began
    client.close()
    return seconds


def _action(index: str, record: CaptionRecord, analyse: Any, stamp: str) -> dict[str, Any]:
    source = to_source(record, analyse, stamp)
    return {"_op_type": "create", "_index": index, "_id": record.document_id, "_source": source}


def _bulk(client: Elasticsearch, actions: list[dict[str, Any]]) -> None:
    results = parallel_bulk(
        client, actions, thread_count=_THREADS, queue_size=_THREADS, chunk_size=_CHUNK, raise_on_error=False
    )
    # The same caption twice is one document, here and there.
    assert all(done or item["create"]["status"] == 409 for done, item in results)


def unload(where: str, bare: str) -> None:
    """Remove both indices."""
    server, _, name = where.rpartition("/")
    client = Elasticsearch(server, request_timeout=60)
    found = client.indices.get(index=f"{name}*", expand_wildcards="all", ignore_unavailable=True)
    for index in [*found, bare.rpartition("/")[2]]:
        client.indices.delete(index=index, ignore_unavailable=True)
    client.close()
