"""A data set of one's own as JSON lines: what is read, which photos are held out, what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner import checkpoint
from captioner.cli import main
from captioner.datasets import CaptionedPhoto
from captioner.errors import DataError
from captioner.jsonl import HELD_OUT, jsonl
from captioner.model_folder import BEST
from captioner.training_record import seen_in_training
from tests.captioner.worlds import coloured_photos, tiny_model, write_jsonl

CHARACTERS = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
NAMES = st.text(CHARACTERS, min_size=1, max_size=12).filter(
    lambda name: name.strip(".") and "://" not in name
)
CAPTIONS = st.text(max_size=20).map("dog {}".format)  # one has a word


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def lines(file: Path, *rows: dict[str, Any]) -> Path:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


def line(image: str, **more: Any) -> dict[str, Any]:
    return {"image": image, "caption": f"a photo of {Path(image).stem}", **more}


def named(photos: list[CaptionedPhoto]) -> list[str]:
    return [photo.name for photo in photos]


def test_lines_of_one_photo_are_its_captions(tmp_path: Path) -> None:
    """However its path is spelled, and wherever its lines stand."""
    touched(tmp_path, "a.jpg", "b/c.jpg")
    rows = (
        {"image": "a.jpg", "caption": "A dog."},
        {"image_id": "b/c.jpg", "caption": "A cat.", "kind": "title", "license": None},
        {"image": f"{tmp_path}/b/../a.jpg", "image_id": 7, "caption": "Rex", "kind": "reference"},
    )
    assert jsonl(lines(tmp_path / "mine.jsonl", *rows)).of() == [
        CaptionedPhoto(tmp_path / "a.jpg", ("A dog.", "Rex"), "a.jpg"),
        CaptionedPhoto(tmp_path / "b" / "c.jpg", ("A cat.",), "b/c.jpg"),
    ]


def test_a_photo_is_its_file_whatever_links_lead_to_it(tmp_path: Path) -> None:
    """It was learnt from under one name, and scored on under another."""
    touched(tmp_path, "a.jpg", "far/b.jpg", "far/deep/c.jpg", "b.jpg")
    (tmp_path / "same.jpg").symlink_to("a.jpg")
    (tmp_path / "link").symlink_to("far/deep")
    rows = [line("a.jpg"), line("same.jpg"), line("link/c.jpg"), line("far/deep/c.jpg")]
    found = jsonl(lines(tmp_path / "mine.jsonl", *rows)).of()
    assert [(photo.name, len(photo.captions)) for photo in found] == [("a.jpg", 2), ("link/c.jpg", 2)]
    two = jsonl(lines(tmp_path / "two.jsonl", line("b.jpg"), line("link/../b.jpg"))).of()
    assert [photo.image.resolve() for photo in two] == [tmp_path / "b.jpg", tmp_path / "far" / "b.jpg"]
    rows = [line("a.jpg", split="train"), line("same.jpg", split="dev")]
    with pytest.raises(DataError, match="line 2: its photo is of the split dev here, and of train in"):
        jsonl(lines(tmp_path / "split.jsonl", *rows))


@settings(deadline=None)
@given(st.dictionaries(NAMES, st.lists(CAPTIONS, min_size=1, max_size=3), min_size=1, max_size=5))
def test_what_is_written_is_read_as_the_same_photos_and_captions(
    tmp_path_factory: pytest.TempPathFactory, written: dict[str, list[str]]
) -> None:
    folder = touched(tmp_path_factory.mktemp("mine"), "photos/one.jpg")
    photos = [
        CaptionedPhoto(folder / "photos" / f"{number} {name}", tuple(captions), f"photos/{number} {name}")
        for number, (name, captions) in enumerate(written.items())
    ]
    for photo in photos:
        photo.image.touch()
    assert jsonl(write_jsonl(folder / "mine.jsonl", photos)).of() == photos


def test_paths_begin_where_one_says(tmp_path: Path) -> None:
    touched(tmp_path, "photos/a.jpg", "b.jpg")
    file = lines(tmp_path / "mine.jsonl", line("a.jpg"), line("../b.jpg"))
    assert [photo.image.resolve() for photo in jsonl(file, tmp_path / "photos").of()] == [
        tmp_path / "photos" / "a.jpg",
        tmp_path / "b.jpg",
    ]
    with pytest.raises(DataError) as caught:
        jsonl(file).of()
    assert str(caught.value) == (
        f"{file}: line 1: no such photo: {tmp_path}/a.jpg "
        f"(2 of 2 photos are missing; paths that are not absolute begin at {tmp_path})"
    )
    with pytest.raises(DataError, match="1 of 1 photo is missing"):
        jsonl(lines(tmp_path / "one.jsonl", line("a.jpg"))).of()


def test_photos_keep_their_names_where_all_of_them_move(tmp_path: Path) -> None:
    """A model knows by them what it has learnt from. An index tells whole paths."""
    touched(tmp_path, "photos/a/1.jpg", "photos/a/2.jpg")
    file = tmp_path / "elsewhere" / "mine.jsonl"
    file.parent.mkdir()
    places = [f"{tmp_path}/photos/a/{number}.jpg" for number in (1, 2)]
    lines(file, line(places[0], image_id="a/1.jpg"), line(places[1], image_id="scraped/2"))
    assert named(jsonl(file).of()) == ["a/1.jpg", places[1]]
    assert named(jsonl(file, tmp_path / "photos").of()) == ["a/1.jpg", "a/2.jpg"]


def test_the_splits_that_lines_name(tmp_path: Path) -> None:
    touched(tmp_path, *"abcde")
    rows = [line("a", split="train"), line("b", split="val"), line("c", split="test"), line("d")]
    found = jsonl(lines(tmp_path / "mine.jsonl", *rows, line("a"), line("e", split="validation")))
    assert [named(found.of(split)) for split in ("train", "dev", "val", "test", "")] == [
        ["a", "d"],
        ["b", "d", "e"],
        ["b", "d", "e"],
        ["c", "d"],
        ["a", "b", "c", "d", "e"],
    ]
    assert found.of("train")[0].captions == ("a photo of a", "a photo of a")


def test_splits_are_those_that_are_meant_however_they_are_written(tmp_path: Path) -> None:
    """Other photos were passed over without a word."""
    touched(tmp_path, *"abcd")
    rows = [line("a", split=" Train"), line("b", split="DEV"), line("c", split="Holdout"), line("d")]
    found = jsonl(lines(tmp_path / "mine.jsonl", *rows, line("b", split="Val ")), hold_out=True)
    assert [named(found.of(split)) for split in ("train", "Dev ", "holdout")] == [["a", "d"], ["b"], ["c"]]
    unused = "1 photo neither learnt from nor scored on, by the splits holdout (1 photo)"
    assert found.unused("train", "dev") == f"{tmp_path}/mine.jsonl: {unused}"
    assert found.unused("train", "dev", "holdout") == ""


@pytest.mark.parametrize("count", range(2, 12))
def test_of_a_few_photos_two_at_least_are_held_out_and_not_all(count: int, tmp_path: Path) -> None:
    for start in range(0, 600, count):
        names = [f"{number}.jpg" for number in range(start, start + count)]
        found = jsonl(lines(tmp_path / "mine.jsonl", *map(line, names)), hold_out=True)
        splits = [entry.split for entry in found.photos]
        assert splits.count("train") >= 1 and splits.count("dev") >= min(2, count - 1)
        turned = jsonl(lines(tmp_path / "mine.jsonl", *map(line, reversed(names))), hold_out=True)
        assert [entry.split for entry in reversed(turned.photos)] == splits


@pytest.mark.parametrize(
    ("splits", "held_out"), [(["train", ""], 1), (["dev", ""], 0), (["test", ""], 0), ([""], 0)]
)
def test_a_photo_alone_without_a_split_is_held_out_where_others_are_learnt_from(
    splits: list[str], held_out: int, tmp_path: Path
) -> None:
    rows = [line(f"{number}.jpg", split=split) for number, split in enumerate(splits)]
    found = jsonl(lines(tmp_path / "mine.jsonl", *rows), hold_out=True)
    assert found.photos[-1].split == ["train", "dev"][held_out]


def test_a_tenth_of_the_photos_without_a_split_is_held_out_by_name(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(300)]
    touched(tmp_path, *names, "mine.png", "test.png")
    rows = [line(name) for name in names]
    found = jsonl(lines(tmp_path / "mine.jsonl", *rows[:200]), hold_out=True)
    train, dev = named(found.of("train")), named(found.of("dev"))
    assert sorted(train + dev) == sorted(names[:200]) and 0.5 < len(dev) * HELD_OUT / 200 < 1.5
    told = f"200 photos without a split, {len(dev)} of them, by name, held out to score on"
    assert list(found.remarks) == [f"{tmp_path}/mine.jsonl: {told}"]
    rows = [line("mine.png", split="train"), line("test.png", split="test"), *reversed(rows)]
    grown = jsonl(lines(tmp_path / "more.jsonl", *rows), hold_out=True)
    assert set(named(grown.of("dev"))) & set(names[:200]) == set(dev)
    assert "mine.png" in named(grown.of("train")) and "test.png" not in named(grown.of("train"))


def test_what_a_captioner_wrote_is_passed_over(tmp_path: Path) -> None:
    """Also as `captioner caption --json` prints it, and whatever its photo is."""
    touched(tmp_path, "a")
    written = (
        line("https://example.org/b.jpg", kind="generated", split="dev"),
        line("a", model="default@1", tokens=["photo"], score=-1.5),
    )
    found = jsonl(lines(tmp_path / "mine.jsonl", line("a", split="train"), *written))
    assert [photo.captions for photo in found.of()] == [("a photo of a",)]
    assert list(found.remarks) == [f"{tmp_path}/mine.jsonl: 2 captions that a captioner wrote: passed over"]
    with pytest.raises(
        DataError, match=r"only\.jsonl: has only 2 captions that a captioner wrote; a line is"
    ):
        jsonl(lines(tmp_path / "only.jsonl", *written))


def test_a_caption_without_a_word_is_passed_over(tmp_path: Path) -> None:
    """It was learnt as the caption that ends before it begins."""
    touched(tmp_path, "a")
    rows = [{"image": "a", "caption": caption} for caption in ("!!!", "A dog.", "\N{DOG FACE}", "犬")]
    found = jsonl(lines(tmp_path / "mine.jsonl", *rows))
    assert [photo.captions for photo in found.of()] == [("A dog.", "犬")]
    assert list(found.remarks) == [f"{tmp_path}/mine.jsonl: 2 captions without a word: passed over"]
    with pytest.raises(DataError, match=r"only\.jsonl: has only 1 caption without a word; a line is"):
        jsonl(lines(tmp_path / "only.jsonl", rows[0]))


def test_two_photos_of_one_id_are_named_by_their_paths(tmp_path: Path) -> None:
    """`captioner evaluate --json` gives captions by name, and lost one of them."""
    touched(tmp_path, "x/a/1.jpg", "y/a/1.jpg", "here/a/1.jpg")
    places = [f"{tmp_path}/{folder}/a/1.jpg" for folder in "xy"]
    rows = [line(place, image_id="a/1.jpg") for place in places]
    assert named(jsonl(lines(tmp_path / "here" / "two.jsonl", *rows)).of()) == places
    three = lines(tmp_path / "here" / "three.jsonl", *rows, line("a/1.jpg"))
    assert named(jsonl(three).of()) == [*places, "a/1.jpg"]


@pytest.mark.parametrize("begin", [b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"\xef\xbb\xbf \r\n"])
def test_a_byte_order_mark_is_no_line(begin: bytes, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_bytes(begin + b'{"image": "a", "caption": "A dog."}\n')
    assert [entry.photo.name for entry in jsonl(file).photos] == ["a"]
    file.write_bytes(begin)
    with pytest.raises(DataError, match="has no captions"):
        jsonl(file)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ('{"image": "a"', "is not valid JSON (Expecting ',' delimiter at column 14)"),
        ("[1]", "is not a JSON object"),
        ('{"caption": "A dog."}', "has no image, the path of a photo"),
        ('{"image": "", "image_id": "", "caption": "A dog."}', "has no image, the path of a photo"),
        ('{"image": "a"}', "has no caption"),
        ('{"image": "a", "caption": " "}', "has no caption"),
        ('{"image": "a", "caption": ["A dog."]}', "caption must be a string, not list"),
        (
            '{"image_id": "a", "image": "https://example.org/a.jpg", "caption": "A dog."}',
            "its photo is at an address, https://example.org/a.jpg: download it, and name its file as image",
        ),
    ],
)
def test_a_line_that_cannot_be_learnt_from_is_named(broken: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(f'{{"image": "a", "caption": "A dog."}}\n\n{broken}\n{broken}\n')
    with pytest.raises(DataError) as caught:
        jsonl(file)
    assert str(caught.value) == f"{file}: line 3: {message} (2 such places; mend them or take them out)"


def test_a_photo_of_two_splits_is_refused(tmp_path: Path) -> None:
    file = lines(tmp_path / "mine.jsonl", line("a", split="train"), line("b"), line("./a", split="val"))
    with pytest.raises(DataError) as caught:
        jsonl(file)
    assert str(caught.value) == (
        f"{file}: line 3: its photo is of the split dev here, and of train in {file}: line 1"
    )


def test_a_split_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    rows = [line("a", split="train"), line("b", split="train"), line("c", split="test")]
    file = lines(touched(tmp_path, *"abc") / "mine.jsonl", *rows)
    there = f"{file}: has no photo of the split dev, but of train (2 photos) and test (1 photo); "
    with pytest.raises(DataError) as caught:
        jsonl(file, hold_out=True).of("dev")
    assert str(caught.value) == there + "name another split, or another file"
    mend = 'give some lines "split": "dev", or name a second file by --dev-jsonl'
    made = run("train", "--jsonl", file, "-o", tmp_path / "run")
    assert (made.exit_code, made.stderr.splitlines()[-1]) == (1, f"Error: {there}{mend}")
    scored = run("evaluate", "--jsonl", file, "--split", "dev")
    assert scored.stderr == f"Error: {there}name another split, or another file\n"


def test_a_file_without_a_caption_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("\n \n")
    with pytest.raises(DataError, match=r'mine\.jsonl: has no captions; a line is such as {"image": "photo'):
        jsonl(tmp_path / "mine.jsonl")
    with pytest.raises(DataError, match=r"none\.jsonl: No such file or directory$"):
        jsonl(tmp_path / "none.jsonl")


@pytest.mark.parametrize("image", ["a\0b.jpg", "\udce9.jpg", "x" * 5000])
def test_a_name_that_no_file_can_have_is_of_no_photo(image: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1: no such photo"):
        jsonl(lines(tmp_path / "mine.jsonl", line(image)), hold_out=True).of()


def run(*options: object) -> Result:
    return CliRunner().invoke(main, [*map(str, options), "--device", "cpu"])


def test_a_model_from_ones_own_photos_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained, given a consensus and scored by the same file; what it has learnt from is not tested on."""
    monkeypatch.setenv("PATH", str(tmp_path))  # without Java, which takes ten seconds to start METEOR
    file = write_jsonl(tmp_path / "mine.jsonl", coloured_photos(tmp_path / "photos", 36))
    data = jsonl(file, hold_out=True)
    train, dev = named(data.of("train")), named(data.of("dev"))
    how = [
        "--from",
        tiny_model(tmp_path / "tiny"),
        "--epochs",
        1,
        "--batch",
        6,
        "--cache",
        tmp_path / "cache",
    ]
    made = run("train", "--jsonl", file, *how, "-o", tmp_path / "run")
    assert (made.exit_code, made.stderr) == (0, f"{data.remarks[0]}\n"), made.output
    best = tmp_path / "run" / BEST
    about = checkpoint.load(best).about
    assert (about["data"], about["photos"], about["dev_photos"]) == (["mine.jsonl"], len(train), len(dev))
    assert seen_in_training(about, [*train, *dev]) == train
    assert "**Data.** mine.jsonl. " in checkpoint.read_card(best)
    agreed = run("consensus", best, "--jsonl", file, "-o", best)
    assert agreed.exit_code == 0 and f"{len(train)} photos to agree with" in agreed.stdout, agreed.output
    assert f"\n{len(train)} photos are few for a consensus, which may make captions" in agreed.stderr
    scored = run("evaluate", "--model", best, "--jsonl", file, "--split", "val", "--json")
    assert sorted(json.loads(scored.stdout)["captions"]) == sorted(dev)
    whole = run("evaluate", "--model", best, "--jsonl", file)
    message = f"Error: {len(train)} of the 36 test photos are training photos of run, such as {min(train)}\n"
    assert (whole.exit_code, whole.stderr) == (1, message)
    other = write_jsonl(tmp_path / "photos" / "other.jsonl", data.of("train")[:2])
    refused = run("train", "--jsonl", other, "--dev-jsonl", file, *how, "-o", tmp_path / "other")
    assert (
        refused.exit_code == 1 and "2 of the 36 test photos are training photos of this run" in refused.stderr
    )


