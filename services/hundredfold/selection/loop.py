"""One loop: a thread that follows the ledger and keeps the queue filled.

    listen -> settle -> see (labels, head, guesses) -> pages -> offer -> keep the place -> listen ...

It goes round when there is a newer event, when it is started anew, when the queue ran dry (a lost Redis),
when vectors came and when a better space is ready. When a service is away it tries again, ever more
slowly; what it has done so far stays. Nothing is lost by killing it: the ledger is the truth, and the
place is kept after the offer. Beside it `backbones` looks for better spaces; the switch to one is a round
like every other that is made in the new space.
"""

import logging
import threading
import uuid
from dataclasses import replace
from typing import Any

import numpy as np

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import Aborted, Conflict, NotFound, ServiceError, Unavailable
from hundredfold.selection.audits import Audits
from hundredfold.selection.backbone_rounds import ended, needless
from hundredfold.selection.backbones import Backbones, View
from hundredfold.selection.config import SelectionConfig
from hundredfold.selection.domain import refining, rounds
from hundredfold.selection.domain.forecast import Forecast
from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.policies import POLICIES, Asked
from hundredfold.selection.domain.rounds import Phase
from hundredfold.selection.ear import Ear
from hundredfold.selection.outlook import Outlook
from hundredfold.selection.peers import Peers
from hundredfold.selection.place import Place
from hundredfold.selection.seen import Seen, Sight
from hundredfold.selection.state import LoopState, Step, carried
from hundredfold.selection.store import SelectionStore

_FIRST_WAIT = 0.1
_FEW_PAGES = 4
_DONE_CHECKS_LESS = 10
_LEAST_MEASURED = 20
_log = logging.getLogger("hundredfold.selection.loop")


