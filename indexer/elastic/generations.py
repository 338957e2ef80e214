"""The concrete indices behind a name: NAME-<time> each, one of them carried by the alias NAME.

Aliases of its own say what one is (a draft, published, gone back from): they change in one atomic call with
the name, and go when the index goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import elasticsearch
from elasticsearch import Elasticsearch

from es_mappings import SCHEMA_VERSION, index_template
from indexer.elastic.connection import Address
from indexer.elastic.faults import check_signed, not_found
from indexer.elastic.names import draft_alias, left_alias, name_of, write_alias
from indexer.elastic.searches import count_documents
from indexer.errors import IndexMismatchError, IndexNotFoundError
from indexer.records import as_time

#: The fields that a search ranks by and answers with, in each of their forms.
_SEARCHED = ("image_id", "caption", "tokens", "sized_tokens", "token_count")


@dataclass(frozen=True, slots=True)
class Generation:
    """One concrete index."""

    index: str
    live: bool  # whether the alias carries it
    meta: Mapping[str, Any]
    created_ms: int
    closed: bool = False
    draft: bool = False  # whether it is still to be published
    left: bool = False  # whether it was gone back from
    as_made: bool = True  # whether it takes documents as an index that is made now does
    writable: bool = True  # whether it has the alias that it is written through
    shards: int = 1
    replicas: Mapping[str, Any] = field(default_factory=dict)  # its settings of them

    @property
    def analyzer(self) -> str:
        return str(self.meta["analyzer"])

    @property
    def schema(self) -> int:
        return int(self.meta["schema"])

    @property
    def draft_key(self) -> str | None:
        """The key of the build that makes it; None once it is published."""
        return self.meta.get("build") if self.draft else None

    @property
    def built_at(self) -> str:
        return str(self.meta.get("built_at") or as_time(self.created_ms / 1000))


def generations(client: Elasticsearch, address: Address) -> list[Generation]:
    """Every generation of a name, closed ones too, oldest first; no other indices that begin alike."""
    found = client.indices.get(index=f"{address.name}-*", expand_wildcards=["open", "closed"])
    ours = [
        _generation(address, index, state) for index, state in found.items() if name_of(index) == address.name
    ]
    return sorted((one for one in ours if "analyzer" in one.meta), key=lambda one: one.index)


def deleted_error(address: Address, index: str) -> IndexNotFoundError:
    """The error for an index that was deleted by others while it was written to."""
    return IndexNotFoundError(
        f"{address.where}: {index} was deleted while it was written to (by another build, or by hand), or "
        f"its alias {write_alias(index)} was; run the same command again"
    )


def let_write(client: Elasticsearch, one: Generation) -> None:
    """Give it the alias that it is written through: a restore, split or clone may have made it without."""
    if not one.writable:
        client.indices.put_alias(index=one.index, name=write_alias(one.index))


def refresh(client: Elasticsearch, address: Address, index: str) -> None:
    """Let searches see what was written."""
    try:
        client.indices.refresh(index=index)
    except elasticsearch.NotFoundError:
        raise deleted_error(address, index) from None


def lineage(every: Sequence[Generation]) -> list[Generation]:
    """The generations that rollbacks lead to, in their order.

    Publishing a generation notes which one was live before. Where it noted none, or that one is gone, or the
    name stands for nothing, the newest older one follows that was not gone back from.
    """
    one = next((one for one in every if one.live), None)
    others = {other.index: other for other in every if not other.live and not other.draft}
    found = []
    while one := others.pop(_before(one, others), None):
        found.append(one)
    return found


def _before(one: Generation | None, others: Mapping[str, Generation]) -> str:
    if one is not None and (noted := one.meta.get("before")) in others:
        return str(noted)
    older = (other for other in others.values() if one is None or other.index < one.index)
    return max((other.index for other in older if not other.left), default="")


def missing_error(client: Elasticsearch, address: Address) -> IndexNotFoundError:
    """The error for a name that stands for no index; it names the generation that is kept, if any."""
    kept = lineage(generations(client, address))
    if not kept:
        return not_found(address)
    return IndexNotFoundError(
        f"{address.where}: no such index, but {kept[0].index} is kept; let the name stand for it with "
        f"`indexer rollback --index {address.where}`, or make a new one with `indexer build`"
    )


def live_generation(
    client: Elasticsearch, address: Address, *, any_schema: bool = False
) -> Generation | None:
    """The generation that the alias carries, or that the name itself names; None without one.

    Raises IndexMismatchError for an index that was not made by this program, or by another schema.
    """
    try:
        found = dict(client.indices.get(index=address.name).items())
    except elasticsearch.NotFoundError as error:
        check_signed(address, error)
        # A cluster that is starting knows no name yet; it says so (503) only of what needs shards.
        with suppress(elasticsearch.NotFoundError):
            count_documents(client, address.name)
        return None
    if len(found) > 1:
        raise IndexMismatchError(
            f"{address.where}: stands for several indices ({', '.join(sorted(found))}), not one"
        )
    index, state = next(iter(found.items()))
    one = _generation(address, index, state)
    if not (one.live or name_of(index)) or "analyzer" not in one.meta or "schema" not in one.meta:
        raise IndexMismatchError(f"{address.where}: there is an index, but not one that `indexer build` made")
    if not any_schema:
        check_schema(address.where, one, f"run `indexer migrate --index {address.where}`")
        _check_fields(address, state.get("mappings", {}))
    return one


def _check_fields(address: Address, mapping: Mapping[str, Any]) -> None:
    """Raises IndexMismatchError where a search would find nothing for want of fields, and call it proven."""
    found = _fields(mapping)
    ours = _fields(index_template(SCHEMA_VERSION).mappings)
    wanted = (name for name in ours if name.partition(".")[0] in _SEARCHED)
    lost = [name for name in wanted if not ours[name].items() <= found.get(name, {}).items()]
    if lost:
        raise IndexMismatchError(
            f"{address.where}: searches need {', '.join(lost)}, which this user's role hides or the index "
            f"has lost; let the role grant tokens* and {', '.join(_SEARCHED)}, or build again"
        )


def _fields(mapping: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The definition of each field; NAME.MORE is what NAME is indexed as once more."""
    fields: dict[str, Mapping[str, Any]] = {}
    for name, defined in mapping.get("properties", {}).items():
        more = defined.get("fields", {})
        fields[name] = {key: value for key, value in defined.items() if key != "fields"}
        fields |= {f"{name}.{also}": definition for also, definition in more.items()}
    return fields


