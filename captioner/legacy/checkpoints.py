"""The student project's checkpoints -> a model of this project, word for word the same captions.

Source of the format: the image captioning chapter of a well-known PyTorch tutorial, which the project
started from: `EncoderCNN` (resnet, linear, bn) and `DecoderRNN` (embed, lstm, linear) saved as state
dicts, and a pickled `Vocabulary`. The files are read as data only (captioner.legacy.unpickle).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from captioner.checkpoint import Checkpoint, check_finite
from captioner.configuration import ModelConfig, configuration
from captioner.errors import ModelError
from captioner.legacy.torch_files import read_tensors
from captioner.legacy.unpickle import read_matrix, read_vocabulary
from captioner.model import CaptionModel
from captioner.networks.decoders import ShowAndTellDecoder
from captioner.vocabulary import Vocabulary

#: Keys under which other training scripts put a state dict, and prefixes that they put before its names.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_DEEPEST = 8  # nested wrappers at most: a hostile one can contain itself
_PREFIXES = ("module.",)
#: Part of a model -> a module that no other part has.
_MARKS = {"encoder": "resnet.", "decoder": "lstm."}


@dataclass(frozen=True, slots=True)
class LegacyFiles:
    """What the student project left of one model."""

    encoder: Path
    decoder: Path
    vocabulary: Path
    weights_matrix: Path | None = None  # model5's GloVe rows, where the decoder's file lacks them

    def names(self) -> list[str]:
        """The files' names, without their folders."""
        given = (self.encoder, self.decoder, self.vocabulary, self.weights_matrix)
        return [path.name for path in given if path is not None]


def import_model(files: LegacyFiles, arch: str) -> Checkpoint:
    """Build the model `arch` (model1 to model5) from its files. Raises ModelError, naming the file.

    Save it in full precision (`half=False`): rounded weights can change a word.
    """
    config = configuration(arch)
    if config.decoder != "show_and_tell":
        raise ModelError(f"{arch} is not a model of the student project; import model1 to model5")
    vocabulary = legacy_vocabulary(files.vocabulary)
    model = CaptionModel.unfilled(config, len(vocabulary))
    _load_exactly(model.encoder, _read_state(files.encoder, "encoder"), files.encoder, arch)
    _load_exactly(model.decoder, _decoder_state(files, config, len(vocabulary)), files.decoder, arch)
    about = {"data": [], "imported_as": arch, "files": files.names()}
    return Checkpoint(model.eval(), vocabulary, about)


def legacy_vocabulary(path: Path) -> Vocabulary:
    """vocab.pkl -> the words in the order of their ids. Raises ModelError."""
    pickled = read_vocabulary(path)
    ids, words = getattr(pickled, "word2idx", None), getattr(pickled, "idx2word", None)
    if not isinstance(ids, dict) or not isinstance(words, dict):
        raise ModelError(f"{path}: a vocabulary without word2idx and idx2word")
    if not all(isinstance(number, int) for number in words) or set(words) != set(range(len(words))):
        raise ModelError(f"{path}: the ids of the words are not 0 to {len(words) - 1}")
    vocabulary = Vocabulary.from_words_in_file(path, [words[number] for number in range(len(words))])
    if ids != {word: number for number, word in enumerate(vocabulary.words)}:
        raise ModelError(f"{path}: word2idx and idx2word contradict each other")
    return vocabulary


def _decoder_state(files: LegacyFiles, config: ModelConfig, words: int) -> dict[str, Tensor]:
    """The decoder's tensors; the frozen embedding comes from the matrix where the file has none."""
    state = _read_state(files.decoder, "decoder")
    if files.weights_matrix is None:
        return state
    matrix = read_matrix(files.weights_matrix)
    if tuple(matrix.shape) != (words, config.embedding):
        raise ModelError(
            f"{files.weights_matrix}: has {matrix.shape[0]} rows of {matrix.shape[1]}; "
            f"{words} rows of {config.embedding}, one for each word, are expected"
        )
    return {"embed.weight": matrix, **state}


def _read_state(path: Path, part: str) -> dict[str, Tensor]:
    """The state dict of one part: alone, wrapped, with a prefix, or beside the other part in one file."""
    found = read_tensors(path)
    for _ in range(_DEEPEST):
        found = _unwrap(found, part)
    if not isinstance(found, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    ):
        raise ModelError(f"{path}: not a state dict (a dictionary of tensors by name)")
    state = {_without_prefix(name, _PREFIXES): value for name, value in found.items()}
    mine = {name: value for name, value in state.items() if name.startswith(f"{part}.")}
    state = {
        _without_prefix(name, (f"{part}.", *_PREFIXES)): value for name, value in (mine or state).items()
    }
    _check_part(state, path, part)
    return state


def _check_part(state: Mapping[str, Tensor], path: Path, part: str) -> None:
    """Raise ModelError for the tensors of another part."""
    found = {other for other, mark in _MARKS.items() if any(name.startswith(mark) for name in state)}
    if found and part not in found:
        (other,) = found
        raise ModelError(f"{path}: holds the tensors of {other}, not {part}; are the two files swapped?")


def _unwrap(found: Any, part: str) -> Any:
    """The content of a wrapper; anything else as it is."""
    for name in (part, f"{part}_state_dict", *_WRAPPERS):
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            return found[name]
    return found


def _without_prefix(name: str, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        name = name.removeprefix(prefix)
    return name


def _load_exactly(module: nn.Module, state: Mapping[str, Tensor], path: Path, arch: str) -> None:
    """Load a state dict that has exactly the module's tensors, in their shapes. Raises ModelError."""
    wanted = module.state_dict()
    for name, value in wanted.items():
        if name.endswith("num_batches_tracked"):  # PyTorch before 0.4.1 did not count; nothing reads it here
            state = {name: value, **state}
        if name not in state:
            raise ModelError(
                f"{path}: tensor {name} is missing; is it really of {arch}?{_hint(module, name)}"
            )
        if state[name].shape != value.shape:
            found, right = tuple(state[name].shape), tuple(value.shape)
            raise ModelError(
                f"{path}: tensor {name} has shape {found}; {right} is expected for {arch} and this vocabulary"
            )
    if surplus := sorted(set(state) - set(wanted)):
        raise ModelError(f"{path}: tensor {surplus[0]} is not part of {arch}; is it another model?")
    module.load_state_dict(dict(state))
    check_finite(module, path)


def _hint(module: nn.Module, name: str) -> str:
    if isinstance(module, ShowAndTellDecoder) and name == "embed.weight":
        return " For model5, give its matrix of word vectors too."
    return ""
