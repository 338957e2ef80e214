"""What a model is built from: kept as config.json beside its weights; the named architectures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from captioner.errors import ModelError
from captioner.preprocess import Preprocess

#: The settings of what is made of captions once training is done; without them a model has none of it.
STATISTICS = frozenset({"consensus", "cooccurrence", "phrasing"})
_LARGEST = 100_000  # any size in a configuration; a larger one is a mistake, and could fill the memory
_MOST_ENTRIES = 10_000_000
_MOST_PHOTOS = 32_767  # of a consensus, which stores their numbers in int16
_MOST_OF_ALL_PHOTOS = 100_000_000  # numbers in a table that has a row for each photo


def _check(settings: object, at_least: Mapping[str, int], largest: int = _LARGEST) -> None:
    """A config.json may have been edited by hand. Raises ModelError."""
    for name, smallest in at_least.items():
        value = getattr(settings, name)
        if not isinstance(value, int) or not smallest <= value <= largest:
            raise ModelError(f"{name} is {value!r}; a number from {smallest} to {largest:,} is expected")


@dataclass(frozen=True, slots=True)
class ConsensusSizes:
    """How much a consensus of captions holds."""

    space: int  # numbers that make a photo's place
    grams: int  # n-grams in its table
    photos: int  # training photos that can be neighbours
    words: int  # kept for each of these photos, at most
    entries: int  # which of these photos' captions have which n-grams

    def __post_init__(self) -> None:
        _check(self, {"space": 1, "grams": 1, "words": 1})
        _check(self, {"photos": 1}, _MOST_PHOTOS)
        _check(self, {"entries": 1}, _MOST_ENTRIES)
        _check(self, {"space": 1, "words": 1}, _MOST_OF_ALL_PHOTOS // self.photos)


@dataclass(frozen=True, slots=True)
class PhrasingSizes:
    """How much is kept of how captions go on."""

    pairs: int  # pairs of words that captions have
    triples: int
    subjects: int  # words whose verbs are known
    verbs: int

    def __post_init__(self) -> None:
        _check(self, {"subjects": 1, "verbs": 1})
        _check(self, {"pairs": 1, "triples": 1}, _MOST_ENTRIES)
        _check(self, {"verbs": 1}, _MOST_ENTRIES // self.subjects)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything needed to build a model anew; kept as config.json beside its weights."""

    encoder: str  # efficientnet_lite2 | resnet101 | resnet152
    decoder: str  # attention | show_and_tell
    embedding: int  # size of a word's embedding
    hidden: int  # size of the LSTM's state
    layers: int = 1
    grid: int = 1  # the attention decoder sees grid x grid places of the photo
    words: int = 0  # how many words the word detector hands to the decoder; 0: no detector
    detector_words: int = 0  # how many words the detector knows
    detector_pairs: int = 0  # how many (ImageNet class, word) pairs it knows
    heads: int = 4  # of the attention
    dropout: float = 0.0
    frozen_embedding: bool = False  # embeddings were given (GloVe) and are not trained
    preprocess: Preprocess = field(default_factory=Preprocess)
    max_words: int = 20
    consensus: ConsensusSizes | None = None  # None: the model has no consensus
    cooccurrence: int = 0  # nouns in its table of lifts; 0: it has none
    phrasing: PhrasingSizes | None = None  # None: nothing is known of how captions go on

    def __post_init__(self) -> None:
        at_least = {"embedding": 1, "hidden": 1, "layers": 1, "grid": 1, "heads": 1, "max_words": 1}
        at_least |= {"words": 0, "detector_words": 0, "detector_pairs": 0, "cooccurrence": 0}
        _check(self, at_least)
        if not isinstance(self.dropout, (int, float)) or not 0 <= self.dropout < 1:
            raise ModelError(f"dropout is {self.dropout!r}; a number from 0 to less than 1 is expected")
        known = self.detector_words if self.words else 0
        if self.cooccurrence > known:
            raise ModelError(
                f"cooccurrence is {self.cooccurrence}; of the detector's words there are {known}"
            )
        if self.phrasing and not self.cooccurrence:
            raise ModelError("phrasing needs cooccurrence")

    def trained_part(self) -> dict[str, Any]:
        """The settings without `STATISTICS`."""
        return {name: value for name, value in asdict(self).items() if name not in STATISTICS}


_SQUASH_LIKE_THE_STUDENTS = Preprocess(size=224, interpolation="lanczos", shrink_on_load=False)
_SQUASH_FOR_LITE2 = Preprocess(size=256, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def _student(encoder: str, embedding: int, hidden: int, layers: int = 1, frozen: bool = False) -> ModelConfig:
    return ModelConfig(
        encoder,
        "show_and_tell",
        embedding,
        hidden,
        layers,
        frozen_embedding=frozen,
        preprocess=_SQUASH_LIKE_THE_STUDENTS,
    )


#: The named configurations that `captioner train --arch NAME` and `captioner import --arch NAME` know.
CONFIGURATIONS: Mapping[str, ModelConfig] = MappingProxyType(
    {
        "default": ModelConfig(
            "efficientnet_lite2",
            "attention",
            300,
            512,
            grid=4,
            words=12,
            dropout=0.5,
            preprocess=_SQUASH_FOR_LITE2,
        ),
        "model1": _student("resnet152", 256, 512),
        "model2": _student("resnet101", 256, 512),
        "model3": _student("resnet152", 128, 256),
        "model4": _student("resnet101", 256, 512, layers=2),
        "model5": _student("resnet101", 300, 512, frozen=True),
    }
)


def configuration(name: str) -> ModelConfig:
    """The architecture of that name. Raises ModelError."""
    try:
        return CONFIGURATIONS[name]
    except KeyError:
        raise ModelError(f"unknown architecture {name!r}; known: {', '.join(CONFIGURATIONS)}") from None
