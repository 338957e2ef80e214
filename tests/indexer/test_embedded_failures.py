"""What the embedded engine survives: kill -9, a second writer, damage, a full disk, readers beside."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from indexer.embedded import EmbeddedIndex
from indexer.embedded import writer as writer_module
from indexer.embedded.manifest import read_manifest, write_manifest
from indexer.errors import (
    IndexDamagedError,
    IndexerError,
    IndexLockedError,
    IndexMismatchError,
    IndexNotFoundError,
    IndexUnavailableError,
)
from indexer.records import CaptionRecord
from tests.conftest import ROOT
from tests.indexer.embedded_writer import change

DOG = frozenset({"dog"})


def record(image_id: str, caption: str = "a dog") -> CaptionRecord:
    return CaptionRecord(image_id, caption)


@pytest.fixture
def where(tmp_path: Path) -> Path:
    """An index of three images by the analyzer english/1."""
    folder = tmp_path / "index"
    with EmbeddedIndex.open(str(folder), create=True) as index, index.draft("k", "english/1") as draft:
        draft.add([record("1"), record("2", "two cats"), record("3", "a dog and a cat")])
        draft.publish()
    return folder


def arrays_of(folder: Path) -> Path:
    (path,) = folder.rglob("*.arrays")
    return path


# Killed.


def after(done: int, seed: int) -> set[str]:
    """The images that are there after the changes before number `done`."""
    images: set[str] = set()
    for number in range(done):
        kind, changed = change(number, seed)
        images = {
            "add": images | set(changed),
            "delete": images - set(changed),
            "build": set(changed),
            "replace": images,
        }[kind]
    return images


def images_in(folder: Path) -> set[str]:
    """The images of an index, whole; none where nothing was published yet."""
    try:
        index = EmbeddedIndex.open(str(folder))
    except IndexNotFoundError:
        return set()
    assert index.check() == []
    images = {document.record.image_id for document in index.random(1000)}
    assert index.status().captions == 2 * len(images)
    assert all(len(group) == 2 for group in index.captions(images).values())
    return images


def check_killed(folder: Path, seed: int, output: str) -> None:
    """What was said to be done is there; what was begun is there as a whole or not at all."""
    begun, done = output.count("begin"), output.count("done")
    assert images_in(folder) in (after(done, seed), after(begun, seed))
    with EmbeddedIndex.open(str(folder), create=True) as index, index.draft("build", "seed/1") as draft:
        draft.add([record("new")])
        draft.publish()
    assert {path.parent for path in folder.rglob("*.arrays")} == {arrays_of(folder).parent}
    assert {document.record.image_id for document in index.random(1000)} >= {"new"}


def run_writer(folder: Path, seed: int, step: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.indexer.embedded_writer", str(folder), str(seed), str(step)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 8, 13, 22, 41, 120])
def test_killed_before_any_durable_step_it_holds_what_was_committed(tmp_path: Path, step: int) -> None:
    process = run_writer(tmp_path / "index", step, step)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == -9
    check_killed(tmp_path / "index", step, output)


@pytest.mark.slow
@pytest.mark.parametrize("step", range(1, 101))
def test_killed_a_hundred_times(tmp_path: Path, step: int) -> None:
    process = run_writer(tmp_path / "index", 1000 + step, step)
    output, _ = process.communicate(timeout=120)
    check_killed(tmp_path / "index", 1000 + step, output)


def test_killed_from_outside_while_it_writes(tmp_path: Path) -> None:
    process = run_writer(tmp_path / "index", 7, 0)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(31)]
    process.kill()
    output = "".join([*lines, process.stdout.read()])
    process.communicate()
    check_killed(tmp_path / "index", 7, output)


# Locked.


def test_a_second_writer_is_told_who_writes(where: Path) -> None:
    first, second = (EmbeddedIndex.open(str(where)) for _ in range(2))
    with first.draft("k2") as draft:
        for attempt in (
            lambda: second.add([record("9")]),
            lambda: second.delete(["1"]),
            lambda: second.draft("x"),
        ):
            with pytest.raises(IndexLockedError, match=rf"another writer \(process {os.getpid()}\)"):
                attempt()
        assert len(second.candidates(DOG, 5).found) == 2
        draft.add([record("9")])
    assert second.delete(["1"]) == 1


def test_the_lock_goes_with_its_process(where: Path) -> None:
    code = (
        "import os, sys; from indexer.embedded import EmbeddedIndex;"
        "draft = EmbeddedIndex.open(sys.argv[1]).draft('k'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(where)], cwd=ROOT).returncode == -9
    assert EmbeddedIndex.open(str(where)).add([record("9")]).added == 1


# Damaged.


def test_a_flipped_byte_is_found_by_check_with_the_name_of_the_file(where: Path) -> None:
    path = arrays_of(where)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    index = EmbeddedIndex.open(str(where))
    (problem,) = index.check()
    assert problem.startswith(f"{path.relative_to(where)}: ") and "checksum" in problem


@pytest.mark.parametrize("keep", [0, 1, 40, -1])
def test_a_truncated_manifest_is_one_clear_line(where: Path, keep: int) -> None:
    path = where / "manifest.json"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(IndexDamagedError, match=r"manifest.json: the manifest is incomplete or damaged"):
        EmbeddedIndex.open(str(where))


def test_a_manifest_that_was_edited_is_refused(where: Path) -> None:
    path = where / "manifest.json"
    path.write_text(path.read_text().replace("english/1", "english/9"))
    with pytest.raises(IndexDamagedError):
        EmbeddedIndex.open(str(where))


def test_a_missing_or_truncated_file_is_named(where: Path) -> None:
    path = arrays_of(where)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IndexDamagedError, match=path.name):
        EmbeddedIndex.open(str(where))
    path.unlink()
    with pytest.raises(IndexDamagedError, match=rf"{path.name} is missing"):
        EmbeddedIndex.open(str(where))


def test_a_damaged_header_is_refused(where: Path) -> None:
    path = arrays_of(where)
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)
    with pytest.raises(IndexDamagedError, match="header"):
        EmbeddedIndex.open(str(where))


def test_a_schema_of_another_version_is_refused(where: Path) -> None:
    write_manifest(where, read_manifest(where).following(schema=99))
    with pytest.raises(IndexMismatchError, match="schema 99"):
        EmbeddedIndex.open(str(where))


def truncate_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:40])


def empty_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"")


def lose_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def lose_segment(folder: Path) -> None:
    next(folder.rglob("segment-*.arrays")).unlink()


def cut_segment(folder: Path) -> None:
    path = next(folder.rglob("segment-*.arrays"))
    path.write_bytes(path.read_bytes()[:-1])


def change_schema(folder: Path) -> None:
    write_manifest(folder, read_manifest(folder).following(schema=99))


def rewrite_manifest(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    """With a checksum that fits."""
    path = folder / "manifest.json"
    fields = json.loads(json.loads(path.read_bytes())["manifest"])
    change(fields)
    body = json.dumps(fields)
    path.write_text(json.dumps({"checksum": zlib.crc32(body.encode()), "manifest": body}))


def lose_schema(folder: Path) -> None:
    rewrite_manifest(folder, lambda fields: fields.pop("schema"))


def add_field(folder: Path) -> None:
    rewrite_manifest(folder, lambda fields: fields.update(later=1))


DAMAGES = [
    truncate_manifest,
    empty_manifest,
    lose_manifest,
    lose_schema,
    add_field,
    lose_segment,
    cut_segment,
    change_schema,
]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*.arrays")
        if path.is_file()
    }


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("additions", [0, 3])
def test_a_damaged_index_is_built_again_by_the_command_that_its_error_names(
    where: Path, additions: int, damage: Callable[[Path], None]
) -> None:
    with EmbeddedIndex.open(str(where)) as index:
        for number in range(additions):
            index.add([record(f"more{number}")])
    damage(where)
    before = files_of(where)
    with EmbeddedIndex.open(str(where), create=True) as index:
        with index.draft("again") as draft:
            draft.add([record("new")])
            assert before.items() <= files_of(where).items(), "nothing goes before there is a new index"
            assert draft.publish().captions == 1
        index.add([record("newer")])
    with EmbeddedIndex.open(str(where)) as index:
        assert {one.record.image_id for one in index.random(9)} == {"new", "newer"}
        assert index.check() == []
    assert not before.keys() & files_of(where).keys()


@pytest.mark.parametrize("damage", [one for one in DAMAGES if one is not lose_manifest])
def test_nothing_is_added_to_a_damaged_index(where: Path, damage: Callable[[Path], None]) -> None:
    damage(where)
    before = files_of(where)
    with EmbeddedIndex.open(str(where), create=True) as index:
        for change_it in (lambda: index.add([record("new")]), lambda: index.delete(["1"]), index.status):
            with pytest.raises((IndexDamagedError, IndexMismatchError), match=r"build (it|the index) again"):
                change_it()
    assert files_of(where) == before


def test_a_manifest_among_other_files_is_not_built_over(where: Path) -> None:
    (where / "holiday.jpg").write_bytes(b"x")
    empty_manifest(where)
    with pytest.raises(IndexerError, match=r"other files \(holiday.jpg\)"):
        EmbeddedIndex.open(str(where), create=True)


def lose_draft_segment(folder: Path) -> None:
    next(path for path in folder.rglob("segment-*.arrays") if (path.parent / "draft.json").exists()).unlink()


def flip_draft_byte(folder: Path, place: float = 1.0) -> None:
    path = next(path for path in folder.rglob("segment-*.arrays") if (path.parent / "draft.json").exists())
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 3))] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage", [lose_draft_segment, *(partial(flip_draft_byte, place=one / 20) for one in range(21))]
)
def test_a_damaged_draft_does_not_stop_the_same_build(where: Path, damage: Callable[[Path], None]) -> None:
    with EmbeddedIndex.open(str(where)) as index:
        with index.draft("next") as draft:
            draft.add([record("new"), record("other")])
            draft.add([record("third", "two cats")])
        damage(where)
        with index.draft("next") as draft:
            begun_anew = draft.add([record("new")]).added  # or not: some bytes only fill up the file
            assert draft.publish().captions == (1 if begun_anew else 3)
        assert begun_anew or damage is not lose_draft_segment
        assert index.check() == []
    arrays_of(where)


def test_a_draft_that_is_damaged_while_it_is_open_is_not_published(where: Path) -> None:
    with EmbeddedIndex.open(str(where)) as index:
        with index.draft("next") as draft:
            draft.add([record("new"), record("other"), record("third", "two cats")])
            flip_draft_byte(where)
            with pytest.raises(IndexDamagedError, match="build again"):
                draft.publish()
        assert {one.record.image_id for one in index.random(9)} == {"1", "2", "3"}


# Places that cannot be used.


def test_a_folder_of_other_files_is_not_made_an_index(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(IndexerError, match=r"other files \(holiday.jpg\)"):
        EmbeddedIndex.open(str(tmp_path), create=True)
    with pytest.raises(IndexNotFoundError, match="is a file"):
        EmbeddedIndex.open(str(tmp_path / "holiday.jpg"), create=True)


def test_an_index_that_was_removed_is_told_of(where: Path) -> None:
    index = EmbeddedIndex.open(str(where))
    (where / "manifest.json").unlink()
    with pytest.raises(IndexNotFoundError, match="gone"):
        index.candidates(DOG, 5)


@contextmanager
def full_disk() -> Iterator[None]:
    """Files of this process can grow to 2,000 bytes: the system refuses as a full disk does.

    Around the attempts alone: pytest's own output may go to a file, and would be cut off as well.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_leaves_what_was_committed_and_no_debris(where: Path) -> None:
    index = EmbeddedIndex.open(str(where))
    before = sorted(where.rglob("*"))
    for attempt in (lambda: index.add([record("9")]), lambda: index.draft("k").add([record("9")])):
        with (
            full_disk(),
            pytest.raises(IndexUnavailableError, match=r"no space left on the device.*is whole"),
        ):
            attempt()
    left = [path for path in sorted(where.rglob("*")) if path not in before]
    assert [path.name for path in left if ".arrays" in path.name] == []
    assert len(EmbeddedIndex.open(str(where)).candidates(DOG, 5).found) == 2


