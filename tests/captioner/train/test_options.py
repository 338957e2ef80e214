"""Options of `captioner train`: what they make of a run, and which do not go together."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from captioner.cli import main
from captioner.configuration import CONFIGURATIONS
from captioner.errors import ModelError
from captioner.train.options import read_data, read_run
from captioner.train.recipe import Recipe
from captioner.train.run import STATE
from captioner.train.setup import TrainingData, TrainingRun
from tests.captioner.worlds import TINY, coloured_photos, tiny_model, write_coco, write_jsonl

STUDENT = dataclasses.replace(CONFIGURATIONS["model2"], embedding=16, hidden=16, preprocess=TINY.preprocess)


def run_of(**options: Any) -> TrainingRun:
    return read_run({"out": Path("run"), "cache": Path("cache"), **options})


def test_a_run_of_nothing_but_its_place_is_of_the_default() -> None:
    run = run_of()
    assert (run.config, run.recipe, run.text_photos) == (CONFIGURATIONS["default"], Recipe(), 20)
    assert run_of(epochs=3, encoder_rate=0.0).recipe == Recipe(epochs=3)


def test_the_recipe_is_that_of_the_family_that_is_trained(tmp_path: Path) -> None:
    """model1 to model5 are trained as the student project did, also where one is started from."""
    student = run_of(arch="model2").recipe
    assert (student.label_smoothing, student.averaging, student.photos_per_batch) == (0.0, 0.0, 26)
    assert run_of(start=tiny_model(tmp_path / "student", config=STUDENT)).recipe == student
    assert run_of(start=tiny_model(tmp_path / "tiny")).recipe == Recipe()


def test_a_model_to_start_from_may_be_given_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioner.finding.MODELS", tmp_path)
    start = tiny_model(tmp_path / "default")
    assert run_of(start=Path("default")).start == start
    with pytest.raises(ModelError, match="none: no such model; it comes with default"):
        run_of(start=Path("none"))


NAME_THEM = "name the photos to train on: --flickr8k DIR, --coco FILE --images DIR, or --jsonl FILE"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", NAME_THEM),
        ("--coco file", NAME_THEM),
        ("--coco file --images dir", "name held-out photos to score on: --dev-coco ANNOTATIONS.json"),
        (
            "--flickr8k dir --coco file",
            "--flickr8k and --coco: one data set at a time; leave one of them out",
        ),
        (
            "--jsonl file --coco file --images dir",
            "--coco and --jsonl: one data set at a time; leave one of them out",
        ),
        ("--flickr8k dir --images dir", "--images is of no use without --coco or --jsonl"),
        ("--flickr8k dir --dev-coco file", "--dev-coco is of no use without --coco"),
        ("--jsonl file --dev-coco file", "--dev-coco is of no use without --coco"),
        ("--jsonl file --dev-images dir", "--dev-images is of no use without --dev-coco or --dev-jsonl"),
        ("--flickr8k dir --without file", "--without is of no use without --text"),
        ("--flickr8k dir --text-photos 3", "--text-photos is of no use without --text"),
        ("--flickr8k dir --glove-vocab file", "--glove-vocab is of no use without --glove"),
        (
            "--flickr8k dir --arch model1 --from dir",
            "--arch and --from: a model to start from has its own architecture; leave one of them out",
        ),
        (
            "--flickr8k dir --glove file --from dir",
            "--glove and --from: a model to start from has its own word vectors; leave one of them out",
        ),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(options: str, message: str) -> None:
    result = CliRunner().invoke(main, ["train", *options.split(), "-o", "run"])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, f"Error: {message}")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("train --jsonl here --glove gone -o run", "--glove"),
        ("train --jsonl gone -o run", "--jsonl"),
        ("train --jsonl here --text here --text gone -o run", "--text"),
        ("consensus here --jsonl here --text gone -o run", "--text"),
        ("evaluate --jsonl here --trained-on gone", "--trained-on"),
        ("import --encoder here --decoder gone --vocab here --arch model1 -o run", "--decoder"),
    ],
)
def test_a_file_that_is_not_there_is_told_with_its_option(
    options: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").touch()
    line = options.replace("consensus here", "consensus .").split()
    result = CliRunner().invoke(main, line)
    told = f"Error: Invalid value for '{named}': File 'gone' does not exist."
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, told)


def test_the_name_of_a_file_that_is_not_there_stays_on_its_line(tmp_path: Path) -> None:
    line = ["train", "--jsonl", f"{tmp_path}/a\nb\x1b[31m", "-o", str(tmp_path / "run")]
    last = CliRunner().invoke(main, line).stderr.splitlines()[-1]
    assert last == f"Error: Invalid value for '--jsonl': File '{tmp_path}/a\\nb\\x1b[31m' does not exist."


def test_a_model_of_hugging_faces_is_no_start(tmp_path: Path) -> None:
    line = ["train", "--jsonl", str(write_jsonl(tmp_path / "a.jsonl", coloured_photos(tmp_path, 2)))]
    result = CliRunner().invoke(main, [*line, "--from", "hf:org/name", "-o", str(tmp_path / "run")])
    told = (
        "hf:org/name: a model of Hugging Face's only captions: `captioner caption`, `evaluate` and `compare`"
    )
    assert result.exit_code == 1 and result.stderr.startswith(f"Error: {told} take it")


def data_of(**options: Any) -> TrainingData:
    names = ("flickr8k", "coco", "jsonl", "images", "dev_coco", "dev_jsonl", "dev_images")
    return read_data({**dict.fromkeys(names), "texts": (), "without": (), **options})


def named(data: TrainingData) -> tuple[list[str], list[str]]:
    return [photo.name for photo in data.train], [photo.name for photo in data.dev]


def test_one_file_is_learnt_from_and_scored_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the splits that its lines name, else by the photos' names."""
    photos = coloured_photos(tmp_path, 60)
    dev = write_jsonl(tmp_path / "dev.jsonl", photos[:2], split="val").read_text()
    train = write_jsonl(tmp_path / "train.jsonl", photos[2:4], split="train").read_text()
    (divided := tmp_path / "divided.jsonl").write_text(dev + train)
    data = data_of(jsonl=divided)
    assert named(data) == (["photo2.png", "photo3.png"], ["photo0.png", "photo1.png"])
    assert (data.names, capsys.readouterr().err) == (("divided.jsonl",), "")
    learnt, scored = named(data_of(jsonl=write_jsonl(tmp_path / "whole.jsonl", photos)))
    assert sorted([*learnt, *scored]) == sorted(photo.name for photo in photos) and 0 < len(scored) < 15
    told = f"60 photos without a split, {len(scored)} of them, by name, held out to score on"
    assert capsys.readouterr().err == f"{tmp_path}/whole.jsonl: {told}\n"


