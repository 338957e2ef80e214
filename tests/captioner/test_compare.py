"""Every photo with every model's caption: in order, as a picture that holds all of it, as a safe page."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from captioner.captioner import Captioned, Captioner
from captioner.cli import main
from captioner.compare import (
    ComparedPhoto,
    ModelCaption,
    compare,
    page,
    picture,
    write_files,
    write_page,
    write_picture,
)
from captioner.errors import ModelError
from tests.captioner.conftest import DEJAVU, Faces
from tests.captioner.worlds import tiny_checkpoint, tiny_model
from tests.full_disk import full_disk


@pytest.fixture(scope="module")
def captioners() -> list[Captioner]:
    return [Captioner(tiny_checkpoint(seed), f"model-{seed}", "cpu") for seed in (0, 1)]


def test_models_of_one_name_are_told_apart(photos: Path) -> None:
    captioners = [
        Captioner(replace(tiny_checkpoint(), digest=f"{number}"), name, "cpu")
        for number, name in enumerate(("best", "best", "one"))
    ]
    [found] = compare(captioners, [photos / "coffee.png"])
    assert [one.model for one in found.captions] == [captioners[0].identity, captioners[1].identity, "one"]
    assert captioners[0].identity != captioners[1].identity


class Texts(HTMLParser):
    """The texts of a page by the tag they stand in, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self.loads: list[str] = []
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.loads += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.found.setdefault(self._tag, []).append(data.strip())


def test_each_photo_has_each_models_caption_in_order(captioners: list[Captioner], photos: Path) -> None:
    given = [photos / "coffee.png", photos / "none.png", photos / "chelsea.png"]
    found = compare(captioners, given)
    assert [one.photo for one in found] == given
    assert [one.error is None for one in found] == [True, False, True]
    for one in (found[0], found[2]):
        assert [written.model for written in one.captions] == ["model-0", "model-1"]
        alone = [captioner.caption([one.photo])[0].text for captioner in captioners]
        assert [written.caption for written in one.captions] == alone


def test_a_photo_that_one_model_alone_cannot_read_has_an_error(
    captioners: list[Captioner], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is deleted while it is captioned: a model's caption that lacks must not go untold."""
    gone = [Captioned("coffee.png", reason="no such file")]
    monkeypatch.setattr(captioners[1], "stream", lambda found, beam: iter(gone))
    [found] = compare(captioners, [photos / "coffee.png"])
    assert [written.model for written in found.captions] == ["model-0"]
    assert found.error == "coffee.png: no such file"


def test_nothing_to_compare() -> None:
    with pytest.raises(ModelError, match="no model"):
        compare([], [])


def test_a_bad_first_photo_does_not_hide_the_models(captioners: list[Captioner], photos: Path) -> None:
    found = compare(captioners, [photos / "none.png", photos / "coffee.png"])
    assert "<h1>2 photos, 2 models</h1>" in page(found)
    assert "<h1>1 photo, 1 model</h1>" in page(compare(captioners[:1], [photos / "coffee.png"]))
    assert "<h1>1 photo, 2 models</h1>" in page(compare(captioners, [photos / "none.png"]), models=2)


def test_a_folder_without_photos_is_an_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["compare", str(tmp_path)])
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith(f"Error: {tmp_path}: has no photos (bmp, ")


def some(photo: Path, count: int, caption: str = "a dog runs on the grass") -> list[ComparedPhoto]:
    return [
        ComparedPhoto(photo, (ModelCaption("one", caption, -0.5), ModelCaption("two", caption, -1.25)))
    ] * count


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 1, 1), (3, 3, 1), (4, 4, 1), (9, 3, 3), (5, 3, 2)]
)
def test_the_picture_holds_a_card_a_photo(photos: Path, count: int, columns: int, rows: int) -> None:
    one = picture(some(photos / "coffee.png", 1))
    sheet = picture(some(photos / "coffee.png", count))
    assert sheet.width == one.width + (columns - 1) * (380 + 22)
    assert sheet.height == one.height + (rows - 1) * (one.height - 2 * 36 + 22)


def test_long_captions_make_a_card_higher_and_are_cut_in_the_end(photos: Path) -> None:
    photo = photos / "coffee.png"
    short, long, endless = (
        picture(some(photo, 1, caption)).height for caption in ("a cup", "a cup " * 15, "a cup " * 500)
    )
    assert short < long < endless < 2 * long


def test_texts_differ_on_the_picture(photos: Path) -> None:
    one, other = (picture(some(photos / "coffee.png", 1, text)) for text in ("a cup", "a cat"))
    assert one.size == other.size and one.tobytes() != other.tobytes()


def test_letters_that_no_face_has_are_drawn_as_plain_ones(photos: Path, faces: Faces) -> None:
    for files, alike in (((), True), ((DEJAVU,), False)):
        faces(*files)
        accented, plain = (
            picture(some(photos / "coffee.png", 1, text)) for text in ("été à Köln", "ete a Koln")
        )
        assert (accented.tobytes() == plain.tobytes()) == alike


