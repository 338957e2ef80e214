"""Read pickles of other people as data: nothing in them is ever executed.

A pickle is a program that may call any function. Here it may name exactly the (module, name) pairs of
`_stand_ins`, and gets for each a harmless stand-in of this module, never the thing itself; any other
name is refused. PyTorch's own `weights_only` reader is not used, because the versions of PyTorch that
this package supports include ones in which it could be tricked (CVE-2025-32434), and because it cannot
read a vocabulary.
"""

from __future__ import annotations

import pickle  # only the machine that walks through the opcodes; every name it meets goes through find_class
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from captioner.errors import ModelError

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
#: A number takes a byte at least; the rest is for rows that are one and the same, such as of unknown words.
_NUMBERS_A_BYTE = 64
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


class PickledVocabulary:
    """Stands for the student project's `Vocabulary`: only its attributes come from the file."""

    word2idx: Any
    idx2word: Any


def read_vocabulary(path: Path) -> PickledVocabulary:
    """A pickled `build_vocab.Vocabulary` or `__main__.Vocabulary`, of any protocol. Raises ModelError."""
    vocabulary = read_as_data(path, lambda file, room: Reader(file, room, "utf-8").load())
    if not isinstance(vocabulary, PickledVocabulary):
        raise ModelError(f"{path}: not a pickled vocabulary, but {type(vocabulary).__name__}")
    return vocabulary


def read_matrix(path: Path) -> Tensor:
    """A pickled matrix (an array, or a list of rows) as float32 (rows, columns). Raises ModelError."""
    found = read_as_data(path, lambda file, room: Reader(file, room).load())
    try:
        rows = found.array() if isinstance(found, _Array) else _rows(found, path.stat().st_size)
        matrix = torch.from_numpy(np.asarray(rows, dtype=np.float32).copy())
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{path}: not a matrix of numbers ({error})") from None
    if matrix.ndim != 2:
        raise ModelError(f"{path}: a matrix has two dimensions; this has the shape {tuple(matrix.shape)}")
    return matrix


class Room:
    """How many bytes may be made of a file: about as many as it has, or a small one could fill the memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._left = 2 * path.stat().st_size  # Python 2's text becomes bytes, and those an array

    def take(self, count: int) -> None:
        self._left -= count
        if count < 0 or self._left < 0:
            raise ModelError(f"{self.path}: what it holds claims to be larger than the file")


def read_as_data(path: Path, read: Callable[[IO[bytes], Room], Any]) -> Any:
    """`read` the file; whatever a damaged or hostile one makes go wrong is one ModelError."""
    try:
        with path.open("rb") as file:
            return read(file, Room(path))
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    except RecursionError:
        raise ModelError(f"{path}: damaged, or not a file of this kind (nested too deeply)") from None
    except Exception as error:  # a broken pickle raises nearly anything
        raise ModelError(f"{path}: damaged, or not a file of this kind ({error})") from None


def _rows(rows: Any, size: int) -> list[np.ndarray[Any, Any]]:
    """Rows of numbers. A pickle may name one list a million times, at no cost but its reader's."""
    found, room = [], _NUMBERS_A_BYTE * size
    for row in rows:
        found.append(_row(row))
        room -= found[-1].size
        if room < 0:
            raise ValueError("many more numbers than a file of its size holds")
    return found


def _row(row: Any) -> np.ndarray[Any, Any]:
    if isinstance(row, _Array):
        return row.array()
    if not all(isinstance(number, (int, float)) for number in row):
        raise TypeError("a row holds something else")
    return np.asarray(row, dtype=np.float32)


