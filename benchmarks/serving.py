"""How fast and how steady the web server is: many clients, text and photos, errors and memory.

    python benchmarks/serving.py --index WHERE [--photo PHOTO [--captions N]] [--clients 32] [--seconds 600]

Starts `search serve` as its own process and drives it over loopback. First the cost of the web alone:
the same text searches one by one, in the engine and over HTTP; then the crowd. Prints requests a second,
p50 and p99 in milliseconds for each kind, errors (there must be none; a 429 is counted apart, as it asks
to come back) and the server's memory, minute by minute.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx

# The neighbour search.py would hide the package `search`.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measuring import percentile, resident  # noqa: E402
from search.searcher import Searcher  # noqa: E402

WORDS = (
    "a man riding a wave on a surfboard|two dogs play in the snow|a plate of food on a table|"
    "a red bus drives down a city street|a woman holds an umbrella in the rain|a cat sits on a laptop|"
    "children fly kites on the beach|a train at a station|a bowl of fruit|a giraffe eats leaves from a tree|"
    "people sit around a table in a restaurant|a white toilet in a bathroom|a baseball player swings a bat"
).split("|")


@contextmanager
def server(arguments: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Address and process id of a running `search serve`."""
    command = [sys.executable, "-c", "from search.cli import main; main()", "serve", "--port", "0"]
    command += ["--index", arguments.index, "--captioner", arguments.captioner]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Serving on "):
            break
        print(line, end="", file=sys.stderr)
    else:
        raise SystemExit("the server did not start")
    try:
        yield line.split()[2], process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def overhead(url: str, where: str, rounds: int) -> None:
    """The same searches one by one: in this process, and over HTTP. In turns, as the machine may be busy."""
    inside: list[float] = []
    outside: list[float] = []
    told: list[float] = []
    with Searcher.open(where) as searcher, httpx.Client(base_url=url, timeout=120) as client:
        for number, text in enumerate(itertools.islice(itertools.cycle(WORDS), rounds * len(WORDS))):
            began = time.perf_counter()
            searcher.text(text, 24)
            middle = time.perf_counter()
            answer = client.get("/api/v1/text", params={"q": text, "k": 24})
            ended = time.perf_counter()
            answer.raise_for_status()
            if number >= len(WORDS):  # the first round only warms up
                inside.append(1000 * (middle - began))
                outside.append(1000 * (ended - middle))
                told.append(answer.json()["took_ms"])
    engine, web, served = (statistics.median(values) for values in (inside, outside, told))
    print(f"one by one, {len(inside)} text searches, 24 hits, p50: engine {engine:.2f} ms, ", end="")
    print(f"over HTTP {web:.2f} ms, added {web - engine:.2f} ms (the server's own engine: {served:.2f} ms)")


async def crowd(url: str, process: int, arguments: argparse.Namespace) -> int:
    """Drive the clients; gives the number of errors."""
    times: dict[str, list[float]] = defaultdict(list)
    outcomes: Counter[str] = Counter()
    photo = Path(arguments.photo).read_bytes() if arguments.photo else None
    captions = {"captions": arguments.captions} if arguments.captions else {}
    until = time.monotonic() + arguments.seconds
    texts = itertools.cycle(WORDS)

    async def one(number: int, client: httpx.AsyncClient) -> None:
        for turn in itertools.count(number):
            if time.monotonic() > until:
                return
            shown = photo if turn % arguments.photo_every == 0 else None
            began = time.perf_counter()
            try:
                if shown:
                    answer = await client.post("/api/v1/similar", params=captions, files={"photo": shown})
                else:
                    answer = await client.get("/api/v1/text", params={"q": next(texts), "k": 24})
            except httpx.HTTPError as error:
                outcomes[f"error {type(error).__name__}"] += 1
                continue
            if answer.status_code == 429:
                outcomes["asked to come back"] += 1
                await asyncio.sleep(float(answer.headers["retry-after"]))
                continue
            outcomes["answered" if answer.status_code == 200 else f"error {answer.status_code}"] += 1
            times["photo" if shown else "text"].append(1000 * (time.perf_counter() - began))

    async def watch() -> None:
        while time.monotonic() < until:
            passed, memory = arguments.seconds - (until - time.monotonic()), resident(process) / 1e6
            print(f"  {passed:5.0f} s: {memory:7.1f} MB, {outcomes['answered']} answered", flush=True)
            await asyncio.sleep(min(60.0, max(1.0, arguments.seconds / 10)))

    began = time.monotonic()
    limits = httpx.Limits(max_connections=arguments.clients)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        await asyncio.gather(watch(), *(one(number, client) for number in range(arguments.clients)))
    seconds = time.monotonic() - began
    for kind, values in sorted(times.items()):
        print(f"{kind}: {len(values) / seconds:.1f} req/s, p50 {percentile(values, 0.5):.1f} ms, "
              f"p99 {percentile(values, 0.99):.1f} ms")  # fmt: skip
    print(
        f"{arguments.clients} clients, {seconds:.0f} s: {json.dumps(outcomes)}; "
        f"{resident(process) / 1e6:.1f} MB at the end"
    )
    return sum(count for outcome, count in outcomes.items() if outcome.startswith("error"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", default="caption-index")
    parser.add_argument("--captioner", default="default")
    parser.add_argument("--photo", help="a photo to send; without one, only text is searched")
    parser.add_argument("--captions", type=int, help="of a photo to search for; the server's default without")
    parser.add_argument("--photo-every", type=int, default=20, help="one request in so many is a photo")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rounds", type=int, default=20, help="of the one-by-one comparison")
    arguments = parser.parse_args()
    with server(arguments) as (url, process):
        overhead(url, arguments.index, arguments.rounds)
        errors = asyncio.run(crowd(url, process, arguments))
    raise SystemExit(1 if errors else 0)


if __name__ == "__main__":
    main()
