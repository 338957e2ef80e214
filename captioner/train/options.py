"""Read and check the options that name captioned photos, and those of `captioner train`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import click

from captioner.commands.bars import tell
from captioner.commands.option_rules import check_given, given_options
from captioner.commands.options import FILE, FOLDER, Command, with_options
from captioner.outside import printable

if TYPE_CHECKING:
    from captioner.datasets import CaptionedPhoto
    from captioner.train.recipe import Recipe
    from captioner.train.setup import TrainingData, TrainingRun

#: option -> field of the recipe, where it was given
_RECIPE_OPTIONS = {
    "epochs": "epochs",
    "batch": "photos_per_batch",
    "rate": "learning_rate",
    "encoder_rate": "encoder_learning_rate",
    "seed": "seed",
}
#: option -> options of which one must be given with it
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
#: split that a file of JSON lines has no photo of -> what to do
_NO_SUCH_SPLIT = {
    "train": 'give some lines "split": "train"',
    "dev": 'give some lines "split": "dev", or name a second file by --dev-jsonl',
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
_TEXT = (
    click.option(
        "--text",
        "texts",
        multiple=True,
        type=FILE,
        help="COCO annotations to learn from without their photos.",
    ),
    click.option(
        "--without", multiple=True, type=FILE, help="COCO annotations whose photos --text must not use."
    ),
)


def photo_options(command: Command) -> Command:
    """The options that name a data set, one of its forms."""
    return with_options(command, _PHOTOS)


def text_options(command: Command) -> Command:
    """The options that name captions without photos."""
    return with_options(command, _TEXT)


@dataclass(frozen=True, slots=True)
class CaptionedDataSet:
    """Captioned photos, whichever form their files have."""

    name: str  # for a model's record
    of: Callable[[str], list[CaptionedPhoto]]  # split -> its photos; "" where none was asked for
    unused: Callable[..., str] = lambda *splits: ""  # a remark on the photos of other splits; "" for none


@dataclass(frozen=True, slots=True)
class CaptionsWithoutPhotos:
    """Captions to learn words from."""

    by_image: Mapping[str, Sequence[str]]  # by the name of the image that they belong to
    data_names: tuple[str, ...]  # of the data sets, for a model's record


def _flickr8k(options: Mapping[str, Any], hold_out: bool) -> CaptionedDataSet:
    from captioner.datasets import flickr8k

    return CaptionedDataSet("Flickr8k train", lambda split: flickr8k(options["flickr8k"], split or "dev"))


def _coco(options: Mapping[str, Any], hold_out: bool) -> CaptionedDataSet:
    from captioner.datasets import coco

    return CaptionedDataSet(options["coco"].name, lambda split: coco(options["coco"], options["images"]))


def _jsonl(options: Mapping[str, Any], hold_out: bool) -> CaptionedDataSet:
    from captioner.jsonl import jsonl

    photos = jsonl(options["jsonl"], options["images"], hold_out=hold_out)
    for remark in photos.remarks:
        tell(remark)
    # `captioner evaluate` alone is told which split to take.
    of = photos.of if "split" in options else lambda split: photos.of(split, _NO_SUCH_SPLIT[split])
    return CaptionedDataSet(options["jsonl"].name, of, photos.unused)


#: option -> how its data set is read
_FORMS: Mapping[str, Callable[[Mapping[str, Any], bool], CaptionedDataSet]] = {
    "flickr8k": _flickr8k,
    "coco": _coco,
    "jsonl": _jsonl,
}


def check_options(purpose: str) -> None:
    """Raise click.UsageError unless the options name one data set and go together.

    `purpose`: what the photos are for, for the message.
    """
    check_given(_BELONGS_TO, _CONTRADICTIONS)
    given = given_options()
    if given.isdisjoint({"--flickr8k", "--jsonl"}) and not {"--coco", "--images"} <= given:
        raise click.UsageError(
            f"name the photos {purpose}: --flickr8k DIR, --coco FILE --images DIR, or --jsonl FILE"
        )


def check_inputs() -> None:
    """Raise click.BadParameter for an option that names a file to read where there is none."""
    context = click.get_current_context()
    for option in context.command.params:
        if option.type is FILE:
            given = context.params[option.name or ""]
            for file in given if option.multiple else [given] if given else []:
                if not file.exists():
                    told = f"File '{printable(str(file))}' does not exist."
                    raise click.BadParameter(told, context, option)


def data_set(options: Mapping[str, Any], *, hold_out: bool) -> CaptionedDataSet:
    """The data set that the options name. Raises DataError.

    `hold_out`: whether photos of JSON lines without a split are divided into train and dev.
    """
    return next(read for form, read in _FORMS.items() if options[form])(options, hold_out)


def read_data(options: Mapping[str, Any]) -> TrainingData:
    """The photos and captions to train on and to score on. Raises DataError."""
    from captioner.train.setup import TrainingData

    other = {form: options[f"dev_{form}"] for form in ("coco", "jsonl") if options[f"dev_{form}"]}
    learnt = scored = data_set(options, hold_out=not other)
    if other:
        images = options["dev_images"] or options["images"]
        scored = data_set({**options, **other, "images": images}, hold_out=False)
    for remark in (
        [learnt.unused("train"), scored.unused("dev")] if other else [learnt.unused("train", "dev")]
    ):
        if remark:
            tell(remark)
    text = read_text(options)
    return TrainingData(
        learnt.of("train"),
        scored.of("dev"),
        list(text.by_image.values()),
        (learnt.name, *text.data_names),
        list(text.by_image),
        one_set=not other,
    )


def read_text(options: Mapping[str, Any]) -> CaptionsWithoutPhotos:
    """The captions that `text_options` name. Raises DataError."""
    from captioner.datasets import captions_alone

    by_image = captions_alone(options["texts"], options["without"])
    return CaptionsWithoutPhotos(by_image, tuple(f"captions of {path.name}" for path in options["texts"]))


def read_run(options: Mapping[str, Any]) -> TrainingRun:
    """Where and how to train. Raises ModelError."""
    from captioner.configuration import configuration
    from captioner.finding import find_model
    from captioner.train.recipe import Recipe
    from captioner.train.setup import TrainingRun
    from captioner.train.word_vectors import WordVectors

    run = TrainingRun(
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
    from captioner.train.recipe import STUDENT_RECIPE, Recipe

    recipe = STUDENT_RECIPE if family == "show_and_tell" else Recipe()
    given = {
        name: options[option] for option, name in _RECIPE_OPTIONS.items() if options.get(option) is not None
    }
    return replace(recipe, self_critical=bool(options.get("self_critical")), **given)
