"""The interface of every kind of captioner, and what it gives; no torch is needed to import them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # Pillow comes with it
    from captioner.photo import Photo


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption, and the score that ranked it.

    The score is the length-normalised mean log probability of a word. A model with a consensus, when it uses
    a beam and no diversity, adds fourteen times the caption's agreement (captioner.guides.consensus), so its
    scores may be above 0. Scores of two models, or of two ways of decoding, cannot be compared.
    """

    text: str
    score: float
    ended: bool = True  # False: cut off at the longest length


@dataclass(frozen=True, slots=True)
class Captioned:
    """The result for one photo: captions (the best first, each text once), or why it cannot be read."""

    image: str
    captions: tuple[Caption, ...] = ()
    phash: str = ""
    reason: str | None = None  # why it cannot be read

    @property
    def error(self) -> str | None:
        """The photo's name and why it cannot be read, for a person; None where it could be."""
        return None if self.reason is None else f"{self.image}: {self.reason}"


class PhotoCaptioner(Protocol):
    """What every kind of captioner offers, and all that building and searching need.

    Measuring needs more of this project's own models (Captioner): what is known of their training, and
    captions that differ by more than a word.
    """

    name: str
    identity: str  # name@hash, kept with each caption in the index

    @property
    def usual_beam(self) -> int:
        """The beam where none is asked for."""

    def stream(
        self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
    ) -> Iterator[Captioned]: ...
