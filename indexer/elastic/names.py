"""What the indices and aliases of a name are called: NAME-<time>, its aliases, and the lock of builds."""

from __future__ import annotations

import re

_CONCRETE = re.compile(r"(.+)-\d{8}-\d{6}-\d{6}")
_WRITE, _DRAFT, _LEFT, _BUILDS = "-write", "-draft", "-left", "-builds"


def name_of(index: str) -> str:
    """The name that a concrete index belongs to; "" of another index."""
    concrete = _CONCRETE.fullmatch(index)
    return concrete[1] if concrete else ""


def write_alias(index: str) -> str:
    """The alias through which an index is written to.

    A request can insist that an alias exists. By its own name a deleted index would be made again.
    """
    return index + _WRITE


def draft_alias(index: str) -> str:
    """Return the alias of an index that is not published yet."""
    return index + _DRAFT


def left_alias(index: str) -> str:
    """Return the alias of an index that was rolled back and is never a rollback target again."""
    return index + _LEFT


def lock_index(name: str) -> str:
    """Return the hidden index that holds the lock of this name's builds."""
    return name + _BUILDS


def served_by(name: str) -> str:
    """The name that an alias of a concrete index, or the lock of builds, serves; "" for other names."""
    for ending in (_WRITE, _DRAFT, _LEFT):
        if name.endswith(ending) and (whole := name_of(name.removesuffix(ending))):
            return whole
    return name.removesuffix(_BUILDS) if name.endswith(_BUILDS) else ""
