"""List the models that come with the package, those in folders, and those to make or download."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from numbers import Real
from pathlib import Path
from types import MappingProxyType
from typing import Any

from captioner.configuration import CONFIGURATIONS
from captioner.errors import ModelError
from captioner.finding import packaged_models
from captioner.given import is_number
from captioner.model_folder import CONFIG, model_name, read_config

#: Models that others have published and `--model hf:ORG/NAME` runs: name -> what it is.
DOWNLOADS: Mapping[str, str] = MappingProxyType(
    {
        "hf:Salesforce/blip-image-captioning-base": "BLIP, ViT-B/16",
        "hf:Salesforce/blip-image-captioning-large": "BLIP, ViT-L/16",
        "hf:microsoft/git-base-coco": "GIT, base, trained on COCO captions",
        "hf:nlpconnect/vit-gpt2-image-captioning": "ViT and GPT-2, trained on COCO captions",
    }
)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that is here."""

    name: str
    folder: str
    encoder: str
    decoder: str
    words: int
    size: int  # bytes of all its files
    data: tuple[str, ...]
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is here, what `captioner import` and `captioner train` can make, what can be downloaded."""

    here: tuple[ModelEntry, ...]
    architectures: Mapping[str, str]
    downloads: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        return {
            "here": [asdict(model) for model in self.here],
            "architectures": dict(self.architectures),
            "downloads": dict(self.downloads),
        }


def catalogue(folders: Iterable[Path] = (), failed: Callable[[ModelError], None] | None = None) -> Catalogue:
    """The package's models, then those in `folders`; no weights are loaded.

    A folder without a model is given to `failed`, and the others are listed; without `failed`, raises
    ModelError.
    """
    places = packaged_models()
    places += [place for folder in folders for place in _models_in(folder)]
    made = {
        name: f"{config.encoder}, {config.layers}-layer LSTM of {config.hidden}, embedding {config.embedding}"
        for name, config in CONFIGURATIONS.items()
    }
    return Catalogue(tuple(_entries(places, failed)), made, DOWNLOADS)


def _entries(places: Iterable[Path], failed: Callable[[ModelError], None] | None) -> Iterator[ModelEntry]:
    for place in places:
        try:
            yield read_entry(place)
        except ModelError as error:
            if failed is None:
                raise
            failed(error)


def _models_in(folder: Path) -> list[Path]:
    """The folder itself, unless the models are right below it, as `best` is in that of a training run."""
    below = [] if (folder / CONFIG).exists() else sorted(folder.glob(f"*/{CONFIG}"))
    return [config.parent for config in below] or [folder]


def read_entry(folder: Path) -> ModelEntry:
    """What config.json says of a model, and the size of its files. Raises ModelError."""
    config, about = read_config(folder)
    model = config["model"]
    return ModelEntry(
        model_name(folder),
        str(folder),
        str(model.get("encoder")),
        f"{model.get('decoder')}, LSTM of {model.get('hidden')}",
        int(config["vocabulary"].get("size", 0)),
        sum(path.stat().st_size for path in folder.iterdir() if path.is_file()),
        tuple(map(str, about.get("data", ()))),
        dict(_scores(about)),
    )


def _scores(about: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    """Names and values of the dev score that training notes, and of all `scores`."""
    dev: Any = about.get("dev_cider_d")
    if is_number(dev, Real):
        yield "dev CIDEr-D", float(dev)
    named = about.get("scores")
    for name, value in named.items() if isinstance(named, Mapping) else ():
        if isinstance(value, Mapping):
            yield from (
                (f"{name} {measure}", float(score))
                for measure, score in value.items()
                if is_number(score, Real)
            )
        elif is_number(value, Real):
            yield str(name), float(value)
