"""Selection, labels and training that follow a script, for a labeller who is measured.

A hundred images of two classes in turn, ten a page; every head is right about all but the last five. A
backbone is trained after the third decision; the fifth page after a start is an audit, whose answer
proves the target.
"""

import threading

import numpy as np

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.api.selection.v1 import selection_pb2, selection_pb2_grpc
from hundredfold.api.training.v1 import training_pb2, training_pb2_grpc
from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.server import Mount
from hundredfold.chassis.tensors import pack, unpack

IMAGES = 100
TRUTH = np.tile(np.array([1, 2], np.int32), IMAGES // 2)
GUESSED = np.where(np.arange(IMAGES) < IMAGES - 5, TRUTH, 3 - TRUTH).astype(np.int32)
PAGE = 10
AUDIT_AT = 5
TRAIN_AT = 3
POLLS = 8
CERTIFICATE = 8


class LoopStandIn(
    labels_pb2_grpc.LabelsServiceServicer,
    selection_pb2_grpc.SelectionServiceServicer,
    training_pb2_grpc.TrainingServiceServicer,
):
    """One object is all three services."""

    def __init__(self):
        self.lock = threading.Lock()
        self.starts: list[selection_pb2.StartLoopRequest] = []
        self.labels: dict[int, int] = {}
        self.by_model: dict[int, int] = {}
        self.seq = 0
        self.token = 0
        self.pages = 0  # since the start
        self.decisions = 0
        self.polls = 0  # while a backbone is trained
        self.answered_while_training = 0
        self.released: list[int] = []
        self.proved = 0.0
        self.undone = 0
        self.silent = False

    def mounts(self):
        return [
            Mount(
                module.DESCRIPTOR.services_by_name[name],
                getattr(grpc, f"add_{name}Servicer_to_server"),
                self,
            )
            for module, grpc, name in (
                (labels_pb2, labels_pb2_grpc, "LabelsService"),
                (selection_pb2, selection_pb2_grpc, "SelectionService"),
                (training_pb2, training_pb2_grpc, "TrainingService"),
            )
        ]

    # --- selection

    def StartLoop(self, request, context):
        with self.lock:
            self.starts.append(request)
            self.pages, self.proved = 0, 0.0
        return selection_pb2.StartLoopResponse(loop=self._loop())

    def GetLoop(self, request, context):
        with self.lock:
            if self._training():
                self.polls += 1
        return selection_pb2.GetLoopResponse(loop=self._loop())

    def _training(self):
        return self.decisions >= TRAIN_AT and self.polls < POLLS

    def _loop(self):
        step = "TRAINING" if self._training() else "IDLE"
        rounds = [
            selection_pb2.BackboneRound(before="net@1", after="net@2", labels_seq=seq)
            for seq in (0, 3)  # the first is of an earlier simulation
        ]
        return selection_pb2.Loop(
            phase="LOOP_PHASE_DONE" if self.proved else "LOOP_PHASE_VERIFY",
            space="net@2" if self.polls else "net@1",
            model="head@1",
            seen_seq=0 if self.silent else self.seq,
            proved_accuracy=self.proved,
            backbone_step=f"BACKBONE_STEP_{step}",
            backbone_rounds=rounds if self.polls else [],
        )

    def Forecast(self, request, context):
        if not self.labels:
            raise Conflict("no head yet")
        return selection_pb2.ForecastResponse(seconds=10, seconds_low=0, seconds_high=1000)

    # --- training

    def GetPredictions(self, request, context):
        rows = np.arange(IMAGES)
        yield training_pb2.GetPredictionsResponse(
            model="head@1",
            rows=pack(rows),
            class_ids=pack(GUESSED),
            second_class_ids=pack(GUESSED),
            probabilities=pack(np.ones(IMAGES, np.float32)),
            margins=pack(np.ones(IMAGES, np.float32)),
        )

    # --- labels

    def ClearLabels(self, request, context):
        with self.lock:
            self.labels, self.by_model, self.seq = {}, {}, self.seq + 1
            return labels_pb2.ClearLabelsResponse(seq=self.seq)

    def LeasePages(self, request, context):
        with self.lock:
            if self.proved or self.silent:
                return labels_pb2.LeasePagesResponse()
            return labels_pb2.LeasePagesResponse(
                leases=[self._lease() for _ in range(request.limit)]
            )

    def _lease(self):
        self.token += 1
        self.pages += 1
        audit = self.pages == AUDIT_AT
        first = PAGE * (self.token % (IMAGES // PAGE))
        page = page_pb2.Page(
            page_id=str(self.token),
            kind=page_pb2.PAGE_KIND_AUDIT if audit else page_pb2.PAGE_KIND_VERIFY,
            rows=pack(np.arange(first, first + PAGE)),
            class_id=1,
            audit_id="audit" if audit else "",
        )
        return labels_pb2.Lease(token=self.token, page=page)

    def SubmitDecision(self, request, context):
        with self.lock:
            self.answered_while_training += self._training()
            for each in request.judgements:
                if each.verdict == labels_pb2.VERDICT_IS:
                    rows = unpack(each.rows, dtype=np.int64, ndim=1, field="rows")
                    self.labels |= {int(row): each.class_id for row in rows}
            self.seq += 1
            self.decisions += 1
            if self.token >= AUDIT_AT and self.pages >= AUDIT_AT:
                self._prove(self.starts[-1])
            return labels_pb2.SubmitDecisionResponse(seq=self.seq)

    def _prove(self, start):
        self.proved = start.target_accuracy
        self.seq += 1
        if start.auto_label:
            self.by_model = {row: int(GUESSED[row]) for row in range(IMAGES)}

    def GetLabels(self, request, context):
        with self.lock:
            labels = self.by_model | self.labels
            rows = np.array(sorted(labels), np.int64)
            origins = [2 if row in self.labels else 127 for row in rows]
            classes = np.array([labels[row] for row in rows], np.int32)
            yield labels_pb2.GetLabelsResponse(
                seq=self.seq,
                rows=pack(rows),
                class_ids=pack(classes),
                seqs=pack(np.ones(len(rows), np.int64)),
                origins=pack(np.array(origins, np.uint8)),
            )

    def Undo(self, request, context):
        with self.lock:
            assert request.seq == CERTIFICATE
            self.by_model, self.seq = {}, self.seq + 1
            self.undone += 1
            event = labels_pb2.Event(seq=request.seq)
            return labels_pb2.UndoResponse(seq=self.seq, undone=event)

    def ReleaseLeases(self, request, context):
        self.released += request.tokens
        return labels_pb2.ReleaseLeasesResponse()

    def GetAudit(self, request, context):
        state = "CERTIFIED" if self.proved else "OPEN"
        audit = labels_pb2.Audit(audit_id=request.audit_id, state=f"AUDIT_STATE_{state}")
        return labels_pb2.GetAuditResponse(audit=audit)

    def ListAudits(self, request, context):
        certified = "AUDIT_STATE_CERTIFIED"
        error = 1 - self.proved
        old = labels_pb2.Audit(audit_id="old", seq=1, state=certified)
        audit = labels_pb2.Audit(audit_id="audit", seq=7, allowed_error=error, bound=error)
        if self.proved:
            audit.state, audit.certificate_seq = certified, CERTIFICATE
        return labels_pb2.ListAuditsResponse(audits=[audit, old])

    def ListAnnotators(self, request, context):
        people = [labels_pb2.Annotator(annotator="simulated-0", planted=3)]
        return labels_pb2.ListAnnotatorsResponse(annotators=people)
