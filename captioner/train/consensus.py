"""Give a model statistics of captions: a consensus of its photos', and tables of captions without photos."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from captioner import checkpoint
from captioner.captioner import Captioner
from captioner.card import without_statistics
from captioner.checkpoint import Checkpoint
from captioner.cider import Words
from captioner.datasets import CaptionedPhoto, check_photos_there
from captioner.errors import ModelError
from captioner.finding import find_model
from captioner.model import CaptionModel
from captioner.model_folder import model_name
from captioner.networks.decoders import AttentionDecoder
from captioner.pooled import pooled_features
from captioner.readable import unreadable, without
from captioner.stages import UNWATCHED, StageWatcher
from captioner.tokens import words
from captioner.train.consensus_fit import CaptionStatistics, fit_consensus
from captioner.train.cooccurrence import NounsOfText, fit_cooccurrence
from captioner.train.phrasing import fit_phrasing
from captioner.training_record import learning_record
from captioner.vocabulary import Vocabulary


def add_consensus(
    model: str | os.PathLike[str],
    photos: Sequence[CaptionedPhoto],
    names: Sequence[str],
    out: Path,
    device: str | None = None,
    text: Mapping[str, Sequence[str]] = MappingProxyType({}),
    *,
    watcher: StageWatcher = UNWATCHED,
) -> Checkpoint:
    """Give a model a consensus of these photos' captions, in place of an earlier one, and save it in `out`.

    `model`: a folder or a name; `names`: those of the data sets, for the model's record; `text`: captions
    without photos, by the name of the image that they belong to, for tables of words that come together
    (captioner.guides.cooccurrence) and of how captions go on (captioner.guides.phrasing). Photos that cannot
    be read are left out, and each is remarked on. Gives the saved model. Raises DataError and ModelError.
    """
    folder = find_model(model)
    original = checkpoint.load(folder, statistics=False)  # new ones come in their place
    card = _handwritten_card(original, folder)
    decoder, vocabulary = _decoder(original, folder, bool(text)), original.vocabulary
    check_photos_there(photos)
    checkpoint.check_place(out)
    free = [_tokenised(captions) for captions in text.values()]
    # Too little text is told before any photo is decoded.
    nouns = NounsOfText.of(free, decoder.detector, vocabulary) if free else None
    photos = without(photos, unreadable(photos, "to learn from", watcher=watcher))
    captions = [_tokenised(photo.captions) for photo in photos]
    statistics = CaptionStatistics.of(captions, vocabulary)
    pooled = _pooled(Captioner(original, model_name(folder), device), photos, watcher)
    built = original.model.cpu()
    built.set_consensus(fit_consensus(pooled, statistics, vocabulary))
    if nouns:
        built.set_cooccurrence(fit_cooccurrence(nouns, captions, pooled, decoder.detector, vocabulary))
        _set_phrasing(built, decoder, free, captions, vocabulary)
    seen = [*(photo.name for photo in photos), *text]
    checkpoint.save(Checkpoint(built, vocabulary, _about(original.about, seen, names)), out, card=card)
    return checkpoint.load(out)


def _decoder(original: Checkpoint, folder: Path, reads_text: bool) -> AttentionDecoder:
    """The model's decoder. Raises ModelError if it cannot write by statistics of captions."""
    decoder = original.model.decoder
    if not isinstance(decoder, AttentionDecoder):
        raise ModelError(
            f"{folder}: models of the student project's kinds write as they did, by no consensus"
        )
    if reads_text and not decoder.words:
        raise ModelError(f"{folder}: has no word detector, so that text says nothing of its photos")
    return decoder


def _tokenised(captions: Sequence[str]) -> list[Words]:
    return [words(caption) for caption in captions]


def _set_phrasing(
    built: CaptionModel,
    decoder: AttentionDecoder,
    free: Sequence[Sequence[Words]],
    captions: Sequence[Sequence[Words]],
    vocabulary: Vocabulary,
) -> None:
    """Give the model a table of phrasing, unless the text is too small for one."""
    phrasing = fit_phrasing(
        [line for image in free for line in image],
        [line for image in captions for line in image],
        decoder.detector.ids.sort().values,
        decoder.embed.weight.detach(),
        vocabulary,
    )
    if phrasing:
        built.set_phrasing(phrasing)


def _handwritten_card(original: Checkpoint, folder: Path) -> str:
    """The model's card if a person wrote it; "" for one that `save` made, so that `save` makes another."""
    card = checkpoint.read_card(folder)
    return "" if without_statistics(card) == checkpoint.card_of(original) else card


def _about(original: Mapping[str, Any], photos: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """The new model's `about`: with these photos as learnt from, and without scores of other captions."""
    kept = {name: value for name, value in original.items() if name not in ("scores", "dev_cider_d")}
    return {**kept, **learning_record(names, photos, original)}


def _pooled(captioner: Captioner, photos: Sequence[CaptionedPhoto], watcher: StageWatcher) -> Tensor:
    """The photos' pooled features (N, C) in their order."""
    watcher.stage("features", len(photos))
    batches = []
    for batch in pooled_features(captioner, [photo.image for photo in photos]):
        batches.append(torch.from_numpy(batch))
        watcher.advance(len(batch))
    return torch.cat(batches)
