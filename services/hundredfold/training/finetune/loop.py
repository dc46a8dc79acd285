"""Training in steps that can be cut off anywhere: after a kill it goes on from the last checkpoint."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hundredfold.chassis.errors import Conflict
from hundredfold.training.finetune.model import Tunable
from hundredfold.training.finetune.objective import loss_of, mixed, one_cycle
from hundredfold.training.finetune.recipe import FineTuneRecipe

_LOSS_MEMORY = 0.95

Batch = Callable[[np.random.Generator], tuple[NDArray[np.uint8], NDArray[np.float32]]]
"""Draws a batch: images uint8 [n, p, p, 3], targets float32 [n, C]."""


class Tell(Protocol):
    """Told how far the training is."""

    def __call__(self, message: str, **steps: int) -> None:
        """What it is doing and, while it does steps, `done` and `total`."""


class Trainer:
    """Trains one network in stages.

    All chance of a step comes from the seed, the stage and the step, so that there is no state of a
    generator to keep and a step that is done again after a kill is the same step.

    Args:
        model: on its device.
        recipe: the numbers.
        seed: of all choices.
        checkpoint: file to begin from, if it is there, and to save to.
        tell: told of every step.
    """

    def __init__(
        self, model: Tunable, recipe: FineTuneRecipe, seed: int, checkpoint: Path, tell: Tell
    ) -> None:
        self._model = model
        self._recipe = recipe
        self._seed = seed
        self._checkpoint = checkpoint
        self._tell = tell
        self._device = next(model.parameters()).device
        self.stage, self.steps, self.seconds, self.loss = 1, 0, 0.0, 0.0
        """The stage at work, steps and seconds of all stages, and the running mean of the loss."""
        self._step, self._stage_seconds = 0, 0.0
        self._optimiser_state: Any = None
        if checkpoint.exists():
            self._restore()

    def run(
        self,
        stage: int,
        batch: Batch,
        *,
        steps: int,
        seconds: float,
        later: int,
        rate: float,
        what: str,
    ) -> None:
        """Train one stage to its end; nothing is done where a later one has begun.

        The learning rate follows what is nearer to its end, the steps or the time: a stage that runs out
        of time still ends with its lowest rate.

        Args:
            stage: from 1.
            batch: draws what to learn from.
            steps: at most.
            seconds: at most.
            later: steps of the stages after it, to tell.
            rate: share of the recipe's rates.
            what: is done, in words.

        Raises:
            Conflict: DIVERGED.
        """
        if self.stage > stage:
            return
        optimiser = self._optimiser()
        total = self.steps - self._step + steps + later
        saved_at = time.monotonic()
        while (fraction := max(self._step / steps, self._stage_seconds / seconds)) < 1:
            begun = time.perf_counter()
            self._set_rates(optimiser, rate * one_cycle(fraction, self._recipe.warm_up))
            dice = np.random.default_rng([self._seed, stage, self._step])
            self._learn(optimiser, dice, *batch(dice))
            self._step, self.steps = self._step + 1, self.steps + 1
            spent = time.perf_counter() - begun
            self._stage_seconds, self.seconds = self._stage_seconds + spent, self.seconds + spent
            left = _left(self._step, steps, self._stage_seconds, seconds)
            now = f"{what}: {math.ceil(left)} s left, loss {self.loss:.2f}"
            self._tell(now, done=self.steps, total=total)
            if time.monotonic() - saved_at > self._recipe.checkpoint_seconds:
                self._save(optimiser)
                saved_at = time.monotonic()
        self.stage, self._step, self._stage_seconds = stage + 1, 0, 0.0
        self._save(None)

    def probabilities(
        self, places: NDArray[np.int64], images_of: Callable[[NDArray[np.int64]], NDArray[np.uint8]]
    ) -> NDArray[np.float32]:
        """What the network says of images: float32 [n, C].

        Args:
            places: int64 [n].
            images_of: the images of some places, uint8 [k, p, p, 3].
        """
        size = self._recipe.batch
        answers = [np.empty((0, self._model.linear.out_features), np.float32)]
        with torch.inference_mode(), self._precision():
            for begin in range(0, len(places), size):
                images = self._on_device(images_of(places[begin : begin + size]))
                logits = self._model(self._model.normalised(images))
                answers.append(logits.float().softmax(1).cpu().numpy())
        return np.concatenate(answers)

    def _learn(
        self,
        optimiser: torch.optim.Optimizer,
        dice: np.random.Generator,
        pixels: NDArray[np.uint8],
        wanted: NDArray[np.float32],
    ) -> None:
        images, targets = self._model.normalised(self._on_device(pixels)), self._on_device(wanted)
        if self._recipe.mixup:
            share = float(dice.beta(self._recipe.mixup, self._recipe.mixup))
            images, targets = mixed(images, targets, share)
        with self._precision():
            loss = loss_of(self._model(images), targets)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Conflict(
                f"the training diverged: its loss is {value} after {self.steps} steps; nothing is published",
                reason="DIVERGED",
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        kept = _LOSS_MEMORY if self.steps else 0.0
        self.loss = kept * self.loss + (1 - kept) * value

    def _on_device(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device, non_blocking=True)

    def _precision(self) -> AbstractContextManager[None]:
        if self._device.type == "cuda":
            return torch.autocast("cuda", torch.bfloat16)
        return nullcontext()

    def _optimiser(self) -> torch.optim.Optimizer:
        learning = [each for each in self._model.features.parameters() if each.requires_grad]
        groups = [{"params": learning}, {"params": list(self._model.linear.parameters())}]
        optimiser = torch.optim.AdamW(groups, weight_decay=self._recipe.weight_decay)
        if self._optimiser_state is not None:
            optimiser.load_state_dict(self._optimiser_state)
            self._optimiser_state = None
        return optimiser

    def _set_rates(self, optimiser: torch.optim.Optimizer, share: float) -> None:
        rates = self._recipe.backbone_rate, self._recipe.linear_rate
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * share

    def _save(self, optimiser: torch.optim.Optimizer | None) -> None:
        """Replace the checkpoint; without an optimiser the next stage makes its own."""
        state = {
            "stage": self.stage,
            "step": self._step,
            "steps": self.steps,
            "seconds": self.seconds,
            "stage_seconds": self._stage_seconds,
            "loss": self.loss,
            "model": self._model.state_dict(),
            "optimiser": optimiser.state_dict() if optimiser else None,
        }
        temporary = self._checkpoint.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self._checkpoint)

    def _restore(self) -> None:
        state = torch.load(self._checkpoint, map_location=self._device, weights_only=True)
        self.stage, self.steps = state["stage"], state["steps"]
        self.seconds, self.loss = state["seconds"], state["loss"]
        self._step, self._stage_seconds = state["step"], state["stage_seconds"]
        self._model.load_state_dict(state["model"])
        self._optimiser_state = state["optimiser"]


def _left(step: int, steps: int, spent: float, seconds: float) -> float:
    """Seconds until a stage ends."""
    return max(0.0, min(seconds - spent, spent / step * (steps - step)))
