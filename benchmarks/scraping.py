"""How fast the scraper downloads from a local server with latency, and whether memory stays flat.

    python benchmarks/scraping.py [--items 2000] [--latency 0.02] [--concurrency 64] [--kilobytes 30]
    python benchmarks/scraping.py --megabits 100 --kilobytes 100    (behind a link of 100 Mbit/s)
    python benchmarks/scraping.py --memory 100000

Compared: a plain client that downloads, checks and stores one photo after the other over one connection;
the scraper; and a bare loop of sockets that only asks and reads, as many at once: what server and link
allow. All in one run, turn by turn, best of `--rounds` each, because a busy machine slows each of them alike.

All folders stay until the end, and five minutes should lie between two runs on ext4: it does not use the
inodes of files deleted lately, and looking for others takes 0.6 ms a file instead of 0.04.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from ipaddress import ip_network
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

sys.path[0] = str(Path(__file__).resolve().parents[1])  # where `benchmarks` is found

from benchmarks.measuring import peak, resident  # noqa: E402
from indexer.scrape.items import Item  # noqa: E402
from indexer.scrape.manifest import ManifestWriter  # noqa: E402
from indexer.scrape.providers.listed import UrlList  # noqa: E402
from indexer.scrape.scraper import scrape  # noqa: E402
from indexer.scrape.settings import ScrapeSettings  # noqa: E402
from indexer.scrape.store import examine, file_name, save  # noqa: E402

SETTINGS = ScrapeSettings(
    contact="mailto:benchmark@example.org",
    delay=0.0,
    attempts=1,
    allowed_networks=(ip_network("127.0.0.1/32"),),
)


def picture(seed: int, kilobytes: int) -> bytes:
    """A JPEG of about this size; each seed has its own coarse pattern, so that none is a near duplicate."""
    chance = np.random.default_rng(seed)
    coarse = Image.fromarray(chance.integers(0, 255, (9, 10, 3), dtype=np.uint8)).resize((320, 240))
    buffer = io.BytesIO()
    coarse.save(buffer, "JPEG", quality=85)
    # Bytes after the end of a JPEG are not looked at; they make it as large and as unique as wanted.
    return buffer.getvalue().ljust(kilobytes * 1024, b"\0") + seed.to_bytes(8, "big")


def serve(latency: float, kilobytes: int, pictures: int, megabits: float, pipe: Connection) -> None:
    """A server with a fixed latency in a process of its own; answers /N with picture N.

    With `megabits`, all connections share a link of so many Mbit/s. The answers are ready beforehand, so
    that the server takes little of the cores that it shares with the scraper.
    """
    answers = [_answer(picture(number, kilobytes)) for number in range(pictures)]
    free_at = 0.0

    class Answering(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.Transport, transport)
            self.asked = b""

        def data_received(self, data: bytes) -> None:
            self.asked += data
            if self.asked.endswith(b"\r\n\r\n"):
                path = self.asked.split(b" ", 2)[1]
                self.asked = b""
                found = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
                if path != b"/robots.txt":
                    found = answers[int(path[1:]) % pictures]
                loop = asyncio.get_running_loop()
                loop.call_at(_through_link(loop.time() + latency, len(found)), self.transport.write, found)

    def _through_link(ready: float, bytes_: int) -> float:
        """When an answer that is ready at some time has passed the link."""
        nonlocal free_at
        if not megabits:
            return ready
        free_at = max(ready, free_at) + bytes_ * 8 / (megabits * 1e6)
        return free_at

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Answering, "127.0.0.1", 0, backlog=1000)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def _answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def listed(port: int, items: int, folder: Path) -> str:
    path = folder / "urls.txt"
    with path.open("w") as file:
        file.writelines(f"http://127.0.0.1:{port}/{number}\n" for number in range(items))
    return str(path)


def scraped_per_second(port: int, items: int, concurrency: int, folder: Path) -> tuple[float, float]:
    """Photos a second, and milliseconds of CPU a photo, those of the processes that decode included."""
    settings = replace(SETTINGS, concurrency=concurrency, per_host=concurrency)
    started = sum(os.times()[:4])
    report = scrape([listed(port, items, folder)], [UrlList()], folder / "scraped", settings)
    cost = (sum(os.times()[:4]) - started) / items * 1000
    assert report.total("downloaded") == items, report.text()
    return items / report.seconds, cost


def one_by_one_per_second(port: int, items: int, folder: Path) -> float:
    """Ask, check, store and note each photo before the next, over one connection that stays open."""
    connection = HTTPConnection("127.0.0.1", port)
    started = time.perf_counter()
    with ManifestWriter(folder) as manifest:
        for number in range(items):
            connection.request("GET", f"/{number}", headers={"Accept": "image/*"})
            body = connection.getresponse().read()
            photo = examine(body, SETTINGS.smallest_side)
            file = file_name(photo)
            save(folder, file, body)
            url = f"http://127.0.0.1:{port}/{number}"
            manifest.append(Item(url, status="downloaded", file=file, sha256=photo.sha256, phash=photo.phash))
    connection.close()
    return items / (time.perf_counter() - started)


def bare_per_second(port: int, items: int, concurrency: int) -> float:
    """Ask and read over bare sockets, no client, no decoding, no file."""

    async def work(numbers: Iterator[int]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        for number in numbers:
            writer.write(f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()

    async def run() -> float:
        numbers = iter(range(items))
        started = time.perf_counter()
        await asyncio.gather(*(work(numbers) for _ in range(concurrency)))
        return items / (time.perf_counter() - started)

    return asyncio.run(run())


def compare(arguments: argparse.Namespace, port: int) -> None:
    few = max(20, arguments.items // 20)
    one, many, bare = [], [], []
    with tempfile.TemporaryDirectory() as name:
        for turn in range(arguments.rounds):
            for part in (one_folder := Path(name, f"one{turn}"), many_folder := Path(name, f"many{turn}")):
                part.mkdir()
            one.append(one_by_one_per_second(port, few, one_folder))
            bare.append(bare_per_second(port, arguments.items, arguments.concurrency))
            many.append(scraped_per_second(port, arguments.items, arguments.concurrency, many_folder))
    best, cost = max(many)
    link = arguments.megabits * 1e6 / 8 / (arguments.kilobytes * 1024) if arguments.megabits else 1e9
    ceiling = min(arguments.concurrency / arguments.latency, max(bare), link)
    print(f"latency {arguments.latency * 1000:.0f} ms, {arguments.kilobytes} KB, {os.cpu_count()} cores")
    print(f"link {arguments.megabits:g} Mbit/s" if arguments.megabits else "loopback, no link between")
    print(f"one by one             {max(one):8.0f} photos/s")
    print(f"scraper, {arguments.concurrency:4} at once   {best:8.0f} photos/s, {cost:.2f} ms of CPU each")
    print(f"bare sockets           {max(bare):8.0f} photos/s")
    print(f"times one by one       {best / max(one):8.1f}   (at least 20)")
    print(f"of what is possible    {best / ceiling:8.2f}   (at least 0.8)")


def memory(arguments: argparse.Namespace, port: int) -> None:
    """Memory while a run goes over many items; most are duplicates, so that the disk stays small."""
    ended = 0
    step = max(1, arguments.memory // 10)

    def watch(item: Item) -> None:
        nonlocal ended
        ended += 1
        if ended % step == 0:
            print(f"{ended:9,} items   {resident() / 1e6:8.1f} MB", flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = replace(SETTINGS, concurrency=arguments.concurrency, per_host=arguments.concurrency)
        urls = listed(port, arguments.memory, folder)
        report = scrape([urls], [UrlList()], folder / "scraped", settings, on_item=watch)
    print(report.text())
    print(f"peak {peak() / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--kilobytes", type=int, default=30)
    parser.add_argument("--megabits", type=float, default=0.0, help="Speed of the link; 0 is loopback.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, metavar="ITEMS", help="Watch memory over so many instead.")
    arguments = parser.parse_args()
    mine, its = multiprocessing.Pipe()
    pictures = 1000 if arguments.memory else arguments.items
    given = (arguments.latency, arguments.kilobytes, pictures, arguments.megabits, its)
    server = multiprocessing.Process(target=serve, args=given, daemon=True)
    server.start()
    try:
        port = mine.recv()
        (memory if arguments.memory else compare)(arguments, port)
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
