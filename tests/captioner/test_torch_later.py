"""A captioner that is named now and loaded later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from captioner.captioner import Captioner
from captioner.errors import ModelError
from captioner.finding import loader
from tests.captioner.worlds import tiny_model


def test_the_model_that_was_named_is_loaded_when_it_is_called_for(tmp_path: Path) -> None:
    load = loader(tmp_path / "model")
    with pytest.raises(ModelError, match="no such model"):
        load()
    tiny_model(tmp_path / "model")
    assert load().identity == Captioner.load(tmp_path / "model").identity


def test_naming_a_model_loads_no_torch() -> None:
    code = "import sys; from captioner.finding import loader; loader(); print('torch' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "False"


def test_the_package_names_all_that_it_gives_before_any_of_it_is_loaded() -> None:
    code = "import sys, captioner; print({*captioner.__all__} <= {*dir(captioner)}, 'torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["True", "False"]


def test_what_a_captioner_gives_is_named_without_torch() -> None:
    code = "import sys; from captioner import Captioned, PhotoCaptioner; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False"]


def test_a_caption_needs_neither_torchvision_nor_torchs_compiler(photos: Path) -> None:
    code = (
        "import sys; from captioner.finding import loader; print(loader()().caption(sys.argv[1:])[0].text);"
        "print([name for name in ('torchvision', 'torch._dynamo', 'sympy') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(photos / "chelsea.png")]
    text, imported = subprocess.check_output(command, text=True).splitlines()
    assert "cat" in text.split()
    assert imported == "[]"
