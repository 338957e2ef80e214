"""Files that are written whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from captioner.files import beside, written_whole


def test_a_link_stays_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    with written_whole(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert sorted(tmp_path.rglob("*")) == sorted([real.parent, real, link])


@pytest.mark.parametrize("name", ["/dev/null", "/dev/stdout", "/proc/self/fd/1"])
def test_names_of_devices_and_open_files_are_written_to_directly(name: str) -> None:
    assert beside(Path(name)) == Path(name)


def test_standard_output_by_its_name_gets_what_is_written(tmp_path: Path) -> None:
    """Its name leads to a file where it is redirected into one, and would be replaced."""
    program = (
        "from pathlib import Path; from captioner.files import written_whole, beside\n"
        "out = Path('/dev/stdout')\n"
        "assert beside(out) == out  # first: root may put a file in its place\n"
        "with written_whole(out) as file: file.write(b'a page')"
    )
    out = tmp_path / "out"
    with out.open("wb") as stream:
        subprocess.run([sys.executable, "-c", program], stdout=stream, check=True)
    assert out.read_bytes() == b"a page"


def test_an_error_names_the_file_also_while_it_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "no folder" / "page.html"
    with pytest.raises(FileNotFoundError) as caught, written_whole(file):
        pass
    assert caught.value.filename == str(file)


def test_an_error_names_the_file_also_where_it_cannot_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    with pytest.raises(IsADirectoryError) as caught, written_whole(file) as stream:
        file.mkdir()
        stream.write(b"new")
    assert (caught.value.filename, caught.value.filename2) == (str(file), None)
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, written_whole(tmp_path / "page.html"):
        (tmp_path / "a photo.jpg").read_bytes()
    assert caught.value.filename == str(tmp_path / "a photo.jpg")
    assert list(tmp_path.iterdir()) == []
