"""Print answers as they come: results on stdout, remarks on stderr; pictures and pages into files."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from captioner.console import tell
from captioner.counted import counted
from captioner.outside import printable
from search.command_options import Output
from search.errors import quoted
from search.hits import Answer
from search.paths import print_paths
from search.render.certificate import no_hits

Why = Callable[[], Iterable[str]]


def show(
    answers: Iterable[Answer],
    output: Output,
    *,
    several: bool = False,
    why: Why | None = None,
) -> bool:
    """Print every answer, one that only counts as its number; gives whether all have results.

    With `several`, each JSON object names its photo, since one may hold nothing but an error. `why` makes
    the remarks that follow if an answer has no hits.
    """
    whole, empty, unplaced, keep, ignored = True, False, 0, [], dict[str, None]()
    for answer in answers:
        whole = whole and answer.results is not None
        empty = empty or (answer.results is not None and not (answer.results.hits or answer.results.images))
        _remark(answer)
        ignored |= dict.fromkeys(answer.results.ignored_words if answer.results else ())
        if output.paths:
            unplaced += _print_paths(answer)
        else:
            (_print_json if output.as_json else _print_text)(answer, several)
        if output.html or output.montage:
            keep.append(answer)
    if unplaced:
        tell(f"left out, since the index has no place on one line for them: {counted(unplaced, 'picture')}")
    for words in ignored:  # the same for every photo, and said once
        tell(f"--without {quoted(words)} is ignored: it has only stop words")
    for remark in why() if why and empty else ():
        tell(remark)
    _write_files(keep, output)
    return whole


def _remark(answer: Answer) -> None:
    if answer.results is None:
        click.echo(f"Error: {printable(answer.error or answer.name)}", err=True)
    elif not answer.results.tokens and not answer.results.hits:
        click.echo(no_hits(answer.results), err=True)
    for example in answer.results.ignored_examples if answer.results else ():
        tell(
            f"--unlike {example!r} has no effect: the query has none of its words. "
            f"To exclude such pictures, use --without {example!r}"
        )


def _print_json(answer: Answer, several: bool) -> None:
    named: dict[str, Any] = {"photo": answer.name} if several else {}
    if answer.results is None:
        content = {"photo": answer.name, "error": answer.error}
    else:
        content = named | answer.results.as_json()
    # ASCII only: captions come from outside, and a terminal obeys more characters than JSON must escape.
    click.echo(json.dumps(content))


def _print_paths(answer: Answer) -> int:
    return print_paths(hit.image for hit in answer.results.hits) if answer.results else 0


def _print_text(answer: Answer, several: bool) -> None:
    if answer.results is None:
        return
    if (images := answer.results.images) is not None:
        click.echo(f"{images}\t{printable(answer.name)}" if several else images)
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
