"""Bytes of an embedded index that change by themselves: it answers as before, or in a clear line."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.embedded import EmbeddedIndex, shape, view
from indexer.embedded.rows import TEXTS
from indexer.errors import IndexDamagedError
from indexer.records import CaptionRecord, Document, Filters, Query
from tests.indexer.embedded.forging import overwrite

WORDS = "dog cat beach man woman ball red blue horse pizza table street car".split()
QUESTION = frozenset({"dog", "beach", "red", "nothing"})
FLIPS = 150


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two segments and tombstones."""
    folder = tmp_path_factory.mktemp("sound") / "index"
    chance = random.Random(1)
    records = [
        CaptionRecord(
            f"img{number % 60}.jpg",
            " ".join(chance.sample(WORDS, chance.randint(1, 6))),
            image=f"/photos/{number % 60}.jpg",
            source=chance.choice(["x", "y"]),
        )
        for number in range(200)
    ]
    with EmbeddedIndex.open(str(folder), create=True) as index:
        with index.draft("k", "words/1") as draft:
            draft.add(records[:160])
            draft.publish()
        index.add(records[160:])
        index.delete(["img7.jpg"])
        assert index.status().details["segments"] == 2
    return folder


def without_texts(document: Document) -> Document:
    """What is only read to be shown may have changed: only a check of all of it would tell."""
    return replace(document, record=replace(document.record, **dict.fromkeys(TEXTS, "")))


def found(index: EmbeddedIndex, filters: Filters) -> object:
    answer = index.candidates(QUESTION, 15, filters)
    return [(without_texts(one.document), one.position) for one in answer.found], answer.bound


def drawn(index: EmbeddedIndex) -> object:
    return [without_texts(one) for one in index.random(20, seed=1)]


def held(index: EmbeddedIndex) -> object:
    documents = index.captions(["img3.jpg", "img9.jpg", "img7.jpg"])
    return {name: list(map(without_texts, part)) for name, part in documents.items()}


QUESTIONS: list[Callable[[EmbeddedIndex], object]] = [
    lambda index: found(index, Filters()),
    lambda index: found(index, Filters({"source": "x"})),
    lambda index: index.count([Query(QUESTION, min_score=0.3)]),
    held,
    drawn,
    lambda index: replace(index.status(), where=""),
    lambda index: len(list(index.places("/photos/"))) and None,
]


def answers(folder: Path) -> list[object]:
    """To each question its answer, or the damage that it met; any other error is raised."""
    try:
        index = EmbeddedIndex.open(str(folder))
    except IndexDamagedError as error:
        return [error] * len(QUESTIONS)
    told: list[object] = []
    for ask in QUESTIONS:
        try:
            told.append(ask(index))
        except IndexDamagedError as error:
            told.append(error)
    return told


def flip(chance: random.Random, folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".arrays", ".json"))
    path = chance.choices(files, [path.stat().st_size + 100 for path in files])[0]
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 1, 1, 4, 30])):
        place = chance.randrange(len(data))
        data[place] = chance.choice([data[place] ^ (1 << chance.randrange(8)), chance.randrange(256), 0, 255])
    path.write_bytes(data)


def test_a_small_index_with_changed_bytes_answers_as_before_or_says_that_it_is_damaged(
    sound: Path, tmp_path: Path
) -> None:
    chance, truth, damaged = random.Random(2), answers(sound), 0
    for number in range(FLIPS):
        folder = shutil.copytree(sound, tmp_path / str(number))
        flip(chance, folder)
        for expected, told in zip(truth, answers(folder), strict=True):
            damaged += isinstance(told, IndexDamagedError)
            assert told == expected or isinstance(told, IndexDamagedError)
        shutil.rmtree(folder)
    assert damaged > FLIPS


def test_a_large_index_with_changed_bytes_ends_in_nothing_but_damage(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its arrays are not compared with their checksums when it is opened: answers may be wrong."""
    monkeypatch.setattr(shape, "_CHECKED_BYTES", 0)
    chance, truth = random.Random(3), answers(sound)
    for number in range(FLIPS):
        folder = shutil.copytree(sound, tmp_path / str(number))
        flip(chance, folder)
        told = answers(folder)
        wrong = [one for one, right in zip(told, truth, strict=True) if one != right]
        try:
            with EmbeddedIndex.open(str(folder)) as index:
                known = index.check()
                assert known or not wrong, "a check finds what makes answers wrong"
                index.delete(["img3.jpg"])
                index.add([CaptionRecord(f"new{one}", "a horse") for one in range(60)])  # merges all
                assert index.check() == known == []
        except IndexDamagedError as error:
            assert "\n" not in str(error)
        shutil.rmtree(folder)


def test_of_a_small_index_everything_but_its_texts_is_checked_when_it_is_opened(
    sound: Path, tmp_path: Path
) -> None:
    with EmbeddedIndex.open(str(sound)) as index:
        extents = index._current().segments[0].file.extents
    texts = [f"{name}.{part}" for name in TEXTS for part in ("blob", "starts", "codes", "counts")]
    for name in [one for one, extent in extents.items() if extent.bytes and one not in texts]:
        folder = shutil.copytree(sound, tmp_path / name)
        overwrite(folder, name, 0xFE, 0, 1)
        with pytest.raises(IndexDamagedError, match=rf"{name} does not match its checksum"):
            EmbeddedIndex.open(str(folder))


@pytest.mark.parametrize("value", [0, 0xFF])
@pytest.mark.parametrize("name", ["set.rows", "class.sets", "posting.starts", "vocabulary.starts"])
def test_an_array_that_is_gone_as_a_whole_is_seen_when_any_index_is_opened(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    monkeypatch.setattr(shape, "_CHECKED_BYTES", 0)
    folder = shutil.copytree(sound, tmp_path / "index")
    overwrite(folder, name, value)
    with pytest.raises(IndexDamagedError, match=rf"{name} does not fit the other arrays"):
        EmbeddedIndex.open(str(folder))


def test_a_text_that_cannot_be_read_is_told_as_damage(sound: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sound, tmp_path / "index")
    overwrite(folder, "caption.blob", 0xFF)
    with EmbeddedIndex.open(str(folder)) as index:
        assert index.count([Query(QUESTION, min_score=0.3)]), "texts are read only to be shown"
        with pytest.raises(IndexDamagedError, match=r"caption.blob does not match its checksum; restore it"):
            index.candidates(QUESTION, 5)


def test_an_error_over_a_sound_index_is_the_program_s_own(
    sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> object:
        raise ValueError("a fault of the program")

    monkeypatch.setattr(view, "answer", wrong)
    with EmbeddedIndex.open(str(sound)) as index, pytest.raises(ValueError, match="a fault of the program"):
        index.candidates(QUESTION, 5)
