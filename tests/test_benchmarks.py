"""The benchmark of searching, small: it runs, every exact engine is exact, and it says what it measured."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measuring import percentile
from benchmarks.searching.report import Goal
from tests.conftest import ROOT


def run(tmp_path: Path, *options: str) -> dict[str, dict[str, float]]:
    """Row by row what a run of the command says of 2,000 captions; the tables are written too."""
    files = [tmp_path / name for name in ("results.json", "table.md", "plot.png")]
    command = [sys.executable, "benchmarks/search.py", "-n", "2000", "--queries", "10", "--no-crowds"]
    command += ["--results", str(files[0]), "--table", str(files[1]), "--plot", str(files[2]), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "embedded p95 / p50" in done.stdout
    assert files[1].read_text(encoding="utf-8").startswith("# Search")
    assert files[2].read_bytes().startswith(b"\x89PNG")
    [measured] = json.loads(files[0].read_text(encoding="utf-8"))
    return {row["title"]: row for row in measured["rows"]}


@pytest.mark.elasticsearch
def test_every_engine_is_measured_and_the_exact_ones_are_exact(
    tmp_path: Path, elasticsearch_url: str
) -> None:
    rows = run(tmp_path, "--analyzer", "english/2", "--elasticsearch", elasticsearch_url)
    assert len(rows) == 8
    for title, row in rows.items():
        assert row["p50"] > 0 and row["build_rate"] > 0 and row["memory"] > 0
        if "candidates" not in title:  # those that only fetch candidates may miss some
            assert row["exact"] == row["asked"], title


def test_a_percentile_is_one_of_the_values() -> None:
    assert (percentile([2.0, 1.0], 0.5), percentile([3.0, 1.0, 2.0], 0.5)) == (1.0, 2.0)
    assert percentile(range(1, 101), 0.99) == 99 and math.isnan(percentile([], 0.5))


def test_a_goal_says_whether_it_is_reached() -> None:
    assert str(Goal("speed", 12.0, 10.0)) == "- speed: 12.00 times (at least 10): **reached**"
    assert str(Goal("time", 61.0, 60.0, "s", at_most=True)).endswith("(at most 60): **not reached**")


@pytest.mark.parametrize("script", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.name)
def test_every_benchmark_starts(script: Path) -> None:
    """As a person starts it: its folder comes first on the path, where search.py would hide the package."""
    started = subprocess.run([sys.executable, str(script), "--help"], cwd=ROOT, capture_output=True)
    assert started.returncode == 0, started.stderr


def test_packed_and_padded_captions_give_one_loss() -> None:
    """The benchmark stops when they do not."""
    command = [sys.executable, "benchmarks/training.py", "--photos", "3", "--batches", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["packed"] > 0
