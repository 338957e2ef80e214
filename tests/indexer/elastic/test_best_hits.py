"""What is given of an answer, and the bound on the rest, against all captions of small worlds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from indexer.elastic.best_hits import LocatedCandidate, Ranked, from_shards, from_sizes, shard_hits
from indexer.elastic.near_dice import PERCENTS
from indexer.elastic.plan import half_dice, jaccard
from indexer.records import Candidate, CaptionRecord, Document, Position, Query
from tests.indexer.elastic.bm25 import bm25

token_sets = st.frozensets(st.sampled_from("abcdefghijkl"), min_size=1)
documents = st.lists(st.tuples(st.sampled_from("123456"), token_sets), min_size=1, max_size=20)
queries = st.builds(
    Query,
    st.frozensets(st.sampled_from("abcdefgh"), min_size=2),
    min_score=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    images=st.none() | st.integers(1, 3),
)
World = Sequence[tuple[str, frozenset[str]]]


def hits_of(world: World, score: Callable[[frozenset[str]], float]) -> list[LocatedCandidate]:
    """What the engine finds: captions with a score above 0, best first."""
    hits = [
        LocatedCandidate(Candidate(Document(CaptionRecord(image, ""), tokens), Position(at, image)), "index")
        for image, tokens in world
        if (at := score(tokens))
    ]
    return sorted(hits, key=lambda hit: hit.key)


def similarities(query: Query, captions: Sequence[frozenset[str]], least: float) -> list[float]:
    found = (jaccard(len(query.tokens), len(tokens), len(query.tokens & tokens)) for tokens in captions)
    return sorted((one for one in found if one and one >= least), reverse=True)


def assert_best(query: Query, world: World, ranked: Ranked) -> None:
    """What is given are the first of all captions that answer, and the next does not surpass the bound."""
    given = similarities(query, [one.document.tokens for one in ranked.candidates.found], 0.0)
    every = similarities(query, [tokens for _, tokens in world], query.min_score)
    assert len(given) == len(ranked.candidates.found)
    assert given == every[: len(given)]
    assert all(one <= ranked.candidates.bound for one in every[len(given) :])


def answer_of(world: World, query: Query, percent: int, asked: int) -> dict[str, Any]:
    """What a shard with these captions answers to `nearly_ranked`."""
    sizes = [len(tokens) for _, tokens in world]
    hits: list[dict[str, Any]] = [
        {"_index": "index", "_source": {"image_id": image, "tokens": [*tokens]}, "sort": [score, image]}
        for image, tokens in world
        if (score := bm25(len(tokens & query.tokens), len(tokens), percent, sum(sizes) / len(sizes)))
    ]
    hits.sort(key=lambda hit: (-hit["sort"][0], hit["sort"][1]))
    return {"hits": {"hits": hits[:asked]}}


@given(
    st.lists(documents, min_size=1, max_size=3),
    queries,
    st.integers(1, 8),
    st.integers(1, 12),
    st.sampled_from(PERCENTS),
)
def test_what_shards_give_first_are_the_best_of_all_captions_or_nothing(
    worlds: list[World], query: Query, limit: int, asked: int, percent: int
) -> None:
    answers = [answer_of(world, query, percent, asked) for world in worlds]
    ranked = from_shards(query, [shard_hits(query, answer, asked) for answer in answers], limit)
    world = [one for each in worlds for one in each]
    if ranked is None:
        # Never where all was seen.
        assert any(len(answer["hits"]["hits"]) == asked for answer in answers)
        return
    assert_best(query, world, ranked)
    given = [one.position for one in ranked.candidates.found]
    keys = sorted(
        (-half_dice(len(query.tokens), len(tokens), overlap), image)
        for image, tokens in world
        if (overlap := len(tokens & query.tokens))
    )
    assert [(-one.score, one.image_id) for one in given] == keys[: len(given)]
    answering = similarities(query, [tokens for _, tokens in world], query.min_score)
    enough = query.images is not None and len({one.image_id for one in given}) >= query.images
    assert enough or len(given) == min(limit, len(answering))


def test_what_is_cut_off_among_captions_of_one_similarity_is_not_passed_over() -> None:
    """Caption 5 of the first shard is unseen; 6 of the second one stands behind it."""
    query = Query(frozenset("ab"))
    caption = {image: frozenset("ab" if image in "01" else "abx") for image in "0123456789"}
    worlds = [[(image, caption[image]) for image in ids] for ids in ("02345", "16789")]
    answers = [answer_of(world, query, 70, 4) for world in worlds]
    assert [found["_source"]["image_id"] for one in answers for found in one["hits"]["hits"]] == [*"02341678"]
    shards = [shard_hits(query, answer, 4) for answer in answers]
    assert from_shards(query, shards, 6) is None
    ranked = from_shards(query, shards, 4)
    assert ranked is not None
    assert [one.position.image_id for one in ranked.candidates.found] == [*"0123"]


def test_nor_is_another_class_of_the_last_hit_s_similarity() -> None:
    """b shares 2 of 4 tokens, n 3 of 8: as similar to the question, and b is the first of them."""
    query = Query(frozenset("abcd"))
    world = [("x", "abcd"), ("m", "abcuvwyz"), ("n", "abcuvwyz"), ("b", "abuv")]
    answer = answer_of([(image, frozenset(tokens)) for image, tokens in world], query, 70, 3)
    assert [found["_source"]["image_id"] for found in answer["hits"]["hits"]] == [*"xmn"]
    assert from_shards(query, [shard_hits(query, answer, 3)], 2) is None


def test_captions_that_just_reach_what_is_asked_for_count_as_left_out() -> None:
    query = Query(frozenset("ab"), min_score=0.5)
    answer = answer_of([("1", frozenset("ab")), ("2", frozenset("a")), ("3", frozenset("a"))], query, 200, 2)
    assert from_shards(query, [shard_hits(query, answer, 2)], 3) is None


def test_what_another_program_wrote_is_no_hit_and_no_error() -> None:
    query = Query(frozenset("ab"))
    hits = [{"_index": "index", "_source": {"image_id": "1", "tokens": None}, "sort": [0.5, "1"]}]
    shard = shard_hits(query, {"hits": {"hits": hits}}, 1)
    assert shard.hits == []
    assert from_shards(query, [shard], 1) is None
    assert from_shards(query, [shard_hits(query, {"hits": {"hits": hits}}, 2)], 1) is not None


@given(documents, queries, st.integers(1, 8))
def test_the_captions_of_all_sizes_give_the_best(world: World, query: Query, limit: int) -> None:
    def score(tokens: frozenset[str]) -> float:
        return half_dice(len(query.tokens), len(tokens), len(tokens & query.tokens))

    hits = hits_of(world, score)[: limit + 1]
    ranked = from_sizes(query, hits, limit, range(1, 13))
    assert_best(query, world, ranked)
    answering = similarities(query, [tokens for _, tokens in world], query.min_score)
    assert len(ranked.candidates.found) == min(limit, len(answering))
    assert ranked.indices == {hit.index for hit in hits}
