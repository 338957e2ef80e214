"""Open a photo safely: the one place where image files from outside are decoded."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageOps, UnidentifiedImageError

from captioner.errors import LargePhotoError, PhotoError, UnknownFormatError, UnreachablePhotoError
from captioner.excess import excess, excess_of_work
from captioner.formats import FORMATS, NAMES, UNREAD, called, what_to_do
from captioner.outside import error_text
from captioner.unreachable import EMPTY, NO_FILE, is_of_the_system, why_unreachable
from captioner.warnings_off import WARNINGS_OFF

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Photos with more pixels are refused: no camera makes them, and a small file could fill the memory so.
MAX_PIXELS = 120_000_000
#: Photos with more pixels are decoded one at a time, whatever the number of threads.
_LARGE_PIXELS = 1 << 24
_ONE_LARGE = threading.Lock()
#: A photo's mode is converted in pieces of this many pixels a side.
_PIECE = 1024
#: A glance decodes a JPEG down to this many pixels a side. Of smaller and re-encoded copies of 300 photos,
#: 99.0 to 100 % stay within 3 bits of the photo's hash; at 256 pixels 99.7 to 100 %, for twice the time.
_GLANCED_SIDE = 120

Photo = str | os.PathLike[str] | bytes | Image.Image


def photo_name(photo: Photo) -> str:
    """What to call a photo in messages and results."""
    return os.fspath(photo) if isinstance(photo, (str, os.PathLike)) else "<photo>"


def check_there(photo: str) -> None:
    """Raise PhotoError for a path where nothing is, before a model is loaded for it."""
    try:
        Path(photo).stat()
    except FileNotFoundError:
        raise UnreachablePhotoError(NO_FILE, photo) from None
    except (OSError, ValueError):
        pass  # `open_photo` reports what else is wrong


def open_photo(photo: Photo, smallest: int | None = None) -> Image.Image:
    """Decode a photo (path, bytes or image) to upright RGB.

    An animation gives its first frame; one given as an opened image gives the frame that it stands at.

    With `smallest`, a JPEG may be decoded at a reduced size whose sides stay at or above
    `smallest` pixels, which saves most of the decoding time; other large photos are reduced, too. Raises
    PhotoError, with the file's name and the reason, for anything that is not a whole photo of sane size.
    """
    with _decoding(photo) as image:
        whole = image.size
        if smallest is not None and image is not photo:
            image.draft("RGB", (smallest, smallest))
        with _room_for(image, whole):
            return _to_rgb(_turn_upright(image, in_place=image is not photo), smallest)


def media_type(photo: Photo) -> str:
    """The media type by a photo's header, such as `image/jpeg`; pixels are not decoded.

    Raises PhotoError for what is no photo of a known format and sane size.
    """
    with _decoding(photo) as image:
        return _media_type(image)


#: Modes of Pillow's pictures without colour, by their first letters.
_GREY = ("1", "L", "I", "F")


@dataclass(frozen=True, slots=True)
class Header:
    """What a photo holds, as stored: width and height in pixels, frames or pages, whether without colour."""

    width: int
    height: int
    frames: int
    grey: bool


def header(photo: Photo) -> Header:
    """What a photo's headers tell; pixels are not decoded. Raises PhotoError as `media_type`."""
    with _decoding(photo) as image:
        # The further pictures of a phone's JPEG are previews of the first.
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        return Header(*image.size, frames, image.mode.startswith(_GREY) and image.mode != "LAB")


@dataclass(frozen=True, slots=True)
class Glance:
    """What `glance` found out about a photo; its size is as stored, before it is turned upright."""

    media_type: str
    size: tuple[int, int]
    phash: str


def glance(photo: Photo, *, large: bool = True) -> Glance:
    """Check a photo down to its last pixel and hash it, for less than `open_photo` costs.

    A JPEG is decoded in grey and at a reduced size. All of its data are read even so: a file that is cut
    short or damaged raises PhotoError here as in `open_photo`. Without `large`, a photo that is decoded only
    while no other of its kind is raises LargePhotoError: for those who keep order among several processes.
    """
    with _decoding(photo) as image:
        kind, size = _media_type(image), image.size
        if image is not photo:
            image.draft("L", (_GLANCED_SIDE, _GLANCED_SIDE))
        if not large and _is_large(image, size):
            raise LargePhotoError("is to be decoded alone", photo_name(photo))
        with _room_for(image, size):
            upright = _turn_upright(image, in_place=image is not photo)
            is_grey = upright.mode == "L" and "transparency" not in upright.info
            seen = upright if is_grey else _to_rgb(upright, _GLANCED_SIDE)
            return Glance(kind, size, perceptual_hash(seen))


