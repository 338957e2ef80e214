"""What every package's tests stand on: shared data, the real server, a few real photos, an empty place."""

from __future__ import annotations

import json
import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from hypothesis import HealthCheck, settings

from tests.indexer.proxy import Proxy
from tests.serving import serving

ROOT = Path(__file__).resolve().parents[1]

# A busy machine is no fault of the program: no property test fails for having taken long.
settings.register_profile("no-clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no-clock")

# A shell starts its background jobs deaf to Ctrl-C, and their children inherit that; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A thread of torch's that waits for another keeps its core busy, unless it is told otherwise before torch is
# imported. Here servers, browsers, commands and other tests (pytest -n) want that core.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

#: Photos that scikit-image carries inside its wheel, so that no test downloads anything.
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data for development and evaluation, which lie beside the project and never in it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the development data in ../shared/data, which is not part of the project")
    return folder


@pytest.fixture(scope="session")
def elasticsearch_url() -> str:
    """The real server of this test run, without a trailing slash."""
    url = os.environ.get("ELASTICSEARCH_URL", "").rstrip("/")
    if not url:
        pytest.fail(
            "ELASTICSEARCH_URL is not set: run `make test`, which starts a real server", pytrace=False
        )
    return url


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    """Before the real server."""
    with serving(Proxy(elasticsearch_url)) as server:
        yield server


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a few real photos; only to be read."""
    folder = tmp_path_factory.mktemp("photos")
    for name in PHOTOS:
        with as_file(files("skimage") / "data" / name) as source:
            shutil.copyfile(source, folder / name)
    return folder


@pytest.fixture(params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.elasticsearch)])
def fresh_where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place for an index that does not exist yet, once on each engine; removed afterwards."""
    if request.param == "embedded":
        yield str(tmp_path / "caption-index")
        return
    url, name = request.getfixturevalue("elasticsearch_url"), f"test-{uuid.uuid4().hex[:12]}"
    yield f"{url}/{name}"
    remove_indices(url, name)


@pytest.fixture
def deny_listing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Folders of a name may not be listed any more. Tests may run as root, whom no permission stops."""
    real = os.scandir

    def deny(name: str) -> None:
        def scandir(folder: str) -> object:
            if Path(folder).name == name:
                raise PermissionError(13, "Permission denied", folder)
            return real(folder)

        monkeypatch.setattr(os, "scandir", scandir)

    return deny


def remove_indices(url: str, name: str) -> None:
    """Delete every index of the test server whose name begins so, one by one (it refuses wildcards)."""
    with urlopen(f"{url}/{name}*?expand_wildcards=all&features=aliases", timeout=30) as answer:
        found = list(json.load(answer))
    for index in found:
        urlopen(Request(f"{url}/{index}", method="DELETE"), timeout=30).close()
