"""Fold near duplicates: the same picture saved again, smaller, or brighter, found by perceptual hash."""

from __future__ import annotations

import re
from collections.abc import Sequence

from indexer.records import CaptionRecord
from search.scored import Folded, ScoredCaption

#: At most this many of the 64 bits differ between two copies of one picture.
NEAR = 6
_HASH = re.compile("[0-9a-f]{16}")


def fold_duplicates(
    ranked: Sequence[ScoredCaption], enough: int, earlier: Sequence[str] = ()
) -> list[Folded]:
    """Keep an image unless it is a near copy of one above it, or of one of an earlier page.

    `earlier` are the hashes of earlier pages. Stops when `enough` are kept. Images without a hash (captions
    indexed without their pictures), or with one that tells nothing (blank ones), are always kept.
    """
    from indexer.hashes import Hashes  # brings NumPy, which most searches do without

    known = Hashes(earlier)
    copies: list[list[str]] = [[] for _ in earlier]  # for each known hash; earlier ones' are not read
    kept: list[tuple[ScoredCaption, list[str]]] = []
    for candidate in ranked:
        if len(kept) == enough:
            break
        own = picture_hash(candidate)
        near = known.near(own, NEAR).tolist() if own else []
        if near:
            copies[near[0]].append(candidate.image_id)
            continue
        kept.append((candidate, []))
        if own:
            known.add(own)
            copies.append(kept[-1][1])
    return [Folded(best, tuple(duplicates)) for best, duplicates in kept]


def picture_hash(caption: ScoredCaption) -> str:
    """The perceptual hash of a caption's picture; empty where it is unknown or malformed."""
    return hash_of(caption.document.record)


def hash_of(record: CaptionRecord) -> str:
    """Return a record's perceptual hash; empty if it is not one. Unlike `picture_hash` it needs no score."""
    return record.phash if _HASH.fullmatch(record.phash) else ""
