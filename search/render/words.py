"""Words as people read them: safe to print, marked where a hit shares them, measured in terminal columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from captioner.outside import clean
from captioner.tokens import Analyzer, forms, plain_words
from search.hits import Hit

_PIECES = re.compile(r"\S+|\s+")
_AROUND_WORDS = ".,;:!?\"'()“”‘’…"


def bare(piece: str) -> str:
    """What stands between spaces, without the punctuation around it."""
    return piece.strip(_AROUND_WORDS) or piece


def marked(caption: str, tokens: Collection[str], analyze: Analyzer) -> list[tuple[str, bool]]:
    """Pieces of a caption in order (words and the space between), each with whether it stands for a token."""
    return [(piece, not analyze(piece).isdisjoint(tokens)) for piece in _PIECES.findall(clean(caption))]


def spoken(tokens: Collection[str], caption: str, analyze: Analyzer) -> list[str]:
    """The caption's own words for these tokens, in its order ("skiing", not the stem "ski").

    A token that a word only implies is named with the word: "man (shirt)". Tokens that no single
    word gives follow as they are.
    """
    left = dict.fromkeys(sorted(tokens))
    found: list[str] = []
    for piece in clean(caption).split():
        if hits := analyze(piece) & left.keys():
            found.append(_named(bare(piece).lower(), plain_words(hits)))
            for token in hits:
                del left[token]
    return found + [clean(token) for token in plain_words(left)]


def _named(word: str, tokens: Collection[str]) -> str:
    """The word where it is meant itself, and otherwise what it implies, with the word behind."""
    own = forms(unicodedata.normalize("NFKC", word))  # as tokens are made
    return word if not own.isdisjoint(tokens) else f"{', '.join(tokens)} ({word})"


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why a hit stands where it stands, in words."""

    shared: list[str]
    lacks: list[str]
    adds: list[str]


def reasons(hit: Hit, analyze: Analyzer) -> Reasons:
    """A hit's explanation in the words of the two captions: its own, and the one that was asked.

    An analyzer may give a word several tokens (its weight, what it implies); a word that is shared in
    part is shared, and neither lacking nor added.
    """
    shared = spoken(hit.shared, hit.caption, analyze)
    stems = set(plain_words(hit.shared))
    lacks = [token for token in hit.missing if stems.isdisjoint(plain_words([token]))]
    adds = [token for token in hit.extra if stems.isdisjoint(plain_words([token]))]
    return Reasons(
        shared,
        spoken(lacks, hit.asked.caption, analyze),
        [word for word in spoken(adds, hit.caption, analyze) if word not in shared],
    )


def columns(text: str) -> int:
    """How many terminal columns a text takes: wide characters two, combining ones none."""
    return sum(_columns(character) for character in text)


def shorten(text: str, width: int) -> str:
    """Cut a text to `width` columns, with an ellipsis where something was lost."""
    return text if columns(text) <= width else _head(text, width - 1) + "…"


def shorten_start(text: str, width: int) -> str:
    """Cut from the front: of a path, the end tells more."""
    return text if columns(text) <= width else "…" + _head(text[::-1], width - 1)[::-1]


def pad(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def wrap(pieces: list[tuple[str, bool]], width: int, lines: int) -> Iterator[list[tuple[str, bool]]]:
    """Break marked words into at most `lines` lines of `width` columns; a cut shows as an ellipsis."""
    words = [(shorten(word, width), mark) for word, mark in pieces if not word.isspace()]
    for number in range(1, lines + 1):
        line: list[tuple[str, bool]] = []
        used = 0
        while words and used + bool(line) + columns(words[0][0]) <= width:
            used += bool(line) + columns(words[0][0])
            line.append(words.pop(0))
        if number == lines and words:
            line = _with_ellipsis(line, width)
        if line:
            yield line
        if not words:
            return


def _with_ellipsis(line: list[tuple[str, bool]], width: int) -> list[tuple[str, bool]]:
    while line and sum(columns(word) + 1 for word, _ in line) + 1 > width:
        line = line[:-1]
    return [*line, ("…", False)]


def _head(text: str, width: int) -> str:
    used = 0
    for place, character in enumerate(text):
        used += _columns(character)
        if used > width:
            return text[:place]
    return text


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
