"""Which formats of pictures are read, which others are recognised, and their suffixes."""

from __future__ import annotations

from collections.abc import Collection

from captioner.extras import how_to_install

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
_HEIF = {"HEIF": (".heic", ".heif", ".hif")}  # by the extra `heic`: what phones save
#: AVIF is not read, although Pillow could: its decoder exceeds the size that the header names, so that 3 KB
#: fill 900 MB. HEIF's decoder refuses such a file.
_NEVER = (".avif", ".jxl", ".jp2", ".svg", ".psd")
_RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2")


def _has_heif() -> bool:
    try:
        from pillow_heif import register_heif_opener
    except (ImportError, OSError):  # not installed, or broken, which must not stop the rest
        return False
    register_heif_opener()
    return True


_READ = _ALWAYS | (_HEIF if _has_heif() else {})

FORMATS = tuple(_READ)
SUFFIXES = frozenset(suffix for suffixes in _READ.values() for suffix in suffixes)
#: Suffixes of pictures in other formats: phones', cameras' raw ones, drawings.
UNREAD = frozenset((*_HEIF["HEIF"], *_NEVER, *_RAW)) - SUFFIXES

_NAMES = {"WEBP": "WebP", "HEIF": "HEIC"}


def called(name: str) -> str:
    """A format as people call it."""
    return _NAMES.get(name, name)


NAMES = ", ".join(map(called, FORMATS))


def what_to_do(suffixes: Collection[str], count: int) -> str:
    """Advice for `count` pictures with these suffixes, which are not read."""
    convert = f"convert {'it' if count == 1 else 'them'} to JPEG"
    readable = "HEIF" not in _READ and not set(suffixes).isdisjoint(_HEIF["HEIF"])
    return f"{convert}, or {how_to_install('heic')}, which reads HEIC" if readable else convert
