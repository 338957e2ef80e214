"""Open a photo safely: the one place where image files from outside are decoded."""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from captioner.errors import PhotoError

#: More pixels than any camera gives; beyond it a small file can fill the memory.
MAX_PIXELS = 120_000_000
#: Formats that are decoded. Others (EPS starts Ghostscript, SVG and PDF are programs) are refused.
#: (MPO, the phones' JPEG of several pictures, is opened by JPEG's own reader.)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm"})

#: A glance decodes a JPEG down to this many pixels a side. Of smaller and re-encoded copies of 300 photos,
#: 99.0 to 100 % stay within 3 bits of the photo's hash; at 256 pixels 99.7 to 100 %, for twice the time.
_GLANCED_SIDE = 120

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
        if smallest is not None and image is not photo:
            image.draft("RGB", (smallest, smallest))
        return _to_rgb(_upright(image))


def media_type(photo: Photo) -> str:
    """The media type that a photo's header tells, such as `image/jpeg`; pixels are not decoded.

    Raises PhotoError for what is no photo of a known format and sane size.
    """
    with _decoding(photo) as image:
        return Image.MIME[image.format or "JPEG"]


@dataclass(frozen=True, slots=True)
class Glance:
    """What a photo's bytes proved to be; the size is as stored, before any turning upright."""

    media_type: str
    size: tuple[int, int]
    phash: str


def glance(photo: Photo) -> Glance:
    """Check a photo down to its last pixel and hash it, for less than `open_photo` costs.

    A JPEG is decoded in grey and at a reduced size; all of its data are read even so, and a file that is
    cut short or damaged raises PhotoError here where it does there.
    """
    with _decoding(photo) as image:
        kind, size = Image.MIME[image.format or "JPEG"], image.size
        if image is not photo:
            image.draft("L", (_GLANCED_SIDE, _GLANCED_SIDE))
        upright = _upright(image)
        is_grey = upright.mode == "L" and "transparency" not in upright.info
        return Glance(kind, size, perceptual_hash(upright if is_grey else _to_rgb(upright)))


@contextmanager
def _decoding(photo: Photo) -> Iterator[Image.Image]:
    """The photo with its header read and its size checked; what goes wrong becomes PhotoError."""
    name = photo_name(photo)
    try:
        with _QUIET, _header_read(photo) as image:
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
    except Exception as error:  # decoders raise whatever damage leads them to (struct.error, KeyError, ...)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PhotoError(f"{name}: damaged or incomplete image ({reason})") from None


@contextmanager
def _header_read(photo: Photo) -> Iterator[Image.Image]:
    if isinstance(photo, Image.Image):
        yield photo
        return
    source = io.BytesIO(photo) if isinstance(photo, bytes) else Path(photo)
    with Image.open(source, formats=FORMATS) as image:
        yield image


class _Quiet:
    """No warnings while any thread decodes: Pillow warns of odd metadata and large images.

    `warnings.catch_warnings` alone changes the filters of all threads, and of two that overlap the
    last one out would leave them changed for good. The first one in changes them, the last one out
    restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


_QUIET = _Quiet()


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PhotoError(f"{name}: {width}x{height} is too many pixels (the limit is {MAX_PIXELS:,})")


def _why_not_a_photo(photo: Photo) -> str:
    if photo == b"":
        return "there are no bytes in it"
    if isinstance(photo, (str, os.PathLike)) and Path(photo).is_file() and Path(photo).stat().st_size == 0:
        return "the file is empty"
    return "not a photo in a known format (JPEG, PNG, WebP, GIF, BMP, TIFF)"


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; damaged metadata are no reason to refuse whole pixels."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow's readers of metadata raise almost anything
        return image.copy()


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB on white, whatever the mode: palette, alpha, 16-bit grey, CMYK, LAB, float."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _stretch(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(background, image).convert("RGB")
    return _from_lab(image) if image.mode == "LAB" else image.convert("RGB")


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
    assert converted is not None  # None only where it converts in place
    return converted


def _stretch(image: Image.Image) -> Image.Image:
    """Bring deep grey values to 0..255; Pillow's own conversion would clip them to white.

    White is 65,535 in integers (255 where none is above), 1 in floats, or the largest value if that is more.
    """
    import numpy as np

    values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
    largest = float(values.max(initial=0.0))
    white = 1.0 if image.mode == "F" else 255.0 if largest <= 255.0 else 65535.0
    values *= 255.0 / max(white, largest)
    return Image.fromarray(values.clip(0.0, 255.0).round().astype(np.uint8))


def photos_below(paths: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """The paths themselves; a folder gives the photos below it, by their suffix, in sorted order.

    A folder that cannot be read is given itself, so that opening it tells why.
    """
    for path in paths:
        if Path(path).is_dir():
            unreadable: list[OSError] = []
            for folder, names, files in os.walk(path, onerror=unreadable.append):
                yield from (str(error.filename) for error in unreadable)
                unreadable.clear()
                names.sort()
                yield from (
                    os.path.join(folder, name)  # noqa: PTH118 (a Path would drop a leading ./)
                    for name in sorted(files)
                    if Path(name).suffix.lower() in SUFFIXES
                )
            yield from (str(error.filename) for error in unreadable)
        else:
            yield os.fspath(path)


def perceptual_hash(image: Image.Image) -> str:
    """Difference hash, 64 bits as 16 hex digits: near duplicates differ in few bits.

    Source: N. Krawetz, "Kind of Like That" (2013): brightness falls or rises between neighbours
    in a 9x8 grey thumbnail.
    """
    import numpy as np

    thumbnail = image.convert("L").resize((9, 8), Image.Resampling.LANCZOS).tobytes()
    grey = np.frombuffer(thumbnail, dtype=np.uint8).reshape(8, 9)
    bits = (grey[:, 1:] > grey[:, :-1]).ravel()
    return np.packbits(bits).tobytes().hex()


def hash_distance(one: str, other: str) -> int:
    """Number of differing bits between two perceptual hashes."""
    return (int(one, 16) ^ int(other, 16)).bit_count()
