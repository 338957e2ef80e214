"""CIDEr-D, fast enough to be a training reward.

Source: Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based Image Description Evaluation"
(CVPR 2015), in the form of its reference implementation (pycocoevalcap): n-grams of 1 to 4 words,
tf-idf by the references' document frequency, clipped counts, a Gaussian length penalty with
sigma 6, times 10. Tests hold it to that implementation's figures.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Words = Sequence[str]
NGram = tuple[str, ...]

LONGEST = 4  # words of an n-gram
_SIGMA = 6.0


@dataclass(frozen=True, slots=True)
class Vector:
    """A caption's n-grams of 1 to 4 words, weighed by tf-idf."""

    weights: tuple[dict[NGram, float], ...]  # tf-idf by n-gram, one dict for each n
    norms: tuple[float, ...]
    length: int


class Rarity:
    """The idf weights of n-grams among the captions of a set of photos, and captions' vectors by them."""

    def __init__(self, references: Iterable[Sequence[Words]]) -> None:
        """`references`: the tokenised captions that people wrote, photo by photo."""
        self.photos_with: Counter[NGram] = Counter()
        photos = 0
        for captions in references:
            photos += 1
            self.photos_with.update({gram for words in captions for gram in _ngrams(words)})
        self._log_photos = math.log(max(photos, 1))

    def of(self, gram: NGram) -> float:
        """The idf weight of an n-gram, in nats: log(photos / photos whose captions have it)."""
        return self._log_photos - math.log(max(self.photos_with[gram], 1))

    def vector(self, words: Words) -> Vector:
        weights: tuple[dict[NGram, float], ...] = tuple({} for _ in range(LONGEST))
        for gram, count in Counter(_ngrams(words)).items():
            weights[len(gram) - 1][gram] = count * self.of(gram)
        norms = tuple(math.sqrt(sum(value * value for value in part.values())) for part in weights)
        # The reference implementation measures length in bigrams.
        return Vector(weights, norms, max(len(words) - 1, 0))


class CiderD:
    """Scores captions against the references of their photos; made once for a set of photos."""

    def __init__(self, references: Sequence[Sequence[Words]]) -> None:
        """`references[i]`: the tokenised captions that people wrote for photo i."""
        self._rarity = Rarity(references)
        self._references = [[self._rarity.vector(words) for words in captions] for captions in references]

    def score(self, photo: int, words: Words) -> float:
        """CIDEr-D of one tokenised caption of photo number `photo`; 0 to 10, people reach about 1."""
        mine = self._rarity.vector(words)
        references = self._references[photo]
        if not references:
            return 0.0
        total = sum(_similarity(mine, reference) for reference in references)
        return 10.0 * total / (LONGEST * len(references))

    def mean(self, captions: Sequence[Words]) -> float:
        """Mean score of one caption for each photo, in the order of the references."""
        scores = [self.score(photo, words) for photo, words in enumerate(captions)]
        return sum(scores) / max(len(scores), 1)


def _ngrams(words: Words) -> list[NGram]:
    return [tuple(words[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(words) - n + 1)]


def _similarity(mine: Vector, theirs: Vector) -> float:
    """Sum over n of the clipped cosine, each with the length penalty."""
    penalty = math.exp(-((mine.length - theirs.length) ** 2) / (2 * _SIGMA**2))
    total = 0.0
    for n in range(LONGEST):
        other = theirs.weights[n]
        dot = sum(
            min(value, other[gram]) * other[gram] for gram, value in mine.weights[n].items() if gram in other
        )
        norm = mine.norms[n] * theirs.norms[n]
        total += dot / norm if norm else 0.0
    return total * penalty
