"""The selection service in process, with real servers that stand in for the others."""

import uuid

import numpy as np

from hundredfold.api.selection.v1 import selection_pb2 as pb
from hundredfold.api.selection.v1 import selection_pb2_grpc
from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.testing import serving, wait_for
from hundredfold.selection.config import SelectionConfig
from hundredfold.selection.domain.refining import Rules
from hundredfold.selection.loops import Loops
from hundredfold.selection.peers import Embedder, Indexer, Ledger, Peers, Trainer
from hundredfold.selection.servicer import SelectionServicer, selection_mount
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    make_collection,
    scattered_rows,
    write_space,
)
from tests.contract.selection_peers import (
    AuditingLedger,
    EmbeddingStandIn,
    IndexStandIn,
    Person,
    TrainingStandIn,
    write_clusters,
)
from tests.contract.selection_peers import (
    split as split_up,
)

CONFIG = SelectionConfig(settle_seconds=0.01, check_seconds=0.1, most_wait_seconds=0.2)
NEVER = Rules(least=10**9)


class System:
    """Selection and its peers on one store, and a caller."""

    def __init__(self, stack, root, vectors, truth, rules=NEVER):
        self.rules = rules
        self.store = ArtifactStore(root)
        self.rows = scattered_rows(len(vectors))
        self.truth = dict(zip(self.rows.tolist(), truth.tolist(), strict=True))
        make_collection(self.store)
        write_space(self.store, vectors, self.rows)
        self.ledger = AuditingLedger(self.store)
        self.training = TrainingStandIn(self.store, self.ledger, vectors, self.rows)
        self.index = IndexStandIn(self.store, vectors, self.rows)
        self.embedding = EmbeddingStandIn(self.store, vectors, self.rows)
        for peer in (self.training, self.index, self.embedding):
            stack.callback(peer.runs.close)
        self.person = Person(self.ledger, self.truth)
        to_ledger = stack.enter_context(serving(self.ledger.mount()))
        to_training, to_index, to_embedding = (
            stack.enter_context(serving(peer.mount(), runs_mount(peer.runs)))
            for peer in (self.training, self.index, self.embedding)
        )
        self.peers = Peers(
            Ledger(to_ledger), Trainer(to_training), Indexer(to_index), Embedder(to_embedding)
        )
        self.loops = None
        stack.callback(lambda: self.loops and self.loops.close())
        self.serve(stack)

    def serve(self, stack):
        """Begin, or begin again as after a kill."""
        if self.loops:
            self.loops.close()
        self.loops = Loops(self.store, self.peers, CostModel(), CONFIG, rules=self.rules)
        self.loops.resume()
        channel = stack.enter_context(serving(selection_mount(SelectionServicer(self.loops))))
        self.stub = selection_pb2_grpc.SelectionServiceStub(channel)

    def write_clusters(self, run, count, space=SPACE):
        assignment = split_up(self.training.vectors, count)
        write_clusters(self.store, COLLECTION, run, assignment, self.rows, space=space, count=count)

    def edit_clusters(self, run, count, *, after, split):
        """Give half of a cluster the number after the last, as when a person splits it."""
        assignment = np.array(split_up(self.training.vectors, count))
        members = np.flatnonzero(assignment == split)
        assignment[members[: len(members) // 2]] = count
        more = {"began_with": count, "edited": after}
        write_clusters(
            self.store, COLLECTION, run, assignment, self.rows, space=SPACE, count=count + 1, **more
        )

    def start(self, **fields):
        fields = {"collection": COLLECTION, "request_id": str(uuid.uuid4()), **fields}
        return self.stub.StartLoop(pb.StartLoopRequest(**fields)).loop

    def get(self, collection=COLLECTION):
        return self.stub.GetLoop(pb.GetLoopRequest(collection=collection)).loop

    def propose(self, **fields):
        request = pb.ProposePagesRequest(**{"collection": COLLECTION, **fields})
        return self.stub.ProposePages(request).pages

    def forecast(self, target=0.0):
        return self.stub.Forecast(pb.ForecastRequest(collection=COLLECTION, target=target))

    def until(self, condition, seconds=15):
        """The loop, once it has seen all events and the condition holds."""

        def state():
            loop = self.get()
            seen = loop.rounds and loop.seen_seq == self.ledger.seq
            return loop if seen and condition(loop) else None

        return wait_for(state, seconds)

    def seen(self):
        return self.until(lambda loop: True)

    def answer_until(self, condition, most=400):
        """Answer the best page, again and again; returns the pages answered."""
        answered = []
        for _ in range(most):
            loop = self.seen()
            if condition(loop):
                return answered
            page = self.ledger.offered()[0]
            answered.append(page)
            self.person.answer(page)
        raise AssertionError(f"not within {most} pages: {self.get()}")
