"""Both formats of PyTorch's files: tensors come back, and damage or greed is one clear line."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from captioner.errors import ModelError
from captioner.torch_files import read_tensors
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
