"""What captioning may be asked for, and what becomes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from captioner.effort import Effort
from captioner.errors import ModelError


@pytest.mark.parametrize("diversity", ["0.5", None, True, float("nan"), -0.1, 101])
def test_a_diversity_that_is_none_is_refused(diversity: Any) -> None:
    with pytest.raises(ModelError, match=r"a diversity of .* is not possible; 0\.5 is usual"):
        Effort(3, 1, diversity)


def test_numbers_of_numpy_become_pythons() -> None:
    effort = Effort(np.uint8(50), np.int64(2), np.float32(0.5))
    assert effort == Effort(50, 2, 0.5)
    assert [type(number) for number in (effort.beam, effort.captions, effort.diversity)] == [int, int, float]
