"""Photos whose file was changed are captioned again; those that were only moved keep their captions.

A changed file is recognised by its times; a moved one by its picture, if the file at the old place is gone.
"""

# ruff: noqa: PTH116, PTH119, PTH120 (each photo's folders are asked for: objects would take longer than the system)

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from captioner.errors import PhotoError
from indexer import origins
from indexer.contract import CaptionIndex
from indexer.counts import Counts
from indexer.loading import Tell, Wording
from indexer.photo_files.image_ids import IdsOfFiles, LookedUp, other_owner
from indexer.photo_files.places import is_same_file, leads_nowhere
from indexer.photo_files.stored_paths import detour_in
from indexer.records import WEB_FIELDS, AddReport, CaptionRecord, Document, image_ids
from indexer.scrape.titles import caption_of

#: Seconds that may pass between the reading of a photo and the storing of its caption.
_READ_TO_STORED = 30.0
#: The most bits in which two perceptual hashes of the same file differ: `glance` decodes it faster, and so
#: a little differently, than the captioner.
_SAME_PICTURE = 3
#: If so many photos of a folder look as they did, it was not exchanged for another: the rest is not decoded.
_SPEAK_FOR_ALL = 3


class ChangedPhotos:
    """Which files are other photos than those that were captioned, as one run finds them."""

    def __init__(self) -> None:
        self._touched = lru_cache(maxsize=None)(_touched)  # of folders
        self._alike = defaultdict[str, set[str]](set)  # folder -> photos that look as they did
        self._exchanged: set[str] = set()  # folders with a photo that does not

    def has_changed(self, photo: str, document: Document) -> bool:
        """Whether the file at this path is probably another photo than the one that was captioned.

        The times tell. Written since the caption was stored, it is another one. If only its status changed
        (it was moved here, copied with its times, or got other permissions), or a link or folder was touched
        that leads to it, the perceptual hashes are compared. Addresses (s3://, ...) and captions without a
        time count as unchanged, since nothing is known of them; and so does a file whose name is made of its
        content, as of a scraped folder: its times are others in each copy of that.
        """
        if _is_named_by_content(photo, document.record):
            return False
        try:
            state = os.stat(photo)
            touched = max(state.st_mtime, state.st_ctime, os.lstat(photo).st_ctime)
            folders_touched = max(map(self._touched, _folders_of(photo, document.record.image_id)))
            indexed = datetime.fromisoformat(document.indexed_at.replace("Z", "+00:00")).timestamp()
        except (OSError, ValueError):
            return False
        # In whole seconds, as `indexed_at` may be. A time in the future is another clock's: it means nothing.
        if indexed < int(state.st_mtime) <= time.time():
            return True
        phash, suspicious_from = document.record.phash, indexed - _READ_TO_STORED
        if touched > suspicious_from:
            return not phash or _looks_different(photo, phash)
        if not phash:
            return False  # nothing to compare it with
        if indexed > time.time():  # by a clock that was ahead: what was written since is older
            return _looks_different(photo, phash)
        return folders_touched > suspicious_from and self._is_of_another_folder(photo, phash)

    def _is_of_another_folder(self, photo: str, phash: str) -> bool:
        """Whether it looks different in a folder that may have been exchanged for another.

        A photo that is added touches its folder, too, and it takes long to look at all others. So a few speak
        for all, as long as none is different.
        """
        folder = os.path.dirname(photo)
        alike = self._alike[folder]
        if len(alike) >= _SPEAK_FOR_ALL and folder not in self._exchanged and photo not in alike:
            return False
        if _looks_different(photo, phash):
            self._exchanged.add(folder)
            return True
        alike.add(photo)
        return False


def _is_named_by_content(photo: str, record: CaptionRecord) -> bool:
    """Whether it is a scraped photo's file, whose name goes on as its image id ends."""
    digits = record.image_id.rpartition("/")[2]
    return record.source == origins.SCRAPED and os.path.basename(photo).startswith(digits)


def _touched(folder: str) -> float:
    """When something in a folder was last added or removed and the like, or the link that leads to it."""
    return max(os.stat(folder).st_ctime, os.lstat(folder).st_ctime)


def _folders_of(photo: str, image_id: str) -> Iterator[str]:
    """The folders of a photo up to the one that was named, below which its path is its image id."""
    for _ in range(image_id.count("/") + 1):
        photo = os.path.dirname(photo) or os.curdir
        yield photo


def _looks_different(photo: str, phash: str) -> bool:
    from captioner.photo import glance, hash_distance

    try:
        return hash_distance(glance(photo).phash, phash) > _SAME_PICTURE
    except (PhotoError, ValueError):
        return True  # so it goes to the captioner, which reports what is wrong with it


