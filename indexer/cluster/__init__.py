"""Captioning on a Ray cluster: photos at any address that fsspec knows, a pool of captioners."""

from __future__ import annotations

from indexer.cluster.captioner import ClusterCaptioner
from indexer.cluster.photos import AddressedSource

__all__ = ["AddressedSource", "ClusterCaptioner"]
