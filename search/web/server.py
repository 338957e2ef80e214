"""The HTTP server: its socket, and uvicorn with a limit for how long the head of a request may take.

A connection without a request costs nothing but its place among those that may be open at once. A thousand
of them would shut everybody out.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import uvicorn

from search.errors import SearchError

if TYPE_CHECKING:
    from uvicorn.server import Protocols

#: Connections that may be open at once; on more, requests are answered with 503.
CONNECTIONS = 1_000

#: Seconds in which the head of a request must have come; at most twice as many pass until it is noticed.
HEAD_SECONDS = 10.0

#: Seconds that running requests have to finish when the server stops; those that do not are told so.
GRACE_SECONDS = 7

#: Seconds after which a process that only serves ends, whatever still hangs; Docker kills it after 10.
END_SECONDS = 9.5

#: uvicorn calls `on_tick` so often.
_TICKS_A_SECOND = 10


class Server(uvicorn.Server):
    """Looks at all connections every `head_seconds`, and closes those that nothing was asked on since.

    `stopping` is called when the server begins to stop.
    """

    def __init__(self, config: uvicorn.Config, head_seconds: float, stopping: Callable[[], object]) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._ticks = max(1, round(head_seconds * _TICKS_A_SECOND))
        self._idle: dict[Protocols, object] = {}

    async def on_tick(self, counter: int) -> bool:
        if counter % self._ticks == 0:
            self._close_silent()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)

    def _close_silent(self) -> None:
        """`_idle` holds, for each connection with nothing to do, the request that was its last (or None)."""
        idle = {one: _last_request(one) for one in self.server_state.connections if _is_idle(one)}
        for connection, request in idle.items():
            if connection in self._idle and self._idle[connection] is request:
                connection.transport.close()  # what is still to be sent is sent first
        self._idle = idle


def _last_request(connection: Protocols) -> Any:
    return getattr(connection, "cycle", None)


def _is_idle(connection: Protocols) -> bool:
    request = _last_request(connection)
    return request is None or bool(request.response_complete)


def server_of(
    app: Any, head_seconds: float = HEAD_SECONDS, stopping: Callable[[], object] = lambda: None
) -> Server:
    """A server for the application, quiet but for warnings, that trusts no header of a proxy."""
    # A form that cannot be read is answered with 400. Its parser would also write a bare line to stderr, as
    # Python does for loggers without a handler.
    logging.getLogger("python_multipart").addHandler(logging.NullHandler())
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE_SECONDS,
        limit_concurrency=CONNECTIONS,
    )
    return Server(config, head_seconds, stopping)


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
        raise SearchError(f"cannot listen on {host} port {port}: {why}; choose another port") from None
