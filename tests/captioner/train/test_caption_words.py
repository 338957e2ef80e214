"""Captions as words: how they are split, and what is said of those that cannot be."""

from __future__ import annotations

import pytest

from captioner.tokens import words
from captioner.train.caption_words import remark_on_joined_words, tokeniser


def test_a_caption_is_one_sentence() -> None:
    """Sentences are not looked for, so a full stop is a word at the caption's end alone."""
    assert tokeniser("show_and_tell")("A dog's run. A cat sits.") == [
        "a",
        "dog",
        "'s",
        "run.",
        "a",
        "cat",
        "sits",
        ".",
    ]


@pytest.mark.parametrize(
    ("joined", "parted"),
    [
        ("一只狗在草地上跑。", "一只 狗 在 草地 上 跑 。"),
        ("芝生の上を走っている茶色の犬、青い空", "芝生 の 上 を 走っ て いる 茶色 の 犬"),
        ("สุนัขกำลังวิ่งบนหญ้า", "สุนัข กำลัง วิ่ง บน หญ้า"),
    ],
)
def test_words_that_are_not_parted_are_remarked_on(joined: str, parted: str) -> None:
    lines = [words(text) for text in (joined, joined, "a dog runs")]
    remark = remark_on_joined_words(lines)
    told = f"2 of 3 captions have no blanks between words, such as {max(lines[0], key=len)}, which would be"
    assert remark.startswith(told) and "part the words by blanks" in remark
    assert remark_on_joined_words([words(parted)] * 2) == ""


def test_long_words_of_other_scripts_are_words() -> None:
    lines = [
        "Донаудампфшиффартсгезельшафт",
        "donaudampfschifffahrtsgesellschaft",
        "강아지가 잔디밭에서 뛰고있습니다",
    ]
    assert remark_on_joined_words(map(words, lines)) == remark_on_joined_words([]) == ""
