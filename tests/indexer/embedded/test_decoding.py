"""From bytes to texts and objects: compiled, and in Python."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.embedded import decoding, ranking
from indexer.embedded.dtypes import Int64
from indexer.embedded.strings import Strings, encode
from indexer.embedded.token_sets import TokenSets
from indexer.records import RECORD_FIELDS, CaptionRecord

try:
    from indexer.embedded import decoder
except ImportError:
    WAYS: list[ModuleType] = [decoding]
else:
    WAYS = [decoding, decoder]
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.rpartition(".")[2])

#: The types that stored numbers may have, and those of places that are calculated.
KINDS = ("u1", "u2", "u4", "u8", "i8")


def test_it_is_compiled_where_the_kernel_is() -> None:
    assert (decoding in WAYS) and len(WAYS) == 1 + (ranking.find_best_compiled is not None)
    used = sys.modules[Strings.__module__].__dict__["decode_many"]
    assert used is WAYS[-1].decode_many


@every_way
@given(
    texts=st.lists(st.text(st.characters(), max_size=5), min_size=1, max_size=9),
    chosen=st.lists(st.integers(0, 8)),
    kinds=st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)),
)
def test_the_texts_at_places_in_any_order(
    way: ModuleType, texts: list[str], chosen: list[int], kinds: tuple[str, str]
) -> None:
    table, chosen = Strings.of([*texts, "\udcff"]), [place % (len(texts) + 1) for place in chosen]
    places = np.array(chosen, np.dtype(kinds[1]))
    found = way.decode_many(table.blob, table.starts.astype(kinds[0]), places)
    assert found == [[*texts, "\udcff"][place] for place in chosen]


@every_way
def test_a_place_that_is_not_there_is_an_error(way: ModuleType) -> None:
    table = Strings.of(["a", "b"])
    for place in (2, 3, 2**40, -1):
        with pytest.raises(IndexError):
            way.decode_many(table.blob, table.starts, np.array([0, place]))


@every_way
def test_bytes_that_are_no_text_are_an_error(way: ModuleType) -> None:
    with pytest.raises(UnicodeDecodeError):
        way.decode_many(np.array([0xFF], np.uint8), np.array([0, 1]), np.array([0]))


@every_way
@pytest.mark.parametrize("starts", [[0, 9], [2, 1], [2**62, 2**63 - 1], [-5, 1]])
def test_starts_that_lead_outside_are_refused(way: ModuleType, starts: list[int]) -> None:
    blob: Int64 = np.zeros(3, np.uint8)
    with pytest.raises(IndexError, match="does not lie within"):
        way.decode_many(blob, np.array(starts), np.array([0]))


@every_way
def test_the_last_text_that_a_small_place_can_name(way: ModuleType) -> None:
    """The place behind it, where it ends, does not fit the places' type."""
    table = Strings.of([str(number) for number in range(256)])
    assert way.decode_many(table.blob, table.starts, np.array([255, 0], np.uint8)) == ["255", "0"]


@every_way
@given(
    texts=st.sets(st.text(st.characters(), max_size=3), max_size=9),
    wanted=st.text(st.characters(), max_size=3),
    kind=st.sampled_from(KINDS),
)
def test_a_text_is_located_in_a_sorted_table(
    way: ModuleType, texts: set[str], wanted: str, kind: str
) -> None:
    ordered = sorted(texts)
    table = Strings.of(ordered)
    for text in (wanted, *ordered):
        found = way.locate(table.blob, table.starts.astype(kind), encode(text))
        assert found == (sum(one < text for one in ordered), text in texts)


@every_way
@pytest.mark.parametrize("starts", [[0, 9], [2, 1], [2**62, 2**63 - 1], [-5, 1]])
def test_nothing_is_located_outside_of_the_texts(way: ModuleType, starts: list[int]) -> None:
    blob: Int64 = np.zeros(3, np.uint8)
    with pytest.raises(IndexError, match="does not lie within"):
        way.locate(blob, np.array(starts), b"a")


@every_way
def test_records_are_those_that_their_class_makes(way: ModuleType) -> None:
    columns = [[f"{name} {number}" for number in range(3)] for name in RECORD_FIELDS]
    made = way.make_many(CaptionRecord, RECORD_FIELDS, columns)
    assert made == [CaptionRecord(*(f"{name} {number}" for name in RECORD_FIELDS)) for number in range(3)]
    assert len({*made}) == 3
    assert way.make_many(CaptionRecord, RECORD_FIELDS, [[] for _ in RECORD_FIELDS]) == []


