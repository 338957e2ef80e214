"""Print answers as they come: results on stdout, remarks on stderr; pictures and pages into files."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from captioner.commands.bars import tell
from captioner.counted import counted
from captioner.outside import printable
from search.commands.options import Output
from search.commands.paths import print_paths
from search.counting import Counted, NamedCount
from search.errors import quoted
from search.hits import Answer, Results
from search.render.certificate import no_hits

if TYPE_CHECKING:  # Pillow is not needed to print
    from captioner.photo import Photo

Why = Callable[[], Iterable[str]]


def named(name: str, reply: Results | Counted, photo: Photo | None = None) -> Answer | NamedCount:
    """A reply to be shown with the name of what was asked for."""
    return NamedCount(name, reply) if isinstance(reply, Counted) else Answer(name, reply, photo=photo)


def show(
    answers: Iterable[Answer | NamedCount],
    output: Output,
    *,
    several: bool = False,
    why: Why | None = None,
) -> bool:
    """Print every answer, a count as its number; gives whether all have a reply.

    With `several`, each JSON object names its photo, since one may hold nothing but an error. `why` makes
    the remarks that follow if an answer has no hits.
    """
    whole, empty, unplaced, keep, ignored = True, False, 0, list[Answer](), dict[str, None]()
    for answer in answers:
        reply = answer.results
        whole = whole and reply is not None
        empty = empty or (reply is not None and not reply.found)
        _remark(answer)
        ignored |= dict.fromkeys(reply.ignored_words if reply else ())
        unplaced += _print(answer, output, several)
        if isinstance(answer, Answer) and (output.html or output.montage):
            keep.append(answer)
    if unplaced:
        tell(f"left out, since the index has no place on one line for them: {counted(unplaced, 'picture')}")
    for words in ignored:  # the same for every photo, and said once
        tell(f"--without {quoted(words)} is ignored: it has only stop words")
    for remark in why() if why and empty else ():
        tell(remark)
    _write_files(keep, output)
    return whole


def _remark(answer: Answer | NamedCount) -> None:
    reply = answer.results
    if reply is None:
        click.echo(f"Error: {printable(answer.error or answer.name)}", err=True)
    elif not reply.tokens and not reply.found:
        click.echo(no_hits(reply), err=True)
    for example in reply.ignored_examples if reply else ():
        tell(
            f"--unlike {example!r} has no effect: the query has none of its words. "
            f"To exclude such pictures, use --without {example!r}"
        )


def _print(answer: Answer | NamedCount, output: Output, several: bool) -> int:
    """Gives how many pictures have no place that can be printed."""
    if output.as_json:
        _print_json(answer, several)
    elif isinstance(answer, NamedCount):
        _print_count(answer, several)
    elif output.paths:
        return _print_paths(answer)
    else:
        _print_text(answer, several)
    return 0


def _print_json(answer: Answer | NamedCount, several: bool) -> None:
    named: dict[str, Any] = {"photo": answer.name} if several else {}
    if answer.results is None:
        content = {"photo": answer.name, "error": answer.error}
    else:
        content = named | answer.results.as_json()
    # ASCII only: captions come from outside, and a terminal obeys more characters than JSON must escape.
    click.echo(json.dumps(content))


def _print_paths(answer: Answer) -> int:
    return print_paths(hit.image for hit in answer.results.hits) if answer.results else 0


def _print_count(answer: NamedCount, several: bool) -> None:
    if answer.results is not None:
        images = answer.results.images
        click.echo(f"{images}\t{printable(answer.name)}" if several else images)


def _print_text(answer: Answer, several: bool) -> None:
    if answer.results is None:
        return
    from search.render.table import table

    name = answer.name if answer.name != answer.results.caption else ""
    seen = sys.stdout.isatty()  # and not piped to where an id is wanted whole
    color = seen and shows_color(os.environ)
    text = table(answer.results, name=name, width=terminal_width(), color=color, whole_ids=not seen)
    click.echo(text + ("\n" if several else ""), color=color)
    if answer.results.following and not several:
        click.echo(_next_page(answer.results.cursor), err=True)


def terminal_width() -> int:
    """The columns that texts for people take: those of the terminal, but longer lines are hard to read."""
    return min(shutil.get_terminal_size((100, 24)).columns, 160)


def shows_color(environment: Mapping[str, str]) -> bool:
    """Whether a terminal shows colours and its user wants them (no-color.org)."""
    return not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def _next_page(cursor: str | None) -> str:
    if cursor:
        return f"next page: the same command with --after {cursor}"
    return (
        "there are more results, but with --fold-duplicates the cursor would be too long; "
        "raise -k, narrow the search, or drop --fold-duplicates"
    )


def _write_files(answers: list[Answer], output: Output) -> None:
    if output.html:
        from search.render.page import write_page

        write_page(answers, output.html)
        click.echo(f"page: {output.html}", err=True)
    if output.montage:
        from search.render.montage import write_montage

        write_montage(answers, output.montage)
        click.echo(f"montage: {output.montage}", err=True)
