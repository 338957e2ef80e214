"""Adding, deleting, looking up, status: on the real server."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.request import Request, urlopen

import pytest

from captioner.tokens import DEFAULT, analyzer
from es_mappings import SCHEMA_VERSION, index_template
from indexer.elastic import ElasticIndex
from indexer.elastic.connection import connect, parse
from indexer.elastic.documents import to_document, to_source
from indexer.elastic.draw import draw_images
from indexer.elastic.faults import clear_errors
from indexer.elastic.point_in_time import PointInTime
from indexer.errors import IndexMismatchError, IndexNotFoundError, IndexUnavailableError
from indexer.index import open_index
from indexer.records import RECORD_FIELDS, CaptionRecord, Filters, Query, now
from tests.indexer.elastic.by_hand import make_by_hand

pytestmark = pytest.mark.elasticsearch

DOG = CaptionRecord("1", "a dog runs", image="photos/1.jpg", source="coco", license="CC BY", phash="0" * 16)
CAT = CaptionRecord("2", "a cat sleeps", source="scraped", kind="generated", model="default@1", query="cats")


def send(method: str, url: str, body: object = None) -> None:
    data = None if body is None else json.dumps(body).encode()
    urlopen(Request(url, data, {"content-type": "application/json"}, method=method), timeout=30).close()


def test_what_is_added_comes_back_as_it_was(elastic_where: str) -> None:
    with open_index(elastic_where, create=True) as index:
        assert isinstance(index, ElasticIndex)
        assert index.add([DOG, CAT]).added == 2
        found = index.captions(["1", "2", "3"])
        assert {image_id: [one.record for one in documents] for image_id, documents in found.items()} == {
            "1": [DOG],
            "2": [CAT],
        }
        assert found["1"][0].tokens == analyzer()(DOG.caption)
        assert index.candidates(frozenset({"dog"}), 5).found[0].document.record == DOG


def test_adding_twice_changes_nothing_and_new_facts_replace_old_ones(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add([DOG])
        before = index.captions(["1"])
        report = index.add([DOG, DOG, CAT])
        assert (report.added, report.unchanged) == (1, 2)
        assert index.captions(["1"]) == before
        moved = CaptionRecord(**{**_fields(DOG), "image": "elsewhere/1.jpg"})
        assert moved.document_id == DOG.document_id
        assert index.add([moved]).added == 1
        assert [one.record for one in index.captions(["1"])["1"]] == [moved]
        assert index.status().captions == 2


def test_of_a_caption_given_again_much_later_the_last_facts_stay(elastic_where: str) -> None:
    """Chunks are sent at once, but never two with the same document."""
    crowd = [CaptionRecord(f"crowd-{number}", "people wait") for number in range(1_500)]
    versions = [CaptionRecord(**{**_fields(DOG), "image": f"{number}.jpg"}) for number in range(3)]
    with ElasticIndex.open(elastic_where, create=True) as index:
        report = index.add([versions[0], *crowd, versions[1], *crowd[:1_000], versions[2]])
        assert report.rejected == ()
        assert (report.added, report.unchanged) == (1 + len(crowd) + 2, 1_000)
        assert index.captions(["1"])["1"][0].record == versions[2]
        assert index.caption_count() == 1 + len(crowd)


def _fields(record: CaptionRecord) -> dict[str, str]:
    return {name: getattr(record, name) for name in RECORD_FIELDS}


def test_a_document_that_the_mapping_refuses_is_reported_and_the_rest_goes_on(elastic_where: str) -> None:
    too_long = CaptionRecord("3", "x" * 40_000)  # a keyword holds 32,766 bytes at most
    with ElasticIndex.open(elastic_where, create=True) as index:
        report = index.add([DOG, too_long, CAT])
        assert report.added == 2
        reasons = {one.record: one.reason for one in report.rejected}
        assert reasons.keys() == {too_long}
        assert "32766" in reasons[too_long]
        assert index.status().captions == 2


def test_delete_removes_every_caption_of_an_image(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add([DOG, CAT, CaptionRecord("1", "a brown dog")])
        assert index.delete(["1", "1", "nobody"]) == 2
        assert index.captions(["1"]) == {}
        assert index.candidates(frozenset({"dog"}), 5).found == ()
        assert index.delete(["1"]) == 0


def test_random_draws_distinct_images_equally_whatever_their_captions(elastic_where: str) -> None:
    many = [CaptionRecord("often", f"caption number {number}") for number in range(30)]
    few = [CaptionRecord(f"once{number}", "one caption", source="coco") for number in range(3)]
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add([*many, *few])
        drawn = [one.record.image_id for one in index.random(10, seed=5)]
        assert sorted(drawn) == ["often", "once0", "once1", "once2"]
        assert [one.record.image_id for one in index.random(10, seed=5)] == drawn
        assert len(index.random(2)) == 2
        assert {one.record.source for one in index.random(9, Filters({"source": ("coco",)}))} == {"coco"}
        # 30 of 33 captions are of one image; drawn by caption it would nearly always come first.
        first = Counter(index.random(1, seed=seed)[0].record.image_id for seed in range(40))
        assert first["often"] < 25


def test_a_draw_is_the_same_however_many_shards_hold_the_images(elastic_where: str) -> None:
    address = parse(elastic_where)
    records = [CaptionRecord(f"i{n}", f"caption number {m}") for n in range(40) for m in range(1 + n % 4)]
    draws = []
    with connect(address) as client:
        for shards in (1, 3):
            make_by_hand(client, f"{address.name}-{shards}", {"number_of_shards": shards})
            first: dict[str, Any] = {"index": {}}
            sources = (to_source(record, analyzer(), now()) for record in records)
            client.bulk(
                index=f"{address.name}-{shards}",
                operations=[line for source in sources for line in (first, source)],
                refresh=True,
            )
            hits = [
                draw_images(client, f"{address.name}-{shards}", 12, Filters(), seed)
                for seed in (0, 2**31 - 1)
            ]
            draws.append([[hit["_source"]["image_id"] for hit in each] for each in hits])
    assert draws[0] == draws[1]
    assert [len(set(each)) for each in draws[0]] == [12, 12]
    assert draws[0][0] != draws[0][1]


def test_status_counts_every_source_however_many_there_are(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add(CaptionRecord(f"i{n}", "a dog", source=f"source {n:04}") for n in range(1_500))
        sources = index.status().sources
        assert (len(sources), sum(sources.values())) == (1_500, 1_500)
        assert list(sources) == sorted(sources)


def test_status_tells_what_the_index_holds(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add([DOG, CAT, CaptionRecord("1", "...", source="coco")])  # the last has no token
        status = index.status()
        assert (status.engine, status.where) == ("elasticsearch", elastic_where)
        assert (status.captions, status.images) == (3, 2)
        assert status.sources == {"coco": 2, "scraped": 1}
        assert status.kinds == {"reference": 2, "generated": 1}
        assert status.models == {"default@1": 1}
        assert status.bytes > 0
        assert (status.analyzer, status.schema) == (DEFAULT, SCHEMA_VERSION)
        assert status.details["version"]
        assert status.details["health"] in ("green", "yellow")
        assert str(status.details["index"]).startswith(parse(elastic_where).name + "-")


def test_an_empty_place_answers_as_an_empty_index(elastic_where: str) -> None:
    with pytest.raises(IndexNotFoundError, match="indexer build"):
        ElasticIndex.open(elastic_where)
    with ElasticIndex.open(elastic_where, create=True) as index:
        assert index.candidates(frozenset({"dog"}), 5).found == ()
        assert index.captions(["1"]) == {}
        assert index.random(3) == []
        assert index.count([Query(frozenset({"dog"}), min_score=0.5)]) == 0
        assert index.delete(["1"]) == 0
        assert index.status().captions == 0
        index.add([DOG])
        assert len(index.candidates(frozenset({"dog"}), 5).found) == 1


def test_an_index_of_another_program_is_refused(elastic_where: str) -> None:
    send("PUT", elastic_where)
    for create in (False, True):
        with pytest.raises(IndexMismatchError, match="not one that `indexer build` made"):
            ElasticIndex.open(elastic_where, create=create)


def test_a_name_that_stands_for_several_indices_is_refused(elastic_where: str) -> None:
    name = parse(elastic_where).name
    for number in (1, 2):
        send("PUT", f"{elastic_where}-part{number}", {"aliases": {name: {}}})
    with pytest.raises(IndexMismatchError, match="stands for several indices"):
        ElasticIndex.open(elastic_where)


def test_a_read_only_index_says_so_and_stays_whole(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add([DOG])
        concrete = index.status().details["index"]
        settings = f"{parse(elastic_where).server}/{concrete}/_settings"
        send("PUT", settings, {"index.blocks.read_only_allow_delete": True})
        with pytest.raises(IndexUnavailableError, match=r"read-only.*free disk space"):
            index.add([CAT])
        assert index.candidates(frozenset({"dog"}), 5).found[0].document.record == DOG
        send("PUT", settings, {"index.blocks.read_only_allow_delete": None})
        assert index.add([CAT]).added == 1


def test_an_index_that_must_not_be_read_says_so(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add([DOG])
        settings = f"{parse(elastic_where).where}/_settings"
        send("PUT", settings, {"index.blocks.read": True})
        with pytest.raises(IndexUnavailableError, match=r"is blocked \(.*index read .*lift the block"):
            index.candidates(frozenset({"dog"}), 3)
        send("PUT", settings, {"index.blocks.read": None})


def test_what_is_read_piece_by_piece_from_a_server_that_forgot_it_is_asked_for_again(
    elastic_where: str,
) -> None:
    address = parse(elastic_where)
    with ElasticIndex.open(elastic_where, create=True) as index, connect(address) as client:
        index.add([DOG])
        with clear_errors(address), PointInTime(client, address.name) as point:
            point.search(size=0)
            client.close_point_in_time(id=point._id)
            with pytest.raises(IndexUnavailableError, match=r"forgot .*; ask again"), clear_errors(address):
                point.search(size=0)


def test_the_mapping_is_strict_and_fits_the_documents(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add([DOG])
        concrete = f"{parse(elastic_where).server}/{index.status().details['index']}"
    with urlopen(f"{concrete}/_mapping", timeout=30) as answer:
        mapping = next(iter(json.load(answer).values()))["mappings"]
    assert mapping["dynamic"] == "strict"
    assert mapping["_meta"] == {"schema": SCHEMA_VERSION, "analyzer": DEFAULT}
    assert mapping["properties"] == index_template(SCHEMA_VERSION).mappings["properties"]
    assert set(RECORD_FIELDS) <= set(mapping["properties"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"token_count": 7}, "token_count"),
        ({"sized_tokens": ["3:cat"]}, "sized_tokens"),
        ({"caption": "a dog sleeps"}, "its id"),
        ({"tokens": ["cat"]}, "tokens"),
        ({"phash": ""}, "phash"),
    ],
)
def test_a_document_that_was_changed_is_found_by_check(
    elastic_where: str, change: dict[str, object], told: str
) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        assert index.check() == []
        index.add([DOG, CAT])
        assert index.check() == []
        url = f"{parse(elastic_where).server}/{parse(elastic_where).name}/_doc/{DOG.document_id}?refresh=true"
        send("PUT", url, {**to_source(DOG, analyzer(DEFAULT), now()), **change})
        (line,) = index.check()
        assert line.startswith(f"document {DOG.document_id} (image 1): ")
        assert told in line


@pytest.mark.parametrize(
    ("foreign", "told"),
    [
        ({"image_id": "f", "caption": "a dog"}, "tokens"),
        ({"image_id": "f", "caption": "a dog", "tokens": "dog"}, "tokens"),
        ({"image_id": "f", "caption": "a dog", "image": 7, "indexed_at": 0}, "image"),
        ({"image_id": ["f", "g"], "caption": "a dog"}, "image_id"),
    ],
)
def test_a_document_of_another_program_stops_nothing(
    elastic_where: str, foreign: dict[str, object], told: str
) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add([DOG])
        send("PUT", f"{parse(elastic_where).where}/_doc/foreign?refresh=true", foreign)
        (line,) = index.check()
        assert line.startswith("document foreign (image ")
        assert told in line.partition(": ")[2]
        ((document,),) = index.captions(["f"]).values()
        assert document.record.caption == "a dog"
        assert document.tokens <= {"dog"}
        assert len(index.candidates(frozenset({"dog"}), 3).found) >= 1
        assert index.delete(["f"]) == 1
        assert index.check() == []


def test_tokens_of_another_program_are_what_the_server_makes_of_them() -> None:
    held = {"image_id": "f", "tokens": ["dog", None, ["cat", [None, 7]], "dog"]}
    assert to_document(held).tokens == {"dog", "cat", "7"}
    assert to_document({"tokens": None}).tokens == to_document({}).tokens == frozenset()
    assert to_document({"tokens": "dog"}).tokens == {"dog"}


@pytest.mark.parametrize(
    ("foreign", "image_id"), [({"image_id": "f"}, "f"), ({"image_id": ["g", "h"]}, '["g", "h"]')]
)
def test_random_images_and_places_may_be_of_another_program(
    foreign: dict[str, object], image_id: str, elastic_where: str
) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add([DOG])
        document = {**foreign, "caption": "a dog", "image": "/photos/f.jpg"}
        send("PUT", f"{parse(elastic_where).where}/_doc/f?refresh=true", document)
        assert {one.record.image_id for one in index.random(5)} == {"1", image_id}
        assert list(index.places("/photos/")) == [(image_id, "/photos/f.jpg")]


def test_a_check_that_finds_much_wrong_tells_of_some(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        index.add(CaptionRecord(f"{number}", "a dog runs") for number in range(30))
        live = parse(elastic_where)
        meta = {"schema": SCHEMA_VERSION, "analyzer": "words/1"}
        send("PUT", f"{live.server}/{live.name}/_mapping", {"_meta": meta})
        assert index.check()[20:] == ["and more"]
