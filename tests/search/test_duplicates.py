"""Near copies are folded as the plain definition says, and no more is looked at than a page needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from captioner.photo import hash_distance
from indexer.records import CaptionRecord, Document, Position
from search.duplicates import NEAR, fold_duplicates
from search.hits import ScoredCaption
from search.jaccard import Similarity
from search.searcher import Searcher
from tests.search.memory import MemoryIndex
from tests.search.test_searcher import pages
from tests.search.worlds import ANALYZER, HastyIndex, NamingCaptioner, RoundingIndex

#: Up to nine bits, so that some are near each other and some near two that are not.
hashes = st.one_of(
    st.sets(st.integers(0, 15), max_size=9).map(lambda bits: f"{sum(1 << bit for bit in bits):016x}"),
    st.sampled_from(["", "no hash", "00FF00FF00FF00FF"]),
)


def image(number: int, phash: str) -> ScoredCaption:
    record = CaptionRecord(f"i{number}", "a dog", phash=phash)
    return ScoredCaption(Document(record, frozenset({"dog"})), Similarity(1, 1), Position(1.0, f"i{number}"))


def near(one: str, other: str) -> bool:
    return {len(one), len(other)} == {16} and "F" not in one + other and hash_distance(one, other) <= NEAR


def plainly(given_hashes: Sequence[str], earlier: Sequence[str]) -> list[tuple[int, list[int]]]:
    """Each kept image and what is folded into it, by comparing every two."""
    kept: list[tuple[int, list[int]]] = []
    for number, own in enumerate(given_hashes):
        if any(near(own, shown) for shown in earlier):
            continue
        copies = next((copies for other, copies in kept if near(own, given_hashes[other])), None)
        if copies is None:
            kept.append((number, []))
        else:
            copies.append(number)
    return kept


@given(st.lists(hashes, max_size=20), st.lists(hashes.filter(lambda one: near(one, one)), max_size=3))
def test_all_are_folded_as_by_the_plain_definition(given_hashes: list[str], earlier: list[str]) -> None:
    images = [image(number, phash) for number, phash in enumerate(given_hashes)]
    folded, rest = fold_duplicates(images, len(images) + 1, earlier)
    assert not rest
    assert [(one.best.image_id, [*one.duplicates]) for one in folded] == [
        (f"i{kept}", [f"i{copy}" for copy in copies]) for kept, copies in plainly(given_hashes, earlier)
    ]


@given(st.lists(hashes, max_size=20), st.integers(1, 6))
def test_what_is_behind_enough_is_left_as_it_is(given_hashes: list[str], enough: int) -> None:
    images = [image(number, phash) for number, phash in enumerate(given_hashes)]
    folded, rest = fold_duplicates(images, enough)
    whole = plainly(given_hashes, ())
    assert [one.best.image_id for one in folded] == [f"i{kept}" for kept, _ in whole[:enough]]
    looked_at = whole[enough - 1][0] + 1 if len(whole) >= enough else len(images)
    assert [*rest] == images[looked_at:]


@example(MemoryIndex, ["0" * 16] * 5, 1)  # all that an engine has left may be copies
@given(
    st.sampled_from([MemoryIndex, RoundingIndex, HastyIndex]),
    st.lists(hashes, max_size=20),
    st.integers(1, 4),
)
def test_all_pages_together_show_what_the_plain_definition_keeps(
    engine: Callable[[list[CaptionRecord], str], MemoryIndex], given_hashes: list[str], k: int
) -> None:
    """Every image is less like the question than the one before."""
    world = [
        CaptionRecord(f"i{number}", " ".join(["dog", *map(str, range(number))]), phash=phash)
        for number, phash in enumerate(given_hashes)
    ]
    found = pages(Searcher(engine(world, ANALYZER), NamingCaptioner), {"dog"}, k, fold_duplicates=True)
    assert all(page.exact for page in found)
    hits = [hit for page in found for hit in page.hits]
    plain = {f"i{kept}": tuple(f"i{copy}" for copy in copies) for kept, copies in plainly(given_hashes, ())}
    assert [hit.image_id for hit in hits] == [*plain]
    assert all(hit.duplicates == plain[hit.image_id][: len(hit.duplicates)] for hit in hits)
    assert all(page.hits for page in found[1:])
