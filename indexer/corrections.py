"""What a token may have been meant to be: one that captions hold, a slip of the pen away."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from captioner.tokens import root_of

#: Of fewer characters than this everything is one edit away, and of more nobody has typed one word.
_SHORTEST, _LONGEST = 3, 40
#: From so many characters on there may be two edits.
_LONG = 8
#: The most corrections of a token, and how many times rarer than the first one they may be: the captions that
#: people write hold slips of the pen, too.
MOST, _RARER = 3, 20


def edits(token: str) -> int:
    """How many edits away its corrections may be: 0 (there are none), 1, or 2.

    A number is not misspelt, nor is the mark of a telling word (`dog*2`) a word.
    """
    sound = root_of(token) == token and not any(map(str.isdigit, token))
    if not sound or not _SHORTEST <= len(token) <= _LONGEST:
        return 0
    return 1 if len(token) < _LONG else 2


def swapped(token: str) -> str:
    """The token with its first two characters the other way round."""
    return token[1::-1] + token[2:]


def is_near(token: str, other: str) -> bool:
    """Whether `other` is so few edits away: insertions, deletions, replacements and swaps of neighbours.

    The first character is the same, as it nearly always is, or the first two are swapped and nothing else.
    """
    return bool(_near(token, [other]))


def _near(token: str, held: Iterable[str]) -> list[str]:
    from nltk.metrics.distance import edit_distance

    most, letters = edits(token), frozenset(token)
    return [
        other
        for other in held
        # An edit brings at most one character and takes at most one: nearly all need no counting of edits.
        if len(letters.symmetric_difference(other)) <= 2 * most
        and abs(len(token) - len(other)) <= most
        and token != other == root_of(other)
        and (other[0] == token[0] or other == swapped(token))
        and edit_distance(token, other, transpositions=True) <= most
    ]


def corrections(token: str, held: Iterable[str], captions: Callable[[str], int]) -> tuple[str, ...]:
    """Those of the tokens `held` that are near, up to `MOST`, the most frequent first.

    `captions` tells how many captions hold a token; it is asked of those that are near.
    """
    counts = {other: captions(other) for other in _near(token, held)}
    least = max(counts.values(), default=0) / _RARER
    often = sorted((-count, other) for other, count in counts.items() if count and count >= least)
    return tuple(other for _, other in often[:MOST])
