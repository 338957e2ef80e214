"""Read pickles and PyTorch files of other people as data: nothing in them is ever executed.

A pickle is a program that may call any function. Here it may name exactly the (module, name) pairs of
`_stand_ins`, and gets for each a harmless stand-in of this module, never the thing itself; any other
name is refused. PyTorch's own `weights_only` reader is not used, because the versions of PyTorch that
this package supports include ones in which it could be tricked (CVE-2025-32434), and because it cannot
read a vocabulary.
"""

from __future__ import annotations

import io
import pickle  # only the machine that walks through the opcodes; every name it meets goes through find_class
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from captioner.errors import ModelError

_TORCH_MAGIC, _TORCH_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
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
_NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


class PickledVocabulary:
    """Stands for the student project's `Vocabulary`: only its attributes come from the file."""

    word2idx: Any
    idx2word: Any


def read_vocabulary(path: Path) -> PickledVocabulary:
    """A pickled `build_vocab.Vocabulary` or `__main__.Vocabulary`, of any protocol. Raises ModelError."""
    vocabulary = _read(path, lambda file: _Reader(file, path, "utf-8").load())
    if not isinstance(vocabulary, PickledVocabulary):
        raise ModelError(f"{path}: not a pickled vocabulary, but {type(vocabulary).__name__}")
    return vocabulary


def read_matrix(path: Path) -> Tensor:
    """A pickled matrix (an array, or a list of rows) as float32 (rows, columns). Raises ModelError."""
    found = _read(path, lambda file: _Reader(file, path, "latin1").load())
    try:
        rows = found.array() if isinstance(found, _Array) else _rows(found, path.stat().st_size)
        matrix = torch.from_numpy(np.asarray(rows, dtype=np.float32).copy())
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{path}: not a matrix of numbers ({error})") from None
    if matrix.ndim != 2:
        raise ModelError(f"{path}: a matrix has two dimensions; this has the shape {tuple(matrix.shape)}")
    return matrix


def read_tensors(path: Path) -> Any:
    """What `torch.save` wrote, in the zip format or the older stream of pickles. Raises ModelError."""
    return _read(path, lambda file: _zip(file, path) if zipfile.is_zipfile(path) else _stream(file, path))


def _read(path: Path, read: Callable[[IO[bytes]], Any]) -> Any:
    """`read` the file; whatever a damaged or hostile one makes go wrong is one ModelError."""
    try:
        with path.open("rb") as file:
            return read(file)
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


