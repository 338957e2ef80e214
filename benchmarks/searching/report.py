"""What was measured -> table, goals, plot, and the file that remembers it."""

from __future__ import annotations

import json
import math
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.measuring import percentile
from benchmarks.searching.material import HITS, Material
from benchmarks.searching.measuring import IN_A_ROW, Measured
from benchmarks.searching.peers import Embedded, NumpyCounting, Peer, SetSimilarity
from benchmarks.searching.servers import ElasticProject, OrSearch

EMBEDDED, ELASTIC = Embedded.title, ElasticProject.title
_MEGABYTE, _GIGABYTE = 1e6, 1e9
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One engine in one run; times in ms, sizes in bytes, NaN and None for what it has not."""

    title: str
    build_rate: float
    build_memory: int
    disk: int | None
    memory: int
    p50: float
    p95: float
    p99: float
    cpu50: float
    cpu95: float
    asked: int
    exact: int
    recall: float
    rates: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """One analyzer, one number of captions, all engines."""

    date: str
    machine: str
    load: float
    captions: int
    analyzer: str
    tokens: float
    rows: tuple[Row, ...]
    bulk: Mapping[str, float]

    def row(self, title: str) -> Row | None:
        return next((row for row in self.rows if row.title == title), None)


def run_of(material: Material, results: Mapping[type[Peer], Measured], bulk: Mapping[str, float]) -> Run:
    return Run(
        datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        machine(),
        os.getloadavg()[1],
        len(material),
        material.analyzer,
        round(len(material.tokens) / len(material), 1),
        tuple(_row(kind.title, one, len(material)) for kind, one in results.items()),
        bulk,
    )


def _row(title: str, one: Measured, captions: int) -> Row:
    return Row(
        title,
        captions / one.build if one.build else math.nan,
        one.build_memory,
        one.disk,
        one.memory,
        percentile(one.times, 0.5),
        percentile(one.times, 0.95),
        percentile(one.times, 0.99),
        percentile(one.cpu, 0.5),
        percentile(one.cpu, 0.95),
        len(one.times),
        one.exact,
        one.recall / max(1, len(one.times)),
        {str(clients): rate for clients, rate in one.rates.items()},
    )


def machine() -> str:
    """Cores, processor and Python, without the machine's name."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{os.cpu_count()} cores, {processor}, Python {platform.python_version()}"


# The table.

_HEAD = (
    "| | captions/s built | disk MB | memory MB | p50 ms | p95 ms | p99 ms | p50 CPU ms "
    f"| 1 client, /s | 2 clients, /s | recall@{HITS} | exact |"
)


def table(run: Run) -> str:
    lines = [f"{run.captions:,} captions, {run.analyzer} ({run.tokens} tokens a caption)", "", _HEAD]
    lines += ["|---|" + "---:|" * (_HEAD.count("|") - 2)]
    lines += [_line(row) for row in run.rows]
    return "\n".join(lines)


def _line(row: Row) -> str:
    cells = [
        row.title,
        f"{row.build_rate:,.0f}",
        "-" if row.disk is None else f"{row.disk / _MEGABYTE:,.0f}",
        f"{row.memory / _MEGABYTE:,.0f}",
        *(
            f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
            for value in (row.p50, row.p95, row.p99, row.cpu50)
        ),
        *(f"{row.rates[clients]:,.1f}" if clients in row.rates else "-" for clients in ("1", "2")),
        f"{row.recall:.3f}",
        f"{row.exact} of {row.asked}",
    ]
    return f"| {' | '.join(cells)} |"


# The goals.


@dataclass(frozen=True, slots=True)
class Goal:
    """A number that should be at least (or with `at_most`, at most) `wanted`."""

    name: str
    found: float
    wanted: float
    unit: str = "times"
    at_most: bool = False

    @property
    def reached(self) -> bool:
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted

    def __str__(self) -> str:
        side = "at most" if self.at_most else "at least"
        verdict = "reached" if self.reached else "not reached"
        return f"- {self.name}: {self.found:,.2f} {self.unit} ({side} {self.wanted:g}): **{verdict}**"


def goals(run: Run) -> str:
    return "\n".join(["", *map(str, _goals(run))])


def _goals(run: Run) -> list[Goal]:
    large = run.captions > _MILLION
    found: list[Goal] = []
    embedded, elastic = run.row(EMBEDDED), run.row(ELASTIC)
    if embedded:
        if numpy := run.row(NumpyCounting.title):
            wanted = 20.0 if large else 10.0
            found.append(Goal("embedded p50 against NumPy counting all", numpy.p50 / embedded.p50, wanted))
            found.append(Goal("the same in CPU time", numpy.cpu50 / embedded.cpu50, wanted))
            if "1" in numpy.rates and "1" in embedded.rates:
                rates = embedded.rates["1"] / numpy.rates["1"]
                found.append(Goal("the same for one client that asks without pause", rates, wanted))
        found.append(Goal("embedded p95 / p50", embedded.p95 / embedded.p50, 2.5, at_most=True))
        found.append(Goal("the same in CPU time", embedded.cpu95 / embedded.cpu50, 2.5, at_most=True))
        if (sets := run.row(SetSimilarity.title)) and not large:
            found.append(Goal("embedded p50 against SetSimilaritySearch", sets.p50 / embedded.p50, 30.0))
            found.append(Goal("the same in CPU time", sets.cpu50 / embedded.cpu50, 30.0))
        seconds = run.captions / embedded.build_rate
        allowed = 60.0 * max(1.0, run.captions / 600_000)
        found.append(Goal("embedded build", seconds, allowed, "s", at_most=True))
        memory = embedded.build_memory / _GIGABYTE
        found.append(Goal("embedded build, memory", memory, 6.0 if large else 2.0, "GB", at_most=True))
    if elastic:
        if usual := run.row(OrSearch.title):
            found.append(Goal("Elasticsearch p50 against OR with 100", usual.p50 / elastic.p50, 2.0))
        ratio = run.bulk["bare bulk"] / run.bulk["project bulk"]
        found.append(Goal("bulk load against bare parallel_bulk of ready documents", ratio, 0.9))
    for row in (embedded, elastic):
        if row:
            found.append(Goal(f"{row.title}, exact answers", 100 * row.exact / max(1, row.asked), 100.0, "%"))
    return found


