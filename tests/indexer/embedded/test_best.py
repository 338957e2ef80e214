"""The best sets of a segment: compiled, and with NumPy; both against scores counted set by set."""

from __future__ import annotations

import random
import shutil
import sysconfig
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.embedded import EmbeddedIndex, best, ranking
from indexer.embedded.best import SegmentQuery
from indexer.embedded.dtypes import Float64, Int32
from indexer.embedded.token_sets import TokenSets
from indexer.records import CaptionRecord, Filters

FindBest = Callable[..., tuple[Int32, Float64, float, int]]
WAYS: list[FindBest] = [best.find_best] + ([ranking.find_best_compiled] if ranking.find_best_compiled else [])
try:
    from indexer.embedded import kernel
except ImportError:
    MODULES: list[ModuleType] = [best]
else:
    MODULES = [best, kernel]
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: type(way).__name__)
WORDS = 14


def test_the_kernel_is_compiled_wherever_there_is_a_compiler() -> None:
    compilers = ("cc", "gcc", "clang", (sysconfig.get_config_var("CC") or "cc").split()[0])
    assert ranking.find_best_compiled is not None or not any(map(shutil.which, compilers))


@dataclass(frozen=True)
class World:
    """Sets by size as a segment holds them; token numbers are words."""

    sets: list[frozenset[int]]

    def arrays(self, known: list[int], query_size: int, together: bool = False) -> dict[str, Any]:
        sizes = sorted({len(one) for one in self.sets})
        class_sets = np.searchsorted([len(one) for one in self.sets], [*sizes, 99]).astype(np.int32)
        lists = [[n for n, one in enumerate(self.sets) if word in one] for word in range(WORDS)]
        starts = np.cumsum([0, *map(len, lists)])
        counts = np.diff(class_sets) * sizes
        marks = np.zeros(WORDS, np.uint8)
        marks[known] = 1
        return {
            "postings": np.array([number for one in lists for number in one], np.int32),
            "edges": np.array([starts[word] + np.searchsorted(lists[word], class_sets) for word in known]),
            "sizes": np.array(sizes, np.int32),
            "class_sets": class_sets,
            "class_tokens": np.cumsum([0, *counts]).astype(np.int64),
            "tokens": np.array([word for one in self.sets for word in sorted(one)], np.uint8),
            "rows": 2 * np.arange(len(self.sets) + 1, dtype=np.uint32),  # each set has two captions
            "marks": marks,
            "size": query_size,
            "together": together,
        }


def dataclasses_of(arrays: dict[str, Any]) -> tuple[TokenSets, SegmentQuery]:
    sets, query = ({one.name: arrays[one.name] for one in fields(kind)} for kind in (TokenSets, SegmentQuery))
    return TokenSets(**sets), SegmentQuery(**query)


worlds = st.lists(st.frozensets(st.integers(0, WORDS - 1), max_size=9), min_size=1, max_size=60).map(
    lambda sets: World(sorted({*sets, frozenset({0})}, key=lambda one: (len(one), sorted(one))))
)


every_module = pytest.mark.parametrize("module", MODULES, ids=lambda one: one.__name__.rpartition(".")[2])


@every_module
@given(world=worlds)
def test_posting_lists_are_split_by_size(module: ModuleType, world: World) -> None:
    held = [word for word in range(WORDS) if any(word in one for one in world.sets)]
    token_sets, query = dataclasses_of(world.arrays(held, len(held)))
    for edges in query.edges.tolist():
        assert module.class_edges(token_sets, edges[0], edges[-1]).tolist() == edges


@every_module
@pytest.mark.parametrize(("begin", "end"), [(-1, 1), (2, 1), (1, 4), (4, 4)])
def test_a_posting_list_outside_of_the_postings_is_refused(module: ModuleType, begin: int, end: int) -> None:
    token_sets, _ = dataclasses_of(World([frozenset({1}), frozenset({1, 2})]).arrays([1], 1))
    with pytest.raises(IndexError, match="does not lie within"):
        module.class_edges(token_sets, begin, end)


