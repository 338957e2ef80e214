"""Jaccard similarity by its definition, |A∩B| / |A∪B|: what every test takes for the truth."""

from __future__ import annotations


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0
