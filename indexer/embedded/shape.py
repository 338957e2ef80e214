"""What the arrays of a segment must be beside each other: looked at whenever one is opened.

A file that is damaged, or forged with fitting checksums, shall not make searches give wrong answers or end in
an error that says nothing. Looking at types, lengths and ends costs the same for any number of captions; what
is inside of large arrays is for `checks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from reprlib import repr as shortened

import numpy as np

from indexer.embedded.arrays import ArrayFile
from indexer.embedded.dtypes import Bool, Integers
from indexer.embedded.rows import ALWAYS, COLUMNS, TEXTS
from indexer.errors import IndexDamagedError, IndexMismatchError

#: Arrays of texts, which are read for hits, and decide what is found only by a filter that names them.
_SHOWN = {f"{name}.{part}" for name in TEXTS for part in ("blob", "starts", "codes", "counts")}
#: Of the others, which decide what is found, the smallest are compared with their checksums, up to so many
#: bytes together (some 3 ms): those of a small index all, and of a large one those that do not grow with it.
_CHECKED_BYTES = 8 << 20

#: Numbers in the narrowest type that holds them; and where nothing could need the widest.
_NUMBERS = frozenset({"|u1", "<u2", "<u4", "<u8"})
_NARROW = _NUMBERS - {"<u8"}
#: The arrays of a segment but those of its columns, and the types that each may have.
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
#: The arrays of a column, likewise. No other array is named `counts`.
_COLUMN_KINDS = {"blob": {"|u1"}, "starts": _NUMBERS, "codes": _NARROW, "counts": _NARROW}


def check_segment(file: ArrayFile, rows: int) -> None:
    """Raises IndexDamagedError for what is not a segment of so many rows (1 or more).

    A column may be absent, since older versions had fewer. Raises IndexMismatchError for an unknown one: it
    is of a newer version, and a merge would lose it.
    """
    columns = [name.removesuffix(".counts") for name in file.extents if name.endswith(".counts")]
    if unknown := sorted({*columns} - {*COLUMNS}):
        raise IndexMismatchError(
            f"{file.path}: has the columns {shortened(unknown)}, which this version does not know; use the "
            "version that wrote it, or build the index again (indexer build)"
        )
    allowed = _KINDS | {f"{name}.{part}": _COLUMN_KINDS[part] for name in columns for part in _COLUMN_KINDS}
    kinds = {name: extent.kind for name, extent in file.extents.items()}
    whole = kinds.keys() == allowed.keys() and {*ALWAYS} <= {*columns}
    if not whole or any(kind not in allowed[name] for name, kind in kinds.items()):
        raise IndexDamagedError(f"{file.path}: does not hold the arrays of a segment")
    for name in file.damaged(_checked_now(file)):
        raise IndexDamagedError(f"{file.path}: {name} does not match its checksum")
    for name in _misfits(file, columns, rows):
        raise IndexDamagedError(f"{file.path}: {name} does not fit the other arrays")


def deleted_rows(file: ArrayFile, rows: int, deleted: int) -> Bool:
    """Which rows are deleted. Raises IndexDamagedError for what are not the tombstones of so many."""
    if [(name, extent.kind, extent.length) for name, extent in file.extents.items()] != [
        ("deleted", "|u1", -(-rows // 8))
    ]:
        raise IndexDamagedError(f"{file.path}: does not hold the tombstones of its segment")
    if file.damaged(["deleted"]):
        raise IndexDamagedError(f"{file.path}: does not match its checksum")
    found = np.unpackbits(file["deleted"].astype(np.uint8, copy=False), count=rows).view(np.bool_)
    if np.count_nonzero(found) != deleted:
        raise IndexDamagedError(f"{file.path}: does not hold {deleted:,} tombstones")
    return found


def _checked_now(file: ArrayFile) -> list[str]:
    decisive = [name for name in file.extents if name not in _SHOWN]
    decisive.sort(key=lambda name: file.extents[name].bytes)
    ends = np.cumsum([file.extents[name].bytes for name in decisive])
    return decisive[: int(ends.searchsorted(_CHECKED_BYTES, side="right"))]


def _misfits(file: ArrayFile, columns: Sequence[str], rows: int) -> Iterator[str]:
    """Names of arrays that do not fit. What comes later stands on what came before."""
    for name in ("vocabulary", *columns):
        if not _leads(file[f"{name}.starts"], len(file[f"{name}.blob"])):
            yield f"{name}.starts"
    if not _leads(file["set.rows"], rows):
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
    if not (len(sizes) and rises(sizes) and sizes[0] >= 0 and sizes[-1] <= words):
        yield "class.sizes"
    if not (len(sets) == len(sizes) + 1 and rises(sets) and _leads(sets, len(file["set.rows"]) - 1)):
        yield "class.sets"
    if len(file["set.tokens"]) != int(np.dot(np.diff(sets), sizes)):
        yield "set.tokens"
    if len(file["posting.sets"]) != len(file["set.tokens"]):
        yield "posting.sets"
    starts = file["posting.starts"]
    if not (len(starts) == words + 1 and _leads(starts, len(file["posting.sets"]))):
        yield "posting.starts"


def _leads(starts: Integers, end: int) -> bool:
    """Whether these may be where parts begin of something that ends there."""
    return len(starts) > 0 and starts[0] == 0 and starts[-1] == end


def rises(numbers: Integers) -> bool:
    """Whether each is more than the one before."""
    return bool((numbers[1:] > numbers[:-1]).all())
