"""Where captions come from: COCO and Flickr8k annotations, JSON lines, folders of photos, scraped folders."""

from __future__ import annotations

from indexer.sources.coco import CocoSource
from indexer.sources.flickr8k import Flickr8kSource
from indexer.sources.folder import FolderSource
from indexer.sources.jsonl import JsonlSource
from indexer.sources.scraped import ScrapedSource
from indexer.sources.source import Source, SourceItem

__all__ = [
    "CocoSource",
    "Flickr8kSource",
    "FolderSource",
    "JsonlSource",
    "ScrapedSource",
    "Source",
    "SourceItem",
]
