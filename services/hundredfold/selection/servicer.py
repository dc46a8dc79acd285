"""The selection service on gRPC: translate, call, translate."""

import grpc

from hundredfold.api.selection.v1 import selection_pb2, selection_pb2_grpc
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.requests import check_between
from hundredfold.chassis.server import Mount
from hundredfold.selection.loops import Loops, check_policy
from hundredfold.selection.peers import page_message
from hundredfold.selection.state import BackboneRound, LoopState, Step

_PROPOSALS = 16
_MOST_PROPOSALS = 256
_STEPS = {
    Step.IDLE: selection_pb2.BACKBONE_STEP_IDLE,
    Step.TRAINING: selection_pb2.BACKBONE_STEP_TRAINING,
    Step.EMBEDDING: selection_pb2.BACKBONE_STEP_EMBEDDING,
    Step.CLUSTERING: selection_pb2.BACKBONE_STEP_CLUSTERING,
    # The last moment of it: the loop's next round is made in the new space.
    Step.SWITCHING: selection_pb2.BACKBONE_STEP_CLUSTERING,
}


class SelectionServicer(selection_pb2_grpc.SelectionServiceServicer):
    """Each method as its RPC's comment says."""

    def __init__(self, loops: Loops) -> None:
        self._loops = loops

    def StartLoop(
        self, request: selection_pb2.StartLoopRequest, context: grpc.ServicerContext
    ) -> selection_pb2.StartLoopResponse:
        """Start the loop of a collection, or start it anew."""
        state = self._loops.start(
            request.collection,
            space=request.space,
            expected_classes=request.expected_classes,
            page_size=request.page_size,
            policy=request.policy,
            seed=request.seed,
            request_id=request.request_id,
            target_accuracy=request.target_accuracy,
            confidence=request.confidence,
            auto_label=request.auto_label,
            without=request.without,
        )
        return selection_pb2.StartLoopResponse(loop=_loop(state, ""))

    def GetLoop(
        self, request: selection_pb2.GetLoopRequest, context: grpc.ServicerContext
    ) -> selection_pb2.GetLoopResponse:
        """Read a loop."""
        return selection_pb2.GetLoopResponse(
            loop=_loop(*self._loops.get(request.collection).place())
        )

    def ProposePages(
        self, request: selection_pb2.ProposePagesRequest, context: grpc.ServicerContext
    ) -> selection_pb2.ProposePagesResponse:
        """Compute the pages a policy would show next."""
        limit = check_between(request.limit, 0, _MOST_PROPOSALS, "limit") or _PROPOSALS
        if request.policy:
            check_policy(request.policy)
        loop = self._loops.get(request.collection)
        pages, model = loop.propose(limit, request.policy)
        return selection_pb2.ProposePagesResponse(
            pages=[
                page_message(f"proposal-{number}", page, model) for number, page in enumerate(pages)
            ]
        )

    def Forecast(
        self, request: selection_pb2.ForecastRequest, context: grpc.ServicerContext
    ) -> selection_pb2.ForecastResponse:
        """Estimate the work left until a target."""
        # A float of 0.999 on the wire is a little more than 0.999.
        if request.target and not 0.5 <= request.target <= 0.9991:
            raise InvalidArgument("target must be 0.5 to 0.999", field="target")
        found = self._loops.get(request.collection).forecast(round(request.target, 6))
        return selection_pb2.ForecastResponse(
            expected_accuracy=found.expected_accuracy,
            seconds=found.seconds,
            pages=found.pages,
            images=found.images,
            seconds_low=found.seconds_low,
            seconds_high=found.seconds_high,
            pages_low=found.pages_low,
            pages_high=found.pages_high,
            audit_seconds=found.audit_seconds,
            ready=found.ready,
        )


def selection_mount(servicer: SelectionServicer) -> Mount:
    """What to mount so that a server has a SelectionService."""
    return Mount(
        selection_pb2.DESCRIPTOR.services_by_name["SelectionService"],
        selection_pb2_grpc.add_SelectionServiceServicer_to_server,
        servicer,
    )


def _loop(state: LoopState, trouble: str) -> selection_pb2.Loop:
    return selection_pb2.Loop(
        collection=state.collection,
        phase=selection_pb2.LoopPhase.Value(f"LOOP_PHASE_{state.phase}"),
        space=state.space,
        clusters=state.clusters,
        duplicates=state.duplicates,
        expected_classes=state.expected_classes,
        model=state.model,
        seen_seq=state.seen_seq,
        total=state.total,
        labelled=state.labelled,
        rounds=state.rounds,
        expected_accuracy=state.expected_accuracy,
        trouble=trouble,
        policy=state.policy,
        target_accuracy=state.target_accuracy,
        confidence=state.confidence if state.target_accuracy else 0.0,
        proved_accuracy=state.auditing.proved,
        audit_id=state.auditing.audit_id,
        backbone_step=_STEPS[state.tuning.step],
        backbone_rounds=[_round(each) for each in state.backbone_rounds],
        measured_accuracy=state.measured_accuracy,
        measured_images=state.measured_images,
        without=state.without,
        page_size=state.page_size,
        auto_label=state.auto_label,
    )


def _round(came: BackboneRound) -> selection_pb2.BackboneRound:
    return selection_pb2.BackboneRound(
        before=came.before,
        after=came.after,
        labels_seq=came.labels_seq,
        labels=came.labels,
        accuracy_before=came.compared.accuracy_before,
        accuracy_after=came.compared.accuracy_after,
        purity_before=came.compared.purity_before,
        purity_after=came.compared.purity_after,
        images=came.compared.images,
        promoted=came.promoted,
        reason=came.reason,
        seconds=came.seconds,
        ended_at=came.ended_at,
    )
