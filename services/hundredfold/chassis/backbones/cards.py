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

TOKENS = "tokens"
"""The name of the input of a graph for texts, whose output is an embedding too."""

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
class Preprocessing:
    """What a backbone's graph does first, with uint8 RGB pixels that are cropped and resized by then.

    Attributes:
        mean: what is taken from each channel of 0..255.
        deviation: what each channel is then divided by.
        channels: `RGB` or `BGR`: the order that the network sees.
    """

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    channels: str = "RGB"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Preprocessing":
        """Read what `asdict` made."""
        mean, deviation = (tuple(map(float, value[name])) for name in ("mean", "deviation"))
        return cls(_three(mean), _three(deviation), str(value.get("channels", "RGB")))


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


@dataclass(frozen=True)
class TextHalf:
    """The half of a dual encoder that embeds texts; its files lie beside the other half's.

    Attributes:
        length: tokens of each text: shorter ones are padded, longer ones cut.
        pad: the token that pads.
    """

    length: int
    pad: int

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TextHalf":
        """Read what `asdict` made."""
        return cls(int(value["length"]), int(value["pad"]))


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
        preprocessing: what its graph does first; None = an older card does not say, or nobody knows.
        text: its half for texts; None = it has none.
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
    preprocessing: Preprocessing | None = None
    text: TextHalf | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ModelCard":
        """Read a card; fields that this version does not know are ignored."""
        tuned, seen, text = (value.get(name) for name in ("tuned", "preprocessing", "text"))
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
            preprocessing=None if seen is None else Preprocessing.from_json(seen),
            text=None if text is None else TextHalf.from_json(text),
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
