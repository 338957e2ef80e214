"""Searcher: a photo -> captions, which `search.token_searcher` searches for; and examples of all kinds."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from captioner.effort import USUAL_BEAM, Effort
from captioner.errors import PhotoError
from captioner.given import check_listed
from captioner.loader import loader
from captioner.photo_captioner import Captioned, PhotoCaptioner
from indexer.batching import batches
from indexer.contract import CaptionIndex, View
from indexer.given import listed
from indexer.index import open_index
from search.asked import Asked, analysed, check_analyzer
from search.errors import QueryError
from search.hits import Answer, Results
from search.pursuit import Plan
from search.query import blended
from search.token_searcher import TokenSearcher, distinctly_analysed, milliseconds_since
from search.wanted import Options, Wanted

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from captioner.photo import Photo  # brings Pillow, which most searches do not need

#: Photos whose searches go to the engine together.
BATCH = 32


@dataclass(frozen=True, slots=True)
class IndexedImage:
    """An image of the index as an example in `Searcher.blend`."""

    image_id: str


class Searcher(TokenSearcher):
    """Searches one index, by photos, too. The captioner (and torch) is loaded when a photo is first given.

    Errors: QueryError for a query that cannot be answered, indexer.IndexerError from the engine,
    captioner.PhotoError and ModelError from captioning. Usable by several threads.

    A photo is searched for by its best caption, or by several `captions` (more than `beam` widen it). Hits
    are then images like any of these, and the best similarity counts. `beam`: None for the model's usual one.
    """

    def __init__(
        self,
        index: CaptionIndex,
        load: Callable[[], PhotoCaptioner],
        beam: int | None = None,
        captions: int = 1,
    ) -> None:
        Effort(USUAL_BEAM if beam is None else beam, captions, 0.0)  # refused before a photo is given
        super().__init__(index)
        self.beam = beam
        self.captions_per_photo = captions
        self._load = load
        self._captioner: PhotoCaptioner | None = None
        self._loading = threading.Lock()

    @classmethod
    def open(
        cls,
        where: str | os.PathLike[str],
        model: str | os.PathLike[str] = "default",
        beam: int | None = None,
        captions: int = 1,
    ) -> Searcher:
        """Open the index at `where` (folder or URL). `model` is the captioner for photos (name or folder)."""
        return cls(open_index(where), loader(model), beam, captions)

    @property
    def captioner(self) -> PhotoCaptioner:
        with self._loading:
            if self._captioner is None:
                self._captioner = self._load()
            return self._captioner

    def caption(self, photo: Photo) -> str:
        """The best caption of a photo; raises PhotoError."""
        return captions_of(photo, self.captioner, self.beam)[0]

    def similar(self, photo: Photo, k: int = 10, **options: Unpack[Options]) -> Results:
        """Images whose captions are like those written for this photo, up to `k` of them; raises PhotoError.

        Options: `filters`, `without`, `min_score`, `after`, `fold_duplicates`; `search.Options` tells each.
        """
        view, wanted = self._look(k, options)
        started = time.perf_counter()
        captions = captions_of(photo, self.captioner, self.beam, self.captions_per_photo)
        captioning_ms = milliseconds_since(started)
        return replace(
            self._answer(view, distinctly_analysed(view, captions), wanted), captioning_ms=captioning_ms
        )

    def similar_many(
        self, photos: Iterable[Photo], k: int = 10, **options: Unpack[Options]
    ) -> Iterator[Answer]:
        """`similar` for many photos, in order; one that cannot be read gives its error, the rest go on.

        Photos are taken as they are needed, so there may be any number of them. Those that go to the engine
        together have one view of the index. Options: `search.Options`.
        """
        check_listed(photos, "photos", QueryError)
        _, wanted = self._look(k, options)
        return self._similar_many(photos, wanted)

    def _similar_many(self, photos: Iterable[Photo], wanted: Wanted) -> Iterator[Answer]:
        started = time.perf_counter()
        taken: deque[Photo] = deque()  # not answered yet; `tee` would keep 57 more of them in memory
        stream = self.captioner.stream(
            _noted(photos, taken), beam=self.beam, captions=self.captions_per_photo
        )
        for batch in batches(stream, BATCH):
            waited = milliseconds_since(started) / len(batch)
            captions = [_texts(one) for one in batch if one.error is None]
            view = self.index.view()
            plans = [Plan(distinctly_analysed(view, texts), wanted, view.engine) for texts in captions]
            results = (replace(found, captioning_ms=waited) for found in self._answers(view, plans))
            for one in batch:
                found = next(results) if one.error is None else None
                yield Answer(one.image, found, one.error, taken.popleft())
            started = time.perf_counter()

    def blend(
        self,
        like: Iterable[str | Photo | IndexedImage],
        unlike: Iterable[str | Photo | IndexedImage] = (),
        k: int = 10,
        **options: Unpack[Options],
    ) -> Results:
        """More like these, less like those. A `str` is a caption; photos are given as `Path`, bytes or image.

        Searched by the words that stand in a larger share of the liked than of the unliked examples. That is
        again a set, so the answer is ranked, explained and certified as any other. Options: `search.Options`.
        """
        view, wanted = self._look(k, options)
        examples = [listed(given, "examples", QueryError, object) for given in (like, unlike)]
        started = time.perf_counter()
        liked, unliked = ([self._example(view, one) for one in given] for given in examples)
        photos = any(not isinstance(one, str | IndexedImage) for given in examples for one in given)
        captioning_ms = milliseconds_since(started) if photos else 0.0
        check_analyzer(view, liked + unliked)
        tokens = blended([one.tokens for one in liked], [one.tokens for one in unliked])
        taken = frozenset[str]().union(*(one.tokens for one in liked)) - tokens
        caption = " + ".join(one.caption for one in liked) + "".join(f" - {one.caption}" for one in unliked)
        excluded = (one.image_id for given in examples for one in given if isinstance(one, IndexedImage))
        asked = (Asked(caption, tokens, liked[0].analyzer),)
        results = self._answer(view, asked, wanted, frozenset(excluded))
        ignored = tuple(one.caption for one in unliked if taken.isdisjoint(one.tokens))
        return replace(results, ignored_examples=ignored, captioning_ms=captioning_ms)

    def _example(self, view: View, example: str | Photo | IndexedImage) -> Asked:
        if isinstance(example, IndexedImage):
            return self._of_image(view, example.image_id)
        return analysed(view, [example if isinstance(example, str) else self.caption(example)])[0]


def _noted(photos: Iterable[Photo], taken: deque[Photo]) -> Iterator[Photo]:
    for photo in photos:
        taken.append(photo)
        yield photo


def captions_of(
    photo: Photo, captioner: PhotoCaptioner, beam: int | None = None, captions: int = 1
) -> list[str]:
    """Captions of one photo, the best first; raises PhotoError."""
    [captioned] = captioner.stream([photo], beam=beam, captions=captions)
    return _texts(captioned)


def _texts(captioned: Captioned) -> list[str]:
    """The captions of a photo, the best first. Raises PhotoError where it has none."""
    if captioned.error is not None:
        raise PhotoError(captioned.error)
    return [caption.text for caption in captioned.captions]
