"""`search serve`: reads the options, opens the index, runs the web application."""

from __future__ import annotations

import ipaddress
import os
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from captioner.console import Number, Place, beam_option
from captioner.loader import loader
from search.errors import SearchError
from search.options import index_option

if TYPE_CHECKING:
    from search.web.settings import Settings

TOKEN_VARIABLE = "SEARCH_TOKEN"  # noqa: S105 - the variable's name, not a secret


def _host_names(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Names as they are compared with those that clients ask for: without a port."""
    names = tuple(name.removeprefix("[").removesuffix("]") for name in given)
    for name in names:
        if re.fullmatch(r"[\w.-]+", name) is None and not _is_address(name):
            raise click.BadParameter(
                f"{name!r} is no host name; give the name alone, without port or path: photos.example.org"
            )
    return names


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@click.command()
@index_option
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback only unless told."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free port."
)
@click.option(
    "--images",
    multiple=True,
    type=Place(exists=True, file_okay=False, path_type=Path),
    help="A folder whose pictures may be shown; repeat for more. Without one, no picture file is served.",
)
@click.option(
    "--captioner", default="default", show_default=True, metavar="NAME|DIR", help="Who captions photos."
)
@beam_option
@click.option(
    "--allowed-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    callback=_host_names,
    help="A name that the server answers to, on any port.",
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
    hosts: tuple[str, ...],
    remote_images: bool,
    photo_urls: bool,
    max_upload: float,
    queue: int,
) -> None:
    """Serve the page and the REST API.

    With SEARCH_TOKEN in the environment (16 characters or more), every visitor is asked for it.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise SearchError(f"`search serve` needs {error.name}: pip install 'caption-search[web]'") from None
    from search.web.settings import Settings

    settings = Settings(
        images=images,
        hosts=_names(host, hosts),
        token=_token(),
        remote_images=remote_images,
        photo_urls=photo_urls,
        upload_bytes=int(max_upload * 1_000_000),
        waiting_photos=queue,
    )
    _warn(host, settings)
    _run(index, host, port, settings, captioner, beam)


def _token() -> str:
    from search.web.settings import SHORTEST_TOKEN

    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if token and len(token) < SHORTEST_TOKEN:
        raise SearchError(
            f"{TOKEN_VARIABLE} is too short to be safe: give {SHORTEST_TOKEN} characters or more"
        )
    return token


def _names(host: str, hosts: tuple[str, ...]) -> frozenset[str]:
    """Names to answer to: its own and those allowed; any where it serves other hosts and none is given."""
    from search.web.settings import LOOPBACK_NAMES, is_loopback

    names = frozenset(name.lower() for name in hosts)
    if is_loopback(host):
        return LOOPBACK_NAMES | names | {host}
    return names | {host} | LOOPBACK_NAMES if names else frozenset()


def _warn(host: str, settings: Settings) -> None:
    from search.web.settings import is_loopback

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
    from search.web.server import server_of

    with socket_on(host, port) as listener:
        app = create_app(open_index(where), loader(model), settings, model=model, beam=beam)
        # uvicorn raises the signal that stopped it once more; stopping a server is no failure.
        signal.signal(signal.SIGTERM, lambda *_: None)
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"Serving on http://{shown}:{listener.getsockname()[1]} (Ctrl-C stops)", err=True)
        try:
            server_of(app).run(sockets=[listener])
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)


def socket_on(host: str, port: int) -> socket.socket:
    """A listening socket, bound before the index is opened so that a taken port is known at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
        # asyncio does this only for sockets that name TCP as their protocol; without it, an answer's
        # body waits 40 ms for the acknowledgement of its head. Accepted connections inherit it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while ")[0]  # Python tells the address once more
        raise SearchError(f"cannot listen on {host} port {port}: {why}; choose another with --port") from None
