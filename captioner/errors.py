"""What can go wrong in the captioner; every message is one line for a person to act on."""

from __future__ import annotations


class CaptionerError(Exception):
    """Root of this package's errors."""


class PhotoError(CaptionerError):
    """A photo that cannot be read or decoded safely."""


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
