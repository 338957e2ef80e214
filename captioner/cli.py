"""The command `captioner`: caption photos, and train, score and compare the models that do it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from captioner.commands.bars import StageBars, progress_bar, tell
from captioner.commands.group import CommandGroup
from captioner.commands.options import FILE, FOLDER, PLACE, Number, beam_option, device_option, split_names
from captioner.commands.output_files import PngFile, WholeFile
from captioner.effort import MOST_CAPTIONS, MOST_DIVERSITY
from captioner.errors import CaptionerError, ModelError, PhotoError
from captioner.outside import printable
from captioner.train.command import consensus, train
from captioner.train.options import check_inputs, check_options, data_set, photo_options

if TYPE_CHECKING:
    from captioner.captioner import Captioned
    from captioner.catalogue import Catalogue
    from captioner.folders import PhotosBelow
    from captioner.metrics import Evaluation

MODEL = "Name of a model, its folder, or hf:ORG/NAME."


@click.group(cls=CommandGroup, errors=[CaptionerError])
def main() -> None:
    """Write captions for photos, and train, score and compare the models that write them."""


@main.command()
@click.argument("photos", nargs=-1, required=True, type=PLACE, metavar="PHOTO...")
@click.option("--model", default="default", show_default=True, help=MODEL)
@beam_option
@click.option(
    "--captions",
    default=1,
    show_default=True,
    type=click.IntRange(1, MOST_CAPTIONS),
    help="Different captions for each photo, or fewer if the model has no more. More captions than --beam "
    "widen the beam, so 3 captions are not always the first 3 of 5. See --diversity.",
)
@click.option(
    "--diversity",
    type=Number(0, min_open=True),
    help=f"Make several captions differ by more than a word; 0.5 is usual, {MOST_DIVERSITY} the most.",
)
@device_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def caption(
    photos: Sequence[str], model: str, captions: int, device: str | None, as_json: bool, **effort: Any
) -> None:
    """Caption photos, or all photos of folders, in the order given.

    A photo that cannot be read is reported in one line and skipped; the exit code is then 1.
    """
    if captions == 1 and 0 < (effort["diversity"] or 0) <= MOST_DIVERSITY:  # more than that is told of below
        raise click.UsageError("--diversity makes several captions differ: give --captions 2 or more, too")
    from captioner.finding import open_captioner
    from captioner.folders import PhotosBelow

    captioner, found = open_captioner(model, device), PhotosBelow(photos)
    given = {name: value for name, value in effort.items() if value is not None}  # else the model's own
    done = failed = 0
    with progress_bar(None, "photo") as bar:
        for result in captioner.stream(found, captions=captions, **given):
            done += 1
            bar.update()
            failed += result.error is not None
            _print_caption(result, captioner.identity, as_json)
    _check_photos_found(found, photos, done)
    if failed:
        raise click.exceptions.Exit(1)


def _check_photos_found(found: PhotosBelow, places: Sequence[str], photos: int) -> None:
    """After the walk, report the pictures that it passed over. Raises PhotoError if it found no photo."""
    from captioner.folders import no_photos, passed_over

    if not photos:
        raise PhotoError(f"{', '.join(places)}: {no_photos(found.unread)}")
    if found.unread:
        tell(passed_over(found.unread))


def _print_caption(result: Captioned, model: str, as_json: bool) -> None:
    if as_json:
        for line in _caption_objects(result, model):
            click.echo(json.dumps(line))
    elif result.error is not None:
        tell(f"Error: {result.error}")
    else:
        for caption in result.captions:
            _print_row(result.image, caption.text)


def _print_row(*cells: str) -> None:
    """Print tab-separated values; tabs and line breaks of names and captions are escaped."""
    click.echo("\t".join(map(printable, cells)))


def _caption_objects(result: Captioned, model: str) -> list[dict[str, Any]]:
    from captioner.tokens import analyzer

    if result.error is not None:
        return [{"image": result.image, "error": result.error}]
    tokens = analyzer()
    return [
        {
            "image": result.image,
            "caption": caption.text,
            "tokens": sorted(tokens(caption.text)),
            "score": round(caption.score, 4),
            "model": model,
        }
        for caption in result.captions
    ]


@main.command()
@click.option("--model", default="default", show_default=True, help=MODEL)
@photo_options
@click.option("--split", help="Of --flickr8k [default: dev] or --jsonl [default: all photos].")
@click.option(
    "--trained-on", multiple=True, type=FILE, help="Names of training photos, one a line; none may be tested."
)
@beam_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with all captions.")
def evaluate(model: str, beam: int | None, device: str | None, as_json: bool, **options: Any) -> None:
    """Score a model's captions: BLEU, ROUGE-L, CIDEr-D, and METEOR and SPICE where Java runs them.

    Photos from the model's training are refused.
    """
    check_options("to evaluate on")
    check_inputs()
    from captioner.datasets import read_names
    from captioner.finding import open_captioner
    from captioner.metrics import evaluate as score

    split = options["split"] or ""
    photos = data_set(options, hold_out=bool(split)).of(split)
    trained_on = [name for file in options["trained_on"] for name in read_names(file)]
    captioner = open_captioner(model, device)
    with closing(StageBars()) as bars:
        result = score(captioner, photos, beam, trained_on, watcher=bars)
    click.echo(json.dumps(result.as_json()) if as_json else _score_table(result))


def _score_table(result: Evaluation) -> str:
    rows = [("model", result.model), ("photos", str(result.photos)), ("beam", str(result.beam))]
    rows += [(name, f"{value:.4f}") for name, value in result.scores.items()]
    rows += [(name, f"not available: {why}") for name, why in result.unavailable.items()]
    rows += [
        ("tokeniser", result.tokenizer),
        ("different captions", f"{result.distinct:.1%}"),
        ("words used", str(result.words_used)),
        ("without <end>", f"{result.without_end:.1%}"),
        ("training photos", result.training_photos),
    ]
    return "\n".join(printable(f"{name:<18} {value}") for name, value in rows)


@main.command("import")
@click.option("--encoder", required=True, type=FILE, help="State dict of the encoder (.pkl, .ckpt).")
@click.option("--decoder", required=True, type=FILE, help="State dict of the decoder.")
@click.option("--vocab", required=True, type=FILE, help="The pickled vocabulary (vocab.pkl).")
@click.option(
    "--weights-matrix", type=FILE, help="Word vectors of model5, where the decoder's file lacks them."
)
@click.option("--arch", required=True, help="Which model it is: model1 to model5.")
@click.option("-o", "--out", required=True, type=FOLDER, help="Folder of the model to write.")
def import_command(
    encoder: Path, decoder: Path, vocab: Path, weights_matrix: Path | None, arch: str, out: Path
) -> None:
    """Import a checkpoint of the student project; nothing that its files contain is executed.

    `captioner caption --model OUT` then writes what the original code writes, word for word.
    """
    check_inputs()
    from captioner.checkpoint import save
    from captioner.legacy.checkpoints import LegacyFiles, import_model

    imported = import_model(LegacyFiles(encoder, decoder, vocab, weights_matrix), arch)
    save(imported, out, half=False)
    click.echo(printable(f"{arch} with {len(imported.vocabulary)} words is in {out}"))


@main.command()
@click.argument("photos", nargs=-1, required=True, type=PLACE, metavar="PHOTO...")
@click.option(
    "--models",
    default="default",
    callback=split_names,
    show_default=True,
    help="Names or folders, with commas between.",
)
@click.option(
    "--html", type=WholeFile(), help="Write a self-contained page; it replaces only an earlier one."
)
@click.option("--png", type=PngFile(), help="Write a PNG; it replaces only an earlier one.")
@beam_option
@device_option
def compare(
    photos: Sequence[str],
    models: Sequence[str],
    html: Path | None,
    png: Path | None,
    beam: int | None,
    device: str | None,
) -> None:
    """Show each photo with the caption of every model below it.

    The number beside a caption is its score by its own model. Scores of different models are not comparable.

    A photo that cannot be read is reported in one line, also on the page, and skipped; the exit code is then
    1. If no photo can be read, no picture is written.
    """
    from captioner.compare import compare as compare_photos
    from captioner.compare import write_files
    from captioner.finding import open_captioner
    from captioner.folders import PhotosBelow
    from captioner.photo import photo_name

    below = PhotosBelow(photos)
    found = list(below)
    _check_photos_found(below, photos, len(found))
    captioners = [open_captioner(name, device) for name in models]
    compared = compare_photos(captioners, found, beam)
    for result in compared:
        if result.error is not None:
            tell(f"Error: {result.error}")
        for caption in result.captions:
            _print_row(photo_name(result.photo), caption.model, caption.caption)
    written = write_files(compared, len(captioners), html, png)
    for file in written:
        tell(f"wrote {file}")
    if png is not None and png not in written:
        tell(f"Error: {png}: not written, since no photo could be read")
    if any(result.error is not None for result in compared):
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("folders", nargs=-1, type=FOLDER, metavar="[FOLDER]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def models(folders: Sequence[Path], as_json: bool) -> None:
    """List the models here, and in FOLDERs, and what can be trained, imported or downloaded.

    A FOLDER without a model is reported in one line and skipped; the exit code is then 1.
    """
    from captioner.catalogue import catalogue

    failed: list[ModelError] = []
    found = catalogue(folders, failed.append)
    click.echo(json.dumps(found.as_json()) if as_json else _catalogue_text(found))
    for error in failed:
        tell(f"Error: {error}")
    if failed:
        raise click.exceptions.Exit(1)


def _catalogue_text(models_known: Catalogue) -> str:
    lines = []
    for model in models_known.here:
        lines.append(f"{model.name}  ({model.size / 1e6:.1f} MB, {model.words:,} words)  {model.folder}")
        lines.append(f"    {model.encoder}; {model.decoder}; data: {', '.join(model.data) or 'unknown'}")
        if model.scores:
            lines.append("    " + ", ".join(f"{name} {value:.3f}" for name, value in model.scores.items()))
    lines += ["", "captioner train --arch NAME, or captioner import --arch NAME (model1 to model5):"]
    lines += [f"    {name:<8} {what}" for name, what in models_known.architectures.items()]
    lines += ["", "--model NAME downloads, with the extra transformers, among others:"]
    lines += [f"    {name:<45} {what}" for name, what in models_known.downloads.items()]
    return "\n".join(map(printable, lines))


main.add_command(train)
main.add_command(consensus)

if __name__ == "__main__":
    main()
