"""Credentials reach the server and nothing else: not output, tracebacks or logs, `--debug` included."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.elastic.credentials import authorization
from indexer.errors import IndexerError
from tests.serving import LocalServer, Quiet, serving

SECRET = "hunter2-never-shown"
KEY = {"ELASTICSEARCH_API_KEY": SECRET}
PASSWORD = {"ELASTICSEARCH_USERNAME": "reader", "ELASTICSEARCH_PASSWORD": SECRET}
LINE_END = "\r\n"
ENCODED = b64encode(f"reader:{SECRET}".encode()).decode()


class Refusing(LocalServer):
    """Answers with the status that the path begins with, and keeps the credentials that it was sent."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.seen: list[str] = []


class _Handler(Quiet):
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


@pytest.fixture
def server() -> Iterator[Refusing]:
    with serving(Refusing()) as refusing:
        yield refusing


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


@pytest.mark.parametrize("command", [["status"], ["rollback"], ["kibana"]], ids=" ".join)
@pytest.mark.parametrize("password", [SECRET, f"{SECRET}#", f"{SECRET}/x", f"1/{SECRET}"])
def test_a_password_in_the_url_is_not_repeated(command: list[str], password: str, tmp_path: Path) -> None:
    words = ["indexer", "--debug", *command, "--index", f"HTTP://u:{password}@127.0.0.1:9/captions"]
    printed = run(words, {}, tmp_path)
    assert "carries a user or password" in printed
    assert SECRET not in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["indexer", "status"], ["search", "text", "a dog"]])
def test_the_line_end_of_a_windows_file_does_not_belong_to_a_key(
    server: Refusing, words: list[str], tmp_path: Path
) -> None:
    environment = {"ELASTICSEARCH_API_KEY": f"{SECRET}\r", "CAPTION_INDEX": f"{server.url}/500/captions"}
    printed = run(words, environment, tmp_path)
    assert f"ApiKey {SECRET}" in server.seen
    assert SECRET not in printed


@pytest.mark.parametrize(
    "name", ["ELASTICSEARCH_API_KEY", "ELASTICSEARCH_USERNAME", "ELASTICSEARCH_PASSWORD"]
)
@pytest.mark.parametrize("bad", ["\n", "\t", "\x7f", "\x85", "\udce4"])
def test_what_no_header_can_carry_is_refused_and_not_repeated(name: str, bad: str, tmp_path: Path) -> None:
    value = f"{SECRET}{bad}{SECRET}"
    with pytest.raises(IndexerError, match=f"{name}: holds a control character") as caught:
        authorization({name: value})
    assert SECRET not in str(caught.value)
    file = tmp_path / "secret"
    file.write_bytes(value.encode(errors="replace").replace(b"?", b"\t"))
    with pytest.raises(IndexerError, match=f"{name}_FILE: holds a control character") as caught:
        authorization({f"{name}_FILE": str(file)})
    assert SECRET not in str(caught.value)


def test_a_key_of_other_letters_is_refused_and_not_repeated() -> None:
    with pytest.raises(IndexerError, match="ASCII") as caught:
        authorization({"ELASTICSEARCH_API_KEY": f"{SECRET}ä"})
    assert SECRET not in str(caught.value)


def test_users_and_passwords_are_sent_as_utf8(server: Refusing, tmp_path: Path) -> None:
    environment = {"ELASTICSEARCH_USERNAME": "jürgen", "ELASTICSEARCH_PASSWORD": "pass€"}
    run(["indexer", "status", "--index", f"{server.url}/500/captions"], environment, tmp_path)
    assert f"Basic {b64encode('jürgen:pass€'.encode()).decode()}" in server.seen


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_pair_is_sent_as_it_is_or_refused(user: str, password: str) -> None:
    try:
        sent = authorization({"ELASTICSEARCH_USERNAME": user, "ELASTICSEARCH_PASSWORD": password})
    except IndexerError:
        return
    pair = b64decode(sent["authorization"].removeprefix("Basic ")).decode()
    assert pair == f"{user.rstrip(LINE_END)}:{password.rstrip(LINE_END)}"
