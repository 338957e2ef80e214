"""The token sets of a segment: their sizes, their tokens, their captions, and the posting lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from indexer.embedded.arrays import ArrayFile
from indexer.embedded.dtypes import Int32, Int64, Integers, UInt8, UInt32

#: Overlaps of fewer sets than this are counted in one go, those of more by size class.
_FEW_SETS = 2_000


@dataclass(frozen=True, slots=True)
class TokenSets:
    """Sets are numbered by size. Class c has the sets from `class_sets[c]` up to `class_sets[c + 1]`, each of
    `sizes[c]` tokens; these are stored one set after another from `tokens[class_tokens[c]]` on.

    Set s stands for the captions in the rows from `rows[s]` up to `rows[s + 1]`. So `class_sets`,
    `class_tokens` and `rows` have one number more than there are classes or sets: the end of the last one.
    """

    sizes: Int32
    class_sets: Int32
    class_tokens: Int64
    tokens: Integers
    rows: UInt32
    postings: Int32  # the sets that hold each token, ascending, token after token

    @staticmethod
    def of(file: ArrayFile) -> TokenSets:
        sizes, class_sets = file["class.sizes"], file["class.sets"]
        return TokenSets(
            sizes.astype(np.int32),
            class_sets.astype(np.int32),
            np.cumsum([0, *(np.diff(class_sets) * sizes)], dtype=np.int64),
            file["set.tokens"],
            # In the file of few captions these are narrower than the kernel takes.
            file["set.rows"].astype(np.uint32, copy=False),
            file["posting.sets"].astype(np.int32, copy=False),
        )

    def sets_of(self, rows: Integers) -> Int32:
        """The set of each row."""
        # Without the cast NumPy would convert all of `self.rows` instead.
        found = np.searchsorted(self.rows, rows.astype(np.uint32), side="right") - 1
        return found.astype(np.int32)

    def rows_of(self, sets: Int32, most: int | None = None) -> tuple[Int64, Int64]:
        """The rows of these sets, deleted ones too, the first `most` of each; and how many each gave."""
        begins = self.rows[sets].astype(np.int64)
        lengths = self.rows[sets + 1] - begins
        if most is not None:
            lengths = np.minimum(lengths, most)
        ends = lengths.cumsum()
        total = ends.item(-1) if len(ends) else 0
        if total == len(sets):
            return begins, lengths
        if total > self.rows[-1]:  # a damaged array could ask for any amount of memory
            raise ValueError("sets hold more captions than there are")
        return (begins + lengths - ends).repeat(lengths) + np.arange(total), lengths

    def count_captions(self, sets: Int32) -> int:
        """How many captions these sets stand for."""
        return int(self.rows[sets + 1].sum(dtype=np.int64) - self.rows[sets].sum(dtype=np.int64))

    def token_spans(self, sets: Int32) -> tuple[Int64, Int64]:
        """Where in `tokens` those of each of these sets begin, and how many they are."""
        classes = self.class_sets.searchsorted(sets, side="right") - 1
        sizes = self.sizes[classes].astype(np.int64)
        return self.class_tokens[classes] + (sets - self.class_sets[classes]) * sizes, sizes

    def sizes_of(self, sets: Int32) -> Int32:
        """The size of each of these sets, which ascend."""
        return np.repeat(self.sizes, np.diff(sets.searchsorted(self.class_sets)))

    def overlaps(self, sets: Int32, marks: UInt8) -> Int32:
        """How many tokens of each of these sets, which ascend, are marked with 1 (others with 0).

        Both ways give the same: one has less work for each call, the other less for each set.
        """
        edges = sets.searchsorted(self.class_sets)
        count = self._overlaps_in_one_go if len(sets) < _FEW_SETS else self._overlaps_by_class
        return count(sets, edges, marks)

    def _overlaps_in_one_go(self, sets: Int32, edges: Int64, marks: UInt8) -> Int32:
        counts = np.diff(edges)
        lengths = np.repeat(self.sizes, counts)
        overlaps = np.zeros(len(sets), np.int32)
        # Sets without tokens come first; for them `reduceat` would give the next set's number.
        filled = int(np.searchsorted(lengths, 1))
        if filled == len(sets):
            return overlaps
        ends = lengths.cumsum()
        begins = ends - lengths
        offsets = self.class_tokens[:-1] - self.class_sets[:-1].astype(np.int64) * self.sizes
        starts = np.repeat(offsets, counts) + sets * lengths.astype(np.int64)
        places = np.repeat(starts - begins, lengths) + np.arange(int(ends[-1]))
        marked = marks.take(self.tokens.take(places))
        overlaps[filled:] = np.add.reduceat(marked, begins[filled:], dtype=np.int32)
        return overlaps

    def _overlaps_by_class(self, sets: Int32, edges: Int64, marks: UInt8) -> Int32:
        overlaps, cuts = np.zeros(len(sets), np.int32), edges.tolist()
        # Sets without tokens are left at 0: `reshape` could not tell how many they are.
        for number in np.flatnonzero((edges[1:] > edges[:-1]) & (self.sizes > 0)).tolist():
            begin, end, size = cuts[number], cuts[number + 1], int(self.sizes[number])
            matrix = self.tokens[self.class_tokens[number] : self.class_tokens[number + 1]].reshape(-1, size)
            tokens = matrix.take(sets[begin:end] - self.class_sets[number], axis=0)
            # Transposed, so that the sum runs along the long axis.
            kind = np.uint8 if size < 256 else np.int32
            overlaps[begin:end] = np.add.reduce(marks.take(tokens.T), axis=0, dtype=kind)
        return overlaps
