"""Figures that a document repeats are those of the last benchmark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ROOT

SIZES = (600_000, 2_400_000, 6_000_000)
EMBEDDED = "this project, embedded"
ELASTICSEARCH = "this project, Elasticsearch"


def last_runs() -> dict[int, dict[str, Any]]:
    """Captions -> the benchmark's row by its title; a later run of a size takes an earlier one's place."""
    runs = json.loads((ROOT / "docs" / "benchmarks.json").read_text(encoding="utf-8"))
    rows = {run["captions"]: run["rows"] for run in runs if run["analyzer"] == "english/2"}
    return {size: {row["title"]: {**row, "captions": size} for row in found} for size, found in rows.items()}


def cells(beginning: str) -> list[str]:
    """A row of the first table in docs/scale.md, as far as the benchmark measures it."""
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith(f"| {beginning}"))
    return row.strip("|").split("|")[1 : len(SIZES) + 1]


@pytest.mark.parametrize(
    ("beginning", "title", "figures"),
    [
        ("embedded: size", EMBEDDED, lambda row: [row["disk"] / 1e6]),
        ("embedded: `Searcher.tokens`, 10", EMBEDDED, lambda row: [row["p50"], row["p95"], row["p99"]]),
        ("NumPy", "NumPy, counting all postings", lambda row: [row["p50"]]),
        ("embedded: build", EMBEDDED, lambda row: [row["captions"] / row["build_rate"]]),
        ("embedded: resident", EMBEDDED, lambda row: [row["build_memory"] / 1e9]),
        ("Elasticsearch: size", ELASTICSEARCH, lambda row: [row["disk"] / 1e6]),
        ("Elasticsearch: `Searcher", ELASTICSEARCH, lambda row: [row["p50"], row["p95"]]),
        ("Elasticsearch: OR", "Elasticsearch, OR with 100 candidates", lambda row: [row["p50"]]),
        ("Elasticsearch: build", ELASTICSEARCH, lambda row: [row["captions"] / row["build_rate"]]),
    ],
)
def test_scale_repeats_the_last_benchmark(
    beginning: str, title: str, figures: Callable[[dict[str, Any]], list[float]]
) -> None:
    runs = last_runs()
    for size, cell in zip(SIZES, cells(beginning), strict=True):
        measured = figures(runs[size][title])
        told = re.findall(r"[\d.,]+", cell)[: len(measured)]
        for figure, text in zip(measured, told, strict=True):
            digits = len(text.partition(".")[2])
            assert f"{figure:,.{digits}f}" == text, f"{size:,}, {beginning}:{cell}"


def test_operations_repeats_the_last_benchmark() -> None:
    """The table of memory and disk, by which people choose a machine."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    runs = last_runs()
    rows = [line.strip("|").split("|") for line in text.splitlines() if re.match(r"\| [\d,]+,000 \|", line)]
    assert len(rows) == 4
    for captions, _, *cells in rows:
        run = runs[int(captions.replace(",", ""))]
        embedded, server = run[EMBEDDED], run[ELASTICSEARCH]
        measured = [
            f"{embedded['disk'] / 1e6:.0f} MB",
            f"{embedded['build_memory'] / 1e9:.2f} GB",
            f"{embedded['memory'] / 1e6:.0f} MB",
            f"{server['disk'] / 1e6:,.0f} MB",
        ]
        assert [cell.strip() for cell in cells] == measured


def test_the_readme_and_the_design_repeat_the_last_benchmark() -> None:
    """One search against counting all postings: the table, and the number that decided for the engine."""
    runs = last_runs()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| ([\d,]+,000) \| ([\d.]+) ms \| ([\d.]+) ms \|", readme, re.MULTILINE)
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = design.partition("## The embedded engine")[2]
    number = re.search(
        r"([\d.]+) ms at ([\d,]+)\s+captions,\s+where\s+counting\s+all\s+postings"
        r"\s+with\s+NumPy\s+takes\s+([\d.]+\d);"
        r"\s+([\d.]+)\s+against\s+([\d.]+)\s+at\s+([\d,]+\d)",
        section,
    )
    assert len(table) == 4 and number is not None
    first, size, counting, later, later_counting, later_size = number.groups()
    for captions, *told in [*table, (size, first, counting), (later_size, later, later_counting)]:
        run = runs[int(captions.replace(",", ""))]
        for title, text in zip((EMBEDDED, "NumPy, counting all postings"), told, strict=True):
            digits = len(text.partition(".")[2])
            assert f"{run[title]['p50']:.{digits}f}" == text, captions
