"""Every search asks for the answer of all shards: what only some of them hold is no answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import indexer.elastic
from captioner.tokens import analyzer
from indexer.elastic import ElasticIndex
from indexer.elastic.connection import connect, parse
from indexer.elastic.documents import to_source
from indexer.errors import IndexIncompleteError
from indexer.records import CaptionRecord, Query, now
from tests.indexer.elastic.by_hand import make_by_hand
from tests.indexer.proxy import Handler, Proxy

pytestmark = pytest.mark.elasticsearch

DOG, RUNNING = (Query(analyzer()(words), min_score=0.1) for words in ("a dog", "a dog runs"))

READS: dict[str, Callable[[ElasticIndex], Any]] = {
    "one search": lambda index: index.candidates_many([DOG], 30),
    "several searches": lambda index: index.candidates_many([DOG, RUNNING], 30),
    "images of a query": lambda index: index.count([DOG]),
    "number of captions": lambda index: index.caption_count(),
    "known tokens": lambda index: index.known(["dog", "zebra"]),
    "corrections": lambda index: index.corrections(["dogg"]),
    "captions": lambda index: index.captions(["1"]),
    "random": lambda index: index.random(3),
    "status": lambda index: index.status(),
    "check": lambda index: index.check(),
}


def half_available(where: str) -> int:
    """Make an index of two shards, of which the one node that may hold them takes one; captions stored."""
    address = parse(where)
    index = f"{address.name}-20260101-000000-000000"
    with connect(address) as client:
        node = next(iter(client.nodes.info(node_id="_local")["nodes"].values()))["name"]
        allocation = {"require._name": node, "total_shards_per_node": 1}
        settings = {"number_of_shards": 2, "routing.allocation": allocation}
        make_by_hand(client, index, settings, address.name, wait_for_active_shards=0)
        client.cluster.health(index=index, wait_for_no_initializing_shards=True)
        records = [CaptionRecord(f"{number}", "a dog runs") for number in range(20)]
        operations: list[dict[str, object]] = []
        for record in records:
            operations += [{"create": {}}, to_source(record, analyzer(), now())]
        answer = client.bulk(index=index, operations=operations, timeout="1ms", refresh=True)
    return sum(item["create"]["status"] == 201 for item in answer["items"])


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_what_some_shards_hold_is_not_taken_for_all(
    elastic_where: str, read: Callable[[ElasticIndex], Any]
) -> None:
    assert 0 < half_available(elastic_where) < 20
    with (
        ElasticIndex.open(elastic_where) as index,
        pytest.raises(IndexIncompleteError, match="not available now"),
    ):
        read(index)


def asks_for_all(path: str, body: bytes) -> bool:
    """Whether a request, if it is a search at all, refuses the answer of some shards."""
    split = urlsplit(path)
    match split.path.rpartition("/")[2]:
        case "_search":
            given = parse_qs(split.query).get("allow_partial_search_results")
            return given == ["false"] or json.loads(body).get("allow_partial_search_results") is False
        case "_msearch":
            headers = [json.loads(line) for line in body.splitlines()[::2]]
            return all(header.get("allow_partial_search_results") is False for header in headers)
        case "_count":  # has no such option
            return False
    return True


def test_all_requests_of_an_index_ask_for_all_shards(proxy: Proxy, proxied: str) -> None:
    partial: set[str] = set()

    def note(handler: Handler, path: str) -> bool:
        if not asks_for_all(path, handler.body):
            partial.add(path)
        return False

    proxy.fault = note
    records = [CaptionRecord(f"{number}", "a dog runs") for number in range(3)]
    with ElasticIndex.open(proxied, create=True) as index:
        assert index.add(records).added == 3
        assert index.delete(["2"]) == 1
        for read in READS.values():
            read(index)
        with index.draft("k") as draft:
            draft.add(records)
            draft.publish()
        index.rollback()
    assert any("_msearch" in path for path in proxy.requests)
    assert partial == set()


def test_one_module_alone_searches() -> None:
    """The rule is kept there; a search from elsewhere would have to remember it."""
    folder = Path(indexer.elastic.__file__).parent
    searching = re.compile(r"client\.(search|msearch|count)\(")
    assert {file.name for file in folder.glob("*.py") if searching.search(file.read_text())} == {
        "searches.py"
    }
