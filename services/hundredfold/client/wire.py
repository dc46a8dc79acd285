"""From messages to what the client hands out, and back."""

import json

import numpy as np

from hundredfold.api.catalog.v1 import catalog_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.api.runs.v1 import runs_pb2
from hundredfold.api.selection.v1 import selection_pb2
from hundredfold.api.training.v1 import training_pb2
from hundredfold.chassis.run_book import State
from hundredfold.chassis.tensors import unpack
from hundredfold.client import page_wire, review_wire, types


def run(service: str, message: runs_pb2.Run) -> types.Run:
    """A run of a service."""
    return types.Run(
        service=service,
        run_id=message.run_id,
        kind=message.kind,
        collection=message.collection,
        state=State(runs_pb2.State.Name(message.state).removeprefix("STATE_")),
        done=message.done,
        total=message.total,
        unit=message.unit,
        message=message.message,
        error=message.error,
        parameters=json.loads(message.parameters_json or "{}"),
        result=json.loads(message.result_json or "{}"),
        created_at=message.created_at,
        started_at=message.started_at,
        finished_at=message.finished_at,
    )


def collection(message: catalog_pb2.Collection) -> types.Collection:
    """A collection."""
    return types.Collection(message.collection, message.images, message.failed, message.created_at)


def image(message: catalog_pb2.Image) -> types.Image:
    """An image."""
    return types.Image(
        row=message.row,
        uri=message.uri,
        key=message.key,
        sha256=message.sha256,
        width=message.width,
        height=message.height,
        format=message.format,
        error=message.error,
        source_label=message.source_label,
        tags=tuple(message.tags),
    )


def schema(message: catalog_pb2.Schema) -> types.Schema:
    """A schema."""
    classes = tuple(map(_label_class, message.classes))
    return types.Schema(message.version, classes, message.several)


def _label_class(message: catalog_pb2.LabelClass) -> types.LabelClass:
    return types.LabelClass(
        name=message.name,
        class_id=message.class_id,
        key=message.key,
        color=message.color,
        parent_id=message.parent_id,
        merged_into=message.merged_into,
        guideline=message.guideline,
        examples=tuple(message.examples),
    )


def label_class_message(label_class: types.LabelClass) -> catalog_pb2.LabelClass:
    """A class, to be sent."""
    return catalog_pb2.LabelClass(
        class_id=label_class.class_id,
        name=label_class.name,
        key=label_class.key,
        color=label_class.color,
        parent_id=label_class.parent_id,
        guideline=label_class.guideline,
        examples=label_class.examples,
    )


def event(message: labels_pb2.Event) -> types.Event:
    """An event of the ledger."""
    return types.Event(
        seq=message.seq,
        kind=labels_pb2.EventKind.Name(message.kind).removeprefix("EVENT_KIND_"),
        actor=message.actor,
        created_at=message.created_at,
        page=page_wire.page(message.page) if message.HasField("page") else None,
        judgements=tuple(map(page_wire.judgement, message.judgements)),
        seconds=message.seconds,
        undone_seq=message.undone_seq,
        request_id=message.request_id,
        images=message.images,
        audit_id=message.audit_id,
        counts=message.counts,
        undone_events=message.undone_events,
        selection=(
            review_wire.selection(message.selection) if message.HasField("selection") else None
        ),
        comment=message.comment,
        flagged_rows=(
            unpack(message.flagged_rows, dtype=np.int64, ndim=1, field="flagged_rows")
            if message.HasField("flagged_rows")
            else np.empty(0, np.int64)
        ),
        pairs=message.pairs,
        kept_rows=(
            unpack(message.kept_rows, dtype=np.int64, ndim=1, field="kept_rows")
            if message.HasField("kept_rows")
            else np.empty(0, np.int64)
        ),
    )


def audit(message: labels_pb2.Audit) -> types.Audit:
    """An audit."""
    return types.Audit(
        audit_id=message.audit_id,
        collection=message.collection,
        model=message.model,
        cluster=message.cluster,
        state=labels_pb2.AuditState.Name(message.state).removeprefix("AUDIT_STATE_"),
        allowed_error=message.allowed_error,
        confidence=message.confidence,
        look=message.look,
        alpha=message.alpha,
        total=message.total,
        population=message.population,
        sample=message.sample,
        answered=message.answered,
        errors=message.errors,
        bound=message.bound,
        groups=tuple(map(_audit_group, message.groups)),
        threshold=message.threshold,
        seq=message.seq,
        certificate_seq=message.certificate_seq,
        people_error=message.people_error,
        most_sample=message.most_sample,
        class_id=message.class_id,
    )


