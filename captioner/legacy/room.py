"""How much may be made of a file of other people."""

from __future__ import annotations

from pathlib import Path

from captioner.errors import ModelError


class Room:
    """About as much as the file has: a small one could fill the memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        size = path.stat().st_size
        self._bytes = 2 * size  # Python 2's text becomes bytes, and those an array
        self._things = 1000 + size // 2  # a number of NumPy's is six things, in thirteen bytes at least

    def take(self, count: int) -> None:
        """Room for so many bytes. Raises ModelError."""
        self._bytes -= count
        if count < 0 or self._bytes < 0:
            raise ModelError(f"{self.path}: what it holds claims to be larger than the file")

    def make(self, count: int) -> None:
        """Room for so many things, such as lists, of some hundred bytes each. Raises ModelError."""
        self._things -= count
        if self._things < 0:
            raise ModelError(f"{self.path}: damaged, or made to fill the memory (it holds too many things)")
