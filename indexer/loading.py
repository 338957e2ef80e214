"""The loop of a build: read the sources, caption their photos, store captions in batches, count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import tee
from typing import NamedTuple

from captioner.outside import printable
from captioner.photo_captioner import PhotoCaptioner
from captioner.problem import Problem
from captioner.signals import signals_held
from indexer import origins
from indexer.batching import batches
from indexer.counts import Counts
from indexer.photo_files.image_ids import IdsOfRun, LookedUp, with_folder
from indexer.progress import Bar, Progress, no_progress
from indexer.records import AddReport, CaptionRecord, Rejected, not_text
from indexer.sources import Source, SourceItem

#: Captions stored at a time: so many that the cost of a call is small, so few that they fit into memory.
BATCH = 10_000
#: New captions of photos stored at a time: a power cut loses no more, which is some ten seconds of work.
PHOTO_BATCH = 256
#: Photos looked up in the index at a time.
LOOK_UP = 64

Tell = Callable[[Problem], None]
#: A function that looks photos up in the index, and gives one answer for each.
LookUp = Callable[[Sequence[CaptionRecord]], Sequence[LookedUp]]


class Wording(NamedTuple):
    """What decides the captions of a photo: two builds for which it is equal write the same ones."""

    model: str  # the `model` of the captions; empty where no photo is captioned
    captions: int  # per photo


@dataclass(frozen=True)
class Captioning:
    """How photos get their captions; the captioner is loaded when it is first needed."""

    load: Callable[[], PhotoCaptioner]
    beam: int | None = None  # None: the model's usual one
    captions: int = 1  # per photo

    @cached_property
    def captioner(self) -> PhotoCaptioner:
        return self.load()

    def open(self) -> None:
        """Load the captioner now."""
        _ = self.captioner

    @property
    def model(self) -> str:
        """The `model` of the captions. It names an unusual beam, with which a captioner writes other ones."""
        if self.beam is None or self.beam == self.captioner.usual_beam:
            return self.captioner.identity
        return origins.with_beam(self.captioner.identity, self.beam)

    @property
    def wording(self) -> Wording:
        return Wording(self.model, self.captions)


class Loading:
    """One run over some sources, and its counts so far."""

    def __init__(
        self,
        store: Callable[[Sequence[CaptionRecord]], AddReport],
        look_up: LookUp,
        captioning: Captioning | None,
        tell: Tell,
        progress: Progress,
    ) -> None:
        self._store_batch = store
        self._look_up = look_up
        self._captioning = captioning
        self._tell = tell
        self._progress = progress
        self._ids = IdsOfRun()
        self._longer_ids: set[str] = set()  # with their folder's name, of photos that are to be captioned
        self._captions_taken_over: list[CaptionRecord] = []  # captions of an earlier index, to be stored
        self.counts = Counts()
        self.rejected: list[Rejected] = []
        self.problems: list[Problem] = []
        self._problems_of_photos: set[Problem] = set()

    @property
    def nothing(self) -> bool:
        """Whether the run found no caption at all."""
        return not (self.counts.added or self.counts.unchanged or self.counts.known)

    def run(self, sources: Sequence[Source]) -> None:
        """First store the captions that the sources have, then caption their photos, which takes longer."""
        for source in sources:
            if total := source.caption_count():
                self._load_captions(source, total)
        for source in sources:
            self._load_photos(source)

    def _load_captions(self, source: Source, total: int) -> None:
        with closing(self._progress(total, "caption", source.name)) as bar:
            for batch in batches(self._with_words(self._usable(source.captions())), BATCH):
                self._store_and_count(batch)
                bar.update(len(batch))

    def _load_photos(self, source: Source) -> None:
        total = source.photo_count()
        written: list[CaptionRecord] = []
        with closing((self._progress if total else no_progress)(total, "photo", source.name)) as bar:
            try:
                for captions in self._caption_photos(self._uncaptioned_photos(source.photos(), bar)):
                    written.extend(self._with_words(captions))
                    bar.update()
                    if len(written) >= PHOTO_BATCH:
                        self._store_uninterrupted(written)
            finally:
                self._store_uninterrupted(self._captions_taken_over)
                self._store_uninterrupted(written)

    def _store_uninterrupted(self, written: list[CaptionRecord]) -> None:
        """Store captions of photos. An interruption waits until this is done, so that no caption is lost."""
        with signals_held(first_only=True):
            batch = written.copy()
            written.clear()  # first, so that a batch that fails is not stored again
            self._store_and_count(batch)

    def _caption_photos(self, photos: Iterator[CaptionRecord]) -> Iterator[list[CaptionRecord]]:
        """The captions of each photo. The captioner answers in the order of the photos."""
        if self._captioning is None:  # photos are not captioned, but problems of their source are reported
            yield from ([] for _ in photos)
            return
        captioner = self._captioning.captioner
        photos, ahead = tee(photos)  # the captioner reads ahead
        stream = captioner.stream(
            (photo.image for photo in ahead), beam=self._captioning.beam, captions=self._captioning.captions
        )
        for result, photo in zip(stream, photos, strict=True):
            if result.reason is not None:
                self._report(Problem(photo.image, result.reason))
                yield []
                continue
            self.counts += Counts(captioned=1, with_folder=photo.image_id in self._longer_ids)
            made = replace(photo, model=self._captioning.model, phash=result.phash or photo.phash)
            yield [replace(made, caption=caption.text) for caption in result.captions]

    def _uncaptioned_photos(self, items: Iterable[SourceItem], bar: Bar) -> Iterator[CaptionRecord]:
        """The photos that have no caption by this captioner yet, under the image ids that they get."""
        for photos in batches(self._usable(filter(self._is_new, items)), LOOK_UP):
            uncaptioned = self._select_uncaptioned(photos, bar)
            # Stored before the captioner begins, which takes long: the files were found unchanged just now.
            if uncaptioned or len(self._captions_taken_over) >= BATCH:
                self._store_uninterrupted(self._captions_taken_over)
            yield from uncaptioned

    def _is_new(self, item: SourceItem) -> bool:
        """False for a problem that was met before, as of a folder within two of those that were named."""
        if not isinstance(item, Problem):
            return True
        is_new = item not in self._problems_of_photos
        self._problems_of_photos.add(item)
        return is_new

    def _select_uncaptioned(
        self, photos: Sequence[CaptionRecord], bar: Bar, with_folder: bool = False
    ) -> list[CaptionRecord]:
        """The photos without a caption. One whose id is taken is tried again under an id with its folder."""
        uncaptioned, again = [], []
        for photo, found in zip(photos, self._look_up(photos), strict=True):
            if self._ids.has(found.photo):
                self.counts += Counts(met_again=1)
            elif owner := self._ids.owner(found):
                if longer := self._with_folder(found.photo, owner):
                    again.append(longer)
                    continue
            else:
                self._ids.add(found.photo)
                elsewhere = not found.id_taken and photo.image_id != found.photo.image_id
                self.counts += Counts(with_folder=found.id_taken, elsewhere=elsewhere)
                if not self._note_captions(found, with_folder and not found.id_taken):
                    uncaptioned.append(found.photo)
                    continue
            bar.update()
        return uncaptioned + self._select_uncaptioned(again, bar, with_folder=True) if again else uncaptioned

    def _note_captions(self, found: LookedUp, longer_id: bool) -> bool:
        """Note captions of an earlier index; gives whether the photo has captions now."""
        has_captions = found.captioned or bool(found.captions)
        self._captions_taken_over += found.captions
        with_folder = longer_id and has_captions
        self.counts += Counts(known=has_captions, taken_over=bool(found.captions), with_folder=with_folder)
        if longer_id and not has_captions:
            self._longer_ids.add(found.photo.image_id)  # counted with its caption: it may be no photo
        return has_captions

    def _with_folder(self, photo: CaptionRecord, owner: str) -> CaptionRecord | None:
        """The photo under a longer id, since its own one is taken; where there is none, that is a problem."""
        longer = with_folder(photo)
        if longer is None:
            reason = f"its image id {photo.image_id!r} belongs to {owner} already; rename one of them"
            self._report(Problem(photo.image, reason))
        return longer

    def _usable(self, items: Iterable[SourceItem]) -> Iterator[CaptionRecord]:
        for item in items:
            if isinstance(item, Problem):
                self._report(item)
            elif reason := not_text(item):
                self._report(Problem(printable(str(item.image or item.image_id)), reason))
            else:
                yield item

    def _with_words(self, records: Iterable[CaptionRecord]) -> Iterator[CaptionRecord]:
        """The captions with a word or more, with single spaces between the words."""
        for record in records:
            caption = " ".join(record.caption.split())
            if caption:
                yield record if caption == record.caption else replace(record, caption=caption)
            else:
                self.counts += Counts(empty=1)

    def _store_and_count(self, batch: Sequence[CaptionRecord]) -> None:
        if not batch:
            return
        report = self._store_batch(batch)
        self.counts += Counts(added=report.added, updated=report.updated, unchanged=report.unchanged)
        self.rejected += report.rejected
        for one in report.rejected:
            self._tell(Problem(f"{one.record.image_id} (document {one.record.document_id})", one.reason))

    def _report(self, problem: Problem) -> None:
        self.problems.append(problem)
        self._tell(problem)
