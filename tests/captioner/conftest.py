"""Fixtures of several of the captioner's tests."""

from __future__ import annotations

import pytest
import torch
from torchvision import models


@pytest.fixture
def short_resnet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ResNet of few blocks, for tests of training."""

    def short(weights: None = None) -> torch.nn.Module:
        return models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1])

    monkeypatch.setattr(models, "resnet101", short)
