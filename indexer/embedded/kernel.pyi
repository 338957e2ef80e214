"""The compiled twins of functions in `best`."""

from indexer.embedded.best import class_edges as class_edges
from indexer.embedded.best import find_best as find_best
