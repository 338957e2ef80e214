"""Names of one photo, and of two."""

from __future__ import annotations

import pytest

from captioner.photo_names import PhotoNames

ONE = [
    ("x.jpg", "x.jpg"),
    ("x.jpg", "images/x.jpg"),
    ("x.jpg", "/data/flickr8k/images/x.jpg"),
    ("images/x.jpg", "/data/images/x.jpg"),
    ("./images//x.jpg", "images/x.jpg"),
    (r"C:\data\images\x.jpg", "images/x.jpg"),
    ("000000000196.jpg", "COCO_val2014_000000000196.jpg"),
    ("train2014/COCO_train2014_000000000196.jpg", "val2017/000000000196.jpg"),
    ("1000268201_693b08cb0e.jpg", "Images/1000268201_693b08cb0e.jpg"),
]
TWO = [
    ("x.jpg", "y.jpg"),
    ("x.jpg", "ax.jpg"),
    ("a/0001.jpg", "b/0001.jpg"),
    ("/data/a/0001.jpg", "b/0001.jpg"),
    ("a/b/0001.jpg", "a/c/0001.jpg"),
    ("000000000196.jpg", "000000000197.jpg"),
    ("1_693b08cb0e.jpg", "2_693b08cb0e.jpg"),
]


@pytest.mark.parametrize(("one", "other"), ONE)
def test_one_photo_is_found_by_either_name(one: str, other: str) -> None:
    assert other in PhotoNames(["z.jpg", one]) and one in PhotoNames([other])


@pytest.mark.parametrize(("one", "other"), TWO)
def test_two_photos_are_not_taken_for_one(one: str, other: str) -> None:
    assert other not in PhotoNames(["z.jpg", one]) and one not in PhotoNames([other])
