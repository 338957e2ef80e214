"""Pages that neither shift nor repeat: what earlier pages settled, and where the next one begins.

Hits are ordered by exact similarity, then by the engine's position (its own score, then image id). The
engine's score is nearly the similarity, but may be rounded (a float32 sum in Elasticsearch). So a page ends
at two places: `last` is the last hit in the exact order, and `resume` is where each strand goes on in the
engine's order. No caption up to `resume` ranks behind `last`, not even one of an image that was shown: what
is added behind `last` before the next page is asked for belongs to that page.

An image of an earlier page comes back from the engine by its worse captions, and by other captions of the
query. It is recognised by a better pair of captions (one of the query, one of the image) that is not among
the candidates behind `resume`, and so must lie before it. So an image whose better captions have all been
removed or replaced since comes again by another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from indexer.contract import View
from indexer.records import Document, Filters, Position
from search.cursor import Cursor
from search.jaccard import Similarity, compare, similarity
from search.scored import Folded, ScoredCaption
from search.strand import Strand, engine_order


@dataclass(frozen=True, slots=True)
class Unshown:
    """Images that no earlier page showed; of some this is known only when `doubtful` strands fetch more."""

    images: list[ScoredCaption]
    doubtful: frozenset[int] = frozenset()


class EarlierPages:
    """Tells which images the pages before a cursor showed."""

    def __init__(self, filters: Filters, cursor: Cursor) -> None:
        self.filters = filters
        self.cursor = cursor
        self._captions: dict[str, Sequence[Document]] = {}

    def leave_out(
        self, images: Sequence[ScoredCaption], strands: Sequence[Strand], index: View, enough: int
    ) -> Unshown:
        """The first images, `enough` or more if there are, that no earlier page showed.

        Each is given by the best caption of it that was fetched.
        """
        behind = [image for image in images if _behind(image, self.cursor.last_similarity, self.cursor.last)]
        known = [
            (strand, {caption.document.record.document_id for caption in strand.fetched})
            for strand in strands
        ]
        unshown: list[ScoredCaption] = []
        doubtful: frozenset[int] = frozenset()
        for start in range(0, len(behind), enough):
            chunk = behind[start : start + enough]
            self._look_up([image.image_id for image in chunk], index)
            for image in chunk:
                shown, doubts = self._rivalled(image, known)
                doubtful |= doubts
                if not shown:
                    unshown.append(image)
            if len(unshown) >= enough:
                break
        return Unshown(unshown, doubtful)

    def _rivalled(
        self, image: ScoredCaption, known: Sequence[tuple[Strand, Collection[str]]]
    ) -> tuple[bool, frozenset[int]]:
        """Whether the image was shown by a caption not fetched now, and which strands leave that open."""
        doubts = set()
        for strand, fetched in known:
            for rival in self._unfetched(image.image_id, strand, fetched):
                above = compare(rival, image.similarity)
                if above >= 0 and float(rival) > strand.behind:
                    return True, frozenset()
                # A rival as good as the fetched caption may lie before or behind: fetching more will tell. A
                # better one that may lie behind is no matter: no hit is settled below the strand's bound.
                if above == 0:
                    doubts.add(strand.number)
        return False, frozenset(doubts)

    def _look_up(self, image_ids: Iterable[str], index: View) -> None:
        unknown = [image_id for image_id in image_ids if image_id not in self._captions]
        if unknown:
            self._captions.update(index.captions(unknown))

    def _unfetched(self, image_id: str, strand: Strand, fetched: Collection[str]) -> Iterator[Similarity]:
        """Scores of the image's captions that the strand has not fetched."""
        for document in self._captions.get(image_id, ()):
            if document.record.document_id not in fetched and self.filters.passes(document):
                yield similarity(strand.query.tokens, document.tokens)


def next_cursor(
    query: str,
    page: Sequence[Folded],
    strands: Sequence[Strand],
    before: Cursor | None,
    hashes: tuple[str, ...],
) -> Cursor:
    """Where the page behind this one (not empty) begins. No later picture may be near one of `hashes`."""
    last = page[-1].best
    return Cursor(
        query=query,
        shown=(before.shown if before else 0) + len(page),
        resume=tuple(_settled(strand, last) for strand in strands),
        last=last.position,
        last_similarity=last.similarity,
        hashes=hashes,
    )


def _settled(strand: Strand, last: ScoredCaption) -> Position | None:
    """The last position of a strand up to which no caption ranks behind the last hit."""
    resume = strand.query.after
    for caption in strand.fetched:
        if _behind(caption, last.similarity, last.position):
            break
        resume = caption.position
    return resume


def _behind(caption: ScoredCaption, last_similarity: Similarity, last: Position) -> bool:
    """Whether a caption ranks behind the last hit shown."""
    above = compare(caption.similarity, last_similarity)
    return above < 0 or (above == 0 and engine_order(caption.position) > engine_order(last))
