"""Letters that a face has, and what is drawn for those that it lacks."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image, ImageDraw, ImageFont

from captioner.drawing import letters
from captioner.drawing.letters import extent, font, spelled, write
from tests.captioner.conftest import DEJAVU, Faces

BOX = "\U0010ffff"  # of no script: what a face has in place of it


def drawn(text: str) -> bytes:
    sheet = Image.new("L", (900, 60))
    write(ImageDraw.Draw(sheet), (2, 2), text, "white", 24)
    return sheet.tobytes()


@pytest.mark.parametrize(
    "text",
    [
        "Fêtes/été/crème brûlée.jpg",
        "e\u0301te\u0301 x\u0301",
        "Größe, ẞ, Übung",
        "señor, façade, Ångström, cœur, Œuvre, Ærø, łódź, ǿ",
        "a dog – no, a cat — said «she» ‚so‘ „so“ 5−3‐2",
        "ﬁne ½ ２ №5 100 €",
        "собака, 海滩, 개, \U0001f469\u200d\U0001f4bb\ufe0f",
        "mark \ufffd",
    ],
)
@pytest.mark.parametrize("files", [(), (DEJAVU,)])
def test_no_letter_is_drawn_as_a_box(text: str, files: tuple[str, ...], faces: Faces) -> None:
    faces(*files)
    box = drawn(BOX)
    assert drawn("\U00100000") == box != drawn("?")
    assert all(drawn(character) != box for character in spelled(text))


MARKED = [
    ("Rügen 2019/Größe, ẞ, Übung", "Rugen 2019/Grosse, SS, Ubung"),
    ("Fêtes/été/crème brûlée.jpg", "Fetes/ete/creme brulee.jpg"),
    ("señor Dvořák, cœur, Ærø, łódź", "senor Dvorak, coeur, AEro, lodz"),
]


@pytest.mark.parametrize(("text", "plain"), MARKED)
@pytest.mark.parametrize("form", ["NFC", "NFD"])  # macOS writes names decomposed
def test_letters_with_marks_are_drawn_in_a_face_of_the_machine(
    text: str, plain: str, form: Literal["NFC", "NFD"], faces: Faces
) -> None:
    faces(DEJAVU)
    assert spelled(unicodedata.normalize(form, text)) == text
    assert drawn(text) != drawn(plain)
    faces()
    assert spelled(unicodedata.normalize(form, text)) == plain


def test_a_mark_that_no_letter_has_is_left_out(faces: Faces) -> None:
    """On its own it would stand beside its letter, which is of another face."""
    for files in ((), (DEJAVU,)):
        faces(*files)
        assert spelled("x\u0301 a\ufe0f") == "x a"


def test_a_letter_that_is_like_a_plain_one_is_so_where_no_face_has_it(faces: Faces) -> None:
    faces(DEJAVU)
    assert spelled("２ \U0001d41d") == "2 d"


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


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("\u0928\u093f", "<U+0928><U+093F>"), ("\u0e01\u0e47", "<U+0E01><U+0E47>")],  # Devanagari, Thai
)
def test_marks_that_no_face_has_are_numbers_as_their_letters_are(
    text: str, numbers: str, faces: Faces
) -> None:
    for files in ((), (DEJAVU,)):
        faces(*files)
        assert spelled(text) == numbers


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
