"""Fixtures of several of the captioner's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import matplotlib
import pytest
from torchvision import models

from captioner.drawing import letters

#: A face with many scripts, but none of East Asia; this machine need not have any.
DEJAVU = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"

Faces = Callable[..., None]


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faces]:
    """A function that lets the machine have these files of faces, and no others."""

    def forget() -> None:
        for remembered in (letters._faces, letters._face_with, letters._spelled):
            remembered.cache_clear()

    def let_there_be(*files: str, leftwards: bool = True) -> None:
        monkeypatch.setattr(letters, "_files", lambda: files)
        monkeypatch.setattr(letters, "_WRITES_LEFTWARDS", leftwards)
        forget()

    yield let_there_be
    forget()


@pytest.fixture
def short_resnet(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_resnets(monkeypatch)


def shorten_resnets(monkeypatch: pytest.MonkeyPatch) -> None:
    """ResNets of few blocks of the same kind: the long ones differ in the number of blocks alone."""

    def short(weights: None = None) -> models.ResNet:
        return models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1])

    monkeypatch.setattr(models, "resnet101", short)
    monkeypatch.setattr(models, "resnet152", short)
