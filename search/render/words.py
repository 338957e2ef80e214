"""Words as people read them: safe to print, marked where a hit shares them, measured in terminal columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from captioner.marks import Mark, filled
from captioner.outside import clean
from captioner.tokens import Analyzer, forms, plain_words, root_of
from search.hits import Hit

_PIECES = re.compile(r"\S+|\s+")
_PIECE = re.compile(r"\S+")
_WORD = re.compile(r"\w+(?:['’\-.]\w+)*")
_AROUND_WORDS = ".,;:!?\"'()“”‘’…"


def marked(caption: str, tokens: Collection[str], analyze: Analyzer) -> list[Mark]:
    """Pieces of a caption in order (words and the space between), each with whether it stands for a token."""
    return [(piece, not analyze(piece).isdisjoint(tokens)) for piece in _PIECES.findall(clean(caption))]


def spans(caption: str, shared: Collection[str], analyze: Analyzer) -> list[tuple[int, int]]:
    """Start and end (code points) of the words of `caption` that gave a token of `shared`."""

    def giving(words: Iterable[tuple[int, str]]) -> list[tuple[int, int]]:
        return [
            (start, start + len(word))
            for start, word in words
            if not _tokens_of_word(analyze, word).isdisjoint(shared)
        ]

    return [span for parts, whole in _pieces(caption) for span in giving(parts) or giving([whole])]


def words_of_tokens(caption: str, tokens: Iterable[str], analyze: Analyzer) -> dict[str, str]:
    """For each stem among the tokens the first word of `caption` that it is the stem of: stems are no words.

    A stem that a word only implies stands for itself.
    """
    found: dict[str, str] = {}
    for word in _words(caption):
        for token in _tokens_of_word(analyze, word) & forms(word):
            found.setdefault(token, word.lower())
    return {root: found.get(root, root) for root in map(root_of, tokens)}


def spoken(tokens: Collection[str], caption: str, analyze: Analyzer) -> list[str]:
    """The caption's own words for these tokens, in its order ("skiing", not the stem "ski").

    A token that a word only implies is named with the word: "man (shirt)". Tokens that no single
    word gives follow as they are.
    """
    left = dict.fromkeys(sorted(tokens))
    found: list[str] = []
    for word in _words(clean(caption)):
        if hits := _tokens_of_word(analyze, word) & left.keys():
            found.append(_named(word.lower(), plain_words(hits)))
            for token in hits:
                del left[token]
    return found + [clean(token) for token in plain_words(left)]


def _named(word: str, tokens: Collection[str]) -> str:
    """The word where it is meant itself, and otherwise what it implies, with the word behind."""
    return word if not forms(word).isdisjoint(tokens) else f"{', '.join(tokens)} ({word})"


def _words(caption: str) -> Iterator[str]:
    return (word for parts, whole in _pieces(caption) for _, word in (*parts, whole))


def _pieces(caption: str) -> Iterator[tuple[list[tuple[int, str]], tuple[int, str]]]:
    """What stands between spaces: its words and the whole, each with where it begins.

    Some tokens only the whole gives: "10:30", and words of scripts whose marks are no letters.
    """
    for piece in _PIECE.finditer(caption):
        parts = [(word.start(), word[0]) for word in _WORD.finditer(caption, *piece.span())]
        whole = piece[0].strip(_AROUND_WORDS) or piece[0]
        yield parts, (piece.start() + piece[0].index(whole), whole)


@lru_cache(maxsize=1 << 16)
def _tokens_of_word(analyze: Analyzer, word: str) -> frozenset[str]:
    return analyze(word)


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


def wrap(pieces: Iterable[Mark], width: int, most: int) -> list[list[Mark]]:
    """Break marked words into at most `most` lines of `width` columns; a cut shows as an ellipsis."""
    words = ((shorten(word, width), mark) for word, mark in pieces if not word.isspace())
    lines = list(islice(filled(words, width, columns), most + 1))
    if len(lines) > most:
        lines.pop()
        lines[-1] = _with_ellipsis(lines[-1], width)
    return lines


def _with_ellipsis(line: list[Mark], width: int) -> list[Mark]:
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
