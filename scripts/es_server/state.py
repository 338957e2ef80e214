"""What runs: remembered in a folder's server.json, and stopped by the ids it was started with."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import ServerError

_STATE = "server.json"

#: Servers that this process started, so that it can wait for their end.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Server:
    """A running server: its processes (or container), and how to reach it."""

    urls: tuple[str, ...]
    pids: tuple[int, ...] = ()
    container: str = ""
    ca: str = ""  # PEM file of the certificate, with --tls
    users: Mapping[str, str] = field(default_factory=dict)  # name -> password, with --tls


def check_free(folder: Path) -> None:
    if (folder / _STATE).exists():
        raise ServerError(f"{folder} has a server already; stop it first")
    if (folder / "node0").exists():
        raise ServerError(f"{folder} holds what a stopped server left; remove it, or name another folder")


def remember(folder: Path, server: Server) -> Server:
    """Write down what runs, readable by its owner only, since passwords are in it."""
    path = folder / _STATE
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(server), indent=1) + "\n")
    return server


def adopt(process: subprocess.Popen[bytes]) -> int:
    """Take a process as one of ours; its id."""
    _children[process.pid] = process
    return process.pid


def wait_for_end(pid: int, seconds: float) -> None:
    """Until a process that `adopt` took has ended, and nothing of it is left."""
    _children.pop(pid).wait(seconds)


def stop(folder: Path) -> None:
    """Stop the server of this folder, by the ids it was started with."""
    try:
        state = json.loads((folder / _STATE).read_text())
    except FileNotFoundError:
        raise ServerError(f"{folder} has no running server") from None
    if state["container"]:
        subprocess.run(["docker", "stop", state["container"]], capture_output=True, check=False)
    for number, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, 10)):
        # Each node leads a process group of its own: the launcher and the server that it starts.
        _end([pid for pid in state["pids"] if _is_ours(pid, folder)], number, seconds)
    (folder / _STATE).unlink()


def _end(groups: Sequence[int], number: signal.Signals, seconds: float) -> None:
    """Send a signal to process groups, and wait a while for their end."""
    for pid in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
    deadline = time.monotonic() + seconds
    while any(is_alive(pid) for pid in groups) and time.monotonic() < deadline:
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    if pid in _children:
        return _children[pid].poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        # Ended, but its new parent has not waited for it: some containers have no init that does.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def _is_ours(pid: int, folder: Path) -> bool:
    """Guards against an id that was given to another process since."""
    if not Path("/proc/self/environ").exists():
        return is_alive(pid)
    with contextlib.suppress(OSError):
        return str(folder.resolve()).encode() in Path(f"/proc/{pid}/environ").read_bytes()
    return False
