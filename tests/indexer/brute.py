"""What must be found: every caption counted, and queries to ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np

from benchmarks.captions import made_captions
from captioner.tokens import analyzer
from indexer.records import CaptionRecord


class BruteForce:
    """Every overlap counted, by NumPy: what `memory.brute_force` finds, where captions are too many for that.

    Scores are quotients of the same integers as the engine's.
    """

    def __init__(self, records: Iterable[CaptionRecord], analyzer_name: str) -> None:
        analyse = analyzer(analyzer_name)
        self.records = list({record.document_id: record for record in records}.values())
        sets = [analyse(record.caption) for record in self.records]
        self.sources = np.array([record.source for record in self.records])
        rank = {image: place for place, image in enumerate(sorted({one.image_id for one in self.records}))}
        self.ranks = np.array([rank[record.image_id] for record in self.records])
        self.sizes = np.array([len(tokens) for tokens in sets])
        holders: dict[str, list[int]] = defaultdict(list)
        for number, tokens in enumerate(sets):
            for token in tokens:
                holders[token].append(number)
        self.holders = {token: np.array(numbers) for token, numbers in holders.items()}

    def top(self, tokens: frozenset[str], limit: int, source: str = "") -> list[tuple[float, str]]:
        overlaps = np.zeros(len(self.records), np.int64)
        for token in tokens & self.holders.keys():
            overlaps[self.holders[token]] += 1
        scores = overlaps / np.maximum(1, len(tokens) + self.sizes - overlaps)
        answers = np.flatnonzero((overlaps > 0) & ((self.sources == source) | (source == "")))
        order = answers[np.lexsort((self.ranks[answers], -scores[answers]))][:limit]
        return [(float(scores[number]), self.records[number].image_id) for number in order.tolist()]

    def images(self, tokens: frozenset[str], limit: int) -> list[float]:
        """Scores of the best images, each by its best caption."""
        best: dict[str, float] = {}
        for score, image in self.top(tokens, len(self.records)):
            best.setdefault(image, score)
            if len(best) == limit:
                break
        return list(best.values())


def asked(base: Sequence[str], number: int, analyzer_name: str) -> list[frozenset[str]]:
    """Queries as people's captions are, with unknown words, one word, many words and none among them."""
    analyse = analyzer(analyzer_name)
    made = [analyse(caption) for caption in islice(made_captions(base, seed=99), number)]
    odd = [made[0] | {"unknown", "words"}, frozenset({"dog"}), frozenset(), frozenset({"nowhere"})]
    return [*odd, frozenset().union(*made[:30]), *made[5:]]
