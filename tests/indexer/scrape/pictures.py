"""As many different real pictures as a test wants: parts of the photos that scikit-image carries."""

from __future__ import annotations

import random
from functools import cache
from importlib.resources import as_file, files

from PIL import Image

from tests.captioner.pictures import encoded
from tests.conftest import PHOTOS


@cache
def _whole(name: str) -> Image.Image:
    with as_file(files("skimage") / "data" / name) as path, Image.open(path) as image:
        whole: Image.Image = image.convert("RGB")
    return whole


def image(number: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """The picture with this number; each shows another part of a photo."""
    chance = random.Random(number)
    whole = _whole(PHOTOS[number % len(PHOTOS)])
    width = chance.randint(100, whole.width // 2)
    height = width * size[1] // size[0]
    left, top = chance.randrange(whole.width - width), chance.randrange(whole.height - height)
    return whole.crop((left, top, left + width, top + height)).resize(size, Image.Resampling.LANCZOS)


@cache
def jpeg(number: int) -> bytes:
    """The picture with this number as a file."""
    return encoded(image(number), quality=90)
