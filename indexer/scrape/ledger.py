"""What a scrape has seen: addresses, contents, near duplicates. Memory stays flat, whatever their number."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from indexer.hashes import Hashes
from indexer.scrape.credit import as_found, merged_credit, same_credit, takes_over, with_credit
from indexer.scrape.excluded import Excluded
from indexer.scrape.items import Item, SearchProgress
from indexer.scrape.manifest import NAME, sound_manifest

#: Bits in which the perceptual hashes of near duplicates may differ.
NEAR = 3

_TABLES = """
CREATE TABLE urls (key BLOB UNIQUE, line TEXT, credit_search INTEGER, reopened INTEGER DEFAULT 0,
                   final INTEGER DEFAULT 0, kept BLOB, repeats BLOB);
CREATE INDEX keepers ON urls (kept) WHERE kept IS NOT NULL;
CREATE TABLE searches (provider TEXT, query TEXT, cursor TEXT, used INTEGER, taken INTEGER, exhausted INTEGER,
                       PRIMARY KEY (provider, query)) WITHOUT ROWID;
"""
_PUT = """
INSERT INTO urls (key, line, final, kept, repeats) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
SET line = excluded.line, final = excluded.final, kept = excluded.kept, repeats = excluded.repeats
"""


class Ledger:
    """Made from the manifest at the start of a run, then kept up to date.

    SQLite's private temporary database holds it ("" as its name): it spills to disk by itself and is
    gone at the end, so the manifest stays the only truth. Only the perceptual hashes are in memory, with the
    contents they are of (40 bytes a photo), because every new photo is compared with all of them. It is the
    event loop's alone.
    """

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)
        # One transaction that never ends: nobody else reads this database, and nothing of it is kept.
        self._base.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _TABLES + "BEGIN;")
        self._kept = _KeptPhotos()
        self._claimed: set[bytes] = set()  # contents that are being stored: no address keeps them yet

    def close(self) -> None:
        self._base.close()

    def read(self, folder: Path, excluded: Excluded) -> None:
        """Take in an earlier run.

        A photo whose file is gone or cut short counts as not downloaded, unless it is excluded: its owner may
        have deleted the file.
        """
        if not (folder / NAME).exists():
            return
        for line in sound_manifest(folder):
            if isinstance(line, SearchProgress) or excluded.names(line) or _is_whole(line, folder):
                self.note(line)
            else:
                self.forget(line)

    def note(self, line: Item | SearchProgress, last: Item | None = None) -> None:
        """Remember a line of the manifest; `last` is its address's line before, where it is at hand."""
        if isinstance(line, SearchProgress):
            row = (line.provider, line.query, line.cursor, line.used, line.taken, line.exhausted)
            self._do("REPLACE INTO searches VALUES (?, ?, ?, ?, ?, ?)", *row)
            return
        if line.status == "found":
            if not self.discover(line):
                self._store_line(with_credit(self.last(line.url), line))
            return
        self._put(line, self.content(line.url) if last is None else _content(last))

    def discover(self, item: Item, search: int | None = None) -> bool:
        """Note an address as found by the search of this number in this run; True where it is new."""
        statement = "INSERT OR IGNORE INTO urls (key, line, credit_search) VALUES (?, ?, ?)"
        return self._do(statement, _key(item.url), item.packed(), search) > 0

    def update_credit(self, said: Item, search: int) -> Item | None:
        """Take in what a search says of an address that is known already.

        Returns the address's new line, or None where its credit stays the same. Its status never changes.
        """
        last, key = self.last(said.url), _key(said.url)
        (last_search,) = self._row("SELECT credit_search FROM urls WHERE key = ?", key) or (None,)
        counts = takes_over(said, search, last, last_search)
        if counts:
            self._do("UPDATE urls SET credit_search = ? WHERE key = ?", search, key)
        whole = merged_credit(said, last) if counts else merged_credit(last, said)
        if same_credit(whole, last):
            return None
        line = replace(with_credit(last, whole), at=said.at)
        self._store_line(line)
        return line

    def last(self, url: str) -> Item:
        """The address's last line, with its credit; an item of status "found" where nothing is known."""
        row = self._row("SELECT line FROM urls WHERE key = ?", _key(url))
        return Item.unpacked(row[0]) if row else Item(url)

    def forget(self, item: Item) -> None:
        """Treat an item as found but not fetched."""
        self._put(as_found(item), self.content(item.url))

    def _store_line(self, item: Item) -> None:
        self._do("UPDATE urls SET line = ? WHERE key = ?", item.packed(), _key(item.url))

    def _put(self, item: Item, before: bytes) -> None:
        """Store an address's last line. The photo it kept `before` goes, unless another address keeps it."""
        kept = _content(item)
        repeats = bytes.fromhex(item.duplicate_of) or None
        row = (_key(item.url), item.packed(), item.is_final, kept or None, repeats)
        is_new = kept and not self._is_there(kept)
        self._do(_PUT, *row)
        self._claimed.discard(kept)
        if before and not self._is_there(before):
            self._kept.remove(before)
        if is_new:
            self._kept.add(item.phash, kept)

    def content(self, url: str) -> bytes:
        """SHA-256 of the photo that is kept of this address; nothing where there is none."""
        row = self._row("SELECT kept FROM urls WHERE key = ?", _key(url))
        return bytes(row[0]) if row and row[0] else b""

    def holds_photos(self, excluded: Excluded) -> bool:
        """Whether a photo is kept that is not excluded."""
        kept = self._base.execute("SELECT line FROM urls WHERE kept IS NOT NULL")
        return not all(excluded.names(Item.unpacked(line)) for (line,) in kept)

    def reopen(self, url: str) -> bool:
        """Note that this run asks for an address again; False where that is noted already."""
        statement = "UPDATE urls SET reopened = 1 WHERE key = ? AND NOT reopened"
        return self._do(statement, _key(url)) > 0

    def is_reopened(self, url: str) -> bool:
        return self._row("SELECT 1 FROM urls WHERE key = ? AND reopened", _key(url)) is not None

    def is_final(self, url: str) -> bool:
        """Whether nothing is left to do; a duplicate of a photo that has gone since is asked for again."""
        final = self._row(
            "SELECT 1 FROM urls WHERE key = ? AND final"
            " AND (repeats IS NULL OR EXISTS (SELECT 1 FROM urls AS other WHERE other.kept = urls.repeats))",
            _key(url),
        )
        return final is not None

    def validators(self, url: str) -> dict[str, str]:
        """Headers for a conditional request, by what the last answer said of this picture."""
        last = self.last(url)
        named = {"If-None-Match": last.etag, "If-Modified-Since": last.last_modified}
        return {name: value for name, value in named.items() if value}

    def progress(self, provider: str, query: str) -> SearchProgress:
        """How far an earlier run has got with this query."""
        found = self._row(
            "SELECT cursor, used, taken, exhausted FROM searches WHERE provider = ? AND query = ?",
            provider,
            query,
        )
        if found is None:
            return SearchProgress(provider, query)
        return SearchProgress(provider, query, found[0], found[1], found[2], bool(found[3]))

    def claim(self, sha256: str, phash: str, url: str = "") -> tuple[str, str]:
        """Reserve a content: ("", "") when it is new, else (reason, SHA-256 of the photo kept).

        The reason is "same" where it is what this `url` has given before.
        """
        key = bytes.fromhex(sha256)
        if self._is_there(key):
            return "same" if key == self.content(url) else "sha256", sha256
        near = self._kept.near(phash, NEAR)
        if near and (others := [content for content in near if content != self.content(url)]):
            return "phash", others[0].hex()
        self._claimed.add(key)
        self._kept.add(phash, key)
        return "", ""

    def _is_there(self, content: bytes) -> bool:
        """Whether an address keeps this content, or its photo is being stored."""
        kept = "SELECT 1 FROM urls WHERE kept = ?"
        return content in self._claimed or self._row(kept, content) is not None

    def _do(self, statement: str, *values: Any) -> int:
        """Rows changed."""
        return self._base.execute(statement, values).rowcount

    def _row(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._base.execute(statement, values).fetchone()
        return row


def _is_whole(item: Item, folder: Path) -> bool:
    if item.status != "downloaded":
        return True
    try:
        return (folder / item.file).stat().st_size == item.bytes
    except OSError:
        return False


def _content(item: Item) -> bytes:
    """SHA-256 of the photo that is kept of this item; nothing where there is none."""
    return bytes.fromhex(item.sha256) if item.status == "downloaded" else b""


def _key(url: str) -> bytes:
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).digest()[:16]


class _KeptPhotos:
    """The photos kept: their perceptual hashes, and at the same places the SHA-256 of their contents."""

    def __init__(self) -> None:
        self._hashes = Hashes()
        self._contents = np.zeros((1024, 32), dtype=np.uint8)

    def add(self, phash: str, content: bytes) -> None:
        place = len(self._hashes)
        if place == len(self._contents):
            self._contents = np.resize(self._contents, (2 * place, 32))
        self._contents[place] = np.frombuffer(content, dtype=np.uint8)
        self._hashes.add(phash)

    def remove(self, content: bytes) -> None:
        """Goes from the end on, since the last entry fills each gap: it must not be one to be removed."""
        kept = self._contents[: len(self._hashes)]
        for place in np.flatnonzero((kept == np.frombuffer(content, dtype=np.uint8)).all(axis=1))[::-1]:
            self._hashes.remove(place)
            self._contents[place] = self._contents[len(self._hashes)]

    def near(self, phash: str, most: int) -> list[bytes]:
        """SHA-256 of the photos within `most` bits."""
        return [self._contents[place].tobytes() for place in self._hashes.near(phash, most)]
