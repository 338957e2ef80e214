"""The program's own version, which setup.cfg sets: for Python, the commands, and the sites that are asked."""

from __future__ import annotations

from collections.abc import Callable


def program_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow, and few ask

    try:
        return version("caption-search")
    except PackageNotFoundError:
        return "development"


def version_attribute(package: str) -> Callable[[str], str]:
    """The `__getattr__` of a package: it has a `__version__`, which is looked up when it is asked for."""

    def attribute(name: str) -> str:
        if name != "__version__":
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return program_version()

    return attribute
