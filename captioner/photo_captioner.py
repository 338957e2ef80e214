"""What every kind of captioner offers, and what it gives: known without torch, which only the kinds load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # Pillow comes with it
    from captioner.photo import Photo


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption, and the score that ranked it.

    It is the mean log probability of a word, length-normalised; of a model with a consensus, with a beam and
    without diversity, plus ten times the caption's agreement (captioner.consensus): it may be above 0 then.
    Scores of two models, or of two ways of decoding, tell nothing of each other.
    """

    text: str
    score: float
    ended: bool = True  # False: cut off at the longest length


@dataclass(frozen=True, slots=True)
class Captioned:
    """What became of one photo: captions (the best first), or an error."""

    image: str
    captions: tuple[Caption, ...] = ()
    phash: str = ""
    error: str | None = None


class PhotoCaptioner(Protocol):
    """What every kind of captioner offers; building and searching ask for no more.

    Measuring does, of this project's own models (Captioner): what they tell of their training, and captions
    that differ by more than a word.
    """

    name: str
    identity: str  # name@hash, kept with each caption in the index

    @property
    def usual_beam(self) -> int:
        """The beam where none is asked for."""

    def stream(
        self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
    ) -> Iterator[Captioned]: ...
