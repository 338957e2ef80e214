"""Files by the names that lists, manifests and people give: any text may be one."""

from __future__ import annotations

import os


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is there, whatever name is given: what the system refuses as a name is no file's."""
    return os.path.isfile(path)  # noqa: PTH113 - pathlib raises for what is too long a name
