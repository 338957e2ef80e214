"""Indices that are deleted, closed or lose their shards under an open program: on the real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import elasticsearch
import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import Elasticsearch

from indexer.elastic import ElasticIndex
from indexer.elastic.connection import Address, connect, parse
from indexer.elastic.generations import generations, live_generation
from indexer.elastic.retries import RetryPolicy
from indexer.errors import IndexNotFoundError, IndexUnavailableError
from indexer.records import CaptionRecord, Query
from tests.indexer.elastic.by_hand import make_by_hand
from tests.indexer.elastic.dogs import built, dogs
from tests.indexer.proxy import PRODUCT

pytestmark = pytest.mark.elasticsearch


def response(status: int) -> ApiResponseMeta:
    node = NodeConfig("http", "localhost", 9200)
    return ApiResponseMeta(status, "1.1", HttpHeaders(PRODUCT), 0.0, node)


RESPONSE_404, RESPONSE_503 = response(404), response(503)
MORE = {"@timestamp": {"type": "date"}}


@pytest.fixture
def address(elastic_where: str) -> Address:
    return parse(elastic_where)


@pytest.fixture
def client(address: Address) -> Iterator[Elasticsearch]:
    with connect(address) as client:
        yield client


def live(client: Elasticsearch, address: Address) -> str:
    found = live_generation(client, address)
    assert found is not None
    return found.index


def without_shards(client: Elasticsearch, address: Address, day: str, **meta: str) -> str:
    """An index whose shard no node may hold; the live one unless it is a draft."""
    index = f"{address.name}-{day}-000000-000000"
    settings = {"routing.allocation.require._name": "nowhere"}
    alias = f"{index}-draft" if "build" in meta else address.name
    make_by_hand(client, index, settings, alias, meta=meta, wait_for_active_shards=0)
    return index


#: Everything that reads, and what it needs.
READS: tuple[Callable[[ElasticIndex], Any], ...] = (
    lambda index: index.candidates(frozenset({"dog"}), 5),
    lambda index: index.captions(["image1"]),
    lambda index: list(index.places("photos")),
    lambda index: index.count([Query(frozenset({"dog"}), min_score=0.1)]),
    lambda index: index.random(2),
    lambda index: index.status(),
    lambda index: index.caption_count(),
    lambda index: index.check(),
    lambda index: index.add(dogs(1)),
    lambda index: index.delete(["image1"]),
)


@pytest.mark.parametrize("create", [False, True])
def test_an_index_that_vanishes_is_not_an_empty_one(
    address: Address, client: Elasticsearch, create: bool
) -> None:
    built(address.where, 2)
    with ElasticIndex.open(address.where, create=create) as index:
        client.indices.delete(index=live(client, address))
        for _ in range(2):
            for read in READS:
                with pytest.raises(IndexNotFoundError, match="no such index"):
                    read(index)
        built(address.where, 3)
        assert index.status().captions == 3
        assert len(index.candidates(frozenset({"dog"}), 5).found) == 3


def test_an_index_that_this_process_made_and_that_vanishes_is_not_an_empty_one(
    address: Address, client: Elasticsearch
) -> None:
    with ElasticIndex.open(address.where, create=True) as index:
        assert index.status().captions == 0
        index.add(dogs(2))
        client.indices.delete(index=live(client, address))
        for read in READS:
            with pytest.raises(IndexNotFoundError, match="no such index"):
                read(index)


def test_an_index_that_cannot_be_searched_is_gone_back_from_and_built_anew(
    address: Address, client: Elasticsearch
) -> None:
    built(address.where, 2)
    sound = live(client, address)
    client.indices.delete_alias(index=sound, name=address.name)
    without_shards(client, address, "29990101", before=sound)
    with ElasticIndex.open(address.where) as index:
        with pytest.raises(IndexUnavailableError, match="not available now"):
            index.candidates(frozenset({"dog"}), 5)
        assert index.rollback().captions == 2
    client.indices.delete_alias(index=sound, name=address.name)
    without_shards(client, address, "29990102")
    built(address.where, 3)


def test_a_closed_index_says_so_and_is_gone_back_from(address: Address, client: Elasticsearch) -> None:
    built(address.where, 1)
    built(address.where, 2)
    client.indices.close(index=live(client, address))
    with ElasticIndex.open(address.where) as index:
        for read in READS:
            with pytest.raises(IndexUnavailableError, match=r"is closed; open it with POST \S+/_open, or"):
                read(index)
        assert index.rollback().captions == 1


def test_an_index_that_was_closed_is_not_gone_back_to(address: Address, client: Elasticsearch) -> None:
    built(address.where, 1)
    older = live(client, address)
    built(address.where, 2)
    client.indices.close(index=older)
    with ElasticIndex.open(address.where) as index:
        with pytest.raises(IndexUnavailableError, match=f"is closed; open it with POST {older}"):
            index.rollback()
        assert index.status().captions == 2
        client.indices.open(index=older)
        assert index.rollback().captions == 1


def test_a_live_index_that_is_closed_during_a_build_gives_way(
    address: Address, client: Elasticsearch
) -> None:
    built(address.where, 1)
    older = live(client, address)
    with ElasticIndex.open(address.where) as index, index.draft("k") as draft:
        draft.add(dogs(3))
        client.indices.close(index=older)
        assert draft.publish().captions == 3
    assert list(client.indices.get_alias(name=address.name)) == [live(client, address)]
    assert [one.index for one in generations(client, address) if one.closed] == [older]


def vanishing(records: list[CaptionRecord], at: int, vanish: Callable[[], object]) -> Iterator[CaptionRecord]:
    """The records one by one; before that number something happens."""
    for number, record in enumerate(records):
        if number == at:
            vanish()
        yield record


def test_an_addition_to_an_index_that_a_build_replaces_says_so(
    address: Address, client: Elasticsearch
) -> None:
    built(address.where, 1)
    replaced = live(client, address)

    def replace() -> None:
        with ElasticIndex.open(address.where) as builder:
            builder.keep = 0
            with builder.draft("2") as draft:
                draft.add(dogs(2))
                draft.publish()

    with ElasticIndex.open(address.where) as index:
        with pytest.raises(IndexNotFoundError, match=f"{replaced} was deleted while it was written to"):
            index.add(vanishing(dogs(8_000), 4_000, replace))
        assert client.indices.exists(index=replaced).body is False
        assert index.status().captions == 2
        assert index.add(dogs(3)).added == 1


@pytest.mark.parametrize("at", [0, 2])
def test_a_draft_that_was_deleted_is_not_made_again_and_not_published(
    address: Address, client: Elasticsearch, at: int
) -> None:
    built(address.where, 1)
    with ElasticIndex.open(address.where) as index, index.draft("k") as draft:
        draft.add(dogs(at))
        gone = generations(client, address)[-1].index
        client.indices.delete(index=gone)
        for write in (lambda: draft.add(dogs(5)), draft.publish, lambda: draft.known_places("")):
            with pytest.raises(IndexNotFoundError, match=f"{gone} was deleted while it was written to"):
                write()
        assert client.indices.exists(index=gone).body is False
        assert index.status().captions == 1


def test_a_deletion_from_an_index_that_vanishes_says_so(address: Address, client: Elasticsearch) -> None:
    built(address.where, 3)
    with ElasticIndex.open(address.where) as index:
        index.delete(["image0"])
        vanished = live(client, address)
        writer = index._writer(generations(client, address)[-1])
        client.indices.delete(index=vanished)
        with pytest.raises(IndexNotFoundError, match=f"{vanished} was deleted while it was written to"):
            writer.remove([dogs(3)[1].document_id])
        assert client.indices.exists(index=vanished).body is False


@pytest.mark.parametrize("by_name", [False, True], ids=["went back", "named by hand"])
def test_an_index_that_was_restored_without_its_aliases_is_written_to(
    address: Address, client: Elasticsearch, by_name: bool
) -> None:
    restored = built(address.where, 2)
    client.indices.delete_alias(index=restored, name=[address.name, f"{restored}-write"])
    with ElasticIndex.open(address.where, create=True) as index:
        if by_name:
            client.indices.put_alias(index=restored, name=address.name)
        else:
            index.rollback()
        assert index.add(dogs(3)).added == 1
        assert index.delete(["image0"]) == 1
        assert index.status().captions == 2


def test_a_draft_that_lost_the_alias_it_is_written_through_goes_on(
    address: Address, client: Elasticsearch
) -> None:
    with ElasticIndex.open(address.where, create=True) as index:
        with index.draft("k") as draft:
            draft.add(dogs(2))
        (left,) = generations(client, address)
        client.indices.delete_alias(index=left.index, name=f"{left.index}-write")
        with index.draft("k") as draft:
            assert draft.add(dogs(3)).added == 1


def test_a_closed_draft_refuses_no_single_captions(address: Address, client: Elasticsearch) -> None:
    with ElasticIndex.open(address.where, create=True) as index, index.draft("k") as draft:
        draft.add(dogs(1))
        client.indices.close(index=generations(client, address)[-1].index)
        with pytest.raises(IndexUnavailableError, match="is closed; open it with POST"):
            draft.add(dogs(3))


def test_a_draft_that_refused_everything_is_begun_anew(address: Address, client: Elasticsearch) -> None:
    """A template of the server's named a pipeline that is not there; now it is gone."""
    template = f"{address.name}-template"
    broken = {"settings": {"index.default_pipeline": "nope"}}
    with ElasticIndex.open(address.where, create=True) as index:
        client.indices.put_index_template(
            name=template, index_patterns=[f"{address.name}-2*"], template=broken, priority=300
        )
        try:
            with index.draft("k") as draft:
                assert len(draft.add(dogs(2)).rejected) == 2
        finally:
            client.indices.delete_index_template(name=template)
        with index.draft("k") as draft:
            assert draft.add(dogs(2)).added == 2
            assert draft.publish().captions == 2
    assert len(generations(client, address)) == 1


