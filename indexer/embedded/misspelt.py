"""Corrections of tokens that no caption has, from the vocabularies of segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.corrections import corrections as choose
from indexer.corrections import edits, swapped
from indexer.embedded.segment import Segment
from indexer.embedded.strings import Strings


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
    """Tokens among which all are that are near: nothing is decoded but what is about as long."""
    begin, end = vocabulary.rank(token[0]), vocabulary.rank(token[0] + "\U0010ffff")
    if begin == end:
        return [swapped(token)]
    starts = vocabulary.starts[begin : end + 1].astype(np.int64)
    characters = (vocabulary.blob[starts[0] : starts[-1]] & 0xC0) != 0x80  # no bytes that go on with one
    lengths = np.add.reduceat(characters, starts[:-1] - starts[0], dtype=np.int64)
    places = begin + np.flatnonzero(np.abs(lengths - len(token)) <= edits(token))
    return [*vocabulary.many(places), swapped(token)]
