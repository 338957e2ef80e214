"""A proxy before the real server: it answers itself, cuts connections or loses answers as it is told."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.serving import LocalServer, Quiet

PRODUCT = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}


class Proxy(LocalServer):
    """Passes requests on to the real server; `fault(handler, path)` may answer instead (and gives True)."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(Handler)
        self.upstream = urlsplit(upstream)
        self.fault: Callable[[Handler, str], bool] = lambda handler, path: False
        self.requests: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was cut off on purpose is no news."""


class Handler(Quiet):
    server: Proxy
    body: bytes
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.requests.append(self.path)
        if not self.server.fault(self, self.path):
            self.pass_on(self.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def pass_on(self, body: bytes = b"", *, then_cut: bool = False) -> None:
        upstream = http.client.HTTPConnection(self.server.upstream.netloc, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        if then_cut:
            return self.cut()
        kept = {"content-type", "x-elastic-product"}
        found = {name: value for name, value in answer.getheaders() if name.lower() in kept}
        return self.answer(answer.status, content, found)

    def answer(self, status: int, content: bytes, headers: dict[str, str] = PRODUCT) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def cut(self) -> None:
        """Close the connection without an answer."""
        self.close_connection = True


def error_body(kind: str, reason: str = "said so") -> bytes:
    cause = {"type": kind, "reason": reason}
    return json.dumps({"error": {**cause, "root_cause": [cause]}, "status": 0}).encode()
