"""One thing of many that cannot be used, while the others can."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of a file, or one photo, that cannot be used, while the rest can."""

    where: str  # the file and, where there is one, its line or annotation; or the photo
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"
