"""Decoding against brute force on toy decoders, and the same for any batch."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from captioner.decode import Decoding, decode, sample
from captioner.networks.decoders import State
from captioner.vocabulary import END

WORDS = 5  # ids 0..4, END among them


class ToyDecoder:
    """The next word's scores depend on the row, on the last word and on the number of words so far."""

    def __init__(self, seed: int, words: int = WORDS, sharpness: float = 2.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.table = sharpness * torch.randn(12, words + 1, words, generator=generator)
        self.words = words

    def begin(self, features: Tensor) -> tuple[Tensor, State, State]:
        start = torch.full((len(features),), self.words)
        scores, state = self.step(start, (features,), (torch.zeros(len(features), dtype=torch.long),))
        return scores, (features,), state

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        feature = fixed[0].repeat_interleave(len(words) // len(fixed[0]))
        return self.table[state[0], words] * feature[:, None], (state[0] + 1,)


def features(*values: float) -> Tensor:
    return torch.tensor(values)


def log_probability(decoder: ToyDecoder, feature: float, ids: tuple[int, ...]) -> float:
    total, last = 0.0, decoder.words
    for place, word in enumerate(ids):
        total += float((decoder.table[place, last] * feature).log_softmax(0)[word])
        last = word
    return total


def exhaustive(decoder: ToyDecoder, feature: float, how: Decoding) -> tuple[tuple[int, ...], float]:
    """The best of all sequences that end, or that are as long as may be."""
    found = []
    open_words = [word for word in range(decoder.words) if word != END and word not in how.barred]
    for length in range(1, how.max_words + 1):
        for ids in itertools.product(open_words, repeat=length - 1):
            total = log_probability(decoder, feature, (*ids, END))
            found.append((total / length**how.length_penalty, ids))
    score, ids = max(found)
    return ids, score


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), penalty=st.sampled_from([0.0, 0.7, 1.0]))
def test_a_beam_as_wide_as_all_sequences_is_exhaustive_search(seed: int, penalty: float) -> None:
    decoder = ToyDecoder(seed, words=4)
    how = Decoding(beam=120, max_words=4, length_penalty=penalty)
    found = decode(decoder, features(1.0, 0.5), how, n_best=120)
    for row, feature in zip(found, (1.0, 0.5), strict=True):
        ended = [one for one in row if one.ended]
        ids, score = exhaustive(decoder, feature, how)
        assert ended[0].score == pytest.approx(score, abs=1e-4)
        assert ended[0].ids == ids


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_beam_1_is_greedy_search(seed: int) -> None:
    decoder = ToyDecoder(seed)
    [[found]] = decode(decoder, features(1.0), Decoding(beam=1, max_words=8))
    ids: list[int] = []
    last = decoder.words
    while len(ids) < 8 and last != END:
        last = int((decoder.table[len(ids), last]).argmax())
        ids.append(last)
    ended = ids[-1] == END
    assert found.ids == tuple(ids[:-1] if ended else ids)
    assert found.ended == ended
    total = log_probability(decoder, 1.0, tuple(ids))
    assert found.score == pytest.approx(total / len(ids) ** 0.7, abs=1e-4)


def beam_search(decoder: ToyDecoder, feature: float, how: Decoding) -> list[tuple[float, tuple[int, ...]]]:
    """Scores and ids (with their `<end>`), the best first, as `decode` says it: one row, and to the end."""
    closed: list[tuple[int, ...]] = []
    opened: list[tuple[int, ...]] = [()]
    while len(closed) < how.beam and len(opened[0]) < how.max_words:
        longer = [(*ids, word) for ids in opened for word in range(decoder.words)]
        longer.sort(key=lambda ids: log_probability(decoder, feature, ids), reverse=True)
        closed += [ids for ids in longer[: how.beam] if ids[-1] == END][: how.beam - len(closed)]
        opened = [ids for ids in longer if ids[-1] != END][: how.beam]
    closed += opened[: how.beam - len(closed)]
    scored = (
        (log_probability(decoder, feature, ids) / len(ids) ** how.length_penalty, ids) for ids in closed
    )
    return sorted(scored, reverse=True)


