"""One build at a time: a document that only one process can create, and that goes stale when it dies."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import elastic_transport
import elasticsearch
from elastic_transport import ObjectApiResponse
from elasticsearch import Elasticsearch

from indexer.elastic.connection import Address
from indexer.elastic.names import lock_index
from indexer.errors import IndexLockedError

#: A lock that was changed so long ago (seconds), as two clocks have it, is watched.
STALE = 120.0
_BEAT = 20.0
#: So long a lock is watched before it is free for others: one beat may fail.
_WATCH = 2.5 * _BEAT
_LOOKS = 10
_DOCUMENT = "build"


class BuildLock:
    """Held from `acquire` to `release` or the end of its block; a thread of its own keeps it fresh."""

    def __init__(
        self,
        client: Elasticsearch,
        address: Address,
        purpose: str,
        *,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._client = client
        self._pause = pause
        self._address = address
        self._index = lock_index(address.name)
        self._owner = uuid.uuid4().hex
        self._process = os.getpid()
        self._purpose = purpose
        self._version: dict[str, Any] = {}
        self._changing = threading.Lock()  # the thread that keeps it fresh, and the build
        self._released = threading.Event()

    def acquire(self) -> BuildLock:
        """Raises IndexLockedError while another process (or another draft of this one) holds it."""
        self._make_index()
        try:
            self._put({"op_type": "create"})
        except elasticsearch.ConflictError:
            self._take_over()
        threading.Thread(target=self._beat, name="build-lock", daemon=True).start()
        return self

    def __enter__(self) -> BuildLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def confirm(self) -> None:
        """Raises IndexLockedError where another process took over while this one slept."""
        try:
            self._put()
        except (elasticsearch.ConflictError, elasticsearch.NotFoundError):
            raise IndexLockedError(
                f"{self._address.where}: another build took over; this one stops"
            ) from None

    def release(self) -> None:
        """Let others build. A child that was forked while it was held has nothing to release."""
        if self._released.is_set() or self._process != os.getpid():
            return
        self._released.set()
        # Someone else may have it by now, or the server may be gone: then there is nothing to release.
        with suppress(elasticsearch.ApiError, elastic_transport.TransportError):
            self._change(partial(self._client.delete, index=self._index, id=_DOCUMENT))

    def _make_index(self) -> None:
        if self._client.indices.exists(index=self._index):
            return
        settings = {"index": {"hidden": True, "number_of_shards": 1, "auto_expand_replicas": "0-1"}}
        with suppress(elasticsearch.BadRequestError):  # another process was faster
            self._client.indices.create(index=self._index, settings=settings, mappings={"dynamic": False})

    def _take_over(self) -> None:
        held = self._held()
        if held is not None and not _has_died(held["_source"]):
            held = self._after_silence(held)
        try:
            self._put(_version(held) if held else {"op_type": "create"})
        except elasticsearch.ConflictError:
            raise IndexLockedError(
                f"{self._address.where}: another build started just now; try again"
            ) from None

    def _after_silence(self, held: ObjectApiResponse[Any]) -> ObjectApiResponse[Any] | None:
        """Return the document once its holder was silent for a while; None if it is gone by then.

        Its time is of the holder's clock, which may be wrong. So silence is watched, unless both clocks agree
        that the holder was heard of lately. Raises IndexLockedError where it is at work.
        """
        if abs(time.time() - float(held["_source"].get("at", 0))) < STALE:
            raise self._busy(held)
        for _ in range(_LOOKS):
            self._pause(_WATCH / _LOOKS)
            now = self._held()
            if now is None:
                return None
            if _version(now) != _version(held):
                raise self._busy(now)
        return held

    def _busy(self, held: ObjectApiResponse[Any]) -> IndexLockedError:
        holder = held["_source"]
        return IndexLockedError(
            f"{self._address.where}: another build is writing ({holder.get('purpose')}, process "
            f"{holder.get('pid')} on {holder.get('host')}); wait for it to end, or stop it and run again"
        )

    def _put(self, condition: Mapping[str, Any] | None = None) -> None:
        document = {
            "owner": self._owner,
            "purpose": self._purpose,
            "host": socket.gethostname(),
            "machine": machine(),
            "pid": self._process,
            "at": time.time(),
        }
        put = partial(self._client.index, index=self._index, id=_DOCUMENT, document=document)
        self._change(put, condition)

    def _change(
        self, change: Callable[..., ObjectApiResponse[Any]], condition: Mapping[str, Any] | None = None
    ) -> None:
        """Change the document if it is as this process left it. Raises ConflictError where it is not."""
        with self._changing:
            try:
                changed = change(**(self._version if condition is None else condition))
            except elasticsearch.ConflictError:
                # The answer to a change of our own may have got lost, and the client has asked again.
                own = self._own()
                if own is None:
                    raise
                changed = change(**_version(own))
            self._version = _version(changed)

    def _held(self) -> ObjectApiResponse[Any] | None:
        try:
            return self._client.get(index=self._index, id=_DOCUMENT)
        except elasticsearch.NotFoundError:
            return None

    def _own(self) -> ObjectApiResponse[Any] | None:
        """The document, if it is there and of this lock."""
        held = self._held()
        return held if held is not None and held["_source"].get("owner") == self._owner else None

    def _beat(self) -> None:
        while not self._released.wait(_BEAT):
            # A beat that fails is made up for by the next; others watch for longer than that.
            with suppress(elasticsearch.ApiError, elastic_transport.TransportError):
                self._put()


def _version(answer: ObjectApiResponse[Any]) -> dict[str, Any]:
    """What makes the next change conditional on this state of the document."""
    return {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}


def _has_died(holder: Mapping[str, Any]) -> bool:
    """Whether the holder is surely no longer at work: only on this machine its process tells."""
    if holder.get("machine") != machine():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def machine() -> str:
    """Where a process id of this process means the same: the boot of the kernel and the PID namespace.

    Containers and clones of virtual machines may share a host name, so it counts only where the system
    tells neither.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return socket.gethostname()
