"""One loop: a thread that follows the ledger and keeps the queue filled.

    listen -> settle -> labels -> head -> guesses -> pages -> offer -> keep the place -> listen ...

It goes round when there is a newer event, when it is started anew, when the queue ran dry (a lost Redis)
and when vectors came. When a service is away it tries again, ever more slowly; what it has done so far
stays. Nothing is lost by killing it: the ledger is the truth, and the place is kept after the offer.
"""

import logging
import threading
import uuid
from dataclasses import dataclass, replace

import numpy as np

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import Aborted, Conflict, NotFound, ServiceError, Unavailable
from hundredfold.selection.config import SelectionConfig
from hundredfold.selection.domain import clusters as seeding
from hundredfold.selection.domain import forecast, rounds
from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.page import Draft
from hundredfold.selection.domain.policies import POLICIES, Asked
from hundredfold.selection.domain.pool import Guesses, Said, open_pool
from hundredfold.selection.domain.rounds import Phase, Standing
from hundredfold.selection.ear import Ear
from hundredfold.selection.peers import Peers
from hundredfold.selection.state import LoopState
from hundredfold.selection.store import SelectionStore, Vectors

_FIRST_WAIT = 0.1
_POLL_SECONDS = 0.2
_FEW_PAGES = 4
_DONE_CHECKS_LESS = 10
_PACE_EVENTS = 200
_log = logging.getLogger("hundredfold.selection.loop")


@dataclass(frozen=True)
class Seen:
    """What the last round was made from."""

    standing: Standing
    labelled: int
    total: int


