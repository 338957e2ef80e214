"""What is asked: captions with their tokens, and the rule that only an index of the same analyzer answers.

An index may be built anew with another analyzer while it is open: after a query's tokens were made, and
before it is answered. So each `Asked` carries the name of its analyzer, and whoever has the answer compares
it with the name that the index has by then (`check_analyzer`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from captioner.tokens import Analyzer
from indexer.analyzers import known_analyzer
from indexer.contract import View
from indexer.errors import IndexMismatchError
from indexer.given import check_tokens
from search.errors import QueryError


@dataclass(frozen=True, slots=True)
class Asked:
    """A caption that is searched for, and the tokens that stand for it."""

    caption: str
    tokens: frozenset[str]
    analyzer: str = ""  # name of what made the tokens; if it is empty, a search takes the index's

    def __post_init__(self) -> None:
        check_tokens(self.tokens, QueryError)

    def as_json(self) -> dict[str, Any]:
        return {"caption": self.caption, "tokens": sorted(self.tokens)}


#: Stands for the query where images were drawn at random.
NOTHING = Asked("", frozenset())


def of_tokens(tokens: frozenset[str], analyzer: str) -> Asked:
    """Tokens that came without a caption; they are shown in its place."""
    return Asked(" ".join(sorted(tokens)), tokens, analyzer)


def analyzer_of(index: View) -> tuple[str, Analyzer]:
    """Name and function of the index's present analyzer; the name is read once, so that both agree."""
    name = index.analyzer
    return name, known_analyzer(index.where, name)


def analysed(index: View, captions: Iterable[str]) -> list[Asked]:
    """The captions, with tokens by the index's present analyzer."""
    name, analyze = analyzer_of(index)
    return [Asked(caption, analyze(caption), name) for caption in captions]


def with_analyzer(index: View, asked: Sequence[Asked]) -> list[Asked]:
    """The same, with the index's present analyzer where an `Asked` names none.

    Raises IndexMismatchError if one names another analyzer.
    """
    now = index.analyzer
    given = [one if one.analyzer else replace(one, analyzer=now) for one in asked]
    check_analyzer(index, given)
    return given


def check_analyzer(index: View, asked: Iterable[Asked]) -> None:
    """Call it when the index has answered. Raises IndexMismatchError if another analyzer made the tokens."""
    now = index.analyzer
    for one in asked:
        if one.analyzer != now:
            raise IndexMismatchError(
                f"{index.where}: its analyzer is {now}, and {one.analyzer} made the tokens searched for; "
                "if it was built anew meanwhile, search again"
            )
