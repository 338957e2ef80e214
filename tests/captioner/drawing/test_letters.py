"""Letters that a face has, and what is drawn for those that it lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import pytest
from PIL import Image, ImageDraw, ImageFont

from captioner.drawing import letters
from captioner.drawing.letters import extent, font, spelled, write

BOX = "\U0010ffff"  # of no script: what a face has in place of it
#: A face with many scripts, but none of East Asia; this machine need not have any.
DEJAVU = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"

Faces = Callable[..., None]


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faces]:
    """A function that lets the machine have these files of faces, and no others."""

    def forget() -> None:
        for remembered in (letters._faces, letters._face_with, letters._spelled):
            remembered.cache_clear()

    def let_there_be(*files: str, leftwards: bool = True) -> None:
        monkeypatch.setattr(letters, "_files", lambda: files)
        monkeypatch.setattr(letters, "_WRITES_LEFTWARDS", leftwards)
        forget()

    yield let_there_be
    forget()


def drawn(text: str) -> bytes:
    sheet = Image.new("L", (900, 60))
    write(ImageDraw.Draw(sheet), (2, 2), text, "white", 24)
    return sheet.tobytes()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Fêtes/été/crème brûlée.jpg", "Fetes/ete/creme brulee.jpg"),
        ("e\u0301te\u0301 x\u0301", "ete x"),  # as macOS writes names
        ("Größe, ẞ, Übung", "Grosse, SS, Ubung"),
        ("señor, façade, Ångström, cœur, Œuvre, Ærø, łódź, ǿ", None),
        ("a dog – no, a cat — said «she» ‚so‘ „so“ 5−3‐2", None),
        ("ﬁne ½ ２ №5 100 €", None),
        ("собака, 海滩, 개, \U0001f469\u200d\U0001f4bb\ufe0f", None),
        ("mark \ufffd", None),
    ],
)
@pytest.mark.parametrize("files", [(), (DEJAVU,)])
def test_no_letter_is_drawn_as_a_box(
    text: str, plain: str | None, files: tuple[str, ...], faces: Faces
) -> None:
    faces(*files)
    box = drawn(BOX)
    assert drawn("\U00100000") == box != drawn("?")
    found = spelled(text)
    assert plain in (None, found)
    assert all(drawn(character) != box for character in found)


@pytest.mark.parametrize("text", ["“It’s” a dog… · 20°", "plain"])
def test_what_pillows_face_has_is_drawn_in_it(text: str, faces: Faces) -> None:
    faces(DEJAVU)
    assert spelled(text) == text
    sheet = Image.new("L", (900, 60))
    ImageDraw.Draw(sheet).text((2, 2), text, "white", font(24))
    assert drawn(text) == sheet.tobytes()
    assert extent(text, 24) == font(24).getlength(text)


def test_other_scripts_are_drawn_in_a_face_of_the_machine(faces: Faces) -> None:
    faces(DEJAVU)
    text = "собака σκύλος كلب.jpg"
    assert spelled(text) == text
    words = ("собака", "собаки", "σκύλος", "كلب")
    assert len({drawn(word) for word in words}) == len(words)
    parts = ("собака σκύλος كلب", ".jpg")
    assert extent(text, 24) == sum(extent(part, 24) for part in parts)


def test_words_that_are_written_leftwards_stay_in_their_order(faces: Faces) -> None:
    faces(DEJAVU)
    text = "كلب على"
    sheet = Image.new("L", (900, 60))
    baseline = 2 + font(24).getbbox("x")[3]
    ImageDraw.Draw(sheet).text((2, baseline), text, "white", ImageFont.truetype(DEJAVU, 24), anchor="ls")
    assert drawn(text) == sheet.tobytes()


def test_letters_that_no_face_has_are_told_apart_by_their_numbers(faces: Faces) -> None:
    faces(DEJAVU)
    assert spelled("海滩 개 か\u3099 собака") == "<U+6D77><U+6EE9> <U+AC1C> <U+304C> собака"
    faces()
    assert spelled("сова.jpg") == "<U+0441><U+043E><U+0432><U+0430>.jpg"


def test_where_letters_cannot_be_joined_none_is_drawn_from_left_to_right(faces: Faces) -> None:
    faces(DEJAVU, leftwards=False)
    assert spelled("كб") == "<U+0643>б"


def test_faces_are_looked_for_where_the_system_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not in the current folder, where a stranger's file may lie."""
    monkeypatch.chdir(tmp_path)
    Path("DejaVuSans.ttf").write_bytes(b"no face")
    letters._files.cache_clear()
    assert "DejaVuSans.ttf" not in letters._files()
    letters._files.cache_clear()