def check_schema(where: str, one: Generation, advice: str) -> None:
    """Raises IndexMismatchError for a generation that this version cannot read."""
    if one.schema != SCHEMA_VERSION:
        raise IndexMismatchError(
            f"{where}: made with schema {one.schema}, this version reads {SCHEMA_VERSION}; {advice}"
        )


def refuse_to_write(address: Address, live: Generation | None) -> None:
    """Raises IndexMismatchError for a generation by its own name: readers of the alias may not see it."""
    if live is not None and live.index == address.name:
        name = name_of(live.index)
        raise IndexMismatchError(
            f"{address.where}: is one index of {name} and can be read; to write, name the whole: "
            f"--index {address.server}/{name}"
        )


def create_generation(
    client: Elasticsearch,
    address: Address,
    analyzer: str,
    *,
    draft: str | None = None,
    before: Generation | None = None,
) -> Generation:
    """A new, empty concrete index; carried by the alias at once unless it is a draft.

    A draft is loaded without refresh and without replicas, which is several times less work.
    """
    meta: dict[str, Any] = {"schema": SCHEMA_VERSION, "analyzer": analyzer}
    if draft is not None:
        meta["build"] = draft
    index = f"{address.name}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S-%f}"
    aliases = (write_alias(index), address.name if draft is None else draft_alias(index))
    try:
        client.indices.create(
            index=index,
            settings={"index": {**_new_settings(before), **({} if draft is None else LOADING)}},
            mappings={**index_template(SCHEMA_VERSION).mappings, "_meta": meta},
            aliases={alias: {} for alias in aliases},
        )
    except elasticsearch.BadRequestError as error:
        # The answer got lost, and the client has asked again: nobody else makes an index of this very name.
        if error.error != "resource_already_exists_exception":
            raise
    return _generation(address, index, client.indices.get(index=index)[index])


def _new_settings(before: Generation | None) -> dict[str, Any]:
    """With as many shards as the live index; of a first one an index template of the server may decide."""
    settings = {**index_template(SCHEMA_VERSION).settings["index"]}
    del settings["number_of_shards"]
    return settings if before is None else {**settings, "number_of_shards": before.shards}


#: Settings of replicas: what an operator set for the live index holds for the next one, too.
_REPLICAS = ("auto_expand_replicas", "number_of_replicas")
#: Settings while a draft is loaded.
LOADING: Mapping[str, Any] = {
    "refresh_interval": "-1",
    "auto_expand_replicas": "false",
    "number_of_replicas": 0,
}


def serving_settings(before: Generation | None) -> Mapping[str, Any]:
    """What a draft is published with in the place of LOADING."""
    ours = index_template(SCHEMA_VERSION).settings["index"]
    return {**{name: ours.get(name) for name in LOADING}, **(before.replicas if before else {})}


def _generation(address: Address, index: str, state: Mapping[str, Any]) -> Generation:
    mapping, aliases = state.get("mappings", {}), state.get("aliases", {})
    settings = state.get("settings", {}).get("index", {})
    return Generation(
        index=index,
        live=address.name in aliases,
        meta=mapping.get("_meta", {}),
        created_ms=int(settings.get("creation_date", 0)),
        closed=settings.get("verified_before_close") == "true",  # the only trace of it in this answer
        draft=draft_alias(index) in aliases and address.name not in aliases,
        left=left_alias(index) in aliases,
        writable=write_alias(index) in aliases,
        as_made=_has_mapping(mapping) and not _has_pipeline(settings),
        shards=int(settings.get("number_of_shards", 1)),
        replicas={name: settings.get(name) for name in _REPLICAS},
    )


def _has_mapping(mapping: Mapping[str, Any]) -> bool:
    """Whether it is this version's; templates of the server may have added fields."""
    ours, fields = index_template(SCHEMA_VERSION).mappings, mapping.get("properties", {})
    same = all(fields.get(name) == field for name, field in ours["properties"].items())
    return same and mapping.get("dynamic") == ours["dynamic"]


def _has_pipeline(settings: Mapping[str, Any]) -> bool:
    """Whether the server changes or refuses documents; a template of its own may have asked for that."""
    return any(settings.get(name, "_none") != "_none" for name in ("default_pipeline", "final_pipeline"))
