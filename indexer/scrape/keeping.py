"""What was downloaded -> checked, compared with all that is there, and stored: batch by batch."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from captioner.formats import FORMATS
from indexer.scrape.examiner import Examined, Examiner
from indexer.scrape.excluded import NAME, Excluded
from indexer.scrape.items import Item, RefusalError
from indexer.scrape.ledger import Ledger
from indexer.scrape.store import file_name, save
from indexer.scrape.transport import Response
from indexer.scrape.waiting import Waiters

#: Photos that wait to be stored, and what they hold at most; beyond it downloads wait. What waits when a
#: run is interrupted has to be downloaded again.
WAITING = 64
WAITING_BYTES = 32 * 1024 * 1024
#: What is examined at once: many small photos, because handing over costs (16 at once took 8 % more CPU),
#: but one large photo, so that all processes have work.
_BATCH = 32
_BATCH_BYTES = 1024 * 1024
#: Processes that decode: one core is the downloads'. One batch more is under way than there are processes, so
#: that one is written while others are decoded.
_PROCESSES = max(1, min(4, (os.cpu_count() or 1) - 1))
KEEPERS = _PROCESSES + 1

Fetched = tuple[Item, Response]


class Keeper:
    """Photos wait here, bounded, so that a connection is free again as soon as it has sent one."""

    def __init__(
        self, folder: Path, ledger: Ledger, smallest_side: int, excluded: Excluded | None = None
    ) -> None:
        self.folder = folder
        self.ledger = ledger
        self.excluded = excluded or Excluded()
        self._waiting: deque[Fetched] = deque()
        self._bytes = 0
        self._closed = False
        self._has_room = Waiters()
        self._has_work = Waiters()
        self._threads = ThreadPoolExecutor(KEEPERS, "keep")
        self._examiners = [Examiner(smallest_side) for _ in range(_PROCESSES)]
        self._idle: SimpleQueue[Examiner] = SimpleQueue()
        for examiner in self._examiners:
            self._idle.put(examiner)

    async def put(self, item: Item, response: Response) -> None:
        """Leave a downloaded photo here, as soon as there is room."""
        while self._is_full():
            await self._has_room.wait()
        self._waiting.append((item, response))
        self._bytes += len(response.body)
        self._has_work.wake_one()
        if not self._is_full():
            self._has_room.wake_one()

    def _is_full(self) -> bool:
        return len(self._waiting) >= WAITING or self._bytes >= WAITING_BYTES

    def close(self) -> None:
        """Nothing more is put."""
        self._closed = True
        self._has_work.wake_all()

    def shut_down(self) -> None:
        """Wait for the threads; what they have not begun is left, and what is being decoded, too."""
        for examiner in self._examiners:
            examiner.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for examiner in self._examiners:
            examiner.close()

    async def run(self, ended: Callable[[Sequence[Item]], None]) -> None:
        """Keep what is put until all is kept; calls `ended` with each batch.

        A process decodes, a thread waits for it and writes. What needs the ledger is done on the event loop:
        threads that share it wait for each other more than they work.
        """
        loop = asyncio.get_running_loop()
        while batch := await self._batch():
            examined = await loop.run_in_executor(self._threads, self._examine_all, batch)
            judged = [
                self._judge(item, response, photo)
                for (item, response), photo in zip(batch, examined, strict=True)
            ]
            saving = loop.run_in_executor(self._threads, self._save_all, batch, judged)
            try:
                await asyncio.shield(saving)
            except asyncio.CancelledError:
                # What is being written is noted even so: else the next run would download it again.
                await asyncio.wait([saving])
                raise
            finally:
                if saving.done() and saving.exception() is None:
                    ended(judged)

    async def _batch(self) -> list[Fetched]:
        """What waits, up to a batch; nothing when all is done."""
        while not self._waiting and not self._closed:
            await self._has_work.wait()
        batch: list[Fetched] = []
        size = 0
        while self._waiting and len(batch) < _BATCH and size < _BATCH_BYTES:
            batch.append(self._waiting.popleft())
            size += len(batch[-1][1].body)
        self._bytes -= size
        self._has_room.wake_one()  # who finds that there is more wakes the next
        return batch

    def _examine_all(self, batch: Sequence[Fetched]) -> list[Examined]:
        examiner = self._idle.get()
        try:
            return examiner.examine([response.body for _, response in batch])
        finally:
            self._idle.put(examiner)

    def _save_all(self, batch: Sequence[Fetched], judged: Sequence[Item]) -> None:
        """Store the photos that are not there already."""
        for (_, response), item in zip(batch, judged, strict=True):
            if item.status == "downloaded":
                save(self.folder, item.file, response.body)

    def _judge(self, item: Item, response: Response, photo: Examined) -> Item:
        """The item with its final status, or as it was where its photo has not changed."""
        headers = response.headers
        if isinstance(photo, RefusalError):
            known = " ".join(FORMATS) if photo.reason == "unknown-format" else ""
            return replace(item.refused(photo), formats=known)
        if self.excluded.holds(photo.sha256):  # noted, so that later runs do not ask for it
            named = RefusalError("excluded", f"{NAME} names it", "skipped")
            return replace(item.refused(named), sha256=photo.sha256)
        reason, kept = self.ledger.claim(photo.sha256, photo.phash, item.url)
        if reason == "same":
            return item
        return replace(
            item,
            status="duplicate" if reason else "downloaded",
            reason=reason,
            duplicate_of=kept,
            file="" if reason else file_name(photo),
            sha256=photo.sha256,
            phash=photo.phash,
            bytes=len(response.body),
            etag="" if reason else _validator(headers, "ETag"),
            last_modified="" if reason else _validator(headers, "Last-Modified"),
        )


def _validator(headers: Mapping[str, str], name: str) -> str:
    """A header that a refresh can send back as it came; "" for one that is no text, or no short one."""
    value = headers.get(name, "")
    return value if value.isascii() and value.isprintable() and len(value) <= 500 else ""
