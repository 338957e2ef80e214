"""Near copies of a whole index: groups, the command's text, JSON, page and paths."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from captioner.photo import open_photo, perceptual_hash
from indexer.build import build
from indexer.index import open_index
from indexer.progress import Bar
from indexer.records import CaptionRecord, Filters, Position
from indexer.sources import FolderSource
from search.cli import main
from search.duplicates import NearCopies, near_copies, spare_files
from search.folding import NEAR, fold_duplicates
from search.jaccard import Similarity
from search.scored import ScoredCaption
from tests.conftest import PHOTOS
from tests.indexer.fakes import captioning
from tests.indexer.memory import MemoryIndex
from tests.search.test_folding import hashes
from tests.search.worlds import NamingCaptioner

Run = Callable[..., Result]


def ids(found: NearCopies) -> list[list[str]]:
    return [[picture.image_id for picture in group.pictures] for group in found.groups]


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    """Real photos: two of the astronaut's copies, one of the rocket, and the cat turned around."""
    made = tmp_path / "photos"
    made.mkdir()
    for name in PHOTOS:
        (made / name).write_bytes((photos / name).read_bytes())
    with Image.open(photos / "astronaut.png") as opened:
        astronaut = opened.convert("RGB")
    astronaut.resize((200, 200)).save(made / "astronaut-small.png")
    ImageEnhance.Brightness(astronaut).enhance(1.15).save(made / "astronaut-bright.jpg", quality=40)
    with Image.open(photos / "rocket.jpg") as rocket:
        rocket.save(made / "rocket-again.webp", quality=50)
    with Image.open(photos / "chelsea.png") as cat:
        cat.transpose(Image.Transpose.ROTATE_180).save(made / "chelsea-turned.png")
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("CAPTION_INDEX", str(tmp_path / "caption-index"))
    return lambda *arguments: CliRunner().invoke(main, ["duplicates", *map(str, arguments)])


@pytest.fixture
def built(folder: Path, tmp_path: Path) -> Path:
    """The folder of which the command's index was built."""
    with open_index(str(tmp_path / "caption-index"), create=True) as index:
        build(index, [FolderSource(folder)], captioning(NamingCaptioner()))
        index.add([CaptionRecord("words", "people wrote this"), CaptionRecord("more", "and <b>this</b>")])
    return folder


def made_of(tmp_path: Path, *records: CaptionRecord) -> None:
    with open_index(str(tmp_path / "caption-index"), create=True) as index:
        index.add(records)


@pytest.mark.elasticsearch
def test_copies_of_real_photos_are_found_on_either_engine(folder: Path, fresh_where: str) -> None:
    with open_index(fresh_where, create=True) as index:
        build(index, [FolderSource(folder)], captioning(NamingCaptioner()))
        index.add([CaptionRecord("words", "people wrote this"), CaptionRecord("rocket.jpg", "a rocket")])
        found = near_copies(index)
        alone = near_copies(index, {"kind": "reference"})
    astronauts, rockets = found.groups
    assert ids(found) == [
        ["astronaut-bright.jpg", "astronaut-small.png", "astronaut.png"],
        ["rocket-again.webp", "rocket.jpg"],
    ]
    assert str(found) == "2 groups, 5 pictures of 9; 1 without a hash"
    assert [picture.bits <= 6 for picture in (*astronauts.pictures, *rockets.pictures)] == [True] * 5
    assert astronauts.pictures[0].bits == 0
    assert rockets.pictures[1].image == str(folder / "rocket.jpg")
    assert str(alone) == "0 groups, 0 pictures of 2; 2 without a hash"


@given(st.lists(hashes, max_size=25))
def test_groups_are_what_a_fold_of_all_images_in_order_of_ids_gives(given_hashes: list[str]) -> None:
    names = [f"i{number:02}" for number in range(len(given_hashes))]
    index = MemoryIndex(
        CaptionRecord(name, "a dog", phash=phash)
        for name, phash in reversed([*zip(names, given_hashes, strict=True)])
    )
    ordered = sorted(index.documents.values(), key=lambda document: document.record.image_id)
    scored = [ScoredCaption(one, Similarity(1, 1), Position(1.0, one.record.image_id)) for one in ordered]
    folded = [[one.best.image_id, *one.duplicates] for one in fold_duplicates(scored, len(scored) + 1)]
    expected = sorted((group for group in folded if len(group) > 1), key=lambda group: (-len(group), group))
    found = near_copies(index)
    assert ids(found) == expected
    assert (found.images, found.pictures) == (len(names), sum(map(len, expected)))


