"""Options of `captioner train` -> the run and its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from captioner.captioner import find_model
from captioner.configuration import configuration
from captioner.datasets import CaptionedPhoto, coco, coco_file, flickr8k
from captioner.errors import DataError
from captioner.photo_names import PhotoNames
from captioner.train import Recipe
from captioner.training_run import Data, Run
from captioner.word_vectors import WordVectors

#: option -> field of the recipe, where it was given
_RECIPE_OPTIONS = {
    "epochs": "epochs",
    "batch": "photos_per_batch",
    "rate": "learning_rate",
    "encoder_rate": "encoder_learning_rate",
    "seed": "seed",
}
#: The student project's training, for model1 to model5: 128 captions a step are 26 photos of five.
_STUDENT_RECIPE = Recipe(
    epochs=5, photos_per_batch=26, warmup_steps=0, weight_decay=0.0, label_smoothing=0.0, averaging=0.0
)


#: option -> what it belongs to, and is ignored without
_BELONGS_TO = {
    "glove_vocab": "glove",
    "without": "texts",
    "text_photos": "texts",
    "images": "coco",
    "dev_coco": "coco",
    "dev_images": "dev_coco",
}
_CONTRADICTIONS = {
    ("arch", "start"): "a model to start from has its own architecture",
    ("glove", "start"): "a model to start from has its own word vectors",
    ("flickr8k", "coco"): "one data set is trained on",
}


def read_run(options: Mapping[str, Any]) -> Run:
    """Where and how to train. Raises DataError for options that do not go together, and ModelError."""
    _check_together(options)
    run = Run(
        configuration(options.get("arch") or "default"),
        Recipe(),
        options["out"],
        options["cache"],
        find_model(options["start"]) if options.get("start") else None,
        options.get("device"),
        options.get("grid"),
        vectors=WordVectors(options["glove"], options.get("glove_vocab")) if options.get("glove") else None,
    )
    run = replace(run, text_photos=options["text_photos"]) if options.get("text_photos") else run
    return replace(run, recipe=_recipe(run.family, options))


def _check_together(options: Mapping[str, Any]) -> None:
    for name, other in _BELONGS_TO.items():
        if options.get(name) and not options.get(other):
            raise DataError(f"{_written(name)} is of no use without {_written(other)}")
    for (one, other), why in _CONTRADICTIONS.items():
        if options.get(one) and options.get(other):
            raise DataError(f"{_written(one)} and {_written(other)}: {why}; leave one of them out")


def _written(name: str) -> str:
    """An option as it is written on the command line."""
    return {"start": "--from", "texts": "--text"}.get(name, f"--{name.replace('_', '-')}")


def _recipe(family: str, options: Mapping[str, Any]) -> Recipe:
    recipe = _STUDENT_RECIPE if family == "show_and_tell" else Recipe()
    given = {
        name: options[option] for option, name in _RECIPE_OPTIONS.items() if options.get(option) is not None
    }
    return replace(recipe, self_critical=bool(options.get("self_critical")), **given)


def read_data(options: Mapping[str, Any]) -> Data:
    """The photos and captions to train on and to score on. Raises DataError."""
    train, dev, names = _photos(options)
    held_out = PhotoNames(name for path in options.get("without") or () for name in coco_file(path))
    text = {
        name: captions
        for path in options.get("texts") or ()
        for name, captions in coco_file(path).items()
        if name not in held_out
    }
    names += tuple(f"captions of {path.name}" for path in options.get("texts") or ())
    return Data(train, dev, list(text.values()), names, list(text))


def _photos(
    options: Mapping[str, Any],
) -> tuple[list[CaptionedPhoto], list[CaptionedPhoto], tuple[str, ...]]:
    folder = options.get("flickr8k")
    if folder is None and options.get("coco") and options.get("images") and not options.get("dev_coco"):
        raise DataError("name held-out photos to score on: --dev-coco ANNOTATIONS.json")
    train, names = read_training_photos(options)
    if folder is not None:
        return train, flickr8k(folder, "dev"), names
    return train, coco(options["dev_coco"], options.get("dev_images") or options["images"]), names


def read_training_photos(options: Mapping[str, Any]) -> tuple[list[CaptionedPhoto], tuple[str, ...]]:
    """The photos to learn from, and what the data are called. Raises DataError."""
    _check_together(options)
    folder, annotations, images = (options.get(name) for name in ("flickr8k", "coco", "images"))
    if folder is not None:
        return flickr8k(folder, "train"), ("Flickr8k train",)
    if annotations is None or images is None:
        raise DataError(
            "name the photos to train on: --flickr8k DIR, or --coco ANNOTATIONS.json --images DIR"
        )
    return coco(annotations, images), (annotations.name,)


def read_test_photos(options: Mapping[str, Any]) -> tuple[list[CaptionedPhoto], list[str]]:
    """Photos to evaluate on, and names of photos that the model was trained on. Raises DataError."""
    folder, annotations, images = (options.get(name) for name in ("flickr8k", "coco", "images"))
    if folder is not None and annotations is None and images is None:
        photos = flickr8k(folder, options["split"])
    elif folder is None and annotations is not None and images is not None:
        photos = coco(annotations, images)
    else:
        raise DataError(
            "name the photos to evaluate on: --flickr8k DIR --split NAME, or --coco FILE.json --images DIR"
        )
    names: list[str] = []
    for path in options.get("trained_on") or ():
        try:
            names += path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: not a list of names ({error})") from None
    return photos, [name.strip() for name in names if name.strip()]
