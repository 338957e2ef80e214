"""How hard captioning tries, and its limits. Commands read them, so nothing here loads torch."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from reprlib import repr as shortened

from captioner.errors import ModelError
from captioner.given import is_number

#: The beam where none is asked for; the student project's models are greedy.
USUAL_BEAM = 3
#: Work and memory grow with the beam and with the captions of a photo; neither gives more beyond a few.
MOST_BEAM = MOST_CAPTIONS = 50
#: In nats, like the scores of words: more changes nothing, and far more leaves no score finite.
MOST_DIVERSITY = 100


@dataclass(frozen=True, slots=True)
class Effort:
    """How captions are to be written. Raises ModelError for what is not possible.

    NumPy's numbers become Python's, since narrow ones could overflow in computations.
    """

    beam: int  # 1: greedy
    captions: int  # of each photo
    diversity: float  # above 0: they differ by more than a word

    def __post_init__(self) -> None:
        beam, captions, diversity = map(shortened, (self.beam, self.captions, self.diversity))
        if not (is_number(self.beam, Integral) and 1 <= self.beam <= MOST_BEAM):
            raise ModelError(f"a beam of {beam} is not possible; use 1 (greedy) to {MOST_BEAM}")
        if not (is_number(self.captions, Integral) and 1 <= self.captions <= MOST_CAPTIONS):
            raise ModelError(f"{captions} captions of a photo are not possible; ask for 1 to {MOST_CAPTIONS}")
        if not (is_number(self.diversity, Real) and 0 <= self.diversity <= MOST_DIVERSITY):
            raise ModelError(
                f"a diversity of {diversity} is not possible; 0.5 is usual, {MOST_DIVERSITY} the most"
            )
        object.__setattr__(self, "beam", int(self.beam))
        object.__setattr__(self, "captions", int(self.captions))
        object.__setattr__(self, "diversity", float(self.diversity))