class Loop:
    """The loop of one collection. Its methods are safe for threads.

    Args:
        state: where it stands.
        store: of loops and artifacts.
        peers: other services.
        costs: of a person's actions.
        config: settings.
    """

    def __init__(
        self,
        state: LoopState,
        store: SelectionStore,
        peers: Peers,
        costs: CostModel,
        config: SelectionConfig,
    ) -> None:
        self._state = state
        self._store = store
        self._peers = peers
        self._costs = costs
        self._config = config
        self._changed = threading.Condition()
        self._stopping = False
        self._due = True
        self._heard = 0
        self._offered = 0
        self._trouble = ""
        self._seen: Seen | None = None
        self._clusters: Clusters | None = None
        self._vectors: Vectors | None = None
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

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()
        self._ear.start()

    def stop(self) -> None:
        """Ask it to end; it does so at the latest when its call of another service ends."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._ear.stop()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()
        self._ear.join()

    def place(self) -> tuple[LoopState, str]:
        """Where it stands, and what keeps it from going on (empty when nothing does)."""
        with self._changed:
            return self._state, self._trouble

    def restart(self, state: LoopState) -> None:
        """Go on with other settings; `rounds` goes on counting."""
        with self._changed:
            self._state = replace(state, rounds=self._state.rounds)
            self._store.save(self._state)
            self._seen = None
            self._due = True
            self._changed.notify_all()

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

    def forecast(self, target: float) -> forecast.Forecast:
        """The work until a target, at the pace of the people so far.

        Raises:
            Conflict: NO_HEAD; SEEDING, clusters wait to be named.
            Unavailable: no round was made since the start, or the ledger is away.
        """
        state, seen = self._last()
        if not seen.standing.pool.model and len(seen.standing.pool):
            raise Conflict(f"{state.collection} has no head yet", reason="NO_HEAD")
        if state.phase is Phase.SEED:
            # A head that knows one class of ten is sure of everything.
            raise Conflict("clusters wait to be named; ask again after them", reason="SEEDING")
        found = forecast.forecast(
            seen.standing.pool,
            seen.labelled,
            seen.total,
            target=target,
            page_size=state.page_size,
            costs=self._costs,
        )
        after = max(0, state.seen_seq - _PACE_EVENTS)
        answered = self._peers.ledger.answered(state.collection, after)
        pace = forecast.pace(answered, self._costs)
        return replace(found, seconds=found.seconds * pace)

    def _last(self) -> tuple[LoopState, Seen]:
        with self._changed:
            if self._seen is None:
                why = self._trouble or "it is being prepared"
                raise Unavailable(f"the loop has no pages yet: {why}", reason="LOOP_PREPARING")
            return self._state, self._seen

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
            return max(self._heard, self._state.seen_seq)

    def _run(self) -> None:
        wait = _FIRST_WAIT
        while not self._ended():
            try:
                if self._wait_until_due():
                    self._round()
                wait = _FIRST_WAIT
                self._say("")
            except ServiceError as error:
                self._try_again(error, wait)
                wait = min(2 * wait, self._config.most_wait_seconds)
            except Exception:  # noqa: BLE001  # a loop that ends for good would stop people's work
                if not self._ended():
                    _log.exception("the loop of %s", self._state.collection)
                self._try_again(Unavailable("internal error, see the log"), wait)
                wait = self._config.most_wait_seconds

    def _wait_until_due(self) -> bool:
        """Wait for a reason to go round; False when it is only time to wait again."""
        with self._changed:
            pause = self._config.check_seconds
            if self._state.phase is Phase.DONE:
                pause *= _DONE_CHECKS_LESS
            self._changed.wait_for(self._is_due, pause)
            if self._stopping:
                return False
            if self._is_due():
                # People often answer in bursts, as do programs.
                self._changed.wait_for(lambda: self._stopping, self._config.settle_seconds)
                return True
        return self._must_refill()

    def _is_due(self) -> bool:
        return self._stopping or self._due or self._heard > self._state.seen_seq

    def _must_refill(self) -> bool:
        """Whether the queue ran dry, the ledger is another one, or vectors came."""
        state = self._state
        progress = self._peers.ledger.progress(state.collection)
        dry = progress.ready_pages < min(_FEW_PAGES, self._offered)
        version = self._store.vectors_version(state.collection, state.space)
        grown = self._vectors is not None and version != self._vectors.version
        return dry or grown or progress.head_seq != state.seen_seq

    def _round(self) -> None:
        with self._changed:
            state = self._state
            self._due = False
        vectors = self._read_vectors(state)
        clusters, state = self._seed_clusters(state, len(vectors.rows))
        seq, said = self._peers.ledger.said(state.collection)
        guesses = self._guesses(state, seq, said)
        pool = open_pool(vectors.rows, said, vectors.of, guesses)
        labels = said.labels.within(vectors.rows)
        standing = Standing(pool, labels, clusters, state.discovery)
        asked = self._asked(state, self._config.offer_pages)
        made = rounds.compose(standing, POLICIES[state.policy], asked)
        labelled = len(labels.rows)
        after = replace(
            state,
            phase=made.phase,
            discovery=made.discovery,
            model=pool.model,
            seen_seq=seq,
            total=len(vectors.rows),
            labelled=labelled,
            rounds=state.rounds + 1,
            expected_accuracy=(
                0.0
                if made.phase is Phase.SEED
                else forecast.expected_accuracy(pool, labelled, len(vectors.rows))
            ),
        )
        self._offer(state, after, made.pages, Seen(standing, labelled, len(vectors.rows)))

    def _offer(self, before: LoopState, after: LoopState, pages: list[Draft], seen: Seen) -> None:
        """Fill the queue and keep the place, unless the loop was started anew meanwhile."""
        named = [
            (f"{after.rounds}-{self._nonce}-{number}", page) for number, page in enumerate(pages)
        ]
        if self._superseded(before):
            return
        self._peers.ledger.offer(after.collection, named, after.model, after.total)
        with self._changed:
            if self._superseded(before):
                return
            self._store.save(after)
            self._state, self._seen, self._offered = after, seen, len(named)
            self._trouble = ""

    def _superseded(self, before: LoopState) -> bool:
        return self._state.request_id != before.request_id

    def _read_vectors(self, state: LoopState) -> Vectors:
        version = self._store.vectors_version(state.collection, state.space)
        known = self._vectors
        if known is None or known.version != version or known.space != state.space:
            known = self._vectors = self._store.vectors(state.collection, state.space)
        return known

    def _guesses(self, state: LoopState, seq: int, said: Said) -> Guesses | None:
        """What a head that knows these labels says; None before there is one."""
        if not len(said.labels.rows):
            return None
        try:
            model = self._peers.trainer.fit(state.collection, state.space, seq)
        except Conflict as error:
            if error.reason == "NO_LABELS":
                return None
            raise
        return self._store.guesses(state.collection, model)

    # --- clusters -------------------------------------------------------------------------------

    def _seed_clusters(self, state: LoopState, images: int) -> tuple[Clusters, LoopState]:
        """The clusters of the seed; waits until they are made."""
        known = self._clusters
        if known is not None and known.run == state.clusters:
            return known, state
        try:
            if not state.clusters:
                state = self._find_clusters(state, images)
            self._clusters = self._store.clusters(state.collection, state.clusters)
        except NotFound as error:
            # Old clusterings are dropped by the index service.
            self._keep(replace(state, clusters="", clustering="", attempts=state.attempts + 1))
            raise Aborted("the clusters are there no more; looking for others") from error
        return self._clusters, state

    def _find_clusters(self, state: LoopState, images: int) -> LoopState:
        run, space, count = self._store.latest_clusters(state.collection)
        wanted = self._clusters_wanted(state, images)
        if run and space == state.space and wanted in (0, count):
            return self._keep(replace(state, clusters=run, clustering=""))
        if not state.clustering:
            key = f"{state.attempts}-{self._store.vectors_version(state.collection, state.space)}"
            asked = self._peers.indexer.cluster(
                state.collection, state.space, wanted, state.seed, key
            )
            state = self._keep(replace(state, clustering=asked, phase=Phase.PREPARING))
        return self._await_clusters(state)

    def _clusters_wanted(self, state: LoopState, images: int) -> int:
        """How many clusters to seed with; 0 = whatever the index service takes for right."""
        expected = state.expected_classes
        if not expected:
            in_schema = self._store.schema_classes(state.collection)
            expected = in_schema if in_schema > 1 else 0
        return seeding.wanted(expected, images) if expected else 0

    def _await_clusters(self, state: LoopState) -> LoopState:
        while True:
            try:
                run = self._peers.indexer.clustering(state.clustering)
            except NotFound:
                self._keep(replace(state, clustering="", attempts=state.attempts + 1))
                raise
            if run.clusters:
                return self._keep(replace(state, clusters=run.clusters, clustering=""))
            if run.ended:
                self._keep(replace(state, clustering="", attempts=state.attempts + 1))
                raise Unavailable(f"clustering failed: {run.error}", metadata={"peer": "index"})
            self._sleep(_POLL_SECONDS)
            if self._ended() or self._superseded(state):
                raise Aborted("the loop was started anew or ends")

    def _keep(self, state: LoopState) -> LoopState:
        with self._changed:
            if not self._superseded(state):
                self._store.save(state)
                self._state = state
        return state

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
        self._sleep(seconds)

    def _say(self, trouble: str) -> None:
        with self._changed:
            if trouble and trouble != self._trouble:
                _log.warning("%s: %s", self._state.collection, trouble)
            self._trouble = trouble

    def _sleep(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, seconds)

    def _ended(self) -> bool:
        with self._changed:
            return self._stopping