def test_an_image_of_several_captions_is_one_by_a_caption_that_knows_its_hash() -> None:
    captions = [
        CaptionRecord("a", "a zebra", image="/a.jpg", phash="00ff" * 4),
        CaptionRecord("a", "a horse", image="/a.jpg", phash="00ff" * 4),
        CaptionRecord("a", "a dog"),
        CaptionRecord("b", "a cat", phash="00ff" * 4, source="coco"),
        CaptionRecord("c", "a cat", phash="no hash"),
    ]
    for order in (captions, captions[::-1]):
        [group] = near_copies(MemoryIndex(order)).groups
        first, copy = group.pictures
        assert (first.caption, first.place, copy.place) == ("a horse", "/a.jpg", "b")
    whole = near_copies(MemoryIndex(captions))
    assert (whole.images, whole.without_hash) == (3, 1)
    assert near_copies(MemoryIndex(captions), Filters({"source": "coco"})).groups == ()


def test_pictures_of_light_alone_are_no_copies_and_are_counted(tmp_path: Path) -> None:
    """What else they show is not in their hashes: one of them could not replace the others."""
    made = {"blank.png": Image.new("L", (90, 80), 255), "black.png": Image.new("L", (9, 8))}
    made |= {"down.png": Image.linear_gradient("L"), "around.png": Image.radial_gradient("L")}
    made |= {"across.png": made["down.png"].rotate(90), "back.png": made["down.png"].rotate(270)}
    made |= {f"small-{name}": one.resize((80, 80)) for name, one in made.items()}
    for name, one in made.items():
        one.save(tmp_path / name)
    with open_index(str(tmp_path / "caption-index"), create=True) as index:
        build(index, [FolderSource(tmp_path)], captioning(NamingCaptioner()))
        found = near_copies(index)
    assert (found.groups, [*spare_files(found)]) == ((), [])
    assert str(found) == "0 groups, 0 pictures of 12; 0 without a hash, 12 too plain to compare"


def test_an_image_is_where_any_of_its_captions_tells() -> None:
    captions = [
        CaptionRecord("a", "a cat", phash="00ff" * 4),
        CaptionRecord("a", "a dog", image="/a.jpg", phash="00ff" * 4),
        CaptionRecord("b", "a cat", phash="00ff" * 4),
    ]
    for order in (captions, captions[::-1]):
        [group] = near_copies(MemoryIndex(order)).groups
        assert [(one.caption, one.image) for one in group.pictures] == [("a dog", "/a.jpg"), ("a cat", "")]


def test_progress_goes_over_all_captions() -> None:
    seen: list[int | None] = []

    class Noted:
        def update(self, n: float = 1) -> None:
            seen.append(int(n))

        def close(self) -> None:
            seen.append(None)

    def progress(total: int | None, unit: str, label: str) -> Bar:
        seen.append(total)
        return Noted()

    near_copies(
        MemoryIndex(CaptionRecord(f"{number}", "a dog") for number in range(1_200)), progress=progress
    )
    assert seen == [1_200, 1_000, 200, None]


