"""What is said of a query above its hits, in the same words in whatever form they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from captioner.outside import clean
from captioner.tokens import analyzer, plain_words
from search.hits import Results
from search.render.words import implied, said, words_of_tokens

_COMPOUND = re.compile(r"\w-\w")


def told(results: Results) -> Iterator[tuple[str, str]]:
    """What is said of the words, each with what it is."""
    yield "words", _searched(results)
    if strange := dict.fromkeys(_with_others(word, results) for word in _unknown(results)):
        yield "no caption has", ", ".join(strange)


def _unknown(results: Results) -> Iterator[str]:
    """Words that no caption has: those asked, then the excluded ones, as written where that is known."""
    analyze, excluded = analyzer(results.analyzer), results.unknown & results.excluded_tokens
    yield from said(results.unknown - excluded, _text(results), analyze)
    for one in results.excluded_words:
        yield from said(excluded & one.tokens, one.caption, analyze)
    yield from plain_words(excluded.difference(*(one.tokens for one in results.excluded_words)))


def _with_others(word: str, results: Results) -> str:
    """A word that no caption has, and those that may be meant.

    Of a compound these are also its parts: captions may write them apart, and an analyzer does not.
    """
    stems = dict.fromkeys((*plain_words(analyzer(results.analyzer)(word)), word))
    others = [clean(other) for stem in stems for other in results.corrections.get(stem, ())]
    if _COMPOUND.search(word):
        others.append(word.replace("-", " "))
    return f"{word} (perhaps {' or '.join(others)})" if others else word


def _searched(results: Results) -> str:
    """The words searched for as they stand in the captions asked, and apart from them what they imply.

    Nobody has said what is implied: where a hit does, it stands for the stem.
    """
    text, analyze = _text(results), analyzer(results.analyzer)
    tokens = frozenset[str]().union(*(one.tokens for one in results.asked))
    words = " ".join(said(tokens, text, analyze))
    unsaid = implied(tokens, text, analyze)
    if not unsaid:
        return words
    names = words_of_tokens("\n".join(clean(hit.caption) for hit in results.hits), unsaid, analyze)
    return f"{words} (implies {', '.join(names[stem] for stem in unsaid)})".lstrip()


def _text(results: Results) -> str:
    return "\n".join(one.caption for one in results.asked)
