"""The exchange form: TREC run and qrels files, and queries as JSON lines, so that others can compare.

queries.jsonl   {"query": ID, "captions": [...]}
relevance.qrels QUERY 0 IMAGE GAIN            (gain: a whole number, 0 or more)
NAME.run        QUERY Q0 IMAGE RANK SCORE NAME
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from ctypes import c_float
from pathlib import Path

from search.errors import EvaluationError
from search.evaluation.measures import Rankings, Relevance
from search.evaluation.rankers import EvaluationQuery


def write_queries(file: Path, queries: Iterable[EvaluationQuery]) -> None:
    rows = (json.dumps({"query": one.image, "captions": list(one.captions)}) for one in queries)
    file.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def write_relevance(file: Path, relevance: Relevance) -> None:
    lines = (
        f"{_field(query)} 0 {_field(image)} {gain}\n"
        for query, gains in relevance.items()
        for image, gain in gains.items()
    )
    file.write_text("".join(lines), encoding="utf-8")


def write_run(file: Path, rankings: Rankings, name: str) -> None:
    """Scores are the places counted from the end: TREC tools sort by score."""
    lines = (
        f"{_field(query)} Q0 {_field(image)} {place} {len(images) - place + 1} {_field(name)}\n"
        for query, images in rankings.items()
        for place, image in enumerate(images, start=1)
    )
    file.write_text("".join(lines), encoding="utf-8")


def read_relevance(file: Path) -> dict[str, dict[str, int]]:
    """Raises EvaluationError with the line that is not of the form."""
    relevance: dict[str, dict[str, int]] = {}
    for number, fields in _lines(file, 4):
        try:
            gain = int(fields[3])
        except ValueError:
            raise EvaluationError(
                f"{file}: line {number}: the gain {fields[3]!r} is no whole number"
            ) from None
        relevance.setdefault(fields[0], {})[fields[2]] = gain
    return relevance


def read_run(file: Path) -> dict[str, list[str]]:
    """Query -> images by descending score, as trec_eval reads it; the rank field tells nothing.

    Of equal scores the image whose id sorts last comes first. Raises EvaluationError with the line that is
    not of the form.
    """
    scored: dict[str, list[tuple[float, str]]] = {}
    for number, fields in _lines(file, 6):
        score = _score(fields[4])
        if math.isnan(score):
            raise EvaluationError(f"{file}: line {number}: the score {fields[4]!r} is no number")
        scored.setdefault(fields[0], []).append((score, fields[2]))
    return {query: [image for _, image in sorted(found, reverse=True)] for query, found in scored.items()}


def file_name(row: str) -> str:
    """A row's name as a file's: "english/2, greedy" -> "english-2-greedy"."""
    return "-".join("".join(c if c.isalnum() else " " for c in row).split())


def _lines(file: Path, fields: int) -> Iterable[tuple[int, Sequence[str]]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{file}: cannot be read ({error})") from None
    for number, line in enumerate(text.splitlines(), start=1):
        parts = line.split()
        if parts and len(parts) != fields:
            raise EvaluationError(f"{file}: line {number}: {len(parts)} fields instead of {fields}")
        if parts:
            yield number, parts


def _score(text: str) -> float:
    """Round to 32 bits as trec_eval does, so that smaller differences are ties; NaN if it is no number."""
    try:
        return c_float(float(text)).value
    except ValueError:
        return math.nan


def _field(name: str) -> str:
    """A field of a TREC file holds no space."""
    return "_".join(name.split()) or "_"
