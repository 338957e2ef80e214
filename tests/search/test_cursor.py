"""Cursors come back whole, or are refused."""

from __future__ import annotations

import base64
import hashlib
import json
import string
import zlib
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.records import CaptionRecord, Filters, Position
from search.cursor import LONGEST, Cursor, decode, encode, fingerprint
from search.errors import QueryError
from search.jaccard import Similarity
from search.searcher import Searcher
from tests.indexer.memory import MemoryIndex

QUERY = fingerprint([frozenset({"dog"})], Filters())
CURSOR = Cursor(
    QUERY, 10, (Position(0.25, "i/7 é"),), Position(0.5, "i3"), Similarity(2, 4), ("00ff00ff00ff00ff",)
)

positions = st.builds(Position, st.floats(0, 1), st.text(max_size=8))
cursors = st.builds(
    Cursor,
    query=st.just(QUERY),
    shown=st.integers(5, 10**6),
    resume=st.lists(st.none() | positions, min_size=1, max_size=5).map(tuple),
    last=positions,
    last_similarity=st.builds(Similarity, st.integers(0, 99), st.integers(1, 99)),
    hashes=st.lists(st.text("0123456789abcdef", min_size=16, max_size=16), max_size=5).map(tuple),
)


@given(cursors)
def test_round_trip(cursor: Cursor) -> None:
    assert decode(encode(cursor), QUERY, len(cursor.resume)) == cursor


def test_a_cursor_for_one_set_of_tokens_is_as_ever() -> None:
    # People keep cursors in links and scripts.
    kept = (
        "0-_rPhiVq1YqU7Iy1FEqVLJSMjdITjNKMTdNMkk1NjA2S1XSUcoDShroKBUpWUUb6BmZ6ihl6psrxJQaGKRaKsXqKOWAxUHCxiBu"
        "MZBrpGMCZGUAjTMwSEtDxkq1AK5oGvU"
    )
    assert QUERY == "70cf2d75b4e3036e"
    assert decode(kept, QUERY) == CURSOR
    assert encode(CURSOR) == kept


def test_a_cursor_of_a_search_for_more_sets_is_refused() -> None:
    two = encode(replace(CURSOR, resume=(None, Position(0.5, "i1"))))
    with pytest.raises(QueryError, match="another search"):
        decode(two, QUERY)


def test_four_thousand_hits_with_their_hashes_fit_and_what_is_longer_than_given_is_refused() -> None:
    hashes = tuple(f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in range(5_000))
    long = replace(CURSOR, shown=4_000, hashes=hashes[:4_000])
    assert len(encode(long)) <= LONGEST
    assert decode(encode(long), QUERY) == long
    with pytest.raises(QueryError, match="not a cursor"):
        decode(encode(replace(CURSOR, shown=5_000, hashes=hashes)), QUERY)


def test_one_word_for_shells_and_urls() -> None:
    assert set(encode(CURSOR)) <= set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize("change", range(0, len(encode(CURSOR)) - 1, 7))
def test_one_changed_character_is_refused(change: int) -> None:
    text = encode(CURSOR)
    damaged = text[:change] + ("A" if text[change] != "A" else "B") + text[change + 1 :]
    with pytest.raises(QueryError, match="not a cursor"):
        decode(damaged, QUERY)


@pytest.mark.parametrize(
    "text", ["x", "....", "ünicode", "A" * 100_000, base64.b64encode(b"abcd{}").decode()]
)
def test_foreign_text_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="not a cursor"):
        decode(text, QUERY)


def forged(body: bytes) -> str:
    """Whatever a client may put into a cursor; the checksum is no secret."""
    packed = zlib.compress(body)
    return base64.urlsafe_b64encode(hashlib.sha256(packed).digest()[:4] + packed).decode().rstrip("=")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"v":1,"q":"x","n":Infinity,"r":null,"l":[0.5,"i"],"s":[1,2],"h":""}',
        b'{"v":1,"q":"x","n":1,"r":null,"l":[NaN,"i"],"s":[1,2],"h":""}',
        b'{"v":1,"q":"x","n":1,"r":null,"l":[1%s,"i"],"s":[1,2],"h":""}' % (b"0" * 400),
        b'{"v":1,"q":"x","n":-9,"r":null,"l":[0.5,"i"],"s":[1,2],"h":""}',
        b'{"v":1,"q":"x","n":1,"r":0,"l":[0.5,"i"],"s":[1,2],"h":""}',
        b'{"v":1,"q":"x","n":1,"r":null,"l":[0.5,"i"],"s":[1,2],"h":"not a hash, not a"}',
        b'{"v":1,"q":"x","n":1,"r":null,"l":[0.5,"i"],"s":[1,2],"h":"%s"}' % (b"00ff00ff00ff00ff" * 2),
    ],
)
def test_a_forged_cursor_is_refused(body: bytes) -> None:
    with pytest.raises(QueryError, match="not a cursor"):
        decode(forged(body), "x")


numbers = st.integers() | st.floats()
values = st.none() | st.booleans() | numbers | st.text(max_size=4) | st.lists(numbers, max_size=3)
places = st.tuples(numbers, st.text(max_size=4)) | values
changes = {"n": values, "r": places, "l": places, "s": st.tuples(numbers, numbers) | values, "h": values}


@given(st.one_of(*(st.tuples(st.just(name), change) for name, change in changes.items())))
def test_no_forged_cursor_breaks_a_search(change: tuple[str, object]) -> None:
    searcher = Searcher(MemoryIndex([CaptionRecord(name, f"a dog {name}") for name in "bcde"]), no_captioner)
    given = searcher.text("a dog", 2, fold_duplicates=True).cursor
    assert given is not None
    content = json.loads(zlib.decompress(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))[4:]))
    after = forged(json.dumps(content | dict([change])).encode())
    with suppress(QueryError):
        json.dumps(searcher.text("a dog", 2, fold_duplicates=True, after=after).as_json())


def no_captioner() -> Any:
    raise AssertionError("not needed")


@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    with pytest.raises(QueryError):
        decode(text, QUERY)


def test_a_cursor_of_another_search_is_refused() -> None:
    with pytest.raises(QueryError, match="another search"):
        decode(encode(CURSOR), fingerprint([frozenset({"cat"})], Filters()))


def test_what_makes_a_search_another() -> None:
    dog = frozenset({"dog"})
    prints = {
        fingerprint([dog], Filters()),
        fingerprint([frozenset({"dog", "cat"})], Filters()),
        fingerprint([dog, frozenset({"cat"})], Filters()),
        fingerprint([frozenset({"cat"}), dog], Filters()),
        fingerprint([dog], Filters({"source": ("coco",)})),
        fingerprint([dog], Filters({"source": ("coco", "folder")})),
        fingerprint([dog], Filters({"kind": ("coco",)})),
        fingerprint([dog], Filters(), "english/1"),
    }
    assert len(prints) == 8
    one, other = Filters({"source": ("a", "b")}), Filters({"source": ("b", "a")})
    assert fingerprint([dog], one) == fingerprint([dog], other)
