"""Searcher: a photo -> captions, which `search.token_searcher` searches for; and examples of all kinds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from captioner.finding import loader
from captioner.given import check_listed
from captioner.photo_captioner import PhotoCaptioner
from indexer.contract import CaptionIndex
from indexer.index import open_index
from search.errors import QueryError
from search.hits import Answer, Results
from search.photo_question import IndexedImage, PhotoQuestions
from search.token_searcher import TokenSearcher
from search.wanted import Options, Wanted

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from captioner.photo import Photo  # brings Pillow, which most searches do not need


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
        self.questions = PhotoQuestions(load, beam, captions)
        super().__init__(index)

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
        return self.questions.captioner

    def caption(self, photo: Photo) -> str:
        """The best caption of a photo; raises PhotoError."""
        return self.questions.caption(photo)

    def similar(self, photo: Photo, k: int = 10, **options: Unpack[Options]) -> Results:
        """Images whose captions are like those written for this photo, up to `k` of them; raises PhotoError.

        Options: `filters`, `without`, `min_score`, `after`, `fold_duplicates`; `search.Options` tells each.
        """
        view, wanted = self._look(k, options)
        return self.find(self.questions.of_photo(view, photo), wanted)

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
        for batch in self.questions.of_photos(self.index, photos):
            found = iter(self.find_all([one.question for one in batch if one.question], wanted))
            for one in batch:
                yield Answer(one.name, next(found) if one.question else None, one.error, one.photo)

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
        return self.find(self.questions.of_examples(view, like, unlike), wanted)
