"""The ranker that users have: this program's own index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from indexer.index import open_index
from indexer.records import CaptionRecord
from search.evaluation.data import Captions
from search.evaluation.rankers import EvaluationQuery
from search.searcher import Searcher


def caption_records(archive: Captions) -> Iterator[CaptionRecord]:
    """A record for each caption of an archive."""
    for image, captions in archive.items():
        for caption in captions:
            yield CaptionRecord(image, caption, source="evaluation")


class IndexRanker:
    """An index of this program and its Searcher, as users have it."""

    def __init__(self, archive: Captions, analyzer: str, folder: Path) -> None:
        where = str(folder / uuid4().hex)
        with open_index(where, create=True) as index:
            draft = index.draft("evaluation", analyzer)
            draft.add(caption_records(archive))
            draft.publish()
        self._searcher = Searcher.open(where)

    def rank(self, query: EvaluationQuery, k: int) -> list[str]:
        return [hit.image_id for hit in self._searcher.texts(query.captions, k).hits]

    def close(self) -> None:
        self._searcher.close()
