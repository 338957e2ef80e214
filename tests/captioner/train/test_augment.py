"""Photos that are changed while an encoder is trained."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from captioner.train.augment import Augment

STILL = Augment(**dict.fromkeys([field.name for field in fields(Augment)], 0.0))


@pytest.fixture
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(64, 3, 16, 16, generator=generator) - 0.5


def test_nothing_but_the_mirror_is_left_without_limits(images: torch.Tensor) -> None:
    changed = STILL(images)
    kept, mirrored = (
        torch.isclose(changed, one, atol=1e-5).flatten(1).all(dim=1) for one in (images, images.flip(-1))
    )
    assert bool((kept ^ mirrored).all())
    assert 10 < int(mirrored.sum()) < 54


def test_every_change_alone_changes_something(images: torch.Tensor) -> None:
    for field in fields(Augment):
        torch.manual_seed(3)
        plain = STILL(images)
        torch.manual_seed(3)
        changed = replace(STILL, **{field.name: 0.3})(images)
        assert changed.shape == images.shape
        assert float((changed - plain).abs().amax(dim=(1, 2, 3)).median()) > 0, field.name


def test_the_global_generator_alone_decides(images: torch.Tensor) -> None:
    torch.manual_seed(5)
    first = Augment()(images)
    torch.manual_seed(5)
    assert torch.equal(first, Augment()(images))
    assert not torch.equal(first, Augment()(images))
