"""The services that compute: training, embedding and index, and their runs."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.embedding.v1 import embedding_pb2, embedding_pb2_grpc
from hundredfold.api.index.v1 import index_pb2, index_pb2_grpc
from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.api.training.v1 import training_pb2, training_pb2_grpc
from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.selection.domain.cleaning import Suspicious
from hundredfold.selection.peers.naming import named
from hundredfold.selection.state import Comparison

_FIT_SECONDS = 300.0
_COMPARE_SECONDS = 600.0
_REQUESTS = uuid.UUID("6f2a4f1e-6c0e-4d3a-9c1b-2f6b8f0f7a55")


def request_id(*parts: object) -> str:
    """An id that the same parts always give."""
    return str(uuid.uuid5(_REQUESTS, "/".join(map(str, parts))))


@dataclass(frozen=True)
class Run:
    """A run: whether it has `ended`, what it made, what it was asked, or its `error`."""

    ended: bool
    result: Mapping[str, Any]
    parameters: Mapping[str, Any]
    error: str


class RunsOf:
    """The runs of a service."""

    def __init__(self, channel: grpc.Channel, peer: str) -> None:
        self._stub = runs_pb2_grpc.RunsServiceStub(channel)
        self._peer = peer

    def get(self, run_id: str) -> Run:
        """Where a run stands; NotFound."""
        with named(self._peer):
            run = self._stub.GetRun(runs_pb2.GetRunRequest(run_id=run_id)).run
        asked = json.loads(run.parameters_json or "{}")
        if run.state == runs_pb2.STATE_SUCCEEDED:
            return Run(True, json.loads(run.result_json), asked, "")
        ended = run.state in (runs_pb2.STATE_FAILED, runs_pb2.STATE_CANCELLED)
        return Run(ended, {}, asked, (run.error or "it was cancelled") if ended else "")

    def cancel(self, run_id: str) -> None:
        """Ask a run to end; NotFound."""
        with named(self._peer):
            self._stub.CancelRun(runs_pb2.CancelRunRequest(run_id=run_id))


class Trainer:
    """The training service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = training_pb2_grpc.TrainingServiceStub(channel)
        self.runs = RunsOf(channel, "training")

    def fit(
        self, collection: str, space: str, labels_seq: int, *, without_negatives: bool = False
    ) -> str:
        """Fit a head on the labels up to an event; returns its name, "" when none of them can be learnt from."""
        request = training_pb2.FitHeadRequest(
            collection=collection,
            space=space,
            labels_seq=labels_seq,
            without_negatives=without_negatives,
        )
        try:
            with named("training"):
                return self._stub.FitHead(request, timeout=_FIT_SECONDS).head.model
        except Conflict as error:
            if error.reason == "NO_LABELS":
                return ""
            raise

    def train(self, collection: str, space: str, seed: int, key: str) -> str:
        """Start to fine-tune the backbone of a space; returns the run."""
        request = training_pb2.TrainRequest(
            collection=collection, space=space, seed=seed, request_id=key
        )
        with named("training"):
            return self._stub.Train(request).run.run_id

    def compare(self, collection: str, before: str, after: str) -> Comparison:
        """Measure two spaces; Conflict while too few held-out images have a label and both vectors."""
        request = training_pb2.CompareSpacesRequest(
            collection=collection, before=before, after=after
        )
        with named("training"):
            found = self._stub.CompareSpaces(request, timeout=_COMPARE_SECONDS)
        return Comparison(
            found.before.accuracy,
            found.after.accuracy,
            found.before.purity,
            found.after.purity,
            found.images,
            found.p_value,
            found.better,
        )

    def suspicious(self, collection: str, space: str, limit: int) -> Suspicious:
        """Labels of people that look wrong; Conflict with too few of them."""
        request = training_pb2.ListSuspiciousRequest(
            collection=collection, space=space, limit=limit
        )
        with named("training"):
            found = self._stub.ListSuspicious(request, timeout=_FIT_SECONDS)
        return Suspicious(
            unpack(found.rows, dtype=np.int64, ndim=1, field="rows"),
            unpack(found.class_ids, dtype=np.int32, ndim=1, field="class_ids"),
            unpack(found.probabilities, dtype=np.float32, ndim=1, field="probabilities"),
            unpack(found.other_class_ids, dtype=np.int32, ndim=1, field="other_class_ids"),
        )


class Embedder:
    """The embedding service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)
        self.runs = RunsOf(channel, "embedding")

    def embed(
        self,
        collection: str,
        model: str,
        *,
        duplicates: str,
        first_rows: NDArray[np.int64],
        key: str,
    ) -> str:
        """Start to embed what has no vector in a space; returns the run."""
        request = embedding_pb2.EmbedCollectionRequest(
            collection=collection,
            model=model,
            duplicates=duplicates,
            request_id=key,
            first_rows=pack(first_rows) if len(first_rows) else None,
        )
        with named("embedding"):
            return self._stub.EmbedCollection(request).run.run_id


class Indexer:
    """The index service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = index_pb2_grpc.IndexServiceStub(channel)
        self.runs = RunsOf(channel, "index")

    def cluster(self, collection: str, space: str, clusters: int, seed: int, key: str) -> str:
        """Start to cluster a space; returns the run. The same key again returns the same run."""
        request = index_pb2.ClusterRequest(
            collection=collection,
            space=space,
            clusters=clusters,
            seed=seed,
            request_id=request_id(collection, space, clusters, seed, key),
        )
        with named("index"):
            return self._stub.Cluster(request).run.run_id

    def build(self, collection: str, space: str, key: str) -> None:
        """Start to build the search index of a space. The same key again starts nothing."""
        request = index_pb2.BuildIndexRequest(
            collection=collection,
            space=space,
            request_id=request_id(collection, space, "build", key),
        )
        with named("index"):
            self._stub.BuildIndex(request)
