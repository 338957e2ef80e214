"""Open a photo safely: the one place where image files from outside are decoded."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from captioner.errors import PhotoError

#: More pixels than any camera gives; beyond it a small file can fill the memory.
MAX_PIXELS = 120_000_000
#: Formats that are decoded. Others (EPS starts Ghostscript, SVG and PDF are programs) are refused.
#: (MPO, the phones' JPEG of several pictures, is opened by JPEG's own reader.)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm"})

Photo = str | os.PathLike[str] | bytes | Image.Image


def photo_name(photo: Photo) -> str:
    """What to call a photo in messages and results."""
    return os.fspath(photo) if isinstance(photo, (str, os.PathLike)) else "<photo>"


def open_photo(photo: Photo, smallest: int | None = None) -> Image.Image:
    """Decode a photo (path, bytes or image) to upright RGB; the first frame of an animation.

    With `smallest`, a JPEG may be decoded at a reduced size whose sides stay at or above
    `smallest` pixels, which saves most of the decoding time. Raises PhotoError, with the
    file's name and the reason, for anything that is not a whole photo of sane size.
    """
    with _decoding(photo) as image:
        if image is photo:
            return _to_rgb(image)
        if smallest is not None:
            image.draft("RGB", (smallest, smallest))
        return _to_rgb(ImageOps.exif_transpose(image))


def media_type(photo: Photo) -> str:
    """The media type that a photo's header tells, such as `image/jpeg`; pixels are not decoded.

    Raises PhotoError for what is no photo of a known format and sane size.
    """
    with _decoding(photo) as image:
        return Image.MIME[image.format or "JPEG"]


@contextmanager
def _decoding(photo: Photo) -> Iterator[Image.Image]:
    """The photo with its header read and its size checked; what goes wrong becomes PhotoError."""
    name = photo_name(photo)
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of large images; the size has its own check below.
            warnings.simplefilter("ignore")
            if isinstance(photo, Image.Image):
                yield photo
                return
            source = io.BytesIO(photo) if isinstance(photo, bytes) else Path(photo)
            with Image.open(source, formats=FORMATS) as image:
                _check_size(image, name)
                yield image
    except PhotoError:
        raise
    except FileNotFoundError:
        raise PhotoError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise PhotoError(f"{name}: is a folder, not a photo") from None
    except PermissionError:
        raise PhotoError(f"{name}: no permission to read it") from None
    except Image.DecompressionBombError:
        raise PhotoError(f"{name}: too many pixels (the limit is {MAX_PIXELS:,})") from None
    except UnidentifiedImageError:
        raise PhotoError(f"{name}: {_why_not_a_photo(photo)}") from None
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise PhotoError(f"{name}: damaged or incomplete image ({error})") from None


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PhotoError(f"{name}: {width}x{height} is too many pixels (the limit is {MAX_PIXELS:,})")


def _why_not_a_photo(photo: Photo) -> str:
    if isinstance(photo, (str, os.PathLike)) and Path(photo).is_file() and Path(photo).stat().st_size == 0:
        return "the file is empty"
    return "not a photo in a known format (JPEG, PNG, WebP, GIF, BMP, TIFF)"


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB on white, whatever the mode: palette, alpha, 16-bit grey, CMYK, float."""
    if image.mode == "RGB":
        image.load()
        return image.copy() if getattr(image, "fp", None) else image
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _stretch(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(background, image).convert("RGB")
    return image.convert("RGB")


def _stretch(image: Image.Image) -> Image.Image:
    """Bring deep grey values to 0..255; Pillow's own conversion would clip them to white."""
    import numpy as np

    values = np.asarray(image, dtype=np.float64)
    top = (
        65535.0
        if image.mode.startswith("I") and values.max(initial=0) > 255
        else max(values.max(initial=0), 1.0)
    )
    top = 255.0 if image.mode.startswith("I") and values.max(initial=0) <= 255 else top
    return Image.fromarray(np.clip(values / top * 255.0, 0, 255).astype(np.uint8), mode=None)


def photos_below(paths: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """The paths themselves; a folder gives the photos below it, by their suffix, in sorted order."""
    for path in paths:
        if Path(path).is_dir():
            for folder, names, files in os.walk(path):
                names.sort()
                yield from (
                    os.path.join(folder, name)  # noqa: PTH118 (a Path would drop a leading ./)
                    for name in sorted(files)
                    if Path(name).suffix.lower() in SUFFIXES
                )
        else:
            yield os.fspath(path)


def perceptual_hash(image: Image.Image) -> str:
    """Difference hash, 64 bits as 16 hex digits: near duplicates differ in few bits.

    Source: N. Krawetz, "Kind of Like That" (2013): brightness falls or rises between neighbours
    in a 9x8 grey thumbnail.
    """
    import numpy as np

    thumbnail = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.LANCZOS), dtype=np.int16)
    bits = (thumbnail[:, 1:] > thumbnail[:, :-1]).ravel()
    return np.packbits(bits).tobytes().hex()


def hash_distance(one: str, other: str) -> int:
    """Number of differing bits between two perceptual hashes."""
    return (int(one, 16) ^ int(other, 16)).bit_count()