def test_of_two_files_each_is_taken_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = [*coloured_photos(tmp_path / "a", 60), *coloured_photos(tmp_path / "b", 2, first=60)]
    train = write_jsonl(tmp_path / "a" / "train.jsonl", photos[:60])
    dev = write_jsonl(tmp_path / "b" / "dev.jsonl", photos[60:])
    data = data_of(jsonl=train, dev_jsonl=dev)
    assert (data.train, data.dev) == (photos[:60], photos[60:])
    (tmp_path / "dev.jsonl").write_bytes(dev.read_bytes())
    assert (
        data_of(jsonl=train, dev_jsonl=tmp_path / "dev.jsonl", dev_images=tmp_path / "b").dev == photos[60:]
    )
    assert capsys.readouterr().err == ""


def test_photos_of_a_split_that_is_of_no_use_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = coloured_photos(tmp_path, 6)
    splits = ("Train", "train", "val", "tset", "restval", "tset")
    parts = [
        write_jsonl(tmp_path / "part.jsonl", [photo], split=split).read_text()
        for photo, split in zip(photos, splits, strict=True)
    ]
    (file := tmp_path / "mine.jsonl").write_text("".join(parts))
    data = data_of(jsonl=file)
    assert named(data) == (["photo0.png", "photo1.png"], ["photo2.png"])
    unused = "neither learnt from nor scored on, by the splits"
    others = f"{file}: 3 photos {unused} tset (2 photos) and restval (1 photo)\n"
    assert capsys.readouterr().err == others
    data_of(jsonl=file, dev_jsonl=write_jsonl(tmp_path / "dev.jsonl", photos[:1]))
    others = f"{file}: 4 photos {unused} dev (1 photo) and tset (2 photos) and restval (1 photo)\n"
    assert capsys.readouterr().err == others


@pytest.mark.usefixtures("short_resnet")
@pytest.mark.parametrize(
    ("model", "how", "message"),
    [
        (
            "student",
            [],
            "captions without photos need an architecture with a word detector; this one has none",
        ),
        (
            "tiny",
            ["--self-critical"],
            "self-critical training cannot use captions without photos: leave them out",
        ),
    ],
)
def test_captions_that_would_not_be_learnt_from_are_refused(
    model: str, how: list[str], message: str, tmp_path: Path
) -> None:
    """They went into the model's record of what it has learnt from."""
    photos = coloured_photos(tmp_path / "photos", 6)
    learnt, held_out, text = (write_coco(tmp_path / f"{n}.json", photos[n : n + 2]) for n in (0, 2, 4))
    start = tiny_model(tmp_path / model, config={"tiny": TINY, "student": STUDENT}[model])
    options = ["--coco", learnt, "--images", tmp_path / "photos", "--dev-coco", held_out, "--text", text]
    options += ["--from", start, *how, "-o", tmp_path / "run", "--device", "cpu"]
    result = CliRunner().invoke(main, ["train", *map(str, options)])
    assert (result.exit_code, result.stderr) == (1, f"Error: {message}\n")


def test_an_interruption_says_where_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(run: TrainingRun, *_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("captioner.train.run.train", interrupted)
    photos = coloured_photos(tmp_path / "photos", 4)
    learnt, held_out = (write_jsonl(tmp_path / f"{n}.jsonl", photos[n : n + 2]) for n in (0, 2))
    options = ["--jsonl", learnt, "--dev-jsonl", held_out, "-o", tmp_path / "run"]
    (tmp_path / "run").mkdir()
    nothing = "interrupted before the first step: nothing was learnt, so nothing is kept\n"
    not_yet = "interrupted before the first step: nothing was learnt yet; --resume goes on\n"
    learnt_so_far = f"interrupted: what was learnt is kept in {tmp_path / 'run'}; --resume goes on\n"
    for step, message in ((None, nothing), (0, not_yet), (1, learnt_so_far)):
        if step is not None:
            counters = [0, step, -math.inf, 0.0, 0]
            torch.save({"made with": {}, "counters": counters}, tmp_path / "run" / STATE)
        result = CliRunner().invoke(main, ["train", *map(str, options)])
        assert (result.exit_code, result.stderr) == (130, message)
    (tmp_path / "run" / STATE).write_bytes(b"damaged, which the run that goes on tells")
    assert CliRunner().invoke(main, ["train", *map(str, options)]).stderr == learnt_so_far
