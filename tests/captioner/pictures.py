"""Pictures to encode and to look at: a scene of three colours, and noise that has a clear hash."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

ORIENTATION = 0x0112


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def scene(width: int = 64, height: int = 48) -> Image.Image:
    """Red above, blue below, with a green left edge."""
    image = Image.new("RGB", (width, height), (220, 20, 20))
    image.paste((20, 20, 220), (0, height // 2, width, height))
    image.paste((20, 220, 20), (0, 0, width // 8, height))
    return image


def colour(image: Image.Image, x: float, y: float) -> str:
    """Which channel is the strongest at a place, x and y from 0 to 1."""
    place = int(y * (image.height - 1)), int(x * (image.width - 1))
    return "rgb"[int(np.asarray(image)[place].argmax())]


def noise(width: int = 500, height: int = 380) -> Image.Image:
    """Coarse enough for a clear hash, fine enough to fill a file."""
    chance = np.random.default_rng(5)
    coarse = Image.fromarray(chance.integers(30, 220, (9, 11, 3), dtype=np.uint8)).resize((width, height))
    grain = chance.integers(-20, 20, (height, width, 3))
    return Image.fromarray((np.asarray(coarse).astype(int) + grain).clip(0, 255).astype(np.uint8))
