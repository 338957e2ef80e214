"""Break captions, some of whose words are marked, into lines, by any measure of width."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

Mark = tuple[str, bool]  # a word, and whether it is marked


def filled(words: Iterable[Mark], width: float, extent: Callable[[str], float]) -> Iterator[list[Mark]]:
    """Lines of at most `width`, with a blank between words. No word may be wider than a line."""
    line: list[Mark] = []
    used = 0.0
    for word, mark in words:
        length = extent(word)
        if line and used + length > width:
            yield line
            line, used = [], 0.0
        line.append((word, mark))
        used += length + extent(" ")
    if line:
        yield line
