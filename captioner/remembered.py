"""What was made of words, remembered: as a cache of so many bytes, however long the words of visitors are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

#: Captions repeat a few thousand words.
_MOST = 1 << 16
#: Letters. Longer words are rare and made anew each time; kept, they would make the cache any size.
LONGEST = 40


class Remembered(dict[str, _T]):
    """`self[word]` is `make(word)`. A look-up in a dictionary costs less than one in an `lru_cache`.

    Threads may share it: at worst, a word is made twice.
    """

    def __init__(self, make: Callable[[str], _T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, word: str) -> _T:
        made = self._make(word)
        if len(word) <= LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[word] = made
        return made
