"""Which places are one file."""

from __future__ import annotations

import os
from pathlib import Path

from indexer.places import RealPaths, is_same_file
from tests.indexer.worlds import write_noise


def test_links_lead_to_the_same_file_and_addresses_to_themselves(tmp_path: Path) -> None:
    photo = write_noise(tmp_path / "a.png", 1)
    other, link = write_noise(photo.with_name("b.png"), 1), photo.with_name("link.png")
    link.symlink_to(photo)
    assert is_same_file(str(photo), str(photo)) and is_same_file(str(photo), str(link))
    assert is_same_file("s3://bucket/a.png", "s3://bucket/a.png")
    for place in (str(other), str(photo / "gone"), "s3://bucket/a.png", os.path.relpath(photo), "/a\0b", ""):
        assert not is_same_file(str(photo), place)


def test_the_real_path_of_a_file_is_one_by_whatever_links(tmp_path: Path) -> None:
    photo = write_noise(tmp_path / "disk" / "a.png", 1)
    (tmp_path / "link").symlink_to(photo.parent)
    (tmp_path / "link.png").symlink_to(photo)
    real = RealPaths()
    for name in ("disk/a.png", "link/a.png", "link.png", "disk/../link/a.png"):
        assert real.of(str(tmp_path / name)) == os.path.realpath(photo)
    for place in ("s3://bucket/a.png", "gone/a.png", "", "/a\0b", "/a\0b/c.png"):
        assert real.of(place) == place
