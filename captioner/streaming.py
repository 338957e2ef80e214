"""What all captioners share: they stream photos in batches, one photo and a million in the same way."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from captioner.effort import Effort
from captioner.errors import ModelError, PhotoError
from captioner.given import check_listed
from captioner.photo import Photo, open_photo, perceptual_hash, photo_name
from captioner.photo_captioner import Caption, Captioned

_T = TypeVar("_T")
_In = TypeVar("_In")
_Out = TypeVar("_Out")
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True)
class _OpenedPhoto:
    """A photo that was opened for the model: its pixels, or why it cannot be read."""

    image: str
    pixels: Tensor | None
    phash: str = ""
    reason: str | None = None


class StreamingCaptioner(ABC):
    """A model in three steps, called by several threads: open a photo, look at a batch, write captions."""

    name: str
    identity: str
    device: torch.device
    batch: int  # photos that are captioned together
    smallest: int | None  # photos may be decoded at reduced size, but no smaller than this

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.identity} on {self.device}>"

    @property
    @abstractmethod
    def usual_beam(self) -> int:
        """The beam where none is asked for."""

    @abstractmethod
    def pixels(self, image: Image.Image) -> Tensor:
        """An RGB image -> one row of a batch."""

    @abstractmethod
    def features(self, pixels: Tensor) -> Tensor:
        """A batch of pixels -> what `write` reads, a row a photo."""

    @abstractmethod
    def write(self, features: Tensor, effort: Effort) -> list[tuple[Caption, ...]]:
        """Captions of each row of features, the best first."""

    def caption(self, photos: Iterable[Photo], beam: int | None = None) -> list[Caption]:
        """The best caption of each photo, in order; `stream(photos, captions=3)` gives several of each.

        Raises PhotoError at the first photo that cannot be read.
        """
        found = []
        for result in self.stream(photos, beam=beam):
            if result.reason is not None:
                raise PhotoError(result.reason, result.image)
            found.append(result.captions[0])
        return found

    def stream(
        self,
        photos: Iterable[Photo],
        *,
        beam: int | None = None,
        captions: int = 1,
        diversity: float = 0.0,
    ) -> Generator[Captioned, None, None]:
        """Caption photos lazily in the order given; a bad photo gives its error, the rest go on.

        `diversity` above 0 (0.5 is usual, 100 the most) makes several `captions` of a photo differ by more
        than a word. On a CPU as many batches are worked on at once as torch has threads; memory does not grow
        with the number of photos. Raises PhotoError if `photos` is a single photo instead of a list.
        """
        check_listed(photos, "photos", PhotoError)
        effort = Effort(self.usual_beam if beam is None else beam, captions, diversity)
        return self._stream(photos, effort)

    def _stream(self, photos: Iterable[Photo], effort: Effort) -> Generator[Captioned, None, None]:
        """Threads open photos; workers, each on a core of its own, compute a batch's features and captions.

        Torch could split one batch among the cores instead, as it does with a lone photo. But then the cores
        would wait for each other after every layer.
        """
        threads = torch.get_num_threads()
        workers = threads if self.device.type == "cpu" else 2  # a GPU: one encodes while the other decodes
        with _pool(os.cpu_count() or 1, 1) as openers:
            opened = _run_ahead(lambda photo: self._begin_opening(openers, photo), photos, self.batch)
            rounds = iter(lambda: list(itertools.islice(opened, workers * self.batch)), [])
            first = next(rounds, [])
            if len(first) < 2:
                yield from self._caption_batch(first, effort)
                return
            workers = min(workers, len(first))
            batches = (
                batch for some in itertools.chain([first], rounds) for batch in _split_evenly(some, workers)
            )
            with _pool(workers, max(1, threads // workers)) as pool:
                for done in _run_ahead(
                    lambda batch: pool.submit(self._caption_batch, batch, effort), batches, 2 * workers
                ):
                    yield from done

    def _begin_opening(self, openers: ThreadPoolExecutor, photo: Photo) -> Future[_OpenedPhoto]:
        """Open paths and bytes in the pool, but an image at once, as the caller may change it later.

        An image may also read its pixels from a file that the next image reads too, as the frames of an
        animation do. A copy for the pool would be as large as the photo, and many copies would wait there.
        """
        if not isinstance(photo, Image.Image):
            return openers.submit(self._open, photo)
        done: Future[_OpenedPhoto] = Future()
        done.set_result(self._open(photo))
        return done

    def _open(self, photo: Photo) -> _OpenedPhoto:
        name = photo_name(photo)
        try:
            image = open_photo(photo, self.smallest)
        except PhotoError as error:
            return _OpenedPhoto(name, None, reason=error.reason)
        return _OpenedPhoto(name, self.pixels(image), perceptual_hash(image))

    def _caption_batch(self, batch: Sequence[_OpenedPhoto], effort: Effort) -> list[Captioned]:
        pixels = [photo.pixels for photo in batch if photo.pixels is not None]
        written: list[tuple[Caption, ...]] = []
        if pixels:
            features = torch.cat(
                self._in_halves_that_fit(lambda rows: [self.features(rows)], torch.stack(pixels))
            )
            written = self._in_halves_that_fit(lambda rows: self.write(rows, effort), features)
        if not all(written):
            raise ModelError(f"{self.name}: writes nothing, since its scores are no numbers; it is damaged")
        captions = iter(written)
        return [
            Captioned(photo.image, reason=photo.reason)
            if photo.pixels is None
            else Captioned(photo.image, next(captions), photo.phash)
            for photo in batch
        ]

    def _in_halves_that_fit(self, work: Callable[[Tensor], list[_T]], rows: Tensor) -> list[_T]:
        """The results of `work` for the rows; rows that do not fit in memory together are halved."""
        try:
            return work(rows)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if len(rows) == 1:
                advice = "use the device cpu" if self.device.type != "cpu" else "close other programs"
                raise ModelError(
                    f"{self.device}: out of memory with a single photo and this beam; {advice}"
                ) from None
        self.batch = min(self.batch, len(rows) // 2)
        torch.cuda.empty_cache()
        return [result for half in rows.tensor_split(2) for result in self._in_halves_that_fit(work, half)]


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether memory ran out: CUDA has an error type for it, the CPU's allocator only a message."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or "allocate memory" in str(error)


@contextlib.contextmanager
def _pool(size: int, threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of `size` threads, in each of which torch computes with `threads`.

    At the end of the block tasks that have not begun are cancelled.
    """
    pool = ThreadPoolExecutor(size, initializer=use_threads, initargs=(threads,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def use_threads(count: int) -> None:
    """Let torch compute with `count` threads in the calling thread; other threads keep their number.

    `torch.set_num_threads` sets the number of the calling thread, and also the number that threads take
    which have not computed yet. So a fresh thread reads that second number first, and sets it again after.
    """
    torch.get_num_threads()  # a thread takes the second number when it first asks; later that would undo this
    with _ONE_AT_A_TIME, ThreadPoolExecutor(1) as another:
        usual = another.submit(torch.get_num_threads).result()
        torch.set_num_threads(count)
        another.submit(torch.set_num_threads, usual).result()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    # A forked process lacks the threads among which torch splits its work, and would wait for them for ever.
    # So it computes with one thread, as the processes of torch's own DataLoader do.
    os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))


def _split_evenly(items: Sequence[_In], parts: int) -> list[Sequence[_In]]:
    """Items in order, in parts whose sizes differ by one at most: no worker ends long after the others."""
    ends = [len(items) * part // parts for part in range(parts + 1)]
    return [items[start:end] for start, end in itertools.pairwise(ends) if start < end]


def _run_ahead(begin: Callable[[_In], Future[_Out]], items: Iterable[_In], depth: int) -> Iterator[_Out]:
    """The items' results in order; up to `depth` items are begun before the first result is taken."""
    waiting: deque[Future[_Out]] = deque()
    for item in items:
        waiting.append(begin(item))
        if len(waiting) >= depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
