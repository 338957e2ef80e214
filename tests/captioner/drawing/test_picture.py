"""Text to draw: in letters that the face has."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from captioner.drawing.picture import fit, fit_end, font, spell_in_latin, thumbnail, wrap

BOX = "\U0010ffff"  # of no script: what a face has in place of it


def drawn(text: str) -> bytes:
    sheet = Image.new("L", (900, 60))
    ImageDraw.Draw(sheet).text((2, 2), text, 255, font(24))
    return sheet.tobytes()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Fêtes/été/crème brûlée.jpg", "Fetes/ete/creme brulee.jpg"),
        ("e\u0301te\u0301", "ete"),  # as macOS writes names
        ("Größe, ẞ, Übung", "Grosse, SS, Ubung"),
        ("señor, façade, Ångström, cœur, Œuvre, Ærø, łódź, ǿ", None),
        ("a dog – no, a cat — said «she» ‚so‘ „so“ 5−3‐2", None),
        ("ﬁne ½ ２ №5 100 €", None),
        ("собака, 海滩, 개, \U0001f469\u200d\U0001f4bb\ufe0f", None),
        ("mark \ufffd", "mark ?"),
    ],
)
def test_no_letter_is_drawn_as_a_box(text: str, plain: str | None) -> None:
    box = drawn(BOX)
    assert drawn("\U00100000") == box != drawn("?")
    found = spell_in_latin(text)
    assert plain in (None, found)
    assert all(drawn(character) != box for character in found)


def test_what_no_letters_are_near_to_is_a_mark_a_letter() -> None:
    assert spell_in_latin("海滩 개 dog") == "?? ? dog"


def test_what_the_face_has_stays() -> None:
    text = "“It’s” a dog… · 20°"
    assert spell_in_latin(text) == text


@pytest.mark.parametrize("width", [60, 600])
def test_all_that_is_fitted_is_spelt_so(width: int) -> None:
    text = "cœur/e\u0301te\u0301/Straße.jpg"
    begun, ended = fit(text, width, 17), fit_end(text, width, 17)
    assert begun.isascii() or begun.endswith("…")
    assert "coeur/ete/Strasse.jpg".startswith(begun.removesuffix("…"))
    assert "coeur/ete/Strasse.jpg".endswith(ended.removeprefix("…"))
    assert wrap([("été", True)], 600, 17, 2) == [[("ete", True)]]


@pytest.mark.parametrize(
    "name", ["", "https://a.example/1.jpg", "b" * 300 + ".jpg", "/" + "b" * 5000, "a\0b.jpg"]
)
def test_a_name_that_is_no_files_has_no_picture(name: str) -> None:
    assert thumbnail(name, 8, 8) is None
