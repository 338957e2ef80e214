"""The report: one table in Markdown, everything in JSON, one plot, and where it all came from."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from typing import Any

from captioner.tokens import DEFAULT
from search.evaluation.evaluation import ARCHIVES, RowResult
from search.evaluation.extra import extra
from search.evaluation.measures import Estimate
from search.evaluation.tasks import RECALL_AT

#: The row that others are compared with, and the one that no plot has room for.
BASELINE, RANDOM = "student project", "random"
BEGIN, END = "<!-- evaluation: begin -->", "<!-- evaluation: end -->"
_PACKAGES = ("nltk", "numpy", "scipy", "pytrec-eval-terrier", "simplemma", "torch", "elasticsearch")
_COLUMNS = ("one:best of five", "five:five", *(f"nDCG@10 {name}" for name in ARCHIVES))


def origin(data: Mapping[str, str], seed: int) -> dict[str, Any]:
    """Versions, seed and digests of the data: what it takes to make the report again."""
    return {
        "seed": seed,
        "default_analyzer": DEFAULT,
        "data_sha256": dict(data),
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def markdown(results: Sequence[RowResult], about: Mapping[str, Any]) -> str:
    """The table and its origin, between the markers that `insert` looks for."""
    head = ["row", *_COLUMNS, *(f"R@{k}" for k in RECALL_AT), "median rank", "ms a query"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cells(result)) + " |" for result in results]
    data = "; ".join(f"{name} {value}" for name, value in about["data_sha256"].items())
    packages = ", ".join(f"{name} {value}" for name, value in about["packages"].items())
    lines += [
        "",
        f"Seed {about['seed']}, Python {about['python']}, {packages}. "
        f"Data (SHA-256, 16 digits): {data}. In brackets: bootstrap intervals of 95 %.",
    ]
    return "\n".join([BEGIN, *lines, END]) + "\n"


def insert(table: str, file: Path) -> None:
    """Put the table in place of the one between the markers; a file without markers gets it at its end."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    whole = f"{before}{table.rstrip()}{after}" if begin and end else f"{text.rstrip()}\n\n{table}".lstrip()
    file.write_text(whole, encoding="utf-8")


def write_json(results: Sequence[RowResult], about: Mapping[str, Any], file: Path) -> None:
    content = {"origin": about, "rows": [dict(_figures(result)) for result in results]}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def plot(results: Sequence[RowResult], file: Path, archive: str = "both") -> None:
    """Quality against time per query (logarithmic), as SVG or PNG by the file's suffix."""
    matplotlib: Any = extra("matplotlib")
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "caption-search"  # the same figures give the same file
    figures: Any = extra("matplotlib.figure")
    figure = figures.Figure(figsize=(10, 6), layout="constrained")
    axes = figure.add_subplot()
    # Random ranking would stretch both axes; it is in the table.
    found = [(result.row, result.similar[archive]) for result in results if archive in result.similar]
    shown = sorted((one for one in found if one[0] != RANDOM), key=lambda one: -one[1].ndcg.value)
    for number, (row, one) in enumerate(shown):
        marker = "os^Dv<>"[number % 7]  # seven, since colours come again after ten
        axes.plot(one.milliseconds, one.ndcg.value, marker, label=f"{one.ndcg.value:.3f}  {row}")
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    axes.set_xscale("log")
    axes.set(
        xlabel="milliseconds a query (median)",
        ylabel="nDCG@10",
        title=f"Photo to photo, archive searched by {archive} captions",
    )
    axes.grid(alpha=0.3)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def improvement_over_baseline(results: Sequence[RowResult], row: str, archive: str) -> float | None:
    """nDCG@10 of a row over the student project's; None where either is missing."""
    named = {result.row: result for result in results}
    try:
        mine, theirs = (named[name].similar[archive].ndcg.value for name in (row, BASELINE))
    except KeyError:
        return None
    return mine / theirs if theirs else None


def _cells(result: RowResult) -> list[str]:
    agreement, finding = result.agreement, result.finding
    times = [found.milliseconds for found in result.similar.values()]
    return [
        result.row,
        *(str(value) if value else "" for value in _agreement_of(agreement)),
        *(_short(result.similar[name].ndcg) if name in result.similar else "" for name in ARCHIVES),
        *(f"{finding.recall[k]:.3f}" if finding else "" for k in RECALL_AT),
        _rank(finding.median_rank) if finding else "",
        f"{times[-1]:.2f}" if times else "",
    ]


def _agreement_of(agreement: Any) -> tuple[Estimate | None, Estimate | None]:
    return (agreement.one, agreement.five) if agreement else (None, None)


def _short(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ±{(estimate.high - estimate.low) / 2:.3f}"


def _rank(rank: float) -> str:
    return f"{rank:.0f}" if isfinite(rank) else "> 1000"


def _figures(result: RowResult) -> Iterator[tuple[str, Any]]:
    yield "row", result.row
    for name, estimate in zip(
        ("spearman_one", "spearman_five"), _agreement_of(result.agreement), strict=True
    ):
        yield name, _numbers(estimate) if estimate else None
    for name, found in result.similar.items():
        yield f"ndcg10_{name}", _numbers(found.ndcg)
        yield f"milliseconds_{name}", round(found.milliseconds, 3)
    if result.finding:
        yield "recall", {str(k): share for k, share in result.finding.recall.items()}
        rank = result.finding.median_rank
        yield "median_rank", rank if isfinite(rank) else None


def _numbers(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
