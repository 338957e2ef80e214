"""Small pictures of photos and hits. Only files are opened, and only safely; nothing is fetched."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from captioner.errors import PhotoError
from captioner.photo import Photo, open_photo
from indexer.index import is_url


def thumbnail(photo: Photo | None, width: int, height: int) -> Image.Image | None:
    """The photo inside width x height pixels, sides in proportion; None where it is missing or remote."""
    if not photo or (isinstance(photo, str) and (is_url(photo) or not Path(photo).is_file())):
        return None
    try:
        picture = open_photo(photo, smallest=max(width, height)).copy()
    except PhotoError:
        return None
    picture.thumbnail((width, height), Image.Resampling.LANCZOS)
    return picture


def fitted(photo: Photo | None, width: int, height: int) -> Image.Image | None:
    """The whole photo as large as fits into width x height pixels, enlarged if need be."""
    picture = thumbnail(photo, width, height)
    if picture is None:
        return None
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)


def filling(photo: Photo | None, width: int, height: int) -> Image.Image | None:
    """The photo cut to exactly width x height pixels around its middle; None as for `thumbnail`."""
    picture = thumbnail(photo, 4 * width, 4 * height)
    if picture is None:
        return None
    scale = max(width / picture.width, height / picture.height)
    size = max(width, round(picture.width * scale)), max(height, round(picture.height * scale))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return picture.crop((left, top, left + width, top + height))


def data_uri(picture: Image.Image) -> str:
    """A picture as a JPEG inside a page."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
