"""One writer of an embedded index at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.embedded import EmbeddedIndex
from indexer.errors import IndexLockedError, IndexUnavailableError
from tests.conftest import ROOT
from tests.full_disk import full_disk
from tests.indexer.three_images import DOG, record


def test_a_second_writer_is_told_who_writes(small_index: Path) -> None:
    first, second = (EmbeddedIndex.open(str(small_index)) for _ in range(2))
    with first.draft("k2") as draft:
        for attempt in (
            lambda: second.add([record("9")]),
            lambda: second.delete(["1"]),
            lambda: second.draft("x"),
        ):
            with pytest.raises(
                IndexLockedError, match=r"another writer \(this process\) is changing this index"
            ):
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


@pytest.mark.parametrize("reason", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_not_another_writer(
    small_index: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refused(descriptor: int, operation: int) -> None:
        raise OSError(reason, os.strerror(reason))

    index = EmbeddedIndex.open(str(small_index))
    with monkeypatch.context() as patch, pytest.raises(IndexUnavailableError) as told:
        patch.setattr(fcntl, "flock", refused)
        index.add([record("9")])
    assert str(told.value) == (
        f"{small_index}: cannot write (a file cannot be locked there: {os.strerror(reason)}); "
        "all that was committed before is intact"
    )
    assert index.add([record("9")]).added == 1


def test_a_lock_that_cannot_be_noted_is_let_go_of(small_index: Path) -> None:
    index = EmbeddedIndex.open(str(small_index))
    with full_disk(0), pytest.raises(IndexUnavailableError, match="no space left on the device"):
        index.add([record("9")])
    assert index.add([record("9")]).added == 1


#: A child is forked while a draft is held, and then another writer begins.
FORKING = """
import multiprocessing, sys
from indexer import CaptionRecord, IndexerError, open_index

index = open_index(sys.argv[1])
processes = multiprocessing.get_context("fork")

def add(index):
    try:
        print(index.add([CaptionRecord("9", "a bird")]).added)
    except IndexerError as error:
        print(error)
"""
A_CHILD_STAYS = """
with index.draft("k") as draft:
    ended = processes.Event()
    child = processes.Process(target=ended.wait, daemon=True)
    child.start()
add(index)
ended.set()
child.join()
"""
A_CHILD_CLOSES = """
with index.draft("k") as draft:
    child = processes.Process(target=draft.close)
    child.start()
    child.join()
    add(index)
"""


def said(code: str, folder: Path) -> str:
    """By a process of its own: to fork one with threads, as that of the tests may be, is warned of."""
    command = [sys.executable, "-c", FORKING + code, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_child_that_was_forked_while_it_was_held_keeps_no_lock(small_index: Path) -> None:
    assert said(A_CHILD_STAYS, small_index) == "1\n"


def test_a_child_lets_go_of_its_own_copy_only(small_index: Path) -> None:
    assert "another writer (this process) is changing this index" in said(A_CHILD_CLOSES, small_index)
