"""All choices of a training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """All choices of a training run; kept in the model's configuration."""

    epochs: int = 12
    photos_per_batch: int = 24
    learning_rate: float = 1e-3
    encoder_learning_rate: float = 0.0  # above 0: the encoder is trained too
    encoder_stages: int = 5  # trained ones, from the last; the first see edges and colours, and cost most
    detector_weight: float = 0.02  # of the word detector's loss while the encoder is trained
    warmup_steps: int = 200  # but no more than a tenth of all
    cosine: bool = True  # the rate falls to zero by half a cosine; else it stays
    beta2: float = 0.98  # Adam's
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    averaging: float = 0.998  # decay of the running mean of the weights that is scored and saved; 0: off
    largest_gradient: float = 1.0  # longer ones are shortened to it; 0: none is
    self_critical: bool = False
    samples: int = 5  # captions sampled for each photo in self-critical training
    temperature: float = 0.5  # scores are divided by it for sampling
    smallest_count: int = 4  # words seen less often are <unk>
    longest: int = 20
    seed: int = 0


#: The student project's training, for model1 to model5: five epochs of plain Adam (which AdamW without decay
#: is) at one rate. What differs: a step had 128 captions of any photos, here it has 26 photos with all of
#: theirs, some 130; photos were cropped at random, to 224 of 256 pixels, here the features of the frozen
#: encoder are kept, of the whole photo and its mirror image; and captions are cut after `longest` words.
STUDENT_RECIPE = Recipe(
    epochs=5,
    photos_per_batch=26,
    warmup_steps=0,
    cosine=False,
    beta2=0.999,
    weight_decay=0.0,
    label_smoothing=0.0,
    averaging=0.0,
    largest_gradient=0.0,
)
