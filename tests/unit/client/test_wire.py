"""What the client makes of messages."""

import numpy as np

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.api.selection.v1 import selection_pb2
from hundredfold.chassis.tensors import pack
from hundredfold.client import page_wire, wire


def test_arrays_that_a_page_leaves_out_are_empty() -> None:
    message = page_pb2.Page(
        page_id="p", kind=page_pb2.PAGE_KIND_CLUSTER, rows=pack(np.arange(3, dtype=np.int64))
    )
    page = page_wire.page(message)
    assert page.rows.tolist() == [0, 1, 2]
    assert (page.second.shape, page.second.dtype) == ((0,), np.int32)
    assert (page.probability.shape, page.probability.dtype) == ((0,), np.float32)


def test_a_target_is_read_as_it_was_asked_for() -> None:
    message = selection_pb2.Loop(
        phase=selection_pb2.LOOP_PHASE_AUDIT,
        backbone_step=selection_pb2.BACKBONE_STEP_TRAINING,
        target_accuracy=0.95,
        confidence=0.9,
        backbone_rounds=[selection_pb2.BackboneRound(before="a@1", after="a@2", promoted=True)],
        without=["planting"],
    )
    loop = wire.loop(message)
    assert (loop.target_accuracy, loop.confidence) == (0.95, 0.9)
    assert (loop.phase, loop.backbone_step) == ("AUDIT", "TRAINING")
    assert loop.backbone_rounds[0].promoted
    assert loop.without == ("planting",)


def test_an_audit_is_read_with_its_groups() -> None:
    message = labels_pb2.Audit(
        audit_id="a",
        state=labels_pb2.AUDIT_STATE_PASSED,
        groups=[labels_pb2.AuditGroup(class_id=3, sample=9, errors=1)],
    )
    audit = wire.audit(message)
    assert audit.state == "PASSED"
    assert (audit.groups[0].class_id, audit.groups[0].errors) == (3, 1)


def test_odd_images_planted_on_a_page_are_read_from_its_event() -> None:
    page = page_pb2.Page(
        page_id="p",
        kind=page_pb2.PAGE_KIND_AUDIT,
        rows=pack(np.arange(3, dtype=np.int64)),
        planted=pack(np.array([1], np.int64)),
        audit_id="a",
    )
    event = wire.event(labels_pb2.Event(kind=labels_pb2.EVENT_KIND_DECISION, page=page))
    assert event.page is not None
    assert (event.page.kind, event.page.audit_id) == ("AUDIT", "a")
    assert event.page.planted.tolist() == [1]
