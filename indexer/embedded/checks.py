"""What is asked of whole segments, which reads them all: is it what was written, do the arrays agree with one
another, and do captions make what is stored with them?
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
from indexer.embedded.layout import postings_of
from indexer.embedded.rows import COLUMNS, TEXTS, document_keys
from indexer.embedded.segment import Segment
from indexer.embedded.shape import rises
from indexer.embedded.strings import Strings
from indexer.errors import IndexDamagedError

#: What reading damaged arrays ends in.
_ENDINGS = (ArithmeticError, LookupError, MemoryError, TypeError, ValueError)


def damage(where: str | Path, reason: str) -> IndexDamagedError:
    return IndexDamagedError(f"{where}: {reason}; restore it or build the index again (indexer build)")


def check_checksums(where: str | Path, segments: Sequence[Segment]) -> None:
    """Raises IndexDamagedError for the first array that does not match its checksum."""
    for segment in segments:
        for problem in _changed(segment):
            raise damage(where, problem)


def problems(segments: Sequence[Segment]) -> list[str]:
    """One line for each array that is not what was written, or does not agree with others."""
    return [line for segment in segments for line in _changed(segment) or _disagreeing(segment)]


@contextmanager
def reading(where: str | Path, segments: Sequence[Segment]) -> Iterator[None]:
    """Tell an error that damage explains as IndexDamagedError; on sound segments it is the program's own."""
    try:
        yield
    except _ENDINGS as error:
        if found := problems(segments):
            raise damage(where, found[0]) from error
        raise


def strangers(segments: Sequence[Segment], analyze: Analyzer) -> Iterator[str]:
    """One line for each caption that does not make the tokens, or the id, that it has.

    Of segments in which there are no `problems`.
    """
    for segment in segments:
        for rows in segment.parts():
            yield from _strange(segment, rows, analyze)


def _strange(segment: Segment, rows: Int64, analyze: Analyzer) -> Iterator[str]:
    documents = segment.documents(rows)
    held, places = segment.find(document_keys([one.record.document_id for one in documents]))
    found = np.full(len(rows), -1)
    found[held] = places
    for document, has_its_id in zip(documents, (found == rows).tolist(), strict=True):
        record = document.record
        checked = {"tokens": document.tokens == analyze(record.caption), "its id": has_its_id}
        if wrong := [name for name, right in checked.items() if not right]:
            yield not_as_made(record.document_id, record.image_id, wrong)


def _changed(segment: Segment) -> list[str]:
    path, file = segment.entry.file.path, segment.file
    return [f"{path}: {name} does not match its checksum" for name in file.damaged(file.extents)]


def _disagreeing(segment: Segment) -> list[str]:
    """Of a segment whose arrays match their checksums: a forged one, or one that a fault has written."""
    path, parts = segment.entry.file.path, (_tables, _columns, _sets, _lookups)
    return [f"{path}: {name} does not agree with the rest" for part in parts for name in part(segment)]


def _tables(segment: Segment) -> Iterator[str]:
    tables = {"vocabulary": segment.vocabulary, **{name: segment.column(name).values for name in COLUMNS}}
    for name, table in tables.items():
        if not _readable(table, ascending=name not in TEXTS):
            yield f"{name}.starts"


def _readable(table: Strings, *, ascending: bool) -> bool:
    if not (table.starts[1:] >= table.starts[:-1]).all():
        return False
    try:
        texts = table.all()
    except UnicodeDecodeError:
        return False
    return not ascending or all(map(lt, texts, islice(texts, 1, None)))


def _columns(segment: Segment) -> Iterator[str]:
    for name in COLUMNS:
        codes, counts = segment.column(name).all_codes(len(segment)), segment.column(name).counts
        if codes.max() >= len(counts) or not np.array_equal(
            np.bincount(codes, minlength=len(counts)), counts
        ):
            yield f"{name}.counts"


def _sets(segment: Segment) -> Iterator[str]:
    if not rises(segment.token_sets.rows):
        yield "set.rows"
    elif not _images_rise(segment):
        yield "image_id.codes"
    if not _tokens_rise(segment):
        yield "set.tokens"
        return
    file, words = segment.file, len(segment.vocabulary)
    for name, expected in postings_of(
        file["set.tokens"], file["class.sizes"], file["class.sets"], words
    ).items():
        if not np.array_equal(file[name], expected):
            yield name


def _images_rise(segment: Segment) -> bool:
    """Whether images ascend in each set, and the first of them in each class."""
    firsts = segment.token_sets.rows[:-1]
    images = segment.column("image_id").all_codes(len(segment))
    return _ascends(images, firsts) and _ascends(images[firsts], segment.token_sets.class_sets[:-1])


def _ascends(numbers: Integers, begins: Integers) -> bool:
    """Whether numbers ascend in each of the parts that begin there."""
    anew = np.zeros(len(numbers), bool)
    anew[begins] = True
    return bool((anew[1:] | (numbers[1:] >= numbers[:-1])).all())


def _tokens_rise(segment: Segment) -> bool:
    """Whether the tokens of every set ascend, and are in the vocabulary."""
    sets = segment.token_sets
    for size, begin, end in zip(sets.sizes, sets.class_tokens[:-1], sets.class_tokens[1:], strict=True):
        tokens = sets.tokens[begin:end].reshape(-1, size or 1)
        if not (tokens[:, 1:] > tokens[:, :-1]).all() or not (tokens[:, -1] < len(segment.vocabulary)).all():
            return False
    return True


def _lookups(segment: Segment) -> Iterator[str]:
    images = segment.column("image_id").all_codes(len(segment))
    if not np.array_equal(segment.file["image.rows"], np.argsort(images, kind="stable")):
        yield "image.rows"
    high = segment.file["id.high"]
    if not (high[1:] >= high[:-1]).all():
        yield "id.high"
    if not np.array_equal(np.sort(segment.file["id.rows"]), np.arange(len(segment))):
        yield "id.rows"
