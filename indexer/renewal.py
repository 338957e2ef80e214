"""Photos whose file became another one: known by the file's times, captioned anew in place of what was."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import datetime

from captioner.errors import PhotoError
from indexer.index import CaptionIndex
from indexer.records import AddReport, CaptionRecord, Document, image_ids

#: Seconds that may pass between the reading of a photo and the storing of its caption.
_READ_BEFORE = 30.0
#: Bits of the perceptual hash in which a glance may differ from the captioner's look at the same file.
_SAME = 3


def has_changed(photo: str, document: Document) -> bool:
    """Whether the file at this path is likely to be another photo than the one that was captioned.

    A file that nobody has touched since costs one question for its times. One that was written since is
    another. One that was only moved here, copied with its times, or given other rights, is looked at: its
    hash tells. Nothing is known of addresses (s3://, ...) and of captions without a time: they count as
    unchanged.
    """
    try:
        state = os.stat(photo)  # noqa: PTH116 - an address is no Path
        indexed = datetime.fromisoformat(document.indexed_at.replace("Z", "+00:00")).timestamp()
    except (OSError, ValueError):
        return False
    # Whole seconds, as in `indexed_at`; a time to come (another clock's) tells nothing.
    if indexed < int(state.st_mtime) <= time.time():
        return True
    touched = max(state.st_mtime, state.st_ctime)
    return touched > indexed - _READ_BEFORE and _looks_different(photo, document.record.phash)


def _looks_different(photo: str, phash: str) -> bool:
    from captioner.photo import glance, hash_distance

    try:
        return not phash or hash_distance(glance(photo).phash, phash) > _SAME
    except (PhotoError, ValueError):
        return True  # the captioner will tell what is the matter with it


class Renewing:
    """An index as `add` sees it: which photos have their caption, and where new captions go.

    All generated captions of a changed photo go, whoever wrote them, as soon as the new ones are there:
    they tell of a picture that is no more. Titles and people's captions stay.
    """

    def __init__(self, index: CaptionIndex, model: str) -> None:
        self._index, self._model = index, model
        self.renewed = 0  # photos whose captions were replaced
        self._outdated: dict[str, list[Document]] = {}  # image id -> captions of its earlier file

    def known(self, photos: Sequence[CaptionRecord]) -> dict[str, str]:
        """Photos that have a caption by this captioner -> the place of the picture it was made from."""
        found = {}
        held = self._index.captions(photo.image_id for photo in photos)
        for photo in photos:
            generated = [one for one in held.get(photo.image_id, ()) if one.record.kind == "generated"]
            own = next((one for one in generated if one.record.model == self._model), None)
            here = [one for one in generated if one.record.image == photo.image]
            if any(has_changed(photo.image, one) for one in here):
                self._outdated[photo.image_id] = here
            elif own is not None:
                found[photo.image_id] = own.record.image
        return found

    def store(self, records: Sequence[CaptionRecord]) -> AddReport:
        """Add captions; those of changed photos take the place of the old ones."""
        changed = [image_id for image_id in image_ids(records) if image_id in self._outdated]
        old = [document for image_id in changed for document in self._outdated.pop(image_id)]
        report = self._index.replace(old, records) if old else self._index.add(records)
        self.renewed += len(changed)
        return report
