"""Whether a name from outside, which may be any text, is a file; and files that are written whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file; False, not an error, for a name that the system does not allow."""
    return os.path.isfile(path)  # noqa: PTH113 - pathlib raises for what is too long a name


def real_path(path: str | os.PathLike[str]) -> str:
    """The path of the file itself, whatever links lead to it; a name that the system does not allow stays."""
    try:
        return os.path.realpath(path)
    except ValueError:  # as of a NUL, or half a surrogate pair
        return os.fspath(path)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Add the file's name to an OSError while it is written; the system names it only while opening it."""
    try:
        yield path
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def written_whole(file: Path) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file in one step, at the end of the block.

    An error, which names the file, or Ctrl-C leaves the old one. A device (/dev/null) is written to directly.
    """
    new = beside(file)
    if new == file:
        with writing(file), file.open("wb") as stream:
            yield stream
        return
    try:
        with writing(file), new.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def beside(file: Path) -> Path:
    """The temporary path that a file is first written to; for a device the device itself."""
    return file if _is_device(file) else file.with_name(f".{file.name}.{os.getpid()}")


def _is_device(file: Path) -> bool:
    return file.exists() and not file.is_file()
