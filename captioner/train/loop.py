"""The training loop: cross-entropy or self-critical, frozen or trained encoder, one process or several.

Everything that a resumed run needs is in one state file, written in one step; on a CPU a resumed run
gives bit for bit what a straight run gives.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from captioner.device import lower_precision
from captioner.errors import DataError, ModelError
from captioner.model import CaptionModel
from captioner.train.batches import Batch, Batches, Views
from captioner.train.joint_norm import normalise_jointly
from captioner.train.objectives import CrossEntropy, SelfCritical
from captioner.train.processes import Processes
from captioner.vocabulary import Vocabulary

#: What to do about a training that diverges.
_SLOWER = "try a lower learning rate"


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


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What one epoch gave."""

    epoch: int
    loss: float
    score: float  # CIDEr-D of the averaged model on the dev photos, beam 3
    seconds: float  # with its scoring; of a resumed run without the pause


class Training:
    """A run: its model, data and recipe, and all that its steps change."""

    def __init__(
        self,
        model: CaptionModel,
        batches: Batches,
        views: Views,
        objective: CrossEntropy | SelfCritical,
        vocabulary: Vocabulary,
        recipe: Recipe,
        processes: Processes | None = None,
        made_with: Mapping[str, object] | None = None,
    ) -> None:
        """`made_with`: further conditions that a saved state depends on, by their names in messages."""
        self.model, self.batches, self.views, self.objective, self.recipe = (
            model,
            batches,
            views,
            objective,
            recipe,
        )
        self.processes = processes or Processes.single()
        self._made_with: dict[str, object] = {  # a state is of no use where one of these differs
            "recipe": asdict(recipe),
            "model": model.config.trained_part(),
            "vocabulary": vocabulary.digest,
            "set of captions": batches.digest,
            **(made_with or {}),
        }
        normalise_jointly(model, self.processes)
        self.averaged = copy.deepcopy(model)
        self.optimizer = _optimizer(model, recipe)
        self.epoch, self.step, self.best = 0, 0, -math.inf
        self.total_loss, self.total_words = 0.0, 0
        self._began = time.monotonic()
        torch.manual_seed(recipe.seed + 1_000_003 * self.processes.rank)

    @property
    def steps(self) -> int:
        return self.recipe.epochs * self.batches.count

    @property
    def steps_left(self) -> int:
        """Of the current epoch."""
        return (self.epoch + 1) * self.batches.count - self.step

    @property
    def seconds(self) -> float:
        """What the current epoch has taken up to now; while a run is stopped no time passes."""
        return time.monotonic() - self._began

    @property
    def scored(self) -> CaptionModel:
        """The model that is scored and saved."""
        return self.averaged if self.recipe.averaging else self.model

    @property
    def state_size(self) -> int:
        """About the bytes of a saved state: two models, and two of Adam's means for each trained weight."""
        weights: int = sum(value.nbytes for value in self.model.state_dict().values())
        trained: int = sum(value.nbytes for value in self.model.parameters() if value.requires_grad)
        return 2 * (weights + trained)

    def run_epoch(
        self, progress: Callable[[float], None] = lambda loss: None, stop: Sequence[int] = ()
    ) -> float:
        """Train to the end of the current epoch (from its middle, if resumed); gives the mean loss a word.

        A signal in `stop` raises KeyboardInterrupt between two steps, in all processes after the same one;
        the state is whole then, as it is when `progress` raises.
        """
        self._set_modes()
        done = self.step - self.epoch * self.batches.count
        rank, ranks = self.processes.rank, self.processes.count
        for batch in self.batches.epoch(self.epoch, self.recipe.seed, rank, ranks, skip=done):
            loss = self._advance(batch)
            self.processes.stop_together(stop, self.model.device)
            progress(loss)
        return self.total_loss / max(self.total_words, 1)

    def finish_epoch(self) -> None:
        """Go on to the next epoch; not done by `run_epoch`, so that a stopped scoring can be repeated."""
        self.epoch += 1
        self.total_loss, self.total_words = 0.0, 0
        self._began = time.monotonic()

    def _advance(self, batch: Batch) -> float:
        """One step; gives the loss a word of the joint batch."""
        self._set_rates()
        features = self.views(self.model, batch.photos)
        with lower_precision(self.model.device):
            loss, words = self.objective(self.model, features, batch)
        if not bool(loss.isfinite()):
            raise ModelError(f"the loss is not a number at step {self.step}; {_SLOWER}")
        self.optimizer.zero_grad(set_to_none=True)
        total, count = self.processes.sum(loss.detach()), self.processes.sum(words)
        torch.autograd.backward(loss / count)
        self.processes.sum_gradients(self.model)
        if self.recipe.largest_gradient:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.largest_gradient)
        self.optimizer.step()
        self.step += 1
        self._average()
        self.total_loss += float(total)
        self.total_words += int(count)
        return float(total / count)

    def _set_modes(self) -> None:
        """Set train and eval mode; the backbone's batch normalisation always keeps ImageNet's statistics."""
        self.model.train()
        self.averaged.eval()
        for module in self.model.encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    def _set_rates(self) -> None:
        """Linear warm-up, and half a cosine to zero, where the recipe has them."""
        warmup = min(self.recipe.warmup_steps, self.steps // 10)  # of few photos all steps would be warm-up
        factor = min(1.0, (self.step + 1) / max(warmup, 1))
        if self.recipe.cosine:
            factor *= 0.5 * (1 + math.cos(math.pi * min(self.step / self.steps, 1.0)))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor

    @torch.no_grad()
    def _average(self) -> None:
        """Update the running mean of the weights (Polyak averaging), fast at first to forget the start."""
        decay = min(self.recipe.averaging, (self.step + 1) / (self.step + 10))
        for mean, now in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(now, 1 - decay)
        for kept, new in zip(self.averaged.buffers(), self.model.buffers(), strict=True):
            kept.copy_(new)

    def save_state(self, path: Path) -> None:
        """Write all that a resumed run needs, in one step.

        Every process but the first writes only its random state, to a file of its own. Weights that the last
        step broke are not saved over a good state: ModelError.
        """
        if not all(bool(weights.square().sum().isfinite()) for weights in self.model.parameters()):
            raise ModelError(f"the weights are no usable numbers after step {self.step}; {_SLOWER}")
        state: dict[str, object] = {
            "made with": self._made_with,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "counters": [self.epoch, self.step, self.best, self.total_loss, self.total_words],
            "seconds": self.seconds,
            "random": torch.get_rng_state(),
        }
        if not self.processes.first:
            path = self._further_state_path(path)
            state = {"made with": {}, "step": self.step, "random": torch.get_rng_state()}
        partial = path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                torch.save(state, file)
            partial.replace(path)
        except (OSError, RuntimeError) as error:
            reason = error.__context__ or error  # PyTorch's own error hides the system's, such as a full disk
            raise ModelError(f"{path}: the training state could not be saved ({reason})") from None
        finally:
            partial.unlink(missing_ok=True)

    def load_state(self, path: Path) -> None:
        """Take over a saved state. Raises DataError if it was made under other conditions, and ModelError."""
        state = _read_state(path)
        for name, value in self._made_with.items():
            if (began := state["made with"].get(name)) != value:
                changes = _recipe_changes(began, asdict(self.recipe)) if name == "recipe" and began else ""
                raise DataError(
                    f"{path}: was made with another {name}{changes}; "
                    "use the options and data that the run began with, or train in another folder"
                )
        try:
            self._restore(state, path)
        except Exception:  # what is broken in the middle of a state raises nearly anything
            raise ModelError(_NO_STATE.format(path)) from None

    def _restore(self, state: Mapping[str, Any], path: Path) -> None:
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.best, self.total_loss, self.total_words = state["counters"]
        self._began = time.monotonic() - state.get("seconds", 0.0)  # earlier versions kept none
        torch.set_rng_state(state["random"] if self.processes.first else self._further_random(path))

    def _further_state_path(self, path: Path) -> Path:
        return path.with_name(f"{path.stem}-{self.processes.rank}{path.suffix}")

    def _further_random(self, path: Path) -> Tensor:
        """The random state of a further process at this step; a fresh one where none was kept."""
        with contextlib.suppress(ModelError):  # such as a run that had fewer processes before
            state = _read_state(self._further_state_path(path))
            if state["step"] == self.step:
                return cast(Tensor, state["random"])
        seed = self.recipe.seed + 1_000_003 * self.processes.rank + self.step
        return torch.Generator().manual_seed(seed).get_state()


_NO_STATE = "{}: damaged, or not a training state of this version; train in another folder"


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        made_with = state["made with"]
        made_with.items()
        if "recipe" in made_with:
            # A recipe of an earlier version lacks what has become a choice since; its run had the default.
            made_with["recipe"] = asdict(Recipe()) | made_with["recipe"]
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    except Exception:  # PyTorch raises nearly anything for a file that is none of its own
        raise ModelError(_NO_STATE.format(path)) from None
    return state


def _recipe_changes(began: dict[str, object], now: dict[str, object]) -> str:
    """The choices that differ, with both values; one that a version does not have is none."""
    pairs = ((name, began.get(name, "none"), now.get(name, "none")) for name in now | began)
    return f" ({'; '.join(f'{name} {old}, now {new}' for name, old, new in pairs if old != new)})"


def _optimizer(model: CaptionModel, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; the encoder's trained stages have their own rate, its other stages are frozen."""
    stages = model.encoder.stages()
    trained = stages[-recipe.encoder_stages :] if recipe.encoder_learning_rate > 0 else []
    for stage in stages:
        stage.requires_grad_(stage in trained)
    backbone = {id(parameter) for stage in stages for parameter in stage.parameters()}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    fast = [parameter for parameter in parameters if id(parameter) not in backbone]
    slow = [parameter for parameter in parameters if id(parameter) in backbone]
    groups = [
        {"params": chosen, "lr": rate, "peak": rate}
        for chosen, rate in ((fast, recipe.learning_rate), (slow, recipe.encoder_learning_rate))
        if chosen
    ]
    return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, betas=(0.9, recipe.beta2))
