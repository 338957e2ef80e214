"""How the three commands behave alike: one-line errors, exit codes, progress on stderr."""

from __future__ import annotations

import importlib
import io
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

import click
from tqdm import tqdm

from captioner.drawing.made import is_made_here
from captioner.effort import MOST_BEAM, USUAL_BEAM
from captioner.files import beside, is_file
from captioner.outside import printable
from captioner.signals import interrupting
from captioner.version import program_version

Command = TypeVar("Command", bound=Callable[..., Any])

#: Seconds between two lines of a progress bar that is logged.
BETWEEN_LINES = 60.0

#: The exit code in a shell of a program that SIGPIPE ended, as when its reader (head, less) has left.
_READER_LEFT = 141


def split_names(context: click.Context, option: click.Parameter, given: str) -> list[str]:
    """The callback of an option of several names, with commas between; an empty text has none."""
    return [name.strip() for name in given.split(",") if name.strip()]


def with_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """A command with these options, which its help lists in this order."""
    for option in reversed(options):
        command = option(command)
    return command


#: How hard captioning tries, for every command that captions.
beam_option = click.option(
    "--beam",
    type=click.IntRange(1, MOST_BEAM),
    help="Beam width: beginnings of a caption that are followed at once; 1 is greedy. "
    f"[default: {USUAL_BEAM}; 1 for the student project's models]",
)
#: Where the model runs.
device_option = click.option("--device", help="cpu, cuda or cuda:N. [default: cuda where present]")


class Place(click.Path):
    """A file or folder. An empty name would mean the current folder: `--folder "$UNSET"` is a mistake."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fsdecode(value).strip():
            self.fail("is empty; name a place, or leave it out.", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = Place(path_type=Path, file_okay=False)
FILE = Place(path_type=Path, dir_okay=False)
#: A place as text, for code that itself checks what is there.
PLACE = Place(readable=False)


class Number(click.FloatRange):
    """A finite number in a range: NaN would pass every limit, and infinity leaves nothing to compute."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class OutputFile(Place):
    """A file to be written; it is checked before the work whether it can be, not at its end.

    It replaces an earlier output (`earlier` names that kind of file) and no other file, since a photo or an
    input that was named by mistake would be lost.
    """

    earlier = "page or picture with this program's mark"

    def __init__(self) -> None:
        super().__init__(dir_okay=False, readable=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path: Path = super().convert(value, param, ctx)
        if reason := self.why_refused(path) or _named_twice(path, param, ctx):
            self.fail(reason, param, ctx)
        return path

    def why_refused(self, file: Path) -> str:
        """Why it cannot, or must not, be written; else ""."""
        if (reason := no_place_for(file)) or not is_file(file) or self.is_earlier(file):
            return reason
        return f"{file} is no {self.earlier}, and would be lost; name another file, or delete it first"

    def is_earlier(self, file: Path) -> bool:
        """Whether an existing file is an earlier output, which may be written over."""
        return is_made_here(file)


class WholeFile(OutputFile):
    """An output that is written beside its place first (`captioner.files.written_whole`)."""

    def why_refused(self, file: Path) -> str:
        return super().why_refused(file) or no_place_for(beside(file))


class PngFile(WholeFile):
    """A picture to be written: always a PNG, so a name that promises another format is refused."""

    def why_refused(self, file: Path) -> str:
        from captioner.formats import SUFFIXES, UNREAD  # looks for a decoder, which takes its time

        if file.suffix.lower() in (SUFFIXES | UNREAD | {".pdf", ".html", ".htm"}) - {".png"}:
            return f"{file} would be a PNG: name it {file.with_suffix('.png').name}"
        return super().why_refused(file)


def _named_twice(file: Path, param: click.Parameter | None, ctx: click.Context | None) -> str:
    """Why this file cannot be a second output of the command, which would overwrite the first; else ""."""
    if param is None or ctx is None:
        return ""
    first = ctx.meta.setdefault("outputs", {}).setdefault(os.path.realpath(file), param)
    return "" if first is param else f"{file} is the file of {first.opts[0]}, too; name two"


def no_place_for(file: Path) -> str:
    """Why a file cannot be written there, as far as can be seen before the work; else ""."""
    if str(file) == "-":
        return "- is no file: standard output has the answer; name a file"
    folder = file.absolute().parent
    if not folder.is_dir():
        return f"no folder {folder} to write into; name another file"
    may_write = os.access(file, os.W_OK) or os.access(folder, os.W_OK | os.X_OK)
    return "" if may_write else f"no permission to write into {folder}; name another file"


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


def stop_on_sigterm() -> None:
    """Let SIGTERM raise KeyboardInterrupt like Ctrl-C, so that drafts and temporary files are tidied up."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


@contextmanager
def interruptible(message: str | Callable[[], str]) -> Iterator[None]:
    """End the command on Ctrl-C and SIGTERM with `message`, also one that is made then, and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(printable(message if isinstance(message, str) else message()), err=True)
        raise click.exceptions.Exit(130) from None


def tell(what: object) -> None:
    """Write a line to stderr, above the progress bar if there is one."""
    tqdm.write(printable(str(what)), file=sys.stderr)


def progress_bar(total: int | None, unit: str, label: str = "", *, logged: bool = False) -> tqdm[Any]:
    """A bar on stderr with rate and time left; silent where stderr is not a terminal.

    What may take hours is `logged` there: what takes longer than a minute gets a line a minute.
    """
    if logged and not sys.stderr.isatty():
        return tqdm(
            total=total,
            unit=unit,
            desc=label or None,
            file=cast(TextIO, _LinesOnStderr()),
            bar_format="{desc}: {n_fmt}/{total_fmt} {unit}s [{elapsed}<{remaining}, {rate_fmt}{postfix}]",
            mininterval=BETWEEN_LINES,
            maxinterval=BETWEEN_LINES,
            delay=BETWEEN_LINES,
            leave=False,  # else the last line would come twice
        )
    return tqdm(
        total=total,
        unit=unit,
        unit_scale=unit == "B",  # bytes as kB, MB
        desc=label or None,
        disable=None,
        file=sys.stderr,
        dynamic_ncols=True,
    )


class StageBars:
    """Shows a work (captioner.stages): a bar for each stage, one after the other, remarks above it."""

    def __init__(self, *, logged: bool = False) -> None:
        self._logged = logged
        self.bar: tqdm[Any] | None = None

    def stage(self, name: str, total: int, unit: str = "photo") -> None:
        self.close()
        self.bar = progress_bar(total, unit, name, logged=self._logged)

    def advance(self, count: int = 1) -> None:
        """Count units of the stage that began last."""
        if self.bar is not None:
            self.bar.update(count)

    def remark(self, what: str) -> None:
        tell(what)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


class _LinesOnStderr:
    """A place for a progress bar to write to: each of its states becomes a line."""

    def write(self, text: str) -> None:
        if state := text.strip():
            click.echo(printable(state), err=True)

    def flush(self) -> None:
        sys.stderr.flush()
