"""Lifts as counted by hand, and a model that is given a table of them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from captioner import checkpoint
from captioner.cli import main
from captioner.errors import DataError, ModelError
from captioner.guides.cooccurrence import STEPS, Cooccurrence
from captioner.model import CaptionModel
from captioner.networks.decoders import AttentionDecoder
from captioner.networks.detector import WordDetector
from captioner.train.consensus import add_consensus
from captioner.train.cooccurrence import NounsOfText, fit_cooccurrence
from captioner.training_record import seen_in_training
from captioner.vocabulary import Vocabulary
from tests.captioner.noted import Noted
from tests.captioner.worlds import (
    COLOURS,
    TINY,
    WORDS,
    coloured_photos,
    tiny_checkpoint,
    tiny_model,
    write_coco,
)

CHANNELS = 1280
FEWEST, PRIOR, RAREST, HALF_TRUST = 20, 5.0, 1e-5, 30.0
Images = list[list[list[str]]]


def _detector() -> WordDetector:
    """Knows all colours; ImageNet's classes name red and blue."""
    torch.manual_seed(0)
    made = WordDetector(CHANNELS, len(COLOURS), 2)
    made.ids.copy_(torch.tensor([WORDS.id(colour) for colour in COLOURS]))
    made.word_of.copy_(torch.tensor([COLOURS.index("red"), COLOURS.index("blue")]))
    return made


def _share(image: list[list[str]], word: str) -> float:
    return sum(word in caption for caption in image) / len(image)


def _lift(images: Images, noun: str, word: str) -> float:
    usual = sum(_share(image, word) for image in images) / len(images) + RAREST
    those = [image for image in images if _share(image, noun)]
    together = sum(_share(image, word) for image in those)
    return (together + PRIOR * usual) / ((len(those) + PRIOR) * usual)


def _fitted(text: Images, photos: Images, pooled: torch.Tensor, detector: WordDetector) -> Cooccurrence:
    return fit_cooccurrence(NounsOfText.of(text, detector, WORDS), photos, pooled, detector, WORDS)


_CAPTION = st.lists(st.sampled_from(["a", "wall", "sky", "zebra", *COLOURS]), min_size=1, max_size=5)


@given(st.lists(st.lists(_CAPTION, min_size=1, max_size=3), min_size=1, max_size=6), st.randoms())
def test_lifts_are_as_counted_one_by_one(some: Images, chance: object) -> None:
    text = [*some, *[[["a", "red", "wall"], ["the", "sky"]]] * FEWEST]
    table = _fitted(text, some, torch.randn(8, CHANNELS), _detector())
    nouns = [COLOURS[place] for place in table.nouns.tolist()]
    assert "red" in nouns and set(nouns) <= {"red", "blue"}
    for row, noun in enumerate(nouns):
        for word in ("a", "the", "sky", *COLOURS):
            expected = round(math.log(_lift(text, noun, word)) * STEPS)
            assert abs(table.lifts[row, WORDS.id(word)].item() - expected) <= 1
        seen = sum(_share(image, noun) > 0 for image in some)
        assert table.trust[row].item() == pytest.approx(HALF_TRUST / (HALF_TRUST + seen))


def test_the_usual_number_of_recognised_words_is_that_of_the_photos() -> None:
    detector, pooled = _detector(), torch.randn(50, CHANNELS)
    table = _fitted([[["red"]]] * FEWEST, [[["red"]]], pooled, detector)
    counts = torch.tensor([torch.sigmoid(detector.learnt(one)).sum().item() for one in pooled])
    torch.testing.assert_close(table.recognised, torch.stack([counts.mean(), counts.std()]))


def test_text_that_says_nothing_of_what_photos_show_is_refused() -> None:
    with pytest.raises(DataError, match="no 20 images of the text have a noun of ImageNet's classes"):
        NounsOfText.of([[["green"]]] * 50, _detector(), WORDS)


def test_photos_that_all_look_the_same_are_refused() -> None:
    with pytest.raises(DataError, match="all photos look the same"):
        _fitted([[["red"]]] * FEWEST, [[["red"]]], torch.ones(4, CHANNELS), _detector())


