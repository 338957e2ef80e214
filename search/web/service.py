"""What the routes call: each search as one awaitable, with its checks, bounds and timings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from captioner.errors import PhotoError
from captioner.photo import media_type
from captioner.photo_captioner import PhotoCaptioner
from captioner.tokens import root_of
from captioner.version import program_version
from indexer.contract import CaptionIndex, View
from indexer.errors import IndexerError
from indexer.records import IndexStatus
from search.absent import absent
from search.asked import Asked, analysed, analyzer_of, check_analyzer
from search.counting import count
from search.errors import NoImageError, QueryError, nothing_to_search_for, only_without
from search.hits import Results
from search.question import Question, document_of_image, of_asked
from search.token_searcher import TokenSearcher
from search.wanted import Wanted
from search.web.captioning import CaptionQueue, QueueFullError
from search.web.failure_log import FailureLog
from search.web.metrics import Metrics
from search.web.parameters import (
    CountParameters,
    ImageParameters,
    OneSentence,
    PhotoParameters,
    RandomParameters,
    SearchParameters,
    TextParameters,
)
from search.web.photo_url import fetch_photo
from search.web.pictures import Picture, Pictures
from search.web.presentation import Presentation
from search.web.problems import HttpProblem, busy, not_found, too_slow
from search.web.seen_images import SeenImages
from search.web.settings import Settings
from search.web.threads import Threads

T = TypeVar("T")

#: The status may be this many seconds old: Elasticsearch counts the distinct images of a million in 4 to 7 s.
STATUS_SECONDS = 60.0
#: Whether the engine answers may be this many seconds old; it is asked by whoever watches the server.
READY_SECONDS = 5.0


class Recent(Generic[T]):
    """An answer that many clients want, up to `seconds` old.

    It is asked for once for all who wait, and they share a failure, too: asking in turn, each would wait for
    the time-outs of all before. Errors are not kept.
    """

    def __init__(self, seconds: float, ask: Callable[[], Awaitable[T]]) -> None:
        self._seconds, self._ask = seconds, ask
        self._known: tuple[float, T] | None = None
        self._asking: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        if self._known is not None and time.monotonic() <= self._known[0]:
            return self._known[1]
        if self._asking is None:
            self._asking = asyncio.create_task(self._fresh())
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)  # one who no longer waits must not end it for the others

    async def _fresh(self) -> T:
        found = await self._ask()
        self._known = time.monotonic() + self._seconds, found
        return found

    def _asked(self, asking: asyncio.Task[T]) -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # asyncio would log an error that nobody waited for


class Service:
    """One server's parts. `start` and `close` frame its life; everything else runs on the event loop."""

    def __init__(
        self,
        index: CaptionIndex,
        load: Callable[[], PhotoCaptioner],
        settings: Settings,
        model: str = "default",
        beam: int | None = None,
    ) -> None:
        self.settings, self.model = settings, model
        self.metrics, self.failures = Metrics(), FailureLog()
        self.index = index
        self.searcher = TokenSearcher(index)
        self.engine = Threads(settings.search_threads, settings.waiting_searches, settings.search_seconds)
        self.files = Threads(2, settings.waiting_searches, settings.search_seconds)
        self.captions = CaptionQueue(
            load, waiting=settings.waiting_photos, batch=settings.batch, beam=beam, metrics=self.metrics
        )
        self._downloads = asyncio.Semaphore(settings.downloads)
        self.metrics.watch_queue(lambda: self.captions.waiting)
        self.pictures, self.seen = Pictures(settings.images), SeenImages(index.captions)
        self.presentation = Presentation(self.pictures, self.seen)
        self.counts = Recent(STATUS_SECONDS, self._counts)
        #: Raises where searches could not be answered.
        self.ready = Recent(READY_SECONDS, self._look_whether_ready)

    def start(self) -> None:
        self.captions.start()
        self.engine.begin(self._make_tokens)

    def close(self) -> None:
        self.captions.close()
        self.engine.close()
        self.files.close()

    async def text(self, parameters: TextParameters) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            view = self.index.view()
            results = self._timed(
                lambda: self.searcher.find(
                    self._question(view, parameters), Wanted.of(view.analyzer, **parameters.options)
                )
            )
            return self._answer(
                results,
                parameters,
                added=" ".join(parameters.add),
                dropped=parameters.drop,
                image_id=parameters.like or None,
            )

        return await self.engine.run(work)

    async def fetched(self, url: str) -> bytes:
        """The photo at a web address. Raises as `fetch_photo` does, and 429 where many are being fetched."""
        if self._downloads.locked():
            raise busy("Many photos are being downloaded; try again in 5 s.", 5)
        async with self._downloads:
            return await fetch_photo(url, self.settings)

    async def photo(self, data: bytes, parameters: PhotoParameters, began: float) -> dict[str, Any]:
        """Caption a photo's file, then search with the captions. Raises PhotoError for what is none."""
        await self.files.run(lambda: media_type(data))
        self.metrics.step("read", time.perf_counter() - began)
        captions = await self._caption(data, parameters.captions)
        return await self.engine.run(
            lambda: self._answer(
                self._timed(lambda: self.searcher.texts(captions, **parameters.options)), parameters
            )
        )

    async def _caption(self, data: bytes, captions: int) -> list[str]:
        try:
            future = self.captions.submit(data, captions)
        except QueueFullError as error:
            detail = f"Many photos are being captioned; try again in {error.seconds} s."
            raise busy(detail, error.seconds) from None
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.settings.caption_seconds)
        except asyncio.TimeoutError:
            seconds = self.settings.caption_seconds
            raise too_slow(f"The photo had no caption after {seconds:.0f} s; try again later.") from None

    async def similar_to_image(self, image_id: str, parameters: SearchParameters) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            try:
                results = self._timed(lambda: self.searcher.image(image_id, **parameters.options))
            except NoImageError:
                raise _no_image(image_id) from None
            return self._answer(results, parameters, image_id=image_id)

        return await self.engine.run(work)

    async def image(self, image_id: str, parameters: ImageParameters) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            view = self.index.view()
            [sentence] = self._with_tokens(view, parameters)
            documents = view.captions([image_id]).get(image_id)
            if not documents:
                raise _no_image(image_id)
            check_analyzer(view, [sentence])
            return self.presentation.image(documents, sentence.tokens, sentence.analyzer)

        return await self.engine.run(work)

    async def count(self, parameters: CountParameters) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            view = self.index.view()
            question = self._question(view, parameters, parameters.exclude)
            wanted = Wanted.of(view.analyzer, 1, parameters.filters, parameters.without, parameters.min_score)
            images = count(question, wanted).images
            return {"images": images, "min_score": parameters.min_score}

        return await self.engine.run(work)

    async def random(self, parameters: RandomParameters) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            drawn = self.searcher.random(
                parameters.size, parameters.filters, parameters.seed, parameters.without
            )
            return {"images": self.presentation.images([hit.record for hit in drawn.hits])}

        return await self.engine.run(work)

    async def picture(self, image_id: str) -> Picture:
        """The picture's file on this server, not yet opened. Raises HttpProblem (404) where there is none."""
        image = self.seen.place(image_id)
        if image is None:
            found = await self.engine.run(lambda: self.seen.look_up([image_id]))
            image = found.get(image_id, "")
        path = self.pictures.find(image)
        if path is None:
            raise _no_picture()
        return await self.files.run(lambda: _read(path, lambda: Picture.at(path)))

    async def media_type(self, picture: Picture) -> str:
        """Raises HttpProblem (404) where the file has gone, PhotoError for what is no picture."""
        return await self.files.run(lambda: _read(picture.path, lambda: media_type(picture.path)))

    async def thumbnail(self, picture: Picture, size: int) -> bytes:
        """A JPEG whose longer side is at most `size` pixels. Raises as `media_type` does."""
        return await self.files.run(
            lambda: _read(picture.path, lambda: self.pictures.thumbnail(picture, size))
        )

    async def status(self) -> dict[str, Any]:
        counts = await self.counts()
        return {
            "version": program_version(),
            "engine": counts.engine,
            "analyzer": counts.analyzer,
            "captions": counts.captions,
            "images": counts.images,
            "sources": dict(counts.sources),
            "kinds": dict(counts.kinds),
            "models": dict(counts.models),
            "built_at": counts.built_at,
            "captioner": {"model": self.model, "state": self.captions.state},
            "upload_bytes": self.settings.upload_bytes,
            "photo_urls": self.settings.photo_urls,
            "remote_images": self.settings.remote_images,
            "image_folders": len(self.settings.images),
        }

    async def _counts(self) -> IndexStatus:
        return await self.engine.run(self.index.status)

    async def _look_whether_ready(self) -> None:
        def work() -> None:
            self._make_tokens()
            self.index.caption_count()  # of all questions the one that costs the engine least

        await self.engine.run(work)

    def _make_tokens(self) -> None:
        """Make tokens of any words: the first time, the stemmer's tables are read, for up to some seconds."""
        analysed(self.index, ["photos"])

    def _question(
        self, view: View, sentences: TextParameters | CountParameters, excluded: Sequence[str] = ()
    ) -> Question:
        """For `_with_tokens`; the `excluded` images are no answer. Raises QueryError if nothing is asked."""
        if sentences.empty:
            raise QueryError(
                only_without() if sentences.without else nothing_to_search_for("give a sentence as `q`")
            )
        return of_asked(view, self._with_tokens(view, sentences), excluded)

    def _with_tokens(self, view: View, sentences: OneSentence) -> list[Asked]:
        """Each caption with its edited tokens. Raises HttpProblem (404) if `like` is no indexed image."""
        # Before tokens are made: from the answer, a server's view may learn that the index was built anew.
        first = self._caption_of(view, sentences.like) if sentences.like else sentences.q
        name, analyze = analyzer_of(view)
        added = frozenset(sentences.token).union(*map(analyze, sentences.add))
        dropped = frozenset(sentences.drop)

        def edited(tokens: frozenset[str]) -> frozenset[str]:
            return frozenset(token for token in tokens if not dropped & {token, root_of(token)})

        return [Asked(text, edited(analyze(text) | added), name) for text in (first, *sentences.others)]

    def _caption_of(self, view: View, image_id: str) -> str:
        """The caption by which `similar_to_image` searches. Raises HttpProblem (404) for no such image."""
        try:
            return document_of_image(view, image_id).record.caption
        except NoImageError:
            raise _no_image(image_id) from None

    def _answer(self, results: Results, parameters: SearchParameters, **query: Any) -> dict[str, Any]:
        """The JSON of an answer; where there are no hits, with remarks on filters by what no caption has."""
        answer = self.presentation.results(results, **query)
        if results.hits or results.continued:
            return answer
        with suppress(IndexerError):  # the answer is there, whatever becomes of a remark
            if remarks := list(absent(self.index, parameters.filters)):
                answer["remarks"] = remarks
        return answer

    def _timed(self, search: Callable[[], Results]) -> Results:
        """Run a search in this thread; note what engine and ranking took."""
        began = time.perf_counter()
        results = search()
        whole, engine = time.perf_counter() - began, results.engine_ms / 1000.0
        self.metrics.step("candidates", engine)
        self.metrics.step("ranking", max(0.0, whole - engine))
        self.metrics.searches.labels(str(results.exact).lower()).inc()
        return results


def _no_image(image_id: str) -> HttpProblem:
    return not_found(f"There is no image {image_id[:200]!r} in the index.")


def _no_picture() -> HttpProblem:
    return not_found("This server has no picture of that image in the folders it may serve.")


def _read(path: Path, read: Callable[[], T]) -> T:
    """What `read` gives. Raises HttpProblem (404) where the file has gone."""
    try:
        return read()
    except OSError:
        raise _no_picture() from None
    except PhotoError:
        if not path.is_file():
            raise _no_picture() from None
        raise
