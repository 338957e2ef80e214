"""The command `indexer` as `python -m indexer`, where the commands are not on the path."""

from __future__ import annotations

from captioner.starting import indexer

if __name__ == "__main__":
    indexer()
