"""Damaged files of the embedded engine: named, not added to, and built anew by what the error says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from indexer.embedded import EmbeddedIndex, shape
from indexer.embedded.manifest import read_manifest, write_manifest
from indexer.errors import IndexDamagedError, IndexerError, IndexMismatchError
from tests.indexer.embedded.forging import overwrite, rewrite_manifest
from tests.indexer.three_images import arrays_of, record


@pytest.fixture
def everything_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """No array is small enough to be compared with its checksum when the index is opened."""
    monkeypatch.setattr(shape, "_CHECKED_BYTES", 0)


def test_a_flipped_byte_is_found_by_check_with_the_name_of_the_file(small_index: Path) -> None:
    overwrite(small_index, "caption.blob", ord("x"), 2, 3)
    index = EmbeddedIndex.open(str(small_index))
    (problem,) = index.check()
    file = arrays_of(small_index).relative_to(small_index)
    assert problem == f"{file}: caption.blob does not match its checksum"


@pytest.mark.parametrize("keep", [0, 1, 40, -1])
def test_a_truncated_manifest_is_one_clear_line(small_index: Path, keep: int) -> None:
    path = small_index / "manifest.json"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(IndexDamagedError, match=r"manifest.json: the manifest is incomplete or damaged"):
        EmbeddedIndex.open(str(small_index))


def test_a_manifest_that_was_edited_is_refused(small_index: Path) -> None:
    path = small_index / "manifest.json"
    path.write_text(path.read_text().replace("english/1", "english/9"))
    with pytest.raises(IndexDamagedError):
        EmbeddedIndex.open(str(small_index))


def test_a_missing_or_truncated_file_is_named(small_index: Path) -> None:
    path = arrays_of(small_index)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IndexDamagedError, match=path.name):
        EmbeddedIndex.open(str(small_index))
    path.unlink()
    with pytest.raises(IndexDamagedError, match=rf"{path.name} is missing"):
        EmbeddedIndex.open(str(small_index))


def test_a_damaged_header_is_refused(small_index: Path) -> None:
    path = arrays_of(small_index)
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)
    with pytest.raises(IndexDamagedError, match="header"):
        EmbeddedIndex.open(str(small_index))


def test_small_arrays_are_compared_on_opening_wherever_they_stand(
    small_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large one before them, too large for that itself, takes nothing of what is for them."""
    monkeypatch.setattr(shape, "_CHECKED_BYTES", 40)
    overwrite(small_index, "image_id.codes", 1)
    with pytest.raises(IndexDamagedError, match=r"image_id\.codes does not match its checksum"):
        EmbeddedIndex.open(str(small_index))


def test_a_schema_of_another_version_is_refused(small_index: Path) -> None:
    write_manifest(small_index, read_manifest(small_index).following(schema=99))
    with pytest.raises(IndexMismatchError, match="schema 99"):
        EmbeddedIndex.open(str(small_index))


def truncate_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:40])


def empty_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"")


def lose_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def lose_segment(folder: Path) -> None:
    next(folder.rglob("segment-*.arrays")).unlink()


def cut_segment(folder: Path) -> None:
    path = next(folder.rglob("segment-*.arrays"))
    path.write_bytes(path.read_bytes()[:-1])


def change_schema(folder: Path) -> None:
    write_manifest(folder, read_manifest(folder).following(schema=99))


def lose_schema(folder: Path) -> None:
    rewrite_manifest(folder, lambda fields: fields.pop("schema"))


def add_field(folder: Path) -> None:
    rewrite_manifest(folder, lambda fields: fields.update(later=1))


DAMAGES = [
    truncate_manifest,
    empty_manifest,
    lose_manifest,
    lose_schema,
    add_field,
    lose_segment,
    cut_segment,
    change_schema,
]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*.arrays")
        if path.is_file()
    }


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("additions", [0, 3])
def test_a_damaged_index_is_built_again_by_the_command_that_its_error_names(
    small_index: Path, additions: int, damage: Callable[[Path], None]
) -> None:
    with EmbeddedIndex.open(str(small_index)) as index:
        for number in range(additions):
            index.add([record(f"more{number}")])
    damage(small_index)
    before = files_of(small_index)
    with EmbeddedIndex.open(str(small_index), create=True) as index:
        with index.draft("again") as draft:
            draft.add([record("new")])
            assert before.items() <= files_of(small_index).items(), "nothing goes before there is a new index"
            assert draft.publish().captions == 1
        index.add([record("newer")])
    with EmbeddedIndex.open(str(small_index)) as index:
        assert {one.record.image_id for one in index.random(9)} == {"new", "newer"}
        assert index.check() == []
    assert not before.keys() & files_of(small_index).keys()


