"""The photos and titles that a manifest tells of, as the index gets them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from captioner.problem import Problem
from indexer.scrape import data_set
from indexer.scrape.data_set import replaced_photos, scraped_photos, title_records
from indexer.scrape.items import Item, SearchProgress
from indexer.scrape.manifest import ManifestWriter, read_manifest
from indexer.scrape.store import ExaminedPhoto, file_name
from tests.indexer.scrape.conftest import Scraping
from tests.indexer.scrape.pictures import jpeg
from tests.indexer.scrape.saying import Saying
from tests.indexer.scrape.site import Site

pytestmark = pytest.mark.usefixtures("kept_examiners")


def test_records_carry_origin_and_licence(site: Site, scraping: Scraping, tmp_path: Path) -> None:
    listed = tmp_path / "urls.txt"
    titled, untitled = site.photo("/1.jpg", jpeg(1)), site.photo("/2.jpg", jpeg(2))
    listed.write_text(f"{titled}\tA <b>cat</b> &amp; dog\n{untitled}\t1234\n", "utf-8")
    scraping([str(listed)])
    photos = {record.title: record for record in scraped_photos(scraping.folder)}
    assert set(photos) == {"A cat & dog", "1234"}
    cat = photos["A cat & dog"]
    item = scraping.items()[titled]
    assert cat.image_id == f"scraped/{item.sha256[:32]}"
    assert Path(cat.image).read_bytes() == jpeg(1)
    assert (cat.source, cat.kind, cat.caption, cat.provider) == ("scraped", "generated", "", "urls")
    assert cat.phash == item.phash
    (title,) = title_records(scraping.folder)
    assert (title.kind, title.caption, title.image_id) == ("title", "A cat & dog", cat.image_id)


@pytest.mark.parametrize(("title", "captions"), [("A dog.JPG", ["A dog"]), ("IMG_1234.JPG", [])])
def test_a_file_name_is_no_caption_and_stays_the_title(
    title: str, captions: list[str], tmp_path: Path
) -> None:
    item = replace(_kept(1, "x"), title=title)
    (tmp_path / item.file).parent.mkdir(parents=True)
    (tmp_path / item.file).write_bytes(jpeg(1))
    with ManifestWriter(tmp_path) as writer:
        writer.append(item)
    records = list(title_records(tmp_path))
    assert [record.caption for record in records] == captions
    assert [photo.title for photo in scraped_photos(tmp_path)] == [title]  # as the attribution has it
    assert {record.title for record in records} <= {title}


def test_a_title_whose_picture_is_gone_is_left_out(site: Site, scraping: Scraping) -> None:
    found = [Item(site.photo(f"/{number}.jpg", jpeg(number)), title=f"A cat {number}") for number in (1, 2)]
    scraping(["cats"], Saying("openverse", tuple(found)))
    (gone, _) = scraped_photos(scraping.folder)
    Path(gone.image).unlink()
    assert [one.image_id == gone.image_id for one in title_records(scraping.folder)] == [False]


def _kept(address: int, photo: str) -> Item:
    kept = ExaminedPhoto(hashlib.sha256(photo.encode()).hexdigest(), "0" * 16, ".jpg")
    return Item(
        f"http://a.example/{address}",
        status="downloaded",
        sha256=kept.sha256,
        phash=kept.phash,
        file=file_name(kept),
    )


def _stems(*photos: str) -> list[str]:
    return [hashlib.sha256(photo.encode()).hexdigest() for photo in photos]


def test_a_photo_is_handed_on_to_an_address_that_gives_it_still(tmp_path: Path) -> None:
    now, before, other = _kept(1, "x"), _kept(2, "w"), _kept(2, "y")
    copy = replace(now, status="duplicate", file="", duplicate_of=before.sha256, title="now", license="CC0")
    with ManifestWriter(tmp_path) as writer:
        writer.append(now, before, copy, other)
    photos = {Path(photo.image).stem: (photo.title, photo.license) for photo in scraped_photos(tmp_path)}
    assert photos == dict(zip(_stems("y", "w"), [("", ""), ("now", "CC0")], strict=True))
    assert [Path(photo.image).stem for photo in replaced_photos(tmp_path)] == _stems("x")


def test_what_a_scrape_writes_meanwhile_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two readings comes an address, and another photo of one that was there."""
    with ManifestWriter(tmp_path) as writer:
        writer.append(_kept(1, "x"), _kept(1, "y"))
        late = iter([_kept(1, "z"), _kept(2, "w")])

        def reading(folder: Path, end: int = sys.maxsize) -> Iterator[Item | SearchProgress | Problem]:
            yield from read_manifest(folder, end)
            writer.append(*late)

        monkeypatch.setattr(data_set, "read_manifest", reading)
        assert [Path(photo.image).stem for photo in replaced_photos(tmp_path)] == _stems("x")
