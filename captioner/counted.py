"""Numbers of things as people write them: one photo, two photos."""

from __future__ import annotations


def counted(count: int, thing: str, things: str = "") -> str:
    """`1 photo`, `2,000 photos`; `things` where an s does not make the plural."""
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"
