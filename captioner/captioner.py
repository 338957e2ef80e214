"""Captioner: photos in, captions out, in batches, one photo or a million the same way."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch

from captioner.checkpoint import Checkpoint, load
from captioner.decode import Decoding, Hypothesis, decode, usual
from captioner.device import choose_device, lower_precision
from captioner.errors import ModelError, PhotoError
from captioner.fused import faster
from captioner.photo import Photo, open_photo, perceptual_hash, photo_name

#: Models that come with the package, a folder each.
MODELS = Path(__file__).parent / "models"

_T = TypeVar("_T")
_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption, and the score that ranked it: mean log probability of a word, length-normalised."""

    text: str
    score: float
    ended: bool = True  # False: cut off at the longest length


@dataclass(frozen=True, slots=True)
class Captioned:
    """What became of one photo: captions (the best first), or an error."""

    image: str
    captions: tuple[Caption, ...] = ()
    phash: str = ""
    error: str | None = None


class PhotoCaptioner(Protocol):
    """What every kind of captioner offers; the rest of the program asks for no more."""

    name: str
    identity: str  # name@hash, kept with each caption in the index

    def stream(self, photos: Iterable[Photo], *, beam: int = 3, captions: int = 1) -> Iterator[Captioned]: ...


@dataclass(frozen=True, slots=True)
class _Opened:
    """A photo on its way to the encoder: its pixels (S, S, 3) uint8, or why there are none."""

    image: str
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None
    phash: str = ""
    error: str | None = None


