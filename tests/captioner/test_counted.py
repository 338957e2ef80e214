"""One photo, two photos."""

from __future__ import annotations

from captioner.counted import counted


def test_one_is_singular_and_all_else_is_plural() -> None:
    assert [counted(count, "photo") for count in (0, 1, 2_000)] == ["0 photos", "1 photo", "2,000 photos"]
    assert [counted(count, "near copy", "near copies") for count in (1, 2)] == [
        "1 near copy",
        "2 near copies",
    ]
