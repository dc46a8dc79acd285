"""The RPCs of LabelsService about pairs of images."""

from collections.abc import Iterator

import grpc
import numpy as np

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.chassis.requests import check_request_id
from hundredfold.labels.domain import rules
from hundredfold.labels.domain.event import Judgement
from hundredfold.labels.domain.page import NO_ROWS, Rows
from hundredfold.labels.pairing import Pairing, Said
from hundredfold.labels.servicer import messages
from hundredfold.labels.servicer.asking import asker
from hundredfold.labels.servicer.review_servicer import ReviewServicer

MOST_LEASED = 256
LEASED = 12


class PairsServicer(ReviewServicer):
    """See labels.proto for what each call means."""

    _pairing: Pairing

    def LeasePairs(
        self, request: labels_pb2.LeasePairsRequest, context: grpc.ServicerContext
    ) -> labels_pb2.LeasePairsResponse:
        """See labels.proto."""
        lease = self._pairing.lease(
            self._ledger.catalog.require(request.collection),
            asker(request.annotator).name,
            rules.between(request.limit, 1, MOST_LEASED, LEASED, "limit"),
            rules.between(request.ttl_seconds, 5, 3600, 300, "ttl_seconds"),
        )
        return labels_pb2.LeasePairsResponse(lease=messages.lease_message(lease) if lease else None)

    def JudgePairs(
        self, request: labels_pb2.JudgePairsRequest, context: grpc.ServicerContext
    ) -> labels_pb2.JudgePairsResponse:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        judgements = messages.judgements(request.judgements, rules.MOST_PAIRS)
        kept = messages.optional_rows(request.kept_rows, "kept_rows")
        rows = self._ledger.catalog.rows(
            collection, int(_every(judgements, kept).max(initial=-1)) + 1
        )
        said = Said(rules.judged(judgements, rows), rules.kept(kept, rows))
        seq = self._pairing.judge(
            collection, asker(request.annotator), check_request_id(request.request_id), said
        )
        return labels_pb2.JudgePairsResponse(seq=seq)

    def GetPairs(
        self, request: labels_pb2.GetPairsRequest, context: grpc.ServicerContext
    ) -> Iterator[labels_pb2.GetPairsResponse]:
        """See labels.proto."""
        collection = self._ledger.catalog.require(request.collection)
        with self._ledger.fold(collection) as fold:
            table, kept, seq = fold.likeness.table(), fold.likeness.kept(), fold.seq
        yield from messages.pair_pieces(table, kept[:, 0], seq)


def _every(judgements: tuple[Judgement, ...], kept: Rows) -> Rows:
    """All images that are named: int64 [n]."""
    named = [each for said in judgements for each in (said.rows, said.others)]
    return np.concatenate([NO_ROWS, kept, *named])
