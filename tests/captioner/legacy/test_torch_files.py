"""Both formats of PyTorch's files: tensors come back, and damage or greed is one clear line."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from captioner.errors import ModelError
from captioner.legacy.torch_files import read_tensors
from tests.captioner.little_memory import little_memory


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_tensors_of_all_kinds_come_back(new: bool, protocol: int, tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float64)
    state = {
        "view": base[4:16].view(3, 4).t(),
        "same storage": base[:5],
        "scalar": torch.tensor(7),
        "half": torch.randn(2, 3).half(),
        "bfloat": torch.randn(3).bfloat16(),
        "bool": torch.tensor([True, False]),
        "empty": torch.zeros(0, 4),
        "parameter": nn.Parameter(torch.randn(2, 2)),
    }
    path = tmp_path / "state.pt"
    torch.save(state, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    found = read_tensors(path)
    assert found.keys() == state.keys()
    assert all(
        torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in state.items()
    )


def _damages() -> Iterator[bytes]:
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save({"a": torch.arange(1000.0)}, buffer, _use_new_zipfile_serialization=new)
        whole = buffer.getvalue()
        yield from (whole[: len(whole) * part // 4] for part in range(4))
    yield b"no file of PyTorch"
    yield pickle.dumps({"a": 1})


@pytest.mark.parametrize("number", range(10))
def test_a_damaged_checkpoint_is_one_clear_line(number: int, tmp_path: Path) -> None:
    path = tmp_path / "encoder.ckpt"
    path.write_bytes(list(_damages())[number])
    with pytest.raises(ModelError, match=r"encoder\.ckpt: ") as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)


def test_a_stream_that_claims_more_than_it_has_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, buffer, _use_new_zipfile_serialization=False)
    path = tmp_path / "encoder.ckpt"
    path.write_bytes(buffer.getvalue().replace(b"K\x03N", b"J\xff\xff\xff\x7fN"))
    with pytest.raises(ModelError, match="larger than the file"):
        read_tensors(path)


def test_a_stream_that_ends_behind_a_storages_first_number_is_cut_off(tmp_path: Path) -> None:
    """A single number would fill a tensor of any size."""
    buffer = io.BytesIO()
    torch.save({"a": torch.arange(1.0, 11.0)}, buffer, _use_new_zipfile_serialization=False)
    path = tmp_path / "encoder.ckpt"
    path.write_bytes(buffer.getvalue()[: -9 * 4])
    with pytest.raises(ModelError, match=r"encoder\.ckpt: storage \d+ is cut off$"):
        read_tensors(path)


def test_storages_that_together_claim_more_than_the_file_has_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    state = {str(number): torch.zeros(1000) for number in range(3)}
    torch.save(state, buffer, _use_new_zipfile_serialization=False)
    path = tmp_path / "encoder.ckpt"
    path.write_bytes(buffer.getvalue().replace(b"M\xe8\x03N", b"M\xb8\x0bN"))
    with pytest.raises(ModelError, match="larger than the file"):
        read_tensors(path)


def test_a_compressed_part_of_a_checkpoint_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "encoder.ckpt"
    torch.save({"a": torch.zeros(3)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            if name.endswith("/byteorder"):
                archive.writestr(name, bytes(30_000_000), zipfile.ZIP_DEFLATED)
            else:
                archive.writestr(name, content)
    with little_memory(), pytest.raises(ModelError, match="byteorder in it is compressed"):
        read_tensors(path)


def test_bytes_that_a_pickle_only_claims_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "encoder.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x05\x96" + struct.pack("<Q", 1 << 30) + b".")
    with little_memory(), pytest.raises(ModelError, match=r"encoder\.ckpt: damaged.*cut off"):
        read_tensors(path)


def _stream(*pickles: bytes) -> bytes:
    """An old file of no tensors: what comes after the magic number and the protocol's."""
    return b"".join([pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2), *pickles])


_NEST = b"N\x85" + b"2\x86" * 100  # a tuple of itself twice, and so on
_MACHINE = pickle.dumps({"little_endian": True}, 2)


