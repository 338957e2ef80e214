"""From photos, and examples of all kinds, to questions: a photo is asked for by its captions."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from captioner.effort import USUAL_BEAM, Effort
from captioner.errors import PhotoError
from captioner.photo_captioner import Captioned, PhotoCaptioner
from indexer.batching import batches
from indexer.contract import CaptionIndex, View
from indexer.given import listed
from search.asked import Asked, analysed, check_analyzer
from search.elapsed import milliseconds_since
from search.errors import QueryError
from search.question import Question, asked_of_image, of_captions

if TYPE_CHECKING:
    from captioner.photo import Photo  # brings Pillow, which most searches do not need

#: Photos whose searches go to the engine together.
BATCH = 32


@dataclass(frozen=True, slots=True)
class IndexedImage:
    """An image of the index as an example in `Searcher.blend`."""

    image_id: str


@dataclass(frozen=True, slots=True)
class Photographed:
    """A photo of many with its question, or the reason why it has none."""

    name: str
    photo: Photo
    question: Question | None
    error: str | None


class PhotoQuestions:
    """Makes questions by photos. The captioner (and torch) is loaded when one is first given.

    A photo is asked for by its best caption, or by several `captions` (more than `beam` widen it).
    """

    def __init__(
        self, load: Callable[[], PhotoCaptioner], beam: int | None = None, captions: int = 1
    ) -> None:
        Effort(USUAL_BEAM if beam is None else beam, captions, 0.0)  # refused before a photo is given
        self._beam, self._captions, self._load = beam, captions, load
        self._captioner: PhotoCaptioner | None = None
        self._loading = threading.Lock()

    @property
    def captioner(self) -> PhotoCaptioner:
        with self._loading:
            if self._captioner is None:
                self._captioner = self._load()
            return self._captioner

    def caption(self, photo: Photo) -> str:
        """The best caption of a photo; raises PhotoError."""
        return captions_of(photo, self.captioner, self._beam)[0]

    def of_photo(self, view: View, photo: Photo) -> Question:
        """Raises PhotoError."""
        started = time.perf_counter()
        captions = captions_of(photo, self.captioner, self._beam, self._captions)
        return of_captions(view, captions, milliseconds_since(started))

    def of_photos(self, index: CaptionIndex, photos: Iterable[Photo]) -> Iterator[list[Photographed]]:
        """So many at a time as go to the engine together, by one view of the index; in order.

        Photos are taken as they are needed, so there may be any number of them.
        """
        started = time.perf_counter()
        taken: deque[Photo] = deque()  # not answered yet; `tee` would keep 57 more of them in memory
        stream = self.captioner.stream(_noted(photos, taken), beam=self._beam, captions=self._captions)
        for batch in batches(stream, BATCH):
            waited, view = milliseconds_since(started) / len(batch), index.view()
            yield [_photographed(view, one, taken.popleft(), waited) for one in batch]
            started = time.perf_counter()

    def of_examples(
        self,
        view: View,
        like: Iterable[str | Photo | IndexedImage],
        unlike: Iterable[str | Photo | IndexedImage],
    ) -> Question:
        """The words that stand in a larger share of the liked than of the unliked examples; see `blend`."""
        examples = [listed(given, "examples", QueryError, object) for given in (like, unlike)]
        started = time.perf_counter()
        liked, unliked = ([self._example(view, one) for one in given] for given in examples)
        photos = any(not isinstance(one, str | IndexedImage) for given in examples for one in given)
        captioning_ms = milliseconds_since(started) if photos else 0.0
        check_analyzer(view, liked + unliked)
        asked, ignored = _asked_by_examples(liked, unliked)
        excluded = (one.image_id for given in examples for one in given if isinstance(one, IndexedImage))
        return Question(view, (asked,), frozenset(excluded), ignored, captioning_ms)

    def _example(self, view: View, example: str | Photo | IndexedImage) -> Asked:
        if isinstance(example, IndexedImage):
            return asked_of_image(view, example.image_id)
        return analysed(view, [example if isinstance(example, str) else self.caption(example)])[0]


def _asked_by_examples(liked: Sequence[Asked], unliked: Sequence[Asked]) -> tuple[Asked, tuple[str, ...]]:
    """The words left, and those unlike examples that took none away."""
    tokens = blended([one.tokens for one in liked], [one.tokens for one in unliked])
    taken = frozenset[str]().union(*(one.tokens for one in liked)) - tokens
    caption = " + ".join(one.caption for one in liked) + "".join(f" - {one.caption}" for one in unliked)
    ignored = tuple(one.caption for one in unliked if taken.isdisjoint(one.tokens))
    return Asked(caption, tokens, liked[0].analyzer), ignored


def blended(liked: Sequence[frozenset[str]], unliked: Sequence[frozenset[str]]) -> frozenset[str]:
    """Tokens that stand in a larger share of the liked than of the unliked sets."""
    if not liked:
        raise QueryError("give at least one example of what to find")
    tokens = frozenset[str]().union(*liked)
    return frozenset(token for token in tokens if _share(token, liked) > _share(token, unliked))


def _share(token: str, sets: Sequence[frozenset[str]]) -> Fraction:
    return Fraction(sum(token in one for one in sets), len(sets)) if sets else Fraction(0)


def _noted(photos: Iterable[Photo], taken: deque[Photo]) -> Iterator[Photo]:
    for photo in photos:
        taken.append(photo)
        yield photo


def _photographed(view: View, captioned: Captioned, photo: Photo, waited: float) -> Photographed:
    error = captioned.error
    question = of_captions(view, _texts(captioned), waited) if error is None else None
    return Photographed(captioned.image, photo, question, error)


def captions_of(
    photo: Photo, captioner: PhotoCaptioner, beam: int | None = None, captions: int = 1
) -> list[str]:
    """Captions of one photo, the best first; raises PhotoError."""
    [captioned] = captioner.stream([photo], beam=beam, captions=captions)
    return _texts(captioned)


def _texts(captioned: Captioned) -> list[str]:
    """The captions of a photo, the best first. Raises PhotoError where it has none."""
    if captioned.reason is not None:
        raise PhotoError(captioned.reason, captioned.image)
    return [caption.text for caption in captioned.captions]
