"""The compiled twin of `best.best`."""

from indexer.embedded.best import best as best
