"""A remark where the photos of an index were captioned by another captioner than those searched for."""

from __future__ import annotations

from indexer import origins
from indexer.contract import CaptionIndex
from indexer.records import Filters

_GENERATED = Filters({"kind": (origins.GENERATED,)})


def other_captioner(index: CaptionIndex, identity: str) -> str | None:
    """Who captioned the photos of an index; None where this captioner did, too, or nobody is known to have.

    Two captioners say the same in other words, so that answers are worse. Mostly one caption drawn tells
    enough; all models are counted, which takes longer, only where that caption is another one's.
    """
    drawn = index.random(1, _GENERATED)
    if not drawn or origins.identity_of(drawn[0].record.model) in ("", identity):
        return None
    captioners = set(map(origins.identity_of, index.status().models))
    if identity in captioners:
        return None
    others = " and ".join(sorted(captioners))
    return (
        f"photos in {index.where} were captioned by {others}, those searched for by {identity}: "
        "give --captioner"
    )
