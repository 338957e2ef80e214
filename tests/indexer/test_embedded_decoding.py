"""From bytes to texts and objects: compiled, and in Python."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.embedded import decoding, ranking
from indexer.embedded.dtypes import Int64
from indexer.embedded.strings import Strings
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
def test_records_are_those_that_their_class_makes(way: ModuleType) -> None:
    columns = [[f"{name} {number}" for number in range(3)] for name in RECORD_FIELDS]
    made = way.make_many(CaptionRecord, RECORD_FIELDS, columns)
    assert made == [CaptionRecord(*(f"{name} {number}" for name in RECORD_FIELDS)) for number in range(3)]
    assert len({*made}) == 3
    assert way.make_many(CaptionRecord, RECORD_FIELDS, [[] for _ in RECORD_FIELDS]) == []
