"""The write lock of an index: one writer at a time. Another one is told which process holds it."""

from __future__ import annotations

import os
from pathlib import Path

from indexer.embedded.names import LOCK
from indexer.errors import IndexLockedError
from indexer.file_lock import FileLock, lock_file


class WriteLock:
    """Held from construction to `release`.

    Raises IndexLockedError at once where another writer holds it, and OSError where there is none to be had.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._lock = _lock(self._descriptor, folder)
        except BaseException:
            os.close(self._descriptor)  # which ends the lock, too
            self._descriptor = -1
            raise

    def release(self) -> None:
        """Let others write. The file stays: if it were removed, two writers could lock different files.

        In a child that was forked while the lock was held, this only closes the child's copy of the file.
        """
        if self._descriptor >= 0:
            self._lock.release()
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> WriteLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _lock(descriptor: int, folder: Path) -> FileLock:
    """Lock the file, and write into it who has locked it."""
    lock = lock_file(descriptor)
    if lock is None:
        raise IndexLockedError(
            f"{folder}: another writer ({_read_holder(descriptor)}) is changing this index; "
            "try again when it has finished; what was there before can be searched meanwhile"
        )
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
    return lock


def _read_holder(descriptor: int) -> str:
    written = os.read(descriptor, 20).decode("ascii", "replace").strip()
    return "this process" if written == str(os.getpid()) else f"process {written or 'unknown'}"
