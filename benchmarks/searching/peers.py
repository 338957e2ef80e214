"""Ways to search for the most similar sets, each behind the same interface.

Every one answers with up to ten images, best first, from the tokens of a question. What a way leaves to its
caller (exact scores of its candidates, one hit an image) is done here, with as little work as possible.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.searching.material import HITS, Array, Material, Postings, Question
from indexer.index import open_index
from search.searcher import Searcher

#: An image and its score.
Hit = tuple[str, float]
#: Captions looked at for ten images: what the searcher asks an engine for.
_CAPTIONS = 4 * HITS
#: Those that the ways fetch which only look for candidates.
CANDIDATES = 100


class Peer(ABC):
    """One way to search. `build` (if it stores anything) and `open` run in processes of their own."""

    #: As the table names it.
    title: str
    #: Slow ones get only so many questions.
    questions: int | None = None
    #: Whether it builds in `open`, into memory.
    in_memory = True

    def __init__(self, material: Material, where: str) -> None:
        self.material, self.where = material, where

    def build(self) -> None:  # noqa: B027 - most store nothing
        """Store what `open` opens."""

    @abstractmethod
    def open(self) -> None:
        """Be ready to answer."""

    def reopen(self) -> None:  # noqa: B027 - memory is shared by a fork
        """Be ready in a process that was forked from the one that opened it."""

    @abstractmethod
    def ask(self, question: Question) -> list[Hit]:
        """Up to ten images, best first."""

    def disk(self) -> int | None:
        """Bytes on disk; None for what lives in memory."""
        return None

    def remove(self) -> None:  # noqa: B027
        """Leave nothing behind."""


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    overlap = len(one & other)
    return overlap / (len(one) + len(other) - overlap)


def fold(ranked: Iterable[Hit]) -> list[Hit]:
    """The best ten images of captions in descending order."""
    best: dict[str, float] = {}
    for image, score in ranked:
        best.setdefault(image, score)
        if len(best) == HITS:
            break
    return list(best.items())


class OriginalLoop(Peer):
    """The student project: every caption is a list of words, made a set for each comparison."""

    title = "the student project's loop"
    questions = 3

    def open(self) -> None:
        self._lists = list(self.material.token_lists())
        self._images = self.material.images.tolist()

    def ask(self, question: Question) -> list[Hit]:
        scored = []
        for row, words in enumerate(self._lists):
            one, other = set(question.tokens), set(words)
            scored.append((len(one.intersection(other)) / len(one.union(other)), row))
        scored.sort(key=lambda pair: -pair[0])
        return fold((self.material.names[self._images[row]], score) for score, row in scored)


class NumpyCounting(Peer):
    """Every posting of every token counted by NumPy: the usual way to be exact without a library."""

    title = "NumPy, counting all postings"

    def open(self) -> None:
        self._postings = Postings(self.material)

    def ask(self, question: Question) -> list[Hit]:
        scores = self._postings.scores(question.tokens)
        rows = top(scores, _CAPTIONS)
        return fold(
            (self.material.names[self.material.images[row]], float(scores[row])) for row in rows.tolist()
        )


def top(scores: Array, wanted: int) -> Array:
    """Places of the highest scores above 0, descending."""
    # Most scores are 0 or equal, which makes `argpartition` many times slower than partitioning values.
    places = np.flatnonzero(scores)
    if len(places) > wanted:
        found = scores[places]
        places = places[found >= np.partition(found, len(found) - wanted)[len(found) - wanted]]
    return places[np.argsort(-scores[places], kind="stable")]


class SetSimilarity(Peer):
    """SetSimilaritySearch finds all sets above a threshold. It is told the score of the tenth image of each
    question, which nobody knows before: the fewest candidates it can do with."""

    title = "SetSimilaritySearch, told the threshold"
    questions = 20

    def open(self) -> None:
        from SetSimilaritySearch import SearchIndex

        asked = self.material.questions[: self.questions]
        lowest = min((one.best[-1] for one in asked if one.best), default=0.5)
        self._index = SearchIndex(list(self.material.token_lists()), "jaccard", lowest)

    def ask(self, question: Question) -> list[Hit]:
        # An index for a lower threshold holds all that a higher one needs.
        self._index.similarity_threshold = question.best[-1] if question.best else 1.0
        found = sorted(self._index.query(list(question.tokens)), key=lambda pair: -pair[1])
        return fold((self.material.names[self.material.images[row]], float(score)) for row, score in found)


class MinHashForest(Peer):
    """datasketch's MinHash LSH forest with its defaults; its candidates are ranked exactly."""

    title = f"datasketch MinHash LSH forest, {CANDIDATES} candidates"

    def open(self) -> None:
        from datasketch import MinHash, MinHashLSHForest

        self._hash = MinHash
        self._sets = [frozenset(words) for words in self.material.token_lists()]
        encoded = ([word.encode() for word in words] for words in self._sets)
        self._forest = MinHashLSHForest()
        for row, hashed in enumerate(MinHash.generator(encoded)):
            self._forest.add(row, hashed)
        self._forest.index()

    def ask(self, question: Question) -> list[Hit]:
        hashed = self._hash()
        hashed.update_batch([word.encode() for word in question.tokens])
        rows, wanted = self._forest.query(hashed, CANDIDATES), frozenset(question.tokens)
        scored = sorted(((jaccard(wanted, self._sets[row]), row) for row in rows), reverse=True)
        return fold(
            (self.material.names[self.material.images[row]], score) for score, row in scored if score > 0.0
        )


class Project(Peer):
    """This project, as a program uses it: ranked, explained and certified hits with their records."""

    in_memory = False

    def open(self) -> None:
        self._searcher = Searcher.open(self.where)

    def reopen(self) -> None:
        self.open()

    def ask(self, question: Question) -> list[Hit]:
        results = self._searcher.tokens(question.tokens, HITS)
        if not results.exact:
            return []
        return [(hit.image_id, hit.jaccard) for hit in results.hits]

    def disk(self) -> int:
        with open_index(self.where) as index:
            return index.status().bytes


class Embedded(Project):
    title = "this project, embedded"

    def build(self) -> None:
        with (
            open_index(self.where, create=True) as index,
            index.draft("bench", self.material.analyzer) as draft,
        ):
            draft.add(self.material.records())
            draft.publish()

    def remove(self) -> None:
        shutil.rmtree(Path(self.where), ignore_errors=True)
