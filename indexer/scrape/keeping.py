"""What was downloaded -> checked, compared with all that is there, and stored: in threads, batch by batch."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from indexer.scrape.excluded import NAME, Excluded
from indexer.scrape.items import Item, RefusalError
from indexer.scrape.ledger import Ledger
from indexer.scrape.store import examine, save
from indexer.scrape.transport import Response

#: Photos that wait to be stored, and what they hold at most; beyond it downloads wait. What waits when a
#: run is interrupted has to be downloaded again.
WAITING = 64
WAITING_BYTES = 32 * 1024 * 1024
#: What a thread takes at once: many small photos, because handing over costs as much as a tenth of one,
#: but one large photo, so that all threads have work.
_BATCH = 16
_BATCH_BYTES = 512 * 1024
#: More threads than these would only compete with the downloads.
THREADS = min(4, os.cpu_count() or 1)

Fetched = tuple[Item, Response]


class Keeper:
    """Photos wait here, bounded, so that a connection is free again as soon as it has sent one."""

    def __init__(
        self, folder: Path, ledger: Ledger, smallest_side: int, excluded: Excluded | None = None
    ) -> None:
        self.folder = folder
        self.ledger = ledger
        self.smallest_side = smallest_side
        self.excluded = excluded or Excluded()
        self._waiting: deque[Fetched] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = asyncio.Condition()
        self._threads = ThreadPoolExecutor(THREADS, "keep")

    async def put(self, item: Item, response: Response) -> None:
        """Leave a downloaded photo here, as soon as there is room."""
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            self._waiting.append((item, response))
            self._bytes += len(response.body)
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._waiting) < WAITING and self._bytes < WAITING_BYTES

    async def close(self) -> None:
        """Nothing more is put."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    def shut_down(self) -> None:
        """Wait for the threads; what they have not begun is left."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def run(self, ended: Callable[[Sequence[Item]], None]) -> None:
        """Keep what is put until all is kept; calls `ended` with each batch, on the event loop."""
        loop = asyncio.get_running_loop()
        while batch := await self._batch():
            ended(await loop.run_in_executor(self._threads, self._keep_all, batch))

    async def _batch(self) -> list[Fetched]:
        """What waits, up to a batch; nothing when all is done."""
        batch: list[Fetched] = []
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._closed)
            size = 0
            while self._waiting and len(batch) < _BATCH and size < _BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1][1].body)
            self._bytes -= size
            self._changed.notify_all()
        return batch

    def _keep_all(self, batch: Sequence[Fetched]) -> list[Item]:
        return [self._keep(item, response) for item, response in batch]

    def _keep(self, item: Item, response: Response) -> Item:
        """The item with its final status, or as it was where its photo has not changed.

        The photo is stored unless it is there already.
        """
        body, headers = response.body, response.headers
        try:
            photo = examine(body, self.smallest_side)
        except RefusalError as refusal:
            return item.refused(refusal)
        if self.excluded.holds(photo.sha256):  # noted, so that later runs do not ask for it
            named = RefusalError("excluded", f"{NAME} names it", "skipped")
            return replace(item.refused(named), sha256=photo.sha256)
        reason, kept = self.ledger.claim(photo.sha256, photo.phash, item.url)
        if reason == "same":
            return item
        file = "" if reason else save(self.folder, photo, body)
        return replace(
            item,
            status="duplicate" if reason else "downloaded",
            reason=reason,
            duplicate_of=kept,
            file=file,
            sha256=photo.sha256,
            phash=photo.phash,
            bytes=len(body),
            etag="" if reason else _validator(headers, "ETag"),
            last_modified="" if reason else _validator(headers, "Last-Modified"),
        )


def _validator(headers: Mapping[str, str], name: str) -> str:
    """A header that a refresh can send back as it came; "" for one that is no text, or no short one."""
    value = headers.get(name, "")
    return value if value.isascii() and value.isprintable() and len(value) <= 500 else ""
