"""An adjective behind an article wants a noun: "a white is walking" and "in a blue." are no English.

Such captions come where the doubt lowers the noun that the decoder would have written ("a white dog"), and
leaves its adjective. So what cannot be part of such a phrase is barred until its noun has come. "The dog is
black" has no article before its adjective, and is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from captioner.tokens import FUNCTION_WORDS
from captioner.vocabulary import END, UNK, Vocabulary

ARTICLES = ("a", "an", "the")
#: The usual ones, without words that are nouns as well, such as orange.
ADJECTIVES = (
    "black white brown red blue green yellow pink purple grey gray tan"
    " small large big little young old tall long"
).split()
#: Between two adjectives.
JOINTS = ("and", "or")
#: Verbs that decoders write in the noun's place, in forms that are no adjectives.
VERBS = "sits stands runs walks jumps plays rides looks".split()


@dataclass(frozen=True, slots=True)
class NounPhrases:
    """Ids of the words that tell whether a noun has to come, and of those that may not come then."""

    articles: tuple[int, ...]
    adjectives: tuple[int, ...]
    joints: tuple[int, ...]
    barred: tuple[int, ...]  # `<end>`, and words that no adjective stands before

    @staticmethod
    def of(vocabulary: Vocabulary) -> NounPhrases:
        def ids(words: Iterable[str]) -> tuple[int, ...]:
            return tuple(sorted({vocabulary.id(word) for word in words} - {UNK}))

        return NounPhrases(
            ids(ARTICLES),
            ids(ADJECTIVES),
            ids(JOINTS),
            (END, *ids(FUNCTION_WORDS.difference(JOINTS)), *ids(VERBS)),
        )

    def needs_noun(self, ids: Sequence[int]) -> bool:
        """Whether a caption (word ids) ends with an article and adjectives."""
        if not ids or ids[-1] not in self.adjectives:
            return False
        inside = {*self.adjectives, *self.joints}
        before = next((word for word in reversed(ids) if word not in inside), None)
        return before in self.articles
