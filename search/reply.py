"""What every reply to a question tells again: what was asked, and what was wanted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import chain
from typing import Any

from search.asked import NOTHING, Asked
from search.negation import negated
from search.wanted import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(ABC):
    """The part that replies of all kinds have: hits (`Results`) or only their number (`Counted`)."""

    asked: tuple[Asked, ...]  # what was searched for: one caption, or several of a photo, the best first
    wanted: Wanted
    analyzer: str = ""  # what made the tokens
    unknown: frozenset[str] = frozenset()  # tokens, asked or excluded, found to be in no caption of the index
    ignored_examples: tuple[str, ...] = ()  # those of `unlike` that took no word out of the query

    @property
    @abstractmethod
    def found(self) -> bool:
        """Whether any image answers."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""

    @property
    def caption(self) -> str:
        """The (first) caption searched for."""
        return self.asked[0].caption

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of `caption`, sorted."""
        return tuple(sorted(self.asked[0].tokens))

    @property
    def several(self) -> bool:
        """Whether the search was for more than one caption."""
        return len(self.asked) > 1

    @property
    def drawn(self) -> bool:
        """Whether these images were drawn at random and not searched for."""
        return self.asked == (NOTHING,)

    @property
    def continued(self) -> bool:
        """Whether other pages come before this one."""
        return bool(self.wanted.after)

    @property
    def filtered(self) -> bool:
        """Whether there were filters."""
        return bool(self.wanted.filters)

    @property
    def excluded_tokens(self) -> frozenset[str]:
        """No caption that answers holds one of these."""
        return self.wanted.filters.excluded_tokens

    @property
    def excluded_words(self) -> tuple[Asked, ...]:
        """What `without` gave, each with its own tokens."""
        return self.wanted.excluded_words

    @property
    def ignored_words(self) -> tuple[str, ...]:
        """Excluded words that exclude no caption, since an analyzer makes no token of them ("the")."""
        return tuple(one.caption for one in self.excluded_words if not one.tokens)

    @property
    def negated(self) -> tuple[str, ...]:
        """Words searched for that come after "no", "not" or "without", which say nothing to a search.

        As `unknown`, it is for the first page to tell. A word that no caption has need not be excluded.
        """
        found = (self.negated_in(one.caption, one.tokens) for one in self.asked)
        return tuple(dict.fromkeys(chain.from_iterable(found)))

    def negated_in(self, caption: str, tokens: frozenset[str]) -> list[str]:
        """The same of any caption, for the tokens that are searched for."""
        if not self.analyzer or self.continued:
            return []
        return negated(caption, tokens - self.excluded_tokens - self.unknown, self.analyzer)

    def query_as_json(self, **words: Any) -> dict[str, Any]:
        """What was asked; several captions are listed in it. `words`: what is remarkable about them."""
        captions = {"captions": [one.as_json() for one in self.asked]} if self.several else {}
        excluded = {"without": sorted(self.excluded_tokens)} if self.excluded_tokens else {}
        ignored = {"idle_without": list(self.ignored_words)} if self.ignored_words else {}
        told = {name: said for name, said in (words | {"negated": [*self.negated]}).items() if said}
        return self.asked[0].as_json() | captions | excluded | ignored | told
