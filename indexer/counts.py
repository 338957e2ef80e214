"""What a build or an addition counts. Each count is declared here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final

_PHOTOS: Final = {"prefix": "photos_"}  # programs are told by the name that photos were counted


@dataclass(frozen=True, slots=True)
class Counts:
    """How many captions and photos there were of each kind; `indexer.commands.report` words them."""

    added: int = 0  # captions, new ones and those updated
    updated: int = 0  # of those added: they were there, with another image, licence, ...
    unchanged: int = 0  # captions that were there already, word for word
    empty: int = 0  # captions without a word, left out
    captioned: int = field(default=0, metadata=_PHOTOS)
    #: Those that had their captions already.
    known: int = field(default=0, metadata=_PHOTOS)
    #: Of those captioned: their earlier captions went, since their file changed.
    renewed: int = field(default=0, metadata=_PHOTOS)
    #: Of those known: with captions of the index that a build replaced, or of a build that was interrupted.
    taken_over: int = field(default=0, metadata=_PHOTOS)
    #: Their file has another image id already, and keeps it.
    elsewhere: int = field(default=0, metadata=_PHOTOS)
    #: Their image id has their folder's name, since its rest is another photo's id.
    with_folder: int = field(default=0, metadata=_PHOTOS)
    #: This run met their file before, through a link or in another source.
    met_again: int = field(default=0, metadata=_PHOTOS)
    #: Their captions were taken over from another place, which is gone.
    moved: int = field(default=0, metadata=_PHOTOS)

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in _NAMES.values()))

    def counts(self) -> dict[str, int]:
        """By the names that programs know them by."""
        return {name: getattr(self, own) for name, own in _NAMES.items()}


#: Name for programs -> name of the field.
_NAMES: Final = {one.metadata.get("prefix", "") + one.name: one.name for one in fields(Counts)}
