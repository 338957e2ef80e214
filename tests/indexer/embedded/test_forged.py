"""Embedded indices that no writer made, though their checksums fit: refused, or found by a check."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.embedded import EmbeddedIndex
from indexer.embedded.dtypes import Integers
from indexer.errors import IndexDamagedError
from indexer.records import CaptionRecord
from tests.indexer.embedded.forging import rewrite_arrays, rewrite_header, rewrite_manifest
from tests.indexer.three_images import DOG, arrays_of, record


def entry(fields: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = fields["segments"][0]
    return first


MANIFESTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "rows below 0": lambda fields: entry(fields).update(rows=-5),
    "rows without end": lambda fields: entry(fields).update(rows=10**12),
    "rows as text": lambda fields: entry(fields).update(rows="3"),
    "rows of another file": lambda fields: entry(fields).update(rows=4),
    "no rows": lambda fields: entry(fields).update(rows=0),
    "deleted below 0": lambda fields: entry(fields).update(deleted=-(10**9)),
    "deleted without tombstones": lambda fields: entry(fields).update(deleted=1),
    "tombstones that are the segment": lambda fields: entry(fields).update(
        deleted=1, tombstones=entry(fields)["file"]
    ),
    "a device": lambda fields: entry(fields)["file"].update(path="/dev/zero", bytes=0),
    "a null character": lambda fields: entry(fields)["file"].update(path="a\0b"),
    "a number as path": lambda fields: entry(fields)["file"].update(path=7),
    "another folder": lambda fields: entry(fields)["file"].update(path="../victim/segment-000001.arrays"),
    "another name": lambda fields: entry(fields)["file"].update(path="zzz.arrays"),
    "a size below 0": lambda fields: entry(fields)["file"].update(bytes=-1),
    "the same file again": lambda fields: fields.update(segments=fields["segments"] * 20_000),
    "schema as text": lambda fields: fields.update(schema="1"),
    "analyzer as number": lambda fields: fields.update(analyzer=7),
    "time as number": lambda fields: fields.update(built_at=7),
    "next file as text": lambda fields: fields.update(next_file="x"),
    "segments as number": lambda fields: fields.update(segments=7),
}


@pytest.mark.parametrize("forged", MANIFESTS)
def test_a_manifest_that_no_writer_made_is_one_clear_line(small_index: Path, forged: str) -> None:
    rewrite_manifest(small_index, MANIFESTS[forged])
    with pytest.raises(IndexDamagedError, match=r"build the index again \(indexer build\)$") as told:
        EmbeddedIndex.open(str(small_index))
    assert str(told.value).isprintable()


def test_a_manifest_without_end_of_brackets_is_one_clear_line(small_index: Path) -> None:
    (small_index / "manifest.json").write_text("[" * 200_000)
    with pytest.raises(IndexDamagedError, match="incomplete or damaged"):
        EmbeddedIndex.open(str(small_index))


def test_nothing_is_swept_outside_of_the_index(small_index: Path, tmp_path: Path) -> None:
    """The published draft's folder lies elsewhere, beside a file of somebody else."""
    (draft,) = small_index.glob("draft-*")
    victim = draft.rename(tmp_path / "victim")
    draft.symlink_to(victim)
    (victim / "zzz.arrays").write_bytes(b"x")
    with EmbeddedIndex.open(str(small_index)) as index:
        index.add([record("4")])  # too few to be merged: the index still holds what lies there
        assert (victim / "zzz.arrays").exists()
        index.add([record("5")])
        index.delete(["1", "2", "3"])
    assert (victim / "zzz.arrays").exists()


HEADERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "objects": lambda header: header["caption.blob"].__setitem__(0, "O"),
    "floats": lambda header: header["set.tokens"].__setitem__(0, "<f4"),
    "a type of another array": lambda header: header["class.sizes"].__setitem__(0, "<u8"),
    "a list as type": lambda header: header["caption.blob"].__setitem__(0, []),
    "a length below 0": lambda header: header["caption.starts"].__setitem__(1, -1),
    "a length as text": lambda header: header["caption.starts"].__setitem__(1, "4"),
    "a length beyond the file": lambda header: header["id.rows"].__setitem__(1, 10**6),
    "a place beyond the file": lambda header: header["caption.starts"].__setitem__(2, 10**30),
    "a place below 0": lambda header: header["caption.starts"].__setitem__(2, -64),
    "a crooked place": lambda header: header["caption.starts"].__setitem__(2, 3),
    "one array less": lambda header: header.pop("set.rows"),
    "one array more": lambda header: header.update(more=header["set.rows"]),
    "an array of one field": lambda header: header.update({"set.rows": [1]}),
}


@pytest.mark.parametrize("forged", HEADERS)
def test_a_header_that_no_writer_made_is_one_clear_line(small_index: Path, forged: str) -> None:
    rewrite_header(small_index, HEADERS[forged])
    with pytest.raises(IndexDamagedError, match=rf"{arrays_of(small_index).name}: .*build the index again"):
        EmbeddedIndex.open(str(small_index))


def shortened(name: str) -> Callable[[dict[str, Integers]], object]:
    return lambda arrays: arrays.update({name: arrays[name][:-1]})


def changed(name: str, place: int, value: int) -> Callable[[dict[str, Integers]], object]:
    return lambda arrays: arrays[name].__setitem__(place, value)


