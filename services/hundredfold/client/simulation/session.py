"""One simulated labelling, from a cleared collection to the last target."""

import time
from collections.abc import Callable
from contextlib import suppress

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import Conflict, NotFound, Unavailable
from hundredfold.client.client import Client
from hundredfold.client.labeller import SimulatedLabeller
from hundredfold.client.patience import patiently
from hundredfold.client.simulation import measuring
from hundredfold.client.simulation.desk import Desk
from hundredfold.client.simulation.known import Known
from hundredfold.client.simulation.known_pairs import KnownPairs
from hundredfold.client.simulation.outcome import Asked, Milestone, Outcome, Point
from hundredfold.client.simulation.pace import Pace
from hundredfold.client.simulation.settings import Clock, Settings, Stop
from hundredfold.client.types import Loop, PageKind, Predictions

ACTOR_PREFIX = "simulated"

OnPoint = Callable[[Outcome], None]


def simulate(
    client: Client,
    collection: str,
    known: Known | KnownPairs,
    costs: CostModel,
    settings: Settings,
    *,
    seed: int = 0,
    on_point: OnPoint = lambda _: None,
) -> Outcome:
    """Clear what simulations labelled before, start the loop anew and label until the last target.

    Raises:
        Conflict: people have labelled the collection: simulate on one of its own. Or the loop does
            not go on (STALLED).
    """
    begun = time.monotonic()
    session = Session(
        client,
        collection=collection,
        known=known,
        labeller=known.labeller(
            costs, miss_rate=settings.miss_rate, seed=seed, at_random=settings.at_random
        ),
        settings=settings,
        seed=seed,
        on_point=on_point,
    )
    session.run()
    session.outcome.machine_seconds = time.monotonic() - begun
    return session.outcome


