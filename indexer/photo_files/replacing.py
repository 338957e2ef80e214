"""What was before a build: captions that the new index gets as they are, and images that it leaves out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from captioner.problem import Problem
from indexer.contract import CaptionIndex, Draft
from indexer.errors import IndexerError
from indexer.loading import Tell, Wording
from indexer.photo_files.image_ids import IdsOfFiles, LookedUp, is_other, is_photo_at
from indexer.photo_files.renewal import ChangedPhotos, has_moved
from indexer.records import CaptionRecord, Document, generated_by

#: Captions of an index whose images are compared with those of the new one; of more the memory would be felt.
_COMPARED = 1_000_000


@dataclass(frozen=True, slots=True)
class Replaced:
    """What an index held that a build has replaced."""

    captions: int
    images: int
    left_out: int | None  # of the images: those that the new index has not; None where nobody counted


class Replacing:
    """Which photos have their captions already, as `build` sees it.

    A photo has them where an earlier run of this build stored them in the draft. It can have earlier ones, as
    they are, where captioning it would write the same: `Before`.
    """

    def __init__(self, draft: Draft, before: Before, wording: Wording) -> None:
        self._draft, self._before, self._wording = draft, before, wording

    def look_up(self, photos: Sequence[CaptionRecord]) -> list[LookedUp]:
        """Captions by other models come from a source and do not count as this photo's.

        The files of an earlier run need not be looked at: their sizes and times are in the key, so a build
        whose photos have changed begins a draft of its own.
        """
        new = [photo for photo in photos if not self._is_done(photo)]
        found = dict(zip(new, self._before.captions(new), strict=True))
        self._before.note_names([photo for photo in photos if photo not in found])
        return [
            LookedUp(photo, captions=found[photo]) if photo in found else self._in_draft(photo)
            for photo in photos
        ]

    def _is_done(self, photo: CaptionRecord) -> bool:
        """Whether its id is in the draft, and not with fewer captions of this photo than are to be written.

        A run that was killed may have stored only some of them.
        """
        places = self._stored.get(photo.image_id, ())
        here = sum(is_photo_at(photo, place) for place in places)
        return bool(places) and not 0 < here < self._wording.captions

    def _in_draft(self, photo: CaptionRecord) -> LookedUp:
        place = self._stored[photo.image_id][-1]
        return LookedUp(photo, place if is_other(photo, place) else None, captioned=True)

    @cached_property
    def _stored(self) -> Mapping[str, Sequence[str]]:
        return self._draft.known_places(self._wording.model)


class Before:
    """The index as it was before a build, and what builds of other photos left when they were interrupted.

    Captions of a photo are those that this captioner would write now where it wrote as many of them as are
    asked for, and the file has not changed since, by the rules of `indexer.photo_files.renewal`; in the index
    under whatever image id. An index that cannot be read, or is damaged, gives none.
    """

    def __init__(
        self,
        index: CaptionIndex,
        draft: Draft,
        wording: Wording,
        tell: Tell,
    ) -> None:
        self._index, self._draft, self._captions, self._tell = index, draft, wording.captions, tell
        self._written = generated_by(wording.model)
        self._ids, self._changed = IdsOfFiles(index, tell), ChangedPhotos()
        #: Image id in the new index -> the ids of the same files in the old one, which are not missing then.
        self._names = defaultdict[str, set[str]](set)
        self._held: Replaced | None = None
        self._images: set[str] | None = None

    def count(self) -> None:
        """Note what it holds. At the end of a build, since a server may take long over its images."""
        try:
            captions = self._index.caption_count()
            if captions > _COMPARED:
                self._held = Replaced(captions, self._index.status().images, None)
            elif captions:
                self._images = set(self._index.images())
                self._held = Replaced(captions, len(self._images), None)
        except IndexerError:  # the build takes its place
            pass

    def replaced(self) -> Replaced | None:
        """What was counted, once the new index is there; None for nothing, and what could not be read."""
        if self._held is None or self._images is None:
            return self._held
        try:
            for image_id in self._index.images():
                self._images.discard(image_id)
                self._images -= self._names.pop(image_id, set())
        except IndexerError:  # what was built is there, and is told of
            return self._held
        return replace(self._held, left_out=len(self._images))

    def note_names(self, photos: Sequence[CaptionRecord]) -> None:
        """Note what other ids the files of photos have here."""
        if photos and self._is_sound:
            self._note(photos, [self._ids.named(photo) for photo in photos])

    def _note(self, photos: Sequence[CaptionRecord], named: Sequence[CaptionRecord]) -> None:
        for photo, name in zip(photos, named, strict=True):
            if name.image_id != photo.image_id:
                self._names[photo.image_id].add(name.image_id)

    def captions(self, photos: Sequence[CaptionRecord]) -> list[tuple[CaptionRecord, ...]]:
        """Return the captions that each photo keeps; none if it must be captioned."""
        if not photos:
            return []
        left = self._draft.left_by_others(photo.image_id for photo in photos)
        held = self._held_of(photos) if self._is_sound else [()] * len(photos)
        return [
            self._first_fit(photo, (documents, *(draft.get(photo.image_id, ()) for draft in left)))
            for photo, documents in zip(photos, held, strict=True)
        ]

    def _held_of(self, photos: Sequence[CaptionRecord]) -> list[Sequence[Document]]:
        """The captions that the index has of each photo, under whatever image id."""
        held = self._index.captions(photo.image_id for photo in photos)
        named = self._ids.all_named(photos, held)
        if named != list(photos):
            self._note(photos, named)
            held = {**held, **self._index.captions(photo.image_id for photo in named)}
        return [held.get(name.image_id, ()) for name in named]

    @cached_property
    def _is_sound(self) -> bool:
        """Damage would get into the new index, whose checksums are right."""
        try:
            self._index.check_stored()
        except IndexerError as error:
            self._tell(Problem(self._index.where, f"its captions are not taken over ({error})"))
            return False
        return True

    def _first_fit(
        self, photo: CaptionRecord, held: Iterable[Sequence[Document]]
    ) -> tuple[CaptionRecord, ...]:
        """Each build wrote as many captions as it was asked for: those of several do not add up."""
        return next(filter(None, (self._of(photo, documents) for documents in held)), ())

    def _of(self, photo: CaptionRecord, held: Sequence[Document]) -> tuple[CaptionRecord, ...]:
        """Only the caption and what its picture looks like: all else the source tells as it is now."""
        written = (one for one in held if self._written.matches(one.record))
        same = {one.record.caption: one.record for one in written if self._shows_still(photo, one)}
        if len(same) != self._captions:
            return ()
        return tuple(
            replace(photo, caption=caption, model=record.model, phash=record.phash or photo.phash)
            for caption, record in same.items()
        )

    def _shows_still(self, photo: CaptionRecord, document: Document) -> bool:
        """Whether it is the picture that was captioned; ids of scraped photos are made of their content."""
        if is_photo_at(photo, document.record.image):
            return not self._changed.has_changed(photo.image, document)
        return has_moved(photo.image, document)