def _audit_group(message: labels_pb2.AuditGroup) -> types.AuditGroup:
    return types.AuditGroup(
        class_id=message.class_id,
        population=message.population,
        sample=message.sample,
        answered=message.answered,
        errors=message.errors,
        bound=message.bound,
    )


def annotator(message: labels_pb2.Annotator) -> types.Annotator:
    """One who answers."""
    return types.Annotator(
        name=message.annotator,
        decisions=message.decisions,
        images=message.images,
        seconds=message.seconds,
        planted=message.planted,
        found=message.found,
        miss_rate=message.miss_rate,
        miss_rate_low=message.miss_rate_low,
        miss_rate_high=message.miss_rate_high,
    )


def progress(message: labels_pb2.GetProgressResponse) -> types.Progress:
    """How far the work is."""
    return types.Progress(
        total=message.total,
        labelled=message.labelled,
        unsure=message.unsure,
        leased=message.leased,
        ready=message.ready,
        pool=message.pool,
        ready_pages=message.ready_pages,
        head_seq=message.head_seq,
        decisions=message.decisions,
        labels_per_minute=message.labels_per_minute,
        labelled_with_copies=message.labelled_with_copies,
        human_seconds=message.human_seconds,
        labels_by_class=dict(message.labels_by_class),
        images=message.images,
        images_labelled=message.images_labelled,
        pairs_judged=message.pairs_judged,
        pairs_open=message.pairs_open,
        pair_seconds=message.pair_seconds,
    )


def loop(message: selection_pb2.Loop) -> types.Loop:
    """A loop."""
    return types.Loop(
        collection=message.collection,
        phase=selection_pb2.LoopPhase.Name(message.phase).removeprefix("LOOP_PHASE_"),
        space=message.space,
        clusters=message.clusters,
        duplicates=message.duplicates,
        expected_classes=message.expected_classes,
        model=message.model,
        seen_seq=message.seen_seq,
        total=message.total,
        labelled=message.labelled,
        rounds=message.rounds,
        expected_accuracy=message.expected_accuracy,
        trouble=message.trouble,
        policy=message.policy,
        target_accuracy=_share(message.target_accuracy),
        confidence=_share(message.confidence),
        proved_accuracy=message.proved_accuracy,
        audit_id=message.audit_id,
        backbone_step=selection_pb2.BackboneStep.Name(message.backbone_step).removeprefix(
            "BACKBONE_STEP_"
        ),
        backbone_rounds=tuple(map(_backbone_round, message.backbone_rounds)),
        measured_accuracy=message.measured_accuracy,
        measured_images=message.measured_images,
        without=tuple(message.without),
        page_size=message.page_size,
        auto_label=message.auto_label,
    )


def _share(number: float) -> float:
    """A share as it was asked for: a float on the way is 0.949999988 where 0.95 was meant."""
    return round(number, 6)


def _backbone_round(message: selection_pb2.BackboneRound) -> types.BackboneRound:
    return types.BackboneRound(
        before=message.before,
        after=message.after,
        labels_seq=message.labels_seq,
        labels=message.labels,
        accuracy_before=message.accuracy_before,
        accuracy_after=message.accuracy_after,
        purity_before=message.purity_before,
        purity_after=message.purity_after,
        images=message.images,
        promoted=message.promoted,
        reason=message.reason,
        seconds=message.seconds,
        ended_at=message.ended_at,
    )


def forecast(message: selection_pb2.ForecastResponse) -> types.Forecast:
    """What is left."""
    return types.Forecast(
        expected_accuracy=message.expected_accuracy,
        seconds=message.seconds,
        pages=message.pages,
        images=message.images,
        seconds_low=message.seconds_low,
        seconds_high=message.seconds_high,
        pages_low=message.pages_low,
        pages_high=message.pages_high,
        audit_seconds=message.audit_seconds,
        ready=message.ready,
    )


def head(message: training_pb2.Head) -> types.Head:
    """A head."""
    return types.Head(
        model=message.model,
        space=message.space,
        labels_seq=message.labels_seq,
        labels=message.labels,
        class_ids=tuple(message.class_ids),
        temperature=message.temperature,
        expected_error=message.expected_error,
        accuracy=message.accuracy,
        calibration_error=message.calibration_error,
        created_at=message.created_at,
        promoted=message.promoted,
        seconds=message.seconds,
    )


def comparison(message: training_pb2.CompareSpacesResponse) -> types.SpaceComparison:
    """Which of two spaces is better."""
    return types.SpaceComparison(
        before=_quality(message.before),
        after=_quality(message.after),
        images=message.images,
        p_value=message.p_value,
        better=message.better,
    )


def _quality(message: training_pb2.SpaceQuality) -> types.SpaceQuality:
    return types.SpaceQuality(message.space, message.accuracy, message.purity)
