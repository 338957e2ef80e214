"""From captions, tokens or an image of the index to a question, which is then searched for or counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from indexer.contract import View
from indexer.given import listed
from indexer.records import Document
from search.asked import Asked, analysed, with_analyzer
from search.errors import NoImageError, QueryError, nothing_to_search_for
from search.jaccard import similarity


@dataclass(frozen=True, slots=True)
class Question:
    """What is searched for, with the view of the index that made its tokens and that is to answer it."""

    view: View
    asked: tuple[Asked, ...]  # at least one, all of different tokens; an image counts by the best of them
    excluded_images: frozenset[str] = frozenset()  # those that are part of the question
    ignored_examples: tuple[str, ...] = ()  # those that took no word out of it
    captioning_ms: float = 0.0  # what was waited for it; 0 where no photo was captioned

    @property
    def analyzer(self) -> str:
        """What made the tokens."""
        return self.asked[0].analyzer


def of_captions(view: View, captions: Iterable[str], captioning_ms: float = 0.0) -> Question:
    asked = distinct(analysed(view, listed(captions, "captions", QueryError)))
    return Question(view, asked, captioning_ms=captioning_ms)


def of_asked(view: View, asked: Iterable[Asked], excluded: Iterable[str] = ()) -> Question:
    """For captions whose tokens are known; the `excluded` images are no answer."""
    given = distinct(with_analyzer(view, listed(asked, "captions", QueryError, Asked)))
    return Question(view, given, frozenset(listed(excluded, "image ids", QueryError)))


def of_image(view: View, image_id: str) -> Question:
    """For images like one of the index, which is itself no answer. Raises NoImageError."""
    return Question(view, (asked_of_image(view, image_id),), frozenset({image_id}))


def asked_of_image(view: View, image_id: str) -> Asked:
    name, document = view.analyzer, document_of_image(view, image_id)
    return Asked(document.record.caption, document.tokens, name)


def document_of_image(view: View, image_id: str) -> Document:
    """The caption that stands for an indexed image; raises NoImageError for an unknown one."""
    documents = view.captions([image_id]).get(image_id)
    if not documents:
        raise NoImageError(image_id, view.where)
    return representative(documents)


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
