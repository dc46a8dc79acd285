"""The loop of a collection."""

import uuid
from collections.abc import Sequence

import grpc

from hundredfold.api.selection.v1 import selection_pb2, selection_pb2_grpc
from hundredfold.client import page_wire, wire
from hundredfold.client.types import Forecast, Loop, Page

PARTS = ("fine-tuning", "negatives", "discovery", "planting", "cleaning", "stream")
"""What can be left out of a loop, to measure what it is worth."""


class SelectionClient:
    """The selection service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = selection_pb2_grpc.SelectionServiceStub(channel)

    def start(
        self,
        collection: str,
        *,
        space: str = "",
        expected_classes: int = 0,
        page_size: int = 0,
        policy: str = "",
        seed: int = 0,
        target_accuracy: float = 0.0,
        confidence: float = 0.0,
        auto_label: bool = False,
        without: Sequence[str] = (),
        request_id: str = "",
    ) -> Loop:
        """Start the loop, or start it anew with other settings; 0 and "" mean the defaults.

        With `target_accuracy` it audits by itself and is done when so large a share of all images is
        proved to be right; with `auto_label` the head then labels the rest. `without` leaves parts of
        the loop out, see PARTS.
        """
        request = selection_pb2.StartLoopRequest(
            collection=collection,
            space=space,
            expected_classes=expected_classes,
            page_size=page_size,
            policy=policy,
            seed=seed,
            target_accuracy=target_accuracy,
            confidence=confidence,
            auto_label=auto_label,
            without=without,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.loop(self._stub.StartLoop(request).loop)

    def get(self, collection: str) -> Loop:
        """Read the loop; NotFound."""
        request = selection_pb2.GetLoopRequest(collection=collection)
        return wire.loop(self._stub.GetLoop(request).loop)

    def propose(self, collection: str, *, limit: int = 16, policy: str = "") -> list[Page]:
        """The pages a policy would show next; changes nothing."""
        request = selection_pb2.ProposePagesRequest(
            collection=collection, limit=limit, policy=policy
        )
        return list(map(page_wire.page, self._stub.ProposePages(request, timeout=30).pages))

    def forecast(self, collection: str, *, target: float = 0.95) -> Forecast:
        """What is left until a share of `target` is proved right; Conflict before there is a head."""
        request = selection_pb2.ForecastRequest(collection=collection, target=target)
        return wire.forecast(self._stub.Forecast(request, timeout=30))
