"""One writer of an embedded index at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.embedded import EmbeddedIndex
from indexer.errors import IndexLockedError
from tests.conftest import ROOT
from tests.indexer.three_images import DOG, record


def test_a_second_writer_is_told_who_writes(small_index: Path) -> None:
    first, second = (EmbeddedIndex.open(str(small_index)) for _ in range(2))
    with first.draft("k2") as draft:
        for attempt in (
            lambda: second.add([record("9")]),
            lambda: second.delete(["1"]),
            lambda: second.draft("x"),
        ):
            with pytest.raises(IndexLockedError, match=rf"another writer \(process {os.getpid()}\)"):
                attempt()
        assert len(second.candidates(DOG, 5).found) == 2
        draft.add([record("9")])
    assert second.delete(["1"]) == 1


def test_the_lock_goes_with_its_process(small_index: Path) -> None:
    code = (
        "import os, sys; from indexer.embedded import EmbeddedIndex;"
        "draft = EmbeddedIndex.open(sys.argv[1]).draft('k'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(small_index)], cwd=ROOT).returncode == -9
    assert EmbeddedIndex.open(str(small_index)).add([record("9")]).added == 1
