"""A lock of the operating system on an open file: it ends with its process, however that ends."""

from __future__ import annotations

import errno
import os
import sys

#: Windows locks ranges of bytes, which others cannot read then: so this byte is far behind the file's end.
_LOCKED_BYTE = (1 << 31) - 1
#: How systems say that another process has the lock.
_TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class FileLock:
    """Held until `release`, or until the file is closed here and in every child forked meanwhile."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._process = descriptor, os.getpid()

    def release(self) -> None:
        """Let others lock the file, even if a forked child has it open. Does nothing in such a child."""
        if self._process == os.getpid():
            _unlock(self._descriptor)


def lock_file(descriptor: int) -> FileLock | None:
    """Lock a file; None where another process has locked it. The file is at its beginning afterwards.

    Raises OSError where the system has no lock for it, as on some network file systems.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return None
        raise OSError(error.errno, f"a file cannot be locked there: {error.strerror}") from error
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return FileLock(descriptor)


def _unlock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)
