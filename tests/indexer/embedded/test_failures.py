"""Places that the embedded engine cannot use: of other files, removed, full, read-only."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.embedded import EmbeddedIndex
from indexer.embedded.manifest import read_manifest, write_manifest
from indexer.errors import IndexerError, IndexNotFoundError, IndexUnavailableError
from indexer.records import AddReport
from tests.conftest import ROOT
from tests.full_disk import full_disk
from tests.indexer.three_images import DOG, arrays_of, record


def run_in(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, which may become another user."""
    command = [sys.executable, "-c", code, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_folder_of_other_files_is_not_made_an_index(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(IndexerError, match=r"other files \(holiday.jpg\)"):
        EmbeddedIndex.open(str(tmp_path), create=True)
    with pytest.raises(IndexNotFoundError, match="is a file"):
        EmbeddedIndex.open(str(tmp_path / "holiday.jpg"), create=True)


def test_an_index_that_was_removed_is_told_of(small_index: Path) -> None:
    index = EmbeddedIndex.open(str(small_index))
    (small_index / "manifest.json").unlink()
    with pytest.raises(IndexNotFoundError, match="the index is gone; make one with `indexer build`"):
        index.candidates(DOG, 5)


def test_a_full_disk_leaves_what_was_committed_and_no_debris(small_index: Path) -> None:
    index = EmbeddedIndex.open(str(small_index))
    before = sorted(small_index.rglob("*"))
    attempts: list[Callable[[], AddReport]] = [
        lambda: index.add([record("9")]),
        lambda: index.draft("k").add([record("9")]),
    ]
    for attempt in attempts:
        with (
            full_disk(2_000),
            pytest.raises(IndexUnavailableError, match=r"no space left on the device.*is intact"),
        ):
            attempt()
    left = [path for path in sorted(small_index.rglob("*")) if path not in before]
    assert [path.name for path in left if ".arrays" in path.name] == []
    assert len(EmbeddedIndex.open(str(small_index)).candidates(DOG, 5).found) == 2


def test_a_read_only_folder_can_be_searched_and_refuses_changes_clearly(small_index: Path) -> None:
    for path in [small_index, *small_index.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from indexer.embedded import EmbeddedIndex; from indexer.errors import IndexUnavailableError\n"
        "os.chdir(sys.argv[1])\n"
        "if os.getuid() == 0: os.setresuid(65534, 65534, 65534)\n"
        "index = EmbeddedIndex.open('.')\n"
        "print(len(index.candidates(frozenset({'dog'}), 5).found))\n"
        "try: index.delete(['1'])\n"
        "except IndexUnavailableError as error: print(error)\n"
    )
    result = run_in(small_index, code)
    for path in [small_index, *small_index.rglob("*")]:
        path.chmod(0o755)
    assert result.stdout.splitlines() == [
        "2", ".: cannot write (Permission denied); all that was committed before is intact",
    ], result.stderr  # fmt: skip


def manifest_is_a_folder(folder: Path) -> Path:
    path = folder / "manifest.json"
    path.unlink()
    path.mkdir()
    return path


def segment_is_a_folder(folder: Path) -> Path:
    """In a generation that a reader has not opened yet."""
    with EmbeddedIndex.open(str(folder)) as index:
        index.add([record("8"), record("9")])
    path = arrays_of(folder)
    path.unlink()
    path.mkdir()
    return path


def folder_is_a_file(folder: Path) -> Path:
    folder.rename(folder.with_name("moved"))
    folder.write_text("")
    return folder


ASKED: dict[str, Callable[[EmbeddedIndex], object]] = {
    "candidates": lambda index: index.candidates(DOG, 5),
    "captions": lambda index: index.captions(["1"]),
    "caption_count": lambda index: index.caption_count(),
    "check": lambda index: index.check(),
    "places": lambda index: list(index.places("")),
    "records": lambda index: list(index.records()),
    "status": lambda index: index.status(),
    "delete": lambda index: index.delete(["1"]),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("change", [manifest_is_a_folder, segment_is_a_folder, folder_is_a_file])
def test_an_open_index_that_can_be_read_no_more_is_told_of_in_one_line(
    small_index: Path, change: Callable[[Path], Path], asked: str
) -> None:
    index = EmbeddedIndex.open(str(small_index))
    path = change(small_index)
    with pytest.raises(
        IndexUnavailableError,
        match=rf"^{path}: cannot be read \((Is|Not) a directory\); see to it that this process can$",
    ):
        ASKED[asked](index)


def test_what_another_user_wrote_for_himself_is_told_of_and_read_once_it_may_be(small_index: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from indexer.embedded import EmbeddedIndex; from indexer import CaptionRecord, IndexerError\n"
        "os.chdir(sys.argv[1])\n"
        "index = EmbeddedIndex.open('.')\n"
        "with EmbeddedIndex.open('.') as other: other.delete(['1'])\n"
        "with index.draft('k') as draft: draft.add([CaptionRecord('9', 'a bird')])\n"
        "for name in ('manifest.json', *{path.parent for path in Path().rglob('draft.json')}):\n"
        "    Path(name).chmod(0)\n"
        "if os.getuid() == 0: os.setresuid(65534, 65534, 0)\n"
        "try: index.caption_count()\n"
        "except IndexerError as error: print(error)\n"
        "if os.getresuid()[2] == 0: os.seteuid(0)\n"
        "Path('manifest.json').chmod(0o644)\n"
        "if os.getuid() == 65534: os.seteuid(65534)\n"
        "print(index.caption_count(), index.status().details['drafts'])\n"
    )
    result = run_in(small_index, code)
    for path in small_index.iterdir():
        path.chmod(0o755)
    assert result.stdout.splitlines() == [
        "manifest.json: cannot be read (Permission denied); see to it that this process can",
        "2 1",
    ], result.stderr


def test_a_draft_that_cannot_be_read_now_is_not_begun_anew(small_index: Path) -> None:
    """What was captioned for it would be lost."""
    with EmbeddedIndex.open(str(small_index)) as index:
        with index.draft("k") as draft:
            draft.add([record("9")])
        (held,) = (path for path in small_index.rglob("*.arrays") if (path.parent / "draft.json").exists())
        held.rename(held.with_name("aside"))
        held.mkdir()
        with pytest.raises(IndexUnavailableError, match=rf"^{held}: cannot be read \(Is a directory\)"):
            index.draft("k")
        held.rmdir()
        held.with_name("aside").rename(held)
        with index.draft("k") as draft:
            assert draft.add([record("9")]).unchanged == 1


def test_a_generation_that_went_while_it_was_opened_is_no_failure(
    small_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file that another machine has removed some systems say that it is stale."""
    stale, open_file = arrays_of(small_index), Path.open

    def removed_meanwhile(path: Path, *given: Any, **options: Any) -> object:
        if path != stale:
            return open_file(path, *given, **options)
        monkeypatch.undo()
        write_manifest(small_index, read_manifest(small_index).following())
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Path, "open", removed_meanwhile)
    assert EmbeddedIndex.open(str(small_index)).caption_count() == 3
