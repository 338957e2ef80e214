"""Files of somebody else in or beside an embedded index: they stay, or the folder is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.embedded import EmbeddedIndex
from indexer.errors import IndexerError
from tests.indexer.three_images import make_index, record

#: Names like those that writers give.
FOREIGN = (
    "draft-1/chapter1.tex",
    "draft-final/thesis.tex",
    "draft-notes/draft.json",
    "draft-20240101/thesis.tex",
    "draft-20240101/draft.json",
    "draft-20240101/segment-000001.arrays.npz",
    "draft-20240101/draft-00000000/segment-000001.arrays",
    "draft-0a1b2c3d",
    "draft.json",
    "run1.arrays.npz",
    "my.arrays",
    "my-segment-000001.arrays",
    "segment-1.arrays",
    "segment-000001.arrays.bak",
    "segment-900000.arrays/notes.txt",
    "deleted-00001a.arrays",
    "manifest.json.bak",
    "write.lock.old",
)
TEXT = '{"name": "somebody else\'s"}'


def put(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEXT)
    return path


def added(index: EmbeddedIndex) -> None:
    for number in range(4, 9):  # several merges
        index.add([record(str(number))])


def deleted(index: EmbeddedIndex) -> None:
    index.delete(["1"])
    index.delete(["3"])


def built(index: EmbeddedIndex) -> None:
    with index.draft("next") as draft:
        draft.add([record("9")])
        draft.publish()


def begun_and_left(index: EmbeddedIndex) -> None:
    for key in ("this", "that"):
        with index.draft(key) as draft:
            draft.add([record("9")])


def changed_with_a_draft_beside(index: EmbeddedIndex) -> None:
    begun_and_left(index)
    added(index)
    built(index)
    deleted(index)


CHANGES = (added, deleted, built, begun_and_left, changed_with_a_draft_beside)


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_of_an_index_touches_what_no_writer_made(
    small_index: Path, change: Callable[[EmbeddedIndex], None]
) -> None:
    paths = [put(small_index, name) for name in FOREIGN]
    paths += [put(folder, "notes.txt") for folder in small_index.glob("draft-*") if folder.is_dir()]
    with EmbeddedIndex.open(str(small_index)) as index:
        change(index)
        assert [path for path in paths if not path.is_file() or path.read_text() != TEXT] == []
        assert index.check() == []


@pytest.mark.parametrize("name", [*FOREIGN, "manifest.json", "manifest.json.tmp", "write.lock"])
def test_a_folder_with_such_files_and_no_index_is_refused(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name)
    with pytest.raises(IndexerError) as told:
        EmbeddedIndex.open(str(tmp_path), create=True)
    assert re.fullmatch(
        rf"{re.escape(str(tmp_path))}: holds other files \([^ ]+\) and no index that can be read; "
        "name a new or an empty folder",
        str(told.value),
    )
    assert path.read_text() == TEXT
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]


def test_a_draft_folder_of_somebody_else_is_no_draft_that_can_be_gone_on_with(small_index: Path) -> None:
    put(small_index, "draft-20240101/draft.json")
    with EmbeddedIndex.open(str(small_index)) as index:
        assert index.status().details["drafts"] == 0


def test_a_link_in_the_place_of_a_draft_is_not_followed_to_sweep(small_index: Path, tmp_path: Path) -> None:
    behind = put(tmp_path, "elsewhere/segment-000001.arrays")
    (small_index / "draft-00000000").symlink_to(behind.parent)
    with EmbeddedIndex.open(str(small_index)) as index:
        changed_with_a_draft_beside(index)
    assert behind.read_text() == TEXT


#: What a writer names files and folders, on its way too.
WRITTEN = (
    "draft-0a1b2c3d/segment-000001.arrays",
    "draft-0a1b2c3d/deleted-000002.arrays.tmp",
    "segment-000012.arrays",
    "deleted-000003.arrays.tmp",
)
WRITTEN_SO = re.compile(r"(draft-[0-9a-f]{8}/)?(segment|deleted)-[0-9]{6,}\.arrays(\.tmp)?")


@st.composite
def nearly_written(draw: st.DrawFn) -> str:
    """A name that one character tells from a writer's."""
    name: str = draw(st.sampled_from(WRITTEN))
    place = draw(st.integers(0, len(name)))
    put_in: str = draw(st.sampled_from(["", *"a0-._A"]))
    return name[:place] + put_in + name[place + draw(st.integers(0, 1)) :]


@settings(max_examples=40)
@given(st.lists(nearly_written().filter(lambda name: not WRITTEN_SO.fullmatch(name)), min_size=1, max_size=6))
def test_one_character_makes_a_name_another(names: list[str]) -> None:
    with TemporaryDirectory() as folder:
        place = Path(folder) / "index"
        make_index(place)
        paths = [put(place, name) for name in names]
        with EmbeddedIndex.open(str(place)) as index:
            changed_with_a_draft_beside(index)
        assert [path for path in paths if not path.is_file()] == []
