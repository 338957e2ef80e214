"""Photos of a folder that are in the index while their files are gone: to tell of, and to take out.

Image ids are paths below the folder, so photos of a folder below that was renamed come in under new ids.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from indexer.index import CaptionIndex
from indexer.renewal import is_gone

_BATCH = 1_000  # images


def gone_from(index: CaptionIndex, folder: Path) -> dict[str, set[str]]:
    """Images whose file below this folder is gone -> where it was."""
    below = os.path.join(folder, "")  # noqa: PTH118 - ends with a slash
    gone: dict[str, set[str]] = {}
    for image_id, place in index.places(below):
        if is_gone(place):
            gone.setdefault(image_id, set()).add(place)
    return gone


def delete_gone(index: CaptionIndex, folder: Path) -> tuple[int, int]:
    """Remove every caption that tells of a file below this folder that is gone: how many, of how many images.

    Captions of these images that tell of no file, or of another one, stay.
    """
    gone = gone_from(index, folder)
    images, captions = iter(gone), 0
    while batch := list(islice(images, _BATCH)):
        held = (one for documents in index.captions(batch).values() for one in documents)
        old = [one for one in held if one.record.image in gone[one.record.image_id]]
        index.replace(old, ())
        captions += len(old)
    return captions, len(gone)
