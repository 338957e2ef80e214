"""One writer at a time: a lock of the operating system, which goes when its process goes, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from indexer.errors import IndexLockedError

_NAME = "write.lock"
#: Windows locks ranges of bytes, also against reading; the process id before it stays readable.
_LOCKED_BYTE = 1 << 20


def _take(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class WriteLock:
    """Held from construction to `release`. Raises IndexLockedError at once where another holds it."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o644)
        if not _take(self._descriptor):
            holder = os.read(self._descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            self._descriptor = -1
            raise IndexLockedError(
                f"{folder}: another writer (process {holder}) is at work on this index; "
                "searching goes on, write again when it has finished"
            )
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, f"{os.getpid()}\n".encode("ascii"))

    def release(self) -> None:
        """Let others write. The file stays: removing it would let two writers lock different files."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> WriteLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
