"""Scores: known figures, and a clear word where a measure cannot be computed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from captioner.captioner import Captioner
from captioner.datasets import CaptionedPhoto
from captioner.metrics import OWN, PTB, _tokenise, evaluate, measure
from captioner.training_record import record
from tests.captioner.worlds import coloured_photos, tiny_checkpoint

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pycocoevalcap") is None, reason="needs the extra `evaluate`"
)

REFERENCES = [
    ["A dog runs on the grass.", "The brown dog is running."],
    ["Two people sit on a bench.", "People are sitting in a park."],
    ["A red bus, parked.", "A bus stands in the street!"],
]


@pytest.fixture(autouse=True)
def without_java(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Java takes ten seconds to start METEOR; only tests with it in their name meet it."""
    if "java" not in request.node.name:
        monkeypatch.setenv("PATH", str(tmp_path))


def test_captions_that_people_wrote_score_full_marks() -> None:
    scores, _, _ = measure(REFERENCES, [captions[0] for captions in REFERENCES])
    assert scores["BLEU-1"] == pytest.approx(1.0)
    assert scores["BLEU-4"] == pytest.approx(1.0)
    assert scores["ROUGE-L"] == pytest.approx(1.0)
    assert scores["CIDEr-D"] > 3


def test_captions_of_other_photos_score_little() -> None:
    right, _, _ = measure(REFERENCES, ["a dog runs", "people sit on a bench", "a red bus in the street"])
    wrong, _, _ = measure(REFERENCES, ["people sit on a bench", "a red bus in the street", "a dog runs"])
    assert all(wrong[name] < right[name] for name in ("BLEU-1", "ROUGE-L", "CIDEr-D"))


def test_a_figure_by_hand() -> None:
    """BLEU-1: 4 of 5 words are in a reference, and both are at least as short: no brevity penalty."""
    scores, _, _ = measure([["a dog runs fast", "the dog"]], ["a dog runs very fast"])
    assert scores["BLEU-1"] == pytest.approx(4 / 5)


def test_one_photo_has_no_cider() -> None:
    scores, unavailable, _ = measure(REFERENCES[:1], ["a dog runs"])
    assert "CIDEr-D" not in scores and "one photo" in unavailable["CIDEr-D"]


def test_an_empty_caption_scores_nothing_and_breaks_nothing() -> None:
    scores, _, _ = measure(REFERENCES, ["", "", ""])
    assert scores["BLEU-1"] == pytest.approx(0.0, abs=1e-6)
    assert scores["CIDEr-D"] == 0.0


def test_what_the_java_program_tells_of_itself_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By a stand-in that gives captions back as they are, and counts aloud as the real one does."""
    said = "echo PTBTokenizer tokenized 9 tokens at 99 tokens per second. >&2"
    (tmp_path / "java").write_text(f'#!/bin/sh\n{said}\nfor last; do :; done\nexec /bin/cat "$last"\n')
    (tmp_path / "java").chmod(0o755)
    theirs, _, tokenizer = _tokenise([["a dog"], ["a cat"]], ["one", "two"])
    assert theirs == {0: ["a dog"], 1: ["a cat"]} and tokenizer == PTB
    assert capfd.readouterr() == ("", "")


def test_java_and_every_measure_has_a_figure_or_a_reason() -> None:
    scores, unavailable, _ = measure(REFERENCES, ["a dog", "two people", "a bus"])
    assert {"METEOR", "SPICE"} == ({"METEOR", "SPICE"} & scores.keys()) | unavailable.keys()
    assert not scores.keys() & unavailable.keys()
    assert all(reason and "\n" not in reason for reason in unavailable.values())


def test_java_and_line_breaks_of_any_kind_in_a_caption_move_no_other_to_the_next_photo() -> None:
    odd = [["A dog\r\nruns\ron the\vgrass.", "The\fbrown dog\x85is running."], *REFERENCES[1:]]
    odd[1] = ["Two people\u2028sit on\u2029a bench.", "People\x1care\x1dsitting\x1ein a\x1fpark."]
    own = [captions[0] for captions in REFERENCES]
    plain, broken = (_tokenise(references, own) for references in (REFERENCES, odd))
    assert broken == plain


def test_without_it_the_rest_is_there() -> None:
    scores, unavailable, tokenizer = measure(REFERENCES, [captions[0] for captions in REFERENCES])
    assert tokenizer == OWN
    assert scores.keys() == {"BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"}
    assert unavailable == dict.fromkeys(("METEOR", "SPICE"), "needs Java, which is not here")


def test_a_java_that_fails_leaves_the_rest_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    scores, unavailable, tokenizer = measure(REFERENCES, [captions[0] for captions in REFERENCES])
    assert tokenizer == OWN != PTB
    assert scores["BLEU-4"] == pytest.approx(1.0)
    assert "failed here" in unavailable["METEOR"]


def test_photos_of_one_name_in_two_folders_have_a_caption_each(tmp_path: Path) -> None:
    photos = [
        CaptionedPhoto(one.image, one.captions, f"{folder}/0001.png")
        for one, folder in zip(coloured_photos(tmp_path, 2), "ab", strict=True)
    ]
    captioner = Captioner(tiny_checkpoint(trained_on=record(["c/0001.png"])), "tiny", "cpu")
    found = evaluate(captioner, photos)
    assert found.training_photos == "no test photo is among them"
    assert found.captions == {photo.name: captioner.caption([photo.image])[0].text for photo in photos}


def test_captions_that_are_the_same_are_one_distinct_caption(tmp_path: Path) -> None:
    first, other = coloured_photos(tmp_path, 2)
    photos = [
        CaptionedPhoto(one.image, one.captions, f"{number}.png")
        for number, one in enumerate((first, other, first))
    ]
    found = evaluate(Captioner(tiny_checkpoint(trained_on=record([])), "tiny", "cpu"), photos)
    assert found.captions["0.png"] == found.captions["2.png"]
    assert found.distinct == len(set(found.captions.values())) / 3 < 1