def test_nothing_readable_is_an_empty_sheet(tmp_path: Path) -> None:
    write_picture([ComparedPhoto("gone.jpg", error="gone.jpg: no such file")], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG" and len(sheet.getcolors() or ()) == 1


def test_the_page_is_whole_and_loads_nothing(photos: Path, tmp_path: Path) -> None:
    bad = ComparedPhoto("gone.jpg", error="gone.jpg: no such file")
    write_page([*some(photos / "coffee.png", 2), bad], tmp_path / "page.html")
    texts = Texts((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert texts.found["dd"] == ["a dog runs on the grass"] * 4
    assert texts.found["dt"] == ["one", "two"] * 2
    assert texts.found["span"] == ["-0.50", "-1.25", "coffee.png"] * 2
    assert texts.found["figcaption"][-1] == "gone.jpg: no such file"
    assert len(texts.loads) == 2 and all(one.startswith("data:image/jpeg;base64,") for one in texts.loads)


def test_what_comes_from_outside_is_escaped(photos: Path, tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script>\x1b[2J\u202e"
    photo = tmp_path / "<b>&.png"
    photo.write_bytes((photos / "coffee.png").read_bytes())
    text = page([ComparedPhoto(photo, (ModelCaption(nasty, nasty, 0.0),)), ComparedPhoto("x", error=nasty)])
    assert "<script" not in text and "<b>" not in text and "\x1b" not in text and "\u202e" not in text
    assert Texts(text).found["dd"] == ["<script>alert(1)</script>\ufffd[2J\ufffd"]


def test_a_photos_name_is_shown_as_it_is(photos: Path, tmp_path: Path) -> None:
    photo = tmp_path / "two  blanks\n.png"
    photo.write_bytes((photos / "coffee.png").read_bytes())
    shown = tmp_path / r"two  blanks\n.png"
    shown.write_bytes(photo.read_bytes())
    assert rf'<span class="name">{shown.name}</span>' in page(some(photo, 1))
    assert picture(some(photo, 1)).tobytes() == picture(some(shown, 1)).tobytes()


def test_the_command(photos: Path, tmp_path: Path) -> None:
    models = [tiny_model(tmp_path / name, seed) for seed, name in enumerate(("one", "two"))]
    png, html = tmp_path / "out.png", tmp_path / "out.html"
    arguments = [
        "compare",
        photos / "coffee.png",
        tmp_path / "none.jpg",
        "--models",
        f"{models[0]}, {models[1]}",
    ]
    options = ["--png", png, "--html", html, "--device", "cpu"]
    for _ in range(2):  # the second one takes the place of the first
        result = CliRunner().invoke(main, list(map(str, [*arguments, *options])))
        assert result.exit_code == 1
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[:2] for row in rows] == [[str(photos / "coffee.png"), name] for name in ("one", "two")]
    assert f"Error: {tmp_path / 'none.jpg'}: no such file" in result.stderr
    with Image.open(png) as sheet:
        assert sheet.format == "PNG"
    assert rows[0][2] in html.read_text(encoding="utf-8")


def test_scores_of_several_models_are_said_not_to_compare(captioners: list[Captioner], photos: Path) -> None:
    both, one = (compare(some, [photos / "coffee.png"]) for some in (captioners, captioners[:1]))
    told = "Scores of different models do not compare."
    assert Texts(page(both)).found["p"] == [told] and "p" not in Texts(page(one)).found
    margins = [
        sheet.crop((0, sheet.height - 34, sheet.width, sheet.height)) for sheet in map(picture, (both, one))
    ]
    assert [len(margin.getcolors() or ()) > 1 for margin in margins] == [True, False]
    with_room = margins[0].crop((margins[0].width - 36, 0, margins[0].width, 34))
    assert len(with_room.getcolors() or ()) == 1, "it fits below the narrowest sheet"


@pytest.mark.parametrize("size", [(300, 900), (900, 300), (40, 30)])
def test_the_picture_shows_whole_photos(size: tuple[int, int], tmp_path: Path) -> None:
    """Red at one end and blue at the other, both of which are there."""
    photo = Image.new("RGB", size, "white")
    width, height = size
    photo.paste((255, 0, 0), (0, 0, width // 5, height // 5))
    photo.paste((0, 0, 255), (width - width // 5, height - height // 5, width, height))
    photo.save(tmp_path / "photo.png")
    colours = {colour for _, colour in picture(some(tmp_path / "photo.png", 1)).getcolors(1 << 20) or ()}
    assert {(255, 0, 0), (0, 0, 255)} <= colours


def test_a_full_disk_leaves_the_earlier_files(photos: Path, tmp_path: Path) -> None:
    html, png = tmp_path / "out.html", tmp_path / "out.png"
    compared = some(photos / "coffee.png", 1)
    write_files(compared, 2, html, png)
    earlier = {file: file.read_bytes() for file in tmp_path.iterdir()}
    for file, place in ((html, {"html": html}), (png, {"png": png})):
        with full_disk(), pytest.raises(OSError, match="File too large") as caught:
            write_files(compared, 2, **place)
        assert caught.value.filename == str(file)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == earlier


def test_without_a_readable_photo_there_is_no_picture(tmp_path: Path) -> None:
    """An earlier one stays; the page tells of each photo why it cannot be read."""
    model = tiny_model(tmp_path / "one")
    png, html, *gone = (tmp_path / name for name in ("out.png", "out.html", "a.jpg", "b.jpg"))
    write_picture([], png)
    earlier = png.read_bytes()
    options = ["--models", model, "--device", "cpu", "--html", html]
    result = CliRunner().invoke(main, ["compare", *map(str, [*gone, *options, "--png", png])])
    assert (result.exit_code, result.stdout) == (1, "")
    named = "".join(f"Error: {photo}: no such file\n" for photo in gone)
    unwritten = f"Error: {png}: not written, since no photo could be read\n"
    assert result.stderr == f"{named}wrote {html}\n{unwritten}"
    assert png.read_bytes() == earlier
    assert "<h1>2 photos, 1 model</h1>" in html.read_text(encoding="utf-8")
    alone = CliRunner().invoke(main, ["compare", *map(str, [gone[0], *options[:4]])])
    assert (alone.exit_code, alone.stderr) == (1, f"Error: {gone[0]}: no such file\n")
