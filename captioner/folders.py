"""The photos in folders: one walk for all commands, and what it passes over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from captioner.formats import SUFFIXES, UNREAD, what_to_do


class PhotosBelow:
    """The photos that paths name: a file is itself, a folder gives those in it and below, in order of name.

    Photos of folders are known by their suffix. Links to folders are followed, each folder once, so loops
    end. What is hidden is no photo (macOS writes a `._a.jpg` beside each `a.jpg` on other systems' disks),
    nor is a pipe or a device.
    A folder that cannot be read is given itself, so that opening it tells why.
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        self._paths = tuple(paths)
        #: Of what was walked so far: pictures in formats that are not read, by suffix.
        self.unread: Counter[str] = Counter()
        #: Folders that cannot be read, and why.
        self.unreadable: dict[str, str] = {}

    def __iter__(self) -> Iterator[str]:
        self.unread.clear()
        self.unreadable.clear()
        for path in self._paths:
            if os.path.isdir(path):  # noqa: PTH112 - a name that cannot be is none
                yield from self._below(os.fspath(path), set())
            else:
                yield os.fspath(path)

    def _below(self, folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
        try:
            state = os.stat(folder)  # noqa: PTH116 - a Path would drop a leading ./
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.unreadable[folder] = error.strerror or str(error)
            yield folder
            return
        if (state.st_dev, state.st_ino) in seen:
            return
        seen.add((state.st_dev, state.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                yield from self._below(entry.path, seen)
            elif (suffix := Path(entry.name).suffix.lower()) in SUFFIXES:
                if not _is_pipe_or_device(entry):
                    yield entry.path
            elif suffix in UNREAD:
                self.unread[suffix] += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or one into a place that may not be entered
        return False


def _is_pipe_or_device(entry: os.DirEntry[str]) -> bool:
    """The one may never answer, the other never end; who names one himself gets what it gives."""
    try:
        return not entry.is_file() and bool(entry.stat())
    except OSError:  # such as a link to nothing: opening it tells
        return False


def no_photos(unread: Mapping[str, int]) -> str:
    """What to say of folders without a photo."""
    kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
    nothing = f"has no photos ({kinds}) in it or below"
    return f"{nothing}; {passed_over(unread)}" if unread else nothing


def passed_over(unread: Mapping[str, int]) -> str:
    """What to say of pictures in formats that are not read."""
    kinds = ", ".join(f"{count:,} {suffix[1:]}" for suffix, count in sorted(unread.items()))
    total = sum(unread.values())
    what = "picture in a format that is" if total == 1 else "pictures in formats that are"
    return f"passed over {total:,} {what} not read ({kinds}): {what_to_do(unread, total)}"
