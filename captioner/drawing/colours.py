"""The colours of all that is drawn here: of pictures, and of pages, which have light and dark ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PAPER, CARD, EDGE, EMPTY = "#f4f2ee", "#ffffff", "#e2ded6", "#dcd8d1"
INK, PALE, MARK = "#22262b", "#6a7079", "#0a6b42"

_LIGHT: Mapping[str, str] = MappingProxyType(
    {
        "paper": PAPER,
        "card": CARD,
        "edge": EDGE,
        "ink": INK,
        "pale": PALE,
        "mark": MARK,
        "mark-paper": "#dff3e7",
        "empty": EMPTY,
        "warn": "#a33b12",
    }
)
_DARK: Mapping[str, str] = MappingProxyType(
    {
        "paper": "#16181b",
        "card": "#202327",
        "edge": "#33373d",
        "ink": "#e9e7e2",
        "pale": "#9aa1ab",
        "mark": "#7fe0ae",
        "mark-paper": "#143626",
        "empty": "#2b2f34",
        "warn": "#ff9d76",
    }
)


def _properties(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


#: A page's style begins with this; the rest of it names colours by `var(--ink)`.
STYLE = f"""
:root {{ color-scheme: light dark; {_properties(_LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_properties(_DARK)} }} }}
"""
