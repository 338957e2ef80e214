"""`captioner evaluate`: really decoded captions, guards, table and JSON."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from captioner import metrics
from captioner.captioner import Captioner
from captioner.cli import main
from captioner.training_record import KEY, record
from tests.captioner.noted import Noted
from tests.captioner.worlds import coloured_photos, tiny_model, write_coco

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pycocoevalcap") is None, reason="needs the extra `evaluate`"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, four photos, and their captions in both formats."""
    folder = tmp_path_factory.mktemp("world")
    photos = coloured_photos(folder / "images", 4)
    write_coco(folder / "captions.json", photos)
    lines = [f"{photo.image.name},{caption}" for photo in photos for caption in photo.captions]
    (folder / "captions.txt").write_text("image,caption\n" + "\n".join(lines) + "\n")
    (folder / "dev.txt").write_text("".join(f"{photo.image.name}\n" for photo in photos[:3]))
    tiny_model(folder / "model")
    tiny_model(folder / "remembers", trained_on=record(["photo2.png", "other.png"]))
    tiny_model(folder / "unseen", trained_on=record(["other.png"]))
    return folder


@pytest.fixture(autouse=True)
def without_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Java takes ten seconds to start METEOR, which test_metrics does once."""
    monkeypatch.setenv("PATH", str(tmp_path))


def run(world: Path, model: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["evaluate", "--model", str(world / model), "--device", "cpu", *options])


def of_coco(world: Path) -> list[str]:
    return ["--coco", str(world / "captions.json"), "--images", str(world / "images")]


def test_json_holds_the_scores_of_the_captions_that_the_model_writes(world: Path) -> None:
    result = run(world, "model", *of_coco(world), "--json", "--beam", "2")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    captioner = Captioner.load(world / "model", device="cpu")
    written = captioner.caption([world / "images" / name for name in found["captions"]], beam=2)
    assert list(found["captions"].values()) == [one.text for one in written]
    assert (found["photos"], found["beam"], found["model"]) == (4, 2, captioner.identity)
    assert found["distinct"] == len({one.text for one in written}) / 4
    assert found["without_end"] == sum(not one.ended for one in written) / 4
    assert found["words_used"] == len({word for one in written for word in one.text.split()})
    assert {"BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"} <= found["scores"].keys()


def test_a_model_is_scored_by_its_usual_beam(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Captioner, "usual_beam", 1)  # as the student project's models have it
    found = json.loads(run(world, "model", *of_coco(world), "--json").stdout)
    captioner = Captioner.load(world / "model", device="cpu")
    written = captioner.caption([world / "images" / name for name in found["captions"]], beam=1)
    assert found["beam"] == 1
    assert list(found["captions"].values()) == [one.text for one in written]


def test_a_table_of_a_flickr8k_split(world: Path) -> None:
    result = run(world, "unseen", "--flickr8k", str(world), "--split", "dev", "--beam", "1")
    assert result.exit_code == 0, result.output
    rows = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert rows["photos"] == "3"
    assert 0 <= float(rows["BLEU-4"]) <= 1
    assert "no test photo is among them" in result.stdout


def test_photos_that_the_model_learnt_from_are_refused(world: Path) -> None:
    result = run(world, "remembers", *of_coco(world))
    assert result.exit_code == 1
    assert "1 of the 4 test photos are training photos of remembers, such as photo2.png" in result.stderr


def test_names_of_training_photos_may_be_given(world: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("photo0.png\nphoto3.png\n")
    result = run(world, "model", *of_coco(world), "--trained-on", str(tmp_path / "train.txt"))
    assert result.exit_code == 1
    assert "2 of the 4 test photos are training photos" in result.stderr


def test_a_model_without_a_record_is_said_to_have_none(world: Path) -> None:
    result = run(world, "model", *of_coco(world))
    assert "unknown: the model keeps no record" in result.stdout
    assert "`captioner evaluate --trained-on FILE` takes their names" in result.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "name the photos to evaluate on"),
        (["--coco", "x.json"], "name the photos to evaluate on"),
        (["--coco", "x.json", "--flickr8k", "."], "--flickr8k and --coco: one data set at a time"),
        (
            ["--coco", "x.json", "--images", ".", "--split", "dev"],
            "--split is of no use without --flickr8k or --jsonl",
        ),
        (["--flickr8k", ".", "--images", "."], "--images is of no use without --coco or --jsonl"),
    ],
)
def test_photos_have_to_be_named_once(options: list[str], says: str, world: Path) -> None:
    result = run(world, "model", *options)
    assert result.exit_code == 2
    assert says in result.stderr


def test_names_of_training_photos_that_cannot_be_read_are_one_line(world: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(b"caf\xe9.png\n")
    result = run(world, "model", *of_coco(world), "--trained-on", str(tmp_path / "train.txt"))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path}/train.txt: not a list of names (")


def test_a_photo_that_is_missing_stops_with_its_name_before_any_is_captioned(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Path(shutil.copytree(world / "images", tmp_path / "images"))
    (images / "photo3.png").unlink()
    monkeypatch.delattr(metrics, "_captions")
    result = run(world, "model", "--coco", str(world / "captions.json"), "--images", str(images))
    assert result.exit_code == 1
    assert f"{images}/photo3.png: no such photo (1 of 4 photos is missing)" in result.stderr


def test_a_photo_that_cannot_be_read_is_named_and_left_out(tmp_path: Path) -> None:
    photos = coloured_photos(tmp_path / "images", 6)
    write_coco(tmp_path / "captions.json", photos)
    tiny_model(tmp_path / "model")
    spoilt = photos[2].image
    spoilt.write_bytes(spoilt.read_bytes()[:60])
    result = run(tmp_path, "model", *of_coco(tmp_path), "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["photos"] == 5 and list(told["captions"]) == [f"photo{n}.png" for n in (0, 1, 3, 4, 5)]
    first, last = result.stderr.splitlines()
    assert first.startswith(f"{spoilt}: damaged") and last == "left out 1 of 6 photos to score on: unreadable"


def test_each_stage_is_told_with_the_photos_that_it_is_about(tmp_path: Path) -> None:
    photos = coloured_photos(tmp_path / "images", 6)
    photos[2].image.write_bytes(b"spoilt")
    captioner = Captioner.load(tiny_model(tmp_path / "model"), device="cpu")
    metrics.evaluate(captioner, photos, watcher=(noted := Noted()))
    assert noted.stages == {"checking photos 6": 0, "captions 5": 6}
    assert sum(noted.done) == 6 + 5


def test_a_photo_whose_captions_hold_no_word_is_named(world: Path, tmp_path: Path) -> None:
    data = json.loads((world / "captions.json").read_text())
    for note, caption in zip(data["annotations"], ("", "  ..."), strict=False):
        note["caption"] = caption
    (tmp_path / "captions.json").write_text(json.dumps(data))
    result = run(world, "model", "--coco", str(tmp_path / "captions.json"), "--images", str(world / "images"))
    assert result.exit_code == 1
    assert result.stderr == "Error: photo0.png: its captions hold no word to compare with\n"


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        ("image,caption\nphoto0.png,caf\xe9\n".encode("latin-1"), "not a Flickr8k folder .*utf-8"),
        (
            b"image,caption\nphoto0.png,a field\nphoto1.png\n",
            r"captions\.txt: line 3: has not the two fields",
        ),
        (b"photo,text\nphoto0.png,a field\n", "does not begin with the line image,caption"),
    ],
)
def test_captions_that_cannot_be_read_are_one_line(
    captions: bytes, message: str, world: Path, tmp_path: Path
) -> None:
    (tmp_path / "captions.txt").write_bytes(captions)
    (tmp_path / "dev.txt").write_text("photo0.png\n")
    result = run(world, "model", "--flickr8k", str(tmp_path))
    assert result.exit_code == 1 and "unexpected" not in result.stderr
    assert re.search(message, result.stderr) and result.stderr.count("\n") == 1


def test_a_damaged_record_of_training_photos_is_not_taken_for_none(world: Path, tmp_path: Path) -> None:
    tiny_model(tmp_path / "damaged", trained_on="abc")
    result = run(world, str(tmp_path / "damaged"), *of_coco(world))
    assert result.exit_code == 1
    assert result.stderr == f"Error: the model's record of its training photos ({KEY}) is damaged\n"
