"""Places that the embedded engine cannot use: of other files, removed, full, read-only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.embedded import EmbeddedIndex
from indexer.errors import IndexerError, IndexNotFoundError, IndexUnavailableError
from indexer.records import AddReport
from tests.conftest import ROOT
from tests.full_disk import full_disk
from tests.indexer.three_images import DOG, record


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
    command = [sys.executable, "-c", code, str(small_index)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    for path in [small_index, *small_index.rglob("*")]:
        path.chmod(0o755)
    assert result.stdout.splitlines() == [
        "2", ".: cannot write (Permission denied); all that was committed before is intact",
    ], result.stderr  # fmt: skip
