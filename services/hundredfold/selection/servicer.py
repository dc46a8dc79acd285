"""The selection service on gRPC: translate, call, translate."""

import grpc

from hundredfold.api.selection.v1 import selection_pb2, selection_pb2_grpc
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.requests import check_between
from hundredfold.chassis.server import Mount
from hundredfold.selection.loops import Loops, check_policy
from hundredfold.selection.peers import page_message
from hundredfold.selection.state import LoopState

_PROPOSALS = 16
_MOST_PROPOSALS = 256
_TARGET = 0.95


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
        found = self._loops.get(request.collection).forecast(request.target or _TARGET)
        return selection_pb2.ForecastResponse(
            expected_accuracy=found.expected_accuracy,
            seconds=found.seconds,
            pages=found.pages,
            images=found.images,
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
    )
