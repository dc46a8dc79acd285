"""Backbones: what a card says of one."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hundredfold.chassis.storage.layout import check_model, name_and_version

KIND = "backbone"
DEFAULT_MODEL = "efficientnet-lite0@1"
INPUT, EMBEDDING, LOGITS = "image", "embedding", "logits"
"""The names of the tensors of every backbone's graph."""

LARGEST_BATCH = 64
"""Images in one call of a backbone; the inference server refuses more."""

_MOST_NAME = 120
_DIGEST = 12


@dataclass(frozen=True)
class Tuned:
    """How a backbone was fine-tuned.

    Attributes:
        parent: `name@version` of the backbone that it began from.
        collection: on whose labels.
        labels_seq: the newest event it has learnt from.
        labels: how many images with a label it has learnt from.
        seconds: of training.
    """

    parent: str
    collection: str
    labels_seq: int
    labels: int
    seconds: float

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Tuned":
        """Read what `asdict` made; fields that this version does not know are ignored."""
        return cls(
            parent=str(value["parent"]),
            collection=str(value["collection"]),
            labels_seq=int(value["labels_seq"]),
            labels=int(value["labels"]),
            seconds=float(value["seconds"]),
        )


@dataclass(frozen=True)
class ModelCard:
    """What is known of a backbone.

    Attributes:
        model: `name@version`.
        dimensions: length of its vectors.
        input_pixels: pixels a side of its input.
        classes: length of its logits.
        source: where its weights came from.
        licence: under which licence.
        kind: always `backbone`; cards of other kinds are no backbones.
        recipe: which recipe builds the network; of an older card its name.
        tuned: how it was fine-tuned; None = it was not.
    """

    model: str
    dimensions: int
    input_pixels: int
    classes: int
    source: str
    licence: str
    kind: str = KIND
    recipe: str = ""
    tuned: Tuned | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ModelCard":
        """Read a card; fields that this version does not know are ignored."""
        tuned = value.get("tuned")
        return cls(
            model=str(value["model"]),
            dimensions=int(value["dimensions"]),
            input_pixels=int(value["input_pixels"]),
            classes=int(value.get("classes", 0)),
            source=str(value.get("source", "")),
            licence=str(value.get("licence", "")),
            kind=str(value["kind"]),
            recipe=str(value.get("recipe") or name_and_version(str(value["model"]))[0]),
            tuned=None if tuned is None else Tuned.from_json(tuned),
        )

    def to_json(self) -> dict[str, Any]:
        """The card as a JSON object."""
        return asdict(self)


def tuned_name(recipe: str, collection: str, pixels: int = 0) -> str:
    """The name of what is fine-tuned on a collection, short enough for the model repository.

    Args:
        recipe: of the network.
        collection: on whose labels.
        pixels: a side of the input, to tell sizes apart; 0 = leave it out.
    """
    name = f"{recipe}-{collection}" + (f"-{pixels}px" if pixels else "")
    if len(name) > _MOST_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
        name = f"{name[: _MOST_NAME - _DIGEST - 1]}-{digest}"
    check_model(f"{name}@1")
    return name
