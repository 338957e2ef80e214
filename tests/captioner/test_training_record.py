"""What a model remembers of its training photos, and that nobody tests it on them."""

from __future__ import annotations

import base64
import hashlib

import pytest

from captioner.errors import DataError
from captioner.finding import MODELS
from captioner.model_folder import read_config
from captioner.training_record import KEY, check_unseen, record, seen_in_training
from tests.captioner.test_photo_names import ONE, TWO


def test_a_model_remembers_its_training_photos_and_those_it_started_from() -> None:
    first = {KEY: record(["a.jpg", "COCO_val2014_000000000196.jpg"])}
    second = {KEY: record(["b.jpg"], first)}
    assert seen_in_training(first, ["a.jpg", "b.jpg"]) == ["a.jpg"]
    names = ["a.jpg", "b.jpg", "c.jpg", "000000000196.jpg"]
    assert seen_in_training(second, names) == ["a.jpg", "b.jpg", "000000000196.jpg"]
    assert seen_in_training({}, ["a.jpg"]) is None


@pytest.mark.parametrize(("one", "other"), ONE)
def test_a_photo_is_remembered_by_all_its_names(one: str, other: str) -> None:
    for learnt, tested in ((one, other), (other, one)):
        assert seen_in_training({KEY: record([learnt])}, [tested]) == [tested]


@pytest.mark.parametrize(("one", "other"), TWO)
def test_other_photos_are_not_remembered(one: str, other: str) -> None:
    assert (
        seen_in_training({KEY: record([one])}, [other])
        == seen_in_training({KEY: record([other])}, [one])
        == []
    )


def test_a_bare_name_takes_five_bytes_as_in_the_records_that_there_are() -> None:
    digest = hashlib.sha256(b"000000000196.jpg").digest()[:5]
    assert record(["COCO_val2014_000000000196.jpg"]) == base64.b64encode(digest).decode()


def test_the_default_model_remembers_its_photos_in_any_folder() -> None:
    about = read_config(MODELS / "default")[1]
    learnt = "1000268201_693b08cb0e.jpg"  # of Flickr8k's training split
    assert seen_in_training(about, [learnt, f"Images/{learnt}", "1.jpg"]) == [learnt, f"Images/{learnt}"]


def test_photos_to_test_on_are_refused_by_whose_they_are() -> None:
    about = {KEY: record(["a.jpg"])}
    assert not check_unseen(["a.jpg"], "tiny", [])
    assert check_unseen(["b.jpg"], "tiny", [], about) and check_unseen(["b.jpg"], "tiny", ["/data/c.jpg"])
    with pytest.raises(DataError, match=r"^2 of the 3 test photos are .* of tiny, such as a\.jpg$"):
        check_unseen(["b.jpg", "c.jpg", "a.jpg"], "tiny", ["/data/c.jpg"], about)
