"""Credentials reach the server and nothing else: not output, tracebacks or logs, `--debug` included."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SECRET = "hunter2-never-shown"
KEY = {"ELASTICSEARCH_API_KEY": SECRET}
PASSWORD = {"ELASTICSEARCH_USERNAME": "reader", "ELASTICSEARCH_PASSWORD": SECRET}
ENCODED = b64encode(f"reader:{SECRET}".encode()).decode()


class Refusing(ThreadingHTTPServer):
    """Answers with the status that the path begins with, and keeps the credentials that it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.seen: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Refusing

    def do_any(self) -> None:
        self.server.seen.append(self.headers.get("authorization", ""))
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b'{"error":{"type":"security_exception","reason":"no"},"message":"no"}')

    do_GET = do_POST = do_PUT = do_HEAD = do_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Refusing]:
    with Refusing() as refusing:
        thread = threading.Thread(target=refusing.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield refusing
        refusing.shutdown()
        thread.join()


def run(words: list[str], environment: dict[str, str], folder: Path) -> str:
    """Everything that a command prints."""
    program = str(Path(sys.executable).parent / words[0])
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ELASTICSEARCH_")}
    finished = subprocess.run(
        [program, *words[1:]],
        cwd=folder,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 1, finished.stdout + finished.stderr
    return finished.stdout + finished.stderr


@pytest.mark.parametrize(("environment", "sent"), [(KEY, f"ApiKey {SECRET}"), (PASSWORD, f"Basic {ENCODED}")])
@pytest.mark.parametrize(
    "words",
    [
        ["indexer", "--debug", "status"],
        ["search", "--debug", "text", "a dog"],
        ["indexer", "--debug", "kibana", "--import", "{url}/500"],
    ],
    ids=lambda words: words[0] + " " + words[2],
)
def test_refused_commands_do_not_tell_credentials(
    server: Refusing, words: list[str], environment: dict[str, str], sent: str, tmp_path: Path
) -> None:
    words = [word.format(url=server.url) for word in words]
    printed = run(words, {**environment, "CAPTION_INDEX": f"{server.url}/500/captions"}, tmp_path)
    assert sent in server.seen  # they were used
    assert "Traceback" in printed  # and --debug told what it could
    assert SECRET not in printed
    assert ENCODED not in printed


@pytest.mark.parametrize("environment", [KEY, PASSWORD])
def test_an_unreachable_server_does_not_bring_them_out(environment: dict[str, str], tmp_path: Path) -> None:
    with Refusing() as gone:
        where = f"{gone.url}/500/captions"
    printed = run(["indexer", "--debug", "status"], {**environment, "CAPTION_INDEX": where}, tmp_path)
    assert "cannot connect" in printed
    assert SECRET not in printed
    assert ENCODED not in printed


def test_a_password_in_the_url_is_not_repeated(tmp_path: Path) -> None:
    words = ["indexer", "--debug", "status", "--index", f"http://u:{SECRET}@127.0.0.1:9/captions"]
    assert SECRET not in run(words, {}, tmp_path)
