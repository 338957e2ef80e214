"""From what a user gives (captions, an image of the index, examples) to a query."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

from indexer.contract import View
from indexer.records import CaptionRecord, Document
from search.asked import Asked
from search.errors import QueryError, nothing_to_search_for
from search.jaccard import similarity

#: A word that begins with a hyphen: no caption has one so, and "T-shirt" and " - " are something else.
_EXCLUDED = re.compile(r"(?<!\S)-(?=[^\W\d_])(\S+)")


def written(text: str) -> tuple[str, tuple[str, ...]]:
    """What people write into a search: the caption, and the words that they do without ("dog -beach")."""
    excluded = tuple(_EXCLUDED.findall(text))
    return (" ".join(_EXCLUDED.sub("", text).split()), excluded) if excluded else (text, ())


def distinct(asked: Iterable[Asked]) -> tuple[Asked, ...]:
    """The first caption for each set of tokens. One without tokens is left out if there are others."""
    first: dict[frozenset[str], Asked] = {}
    for one in asked:
        first.setdefault(one.tokens, one)
    if len(first) > 1:
        first.pop(frozenset(), None)
    if not first:
        raise QueryError(nothing_to_search_for("give at least one caption"))
    return tuple(first.values())


def representative(documents: Sequence[Document]) -> Document:
    """The caption that agrees best with the others of its image (largest sum of Jaccard similarities).

    One caption, rather than all words of all captions: a union is larger than any caption can match, and a
    hit could not be explained by one sentence beside another. Ties go to the caption that sorts first.
    """

    def agreement(document: Document) -> Fraction:
        return sum((similarity(document.tokens, other.tokens).exact for other in documents), Fraction(0))

    return max(sorted(documents, key=lambda document: document.record.caption), key=agreement)


def sampled(view: View, images: int) -> list[CaptionRecord]:
    """Every caption of up to so many images, which are the same ones while the index holds the same."""
    drawn = [document.record.image_id for document in view.random(images, seed=0)]
    return [document.record for documents in view.captions(drawn).values() for document in documents]


def blended(liked: Sequence[frozenset[str]], unliked: Sequence[frozenset[str]]) -> frozenset[str]:
    """Tokens that stand in a larger share of the liked than of the unliked sets."""
    if not liked:
        raise QueryError("give at least one example of what to find")
    tokens = frozenset[str]().union(*liked)
    return frozenset(token for token in tokens if _share(token, liked) > _share(token, unliked))


def _share(token: str, sets: Sequence[frozenset[str]]) -> Fraction:
    return Fraction(sum(token in one for one in sets), len(sets)) if sets else Fraction(0)
