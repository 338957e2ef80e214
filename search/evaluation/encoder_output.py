"""What encoders see in photos: the captioner's own features, and the classes that ImageNet's is sure of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from captioner.files import written_whole
from captioner.stages import UNWATCHED, StageWatcher

if TYPE_CHECKING:  # torch comes with it
    from captioner.captioner import Captioner

#: A class counts as seen from this probability on.
SURE = 0.5


def pooled_features(
    captioner: Captioner, photos: Sequence[Path], folder: Path, watcher: StageWatcher = UNWATCHED
) -> Mapping[str, Any]:
    """By image name: the features of the captioner's encoder, averaged over a photo's places."""
    from captioner import pooled

    rows = pooled.pooled_features(captioner, photos)
    return _kept(folder, (f"{captioner.identity}-features", "features"), photos, rows, watcher)


def class_nouns(
    photos: Sequence[Path], folder: Path, watcher: StageWatcher = UNWATCHED
) -> Mapping[str, tuple[str, ...]]:
    """By image name: nouns of the classes of probability `SURE` or more, by ImageNet's encoder."""
    from captioner.networks.detector import imagenet_nouns
    from captioner.pooled import imagenet_class_chances

    classes = imagenet_nouns()
    chances = _kept(
        folder, ("imagenet-classes", "class words"), photos, imagenet_class_chances(photos), watcher
    )
    return {
        image: tuple(noun for number in np.flatnonzero(row >= SURE) for noun in classes[number])
        for image, row in chances.items()
    }


def _kept(
    folder: Path,
    names: tuple[str, str],
    photos: Sequence[Path],
    batches: Iterator[Any],
    watcher: StageWatcher,
) -> Mapping[str, Any]:
    """A row for each photo, made once: kept in `folder` under the first name and a digest of names and sizes.

    The second one is that of the stage in which they are made.
    """
    kept_as, stage = names
    listed = "\n".join(f"{photo.name} {photo.stat().st_size}" for photo in photos)
    file = folder / f"{kept_as}-{hashlib.sha256(listed.encode()).hexdigest()[:16]}.npz"
    if not file.exists():
        watcher.stage(stage, len(photos))
        _write(batches, file, watcher)
    with np.load(file, allow_pickle=False) as stored:
        return {photo.name: row for photo, row in zip(photos, stored["rows"], strict=True)}


def _write(batches: Iterator[Any], file: Path, watcher: StageWatcher) -> None:
    rows = []
    for batch in batches:
        rows.append(batch)
        watcher.advance(len(batch))
    file.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(file) as stream:
        np.savez(stream, rows=np.concatenate(rows))  # np.save would not notice a full disk
