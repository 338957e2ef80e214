"""Whether a name from outside, which may be any text, is a file; its state; and files written whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from captioner.errors import DataError


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file; False, not an error, for a name that the system does not allow."""
    return os.path.isfile(path)  # noqa: PTH113 - pathlib raises for what is too long a name


def real_path(path: str | os.PathLike[str]) -> str:
    """The path of the file itself, whatever links lead to it; a name that the system does not allow stays."""
    try:
        return os.path.realpath(path)
    except ValueError:  # as of a NUL, or half a surrogate pair
        return os.fspath(path)


def file_state(photo: Path) -> bytes:
    """The file's path, size and times: they differ for another file, and after a write to this one.

    Raises DataError.
    """
    try:
        is_now = photo.stat()  # before it is resolved: for a link to itself this raises a clear error
        place = os.fsencode(photo.resolve())
    except OSError as error:
        raise DataError(f"{photo}: {error.strerror}") from None
    return place + f"\0{is_now.st_size} {is_now.st_mtime_ns} {is_now.st_ctime_ns}\0".encode()


@contextmanager
def writing(file: Path, first: Path | None = None) -> Iterator[None]:
    """Let an OSError name the file to be written where it names none, or the one written `first`."""
    try:
        yield
    except OSError as error:  # the system names a file only while it opens it
        if error.errno is None or error.filename not in (None, str(first)):
            raise
        raise OSError(error.errno, error.strerror, str(file)) from error


@contextmanager
def written_whole(file: Path) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file in one step, at the end of the block.

    An error, which names the file, or Ctrl-C leaves the old one. Where the name is a link, the file that it
    leads to is written. A device (/dev/null, /dev/stdout) is written to directly.
    """
    new = beside(file)
    with writing(file, new):
        if new == file:
            with file.open("wb") as stream:
                yield stream
            return
        try:
            with new.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            new.replace(real_path(file))
        finally:
            new.unlink(missing_ok=True)


def beside(file: Path) -> Path:
    """The temporary path that a file is first written to; for a device the device itself."""
    if _is_device(file):
        return file
    real = Path(real_path(file))
    return real.with_name(f".{real.name}.{os.getpid()}")


def _is_device(file: Path) -> bool:
    """Whether it is no file, or a name of the system's for one that is open, such as /dev/stdout."""
    return file.exists() and (not file.is_file() or file.absolute().parts[1:2] in (("dev",), ("proc",)))
