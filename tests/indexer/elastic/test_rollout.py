"""Builds beside what readers see: interrupted, killed, and at the same time as others."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from urllib.request import Request, urlopen

import pytest

from indexer.elastic import ElasticIndex, lock
from indexer.elastic.connection import connect, parse
from indexer.elastic.rollout import ElasticDraft
from indexer.errors import IndexDamagedError, IndexLockedError, IndexMismatchError, IndexNotFoundError
from indexer.records import CaptionRecord, Query
from tests.indexer.elastic.dogs import built, concrete, dogs

pytestmark = pytest.mark.elasticsearch


def built_anew(where: str, analyzer: str) -> None:
    with ElasticIndex.open(where) as index, index.draft(analyzer, analyzer) as draft:
        draft.add(dogs(2))
        draft.publish()


def test_readers_see_the_old_index_until_the_new_one_is_published(elastic_where: str) -> None:
    built(elastic_where, 3)
    with ElasticIndex.open(elastic_where) as reader, ElasticIndex.open(elastic_where) as writer:
        with writer.draft("more") as draft:
            draft.add(dogs(5))
            assert reader.status().captions == 3
            assert len(reader.candidates(frozenset({"dog"}), 10).found) == 3
            draft.publish()
        assert len(reader.candidates(frozenset({"dog"}), 10).found) == 5


def test_searches_throughout_a_rollout_always_see_a_whole_index(elastic_where: str) -> None:
    built(elastic_where, 10)
    seen: list[int] = []
    failures: list[BaseException] = []
    begun, done = threading.Event(), threading.Event()

    def search() -> None:
        try:
            with ElasticIndex.open(elastic_where) as reader:
                while not done.is_set():
                    seen.append(len(reader.candidates(frozenset({"dog"}), 100).found))
                    begun.set()
        except BaseException as error:
            failures.append(error)
            begun.set()

    thread = threading.Thread(target=search)
    thread.start()
    assert begun.wait(60)
    for number in (20, 30):
        built(elastic_where, number)
    done.set()
    thread.join(60)
    assert not failures
    assert set(seen) <= {10, 20, 30}
    assert seen == sorted(seen)


def test_an_interrupted_build_goes_on_where_it_stopped(elastic_where: str) -> None:
    built(elastic_where, 2)
    with ElasticIndex.open(elastic_where) as index:
        with pytest.raises(KeyboardInterrupt), index.draft("photos") as draft:
            draft.add(dogs(4, "generated"))
            raise KeyboardInterrupt
        assert index.status().captions == 2
        with index.draft("photos") as draft:
            assert draft.known_places("").keys() == {f"image{n}" for n in range(4)}
            assert draft.known_places("another") == {}
            report = draft.add(dogs(6, "generated"))
            assert (report.added, report.unchanged) == (2, 4)
            assert draft.publish().captions == 6
    assert len(concrete(elastic_where)) == 2


def test_a_draft_cannot_go_on_with_another_analyzer(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        with index.draft("key", "english/1") as draft:
            draft.add(dogs(1))
        with pytest.raises(IndexMismatchError, match="begun with the analyzer english/1"):
            index.draft("key", "words/1")
        index.draft("key", "english/1").close()


def test_two_builds_at_once_are_refused(elastic_where: str) -> None:
    with (
        ElasticIndex.open(elastic_where, create=True) as one,
        ElasticIndex.open(elastic_where, create=True) as two,
    ):
        with one.draft("a") as draft:
            draft.add(dogs(2))
            for key in ("a", "b"):
                with pytest.raises(
                    IndexLockedError, match=r"another build is writing \(build a, process \d+"
                ):
                    two.draft(key)
            with pytest.raises(IndexLockedError):
                two.rollback()
            draft.publish()
        two.draft("b").close()


def test_a_build_that_is_interrupted_before_it_begins_lets_others_build(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with ElasticIndex.open(elastic_where, create=True) as index:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(ElasticDraft, "_open", interrupted)
            index.draft("k")
        index.draft("k").close()


def test_a_build_whose_process_was_killed_does_not_block_the_next(elastic_where: str) -> None:
    code = (
        "import os, signal, sys\n"
        "from indexer.elastic import ElasticIndex\n"
        "from indexer.records import CaptionRecord\n"
        "index = ElasticIndex.open(sys.argv[1], create=True)\n"
        "draft = index.draft('killed')\n"
        "draft.add([CaptionRecord('image0', 'dog number n0', kind='generated')])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, elastic_where], check=False, timeout=120)
    with ElasticIndex.open(elastic_where, create=True) as index, index.draft("killed") as draft:
        assert draft.known_places("").keys() == {"image0"}
        assert draft.add(dogs(1, "generated")).unchanged == 1
        assert draft.publish().captions == 1


def test_a_build_on_another_machine_holds_the_lock_only_while_it_shows_life(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index:
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
        monkeypatch.setattr(lock, "machine", lambda: "another")
        away = index.draft("a")
        away.add(dogs(1))
        monkeypatch.setattr(lock, "machine", lambda: "this")
        with pytest.raises(IndexLockedError, match="on elsewhere"):
            index.draft("a")
        monkeypatch.setattr(lock, "STALE", 0.0)
        monkeypatch.setattr(lock, "_WATCH", 0.0)
        with index.draft("a") as mine:
            mine.add(dogs(1))
            # The other one wakes up and must not move the alias any more.
            away.add(dogs(2))
            with pytest.raises((IndexLockedError, IndexDamagedError)):
                away.publish()
            away.close()
            assert index.status().captions == 0


def test_publish_refuses_a_draft_that_lost_captions(elastic_where: str) -> None:
    built(elastic_where, 1)
    with ElasticIndex.open(elastic_where) as index, index.draft("lossy") as draft:
        draft.add(dogs(3))
        address, new = parse(elastic_where), concrete(elastic_where)[-1]
        gone = f"{address.server}/{new}/_doc/{dogs(1)[0].document_id}"
        urlopen(Request(gone, method="DELETE"), timeout=30).close()
        with pytest.raises(
            IndexDamagedError, match="holds 2 captions instead of 3; readers keep the old index"
        ):
            draft.publish()
        assert index.status().captions == 1


def test_publish_refuses_a_draft_that_another_program_wrote_to(elastic_where: str) -> None:
    built(elastic_where, 1)
    address = parse(elastic_where)
    with (
        ElasticIndex.open(elastic_where) as index,
        index.draft("shared") as draft,
        connect(address) as client,
    ):
        draft.add(dogs(2))
        client.index(index=concrete(elastic_where)[-1], document={"image_id": "theirs"})
        with pytest.raises(IndexDamagedError, match="holds 3 captions instead of 2"):
            draft.publish()
        assert index.status().captions == 1


def test_keep_says_how_many_old_ones_stay(elastic_where: str) -> None:
    for number in range(1, 5):
        built(elastic_where, number, keep=2)
    assert len(concrete(elastic_where)) == 3


def test_publishing_restores_the_settings_and_tells_what_made_it(elastic_where: str) -> None:
    with ElasticIndex.open(elastic_where, create=True) as index, index.draft("k", "words/1") as draft:
        draft.add([CaptionRecord("1", "a dog", kind="generated", model="default@12345678")])
        status = draft.publish()
        assert status.analyzer == index.analyzer == "words/1"
    with urlopen(f"{parse(elastic_where).server}/{concrete(elastic_where)[0]}", timeout=30) as answer:
        state = next(iter(json.load(answer).values()))
    assert state["settings"]["index"]["refresh_interval"] == "1s"
    assert state["settings"]["index"]["auto_expand_replicas"] == "0-1"
    meta = state["mappings"]["_meta"]
    assert meta["models"] == ["default@12345678"]
    assert meta["built_at"] == status.built_at
    assert "draft" not in meta


def test_all_models_are_noted_however_many(elastic_where: str) -> None:
    models = [f"model@{number:08}" for number in range(101)]
    with ElasticIndex.open(elastic_where, create=True) as index, index.draft("k") as draft:
        draft.add(CaptionRecord("1", "a dog", kind="generated", model=model) for model in models)
        draft.publish()
    with urlopen(
        f"{parse(elastic_where).server}/{concrete(elastic_where)[0]}/_mapping", timeout=30
    ) as answer:
        meta = next(iter(json.load(answer).values()))["mappings"]["_meta"]
    assert meta["models"] == models


def test_a_reader_does_not_mix_two_analyzers(elastic_where: str) -> None:
    built(elastic_where, 2)
    with ElasticIndex.open(elastic_where) as reader:
        built_anew(elastic_where, "words/1")
        with pytest.raises(IndexMismatchError, match="built anew with the analyzer words/1"):
            reader.candidates(frozenset({"dog"}), 5)
        # What it was asked had tokens of the old one; from now on it tells the new one.
        assert reader.analyzer == "words/1"
        assert len(reader.candidates(frozenset({"dog"}), 5).found) == 2


def test_a_reader_does_not_count_by_another_analyzer(elastic_where: str) -> None:
    built(elastic_where, 2)
    with ElasticIndex.open(elastic_where) as reader:
        built_anew(elastic_where, "words/1")
        with pytest.raises(IndexMismatchError, match="built anew with the analyzer words/1"):
            reader.count([Query(frozenset({"dog"}), min_score=0.1)])
        assert reader.count([Query(frozenset({"dog"}), min_score=0.1)]) == 2


def test_captions_of_an_index_built_anew_tell_its_analyzer(elastic_where: str) -> None:
    built(elastic_where, 2)
    with ElasticIndex.open(elastic_where) as reader:
        built_anew(elastic_where, "words/1")
        assert reader.captions(["image0"])["image0"][0].tokens == {"dog", "number", "n0"}
        assert reader.analyzer == "words/1"


def test_an_alias_whose_index_was_deleted_is_not_found(elastic_where: str) -> None:
    built(elastic_where, 2)
    with ElasticIndex.open(elastic_where) as reader:
        address, index = parse(elastic_where), concrete(elastic_where)[0]
        urlopen(Request(f"{address.server}/{index}", method="DELETE"), timeout=30).close()
        with pytest.raises(IndexNotFoundError, match=f"{address.name}: no such index"):
            reader.candidates(frozenset({"dog"}), 5)
    with pytest.raises(IndexNotFoundError):
        ElasticIndex.open(elastic_where)


def test_a_concrete_index_is_read_by_its_own_name_and_not_written_to(elastic_where: str) -> None:
    older = built(elastic_where, 1)
    built(elastic_where, 2)
    with ElasticIndex.open(f"{parse(elastic_where).server}/{older}", create=True) as index:
        assert index.status().captions == 1
        assert len(index.candidates(frozenset({"dog"}), 5).found) == 1
        for write in (
            lambda: index.add(dogs(3)),
            lambda: index.delete(["image0"]),
            lambda: index.draft("k"),
            index.rollback,
        ):
            with pytest.raises(IndexMismatchError, match=f"{older}: is one .* --index {elastic_where}$"):
                write()
        assert index.status().captions == 1
