"""A process that changes an index and is killed: at its n-th durable step, or by its parent.

    python -m tests.indexer.embedded.killed_writer FOLDER SEED STEP

Says on stdout what it begins and what is done. At durable step number STEP (0: never) it kills itself.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from indexer.embedded import EmbeddedIndex
from indexer.records import CaptionRecord

_CHANGES = 40


def change(number: int, seed: int) -> tuple[str, list[str]]:
    """What change `number` does, and to which images: the parent computes the same."""
    chance = random.Random(f"{seed}/{number}")
    kind = chance.choice(("add", "add", "add", "delete", "build", "replace")) if number else "build"
    return kind, [f"image{chance.randrange(60):02d}" for _ in range(chance.randrange(1, 12))]


def records(images: list[str]) -> Iterator[CaptionRecord]:
    for image in images:
        yield CaptionRecord(image, f"a dog and {image}")
        yield CaptionRecord(image, f"{image} again")


def replace(index: EmbeddedIndex, images: list[str]) -> None:
    """One of the two captions of each of these images that are there is stored anew in its own place."""
    held = index.captions(images).values()
    old = [one for group in held for one in group if one.record.caption.endswith("again")]
    index.replace(old, [one.record for one in old])


def _die_at(step: int) -> None:
    """Replace the durable operations by ones that count, and die before the one with this number."""
    steps = count(1)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def operate(*args: Any, **options: Any) -> Any:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return operate

    os.fsync = counted(os.fsync)
    for name in ("replace", "unlink"):
        setattr(Path, name, counted(getattr(Path, name)))


def main(where: str, seed: int, step: int) -> None:
    _die_at(step)
    index = EmbeddedIndex.open(where, create=True)
    for number in range(_CHANGES):
        kind, images = change(number, seed)
        print("begin", number, flush=True)
        if kind == "add":
            index.add(records(images))
        elif kind == "delete":
            index.delete(images)
        elif kind == "replace":
            replace(index, images)
        else:
            with index.draft("build", "seed/1") as draft:
                for image in images:
                    draft.add(records([image]))
                draft.publish()
        print("done", number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
