"""The engine that needs no server: a folder of immutable, memory-mapped segments behind a manifest."""

from __future__ import annotations

from indexer.embedded.engine import EmbeddedIndex

__all__ = ["EmbeddedIndex"]
