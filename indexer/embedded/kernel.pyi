"""The compiled twin of `best.find_best`."""

from indexer.embedded.best import find_best as find_best
