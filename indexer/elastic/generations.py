"""The concrete indices behind a name: NAME-<time> each, one of them carried by the alias NAME."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import elasticsearch
from elasticsearch import Elasticsearch

from es_mappings import index_template
from indexer.elastic.connection import Place
from indexer.errors import IndexMismatchError, IndexNotFoundError
from indexer.records import SCHEMA_VERSION, as_time

_TIME = re.compile(r"\d{8}-\d{6}-\d{6}")


@dataclass(frozen=True, slots=True)
class Generation:
    """One concrete index."""

    index: str
    live: bool  # whether the alias carries it
    meta: Mapping[str, Any]
    created_ms: int
    closed: bool = False
    writable: bool = True  # whether it has the alias that it is written through
    as_made: bool = True  # whether it takes documents as an index that is made now does

    @property
    def analyzer(self) -> str:
        return str(self.meta["analyzer"])

    @property
    def schema(self) -> int:
        return int(self.meta["schema"])

    @property
    def draft_key(self) -> str | None:
        """The key of the build that makes it; None once it is published."""
        return None if self.live else self.meta.get("draft")

    @property
    def built_at(self) -> str:
        return str(self.meta.get("built_at") or as_time(self.created_ms / 1000))


def generations(client: Elasticsearch, place: Place) -> list[Generation]:
    """Every generation of a name, closed ones too, oldest first; no other indices that begin alike."""
    found = client.indices.get(index=f"{place.name}-*", expand_wildcards=["open", "closed"])
    ours = [_generation(place, index, state) for index, state in found.items() if _is_ours(place, index)]
    return sorted((one for one in ours if "analyzer" in one.meta), key=lambda one: one.index)


def written_as(index: str) -> str:
    """The alias of its own through which an index is written to.

    It goes when its index goes, and a request can insist on an alias; one that names an index makes it anew.
    """
    return f"{index}-write"


def make_writable(client: Elasticsearch, one: Generation) -> None:
    """Earlier versions made indices without that alias."""
    if not one.writable:
        client.indices.put_alias(index=one.index, name=written_as(one.index))


def gone(place: Place, index: str) -> IndexNotFoundError:
    return IndexNotFoundError(
        f"{place.where}: {index} was deleted while it was written to (by another build, or by hand); "
        "run the same command again"
    )


def refresh(client: Elasticsearch, place: Place, index: str) -> None:
    """Let searches see what was written."""
    try:
        client.indices.refresh(index=index)
    except elasticsearch.NotFoundError:
        raise gone(place, index) from None


def lineage(every: Sequence[Generation]) -> list[Generation]:
    """The generations that were live before the live one, the latest first: where rollbacks lead.

    Publishing notes what was live; for indices of which nobody noted it, their age tells.
    """
    one = next((one for one in every if one.live), None)
    left = {other.index: other for other in every if not other.live}
    found = []
    while one is not None and (one := left.pop(_before(one, left.values()), None)):
        found.append(one)
    return found


def _before(one: Generation, others: Iterable[Generation]) -> str:
    noted = one.meta.get("before")
    if noted is not None:
        return str(noted)
    older = (other.index for other in others if other.draft_key is None and other.index < one.index)
    return max(older, default="")


def live_generation(client: Elasticsearch, place: Place, *, any_schema: bool = False) -> Generation | None:
    """The generation that the alias carries, or None.

    Raises IndexMismatchError for an index that was not made by this program, or by another schema.
    """
    try:
        found = dict(client.indices.get(index=place.name).items())
    except elasticsearch.NotFoundError:
        # A cluster that is starting knows no name yet; it says so (503) only of what needs shards.
        with suppress(elasticsearch.NotFoundError):
            client.count(index=place.name)
        return None
    if len(found) > 1:
        raise IndexMismatchError(
            f"{place.where}: stands for several indices ({', '.join(sorted(found))}), not one"
        )
    index, state = next(iter(found.items()))
    one = _generation(place, index, state)
    if not one.live or "analyzer" not in one.meta or "schema" not in one.meta:
        raise IndexMismatchError(f"{place.where}: there is an index, but not one that `indexer build` made")
    if one.schema != SCHEMA_VERSION and not any_schema:
        raise IndexMismatchError(
            f"{place.where}: made with schema {one.schema}, this version reads {SCHEMA_VERSION}; "
            f"run `indexer migrate --index {place.where}`"
        )
    return one


def create_generation(
    client: Elasticsearch, place: Place, analyzer: str, *, draft: str | None = None
) -> Generation:
    """A new, empty concrete index; carried by the alias at once unless it is a draft.

    A draft is loaded without refresh and without replicas, which is several times less work.
    """
    template = index_template(SCHEMA_VERSION)
    meta: dict[str, Any] = {"schema": SCHEMA_VERSION, "analyzer": analyzer}
    settings = {**template.settings["index"]}
    if draft is not None:
        meta["draft"] = draft
        settings |= LOADING
    index = f"{place.name}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S-%f}"
    try:
        client.indices.create(
            index=index,
            settings={"index": settings},
            mappings={**template.mappings, "_meta": meta},
            aliases={written_as(index): {}} | ({} if draft is not None else {place.name: {}}),
        )
    except elasticsearch.BadRequestError as error:
        # The answer got lost, and the client has asked again: nobody else makes an index of this very name.
        if error.error != "resource_already_exists_exception":
            raise
    return Generation(index, draft is None, meta, int(datetime.now(timezone.utc).timestamp() * 1000))


#: Settings while a draft is loaded, and those that it is published with.
LOADING: Mapping[str, Any] = {
    "refresh_interval": "-1",
    "auto_expand_replicas": "false",
    "number_of_replicas": 0,
}


def serving_settings() -> Mapping[str, Any]:
    return {name: index_template(SCHEMA_VERSION).settings["index"].get(name) for name in LOADING}


def _is_ours(place: Place, index: str) -> bool:
    return _TIME.fullmatch(index[len(place.name) + 1 :]) is not None


def _generation(place: Place, index: str, state: Mapping[str, Any]) -> Generation:
    mapping, aliases = state.get("mappings", {}), state.get("aliases", {})
    settings = state.get("settings", {}).get("index", {})
    return Generation(
        index=index,
        live=place.name in aliases,
        meta=mapping.get("_meta", {}),
        created_ms=int(settings.get("creation_date", 0)),
        closed=settings.get("verified_before_close") == "true",  # the only trace of it in this answer
        writable=written_as(index) in aliases,
        as_made=_has_mapping(mapping) and not _has_pipeline(settings),
    )


def _has_mapping(mapping: Mapping[str, Any]) -> bool:
    """Whether it is this version's; templates of the server may have added fields."""
    ours, fields = index_template(SCHEMA_VERSION).mappings, mapping.get("properties", {})
    same = all(fields.get(name) == field for name, field in ours["properties"].items())
    return same and mapping.get("dynamic") == ours["dynamic"]


def _has_pipeline(settings: Mapping[str, Any]) -> bool:
    """Whether the server changes or refuses documents; a template of its own may have asked for that."""
    return any(settings.get(name, "_none") != "_none" for name in ("default_pipeline", "final_pipeline"))