@pytest.mark.parametrize(
    ("name", "forge"),
    [
        *(
            (name, shortened(name))
            for name in (
                *("set.tokens", "posting.sets", "class.sets", "caption.starts", "image_id.counts"),
                *("image_id.codes", "source.counts", "image.rows", "id.high", "id.low", "id.rows"),
            )
        ),
        ("vocabulary.starts", lambda arrays: arrays.update({"vocabulary.starts": np.zeros(0, np.uint8)})),
        ("class.sizes", lambda arrays: arrays.update({"class.sizes": np.zeros(0, np.int64)})),
        ("class.sizes", changed("class.sizes", -1, 2**62)),
        ("class.sets", changed("class.sets", 1, -5)),
        ("set.rows", changed("set.rows", -1, 200)),
        ("set.rows", changed("set.rows", 0, 1)),
        ("posting.starts", changed("posting.starts", -1, 0)),
        ("caption.starts", changed("caption.starts", -1, 200)),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused_when_opened(
    small_index: Path, name: str, forge: Callable[[dict[str, Integers]], object]
) -> None:
    rewrite_arrays(small_index, forge)
    with pytest.raises(IndexDamagedError, match=rf"{name} does not fit the other arrays; .*build"):
        EmbeddedIndex.open(str(small_index))


@pytest.mark.parametrize(
    ("name", "forge"),
    [
        ("image_id.counts", lambda arrays: arrays["image_id.counts"].fill(0)),
        ("image_id.counts", changed("image_id.codes", 1, 99)),
        ("image_id.codes", lambda arrays: arrays["image_id.codes"].__setitem__([1, 2], [2, 1])),
        ("image_id.starts", changed("image_id.starts", 1, 250)),
        ("image_id.starts", changed("image_id.blob", 0, ord("z"))),
        ("image_id.starts", changed("image_id.blob", -1, ord("2"))),  # the last one twice
        ("caption.starts", changed("caption.blob", 0, 0xFF)),
        ("vocabulary.starts", changed("vocabulary.blob", 0, ord("z"))),
        ("set.rows", changed("set.rows", 1, 0)),
        ("set.tokens", changed("set.tokens", 0, 99)),
        ("set.tokens", changed("set.tokens", -1, 0)),
        ("posting.sets", changed("posting.sets", 0, -5)),
        ("posting.starts", changed("posting.starts", 1, 200)),
        ("image.rows", changed("image.rows", 0, 200)),
        ("id.rows", changed("id.rows", 0, 200)),
        ("id.high", changed("id.high", 0, 2**63)),
    ],
)
def test_a_check_finds_arrays_that_do_not_agree(
    small_index: Path, name: str, forge: Callable[[dict[str, Integers]], object]
) -> None:
    rewrite_arrays(small_index, forge)
    with EmbeddedIndex.open(str(small_index)) as index:
        file = arrays_of(small_index).relative_to(small_index)
        assert f"{file}: {name} does not agree with the rest" in index.check()
        for ask in (
            lambda: index.candidates(DOG, 5),
            lambda: index.captions(["1", "3"]),
            index.status,
            lambda: index.random(9),
            lambda: index.add([record("4"), record("5")]),
        ):
            try:
                ask()
            except IndexDamagedError as error:
                assert str(file) in str(error)


@pytest.mark.parametrize(
    ("forge", "told"),
    [
        (changed("vocabulary.blob", 5, ord("t")), {"1": "tokens", "3": "tokens"}),  # of dog
        (changed("id.low", 0, 7), {"1": "its id"}),
        (changed("caption.blob", 2, ord("f")), {"1": "tokens and its id"}),
        (changed("image_id.blob", 0, ord("0")), {"0": "its id"}),
    ],
    ids=["token", "id", "caption", "image"],
)
def test_a_check_finds_captions_of_which_something_else_was_made(
    small_index: Path, forge: Callable[[dict[str, Integers]], object], told: dict[str, str]
) -> None:
    rewrite_arrays(small_index, forge)
    with EmbeddedIndex.open(str(small_index)) as index:
        for line, (image_id, what) in zip(index.check(), told.items(), strict=True):
            assert line.endswith(f" (image {image_id}): {what} not as its caption makes it")
        index.delete(told)
        assert index.check() == []


def test_a_check_that_finds_much_wrong_tells_of_some(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with EmbeddedIndex.open(str(folder), create=True) as index:
        index.add([record(str(number)) for number in range(30)])
        rewrite_manifest(folder, lambda fields: fields.update(analyzer="words/1"))
        assert index.check()[20:] == ["and more"]


def test_a_check_finds_nothing_in_what_writers_make(tmp_path: Path) -> None:
    chance = random.Random(3)
    index = EmbeddedIndex.open(str(tmp_path / "index"), create=True)
    words = ["cat", "dog", "beach", "ball", "red", "the", "犬", "a\udcff", ""]
    for _ in range(25):
        records = [
            CaptionRecord(
                f"i{chance.randrange(30)}",
                " ".join(chance.choices(words, k=chance.randrange(7))),
                source=chance.choice("xy"),
                image=chance.choice(["", "a.jpg", "b.jpg"]),
            )
            for _ in range(chance.randrange(1, 40))
        ]
        index.add([*records, replace(records[0], title="again")])
        index.delete([f"i{chance.randrange(30)}" for _ in range(chance.randrange(4))])
        assert index.check() == []
    assert int(index.status().captions) > 50
