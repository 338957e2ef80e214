"""The whole evaluation: every row through every task, from captions that are there already."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from captioner.tokens import DEFAULT
from indexer.errors import IndexUnavailableError
from search.evaluation.captions import of
from search.evaluation.data import Captions, RatedPair
from search.evaluation.engines import IndexRanker
from search.evaluation.measures import Relevance
from search.evaluation.rankers import Query, Ranker
from search.evaluation.rows import FEW, OTHERWISE, SEVERAL, USUAL, Extras, Row, extra_rows, rows
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
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Material:
    """All that is evaluated on. Queries are the photos of `queries`; `archive` is searched."""

    pairs: Sequence[RatedPair]  # none: no ratings to agree with
    rated: Captions
    queries: Captions  # reference captions of the query photos
    archive: Captions  # reference captions of the archived photos
    generated: Captions  # of both, the best first
    relevance: Relevance
    otherwise: Mapping[str, Captions] = field(default_factory=dict)  # the same by other ways to decode
    extras: Extras = field(default_factory=Extras)


@dataclass(frozen=True, slots=True)
class Result:
    """A row's figures; None where it takes no part in a task."""

    row: str
    agreement: Agreement | None
    similar: Mapping[str, Retrieval]  # by archive
    finding: Finding | None


def evaluate(material: Material, seed: int, say: Say = lambda text: None) -> Iterator[Result]:
    """Each row's result as it is ready; one whose engine fails is left out, and `say` is told why."""
    with tempfile.TemporaryDirectory(prefix="caption-evaluation-") as folder:
        for row in all_rows(material, seed, Path(folder)):
            say(f"evaluating: {row.name}")
            try:
                result = _result(row, material, seed)
            except IndexUnavailableError as error:
                say(f"left out: {row.name}: {error}")
            else:
                yield result


def _result(row: Row, material: Material, seed: int) -> Result:
    agreement = agree_with_people(row, material.pairs, material.rated, seed) if material.pairs else None
    similar = {archive: _similar(row, material, archive, seed) for archive in ARCHIVES if material.generated}
    return Result(row.name, agreement, similar, _finding(row, material) if material.generated else None)


def all_rows(material: Material, seed: int, folder: Path) -> list[Row]:
    """Rows whose material is there."""
    several = max((len(captions) for captions in material.generated.values()), default=5)
    wanted = rows(material.archive or material.rated, seed, several)
    if not material.generated:
        return [row for row in wanted if row.tokens is not None]
    index = partial(IndexRanker, analyzer=DEFAULT, folder=folder)
    wanted += [
        *extra_rows(material.extras),
        Row(f"{DEFAULT}, embedded engine", index),
        Row(USUAL, index, written="usual"),
        Row(SEVERAL, index, captions=FEW, written="usual"),
    ]
    return [row for row in wanted if row.written not in OTHERWISE or material.otherwise.get(row.written)]


def _similar(row: Row, material: Material, archive: str, seed: int) -> Retrieval:
    with _ranker(row, archived(row, material, archive)) as ranker:
        queries = [
            Query(image, captions) for image, captions in _asked(row, material, material.queries).items()
        ]
        return find_similar(ranker, queries, material.relevance, seed)


def _finding(row: Row, material: Material) -> Finding:
    """Sentences find photos of the query split, which are archived by generated captions."""
    with _ranker(row, _asked(row, material, material.queries, row.archived)) as ranker:
        return find_own_photo(
            ranker, [Query(image, captions[:1]) for image, captions in material.queries.items()]
        )


def _asked(row: Row, material: Material, photos: Captions, most: int | None = None) -> Captions:
    source = material.otherwise.get(row.written, material.generated)
    return of(photos, source, row.captions if most is None else most)


def archived(row: Row, material: Material, archive: str) -> Captions:
    """Captions of the archived photos as one of `ARCHIVES` has them."""
    if archive == "reference":
        return material.archive
    generated = _asked(row, material, material.archive, row.archived)
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