class Case(NamedTuple):
    """What is asked of a world, and how its words are stored."""

    world: World
    asked: Collection[int]
    unknown: int  # words that are asked for, too, and that it does not have
    together: bool
    wanted: int
    floor: float
    highest: float


def check(way: FindBest, case: Case) -> None:
    world, asked, unknown, together, wanted, floor, highest = case
    held = [word for word in asked if any(word in one for one in world.sets)]
    if not held:
        return
    held.sort(key=lambda word: sum(word in one for one in world.sets))
    size = len(held) + unknown
    sets, told, reached, examined = way(
        *dataclasses_of(world.arrays(held, size, together)), wanted=wanted, floor=floor, highest=highest
    )
    scores = {
        number: (shared := len(one & set(held))) / (size + len(one) - shared)
        for number, one in enumerate(world.sets)
    }
    inside = sorted((score for score in scores.values() if floor <= score <= highest), reverse=True)
    assert reached == (inside[wanted - 1] if 0 < wanted <= len(inside) else floor)
    given = dict(zip(sets.tolist(), told.tolist(), strict=True))
    assert len(given) == len(sets)
    best_first = sorted(given, key=lambda number: (-given[number], number))
    assert sets.tolist() == [number for number in best_first if reached <= given[number] <= highest]
    assert given.items() <= scores.items()
    assert 2 * len(given) <= examined <= 2 * len(world.sets)
    missing = {n for n, score in scores.items() if reached <= score <= highest} - given.keys()
    assert not missing


FLOORS, HIGHEST = (5e-324, 0.1, 1 / 3, 0.5, 1.0), (1.0, 0.75, 0.5, 0.2)


