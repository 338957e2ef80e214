"""Which photos a model has learnt from, in a few bytes each, so that nobody tests it on them by mistake."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from captioner.errors import ModelError

_BYTES = 5  # of a name's digest: one false alarm in 180,000 evaluations of 1,000 photos on 6,000
KEY = "trained_on"


def photo_number(name: str) -> str:
    """COCO calls one photo 000000000196.jpg and COCO_val2014_000000000196.jpg; other names stay."""
    return name.rsplit("_", 1)[-1] if name.startswith("COCO_") else name


def record(names: Iterable[str], earlier: Mapping[str, Any] | None = None) -> str:
    """Digests of the photos' names as text, joined with those of the model that training started from."""
    digests = {_digest(name) for name in names} | _digests((earlier or {}).get(KEY))
    return base64.b64encode(b"".join(sorted(digests))).decode()


def learnt_from(about: Mapping[str, Any], names: Sequence[str]) -> list[str] | None:
    """Those of `names` that the model with this `about` has learnt from; None where it keeps no record."""
    if not isinstance(about.get(KEY), str):
        return None
    known = _digests(about[KEY])
    return [name for name in names if _digest(name) in known]


def _digest(name: str) -> bytes:
    return hashlib.sha256(photo_number(name).encode()).digest()[:_BYTES]


def _digests(text: object) -> set[bytes]:
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        raise ModelError(f"the model's record of its training photos ({KEY}) is damaged") from None
    return {raw[start : start + _BYTES] for start in range(0, len(raw), _BYTES)}
