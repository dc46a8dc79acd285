"""Stand-ins of the services that selection calls, and a person who knows the truth, for the loop."""

import io
import threading

import numpy as np

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.embedding.v1 import embedding_pb2, embedding_pb2_grpc
from hundredfold.api.index.v1 import index_pb2, index_pb2_grpc
from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.api.training.v1 import training_pb2, training_pb2_grpc
from hundredfold.chassis.errors import Conflict, NotFound, Unavailable
from hundredfold.chassis.holdout import held_out
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import run_message
from hundredfold.chassis.server import Mount
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.tensors import pack, unpack
from tests.contract.index_spaces import write_space
from tests.contract.ledger_stand_in import LedgerStandIn

MACHINE = 127


class AuditingLedger(LedgerStandIn):
    """A ledger with audits, whose bound is what the sample shows."""

    def __init__(self, store):
        super().__init__()
        self.store = store
        self.audits: dict[str, labels_pb2.Audit] = {}
        self.samples: dict[str, dict[int, int]] = {}
        self.guesses: dict[str, dict[int, int]] = {}
        self.by_request: dict[str, str] = {}
        self.certificates: list[str] = []
        self.slack = 0.0
        self.answers_lost = False
        self.away_after_offer_of = 0

    def StartAudit(self, request, context):
        with self.changed:
            self._check()
            audit_id = self.by_request.get(request.request_id)
            if audit_id is None:
                audit_id = self._draw(request)
            self._lose_answer()
            return labels_pb2.StartAuditResponse(audit=self._settled(audit_id))

    def GetAudit(self, request, context):
        with self.changed:
            self._check()
            if request.audit_id not in self.audits:
                raise NotFound("there is no such audit")
            return labels_pb2.GetAuditResponse(audit=self._settled(request.audit_id))

    def ListAudits(self, request, context):
        with self.changed:
            self._check()
            audits = [self._settled(each) for each in reversed(self.audits)]
            return labels_pb2.ListAuditsResponse(audits=audits)

    def Certify(self, request, context):
        with self.changed:
            self._check()
            audit = self._settled(request.audit_id)
            if request.request_id not in self.certificates:
                if audit.state != labels_pb2.AUDIT_STATE_PASSED:
                    raise Conflict("the bound is not met", reason="BOUND_NOT_MET")
                self._certify(audit, auto_label=request.auto_label)
                self.certificates.append(request.request_id)
            self._lose_answer()
            return labels_pb2.CertifyResponse(seq=self.seq, audit=audit)

    def OfferPages(self, request, context):
        answer = super().OfferPages(request, context)
        with self.changed:
            models = [page.model for page in request.pages if page.model]
            newest = max((int(model.split("@")[1]) for model in models), default=0)
            if self.away_after_offer_of and newest >= self.away_after_offer_of:
                self.away = True
                raise Unavailable("gone after the work was done")
        return answer

    def ListAnnotators(self, request, context):
        return labels_pb2.ListAnnotatorsResponse()

    def GetLabels(self, request, context):
        for number, answer in enumerate(super().GetLabels(request, context)):
            if number == 0:
                with self.changed:
                    waiting = sorted(row for each in self.audits for row in self._waiting(each))
                answer.audit_rows.CopyFrom(pack(np.array(waiting, np.int64)))
            yield answer

    def offered(self):
        """As the service hands pages out: those of an audit first."""
        with self.changed:
            pages = []
            for audit_id in self.audits:
                sample = self.samples[audit_id]
                waiting = self._waiting(audit_id)
                for class_id in sorted({sample[row] for row in waiting}):
                    rows = [row for row in waiting if sample[row] == class_id]
                    pages.append(_audit_page(audit_id, class_id, rows))
        return pages + super().offered()

    def undo_certificate(self):
        """Take the newest certificate back."""
        with self.changed:
            for row in [row for row, origin in self.origins.items() if origin == MACHINE]:
                del self.labels[row], self.origins[row]
            for audit in self.audits.values():
                if audit.state == labels_pb2.AUDIT_STATE_CERTIFIED:
                    audit.state = labels_pb2.AUDIT_STATE_PASSED
            self._event()

    def clear(self):
        for audit in self.audits.values():
            audit.state = labels_pb2.AUDIT_STATE_ABANDONED
        return super().clear()

    def _draw(self, request):
        guesses = read_guesses(self.store, "shapes", request.model)
        population = {row: top for row, top in guesses.items() if row not in self.labels}
        audit_id = f"audit-{len(self.audits) + 1}"
        for audit in self.audits.values():
            if audit.state == labels_pb2.AUDIT_STATE_OPEN:
                audit.state = labels_pb2.AUDIT_STATE_ABANDONED
        rng = np.random.default_rng(len(self.audits))
        rows = rng.choice(sorted(population), min(request.sample, len(population)), replace=False)
        self.samples[audit_id] = {int(row): population[int(row)] for row in rows}
        self.guesses[audit_id] = population
        self._keep(audit_id, population)
        self.by_request[request.request_id] = audit_id
        self.audits[audit_id] = labels_pb2.Audit(
            audit_id=audit_id,
            model=request.model,
            state=labels_pb2.AUDIT_STATE_OPEN,
            allowed_error=request.allowed_error,
            confidence=request.confidence,
            look=len(self.audits) + 1,
            total=len(guesses),
            population=len(population),
            sample=len(rows),
            bound=1.0,
        )
        self._event()
        return audit_id

    def _keep(self, audit_id, population):
        manifest = Manifest(self.store, layout.audit("shapes", audit_id))
        arrays = {
            layout.AUDIT_ROWS: np.array(sorted(population), np.int64),
            layout.AUDIT_CLASSES: np.array(
                [population[row] for row in sorted(population)], np.int32
            ),
        }
        for name, array in arrays.items():
            manifest.add(name, self.store.write_array(f"{manifest.folder}/{name}", array))
        manifest.save()

    def _settled(self, audit_id):
        audit, sample = self.audits[audit_id], self.samples[audit_id]
        unsettled = labels_pb2.AUDIT_STATE_OPEN, labels_pb2.AUDIT_STATE_FAILED
        if audit.state in unsettled and not self._waiting(audit_id):
            audit.errors = sum(self.labels.get(row) != guess for row, guess in sample.items())
            put_right = sum(
                self.labels.get(row, guess) != guess
                for row, guess in self.guesses[audit_id].items()
            )
            share = audit.errors / max(len(sample), 1) * audit.population
            audit.bound = max(0.0, share - put_right) / audit.total + self.slack
            met = audit.bound <= audit.allowed_error
            audit.state = labels_pb2.AUDIT_STATE_PASSED if met else labels_pb2.AUDIT_STATE_FAILED
        return audit

    def _waiting(self, audit_id):
        if self.audits[audit_id].state != labels_pb2.AUDIT_STATE_OPEN:
            return []
        sample = self.samples[audit_id]
        return [
            row
            for row, guess in sample.items()
            if row not in self.labels and (row, guess) not in self.negatives
        ]

    def _certify(self, audit, *, auto_label):
        audit.state = labels_pb2.AUDIT_STATE_CERTIFIED
        if auto_label:
            for row, class_id in self.guesses[audit.audit_id].items():
                if row not in self.labels and (row, class_id) not in self.negatives:
                    self.labels[row], self.origins[row] = class_id, MACHINE
        self._event()

    def _lose_answer(self):
        if self.answers_lost:
            self.answers_lost, self.away = False, True
            raise Unavailable("gone after the work was done")

    def _event(self):
        self.seq += 1
        self.changed.notify_all()


