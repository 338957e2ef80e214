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
from indexer import origins
from indexer.batching import batches
from indexer.places import LookedUp, RealPaths, is_photo_at, with_folder
from indexer.records import RECORD_FIELDS, AddReport, CaptionRecord, Rejected, unfit
from indexer.sources import Problem, Source, SourceItem

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
    def model(self) -> str:
        """Who writes the captions, as they tell: the same captioner with another beam writes other ones."""
        if self.beam is None or self.beam == self.captioner.usual_beam:
            return self.captioner.identity
        return origins.with_beam(self.captioner.identity, self.beam)

    @property
    def way(self) -> tuple[str, int]:
        """What decides the captions of a photo: two builds that agree in it write the same ones."""
        return self.model, self.captions


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
        self._taken: list[CaptionRecord] = []  # captions of an earlier index, to be stored
        self.added = self.unchanged = self.empty = self.captioned = 0
        self.known = self.taken_over = 0
        self.elsewhere = self.with_folder = 0
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
                self._keep(self._taken)
                self._keep(written)

    def _keep(self, written: list[CaptionRecord]) -> None:
        """Store captions of photos; an interruption, which shall not cost them, comes behind that."""
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
            made = replace(photo, model=self._captioning.model, phash=result.phash or photo.phash)
            yield [replace(made, caption=caption.text) for caption in result.captions]

    def _uncaptioned(self, items: Iterable[SourceItem], bar: Bar) -> Iterator[CaptionRecord]:
        """The photos that have no caption by this captioner yet, under the ids that they get."""
        for photos in batches(self._usable(items), LOOK_UP):
            wanting = self._wanting(photos, bar)
            # The captioner may take its time, and what is taken over was found unchanged just now.
            if wanting or len(self._taken) >= BATCH:
                self._keep(self._taken)
            yield from wanting

    def _wanting(
        self, photos: Sequence[CaptionRecord], bar: Bar, with_folder: bool = False
    ) -> list[CaptionRecord]:
        """Those that have no caption; a photo whose id is another one's is tried with its folder's name."""
        wanting, again = [], []
        for photo, found in zip(photos, self._known(photos), strict=True):
            file = self._real.of(photo.image)
            if self._is_met(found.photo, file):
                self.met_again += 1
            elif not is_photo_at(found.photo, first := self._first(found)):
                if longer := self._with_folder(found.photo, first):
                    again.append(longer)
                    continue
            else:
                self._files.add(file)
                self.with_folder += with_folder or found.id_taken
                self.elsewhere += not found.id_taken and photo.image_id != found.photo.image_id
                if not self._has_captions(found):
                    wanting.append(found.photo)
                    continue
            bar.update()
        return wanting + self._wanting(again, bar, with_folder=True) if again else wanting

    def _has_captions(self, found: LookedUp) -> bool:
        """Whether a photo has captions, or can have those of an earlier index; its id is its own now."""
        self._places[found.photo.image_id] = found.photo.image
        has_captions = found.place is not None or bool(found.captions)
        self._taken += found.captions
        self.taken_over += bool(found.captions)
        self.known += has_captions
        return has_captions

    def _is_met(self, photo: CaptionRecord, file: str) -> bool:
        """Whether this run has met its file, through a link, or in a folder around or within."""
        before = self._places.get(photo.image_id)
        return (before is not None and is_photo_at(photo, before)) or (
            photo.source == origins.FOLDER and file in self._files
        )

    def _first(self, found: LookedUp) -> str:
        """Where the picture is that has its image id: one of this run, of the index, or itself."""
        return self._places.get(found.photo.image_id) or found.place or found.photo.image

    def _with_folder(self, photo: CaptionRecord, first: str) -> CaptionRecord | None:
        """The photo under a longer id, since another one has its id; where there is none, that is told."""
        longer = with_folder(photo)
        if longer is None:
            reason = f"its image id {photo.image_id!r} belongs to {first} already; rename one of them"
            self._note(Problem(photo.image, reason))
        return longer

    def _usable(self, items: Iterable[SourceItem]) -> Iterator[CaptionRecord]:
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
