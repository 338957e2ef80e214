"""Photos that cannot be read: each is named, the rest are learnt from, and all goes on as it began."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from captioner import readable as module
from captioner.cli import main
from captioner.datasets import CaptionedPhoto
from captioner.errors import DataError
from captioner.photo import glance
from captioner.readable import unreadable, without
from captioner.train.consensus import add_consensus
from captioner.train.run import TrainingData, TrainingRun, train
from tests.captioner.noted import Noted
from tests.captioner.train.test_run import Terminal, Watch, outcome, small_run
from tests.captioner.worlds import coloured_photos, in_two_processes, tiny_model, write_coco, write_jsonl


def spoil(photo: CaptionedPhoto) -> str:
    """Damage a photo's file; gives how the line on it begins."""
    photo.image.write_bytes(photo.image.read_bytes()[:60])
    return f"{photo.image}: damaged"


@pytest.fixture
def photos(tmp_path: Path) -> list[CaptionedPhoto]:
    return coloured_photos(tmp_path / "photos", 10)


def names(photos: Sequence[CaptionedPhoto]) -> list[str]:
    return [photo.name for photo in photos]


def readable(photos: Sequence[CaptionedPhoto], *how: Any, **more: Any) -> list[CaptionedPhoto]:
    return without(photos, unreadable(photos, *how, **more))


def test_each_is_named_and_they_are_counted(photos: list[CaptionedPhoto]) -> None:
    told = [spoil(photos[3]), spoil(photos[7])]
    noted = Noted()
    found = readable(photos, "to learn from", watcher=noted)
    assert found == [photo for number, photo in enumerate(photos) if number not in (3, 7)]
    assert [line.startswith(begin) for line, begin in zip(noted.remarks, told, strict=False)] == [True, True]
    assert noted.remarks[2:] == ["left out 2 of 10 photos to learn from: unreadable"]
    assert sum(noted.done) == 10


def test_too_many_are_another_data_set(photos: list[CaptionedPhoto]) -> None:
    noted = Noted()
    told = [spoil(photo) for photo in photos[:3]]
    with pytest.raises(DataError, match=r"^3 of the 10 photos to score on cannot be read, too many"):
        readable(photos, "to score on", watcher=noted)
    assert len(noted.remarks) == len(told), "all are named, so that they can be mended at once"
    assert readable([], "to score on", watcher=noted) == []


