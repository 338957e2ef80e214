"""Exact Jaccard similarity of token sets: scores, ranking, folding, certificate. Pure; no I/O.

    J(A, B) = |A ∩ B| / |A ∪ B|          (P. Jaccard, "Étude comparative de la distribution florale", 1901)

Scores are kept as two integers and compared as fractions, so that no rounding decides a rank. They are also
the most useful explanation: what two captions share, out of all that both say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cmp_to_key
from typing import NamedTuple, Protocol, TypeVar


class Similarity(NamedTuple):
    """A Jaccard similarity as it was counted: `overlap` tokens shared out of `union` tokens in all."""

    overlap: int
    union: int

    @property
    def exact(self) -> Fraction:
        """The score as a fraction; 0 for two empty sets, which share nothing."""
        return Fraction(self.overlap, self.union) if self.union else Fraction(0)

    def __float__(self) -> float:
        """The nearest double (Python divides integers with correct rounding)."""
        return self.overlap / self.union if self.union else 0.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a hit is a hit: tokens both have, those only the query has, those only the caption has. Sorted."""

    shared: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def similarity(query: frozenset[str], caption: frozenset[str]) -> Similarity:
    """Count |A ∩ B| and |A ∪ B|."""
    overlap = len(query & caption)
    return Similarity(overlap, len(query) + len(caption) - overlap)


def explain(query: frozenset[str], caption: frozenset[str]) -> Explanation:
    """Split the union of two token sets into what is shared, what the caption lacks and what it adds."""
    return Explanation(
        tuple(sorted(query & caption)), tuple(sorted(query - caption)), tuple(sorted(caption - query))
    )


def compare(one: Similarity, other: Similarity) -> int:
    """Positive if `one` is the higher score, 0 if they are equal: a/b against c/d by a·d − c·b."""
    return one.overlap * max(1, other.union) - other.overlap * max(1, one.union)


def reaches(score: Similarity, threshold: float) -> bool:
    """Whether a score is at or above a threshold given as a double.

    Compared as doubles: a user who writes 0.1 means 1/10, and the double 0.1 is a little more than that.
    Nothing is lost: two different fractions of sets below 2**26 tokens are more than 2**-52 apart, so their
    nearest doubles are in the same order.
    """
    return float(score) >= threshold


_BY_VALUE = cmp_to_key(compare)


class Scored(Protocol):
    """What folding and ranking need to know of a caption."""

    @property
    def image_id(self) -> str: ...

    @property
    def similarity(self) -> Similarity: ...


_Scored = TypeVar("_Scored", bound=Scored)


def rank(captions: Iterable[_Scored]) -> list[_Scored]:
    """Captions in descending similarity; equal ones stay in the order given (the engine's)."""
    return sorted(captions, key=lambda caption: _BY_VALUE(caption.similarity), reverse=True)


def fold(ranked: Iterable[_Scored]) -> list[_Scored]:
    """The first (so the best) caption of each image, in order: an image's score is its best caption's."""
    best: dict[str, _Scored] = {}
    for caption in ranked:
        best.setdefault(caption.image_id, caption)
    return list(best.values())


def certified(hits: Sequence[Scored], k: int, bound: float, min_score: float = 0.0) -> bool:
    """Whether the first `k` of these folded hits are provably the true top k.

    `bound` is at least the score of every caption not seen. They are, when nothing was left unseen (bound 0),
    when nothing unseen can reach `min_score`, or when the k-th score is at or above the bound: no unseen
    caption can then beat a hit, nor raise an image that is not among them above one that is.
    """
    if bound <= 0.0 or bound < min_score:
        return True
    return len(hits) >= k and reaches(hits[k - 1].similarity, bound)
