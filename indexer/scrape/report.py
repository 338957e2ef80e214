"""What a scrape has done, counted by status and reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from captioner.counted import counted
from captioner.outside import printable
from indexer.scrape.items import Item, SearchProgress
from indexer.scrape.reasons import NOT_ASKED, PASSING, Reason

_SHOWN = 20
_HEADINGS = ("provider", "found", "downloaded", "duplicate", "skipped", "failed")


@dataclass
class ScrapeReport:
    """Counts of one run; grows while it goes on, by kinds and not by items."""

    found: Counter[str] = field(default_factory=Counter)  # by provider
    ended: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # provider, status, reason
    taken: int = 0  # results of this run's queries, by this run and by earlier ones
    known: int = 0  # found again, of this run or an earlier one; nothing was left to do
    bytes: int = 0
    seconds: float = 0.0
    unanswered: list[SearchProgress] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # on queries that were answered
    withdrawn: int = 0  # photos that are kept, and that their addresses no longer give
    first_withdrawn: list[Item] = field(default_factory=list)
    holds_photos: bool = False  # whether the folder does, by this run or an earlier one

    def count(self, item: Item, *, withdrawn: bool = False) -> None:
        """Take in an item that has reached its final status; `withdrawn`, where its photo is kept even so."""
        self.ended[item.provider, item.status, item.reason] += 1
        self.withdrawn += withdrawn
        if withdrawn and len(self.first_withdrawn) < _SHOWN:
            self.first_withdrawn.append(item)
        if item.status == "downloaded":
            self.bytes += item.bytes

    def total(self, status: str) -> int:
        return sum(count for (_, its, _), count in self.ended.items() if its == status)

    def reasons(self) -> dict[tuple[str, str], int]:
        """(status, reason) -> count, most frequent first; downloads have no reason."""
        counts: Counter[tuple[str, str]] = Counter()
        for (_, status, reason), count in self.ended.items():
            counts[status, reason] += count
        return dict(counts.most_common())

    def has_reason(self, reason: Reason) -> bool:
        """Whether something ended for this reason, or was not answered for it."""
        ended = (its for _, its in self.reasons())
        return reason in ended or any(one.reason == reason for one in self.unanswered)

    def unfinished(self) -> str:
        """What the same command may have more success with another time; "" where all is done.

        What failed for good is done: no later run would ask for it.
        """
        passing = sum(count for (_, _, reason), count in self.ended.items() if reason in PASSING)
        kinds = (
            (len(self.unanswered), "query was not answered", "queries were not answered"),
            (passing, "photo could not be had for now", "photos could not be had for now"),
        )
        parts = [counted(count, one, many) for count, one, many in kinds if count]
        return f"{' and '.join(parts)}; the same command asks again" if parts else ""

    def rows(self) -> list[tuple[str, ...]]:
        """The table: a row for each provider, and one for all."""
        names = sorted({*self.found, *(provider for provider, _, _ in self.ended)})
        rows = [self._row(name, (name,)) for name in names]
        return [_HEADINGS, *rows, *([self._row("all", tuple(names))] if len(names) != 1 else [])]

    def _row(self, label: str, names: tuple[str, ...]) -> tuple[str, ...]:
        found = sum(self.found[name] for name in names)
        by_status = (
            sum(count for (name, its, _), count in self.ended.items() if its == status and name in names)
            for status in _HEADINGS[2:]
        )
        return (label, f"{found:,}", *(f"{count:,}" for count in by_status))

    def text(self) -> str:
        """The report for people: table, reasons, remarks, unanswered queries, totals."""
        withdrawn = [f"{one.url}: {one.reason} ({one.detail})" for one in self.first_withdrawn]
        parts = (
            _aligned(self.rows()),
            self._reason_lines(),
            _headed("kept, and no longer given by the web:", _with_rest(withdrawn, self.withdrawn)),
            _headed("taken in part:", _with_rest(self.remarks[:_SHOWN], len(self.remarks))),
            self._search_lines(),
            ["", self._totals()],
        )
        return "\n".join(printable(line) for part in parts for line in part)

    def _reason_lines(self) -> list[str]:
        lines = [
            f"  {count:>7,}  {status}: {reason}"
            for (status, reason), count in self.reasons().items()
            if reason
        ]
        return ["", *lines] if lines else []

    def _search_lines(self) -> list[str]:
        asked = [one for one in self.unanswered if one.reason != NOT_ASKED]
        shown = [f"{one.provider} {one.query!r}: {one.detail}" for one in asked[:_SHOWN]]
        return _headed("not answered:", [*_with_rest(shown, len(asked)), *self._stopped_lines()])

    def _stopped_lines(self) -> list[str]:
        """A line for each provider that was asked no more."""
        left = Counter(one.provider for one in self.unanswered if one.reason == NOT_ASKED)
        return [
            f"{provider} was asked no more in this run: "
            f"{counted(count, 'query was not asked', 'queries were not asked')}"
            for provider, count in left.items()
        ]

    def _totals(self) -> str:
        rate = self.total("downloaded") / self.seconds if self.seconds else 0.0
        known = f", {self.known:,} known already" if self.known else ""
        return f"{self.bytes / 1e6:,.1f} MB in {self.seconds:,.1f} s, {rate:,.1f} photos/s{known}"


def why_no_photo(report: ScrapeReport) -> str:
    """Why a run gave none, in a few words."""
    if report.unanswered:
        return report.unanswered[0].detail
    reasons = sorted({reason for _, reason in report.reasons() if reason})
    # What is known is not asked for again, and nor is a query that was answered.
    known = report.known or report.taken
    return ", ".join(reasons) or f"nothing {'new ' if known else ''}was found"


def _with_rest(shown: list[str], count: int) -> list[str]:
    return [*shown, *([f"and {count - len(shown):,} more"] if count > len(shown) else [])]


def _headed(heading: str, lines: list[str]) -> list[str]:
    return ["", heading, *(f"  {line}" for line in lines)] if lines else []


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
