"""A captioner without a model and an index without files, for tests of what lies between them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from captioner.photo import Photo
from captioner.photo_captioner import Captioned, PhotoCaptioner
from captioner.tokens import DEFAULT
from indexer.analyzers import known_analyzer
from indexer.build import Captioning
from indexer.contract import Draft
from indexer.embedded.draft import EmbeddedDraft
from indexer.given import listed
from indexer.photo_files.places import places_by_image
from indexer.records import (
    AddReport,
    CaptionRecord,
    Document,
    IndexStatus,
    Rejected,
    generated_by,
)
from tests.captioners import WithoutModel
from tests.indexer.memory import MemoryIndex


class ColourCaptioner(WithoutModel):
    """Writes the name of a photo's file as its caption."""

    def __init__(self, name: str = "colour") -> None:
        super().__init__(name)
        self.asked: list[str] = []

    def texts(self, name: str, image: Image.Image) -> Iterable[str]:
        self.asked.append(name)
        return (f"a photo of {Path(name).stem} number {n}" for n in itertools.count())


class Stopped(ColourCaptioner):
    """Stops after so many photos, as Ctrl-C would."""

    def __init__(self, after: int, how: BaseException) -> None:
        super().__init__()
        self.after, self.how = after, how

    def stream(
        self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
    ) -> Iterator[Captioned]:
        for number, result in enumerate(super().stream(photos, beam=beam, captions=captions)):
            if number == self.after:
                raise self.how
            yield result


def refusing(
    refused: Callable[[CaptionRecord], bool],
) -> Callable[[EmbeddedDraft, Iterable[CaptionRecord]], AddReport]:
    """`EmbeddedDraft.add` of an index that refuses some captions, as a server may."""
    take = EmbeddedDraft.add

    def add(draft: EmbeddedDraft, records: Iterable[CaptionRecord]) -> AddReport:
        given = list(records)
        taken = take(draft, (one for one in given if not refused(one)))
        return taken + AddReport(rejected=tuple(Rejected(one, "odd") for one in given if refused(one)))

    return add


def captioning(captioner: PhotoCaptioner, captions: int = 1) -> Captioning:
    return Captioning(lambda: captioner, captions=captions)


class _MemoryDraft(Draft):
    def __init__(self, index: DraftingIndex, documents: dict[str, Document], analyzer_name: str) -> None:
        self.index, self.documents, self.analyzer = index, documents, analyzer_name

    def add(self, records: Iterable[CaptionRecord]) -> AddReport:
        return self.index.store(self.documents, records, self.analyzer)

    def known_places(self, model: str) -> dict[str, Sequence[str]]:
        records = [document.record for document in self.documents.values()]
        known = (one for one in records if generated_by(model).matches(one))
        return places_by_image((one.image_id, one.image) for one in known)

    def left_by_others(self, image_ids: Iterable[str]) -> list[dict[str, list[Document]]]:
        wanted = listed(image_ids)
        others = (draft for draft in self.index.drafts.values() if draft is not self.documents)
        return [
            {name: [one for one in draft.values() if one.record.image_id == name] for name in wanted}
            for draft in others
        ]

    def publish(self) -> IndexStatus:
        self.index.documents, self.index.analyzer = self.documents, self.analyzer
        self.index.drafts.clear()
        return self.index.status()

    def close(self) -> None:
        pass


class DraftingIndex(MemoryIndex):
    """The reference index with drafts; captions with the word "refused" are rejected."""

    def __init__(self, records: Iterable[CaptionRecord] = (), analyzer_name: str = DEFAULT) -> None:
        self.drafts: dict[str, dict[str, Document]] = {}
        self.stored: list[int] = []
        super().__init__(records, analyzer_name)

    def draft(self, key: str, analyzer: str = DEFAULT) -> Draft:
        known_analyzer(self.where, analyzer)
        return _MemoryDraft(self, self.drafts.setdefault(key, {}), analyzer)

    def store(
        self, documents: dict[str, Document], records: Iterable[CaptionRecord], analyzer_name: str
    ) -> AddReport:
        given = list(records)
        self.stored.append(len(given))
        refused = [record for record in given if "refused" in record.caption]
        kept = [record for record in given if "refused" not in record.caption]
        rejected = tuple(Rejected(one, "the mapping refuses it") for one in refused)
        return replace(super().store(documents, kept, analyzer_name), rejected=rejected)

    @property
    def held(self) -> list[CaptionRecord]:
        return [document.record for document in self.documents.values()]


class NotingPlaces(DraftingIndex):
    """Notes what places are told by the index, and for which of them the disk is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.beginnings: list[str] = []

    def places(self, beginning: str) -> Iterator[tuple[str, str]]:
        self.beginnings.append(beginning)
        for found in super().places(beginning):
            self.events.append("index")
            yield found

    def disk(self, is_gone: Callable[[str], bool]) -> Callable[[str], bool]:
        def asked(place: str) -> bool:
            self.events.append(place)
            return is_gone(place)

        self.events.clear()
        return asked
