"""Captions go on as the text does, where a photo is new; and subjects do what subjects like them do."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from captioner import checkpoint
from captioner.captioner import Captioner
from captioner.configuration import PhrasingSizes
from captioner.effort import Effort
from captioner.errors import ModelError
from captioner.guides import phrasing
from captioner.guides.phrasing import SHARE, STEPS, Phrasing, Said
from captioner.model import CaptionModel
from captioner.train.phrasing import fit_phrasing
from captioner.vocabulary import END, SPECIALS, START, UNK, Vocabulary
from tests.captioner.guides.test_cooccurrence import WITH_DETECTOR, table
from tests.captioner.worlds import WORDS, tiny_checkpoint

NOUNS = "man woman pizza slice cake group people shirt table".split()
VERBS = "eating sitting riding wearing".split()
LITTLE = Vocabulary([*SPECIALS, *"a the is are and of in on two red black".split(), *NOUNS, *VERBS])
TEXT = [
    "a man is eating pizza",
    "a woman eating a slice of pizza",
    "a pizza is sitting on a table",
    "a man in a red shirt is eating cake",
    "a group of people are sitting on a table",
    "the woman is wearing a red shirt",
    "a man is riding",
] * 8
WORD_IDS = st.integers(0, len(LITTLE) - 1)
LINES = st.lists(st.lists(st.sampled_from(LITTLE.words[UNK + 1 :]), max_size=7), min_size=1, max_size=12)


def ids(text: str) -> list[int]:
    return [LITTLE.id(word) for word in text.split()]


def fitted(text: Sequence[str] = TEXT, photos: Sequence[str] = ()) -> Phrasing:
    """With words alike that stand beside each other in `NOUNS`."""
    embeddings = torch.zeros(len(LITTLE), len(LITTLE) + 1)
    for word in range(len(LITTLE)):
        embeddings[word, word : word + 2] = 1.0
    lines, further = ([line.split() for line in some] for some in (text, photos))
    result = fit_phrasing(lines, further, torch.tensor(ids(" ".join(NOUNS))), embeddings, LITTLE)
    assert result is not None
    return result


def said_of(made: Phrasing, words: Sequence[int]) -> Tensor:
    said = made.begin(1)
    for word in words:
        said = made.follow(said, torch.tensor([word]))
    return said


def gains(made: Phrasing, words: Sequence[int], novelty: float) -> Tensor:
    scores = torch.zeros(1, len(LITTLE))
    made.add_nats(scores, said_of(made, words), torch.tensor([novelty]))
    return scores[0]


def subject(text: str) -> str:
    """The subject whose verb may come after this beginning; "" where none may."""
    now = Said(*said_of(fitted(), ids(text)).unbind(dim=1))
    return LITTLE.words[int(now.subject)] if now.asks else ""


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        ("", ""),
        ("a", ""),
        ("a pizza", "pizza"),
        ("a pizza is", "pizza"),
        ("a red and black pizza is", "pizza"),
        ("two man and a pizza are", "man"),
        ("a group of people are", "people"),
        ("a man in a red shirt", ""),
        ("a man in a red shirt is", "man"),
        ("a man is on a table and a pizza is", ""),
        ("a man eating", ""),
        ("a red on a table is", "red"),
        ("is", ""),
    ],
)
def test_the_subject_is_the_noun_before_any_other_phrase(beginning: str, expected: str) -> None:
    assert subject(beginning) == expected


def test_what_is_eaten_does_not_eat() -> None:
    made = fitted()
    after = gains(made, ids("a pizza is"), novelty=0.0)
    assert after[LITTLE.id("eating")] < -2 and after[LITTLE.id("sitting")] == 0
    assert gains(made, ids("a man is"), novelty=0.0)[LITTLE.id("eating")] == 0
    assert (gains(made, ids("a man is on a pizza"), novelty=0.0) == 0).all()


def test_the_training_photos_captions_tell_of_verbs_too() -> None:
    told = fitted(photos=["a pizza is eating"] * 300)
    assert gains(told, ids("a pizza is"), 0.0)[LITTLE.id("eating")] == 0
    assert gains(fitted(), ids("a pizza is"), 0.0)[LITTLE.id("eating")] < 0


@settings(max_examples=20)  # each fits its own tables
@given(LINES, st.lists(WORD_IDS.filter(lambda word: word > UNK), max_size=5))
def test_gains_are_those_of_a_trigram_model(text: list[list[str]], beginning: list[int]) -> None:
    """Against the textbook's formula: all words differ from it by the same constant."""
    lines = [[LITTLE.id(word) for word in line] for line in text] + [ids(line) for line in TEXT]
    made = fitted([" ".join(line) for line in text] + TEXT)
    last = [START, START, *beginning][-2:]
    expected = torch.tensor([_trigram(lines, (*last, word)) - _alone(lines, word) for word in _written()])
    got = gains(made, beginning, novelty=1.0)
    # verbs may lose as well, so they are left out
    kept = [place for place, word in enumerate(_written()) if word not in made.verbs.tolist()]
    differences = expected[kept] - got[_written()][kept] / SHARE
    assert differences.max() - differences.min() <= 2.1 / STEPS


