"""What can go wrong in the captioner; every message is one line for a person to act on."""

from __future__ import annotations


class CaptionerError(Exception):
    """Root of this package's errors."""


class PhotoError(CaptionerError):
    """A photo that cannot be read or decoded safely: the `reason`, and the `name` that messages give it."""

    def __init__(self, reason: str, name: str = "") -> None:
        super().__init__(f"{name}: {reason}" if name else reason)
        self.reason, self.name = reason, name


class UnreachablePhotoError(PhotoError):
    """A photo whose file cannot be opened or read; the photo itself may be whole."""


class UnknownFormatError(PhotoError):
    """Content that no decoder here knows; another installation may."""


class LargePhotoError(PhotoError):
    """A photo that would take more memory than was allowed for one among others."""


class ModelError(CaptionerError):
    """A model that is missing, damaged, or does not fit its vocabulary or configuration."""


class DataError(CaptionerError):
    """A data set (annotations, splits, features) that cannot be used as given."""


class LostProcessError(CaptionerError):
    """Another of the processes that train together, which answers no more."""


class AnalyzerError(CaptionerError):
    """An analyzer name that this version does not know."""
