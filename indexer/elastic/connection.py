"""A URL -> the address of an index; the address and the environment -> a client."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from elastic_transport import NodeConfig, TransportError, Urllib3HttpNode
from elasticsearch import Elasticsearch

from indexer.elastic.credentials import authorization, verification
from indexer.elastic.names import served_by
from indexer.errors import IndexerError
from indexer.urls import refuse_password

#: What Elasticsearch allows, without the characters that would address several indices at once.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,200}")
_NOT_IN_URLS = re.compile(r"[^!-~]")


@dataclass(frozen=True, slots=True)
class Address:
    """Where an index is: the server and the name (an alias) on it."""

    server: str
    name: str

    @property
    def where(self) -> str:
        return f"{self.server}/{self.name}"


def parse(where: str) -> Address:
    """`http[s]://host[:port][/prefix]/NAME` -> Address. Raises IndexerError, never repeating a password."""
    form = "http[s]://host:9200/NAME"
    parts = server_parts(where, "an index URL", form)
    prefix, _, name = parts.path.rstrip("/").rpartition("/")
    if not _NAME.fullmatch(name):
        raise IndexerError(
            f"{where}: not an index URL; expected {form} with NAME of lower-case letters, digits, '-', '_' "
            "and '.', 201 at most"
        )
    server = _server(parts, prefix)
    if whole := served_by(name):
        raise IndexerError(
            f"{where}: the program itself uses this name, for {whole}; name that (--index {server}/{whole}), "
            "or choose another"
        )
    return Address(server, name)


def address_on(server: str, name: str) -> Address:
    """The index `name` on the server at `http[s]://host[:port][/prefix]`. Raises IndexerError as `parse`."""
    parts = server_parts(server, "Elasticsearch's URL", "http[s]://host:9200")
    return Address(_server(parts, parts.path.rstrip("/")), name)


def _server(parts: SplitResult, prefix: str) -> str:
    port = parts.port or (443 if parts.scheme == "https" else 9200)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port}{prefix}"


def server_parts(url: str, what: str, form: str) -> SplitResult:
    """The parts of a URL. Raises IndexerError, never repeating a password, where it is not `what`."""
    refuse_password(url, what)
    try:
        return _checked(url.strip())
    except ValueError as error:
        raise IndexerError(f"{url}: not {what} ({error}); expected {form}") from None


def _checked(url: str) -> SplitResult:
    if _NOT_IN_URLS.search(url):
        raise ValueError("spaces, and letters that are not ASCII, are written percent-encoded")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it names no host")
    if parts.query or parts.fragment:
        raise ValueError("it has a ? or #")
    try:
        named = parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise ValueError("the port is not a number from 1 to 65535")
    return parts


class ClosedError(TransportError):
    """A client that was closed before it was asked: its server may well be there."""


class _Node(Urllib3HttpNode):
    """The sockets of one process. Those that a child was forked with are its parent's, whose answers it
    would take for its own.
    """

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self._process = os.getpid()
        self._closed = False

    def perform_request(self, *request: Any, **options: Any) -> Any:
        if self._closed:
            raise ClosedError("closed")
        if self._process != os.getpid():
            self.pool, self._process = Urllib3HttpNode(self.config).pool, os.getpid()
        return super().perform_request(*request, **options)

    def close(self) -> None:
        self._closed = True
        super().close()


def connect(address: Address, environment: Mapping[str, str] | None = None) -> Elasticsearch:
    """A client with the credentials of the environment; it does not connect yet.

    Raises IndexerError where they contradict each other or a file cannot be read.
    """
    environment = os.environ if environment is None else environment
    nodes = _nodes(address, environment)
    options: dict[str, Any] = {"request_timeout": 60, "max_retries": 2, "retry_on_timeout": False}
    options["headers"] = authorization(environment)
    if address.server.startswith("https://"):
        options |= verification(environment)
    return Elasticsearch(nodes, node_class=_Node, **options)


def _nodes(address: Address, environment: Mapping[str, str]) -> list[str]:
    """The servers to ask: where one is gone, the client asks another.

    ELASTICSEARCH_NODES names all of one cluster; an address that is not among them is of another one.
    """
    given = environment.get("ELASTICSEARCH_NODES", "").replace(",", " ").split()
    nodes = [address_on(one, address.name).server for one in given]
    if len({one.partition(":")[0] for one in nodes}) > 1:
        raise IndexerError(
            "ELASTICSEARCH_NODES: some begin with http:, others with https:; a cluster has one"
        )
    return nodes if address.server in nodes else [address.server]
