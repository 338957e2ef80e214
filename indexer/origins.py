"""Where captions come from, as documents tell it: sources, kinds and captioners.

Indices hold these values, so they stay as they are. JSON lines may tell of other sources and kinds.
"""

from __future__ import annotations

from typing import Final

# Sources.
COCO: Final = "coco"
FLICKR8K: Final = "flickr8k"
FOLDER: Final = "folder"
JSONL: Final = "jsonl"
SCRAPED: Final = "scraped"

# Kinds.
REFERENCE: Final = "reference"  # people wrote it for the picture
GENERATED: Final = "generated"  # a captioner wrote it
TITLE: Final = "title"  # the web gives it to the picture

_BEAM = "/beam"


def with_beam(identity: str, beam: int) -> str:
    """The model that captions name where a captioner wrote them with a beam that is not its usual one."""
    return f"{identity}{_BEAM}{beam}"


def identity_of(model: str) -> str:
    """The identity of the captioner that wrote a caption, with whatever beam."""
    identity, beam, number = model.rpartition(_BEAM)
    return identity if beam and number.isdecimal() else model
