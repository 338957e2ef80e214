"""Cached features: of these very photos, and either whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor, nn

from captioner.datasets import CaptionedPhoto
from captioner.errors import DataError
from captioner.model import CaptionModel
from captioner.networks.encoder import GridEncoder
from captioner.train.features import VIEWS, cached_features
from tests.captioner.noted import Noted
from tests.captioner.worlds import TINY, coloured_photos, tiny_checkpoint
from tests.synced import Synced


@pytest.fixture(scope="module")
def model() -> CaptionModel:
    return tiny_checkpoint().model


def photo(path: Path, colour: str) -> CaptionedPhoto:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), colour).save(path)
    return CaptionedPhoto(path, ("a field",))


def test_features_are_made_once(model: CaptionModel, tmp_path: Path) -> None:
    photos, noted = coloured_photos(tmp_path / "photos", 35), Noted()
    first = cached_features(model, photos, tmp_path / "cache", watcher=noted)
    again = cached_features(model, photos, tmp_path / "cache", watcher=noted)
    assert (noted.stages, noted.done) == ({"features 35": 0}, [32, 3])
    assert first.shape == (35, VIEWS, 4, 1280) and first.dtype == np.float16
    assert np.array_equal(first, again)
    alone = cached_features(model, photos[33:34], tmp_path / "cache")
    np.testing.assert_allclose(alone[0], first[33], atol=0.05)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npy"] * 2


class OtherHead(GridEncoder):
    """An encoder whose head has weights, by a name that no encoder here has."""

    def __init__(self) -> None:
        super().__init__(TINY.grid, pretrained=False)
        self.project = nn.Linear(self.channels, self.channels)

    def head(self, features: Tensor) -> Tensor:
        projected: Tensor = self.project(features)
        return projected


def test_features_are_found_again_when_the_head_was_trained_and_not_when_the_backbone_was(
    tmp_path: Path,
) -> None:
    model, photos, noted = tiny_checkpoint().model, coloured_photos(tmp_path / "photos", 1), Noted()
    model.encoder = encoder = OtherHead()
    for weight, made in ((None, 1), (encoder.project.weight, 1), (encoder.network.conv_head.weight, 2)):
        if weight is not None:
            nn.init.ones_(weight)
        cached_features(model, photos, tmp_path / "cache", watcher=noted)
        assert len(noted.done) == made


def test_features_last_a_loss_of_power(
    model: CaptionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the right size and no content would be taken for features."""
    synced = Synced(monkeypatch)
    cached_features(model, coloured_photos(tmp_path / "photos", 2), tmp_path / "cache")
    [path] = (tmp_path / "cache").iterdir()
    assert path in synced


def test_photos_of_one_name_and_size_in_two_folders_are_two(model: CaptionModel, tmp_path: Path) -> None:
    red, blue = (photo(tmp_path / colour / "1.bmp", colour) for colour in ("red", "blue"))
    assert red.image.stat().st_size == blue.image.stat().st_size
    of_red, of_blue = (cached_features(model, [one], tmp_path / "cache") for one in (red, blue))
    assert not np.array_equal(of_red, of_blue)


def _write_over(path: Path) -> None:
    path.write_bytes(_blue(path.with_name("other.bmp")))


def _move_over(path: Path) -> None:
    _blue(path.with_name("other.bmp"))
    path.with_name("other.bmp").replace(path)


def _blue(path: Path) -> bytes:
    return photo(path, "blue").image.read_bytes()


@pytest.mark.parametrize("change", [_write_over, _move_over])
def test_a_photo_that_became_another_gets_features_of_its_own(
    change: Callable[[Path], None], model: CaptionModel, tmp_path: Path
) -> None:
    """Even where it has the size and the time of the old one, as after a copy that keeps times."""
    red = photo(tmp_path / "1.bmp", "red")
    os.utime(red.image, ns=(10**18, 10**18))
    before = cached_features(model, [red], tmp_path / "cache")
    change(red.image)
    os.utime(red.image, ns=(10**18, 10**18))
    assert not np.array_equal(cached_features(model, [red], tmp_path / "cache"), before)


@pytest.mark.parametrize("left", [0, 5, 60, -1])
def test_a_file_that_was_cut_off_is_made_anew(left: int, model: CaptionModel, tmp_path: Path) -> None:
    photos = coloured_photos(tmp_path / "photos", 2)
    before = cached_features(model, photos, tmp_path / "cache").copy()
    [path] = (tmp_path / "cache").iterdir()
    path.write_bytes(path.read_bytes()[:left])
    assert np.array_equal(cached_features(model, photos, tmp_path / "cache"), before)
    assert [*(tmp_path / "cache").iterdir()] == [path]


def test_a_photo_that_is_missing_is_named(model: CaptionModel, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: No such file"):
        cached_features(model, [CaptionedPhoto(tmp_path / "gone.png", ())], tmp_path / "cache")
    with pytest.raises(DataError, match="no photos"):
        cached_features(model, [], tmp_path / "cache")


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from captioner.errors import DataError
from captioner.stages import Unwatched
from captioner.train.features import cached_features
from tests.captioner.worlds import coloured_photos, tiny_checkpoint
folder = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing beyond the limit fails as on a full disk

class Full(Unwatched):
    def advance(self, count=1):
        size = next(folder.glob("cache/.*.npy.*")).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

try:
    cached_features(tiny_checkpoint().model, coloured_photos(folder, 33), folder / "cache", watcher=Full())
except DataError as error:
    print(error)
"""


def test_a_disk_that_fills_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    """The space runs out after the first photos: a file with a hole would have been given it unasked."""
    result = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{tmp_path / 'cache'}: the features cannot be written" in result.stdout, result.stderr
    assert list((tmp_path / "cache").iterdir()) == []
