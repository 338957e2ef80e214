"""The command `search` as `python -m search`, where the commands are not on the path."""

from __future__ import annotations

from captioner.starting import search

if __name__ == "__main__":
    search()
