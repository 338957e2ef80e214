"""`indexer scrape`: reads options, calls `indexer.scrape.scraper.scrape`, prints its report."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from captioner.commands.bars import progress_bar, tell
from captioner.commands.group import interruptible
from captioner.commands.options import FOLDER
from captioner.finding import loader
from captioner.outside import printable
from indexer.build import Captioning
from indexer.commands.index_option import named
from indexer.commands.source_options import LINES, captioning_options, refuse_given
from indexer.errors import ScrapeError
from indexer.scrape import scraper
from indexer.scrape.items import Item
from indexer.scrape.manifest import remove_empty
from indexer.scrape.options import scraping_options, settings_of
from indexer.scrape.providers import LISTED, NAMES, described, provider
from indexer.scrape.report import ScrapeReport, why_no_photo

_HELP = f"""Find photos for each QUERY and download them politely.

Providers: {described()}. {" and ".join(LISTED)} take all photos, the others --per-query of them.
Next: indexer build --scraped DIR.

Pictures that are permanently unavailable (deleted, not a photo, excluded by robots.txt) are counted and
are no failure. The exit code is 1 if the same command may get more another time (a query was not answered,
a site was down), or if DIR has no photo at all.
"""


@click.command(help=_HELP)
@click.argument("queries", nargs=-1, metavar="[QUERY]...")
@click.option(
    "--queries",
    "file",
    type=LINES,
    help="One query a line; blank lines are skipped, # is no comment (- is stdin).",
)
@click.option(
    "-o",
    "--output",
    default="scraped",
    show_default=True,
    type=FOLDER,
    metavar="DIR",
    help="Folder of photos and manifest; a second run continues in it.",
)
@click.option(
    "--index",
    "where",
    callback=named,
    metavar="WHERE",
    help="Afterwards caption the photos (--model, --beam, --captions) and add them to this index; captions "
    "that it refuses go to DIR/rejected.jsonl.",
)
@captioning_options
@click.option("--refresh", is_flag=True, help="Ask again for earlier photos, in case they changed.")
@scraping_options(NAMES)
def scrape(
    queries: tuple[str, ...],
    file: Iterable[str] | None,
    output: Path,
    where: str | None,
    model: str,
    beam: int | None,
    captions: int,
    **options: Any,
) -> None:
    # Its help is above, since it names the providers.
    texts = (query.strip("\ufeff \t\r\n") for query in (*queries, *(file or ())))  # of files put together
    wanted = [_checked_query(text) for text in texts if text.strip()]
    if where is None:
        why = "{} belongs to --index; without it no photo is captioned."
        refuse_given(click.get_current_context(), ("model", "beam", "captions"), why)
    if not wanted and not options["refresh"]:
        raise click.UsageError("Say what to look for: QUERY... or --queries FILE.")
    providers = [provider(name, os.environ) for name in dict.fromkeys(options["providers"])]
    again = "interrupted: what was downloaded is kept; the same command goes on"
    with interruptible(again), closing(progress_bar(None, "photo", "scrape")) as bar:
        report = scraper.scrape(wanted, providers, output, settings_of(options), on_item=_counting(bar))
    _print_report(report, output)
    if where:
        _index(output, where, Captioning(loader(model), beam, captions))
    elif report.total("downloaded"):
        tell(f"next: indexer build --scraped {shlex.quote(str(output))}")
    if report.unfinished():
        raise click.exceptions.Exit(1)


def _print_report(report: ScrapeReport, output: Path) -> None:
    """The report, and in a line each what to do about it. Raises ScrapeError where there is no photo.

    A folder in which nothing was found at all does not stay then.
    """
    click.echo(report.text())
    if report.has_reason("private-address"):
        tell("addresses that are not public were not asked; name those that may be with --allow-network")
    if left := report.unfinished():
        tell(left)
    if not report.holds_photos:
        remove_empty(output)
        raise ScrapeError(f"{output}: holds no photo ({why_no_photo(report)})")


def _checked_query(query: str) -> str:
    try:
        query.encode()
    except UnicodeEncodeError:
        raise click.UsageError(f"{printable(query)}: a query is text in UTF-8, and this one is not") from None
    return query


def _counting(bar: tqdm[Any]) -> scraper.OnItem:
    """Moves the bar; its text tells the statuses so far."""
    counts = dict.fromkeys(("downloaded", "duplicate", "skipped", "failed"), 0)

    def count(item: Item) -> None:
        counts[item.status] += 1
        bar.set_postfix(counts, refresh=False)
        bar.update()

    return count


def _index(folder: Path, where: str, captioning: Captioning) -> None:
    """Caption the photos and put them into the index, which is made if it is not there."""
    from indexer.commands.report import finish
    from indexer.scrape.indexing import index_scraped

    rejects = folder / "rejected.jsonl"
    scraped = shlex.quote(str(folder))
    with interruptible(f"interrupted: what was stored is kept; go on with --scraped {scraped}"):
        report = index_scraped(folder, where, captioning, rejects=rejects, tell=tell, progress=progress_bar)
    finish(report, rejects)
