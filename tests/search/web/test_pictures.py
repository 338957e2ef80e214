"""Which file is an image's picture: never that of another image, where the right one can be told."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner.photo import media_type
from indexer.records import CaptionRecord
from search.web import service
from search.web.pictures import REMEMBER_SECONDS, Pictures
from search.web.settings import Settings
from tests.indexer.memory import MemoryIndex
from tests.search.web.conftest import Serve
from tests.search.web.test_api import V1, problem


@pytest.fixture
def shelf(tmp_path: Path) -> Pictures:
    """Two folders of photos; cameras give the same names again and again."""
    for name in ("a/IMG_1.jpg", "a/2018/IMG_1.jpg", "b/IMG_1.jpg", "b/2019/IMG_1.jpg", "b/2019/IMG_2.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a picture")
    return Pictures([tmp_path / "a", tmp_path / "b"])


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("{here}/b/2019/IMG_1.jpg", "b/2019/IMG_1.jpg"),  # the very file, whatever is named first
        ("{here}/a/IMG_1.jpg", "a/IMG_1.jpg"),
        ("/elsewhere/photos/2019/IMG_1.jpg", "b/2019/IMG_1.jpg"),  # moved: the longest end counts
        ("C:\\photos\\2019\\IMG_1.jpg", "b/2019/IMG_1.jpg"),
        ("2019/IMG_1.jpg", "b/2019/IMG_1.jpg"),
        ("IMG_2.jpg", None),
    ],
)
def test_the_file_that_agrees_most(shelf: Pictures, tmp_path: Path, image: str, expected: str | None) -> None:
    found = shelf.find(image.format(here=tmp_path))
    assert found == (tmp_path / expected if expected else None)


def test_a_photo_that_has_gone_is_not_another_one_of_its_name(shelf: Pictures, tmp_path: Path) -> None:
    (tmp_path / "b/2019/IMG_1.jpg").unlink()
    assert shelf.find(f"{tmp_path}/b/2019/IMG_1.jpg") is None
    (tmp_path / "by-another-name").symlink_to(tmp_path / "b")
    assert shelf.find(f"{tmp_path}/by-another-name/2019/IMG_1.jpg") is None
    assert shelf.find(f"{tmp_path}/by-another-name/IMG_1.jpg") == tmp_path / "b/IMG_1.jpg"


def test_a_link_that_leads_in_is_the_picture(shelf: Pictures, tmp_path: Path) -> None:
    (tmp_path / "link.jpg").symlink_to(tmp_path / "b/2019/IMG_2.jpg")
    assert shelf.find(f"{tmp_path}/link.jpg") == tmp_path / "b/2019/IMG_2.jpg"


def test_a_link_that_leads_out_is_no_picture_of_its_name(shelf: Pictures, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"not to be shown")
    (tmp_path / "b/2019/IMG_2.jpg").unlink()
    (tmp_path / "b/2019/IMG_2.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "b/IMG_2.jpg").write_bytes(b"another picture")
    assert shelf.find(f"{tmp_path}/b/2019/IMG_2.jpg") is None


def test_a_link_that_takes_a_picture_s_place_is_not_followed_out(shelf: Pictures, tmp_path: Path) -> None:
    picture, folder = tmp_path / "b/2019/IMG_2.jpg", tmp_path / "b/2019"
    assert shelf.find(str(picture)) == shelf.find("2019/IMG_2.jpg") == picture
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/IMG_2.jpg").write_bytes(b"not to be shown")
    picture.unlink()
    picture.symlink_to(tmp_path / "secret/IMG_2.jpg")
    assert (shelf.find(str(picture)), shelf.find("2019/IMG_2.jpg")) == (None, None)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "secret")
    assert (shelf.find(str(picture)), shelf.find("2019/IMG_2.jpg")) == (None, None)


def test_only_a_file_that_was_in_a_named_folder_has_gone(shelf: Pictures, tmp_path: Path) -> None:
    picture, link = tmp_path / "b/2019/IMG_2.jpg", tmp_path / "b/link.jpg"
    assert shelf.find(str(picture)) and not shelf.has_gone(str(picture))
    picture.unlink()
    assert shelf.find(str(picture)) is None and shelf.has_gone(str(picture)), "it is noticed at once"
    (tmp_path / "outside.jpg").write_bytes(b"a picture")
    link.symlink_to(tmp_path / "outside.jpg")
    for other in ("", "IMG_2.jpg", "/elsewhere/IMG_9.jpg", f"{tmp_path}/IMG_9.jpg", str(link)):
        assert shelf.find(other) is None and not shelf.has_gone(other)
    assert not Pictures([]).has_gone(str(picture))


def refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From now on nobody may look at files of that name, not even root, as whom tests may run."""
    look = os.stat

    def stat(path: Any, **how: Any) -> os.stat_result:
        if not isinstance(path, int) and Path(os.fsdecode(path)).name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, **how)

    monkeypatch.setattr(os, "stat", stat)


