"""One fine-tuning from the task to the published backbone."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.holdout import held_out
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.training.finetune.data import Squares, rows_at_random, short_side, uris_of
from hundredfold.training.finetune.loop import Tell, Trainer
from hundredfold.training.finetune.model import Tunable, network_of
from hundredfold.training.finetune.objective import (
    balanced_accuracy,
    one_hot,
    sampling,
    sharpened,
    without_known_wrong,
)
from hundredfold.training.finetune.publishing import publish
from hundredfold.training.finetune.task import Task, TaskLabels

CHECKPOINT = "checkpoint.pt"
_UNLABELLED, _TARGETS = "unlabelled.npy", "targets.npz"
_JUDGED = 2000
_PREDICTING = 0.15
_FORWARD = 1 / 3
"""The time that an image takes to be judged, as a share of what it takes to be learnt from."""


@dataclass(frozen=True)
class Targets:
    """Images and what they are learnt to be.

    Attributes:
        squares: where the images are.
        places: int64 [n], in them.
        targets: float32 [n, C].
        chances: float64 [n], how likely each is drawn.
    """

    squares: Squares
    places: NDArray[np.int64]
    targets: NDArray[np.float32]
    chances: NDArray[np.float64]

    def draw(
        self, dice: np.random.Generator, count: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Crops of so many images, and their targets."""
        drawn = dice.choice(len(self.places), count, p=self.chances)
        return self.squares.crops(self.places[drawn], dice), self.targets[drawn]


