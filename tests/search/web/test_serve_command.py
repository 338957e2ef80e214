"""`search serve` as a user runs it: a process, a port, a signal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError

import httpx2
import pytest
from click.testing import CliRunner

from captioner.errors import ModelError
from captioner.finding import loader
from indexer.index import open_index
from indexer.records import CaptionRecord
from search.cli import main
from search.commands.serve import telling
from tests.indexer.memory import MemoryIndex
from tests.search.web.fakes import FakeCaptioner


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("served") / "caption-index")
    with open_index(folder, create=True) as index, index.draft("x") as draft:
        draft.add([CaptionRecord("dog.jpg", "a dog on a beach")])
        draft.publish()
    return folder


#: An engine that answers nothing, in a server that has little time to stop.
HANGING = """
import threading
from indexer.embedded.engine import EmbeddedIndex
from search.web import server

def hang(index):
    sys.stderr.write("hangs\\n")
    threading.Event().wait()

EmbeddedIndex.view = hang
server.GRACE_SECONDS, server.END_SECONDS = 0, 1.0
"""


@contextmanager
def serving(where: str, before: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address; `before` is run in it first."""
    program = f"import sys\n{before}\nfrom search.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "serve", "--index", where, "--port", "0", "--captioner", "/no/model"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"SEARCH_TOKEN": ""},
    )
    assert process.stderr is not None
    said = ""
    try:
        for line in process.stderr:
            said += line
            if line.startswith("Serving on "):
                yield process, line.split()[2]
                break
        else:
            pytest.fail(f"the server did not start: {said}")
    finally:
        process.kill()
        process.wait(30)
        process.stderr.close()


@pytest.fixture
def served(where: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with serving(where) as process_and_url:
        yield process_and_url


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(
    served: tuple[subprocess.Popen[str], str], number: signal.Signals
) -> None:
    process, url = served
    assert url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(f"{url}/api/v1/text?q=dogs", timeout=30) as answer:
        assert b"a dog on a beach" in answer.read()
    process.send_signal(number)
    assert process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_time_though_a_search_hangs(where: str, number: signal.Signals) -> None:
    with serving(where, HANGING) as (process, url), ThreadPoolExecutor(1) as pool:
        pool.submit(httpx2.get, f"{url}/api/v1/text?q=dogs", timeout=30)
        assert process.stderr is not None
        assert "hangs\n" in iter(process.stderr.readline, "")
        process.send_signal(number)
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()


def test_a_form_that_cannot_be_read_is_no_matter_of_the_log(
    served: tuple[subprocess.Popen[str], str],
) -> None:
    process, url = served
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    with pytest.raises(HTTPError, match="400"):
        urllib.request.urlopen(urllib.request.Request(f"{url}/api/v1/similar", b"garbage", form), timeout=30)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("text search works, photo search does not: /no/model: ")
    process.send_signal(signal.SIGTERM)
    assert (process.wait(30), process.stderr.read()) == (0, "")


def run(*arguments: str, token: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(main, ["serve", *arguments], env={"SEARCH_TOKEN": token})
    return result.exit_code, result.output


def test_an_index_of_another_captioner_is_told_of_when_the_captioner_is_loaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = [CaptionRecord("1", "a dog", kind="generated", model="small@1")]
    assert telling(MemoryIndex(records), FakeCaptioner)().identity
    assert "were captioned by small@1, those searched for by " in capsys.readouterr().err
    own = replace(records[0], model=FakeCaptioner().identity)
    for known in ([*records, own], [replace(records[0], model="")], [replace(records[0], kind="reference")]):
        telling(MemoryIndex(known), FakeCaptioner)()
        assert capsys.readouterr().err == ""


def test_a_captioner_that_cannot_be_loaded_is_told_of_at_the_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ModelError):
        telling(MemoryIndex([]), loader("dfault"))()
    assert capsys.readouterr().err.startswith(
        "text search works, photo search does not: dfault: no such model"
    )


def test_a_port_that_is_taken(where: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = run("--index", where, "--port", port)
    why = "Address already in use; choose another port"
    assert (code, said.splitlines()[-1]) == (1, f"Error: cannot listen on 127.0.0.1 port {port}: {why}")


def test_an_index_that_is_not_there(tmp_path: Path) -> None:
    code, said = run("--index", str(tmp_path / "none"), "--port", "0")
    assert code == 1
    [line] = said.splitlines()
    assert str(tmp_path / "none") in line


def test_a_token_too_short_to_be_safe(where: str) -> None:
    code, said = run("--index", where, token="short")
    assert code == 1 and "SEARCH_TOKEN" in said and "16" in said
    assert "short to be safe" in said


def test_folders_must_exist(where: str) -> None:
    code, said = run("--index", where, "--images", "/no/such/folder")
    assert code == 2 and "/no/such/folder" in said


@pytest.mark.parametrize("name", ["photos.example.org:8000", "https://photos.example.org", "[::1]:8000", ""])
def test_a_name_that_no_request_could_match_is_refused(where: str, name: str) -> None:
    code, said = run("--index", where, "--allowed-host", name)
    assert code == 2 and "without port" in said
