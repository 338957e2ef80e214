"""The photos in folders: one walk for all commands, and what it passes over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from captioner.formats import SUFFIXES, UNREAD, what_to_do


class PhotosBelow:
    """The photos at these paths: a file gives itself, a folder the photos in it and below, in order of name.

    In folders, photos are recognised by their suffix. Links to folders are followed, each folder once, so
    loops end. Hidden files (macOS writes a `._a.jpg` beside each `a.jpg` on other systems' disks), pipes and
    devices are left out. A folder that cannot be read gives its own path, so that opening it reports why.
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        self._paths = tuple(paths)
        #: Pictures that were passed over so far, in formats that are not read: suffix -> count.
        self.unread: Counter[str] = Counter()
        #: Folder that cannot be read -> why.
        self.unreadable: dict[str, str] = {}

    def __iter__(self) -> Iterator[str]:
        self.unread.clear()
        self.unreadable.clear()
        for path in self._paths:
            if os.path.isdir(path):  # noqa: PTH112 - pathlib raises for names that are not allowed
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
    """Whether to leave an entry out: a pipe may never answer, a device never end.

    A pipe or device that is named itself is read all the same.
    """
    try:
        return not entry.is_file() and bool(entry.stat())
    except OSError:  # such as a link to nothing: opening it reports that
        return False


def no_photos(unread: Mapping[str, int]) -> str:
    """The message for folders without a photo."""
    kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
    nothing = f"has no photos ({kinds}) in it or below"
    return f"{nothing}; {passed_over(unread)}" if unread else nothing


def passed_over(unread: Mapping[str, int]) -> str:
    """The message for pictures in formats that are not read."""
    kinds = ", ".join(f"{count:,} {suffix[1:]}" for suffix, count in sorted(unread.items()))
    total = sum(unread.values())
    what = "picture in a format that is" if total == 1 else "pictures in formats that are"
    return f"passed over {total:,} {what} not read ({kinds}): {what_to_do(unread, total)}"
