"""An embedded index of three images, whose one file is known: what tests damage, kill, fill and lock."""

from __future__ import annotations

from pathlib import Path

from indexer.embedded import EmbeddedIndex
from indexer.records import CaptionRecord

DOG = frozenset({"dog"})


def record(image_id: str, caption: str = "a dog") -> CaptionRecord:
    return CaptionRecord(image_id, caption)


def make_index(folder: Path) -> None:
    """By the analyzer english/1."""
    with EmbeddedIndex.open(str(folder), create=True) as index, index.draft("k", "english/1") as draft:
        draft.add([record("1"), record("2", "two cats"), record("3", "a dog and a cat")])
        draft.publish()


def arrays_of(folder: Path) -> Path:
    (path,) = folder.rglob("*.arrays")
    return path