class Loop:
    """The loop of one collection. Its methods are safe for threads.

    Args:
        state: where it stands.
        store: of loops and artifacts.
        peers: other services.
        costs: of a person's actions.
        config: settings.
        rules: when a better backbone is tried.
    """

    def __init__(
        self,
        state: LoopState,
        store: SelectionStore,
        peers: Peers,
        costs: CostModel,
        config: SelectionConfig,
        *,
        rules: refining.Rules,
    ) -> None:
        self._place = Place(state, store)
        self._store = store
        self._peers = peers
        self._costs = costs
        self._config = config
        self._changed = self._place.changed
        self._due = True
        self._heard = 0
        self._offered = 0
        self._trouble = ""
        self._seen: Seen | None = None
        self._audits = Audits(self._place, peers.ledger, costs)
        self._outlook = Outlook(self._audits, peers.ledger, costs)
        self._sight = Sight(self._place, store, peers)
        # Makes the ids of this process's pages differ from those of one that was killed.
        self._nonce = uuid.uuid4().hex[:8]
        self._thread = threading.Thread(
            target=self._run, name=f"loop-{state.collection}", daemon=True
        )
        self._ear = Ear(
            peers.ledger,
            state.collection,
            after=self._newest,
            hear=self._hear,
            most_wait=config.most_wait_seconds,
        )
        self._backbones = Backbones(
            self._place,
            store,
            peers,
            self._view,
            rules=rules,
            poll_seconds=config.check_seconds,
            most_wait=config.most_wait_seconds,
        )

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()
        self._ear.start()
        self._backbones.start()

    def stop(self) -> None:
        """Ask it to end; it does so at the latest when its call of another service ends."""
        self._place.stop()
        self._ear.stop()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()
        self._ear.join()
        self._backbones.join()

    def place(self) -> tuple[LoopState, str]:
        """Where it stands, and what keeps it from going on (empty when nothing does)."""
        with self._changed:
            return self._place.now, self._trouble

    def restart(self, state: LoopState) -> None:
        """Go on with other settings; `rounds` goes on counting."""
        with self._changed:
            self._place.restart(lambda before: carried(state, before))
            self._seen = None
            self._due = True

    def propose(self, limit: int, policy: str) -> tuple[list[Draft], str]:
        """The pages that a policy (empty = the loop's) would show next, and the head they are from.

        Raises:
            Unavailable: no round was made since the start.
        """
        state, seen = self._last()
        chosen = POLICIES[policy or state.policy]
        made = rounds.compose(seen.standing, chosen, self._asked(state, limit))
        pages = sorted(made.pages, key=lambda page: -page.score)[:limit]
        return pages, seen.standing.pool.model

    def forecast(self, target: float) -> Forecast:
        """The work until a target (0 = the loop's, or 0.95), at the pace of the people so far.

        Where the loop has a target that is proved, with the audits that it takes.

        Raises:
            Conflict: NO_HEAD; SEEDING, clusters wait to be named.
            Unavailable: no round was made since the start, or the ledger is away.
        """
        state, seen = self._last()
        return self._outlook.forecast(state, seen, target)

    def _last(self) -> tuple[LoopState, Seen]:
        with self._changed:
            if self._seen is None:
                why = self._trouble or "it is being prepared"
                raise Unavailable(f"the loop has no pages yet: {why}", reason="LOOP_PREPARING")
            return self._place.now, self._seen

    def _view(self) -> View | None:
        with self._changed:
            state, seen = self._place.now, self._seen
        if seen is None:
            return None

        def work() -> tuple[float, float]:
            return self._outlook.seconds(state, seen)

        standing = seen.standing
        return View(seen.seq, seen.people, standing.total, standing.early, seen.waiting, work)

    def _asked(self, state: LoopState, limit: int) -> Asked:
        random = np.random.default_rng([abs(state.seed), state.rounds])
        return Asked(limit, state.page_size, self._costs, random)

    # --- going round ----------------------------------------------------------------------------

    def _hear(self, head_seq: int) -> None:
        with self._changed:
            self._heard = max(self._heard, head_seq)
            self._changed.notify_all()

    def _newest(self) -> int:
        with self._changed:
            return max(self._heard, self._place.now.seen_seq)

    def _run(self) -> None:
        wait = _FIRST_WAIT
        while not self._place.ended:
            try:
                if self._wait_until_due():
                    self._round()
                wait = _FIRST_WAIT
                self._say("")
            except ServiceError as error:
                self._try_again(error, wait)
                wait = min(2 * wait, self._config.most_wait_seconds)
            except Exception:  # noqa: BLE001  # a loop that ends for good would stop people's work
                if not self._place.ended:
                    _log.exception("the loop of %s", self._place.now.collection)
                self._try_again(Unavailable("internal error, see the log"), wait)
                wait = self._config.most_wait_seconds

    def _wait_until_due(self) -> bool:
        """Wait for a reason to go round; False when it is only time to wait again."""
        with self._changed:
            pause = self._config.check_seconds
            if self._place.now.phase is Phase.DONE:
                pause *= _DONE_CHECKS_LESS
            self._changed.wait_for(self._is_due, pause)
            if self._place.ended:
                return False
            if self._is_due():
                # People often answer in bursts, as do programs.
                self._place.sleep(self._config.settle_seconds)
                return True
        return self._must_refill()

    def _is_due(self) -> bool:
        state = self._place.now
        switch = state.tuning.step is Step.SWITCHING
        return self._place.ended or self._due or switch or self._heard > state.seen_seq

    def _must_refill(self) -> bool:
        """Whether the queue ran dry, the ledger is another one, vectors came or classes got children."""
        state = self._place.now
        progress = self._peers.ledger.progress(state.collection)
        dry = progress.ready_pages < min(_FEW_PAGES, self._offered)
        return dry or progress.head_seq != state.seen_seq or self._is_old(state)

    def _is_old(self, state: LoopState) -> bool:
        """Whether there is other than events that the last round did not see."""
        return self._sight.is_old(state)

    def _round(self) -> None:
        with self._changed:
            self._due = False
        self._audits.settle()
        state = self._place.now
        moved = self._moved(state)
        try:
            self._go_round(state, moved or state)
        except (NotFound, Conflict) as error:
            if moved is None:
                raise
            why = f"the switch failed: {error.message}"
            self._place.change(state, **ended(state, state.tuning, why))

    def _moved(self, state: LoopState) -> LoopState | None:
        """The state in the better space that is ready; None when none is, or it is complete no more."""
        tuning = state.tuning
        if tuning.step is not Step.SWITCHING or needless(state):
            return None
        there = self._store.rows(state.collection, tuning.after)
        missing = int((~np.isin(self._store.rows(state.collection, state.space), there)).sum())
        if missing:
            back = replace(tuning, step=Step.EMBEDDING, run="", calls=tuning.calls + 1)
            self._place.change(state, tuning=replace(back, missing=missing))
            return None
        # There are regions of the new space; what they are people have said.
        return replace(state, space=tuning.after, clusters=tuning.clusters, seeded=True)

    def _go_round(self, state: LoopState, view: LoopState) -> None:
        """A round in the space of `view`, which is not that of `state` when the loop moves there."""
        seen = self._sight.see(state, view)
        if not seen.known.people:
            self._audits.forget()
        proved = self._audits.proved(seen.known)
        settled = proved or view is not state or not self._wants_audit(state, seen)
        if not settled and self._audits.start(seen.known):
            with self._changed:
                self._due = True  # its images are to be left out
            return
        asked = self._asked(state, self._config.offer_pages)
        made = rounds.compose(seen.standing, POLICIES[state.policy], asked)
        pages = [] if proved else made.pages
        phase = Phase.DONE if proved else made.phase
        # While clusters wait to be named an audit is of one of them, which somebody asked for.
        if not proved and seen.known.asked and phase is not Phase.SEED:
            phase = Phase.AUDIT
        measured = seen.known.checked
        enough = measured.images >= _LEAST_MEASURED
        fields: dict[str, Any] = {
            "phase": phase,
            "discovery": made.discovery,
            "model": seen.known.pool.model,
            "seen_seq": seen.seq,
            "cleared_seq": state.cleared_seq if seen.known.people else seen.seq,
            "total": seen.known.total,
            "labelled": seen.known.people + seen.known.machine,
            "rounds": state.rounds + 1,
            "expected_accuracy": self._outlook.accuracy(seen, made.phase),
            "measured_images": measured.images,
            "measured_accuracy": 1 - measured.wrong / measured.images if enough else 0.0,
            "seeded": view.seeded and bool(seen.known.pool.model or not len(seen.known.pool)),
        }
        if view is not state:
            fields |= {"space": view.space, "clusters": view.clusters}
            fields |= ended(state, state.tuning, "", promoted=True)
        self._offer(state, fields, pages, seen)
        if view is not state:
            _log.info("%s moves to %s: %s", state.collection, view.space, state.tuning.compared)

    def _wants_audit(self, state: LoopState, seen: Seen) -> bool:
        """Whether an audit is to be thought of; one of somebody else's is left to him."""
        return bool(
            state.target_accuracy
            and seen.known.pool.model
            and state.phase not in (Phase.PREPARING, Phase.SEED)
            and not seen.known.asked
        )

    def _offer(
        self, before: LoopState, fields: dict[str, Any], pages: list[Draft], seen: Seen
    ) -> None:
        """Fill the queue and keep the place, unless the loop was started anew meanwhile."""
        self._fill(before, fields["rounds"], pages, seen.standing.pool.model, seen.known.total)
        rows = np.concatenate([seen.waiting, *(page.rows for page in pages)])
        with self._changed:
            self._place.change(before, **fields)
            self._seen, self._offered = replace(seen, waiting=rows), len(pages)
            self._trouble = ""
        self._backbones.consider()

    def _fill(
        self, before: LoopState, number: int, pages: list[Draft], model: str, images: int
    ) -> None:
        """Let the queue hold the pages of a round."""
        named = [(f"{number}-{self._nonce}-{place}", page) for place, page in enumerate(pages)]
        self._place.check(before)
        self._peers.ledger.offer(before.collection, named, model, images)

    # --- waiting --------------------------------------------------------------------------------

    def _try_again(self, error: ServiceError, seconds: float) -> None:
        if isinstance(error, Aborted):
            seconds = min(seconds, _FIRST_WAIT)
        else:
            peer = error.metadata.get("peer", "")
            said = f"{error.code}: {error.message}"
            self._say(f"{peer}: {said}" if peer else said)
        with self._changed:
            self._due = True
        self._place.sleep(seconds)

    def _say(self, trouble: str) -> None:
        with self._changed:
            if trouble and trouble != self._trouble:
                _log.warning("%s: %s", self._place.now.collection, trouble)
            self._trouble = trouble