class Captioner:
    """A model of this project, ready to caption.

    `Captioner.load("default").caption(["photo.jpg"])[0].text`
    """

    def __init__(self, checkpoint: Checkpoint, name: str, device: str | None = None, batch: int = 32) -> None:
        self.name = name
        self.identity = f"{name}@{checkpoint.digest[:8]}"
        self.vocabulary = checkpoint.vocabulary
        self.about = checkpoint.about
        self.device = choose_device(device)
        self.model = checkpoint.model.to(self.device).to(memory_format=torch.channels_last).eval()
        self.batch = batch
        on_cpu = self.device.type == "cpu"
        self._encoder = faster(self.model.encoder) if on_cpu else self.model.encoder

    @classmethod
    def load(cls, model: str | os.PathLike[str] = "default", device: str | None = None) -> Captioner:
        """Load a model that comes with the package by its name, or any model by its folder.

        `device`: "cpu", "cuda", "cuda:1"; None takes CUDA where it is present. Raises ModelError.
        """
        folder = find_model(model)
        return cls(load(folder), folder.name, device)

    @property
    def usual_beam(self) -> int:
        """The beam where none is asked for: 3, or 1 (greedy) for the student project's models."""
        return 1 if self.model.starts_with_image else 3

    def caption(self, photos: Iterable[Photo], beam: int | None = None, captions: int = 1) -> list[Caption]:
        """The best caption of each photo, in order. Raises PhotoError at the first that cannot be read."""
        found = []
        for result in self.stream(photos, beam=beam, captions=captions):
            if result.error is not None:
                raise PhotoError(result.error)
            found.append(result.captions[0])
        return found

    def stream(
        self,
        photos: Iterable[Photo],
        *,
        beam: int | None = None,
        captions: int = 1,
        diversity: float = 0.0,
    ) -> Iterator[Captioned]:
        """Caption photos lazily in the order given; a bad photo gives its error, the rest go on.

        `diversity` above 0 (0.5 is usual) makes several `captions` of a photo differ by more than a word.
        Photos are decoded by threads while the model works; memory does not grow with their number.
        """
        if captions < 1:
            raise ModelError(f"{captions} captions of a photo are not possible; ask for 1 or more")
        how = self.decoding(self.usual_beam if beam is None else beam, captions, diversity)
        return self._stream(photos, how, captions)

    def _stream(self, photos: Iterable[Photo], how: Decoding, captions: int) -> Iterator[Captioned]:
        """Three stages at once: threads open photos, one encodes a batch, and this one writes of the last."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as openers, ThreadPoolExecutor(1) as encoder:
            opened = _ahead(openers, self._open, photos, 3 * self.batch)
            batches = iter(lambda: list(itertools.islice(opened, self.batch)), [])
            for batch, features in _ahead(encoder, self._encode, batches, 2):
                yield from self._write(batch, features, how, captions)

    def _open(self, photo: Photo) -> _Opened:
        preprocess = self.model.config.preprocess
        name = photo_name(photo)
        try:
            image = open_photo(photo, preprocess.size if preprocess.shrink_on_load else None)
        except PhotoError as error:
            return _Opened(name, None, error=str(error))
        return _Opened(name, preprocess.squash(image), perceptual_hash(image))

    def _encode(self, batch: list[_Opened]) -> tuple[list[_Opened], torch.Tensor | None]:
        """A batch with the features of those photos in it that have pixels (None: there are none)."""
        pixels = [one.pixels for one in batch if one.pixels is not None]
        if not pixels:
            return batch, None
        return batch, torch.cat(self._fitting(self._features, torch.from_numpy(np.stack(pixels))))

    @torch.inference_mode()
    def _features(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """(B, S, S, 3) uint8 -> what the decoder reads, in one piece."""
        images = self.model.config.preprocess.normalise(pixels.to(self.device))
        # The student project computed in full precision; its models must write what they wrote there.
        exact = self.model.starts_with_image or self.device.type == "cpu"
        with contextlib.nullcontext() if exact else lower_precision(self.device):
            return [self._encoder(images).float()]

    def _write(
        self, batch: Sequence[_Opened], features: torch.Tensor | None, how: Decoding, captions: int
    ) -> Iterator[Captioned]:
        def write(rows: torch.Tensor) -> list[list[Hypothesis]]:
            return decode(self.model.decoder, rows, how, n_best=captions)

        found = iter(self._fitting(write, features) if features is not None else ())
        for one in batch:
            if one.pixels is None:
                yield Captioned(one.image, error=one.error)
            else:
                yield Captioned(one.image, self._captions(next(found)), one.phash)

    def _fitting(self, work: Callable[[torch.Tensor], list[_T]], rows: torch.Tensor) -> list[_T]:
        """What `work` makes of the rows; those that do not fit in memory together are halved."""
        try:
            return work(rows)
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            if len(rows) == 1:
                advice = "use --device cpu" if self.device.type != "cpu" else "close other programs"
                raise ModelError(
                    f"{self.device}: out of memory with a single photo and this beam; {advice}"
                ) from None
        self.batch = min(self.batch, len(rows) // 2)
        torch.cuda.empty_cache()
        return [one for half in rows.tensor_split(2) for one in self._fitting(work, half)]

    def decoding(self, beam: int, captions: int = 1, diversity: float = 0.0) -> Decoding:
        """How this model decodes with a beam, and with a group for each caption where they shall differ."""
        return usual(self.model, beam, captions if diversity > 0 else 1, diversity)

    def _captions(self, hypotheses: Sequence[Hypothesis]) -> tuple[Caption, ...]:
        return tuple(
            Caption(" ".join(self.vocabulary.decode(one.ids)), one.score, one.ended) for one in hypotheses
        )


def open_captioner(model: str | os.PathLike[str] = "default", device: str | None = None) -> PhotoCaptioner:
    """A captioner of any kind: a model of ours by name or folder, or `hf:ORG/NAME`. Raises ModelError."""
    return Captioner.load(model, device)


def find_model(model: str | os.PathLike[str]) -> Path:
    """The folder of a model: one that comes with the package by name, otherwise a path."""
    packaged = MODELS / os.fspath(model)
    if os.sep not in os.fspath(model) and packaged.is_dir():
        return packaged
    folder = Path(model)
    if not folder.is_dir():
        known = (
            ", ".join(sorted(path.name for path in MODELS.iterdir() if path.is_dir()))
            if MODELS.is_dir()
            else ""
        )
        raise ModelError(
            f"{folder}: no such model; it comes with {known or 'none'}, or name a model's folder"
        )
    return folder


def _out_of_memory(error: RuntimeError) -> bool:
    """CUDA has a type for it; the CPU's allocator only a text."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or "allocate memory" in str(error)


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[_In], _Out], items: Iterable[_In], depth: int
) -> Iterator[_Out]:
    """`work` on items by the pool's threads, results in order, at most `depth` items ahead."""
    waiting: deque[Future[_Out]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
