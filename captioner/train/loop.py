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

from captioner.errors import ModelError
from captioner.files import written_whole
from captioner.model import CaptionModel
from captioner.networks.device import lower_precision
from captioner.train.batches import Batch, Batches, Views
from captioner.train.joint_norm import normalise_jointly
from captioner.train.objectives import CrossEntropy, SelfCritical
from captioner.train.processes import Processes
from captioner.train.recipe import Recipe
from captioner.train.state import NO_STATE, check_conditions, read_state
from captioner.vocabulary import Vocabulary

#: What to do about a training that diverges.
_SLOWER = "try a lower learning rate"


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What one epoch gave."""

    epoch: int  # 0: the model to start from, before any step
    loss: float | None  # mean of a word; None before any step
    score: float  # CIDEr-D on the dev photos of the model that would be saved, decoded as in use
    seconds: float  # with its scoring; of a resumed run without the pause
    reward: float | None = None  # in self-critical training: mean of the captions that were drawn


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
        self.total_reward, self.total_drawn = 0.0, 0
        #: Of the captions that the last step drew, in self-critical training.
        self.step_reward: float | None = None
        self.start_clock()
        torch.manual_seed(recipe.seed + 1_000_003 * self.processes.rank)

    @property
    def steps(self) -> int:
        return self.recipe.epochs * self.batches.count

    @property
    def steps_left(self) -> int:
        """Return how many steps of the current epoch are left."""
        return (self.epoch + 1) * self.batches.count - self.step

    @property
    def reward(self) -> float | None:
        """The mean reward of the captions that the current epoch drew, in self-critical training."""
        return self.total_reward / self.total_drawn if self.total_drawn else None

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
        self.total_reward, self.total_drawn = 0.0, 0
        self.start_clock()

    def start_clock(self) -> None:
        """Let `seconds` count from now."""
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
        if isinstance(self.objective, SelfCritical):
            self._count_rewards(self.objective.rewards)
        return float(total / count)

    def _count_rewards(self, rewards: Tensor) -> None:
        """Add the rewards of the captions that this process has drawn in a step, and the others in theirs."""
        of_this = torch.tensor([float(rewards.sum()), len(rewards)], device=self.model.device)
        total, drawn = self.processes.sum(of_this).tolist()
        self.step_reward = total / drawn
        self.total_reward += total
        self.total_drawn += int(drawn)

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
            "rewards": [self.total_reward, self.total_drawn],
            "seconds": self.seconds,
            "random": torch.get_rng_state(),
        }
        if not self.processes.first:
            path = self._further_state_path(path)
            state = {"made with": {}, "step": self.step, "random": torch.get_rng_state()}
        try:
            with written_whole(path) as file:
                torch.save(state, file)
        except (OSError, RuntimeError) as error:
            reason = error.__context__ or error  # PyTorch's own error hides the system's, such as a full disk
            raise ModelError(f"{path}: the training state could not be saved ({reason})") from None

    def load_state(self, path: Path) -> None:
        """Take over a saved state. Raises DataError if it was made under other conditions, and ModelError."""
        state = read_state(path)
        check_conditions(path, state, self._made_with)
        try:
            self._restore(state, path)
        except Exception:  # what is broken in the middle of a state raises nearly anything
            raise ModelError(NO_STATE.format(path)) from None

    def _restore(self, state: Mapping[str, Any], path: Path) -> None:
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.best, self.total_loss, self.total_words = state["counters"]
        # earlier versions kept neither of these
        self.total_reward, self.total_drawn = state.get("rewards", (0.0, 0))
        self._began = time.monotonic() - state.get("seconds", 0.0)
        torch.set_rng_state(state["random"] if self.processes.first else self._further_random(path))

    def _further_state_path(self, path: Path) -> Path:
        return path.with_name(f"{path.stem}-{self.processes.rank}{path.suffix}")

    def _further_random(self, path: Path) -> Tensor:
        """The random state of a further process at this step; a fresh one where none was kept."""
        with contextlib.suppress(ModelError):  # such as a run that had fewer processes before
            state = read_state(self._further_state_path(path))
            if state["step"] == self.step:
                return cast(Tensor, state["random"])
        seed = self.recipe.seed + 1_000_003 * self.processes.rank + self.step
        return torch.Generator().manual_seed(seed).get_state()


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
