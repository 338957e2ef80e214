"""The places of photos: whether two are the same file, and whether it is gone.

Places are texts, as they are stored: paths, and addresses (s3://, ...), which a `Path` would change.
"""

# ruff: noqa: PTH112, PTH116, PTH117, PTH121

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

from indexer.photo_files.stored_paths import detour_in


def places_by_image(places: Iterable[tuple[str, str]]) -> dict[str, Sequence[str]]:
    """Image id -> the places that its captions name, in order."""
    return {
        image_id: [place for _, place in found] for image_id, found in groupby(sorted(places), itemgetter(0))
    }


def is_same_file(photo: str, place: str) -> bool:
    """Whether both are one file, also through links. Addresses and relative paths are compared as texts."""
    try:
        return photo == place or (os.path.isabs(place) and os.path.samefile(photo, place))
    except (OSError, ValueError):
        return False


def is_there(place: str) -> bool:
    return os.path.isabs(place) and not is_gone(place)


def is_gone(place: str) -> bool:
    """Whether there is no such file; False where it is not known.

    That is for addresses (s3://, ...) and relative paths; and for paths with `..`, as earlier versions stored
    them, that lead through a folder that is gone: the file may be where it was.
    """
    if _is_found(place) or not os.path.isabs(place):
        return False
    detour = detour_in(place)
    return not detour or os.path.isdir(detour)


def leads_nowhere(place: str) -> bool:
    """Whether no file can be reached by this path, wherever it may be; False for addresses, as `is_gone`."""
    return os.path.isabs(place) and not _is_found(place)


def _is_found(place: str) -> bool:
    """True also where the system does not tell."""
    try:
        os.stat(place)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        pass
    return True
