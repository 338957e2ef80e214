"""See to it that the programs which the tests drive are there: Chromium, Maven and a JDK.

Installs what is missing with apt-get where that is possible (Debian or Ubuntu, as root), and otherwise says
what to install. Needs nothing but Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable

from es_server.distribution import OLDEST_JAVA, java_environment
from es_server.errors import ServerError


def _command(*names: str) -> Callable[[], bool]:
    return lambda: any(map(shutil.which, names))


def _jdk() -> bool:
    """Whether there is one that Elasticsearch takes."""
    try:
        java_environment()
    except ServerError:
        return False
    return True


JDK = f"a JDK of {OLDEST_JAVA} or newer"
#: What the tests need -> what shows whether it is there, and Debian's package of it.
NEEDED: dict[str, tuple[Callable[[], bool], str]] = {
    "Chromium": (_command("chromium", "chromium-browser", "google-chrome"), "chromium"),
    "Maven": (_command("mvn"), "maven"),
    JDK: (_jdk, f"openjdk-{OLDEST_JAVA}-jdk-headless"),
}


def missing() -> dict[str, str]:
    """Program -> Debian package, for those that are not there. A server given by hand counts.

    Docker does not: the server with TLS that tests start is of the distribution.
    """
    given = {"Maven", JDK} if os.environ.get("ELASTICSEARCH_URL") else set()
    return {
        name: package for name, (is_there, package) in NEEDED.items() if name not in given and not is_there()
    }


def _install(packages: Iterable[str]) -> None:
    """One by one: what apt-get does not have keeps none of the others away."""
    quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    for package in packages:
        subprocess.run(["apt-get", "install", "-y", "-qq", package], env=quiet)


def main() -> int:
    needed = missing()
    if needed and shutil.which("apt-get") and os.geteuid() == 0:
        print(f"installing {', '.join(needed)} with apt-get", file=sys.stderr)
        _install(needed.values())
        needed = missing()
    if needed:
        print(f"the tests need {', '.join(needed)}: install {', '.join(needed.values())}", file=sys.stderr)
    return 1 if needed else 0


if __name__ == "__main__":
    sys.exit(main())
