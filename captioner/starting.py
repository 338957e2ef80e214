"""Where the three commands begin: Ctrl-C is quiet from here on, also while their modules are imported.

All three are in this package since importing it costs nothing; a command is named, and imported only then.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import NoReturn

_INTERRUPTED = 130


def captioner() -> None:
    """The command `captioner`."""
    _start("captioner.cli")


def indexer() -> None:
    """The command `indexer`."""
    _start("indexer.cli")


def search() -> None:
    """The command `search`."""
    _start("search.cli")


def _start(module: str) -> None:
    """While the command is at work (`signals.interrupting`), Ctrl-C does more than to leave.

    An interrupted command has put things in order where it ends here. Threads that a second signal left at
    work are not waited for: they would be cut off within the libraries that they call, which then abort.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # ignored, it stays so
        signal.signal(signal.SIGINT, _leave)
    sys.unraisablehook = _unraised
    try:
        importlib.import_module(module).main()
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            _leave()
        raise


def _unraised(what: sys.UnraisableHookArgs) -> None:
    """A second signal while a generator is closed, which can raise nothing; the first has done its work."""
    if what.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(what)


def _leave(*_: object) -> NoReturn:
    """At once: an exception would be told with all that was being imported, or that threads still end."""
    os._exit(_INTERRUPTED)
