"""The queue in front of the captioner: batches, bounds, and what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import ModelError, PhotoError
from captioner.photo import Photo
from captioner.photo_captioner import Captioned, PhotoCaptioner
from search.web.captioning import CaptionQueue, QueueFullError
from tests.search.web.conftest import Serve
from tests.search.web.fakes import FakeCaptioner
from tests.search.web.test_api import V1, ok, problem

SECONDS = 30

Start = Callable[..., CaptionQueue]


@pytest.fixture
def photo(photos: Path) -> bytes:
    return (photos / "rocket.jpg").read_bytes()


@pytest.fixture
def start() -> Iterator[Start]:
    queues: list[CaptionQueue] = []

    def begin(load: Callable[[], PhotoCaptioner], **options: Any) -> CaptionQueue:
        queues.append(CaptionQueue(load, **options))
        queues[-1].start()
        return queues[-1]

    yield begin
    for queue in queues:
        queue.close()


def test_what_waits_is_captioned_together(start: Start, photo: bytes) -> None:
    captioner = FakeCaptioner("a rocket", gate=threading.Event())
    queue = start(lambda: captioner, batch=8)
    first = queue.submit(photo)
    assert captioner.entered.acquire(timeout=SECONDS)
    others = [queue.submit(photo) for _ in range(10)]
    assert captioner.gate is not None
    captioner.gate.set()
    assert {tuple(future.result(SECONDS)) for future in [first, *others]} == {("a rocket",)}
    assert captioner.batches == [1, 8, 2]


def test_a_full_queue_says_when_to_come_back(start: Start, photo: bytes) -> None:
    captioner = FakeCaptioner(gate=threading.Event())
    queue = start(lambda: captioner, waiting=3)
    queue.submit(photo)
    assert captioner.entered.acquire(timeout=SECONDS)
    waiting = [queue.submit(photo) for _ in range(3)]
    with pytest.raises(QueueFullError) as full:
        queue.submit(photo)
    assert full.value.seconds >= 1
    assert captioner.gate is not None
    captioner.gate.set()
    for future in waiting:
        future.result(SECONDS)
    assert queue.submit(photo).result(SECONDS), "there is room again"
    assert queue.waiting == 0


def test_photos_that_wait_fill_no_memory(start: Start, photo: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.web.captioning.MAX_WAITING_BYTES", len(photo))
    captioner = FakeCaptioner(gate=threading.Event())
    queue = start(lambda: captioner)
    large = queue.submit(photo + bytes(1))  # a lone one of whatever size
    assert captioner.entered.acquire(timeout=SECONDS)
    waiting = queue.submit(photo)
    with pytest.raises(QueueFullError):
        queue.submit(b"x")
    assert captioner.gate is not None
    captioner.gate.set()
    assert large.result(SECONDS) and waiting.result(SECONDS)
    assert queue.submit(photo).result(SECONDS), "there is room again"


def test_nobody_is_told_to_come_back_after_more_than_a_minute(start: Start, photo: bytes) -> None:
    captioner = FakeCaptioner(gate=threading.Event())
    queue = start(lambda: captioner, waiting=1_000, batch=1_000)
    queue.submit(photo)
    assert captioner.entered.acquire(timeout=SECONDS)
    crowd = [queue.submit(photo) for _ in range(1_000)]
    with pytest.raises(QueueFullError) as full:
        queue.submit(photo)
    assert full.value.seconds == 60
    assert all(one.cancel() for one in crowd) and captioner.gate is not None
    captioner.gate.set()


def test_equally_many_captions_are_written_together(start: Start, photo: bytes) -> None:
    captioner = FakeCaptioner("a rocket", others=("a tower", "a pad"), gate=threading.Event())
    queue = start(lambda: captioner, batch=8)
    queue.submit(photo)
    assert captioner.entered.acquire(timeout=SECONDS)
    asked = [queue.submit(photo, captions) for captions in (3, 1, 3, 2, 1)]
    assert captioner.gate is not None
    captioner.gate.set()
    assert [len(future.result(SECONDS)) for future in asked] == [3, 1, 3, 2, 1]
    assert captioner.batches == [1, 2, 1, 2]


def test_one_bad_photo_does_not_spoil_the_batch(start: Start, photo: bytes) -> None:
    captioner = FakeCaptioner("a rocket", gate=threading.Event())
    queue = start(lambda: captioner)
    queue.submit(photo)
    assert captioner.entered.acquire(timeout=SECONDS)
    good, bad, last = queue.submit(photo), queue.submit(photo[:9_000]), queue.submit(photo)
    assert captioner.gate is not None
    captioner.gate.set()
    assert good.result(SECONDS) == last.result(SECONDS) == ["a rocket"]
    with pytest.raises(PhotoError, match="damaged or incomplete"):
        bad.result(SECONDS)
    assert captioner.batches == [1, 3]


def test_who_has_gone_is_not_captioned_for(start: Start, photo: bytes) -> None:
    captioner = FakeCaptioner(gate=threading.Event())
    queue = start(lambda: captioner)
    queue.submit(photo)
    assert captioner.entered.acquire(timeout=SECONDS)
    gone, here = queue.submit(photo), queue.submit(photo)
    assert gone.cancel()
    assert captioner.gate is not None
    captioner.gate.set()
    here.result(SECONDS)
    assert captioner.batches == [1, 1]


def test_a_model_that_is_missing_is_looked_for_again(start: Start, photo: bytes) -> None:
    found: list[FakeCaptioner] = []

    def load() -> FakeCaptioner:
        if not found:
            raise ModelError("no model named mine")
        return found[0]

    queue = start(load)
    with pytest.raises(ModelError, match="no model named mine"):
        queue.submit(photo).result(SECONDS)
    assert queue.state == "failed: no model named mine"
    found.append(FakeCaptioner("a rocket"))
    assert queue.submit(photo).result(SECONDS) == ["a rocket"]
    assert queue.state == "ready"


def test_an_unexpected_error_of_loading_stays_in_the_log(
    start: Start, photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def load() -> FakeCaptioner:
        raise RuntimeError("cannot map /home/operator/.secrets/model.bin")

    queue = start(load)
    with pytest.raises(ModelError) as told:
        queue.submit(photo).result(SECONDS)
    assert str(told.value) == "the captioner cannot be loaded; the server's log says why"
    assert queue.state == f"failed: {told.value}"
    assert "/home/operator/.secrets" in caplog.text


def test_a_fault_in_the_model_leaves_the_worker_alive(start: Start, photo: bytes) -> None:
    class Failing(FakeCaptioner):
        def stream(
            self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
        ) -> Iterator[Captioned]:
            if not self.batches:
                self.batches.append(0)
                raise RuntimeError("out of memory")
            return super().stream(photos, beam=beam, captions=captions)

    queue = start(Failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        queue.submit(photo).result(SECONDS)
    assert queue.submit(photo).result(SECONDS)


def test_a_fault_amid_a_batch_leaves_the_captions_that_were_written(start: Start, photo: bytes) -> None:
    class Failing(FakeCaptioner):
        def stream(
            self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
        ) -> Iterator[Captioned]:
            if captions > 1:
                raise RuntimeError("out of memory")
            return super().stream(photos, beam=beam, captions=captions)

    captioner = Failing("a rocket", gate=threading.Event())
    queue = start(lambda: captioner)
    queue.submit(photo)
    assert captioner.entered.acquire(timeout=SECONDS)
    written, lost = queue.submit(photo), queue.submit(photo, 2)
    assert captioner.gate is not None
    captioner.gate.set()
    assert written.result(SECONDS) == ["a rocket"]
    with pytest.raises(RuntimeError, match="out of memory"):
        lost.result(SECONDS)
    assert queue.submit(photo).result(SECONDS) == ["a rocket"]


def test_captions_are_written_with_the_beam_that_was_named(start: Start, photo: bytes) -> None:
    captioner = FakeCaptioner()
    start(lambda: captioner, beam=7).submit(photo).result(SECONDS)
    assert captioner.beams == [7]


def test_stopping_cancels_what_waits(photo: bytes) -> None:
    captioner = FakeCaptioner(gate=threading.Event())
    queue = CaptionQueue(lambda: captioner)
    queue.start()
    under_way = queue.submit(photo)
    assert captioner.entered.acquire(timeout=SECONDS)
    waiting = [queue.submit(photo) for _ in range(2)]
    closing = threading.Thread(target=queue.close)
    closing.start()
    while queue.state != "stopping":
        closing.join(0.01)
    assert captioner.gate is not None
    captioner.gate.set()
    closing.join(SECONDS)
    assert under_way.result(SECONDS)
    for one in waiting:
        with pytest.raises(CancelledError):
            one.result(SECONDS)
    with pytest.raises(ModelError, match="stopping"):
        queue.submit(photo)


def test_what_is_no_photo_does_not_wait_for_the_captioner(serve: Serve) -> None:
    captioner = FakeCaptioner()
    problem(serve(captioner=captioner).post(f"{V1}/similar", files={"photo": b"no photo"}), 422, "photo")
    assert captioner.batches == []


def test_a_crowd_of_requests_shares_batches_and_the_rest_is_sent_away(serve: Serve, photo: bytes) -> None:
    from search.web.settings import Settings

    captioner = FakeCaptioner("a rocket", gate=threading.Event())
    client = serve(captioner=captioner, settings=Settings(waiting_photos=4, batch=8))

    def ask() -> Any:
        return client.post(f"{V1}/similar", files={"photo": photo})

    with ThreadPoolExecutor(16) as crowd:
        first = crowd.submit(ask)
        assert captioner.entered.acquire(timeout=SECONDS)
        others = [crowd.submit(ask) for _ in range(6)]
        for refused in islice(as_completed(others, timeout=SECONDS), 2):
            problem(refused.result(), 429, "busy")
            assert int(refused.result().headers["retry-after"]) >= 1
        assert captioner.gate is not None
        captioner.gate.set()
        answers = [future.result(SECONDS) for future in [first, *others]]
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 5 + [429] * 2
    assert captioner.batches == [1, 4]
    assert ok(first.result())["query"]["caption"] == "a rocket"


@pytest.mark.parametrize("beam", [0, 51])
def test_a_beam_that_no_captioner_has_is_refused_at_once(beam: int) -> None:
    with pytest.raises(ModelError, match=f"a beam of {beam} is not possible"):
        CaptionQueue(FakeCaptioner, beam=beam)
