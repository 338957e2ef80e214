"""Words as people read them: safe to print, marked where a hit shares them, measured in terminal columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice

from captioner.drawing.marks import Mark, filled
from captioner.outside import clean
from captioner.remembered import Remembered
from captioner.tokens import Analyzer, forms, plain_words, root_of, spelled
from search.hits import Hit

_PIECES = re.compile(r"\S+|\s+")
_PIECE = re.compile(r"\S+")
_WORD = re.compile(r"\w+(?:['’\-.]\w+)*")
_AROUND_WORDS = ".,;:!?\"'()“”‘’…"

_Word = tuple[int, str]  # where it begins in its caption, and as it is written there
_Standing = Mapping[str, list[_Word]]  # the words that stand for each stem


def marked(caption: str, tokens: Collection[str], analyze: Analyzer) -> list[Mark]:
    """Pieces of a caption in order (words and the space between), each with whether it stands for a token."""
    text = clean(caption)
    starts = {start for start, _ in spans(text, tokens, analyze)}
    return [(piece[0], not starts.isdisjoint(range(*piece.span()))) for piece in _PIECES.finditer(text)]


def spans(caption: str, shared: Collection[str], analyze: Analyzer) -> list[tuple[int, int]]:
    """Start and end (code points) of the words of `caption` that stand for a token of `shared`."""
    themselves, implying = _words_standing(caption, frozenset(shared), analyze)
    standing = chain.from_iterable((*themselves.values(), *implying.values()))
    return sorted({(start, start + len(word)) for start, word in standing})


def words_of_tokens(caption: str, tokens: Iterable[str], analyze: Analyzer) -> dict[str, str]:
    """Map each stem among the tokens to the first word of `caption` with that stem: people read no stems.

    One that a word only implies is spelled as people mostly write it.
    """
    tokens = frozenset(tokens)
    themselves, _ = _words_standing(caption, tokens, analyze)
    return {
        root: themselves[root][0][1].lower() if root in themselves else spelled(root)
        for root in map(root_of, tokens)
    }


def said(tokens: Collection[str], caption: str, analyze: Analyzer) -> list[str]:
    """The caption's own words for these tokens, in its order ("skiing", not the stem "ski").

    Tokens that no single word gives follow as they are.
    """
    themselves, implying = _words_standing(clean(caption), frozenset(tokens), analyze)
    own = sorted({words[0] for words in themselves.values()})
    given = themselves.keys() | implying.keys()
    return [word.lower() for _, word in own] + [
        clean(root) for root in plain_words(tokens) if root not in given
    ]


def implied(tokens: Collection[str], caption: str, analyze: Analyzer) -> dict[str, str]:
    """Map each stem that the caption does not say to its first word that implies it ("live": "couch")."""
    _, implying = _words_standing(clean(caption), frozenset(tokens), analyze)
    by_place = sorted((words[0], root) for root, words in implying.items())
    return {root: word.lower() for (_, word), root in by_place}


def spoken(tokens: Collection[str], caption: str, analyze: Analyzer) -> list[str]:
    """The words that are `said`, then what others only imply: "man (implied by shirt)"."""
    words = said(tokens, caption, analyze)
    roots: dict[str, list[str]] = {}
    for root, word in implied(tokens, caption, analyze).items():
        roots.setdefault(word, []).append(spelled(root))
    return words + [
        f"{', '.join(given)} (implied by {word})" for word, given in roots.items() if word not in words
    ]


@lru_cache(maxsize=256)  # a hit is shown by its words, its marks and what it implies: all three ask here
def _words_standing(caption: str, tokens: frozenset[str], analyze: Analyzer) -> tuple[_Standing, _Standing]:
    """The words of the caption that have the stem of each token, and those that only imply it; in order.

    A word that only implies a stem stands for it only if no word has the stem itself: in "a man in a helmet"
    the helmet is no second man.
    """
    themselves: dict[str, list[_Word]] = {}
    implying: dict[str, list[_Word]] = {}
    for (start, word), given in _words_giving(caption, tokens, analyze):
        own = forms(word)
        for root in set(map(root_of, given)):
            (themselves if root in own else implying).setdefault(root, []).append((start, word))
    return themselves, {root: words for root, words in implying.items() if root not in themselves}


def _words_giving(
    caption: str, tokens: frozenset[str], analyze: Analyzer
) -> Iterator[tuple[_Word, frozenset[str]]]:
    """The words that give any of the tokens, each with those it gives."""
    tokens_of = _tokens_of_words(analyze)
    for piece in _PIECE.finditer(caption):
        for words in _readings(piece):
            found = [(word, given) for word in words if (given := tokens_of[word[1]] & tokens)]
            yield from found
            if found:
                break


def _readings(piece: re.Match[str]) -> Iterator[list[_Word]]:
    """Ways to read what stands between spaces: its words, the whole, and the whole with its punctuation.

    Only the whole gives some tokens: "10:30", and words of scripts whose marks are no letters. Tokens of the
    student's project keep the punctuation.
    """
    start, text = piece.start(), piece[0]
    yield [(start + word.start(), word[0]) for word in _WORD.finditer(text)]
    whole = text.strip(_AROUND_WORDS) or text
    yield [(start + text.index(whole), whole)]
    yield [(start, text)]


@lru_cache(maxsize=8)
def _tokens_of_words(analyze: Analyzer) -> Remembered[frozenset[str]]:
    return Remembered(analyze)


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