def _audit_page(audit_id, class_id, rows):
    return page_pb2.Page(
        page_id=f"{audit_id}-{class_id}",
        kind=page_pb2.PAGE_KIND_AUDIT,
        rows=pack(np.array(rows, np.int64)),
        class_id=class_id,
        score=1e9,
        audit_id=audit_id,
    )


def read_guesses(store, collection, model):
    """{row: class} of a head's predictions."""
    manifest = Manifest.load(store, layout.predictions(collection, model))
    found = {}
    for name in manifest.entries:
        data = io.BytesIO(store.read_bytes(f"{manifest.folder}/{name}"))
        with np.load(data, allow_pickle=False) as arrays:
            found |= dict(zip(arrays["rows"].tolist(), arrays["top"].tolist(), strict=True))
    return found


class EmbeddingStandIn(embedding_pb2_grpc.EmbeddingServiceServicer):
    """Embeds by looking up vectors it was given: those asked for first, then, past the gate, the others."""

    def __init__(self, store, vectors, rows):
        self.store = store
        self.vectors = vectors
        self.rows = rows
        self.asked = []
        self.failures = 0
        self.away = False
        self.leaves_out = 0
        self.gate: threading.Event | None = None
        self.runs = Runs(store, "embedding", {"embed": self._embed})

    def mount(self):
        return Mount(
            embedding_pb2.DESCRIPTOR.services_by_name["EmbeddingService"],
            embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server,
            self,
        )

    def EmbedCollection(self, request, context):
        if self.away:
            raise Unavailable("embedding is away")
        self.asked.append(request)
        first = []
        if request.HasField("first_rows"):
            first = unpack(request.first_rows, dtype=np.int64, ndim=1, field="first_rows").tolist()
        run = self.runs.start(
            "embed",
            request.collection,
            {"model": request.model, "first_rows": first},
            request_id=request.request_id,
        )
        return embedding_pb2.EmbedCollectionResponse(run=run_message(run))

    def _embed(self, context):
        run, asked = context.run, context.run.parameters
        first = np.isin(self.rows, np.array(asked["first_rows"], np.int64))
        if first.any():
            self._write(run.collection, asked["model"], first)
        while self.gate is not None and not self.gate.wait(0.02):
            context.check()
        if self.failures:
            self.failures -= 1
            raise Conflict("no luck")
        there = np.ones(len(self.rows), bool)
        there[len(there) - self.leaves_out :] = False
        self._write(run.collection, asked["model"], there)
        return {"space": asked["model"], "vectors": int(there.sum())}

    def _write(self, collection, space, chosen):
        write_space(self.store, self.vectors[chosen], self.rows[chosen], collection, space)


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
        self.away_for = ""
        self.trainings = []
        self.train_gate: threading.Event | None = None
        self.train_error = ""
        self.train_refusal: Exception | None = None
        self.comparisons = []
        self.doubted = []
        self.judgements = 0
        self.better = True
        self.least_compared = 1
        self.runs = Runs(store, "training", {"train": self._train})

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
        if self.away or request.space == self.away_for:
            raise Unavailable("training is away")
        with self.ledger.changed:
            seq, labels = self.ledger.seq, dict(self.ledger.labels)
            negatives = set(self.ledger.negatives)
        if not labels:
            raise Conflict("no labels", reason="NO_LABELS")
        # Another space gives another head.
        number = 1_000_000 * (request.space != "toy@1") + seq
        model = f"head-{request.collection}@{number}"
        self._publish(request.collection, model, self._chances(labels, negatives), labels)
        head = training_pb2.Head(model=model, labels_seq=seq, promoted=True)
        return training_pb2.FitHeadResponse(head=head)

    def Train(self, request, context):
        if self.away:
            raise Unavailable("training is away")
        if self.train_refusal:
            raise self.train_refusal
        self.trainings.append(request)
        run = self.runs.start(
            "train", request.collection, {"space": request.space}, request_id=request.request_id
        )
        return training_pb2.TrainResponse(run=run_message(run))

    def _train(self, context):
        while self.train_gate is not None and not self.train_gate.wait(0.02):
            context.check()
        if self.train_error:
            raise Conflict(self.train_error)
        return {"model": f"tuned@{len({each.request_id for each in self.trainings})}"}

    def ListSuspicious(self, request, context):
        self.judgements += 1
        with self.ledger.changed:
            doubted = sorted(set(self.doubted) & set(self.ledger.labels))
            class_ids = [self.ledger.labels[row] for row in doubted]
        return training_pb2.ListSuspiciousResponse(
            rows=pack(np.array(doubted, np.int64)),
            class_ids=pack(np.array(class_ids, np.int32)),
            other_class_ids=pack(np.zeros(len(doubted), np.int32)),
            probabilities=pack(np.full(len(doubted), 0.6, np.float32)),
        )

    def CompareSpaces(self, request, context):
        with self.ledger.changed:
            labelled = np.array(sorted(self.ledger.labels), np.int64)
        labelled = labelled[held_out(labelled)]
        for space in (request.before, request.after):
            labelled = labelled[np.isin(labelled, rows_with_vectors(self.store, request, space))]
        if len(labelled) < self.least_compared:
            raise Conflict("too few", reason="TOO_FEW_LABELS")
        self.comparisons.append(request)
        gain = 0.1 if self.better else -0.1
        return training_pb2.CompareSpacesResponse(
            before=training_pb2.SpaceQuality(space=request.before, accuracy=0.7, purity=0.6),
            after=training_pb2.SpaceQuality(
                space=request.after, accuracy=0.7 + gain, purity=0.6 + gain
            ),
            images=len(labelled),
            p_value=0.1 if self.better else 0.9,
            better=self.better,
        )

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


