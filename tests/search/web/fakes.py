"""A captioner that answers at once, or when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from PIL import Image

from captioner.photo import Photo
from captioner.photo_captioner import Captioned
from tests.captioners import WithoutModel

SAID = "a cat looking at the camera"


class FakeCaptioner(WithoutModel):
    """Says the same of each photo: `text`, and `others` where more is asked for. `gate` holds it up."""

    def __init__(
        self,
        text: str = SAID,
        others: tuple[str, ...] = (),
        gate: threading.Event | None = None,
    ) -> None:
        super().__init__("fake")
        self.text, self.others, self.gate = text, others, gate
        self.batches: list[int] = []
        self.entered = threading.Semaphore(0)

    def texts(self, name: str, image: Image.Image) -> Iterable[str]:
        return self.text, *self.others

    def stream(
        self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
    ) -> Iterator[Captioned]:
        given = list(photos)
        self.batches.append(len(given))
        self.entered.release()
        if self.gate is not None:
            assert self.gate.wait(30), "the test never opened the gate"
        yield from super().stream(given, beam=beam, captions=captions)
