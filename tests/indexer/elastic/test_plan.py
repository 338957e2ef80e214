"""The arithmetic behind the engine's ranking, against brute force over all classes (overlap, size)."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.elastic.plan import (
    CLAUSES,
    Window,
    by_potential,
    half_dice,
    highest_half_dice,
    jaccard,
    jaccard_bound,
    least_overlap,
    plan_window,
    potential_jaccard,
    runs_of_sizes,
)

sizes = st.integers(1, 300)
scores = st.floats(0.0, 1.0)


@given(a=sizes, n=sizes, score=scores)
def test_least_overlap_is_the_first_that_reaches_the_score(a: int, n: int, score: float) -> None:
    reaching = [overlap for overlap in range(1, min(a, n) + 1) if jaccard(a, n, overlap) >= score]
    assert least_overlap(a, n, score) == (reaching[0] if reaching else None)


@given(a=sizes, n=sizes)
def test_potential_is_the_best_class_of_a_size(a: int, n: int) -> None:
    assert potential_jaccard(a, n) == max(jaccard(a, n, overlap) for overlap in range(1, min(a, n) + 1))


@given(a=st.integers(1, 60), data=st.data())
def test_engine_scores_rank_as_jaccard_does(a: int, data: st.DataObject) -> None:
    classes = [
        (n, data.draw(st.integers(1, min(a, n)))) for n in data.draw(st.lists(st.integers(1, 60), min_size=2))
    ]
    classes.sort(key=lambda one: half_dice(a, *one))
    exact = [jaccard(a, n, overlap) for n, overlap in classes]
    assert exact == sorted(exact)


@given(a=st.integers(1, 80), n=st.integers(1, 80), data=st.data())
def test_bound_is_the_class_of_the_last_score_itself(a: int, n: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(1, min(a, n)))
    assert jaccard_bound(a, range(1, 81), half_dice(a, n, overlap)) == jaccard(a, n, overlap)


@given(a=st.integers(1, 5_000), n=st.integers(1, 5_000), other=st.integers(1, 5_000), data=st.data())
def test_bound_is_never_too_low_for_large_sets(a: int, n: int, other: int, data: st.DataObject) -> None:
    score = half_dice(a, n, data.draw(st.integers(1, min(a, n))))
    limit = jaccard_bound(a, [n, other], score)
    for size in (n, other):
        for overlap in range(max(1, int(score * (a + size)) - 3), min(a, size) + 1):
            if half_dice(a, size, overlap) <= score:
                assert jaccard(a, size, overlap) <= limit


@given(a=st.integers(1, 5_000), n=st.integers(1, 5_000), data=st.data())
def test_no_class_scores_above_the_potential_of_its_similarity(a: int, n: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(1, min(a, n)))
    assert half_dice(a, n, overlap) <= highest_half_dice(jaccard(a, n, overlap))


@given(a=st.integers(1, 2_000), low=sizes, span=st.integers(0, 300), score=scores)
def test_a_window_fits_into_one_query_and_knows_what_others_could_reach(
    a: int, low: int, span: int, score: float
) -> None:
    high = low + span
    one = plan_window(a, low, high, score)
    chosen = one.sizes()
    assert len(chosen) * a <= CLAUSES
    outside = [potential_jaccard(a, n) for n in range(1, max(a, one.high) + 3) if n not in chosen]
    assert one.outside_jaccard(a) == max(outside, default=0.0)
    if a <= CLAUSES // (span + 1):
        able = [n for n in range(low, high + 1) if potential_jaccard(a, n) >= score]
        assert set(able) <= set(chosen)


def test_a_window_anywhere_knows_what_others_could_reach() -> None:
    """Also where it begins just above the size of the query, which seldom is so by chance."""
    for a, low, high in product(range(1, 8), range(1, 13), range(1, 13)):
        if low <= high:
            outside = [n for n in range(1, 20) if not low <= n <= high]
            best = max(potential_jaccard(a, n) for n in outside)
            assert Window(low, high).outside_jaccard(a) == best, (a, low, high)


def test_an_empty_window_excludes_nothing() -> None:
    assert Window(1, 0).outside_jaccard(5) == 1.0
    assert not plan_window(5, 1, 0, 0.0).sizes()
    assert not plan_window(CLAUSES + 1, 1, 20, 0.0).sizes()


def test_sizes_are_visited_by_what_they_can_reach() -> None:
    assert by_potential(4, [0, 1, 2, 4, 5, 9], 0.4) == [4, 5, 2, 9]


@pytest.mark.parametrize("a", [1, 7, CLAUSES, CLAUSES + 1, 10_000])
def test_runs_of_sizes_hold_every_size_once(a: int) -> None:
    runs = list(runs_of_sizes(a, range(1, 200)))
    assert [n for run in runs for n in run] == list(range(1, 200))
    assert all(len(run) == 1 or len(run) * a <= CLAUSES for run in runs)
