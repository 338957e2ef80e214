"""How fast the scraper downloads from a local server with latency, and whether memory stays flat.

    python benchmarks/scraping.py [--items 2000] [--latency 0.02] [--concurrency 64] [--kilobytes 30]
    python benchmarks/scraping.py --megabits 100 --kilobytes 100    (behind a link of 100 Mbit/s)
    python benchmarks/scraping.py --memory 100000

Compared: one download after the other (the same scraper with one worker), the scraper, and a bare
loop of sockets that only asks and reads, as many at once: what server and link allow. All in one run,
turn by turn, best of `--rounds` each, because a busy machine slows each of them alike.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.scrape.items import Item
from indexer.scrape.providers.listed import UrlList
from indexer.scrape.scraper import Settings, scrape

SETTINGS = Settings(
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

    With `megabits`, all connections share a link of so many Mbit/s.
    """
    free_at = 0.0

    async def send(bytes_: int) -> None:
        nonlocal free_at
        now = asyncio.get_running_loop().time()
        free_at = max(now, free_at) + bytes_ * 8 / (megabits * 1e6)
        await asyncio.sleep(free_at - now)

    cache: dict[int, bytes] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
                await asyncio.sleep(latency)
                if path == b"/robots.txt":
                    writer.write(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
                    continue
                number = int(path[1:]) % pictures
                body = cache.get(number) or cache.setdefault(number, picture(number, kilobytes))
                head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                if megabits:
                    await send(len(body))
                writer.write(head.encode() + body)
                await writer.drain()
        except (OSError, EOFError):
            writer.close()

    async def run() -> None:
        for number in range(pictures):
            cache[number] = picture(number, kilobytes)
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def listed(port: int, items: int, folder: Path) -> str:
    path = folder / "urls.txt"
    with path.open("w") as file:
        file.writelines(f"http://127.0.0.1:{port}/{number}\n" for number in range(items))
    return str(path)


def downloaded_per_second(port: int, items: int, concurrency: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = replace(SETTINGS, concurrency=concurrency, per_host=concurrency)
        report = scrape([listed(port, items, folder)], [UrlList()], folder / "scraped", settings)
        assert sum(report.ended.values()) == items, report.text()
        assert not report.total("failed"), report.text()
        return items / report.seconds


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


def megabytes() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def compare(arguments: argparse.Namespace, port: int) -> None:
    few = max(20, arguments.items // 20)
    one, many, bare = [], [], []
    for _ in range(arguments.rounds):
        one.append(downloaded_per_second(port, few, 1))
        bare.append(bare_per_second(port, arguments.items, arguments.concurrency))
        many.append(downloaded_per_second(port, arguments.items, arguments.concurrency))
    link = arguments.megabits * 1e6 / 8 / (arguments.kilobytes * 1024) if arguments.megabits else 1e9
    ceiling = min(arguments.concurrency / arguments.latency, max(bare), link)
    print(f"latency {arguments.latency * 1000:.0f} ms, {arguments.kilobytes} KB, {os.cpu_count()} cores")
    print(f"link {arguments.megabits:g} Mbit/s" if arguments.megabits else "loopback, no link between")
    print(f"one by one             {max(one):8.0f} photos/s")
    print(f"scraper, {arguments.concurrency:4} at once   {max(many):8.0f} photos/s")
    print(f"bare sockets           {max(bare):8.0f} photos/s")
    print(f"times one by one       {max(many) / max(one):8.1f}   (at least 20)")
    print(f"of what is possible    {max(many) / ceiling:8.2f}   (at least 0.8)")


def memory(arguments: argparse.Namespace, port: int) -> None:
    """Memory while a run goes over many items; most are duplicates, so that the disk stays small."""
    ended = 0
    step = max(1, arguments.memory // 10)

    def watch(item: Item) -> None:
        nonlocal ended
        ended += 1
        if ended % step == 0:
            print(f"{ended:9,} items   {megabytes():8.1f} MB", flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = replace(SETTINGS, concurrency=arguments.concurrency, per_host=arguments.concurrency)
        urls = listed(port, arguments.memory, folder)
        report = scrape([urls], [UrlList()], folder / "scraped", settings, on_item=watch)
    print(report.text())
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.1f} MB")


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
