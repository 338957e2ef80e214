"""Photos whose file became another one are captioned anew; those that only moved keep their captions.

What became another one is known by the file's times; what moved, where the old file is gone, by what it
shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.errors import PhotoError
from indexer import origins
from indexer.contract import CaptionIndex
from indexer.places import IdsOfFiles, LookedUp, is_gone, is_same_file, is_there
from indexer.records import AddReport, CaptionRecord, Document, image_ids

if TYPE_CHECKING:
    from indexer.sources import Problem

#: Seconds that may pass between the reading of a photo and the storing of its caption.
_READ_BEFORE = 30.0
#: What a record tells of how the web shows its picture.
_SAID = ("query", "provider", "page", "title", "creator", "license", "attribution")
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
        state = Path(photo).stat()
        indexed = datetime.fromisoformat(document.indexed_at.replace("Z", "+00:00")).timestamp()
    except (OSError, ValueError):
        return False
    # Whole seconds, as `indexed_at` may have; a time to come (another clock's) tells nothing.
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


def has_moved(photo: str, document: Document) -> bool:
    """Whether the file at this path is the picture that was captioned at another path, which is gone."""
    before = document.record.image
    return before != photo and is_gone(before) and not _looks_different(photo, document.record.phash)


class Renewing:
    """An index as `add` sees it: which photos have their captions, and where new ones go.

    A photo has them when there are as many by this model as this run writes of each (`captions`); where
    there are fewer, those that are there stay, and what is written anew comes beside them.

    A file is one image: a photo that the index knows under another id goes by that one.

    All generated captions of a changed photo go, whoever wrote them, as soon as the new ones are there:
    they tell of a picture that is no more. Titles and people's captions stay. All captions of a photo that
    moved tell of the place where it is now, and those of a scraped one what the web says of it now.
    """

    def __init__(
        self, index: CaptionIndex, model: str, captions: int, tell: Callable[[Problem], None]
    ) -> None:
        self._index, self._model, self._captions = index, model, captions
        self._ids = IdsOfFiles(index, tell)
        self.renewed = 0  # photos whose captions were replaced
        self.moved = 0  # photos whose captions were taken over from another place
        self._outdated: dict[str, list[Document]] = {}  # image id -> captions of its earlier file

    def known(self, photos: Sequence[CaptionRecord]) -> list[LookedUp]:
        """The photos under the ids that their files have, with the place of the picture that has this id."""
        held = before = self._index.captions(photo.image_id for photo in photos)
        photos, given = self._ids.all_named(photos, held), photos
        if photos != given:
            held = self._index.captions(photo.image_id for photo in photos)
        moved = [one for photo in photos for one in self._moved(photo, held.get(photo.image_id, ()))]
        if moved:
            self._index.add(moved)
            self.moved += len(image_ids(moved))
            held = self._index.captions(photo.image_id for photo in photos)
        self._retell(photos, held)
        return [
            LookedUp(
                photo,
                self._place(photo, held.get(photo.image_id, ())),
                id_taken=photo.image_id.endswith(f"/{own.image_id}")
                and any(one.record.kind == origins.GENERATED for one in before.get(own.image_id, ())),
            )
            for own, photo in zip(given, photos, strict=True)
        ]

    def _place(self, photo: CaptionRecord, held: Sequence[Document]) -> str | None:
        """Of the picture that this captioner captioned, or of another one that has this photo's image id.

        None for a photo that wants captions, since it has none, or fewer than are to be written, or its file
        has changed. That other one is known by a caption of any model, if its file is there. A scraped
        photo's image id is made of its content, so there is no other picture.
        """
        generated = [one for one in held if one.record.kind == origins.GENERATED]
        here = [one for one in generated if is_same_file(photo.image, one.record.image)]
        if any(has_changed(photo.image, one) for one in here):
            self._outdated[photo.image_id] = here
            return None
        own = [one for one in generated if one.record.model == self._model]
        written = [one for one in own if one in here]
        if 0 < len(written) < self._captions:
            return None
        others = (one for one in generated if one not in here and is_there(one.record.image))
        taken = chain(written, own, others if photo.source != origins.SCRAPED else ())
        return next((one.record.image for one in taken), None)

    @staticmethod
    def _moved(photo: CaptionRecord, held: Sequence[Document]) -> Iterator[CaptionRecord]:
        """The captions of a photo that moved, with its place now."""
        generated = (one for one in held if one.record.kind == origins.GENERATED)
        before = next((one.record.image for one in generated if has_moved(photo.image, one)), None)
        for one in held:
            if before is not None and one.record.image == before:
                yield replace(one.record, image=photo.image)

    def _retell(self, photos: Sequence[CaptionRecord], held: Mapping[str, Sequence[Document]]) -> None:
        """Captions of scraped photos tell what the web says of these now; titles of earlier times go."""
        ours = [
            (photo, one)
            for photo in photos
            if photo.source == origins.SCRAPED
            for one in held.get(photo.image_id, ())
            if one.record.source == origins.SCRAPED and is_same_file(photo.image, one.record.image)
        ]
        titles = [one for photo, one in ours if one.record.kind == origins.TITLE and _is_past(one, photo)]
        generated = ((photo, one.record) for photo, one in ours if one.record.kind == origins.GENERATED)
        told = [(record, _retold(record, photo)) for photo, record in generated]
        changed = [after for before, after in told if after != before]
        if titles or changed:
            self._index.replace(titles, changed)

    def store(self, records: Sequence[CaptionRecord]) -> AddReport:
        """Add captions; those of changed photos take the place of the old ones."""
        changed = [image_id for image_id in image_ids(records) if image_id in self._outdated]
        old = [document for image_id in changed for document in self._outdated.pop(image_id)]
        report = self._index.replace(old, records) if old else self._index.add(records)
        self.renewed += len(changed)
        return report


def _is_past(title: Document, photo: CaptionRecord) -> bool:
    return title.record.caption != " ".join(photo.title.split())


def _retold(record: CaptionRecord, photo: CaptionRecord) -> CaptionRecord:
    return replace(record, **{name: getattr(photo, name) for name in _SAID})