def _media_type(image: Image.Image) -> str:
    """The image's media type; JPEG for an MPO, which begins with a JPEG: browsers do not know `image/mpo`."""
    return "image/jpeg" if image.format in (None, "MPO") else Image.MIME[image.format]


@contextmanager
def _decoding(photo: Photo) -> Iterator[Image.Image]:
    """The photo with its header read and its size checked; what goes wrong becomes PhotoError."""
    name = photo_name(photo)
    _check_kind(photo, name)
    try:
        _check_parts(photo, name)
        with WARNINGS_OFF, _open_header(photo) as image:
            _check_size(image, name)
            _refuse(excess_of_work(image), name)
            yield image
    except PhotoError:
        raise
    except Image.DecompressionBombError:
        raise PhotoError(f"too many pixels (the limit is {MAX_PIXELS:,})", name) from None
    except UnidentifiedImageError:
        raise _no_photo(photo, name) from None
    except Exception as error:  # decoders raise whatever damage leads them to (struct.error, KeyError, ...)
        if is_of_the_system(error):
            raise UnreachablePhotoError(why_unreachable(error), name) from None
        raise PhotoError(f"damaged or incomplete image ({error_text(error)})", name) from None


@contextmanager
def _open_header(photo: Photo) -> Iterator[Image.Image]:
    if isinstance(photo, Image.Image):
        yield photo
        return
    source = io.BytesIO(photo) if isinstance(photo, bytes) else Path(photo)
    with Image.open(source, formats=FORMATS) as image:
        yield image


def _check_kind(photo: object, name: str) -> None:
    if not isinstance(photo, (str, os.PathLike, bytes, Image.Image)):
        wanted = "a path, bytes or a PIL image (of an array: Image.fromarray(array))"
        raise PhotoError(f"give {wanted}, not {type(photo).__name__}", name)


def _check_parts(photo: Photo, name: str) -> None:
    """Before Pillow reads the headers. A pipe can be read only once; what is no file it refuses itself."""
    if isinstance(photo, bytes):
        _refuse(excess(io.BytesIO(photo)), name)
    elif not isinstance(photo, Image.Image) and Path(photo).is_file():
        with Path(photo).open("rb") as file:
            _refuse(excess(file), name)


def _refuse(why: str, name: str) -> None:
    if why:
        raise PhotoError(f"would take too long to decode ({why}); {what_to_do((), 1)}", name)


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if not width * height:
        raise PhotoError(f"{width}x{height} has no pixels", name)
    if width * height > MAX_PIXELS:
        raise PhotoError(f"{width}x{height} is too many pixels (the limit is {MAX_PIXELS:,})", name)


def _no_photo(photo: Photo, name: str) -> PhotoError:
    """Why nothing here recognises it."""
    if photo == b"":
        return PhotoError("there are no bytes in it", name)
    beginning = _beginning(photo)
    if beginning == b"":
        return PhotoError(EMPTY, name)
    unknown = f"not a photo in a known format ({NAMES})"
    suffix = Path(photo).suffix.lower() if isinstance(photo, (str, os.PathLike)) else ""
    if suffix in UNREAD:  # first, since cameras' raw pictures begin as a TIFF
        return UnknownFormatError(f"{unknown}; {what_to_do((suffix,), 1)}", name)
    if beginning and (kind := _format_beginning_so(beginning)):
        damaged = f"a {kind} that is damaged, or of a kind that cannot be decoded here"
        return PhotoError(f"{damaged}; {what_to_do((), 1)}", name)
    return UnknownFormatError(unknown, name)


def _beginning(photo: Photo) -> bytes | None:
    """A photo's first 16 bytes; None where they cannot be read again, as of a pipe."""
    if isinstance(photo, bytes):
        return photo[:16]
    if not isinstance(photo, (str, os.PathLike)) or not Path(photo).is_file():
        return None
    with Path(photo).open("rb") as file:
        return file.read(16)