@pytest.mark.parametrize(
    "settings", [{"default_pipeline": "nope"}, {"final_pipeline": "nope"}], ids=lambda one: next(iter(one))
)
def test_a_draft_before_which_a_pipeline_stands_is_begun_anew(
    address: Address, client: Elasticsearch, settings: dict[str, str]
) -> None:
    with ElasticIndex.open(address.where, create=True) as index:
        with index.draft("k") as draft:
            draft.add(dogs(2))
        client.indices.put_settings(index=generations(client, address)[-1].index, settings=settings)
        with index.draft("k") as draft:
            assert draft.known_places("") == {}
            assert draft.add(dogs(3)).added == 3
            assert draft.publish().captions == 3


@pytest.mark.parametrize(
    ("change", "added"),
    [
        pytest.param(
            lambda indices, index: indices.put_mapping(index=index, dynamic="true"), 3, id="mapping"
        ),
        pytest.param(lambda indices, index: indices.close(index=index), 3, id="closed"),
        # Templates of the server's may add a field to every index.
        pytest.param(lambda indices, index: indices.put_mapping(index=index, properties=MORE), 1, id="more"),
    ],
)
def test_a_draft_that_was_changed_is_begun_anew_but_for_a_field_more(
    change: Callable[..., object], added: int, address: Address, client: Elasticsearch
) -> None:
    with ElasticIndex.open(address.where, create=True) as index:
        with index.draft("k") as draft:
            draft.add(dogs(2))
        change(client.indices, generations(client, address)[-1].index)
        with index.draft("k") as draft:
            assert draft.add(dogs(3)).added == added


