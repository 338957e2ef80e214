"""Corrections of tokens that no caption has, by the server's own suggester."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from elasticsearch import Elasticsearch

from indexer.corrections import edits, most_frequent, near
from indexer.elastic import bodies
from indexer.elastic.connection import Address
from indexer.elastic.searches import search


def corrections(client: Elasticsearch, address: Address, tokens: Iterable[str]) -> dict[str, Sequence[str]]:
    """Do what `View.corrections` promises, by the server's term suggester."""
    asked = [token for token in dict.fromkeys(tokens) if edits(token)]
    alike = _alike(client, address, asked) if asked else {}
    if not any(alike.values()):
        return {}
    # The suggester knows tokens of deleted captions until the server has merged these away.
    counts = _counted(client, address, {*alike}.union(*alike.values()))
    chosen = {
        token: most_frequent({other: counts[other] for other in others}) for token, others in alike.items()
    }
    return {token: others for token, others in chosen.items() if others and not counts[token]}


def _alike(client: Elasticsearch, address: Address, asked: Sequence[str]) -> dict[str, list[str]]:
    """For each token those near to it, also of captions that are deleted."""
    suggested = search(client, index=address.name, body=bodies.misspelt(asked))["suggest"]
    found = {}
    for number, token in enumerate(asked):
        [entry] = suggested[str(number)]
        found[token] = near(token, (one["text"] for one in entry["options"]))
    return found


def _counted(client: Elasticsearch, address: Address, tokens: Iterable[str]) -> dict[str, int]:
    """How many documents have each of these tokens."""
    ordered = sorted(tokens)
    answer = search(client, index=address.name, body=bodies.with_each(ordered))
    buckets = answer["aggregations"]["tokens"]["buckets"]
    return {token: one["doc_count"] for token, one in zip(ordered, buckets, strict=True)}
