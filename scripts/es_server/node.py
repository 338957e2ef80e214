"""One node of the distribution: its folder with configuration, data and logs, and its process."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .distribution import distribution
from .errors import ServerError
from .state import adopt


@dataclass(frozen=True)
class Layout:
    """A cluster's ports, a node each, and whether it is secured."""

    ports: Sequence[int]
    transports: Sequence[int]
    tls: bool

    @classmethod
    def new(cls, port: int, nodes: int, tls: bool) -> Layout:
        """`port` is the first node's; 0 takes a free one, as the others do."""
        transports = [_free_port() for _ in range(nodes)]
        return cls([port or _free_port(), *(_free_port() for _ in range(nodes - 1))], transports, tls)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def configure(home: Path, number: int, layout: Layout) -> None:
    """Make the folder of node `number`."""
    shutil.copytree(distribution() / "config", home / "config")
    for name in ("data", "logs", "tmp"):
        (home / name).mkdir()
    settings = {**_own(home, number, layout), **_discovery(layout), **_security(layout)}
    # JSON values are YAML values.
    lines = [f"{name}: {json.dumps(value)}\n" for name, value in settings.items()]
    (home / "config" / "elasticsearch.yml").write_text("".join(lines))


def _own(home: Path, number: int, layout: Layout) -> dict[str, Any]:
    return {
        "cluster.name": f"caption-search-{layout.transports[0]}",
        "node.name": f"node{number}",
        "path.data": str(home / "data"),
        "path.logs": str(home / "logs"),
        "network.host": "127.0.0.1",
        "http.port": layout.ports[number],
        "transport.port": layout.transports[number],
        # Test data is small; a nearly full disk of the developer must not make it read-only.
        "cluster.routing.allocation.disk.threshold_enabled": False,
    }


def _discovery(layout: Layout) -> dict[str, Any]:
    if len(layout.ports) == 1:
        return {"discovery.type": "single-node"}
    return {
        "discovery.seed_hosts": [f"127.0.0.1:{port}" for port in layout.transports],
        "cluster.initial_master_nodes": [f"node{number}" for number in range(len(layout.ports))],
    }


def _security(layout: Layout) -> dict[str, Any]:
    if not layout.tls:
        return {"xpack.security.enabled": False}
    return {
        "xpack.security.enabled": True,
        "xpack.security.http.ssl.enabled": True,
        "xpack.security.http.ssl.keystore.path": "http.p12",
        "xpack.security.authc.realms.file.file1.order": 0,
    }


def launch(home: Path, environment: Mapping[str, str], java_options: str) -> int:
    """Start the node in a session of its own, as a user other than root (it refuses to run as root)."""
    environment = {**environment, "ES_PATH_CONF": str(home / "config"), "ES_TMPDIR": str(home / "tmp")}
    environment["ES_JAVA_OPTS"] = java_options
    owner = _given_away(home) if os.geteuid() == 0 else {}
    with (home / "logs" / "console.log").open("w") as log:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [str(distribution() / "bin/elasticsearch")],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **owner,
        )
    return adopt(process)


def _given_away(home: Path) -> dict[str, Any]:
    """Give the node's folder to a user other than root; gives how to run as that user."""
    user = _unprivileged()
    closed = [parent for parent in home.parents if not parent.stat().st_mode & 0o001]
    if closed:
        raise ServerError(
            f"{closed[-1]} is closed to user {user.pw_name}, which the server runs as; use another --dir"
        )
    for path in [home, *home.rglob("*")]:
        os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _unprivileged() -> pwd.struct_passwd:
    for name in ("elasticsearch", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerError(
        "Elasticsearch refuses to run as root, and there is no user `elasticsearch` or `nobody`"
    )
