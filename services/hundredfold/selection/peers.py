"""The services that selection calls: labels, training and index.

An error of theirs carries the name of the service in its metadata, as `peer`.
"""

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.common.v1 import page_pb2
from hundredfold.api.index.v1 import index_pb2, index_pb2_grpc
from hundredfold.api.labels.v1 import labels_pb2, labels_pb2_grpc
from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.api.training.v1 import training_pb2, training_pb2_grpc
from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.selection.domain.forecast import Answered
from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.pool import Labels, Said

_STREAM_SECONDS = 60.0
_FIT_SECONDS = 300.0
_RUNS_NAMESPACE = uuid.UUID("6f2a4f1e-6c0e-4d3a-9c1b-2f6b8f0f7a55")


@contextmanager
def _named(peer: str) -> Iterator[None]:
    try:
        yield
    except ServiceError as error:
        error.metadata["peer"] = peer
        raise


@dataclass(frozen=True)
class Progress:
    """How far the work is: images `labelled` and set aside as `unsure`, `ready_pages`, newest event."""

    labelled: int
    unsure: int
    ready_pages: int
    head_seq: int


class Ledger:
    """The labels service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = labels_pb2_grpc.LabelsServiceStub(channel)

    def said(self, collection: str) -> tuple[int, Said]:
        """The newest event, and what people said up to it."""
        with _named("labels"):
            request = labels_pb2.GetLabelsRequest(collection=collection)
            answers = list(self._stub.GetLabels(request, timeout=_STREAM_SECONDS))
        rows = _joined(answers, "rows", np.int64)
        order = np.argsort(rows)
        said = Said(
            Labels(rows[order], _joined(answers, "class_ids", np.int32)[order]),
            _joined(answers, "negative_rows", np.int64),
            _joined(answers, "unsure_rows", np.int64),
        )
        return (answers[-1].seq if answers else 0), said

    def watch(self, collection: str, after_seq: int) -> Any:
        """A running call: iterate over it for messages with `head_seq`, `cancel()` it from outside."""
        request = labels_pb2.WatchDecisionsRequest(collection=collection, after_seq=after_seq)
        return self._stub.WatchDecisions(request)

    def progress(self, collection: str) -> Progress:
        """How far the work is."""
        with _named("labels"):
            request = labels_pb2.GetProgressRequest(collection=collection)
            answer = self._stub.GetProgress(request)
        return Progress(answer.labelled, answer.unsure, answer.ready_pages, answer.head_seq)

    def offer(
        self, collection: str, pages: Sequence[tuple[str, Draft]], model: str, total: int
    ) -> None:
        """Let the queue hold these pages and no others.

        Args:
            collection: whose.
            pages: each with its id.
            model: the head that arranged those that are not of clusters.
            total: images there are to label.
        """
        request = labels_pb2.OfferPagesRequest(
            collection=collection,
            pages=[page_message(page_id, draft, model) for page_id, draft in pages],
            replace=True,
            total=total,
        )
        with _named("labels"):
            self._stub.OfferPages(request)

    def answered(self, collection: str, after_seq: int) -> list[Answered]:
        """The pages answered since an event, at most a thousand."""
        request = labels_pb2.ListDecisionsRequest(
            collection=collection, after_seq=after_seq, page_size=1000
        )
        with _named("labels"):
            events = self._stub.ListDecisions(request).events
        return [_answered(each) for each in events if each.kind == labels_pb2.EVENT_KIND_DECISION]


class Trainer:
    """The training service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = training_pb2_grpc.TrainingServiceStub(channel)

    def fit(self, collection: str, space: str, labels_seq: int) -> str:
        """Fit a head on the labels up to an event; returns its name."""
        request = training_pb2.FitHeadRequest(
            collection=collection, space=space, labels_seq=labels_seq
        )
        with _named("training"):
            return self._stub.FitHead(request, timeout=_FIT_SECONDS).head.model


@dataclass(frozen=True)
class Clustering:
    """A Cluster run: whether it has `ended`, the `clusters` it made, or its `error`."""

    ended: bool
    clusters: str
    error: str


class Indexer:
    """The index service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = index_pb2_grpc.IndexServiceStub(channel)
        self._runs = runs_pb2_grpc.RunsServiceStub(channel)

    def cluster(self, collection: str, space: str, clusters: int, seed: int, key: str) -> str:
        """Start to cluster a space; returns the run. The same key again returns the same run."""
        name = f"{collection}/{space}/{clusters}/{seed}/{key}"
        request = index_pb2.ClusterRequest(
            collection=collection,
            space=space,
            clusters=clusters,
            seed=seed,
            request_id=str(uuid.uuid5(_RUNS_NAMESPACE, name)),
        )
        with _named("index"):
            return self._stub.Cluster(request).run.run_id

    def clustering(self, run_id: str) -> Clustering:
        """Where a Cluster run stands; NotFound."""
        with _named("index"):
            run = self._runs.GetRun(runs_pb2.GetRunRequest(run_id=run_id)).run
        if run.state == runs_pb2.STATE_SUCCEEDED:
            return Clustering(True, str(json.loads(run.result_json)["clusters"]), "")
        ended = run.state in (runs_pb2.STATE_FAILED, runs_pb2.STATE_CANCELLED)
        return Clustering(ended, "", run.error or "it was cancelled" if ended else "")


@dataclass(frozen=True)
class Peers:
    """All of them."""

    ledger: Ledger
    trainer: Trainer
    indexer: Indexer


def page_message(page_id: str, draft: Draft, model: str) -> page_pb2.Page:
    """A page as a message."""
    return page_pb2.Page(
        page_id=page_id,
        kind=page_pb2.PageKind.Value(f"PAGE_KIND_{draft.kind}"),
        rows=pack(draft.rows),
        class_id=draft.class_id,
        second=pack(draft.second) if len(draft.second) else None,
        probability=pack(draft.probability) if len(draft.probability) else None,
        model=model if len(draft.probability) else "",
        cluster=draft.cluster,
        score=draft.score,
    )


def _joined(
    answers: list[labels_pb2.GetLabelsResponse], field: Any, dtype: type[np.generic]
) -> NDArray[Any]:
    pieces = [
        unpack(getattr(answer, field), dtype=dtype, ndim=1, field=field)
        for answer in answers
        if answer.HasField(field)
    ]
    return np.concatenate([np.empty(0, dtype), *pieces])


def _answered(event: labels_pb2.Event) -> Answered:
    rows = unpack(event.page.rows, dtype=np.int64, ndim=1, field="rows")
    odd = np.zeros(len(rows), np.bool_)
    for each in event.judgements:
        if each.verdict == labels_pb2.VERDICT_IS_NOT:
            odd |= np.isin(rows, unpack(each.rows, dtype=np.int64, ndim=1, field="rows"))
    kind = event.page.kind
    return Answered(
        event.seconds,
        odd,
        named=kind == page_pb2.PAGE_KIND_CLUSTER,
        single=kind == page_pb2.PAGE_KIND_SINGLE,
    )
