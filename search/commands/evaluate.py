"""`search evaluate`: read options, run the evaluation, print its table."""

from __future__ import annotations

import json
from contextlib import closing
from itertools import combinations
from pathlib import Path
from typing import Any

import click

from captioner.commands.bars import StageBars, tell
from captioner.commands.option_rules import check_given, given_options
from captioner.commands.options import FOLDER, Place, beam_option
from captioner.commands.output_files import OutputFile
from search.errors import EvaluationError

_FILE = Place(exists=True, dir_okay=False, path_type=Path)
#: Where generated captions come from.
_CAPTIONS = ("--captions", "--captioner", "--hold-out")
#: option -> options of which one must be given with it
_BELONGS_TO = {
    "--greedy": ("--captions",),
    "--diverse": ("--captions",),
    "--beam": ("--captioner",),
    "--several": ("--captioner",),
    **dict.fromkeys(("--pictures", "--elasticsearch", "--queries", "--archive"), _CAPTIONS),
    "--cache": ("--captioner", "--pictures"),
    "--run": ("--relevance",),
    "--relevance": ("--run",),
}


class _TextFile(OutputFile):
    """What something is put into; the rest stays."""

    earlier = "text in UTF-8"

    def is_earlier(self, file: Path) -> bool:
        try:
            file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return False
        return True


@click.command()
@click.option(
    "--data",
    envvar="CAPTION_DATA",
    show_envvar=True,
    type=FOLDER,
    metavar="DIR",
    help="Folder with coco, cxc and flickr8k.",
)
@click.option("--captions", type=_FILE, metavar="JSONL", help="Generated captions: image, caption a line.")
@click.option("--greedy", type=_FILE, metavar="JSONL", help="The same, decoded greedily.")
@click.option("--diverse", type=_FILE, metavar="JSONL", help="The same, by diverse beam search.")
@click.option("--captioner", metavar="NAME|DIR", help="Write the captions with this model, once.")
@click.option("--hold-out", is_flag=True, help="A written caption stands in for the generated one.")
@click.option(
    "--pictures",
    is_flag=True,
    help="Rows with what encoders see: --captioner's own, and ImageNet's (slow the first time).",
)
@click.option(
    "--elasticsearch",
    envvar="ELASTICSEARCH_URL",
    show_envvar=True,
    metavar="URL",
    help="Server for the BM25 row; credentials as for an index.",
)
@click.option("--queries", type=click.IntRange(1), metavar="N", help="Only the first N query photos.")
@click.option("--archive", type=click.IntRange(1), metavar="N", help="Only the first N archived photos.")
@beam_option
@click.option("--several", type=click.IntRange(1, 20), default=5, show_default=True, help="Captions a photo.")
@click.option(
    "--cache",
    type=FOLDER,
    default=Path(".cache/evaluation"),
    show_default=True,
    metavar="DIR",
    help="Captions and features, made once.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of bootstrap and random ranking.")
@click.option(
    "-o",
    "--output",
    type=FOLDER,
    default=Path(".cache/evaluation/report"),
    show_default=True,
    metavar="DIR",
    help="Table, figures, plot and exchange files.",
)
@click.option("--insert", type=_TextFile(), metavar="MD", help="Insert the table into this file.")
@click.option("--run", "run_file", type=_FILE, metavar="FILE", help="Only measure this TREC run ...")
@click.option("--relevance", type=_FILE, metavar="FILE", help="... by these qrels.")
def evaluate(run_file: Path | None, relevance: Path | None, **options: Any) -> None:
    """Measure how good the answers are.

    Prints one table of people's ratings, photo to photo and caption to photo, for every analyzer and for
    baselines. Without captions it has the ratings only. With --run and --relevance it prints the measures of
    any ranking.
    """
    _check_options()
    if run_file is not None and relevance is not None:
        _measure(run_file, relevance)
    else:
        _evaluate(**options)


def _check_options() -> None:
    """Raise click.UsageError for options that would do nothing beside the others."""
    one_source = dict.fromkeys(combinations(_CAPTIONS, 2), "captions come from one place")
    others = sorted(given_options() - {"--run", "--relevance"})
    a_run = {("--run", option): "a ranking is measured by --relevance alone" for option in others}
    check_given(_BELONGS_TO, a_run | one_source)


def _measure(run_file: Path, relevance: Path) -> None:
    from search.evaluation.exchange import read_relevance, read_run
    from search.evaluation.measures import ndcg

    scores = list(ndcg(read_run(run_file), read_relevance(relevance)).values())
    if not scores:
        raise EvaluationError(f"{relevance}: no judgement in it")
    click.echo(json.dumps({"queries": len(scores), "ndcg@10": sum(scores) / len(scores)}))


def _evaluate(data: Path | None, seed: int, output: Path, insert: Path | None, **options: Any) -> None:
    from search.evaluation.material import Choices
    from search.evaluation.run import run

    if data is None:
        raise click.UsageError("--data DIR (or CAPTION_DATA) says where coco, cxc and flickr8k are")
    with closing(StageBars(logged=True)) as bars:
        outcome = run(Choices(data, **options), output, seed=seed, insert=insert, watcher=bars)
    click.echo(outcome.table, nl=False)
    for found in outcome.improvements:
        tell(f"{found.row}, {found.archive}: nDCG@10 is {found.times:.2f} times the student project's")
