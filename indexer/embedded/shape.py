"""Whether the arrays of a segment fit each other: checked whenever one is opened.

A file that is damaged, or forged with checksums that fit, must not lead to wrong answers or to errors that
say nothing. Types, lengths, first and last numbers are checked here, at the same cost for any number of
captions; what is inside large arrays is left to `checks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from reprlib import repr as shortened

import numpy as np

from indexer.embedded.arrays import ArrayFile
from indexer.embedded.dtypes import Bool, Integers
from indexer.embedded.rows import ALWAYS, COLUMNS, TEXTS
from indexer.errors import IndexDamagedError, IndexMismatchError

#: Arrays of texts: they are shown with hits, but decide what is found only where a filter names such a field.
_SHOWN = {f"{name}.{part}" for name in TEXTS for part in ("blob", "starts", "codes", "counts")}
#: All other arrays decide what is found. The smallest of them are compared with their checksums, up to so
#: many bytes together (some 3 ms): all of a small index, and of a large one those that do not grow with it.
_CHECKED_BYTES = 8 << 20

#: Types of numbers that are stored in the narrowest type that holds them.
_NUMBERS = frozenset({"|u1", "<u2", "<u4", "<u8"})
#: Of these, the types of numbers that never need the widest.
_NARROW = _NUMBERS - {"<u8"}
#: The arrays of a segment, without those of its columns, and the types that each may have.
_KINDS = {
    "class.sizes": {"<i8"},
    "class.sets": {"<i8"},
    "set.rows": _NARROW,
    "set.tokens": _NARROW,
    "posting.sets": {"<i4"},
    "posting.starts": _NUMBERS,
    "image.rows": _NARROW,
    "id.high": {"<u8"},
    "id.low": {"<u8"},
    "id.rows": _NARROW,
    "vocabulary.blob": {"|u1"},
    "vocabulary.starts": _NUMBERS,
}
#: The same for the arrays of a column. Only columns have an array named `counts`.
_COLUMN_KINDS = {"blob": {"|u1"}, "starts": _NUMBERS, "codes": _NARROW, "counts": _NARROW}


def check_segment(file: ArrayFile, rows: int) -> None:
    """Raises IndexDamagedError for a file that is not a segment of `rows` rows (1 or more).

    A column may be absent, since older versions had fewer. Raises IndexMismatchError for an unknown one: a
    newer version wrote it, and a merge would lose it.
    """
    columns = [name.removesuffix(".counts") for name in file.extents if name.endswith(".counts")]
    if unknown := sorted({*columns} - {*COLUMNS}):
        raise IndexMismatchError(
            f"{file.path}: has the columns {shortened(unknown)}, which this version does not know; use the "
            "version that wrote it, or build the index again (indexer build)"
        )
    if not _has_arrays(file, columns):
        raise IndexDamagedError(f"{file.path}: does not hold the arrays of a segment")
    for name in file.damaged(_checked_on_opening(file)):
        raise IndexDamagedError(f"{file.path}: {name} does not match its checksum")
    for name in _misfits(file, columns, rows):
        raise IndexDamagedError(f"{file.path}: {name} does not fit the other arrays")


def _has_arrays(file: ArrayFile, columns: Sequence[str]) -> bool:
    """Whether the file holds the arrays of a segment with these columns, each of an allowed type."""
    allowed = _KINDS | {f"{name}.{part}": _COLUMN_KINDS[part] for name in columns for part in _COLUMN_KINDS}
    kinds = {name: extent.kind for name, extent in file.extents.items()}
    complete = kinds.keys() == allowed.keys() and {*ALWAYS} <= {*columns}
    return complete and all(kind in allowed[name] for name, kind in kinds.items())


def read_tombstones(file: ArrayFile, rows: int, deleted: int) -> Bool:
    """Which rows of a segment are deleted.

    Raises IndexDamagedError for a file that does not hold `deleted` tombstones for a segment of `rows` rows.
    """
    found = [(name, extent.kind, extent.length) for name, extent in file.extents.items()]
    if found != [("deleted", "|u1", -(-rows // 8))]:
        raise IndexDamagedError(f"{file.path}: does not hold the tombstones of its segment")
    if file.damaged(["deleted"]):
        raise IndexDamagedError(f"{file.path}: does not match its checksum")
    tombstones = np.unpackbits(file["deleted"].astype(np.uint8, copy=False), count=rows).view(np.bool_)
    if np.count_nonzero(tombstones) != deleted:
        raise IndexDamagedError(f"{file.path}: does not hold {deleted:,} tombstones")
    return tombstones


def _checked_on_opening(file: ArrayFile) -> list[str]:
    """Names of the arrays that are compared with their checksums."""
    decisive = [name for name in file.extents if name not in _SHOWN]
    decisive.sort(key=lambda name: file.extents[name].bytes)
    ends = np.cumsum([file.extents[name].bytes for name in decisive])
    return decisive[: int(ends.searchsorted(_CHECKED_BYTES, side="right"))]


def _misfits(file: ArrayFile, columns: Sequence[str], rows: int) -> Iterator[str]:
    """Names of arrays that do not fit the others.

    Only the first is meaningful: each check takes for granted what those before it have found sound.
    """
    for name in ("vocabulary", *columns):
        if not _are_starts(file[f"{name}.starts"], len(file[f"{name}.blob"])):
            yield f"{name}.starts"
    if not _are_starts(file["set.rows"], rows):
        yield "set.rows"
    yield from _misfits_of_sets(file)
    for name in columns:
        values = len(file[f"{name}.starts"]) - 1
        if not 1 <= values == len(file[f"{name}.counts"]):
            yield f"{name}.counts"
        if len(file[f"{name}.codes"]) != (rows if values > 1 else 0):
            yield f"{name}.codes"
    for name in ("image.rows", "id.high", "id.low", "id.rows"):
        if len(file[name]) != rows:
            yield name


def _misfits_of_sets(file: ArrayFile) -> Iterator[str]:
    sizes, sets = file["class.sizes"], file["class.sets"]
    words = len(file["vocabulary.starts"]) - 1
    if not (len(sizes) and strictly_ascends(sizes) and sizes[0] >= 0 and sizes[-1] <= words):
        yield "class.sizes"
    holds_sets = strictly_ascends(sets) and _are_starts(sets, len(file["set.rows"]) - 1)
    if not (len(sets) == len(sizes) + 1 and holds_sets):
        yield "class.sets"
    if len(file["set.tokens"]) != int(np.dot(np.diff(sets), sizes)):
        yield "set.tokens"
    if len(file["posting.sets"]) != len(file["set.tokens"]):
        yield "posting.sets"
    starts = file["posting.starts"]
    if not (len(starts) == words + 1 and _are_starts(starts, len(file["posting.sets"]))):
        yield "posting.starts"


def _are_starts(starts: Integers, end: int) -> bool:
    """Whether these begin with 0, for the first part, and finish with `end`, where the last part ends."""
    return len(starts) > 0 and starts[0] == 0 and starts[-1] == end


def strictly_ascends(numbers: Integers) -> bool:
    return bool((numbers[1:] > numbers[:-1]).all())
