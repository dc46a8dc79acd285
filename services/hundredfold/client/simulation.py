"""Label a collection with a simulated labeller through the real services, and measure it.

The labeller is an ordinary client: it leases real pages and submits real decisions. Its seconds are
those of the cost model, never those of the machine; the machine's are given beside them.

Accuracy is that of the complete labelling: each image has the label people gave it (or its
representative), else what the head in use predicts; an image that has neither counts as wrong.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound
from hundredfold.client.client import Client
from hundredfold.client.labeller import SimulatedLabeller
from hundredfold.client.patience import patiently
from hundredfold.client.truth import match
from hundredfold.client.types import Labels, Lease

ACTOR_PREFIX = "simulated"
ONE_BY_ONE_SECONDS = 3.0
"""An image, labelling one by one."""
GOOD_TOOL_SECONDS = 2.4
"""An image, in a good single-image tool by the keystroke-level model."""


@dataclass(frozen=True)
class Settings:
    """What to simulate.

    Attributes:
        target: the accuracy at which the clock is read.
        policy: the way pages are chosen; empty = the default.
        miss_rate: the share of odd images that is overlooked.
        lag: decisions the queue may be behind: the UI fetches pages ahead.
        check_every: decisions between two points of the curve.
        stall_seconds: give up after so long without a page.
    """

    target: float = 0.95
    policy: str = ""
    miss_rate: float = 0.0
    lag: int = 3
    check_every: int = 4
    stall_seconds: float = 120.0


@dataclass(frozen=True)
class Point:
    """A point of the curve."""

    seconds: float
    actions: int
    decisions: int
    labelled: int
    accuracy: float


@dataclass
class Outcome:
    """What one simulated labelling took.

    Attributes:
        seconds: human seconds until the target, interpolated between points; 0 = not reached.
        speedup: times faster than one by one at 3 s an image: 3 x images x target / seconds.
        speedup_over_good_tool: the same at 2.4 s an image.
        actions: keys, clicks and drags until then.
        waiting_seconds: machine seconds the labeller waited for pages; not in `seconds`.
    """

    seed: int
    images: int
    classes: int
    reached: bool = False
    seconds: float = 0.0
    actions: float = 0.0
    speedup: float = 0.0
    speedup_over_good_tool: float = 0.0
    waiting_seconds: float = 0.0
    pages: dict[str, int] = field(default_factory=dict)
    curve: list[Point] = field(default_factory=list)


@dataclass(frozen=True)
class Known:
    """The truth of a collection as class ids: int32 [N], 0 = none; `representative` int64 [N]."""

    truth: NDArray[np.int32]
    representative: NDArray[np.int64]
    classes: int


OnPoint = Callable[[Outcome], None]


def prepare(client: Client, collection: str, truth: dict[str, str]) -> Known:
    """Match the truth with the collection and name its classes in the schema.

    Raises:
        InvalidArgument: the truth knows none of the images.
    """
    images = list(client.catalog.images(collection))
    labels = match(truth, (image for image in images if not image.error))
    if not labels:
        raise InvalidArgument(f"the truth knows no image of {collection}", field="truth")
    ids = client.catalog.add_classes(collection, sorted(set(labels.values()))).by_name()
    known = np.zeros(len(images), np.int32)
    for row, label in labels.items():
        known[row] = ids[label]
    return Known(
        known, _representatives(client, collection, len(images)), len(set(labels.values()))
    )


def _representatives(client: Client, collection: str, count: int) -> NDArray[np.int64]:
    representative = np.arange(count)
    try:
        for group in client.hashing.groups(collection):
            representative[group.copies] = group.representative
    except NotFound:
        pass  # copies were not looked for
    return representative


def simulate(
    client: Client,
    collection: str,
    known: Known,
    costs: CostModel,
    settings: Settings,
    *,
    seed: int = 0,
    on_point: OnPoint = lambda _: None,
) -> Outcome:
    """Clear what simulations labelled before, start the loop anew and label until the target.

    Raises:
        Conflict: people have labelled the collection: simulate on one of its own.
    """
    cleared = patiently(
        lambda: client.labels.clear(collection, only_actors_with_prefix=ACTOR_PREFIX)
    )
    patiently(
        lambda: client.selection.start(
            collection, expected_classes=known.classes, policy=settings.policy, seed=seed
        )
    )
    labeller = SimulatedLabeller(known.truth, costs, miss_rate=settings.miss_rate, seed=seed)
    outcome = Outcome(seed=seed, images=int((known.truth > 0).sum()), classes=known.classes)
    _Session(
        client,
        collection=collection,
        known=known,
        labeller=labeller,
        settings=settings,
        outcome=outcome,
    ).run(cleared, on_point)
    return outcome


class _Session:
    def __init__(
        self,
        client: Client,
        *,
        collection: str,
        known: Known,
        labeller: SimulatedLabeller,
        settings: Settings,
        outcome: Outcome,
    ) -> None:
        self._client = client
        self._collection = collection
        self._known = known
        self._labeller = labeller
        self._settings = settings
        self._outcome = outcome
        self._annotator = f"{ACTOR_PREFIX}-{outcome.seed}"
        self._seconds = 0.0
        self._actions = 0
        self._decisions = 0

    def run(self, cleared: int, on_point: OnPoint) -> None:
        self._wait_until_seen(cleared)
        recent = [cleared]
        while lease := self._next_lease():
            recent.append(self._answer(lease))
            if self._decisions % self._settings.check_every == 0:
                self._measure()
                on_point(self._outcome)
                if self._outcome.reached:
                    return
            if len(recent) > self._settings.lag:
                self._wait_until_seen(recent[-1 - self._settings.lag])
        self._measure()
        on_point(self._outcome)

    def _next_lease(self) -> Lease | None:
        """The next page, or None when the work is done."""
        begun = time.monotonic()
        while True:
            leases = patiently(self._lease)
            if leases:
                self._outcome.waiting_seconds += time.monotonic() - begun
                return leases[0]
            loop = patiently(lambda: self._client.selection.get(self._collection))
            if loop.phase == "DONE":
                return None
            if time.monotonic() - begun > self._settings.stall_seconds:
                raise Conflict(f"no page for {self._settings.stall_seconds:.0f} s: {loop.trouble}")
            time.sleep(0.05)

    def _lease(self) -> list[Lease]:
        # A lease whose answer got lost in a restart ends soon enough not to stall the loop.
        return self._client.labels.lease(self._collection, self._annotator, ttl_seconds=30)

    def _answer(self, lease: Lease) -> int:
        answer = self._labeller.answer(lease.page)
        self._seconds += answer.seconds
        self._actions += answer.actions
        self._decisions += 1
        pages = self._outcome.pages
        pages[lease.page.kind] = pages.get(lease.page.kind, 0) + 1
        request_id = f"{lease.token}-{self._annotator}"
        return patiently(
            lambda: self._client.labels.submit(
                self._collection,
                lease.token,
                answer.judgements,
                seconds=answer.seconds,
                request_id=request_id,
            )
        )

    def _wait_until_seen(self, seq: int) -> None:
        begun = time.monotonic()
        while True:
            loop = patiently(lambda: self._client.selection.get(self._collection))
            if loop.seen_seq >= seq:
                break
            if time.monotonic() - begun > self._settings.stall_seconds:
                raise Conflict(f"the loop does not go on: {loop.trouble or 'it says nothing'}")
            time.sleep(0.02)
        self._outcome.waiting_seconds += time.monotonic() - begun

    def _measure(self) -> None:
        labels = patiently(lambda: self._client.labels.labels(self._collection))
        accuracy = self._accuracy(labels)
        point = Point(self._seconds, self._actions, self._decisions, len(labels.rows), accuracy)
        outcome = self._outcome
        before = outcome.curve[-1] if outcome.curve else Point(0.0, 0, 0, 0, 0.0)
        outcome.curve.append(point)
        if accuracy >= self._settings.target and not outcome.reached:
            share = (self._settings.target - before.accuracy) / (accuracy - before.accuracy)
            outcome.reached = True
            outcome.seconds = before.seconds + share * (point.seconds - before.seconds)
            outcome.actions = before.actions + share * (point.actions - before.actions)
            base = outcome.images * self._settings.target / outcome.seconds
            outcome.speedup = base * ONE_BY_ONE_SECONDS
            outcome.speedup_over_good_tool = base * GOOD_TOOL_SECONDS

    def _accuracy(self, labels: Labels) -> float:
        guess = np.zeros(len(self._known.truth), np.int32)
        rows, class_ids = patiently(self._predicted)
        guess[rows] = class_ids
        guess[labels.rows] = labels.class_ids
        guess = guess[self._known.representative]
        asked = self._known.truth > 0
        return float((guess == self._known.truth)[asked].mean())

    def _predicted(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """What the loop's own head says; a head of an earlier simulation is not asked."""
        while model := self._client.selection.get(self._collection).model:
            # A head that newer ones have replaced meanwhile is there no more.
            with suppress(NotFound):
                found = self._client.training.predictions(self._collection, model)
                return found.rows, found.class_ids
        return np.empty(0, np.int64), np.empty(0, np.int32)
