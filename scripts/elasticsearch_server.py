"""A real Elasticsearch for tests and trials, started and stopped by its own process id.

    python scripts/elasticsearch_server.py run -- pytest        # start, run with ELASTICSEARCH_URL set, stop
    python scripts/elasticsearch_server.py start --dir .server  # prints the URL
    python scripts/elasticsearch_server.py stop --dir .server

Where the server comes from, in this order: ELASTICSEARCH_URL where it is set (`run` only); a container,
where Docker can run the image; the distribution on Maven Central that plugin authors test on, on a JDK of
21 or newer.
The server has no security unless `--tls` is given, and listens on 127.0.0.1 only. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from es_server.cluster import start
from es_server.distribution import VERSION, cache_folder
from es_server.errors import ServerError
from es_server.state import stop


def run(command: Sequence[str], nodes: int) -> int:
    """Run a command with ELASTICSEARCH_URL set; its exit code. The server ends with it."""
    if os.environ.get("ELASTICSEARCH_URL"):
        return subprocess.run(command).returncode
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    folder = Path(tempfile.mkdtemp(dir=cache_folder(), prefix="run-"))
    folder.chmod(0o755)
    try:
        return _run_in(folder, command, nodes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_in(folder: Path, command: Sequence[str], nodes: int) -> int:
    print("starting Elasticsearch ...", file=sys.stderr, flush=True)
    server = start(folder, nodes=nodes, brief=True)
    try:
        environment = {**os.environ, "ELASTICSEARCH_URL": server.urls[0]}
        print(f"Elasticsearch {VERSION} at {server.urls[0]}", file=sys.stderr, flush=True)
        return subprocess.run(command, env=environment).returncode
    finally:
        stop(folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    actions = parser.add_subparsers(dest="action", required=True)
    begin = actions.add_parser("start", help="start a server and print its URL")
    begin.add_argument("--port", type=int, default=0, help="HTTP port; 0 takes a free one")
    begin.add_argument("--nodes", type=int, default=1)
    begin.add_argument("--tls", action="store_true", help="TLS and passwords; see FOLDER/server.json")
    begin.add_argument("--roles", type=Path, help="roles.yml, with --tls")
    begin.add_argument("--user", action="append", default=[], metavar="NAME:ROLE,...", help="file-realm user")
    begin.add_argument("--heap", default="512m")
    end = actions.add_parser("stop", help="stop it")
    for action in (begin, end):
        action.add_argument("--dir", type=Path, default=Path(".server"), help="data, logs and state")
    through = actions.add_parser("run", help="run a command with a server")
    through.add_argument("--nodes", type=int, default=1)
    through.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args()


def _act(options: argparse.Namespace) -> int:
    if options.action == "run":
        command = options.command[1:] if options.command[:1] == ["--"] else options.command
        return run(command, options.nodes)
    if options.action == "stop":
        stop(options.dir)
        return 0
    server = start(
        options.dir,
        port=options.port,
        nodes=options.nodes,
        tls=options.tls,
        roles=options.roles,
        users=options.user,
        heap=options.heap,
    )
    print("\n".join(server.urls))
    return 0


def main() -> int:
    """Exit code: 0, that of the command, or 1 with the reason on stderr."""
    try:
        return _act(_arguments())
    except ServerError as error:
        print(f"elasticsearch_server: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