def has_moved(photo: str, document: Document) -> bool:
    """Whether the file at this path is the picture that was captioned at another path, which is gone.

    Or at this place, by a path with detours (`..`), as earlier versions stored them.
    """
    before = document.record.image
    left = leads_nowhere(before) or (detour_in(before) and is_same_file(photo, before))
    phash = document.record.phash
    return bool(before != photo and left and phash and not _looks_different(photo, phash))


class Renewing:
    """An index as `add` uses it: which photos have their captions already, and how new ones are stored.

    A photo has its captions if there are as many by this model as this run writes for each. If
    there are fewer, these stay, and the new ones are added.

    A file is one image: a photo that the index knows under another id gets that one.

    A changed photo loses all generated captions, by whatever model, when the new ones are stored: they
    describe a picture that no longer exists. Titles and people's captions stay. The captions of a moved photo
    get its new place, and those of a scraped one what the web says of it now.
    """

    def __init__(self, index: CaptionIndex, wording: Wording, tell: Tell) -> None:
        self._index, self._wording = index, wording
        self._ids, self._changed = IdsOfFiles(index, tell), ChangedPhotos()
        self.counts = Counts()
        self._outdated: dict[str, list[Document]] = {}  # image id -> captions of its file before the change

    def look_up(self, photos: Sequence[CaptionRecord]) -> list[LookedUp]:
        """The photos under the ids that their files have in the index, looked up there."""
        held = before = self._index.captions(photo.image_id for photo in photos)
        photos, given = self._ids.all_named(photos, held), photos
        if photos != given:
            held = self._index.captions(photo.image_id for photo in photos)
        moved = [one for photo in photos for one in self._with_new_place(photo, held.get(photo.image_id, ()))]
        if moved:
            self._index.add(moved)
            self.counts += Counts(moved=len(image_ids(moved)))
            held = self._index.captions(photo.image_id for photo in photos)
        self._update_web_fields(photos, held)
        return [
            replace(
                self._looked_up(photo, held.get(photo.image_id, ())),
                id_taken=photo.image_id.endswith(f"/{own.image_id}")
                and any(one.record.kind == origins.GENERATED for one in before.get(own.image_id, ())),
            )
            for own, photo in zip(given, photos, strict=True)
        ]

    def _looked_up(self, photo: CaptionRecord, held: Sequence[Document]) -> LookedUp:
        """It needs captions if it has none, or fewer than are to be written, or if its file has changed."""
        generated = [one for one in held if one.record.kind == origins.GENERATED]
        here = [one for one in generated if is_same_file(photo.image, one.record.image)]
        if any(self._changed.has_changed(photo.image, one) for one in here):
            self._outdated[photo.image_id] = here
            return LookedUp(photo)
        own = [one for one in generated if one.record.model == self._wording.model]
        if 0 < sum(one in here for one in own) < self._wording.captions:
            return LookedUp(photo)
        return LookedUp(photo, other_owner(photo, generated, self._wording.model), captioned=bool(own))

    @staticmethod
    def _with_new_place(photo: CaptionRecord, held: Sequence[Document]) -> Iterator[CaptionRecord]:
        """The captions of a photo that was moved, with its new place."""
        generated = (one for one in held if one.record.kind == origins.GENERATED)
        before = next((one.record.image for one in generated if has_moved(photo.image, one)), None)
        for one in held:
            if before is not None and one.record.image == before:
                yield replace(one.record, image=photo.image)

    def _update_web_fields(
        self, photos: Sequence[CaptionRecord], held: Mapping[str, Sequence[Document]]
    ) -> None:
        """Give captions of scraped photos what the web says of these now, and remove outdated titles."""
        scraped = [
            (photo, one)
            for photo in photos
            if photo.source == origins.SCRAPED
            for one in held.get(photo.image_id, ())
            if one.record.source == origins.SCRAPED and is_same_file(photo.image, one.record.image)
        ]
        outdated = [
            one for photo, one in scraped if one.record.kind == origins.TITLE and _is_outdated(one, photo)
        ]
        generated = ((photo, one.record) for photo, one in scraped if one.record.kind == origins.GENERATED)
        updated = [(record, _with_web_fields(record, photo)) for photo, record in generated]
        changed = [after for before, after in updated if after != before]
        if outdated or changed:
            self._index.replace(outdated, changed)

    def store(self, records: Sequence[CaptionRecord]) -> AddReport:
        """Add captions; those of changed photos replace the old ones."""
        changed = [image_id for image_id in image_ids(records) if image_id in self._outdated]
        old = [document for image_id in changed for document in self._outdated.pop(image_id)]
        report = self._index.replace(old, records) if old else self._index.add(records)
        self.counts += Counts(renewed=len(changed))
        return report


def _is_outdated(title: Document, photo: CaptionRecord) -> bool:
    return title.record.caption != " ".join(caption_of(photo.title).split())


def _with_web_fields(record: CaptionRecord, photo: CaptionRecord) -> CaptionRecord:
    return replace(record, **{name: getattr(photo, name) for name in WEB_FIELDS})
