"""How the three commands behave alike: one-line errors, exit codes, help and version."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from captioner.outside import printable
from captioner.signals import interrupting
from captioner.version import program_version

#: The exit code in a shell of a program that SIGPIPE ended, as when its reader (head, less) has left.
_READER_LEFT = 141


class CommandGroup(click.Group):
    """A group whose commands turn the library's errors into one clear line.

    Exit codes: 0 done, 1 failed, 2 wrong usage (click's own), 130 interrupted, 141 without a reader.
    `--debug` shows the traceback. `errors` are the exception types that are messages for people; others
    are faults of the program, and are shown as such in one line that asks for `--debug`. `lazy` commands
    (name -> "module:attribute") are imported only when they are called, so that the others start at once.
    Each group has `--version`, and `-h` beside `--help`, also for its commands.
    """

    def __init__(
        self,
        *args: Any,
        errors: Sequence[type[Exception]] = (),
        lazy: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, context_settings={"help_option_names": ["-h", "--help"]}, **kwargs)
        self.errors = tuple(errors)
        self.lazy = dict(lazy or {})
        self.params.append(_version_option())
        self.params.append(click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."))

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        context = super().make_context(*args, **kwargs)
        context.meta["debug"] = bool(context.params.pop("debug", False))
        return context

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        lenient_stdout()
        try:
            with interruptible("interrupted"), interrupting():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            # Python would complain again while closing stdout.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(_READER_LEFT) from None
        except Exception as error:
            if ctx.meta.get("debug"):
                raise
            raise click.exceptions.Exit(_report(error, self.errors)) from None


def _version_option() -> click.Option:
    """Like click's own, which has no version to tell where the program runs without being installed."""
    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help="Show the version and exit.",
    )


def _show_version(context: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        click.echo(f"{context.find_root().info_name}, version {program_version()}")
        context.exit()


def lenient_stdout() -> None:
    """A terminal that knows few characters still gets its answer, with question marks in it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _report(error: Exception, known: tuple[type[Exception], ...]) -> int:
    text = " ".join(_message(error).split()) or type(error).__name__
    if not isinstance(error, (*known, OSError)):
        text = f"unexpected {type(error).__name__}: {text} (run again with --debug and report it)"
    click.echo(f"Error: {printable(text)}", err=True)
    return 1


def _message(error: Exception) -> str:
    """The error's message in the wording of the program's own errors: the place first, no error number."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


@contextmanager
def interruptible(message: str | Callable[[], str]) -> Iterator[None]:
    """End the command on Ctrl-C and SIGTERM with `message`, also one that is made then, and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(printable(message if isinstance(message, str) else message()), err=True)
        raise click.exceptions.Exit(130) from None
