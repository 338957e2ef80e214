"""Checks that read segments whole: checksums, arrays that must agree with each other, and whether captions
make the tokens and ids that are stored with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from operator import lt
from pathlib import Path

import numpy as np

from captioner.tokens import Analyzer
from indexer.check_lines import not_as_made
from indexer.embedded.dtypes import Int64, Integers
from indexer.embedded.layout import posting_arrays
from indexer.embedded.rows import COLUMNS, TEXTS, document_keys
from indexer.embedded.segment import Segment
from indexer.embedded.shape import strictly_ascends
from indexer.embedded.strings import Strings
from indexer.errors import IndexDamagedError

#: The errors that reading damaged arrays can raise.
_ERRORS = (ArithmeticError, LookupError, MemoryError, TypeError, ValueError)


def damaged_index(where: str | Path, reason: str) -> IndexDamagedError:
    return IndexDamagedError(f"{where}: {reason}; restore it or build the index again (indexer build)")


def check_checksums(where: str | Path, segments: Sequence[Segment]) -> None:
    """Raises IndexDamagedError for the first array that does not match its checksum."""
    for segment in segments:
        for problem in _wrong_checksums(segment):
            raise damaged_index(where, problem)


def find_damage(segments: Sequence[Segment]) -> list[str]:
    """One line for each array that does not match its checksum or does not agree with the others."""
    return [line for segment in segments for line in _wrong_checksums(segment) or _disagreements(segment)]


@contextmanager
def reading(where: str | Path, segments: Sequence[Segment]) -> Iterator[None]:
    """Turn an error into IndexDamagedError where the segments are damaged; else it is a bug, and stays."""
    try:
        yield
    except _ERRORS as error:
        if found := find_damage(segments):
            raise damaged_index(where, found[0]) from error
        raise


def find_wrong_documents(segments: Sequence[Segment], analyze: Analyzer) -> Iterator[str]:
    """One line for each document whose tokens or id are not those that its caption makes.

    Only for segments in which `find_damage` finds nothing.
    """
    for segment in segments:
        for rows in segment.row_batches():
            yield from _find_wrong(segment, rows, analyze)


def _find_wrong(segment: Segment, rows: Int64, analyze: Analyzer) -> Iterator[str]:
    documents = segment.documents(rows)
    found, found_rows = segment.find_documents(
        document_keys([document.record.document_id for document in documents])
    )
    row_of_id = np.full(len(rows), -1)
    row_of_id[found] = found_rows
    for document, id_fits in zip(documents, (row_of_id == rows).tolist(), strict=True):
        record = document.record
        fits = {"tokens": document.tokens == analyze(record.caption), "its id": id_fits}
        if wrong := [name for name, right in fits.items() if not right]:
            yield not_as_made(record.document_id, record.image_id, wrong)


def _wrong_checksums(segment: Segment) -> list[str]:
    path, file = segment.entry.file.path, segment.file
    return [f"{path}: {name} does not match its checksum" for name in file.damaged(file.extents)]


def _disagreements(segment: Segment) -> list[str]:
    """Where checksums fit and arrays still do not agree, a segment was forged, or written by a defect."""
    path, checks = segment.entry.file.path, (_wrong_tables, _wrong_columns, _wrong_sets, _wrong_lookups)
    return [f"{path}: {name} does not agree with the rest" for check in checks for name in check(segment)]


def _wrong_tables(segment: Segment) -> Iterator[str]:
    tables = {"vocabulary": segment.vocabulary, **{name: segment.column(name).values for name in COLUMNS}}
    for name, table in tables.items():
        if not _is_readable(table, ascending=name not in TEXTS):
            yield f"{name}.starts"


def _is_readable(table: Strings, *, ascending: bool) -> bool:
    if not (table.starts[1:] >= table.starts[:-1]).all():
        return False
    try:
        texts = table.all()
    except UnicodeDecodeError:
        return False
    return not ascending or all(map(lt, texts, islice(texts, 1, None)))


def _wrong_columns(segment: Segment) -> Iterator[str]:
    for name in COLUMNS:
        codes, counts = segment.column(name).all_codes(len(segment)), segment.column(name).counts
        if codes.max() >= len(counts) or not np.array_equal(
            np.bincount(codes, minlength=len(counts)), counts
        ):
            yield f"{name}.counts"


def _wrong_sets(segment: Segment) -> Iterator[str]:
    if not strictly_ascends(segment.token_sets.rows):
        yield "set.rows"
    elif not _images_ascend(segment):
        yield "image_id.codes"
    if not _tokens_ascend(segment):
        yield "set.tokens"
        return
    file, words = segment.file, len(segment.vocabulary)
    expected = posting_arrays(file["set.tokens"], file["class.sizes"], file["class.sets"], words)
    for name, array in expected.items():
        if not np.array_equal(file[name], array):
            yield name


def _images_ascend(segment: Segment) -> bool:
    """Whether the images of each set ascend, and in each size class the first images of the sets."""
    firsts = segment.token_sets.rows[:-1]
    images = segment.column("image_id").all_codes(len(segment))
    return _ascend_in_parts(images, firsts) and _ascend_in_parts(
        images[firsts], segment.token_sets.class_sets[:-1]
    )


def _ascend_in_parts(numbers: Integers, begins: Integers) -> bool:
    """Whether the numbers ascend within each of the parts that begin at these places."""
    begins_part = np.zeros(len(numbers), bool)
    begins_part[begins] = True
    return bool((begins_part[1:] | (numbers[1:] >= numbers[:-1])).all())


def _tokens_ascend(segment: Segment) -> bool:
    """Whether the tokens of every set ascend, and are in the vocabulary."""
    sets = segment.token_sets
    for size, begin, end in zip(sets.sizes, sets.class_tokens[:-1], sets.class_tokens[1:], strict=True):
        tokens = sets.tokens[begin:end].reshape(-1, size or 1)
        if not (tokens[:, 1:] > tokens[:, :-1]).all() or not (tokens[:, -1] < len(segment.vocabulary)).all():
            return False
    return True


def _wrong_lookups(segment: Segment) -> Iterator[str]:
    images = segment.column("image_id").all_codes(len(segment))
    if not np.array_equal(segment.file["image.rows"], np.argsort(images, kind="stable")):
        yield "image.rows"
    high = segment.file["id.high"]
    if not (high[1:] >= high[:-1]).all():
        yield "id.high"
    if not np.array_equal(np.sort(segment.file["id.rows"]), np.arange(len(segment))):
        yield "id.rows"
