"""What the engine's own order proves, against brute force over all classes (overlap, size)."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from es_mappings import SCHEMA_VERSION, index_template
from indexer.elastic.near_dice import (
    PERCENTS,
    MeanSize,
    ScoredClass,
    Unseen,
    contradicts,
    damping,
    indexed_size,
    unseen,
)
from indexer.elastic.plan import jaccard
from tests.indexer.elastic.bm25 import bm25

means = st.floats(1.0, 400.0)
percents = st.sampled_from(PERCENTS)
classes = st.lists(
    st.tuples(st.integers(1, 300), st.integers(1, 300)).filter(lambda one: one[0] <= one[1]),
    min_size=1,
    max_size=12,
)
small_classes = st.lists(
    st.tuples(st.integers(1, 12), st.integers(1, 16)).filter(lambda one: one[0] <= one[1]),
    min_size=3,
    max_size=3,
)


def scored(found: list[tuple[int, int]], percent: int, mean: float) -> list[ScoredClass]:
    hits = [ScoredClass(bm25(overlap, n, percent, mean), overlap, n) for overlap, n in found]
    return sorted(hits, key=lambda hit: -hit.score)


def behind(a: int, hits: list[ScoredClass]) -> Unseen:
    return unseen(a, hits, damping(hits))


@given(classes, percents, means)
def test_two_hits_of_different_sizes_tell_k(found: list[tuple[int, int]], percent: int, mean: float) -> None:
    low, high = damping(scored(found, percent, mean))
    assert low <= mean * percent / 100 <= high
    several = len({indexed_size(n) for _, n in found}) > 1
    assert several or (low, high) == (0.0, math.inf)


def test_scores_that_contradict_each_other_tell_nothing() -> None:
    """Another program may have written a token twice."""
    assert damping([ScoredClass(0.5, 2, 5), ScoredClass(0.5, 2, 9)])[1] == math.inf
    assert damping([ScoredClass(0.4, 2, 5), ScoredClass(0.5, 2, 9)]) == (0.0, math.inf)
    assert damping([ScoredClass(0.5, 1, 2), ScoredClass(0.29, 1, 3)]) == (0.0, math.inf)


@given(classes, percents, means)
def test_what_is_as_it_tells_contradicts_nothing(
    found: list[tuple[int, int]], percent: int, mean: float
) -> None:
    hits = scored(found, percent, mean)
    assert not contradicts(hits, damping(hits))


def test_a_score_that_contradicts_the_others_proves_nothing() -> None:
    sound = scored([(9, 11), (8, 10), (7, 9), (7, 12)], 100, 11.2)
    for hit in sound:
        told = [replace(one, size=one.size + 1) if one is hit else one for one in sound]
        assert behind(10, told) == Unseen(1.0, as_last=False)
    assert behind(10, [ScoredClass(0.5, 2, 5), ScoredClass(0.4, 2, 5)]) == Unseen(1.0, as_last=False)


def test_of_captions_of_usual_length_k_is_known_well() -> None:
    low, high = damping(scored([(3, 8), (4, 12)], 100, 11.2))
    assert 11.19 < low < 11.2 < high < 11.21


@given(st.integers(1, 60), classes, percents, means)
def test_no_unseen_class_is_better_than_told(
    a: int, found: list[tuple[int, int]], percent: int, mean: float
) -> None:
    assert_none_is_better(a, found, percent, mean, largest=400)


@given(st.integers(2, 12), small_classes, percents, st.floats(3.0, 14.0))
def test_nor_among_small_ones_many_of_which_are_nearly_as_good(
    a: int, found: list[tuple[int, int]], percent: int, mean: float
) -> None:
    assert_none_is_better(a, found, percent, mean, largest=36)


def assert_none_is_better(
    a: int, found: list[tuple[int, int]], percent: int, mean: float, largest: int
) -> None:
    hits = scored([(min(overlap, a), n) for overlap, n in found], percent, mean)
    last, told = hits[-1], behind(a, hits)
    for n in range(1, largest):
        for overlap in range(1, min(a, n) + 1):
            if bm25(overlap, n, percent, mean) > last.score:
                break
            assert jaccard(a, n, overlap) <= told.jaccard
            if told.as_last and jaccard(a, n, overlap) == told.jaccard:
                assert (overlap, n) == (last.overlap, last.size)


def test_what_is_left_is_no_more_than_the_order_leaves_open() -> None:
    hits = scored([(9, 11), (8, 10), (7, 9)], 100, 11.2)
    assert behind(10, hits) == Unseen(jaccard(10, 9, 7), as_last=True)
    # With K so far above a, longer captions that share more come before shorter ones that are better.
    assert behind(10, scored([(7, 10), (6, 6)], 200, 40.0)).jaccard == jaccard(10, 6, 6)
    assert behind(10, []) == Unseen(1.0, as_last=False)


def test_a_last_hit_of_a_very_long_caption_costs_no_more_than_others() -> None:
    asked = ScoredClass(bm25(1, 200_000, 100, 50.0), 1, 200_000)
    steps = 0

    def counted(frame: Any, event: str, arg: Any) -> None:
        nonlocal steps
        steps += event == "call"

    sys.setprofile(counted)
    try:
        behind(100, [asked])
    finally:
        sys.setprofile(None)
    assert steps < 20_000  # of one a size there would be twenty millions


@given(st.integers(1, 100_000))
def test_sizes_are_kept_to_four_binary_digits(n: int) -> None:
    kept = indexed_size(n)
    assert kept <= n
    assert kept == n if n < 40 else n - kept < (n - 24) / 8
    assert indexed_size(kept) == kept


def test_a_query_takes_the_field_whose_k_is_next_above_its_size() -> None:
    mean = MeanSize()
    assert mean.percent(300) == 200  # which only an answer can tell to be of no use
    mean.learn(100, damping(scored([(3, 8), (4, 12)], 100, 11.2)))
    assert [mean.percent(a) for a in range(3, 23, 4)] == [30, 70, 100, 140, 200]
    assert (mean.percent(31), mean.percent(33)) == (200, None)
    mean.learn(100, damping(scored([(3, 8)], 100, 40.0)))  # tells nothing
    assert mean.percent(33) is None


def test_a_mean_that_is_too_small_for_all_queries_is_learnt_anew() -> None:
    """Others have written longer captions meanwhile."""
    mean = MeanSize()
    mean.learn(100, damping(scored([(1, 1), (1, 2)], 100, 1.5)))
    asked = [mean.percent(10) for _ in range(100)]
    assert asked == [None] * 99 + [200]
    mean.learn(200, damping(scored([(3, 8), (4, 12)], 200, 11.2)))
    assert mean.percent(10) == 100


def test_the_template_has_the_fields_with_their_k() -> None:
    template = index_template(SCHEMA_VERSION)
    fields = template.mappings["properties"]["tokens"]["fields"]
    similarities = template.settings["index"]["similarity"]
    assert {*fields} == {*similarities} == {f"dice_{percent}" for percent in PERCENTS}
    for percent in PERCENTS:
        name = f"dice_{percent}"
        assert fields[name] == {"type": "keyword", "doc_values": False, "norms": True, "similarity": name}
        assert similarities[name]["type"] == "BM25"
        assert similarities[name]["b"] == 1.0
        assert math.isclose(similarities[name]["k1"], 100 / percent, rel_tol=1e-6)
