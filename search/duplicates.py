"""Near copies of pictures in an index: resized, encoded again or lightly edited, told by perceptual hash.

`search.folding` folds those within one answer; here a whole index is looked through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from captioner.counted import counted
from captioner.errors import PhotoError
from captioner.files import is_file
from captioner.photo import hash_distance, header
from indexer.contract import CaptionIndex
from indexer.hash_groups import groups
from indexer.hashes import hash_array, tells_nothing
from indexer.progress import Progress, no_progress
from indexer.reading import read_captions
from indexer.records import NO_FILTERS, Allowed, CaptionRecord, Filters
from search.folding import NEAR, hash_of


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a group."""

    image_id: str
    image: str  # where it is: a path or a URL
    caption: str  # of several that tell a place the one that sorts first
    phash: str
    bits: int  # by which its hash differs from that of the group's first picture
    width: int = 0  # in pixels, as stored; 0, as the next three, where it is no file here that can be read
    height: int = 0
    bytes: int = 0  # of its file
    frames: int = 0  # of an animation, or pages
    grey: bool = False  # stored without colour

    @property
    def place(self) -> str:
        return self.image or self.image_id

    @property
    def measures(self) -> str:
        """Width, height and what else it is, for people; "" where that is not known."""
        size = f"{self.width}x{self.height}" if self.width else ""
        frames = counted(self.frames, "frame") if self.frames > 1 else ""
        return ", ".join(filter(None, (size, "grey" if self.grey else "", frames)))

    def holds_more_than(self, other: Picture) -> bool:
        """Whether it has what is no matter of size, so that the other one cannot replace it."""
        return self.frames > other.frames or (other.grey and not self.grey)

    @property
    def is_file_here(self) -> bool:
        """Not for a relative path: whatever has the name in the working directory is another folder's."""
        return Path(self.image).is_absolute() and is_file(self.image)


@dataclass(frozen=True, slots=True)
class Group:
    """A picture and its near copies, in order of image ids; all of them are near to the first."""

    pictures: tuple[Picture, ...]

    @property
    def best(self) -> Picture:
        """The picture of most pixels, of equal ones that of the largest file; then the first."""
        return max(self.pictures, key=lambda one: (one.width * one.height, one.bytes))


@dataclass(frozen=True, slots=True)
class NearCopies:
    """What was found: the largest groups first, equal ones in order of their first image ids."""

    groups: tuple[Group, ...]
    images: int  # that were looked through
    without_hash: int  # of these, known by captions alone
    plain: int  # of these, blank or shaded so evenly that their hashes tell nothing

    @property
    def pictures(self) -> int:
        return sum(len(group.pictures) for group in self.groups)

    def __str__(self) -> str:
        found = f"{counted(len(self.groups), 'group')}, {counted(self.pictures, 'picture')}"
        plain = f", {self.plain:,} too plain to compare" if self.plain else ""
        return f"{found} of {self.images:,}; {self.without_hash:,} without a hash{plain}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"pictures": self.pictures}


class _Seen(NamedTuple):
    """A caption of an image. Of several the smallest stands for it: one with a hash, and with a place."""

    has_no_hash: bool
    has_no_place: bool
    caption: str
    image: str
    phash: str


_WITHOUT_HASH = _Seen(True, True, "", "", "")


def near_copies(
    index: CaptionIndex, filters: Allowed = NO_FILTERS, *, progress: Progress = no_progress
) -> NearCopies:
    """Group the images that are near copies of one picture, by a caption that passes.

    The first image, in order of ids, takes all that are near to it, the next one that is left takes such of
    the rest, and so on.
    """
    seen = _images(index, Filters(filters), progress)
    ids = sorted(image_id for image_id, one in seen.items() if one is not _WITHOUT_HASH)
    hashes = [seen[image_id].phash for image_id in ids]
    found = [_group([ids[place] for place in places], seen) for places in groups(hashes, NEAR)]
    found.sort(key=lambda group: -len(group.pictures))
    plain = int(tells_nothing(hash_array(hashes)).sum())
    return NearCopies(tuple(found), len(seen), len(seen) - len(ids), plain)


def _images(index: CaptionIndex, filters: Filters, progress: Progress) -> dict[str, _Seen]:
    seen: dict[str, _Seen] = {}
    with closing(read_captions(index, filters, "read", progress)) as read:
        for record in chain.from_iterable(read):
            one = _seen(record)
            seen[record.image_id] = min(one, seen.get(record.image_id, one))
    return seen


def _seen(record: CaptionRecord) -> _Seen:
    phash = hash_of(record)
    return _Seen(False, not record.image, record.caption, record.image, phash) if phash else _WITHOUT_HASH


def _group(ids: Sequence[str], seen: dict[str, _Seen]) -> Group:
    first = seen[ids[0]].phash

    def picture(image_id: str) -> Picture:
        one = seen[image_id]
        distance = hash_distance(one.phash, first)
        return _measured(Picture(image_id, one.image, one.caption, one.phash, distance))

    return Group(tuple(map(picture, ids)))


def _measured(picture: Picture) -> Picture:
    """The picture with what its file is; only headers are read for that."""
    if not picture.is_file_here:
        return picture
    with suppress(OSError, PhotoError):
        size = Path(picture.image).stat().st_size
        return replace(picture, bytes=size, **asdict(header(picture.image)))
    return picture


def spare_files(found: NearCopies) -> Iterator[str]:
    """The files of all pictures but each group's best one, so that this stays if they go.

    None is a best one's file by another name or a link, none comes twice, all are near to the one that stays
    and can be read where it can, none is in colour or has frames where that one does not, and a group whose
    first picture is no file here has none.
    """
    groups = [(group.best, group.pictures) for group in found.groups if group.pictures[0].is_file_here]
    told = {_file(best.image) for best, _ in groups}
    for best, pictures in groups:
        for copy in pictures:
            if _is_spare(copy, best) and copy.is_file_here and _file(copy.image) not in told:
                told.add(_file(copy.image))
                yield copy.image


def _is_spare(copy: Picture, best: Picture) -> bool:
    if not copy.width and best.width:  # one that cannot be read may be larger than all that can
        return False
    return hash_distance(copy.phash, best.phash) <= NEAR and not copy.holds_more_than(best)


def _file(path: str) -> tuple[int, int]:
    """What is one and the same for all names of a file, links and other cases of letters included."""
    status = Path(path).stat()
    return status.st_dev, status.st_ino
