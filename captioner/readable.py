"""Which photos of a data set can be read: the others are left out before any is learnt from or scored on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from captioner.counted import counted
from captioner.datasets import CaptionedPhoto
from captioner.errors import DataError, PhotoError
from captioner.files import file_state, written_whole
from captioner.photo import glance
from captioner.stages import UNWATCHED, StageWatcher

#: A larger share than this is no accident of single files, and would be another data set than was meant.
_MOST_LEFT_OUT = 0.2
_TOGETHER = 256  # photos that are looked at before an interruption is heard


def without(photos: Iterable[CaptionedPhoto], numbers: Collection[int]) -> list[CaptionedPhoto]:
    """The photos but those with these numbers, such as the `unreadable` ones."""
    return [photo for number, photo in enumerate(photos) if number not in numbers]


def unreadable(
    photos: Sequence[CaptionedPhoto],
    purpose: str,
    memory: Path | None = None,
    *,
    watcher: StageWatcher = UNWATCHED,
) -> set[int]:
    """Numbers of the photos that cannot be read; each of them is remarked on, and how many they are.

    `purpose`: what the photos are for, such as "to learn from". `memory`: a folder where it is kept which
    photos could not be read, so that the same files are decoded once only; where all have to be, that is a
    stage. Raises DataError if so many cannot be read that the rest is another data set.
    """
    path = memory / f"{_digest(photos)}.unreadable.json" if memory is not None else None
    remembered = _remembered(path, len(photos))
    if remembered is None:
        watcher.stage("checking photos", len(photos))
        found = _look(photos, range(len(photos)), watcher)
    else:
        found = _look(photos, remembered, UNWATCHED)
    bad = set[int]()
    for number, why in found:
        watcher.remark(why)
        bad.add(number)
    if path is not None and remembered is None:
        _remember(path, bad)
    if bad:
        _check_share(len(bad), len(photos), purpose)
        watcher.remark(f"left out {len(bad):,} of {counted(len(photos), 'photo')} {purpose}: unreadable")
    return bad


def _look(
    photos: Sequence[CaptionedPhoto], numbers: Sequence[int], watcher: StageWatcher
) -> Iterator[tuple[int, str]]:
    """Numbers of the photos that cannot be read, and why, in order; threads decode them."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(numbers), _TOGETHER):
            some = numbers[start : start + _TOGETHER]
            for number, why in zip(some, pool.map(_why_unreadable, (photos[n] for n in some)), strict=True):
                watcher.advance()
                if why:
                    yield number, why


def _why_unreadable(photo: CaptionedPhoto) -> str:
    try:
        glance(photo.image)
    except PhotoError as error:
        return str(error)
    return ""


def _check_share(bad: int, count: int, purpose: str) -> None:
    if bad > _MOST_LEFT_OUT * count:
        raise DataError(
            f"{bad:,} of the {counted(count, 'photo')} {purpose} cannot be read, too many to be left out; "
            "mend them, or take them out of the data set"
        )


def _digest(photos: Iterable[CaptionedPhoto]) -> str:
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(file_state(photo.image))
    return digest.hexdigest()[:24]


def _remembered(path: Path | None, count: int) -> list[int] | None:
    """Numbers of the photos that could not be read when they were last decoded; None if that is not known.

    They are decoded anew each time: a disk that did not answer then may do so now.
    """
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_bytes()) if path is not None else None
        if isinstance(found, list) and all(type(one) is int and 0 <= one < count for one in found):
            return found
    return None


def _remember(path: Path, bad: Iterable[int]) -> None:
    with contextlib.suppress(OSError):  # then they are decoded once more
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as file:
            file.write(json.dumps(sorted(bad)).encode())
