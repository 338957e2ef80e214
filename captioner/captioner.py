"""Captioner: this project's models, ready to caption."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor

from captioner.checkpoint import Checkpoint, load
from captioner.decode import Decoding, Hypothesis, decode
from captioner.decoding_settings import usual_beam, usual_decoding
from captioner.effort import USUAL_BEAM, Effort
from captioner.finding import find_model
from captioner.guides.guided import guide_numbers, guided
from captioner.model_folder import model_name
from captioner.networks.cpu_decoder import faster_decoder
from captioner.networks.device import choose_device, lower_precision
from captioner.networks.fused import TOGETHER, faster_encoder
from captioner.photo_captioner import Caption, Captioned, PhotoCaptioner
from captioner.streaming import StreamingCaptioner
from captioner.vocabulary import PAD, UNK

__all__ = ["Caption", "Captioned", "Captioner", "PhotoCaptioner"]


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
