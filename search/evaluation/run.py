"""One evaluation, from what was chosen to its files: material, figures of every row, report and exchange."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from captioner.stages import UNWATCHED, StageWatcher
from search.evaluation import exchange, report
from search.evaluation.evaluation import ARCHIVES, Material, RowResult, evaluate
from search.evaluation.material import Choices, DataFolder, gather
from search.evaluation.rankers import EvaluationQuery
from search.evaluation.rows import SEVERAL, USUAL


@dataclass(frozen=True, slots=True)
class Improvement:
    """How many times the student project's nDCG@10 a row has in an archive."""

    row: str
    archive: str
    times: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the evaluation came to: the table (Markdown), the figures behind it, and what was gained."""

    table: str
    results: tuple[RowResult, ...]
    improvements: tuple[Improvement, ...]


def run(
    chosen: Choices,
    output: Path,
    *,
    seed: int = 1,
    insert: Path | None = None,
    watcher: StageWatcher = UNWATCHED,
) -> Outcome:
    """Evaluate, and write the report into `output` and, where given, its table into the file `insert`.

    `seed` is for bootstrap and random ranking. Raises EvaluationError, and IndexerError where the server
    refuses at the start.
    """
    material = gather(chosen, watcher)
    results = tuple(evaluate(material, seed, watcher))
    about = report.origin(DataFolder(chosen.data).digests(), seed)
    table = report.markdown(results, about)
    output.mkdir(parents=True, exist_ok=True)
    (output / "report.md").write_text(table, encoding="utf-8")
    report.write_json(results, about, output / "report.json")
    if material.generated:
        report.plot(results, output / "quality-and-time.svg")
        _write_exchange(material, results, output)
    if insert is not None:
        report.insert(table, insert)
    return Outcome(table, results, tuple(_improvements(results)))


def _write_exchange(material: Material, results: Sequence[RowResult], output: Path) -> None:
    asked = [EvaluationQuery(image, material.generated[image]) for image in material.queries]
    exchange.write_queries(output / "queries.jsonl", asked)
    exchange.write_relevance(output / "relevance.qrels", material.relevance)
    for result in results:
        found = result.similar[ARCHIVES[-1]].rankings
        exchange.write_run(output / f"{exchange.file_name(result.row)}.run", found, result.row)


def _improvements(results: Sequence[RowResult]) -> Iterator[Improvement]:
    for row, archive in product((USUAL, SEVERAL), ARCHIVES):
        times = report.improvement_over_baseline(results, row, archive)
        if times is not None:
            yield Improvement(row, archive, times)
