"""What the detector does not see is written less readily; words that it does not know as ever."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from captioner.configuration import CONFIGURATIONS
from captioner.decode import decode
from captioner.decoding_settings import usual_decoding
from captioner.guides.doubt import MOST, SHARE, SUBJECTS, Subject, doubt_of
from captioner.guides.guided import guided
from captioner.model import CaptionModel
from captioner.networks.decoders import AttentionDecoder, Decoder
from captioner.networks.detector import WordDetector
from captioner.vocabulary import Vocabulary
from tests.captioner.worlds import TINY

WORDS = Vocabulary.build([["a", "dog", "man", "cat", "runs", "people"]] * 4, 1)
DETECTED = ["cat", "dog", "man"]
PEOPLE, DOGS = SUBJECTS


def detector_of(made: CaptionModel) -> WordDetector:
    assert isinstance(made.decoder, AttentionDecoder) and made.decoder.detector is not None
    return made.decoder.detector


def model(chances: dict[str, float]) -> CaptionModel:
    """A model whose detector says the same of every photo."""
    torch.manual_seed(3)
    config = dataclasses.replace(TINY, words=2, detector_words=len(DETECTED), detector_pairs=0)
    made = CaptionModel(config, len(WORDS)).eval()
    detector = detector_of(made)
    detector.ids.copy_(torch.tensor([WORDS.id(word) for word in DETECTED]))
    with torch.no_grad():
        detector.learnt.weight.zero_()
        detector.learnt.bias.copy_(torch.tensor([chances[word] for word in DETECTED]).logit())
        detector.classes.weight.zero_()
        detector.classes.bias.zero_()
    return made


def scores(made: CaptionModel, decoder: Decoder) -> tuple[Tensor, Tensor]:
    """Of the first word, and of the word after "a"."""
    features = torch.ones(1, made.config.grid**2, made.encoder.channels)
    with torch.inference_mode():
        first, fixed, state = decoder.begin(features)
        second, _ = decoder.step(torch.tensor([WORDS.id("a")]), fixed, state)
    return first[0], second[0]


def less_than_certain(chance: float) -> float:
    """What any word that the detector knows loses."""
    return SHARE * min(MOST, -math.log(chance))


def taken_off(made: CaptionModel, word: str) -> list[float]:
    """From the scores of the first word and of the second."""
    pairs = zip(scores(made, made.decoder), scores(made, guided(made.decoder, made, WORDS)), strict=True)
    return [(plain - lowered)[WORDS.id(word)].item() for plain, lowered in pairs]


@pytest.mark.parametrize("dog", [0.01, 0.4, 0.49, 0.9])
def test_a_word_is_lowered_by_how_much_it_and_its_subject_are_missing(dog: float) -> None:
    made = model({"cat": 0.02, "dog": dog, "man": 0.99})
    missing = DOGS.usual.strength * max(0.0, DOGS.usual.sure - dog)
    assert taken_off(made, "dog") == pytest.approx([missing + less_than_certain(dog)] * 2, abs=0.02)
    assert taken_off(made, "cat") == pytest.approx([less_than_certain(0.02)] * 2, abs=0.02)
    for unknown in ("a", "people", "runs"):
        assert taken_off(made, unknown) == pytest.approx([0.0] * 2, abs=1e-4)


def test_what_is_never_seen_loses_no_more_than_the_most() -> None:
    assert taken_off(model({"cat": 1e-9, "dog": 0.99, "man": 0.99}), "cat") == pytest.approx(
        [SHARE * MOST] * 2
    )


def test_any_sign_of_people_counts_for_all_their_words() -> None:
    made = model({"cat": 0.02, "dog": 0.99, "man": 0.3})
    missing = PEOPLE.usual.strength * (PEOPLE.usual.sure - 0.3)
    assert taken_off(made, "people") == pytest.approx([missing] * 2, abs=0.02)
    assert taken_off(made, "man") == pytest.approx([missing + less_than_certain(0.3)] * 2, abs=0.02)


@pytest.mark.parametrize("novelty", [0.0, 0.3, 1.0])
def test_subjects_are_doubted_more_where_a_photo_is_new(novelty: float) -> None:
    made = model({"cat": 0.02, "dog": 0.45, "man": 0.3})
    assert isinstance(made.decoder, AttentionDecoder)
    doubt = doubt_of(made.decoder, WORDS, lambda features: torch.full((len(features),), novelty))
    assert doubt is not None
    with torch.inference_mode():
        off = -doubt(torch.ones(1, 4, made.encoder.channels))[0]
    assert off[WORDS.id("people")].item() == pytest.approx(doubted(PEOPLE, novelty, 0.3), abs=0.02)
    dogs = doubted(DOGS, novelty, 0.45) + less_than_certain(0.45)
    assert off[WORDS.id("dog")].item() == pytest.approx(dogs, abs=0.02)


def doubted(subject: Subject, novelty: float, chance: float) -> float:
    """Nats off a word of a subject with this chance, its caution mixed by novelty."""
    usual, unlike = subject.usual, subject.unlike
    sure = (1 - novelty) * usual.sure + novelty * unlike.sure
    return ((1 - novelty) * usual.strength + novelty * unlike.strength) * (sure - chance)


def test_a_subject_is_looked_for_at_every_place() -> None:
    """Somebody who fills a quarter of the photo shows there, however sure the other places are of nobody."""
    made = model({"cat": 0.02, "dog": 0.99, "man": 0.5})
    with torch.no_grad():
        detector_of(made).learnt.weight[DETECTED.index("man")] = 1.0
    features = torch.full((1, 4, made.encoder.channels), -1.0)
    features[0, 0] = 1.0
    with torch.inference_mode():
        plain, lowered = (
            decoder.begin(features)[0][0, WORDS.id("people")].item()
            for decoder in (made.decoder, guided(made.decoder, made, WORDS))
        )
    # The mean of the places' chances (1, 0, 0, 0); that of the mean place would be 0.
    assert plain - lowered == pytest.approx(PEOPLE.usual.strength * (PEOPLE.usual.sure - 0.25), abs=0.01)


def test_a_beam_keeps_each_photos_doubt() -> None:
    """Whatever else is in the batch, and whichever rows have left it."""
    made = model({"cat": 0.2, "dog": 0.2, "man": 0.2})
    torch.manual_seed(0)
    with torch.no_grad():
        detector_of(made).learnt.weight.normal_(std=0.5)
    features = torch.randn(5, made.config.grid**2, made.encoder.channels)
    decoder, how = guided(made.decoder, made, WORDS), usual_decoding(made, WORDS)
    together = decode(decoder, features, how)
    alone = [decode(decoder, features[row : row + 1], how)[0] for row in range(5)]
    assert [row[0].ids for row in together] == [row[0].ids for row in alone]


def test_a_model_of_other_subjects_doubts_its_words_alone() -> None:
    """Such as one that was trained on flowers alone: its detector knows no word for people or dogs."""
    made = model({"cat": 0.2, "dog": 0.2, "man": 0.2})
    flowers = Vocabulary.build([["a", "rose", "tulip", "daisy", "grows", "puppies", "here"]] * 4, 1)
    decoder = guided(made.decoder, made, flowers)
    off = scores(made, made.decoder)[0] - scores(made, decoder)[0]
    known = detector_of(made).ids
    assert off[known].tolist() == pytest.approx([less_than_certain(0.2)] * len(DETECTED), abs=1e-4)
    assert off.count_nonzero() == len(DETECTED)


def test_the_student_projects_models_do_not_doubt() -> None:
    made = CaptionModel(dataclasses.replace(CONFIGURATIONS["model2"], embedding=16, hidden=16), len(WORDS))
    assert guided(made.decoder, made, WORDS) is made.decoder