def test_a_read_only_folder_can_be_searched_and_refuses_changes_clearly(where: Path) -> None:
    for path in [where, *where.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from indexer.embedded import EmbeddedIndex; from indexer.errors import IndexUnavailableError\n"
        "os.chdir(sys.argv[1])\n"
        "if os.getuid() == 0: os.setresuid(65534, 65534, 65534)\n"
        "index = EmbeddedIndex.open('.')\n"
        "print(len(index.candidates(frozenset({'dog'}), 5).found))\n"
        "try: index.delete(['1'])\n"
        "except IndexUnavailableError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(where)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    for path in [where, *where.rglob("*")]:
        path.chmod(0o755)
    assert result.stdout.splitlines() == [
        "2", ".: cannot write (Permission denied); what was committed before is whole",
    ], result.stderr  # fmt: skip


# Readers beside a writer.


def test_readers_find_a_whole_generation_while_a_writer_adds_deletes_and_merges(where: Path) -> None:
    stop, wrong = threading.Event(), []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        reader = EmbeddedIndex.open(str(where))
        while not stop.is_set():
            index = reader if chance.random() < 0.5 else EmbeddedIndex.open(str(where))
            found = {one.document.record.image_id for one in index.candidates(DOG, 1000).found}
            # Images come and go in pairs: a reader that sees half a change would see one of a pair.
            odd = {name for name in found if name.startswith("p") and _partner(name) not in found}
            if odd or not {"1", "3"} <= found:
                wrong.append(found)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    try:
        writer = EmbeddedIndex.open(str(where))
        for number in range(30):
            writer.add([record(f"p{number}a"), record(f"p{number}b")])
            if number % 3 == 2:
                writer.delete([f"p{number - 1}a", f"p{number - 1}b"])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def _partner(name: str) -> str:
    return name[:-1] + ("b" if name.endswith("a") else "a")


def test_a_reader_keeps_answering_from_files_that_a_merge_removed(where: Path) -> None:
    from indexer.embedded.answer import answer
    from indexer.records import Query

    held = EmbeddedIndex.open(str(where))._current()
    old = arrays_of(where)
    with EmbeddedIndex.open(str(where)) as writer:
        writer.add([record("4"), record("5")])
    assert not old.exists()
    assert len(answer(held.segments, Query(DOG), 9).found) == 2


def test_many_small_additions_stay_few_segments(where: Path) -> None:
    index = EmbeddedIndex.open(str(where))
    for number in range(100):
        index.add([record(f"n{number}")])
    details = index.status().details
    assert int(details["segments"]) <= 6
    assert len(list(where.rglob("*.arrays"))) == details["segments"]


def test_large_additions_spill_and_answer_as_one(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "SPILL_ROWS", 50)
    monkeypatch.setattr(writer_module, "_BATCH_ROWS", 20)
    index = EmbeddedIndex.open(str(where))
    given = [record(f"n{number % 150:03d}", f"a dog {number % 150}") for number in range(300)]
    report = index.add(given)
    assert (report.added, report.unchanged) == (150, 150)
    assert index.count(DOG, 0.01) == 152


def test_the_last_metadata_stay_through_spills_and_merges(
    where: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SPILL_ROWS", 5)
    monkeypatch.setattr(writer_module, "_BATCH_ROWS", 3)
    index = EmbeddedIndex.open(str(where))
    given = [replace(record(f"n{number % 7}"), image=f"{number}.jpg") for number in range(40)]
    assert index.add(given).added == 40
    assert index.add(given[-7:]).unchanged == 7
    held = index.captions(one.image_id for one in given)
    assert [held[one.image_id][0].record for one in given[-7:]] == given[-7:]
    assert index.status().captions == 3 + 7
    assert index.count(DOG, 0.01) == 2 + 7
    assert index.check() == []


def test_a_source_that_fails_adds_nothing(where: Path) -> None:
    def failing() -> Iterator[CaptionRecord]:
        yield record("8")
        raise OSError("the network is down")

    index = EmbeddedIndex.open(str(where))
    with pytest.raises(OSError, match="the network is down"):
        index.add(failing())
    assert index.captions(["8"]) == {}
    assert index.add([record("8")]).added == 1


def test_a_record_that_is_no_record_is_told_of_and_the_rest_goes_on(where: Path) -> None:
    broken = CaptionRecord("bad", "a dog", license=None)  # type: ignore[arg-type]
    report = EmbeddedIndex.open(str(where)).add([record("7"), broken, record("8")])
    (rejected,) = report.rejected
    assert (report.added, rejected.image_id, rejected.reason) == (2, "bad", "license is NoneType, not text")
