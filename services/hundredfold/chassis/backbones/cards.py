"""Backbones: what a card says of one, and how an inference server is told of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hundredfold.chassis.storage.layout import name_and_version

KIND = "backbone"
DEFAULT_MODEL = "efficientnet-lite0@1"
INPUT, EMBEDDING, LOGITS = "image", "embedding", "logits"
"""The names of the tensors of every backbone's graph."""

LARGEST_BATCH = 64
"""Images in one call of a backbone; the inference server refuses more."""

_QUEUE_DELAY_MICROSECONDS = 2000
"""How long the inference server waits to put requests of several callers into one batch."""


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
    """

    model: str
    dimensions: int
    input_pixels: int
    classes: int
    source: str
    licence: str
    kind: str = KIND

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ModelCard":
        """Read a card; fields that this version does not know are ignored."""
        return cls(
            model=str(value["model"]),
            dimensions=int(value["dimensions"]),
            input_pixels=int(value["input_pixels"]),
            classes=int(value.get("classes", 0)),
            source=str(value.get("source", "")),
            licence=str(value.get("licence", "")),
            kind=str(value["kind"]),
        )

    def to_json(self) -> dict[str, Any]:
        """The card as a JSON object."""
        return asdict(self)


def triton_config(card: ModelCard) -> str:
    """The `config.pbtxt` of a backbone: every version is served, requests are batched together.

    No device is named: the server takes its GPUs if it has any, else the processor.
    """
    name, _ = name_and_version(card.model)
    pixels = card.input_pixels
    return f"""\
name: "{name}"
backend: "onnxruntime"
max_batch_size: {LARGEST_BATCH}
input [ {{ name: "{INPUT}" data_type: TYPE_UINT8 dims: [ {pixels}, {pixels}, 3 ] }} ]
output [
  {{ name: "{EMBEDDING}" data_type: TYPE_FP32 dims: [ {card.dimensions} ] }},
  {{ name: "{LOGITS}" data_type: TYPE_FP32 dims: [ {card.classes} ] }}
]
dynamic_batching {{ max_queue_delay_microseconds: {_QUEUE_DELAY_MICROSECONDS} }}
version_policy {{ all {{ }} }}
"""