class TestCommand:
    def test_groups_and_what_they_are_of(self, run: Run, built: Path) -> None:
        result = run()
        assert (result.exit_code, result.stderr) == (0, "")
        lines = result.stdout.splitlines()
        assert lines[:2] == ["3 pictures: astronaut bright", f"  {built}/astronaut-bright.jpg  512x512"]
        assert lines[2].startswith(f"  {built}/astronaut-small.png  200x200, ")
        assert lines[2].endswith((" bit apart", " bits apart"))
        assert lines[4:6] == ["", "2 pictures: rocket again"]
        assert lines[-1] == "2 groups, 5 pictures of 10; 2 without a hash"

    def test_one_json_object(self, run: Run, built: Path) -> None:
        answer = json.loads(run("--json").stdout)
        assert answer["groups"][1]["pictures"][0] == {
            "image_id": "rocket-again.webp",
            "image": str(built / "rocket-again.webp"),
            "caption": "rocket again",
            "phash": perceptual_hash(open_photo(built / "rocket-again.webp")),
            "bits": 0,
            "width": 640,
            "height": 427,
            "bytes": (built / "rocket-again.webp").stat().st_size,
            "frames": 1,
            "grey": False,
        }
        assert (answer["pictures"], answer["images"], answer["without_hash"]) == (5, 10, 2)

    def test_filters_and_values_that_no_caption_has(self, run: Run, built: Path) -> None:
        assert run("--source", "jsonl").stdout == "0 groups, 0 pictures of 2; 2 without a hash\n"
        none = run("--source", "coco")
        assert none.stdout == "0 groups, 0 pictures of 0; 0 without a hash\n"
        assert none.stderr == "no caption has the source 'coco'; there is 'folder' and 'jsonl'\n"

    def test_a_page_whose_pictures_lead_to_their_files(self, run: Run, built: Path, tmp_path: Path) -> None:
        page = tmp_path / "page.html"
        result = run("--html", page)
        assert result.stderr == f"page: {page}\n"
        text = page.read_text("utf-8")
        assert text.count("<section>") == 2 and text.count("data:image/jpeg") == 5
        best = re.findall(r'<li class="best".*?<a href="([^"]*)"', text)
        assert [Path(name).name for name in best] == ["astronaut.png", "rocket.jpg"]
        assert f'<a href="{(built / "rocket.jpg").as_uri()}" rel="noreferrer"><img ' in text
        assert run("--html", page).exit_code == 0, "its own page may be written over"
        full = run("--html", "/dev/full")
        assert (full.exit_code, full.stderr) == (1, "Error: /dev/full: No space left on device\n")
        photo = run("--html", built / "rocket.jpg")
        assert photo.exit_code == 2 and "would be lost" in photo.stderr

    def test_a_page_carries_no_foreign_markup(self, run: Run, tmp_path: Path) -> None:
        made_of(
            tmp_path,
            CaptionRecord("<i>1", "a <script> dog", image="javascript:alert(1)", phash="00ff" * 4),
            CaptionRecord('"><i>2', "a dog", phash="00ff" * 4),
        )
        assert run("--html", tmp_path / "page.html").exit_code == 0
        text = (tmp_path / "page.html").read_text("utf-8")
        assert "<script" not in text and "<i>" not in text and "href" not in text

    def test_nothing_found_is_a_page_too(self, run: Run, tmp_path: Path) -> None:
        made_of(tmp_path, CaptionRecord("1", "a dog"))
        run("--html", tmp_path / "page.html")
        assert "No near copies." in (tmp_path / "page.html").read_text("utf-8")

    def test_names_neither_colour_nor_break_a_line(self, run: Run, tmp_path: Path) -> None:
        made_of(
            tmp_path,
            CaptionRecord("\x1b[31mone", "a\ndog", phash="00ff" * 4),
            CaptionRecord("two\nlines", "a dog", phash="00ff" * 4),
        )
        lines = run().stdout.splitlines()
        assert lines[:3] == ["2 pictures: a dog", "  \\x1b[31mone", "  two\\nlines  0 bits apart"]

    def test_paths_of_copies_alone(self, run: Run, built: Path) -> None:
        result = run("--paths")
        assert result.stdout.splitlines() == [
            str(built / name) for name in ("astronaut-bright.jpg", "astronaut-small.png", "rocket-again.webp")
        ], "of each group the largest picture stays, of equal ones the largest file"
        assert result.stderr == "2 groups, 5 pictures of 10; 2 without a hash; 3 files to do without\n"
        assert len(list(built.iterdir())) == 8, "none is deleted"

    def test_json_and_paths_do_not_go_together(self, run: Run, built: Path) -> None:
        result = run("--json", "--paths")
        assert result.exit_code == 2 and "give one" in result.stderr

    def test_a_name_of_more_than_one_line_is_not_among_the_paths(self, run: Run, tmp_path: Path) -> None:
        named = [tmp_path / name for name in ("a.png", "bü.png", "c\n.png")]
        for path in named:
            path.write_bytes(b"")
        made_of(
            tmp_path,
            *(CaptionRecord(one.name, "a dog", image=str(one), phash="00ff" * 4) for one in named),
        )
        result = run("--paths")
        assert result.stdout_bytes == os.fsencode(named[1]) + b"\n"
        assert result.stderr.startswith("left out, since their names are more than one line: 1 file\n")
        assert result.stderr.endswith("; 1 file to do without\n")


