"""What a strand proves of the hits before it."""

from __future__ import annotations

import pytest

from indexer.records import Candidate, Candidates, CaptionRecord, Document, Position, Query
from search.jaccard import Similarity
from search.scored import ScoredCaption
from search.strand import Strand

CAT = frozenset({"cat"})


def document(image_id: str) -> Document:
    return Document(CaptionRecord(image_id, "cat hat"), frozenset({"cat", "hat"}))


@pytest.mark.parametrize(("image_id", "settled"), [("a", True), ("m", True), ("z", False)])
def test_a_hit_that_just_reaches_the_bound_stands_no_later_than_what_was_fetched(
    image_id: str, settled: bool
) -> None:
    """It is another strand's; here the engine stopped at m, and n may be as good."""
    strand = Strand(0, Query(CAT))
    strand.take(Candidates((Candidate(document("m"), Position(0.5, "m")),), 0.5, 2))
    hit = ScoredCaption(document(image_id), Similarity(1, 2), Position(0.5, image_id))
    assert strand.settles([hit], 1) is settled
