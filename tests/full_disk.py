"""A full disk, as a program meets it."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def full_disk(most: int = 1_000) -> Iterator[None]:
    """Files of this process can grow to so many bytes: the system refuses as a full disk does.

    Around the attempts alone: pytest's own output may go to a file, and would be cut off as well.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
