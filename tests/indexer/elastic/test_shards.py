"""Shards and replicas: an operator's template makes the first index, and what was set of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from indexer.elastic import ElasticIndex
from indexer.elastic.connection import connect, parse
from indexer.elastic.migration import migrate
from tests.indexer.elastic.dogs import built, concrete, dogs, make_older

pytestmark = pytest.mark.elasticsearch


@pytest.fixture
def client(elastic_where: str) -> Iterator[Elasticsearch]:
    with connect(parse(elastic_where)) as client:
        yield client


@pytest.fixture
def two_shards(elastic_where: str, client: Elasticsearch) -> Iterator[None]:
    """An index template of the server's own."""
    name = parse(elastic_where).name
    template = {"settings": {"number_of_shards": 2}}
    client.indices.put_index_template(
        name=f"{name}-two", index_patterns=[f"{name}-2*"], template=template, priority=300
    )
    yield
    client.indices.delete_index_template(name=f"{name}-two")


def settings(client: Elasticsearch, index: str) -> Any:
    return client.indices.get_settings(index=index)[index]["settings"]["index"]


@pytest.mark.usefixtures("two_shards")
@pytest.mark.parametrize("how", ["built", "added to"])
def test_a_first_index_has_the_shards_of_the_servers_template(
    elastic_where: str, client: Elasticsearch, how: str
) -> None:
    if how == "built":
        built(elastic_where, 9)
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add(dogs(9))
        assert len(index.candidates(frozenset({"dog"}), 20).found) == 9
    (made,) = concrete(elastic_where)
    assert settings(client, made)["number_of_shards"] == "2"


@pytest.mark.parametrize("how", [built, lambda where, number: migrate(where)], ids=["build", "migration"])
def test_what_was_set_of_replicas_holds_for_the_next_index(
    elastic_where: str, client: Elasticsearch, how: Any
) -> None:
    first = built(elastic_where, 2)
    assert settings(client, first)["auto_expand_replicas"] == "0-1"
    client.indices.put_settings(index=first, settings={"auto_expand_replicas": None, "number_of_replicas": 2})
    if how is not built:
        make_older(elastic_where)
    how(elastic_where, 3)
    second = settings(client, concrete(elastic_where)[-1])
    assert second["number_of_replicas"] == "2"
    assert second.get("auto_expand_replicas", "false") == "false"
    assert second["refresh_interval"] == "1s"


def test_an_index_that_was_split_is_gone_to_and_its_shards_stay(
    elastic_where: str, client: Elasticsearch
) -> None:
    """As docs/operations.md has it."""
    one = built(elastic_where, 5)
    two = f"{parse(elastic_where).name}-29990101-000000-000000"
    client.indices.put_settings(index=one, settings={"index.blocks.write": True})
    client.indices.split(
        index=one, target=two, settings={"index.number_of_shards": 2, "index.blocks.write": None}
    )
    with ElasticIndex.open(elastic_where) as index:
        assert index.rollback(two).captions == 5
        assert index.add(dogs(6)).added == 1
        assert len(index.candidates(frozenset({"dog"}), 20).found) == 6
        with index.draft("next") as draft:
            draft.add(dogs(7))
            made = str(draft.publish().details["index"])
        assert len(index.candidates(frozenset({"dog"}), 20).found) == 7
    assert settings(client, made)["number_of_shards"] == "2"
