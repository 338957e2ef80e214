"""What is given of an answer, and the bound on the rest, against all captions of small worlds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import assume, given
from hypothesis import strategies as st

from indexer.elastic.best_hits import LocatedCandidate, Ranked, captions_needed, from_shortlist, from_sizes
from indexer.elastic.plan import half_dice, jaccard, plan_shortlist
from indexer.records import Candidate, CaptionRecord, Document, Position, Query

token_sets = st.frozensets(st.sampled_from("abcdefghijkl"), min_size=1)
documents = st.lists(st.tuples(st.sampled_from("123456"), token_sets), max_size=20)
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


@given(documents, queries, st.integers(1, 8), st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_a_shortlist_gives_the_best_of_all_captions_or_nothing(
    world: World, query: Query, limit: int, expected_jaccard: float
) -> None:
    a = len(query.tokens)
    shortlist = plan_shortlist(a, max(query.min_score, expected_jaccard))
    assume(shortlist is not None)
    assert shortlist is not None

    def score(tokens: frozenset[str]) -> float:
        overlap = len(tokens & query.tokens)
        of_size = half_dice(a, len(tokens), overlap) if len(tokens) in shortlist.sizes() else 1e-9
        return of_size if overlap >= shortlist.overlap else 0.0

    asked = captions_needed(query, limit)
    hits = hits_of(world, score)[:asked]
    ranked = from_shortlist(query, shortlist, hits, asked)
    certain = [
        hit.image_id
        for hit in hits
        if similarities(query, [hit.candidate.document.tokens], 0.0)[0] > shortlist.beyond_jaccard
    ]
    if ranked is None:
        assert len({*certain[: asked - 1]}) < query.images if query.images else len(certain) < asked
        return
    assert_best(query, world, ranked)
    given = [one.position.image_id for one in ranked.candidates.found]
    answering = similarities(query, [tokens for _, tokens in world], query.min_score)
    if query.images:
        assert len({*given}) >= query.images or len(given) == len(answering)
    else:
        assert len(given) == min(limit, len(answering))


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
