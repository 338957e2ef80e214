"""The data set that a manifest tells of: photos as their addresses gave them last, and their titles."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from captioner.files import is_file
from indexer import origins
from indexer.records import WEB_FIELDS, CaptionRecord
from indexer.scrape.excluded import DIGITS, read_excluded
from indexer.scrape.items import Item
from indexer.scrape.manifest import manifest_size, read_manifest
from indexer.scrape.titles import caption_of


def scraped_photos(folder: Path, end: int = sys.maxsize) -> Iterator[CaptionRecord]:
    """A record for every photo downloaded, in order, none twice, with all but the caption filled in.

    `end` reads the manifest as it was when it had that many bytes. What is excluded is left out.
    """
    out = _excluded_contents(folder, end)
    last = {}  # URL (hashed, to save memory) -> its last word in the manifest
    for number, line in enumerate(read_manifest(folder, end)):
        if isinstance(line, Item) and line.status != "found":
            last[hash(line.url)] = number
    seen: set[str] = set()
    left: dict[str, Item] = {}  # SHA-256 of a photo -> a duplicate of it, where nothing else holds it
    for number, line in enumerate(read_manifest(folder, end)):
        # Lines appended since the first reading are passed over; the URL's line from then still counts.
        if not isinstance(line, Item) or last.get(hash(line.url)) != number or _content(line) in out:
            continue
        if line.duplicate_of and line.duplicate_of not in seen:
            left.setdefault(line.duplicate_of, line)
        if line.status == "downloaded" and line.sha256 not in seen:
            seen.add(line.sha256)
            yield _record(line, folder)
    yield from _inherited({kept: line for kept, line in left.items() if kept not in seen}, folder, end)


def _content(line: Item) -> str:
    """The part of the kept photo's SHA-256 that is in its image id; "" where no photo is kept."""
    return (line.duplicate_of or line.sha256)[:DIGITS]


def _excluded_contents(folder: Path, end: int) -> frozenset[str]:
    """Contents that are excluded, by themselves or by an address that gave them."""
    excluded = read_excluded(folder)
    lines = read_manifest(folder, end) if excluded.urls else ()
    given = {_content(line) for line in lines if isinstance(line, Item) and line.url in excluded.urls}
    return excluded.contents | given - {""}


def _inherited(heirs: dict[str, Item], folder: Path, end: int) -> Iterator[CaptionRecord]:
    """Photos whose own address gives another one now, each as a photo of an address that still gives it.

    Without this, two addresses that swap their photos would lose both. `heirs` are the items of those other
    addresses, by SHA-256; the next scrape asks them again.
    """
    for line in read_manifest(folder, end) if heirs else ():
        if isinstance(line, Item) and line.status == "downloaded" and line.sha256 in heirs:
            heir = heirs.pop(line.sha256)
            yield _record(replace(heir, file=line.file, sha256=line.sha256, phash=line.phash), folder)


def replaced_photos(folder: Path) -> Iterator[CaptionRecord]:
    """Photos that have left the data set, in order: no address gives them now, or they are excluded."""
    end = manifest_size(folder)
    out = _excluded_contents(folder, end)
    gives: dict[int, str] = {}  # URL (hashed) -> the photo that it gives now
    for line in read_manifest(folder, end):
        if isinstance(line, Item) and line.status in ("downloaded", "duplicate"):
            gives[hash(line.url)] = line.duplicate_of or line.sha256
    seen = {content for content in gives.values() if content[:DIGITS] not in out}
    for line in read_manifest(folder, end):
        if isinstance(line, Item) and line.status == "downloaded" and line.sha256 not in seen:
            seen.add(line.sha256)
            yield _record(line, folder)


def title_records(folder: Path, end: int = sys.maxsize) -> Iterator[CaptionRecord]:
    """The titles of the downloaded photos as captions of kind "title".

    Photos whose title says nothing of them are left out, and those whose file is gone.
    """
    for record in scraped_photos(folder, end):
        if (caption := caption_of(record.title)) and is_file(record.image):
            yield replace(record, kind=origins.TITLE, caption=caption)


def _record(item: Item, folder: Path) -> CaptionRecord:
    return CaptionRecord(
        image_id=f"scraped/{item.sha256[:DIGITS]}",
        caption="",
        image=str(folder / item.file),
        source=origins.SCRAPED,
        kind=origins.GENERATED,
        phash=item.phash,
        **{name: getattr(item, name) for name in WEB_FIELDS},
    )