WITH_DETECTOR = dataclasses.replace(TINY, words=2, detector_words=len(COLOURS), detector_pairs=2)


def _model(folder: Path) -> Path:
    made = tiny_checkpoint(config=WITH_DETECTOR)
    assert isinstance(made.model.decoder, AttentionDecoder)
    made.model.decoder.detector.load_state_dict(_detector().state_dict())
    checkpoint.save(made, folder)
    return folder


def test_the_command_gives_a_model_its_table(tmp_path: Path) -> None:
    learnt = coloured_photos(tmp_path / "photos", 12)
    text = write_coco(tmp_path / "text.json", coloured_photos(tmp_path / "text", 6 * FEWEST + 6, first=100))
    held_out = write_coco(tmp_path / "held.json", coloured_photos(tmp_path / "text", 6, first=100))
    arguments = [
        "consensus",
        str(_model(tmp_path / "model")),
        "--coco",
        str(write_coco(tmp_path / "a.json", learnt)),
    ]
    arguments += ["--images", str(tmp_path / "photos"), "--text", str(text), "--without", str(held_out)]
    result = CliRunner().invoke(main, [*arguments, "-o", str(tmp_path / "out"), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "the words that come with 2 nouns" in result.output
    made = checkpoint.load(tmp_path / "out")
    assert made.model.cooccurrence is not None and made.model.consensus is not None
    assert made.about["data"] == ["a.json", "captions of text.json"]
    assert seen_in_training(made.about, ["photo100.png", "photo106.png"]) == ["photo106.png"]
    card = checkpoint.read_card(tmp_path / "out")
    assert "With a consensus of 12 photos' captions. With the words that come with 2 nouns." in card
    plain = add_consensus(tmp_path / "out", learnt, (), tmp_path / "plain", "cpu")
    assert plain.model.cooccurrence is None and plain.model.config.cooccurrence == 0
    assert "nouns" not in checkpoint.read_card(tmp_path / "plain")


def test_text_with_verbs_tells_how_captions_go_on(tmp_path: Path) -> None:
    vocabulary = Vocabulary([*WORDS.words, "is", "falling"])
    model = CaptionModel(WITH_DETECTOR, len(vocabulary)).eval()
    assert isinstance(model.decoder, AttentionDecoder)
    model.decoder.detector.load_state_dict(_detector().state_dict())
    checkpoint.save(checkpoint.Checkpoint(model, vocabulary), tmp_path / "model")
    photos = coloured_photos(tmp_path / "photos", 12)
    text = {str(number): [f"a {COLOURS[number % 2]} is falling"] for number in range(3 * FEWEST)}
    made = add_consensus(tmp_path / "model", photos, (), tmp_path / "out", "cpu", text=text)
    assert made.model.phrasing is not None and made.model.config.phrasing is not None
    assert made.model.phrasing.verbs.tolist() == [vocabulary.id("falling")]
    assert "With how captions go on, by " in checkpoint.read_card(tmp_path / "out")
    plain = add_consensus(tmp_path / "out", photos, (), tmp_path / "plain", "cpu")
    assert plain.model.phrasing is None and plain.model.config.phrasing is None
    assert "captions go on" not in checkpoint.read_card(tmp_path / "plain")


def test_too_few_captions_are_told_before_photos_are_looked_at(tmp_path: Path) -> None:
    noted = Noted()
    photos = coloured_photos(tmp_path / "photos", 12)
    photos[3].image.write_bytes(b"spoilt, as who looks at it would remark")
    with pytest.raises(DataError, match="give --text captions of more than 2 images, or leave it out"):
        add_consensus(
            _model(tmp_path / "model"),
            photos,
            (),
            tmp_path / "out",
            "cpu",
            text={"a": ("a red wall",), "b": ("a sky",)},
            watcher=noted,
        )
    assert not noted.remarks


def test_a_model_without_a_detector_can_use_no_text(tmp_path: Path) -> None:
    photos = coloured_photos(tmp_path / "photos", 6)
    with pytest.raises(ModelError, match="has no word detector"):
        add_consensus(
            tiny_model(tmp_path / "model"), photos, (), tmp_path / "out", "cpu", text={"a": ("red",)}
        )