@settings(max_examples=40, deadline=None)
@example(seed=11, beam=3, fewer=0)  # more would end than there is room for, and better than what is there
@given(seed=st.integers(0, 999), beam=st.integers(2, 4), fewer=st.integers(0, 1))
def test_a_beam_finds_what_a_plain_one_finds(seed: int, beam: int, fewer: int) -> None:
    decoder, how = ToyDecoder(seed), Decoding(beam, max_words=5)
    [found] = decode(decoder, features(1.0), how, n_best=beam - fewer)
    plain = beam_search(decoder, 1.0, how)[: beam - fewer]
    assert [(*one.ids, END) if one.ended else one.ids for one in found] == [ids for _, ids in plain]
    assert [one.score for one in found] == pytest.approx([score for score, _ in plain], abs=1e-4)


def test_a_caption_that_gets_better_by_its_length_is_waited_for() -> None:
    """At first its word is worse than the end; what follows it is certain, and costs nothing."""
    decoder = ToyDecoder(1)
    decoder.table[:] = -1e4
    decoder.table[0, :, [END, 3]] = torch.tensor([-0.55, -0.95])
    decoder.table[0, :, [0, 1, 4]] = math.log((1 - math.exp(-0.55) - math.exp(-0.95)) / 3)
    decoder.table[1:9, :, 3] = 0.0
    decoder.table[9, :, END] = 0.0
    [[found]] = decode(decoder, features(1.0), Decoding(beam=2, max_words=10, length_penalty=0.7))
    assert (found.ids, found.ended) == ((3,) * 9, True)
    assert found.score == pytest.approx(-0.95 / 10**0.7, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), beam=st.integers(1, 6), n_best=st.integers(1, 6))
def test_n_best_are_different_sorted_and_truly_scored(seed: int, beam: int, n_best: int) -> None:
    decoder = ToyDecoder(seed)
    how = Decoding(beam=beam, max_words=6)
    [row] = decode(decoder, features(1.0), how, n_best=n_best)
    assert 1 <= len(row) <= n_best
    assert len({one.ids for one in row}) == len(row)
    assert [one.score for one in row] == sorted((one.score for one in row), reverse=True)
    for one in row:
        ids = (*one.ids, END) if one.ended else one.ids
        wanted = log_probability(decoder, 1.0, ids) / len(ids) ** how.length_penalty
        assert one.score == pytest.approx(wanted, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), beam=st.integers(1, 4), n_best=st.integers(1, 5))
def test_runners_up_come_beside_what_fills_the_beam(seed: int, beam: int, n_best: int) -> None:
    decoder, width = ToyDecoder(seed), max(beam, n_best)
    how = Decoding(beam, max_words=4)
    [full] = decode(decoder, features(1.0), how, n_best=width)
    [found] = decode(decoder, features(1.0), dataclasses.replace(how, runners_up=True), n_best)
    assert set(full) <= set(found)
    assert len({one.ids for one in found}) == len(found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        ids = (*one.ids, END) if one.ended else one.ids
        total = log_probability(decoder, 1.0, ids)
        assert one.score == pytest.approx(total / len(ids) ** how.length_penalty, rel=1e-4, abs=1e-4)


def test_runners_up_are_the_ends_among_twice_as_many() -> None:
    """With a beam of one, at each step the second best continuation may be the end."""
    decoder = ToyDecoder(3)
    table = decoder.table
    table[:] = -10.0
    table[..., 3], table[..., END] = 2.0, 1.0
    found = decode(decoder, features(1.0), Decoding(1, max_words=3, runners_up=True))[0]
    assert {one.ids for one in found} == {(3, 3, 3), (), (3,), (3, 3)}
    table[..., 4] = 1.5  # then the end is the third best
    found = decode(decoder, features(1.0), Decoding(1, max_words=3, runners_up=True))[0]
    assert {one.ids for one in found} == {(3, 3, 3)}


def test_there_are_no_runners_up_behind_the_end_of_a_search() -> None:
    """The beam is full with the first end, though what goes on would score better by its length."""
    decoder = ToyDecoder(3)
    decoder.table[:] = -1e4
    decoder.table[..., END], decoder.table[..., 3] = math.log(0.6), math.log(0.4)
    decoder.table[1:] = -1e4
    decoder.table[1:, :, 3] = 0.0
    found = decode(decoder, features(1.0), Decoding(1, max_words=4, runners_up=True))[0]
    assert [(one.ids, one.ended) for one in found] == [((), True)]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    values=st.lists(st.floats(0.1, 2.0), min_size=1, max_size=6),
    beam=st.integers(1, 4),
)
def test_a_row_is_the_same_in_any_batch(seed: int, values: list[float], beam: int) -> None:
    decoder = ToyDecoder(seed)
    how = Decoding(beam=beam, max_words=7)
    together = decode(decoder, features(*values), how, n_best=2)
    alone = [decode(decoder, features(value), how, n_best=2)[0] for value in values]
    assert [[one.ids for one in row] for row in together] == [[one.ids for one in row] for row in alone]


