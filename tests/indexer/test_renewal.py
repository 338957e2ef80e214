"""Which files count as changed since they were captioned."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from captioner.photo import glance
from indexer.records import CaptionRecord, Document, as_time
from indexer.renewal import has_changed, has_moved
from tests.indexer.worlds import write_noise

DAY = 86_400.0


def document(indexed: float, phash: str = "") -> Document:
    return Document(CaptionRecord("a.png", "A dog.", phash=phash), frozenset(), as_time(indexed))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "a.png", 1)


def test_a_file_that_nobody_touched_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no photo: opening it would make it count as changed")
    assert not has_changed(str(tmp_path / "a.png"), document(time.time() + DAY))


def test_a_file_that_was_written_since_is_another(photo: Path) -> None:
    written = time.time() - DAY
    os.utime(photo, (written, written))
    assert has_changed(str(photo), document(written - DAY, glance(photo).phash))


def test_times_of_earlier_versions_were_whole_seconds(photo: Path) -> None:
    captioned = replace(document(0.0, glance(photo).phash), indexed_at="2024-05-06T07:08:09Z")
    second = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc).timestamp()
    os.utime(photo, (second + 1, second + 1))
    assert has_changed(str(photo), captioned)
    os.utime(photo, (second + 0.9, second + 0.9))
    assert not has_changed(str(photo), captioned)


@pytest.mark.parametrize("written", [-2 * DAY, DAY])
def test_a_file_with_older_or_future_times_is_looked_at(photo: Path, written: float) -> None:
    now = time.time()
    os.utime(photo, (now + written, now + written))
    captioned = now - DAY
    assert not has_changed(str(photo), document(captioned, glance(photo).phash))
    other = glance(write_noise(photo.with_name("b.png"), 2)).phash
    assert has_changed(str(photo), document(captioned, other))
    assert has_changed(str(photo), document(captioned, "not a hash"))
    assert has_changed(str(photo), document(captioned))


def test_what_has_no_times_is_unchanged(photo: Path) -> None:
    now = document(0.0)
    assert not has_changed("s3://bucket/a.png", now)
    assert not has_changed("a\0b", now)
    assert not has_changed(str(photo), Document(now.record, frozenset(), "some day"))
    assert not has_changed(str(photo), Document(now.record, frozenset()))


def test_a_picture_moved_where_its_old_file_is_gone_and_it_looks_the_same(photo: Path) -> None:
    def was(image: str, phash: str) -> Document:
        return Document(CaptionRecord("a.png", "A dog.", image=image, phash=phash), frozenset())

    same, gone = glance(photo).phash, str(photo.with_name("gone") / "a.png")
    assert has_moved(str(photo), was(gone, same))
    assert has_moved(str(photo), was(str(photo / "in no folder"), same))
    other = write_noise(photo.with_name("b.png"), 2)
    assert not has_moved(str(photo), was(gone, glance(other).phash))
    assert not has_moved(str(photo), was(gone, ""))
    for image in (str(photo), str(other), "s3://bucket/a.png", "http://example.org/a.png", "gone/a.png", ""):
        assert not has_moved(str(photo), was(image, same))
    assert not has_moved("s3://bucket/a.png", was(gone, same))
    assert not has_moved(str(photo), was("/a\0b", same))
