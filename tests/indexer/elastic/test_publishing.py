"""What publishing can do without: it fails no build."""

from __future__ import annotations

import pytest

from indexer.elastic import ElasticIndex
from indexer.elastic.connection import connect, parse
from tests.indexer.elastic.dogs import built, concrete, dogs
from tests.indexer.proxy import Handler, Proxy, error_body

pytestmark = pytest.mark.elasticsearch


def ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, without the client's own."""
    return [record.getMessage() for record in caplog.records if record.name == "indexer.elastic"]


def test_an_old_index_that_cannot_be_deleted_is_told_and_the_others_go(
    elastic_where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As one that a snapshot is made of; the new index is live by then, so the build is none that failed."""
    oldest, older, old = (built(elastic_where, number, keep=5) for number in (1, 2, 3))
    with connect(parse(elastic_where)) as client:
        client.indices.put_settings(index=oldest, settings={"index.blocks.read_only": True})
        live = built(elastic_where, 4)
        assert concrete(elastic_where) == [oldest, old, live] and older not in concrete(elastic_where)
        (told,) = ours(caplog)
        assert told.startswith(f"the new index is live; {oldest} could not be deleted, the next build tries")
        assert "read-only" in told
        client.indices.put_settings(index=oldest, settings={"index.blocks.read_only": None})
    newest = built(elastic_where, 5)
    assert concrete(elastic_where) == [live, newest]


def test_nothing_that_comes_after_the_alias_has_moved_fails_the_build(
    proxy: Proxy, proxied: str, caplog: pytest.LogCaptureFixture
) -> None:
    older, old = built(proxied, 1, keep=5), built(proxied, 2, keep=5)
    moved: list[str] = []

    def fault(handler: Handler, path: str) -> bool:
        if moved:
            handler.answer(410, error_body("gone"))
            return True
        moved.extend([path] * (path == "/_aliases"))
        return False

    with ElasticIndex.open(proxied) as index:
        index.keep = 0
        with index.draft("k") as draft:
            draft.add(dogs(3))
            proxy.fault = fault
            assert draft.publish().captions == 3
        proxy.fault = lambda handler, path: False
        assert index.status().captions == 3
    (told,) = ours(caplog)
    assert f"{older}, {old} could not be deleted" in told


@pytest.mark.parametrize("status", [504, 410], ids=["does not wait", "does not offer it"])
def test_a_gateway_before_the_merge_does_not_fail_the_build(
    proxy: Proxy, proxied: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(handler: Handler, path: str) -> bool:
        if "_forcemerge" in path:
            handler.answer(status, b"<html>", {"Content-Type": "text/html"})
        return "_forcemerge" in path

    proxy.fault = fault
    index = built(proxied, 2)
    (told,) = ours(caplog)
    assert told.startswith(f"{index} is not known to be merged into one segment")
    assert f"Elasticsearch answers {status}" in told


def test_a_gateway_that_offers_no_details_leaves_them_out(proxy: Proxy, proxied: str) -> None:
    def fault(handler: Handler, path: str) -> bool:
        hidden = "/_nodes" in path or "/_stats/store,segments" in path
        if hidden:
            handler.answer(410, b"not offered here", {"Content-Type": "text/html"})
        return hidden

    proxy.fault = fault
    built(proxied, 2)
    with ElasticIndex.open(proxied) as index:
        assert index.status().details.keys() == {"index", "health"}
