"""A limit to the memory that reading a file of other people may take."""

from __future__ import annotations

from pathlib import Path

from captioner.errors import ModelError


class Room:
    """How much may still be made, by the file's size: a small pickle could fill the memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        size = path.stat().st_size
        self._bytes = 2 * size  # twice: Python 2's text is copied to bytes, and these to an array
        self._things = 1000 + size // 2  # a NumPy number is the densest: six things in thirteen bytes

    def take_bytes(self, count: int) -> None:
        """Take room for `count` bytes. Raises ModelError if there is none."""
        self._bytes -= count
        if count < 0 or self._bytes < 0:
            raise ModelError(f"{self.path}: what it holds claims to be larger than the file")

    def take_things(self, count: int) -> None:
        """Take room for `count` objects, such as lists, of some hundred bytes each. Raises ModelError."""
        self._things -= count
        if self._things < 0:
            raise ModelError(f"{self.path}: damaged, or made to fill the memory (it holds too many things)")
