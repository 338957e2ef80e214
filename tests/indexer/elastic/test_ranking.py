"""Candidates and counts on the real server equal brute force over everything that was indexed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner.tokens import analyzer
from indexer.elastic import ElasticIndex, plan, ranking, shard_ranking
from indexer.elastic.connection import connect, parse
from indexer.elastic.documents import to_source
from indexer.elastic.names import write_alias
from indexer.elastic.searches import search_many
from indexer.records import NO_FILTERS, Candidate, CaptionRecord, Document, Filters, Query
from tests.conftest import remove_indices
from tests.indexer.elastic.by_hand import make_by_hand
from tests.jaccard import jaccard

pytestmark = pytest.mark.elasticsearch

WORDS = [f"w{number}" for number in range(24)]
ANALYZER = "content/1"
World = tuple[ElasticIndex, dict[str, CaptionRecord]]


def captions() -> list[CaptionRecord]:
    """Short and long sets, empty ones, one of 1,100 tokens, several captions an image, sources and gaps."""
    chance = random.Random(11)
    records = [
        CaptionRecord(
            image_id=f"image{chance.randrange(120):03}",
            caption=" ".join(chance.choices(WORDS, k=chance.choice([0, 1, 1, 2, 3, 4, 5, 6, 8, 12, 40])))
            or "…",
            source=chance.choice(["coco", "scraped"]),
            model=chance.choice(["", "default@1"]),
        )
        for _ in range(500)
    ]
    long = " ".join([*WORDS[:3], *(f"v{number}" for number in range(1_100))])
    return [
        *records,
        CaptionRecord("long", long, source="scraped"),
        CaptionRecord("odd", 'a:b "c" 7:w1 ü 犬'),
    ]


@pytest.fixture(scope="module")
def world(elasticsearch_url: str) -> Iterator[World]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    records = {record.document_id: record for record in captions()}
    with ElasticIndex.open(f"{elasticsearch_url}/{name}", create=True) as index:
        with index.draft("world", ANALYZER) as draft:
            assert draft.add(records.values()).added == len(records)
            draft.publish()
        # Two segments, and a document that replaces another: neither may change an answer.
        late = CaptionRecord("late", "w1 w2 w3", source="coco")
        index.add([late])
        records[late.document_id] = late
        yield index, records
    remove_indices(elasticsearch_url, name)


def similarity(tokens: frozenset[str], record: CaptionRecord) -> float:
    return jaccard(tokens, analyzer(ANALYZER)(record.caption))


def passes(filters: Filters, record: CaptionRecord) -> bool:
    return filters.passes(Document(record, analyzer(ANALYZER)(record.caption)))


def matching(world: World, query: Query) -> list[float]:
    """Scores of all captions that answer, best first, by brute force."""
    scores = [
        similarity(query.tokens, record)
        for record in world[1].values()
        if passes(query.filters, record) and similarity(query.tokens, record) > 0
    ]
    return sorted((score for score in scores if score >= query.min_score), reverse=True)


def scores_of(query: Query, found: Sequence[Candidate]) -> list[float]:
    return [similarity(query.tokens, one.document.record) for one in found]


def check(world: World, query: Query, limit: int) -> None:
    expected = matching(world, query)
    answer = world[0].candidates_many([query], limit)[0]
    assert scores_of(query, answer.found) == expected[:limit]
    assert answer.bound == (expected[limit] if len(expected) > limit else 0.0)
    keys = [(-one.position.score, one.position.image_id) for one in answer.found]
    assert keys == sorted(keys)
    assert all(one.document.tokens == analyzer(ANALYZER)(one.document.record.caption) for one in answer.found)


def assert_each_alone(index: ElasticIndex, several: list[Query]) -> None:
    """Of each the same captions and bound; how many were examined depends on what earlier answers taught."""
    alone = [index.candidates_many([one], 7)[0] for one in several]
    assert [(one.found, one.bound) for one in index.candidates_many(several, 7)] == [
        (one.found, one.bound) for one in alone
    ]


some_tokens = st.frozensets(st.sampled_from([*WORDS, "unknown", "v7", "犬"]), max_size=9)
some_filters = st.sampled_from(
    [
        NO_FILTERS,
        Filters({"source": ("coco",)}),
        Filters({"source": ("coco", "scraped"), "model": ("default@1",)}),
        Filters({"model": ("",)}),
        Filters({"model": ("", "default@1"), "image_id": tuple(f"image{n:03}" for n in range(60))}),
        Filters({"source": ("nowhere",)}),
        Filters(excluded_tokens=["w1", "unknown"]),
        Filters({"source": ("coco",)}, [*WORDS[:9], "v7"]),
    ]
)
queries = st.builds(
    Query, some_tokens, some_filters, st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 1.0])
)
on_server = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@on_server
@given(query=queries, limit=st.sampled_from([1, 3, 10, 100, 1_000, 20_000]))
def test_candidates_equal_brute_force(world: World, query: Query, limit: int) -> None:
    check(world, query, limit)


@on_server
@given(query=queries, limit=st.sampled_from([1, 10, 1_000]), clauses=st.sampled_from([1, 3, 8, 30]))
def test_a_server_that_takes_few_clauses_gets_the_same_answers(
    world: World, query: Query, limit: int, clauses: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # Queries of more tokens than clauses take the plan for very long captions.
        patch.setattr(plan, "CLAUSES", clauses)
        patch.setattr(ranking, "CLAUSES", clauses)
        check(world, query, limit)
        expected = {
            record.image_id
            for record in world[1].values()
            if passes(query.filters, record)
            and similarity(query.tokens, record) >= max(query.min_score, 0.01)
        }
        counted = Query(query.tokens, query.filters, max(query.min_score, 0.01))
        assert world[0].count([counted]) == len(expected)


@settings(on_server, max_examples=8)
@given(several=st.lists(queries, min_size=1, max_size=4))
def test_several_queries_get_the_answers_of_each(world: World, several: list[Query]) -> None:
    assert_each_alone(world[0], several)


@settings(on_server, max_examples=12)
@given(query=queries, limit=st.sampled_from([40, 400]))
def test_pages_neither_repeat_nor_lose_an_image(world: World, query: Query, limit: int) -> None:
    seen: list[tuple[float, str]] = []
    page = world[0].candidates_many([query], limit)[0]
    while page.found:
        seen += [(one.position.score, one.position.image_id) for one in page.found]
        page = world[0].candidates_many([replace(query, after=page.found[-1].position)], limit)[0]
    expected = {
        record.image_id
        for record in world[1].values()
        if passes(query.filters, record)
        and query.tokens
        and (score := similarity(query.tokens, record)) > 0
        and score >= query.min_score
    }
    assert {image_id for _, image_id in seen} == expected
    # The same image may come again with another caption, but only further down.
    assert seen == sorted(seen, key=lambda one: (-one[0], one[1]))


@pytest.mark.parametrize("size", [300, 961, 10_000])
@pytest.mark.parametrize("min_score", [0.0, 0.001])
def test_very_long_queries_are_exact(world: World, size: int, min_score: float) -> None:
    tokens = frozenset(["w1", "w2", "w5", *(f"v{number}" for number in range(size))])
    check(world, Query(tokens, min_score=min_score), 10)
    check(world, Query(tokens, min_score=min_score), 1_000)
    expected = {r.image_id for r in world[1].values() if similarity(tokens, r) >= 0.0005}
    assert world[0].count([Query(tokens, min_score=0.0005)]) == len(expected)


def test_sizes_unknown_to_a_reader_are_found_nevertheless(elastic_where: str) -> None:
    """A reader knows the sizes of its opening; another process adds larger and smaller sets."""
    with ElasticIndex.open(elastic_where, create=True) as writer:
        writer.add([CaptionRecord("one", "cat dog bird")])
        with ElasticIndex.open(elastic_where) as reader:
            writer.add([CaptionRecord("two", "cat"), CaptionRecord("three", "cat dog bird fish horse cow")])
            found = reader.candidates(frozenset({"cat"}), 10).found
            assert [one.position.image_id for one in found] == ["two", "one", "three"]
            assert reader.count([Query(frozenset({"cat"}), min_score=0.01)]) == 3


@pytest.fixture(scope="module")
def in_shards(world: World, elasticsearch_url: str) -> Iterator[World]:
    """The same captions in three shards, of which each knows words and lengths of its own."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    with connect(parse(f"{elasticsearch_url}/{name}")) as client:
        index = f"{name}-20200101-000000-000000"
        aliases = (name, write_alias(index))
        make_by_hand(client, index, {"number_of_shards": 3}, *aliases, meta={"analyzer": ANALYZER})
    with ElasticIndex.open(f"{elasticsearch_url}/{name}") as opened:
        assert opened.add(world[1].values()).added == len(world[1])
        yield opened, world[1]
    remove_indices(elasticsearch_url, name)