def test_a_draft_that_lost_its_shard_is_begun_anew(address: Address, client: Elasticsearch) -> None:
    without_shards(client, address, "20200101", build="k")
    pauses: list[float] = []
    retry = RetryPolicy(retries=2, sleep=lambda stopped, seconds: pauses.append(seconds))
    with (
        ElasticIndex.open(address.where, create=True, retry=retry) as index,
        index.draft("k") as draft,
    ):
        assert pauses == [0.5, 1.0], "it might have come back"
        assert draft.add(dogs(3)).added == 3
        assert draft.publish().captions == 3
    assert len(generations(client, address)) == 1


def test_a_cluster_that_is_starting_has_no_answer_yet(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers 404 of names and 503 of what needs shards (as measured before its state is recovered)."""
    built(elastic_where, 2)
    address = parse(elastic_where)
    with connect(address) as client:

        def unknown(**_: object) -> None:
            raise elasticsearch.NotFoundError("no such index", RESPONSE_404, {})

        def starting(**_: object) -> None:
            raise elasticsearch.ApiError("not recovered", RESPONSE_503, {})

        monkeypatch.setattr(client.indices, "get", unknown)
        monkeypatch.setattr(client, "search", starting)
        with pytest.raises(elasticsearch.ApiError, match="not recovered"):
            live_generation(client, address)
        monkeypatch.setattr(client, "search", unknown)
        assert live_generation(client, address) is None
