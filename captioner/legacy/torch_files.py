"""Read what `torch.save` wrote as data, in both of its formats: nothing is executed (`legacy.unpickle`)."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from captioner.errors import ModelError
from captioner.legacy.memory_budget import MemoryBudget
from captioner.legacy.unpickle import DataUnpickler, read_as_data

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_LONGEST_KEY = 100  # characters; PyTorch's keys are numbers in decimal digits


def read_tensors(path: Path) -> Any:
    """What `torch.save` wrote, in the zip format or the older stream of pickles. Raises ModelError."""
    return read_as_data(
        path, lambda file, budget: (_read_zip if _is_zip(file) else _read_stream)(file, budget)
    )


def _is_zip(file: IO[bytes]) -> bool:
    found = zipfile.is_zipfile(file)
    file.seek(0)
    return found


def _read_zip(file: IO[bytes], budget: MemoryBudget) -> Any:
    """The format since PyTorch 1.6: data.pkl, and each storage as a file of its own, stored plainly."""
    path = budget.path
    with zipfile.ZipFile(file) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ModelError(f"{path}: a zip file, but not one that torch.save wrote")
        root = pickles[0].removesuffix("data.pkl")
        order = f"{root}byteorder"
        if order in archive.namelist() and _read_entry(archive, order, path) != b"little":
            raise ModelError(f"{path}: written on a big-endian machine")

        def read_storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
            raw = _read_entry(archive, f"{root}data/{key}", path)
            if len(raw) != count * dtype.itemsize:
                raise ModelError(f"{path}: storage {key} is not of the size that it claims")
            return _from_bytes(raw, dtype)

        storages = _Storages(budget, read_storage)
        return DataUnpickler(
            io.BytesIO(_read_entry(archive, pickles[0], path)), budget, storage=storages.get_storage
        ).load()


def _read_entry(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """A file of the archive; torch.save never compresses, and a compressed one could fill the memory."""
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise ModelError(f"{path}: {name} in it is missing") from None
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ModelError(f"{path}: {name} in it is compressed; torch.save did not write it")
    return archive.read(entry)


def _read_stream(file: IO[bytes], budget: MemoryBudget) -> Any:
    """The format before PyTorch 1.6: magic, version, machine, object, keys, then the storages' bytes."""
    path = budget.path
    if DataUnpickler(file, budget).load() != _MAGIC or DataUnpickler(file, budget).load() != _PROTOCOL:
        raise ModelError(f"{path}: not a file that torch.save wrote")
    machine = DataUnpickler(file, budget).load()
    if not isinstance(machine, dict):
        raise ModelError(f"{path}: does not tell which machine wrote it")
    if not machine.get("little_endian", True):
        raise ModelError(f"{path}: written on a big-endian machine")
    # Zeros at first: the storages' bytes come after the object.
    storages = _Storages(budget, lambda key, dtype, count: torch.zeros(count, dtype=dtype))

    def storage(pid: Any) -> Tensor:
        whole, view = storages.get_storage(pid), pid[5] if len(pid) > 5 else None
        return whole if view is None else whole[view[1] : view[1] + view[2]]

    found = DataUnpickler(file, budget, storage=storage).load()
    _fill_storages(file, path, storages.by_key, DataUnpickler(file, budget).load())
    return found


class _Storages:
    """The storages that a file's tensors are views of; each is made once, within the budget."""

    def __init__(self, budget: MemoryBudget, make: Callable[[str, torch.dtype, int], Tensor]) -> None:
        self._budget, self._make = budget, make
        self.by_key: dict[str, Tensor] = {}

    def get_storage(self, pid: Any) -> Tensor:
        """The storage that a persistent id names."""
        dtype, key, count = _parse_storage_id(pid)
        if key not in self.by_key:
            self._budget.take_bytes(count * dtype.itemsize)
            self.by_key[key] = self._make(key, dtype, count)
        return self.by_key[key]


def _fill_storages(file: IO[bytes], path: Path, storages: Mapping[str, Tensor], keys: Any) -> None:
    """Read the storages' bytes, in the order of their keys."""
    known = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not known or set(keys) != set(storages):
        raise ModelError(f"{path}: its list of storages is not of those that it uses")
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        storage = storages[key]
        raw = file.read(storage.numel() * storage.itemsize)
        if count != storage.numel() or len(raw) != count * storage.itemsize:
            raise ModelError(f"{path}: storage {key} is cut off")
        if count:
            storage.copy_(_from_bytes(raw, storage.dtype))


def _parse_storage_id(pid: Any) -> tuple[torch.dtype, str, int]:
    """Type, key and element count of ("storage", type, key, location, count, ...); location is ignored."""
    kind, dtype, key, _, count = pid[:5]
    if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(count, int):
        raise ValueError("data of an unknown kind")
    if not isinstance(key, str) or len(key) > _LONGEST_KEY:
        raise ValueError("a storage without a name")
    return dtype, key, count


def _from_bytes(raw: bytes, dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.zeros(0, dtype=dtype)
