"""The consensus of captions, against what the captions themselves say."""

from __future__ import annotations

import copy
import pickle
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from captioner.cider import Rarity
from captioner.decode import Hypothesis
from captioner.errors import DataError
from captioner.guides.consensus import CLOSENESS, FLOOR, NEAR, SHARE, WEIGHT, Consensus, keys_of
from captioner.train.consensus_fit import CaptionStatistics, ConsensusRecipe, fit_consensus
from captioner.vocabulary import UNK, Vocabulary
from captioner.warnings_off import WARNINGS_OFF

CAPTIONS = [
    [["a", "dog", "runs", "on", "grass"], ["the", "brown", "dog", "runs"]],
    [["a", "dog", "swims", "in", "the", "lake"], ["a", "wet", "dog"]],
    [["two", "men", "climb", "a", "wall"], ["men", "on", "a", "wall", "on", "ropes"]],
    [["a", "girl", "on", "a", "swing"], ["the", "girl", "is", "on", "the", "swing"]],
    [["a", "boat", "in", "the", "lake"], ["the", "boat", "is", "red"]],
    [["a", "red", "bus", "on", "a", "street"], ["the", "bus", "stops"]],
]
WORDS = Vocabulary.build([line for photo in CAPTIONS for line in photo], 1)
CHANNELS, PLACES = 24, 4
EVERYTHING = ConsensusRecipe(smallest_count=1, penalty=1e-7)


def pooled_of(photos: int, seed: int = 0) -> Tensor:
    return torch.randn(photos, CHANNELS, generator=torch.Generator().manual_seed(seed))


def grid(pooled: Tensor) -> Tensor:
    """Features of places whose mean is the pooled feature."""
    offsets = torch.linspace(-1, 1, PLACES).view(1, -1, 1)
    return pooled.unsqueeze(1) + offsets


def consensus(
    photos: int = len(CAPTIONS), vocabulary: Vocabulary = WORDS, recipe: ConsensusRecipe = EVERYTHING
) -> Consensus:
    return fit_consensus(
        pooled_of(photos), CaptionStatistics.of(CAPTIONS[:photos], vocabulary, recipe), vocabulary, recipe
    )


@pytest.fixture(scope="module")
def made() -> Consensus:
    """More numbers than photos: its regression expects of a training photo what people wrote for it."""
    return consensus()


def mean_cosine(caption: Sequence[str], photo: int) -> float:
    """Of a caption with what people wrote for a photo, from the definition."""
    rarity = Rarity(CAPTIONS)
    mine, total = rarity.vector(caption), 0.0
    for theirs in map(rarity.vector, CAPTIONS[photo]):
        for n in range(4):
            dot = sum(weight * theirs.weights[n].get(gram, 0.0) for gram, weight in mine.weights[n].items())
            norm = mine.norms[n] * theirs.norms[n]
            total += dot / norm if norm else 0.0
    return total / len(CAPTIONS[photo])


def neighbours(made: Consensus, pooled: Tensor) -> Tensor:
    """The weights of the training photos as neighbours of photos, from the definition."""
    here = functional.normalize(made.place(pooled) - made.centre, dim=1)
    there = functional.normalize(made.photos.float(), dim=1)
    weights = (here @ there.T).clamp(min=0) ** CLOSENESS
    return weights / weights.sum(dim=1, keepdim=True)


def mean_cosines(caption: Sequence[str]) -> Tensor:
    return torch.tensor([mean_cosine(caption, photo) for photo in range(len(CAPTIONS))])


def ids(caption: Sequence[str]) -> tuple[int, ...]:
    return tuple(WORDS.id(word) for word in caption)


CAPTION = st.lists(
    st.sampled_from(sorted({word for photo in CAPTIONS for line in photo for word in line})), max_size=9
)


@given(st.lists(st.tuples(CAPTION, st.integers(0, len(CAPTIONS) - 1)), min_size=1, max_size=6))
@settings(deadline=None)
def test_agreement_is_the_mean_cosine_with_peoples_captions_and_those_of_neighbours(
    made: Consensus, asked: list[tuple[list[str], int]]
) -> None:
    captions, photos = [caption for caption, _ in asked], [photo for _, photo in asked]
    pooled = pooled_of(len(CAPTIONS))
    found = made.agreement(grid(pooled), [ids(caption) for caption in captions], photos).tolist()
    near = neighbours(made, pooled)
    wanted = [
        (1 - NEAR) * mean_cosine(caption, photo) + NEAR * (near[photo] @ mean_cosines(caption)).item()
        for caption, photo in asked
    ]
    assert found == pytest.approx(wanted, abs=0.05)  # places and cosines are kept in eight bits


