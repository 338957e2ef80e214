"""Captioner: this project's models, and the one door to captioners of every kind (`open_captioner`)."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from reprlib import repr as shortened

import torch
from PIL import Image
from torch import Tensor

from captioner.checkpoint import Checkpoint, load
from captioner.cpu_decoder import faster_decoder
from captioner.decode import Decoding, Hypothesis, decode, usual_beam, usual_decoding
from captioner.device import choose_device, lower_precision
from captioner.effort import USUAL_BEAM, Effort
from captioner.errors import ModelError
from captioner.fused import TOGETHER, faster_encoder
from captioner.guided import guide_numbers, guided
from captioner.model_name import model_name
from captioner.photo_captioner import Caption, Captioned, PhotoCaptioner
from captioner.streaming import StreamingCaptioner
from captioner.vocabulary import PAD, UNK

__all__ = ["Caption", "Captioned", "Captioner", "PhotoCaptioner", "find_model", "open_captioner"]

#: Models that come with the package, a folder each.
MODELS = Path(__file__).parent / "models"
#: How a model of Hugging Face's is named: hf:ORG/NAME, or hf:FOLDER.
ELSEWHERE = "hf:"


class Captioner(StreamingCaptioner):
    """A model of this project, ready to caption.

    `Captioner.load("default").caption(["photo.jpg"])[0].text`
    """

    def __init__(self, checkpoint: Checkpoint, name: str, device: str | None = None, batch: int = 32) -> None:
        self.name = name
        self.vocabulary = checkpoint.vocabulary
        self.about = checkpoint.about
        self.device = choose_device(device)
        self.model = checkpoint.model.to(self.device).to(memory_format=torch.channels_last).eval()
        self.batch = batch
        preprocess = self.model.config.preprocess
        self.smallest = preprocess.size if preprocess.shrink_on_load else None
        on_cpu = self.device.type == "cpu"
        encoder = faster_encoder(self.model.encoder) if on_cpu else self.model.encoder
        self._encoder: Callable[[Tensor], Tensor] = encoder
        decoder = faster_decoder(self.model.decoder) if on_cpu else self.model.decoder
        self.decoder = guided(decoder, self.model, self.vocabulary)
        self.identity = f"{name}@{self._fingerprint(checkpoint.digest)}"

    @classmethod
    def load(cls, model: str | os.PathLike[str] = "default", device: str | None = None) -> Captioner:
        """Load a model that comes with the package by its name, or any model by its folder.

        `device`: "cpu", "cuda", "cuda:1"; None takes CUDA where it is present. Raises ModelError.
        """
        folder = find_model(model)
        return cls(load(folder), model_name(folder), device)

    def _fingerprint(self, weights: str) -> str:
        """Eight hex digits of a hash of all that decides the captions: weights, decoding and guides."""
        # This beam for every kind of model, or the identities of those that are greedy would change.
        how = usual_decoding(self.model, self.vocabulary, USUAL_BEAM)
        way = f"({how.key()}, {guide_numbers(self.model)})"
        return hashlib.sha256(f"{weights} {way}".encode()).hexdigest()[:8]

    @property
    def usual_beam(self) -> int:
        return usual_beam(self.model)

    def pixels(self, image: Image.Image) -> Tensor:
        """(S, S, 3) uint8."""
        return torch.tensor(self.model.config.preprocess.squash(image))

    @torch.inference_mode()
    def features(self, pixels: Tensor) -> Tensor:
        """(B, S, S, 3) uint8 -> what the decoder reads."""
        normalise = self.model.config.preprocess.normalise
        if self.device.type == "cpu":  # a few at a time: the pixels too are still in the cache when needed
            return torch.cat([self._encoder(normalise(few)) for few in torch.split(pixels, TOGETHER)])
        # The student project computed in full precision; its models must write what they wrote there.
        exact = self.model.starts_with_image
        with contextlib.nullcontext() if exact else lower_precision(self.device):
            return self._encoder(normalise(pixels.to(self.device))).float()

    def write(self, features: Tensor, effort: Effort) -> list[tuple[Caption, ...]]:
        how = self.decoding(effort.beam, effort.captions, effort.diversity)
        by_photo = self._decode(features, how, effort.captions)
        short = [row for row, captions in enumerate(by_photo) if len(captions) < effort.captions]
        if how.groups > 1 and short:  # groups that agree: a search without groups gives the missing captions
            plain = replace(self.decoding(effort.beam, effort.captions), runners_up=False)
            for row, more in zip(short, self._decode(features[short], plain, effort.captions), strict=True):
                texts = {caption.text for caption in by_photo[row]}
                new = [caption for caption in more if caption.text not in texts]
                by_photo[row] = _rank([*by_photo[row], *new[: effort.captions - len(texts)]])
        return by_photo

    def _decode(self, features: Tensor, how: Decoding, captions: int) -> list[tuple[Caption, ...]]:
        by_photo = decode(self.decoder, features, how, captions)
        if how.runners_up and self.model.consensus is not None:
            by_photo = self.model.consensus.rank(features, by_photo)
        return [_rank(self._to_captions(row))[:captions] for row in by_photo]

    def decoding(self, beam: int, captions: int = 1, diversity: float = 0.0) -> Decoding:
        """The settings for this beam; with `diversity`, a group of hypotheses for each caption."""
        how = usual_decoding(self.model, self.vocabulary, beam, captions if diversity > 0 else 1, diversity)
        # Only the student project's models bar nothing. With several captions, which it never wrote,
        # hypotheses that differ in specials alone would be the same caption again.
        return replace(how, barred=(PAD, UNK)) if captions > 1 and not how.barred else how

    def _to_captions(self, hypotheses: Sequence[Hypothesis]) -> tuple[Caption, ...]:
        return tuple(
            Caption(" ".join(self.vocabulary.decode(hypothesis.ids)), hypothesis.score, hypothesis.ended)
            for hypothesis in hypotheses
        )


def _rank(captions: Sequence[Caption]) -> tuple[Caption, ...]:
    """The best first, each text once: hypotheses may differ in specials alone, which are not written."""
    by_text: dict[str, Caption] = {}
    for caption in sorted(captions, key=lambda caption: -caption.score):
        by_text.setdefault(caption.text, caption)
    return tuple(by_text.values())


def open_captioner(
    model: str | os.PathLike[str] = "default", device: str | None = None
) -> StreamingCaptioner:
    """A captioner of any kind. Raises ModelError.

    `model`: one that comes with the package by name, the folder of one of ours or of Hugging Face's
    image-to-text models, or `hf:ORG/NAME`, which is fetched where it is not here yet.
    """
    named = _given_name(model)
    if named.startswith(ELSEWHERE) or _is_hugging_faces(Path(named)):
        from captioner.transformers_captioner import TransformersCaptioner

        return TransformersCaptioner.load(named.removeprefix(ELSEWHERE), device)
    return Captioner.load(model, device)


def _is_hugging_faces(folder: Path) -> bool:
    """Whether config.json names a `model_type`, which only Hugging Face's models do."""
    config = folder / "config.json"
    with contextlib.suppress(OSError, ValueError):
        return '"model_type"' in config.read_text(encoding="utf-8")
    return False


