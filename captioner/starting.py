"""Start the three commands; Ctrl-C is quiet from here on, also while a command's modules are imported.

All three start in this package, as importing it costs nothing; a command's own module is imported only when
it starts.
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
    """Import a command's module and run it. Until it runs (`signals.interrupting`), Ctrl-C only leaves.

    A command that was interrupted has tidied up before it ends here, and then the process leaves at once. It
    does not wait for threads that a second signal left at work: they would be cut off inside libraries,
    which then abort.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # ignored, it stays so
        signal.signal(signal.SIGINT, _leave_at_once)
    sys.unraisablehook = _report_unraised
    try:
        importlib.import_module(module).main()
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            _leave_at_once()
        raise


def _report_unraised(what: sys.UnraisableHookArgs) -> None:
    """Report an error that cannot be raised, but not a second Ctrl-C while a generator is closed."""
    if what.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(what)


def _leave_at_once(*_: object) -> NoReturn:
    """End the process at once: an exception would print a traceback of the imports, or wait for threads."""
    os._exit(_INTERRUPTED)
