"""Exact similarity: by hand, and by its algebra."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from search.jaccard import (
    Explanation,
    Similarity,
    certified,
    compare,
    explain,
    fold,
    rank,
    reaches,
    similarity,
)

sets = st.frozensets(st.sampled_from("abcdefgh"))


def tokens(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True)
class Scored:
    image_id: str
    similarity: Similarity


class TestByHand:
    def test_two_of_four(self) -> None:
        counted = similarity(tokens("dog beach run"), tokens("dog beach two"))
        assert counted == Similarity(2, 4)
        assert counted.exact == Fraction(1, 2)
        assert float(counted) == 0.5

    def test_nothing_in_common(self) -> None:
        assert similarity(tokens("dog"), tokens("cat")) == Similarity(0, 2)

    def test_two_empty_sets_are_not_similar(self) -> None:
        counted = similarity(frozenset(), frozenset())
        assert (counted, counted.exact, float(counted)) == (Similarity(0, 0), Fraction(0), 0.0)

    def test_a_hit_is_explained_by_three_lists(self) -> None:
        found = explain(tokens("dog beach run"), tokens("two dog run"))
        assert found == Explanation(shared=("dog", "run"), missing=("beach",), extra=("two",))

    def test_a_threshold_is_what_the_user_wrote(self) -> None:
        # The double 0.1 is a little more than 1/10; who asks for 0.1 wants one of ten.
        assert Fraction(0.1) > Fraction(1, 10)
        assert reaches(Similarity(1, 10), 0.1)
        assert not reaches(Similarity(1, 11), 0.1)


class TestRanking:
    def test_fractions_decide_where_doubles_cannot(self) -> None:
        larger, smaller = Similarity(10**17 + 1, 10**18), Similarity(10**17, 10**18)
        assert float(larger) == float(smaller)
        ranked = rank([Scored("smaller", smaller), Scored("larger", larger)])
        assert [one.image_id for one in ranked] == ["larger", "smaller"]

    def test_equal_scores_stay_in_the_engines_order(self) -> None:
        given_order = [
            Scored("b", Similarity(1, 2)),
            Scored("a", Similarity(2, 4)),
            Scored("c", Similarity(3, 6)),
        ]
        assert rank(given_order) == given_order

    def test_an_image_appears_once_by_its_best_caption(self) -> None:
        ranked = [Scored("a", Similarity(2, 3)), Scored("b", Similarity(1, 2)), Scored("a", Similarity(1, 3))]
        assert fold(ranked) == ranked[:2]


class TestCertificate:
    HITS = (Scored("a", Similarity(2, 3)), Scored("b", Similarity(1, 2)))

    def test_the_last_hit_must_reach_the_bound(self) -> None:
        assert certified(self.HITS, 2, 0.5)
        assert not certified(self.HITS, 2, 0.5000001)
        assert certified(self.HITS, 1, 0.6)

    def test_too_few_hits_prove_nothing(self) -> None:
        assert not certified(self.HITS, 3, 0.01)

    def test_nothing_left_out_proves_everything(self) -> None:
        assert certified(self.HITS, 3, 0.0)
        assert certified((), 1, 0.0)

    def test_what_cannot_reach_the_threshold_does_not_matter(self) -> None:
        assert certified(self.HITS, 3, 0.39, min_score=0.4)
        assert not certified(self.HITS, 3, 0.4, min_score=0.4)


@given(sets, sets)
def test_symmetric_and_between_zero_and_one(one: frozenset[str], other: frozenset[str]) -> None:
    counted = similarity(one, other)
    assert counted == similarity(other, one)
    assert 0 <= counted.exact <= 1
    assert (counted.exact == 1) == (one == other and bool(one))


@given(sets, sets)
def test_ranking_by_dice_is_ranking_by_jaccard(one: frozenset[str], other: frozenset[str]) -> None:
    dice = Fraction(2 * len(one & other), max(1, len(one) + len(other)))
    assert similarity(one, other).exact == dice / (2 - dice)


@given(sets, sets, sets)
def test_comparing_is_comparing_fractions(
    one: frozenset[str], two: frozenset[str], query: frozenset[str]
) -> None:
    left, right = similarity(query, one), similarity(query, two)
    assert (compare(left, right) > 0) == (left.exact > right.exact)
    assert (compare(left, right) == 0) == (left.exact == right.exact)


@given(sets, sets, sets)
def test_the_distance_obeys_the_triangle_inequality(
    one: frozenset[str], two: frozenset[str], three: frozenset[str]
) -> None:
    def distance(left: frozenset[str], right: frozenset[str]) -> Fraction:
        return 1 - similarity(left, right).exact if left or right else Fraction(0)

    assert distance(one, three) <= distance(one, two) + distance(two, three)


@given(sets, sets)
def test_no_caption_beats_the_bound_of_its_size(one: frozenset[str], other: frozenset[str]) -> None:
    smaller, larger = sorted((len(one), len(other)))
    assert similarity(one, other).exact <= Fraction(smaller, max(1, larger))


@given(sets, sets)
def test_an_explanation_splits_the_union(one: frozenset[str], other: frozenset[str]) -> None:
    found, counted = explain(one, other), similarity(one, other)
    assert len(found.shared) == counted.overlap
    assert len(found.shared) + len(found.missing) + len(found.extra) == counted.union
    assert {*found.shared, *found.missing} == one
    assert {*found.shared, *found.extra} == other


@given(st.lists(st.tuples(sets, sets), max_size=8))
def test_doubles_keep_the_order_of_fractions(pairs: list[tuple[frozenset[str], frozenset[str]]]) -> None:
    counted = [similarity(one, other) for one, other in pairs]
    assert sorted(counted, key=lambda one: one.exact) == sorted(counted, key=float)
