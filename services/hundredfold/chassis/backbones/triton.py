"""How a Triton inference server is told of a backbone: its `config.pbtxt`."""

import enum
from dataclasses import dataclass

from hundredfold.chassis.backbones.cards import EMBEDDING, INPUT, LARGEST_BATCH, LOGITS, ModelCard
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.storage.layout import name_and_version


class Kind(enum.StrEnum):
    """Where instances of a model run; AUTO takes the GPUs if there are any, else the processor."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"


@dataclass(frozen=True)
class Serving:
    """How a backbone is served.

    Attributes:
        kind: where its instances run.
        instances: how many, on each GPU if they run there.
        preferred: sizes of batch that are sent off at once, ascending; others wait for company.
        delay_microseconds: how long they wait at most.
        queue: requests that may wait; more are refused with UNAVAILABLE, which our client tries again.
        patience_seconds: how long a request may wait before it is refused: its caller is gone by then.
    """

    kind: Kind = Kind.AUTO
    instances: int = 1
    preferred: tuple[int, ...] = (16, 32, LARGEST_BATCH)
    delay_microseconds: int = 2000
    queue: int = 256
    patience_seconds: int = 30

    def __post_init__(self) -> None:
        if not 1 <= self.instances <= 64:
            raise InvalidArgument("instances are 1 to 64", field="instances")
        if list(self.preferred) != sorted({*self.preferred} & {*range(1, LARGEST_BATCH + 1)}):
            raise InvalidArgument(
                f"preferred sizes ascend from 1 to at most {LARGEST_BATCH}", field="preferred"
            )
        if min(self.delay_microseconds, self.queue - 1, self.patience_seconds - 1) < 0:
            raise InvalidArgument("a queue and its patience are at least 1", field="queue")


def triton_config(card: ModelCard, serving: Serving | None = None) -> str:
    """The `config.pbtxt` of a backbone: every version is served, requests are batched together.

    The platform is that of the ONNX Runtime backend of a stock Triton. All versions of a name share
    this file, so of what was fine-tuned no logits are served: their number grows with the schema.
    """
    how = serving or Serving()
    name, _ = name_and_version(card.model)
    pixels = card.input_pixels
    outputs = [f'{{ name: "{EMBEDDING}" data_type: TYPE_FP32 dims: [ {card.dimensions} ] }}']
    if card.tuned is None and card.classes:
        outputs += [f'{{ name: "{LOGITS}" data_type: TYPE_FP32 dims: [ {card.classes} ] }}']
    lines = ",\n  ".join(outputs)
    return f"""\
name: "{name}"
platform: "onnxruntime_onnx"
backend: "onnxruntime"
default_model_filename: "model.onnx"
max_batch_size: {LARGEST_BATCH}
input [ {{ name: "{INPUT}" data_type: TYPE_UINT8 dims: [ {pixels}, {pixels}, 3 ] }} ]
output [
  {lines}
]
instance_group [ {{ kind: KIND_{how.kind.upper()} count: {how.instances} }} ]
dynamic_batching {{
  preferred_batch_size: [ {", ".join(map(str, how.preferred))} ]
  max_queue_delay_microseconds: {how.delay_microseconds}
  default_queue_policy {{
    max_queue_size: {how.queue}
    timeout_action: REJECT
    default_timeout_microseconds: {how.patience_seconds * 1_000_000}
  }}
}}
version_policy {{ all {{ }} }}
"""
