"""Words that come with what a photo shows gain, others lose; not where photos have taught the decoder."""

from __future__ import annotations

import copy
import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from captioner import checkpoint
from captioner.captioner import Captioner
from captioner.errors import ModelError
from captioner.guides import cooccurrence
from captioner.guides.cooccurrence import MOST, STEPS, STRENGTH, UNUSUAL, Cooccurrence
from captioner.guides.guided import guided
from captioner.networks.decoders import AttentionDecoder
from captioner.networks.detector import WordDetector
from tests.captioner.worlds import TINY, WORDS, tiny_checkpoint

CHANNELS = 1280
WITH_DETECTOR = dataclasses.replace(TINY, words=2, detector_words=3, detector_pairs=2)


def detector(*logits: float, learnt: float = -20.0) -> WordDetector:
    """Sees in every photo classes 0 and 1 with these logits; its words 2 and 0 are their names."""
    made = WordDetector(CHANNELS, 3, 2)
    made.ids.copy_(torch.tensor([WORDS.id(word) for word in ("red", "green", "blue")]))
    made.class_of.copy_(torch.tensor([0, 1]))
    made.word_of.copy_(torch.tensor([2, 0]))
    with torch.no_grad():
        made.classes.weight.zero_()
        made.classes.bias.fill_(-100.0)
        made.classes.bias[: len(logits)] = torch.tensor(logits)
        made.learnt.weight.zero_()
        made.learnt.bias.fill_(learnt)
    return made


def table(trust: float = 1.0, **lifts: float) -> Cooccurrence:
    """Lifts of words for the noun "blue", place 2 of the detector's; all others are 1."""
    made = Cooccurrence(1, len(WORDS))
    made.nouns.fill_(2)
    made.trust.fill_(trust)
    for word, lift in lifts.items():
        made.lifts[0, WORDS.id(word)] = round(math.log(lift) * STEPS)
    made.recognised.copy_(torch.tensor([1e6, 1.0]))  # so many words: every photo is new
    return made


def features(photos: int = 1) -> Tensor:
    return torch.zeros(photos, 4, CHANNELS)


def gain(made: Cooccurrence, by: WordDetector, word: str) -> float:
    return made.nats(features(), by)[0, WORDS.id(word)].item()


def test_a_word_gains_by_its_expected_lift() -> None:
    sure, half = detector(50.0), detector(0.0, 0.0)
    made = table(sky=math.e, field=1 / math.e)
    assert gain(made, sure, "sky") == pytest.approx(STRENGTH, abs=1e-4)
    assert gain(made, sure, "field") == pytest.approx(-STRENGTH, abs=1e-4)
    assert gain(made, sure, "wall") == pytest.approx(0.0, abs=1e-6)
    assert gain(made, half, "sky") == pytest.approx(STRENGTH * math.log((1 + math.e) / 2), abs=1e-4)


def test_nothing_is_gained_by_what_the_classifier_does_not_see_or_what_nobody_vouches_for() -> None:
    made = table(sky=100.0)
    assert gain(made, detector(-80.0, 50.0), "sky") == pytest.approx(0.0, abs=1e-4)
    assert gain(table(trust=0.0, sky=100.0), detector(50.0), "sky") == pytest.approx(0.0, abs=1e-6)


def test_nouns_of_one_class_count_together_as_one() -> None:
    by, made = detector(50.0), Cooccurrence(2, len(WORDS))
    by.class_of.copy_(torch.tensor([0, 0]))  # both nouns are sure
    made.nouns.copy_(torch.tensor([0, 2]))
    made.lifts[:, WORDS.id("sky")] = STEPS
    made.recognised.copy_(torch.tensor([1e6, 1.0]))
    for trust, weight in ((0.25, 0.5), (0.5, 1.0), (1.0, 1.0)):
        made.trust.fill_(trust)
        assert gain(made, by, "sky") == pytest.approx(
            STRENGTH * math.log(1 + weight * (math.e - 1)), abs=1e-4
        )


def test_it_can_be_differentiated_after_use() -> None:
    made, by = table(sky=2.0), detector(0.0, 0.0)
    with torch.inference_mode():
        made.nats(features(), by)
    photos = features().requires_grad_()
    [slope] = torch.autograd.grad(made.nats(photos, by).sum(), [photos])
    assert slope.shape == photos.shape


def test_no_word_gains_or_loses_more_than_the_most() -> None:
    made = table(sky=2_000.0, field=1 / 2_000.0)
    assert gain(made, detector(50.0), "sky") == pytest.approx(MOST)
    assert gain(made, detector(50.0), "field") == pytest.approx(-MOST)


def test_specials_are_no_words() -> None:
    made = table(sky=9.0)
    made.lifts[:, :4] = 40
    assert made.nats(features(), detector(50.0))[0, :4].tolist() == [0.0] * 4


