"""Pickled vocabularies and matrices of every protocol, and that nothing in them is ever executed."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from captioner.errors import ModelError
from captioner.legacy.checkpoints import legacy_vocabulary
from captioner.legacy.stand_ins import PickledVocabulary
from captioner.legacy.torch_files import read_tensors
from captioner.legacy.unpickle import read_matrix
from tests.captioner.little_memory import little_memory
from tests.captioner.original import WORDS, pickled_vocabulary


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("module", ["build_vocab", "__main__"])
def test_a_vocabulary_of_any_protocol_is_read(module: str, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "vocab.pkl"
    path.write_bytes(pickled_vocabulary(WORDS, module, protocol))
    assert legacy_vocabulary(path).words == tuple(WORDS)


def test_a_vocabulary_that_python_2_pickled_is_read(tmp_path: Path) -> None:
    """An old-style class by the opcodes INST and BUILD, its words as byte strings in UTF-8."""
    ids = b"".join(b"S%r\nI%d\ns" % (word, number) for number, word in enumerate(_python_2_words()))
    words = b"".join(b"I%d\nS%r\ns" % (number, word) for number, word in enumerate(_python_2_words()))
    path = tmp_path / "vocab.pkl"
    path.write_bytes(
        b"(ibuild_vocab\nVocabulary\np0\n(dS'word2idx'\n(d" + ids + b"sS'idx2word'\n(d" + words + b"sb."
    )
    assert legacy_vocabulary(path).words == ("<pad>", "<start>", "<end>", "<unk>", "dog", "café")


class _Python2String(bytes):
    def __repr__(self) -> str:
        return bytes.__repr__(self)[1:]

    def __format__(self, _: str) -> str:
        return repr(self)


def _python_2_words() -> list[_Python2String]:
    words = ("<pad>", "<start>", "<end>", "<unk>", "dog", "café")
    return [_Python2String(word.encode()) for word in words]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda words: words[1:], "a vocabulary begins with"),
        (lambda words: [*words, words[-1]], r"vocab\.pkl: the word '狗' stands twice"),
        (lambda words: [*words, "\ud800"], r"vocab\.pkl: the word .* is no text"),
    ],
)
def test_a_vocabulary_that_makes_no_sense_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "vocab.pkl"
    path.write_bytes(pickled_vocabulary(change(WORDS)))
    with pytest.raises(ModelError, match=message):
        legacy_vocabulary(path)


class _Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


def _names() -> list[tuple[Any, str]]:
    import os
    import subprocess

    return [
        (_Evil(os.system, "touch executed"), "(posix|nt).system"),
        (_Evil(eval, "open('executed', 'w')"), "(builtins|__builtin__).eval"),
        (_Evil(subprocess.Popen, ["touch", "executed"]), "(subprocess|commands).Popen"),
        (_Evil(getattr, "", "join"), "(builtins|__builtin__).getattr"),
        (_Evil(torch.load, "other.pt"), "torch.serialization.load"),
        (_Evil(np.load, "other.npy"), "numpy.load"),
    ]


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("number", range(6))
def test_everything_else_is_refused_by_name_and_not_executed(
    number: int, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    evil, name = _names()[number]
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps(evil, protocol))
    for read in (legacy_vocabulary, read_matrix, read_tensors):
        with pytest.raises(ModelError, match=f"refused.*{name}"):
            read(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("new", [True, False])
def test_a_hostile_checkpoint_is_refused_in_both_formats(new: bool, tmp_path: Path) -> None:
    path = tmp_path / "encoder.ckpt"
    torch.save({"linear.weight": _Evil(print, "executed")}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(ModelError, match=r"refused.*print"):
        read_tensors(path)


def test_a_whole_pickled_module_is_refused_by_name(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "encoder.ckpt")
    with pytest.raises(ModelError, match=r"refused.*torch\.nn\.modules\.linear\.Linear"):
        read_tensors(tmp_path / "encoder.ckpt")


def test_dotted_names_reach_nothing(tmp_path: Path) -> None:
    """Protocol 4 can ask for an attribute of an allowed name."""
    path = tmp_path / "vocab.pkl"
    path.write_bytes(b"\x80\x04\x8c\x0bbuild_vocab\x8c\x1fVocabulary.__init__.__globals__\x93.")
    with pytest.raises(ModelError, match=r"build_vocab\.Vocabulary\.__init__\.__globals__"):
        legacy_vocabulary(path)


def test_what_one_file_changes_does_not_reach_the_next(tmp_path: Path) -> None:
    """A pickle may set attributes of the classes it names; the next file meets fresh ones."""
    path = tmp_path / "vocab.pkl"
    path.write_bytes(b"cbuild_vocab\nVocabulary\n(N(dVword2idx\nV1\nsVidx2word\nV2\nstb.")
    with pytest.raises(ModelError):
        legacy_vocabulary(path)
    path.write_bytes(pickle.dumps({}))
    with pytest.raises(ModelError, match="not a pickled vocabulary, but dict"):
        legacy_vocabulary(path)
    path.write_bytes(b"(ibuild_vocab\nVocabulary\n.")
    with pytest.raises(ModelError, match="without word2idx"):
        legacy_vocabulary(path)


@pytest.mark.parametrize("read", [legacy_vocabulary, read_matrix, read_tensors])
@pytest.mark.parametrize("put", [b"r\xff\xff\xff\x03", b"p67108863\n"])
def test_a_thing_remembered_under_a_large_number_takes_no_memory(
    put: bytes, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "file.pkl"
    path.write_bytes(b"\x80\x02N" + put + b".")
    with little_memory(), pytest.raises(ModelError):
        read(path)


#: A tuple of the same twice, and so on: its hash is made of 2^100 others, and so is what it is in print.
_NEST = b"N\x85" + b"2\x86" * 100

_HASHED = {
    "one entry": b"}" + _NEST + b"Ns",
    "entries": b"}(" + _NEST + b"Nu",
    "a dictionary": b"(" + _NEST + b"Nd",
    "an ordered one": b"ccollections\nOrderedDict\n)R" + _NEST + b"Ns",
    "pairs": b"ccollections\nOrderedDict\n](" + _NEST + b"Nl\x61\x85R",
    "a set": b"\x8f(" + _NEST + b"\x90",
    "a frozen set": b"(" + _NEST + b"\x91",
    "an attribute": b"(ibuild_vocab\nVocabulary\n}" + _NEST + b"Nsb",
    "a memory": _NEST + b"g1\n",
    "a type": b"cnumpy\ndtype\n" + _NEST + b"\x85R",
    "an encoding": b"c_codecs\nencode\nVa\n" + _NEST + b"\x86R",
    "a name": _NEST + b"Va\n\x93",
    "a function": _NEST + b")R",
    "a class": _NEST + b")\x81",
    "data": _NEST + b"Q",
    "nothing else": _NEST,
}


@pytest.mark.parametrize("read", [legacy_vocabulary, read_matrix, read_tensors])
@pytest.mark.parametrize("place", _HASHED)
def test_tuples_in_tuples_are_neither_hashed_nor_printed(
    place: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "file.pkl"
    path.write_bytes(_HASHED[place] + b".")
    with pytest.raises(ModelError, match=r"file\.pkl: ") as caught:
        read(path)
    assert len(str(caught.value)) < len(str(path)) + 300


@pytest.mark.parametrize("entry", [b"I%d\nNs", b"Np%d\n0"])
def test_numbers_of_one_hash_are_refused(entry: bytes, tmp_path: Path) -> None:
    """Each of them would be compared with all before it."""
    path = tmp_path / "vocab.pkl"
    path.write_bytes(b"}" + b"".join(entry % (number * (2**61 - 1)) for number in range(100)) + b".")
    with pytest.raises(ModelError, match=r"small number|remembers more than it holds"):
        legacy_vocabulary(path)


@pytest.mark.parametrize("key", [b"F0.5\n", b"F7.0\n", b"I01\n", b"N"])
def test_what_is_neither_a_text_nor_a_whole_number_is_no_key(key: bytes, tmp_path: Path) -> None:
    """Fractions could be made of one hash, too."""
    path = tmp_path / "vocab.pkl"
    path.write_bytes(b"}" + key + b"Ns.")
    with pytest.raises(ModelError, match="neither a text nor a small number"):
        legacy_vocabulary(path)


_VOCABULARY = b"cbuild_vocab\nVocabulary\n"
_KIND = b"cnumpy\ndtype\n(X\x02\x00\x00\x00f4\x89\x88tR"
_BOMBS = {
    "lists": b"]" * 200_000,
    "dictionaries": b"}" * 200_000,
    "marks": b"(" * 200_000,
    "tuples": b"N" + b"\x85" * 200_000,
    "memories": b"N" + b"\x94" * 200_000,
    "attributes": _VOCABULARY
    + b"p1\n0("
    + b"".join(b"I%d\nN" % number for number in range(5000))
    + b"dp2\n0"
    + b"h\x01)\x81h\x02b" * 8000,
    "shapes": b"cnumpy.core.numeric\n_frombuffer\np1\n0"
    + _KIND
    + b"p2\n0("
    + b"I1\n" * 60_000
    + b"lp3\n0(C\x04abcdh\x02h\x03X\x01\x00\x00\x00Ctp4\n0"
    + b"h\x01h\x04R" * 4000,
    "dictionaries of pairs": b"ccollections\nOrderedDict\np1\n0("
    + b"".join(b"(I%d\nNt" % number for number in range(5000))
    + b"l\x85p2\n0"
    + b"h\x01h\x02R" * 4000,
    "arguments": b"cnumpy\nndarray\np1\n0(" + b"N" * 50_000 + b"tp2\n0" + b"h\x01h\x02R0" * 50_000,
}


@pytest.mark.parametrize("read", [legacy_vocabulary, read_matrix, read_tensors])
@pytest.mark.parametrize("bomb", _BOMBS)
def test_a_small_pickle_does_not_fill_the_memory(
    bomb: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "file.pkl"
    path.write_bytes(b"\x80\x04" + _BOMBS[bomb] + b".")
    with little_memory(), pytest.raises(ModelError, match=r"file\.pkl: damaged"):
        read(path)


def test_the_order_of_bytes_said_again_and_again_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "weights_matrix.pkl"
    state = b"I3\nX\x01\x00\x00\x00>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffI0\nt"
    array = b"cnumpy.core.numeric\n_frombuffer\n(C\x04\x3f\x80\x00\x00" + _KIND
    path.write_bytes(array + (b"(" + state + b"b") * 3 + b"I1\nI1\n\x86X\x01\x00\x00\x00CtR.")
    assert read_matrix(path).tolist() == [[1.0]]


@pytest.mark.parametrize("wrong", [b"cos\n" + b"a" * 50_000 + b"\n", b"F" + b"a" * 50_000 + b"\n"])
def test_what_the_file_says_is_not_repeated_at_length(wrong: bytes, tmp_path: Path) -> None:
    path = tmp_path / "vocab.pkl"
    path.write_bytes(wrong + b".")
    with pytest.raises(ModelError, match=r"vocab\.pkl: ") as caught:
        legacy_vocabulary(path)
    assert len(str(caught.value)) < len(str(path)) + 300


@pytest.mark.parametrize(
    "copy", [b"c_codecs\nencode\n(h\x00X\x06\x00\x00\x00latin1tR", b"c__builtin__\nbytearray\n(h\x00tR"]
)
def test_copies_of_one_text_do_not_fill_the_memory(copy: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.pkl"
    text = b"X" + struct.pack("<I", 1_000_000) + b"a" * 1_000_000
    path.write_bytes(b"\x80\x02](" + text + b"q\x00" + copy * 1000 + b"e.")
    with little_memory(), pytest.raises(ModelError, match="larger than the file"):
        read_matrix(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["array", "list", "rows", "fortran", "big-endian", "numbers"])
def test_a_weights_matrix_of_any_kind_is_read(kind: str, protocol: int, tmp_path: Path) -> None:
    matrix = np.random.default_rng(1).normal(size=(5, 3))
    given: Any = {
        "array": matrix,
        "list": matrix.tolist(),
        "rows": list(matrix.astype("float32")),
        "fortran": np.asfortranarray(matrix),
        "big-endian": matrix.astype(">f4"),
        "numbers": [list(row) for row in matrix],
    }[kind]
    path = tmp_path / "weights_matrix.pkl"
    path.write_bytes(pickle.dumps(given, protocol))
    np.testing.assert_allclose(read_matrix(path).numpy(), matrix, rtol=1e-6)


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights_matrix.pkl"
    path.write_bytes(pickle.dumps(np.array([["a", None]], dtype=object)))
    with pytest.raises(ModelError, match="only numbers are read"):
        read_matrix(path)


def _shared_row() -> object:
    return [[1.0] * 1000] * 10_000


def _boxes() -> object:
    row: list[object] = [1.0] * 10
    for _ in range(9):
        row = [row] * 10
    return row


@pytest.mark.parametrize(
    "given",
    [_shared_row(), _boxes(), [[10**400]], [[1e300]], np.array([[1e300]]), [1.0, 2.0], [["a"]], {"a": 1}, 3],
    ids=["shared row", "boxes", "huge", "large", "large array", "one row", "text", "mapping", "number"],
)
def test_what_is_no_matrix_is_refused_before_it_fills_the_memory(given: object, tmp_path: Path) -> None:
    path = tmp_path / "weights_matrix.pkl"
    path.write_bytes(pickle.dumps(given))
    with little_memory(), pytest.raises(ModelError, match=r"weights_matrix\.pkl: not a matrix of numbers"):
        read_matrix(path)


def test_rows_may_be_one_and_the_same(tmp_path: Path) -> None:
    """As those of unknown words are, where somebody made them all by one list of zeros."""
    unknown, path = [0.0] * 50, tmp_path / "weights_matrix.pkl"
    path.write_bytes(pickle.dumps([[1.0] * 50] + [unknown] * 200))
    assert read_matrix(path).shape == (201, 50)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({0: ["a"], 1: "b"}, "words that are no text"),
        ({0: "<pad>", 1: "<start>", 2: "<end>", 3: "<unk>", 4: "b"}, "contradict each other"),
        ({"0": "a"}, "ids of the words are not 0"),
        ({0: "a", 2: "b"}, "ids of the words are not 0"),
    ],
)
def test_an_odd_vocabulary_is_one_line(
    words: dict[Any, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = PickledVocabulary()
    odd.word2idx, odd.idx2word = {"a": 0, "b": 1}, words
    monkeypatch.setattr("captioner.legacy.checkpoints.read_vocabulary", lambda _: odd)
    with pytest.raises(ModelError, match=message):
        legacy_vocabulary(tmp_path / "vocab.pkl")
