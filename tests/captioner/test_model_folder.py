"""How a model is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.model_folder import model_name


@pytest.mark.parametrize("name", ["run1/best", "run1/best/.", "run1", "run2/../run1/best", "other/run1"])
def test_a_model_has_the_name_of_its_folder_or_run(name: str, tmp_path: Path) -> None:
    assert model_name(tmp_path / name) == "run1"


def test_only_the_folder_that_every_run_has_gives_its_name_away(tmp_path: Path) -> None:
    assert model_name(tmp_path / "run1" / "last") == "last"


def test_a_folder_may_be_named_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run1" / "best" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "run1" / "best")
    assert [model_name(Path(one)) for one in (".", "../best", "..", "below/..")] == ["run1"] * 4
    monkeypatch.chdir(tmp_path / "run1")
    assert model_name(Path("best")) == "run1"


def test_a_link_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "run1" / "best").mkdir(parents=True)
    (tmp_path / "mine").symlink_to(tmp_path / "run1" / "best")
    assert model_name(tmp_path / "mine") == "mine"


def test_there_is_always_a_name() -> None:
    assert model_name(Path("/best")) == "best"
