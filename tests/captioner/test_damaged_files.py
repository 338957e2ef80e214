"""Files of models with bytes changed, lost and come in between: each is read, or refused in one short line.

A damage that hangs, fills the memory or raises anything else fails here; those that were found have tests
of their own (test_unpickle, test_torch_files, test_checkpoint).
"""

from __future__ import annotations

import collections
import io
import pickle
import pickletools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from captioner import checkpoint
from captioner.errors import ModelError
from captioner.legacy.checkpoints import legacy_vocabulary
from captioner.legacy.torch_files import read_tensors
from captioner.legacy.unpickle import read_matrix
from captioner.model_folder import CONFIG
from tests.captioner.original import WORDS, pickled_vocabulary
from tests.captioner.worlds import tiny_checkpoint

_OPCODES = [opcode.code.encode("latin1") for opcode in pickletools.opcodes]
#: What a pickle may be misled by: opcodes, names, calls, and a tuple of the same twice, and so on.
_PIECES = [
    *_OPCODES,
    b"N\x85" + b"2\x86" * 60,
    b"h\x00",
    b"h\x01",
    b"g1\n",
    b"p1\n",
    b"I5\n",
    b"Va\n",
    b"\x85R",
    b")R",
    b"cnumpy\nndarray\n",
    b"cnumpy\ndtype\n",
    b"ccollections\nOrderedDict\n",
    b"c__builtin__\nbytearray\n",
]
_JSON = [
    b"null",
    b"1e400",
    b"-1",
    b"9" * 400,
    b"[]",
    b"{}",
    b'"x"',
    b"NaN",
    b"\\ud800",
    b'"',
    b",",
    b"[[",
    b"\xff",
]


def _damaged(whole: bytes, pieces: list[bytes], chance: random.Random) -> bytes:
    """One to five damages, each at a place of its own."""
    found = bytearray(whole)
    for _ in range(chance.choice([1, 1, 2, 5])):
        place = chance.randrange(len(found) + 1)
        kind = chance.choice(["flip", "lose", "come", "repeat", "claim"])
        if kind == "flip":
            found[place : place + 1] = bytes([chance.randrange(256)])
        elif kind == "lose":
            del found[place : place + chance.randrange(1, 9)]
        elif kind == "come":
            found[place:place] = b"".join(chance.choices(pieces, k=chance.choice([1, 1, 3, 8])))
        elif kind == "repeat":
            found[place:place] = found[max(0, place - chance.randrange(1, 9)) : place] * chance.choice(
                [1, 500]
            )
        else:
            found[place : place + 4] = chance.choice([b"\xff\xff\xff\xff", b"\xff\xff\xff\x0f", bytes(4)])
    return bytes(found)


def _check(read: Callable[[Path], Any], path: Path) -> None:
    try:
        read(path)
    except ModelError as error:
        assert len(str(error)) < len(str(path)) + 400 and "\n" not in str(error)


def _state_dicts() -> Iterator[bytes]:
    state = collections.OrderedDict(a=torch.randn(3, 4), b=torch.randn(4).half(), c=torch.arange(10.0)[2:6])
    for new in (True, False):
        for protocol in (2, 4):
            buffer = io.BytesIO()
            torch.save(state, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
            yield buffer.getvalue()


def _matrices(protocol: int) -> Iterator[bytes]:
    numbers = np.random.default_rng(1).normal(size=(2, 3))
    for given in (numbers, numbers.astype(">f4"), numbers.tolist(), [list(row) for row in numbers]):
        yield pickle.dumps(given, protocol)


def _old() -> Iterator[tuple[Callable[[Path], Any], bytes]]:
    """Every form of an old file, and who reads it."""
    yield from ((read_tensors, whole) for whole in _state_dicts())
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield legacy_vocabulary, pickled_vocabulary(WORDS[:6], protocol=protocol)
        yield from ((read_matrix, whole) for whole in _matrices(protocol))


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_old_file_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    chance, path = random.Random(seed), tmp_path / "old.file"
    for read, whole in _old():
        for _ in range(10):
            path.write_bytes(_damaged(whole, _PIECES, chance))
            _check(read, path)


@pytest.mark.parametrize(
    ("name", "times"), [(CONFIG, 40), (checkpoint.VOCABULARY, 40), (checkpoint.WEIGHTS, 8)]
)
def test_a_damaged_model_is_read_or_refused(name: str, times: int, tmp_path: Path) -> None:
    folder, chance = tmp_path / "model", random.Random(name)
    checkpoint.save(tiny_checkpoint(seed=1), folder)
    whole = (folder / name).read_bytes()
    for _ in range(times):
        (folder / name).write_bytes(_damaged(whole, _JSON, chance))
        _check(checkpoint.load, folder)
