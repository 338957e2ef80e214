"""A caption of the index with its score, and an image by its best one: what is ranked, folded and paged.

These are tuples, since an answer has many: frozen dataclasses take three times as long to make.
"""

from __future__ import annotations

from typing import NamedTuple

from indexer.records import Candidate, Document, Position
from search.jaccard import Similarity, similarity


class ScoredCaption(NamedTuple):
    """A caption of the index with its similarity to the query."""

    document: Document
    similarity: Similarity
    position: Position  # its place in the engine's order
    strand: int = 0  # which of the query's captions it was scored against

    @property
    def image_id(self) -> str:
        return self.document.record.image_id


class Folded(NamedTuple):
    """An image by its best caption, and its near duplicates among the lower ranks that were looked at."""

    best: ScoredCaption
    duplicates: tuple[str, ...] = ()


def score(query: frozenset[str], candidate: Candidate, strand: int = 0) -> ScoredCaption:
    """Count the similarity of a candidate from the two sets: no engine's number is trusted."""
    counted = similarity(query, candidate.document.tokens)
    return ScoredCaption(candidate.document, counted, candidate.position, strand)
