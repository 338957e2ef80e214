"""`search serve`: reads the options, opens the index, runs the web application."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from captioner.commands.bars import tell
from captioner.commands.options import Number, Place, beam_option
from captioner.errors import CaptionerError
from captioner.extras import how_to_install
from captioner.finding import loader
from captioner.photo_captioner import PhotoCaptioner
from indexer.contract import CaptionIndex
from indexer.errors import IndexerError
from search.commands.options import captioner_option, index_option
from search.errors import SearchError
from search.other_captioner import other_captioner
from search.web.hosts import answered_names, host_name, is_loopback
from search.web.settings import SHORTEST_TOKEN, Settings

TOKEN_VARIABLE = "SEARCH_TOKEN"  # noqa: S105 - the variable's name, not a secret


def _host_names(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> frozenset[str]:
    try:
        return frozenset(map(host_name, given))
    except SearchError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@index_option
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; by default loopback only."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free port."
)
@click.option(
    "--images",
    multiple=True,
    type=Place(exists=True, file_okay=False, path_type=Path),
    help="Folder whose pictures may be shown; repeatable. Without it, no picture file is served.",
)
@captioner_option
@beam_option
@click.option(
    "--allowed-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    callback=_host_names,
    help="A host name that the server answers to; repeatable.",
)
@click.option(
    "--remote-images", is_flag=True, help="Let browsers load pictures from the web addresses in the index."
)
@click.option("--photo-urls", is_flag=True, help="Let clients give a photo by its public web address.")
@click.option(
    "--max-upload",
    type=Number(0.01, 500),
    default=20.0,
    show_default=True,
    help="Largest photo, in MB.",
)
@click.option(
    "--queue",
    type=click.IntRange(1, 10_000),
    default=64,
    show_default=True,
    help="Photos that may wait for a caption.",
)
def serve(
    index: str,
    host: str,
    port: int,
    images: tuple[Path, ...],
    captioner: str,
    beam: int | None,
    hosts: frozenset[str],
    remote_images: bool,
    photo_urls: bool,
    max_upload: float,
    queue: int,
) -> None:
    """Serve the page and the REST API.

    With SEARCH_TOKEN in the environment (16 characters or more), every visitor is asked for it.
    """
    _check_installed()
    settings = Settings(
        images=images,
        hosts=answered_names(host, hosts),
        token=_token(),
        remote_images=remote_images,
        photo_urls=photo_urls,
        upload_bytes=int(max_upload * 1_000_000),
        waiting_photos=queue,
    )
    _run(index, host, port, settings, captioner, beam)


def _check_installed() -> None:
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise SearchError(f"`search serve` needs {error.name}: {how_to_install('web')}") from None


def _token() -> str:
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if token and len(token) < SHORTEST_TOKEN:
        raise SearchError(
            f"{TOKEN_VARIABLE} is too short to be safe: give {SHORTEST_TOKEN} characters or more"
        )
    return token


def _warn(host: str, settings: Settings) -> None:
    if not is_loopback(host) and not settings.token:
        click.echo(
            f"Warning: everybody who reaches {host} can search; set {TOKEN_VARIABLE} to ask for a token.",
            err=True,
        )
    if not settings.images:
        click.echo("Note: no picture files are served; name their folder with --images.", err=True)


def _run(where: str, host: str, port: int, settings: Settings, model: str, beam: int | None) -> None:
    from indexer.index import open_index
    from search.web.app import create_app
    from search.web.server import server_of, socket_on

    with socket_on(host, port) as listener:
        index = open_index(where)
        _warn(host, settings)
        load = telling(index, loader(model))
        app = create_app(index, load, settings, model=model, beam=beam)
        # uvicorn raises the signal that stopped it once more; stopping a server is no failure.
        signal.signal(signal.SIGTERM, lambda *_: None)
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"Serving on http://{shown}:{listener.getsockname()[1]} (Ctrl-C stops)", err=True)
        try:
            server_of(app, stopping=_end_in_time).run(sockets=[listener])
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)


def _end_in_time() -> None:
    """End the process when its time is up: a thread that hangs in engine or captioner would hold it up."""
    from search.web.server import END_SECONDS

    end = threading.Timer(END_SECONDS, os._exit, (0,))
    end.daemon = True
    end.start()


def telling(index: CaptionIndex, load: Callable[[], PhotoCaptioner]) -> Callable[[], PhotoCaptioner]:
    """Loads the captioner, and tells where it cannot be, or another captioned the index's photos."""

    def loaded() -> PhotoCaptioner:
        try:
            captioner = load()
        except CaptionerError as error:
            tell(f"text search works, photo search does not: {error}")
            raise
        with suppress(IndexerError):  # searches will tell of an index that does not answer
            if remark := other_captioner(index, captioner.identity):
                tell(remark)
        return captioner

    return loaded