def _format_beginning_so(beginning: bytes) -> str:
    """The format, as people call it, that Pillow recognises by these first bytes; "" for none."""
    recognisers = ((name, Image.OPEN.get(name, (None, None))[1]) for name in FORMATS)
    return next((called(name) for name, fits in recognisers if fits and fits(beginning) is True), "")


def _room_for(image: Image.Image, whole: tuple[int, int]) -> AbstractContextManager[object]:
    """A lock for decoding a large photo."""
    return _ONE_LARGE if _is_large(image, whole) else nullcontext()


def _is_large(image: Image.Image, whole: tuple[int, int]) -> bool:
    """Whether it is, while it is decoded. `whole`: its size as stored, before a JPEG is reduced."""
    progressive = image.info.get("progressive")  # all of such a JPEG is held at once, also for a reduced size
    width, height = whole if progressive else image.size
    return width * height > _LARGE_PIXELS


def _turn_upright(image: Image.Image, *, in_place: bool) -> Image.Image:
    """The image turned by its EXIF orientation; damaged metadata are ignored, as the pixels are whole."""
    image.load()
    with suppress(Exception):  # Pillow's readers of metadata raise almost anything
        if not in_place:
            return ImageOps.exif_transpose(image)
        ImageOps.exif_transpose(image, in_place=True)  # no copy, but where it is turned
    return image


def _to_rgb(image: Image.Image, smallest: int | None = None) -> Image.Image:
    """8-bit RGB on white, whatever the mode: palette, alpha, 16-bit grey, CMYK, LAB, float.

    A large image is reduced as far as its sides stay at or above `smallest`. All steps work piece by piece,
    since at full size each step would hold another copy.
    """
    pixels, white_level = image.width * image.height, _white_level(image) if _is_deep(image) else 0.0
    if pixels <= _PIECE**2:
        return _piece_to_rgb(image, white_level)
    factor = max(1, min(image.size) // smallest) if smallest and pixels > _LARGE_PIXELS else 1
    whole = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for left, top, piece in _pieces(image, factor):
        whole.paste(_piece_to_rgb(piece, white_level).reduce(factor), (left // factor, top // factor))
    return whole


def _pieces(image: Image.Image, factor: int = 1) -> Iterator[tuple[int, int, Image.Image]]:
    """Left, top and pixels of the parts of an image; their sides are multiples of `factor`."""
    side = max(1, _PIECE // factor) * factor
    for top in range(0, image.height, side):
        for left in range(0, image.width, side):
            right, bottom = min(left + side, image.width), min(top + side, image.height)
            yield left, top, image.crop((left, top, right, bottom))


def _piece_to_rgb(image: Image.Image, white: float) -> Image.Image:
    """A piece as 8-bit RGB. `white`: the value of a deep image that becomes white."""
    if _is_deep(image):
        image = _stretch(image, white)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(background, image).convert("RGB")
    return _from_lab(image) if image.mode == "LAB" else image.convert("RGB")


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, rgb, "LAB", "RGB").apply(image)


def _is_deep(image: Image.Image) -> bool:
    """Whether its values may lie beyond 255."""
    return image.mode.startswith("I;16") or image.mode in ("I", "F")


def _finite_values(image: Image.Image) -> npt.NDArray[np.float32]:
    import numpy as np

    return np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)


def _white_level(image: Image.Image) -> float:
    """The value that becomes white: in integers 65,535 (255 if no value is above), in floats 1.

    If the image holds a larger value, that value is white.
    """
    largest = max(float(_finite_values(piece).max(initial=0.0)) for _, _, piece in _pieces(image))
    return max(1.0 if image.mode == "F" else 255.0 if largest <= 255.0 else 65535.0, largest)


def _stretch(image: Image.Image, white: float) -> Image.Image:
    """Bring deep grey values to 0..255; Pillow's own conversion would clip them to white."""
    import numpy as np

    values = _finite_values(image) * np.float32(255.0 / white)
    return Image.fromarray(values.clip(0.0, 255.0).round().astype(np.uint8))


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
