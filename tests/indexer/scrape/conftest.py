"""What the tests of scraping share: a site, and a run against it."""

from __future__ import annotations

import asyncio
import heapq
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import settings

from indexer.scrape import keeping
from indexer.scrape.examiner import Examined, Examiner
from indexer.scrape.items import Item
from indexer.scrape.manifest import read_manifest
from indexer.scrape.pace import Clock
from indexer.scrape.providers import Provider
from indexer.scrape.providers.listed import UrlList
from indexer.scrape.report import ScrapeReport
from indexer.scrape.scraper import scrape
from indexer.scrape.settings import ScrapeSettings
from indexer.scrape.transport import Limits
from tests.indexer.scrape.site import Site

#: For property tests: no deadline, for no test may depend on time.
timeless = settings(deadline=None, max_examples=50)

#: The site's own address and nothing else that is private; no waiting; small limits.
SETTINGS = ScrapeSettings(
    contact="mailto:tests@example.org",
    per_host=16,
    delay=0.0,
    attempts=1,
    limits=Limits(bytes=1_000_000, seconds=20.0),
    allowed_networks=(ip_network("127.0.0.1/32"),),
)


class Jumping(Clock):
    """A clock that jumps ahead instead of sleeping, and remembers by how much."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.time

    def now(self) -> float:
        return 1_700_000_000.0 + self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class Waking(Jumping):
    """A clock on which many sleep at once, each until its own time."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeping: list[tuple[float, int, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        heapq.heappush(self.sleeping, (self.time + seconds, len(self.slept), event))
        self.slept.append(seconds)
        await event.wait()

    async def go_on(self) -> None:
        """Let all do what they can, then wake the one that sleeps the least."""
        for _ in range(50):
            await asyncio.sleep(0)
        if self.sleeping:
            self.time, _, event = heapq.heappop(self.sleeping)
            event.set()


class Scraping:
    """Runs into one folder, against one site."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.clock = Jumping()

    def __call__(
        self, queries: Sequence[str], provider: Provider | None = None, **changes: Any
    ) -> ScrapeReport:
        settings = replace(SETTINGS, **changes)
        chosen = provider or UrlList()
        return scrape(queries, [chosen], self.folder, settings, clock=self.clock)

    def items(self) -> dict[str, Item]:
        """URL -> its last line."""
        return {line.url: line for line in read_manifest(self.folder) if isinstance(line, Item)}

    def outcome(self, url: str) -> tuple[str, str]:
        item = self.items()[url]
        return item.status, item.reason

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*/*") if path.is_file())


def resolve(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]) -> None:
    """Let these host names resolve to these addresses, below everything that is tested."""
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *args: Any, **named: Any) -> Any:
        if host in names:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in names[host]]
        return real(host, port, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


class KeptExaminer(Examiner):
    """Its process outlives the run that asked it, for the next one: to start one takes longer than most runs.

    Such a process holds nothing of what it was asked. One that is busy when its run ends is ended, as ever.
    """

    idle: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self, smallest_side: int) -> None:
        super().__init__(smallest_side)
        self._asking = threading.Lock()

    def examine(self, bodies: Sequence[bytes]) -> list[Examined]:
        with self._asking:
            if self._process is None and not self._is_closed and self.idle:
                self._process = self.idle.pop()
            return super().examine(bodies)

    def kill(self) -> None:
        if not self._asking.acquire(blocking=False):
            return super().kill()
        if self._process is not None:
            self.idle.append(self._process)
        self._process, self._is_closed = None, True
        return self._asking.release()


@pytest.fixture(scope="session")
def idle_examiners() -> Iterator[None]:
    """Ends, at last, the processes that were kept."""
    yield
    last = Examiner(0)
    for last._process in KeptExaminer.idle:
        last.close()


@pytest.fixture(scope="module")
def kept_examiners(idle_examiners: None) -> Iterator[None]:
    """Runs of this module hand their processes on. Where a process's life is tested, they do not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "Examiner", KeptExaminer)
        yield


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def scraping(site: Site, tmp_path: Path) -> Scraping:
    return Scraping(site, tmp_path / "scraped")