class _Reader(pickle.Unpickler):
    """The standard machine, with names replaced by stand-ins and storages by `storage(persistent id)`."""

    def __init__(
        self,
        file: IO[bytes],
        path: Path,
        encoding: str = "latin1",
        storage: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(file, encoding=encoding)
        self._path, self._storage = path, storage
        self._stand_ins = _stand_ins()  # anew for each file: a pickle can set attributes of what it names

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


class _Array:
    """Stands for a NumPy array or number while it is read."""

    def __init__(self, *_: Any) -> None:
        self._shape: tuple[int, ...] = ()
        self._code, self._raw, self._fortran = "", b"", False

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, raw = state
        self.fill(tuple(shape), kind, raw, bool(fortran))

    def fill(self, shape: tuple[int, ...], kind: Any, raw: Any, fortran: bool) -> _Array:
        if not isinstance(kind, _Kind):
            raise ValueError("an array without a type")
        self._shape, self._code, self._fortran = shape, kind.code, fortran
        self._raw = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
        return self

    def array(self) -> np.ndarray[Any, Any]:
        values = np.frombuffer(self._raw, dtype=np.dtype(self._code))
        return values.reshape(self._shape, order="F" if self._fortran else "C")


class _Kind:
    """Stands for `numpy.dtype`: plain numbers only."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in _NUMBERS:
            raise ValueError(f"an array of {code!r}; only numbers are read")
        self.code = str(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] == ">":
            self.code = ">" + self.code


def _stand_ins() -> dict[tuple[str, str], Any]:
    """All names that a file may use, by every version's name of the module, and what it gets for each."""
    vocabulary = type("PickledVocabulary", (PickledVocabulary,), {})
    array, kind = type("_Array", (_Array,), {}), type("_Kind", (_Kind,), {})

    def new(cls: Any, *_: Any) -> Any:
        """copyreg's and copy_reg's way to make an instance of protocol 0 and 1."""
        if cls is not vocabulary:
            raise ValueError("an object of another kind")
        return vocabulary()

    def text(value: str, encoding: str = "latin1") -> bytes:
        if encoding != "latin1":
            raise ValueError(f"text encoded in {encoding}")
        return value.encode("latin1")

    def octets(value: Any = b"", *_: Any) -> bytes:
        return value.encode("latin1") if isinstance(value, str) else bytes(list(value))

    def number(of: Any, raw: Any) -> float:
        return float(array().fill((), of, raw, False).array())

    def from_buffer(buffer: Any, of: Any, shape: Any, order: Any) -> Any:
        return array().fill(tuple(shape), of, buffer, order == "F")

    def tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
        return torch.as_strided(storage, tuple(size), tuple(stride), offset)

    def parameter(data: Tensor, *_: Any) -> Tensor:
        return data

    found: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
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


def _zip(file: IO[bytes], path: Path) -> Any:
    """The format since PyTorch 1.6: data.pkl, and each storage as a file of its own, stored plainly."""
    with zipfile.ZipFile(file) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ModelError(f"{path}: a zip file, but not one that torch.save wrote")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise ModelError(f"{path}: written on a big-endian machine")
        made: dict[str, Tensor] = {}

        def storage(pid: Any) -> Tensor:
            dtype, key, count = _storage_id(pid)
            if key not in made:
                raw = _entry(archive, f"{root}data/{key}", path)
                if len(raw) != count * dtype.itemsize:
                    raise ModelError(f"{path}: storage {key} is not of the size that it claims")
                made[key] = _from_bytes(raw, dtype)
            return made[key]

        return _Reader(io.BytesIO(_entry(archive, pickles[0], path)), path, storage=storage).load()


def _entry(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """A file of the archive; torch.save never compresses, and a compressed one could fill the memory."""
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ModelError(f"{path}: {name} in it is compressed; torch.save did not write it")
    return archive.read(entry)


def _stream(file: IO[bytes], path: Path) -> Any:
    """The format before PyTorch 1.6: magic, version, machine, object, keys, then the storages' bytes."""
    size = path.stat().st_size
    if _Reader(file, path).load() != _TORCH_MAGIC or _Reader(file, path).load() != _TORCH_PROTOCOL:
        raise ModelError(f"{path}: not a file that torch.save wrote")
    if not dict(_Reader(file, path).load()).get("little_endian", True):
        raise ModelError(f"{path}: written on a big-endian machine")
    made: dict[str, Tensor] = {}

    def storage(pid: Any) -> Tensor:
        dtype, key, count = _storage_id(pid)
        if key not in made:
            if not 0 <= count * dtype.itemsize <= size:
                raise ModelError(f"{path}: storage {key} claims to be larger than the file")
            made[key] = torch.zeros(count, dtype=dtype)  # its bytes come after the object
        view = pid[5] if len(pid) > 5 else None
        return made[key] if view is None else made[key][view[1] : view[1] + view[2]]

    found = _Reader(file, path, storage=storage).load()
    _fill(file, path, made, _Reader(file, path).load())
    return found


def _fill(file: IO[bytes], path: Path, storages: Mapping[str, Tensor], keys: Sequence[str]) -> None:
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        storage = storages[key]
        raw = file.read(storage.numel() * storage.itemsize)
        if count != storage.numel() or len(raw) != count * storage.itemsize:
            raise ModelError(f"{path}: storage {key} is cut off")
        if count:
            storage.copy_(_from_bytes(raw, storage.dtype))
    if missing := set(storages) - set(keys):
        raise ModelError(f"{path}: storage {min(missing)} is missing")


def _storage_id(pid: Any) -> tuple[torch.dtype, str, int]:
    """("storage", type, key, location, number of elements, ...); where it was (a GPU) is no matter."""
    kind, dtype, key, _, count = pid[:5]
    if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(count, int):
        raise ValueError(f"data of the unknown kind {kind!r}")
    return dtype, str(key), count


def _from_bytes(raw: bytes, dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.zeros(0, dtype=dtype)
