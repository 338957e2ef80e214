"""ImageNet weights of model1 to model5: taken where they lie, fetched, or missed in one clear line."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import torch
from torchvision import models

from captioner.errors import ModelError
from captioner.networks.encoder import PooledEncoder

pytestmark = pytest.mark.usefixtures("short_resnet")
NAME = "resnet101-63fe2227.pth"
URL = f"https://download.pytorch.org/models/{NAME}"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file is looked for."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints" / NAME


def answer(monkeypatch: pytest.MonkeyPatch, give: Callable[[], object]) -> None:
    """What torch gets for its request."""
    monkeypatch.setattr(torch.hub, "urlopen", lambda *_, **__: give())


def refusal() -> str:
    with pytest.raises(ModelError) as caught:
        PooledEncoder("resnet101", 8, pretrained=True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _raise(error: Exception) -> object:
    raise error


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (URLError(OSError(-2, "Name or service not known")), " ([Errno -2] Name or service not known); "),
        (HTTPError(URL, 404, "Not Found", None, None), "HTTP Error 404: Not Found"),  # type: ignore[arg-type]
        (TimeoutError("timed out"), "timed out"),
    ],
)
def test_weights_that_cannot_be_fetched_are_named_with_where_to_put_them(
    error: Exception, why: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, lambda: _raise(error))
    told = refusal()
    assert told.startswith(f"resnet101 begins with ImageNet weights, which {URL} did not give (")
    assert why in told and told.endswith(f"put that file at {place}, or start from a model by --from")
    assert not place.exists()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"garbage\r\n\r\n", "(garbage)"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "(IncompleteRead(0 bytes read))"),
    ],
)
def test_an_answer_that_is_no_http_is_told_in_one_line(
    reply: bytes, why: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as that of a proxy that is out of order."""
    monkeypatch.setenv("no_proxy", "*")

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as threads:
        threads.submit(serve)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        answer(monkeypatch, lambda: urlopen(url, timeout=60))
        assert why in refusal()
    assert not place.exists()


class Body(BytesIO):
    def info(self) -> Message:
        return Message()


def test_weights_with_another_hash_are_not_taken(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as the page of a network that wants people to log in. No bar goes to what is no terminal."""
    answer(monkeypatch, lambda: Body(b"<html>Log in</html>"))
    assert "invalid hash value" in refusal() and not place.exists()
    assert not capsys.readouterr().err


@pytest.mark.parametrize("held", [b"", b"no weights", b"PK\x03\x04"])
def test_a_damaged_file_is_named(held: bytes, place: Path) -> None:
    place.parent.mkdir(parents=True)
    place.write_bytes(held)
    assert refusal().startswith(f"{place}: not the ImageNet weights of resnet101 (")


def test_weights_of_another_network_are_refused(place: Path) -> None:
    place.parent.mkdir(parents=True)
    torch.save({"conv1.weight": torch.zeros(3)}, place)
    assert refusal().startswith(f"{place}: not the ImageNet weights of resnet101 (")


def test_a_file_put_there_by_hand_is_taken(place: Path) -> None:
    network = models.resnet101()
    place.parent.mkdir(parents=True)
    torch.save(network.state_dict(), place)
    encoder = PooledEncoder("resnet101", 8, pretrained=True)
    assert torch.equal(encoder.resnet[0].get_parameter("weight"), network.conv1.weight)