@on_server
@given(query=queries, limit=st.sampled_from([1, 3, 10, 100, 1_000]))
def test_shards_change_no_answer(in_shards: World, query: Query, limit: int) -> None:
    check(in_shards, query, limit)


@settings(on_server, max_examples=8)
@given(several=st.lists(queries, min_size=1, max_size=4))
def test_several_queries_to_several_shards_get_the_answers_of_each(
    in_shards: World, several: list[Query]
) -> None:
    assert_each_alone(in_shards[0], several)


def test_a_shard_that_another_generation_does_not_have_is_not_taken_for_one_without_hits(
    in_shards: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an index of one shard, published between two shards' answers, answers for the second one."""

    def torn(*given: Any) -> list[Mapping[str, Any]]:
        *others, _ = search_many(*given)
        return [*others, {"_shards": {"total": 0}, "hits": {"hits": []}}]

    monkeypatch.setattr(shard_ranking, "search_many", torn)
    for limit in (3, 600):
        check(in_shards, Query(frozenset(WORDS[:5])), limit)


def steps_taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of queries that are asked from now on."""
    asked: list[str] = []

    def kind(query: Mapping[str, Any]) -> str:
        return next(iter(query["bool"]["must"][0] if "must" in query.get("bool", {}) else query))

    def noting(*given: Any) -> list[Mapping[str, Any]]:
        asked.extend(kind(body["query"]) for body in given[2])
        return search_many(*given)

    for module in (ranking, shard_ranking):
        monkeypatch.setattr(module, "search_many", noting)
    return asked


def test_most_queries_are_one_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world[0].candidates(frozenset(WORDS[:6]), 10)  # tells the lengths of the captions
    asked = steps_taken(monkeypatch)
    world[0].candidates_many([Query(frozenset(WORDS[n : n + 4]), images=5) for n in range(20)], 20)
    assert asked[:20] == ["regexp"] * 20
    assert len(asked) < 30


def test_the_first_search_asks_for_no_more_than_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for the sizes in the index either, which only some searches need."""
    monkeypatch.setattr(ranking, "search", None)
    with ElasticIndex.open(world[0].where) as fresh:
        check((fresh, world[1]), Query(frozenset(WORDS[:1]), images=1), 2)


def test_what_was_learnt_of_one_index_does_not_slow_searches_of_the_next(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = Query(frozenset(f"w{number}" for number in range(8)), images=1)
    with ElasticIndex.open(elastic_where, create=True) as index:
        for most in (2, 12):  # tokens of a caption
            with index.draft(str(most), ANALYZER) as draft:
                draft.add(
                    CaptionRecord(f"{n}", " ".join(f"w{one}" for one in range(n))) for n in range(1, most + 1)
                )
                draft.publish()
            index.candidates_many([query], 5)
        steps = steps_taken(monkeypatch)
        index.candidates_many([query], 5)
        assert steps[0] == "regexp"


def test_a_server_that_takes_no_patterns_is_asked_otherwise(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Administrators can switch them off: search.allow_expensive_queries."""
    where = world[0].where
    with connect(parse(where)) as client, ElasticIndex.open(where) as index:
        client.cluster.put_settings(persistent={"search.allow_expensive_queries": False})
        try:
            asked = steps_taken(monkeypatch)
            for limit in (5, 7):
                check((index, world[1]), Query(frozenset(WORDS[:5])), limit)
            check((index, world[1]), Query(frozenset(WORDS[:5]), Filters({"source": ("coco",)})), 5)
            assert asked.count("regexp") == 1
        finally:
            client.cluster.put_settings(persistent={"search.allow_expensive_queries": None})


def images(index: ElasticIndex, asked: Sequence[Query]) -> list[list[str]]:
    """The best two of each query, which is what it asks for."""
    answers = index.candidates_many(asked, 3)
    return [[one.position.image_id for one in answer.found[:2]] for answer in answers]


def test_what_all_are_refused_is_soon_asked_no_more_and_told_once(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A limit of the index that leaves no pattern: index.max_regex_length."""
    queries = [Query(frozenset(WORDS[n : n + 3]), images=2) for n in range(9)]
    with ElasticIndex.open(elastic_where, create=True) as index, connect(parse(elastic_where)) as client:
        index.add(CaptionRecord(f"{n}", " ".join(WORDS[n : n + 4])) for n in range(20))
        expected = images(index, queries)
        client.indices.put_settings(index=parse(elastic_where).name, settings={"max_regex_length": 5})
        asked = steps_taken(monkeypatch)
        assert images(index, queries) == expected
        asked.clear()
        assert images(index, queries) == expected
        assert images(index, queries[:1]) == expected[:1]
        assert "regexp" not in asked
    (told,) = caplog.messages
    assert "max_regex_length" in told and "several requests" in told


def test_one_query_that_is_refused_for_its_length_does_not_slow_shorter_ones(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    short, long = (Query(frozenset(WORDS[:n]), images=2) for n in (2, 20))
    with ElasticIndex.open(elastic_where, create=True) as index, connect(parse(elastic_where)) as client:
        index.add(CaptionRecord(f"{n}", " ".join(WORDS[n : n + 4])) for n in range(20))
        expected = images(index, [long, short])
        client.indices.put_settings(index=parse(elastic_where).name, settings={"max_regex_length": 30})
        assert images(index, [long, short]) == expected
        asked = steps_taken(monkeypatch)
        assert images(index, [short]) == expected[1:]
        assert asked == ["regexp"]
        assert images(index, [long, short]) == expected
        assert asked.count("regexp") == 2
    assert len(caplog.messages) == 1


def test_a_token_means_only_itself(elastic_where: str) -> None:
    """seed/1 splits at spaces, so tokens may hold anything, or nothing."""
    plain = ["a", "b", "x", "1", "aa", "éé", "犬"]
    odd = ["", ".*", "a|b", "(", "[^x]", '"', "\\", "\\d", "<1-9>", "#@&~", "é{2}", "犬?", "\n", "^a$", "()"]
    with ElasticIndex.open(elastic_where, create=True) as index, index.draft("odd", "seed/1") as draft:
        draft.add(CaptionRecord(f"id {token}", f"w {token} w") for token in [*plain, *odd])
        draft.publish()
        for token in [*plain, *odd]:
            found = index.candidates(frozenset([token, "other"]), 10).found
            assert [one.document.record.caption for one in found] == [f"w {token} w"]


def test_captions_of_no_image_come_first_among_equals_and_stop_nothing(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program may have left the image id out."""
    with ElasticIndex.open(elastic_where, create=True) as index, connect(parse(elastic_where)) as client:
        index.add(CaptionRecord(f"{number}", "dog cat") for number in range(5))
        (document,) = index.captions(["3"])["3"]
        held = to_source(document.record, analyzer(index.analyzer), document.indexed_at)
        del held["image_id"]
        client.index(index=parse(elastic_where).name, document=held, refresh=True)
        query = Query(frozenset({"dog", "cat"}))
        every = ["", "0", "1", "2", "3", "4"]
        for _ in ("by the first hits of shards", "by all sizes"):
            for limit in (1, 3, 9):
                found = index.candidates_many([query], limit)[0].found
                assert [one.position.image_id for one in found] == every[:limit]
            later = index.candidates_many([replace(query, after=found[0].position)], 9)[0].found
            assert [one.position.image_id for one in later] == every[1:]
            monkeypatch.setattr(shard_ranking.ShardRanking, "_asked", lambda *given: None)


def test_nothing_to_search_for_finds_nothing(world: World) -> None:
    answer = world[0].candidates(frozenset(), 10)
    assert (answer.found, answer.bound) == ((), 0.0)
    assert world[0].count([Query(frozenset(), min_score=0.5)]) == 0
