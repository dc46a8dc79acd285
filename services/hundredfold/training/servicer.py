"""The training service on gRPC: translate, call, translate."""

from collections.abc import Iterator
from dataclasses import asdict

import grpc

from hundredfold.api.training.v1 import training_pb2, training_pb2_grpc
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.paging import decode_token, encode_token, page_size
from hundredfold.chassis.runs_servicer import run_message
from hundredfold.chassis.server import Mount
from hundredfold.chassis.storage.collections import require_collection
from hundredfold.chassis.storage.layout import name_and_version
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack
from hundredfold.training.domain.comparing import Quality
from hundredfold.training.finetune_job import Tuner
from hundredfold.training.fitting import Fitter
from hundredfold.training.judging import Judge
from hundredfold.training.predictions import PairPartPredictions, PartPredictions
from hundredfold.training.store import Card, HeadStore

_PIECE = 50_000
_SUSPICIOUS = 1_000
_MOST_SUSPICIOUS = 100_000


class TrainingServicer(training_pb2_grpc.TrainingServiceServicer):
    """Each method as its RPC's comment says.

    Args:
        store: where collections are.
        heads: what is kept.
        fitter: makes heads.
        judge: of labels and spaces.
        tuner: trains backbones.
    """

    def __init__(
        self, store: ArtifactStore, heads: HeadStore, fitter: Fitter, judge: Judge, tuner: Tuner
    ) -> None:
        self._store = store
        self._heads = heads
        self._fitter = fitter
        self._judge = judge
        self._tuner = tuner

    def FitHead(
        self, request: training_pb2.FitHeadRequest, context: grpc.ServicerContext
    ) -> training_pb2.FitHeadResponse:
        """Fit a head anew."""
        if request.labels_seq < 0:
            raise InvalidArgument("labels_seq must not be negative", field="labels_seq")
        card = self._fitter.fit(
            request.collection,
            request.space,
            request.labels_seq,
            without_negatives=request.without_negatives,
        )
        return training_pb2.FitHeadResponse(head=_head(card))

    def Train(
        self, request: training_pb2.TrainRequest, context: grpc.ServicerContext
    ) -> training_pb2.TrainResponse:
        """Start a run that fine-tunes a backbone."""
        run = self._tuner.start(
            request.collection,
            request.space,
            request.base,
            seconds=request.seconds,
            seed=request.seed,
            request_id=request.request_id,
        )
        return training_pb2.TrainResponse(run=run_message(run))

    def CompareSpaces(
        self, request: training_pb2.CompareSpacesRequest, context: grpc.ServicerContext
    ) -> training_pb2.CompareSpacesResponse:
        """Measure two spaces on the labelled images that were held out."""
        found = self._judge.compare(request.collection, request.before, request.after)
        return training_pb2.CompareSpacesResponse(
            before=_quality(request.before, found.before),
            after=_quality(request.after, found.after),
            images=found.images,
            p_value=found.p_value,
            better=found.better,
        )

    def ListSuspicious(
        self, request: training_pb2.ListSuspiciousRequest, context: grpc.ServicerContext
    ) -> training_pb2.ListSuspiciousResponse:
        """List labels of people that look wrong."""
        if not 0 <= request.limit <= _MOST_SUSPICIOUS:
            raise InvalidArgument(f"limit must be 0 to {_MOST_SUSPICIOUS}", field="limit")
        limit = request.limit or _SUSPICIOUS
        found = self._judge.suspicious(request.collection, request.space, limit)
        return training_pb2.ListSuspiciousResponse(
            rows=pack(found.rows),
            class_ids=pack(found.class_ids),
            other_class_ids=pack(found.other_class_ids),
            probabilities=pack(found.probabilities),
            labels=found.looked_at,
        )

    def Evaluate(
        self, request: training_pb2.EvaluateRequest, context: grpc.ServicerContext
    ) -> training_pb2.EvaluateResponse:
        """Measure a head by cross-fitting."""
        card = self._card(request.collection, request.model)
        measured = self._fitter.measure(card)
        return training_pb2.EvaluateResponse(
            head=_head(card),
            labels=measured.labels,
            accuracy=measured.accuracy,
            calibration_error=measured.calibration_error,
            classes=[training_pb2.ClassMeasure(**asdict(each)) for each in measured.classes],
        )

    def ListHeads(
        self, request: training_pb2.ListHeadsRequest, context: grpc.ServicerContext
    ) -> training_pb2.ListHeadsResponse:
        """List the heads that are kept, newest first."""
        require_collection(self._store, request.collection)
        size = page_size(request.page_size)
        (after,) = decode_token(request.page_token, str) or ("",)
        cards = self._heads.heads(request.collection)
        if after:
            _, version = name_and_version(after, "page_token")
            cards = [card for card in cards if name_and_version(card.model)[1] < version]
        token = encode_token(cards[size - 1].model) if len(cards) > size else ""
        heads = [_head(card) for card in cards[:size]]
        return training_pb2.ListHeadsResponse(heads=heads, next_page_token=token)

    def Promote(
        self, request: training_pb2.PromoteRequest, context: grpc.ServicerContext
    ) -> training_pb2.PromoteResponse:
        """Put a head to use."""
        if not request.model:
            raise InvalidArgument("name the head", field="model")
        card = self._card(request.collection, request.model)
        card = self._heads.promote(request.collection, card.model)
        return training_pb2.PromoteResponse(head=_head(card))

    def Rollback(
        self, request: training_pb2.RollbackRequest, context: grpc.ServicerContext
    ) -> training_pb2.RollbackResponse:
        """Put the head that was in use before back to use."""
        require_collection(self._store, request.collection)
        card = self._heads.roll_back(request.collection)
        return training_pb2.RollbackResponse(head=_head(card))

    def GetPredictions(
        self, request: training_pb2.GetPredictionsRequest, context: grpc.ServicerContext
    ) -> Iterator[training_pb2.GetPredictionsResponse]:
        """Send the predictions of a head in pieces."""
        card = self._card(request.collection, request.model)
        for part in self._heads.predictions(request.collection, card.model):
            if isinstance(part, PairPartPredictions):
                yield from _pair_pieces(card.model, part)
                continue
            for start in range(0, len(part.rows), _PIECE):
                yield _piece(card.model, part, slice(start, start + _PIECE))

    def _card(self, collection: str, model: str) -> Card:
        require_collection(self._store, collection)
        return self._heads.head(collection, model)