@pytest.mark.parametrize("beam", [1, 3])
def test_barred_words_are_never_written(beam: int) -> None:
    for seed in range(10):
        rows = decode(ToyDecoder(seed), features(1.0, 1.5), Decoding(beam, 6, barred=(0, 3)), n_best=3)
        assert not {0, 3} & {word for row in rows for one in row for word in one.ids}
        assert all(math.isfinite(one.score) for row in rows for one in row)


def test_what_cannot_be_written_fills_no_beam() -> None:
    """One word and the end are fewer continuations than a beam of three could hold."""
    how = Decoding(beam=3, max_words=2, barred=(0, 1, 4))
    [found] = decode(ToyDecoder(1), features(1.0), how, n_best=3)
    assert {(one.ids, one.ended) for one in found} == {((), True), ((3,), True), ((3, 3), False)}
    [found] = decode(ToyDecoder(1), features(1.0), dataclasses.replace(how, max_words=1), n_best=3)
    assert {(one.ids, one.ended) for one in found} == {((), True), ((3,), False)}


@pytest.mark.parametrize("beam", [1, 3])
def test_a_caption_that_never_ends_is_cut_off_and_says_so(beam: int) -> None:
    decoder = ToyDecoder(1)
    decoder.table[..., END] = -1e4
    [[found]] = decode(decoder, features(1.0), Decoding(beam, max_words=5))
    assert (len(found.ids), found.ended) == (5, False)


def test_a_caption_may_be_empty() -> None:
    decoder = ToyDecoder(1)
    decoder.table[..., END] = 1e4
    [[found]] = decode(decoder, features(1.0), Decoding(1))
    assert (found.ids, found.ended) == ((), True)
    assert found.score == pytest.approx(0.0)


def test_groups_without_a_penalty_all_find_the_same() -> None:
    decoder = ToyDecoder(4)
    [plain] = decode(decoder, features(1.0), Decoding(beam=2, max_words=6), n_best=1)
    [row] = decode(decoder, features(1.0), Decoding(beam=2, max_words=6, groups=3), n_best=6)
    assert row[0].ids == plain[0].ids
    assert len({one.ids for one in row}) == len(row) <= 2


def test_a_strong_penalty_makes_every_group_begin_otherwise() -> None:
    decoder = ToyDecoder(4)
    how = Decoding(beam=1, max_words=6, groups=3, diversity=1e4)
    [row] = decode(decoder, features(1.0), how, n_best=3)
    assert len({one.ids[:1] for one in row}) == 3
    for one in row:  # scores are of the decoder alone, without the penalty
        ids = (*one.ids, END) if one.ended else one.ids
        assert one.score == pytest.approx(log_probability(decoder, 1.0, ids) / len(ids) ** 0.7, abs=1e-4)


