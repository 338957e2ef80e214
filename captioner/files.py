"""Files by the names that lists, manifests and people give (any text may be one), and files written whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is there, whatever name is given: what the system refuses as a name is no file's."""
    return os.path.isfile(path)  # noqa: PTH113 - pathlib raises for what is too long a name


@contextmanager
def written_whole(file: Path) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file in one step, at its end.

    An error or Ctrl-C leaves what was there. A device (/dev/null) is written to as it is.
    """
    new = beside(file)
    if new == file:
        with file.open("wb") as stream:
            yield stream
        return
    try:
        with new.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def beside(file: Path) -> Path:
    """Where a file is written before it takes its place, which that of a device must not."""
    return file if _is_device(file) else file.with_name(f".{file.name}.{os.getpid()}")


def _is_device(file: Path) -> bool:
    return file.exists() and not file.is_file()
