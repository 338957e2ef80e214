"""`captioner models`: what is here and what can be had, read without loading weights."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from captioner.catalogue import catalogue, read_entry
from captioner.cli import main
from captioner.configuration import CONFIGURATIONS
from captioner.errors import ModelError
from tests.captioner.worlds import WORDS, tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    scores = {"CIDEr-D": 0.66, "coco": {"CIDEr-D": 0.45}, "note": "by hand", "fine": True}
    return tiny_model(folder, data=["ours"], dev_cider_d=0.5, scores=scores)


def test_an_entry_says_what_a_model_is(model: Path) -> None:
    found = read_entry(model)
    assert (found.name, found.encoder, found.words) == ("tiny", "efficientnet_lite2", len(WORDS))
    assert found.data == ("ours",)
    assert found.size == sum(path.stat().st_size for path in model.iterdir())
    assert found.scores == {"dev CIDEr-D": 0.5, "CIDEr-D": 0.66, "coco CIDEr-D": 0.45}


def test_a_score_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    assert read_entry(tiny_model(tmp_path, dev_cider_d=True, scores={"fine": True})).scores == {}


def test_weights_are_not_needed(model: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((model / "config.json").read_bytes())
    assert read_entry(tmp_path).words == len(WORDS)


def test_the_packages_models_come_first(model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny_model(tmp_path / "default")
    (tmp_path / "unfinished").mkdir()
    monkeypatch.setattr("captioner.finding.MODELS", tmp_path)
    assert [one.name for one in catalogue([model]).here] == ["default", "tiny"]


def test_a_list_of_models_needs_no_torch(model: Path) -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom captioner.cli import main\n"
        f"assert CliRunner().invoke(main, ['models', {str(model)!r}]).exit_code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_json_is_whole(model: Path) -> None:
    result = CliRunner().invoke(main, ["models", str(model), "--json"])
    found = json.loads(result.stdout)
    assert found["here"][-1]["name"] == "tiny" and found["here"][-1]["scores"]["CIDEr-D"] == 0.66
    assert set(found["architectures"]) == set(CONFIGURATIONS)
    assert all(name.startswith("hf:") and name.count("/") == 1 for name in found["downloads"])


def test_the_list_for_people(model: Path) -> None:
    text = CliRunner().invoke(main, ["models", str(model)]).stdout
    assert "tiny  (" in text and "data: ours" in text and "dev CIDEr-D 0.500" in text
    assert all(name in text for name in CONFIGURATIONS)


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model here"):
        catalogue([tmp_path])
    result = CliRunner().invoke(main, ["models", str(tmp_path)])
    assert result.exit_code == 1 and result.stderr.startswith(f"Error: {tmp_path}: no model here")


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_folder_without_a_model_hides_no_other(model: Path, tmp_path: Path, as_json: list[str]) -> None:
    bad = tmp_path / "nosuch"
    result = CliRunner().invoke(main, ["models", str(bad), str(model), *as_json])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {bad}: ") and result.stderr.count("\n") == 1
    assert "default" in result.stdout and "tiny" in result.stdout and str(bad) not in result.stdout


def test_a_folder_of_models_is_looked_into(model: Path, tmp_path: Path) -> None:
    """Such as those of training runs, whose models are in `best` and called by the run."""
    runs = [tmp_path / "run1", tmp_path / "run2"]
    for run in runs:
        shutil.copytree(model, run / "best")
    found = catalogue(runs).here[-2:]
    assert [(one.name, one.folder) for one in found] == [(run.name, str(run / "best")) for run in runs]
