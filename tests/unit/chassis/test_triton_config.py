from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from hundredfold.chassis.backbones.cards import ModelCard, Tuned
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.backbones.triton import Kind, Serving, triton_config
from hundredfold.chassis.errors import InvalidArgument, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore

pb = pytest.importorskip("tritonclient.grpc.model_config_pb2")

LITE0 = "efficientnet-lite0"
CARD = ModelCard(f"{LITE0}@1", 1280, 224, 1000, "PyPI", "Apache-2.0", recipe=LITE0)
TUNED = replace(
    CARD, model=f"{LITE0}-birds@2", classes=12, tuned=Tuned(CARD.model, "birds", 77, 640, 88.5)
)


def parsed(card: ModelCard, serving: Serving | None = None) -> Any:
    """As Triton reads it: an unknown or a doubled field is an error."""
    return text_format.Parse(triton_config(card, serving), pb.ModelConfig())


def test_triton_is_told_pixels_as_bytes_and_both_outputs() -> None:
    config = parsed(CARD)
    assert (config.name, config.platform, config.backend) == (
        LITE0,
        "onnxruntime_onnx",
        "onnxruntime",
    )
    (image,) = config.input
    assert (image.name, image.data_type, [*image.dims]) == ("image", pb.TYPE_UINT8, [224, 224, 3])
    assert [(each.name, each.data_type, [*each.dims]) for each in config.output] == [
        ("embedding", pb.TYPE_FP32, [1280]),
        ("logits", pb.TYPE_FP32, [1000]),
    ]


def test_requests_are_batched_within_limits_and_every_version_is_served() -> None:
    config = parsed(CARD)
    assert config.max_batch_size == 64
    batching = config.dynamic_batching
    assert [*batching.preferred_batch_size] == [16, 32, 64]
    assert batching.max_queue_delay_microseconds == 2000
    assert batching.default_queue_policy.max_queue_size == 256
    assert batching.default_queue_policy.default_timeout_microseconds == 30_000_000
    assert batching.default_queue_policy.timeout_action == pb.ModelQueuePolicy.REJECT
    assert config.version_policy.WhichOneof("policy_choice") == "all"


@pytest.mark.parametrize("kind", Kind)
def test_instances_run_where_they_are_told(kind: Kind) -> None:
    (group,) = parsed(CARD, Serving(kind=kind, instances=2)).instance_group
    assert (group.kind, group.count) == (
        pb.ModelInstanceGroup.Kind.Value(f"KIND_{kind.upper()}"),
        2,
    )


def test_all_versions_of_a_fine_tuned_backbone_share_a_config_whatever_their_classes() -> None:
    later = replace(TUNED, model=f"{LITE0}-birds@3", classes=14)
    assert triton_config(later) == triton_config(TUNED)
    assert [each.name for each in parsed(TUNED).output] == ["embedding"]


def test_a_backbone_without_classes_has_no_logits() -> None:
    assert [each.name for each in parsed(replace(CARD, classes=0)).output] == ["embedding"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"instances": 0},
        {"preferred": (32, 16)},
        {"preferred": (128,)},
        {"delay_microseconds": -1},
        {"queue": 0},
        {"patience_seconds": 0},
    ],
    ids=str,
)
def test_what_triton_would_refuse_is_refused_here(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        Serving(**wrong)


def test_a_name_is_configured_anew_and_later_versions_leave_that_alone(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    repository = ModelRepository(store)
    (tmp_path / "model.onnx").write_bytes(b"a graph")
    repository.publish(CARD, tmp_path / "model.onnx")
    repository.configure(LITE0, Serving(kind=Kind.GPU, instances=2))
    repository.publish(replace(CARD, model=f"{LITE0}@2"), tmp_path / "model.onnx")
    config = store.read_bytes(layout.model_config(LITE0)).decode()
    assert "kind: KIND_GPU count: 2" in config
    with pytest.raises(NotFound, match="absent"):
        repository.configure("absent", Serving())