def test_a_photo_as_familiar_as_the_training_photos_gains_nothing() -> None:
    """The text only disturbs where photos have taught the decoder."""
    made, by = table(sky=math.e), detector(50.0, learnt=50.0)  # recognises all of its three words
    made.recognised.copy_(torch.tensor([3.0, 0.5]))
    assert gain(made, by, "sky") < 0.05 * STRENGTH
    by.learnt.bias.data.fill_(-50.0)  # none of them
    made.recognised.copy_(torch.tensor([0.5 * UNUSUAL, 0.5]))
    assert made.novelty(features(), by).item() == pytest.approx(0.5)
    usual = torch.linspace(6.0, 0.0, 20)
    at = torch.cat([made.novelty(features(), by) for made.recognised[0] in usual])
    assert (at.diff() <= 0).all() and at[0] > 0.9 > 0.1 > at[-1] and at.min() >= 0 and at.max() <= 1


def test_a_table_that_is_loaded_anew_counts_at_once() -> None:
    made, by = table(sky=2.0), detector(50.0)
    assert gain(made, by, "sky") > 0
    made.load_state_dict(table(sky=0.5).state_dict())
    assert gain(made, by, "sky") < 0
    assert gain(copy.deepcopy(made), by, "sky") < 0


def test_each_photo_of_a_batch_has_its_own() -> None:
    torch.manual_seed(0)
    by = detector(0.0, 0.0)
    with torch.no_grad():
        by.classes.weight[:2].normal_(std=0.3)
    made, photos = table(sky=7.0, field=0.2), torch.randn(5, 4, CHANNELS)
    together = made.nats(photos, by)
    for row in range(5):
        torch.testing.assert_close(made.nats(photos[row : row + 1], by)[0], together[row])
    assert together[:, WORDS.id("sky")].std() > 0.01


def _with_table() -> checkpoint.Checkpoint:
    made = tiny_checkpoint(config=WITH_DETECTOR)
    made.model.set_cooccurrence(table(sky=7.0, field=0.2))
    return made


def test_a_models_decoder_is_guided_by_it() -> None:
    model = _with_table().model
    decoder, company = model.decoder, model.cooccurrence
    assert isinstance(decoder, AttentionDecoder) and company is not None
    photos = torch.randn(3, 4, CHANNELS)
    with torch.inference_mode():
        nats = company.nats(photos, decoder.detector)
        with_table = guided(decoder, model, WORDS).begin(photos)[0]
        model.set_cooccurrence(None)
        without = guided(decoder, model, WORDS).begin(photos)[0]
    torch.testing.assert_close(with_table - without, nats, atol=1e-4, rtol=1e-4)
    assert model.config.cooccurrence == 0


def test_what_is_saved_is_what_is_loaded_and_named_in_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _with_table()
    folder = tmp_path / "with"
    checkpoint.save(made, folder, half=False)
    loaded = checkpoint.load(folder).model
    assert loaded.config == made.model.config and loaded.config.cooccurrence == 1
    for name, value in made.model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert checkpoint.load(folder, statistics=False).model.cooccurrence is None
    identity = Captioner.load(folder, "cpu").identity
    monkeypatch.setattr(cooccurrence, "NUMBERS", (2.0, *cooccurrence.NUMBERS[1:]))
    assert Captioner.load(folder, "cpu").identity != identity


@pytest.mark.parametrize(
    ("tensor", "value", "says"),
    [
        ("nouns", 3, "nouns holds numbers outside 0 to 2"),
        ("nouns", -1, "nouns holds numbers outside 0 to 2"),
        ("trust", 1.5, "trust holds numbers outside 0 to 1"),
        ("recognised", 0.0, "recognised holds no deviation above 0"),
        ("lifts", torch.zeros(1, len(WORDS), dtype=torch.long), "lifts holds torch.int64; torch.int8"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, tensor: str, value: float | Tensor, says: str) -> None:
    made = _with_table()
    assert made.model.cooccurrence is not None
    if isinstance(value, Tensor):
        setattr(made.model.cooccurrence, tensor, value)
    else:
        made.model.cooccurrence.get_buffer(tensor).fill_(value)
    folder = tmp_path / "model"
    checkpoint.save(made, folder)
    with pytest.raises(ModelError, match=rf"cooccurrence\.{says}"):
        checkpoint.load(folder)


def test_the_first_and_the_last_word_and_all_and_no_trust_are_sound() -> None:
    made = Cooccurrence(2, len(WORDS))
    made.nouns.copy_(torch.tensor([0, 2]))
    made.trust.copy_(torch.tensor([0.0, 1.0]))
    made.recognised.fill_(1.0)
    assert made.out_of_range(3) == ""


@pytest.mark.parametrize("nouns", [4, -1, "many", 10**9])
def test_a_table_that_does_not_fit_the_detector_is_refused(nouns: object) -> None:
    with pytest.raises(ModelError, match="cooccurrence is"):
        dataclasses.replace(WITH_DETECTOR, cooccurrence=nouns)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="cooccurrence is 1; of the detector's words there are 0"):
        dataclasses.replace(TINY, cooccurrence=1)


def test_a_table_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(ModelError, match="100,000 nouns with 100,000 words are too many"):
        Cooccurrence(100_000, 100_000)
