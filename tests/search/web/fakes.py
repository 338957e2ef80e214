"""A captioner that answers at once, or when it is told to, in the form of the real one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from captioner.errors import PhotoError
from captioner.photo import open_photo


@dataclass(frozen=True)
class FakeCaption:
    text: str
    score: float = -1.0


@dataclass(frozen=True)
class FakeCaptioned:
    image: str
    captions: tuple[FakeCaption, ...]
    phash: str = ""
    error: str | None = None


@dataclass
class FakeCaptioner:
    """Opens photos as the real one does, and says the same of each. `gate`, where set, holds it up."""

    text: str = "a cat looking at the camera"
    others: tuple[str, ...] = ()  # said where more captions are asked for
    gate: threading.Event | None = None
    name: str = "fake"
    identity: str = "fake@12345678"
    usual_beam: int = 3
    batches: list[int] = field(default_factory=list)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def stream(
        self, photos: Iterable[Any], *, beam: int | None = None, captions: int = 1
    ) -> Iterator[FakeCaptioned]:
        given = list(photos)
        self.batches.append(len(given))
        self.entered.release()
        if self.gate is not None:
            assert self.gate.wait(30), "the test never opened the gate"
        for photo in given:
            try:
                open_photo(photo)
            except PhotoError as error:
                yield FakeCaptioned("<photo>", (), error=str(error))
            else:
                texts = (self.text, *self.others)[:captions]
                yield FakeCaptioned("<photo>", tuple(map(FakeCaption, texts)))
