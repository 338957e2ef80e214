"""What a token may have been meant to be: one that captions hold, a slip of the pen away."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from captioner.tokens import root_of

#: Of fewer characters than this everything is one edit away, and of more nobody has typed one word.
_SHORTEST, _LONGEST = 3, 40
#: From so many characters on there may be two edits.
_LONG = 8
#: The most corrections of a token, and how many times rarer than the first one they may be: the captions that
#: people write hold slips of the pen, too.
MOST, _RARER = 3, 20
#: The most likely tokens, by their characters, whose edits are counted: that takes up to a millisecond each.
#: Words of a language have a few such neighbours; what a language without blanks writes may have any number.
_COUNTED = 100


def edits(token: str) -> int:
    """How many edits away its corrections may be: 0 (there are none), 1, or 2.

    Only a word is misspelt: not a number, an address of a web page, or the mark of a telling word (`dog*2`).
    """
    if not _SHORTEST <= len(token) <= _LONGEST or not all(map(_is_of_words, token)):
        return 0
    return 1 if len(token) < _LONG else 2


def _is_of_words(character: str) -> bool:
    """Whether words have it: no number, punctuation, symbol or blank but what compounds are joined by."""
    return character in "-'" or unicodedata.category(character)[0] not in "NPSZ"


def swapped(token: str) -> str:
    """The token with its first two characters the other way round."""
    return token[1::-1] + token[2:]


def near(token: str, held: Iterable[str]) -> list[str]:
    """Those of the tokens `held` that are so few `edits` away; of very many those with the likest letters.

    An edit is an insertion, a deletion, a replacement or a swap of neighbours. The first character is the
    same, as it nearly always is, or the first two are swapped and nothing else.
    """
    from nltk.metrics.distance import edit_distance

    most, characters = edits(token), Counter(token)
    likely = [
        (apart, other)
        for other in held
        if abs(len(token) - len(other)) <= most
        and token != other == root_of(other)
        and (other[0] == token[0] or other == swapped(token))
        # An edit takes at most one character, and brings at most one: nearly all need no counting of edits.
        and (apart := _apart(characters, Counter(other))) <= most
    ]
    return [
        other
        for _, other in sorted(likely)[:_COUNTED]
        if edit_distance(token, other, transpositions=True) <= most
    ]


def _apart(token: Counter[str], other: Counter[str]) -> int:
    """How many characters the one lacks that lacks more of the other's: at most the edits between them."""
    return max((token - other).total(), (other - token).total())


def corrections(token: str, held: Iterable[str], captions: Callable[[str], int]) -> tuple[str, ...]:
    """Those of the tokens `held` that are near, up to `MOST`, the most frequent first.

    `captions` tells how many captions hold a token; it is asked of those that are near.
    """
    return most_frequent({other: captions(other) for other in near(token, held)})


def most_frequent(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Up to `MOST` of the tokens near to one, by how many captions hold each; none that is far rarer."""
    least = max(counts.values(), default=0) / _RARER
    often = sorted((-count, other) for other, count in counts.items() if count and count >= least)
    return tuple(other for _, other in often[:MOST])
