"""`captioner train`, and `captioner consensus` for what comes of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from captioner.commands.bars import StageBars
from captioner.commands.group import interruptible
from captioner.commands.options import FILE, FOLDER, Number, device_option
from captioner.signals import stop_on_sigterm
from captioner.train.options import (
    check_inputs,
    check_options,
    data_set,
    photo_options,
    read_data,
    read_run,
    read_text,
    text_options,
)

if TYPE_CHECKING:
    from tqdm import tqdm

    from captioner.configuration import ConsensusSizes
    from captioner.train.loop import EpochReport

#: In trials 30 to 150 photos made captions worse, and 6,000 better; where it turns was not measured.
_FEW_PHOTOS = 1000
_WHAT_FEW_DO = (
    "which may make captions worse (in trials, 30 to 150 photos lowered CIDEr-D from .653 to .622-.636): "
    "compare `captioner evaluate` of the model before and after, on photos that neither has learnt from"
)


@click.command()
@click.option("--arch", help="default, or model1 to model5. [default: default]")
@photo_options
@click.option("--dev-coco", type=FILE, help="COCO caption annotations to score on (with --dev-images).")
@click.option(
    "--dev-jsonl",
    type=FILE,
    help="JSON lines to score on. [default: of --jsonl the split dev or val, else a tenth of the photos]",
)
@click.option(
    "--dev-images",
    type=FOLDER,
    help="Photos of --dev-coco; where the paths of --dev-jsonl begin. [default: --images]",
)
@text_options
@click.option("-o", "--out", required=True, type=FOLDER, help="Folder of the run: best/, its state, its log.")
@click.option(
    "--cache", default=Path(".cache/features"), show_default=True, type=FOLDER, help="Cached features."
)
@click.option(
    "--from",
    "start",
    type=FOLDER,
    help="A model to start from, by name or folder: its architecture and words.",
)
@click.option("--glove", type=FILE, help="Word vectors: GloVe's text, or a pickled matrix of --glove-vocab.")
@click.option("--glove-vocab", type=FILE, help="vocab.pkl with the words of the rows of a pickled --glove.")
@click.option("--grid", type=click.IntRange(1, 32), help="Grid of image features, across and down.")
@click.option("--text-photos", type=click.IntRange(1), help="Imagined photos of --text in each step.")
@click.option("--epochs", type=click.IntRange(1))
@click.option("--batch", type=click.IntRange(1), help="Photos in each step, each with all its captions.")
@click.option("--rate", type=Number(0, min_open=True), help="Learning rate of the decoder.")
@click.option("--encoder-rate", type=Number(0), help="Above 0: train the encoder too, at this rate.")
@click.option(
    "--self-critical", is_flag=True, help="Reward sampled captions by CIDEr instead of cross-entropy."
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1))
@device_option
@click.option("--resume", is_flag=True, help="Continue the run in --out, or begin one if there is none.")
def train(**options: Any) -> None:
    """Train a model on captioned photos; the best epoch by dev CIDEr is kept in OUT/best.

    After Ctrl-C or SIGTERM, --resume continues. Under torchrun, all processes train together.
    """
    check_options("to train on")
    if options["coco"] and not options["dev_coco"]:
        raise click.UsageError("name held-out photos to score on: --dev-coco ANNOTATIONS.json")
    check_inputs()
    from captioner.train.run import train as run_training

    stop_on_sigterm()
    resume = bool(options.pop("resume"))
    run, data = read_run(options), read_data(options)
    with interruptible(lambda: _what_is_kept(run.folder)), closing(_Bars()) as bars:
        run_training(run, data, bars, resume=resume)


@click.command()
@click.argument("model", type=FOLDER)
@photo_options
@text_options
@click.option("-o", "--out", required=True, type=FOLDER, help="Folder for the result; MODEL may be replaced.")
@device_option
def consensus(model: Path, out: Path, device: str | None, **options: Any) -> None:
    """Give MODEL the consensus of its training captions, by which it chooses words and captions.

    It is the last step of training, takes minutes, and improves captions at next to no cost if there are
    thousands of photos; 30 to 150 photos made them worse. Of --flickr8k and --jsonl it uses the
    training photos. It replaces an earlier consensus; training a model further
    removes it.

    --text adds statistics of which words occur together and how captions continue, for photos of subjects
    that no training photo shows. Without --text earlier tables of this kind are removed, too.
    """
    check_options("to train on")
    check_inputs()
    from captioner.train.consensus import add_consensus

    stop_on_sigterm()
    learnt, text = data_set(options, hold_out=True), read_text(options)
    photos = learnt.of("train")
    names = [learnt.name, *text.data_names]
    with closing(StageBars(logged=True)) as bars:
        if len(photos) < _FEW_PHOTOS:
            bars.remark(f"{len(photos):,} photos are few for a consensus, {_WHAT_FEW_DO}")
        made = add_consensus(model, photos, names, out, device, text.by_image, watcher=bars)
    config = made.model.config
    sizes = cast("ConsensusSizes", config.consensus)
    click.echo(f"{out}: {sizes.grams} n-grams and {sizes.photos} photos to agree with")
    if config.cooccurrence:
        click.echo(f"{out}: the words that come with {config.cooccurrence} nouns")
        if config.phrasing:
            click.echo(f"{out}: how captions go on, by {config.phrasing.triples:,} runs of three words")
    else:
        click.echo(f"{out}: no table of words that come together, which needs --text")


def _what_is_kept(folder: Path) -> str:
    from captioner.train.run import STATE
    from captioner.train.state import steps_made

    if not (folder / STATE).exists():
        return "interrupted before the first step: nothing was learnt, so nothing is kept"
    if steps_made(folder / STATE) == 0:  # while the model to start from was scored
        return "interrupted before the first step: nothing was learnt yet; --resume goes on"
    return f"interrupted: what was learnt is kept in {folder}; --resume goes on"


class _Bars(StageBars):
    """Shows a run: a bar a stage on stderr, a line an epoch on stdout."""

    def __init__(self) -> None:
        super().__init__(logged=True)
        self._later = 0  # steps of the epochs to come

    def stage(self, name: str, total: int, unit: str = "photo", later: int = 0) -> None:
        super().stage(name, total, unit)
        self._later = later

    def advance(self, count: int = 1, loss: float | None = None, reward: float | None = None) -> None:
        shown = {"loss": loss} if reward is None else {"reward": reward}
        figures = {name: f"{value:.3f}" for name, value in shown.items() if value is not None}
        if figures and self.bar is not None:
            self.bar.set_postfix({**figures, **self._run_left(self.bar)}, refresh=False)
        super().advance(count)

    def _run_left(self, bar: tqdm[Any]) -> dict[str, str]:
        """The time left of the whole run, once a step has been timed; the bar tells that of the epoch."""
        if not (self._later and bar.n):
            return {}
        left = (bar.total - bar.n + self._later) * bar.format_dict["elapsed"] / bar.n
        return {"run left": bar.format_interval(left)}

    def epoch(self, report: EpochReport) -> None:
        self.close()
        learnt = "before training: "
        if report.reward is not None:
            learnt = f"epoch {report.epoch}: reward {report.reward:.3f}, "
        elif report.loss is not None:
            learnt = f"epoch {report.epoch}: loss {report.loss:.3f}, "
        click.echo(f"{learnt}dev CIDEr-D {report.score:.4f}, {report.seconds:.0f} s")

    def done(self, best: Path) -> None:
        self.close()
        click.echo(f"the best model is in {best}")
