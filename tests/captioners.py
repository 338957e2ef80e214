"""A captioner without a model, for tests of what asks one. It keeps the contract, and loads no torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice

from PIL import Image

from captioner.errors import PhotoError
from captioner.photo import Photo, open_photo, perceptual_hash, photo_name
from captioner.photo_captioner import Caption, Captioned, PhotoCaptioner


class WithoutModel(PhotoCaptioner):
    """Opens photos as the real ones do, and tells of those it cannot; what it writes, `texts` says."""

    usual_beam = 3

    def __init__(self, name: str) -> None:
        self.name, self.identity = name, f"{name}@12345678"
        self.beams: list[int | None] = []  # of each call, as it began

    @abstractmethod
    def texts(self, name: str, image: Image.Image) -> Iterable[str]:
        """Captions of a photo, the best first; so many are taken as are asked for."""

    def stream(
        self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
    ) -> Iterator[Captioned]:
        self.beams.append(beam)
        for photo in photos:
            name = photo_name(photo)
            try:
                image = open_photo(photo)
            except PhotoError as error:
                yield Captioned(name, reason=error.reason)
                continue
            written = tuple(Caption(text, -1.0) for text in islice(self.texts(name, image), captions))
            yield Captioned(name, written, perceptual_hash(image))
