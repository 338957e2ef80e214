"""Pictures from outside are decoded in processes of their own, which may die of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from indexer.errors import ScrapeError
from indexer.scrape import examiner as module
from indexer.scrape.examiner import Examined, Examiner
from indexer.scrape.items import RefusalError
from indexer.scrape.store import examine
from tests.conftest import ROOT
from tests.indexer.scrape.conftest import timeless
from tests.indexer.scrape.pictures import jpeg

#: A decoder that some pictures harm, as one with a fault would be: it runs in the real process.
HARMED = """
import os, signal, sys, time
sys.path[:] = sys.argv[1:]
from indexer.scrape import examiner, store
glance = store.glance
def harmed(body, large):
    if body == b"prints":
        os.write(1, b"a warning of a library in C\\n")
    if body == b"kills":
        os.kill(os.getpid(), signal.SIGKILL)
    while body == b"stalls":
        time.sleep(60)
    return glance(body, large=large)
store.glance = harmed
examiner.main()
"""


def png(side: int) -> bytes:
    file = BytesIO()
    Image.new("1", (side, side)).save(file, "PNG")
    return file.getvalue()


def here(body: bytes) -> Examined:
    """What this process finds."""
    try:
        return examine(body, 32)
    except RefusalError as refusal:
        return refusal


def told(found: Examined) -> object:
    return (found.reason, found.detail, found.status) if isinstance(found, RefusalError) else found


@pytest.fixture(scope="module")
def examiner() -> Iterator[Examiner]:
    one = Examiner(32)
    yield one
    one.close()


@pytest.fixture
def harmed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Examiner]]:
    monkeypatch.setattr(module, "_PROGRAM", HARMED)
    made: list[Examiner] = []

    def make(seconds: float = module.SECONDS) -> Examiner:
        made.append(Examiner(32, seconds))
        return made[-1]

    yield make
    for one in made:
        one.close()


BODIES = st.one_of(
    st.integers(0, 9).map(jpeg),
    st.integers(0, 9).map(lambda seed: jpeg(seed)[: 40 * seed]),
    st.just(png(8)),
    st.binary(max_size=40),
    st.just(b"\n{}\n"),
)


@timeless
@given(st.lists(BODIES, max_size=6))
def test_it_finds_what_this_process_finds(examiner: Examiner, bodies: list[bytes]) -> None:
    assert [told(found) for found in examiner.examine(bodies)] == [told(here(body)) for body in bodies]


def test_large_pictures_are_decoded_one_at_a_time(examiner: Examiner) -> None:
    large, small = png(4200), jpeg(1)
    found: list[Examined] = []
    with module._ONE_LARGE:
        thread = threading.Thread(target=lambda: found.extend(examiner.examine([large])))
        thread.start()
        other = Examiner(32)
        assert [told(one) for one in other.examine([small])] == [told(here(small))]
        other.close()
        assert not found
    thread.join()
    assert [told(one) for one in found] == [told(here(large))]


def test_a_picture_that_ends_its_decoder_is_refused_and_the_rest_is_examined(
    harmed: Callable[[], Examiner],
) -> None:
    before, fatal, after = harmed().examine([jpeg(1), b"kills", jpeg(2)])
    assert (before, after) == (here(jpeg(1)), here(jpeg(2)))
    assert told(fatal) == ("not-a-photo", "it ended its decoder, or kept it busy for 120 s", "failed")


def test_a_picture_that_stalls_its_decoder_is_refused_and_the_rest_is_examined(
    harmed: Callable[[float], Examiner],
) -> None:
    examiner = harmed(2.0)
    (stalled,) = examiner.examine([b"stalls"])
    assert told(stalled) == ("not-a-photo", "it ended its decoder, or kept it busy for 2 s", "failed")
    assert examiner.examine([jpeg(1)]) == [here(jpeg(1))]


def test_what_a_decoder_prints_is_no_answer(harmed: Callable[[], Examiner]) -> None:
    noisy, quiet = harmed().examine([b"prints", jpeg(2)])
    assert (told(noisy), quiet) == (told(here(b"prints")), here(jpeg(2)))


def test_one_that_dies_with_nothing_to_do_is_started_anew() -> None:
    examiner = Examiner(32)
    for _ in range(2):
        assert examiner.examine([jpeg(1)]) == [here(jpeg(1))]
        process = examiner._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    examiner.close()


def test_it_can_be_ended_while_it_is_busy(harmed: Callable[[], Examiner]) -> None:
    examiner, raised = harmed(), list[Exception]()
    assert examiner.examine([jpeg(1)]) == [here(jpeg(1))]
    process = examiner._process
    assert process is not None

    def ask() -> None:
        try:
            examiner.examine([b"stalls", jpeg(1)])
        except ScrapeError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    examiner.kill()
    thread.join()
    assert [str(error) for error in raised] == ["no pictures are examined any more: the run has ended"]
    assert process.wait() == -signal.SIGKILL


def test_one_that_does_not_start_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROGRAM", "raise SystemExit(3)")
    with pytest.raises(ScrapeError, match=r"python\S* does not start the process that decodes pictures$"):
        Examiner(32).examine([jpeg(1)])


def test_nothing_in_the_working_directory_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("indexer", "captioner", "json", "PIL", "sys"):
        (tmp_path / f"{name}.py").write_text("open('run', 'w').close(); raise SystemExit")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry] + [str(ROOT)])
    examiner = Examiner(32)
    assert examiner.examine([jpeg(1)]) == [here(jpeg(1))]
    examiner.close()
    assert not (tmp_path / "run").exists()


def test_its_process_ends_with_ours() -> None:
    program = (
        "import time; from indexer.scrape.examiner import Examiner; one = Examiner(32); one.examine([b'']);"
        "print(one._process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as ours:
        assert ours.stdout is not None
        pid = int(ours.stdout.readline())
        os.kill(pid, 0)
        ours.kill()
    for _ in range(6000):
        if not is_running(pid):
            return
        time.sleep(0.01)
    pytest.fail("it still runs")


def is_running(pid: int) -> bool:
    """Whether there is such a process that still works: one that no parent waits for is a zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