def test_a_file_that_may_not_be_looked_at_is_not_found_and_not_gone(
    shelf: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered, never_seen = str(tmp_path / "b/2019/IMG_2.jpg"), "b/2019/IMG_2.jpg"
    assert shelf.find(remembered)
    refused(monkeypatch, "IMG_2.jpg")
    for image in (remembered, never_seen):
        assert shelf.find(image) is None
        assert not shelf.has_gone(image)


@pytest.mark.parametrize("name", ["x" * 300, "\0.jpg", "IMG_1.jpg/x.jpg"])
def test_no_name_of_a_picture_spoils_an_answer(
    shelf: Pictures, serve: Serve, tmp_path: Path, name: str
) -> None:
    image = f"{tmp_path}/a/{name}"
    assert shelf.find(image) is None
    index = MemoryIndex([CaptionRecord("x", "a dog", image=image)])
    client = serve(index, Settings(images=(tmp_path / "a",)))
    for answer in (client.get(f"{V1}/text", params={"q": "dog"}), client.get(f"{V1}/random")):
        assert answer.status_code == 200
    assert shelf.has_gone(image) == (name == "IMG_1.jpg/x.jpg")


def test_a_picture_that_comes_back_to_its_place_is_found_at_once(shelf: Pictures, tmp_path: Path) -> None:
    picture, away = tmp_path / "b/2019/IMG_2.jpg", tmp_path / "away.jpg"
    picture.rename(away)
    assert shelf.find(str(picture)) is None and shelf.has_gone(str(picture))
    away.rename(picture)
    assert shelf.find(str(picture)) == picture


def test_a_picture_that_comes_or_goes_is_noticed_in_time(
    shelf: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("search.web.pictures.time.monotonic", lambda: now)
    come, gone = tmp_path / "a/new.jpg", tmp_path / "b/2019/IMG_2.jpg"
    assert (shelf.find("new.jpg"), shelf.find("2019/IMG_2.jpg")) == (None, gone)
    come.write_bytes(b"a picture")
    gone.unlink()
    now += REMEMBER_SECONDS
    assert (shelf.find("new.jpg"), shelf.find("2019/IMG_2.jpg")) == (come, None)


def test_a_picture_that_goes_while_it_is_opened_is_not_found(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(path: Path) -> str:
        path.unlink()
        return media_type(path)

    monkeypatch.setattr(service, "media_type", late)
    Image.new("RGB", (8, 8)).save(tmp_path / "x.bmp")
    client = serve(MemoryIndex([CaptionRecord("x", "a wall", image="x.bmp")]), Settings(images=(tmp_path,)))
    problem(client.get(f"{V1}/images/x/file"), 404, "not-found")


@pytest.mark.parametrize("part", ["file", "thumbnail"])
def test_a_picture_that_the_system_does_not_open_is_not_called_damaged(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def out_of_files(path: Path, **_: Any) -> Image.Image:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    Image.new("RGB", (8, 8)).save(tmp_path / "x.bmp")
    client = serve(MemoryIndex([CaptionRecord("x", "a wall", image="x.bmp")]), Settings(images=(tmp_path,)))
    monkeypatch.setattr(Image, "open", out_of_files)
    answer = client.get(f"{V1}/images/x/{part}")
    assert problem(answer, 503, "picture")["detail"] == "Cannot be read (Too many open files)."
    assert str(tmp_path) not in answer.text


def test_a_wrong_cursor_says_nothing_of_its_image(serve: Serve) -> None:
    client = serve(MemoryIndex([CaptionRecord("x", "a wall")]))
    problem(client.get(f"{V1}/images/x/similar", params={"after": "nonsense"}), 400, "query")
    problem(client.get(f"{V1}/images/y/similar", params={"after": "nonsense"}), 404, "not-found")
