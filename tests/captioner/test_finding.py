"""What people call a model, and what they get for it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import captioner
from captioner.captioner import Captioner
from captioner.errors import ModelError
from captioner.finding import find_model, open_captioner
from tests.captioner.worlds import tiny_model


def test_the_package_offers_what_opens_any_model(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    assert captioner.open_captioner(model, "cpu").identity == Captioner.load(model, "cpu").identity


def test_a_word_in_what_is_known_of_a_model_makes_it_none_of_hugging_faces(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", model_type="tiny")
    assert isinstance(open_captioner(model, "cpu"), Captioner)


@pytest.mark.parametrize("config", ["{", "[]", "3", "[" * 100_000, '{"a": ' + "9" * 400 + "}"])
def test_a_configuration_that_is_none_is_told_of_as_one_of_ours(config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match=r"config\.json: not a model's configuration"):
        open_captioner(tmp_path, "cpu")


def test_a_model_from_elsewhere_says_what_opens_it() -> None:
    with pytest.raises(ModelError, match=r"^hf:x/y: .*in Python captioner\.open_captioner"):
        Captioner.load("hf:x/y", "cpu")


def test_no_such_model_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such model; it comes with .*, or name a model's folder"):
        Captioner.load("nonesuch", "cpu")
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        Captioner.load(tmp_path, "cpu")


def test_a_model_in_a_folder_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert find_model("mine") == Path("mine")
    shutil.rmtree("mine")
    with pytest.raises(ModelError):
        find_model("mine")


@pytest.mark.parametrize("name", ["", "hf:"])
def test_a_model_without_a_name_is_not_that_of_the_current_folder(name: str) -> None:
    for find in (open_captioner, find_model):
        with pytest.raises(ModelError, match="a model's name is missing"):
            find(name)


@pytest.mark.parametrize("given", [None, 3, b"default", ["default"]])
def test_what_names_no_model_is_refused_in_one_line(given: Any) -> None:
    for find in (Captioner.load, open_captioner, find_model):
        with pytest.raises(ModelError) as refused:
            find(given)
        assert str(refused.value) == f"a model is given by its name or folder, not {given!r}"
