"""Captions for simultaneous requests: one worker thread, a bounded queue, batches of whatever waits.

The worker never waits to fill a batch. While it captions one batch, the next gathers by itself; so a
single photo is answered at once and a crowd shares the model's fixed costs.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from captioner.effort import USUAL_BEAM, Effort
from captioner.errors import CaptionerError, ModelError, PhotoError
from captioner.photo_captioner import Captioned, PhotoCaptioner

if TYPE_CHECKING:
    from search.web.metrics import Metrics

_log = logging.getLogger("search.web")

#: Bytes of photos that may wait.
MAX_WAITING_BYTES = 256_000_000


class QueueFullError(Exception):
    """No room for another photo; `seconds` is when to come back."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the captioner is busy; try again in {seconds} s")
        self.seconds = seconds


@dataclass(eq=False)
class _Waiting:
    photo: bytes
    captions: int
    future: Future[list[str]] = field(default_factory=Future)


class CaptionQueue:
    """Photos in (`submit`, any thread), captions out (a future each)."""

    def __init__(
        self,
        load: Callable[[], PhotoCaptioner],
        *,
        waiting: int = 64,
        batch: int = 8,
        beam: int | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        Effort(USUAL_BEAM if beam is None else beam, 1, 0.0)  # refused before a photo is given
        self._load, self._limit, self._batch, self._beam, self._metrics = load, waiting, batch, beam, metrics
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._bytes = 0
        self._closed = False
        self._seconds_per_photo = 0.2  # a guess until the first batch is done
        self._captioner: PhotoCaptioner | None = None
        self._trouble: str | None = None  # its text alone: a kept error would hold the photos that met it
        self._thread = threading.Thread(target=self._work, name="captioning", daemon=True)

    def start(self) -> None:
        """Start the worker, which loads the model at once so that the first visitor need not wait for it."""
        self._thread.start()

    def close(self) -> None:
        """Finish the batch under way; what still waits is cancelled."""
        with self._lock:
            self._closed = True
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    @property
    def state(self) -> str:
        """`loading`, `ready`, `stopping` or `failed: <why>`."""
        if self._closed:
            return "stopping"
        if self._trouble:
            return f"failed: {self._trouble}"
        return "ready" if self._captioner else "loading"

    @property
    def waiting(self) -> int:
        return self._waiting

    def submit(self, photo: bytes, captions: int = 1) -> Future[list[str]]:
        """Queue a photo's file. The future gives its captions, the best first, PhotoError or CaptionerError.

        Raises QueueFullError when too many photos (or bytes) wait already, ModelError when it is closed.
        """
        item = _Waiting(photo, captions)
        with self._lock:
            if self._closed:
                raise ModelError("the server is stopping")
            heavy = self._bytes and self._bytes + len(item.photo) > MAX_WAITING_BYTES
            if self._waiting >= self._limit or heavy:
                raise QueueFullError(self._retry_after())
            self._waiting += 1
            self._bytes += len(item.photo)
        self._queue.put(item)
        return item.future

    def _retry_after(self) -> int:
        return max(1, min(60, math.ceil(self._waiting * self._seconds_per_photo)))

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            live = [item for item in batch if item.future.set_running_or_notify_cancel()]
            if live:
                self._caption(live)
            # Hold no photo while waiting for the next one.
            del batch, live
        self._cancel_rest()

    def _next_batch(self) -> list[_Waiting] | None:
        """Wait for a photo and take what else is there; None: stop."""
        if self._captioner is None and self._trouble is None:
            self._load_captioner()
        first = self._queue.get()
        if first is None or self._closed:
            if first is not None:
                first.future.cancel()
            return None
        batch = [first]
        while len(batch) < self._batch:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                self._queue.put(None)
                break
            batch.append(item)
        with self._lock:
            self._waiting -= len(batch)
            self._bytes -= sum(len(item.photo) for item in batch)
        return batch

    def _load_captioner(self) -> None:
        try:
            self._captioner, self._trouble = self._load(), None
        except CaptionerError as error:
            self._trouble = str(error)
        except Exception:  # its text is for the operator: clients are told the trouble
            _log.exception("the captioner cannot be loaded")
            self._trouble = "the captioner cannot be loaded; the server's log says why"

    def _caption(self, batch: list[_Waiting]) -> None:
        if self._captioner is None:
            self._load_captioner()  # once more: the model may have been put in place since
        began = time.perf_counter()
        try:
            if self._captioner is None:
                raise ModelError(self._trouble or "no model")
            for item, answer in self._answers(self._captioner, batch):
                if answer.reason is not None:
                    item.future.set_exception(PhotoError(answer.reason))
                else:
                    item.future.set_result([caption.text for caption in answer.captions])
        except Exception as error:
            if not isinstance(error, CaptionerError):
                _log.exception("captioning failed")
            for item in batch:
                if not item.future.done():
                    item.future.set_exception(error)
            return
        seconds = time.perf_counter() - began
        self._seconds_per_photo += 0.3 * (seconds / len(batch) - self._seconds_per_photo)
        if self._metrics is not None:
            self._metrics.batch_size.observe(len(batch))
            self._metrics.step("caption", seconds)

    def _answers(
        self, captioner: PhotoCaptioner, batch: list[_Waiting]
    ) -> Iterator[tuple[_Waiting, Captioned]]:
        """Photos of equally many captions go together: many widen the beam, and could change the others'."""
        for captions in sorted({item.captions for item in batch}):
            items = [item for item in batch if item.captions == captions]
            photos = [item.photo for item in items]
            written = captioner.stream(photos, beam=self._beam, captions=captions)
            yield from zip(items, list(written), strict=True)

    def _cancel_rest(self) -> None:
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                item.future.cancel()
