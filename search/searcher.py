"""Searcher: a photo, a caption or an indexed image -> tokens -> candidates -> ranked hits."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from captioner.effort import USUAL_BEAM, Effort
from captioner.errors import PhotoError
from captioner.given import check_listed
from captioner.loader import loader
from captioner.photo_captioner import Captioned, PhotoCaptioner
from indexer.batching import batches
from indexer.contract import CaptionIndex, View
from indexer.given import listed, seed_of
from indexer.index import open_index
from indexer.records import NO_FILTERS, Allowed, Document, Query
from search.asked import NOTHING, Asked, analysed, analyzer_of, check_analyzer, of_tokens, with_analyzer
from search.errors import NoImageError, QueryError
from search.hits import Answer, Results, as_hit, sampled_hit
from search.pursuit import Page, Plan, pursue
from search.query import blended, distinct, representative
from search.unknown import Vocabulary
from search.wanted import Options, Wanted

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from captioner.photo import Photo  # brings Pillow, which most searches do not need

#: Photos whose searches go to the engine together.
BATCH = 32
#: The number of captions is remembered so long: no server should have to count them for every search.
COUNT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class IndexedImage:
    """An image of the index as an example in `Searcher.blend`."""

    image_id: str


class Searcher:
    """Searches one index. The captioner (and torch with it) is loaded when a photo is first given.

    Errors: QueryError for a query that cannot be answered, indexer.errors.IndexerError from the engine,
    captioner.errors.PhotoError and ModelError from captioning. Usable by several threads.

    A photo is searched for by its best caption, or by several `captions` (more than `beam` widen it). Hits
    are then images like any of these, and the best similarity counts. `beam`: None for the model's usual one.

    A question looks at the index once, by one `view`: on an embedded index its tokens and its answer are of
    one generation, whatever is published meanwhile.
    """

    def __init__(
        self,
        index: CaptionIndex,
        load: Callable[[], PhotoCaptioner],
        beam: int | None = None,
        captions: int = 1,
    ) -> None:
        Effort(USUAL_BEAM if beam is None else beam, captions, 0.0)  # refused before a photo is given
        self.index = index
        self.beam = beam
        self.captions_per_photo = captions
        self._load = load
        self._captioner: PhotoCaptioner | None = None
        self._loading = threading.Lock()
        self._counted = -math.inf, 0  # when, and how many captions
        self._vocabulary = Vocabulary()
        analyzer_of(index)  # an index that cannot be searched is refused at once

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

    def close(self) -> None:
        self.index.close()

    def __enter__(self) -> Searcher:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

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
        """Images whose captions are like those written for this photo; raises PhotoError."""
        view, wanted = self._look(k, **options)
        started = time.perf_counter()
        captions = captions_of(photo, self.captioner, self.beam, self.captions_per_photo)
        captioning_ms = _milliseconds(started)
        return replace(self._answer(view, _analysed(view, captions), wanted), captioning_ms=captioning_ms)

    def similar_many(
        self, photos: Iterable[Photo], k: int = 10, **options: Unpack[Options]
    ) -> Iterator[Answer]:
        """`similar` for many photos, in order; one that cannot be read gives its error, the rest go on.

        Photos are taken as they are needed, so there may be any number of them. Those that go to the engine
        together have one view of the index.
        """
        check_listed(photos, "photos", QueryError)
        _, wanted = self._look(k, **options)
        return self._similar_many(photos, wanted)

    def _similar_many(self, photos: Iterable[Photo], wanted: Wanted) -> Iterator[Answer]:
        started = time.perf_counter()
        taken: deque[Photo] = deque()  # not answered yet; `tee` would keep 57 more of them in memory
        stream = self.captioner.stream(
            _noted(photos, taken), beam=self.beam, captions=self.captions_per_photo
        )
        for batch in batches(stream, BATCH):
            waited = _milliseconds(started) / len(batch)
            captions = [_texts(one) for one in batch if one.error is None]
            view = self.index.view()
            plans = [Plan(_analysed(view, texts), wanted, view.engine) for texts in captions]
            results = (replace(found, captioning_ms=waited) for found in self._answers(view, plans))
            for one in batch:
                found = next(results) if one.error is None else None
                yield Answer(one.image, found, one.error, taken.popleft())
            started = time.perf_counter()

    def text(self, caption: str, k: int = 10, **options: Unpack[Options]) -> Results:
        """Images whose captions are like this one."""
        return self.texts([caption], k, **options)

    def texts(self, captions: Iterable[str], k: int = 10, **options: Unpack[Options]) -> Results:
        """Images whose captions are like one of these (at least one), the best first."""
        view, wanted = self._look(k, **options)
        return self._answer(view, _analysed(view, captions), wanted)

    def tokens(self, tokens: Iterable[str], k: int = 10, **options: Unpack[Options]) -> Results:
        """Images for a set of tokens, as the index's analyzer gives them."""
        given = frozenset(listed(tokens, "tokens", QueryError))
        view, wanted = self._look(k, **options)
        return self._answer(view, (of_tokens(given, view.analyzer),), wanted)

    def any_of(self, asked: Iterable[Asked], k: int = 10, **options: Unpack[Options]) -> Results:
        """As `texts`, for captions whose tokens are known."""
        view, wanted = self._look(k, **options)
        return self._answer(view, _with_analyzer(view, asked), wanted)

    def image(self, image_id: str, k: int = 10, **options: Unpack[Options]) -> Results:
        """Images like one of the index, which is itself no hit.

        It is searched by the caption that agrees best with its other captions (`representative`).
        """
        view, wanted = self._look(k, **options)
        example = self._example(view, IndexedImage(image_id))
        return self._answer(view, (example,), wanted, frozenset({image_id}))

    def blend(
        self,
        like: Iterable[str | Photo | IndexedImage],
        unlike: Iterable[str | Photo | IndexedImage] = (),
        k: int = 10,
        **options: Unpack[Options],
    ) -> Results:
        """More like these, less like those. A `str` is a caption; photos are given as `Path`, bytes or image.

        Searched by the words that stand in a larger share of the liked than of the unliked examples. That is
        again a set, so the answer is ranked, explained and certified as any other.
        """
        view, wanted = self._look(k, **options)
        examples = [listed(given, "examples", QueryError, object) for given in (like, unlike)]
        started = time.perf_counter()
        liked, unliked = ([self._example(view, one) for one in given] for given in examples)
        photos = any(not isinstance(one, str | IndexedImage) for given in examples for one in given)
        captioning_ms = _milliseconds(started) if photos else 0.0
        check_analyzer(view, liked + unliked)
        tokens = blended([one.tokens for one in liked], [one.tokens for one in unliked])
        taken = frozenset[str]().union(*(one.tokens for one in liked)) - tokens
        caption = " + ".join(one.caption for one in liked) + "".join(f" - {one.caption}" for one in unliked)
        excluded = (one.image_id for given in examples for one in given if isinstance(one, IndexedImage))
        asked = (Asked(caption, tokens, liked[0].analyzer),)
        results = self._answer(view, asked, wanted, frozenset(excluded))
        idle = tuple(one.caption for one in unliked if taken.isdisjoint(one.tokens))
        return replace(results, idle=idle, captioning_ms=captioning_ms)

    def count_any_of(
        self,
        asked: Iterable[Asked],
        min_score: float,
        filters: Allowed = NO_FILTERS,
        excluded: Iterable[str] = (),
        without: Iterable[str] = (),
    ) -> int:
        """How many images, but for the `excluded` ones, have a caption of this similarity to any of these.

        `min_score` is above 0. An image counts once.
        """
        view, wanted = self._look(1, filters=filters, without=without, min_score=min_score)
        if not wanted.min_score:
            raise QueryError("a count needs a least score above 0")
        asked = _with_analyzer(view, asked)
        queries = [Query(one.tokens, wanted.filters, wanted.min_score) for one in asked]
        images = view.count(queries, listed(excluded, "image ids", QueryError))
        check_analyzer(view, (*asked, *wanted.without))
        return images

    def random(
        self,
        k: int = 10,
        filters: Allowed = NO_FILTERS,
        seed: int | None = None,
        without: Iterable[str] = (),
    ) -> Results:
        """Images drawn at random: no query, so no tokens and no similarity."""
        started = time.perf_counter()
        view, wanted = self._look(k, filters=filters, without=without)
        drawn = view.random(wanted.k, wanted.filters, seed_of(seed, QueryError))
        check_analyzer(view, wanted.without)
        hits = [sampled_hit(rank, one) for rank, one in enumerate(drawn, 1)]
        return Results(
            asked=(NOTHING,),
            hits=tuple(hits),
            exact=True,
            examined=len(hits),
            captions=self._caption_count(view, len(hits)),
            took_ms=_milliseconds(started),
            analyzer=view.analyzer,
            filtered=bool(wanted.filters),
            without=wanted.filters.without,
        )

    def representative(self, image_id: str) -> Document:
        """The caption that stands for an indexed image; raises NoImageError for an unknown one."""
        return _representative(self.index, image_id)

    def _look(self, k: int, **options: Unpack[Options]) -> tuple[View, Wanted]:
        """The one view of the index that a question has, and what it wants."""
        view = self.index.view()
        return view, Wanted.of(view.analyzer, k, **options)

    def _example(self, view: View, example: str | Photo | IndexedImage) -> Asked:
        if isinstance(example, IndexedImage):
            name, document = view.analyzer, _representative(view, example.image_id)
            return Asked(document.record.caption, document.tokens, name)
        return analysed(view, [example if isinstance(example, str) else self.caption(example)])[0]

    def _answer(
        self, view: View, asked: tuple[Asked, ...], wanted: Wanted, excluded: frozenset[str] = frozenset()
    ) -> Results:
        return self._answers(view, [Plan(asked, wanted, view.engine, excluded)])[0]

    def _answers(self, view: View, plans: Sequence[Plan]) -> list[Results]:
        started = time.perf_counter()
        pages = pursue(view, plans)
        found = zip(plans, pages, self._vocabulary.unknown(view, plans, pages), strict=True)
        check_analyzer(view, (one for plan in plans for one in (*plan.asked, *plan.wanted.without)))
        took = _milliseconds(started) / max(1, len(plans))
        return [self._results(plan, page, view, strange, took) for plan, page, strange in found]

    def _results(
        self, plan: Plan, page: Page, view: View, strange: frozenset[str], took_ms: float
    ) -> Results:
        first = plan.cursor.shown + 1 if plan.cursor else 1
        captions = self._caption_count(view, first - 1 + len(page.images))
        return Results(
            asked=plan.asked,
            hits=tuple(as_hit(folded, rank, plan.asked) for rank, folded in enumerate(page.images, first)),
            exact=page.exact,
            # Several captions may each have had all looked at.
            examined=min(page.examined, captions),
            captions=captions,
            took_ms=took_ms,
            following=page.following,
            analyzer=plan.analyzer,
            more=page.more,
            filtered=bool(plan.wanted.filters),
            without=plan.wanted.filters.without,
            unknown=strange,
            continued=plan.cursor is not None,
            engine_ms=page.engine_seconds * 1000.0,
        )

    def _caption_count(self, view: View, at_least: int) -> int:
        """How many captions a view has; a remembered number below `at_least`, the hits shown, is too old."""
        if view.known_count is not None:
            return view.known_count
        now, (when, captions) = time.monotonic(), self._counted
        if now - when > COUNT_SECONDS or captions < at_least:
            captions = self.index.caption_count()
            self._counted = now, captions
        return captions


def _analysed(view: View, captions: Iterable[str]) -> tuple[Asked, ...]:
    return distinct(analysed(view, listed(captions, "captions", QueryError)))


def _with_analyzer(view: View, asked: Iterable[Asked]) -> tuple[Asked, ...]:
    return distinct(with_analyzer(view, listed(asked, "captions", QueryError, Asked)))


def _representative(view: View, image_id: str) -> Document:
    documents = view.captions([image_id]).get(image_id)
    if not documents:
        raise NoImageError(image_id, view.where)
    return representative(documents)


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


def _milliseconds(started: float) -> float:
    return (time.perf_counter() - started) * 1000.0
