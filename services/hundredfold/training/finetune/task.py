"""What the service tells the process that trains: a folder with the task, and labels beside it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.training.finetune.recipe import FineTuneRecipe

TASK, LABELS = "task.json", "labels.npz"


@dataclass(frozen=True)
class Task:
    """One fine-tuning.

    Attributes:
        run_id: whose it is.
        store: root of the artifact store.
        sources: folders and URI prefixes that images may be read from.
        collection: on whose labels.
        space: `name@version`; images with a vector in it are those to learn from without a label.
        base: `name@version` of the backbone to begin from.
        seconds: at most so many of training; 0 = as the recipe says.
        seed: of the random choices.
        labels_seq: the newest event in the labels.
        threads: to train with.
        recipe: the numbers.
    """

    run_id: str
    store: str
    sources: tuple[str, ...]
    collection: str
    space: str
    base: str
    seconds: int
    seed: int
    labels_seq: int
    threads: int
    recipe: FineTuneRecipe = field(default_factory=FineTuneRecipe)

    @classmethod
    def read(cls, folder: Path) -> "Task":
        """The task of a folder.

        Raises:
            OSError: there is none.
            ValueError: what is there is none.
        """
        try:
            values: Mapping[str, Any] = json.loads((folder / TASK).read_text("utf-8"))
            known = {each.name: values[each.name] for each in fields(cls)}
            known["sources"] = tuple(known["sources"])
            known["recipe"] = FineTuneRecipe(**known["recipe"])
            return cls(**known)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a task: {error}") from error

    def write(self, folder: Path) -> None:
        """Keep the task; it is there whole or not at all."""
        temporary = folder / f"{TASK}.tmp"
        temporary.write_text(json.dumps(asdict(self)), "utf-8")
        temporary.replace(folder / TASK)

    def same_work(self, other: "Task") -> bool:
        """Whether the other is to make the very same network, be it for another run."""
        return asdict(self) | {"run_id": ""} == asdict(other) | {"run_id": ""}


@dataclass(frozen=True)
class TaskLabels:
    """What people said.

    Attributes:
        rows: int64 [n], images to learn from.
        class_ids: int32 [n], the class of each.
        negative_rows: int64 [m], images without a label; may repeat.
        negative_class_ids: int32 [m], what each is not.
        known: int64 [k], all images with a label, those too that are not to learn from.
    """

    rows: NDArray[np.int64]
    class_ids: NDArray[np.int32]
    negative_rows: NDArray[np.int64]
    negative_class_ids: NDArray[np.int32]
    known: NDArray[np.int64]

    @classmethod
    def read(cls, folder: Path) -> "TaskLabels":
        """The labels of a folder."""
        with np.load(folder / LABELS, allow_pickle=False) as arrays:
            return cls(**{each.name: arrays[each.name] for each in fields(cls)})

    def write(self, folder: Path) -> None:
        """Keep them; to be done before the task is written."""
        np.savez(folder / LABELS, allow_pickle=False, **vars(self))
