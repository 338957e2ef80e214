"""Tables of strings, whose places are stored in the narrowest type: sums of places must not wrap around."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.embedded import EmbeddedIndex
from indexer.embedded.rows import TEXTS
from indexer.embedded.strings import Strings
from indexer.records import CaptionRecord
from tests.indexer.three_images import DOG

Kind = type[np.integer[Any]]
KINDS: tuple[Kind, ...] = (np.uint8, np.uint16, np.uint32, np.uint64, np.int64)
texts = st.lists(st.text(st.characters(codec="utf-8"), max_size=12) | st.just("é" * 60), max_size=12)


def stored(values: list[str], kind: Kind) -> Strings:
    """With places of this type, or of the narrowest that holds them."""
    table = Strings.of(values)
    end = int(table.starts[-1])
    return Strings(table.blob, table.starts.astype(kind if end <= np.iinfo(kind).max else np.uint16))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(st.lists(texts, min_size=1, max_size=6))
def test_a_joined_table_has_the_strings_of_all(kind: Kind, parts: list[list[str]]) -> None:
    joined = Strings.join([stored(part, kind) for part in parts])
    assert joined.all() == [text for part in parts for text in part]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(texts, st.data())
def test_a_part_of_a_table_has_its_strings(kind: Kind, values: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(range(len(values))), max_size=9) if values else st.just([]))
    taken = stored(values, kind).take(np.array(chosen, np.int64))
    assert taken.all() == [values[place] for place in chosen]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(texts, st.text(max_size=3) | st.just("x" * 300))
def test_strings_are_found_whole_and_by_their_beginning(kind: Kind, values: list[str], wanted: str) -> None:
    table = stored(values, kind)
    for text in (wanted, *values):
        assert table.find_all(text).tolist() == [n for n, one in enumerate(values) if one == text]
        assert table.find_prefix(text).tolist() == [n for n, one in enumerate(values) if one.startswith(text)]


def described(number: int) -> CaptionRecord:
    """Of 130 bytes in each text: 256 make a table of 33 KB, and three such are joined."""
    words = f"a dog and {number:05} " + "very " * 22
    texts = {name: f"{name} {number:05} {'x' * 120}" for name in TEXTS if name not in ("caption", "phash")}
    return CaptionRecord(f"{number:05}.jpg", words.strip(), phash=f"{number:016x}" * 8, **texts)


def test_tables_of_more_than_64_kb_merge_without_a_mixed_up_text(tmp_path: Path) -> None:
    """Places beyond 65,535 do not fit the types of the tables that are joined."""
    records = [described(number) for number in range(3 * 256)]
    with EmbeddedIndex.open(str(tmp_path), create=True) as index:
        with index.draft("k") as draft:
            for first in range(0, len(records), 256):
                draft.add(records[first : first + 256])
            draft.publish()
        (segment,) = index._current().segments
        assert all(int(segment.column(name).values.starts[-1]) > 1 << 16 for name in TEXTS)
        assert sorted(index.records(), key=lambda one: one.image_id) == records
        assert index.check() == []


def test_a_filter_may_be_longer_than_all_that_is_stored(tmp_path: Path) -> None:
    with EmbeddedIndex.open(str(tmp_path), create=True) as index:
        index.add([CaptionRecord("1", "a dog", title="short")])
        assert index.candidates(DOG, 5, {"title": "x" * 300}).found == ()
        assert list(index.places("/folder" * 50)) == []
