"""A labels service that says what it is told to, for services that only read or fill it."""

import threading

import numpy as np

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.labels.v1 import labels_pb2 as pb
from hundredfold.api.labels.v1 import labels_pb2_grpc
from hundredfold.chassis.context import stopping
from hundredfold.chassis.errors import Unavailable
from hundredfold.chassis.server import Mount
from hundredfold.chassis.tensors import pack, unpack


class LedgerStandIn(labels_pb2_grpc.LabelsServiceServicer):
    """Holds labels by row; every change is an event."""

    def __init__(self):
        self.seq = 0
        self.labels: dict[int, int] = {}
        self.origins: dict[int, int] = {}
        self.negatives: set[tuple[int, int]] = set()
        self.unsure: set[int] = set()
        self.possible: set[tuple[int, int]] = set()
        self.offers: list[pb.OfferPagesRequest] = []
        self.decisions: list[pb.Event] = []
        self.lost = 0
        self.label_calls = 0
        self.watches = 0
        self.away = False
        self.gate: threading.Event | None = None
        self.changed = threading.Condition()

    def mount(self):
        return Mount(
            pb.DESCRIPTOR.services_by_name["LabelsService"],
            labels_pb2_grpc.add_LabelsServiceServicer_to_server,
            self,
        )

    def say(
        self,
        *,
        labels=None,
        negatives=(),
        unsure=(),
        possible=(),
        origin=page_pb2.PAGE_KIND_VERIFY,
    ):
        """One decision."""
        with self.changed:
            for row, class_id in (labels or {}).items():
                self.labels[int(row)] = int(class_id)
                self.origins[int(row)] = origin
            self.negatives |= {(int(row), int(class_id)) for row, class_id in negatives}
            self.unsure |= {int(row) for row in unsure}
            self.possible |= {(int(row), int(class_id)) for row, class_id in possible}
            self.seq += 1
            self.changed.notify_all()
            return self.seq

    def clear(self):
        with self.changed:
            self.labels, self.negatives, self.unsure = {}, set(), set()
            self.seq += 1
            self.changed.notify_all()
            return self.seq

    def offered(self):
        """The pages that wait, highest score first."""
        with self.changed:
            pages = list(self.offers[-1].pages) if self.offers else []
        return sorted(pages, key=lambda page: -page.score)

    def GetLabels(self, request, context):
        self.label_calls += 1
        if self.gate:
            self.gate.wait(10)
        with self.changed:
            self._check()
            rows = np.array(sorted(self.labels), np.int64)
            classes = np.array([self.labels[row] for row in rows], np.int32)
            origins = np.array([self.origins[row] for row in rows], np.uint8)
            kicked = sorted(pair for pair in self.negatives if pair[0] not in self.labels)
            negatives = np.array(kicked, np.int64).reshape(-1, 2)
            limited = sorted(pair for pair in self.possible if pair[0] not in self.labels)
            possible = np.array(limited, np.int64).reshape(-1, 2)
            answer = pb.GetLabelsResponse(
                seq=self.seq,
                rows=pack(rows[:5]),
                class_ids=pack(classes[:5]),
                origins=pack(origins[:5]),
                seqs=pack(np.ones(len(rows[:5]), np.int64)),
                negative_rows=pack(negatives[:, 0]),
                negative_class_ids=pack(negatives[:, 1].astype(np.int32)),
                unsure_rows=pack(np.array(sorted(self.unsure - set(self.labels)), np.int64)),
                possible_rows=pack(possible[:, 0]),
                possible_class_ids=pack(possible[:, 1].astype(np.int32)),
            )
        # In pieces, as the service does it.
        yield answer
        yield pb.GetLabelsResponse(
            seq=answer.seq,
            rows=pack(rows[5:]),
            class_ids=pack(classes[5:]),
            origins=pack(origins[5:]),
            seqs=pack(np.ones(len(rows[5:]), np.int64)),
        )

    def WatchDecisions(self, request, context):
        self.watches += 1
        with self.changed:
            self._check()
            seen = self.seq
        yield pb.WatchDecisionsResponse(head_seq=seen)
        while context.is_active() and not stopping().is_set():
            with self.changed:
                self.changed.wait_for(lambda seen=seen: self.seq != seen or self.away, 0.05)
                self._check()
                head = self.seq
            if head != seen:
                events = [pb.Event(seq=seq) for seq in range(seen + 1, head + 1)]
                yield pb.WatchDecisionsResponse(head_seq=head, events=events)
                seen = head

    def OfferPages(self, request, context):
        with self.changed:
            self._check()
            for page in request.pages:
                unpack(page.rows, dtype=np.int64, ndim=1, field="rows")
            self.offers.append(request)
            self.changed.notify_all()
        return pb.OfferPagesResponse(ready_pages=len(request.pages))

    def GetProgress(self, request, context):
        with self.changed:
            self._check()
            return pb.GetProgressResponse(
                total=self.offers[-1].total if self.offers else 0,
                labelled=len(self.labels),
                unsure=len(self.unsure - set(self.labels)),
                ready_pages=self._ready(),
                head_seq=self.seq,
            )

    def ListDecisions(self, request, context):
        with self.changed:
            self._check()
            events = [event for event in self.decisions if event.seq > request.after_seq]
            return pb.ListDecisionsResponse(events=events[: request.page_size])

    def lose_queue(self):
        """As when Redis was lost."""
        with self.changed:
            self.lost = len(self.offers)

    def _ready(self):
        lost = not self.offers or len(self.offers) <= self.lost
        return 0 if lost else len(self.offers[-1].pages)

    def _check(self):
        if self.away:
            raise Unavailable("the ledger is away")