@every_way
@settings(max_examples=150, deadline=None)
@given(
    st.builds(
        Case,
        world=worlds,
        asked=st.frozensets(st.integers(0, WORDS - 1), min_size=1),
        unknown=st.integers(0, 4),
        together=st.booleans(),
        wanted=st.integers(0, 12),
        floor=st.sampled_from(FLOORS),
        highest=st.sampled_from(HIGHEST),
    )
)
def test_the_sets_that_are_promised_are_all_there(way: FindBest, case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(best, "_FIRST_POSTINGS", 4)  # so that NumPy's way takes several steps
        check(way, case)


@every_way
def test_they_are_all_there_in_many_worlds_that_are_looked_at_step_by_step(
    way: FindBest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some hundred worlds tell apart what can go wrong between two steps."""
    monkeypatch.setattr(best, "_COUNT_SET", 1e9)  # NumPy's way never counts all
    monkeypatch.setattr(best, "_GROWTH", 1)
    chance = random.Random(5)
    for number in range(1_500):
        monkeypatch.setattr(best, "_FIRST_POSTINGS", chance.choice((0, 4, 12, 30)))
        sizes = chance.choices((0, 1, 1, 2, 3, 4, 6, 9), k=chance.randrange(1, 60))
        sets = {frozenset({0}), *(frozenset(chance.sample(range(WORDS), size)) for size in sizes)}
        world = World(sorted(sets, key=lambda one: (len(one), sorted(one))))
        asked = chance.sample(range(WORDS), chance.randrange(1, WORDS))
        floor, highest = chance.choice(FLOORS), chance.choice(HIGHEST)
        unknown, together, wanted = chance.randrange(5), number % 2 == 0, chance.randrange(13)
        check(way, Case(world, asked, unknown, together, wanted, floor, highest))


@pytest.mark.parametrize("known", [255, 256])
def test_as_many_known_words_as_a_byte_counts_and_one_more(tmp_path: Path, known: int) -> None:
    words = [f"w{number}" for number in range(known)]
    with EmbeddedIndex.open(str(tmp_path / "index"), create=True) as index:
        with index.draft("k", "words/1") as draft:
            draft.add([CaptionRecord("all", " ".join(words)), CaptionRecord("one", "w7")])
            draft.publish()
        found = index.candidates(frozenset(words), 5).found
    assert [(one.position.image_id, one.position.score) for one in found] == [("all", 1), ("one", 1 / known)]


DAMAGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "a set that is not there": lambda arrays: arrays["postings"].__setitem__(slice(None), 2**31 - 1),
    "a negative set": lambda arrays: arrays["postings"].__setitem__(slice(None), -5),
    "a token that is not there": lambda arrays: arrays["tokens"].__setitem__(slice(None), 255),
    "postings that end early": lambda arrays: arrays.update(postings=arrays["postings"][:1]),
    "postings that begin below": lambda arrays: arrays["edges"].__setitem__(slice(None), -(2**40)),
    "sets without tokens": lambda arrays: arrays.update(tokens=arrays["tokens"][:1]),
    "sets without captions": lambda arrays: arrays.update(rows=arrays["rows"][:-1]),
    "fewer classes": lambda arrays: arrays.update(sizes=arrays["sizes"][:1]),
    "tokens far away": lambda arrays: arrays["class_tokens"].__setitem__(slice(None), 2**62),
    "nothing known": lambda arrays: arrays.update(edges=arrays["edges"][:0]),
}


@pytest.mark.skipif(ranking.find_best_compiled is None, reason="compiled only where there is a compiler")
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_kernel_refuses_numbers_that_lead_outside(damage: str) -> None:
    world = World([frozenset({n, n + 1, n + 2, n + 3}) for n in range(8)] + [frozenset(range(9))] * 3)
    arrays = world.arrays([2, 3, 4, 5, 6], 5)
    DAMAGES[damage](arrays)
    with pytest.raises(ValueError, match=r"out of range|fit|known|nothing"):
        WAYS[-1](*dataclasses_of(arrays), wanted=3, floor=0.1, highest=1.0)


@pytest.mark.skipif(ranking.find_best_compiled is None, reason="compiled only where there is a compiler")
def test_the_kernel_survives_lists_that_name_one_set_many_times() -> None:
    """Its counters are bytes, so a set that comes 256 times more becomes a candidate again."""
    arrays = World([frozenset({0, 1, 2})] * 600).arrays([0, 1, 2], 3)
    arrays["postings"][:] = 5
    sets, _, _, _ = WAYS[-1](*dataclasses_of(arrays), wanted=3, floor=0.1, highest=1.0)
    assert {*sets.tolist()} <= {5}


@pytest.mark.skipif(ranking.find_best_compiled is None, reason="compiled only where there is a compiler")
def test_the_kernel_refuses_lists_of_more_sets_than_there_are_in_a_part_of_a_class() -> None:
    arrays = World([frozenset({0, 1, 2})] * 25_000).arrays([0, 1, 2], 3)
    arrays["postings"][:] = 5
    with pytest.raises(ValueError, match="out of range"):
        WAYS[-1](*dataclasses_of(arrays), wanted=3, floor=0.1, highest=1.0)


def test_threads_that_search_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    index = EmbeddedIndex.open(str(tmp_path / "index"), create=True)
    index.add([CaptionRecord(f"i{n}", f"w{n % 7} w{n % 11} w{n % 13} w{n % 17}") for n in range(3_000)])
    queries = [frozenset({f"w{n % 5}", f"w{n % 9}", f"w{n % 12}"}) for n in range(40)]
    expected = [index.candidates(query, 10).found for query in queries]
    failures: list[int] = []

    def ask() -> None:
        for place, query in enumerate(queries):
            if index.candidates(query, 10).found != expected[place]:
                failures.append(place)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("filters", [Filters(), Filters({"source": "jsonl"})], ids=["free", "filtered"])
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "numpy"])
def test_captions_of_the_same_words_are_all_examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: bool, filters: Filters
) -> None:
    if not compiled:
        monkeypatch.setattr(ranking, "find_best_compiled", None)
    index = EmbeddedIndex.open(str(tmp_path / "index"), create=True)
    index.add([CaptionRecord(f"i{n}", "dog beach") for n in range(5)] + [CaptionRecord("cat", "cat sofa")])
    answer = index.candidates(frozenset({"dog", "beach"}), 10, filters)
    assert (len(answer.found), answer.examined) == (5, 6 if filters else 5)
