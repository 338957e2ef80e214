"""The engine that needs no server: a folder of immutable, memory-mapped segments behind a manifest.

The index:

engine.py         EmbeddedIndex: a `CaptionIndex` in a folder, without a server
view.py           The view that one search has: a single generation, whatever a writer commits
snapshot.py       A snapshot: one generation of an index, opened
status.py         The status of an index: what it holds, counted
checks.py         Checks that read segments whole: checksums, and arrays that must agree

Changing it:

writer.py         How an index is changed: new segments, tombstones and merges, then the commit
draft.py          A draft: the successor of an index, built in a folder of its own inside the index's folder
lock.py           The write lock of an index: one writer at a time
rows.py           Captions as columns, in any order: the form that segments are built from, and merged in
layout.py         How a segment is laid out: from rows to its arrays

Files:

manifest.py       The manifest: the list of the files that are the index
names.py          What the files of an index are called, and which files with these names a writer made
segment.py        A segment as it is read: look-ups by token, image, document id and field
token_sets.py     The token sets of a segment: their sizes, their tokens, their captions
stored_column.py  A column of a segment as it is read: the string of each row, and the rows of a string
strings.py        A table of strings in two flat arrays
arrays.py         A file of named flat arrays: written once, protected by checksums
dtypes.py         Names for the types of arrays
shape.py          Whether the arrays of a segment fit each other: checked whenever one is opened

Searching it:

answer.py         From token sets in descending score to captions: filters, deleted rows, ties
ranking.py        Token sets in exact descending Jaccard order, over all segments
best.py           The best sets of a segment, found with NumPy: used where `kernel` is not compiled
decoding.py       From stored numbers and bytes to captions, texts and objects, many at a time
misspelt.py       Corrections of tokens that no caption has, from the vocabularies of segments
"""

from __future__ import annotations

from indexer.embedded.engine import EmbeddedIndex

__all__ = ["EmbeddedIndex"]
