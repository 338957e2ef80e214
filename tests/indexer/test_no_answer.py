"""A wrong protocol, a wrong port, something else than what was asked for: the one line says what to write."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from indexer.elastic import ElasticIndex
from indexer.errors import ContactLostError, IndexerError, IndexUnavailableError
from indexer.kibana import import_objects

#: What opens a connection to a server's address: an index there, or Kibana.
ASK: dict[str, Callable[[str], object]] = {
    "Elasticsearch": lambda url: ElasticIndex.open(f"{url}/captions"),
    "Kibana": lambda url: import_objects(url, []),
}


class Talker:
    """Says the same to whoever speaks to it, and closes the connection."""

    def __init__(self) -> None:
        self.says = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()

    def _talk(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if not _heard(connection):
                    return
                connection.sendall(self.says)

    def close(self) -> None:
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join()
        self._socket.close()


def _heard(connection: socket.socket) -> bytes:
    """A whole request: one that closes with a body unread resets the connection, and its words are lost."""
    said = connection.recv(65_536)
    head, _, body = said.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65_536)
    return said


@pytest.fixture
def talker() -> Iterator[Talker]:
    talker = Talker()
    yield talker
    talker.close()


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CA_CERTS", "CA_FINGERPRINT", "INSECURE", "API_KEY", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"ELASTICSEARCH_{name}", raising=False)


@pytest.mark.parametrize("program", ASK)
@pytest.mark.parametrize(
    ("scheme", "says", "message"),
    [
        (
            "https",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "speaks no TLS; where it is plain HTTP, write http://",
        ),
        ("http", b"", "closed the connection without an answer; where it speaks TLS, write https://"),
        ("https", b"", "closed the connection without an answer$"),
        ("http", b"SSH-2.0-OpenSSH_9.2\r\n", "what answers there is not PROGRAM"),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "its answer was cut off; try again"),
        (
            "http",
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n<html>",
            "what answers there is not PROGRAM",
        ),
    ],
    ids=["plain", "tls", "nothing", "ssh", "cut", "page"],
)
def test_what_is_no_such_server(talker: Talker, program: str, scheme: str, says: bytes, message: str) -> None:
    talker.says = says
    url = f"{scheme}://{talker.address}"
    with pytest.raises(
        IndexUnavailableError, match=f"^{url}: {message.replace('PROGRAM', program)}"
    ) as caught:
        ASK[program](url)
    assert "\n" not in str(caught.value)
    # What may have been a server that was going down is asked again.
    assert isinstance(caught.value, ContactLostError) == ("closed" in message or "cut off" in message)


def test_a_server_of_something_else_that_knows_no_such_page_is_no_elasticsearch(talker: Talker) -> None:
    """Such as any web server; the client looks who answers only where the answer is no error."""
    talker.says = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
    url = f"http://{talker.address}"
    with pytest.raises(IndexUnavailableError, match=f"^{url}: what answers there is not Elasticsearch$"):
        ElasticIndex.open(f"{url}/captions")


@pytest.mark.parametrize("program", ASK)
@pytest.mark.parametrize("url", ["http://lo st:9", "http://localhost:9/a b", "http://localhost:9/küche"])
def test_what_no_address_holds_is_refused(program: str, url: str) -> None:
    with pytest.raises(IndexerError, match="percent-encoded"):
        ASK[program](url)


@pytest.mark.parametrize("program", ASK)
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CA_CERTS", "nowhere.pem", "CA_CERTS: cannot read nowhere.pem: No such file"),
        ("CA_CERTS", "page.html", "CA_CERTS: page.html holds no certificate as PEM"),
        ("CA_FINGERPRINT", "12", "64 hex digits"),
    ],
)
def test_what_cannot_vouch_for_a_server_is_named(
    program: str,
    variable: str,
    value: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("page.html").write_text("<html>")
    monkeypatch.setenv(f"ELASTICSEARCH_{variable}", value)
    with pytest.raises(IndexerError, match=message):
        ASK[program]("https://localhost:9")
