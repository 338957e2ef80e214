"""Let the name stand again for a generation that was live before."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from elasticsearch import Elasticsearch

from indexer.elastic.connection import Address
from indexer.elastic.faults import closed_error, not_found
from indexer.elastic.generations import (
    Generation,
    check_schema,
    generations,
    lineage,
    live_generation,
    refuse_to_write,
)
from indexer.elastic.lock import BuildLock
from indexer.elastic.names import left_alias
from indexer.elastic.retries import Retrier
from indexer.elastic.rollout import move_alias
from indexer.errors import IndexNotFoundError


def go_back(client: Elasticsearch, address: Address, retrier: Retrier, to: str | None = None) -> None:
    """Let the name stand again for the generation that was live before, or for `to`, which may be newer."""
    find = _generation_before if to is None else partial(_generation_named, to)
    with retrier.ask(BuildLock(client, address, "rollback").acquire):
        live = retrier.ask(partial(live_generation, client, address, any_schema=True))
        refuse_to_write(address, live)
        target = retrier.ask(partial(find, client, address)).index
        marks: list[Mapping[str, Any]] = [{"remove": {"index": target, "alias": left_alias(target)}}]
        # Who goes forward again, by a name, leaves nothing bad behind.
        if live and (to is None or target < live.index):
            marks.append({"add": {"index": live.index, "alias": left_alias(live.index)}})
        retrier.ask(partial(move_alias, client, address, target, *marks))


def _generation_named(to: str, client: Elasticsearch, address: Address) -> Generation:
    """A generation by its own name. Raises IndexNotFoundError where it is none that can become live."""
    kept = [one for one in generations(client, address) if not one.live and not one.draft]
    found = next((one for one in kept if one.index == to), None)
    if found is None:
        there = ", ".join(one.index for one in kept) or "none"
        raise IndexNotFoundError(f"{address.where}: no index {to} is kept to go to; kept: {there}")
    return _readable(address, found)


def _readable(address: Address, one: Generation) -> Generation:
    """Raises IndexerError where no search could read it: the name is not to stand for that."""
    if one.closed:
        raise closed_error(address, one.index)
    check_schema(f"{address.server}/{one.index}", one, "go back with the version that made it")
    return one


def _generation_before(client: Elasticsearch, address: Address) -> Generation:
    every = generations(client, address)
    if kept := lineage(every):
        return _readable(address, kept[0])
    others = [one.index for one in every if not one.live and not one.draft]
    if not others and not any(one.live for one in every):
        raise not_found(address)
    also = f" ({', '.join(others)}: newer, or gone back from; --to leads to them)" if others else ""
    raise IndexNotFoundError(f"{address.where}: no older index is kept to go back to{also}")
