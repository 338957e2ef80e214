"""What is asked: captions with their tokens, and the rule that only an index of the same analyzer answers.

An index may be built anew with another analyzer while it is open: between the making of tokens and the answer
to them, and seen first by another thread. So the analyzer's name goes with the tokens, all the way, and what
has the answer compares it with the name that the index has by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from captioner.tokens import Analyzer
from indexer.contract import View, known_analyzer
from indexer.errors import IndexMismatchError
from indexer.given import check_tokens
from search.errors import QueryError


@dataclass(frozen=True, slots=True)
class Asked:
    """A caption that is searched for, and the tokens that stand for it."""

    caption: str
    tokens: frozenset[str]
    analyzer: str = ""  # what made the tokens; not told, it is the index's when they are given to a search

    def __post_init__(self) -> None:
        check_tokens(self.tokens, QueryError)

    def as_json(self) -> dict[str, Any]:
        return {"caption": self.caption, "tokens": sorted(self.tokens)}


#: What images drawn at random are asked by.
NOTHING = Asked("", frozenset())


def of_tokens(tokens: frozenset[str], analyzer: str) -> Asked:
    """Tokens without a caption are shown as they are."""
    return Asked(" ".join(sorted(tokens)), tokens, analyzer)


def analyzer_of(index: View) -> tuple[str, Analyzer]:
    """What makes tokens for this index now: its name, read once, and the function of that name."""
    name = index.analyzer
    return name, known_analyzer(index.where, name)


def analysed(index: View, captions: Iterable[str]) -> list[Asked]:
    """The captions with tokens as the index makes them now."""
    name, analyze = analyzer_of(index)
    return [Asked(caption, analyze(caption), name) for caption in captions]


def told(index: View, asked: Sequence[Asked]) -> list[Asked]:
    """The same, all with an analyzer: the index's at this moment where none was told.

    Raises IndexMismatchError for tokens of another one.
    """
    now = index.analyzer
    given = [one if one.analyzer else replace(one, analyzer=now) for one in asked]
    check_analyzer(index, given)
    return given


def check_analyzer(index: View, asked: Iterable[Asked]) -> None:
    """To be called when the index has answered: what was asked in another analyzer's tokens has no answer."""
    now = index.analyzer
    for one in asked:
        if one.analyzer != now:
            raise IndexMismatchError(
                f"{index.where}: its analyzer is {now}, and {one.analyzer} made the tokens searched for; "
                "if it was built anew meanwhile, search again"
            )
