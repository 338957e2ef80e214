"""Text to draw, and small pictures."""

from __future__ import annotations

import pytest

from captioner.drawing.picture import fit, fit_end, thumbnail, wrap
from tests.captioner.conftest import Faces


@pytest.mark.parametrize("width", [60, 600])
def test_all_that_is_fitted_is_spelt_so(width: int, faces: Faces) -> None:
    faces()
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
