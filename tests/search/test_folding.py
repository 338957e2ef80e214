"""Near copies are folded as the plain definition says, and no more is looked at than a page needs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from captioner.photo import hash_distance
from indexer.records import CaptionRecord, Document, Position
from search.errors import QueryError
from search.folding import NEAR, fold_duplicates
from search.jaccard import Similarity, rank
from search.scored import ScoredCaption
from search.searcher import Searcher
from tests.indexer.memory import MemoryIndex
from tests.indexer.test_hashes import near as near_hashes
from tests.search.worlds import ANALYZER, Engine, engines, pages, searcher

#: Up to nine bits, so that some are near each other and some near two that are not.
hashes = st.one_of(
    st.sets(st.integers(0, 15), max_size=9).map(
        lambda bits: f"{0x00FF00FF00FF00FF ^ sum(1 << bit for bit in bits):016x}"
    ),
    st.sampled_from(["", "no hash", "00FF00FF00FF00FF", "0" * 16, "f" * 15 + "0"]),
)


def image(number: int, phash: str) -> ScoredCaption:
    record = CaptionRecord(f"i{number}", "a dog", phash=phash)
    return ScoredCaption(Document(record, frozenset({"dog"})), Similarity(1, 1), Position(1.0, f"i{number}"))


def near(one: str, other: str) -> bool:
    return {len(one), len(other)} == {16} and "F" not in one + other and near_hashes(one, other, NEAR)


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
    folded = fold_duplicates(images, len(images) + 1, earlier)
    assert [(one.best.image_id, [*one.duplicates]) for one in folded] == [
        (f"i{kept}", [f"i{copy}" for copy in copies]) for kept, copies in plainly(given_hashes, earlier)
    ]


@given(st.lists(hashes, max_size=20), st.integers(1, 6))
def test_what_is_behind_enough_is_not_looked_at(given_hashes: list[str], enough: int) -> None:
    images = [image(number, phash) for number, phash in enumerate(given_hashes)]
    whole = plainly(given_hashes, ())
    looked_at = whole[enough - 1][0] + 1 if len(whole) >= enough else len(images)
    assert fold_duplicates(images, enough) == fold_duplicates(images[:looked_at], len(images) + 1)


@example(MemoryIndex, ["00ff" * 4] * 5, 1)  # all that an engine has left may be copies
@given(engines, st.lists(hashes, max_size=20), st.integers(1, 4))
def test_all_pages_together_show_what_the_plain_definition_keeps(
    engine: Engine, given_hashes: list[str], k: int
) -> None:
    """Every image is less like the question than the one before."""
    world = [
        CaptionRecord(f"i{number}", " ".join(["dog", *map(str, range(number))]), phash=phash)
        for number, phash in enumerate(given_hashes)
    ]
    found = pages(searcher(engine(world, ANALYZER)), frozenset({"dog"}), k, fold_duplicates=True)
    assert all(page.exact for page in found)
    hits = [hit for page in found for hit in page.hits]
    plain = {f"i{kept}": tuple(f"i{copy}" for copy in copies) for kept, copies in plainly(given_hashes, ())}
    assert [hit.image_id for hit in hits] == [*plain]
    assert all(hit.duplicates == plain[hit.image_id][: len(hit.duplicates)] for hit in hits)
    assert all(page.hits for page in found[1:])


def far_apart(number: int) -> str:
    """Hashes that are no near copies of each other."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


