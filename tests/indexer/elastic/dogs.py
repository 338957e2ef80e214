"""Indices of so many dogs on the real server, and what lies behind their names."""

from __future__ import annotations

from indexer.elastic import ElasticIndex
from indexer.elastic.connection import connect, parse
from indexer.elastic.generations import generations, live_generation
from indexer.records import CaptionRecord


def dogs(number: int, kind: str = "reference") -> list[CaptionRecord]:
    return [CaptionRecord(f"image{n}", f"dog number n{n}", kind=kind) for n in range(number)]


def built(where: str, number: int, keep: int = 1) -> str:
    """Build so many dogs; gives the concrete index."""
    with ElasticIndex.open(where, create=True) as index:
        index.keep = keep
        with index.draft(f"{number} dogs") as draft:
            draft.add(dogs(number))
            status = draft.publish()
    assert status.captions == number
    return str(status.details["index"])


def concrete(where: str) -> list[str]:
    """Every index behind the name, the oldest first."""
    address = parse(where)
    with connect(address) as client:
        return [one.index for one in generations(client, address)]


def captions(where: str) -> int:
    with ElasticIndex.open(where) as index:
        return index.status().captions


def gone_back(where: str) -> int:
    """Go back; gives how many dogs that leads to."""
    with ElasticIndex.open(where, create=True) as index:
        return index.rollback().captions


def delete_by_hand(where: str, index: str) -> None:
    with connect(parse(where)) as client:
        client.indices.delete(index=index)


def make_older(where: str) -> None:
    """Let the live index tell of an earlier schema."""
    address = parse(where)
    with connect(address) as client:
        live = live_generation(client, address)
        assert live is not None
        client.indices.put_mapping(index=live.index, meta={**live.meta, "schema": 0})
