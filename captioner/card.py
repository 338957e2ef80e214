"""Make a MODEL_CARD.md for a model without one: what config.json says, for people to read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from captioner.configuration import ModelConfig
from captioner.counted import counted
from captioner.outside import printable

_OF_STATISTICS = re.compile(r" With (a consensus of|the words that come with|how captions go on,) [^.\n]+\.")


def model_card(config: ModelConfig, words: int, about: Mapping[str, Any]) -> str:
    """The card's text. `words`: size of the vocabulary. Parts that `about` says nothing of are left out."""
    parts = (
        f"**Architecture.** {_architecture(config, words)}",
        f"**Data.** {' '.join(_data(about))}",
        *(f"**Training.** {line}" for line in _training(about)),
        *(f"**Origin.** {line}" for line in _origin(about)),
    )
    return "\n\n".join(["# Model card", "Made from what config.json tells.", *map(printable, parts)]) + "\n"


def without_statistics(card: str) -> str:
    """The card that would have been made of the same model without its statistics of captions."""
    return _OF_STATISTICS.sub("", card)


def _architecture(config: ModelConfig, words: int) -> str:
    side = config.preprocess.size
    built = (
        f"Encoder {config.encoder}, which sees photos of {side}x{side} pixels; decoder {config.decoder}: "
        f"LSTM of {counted(config.layers, 'layer')} with {config.hidden} units, "
        f"embeddings of {config.embedding}, {counted(words, 'word')}."
    )
    agreed, nouns, phrases = config.consensus, config.cooccurrence, config.phrasing
    return built + "".join(
        [
            f" With a consensus of {counted(agreed.photos, 'photo')}' captions." if agreed else "",
            f" With the words that come with {counted(nouns, 'noun')}." if nouns else "",
            f" With how captions go on, by {phrases.triples:,} runs of three words." if phrases else "",
        ]
    )


def _data(about: Mapping[str, Any]) -> Iterator[str]:
    yield f"{', '.join(map(str, about.get('data') or ())) or 'Not known'}."
    photos, captions, dev = (about.get(name) for name in ("photos", "captions", "dev_photos"))
    if isinstance(photos, int) and isinstance(captions, int) and isinstance(dev, int):
        learnt = f"{counted(photos, 'photo')} with {counted(captions, 'caption')}"
        yield f"The last training learnt from {learnt}, and was scored on {counted(dev, 'other')}."


def _training(about: Mapping[str, Any]) -> Iterator[str]:
    recipe = about.get("recipe")
    if isinstance(recipe, Mapping):
        chosen = ", ".join(f"{name} {value}" for name, value in recipe.items())
        best = f"Epoch {about.get('epoch')} of {recipe.get('epochs')} is kept"
        yield f"{best}{_score(about)}. By {chosen}."


def _score(about: Mapping[str, Any]) -> str:
    """The dev score, or "" where there is none, as after a consensus, which changes the captions."""
    return f": dev CIDEr-D {about['dev_cider_d']}" if "dev_cider_d" in about else ""


def _origin(about: Mapping[str, Any]) -> Iterator[str]:
    files = about.get("files")
    if isinstance(files, list):
        yield f"Imported as {about.get('imported_as')} from {', '.join(map(str, files))}."
