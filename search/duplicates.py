"""Fold near duplicates: the same picture saved again, smaller, or brighter, found by perceptual hash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from search.hits import Folded, ScoredCaption

#: At most this many of the 64 bits differ between two copies of one picture.
NEAR = 6
_HASH = re.compile("[0-9a-f]{16}")


def fold_duplicates(ranked: Iterable[ScoredCaption], earlier: Sequence[str] = ()) -> list[Folded]:
    """Keep an image unless it is nearly one above it, or one of an earlier page (`earlier`: their hashes).

    Images without a hash (captions indexed without their pictures) are always kept.
    """
    kept: list[tuple[ScoredCaption, list[str]]] = []
    for candidate in ranked:
        own = picture_hash(candidate)
        if any(_near(own, shown) for shown in earlier):
            continue
        original = next((kept_one for kept_one in kept if _near(own, picture_hash(kept_one[0]))), None)
        if original is None:
            kept.append((candidate, []))
        else:
            original[1].append(candidate.image_id)
    return [Folded(best, tuple(duplicates)) for best, duplicates in kept]


def picture_hash(caption: ScoredCaption) -> str:
    """The perceptual hash of a caption's picture; empty where it is unknown or not one."""
    phash = caption.document.record.phash
    return phash if _HASH.fullmatch(phash) else ""


def _near(one: str, other: str) -> bool:
    from captioner.photo import hash_distance  # brings Pillow, which other searches do without

    return bool(one and other) and hash_distance(one, other) <= NEAR
