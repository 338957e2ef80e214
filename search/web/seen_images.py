"""Where the pictures of images are, as the index says, without asking it again for every picture shown."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

from indexer.records import CaptionRecord, Document
from search.web.pictures import REMEMBER_SECONDS


class SeenImages:
    """Where the pictures of recent answers are, so that showing them asks the engine nothing more.

    A caption may lack the place that another caption of its image has, so a place is remembered from a
    caption that has one, or, if none has, after all were looked at. `captions` is `CaptionIndex.captions`.
    """

    def __init__(
        self, captions: Callable[[Iterable[str]], Mapping[str, Sequence[Document]]], size: int = 50_000
    ) -> None:
        self._captions, self._size = captions, size
        self._seen: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def places(self, records: Sequence[CaptionRecord]) -> dict[str, str]:
        """Each image's place; empty where no caption has one. The engine is asked for what is not known."""
        for record in records:
            if record.image:
                self._remember(record.image_id, record.image)
        seen = {record.image_id: record.image or self.place(record.image_id) for record in records}
        unknown = [image_id for image_id, place in seen.items() if place is None]
        found = self.look_up(unknown) if unknown else {}
        return {image_id: found.get(image_id, place or "") for image_id, place in seen.items()}

    def look_up(self, image_ids: Iterable[str]) -> dict[str, str]:
        """The places of these images by all their captions; those in the index only."""
        places = {
            image_id: next((one.record.image for one in documents if one.record.image), "")
            for image_id, documents in self._captions(image_ids).items()
            if documents
        }
        for image_id, place in places.items():
            self._remember(image_id, place)
        return places

    def _remember(self, image_id: str, image: str) -> None:
        with self._lock:
            self._seen[image_id] = (image, time.monotonic() + REMEMBER_SECONDS)
            self._seen.move_to_end(image_id)
            while len(self._seen) > self._size:
                self._seen.popitem(last=False)

    def place(self, image_id: str) -> str | None:
        """The picture's place as last seen; None when it was not seen lately."""
        image, until = self._seen.get(image_id, ("", 0.0))
        return image if time.monotonic() < until else None