class TestDuplicates:
    def hashed(self, *hashes: str) -> Searcher:
        words = ["dog", "dog cat", "dog cat egg", "dog cat egg fish", "dog cat egg fish goat"]
        return searcher(
            MemoryIndex(
                [CaptionRecord(f"i{number}", words[number], phash=one) for number, one in enumerate(hashes)]
            )
        )

    def test_a_near_copy_is_folded_into_the_better_hit(self) -> None:
        search = self.hashed("00ff00ff00ff00ff", "00ff00ff00ff00fe", "fffff0f000000000", "")
        assert hash_distance("00ff00ff00ff00ff", "00ff00ff00ff00fe") == 1
        hits = search.text("dog", fold_duplicates=True).hits
        assert [(hit.rank, hit.image_id, hit.duplicates) for hit in hits] == [
            (1, "i0", ("i1",)),
            (2, "i2", ()),
            (3, "i3", ()),
        ]
        assert [hit.image_id for hit in search.text("dog").hits] == ["i0", "i1", "i2", "i3"]

    def test_a_copy_of_an_earlier_page_stays_folded(self) -> None:
        search = self.hashed(
            "00ff00ff00ff00ff", "fffff0f000000000", "00ff00ff00ff00fe", "fffff0f000000001", ""
        )
        found = [
            [hit.image_id for hit in page.hits]
            for page in pages(search, frozenset({"dog"}), 1, fold_duplicates=True)
        ]
        assert [image for page in found for image in page] == ["i0", "i1", "i4"]

    def test_a_cursor_holds_hashes_only_where_copies_are_folded(self) -> None:
        search = self.hashed("00ff00ff00ff00ff", "fffff0f000000000", "00ff00ff00ff00fe", "")
        plain, folding = (search.text("dog", 2, fold_duplicates=fold) for fold in (False, True))
        assert plain.following is not None and folding.following is not None
        assert plain.following().hashes == ()
        assert folding.following().hashes == ("00ff00ff00ff00ff", "fffff0f000000000")
        for page, fold in ((plain, True), (folding, False)):
            with pytest.raises(QueryError, match=r"another search: .*folding"):
                search.text("dog", 2, fold_duplicates=fold, after=page.cursor)

    def test_a_plain_search_pages_to_the_end_whatever_hashes_its_images_have(self) -> None:
        world = [CaptionRecord(f"i{one:04}", "a dog", phash=far_apart(one)) for one in range(6_000)]
        found = pages(searcher(MemoryIndex(world)), frozenset({"dog"}), 2_500)
        assert [len(page.hits) for page in found] == [2_500, 2_500, 1_000]
        assert [page.more for page in found] == [True, True, False]

    def test_a_crowd_of_copies_costs_no_more_than_a_few_rankings_of_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As frames of a camera that never moves; an engine gives them in 100 answers."""
        ranked: list[int] = []

        def counted(captions: Sequence[ScoredCaption]) -> list[ScoredCaption]:
            ranked.append(len(captions))
            return rank(captions)

        monkeypatch.setattr("search.pursuit.rank", counted)
        monkeypatch.setattr("search.pursuit.MOST", 10)
        world = [CaptionRecord(f"i{one:04}", "a dog", phash="00ff00ff00ff00ff") for one in range(1_000)]
        results = searcher(MemoryIndex(world)).text("dog", fold_duplicates=True)
        assert ([hit.image_id for hit in results.hits], results.exact) == (["i0000"], True)
        assert len(results.hits[0].duplicates) == ranked[-1] - 1 == 999
        assert sum(ranked) < 3 * len(world)

    def test_a_cursor_that_would_be_too_long_is_not_given(self) -> None:
        world = [CaptionRecord(f"i{one:04}", "a dog", phash=far_apart(one)) for one in range(5_000)]
        found = pages(searcher(MemoryIndex(world)), frozenset({"dog"}), 2_400, fold_duplicates=True)
        assert [len(page.hits) for page in found] == [2_400, 2_400]
        assert [(page.exact, page.more) for page in found] == [(True, True), (True, True)]
        assert found[-1].as_json()["more"] is True and "cursor" not in found[-1].as_json()

    def test_what_a_hash_of_light_alone_is_of_folds_nothing(self) -> None:
        """Such as blank pictures, and pages under a lamp."""
        search = self.hashed("0" * 16, "0" * 16, "f" * 16, "f" * 16)
        found = pages(search, frozenset({"dog"}), 1, fold_duplicates=True)
        assert [(hit.image_id, hit.duplicates) for page in found for hit in page.hits] == [
            ("i0", ()),
            ("i1", ()),
            ("i2", ()),
            ("i3", ()),
        ]

    def test_what_is_no_hash_folds_nothing(self) -> None:
        assert len(self.hashed("dog", "dog", "", "").text("dog", fold_duplicates=True).hits) == 4
