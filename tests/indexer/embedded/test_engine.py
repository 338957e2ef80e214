"""The embedded engine against brute force: on real captions, at scale, over many segments; and its parts."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.captions import coco_records, grammar_captions, made_captions, records
from indexer import storable
from indexer.embedded import EmbeddedIndex, best, ranking, token_sets
from indexer.embedded import writer as writer_module
from indexer.embedded.arrays import ArrayFile, write_arrays
from indexer.embedded.strings import Strings
from indexer.records import CaptionRecord, Filters, Query
from tests.indexer.brute import BruteForce, asked

ANALYZER = "english/1"


def found(index: EmbeddedIndex, tokens: frozenset[str], limit: int, **where: str) -> list[tuple[float, str]]:
    filters = Filters({name: (value,) for name, value in where.items()})
    answer = index.candidates(tokens, limit, filters)
    return [(one.position.score, one.document.record.image_id) for one in answer.found]


def built(folder: Path, given: Iterable[CaptionRecord], parts: int = 1) -> EmbeddedIndex:
    """An index of these captions in a draft, of which the last parts are added to the published index."""
    index = EmbeddedIndex.open(str(folder), create=True)
    every = list(given)
    with index.draft("k", ANALYZER) as draft:
        draft.add(every[: len(every) // parts])
        draft.publish()
    for part in range(1, parts):
        index.add(every[len(every) * part // parts : len(every) * (part + 1) // parts])
    return index


def check(index: EmbeddedIndex, brute: BruteForce, queries: Sequence[frozenset[str]]) -> None:
    for tokens in queries:
        answer = index.candidates(tokens, 10)
        top = brute.top(tokens, 11)
        assert [(one.position.score, one.position.image_id) for one in answer.found] == top[:10]
        assert answer.bound >= (top[10][0] if len(top) > 10 else 0.0)
        assert answer.bound <= min((score for score, _ in top[:10]), default=0.0)


def test_on_all_real_captions_the_top_ten_of_200_queries_are_those_of_brute_force(
    tmp_path: Path, shared_data: Path
) -> None:
    real = coco_records(shared_data)
    assert len(real) == 66_627
    index, brute = built(tmp_path / "index", real, parts=3), BruteForce(real, ANALYZER)
    check(index, brute, asked([record.caption for record in real], 200, ANALYZER))
    assert index.status().captions == len(brute.records)
    gone = {record.image_id for record in real[::50]}
    index.delete(gone)
    left = BruteForce((record for record in real if record.image_id not in gone), ANALYZER)
    check(index, left, asked([record.caption for record in real], 40, ANALYZER))


@pytest.mark.parametrize(
    ("size", "queries"), [(100_000, 60), pytest.param(600_000, 200, marks=pytest.mark.slow)]
)
def test_at_scale_the_top_ten_are_those_of_brute_force(tmp_path: Path, size: int, queries: int) -> None:
    every = list(records(size, shared=tmp_path))  # the grammar's captions: the same on every machine
    index, brute = built(tmp_path / "index", every), BruteForce(every, ANALYZER)
    check(index, brute, asked(list(islice(grammar_captions(5), 1_000)), queries, ANALYZER))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[EmbeddedIndex, BruteForce]:
    """5,000 captions in several segments; a tenth from one source, a hundredth from another."""
    every = [
        CaptionRecord(
            f"i{number // 5}",
            caption,
            source="rare" if number % 100 == 0 else "some" if number % 10 == 1 else "most",
        )
        for number, caption in enumerate(islice(grammar_captions(3), 5_000))
    ]
    index = built(tmp_path_factory.mktemp("sources") / "index", every[:4_000])
    for first, last in ((4_000, 4_900), (4_900, 5_000)):
        index.add(every[first:last])
    assert index.status().details["segments"] == 3
    return index, BruteForce(every, ANALYZER)


@pytest.mark.parametrize("source", ["rare", "some", "most", "none"])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_both_ways_to_filter_give_what_brute_force_gives(
    sources: tuple[EmbeddedIndex, BruteForce], source: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from indexer.embedded import answer

    monkeypatch.setattr(answer, "_SELECTIVE_SHARE", share)
    monkeypatch.setattr(answer, "_SELECTIVE_ROWS", 0)
    index, brute = sources
    for tokens in asked(list(islice(grammar_captions(5), 500)), 25, ANALYZER):
        assert found(index, tokens, 12, source=source) == brute.top(tokens, 12, source)


@pytest.mark.parametrize("joined", [False, True])
def test_a_filter_by_a_text_finds_it_wherever_its_table_has_it(tmp_path: Path, joined: bool) -> None:
    """Tables of texts are in no order, and joined ones hold a text as often as there were parts."""
    titles = ["b", "", "a", "ä", "b", "bb"]
    every = [CaptionRecord(f"i{number}", "a dog", title=title) for number, title in enumerate(titles)]
    with built(tmp_path / "index", every, parts=3) as index:
        if joined:
            with index.draft("again", ANALYZER) as draft:
                for one in every:
                    draft.add([one])
                draft.publish()
            assert index.status().details["segments"] == 1
        dog = frozenset({"dog"})
        for title in (*titles, "c", "bbb", "\u00e4 "):
            expected = [f"i{number}" for number, held in enumerate(titles) if held == title]
            assert [image for _, image in found(index, dog, 9, title=title)] == expected
            assert index.count([Query(dog, Filters({"title": title}), 1.0)]) == len(expected)
            drawn = index.random(9, Filters({"title": [title, title]}))
            assert sorted(one.record.image_id for one in drawn) == expected


def test_a_filter_by_images_finds_only_these(sources: tuple[EmbeddedIndex, BruteForce]) -> None:
    index, brute = sources
    tokens = frozenset(brute.holders)
    expected = [(score, image) for score, image in brute.top(tokens, 5_000) if image == "i7"]
    assert found(index, tokens, 100, image_id="i7") == expected


@pytest.mark.parametrize("few", [0, 2_000], ids=["many", "few"])
def test_sets_of_no_word_and_of_hundreds_are_counted_where_a_filter_lets_few_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(token_sets, "_FEW_SETS", few)
    long = frozenset(f"w{number}" for number in range(300))
    captions = ("", "a dog", " ".join(sorted(long)))
    with built(tmp_path / "index", [CaptionRecord(f"i{n}", one) for n, one in enumerate(captions)]) as index:
        assert found(index, frozenset({"dog"}), 9, source="jsonl") == [(1.0, "i1")]
        assert found(index, long | {"dog"}, 9, source="jsonl") == [(300 / 301, "i2"), (1 / 301, "i1")]


def test_a_view_stays_as_it_was(tmp_path: Path) -> None:
    with EmbeddedIndex.open(str(tmp_path / "index"), create=True) as index:
        index.add(CaptionRecord(f"i{number}", "a dog") for number in range(4))
        index.delete(["i3"])  # so that what goes later is noted beside what had gone
        view = index.view()
        index.delete(["i0"])
        index.add([CaptionRecord("new", "a dog"), CaptionRecord("new", "a cat")])
        dog = frozenset({"dog"})
        count = view.count([Query(dog, min_score=0.1)])
        assert (view.known_count, count, len(view.captions(["i0", "new"]))) == (3, 3, 1)
        assert [one.position.image_id for one in view.candidates(dog, 9).found] == ["i0", "i1", "i2"]
        assert {one.record.image_id for one in view.random(9)} == {"i0", "i1", "i2"}
        assert (index.view().known_count, index.count([Query(dog, min_score=0.1)])) == (4, 3)


def test_captions_looked_at_in_several_steps_are_examined_once(tmp_path: Path) -> None:
    with EmbeddedIndex.open(str(tmp_path / "index"), create=True) as index:
        crowd = [CaptionRecord("a", "dog " + " ".join(f"w{n}" for n in range(size))) for size in range(30)]
        index.add([*crowd, CaptionRecord("b", "dog " + " ".join(f"v{n}" for n in range(40)))])
        for images in (1, 2, 3):
            [answer] = index.candidates_many([Query(frozenset({"dog"}), images=images)], 40)
            assert answer.examined <= 31


def test_an_image_in_two_segments_is_drawn_as_often_as_any_other(tmp_path: Path) -> None:
    index = EmbeddedIndex.open(str(tmp_path / "index"), create=True)
    index.add(CaptionRecord(name, "a dog") for name in "abcdef")
    index.add([CaptionRecord("a", "a cat")])
    assert index.status().details["segments"] == 2
    assert index.status().images == 6
    first = [index.random(1, seed=seed)[0].record.image_id for seed in range(300)]
    assert all(18 <= first.count(name) <= 82 for name in "abcdef")  # 50 each, give or take 5 sigma


def test_drawing_an_image_makes_no_python_number_of_every_image(tmp_path: Path) -> None:
    number = 5_000
    with built(tmp_path / "index", (CaptionRecord(f"{n}.jpg", "a dog") for n in range(number))) as index:
        index.random(1)  # what is loaded once is no matter
        tracemalloc.start()
        try:
            index.random(1)
            assert tracemalloc.get_traced_memory()[1] < 24 * number  # two int64 each; Python's take 40 more
        finally:
            tracemalloc.stop()


words = st.lists(st.sampled_from([f"w{number}" for number in range(12)]), max_size=9).map(
    lambda few: " ".join(few) or "…"
)
captions = st.builds(CaptionRecord, st.sampled_from([f"i{number}" for number in range(12)]), words)


@settings(max_examples=30, deadline=None)
@given(
    parts=st.lists(st.lists(captions, max_size=25), min_size=1, max_size=6),
    gone=st.sets(st.sampled_from([f"i{number}" for number in range(12)]), max_size=4),
    asked_words=st.frozensets(st.sampled_from([f"w{number}" for number in range(15)]), max_size=9),
    without=st.just(frozenset[str]())
    | st.frozensets(st.sampled_from([f"w{n}" for n in range(15)]), max_size=6),
    limit=st.integers(1, 30),
    compiled=st.booleans(),
    cheap=st.booleans(),
    first=st.sampled_from([0, 4, 4_000]),
    long_query=st.sampled_from([1, 2, 4, 99]),
)
def test_any_segments_are_answered_in_exact_order(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[list[CaptionRecord]],
    gone: set[str],
    asked_words: frozenset[str],
    without: frozenset[str],
    limit: int,
    compiled: bool,
    cheap: bool,
    first: int,
    long_query: int,
) -> None:
    index = EmbeddedIndex.open(str(tmp_path_factory.mktemp("world") / "index"), create=True)
    with pytest.MonkeyPatch.context() as patch:
        # So that small worlds have many segments, and all ways to count are taken.
        patch.setattr(writer_module, "_MERGE_FACTOR", 0)
        if not compiled:
            patch.setattr(ranking, "find_best_compiled", None)
        patch.setattr(best, "_COUNT_SET", 1e9 if cheap else 0.0)
        patch.setattr(best, "_SORT_POSTING", 8.0 if cheap else 1e9)
        # And so that they are answered in several steps.
        patch.setattr(best, "_FIRST_POSTINGS", first)
        patch.setattr(best, "_LONG_QUERY", long_query)
        patch.setattr(token_sets, "_FEW_SETS", 0 if first else 1_500)
        with index.draft("k", "words/1") as draft:
            draft.add([CaptionRecord("i0", "w0"), *parts[0]])
            draft.publish()
        for part in parts[1:]:
            index.add(part)
        index.delete(gone)
        answer = index.candidates(asked_words, limit, Filters(excluded_tokens=without))
    every = {one.document_id: one for part in parts for one in part} | {"": CaptionRecord("i0", "w0")}
    left = {(one.image_id, one.caption) for one in every.values() if one.image_id not in gone}
    scored = [(len(asked_words & set(text.split())), set(text.split()), image) for image, text in left]
    expected = sorted(
        (-overlap / len(asked_words | tokens), image)
        for overlap, tokens, image in scored
        if overlap and without.isdisjoint(tokens)
    )
    assert [(-one.position.score, one.position.image_id) for one in answer.found] == expected[:limit]
    assert answer.bound >= (-expected[limit][0] if len(expected) > limit else 0.0)


texts = st.lists(st.text(st.characters(), max_size=6), max_size=30)  # lone surrogates among them


@given(texts, st.text(st.characters(), max_size=6), st.data())
def test_string_tables_are_sorted_lists(values: list[str], other: str, data: st.DataObject) -> None:
    ordered = sorted(set(values))
    table = Strings.of(ordered)
    assert table.all() == ordered
    for value in [*ordered, other]:
        assert table.find(value) == (ordered.index(value) if value in ordered else -1)
        assert table.rank(value) == sum(one < value for one in ordered)
        assert table.rank(value, after=True) == sum(one <= value for one in ordered)
    places = data.draw(st.lists(st.integers(0, len(ordered) - 1), max_size=9)) if ordered else []
    chosen = [ordered[place] for place in places]
    assert table.many(np.array(places, np.int64)) == chosen
    assert table.take(np.array(places, np.int64)).all() == chosen
    assert Strings.join([table, Strings.of(values)]).all() == [*ordered, *values]


def test_arrays_come_back_as_written_and_read_only(tmp_path: Path) -> None:
    arrays: dict[str, npt.NDArray[np.integer[Any]]] = {
        "a": np.arange(5, dtype=np.int32),
        "none": np.zeros(0, np.uint16),
        "b": np.arange(300, dtype=np.uint64),
    }
    file = ArrayFile(tmp_path / "f", write_arrays(tmp_path / "f", arrays))
    for name, array in arrays.items():
        assert (file[name].dtype, file[name].tolist()) == (array.dtype, array.tolist())
        assert not file[name].flags.writeable
    assert file.damaged(arrays) == []
    with pytest.raises(TypeError, match="cannot store"):
        write_arrays(tmp_path / "g", {"objects": np.array([None])})


def test_undecodable_file_names_of_earlier_versions_survive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storable, "unfit", lambda record: "")
    odd = CaptionRecord("photo\udcff.jpg", "a dog \udcff", image="/photos/photo\udcff.jpg")
    index = EmbeddedIndex.open(str(tmp_path / "index"), create=True)
    index.add([odd])
    assert [one.record for one in index.captions([odd.image_id])[odd.image_id]] == [odd]


def test_made_captions_are_the_same_for_a_seed_and_like_the_real_ones(tmp_path: Path) -> None:
    base = list(islice(grammar_captions(1), 500))
    one, again = (list(islice(made_captions(base, 4), 200)) for _ in range(2))
    assert one == again
    assert len(set(one) - set(base)) > 100
    lengths = [sum(len(caption.split()) for caption in group) / len(group) for group in (base, one)]
    assert lengths[1] == pytest.approx(lengths[0], rel=0.2)
    assert len(list(records(30, shared=tmp_path))) == 30
