"""Ways to rank an archive of captioned photos for a query; each row of the evaluation is one of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from captioner.tokens import Analyzer
from search.evaluation.data import Captions

Weight = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class EvaluationQuery:
    """A photo, or a sentence about one, that is searched for by its captions (the best first)."""

    image: str
    captions: tuple[str, ...]


class Ranker(Protocol):
    """Knows an archive; gives its images for a query, the best first."""

    def rank(self, query: EvaluationQuery, k: int) -> Sequence[str]: ...


def plain(token: str) -> float:
    """Every token weighs the same: plain Jaccard."""
    return 1.0


def weighted_jaccard(one: frozenset[str], other: frozenset[str], weight: Weight = plain) -> float:
    """Weight of the shared tokens over the weight of all; 0 for two empty sets."""
    union = sum(map(weight, one | other))
    return sum(map(weight, one & other)) / union if union else 0.0


class SetRanker:
    """Ranks by (weighted) Jaccard over sets of tokens, an image by its best caption.

    Every posting is counted with NumPy: the same answer as the engines', for any tokens and weights.
    Images of equal score come in ascending order of their names.
    """

    def __init__(
        self, archive: Captions, tokens: Analyzer, weight: Weight = plain, union: bool = False
    ) -> None:
        self._tokens, self._weight, self._union = tokens, weight, union
        self._images = sorted(archive)
        sets = [self._sets(archive[image]) for image in self._images]
        self._firsts = np.cumsum([0, *map(len, sets)])[:-1]
        documents = [one for group in sets for one in group]
        self._mass = np.array([sum(map(weight, one)) for one in documents])
        postings: dict[str, list[int]] = {}
        for number, one in enumerate(documents):
            for token in one:
                postings.setdefault(token, []).append(number)
        self._postings = {token: np.array(rows, np.int64) for token, rows in postings.items()}

    def rank(self, query: EvaluationQuery, k: int) -> list[str]:
        scores = np.max([self._scores(one) for one in self._sets(query.captions)], axis=0)
        best = np.lexsort((np.arange(len(scores)), -scores))[:k]
        return [self._images[number] for number in best if scores[number] > 0]

    def _sets(self, captions: Sequence[str]) -> list[frozenset[str]]:
        sets = [self._tokens(caption) for caption in captions]
        return [frozenset[str]().union(*sets)] if self._union else sets

    def _scores(self, query: frozenset[str]) -> Any:
        """Best score of each image, (images,)."""
        shared = np.zeros(len(self._mass))
        for token in query:
            if (rows := self._postings.get(token)) is not None:
                shared[rows] += self._weight(token)
        together = self._mass + sum(map(self._weight, query)) - shared
        return np.maximum.reduceat(shared / np.maximum(together, 1e-12), self._firsts)


class StudentRanker:
    """The student project's loop over all captions, as it was.

    It sorts captions by ascending similarity, cuts the last k off, and shows them in that order: the best
    comes last, and an image takes as many places as it has captions there. `mended` turns the order round
    and lets an image appear once.
    """

    def __init__(self, archive: Captions, tokens: Analyzer, mended: bool = False) -> None:
        self._tokens, self._mended = tokens, mended
        self._documents = [
            (image, tokens(caption)) for image in sorted(archive) for caption in archive[image]
        ]

    def rank(self, query: EvaluationQuery, k: int) -> list[str]:
        mine = self._tokens(query.captions[0])
        scored = [(len(mine & one) / len(mine | one), image) for image, one in self._documents]
        scored.sort(key=lambda entry: entry[0])
        if not self._mended:
            return [image for _, image in scored[-k:]]
        return list(dict.fromkeys(image for _, image in reversed(scored)))[:k]


class RandomRanker:
    """Images drawn at random: where every measure begins."""

    def __init__(self, archive: Captions, seed: int) -> None:
        self._images, self._random = sorted(archive), random.Random(seed)  # noqa: S311 - no secret

    def rank(self, query: EvaluationQuery, k: int) -> list[str]:
        return self._random.sample(self._images, min(k, len(self._images)))


class CosineRanker:
    """Cosine of an encoder's own features: what pictures alone tell, without a word."""

    def __init__(self, archive: Iterable[str], features: Mapping[str, Any]) -> None:
        self._images = sorted(archive)
        self._features = features
        self._matrix = np.stack([_unit(features[image]) for image in self._images])

    def rank(self, query: EvaluationQuery, k: int) -> list[str]:
        similar = self._matrix @ _unit(self._features[query.image])
        return [self._images[number] for number in np.argsort(-similar, kind="stable")[:k]]


def _unit(vector: Any) -> Any:
    values = np.asarray(vector, np.float32)
    return values / max(float(np.linalg.norm(values)), 1e-12)
