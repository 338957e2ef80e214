"""What the embedded engine's writer does beside readers: additions, merges and spills."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.embedded import EmbeddedIndex
from indexer.embedded import draft as draft_module
from indexer.embedded import writer as writer_module
from indexer.records import CaptionRecord, Query
from tests.indexer.three_images import DOG, arrays_of, record


def test_readers_find_a_whole_generation_while_a_writer_adds_deletes_and_merges(small_index: Path) -> None:
    stop, wrong = threading.Event(), []
    reads = [threading.Semaphore(0) for _ in range(2)]

    def read(seed: int) -> None:
        chance = random.Random(seed)
        reader = EmbeddedIndex.open(str(small_index))
        while not stop.is_set():
            index = reader if chance.random() < 0.5 else EmbeddedIndex.open(str(small_index))
            found = {one.document.record.image_id for one in index.candidates(DOG, 1000).found}
            # Images come and go in pairs: a reader that sees half a change would see one of a pair.
            odd = {name for name in found if name.startswith("p") and _partner(name) not in found}
            if odd or not {"1", "3"} <= found:
                wrong.append(found)
            reads[seed].release()

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    try:
        writer = EmbeddedIndex.open(str(small_index))
        for number in range(30):
            writer.add([record(f"p{number}a"), record(f"p{number}b")])
            if number % 3 == 2:
                writer.delete([f"p{number - 1}a", f"p{number - 1}b"])
            assert all(one.acquire(timeout=60) for one in reads), "a reader stopped"
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def _partner(name: str) -> str:
    return name[:-1] + ("b" if name.endswith("a") else "a")


def test_a_reader_keeps_answering_from_files_that_a_merge_removed(small_index: Path) -> None:
    from indexer.embedded.answer import answer

    held = EmbeddedIndex.open(str(small_index))._current()
    old = arrays_of(small_index)
    with EmbeddedIndex.open(str(small_index)) as writer:
        writer.add([record("4"), record("5")])
    assert not old.exists()
    assert len(answer(held.segments, Query(DOG), 9).found) == 2


def test_many_small_additions_stay_few_segments(small_index: Path) -> None:
    index = EmbeddedIndex.open(str(small_index))
    for number in range(100):
        index.add([record(f"n{number}")])
    details = index.status().details
    assert int(details["segments"]) <= 6
    assert len(list(small_index.rglob("*.arrays"))) == details["segments"]


def test_what_is_merged_goes_also_where_the_folder_is_reached_by_a_link(
    small_index: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(small_index)
    with EmbeddedIndex.open(str(link)) as index:
        for number in range(20):
            index.add([record(f"n{number}")])
        assert len(list(small_index.rglob("*.arrays"))) == index.status().details["segments"]


def test_large_additions_spill_and_answer_as_one(small_index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "SPILL_ROWS", 50)
    monkeypatch.setattr(writer_module, "_BATCH_ROWS", 20)
    index = EmbeddedIndex.open(str(small_index))
    given = [record(f"n{number % 150:03d}", f"a dog {number % 150}") for number in range(300)]
    report = index.add(given)
    assert (report.added, report.unchanged) == (150, 150)
    assert index.count([Query(DOG, min_score=0.01)]) == 152


def test_no_segment_outgrows_the_memory_of_a_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_MERGE_ROWS", 10)
    monkeypatch.setattr(writer_module, "SPILL_ROWS", 4)
    monkeypatch.setattr(writer_module, "_BATCH_ROWS", 4)
    with EmbeddedIndex.open(str(tmp_path), create=True) as index:
        with index.draft("k", "english/1") as draft:
            draft.add(record(f"built{number}") for number in range(20))
            draft.publish()
        assert rows_of(index) == [4, 8, 8]
        for number in range(12):
            index.add([record(f"added{number}")])
            assert max(rows_of(index)) <= 10
        assert index.count([Query(DOG, min_score=0.01)]) == 32
        assert len(list(tmp_path.rglob("*.arrays"))) == len(rows_of(index)), "merged ones stayed"


def rows_of(index: EmbeddedIndex) -> list[int]:
    return sorted(len(segment) for segment in index._current().segments)


def test_the_last_metadata_stay_through_spills_and_merges(
    small_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SPILL_ROWS", 5)
    monkeypatch.setattr(writer_module, "_BATCH_ROWS", 3)
    index = EmbeddedIndex.open(str(small_index))
    given = [replace(record(f"n{number % 7}"), image=f"{number}.jpg") for number in range(40)]
    assert index.add(given).added == 40
    assert index.add(given[-7:]).unchanged == 7
    held = index.captions(one.image_id for one in given)
    assert [held[one.image_id][0].record for one in given[-7:]] == given[-7:]
    assert index.status().captions == 3 + 7
    assert index.count([Query(DOG, min_score=0.01)]) == 2 + 7
    assert index.check() == []


def test_a_source_that_fails_adds_nothing(small_index: Path) -> None:
    def failing() -> Iterator[CaptionRecord]:
        yield record("8")
        raise OSError("the network is down")

    index = EmbeddedIndex.open(str(small_index))
    with pytest.raises(OSError, match="the network is down"):
        index.add(failing())
    assert index.captions(["8"]) == {}
    assert index.add([record("8")]).added == 1


def test_a_build_begins_and_ends_without_what_a_killed_writer_left(small_index: Path) -> None:
    """On a full disk it would keep it full."""
    with EmbeddedIndex.open(str(small_index)) as index:
        index.add(record(f"{number}") for number in range(4, 9))
        with index.draft("k") as draft:
            draft.add([record("9")])
        (folder,) = (path.parent for path in small_index.rglob("draft.json"))
        left = [
            folder / "segment-000009.arrays.tmp",
            small_index / "draft-00000000" / "segment-000001.arrays",
        ]
        left[1].parent.mkdir()
        for path in left:
            path.write_bytes(b"x")
        with index.draft("k") as draft:
            assert not any(path.exists() for path in left)
            assert draft.add([record("9")]).unchanged == 1
            draft.publish()
        assert arrays_of(small_index).parent == folder


def test_a_build_that_is_interrupted_before_it_begins_lets_others_write(
    small_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with EmbeddedIndex.open(str(small_index)) as index:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as held:
            patch.setattr(draft_module, "_create_draft", interrupted)
            index.draft("k")
        assert index.add([record("4")]).added == 1
        del held
