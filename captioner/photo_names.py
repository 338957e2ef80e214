"""When two names may be of one photo: what nobody may learn from and be tested on, however it is called.

A list of training photos may hold whole paths, annotations a folder (`images/x.jpg`), and a split the bare
names. So `x.jpg`, `images/x.jpg` and `/data/images/x.jpg` are taken for one photo, as are both of COCO's
names for a number; `a/1.jpg` and `b/1.jpg` are two, in data sets that have a folder for each kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

#: 000000000196.jpg or COCO_val2014_000000000196.jpg: a number means one photo in all of COCO's folders.
_COCO = re.compile(r"(?:COCO_\w+_)?(\d{12}\.\w+)")


class PhotoNames:
    """Names of photos, among which one is looked for that may have more or fewer folders in front."""

    def __init__(self, names: Iterable[str]) -> None:
        self._kept = {form for name in names for form in kept_forms(name)}

    def __bool__(self) -> bool:
        return bool(self._kept)

    def __contains__(self, name: str) -> bool:
        return not self._kept.isdisjoint(sought_forms(name))


def kept_forms(name: str) -> list[str]:
    """What is remembered of a photo: its name, and what is left of it without its first folders."""
    whole, *ends = _ends(name)
    return [whole, *(f"/{end}" for end in ends)]


def sought_forms(name: str) -> list[str]:
    """What is looked for, one of which is remembered of a photo that may be this one."""
    ends = _ends(name)
    return [*ends, f"/{ends[0]}"]


def _ends(name: str) -> list[str]:
    """a/b/x.jpg, b/x.jpg, x.jpg."""
    parts = PurePosixPath(name.replace("\\", "/").lstrip("/")).parts or ("",)
    coco = _COCO.fullmatch(parts[-1])
    return [coco[1]] if coco else ["/".join(parts[start:]) for start in range(len(parts))]
