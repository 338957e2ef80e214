"""A lock of the operating system on an open file, which goes when its process goes, however it ends."""

from __future__ import annotations

import os
import sys

#: Windows locks ranges of bytes, also against reading: one behind all that a file may hold.
_LOCKED_BYTE = (1 << 31) - 1


def lock_file(descriptor: int) -> bool:
    """Lock a file until `unlock_file`, or until it is closed here and in each child forked meanwhile.

    False where another holds it. Leaves the file at its beginning.
    """
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
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return True


def unlock_file(descriptor: int) -> None:
    """Let others lock a file, also while a child that was forked meanwhile has it open."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)
