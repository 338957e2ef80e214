"""Subjects that the detector does not see are written less readily; others as ever."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from captioner.decode import decode, usual
from captioner.detector import WordDetector
from captioner.doubt import STRENGTH, SURE, DoubtingDecoder, doubting
from captioner.model import CONFIGURATIONS, CaptionModel
from captioner.vocabulary import Vocabulary
from tests.captioner.worlds import TINY

WORDS = Vocabulary.build([["a", "dog", "man", "cat", "runs", "people"]] * 4, 1)
DETECTED = ["cat", "dog", "man"]


def model(chances: dict[str, float]) -> CaptionModel:
    """A model whose detector says the same of every photo."""
    import dataclasses

    torch.manual_seed(3)
    config = dataclasses.replace(TINY, words=2, detector_words=len(DETECTED), detector_pairs=0)
    made = CaptionModel(config, len(WORDS)).eval()
    assert isinstance(made.decoder.detector, WordDetector)  # type: ignore[union-attr]
    detector = made.decoder.detector  # type: ignore[union-attr]
    detector.ids.copy_(torch.tensor([WORDS.id(word) for word in DETECTED]))
    with torch.no_grad():
        detector.learnt.weight.zero_()
        detector.learnt.bias.copy_(torch.tensor([chances[word] for word in DETECTED]).logit())
        detector.classes.weight.zero_()
        detector.classes.bias.zero_()
    return made


def scores(made: CaptionModel, decoder: object) -> tuple[Tensor, Tensor]:
    """Of the first word, and of the word after "a"."""
    features = torch.ones(1, made.config.grid**2, made.encoder.channels)
    with torch.inference_mode():
        first, fixed, state = decoder.begin(features)  # type: ignore[attr-defined]
        second, _ = decoder.step(torch.tensor([WORDS.id("a")]), fixed, state)  # type: ignore[attr-defined]
    return first[0], second[0]


@pytest.mark.parametrize("dog", [0.01, 0.4, 0.69, 0.9])
def test_words_are_lowered_by_how_much_their_subject_is_missing(dog: float) -> None:
    made = model({"cat": 0.01, "dog": dog, "man": 0.99})
    decoder = doubting(made.decoder, WORDS)
    assert isinstance(decoder, DoubtingDecoder)
    for plain, lowered in zip(scores(made, made.decoder), scores(made, decoder), strict=True):
        off = plain - lowered
        assert off[WORDS.id("dog")].item() == pytest.approx(STRENGTH * max(0.0, SURE - dog), abs=0.02)
        others = [WORDS.id(word) for word in ("a", "man", "people", "cat", "runs")]
        assert off[others].abs().max().item() == pytest.approx(0.0, abs=1e-4)


def test_any_sign_of_people_counts_for_all_their_words() -> None:
    made = model({"cat": 0.01, "dog": 0.99, "man": 0.3})
    plain, lowered = scores(made, made.decoder)[1], scores(made, doubting(made.decoder, WORDS))[1]
    for word in ("man", "people"):
        off = (plain - lowered)[WORDS.id(word)].item()
        assert off == pytest.approx(STRENGTH * (SURE - 0.3), abs=0.02)


def test_a_beam_keeps_each_photos_doubt() -> None:
    """Whatever else is in the batch, and whichever rows have left it."""
    made = model({"cat": 0.2, "dog": 0.2, "man": 0.2})
    torch.manual_seed(0)
    with torch.no_grad():
        made.decoder.detector.learnt.weight.normal_(std=0.5)  # type: ignore[union-attr]
    features = torch.randn(5, made.config.grid**2, made.encoder.channels)
    decoder, how = doubting(made.decoder, WORDS), usual(made)
    together = decode(decoder, features, how)
    alone = [decode(decoder, features[row : row + 1], how)[0] for row in range(5)]
    assert [row[0].ids for row in together] == [row[0].ids for row in alone]


def test_a_model_of_other_subjects_has_nothing_to_doubt() -> None:
    """Such as one that was trained on flowers alone: its detector knows no word for people or dogs."""
    made = model({"cat": 0.2, "dog": 0.2, "man": 0.2})
    flowers = Vocabulary.build([["a", "rose", "tulip", "daisy", "grows", "here"]] * 4, 1)
    decoder = doubting(made.decoder, flowers)
    assert decoder is made.decoder
    [[found]] = decode(decoder, torch.ones(1, made.config.grid**2, made.encoder.channels), usual(made))
    assert found.score < 0


def test_the_student_projects_models_do_not_doubt() -> None:
    made = CaptionModel(dataclasses.replace(CONFIGURATIONS["model2"], embedding=16, hidden=16), len(WORDS))
    assert doubting(made.decoder, WORDS) is made.decoder
