"""Predictions and clusters as the other services leave them, and people who answer audits."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from tests.unit.labels.world import (
    BIRDS,
    IS,
    IS_NOT,
    OWL,
    TIT,
    Client,
    new_id,
    page_message,
    rows_of,
    said,
)

HEAD = "head-birds@1"


def write_predictions(
    store: ArtifactStore,
    classes: Mapping[int, int],
    *,
    probability: Mapping[int, float] | float = 0.95,
    model: str = HEAD,
    collection: str = BIRDS,
) -> None:
    """What a head says: the class of each row, and how sure it is."""
    rows = np.array(sorted(classes), np.int64)
    sure = [
        probability if isinstance(probability, float) else probability[r] for r in rows.tolist()
    ]
    manifest = Manifest(store, layout.predictions(collection, model))
    for part in np.unique(rows // layout.PART_ROWS).tolist():
        inside = rows // layout.PART_ROWS == part
        some = rows[inside]
        out = io.BytesIO()
        np.savez(
            out,
            allow_pickle=False,
            rows=some,
            top=np.array([classes[row] for row in some.tolist()], np.int32),
            second=np.zeros(len(some), np.int32),
            probability=np.array(sure, np.float32)[inside],
            margin=np.zeros(len(some), np.float32),
        )
        name = layout.predictions_part(part)
        manifest.add(name, store.write_bytes(f"{manifest.folder}/{name}", out.getvalue()))
    manifest.save()


def write_clusters(store: ArtifactStore, assignment: Sequence[int], run: str = "c1") -> None:
    """Row i is in cluster assignment[i]."""
    manifest = Manifest(store, layout.clusters(BIRDS, run))
    arrays = {
        layout.CLUSTER_ROWS: np.arange(len(assignment), dtype=np.int64),
        layout.CLUSTER_ASSIGNMENT: np.array(assignment, np.int32),
    }
    for name, array in arrays.items():
        manifest.add(name, store.write_array(f"{manifest.folder}/{name}", array))
    manifest.save()


def start(client: Client, **fields: Any) -> Any:
    """Draw an audit of the head unless said otherwise; a test draws the same each time it runs."""
    target = {} if {"model", "cluster"} & fields.keys() else {"model": HEAD}
    asked = {"request_id": f"audit-{client.progress().head_seq}", **target, **fields}
    request = labels_pb2.StartAuditRequest(collection=BIRDS, **asked)
    return client.stub.StartAudit(request).audit


def get(client: Client, audit_id: str = "") -> Any:
    request = labels_pb2.GetAuditRequest(collection=BIRDS, audit_id=audit_id)
    return client.stub.GetAudit(request).audit


def certify(client: Client, audit_id: str, **fields: Any) -> Any:
    asked = {"request_id": new_id(), "auto_label": True, **fields}
    request = labels_pb2.CertifyRequest(collection=BIRDS, audit_id=audit_id, **asked)
    return client.stub.Certify(request)


def answer(
    client: Client, truth: Mapping[int, int], *, pages: int = 1_000, annotator: str = "ann"
) -> list[Any]:
    """Answer pages of audits by what is true, until none is left; returns their leases."""
    answered: list[Any] = []
    while len(answered) < pages:
        found = client.lease(annotator)
        if not found or found[0].page.kind != page_pb2.PAGE_KIND_AUDIT:
            break
        page = found[0].page
        rows = rows_of(page.rows)
        right = [row for row in rows if truth[row] == page.class_id]
        odd = [row for row in rows if truth[row] != page.class_id]
        client.submit(
            found[0].token, said(page.class_id, IS, *right), said(page.class_id, IS_NOT, *odd)
        )
        answered.append(found[0])
    return answered


def put_right(client: Client, truth: Mapping[int, int]) -> None:
    """Give all images that were kicked and have no label their true one."""
    kicked = rows_of(client.pieces()[0].negative_rows)
    for class_id in {truth[row] for row in kicked}:
        rows = [row for row in kicked if truth[row] == class_id]
        client.offer(page_message(f"mended-{class_id}", rows, class_id=class_id), total=len(truth))
        (lease,) = client.lease()
        client.submit(lease.token, said(class_id, IS, *rows_of(lease.page.rows)))


def halves(rows: int) -> dict[int, int]:
    """Even rows are owls, odd ones tits."""
    return {row: TIT if row % 2 else OWL for row in range(rows)}