@pytest.mark.parametrize("damage", [one for one in DAMAGES if one is not lose_manifest])
def test_nothing_is_added_to_a_damaged_index(small_index: Path, damage: Callable[[Path], None]) -> None:
    damage(small_index)
    before = files_of(small_index)
    with EmbeddedIndex.open(str(small_index), create=True) as index:
        for change_it in (lambda: index.add([record("new")]), lambda: index.delete(["1"]), index.status):
            with pytest.raises((IndexDamagedError, IndexMismatchError), match=r"build (it|the index) again"):
                change_it()
    assert files_of(small_index) == before


@pytest.mark.parametrize("name", ["caption.blob", "id.rows"])
def test_damage_is_not_written_again_with_checksums_that_fit(
    small_index: Path, name: str, everything_large: None
) -> None:
    with EmbeddedIndex.open(str(small_index)) as index:
        old = index.captions(["1"])["1"]
    overwrite(small_index, name, 0)
    before = files_of(small_index)
    with EmbeddedIndex.open(str(small_index)) as index:
        known = index.check()
        changes = (
            lambda: index.add([record("new"), record("newer")]),  # merges
            lambda: index.delete(["1"]),  # leaves so few that the rest is written again
            lambda: index.replace(old, [record("1", "a horse")]),
        )
        for change_it in changes if name == "caption.blob" else changes[:1]:
            with pytest.raises(IndexDamagedError, match=rf"{name} does not match its checksum"):
                change_it()
        assert index.check() == known != []
    assert files_of(small_index) == before


def test_what_was_read_damaged_does_not_replace_what_is_stored(small_index: Path) -> None:
    with EmbeddedIndex.open(str(small_index)) as index:
        index.add([record("4", "a horse"), record("5", "a fish")])  # all five merge; a sixth stays apart
    overwrite(small_index, "caption.blob", ord("x"))
    with EmbeddedIndex.open(str(small_index)) as index:
        garbled = index.captions(["1"])["1"]
        with pytest.raises(IndexDamagedError, match=r"caption.blob does not match its checksum"):
            index.replace(garbled, [replace(one.record, image="new.jpg") for one in garbled])
        assert index.captions(["1"])["1"] == garbled


def test_a_manifest_among_other_files_is_not_built_over(small_index: Path) -> None:
    (small_index / "holiday.jpg").write_bytes(b"x")
    empty_manifest(small_index)
    with pytest.raises(IndexerError, match=r"other files \(holiday.jpg\)"):
        EmbeddedIndex.open(str(small_index), create=True)


def lose_draft_segment(folder: Path) -> None:
    next(path for path in folder.rglob("segment-*.arrays") if (path.parent / "draft.json").exists()).unlink()


def flip_draft_byte(folder: Path, place: float = 1.0) -> None:
    path = next(path for path in folder.rglob("segment-*.arrays") if (path.parent / "draft.json").exists())
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 3))] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage", [lose_draft_segment, *(partial(flip_draft_byte, place=one / 20) for one in range(21))]
)
def test_a_damaged_draft_does_not_stop_the_same_build(
    small_index: Path, damage: Callable[[Path], None]
) -> None:
    with EmbeddedIndex.open(str(small_index)) as index:
        with index.draft("next") as draft:
            draft.add([record("new"), record("other")])
            draft.add([record("third", "two cats")])
        damage(small_index)
        with index.draft("next") as draft:
            begun_anew = draft.add([record("new")]).added  # or not: some bytes only fill up the file
            assert draft.publish().captions == (1 if begun_anew else 3)
        assert begun_anew or damage is not lose_draft_segment
        assert index.check() == []
    arrays_of(small_index)


def test_a_draft_that_is_damaged_while_it_is_open_is_not_published(small_index: Path) -> None:
    with EmbeddedIndex.open(str(small_index)) as index:
        with index.draft("next") as draft:
            draft.add([record("new"), record("other"), record("third", "two cats")])
            flip_draft_byte(small_index)
            with pytest.raises(IndexDamagedError, match="build the index again"):
                draft.publish()
        assert {one.record.image_id for one in index.random(9)} == {"1", "2", "3"}
