"""What flows through a scrape: an item, from found to its final status, and why it ended there."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from operator import attrgetter
from typing import Any, Literal

from indexer.errors import ScrapeError
from indexer.scrape.reasons import PASSING, QueryFailure, Reason

Status = Literal["found", "downloaded", "duplicate", "skipped", "failed"]
STATUSES: tuple[Status, ...] = ("found", "downloaded", "duplicate", "skipped", "failed")


@dataclass(frozen=True, slots=True)
class Item:
    """One picture's address, what its provider says of it, and what became of it. "" is "not known"."""

    url: str
    provider: str = ""
    query: str = ""
    title: str = ""
    page: str = ""  # the web page that shows the picture
    creator: str = ""
    license: str = ""
    license_url: str = ""
    attribution: str = ""
    status: Status = "found"
    reason: str = ""  # one word for counting; `detail` is the sentence for people
    detail: str = ""
    file: str = ""  # relative to the folder; only where status is "downloaded"
    sha256: str = ""
    phash: str = ""
    bytes: int = 0  # of the file; where status is "skipped" and reason "too-large", the limit that held
    formats: str = ""  # where the reason is "unknown-format", those that were known
    duplicate_of: str = ""  # SHA-256 of the photo that was kept
    etag: str = ""
    last_modified: str = ""
    at: str = ""  # ISO 8601, UTC

    @property
    def is_final(self) -> bool:
        """Whether a later run has nothing left to do here."""
        return self.status != "found" and self.reason not in PASSING

    def refused(self, refusal: RefusalError) -> Item:
        """The item with the status and reason of a refusal."""
        return replace(self, status=refusal.status, reason=refusal.reason, detail=refusal.detail)

    def as_json(self) -> dict[str, Any]:
        """The object of its line; fields that are not known are left out."""
        said = {name: value for name, value in zip(_NAMES, _VALUES(self), strict=True) if value}
        return {"line": "item", "url": self.url, **said}

    def packed(self) -> str:
        """All of it, for `unpacked` to read again."""
        return json.dumps(_VALUES(self))

    @classmethod
    def unpacked(cls, packed: str) -> Item:
        return cls(*json.loads(packed))

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> Item:
        """Raises ValueError for a line that no scrape writes; fields of later versions are passed over."""
        values = _known_fields(line, _ITEM, "url", "status")
        _require(values, *_OF_STATUS.get(values["status"], ()))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """How far a query has got at a provider, so that an interrupted scrape need not ask again."""

    provider: str
    query: str
    cursor: str = ""  # where the next page starts, in the provider's own words
    used: int = 0  # results taken from the page at `cursor`
    taken: int = 0  # results taken in all
    exhausted: bool = False
    reason: str = ""  # why the provider could not answer
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"line": "search", **asdict(self)}

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> SearchProgress:
        """As `Item.from_json`."""
        return cls(**_known_fields(line, _SEARCH, "provider", "query"))


class RefusalError(ScrapeError):
    """One address that was not fetched, or not kept: the status and reason that its item gets."""

    def __init__(
        self, reason: Reason, detail: str, status: Status = "failed", retry_after: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail
        self.status: Status = status
        self.retry_after = retry_after
        self.redirected = False  # whether it holds for where the address led, and not for the address itself

    @property
    def is_passing(self) -> bool:
        return self.reason in PASSING


class UnansweredError(ScrapeError):
    """A provider that could not answer a query: bad key, spent quota, an error of its API."""

    def __init__(self, reason: QueryFailure, detail: str, retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: QueryFailure = reason
        self.detail = detail
        self.retry_after = retry_after

    @property
    def is_passing(self) -> bool:
        return self.retry_after is not None


def fault(error: Exception) -> str:
    """One line for a fault of this program: its type alone, since its text may hold an address with a key."""
    return f"unexpected {type(error).__name__}; please report it"


# What a line of a manifest may tell

#: Whether a field's value is one that a scrape may have written.
_Is = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    """No text with half a surrogate pair: UTF-8 has none, and SQLite refuses it."""
    return isinstance(value, str) and not _HALVES.search(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= sys.maxsize


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_like(pattern: str) -> _Is:
    form = re.compile(pattern)
    return lambda value: isinstance(value, str) and form.fullmatch(value) is not None


def _known_fields(line: Mapping[str, Any], known: Mapping[str, _Is], *needed: str) -> dict[str, Any]:
    """The known fields of a line. Raises ValueError for a wrong value, and where a needed one is missing."""
    values = {name: line[name] for name in known if name in line}
    for name, value in values.items():
        if not known[name](value):
            raise ValueError(f"its {name} is not as a scrape writes it")
    _require(values, *needed)
    return values


def _require(values: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if name not in values:
            raise ValueError(f"it has no {name}")


_HALVES = re.compile("[\ud800-\udfff]")
_SHA256 = "[0-9a-f]{64}"
_NAMES = tuple(field.name for field in fields(Item))
_VALUES = attrgetter(*_NAMES)
#: A manifest may come from a stranger: what it names is opened, and nothing outside the folder may be.
_ITEM: Mapping[str, _Is] = {
    **dict.fromkeys(_NAMES, _is_text),
    "status": STATUSES.__contains__,
    "file": _is_like(rf"images/[0-9a-f]{{2}}/{_SHA256}\.[a-z]{{3,4}}"),  # as `store.file_name` makes it
    "sha256": _is_like(_SHA256),
    "phash": _is_like("[0-9a-f]{16}"),
    "bytes": _is_count,
    "duplicate_of": _is_like(_SHA256),
}
_OF_STATUS = {"downloaded": ("file", "sha256", "phash"), "duplicate": ("duplicate_of",)}
_SEARCH: Mapping[str, _Is] = {
    **dict.fromkeys(("provider", "query", "cursor", "reason", "detail"), _is_text),
    **dict.fromkeys(("used", "taken"), _is_count),
    "exhausted": _is_bool,
}
