"""Negation, which a set of words cannot say: to a search "a dog, not on the beach" is a dog and a beach."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from captioner.tokens import Analyzer, analyzer, own_tokens, words

_NEGATING = frozenset("no not n't nor neither without".split())
#: A word that begins with a hyphen: no caption has one so, and "T-shirt" and " - " are something else.
_EXCLUDED = re.compile(r"(?<!\S)-(?=[^\W\d_])(\S+)")


def negated(caption: str, tokens: frozenset[str], analyzer_name: str) -> list[str]:
    """Words that the caption denies and that are searched for all the same, by these tokens.

    Of each "no", "not" or "without" it is the next word that counts. Where an analyzer takes these for words
    that count, as the student project's does, they say something.
    """
    analyze = analyzer(analyzer_name)
    return [word for word in _denied(caption, analyze) if not tokens.isdisjoint(own_tokens(word, analyze))]


def _denied(caption: str, analyze: Analyzer) -> Iterator[str]:
    denying = False
    for word in words(caption.replace("’", "'")):  # as telephones write it: else two words
        counts = bool(analyze(word))
        if counts and denying:
            yield word
        denying = not counts and (denying or word in _NEGATING)


def how_to_exclude(denied: Iterable[str]) -> str:
    """What to write instead, on the command line."""
    each = list(dict.fromkeys(denied))
    written, options = " ".join(f"-{word}" for word in each), " ".join(f"--without {word}" for word in each)
    return f'"no", "not" and "without" mean nothing in a query; to keep a word away: {written}, or {options}'


def split_excluded(text: str) -> tuple[str, tuple[str, ...]]:
    """What people write into a search: the caption, and the words that they do without ("dog -beach")."""
    excluded = tuple(_EXCLUDED.findall(text))
    return (" ".join(_EXCLUDED.sub("", text).split()), excluded) if excluded else (text, ())
