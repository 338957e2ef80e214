"""Pages as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.drawing import colours
from captioner.drawing.page import document, write_document
from tests.full_disk import full_disk


def test_a_page_has_the_colours_of_pictures() -> None:
    page = document("", "", "")
    light = page[: page.index("@media")]
    for name in ("paper", "card", "edge", "empty", "ink", "pale", "mark"):
        assert f"--{name}: {getattr(colours, name.upper())};" in light


def test_a_page_is_written_in_place_of_an_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    for title in ("first", "naïve 海"):
        write_document(document(title, "", ""), file)
    assert "<title>naïve 海</title>" in file.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_leaves_the_earlier_page(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_document("earlier", file)
    with full_disk(), pytest.raises(OSError, match="File too large") as caught:
        write_document("later" * 1000, file)
    assert caught.value.filename == str(file)
    assert file.read_text(encoding="utf-8") == "earlier"
    assert list(tmp_path.iterdir()) == [file]
