"""Which formats of pictures are read here, which further ones are known, and what tells them apart."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from PIL import features

#: Formats and the suffixes of their files. Programs (SVG, PDF, EPS that Ghostscript runs) are refused.
#: (MPO, the phones' JPEG of several pictures, is opened by JPEG's own reader.)
_ALWAYS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm",),
}
_AVIF = {"AVIF": (".avif",)}  # where Pillow was built with it, as its wheels from 11.3 on are
_HEIF = {"HEIF": (".heic", ".heif", ".hif")}  # by the extra `heic`: what phones save
_NEVER = (".jxl", ".jp2", ".svg", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2")


def _read_here() -> dict[str, tuple[str, ...]]:
    found = dict(_ALWAYS)
    if "avif" in features.modules and features.check("avif"):  # older ones warn of a name they do not know
        found |= _AVIF
    if find_spec("pillow_heif") is not None:
        from pillow_heif import register_heif_opener

        register_heif_opener()
        found |= _HEIF
    return found


_READ = _read_here()

FORMATS = tuple(_READ)
SUFFIXES = frozenset(suffix for suffixes in _READ.values() for suffix in suffixes)
#: Suffixes of pictures that are none of these: phones', cameras' raw ones, drawings.
UNREAD = frozenset((*_AVIF["AVIF"], *_HEIF["HEIF"], *_NEVER)) - SUFFIXES

_NAMES = {"WEBP": "WebP", "HEIF": "HEIC"}
#: The formats as people call them.
NAMES = ", ".join(_NAMES.get(name, name) for name in FORMATS)


def what_to_do(suffixes: Iterable[str]) -> str:
    """Advice for pictures that are not read, by their suffixes."""
    readable = "HEIF" not in _READ and not set(suffixes).isdisjoint(_HEIF["HEIF"])
    return "convert them to JPEG" + (", or pip install pillow-heif, which reads HEIC" if readable else "")
