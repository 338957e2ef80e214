"""A captioner for workers of a cluster: light to import (no torch), and killed where a test wants it."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from captioner.photo import Photo
from captioner.photo_captioner import Captioned
from tests.captioners import WithoutModel


class PixelCaptioner(WithoutModel):
    """Says what colour a photo has. With `dies`, its process is killed once, in the middle of a batch."""

    def __init__(self, dies: Path | None = None) -> None:
        super().__init__("pixel")
        self._dies = dies

    def texts(self, name: str, image: Image.Image) -> Iterable[str]:
        colour = image.getpixel((0, 0))
        return (f"a photo of colour {colour} number {n}" for n in itertools.count())

    def stream(
        self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
    ) -> Iterator[Captioned]:
        return super().stream(self._until_killed(photos), beam=beam, captions=captions)

    def _until_killed(self, photos: Iterable[Photo]) -> Iterator[Photo]:
        for number, photo in enumerate(photos):
            if number == 3 and self._dies is not None and not self._dies.exists():
                self._dies.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            yield photo