class Session:
    """A labeller at work; see `simulate`."""

    def __init__(
        self,
        client: Client,
        *,
        collection: str,
        known: Known | KnownPairs,
        labeller: SimulatedLabeller,
        settings: Settings,
        seed: int,
        on_point: OnPoint,
    ) -> None:
        self.outcome = Outcome(seed=seed, images=known.images, classes=known.classes)
        self._client = client
        self._collection = collection
        self._known = known
        self._labeller = labeller
        self._settings = settings
        self._on_point = on_point
        self._annotator = f"{ACTOR_PREFIX}-{seed}"
        real = settings.clock is Clock.REAL
        self._pace = Pace(settings.pace) if real else None
        ahead = settings.lag if real else 0
        self._desk = Desk(client, collection, self._annotator, settings, ahead=ahead)
        self._recent = [0]
        self._asked: list[Asked] = []
        self._seconds = 0.0
        self._actions = 0
        self._decisions = 0

    def run(self) -> None:
        """Label until the last target, or until nothing is left."""
        space = self._settings.space or self._first_space()
        cleared = patiently(
            lambda: self._client.labels.clear(
                self._collection, only_actors_with_prefix=ACTOR_PREFIX
            )
        )
        self._recent = [cleared]
        if self._settings.stop is Stop.TRUTH:
            self._until_truth(space, cleared)
        else:
            self._until_certificates(space, cleared)
        self._desk.leave()
        self._tell_the_rest(cleared)

    def _first_space(self) -> str:
        """The space in which the loop of the collection began: none that was fine-tuned since."""
        try:
            loop = self._desk.loop()
        except NotFound:
            return ""
        return loop.backbone_rounds[0].before if loop.backbone_rounds else loop.space

    # --- until when

    def _until_truth(self, space: str, cleared: int) -> None:
        self._start(space, target=0.0)
        self._desk.wait_until_seen(cleared)
        self._label(lambda _: self._is_true())
        if not self._is_true():
            self._measure()
        self._tell_crossed()

    def _is_true(self) -> bool:
        """Whether the last target is reached: measured once, since the next head may say less of it."""
        curve = self.outcome.curve
        return bool(curve) and curve[-1].accuracy >= self._settings.targets[-1]

    def _tell_crossed(self) -> None:
        for target in self._settings.targets:
            if found := measuring.crossing(self.outcome.curve, target):
                self._reached(target, "truth", 0.0, *found)

    def _until_certificates(self, space: str, cleared: int) -> None:
        for target in self._settings.targets:
            self._start(space, target=target)
            self._desk.wait_until_seen(max(cleared, self._recent[-1]))
            self._label(lambda loop: loop.phase == "DONE")
            self._measure()
            proved = self._proved(target, cleared)
            asked_all = "done" if self._known.several else "everything"
            ended = "certificate" if proved else asked_all
            self._reached(target, ended, proved, self._seconds, self._actions)
            space = self._desk.loop().space
            if proved and target != self._settings.targets[-1]:
                self._recent += self._take_back()

    def _take_back(self) -> list[int]:
        """Undo the newest certificate, or one of each class, so that their labels are no part of the work to the next target."""
        audits = patiently(lambda: list(self._client.labels.audits(self._collection)))
        newest: dict[int, int] = {}
        for each in audits:
            seq = newest.get(each.class_id, 0)
            newest[each.class_id] = max(seq, each.certificate_seq)
        return [self._undo(seq) for seq in sorted(newest.values()) if seq]

    def _undo(self, seq: int) -> int:
        request_id = f"{self._annotator}-{seq}"
        undone = patiently(
            lambda: self._client.labels.undo(
                self._collection, self._annotator, seq=seq, request_id=request_id
            )
        )
        return undone.seq

    def _proved(self, target: float, cleared: int) -> float:
        """What a certificate of this simulation proves, if that is the target: by the ledger, the truth of it.

        Where an image may be of several classes it takes one of each class: so the loop is asked.
        """
        if self._known.several:
            return self._desk.loop().proved_accuracy
        audits = patiently(lambda: list(self._client.labels.audits(self._collection)))
        bounds = [
            each.bound
            for each in audits
            if each.seq > cleared
            and each.state == "CERTIFIED"
            and each.allowed_error <= 1 - target + 1e-6
        ]
        return 1 - min(bounds) if bounds else 0.0

    def _start(self, space: str, *, target: float) -> Loop:
        settings = self._settings
        return patiently(
            lambda: self._client.selection.start(
                self._collection,
                space=space,
                expected_classes=self._known.classes,
                policy=settings.policy,
                seed=self.outcome.seed,
                target_accuracy=target,
                confidence=settings.confidence,
                auto_label=bool(target),
                without=settings.without,
            )
        )

    # --- the work

    def _label(self, enough: Callable[[Loop], bool]) -> None:
        """Answer pages until it is enough, or nothing is left."""
        while not enough(self._keep_up()):
            lease, waited = self._desk.next_lease()
            if lease is None:
                return
            answer = self._labeller.answer(lease.page)
            if self._pace:
                self._pace.waited(waited)
                self._desk.fetch_ahead()
                self._pace.act(answer.seconds)
            self._recent.append(self._desk.submit(lease, answer))
            self._seconds += answer.seconds
            self._actions += answer.actions
            self._decisions += 1
            pages = self.outcome.pages
            pages[lease.page.kind] = pages.get(lease.page.kind, 0) + 1
            if lease.page.kind is PageKind.AUDIT and lease.page.audit_id:
                self._desk.wait_until_seen(self._recent[-1])
                self._desk.wait_for_proof(lease.page.audit_id)
            if self._decisions % self._settings.check_every == 0:
                self._measure()

    def _keep_up(self) -> Loop:
        """The loop, as soon as the labeller may go on by the clock."""
        if self._pace:
            return self._desk.loop()
        if len(self._recent) > self._settings.lag:
            self._desk.wait_until_seen(self._recent[-1 - self._settings.lag])
        return self._desk.pause_for_backbone()

    # --- what is told

    def _measure(self) -> None:
        labels = patiently(lambda: self._client.labels.labels(self._collection))
        loop = self._desk.loop()
        by_people, by_model = labels.counts
        accuracy, exact = self._known.measured(labels, patiently(self._predicted))
        point = Point(
            seconds=self._seconds,
            actions=self._actions,
            decisions=self._decisions,
            labelled=by_people,
            by_model=by_model,
            accuracy=accuracy,
            exact_match=exact,
            expected_accuracy=loop.expected_accuracy,
            measured_accuracy=loop.measured_accuracy,
        )
        self.outcome.curve.append(point)
        self._ask_forecasts()
        self._on_point(self.outcome)

    def _predicted(self) -> Predictions | None:
        """What the loop's own head says; a head of an earlier simulation is not asked."""
        while model := self._client.selection.get(self._collection).model:
            # A head that newer ones have replaced meanwhile is there no more.
            with suppress(NotFound):
                return self._client.training.predictions(self._collection, model)
        return None

    def _ask_forecasts(self) -> None:
        if self._settings.stop is Stop.TRUTH:
            return  # a forecast is of the seconds until a proof
        done = {each.target for each in self.outcome.milestones}
        for target in (each for each in self._settings.targets if each not in done):
            with suppress(Conflict, Unavailable):  # there is no head yet
                said = self._client.selection.forecast(self._collection, target=target)
                self._asked.append(
                    Asked(target, self._seconds, said.seconds, said.seconds_low, said.seconds_high)
                )

    def _reached(
        self, target: float, ended: str, proved: float, seconds: float, actions: float
    ) -> None:
        outcome = self.outcome
        images, last = outcome.images, outcome.curve[-1]
        milestone = Milestone(
            target=target,
            ended=ended,
            seconds=seconds,
            speedup=measuring.speedup(images, target, seconds),
            speedup_over_good_tool=measuring.speedup(
                images, target, seconds, measuring.GOOD_TOOL_SECONDS
            ),
            actions=actions,
            decisions=self._decisions,
            labelled=last.labelled,
            accuracy=target if ended == "truth" else last.accuracy,
            exact_match=measuring.at(outcome.curve, seconds).exact_match,
            proved_accuracy=proved,
            waiting_seconds=self._desk.waited,
            backbone_seconds=self._desk.paused,
            pages=dict(outcome.pages),
            rates=measuring.rates(outcome.curve, seconds),
        )
        outcome.milestones.append(milestone)
        outcome.checkpoints.extend(measuring.checkpoints(self._asked, target, seconds))

    def _tell_the_rest(self, cleared: int) -> None:
        labels, outcome = self._client.labels, self.outcome
        # A loop keeps what earlier simulations tried.
        outcome.backbone_rounds = [
            each for each in self._desk.loop().backbone_rounds if each.labels_seq > cleared
        ]
        outcome.waiting_seconds = self._desk.waited
        outcome.backbone_seconds = self._desk.paused
        outcome.audits = [
            each
            for each in patiently(lambda: list(labels.audits(self._collection)))
            if each.seq > cleared
        ]
        everybody = patiently(lambda: list(labels.annotators(self._collection)))
        outcome.annotator = next((each for each in everybody if each.name == self._annotator), None)
