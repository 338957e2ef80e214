"""What a node runs: the distribution that plugin authors test on, from Maven Central, and a JDK for it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from .errors import ServerError, tail

VERSION = "9.5.3"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
OLDEST_JAVA = 21
#: Where JDKs are installed, below the root.
JDKS = ("usr/lib/jvm/*", "opt/*", "opt/*/*", "Library/Java/JavaVirtualMachines/*/Contents/Home")


def cache_folder() -> Path:
    """Where the distribution is unpacked: readable by other users, as homes often are not."""
    folder = Path(tempfile.gettempdir()) / f"caption-search-elasticsearch-{os.geteuid()}"
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise ServerError(f"{folder} belongs to somebody else; remove it or set TMPDIR")
    return folder


def distribution() -> Path:
    """The unpacked distribution; fetched by Maven the first time."""
    home = cache_folder() / f"elasticsearch-{VERSION}"
    if not home.is_dir():
        with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
            _unpack(Path(folder), home)
    return home


def _unpack(folder: Path, home: Path) -> None:
    """Unpack beside the place where it shall be, and move it there in one step."""
    with zipfile.ZipFile(_fetch(folder)) as archive:
        archive.extractall(folder)
    for program in (folder / home.name / "bin").iterdir():
        program.chmod(0o755)
    with contextlib.suppress(OSError):  # another process was faster
        (folder / home.name).rename(home)


def _fetch(folder: Path) -> Path:
    """The archive, put there by Maven: out of its repository on this machine, or downloaded."""
    if shutil.which("mvn") is None:
        raise ServerError(
            "no Elasticsearch: ELASTICSEARCH_URL is not set, Docker cannot run here, and there is no Maven "
            "(mvn) to fetch the test distribution; provide one of the three"
        )
    command = ["mvn", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if result.returncode:
        raise ServerError(f"Maven could not fetch {ARTIFACT}:\n{tail(result.stdout + result.stderr)}")
    return folder / f"elasticsearch-{VERSION}.zip"


def java_environment() -> dict[str, str]:
    """This process's environment with the JDK that Elasticsearch and its tools shall use.

    Its tools end before what a JVM's second compiler makes of them could be of use.
    """
    home = str(_java_home())
    tools = "-XX:TieredStopAtLevel=1"
    return {**os.environ, "ES_JAVA_HOME": home, "JAVA_HOME": home, "CLI_JAVA_OPTS": tools}


def _java_home() -> Path:
    """The first installed JDK that is new enough; the default one is often too old."""
    found: dict[Path, int] = {}
    for home in _java_homes():
        version = _java_version(home)
        if version >= OLDEST_JAVA:
            return home
        if version:
            found[home] = version
    older = ", ".join(f"{home} is {version}" for home, version in found.items()) or "none is installed"
    raise ServerError(
        f"Elasticsearch needs a JDK of {OLDEST_JAVA} or newer ({older}); install one or set JAVA_HOME"
    )


def _java_homes() -> Iterator[Path]:
    for name, value in sorted(os.environ.items()):
        if re.fullmatch(r"(ES_)?JAVA_?\d*_HOME(_\w+)?", name):
            yield Path(value)
    if (program := shutil.which("java")) is not None:
        yield Path(program).resolve().parent.parent
    for pattern in JDKS:
        yield from sorted(Path("/").glob(pattern), reverse=True)
    yield from sorted((Path.home() / ".sdkman/candidates/java").glob("*"), reverse=True)


def _java_version(home: Path) -> int:
    """Major version by the `release` file that every JDK carries; 0 where there is no JDK."""
    with contextlib.suppress(OSError):
        match = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(), re.MULTILINE)
        if match and os.access(home / "bin" / "java", os.X_OK):
            return int(match[1])
    return 0
