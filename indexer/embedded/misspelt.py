"""Corrections of tokens that no caption has, from the vocabularies of segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.corrections import corrections as choose
from indexer.corrections import edits, swapped
from indexer.embedded.dtypes import UInt32
from indexer.embedded.segment import Segment
from indexer.embedded.strings import Strings, encode

#: Where more tokens begin with one character, they are no words of a language, and none is looked for.
_LOOKED_THROUGH = 200_000
#: The most tokens that are decoded for one; of more, those that have the most letters in common with it.
_DECODED = 1_000


def _letters() -> UInt32:
    """For each byte a bit: "a" to "z" have their own, others share the rest.

    Bytes that go on with a character have none: each character has one bit, and an edit changes two at most.
    """
    bits = np.array([byte % 6 + 26 for byte in range(256)], np.uint32)
    bits[ord("a") : ord("z") + 1] = np.arange(26)
    table: UInt32 = np.left_shift(np.uint32(1), bits)
    table[0x80:0xC0] = 0
    return table


_LETTERS = _letters()


def corrections(segments: Sequence[Segment], tokens: Iterable[str]) -> dict[str, Sequence[str]]:
    """Do what `View.corrections` promises, for these segments."""

    def captions(token: str) -> int:
        return sum(segment.count_live(token) for segment in segments)

    found: dict[str, Sequence[str]] = {}
    for token in tokens:
        if not edits(token) or any(segment.has_live(token) for segment in segments):
            continue
        held = {other for segment in segments for other in _alike(segment.vocabulary, token)}
        if near := choose(token, held, captions):
            found[token] = near
    return found


def _alike(vocabulary: Strings, token: str) -> list[str]:
    """Tokens among which all are that are near: only what has about that length and letters is decoded."""
    begin, end = vocabulary.rank(token[0]), vocabulary.rank(token[0] + "\U0010ffff")
    if begin == end:
        return [swapped(token)]
    if end - begin > _LOOKED_THROUGH:
        return []
    most = edits(token)
    starts = vocabulary.starts[begin : end + 1].astype(np.int64)
    data, starts = vocabulary.blob[starts[0] : starts[-1]], starts[:-1] - starts[0]
    lengths = np.add.reduceat((data & 0xC0) != 0x80, starts, dtype=np.int64)  # no bytes that go on with one
    places = np.flatnonzero(np.abs(lengths - len(token)) <= most)
    letters = np.bitwise_or.reduceat(_LETTERS[data], starts)[places]
    own = np.bitwise_or.reduce(_LETTERS[np.frombuffer(encode(token), np.uint8)])
    apart = np.bitwise_count(letters ^ own)
    likely = np.argsort(apart, kind="stable")[: min(_DECODED, np.count_nonzero(apart <= 2 * most))]
    return [*vocabulary.many(begin + places[likely]), swapped(token)]