class TestSpareFiles:
    """If these files go, the best picture of each group still has its file."""

    def spare(self, *places: str | Path) -> list[str]:
        """Of pictures that are all near copies, in this order."""
        return [
            *spare_files(
                near_copies(
                    MemoryIndex(
                        CaptionRecord(f"{number}", "a dog", image=str(place), phash="00ff" * 4)
                        for number, place in enumerate(places)
                    )
                )
            )
        ]

    @pytest.fixture
    def one(self, tmp_path: Path) -> Path:
        (tmp_path / "one.png").write_bytes(b"1")
        return tmp_path / "one.png"

    @pytest.fixture
    def two(self, tmp_path: Path) -> Path:
        (tmp_path / "two.png").write_bytes(b"2")
        return tmp_path / "two.png"

    def test_a_file_of_two_images_is_not_spared(self, one: Path, two: Path) -> None:
        assert self.spare(one, one, two, two) == [str(two)]

    def test_nor_is_what_the_first_leads_to(self, one: Path, two: Path, tmp_path: Path) -> None:
        (tmp_path / "link.png").symlink_to(one)
        os.link(two, tmp_path / "hard.png")
        assert self.spare(tmp_path / "link.png", one, two, tmp_path / "hard.png") == [str(two)]

    def test_nor_is_one_that_cannot_be_read(self, tmp_path: Path) -> None:
        """Such as a picture that nobody may read now: it may be the largest."""
        Image.new("L", (8, 8)).save(tmp_path / "small.png")
        (tmp_path / "large.png").write_bytes(b"unreadable")
        assert self.spare(tmp_path / "large.png", tmp_path / "small.png") == []
        assert self.spare(tmp_path / "small.png", tmp_path / "large.png") == []

    def test_nor_is_one_with_colour_or_frames_that_the_largest_lacks(self, tmp_path: Path) -> None:
        Image.new("L", (9, 9)).save(tmp_path / "grey.png")
        Image.new("RGB", (8, 8)).save(tmp_path / "colour.png")
        frames = [Image.new("RGB", (8, 8), (90 * number, 0, 0)) for number in range(2)]
        frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
        Image.new("L", (7, 7)).save(tmp_path / "small.png")
        names = ("grey.png", "colour.png", "two.gif", "small.png")
        assert self.spare(*(tmp_path / name for name in names)) == [str(tmp_path / "small.png")]
        assert self.spare(tmp_path / "colour.png", tmp_path / "small.png") == [str(tmp_path / "small.png")]

    def test_a_copy_is_near_to_the_one_that_stays(self, tmp_path: Path) -> None:
        """Two that are near to the first may be twice as far from each other."""
        one = 0x00FF00FF00FF00FF
        near, far = (f"{one ^ bits:016x}" for bits in (2**NEAR - 1, (2**NEAR - 1) << NEAR))
        hashes_of = {"a.png": f"{one:016x}", "b.png": near, "c.png": far}
        for side, name in enumerate(hashes_of, 8):
            Image.new("L", (side, side)).save(tmp_path / name)
        found = near_copies(
            MemoryIndex(
                CaptionRecord(name, "a dog", image=str(tmp_path / name), phash=phash)
                for name, phash in hashes_of.items()
            )
        )
        assert ids(found) == [["a.png", "b.png", "c.png"]] and found.groups[0].best.image_id == "c.png"
        assert [*spare_files(found)] == [str(tmp_path / "a.png")]

    def test_what_has_a_relative_name_in_the_working_directory_is_another_file(
        self, run: Run, one: Path, two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert self.spare(one, "two.png") == self.spare("one.png", two) == []
        made_of(
            tmp_path,
            CaptionRecord("1", "a dog", image="one.png", phash="00ff" * 4),
            CaptionRecord("2", "a dog", image="two.png", phash="00ff" * 4),
        )
        result = run("--paths")
        assert result.stdout == ""
        assert result.stderr.startswith("left out, since their first picture is no file here: 1 group\n")

    def test_copies_of_what_is_gone_stay(self, run: Run, one: Path, two: Path, tmp_path: Path) -> None:
        assert self.spare("/no/such.png", one, two) == []
        assert self.spare("", one, two) == self.spare("http://example.org/a.png", one, two) == []
        assert self.spare(one, "/no/such.png", two, "") == [str(two)]
        made_of(
            tmp_path,
            CaptionRecord("1", "a dog", image="gone.png", phash="00ff" * 4),
            CaptionRecord("2", "a dog", image=str(one), phash="00ff" * 4),
        )
        assert run("--paths").stderr.startswith(
            "left out, since their first picture is no file here: 1 group\n"
        )
