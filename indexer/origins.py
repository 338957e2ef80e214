"""Where captions come from: the values of the fields `source`, `kind` and `model`.

They are stored in indices, so they must stay as they are. JSON lines may have other sources and kinds.
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
REFERENCE: Final = "reference"  # written by a person for this picture
GENERATED: Final = "generated"  # written by a captioner
TITLE: Final = "title"  # the picture's title on the web

_BEAM = "/beam"


def with_beam(identity: str, beam: int) -> str:
    """The `model` of captions that a captioner wrote with a beam other than its usual one."""
    return f"{identity}{_BEAM}{beam}"


def identity_of(model: str) -> str:
    """The identity of the captioner in the `model` of a caption, without its beam."""
    identity, beam, number = model.rpartition(_BEAM)
    return identity if beam and number.isdecimal() else model