def test_a_set_of_photos_is_decoded_once(
    photos: list[CaptionedPhoto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that could not be read are tried again, as a disk may not have answered."""
    spoil(photos[3])
    looked, noted = list[Path](), Noted()

    def looking(image: Path) -> object:
        looked.append(image)
        return glance(image)

    monkeypatch.setattr(module, "glance", looking)

    def look() -> list[str]:
        noted.stages.clear()
        return names(readable(photos, "to learn from", tmp_path / "kept", watcher=noted))

    first = look()
    assert (len(looked), noted.stages) == (10, {"checking photos 10": 0})
    assert look() == first and len(first) == 9
    assert (looked[10:], noted.stages) == ([photos[3].image], {})
    assert noted.remarks[:2] == noted.remarks[2:]
    [kept] = (tmp_path / "kept").iterdir()
    kept.write_text("[99]")
    assert look() == first
    spoil(photos[5])
    assert len(look()) == 8


def test_what_cannot_be_remembered_is_looked_at_again(photos: list[CaptionedPhoto], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert readable(photos, "to learn from", tmp_path / "file" / "kept") == photos


@pytest.mark.parametrize("rate", [0.0, 1e-5], ids=["frozen", "trained"])
def test_a_run_goes_on_without_the_photos_that_it_began_without(rate: float, tmp_path: Path) -> None:
    """Learnt from or scored on; frozen features are made once, and it is the run of the others alone."""
    photos = coloured_photos(tmp_path / "photos", 13)
    data = TrainingData(photos[:7], photos[7:])
    others = TrainingData([*photos[:2], *photos[3:7]], photos[8:])
    told = [spoil(photos[2]), spoil(photos[7])]

    def run_in(name: str, cache: str = "cache") -> tuple[Path, TrainingRun]:
        run = small_run(tmp_path / name, tmp_path / cache)
        recipe = dataclasses.replace(run.recipe, encoder_learning_rate=rate)
        return run.folder, dataclasses.replace(run, recipe=recipe)

    alone, stopped, resumed = Watch(), Watch(at_step=2), Watch()
    folder, run = run_in("alone", "another")
    train(run, others, alone)
    expected = outcome(alone, folder)
    folder, run = run_in("run")
    with pytest.raises(KeyboardInterrupt):
        train(run, data, stopped)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    trained = train(run, data, resumed, resume=True)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == made
    assert outcome(resumed, folder) == expected
    assert (trained.about["photos"], trained.about["dev_photos"]) == (6, 5)
    for watch in (stopped, resumed):
        lines = [line for line in watch.remarks if line.startswith(tuple(told))]
        assert len(lines) == 2
        assert "left out 1 of 7 photos to learn from: unreadable" in watch.remarks


def test_the_command_leaves_it_out_in_every_run(tmp_path: Path) -> None:
    """Only the first run looks at all photos, so only there is a bar."""
    photos = coloured_photos(tmp_path / "photos", 8)
    spoilt = photos[2].image.with_suffix(".jpg")
    Image.open(photos[2].image).save(spoilt)
    spoilt.write_bytes(spoilt.read_bytes()[:300])
    photos[2] = dataclasses.replace(photos[2], image=spoilt)
    learnt = write_jsonl(tmp_path / "learnt.jsonl", photos[:6])
    held_out = write_jsonl(tmp_path / "held.jsonl", photos[6:])
    line = ["train", "--jsonl", learnt, "--dev-jsonl", held_out, "--from", tiny_model(tmp_path / "tiny")]
    line += ["--epochs", 1, "--batch", 2, "--device", "cpu", "--cache", tmp_path / "cache"]
    for where in (["first"], ["second"], ["second", "--resume"]):
        result = CliRunner().invoke(main, [*map(str, line), "-o", str(tmp_path / where[0]), *where[1:]])
        assert result.exit_code == 0, result.output
        assert f"{spoilt}: damaged" in result.stderr
        assert "left out 1 of 6 photos to learn from: unreadable" in result.stderr


_ONE_OF_TWO_DISKS_FAILS = """
import os
import sys
from pathlib import Path
from captioner.datasets import coco
from captioner.errors import PhotoError
from captioner import readable
from captioner.train import run
from tests.captioner.train.test_run import TrainingData, small_run

def glance(image):
    print("looks")
    if image.name == "photo0.png":
        raise PhotoError("photo0.png: does not answer")
    return readable.unpatched(image)

def prepare(run, data, *_):
    print(*(photo.name for photo in [*data.train, *data.dev]))
    raise SystemExit

if os.environ["RANK"] == "1":
    readable.unpatched, readable.glance = readable.glance, glance
run.prepare = prepare
folder = Path(sys.argv[1])
photos = coco(folder / "captions.json", folder)
run.train(small_run(folder / "run", folder / "cache"), TrainingData(photos[:6], photos[6:]))
"""


def test_of_two_processes_one_looks_for_both(tmp_path: Path) -> None:
    """A disk that does not answer one of them for a moment would let them learn from different photos."""
    photos = coloured_photos(tmp_path, 12)
    write_coco(tmp_path / "captions.json", photos)
    spoil(photos[2])
    spoil(photos[7])
    told = in_two_processes("-c", _ONE_OF_TWO_DISKS_FAILS, tmp_path)
    names_left = " ".join(f"photo{number}.png" for number in range(12) if number not in (2, 7))
    assert [output for output, _ in told] == [f"{names_left}\n"] * 2, told


def test_of_two_processes_the_one_that_does_not_look_says_why_it_ends(tmp_path: Path) -> None:
    photos = coloured_photos(tmp_path / "photos", 8)
    learnt = write_jsonl(tmp_path / "learnt.jsonl", photos[:6])
    held_out = write_jsonl(tmp_path / "held.jsonl", photos[6:])
    for photo in photos[:2]:
        spoil(photo)
    sources = ["--jsonl", learnt, "--dev-jsonl", held_out, "--cache", tmp_path / "cache"]
    where = ["--device", "cpu", "-o", tmp_path / "run"]
    told = in_two_processes("-m", "captioner.cli", "train", *sources, *where)
    assert "Error: 2 of the 6 photos to learn from cannot be read" in told[0][1]
    last = told[1][1].splitlines()[-1]
    assert last.startswith("Error: the processes that train together have lost each other (")
    assert last.endswith("); if another one has ended, its own message says why")
    assert not (tmp_path / "run").exists()


def test_a_consensus_is_made_without_them(tmp_path: Path) -> None:
    """Each stage is told with the photos that it is about."""
    photos, noted = coloured_photos(tmp_path / "photos", 25), Noted()
    told, start = spoil(photos[4]), tiny_model(tmp_path / "tiny")
    made = add_consensus(start, photos, (), tmp_path / "out", "cpu", watcher=noted)
    assert made.model.consensus is not None and len(made.model.consensus.photos) == 24
    assert noted.remarks[0].startswith(told) and len(noted.remarks) == 2
    assert noted.stages == {"checking photos 25": 0, "features 24": 25}
    assert sum(noted.done) == 25 + 24


def test_the_consensus_command_has_a_bar_of_each_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = coloured_photos(tmp_path / "photos", 25)
    spoil(photos[4])
    learnt = write_jsonl(tmp_path / "learnt.jsonl", photos, split="train")
    line = ["consensus", tiny_model(tmp_path / "tiny"), "--jsonl", learnt, "--device", "cpu"]
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    main([*map(str, line), "-o", str(tmp_path / "out")], standalone_mode=False)
    for stage, total in (("checking photos", 25), ("features", 24)):
        assert re.search(rf"{stage}: 100%[^\r]* {total}/{total} \[[^\r]*photo", terminal.getvalue())
