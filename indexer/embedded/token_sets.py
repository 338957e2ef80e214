"""The sets of a segment, by size: where their tokens and their captions are, and who holds which token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from indexer.embedded.arrays import ArrayFile
from indexer.embedded.dtypes import Int32, Int64, Integers, UInt8, UInt32

#: Overlaps of fewer sets than this are counted all at once.
_FEW_SETS = 2_000


@dataclass(frozen=True, slots=True)
class TokenSets:
    """Class c has the sets from `class_sets[c]` on, each of `sizes[c]` tokens, from `class_tokens[c]` on.

    Set s stands for the captions from `rows[s]` to `rows[s + 1]`. Arrays of where something begins end with
    where the last of it ends.
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
            # Few captions have narrower numbers in the file than the kernel takes.
            file["set.rows"].astype(np.uint32, copy=False),
            file["posting.sets"].astype(np.int32, copy=False),
        )

    def of_rows(self, rows: Integers) -> Int32:
        """The set of each row."""
        # Without the cast NumPy would widen the whole mapped array instead.
        found = np.searchsorted(self.rows, rows.astype(np.uint32), side="right") - 1
        return found.astype(np.int32)

    def counted_rows(self, sets: Int32, most: int | None = None) -> tuple[Int64, Int64]:
        """The rows of these sets, deleted ones too, of each the `most` first; and how many each gave."""
        begins, ends = self.rows[sets].astype(np.int64), self.rows[sets + 1].astype(np.int64)
        lengths = ends - begins if most is None else np.minimum(ends - begins, most)
        total = int(lengths.sum())
        if total == len(sets):
            return begins, lengths
        if total > self.rows[-1]:  # of a damaged array, which could ask for any amount of memory
            raise ValueError("sets hold more captions than there are")
        shift = np.cumsum(lengths) - lengths
        return np.repeat(begins - shift, lengths) + np.arange(total), lengths

    def captions(self, sets: Int32) -> int:
        """How many captions these sets stand for."""
        return int(self.rows[sets + 1].sum(dtype=np.int64) - self.rows[sets].sum(dtype=np.int64))

    def spans(self, sets: Int32) -> tuple[Int64, Int64]:
        """Where the tokens of each of these sets begin, and how many they are."""
        classes = self.class_sets.searchsorted(sets, side="right") - 1
        sizes = self.sizes[classes].astype(np.int64)
        return self.class_tokens[classes] + (sets - self.class_sets[classes]) * sizes, sizes

    def sizes_of(self, sets: Int32) -> Int32:
        """The size of each of these sets, ascending."""
        return np.repeat(self.sizes, np.diff(sets.searchsorted(self.class_sets)))

    def overlaps(self, sets: Int32, marks: UInt8) -> Int32:
        """How many of the tokens of each of these sets, ascending, are marked with 1 and not with 0."""
        edges = sets.searchsorted(self.class_sets)
        few = len(sets) < _FEW_SETS
        return self._all_at_once(sets, edges, marks) if few else self._by_class(sets, edges, marks)

    def _all_at_once(self, sets: Int32, edges: Int64, marks: UInt8) -> Int32:
        """Less work for each call, more for each set."""
        counts = np.diff(edges)
        lengths = np.repeat(self.sizes, counts)
        overlaps = np.zeros(len(sets), np.int32)
        # Sets without tokens come first; `reduceat` would give them their neighbour's.
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

    def _by_class(self, sets: Int32, edges: Int64, marks: UInt8) -> Int32:
        """Those of one size at a time: less work for each set."""
        overlaps, cuts = np.zeros(len(sets), np.int32), edges.tolist()
        # Sets without tokens share none, and `reshape` would not know how many they are.
        for number in np.flatnonzero((edges[1:] > edges[:-1]) & (self.sizes > 0)).tolist():
            begin, end, size = cuts[number], cuts[number + 1], int(self.sizes[number])
            matrix = self.tokens[self.class_tokens[number] : self.class_tokens[number + 1]].reshape(-1, size)
            tokens = matrix.take(sets[begin:end] - self.class_sets[number], axis=0)
            # Transposed, so that the sum runs along the long axis.
            kind = np.uint8 if size < 256 else np.int32
            overlaps[begin:end] = np.add.reduce(marks.take(tokens.T), axis=0, dtype=kind)
        return overlaps
