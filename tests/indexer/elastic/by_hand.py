"""Indices as the program makes them, but with other settings, and without the program."""

from __future__ import annotations

from typing import Any

from elasticsearch import Elasticsearch

from captioner.tokens import DEFAULT
from es_mappings import SCHEMA_VERSION, index_template


def make_by_hand(
    client: Elasticsearch,
    index: str,
    settings: dict[str, Any],
    *aliases: str,
    meta: dict[str, str] | None = None,
    **request: Any,
) -> None:
    """Make an index of this version's template with other settings, and something else in its `_meta`."""
    template = index_template(SCHEMA_VERSION)
    alone = {"auto_expand_replicas": "false", "number_of_replicas": 0}
    told = {"schema": SCHEMA_VERSION, "analyzer": DEFAULT, **(meta or {})}
    client.indices.create(
        index=index,
        settings={"index": {**template.settings["index"], **alone, **settings}},
        mappings={**template.mappings, "_meta": told},
        aliases={alias: {} for alias in aliases},
        **request,
    )
