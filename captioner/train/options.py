"""Options that name captioned photos, and those of `captioner train`: which go together, what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import click

from captioner.console import FILE, FOLDER, Command, tell, with_options

if TYPE_CHECKING:
    from captioner.datasets import CaptionedPhoto
    from captioner.train.loop import Recipe
    from captioner.train.setup import Data, Run

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
    "--glove-vocab": ("--glove",),
    "--without": ("--text",),
    "--text-photos": ("--text",),
    "--split": ("--flickr8k", "--jsonl"),
    "--images": ("--coco", "--jsonl"),
    "--dev-coco": ("--coco",),
    "--dev-jsonl": ("--jsonl",),
    "--dev-images": ("--dev-coco", "--dev-jsonl"),
}
_CONTRADICTIONS = {
    ("--arch", "--from"): "a model to start from has its own architecture",
    ("--glove", "--from"): "a model to start from has its own word vectors",
    **dict.fromkeys(combinations(("--flickr8k", "--coco", "--jsonl"), 2), "one data set at a time"),
}
_PHOTOS = (
    click.option(
        "--flickr8k", type=FOLDER, help="Flickr8k folder: images/, captions.txt, train.txt, dev.txt, ..."
    ),
    click.option("--coco", type=FILE, help="COCO caption annotations (with --images)."),
    click.option("--jsonl", type=FILE, help="JSON lines: image, caption, and split where known."),
    click.option(
        "--images",
        type=FOLDER,
        help="Photos of --coco; where the paths of --jsonl begin. [default: the folder of --jsonl]",
    ),
)


def photo_options(command: Command) -> Command:
    """The options that name a data set, one of its forms."""
    return with_options(command, _PHOTOS)


@dataclass(frozen=True, slots=True)
class DataSet:
    """Captioned photos, in whichever form they come."""

    name: str  # for a model's record
    of: Callable[[str], list[CaptionedPhoto]]  # those of a split, "" for no certain one


def _flickr8k(options: Mapping[str, Any], hold_out: bool) -> DataSet:
    from captioner.datasets import flickr8k

    return DataSet("Flickr8k train", lambda split: flickr8k(options["flickr8k"], split or "dev"))


def _coco(options: Mapping[str, Any], hold_out: bool) -> DataSet:
    from captioner.datasets import coco

    return DataSet(options["coco"].name, lambda split: coco(options["coco"], options["images"]))


def _jsonl(options: Mapping[str, Any], hold_out: bool) -> DataSet:
    from captioner.jsonl import jsonl

    photos = jsonl(options["jsonl"], options["images"], hold_out=hold_out)
    for remark in photos.remarks:
        tell(remark)
    return DataSet(options["jsonl"].name, photos.of)


#: option -> what it names
_FORMS: Mapping[str, Callable[[Mapping[str, Any], bool], DataSet]] = {
    "flickr8k": _flickr8k,
    "coco": _coco,
    "jsonl": _jsonl,
}


def check_options(purpose: str) -> None:
    """Whether the command's options name one data set `purpose`, and go together. Raises click.UsageError."""
    context = click.get_current_context()
    given = {one.opts[0] for one in context.command.params if context.params.get(one.name or "")}
    for one, others in _BELONGS_TO.items():
        if one in given and given.isdisjoint(others):
            raise click.UsageError(f"{one} is of no use without {' or '.join(others)}")
    for (one, other), why in _CONTRADICTIONS.items():
        if {one, other} <= given:
            raise click.UsageError(f"{one} and {other}: {why}; leave one of them out")
    if given.isdisjoint({"--flickr8k", "--jsonl"}) and not {"--coco", "--images"} <= given:
        raise click.UsageError(
            f"name the photos {purpose}: --flickr8k DIR, --coco FILE --images DIR, or --jsonl FILE"
        )


def data_set(options: Mapping[str, Any], *, hold_out: bool) -> DataSet:
    """What the options name. `hold_out`: whether JSON lines without a split are divided. Raises DataError."""
    return next(read for form, read in _FORMS.items() if options[form])(options, hold_out)


def read_data(options: Mapping[str, Any]) -> Data:
    """The photos and captions to train on and to score on. Raises DataError."""
    from captioner.datasets import captions_alone
    from captioner.train.setup import Data

    other = {form: options[f"dev_{form}"] for form in ("coco", "jsonl") if options[f"dev_{form}"]}
    learnt = scored = data_set(options, hold_out=not other)
    if other:
        images = options["dev_images"] or options["images"]
        scored = data_set({**options, **other, "images": images}, hold_out=False)
    text = captions_alone(options["texts"], options["without"])
    names = (learnt.name, *(f"captions of {path.name}" for path in options["texts"]))
    return Data(learnt.of("train"), scored.of("dev"), list(text.values()), names, list(text))


def read_run(options: Mapping[str, Any]) -> Run:
    """Where and how to train. Raises ModelError."""
    from captioner.captioner import find_model
    from captioner.configuration import configuration
    from captioner.train.loop import Recipe
    from captioner.train.setup import Run
    from captioner.train.word_vectors import WordVectors

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
    from captioner.train.loop import STUDENT_RECIPE, Recipe

    recipe = STUDENT_RECIPE if family == "show_and_tell" else Recipe()
    given = {
        name: options[option] for option, name in _RECIPE_OPTIONS.items() if options.get(option) is not None
    }
    return replace(recipe, self_critical=bool(options.get("self_critical")), **given)
