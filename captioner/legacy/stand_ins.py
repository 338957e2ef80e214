"""Stand-ins for the names that a pickle may use: harmless objects of our own, never the named ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from captioner.legacy.memory_budget import MemoryBudget

_STORAGES: Mapping[str, torch.dtype] = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
_DIMENSIONS = 8  # of an array or tensor, at most
_LARGEST_KEY = 1 << 60  # smaller integers are their own hashes, so that they cannot be made to collide


class PickledVocabulary:
    """Stands for the student project's `Vocabulary`: only its attributes come from the file."""

    word2idx: Any
    idx2word: Any


class PickledArray:
    """Stands for a NumPy array or number while it is read."""

    _shape: tuple[int, ...] = ()
    _raw: str | bytes = b""
    _code, _fortran = "", False

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, raw = state
        self.fill(shape, kind, raw, bool(fortran))

    def fill(self, shape: Any, kind: Any, raw: Any, fortran: bool) -> PickledArray:
        if not isinstance(kind, PickledKind):
            raise ValueError("an array without a type")
        self._shape, self._code, self._fortran = _check_shape(shape), kind.code, fortran
        if not isinstance(raw, (str, bytes)):
            raise ValueError("an array of no bytes")
        self._raw = raw  # not copied: a pickle may make a million arrays of one text
        return self

    def array(self) -> np.ndarray[Any, Any]:
        raw = self._raw.encode("latin1") if isinstance(self._raw, str) else self._raw
        values = np.frombuffer(raw, dtype=np.dtype(self._code))
        return values.reshape(self._shape, order="F" if self._fortran else "C")


class PickledKind:
    """Stands for `numpy.dtype`: plain numbers only."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in _NUMBERS:
            raise ValueError("an array of something else; only numbers are read")
        self.code = str(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] == ">":
            self.code = ">" + self.code[-2:]


def put_items(mapping: Any, items: Sequence[Any]) -> Any:
    """Put items, which are keys and values in turn, into a dictionary; gives the dictionary."""
    if type(mapping) not in (dict, OrderedDict):
        raise ValueError("entries of what is no dictionary")
    for key, value in zip(items[::2], items[1::2], strict=True):
        mapping[_check_key(key)] = value
    return mapping


def _check_key(key: Any) -> str | int:
    """Refuse a key that may be slow to hash or collide: each level of nested tuples can double the time."""
    if type(key) is str or (type(key) is int and abs(key) < _LARGEST_KEY):
        return key
    raise ValueError("a key that is neither a text nor a small number")


def _check_list(items: Any) -> Sequence[Any]:
    """Refuse what is no list or tuple: a tensor may have more rows than the memory has bytes."""
    if not isinstance(items, (list, tuple)):
        raise ValueError("no list where one is expected")
    return items


def _check_shape(sizes: Any) -> tuple[int, ...]:
    """A shape as a tuple; long ones are refused, since many copies of one could fill the memory."""
    if len(_check_list(sizes)) > _DIMENSIONS or not all(type(size) is int for size in sizes):
        raise ValueError("a shape that no array has")
    return tuple(sizes)


def new_vocabulary(kind: Any, *_: Any) -> PickledVocabulary:
    """A vocabulary, as `_reconstructor` makes it in protocols 0 and 1, and an opcode in later ones."""
    if kind is not PickledVocabulary:
        raise ValueError("an object of another kind")
    return PickledVocabulary()


def _read_number(of: Any, raw: Any) -> float:
    return float(PickledArray().fill((), of, raw, False).array())


def _from_buffer(buffer: Any, of: Any, shape: Any, order: Any) -> PickledArray:
    return PickledArray().fill(shape, of, buffer, order == "F")


def _tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    # A storage may be a part of another one; `as_strided` counts from where the whole begins.
    return torch.as_strided(
        storage, _check_shape(size), _check_shape(stride), storage.storage_offset() + offset
    )


def _parameter(data: Tensor, *_: Any) -> Tensor:
    return data


_TAKING_NO_ROOM: Mapping[tuple[str, str], Any] = {
    ("build_vocab", "Vocabulary"): PickledVocabulary,
    ("__main__", "Vocabulary"): PickledVocabulary,
    ("copyreg", "_reconstructor"): new_vocabulary,
    ("copy_reg", "_reconstructor"): new_vocabulary,
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): PickledKind,
    ("numpy.core.multiarray", "_reconstruct"): PickledArray,
    ("numpy._core.multiarray", "_reconstruct"): PickledArray,
    ("numpy.core.multiarray", "scalar"): _read_number,
    ("numpy._core.multiarray", "scalar"): _read_number,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", name): dtype for name, dtype in _STORAGES.items()},
}


def stand_ins(budget: MemoryBudget) -> dict[tuple[str, str], Any]:
    """(module, name) -> stand-in, for all names that a file may use, with the module names of all versions.

    A stand-in that copies counts against the budget: a pickle may ask for many copies of the same object.
    """

    def text(value: str, encoding: str = "latin1") -> bytes:
        if encoding != "latin1":
            raise ValueError("text in an encoding of its own")
        budget.take_bytes(len(value))
        return value.encode("latin1")

    def octets(value: Any = b"", *_: Any) -> bytes:
        if not isinstance(value, (str, bytes)):
            raise ValueError("no bytes where they are expected")
        return text(value) if isinstance(value, str) else value

    def ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
        budget.take_objects(len(_check_list(pairs)))
        return OrderedDict((_check_key(key), value) for key, value in map(_check_list, pairs))

    found = {**_TAKING_NO_ROOM, ("collections", "OrderedDict"): ordered, ("_codecs", "encode"): text}
    for module in ("builtins", "__builtin__"):
        found[module, "object"] = type("object", (), {})
        found[module, "bytearray"] = found[module, "bytes"] = octets
    return found
