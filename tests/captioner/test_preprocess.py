"""Photo -> tensor: squashed, not cropped, and normalised as the model's configuration says."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from captioner.errors import ModelError, PhotoError
from captioner.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess


def halves(width: int, height: int) -> Image.Image:
    """Left half black, right half white."""
    image = Image.new("RGB", (width, height))
    image.paste((255, 255, 255), (width // 2, 0, width, height))
    return image


@pytest.mark.parametrize("size", [(64, 64), (640, 64), (64, 640), (10_000, 2), (1, 1), (3000, 2000)])
def test_photos_of_any_shape_become_the_square_and_lose_no_edge(size: tuple[int, int]) -> None:
    pixels = Preprocess(size=32).pixels(halves(*size))
    assert pixels.shape == (32, 32, 3) and pixels.dtype == np.uint8
    if size[0] > 1:
        assert pixels[:, 0].max() < 40 and pixels[:, -1].min() > 215


def test_normalising_is_what_torchvision_does() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    found = Preprocess(size=32).normalise(torch.from_numpy(pixels))
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255.0
    mean, std = (torch.tensor(of).view(1, 3, 1, 1) for of in (IMAGENET_MEAN, IMAGENET_STD))
    assert torch.allclose(found, (values - mean) / std, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_jpeg_decoded_at_reduced_size_looks_the_same(photos: Path) -> None:
    with Image.open(photos / "astronaut.png") as image:
        large = image.convert("RGB").resize((2048, 2048), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", quality=92)
    quick, whole = (
        Preprocess(size=128, shrink_on_load=shrink).pixels(buffer.getvalue()).astype(int)
        for shrink in (True, False)
    )
    assert np.abs(quick - whole).mean() < 3.0


def test_the_student_projects_way_is_lanczos_of_the_whole_photo(photos: Path) -> None:
    path = photos / "coffee.png"
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.LANCZOS))
    found = Preprocess(interpolation="lanczos", shrink_on_load=False).pixels(path)
    assert np.array_equal(found, expected)


def test_a_bad_photo_and_a_bad_configuration() -> None:
    with pytest.raises(PhotoError):
        Preprocess().pixels(b"nothing")
    for wrong in ({"interpolation": "magic"}, {"size": 0}, {"size": 5000}):
        with pytest.raises(ModelError, match="cannot preprocess"):
            Preprocess(**wrong)
