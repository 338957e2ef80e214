"""The whole evaluation: every row through every task, from captions that are there already."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from captioner.stages import UNWATCHED, StageWatcher
from captioner.tokens import DEFAULT
from indexer.errors import IndexUnavailableError
from search.evaluation.captions import captions_of
from search.evaluation.data import Captions, RatedPair
from search.evaluation.engines import IndexRanker
from search.evaluation.measures import Relevance
from search.evaluation.rankers import EvaluationQuery, Ranker
from search.evaluation.rows import FEW, OTHER_DECODINGS, SEVERAL, USUAL, Extras, Row, extra_rows, rows
from search.evaluation.tasks import (
    Agreement,
    Finding,
    Retrieval,
    agree_with_people,
    find_own_photo,
    find_similar,
)

#: What an archive of photos is searched by: captions people wrote, captions generated, or both.
ARCHIVES = ("reference", "generated", "both")


@dataclass(frozen=True, slots=True)
class Material:
    """All that is evaluated on. Queries are the photos of `queries`; `archive` is searched."""

    pairs: Sequence[RatedPair]  # none: no ratings to agree with
    rated: Captions
    queries: Captions  # reference captions of the query photos
    archive: Captions  # reference captions of the archived photos
    generated: Captions  # of both, the best first
    relevance: Relevance
    other_decodings: Mapping[str, Captions] = field(default_factory=dict)  # the same by other ways to decode
    extras: Extras = field(default_factory=Extras)


@dataclass(frozen=True, slots=True)
class RowResult:
    """A row's figures in the three tasks; None for a task that it takes no part in."""

    row: str
    agreement: Agreement | None
    similar: Mapping[str, Retrieval]  # by archive
    finding: Finding | None


def evaluate(material: Material, seed: int, watcher: StageWatcher = UNWATCHED) -> Iterator[RowResult]:
    """Each row's result as soon as it is ready; a row whose engine fails is left out, with a remark why."""
    with tempfile.TemporaryDirectory(prefix="caption-evaluation-") as folder:
        rows = rows_with_material(material, seed, Path(folder))
        watcher.stage("evaluating", len(rows), "row")
        for row in rows:
            watcher.remark(f"evaluating: {row.name}")
            try:
                result = _result(row, material, seed)
            except IndexUnavailableError as error:
                watcher.remark(f"left out: {row.name}: {error}")
            else:
                yield result
            watcher.advance()


def _result(row: Row, material: Material, seed: int) -> RowResult:
    agreement = agree_with_people(row, material.pairs, material.rated, seed) if material.pairs else None
    similar = {archive: _similar(row, material, archive, seed) for archive in ARCHIVES if material.generated}
    return RowResult(row.name, agreement, similar, _finding(row, material) if material.generated else None)


def rows_with_material(material: Material, seed: int, folder: Path) -> list[Row]:
    """Rows whose material is there."""
    several = max((len(captions) for captions in material.generated.values()), default=5)
    wanted = rows(material.rated, seed, several)
    if not material.generated:
        return [row for row in wanted if row.tokens is not None]
    index = partial(IndexRanker, analyzer=DEFAULT, folder=folder)
    wanted += [
        *extra_rows(material.extras),
        Row(f"{DEFAULT}, embedded engine", index),
        Row(USUAL, index, decoding="usual"),
        Row(SEVERAL, index, captions=FEW, decoding="usual"),
    ]
    return [
        row
        for row in wanted
        if row.decoding not in OTHER_DECODINGS or material.other_decodings.get(row.decoding)
    ]


def _similar(row: Row, material: Material, archive: str, seed: int) -> Retrieval:
    with _ranker(row, archive_captions(row, material, archive)) as ranker:
        queries = [
            EvaluationQuery(image, captions)
            for image, captions in _generated(row, material, material.queries).items()
        ]
        return find_similar(ranker, queries, material.relevance, seed)


def _finding(row: Row, material: Material) -> Finding:
    """Sentences find photos of the query split, which are archived by generated captions."""
    with _ranker(row, _generated(row, material, material.queries, row.archived)) as ranker:
        return find_own_photo(
            ranker, [EvaluationQuery(image, captions[:1]) for image, captions in material.queries.items()]
        )


def _generated(row: Row, material: Material, photos: Captions, most: int | None = None) -> Captions:
    """Captions of these photos in the row's decoding: `most` of each, or as many as its queries have."""
    source = material.other_decodings.get(row.decoding, material.generated)
    return captions_of(photos, source, row.captions if most is None else most)


def archive_captions(row: Row, material: Material, archive: str) -> Captions:
    """Captions of the archived photos as one of `ARCHIVES` has them."""
    if archive == "reference":
        return material.archive
    generated = _generated(row, material, material.archive, row.archived)
    if archive == "generated":
        return generated
    return {image: (*material.archive[image], *generated[image]) for image in material.archive}


@contextmanager
def _ranker(row: Row, captions: Captions) -> Iterator[Ranker]:
    ranker = row.ranker(captions)
    try:
        yield ranker
    finally:
        close = getattr(ranker, "close", None)
        if close is not None:
            close()