def training_mount(servicer: TrainingServicer) -> Mount:
    """What to mount so that a server has a TrainingService."""
    return Mount(
        training_pb2.DESCRIPTOR.services_by_name["TrainingService"],
        training_pb2_grpc.add_TrainingServiceServicer_to_server,
        servicer,
    )


def _head(card: Card) -> training_pb2.Head:
    return training_pb2.Head(
        model=card.model,
        collection=card.collection,
        space=card.space,
        labels_seq=card.labels_seq,
        labels=card.labels,
        class_ids=card.class_ids,
        temperature=card.temperature,
        expected_error=card.expected_error,
        created_at=card.created_at,
        promoted=card.promoted,
        seconds=card.seconds,
        accuracy=card.accuracy,
        calibration_error=card.calibration_error,
    )


def _quality(space: str, quality: Quality) -> training_pb2.SpaceQuality:
    return training_pb2.SpaceQuality(space=space, accuracy=quality.accuracy, purity=quality.purity)


def _piece(model: str, part: PartPredictions, piece: slice) -> training_pb2.GetPredictionsResponse:
    predicted = part.predicted
    return training_pb2.GetPredictionsResponse(
        model=model,
        rows=pack(part.rows[piece]),
        class_ids=pack(predicted.top[piece]),
        second_class_ids=pack(predicted.second[piece]),
        probabilities=pack(predicted.probability[piece]),
        margins=pack(predicted.margin[piece]),
    )


def _pair_pieces(
    model: str, part: PairPartPredictions
) -> Iterator[training_pb2.GetPredictionsResponse]:
    rows = part.pair_rows
    for start in range(0, len(rows), _PIECE):
        piece = slice(start, start + _PIECE)
        yield training_pb2.GetPredictionsResponse(
            model=model,
            rows=pack(rows[piece]),
            class_ids=pack(part.class_ids[piece]),
            probabilities=pack(part.probability[piece]),
        )
