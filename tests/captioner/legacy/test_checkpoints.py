"""The student project's files give the same captions word for word, and fit together or are named."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn
from torchvision import models

from captioner.captioner import Captioner
from captioner.cli import main
from captioner.configuration import CONFIGURATIONS
from captioner.errors import ModelError
from captioner.legacy.checkpoints import LegacyFiles, _read_state, import_model
from captioner.model import CaptionModel
from tests.captioner.original import WORDS, DecoderRNN, EncoderCNN, original_caption, pickled_vocabulary


@pytest.fixture
def resnet(short_resnet: None) -> models.ResNet:
    """Random weights, tamed so that features stay finite and differ between photos."""
    torch.manual_seed(0)
    network = models.resnet101(weights=None)
    for module in network.modules():
        if isinstance(module, models.resnet.Bottleneck):
            module.bn3.weight.data.fill_(0.3)
    return network.eval()


@pytest.mark.parametrize("arch", ["model1", "model2", "model3", "model4", "model5"])
def test_the_whole_models_have_the_original_tensors(arch: str) -> None:
    """Names and shapes of all tensors of the real networks, in the original's order."""
    config = CONFIGURATIONS[arch]
    with torch.device("meta"):
        mine = CaptionModel(config, len(WORDS))
        encoder = EncoderCNN(getattr(models, config.encoder)(weights=None), config.embedding)
        decoder = DecoderRNN(config.embedding, config.hidden, len(WORDS), config.layers)
    for ours, theirs in ((mine.encoder, encoder), (mine.decoder, decoder)):
        assert _shapes(ours) == _shapes(theirs)


def _shapes(module: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(name, value.shape) for name, value in module.state_dict().items()]


@pytest.fixture(scope="module")
def few_photos(photos: Path) -> list[Path]:
    return [photos / "chelsea.png", photos / "rocket.jpg"]


def originals(resnet: models.ResNet, arch: str, photos: list[Path]) -> tuple[EncoderCNN, DecoderRNN]:
    """Random weights whose captions depend on the photo and are of several lengths."""
    config = CONFIGURATIONS[arch]
    torch.manual_seed(5)
    encoder = EncoderCNN(resnet, config.embedding).eval()
    decoder = DecoderRNN(config.embedding, config.hidden, len(WORDS), config.layers).eval()
    for parameter in decoder.parameters():
        parameter.data *= 4.0
    pixels = [np.array(Image.open(photo).convert("RGB").resize((64, 64))) for photo in photos]
    with torch.no_grad():
        seen = encoder.linear(
            encoder.resnet(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255).flatten(1)
        )
    statistics = dict(encoder.bn.named_buffers())
    statistics["running_mean"].copy_(seen.mean(0))
    statistics["running_var"].copy_(seen.var(0))
    return encoder, decoder


@pytest.mark.parametrize("arch", ["model1", "model2", "model3", "model4", "model5"])
def test_import_then_caption_gives_what_the_original_gives(
    arch: str, resnet: models.ResNet, few_photos: list[Path], tmp_path: Path
) -> None:
    encoder, decoder = originals(resnet, arch, few_photos)
    old = arch in ("model1", "model2")
    torch.save(encoder.state_dict(), tmp_path / "encoder.ckpt", _use_new_zipfile_serialization=not old)
    state = decoder.state_dict()
    command = [
        "import",
        "--arch",
        arch,
        "-o",
        str(tmp_path / "model"),
        "--vocab",
        str(tmp_path / "vocab.pkl"),
    ]
    if arch == "model5":
        matrix = [row.numpy().astype("float64") for row in state.pop("embed.weight")]
        (tmp_path / "weights_matrix.pkl").write_bytes(pickle.dumps(matrix))
        command += ["--weights-matrix", str(tmp_path / "weights_matrix.pkl")]
    torch.save(state, tmp_path / "decoder.ckpt", _use_new_zipfile_serialization=not old)
    (tmp_path / "vocab.pkl").write_bytes(pickled_vocabulary(WORDS))
    command += ["--encoder", str(tmp_path / "encoder.ckpt"), "--decoder", str(tmp_path / "decoder.ckpt")]

    result = CliRunner().invoke(main, command, catch_exceptions=False)

    assert result.exit_code == 0, result.output
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text()
    assert f"Imported as {arch} from encoder.ckpt, decoder.ckpt, vocab.pkl" in card
    assert "**Data.** Not known.\n" in card and str(tmp_path) not in card
    captions = [one.text for one in Captioner.load(tmp_path / "model", device="cpu").caption(few_photos)]
    expected = [original_caption(encoder, decoder, WORDS, photo) for photo in few_photos]
    assert captions == expected
    assert len(set(captions)) > 1 and all(len(caption.split()) > 3 for caption in captions)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> LegacyFiles:
    """Files of a decoder of model3, and an encoder's file whose tensors are of no matter."""
    folder = tmp_path_factory.mktemp("files")
    torch.save(DecoderRNN(128, 256, len(WORDS), 1).state_dict(), folder / "decoder.ckpt")
    torch.save({"linear.weight": torch.zeros(2)}, folder / "encoder.ckpt")
    (folder / "vocab.pkl").write_bytes(pickled_vocabulary(WORDS))
    return LegacyFiles(folder / "encoder.ckpt", folder / "decoder.ckpt", folder / "vocab.pkl")


