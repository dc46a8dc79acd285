"""Stand-ins of the training and index services, and a person who knows the truth, for the loop."""

import io
import threading

import numpy as np

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.index.v1 import index_pb2, index_pb2_grpc
from hundredfold.api.training.v1 import training_pb2, training_pb2_grpc
from hundredfold.chassis.errors import Conflict, Unavailable
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import run_message
from hundredfold.chassis.server import Mount
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.tensors import unpack


class TrainingStandIn(training_pb2_grpc.TrainingServiceServicer):
    """Guesses the class whose labelled images are nearest on average."""

    def __init__(self, store, ledger, vectors, rows):
        self.store = store
        self.ledger = ledger
        self.vectors = vectors.astype(np.float32)
        self.rows = rows
        self.requests = []
        self.away = False
        self.gate: threading.Event | None = None

    def mount(self):
        return Mount(
            training_pb2.DESCRIPTOR.services_by_name["TrainingService"],
            training_pb2_grpc.add_TrainingServiceServicer_to_server,
            self,
        )

    def FitHead(self, request, context):
        self.requests.append(request)
        if self.gate:
            self.gate.wait(10)
        if self.away:
            raise Unavailable("training is away")
        with self.ledger.changed:
            seq, labels = self.ledger.seq, dict(self.ledger.labels)
            negatives = set(self.ledger.negatives)
        if not labels:
            raise Conflict("no labels", reason="NO_LABELS")
        model = f"head-{request.collection}@{seq}"
        self._publish(request.collection, model, self._chances(labels, negatives), labels)
        head = training_pb2.Head(model=model, labels_seq=seq, promoted=True)
        return training_pb2.FitHeadResponse(head=head)

    def _chances(self, labels, negatives):
        classes = sorted(set(labels.values()))
        at = np.isin(self.rows, list(labels))
        truth = np.array([labels[row] for row in self.rows[at]])
        means = np.stack([self.vectors[at][truth == each].mean(0) for each in classes])
        chances = np.exp(12 * self.vectors @ means.T)
        for row, class_id in negatives:
            if row not in labels and class_id in classes:
                chances[np.searchsorted(self.rows, row), classes.index(class_id)] = 0
        return chances / (chances.sum(1, keepdims=True) + 0.05 * chances.max())

    def _publish(self, collection, model, chances, labels):
        named = np.array([*sorted(set(labels.values())), 0], np.int32)
        ordered = np.argsort(-np.pad(chances, ((0, 0), (0, 1))), 1, kind="stable")
        best = np.take_along_axis(np.pad(chances, ((0, 0), (0, 1))), ordered, 1)
        top = np.where(best[:, 0] > 0, named[ordered[:, 0]], 0)
        second = np.where(best[:, 1] > 0, named[ordered[:, 1]], 0)
        manifest = Manifest(self.store, layout.predictions(collection, model))
        for part in np.unique(self.rows // layout.PART_ROWS):
            of_part = self.rows // layout.PART_ROWS == part
            out = io.BytesIO()
            np.savez(
                out,
                rows=self.rows[of_part],
                top=top[of_part].astype(np.int32),
                second=second[of_part].astype(np.int32),
                probability=best[of_part, 0].astype(np.float32),
                margin=(best[:, 0] - best[:, 1])[of_part].astype(np.float32),
            )
            name = layout.predictions_part(int(part))
            manifest.add(name, self.store.write_bytes(f"{manifest.folder}/{name}", out.getvalue()))
        manifest.save()


class IndexStandIn(index_pb2_grpc.IndexServiceServicer):
    """Clusters by first coordinate: real runs, simple clusters."""

    def __init__(self, store, vectors, rows):
        self.store = store
        self.vectors = vectors
        self.rows = rows
        self.asked = []
        self.failures = 0
        self.runs = Runs(store, "index", {"cluster": self._cluster})

    def mount(self):
        return Mount(
            index_pb2.DESCRIPTOR.services_by_name["IndexService"],
            index_pb2_grpc.add_IndexServiceServicer_to_server,
            self,
        )

    def Cluster(self, request, context):
        self.asked.append(request)
        parameters = {"space": request.space, "clusters": request.clusters}
        run = self.runs.start(
            "cluster", request.collection, parameters, request_id=request.request_id
        )
        return index_pb2.ClusterResponse(run=run_message(run))

    def _cluster(self, context):
        if self.failures:
            self.failures -= 1
            raise Conflict("no luck")
        run, asked = context.run, context.run.parameters
        count = asked["clusters"] or 4
        write_clusters(
            self.store,
            run.collection,
            run.run_id,
            split(self.vectors, count),
            self.rows,
            space=asked["space"],
            count=count,
        )
        return {"clusters": run.run_id, "count": count, "vectors": len(self.rows)}


def split(vectors, count):
    """A crude clustering: the nearest of evenly spread images, int64 [m]."""
    centres = vectors[np.linspace(0, len(vectors) - 1, count).astype(int)].astype(np.float32)
    return (vectors.astype(np.float32) @ centres.T).argmax(1)


def write_clusters(store, collection, run, assignment, rows, *, space, count):
    """A clustering as the index service would leave it."""
    folder = layout.clusters(collection, run)
    manifest = Manifest(store, folder)
    arrays = {
        layout.CLUSTER_ROWS: rows,
        layout.CLUSTER_ASSIGNMENT: assignment.astype(np.int32),
        layout.CLUSTER_ORDER: np.argsort(assignment, kind="stable"),
        layout.CLUSTER_SIZES: np.bincount(assignment, minlength=count).astype(np.int64),
    }
    for name, array in arrays.items():
        manifest.add(name, store.write_array(f"{folder}/{name}", array))
    manifest.save()
    latest = {"run": run, "space": space, "count": count}
    store.write_json(layout.clusters_latest(collection), latest)


class Person:
    """Answers pages by the truth, {row: class id}."""

    def __init__(self, ledger, truth):
        self.ledger = ledger
        self.truth = truth

    def answer(self, page):
        rows = unpack(page.rows, dtype=np.int64, ndim=1, field="rows")
        with self.ledger.changed:
            rows = [int(row) for row in rows if int(row) not in self.ledger.labels]
        truth = [self.truth[row] for row in rows]
        if page.kind == page_pb2.PAGE_KIND_SINGLE:
            return self.ledger.say(labels=dict(zip(rows, truth, strict=True)))
        named = page.class_id
        if page.kind == page_pb2.PAGE_KIND_CLUSTER:
            named = max(set(truth), key=truth.count) if truth else 0
        right = {row: named for row, each in zip(rows, truth, strict=True) if each == named}
        wrong = [(row, named) for row, each in zip(rows, truth, strict=True) if each != named]
        return self.ledger.say(labels=right, negatives=wrong)
