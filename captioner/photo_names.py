"""When two names may mean one photo, so that no model is tested on a photo that it has learnt from.

A list of training photos may hold whole paths, annotations a folder (`images/x.jpg`), and a split the bare
names. So `x.jpg`, `images/x.jpg` and `/data/images/x.jpg` count as one photo, as do both of COCO's names for
a number. `a/1.jpg` and `b/1.jpg` are two photos, as in data sets that have a folder for each kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

#: 000000000196.jpg or COCO_val2014_000000000196.jpg: a number means one photo in all of COCO's folders
#: (so, for the ratings, `search.evaluation.data.coco_number`).
_COCO = re.compile(r"(?:COCO_\w+_)?(\d{12}\.\w+)")


class PhotoNames:
    """A set of photo names; a name with more or fewer folders in front is found in it, too."""

    def __init__(self, names: Iterable[str]) -> None:
        self._stored = {form for name in names for form in stored_forms(name)}

    def __bool__(self) -> bool:
        return bool(self._stored)

    def __contains__(self, name: str) -> bool:
        return not self._stored.isdisjoint(lookup_forms(name))


def stored_forms(name: str) -> list[str]:
    """The forms of a name to store: the whole name, and its ends without the first folders, marked by "/"."""
    whole, *ends = _ends(name)
    return [whole, *(f"/{end}" for end in ends)]


def lookup_forms(name: str) -> list[str]:
    """The forms of a name to look up: one of them is stored if the name may mean a stored photo."""
    ends = _ends(name)
    return [*ends, f"/{ends[0]}"]


def _ends(name: str) -> list[str]:
    """All ends of a path, the longest first: a/b/x.jpg, b/x.jpg, x.jpg; of a COCO name its number alone."""
    parts = PurePosixPath(name.replace("\\", "/").lstrip("/")).parts or ("",)
    coco = _COCO.fullmatch(parts[-1])
    return [coco[1]] if coco else ["/".join(parts[start:]) for start in range(len(parts))]
