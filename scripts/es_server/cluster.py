"""Start a server, of one node or several, and wait until it answers."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from .container import start_container
from .distribution import java_environment
from .errors import ServerError, tail
from .node import Layout, configure, launch
from .security import Access, secure
from .state import Server, check_free, is_alive, remember, stop

SECONDS_TO_START = 180
#: For a server of some minutes: what the JVM's second compiler and its many threads spend never comes back.
_BRIEF = " -XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC"


def start(
    folder: Path,
    *,
    port: int = 0,
    nodes: int = 1,
    tls: bool = False,
    roles: Path | None = None,
    users: Sequence[str] = (),
    heap: str = "512m",
    brief: bool = False,
) -> Server:
    """Start a server whose data, logs and state lie in `folder`; returns when it answers.

    `users` are NAME:ROLE,...; each gets a password of its own. The state is written to `folder`/server.json.
    One that is `brief` is ready with less work, and slower in the long run: not one to measure.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    check_free(folder)
    java_options = f"-Xms{heap} -Xmx{heap}{_BRIEF if brief else ''}"
    server = start_container(port, java_options) if not tls and nodes == 1 else None
    if server is None:
        server = _start_nodes(folder, Layout.new(port, nodes, tls), Access.new(users, roles), java_options)
    remember(folder, server)
    try:
        wait(server, folder, nodes)
    except BaseException:
        stop(folder)
        raise
    return server


def _start_nodes(folder: Path, layout: Layout, access: Access, java_options: str) -> Server:
    environment = java_environment()
    homes = [folder / f"node{number}" for number in range(len(layout.ports))]
    for number, home in enumerate(homes):
        configure(home, number, layout)
        if layout.tls:
            secure(home, environment, access)
    pids = [launch(home, environment, java_options) for home in homes]
    origin = "https://localhost" if layout.tls else "http://127.0.0.1"
    return Server(
        urls=tuple(f"{origin}:{port}" for port in layout.ports),
        pids=tuple(pids),
        ca=str(folder / "node0/config/ca.pem") if layout.tls else "",
        users=access.passwords if layout.tls else {},
    )


def wait(server: Server, folder: Path, nodes: int) -> None:
    """Until the cluster is whole; ServerError with the log's tail where it ends or takes too long."""
    deadline = time.monotonic() + SECONDS_TO_START
    query = f"/_cluster/health?wait_for_status=yellow&wait_for_nodes={nodes}&timeout=5s"
    while not _answers(server, query):
        if not all(is_alive(pid) for pid in server.pids):
            raise ServerError(f"Elasticsearch ended while starting\n{_logs(folder)}")
        if time.monotonic() > deadline:
            raise ServerError(f"Elasticsearch did not answer within {SECONDS_TO_START} s\n{_logs(folder)}")
        time.sleep(0.3)


def _logs(folder: Path) -> str:
    logs = sorted(folder.glob("node*/logs/console.log"))
    return "\n".join(f"{path}:\n{tail(path.read_text(errors='replace'))}" for path in logs)


def _answers(server: Server, path: str) -> bool:
    request = urllib.request.Request(server.urls[0] + path)
    context = ssl.create_default_context(cafile=server.ca) if server.ca else None
    if server.users:
        pair = b64encode(f"elastic:{server.users['elastic']}".encode()).decode()
        request.add_header("Authorization", f"Basic {pair}")
    direct = urllib.request.ProxyHandler({})
    opener = urllib.request.build_opener(direct, urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=10):
            return True
    except (OSError, urllib.error.URLError):
        return False