def _written() -> list[int]:
    return [word for word in range(len(LITTLE)) if word == END or word > UNK]


def _alone(lines: list[list[int]], word: int) -> float:
    count = sum([*line, END].count(word) for line in lines)
    return math.log((count + 0.5) / (sum(len(line) + 1 for line in lines) + 0.5 * len(LITTLE)))


def _trigram(lines: list[list[int]], words: tuple[int, ...]) -> float:
    """Logarithm of the smoothed probability of the last of these words after those before it."""
    if len(words) == 1:
        return _alone(lines, words[0])
    whole = [[START, START, *line, END] for line in lines]
    grams = [tuple(line[at : at + len(words)]) for line in whole for at in range(len(line) - len(words) + 1)]
    same = [gram for gram in grams if gram[:-1] == words[:-1]]
    shorter = _trigram(lines, words[1:])
    if not same:
        return shorter
    left = 0.75 * len(set(same)) / len(same) * math.exp(shorter)
    return math.log(max(same.count(words) - 0.75, 0) / len(same) + left)


@pytest.fixture(scope="module")
def made() -> Phrasing:
    return fitted()


@given(beginning=st.lists(WORD_IDS, max_size=6), novelty=st.floats(0, 1))
def test_the_text_has_as_much_say_as_a_photo_is_new(
    made: Phrasing, beginning: list[int], novelty: float
) -> None:
    base, whole, part = (gains(made, beginning, share) for share in (0.0, 1.0, novelty))
    expected = base + (whole - base) * (novelty if novelty > phrasing.FAMILIAR else 0.0)
    torch.testing.assert_close(part, expected, atol=1e-5, rtol=1e-5)


@given(captions=st.lists(st.lists(WORD_IDS, min_size=3, max_size=3), min_size=1, max_size=5))
def test_captions_together_gain_what_each_gains_alone(made: Phrasing, captions: list[list[int]]) -> None:
    scores = torch.zeros(len(captions), len(LITTLE))
    said = made.begin(len(captions))
    for words in torch.tensor(captions).T:
        said = made.follow(said, words)
    novelty = torch.linspace(0, 1, len(captions))
    made.add_nats(scores, said, novelty)
    for row, caption in enumerate(captions):
        torch.testing.assert_close(scores[row], gains(made, caption, novelty[row].item()))


def test_gains_stay_when_more_contexts_come_than_are_kept(
    made: Phrasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phrasing, "KEPT", 2)
    few = copy.deepcopy(made)
    few.load_state_dict(made.state_dict())
    for _ in range(2):
        for beginning in ("a", "a man", "a man is", "a pizza", "the"):
            assert torch.equal(gains(few, ids(beginning), 1.0), gains(made, ids(beginning), 1.0))


def test_a_vocabulary_too_large_for_short_numbers_keeps_its_ids() -> None:
    sizes = PhrasingSizes(pairs=2, triples=1, subjects=1, verbs=1)
    made = Phrasing(sizes, 40_000)
    made.pair_words.fill_(39_999)
    assert made.pair_words.tolist() == [39_999, 39_999]


def test_a_text_without_verbs_tells_nothing() -> None:
    assert fit_phrasing([["red", "pizza"]], [], torch.tensor(ids("pizza")), torch.ones(99, 2), LITTLE) is None


def test_words_that_the_vocabulary_lacks_do_no_harm() -> None:
    made = fitted([*TEXT, "a xylophone is eating a zither", "yodel"])
    assert UNK not in made.pair_words and UNK not in made.triple_words and not made.out_of_range()


def _with_phrasing() -> checkpoint.Checkpoint:
    made = tiny_checkpoint(config=WITH_DETECTOR)
    made.model.set_cooccurrence(table(sky=7.0))
    made.model.set_phrasing(_colourful())
    return made


