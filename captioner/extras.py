"""What is said where a package of an extra is missing: the same advice everywhere."""

from __future__ import annotations

from typing import Literal

#: The extras of setup.cfg that a person may be told to install.
Extra = Literal["evaluate", "heic", "ray", "train", "transformers", "web"]


def how_to_install(extra: Extra) -> str:
    """Advice for a message, by the project's folder: no package index has this program under its name."""
    return f"install the extra `{extra}` (in the project's folder: pip install '.[{extra}]')"
