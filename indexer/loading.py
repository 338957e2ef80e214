"""The loop of a build: take what sources give, caption photos, store in batches, keep the count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import tee
from operator import attrgetter
from typing import Protocol

from captioner.outside import printable
from captioner.photo_captioner import PhotoCaptioner
from captioner.signals import signals_held
from indexer.batching import batches
from indexer.places import LookedUp, RealPaths, is_same_file
from indexer.records import RECORD_FIELDS, AddReport, CaptionRecord, Rejected, unfit
from indexer.sources import Item, Problem, Source

#: Captions stored at a time: enough to make the cost of a call small, few enough for the memory.
BATCH = 10_000
#: Captions of photos stored at a time; some ten seconds of work that a power cut could cost.
PHOTO_BATCH = 256
#: Photos looked up in the index at a time.
LOOK_UP = 64

Tell = Callable[[Problem], None]
#: What the index holds of photos, one for one.
Known = Callable[[Sequence[CaptionRecord]], Sequence[LookedUp]]


@dataclass(frozen=True)
class Captioning:
    """How photos get their captions; the captioner is loaded when it is first needed."""

    load: Callable[[], PhotoCaptioner]
    beam: int | None = None  # None: the model's usual one
    captions: int = 1  # per photo

    @cached_property
    def captioner(self) -> PhotoCaptioner:
        return self.load()

    @property
    def way(self) -> tuple[str, int, int]:
        """What decides the captions of a photo: two builds that agree in it write the same ones."""
        beam = self.captioner.usual_beam if self.beam is None else self.beam
        return self.captioner.identity, beam, self.captions


class Bar(Protocol):
    """A progress bar (tqdm has this form)."""

    def update(self, n: int = 1) -> object: ...

    def close(self) -> object: ...


Progress = Callable[[int | None, str, str], Bar]  # total (None: not known), unit, label


class _NoBar:
    def update(self, n: int = 1) -> None: ...

    def close(self) -> None: ...


def no_progress(total: int | None, unit: str, label: str) -> Bar:
    return _NoBar()


class Loading:
    """One run over some sources, and what became of it so far."""

    def __init__(
        self,
        store: Callable[[Sequence[CaptionRecord]], AddReport],
        known: Known,
        captioning: Captioning | None,
        tell: Tell,
        progress: Progress,
    ) -> None:
        self._store_batch = store
        self._known = known
        self._captioning = captioning
        self._tell = tell
        self._progress = progress
        self._places: dict[str, str] = {}  # image id -> the photo that has it in this run
        self._real, self._files = RealPaths(), set[str]()  # of the photos of this run
        self.added = self.unchanged = self.empty = self.captioned = 0
        self.known = self.elsewhere = 0
        self.met_again = 0  # photos whose file this run itself met before
        self.rejected: list[Rejected] = []
        self.problems: list[Problem] = []

    @property
    def nothing(self) -> bool:
        """Whether the run found no caption at all."""
        return not (self.added or self.unchanged or self.known)

    def run(self, sources: Sequence[Source]) -> None:
        """First the captions that are written already, then the photos, which take longer."""
        for source in sources:
            if total := source.caption_count():
                self._load_captions(source, total)
        for source in sources:
            self._load_photos(source)

    def _load_captions(self, source: Source, total: int) -> None:
        with closing(self._progress(total, "caption", source.name)) as bar:
            for batch in batches(self._worded(self._usable(source.captions())), BATCH):
                self._store(batch)
                bar.update(len(batch))

    def _load_photos(self, source: Source) -> None:
        total = source.photo_count()
        written: list[CaptionRecord] = []
        with closing(self._progress(total, "photo", source.name) if total else _NoBar()) as bar:
            try:
                for captions in self._written(self._uncaptioned(source.photos(), bar)):
                    written.extend(self._worded(captions))
                    bar.update()
                    if len(written) >= PHOTO_BATCH:
                        self._keep(written)
            finally:
                self._keep(written)

    def _keep(self, written: list[CaptionRecord]) -> None:
        """Store what a captioner wrote; an interruption, which shall not cost it, comes behind that."""
        with signals_held(first_only=True):
            batch = written.copy()
            written.clear()  # first: what fails is not stored again
            self._store(batch)

    def _written(self, photos: Iterator[CaptionRecord]) -> Iterator[list[CaptionRecord]]:
        """The captions of each photo. The captioner answers in the order of the photos."""
        if self._captioning is None:  # then there are only problems to tell of
            yield from ([] for _ in photos)
            return
        captioner = self._captioning.captioner
        photos, ahead = tee(photos)
        stream = captioner.stream(
            (photo.image for photo in ahead), beam=self._captioning.beam, captions=self._captioning.captions
        )
        for result, photo in zip(stream, photos, strict=True):
            if result.error is not None:
                self._note(Problem(photo.image, result.error.removeprefix(f"{photo.image}: ")))
                yield []
                continue
            self.captioned += 1
            made = replace(photo, model=captioner.identity, phash=result.phash or photo.phash)
            yield [replace(made, caption=caption.text) for caption in result.captions]

    def _uncaptioned(self, items: Iterable[Item], bar: Bar) -> Iterator[CaptionRecord]:
        """The photos that have no caption by this captioner yet."""
        for photos in batches(self._usable(items), LOOK_UP):
            for photo, found in zip(photos, self._known(photos), strict=True):
                file = self._real.of(photo.image)
                if self._is_met(found.photo, file):
                    self.met_again += 1
                elif self._has_its_id(found, file):
                    self.elsewhere += photo.image_id != found.photo.image_id
                    if found.place is None:
                        yield found.photo
                        continue
                    self.known += 1
                bar.update()

    def _is_met(self, photo: CaptionRecord, file: str) -> bool:
        """Whether this run has met its file, through a link, or in a folder around or within."""
        before = self._places.get(photo.image_id)
        return (before is not None and _is_one(photo, before)) or (
            photo.source == "folder" and file in self._files
        )

    def _has_its_id(self, found: LookedUp, file: str) -> bool:
        """Whether its image id stands for this photo; where it is another one's, that is told."""
        photo = found.photo
        first = self._places.setdefault(photo.image_id, found.place or photo.image)
        if not _is_one(photo, first):
            reason = f"its image id {photo.image_id!r} belongs to {first} already; rename one of them"
            self._note(Problem(photo.image, reason))
            return False
        self._files.add(file)
        return True

    def _usable(self, items: Iterable[Item]) -> Iterator[CaptionRecord]:
        for item in items:
            if isinstance(item, Problem):
                self._note(item)
            elif reason := _unusable(item):
                self._note(Problem(printable(str(item.image or item.image_id)), reason))
            else:
                yield item

    def _worded(self, records: Iterable[CaptionRecord]) -> Iterator[CaptionRecord]:
        """Captions with single spaces and at least a word."""
        for record in records:
            caption = " ".join(record.caption.split())
            if caption:
                yield record if caption == record.caption else replace(record, caption=caption)
            else:
                self.empty += 1

    def _store(self, batch: Sequence[CaptionRecord]) -> None:
        if not batch:
            return
        report = self._store_batch(batch)
        self.added += report.added
        self.unchanged += report.unchanged
        self.rejected += report.rejected
        for one in report.rejected:
            self._tell(Problem(f"{one.record.image_id} (document {one.record.document_id})", one.reason))

    def _note(self, problem: Problem) -> None:
        self.problems.append(problem)
        self._tell(problem)


def _is_one(photo: CaptionRecord, place: str) -> bool:
    """Whether the photo is the one at this place; image ids of scraped photos are made of their content."""
    return photo.source == "scraped" or is_same_file(photo.image, place)


_texts = attrgetter(*RECORD_FIELDS)


def _unusable(record: CaptionRecord) -> str:
    """Why it cannot be taken, since its fields are no texts or cannot be stored as UTF-8; else "".

    Lone surrogates come from odd file names and JSON escapes.
    """
    try:
        text = "".join(_texts(record))
    except TypeError:
        return unfit(record)
    if text.isascii():
        return ""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "its name or text is not valid Unicode"
    return ""
