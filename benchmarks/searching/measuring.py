"""A fresh process for each engine; all are asked the same questions, some at a time in turns, so that a busy
machine hits all alike."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.measuring import peak, resident
from benchmarks.searching.material import HITS, Material, Question
from benchmarks.searching.peers import Hit, Peer

#: Questions that an engine is asked one after the other before the next one's turn, as a client asks in use:
#: after every single question it would find the processor's caches filled by the other engines.
IN_A_ROW = 20

#: The crowd of clients asks for this many seconds a turn, in this many turns.
_CROWD_SECONDS, _CROWD_TURNS = 1.0, 3


@dataclass
class Measured:
    """What is known of one engine. Times are in milliseconds, `build` in seconds, memory in bytes."""

    build: float = 0.0
    build_memory: int = 0
    disk: int | None = None
    memory: int = 0
    times: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    exact: int = 0
    recall: float = 0.0
    rates: dict[int, float] = field(default_factory=dict)


class Process:
    """A peer in a process of its own, which answers one command at a time."""

    def __init__(self, kind: type[Peer], folder: Path, where: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, kind, folder, where))
        self._process.start()
        theirs.close()

    def call(self, name: str, *arguments: Any) -> Any:
        self._connection.send((name, arguments))
        answer = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self._connection.close()
        self._process.join()


def _serve(connection: Connection, kind: type[Peer], folder: Path, where: str) -> None:
    served = _Served(kind(Material.load(folder), where))
    with suppress(EOFError):
        while True:
            name, arguments = connection.recv()
            try:
                connection.send(getattr(served, name)(*arguments))
            except Exception as error:
                connection.send(error)


class _Served:
    """The commands of a peer's process."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def build(self) -> tuple[float, int]:
        began = time.perf_counter()
        self._peer.build()
        return time.perf_counter() - began, peak()

    def open(self) -> float:
        began = time.perf_counter()
        self._peer.open()
        seconds = time.perf_counter() - began
        # As a server would after loading: what lives for ever is not looked through again.
        gc.collect()
        gc.freeze()
        return seconds

    def ask(self, numbers: Sequence[int]) -> list[tuple[float, float, list[Hit]]]:
        """Milliseconds, those of CPU, and hits of each question."""
        return [self._ask(self._peer.material.questions[number]) for number in numbers]

    def _ask(self, question: Question) -> tuple[float, float, list[Hit]]:
        began, used = time.perf_counter(), time.process_time()
        hits = self._peer.ask(question)
        return (time.perf_counter() - began) * 1e3, (time.process_time() - used) * 1e3, hits

    def footprint(self) -> tuple[int, int | None]:
        memory = peak()
        with suppress(OSError):
            memory = resident()
        return memory, self._peer.disk()

    def crowd(self, clients: int) -> float:
        """Questions a second that so many forked processes get answered together."""
        context = multiprocessing.get_context("fork")
        ready = context.Barrier(clients)
        counts = context.Queue()
        members = [
            context.Process(target=_client, args=(self._peer, number, ready, counts))
            for number in range(clients)
        ]
        for member in members:
            member.start()
        total = sum(float(counts.get()) for _ in members)
        for member in members:
            member.join()
        return total


def _client(peer: Peer, number: int, ready: Any, rates: Any) -> None:
    peer.reopen()
    questions = peer.material.questions[: peer.questions]
    peer.ask(questions[0])
    ready.wait()
    began, asked = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < _CROWD_SECONDS:
        peer.ask(questions[(number + asked) % len(questions)])
        asked += 1
    rates.put(asked / spent)


def judge(measured: Measured, hits: Sequence[Hit], question: Question) -> None:
    """Add one answer: exact if it has the scores of the true one; recall is the share of hits that belong."""
    scores = [score for _, score in hits]
    measured.exact += scores == list(question.best) and len({image for image, _ in hits}) == len(hits)
    if question.best:
        lowest = question.best[-1]
        measured.recall += sum(score >= lowest for score in scores[:HITS]) / len(question.best)


def ask_in_turns(
    processes: dict[type[Peer], Process], results: dict[type[Peer], Measured], questions: Sequence[Question]
) -> None:
    kinds = list(processes)
    for block, start in enumerate(range(0, len(questions), IN_A_ROW)):
        for turn in range(len(kinds)):
            kind = kinds[(turn + block) % len(kinds)]  # another engine begins each time
            end = min(start + IN_A_ROW, kind.questions or len(questions), len(questions))
            answers = processes[kind].call("ask", range(start, end))
            for question, (taken, used, hits) in zip(questions[start:end], answers, strict=True):
                results[kind].times.append(taken)
                results[kind].cpu.append(used)
                judge(results[kind], hits, question)


def crowds(processes: dict[type[Peer], Process], results: dict[type[Peer], Measured]) -> None:
    """Questions a second with one and two clients, in turns; the median of the turns."""
    rates: dict[tuple[type[Peer], int], list[float]] = {}
    for _ in range(_CROWD_TURNS):
        for kind, process in processes.items():
            for clients in (1, 2):
                rates.setdefault((kind, clients), []).append(process.call("crowd", clients))
    for (kind, clients), found in rates.items():
        results[kind].rates[clients] = sorted(found)[len(found) // 2]
