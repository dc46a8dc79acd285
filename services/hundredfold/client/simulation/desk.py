"""Where a labeller sits: pages come in, answers go out, and somebody counts what he waits for."""

import time
from collections import deque
from collections.abc import Callable

from hundredfold.chassis.errors import Conflict
from hundredfold.client.client import Client
from hundredfold.client.labeller import Answer
from hundredfold.client.patience import patiently
from hundredfold.client.simulation.settings import Settings
from hundredfold.client.types import Lease, Loop

_LEASE_SECONDS = 30
_AHEAD_LEASE_SECONDS = 600
_PROOF_SECONDS = 3.0
_PROVING = ("PASSED", "CERTIFIED")
_AT_REST = ("IDLE", "UNSPECIFIED")


class Desk:
    """The labeller's calls to the services, each of which outlasts a restart of them.

    Args:
        client: to the services.
        collection: what is labelled.
        annotator: under which name.
        ahead: pages that are leased before they are needed.
    """

    def __init__(
        self, client: Client, collection: str, annotator: str, settings: Settings, *, ahead: int
    ) -> None:
        self._client = client
        self._collection = collection
        self._annotator = annotator
        self._settings = settings
        self._ahead = ahead
        self._held: deque[Lease] = deque()
        self.waited = 0.0
        self.paused = 0.0

    def loop(self) -> Loop:
        """The loop as it is now."""
        return patiently(lambda: self._client.selection.get(self._collection))

    def next_lease(self) -> tuple[Lease | None, float]:
        """The next page (None when the work is done), and the seconds that it was waited for."""
        begun = time.monotonic()
        while not self._held:
            self._held.extend(patiently(self._lease))
            if self._held:
                break
            loop = self.loop()
            if loop.phase == "DONE":
                return None, 0.0
            self._give_up_after(self._settings.stall_seconds, begun, f"no page: {loop.trouble}")
            time.sleep(0.05)
        waited = time.monotonic() - begun
        self.waited += waited
        return self._held.popleft(), waited

    def _lease(self) -> list[Lease]:
        # A lease whose answer got lost in a restart ends soon enough not to stall the loop.
        seconds = _AHEAD_LEASE_SECONDS if self._ahead else _LEASE_SECONDS
        return self._client.labels.lease(
            self._collection, self._annotator, limit=self._ahead + 1, ttl_seconds=seconds
        )

    def fetch_ahead(self) -> None:
        """Lease what is needed soon, as the UI does; pages that are not there yet come later."""
        if self._ahead and len(self._held) < self._ahead:
            self._held.extend(
                patiently(
                    lambda: self._client.labels.lease(
                        self._collection,
                        self._annotator,
                        limit=self._ahead - len(self._held),
                        ttl_seconds=_AHEAD_LEASE_SECONDS,
                    )
                )
            )

    def submit(self, lease: Lease, answer: Answer) -> int:
        """Answer a page; the seq of the decision."""
        return patiently(
            lambda: self._client.labels.submit(
                self._collection,
                lease.token,
                answer.judgements,
                seconds=answer.seconds,
                request_id=f"{lease.token}-{self._annotator}",
            )
        )

    def leave(self) -> None:
        """Give back what is not answered."""
        tokens = [self._held.popleft().token for _ in range(len(self._held))]
        if tokens:
            patiently(lambda: self._client.labels.release(self._collection, tokens))

    def wait_until_seen(self, seq: int) -> Loop:
        """The loop, as soon as its queue takes an event into account."""
        begun = time.monotonic()
        loop = self._wait(lambda loop: loop.seen_seq >= seq, self._settings.stall_seconds, 0.02)
        self.waited += time.monotonic() - begun
        return loop

    def wait_for_proof(self, audit_id: str) -> None:
        """Wait a moment for the certificate of an audit that has passed: nothing else is needed then."""
        begun = time.monotonic()
        while time.monotonic() - begun < _PROOF_SECONDS:
            audit = patiently(lambda: self._client.labels.audit(self._collection, audit_id))
            loop = self.loop()
            of_class = (
                audit.class_id and audit.state == "CERTIFIED"
            )  # others are still to be proved
            if audit.state not in _PROVING or of_class:
                break
            if loop.phase == "DONE" or loop.proved_accuracy:
                break
            time.sleep(0.05)
        self.waited += time.monotonic() - begun

    def pause_for_backbone(self) -> Loop:
        """The loop, as soon as no backbone is in the making."""
        begun = time.monotonic()
        loop = self.loop()
        if loop.backbone_step not in _AT_REST:
            loop = self._wait(
                lambda loop: loop.backbone_step in _AT_REST, self._settings.backbone_seconds, 0.25
            )
            self.paused += time.monotonic() - begun
        return loop

    def _wait(self, enough: Callable[[Loop], bool], seconds: float, pause: float) -> Loop:
        begun = time.monotonic()
        while not enough(loop := self.loop()):
            words = loop.trouble or f"{loop.phase}, {loop.backbone_step}"
            self._give_up_after(seconds, begun, f"the loop does not go on: {words}")
            time.sleep(pause)
        return loop

    def _give_up_after(self, seconds: float, begun: float, why: str) -> None:
        if time.monotonic() - begun > seconds:
            raise Conflict(f"{why} (for {seconds:.0f} s)", reason="STALLED")