def test_every_group_may_end_at_once() -> None:
    """A strong penalty for what another group chose holds for words alone."""
    decoder = ToyDecoder(4)
    decoder.table[1, :, END] = 100.0
    [row] = decode(decoder, features(1.0), Decoding(beam=1, max_words=6, groups=2, diversity=1e4), n_best=2)
    assert [(len(one.ids), one.ended) for one in row] == [(1, True)] * 2


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), values=st.lists(st.floats(0.1, 2.0), min_size=1, max_size=4))
def test_groups_are_the_same_in_any_batch(seed: int, values: list[float]) -> None:
    decoder = ToyDecoder(seed)
    how = Decoding(beam=2, max_words=6, groups=2, diversity=0.7)
    together = decode(decoder, features(*values), how, n_best=4)
    alone = [decode(decoder, features(value), how, n_best=4)[0] for value in values]
    assert [[one.ids for one in row] for row in together] == [[one.ids for one in row] for row in alone]


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_sampling_follows_the_decoders_distribution(temperature: float) -> None:
    decoder = ToyDecoder(3, sharpness=1.0)
    torch.manual_seed(0)
    drawn = sample(decoder, torch.ones(4000), 1, barred=(0,), temperature=temperature)
    chances = decoder.table[0, decoder.words] / temperature
    chances[0] = -torch.inf
    shares = [sum(row == [word] for row in drawn) / 4000 for word in range(WORDS)]
    shares[END] = sum(row == [] for row in drawn) / 4000
    assert shares == pytest.approx(chances.softmax(0).tolist(), abs=0.03)


def test_sampling_can_be_given_its_first_word() -> None:
    decoder = ToyDecoder(3)
    decoder.table[1] = -1e4
    decoder.table[1, 4, 3] = 1e4
    decoder.table[2, ..., END] = 1e5
    assert sample(decoder, features(1.0), 5, first=4) == [[3]]


@pytest.mark.parametrize("run", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_no_run_of_words_is_written_twice(run: int, seed: int) -> None:
    how = Decoding(beam=2, max_words=12, barred=(END,), unrepeated=run)
    for row in decode(ToyDecoder(seed, words=20), features(0.5, 2.0), how):
        ids = row[0].ids
        runs = [ids[i : i + run] for i in range(len(ids) - run + 1)]
        assert len(runs) == len(set(runs))


@pytest.mark.parametrize("apart", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_no_word_comes_back_at_once(apart: int, seed: int) -> None:
    how = Decoding(beam=2, max_words=12, barred=(END,), apart=apart)
    for row in decode(ToyDecoder(seed, words=20), features(0.5, 2.0), how):
        ids = row[0].ids
        assert all(ids[i] not in ids[i + 1 : i + 1 + apart] for i in range(len(ids)))


@pytest.mark.parametrize("seed", range(5))
def test_only_some_words_come_twice(seed: int) -> None:
    decoder = ToyDecoder(seed)
    decoder.table[..., END] = -9.0
    how = Decoding(beam=3, max_words=9, repeatable=(0, 3))
    [found] = decode(decoder, features(1.0), how, n_best=3)
    for one in found:
        others = [word for word in one.ids if word not in (0, 3)]
        assert len(others) == len(set(others))
    free = decode(decoder, features(1.0), Decoding(beam=3, max_words=9))[0][0].ids
    assert max(map(free.count, free)) > 1


@pytest.mark.parametrize("seed", range(8))
def test_a_caption_uses_one_word_of_a_group(seed: int) -> None:
    decoder = ToyDecoder(seed, words=9)
    decoder.table[..., END] = -9.0
    group = {5, 6, 7}
    how = Decoding(beam=3, max_words=9, synonyms=(tuple(group),))
    for one in decode(decoder, features(1.0, 2.0), how, n_best=3)[0]:
        assert len(group.intersection(one.ids)) < 2
    free = [row[0].ids for row in decode(decoder, features(1.0, 2.0), Decoding(beam=3, max_words=9))]
    assert any(len(group.intersection(ids)) > 1 for ids in free)


@pytest.mark.parametrize("rule", [{"unrepeated": 2}, {"apart": 2}, {"repeatable": (0, 3)}], ids=str)
def test_what_no_rule_forbids_may_come_again(rule: dict[str, Any]) -> None:
    """Of four words nine are written; of the last two rules' only some more than once."""
    how = Decoding(beam=2, max_words=9, barred=(END,), **rule)
    [[found]] = decode(ToyDecoder(1), features(1.0), how)
    assert (len(found.ids), found.ended) == (9, False)


def test_a_run_may_be_repeated_where_nothing_is_said() -> None:
    [[found]] = decode(ToyDecoder(1), features(1.0), Decoding(beam=1, max_words=12, barred=(END,)))
    assert len(set(found.ids)) < len(found.ids)
