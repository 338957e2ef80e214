"""An index of an older schema becomes one of this version's, and nothing that was kept is lost."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

import pytest

from captioner.tokens import DEFAULT
from es_mappings import SCHEMA_VERSION, index_template
from indexer.analyzers import known_analyzer
from indexer.elastic import ElasticIndex
from indexer.elastic.connection import connect, parse
from indexer.elastic.documents import to_source
from indexer.elastic.migration import migrate
from indexer.errors import IndexMismatchError, IndexNotFoundError
from indexer.records import CaptionRecord
from tests.indexer.elastic.dogs import (
    built,
    captions,
    concrete,
    delete_by_hand,
    dogs,
    gone_back,
    make_older,
)

pytestmark = pytest.mark.elasticsearch


def test_migrate_brings_an_older_schema_up_to_date(elastic_where: str) -> None:
    """An index of schema 0: documents without sized_tokens, which this version cannot search."""
    address = parse(elastic_where)
    mappings = {"_meta": {"schema": 0, "analyzer": "words/1"}, "dynamic": True}
    body = {"mappings": mappings, "aliases": {address.name: {}}}
    old = f"{address.server}/{address.name}-20200101-000000-000000"
    document = {
        "image_id": "1",
        "caption": "the dog",
        "indexed_at": "2020-01-01T00:00:00+00:00",
        "kind": "title",
    }
    for url, content in ((old, body), (f"{old}/_doc/1?refresh=true", document)):
        header = {"content-type": "application/json"}
        urlopen(Request(url, json.dumps(content).encode(), header, method="PUT"), timeout=30).close()
    with pytest.raises(IndexMismatchError, match="indexer migrate"):
        ElasticIndex.open(elastic_where)
    status = migrate(elastic_where)
    assert status is not None
    assert (status.captions, status.schema, status.analyzer) == (1, SCHEMA_VERSION, "words/1")
    with ElasticIndex.open(elastic_where) as index:
        found = index.candidates(frozenset({"the", "dog"}), 1).found[0].document
        assert found.record == CaptionRecord("1", "the dog", source="", kind="title")
        assert found.indexed_at == document["indexed_at"]


def test_an_interrupted_migration_brings_no_deleted_image_back(elastic_where: str) -> None:
    live = built(elastic_where, 3)
    with ElasticIndex.open(elastic_where) as index:
        with index.draft(f"migrate {live}") as draft:  # as far as a killed one came
            draft.add(dogs(3))
        index.delete(["image1"])
        index.add([CaptionRecord("later", "a late dog")])
        make_older(elastic_where)
        status = migrate(elastic_where)
        assert status is not None
        assert status.captions == 3
        assert set(index.captions(["image0", "image1", "image2", "later"])) == {"image0", "image2", "later"}


def test_an_index_of_this_schema_is_left_alone(elastic_where: str) -> None:
    every = [built(elastic_where, number, keep=5) for number in (1, 2, 3)]
    assert migrate(elastic_where) is None
    assert concrete(elastic_where) == every
    assert [gone_back(elastic_where) for _ in range(2)] == [2, 1]


def test_a_migration_keeps_what_was_kept(elastic_where: str) -> None:
    every = [built(elastic_where, number, keep=5) for number in (1, 2, 3)]
    make_older(elastic_where)
    status = migrate(elastic_where)
    assert status is not None
    assert concrete(elastic_where) == [*every, status.details["index"]]


def test_an_interrupted_build_goes_on_after_a_migration(elastic_where: str) -> None:
    built(elastic_where, 3)
    with ElasticIndex.open(elastic_where) as index, index.draft("photos") as draft:
        draft.add(dogs(2, "generated"))
    make_older(elastic_where)
    assert migrate(elastic_where) is not None
    with ElasticIndex.open(elastic_where) as index, index.draft("photos") as draft:
        assert draft.known_places("").keys() == {"image0", "image1"}


def test_the_next_build_takes_over_what_an_interrupted_one_stored_with_the_schema_before(
    elastic_where: str,
) -> None:
    """Of the same sources, as the user was told: that build cannot go on, but its captions are there."""
    address, (dog,) = parse(elastic_where), dogs(1, "generated")
    before = index_template(SCHEMA_VERSION - 1)
    left = f"{address.name}-20200101-000000-000000"
    with connect(address) as client:
        client.indices.create(
            index=left,
            settings=before.settings,
            mappings={**before.mappings, "_meta": {"schema": 1, "analyzer": DEFAULT, "build": "photos"}},
            aliases={f"{left}-draft": {}},
        )
        source = to_source(dog, known_analyzer(elastic_where, DEFAULT), "2020-01-01T00:00:00+00:00")
        client.index(index=left, id=dog.document_id, document=source, refresh=True)
    with ElasticIndex.open(elastic_where, create=True) as index, index.draft("photos") as draft:
        assert draft.known_places("") == {}
        (held,) = draft.left_by_others([dog.image_id])
        assert [document.record for document in held[dog.image_id]] == [dog]
        draft.add([dog])
        published = draft.publish().details["index"]
    assert concrete(elastic_where) == [published]


def test_a_concrete_index_is_not_migrated_by_its_own_name(elastic_where: str) -> None:
    live = built(elastic_where, 1)
    make_older(elastic_where)
    address = parse(elastic_where)
    with pytest.raises(IndexMismatchError, match=f"name the whole: --index {elastic_where}$"):
        migrate(f"{address.server}/{live}")
    assert concrete(elastic_where) == [live]


def test_an_index_of_another_schema_is_not_gone_back_to(elastic_where: str) -> None:
    older = built(elastic_where, 1)
    make_older(elastic_where)
    status = migrate(elastic_where)
    assert status is not None
    told = rf"/{older}: made with schema 0, .*; go back with the version that made it$"
    for to in (None, older):
        with ElasticIndex.open(elastic_where) as index, pytest.raises(IndexMismatchError, match=told):
            index.rollback(to)
        assert captions(elastic_where) == 1


def test_an_index_of_another_schema_is_gone_back_from_and_nothing_else(elastic_where: str) -> None:
    """An earlier version may have gone back to it."""
    older, newer = built(elastic_where, 1), built(elastic_where, 2)
    with ElasticIndex.open(elastic_where) as index:
        index.rollback()
    make_older(elastic_where)
    with ElasticIndex.open(elastic_where, create=True) as index:
        for use in (
            index.status,
            index.caption_count,
            lambda: index.candidates(frozenset({"dog"}), 1),
            lambda: index.add(dogs(3)),
            lambda: index.draft("k"),
        ):
            with pytest.raises(IndexMismatchError, match=r"made with schema 0, .* `indexer migrate"):
                use()
        assert index.rollback(newer).captions == 2
        assert len(index.candidates(frozenset({"dog"}), 5).found) == 2
    assert concrete(elastic_where) == [older, newer]
    assert captions(elastic_where) == 2


def test_where_nothing_is_live_there_is_nothing_to_migrate(elastic_where: str) -> None:
    older = built(elastic_where, 1)
    delete_by_hand(elastic_where, built(elastic_where, 2))
    with pytest.raises(IndexNotFoundError, match=f"no such index, but {older} is kept"):
        migrate(elastic_where)
