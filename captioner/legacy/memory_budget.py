"""A limit to the memory that reading a file of other people may take."""

from __future__ import annotations

from pathlib import Path

from captioner.errors import ModelError


class MemoryBudget:
    """How much may still be made, by the file's size: a small pickle could fill the memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        size = path.stat().st_size
        self._bytes = 2 * size  # twice: Python 2's text is copied to bytes, and these to an array
        self._objects = 1000 + size // 2  # a NumPy number is the densest: six objects in thirteen bytes

    def take_bytes(self, count: int) -> None:
        """Take `count` bytes. Raises ModelError if there is no room for them."""
        self._bytes -= count
        if count < 0 or self._bytes < 0:
            raise ModelError(f"{self.path}: what it holds claims to be larger than the file")

    def take_objects(self, count: int) -> None:
        """Take `count` objects, such as lists, of some hundred bytes each. Raises ModelError if too many."""
        self._objects -= count
        if self._objects < 0:
            raise ModelError(f"{self.path}: damaged, or made to fill the memory (it holds too many things)")
