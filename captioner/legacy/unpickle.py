"""Read pickles of other people as data: nothing in them is ever executed.

A pickle is a program that may call any function. Here it may use only the (module, name) pairs of
`captioner.legacy.stand_ins`, and gets a harmless stand-in for each, never the named object; any other name is
refused. PyTorch's own `weights_only` reader is not used, because it cannot read vocabularies and word
vectors, permits more names, and does not limit memory.
"""

from __future__ import annotations

import pickle  # only its loop over the opcodes; every name that a file uses goes through find_class
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from captioner.errors import ModelError
from captioner.legacy.memory_budget import MemoryBudget
from captioner.legacy.stand_ins import (
    PickledArray,
    PickledKind,
    PickledVocabulary,
    new_vocabulary,
    put_items,
    stand_ins,
)
from captioner.outside import error_text

#: A matrix may hold this many numbers more than its file has bytes, since rows may be one shared row, such as
#: that of 10,000 unknown words.
_SHARED = 10_000 * 300


def read_vocabulary(path: Path) -> PickledVocabulary:
    """A pickled `build_vocab.Vocabulary` or `__main__.Vocabulary`, of any protocol. Raises ModelError."""
    vocabulary = read_as_data(path, lambda file, budget: DataUnpickler(file, budget, "utf-8").load())
    if not isinstance(vocabulary, PickledVocabulary):
        raise ModelError(f"{path}: not a pickled vocabulary, but {type(vocabulary).__name__}")
    return vocabulary


def read_matrix(path: Path) -> Tensor:
    """A pickled matrix (an array, or a list of rows) as float32 (rows, columns). Raises ModelError."""
    found = read_as_data(path, lambda file, budget: DataUnpickler(file, budget).load())
    most = path.stat().st_size + _SHARED
    try:
        with np.errstate(over="raise"):  # for numbers beyond float32
            rows = found.array() if isinstance(found, PickledArray) else _read_rows(found, most)
            matrix = torch.from_numpy(np.asarray(rows, dtype=np.float32).copy())
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ModelError(f"{path}: not a matrix of numbers ({error_text(error)})") from None
    if matrix.ndim != 2:
        raise ModelError(f"{path}: a matrix has two dimensions; this has the shape {tuple(matrix.shape)}")
    return matrix


