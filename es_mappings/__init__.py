"""The Elasticsearch index template, as versioned data.

`captions-N.json` is an index template of schema version N. What is published stays as it is; a change to
the mapping is a new file and a new number, and `indexer migrate` moves an index from one to the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class IndexTemplate:
    """What an index is made of: `settings` and a strict mapping, both as Elasticsearch takes them."""

    version: int
    settings: Mapping[str, Any]
    mappings: Mapping[str, Any]

    @property
    def fields(self) -> Mapping[str, str]:
        """Field name -> type."""
        return {name: field["type"] for name, field in self.mappings["properties"].items()}


def versions() -> tuple[int, ...]:
    """Every schema version there is, ascending."""
    names = (file.name for file in files(__name__).iterdir())
    return tuple(
        sorted(int(name[9:-5]) for name in names if name.startswith("captions-") and name[-5:] == ".json")
    )


@cache  # compared with at every look at an index
def index_template(version: int | None = None) -> IndexTemplate:
    """The template of a schema version (the newest without one). Raises KeyError for an unknown version."""
    version = versions()[-1] if version is None else version
    if version not in versions():
        raise KeyError(version)
    raw = json.loads((files(__name__) / f"captions-{version}.json").read_text(encoding="utf-8"))
    return IndexTemplate(raw["version"], raw["template"]["settings"], raw["template"]["mappings"])
