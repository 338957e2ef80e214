"""Near copies among many perceptual hashes, grouped without comparing all with all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from indexer.hashes import Words, count_ones

#: So few bits leave two of a hash's eight bytes as they are, whichever bits they are.
MOST = 6
_BYTES = 8

_Places = npt.NDArray[np.intp]


def groups(hashes: Sequence[str], most: int) -> list[list[int]]:
    """Places of hashes (16 hex digits) that are near copies; a group's first is the one it stands around.

    The first hash takes all that differ from it in `most` bits or fewer (up to `MOST`), the next one that
    is left takes such of the rest, and so on: so all of a group are near to its first, where chains of near
    copies would join pictures that have nothing in common. Places ascend. A hash without a copy is in none.
    """
    if not 0 <= most <= MOST:
        raise ValueError(f"hashes are grouped by 0 to {MOST} bits, not {most}")
    words = np.fromiter((int(one, 16) for one in hashes), np.uint64, len(hashes))
    distinct, hash_of = np.unique(words, return_inverse=True)
    component = _components(distinct, most)[hash_of]
    several = np.flatnonzero(np.bincount(component, minlength=1)[component] > 1)
    several = several[np.argsort(component[several], kind="stable")]
    ends = np.flatnonzero(np.diff(component[several])) + 1
    found = (group for places in np.split(several, ends) for group in _around_first(words, places, most))
    return sorted(found)


def _around_first(words: Words, places: _Places, most: int) -> Iterator[list[int]]:
    while len(places) > 1:
        near = count_ones(words[places] ^ words[places[0]]) <= most
        if np.count_nonzero(near) > 1:
            yield places[near].tolist()
        places = places[~near]


def _components(distinct: Words, most: int) -> _Places:
    """For each hash the lowest place that is reached from it by near ones: no group goes beyond these.

    Two of eight bytes are a key of 16 bits, and only hashes of equal keys are compared, for each two bytes.
    """
    labels = np.arange(len(distinct))
    rows = distinct.view(np.uint8).reshape(-1, _BYTES)
    for two in combinations(range(_BYTES), 2):
        keys = np.ascontiguousarray(rows[:, two]).view(np.uint16).ravel()
        for one, other in _near_pairs(distinct, keys, labels, most):
            _join(labels, one, other)
    return labels


def _near_pairs(
    distinct: Words, keys: npt.NDArray[np.uint16], labels: _Places, most: int
) -> Iterator[tuple[_Places, _Places]]:
    """Those within `most` bits, of one key and of two components; few at a time.

    Each is compared with the next one behind its own component, with the one after that, and so on. So a
    thousand pictures that are all but blank are not compared with each other once for each key.
    """
    order = np.argsort(labels, kind="stable")
    order = order[np.argsort(keys[order], kind="stable")]  # of 16 bits: a radix sort
    words, keys, labels = distinct[order], keys[order], labels[order]
    last = np.append((keys[1:] != keys[:-1]) | (labels[1:] != labels[:-1]), True)
    first = np.arange(len(order))
    behind = np.flatnonzero(last)[np.cumsum(last) - last] + 1
    while len(first):
        within = behind < len(order)
        first, behind = first[within], behind[within]
        alike = keys[first] == keys[behind]
        first, behind = first[alike], behind[alike]
        near = count_ones(words[first] ^ words[behind]) <= most
        yield order[first[near]], order[behind[near]]
        behind = behind + 1


def _join(labels: _Places, one: _Places, other: _Places) -> None:
    """Label both of each pair, and all that have their labels, with the lowest of these."""
    while True:
        low, high = np.minimum(labels[one], labels[other]), np.maximum(labels[one], labels[other])
        if np.array_equal(low, high):
            return
        np.minimum.at(labels, high, low)
        while not np.array_equal(labels, further := labels[labels]):
            labels[:] = further
