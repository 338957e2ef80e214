"""What is told to be installed can be installed."""

from __future__ import annotations

from configparser import ConfigParser
from typing import get_args

import pytest

from captioner.extras import Extra, how_to_install
from tests.conftest import ROOT


def test_the_advice_is_a_command_for_the_projects_folder() -> None:
    assert how_to_install("web") == "install the extra `web` (in the project's folder: pip install '.[web]')"


@pytest.mark.parametrize("extra", get_args(Extra))
def test_every_extra_is_one_of_the_package(extra: str) -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert extra in setup["options.extras_require"]


@pytest.mark.parametrize("package", ["captioner", "indexer", "search"])
def test_no_module_gives_advice_of_its_own(package: str) -> None:
    """The program is published under no name, so that a stranger could take any that a message told."""
    own = [path for path in (ROOT / package).rglob("*.py") if "pip install" in path.read_text()]
    assert own == ([ROOT / "captioner/extras.py"] if package == "captioner" else [])