def trained(tmp_path: Path, *options: object) -> Result:
    how = ["--from", tiny_model(tmp_path / "tiny"), "--epochs", 1, "--cache", tmp_path / "cache"]
    return run("train", *options, *how, "-o", tmp_path / "run")


def test_a_link_to_a_training_photo_is_not_scored_on(tmp_path: Path) -> None:
    """Where two files name it, too."""
    photos = coloured_photos(tmp_path, 2)
    (tmp_path / "same.png").symlink_to(photos[0].image)
    train = write_jsonl(tmp_path / "train.jsonl", photos)
    dev = lines(tmp_path / "dev.jsonl", line("same.png"))
    refused = trained(tmp_path, "--jsonl", train, "--dev-jsonl", dev)
    same = "1 of the 1 test photos are the same files as training photos of this run: same.png is photo0.png"
    assert (refused.exit_code, refused.stderr) == (1, f"Error: {same}\n")


def test_photos_of_one_name_in_two_folders_of_a_file_are_two(tmp_path: Path) -> None:
    """Between data sets `x.jpg` and `b/x.jpg` may be one photo; within one, whose names are paths, never."""
    sets = [coloured_photos(tmp_path, 2), coloured_photos(tmp_path / "sub", 2, first=2)]
    (tmp_path / "sub" / "photo2.png").rename(tmp_path / "sub" / "photo0.png")
    rows = [line(photo.name, split="train") for photo in sets[0]]
    rows += [line("sub/photo0.png", split="dev"), line("sub/photo3.png", split="dev")]
    made = trained(tmp_path, "--jsonl", lines(tmp_path / "mine.jsonl", *rows))
    assert made.exit_code == 0, made.output


def test_captions_may_come_through_a_pipe(tmp_path: Path) -> None:
    """`captioner train --jsonl <(indexer export)`: it is read once, and paths are absolute there."""
    photos = coloured_photos(tmp_path / "photos", 24)
    rows = [line(str(photo.image)) for photo in photos]
    reading, writing = os.pipe()
    os.write(writing, "".join(f"{json.dumps(row)}\n" for row in rows).encode())
    os.close(writing)
    how = ["--from", tiny_model(tmp_path / "tiny"), "--epochs", 1, "--cache", tmp_path / "cache"]
    made = run("train", "--jsonl", f"/dev/fd/{reading}", *how, "-o", tmp_path / "run")
    os.close(reading)
    assert made.exit_code == 0, made.output
    assert checkpoint.load(tmp_path / "run" / BEST).about["data"] == [str(reading)]
