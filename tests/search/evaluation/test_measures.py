"""Measures against figures computed by hand, and the exchange form there and back."""

from __future__ import annotations

from math import inf, isclose, log2
from pathlib import Path

import pytest

from search.errors import EvaluationError
from search.evaluation.exchange import (
    file_name,
    read_relevance,
    read_run,
    write_queries,
    write_relevance,
    write_run,
)
from search.evaluation.measures import mean_interval, ndcg, own_ranks, recall, spearman, spearman_interval
from search.evaluation.rankers import EvaluationQuery

RELEVANCE = {"q": {"a": 3, "b": 2, "c": 0}, "r": {"x": 1}}


def test_ndcg_is_the_discounted_gain_over_the_best_order() -> None:
    best = 3 + 2 / log2(3)
    assert isclose(ndcg({"q": ["b", "a"], "r": ["x"]}, RELEVANCE)["q"], (2 + 3 / log2(3)) / best)
    assert ndcg({"q": ["a", "b"], "r": ["x"]}, RELEVANCE) == {"q": 1.0, "r": 1.0}


def test_a_query_without_an_answer_scores_nothing_and_is_not_left_out() -> None:
    assert ndcg({"q": ["a", "b"], "r": []}, RELEVANCE) == {"q": 1.0, "r": 0.0}


def test_an_image_that_comes_twice_counts_once_and_loses_the_place() -> None:
    best = 3 + 2 / log2(3)
    assert isclose(ndcg({"q": ["a", "a", "b"]}, RELEVANCE)["q"], (3 + 2 / log2(4)) / best)


def test_ndcg_looks_no_further_than_k() -> None:
    assert ndcg({"r": ["u", "v", "x"]}, {"r": {"x": 1}}, k=2) == {"r": 0.0}


def test_ranks_of_a_querys_own_photo_and_recall() -> None:
    ranks = own_ranks({"a": ["a", "b"], "b": ["a", "b"], "c": ["a"]})
    assert ranks == [1.0, 2.0, inf]
    assert (recall(ranks, 1), recall(ranks, 5)) == (1 / 3, 2 / 3)


def test_spearman_is_of_ranks_and_shares_ties() -> None:
    assert isclose(spearman([1, 2, 3, 100], [0.1, 0.2, 0.5, 0.6]), 1.0)
    # ranks 1.5 1.5 3 against 1 2 3: Pearson of the ranks is 1.5 / sqrt(1.5 * 2)
    assert isclose(spearman([5, 5, 9], [1, 2, 3]), 1.5 / (1.5 * 2) ** 0.5)


def test_intervals_hold_the_figure_and_the_seed_makes_them_again() -> None:
    scores, ratings = list(range(50)), [n + (n * 7) % 11 for n in range(50)]
    found = spearman_interval(scores, ratings, seed=3)
    assert found.low <= found.value <= found.high < 1.0
    assert found == spearman_interval(scores, ratings, seed=3)
    mean = mean_interval([0.0, 1.0] * 20, seed=1)
    assert mean.low < mean.value == 0.5 < mean.high


def test_the_exchange_form_comes_back_as_it_was(tmp_path: Path) -> None:
    write_relevance(tmp_path / "q.qrels", RELEVANCE)
    write_run(tmp_path / "r.run", {"q": ["b", "a"], "r": ["x"]}, "english/2, greedy")
    write_queries(tmp_path / "q.jsonl", [EvaluationQuery("q", ("a dog",))])
    assert read_relevance(tmp_path / "q.qrels") == RELEVANCE
    assert read_run(tmp_path / "r.run") == {"q": ["b", "a"], "r": ["x"]}
    assert (tmp_path / "r.run").read_text().splitlines()[0] == "q Q0 b 1 2 english/2,_greedy"
    assert (tmp_path / "q.jsonl").read_text() == '{"query": "q", "captions": ["a dog"]}\n'
    assert file_name("english/2, greedy") == "english-2-greedy"


@pytest.mark.parametrize(
    ("line", "said"), [("q 0 a", "line 2: 3 fields instead of 4"), ("q 0 a 1.5", "line 2: the gain '1.5'")]
)
def test_a_line_of_another_form_is_named(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "bad.qrels"
    file.write_text(f"q 0 b 1\n{line}\n")
    with pytest.raises(EvaluationError, match=said):
        read_relevance(file)
