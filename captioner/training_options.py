"""Options that name captioned photos, and those of `captioner train`: which go together, what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from captioner.datasets import CaptionedPhoto
    from captioner.train import Recipe
    from captioner.training_setup import Data, Run

#: option -> field of the recipe, where it was given
_RECIPE_OPTIONS = {
    "epochs": "epochs",
    "batch": "photos_per_batch",
    "rate": "learning_rate",
    "encoder_rate": "encoder_learning_rate",
    "seed": "seed",
}
#: option -> what it belongs to, and is ignored without
_BELONGS_TO = {
    "--glove-vocab": "--glove",
    "--without": "--text",
    "--text-photos": "--text",
    "--images": "--coco",
    "--dev-coco": "--coco",
    "--dev-images": "--dev-coco",
}
_CONTRADICTIONS = {
    ("--arch", "--from"): "a model to start from has its own architecture",
    ("--glove", "--from"): "a model to start from has its own word vectors",
    ("--flickr8k", "--coco"): "one data set at a time",
}


def check_options(purpose: str) -> None:
    """Whether the command's options name one data set `purpose`, and go together. Raises click.UsageError."""
    context = click.get_current_context()
    given = {one.opts[0] for one in context.command.params if context.params.get(one.name or "")}
    for one, other in _BELONGS_TO.items():
        if one in given and other not in given:
            raise click.UsageError(f"{one} is of no use without {other}")
    for (one, other), why in _CONTRADICTIONS.items():
        if {one, other} <= given:
            raise click.UsageError(f"{one} and {other}: {why}; leave one of them out")
    if "--flickr8k" not in given and not {"--coco", "--images"} <= given:
        raise click.UsageError(
            f"name the photos {purpose}: --flickr8k DIR, or --coco ANNOTATIONS.json --images DIR"
        )


def read_photos(options: Mapping[str, Any], split: str) -> tuple[list[CaptionedPhoto], str]:
    """Photos of the data set, of Flickr8k those of a split, and what they are called. Raises DataError."""
    from captioner.datasets import coco, flickr8k

    if options["flickr8k"]:
        return flickr8k(options["flickr8k"], split), f"Flickr8k {split}"
    return coco(options["coco"], options["images"]), options["coco"].name


def read_data(options: Mapping[str, Any]) -> Data:
    """The photos and captions to train on and to score on. Raises DataError."""
    from captioner.datasets import captions_alone
    from captioner.training_setup import Data

    held_out = {"coco": options["dev_coco"], "images": options["dev_images"] or options["images"]}
    (train, name), (dev, _) = read_photos(options, "train"), read_photos({**options, **held_out}, "dev")
    text = captions_alone(options["texts"], options["without"])
    names = (name, *(f"captions of {path.name}" for path in options["texts"]))
    return Data(train, dev, list(text.values()), names, list(text))


def read_run(options: Mapping[str, Any]) -> Run:
    """Where and how to train. Raises ModelError."""
    from captioner.captioner import find_model
    from captioner.configuration import configuration
    from captioner.train import Recipe
    from captioner.training_setup import Run
    from captioner.word_vectors import WordVectors

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


def _recipe(family: str, options: Mapping[str, Any]) -> Recipe:
    from captioner.train import STUDENT_RECIPE, Recipe

    recipe = STUDENT_RECIPE if family == "show_and_tell" else Recipe()
    given = {
        name: options[option] for option, name in _RECIPE_OPTIONS.items() if options.get(option) is not None
    }
    return replace(recipe, self_critical=bool(options.get("self_critical")), **given)
