"""Cursors: where a next page begins. Opaque to the user, checked when they come back."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from indexer.records import Filters, Position
from search.errors import QueryError
from search.jaccard import Similarity

_VERSION = 1
#: A cursor has so many characters at most: a URL and a command line must hold it.
LONGEST = 60_000
#: A cursor is unpacked to so many bytes at most, since a short one could unpack to gigabytes.
_UNPACKED = 1 << 20
#: Far above the scores of any engine, and still a float32.
_HIGHEST = 2.0**64
_HASHES = re.compile("(?:[0-9a-f]{16})*")
_compact = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Cursor:
    """What must be known of the earlier pages, so that the next one neither shifts nor repeats.

    Made of content alone (no offsets into the index), so captions added or deleted meanwhile move nothing;
    but an image is known again only by a caption as good as the one that it was shown by (`search.paging`).
    """

    query: str  # fingerprint of the query it belongs to
    shown: int  # hits on the pages before
    resume: tuple[Position | None, ...]  # for each set of tokens: up to here all is settled
    last: Position  # where the last hit stands in the engine's order
    last_similarity: Similarity  # and its exact score
    hashes: tuple[str, ...] = ()  # perceptual hashes shown, if near duplicates are folded


def fingerprint(sets: Sequence[frozenset[str]], filters: Filters, *settings: object) -> str:
    """What makes two queries the same for paging: tokens, filters and the settings that change the order."""
    where = sorted((name, sorted(values)) for name, values in filters.where.items())
    tokens, *others = (sorted(one) for one in sets)
    where += [("", sorted(filters.excluded_tokens))] if filters.excluded_tokens else []
    text = json.dumps([tokens, where, [repr(setting) for setting in settings], *others])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def encode(cursor: Cursor) -> str:
    """A cursor as one word that is safe in URLs and shells."""
    first, *others = (one and [one.score, one.image_id] for one in cursor.resume)
    content: dict[str, Any] = {
        "v": _VERSION,
        "q": cursor.query,
        "n": cursor.shown,
        "r": first,
        "l": [cursor.last.score, cursor.last.image_id],
        "s": [cursor.last_similarity.overlap, cursor.last_similarity.union],
        "h": "".join(cursor.hashes),
    }
    content |= {"o": others} if others else {}
    # The smallest window: a larger one costs more to set up than a text this short takes to compress.
    packing = zlib.compressobj(wbits=9, memLevel=1)
    body = packing.compress(_compact(content).encode()) + packing.flush()
    return base64.urlsafe_b64encode(_checksum(body) + body).decode().rstrip("=")


def decode(text: str, query: str, sets: int = 1) -> Cursor:
    """Read a cursor back; raises QueryError when it is damaged or belongs to another query.

    `sets`: how many sets of tokens the query has.
    """
    cursor = read(text)
    if cursor.query != query or len(cursor.resume) != sets:
        raise QueryError(
            "this cursor belongs to another search: words, filters, thresholds, folding and index "
            "must be the same"
        )
    return cursor


def read(text: str) -> Cursor:
    """A cursor of whatever query; raises QueryError when it is damaged."""
    try:
        if len(text) > LONGEST:
            raise ValueError("length")
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if raw[:4] != _checksum(raw[4:]):
            raise ValueError("checksum")
        return _from_content(json.loads(zlib.decompressobj().decompress(raw[4:], _UNPACKED)))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, zlib.error):
        raise QueryError(f"not a cursor of this program: {text[:40]!r}; use one that a search gave") from None


def _from_content(content: dict[str, Any]) -> Cursor:
    """The cursor, if it is one that a search could have given: the checksum tells damage, not forgery."""
    if content["v"] != _VERSION:
        raise ValueError("version")
    strands = (content["r"], *content.get("o", ()))
    shown = _count(content["n"])
    return Cursor(
        query=str(content["q"]),
        shown=shown,
        resume=tuple(None if one is None else _position(*one) for one in strands),
        last=_position(*content["l"]),
        last_similarity=Similarity(*(_count(number) for number in content["s"])),
        hashes=_hashes(str(content["h"]), shown),
    )


def _position(score: float, image_id: str) -> Position:
    position = Position(float(score), str(image_id))
    if not abs(position.score) < _HIGHEST:  # or not a number; only its engine knows more of a score
        raise ValueError("score")
    return position


def _count(number: object) -> int:
    if not isinstance(number, int) or not 0 <= number < 1 << 53:
        raise ValueError("count")
    return number


def _hashes(text: str, shown: int) -> tuple[str, ...]:
    """The hashes, of which there is at most one for each hit."""
    if len(text) > 16 * shown or _HASHES.fullmatch(text) is None:
        raise ValueError("hashes")
    return tuple(text[start : start + 16] for start in range(0, len(text), 16))


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:4]
