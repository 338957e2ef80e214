"""Addresses, credentials and certificates, and what is told of a server that refuses or is none."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from indexer.elastic import ElasticIndex
from indexer.elastic.connection import connect, parse
from indexer.elastic.faults import api_error
from indexer.errors import (
    IndexBusyError,
    IndexerError,
    IndexIncompleteError,
    IndexReadOnlyError,
    IndexUnavailableError,
)
from indexer.index import open_index
from indexer.records import CaptionRecord, Query
from indexer.urls import is_url
from tests.conftest import ROOT
from tests.indexer.proxy import Handler, Proxy, error_body

NOT_RECOVERED = "SERVICE_UNAVAILABLE/1/state not recovered / initialized"
DOG = CaptionRecord("image0", "dog number n0")

#: A child that is forked asks after its parent has, and then its parent again.
FORKING = """
import multiprocessing, sys
from indexer import open_index

with open_index(sys.argv[1], create=True) as index:
    child = multiprocessing.get_context("fork").Process(target=index.status)
    child.start()
    child.join()
    index.status()
sys.exit(child.exitcode)
"""


def test_no_server() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    server.server_close()
    with pytest.raises(IndexUnavailableError, match=f"http://127.0.0.1:{port}: cannot connect"):
        ElasticIndex.open(f"http://127.0.0.1:{port}/captions")


@pytest.mark.elasticsearch
def test_where_a_node_is_gone_the_others_are_asked(
    elastic_where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _, name = elastic_where.rpartition("/")
    gone = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gone.server_close()
    dead = f"http://127.0.0.1:{gone.server_address[1]}"
    monkeypatch.setenv("ELASTICSEARCH_NODES", f"{dead}, {server}/")
    with ElasticIndex.open(f"{dead}/{name}", create=True) as index:
        index.add([DOG])
        for _ in range(5):
            assert index.caption_count() == 1


def test_nodes_are_of_one_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(nodes: str) -> list[str]:
        with connect(parse("http://a:9200/captions"), {"ELASTICSEARCH_NODES": nodes}) as client:
            return sorted(node.base_url for node in client.transport.node_pool.all())

    assert asked("http://a,http://b:9201") == ["http://a:9200", "http://b:9201"]
    assert asked("http://b,http://c") == asked("") == ["http://a:9200"]
    for wrong, message in (("http://a,https://b", "others with https:"), ("http://u:pw@a", "password")):
        with pytest.raises(IndexerError, match=message):
            asked(wrong)


@pytest.mark.elasticsearch
@pytest.mark.parametrize(
    ("status", "kind", "reason", "message"),
    [
        (401, "security_exception", "no", "not authenticated; check ELASTICSEARCH_API_KEY"),
        (403, "security_exception", "no", "not permitted; this user's role"),
        (403, "cluster_block_exception", "[FORBIDDEN/8/index write (api)]", "read-only .*; free disk space"),
        (
            429,
            "cluster_block_exception",
            "[TOO_MANY_REQUESTS/12/flood-stage]",
            "read-only .*; free disk space",
        ),
        (
            403,
            "cluster_block_exception",
            "[FORBIDDEN/7/index read (api)]",
            r"is blocked \(.*; lift the block",
        ),
        (503, "cluster_block_exception", f"[{NOT_RECOVERED}]", "not available now; try again later"),
        (429, "cluster_block_exception", f"[{NOT_RECOVERED}]", "not available now; try again later"),
        (
            404,
            "search_context_missing_exception",
            "No search context",
            r"forgot what was being read .*; ask again",
        ),
        (404, "resource_not_found_exception", "no", "answers 404"),
        (429, "circuit_breaking_exception", "no", "overloaded"),
        (503, "no_shard_available_action_exception", "no", "not available now"),
        (500, "null_pointer_exception", "no", "answers 500"),
    ],
)
def test_refusals_say_what_to_do(
    proxy: Proxy, proxied: str, status: int, kind: str, reason: str, message: str
) -> None:
    with ElasticIndex.open(proxied, create=True) as index:
        index.add([DOG])

        def fault(handler: Handler, path: str) -> bool:
            handler.answer(status, error_body(kind, reason))
            return True

        proxy.fault = fault
        with pytest.raises(IndexUnavailableError, match=message) as caught:
            index.candidates(frozenset({"dog"}), 3)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "reason", "error"),
    [
        (429, "circuit_breaking_exception", "no", IndexBusyError),
        (503, "no_shard_available_action_exception", "no", IndexIncompleteError),
        (429, "cluster_block_exception", f"[{NOT_RECOVERED}]", IndexIncompleteError),
        (429, "cluster_block_exception", "[TOO_MANY_REQUESTS/12/flood-stage]", IndexReadOnlyError),
        (403, "cluster_block_exception", "[FORBIDDEN/7/index read (api)]", IndexUnavailableError),
        (403, "security_exception", "no", IndexUnavailableError),
    ],
)
def test_the_type_tells_whether_asking_again_may_help(
    status: int, kind: str, reason: str, error: type[IndexUnavailableError]
) -> None:
    told = api_error(parse("http://host/captions"), status, json.loads(error_body(kind, reason)))
    assert type(told) is error
    assert isinstance(told, IndexBusyError) == (error in (IndexBusyError, IndexIncompleteError))


def test_an_error_that_is_a_mere_text_is_told() -> None:
    """As of an address with too long a path."""
    body = {"error": "no handler found for uri [/a/b]\nand method [GET]", "status": 400}
    told = str(api_error(parse("http://host/a/b"), 400, body))
    assert told == (
        "http://host:9200/a/b: Elasticsearch answers 400 (no handler found for uri [/a/b] and method [GET])"
    )


@pytest.mark.elasticsearch
def test_a_part_of_a_multi_search_that_fails_fails_the_whole(proxy: Proxy, proxied: str) -> None:
    with ElasticIndex.open(proxied, create=True) as index:
        index.add([DOG])

        def fault(handler: Handler, path: str) -> bool:
            if "_msearch" in path:
                failed = json.loads(error_body("circuit_breaking_exception", "data too large"))
                body = {"took": 1, "responses": [{**failed, "status": 429}]}
                handler.answer(200, json.dumps(body).encode())
            return "_msearch" in path

        proxy.fault = fault
        queries = [Query(frozenset({"dog"})), Query(frozenset({"number"}))]
        with pytest.raises(IndexUnavailableError, match=r"overloaded.*data too large"):
            index.candidates_many(queries, 3)


@pytest.mark.elasticsearch
def test_a_forked_child_has_sockets_of_its_own(proxy: Proxy, proxied: str) -> None:
    ports: list[int] = []

    def listen(handler: Handler, path: str) -> bool:
        ports.append(handler.client_address[1])
        return False

    proxy.fault = listen
    subprocess.run([sys.executable, "-c", FORKING, proxied], cwd=ROOT, check=True)
    parent, child = dict.fromkeys(ports)
    assert ports[0] == ports[-1] == parent
    assert ports.index(child) > 0


@pytest.mark.elasticsearch
def test_something_else_than_elasticsearch(proxy: Proxy, proxied: str) -> None:
    def fault(handler: Handler, path: str) -> bool:
        handler.answer(200, b"<html>hello</html>", {"Content-Type": "text/html"})
        return True

    proxy.fault = fault
    with pytest.raises(IndexUnavailableError, match="what answers there is not Elasticsearch"):
        ElasticIndex.open(proxied)


@pytest.mark.parametrize("opened", [ElasticIndex.open, open_index])
@pytest.mark.parametrize(
    "url",
    [
        "http://elastic:hunter2@host:9200/captions",
        "https://hunter2@host/captions",
        "https://elastic:hunter2#x@host:9200/captions",
        "https://elastic:hunter2/x@host:9200/captions",
        "https://elastic:hunter2?x@host:9200/captions",
        "https://elastic:123/hunter2@host:9200/captions",
        "HTTP://elastic:hunter2@host:9200/captions",
        "elastic://elastic:hunter2@host:9200/captions",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str, opened: Callable[[str], object]) -> None:
    with pytest.raises(IndexerError, match="ELASTICSEARCH_API_KEY") as caught:
        opened(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://host:9200",
        "http://host:9200/",
        "http://host/Upper",
        "http://host/a,b",
        "http://host/*",
        "http://[::1/x",
    ],
)
def test_urls_that_name_no_index(url: str) -> None:
    with pytest.raises(IndexerError, match="not an index URL"):
        parse(url)


@pytest.mark.parametrize(
    "name",
    [
        "cap-builds",
        "cap-20261127-210233-804639-write",
        "cap-20261127-210233-804639-draft",
        "cap-20261127-210233-804639-left",
    ],
)
def test_names_that_the_program_itself_uses_are_refused(name: str) -> None:
    with pytest.raises(
        IndexerError, match=f"/es/{name}: .* uses this name, for cap; .* http://host:80/es/cap"
    ):
        parse(f"http://host:80/es/{name}")


@pytest.mark.parametrize("name", ["cap-20261127-210233-804639", "cap-write", "builds", "cap-builds-2"])
def test_names_that_resemble_those_are_free(name: str) -> None:
    assert parse(f"http://host/{name}").name == name


def test_urls() -> None:
    assert is_url("HTTP://localhost/captions")
    assert parse("HTTP://localhost/captions").where == "http://localhost:9200/captions"
    assert parse("http://localhost/captions").where == "http://localhost:9200/captions"
    assert parse("https://search.example/es/captions/").where == "https://search.example:443/es/captions"
    assert parse("http://[::1]:9201/captions").where == "http://[::1]:9201/captions"
    with pytest.raises(IndexerError, match="the port"):
        parse("http://host:99999/captions")


def test_credentials_come_from_the_environment_or_files(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("k3y\n")
    address = parse("http://host/captions")

    def header(**environment: str) -> str:
        with connect(address, environment) as client:
            return str(client._headers.get("authorization"))

    assert header(ELASTICSEARCH_API_KEY_FILE=str(secret)) == "ApiKey k3y"
    assert header(ELASTICSEARCH_API_KEY="other") == "ApiKey other"
    assert header(ELASTICSEARCH_USERNAME="u", ELASTICSEARCH_PASSWORD="p") == "Basic dTpw"
    assert header() == "None"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"ELASTICSEARCH_USERNAME": "hunter2"}, "must be set together"),
        ({"ELASTICSEARCH_API_KEY": "hunter2", "ELASTICSEARCH_USERNAME": "u"}, "not both"),
        ({"ELASTICSEARCH_API_KEY_FILE": "/nowhere/key"}, "cannot read /nowhere/key: No such file"),
        ({"ELASTICSEARCH_CA_CERTS": "/nowhere/ca.pem"}, "cannot read /nowhere/ca.pem: No such file"),
        ({"ELASTICSEARCH_CA_FINGERPRINT": "12"}, "64 hex digits"),
    ],
)
def test_settings_that_cannot_be_right(environment: dict[str, str], message: str) -> None:
    with pytest.raises(IndexerError, match=message) as caught:
        connect(parse("https://host/captions"), environment)
    assert "hunter2" not in str(caught.value)


def test_certificates_are_verified_unless_switched_off() -> None:
    address = parse("https://localhost:9/captions")

    def verifies(environment: dict[str, str]) -> ssl.VerifyMode:
        with connect(address, environment) as client:
            node = next(iter(client.transport.node_pool.all()))
            return ssl.CERT_REQUIRED if node.config.verify_certs else ssl.CERT_NONE

    assert verifies({}) == ssl.CERT_REQUIRED
    assert verifies({"ELASTICSEARCH_INSECURE": "0"}) == ssl.CERT_REQUIRED
    assert verifies({"ELASTICSEARCH_INSECURE": "1"}) == ssl.CERT_NONE