def read_as_data(path: Path, read: Callable[[IO[bytes], MemoryBudget], Any]) -> Any:
    """Open the file and `read` it; any error of a damaged or hostile file becomes one ModelError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    with file:
        return _read_safely(file, path, read)


def _read_safely(file: IO[bytes], path: Path, read: Callable[[IO[bytes], MemoryBudget], Any]) -> Any:
    try:
        return read(file, MemoryBudget(path))
    except ModelError:
        raise
    except RecursionError:
        raise ModelError(f"{path}: damaged, or not a file of this kind (nested too deeply)") from None
    except Exception as error:  # a broken pickle raises nearly anything
        raise ModelError(f"{path}: damaged, or not a file of this kind ({error_text(error)})") from None


def _read_rows(rows: Any, most: int) -> list[np.ndarray[Any, Any]]:
    """Rows of at most `most` numbers together: a small pickle may name one list a million times."""
    found, numbers = [], 0
    for row in rows:
        found.append(_read_row(row))
        numbers += found[-1].size
        if numbers > most:
            raise ValueError("many more numbers than a file of its size holds")
    return found


def _read_row(row: Any) -> np.ndarray[Any, Any]:
    if isinstance(row, PickledArray):
        return row.array()
    if not all(isinstance(number, (int, float)) for number in row):
        raise TypeError("a row holds something else")
    return np.asarray(row, dtype=np.float32)


_STANDARD = pickle._Unpickler.dispatch
#: Opcodes that these files never use: sets would hash what they hold, and the others reach out of the pickle.
_REFUSED = pickle.EMPTY_SET + pickle.FROZENSET + pickle.ADDITEMS + pickle.NEWOBJ_EX
_REFUSED += pickle.EXT1 + pickle.EXT2 + pickle.EXT4 + pickle.NEXT_BUFFER + pickle.READONLY_BUFFER
#: Opcodes of a single byte that make an object.
_MAKING = pickle.MARK + pickle.EMPTY_LIST + pickle.EMPTY_DICT + pickle.MEMOIZE
_MAKING += pickle.TUPLE1 + pickle.TUPLE2 + pickle.TUPLE3


def _counting_things(load: Callable[[Any], None]) -> Callable[[Any], None]:
    """The standard step, which first takes one object from the budget."""

    def load_within_budget(reader: DataUnpickler) -> None:
        reader.budget.take_objects(1)
        load(reader)

    return load_within_budget


class DataUnpickler(pickle._Unpickler):
    """The standard unpickler, with names replaced by stand-ins and storages by `storage(persistent id)`.

    It is the one written in Python, since the compiled one takes no rules. The rules: only texts and small
    numbers are hashed, only objects that the pickle itself made are changed, and no more is made than
    the budget allows.
    """

    stack: list[Any]
    memo: dict[int, Any]
    pop_mark: Callable[[], list[Any]]
    readline: Callable[[], bytes]

    def __init__(
        self,
        file: IO[bytes],
        budget: MemoryBudget,
        encoding: str = "latin1",
        storage: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(file, encoding=encoding)
        self.budget, self._storage = budget, storage
        self._stand_ins = stand_ins(budget)

    def load(self) -> Any:
        try:
            return super().load()
        except (LookupError, EOFError, struct.error):  # an opcode, object or bytes are missing
            raise ValueError("no pickle, or cut off") from None

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._stand_ins[module, name]
        except KeyError:
            asked = f"{module}.{name}"[:100]
            raise ModelError(
                f"{self.budget.path}: refused, because it asks for {asked}, which is neither a tensor, "
                "an array nor a vocabulary; nothing in it was executed"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        if self._storage is None:
            raise ModelError(f"{self.budget.path}: refers to data that is not in the file")
        if type(pid) is not tuple:
            raise ValueError("data of an unknown kind")
        self.budget.take_objects(len(pid))
        return self._storage(pid)

    def _load_put(self) -> None:
        number = int(self.readline())
        if not 0 <= number < 1 << 32:
            raise ValueError("it remembers more than it holds")
        self.memo[number] = self.stack[-1]

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        put_items(self.stack[-1], [key, value])

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        put_items(self.stack[-1], items)

    def _load_dict(self) -> None:
        items = self.pop_mark()
        self.stack.append(put_items({}, items))

    def _load_reduce(self) -> None:
        arguments = self.stack.pop()
        if type(arguments) is not tuple:
            raise ValueError("arguments that are no tuple")
        self.budget.take_objects(len(arguments))  # a pickle may give the same tuple again and again
        self.stack[-1] = self.stack[-1](*arguments)

    def _load_newobj(self) -> None:
        _, kind = self.stack.pop(), self.stack.pop()
        self.stack.append(new_vocabulary(kind))

    def _load_build(self) -> None:
        state, thing = self.stack.pop(), self.stack[-1]
        if isinstance(thing, (PickledArray, PickledKind)) and type(state) is tuple:
            thing.__setstate__(state)
        elif isinstance(thing, PickledVocabulary) and type(state) is dict:
            self.budget.take_objects(len(state))
            thing.__dict__.update(state)
        elif not isinstance(thing, OrderedDict):  # a state dict's `_metadata` is ignored
            raise ValueError("a state of what has none")

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{code: load for code, load in _STANDARD.items() if code not in _REFUSED},
        **{code: _counting_things(_STANDARD[code]) for code in _MAKING},
        pickle.PUT[0]: _load_put,
        pickle.SETITEM[0]: _load_setitem,
        pickle.SETITEMS[0]: _load_setitems,
        pickle.DICT[0]: _load_dict,
        pickle.REDUCE[0]: _load_reduce,
        pickle.NEWOBJ[0]: _load_newobj,
        pickle.BUILD[0]: _load_build,
        pickle.BYTEARRAY8[0]: _STANDARD[pickle.BINBYTES8[0]],  # the standard step allocates before it reads
    }