def test_of_other_photos_it_expects_what_ridge_regression_and_neighbours_do() -> None:
    """The regression from its own definition, of all ranks."""
    made = consensus(recipe=replace(EVERYTHING, penalty=0.5))
    here, there = pooled_of(9, seed=1), pooled_of(len(CAPTIONS))
    centred = there - there.mean(dim=0)
    covariance = centred.T @ centred
    ridge = 0.5 * covariance.diagonal().mean() * torch.eye(CHANNELS)
    regression = (here - there.mean(dim=0)) @ (covariance + ridge).inverse() @ centred.T + 1 / len(CAPTIONS)
    weights = (1 - NEAR) * regression + NEAR * neighbours(made, here)
    for caption in (line for photo in CAPTIONS for line in photo):
        found = made.agreement(grid(here), [ids(caption)] * 9, range(9))
        assert found.tolist() == pytest.approx((weights @ mean_cosines(caption)).tolist(), abs=0.05), caption


@given(st.sets(st.lists(st.integers(1, 29), min_size=1, max_size=4).map(tuple)))
def test_every_run_of_words_has_a_key_of_its_own(runs: set[tuple[int, ...]]) -> None:
    keys = [keys_of(torch.tensor([run]), len(run), 30).item() for run in runs]
    assert len(set(keys)) == len(runs)
    assert all(key > 0 for key in keys)


def test_keys_stop_at_the_end_of_each_caption() -> None:
    both = keys_of(torch.tensor([[4, 5, 6], [7, 8, 0]]), 2, 10)
    assert both.tolist() == [[45, 56], [78, 0]]


def test_words_of_the_nearest_photos_are_written_more_readily(made: Consensus) -> None:
    told = made(grid(pooled_of(len(CAPTIONS))))
    assert told.shape == (len(CAPTIONS), len(WORDS))
    assert told[0, WORDS.id("grass")] > 0 > told[0, WORDS.id("bus")]
    assert told[5, WORDS.id("bus")] > 0 > told[5, WORDS.id("dog")]
    assert not told[:, : UNK + 1].any()


def test_a_lone_neighbours_words_weigh_as_the_formula_says() -> None:
    """Two photos that lie opposite each other: each is its own only neighbour."""
    made = consensus(photos=2)
    told = made(grid(pooled_of(2)))[0]
    share = {
        "dog": (1.0, 1.0),
        "runs": (1.0, 0.5),
        "grass": (0.5, 0.25),
        "lake": (0.0, 0.25),
        "bus": (0.0, 0.0),
    }
    for word, (here, all_) in share.items():
        wanted = SHARE * torch.tensor((here + FLOOR) / (all_ + FLOOR)).log().item()
        assert told[WORDS.id(word)].item() == pytest.approx(wanted, abs=0.01), word


def test_the_hypothesis_that_agrees_best_comes_first(made: Consensus) -> None:
    features = grid(pooled_of(len(CAPTIONS)))[:1]
    lake, dog = ids(["a", "boat", "in", "the", "lake"]), ids(["a", "dog", "runs", "on", "grass"])
    found = [[Hypothesis(lake, -0.5, True), Hypothesis((), -0.6, True), Hypothesis(dog, -1.0, False)]]
    best, *others = made.rank(features, found)[0]
    assert (best.ids, best.ended) == (dog, False)
    cosines = mean_cosines(["a", "dog", "runs", "on", "grass"])
    near = neighbours(made, pooled_of(len(CAPTIONS)))[0]
    agreed = (1 - NEAR) * cosines[0].item() + NEAR * (near @ cosines).item()
    assert best.score == pytest.approx(-1.0 + WEIGHT * agreed, abs=WEIGHT * 0.05)
    assert {one.ids for one in others} == {lake, ()}
    assert [one.score for one in others] == sorted((one.score for one in others), reverse=True)


def test_each_photo_is_told_the_same_alone_and_among_others(made: Consensus) -> None:
    features = grid(pooled_of(5, seed=3))
    captions = [ids(CAPTIONS[row][0]) for row in range(5)]
    together = made.agreement(features, captions, range(5))
    told = made(features)
    for row in range(5):
        alone = features[row : row + 1]
        assert made.agreement(alone, captions[row : row + 1], [0]).item() == pytest.approx(
            together[row].item(), abs=1e-4
        )
        assert torch.allclose(made(alone)[0], told[row], atol=1e-4)


def test_a_consensus_that_was_used_can_be_copied_and_pickled(made: Consensus) -> None:
    features, asked = grid(pooled_of(3)), [ids(CAPTIONS[1][0])] * 3
    wanted = made.agreement(features, asked, range(3))
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert torch.equal(copied.agreement(features, asked, range(3)), wanted)


def test_a_consensus_can_be_differentiated_after_use(made: Consensus) -> None:
    unused = copy.deepcopy(made)
    with torch.inference_mode():
        unused(grid(pooled_of(2)))
    features = grid(pooled_of(2)).requires_grad_()
    [slope] = torch.autograd.grad(unused(features).sum(), [features])
    assert slope.isfinite().all()