class FineTuning:
    """The work; what is done stays in its folder, so that it goes on there after a kill.

    Args:
        folder: with the task and the labels.
        tell: told how far it is.
    """

    def __init__(self, folder: Path, tell: Tell) -> None:
        self._folder = folder
        self._tell = tell
        self._task = Task.read(folder)
        self._recipe = self._task.recipe
        self._labels = TaskLabels.read(folder)
        self._store = ArtifactStore(self._task.store)
        self._sources = Sources(self._task.sources)
        self._repository = ModelRepository(self._store)
        self._seconds = float(self._task.seconds or self._recipe.seconds)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def __call__(self) -> dict[str, Any]:
        """Do it; the run's result.

        Raises:
            NotFound: the base is gone.
            Conflict: TOO_FEW_LABELS, when images can't be read; NO_WEIGHTS; DIVERGED.
            Unavailable: the images can't be reached.
            ResourceExhausted: NO_SPACE.
        """
        parent = self._repository.card(self._task.base)
        made_by, network = network_of(self._repository, parent)
        labelled = self._labelled
        torch.manual_seed(self._task.seed)
        model = Tunable(
            network, made_by, len(self._class_ids), self._recipe.frozen, self._pixels
        ).to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        checkpoint = self._folder / CHECKPOINT
        trainer = Trainer(model, self._recipe, self._task.seed, checkpoint, self._tell)
        unlabelled = self._train(trainer, labelled)
        self._judge(trainer, labelled)
        self._tell("publishing")
        card = publish(
            self._repository,
            self._task,
            self._folder,
            recipe=made_by,
            parent=parent,
            model=model,
            labels=len(labelled.places),
            seconds=trainer.seconds,
            pixels=self._pixels,
        )
        return {
            "model": card.model,
            "labels": len(labelled.places),
            "unlabelled": unlabelled,
            "steps": trainer.steps,
            "seconds": round(trainer.seconds, 1),
            "loss": round(trainer.loss, 4),
            "skipped": len(self._rows) - len(labelled.places),
        }

    def _train(self, trainer: Trainer, labelled: Targets) -> int:
        """Both stages; how many images without a label were learnt from."""
        recipe = self._recipe
        first = max(recipe.least_steps, round(recipe.epochs * len(labelled.places) / recipe.batch))
        second = round(recipe.second_stage * first)
        trainer.run(
            1,
            lambda dice: labelled.draw(dice, recipe.batch),
            steps=first,
            seconds=self._seconds / (1 + recipe.second_stage),
            later=second,
            rate=1.0,
            what=f"learning from {len(labelled.places)} labels",
        )
        guessed = self._guessed(trainer, second) if second else None
        if guessed is None:
            return 0

        def half_and_half(
            dice: np.random.Generator,
        ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
            ours, theirs = (
                labelled.draw(dice, recipe.batch // 2),
                guessed.draw(dice, recipe.batch // 2),
            )
            return np.concatenate([ours[0], theirs[0]]), np.concatenate([ours[1], theirs[1]])

        trainer.run(
            2,
            half_and_half,
            steps=second,
            seconds=max(1.0, self._seconds - trainer.seconds),
            later=0,
            rate=recipe.second_rate,
            what=f"learning from {len(guessed.places)} guesses too",
        )
        return len(guessed.places)

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        """The rows to learn from, a random sample where there are many; bad images still among them."""
        order = np.random.default_rng([self._task.seed, 0]).permutation(len(self._labels.rows))
        return self._labels.rows[np.sort(order[: self._recipe.most_labelled])]

    @cached_property
    def _labelled(self) -> Targets:
        squares, places = self._read("labelled", self._rows)
        at = np.searchsorted(self._labels.rows, self._rows[places])
        class_ids = self._labels.class_ids[at]
        counts = np.unique(class_ids, return_counts=True)[1]
        if (counts >= 2).sum() < 2:
            raise Conflict(
                f"of {len(self._rows)} labelled images {len(places)} can be read: too few",
                reason="TOO_FEW_LABELS",
            )
        classes = np.searchsorted(self._class_ids, class_ids)
        targets = one_hot(classes, len(self._class_ids), self._recipe.smoothing)
        return Targets(squares, places, targets, sampling(classes))

    @cached_property
    def _pixels(self) -> int:
        """A side of the input."""
        side = short_side(self._store, self._task.collection, self._rows)
        return self._recipe.pixels_for(side)

    @cached_property
    def _class_ids(self) -> NDArray[np.int32]:
        """Of the outputs, ascending."""
        return np.unique(self._labels.class_ids)

    def _guessed(self, trainer: Trainer, steps: int) -> Targets | None:
        """Images without a label that the network is sure of; None when there are hardly any."""
        rows = self._unlabelled(trainer, steps)
        if not len(rows):
            return None
        squares, places = self._read("unlabelled", rows)
        kept = self._folder / _TARGETS
        if not kept.exists():
            self._tell(f"judging {len(places)} images")
            sure, targets = self._sure_of(trainer, squares, places, rows)
            _write(kept, places=places[sure], targets=targets)
        with np.load(kept, allow_pickle=False) as arrays:
            places, targets = arrays["places"], arrays["targets"]
        if len(places) < self._recipe.batch // 2:
            return None
        return Targets(squares, places, targets, sampling(targets.argmax(axis=1)))

    def _sure_of(
        self, trainer: Trainer, squares: Squares, places: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Which of the places the network is sure of, and what they are learnt to be."""
        probabilities = trainer.probabilities(places, squares.centres)
        if not np.isfinite(probabilities).all():
            raise _diverged("it has no guesses for images without a label")
        wrong = self._known_wrong(rows[places])
        probabilities = without_known_wrong(probabilities, *wrong)
        sure = np.flatnonzero(probabilities.max(axis=1, initial=0) >= self._recipe.confidence)
        return sure, sharpened(probabilities[sure], self._recipe.sharpening)

    def _known_wrong(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What people said these rows are not: places in `rows` and classes, int64 [m] each."""
        negatives, ids = self._labels.negative_rows, self._labels.negative_class_ids
        known = np.isin(ids, self._class_ids) & np.isin(negatives, rows)
        order = np.argsort(rows)
        at = order[np.searchsorted(rows, negatives[known], sorter=order)]
        return at, np.searchsorted(self._class_ids, ids[known])

    def _unlabelled(self, trainer: Trainer, steps: int) -> NDArray[np.int64]:
        """Rows that nobody has labelled: no more than can be judged in a part of the time, or drawn twice."""
        kept = self._folder / _UNLABELLED
        if not kept.exists():
            recipe = self._recipe
            each = trainer.seconds / max(1, trainer.steps) / recipe.batch * _FORWARD
            in_time = int(_PREDICTING * self._seconds / max(each, 1e-9))
            most = min(recipe.most_unlabelled, steps * recipe.batch, in_time)
            known = self._labels.known
            rows = rows_at_random(
                self._store,
                self._task.collection,
                self._task.space,
                most=most,
                seed=self._task.seed,
                fit=lambda rows: ~(held_out(rows) | np.isin(rows, known)),
            )
            temporary = kept.with_suffix(".tmp.npy")
            np.save(temporary, np.sort(rows), allow_pickle=False)
            temporary.replace(kept)
        rows = np.load(kept, allow_pickle=False)
        return np.asarray(rows, np.int64)

    def _read(self, name: str, rows: NDArray[np.int64]) -> tuple[Squares, NDArray[np.int64]]:
        """The images of rows, and the places of those that can be read."""
        uris = uris_of(self._store, self._task.collection, rows)
        squares = Squares(self._folder, name, len(rows), self._pixels)
        squares.fill(
            [uris.get(row, "") for row in rows.tolist()],
            self._sources,
            self._task.threads,
            lambda done: self._tell(f"reading {name} images: {done} of {len(rows)}"),
        )
        return squares, squares.good

    def _judge(self, trainer: Trainer, labelled: Targets) -> None:
        """Refuse a network that is hardly better than chance on what it has learnt from."""
        count = min(_JUDGED, len(labelled.places))
        some = np.random.default_rng([self._task.seed, 3]).permutation(len(labelled.places))[:count]
        probabilities = trainer.probabilities(labelled.places[some], labelled.squares.centres)
        if not np.isfinite(probabilities).all():
            raise _diverged("it has no guesses for its own labels")
        classes = labelled.targets[some].argmax(axis=1)
        accuracy = balanced_accuracy(probabilities.argmax(axis=1), classes)
        chance = 1 / len(np.unique(classes))
        if accuracy < chance + self._recipe.least_gain * (1 - chance):
            raise _diverged(
                f"of its own labels it gets {accuracy:.0%} right, by chance {chance:.0%}"
            )


def _diverged(why: str) -> Conflict:
    return Conflict(f"the training failed: {why}; nothing is published", reason="DIVERGED")


def _write(path: Path, **arrays: NDArray[Any]) -> None:
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, allow_pickle=False, **arrays)
    temporary.replace(path)