def sets_of(sets: list[list[int]], captions: list[int], kind: str = "u2") -> TokenSets:
    """These sets, which ascend in size, and how many captions each stands for."""
    sizes = sorted({len(one) for one in sets})
    class_sets = np.searchsorted([len(one) for one in sets], [*sizes, 99]).astype(np.int32)
    return TokenSets(
        np.array(sizes, np.int32),
        class_sets,
        np.cumsum([0, *np.diff(class_sets) * sizes]).astype(np.int64),
        np.array([token for one in sets for token in one], kind),
        np.cumsum([0, *captions]).astype(np.uint32),
        np.zeros(0, np.int32),
    )


@every_way
@given(
    captions=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    data=st.data(),
    most=st.integers(1, 40),
    kind=st.sampled_from(KINDS),
)
def test_captions_come_by_score_then_image_then_row(
    way: ModuleType, captions: list[int], data: st.DataObject, most: int, kind: str
) -> None:
    token_sets = sets_of([[number] for number in range(len(captions))], captions)
    rows = [range(sum(captions[:one]), sum(captions[: one + 1])) for one in range(len(captions))]
    images = [
        image for count in captions for image in sorted(data.draw(st.integers(0, 3)) for _ in range(count))
    ]
    scored = data.draw(st.dictionaries(st.integers(0, len(captions) - 1), st.sampled_from([0.25, 0.5, 1.0])))
    expected = sorted((-score, images[row], row, one) for one, score in scored.items() for row in rows[one])
    sets = sorted(scored, key=lambda one: (-scored[one], one))
    found = way.unfold(
        token_sets,
        np.array(sets, np.int32),
        np.array([scored[one] for one in sets], np.float64),
        np.array(images, kind),
        most,
    )
    best = expected[:most]
    assert [part.tolist() for part in found] == [
        [-score for score, *_ in best],
        [image for _, image, *_ in best],
        [one for *_, one in best],
        [row for _, _, row, _ in best],
    ]


@every_way
@pytest.mark.parametrize(
    ("rows", "wanted"),
    [([0, 1, 9, 3], [1]), ([0, 2, 1, 3], [1]), ([0, 1, 2, 3], [3]), ([0, 2**32 - 1, 2, 3], [0])],
    ids=["behind the end", "backwards", "no such set", "far away"],
)
def test_captions_that_are_not_there_are_refused(way: ModuleType, rows: list[int], wanted: list[int]) -> None:
    token_sets = replace(sets_of([[1], [2], [3]], [1, 1, 1]), rows=np.array(rows, np.uint32))
    with pytest.raises((IndexError, ValueError)):
        way.unfold(token_sets, np.array(wanted, np.int32), np.ones(len(wanted)), np.zeros(3, np.uint8), 99)


@every_way
@given(
    sets=st.lists(st.lists(st.integers(0, 200), max_size=6, unique=True), min_size=1, max_size=9),
    data=st.data(),
    kind=st.sampled_from(KINDS),
)
def test_the_tokens_of_sets(way: ModuleType, sets: list[list[int]], data: st.DataObject, kind: str) -> None:
    sets.sort(key=len)
    chosen = data.draw(st.lists(st.integers(0, len(sets) - 1)))
    texts = [f"w{number}" for number in range(201)]
    known = {number: texts[number] for number in data.draw(st.sets(st.integers(0, 200)))}
    expected = known | {token: texts[token] for one in chosen for token in sets[one]}
    token_sets, table = sets_of(sets, [1] * len(sets), kind), Strings.of(texts)
    found = way.decode_sets(token_sets, np.array(chosen, np.int32), table.blob, table.starts, known)
    assert found == [frozenset(texts[token] for token in sets[one]) for one in chosen]
    assert known == expected


@every_way
def test_tokens_that_are_not_in_the_vocabulary_are_refused(way: ModuleType) -> None:
    token_sets, table = sets_of([[1], [2]], [1, 1]), Strings.of(["a", "b"])
    with pytest.raises(IndexError):
        way.decode_sets(token_sets, np.array([0, 1], np.int32), table.blob, table.starts, {})


@pytest.mark.skipif(len(WAYS) == 1, reason="compiled only where there is a compiler")
@pytest.mark.parametrize("damage", ["set above", "set below", "tokens", "classes", "backwards"])
def test_the_compiled_module_refuses_sets_that_lead_outside(damage: str) -> None:
    token_sets, wanted = sets_of([[1], [2], [3, 4], [5, 6]], [1] * 4), 3
    table = Strings.of(list("abcdefg"))
    if damage.startswith("set"):
        wanted = 4 if damage == "set above" else -1
    elif damage == "tokens":
        token_sets = replace(token_sets, tokens=token_sets.tokens[:3])
    elif damage == "classes":
        token_sets = replace(token_sets, sizes=token_sets.sizes[:1])
    else:
        token_sets = replace(token_sets, class_tokens=token_sets.class_tokens - 99)
    with pytest.raises((IndexError, ValueError)):
        WAYS[-1].decode_sets(token_sets, np.array([wanted], np.int32), table.blob, table.starts, {})