@pytest.mark.parametrize(
    ("pickles", "message"),
    [
        ([_MACHINE, b"}.", b"(" + _NEST + b"l."], "its list of storages is not of those that it uses"),
        ([_MACHINE, b"}.", b"(Va\n" + _NEST + b"l."], "its list of storages is not of those that it uses"),
        ([_MACHINE, b"}.", pickle.dumps(["0"], 2)], "its list of storages is not of those that it uses"),
        ([_MACHINE, b"}.", _NEST + b"."], "its list of storages is not of those that it uses"),
        ([b"((" + _NEST + b"Nll."], "does not tell which machine wrote it"),
        ([b"I1\n."], "does not tell which machine wrote it"),
    ],
)
def test_a_stream_of_odd_pickles_is_one_clear_line(
    pickles: list[bytes], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "encoder.ckpt"
    path.write_bytes(_stream(*pickles))
    with pytest.raises(ModelError, match=rf"encoder\.ckpt: {message}$"):
        read_tensors(path)


def _big_endian_zip() -> bytes:
    buffer, changed = io.BytesIO(), io.BytesIO()
    torch.save({"a": torch.zeros(3)}, buffer)
    with zipfile.ZipFile(buffer) as archive, zipfile.ZipFile(changed, "w") as other:
        for name in archive.namelist():
            other.writestr(name, b"big" if name.endswith("/byteorder") else archive.read(name))
    return changed.getvalue()


@pytest.mark.parametrize(
    "written",
    [_big_endian_zip(), _stream(pickle.dumps({"little_endian": False}, 2), b"}.", b"].")],
    ids=["zip", "stream"],
)
def test_numbers_of_a_big_endian_machine_are_not_read_the_wrong_way_round(
    written: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "encoder.ckpt"
    path.write_bytes(written)
    with pytest.raises(ModelError, match=r"encoder\.ckpt: written on a big-endian machine$"):
        read_tensors(path)


_STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuI1000\nNtQ"
#: A view of 120^8 numbers of the storage's thousand.
_WIDE = (
    b"ctorch._utils\n_rebuild_tensor_v2\n(" + _STORAGE + b"I0\n" + 2 * (b"(" + b"I%d\n" * 8 + b"t") + b"tR"
)
_WIDE %= (*[120] * 8, *[1] * 8)


@pytest.mark.parametrize(
    ("view", "held"), [(b"N", [1, 2]), (b"(Va\nI7\nI3\nt", [8, 9])], ids=["whole", "part"]
)
def test_a_storage_that_is_a_part_of_another_begins_where_it_says(
    view: bytes, held: list[float], tmp_path: Path
) -> None:
    """As PyTorch wrote them before 0.4."""
    storage = _STORAGE.removesuffix(b"NtQ") + view + b"tQ"
    tensor = b"\x80\x02ctorch._utils\n_rebuild_tensor\n(" + storage + b"I1\n(I2\nt(I1\nttR."
    numbers = struct.pack("<q", 1000) + struct.pack("<1000f", *range(1000))
    path = tmp_path / "encoder.ckpt"
    path.write_bytes(_stream(_MACHINE, tensor, pickle.dumps(["0"], 2)) + numbers)
    assert read_tensors(path).tolist() == held


def test_a_storage_named_again_and_again_does_not_fill_the_memory(tmp_path: Path) -> None:
    """Each time three bytes make a view of it."""
    path = tmp_path / "encoder.ckpt"
    view = _STORAGE.removesuffix(b"NtQ") + b"(NI0\nI1\nttp1\nQ"
    path.write_bytes(_stream(_MACHINE, b"\x80\x02" + view + b"h\x01Q" * 20_000 + b"."))
    with pytest.raises(ModelError, match=r"encoder\.ckpt: damaged.*too many things"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (b"I0\nI1\ns", "entries of what is no dictionary"),
        (b"(NNNNtb", "a state of what has none"),
        (b"p1\n0ccollections\nOrderedDict\n(g1\ntR", "no list where one is expected"),
        (b"p1\n0c__builtin__\nbytearray\n(g1\ntR", "no bytes where they are expected"),
        (b"p1\n0cnumpy\nndarray\n)Rg1\nb", "a state of what has none"),
        (b"Q", "data of an unknown kind"),
        (b"p1\n0cnumpy\nndarray\ng1\nR", "arguments that are no tuple"),
    ],
)
def test_a_tensor_is_neither_changed_nor_taken_apart(use: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "encoder.ckpt"
    path.write_bytes(_stream(_MACHINE, b"\x80\x02" + _WIDE + use + b".") + bytes(5000))
    with pytest.raises(ModelError, match=rf"encoder\.ckpt: damaged.*{message}"):
        read_tensors(path)


def test_what_zipfile_cannot_tell_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "encoder.ckpt"
    torch.save({"a": torch.zeros(3)}, path)
    whole = bytearray(path.read_bytes())
    disks = whole.rindex(b"PK\x06\x07") + 16
    whole[disks] = 2
    path.write_bytes(whole)
    with pytest.raises(ModelError, match=r"encoder\.ckpt: damaged"):
        read_tensors(path)


def test_a_storage_that_the_archive_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "encoder.ckpt"
    torch.save({"a": torch.zeros(3)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/data/0")}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ModelError, match=r"encoder\.ckpt: .*/data/0 in it is missing"):
        read_tensors(path)
