"""From examples to the words that are searched for."""

from __future__ import annotations

import pytest

from search.errors import QueryError
from search.photo_question import blended


def test_blended_words_stand_in_more_liked_than_unliked() -> None:
    dog, cat, both = frozenset({"dog", "run"}), frozenset({"cat", "run"}), frozenset({"dog", "cat"})
    assert blended([dog], []) == {"dog", "run"}
    assert blended([dog], [cat]) == {"dog"}
    assert blended([dog, both], [cat]) == {"dog"}  # cat: 1 of 2 against 1 of 1
    assert blended([dog], [dog]) == frozenset()
    with pytest.raises(QueryError, match="at least one example"):
        blended([], [dog])