# The file of results, and what is written from it.


def append(path: Path, run: Run) -> None:
    path.write_text(json.dumps([*map(asdict, read(path)), asdict(run)], indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> list[Run]:
    if not path.is_file():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    return [Run(**{**run, "rows": tuple(Row(**row) for row in run["rows"])}) for run in found]


def _newest(runs: Sequence[Run]) -> list[Run]:
    """The last run of each analyzer and number of captions, ascending."""
    last = {(run.captions, run.analyzer): run for run in runs}
    return [last[key] for key in sorted(last)]


_PREFACE = f"""# Search: how fast, how exact

Written by `python benchmarks/search.py`; see there for how to make it again.

Each engine runs in a process of its own and gives the {HITS} most similar images for a set of tokens. All
get the same questions, {IN_A_ROW} at a time in turns, so that what else the machine does hits all alike:
compare rows of one table, not tables (before 2026-11-25 a turn was one question, which found the caches
filled by the others; before 2026-11-28 this project asked Elasticsearch otherwise, and neither index there
was sorted by length, which also lets OR find more of the best). Every second question is a caption of the
index, the others are new.
*Exact* counts the answers whose {HITS} scores are those of brute force; *recall* is the share of hits that
belong among them. Build rates begin with captions and include their analysis. *Memory* is resident, with
mapped files, of the process that answers (for Elasticsearch, of the client). *CPU* is what the answering
process itself used, which a busy machine distorts least (for Elasticsearch, the client only). This project's
times are those of `Searcher.tokens`: certified, explained, with all fields of the records; the others give
image and score. The student project's loop and SetSimilaritySearch are asked 3 and 20 questions;
SetSimilaritySearch is told the score of the tenth image beforehand.

Where the load average is above the number of cores, other work shared the machine. Wall times, their tails
and build rates then tell of that too, and short searches suffer less than long ones; CPU times tell least.
"""


def written(runs: Sequence[Run]) -> str:
    parts = [_PREFACE]
    for run in _newest(runs):
        parts.append(f"## {run.captions:,} captions, {run.analyzer}\n")
        parts.append(f"{run.date}; {run.machine}; load average {run.load:.1f}.\n")
        parts.append(f"{table(run)}\n{goals(run)}\n")
    return "\n".join(parts)


def plot(runs: Sequence[Run], path: Path) -> None:
    """Median time against the number of captions, both logarithmic, a panel for each analyzer.

    An analyzer that was measured at one size only has no line: it is left to the table where another has.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    newest = _newest(runs)
    measured = Counter(run.analyzer for run in newest)
    names = sorted(name for name, sizes in measured.items() if sizes > 1) or sorted(measured)
    figure, panels = pyplot.subplots(
        1, len(names), figsize=(1.5 + 3.6 * len(names), 5.6), sharey=True, squeeze=False
    )
    titles = list(dict.fromkeys(row.title for run in newest for row in run.rows))
    for name, panel in zip(names, panels[0], strict=True):
        for number, title in enumerate(titles):
            here = [
                (run.captions, row.p50) for run in newest if run.analyzer == name and (row := run.row(title))
            ]
            if here:
                ours = title in (EMBEDDED, ELASTIC)
                panel.plot(
                    *zip(*here, strict=True),
                    marker="o",
                    color=f"C{number}",
                    linewidth=2.5 if ours else 1.2,
                    linestyle="-" if ours else "--",
                    markersize=10 if ours else 5,
                    zorder=2 if ours else 3,  # smaller and in front, so that both show where they meet
                    label=title,
                )
        panel.set(xscale="log", yscale="log", xlabel="captions", title=name)
        panel.grid(True, which="both", alpha=0.2)
    panels[0][0].set_ylabel("median time of a search (ms)")
    legends = [panel.get_legend_handles_labels() for panel in panels[0]]
    lines = {label: line for legend in legends for line, label in zip(*legend, strict=True)}
    figure.legend(
        lines.values(), lines.keys(), loc="lower center", ncols=min(2, len(names)), frameon=False, fontsize=8
    )
    dates = sorted({run.date for run in newest if run.analyzer in names})
    figure.suptitle(f"{HITS} most similar images; measured {' and '.join(dates)}", fontsize=9)
    figure.tight_layout(rect=(0, 0.2 if len(names) > 1 else 0.32, 1, 1))
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
