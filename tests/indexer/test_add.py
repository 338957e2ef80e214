"""add: what is there stays, what is new comes, and no photo is captioned twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from captioner.photo import Photo
from captioner.photo_captioner import Captioned
from captioner.tokens import DEFAULT
from indexer import loading
from indexer.build import add
from indexer.errors import IndexMismatchError
from indexer.records import CaptionRecord
from indexer.sources import CocoSource, FolderSource, JsonlSource, ScrapedSource
from tests.indexer.fakes import ColourCaptioner, DraftingIndex, Stopped, captioning
from tests.indexer.files import captions_file, write_coco, write_photo, write_scraped


class Hashless(ColourCaptioner):
    """Captions photos without telling what they look like, as one of a user's own may."""

    def stream(
        self, photos: Iterable[Photo], *, beam: int | None = None, captions: int = 1
    ) -> Iterator[Captioned]:
        for result in super().stream(photos, beam=beam, captions=captions):
            yield replace(result, phash="")


class TestAdd:
    def test_what_is_there_stays_and_what_is_new_comes(self, tmp_path: Path) -> None:
        index = DraftingIndex([CaptionRecord("0.jpg", "A dog.")])
        report = add(index, [JsonlSource(captions_file(tmp_path, "A dog.", "A cat."))])
        assert (report.added, report.unchanged) == (1, 1)
        assert len(index.documents) == 2

    def test_photos_with_a_caption_by_this_captioner_are_not_captioned_again(self, tmp_path: Path) -> None:
        write_photo(tmp_path / "a.jpg")
        index = DraftingIndex()
        add(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()))
        write_photo(tmp_path / "b.jpg")
        same, other = ColourCaptioner(), ColourCaptioner("other")
        report = add(index, [FolderSource(tmp_path)], captioning(same))
        assert (report.captioned, report.known, len(same.asked)) == (1, 1, 1)
        assert add(index, [FolderSource(tmp_path)], captioning(other)).captioned == 2
        assert len(index.documents) == 4

    def test_an_image_id_of_a_data_sets_photo_that_another_one_has_is_told_of(self, tmp_path: Path) -> None:
        """Its captions have it, too."""
        name = "000000000009.jpg"
        first, second = write_photo(tmp_path / "a" / name), write_photo(tmp_path / "b" / name)
        index = DraftingIndex()
        add(index, [FolderSource(first.parent)], captioning(ColourCaptioner()))
        coco = CocoSource(write_coco(tmp_path / "c.json"), second.parent)
        report = add(index, [coco], captioning(ColourCaptioner()))
        assert [str(problem) for problem in report.problems if problem.where == str(second)] == [
            f"{second}: its image id '{name}' belongs to {first} already; rename one of them"
        ]

    def test_an_id_of_which_another_captioner_wrote_is_another_photos_too(self, tmp_path: Path) -> None:
        first, second = write_photo(tmp_path / "p" / "a.jpg"), write_photo(tmp_path / "q" / "a.jpg", "blue")
        index, later = DraftingIndex(), ColourCaptioner("other")
        add(index, [FolderSource(first.parent)], captioning(ColourCaptioner()))
        report = add(index, [FolderSource(second.parent)], captioning(later))
        assert (report.captioned, report.with_folder, report.problems) == (1, 1, ())
        assert {(record.image_id, record.model, record.image) for record in index.held} == {
            ("a.jpg", "colour@12345678", str(first)),
            ("q/a.jpg", "other@12345678", str(second)),
        }
        assert add(index, [FolderSource(first.parent)], captioning(later)).captioned == 1

    def test_what_others_generated_elsewhere_leaves_the_id_free(self, tmp_path: Path) -> None:
        photo = write_photo(tmp_path / "a.jpg")
        places = ("", "http://example.org/a.jpg", "a.jpg", str(tmp_path / "gone" / "a.jpg"))
        index = DraftingIndex(
            CaptionRecord("a.jpg", f"Caption {number}.", image=place, kind="generated", model="blip")
            for number, place in enumerate(places)
        )
        report = add(index, [FolderSource(tmp_path)], captioning(ColourCaptioner()))
        assert (report.captioned, report.problems) == (1, ())
        assert str(photo) in {record.image for record in index.held}

    def test_a_photo_of_two_scraped_folders_is_captioned_by_each_captioner(self, tmp_path: Path) -> None:
        for name in ("oa", "ob"):
            write_scraped(tmp_path / name)
        index = DraftingIndex()
        add(index, [ScrapedSource(tmp_path / "oa")], captioning(ColourCaptioner()))
        report = add(index, [ScrapedSource(tmp_path / "ob")], captioning(ColourCaptioner("other")))
        assert (report.captioned, report.problems) == (1, ())

    def test_a_captioner_that_tells_no_hash_leaves_the_manifests(self, tmp_path: Path) -> None:
        write_scraped(tmp_path)
        index = DraftingIndex()
        add(index, [ScrapedSource(tmp_path)], captioning(Hashless()))
        assert [(record.kind, record.phash) for record in index.held] == [
            ("title", "00ff" * 4),
            ("generated", "00ff" * 4),
        ]

    def test_an_interruption_keeps_what_was_captioned(self, tmp_path: Path) -> None:
        for name in "abc":
            write_photo(tmp_path / f"{name}.jpg")
        index = DraftingIndex()
        with pytest.raises(KeyboardInterrupt):
            add(index, [FolderSource(tmp_path)], captioning(Stopped(2, KeyboardInterrupt())))
        assert {record.image_id for record in index.held} == {"a.jpg", "b.jpg"}

    def test_captions_are_stored_in_batches(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "BATCH", 2)
        index = DraftingIndex()
        add(index, [JsonlSource(captions_file(tmp_path, "One dog.", "Two.", "Three.", "Four.", "Five."))])
        assert index.stored == [0, 2, 2, 1]

    @pytest.mark.parametrize(("made_by", "wanted"), [("seed/1", DEFAULT), ("english/99", None)])
    def test_an_index_of_another_analyzer_is_refused(
        self, tmp_path: Path, made_by: str, wanted: str | None
    ) -> None:
        index = DraftingIndex()
        index.analyzer = made_by
        with pytest.raises(IndexMismatchError, match=f"{made_by}.*build it anew"):
            add(index, [JsonlSource(captions_file(tmp_path, "A dog."))], analyzer=wanted)
        assert index.documents == {}
