"""An adjective behind an article wants a noun: "a white is walking" and "in a blue." are no English.

Such captions come where the doubt lowers the noun that the decoder would have written ("a white dog"), and
leaves its adjective. So what cannot be part of such a phrase is lowered until its noun has come. "The dog is
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
JOINTS = ("and", "or", "but")
#: Verbs that decoders write in the noun's place. (Those in -ing may stand there: "a white running dog".)
VERBS = "sits stands runs walks jumps plays rides looks".split()
#: Function words that may stand for a noun: "a brown one".
STANDING_FOR_NOUNS = ("one", "ones")
#: Nats off the scores of such words: a preference, as a model may have learnt captions like "a yellow".
NATS = 6.0


@dataclass(frozen=True, slots=True)
class NounPhrases:
    """Ids of the words that tell whether a noun has to come, and of those that should not come then."""

    articles: tuple[int, ...]
    adjectives: tuple[int, ...]
    joints: tuple[int, ...]
    lowered: tuple[int, ...]  # `<end>`, and words that no adjective stands before
    nats: float = NATS

    @staticmethod
    def of(vocabulary: Vocabulary) -> NounPhrases:
        def ids(words: Iterable[str]) -> tuple[int, ...]:
            return tuple(sorted({vocabulary.id(word) for word in words} - {UNK}))

        function_words = FUNCTION_WORDS.difference(JOINTS, STANDING_FOR_NOUNS)
        return NounPhrases(
            ids(ARTICLES), ids(ADJECTIVES), ids(JOINTS), (END, *ids(function_words), *ids(VERBS))
        )

    def needs_noun(self, ids: Sequence[int]) -> bool:
        """Whether a caption (word ids) ends with an article and adjectives."""
        if not ids or ids[-1] not in self.adjectives:
            return False
        before = (word for word in reversed(ids) if word not in self.adjectives and word not in self.joints)
        return next(before, None) in self.articles
