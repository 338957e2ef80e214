"""An embedded index whose captions have fewer fields than this version's, or more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from indexer.embedded import EmbeddedIndex
from indexer.embedded.dtypes import Integers
from indexer.embedded.manifest import SCHEMA, read_manifest
from indexer.embedded.rows import COLUMNS
from indexer.errors import IndexDamagedError, IndexMismatchError
from indexer.records import RECORD_FIELDS, CaptionRecord
from tests.indexer.embedded.forging import overwrite, rewrite_arrays, rewrite_manifest

PARTS = ("blob", "starts", "codes", "counts")
#: A document's id is made of these; files of every version have them.
NEVER_ABSENT = ("image_id", "caption", "source", "kind", "model")
RECORD = CaptionRecord(
    "1", "a dog", **{name: f"a {name}" for name in RECORD_FIELDS if name not in ("image_id", "caption")}
)
DOG = frozenset({"dog"})


@pytest.fixture
def one_caption(tmp_path: Path) -> Path:
    folder = tmp_path / "index"
    with EmbeddedIndex.open(str(folder), create=True) as index:
        index.add([RECORD])
    return folder


def lose_column(folder: Path, name: str) -> None:
    """As a version that knew no such field has written it."""

    def lose(arrays: dict[str, Integers]) -> None:
        for part in PARTS:
            del arrays[f"{name}.{part}"]

    rewrite_arrays(folder, lose)


@pytest.mark.parametrize("name", [one for one in COLUMNS if one not in NEVER_ABSENT])
def test_a_column_that_is_absent_reads_as_empty(one_caption: Path, name: str) -> None:
    lose_column(one_caption, name)
    left = RECORD if name == "indexed_at" else replace(RECORD, **{name: ""})
    with EmbeddedIndex.open(str(one_caption)) as index:
        assert list(index.records()) == [left]
        (found,) = index.candidates(DOG, 9).found
        assert (found.document.record, found.document.indexed_at == "") == (left, name == "indexed_at")
        assert index.random(1)[0].record == left
        assert index.captions(["1"])["1"][0].record == left
        assert list(index.places("")) == [("1", left.image)]
        assert (index.status().captions, index.status().images) == (1, 1)


def test_an_absent_column_is_filtered_by_as_an_empty_one(one_caption: Path) -> None:
    lose_column(one_caption, "license")
    with EmbeddedIndex.open(str(one_caption)) as index:
        assert list(index.records({"license": "a license"})) == []
        assert len(list(index.records({"license": ""}))) == 1
        assert index.candidates(DOG, 9, {"license": "a license"}).found == ()
        assert len(index.candidates(DOG, 9, {"license": ("", "other")}).found) == 1


def test_what_is_added_later_has_the_column_and_a_merge_keeps_both(one_caption: Path) -> None:
    lose_column(one_caption, "title")
    with EmbeddedIndex.open(str(one_caption)) as index:
        index.add([replace(RECORD, image_id="2"), replace(RECORD, image_id="3")])
        assert index.status().details["segments"] == 1
        titles = {one.image_id: one.title for one in index.records()}
        assert titles == {"1": "", "2": "a title", "3": "a title"}
        assert index.check() == []


def test_a_check_goes_on_over_an_absent_column(one_caption: Path) -> None:
    lose_column(one_caption, "title")
    with EmbeddedIndex.open(str(one_caption)) as index:
        assert index.check() == []
    overwrite(one_caption, "page.blob", ord("z"))
    with EmbeddedIndex.open(str(one_caption)) as index:
        assert [line.partition(": ")[2] for line in index.check()] == [
            "page.blob does not match its checksum"
        ]


@pytest.mark.parametrize("name", NEVER_ABSENT)
def test_a_file_without_what_ids_are_made_of_is_damaged(one_caption: Path, name: str) -> None:
    lose_column(one_caption, name)
    with pytest.raises(IndexDamagedError, match="does not hold the arrays of a segment"):
        EmbeddedIndex.open(str(one_caption))


def test_a_column_of_a_newer_version_is_refused_in_one_line(one_caption: Path) -> None:
    """Or a merge would leave it out."""

    def gain(arrays: dict[str, Integers]) -> None:
        for part in PARTS:
            arrays[f"mood.{part}"] = arrays[f"title.{part}"]

    rewrite_arrays(one_caption, gain)
    with pytest.raises(IndexMismatchError, match=r"\['mood'\], which this version does not know") as told:
        EmbeddedIndex.open(str(one_caption))
    assert str(told.value).isprintable()


def test_a_schema_of_a_newer_version_is_refused_in_one_line(one_caption: Path) -> None:
    def later(fields: dict[str, object]) -> None:
        fields.update(schema=SCHEMA + 1, unheard_of="")

    rewrite_manifest(one_caption, later)
    with pytest.raises(IndexMismatchError, match=f"schema {SCHEMA + 1}, this version reads {SCHEMA}") as told:
        EmbeddedIndex.open(str(one_caption))
    assert str(told.value).isprintable()


def test_what_an_older_version_made_is_this_versions_once_it_is_written_to(
    one_caption: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older one would leave out what it does not know, and refuses it so."""
    monkeypatch.setattr("indexer.embedded.manifest.SCHEMA", SCHEMA + 1)
    with EmbeddedIndex.open(str(one_caption)) as index:
        assert read_manifest(one_caption).schema == SCHEMA
        index.add([replace(RECORD, image_id="2")])
    assert read_manifest(one_caption).schema == SCHEMA + 1


def test_other_columns_are_another_schema() -> None:
    """Who adds a field to CaptionRecord gives `SCHEMA` the next number, and notes here what it stands for."""
    columns = {
        1: "image_id source kind model split query provider license creator indexed_at "
        "caption image page title attribution phash"
    }
    assert list(COLUMNS) == columns[SCHEMA].split()
