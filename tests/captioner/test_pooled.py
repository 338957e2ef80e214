"""What an encoder sees in a photo, averaged over its places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from captioner.captioner import Captioner
from captioner.photo import open_photo
from captioner.pooled import pooled_features
from tests.captioner.worlds import coloured_photos, tiny_checkpoint


def test_features_come_in_the_order_of_the_photos_batch_by_batch(tmp_path: Path) -> None:
    captioner = Captioner(tiny_checkpoint(), "tiny", "cpu", batch=2)
    photos = [photo.image for photo in coloured_photos(tmp_path, 3)]
    batches = list(pooled_features(captioner, photos))
    assert [len(batch) for batch in batches] == [2, 1]
    pixels = torch.stack([captioner.pixels(open_photo(photo, captioner.smallest)) for photo in photos])
    expected = captioner.features(pixels).mean(dim=1)
    torch.testing.assert_close(torch.from_numpy(np.concatenate(batches)), expected)