def _given_name(model: str | os.PathLike[str]) -> str:
    """Raises ModelError for what is no name or path, and for an empty one, as of an unset variable.

    As a path an empty name would be the current folder.
    """
    if not isinstance(model, str | os.PathLike):
        raise ModelError(f"a model is given by its name or folder, not {shortened(model)}")
    named = os.fspath(model)
    if named in ("", ELSEWHERE):
        raise ModelError(f"a model's name is missing (given: {named!r}); `captioner models` lists those here")
    return named


def find_model(model: str | os.PathLike[str]) -> Path:
    """The folder of a model: one that comes with the package by name, otherwise a path."""
    packaged, named = packaged_models(), _given_name(model)
    if named.startswith(ELSEWHERE):
        raise ModelError(
            f"{model}: a model of Hugging Face's only captions: `captioner caption`, `evaluate` and "
            "`compare` take it (in Python captioner.captioner.open_captioner); name one of this project's"
        )
    if named in packaged:
        return MODELS / model
    folder = Path(model)
    if not folder.is_dir():
        known = ", ".join(packaged) or "none"
        raise ModelError(f"{folder}: no such model; it comes with {known}, or name a model's folder")
    return folder


def packaged_models() -> list[str]:
    """Names of the models that come with the package."""
    if not MODELS.is_dir():
        return []
    return sorted(path.name for path in MODELS.iterdir() if (path / "config.json").is_file())
