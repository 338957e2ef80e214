"""Opening an index imports no more than its engine needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from indexer.errors import IndexerError, IndexNotFoundError
from indexer.index import open_index


def test_the_packages_bring_neither_torch_nor_elasticsearch(tmp_path: Path) -> None:
    code = (
        "import sys, indexer, indexer.embedded; indexer.open_index(sys.argv[1], create=True);"
        "print([name for name in ('torch', 'elasticsearch') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "i")], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_a_path_names_a_folder(tmp_path: Path) -> None:
    with open_index(tmp_path / "index", create=True) as index:
        index.add([])
    with open_index(tmp_path / "index") as index:
        assert index.where == str(tmp_path / "index")


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("a\0b", r"'a\\x00b': cannot be opened as a folder \(embedded null byte\)"),
        ("a\ud800b", r"'a\\ud800b': cannot be opened as a folder \(.*surrogates"),
        ("a" * 300, r"'a+\.\.\.a+': cannot be opened as a folder \(File name too long\)"),
    ],
)
def test_a_name_that_no_folder_can_have(where: str, said: str, create: bool) -> None:
    with pytest.raises(IndexerError, match=f"^{said}"):
        open_index(where, create=create)


ADDRESSES = [
    "localhost:9200/captions",
    "127.0.0.1:9200/x",
    "[::1]:9200/captions",
    "ftp://x/y",
    "http:/127.0.0.1:9200/captions",
]


@pytest.mark.parametrize("where", [*ADDRESSES, *map(Path, ADDRESSES)])
@pytest.mark.parametrize("create", [True, False])
def test_an_address_that_is_no_url_of_elasticsearch_is_no_new_folder(
    where: str | Path, create: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IndexerError) as error:
        open_index(where, create=create)
    assert str(error.value) == (
        f"{where}: neither an index URL nor a folder that is there; write http[s]://HOST:9200/NAME for "
        f"Elasticsearch, or ./{where} for a new folder"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", [*ADDRESSES, "host:1/me@home"])
def test_a_folder_may_be_named_so(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_index(f"./{where}", create=True) as index:
        index.add([])
    with open_index(where) as index:
        assert index.caption_count() == 0


@pytest.mark.parametrize("where", ["C:/captions", "C:\\captions", "photos: 2024/index", "12:30", "a:b/c"])
def test_other_names_with_a_colon_are_folders(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IndexNotFoundError, match="no index there"):
        open_index(where)


def test_a_password_before_a_bare_address_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IndexerError, match="carries a user or password") as error:
        open_index("elastic:hunter2@localhost:9200/captions", create=True)
    assert "hunter2" not in str(error.value)
