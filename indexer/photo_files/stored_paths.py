"""The one form in which paths are stored, and the others by which they are found.

Sources store paths without detours (`..`), so a photo's place needs no folders but those that it lies in.
Links stay: where a folder was named by a link, the link says better than its target where the photos are.
"""

# ruff: noqa: PTH114, PTH117, PTH118

from __future__ import annotations

import os
from pathlib import Path

from captioner.files import real_path


def without_detours(path: str | os.PathLike[str]) -> Path:
    """The absolute path of a file or folder without `.` and `..`, which need not be there.

    `..` leads out of the folder that a link leads to, not out of the one that it lies in, so such a link, and
    those before it, are resolved. All other links stay.
    """
    named = Path(path).absolute()
    settled = Path(named.drive + os.sep)
    for part in named.parts[1:]:
        if part == "..":
            settled = (Path(real_path(settled)) if os.path.islink(settled) else settled).parent
        else:
            settled /= part
    return settled


def as_stored(place: str) -> str:
    """The place of a photo that a file of captions names: a path without detours, if it is absolute.

    Addresses stay as they are, and relative paths: nobody knows of which folder they are.
    """
    may_have_detours = os.path.isabs(place) and ("/." in place or "//" in place)
    return str(without_detours(place)) if may_have_detours else place


def detour_in(place: str) -> str:
    """The part of a path up to its last `..`; "" where it has none."""
    before, dots, _ = place.rpartition("/../")
    return before + dots


def stored_forms(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """How the path of a file or folder may be stored: as it is now; as it was named, by earlier versions;
    and resolved, where it was named by the target of a link."""
    named = Path(path).absolute()
    return tuple(dict.fromkeys((str(without_detours(path)), str(named), real_path(named))))


def beginnings(folder: str | os.PathLike[str]) -> list[str]:
    """The beginnings that stored paths of files below a folder can have."""
    return [os.path.join(each, "") for each in stored_forms(folder)]  # ends with a slash


class RealPaths:
    """Resolves links and `..` in paths, each folder once. Addresses and relative paths stay as they are."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, place: str) -> str:
        if not os.path.isabs(place):
            return place
        folder, name = os.path.split(place)
        try:
            if os.path.islink(place):
                return os.path.realpath(place)
            if folder not in self._folders:
                self._folders[folder] = os.path.realpath(folder)
        except (OSError, ValueError):
            return place
        return os.path.join(self._folders[folder], name)
