"""Whole searches on both engines against brute force: over the real captions of COCO, and over 600,000."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.captions import coco_records, grammar_captions, records
from captioner.tokens import DEFAULT
from indexer import open_index
from indexer.records import CaptionRecord
from search import Searcher
from tests.indexer.brute import BruteForce, asked


def fill(where: str, every: Iterable[CaptionRecord]) -> None:
    with open_index(where, create=True) as index, index.draft("k") as draft:
        draft.add(every)
        draft.publish()


def check(where: str, brute: BruteForce, queries: Iterable[frozenset[str]]) -> None:
    with Searcher.open(where) as searcher:
        for tokens in queries:
            results = searcher.tokens(tokens, k=10)
            assert results.exact
            assert [hit.jaccard for hit in results.hits] == brute.images(tokens, 10)
            assert len({hit.image_id for hit in results.hits}) == len(results.hits)


def test_the_top_ten_of_200_queries_on_all_real_captions(fresh_where: str, shared_data: Path) -> None:
    real = [*coco_records(shared_data), CaptionRecord("empty", ""), CaptionRecord("word", "dog")]
    real += [CaptionRecord(f"twin{n}", "A dog runs on the beach.") for n in range(20)]
    fill(fresh_where, real)
    captions = [record.caption for record in real if record.caption]
    check(fresh_where, BruteForce(real, DEFAULT), asked(captions, 200, DEFAULT))


@pytest.mark.slow
def test_the_top_ten_of_200_queries_on_600_000_captions(fresh_where: str, tmp_path: Path) -> None:
    every = list(records(600_000, shared=tmp_path))  # the grammar's captions: the same on every machine
    fill(fresh_where, every)
    base = list(islice(grammar_captions(5), 1_000))
    check(fresh_where, BruteForce(every, DEFAULT), asked(base, 200, DEFAULT))
