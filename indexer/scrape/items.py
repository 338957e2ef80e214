"""What flows through a scrape: an item, from found to its final status, and why it ended there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from operator import attrgetter
from typing import Any, Literal, cast

from indexer.errors import ScrapeError

Status = Literal["found", "downloaded", "duplicate", "skipped", "failed"]
STATUSES: tuple[Status, ...] = ("found", "downloaded", "duplicate", "skipped", "failed")

#: Failures that may be gone the next time; all others are final, and a later run leaves them alone.
PASSING = frozenset(
    {"rate-limited", "server-error", "timeout", "connection", "truncated", "robots-unreachable", "fault"}
)


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
    bytes: int = 0
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

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> Item:
        """Raises ValueError for a line that is not an item; fields of later versions are passed over."""
        values = {name: line[name] for name in _NAMES if name in line}
        url, status = values.get("url"), values.get("status")
        if not isinstance(url, str) or status not in STATUSES:
            raise ValueError("an item needs a url and a known status")
        whole = values.get("bytes", 0)
        texts = (value for name, value in values.items() if name != "bytes")
        if not isinstance(whole, int) or not all(isinstance(value, str) for value in texts):
            raise ValueError("an item's fields are texts, its bytes a number")
        return cls(**cast(Any, values))


_NAMES = tuple(field.name for field in fields(Item))
_VALUES = attrgetter(*_NAMES)


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
        return cls(**{field.name: line[field.name] for field in fields(cls) if field.name in line})


class RefusalError(ScrapeError):
    """One address that was not fetched, or not kept: the status and reason that its item gets."""

    def __init__(
        self, reason: str, detail: str, status: Status = "failed", retry_after: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.status: Status = status
        self.retry_after = retry_after

    @property
    def is_passing(self) -> bool:
        return self.reason in PASSING


class UnansweredError(ScrapeError):
    """A provider that could not answer a query: bad key, spent quota, an error of its API."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
