"""See to it that the programs which the tests drive are there: Chromium, and Maven for Elasticsearch.

Installs what is missing with apt-get where that is possible (Debian or Ubuntu, as root), and otherwise says
what to install. Needs nothing but Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

#: What the tests need -> the commands that show it is there, and Debian's package of it.
NEEDED = {
    "Chromium": (("chromium", "chromium-browser", "google-chrome"), "chromium"),
    "Maven": (("mvn",), "maven"),
}


def missing() -> dict[str, str]:
    """Program -> Debian package, for those that are not there. A server or browser given by hand counts."""
    given = {"Maven"} if os.environ.get("ELASTICSEARCH_URL") else set()
    return {
        name: package
        for name, (commands, package) in NEEDED.items()
        if name not in given and not any(map(shutil.which, commands))
    }


def main() -> int:
    needed = missing()
    if not needed:
        return 0
    if shutil.which("apt-get") and os.geteuid() == 0:
        print(f"installing {', '.join(needed)} with apt-get", file=sys.stderr)
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        subprocess.run(["apt-get", "install", "-y", "-qq", *needed.values()], check=True, env=quiet)
        return 0
    print(f"the tests need {', '.join(needed)}: install {', '.join(needed.values())}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