def rows_with_vectors(store, request, space):
    """The rows that have a vector in a space."""
    manifest = Manifest.load(store, layout.vectors(request.collection, space))
    parts = layout.part_numbers(manifest.entries, layout.vectors_part)
    rows = [manifest.read_array(store, layout.vectors_rows(part)) for part in parts]
    return np.concatenate([np.empty(0, np.int64), *rows])


def _no_result(context):
    return {}


class IndexStandIn(index_pb2_grpc.IndexServiceServicer):
    """Clusters by first coordinate: real runs, simple clusters."""

    def __init__(self, store, vectors, rows):
        self.store = store
        self.vectors = vectors
        self.rows = rows
        self.asked = []
        self.failures = 0
        self.built = []
        self.runs = Runs(store, "index", {"cluster": self._cluster, "index": _no_result})

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

    def BuildIndex(self, request, context):
        self.built.append(request.space)
        run = self.runs.start(
            "index",
            request.collection,
            {"space": request.space},
            request_id=request.request_id,
        )
        return index_pb2.BuildIndexResponse(run=run_message(run))

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


def write_clusters(store, collection, run, assignment, rows, *, space, count, **more):
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
    latest = {"run": run, "space": space, "count": count, **more}
    store.write_json(layout.clusters_latest(collection), latest)


class Person:
    """Answers pages by the truth, {row: class id}."""

    def __init__(self, ledger, truth):
        self.ledger = ledger
        self.truth = truth

    def answer(self, page):
        rows = unpack(page.rows, dtype=np.int64, ndim=1, field="rows")
        if page.kind == page_pb2.PAGE_KIND_REVIEW:
            truth = {int(row): self.truth[int(row)] for row in rows}
            return self.ledger.say(labels=truth, origin=page.kind)
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
