"""What a power cut would leave of the embedded engine: nothing counts before all of it is on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from indexer.embedded import EmbeddedIndex
from indexer.embedded import draft as draft_module
from indexer.embedded.writer import Writer
from indexer.errors import IndexDamagedError, IndexUnavailableError
from tests.indexer.three_images import record


def added(index: EmbeddedIndex) -> None:
    index.add([record("4")])


def deleted(index: EmbeddedIndex) -> None:
    index.add(record(f"{number}") for number in range(10, 20))
    index.delete(["1"])


def built(index: EmbeddedIndex) -> None:
    with index.draft("k", "english/1") as draft:
        draft.add([record("5"), record("6")])
        draft.publish()


class Disk:
    """What has been made durable, by inode: how much of it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder, self._synced = folder, dict[int, int]()
        self._before = {*folder.rglob("*")}
        self.missing: list[str] = []
        self.commits = 0
        fsync, replace = os.fsync, Path.replace

        def noted_fsync(descriptor: int) -> None:
            fsync(descriptor)
            state = os.fstat(descriptor)
            self._synced[state.st_ino] = state.st_size

        def noted_replace(path: Path, target: Path) -> Path:
            if target.suffix != ".json":
                return replace(path, target)
            self._expect({path, *self._new()}, f"before {target.name} counts")
            self._synced.pop(target.parent.stat().st_ino, None)
            self.commits += 1
            return replace(path, target)

        patch.setattr(os, "fsync", noted_fsync)
        patch.setattr(Path, "replace", noted_replace)

    def _new(self) -> Iterator[Path]:
        """Files of arrays that were written since, and the folders that hold them."""
        for path in {*self._folder.rglob("*.arrays")} - self._before:
            yield from (path, path.parent)
            if path.parent not in self._before and path.parent != self._folder:
                yield self._folder

    def _expect(self, paths: set[Path], when: str) -> None:
        for path in paths:
            state = path.stat()
            size = self._synced.get(state.st_ino)
            if size is None or (path.is_file() and size != state.st_size):
                self.missing.append(f"{path.name} {when}")

    def expect_end(self) -> None:
        self._expect({self._folder}, "in the end")


@pytest.mark.parametrize("change", [added, deleted, built])
def test_what_a_manifest_names_is_on_the_disk_before_and_the_manifest_when_it_is_told(
    small_index: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[EmbeddedIndex], None]
) -> None:
    with EmbeddedIndex.open(str(small_index)) as index, monkeypatch.context() as patch:
        disk = Disk(small_index, patch)
        change(index)
        disk.expect_end()
    assert disk.commits
    assert disk.missing == []


def test_a_draft_whose_publishing_fails_can_be_gone_on_with(
    small_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index names its files first; only then it is a draft no more."""

    def refused(folder: Path, manifest: object, name: str = "manifest.json") -> None:
        raise OSError(28, "No space left on device")

    with EmbeddedIndex.open(str(small_index)) as index:
        with index.draft("k", "english/1") as draft:
            draft.add([record("5"), record("6")])
            with monkeypatch.context() as patch, pytest.raises(IndexUnavailableError):
                patch.setattr(draft_module, "write_manifest", refused)
                draft.publish()
        assert index.status().captions == 3
        with index.draft("k", "english/1") as draft:
            assert draft.add([record("5"), record("6")]).unchanged == 2
            assert draft.publish().captions == 2


def test_a_build_that_was_killed_just_after_publishing_is_no_draft_any_more(small_index: Path) -> None:
    """Gone on with, it would sweep files of the index that readers see."""
    with EmbeddedIndex.open(str(small_index)) as index:
        with index.draft("k", "english/1") as draft:
            draft.add([record("5"), record("6")])
            (path,) = small_index.rglob("draft.json")
            manifest = path.read_bytes()
            draft.publish()
        path.write_bytes(manifest)
        with index.draft("k", "english/1") as draft:
            assert draft.add([record("5")]).added == 1
        assert index.status().captions == 2
        assert index.check() == []


def test_a_draft_that_lost_captions_is_not_published(
    small_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedIndex.open(str(small_index)) as index, index.draft("k", "english/1") as draft:
        for image_id in ("5", "6"):
            draft.add([record(image_id)])
        monkeypatch.setattr(Writer, "merged_to_few", lambda self, segments: [*segments][:1])
        with pytest.raises(IndexDamagedError, match="holds 1 captions instead of 2; it is not published"):
            draft.publish()
        assert index.status().captions == 3


def test_a_draft_whose_texts_are_damaged_is_begun_anew_and_does_not_hide_others(small_index: Path) -> None:
    with EmbeddedIndex.open(str(small_index)) as index:
        for key in ("sound", "damaged"):
            with index.draft(key) as draft:
                draft.add([record(key, "two cats"), record("more")])
        hidden = small_index / "draft-00000000"
        hidden.mkdir()
        (hidden / "draft.json").write_text("{")
        for path in small_index.rglob("segment-*.arrays"):
            if b"damaged" in (data := path.read_bytes()):
                path.write_bytes(data.replace(b"two cats", b"two bats"))
        with index.draft("sound") as draft:
            assert draft.add([record("sound", "two cats")]).unchanged == 1
        with index.draft("damaged") as draft:
            assert draft.add([record("damaged", "two cats"), record("more")]).added == 2
            assert draft.publish().captions == 2


def test_publishing_that_fails_leaves_no_merged_files(
    small_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedIndex.open(str(small_index)) as index, index.draft("k") as draft:
        for image_id in ("5", "6"):
            draft.add([record(image_id)])
        before = {*small_index.rglob("*.arrays")}
        with monkeypatch.context() as patch, pytest.raises(IndexDamagedError):
            patch.setattr(draft_module, "check_checksums", _raising)
            draft.publish()
        assert {*small_index.rglob("*.arrays")} == before


def _raising(folder: Path, segments: object) -> None:
    raise IndexDamagedError("as a disk may be that breaks just now")
