"""How many pixels are decoded for a HEIF, as its boxes tell (ISO/IEC 23008-12): those of all tiles of a grid.

A grid may show 16 pixels of tiles of 4,000 x 3,000, and the same tile in each of 65,536 places.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

#: Bytes of the box that tells what is in the file; phones write some thousands.
_DESCRIBING = 1_000_000
_TOP_LEVEL = 1_000
#: A picture that is made of others that are made of others, and so on, has so many levels at most.
_LEVELS = 8


def decoded_pixels(file: BinaryIO) -> float:
    """Infinity where the boxes lie too deep, or are too many, to tell."""
    descriptions = [*_descriptions(file)]
    return max((_costliest(content) for content in descriptions), default=0.0)


def _descriptions(file: BinaryIO) -> Iterator[bytes]:
    """The contents of the boxes `meta` of a file."""
    file.seek(0)
    for _ in range(_TOP_LEVEL):
        start, head = file.tell(), file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        begin, length = (16, int.from_bytes(head[8:], "big")) if length == 1 else (8, length)
        if kind == b"meta":
            file.seek(start + begin)
            yield file.read(length - begin if begin < length < _DESCRIBING else _DESCRIBING)
        if len(head) < 8 or length < begin:
            return
        file.seek(min(start + length, 1 << 62))


def _costliest(meta: bytes) -> float:
    """Pixels that are decoded for the costliest item; for each level of items one round more is right."""
    inner = [*_boxes(meta[4:])]
    areas = _areas([box for kind, content in inner if kind == b"iprp" for box in _boxes(content)])
    parts = _parts([box for kind, content in inner if kind == b"iref" for box in _references(content)])
    largest = max(areas.values(), default=0.0)  # which an item without a size may have
    costs, before = dict.fromkeys(parts, 0.0), {-1: 0.0}
    for _ in range(_LEVELS if len(meta) < _DESCRIBING else 0):
        if costs == before:
            return max(costs.values(), default=0.0)
        known, before = areas | costs, costs
        costs = {item: sum(known.get(part, largest) for part in made_of) for item, made_of in parts.items()}
    return math.inf


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes that lie one behind the other."""
    place = 0
    while place + 8 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big") or len(content) - place
        yield content[place + 4 : place + 8], content[place + 8 : place + length]
        place += max(8, length)


def _references(content: bytes) -> Iterator[tuple[int, list[int]]]:
    """An item, and those that it is made of."""
    width = 4 if content[:1] > b"\0" else 2
    for kind, reference in _boxes(content[4:]):
        if kind == b"dimg":
            count = int.from_bytes(reference[width : width + 2], "big")
            numbers = _numbers(reference[width + 2 :][: count * width], width)
            yield int.from_bytes(reference[:width], "big"), numbers


def _parts(references: Iterable[tuple[int, list[int]]]) -> dict[int, list[int]]:
    parts: dict[int, list[int]] = {}
    for item, made_of in references:
        parts.setdefault(item, []).extend(made_of)
    return parts


def _numbers(content: bytes, width: int) -> list[int]:
    return [int.from_bytes(content[at : at + width], "big") for at in range(0, len(content), width)]


def _areas(properties: Sequence[tuple[bytes, bytes]]) -> dict[int, float]:
    """Item -> pixels, by the properties that it has of those in the list."""
    listed = [box for kind, content in properties if kind == b"ipco" for box in _boxes(content)]
    sizes = {number: _area(content) for number, (kind, content) in enumerate(listed, 1) if kind == b"ispe"}
    areas: dict[int, float] = {}
    for kind, content in properties:
        for item, numbers in _associations(content) if kind == b"ipma" else ():
            known = [sizes[number] for number in numbers if number in sizes]
            areas[item] = max([areas.get(item, 0.0), *known])
    return areas


def _area(extents: bytes) -> float:
    width, height = (int.from_bytes(extents[at : at + 4], "big") for at in (4, 8))
    return float(width * height)


def _associations(content: bytes) -> Iterator[tuple[int, list[int]]]:
    """Items and the numbers of their properties."""
    width, each = 4 if content[:1] > b"\0" else 2, 2 if content[3:4] and content[3] & 1 else 1
    place = 8
    while place + width < len(content):
        item, count = int.from_bytes(content[place : place + width], "big"), content[place + width]
        place += width + 1
        numbers = _numbers(content[place : place + each * count], each)
        yield item, [number & (0x7FFF if each == 2 else 0x7F) for number in numbers]
        place += each * count
