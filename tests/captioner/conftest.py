"""Fixtures of several of the captioner's tests."""

from __future__ import annotations

import pytest
from torchvision import models


@pytest.fixture
def short_resnet(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_resnets(monkeypatch)


def shorten_resnets(monkeypatch: pytest.MonkeyPatch) -> None:
    """ResNets of few blocks of the same kind: the long ones differ in the number of blocks alone."""

    def short(weights: None = None) -> models.ResNet:
        return models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1])

    monkeypatch.setattr(models, "resnet101", short)
    monkeypatch.setattr(models, "resnet152", short)
