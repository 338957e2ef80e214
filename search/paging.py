"""Pages that neither shift nor repeat: what earlier pages settled, and where the next one begins.

The order is: exact similarity, then the engine's position (its own score, then image id). The engine's score
is nearly the similarity, but may be rounded (a float32 sum in Elasticsearch), so a page ends at two places:
`last`, the last hit in the exact order, and `resume`, up to which all candidates in the engine's are settled.
An image that stood on an earlier page comes back from the engine with its worse captions. It is known by a
better caption that is not among the candidates behind `resume`, so it must lie before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cmp_to_key

from indexer.index import CaptionIndex
from indexer.records import Document, Filters, Position
from search.cursor import Cursor
from search.duplicates import picture_hash
from search.hits import Folded, ScoredCaption
from search.jaccard import Similarity, compare, similarity


@dataclass(frozen=True, slots=True)
class Unshown:
    """Images that no earlier page showed; `certain` unless more captions must be fetched to tell.

    `unchecked` ones rank behind them, were not needed, and may have been shown.
    """

    images: list[ScoredCaption]
    certain: bool = True
    unchecked: Sequence[ScoredCaption] = ()


class EarlierPages:
    """The pages before a cursor, as far as they must be known."""

    def __init__(self, tokens: frozenset[str], filters: Filters, cursor: Cursor) -> None:
        self.tokens = tokens
        self.filters = filters
        self.cursor = cursor
        self._captions: dict[str, Sequence[Document]] = {}

    def leave_out(
        self,
        images: Sequence[ScoredCaption],
        fetched: Iterable[ScoredCaption],
        bound: float,
        index: CaptionIndex,
        enough: int,
    ) -> Unshown:
        """Of these images (each by its best fetched caption), the first `enough` or more that were not shown.

        `bound` is the most that a caption behind the fetched ones can score.
        """
        behind = [image for image in images if not self._reached(image)]
        known = {caption.document.record.document_id for caption in fetched}
        unshown: list[ScoredCaption] = []
        certain = True
        for start in range(0, len(behind), enough):
            chunk, rest = behind[start : start + enough], behind[start + enough :]
            self._look_up([image.image_id for image in chunk], index)
            for image in chunk:
                better, doubtful = self._rivalled(image, known, bound)
                certain = certain and not doubtful
                if not better:
                    unshown.append(image)
            if len(unshown) >= enough:
                return Unshown(unshown, certain, rest)
        return Unshown(unshown, certain)

    def _reached(self, image: ScoredCaption) -> bool:
        """Whether the image stands at or before the last hit shown."""
        above = compare(image.similarity, self.cursor.last_similarity)
        return above > 0 or (above == 0 and _order(image.position) <= _order(self.cursor.last))

    def _rivalled(self, image: ScoredCaption, known: Collection[str], bound: float) -> tuple[bool, bool]:
        """Whether an unfetched caption of the image was met before, and whether that is open."""
        rival = self._best_unfetched(image.image_id, known)
        above = -1 if rival is None else compare(rival, image.similarity)
        # As good as the fetched one, it may lie on either side, if the bound lets it: fetching on will tell.
        doubtful = above == 0 and float(image.similarity) <= bound
        return above >= 0 and not doubtful, doubtful

    def _look_up(self, image_ids: Iterable[str], index: CaptionIndex) -> None:
        unknown = [image_id for image_id in image_ids if image_id not in self._captions]
        if unknown:
            self._captions.update(index.captions(unknown))

    def _best_unfetched(self, image_id: str, known: Collection[str]) -> Similarity | None:
        rivals = [
            similarity(self.tokens, document.tokens)
            for document in self._captions.get(image_id, ())
            if document.record.document_id not in known and self.filters.matches(document.record)
        ]
        return max(rivals, key=cmp_to_key(compare), default=None)


def next_cursor(
    query: str,
    page: Sequence[Folded],
    later: Sequence[Folded],
    fetched: Sequence[ScoredCaption],
    before: Cursor | None,
) -> Cursor:
    """The place behind this page (not empty). `later` are the images known to rank behind it."""
    waiting = {image_id for folded in later for image_id in (folded.best.image_id, *folded.duplicates)}
    resume = before.resume if before else None
    for caption in fetched:
        if caption.image_id in waiting:
            break
        resume = caption.position
    hashes = tuple(filter(None, (picture_hash(folded.best) for folded in page)))
    last = page[-1].best
    return Cursor(
        query=query,
        shown=(before.shown if before else 0) + len(page),
        resume=resume,
        last=last.position,
        last_similarity=last.similarity,
        hashes=(before.hashes if before else ()) + hashes,
    )


def _order(position: Position) -> tuple[float, str]:
    return -position.score, position.image_id
