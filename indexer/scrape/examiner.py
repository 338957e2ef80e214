"""Pictures from outside are decoded in a process of their own.

What kills or stalls a decoder costs one picture then, not the run, and the event loop has Python's
interpreter lock for itself. Questions and answers are plain JSON: nothing that such a process says is
unpickled or run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple
from typing import IO, cast

from captioner.errors import LargePhotoError
from indexer.errors import ScrapeError
from indexer.scrape.items import RefusalError
from indexer.scrape.store import ExaminedPhoto, examine

#: What a request may take, be it one picture or a batch of them.
SECONDS = 120.0

#: Large pictures are decoded one at a time, whatever the number of processes.
_ONE_LARGE = threading.Lock()

#: The paths are ours, not those that Python finds itself: it would look in the working directory first.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from indexer.scrape.examiner import main; main()"
_READY = b"ready\n"

Examined = ExaminedPhoto | RefusalError


class Examiner:
    """The one process of one thread; started when it is first asked, and anew after it has died."""

    def __init__(self, smallest_side: int, seconds: float = SECONDS) -> None:
        self.smallest_side = smallest_side
        self.seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def examine(self, bodies: Sequence[bytes]) -> list[Examined]:
        """What each picture is, or why it is refused. Raises ScrapeError where no process can be had."""
        answers = self._ask(bodies, alone=False)
        if answers is not None:
            pairs = zip(bodies, answers, strict=True)
            return [self._examine_alone(body) if answer is None else answer for body, answer in pairs]
        if len(bodies) > 1:  # one of them was it: which, is seen when each is asked for by itself
            return [answer for body in bodies for answer in self.examine([body])]
        return [_fatal(self.seconds)]

    def _examine_alone(self, body: bytes) -> Examined:
        """A large picture, while no other process has one in memory."""
        with _ONE_LARGE:
            answers = self._ask([body], alone=True)
        (answer,) = answers or [None]
        return answer or _fatal(self.seconds)

    def kill(self) -> None:
        """End it, whatever it does; it starts no more. Any thread may call this, also amid `examine`."""
        self._is_closed = True
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End it and let go of its pipes."""
        self.kill()
        self._forget()

    def _ask(self, bodies: Sequence[bytes], alone: bool) -> list[Examined | None] | None:
        """An answer a picture, None for one that is to be alone; or None, if they ended the process."""
        process = self._running()
        timer = threading.Timer(self.seconds, process.kill)
        timer.start()
        try:
            return [_answer(line) for line in self._exchange(process, bodies, alone)]
        except (OSError, EOFError):
            self._forget()
            self._check_open()
            return None
        finally:
            timer.cancel()

    def _exchange(
        self, process: subprocess.Popen[bytes], bodies: Sequence[bytes], alone: bool
    ) -> list[bytes]:
        """Raises OSError or EOFError if the process ends meanwhile."""
        requests, answers = _pipes(process)
        told = {"sizes": [*map(len, bodies)], "smallest_side": self.smallest_side, "alone": alone}
        # In one call: after each, this thread would wait for the interpreter's lock.
        requests.write(b"".join([json.dumps(told).encode(), b"\n", *bodies]))
        requests.flush()
        return [_whole_line(answers) for _ in bodies]

    def _running(self) -> subprocess.Popen[bytes]:
        self._check_open()
        if self._process is not None and self._process.poll() is not None:
            self._forget()  # it died of something else, with nothing to do
        if self._process is None:
            self._process = _start()
        self._check_open()  # once more, as `kill` may have come before it was there
        return self._process

    def _check_open(self) -> None:
        if self._is_closed:
            raise ScrapeError("no pictures are examined any more: the run has ended")

    def _forget(self) -> None:
        if self._process is not None:
            self._process.kill()
            _close(self._process)
            self._process = None


def _start() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603 - our own program, and none of its arguments is from outside
        [sys.executable, "-c", _PROGRAM, *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches this process alone, which then ends that one
    )
    if _pipes(process)[1].readline() != _READY:
        process.kill()
        _close(process)
        raise ScrapeError(f"{sys.executable} does not start the process that decodes pictures")
    return process


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    return cast("tuple[IO[bytes], IO[bytes]]", (process.stdin, process.stdout))


def _close(process: subprocess.Popen[bytes]) -> None:
    """Wait for its end, and let go of the pipes, whatever is left in them."""
    for pipe in _pipes(process):
        with suppress(OSError):
            pipe.close()
    process.wait()


def _whole_line(answers: IO[bytes]) -> bytes:
    line = answers.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return line


def _answer(line: bytes) -> Examined | None:
    said = json.loads(line)
    if "photo" in said:
        return ExaminedPhoto(*said["photo"])
    return RefusalError(*said["refusal"]) if "refusal" in said else None


def _fatal(seconds: float) -> RefusalError:
    return RefusalError("not-a-photo", f"it ended its decoder, or kept it busy for {seconds:g} s")


def main() -> None:
    """The process: answers requests until there are no more of them."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints is no answer
    serve(sys.stdin.buffer, answers)


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer each request, a line of JSON and the pictures' bytes, with a line of JSON for each picture."""
    answers.write(_READY)
    answers.flush()
    while line := requests.readline():
        told = json.loads(line)
        bodies = [requests.read(size) for size in told["sizes"]]  # all, before the first answer: none waits
        for body in bodies:
            answers.write(json.dumps(_examined(body, told["smallest_side"], told["alone"])).encode() + b"\n")
        answers.flush()


def _examined(body: bytes, smallest_side: int, alone: bool) -> dict[str, object]:
    try:
        return {"photo": astuple(examine(body, smallest_side, alone=alone))}
    except RefusalError as refusal:
        return {"refusal": (refusal.reason, refusal.detail, refusal.status)}
    except LargePhotoError:
        return {"large": True}
