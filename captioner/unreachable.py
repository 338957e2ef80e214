"""Why the file of a photo cannot be had: the same words wherever one is read, and never its path."""

from __future__ import annotations

import errno

from captioner.outside import error_text

NO_FILE = "no such file"
EMPTY = "the file is empty"


def is_of_the_system(error: Exception) -> bool:
    """Whether it tells that a file cannot be opened or read, and nothing of its content.

    Damage, too, can lead to an error of the system: that of a place to read at where no file can have one.
    """
    if not isinstance(error, OSError) or error.errno is None:  # decoders raise OSError with a text alone
        return False
    return error.filename is not None or error.errno != errno.EINVAL


def why_unreachable(error: BaseException) -> str:
    """The reason that an error of opening or reading a file gives."""
    match error:
        case FileNotFoundError():
            return NO_FILE
        case IsADirectoryError():
            return "is a folder, not a photo"
        case PermissionError():
            return "no permission to read it"
        case OSError(strerror=str(told)):  # its whole text has the path
            return f"cannot be read ({told})"
    return f"cannot be read ({error_text(error)})"
