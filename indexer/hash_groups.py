"""Groups of near copies among many perceptual hashes, found without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from indexer.hashes import HashArray, hash_array, tells_nothing

#: The most bits in which near copies may differ. With so few, two of the eight bytes are always equal.
MOST = 6
_BYTES = 8

_Places = npt.NDArray[np.intp]


def groups(hashes: Sequence[str], most: int) -> list[list[int]]:
    """Groups of near copies, as places in `hashes` (16 hex digits each), ascending.

    The first hash makes a group with all that differ from it in `most` bits or fewer (up to `MOST`), then the
    next hash that is left with those of the rest, and so on. So all of a group are near its first hash: in
    chains of near copies, pictures that have nothing in common would be joined. A hash without a near copy is
    in no group, nor is one that `tells_nothing`.
    """
    if not 0 <= most <= MOST:
        raise ValueError(f"hashes are grouped by 0 to {MOST} bits, not {most}")
    array = hash_array(hashes)
    telling = np.flatnonzero(~tells_nothing(array))
    return [telling[group].tolist() for group in _groups(array[telling], most)]


def _groups(hashes: HashArray, most: int) -> list[list[int]]:
    distinct, hash_of = np.unique(hashes, return_inverse=True)
    component = _components(distinct, most)[hash_of]
    several = np.flatnonzero(np.bincount(component, minlength=1)[component] > 1)
    several = several[np.argsort(component[several], kind="stable")]
    ends = np.flatnonzero(np.diff(component[several])) + 1
    found = (group for places in np.split(several, ends) for group in _around_first(hashes, places, most))
    return sorted(found)


def _around_first(hashes: HashArray, places: _Places, most: int) -> Iterator[list[int]]:
    while len(places) > 1:
        near = np.bitwise_count(hashes[places] ^ hashes[places[0]]) <= most
        if np.count_nonzero(near) > 1:
            yield places[near].tolist()
        places = places[~near]


def _components(distinct: HashArray, most: int) -> _Places:
    """The connected component of each hash, named by its lowest place: a group is always within one.

    Each two of the eight bytes make a key of 16 bits, and only hashes with an equal key are compared.
    """
    labels = np.arange(len(distinct))
    rows = distinct.view(np.uint8).reshape(-1, _BYTES)
    for two in combinations(range(_BYTES), 2):
        keys = np.ascontiguousarray(rows[:, two]).view(np.uint16).ravel()
        for one, other in _near_pairs(distinct, keys, labels, most):
            _join(labels, one, other)
    return labels


def _near_pairs(
    distinct: HashArray, keys: npt.NDArray[np.uint16], labels: _Places, most: int
) -> Iterator[tuple[_Places, _Places]]:
    """Pairs within `most` bits that have one key and are in different components; in batches.

    Hashes are sorted by key and component. Each is compared with the first one after its component, then with
    the one after that, and so on. So a thousand nearly blank pictures, which soon are one component, are not
    compared with each other for every key.
    """
    order = np.argsort(labels, kind="stable")
    order = order[np.argsort(keys[order], kind="stable")]  # of 16 bits: a radix sort
    hashes, keys, labels = distinct[order], keys[order], labels[order]
    ends_component = np.append((keys[1:] != keys[:-1]) | (labels[1:] != labels[:-1]), True)
    first = np.arange(len(order))
    other = np.flatnonzero(ends_component)[np.cumsum(ends_component) - ends_component] + 1
    while len(first):
        within = other < len(order)
        first, other = first[within], other[within]
        alike = keys[first] == keys[other]
        first, other = first[alike], other[alike]
        near = np.bitwise_count(hashes[first] ^ hashes[other]) <= most
        yield order[first[near]], order[other[near]]
        other = other + 1


def _join(labels: _Places, one: _Places, other: _Places) -> None:
    """Join the components of each pair: both get the lower label, and so do all that have the other one."""
    while True:
        low, high = np.minimum(labels[one], labels[other]), np.maximum(labels[one], labels[other])
        if np.array_equal(low, high):
            return
        np.minimum.at(labels, high, low)
        while not np.array_equal(labels, further := labels[labels]):
            labels[:] = further
