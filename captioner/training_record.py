"""A record of the photos that a model has learnt from, so that nobody tests it on them by mistake."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from captioner.errors import DataError, ModelError
from captioner.photo_names import PhotoNames, lookup_forms, stored_forms

_BYTES = 5  # of a name's digest: one false alarm in 90,000 evaluations of 1,000 photos on 6,000
KEY = "trained_on"


def record(names: Iterable[str], earlier: Mapping[str, Any] | None = None) -> str:
    """Digests of the photos' names, as base64, with those that the `about` of the starting model has."""
    digests = {_digest(form) for name in names for form in stored_forms(name)}
    return base64.b64encode(b"".join(sorted(digests | _digests((earlier or {}).get(KEY))))).decode()


def learning_record(data: Iterable[str], names: Iterable[str], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a model's `about` for its data sets and photos, with those of its `earlier` training."""
    known = map(str, earlier.get("data") or ())
    return {"data": list(dict.fromkeys([*known, *data])), KEY: record(names, earlier)}


def seen_in_training(about: Mapping[str, Any], names: Sequence[str]) -> list[str] | None:
    """Those of `names` that the model with this `about` has learnt from; None where it keeps no record."""
    if not isinstance(about.get(KEY), str):
        return None
    known = _digests(about[KEY])
    return [name for name in names if not known.isdisjoint(map(_digest, lookup_forms(name)))]


def check_unseen(
    names: Sequence[str], whose: str, trained_on: Iterable[str], about: Mapping[str, Any] | None = None
) -> bool:
    """Raise DataError if a test photo was learnt from; gives whether any training photos are known.

    `trained_on`: names of training photos, beside those that the model with this `about` remembers.
    """
    known, remembered = PhotoNames(trained_on), seen_in_training(about or {}, names)
    seen = {name for name in names if name in known}.union(remembered or ())
    if seen:
        raise DataError(
            f"{len(seen)} of the {len(names)} test photos are training photos of {whose}, such as {min(seen)}"
        )
    return bool(known) or remembered is not None


def _digest(form: str) -> bytes:
    return hashlib.sha256(form.encode(errors="surrogatepass")).digest()[:_BYTES]


def _digests(text: object) -> set[bytes]:
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        raise ModelError(f"the model's record of its training photos ({KEY}) is damaged") from None
    return {raw[start : start + _BYTES] for start in range(0, len(raw), _BYTES)}