def test_a_consensus_that_was_used_can_be_loaded_anew(made: Consensus) -> None:
    """Another one of the same sizes: the tables of the first one are of no use then."""
    again, features, captions = copy.deepcopy(made), grid(pooled_of(2)), [ids(CAPTIONS[0][0])] * 2
    before = again.agreement(features, captions, range(2))
    with torch.no_grad():
        other = copy.deepcopy(made)
        other.gram_scales.mul_(2)
    again.load_state_dict(other.state_dict())
    torch.testing.assert_close(again.agreement(features, captions, range(2)), 2 * before)


def test_agreement_in_lower_precision_is_almost_the_same(made: Consensus) -> None:
    features, captions = grid(pooled_of(2)), [ids(CAPTIONS[0][0])] * 2
    wanted = made.agreement(features, captions, range(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = made.agreement(features, captions, range(2))
    torch.testing.assert_close(found.float(), wanted, rtol=0.05, atol=0.05)


def test_threads_that_use_it_for_the_first_time_together_leave_all_warnings_on(made: Consensus) -> None:
    features, together, before = grid(pooled_of(1)), threading.Barrier(4), list(warnings.filters)

    def use(one: Consensus) -> float:
        together.wait(60)
        return one.agreement(features, [ids(CAPTIONS[0][0])], [0]).item()

    with ThreadPoolExecutor(4) as threads:
        for _ in range(20):
            new = [copy.deepcopy(made) for _ in range(4)]
            assert len(set(threads.map(use, new))) == 1
    assert list(warnings.filters) == before


def test_tables_made_while_a_photo_is_opened_leave_warnings_as_they_were(
    made: Consensus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The photo's opener is done first; each of the two would put back what it met."""
    inside, opened = threading.Event(), threading.Event()
    make = torch.sparse_csr_tensor

    def make_slowly(*arguments: Any, **options: Any) -> Tensor:
        inside.set()
        assert opened.wait(60)
        return make(*arguments, **options)

    before = list(warnings.filters)
    with ThreadPoolExecutor(1) as threads:
        with WARNINGS_OFF:
            monkeypatch.setattr(torch, "sparse_csr_tensor", make_slowly)
            tables = threads.submit(copy.deepcopy(made).unpacked)
            assert inside.wait(60)
        opened.set()
        tables.result()
    assert list(warnings.filters) == before


def test_nothing_to_rank_is_no_fault(made: Consensus) -> None:
    features = grid(pooled_of(2))
    assert made.rank(features, [[], []]) == [[], []]
    assert made.agreement(features, [(), ()], [0, 1]).tolist() == [0.0, 0.0]


def test_words_that_the_model_does_not_know_are_in_no_table() -> None:
    few = Vocabulary.build([["a", "dog", "the", "lake"]], 1)
    made = consensus(vocabulary=few)
    assert made.words.max() < len(few)
    singles = {few.id(word) for word in ("a", "dog", "the", "lake")}
    pairs = {few.id(a) * len(few) + few.id(b) for a, b in (("a", "dog"), ("the", "lake"))}
    assert set(made.grams.tolist()) == singles | pairs


def test_only_so_many_are_kept() -> None:
    recipe = ConsensusRecipe(space=3, smallest_count=1, grams=7, photos=4)
    sizes = consensus(recipe=recipe).sizes
    assert (sizes.space, sizes.grams, sizes.photos) == (3, 7, 4)
    assert 7 <= sizes.entries <= 4 * 7


def test_photos_without_a_word_in_common_have_no_consensus() -> None:
    with pytest.raises(DataError, match="too few photos"):
        consensus(recipe=ConsensusRecipe(smallest_count=7))


def test_photos_that_all_have_the_same_words_have_no_consensus() -> None:
    with pytest.raises(DataError, match="the captions of all photos have the same words"):
        CaptionStatistics.of([CAPTIONS[0]] * 6, WORDS, EVERYTHING)


def test_more_than_a_model_may_hold_is_told_before_photos_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("captioner.configuration._MOST_ENTRIES", 9)
    with pytest.raises(DataError, match=r"too many photos or captions to agree with: entries is .* to 9 "):
        CaptionStatistics.of(CAPTIONS, WORDS, EVERYTHING)


def test_photos_that_all_look_the_same_have_no_consensus() -> None:
    with pytest.raises(DataError, match="look the same"):
        fit_consensus(
            torch.ones(len(CAPTIONS), CHANNELS),
            CaptionStatistics.of(CAPTIONS, WORDS, EVERYTHING),
            WORDS,
            EVERYTHING,
        )


def test_what_is_no_number_ranks_nothing(made: Consensus) -> None:
    features = grid(pooled_of(2))
    features[1, 0, 0] = torch.nan
    assert made.rank(features, [[Hypothesis((5,), -1.0, True)]] * 2) == [[], []]
