"""The full server in a container, where Docker can run its image."""

from __future__ import annotations

import shutil
import subprocess

from .distribution import VERSION
from .state import Server

IMAGE = f"elasticsearch:{VERSION}"


def start_container(port: int, java_options: str) -> Server | None:
    """A container, which need not answer yet; None without a Docker engine that can have the image."""
    if shutil.which("docker") is None:
        return None
    publish = f"127.0.0.1:{port or ''}:9200"
    try:
        _said(["docker", "info"], 15)
        container = _said(
            ["docker", "run", "--rm", "--detach", "-p", publish, *_options(java_options), IMAGE], 600
        )
        address = _said(["docker", "port", container, "9200"], 60)
    except (OSError, subprocess.SubprocessError):
        return None
    return Server(urls=(f"http://{address.split()[0]}",), container=container)


def _options(java_options: str) -> list[str]:
    settings = {
        "discovery.type": "single-node",
        "xpack.security.enabled": "false",
        "ES_JAVA_OPTS": java_options,
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    return [option for name, value in settings.items() for option in ("-e", f"{name}={value}")]


def _said(command: list[str], seconds: float) -> str:
    """What a command prints. Raises SubprocessError where it fails or takes too long."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds)
    return done.stdout.strip()
