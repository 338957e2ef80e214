"""The score on held-out photos is that of the captions which the model will write in use."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from captioner.captioner import Captioner
from captioner.cider import CiderD
from captioner.configuration import ModelConfig
from captioner.effort import Effort
from captioner.preprocess import Preprocess
from captioner.train.batches import CachedViews
from captioner.train.dev_score import DevScore
from tests.captioner.worlds import WORDS, tiny_checkpoint

PHOTOS = 24
STUDENT = ModelConfig(
    "resnet101", "show_and_tell", 16, 16, preprocess=Preprocess(size=64, shrink_on_load=False)
)


@pytest.mark.usefixtures("short_resnet")
def test_a_student_projects_model_is_scored_by_its_greedy_captions() -> None:
    student = Captioner(tiny_checkpoint(config=STUDENT), "student", "cpu")
    features = np.random.default_rng(0).normal(size=(PHOTOS, 2, 2048)).astype(np.float16)
    views, photos = CachedViews(features), torch.arange(PHOTOS)
    greedy, wide = (
        [row[0].text.split() for row in student.write(views.plain(student.model, photos), Effort(beam, 1, 0))]
        for beam in (1, 3)
    )
    references = [[words] for words in greedy]
    best = CiderD(references).mean(greedy)
    assert CiderD(references).mean(wide) < best
    assert DevScore(views, references, WORDS)(student.model) == pytest.approx(best)