class Reader(pickle.Unpickler):
    """The standard machine, with names replaced by stand-ins and storages by `storage(persistent id)`."""

    def __init__(
        self,
        file: IO[bytes],
        room: Room,
        encoding: str = "latin1",
        storage: Callable[[Any], Any] | None = None,
    ) -> None:
        _check_memo(file)
        super().__init__(file, encoding=encoding)
        self._path, self._storage = room.path, storage
        self._stand_ins = _stand_ins(room)  # anew for each file: a pickle can set attributes of what it names

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._stand_ins[module, name]
        except KeyError:
            raise ModelError(
                f"{self._path}: refused, because it asks for {module}.{name}, which is neither a tensor, "
                "an array nor a vocabulary; nothing in it was executed"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        if self._storage is None:
            raise ModelError(f"{self._path}: refers to data that is not in the file")
        return self._storage(pid)


def _check_memo(file: IO[bytes]) -> None:
    """Refuse a pickle that remembers a thing under a number beyond its length: a list so long would be made.

    Goes through the opcodes to the end of the pickle, and back to where it began.
    """
    start, count = file.tell(), 0
    while (code := file.read(1)) != pickle.STOP:
        count += 1
        opcode = _OPCODES.get(code.decode("latin1"))
        if opcode is None:
            raise ValueError("no pickle, or cut off")
        if code == pickle.STRING:
            file.readline()  # of Python 2: may hold bytes that pickletools refuses
        elif opcode.arg is not None:
            number = opcode.arg.reader(file)
            if code in (pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT) and number > count:
                raise ValueError("it remembers more than it holds")
    file.seek(start)


class _Array:
    """Stands for a NumPy array or number while it is read."""

    def __init__(self, *_: Any) -> None:
        self._shape: tuple[int, ...] = ()
        self._raw: str | bytes | bytearray = b""
        self._code, self._fortran = "", False

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, raw = state
        self.fill(tuple(shape), kind, raw, bool(fortran))

    def fill(self, shape: tuple[int, ...], kind: Any, raw: Any, fortran: bool) -> _Array:
        if not isinstance(kind, _Kind):
            raise ValueError("an array without a type")
        self._shape, self._code, self._fortran = shape, kind.code, fortran
        if not isinstance(raw, (str, bytes, bytearray)):
            raise ValueError("an array of no bytes")
        self._raw = raw  # and no copy: a pickle may make a million arrays of one text
        return self

    def array(self) -> np.ndarray[Any, Any]:
        raw = self._raw.encode("latin1") if isinstance(self._raw, str) else self._raw
        values = np.frombuffer(raw, dtype=np.dtype(self._code))
        return values.reshape(self._shape, order="F" if self._fortran else "C")


class _Kind:
    """Stands for `numpy.dtype`: plain numbers only."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in _NUMBERS:
            raise ValueError("an array of something else; only numbers are read")
        self.code = str(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] == ">":
            self.code = ">" + self.code


def _stand_ins(room: Room) -> dict[tuple[str, str], Any]:
    """All names that a file may use, by every version's name of the module, and what it gets for each.

    What copies takes room: a pickle may ask for a copy of the same thing again and again.
    """
    vocabulary = type("PickledVocabulary", (PickledVocabulary,), {})
    array, kind = type("_Array", (_Array,), {}), type("_Kind", (_Kind,), {})

    def new(cls: Any, *_: Any) -> Any:
        """copyreg's and copy_reg's way to make an instance of protocol 0 and 1."""
        if cls is not vocabulary:
            raise ValueError("an object of another kind")
        return vocabulary()

    def text(value: str, encoding: str = "latin1") -> bytes:
        if encoding != "latin1":
            raise ValueError("text in an encoding of its own")
        room.take(len(value))
        return value.encode("latin1")

    def octets(value: Any = b"", *_: Any) -> bytes:
        room.take(len(value))
        return value.encode("latin1") if isinstance(value, str) else bytes(list(value))

    def ordered(items: Any = ()) -> OrderedDict[Any, Any]:
        room.take(len(items))
        return OrderedDict(items)

    def number(of: Any, raw: Any) -> float:
        return float(array().fill((), of, raw, False).array())

    def from_buffer(buffer: Any, of: Any, shape: Any, order: Any) -> Any:
        return array().fill(tuple(shape), of, buffer, order == "F")

    def tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
        return torch.as_strided(storage, tuple(size), tuple(stride), offset)

    def parameter(data: Tensor, *_: Any) -> Tensor:
        return data

    found: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): ordered,
        ("build_vocab", "Vocabulary"): vocabulary,
        ("__main__", "Vocabulary"): vocabulary,
        ("_codecs", "encode"): text,
        ("numpy", "ndarray"): array,
        ("numpy", "dtype"): kind,
        ("torch._utils", "_rebuild_tensor"): tensor,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_parameter"): parameter,
    }
    for module in ("copyreg", "copy_reg"):
        found[module, "_reconstructor"] = new
    for core in ("numpy.core", "numpy._core"):
        found[f"{core}.multiarray", "_reconstruct"] = array
        found[f"{core}.multiarray", "scalar"] = number
        found[f"{core}.numeric", "_frombuffer"] = from_buffer
    for module in ("builtins", "__builtin__"):
        found[module, "object"] = type("object", (), {})
        found[module, "bytearray"] = found[module, "bytes"] = octets
    found |= {("torch", name): dtype for name, dtype in _STORAGES.items()}
    return found