@pytest.mark.parametrize("arch", ["model3", "model6", "default"])
def test_files_that_do_not_fit_are_named(arch: str, small: LegacyFiles) -> None:
    wanted = {
        "model3": r"encoder\.ckpt: tensor resnet\.0\.weight is missing",
        "model6": "unknown architecture 'model6'",
        "default": "default is not a model of the student project",
    }
    with pytest.raises(ModelError, match=wanted[arch]):
        import_model(small, arch)


def test_swapped_files_are_recognised(small: LegacyFiles, tmp_path: Path) -> None:
    torch.save({"module.resnet.0.weight": torch.zeros(2)}, tmp_path / "encoder.ckpt")
    files = replace(small, encoder=tmp_path / "encoder.ckpt")
    swapped = replace(files, encoder=files.decoder, decoder=files.encoder)
    told = r"decoder\.ckpt: holds the tensors of decoder, not encoder; are the two files swapped\?"
    with pytest.raises(ModelError, match=told):
        import_model(swapped, "model3")
    with pytest.raises(ModelError, match=r"encoder\.ckpt: holds the tensors of encoder, not decoder"):
        _read_state(files.encoder, "decoder")


@pytest.mark.parametrize("new", [True, False])
def test_a_wrapper_inside_itself_is_refused(new: bool, tmp_path: Path) -> None:
    wrapper: dict[str, Any] = {}
    wrapper["model"] = wrapper
    torch.save(wrapper, tmp_path / "file.ckpt", _use_new_zipfile_serialization=new)
    with pytest.raises(ModelError, match=r"file\.ckpt: not a state dict"):
        _read_state(tmp_path / "file.ckpt", "decoder")


@pytest.mark.parametrize("other", [{"epoch": 5}, {7: torch.zeros(2)}], ids=str)
def test_tensors_among_other_things_are_no_state(other: dict[Any, Any], tmp_path: Path) -> None:
    torch.save({"lstm.weight": torch.zeros(2), **other}, tmp_path / "file.ckpt")
    with pytest.raises(ModelError, match=r"file\.ckpt: not a state dict"):
        _read_state(tmp_path / "file.ckpt", "decoder")


def test_weights_that_are_no_numbers_are_refused(small: LegacyFiles, tmp_path: Path) -> None:
    from captioner.legacy.checkpoints import _load_exactly

    state = torch.load(small.decoder, weights_only=True)
    state["linear.bias"] = state["linear.bias"].bfloat16().index_fill(0, torch.tensor(3), torch.inf)
    with pytest.raises(
        ModelError, match=r"decoder\.ckpt: tensor linear\.bias holds values that are no numbers"
    ):
        _load_exactly(DecoderRNN(128, 256, len(WORDS), 1), state, tmp_path / "decoder.ckpt", "model3")


@pytest.mark.parametrize("wrap", ["module.", "decoder.", "decoder.module.", "state_dict", "decoder"])
def test_prefixes_and_wrappers_are_taken_off(wrap: str, small: LegacyFiles, tmp_path: Path) -> None:
    state = torch.load(small.decoder, weights_only=True)
    dotted = wrap.endswith(".")
    given = {f"{wrap}{name}": value for name, value in state.items()} if dotted else {wrap: state, "epoch": 5}
    if wrap == "decoder.":
        given["encoder.linear.weight"] = torch.zeros(1)
    torch.save(given, tmp_path / "file.ckpt")
    found = _read_state(tmp_path / "file.ckpt", "decoder")
    assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)
