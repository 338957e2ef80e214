"""The pictures that an `srcset` attribute offers, and how large each of them is.

Split into candidates as https://html.spec.whatwg.org/multipage/images.html#parse-a-srcset-attribute says:
addresses may hold commas, and a candidate whose descriptors are wrong is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_CANDIDATE = re.compile(
    r"[\t\n\f\r ,]*(?P<address>[^\t\n\f\r ,][^\t\n\f\r ]*)"
    # A comma at an address's end ends the candidate; descriptors go on to a comma outside of parentheses.
    r"(?:(?<=,)|(?P<descriptors>(?:[^,(]+|\([^)]*\)?)*))"
)
_COUNT = "0*[1-9][0-9]*"  # of pixels
_SIZE = re.compile(
    rf"(?:(?P<width>{_COUNT})w(?: {_COUNT}h)?|{_COUNT}h (?P<width_last>{_COUNT})w"
    r"|(?P<density>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)x)?"
)
_BLANKS = re.compile(r"[\t\n\f\r ]+")


class Candidate(NamedTuple):
    """A picture, and how wide it is, or for how dense a screen."""

    width: float  # pixels; 0.0 where it is not told
    density: float  # 0.0 where the width is told
    address: str


def size_of(candidate: Candidate) -> tuple[float, float]:
    """To be compared. A density tells less than a width, so who has one comes last."""
    return candidate.width, candidate.density


def candidates(srcset: str) -> Iterator[Candidate]:
    """Those of one attribute, in order."""
    # Up to its last address it has one everywhere, so the search for the next is never in vain.
    for found in _CANDIDATE.finditer(srcset.rstrip("\t\n\f\r ,")):
        size = _SIZE.fullmatch(_BLANKS.sub(" ", found["descriptors"] or "").strip(" "))
        if size is not None:
            width = size["width"] or size["width_last"]
            density = 0.0 if width else float(size["density"] or 1)
            yield Candidate(float(width or 0), density, found["address"].rstrip(","))
