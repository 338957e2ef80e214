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

#: Of the indices that this version makes and searches.
SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class IndexTemplate:
    """What an index is made of: `settings` and a strict mapping, both as Elasticsearch takes them."""

    settings: Mapping[str, Any]
    mappings: Mapping[str, Any]


@cache  # compared with at every look at an index
def index_template(version: int) -> IndexTemplate:
    """The template of a schema version."""
    raw = json.loads((files(__name__) / f"captions-{version}.json").read_text(encoding="utf-8"))
    return IndexTemplate(raw["template"]["settings"], raw["template"]["mappings"])