def _colourful() -> Phrasing:
    """After "a" red, after "a red" the sky; a field that "is" not: there is no such word."""
    made = Phrasing(PhrasingSizes(pairs=2, triples=1, subjects=1, verbs=1), len(WORDS))
    a, red, sky = (WORDS.id(word) for word in ("a", "red", "sky"))
    made.pair_counts[START] = made.pair_counts[a] = 1
    made.pair_words.copy_(torch.tensor([a, red]))
    made.pair_gains.fill_(255)
    made.triple_counts[1] = 1
    made.triple_words.fill_(sky)
    made.triple_gains.fill_(255)
    made.subjects.fill_(red)
    made.verbs.fill_(sky)
    made.losses.fill_(16)
    return made


def test_verbs_of_the_first_subject_lose_too() -> None:
    made, scores = _colourful(), torch.zeros(2, len(WORDS))
    said = made.follow(made.begin(2), torch.tensor([WORDS.id("red"), WORDS.id("sky")]))
    made.add_nats(scores, said, torch.zeros(2))
    assert scores[:, WORDS.id("sky")].tolist() == [-16 / STEPS, 0.0]
    assert scores.count_nonzero() == 1


def test_a_models_captions_change_and_stay_when_it_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _with_phrasing()
    monkeypatch.setattr(phrasing, "SHARE", 5.0)  # a tiny model is as good as deaf
    folder = tmp_path / "model"
    checkpoint.save(made, folder)
    captioner = Captioner.load(folder, "cpu")
    photos = [captioner.features(torch.full((1, 64, 64, 3), 40 * shade).byte()) for shade in range(5)]
    texts = [captioner.write(photo, Effort(3, 1, 0.0))[0][0].text for photo in photos]
    assert all(text.startswith("a red sky") for text in texts)
    plain = checkpoint.load(folder, statistics=False)
    assert plain.model.phrasing is None and plain.model.config.phrasing is None
    monkeypatch.setattr(phrasing, "NUMBERS", (0.5, 0.01))
    assert Captioner.load(folder, "cpu").identity != captioner.identity


@pytest.mark.parametrize(
    ("tensor", "value", "says"),
    [
        ("pair_words", -1, "pair_words holds numbers outside"),
        ("triple_words", 999, "triple_words holds numbers outside"),
        ("subjects", 999, "subjects holds numbers outside"),
        ("verbs", -2, "verbs holds numbers outside"),
        ("kinds", 77, "kinds holds numbers above"),
        ("pair_counts", 5, "pair_counts holds other numbers"),
        ("triple_counts", -1, "triple_counts holds other numbers"),
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, tensor: str, value: int, says: str) -> None:
    made = _with_phrasing()
    assert made.model.phrasing is not None
    made.model.phrasing.get_buffer(tensor).fill_(value)
    checkpoint.save(made, tmp_path / "model")
    with pytest.raises(ModelError, match=says):
        checkpoint.load(tmp_path / "model")


def test_pairs_out_of_order_are_refused() -> None:
    made = fitted()
    made.pair_words.copy_(made.pair_words.flip(0))
    assert made.out_of_range() == "pair_words holds ids that do not rise"


def test_it_needs_a_table_of_words_that_come_together() -> None:
    sizes = PhrasingSizes(pairs=2, triples=1, subjects=1, verbs=1)
    with pytest.raises(ModelError, match="phrasing needs cooccurrence"):
        dataclasses.replace(WITH_DETECTOR, phrasing=sizes)
    with pytest.raises(ModelError, match="pairs is 0"):
        PhrasingSizes(pairs=0, triples=1, subjects=1, verbs=1)
    model: CaptionModel = _with_phrasing().model
    model.set_cooccurrence(None)
    assert model.phrasing is None and model.config.phrasing is None


def test_tables_that_are_loaded_anew_count_at_once() -> None:
    made, other = fitted(), fitted()
    before = gains(made, ids("a"), 1.0)
    other.pair_gains.zero_()
    made.load_state_dict(other.state_dict())
    assert not torch.equal(gains(made, ids("a"), 1.0), before)
    assert torch.equal(gains(copy.deepcopy(made), ids("a"), 1.0), gains(other, ids("a"), 1.0))


def test_tables_that_were_used_can_be_copied_and_pickled(made: Phrasing) -> None:
    """As captioners are, for other processes."""
    expected = gains(made, ids("a man is"), 1.0)
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert torch.equal(gains(copied, ids("a man is"), 1.0), expected)
