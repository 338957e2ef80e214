"""How fast and how exact the search is, beside what people would use instead.

    python benchmarks/search.py [-n 600000] [--queries 200] [--analyzer NAME ...] [--elasticsearch URL]

Prints one table for each analyzer: build rate, size on disk, memory, times, rates, recall and exactness, and
which goals were reached. Every engine runs in a process of its own; all are asked some questions at a time,
in turns. `--results` appends what was measured to a JSON file, `--table` and `--plot` draw all that such a
file holds. Needs the extra `bench`. Without `--elasticsearch` (or ELASTICSEARCH_URL) only what needs no
server runs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import uuid
from pathlib import Path

# This file's own name would hide the package `search`.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.searching.material import Material, prepare  # noqa: E402
from benchmarks.searching.measuring import Measured, Process, ask_in_turns, crowds  # noqa: E402
from benchmarks.searching.peers import (  # noqa: E402
    Embedded,
    MinHashForest,
    NumpyCounting,
    OriginalLoop,
    Peer,
    SetSimilarity,
)
from benchmarks.searching.report import Run, append, goals, plot, read, run_of, table, written  # noqa: E402
from benchmarks.searching.servers import (  # noqa: E402
    BareSearch,
    ElasticProject,
    FunctionScore,
    OrSearch,
    load,
    unload,
)

PEERS: dict[str, type[Peer]] = {
    "loop": OriginalLoop,
    "numpy": NumpyCounting,
    "setsimilarity": SetSimilarity,
    "forest": MinHashForest,
    "or": OrSearch,
    "function-score": FunctionScore,
    "embedded": Embedded,
    "elasticsearch": ElasticProject,
}


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def places(kinds: list[type[Peer]], folder: Path, server: str) -> dict[type[Peer], str]:
    name = f"bench-{uuid.uuid4().hex[:8]}"
    where: dict[type[Peer], str] = {}
    for kind in kinds:
        if issubclass(kind, BareSearch):
            where[kind] = f"{server}/bare-{name}"
        elif kind is ElasticProject:
            where[kind] = f"{server}/{name}"
        else:
            where[kind] = str(folder / "index")
    return where


def measure(material: Material, kinds: list[type[Peer]], server: str, *, with_crowds: bool) -> Run:
    """Build, open and ask every engine."""
    where = places(kinds, material.folder, server)
    results = {kind: Measured() for kind in kinds}
    processes: dict[type[Peer], Process] = {}
    bulk: dict[str, float] = {}
    on_server = [kind for kind in kinds if issubclass(kind, BareSearch) or kind is ElasticProject]
    project, bare = f"{server}/{uuid.uuid4().hex}", f"{server}/bare-{uuid.uuid4().hex}"
    project, bare = where.get(ElasticProject, project), where.get(OrSearch, where.get(FunctionScore, bare))
    try:
        if on_server:
            say("loading Elasticsearch")
            bulk = dict(load(material, project, bare))
        for kind in kinds:
            say(f"building: {kind.title}")
            build(kind, material, where[kind], results[kind], bulk)
            processes[kind] = Process(kind, material.folder, where[kind])
            opened = processes[kind].call("open")
            if kind.in_memory:
                results[kind].build = opened + material.analysis_seconds
        say("asking")
        ask_in_turns(processes, results, material.questions)
        if with_crowds:
            say("asking with one and two clients")
            crowds(processes, results)
        for kind, process in processes.items():
            results[kind].memory, results[kind].disk = process.call("footprint")
    finally:
        for process in processes.values():
            process.close()
        for kind in kinds:
            kind(material, where[kind]).remove()
        if on_server:
            unload(project, bare)
    return run_of(material, results, bulk)


def build(kind: type[Peer], material: Material, where: str, result: Measured, bulk: dict[str, float]) -> None:
    """What lies on disk is built in a process of its own, so that another one opens it afresh."""
    if kind is ElasticProject:
        result.build = bulk["project"]
    elif issubclass(kind, BareSearch):
        result.build = bulk["bare"]
    elif not kind.in_memory:
        process = Process(kind, material.folder, where)
        result.build, result.build_memory = process.call("build")
        process.close()


def arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", "--captions", type=int, default=600_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--analyzer", nargs="+", default=["words/1", "english/1", "english/2"])
    parser.add_argument("--elasticsearch", default=os.environ.get("ELASTICSEARCH_URL", ""), metavar="URL")
    parser.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--no-crowds", action="store_true", help="only one question at a time")
    parser.add_argument("--results", type=Path, help="append to this JSON file")
    parser.add_argument("--table", type=Path, help="write the tables of all results here, as Markdown")
    parser.add_argument("--plot", type=Path, help="write the plot of all results here, as PNG")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> None:
    options = arguments(given)
    server = options.elasticsearch.rstrip("/")
    kinds = [kind for name, kind in PEERS.items() if name in options.only]
    if not server:
        kinds = [kind for kind in kinds if kind is not ElasticProject and not issubclass(kind, BareSearch)]
    runs: list[Run] = []
    for name in options.analyzer if options.captions else []:
        with tempfile.TemporaryDirectory(prefix="search-benchmark-") as folder:
            say(f"making {options.captions:,} captions, {name}")
            material = prepare(Path(folder), options.captions, name, options.queries)
            runs.append(measure(material, kinds, server, with_crowds=not options.no_crowds))
        print(table(runs[-1]), goals(runs[-1]), sep="\n", flush=True)
        if options.results:
            append(options.results, runs[-1])
    known = read(options.results) if options.results else runs
    if options.table:
        options.table.write_text(written(known), encoding="utf-8")
    if options.plot:
        plot(known, options.plot)


if __name__ == "__main__":
    main()
