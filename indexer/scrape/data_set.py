"""The data set that a manifest tells of: photos as their addresses gave them last, and their titles."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from captioner.files import is_file
from indexer.records import CaptionRecord
from indexer.scrape.excluded import DIGITS, read_excluded
from indexer.scrape.items import Item
from indexer.scrape.manifest import manifest_size, read_manifest


def scraped_photos(folder: Path, end: int = sys.maxsize) -> Iterator[CaptionRecord]:
    """A record for every photo downloaded, in order, none twice, with all but the caption filled in.

    With `end`, as the manifest was when it had that many bytes. What is excluded is left out.
    """
    out = _kept_out(folder, end)
    last = {}  # URL (hashed, to save memory) -> its last word in the manifest
    for number, line in enumerate(read_manifest(folder, end)):
        if isinstance(line, Item) and line.status != "found":
            last[hash(line.url)] = number
    seen: set[str] = set()
    left: dict[str, Item] = {}  # SHA-256 of a photo -> a duplicate of it, where nothing else holds it
    for number, line in enumerate(read_manifest(folder, end)):
        # A line that was written between the two readings is in nobody's place.
        if not isinstance(line, Item) or last.get(hash(line.url)) != number or _content(line) in out:
            continue
        if line.duplicate_of and line.duplicate_of not in seen:
            left.setdefault(line.duplicate_of, line)
        if line.status == "downloaded" and line.sha256 not in seen:
            seen.add(line.sha256)
            yield _record(line, folder)
    yield from _handed_on({kept: line for kept, line in left.items() if kept not in seen}, folder, end)


def _content(line: Item) -> str:
    """Of the photo that is kept of this address, as far as its image id tells it."""
    return (line.duplicate_of or line.sha256)[:DIGITS]


def _kept_out(folder: Path, end: int) -> frozenset[str]:
    """Contents that are excluded, by themselves or by an address that gave them."""
    excluded = read_excluded(folder)
    lines = read_manifest(folder, end) if excluded.urls else ()
    given = {_content(line) for line in lines if isinstance(line, Item) and line.url in excluded.urls}
    return excluded.contents | given - {""}


def _handed_on(heirs: dict[str, Item], folder: Path, end: int) -> Iterator[CaptionRecord]:
    """Photos whose own addresses give others now, as those of an address that gives them still.

    So that addresses which exchange their photos lose none; the next scrape asks the heir anew.
    """
    for line in read_manifest(folder, end) if heirs else ():
        if isinstance(line, Item) and line.status == "downloaded" and line.sha256 in heirs:
            heir = heirs.pop(line.sha256)
            yield _record(replace(heir, file=line.file, sha256=line.sha256, phash=line.phash), folder)


def replaced_photos(folder: Path) -> Iterator[CaptionRecord]:
    """Photos that were in the data set, and that no address gives any more or that are excluded; in order."""
    end = manifest_size(folder)
    out = _kept_out(folder, end)
    gives: dict[int, str] = {}  # URL (hashed) -> the photo that it gives now
    for line in read_manifest(folder, end):
        if isinstance(line, Item) and line.status in ("downloaded", "duplicate"):
            gives[hash(line.url)] = line.duplicate_of or line.sha256
    told = {content for content in gives.values() if content[:DIGITS] not in out}
    for line in read_manifest(folder, end):
        if isinstance(line, Item) and line.status == "downloaded" and line.sha256 not in told:
            told.add(line.sha256)
            yield _record(line, folder)


def title_records(folder: Path, end: int = sys.maxsize) -> Iterator[CaptionRecord]:
    """The titles of the downloaded photos as captions of kind "title".

    Photos without one are left out, and those whose file is gone.
    """
    for record in scraped_photos(folder, end):
        if any(character.isalpha() for character in record.title) and is_file(record.image):
            yield replace(record, kind="title", caption=record.title)


def _record(item: Item, folder: Path) -> CaptionRecord:
    return CaptionRecord(
        image_id=f"scraped/{item.sha256[:DIGITS]}",
        caption="",
        image=str(folder / item.file),
        source="scraped",
        kind="generated",
        query=item.query,
        provider=item.provider,
        page=item.page,
        title=item.title,
        creator=item.creator,
        license=item.license,
        attribution=item.attribution,
        phash=item.phash,
    )
